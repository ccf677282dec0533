/* judge.h - from PDUs to alerts: pairs, asks the rules, waits for verdicts, tells. */
#ifndef SENSOR_JUDGE_H
#define SENSOR_JUDGE_H

#include <stdio.h>

#include "sensor/fold.h"
#include "sensor/tell.h"

struct judge;
struct watchers;

struct judge_options {
	struct rule_run *rules; /* NULL: none */
	struct tell *tell;
	struct counters *counters;
	FILE *pdus;               /* --pdus, or NULL */
	size_t max_waiting;       /* alerts that may wait for a verdict */
	size_t wait_bytes;        /* memory for them */
	unsigned max_requests;    /* open at a time on one flow */
	size_t limiter_entries;   /* of anomalies */
	struct fold_options fold; /* what of it is a setting; the judge sees to the rest */
	size_t memory_bytes;      /* of correlations */
	bool forgetful;           /* rules are asked for each message, as --rule-report counts */
	uint64_t seed;            /* of what is remembered; 0 in replay */
	uint32_t one_way_pdus; /* so many messages of one direction alone are a one-way mirror; 0:
				  never */
	const uint32_t *reply_ms;  /* by dissector index */
	const uint8_t *canary_tag; /* CANARY_TAG bytes, or NULL */
	struct watchers *watchers; /* or NULL */
	struct changes *changes;   /* of transaction events; NULL: all are told */
	struct quiet *quiet;       /* silences and maintenance, or NULL */
	/* Site facts for a new flow; NULL: none. */
	void (*flow_facts)(void *ctx, struct flow *f);
	void *facts_ctx;
};

struct judge *judge_new(const struct judge_options *o);
/* What transport calls; valid as long as the judge. */
const struct inspector *judge_inspector(struct judge *j);
/* Packet time (live: wall time too) has come to @now_ns: tells what is overdue. */
void judge_tick(struct judge *j, int64_t now_ns);
/* Everything that still waits is told; after transport_finish(). */
void judge_finish(struct judge *j);
/* The same, and what open alerts hold: the end of a capture, with its frames and names. */
void judge_end(struct judge *j);
/* From here on these rules; waiting hits are told first, for they point into the old set. */
void judge_rules(struct judge *j, struct rule_run *rules);
/* PDUs by service index. */
const uint64_t *judge_pdus(const struct judge *j);
/* Alerts by enum rule_level. */
const uint64_t *judge_levels(const struct judge *j);
void judge_free(struct judge *j);

#endif
