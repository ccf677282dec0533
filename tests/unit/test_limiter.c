/* test_limiter.c - doubling, and a full table. */
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
	uint64_t sum;
	for (uint64_t i = 1; i < 100000; i++)
		assert_true(limiter_doubling(l, spread(i), (int64_t)i, 1, &sum));
	limiter_free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(doubling_tells_1_2_4_8_and_loses_no_count),
		cmocka_unit_test(a_flood_of_keys_stays_bounded_and_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
