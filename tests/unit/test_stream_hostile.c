/* test_stream_hostile.c - nobody who contradicts, forges or floods makes the sensor blind. */
#include "tests/unit/stream_kit.h"

static void expect_both(const struct kit *k, int plain, int other)
{
	unsigned plains = 0, others = 0;
	for (unsigned i = 0; i < k->count; i++) {
		plains += k->pdus[i].code == plain && k->pdus[i].flags == 0;
		others += k->pdus[i].code == other && k->pdus[i].flags == PDU_OVERLAP;
	}
	assert_int_equal(plains, 1);
	assert_int_equal(others, 1);
	assert_int_equal(k->anomalies[ANOMALY_OVERLAP], 1);
	assert_int_equal(k->counters.overlaps, 1);
}

static void reads_both_sides_of_a_conflict(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64], c[64];
	size_t n = toy(b, toy(b, toy(b, 0, 1, 10), 2, 10), 3, 10);
	handshake(k);
	tcp(k, 0, 1001, b, n);
	memcpy(c, b, n);
	toy(c, 10, 666, 10);
	tcp(k, 0, 1001, c, n);
	assert_int_equal(k->count, 4);
	expect_both(k, 2, 666);
	kit_free(k);
}

static void reads_both_sides_of_a_cut_message(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64], c[64];
	size_t n = toy(b, toy(b, 0, 1, 10), 2, 20);
	handshake(k);
	tcp(k, 0, 1001, b, 16);
	memcpy(c, b, n);
	c[12] = 2; /* number 2 becomes 0x0202 */
	tcp(k, 0, 1001 + 10, c + 10, 5);
	assert_int_equal(k->count, 1);
	tcp(k, 0, 1001 + 16, b + 16, n - 16);
	assert_int_equal(k->count, 3);
	expect_both(k, 2, 0x202);
	kit_free(k);
}

static void reads_both_sides_of_what_waits(void **state)
{
	(void)state;
	for (unsigned longer = 0; longer < 2; longer++) {
		struct kit *k = kit_new(NULL);
		uint8_t b[64], c[64];
		size_t n = toy(b, toy(b, toy(b, 0, 1, 10), 2, 10), 3, 10);
		memcpy(c, b, n);
		toy(c, 10, 666, 10);
		handshake(k);
		tcp(k, 0, 1001 + 5, b + 5, n - 5);
		tcp(k, 0, 1001 + 8 + longer, c + 8 + longer, n - 9);
		tcp(k, 0, 1001, b, 5);
		assert_int_equal(k->count, 4);
		expect_both(k, 2, 666);
		kit_free(k);
	}
}

static void takes_no_keep_alive_for_data(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[512], zero = 0, garbage = 0x79;
	size_t n = ten(b);
	handshake(k);
	tcp(k, 0, 1001, b, n);
	tcp(k, 0, 1000 + (uint32_t)n, &zero, 1);
	k->now_ns += INT64_C(30000000000);
	tcp(k, 0, 1000 + (uint32_t)n, &garbage, 1);
	tcp(k, 0, 1001 + (uint32_t)n, b, n);
	assert_int_equal(k->count, 20);
	assert_int_equal(k->counters.overlaps, 0);
	kit_free(k);
}

static void is_not_led_away_by_a_forged_number(void **state)
{
	(void)state;
	static const uint32_t jumps[] = { 100, 70000, 5000000, 100000000, 0x80000000u,
		0xf0000000u };
	for (unsigned j = 0; j < sizeof jumps / sizeof *jumps; j++) {
		struct kit *k = kit_new(NULL);
		uint8_t b[512], fake[16];
		size_t n = ten(b);
		toy(fake, 0, 99, 16);
		handshake(k);
		tcp(k, 0, 1001, b, n);
		tcp(k, 0, 1001 + (uint32_t)n + jumps[j], fake, 16);
		transport_tick(k->t, k->now_ns + INT64_C(2000000000));
		for (unsigned i = 1; i < 6; i++)
			tcp(k, 0, 1001 + (uint32_t)n * i, b, n);
		unsigned real = 0;
		for (unsigned i = 0; i < k->count; i++)
			real += k->pdus[i].code != 99;
		assert_in_range(real, 60 - 2, 60);
		kit_free(k);
	}
}

static void follows_a_stream_that_jumps(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[512];
	size_t n = ten(b);
	handshake(k);
	tcp(k, 0, 1001, b, n);
	for (unsigned i = 0; i < 3; i++)
		tcp(k, 0, 0x70000000 + (uint32_t)n * i, b, n);
	assert_int_equal(k->count, 40);
	assert_int_equal(k->pdus[10].flags, PDU_RESYNCED);
	kit_free(k);
}

static void survives_garbage_in_linear_time(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[1400], good[16];
	uint32_t seq = 1001, x = 1;
	handshake(k);
	toy(good, 0, 7, 16);
	tcp(k, 0, seq, good, 16);
	seq += 16;
	for (unsigned i = 0; i < 200; i++, seq += 1400) {
		for (unsigned j = 0; j < 1400; j++) {
			x = x * 1664525 + 1013904223;
			b[j] = i % 2 ? (uint8_t)(x >> 24) : (j % 2 ? 3 : TOY_MAGIC);
		}
		tcp(k, 0, seq, b, 1400);
	}
	assert_true(toy_calls < 200 * 1400 / 2);
	assert_int_equal(k->anomalies[ANOMALY_MALFORMED], k->counters.pdus_malformed);
	unsigned before = k->count;
	for (unsigned i = 0; i < 40; i++, seq += 16)
		tcp(k, 0, seq, good, 16);
	assert_in_range(k->count, before + 20, before + 41);
	kit_free(k);
}

static void ignores_what_rides_on_a_reset(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[16];
	toy(b, 0, 7, 16);
	handshake(k);
	tcp_flags(k, 0, 1001, 0, TCP_RST, b, 16);
	assert_int_equal(k->count, 0);
	tcp(k, 0, 1001, b, 16); /* the reset may be forged */
	assert_int_equal(k->count, 1);
	kit_finish(k);
	assert_string_equal(k->why[0], "closed");
	kit_free(k);
}

static void keeps_to_its_memory(void **state)
{
	(void)state;
	struct transport_options o = { .pool_bytes = 20000 };
	struct kit *k = kit_new(&o);
	uint8_t b[512];
	size_t n = ten(b);
	for (unsigned i = 0; i < 500; i++) {
		k->cport = (uint16_t)(10000 + i);
		handshake(k);
		tcp(k, 0, 1001 + 5, b + 5, n - 5);
	}
	assert_true(k->counters.pool_refused > 0);
	assert_in_range(k->anomalies[ANOMALY_POOL_FULL], 1, 12);
	kit_free(k);
}

/* Packets without sense or shame: any flags, numbers, lengths, times. */
static void survives_anything(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 60; seed++) {
		struct transport_options o = {
			.max_flows = 8, .pool_bytes = 30000 + seed * 1000, .gap_bytes = 3000
		};
		struct kit *k = kit_new(&o);
		uint32_t x = seed;
		uint8_t b[600];
		for (unsigned i = 0; i < 3000; i++) {
			size_t n = dice(&x, 4) == 0 ? 0 : dice(&x, 300);
			for (size_t at = 0; at + 4 < n;)
				at = toy(b, at, 5 + dice(&x, 500), 4 + dice(&x, 30)) + dice(&x, 2);
			k->cport = (uint16_t)(1000 + dice(&x, 12));
			k->sport = dice(&x, 3) == 0 ? ODD_PORT : TOY_PORT;
			struct packet p =
				kit_packet(k, dice(&x, 2), dice(&x, 9) == 0 ? L4_UDP : L4_TCP);
			p.seq = dice(&x, 50) == 0 ? x : 0xfffffc00 + dice(&x, 6000);
			p.ack = dice(&x, 50) == 0 ? x : 0xfffffc00 + dice(&x, 6000);
			p.tcp_flags = (uint8_t)(dice(&x, 30) == 0 ? dice(&x, 64) : TCP_ACK);
			p.payload_wire_len = (uint32_t)n + (dice(&x, 20) == 0 ? dice(&x, 4000) : 0);
			k->now_ns += dice(&x, 10) == 0 ? dice(&x, 1u << 30) : 0;
			p.at.ts_ns = dice(&x, 100) == 0 ? (int64_t)((uint64_t)x << 33) : k->now_ns;
			if (k->count > SEEN_MAX - 1000)
				k->count = 0;
			kit_give(k, &p, b, n);
			assert_true(k->counters.flow_memory < 600000);
		}
		kit_finish(k);
		assert_int_equal(k->started, k->ended);
		kit_free(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_both_sides_of_a_conflict),
		cmocka_unit_test(reads_both_sides_of_a_cut_message),
		cmocka_unit_test(reads_both_sides_of_what_waits),
		cmocka_unit_test(takes_no_keep_alive_for_data),
		cmocka_unit_test(is_not_led_away_by_a_forged_number),
		cmocka_unit_test(follows_a_stream_that_jumps),
		cmocka_unit_test(survives_garbage_in_linear_time),
		cmocka_unit_test(ignores_what_rides_on_a_reset),
		cmocka_unit_test(keeps_to_its_memory),
		cmocka_unit_test(survives_anything),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
