/* test_frag.c - fragments in every order, overlapping, missing, forged, and too many of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sensor/frag.h"

static struct counters counters;
static unsigned told[ANOMALY_KINDS];
static const struct addr a = { .bytes = { [15] = 1 }, .family = 6 };
static const struct addr b = { .bytes = { [15] = 2 }, .family = 6 };

static void on_anomaly(void *ctx, const struct anomaly *an)
{
	(void)ctx;
	told[an->kind]++;
}

static struct frags *new_frags(size_t datagrams, size_t bytes)
{
	static const struct inspector inspector = { .anomaly = on_anomaly };
	struct frag_options o = {
		.max_datagrams = datagrams,
		.max_bytes = bytes,
		.timeout_s = 30,
		.counters = &counters,
		.inspector = &inspector,
	};
	counters = (struct counters){ 0 };
	memset(told, 0, sizeof(told));
	return frags_new(&o);
}

/* A piece of a datagram, in a heap block of its own size. */
static bool add_at(struct frags *f, uint32_t id, uint32_t offset, const uint8_t *bytes,
	uint32_t len, bool more, int64_t ts_ns, struct frag_whole *whole)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	memcpy(copy, bytes, len);
	struct frag in = {
		.src = &a,
		.dst = &b,
		.id = id,
		.protocol = 6,
		.more = more,
		.offset = offset,
		.len = len,
		.bytes = copy,
		.at = { .ts_ns = ts_ns, .frame = 1 },
	};
	bool done = frags_add(f, &in, whole);
	free(copy);
	return done;
}

static bool add(
	struct frags *f, uint32_t offset, const char *text, bool more, struct frag_whole *whole)
{
	return add_at(f, 7, offset, (const uint8_t *)text, (uint32_t)strlen(text), more, 1, whole);
}

static const char text[] = "the quick brown fox jumps over the lazy dog";

/* All orders of six pieces of 8 bytes give the same datagram, and nothing stays behind. */
static void joins_pieces_in_any_order(void **state)
{
	(void)state;
	enum { PIECES = 6, LEN = sizeof(text) - 1 };
	unsigned orders = 0;
	for (unsigned order = 0; order < 6 * 6 * 6 * 6 * 6 * 6; order++) {
		unsigned seen = 0, piece[PIECES], rest = order;
		for (unsigned i = 0; i < PIECES; i++, rest /= PIECES)
			seen |= 1u << (piece[i] = rest % PIECES);
		if (seen != 63)
			continue;
		orders++;
		struct frags *f = new_frags(4, 1 << 20);
		struct frag_whole whole = { 0 };
		for (unsigned i = 0; i < PIECES; i++) {
			uint32_t at = piece[i] * 8, len = at + 8 > LEN ? LEN - at : 8;
			bool done = add_at(f, 7, at, (const uint8_t *)text + at, len,
				at + len < LEN, 1, &whole);
			assert_true(done == (i == PIECES - 1));
		}
		assert_int_equal(whole.len, LEN);
		assert_memory_equal(whole.bytes, text, LEN);
		assert_false(whole.contested);
		frags_finish(f);
		assert_int_equal(counters.frag_dropped, 0);
		frags_free(f);
	}
	assert_int_equal(orders, 720);
}

static void joins_the_longest_datagram_from_the_smallest_pieces(void **state)
{
	(void)state;
	struct frags *f = new_frags(4, 1 << 20);
	uint8_t *whole_text = malloc(65535);
	struct frag_whole whole;
	for (size_t i = 0; i < 65535; i++)
		whole_text[i] = (uint8_t)(i * 7 + i / 256);
	for (uint32_t at = 65528;; at -= 8) {
		uint32_t len = at == 65528 ? 7 : 8;
		bool done = add_at(f, 7, at, whole_text + at, len, at != 65528, 1, &whole);
		assert_true(done == (at == 0));
		if (at == 0)
			break;
	}
	assert_int_equal(whole.len, 65535);
	assert_memory_equal(whole.bytes, whole_text, 65535);
	free(whole_text);
	frags_free(f);
}

static void takes_identical_overlaps_without_a_word(void **state)
{
	(void)state;
	struct frags *f = new_frags(4, 1 << 20);
	struct frag_whole whole;
	assert_false(add(f, 0, "0123456789abcdef", true, &whole));
	assert_false(add(f, 8, "89abcdefghijklmn", true, &whole));
	assert_false(add(f, 0, "0123456789abcdef", true, &whole));
	assert_true(add(f, 16, "ghijklmnop", false, &whole));
	assert_int_equal(whole.len, 26);
	assert_memory_equal(whole.bytes, "0123456789abcdefghijklmnop", 26);
	assert_int_equal(told[ANOMALY_FRAG_OVERLAP], 0);
	assert_int_equal(counters.duplicates, 1);
	assert_false(frags_second(f)->waiting);
	frags_free(f);
}

static void keeps_both_readings_of_a_conflict(void **state)
{
	(void)state;
	struct frags *f = new_frags(4, 1 << 20);
	struct frag_whole whole;
	assert_false(add(f, 8, "FIRST...", true, &whole));
	assert_false(add(f, 8, "LATER...", true, &whole));
	assert_false(add(f, 16, "the end", false, &whole));
	assert_true(add(f, 0, "beginnin", true, &whole));
	assert_true(whole.contested);
	assert_memory_equal(whole.bytes, "beginninFIRST...the end", 23);
	struct frag_second *s = frags_second(f);
	assert_true(s->waiting);
	assert_int_equal(s->whole.len, 23);
	assert_memory_equal(s->whole.bytes, "beginninLATER...the end", 23);
	assert_int_equal(told[ANOMALY_FRAG_OVERLAP], 1);
	frags_free(f);
}

/* The end of a datagram may not move, and nothing may lie behind it. */
static void tells_of_ends_that_disagree(void **state)
{
	(void)state;
	struct frags *f = new_frags(4, 1 << 20);
	struct frag_whole whole;
	assert_false(add(f, 8, "the end", false, &whole));
	assert_false(add(f, 8, "the ende and more of it.", true, &whole));
	assert_false(add(f, 16, "another", false, &whole));
	assert_int_equal(told[ANOMALY_FRAG_OVERLAP], 1);
	assert_int_equal(counters.frag_dropped, 2);
	assert_true(add(f, 0, "beginnin", true, &whole));
	assert_memory_equal(whole.bytes, "beginninthe end", 15);
	frags_free(f);
}

static void refuses_impossible_pieces(void **state)
{
	(void)state;
	struct frags *f = new_frags(4, 1 << 20);
	struct frag_whole whole;
	assert_false(add(f, 0, "", true, &whole));
	assert_false(add(f, 0, "seven..", true, &whole));
	assert_false(add(f, 65528, "beyond 65535 bytes", false, &whole));
	assert_false(add(f, 65528, "8 bytes.", false, &whole));
	assert_int_equal(counters.frag_dropped, 4);
	frags_free(f);
}

static void keeps_datagrams_apart(void **state)
{
	(void)state;
	struct frags *f = new_frags(4, 1 << 20);
	struct frag_whole whole;
	assert_false(add_at(f, 1, 0, (const uint8_t *)"11111111", 8, true, 1, &whole));
	assert_false(add_at(f, 2, 8, (const uint8_t *)"2222", 4, false, 1, &whole));
	assert_true(add_at(f, 2, 0, (const uint8_t *)"22222222", 8, true, 1, &whole));
	assert_memory_equal(whole.bytes, "222222222222", 12);
	assert_true(add_at(f, 1, 8, (const uint8_t *)"1", 1, false, 1, &whole));
	assert_memory_equal(whole.bytes, "111111111", 9);
	frags_free(f);
}

/* A second mirror port sends everything again; a little later the identifier is used again. */
static void knows_copies_from_reuse(void **state)
{
	(void)state;
	struct frags *f = new_frags(4, 1 << 20);
	struct frag_whole whole;
	const int64_t ms = 1000000;
	assert_false(add_at(f, 1, 0, (const uint8_t *)"11111111", 8, true, 0, &whole));
	assert_true(add_at(f, 1, 8, (const uint8_t *)"1", 1, false, 1 * ms, &whole));
	assert_false(add_at(f, 1, 0, (const uint8_t *)"11111111", 8, true, 2 * ms, &whole));
	assert_false(add_at(f, 1, 8, (const uint8_t *)"1", 1, false, 2 * ms, &whole));
	assert_int_equal(counters.duplicates, 2);
	assert_false(add_at(f, 1, 0, (const uint8_t *)"22222222", 8, true, 9 * ms, &whole));
	assert_true(add_at(f, 1, 8, (const uint8_t *)"2", 1, false, 9 * ms, &whole));
	assert_memory_equal(whole.bytes, "222222222", 9);
	assert_int_equal(counters.frag_dropped, 0);
	frags_free(f);
}

static void forgets_after_the_timeout(void **state)
{
	(void)state;
	struct frags *f = new_frags(4, 1 << 20);
	struct frag_whole whole;
	const int64_t s = 1000000000;
	assert_false(add_at(f, 1, 0, (const uint8_t *)"11111111", 8, true, 0, &whole));
	assert_false(add_at(f, 1, 8, (const uint8_t *)"1", 1, false, 31 * s, &whole));
	assert_int_equal(counters.frag_dropped, 1);
	frags_tick(f, 62 * s);
	assert_int_equal(counters.frag_dropped, 2);
	frags_free(f);
}

static void gives_up_the_oldest_when_full(void **state)
{
	(void)state;
	struct frags *f = new_frags(8, 1 << 20);
	struct frag_whole whole;
	for (uint32_t id = 0; id < 20; id++)
		assert_false(add_at(f, id, 0, (const uint8_t *)"11111111", 8, true, id, &whole));
	assert_int_equal(counters.frag_dropped, 12);
	assert_int_equal(told[ANOMALY_FRAGS_FULL], 1);
	assert_false(
		add_at(f, 11, 8, (const uint8_t *)"1", 1, false, 30, &whole)); /* was forgotten */
	assert_true(add_at(f, 19, 8, (const uint8_t *)"1", 1, false, 30, &whole));
	frags_free(f);
}

/* Pieces at high offsets must not buy more memory than the cap. */
static void stays_below_its_cap_of_bytes(void **state)
{
	(void)state;
	struct frags *f = new_frags(1000, 10 * 2100);
	struct frag_whole whole;
	for (uint32_t id = 0; id < 200; id++)
		for (uint32_t n = 0; n < 3; n++)
			assert_false(add_at(f, id, 60000 - n * 20000, (const uint8_t *)"11111111",
				8, true, id, &whole));
	assert_true(counters.frag_dropped > 500);
	assert_int_equal(told[ANOMALY_FRAGS_FULL], 1);
	/* one that alone is too large is refused, and others still go through */
	uint8_t large[40000] = { 0 };
	assert_false(add_at(f, 900, 0, large, sizeof(large), true, 300, &whole));
	assert_false(add_at(f, 901, 0, (const uint8_t *)"11111111", 8, true, 300, &whole));
	assert_true(add_at(f, 901, 8, (const uint8_t *)"1", 1, false, 300, &whole));
	frags_free(f);
}

/* Whatever comes: no byte out of bounds, and every piece is accounted for. */
static void survives_random_pieces(void **state)
{
	(void)state;
	struct frags *f = new_frags(16, 64 << 10);
	uint8_t bytes[4096];
	uint32_t x = 1;
	int64_t now = 0;
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 31);
	for (unsigned i = 0; i < 200000; i++) {
		struct frag_whole whole;
		x = x * 1664525 + 1013904223;
		uint32_t len = x >> 20, offset = (x >> 8 & 0x1fff) * 8;
		if (i % 3 != 0) {
			len = len % 64 / 8 * 8;
			offset %= 64;
		}
		now += x >> 30 == 0 ? 1000000000 : 1000;
		if (add_at(f, x >> 4 & 31, offset, bytes + (x >> 5 & 7), len % 4080, x >> 3 & 1,
			    now, &whole))
			assert_true(whole.len <= 65535);
	}
	assert_true(counters.frag_joined > 100);
	assert_true(told[ANOMALY_FRAG_OVERLAP] > 100);
	frags_finish(f);
	frags_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(joins_pieces_in_any_order),
		cmocka_unit_test(joins_the_longest_datagram_from_the_smallest_pieces),
		cmocka_unit_test(takes_identical_overlaps_without_a_word),
		cmocka_unit_test(keeps_both_readings_of_a_conflict),
		cmocka_unit_test(tells_of_ends_that_disagree),
		cmocka_unit_test(refuses_impossible_pieces),
		cmocka_unit_test(keeps_datagrams_apart),
		cmocka_unit_test(knows_copies_from_reuse),
		cmocka_unit_test(forgets_after_the_timeout),
		cmocka_unit_test(gives_up_the_oldest_when_full),
		cmocka_unit_test(stays_below_its_cap_of_bytes),
		cmocka_unit_test(survives_random_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
