/* test_office.c - office protocols beside a plant's: asked last, forgotten first, never loud. */
#include "tests/unit/stream_kit.h"

extern const struct dissector http_dissector, tls_dissector;
static const struct dissector *const both[] = { &toy_dissector, &http_dissector, &tls_dissector,
	NULL };

enum { ODD_SERVER = 9999 };
static const char get[] = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";

static struct kit *kit_both(size_t flows)
{
	struct transport_options o = { .dissectors = both, .max_flows = flows };
	return kit_new(&o);
}

static void toy_says(struct kit *k, uint32_t seq, unsigned number)
{
	uint8_t bytes[8];
	tcp(k, 0, seq, bytes, toy(bytes, 0, number, 8));
}

/* A table full of web sessions makes room for more of them, not out of the plant's. */
static void is_forgotten_first(void **state)
{
	(void)state;
	struct kit *k = kit_both(16);
	handshake(k);
	toy_says(k, 1001, 1);
	for (uint16_t i = 0; i < 100; i++) {
		k->cport = (uint16_t)(42000 + i);
		k->sport = 80;
		handshake(k);
		tcp(k, 0, 1001, get, sizeof get - 1);
	}
	assert_int_equal(k->count, 101);
	assert_true(k->counters.flows_evicted >= 80);
	k->cport = 41000;
	k->sport = TOY_PORT;
	unsigned started = k->started;
	toy_says(k, 1009, 2);
	assert_int_equal(k->started, started);
	assert_int_equal(k->count, 102);
	assert_int_equal(k->pdus[101].flags, 0);
	kit_free(k);
}

static void is_not_asked_about_a_plants_port(void **state)
{
	(void)state;
	struct kit *k = kit_both(0);
	handshake(k);
	tcp(k, 0, 1001, get, sizeof get - 1);
	assert_int_equal(k->count, 0);
	toy_says(k, 1001 + sizeof get - 1, 1);
	expect_run(k, 1, 1);
	kit_free(k);
}

/* A hello and a first encrypted record; what follows may be anything, and is looked at now and
 * then for what a plant speaks. */
static void hands_back_what_it_has_done_with(void **state)
{
	(void)state;
	static const uint8_t hello[] = { 0x16, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3, [43] = 0, 0, 2, 0x13,
		1, 1, 0 };
	static const uint8_t change[] = { 0x14, 3, 3, 0, 1, 1 };
	struct kit *k = kit_both(0);
	k->sport = ODD_SERVER;
	handshake(k);
	uint8_t first[50] = { 0 };
	memcpy(first, hello, sizeof hello);
	tcp(k, 0, 1001, first, sizeof first);
	tcp(k, 0, 1051, change, sizeof change);
	assert_int_equal(k->count, 2);
	assert_int_equal(k->anomalies[ANOMALY_WRONG_PORT], 0);
	for (unsigned i = 0; i < 140; i++)
		toy_says(k, 1057 + i * 8, i);
	assert_true(k->count > 2 + 60);
	assert_int_equal(k->anomalies[ANOMALY_WRONG_PORT], 1);
	kit_free(k);
}

static void is_never_loud(void **state)
{
	(void)state;
	struct kit *k = kit_both(0);
	k->sport = 80;
	handshake(k);
	tcp(k, 0, 1001, get, sizeof get - 1);
	tcp(k, 0, 3001, get, sizeof get - 1); /* a hole before it */
	tcp(k, 0, 3001 + sizeof get - 1, "never\nHTTP at all\n", 18);
	kit_finish(k);
	assert_int_equal(k->count, 3);
	assert_true(k->pdus[2].malformed);
	for (unsigned i = 0; i < ANOMALY_KINDS; i++)
		assert_int_equal(k->anomalies[i], 0);
	kit_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_forgotten_first),
		cmocka_unit_test(is_not_asked_about_a_plants_port),
		cmocka_unit_test(hands_back_what_it_has_done_with),
		cmocka_unit_test(is_never_loud),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
