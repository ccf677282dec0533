/* shown.h - text from others, made safe to show on a terminal or in a log. */
#ifndef COMMON_SHOWN_H
#define COMMON_SHOWN_H

#include <stdio.h>

#include "common/buf.h"

/* C0, DEL, C1, invisible and direction-changing characters and broken UTF-8 are shown by their
 * codes. */
void shown_add(struct buf *out, const char *text, size_t n);
/* A line of JSON: the same characters as \uXXXX, which JSON readers take back. */
void shown_add_json(struct buf *out, const char *text, size_t n);
/* As shown_add() makes it; the caller's to free(). */
char *shown_text(const char *text);
/* JSON of several lines. */
void shown_print_json(FILE *out, const char *text);

#endif
