/* roster.h - records by key in a bounded table that a flood cannot empty.
 *
 * Each record has a rank. Where the table is full, a newcomer takes the place of the one that
 * rested longest among the lowest rank, if that rank is below its own or 0; else it is refused. */
#ifndef SENSOR_ROSTER_H
#define SENSOR_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROSTER_RANKS = 3 };

/* What each record begins with; its key follows, without padding that is not zeroed. */
struct roster_entry {
	uint32_t next;         /* in the bucket */
	uint32_t older, newer; /* of the same rank */
	uint8_t rank;
	bool used;
};

struct roster_options {
	size_t max;    /* records */
	size_t record; /* bytes of one */
	size_t key;    /* bytes of its key */
	uint64_t seed;
	/* One is about to give way; may be NULL. */
	void (*gone)(void *ctx, void *record);
	void *ctx;
};

/* For roster.c, and so that roster_at() costs little. */
struct roster {
	struct roster_options o;
	size_t record;        /* bytes from one to the next */
	unsigned char *block; /* records, from 1 */
	uint32_t *bucket;
	uint32_t mask, made, count;
	uint32_t oldest[ROSTER_RANKS], newest[ROSTER_RANKS];
	uint64_t evicted, refused;
};

static inline struct roster_entry *roster_entry(const struct roster *r, size_t i)
{
	return (struct roster_entry *)(void *)(r->block + i * r->record);
}

struct roster *roster_new(const struct roster_options *o);
void roster_free(struct roster *r);
void *roster_find(const struct roster *r, const void *key);
/* The record of @key, of @rank at least and the newest of it; a fresh one is zero but for its key.
 * NULL: there is no room for one of that rank. */
void *roster_put(struct roster *r, const void *key, unsigned rank, bool *fresh);
void roster_touch(struct roster *r, void *record, unsigned rank);

/* Places, from 0 to roster_places() - 1; NULL where none is. A record keeps its place. */
size_t roster_places(const struct roster *r);
static inline void *roster_at(const struct roster *r, size_t place)
{
	if (place >= r->made)
		return NULL;
	struct roster_entry *e = roster_entry(r, place + 1);
	return e->used ? e : NULL;
}
size_t roster_place(const struct roster *r, const void *record);
size_t roster_count(const struct roster *r);
/* Records that gave way, and newcomers that were refused. */
uint64_t roster_evicted(const struct roster *r);
uint64_t roster_refused(const struct roster *r);

#endif
