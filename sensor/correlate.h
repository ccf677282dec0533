/* correlate.h - correlations while packets go by: what a hit adds to those that its rule feeds. */
#ifndef SENSOR_CORRELATE_H
#define SENSOR_CORRELATE_H

#include "sensor/memory.h"
#include "sensor/rule.h"

enum { CHAIN_FRAMES = 8, GROUP_BY_MAX = 8 };

struct field_ref;

/* How a correlation came to hold. */
struct chain {
	uint32_t count;            /* events, values or rules in the window */
	int64_t first_ns, last_ns; /* of the events it rests on */
	bool has_value;
	double value; /* sum, average, percentile */
	uint32_t frames;
	uint64_t frame[CHAIN_FRAMES];             /* the newest, in their order */
	const struct field_ref *by[GROUP_BY_MAX]; /* fields of the last event */
};

struct correlated {
	struct hit hit; /* of the correlation */
	struct chain chain;
};

/* @hit holds for @e, known at @now_ns. Correlations that come to hold are written to @out, at most
 * @max; returns how many. */
size_t correlate(struct memory *m, struct rule_run *run, const struct hit *hit,
	const struct event *e, int64_t now_ns, struct correlated *out, size_t max);
/* For bongsu.matched: the values that the events have in common. */
void correlation_matched(const struct rule *rule, const struct chain *chain, const struct event *e,
	int32_t item, rule_field_fn *put, void *ctx);
const char *correlation_type(const struct rule *rule);

#endif
