/* buf.h - appending text to fixed memory: what JSON and log lines are written with. */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Borrows its memory. The first append that does not fit sets full, and later ones do nothing. */
struct buf {
	char *at;
	size_t len, cap; /* bytes */
	bool full;
};

static inline struct buf buf_over(char *memory, size_t cap)
{
	return (struct buf){ .at = memory, .cap = cap };
}

static inline void buf_add(struct buf *b, const void *bytes, size_t n)
{
	if (b->full || n > b->cap - b->len) {
		b->full = true;
		return;
	}
	memcpy(b->at + b->len, bytes, n);
	b->len += n;
}

static inline void buf_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

static inline void buf_str(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

/* A literal: its length is known when compiling. */
#define buf_lit(b, s) buf_add((b), (s), sizeof(s) - 1)

void buf_uint(struct buf *b, uint64_t v);
void buf_int(struct buf *b, int64_t v);
/* Shortest text that reads back as the same double; caller keeps NaN and infinities out. */
void buf_real(struct buf *b, double v);
void buf_hex(struct buf *b, const uint8_t *bytes, size_t n);
/* RFC 4648, with padding. */
void buf_base64(struct buf *b, const uint8_t *bytes, size_t n);
/* printf, for what is not on a hot path. */
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes. Input is any bytes: what is not UTF-8 becomes one U+FFFD a byte;
 * controls (C0, DEL, C1) are escaped as \u00XX, but NUL becomes U+FFFD: many readers refuse \u0000,
 * and a hostile name must not hide an alert from them. At most max bytes of input are taken. */
void buf_json_string(struct buf *b, const void *bytes, size_t n, size_t max);

#endif
