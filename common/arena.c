/* arena.c - a chain of blocks. */
#include "common/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 * 1024, ALIGN = 8 };

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(ALIGN) char bytes[];
};

static void die(void)
{
	fputs("bongsu: out of memory\n", stderr);
	exit(1);
}

static void *take(struct arena *a, size_t size)
{
	if (size > SIZE_MAX / 2)
		die();
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (size == 0)
		size = ALIGN;
	if (size > a->left) {
		size_t room = size > BLOCK ? size : BLOCK;
		struct arena_block *b = malloc(sizeof *b + room);
		if (b == NULL)
			die();
		b->next = a->blocks;
		b->size = room;
		a->blocks = b;
		a->at = b->bytes;
		a->left = room;
	}
	void *p = a->at;
	a->at += size;
	a->left -= size;
	a->total += size;
	return p;
}

void *arena_alloc(struct arena *a, size_t size)
{
	return memset(take(a, size), 0, size);
}

void *arena_array(struct arena *a, size_t count, size_t size)
{
	if (size > 0 && count > SIZE_MAX / 2 / size)
		die();
	return arena_alloc(a, count * size);
}

char *arena_text(struct arena *a, const char *text, size_t len)
{
	char *copy = take(a, len + 1);
	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *arena_printf(struct arena *a, const char *format, ...)
{
	va_list args, again;
	char memory[256];
	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(memory, sizeof memory, format, args);
	va_end(args);
	if (n < 0)
		die();
	char *text = take(a, (size_t)n + 1);
	if ((size_t)n < sizeof memory)
		memcpy(text, memory, (size_t)n + 1);
	else
		vsnprintf(text, (size_t)n + 1, format, again);
	va_end(again);
	return text;
}

void arena_free(struct arena *a)
{
	for (struct arena_block *b = a->blocks, *next; b != NULL; b = next) {
		next = b->next;
		free(b);
	}
	memset(a, 0, sizeof *a);
}
