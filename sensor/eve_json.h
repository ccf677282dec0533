/* eve_json.h - what every event writes: times, addresses, values and objects of fields. */
#ifndef SENSOR_EVE_JSON_H
#define SENSOR_EVE_JSON_H

#include "common/buf.h"
#include "sensor/eve.h"

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

/* The value is one of our own words: nothing in it to escape. */
static inline void eve_word(struct buf *b, const char *word)
{
	buf_char(b, '"');
	buf_str(b, word);
	buf_char(b, '"');
}

#define eve_key_word(b, name, word)                                                                \
	do {                                                                                       \
		eve_key((b), name);                                                                \
		eve_word((b), (word));                                                             \
	} while (0)

enum { EVE_TEXT = 512, EVE_NAME = 64 };

/* A JSON string of a C string. */
void eve_text(struct buf *b, const char *text);
/* A name that is not a literal but our own, from a field table: nothing in it to escape. */
void eve_name(struct buf *b, const char *name);
/* "2026-11-22T20:10:11.123456+0000", with its quotes. */
void eve_time(struct buf *b, int64_t ts_ns);
/* "10.9.0.5" or "2001:db8::1", with its quotes. */
void eve_addr(struct buf *b, const struct addr *a);
/* "TCP". */
void eve_l4(struct buf *b, uint8_t l4);
/* A scalar: numbers as numbers (beyond 63 bits as text), bytes as hex; at most @max bytes of text
 * or bytes. */
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

/* ---- pieces of EVE ---- */

enum {
	EVE_VALUE = 256,         /* bytes of a text or byte field in an event */
	EVE_LABEL = 256,         /* bytes of a name from the configuration */
	EVE_RESERVE = 28 * 1024, /* kept free for what follows the decoded message */
	EVE_END = 1024,          /* kept free for the last braces */
};

/* What the envelope says of an event. */
struct eve_head {
	const char *type;
	int64_t ts_ns;
	uint64_t frame;          /* 0: none */
	const struct flow *flow; /* or NULL */
	unsigned from;
	const struct event *event; /* of the message it tells of, or NULL */
};

/* {"timestamp":… up to community_id and app_proto: the same for all events. */
void eve_head(struct buf *b, const struct eve *eve, const struct eve_head *head);
/* False: an observation of the other end alone. */
bool eve_is_there(const struct flow *f, unsigned end);
/* "bongsu":{"epoch":…,"n":…,"ts_ns":… ; the caller goes on and closes it. */
void eve_bongsu(struct buf *b, const struct eve *eve, uint64_t n, int64_t ts_ns);
/* "modbus":{…}, "dnp3":{…}, "s7comm":{…} or what the field table of another protocol says. */
void eve_message(struct buf *b, const struct event *e);
/* The same for one protocol; the object without its name. Either message may be NULL, not both. */
void eve_modbus(struct buf *b, const struct event *e, const struct pdu *req, const struct pdu *rsp);
void eve_dnp3(struct buf *b, const struct pdu *req, const struct pdu *rsp);
void eve_s7comm(struct buf *b, const struct pdu *req, const struct pdu *rsp);
/* {"code":…,"name":…,"fields":{…},"items":[…]} from the field table. */
void eve_generic(struct buf *b, const struct pdu *pdu);
/* "verdict":{…}, unless there is none. */
void eve_verdict_object(struct buf *b, const struct verdict *v);
/* Milliseconds with three decimals. */
void eve_ms(struct buf *b, int64_t ns);

/* Indexes of the fields called @names (without prefix) in a table, -1 where it has none. */
void eve_resolve(const struct field *fields, unsigned count, const char *const *names,
	int8_t *index, unsigned n);

static inline bool eve_field(const struct pdu *p, int8_t index, uint64_t *out)
{
	if (index < 0 || !pdu_has(p, (unsigned)index))
		return false;
	*out = p->value[index].u;
	return true;
}

static inline bool eve_item_field(const struct item *it, int8_t index, uint64_t *out)
{
	if (index < 0 || !item_has(it, (unsigned)index))
		return false;
	*out = it->value[index].u;
	return true;
}

static inline void eve_bool(struct buf *b, bool v)
{
	if (v)
		buf_lit(b, "true");
	else
		buf_lit(b, "false");
}

#define eve_key_bool(b, name, v)                                                                   \
	do {                                                                                       \
		eve_key((b), name);                                                                \
		eve_bool((b), (v));                                                                \
	} while (0)

#endif
