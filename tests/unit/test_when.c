/* test_when.c - points in time, zones with their clock changes, hours over midnight. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "sensor/when.h"

static int64_t at(const char *text)
{
	int64_t ns;
	if (!when_parse(text, &ns))
		fail_msg("not read: %s", text);
	return ns;
}

static void times_are_read_and_written(void **state)
{
	static const char *const wrong[] = { "", "2026", "2026-13-01", "2026-02-30", "2026-1-1",
		"2026-01-01T10:00", "2026-01-01T10:00:00", "2026-01-01T25:00Z",
		"2026-01-01T10:00Zx", "2026-01-01T10:00+8", "1969-12-31",
		"2026-01-01T10:00:00+08:00 " };
	char text[WHEN_TEXT];
	int64_t ns;
	(void)state;
	assert_true(at("1970-01-01") == 0);
	assert_true(at("2026-12-24T18:00:00+08:00") == at("2026-12-24T10:00Z"));
	assert_true(at("2026-12-24T09:30-00:30") == at("2026-12-24 10:00:00Z"));
	when_print(at("2024-02-29T23:59:58Z"), text);
	assert_string_equal(text, "2024-02-29T23:59:58Z");
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		if (when_parse(wrong[i], &ns))
			fail_msg("read: %s", wrong[i]);
}

static void zones_know_their_clock_changes(void **state)
{
	struct when_zone z;
	(void)state;
	assert_true(when_zone_load(&z, "+05:30"));
	assert_int_equal(when_zone_offset(&z, 0), 19800);
	when_zone_free(&z);
	assert_false(when_zone_load(&z, "Europe/Atlantis"));
	assert_false(when_zone_load(&z, "../../../etc/passwd"));
	assert_false(when_zone_load(&z, "+5"));
	setenv("TZ", "America/New_York", 1);
	if (!when_zone_load(&z, "Europe/Berlin"))
		skip();
	assert_string_equal(getenv("TZ"), "America/New_York");
	assert_int_equal(when_zone_offset(&z, at("2026-01-15") / 1000000000), 3600);
	assert_int_equal(when_zone_offset(&z, at("2026-03-29T00:59:59Z") / 1000000000), 3600);
	assert_int_equal(when_zone_offset(&z, at("2026-03-29T01:00:00Z") / 1000000000), 7200);
	assert_int_equal(when_zone_offset(&z, at("2026-10-25T01:00:00Z") / 1000000000), 3600);
	when_zone_free(&z);
}

static void hours_may_go_over_midnight(void **state)
{
	struct schedule s = { 0 };
	(void)state;
	assert_true(schedule_days("sat", &s.days) && schedule_days("Sunday", &s.days));
	assert_false(schedule_days("so", &s.days) || schedule_days("", &s.days));
	assert_true(schedule_hours("22:00-04:30", &s.from_min, &s.to_min));
	assert_true(when_zone_load(&s.zone, "+08:00"));
	assert_true(schedule_holds(&s, at("2026-11-28T22:00+08:00"))); /* a Saturday */
	assert_false(schedule_holds(&s, at("2026-11-28T21:59:59+08:00")));
	assert_false(schedule_holds(&s, at("2026-11-28T03:00+08:00")));
	assert_true(schedule_holds(&s, at("2026-11-30T04:29:59+08:00"))); /* of Sunday */
	assert_false(schedule_holds(&s, at("2026-11-30T04:30+08:00")));
	assert_false(schedule_holds(&s, at("2026-11-30T23:00+08:00")));
	assert_true(schedule_hours("08:00-24:00", &s.from_min, &s.to_min));
	assert_true(schedule_holds(&s, at("2026-11-29T23:59:59+08:00")));
	assert_false(schedule_holds(&s, at("2026-11-30T00:00+08:00")));
	uint16_t a, b;
	assert_false(schedule_hours("8:00-12:00", &a, &b) || schedule_hours("08:00", &a, &b) ||
		     schedule_hours("24:30-25:00", &a, &b) ||
		     schedule_hours("08:00-08:00", &a, &b));
	when_zone_free(&s.zone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read_and_written),
		cmocka_unit_test(zones_know_their_clock_changes),
		cmocka_unit_test(hours_may_go_over_midnight),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
