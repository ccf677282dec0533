/* reader.h - the cursor every dissector reads through. */
#ifndef DISSECTORS_READER_H
#define DISSECTORS_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dissectors/rare.h"

/* A forward-only, bounds-checked view of captured bytes. It borrows them: it never copies or
 * frees. The first read past the end sets overrun and every later read yields 0, so a parser
 * reads a whole record and asks once. */
struct reader {
	const uint8_t *at;
	size_t left; /* bytes */
	bool overrun;
};

static inline struct reader rd_over(const uint8_t *bytes, size_t n)
{
	return (struct reader){ .at = bytes, .left = n };
}

/* Takes over another view, member by member: a copy of the whole waits for what was just written.
 */
static inline void rd_set(struct reader *r, const struct reader *from)
{
	r->at = from->at;
	r->left = from->left;
	r->overrun = from->overrun;
}

/* The next n bytes, or NULL and overrun. */
static inline const uint8_t *rd_bytes(struct reader *r, size_t n)
{
	if (r->overrun || n > r->left) {
		r->overrun = true;
		return NULL;
	}
	const uint8_t *bytes = r->at;
	r->at += n;
	r->left -= n;
	return bytes;
}

/* A view of the next n bytes; an overrun one if there are not so many. */
static inline struct reader rd_slice(struct reader *r, size_t n)
{
	const uint8_t *bytes = rd_bytes(r, n);
	bool there = !r->overrun;
	return (struct reader){ .at = bytes, .left = there ? n : 0, .overrun = !there };
}

/* A view of the next n bytes, or of all there are. */
static inline struct reader rd_upto(struct reader *r, size_t n)
{
	return rd_slice(r, n < r->left ? n : r->left);
}

static inline void rd_skip(struct reader *r, size_t n)
{
	(void)rd_bytes(r, n);
}

/* The byte at an offset, without moving; 0 past the end and no overrun. */
static inline uint8_t rd_peek(const struct reader *r, size_t offset)
{
	return r->overrun || offset >= r->left ? 0 : r->at[offset];
}

static inline uint8_t rd_u8(struct reader *r)
{
	const uint8_t *b = rd_bytes(r, 1);
	return b == NULL ? 0 : b[0];
}

static inline uint64_t rd_be(struct reader *r, size_t n)
{
	const uint8_t *b = rd_bytes(r, n);
	uint64_t v = 0;
	for (size_t i = 0; b != NULL && i < n; i++)
		v = v << 8 | b[i];
	return v;
}

static inline uint64_t rd_le(struct reader *r, size_t n)
{
	const uint8_t *b = rd_bytes(r, n);
	uint64_t v = 0;
	for (size_t i = n; b != NULL && i > 0; i--)
		v = v << 8 | b[i - 1];
	return v;
}

/* Of bytes that are known to be there. */
static inline uint16_t be16(const uint8_t *b)
{
	return (uint16_t)(b[0] << 8 | b[1]);
}

static inline uint32_t be32(const uint8_t *b)
{
	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static inline uint16_t le16(const uint8_t *b)
{
	return (uint16_t)(b[1] << 8 | b[0]);
}

static inline uint16_t rd_be16(struct reader *r)
{
	const uint8_t *b = rd_bytes(r, 2);
	return b == NULL ? 0 : be16(b);
}

static inline uint32_t rd_be24(struct reader *r)
{
	const uint8_t *b = rd_bytes(r, 3);
	return b == NULL ? 0 : (uint32_t)be16(b) << 8 | b[2];
}

static inline uint32_t rd_be32(struct reader *r)
{
	const uint8_t *b = rd_bytes(r, 4);
	return b == NULL ? 0 : be32(b);
}

static inline uint16_t rd_le16(struct reader *r)
{
	const uint8_t *b = rd_bytes(r, 2);
	return b == NULL ? 0 : le16(b);
}

static inline uint32_t rd_le32(struct reader *r)
{
	const uint8_t *b = rd_bytes(r, 4);
	return b == NULL ? 0 : (uint32_t)le16(b + 2) << 16 | le16(b);
}

static inline uint64_t rd_le48(struct reader *r)
{
	return rd_le(r, 6);
}

#endif
