/* wait.c - deadline queues. */
#include "sensor/wait.h"

void wait_queues_init(struct wait_queues *q)
{
	*q = (struct wait_queues){ .next_ns = INT64_MAX };
}

/* The earliest head; heads are few. */
struct wait *wait_oldest(const struct wait_queues *q)
{
	struct wait *oldest = NULL;
	for (unsigned i = 0; i < WAIT_QUEUES; i++)
		if (q->first[i] != NULL &&
			(oldest == NULL || q->first[i]->deadline_ns < oldest->deadline_ns))
			oldest = q->first[i];
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
	q->count--;
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
	struct wait *w = pool_take(pool, wait_size(hits));
	if (w != NULL)
		w->hit_count = hits;
	return w;
}

void wait_free(struct wait *w, struct pool *pool)
{
	if (w == NULL)
		return;
	snapshot_free(w->request, pool);
	pool_give(pool, w, wait_size(w->hit_count));
}
