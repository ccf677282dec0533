/* text_list.h - a growing list of strings, such as everything wrong with a file. */
#ifndef COMMON_TEXT_LIST_H
#define COMMON_TEXT_LIST_H

#include <stddef.h>

/* Zeroed is empty. Owns its strings. */
struct text_list {
	char **text;
	size_t count, cap;
	size_t left_out; /* told by the last line */
};

/* printf a new line at the end. Past 1,000 lines only the count of those left out grows. */
void text_list_add(struct text_list *list, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* Appends a copy, without that bound: for lists that are data. */
void text_list_keep(struct text_list *list, const char *text);
void text_list_free(struct text_list *list);
/* The word of @words (NULL-terminated) closest to @word for "did you mean", or NULL if none is
 * near. */
const char *text_nearest(const char *word, const char *const *words);

#endif
