/* overlap.h - two segments that say different things of one place: both are read. */
#ifndef SENSOR_OVERLAP_H
#define SENSOR_OVERLAP_H

#include "sensor/stream.h"

/* Compares @past, bytes before half->next that come again, with what was delivered. True if
 * nothing differs as far as it is remembered; else it is told and the other reading inspected. */
bool overlap_check(struct transport *t, struct stream *st, unsigned from, const struct piece *past);
/* Compares @in, about to be delivered, with @rival that waits and begins inside it. True if they
 * differ: told, and *other is set (if memory allows) for overlap_start() after the delivery. */
bool overlap_rival(struct transport *t, struct stream *st, unsigned from, const struct piece *in,
	const struct piece *rival, struct reread **other);
void overlap_start(struct transport *t, struct stream *st, unsigned from, struct reread *other);
/* Bytes in order that go on after both readings. */
void overlap_more(struct transport *t, struct stream *st, unsigned from, const struct piece *in);
void overlap_forget(struct transport *t, struct half *h);

#endif
