/* spool.h - events on disk until they are delivered, and some time beyond.
 * A folder of segments; a record is magic, CRC32C, lengths, epoch, n, type, line. Torn ends are
 * cut, damaged segments are set aside and what is good in them goes on; all that is lost is
 * counted. */
#ifndef SENSOR_SPOOL_H
#define SENSOR_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

struct spool;

/* Events are in the order of their ids. */
struct spool_id {
	uint64_t epoch, n;
};

static inline int spool_compare(struct spool_id a, struct spool_id b)
{
	if (a.epoch != b.epoch)
		return a.epoch < b.epoch ? -1 : 1;
	return a.n == b.n ? 0 : a.n < b.n ? -1 : 1;
}

struct spool_options {
	const char *dir; /* made if it is not there; one process at a time */
	uint64_t max_bytes;
	uint64_t segment_bytes; /* 0: 64 MiB; never more than a quarter of max_bytes */
	uint32_t keep_s;  /* a segment is kept so long after its last event was acknowledged */
	uint32_t sync_ms; /* fdatasync at most so often; 0: 200 */
	void (*say)(void *ctx, const char *text);
	void *ctx;
};

struct spool_record {
	struct spool_id id;
	const char *type, *line; /* valid until the next call; without NUL */
	size_t type_len, len;
};

struct spool_totals {
	uint64_t appended;
	uint64_t lost;     /* dropped before they were acknowledged: cap, full disk */
	uint64_t damaged;  /* unreadable on disk */
	uint64_t segments; /* now */
	uint64_t bytes;    /* now */
};

/* Reads what an earlier run left behind. NULL and @err if the folder cannot be used. */
struct spool *spool_open(const struct spool_options *o, struct err *err);
/* Does not delete anything but what is past keep_s. */
void spool_close(struct spool *s, int64_t now_ms);

/* False if the event is too long (counted as lost). Ids rise from call to call. */
bool spool_append(
	struct spool *s, struct spool_id id, const char *type, const char *line, size_t len);
/* Appending now would drop nothing that has not been acknowledged. */
bool spool_has_room(const struct spool *s);

/* The event at the cursor, which moves on; false at the end. */
bool spool_next(struct spool *s, struct spool_record *out);
/* Cursor behind @id: what follows is what a receiver that has got so far lacks. Events up to @id
 * count as acknowledged, those behind it no longer do. */
void spool_seek(struct spool *s, struct spool_id id, int64_t now_ms);
/* Everything up to @id has arrived. */
void spool_acked(struct spool *s, struct spool_id id, int64_t now_ms);
/* Events not yet acknowledged. */
uint64_t spool_waiting(const struct spool *s);

/* Writes out what is in memory; now and then syncs it and deletes what was kept long enough. */
void spool_tick(struct spool *s, int64_t now_ms);
void spool_totals(const struct spool *s, struct spool_totals *out);
/* Deletes all segments and the folder, of a spool that is not wanted any more; frees. */
void spool_remove(struct spool *s);

#endif
