/* test_yaml.c - the tree, its positions, and everything it refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/yaml.h"

static struct text_list faults;

static struct yaml_file *parse(const char *text)
{
	text_list_free(&faults);
	/* a block of its own size, so that ASan sees a read too far */
	size_t len = strlen(text);
	char *copy = malloc(len == 0 ? 1 : len);
	assert_non_null(copy);
	memcpy(copy, text, len);
	struct yaml_file *file = yaml_parse("f.yaml", copy, len, &faults);
	free(copy);
	return file;
}

static void nodes_know_where_they_stand(void **state)
{
	(void)state;
	struct yaml_file *f = parse("a: 1\nlist:\n  - x\n  - {b: \"2\"}\n---\nsecond: yes\n");
	assert_int_equal(faults.count, 0);
	assert_int_equal(f->count, 2);
	const struct yaml *list = yaml_get(f->document[0], "list");
	assert_int_equal(list->kind, YAML_LIST);
	assert_int_equal(list->count, 2);
	assert_int_equal(list->child[0]->line, 3);
	assert_int_equal(list->child[0]->column, 5);
	const struct yaml *b = yaml_get(list->child[1], "b");
	assert_true(b->quoted);
	assert_int_equal(b->line, 4);
	assert_int_equal(b->column, 9);
	assert_int_equal(yaml_get(f->document[1], "second")->line, 6);
	assert_null(yaml_get(f->document[1], "third"));
	assert_null(yaml_get(list, "a"));
	yaml_file_free(f);
}

/* Text in, the one fault out. */
static const struct {
	const char *text, *fault;
} refused[] = {
	{ "a: 1\nb: 2\na: 3\n", "f.yaml:3:1: duplicate key a (first on line 1)" },
	{ "a: {x: 1, 'x': 2}\n", "f.yaml:1:11: duplicate key x (first on line 1)" },
	{ "? [a]\n: 1\n", "f.yaml:1:3: a key must be plain text" },
	{ "a: &x 1\nb:\n  <<: *x\n", "f.yaml:3:3: merge keys (<<) are not supported" },
	{ "a: !!binary aGk=\n", "f.yaml:1:4: tags are not supported: tag:yaml.org,2002:binary" },
	{ "a: !mine {}\n", "f.yaml:1:4: tags are not supported: !mine" },
	{ "a: *nobody\n", "f.yaml:1:4: an alias of no anchor: nobody" },
	{ "a: &x [*x]\n", "f.yaml:1:8: an alias inside its own anchor: x" },
	{ "a: \"x\\0y\"\n", "f.yaml:1:4: a NUL character in a text" },
	{ "a: [1, 2\nb: 3\n",
		"f.yaml:2:2: did not find expected ',' or ']', while parsing a flow sequence" },
	{ "a: 1\n b: 2\n", "f.yaml:2:3: mapping values are not allowed in this context" },
};

static void what_nobody_meant_is_a_fault(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct yaml_file *f = parse(refused[i].text);
		assert_int_equal(faults.count, 1);
		assert_string_equal(faults.text[0], refused[i].fault);
		yaml_file_free(f);
	}
}

/* Small maps are compared key by key, large ones are sorted. */
static void a_key_given_twice_is_found_in_a_map_of_any_size(void **state)
{
	(void)state;
	for (unsigned keys = 2; keys < 60; keys++)
		for (unsigned twice = 0; twice < keys; twice++) {
			char text[1024];
			int len = 0;
			for (unsigned k = 0; k < keys; k++)
				len += snprintf(
					text + len, sizeof text - (size_t)len, "k%u: 1\n", k);
			snprintf(text + len, sizeof text - (size_t)len, "k%u: 2\n", twice);
			char told[96];
			snprintf(told, sizeof told,
				"f.yaml:%u:1: duplicate key k%u (first on line %u)", keys + 1,
				twice, twice + 1);
			struct yaml_file *f = parse(text);
			assert_int_equal(faults.count, 1);
			assert_string_equal(faults.text[0], told);
			yaml_file_free(f);
		}
}

static void one_broken_document_hides_no_other(void **state)
{
	(void)state;
	struct yaml_file *f = parse(
		"a: ööööööööööööööööööööö\n---\nb: [\n---\nc: 1\nc: 2\n---\nd: 'x\n---\ne: 5\n");
	assert_int_equal(faults.count, 3);
	assert_non_null(strstr(faults.text[0], "f.yaml:4:1: "));
	assert_string_equal(faults.text[1], "f.yaml:6:1: duplicate key c (first on line 5)");
	assert_non_null(strstr(faults.text[2], "f.yaml:9:1: "));
	assert_int_equal(f->count, 3);
	const struct yaml *last = f->document[2];
	assert_string_equal(last->key[0]->text, "e");
	assert_int_equal(last->line, 10);
	yaml_file_free(f);
}

static void depth_is_bounded(void **state)
{
	(void)state;
	char text[200];
	memset(text, '[', 100);
	memset(text + 100, ']', 99);
	text[199] = '\0';
	struct yaml_file *f = parse(text);
	assert_int_equal(faults.count, 1);
	assert_string_equal(faults.text[0], "f.yaml:1:33: nested too deep");
	yaml_file_free(f);
}

static void aliases_share_and_bombs_do_not_explode(void **state)
{
	(void)state;
	struct yaml_file *f = parse("a: &x [1, 2]\nb: *x\n");
	assert_int_equal(faults.count, 0);
	const struct yaml *b = yaml_get(f->document[0], "b");
	assert_int_equal(b->count, 2);
	assert_int_equal(b->line, 2);
	yaml_file_free(f);

	char bomb[4096] = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
	for (int i = 1; i < 12; i++) {
		size_t n = strlen(bomb);
		snprintf(bomb + n, sizeof bomb - n,
			"a%d: &a%d [*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d,*a%d]\n", i, i, i - 1, i - 1,
			i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	}
	f = parse(bomb);
	assert_int_equal(faults.count, 1);
	assert_non_null(strstr(faults.text[0], "aliases blow the file up too far"));
	yaml_file_free(f);

	char deep[4096] = "a0: &a0 [x]\n";
	for (int i = 1; i < 40; i++) {
		size_t n = strlen(deep);
		snprintf(deep + n, sizeof deep - n, "a%d: &a%d [*a%d]\n", i, i, i - 1);
	}
	f = parse(deep);
	assert_int_equal(faults.count, 1);
	assert_non_null(strstr(faults.text[0], "nested too deep through the alias"));
	yaml_file_free(f);
}

static const struct yaml *value(struct yaml_file *f)
{
	return yaml_get(f->document[0], "v");
}

static void scalars_follow_the_core_rules(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool is_uint, is_int, is_real, is_bool, is_null;
		int64_t n;
		double r;
	} cases[] = {
		{ "v: 16", true, true, true, false, false, 16, 16 },
		{ "v: 0x10", true, true, true, false, false, 16, 16 },
		{ "v: -5", false, true, true, false, false, -5, -5 },
		{ "v: 1.5", false, false, true, false, false, 0, 1.5 },
		{ "v: -2e3", false, false, true, false, false, 0, -2000 },
		{ "v: '16'", false, false, false, false, false, 0, 0 },
		{ "v: !!str 16", false, false, false, false, false, 0, 0 },
		{ "v: 010", false, false, true, false, false, 0, 10 },
		{ "v: 0x", false, false, false, false, false, 0, 0 },
		{ "v: e", false, false, false, false, false, 0, 0 },
		{ "v: 1.2.3", false, false, false, false, false, 0, 0 },
		{ "v: 99999999999999999999", false, false, true, false, false, 0, 1e20 },
		{ "v: 1e999", false, false, false, false, false, 0, 0 },
		{ "v: .inf", false, false, false, false, false, 0, 0 },
		{ "v: true", false, false, false, true, false, 1, 0 },
		{ "v: Off", false, false, false, true, false, 0, 0 },
		{ "v: 'true'", false, false, false, false, false, 0, 0 },
		{ "v: ~", false, false, false, false, true, 0, 0 },
		{ "v:", false, false, false, false, true, 0, 0 },
		{ "v: ''", false, false, false, false, false, 0, 0 },
		{ "v: [1]", false, false, false, false, false, 0, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct yaml_file *f = parse(cases[i].text);
		const struct yaml *v = value(f);
		uint64_t u = 0;
		int64_t n = 0;
		double r = 0;
		bool b = false;
		assert_int_equal(yaml_uint(v, &u), cases[i].is_uint);
		assert_int_equal(yaml_int(v, &n), cases[i].is_int);
		assert_int_equal(yaml_real(v, &r), cases[i].is_real);
		assert_int_equal(yaml_bool(v, &b), cases[i].is_bool);
		assert_int_equal(yaml_null(v), cases[i].is_null);
		if (cases[i].is_uint)
			assert_int_equal(u, cases[i].n);
		if (cases[i].is_int)
			assert_int_equal(n, cases[i].n);
		if (cases[i].is_real)
			assert_true(r == cases[i].r);
		if (cases[i].is_bool)
			assert_int_equal(b, cases[i].n);
		yaml_file_free(f);
	}
	uint64_t largest;
	double real;
	struct yaml_file *hex = parse("v: 0xFFFFFFFFFFFFFFFF");
	assert_true(yaml_uint(value(hex), &largest) && largest == UINT64_MAX);
	assert_true(yaml_real(value(hex), &real) && real == 0x1p64);
	yaml_file_free(hex);
	int64_t lowest;
	struct yaml_file *f = parse("v: -9223372036854775808");
	assert_true(yaml_int(value(f), &lowest));
	assert_true(lowest == INT64_MIN);
	yaml_file_free(f);
	f = parse("v: -9223372036854775809");
	assert_false(yaml_int(value(f), &lowest));
	yaml_file_free(f);
}

static void files_that_are_not_there_or_too_large(void **state)
{
	(void)state;
	text_list_free(&faults);
	assert_null(yaml_load("/nonexistent/x.yaml", &faults));
	assert_string_equal(faults.text[0], "/nonexistent/x.yaml: No such file or directory");
	assert_null(yaml_load("/", &faults));
	assert_int_equal(faults.count, 2);
	size_t len = 17u << 20;
	char *large = calloc(1, len);
	assert_non_null(large);
	struct yaml_file *f = yaml_parse("big", large, len, &faults);
	assert_string_equal(faults.text[2], "big: larger than 16 MiB");
	assert_int_equal(f->count, 0);
	yaml_file_free(f);
	free(large);
	yaml_file_free(NULL);
}

static void fault_lists_are_bounded(void **state)
{
	(void)state;
	text_list_free(&faults);
	for (int i = 0; i < 1500; i++)
		text_list_add(&faults, "line %d", i);
	assert_int_equal(faults.count, 1001);
	assert_int_equal(faults.left_out, 500);
	assert_string_equal(faults.text[999], "line 999");
	assert_string_equal(faults.text[1000], "and 500 more");
}

static void the_nearest_word(void **state)
{
	(void)state;
	static const char *const words[] = { "modbus.function_code", "modbus.address",
		"modbus.mei_type", "dnp3.source", "src_ip", "dest_ip", NULL };
	static const struct {
		const char *word, *nearest;
	} cases[] = {
		{ "modbus.fnc", "modbus.function_code" },
		{ "modbus.adress", "modbus.address" },
		{ "modbus.addr", "modbus.address" },
		{ "src_pi", "src_ip" },
		{ "dst_ip", "dest_ip" },
		{ "modbus.xyz", NULL },
		{ "", NULL },
		{ "something_else", NULL },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *got = text_nearest(cases[i].word, words);
		if (cases[i].nearest == NULL)
			assert_null(got);
		else {
			assert_non_null(got);
			assert_string_equal(got, cases[i].nearest);
		}
	}
}

static int done(void **state)
{
	(void)state;
	text_list_free(&faults);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nodes_know_where_they_stand),
		cmocka_unit_test(what_nobody_meant_is_a_fault),
		cmocka_unit_test(a_key_given_twice_is_found_in_a_map_of_any_size),
		cmocka_unit_test(one_broken_document_hides_no_other),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(aliases_share_and_bombs_do_not_explode),
		cmocka_unit_test(scalars_follow_the_core_rules),
		cmocka_unit_test(files_that_are_not_there_or_too_large),
		cmocka_unit_test(fault_lists_are_bounded),
		cmocka_unit_test(the_nearest_word),
	};
	return cmocka_run_group_tests(tests, NULL, done);
}
