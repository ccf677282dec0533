/* test_quiet.c - who is meant by silences and windows, whatever way they are filed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "dissectors/modbus.h"
#include "sensor/quiet.h"

#define S INT64_C(1000000000)

static struct quiet quiet;
static struct site site;
static struct rule rule;
static struct flow flow;
static struct pdu pdu;
static struct hit hit = { .rule = &rule };

static int before_each(void **state)
{
	(void)state;
	rule = (struct rule){ .sid = 1000001,
		.id = "5f0f9d6e-52c8-4a37-9d3f-6f3d2f6f5a41",
		.verb = "stop",
		.level = LEVEL_HIGH };
	pdu_init(&pdu);
	pdu.dissector = &modbus_dissector;
	flow = (struct flow){ .client = 0, .dissector = &modbus_dissector };
	return 0;
}

static int after_each(void **state)
{
	(void)state;
	quiet_free(&quiet);
	site_free(&site);
	return 0;
}

/* A configuration's silences: or maintenance:, and names:. */
static size_t read_config(const char *text)
{
	struct text_list faults = { 0 };
	struct yaml_file *file = yaml_parse("t", text, strlen(text), &faults);
	const struct yaml *map = file->document[0], *part;
	if ((part = yaml_get(map, "names")) != NULL)
		site_names(&site, "t", part, &faults);
	site_ready(&site, &faults);
	if ((part = yaml_get(map, "silences")) != NULL)
		quiet_silences(&quiet, "t", part, false, &faults);
	if ((part = yaml_get(map, "maintenance")) != NULL)
		quiet_windows(&quiet, "t", part, false, &faults);
	quiet_ready(&quiet, &site, "t", &faults);
	size_t count = faults.count;
	yaml_file_free(file);
	text_list_free(&faults);
	return count;
}

static void set_addr(struct endpoint *end, const char *text)
{
	uint8_t bits;
	assert_true(site_prefix_parse(text, end->ip.bytes, &bits));
}

static struct event event_of(const char *src, const char *dst, int64_t at_s)
{
	set_addr(&flow.end[0], src);
	set_addr(&flow.end[1], dst);
	return (struct event){ .at = { at_s * S, 1 }, .flow = &flow, .pdu = &pdu };
}

static bool tells(const char *src, const char *dst)
{
	const struct event e = event_of(src, dst, 1000);
	return quiet_tells(&quiet, &hit, &e);
}

static void it_holds_wherever_it_is_filed(void **state)
{
	static const char *const same[] = { "rule: 5f0f9d6e-52c8-4a37-9d3f-6f3d2f6f5a41",
		"sid: 1000001", "dst: 10.0.0.2", "src: 10.0.0.1", "src: 10.0.0.0/31", "verb: stop",
		"service: modbus", "level: high", "dst: [10.0.0.2, 10.0.0.3]",
		"dst: pump, src: [hmi, 'fe80::/10']", "sid: 1000001, dst: pump" };
	static const char *const other[] = { "rule: 5f0f9d6e-52c8-4a37-9d3f-6f3d2f6f5a42",
		"sid: 1000002", "dst: 10.0.0.1", "src: 10.0.0.2", "src: 10.0.0.2/31", "verb: start",
		"service: dnp3", "level: medium", "dst: [10.0.0.1, 10.0.0.3]", "unit: 1",
		"sid: 1000001, src: pump" };
	char text[512];
	(void)state;
	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
		for (unsigned k = 0; k < 2; k++) {
			snprintf(text, sizeof text,
				"names: {10.0.0.2: pump, 10.0.0.1: hmi}\n"
				"silences: [{%s, until: 2026-01-01, reason: x}]\n",
				k == 0 ? same[i] : other[i]);
			assert_int_equal(read_config(text), 0);
			if (tells("10.0.0.1", "10.0.0.2") != k)
				fail_msg("%s", text);
			quiet_free(&quiet);
			site_free(&site);
		}
	}
}

static void a_critical_rule_wants_its_name(void **state)
{
	(void)state;
	rule.level = LEVEL_CRITICAL;
	assert_int_equal(
		read_config("silences:\n"
			    "- {dst: 10.0.0.2, level: critical, until: 2026-01-01, reason: x}\n"
			    "- {verb: stop, until: 2026-01-01, reason: x}\n"),
		0);
	assert_true(tells("10.0.0.1", "10.0.0.2"));
	assert_int_equal(
		read_config("silences: [{sid: 1000001, until: 2026-01-01, reason: x}]"), 0);
	assert_false(tells("10.0.0.1", "10.0.0.2"));
}

static void it_ends_to_the_second_and_counts(void **state)
{
	(void)state;
	assert_int_equal(read_config("silences: [{verb: stop, until: '1970-01-01T00:20:00Z', "
				     "reason: x}]"),
		0);
	struct event e = event_of("10.0.0.1", "10.0.0.2", 1199);
	assert_false(quiet_tells(&quiet, &hit, &e));
	e.at.ts_ns = 1200 * S;
	assert_true(quiet_tells(&quiet, &hit, &e));
	assert_int_equal(quiet.silence[0].hits, 1);
}

/* It must not become a silence of everybody. */
static void who_is_not_known_is_nobody(void **state)
{
	(void)state;
	assert_int_equal(read_config("silences: [{verb: stop, dst: boiler, until: 2026-01-01, "
				     "reason: x}]"),
		1);
	assert_true(tells("10.0.0.1", "10.0.0.2"));
}

static void many_are_filed_apart(void **state)
{
	struct text_list faults = { 0 };
	char *text = malloc(SILENCES_MAX * 100);
	size_t len = (size_t)sprintf(text, "silences:\n");
	(void)state;
	for (unsigned i = 0; i < SILENCES_MAX; i++)
		len += (size_t)sprintf(text + len,
			"- {dst: 10.1.%u.%u, until: 2026-01-01, reason: x}\n", i / 256, i % 256);
	assert_int_equal(read_config(text), 0);
	assert_true(tells("10.0.0.1", "10.0.0.2"));
	assert_false(tells("10.0.0.1", "10.1.3.255"));
	unsigned longest = 0;
	for (unsigned b = 0; b <= QUIET_BUCKETS; b++) {
		unsigned n = 0;
		for (uint32_t i = quiet.bucket[b]; i != 0; i = quiet.silence[i - 1].next)
			n++;
		longest = n > longest ? n : longest;
	}
	assert_true(longest < 32);
	assert_int_equal(read_config("silences: [{verb: stop, until: 2026-01-01, reason: x}]"), 1);
	text_list_free(&faults);
	free(text);
}

static void a_window_is_for_a_station_whoever_speaks(void **state)
{
	(void)state;
	assert_int_equal(read_config("maintenance:\n"
				     "- {name: a, until: '1970-01-01T00:20:00Z', who: 10.0.0.1, "
				     "devices: 10.0.0.2, verbs: [stop], reason: x}\n"),
		0);
	struct event e = event_of("10.0.0.1", "10.0.0.2", 1000);
	assert_non_null(quiet_window_of(&quiet, &hit, &e));
	e.from = 1; /* the device's reply to it */
	assert_non_null(quiet_window_of(&quiet, &hit, &e));
	rule.verb = "start";
	assert_null(quiet_window_of(&quiet, &hit, &e));
	rule.verb = NULL;
	assert_null(quiet_window_of(&quiet, &hit, &e));
	rule.verb = "stop";
	e.at.ts_ns = 1200 * S;
	assert_null(quiet_window_of(&quiet, &hit, &e));
	e = event_of("10.0.0.2", "10.0.0.1", 1000);
	assert_null(quiet_window_of(&quiet, &hit, &e));
	hit.window = quiet.window[0];
	assert_int_equal(hit_level(&hit), LEVEL_LOW);
	rule.level = LEVEL_INFORMATIONAL; /* never raised */
	assert_int_equal(hit_level(&hit), LEVEL_INFORMATIONAL);
	hit.window = NULL;
}

struct steps {
	unsigned expired, began, ended;
};

static void count(void *ctx, enum quiet_step step, const struct silence *s, const struct window *w)
{
	struct steps *n = ctx;
	assert_true((s != NULL) != (w != NULL));
	n->expired += step == SILENCE_EXPIRED;
	n->began += step == WINDOW_BEGAN;
	n->ended += step == WINDOW_ENDED;
}

static void steps_are_told_once(void **state)
{
	struct steps n = { 0 };
	(void)state;
	assert_int_equal(read_config("silences: [{verb: stop, until: '1970-01-01T00:20:00Z', "
				     "reason: x}]\n"
				     "maintenance:\n"
				     "- {name: a, days: [thu], hours: '00:10-00:20', zone: UTC, "
				     "who: 10.0.0.1, verbs: [stop], reason: x}\n"),
		0);
	for (int64_t s = 0; s < 2000; s++)
		quiet_tick(&quiet, s * S, count, &n);
	assert_int_equal(n.expired, 1);
	assert_int_equal(n.began, 1);
	assert_int_equal(n.ended, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, before_each, after_each)
	const struct CMUnitTest tests[] = {
		TEST(it_holds_wherever_it_is_filed),
		TEST(a_critical_rule_wants_its_name),
		TEST(it_ends_to_the_second_and_counts),
		TEST(who_is_not_known_is_nobody),
		TEST(many_are_filed_apart),
		TEST(a_window_is_for_a_station_whoever_speaks),
		TEST(steps_are_told_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
