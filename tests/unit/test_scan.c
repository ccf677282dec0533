/* test_scan.c - the random walk, sketches, the table of suspects, and the watcher under a flood. */
#include <math.h>

#include "sensor/keep.h"
#include "sensor/limiter.h"
#include "sensor/scan.h"
#include "sensor/sketch.h"
#include "tests/unit/watch_kit.h"

#define SECOND INT64_C(1000000000)

extern const struct watcher scan_watcher;

enum { SCANNER = 0x0a090042, HMI = 0x0a0900fa, PLANT = 0x0a090100 };

/* --- the walk ----------------------------------------------------------------------------------
 */

static unsigned failures_until(double theta0, double theta1, double alpha, double beta)
{
	struct trw t = trw_of(theta0, theta1, alpha, beta);
	double walk = 0;
	unsigned n = 1;
	while (!trw_step(&t, &walk, true))
		n++;
	return n;
}

/* Jung et al.: with theta0 0.8, theta1 0.2, alpha 0.01, beta 0.99 four failures are enough: 4^4
 * > 99. */
static void walks_as_the_paper_says(void **state)
{
	(void)state;
	assert_int_equal(failures_until(0.8, 0.2, 0.01, 0.99), 4);
	assert_int_equal(failures_until(0.8, 0.2, 0.0001, 0.99), 7);
	assert_int_equal(failures_until(0.9, 0.1, 0.0001, 0.99), 5);
}

static void a_success_takes_back_a_failure(void **state)
{
	(void)state;
	struct trw t = trw_of(0.8, 0.2, 0.01, 0.99);
	double walk = 0;
	for (unsigned i = 0; i < 3; i++)
		assert_false(trw_step(&t, &walk, true));
	for (unsigned i = 0; i < 3; i++)
		assert_false(trw_step(&t, &walk, false));
	assert_true(fabs(walk) < 1e-9);
}

/* The paper stops at H0; here an old good name is worth three failures and a bit, no more. */
static void does_not_trust_for_ever(void **state)
{
	(void)state;
	struct trw t = trw_of(0.8, 0.2, 0.01, 0.99);
	double walk = 0;
	for (unsigned i = 0; i < 1000; i++)
		trw_step(&t, &walk, false);
	unsigned n = 1;
	while (!trw_step(&t, &walk, true))
		n++;
	assert_int_equal(n, 7);
}

/* Sources of theta0 are rarely called scanners, those of theta1 nearly always, within a few tens of
 * contacts. */
static void errs_as_often_as_it_may(void **state)
{
	(void)state;
	struct trw t = trw_of(0.8, 0.2, 0.001, 0.99);
	uint64_t dice = 1;
	unsigned called[2] = { 0 };
	for (unsigned round = 0; round < 20000; round++) {
		for (unsigned scanner = 0; scanner < 2; scanner++) {
			double walk = 0;
			for (unsigned i = 0; i < 40; i++) {
				dice = key_end(dice + 1);
				bool fails = dice % 100 < (scanner ? 80 : 20);
				if (trw_step(&t, &walk, fails)) {
					called[scanner]++;
					break;
				}
			}
		}
	}
	assert_true(called[0] < 20000 / 100); /* 40 contacts, each may begin a run */
	assert_true(called[1] > 20000 * 98 / 100);
}

/* --- sketches and the table ----------------------------------------------------------------------
 */

static void sketches_err_by_a_few_per_cent(void **state)
{
	(void)state;
	static const unsigned many[] = { 1, 5, 15, 100, 500, 1500, 3000 };
	for (unsigned i = 0; i < sizeof many / sizeof many[0]; i++) {
		uint64_t bits[SCAN_WORDS] = { 0 };
		for (unsigned rounds = 0; rounds < 3; rounds++)
			for (uint64_t n = 0; n < many[i]; n++)
				sketch_add(bits, SCAN_WORDS, key_end(n + 1));
		double got = sketch_count(bits, SCAN_WORDS);
		assert_true(fabs(got - many[i]) <= 1 + many[i] * 0.1);
	}
}

static void a_full_sketch_says_the_most_it_can(void **state)
{
	(void)state;
	uint64_t bits[SCAN_WORDS];
	memset(bits, 0xff, sizeof bits);
	assert_int_equal(sketch_count(bits, SCAN_WORDS), 7098);
}

struct thing {
	struct keep_entry keep;
	uint64_t value;
};

static void a_flood_pushes_out_no_suspect(void **state)
{
	(void)state;
	bool fresh;
	struct keep *k = keep_new(256, sizeof(struct thing));
	for (uint64_t i = 1; i <= 20; i++) {
		struct thing *t = keep_take(k, key_end(i), &fresh);
		t->value = i;
		for (unsigned n = 0; n < 40; n++)
			keep_credit(&t->keep);
	}
	for (uint64_t i = 0; i < 256 * 30; i++)
		(void)keep_take(k, key_end(1000 + i), &fresh);
	assert_int_equal(keep_count(k), 256);
	assert_int_equal(keep_evicted(k), 256 * 30 - 236);
	for (uint64_t i = 1; i <= 20; i++) {
		struct thing *t = keep_find(k, key_end(i));
		assert_non_null(t);
		assert_int_equal(t->value, i);
	}
	keep_free(k);
}

static void finds_what_it_holds_and_nothing_else(void **state)
{
	(void)state;
	bool fresh;
	struct keep *k = keep_new(64, sizeof(struct thing));
	uint64_t dice = 7;
	for (unsigned i = 0; i < 100000; i++) {
		dice = key_end(dice + 1);
		uint64_t key = (dice % 300 + 1) << 6; /* all in one place */
		struct thing *found = keep_find(k, key);
		struct thing *t = keep_take(k, key, &fresh);
		assert_true(fresh == (found == NULL));
		assert_true(fresh ? t->value == 0 : t->value == key);
		t->value = key;
		if (dice >> 60 == 0)
			keep_credit(&t->keep);
	}
	assert_int_equal(keep_count(k), 64);
	keep_free(k);
}

/* --- the watcher ---------------------------------------------------------------------------------
 */

static void later(struct watch_kit *k, int64_t ns)
{
	k->now_ns += ns;
	scan_watcher.tick(k->self, kit_now(k));
}

static void counts_only_the_first_contact(void **state)
{
	(void)state;
	struct watch_kit *k = kit_of(&scan_watcher);
	kit_open(k);
	for (unsigned i = 0; i < 100; i++)
		kit_connect(k, HMI, PLANT + i % 3, 502, FLOW_REFUSED);
	assert_int_equal(k->count, 0);
	kit_close(k);
}

static void silence_is_failure_where_answers_are_seen(void **state)
{
	(void)state;
	for (unsigned seen = 0; seen < 2; seen++) {
		struct watch_kit *k = kit_of(&scan_watcher);
		kit_open(k);
		if (seen)
			kit_connect(k, HMI, PLANT, 502, FLOW_ANSWERED);
		for (unsigned i = 0; i < 10; i++)
			kit_connect(k, SCANNER, PLANT + 10 + i, 502, FLOW_STARTED);
		later(k, 3 * SECOND);
		assert_int_equal(k->count, 0);
		later(k, 2 * SECOND);
		assert_int_equal(kit_count(k, "horizontal", SCANNER), seen);
		kit_close(k);
	}
}

static void who_goes_on_to_speak_has_been_answered(void **state)
{
	(void)state;
	struct watch_kit *k = kit_of(&scan_watcher);
	kit_open(k);
	kit_connect(k, HMI, PLANT, 502, FLOW_ANSWERED);
	for (unsigned i = 0; i < 30; i++) {
		struct flow f = kit_connect(k, HMI, PLANT + 10 + i, 502, FLOW_STARTED);
		f.packets[0] = 3;
		scan_watcher.first_bytes(k->self, &f, 0, kit_now(k), rd_over(NULL, 0));
	}
	later(k, 10 * SECOND);
	assert_int_equal(k->count, 0);
	kit_close(k);
}

/* Controllers that are there answer; who only knocks at them is a scanner, unless it comes back. */
static void an_answer_that_is_not_made_use_of_is_none(void **state)
{
	(void)state;
	for (unsigned honest = 0; honest < 2; honest++) {
		struct watch_kit *k = kit_of(&scan_watcher);
		kit_open(k);
		for (unsigned i = 0; i < 12; i++) {
			struct flow f = kit_connect(k, SCANNER, PLANT + i, 502, FLOW_ANSWERED);
			f.packets[0] = 3;
			f.ended = true;
			if (honest) {
				struct flow g =
					kit_connect(k, SCANNER, PLANT + i, 502, FLOW_ANSWERED);
				g.packets[0] = 3;
				scan_watcher.first_bytes(
					k->self, &g, 0, kit_now(k), rd_over(NULL, 0));
			}
			later(k, 10 * SECOND);
			scan_watcher.flow(k->self, &f, FLOW_ENDED, 0, kit_now(k));
		}
		assert_int_equal(kit_count(k, "horizontal", SCANNER), !honest);
		kit_close(k);
	}
}

static void names_its_evidence(void **state)
{
	(void)state;
	struct watch_kit *k = kit_of(&scan_watcher);
	kit_open(k);
	for (unsigned i = 0; i < 7; i++)
		kit_connect(k, SCANNER, PLANT + i, 502, FLOW_REFUSED);
	assert_int_equal(kit_count(k, "horizontal", SCANNER), 1);
	for (unsigned i = 0; i < EVENT_FRAMES; i++) /* each contact is two frames */
		assert_int_equal(k->seen[0].before[i], 7 + 2 * i);
	kit_close(k);
}

/* A million sources that are not there send a SYN each, a thousand a second; a scanner tries one
 * host every 50 ms among them. Nothing grows, and it is found. */
static void finds_a_scanner_in_a_flood(void **state)
{
	(void)state;
	struct watch_kit *k = kit_of(&scan_watcher);
	kit_open(k);
	kit_connect(k, HMI, PLANT, 502, FLOW_ANSWERED);
	for (uint32_t i = 0; i < 1000000; i++) {
		k->now_ns += SECOND / 1000;
		kit_connect(k, 0x30000000 + i * 7, PLANT + 5, 80, FLOW_STARTED);
		if (i % 50 == 0 && i < 5000)
			kit_connect(k, SCANNER, PLANT + 1000 + i, 102, FLOW_STARTED);
		if (i % 1000 == 0)
			scan_watcher.tick(k->self, kit_now(k));
	}
	struct scan *s = k->self;
	assert_true(kit_count(k, "horizontal", SCANNER) >= 1);
	assert_int_equal(keep_count(s->sources), k->config.scan_sources);
	assert_true(k->counters.scan_evicted > 900000);
	assert_true(k->anomalies[ANOMALY_SCAN_FULL] > 0);
	kit_close(k);
}

/* Twenty times as fast as that. More wait for an answer than may, so they wait less. */
static void hurries_in_a_faster_flood(void **state)
{
	(void)state;
	struct watch_kit *k = kit_of(&scan_watcher);
	kit_open(k);
	kit_connect(k, HMI, PLANT, 502, FLOW_ANSWERED);
	for (uint32_t i = 0; i < 400000; i++) {
		k->now_ns += SECOND / 20000;
		kit_connect(k, 0x30000000 + i * 7, PLANT + 5, 80, FLOW_STARTED);
		if (i % 1000 == 0)
			kit_connect(k, SCANNER, PLANT + 1000 + i, 102, FLOW_STARTED);
	}
	later(k, 10 * SECOND);
	assert_true(k->counters.scan_hurried > 100000);
	assert_true(kit_count(k, "horizontal", SCANNER) >= 1);
	kit_close(k);
}

static void time_that_goes_back_fails_nobody(void **state)
{
	(void)state;
	struct watch_kit *k = kit_of(&scan_watcher);
	kit_open(k);
	kit_connect(k, HMI, PLANT, 502, FLOW_ANSWERED);
	for (unsigned i = 0; i < 30; i++)
		kit_connect(k, SCANNER, PLANT + 10 + i, 502, FLOW_STARTED);
	later(k, -3600 * SECOND);
	later(k, SECOND);
	assert_int_equal(kit_count(k, "horizontal", SCANNER), 0);
	kit_close(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walks_as_the_paper_says),
		cmocka_unit_test(a_success_takes_back_a_failure),
		cmocka_unit_test(does_not_trust_for_ever),
		cmocka_unit_test(errs_as_often_as_it_may),
		cmocka_unit_test(sketches_err_by_a_few_per_cent),
		cmocka_unit_test(a_full_sketch_says_the_most_it_can),
		cmocka_unit_test(a_flood_pushes_out_no_suspect),
		cmocka_unit_test(finds_what_it_holds_and_nothing_else),
		cmocka_unit_test(counts_only_the_first_contact),
		cmocka_unit_test(silence_is_failure_where_answers_are_seen),
		cmocka_unit_test(who_goes_on_to_speak_has_been_answered),
		cmocka_unit_test(an_answer_that_is_not_made_use_of_is_none),
		cmocka_unit_test(names_its_evidence),
		cmocka_unit_test(finds_a_scanner_in_a_flood),
		cmocka_unit_test(hurries_in_a_faster_flood),
		cmocka_unit_test(time_that_goes_back_fails_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
