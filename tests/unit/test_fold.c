/* test_fold.c - repeats are counted into the alert that is open, and every one is told of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>

#include "dissectors/modbus.h"
#include "sensor/counters.h"
#include "sensor/fold.h"
#include "tests/unit/wire.h"

#define S INT64_C(1000000000)

enum { ENTRIES = 16 };

static struct tell tell;
static struct counters counters;
static struct rule rule;
static struct flow flow;
static struct pdu pdu;
static struct wire wire;
static struct fold *fold;

/* Stands in for the rule engine. */
void rule_matched(
	const struct rule *r, const struct event *e, int32_t item, rule_field_fn *put, void *ctx)
{
	(void)r;
	(void)e;
	(void)item;
	(void)put;
	(void)ctx;
}

static void fold_of(size_t bytes)
{
	const struct fold_options o = { .tell = &tell,
		.counters = &counters,
		.every = true,
		.entries = ENTRIES,
		.bytes = bytes,
		.close_ns = 300 * S,
		.remind_ns = 3600 * S };
	fold = fold_new(&o);
	assert_non_null(fold);
}

static int before_each(void **state)
{
	static uint64_t slot[4096];
	static struct pool pool = { .cap = 1 << 20 };
	(void)state;
	memset(slot, 0, sizeof slot);
	memset(&tell, 0, sizeof tell);
	counters = (struct counters){ 0 };
	tell.events = EVENT_ALERT;
	tell.counters = &counters;
	rule = (struct rule){ .sid = 1000001, .gid = 1, .rev = 1, .id = "id", .title = "title" };
	flow = (struct flow){ .l4 = L4_TCP, .id = 7, .dissector = &modbus_dissector };
	wire = wire_hex("002a 0000 0006 11 06 0064 0001");
	struct reader in = rd_over(wire.bytes, wire.len);
	struct dissect d = { .dir = DIR_TO_SERVER, .l4 = L4_TCP, .state = slot, .pool = &pool };
	pdu_init(&pdu);
	assert_int_equal(modbus_dissector.dissect(&in, &d, &pdu), DISSECT_OK);
	fold_of(1 << 20);
	return 0;
}

static int after_each(void **state)
{
	(void)state;
	fold_free(fold);
	free(wire.bytes);
	return 0;
}

/* One occurrence, sent by the station 10.0.0.@station. */
static struct event event_of(int64_t at_s, uint8_t station, enum outcome_of verdict)
{
	flow.end[0].ip =
		(struct addr){ .bytes = { [10] = 0xff, 0xff, 10, 0, 0, station }, .family = 4 };
	return (struct event){ .at = { at_s * S, (uint64_t)at_s },
		.flow = &flow,
		.pdu = &pdu,
		.verdict = { .outcome = verdict, .latency_ns = -1 } };
}

static uint64_t occurs(int64_t at_s, uint8_t station, enum outcome_of verdict)
{
	const struct hit hit = { .rule = &rule, .item = -1 };
	const struct event e = event_of(at_s, station, verdict);
	const struct occurrence o = { .hit = &hit, .event = &e };
	fold_tick(fold, at_s * S);
	return fold_alert(fold, &o);
}

/* A number of bongsu{} in the last event. */
static json_int_t last(const char *name)
{
	json_t *json = json_loads(tell.line, JSON_DISABLE_EOF_CHECK, NULL);
	assert_non_null(json);
	json_int_t v = json_integer_value(json_object_get(json_object_get(json, "bongsu"), name));
	json_decref(json);
	return v;
}

/* Of what only looks the repeats are counted before their verdict, and none is lost. */
static void looks_that_repeat_do_not_wait(void **state)
{
	(void)state;
	const struct hit hit = { .rule = &rule, .item = -1 };
	struct event asked = event_of(1, 1, VERDICT_PENDING);
	rule.suppress_seconds = 100;
	rule.suppress_by = BY_SRC;
	assert_false(fold_repeat(fold, &hit, &asked)); /* nothing is open */
	assert_int_equal(occurs(1, 1, VERDICT_ACCEPTED), 1);
	assert_false(fold_repeat(fold, &hit, &asked)); /* no message for the close yet */
	assert_int_equal(occurs(2, 1, VERDICT_REJECTED), 0);
	for (int64_t i = 3; i <= 50; i++) {
		asked = event_of(i, 1, VERDICT_PENDING);
		assert_true(fold_repeat(fold, &hit, &asked));
	}
	asked = event_of(51, 2, VERDICT_PENDING); /* another station */
	assert_false(fold_repeat(fold, &hit, &asked));
	asked = event_of(102, 1, VERDICT_PENDING); /* the time of suppress is over: news */
	assert_false(fold_repeat(fold, &hit, &asked));
	assert_int_equal(occurs(102, 1, VERDICT_ACCEPTED), 2);
	assert_int_equal(last("count"), 50);
	assert_int_equal(last("total"), 51);
	assert_int_equal(counters.suppressed, 49);
	/* A command waits for what becomes of it. */
	rule.changes_state = true;
	assert_int_equal(occurs(103, 1, VERDICT_ACCEPTED), 0);
	asked = event_of(104, 1, VERDICT_PENDING);
	assert_false(fold_repeat(fold, &hit, &asked));
}

static bool repeats(int64_t at_s, uint8_t station, uint64_t print)
{
	const struct hit hit = { .rule = &rule, .item = -1 };
	struct event e = event_of(at_s, station, VERDICT_PENDING);
	e.print = print;
	return fold_repeat(fold, &hit, &e);
}

/* By its print it finds the alert at once, as long as that is open and the rule asks the same. */
static void what_comes_again_finds_its_alert(void **state)
{
	(void)state;
	rule.suppress_seconds = 10;
	rule.suppress_by = BY_SRC;
	occurs(1, 1, VERDICT_ACCEPTED);
	occurs(2, 1, VERDICT_ACCEPTED);
	assert_true(repeats(3, 1, 7));
	assert_true(repeats(4, 1, 7));
	assert_false(repeats(5, 2, 8));
	fold_tick(fold, 2000 * S); /* closed, and its place is taken */
	occurs(2000, 2, VERDICT_ACCEPTED);
	occurs(2001, 2, VERDICT_ACCEPTED);
	assert_false(repeats(2002, 1, 7));
	assert_true(repeats(2002, 2, 8));
	rule.sid++;
	assert_false(repeats(2003, 2, 8));
	rule.sid--;
	assert_true(repeats(2004, 2, 8));
	fold_flush(fold); /* and the new rule goes by something else */
	rule.suppress_by = BY_DST;
	assert_false(repeats(2005, 2, 8));
	assert_int_equal(counters.suppressed, 6);
}

static void told_at_1_2_4_8_and_at_the_close(void **state)
{
	(void)state;
	uint64_t told = 0;
	for (int64_t i = 1; i <= 11; i++)
		told += occurs(i, 1, VERDICT_ACCEPTED) != 0;
	assert_int_equal(told, 4);
	assert_int_equal(last("count"), 4); /* 5 to 8 */
	assert_int_equal(last("total"), 8);
	assert_int_equal(last("open"), 1);
	fold_tick(fold, 310 * S);
	assert_int_equal(tell.n, 4);
	fold_tick(fold, 311 * S);
	assert_int_equal(tell.n, 5);
	assert_int_equal(last("count"), 3); /* 9 to 11 */
	assert_int_equal(last("total"), 11);
	assert_int_equal(last("ts_ns"), 11 * S);
	assert_int_equal(counters.suppressed, 7);
	/* closed: the next one opens anew */
	assert_int_equal(occurs(312, 1, VERDICT_ACCEPTED), 6);
	assert_int_equal(last("open"), 0);
	fold_tick(fold, 1000 * S);
	assert_int_equal(tell.n, 6); /* nothing was held */
	assert_true(fold_next_ns(fold) == INT64_MAX);
}

static void another_verdict_is_another_alert(void **state)
{
	(void)state;
	for (int64_t i = 1; i <= 3; i++)
		occurs(i, 1, VERDICT_REJECTED);
	assert_int_equal(tell.n, 2);
	assert_int_equal(occurs(4, 1, VERDICT_ACCEPTED), 3);
	assert_int_equal(last("total"), 1);
	assert_int_equal(occurs(5, 2, VERDICT_REJECTED), 4); /* and another station */
	fold_flush(fold);
	assert_int_equal(tell.n, 5);
	assert_int_equal(last("total"), 3);
	fold_flush(fold);
	assert_int_equal(tell.n, 5);
}

static void told_before_its_verdict_it_stays_open_under_it(void **state)
{
	(void)state;
	const struct hit hit = { .rule = &rule, .item = -1 };
	struct event e = event_of(1, 1, VERDICT_PENDING);
	assert_false(fold_is_open(fold, &hit, &e));
	assert_int_equal(occurs(1, 1, VERDICT_PENDING), 1);
	assert_true(fold_is_open(fold, &hit, &e));
	e.verdict.outcome = VERDICT_ACCEPTED;
	fold_settled(fold, &hit, &e, 1);
	assert_int_equal(occurs(2, 1, VERDICT_ACCEPTED), 2);
	assert_int_equal(last("open"), 1);
	e = event_of(303, 1, VERDICT_PENDING);
	assert_false(fold_is_open(fold, &hit, &e));
}

static void suppress_takes_its_own_time(void **state)
{
	(void)state;
	rule.suppress_seconds = 1000;
	rule.suppress_by = BY_DST;
	assert_int_equal(occurs(1, 1, VERDICT_ACCEPTED), 1);
	assert_int_equal(occurs(2, 2, VERDICT_ACCEPTED), 0);
	assert_int_equal(occurs(900, 3, VERDICT_ACCEPTED), 0);
	assert_int_equal(occurs(1001, 3, VERDICT_ACCEPTED), 2);
	assert_int_equal(last("count"), 3);
	assert_int_equal(occurs(1002, 3, VERDICT_ACCEPTED), 0);
	fold_tick(fold, 2000 * S);
	assert_int_equal(tell.n, 2);
	fold_tick(fold, 2001 * S);
	assert_int_equal(tell.n, 3);
	assert_int_equal(last("total"), 5);
}

static void an_alert_that_goes_on_is_told_of_every_hour(void **state)
{
	(void)state;
	for (int64_t s = 1; s < 2048; s++)
		occurs(s, 1, VERDICT_ACCEPTED);
	uint64_t n = tell.n;
	for (int64_t s = 2048; s <= 1024 + 4 * 3600; s++)
		occurs(s, 1, VERDICT_ACCEPTED);
	assert_true(tell.n >= n + 4);
	assert_int_equal(last("open"), 1);
}

static void a_full_table_closes_early_and_tells_the_rest(void **state)
{
	(void)state;
	for (int64_t i = 1; i <= 3; i++)
		occurs(i, 0, VERDICT_ACCEPTED);
	for (uint8_t station = 1; station <= ENTRIES; station++)
		occurs(10, station, VERDICT_ACCEPTED);
	assert_int_equal(fold_evicted(fold), 1);
	assert_int_equal(tell.n, 2 + ENTRIES + 1);
	for (unsigned i = 0; i < 3 * ENTRIES; i++)
		occurs(11 + i / ENTRIES, (uint8_t)(100 + i), VERDICT_ACCEPTED);
	assert_int_equal(tell.n, 2 + ENTRIES + 1 + 3 * ENTRIES);
}

static void what_cannot_be_kept_is_told(void **state)
{
	(void)state;
	fold_free(fold);
	fold_of(16);
	for (int64_t i = 1; i <= 7; i++)
		assert_int_equal(occurs(i, 1, VERDICT_ACCEPTED), i);
	assert_int_equal(last("count"), 1);
	assert_int_equal(last("total"), 7);
}

/* Told, not held until the clock has caught up. */
static void the_clock_is_set_back(void **state)
{
	(void)state;
	for (int64_t i = 5001; i <= 5003; i++)
		occurs(i, 1, VERDICT_ACCEPTED);
	assert_int_equal(occurs(1, 1, VERDICT_ACCEPTED), 4);
	assert_int_equal(last("total"), 1);
	assert_int_equal(counters.suppressed, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, before_each, after_each)
	const struct CMUnitTest tests[] = {
		TEST(looks_that_repeat_do_not_wait),
		TEST(what_comes_again_finds_its_alert),
		TEST(told_at_1_2_4_8_and_at_the_close),
		TEST(another_verdict_is_another_alert),
		TEST(told_before_its_verdict_it_stays_open_under_it),
		TEST(suppress_takes_its_own_time),
		TEST(an_alert_that_goes_on_is_told_of_every_hour),
		TEST(a_full_table_closes_early_and_tells_the_rest),
		TEST(what_cannot_be_kept_is_told),
		TEST(the_clock_is_set_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
