/* evidence.h - the packets of an alert, as a capture from which a replay gives it again.
 *
 * The latest frames are kept in memory. At an alert those that led to it are collected; those that
 * follow are added when its verdict is known, and the capture is written: live by a thread of its
 * own, in replay at once. */
#ifndef SENSOR_EVIDENCE_H
#define SENSOR_EVIDENCE_H

#include "sensor/config.h"
#include "sensor/counters.h"
#include "sensor/eve.h"

struct evidence;

/* Is what the configuration says sound? */
bool evidence_check(const struct config *c, struct err *err);
/* NULL without @err: not wanted. */
struct evidence *evidence_open(
	const struct config *c, bool live, struct counters *counters, struct err *err);
/* Everything is written. */
void evidence_close(struct evidence *e);

/* A frame, before and after it was taken apart; @done: TCP or UDP. */
void evidence_frame(struct evidence *e, const struct packet *p);
void evidence_decoded(struct evidence *e, const struct packet *p, bool done);
/* @a, whose n is known, is about to be written: a->slice and what belongs to it are set. */
void evidence_alert(struct evidence *e, uint64_t epoch, struct alert *a);
/* The verdict of the alert of that n is known. */
void evidence_verdict(struct evidence *e, uint64_t n);
/* About every second: what waited in vain is written, and what went wrong is told of. */
void evidence_tick(struct evidence *e, struct stamp now, const struct inspector *to);
/* The end of a capture: all is handed over, and frames are forgotten. */
void evidence_finish(struct evidence *e, struct stamp now, const struct inspector *to);

#endif
