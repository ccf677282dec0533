/* test_detect.c - a protocol is known by its port and its shape, wherever it is, and nothing else
 * is taken for it. */
#include "tests/unit/stream_kit.h"

static const char words[] = "GET / HTTP/1.1\r\nHost: plant\r\n\r\n";

/* A toy that only may be one: nothing after its number. */
static size_t weak(uint8_t *to, size_t at, unsigned number)
{
	return toy(to, at, number, 4);
}

static void needs_little_on_its_own_port(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[16];
	size_t n = weak(b, 0, 1);
	handshake(k);
	tcp(k, 0, 1001, b, n);
	assert_int_equal(k->count, 1);
	assert_int_equal(k->anomalies[ANOMALY_WRONG_PORT], 0);
	kit_free(k);
}

static void needs_a_sure_sign_elsewhere(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[32];
	size_t n = toy(b, 0, 1, 20);
	k->sport = ODD_PORT;
	handshake(k);
	tcp(k, 0, 1001, b, n);
	tcp(k, 1, 5001, b, n);
	assert_int_equal(k->count, 2);
	assert_int_equal(k->anomalies[ANOMALY_WRONG_PORT], 1);
	assert_string_equal(k->detail[ANOMALY_WRONG_PORT], "toy");
	kit_free(k);
}

/* The second weak sign decides, and the first message is not lost. */
static void or_two_weak_ones(void **state)
{
	(void)state;
	for (unsigned same = 0; same < 2; same++) {
		struct kit *k = kit_new(NULL);
		uint8_t b[32];
		size_t n = weak(b, 0, 1);
		weak(b, n, 2);
		k->sport = ODD_PORT;
		handshake(k);
		tcp(k, 0, 1001, b, n);
		assert_int_equal(k->count, 0);
		if (same)
			tcp(k, 0, 1001 + (uint32_t)n, b + n, n);
		else
			tcp(k, 1, 5001, b + n, n);
		expect_run(k, 1, 2);
		assert_int_equal(k->pdus[0].frame, 4);
		assert_int_equal(k->pdus[1].frame, 5);
		assert_int_equal(k->anomalies[ANOMALY_WRONG_PORT], 1);
		kit_free(k);
	}
}

static void decides_byte_by_byte(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64];
	size_t n = toy(b, toy(b, 0, 1, 20), 2, 20);
	k->sport = ODD_PORT;
	handshake(k);
	for (uint32_t i = 0; i < n; i++)
		tcp(k, 0, 1001 + i, b + i, 1);
	expect_run(k, 1, 2);
	assert_int_equal(k->pdus[0].frame, 3 + 20);
	kit_free(k);
}

static void leaves_others_alone(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	k->sport = 80;
	handshake(k);
	for (uint32_t i = 0; i < 100; i++)
		tcp(k, 0, 1001 + i * 30, words, 30);
	assert_int_equal(k->count, 0);
	assert_int_equal(k->counters.other_protocol, 3000);
	for (unsigned i = 0; i < ANOMALY_KINDS; i++)
		assert_int_equal(k->anomalies[i], 0);
	transport_tick(k->t, k->now_ns + 1500000000);
	kit_free(k);
}

static void looks_again_now_and_then(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[32];
	size_t n = toy(b, 0, 1, 20);
	uint32_t seq = 1001;
	k->sport = 80;
	handshake(k);
	for (uint32_t i = 0; i < 40; i++, seq += 30)
		tcp(k, 0, seq, words, 30);
	for (uint32_t i = 0; i < 100; i++, seq += 20)
		tcp(k, 0, seq, b, n);
	assert_in_range(k->count, 70, 80);
	assert_int_equal(k->pdus[0].flags, 0);
	assert_int_equal(k->anomalies[ANOMALY_WRONG_PORT], 1);
	assert_int_equal(k->anomalies[ANOMALY_BLIND], 0);
	kit_free(k);
}

static void says_that_a_port_carries_something_else(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[32];
	size_t n = toy(b, 0, 1, 20);
	handshake(k);
	for (uint32_t i = 0; i < 50; i++)
		tcp(k, 0, 1001 + i * 30, words, 30);
	assert_int_equal(k->anomalies[ANOMALY_NOT_PROTOCOL], 1);
	assert_int_equal(k->count, 0);
	assert_int_equal(k->counters.pdus_malformed, 0);
	tcp(k, 0, 1001 + 1500, b, n); /* and goes on looking */
	assert_int_equal(k->count, 1);
	kit_free(k);
}

static enum probe other_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	(void)l4;
	(void)hint;
	return in.left > 0 && in.at[0] == 'O' ? PROBE_SURE : PROBE_NO;
}

static enum outcome other_dissect(struct reader *in, struct dissect *d, struct pdu *out);
static const struct port_hint other_ports[] = { { L4_TCP, 7 }, { 0, 0 } };
static const struct dissector other = {
	.name = "other", .ports = other_ports, .probe = other_probe, .dissect = other_dissect
};

static enum outcome other_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	(void)d;
	rd_skip(in, in->left);
	out->dissector = &other;
	return DISSECT_OK;
}

static void changes_its_mind_after_long_nonsense(void **state)
{
	(void)state;
	static const struct dissector *const both[] = { &toy_dissector, &other, NULL };
	struct transport_options o = { .dissectors = both };
	struct kit *k = kit_new(&o);
	uint8_t b[1000];
	size_t n = toy(b, 0, 1, 20);
	handshake(k);
	tcp(k, 0, 1001, b, n);
	memset(b, 'O', sizeof b);
	for (uint32_t i = 0; i < 80; i++)
		tcp(k, 0, 1021 + 1000 * i, b, sizeof b);
	assert_int_equal(k->pdus[0].code, 1);
	assert_true(k->pdus[1].malformed);
	assert_in_range(k->count, 10, 20);
	assert_int_equal(toy_released, 1);
	assert_int_equal(k->anomalies[ANOMALY_WRONG_PORT], 1);
	kit_free(k);
}

static void begins_inside_a_message(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[128];
	size_t n = toy(b, toy(b, toy(b, 0, 1, 40), 2, 20), 3, 20);
	tcp(k, 0, 9000, b + 13, n - 13);
	assert_int_equal(k->count, 2);
	assert_int_equal(k->pdus[0].code, 2);
	assert_int_equal(k->pdus[0].flags, 0);
	assert_int_equal(k->anomalies[ANOMALY_MALFORMED], 0);
	assert_int_equal(k->counters.resync_bytes, 27);
	kit_free(k);
}

static void knows_the_server_without_a_handshake(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[32];
	size_t n = toy(b, 0, 1, 20);
	k->cport = 300; /* lower than the server's, which is claimed */
	tcp(k, 1, 7000, b, n);
	tcp(k, 0, 9000, b, n);
	assert_int_equal(k->count, 2);
	assert_int_equal(k->pdus[0].dir, PDU_RSP);
	assert_int_equal(k->pdus[1].dir, PDU_REQ);
	kit_free(k);
	k = kit_new(NULL);
	k->sport = 700;
	tcp(k, 1, 7000, b, n);
	assert_int_equal(k->count, 1);
	assert_int_equal(k->pdus[0].dir, PDU_RSP); /* the lower port serves */
	kit_free(k);
}

static void reads_datagrams_whole(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64];
	size_t n = toy(b, toy(b, 0, 1, 20), 2, 20);
	udp(k, 0, b, n);
	expect_run(k, 1, 2);
	udp(k, 1, b, n - 5);
	assert_int_equal(k->count, 4);
	assert_true(k->pdus[3].malformed);
	assert_int_equal(k->anomalies[ANOMALY_MALFORMED], 1);
	struct packet p = kit_packet(k, 0, L4_UDP);
	p.payload_wire_len = (uint32_t)n;
	kit_give(k, &p, b, n - 5);
	assert_int_equal(k->count, 5);
	assert_int_equal(k->anomalies[ANOMALY_MALFORMED], 1);
	assert_int_equal(k->anomaly_count[ANOMALY_BLIND], 5);
	kit_free(k);
}

static void finds_datagrams_on_other_ports(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64];
	weak(b, 0, 1);
	weak(b, 4, 2);
	k->sport = ODD_PORT;
	udp(k, 0, b, 4);
	assert_int_equal(k->count, 0);
	udp(k, 1, b + 4, 4);
	expect_run(k, 1, 2);
	assert_int_equal(k->pdus[0].frame, 1);
	assert_int_equal(k->anomalies[ANOMALY_WRONG_PORT], 1);
	kit_free(k);
}

/* The same poll again is no copy; the same packet by another way is one. */
static void tells_polls_from_copies(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[32];
	size_t n = toy(b, 0, 1, 20);
	for (unsigned i = 0; i < 4; i++) {
		struct packet p = kit_packet(k, 0, L4_UDP);
		p.ip_id = 0;
		if (i == 3)
			p.ttl = 63;
		kit_give(k, &p, b, n);
	}
	assert_int_equal(k->count, 3);
	assert_int_equal(k->counters.duplicates, 1);
	k->now_ns += 50000000;
	struct packet p = kit_packet(k, 0, L4_UDP);
	p.ip_id = 0;
	p.ttl = 60;
	kit_give(k, &p, b, n);
	assert_int_equal(k->count, 4);
	kit_free(k);
}

static void holds_back_no_more_than_it_may(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64] = { TOY_MAGIC };
	k->sport = ODD_PORT;
	for (unsigned i = 0; i < 3000; i++) {
		k->cport = (uint16_t)(1000 + i);
		tcp(k, 0, 1, b, 1);
		tcp(k, 1, 1, b, 1);
	}
	transport_tick(k->t, k->now_ns + 1500000000);
	assert_true(k->counters.flow_memory < 3000 * 1024);
	assert_int_equal(k->count, 0);
	kit_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(needs_little_on_its_own_port),
		cmocka_unit_test(needs_a_sure_sign_elsewhere),
		cmocka_unit_test(or_two_weak_ones),
		cmocka_unit_test(decides_byte_by_byte),
		cmocka_unit_test(leaves_others_alone),
		cmocka_unit_test(looks_again_now_and_then),
		cmocka_unit_test(says_that_a_port_carries_something_else),
		cmocka_unit_test(changes_its_mind_after_long_nonsense),
		cmocka_unit_test(begins_inside_a_message),
		cmocka_unit_test(knows_the_server_without_a_handshake),
		cmocka_unit_test(reads_datagrams_whole),
		cmocka_unit_test(finds_datagrams_on_other_ports),
		cmocka_unit_test(tells_polls_from_copies),
		cmocka_unit_test(holds_back_no_more_than_it_may),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
