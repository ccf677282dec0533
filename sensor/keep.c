/* keep.c - entries in one block, found through open addressing with backward-shift deletion. */
#include "sensor/keep.h"

#include <stdlib.h>
#include <string.h>

enum { STEPS_MAX = 64 }; /* of the hand, for one place */

struct keep {
	uint8_t *entries;
	size_t size, cap, count, hand;
	uint32_t *cells; /* 1 + index of an entry; 0: free */
	size_t mask;
	uint64_t evicted;
};

struct keep *keep_new(size_t entries, size_t entry_size)
{
	struct keep *k = calloc(1, sizeof *k);
	if (k == NULL)
		return NULL;
	k->cap = entries;
	k->size = (entry_size + 7) & ~(size_t)7;
	for (k->mask = 16; k->mask < entries * 2; k->mask *= 2)
		continue;
	k->entries = calloc(entries, k->size);
	k->cells = calloc(k->mask, sizeof *k->cells);
	k->mask--;
	if (k->entries != NULL && k->cells != NULL)
		return k;
	keep_free(k);
	return NULL;
}

void keep_free(struct keep *k)
{
	if (k == NULL)
		return;
	free(k->entries);
	free(k->cells);
	free(k);
}

static struct keep_entry *entry_at(const struct keep *k, size_t index)
{
	return (struct keep_entry *)(void *)(k->entries + index * k->size);
}

void *keep_find(const struct keep *k, uint64_t key)
{
	for (size_t i = key & k->mask; k->cells[i] != 0; i = (i + 1) & k->mask) {
		struct keep_entry *e = entry_at(k, k->cells[i] - 1);
		if (e->key == key)
			return e;
	}
	return NULL;
}

static void forget(struct keep *k, const struct keep_entry *e)
{
	size_t i = e->key & k->mask;
	while (k->cells[i] != e->place + 1)
		i = (i + 1) & k->mask;
	for (size_t j = (i + 1) & k->mask; k->cells[j] != 0; j = (j + 1) & k->mask) {
		size_t home = entry_at(k, k->cells[j] - 1)->key & k->mask;
		if (((j - home) & k->mask) >= ((j - i) & k->mask)) {
			k->cells[i] = k->cells[j];
			i = j;
		}
	}
	k->cells[i] = 0;
}

/* The first without credit, else the one with the least of those the hand came by. */
static struct keep_entry *least(struct keep *k)
{
	struct keep_entry *found = NULL;
	for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
		struct keep_entry *e = entry_at(k, k->hand);
		k->hand = (k->hand + 1) % k->cap;
		if (found == NULL || e->credit < found->credit)
			found = e;
		if (e->credit == 0)
			break;
		e->credit--;
	}
	return found;
}

void *keep_take(struct keep *k, uint64_t key, bool *fresh)
{
	struct keep_entry *e = keep_find(k, key);
	*fresh = e == NULL;
	if (e != NULL)
		return e;
	size_t place = k->count;
	if (k->count < k->cap) {
		e = entry_at(k, k->count++);
	} else {
		e = least(k);
		place = e->place;
		forget(k, e);
		k->evicted++;
	}
	memset(e, 0, k->size);
	e->key = key;
	e->place = (uint32_t)place;
	size_t i = key & k->mask;
	while (k->cells[i] != 0)
		i = (i + 1) & k->mask;
	k->cells[i] = (uint32_t)place + 1;
	return e;
}

uint64_t keep_evicted(const struct keep *k)
{
	return k->evicted;
}

size_t keep_count(const struct keep *k)
{
	return k->count;
}
