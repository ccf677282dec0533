/* test_stream.c - bytes of a TCP connection become messages once, whatever the mirror does. */
#include "tests/unit/stream_kit.h"

/* Ten messages of different length. */
static size_t ten(uint8_t *to)
{
	size_t n = 0;
	for (unsigned i = 0; i < 10; i++)
		n = toy(to, n, i + 1, 6 + i * 3);
	return n;
}

/* Each of the ten carries the latest frame that brought one of its bytes. */
static void expect_frames(const struct kit *k, const uint64_t *frames)
{
	size_t at = 0;
	for (unsigned i = 0; i < 10; i++) {
		uint64_t latest = 0;
		for (size_t end = at + 6 + i * 3; at < end; at++)
			latest = frames[at] > latest ? frames[at] : latest;
		assert_int_equal(k->pdus[i].frame, latest);
	}
}

static void reads_messages_in_order(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[512];
	size_t n = ten(b);
	handshake(k);
	tcp(k, 0, 1001, b, n);
	expect_run(k, 1, 10);
	assert_int_equal(k->pdus[9].frame, 4);
	assert_int_equal(k->pdus[0].dir, PDU_REQ);
	kit_finish(k);
	assert_int_equal(toy_released, 1);
	assert_int_equal(k->ended, 1);
	kit_free(k);
}

static void reads_one_byte_a_segment(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[512];
	size_t n = ten(b);
	handshake(k);
	for (size_t i = 0; i < n; i++)
		tcp(k, 0, 1001 + (uint32_t)i, b + i, 1);
	expect_run(k, 1, 10);
	assert_int_equal(k->pdus[0].frame, 3 + 6);
	assert_true(toy_calls <= 10 * 3);
	assert_int_equal(k->counters.gaps, 0);
	kit_free(k);
}

static void permute(uint32_t mask, unsigned depth, unsigned *order, void (*with)(const unsigned *))
{
	if (depth == 4) {
		with(order);
		return;
	}
	for (unsigned i = 0; i < 4; i++) {
		if (mask >> i & 1)
			continue;
		order[depth] = i;
		permute(mask | 1u << i, depth + 1, order, with);
	}
}

static void one_order(const unsigned *order)
{
	struct kit *k = kit_new(NULL);
	uint8_t b[512];
	size_t n = ten(b), quarter = n / 4 + 1;
	uint64_t frames[512];
	handshake(k);
	for (unsigned i = 0; i < 4; i++) {
		size_t at = order[i] * quarter, len = at + quarter > n ? n - at : quarter;
		tcp(k, 0, 1001 + (uint32_t)at, b + at, len);
		for (size_t j = at; j < at + len; j++)
			frames[j] = k->frame;
	}
	expect_run(k, 1, 10);
	expect_frames(k, frames);
	assert_int_equal(k->counters.retransmits, 0);
	kit_free(k);
}

static void reads_every_order_of_four(void **state)
{
	(void)state;
	unsigned order[4];
	permute(0, 0, order, one_order);
}

static void starts_in_mid_stream(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[512];
	size_t n = ten(b);
	tcp(k, 1, 77, b, n);
	expect_run(k, 1, 10);
	assert_int_equal(k->pdus[0].from, 0); /* end[0] is who was seen first */
	assert_int_equal(k->pdus[0].dir, PDU_RSP);
	kit_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_messages_in_order),
		cmocka_unit_test(reads_one_byte_a_segment),
		cmocka_unit_test(reads_every_order_of_four),
		cmocka_unit_test(starts_in_mid_stream),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
