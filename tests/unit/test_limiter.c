/* test_limiter.c - holding back, doubling, and a full table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor/limiter.h"

static uint64_t spread(uint64_t i)
{
	return key_mix(7, i);
}

static void one_in_a_period_and_the_rest_is_counted(void **state)
{
	(void)state;
	struct limiter *l = limiter_new(64, 0);
	struct limited held;
	assert_true(limiter_every(l, spread(1), 1000, 100, &held));
	assert_int_equal(held.held, 0);
	assert_int_equal(held.total, 1);
	assert_int_equal(held.open, 0);
	limiter_opened(l, spread(1), 77);
	assert_false(limiter_every(l, spread(1), 1001, 100, &held));
	assert_false(limiter_every(l, spread(1), 1099, 100, &held));
	assert_true(limiter_every(l, spread(2), 1099, 100, &held));
	assert_true(limiter_every(l, spread(1), 1100, 100, &held));
	assert_int_equal(held.held, 2);
	assert_int_equal(held.total, 4);
	assert_int_equal(held.open, 77);
	assert_int_equal(held.first_ns, 1000);
	/* silent for a period: it is over, and the next one opens anew */
	assert_true(limiter_every(l, spread(1), 1300, 100, &held));
	assert_int_equal(held.total, 1);
	assert_int_equal(held.open, 0);
	/* the clock was set back by far: told, not kept back until it has caught up */
	assert_true(limiter_every(l, spread(1), 100, 100, &held));
	limiter_free(l);
}

static void doubling_tells_1_2_4_8_and_loses_no_count(void **state)
{
	(void)state;
	struct limiter *l = limiter_new(64, 0);
	uint64_t told = 0, total = 0, sum;
	for (unsigned i = 1; i <= 16; i++) {
		if (limiter_doubling(l, spread(1), i, 10, &sum)) {
			told++;
			total += sum;
		}
	}
	assert_int_equal(told, 5);
	assert_int_equal(total, 160);
	limiter_free(l);
}

static void a_flood_of_keys_stays_bounded_and_is_told(void **state)
{
	(void)state;
	struct limiter *l = limiter_new(64, 0);
	struct limited held;
	for (uint64_t i = 1; i < 100000; i++)
		assert_true(limiter_every(l, spread(i), (int64_t)i, 1000000, &held));
	limiter_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_in_a_period_and_the_rest_is_counted),
		cmocka_unit_test(doubling_tells_1_2_4_8_and_loses_no_count),
		cmocka_unit_test(a_flood_of_keys_stays_bounded_and_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
