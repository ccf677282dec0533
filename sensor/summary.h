/* summary.h - what a run has seen, for people. */
#ifndef SENSOR_SUMMARY_H
#define SENSOR_SUMMARY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "sensor/counters.h"
#include "sensor/sink.h"

struct summary {
	const struct counters *counters;
	const uint64_t *pdus;   /* by service index */
	const uint64_t *levels; /* alerts by enum rule_level */
	const struct sink_totals *sinks;
	int64_t elapsed_ns; /* wall time of the run */
	bool checksums_hint;
};

/* The closing summary: packets, PDUs by protocol, alerts by level, everything not inspected and
 * why. */
void summary_print(FILE *out, const struct summary *s);
/* Every counter, one a line, for SIGUSR1. */
void summary_counters(FILE *out, const struct counters *c);
/* Most checksums wrong: a capture with off-loading. */
bool summary_checksums_bad(const struct counters *c);

/* A progress line on a terminal, at most five times a second. */
struct progress {
	FILE *out; /* NULL: none */
	int64_t start_ns, told_ns;
	bool shown;
};
void progress_start(struct progress *p, FILE *out);
void progress_tell(struct progress *p, const struct counters *c, uint64_t position, uint64_t size);
void progress_end(struct progress *p);

#endif
