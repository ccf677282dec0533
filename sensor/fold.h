/* fold.h - repeats of an alert are counted into the one that is open, and told of now and then.
 *
 * An alert opens with its first occurrence. Further ones of the same rule, ends, unit and verdict
 * (or of the keys of the rule's suppress: then the verdict matters only where the verb changes the
 * device) are held and counted; an update goes out at 2, 4, 8 …
 * occurrences (with suppress: when its time is over), when it was silent for long, and at the
 * close. The counts of all events add up to the occurrences. */
#ifndef SENSOR_FOLD_H
#define SENSOR_FOLD_H

#include "sensor/correlate.h"
#include "sensor/tell.h"

struct fold;

struct fold_options {
	struct tell *tell;
	struct counters *counters;
	bool every;     /* fold alerts of rules without suppress too */
	size_t entries; /* alerts open at a time; beyond, the one nearest to its close is closed */
	size_t bytes;   /* memory for messages of held occurrences; beyond, they are told */
	int64_t close_ns;  /* so long without an occurrence closes an alert */
	int64_t remind_ns; /* an alert that goes on is told of at least so often */
	uint64_t seed;     /* hides which keys meet; 0 in replay */
};

/* An alert as it occurred. */
struct occurrence {
	const struct hit *hit;
	const struct chain *chain; /* of a correlation, or NULL */
	const struct event *event;
};

struct fold *fold_new(const struct fold_options *o);
void fold_free(struct fold *f);
/* Counts an occurrence. Returns the n of the event that told it, 0 if it is held (or alerts are not
 * told at all). */
uint64_t fold_alert(struct fold *f, const struct occurrence *o);
/* Counts an occurrence whose verdict is still to come, where the rule's suppress does not ask for
 * it (of what only looks) and the message that a later event shows is there. False: it has to wait.
 */
bool fold_repeat(struct fold *f, const struct hit *hit, const struct event *e);
/* Is such an alert open, whatever its verdict? Then this one need not hurry. */
bool fold_is_open(const struct fold *f, const struct hit *hit, const struct event *e);
/* Alert @n went out before its verdict; @e has it now. */
void fold_settled(struct fold *f, const struct hit *hit, const struct event *e, uint64_t n);
/* Nothing is due before. */
int64_t fold_next_ns(const struct fold *f);
/* Closes what has rested at @now_ns. */
void fold_tick(struct fold *f, int64_t now_ns);
/* Tells what is held; alerts stay open. At the end of a capture, and before the rules change. */
void fold_flush(struct fold *f);
/* Alerts closed before their time because too many were open. */
uint64_t fold_evicted(const struct fold *f);
/* Alert events by enum rule_level. */
const uint64_t *fold_levels(const struct fold *f);

#endif
