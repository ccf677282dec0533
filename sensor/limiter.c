/* limiter.c - rows of four entries, addressed by the key's hash. */
#include "sensor/limiter.h"

#include <stdlib.h>
#include <string.h>

enum { WAYS = 4 };

struct entry {
	int64_t first_ns, told_ns, seen_ns;
	uint64_t open;  /* n of the event that opened it */
	uint64_t times; /* occurrences */
	uint64_t held;  /* since it was last told */
};

/* The keys stand together, so that a look takes one or two cache lines. */
struct row {
	uint64_t key[WAYS]; /* 0: free */
	struct entry entry[WAYS];
};

struct limiter {
	size_t rows; /* a power of two */
	uint64_t seed;
	struct row row[];
};

struct limiter *limiter_new(size_t entries, uint64_t seed)
{
	size_t rows = 1;
	while (rows * WAYS < entries)
		rows *= 2;
	struct limiter *l = calloc(1, sizeof *l + rows * sizeof(struct row));
	if (l != NULL)
		l->rows = rows, l->seed = seed;
	return l;
}

void limiter_free(struct limiter *l)
{
	free(l);
}

uint64_t key_mix_bytes(uint64_t key, const uint8_t *bytes, size_t n)
{
	for (; n >= 8; bytes += 8, n -= 8) {
		uint64_t word;
		memcpy(&word, bytes, 8);
		key = key_mix(key, word);
	}
	for (; n > 0; bytes++, n--)
		key = key_mix(key, *bytes);
	return key;
}

/* The entry of @key; *found tells whether it was there, else it is a fresh one. */
static struct entry *lookup(struct limiter *l, uint64_t key, bool *found)
{
	if (key == 0)
		key = 1;
	struct row *row = &l->row[key_mix(l->seed, key) >> 32 & (l->rows - 1)];
	*found = true;
	for (unsigned i = 0; i < WAYS; i++)
		if (row->key[i] == key)
			return &row->entry[i];
	unsigned rested = 0;
	for (unsigned i = 1; i < WAYS && row->key[rested] != 0; i++)
		if (row->key[i] == 0 || row->entry[i].seen_ns < row->entry[rested].seen_ns)
			rested = i;
	*found = false;
	row->key[rested] = key;
	row->entry[rested] = (struct entry){ 0 };
	return &row->entry[rested];
}

/* Time may step back a little (another mirrored port); by more than a period the clock was set. */
static bool within(int64_t now_ns, int64_t then_ns, int64_t period_ns)
{
	return now_ns - then_ns < period_ns && then_ns - now_ns < period_ns;
}

bool limiter_every(
	struct limiter *l, uint64_t key, int64_t now_ns, int64_t period_ns, struct limited *out)
{
	bool found;
	struct entry *e = lookup(l, key, &found);
	if (!found || !within(now_ns, e->seen_ns, period_ns)) {
		e->first_ns = now_ns;
		e->open = 0;
		e->times = 0;
	}
	e->seen_ns = now_ns;
	e->times++;
	if (found && within(now_ns, e->told_ns, period_ns)) {
		e->held++;
		return false;
	}
	*out = (struct limited){ key, e->held, e->times, e->open, e->first_ns };
	e->held = 0;
	e->told_ns = now_ns;
	return true;
}

void limiter_opened(struct limiter *l, uint64_t key, uint64_t n)
{
	bool found;
	struct entry *e = lookup(l, key, &found);
	if (e->open == 0)
		e->open = n;
}

bool limiter_doubling(
	struct limiter *l, uint64_t key, int64_t now_ns, uint64_t count, uint64_t *sum)
{
	bool found;
	struct entry *e = lookup(l, key, &found);
	e->seen_ns = now_ns;
	e->times++;
	e->held += count;
	if ((e->times & (e->times - 1)) != 0)
		return false;
	*sum = e->held;
	e->held = 0;
	return true;
}
