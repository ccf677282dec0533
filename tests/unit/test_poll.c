/* test_poll.c - what watchers leave out for a message that comes again and again makes no
 * difference: each value, each deviation and each message too many is told as at the first time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/point_value.h"
#include "tests/unit/value_kit.h"
#include "tests/unit/wire.h"

enum { POLLS = 50 };

static struct kit k;

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

/* ---- values ---- */

#define S7_POINTS "points: {10.9.0.10: {p: {s7: DB1.DBW0}, q: {s7: DB1.DBW2}, r: {s7: DB2.DBW0}}}\n"

/* Reads 4 bytes of a data block; the answer has a word and another. */
static void poll_s7(unsigned number, unsigned db, unsigned value)
{
	char hex[128];
	snprintf(hex, sizeof hex, "3201 0000 %04x 000e 0000 04 01 12 0a 10 02 0004 %04x 84 000000",
		number, db);
	say(0, hex);
	snprintf(hex, sizeof hex, "3203 0000 %04x 0002 0008 0000 04 01 ff 04 0020 %04x %04x",
		number, value, value + 1);
	say(1, hex);
}

static void shows(const char *point, unsigned value)
{
	char text[128];
	snprintf(text, sizeof text, "point=%s ", point);
	for (size_t i = k.count; i-- > 0;)
		if (strstr(k.seen[i % KIT_SEEN], text) != NULL) {
			snprintf(text, sizeof text, " value=%u ", value);
			assert_non_null(strstr(k.seen[i % KIT_SEEN], text));
			return;
		}
	fail_msg("nothing of %s", point);
}

static void each_answer_to_the_same_question(void **state)
{
	(void)state;
	assert_true(kit_open(&k, S7_POINTS));
	kit_flow(&k, "s7comm", "10.9.0.10");
	for (unsigned i = 1; i <= POLLS; i++) {
		poll_s7(i * 2, 1, i * 10);
		poll_s7(i * 2 + 1, 2, i * 20);
		shows("p", i * 10);
		shows("q", i * 10 + 1);
		shows("r", i * 20);
	}
	assert_int_equal(count("kind=changed point=p "), POLLS);
	kit_end(&k);
}

/* Reads the same 4 bytes again and again, so many times: two points each. */
static void ask_much(unsigned number, unsigned items)
{
	static const uint8_t item[12] = { 0x12, 10, 0x10, 2, 0, 4, 0, 1, 0x84, 0, 0, 0 };
	uint8_t message[12 + 100 * sizeof item] = { 0x32, 1, 0, 0, 0, (uint8_t)number };
	unsigned length = 2 + items * (unsigned)sizeof item;
	message[6] = (uint8_t)(length >> 8);
	message[7] = (uint8_t)length;
	message[10] = 4;
	message[11] = (uint8_t)items;
	for (unsigned i = 0; i < items; i++)
		memcpy(message + 12 + i * sizeof item, item, sizeof item);
	kit_bytes(&k, 0, message, 10 + length);
}

/* The ring has gone round in between: what was remembered of the question is no longer there. */
static void a_question_long_forgotten(void **state)
{
	enum { RING = 4096 };
	unsigned number = 1, points = 0;
	(void)state;
	assert_true(kit_open(&k, "limits: {point_requests: 256}\n" S7_POINTS));
	kit_flow(&k, "s7comm", "10.9.0.10");
	poll_s7(number++, 1, 5);
	shows("p", 5);
	for (unsigned items = 100; points < RING; items--) {
		ask_much(number++, items);
		points += items * 2;
	}
	poll_s7(number++, 1, 6);
	shows("p", 6);
	shows("q", 7);
	poll_s7(number, 1, 7);
	shows("p", 7);
	kit_end(&k);
}

/* ---- baseline ---- */

#define BASELINE(rate)                                                                             \
	"baseline: {name: run, talks: [{client: 10.9.0.5, device: 10.9.0.10, protocol: modbus, "   \
	"unit: 1, rate: " rate ", allow: {read_holding_registers: [0-9]}}]}\n"

static void poll_modbus(unsigned number, unsigned address)
{
	char hex[64];
	snprintf(hex, sizeof hex, "%04x 0000 0006 01 03 %04x 0002", number, address);
	say(0, hex);
	snprintf(hex, sizeof hex, "%04x 0000 0007 01 03 04 0001 0002", number);
	say(1, hex);
}

static void each_deviation(void **state)
{
	(void)state;
	assert_true(kit_open(&k, BASELINE("0")));
	kit_flow(&k, "modbus", "10.9.0.10");
	for (unsigned i = 0; i < POLLS; i++) {
		poll_modbus(i * 2, 4);
		poll_modbus(i * 2 + 1, 10);
	}
	assert_int_equal(count("kind=new_range"), POLLS);
	assert_int_equal(count("kind="), POLLS + 1); /* it holds from the first message on */
	kit_end(&k);
}

/* Once a minute, at the first that is too many, whether it was seen before or not. */
static void polls_too_many(void **state)
{
	(void)state;
	assert_true(kit_open(&k, BASELINE("5")));
	kit_flow(&k, "modbus", "10.9.0.10");
	for (unsigned minute = 0; minute < 3; minute++) {
		for (unsigned i = 0; i < POLLS; i++)
			poll_modbus(i, 4);
		assert_int_equal(count("kind=rate"), minute + 1);
		kit_wait(&k, 60);
	}
	assert_int_equal(count("rate=6"), 3);
	for (unsigned i = 0; i < 5; i++)
		poll_modbus(i, 4);
	poll_modbus(5, 6);
	assert_int_equal(count("kind=rate"), 4);
	poll_modbus(6, 6);
	assert_int_equal(count("kind=rate"), 4);
	kit_end(&k);
}

/* What the weekend allows, Monday does not: 2026-03-01 was a Sunday. */
static void another_baseline_holds(void **state)
{
	(void)state;
	assert_true(kit_open(&k,
		"baseline:\n"
		"  - {name: weekend, days: [sat, sun], zone: UTC, talks: [{client: 10.9.0.5, "
		"device: "
		"10.9.0.10, protocol: modbus, unit: 1, allow: {read_holding_registers: [0-9]}}]}\n"
		"  - {name: run, talks: [{client: 10.9.0.5, device: 10.9.0.10, protocol: modbus, "
		"unit: 1, allow: {read_coils: [0-9]}}]}\n"));
	kit_flow(&k, "modbus", "10.9.0.10");
	k.at.ts_ns -= INT64_C(24) * 3600 * 1000000000;
	for (unsigned i = 0; i < POLLS; i++)
		poll_modbus(i, 4);
	assert_int_equal(count("kind=new_"), 0);
	kit_wait(&k, 24 * 3600);
	for (unsigned i = 0; i < POLLS; i++)
		poll_modbus(i, 4);
	assert_int_equal(count("kind=new_function"), POLLS);
	kit_end(&k);
}

/* ---- numbers ---- */

static double with_digits(double v, int digits)
{
	char text[32];
	snprintf(text, sizeof text, "%.*g", digits, v);
	return strtod(text, NULL);
}

/* As printf() and strtod() have it, digit by digit. */
static void a_float_has_its_shortest_number(void **state)
{
	const struct point p = {
		.table = POINT_HOLDING, .type = POINT_FLOAT32, .width = 32, .scale = 1
	};
	uint32_t x = 2463534242;
	(void)state;
	for (unsigned i = 0; i < 200000; i++) {
		x ^= x << 13, x ^= x >> 17, x ^= x << 5;
		float f = (float)(int32_t)x / (float)(1 << i % 40 % 31);
		uint8_t raw[POINT_BYTES] = { 0 };
		uint32_t bits;
		unsigned quality, digits = 6;
		if (i % 3 == 0)
			f = (float)((int32_t)(x % 2000001) - 1000000) / 1000;
		memcpy(&bits, &f, sizeof bits);
		for (unsigned b = 0; b < 4; b++)
			raw[b] = (uint8_t)(bits >> (24 - 8 * b));
		while (digits < 9 && (float)with_digits((double)f, (int)digits) != f)
			digits++;
		double expected = with_digits((double)f, (int)digits);
		double got = point_decode(&p, raw, &quality);
		assert_memory_equal(&got, &expected, sizeof got);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(each_answer_to_the_same_question),
		cmocka_unit_test(a_question_long_forgotten), cmocka_unit_test(each_deviation),
		cmocka_unit_test(polls_too_many), cmocka_unit_test(another_baseline_holds),
		cmocka_unit_test(a_float_has_its_shortest_number) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
