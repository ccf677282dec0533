/* test_value.c - the watcher of process values: what is followed, what is not, and what happens at
 * each bound. Rules and whole dialogues are in tests/cases/value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/value_kit.h"
#include "tests/unit/wire.h"

static struct kit k;

#define DEVICE "points:\n  10.9.0.10:\n"

static void open_with(const char *points, const char *protocol)
{
	static char text[65536];
	snprintf(text, sizeof text, DEVICE "%s", points);
	assert_true(kit_open(&k, text));
	kit_flow(&k, protocol, "10.9.0.10");
}

static void say(unsigned from, const char *hex)
{
	struct wire w = wire_hex(hex);
	kit_bytes(&k, from, w.bytes, w.len);
	free(w.bytes);
}

static size_t count(const char *what)
{
	size_t n = 0;
	for (size_t i = 0; i < k.count && i < KIT_SEEN; i++)
		n += strstr(k.seen[i], what) != NULL;
	return n;
}

static void expect(const char *what, size_t n)
{
	if (count(what) == n)
		return;
	for (size_t i = 0; i < k.count && i < KIT_SEEN; i++)
		print_message("%s\n", k.seen[i]);
	fail_msg("%s: %zu times, not %zu", what, count(what), n);
}

/* ---- what a message holds ---- */

#define ASK(t, fn, at, n) "00" t " 0000 0006 01 " fn " " at " " n
#define READ(t, at, n)    ASK(t, "03", at, n)
#define ONE(t, value)     "00" t " 0000 0005 01 03 02 " value
#define TWO(t, a, b)      "00" t " 0000 0007 01 03 04 " a " " b

static void a_value_half_read_is_not_read(void **state)
{
	(void)state;
	open_with("    p: {modbus: holding 100, type: float32}\n    w: {modbus: holding 101}\n",
		"modbus");
	say(0, READ("01", "0064", "0001"));
	say(1, ONE("01", "4148"));
	expect("point=p", 0);
	say(0, READ("02", "0065", "0001"));
	say(1, ONE("02", "0000"));
	expect("point=p", 0);
	expect("kind=changed point=w", 1);
	say(0, READ("03", "0064", "0002"));
	say(1, TWO("03", "4148", "0000"));
	expect("kind=changed point=p", 1);
	expect("value=12.5", 1);
	kit_end(&k);
}

/* A reply tells no address: without its request it is nothing. */
static void a_reply_nobody_asked_for(void **state)
{
	(void)state;
	open_with("    p: {modbus: holding 100}\n    s: {s7: DB1.DBW0}\n", "modbus");
	say(1, ONE("09", "0001"));
	assert_int_equal(k.count, 0);
	kit_end(&k);
	open_with("    s: {s7: DB1.DBW0}\n", "s7comm");
	say(1, "3203 0000 0001 0002 0006 0000 04 01 ff 04 0010 0001");
	assert_int_equal(k.count, 0);
	say(0, "3201 0000 0002 000e 0000 04 01 12 0a 10 02 0002 0001 84 000000");
	say(1, "3203 0000 0003 0002 0006 0000 04 01 ff 04 0010 0001");
	assert_int_equal(k.count, 0);
	say(1, "3203 0000 0002 0002 0006 0000 04 01 ff 04 0010 0001");
	expect("point=s", 1);
	say(1, "3203 0000 0002 0002 0006 0000 04 01 ff 04 0010 0002"); /* a second answer */
	expect("point=s", 1);
	kit_end(&k);
}

/* Requests open at once are answered in any order. */
static void answers_in_any_order(void **state)
{
	(void)state;
	open_with("    a: {s7: DB1.DBW0}\n    b: {s7: DB1.DBW2}\n", "s7comm");
	say(0, "3201 0000 0001 000e 0000 04 01 12 0a 10 02 0002 0001 84 000000");
	say(0, "3201 0000 0002 000e 0000 04 01 12 0a 10 02 0002 0001 84 000010");
	say(1, "3203 0000 0002 0002 0006 0000 04 01 ff 04 0010 0022");
	say(1, "3203 0000 0001 0002 0006 0000 04 01 ff 04 0010 0011");
	expect("point=a", 1);
	expect("value=17", 1);
	expect("value=34", 1);
	kit_end(&k);
}

static void a_refused_item_between_two(void **state)
{
	(void)state;
	open_with("    a: {s7: DB1.DBB0}\n    c: {s7: MB3}\n    no: {s7: DB9.DBB0}\n", "s7comm");
	say(0, "3201 0000 0001 0026 0000 04 03 12 0a 10 02 0001 0001 84 000000"
	       "12 0a 10 02 0001 0009 84 000000 12 0a 10 02 0001 0000 83 000018");
	say(1, "3203 0000 0001 0002 000f 0000 04 03 ff 04 0008 11 00 0a 00 0000 ff 04 0008 33");
	expect("point=a", 1);
	expect("kind=quality point=no", 1);
	expect("quality=refused", 1);
	expect("value=51", 1);
	kit_end(&k);
}

static void a_single_bit_and_the_same_in_its_byte(void **state)
{
	(void)state;
	open_with("    b: {s7: Q4.6}\n    other: {s7: Q4.5}\n", "s7comm");
	say(0, "3201 0000 0001 000e 0000 04 01 12 0a 10 01 0001 0000 82 000026");
	say(1, "3203 0000 0001 0002 0005 0000 04 01 ff 03 0001 01");
	expect("point=b", 1);
	expect("point=other", 0);
	say(0, "3201 0000 0002 000e 0000 04 01 12 0a 10 02 0001 0000 82 000020");
	say(1, "3203 0000 0002 0002 0005 0000 04 01 ff 04 0008 60");
	expect("point=b", 1); /* as it was */
	expect("kind=changed point=other", 1);
	kit_end(&k);
}

/* The data is shorter than the request asked for. */
static void less_than_was_asked_for(void **state)
{
	(void)state;
	open_with("    a: {s7: DB1.DBW0}\n    b: {s7: DB1.DBW8}\n", "s7comm");
	say(0, "3201 0000 0001 000e 0000 04 01 12 0a 10 02 000a 0001 84 000000");
	say(1, "3203 0000 0001 0002 000d 0000 04 01 ff 04 0048 0001 0000 0000 0000 02");
	expect("point=a", 1);
	expect("point=b", 0);
	kit_end(&k);
}

/* Each message cut within: nothing past its end is read, and nothing damaged is believed. */
static void every_cut(void **state)
{
	(void)state;
	static const char ask[] = "3201 0000 0001 001a 0000 04 02 12 0a 10 02 000a 0001 84 000000 "
				  "12 0a 10 08 0001 0001 84 000020";
	static const char answer[] =
		"3203 0000 0001 0002 0016 0000 04 02 ff 04 0050 0001 0002 0003 0004 "
		"0005 ff 07 0004 3f800000";
	struct wire request = wire_hex(ask), reply = wire_hex(answer);
	for (size_t n = 0; n <= reply.len; n++) {
		open_with("    a: {s7: DB1.DBW0}\n    b: {s7: DB1.DBW8}\n    c: {s7: DB1.DBD4, "
			  "type: float32}\n",
			"s7comm");
		kit_bytes(&k, 0, request.bytes, n < request.len ? n : request.len);
		kit_bytes(&k, 1, reply.bytes, n);
		if (n < reply.len)
			assert_int_equal(k.count, 0);
		kit_end(&k);
	}
	free(request.bytes);
	free(reply.bytes);
}

static void a_masked_write_needs_what_was(void **state)
{
	(void)state;
	open_with("    w: {modbus: holding 4}\n    bit: {modbus: holding 4.2}\n", "modbus");
	say(0, "0001 0000 0008 01 16 0004 fffb 0004"); /* sets bit 2 */
	say(1, "0001 0000 0008 01 16 0004 fffb 0004");
	expect("kind=written point=w", 0);
	expect("kind=written point=bit", 1);
	say(0, READ("02", "0004", "0001"));
	say(1, ONE("02", "0012"));
	say(0, "0003 0000 0008 01 16 0004 00f2 0025");
	say(1, "0003 0000 0008 01 16 0004 00f2 0025");
	expect("kind=written point=w", 1);
	expect("value=23 old_value=18", 1);
	kit_end(&k);
}

/* ---- what is made of it ---- */

static void time_steps_back_and_forth(void **state)
{
	(void)state;
	open_with("    p: {modbus: holding 100, max_rate: 1/s, stale: 10s, stuck: 10s, kind: "
		  "setpoint}\n",
		"modbus");
	for (int i = 0; i < 40; i++) {
		k.at.ts_ns += i % 3 == 0 ? -INT64_C(86400000000000) : INT64_C(86400000000000);
		watchers_tick(k.watchers, k.at);
		say(0, READ("01", "0064", "0001"));
		say(1, i % 2 ? ONE("01", "0001") : ONE("01", "0002"));
	}
	watchers_finish(k.watchers, k.at);
	k.at.ts_ns = 0;
	say(0, READ("01", "0064", "0001"));
	say(1, ONE("01", "0007"));
	expect("value=7", 1);
	expect("kind=moved_without_write point=p device=10.9.0.10 number=1 class=setpoint value=7",
		0);
	kit_end(&k);
}

/* A gap on any connection of the device: it might have been written there. */
static void what_was_not_seen_excuses(void **state)
{
	(void)state;
	open_with("    p: {modbus: holding 100, kind: setpoint}\n", "modbus");
	say(0, READ("01", "0064", "0001"));
	say(1, ONE("01", "0001"));
	struct anomaly a = { .kind = ANOMALY_BLIND, .at = k.at, .flow = &k.flow };
	watchers_anomaly(k.watchers, &a);
	say(0, READ("02", "0064", "0001"));
	say(1, ONE("02", "0002"));
	expect("kind=moved_without_write", 0);
	say(0, READ("03", "0064", "0001"));
	say(1, ONE("03", "0003"));
	expect("kind=moved_without_write", 1);
	kit_end(&k);
}

/* ---- bounds ---- */

/* More requests than are remembered: the oldest give way, which is counted and said. */
static void more_requests_than_fit(void **state)
{
	(void)state;
	static char text[256];
	snprintf(text, sizeof text,
		"limits: {point_requests: 16}\n" DEVICE "    p: {s7: DB1.DBW0}\n");
	assert_true(kit_open(&k, text));
	kit_flow(&k, "s7comm", "10.9.0.10");
	for (unsigned i = 1; i <= 60; i++) {
		char hex[128];
		snprintf(hex, sizeof hex,
			"3201 0000 %04x 000e 0000 04 01 12 0a 10 02 0002 0001 84 000000", i);
		say(0, hex);
	}
	assert_int_equal(k.counters.points_lost, 60 - 16);
	assert_int_equal(k.anomalies[ANOMALY_POINTS_FULL], 60 - 16);
	unsigned told = 0;
	for (unsigned i = 1; i <= 60; i++) {
		char hex[128];
		snprintf(hex, sizeof hex, "3203 0000 %04x 0002 0006 0000 04 01 ff 04 0010 %04x", i,
			i);
		say(1, hex);
	}
	for (unsigned i = 1; i <= 60; i++) {
		char value[64];
		snprintf(value, sizeof value, "class=measurement value=%u ", i);
		told += count(value) > 0;
	}
	assert_int_equal(told, 16);
	kit_end(&k);
}

/* One request that names a crowded block again and again: so many of its points are followed. */
static void more_points_than_a_request_may_name(void **state)
{
	(void)state;
	static char points[65536];
	size_t n = 0;
	for (unsigned i = 0; i < 400; i++)
		n += (size_t)snprintf(
			points + n, sizeof points - n, "    p%u: {s7: DB1.DBB%u}\n", i, i);
	open_with(points, "s7comm");
	uint8_t message[10 + 2 + 20 * 12] = { 0x32, 1, 0, 0, 0, 1, 0, 2 + 20 * 12, 0, 0, 4, 20 };
	static const uint8_t item[12] = { 0x12, 10, 0x10, 2, 0x01, 0x90, 0, 1, 0x84, 0, 0, 0 };
	for (unsigned i = 0; i < 20; i++)
		memcpy(message + 12 + i * 12, item, 12);
	kit_bytes(&k, 0, message, sizeof message);
	assert_int_equal(k.anomalies[ANOMALY_POINTS_FULL], 1);
	kit_end(&k);
}

static void without_points_there_is_no_watcher(void **state)
{
	(void)state;
	assert_true(kit_open(&k, "points: {}\n"));
	assert_null(watchers_state(k.watchers, "value"));
	kit_end(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_half_read_is_not_read),
		cmocka_unit_test(a_reply_nobody_asked_for),
		cmocka_unit_test(answers_in_any_order),
		cmocka_unit_test(a_refused_item_between_two),
		cmocka_unit_test(a_single_bit_and_the_same_in_its_byte),
		cmocka_unit_test(less_than_was_asked_for),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(a_masked_write_needs_what_was),
		cmocka_unit_test(time_steps_back_and_forth),
		cmocka_unit_test(what_was_not_seen_excuses),
		cmocka_unit_test(more_requests_than_fit),
		cmocka_unit_test(more_points_than_a_request_may_name),
		cmocka_unit_test(without_points_there_is_no_watcher),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
