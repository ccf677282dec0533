/* test_points.c - points: of the configuration: addresses, faults with their place, every type in
 * every order, look-up by range. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "sensor/config.h"
#include "sensor/point_value.h"
#include "tests/unit/wire.h"

/* ---- addresses ---- */

struct place {
	const char *text;
	uint8_t table, width, bit;
	uint16_t db;
	uint32_t at;
};

static void modbus_addresses(void **state)
{
	(void)state;
	static const struct place good[] = {
		{ "coil 0", POINT_COIL, 1, 0, 0, 0 },
		{ "discrete 65535", POINT_DISCRETE, 1, 0, 0, 65535 },
		{ "holding 100", POINT_HOLDING, 0, 0, 0, 1600 },
		{ "input 7.15", POINT_INPUT_REGISTER, 1, 15, 0, 112 },
		{ "00001", POINT_COIL, 1, 0, 0, 0 },
		{ "10017", POINT_DISCRETE, 1, 0, 0, 16 },
		{ "30001", POINT_INPUT_REGISTER, 0, 0, 0, 0 },
		{ "40101", POINT_HOLDING, 0, 0, 0, 1600 },
		{ "40101.3", POINT_HOLDING, 1, 3, 0, 1600 },
		{ "465536", POINT_HOLDING, 0, 0, 0, 65535 * 16 },
	};
	static const char *const bad[] = { "", "holding", "holding ", "holding 65536",
		"holding 1.16", "holding 1.", "holding 1.x", "coil 1.0", "holding -1",
		"holding 99999999999999999999", "40000", "50001", "20001", "4001", "4000001",
		"465537", "40101.99", "register 5", "Holding 5", "holding 5 ", "40101x" };
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct point p = { 0 };
		const char *why = point_modbus(good[i].text, &p);
		if (why != NULL)
			fail_msg("%s: %s", good[i].text, why);
		assert_int_equal(p.table, good[i].table);
		assert_int_equal(p.at, good[i].at);
		assert_int_equal(p.bit, good[i].bit);
		assert_int_equal(p.width, good[i].width);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct point p = { 0 };
		if (point_modbus(bad[i], &p) == NULL)
			fail_msg("taken: %s", bad[i]);
	}
}

static void s7_addresses(void **state)
{
	(void)state;
	static const struct place good[] = {
		{ "DB10.DBD4", POINT_DB, 32, 0, 10, 32 },
		{ "DB10.DBX0.1", POINT_DB, 1, 1, 10, 1 },
		{ "DB65535.DBB65535", POINT_DB, 8, 0, 65535, 65535 * 8 },
		{ "MW20", POINT_MEMORY, 16, 0, 0, 160 },
		{ "M10.7", POINT_MEMORY, 1, 7, 0, 87 },
		{ "I0.0", POINT_INPUT, 1, 0, 0, 0 },
		{ "EB3", POINT_INPUT, 8, 0, 0, 24 },
		{ "QD4", POINT_OUTPUT, 32, 0, 0, 32 },
		{ "A4.6", POINT_OUTPUT, 1, 6, 0, 38 },
	};
	static const char *const bad[] = { "", "DB", "DB10", "DB10.", "DB10.DB", "DB10.DBD",
		"DB10.DBX0", "DB10.DBX0.8", "DB0.DBB0", "DB65536.DBB0", "DB10.DBD65536",
		"DB10.DBD4.1", "M10", "MX10.1", "M10.", "MW", "T5", "C5", "PIW256", "db10.dbd4",
		"DB10,REAL4", "DB10.DBD4 ", "M99999999999999999999.0" };
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct point p = { 0 };
		const char *why = point_s7(good[i].text, &p);
		if (why != NULL)
			fail_msg("%s: %s", good[i].text, why);
		assert_int_equal(p.table, good[i].table);
		assert_int_equal(p.db, good[i].db);
		assert_int_equal(p.at, good[i].at);
		assert_int_equal(p.bit, good[i].bit);
		assert_int_equal(p.width, good[i].width);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct point p = { 0 };
		if (point_s7(bad[i], &p) == NULL)
			fail_msg("taken: %s", bad[i]);
	}
}

static void dnp3_addresses(void **state)
{
	(void)state;
	struct point p = { 0 };
	assert_null(point_dnp3("analog_input 3", &p));
	assert_int_equal(p.table, POINT_ANALOG_INPUT);
	assert_int_equal(p.at, 3);
	assert_null(point_dnp3("frozen_counter 65535", &p));
	assert_int_equal(p.table, POINT_FROZEN_COUNTER);
	static const char *const bad[] = { "", "analog_input", "analog_input ",
		"analog_input 65536", "analog_input 3 ", "analog 3", "30 3" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (point_dnp3(bad[i], &p) == NULL)
			fail_msg("taken: %s", bad[i]);
}

/* ---- types and orders: the bytes by hand, A the most significant ---- */

static void every_type_in_every_order(void **state)
{
	(void)state;
	static const struct {
		uint8_t type;
		double value;
		const char *bytes[ORDERS]; /* ABCD CDAB BADC DCBA */
	} all[] = {
		{ POINT_U16, 4660, { "1234", "1234", "3412", "3412" } },
		{ POINT_I16, -2, { "fffe", "fffe", "feff", "feff" } },
		{ POINT_BCD16, 1234, { "1234", "1234", "3412", "3412" } },
		{ POINT_U32, 305419896, { "12345678", "56781234", "34127856", "78563412" } },
		{ POINT_I32, -2, { "fffffffe", "fffeffff", "fffffeff", "feffffff" } },
		{ POINT_BCD32, 12345678, { "12345678", "56781234", "34127856", "78563412" } },
		{ POINT_FLOAT32, 11.9, { "413e6666", "6666413e", "3e416666", "66663e41" } },
		{ POINT_U64, 283686952306176.0,
			{ "0001020304050600", "0600040502030001", "0100030205040006",
				"0006050403020100" } },
		{ POINT_I64, -2,
			{ "fffffffffffffffe", "fffeffffffffffff", "fffffffffffffeff",
				"feffffffffffffff" } },
		{ POINT_FLOAT64, -2.5e-7,
			{ "be90c6f7a0b5ed8d", "ed8da0b5c6f7be90", "90bef7c6b5a08ded",
				"8dedb5a0f7c690be" } },
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		for (unsigned o = 0; o < ORDERS; o++) {
			struct point p = { .table = POINT_HOLDING,
				.type = all[i].type,
				.order = (uint8_t)o,
				.width = (uint8_t)point_type_bits((enum point_type)all[i].type),
				.scale = 1 };
			struct wire w = wire_hex(all[i].bytes[o]);
			uint8_t raw[POINT_BYTES] = { 0 };
			unsigned quality;
			assert_int_equal(w.len, point_bytes(&p));
			memcpy(raw, w.bytes, w.len);
			double v = point_decode(&p, raw, &quality);
			if (v != all[i].value || quality != 0)
				fail_msg("%s %s: %.17g, quality %u", point_type_names[p.type],
					point_order_names[o], v, quality);
			free(w.bytes);
		}
}

static double decode(struct point p, const char *hex, unsigned *quality)
{
	struct wire w = wire_hex(hex);
	uint8_t raw[POINT_BYTES] = { 0 };
	memcpy(raw, w.bytes, w.len);
	free(w.bytes);
	return point_decode(&p, raw, quality);
}

static void bits_bytes_and_scale(void **state)
{
	(void)state;
	unsigned q;
	struct point bit = {
		.table = POINT_HOLDING, .type = POINT_BOOL, .width = 1, .bit = 9, .scale = 1
	};
	assert_true(decode(bit, "0200", &q) == 1);
	assert_true(decode(bit, "fdff", &q) == 0);
	struct point low = { .table = POINT_HOLDING, .type = POINT_I8, .width = 16, .scale = 1 };
	assert_true(decode(low, "12ff", &q) == -1);
	low.order = ORDER_BADC;
	assert_true(decode(low, "12ff", &q) == 0x12);
	struct point s7 = {
		.table = POINT_DB, .type = POINT_BOOL, .width = 1, .bit = 3, .scale = 1
	};
	assert_true(decode(s7, "08", &q) == 1);
	struct point scaled = { .table = POINT_INPUT_REGISTER,
		.type = POINT_U16,
		.width = 16,
		.scale = 0.1,
		.offset = -40 };
	assert_true(decode(scaled, "0077", &q) == -28.1);
	assert_int_equal(q, 0);
}

static void what_is_no_number(void **state)
{
	(void)state;
	unsigned q;
	struct point f = { .table = POINT_HOLDING, .type = POINT_FLOAT32, .width = 32, .scale = 1 };
	assert_true(isnan(decode(f, "7fc00000", &q)));
	assert_int_equal(q, QUALITY_NAN);
	assert_true(isnan(decode(f, "7f800001", &q)));
	assert_int_equal(q, QUALITY_NAN);
	assert_true(isnan(decode(f, "ff800000", &q)));
	assert_int_equal(q, QUALITY_INFINITE);
	f.scale = 1e30;
	assert_true(decode(f, "7f7fffff", &q) > 1e68);
	f.scale = 1e300;
	assert_true(isnan(decode(f, "7f7fffff", &q)));
	assert_int_equal(q, QUALITY_INFINITE);
	struct point b = { .table = POINT_HOLDING, .type = POINT_BCD16, .width = 16, .scale = 1 };
	assert_true(isnan(decode(b, "12a4", &q)));
	assert_int_equal(q, QUALITY_NOT_BCD);
}

static void flags_by_kind_of_point(void **state)
{
	(void)state;
	char text[128];
	assert_int_equal(quality_dnp3(POINT_ANALOG_INPUT, 0x01), 0);
	assert_int_equal(quality_dnp3(POINT_BINARY_INPUT, 0x81), 0);
	assert_int_equal(quality_dnp3(POINT_DOUBLE_BIT_INPUT, 0xc1), 0);
	assert_int_equal(quality_dnp3(POINT_ANALOG_INPUT, 0), QUALITY_OFFLINE);
	assert_int_equal(
		quality_dnp3(POINT_ANALOG_INPUT, 0x61), QUALITY_OVER_RANGE | QUALITY_REFERENCE);
	assert_int_equal(quality_dnp3(POINT_BINARY_INPUT, 0x21), QUALITY_CHATTER);
	assert_int_equal(quality_dnp3(POINT_COUNTER, 0x61), QUALITY_DISCONTINUITY);
	assert_int_equal(quality_dnp3(POINT_BINARY_OUTPUT, 0x61), 0);
	size_t n = quality_text(quality_dnp3(POINT_ANALOG_INPUT, 0x1e), text, sizeof text);
	assert_int_equal(n, strlen("offline,restart,comm_lost,remote_forced,local_forced"));
	assert_memory_equal(text, "offline,restart,comm_lost,remote_forced,local_forced", n);
	assert_true(quality_text(~0U, text, 20) <= 20);
}

/* ---- the configuration ---- */

static bool parse(struct config *c, const char *text, struct text_list *faults)
{
	config_init(c);
	return config_parse(c, "x.yaml", text, strlen(text), faults);
}

static void expect_fault(const char *text, const char *fault)
{
	struct config c;
	struct text_list faults = { 0 };
	assert_false(parse(&c, text, &faults));
	assert_true(faults.count >= 1);
	if (strcmp(faults.text[0], fault) != 0)
		fail_msg("got: %s\nnot: %s", faults.text[0], fault);
	text_list_free(&faults);
	config_free(&c);
}

#define POINT(p) "points:\n  10.0.0.1:\n    t: " p "\n"

static void faults_name_their_place(void **state)
{
	(void)state;
	expect_fault("points: [a]\n", "x.yaml:1:9: points is a map of devices");
	expect_fault("points: {10.0.0.1: [a]}\n", "x.yaml:1:20: a device has a map of tags");
	expect_fault(
		"points: {pump: {}}\n", "x.yaml:1:10: neither an address nor one of names: pump");
	expect_fault("points: {10.0.0.1/x: {}}\n", "x.yaml:1:10: a unit is 0 to 65535: 10.0.0.1/x");
	expect_fault("names: {10.0.0.0/24: pumps}\npoints: {pumps: {}}\n",
		"x.yaml:2:10: several addresses are called so: pumps");
	expect_fault("names: {10.0.0.1: pump}\npoints: {pump: {}, 10.0.0.1: {}}\n",
		"x.yaml: points of one device stand in two places: pump, 10.0.0.1");
	expect_fault(POINT("5"), "x.yaml:3:8: a point is a map: {modbus: holding 100, unit: bar}");
	expect_fault(POINT("{unit: bar}"), "x.yaml:3:8: a point has one of modbus, s7 and dnp3");
	expect_fault(POINT("{modbus: coil 1, s7: M0.0}"),
		"x.yaml:3:8: a point has one of modbus, s7 and dnp3");
	expect_fault(POINT("{modbus: coil 1, scael: 2}"),
		"x.yaml:3:25: a point has no scael (did you mean scale?)");
	expect_fault(POINT("{modbus: holding 1, type: flaot32}"),
		"x.yaml:3:34: unknown type flaot32 (did you mean float32?)");
	expect_fault(POINT("{modbus: holding 1, order: AB}"),
		"x.yaml:3:35: unknown order AB (did you mean ABCD?)");
	expect_fault(POINT("{modbus: holding x}"),
		"x.yaml:3:17: behind the table stands an address, 0 to 65535");
	expect_fault(POINT("{modbus: holding 65535, type: u32}"),
		"x.yaml:3:8: the value ends past the last address");
	expect_fault(POINT("{modbus: holding 1, type: bool}"),
		"x.yaml:3:8: a bool needs the bit of its register or byte");
	expect_fault(POINT("{s7: DB1.DBW0, type: float32}"),
		"x.yaml:3:8: the type is not as wide as the address");
	expect_fault(POINT("{s7: M0.0, type: u8}"), "x.yaml:3:8: a single bit is a bool");
	expect_fault(POINT("{dnp3: counter 1, type: u32}"),
		"x.yaml:3:8: DNP3 objects say their type: leave it out");
	expect_fault(POINT("{modbus: holding 1, scale: 0}"), "x.yaml:3:8: scale is not 0");
	expect_fault(POINT("{modbus: holding 1, scale: .nan}"), "x.yaml:3:35: scale is a number");
	expect_fault(POINT("{modbus: holding 1, low: 5, high: 4}"),
		"x.yaml:3:8: limits are in the order low_low, low, high, high_high");
	expect_fault(
		POINT("{modbus: holding 1, deadband: -1}"), "x.yaml:3:8: deadband is not below 0");
	expect_fault(POINT("{modbus: holding 1, stale: 30}"),
		"x.yaml:3:35: stale is a number and ms, s, m, h or d, at most 365d");
	expect_fault(POINT("{modbus: holding 1, max_rate: 5/x}"),
		"x.yaml:3:38: max_rate is a number above 0 and /s, /m, /h or /d");
	expect_fault(POINT("{modbus: holding 1, max_rate: 0/s}"),
		"x.yaml:3:38: max_rate is a number above 0 and /s, /m, /h or /d");
	expect_fault(POINT("{modbus: holding 1, unit: \"\"}"),
		"x.yaml:3:34: a unit is 1 to 32 bytes of text");
	expect_fault("points: {10.0.0.1: {a/b: {modbus: coil 1}}}\n",
		"x.yaml:1:21: a tag is 1 to 64 bytes of text without /");
	expect_fault("limits: {points: 1}\npoints: {10.0.0.1: {a: {modbus: coil 1}, b: {modbus: "
		     "coil 2}}}\n",
		"x.yaml: 2 points, limits.points is 1");
}

#define TAGS                                                                                       \
	"points: {10.0.0.1: {a: {modbus: coil 1}}, 10.0.0.2: {a: {modbus: coil 1}, b: {modbus: "   \
	"coil 2}}}\n"

static void interlocks_have_to_make_sense(void **state)
{
	(void)state;
	expect_fault("interlocks: {a: b}\n", "x.yaml:1:13: interlocks is a list");
	expect_fault("interlocks: [5]\n", "x.yaml:1:14: an interlock is a map: name, when, for");
	expect_fault("interlocks: [{when: {a: 1}}]\n",
		"x.yaml:1:14: an interlock has a name of 1 to 64 bytes");
	expect_fault("interlocks: [{name: x}]\n", "x.yaml:1:14: an interlock says when");
	expect_fault("interlocks: [{name: x, when: {}}]\n",
		"x.yaml:1:30: when is a map: {TAG: {lt: 5}}");
	expect_fault("interlocks: [{name: x, when: {a: 1}, of: 3}]\n",
		"x.yaml:1:38: an interlock has name, when and for, but no of");
	expect_fault(
		TAGS "interlocks: [{name: x, when: {c: 1}}]\n", "x.yaml:2:31: no such point: c");
	expect_fault(TAGS "interlocks: [{name: x, when: {a: 1}}]\n",
		"x.yaml:2:31: several devices have it, say DEVICE/TAG: a");
	expect_fault(TAGS "interlocks: [{name: x, when: {b: {le: 1}}}]\n",
		"x.yaml:2:39: unknown comparison le (did you mean lt?)");
	expect_fault(TAGS "interlocks: [{name: x, when: {b: {lt: many}}}]\n",
		"x.yaml:2:39: b is a number");
	struct config c;
	struct text_list faults = { 0 };
	assert_true(parse(&c,
		TAGS "interlocks: [{name: x, when: {10.0.0.1/a: true, b: {gte: 1, lt: 9}}}]\n",
		&faults));
	assert_int_equal(c.points.interlock[0].clauses, 3);
	const struct point *p = &c.points.point[c.points.interlock[0].clause[0].point];
	assert_string_equal(c.points.device[p->device].text, "10.0.0.1");
	config_free(&c);
}

static char *dumped(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	config_dump(c, f);
	fclose(f);
	return text;
}

static void what_is_dumped_is_read_back(void **state)
{
	(void)state;
	static const char text[] =
		"names: {10.0.0.7: feed pump}\n"
		"points:\n"
		"  feed pump/17:\n"
		"    \"odd \\\" tag\": {modbus: 40101.3}\n"
		"    p: {modbus: holding 100, type: float32, order: CDAB, scale: 0.1, offset: -3, "
		"deadband: 0.25,"
		" unit: m³/h, low_low: -1e-9, low: 2, high: 12.5, high_high: 1e22, max_rate: 30/m, "
		"stale: 30s,"
		" stuck: 10m, kind: setpoint}\n"
		"  fd00::1:\n"
		"    q: {s7: DB7.DBB12, type: float64, kind: output}\n"
		"    r: {s7: DB7.DBX12.5}\n"
		"    s: {s7: A4.6}\n"
		"  10.0.0.7/10:\n"
		"    t: {dnp3: double_bit_input 9, unit: state}\n"
		"interlocks:\n"
		"  - {name: dry, when: {t: {gt: 0, lt: 3}, q: 0.5}, for: 1500ms}\n";
	struct config a, b;
	struct text_list faults = { 0 };
	assert_true(parse(&a, text, &faults));
	char *first = dumped(&a);
	if (!parse(&b, first, &faults))
		fail_msg("%s", faults.text[0]);
	char *second = dumped(&b);
	assert_string_equal(first, second);
	assert_int_equal(b.points.count, 6);
	assert_non_null(strstr(first, "max_rate: 0.5/s"));
	free(first);
	free(second);
	config_free(&a);
	config_free(&b);
}

/* ---- look-up ---- */

static void ranges_hold_what_begins_in_them(void **state)
{
	(void)state;
	struct config c;
	struct text_list faults = { 0 };
	assert_true(parse(&c,
		"points: {10.0.0.1/2: {a: {modbus: holding 5}}, 10.0.0.1: {b: {modbus: holding 5}, "
		"c: {modbus: "
		"holding 9}, d: {s7: DB5.DBW5}}, 10.0.0.0: {e: {modbus: coil 5}}}\n",
		&faults));
	const struct points *p = &c.points;
	uint8_t ip[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 1 };
	size_t first, end;
	assert_int_equal(points_devices(p, ip, &first), 2);
	assert_true(p->device[first].any_unit);
	assert_int_equal(p->device[first + 1].unit, 2);
	const struct point_device *d = &p->device[first];
	size_t from = points_range(p, d, POINT_HOLDING, 0, 0, 80, &end);
	assert_int_equal(end - from, 0);
	from = points_range(p, d, POINT_HOLDING, 0, 80, 81, &end);
	assert_int_equal(end - from, 1);
	assert_string_equal(p->point[from].name, "b");
	from = points_range(p, d, POINT_HOLDING, 0, 0, 1 << 20, &end);
	assert_int_equal(end - from, 2);
	from = points_range(p, d, POINT_DB, 5, 0, 1 << 19, &end);
	assert_int_equal(end - from, 1);
	from = points_range(p, d, POINT_DB, 6, 0, 1 << 19, &end);
	assert_int_equal(end - from, 0);
	from = points_range(p, d, POINT_ANALOG_OUTPUT, 0, 0, UINT64_MAX, &end);
	assert_int_equal(end - from, 0);
	ip[15] = 9;
	assert_int_equal(points_devices(p, ip, &first), 0);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modbus_addresses),
		cmocka_unit_test(s7_addresses),
		cmocka_unit_test(dnp3_addresses),
		cmocka_unit_test(every_type_in_every_order),
		cmocka_unit_test(bits_bytes_and_scale),
		cmocka_unit_test(what_is_no_number),
		cmocka_unit_test(flags_by_kind_of_point),
		cmocka_unit_test(faults_name_their_place),
		cmocka_unit_test(interlocks_have_to_make_sense),
		cmocka_unit_test(what_is_dumped_is_read_back),
		cmocka_unit_test(ranges_hold_what_begins_in_them),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
