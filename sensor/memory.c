/* memory.c - cells, a hash by key, and a list by rest. */
#include "sensor/memory.h"

#include <stdlib.h>

#include "sensor/limiter.h"

union cell {
	struct memory_group group;
	struct memory_note note; /* free cells: next */
};

_Static_assert(sizeof(union cell) == 64, "a cell is one cache line");

enum { CELLS_MIN = 16 };

struct memory {
	union cell *cell;           /* from 1 */
	uint32_t *bucket;           /* first group of each */
	uint32_t cells, made, free; /* made: touched so far */
	uint32_t mask;
	struct owner {
		uint32_t oldest, newest; /* its groups, by rest */
	} owner[MEMORY_OWNERS];
	uint32_t held[MEMORY_OWNERS]; /* cells of each */
	uint32_t groups;
	uint64_t evicted, seed;
};

struct memory *memory_new(size_t bytes, uint64_t seed)
{
	size_t cells = bytes / (sizeof(union cell) + sizeof(uint32_t)), buckets = CELLS_MIN;
	if (cells < CELLS_MIN)
		cells = CELLS_MIN;
	if (cells > UINT32_MAX - 1)
		cells = UINT32_MAX - 1;
	while (buckets * 2 <= cells)
		buckets *= 2;
	struct memory *m = calloc(1, sizeof *m);
	if (m == NULL)
		return NULL;
	m->cell = calloc(cells + 1, sizeof *m->cell);
	m->bucket = calloc(buckets, sizeof *m->bucket);
	m->cells = (uint32_t)cells;
	m->mask = (uint32_t)(buckets - 1);
	m->seed = seed;
	if (m->cell == NULL || m->bucket == NULL) {
		memory_free(m);
		return NULL;
	}
	return m;
}

void memory_free(struct memory *m)
{
	if (m == NULL)
		return;
	free(m->cell);
	free(m->bucket);
	free(m);
}

static uint32_t index_of(const struct memory *m, const void *cell)
{
	return (uint32_t)((const union cell *)cell - m->cell);
}

static uint32_t *bucket_of(struct memory *m, const uint64_t key[2])
{
	return &m->bucket[key_mix(m->seed, key[0]) >> 32 & m->mask];
}

static uint32_t owner_of(const struct memory_group *g)
{
	return g->key[1] & (MEMORY_OWNERS - 1);
}

static void release(struct memory *m, uint32_t i)
{
	m->cell[i].note.next = m->free;
	m->free = i;
}

/* --- the list by rest -------------------------------------------------------------------- */

static void unlist(struct memory *m, const struct memory_group *g)
{
	struct owner *o = &m->owner[owner_of(g)];
	*(g->older == 0 ? &o->oldest : &m->cell[g->older].group.newer) = g->newer;
	*(g->newer == 0 ? &o->newest : &m->cell[g->newer].group.older) = g->older;
}

static void list_newest(struct memory *m, struct memory_group *g)
{
	struct owner *o = &m->owner[owner_of(g)];
	uint32_t i = index_of(m, g);
	g->older = o->newest;
	g->newer = 0;
	*(o->newest == 0 ? &o->oldest : &m->cell[o->newest].group.newer) = i;
	o->newest = i;
}

static void forget(struct memory *m, struct memory_group *g)
{
	uint32_t i = index_of(m, g), *at = bucket_of(m, g->key);
	memory_clear(m, g);
	while (*at != i)
		at = &m->cell[*at].group.chain;
	*at = g->chain;
	unlist(m, g);
	m->groups--;
	m->held[owner_of(g)]--;
	release(m, i);
}

/* The group that gives way; NULL: only @but could. */
static struct memory_group *victim(struct memory *m, const struct memory_group *but)
{
	uint32_t most = 0;
	for (uint32_t i = 1; i < MEMORY_OWNERS; i++)
		if (m->held[i] > m->held[most])
			most = i;
	struct memory_group *g = &m->cell[m->owner[most].oldest].group;
	if (g != but)
		return g;
	return g->newer == 0 ? NULL : &m->cell[g->newer].group;
}

/* A free cell, if need be of another group than @but; 0: there is none. */
static uint32_t take(struct memory *m, const struct memory_group *but, int64_t now_ns)
{
	if (m->free == 0 && m->made < m->cells)
		return ++m->made;
	if (m->free == 0) {
		struct memory_group *g = victim(m, but);
		if (g == NULL)
			return 0;
		m->evicted += g->expires_ns >= now_ns;
		forget(m, g);
	}
	uint32_t i = m->free;
	m->free = m->cell[i].note.next;
	return i;
}

struct memory_group *memory_group(struct memory *m, const uint64_t key[2], int64_t now_ns)
{
	for (uint32_t i = *bucket_of(m, key); i != 0; i = m->cell[i].group.chain) {
		struct memory_group *g = &m->cell[i].group;
		if (g->key[0] != key[0] || g->key[1] != key[1])
			continue;
		unlist(m, g);
		list_newest(m, g);
		return g;
	}
	struct memory_group *g = &m->cell[take(m, NULL, now_ns)].group;
	uint32_t *bucket = bucket_of(m, key);
	*g = (struct memory_group){ .key = { key[0], key[1] },
		.now_ns = now_ns,
		.since_ns = now_ns,
		.expires_ns = now_ns,
		.chain = *bucket };
	*bucket = index_of(m, g);
	list_newest(m, g);
	m->groups++;
	m->held[owner_of(g)]++;
	return g;
}

/* --- notes ------------------------------------------------------------------------------- */

struct memory_note *memory_add(struct memory *m, struct memory_group *g)
{
	uint32_t i = take(m, g, g->now_ns);
	if (i == 0)
		return NULL;
	struct memory_note *n = &m->cell[i].note;
	*n = (struct memory_note){ 0 };
	*(g->last == 0 ? &g->first : &m->cell[g->last].note.next) = i;
	g->last = i;
	g->count++;
	m->held[owner_of(g)]++;
	return n;
}

struct memory_note *memory_first(const struct memory *m, const struct memory_group *g)
{
	return g->first == 0 ? NULL : &m->cell[g->first].note;
}

struct memory_note *memory_next(const struct memory *m, const struct memory_note *n)
{
	return n->next == 0 ? NULL : &m->cell[n->next].note;
}

void memory_drop(struct memory *m, struct memory_group *g, struct memory_note *before)
{
	uint32_t *at = before == NULL ? &g->first : &before->next, i = *at;
	*at = m->cell[i].note.next;
	if (g->last == i)
		g->last = before == NULL ? 0 : index_of(m, before);
	g->count--;
	m->held[owner_of(g)]--;
	release(m, i);
}

void memory_clear(struct memory *m, struct memory_group *g)
{
	while (g->first != 0)
		memory_drop(m, g, NULL);
}

uint64_t memory_evicted(const struct memory *m)
{
	return m->evicted;
}

size_t memory_groups(const struct memory *m)
{
	return m->groups;
}
