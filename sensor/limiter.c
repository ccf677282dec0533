/* limiter.c - rows of four entries, addressed by the key's hash. */
#include "sensor/limiter.h"

#include <stdlib.h>
#include <string.h>

enum { WAYS = 4 };

struct entry {
	int64_t seen_ns;
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

/* The entry of @key, or a fresh one. */
static struct entry *lookup(struct limiter *l, uint64_t key)
{
	if (key == 0)
		key = 1;
	struct row *row = &l->row[key_mix(l->seed, key) >> 32 & (l->rows - 1)];
	for (unsigned i = 0; i < WAYS; i++)
		if (row->key[i] == key)
			return &row->entry[i];
	unsigned rested = 0;
	for (unsigned i = 1; i < WAYS && row->key[rested] != 0; i++)
		if (row->key[i] == 0 || row->entry[i].seen_ns < row->entry[rested].seen_ns)
			rested = i;
	row->key[rested] = key;
	row->entry[rested] = (struct entry){ 0 };
	return &row->entry[rested];
}

bool limiter_doubling(
	struct limiter *l, uint64_t key, int64_t now_ns, uint64_t count, uint64_t *sum)
{
	struct entry *e = lookup(l, key);
	e->seen_ns = now_ns;
	e->times++;
	e->held += count;
	if ((e->times & (e->times - 1)) != 0)
		return false;
	*sum = e->held;
	e->held = 0;
	return true;
}
