/* text_list.c - fault lists, and the nearest known word. */
#include "common/text_list.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINES_MAX = 1000, WORD_MAX = 96 };

static void out_of_memory(void)
{
	fputs("bongsu: out of memory\n", stderr);
	exit(1);
}

static char *printed(const char *format, va_list args)
{
	char *text = NULL;
	if (vasprintf(&text, format, args) < 0)
		out_of_memory();
	return text;
}

/* The line after the last tells how many there would be. */
static void leave_out(struct text_list *list)
{
	list->left_out++;
	if (list->count == LINES_MAX)
		list->text[list->count++] = NULL;
	free(list->text[LINES_MAX]);
	if (asprintf(&list->text[LINES_MAX], "and %zu more", list->left_out) < 0)
		out_of_memory();
}

static void make_room(struct text_list *list)
{
	if (list->cap > list->count)
		return;
	size_t cap = list->cap == 0 ? 16 : list->cap * 2;
	char **grown = realloc(list->text, cap * sizeof *grown);
	if (grown == NULL)
		out_of_memory();
	list->text = grown;
	list->cap = cap;
}

void text_list_add(struct text_list *list, const char *format, ...)
{
	make_room(list);
	if (list->count >= LINES_MAX) {
		leave_out(list);
		return;
	}
	va_list args;
	va_start(args, format);
	list->text[list->count++] = printed(format, args);
	va_end(args);
}

void text_list_keep(struct text_list *list, const char *text)
{
	char *copy = strdup(text);
	if (copy == NULL)
		out_of_memory();
	make_room(list);
	list->text[list->count++] = copy;
}

void text_list_free(struct text_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->text[i]);
	free(list->text);
	memset(list, 0, sizeof *list);
}

/* Optimal string alignment distance: insert, delete, replace, swap of neighbours cost 1 each. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
	size_t row[3][WORD_MAX + 1];
	size_t *before = row[0], *last = row[1], *now = row[2];
	for (size_t j = 0; j <= m; j++)
		last[j] = j;
	memset(before, 0, sizeof row[0]);
	for (size_t i = 1; i <= n; i++) {
		now[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			now[j] = best;
		}
		size_t *free_row = before;
		before = last;
		last = now;
		now = free_row;
	}
	return last[m];
}

/* "fnc" shortens "function_code": the same first letter, the rest in order. */
static bool shortens(const char *word, size_t n, const char *full)
{
	if (n < 2 || word[0] != full[0])
		return false;
	size_t at = 0;
	for (; *full != '\0' && at < n; full++)
		if (*full == word[at])
			at++;
	return at == n;
}

/* What both names share up to a dot says nothing about how near they are. */
static size_t shared_prefix(const char *a, const char *b)
{
	size_t dot = 0;
	for (size_t i = 0; a[i] != '\0' && a[i] == b[i]; i++)
		if (a[i] == '.')
			dot = i + 1;
	return dot;
}

const char *text_nearest(const char *word, const char *const *words)
{
	size_t len = strlen(word);
	const char *best = NULL;
	size_t best_cost = SIZE_MAX;
	if (len == 0 || len > WORD_MAX)
		return NULL;
	for (; *words != NULL; words++) {
		size_t skip = shared_prefix(word, *words);
		size_t n = len - skip, m = strlen(*words) - skip;
		if (m == 0 || m > WORD_MAX || n == 0)
			continue;
		size_t cost = distance(word + skip, n, *words + skip, m);
		if (cost > (n < 3 ? 1 : n / 3)) {
			if (!shortens(word + skip, n, *words + skip))
				continue;
			cost = WORD_MAX + m; /* any misspelling is nearer than a short form */
		}
		if (cost < best_cost) {
			best = *words;
			best_cost = cost;
		}
	}
	return best;
}
