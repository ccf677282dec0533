/* pool.c - capped memory for reassembly. Growth doubles, so a joined message costs few calls. */
#include "dissectors/pool.h"

#include <stdlib.h>
#include <string.h>

void *pool_take(struct pool *pool, size_t size)
{
	return pool_resize(pool, NULL, 0, size);
}

void *pool_take_raw(struct pool *pool, size_t size)
{
	void *block = size > pool->cap - pool->used ? NULL : malloc(size);
	if (block == NULL)
		pool->refused++;
	else
		pool->used += size;
	return block;
}

void *pool_resize(struct pool *pool, void *block, size_t old_size, size_t size)
{
	if (size > old_size && size - old_size > pool->cap - pool->used) {
		pool->refused++;
		return NULL;
	}
	uint8_t *bytes = realloc(block, size);
	if (bytes == NULL) {
		pool->refused++;
		return NULL;
	}
	if (size > old_size)
		memset(bytes + old_size, 0, size - old_size);
	pool->used = pool->used - old_size + size;
	return bytes;
}

void pool_give(struct pool *pool, void *block, size_t size)
{
	if (block == NULL)
		return;
	pool->used -= size;
	free(block);
}

bool joiner_add(struct joiner *j, struct pool *pool, const uint8_t *bytes, size_t n, size_t max)
{
	if (n > max || j->len > max - n)
		return false;
	size_t need = j->len + n;
	if (need > j->cap) {
		size_t cap = j->cap == 0 ? 512 : j->cap;
		while (cap < need)
			cap *= 2;
		uint8_t *grown = pool_resize(pool, j->bytes, j->cap, cap);
		if (grown == NULL)
			return false;
		j->bytes = grown;
		j->cap = (uint32_t)cap;
	}
	if (n > 0)
		memcpy(j->bytes + j->len, bytes, n);
	j->len = (uint32_t)need;
	return true;
}

void joiner_free(struct joiner *j, struct pool *pool)
{
	pool_give(pool, j->bytes, j->cap);
	*j = (struct joiner){ 0 };
}
