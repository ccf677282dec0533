/* sink.h - where finished events go: stdout, file, syslog, Redis; several at once. */
#ifndef SENSOR_SINK_H
#define SENSOR_SINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"

struct sinks;

struct sink_options {
	const char *sensor; /* name, for the default key bongsu:alerts:{NAME} */
	uint64_t epoch;
	bool live; /* Redis away: go on and spool; in replay wait for it, bounded by drain_s */
	const char *spool_dir; /* for Redis sinks */
	uint64_t spool_bytes;  /* cap */
	uint32_t keep_s;       /* spool records are kept this long after their acknowledgement */
	uint32_t drain_s;      /* how long sinks_close() waits for what is not delivered */
	/* What an operator should know ("file:/x: No space left on device"); called from the sinks'
	 * threads. NULL: stderr. */
	void (*say)(const char *text);
};

/* Are these sinks, none twice? Opens nothing. */
bool sinks_check(const char *const *specs, size_t count, struct err *err);
/* Opens every spec ("-", "file:PATH", "syslog:", "redis://…", "redis+unix:///PATH?…",
 * "rediss://…"). */
struct sinks *sinks_open(
	const char *const *specs, size_t count, const struct sink_options *o, struct err *err);
/* The files beside its output that a spec makes its sink read, now and at each reconnect (password,
 * certificates): what a sandbox must leave readable. Returns how many. */
enum { SINK_READS = 4, SINK_PATH = 512 };
unsigned sink_reads(const char *spec, char paths[SINK_READS][SINK_PATH]);
/* Takes one finished line (no newline). Never blocks in live mode. n rises by one from call to
 * call.
 * @type is static: "alert". Copies. */
void sinks_put(struct sinks *s, uint64_t n, const char *type, const char *line, size_t len);
/* The present state of the thing called @name (1 to 63 bytes), for sinks that keep such (Redis: a
 * field of bongsu:assets:{SENSOR}); @json NULL: there is no such thing any more. Copies. */
void sinks_keep(struct sinks *s, const char *name, const char *json, size_t len);
/* Nobody reads any more: stdout was closed by its reader and there is no other sink. */
bool sinks_broken(const struct sinks *s);
/* HUP: files are opened again. */
void sinks_reopen(struct sinks *s);

/* What the heartbeat in Redis tells of the sensor; any time, from the thread that puts. */
struct sink_beat {
	char version[32], rules[72]; /* digest of the rule set */
	uint64_t packets, kernel_drops, blind_bytes, lag_ms, n;
};
void sinks_beat(struct sinks *s, const struct sink_beat *beat);

struct sink_totals {
	uint64_t put, delivered, dropped, refused, spooled, spool_damaged, reconnects;
};
void sinks_totals(const struct sinks *s, struct sink_totals *out);
/* Drains, says what could not be delivered (false and @err), frees. */
bool sinks_close(struct sinks *s, struct err *err);

#endif
