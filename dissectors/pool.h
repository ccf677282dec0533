/* pool.h - memory for bytes that wait for more bytes: one capped pool for all reassembly. */
#ifndef DISSECTORS_POOL_H
#define DISSECTORS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shared by all flows of one worker; zero it and set cap. */
struct pool {
	size_t cap;       /* bytes that may be out at once */
	size_t used;      /* bytes that are out */
	uint64_t refused; /* requests turned down at the cap */
};

/* Zeroed memory, or NULL at the cap (counted). pool_give() takes what pool_take() gave and its
 * size; NULL is fine. pool_resize() keeps the bytes; on NULL the old block is still valid.
 * pool_take_raw() leaves the bytes as they come. */
void *pool_take(struct pool *pool, size_t size);
void *pool_take_raw(struct pool *pool, size_t size);
void *pool_resize(struct pool *pool, void *block, size_t old_size, size_t size);
void pool_give(struct pool *pool, void *block, size_t size);

/* A message that arrives in pieces; zeroed is empty. */
struct joiner {
	uint8_t *bytes;
	uint32_t len, cap; /* bytes */
};

/* Appends; false (and nothing added) past max or at the pool's cap. */
bool joiner_add(struct joiner *j, struct pool *pool, const uint8_t *bytes, size_t n, size_t max);
/* Forgets the bytes but keeps the block. */
static inline void joiner_reset(struct joiner *j)
{
	j->len = 0;
}
void joiner_free(struct joiner *j, struct pool *pool);

#endif
