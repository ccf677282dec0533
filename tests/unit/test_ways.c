/* test_ways.c - one direction alone is told of, and skipping what is settled changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor/ways.h"

enum { LEAST = 20 };
#define SECOND INT64_C(1000000000)
#define T0     (INT64_C(1700000000) * SECOND)

struct kit {
	struct ways ways;
	struct counters counters;
	unsigned told;
	const char *detail;
};

static bool say(struct kit *k, unsigned from, int64_t at_ns)
{
	static const struct dissector plant = { .name = "t" };
	static const struct flow f = { .l4 = L4_TCP };
	struct pdu p;
	struct event e;
	struct anomaly a;
	pdu_init(&p);
	p.dissector = &plant;
	p.tx = from == 0 ? TX_REQUEST : TX_REPLY;
	event_begin(&e, &f, from, (struct stamp){ .ts_ns = at_ns, .frame = 1 }, &p);
	bool told = ways_watch(&k->ways, &k->counters, LEAST, &e, &a);
	k->told += told;
	if (told)
		k->detail = a.detail;
	return told;
}

static void a_missing_direction_is_told_of_once(void **state)
{
	(void)state;
	struct kit k = { 0 };
	for (unsigned i = 0; i < 50; i++)
		say(&k, 1, T0 + i * SECOND / 10);
	assert_int_equal(k.told, 1);
	assert_string_equal(k.detail, "no requests are seen");
	for (unsigned i = 0; i < 10; i++) /* it is there again: then it may be told of anew */
		say(&k, i % 2, T0 + (6 + i) * SECOND);
	for (unsigned i = 0; i < 50; i++)
		say(&k, 0, T0 + (100 + i) * SECOND);
	assert_int_equal(k.told, 2);
	assert_string_equal(k.detail, "no replies are seen");
}

/* As it would be if each message were counted. */
struct counted {
	int64_t since_ns;
	unsigned pdus[2];
	bool told;
};

static bool count(struct counted *c, unsigned from, int64_t at_ns)
{
	if (at_ns - c->since_ns > 60 * SECOND)
		*c = (struct counted){ .since_ns = at_ns, .told = c->told };
	c->pdus[from]++;
	bool both = c->pdus[0] > 0 && c->pdus[1] > 0, was = c->told;
	c->told = !both && (was || c->pdus[0] + c->pdus[1] >= LEAST);
	return c->told && !was;
}

static void what_is_skipped_would_tell_nothing(void **state)
{
	(void)state;
	struct kit k = { 0 };
	struct counted c = { 0 };
	uint64_t r = 1;
	int64_t at = T0;
	for (unsigned i = 0; i < 200000; i++) {
		r = r * UINT64_C(6364136223846793005) + 1442695040888963407;
		unsigned mode = i / 300 % 3; /* both, or one alone for a while */
		unsigned from = mode == 2 ? r >> 40 & 1 : mode;
		at += (int64_t)(r >> 33) % (2 * SECOND);
		if ((r >> 20) % 499 == 0)
			at -= 90 * SECOND; /* captures of several interfaces step back */
		assert_int_equal(say(&k, from, at), count(&c, from, at));
	}
	assert_true(k.told > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_missing_direction_is_told_of_once),
		cmocka_unit_test(what_is_skipped_would_tell_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
