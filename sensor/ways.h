/* ways.h - do both directions of the traffic arrive? */
#ifndef SENSOR_WAYS_H
#define SENSOR_WAYS_H

#include "sensor/counters.h"
#include "sensor/event.h"

#define WAYS_WINDOW_NS (INT64_C(60) * 1000000000)

struct ways {
	int64_t since_ns;
	uint64_t pdus[2]; /* over TCP, by direction */
	bool both;        /* have been seen in this window: the rest of it tells nothing */
	bool told;
};

/* Takes a message in. True, with @out to tell, when @least messages of one direction alone came
 * within a minute: half the mirror is missing. @least 0: never. */
bool ways_look(struct ways *w, const struct counters *c, uint32_t least, const struct event *e,
	struct anomaly *out);
static inline bool ways_watch(struct ways *w, const struct counters *c, uint32_t least,
	const struct event *e, struct anomaly *out)
{
	bool settled = w->both && e->at.ts_ns - w->since_ns <= WAYS_WINDOW_NS;
	return !settled && ways_look(w, c, least, e, out);
}

#endif
