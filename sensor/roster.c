/* roster.c - one block of records, buckets by hash, and a list by rest for each rank. */
#include "sensor/roster.h"

#include <stdlib.h>
#include <string.h>

#include "sensor/limiter.h"

static uint32_t index_of(const struct roster *r, const void *record)
{
	return (uint32_t)((size_t)((const unsigned char *)record - r->block) / r->record);
}

static unsigned char *key_of(struct roster_entry *e)
{
	return (unsigned char *)(e + 1);
}

struct roster *roster_new(const struct roster_options *o)
{
	struct roster *r = calloc(1, sizeof *r);
	size_t buckets = 16;
	if (r == NULL)
		return NULL;
	r->o = *o;
	r->record = (o->record + 7) & ~(size_t)7;
	while (buckets < o->max)
		buckets *= 2;
	r->mask = (uint32_t)(buckets - 1);
	r->bucket = calloc(buckets, sizeof *r->bucket);
	r->block = calloc(o->max + 1, r->record); /* untouched pages cost nothing */
	if (r->bucket != NULL && r->block != NULL)
		return r;
	roster_free(r);
	return NULL;
}

void roster_free(struct roster *r)
{
	if (r == NULL)
		return;
	free(r->bucket);
	free(r->block);
	free(r);
}

/* --- lists and buckets ------------------------------------------------------------------- */

static uint32_t *bucket_of(const struct roster *r, const void *key)
{
	uint64_t h = key_mix_bytes(r->o.seed, key, r->o.key);
	return &r->bucket[(h ^ h >> 32) & r->mask];
}

static void unlist(struct roster *r, struct roster_entry *e)
{
	if (e->older != 0)
		roster_entry(r, e->older)->newer = e->newer;
	else
		r->oldest[e->rank] = e->newer;
	if (e->newer != 0)
		roster_entry(r, e->newer)->older = e->older;
	else
		r->newest[e->rank] = e->older;
}

static void list(struct roster *r, struct roster_entry *e, unsigned rank)
{
	uint32_t i = index_of(r, e);
	e->rank = (uint8_t)rank;
	e->newer = 0;
	e->older = r->newest[rank];
	if (e->older != 0)
		roster_entry(r, e->older)->newer = i;
	else
		r->oldest[rank] = i;
	r->newest[rank] = i;
}

void *roster_find(const struct roster *r, const void *key)
{
	for (uint32_t i = *bucket_of(r, key); i != 0; i = roster_entry(r, i)->next)
		if (memcmp(key_of(roster_entry(r, i)), key, r->o.key) == 0)
			return roster_entry(r, i);
	return NULL;
}

static void remove_one(struct roster *r, struct roster_entry *e)
{
	uint32_t i = index_of(r, e), *at = bucket_of(r, key_of(e));
	if (r->o.gone != NULL)
		r->o.gone(r->o.ctx, e);
	while (*at != i)
		at = &roster_entry(r, *at)->next;
	*at = e->next;
	unlist(r, e);
	memset(e, 0, r->record);
	r->count--;
}

/* Who gives way to one of @rank; 0: nobody. */
static uint32_t weakest(const struct roster *r, unsigned rank)
{
	for (unsigned k = 0; k < ROSTER_RANKS && (k < rank || k == 0); k++)
		if (r->oldest[k] != 0)
			return r->oldest[k];
	return 0;
}

static uint32_t make_room(struct roster *r, unsigned rank)
{
	if (r->made < r->o.max)
		return ++r->made;
	uint32_t i = weakest(r, rank);
	if (i == 0) {
		r->refused++;
		return 0;
	}
	r->evicted++;
	remove_one(r, roster_entry(r, i));
	return i;
}

void *roster_put(struct roster *r, const void *key, unsigned rank, bool *fresh)
{
	struct roster_entry *e = roster_find(r, key);
	*fresh = e == NULL;
	if (e != NULL) {
		roster_touch(r, e, rank);
		return e;
	}
	uint32_t i = make_room(r, rank);
	if (i == 0)
		return NULL;
	e = roster_entry(r, i);
	memcpy(key_of(e), key, r->o.key);
	uint32_t *bucket = bucket_of(r, key);
	e->next = *bucket;
	*bucket = i;
	e->used = true;
	list(r, e, rank);
	r->count++;
	return e;
}

void roster_touch(struct roster *r, void *record, unsigned rank)
{
	struct roster_entry *e = record;
	if (rank < e->rank)
		rank = e->rank;
	if (rank == e->rank && e->newer == 0)
		return;
	unlist(r, e);
	list(r, e, rank);
}

/* --- places ------------------------------------------------------------------------------ */

size_t roster_places(const struct roster *r)
{
	return r->made;
}

size_t roster_place(const struct roster *r, const void *record)
{
	return index_of(r, record) - 1;
}

size_t roster_count(const struct roster *r)
{
	return r->count;
}

uint64_t roster_evicted(const struct roster *r)
{
	return r->evicted;
}

uint64_t roster_refused(const struct roster *r)
{
	return r->refused;
}
