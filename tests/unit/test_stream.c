/* test_stream.c - bytes of a TCP connection become messages once, whatever the mirror does. */
#include "tests/unit/stream_kit.h"

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

static void counts_the_copy_of_a_second_mirror_port(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[512];
	size_t n = ten(b);
	handshake(k);
	for (unsigned i = 0; i < 2; i++) {
		struct packet p = kit_packet(k, 0, L4_TCP);
		p.seq = 1001;
		p.ip_id = 77;
		p.ttl = (uint8_t)(64 - i);
		p.src_mac[4] = (uint8_t)i;
		kit_give(k, &p, b, n);
	}
	expect_run(k, 1, 10);
	assert_int_equal(k->counters.duplicates, 1);
	assert_int_equal(k->counters.retransmits, 0);
	kit_free(k);
}

static void counts_what_is_sent_again(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[512];
	size_t n = ten(b);
	handshake(k);
	tcp(k, 0, 1001, b, 50);
	tcp(k, 0, 1001, b, 50);
	tcp(k, 0, 1011, b + 10, 60);
	tcp(k, 0, 1001 + 60, b + 60, n - 60);
	tcp(k, 0, 1001, b, n);
	expect_run(k, 1, 10);
	assert_int_equal(k->counters.retransmits, 2);
	assert_int_equal(k->counters.duplicates, 0);
	assert_int_equal(k->counters.overlaps, 0);
	kit_free(k);
}

/* A segment is lost at each place; the messages it does not touch are all found. */
static void finds_the_way_back_after_a_gap(void **state)
{
	(void)state;
	uint8_t b[512];
	size_t n = ten(b);
	for (size_t at = 0; at + 20 < n; at++) {
		struct kit *k = kit_new(NULL);
		handshake(k);
		tcp(k, 0, 1001, b, at);
		tcp(k, 0, 1001 + (uint32_t)at + 20, b + at + 20, n - at - 20);
		kit_finish(k);
		unsigned whole = 0;
		size_t end = 0, begin;
		for (unsigned i = 0; i < 10; i++) {
			begin = end;
			end += 6 + i * 3;
			if (end > at && begin < at + 20)
				continue;
			assert_int_equal(k->pdus[whole].code, i + 1);
			bool first_after =
				begin >= at + 20 && (whole == 0 || k->pdus[whole - 1].code <= 9);
			if (k->pdus[whole].flags != 0)
				assert_true(first_after);
			whole++;
		}
		assert_int_equal(k->count, whole);
		assert_int_equal(k->anomalies[ANOMALY_BLIND], 1);
		assert_int_equal(k->anomaly_count[ANOMALY_BLIND], 20);
		assert_int_equal(k->counters.gap_bytes, 20);
		assert_int_equal(toy_lost, at >= 4); /* known to be toys by then */
		kit_free(k);
	}
}

static void waits_for_a_gap_as_long_as_told(void **state)
{
	(void)state;
	uint8_t b[512];
	size_t n = ten(b);
	for (unsigned proof = 0; proof < 2; proof++) {
		struct kit *k = kit_new(NULL);
		handshake(k);
		tcp(k, 0, 1001, b, 6);
		tcp(k, 0, 1001 + 15, b + 15, n - 15);
		if (proof)
			tcp_flags(k, 1, 5001, 1001 + (uint32_t)n, TCP_ACK, NULL, 0);
		int64_t wait = (proof ? 100 : 1000) * INT64_C(1000000);
		transport_tick(k->t, k->now_ns + wait - 50000000);
		assert_int_equal(k->count, 1);
		transport_tick(k->t, k->now_ns + wait);
		transport_tick(k->t, k->now_ns + wait + 100000000);
		assert_int_equal(k->count, 9);
		assert_int_equal(k->pdus[1].flags, PDU_RESYNCED);
		assert_int_equal(k->pdus[2].flags, 0);
		assert_int_equal(k->counters.gap_bytes, 9);
		kit_free(k);
	}
}

static void gives_up_a_gap_when_too_much_waits(void **state)
{
	(void)state;
	struct transport_options o = { .gap_bytes = 4000 };
	struct kit *k = kit_new(&o);
	uint8_t b[512];
	size_t n = ten(b);
	handshake(k);
	tcp(k, 0, 1001, b, n);
	uint32_t seq = 1001 + 2 * (uint32_t)n;
	for (unsigned i = 0; i < 30; i++, seq += (uint32_t)n)
		tcp(k, 0, seq, b, n);
	assert_int_equal(k->count, 310);
	assert_int_equal(k->anomalies[ANOMALY_BLIND], 1);
	kit_free(k);
}

/* The hole cuts two messages, and is filled after it was given up. */
static void reads_what_comes_late_after_all(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[512];
	size_t n = ten(b);
	handshake(k);
	tcp(k, 0, 1001, b, 20);
	tcp(k, 0, 1001 + 30, b + 30, n - 30 - 10);
	transport_tick(k->t, k->now_ns + INT64_C(3000000000));
	assert_int_equal(k->count, 2 + 5);
	tcp(k, 0, 1001 + 20, b + 20, 10);
	assert_int_equal(k->count, 2 + 5 + 2);
	assert_int_equal(k->pdus[7].code, 3);
	assert_int_equal(k->pdus[8].code, 4);
	tcp(k, 0, 1001 + (uint32_t)n - 10, b + n - 10, 10);
	assert_int_equal(k->count, 10);
	assert_int_equal(k->pdus[9].code, 10);
	assert_int_equal(k->anomalies[ANOMALY_BLIND], 1);
	kit_free(k);
}

static void reads_across_the_end_of_numbers(void **state)
{
	(void)state;
	for (uint32_t start = 0xffffff00; start != 0x20; start++) {
		struct kit *k = kit_new(NULL);
		uint8_t b[512];
		size_t n = ten(b), half = n / 2;
		tcp_flags(k, 0, start - 1, 0, TCP_SYN, NULL, 0);
		tcp(k, 0, start + (uint32_t)half, b + half, n - half);
		tcp(k, 0, start, b, half);
		tcp(k, 0, start, b, n);
		expect_run(k, 1, 10);
		assert_int_equal(k->counters.overlaps, 0);
		kit_free(k);
	}
}

/* Two mirrored ports may show the reply first. */
static void puts_the_request_before_its_reply(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64];
	size_t n = toy(b, 0, 1, 12);
	toy(b, 12, 2, 12);
	handshake(k);
	tcp_flags(k, 0, 1001, 5001, TCP_ACK, b, n);
	tcp_flags(k, 1, 5001, 1001 + 12, TCP_ACK, b, n);
	tcp_flags(k, 1, 5013, 1001 + 24, TCP_ACK, b + 12, n);
	assert_int_equal(k->count, 2);
	tcp_flags(k, 0, 1013, 5013, TCP_ACK, b + 12, n);
	assert_int_equal(k->count, 4);
	assert_int_equal(k->pdus[2].from, 0);
	assert_int_equal(k->pdus[3].from, 1);
	assert_int_equal(k->pdus[3].frame, 6);
	kit_free(k);
}

static void does_not_wait_for_a_direction_that_is_not_captured(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64];
	toy(b, 0, 1, 12);
	handshake(k);
	for (unsigned i = 0; i < 50; i++) {
		tcp_flags(k, 1, 5001 + i * 12, 1001 + (i + 1) * 12, TCP_ACK, b, 12);
		transport_tick(k->t, k->now_ns + 150000000);
	}
	assert_int_equal(k->count, 50);
	assert_int_equal(k->counters.gaps, 0);
	kit_free(k);
}

static void tells_what_the_capture_cut_off(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[512];
	size_t n = ten(b);
	handshake(k);
	struct packet p = kit_packet(k, 0, L4_TCP);
	p.seq = 1001;
	p.payload_wire_len = (uint32_t)n;
	kit_give(k, &p, b, 16);
	tcp(k, 0, 1001 + (uint32_t)n, b, n);
	assert_int_equal(k->count, 12);
	assert_int_equal(k->counters.gap_bytes, n - 16);
	assert_int_equal(k->anomaly_count[ANOMALY_BLIND], n - 16);
	kit_free(k);
}

static void stops_at_encryption(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64];
	size_t n = toy(b, toy(b, 0, 1, 12), TOY_FINAL, 12);
	handshake(k);
	tcp(k, 0, 1001, b, n);
	tcp(k, 0, 1001 + (uint32_t)n, b, n);
	tcp(k, 1, 5001, b, n);
	assert_int_equal(k->count, 2);
	assert_int_equal(k->counters.encrypted, 2 * n);
	kit_free(k);
}

static void reads_data_on_a_syn(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[16];
	toy(b, 0, 7, 16);
	tcp_flags(k, 0, 1000, 0, TCP_SYN, b, 16);
	tcp(k, 0, 1001 + 16, b, 16);
	assert_int_equal(k->count, 2);
	assert_int_equal(k->pdus[1].flags, 0);
	kit_free(k);
}

/* However a stream is cut, shuffled and repeated: the same messages, each once. */
static void reads_any_order_the_same(void **state)
{
	(void)state;
	static uint8_t b[20000];
	for (uint32_t seed = 1; seed <= 400; seed++) {
		uint32_t x = seed, from[400], len[400];
		unsigned messages = 60 + dice(&x, 100), cuts = 0;
		size_t n = 0;
		for (unsigned i = 0; i < messages; i++)
			n = toy(b, n, i + 1, 4 + dice(&x, 60));
		for (uint32_t at = 0; at < n; cuts++) {
			uint32_t back = dice(&x, 3) == 0 ? dice(&x, 40) : 0;
			from[cuts] = at > back ? at - back : 0;
			len[cuts] = 1 + back + dice(&x, seed % 5 == 0 ? 5 : 120);
			if (len[cuts] > n - from[cuts])
				len[cuts] = (uint32_t)n - from[cuts];
			if (from[cuts] + len[cuts] > at)
				at = from[cuts] + len[cuts];
			if (cuts == 398 && at < n) {
				from[++cuts] = at;
				len[cuts] = (uint32_t)n - at;
				at = (uint32_t)n;
			}
		}
		for (unsigned i = 0; i < cuts; i++) {
			unsigned j = i + dice(&x, 1 + dice(&x, 12));
			if (j >= cuts)
				continue;
			uint32_t f = from[i], l = len[i];
			from[i] = from[j];
			len[i] = len[j];
			from[j] = f;
			len[j] = l;
		}
		struct kit *k = kit_new(NULL);
		uint32_t start = dice(&x, 2) ? 0xfffff000 + dice(&x, 8192) : dice(&x, 1u << 23);
		tcp_flags(k, 0, start - 1, 0, TCP_SYN, NULL, 0);
		for (unsigned i = 0; i < cuts; i++) {
			tcp(k, 0, start + from[i], b + from[i], len[i]);
			if (dice(&x, 6) == 0) {
				unsigned again = dice(&x, i + 1);
				tcp(k, 0, start + from[again], b + from[again], len[again]);
			}
		}
		expect_run(k, 1, messages);
		assert_int_equal(k->counters.gaps, 0);
		assert_int_equal(k->counters.overlaps, 0);
		kit_free(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_messages_in_order),
		cmocka_unit_test(reads_one_byte_a_segment),
		cmocka_unit_test(reads_every_order_of_four),
		cmocka_unit_test(starts_in_mid_stream),
		cmocka_unit_test(counts_the_copy_of_a_second_mirror_port),
		cmocka_unit_test(counts_what_is_sent_again),
		cmocka_unit_test(finds_the_way_back_after_a_gap),
		cmocka_unit_test(waits_for_a_gap_as_long_as_told),
		cmocka_unit_test(gives_up_a_gap_when_too_much_waits),
		cmocka_unit_test(reads_what_comes_late_after_all),
		cmocka_unit_test(reads_across_the_end_of_numbers),
		cmocka_unit_test(puts_the_request_before_its_reply),
		cmocka_unit_test(does_not_wait_for_a_direction_that_is_not_captured),
		cmocka_unit_test(tells_what_the_capture_cut_off),
		cmocka_unit_test(stops_at_encryption),
		cmocka_unit_test(reads_data_on_a_syn),
		cmocka_unit_test(reads_any_order_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
