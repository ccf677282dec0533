/* baseline_watch.h - what is observed beyond a baseline. */
#ifndef SENSOR_BASELINE_WATCH_H
#define SENSOR_BASELINE_WATCH_H

#include "sensor/baseline.h"
#include "sensor/watch.h"

enum deviation_kind {
	DEVIATION_PAIR,
	DEVIATION_UNIT,
	DEVIATION_PROTOCOL,
	DEVIATION_REVERSAL,
	DEVIATION_VERB,
	DEVIATION_FUNCTION,
	DEVIATION_RANGE,
	DEVIATION_RATE,
	DEVIATION_FORBIDDEN,
	BASELINE_LOCKED,
	BASELINE_SWITCHED,
	BASELINE_EXPIRED,
	DEVIATIONS
};

struct deviation {
	enum deviation_kind kind;
	const struct baseline_use *use; /* or NULL: none holds */
	const struct contact_key *key;  /* NULL: of the baseline itself */
	uint32_t talk;                  /* or BASELINE_NOBODY */
	act_id act;                     /* 0: none */
	struct act_place place;
	uint64_t rate;
	bool expects; /* say what was expected */
};

void baseline_tell(const struct watch *w, const struct deviation *d, const struct event *e);
/* Of the baseline itself. */
void baseline_tell_life(const struct watch *w, const struct deviation *d, struct stamp at);

#endif
