/* s7_feed.h - feeds TPKTs to the COTP dissector as a flow does, and keeps the PDUs to look at. */
#ifndef TESTS_UNIT_S7_FEED_H
#define TESTS_UNIT_S7_FEED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "dissectors/dissector.h"
#include "tests/unit/wire.h"

extern const struct dissector cotp_dissector, s7comm_dissector, s7comm_plus_dissector;

enum { FED_MAX = 16 };

struct fed {
	void *state;
	struct pool pool;
	struct wire wires[64];
	unsigned wire_count;
	struct pdu pdu[FED_MAX]; /* of the latest call */
	unsigned count;
	enum outcome last;
	size_t left; /* bytes not used */
};

static inline struct fed *fed_new(void)
{
	struct fed *f = calloc(1, sizeof *f);
	assert_non_null(f);
	f->state = calloc(1, cotp_dissector.state_size);
	assert_non_null(f->state);
	f->pool.cap = 1 << 20;
	return f;
}

static inline void fed_free(struct fed *f)
{
	cotp_dissector.release(f->state, &f->pool);
	assert_int_equal(f->pool.used, 0);
	for (unsigned i = 0; i < f->wire_count; i++)
		free(f->wires[i].bytes);
	free(f->state);
	free(f);
}

/* Feeds bytes until more are wanted; PDUs with something to tell are kept. */
static inline void fed_bytes(struct fed *f, enum dir dir, struct wire w)
{
	struct reader in = rd_over(w.bytes, w.len);
	assert_true(f->wire_count < 64);
	f->wires[f->wire_count++] = w;
	f->count = 0;
	for (bool more = true; more || in.left > 0;) {
		struct dissect d = {
			.dir = dir, .l4 = L4_TCP, .state = f->state, .pool = &f->pool
		};
		struct pdu *p = &f->pdu[f->count];
		pdu_init(p);
		size_t before = in.left;
		f->last = cotp_dissector.dissect(&in, &d, p);
		more = p->more;
		if (f->last != DISSECT_OK) {
			assert_int_equal(in.left, before);
			break;
		}
		assert_true(in.left < before || p->dissector != NULL);
		if (p->dissector == NULL)
			continue;
		assert_non_null(p->name);
		assert_true(++f->count < FED_MAX);
		if (p->final)
			break;
	}
	f->left = in.left;
}

/* S7 bytes in one DT of a TPKT; @eot as wanted. */
static inline struct wire tpkt(const char *hex, bool eot)
{
	struct wire s = wire_hex(hex);
	uint8_t bytes[65536];
	size_t n = s.len + 7;
	bytes[0] = 3;
	bytes[1] = 0;
	bytes[2] = (uint8_t)(n >> 8);
	bytes[3] = (uint8_t)n;
	bytes[4] = 2;
	bytes[5] = 0xf0;
	bytes[6] = eot ? 0x80 : 0;
	memcpy(bytes + 7, s.bytes, s.len);
	free(s.bytes);
	return wire_copy(bytes, n);
}

static inline struct pdu *fed_s7(struct fed *f, enum dir dir, const char *hex)
{
	fed_bytes(f, dir, tpkt(hex, true));
	assert_int_equal(f->left, 0);
	assert_int_equal(f->count, 1);
	return &f->pdu[0];
}

/* Index of a field by its name without the protocol; fails the test if there is none. */
static inline unsigned field_of(const struct pdu *p, const char *name)
{
	size_t skip = strlen(p->dissector->name) + 1;
	for (unsigned i = 0; i < p->dissector->field_count; i++)
		if (strcmp(p->dissector->fields[i].name + skip, name) == 0)
			return i;
	fail_msg("no field %s", name);
	return 0;
}

static inline bool has(const struct pdu *p, const char *name)
{
	return pdu_has(p, field_of(p, name));
}

static inline uint64_t num(const struct pdu *p, const char *name)
{
	unsigned i = field_of(p, name);
	if (!pdu_has(p, i))
		fail_msg("%s is not set", name);
	return p->value[i].u;
}

/* The name of the value of an enumerated field. */
static inline const char *named(const struct pdu *p, const char *name)
{
	const struct code_name *c = p->dissector->fields[field_of(p, name)].codes;
	uint64_t v = num(p, name);
	for (; c != NULL && c->name != NULL; c++)
		if (c->code == v)
			return c->name;
	return "";
}

static inline void is_text(const struct pdu *p, const char *name, const char *text)
{
	unsigned i = field_of(p, name);
	if (!pdu_has(p, i))
		fail_msg("%s is not set", name);
	assert_int_equal(p->value[i].len, strlen(text));
	assert_memory_equal(p->value[i].bytes, text, strlen(text));
}

static inline unsigned ifield_of(const struct pdu *p, const char *name)
{
	size_t skip = strlen(p->dissector->name) + 6;
	for (unsigned i = 0; i < p->dissector->item_field_count; i++)
		if (strcmp(p->dissector->item_fields[i].name + skip, name) == 0)
			return i;
	fail_msg("no item field %s", name);
	return 0;
}

static inline bool ihas(const struct pdu *p, const struct item *it, const char *name)
{
	return item_has(it, ifield_of(p, name));
}

static inline uint64_t inum(const struct pdu *p, const struct item *it, const char *name)
{
	if (!ihas(p, it, name))
		fail_msg("item field %s is not set", name);
	return it->value[ifield_of(p, name)].u;
}

static inline unsigned items(const struct pdu *p, struct item *list, unsigned max)
{
	struct item_cursor c = p->items;
	unsigned n = 0;
	while (n < max && items_next(&c, &list[n]))
		n++;
	return n;
}

#endif
