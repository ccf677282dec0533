/* keep.h - a fixed table of suspects. When it is full the least deserving goes: each entry has
 * credit, which its owner gives for what is suspicious; a hand goes round, takes one from each that
 * has some and the place of the first that has none. A million harmless strangers cannot push out
 * one that has earned its place. */
#ifndef SENSOR_KEEP_H
#define SENSOR_KEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keep;

/* What every entry starts with; the rest is the owner's, zeroed when it is taken. */
struct keep_entry {
	uint64_t key; /* never 0 */
	uint32_t place;
	uint8_t credit;
};

/* Memory is taken at once, and used as it fills. NULL: there is none. */
struct keep *keep_new(size_t entries, size_t entry_size);
void keep_free(struct keep *k);
/* @key is a seeded hash. Never moves. */
void *keep_find(const struct keep *k, uint64_t key);
/* Finds it or makes it. */
void *keep_take(struct keep *k, uint64_t key, bool *fresh);
uint64_t keep_evicted(const struct keep *k);
size_t keep_count(const struct keep *k);

static inline void keep_credit(struct keep_entry *e)
{
	if (e->credit < UINT8_MAX)
		e->credit++;
}

#endif
