/* test_correlate.c - each type of correlation on its own, at the edges of its window, chained, with
 * events that lack a field, beside a naive model, and flooded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/text_list.h"
#include "sensor/correlate.h"
#include "tests/unit/toy.h"

enum { FOUND = 8, MANY = 1000000 };

#define BASE(n)                                                                                    \
	"title: R" #n "\nid: 00000000-0000-4000-8000-00000000000" #n "\nname: r" #n                \
	"\nlogsource: {product: bongsu, service: toy}\ndetection:\n  a: {toy.code: " #n            \
	"}\n  condition: a\n---\n"
#define CHAIN(n, map)                                                                              \
	"title: C" #n "\nid: 10000000-0000-4000-8000-00000000000" #n "\nname: c" #n                \
	"\ncorrelation: " map "\nics: {sid: 90" #n "}\n---\n"

struct bench {
	struct rules *rules;
	struct rule_run *run;
	struct memory *memory;
	struct correlated found[FOUND];
	uint64_t frame;
};

static struct bench bench_over(const char *chains, size_t bytes)
{
	static char text[8192];
	struct text_list faults = { 0 };
	struct rule_source from = { .dissectors = toy_dissectors };
	snprintf(text, sizeof text, "%s%s", BASE(1) BASE(2) BASE(3), chains);
	struct bench b = { .rules = rules_parse(&from, "t.yaml", text, strlen(text), &faults) };
	for (size_t i = 0; i < faults.count; i++)
		print_message("%s\n", faults.text[i]);
	assert_non_null(b.rules);
	b.run = rule_run_new(b.rules);
	b.memory = memory_new(bytes, 0);
	assert_non_null(b.run);
	assert_non_null(b.memory);
	return b;
}

static void bench_end(struct bench *b)
{
	memory_free(b->memory);
	rule_run_free(b->run);
	rules_free(b->rules);
}

/* One event at so many milliseconds; how many correlations hold. */
static size_t put(struct bench *b, int64_t ms, const char *text)
{
	static struct toy_event t;
	struct hit hits[FOUND];
	size_t found = 0;
	toy_make(&t, text);
	t.e.at = (struct stamp){ .ts_ns = ms * 1000000, .frame = ++b->frame };
	size_t n = rules_match(b->run, &t.e, hits, FOUND);
	for (size_t i = 0; i < n; i++)
		found += correlate(b->memory, b->run, &hits[i], &t.e, t.e.at.ts_ns,
			b->found + found, FOUND - found);
	return found;
}

static void counts_within_the_window(void **state)
{
	(void)state;
	struct bench b = bench_over(CHAIN(1, "{type: event_count, rules: [r1], group-by: [src_ip], "
					     "timespan: 10s, condition: {gte: 3}}"),
		65536);
	assert_int_equal(put(&b, 0, "code=1 src=10.0.0.1"), 0);
	assert_int_equal(put(&b, 1, "code=1 src=10.0.0.2"), 0);
	assert_int_equal(put(&b, 5000, "code=1 src=10.0.0.1"), 0);
	assert_int_equal(put(&b, 10000, "code=1 src=10.0.0.1"), 1); /* the edge is inside */
	assert_int_equal(b.found[0].chain.count, 3);
	assert_int_equal(b.found[0].chain.first_ns, 0);
	assert_int_equal(b.found[0].chain.frames, 3);
	assert_int_equal(b.found[0].chain.frame[1], 3);
	assert_int_equal(put(&b, 10001, "code=1 src=10.0.0.1"), 0); /* all begins anew */
	assert_int_equal(put(&b, 20001, "code=1 src=10.0.0.1"), 0);
	assert_int_equal(put(&b, 20002, "code=1 src=10.0.0.1"), 0); /* the first has left */
	assert_int_equal(put(&b, 20003, "code=1 src=10.0.0.1"), 1);
	bench_end(&b);
}

static void counts_values_once(void **state)
{
	(void)state;
	struct bench b = bench_over(CHAIN(1, "{type: value_count, rules: [r1], timespan: 10s, "
					     "condition: {field: toy.number, gt: 2, lte: 9}}"),
		65536);
	assert_int_equal(put(&b, 0, "code=1 number=1"), 0);
	assert_int_equal(put(&b, 1, "code=1 number=2"), 0);
	assert_int_equal(put(&b, 2, "code=1 number=2"), 0);
	assert_int_equal(put(&b, 3, "code=1"), 0); /* no value */
	assert_int_equal(put(&b, 9000, "code=1 number=1"), 0);
	assert_int_equal(put(&b, 11000, "code=1 number=3"), 0); /* 2 has left, 1 came again */
	assert_int_equal(put(&b, 11001, "code=1 number=4"), 1);
	assert_int_equal(b.found[0].chain.count, 3);
	bench_end(&b);
}

static void all_rules_in_any_order(void **state)
{
	(void)state;
	struct bench b = bench_over(
		CHAIN(1,
			"{type: temporal, rules: [r1, r2], group-by: [toy.number], timespan: 10s}"),
		65536);
	assert_int_equal(put(&b, 0, "code=2 number=7"), 0);
	assert_int_equal(put(&b, 1, "code=2 number=7"), 0);
	assert_int_equal(put(&b, 2, "code=1 number=8"), 0);
	assert_int_equal(put(&b, 3, "code=1"), 0); /* lacks what is grouped by */
	assert_int_equal(put(&b, 10001, "code=1 number=7"), 1);
	assert_int_equal(put(&b, 20000, "code=2 number=7"), 0);
	assert_int_equal(put(&b, 30001, "code=1 number=7"), 0);
	bench_end(&b);
}

static void all_rules_one_after_the_other(void **state)
{
	(void)state;
	struct bench b = bench_over(
		CHAIN(1, "{type: temporal_ordered, rules: [r1, r2, r3], timespan: 10s}"), 65536);
	assert_int_equal(put(&b, 0, "code=3"), 0);
	assert_int_equal(put(&b, 1, "code=2"), 0);
	assert_int_equal(put(&b, 2, "code=1"), 0);
	assert_int_equal(put(&b, 3, "code=3"), 0);
	assert_int_equal(put(&b, 4, "code=2"), 0);
	assert_int_equal(put(&b, 5, "code=1"), 0);     /* a later start, without its second yet */
	assert_int_equal(put(&b, 10003, "code=3"), 0); /* 2 … 10003 is too long */
	assert_int_equal(put(&b, 10004, "code=2"), 0);
	assert_int_equal(put(&b, 10005, "code=3"), 1); /* 5 … 10005 is not */
	assert_int_equal(b.found[0].chain.first_ns, 5000000);
	assert_int_equal(b.found[0].chain.frames, 3);
	assert_int_equal(b.found[0].chain.frame[0], 6);
	assert_int_equal(b.found[0].chain.frame[1], 8);
	bench_end(&b);
}

static void sums_averages_and_percentiles(void **state)
{
	(void)state;
	struct bench b = bench_over(
		CHAIN(1, "{type: value_sum, rules: [r1], timespan: 10s, condition: {field: "
			 "toy.signed, gt: 10}}")
			CHAIN(2, "{type: value_avg, rules: [r2], timespan: 10s, condition: {field: "
				 "toy.real, "
				 "lt: 1}}")
				CHAIN(3, "{type: value_percentile, rules: [r3], timespan: 10s, "
					 "condition: {field: toy.number, percentile: 90, eq: 9}}"),
		65536);
	assert_int_equal(put(&b, 0, "code=1 signed=-5"), 0);
	assert_int_equal(put(&b, 1, "code=1 signed=15"), 0);
	assert_int_equal(put(&b, 2, "code=1 signed=1"), 1);
	assert_true(b.found[0].chain.has_value && b.found[0].chain.value > 10.9);
	assert_int_equal(put(&b, 3, "code=2 real=4"), 0);
	assert_int_equal(put(&b, 4, "code=2 real=0.5"), 0);
	assert_int_equal(put(&b, 10004, "code=2 real=0.25"), 1);
	for (int i = 1; i < 10; i++) {
		char text[32];
		snprintf(text, sizeof text, "code=3 number=%d", i);
		assert_int_equal(put(&b, 20000 + i, text), i == 9);
	}
	bench_end(&b);
}

static void few_is_asked_after_a_whole_timespan(void **state)
{
	(void)state;
	struct bench b = bench_over(CHAIN(1, "{type: event_count, rules: [r1], timespan: 10s, "
					     "condition: {lt: 3}}"),
		65536);
	for (int i = 0; i <= 10; i++)
		assert_int_equal(put(&b, i * 1000, "code=1"), 0);
	assert_int_equal(put(&b, 19000, "code=1"), 0); /* 9 s, 10 s, and this */
	assert_int_equal(put(&b, 40000, "code=1"), 1);
	bench_end(&b);
}

static void correlations_chain_through_aliases(void **state)
{
	(void)state;
	struct bench b = bench_over(
		CHAIN(1, "{type: event_count, rules: [r1], group-by: [who], timespan: 10s, "
			 "condition: {gte: 2}, aliases: {who: {r1: dest_ip}}}")
			CHAIN(2, "{type: temporal_ordered, rules: [c1, r2], group-by: [bad], "
				 "timespan: 1m, aliases: {bad: {c1: who, r2: src_ip}}}"),
		65536);
	assert_int_equal(put(&b, 0, "code=1 src=10.0.0.1 dst=10.0.0.9"), 0);
	assert_int_equal(put(&b, 1, "code=2 src=10.0.0.9 dst=10.0.0.1"), 0);
	assert_int_equal(put(&b, 2, "code=1 src=10.0.0.1 dst=10.0.0.9"), 1);
	assert_int_equal(put(&b, 3, "code=2 src=10.0.0.8 dst=10.0.0.1"), 0);
	assert_int_equal(put(&b, 4, "code=2 src=10.0.0.9 dst=10.0.0.1"), 1);
	assert_int_equal(b.found[0].hit.rule->sid, 902);
	/* those that only feed are silent; the last is not */
	for (size_t i = 0; i < rules_count(b.rules); i++) {
		const struct rule *r = rules_at(b.rules, i);
		bool last = r->sid == 902, free_one = strcmp(r->title, "R3") == 0;
		assert_int_equal(r->silent, !last && !free_one);
	}
	bench_end(&b);
}

static void a_clock_set_back_begins_anew(void **state)
{
	(void)state;
	struct bench b = bench_over(CHAIN(1, "{type: event_count, rules: [r1], timespan: 10s, "
					     "condition: {gte: 3}}"),
		65536);
	put(&b, 50000, "code=1");
	assert_int_equal(put(&b, 49990, "code=1"), 0); /* another mirrored port */
	assert_int_equal(put(&b, 1000, "code=1"), 0);
	assert_int_equal(put(&b, 1001, "code=1"), 0);
	assert_int_equal(put(&b, 1002, "code=1"), 1);
	bench_end(&b);
}

/* The same by looking through all that ever was. */
enum { STEPS = 20000, GROUPS = 5, NUMBERS = 6 };
static struct past {
	int64_t ms;
	int code, group, number;
} past[STEPS];

static size_t naive(int last, int64_t since[2][GROUPS])
{
	const struct past *now = &past[last];
	int count = 0;
	bool seen[NUMBERS] = { false };
	size_t held = 0;
	for (int i = 0; i <= last; i++) {
		const struct past *p = &past[i];
		if (p->group != now->group || p->code != now->code || now->ms - p->ms > 1000)
			continue;
		if (now->code == 1 && i >= since[0][p->group])
			count++;
		if (now->code == 2 && i >= since[1][p->group])
			seen[p->number] = true;
	}
	for (int i = 0; i < NUMBERS; i++)
		count += now->code == 2 && seen[i];
	held = now->code < 3 && count >= 4;
	if (held)
		since[now->code - 1][now->group] = last + 1;
	return held;
}

static void random_events_as_a_naive_model(void **state)
{
	(void)state;
	uint64_t seed = 11;
	int64_t since[2][GROUPS] = { { 0 } };
	size_t held = 0;
	struct bench b = bench_over(
		CHAIN(1, "{type: event_count, rules: [r1], group-by: [toy.signed], timespan: 1s, "
			 "condition: {gte: 4}}") CHAIN(2,
			"{type: value_count, rules: [r2], group-by: [toy.signed], timespan: "
			"1s, condition: {field: toy.number, gte: 4}}"),
		1 << 20);
	for (int i = 0; i < STEPS / 5; i++) {
		char text[64];
		static const int codes[] = { 1, 2, 2, 3 };
		seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
		unsigned r = (unsigned)(seed >> 33);
		past[i] = (struct past){ .ms = (i > 0 ? past[i - 1].ms : 0) + r % 90,
			.code = codes[r / 97 % 4],
			.group = (int)(r / 401 % GROUPS),
			.number = (int)(r / 2011 % NUMBERS) };
		snprintf(text, sizeof text, "code=%d signed=%d number=%d", past[i].code,
			past[i].group, past[i].number);
		size_t wanted = naive(i, since);
		assert_int_equal(put(&b, past[i].ms, text), wanted);
		held += wanted;
	}
	assert_in_range(held, 50, STEPS);
	bench_end(&b);
}

/* Of two owners the one that floods forgets its own. */
static void a_flood_of_one_owner_leaves_the_others_alone(void **state)
{
	(void)state;
	enum { BYTES = 1 << 20, FEW = 500 };
	struct memory *m = memory_new(BYTES, 0);
	for (uint64_t i = 0; i < FEW + MANY; i++) {
		uint64_t owner = i < FEW ? 7 : 8;
		const uint64_t key[2] = { i * UINT64_C(0x9e3779b97f4a7c15),
			i * MEMORY_OWNERS + owner };
		struct memory_group *g = memory_group(m, key, 1000);
		assert_non_null(memory_add(m, g));
	}
	for (uint64_t i = 0; i < FEW; i++) {
		const uint64_t key[2] = { i * UINT64_C(0x9e3779b97f4a7c15), i * MEMORY_OWNERS + 7 };
		assert_int_equal(memory_group(m, key, 1000)->count, 1);
	}
	memory_free(m);
}

static void a_flood_of_groups_is_bounded_and_counted(void **state)
{
	(void)state;
	enum { BYTES = 1 << 20 };
	struct memory *m = memory_new(BYTES, 0);
	for (uint64_t i = 0; i < MANY; i++) {
		const uint64_t key[2] = { i * UINT64_C(0x9e3779b97f4a7c15), i * MEMORY_OWNERS };
		struct memory_group *g = memory_group(m, key, 1000);
		g->expires_ns = 2000;
		assert_non_null(memory_add(m, g));
	}
	assert_in_range(memory_groups(m), BYTES / 160, BYTES / 128);
	assert_int_equal(memory_groups(m) + memory_evicted(m), MANY);
	/* what has expired is no loss */
	uint64_t before = memory_evicted(m);
	const uint64_t key[2] = { 1, MANY * MEMORY_OWNERS };
	struct memory_group *g = memory_group(m, key, 3000);
	g->now_ns = 3000;
	assert_int_equal(memory_evicted(m), before);
	/* one group may take all there is, and no more */
	size_t notes = 0;
	while (memory_add(m, g) != NULL)
		notes++;
	assert_int_equal(memory_groups(m), 1);
	assert_in_range(notes, BYTES / 80, BYTES / 64);
	memory_clear(m, g);
	assert_null(memory_first(m, g));
	memory_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_within_the_window),
		cmocka_unit_test(counts_values_once),
		cmocka_unit_test(all_rules_in_any_order),
		cmocka_unit_test(all_rules_one_after_the_other),
		cmocka_unit_test(sums_averages_and_percentiles),
		cmocka_unit_test(few_is_asked_after_a_whole_timespan),
		cmocka_unit_test(correlations_chain_through_aliases),
		cmocka_unit_test(a_clock_set_back_begins_anew),
		cmocka_unit_test(random_events_as_a_naive_model),
		cmocka_unit_test(a_flood_of_one_owner_leaves_the_others_alone),
		cmocka_unit_test(a_flood_of_groups_is_bounded_and_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
