/* test_line.c - what an operator sees of an event, hostile strings included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/shown.h"
#include "console/line.h"

static const struct line_style plain = { .utc = true };

static const char alert[] = "{\"event_type\":\"alert\",\"host\":\"plant\",\"src_ip\":\"10.9.0.5\","
			    "\"dest_ip\":\"10.9.0.10\",\"dest_port\":502,"
			    "\"alert\":{\"signature_id\":1000016,\"signature\":\"Modbus registers "
			    "written\",\"severity\":3},"
			    "\"modbus\":{\"request\":{\"unit_id\":17}},\"bongsu\":{\"epoch\":1,"
			    "\"n\":5,\"ts_ns\":1763842211123456789,"
			    "\"rule\":\"5d9a7f0e-2b1c-4a1e-9d5f-000000000001\",\"verb\":\"write\","
			    "\"src_role\":\"EWS\",\"dst_name\":\"pump 1\","
			    "\"count\":4,\"verdict\":{\"outcome\":\"rejected\",\"code\":2,\"text\":"
			    "\"illegal_data_address\",\"latency_ms\":12.3}}}";

static void expect_line(const char *json, const struct line_style *style, const char *expected)
{
	char memory[LINE_TEXT];
	struct buf b = buf_over(memory, sizeof memory - 1);
	struct line_event e;
	assert_true(line_parse(&e, json, strlen(json)));
	line_write(&b, &e, style);
	memory[b.len] = '\0';
	assert_false(b.full);
	assert_string_equal(memory, expected);
	line_free(&e);
}

static void an_alert_says_who_did_what_to_which_device(void **state)
{
	(void)state;
	expect_line(alert, &plain,
		"2025-11-22 20:10:11.123  MEDIUM    write        10.9.0.5 (EWS) → pump 1 "
		"10.9.0.10:502 unit 17  "
		"rejected (illegal_data_address) in 12 ms  Modbus registers written ×4");
}

static void an_open_alert_says_how_many_it_is_by_now(void **state)
{
	(void)state;
	expect_line(
		"{\"event_type\":\"alert\",\"host\":\"plant\",\"alert\":{\"signature\":\"Stop\","
		"\"severity\":1},\"bongsu\":{\"ts_ns\":0,\"count\":1,\"total\":2,\"open\":1}}",
		&plain, "1970-01-01 00:00:00.000  CRITICAL  -            Stop ×1 (2 in all)");
}

static void an_audit_says_who_and_why(void **state)
{
	(void)state;
	expect_line("{\"event_type\":\"audit\",\"host\":\"plant\",\"audit\":{\"action\":"
		    "\"silence_added\",\"by\":\"kim\",\"reason\":\"valve 7\"},"
		    "\"bongsu\":{\"ts_ns\":0}}",
		&plain,
		"1970-01-01 00:00:00.000  audit     -            silence_added by kim: valve 7");
}

static void a_verdict_that_is_not_known_yet_is_pending(void **state)
{
	(void)state;
	expect_line("{\"event_type\":\"alert\",\"host\":\"plant\",\"src_ip\":\"1.2.3.4\",\"dest_"
		    "ip\":\"5.6.7.8\",\"dest_port\":20000,\"tx_id\":0,"
		    "\"alert\":{\"signature\":\"Cold "
		    "restart\",\"severity\":1},\"dnp3\":{\"request\":{\"dst\":10}},"
		    "\"bongsu\":{\"ts_ns\":0,\"verb\":\"restart\"}}",
		&plain,
		"1970-01-01 00:00:00.000  CRITICAL  restart      1.2.3.4 → 5.6.7.8:20000 address "
		"10  verdict pending  "
		"Cold restart");
}

static void an_alert_of_one_device_has_no_other_end_and_no_verdict(void **state)
{
	(void)state;
	expect_line("{\"event_type\":\"alert\",\"host\":\"plant\",\"src_ip\":\"1.2.3.4\","
		    "\"app_proto\":\"asset\",\"alert\":{\"signature\":\"New device\","
		    "\"severity\":3},\"asset\":{\"name\":\"new\",\"fields\":{\"unit\":7}},"
		    "\"bongsu\":{\"ts_ns\":0}}",
		&plain,
		"1970-01-01 00:00:00.000  MEDIUM    -            1.2.3.4 unit 7  New device");
}

static void a_value_is_told_in_the_unit_of_the_site(void **state)
{
	(void)state;
	static const char *const values[][2] = {
		{ "\"old_value\":4.2,\"new_value\":11.9,\"unit\":\"bar\",\"point\":\"boiler_"
		  "pressure\"",
			": boiler_pressure 4.2 → 11.9 bar ×2" },
		{ "\"new_value\":-3,\"point\":\"level\"", ": level -3 ×2" },
		{ "\"old_value\":12,\"unit\":\"m³/h\",\"point\":\"flow\"", ": flow 12 m³/h ×2" },
		{ "\"unit\":\"bar\",\"point\":\"broken\"", ": broken ×2" },
		{ "\"old_value\":\"00ff\",\"new_value\":null,\"unit\":7,\"point\":\"\\u001b[2J\"",
			": \\u001b[2J ×2" },
		{ "\"old_value\":1,\"new_value\":2", " ×2" },
	};
	for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
		char json[512], line[512];
		snprintf(json, sizeof json,
			"{\"event_type\":\"alert\",\"alert\":{\"signature\":\"T\",\"severity\":3},"
			"\"bongsu\":{"
			"\"ts_ns\":0,\"count\":2,\"verdict\":{\"outcome\":\"accepted\"},%s}}",
			values[i][0]);
		snprintf(line, sizeof line,
			"1970-01-01 00:00:00.000  MEDIUM    -            accepted  T%s",
			values[i][1]);
		expect_line(json, &plain, line);
	}
}

static void a_verdict_event_is_a_line_of_its_own(void **state)
{
	(void)state;
	const struct line_style sensor = { .utc = true, .sensor = true };
	expect_line("{\"event_type\":\"verdict\",\"host\":\"plant\",\"src_ip\":\"1.2.3.4\",\"dest_"
		    "ip\":\"5.6.7.8\",\"dest_port\":102,"
		    "\"bongsu\":{\"ts_ns\":1000000,\"verb\":\"stop\",\"title\":\"PLC "
		    "stop\",\"severity\":1,"
		    "\"verdict\":{\"outcome\":\"accepted\",\"latency_ms\":3}}}",
		&sensor,
		"1970-01-01 00:00:00.001  [plant] CRITICAL  stop         1.2.3.4 → 5.6.7.8:102  "
		"accepted in 3 ms  ↳ PLC stop");
}

static void colour_is_only_around_our_own_words(void **state)
{
	(void)state;
	const struct line_style colour = { .utc = true, .colour = true };
	char memory[LINE_TEXT];
	struct buf b = buf_over(memory, sizeof memory - 1);
	struct line_event e;
	assert_true(line_parse(&e, alert, strlen(alert)));
	line_write(&b, &e, &colour);
	memory[b.len] = '\0';
	assert_non_null(strstr(memory, "\033[33mMEDIUM\033[0m    "));
	line_free(&e);
}

/* Names a device could send: none may move the cursor, colour, hide or turn the line. */
static void hostile_names_are_shown_by_their_codes(void **state)
{
	(void)state;
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "a\033[2Jb", "a\\u001b[2Jb" },
		{ "x\r\ny\tz\a\b", "x\\u000d\\u000ay\\u0009z\\u0007\\u0008" },
		{ "\x7f", "\\u007f" },
		{ "\xc2\x9b"
		  "31m",
			"\\u009b31m" }, /* CSI of C1 */
		{ "abc\xe2\x80\xae"
		  "cba",
			"abc\\u202ecba" },
		{ "\xe2\x81\xa6\xe2\x81\xa9", "\\u2066\\u2069" },
		{ "\xd8\x9c\xe2\x80\x8f", "\\u061c\\u200f" },
		{ "\xe2\x80\xa8\xef\xbb\xbf", "\\u2028\\ufeff" },
		{ "\xf3\xa0\x81\x81", "\\udb40\\udc41" }, /* tag letter A */
		{ "\xc0\x80\xff", "\\xc0\\x80\\xff" },
		{ "\xed\xa0\x80", "\\xed\\xa0\\x80" },
		{ "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
		{ "\xe2\x80", "\\xe2\\x80" },
		{ "\xed\x8e\x8c\xed\x94\x84 \xce\xa9 \xf0\x9f\x94\xa5",
			"\xed\x8e\x8c\xed\x94\x84 \xce\xa9 \xf0\x9f\x94\xa5" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char memory[256];
		struct buf b = buf_over(memory, sizeof memory - 1);
		shown_add(&b, cases[i].in, strlen(cases[i].in));
		memory[b.len] = '\0';
		assert_string_equal(memory, cases[i].out);
	}
}

/* Whatever bytes: nothing below 0x20, no DEL, no C1, and the line is bounded. */
static void random_events_never_reach_the_terminal_raw(void **state)
{
	(void)state;
	uint32_t x = 1;
	for (unsigned round = 0; round < 20000; round++) {
		char json[5120], name[900];
		size_t n = 0;
		for (size_t i = 0; i < round % 300; i++) {
			x = x * 1664525 + 1013904223;
			n += (size_t)snprintf(name + n, sizeof name - n, x >> 31 ? "%c" : "\\u%04x",
				x >> 31 ? (int)('a' + (x >> 20) % 26) : (int)(x >> 8 & 0x7ff) + 1);
			if (n > sizeof name - 16)
				break;
		}
		name[n] = '\0';
		snprintf(json, sizeof json,
			"{\"event_type\":\"alert\",\"src_ip\":\"%s\",\"dest_ip\":\"%s\",\"alert\":{"
			"\"signature\":\"%s\"},"
			"\"bongsu\":{\"verb\":\"%s\",\"verdict\":{\"outcome\":\"%s\"}}}",
			name, name, name, name, name);
		struct line_event e;
		char memory[LINE_TEXT];
		struct buf b = buf_over(memory, sizeof memory);
		if (line_parse(&e, json, strlen(json))) {
			line_write(&b, &e, &plain);
			for (size_t i = 0; i < b.len; i++) {
				uint8_t c = (uint8_t)memory[i];
				assert_true(c >= 0x20 && c != 0x7f);
				assert_false(c == 0xc2 && i + 1 < b.len &&
					     (uint8_t)memory[i + 1] < 0xa0);
			}
		}
		line_free(&e);
	}
}

static void json_for_a_terminal_is_still_the_same_json(void **state)
{
	(void)state;
	static const char in[] = "{\"a\":\"x\xe2\x80\xae"
				 "y \xc2\x9b\xf3\xa0\x81\x81 \xed\x8e\x8c\"}";
	char memory[256];
	struct buf b = buf_over(memory, sizeof memory);
	shown_add_json(&b, in, sizeof in - 1);
	assert_null(memmem(memory, b.len, "\xe2\x80\xae", 3));
	json_t *before = json_loadb(in, sizeof in - 1, 0, NULL),
	       *after = json_loadb(memory, b.len, 0, NULL);
	assert_non_null(before);
	assert_true(json_equal(before, after));
	json_decref(before);
	json_decref(after);
}

static void what_is_no_event_is_refused(void **state)
{
	(void)state;
	static const char *const lines[] = { "", "x", "[]", "{}", "{\"event_type\":1}",
		"{\"event_type\":\"alert\"}", "{\"event_type\":\"alert\",\"bongsu\":3}",
		"{\"event_type\":\"alert\",\"bongsu\":{}", "null" };
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		struct line_event e;
		assert_false(line_parse(&e, lines[i], strlen(lines[i])));
		line_free(&e);
	}
}

static bool wanted(const struct line_filter *f)
{
	struct line_event e;
	assert_true(line_parse(&e, alert, strlen(alert)));
	bool yes = line_wanted(f, &e);
	line_free(&e);
	return yes;
}

static void filters_filter(void **state)
{
	(void)state;
	const struct line_filter none = { .since_ns = INT64_MIN };
	assert_true(wanted(&none));
#define WANTED(...) wanted(&(struct line_filter){ .since_ns = INT64_MIN, __VA_ARGS__ })
	assert_true(WANTED(.severity = 3));
	assert_true(WANTED(.severity = 4));
	assert_false(WANTED(.severity = 2));
	assert_true(WANTED(.device = "pump*"));
	assert_true(WANTED(.device = "10.9.0.10"));
	assert_true(WANTED(.device = "10.9.0.5"));
	assert_false(WANTED(.device = "10.9.0.1"));
	assert_true(WANTED(.verbs = "stop,write"));
	assert_false(WANTED(.verbs = "stop,write_output"));
	assert_true(WANTED(.rule = "registers WRITTEN"));
	assert_true(WANTED(.rule = "1000016"));
	assert_true(WANTED(.rule = "5D9A7F0E-2b1c-4a1e-9d5f-000000000001"));
	assert_false(WANTED(.rule = "coils"));
	assert_true(wanted(&(struct line_filter){ .since_ns = 1763842211123456789 }));
	assert_false(wanted(&(struct line_filter){ .since_ns = 1763842211123456790 }));
}

static void times_to_begin_at(void **state)
{
	(void)state;
	const int64_t now = 1763842211000000000; /* 2025-11-22T20:10:11 */
	static const struct {
		const char *text;
		int64_t s; /* -1: refused */
	} cases[] = { { "90s", 1763842121 }, { "10m", 1763841611 }, { "2h", 1763835011 },
		{ "1d", 1763755811 }, { "2025-11-22", 1763769600 },
		{ "2025-11-22T20:10", 1763842200 }, { "2025-11-22T20:10:11", 1763842211 },
		{ "20:10", 1763842200 }, { "", -1 }, { "m", -1 }, { "10", -1 }, { "10x", -1 },
		{ "-5m", -1 }, { "99999999999999999999d", -1 }, { "99999999w", -1 },
		{ "yesterday", -1 }, { "2025-11-22 later", -1 } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int64_t ns = 0;
		bool good = line_since(cases[i].text, now, true, &ns);
		assert_int_equal(good, cases[i].s >= 0);
		if (good)
			assert_true(ns == cases[i].s * 1000000000);
	}
}

static void verbs_are_words_of_the_rules(void **state)
{
	(void)state;
	assert_true(line_knows_verbs("stop"));
	assert_true(line_knows_verbs("write,write_output"));
	assert_false(line_knows_verbs("nope"));
	assert_false(line_knows_verbs("stop,nope"));
	assert_false(line_knows_verbs("writ"));
	assert_false(line_knows_verbs("stop,,start"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verbs_are_words_of_the_rules),
		cmocka_unit_test(an_alert_says_who_did_what_to_which_device),
		cmocka_unit_test(an_open_alert_says_how_many_it_is_by_now),
		cmocka_unit_test(an_audit_says_who_and_why),
		cmocka_unit_test(a_verdict_that_is_not_known_yet_is_pending),
		cmocka_unit_test(an_alert_of_one_device_has_no_other_end_and_no_verdict),
		cmocka_unit_test(a_value_is_told_in_the_unit_of_the_site),
		cmocka_unit_test(a_verdict_event_is_a_line_of_its_own),
		cmocka_unit_test(colour_is_only_around_our_own_words),
		cmocka_unit_test(hostile_names_are_shown_by_their_codes),
		cmocka_unit_test(random_events_never_reach_the_terminal_raw),
		cmocka_unit_test(json_for_a_terminal_is_still_the_same_json),
		cmocka_unit_test(what_is_no_event_is_refused),
		cmocka_unit_test(filters_filter),
		cmocka_unit_test(times_to_begin_at),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
