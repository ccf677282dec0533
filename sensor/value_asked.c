/* value_asked.c - points of requests that wait for their reply: a ring of points, and a small table
 * that knows which stretch of it belongs to which request. A poll that asks what it asked before
 * has the stretch that it had before. Nothing is allocated while it runs. */
#include <stdlib.h>

#include "sensor/limiter.h"
#include "sensor/value.h"

enum { WAYS = 4, POINTS_A_REQUEST = 2048, RING_FACTOR = 16, POLLS_FACTOR = 4 };

#define OLD_NS (INT64_C(10) * 1000000000)

struct request {
	uint64_t key; /* 0: free */
	uint64_t first, number;
	int64_t at_ns;
	uint32_t count;
};

/* What meets in a place takes it. */
struct poll {
	uint64_t print; /* event.h; 0: none */
	uint64_t first;
	uint32_t count;
};

struct asked {
	struct request *request; /* WAYS in a row */
	struct poll *poll;       /* rows * WAYS * POLLS_FACTOR */
	struct asked_point *ring;
	uint64_t head;     /* points so far */
	uint64_t requests; /* so far */
	uint64_t mask, rows;
	struct request now;
	bool cut; /* more points than a request may have */
};

struct asked *asked_new(size_t requests)
{
	struct asked *a = calloc(1, sizeof *a);
	size_t ring = POINTS_A_REQUEST;
	if (a == NULL)
		return NULL;
	while (ring < requests * RING_FACTOR)
		ring *= 2;
	a->mask = ring - 1;
	a->rows = 1;
	while (a->rows * WAYS < requests)
		a->rows *= 2;
	a->request = calloc(a->rows * WAYS, sizeof *a->request);
	a->poll = calloc(a->rows * WAYS * POLLS_FACTOR, sizeof *a->poll);
	a->ring = calloc(ring, sizeof *a->ring);
	if (a->request != NULL && a->poll != NULL && a->ring != NULL)
		return a;
	asked_free(a);
	return NULL;
}

void asked_free(struct asked *a)
{
	if (a == NULL)
		return;
	free(a->request);
	free(a->poll);
	free(a->ring);
	free(a);
}

uint64_t asked_key(const struct event *e, uint64_t what)
{
	uint64_t key = key_mix(e->flow->id, what + 1);
	return key == 0 ? 1 : key;
}

static struct request *row_of(const struct asked *a, uint64_t key)
{
	return &a->request[(key >> 32 & (a->rows - 1)) * WAYS];
}

void asked_begin(struct asked *a, const struct event *e, uint64_t key)
{
	a->cut = false;
	a->now = (struct request){
		.key = key, .first = a->head, .number = a->requests++, .at_ns = e->at.ts_ns
	};
}

void asked_add(struct asked *a, const struct asked_point *point)
{
	if (a->now.count == POINTS_A_REQUEST) {
		a->cut = true;
		return;
	}
	a->ring[a->head++ & a->mask] = *point;
	a->now.count++;
}

/* Have the points from there on been written over? */
static bool is_gone(const struct asked *a, uint64_t first)
{
	return a->head - first > a->mask + 1;
}

static struct poll *poll_of(const struct asked *a, uint64_t print)
{
	return &a->poll[print >> 32 & (a->rows * WAYS * POLLS_FACTOR - 1)];
}

bool asked_again(struct asked *a, uint64_t print)
{
	const struct poll *p = poll_of(a, print);
	if (print == 0 || p->print != print || is_gone(a, p->first))
		return false;
	a->now.first = p->first;
	a->now.count = p->count;
	return true;
}

void asked_know(struct asked *a, uint64_t print)
{
	if (print != 0 && !a->cut)
		*poll_of(a, print) = (struct poll){
			.print = print, .first = a->now.first, .count = a->now.count
		};
}

bool asked_end(struct asked *a)
{
	if (a->now.count == 0)
		return false;
	struct request *row = row_of(a, a->now.key), *oldest = row;
	for (unsigned i = 0; i < WAYS; i++) {
		if (row[i].key == 0 || row[i].key == a->now.key || is_gone(a, row[i].first)) {
			oldest = &row[i];
			break;
		}
		if (row[i].number < oldest->number)
			oldest = &row[i];
	}
	bool young = oldest->key != 0 && oldest->key != a->now.key &&
		     value_age(a->now.at_ns, oldest->at_ns) < OLD_NS;
	*oldest = a->now;
	return young || a->cut;
}

static struct request *find(const struct asked *a, uint64_t key)
{
	struct request *row = row_of(a, key);
	for (unsigned i = 0; i < WAYS; i++)
		if (row[i].key == key)
			return &row[i];
	return NULL;
}

static size_t points_of(const struct asked *a, const struct request *r, uint64_t *first)
{
	if (r == NULL || is_gone(a, r->first))
		return 0;
	*first = r->first;
	return r->count;
}

size_t asked_look(const struct asked *a, uint64_t key, uint64_t *first)
{
	return points_of(a, find(a, key), first);
}

size_t asked_take(struct asked *a, uint64_t key, uint64_t *first)
{
	struct request *r = find(a, key);
	size_t count = points_of(a, r, first);
	if (r != NULL)
		r->key = 0;
	return count;
}

const struct asked_point *asked_at(const struct asked *a, uint64_t i)
{
	return &a->ring[i & a->mask];
}
