/* ring.c - lines from one thread to another: bounded, without locks, one writer and one reader. */
#include "sensor/ring.h"

#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { ALIGN = 16 };

static struct ring_line *line_at(struct ring *r, size_t position)
{
	return (struct ring_line *)(void *)(r->at + (position & (r->cap - 1)));
}

bool ring_init(struct ring *r, size_t cap)
{
	r->at = aligned_alloc(64, cap);
	r->cap = cap;
	r->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	atomic_init(&r->head, 0);
	atomic_init(&r->tail, 0);
	atomic_init(&r->sleeping, false);
	return r->at != NULL && r->wake >= 0;
}

void ring_fini(struct ring *r)
{
	free(r->at);
	if (r->wake >= 0)
		close(r->wake);
}

void ring_rouse(struct ring *r)
{
	uint64_t one = 1;
	/* A full counter is as good as one more. */
	ssize_t unused = write(r->wake, &one, sizeof one);
	(void)unused;
}

/* A record lies in one piece: what is left at the end of the ring is filled when too short. */
static size_t filler(const struct ring *r, size_t head, size_t size)
{
	size_t to_end = r->cap - (head & (r->cap - 1));
	return to_end < size ? to_end : 0;
}

bool ring_put(struct ring *r, uint64_t n, const char *type, const char *line, size_t len)
{
	if (len > ring_longest(r))
		return false;
	size_t size = (sizeof(struct ring_line) + len + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	size_t fill = filler(r, head, size);
	if (r->cap - (head - tail) < fill + size)
		return false;
	if (fill > 0) {
		/* At least ALIGN bytes are there: enough for size and len. */
		line_at(r, head)->size = (uint32_t)fill;
		line_at(r, head)->len = UINT32_MAX;
		head += fill;
	}
	struct ring_line *to = line_at(r, head);
	to->size = (uint32_t)size;
	to->len = (uint32_t)len;
	to->n = n;
	to->type = type;
	memcpy(to->bytes, line, len);
	atomic_store_explicit(&r->head, head + size, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&r->sleeping, memory_order_relaxed) &&
		atomic_exchange_explicit(&r->sleeping, false, memory_order_relaxed))
		ring_rouse(r);
	return true;
}

const struct ring_line *ring_peek(struct ring *r)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	if (tail == atomic_load_explicit(&r->head, memory_order_acquire))
		return NULL;
	const struct ring_line *line = line_at(r, tail);
	if (line->len != UINT32_MAX)
		return line;
	/* A filler is published together with the record behind it. */
	tail += line->size;
	atomic_store_explicit(&r->tail, tail, memory_order_release);
	return line_at(r, tail);
}

void ring_pop(struct ring *r)
{
	size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	atomic_store_explicit(&r->tail, tail + line_at(r, tail)->size, memory_order_release);
}

bool ring_sleep(struct ring *r)
{
	atomic_store_explicit(&r->sleeping, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_seq_cst);
	if (ring_peek(r) == NULL)
		return true;
	atomic_store_explicit(&r->sleeping, false, memory_order_relaxed);
	return false;
}

void ring_awake(struct ring *r)
{
	uint64_t count;
	atomic_store_explicit(&r->sleeping, false, memory_order_relaxed);
	ssize_t unused = read(r->wake, &count, sizeof count);
	(void)unused;
}
