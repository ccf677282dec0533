/* ring.h - lines from one thread to another: bounded, without locks, one writer and one reader. */
#ifndef SENSOR_RING_H
#define SENSOR_RING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One line as the reader sees it; its bytes follow. */
struct ring_line {
	uint32_t size; /* of the record, header and padding included */
	uint32_t len;  /* bytes of the line; UINT32_MAX: only fills the space up to the end of the
			  ring */
	uint64_t n;
	const char *type; /* static */
	char bytes[];
};

struct ring {
	uint8_t *at;
	size_t cap; /* bytes, a power of two */
	int wake;   /* eventfd: readable after a line came while the reader slept */
	_Alignas(64) atomic_size_t head; /* bytes ever written */
	_Alignas(64) atomic_size_t tail; /* bytes ever read */
	atomic_bool sleeping;
};

/* False without memory or descriptors. */
bool ring_init(struct ring *r, size_t cap);
void ring_fini(struct ring *r);

/* A longer line never fits. */
static inline size_t ring_longest(const struct ring *r)
{
	return r->cap / 4;
}
/* Writer: copies the line; false when there is no room. @type must outlive the ring. */
bool ring_put(struct ring *r, uint64_t n, const char *type, const char *line, size_t len);
/* Writer: rouses the reader although there is no line. */
void ring_rouse(struct ring *r);

/* Reader: the oldest line, valid until ring_pop(), or NULL. */
const struct ring_line *ring_peek(struct ring *r);
void ring_pop(struct ring *r);
/* Reader: before polling r->wake. False if there is a line by now. ring_awake() comes after the
 * poll. */
bool ring_sleep(struct ring *r);
void ring_awake(struct ring *r);

#endif
