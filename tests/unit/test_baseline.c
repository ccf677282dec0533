/* test_baseline.c - acts and places by name, ranges that grow together, baselines from YAML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sensor/config.h"

static void acts_read_back(void **state)
{
	(void)state;
	for (unsigned class = 0; class < ACT_CLASSES; class ++)
		for (uint32_t code = 0; code < 0x1000; code++) {
			char text[ACT_TEXT];
			const struct dissector *d;
			act_id id = ACT_ID(class, code);
			unsigned found = 0;
			act_print(id, text);
			for (unsigned i = 0; (d = dissectors[i]) != NULL; i++)
				found += act_parse(d, text) == id;
			if (found == 0)
				fail_msg("%s is not read back", text);
		}
}

static void expect_verb(const char *protocol, const char *act, enum verb verb)
{
	act_id id = act_parse(dissector_named(protocol), act);
	if (id == 0 || act_verb(id) != verb)
		fail_msg("%s %s: %d, not %d", protocol, act, id == 0 ? -1 : (int)act_verb(id),
			(int)verb);
}

static void verbs_are_those_of_the_operation(void **state)
{
	(void)state;
	expect_verb("modbus", "read_coils", VERB_read);
	expect_verb("modbus", "umas.stop_plc", VERB_stop);
	expect_verb("modbus", "umas.start_plc", VERB_start);
	expect_verb("modbus", "umas.upload_block", VERB_upload);
	expect_verb("modbus", "diagnostics.force_listen_only_mode", VERB_force);
	expect_verb("modbus", "function.99", VERB_scan);
	expect_verb("s7comm", "plc_stop", VERB_stop);
	expect_verb("s7comm", "pi_service.delete_block", VERB_delete);
	expect_verb("s7comm", "write_var.outputs", VERB_write_output);
	expect_verb("s7comm", "set_clock", VERB_set_clock);
	expect_verb("s7comm-plus", "operation.cpu_stop", VERB_stop);
	expect_verb("dnp3", "cold_restart", VERB_restart);
	expect_verb("dnp3", "write.time_and_date", VERB_set_clock);
	expect_verb("dnp3", "open_file.write", VERB_download);
	expect_verb("dnp3", "confirm", VERB_NONE);
	assert_false(act_parse(dissector_named("modbus"), "plc_stop"));
	assert_false(act_parse(dissector_named("modbus"), "function.3"));
	assert_false(act_parse(dissector_named("modbus"), "function.16777216"));
	assert_true(verb_is_grave(VERB_password) && verb_is_grave(VERB_force));
	assert_false(verb_is_grave(VERB_write) || verb_is_grave(VERB_NONE));
}

static void places_read_back(void **state)
{
	static const struct {
		const char *protocol, *text;
	} good[] = { { "modbus", "0-99" }, { "modbus", "7" }, { "modbus", "read 1-4" },
		{ "modbus", "file4 0-9" }, { "modbus", "0-4294967295" }, { "s7comm", "DB10 0-15" },
		{ "s7comm", "DB10" }, { "s7comm", "DB10-19 4-8" }, { "s7comm", "DB10-19" },
		{ "s7comm", "DI4 2" }, { "s7comm", "Q 0" }, { "s7comm", "SZL0x0011" },
		{ "dnp3", "group30 0-4" }, { "dnp3", "group60" }, { "s7comm-plus", "DB3 7" } };
	static const struct {
		const char *protocol, *text;
	} bad[] = { { "modbus", "" }, { "modbus", "9-1" }, { "modbus", "-1" }, { "modbus", "1-" },
		{ "modbus", "DB1 0" }, { "modbus", "4294967296" }, { "modbus", "1 2" },
		{ "s7comm", "DB" }, { "s7comm", "DB1  0" }, { "s7comm", "DB19-10" },
		{ "s7comm", "5" }, { "s7comm", "SZL0x0011-0x0012" }, { "dnp3", "group1-2" } };
	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		struct act_place p;
		char text[PLACE_TEXT];
		if (!place_parse(dissector_named(good[i].protocol), good[i].text, &p))
			fail_msg("not read: %s", good[i].text);
		place_print(&p, text);
		assert_string_equal(text, good[i].text);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct act_place p;
		if (place_parse(dissector_named(bad[i].protocol), bad[i].text, &p))
			fail_msg("read: %s", bad[i].text);
	}
}

/* ---- ranges ---- */

static struct act_place at(const char *protocol, const char *text)
{
	struct act_place p;
	if (!place_parse(dissector_named(protocol), text, &p))
		fail_msg("not read: %s", text);
	return p;
}

static void expect_places(const struct deed *d, const char *expected)
{
	char all[2048] = "";
	for (unsigned i = 0; i < d->places; i++) {
		char text[PLACE_TEXT];
		place_print(&d->place[i], text);
		snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i > 0 ? ", " : "",
			text);
	}
	assert_string_equal(all, expected);
}

static void near_ranges_join(void **state)
{
	static const char *const seen[] = { "100-109", "0-9", "119-120", "18-19", "30", "5-7" };
	struct deed d = { .act = act_parse(dissector_named("modbus"), "read_coils") };
	(void)state;
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		struct act_place p = at("modbus", seen[i]);
		deed_add_place(&d, &p);
	}
	expect_places(&d, "0-19, 30, 100-109, 119-120");
	struct act_place p = at("modbus", "25-99");
	assert_false(deed_reaches(&d, &p));
	deed_add_place(&d, &p);
	expect_places(&d, "0-109, 119-120");
	p = at("modbus", "119");
	assert_true(deed_reaches(&d, &p));
	p = at("modbus", "109-119");
	assert_false(deed_reaches(&d, &p));
	assert_false(d.widened);
	struct deed w = { .act = act_parse(dissector_named("modbus"), "write_single_coil") };
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		p = at("modbus", seen[i]);
		deed_add_place(&w, &p);
	}
	expect_places(
		&w, "0-9, 18-19, 30, 100-109, 119-120"); /* what is written is taken exactly */
}

static void blocks_of_one_make_are_a_range_of_blocks(void **state)
{
	static const char *const seen[] = { "DB63 184-187", "DB68 4-8", "DB131 4", "DB151 8",
		"DB165 4-8", "DB166 184-187", "Q 0" };
	struct deed w = { .act = act_parse(dissector_named("s7comm"), "write_var.db") };
	struct deed r = { .act = act_parse(dissector_named("s7comm"), "read_var") };
	(void)state;
	for (size_t i = 0; i < sizeof seen / sizeof seen[0]; i++) {
		struct act_place p = at("s7comm", seen[i]);
		deed_add_place(&w, &p);
		deed_add_place(&r, &p);
	}
	deed_settle(&w);
	deed_settle(&r);
	expect_places(&w, "DB63 184-187, DB68-165 4-8, DB166 184-187, Q 0");
	expect_places(&r, "DB63-166, Q 0");
	struct act_place p = at("s7comm", "DB102 4-8");
	assert_true(deed_reaches(&w, &p));
	p = at("s7comm", "DB102 9");
	assert_false(deed_reaches(&w, &p));
	p = at("s7comm", "DB166 4");
	assert_false(deed_reaches(&w, &p));
}

/* Whatever comes: it is reached afterwards, there are never more than there is room for, and they
 * stand in order. */
static void places_are_bounded(void **state)
{
	uint64_t seed = 12345;
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		const char *act = round % 2 ? "read_var" : "write_var.db";
		struct deed d = { .act = act_parse(dissector_named("s7comm"), act) };
		unsigned spread = 1 + round % 50;
		for (unsigned i = 0; i < 300; i++) {
			char text[64];
			seed = key_mix(seed, i);
			unsigned first = (unsigned)(seed >> 40) % 5000;
			snprintf(text, sizeof text, "DB%u %u-%u", (unsigned)(seed >> 20) % spread,
				first, first + (unsigned)(seed >> 8) % 20);
			struct act_place p = at("s7comm", text);
			deed_add_place(&d, &p);
			if (!deed_reaches(&d, &p) || d.places > DEED_PLACES)
				fail_msg("%s, %u places", text, d.places);
			for (unsigned k = 1; k < d.places; k++)
				if (place_alike(&d.place[k - 1], &d.place[k]) &&
					d.place[k - 1].last >= d.place[k].first)
					fail_msg("they overlap after %s", text);
		}
	}
}

static void tables_are_bounded(void **state)
{
	struct baseline *b = baseline_new(4, 8, 7);
	struct contact_key key = { .protocol = dissector_named("modbus") };
	(void)state;
	assert_non_null(b);
	for (unsigned i = 0; i < 9; i++) {
		key.unit = i;
		uint32_t n = baseline_add_talk(b, &key);
		assert_true((n == BASELINE_NOBODY) == (i >= 4));
		assert_int_equal(baseline_talk(b, &key), n);
	}
	for (unsigned i = 0; i < 20; i++)
		assert_true((baseline_add_deed(b, i % 4, ACT_ID(ACT_MODBUS, i)) ==
				    BASELINE_NOBODY) == (i >= 8));
	assert_int_equal(b->lost, 5 + 12);
	baseline_free(b);
}

/* ---- YAML ---- */

static void expect_fault(const char *text, const char *fault)
{
	char whole[2048];
	struct text_list faults = { 0 };
	struct config c;
	config_init(&c);
	int n = snprintf(whole, sizeof whole, "baseline:\n  name: run\n  %s\n", text);
	bool good = config_parse(&c, "x", whole, (size_t)n, &faults);
	if (good || strcmp(faults.text[0], fault) != 0)
		fail_msg("got: %s\nnot: %s", good ? "nothing" : faults.text[0], fault);
	text_list_free(&faults);
	config_free(&c);
}

static void faults_say_where(void **state)
{
	(void)state;
	expect_fault("talks: 3", "x:3:10: a baseline has a list of talks:");
	expect_fault("talks: [{client: 10.9.0.5}]", "x:3:11: missing: device");
	expect_fault("talks: [{client: 10.9.0.0/24, device: 10.9.0.1, protocol: modbus}]",
		"x:3:20: not an address: 10.9.0.0/24");
	expect_fault("talks: [{client: 10.9.0.5, device: 10.9.0.1, protocol: dns}]",
		"x:3:58: unknown protocol dns");
	expect_fault("talks: [{client: 10.9.0.5, device: 10.9.0.1, protocol: s7comm, unit: 1}]",
		"x:3:11: no unit in s7comm");
	expect_fault("talks: [{client: 10.9.0.5, device: 10.9.0.1, protocol: modbus, allow: "
		     "{read_coil: any}}]",
		"x:3:74: unknown function read_coil");
	expect_fault("talks: [{client: 10.9.0.5, device: 10.9.0.1, protocol: modbus, allow: "
		     "{read_coils: [9-1]}}]",
		"x:3:87: not a range of this protocol, such as 0-99, DB10 0-15 or group30 4: 9-1");
	expect_fault("talks: [{client: 10.9.0.5, device: 10.9.0.1, protocol: modbus, allow: "
		     "{read_coils: [0-9, 5-6]}}]",
		"x:3:92: more than 32 ranges, or it overlaps another: 5-6");
	expect_fault("talks: [{client: 10.9.0.5, device: 10.9.0.1, protocol: modbus, allow: "
		     "{umas.stop_plc: any}}]",
		"x:3:74: belongs under decide, as {allow: yes}: umas.stop_plc");
	expect_fault("talks: [{client: 10.9.0.5, device: 10.9.0.1, protocol: modbus, decide: "
		     "{umas.stop_plc: {allow: ask}}}]",
		"x:3:98: decide it: yes or no for umas.stop_plc");
	expect_fault("talks: []\n  zone: UTC\n  hours: 8-9", "x:5:10: hours are like "
							     "\"22:00-04:30\"");
	expect_fault("talks: []\n  file: a.yaml", "x:2:3: a baseline has a file or talks, and not "
						  "both");
	expect_fault("talks: []\n  until: soon",
		"x:4:10: until is a time with its zone: 2027-06-01T00:00:00+08:00");
}

static int64_t when(const char *text)
{
	int64_t ns;
	assert_true(when_parse(text, &ns));
	return ns;
}

static void the_first_whose_hours_it_is_holds(void **state)
{
	static const char text[] =
		"baseline:\n"
		"- {name: weekend, talks: [], days: [sat, sun], zone: UTC}\n"
		"- {name: service, talks: [], hours: \"22:00-04:00\", zone: UTC, "
		"until: 2026-11-30, expired: ignore}\n"
		"- {name: run, talks: [], until: 2026-11-01}\n";
	struct text_list faults = { 0 };
	struct config c;
	(void)state;
	config_init(&c);
	assert_true(config_parse(&c, "x", text, strlen(text), &faults));
	assert_int_equal(baselines_at(&c.baselines, when("2026-11-28T12:00Z")), 0); /* Saturday */
	assert_int_equal(baselines_at(&c.baselines, when("2026-11-27T23:00Z")), 1);
	assert_int_equal(baselines_at(&c.baselines, when("2026-11-27T12:00Z")), 2);
	assert_int_equal(baselines_at(&c.baselines, when("2026-11-28T23:00Z")), 0);
	assert_int_equal(baselines_at(&c.baselines, when("2026-12-01T23:00Z")), 2);
	c.baselines.count = 2; /* none without hours: the first goes on */
	assert_int_equal(baselines_at(&c.baselines, when("2026-11-27T12:00Z")), 0);
	c.baselines.count = 3;
	config_free(&c);
}

static void put_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

#define TALK(unit)                                                                                 \
	"talks: [{client: 10.9.0.5, device: 10.9.0.1, protocol: modbus, unit: " #unit ", allow: "  \
	"{read_coils: any}}]\n"

/* All files or none: half of a change is no baseline that anybody wrote. */
static void files_are_read_again_together(void **state)
{
	char a[] = "/tmp/test_baselineXXXXXX", b[] = "/tmp/test_baselineXXXXXX", text[512];
	struct text_list faults = { 0 };
	struct config c;
	(void)state;
	assert_true(close(mkstemp(a)) == 0 && close(mkstemp(b)) == 0);
	put_file(a, TALK(1));
	put_file(b, TALK(2));
	int n = snprintf(text, sizeof text,
		"baseline:\n- {name: a, file: %s}\n- {name: b, file: %s}\n"
		"- {name: c, talks: []}\n",
		a, b);
	config_init(&c);
	assert_true(config_parse(&c, "x", text, (size_t)n, &faults));
	baselines_load(&c.baselines, &faults);
	const struct baseline_use *use = c.baselines.use;
	const struct baseline *first = use[0].set, *inside = use[2].set;
	assert_int_equal(first->talk[0].key.unit, 1);
	put_file(a, TALK(11));
	put_file(b, "talks: [{client: nobody}]\n");
	assert_int_equal(baselines_reread(&c.baselines, &faults), 0);
	assert_true(faults.count > 0 && strstr(faults.text[0], b) != NULL);
	assert_null(use[0].fresh);
	baselines_take(&c.baselines);
	assert_ptr_equal(use[0].set, first);
	put_file(b, TALK(12));
	assert_int_equal(baselines_reread(&c.baselines, &faults), 2);
	assert_ptr_equal(use[0].set, first); /* not before it is taken */
	baselines_take(&c.baselines);
	assert_int_equal(use[0].set->talk[0].key.unit, 11);
	assert_int_equal(use[1].set->talk[0].key.unit, 12);
	assert_ptr_equal(use[2].set, inside);
	assert_int_equal(unlink(a) | unlink(b), 0);
	text_list_free(&faults);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(acts_read_back),
		cmocka_unit_test(verbs_are_those_of_the_operation),
		cmocka_unit_test(places_read_back),
		cmocka_unit_test(near_ranges_join),
		cmocka_unit_test(blocks_of_one_make_are_a_range_of_blocks),
		cmocka_unit_test(places_are_bounded),
		cmocka_unit_test(tables_are_bounded),
		cmocka_unit_test(faults_say_where),
		cmocka_unit_test(the_first_whose_hours_it_is_holds),
		cmocka_unit_test(files_are_read_again_together),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
