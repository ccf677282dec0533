/* test_config.c - settings: defaults, faults with their place, the round trip, site look-ups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sensor/config.h"

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

static void faults_name_their_place(void **state)
{
	(void)state;
	expect_fault("limits:\n  flws: 3\n",
		"x.yaml:2:3: unknown setting limits.flws (did you mean limits.flows?)");
	expect_fault("limits:\n  flows: many\n", "x.yaml:2:10: limits.flows is a whole number");
	expect_fault("limits:\n  flows: 3\n", "x.yaml:2:10: limits.flows is 16 to 50000000 flows");
	expect_fault("sensor:\n  checksums: 7\n", "x.yaml:2:14: sensor.checksums is true or false");
	expect_fault("limits: 5\n", "x.yaml:1:9: limits is a section: keys and values");
	expect_fault("- a\n", "x.yaml:1:1: a configuration is a map");
	expect_fault(
		"names: {10.0.0.300: x}\n", "x.yaml:1:9: not an address or prefix: 10.0.0.300");
	expect_fault(
		"zones: {a: [10.0.0.1/8]}\n", "x.yaml:1:13: not an address or prefix: 10.0.0.1/8");
	expect_fault("names: {10.0.0.1: {name: x, criticality: 101}}\n",
		"x.yaml:1:42: criticality is 0 to 100");
	expect_fault(
		"timeouts: {reply_ms: {modbus: 0}}\n", "x.yaml:1:31: reply_ms is 1 to 3600000 ms");
}

static void every_fault_is_listed(void **state)
{
	(void)state;
	struct config c;
	struct text_list faults = { 0 };
	assert_false(
		parse(&c, "limits: {flows: x, waiting: y}\nfoo: 1\noutputs: {a: b}\n", &faults));
	assert_int_equal(faults.count, 4);
	text_list_free(&faults);
	config_free(&c);
}

static void settings_are_overridden_one_by_one(void **state)
{
	(void)state;
	struct config c;
	struct text_list faults = { 0 };
	config_init(&c);
	assert_true(config_set(&c, "limits.flows=32", &faults));
	assert_int_equal(c.max_flows, 32);
	assert_true(config_set(&c, "epoch=7", &faults));
	assert_int_equal(c.epoch, 7);
	assert_true(config_set(&c, "timeouts.reply_ms.modbus=250", &faults));
	assert_int_equal(c.reply_ms[dissector_index(dissector_named("modbus"))], 250);
	assert_false(config_set(&c, "limits.flows", &faults));
	assert_false(config_set(&c, "no.such=1", &faults));
	assert_int_equal(faults.count, 2);
	text_list_free(&faults);
	config_free(&c);
}

static const char whole[] =
	"sensor: {name: \"pl\\\"ant \\N\\L\\P\\x9e\\uFEFF\\uFFFF \\u00e9\", interfaces: [eth0, "
	"eth1]}\n"
	"outputs: [\"-\", \"file:/tmp/x\"]\n"
	"lists: {masters: [10.0.0.1, 10.0.0.0/8]}\n"
	"names:\n  10.0.0.5: {name: pump, criticality: 80}\n  fd00::5: valve\n"
	"roles: {engineering: [10.1.0.0/16], hmi: [10.0.0.0/8]}\n"
	"silences: [{verb: write, until: 2026-12-24, reason: \"a\\Pb\"}]\n"
	"maintenance: [{name: m, days: [sat], hours: \"22:00-04:00\", zone: UTC, who: pump,\n"
	"  verbs: [stop, start], reason: x}]\n"
	"zones: {cell: {level: 1, prefixes: [10.0.0.0/24]}, dmz: {level: 3.5, prefixes: []}}\n";

static char *dumped(const struct config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	config_dump(c, f);
	fclose(f);
	return text;
}

static void a_dump_reads_back_as_the_same(void **state)
{
	(void)state;
	struct config c, again;
	struct text_list faults = { 0 };
	assert_true(parse(&c, whole, &faults));
	char *first = dumped(&c);
	bool ok = parse(&again, first, &faults);
	for (size_t i = 0; i < faults.count; i++)
		print_error("%s\n", faults.text[i]);
	assert_true(ok);
	char *second = dumped(&again);
	assert_string_equal(first, second);
	free(first);
	free(second);
	config_free(&c);
	config_free(&again);
}

static void the_defaults_read_back_too(void **state)
{
	(void)state;
	struct config c, again;
	struct text_list faults = { 0 };
	config_init(&c);
	char *first = dumped(&c);
	assert_true(parse(&again, first, &faults));
	char *second = dumped(&again);
	assert_string_equal(first, second);
	assert_non_null(strstr(first, "epoch: null"));
	free(first);
	free(second);
	config_free(&c);
	config_free(&again);
}

static void set_ip(struct endpoint *e, const char *text)
{
	uint8_t bits;
	assert_true(site_prefix_parse(text, e->ip.bytes, &bits));
}

static void the_longest_prefix_names_a_device(void **state)
{
	(void)state;
	struct config c;
	struct text_list faults = { 0 };
	struct flow f = { 0 };
	assert_true(parse(&c, whole, &faults));
	set_ip(&f.end[0], "10.0.0.5");
	set_ip(&f.end[1], "10.1.2.3");
	site_facts(&c.site, &f);
	assert_string_equal(c.site.names.label[f.name[0]], "pump");
	assert_int_equal(c.site.criticality[f.name[0]], 80);
	assert_string_equal(c.site.roles.label[f.role[0]], "hmi");
	assert_string_equal(c.site.roles.label[f.role[1]], "engineering");
	assert_string_equal(c.site.zones.label[f.zone[0]], "cell");
	assert_int_equal(f.zone[1], 0);
	assert_int_equal(f.name[1], 0);
	set_ip(&f.end[0], "fd00::5");
	set_ip(&f.end[1], "192.168.1.1");
	site_facts(&c.site, &f);
	assert_string_equal(c.site.names.label[f.name[0]], "valve");
	assert_int_equal(f.role[1], 0);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_name_their_place),
		cmocka_unit_test(every_fault_is_listed),
		cmocka_unit_test(settings_are_overridden_one_by_one),
		cmocka_unit_test(a_dump_reads_back_as_the_same),
		cmocka_unit_test(the_defaults_read_back_too),
		cmocka_unit_test(the_longest_prefix_names_a_device),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
