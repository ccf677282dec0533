/* test_rule_report.c - what is said of rules after a run, and of fields before one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>

#include "common/text_list.h"
#include "sensor/envelope.h"
#include "sensor/fields_list.h"
#include "tests/unit/toy.h"

#define RULE(n, title, selection)                                                                  \
	"title: " title "\nid: 00000000-0000-4000-8000-00000000000" n                              \
	"\nlogsource: {product: bongsu, service: toy}\ndetection: {a: {" selection                 \
	"}, condition: a}\nics: {sid: 100" n "}\n---\n"

static const char rules_text[] =
	RULE("1", "Fires \\\"once\\\"", "toy.number: 1") RULE("2", "Dead", "toy.number: 2")
		RULE("3", "Fires with the verdict", "toy.number: 3, verdict.outcome: rejected");

static char *printed(void (*print)(const struct rule_run *, void *), const struct rule_run *run)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	assert_non_null(out);
	print(run, out);
	fclose(out);
	return text;
}

static struct rules *load(void)
{
	struct text_list faults = { 0 };
	struct rule_source from = { .dissectors = toy_dissectors };
	struct rules *r = rules_parse(&from, "t.yaml", rules_text, strlen(rules_text), &faults);
	assert_int_equal(faults.count, 0);
	return r;
}

static void run_some(struct rule_run *run)
{
	static struct toy_event t;
	struct hit hits[4];
	for (int i = 0; i < 5; i++) {
		toy_make(&t, "number=1");
		assert_int_equal(rules_match(run, &t.e, hits, 4), 1);
	}
	toy_make(&t, "number=3 verdict=pending");
	assert_int_equal(rules_match(run, &t.e, hits, 4), 1);
	assert_true(hits[0].later);
	t.e.verdict.outcome = VERDICT_REJECTED;
	assert_true(rule_holds(run, hits[0].rule, &t.e, &hits[0]));
	toy_make(&t, "number=3 verdict=pending");
	assert_int_equal(rules_match(run, &t.e, hits, 4), 1);
	t.e.verdict.outcome = VERDICT_ACCEPTED;
	assert_false(rule_holds(run, hits[0].rule, &t.e, &hits[0]));
}

static void the_report_tells_fired_from_dead(void **state)
{
	(void)state;
	struct rules *r = load();
	struct rule_run *run = rule_run_new(r);
	run_some(run);
	char *text = printed(rules_report, run);
	assert_non_null(strstr(text, "2 of 3 rules fired over 7 messages"));
	assert_non_null(strstr(text, "1 dead:"));
	const char *dead = strstr(text, "Dead (t.yaml:"), *heading = strstr(text, "1 dead:");
	assert_true(dead > heading);
	assert_true(strstr(text, "Fires with the verdict") < heading);
	free(text);

	text = printed(rules_report_json, run);
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(j);
	assert_int_equal(json_integer_value(json_object_get(j, "messages")), 7);
	json_t *first = json_array_get(json_object_get(j, "rules"), 0);
	assert_string_equal(
		json_string_value(json_object_get(first, "title")), "Fires \\\"once\\\"");
	assert_int_equal(json_integer_value(json_object_get(first, "fired")), 5);
	assert_int_equal(json_integer_value(json_object_get(first, "sid")), 1001);
	json_t *second = json_array_get(json_object_get(j, "rules"), 1);
	assert_int_equal(json_integer_value(json_object_get(second, "fired")), 1);
	json_t *last = json_array_get(json_object_get(j, "rules"), 2);
	assert_int_equal(json_integer_value(json_object_get(last, "fired")), 0);
	json_decref(j);
	free(text);
	rule_run_free(run);
	rules_free(r);
}

/* The bound on hits is kept, counted, and what is kept is in the order of the rules. */
static void hits_are_bounded(void **state)
{
	(void)state;
	enum { RULES = 100 };
	static char text[RULES * 300];
	static struct toy_event t;
	size_t n = 0;
	for (int i = 0; i < RULES; i++)
		n += (size_t)snprintf(text + n, sizeof text - n,
			"---\ntitle: R\nid: 00000000-0000-4000-8000-%012d\nlogsource: {product: "
			"bongsu, service: toy}\n"
			"detection: {a: {toy.number: 1}, condition: a}\nics: {sid: %d}\n",
			i, i + 1);
	struct text_list faults = { 0 };
	struct rule_source from = { .dissectors = toy_dissectors };
	struct rules *r = rules_parse(&from, "t.yaml", text, n, &faults);
	assert_non_null(r);
	struct rule_run *run = rule_run_new(r);
	struct hit hits[HITS_MAX];
	toy_make(&t, "number=1");
	assert_int_equal(rules_match(run, &t.e, hits, HITS_MAX), HITS_MAX);
	for (size_t i = 1; i < HITS_MAX; i++)
		assert_true(hits[i - 1].rule->index < hits[i].rule->index);
	char *said = printed(rules_report, run);
	assert_non_null(strstr(said, "36 hits beyond the bound of one message"));
	free(said);
	rule_run_free(run);
	rules_free(r);
}

static void every_field_is_listed(void **state)
{
	(void)state;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	fields_list(out);
	fclose(out);
	for (unsigned i = 0; i < ENVELOPE_FIELDS; i++) {
		assert_non_null(strstr(text, envelope_fields[i].field.name));
		assert_non_null(strstr(text, envelope_fields[i].field.doc));
	}
	for (size_t d = 0; dissectors[d] != NULL; d++) {
		for (unsigned i = 0; i < dissectors[d]->field_count; i++)
			assert_non_null(strstr(text, dissectors[d]->fields[i].name));
		for (unsigned i = 0; i < dissectors[d]->item_field_count; i++)
			assert_non_null(strstr(text, dissectors[d]->item_fields[i].name));
	}
	free(text);
	out = open_memstream(&text, &len);
	protocols_list(out);
	fclose(out);
	for (size_t d = 0; dissectors[d] != NULL; d++)
		assert_non_null(strstr(text, dissectors[d]->name));
	assert_non_null(strstr(text, "tcp/502"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_report_tells_fired_from_dead),
		cmocka_unit_test(hits_are_bounded),
		cmocka_unit_test(every_field_is_listed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
