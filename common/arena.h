/* arena.h - memory of one owner, taken in pieces and given back all at once. For start-up, not for
 * packets. */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <stddef.h>

struct arena_block;

/* Zeroed is empty. */
struct arena {
	struct arena_block *blocks;
	size_t left; /* bytes free in the newest block */
	char *at;
	size_t total; /* bytes handed out */
};

/* Zeroed memory, aligned for numbers and pointers (8 bytes). Never NULL: without memory at start-up
 * the program says so and ends. */
void *arena_alloc(struct arena *a, size_t size);
/* Room for @count things of @size bytes. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* @len bytes and a NUL behind them. */
char *arena_text(struct arena *a, const char *text, size_t len);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
void arena_free(struct arena *a);

#endif
