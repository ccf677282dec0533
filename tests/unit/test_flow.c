/* test_flow.c - conversations: found, told apart, forgotten in time, and bounded under a flood. */
#include "sensor/flow_table.h"
#include "tests/unit/stream_kit.h"

static void gives_both_directions_one_flow(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[16];
	toy(b, 0, 1, 16);
	handshake(k);
	tcp(k, 0, 1001, b, 16);
	tcp(k, 1, 5001, b, 16);
	assert_int_equal(k->started, 1);
	assert_int_equal(k->count, 2);
	assert_true(k->client_sure);
	assert_int_equal(k->pdus[0].dir, PDU_REQ);
	assert_int_equal(k->pdus[1].dir, PDU_RSP);
	kit_free(k);
}

/* A tag may stand in one direction only. */
static void does_not_tell_flows_apart_by_their_tag(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[16];
	toy(b, 0, 1, 16);
	for (unsigned i = 0; i < 2; i++) {
		struct packet p = kit_packet(k, i, L4_TCP);
		p.seq = 100;
		p.vlans = (uint8_t)i;
		p.vlan[0] = 42;
		kit_give(k, &p, b, 16);
	}
	assert_int_equal(k->started, 1);
	kit_free(k);
}

static void names_a_flow_the_same_in_every_replay(void **state)
{
	(void)state;
	uint64_t ids[2][3];
	for (unsigned run = 0; run < 2; run++) {
		struct transport_options o = { .hash_seed = 77 * run + 1 };
		struct kit *k = kit_new(&o);
		for (unsigned i = 0; i < 3; i++) {
			k->cport++;
			handshake(k);
		}
		for (unsigned i = 0; i < 3; i++)
			ids[run][i] = k->ids[i];
		kit_free(k);
	}
	assert_memory_equal(ids[0], ids[1], sizeof ids[0]);
	assert_true(ids[0][0] != ids[0][1] && ids[0][1] != ids[0][2]);
	assert_true(ids[0][0] < UINT64_C(1) << 51);
}

static void keeps_a_session_that_is_silent_for_hours(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[16];
	toy(b, 0, 1, 16);
	handshake(k);
	tcp(k, 0, 1001, b, 16);
	k->now_ns += INT64_C(20) * 3600 * 1000000000;
	transport_tick(k->t, k->now_ns);
	tcp(k, 0, 1017, b, 16);
	assert_int_equal(k->started, 1);
	assert_int_equal(k->ended, 0);
	k->now_ns += INT64_C(25) * 3600 * 1000000000;
	transport_tick(k->t, k->now_ns);
	assert_int_equal(k->ended, 1);
	assert_string_equal(k->why[0], "timeout");
	assert_int_equal(k->counters.flows_active, 0);
	tcp(k, 0, 1033, b, 16);
	assert_int_equal(k->started, 2);
	assert_int_equal(k->count, 3);
	kit_free(k);
}

static void forgets_what_ended(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[16];
	toy(b, 0, 1, 16);
	handshake(k);
	tcp_flags(k, 0, 1001, 5001, TCP_ACK | TCP_FIN, b, 16);
	tcp_flags(k, 1, 5001, 1018, TCP_ACK | TCP_FIN, NULL, 0);
	tcp_flags(k, 0, 1018, 5002, TCP_ACK, NULL, 0);
	assert_int_equal(k->count, 1);
	k->now_ns += INT64_C(12000000000);
	transport_tick(k->t, k->now_ns);
	assert_int_equal(k->ended, 1);
	assert_string_equal(k->why[0], "closed");
	assert_int_equal(toy_released, 1);
	kit_free(k);
}

static void takes_a_new_handshake_for_a_new_flow(void **state)
{
	(void)state;
	for (unsigned closed = 0; closed < 2; closed++) {
		struct kit *k = kit_new(NULL);
		uint8_t b[16];
		toy(b, 0, 1, 16);
		handshake(k);
		handshake(k); /* sent again: the same one */
		tcp(k, 0, 1001, b, 16);
		if (closed)
			tcp_flags(k, 1, 5001, 0, TCP_RST, NULL, 0);
		assert_int_equal(k->started, 1);
		tcp_flags(k, 0, 900000, 0, TCP_SYN, NULL, 0);
		tcp_flags(k, 1, 700000, 900001, TCP_SYN | TCP_ACK, NULL, 0);
		tcp(k, 0, 900001, b, 16);
		tcp(k, 1, 700001, b, 16);
		assert_int_equal(k->started, 2);
		assert_int_equal(k->ended, 1);
		assert_int_equal(k->count, 3);
		kit_free(k);
	}
}

/* Anybody can send a reset; one whose number is far off ends nothing. */
static void goes_on_after_a_blind_reset(void **state)
{
	(void)state;
	static const uint32_t far_off[] = { 5001 + (2u << 20), 5001 - (2u << 20), 0x80001000 };
	static const uint32_t near[] = { 5001, 5002, 4000, 5001 + 65535 };
	uint8_t b[16];
	toy(b, 0, 1, 16);
	for (unsigned i = 0; i < 7; i++) {
		struct kit *k = kit_new(NULL);
		handshake(k);
		tcp(k, 0, 1001, b, 16);
		tcp(k, 1, 5001, b, 16);
		bool far = i < 3;
		tcp_flags(k, 1, 16 + (far ? far_off[i] : near[i - 3]), 0, TCP_RST, NULL, 0);
		k->now_ns += INT64_C(12000000000);
		transport_tick(k->t, k->now_ns);
		assert_int_equal(k->ended, far ? 0 : 1);
		kit_free(k);
	}
}

static void tells_the_last_words_before_the_end(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[64];
	size_t n = toy(b, toy(b, 0, 1, 16), 2, 16);
	handshake(k);
	tcp(k, 0, 1001, b, 10);
	tcp(k, 0, 1001 + 12, b + 12, n - 12);
	tcp_flags(k, 1, 5001, 0, TCP_RST, NULL, 0);
	kit_finish(k);
	assert_int_equal(k->count, 1);
	assert_int_equal(k->pdus[0].code, 2);
	assert_int_equal(k->anomaly_count[ANOMALY_BLIND], 2);
	kit_free(k);
}

/* Half-open connections by the hundred thousand: bounded, told seldom, and the plant's session
 * stays. */
static void stays_within_its_cap_under_a_flood(void **state)
{
	(void)state;
	struct transport_options o = { .max_flows = 1000 };
	struct kit *k = kit_new(&o);
	uint8_t b[16];
	toy(b, 0, 1, 16);
	handshake(k);
	tcp(k, 0, 1001, b, 16);
	for (unsigned i = 0; i < 100000; i++) {
		struct packet p = kit_packet(k, 0, L4_TCP);
		k->now_ns -= 990000;
		p.src.bytes[12] = 66;
		p.src.bytes[13] = (uint8_t)(i >> 16);
		p.src.bytes[14] = (uint8_t)(i >> 8);
		p.src.bytes[15] = (uint8_t)i;
		p.tcp_flags = TCP_SYN;
		p.seq = i;
		kit_give(k, &p, NULL, 0);
	}
	tcp(k, 0, 1017, b, 16);
	assert_int_equal(k->count, 2);
	assert_int_equal(k->counters.flows, 100001);
	assert_int_equal(k->counters.flows_evicted, 100001 - 1000);
	assert_in_range(k->anomalies[ANOMALY_FLOWS_FULL], 5, 18);
	assert_in_range(k->anomaly_count[ANOMALY_FLOWS_FULL], 50000, 99001);
	transport_tick(k->t, k->now_ns + 2000000000);
	assert_int_equal(k->counters.flows_active, 1000);
	assert_true(k->counters.flow_memory < 1000 * 1024);
	kit_finish(k);
	assert_int_equal(k->started, k->ended);
	kit_free(k);
}

static void forgets_half_open_connections_soon(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	for (unsigned i = 0; i < 100; i++) {
		k->cport++;
		tcp_flags(k, 0, i, 0, TCP_SYN, NULL, 0);
	}
	transport_tick(k->t, k->now_ns + INT64_C(310000000000));
	assert_int_equal(k->ended, 100);
	kit_free(k);
}

static void bears_time_that_goes_back(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[16];
	toy(b, 0, 1, 16);
	static const int64_t times[] = { INT64_MAX, INT64_MIN, 0, INT64_C(1700000000000000000), -5,
		INT64_MAX - 3 };
	for (unsigned i = 0; i < 6; i++) {
		k->now_ns = 0;
		struct packet p = kit_packet(k, 0, L4_TCP);
		p.seq = 100 + 16 * i;
		p.at.ts_ns = times[i];
		kit_give(k, &p, b, 16);
		transport_tick(k->t, times[5 - i]);
	}
	assert_int_equal(k->count, 6);
	kit_free(k);
}

static void fill_packet(struct packet *p, uint32_t i)
{
	memset(p, 0, sizeof *p);
	p->l4 = i % 3 == 0 ? L4_UDP : L4_TCP;
	memcpy(p->src.bytes + 12, &i, sizeof i);
	p->dst.bytes[0] = 0xfe;
	p->sport = (uint16_t)(i * 7);
	p->dport = 502;
	p->at.ts_ns = i;
}

/* Against a plain array: thousands come and go, each is found from both sides or not at all. */
static void finds_exactly_what_is_there(void **state)
{
	(void)state;
	enum { N = 4000 };
	static struct flow_slot *there[N];
	struct flow_table *t = flow_table_new(3000, 5);
	uint32_t x = 1;
	size_t count = 0;
	memset(there, 0, sizeof there);
	for (unsigned step = 0; step < 60000; step++) {
		x = x * 1664525 + 1013904223;
		uint32_t i = (x >> 8) % N;
		unsigned from = 9;
		struct packet p, back;
		fill_packet(&p, i);
		back = p;
		back.src = p.dst;
		back.dst = p.src;
		back.sport = p.dport;
		back.dport = p.sport;
		uint64_t hash = flow_table_hash(t, &p);
		assert_true(hash == flow_table_hash(t, &back));
		assert_ptr_equal(flow_table_find(t, &p, hash, &from), there[i]);
		if (there[i] != NULL) {
			assert_int_equal(from, 0);
			assert_ptr_equal(flow_table_find(t, &back, hash, &from), there[i]);
			assert_int_equal(from, 1);
		}
		if (there[i] == NULL && !flow_table_full(t)) {
			there[i] = flow_table_add(t, &p, hash, FLOWS_EMPTY);
			assert_non_null(there[i]);
			count++;
		} else if (there[i] != NULL && x >> 31) {
			flow_table_remove(t, there[i]);
			there[i] = NULL;
			count--;
		}
		assert_int_equal(flow_table_count(t), count);
	}
	flow_table_free(t);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

/* Addresses and ports chosen to make up for each other, bit for bit, at any place. */
static void no_choice_of_ends_makes_hashes_alike(void **state)
{
	(void)state;
	enum { N = 4096 };
	static uint32_t hash[N];
	struct flow_table *t = flow_table_new(10, 5);
	for (unsigned at = 0; at < 15; at++) {
		for (uint16_t i = 0; i < N; i++) {
			struct packet p;
			fill_packet(&p, 1);
			uint16_t other = (uint16_t)(i ^ 0x5a5a);
			memcpy(p.src.bytes + at, &i, sizeof i);
			memcpy(&p.sport, &other, sizeof other);
			hash[i] = (uint32_t)flow_table_hash(t, &p);
		}
		qsort(hash, N, sizeof *hash, by_value);
		unsigned alike = 0;
		for (unsigned i = 1; i < N; i++)
			alike += hash[i] == hash[i - 1];
		assert_in_range(alike, 0, 2);
	}
	flow_table_free(t);
}

/* The same hosts and ports, the other way about: two flows, each sent by its end 0, and not even
 * their hashes are alike: those stand for the ends where copies of packets are looked for. */
static void ports_that_change_sides_are_another_flow(void **state)
{
	(void)state;
	struct flow_table *t = flow_table_new(10, 5);
	struct packet p, q;
	unsigned from = 0;
	fill_packet(&p, 1);
	q = p;
	q.sport = p.dport;
	q.dport = p.sport;
	uint64_t hash = flow_table_hash(t, &p), other = flow_table_hash(t, &q);
	assert_true(hash != other);
	struct flow_slot *s = flow_table_add(t, &p, hash, FLOWS_EMPTY);
	assert_null(flow_table_find(t, &q, other, &from));
	assert_null(flow_table_find(t, &q, hash, &from)); /* as if they were */
	assert_int_equal(from, 0);
	struct flow_slot *second = flow_table_add(t, &q, other, FLOWS_EMPTY);
	assert_ptr_equal(flow_table_find(t, &q, other, &from), second);
	assert_ptr_equal(flow_table_find(t, &p, hash, &from), s);
	assert_int_equal(from, 0);
	flow_table_free(t);
}

static void orders_lists_by_last_use(void **state)
{
	(void)state;
	struct flow_table *t = flow_table_new(10, 5);
	struct flow_slot *s[3];
	for (uint32_t i = 0; i < 3; i++) {
		struct packet p;
		fill_packet(&p, i);
		s[i] = flow_table_add(t, &p, flow_table_hash(t, &p), FLOWS_OURS_TCP);
	}
	assert_ptr_equal(flow_table_oldest(t, FLOWS_OURS_TCP), s[0]);
	flow_table_touch(t, s[0], INT64_C(5000000000));
	assert_ptr_equal(flow_table_oldest(t, FLOWS_OURS_TCP), s[1]);
	flow_table_move(t, s[1], FLOWS_CLOSED);
	assert_ptr_equal(flow_table_oldest(t, FLOWS_OURS_TCP), s[2]);
	assert_ptr_equal(flow_table_oldest(t, FLOWS_CLOSED), s[1]);
	flow_table_remove(t, s[2]);
	flow_table_remove(t, s[0]);
	assert_null(flow_table_oldest(t, FLOWS_OURS_TCP));
	flow_table_free(t);
}

static void costs_little_memory_a_flow(void **state)
{
	(void)state;
	struct kit *k = kit_new(NULL);
	uint8_t b[256];
	toy(b, 0, 1, 250);
	for (unsigned i = 0; i < 4096; i++) {
		k->cport = (uint16_t)(10000 + i);
		handshake(k);
		tcp(k, 0, 1001, b, 12);
		tcp(k, 0, 1013, b + 12, 250 - 12);
		tcp(k, 1, 5001, b, 250);
	}
	transport_tick(k->t, k->now_ns + 2000000000);
	assert_int_equal(k->counters.flows_active, 4096);
	assert_in_range(k->counters.flow_memory, 4096 * 300, 4096 * 1200);
	kit_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_both_directions_one_flow),
		cmocka_unit_test(does_not_tell_flows_apart_by_their_tag),
		cmocka_unit_test(names_a_flow_the_same_in_every_replay),
		cmocka_unit_test(keeps_a_session_that_is_silent_for_hours),
		cmocka_unit_test(forgets_what_ended),
		cmocka_unit_test(takes_a_new_handshake_for_a_new_flow),
		cmocka_unit_test(goes_on_after_a_blind_reset),
		cmocka_unit_test(tells_the_last_words_before_the_end),
		cmocka_unit_test(stays_within_its_cap_under_a_flood),
		cmocka_unit_test(forgets_half_open_connections_soon),
		cmocka_unit_test(bears_time_that_goes_back),
		cmocka_unit_test(finds_exactly_what_is_there),
		cmocka_unit_test(no_choice_of_ends_makes_hashes_alike),
		cmocka_unit_test(ports_that_change_sides_are_another_flow),
		cmocka_unit_test(orders_lists_by_last_use),
		cmocka_unit_test(costs_little_memory_a_flow),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
