/* eve_json.h - what every event writes: times, addresses, values and objects of fields. */
#ifndef SENSOR_EVE_JSON_H
#define SENSOR_EVE_JSON_H

#include "common/buf.h"
#include "sensor/inspect.h"

/* A comma, unless the object or list has just been opened. */
static inline void eve_comma(struct buf *b)
{
	if (b->len > 0 && b->at[b->len - 1] != '{' && b->at[b->len - 1] != '[')
		buf_char(b, ',');
}

/* The next member's name; @name is a literal without characters that JSON escapes. */
#define eve_key(b, name)                                                                           \
	do {                                                                                       \
		eve_comma(b);                                                                      \
		buf_lit((b), "\"" name "\":");                                                     \
	} while (0)

#define eve_key_uint(b, name, v)                                                                   \
	do {                                                                                       \
		eve_key((b), name);                                                                \
		buf_uint((b), (v));                                                                \
	} while (0)

/* The value is a literal too. */
#define eve_key_lit(b, name, text)                                                                 \
	do {                                                                                       \
		eve_comma(b);                                                                      \
		buf_lit((b), "\"" name "\":\"" text "\"");                                         \
	} while (0)

/* The value is any text, at most EVE_TEXT bytes of it. */
#define eve_key_text(b, name, text)                                                                \
	do {                                                                                       \
		eve_key((b), name);                                                                \
		eve_text((b), (text));                                                             \
	} while (0)

enum { EVE_TEXT = 1024, EVE_NAME = 64 };

/* A JSON string of a C string. */
void eve_text(struct buf *b, const char *text);
/* A name that is not a literal: from a field table. */
void eve_name(struct buf *b, const char *name);
/* "2026-11-22T20:10:11.123456+0000", with its quotes. */
void eve_time(struct buf *b, int64_t ts_ns);
/* "10.9.0.5" or "2001:db8::1", with its quotes. */
void eve_addr(struct buf *b, const struct addr *a);
/* "TCP". */
void eve_l4(struct buf *b, uint8_t l4);
/* A scalar: numbers as numbers, bytes as hex; at most @max bytes of text or bytes. */
void eve_value(struct buf *b, enum field_type type, struct value v, size_t max);
/* "modbus.item.value" → "value". */
const char *eve_short_name(const char *name);

/* Where a list or an object may be cut: remembers a length to fall back to. What is written after
 * eve_try() is taken back by eve_keep() when it left less than @reserve bytes of room. */
static inline size_t eve_try(const struct buf *b)
{
	return b->len;
}

static inline bool eve_keep(struct buf *b, size_t mark, size_t reserve)
{
	if (!b->full && b->cap - b->len >= reserve)
		return true;
	b->len = mark;
	b->full = false;
	return false;
}

/* {"address":100,…} of what is present, in the table's order. Members that would leave less than
 * @reserve bytes are left out: then false. */
bool eve_fields(struct buf *b, const struct field *fields, unsigned count, uint64_t present,
	const struct value *value, size_t max, size_t reserve);
/* [{…},…] of the items of @pdu, at most @max_items; true if some had to be left out. */
bool eve_items(
	struct buf *b, const struct pdu *pdu, uint32_t max_items, size_t max_value, size_t reserve);

#endif
