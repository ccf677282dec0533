/* test_roster.c - a bounded table that a flood cannot empty. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor/roster.h"

struct record {
	struct roster_entry entry;
	uint32_t key;
	uint32_t value;
};

static unsigned gone;

static void count_gone(void *ctx, void *record)
{
	(void)ctx;
	(void)record;
	gone++;
}

static struct roster *fresh(size_t max)
{
	const struct roster_options o = {
		.max = max, .record = sizeof(struct record), .key = 4, .gone = count_gone
	};
	gone = 0;
	return roster_new(&o);
}

static struct record *put(struct roster *r, uint32_t key, unsigned rank)
{
	bool is_fresh;
	struct record *record = roster_put(r, &key, rank, &is_fresh);
	if (record != NULL && is_fresh)
		assert_int_equal(record->value, 0);
	if (record != NULL)
		record->value = key;
	return record;
}

static bool has(const struct roster *r, uint32_t key)
{
	const struct record *found = roster_find(r, &key);
	return found != NULL && found->value == key;
}

static void finds_what_was_put(void **state)
{
	(void)state;
	struct roster *r = fresh(1000);
	for (uint32_t i = 0; i < 1000; i++)
		put(r, i * 7919, 0);
	for (uint32_t i = 0; i < 1000; i++)
		assert_true(has(r, i * 7919));
	assert_false(has(r, 1));
	assert_int_equal(roster_count(r), 1000);
	for (size_t i = 0; i < roster_places(r); i++)
		assert_int_equal(roster_place(r, roster_at(r, i)), i);
	assert_null(roster_at(r, 1000));
	roster_free(r);
}

static void a_flood_of_strangers_leaves_the_proven(void **state)
{
	(void)state;
	struct roster *r = fresh(16);
	for (uint32_t i = 0; i < 8; i++)
		put(r, i, 2);
	for (uint32_t i = 1000; i < 100000; i++)
		assert_non_null(put(r, i, 0));
	for (uint32_t i = 0; i < 8; i++)
		assert_true(has(r, i));
	assert_true(has(r, 99999));
	assert_int_equal(roster_count(r), 16);
	assert_int_equal(roster_evicted(r), 99000 - 8);
	assert_int_equal(gone, 99000 - 8);
	roster_free(r);
}

static void equals_above_rank_0_do_not_give_way(void **state)
{
	(void)state;
	struct roster *r = fresh(4);
	for (uint32_t i = 0; i < 4; i++)
		put(r, i, 1);
	assert_null(put(r, 9, 1));
	assert_null(put(r, 10, 0));
	assert_int_equal(roster_refused(r), 2);
	assert_non_null(put(r, 11, 2));
	assert_false(has(r, 0));
	assert_true(has(r, 11) && has(r, 1) && has(r, 3));
	roster_free(r);
}

static void who_rested_longest_goes_first(void **state)
{
	(void)state;
	struct roster *r = fresh(3);
	for (uint32_t i = 1; i <= 3; i++)
		put(r, i, 0);
	put(r, 1, 0);
	put(r, 4, 0);
	assert_true(has(r, 1) && has(r, 3) && has(r, 4));
	assert_false(has(r, 2));
	put(r, 3, 1); /* proven since */
	for (uint32_t i = 10; i < 20; i++)
		put(r, i, 0);
	assert_true(has(r, 3));
	roster_touch(r, put(r, 3, 0), 0);
	for (uint32_t i = 30; i < 40; i++)
		put(r, i, 0);
	assert_true(has(r, 3)); /* a rank is never lost */
	roster_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_what_was_put),
		cmocka_unit_test(a_flood_of_strangers_leaves_the_proven),
		cmocka_unit_test(equals_above_rank_0_do_not_give_way),
		cmocka_unit_test(who_rested_longest_goes_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
