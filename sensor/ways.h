/* ways.h - do both directions of the traffic arrive? */
#ifndef SENSOR_WAYS_H
#define SENSOR_WAYS_H

#include "sensor/counters.h"
#include "sensor/event.h"

struct ways {
	int64_t since_ns;
	int64_t both_until_ns; /* both directions have been seen, and so far need not be looked at
				*/
	uint64_t pdus[2];      /* over TCP, by direction */
	bool told;
};

/* Takes a message in. True, with @out to tell, when @least messages of one direction alone came
 * within a minute: half the mirror is missing. @least 0: never. */
bool ways_look(struct ways *w, const struct counters *c, uint32_t least, const struct event *e,
	struct anomaly *out);
static inline bool ways_watch(struct ways *w, const struct counters *c, uint32_t least,
	const struct event *e, struct anomaly *out)
{
	return e->at.ts_ns > w->both_until_ns && ways_look(w, c, least, e, out);
}

#endif
