/* test_rule_load.c - every fault of a rule file, with its place; what a good rule becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/text_list.h"
#include "tests/unit/toy.h"

static struct text_list faults;

static struct rules *parse(const char *text)
{
	static const char *const bad[] = { "10.0.0.1" };
	static const struct rule_list lists[] = { { "bad", bad, 1 } };
	struct rule_source from = { .dissectors = toy_dissectors,
		.lists = lists,
		.list_count = 1,
		.attack_table = "rules/attack.yaml" };
	text_list_free(&faults);
	return rules_parse(&from, "t.yaml", text, strlen(text), &faults);
}

/* Lines 1–3 and 4–6 of every rule below; the detection starts on line 4. */
#define ID           "id: 00000000-0000-4000-8000-000000000001\n"
#define HEAD         "title: T\n" ID "logsource: {product: bongsu, service: toy}\n"
#define RULE         HEAD "detection:\n  a:\n    toy.number: 1\n  condition: a\n"
#define SELECT(line) HEAD "detection:\n  a:\n    " line "\n  condition: a\n"
#define WHEN(text)                                                                                 \
	HEAD "detection:\n  a: {toy.number: 1}\n  b: {toy.number: 2}\n  condition: " text "\n"

#define CHAIN(map)                                                                                 \
	RULE "name: fed\n---\ntitle: C\nid: 00000000-0000-4000-8000-000000000002\nname: chain\n"   \
	     "correlation: " map "\n"

static const struct {
	const char *text, *fault; /* the one line */
} refused[] = {
	/* names */
	{ SELECT("toy.nmber: 1"), "6:5: unknown field toy.nmber (did you mean toy.number?)" },
	{ SELECT("toy.nbr: 1"), "6:5: unknown field toy.nbr (did you mean toy.number?)" },
	{ SELECT("scr_ip: 1.2.3.4"), "6:5: unknown field scr_ip (did you mean src_ip?)" },
	{ SELECT("modbus.zzz: 1"), "6:5: unknown field modbus.zzz" },
	{ SELECT("alien.number: 1"),
		"6:5: field alien.number belongs to alien, the rule's service is toy" },
	{ SELECT("toy.code: write_col"),
		"6:15: unknown name of toy.code write_col (did you mean write_coil?)" },
	{ SELECT("toy.number|contans: 1"),
		"6:5: unknown modifier contans (did you mean contains?)" },
	{ SELECT("toy.text|windash: x"), "6:5: modifier windash is not supported" },
	{ SELECT("toy.text|base64: x"), "6:5: modifier base64 is not supported" },
	{ SELECT("toy.text|base64offset: x"), "6:5: modifier base64offset is not supported" },
	{ SELECT("toy.text|utf16le: x"), "6:5: modifier utf16le is not supported" },
	{ SELECT("toy.text|wide: x"), "6:5: modifier wide is not supported" },
	/* types */
	{ SELECT("toy.number: abc"), "6:17: toy.number: is a whole number, not abc" },
	{ SELECT("toy.number: '16'"),
		"6:17: toy.number: is a whole number: write 16 without quotes" },
	{ SELECT("toy.number: 1.5"), "6:17: toy.number: is a whole number, not 1.5" },
	{ SELECT("toy.number: true"), "6:17: toy.number: is a whole number, not true" },
	{ SELECT("toy.number: -1"), "6:17: toy.number: is never negative" },
	{ SELECT("toy.number: [1, x]"), "6:21: toy.number: is a whole number, not x" },
	{ SELECT("toy.number: 010"), "6:17: toy.number: is a whole number, not 010" },
	{ SELECT("toy.number: {x: 1}"), "6:17: a value is no map" },
	{ SELECT("toy.number: [[1]]"), "6:18: a value of toy.number is a single text or number" },
	{ SELECT("toy.number: []"), "6:17: an empty list never holds" },
	{ SELECT("toy.number|contains: 1"), "6:5: toy.number is a number: texts are compared with "
					    "wildcards, cased, contains, startswith, "
					    "endswith" },
	{ SELECT("toy.number|re: 1"), "6:5: toy.number is no text: re does not apply" },
	{ SELECT("toy.number|cidr: 10.0.0.0/8"),
		"6:5: toy.number is no address: cidr does not apply" },
	{ SELECT("toy.number|hour: 1"), "6:5: toy.number is not a time" },
	{ SELECT("toy.number|all: [1, 2]"),
		"6:5: toy.number has one value: it cannot equal all of a list" },
	{ SELECT("toy.text|all: x"),
		"6:5: toy.text has a single value: all needs a list of two or more" },
	{ SELECT("toy.number|lt: [1, 2]"), "6:5: toy.number is compared with one number here" },
	{ SELECT("toy.text|lt: 5"), "6:5: toy.text is no number: it is neither less nor greater" },
	{ SELECT("toy.real: abc"), "6:15: toy.real: is a number, not abc" },
	{ SELECT("toy.signed: 9223372036854775808"),
		"6:17: toy.signed: is a whole number, not 9223372036854775808" },
	{ SELECT("toy.text: 5"), "6:15: toy.text: is a text: write '5' in quotes" },
	{ SELECT("toy.text: no"), "6:15: toy.text: is a text: write 'no' in quotes" },
	{ SELECT("toy.bytes: xyz"), "6:16: toy.bytes: is compared as hex digits" },
	{ SELECT("toy.bytes: 1234"), "6:16: toy.bytes: is bytes: write '1234' in quotes" },
	{ SELECT("toy.text|exists: 1"),
		"6:5: toy.text exists or it does not: write true or false" },
	{ SELECT("toy.text|re: '('"),
		"6:18: toy.text: missing closing parenthesis, at character 2" },
	{ SELECT("toy.code: 'zz*'"), "6:15: toy.code: no name is like zz*" },
	{ SELECT("src_port: 65536"), "6:15: src_port: 65536 is out of its range, 0 to 65535" },
	{ SELECT("vlan: 4096"), "6:11: vlan: 4096 is out of its range, 0 to 4095" },
	{ SELECT("timestamp|hour: 24"), "6:21: timestamp: 24 is out of its range, 0 to 23" },
	{ SELECT("src_ip: plc"), "6:13: src_ip: not an address: plc" },
	{ SELECT("src_ip: 10.0.0.0/8"),
		"6:13: src_ip: 10.0.0.0/8 is a prefix: did you mean src_ip|cidr?" },
	{ SELECT("src_ip|cidr: 10.0.0.1/8"),
		"6:18: src_ip: not an address or prefix (host bits must be 0): 10.0.0.1/8" },
	{ SELECT("src_mac: 00:11"), "6:14: src_mac: is written as 00:1b:1b:01:02:03" },
	{ SELECT("flags: overlapp"),
		"6:12: unknown name of flags overlapp (did you mean overlap?)" },
	/* modifiers together */
	{ SELECT("toy.text|lt|gt: 5"), "6:5: modifier gt does not go with those before it" },
	{ SELECT("toy.text|all|all: [a, b]"),
		"6:5: modifier all does not go with those before it" },
	{ SELECT("toy.text|i: x"), "6:5: i, m and s follow re" },
	{ SELECT("toy.text|contains|re: x"),
		"6:5: contains, startswith and endswith stand alone or with fieldref" },
	{ SELECT("toy.text|neq|contains: x"), "6:5: neq stands alone or with fieldref; to negate "
					      "something else use not in the condition" },
	{ SELECT("toy.number|exists|all: true"), "6:5: exists stands alone" },
	{ SELECT("toy.number|lt: null"),
		"6:5: toy.number is null or not: null goes with no other modifier" },
	{ SELECT("toy.number|fieldref: toy.text"), "6:26: toy.number and toy.text do not compare" },
	{ SELECT("toy.number|fieldref: toy.nmber"),
		"6:26: unknown field toy.nmber (did you mean toy.number?)" },
	{ SELECT("src_zone|fieldref: src_role"), "6:24: src_zone and src_role do not compare" },
	/* lists */
	{ SELECT("src_ip|expand: '%nobody%'"),
		"6:20: no list %nobody%: give it in the configuration or as lists/nobody.txt" },
	{ SELECT("src_ip|expand: '%../x%'"), "6:20: not the name of a list: %../x%" },
	{ SELECT("toy.number|expand: '%bad%'"),
		"6:5: toy.number: is a whole number, not 10.0.0.1 (from a list: 10.0.0.1)" },
	/* selections */
	{ HEAD "detection:\n  a: [x, y]\n  condition: a\n",
		"5:7: keyword lists are not supported: name the field" },
	{ HEAD "detection:\n  a: {'|all': [x, y]}\n  condition: a\n",
		"5:7: keyword lists are not supported: name the field" },
	{ HEAD "detection:\n  a: {}\n  condition: a\n", "5:6: an empty selection" },
	{ HEAD "detection:\n  a: 5\n  condition: a\n",
		"5:6: a selection is a map or a list of maps" },
	{ HEAD "detection:\n  a: {toy.number: 1}\n  timeframe: 5m\n  condition: a\n",
		"6:3: timeframe is not supported: it belongs to correlation rules" },
	{ HEAD "detection:\n  a: {toy.number: 1}\n", "5:3: missing condition" },
	{ HEAD "detection: x\n", "4:12: a detection is a map of selections and a condition" },
	/* conditions: column of the word */
	{ WHEN("a"), "6:3: selection b is not used by the condition" },
	{ WHEN("a or bb or b"), "7:19: unknown selection bb (did you mean b?)" },
	{ WHEN("a or b or"), "7:23: the condition ends where a selection was expected" },
	{ WHEN("(a or b"), "7:21: the condition ends where ')' was expected" },
	{ WHEN("a b"), "7:16: b where 'and', 'or' or the end was expected" },
	{ WHEN("a or b)"), "7:20: ) where 'and', 'or' or the end was expected" },
	{ WHEN("'a or or b'"), "7:20: or where a selection was expected" },
	{ WHEN("1 of c*"), "7:19: c* where a pattern that some selection matches was expected" },
	{ WHEN("1 off them"), "7:16: off where 'of' was expected" },
	{ WHEN("a or b | count() > 5"),
		"7:21: | where no '|' (aggregations are not supported), but the end was expected" },
	{ WHEN("a or b & a"), "7:21: & where 'and', 'or' or the end was expected" },
	{ WHEN("[]"), "7:14: a condition is a text or a list of texts" },
	/* the head */
	{ ID "logsource: {product: bongsu, service: toy}\ndetection: {a: {toy.number: 1}, "
	     "condition: a}\n",
		"1:1: missing title" },
	{ "title: T\nlogsource: {product: bongsu, service: toy}\ndetection: {a: {toy.number: 1}, "
	  "condition: a}\n",
		"1:1: missing id" },
	{ "title: T\nid: 12\nlogsource: {product: bongsu, service: toy}\n"
	  "detection: {a: {toy.number: 1}, condition: a}\n",
		"2:5: not a UUID: 12" },
	{ HEAD, "1:1: missing detection" },
	{ "title: T\n" ID "detection: {a: {toy.number: 1}, condition: a}\n",
		"1:1: missing logsource" },
	{ "title: T\n" ID
	  "logsource: {product: bongsu}\ndetection: {a: {src_port: 1}, condition: a}\n",
		"3:12: missing service" },
	{ "title: T\n" ID "logsource: {product: windows, service: toy}\ndetection: {a: {src_port: "
	  "1}, condition: a}\n",
		"3:22: the product is bongsu" },
	{ "title: T\n" ID "logsource: {product: bongsu, service: toi}\ndetection: {a: {src_port: "
	  "1}, condition: a}\n",
		"3:39: unknown service toi (did you mean toy?)" },
	{ "title: T\n" ID
	  "logsource: {product: bongsu, service: sensor}\ndetection: {a: {src_port: "
	  "1}, condition: a}\n",
		"3:39: service sensor has no events in this sensor yet" },
	{ "title: T\n" ID "logsource: {product: bongsu, service: toy, category: x}\n"
	  "detection: {a: {src_port: 1}, condition: a}\n",
		"3:44: unknown key category" },
	{ RULE "levl: low\n", "8:1: unknown key levl (did you mean level?)" },
	{ RULE "level: hihg\n", "8:8: unknown level hihg (did you mean high?)" },
	{ RULE "status: stabel\n", "8:9: unknown status stabel (did you mean stable?)" },
	{ RULE "date: 22.11.2026\n", "8:7: date is written as 2026-11-22" },
	{ RULE "modified: 2026-13-01\n", "8:11: modified is written as 2026-11-22" },
	{ RULE "references: x\n", "8:13: references is a list of texts" },
	{ RULE "related:\n  - {id: 00000000-0000-4000-8000-000000000002, type: copied}\n",
		"9:54: unknown relation copied" },
	{ RULE "fields: [toy.numbr]\n",
		"8:10: unknown field toy.numbr (did you mean toy.number?)" },
	{ RULE "tags: [attack.t9999]\n", "8:8: technique t9999 is not in rules/attack.yaml" },
	{ RULE "tags: [attack.t0808]\n", "8:8: technique t0808 is not in rules/attack.yaml" },
	{ RULE "tags: [attack.pwning]\n",
		"8:8: tag attack.pwning is neither a technique nor a tactic" },
	{ RULE "tags: [Upper.Case]\n", "8:8: a tag is namespace.name in lower case" },
	/* correlations: the map is on line 13 */
	{ CHAIN("{type: event_cout, rules: [fed], timespan: 5m, condition: {gte: 2}}"),
		"13:21: unknown type event_cout (did you mean event_count?)" },
	{ CHAIN("{rules: [fed], timespan: 5m, condition: {gte: 2}}"), "13:14: missing type" },
	{ CHAIN("{type: event_count, rules: [fet], timespan: 5m, condition: {gte: 2}}"),
		"13:42: unknown rule fet (did you mean fed?)" },
	{ CHAIN("{type: event_count, rules: fed, timespan: 5m, condition: {gte: 2}}"),
		"13:41: rules is a list of 1 to 16 rules, by id or name" },
	{ CHAIN("{type: event_count, rules: [fed, fed], timespan: 5m, condition: {gte: 2}}"),
		"13:47: the rule is listed twice" },
	{ CHAIN("{type: event_count, rules: [chain], timespan: 5m, condition: {gte: 2}}"),
		"13:42: a correlation cannot be one of its own rules" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5 minutes, condition: {gte: 2}}"),
		"13:58: a timespan is a number and s, m, h or d (90m), at most 30d" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 31d, condition: {gte: 2}}"),
		"13:58: a timespan is a number and s, m, h or d (90m), at most 30d" },
	{ CHAIN("{type: event_count, rules: [fed], condition: {gte: 2}}"),
		"13:14: missing timespan" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m}"), "13:14: missing condition" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m, condition: {}}"),
		"13:73: a condition compares: gt, gte, lt, lte, eq or neq" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m, condition: {get: 2}}"),
		"13:74: unknown key get (did you mean gt?)" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m, condition: {gte: 4097}}"),
		"13:79: can never hold: at most 4096 events of a group are remembered" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m, condition: {gte: 2, field: "
		"src_ip}}"),
		"13:82: field means nothing for event_count" },
	{ CHAIN("{type: value_count, rules: [fed], timespan: 5m, condition: {gte: 2}}"),
		"13:73: value_count needs a field" },
	{ CHAIN("{type: value_sum, rules: [fed], timespan: 5m, condition: {gte: 2, field: "
		"src_ip}}"),
		"13:87: src_ip is no number" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m, condition: {gte: 2}, group-by: "
		"[scr_ip]}"),
		"13:94: unknown field scr_ip (did you mean src_ip?)" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m, condition: {gte: 2}, group-by: "
		"[alien.number]}"),
		"13:94: alien.number is a field of alien, the rule T (t.yaml:1) is for toy" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m, condition: {gte: 2}, group-by: "
		"[a], "
		"aliases: {a: {fed: src_ip, fee: src_ip}}}"),
		"13:125: fee is none of the rules of this correlation" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m, condition: {gte: 2}, aliases: "
		"{src_ip: {fed: src_ip}}}"),
		"13:93: an alias cannot be called like a field" },
	{ CHAIN("{type: event_count, rules: [fed], timespan: 5m, condition: {gte: 2}, genrate: "
		"yes}"),
		"13:83: unknown key genrate (did you mean generate?)" },
	{ CHAIN("{type: temporal_ordered, rules: [fed], timespan: 5m}"),
		"13:46: an order needs two rules" },
	{ "just text\n", "1:1: a rule is a map that begins with its title" },
	{ RULE "level: low\nlevel: high\n", "9:1: duplicate key level (first on line 8)" },
	/* ics */
	{ RULE "ics: {sidd: 5}\n", "8:7: unknown key sidd (did you mean sid?)" },
	{ RULE "ics: {sid: 0}\n", "8:12: sid is a number from 1 to 2147483647" },
	{ RULE "ics: {sid: 2147483648}\n", "8:12: sid is a number from 1 to 2147483647" },
	{ RULE "ics: {verb: wirte}\n", "8:13: unknown verb wirte (did you mean write?)" },
	{ RULE "ics: {target: dst}\n", "8:15: unknown target dst (did you mean destination?)" },
	{ RULE "ics: {suppress: {by: [src_ip]}}\n", "8:17: suppress is a map of by and seconds" },
	{ RULE "ics: {suppress: {by: [port], seconds: 5}}\n", "8:23: unknown key port" },
	{ RULE "ics: {suppress: {by: [], seconds: 5}}\n",
		"8:22: by is a list: src_ip, dest_ip, flow, rule, unit" },
	{ RULE "ics: {suppress: {seconds: 0}}\n", "8:27: seconds is a number from 1 to 604800" },
	/* between rules */
	{ RULE "---\n" RULE, "10:5: duplicate id, first in t.yaml:1" },
	/* filters */
	{ "title: F\nlogsource: {product: bongsu, service: toy}\nfilter:\n  rules: [nobody]\n"
	  "  s: {toy.number: 1}\n  condition: not s\n",
		"4:11: no rule has the id or name nobody" },
	{ "title: F\nlogsource: {product: bongsu, service: toy}\nfilter:\n  s: {toy.number: 1}\n  "
	  "condition: not s\n",
		"4:3: a filter lists the rules it is for" },
};

/* Told as it should be, and nothing else. */
static bool told(const char *wanted)
{
	return faults.count == 1 && strncmp(faults.text[0], "t.yaml:", 7) == 0 &&
	       strcmp(faults.text[0] + 7, wanted) == 0;
}

static void each_fault_is_told_with_its_place(void **state)
{
	(void)state;
	size_t wrong = 0;
	for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
		struct rules *r = parse(refused[i].text);
		if (r == NULL && told(refused[i].fault))
			continue;
		wrong++;
		print_error("wanted: t.yaml:%s\n", refused[i].fault);
		for (size_t k = 0; k < faults.count; k++)
			print_error("   got: %s\n", faults.text[k]);
		rules_free(r);
	}
	assert_int_equal(wrong, 0);
}

static void one_bad_rule_hides_no_other(void **state)
{
	(void)state;
	assert_null(parse(
		"title: A\nid: x\nlogsource: {product: bongsu, service: toy}\nlevel: no\n"
		"detection:\n  a: {toy.x: 1, toy.number: z}\n  b: {toy.text: 5}\n  condition: a\n"
		"---\ntitle: [\n---\n- 5\n---\n" HEAD
		"detection: {a: {toy.number: q}, condition: a}\n"));
	assert_int_equal(faults.count, 9);
	static const char *const wanted[] = { "t.yaml:11:1: ", "t.yaml:2:5: not a UUID: x",
		"t.yaml:4:8: unknown level no", "t.yaml:6:7: unknown field toy.x",
		"t.yaml:6:29: toy.number: is a whole number, not z",
		"t.yaml:7:3: selection b is not used by the condition",
		"t.yaml:7:17: toy.text: is a text: write '5' in quotes",
		"t.yaml:12:1: a rule is a map that begins with its title",
		"t.yaml:17:29: toy.number: is a whole number, not q" };
	for (size_t i = 0; i < 9; i++)
		assert_memory_equal(faults.text[i], wanted[i], strlen(wanted[i]));
}

static void a_rule_becomes_what_it_says(void **state)
{
	(void)state;
	struct rules *r = parse(
		"title: Write \"x\"\nid: ABCDEF00-0000-4000-8000-000000000001\nstatus: test\n"
		"logsource: {product: bongsu, service: toy}\nlevel: high\n"
		"tags: [attack.t0855, attack.t0836, cve.2021-44228, tlp.green]\n"
		"detection: {a: {toy.number: 1}, condition: a}\n"
		"ics: {sid: 1000001, gid: 3, rev: 7, classtype: Control, target: destination, "
		"verb: write, suppress: {by: [src_ip, unit], seconds: 60}}\n");
	assert_non_null(r);
	assert_int_equal(rules_count(r), 1);
	const struct rule *rule = rules_at(r, 0);
	assert_int_equal(rule->sid, 1000001);
	assert_int_equal(rule->gid, 3);
	assert_int_equal(rule->rev, 7);
	assert_string_equal(rule->id, "abcdef00-0000-4000-8000-000000000001");
	assert_string_equal(rule->title, "Write \"x\"");
	assert_string_equal(rule->classtype, "Control");
	assert_string_equal(rule->verb, "write");
	assert_true(rule->changes_state);
	assert_int_equal(rule->level, LEVEL_HIGH);
	assert_string_equal(rule->service, "toy");
	assert_string_equal(rule->place, "t.yaml:1");
	assert_int_equal(rule->target, 2);
	assert_int_equal(rule->suppress_by, BY_SRC | BY_UNIT);
	assert_int_equal(rule->suppress_seconds, 60);
	assert_string_equal(rule->attck_v18_json, "[\"T0855\",\"T0836\"]");
	assert_string_equal(rule->metadata_json,
		"{\"mitre_technique_id\":[\"T1692.001\",\"T0836\"],"
		"\"mitre_technique_name\":[\"Unauthorized Message: Command Message\",\"Modify "
		"Parameter\"],"
		"\"mitre_tactic_id\":[\"TA0106\"],\"mitre_tactic_name\":[\"Impair Process "
		"Control\"],"
		"\"signature_severity\":[\"High\"],\"cve\":[\"CVE-2021-44228\"],"
		"\"sigma_id\":[\"abcdef00-0000-4000-8000-000000000001\"],\"tag\":[\"tlp.green\"]}");
	assert_null(rules_at(r, 1));
	rules_free(r);
}

static void circles_of_correlations_are_refused(void **state)
{
	(void)state;
	struct rules *r = parse("title: A\nid: 00000000-0000-4000-8000-00000000000a\nname: a\n"
				"correlation: {type: temporal, rules: [b], timespan: 1m}\n---\n"
				"title: B\nid: 00000000-0000-4000-8000-00000000000b\nname: b\n"
				"correlation: {type: event_count, rules: [a], timespan: 1m, "
				"condition: {gte: 2}}\n");
	assert_null(r);
	assert_int_equal(faults.count, 1);
	assert_string_equal(faults.text[0], "t.yaml:9:42: the correlations go round in a circle");
	rules_free(r);
}

static void what_is_left_out_has_defaults(void **state)
{
	(void)state;
	struct rules *r = parse(RULE);
	assert_non_null(r);
	const struct rule *rule = rules_at(r, 0);
	assert_in_range(rule->sid, 1900000000, 1999999999);
	assert_int_equal(rule->gid, 1);
	assert_int_equal(rule->rev, 1);
	assert_int_equal(rule->level, LEVEL_MEDIUM);
	assert_null(rule->verb);
	assert_false(rule->changes_state);
	assert_null(rule->attck_v18_json);
	assert_int_equal(rule->suppress_seconds, 0);
	uint32_t sid = rule->sid;
	rules_free(r);
	r = parse(RULE "status: deprecated\n"); /* checked, but retired */
	assert_non_null(r);
	assert_int_equal(rules_count(r), 0);
	rules_free(r);
	r = parse(RULE "ics: {suppress: {seconds: 5}}\n---\n\n---\n");
	assert_int_equal(rules_at(r, 0)->suppress_by, BY_RULE);
	assert_int_equal(rules_at(r, 0)->sid, sid); /* of the id alone */
	rules_free(r);
}

static size_t matches(const struct rules *r, const char *spec)
{
	static struct toy_event t;
	struct hit hits[8];
	struct rule_run *run = rule_run_new(r);
	toy_make(&t, spec);
	size_t n = rules_match(run, &t.e, hits, 8);
	rule_run_free(run);
	return n;
}

static void filters_are_anded_to_the_rules_they_name(void **state)
{
	(void)state;
	static const char second[] =
		"title: U\nid: 00000000-0000-4000-8000-000000000002\nname: named\n"
		"logsource: {product: bongsu, service: toy}\n"
		"detection: {a: {toy.number: 1}, condition: a}\n";
	char text[2048];
	snprintf(text, sizeof text,
		"%s---\n%s---\ntitle: F\nlogsource: {product: bongsu, service: toy}\n"
		"filter:\n  rules: [00000000-0000-4000-8000-000000000001]\n  hmi: {src_ip: "
		"10.0.0.5}\n"
		"  condition: not hmi\n",
		RULE, second);
	struct rules *r = parse(text);
	assert_non_null(r);
	assert_int_equal(matches(r, "number=1"), 1);
	assert_int_equal(matches(r, "number=1 src=10.0.0.6"), 2);
	rules_free(r);
	snprintf(text, sizeof text,
		"%s---\n%s---\ntitle: F\nlogsource: {product: bongsu, service: alien}\n"
		"filter:\n  rules: [named]\n  hmi: {src_ip: 10.0.0.5}\n  condition: not hmi\n",
		RULE, second);
	assert_null(parse(text));
	assert_string_equal(
		faults.text[0], "t.yaml:18:11: the filter is for service alien, the rule for toy");
}

static void write_file(const char *path, const char *text)
{
	FILE *out = fopen(path, "we");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

static void folders_are_read_in_order_and_lists_from_files(void **state)
{
	(void)state;
	char folder[] = "/tmp/rule_load_XX"
			"XX"
			"XX",
	     path[256], lists[64];
	assert_non_null(mkdtemp(folder));
	snprintf(lists, sizeof lists, "%s/lists", folder);
	assert_int_equal(mkdir(lists, 0700), 0);
	snprintf(path, sizeof path, "%s/b.yml", folder);
	write_file(path, "title: Second\nid: 00000000-0000-4000-8000-00000000000b\n"
			 "logsource: {product: bongsu, service: toy}\n"
			 "detection: {a: {src_ip|expand: '%masters%'}, condition: a}\n");
	snprintf(path, sizeof path, "%s/a.yaml", folder);
	write_file(path, "title: First\nid: 00000000-0000-4000-8000-00000000000a\n"
			 "logsource: {product: bongsu, service: toy}\n"
			 "detection: {a: {toy.number: 1}, condition: a}\n");
	snprintf(path, sizeof path, "%s/lists/masters.txt", folder);
	write_file(path, "# who may write\n10.0.0.5   # HMI\n\n  10.9.0.0/16\n");
	snprintf(path, sizeof path, "%s/notes.txt", folder);
	write_file(path, "not a rule");
	snprintf(path, sizeof path, "%s/a.yaml", folder);
	const char *paths[] = { folder, path }; /* a.yaml through two paths is one */
	struct rule_source from = {
		.paths = paths, .path_count = 2, .list_folder = lists, .dissectors = toy_dissectors
	};
	text_list_free(&faults);
	struct rules *r = rules_load(&from, &faults);
	for (size_t i = 0; i < faults.count; i++)
		print_error("%s\n", faults.text[i]);
	assert_non_null(r);
	assert_int_equal(rules_count(r), 2);
	assert_string_equal(rules_at(r, 0)->title, "First");
	assert_int_equal(matches(r, ""), 1);
	assert_int_equal(matches(r, "src=10.9.8.7"), 1);
	assert_int_equal(matches(r, "src=10.8.8.7"), 0);
	rules_free(r);

	snprintf(path, sizeof path, "%s/lists/masters.txt", folder);
	write_file(path, "10.0.0.5\nplc7\n");
	assert_null(rules_load(&from, &faults));
	char wanted[400];
	snprintf(wanted, sizeof wanted, "%s:2:1: not an address or prefix: plc7", path);
	assert_string_equal(faults.text[0], wanted);
	const char *nowhere[] = { "/nonexistent/rules" };
	from = (struct rule_source){
		.paths = nowhere, .path_count = 1, .dissectors = toy_dissectors
	};
	text_list_free(&faults);
	assert_null(rules_load(&from, &faults));
	assert_string_equal(faults.text[0], "/nonexistent/rules: No such file or directory");
	char command[300];
	snprintf(command, sizeof command, "rm -r %s", folder);
	assert_int_equal(system(command), 0);
}

static void sids_collide_only_once(void **state)
{
	(void)state;
	static const char two[] =
		RULE "ics: {sid: 7}\n---\ntitle: U\nid: 00000000-0000-4000-8000-000000000002\n"
		     "name: n\nlogsource: {product: bongsu, service: toy}\n"
		     "detection: {a: {toy.number: 1}, condition: a}\nics: {sid: 7}\n";
	assert_null(parse(two));
	assert_int_equal(faults.count, 1);
	assert_string_equal(faults.text[0], "t.yaml:15:12: duplicate sid 7, first in t.yaml:1");
}

static void the_shipped_rules_load(void **state)
{
	(void)state;
	static const char *const paths[] = { "rules" };
	struct rule_source from = { .paths = paths,
		.path_count = 1,
		.list_folder = "rules/lists",
		.attack_table = "rules/attack.yaml" };
	text_list_free(&faults);
	struct rules *r = rules_load(&from, &faults);
	for (size_t i = 0; i < faults.count; i++)
		print_error("%s\n", faults.text[i]);
	assert_non_null(r);
	assert_true(rules_count(r) > 0);
	rules_free(r);
}

/* A rule that names a technique is read all the same. */
static void a_table_with_a_hole_is_a_fault(void **state)
{
	(void)state;
	static const char table[] =
		"tactics: []\ntechniques:\n  - {v18: T0801, name: x, tactics: []}\n"
		"  - {v18: T0802, v19: T0802, name: y, tactics: []}\n",
			  one[] = RULE "tags: [attack.t0801, attack.t0802]\n";
	char path[] = "/tmp/test_attack_XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0 && write(fd, table, sizeof table - 1) == (ssize_t)(sizeof table - 1));
	close(fd);
	const struct rule_source from = { .dissectors = toy_dissectors, .attack_table = path };
	text_list_free(&faults);
	assert_null(rules_parse(&from, "t.yaml", one, sizeof one - 1, &faults));
	assert_int_equal(faults.count, 1);
	assert_non_null(strstr(faults.text[0], ":3:5: missing or no text: v19"));
	unlink(path);
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
		cmocka_unit_test(each_fault_is_told_with_its_place),
		cmocka_unit_test(one_bad_rule_hides_no_other),
		cmocka_unit_test(a_rule_becomes_what_it_says),
		cmocka_unit_test(circles_of_correlations_are_refused),
		cmocka_unit_test(what_is_left_out_has_defaults),
		cmocka_unit_test(filters_are_anded_to_the_rules_they_name),
		cmocka_unit_test(folders_are_read_in_order_and_lists_from_files),
		cmocka_unit_test(sids_collide_only_once),
		cmocka_unit_test(the_shipped_rules_load),
		cmocka_unit_test(a_table_with_a_hole_is_a_fault),
	};
	return cmocka_run_group_tests(tests, NULL, done);
}
