/* test_dnp3.h - frames and fragments for the tests of the DNP3 dissector. */
#ifndef TESTS_UNIT_TEST_DNP3_H
#define TESTS_UNIT_TEST_DNP3_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "dissectors/dnp3.h"
#include "tests/unit/wire.h"

/* The CRC bit by bit, from the polynomial: not the way the dissector computes it. */
static inline uint16_t slow_crc(const uint8_t *bytes, size_t n)
{
	unsigned crc = 0;
	for (size_t i = 0; i < n; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			unsigned in = (bytes[i] >> bit & 1U) ^ (crc & 1U);
			crc = crc >> 1 ^ (in ? 0xa6bcU : 0);
		}
	return (uint16_t)~crc;
}

struct frames {
	uint8_t bytes[65536];
	size_t len;
};

static inline void put_crc(struct frames *f, size_t from)
{
	uint16_t crc = slow_crc(f->bytes + from, f->len - from);
	f->bytes[f->len++] = (uint8_t)crc;
	f->bytes[f->len++] = (uint8_t)(crc >> 8);
}

/* One link frame with its CRCs. */
static inline void add_frame(struct frames *f, uint8_t control, unsigned destination,
	unsigned source, const uint8_t *user, size_t n)
{
	const uint8_t header[8] = { 5, 0x64, (uint8_t)(5 + n), control, (uint8_t)destination,
		(uint8_t)(destination >> 8), (uint8_t)source, (uint8_t)(source >> 8) };
	size_t from = f->len;
	memcpy(f->bytes + f->len, header, sizeof header);
	f->len += sizeof header;
	put_crc(f, from);
	for (size_t at = 0; at < n; at += 16) {
		size_t size = n - at < 16 ? n - at : 16;
		from = f->len;
		memcpy(f->bytes + f->len, user + at, size);
		f->len += size;
		put_crc(f, from);
	}
}

/* A frame with one transport segment. */
static inline void add_segment(struct frames *f, uint8_t control, unsigned destination,
	unsigned source, uint8_t transport, const char *hex)
{
	uint8_t user[250];
	struct wire w = wire_hex(hex);
	assert_true(w.len < sizeof user);
	user[0] = transport;
	memcpy(user + 1, w.bytes, w.len);
	add_frame(f, control, destination, source, user, w.len + 1);
	free(w.bytes);
}

/* What a flow keeps, and the PDU of the last call. */
struct rig {
	struct dnp3_state state;
	struct pool pool;
	struct pdu pdu;
	enum dir dir;
	size_t need;
};

static inline void rig_init(struct rig *r)
{
	memset(r, 0, sizeof *r);
	r->pool.cap = 1 << 20;
}

static inline void rig_fini(struct rig *r)
{
	dnp3_dissector.release(&r->state, &r->pool);
	assert_int_equal(r->pool.used, 0);
}

/* Dissects what @in starts with, from a heap block of its own size. */
static inline enum outcome rig_take(struct rig *r, struct reader *in)
{
	struct dissect d = { .dir = r->dir, .l4 = L4_TCP, .state = &r->state, .pool = &r->pool };
	pdu_init(&r->pdu);
	enum outcome o = dnp3_dissector.dissect(in, &d, &r->pdu);
	r->need = d.need;
	return o;
}

/* Takes all of @f, asserting that each frame is taken; the PDU of the last one stays. Returns how
 * many frames told something. */
static inline unsigned rig_all(struct rig *r, const struct frames *f)
{
	struct reader in = rd_over(f->bytes, f->len);
	unsigned told = 0;
	while (in.left > 0) {
		assert_int_equal(rig_take(r, &in), DISSECT_OK);
		told += r->pdu.dissector != NULL;
	}
	return told;
}

/* A whole fragment in one frame: master 1 to outstation 10 for requests, back for responses. */
static inline void rig_fragment(struct rig *r, const char *hex)
{
	struct frames f = { .len = 0 };
	struct wire w = wire_hex(hex);
	bool response = w.len > 1 && w.bytes[1] >= 128;
	free(w.bytes);
	r->dir = response ? DIR_TO_CLIENT : DIR_TO_SERVER;
	add_segment(&f, response ? 0x44 : 0xc4, response ? 1 : 10, response ? 10 : 1, 0xc0, hex);
	assert_int_equal(rig_all(r, &f), 1);
}

static inline uint64_t field(const struct rig *r, unsigned f)
{
	assert_true(pdu_has(&r->pdu, f));
	return r->pdu.value[f].u;
}

static inline void assert_text(const struct value *v, const char *text)
{
	assert_int_equal(v->len, strlen(text));
	assert_memory_equal(v->bytes, text, v->len);
}

static inline void assert_why(const struct rig *r, const char *why)
{
	assert_non_null(r->pdu.malformed);
	assert_string_equal(r->pdu.malformed, why);
}

#endif
