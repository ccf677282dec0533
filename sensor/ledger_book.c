/* ledger_book.c - the programs that were seen, in bounded memory. */
#include <stdlib.h>

#include "sensor/ledger.h"
#include "sensor/limiter.h"

struct book {
	struct program *program; /* from 1 */
	uint32_t *bucket;
	uint32_t cap, count, mask;
	uint32_t oldest, newest; /* by last use */
	uint64_t seed;
};

struct book *book_new(size_t programs, uint64_t seed)
{
	size_t buckets = 16;
	struct book *b = calloc(1, sizeof *b);
	if (b == NULL)
		return NULL;
	while (buckets < programs)
		buckets *= 2;
	b->cap = (uint32_t)programs;
	b->mask = (uint32_t)(buckets - 1);
	b->seed = seed;
	b->program = calloc(programs + 1, sizeof *b->program);
	b->bucket = calloc(buckets, sizeof *b->bucket);
	if (b->program != NULL && b->bucket != NULL)
		return b;
	book_free(b);
	return NULL;
}

void book_free(struct book *b)
{
	if (b == NULL)
		return;
	free(b->program);
	free(b->bucket);
	free(b);
}

static uint32_t *bucket_of(const struct book *b, const struct program_key *key)
{
	uint64_t h = key_mix_bytes(b->seed, (const uint8_t *)key, sizeof *key);
	return &b->bucket[h >> 32 & b->mask];
}

static void unlist(struct book *b, const struct program *p)
{
	*(p->older == 0 ? &b->oldest : &b->program[p->older].newer) = p->newer;
	*(p->newer == 0 ? &b->newest : &b->program[p->newer].older) = p->older;
}

static void list_newest(struct book *b, uint32_t i)
{
	struct program *p = &b->program[i];
	p->older = b->newest;
	p->newer = 0;
	*(b->newest == 0 ? &b->oldest : &b->program[b->newest].newer) = i;
	b->newest = i;
}

static uint32_t find(const struct book *b, const struct program_key *key)
{
	uint32_t i = *bucket_of(b, key);
	while (i != 0 && memcmp(&b->program[i].key, key, sizeof *key) != 0)
		i = b->program[i].chain;
	return i;
}

static uint32_t forget_oldest(struct book *b)
{
	uint32_t i = b->oldest;
	uint32_t *at = bucket_of(b, &b->program[i].key);
	while (*at != i)
		at = &b->program[*at].chain;
	*at = b->program[i].chain;
	unlist(b, &b->program[i]);
	return i;
}

static uint32_t add(struct book *b, const struct program_key *key, uint64_t *forgotten)
{
	uint32_t i, *bucket;
	if (b->count == b->cap) {
		i = forget_oldest(b);
		(*forgotten)++;
	} else {
		i = ++b->count;
	}
	bucket = bucket_of(b, key);
	b->program[i] = (struct program){ .chain = *bucket };
	memcpy(&b->program[i].key, key, sizeof *key); /* padding too: it is compared */
	*bucket = i;
	list_newest(b, i);
	return i;
}

static bool same_code(const struct program_copy *a, const struct program_copy *b)
{
	return memcmp(a->code, b->code, HASH) == 0;
}

static enum program_change change_of(
	const struct program *p, bool up, const struct program_copy *copy)
{
	if (!p->down.known && !p->up.known)
		return PROGRAM_NEW;
	if (up && p->down.known && p->down.at_ns <= copy->at_ns)
		return same_code(&p->down, copy) ? PROGRAM_SAME : PROGRAM_DIFFERS;
	/* The newest there is, whichever way it went. */
	bool upload_newer = !p->down.known || (p->up.known && p->up.at_ns > p->down.at_ns);
	return same_code(upload_newer ? &p->up : &p->down, copy) ? PROGRAM_SAME : PROGRAM_CHANGED;
}

enum program_change book_enter(struct book *b, const struct program_key *key, bool up,
	const struct program_copy *copy, struct program *before, uint64_t *forgotten)
{
	uint32_t i = find(b, key);
	if (i == 0) {
		i = add(b, key, forgotten);
	} else {
		unlist(b, &b->program[i]);
		list_newest(b, i);
	}
	struct program *p = &b->program[i];
	*before = *p;
	enum program_change change = change_of(p, up, copy);
	*(up ? &p->up : &p->down) = *copy;
	*(up ? &p->ups : &p->downs) += 1;
	p->changes += change > PROGRAM_SAME;
	return change;
}

size_t book_count(const struct book *b)
{
	return b->count;
}

static int by_key(const void *a, const void *b)
{
	const struct program_key *x = &(*(const struct program *const *)a)->key;
	const struct program_key *y = &(*(const struct program *const *)b)->key;
	int by = memcmp(x->device.bytes, y->device.bytes, sizeof x->device.bytes);
	if (by == 0 && x->unit != y->unit)
		by = x->unit < y->unit ? -1 : 1;
	if (by == 0 && x->kind != y->kind)
		by = x->kind < y->kind ? -1 : 1;
	return by != 0 ? by : memcmp(x->name, y->name, PROGRAM_NAME);
}

const struct program **book_sorted(const struct book *b)
{
	const struct program **list = calloc(b->count + 1, sizeof *list);
	for (uint32_t i = 0; list != NULL && i < b->count; i++)
		list[i] = &b->program[i + 1];
	if (list != NULL)
		qsort(list, b->count, sizeof(const struct program *), by_key);
	return list;
}
