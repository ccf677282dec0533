/* wait.c - deadline queues. */
#include "sensor/wait.h"

void wait_queues_init(struct wait_queues *q)
{
	*q = (struct wait_queues){ .next_ns = INT64_MAX };
}

_Static_assert(WAIT_QUEUES <= 128, "each queue has its bit");

/* The earliest head; heads are few. */
struct wait *wait_oldest(const struct wait_queues *q)
{
	struct wait *oldest = NULL;
	for (unsigned word = 0; word < 2; word++)
		for (uint64_t left = q->busy[word]; left != 0; left &= left - 1) {
			struct wait *w = q->first[word * 64 + (unsigned)__builtin_ctzll(left)];
			if (oldest == NULL || w->deadline_ns < oldest->deadline_ns)
				oldest = w;
		}
	return oldest;
}

static void set_next(struct wait_queues *q)
{
	const struct wait *oldest = wait_oldest(q);
	q->next_ns = oldest == NULL ? INT64_MAX : oldest->deadline_ns;
}

void wait_add(struct wait_queues *q, struct wait *w)
{
	w->next = NULL;
	w->prev = q->last[w->queue];
	if (w->prev == NULL)
		q->first[w->queue] = w;
	else
		w->prev->next = w;
	q->last[w->queue] = w;
	q->busy[w->queue / 64] |= UINT64_C(1) << w->queue % 64;
	q->count++;
	if (w->deadline_ns < q->next_ns)
		q->next_ns = w->deadline_ns;
}

void wait_remove(struct wait_queues *q, struct wait *w)
{
	if (w->prev == NULL)
		q->first[w->queue] = w->next;
	else
		w->prev->next = w->next;
	if (w->next == NULL)
		q->last[w->queue] = w->prev;
	else
		w->next->prev = w->prev;
	if (q->first[w->queue] == NULL)
		q->busy[w->queue / 64] &= ~(UINT64_C(1) << w->queue % 64);
	q->count--;
	if (w->deadline_ns <= q->next_ns)
		set_next(q);
}

struct wait *wait_due(const struct wait_queues *q, int64_t now_ns)
{
	if (now_ns < q->next_ns)
		return NULL;
	struct wait *w = wait_oldest(q);
	return w != NULL && w->deadline_ns <= now_ns ? w : NULL;
}

static size_t wait_size(size_t hits)
{
	return sizeof(struct wait) + hits * sizeof(struct waiting_hit);
}

struct wait *wait_new(size_t hits, struct pool *pool)
{
	struct wait *w = pool_take_raw(pool, wait_size(hits));
	if (w == NULL)
		return NULL;
	*w = (struct wait){ .hit_count = hits };
	for (size_t i = 0; i < hits; i++) { /* the chain counts only where hit.chain says so */
		w->hits[i].n = 0;
		w->hits[i].counted = w->hits[i].fed = false;
	}
	return w;
}

void wait_free(struct wait *w, struct pool *pool)
{
	if (w == NULL)
		return;
	snapshot_free(w->request, pool);
	pool_give(pool, w, wait_size(w->hit_count));
}
