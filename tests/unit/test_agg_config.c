/* test_agg_config.c - settings of the aggregator: faults with their place and a suggestion, all at
 * once; what is dumped is read back; JSON within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/config.h"
#include "common/json.h"

#define ORG "37000000000000000000000000000037"

static bool parse(struct agg_config *c, const char *text, struct text_list *faults)
{
	agg_config_init(c);
	return agg_config_parse(c, "x.yaml", text, strlen(text), faults);
}

static void expect_fault(const char *text, const char *fault)
{
	struct agg_config c;
	struct text_list faults = { 0 };
	bool good = parse(&c, text, &faults), found = false;
	for (size_t i = 0; i < faults.count; i++)
		found = found || strcmp(faults.text[i], fault) == 0;
	if (good || !found)
		fail_msg("%s: says %s, not %s", text, faults.count > 0 ? faults.text[0] : "nothing",
			fault);
	text_list_free(&faults);
	agg_config_free(&c);
}

static void faults_name_their_place_and_what_was_meant(void **state)
{
	(void)state;
	expect_fault("digest:\n  windw: 3\n",
		"x.yaml:2:3: unknown setting digest.windw (did you mean digest.window?)");
	expect_fault("chain: {chidren: 3}\n",
		"x.yaml:1:9: unknown setting chain.chidren (did you mean chain.children?)");
	expect_fault("digest: {window: soon}\n", "x.yaml:1:18: digest.window is a whole number");
	expect_fault("digest: {window: 3601}\n", "x.yaml:1:18: digest.window is 1 to 3600 s");
	expect_fault("chain: {level: 4}\n", "x.yaml:1:16: chain.level is 0 to 3 ");
	expect_fault("node: {sandbox: maybe}\n", "x.yaml:1:17: node.sandbox is true or false");
	expect_fault("node: {attck: [a]}\n", "x.yaml:1:15: node.attck is a text");
	expect_fault("node: {attck: enterprise/15}\n", "x.yaml:1:15: node.attck is written ics/NN");
	expect_fault(
		"intake: {packs: always}\n", "x.yaml:1:17: intake.packs is ask, accept or refuse");
	expect_fault("notice: {national_keys: [abc]}\n",
		"x.yaml:1:26: notice.national_keys is public keys of 64 hex digits");
	expect_fault("chain: {listen: here}\n", "x.yaml:1:17: chain.listen is ADDRESS:PORT");
	expect_fault("chain: 5\n", "x.yaml:1:8: chain is a section: keys and values");
	expect_fault("- a\n", "x.yaml:1:1: a configuration is a map");
}

static void parents_are_judged(void **state)
{
	(void)state;
	expect_fault("parents: yes\n", "x.yaml:1:10: parents is a list of at most 4");
	expect_fault("parents: [x]\n", "x.yaml:1:11: a parent is a map: url, org, level, link …");
	expect_fault("parents:\n - {url: \"https://a:1\"}\n",
		"x.yaml:2:4: a parent has a url and an org");
	expect_fault("parents:\n - {url: \"http://a:1\", org: " ORG "}\n",
		"x.yaml:2:10: url is https://HOST:PORT");
	expect_fault("parents:\n - {url: \"https://a:1\", org: x}\n",
		"x.yaml:2:30: org is the parent's id of 32 hex digits");
	expect_fault("parents:\n - {url: \"https://a:1\", org: " ORG ", level: 4}\n",
		"x.yaml:2:71: level is 0 to 3");
	expect_fault("parents:\n - {url: \"https://a:1\", org: " ORG ", link: both}\n",
		"x.yaml:2:70: link is count or view");
	expect_fault("parents:\n - {url: \"https://a:1\", org: " ORG ", severity: 2}\n",
		"x.yaml:2:4: a parent with link: count gets everything: no filter");
	expect_fault("parents:\n - {url: \"https://a:1\", org: " ORG ", link: view}\n",
		"x.yaml:2:2: exactly one parent has link: count, the others view");
	expect_fault("parents:\n - {url: \"https://a:1\", org: " ORG
		     "}\n - {url: \"https://b:1\", org: " ORG ", link: view}\n",
		"x.yaml:3:4: two parents are the same: " ORG);
	expect_fault("parents:\n - {url: \"https://a:1\", org: " ORG ", colour: red}\n",
		"x.yaml:2:72: colour is no setting of a parent: url org level link region sector "
		"severity");
}

static void every_fault_is_listed(void **state)
{
	struct agg_config c;
	struct text_list faults = { 0 };
	(void)state;
	assert_false(
		parse(&c, "digest: {window: x, beat: 0}\nfoo: 1\nnode: {folder: [a]}\n", &faults));
	assert_int_equal(faults.count, 4);
	text_list_free(&faults);
	agg_config_free(&c);
}

static char *dump(const struct agg_config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	agg_config_dump(c, f);
	fclose(f);
	return text;
}

static void what_is_dumped_is_read_back(void **state)
{
	static const char *const all[] = { "",
		"digest: {window: 60, silenced: [a, b]}\nnode: {sandbox: false}\nparents:\n - "
		"{url: \"https://a:1\", org: " ORG
		", level: 2}\n - {url: \"https://[::1]:2\", org: 38000000000000000000000000000038, "
		"link: view, sector: C, region: "
		"\"37\", severity: 2}\n" };
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct agg_config a, b;
		struct text_list faults = { 0 };
		assert_true(parse(&a, all[i], &faults));
		char *once = dump(&a);
		if (!parse(&b, once, &faults))
			fail_msg("%s", faults.text[0]);
		char *twice = dump(&b);
		assert_string_equal(once, twice);
		assert_int_equal(b.parents, i == 0 ? 0 : 2);
		assert_int_equal(b.window_s, i == 0 ? 300 : 60);
		free(once);
		free(twice);
		agg_config_free(&a);
		agg_config_free(&b);
	}
}

static void one_is_set_over_the_file(void **state)
{
	static const char *const bad[] = { "digest.windw=3", "digest.window=0", "digest.window",
		"=3", "" };
	struct agg_config c;
	struct text_list faults = { 0 };
	(void)state;
	agg_config_init(&c);
	assert_int_equal(c.window_s, 300);
	assert_int_equal(c.k_firms, 5);
	assert_true(agg_config_set(&c, "digest.window=7", &faults));
	assert_int_equal(c.window_s, 7);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(agg_config_set(&c, bad[i], &faults));
	assert_int_equal(faults.count, sizeof bad / sizeof bad[0]);
	assert_false(agg_config_load(&c, "/nonexistent.yaml", &faults));
	text_list_free(&faults);
	agg_config_free(&c);
}

/* --- JSON ---------------------------------------------------------------------------------- */

static void json_is_refused_before_it_is_built(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} all[] = { { "{}", true }, { "[[[1]]]", true }, { "[[[[1]]]]", false },
		{ "[\"[[[[\"]", true }, { "[\"\\\"[[[[\"]", true }, { "{\"a\":{\"b\":[1]}}", true },
		{ "{\"a\":{\"b\":[[1]]}}", false }, { "{\"a\":1,\"a\":2}", false },
		{ "{} {}", false }, { "{}x", false }, { "", false }, { " ", false }, { "1", true },
		{ "\"x\"", true }, { "\"\xff\"", false }, { "\"\\u0000\"", false },
		{ "9223372036854775807", true }, { "9223372036854775808", false },
		{ "1e999", false }, { "NaN", false }, { "'x'", false }, { "{\"a\":}", false },
		{ "[1,]", false }, { "[1", false }, { "]", false }, { "tru", false } };
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct err err = { 0 };
		/* a block of its own size, so that a read too far is seen */
		size_t len = strlen(all[i].text);
		char *copy = malloc(len + (len == 0));
		memcpy(copy, all[i].text, len);
		json_t *j = json_read(copy, len, 3, &err);
		if ((j != NULL) != all[i].good || (j == NULL) != err.set)
			fail_msg("%s is %s", all[i].text, j != NULL ? "taken" : "refused");
		json_decref(j);
		free(copy);
	}
	char *deep = malloc(2000001);
	struct err err = { 0 };
	memset(deep, '[', 2000000);
	assert_null(json_read(deep, 2000000, 6, &err)); /* no stack is used up */
	free(deep);
}

static void json_is_written_as_it_was_read(void **state)
{
	static const char text[] =
		"{\"z\":[1,-2,\"a/b\\n\\\"锅\",true,null,{}],\"a\":9007199254740991}";
	struct err err = { 0 };
	size_t len;
	(void)state;
	json_t *j = json_read(text, sizeof text - 1, 4, &err);
	char *again = json_write(j, &len);
	assert_string_equal(again, text); /* in that order */
	assert_int_equal(len, sizeof text - 1);
	assert_int_equal(json_int_of(j, "a", 0), 9007199254740991);
	assert_int_equal(json_int_of(j, "z", 5), 5);
	assert_int_equal(json_int_of(NULL, "z", 6), 6);
	assert_null(json_text_of(j, "a"));
	free(again);
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_name_their_place_and_what_was_meant),
		cmocka_unit_test(parents_are_judged),
		cmocka_unit_test(every_fault_is_listed),
		cmocka_unit_test(what_is_dumped_is_read_back),
		cmocka_unit_test(one_is_set_over_the_file),
		cmocka_unit_test(json_is_refused_before_it_is_built),
		cmocka_unit_test(json_is_written_as_it_was_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
