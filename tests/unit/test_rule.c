/* test_rule.c - each modifier and condition of the language, on messages that hold and that do not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/text_list.h"
#include "tests/unit/toy.h"

static const char *const addrs[] = { "10.1.0.0/16", "192.0.2.7", "2001:db8::/32" };
static const char *const codes[] = { "5", "0x10" };
static const char *const words[] = { "alpha", "Be*", "42" };
static const struct rule_list lists[] = { { "masters", addrs, 3 }, { "writes", codes, 2 },
	{ "words", words, 3 }, { "empty", NULL, 0 } };

static struct rule_source source(void)
{
	return (struct rule_source){ .dissectors = toy_dissectors,
		.lists = lists,
		.list_count = 4,
		.role_names = toy_roles,
		.role_count = 4,
		.zone_names = toy_zones,
		.zone_count = 4,
		.name_names = toy_names,
		.name_count = 3 };
}

static struct rules *load(const char *service, const char *detection)
{
	char text[4096];
	struct text_list faults = { 0 };
	struct rule_source from = source();
	int n = snprintf(text, sizeof text,
		"title: T\nid: 00000000-0000-4000-8000-000000000001\n"
		"logsource: {product: bongsu, service: %s}\ndetection:\n%s\n",
		service, detection);
	struct rules *r = rules_parse(&from, "t.yaml", text, (size_t)n, &faults);
	for (size_t i = 0; i < faults.count; i++)
		print_error("%s\nin: %s\n", faults.text[i], detection);
	text_list_free(&faults);
	assert_non_null(r);
	return r;
}

enum answer { NOT, HIT, LATER };

static enum answer ask(const struct rules *r, const char *spec, int32_t *item)
{
	static struct toy_event t;
	struct hit hits[4];
	toy_make(&t, spec);
	struct rule_run *run = rule_run_new(r);
	assert_non_null(run);
	size_t n = rules_match(run, &t.e, hits, 4);
	assert_true(n <= 1);
	if (n == 1 && item != NULL)
		*item = hits[0].item;
	/* one rule asked directly says the same */
	struct hit direct;
	if (n == 0 || !hits[0].later)
		assert_int_equal(rule_holds(run, rules_at(r, 0), &t.e, &direct), n == 1);
	rule_run_free(run);
	return n == 0 ? NOT : hits[0].later ? LATER : HIT;
}

static void expect(const char *detection, const char *spec, enum answer wanted)
{
	struct rules *r = load("toy", detection);
	enum answer got = ask(r, spec, NULL);
	if (got != wanted)
		print_error("%s\non: %s\ngave %d, not %d\n", detection, spec, got, wanted);
	assert_int_equal(got, wanted);
	rules_free(r);
}

/* A selection's body, messages on which it holds and on which it does not. */
static const struct {
	const char *selection;
	const char *holds[5], *fails[6];
} selections[] = {
	/* numbers */
	{ "toy.number: 16", { "number=16" }, { "number=17", "", "code=16" } },
	{ "toy.number: 0x10", { "number=16" }, { "number=10" } },
	{ "toy.number: [1, 2, 300]", { "number=1", "number=2", "number=300" }, { "number=3", "" } },
	{ "toy.code: write_coil", { "code=5" }, { "code=1", "" } },
	{ "toy.code: [read_coils, 16]", { "code=1", "code=16" }, { "code=5" } },
	{ "toy.code: 'write_*'", { "code=5", "code=16" }, { "code=1" } },
	{ "toy.code|startswith: WRITE", { "code=5", "code=16" }, { "code=1", "code=9" } },
	{ "toy.code|endswith: coils", { "code=1" }, { "code=5" } },
	{ "toy.signed: -5", { "signed=-5" }, { "signed=5" } },
	{ "toy.signed: [-5, 3]", { "signed=-5", "signed=3" }, { "signed=0" } },
	{ "toy.signed|lt: -1", { "signed=-2" }, { "signed=-1", "signed=4", "" } },
	{ "toy.real: 1.5", { "real=1.5" }, { "real=1.6" } },
	{ "toy.real: [2, -0.25]", { "real=2", "real=-0.25" }, { "real=0" } },
	{ "toy.real|gte: 1.5", { "real=1.5", "real=2e9" }, { "real=1.499", "" } },
	{ "toy.number|lt: 10", { "number=9" }, { "number=10", "" } },
	{ "toy.number|lte: 10", { "number=10" }, { "number=11" } },
	{ "toy.number|gt: 10", { "number=11", "number=18446744073709551615" }, { "number=10" } },
	{ "toy.number|gte: 10", { "number=10" }, { "number=9" } },
	{ "{toy.number|gte: 10, toy.number|lte: 20}", { "number=10", "number=20" },
		{ "number=9", "number=21" } },
	{ "toy.number|neq: 5", { "number=4" }, { "number=5", "" } },
	{ "toy.number|neq: [5, 6]", { "number=4" }, { "number=5", "number=6" } },
	{ "toy.code|gte: write_coil", { "code=5", "code=16" }, { "code=1" } },
	/* presence */
	{ "toy.number|exists: true", { "number=0" }, { "" } },
	{ "toy.number|exists: false", { "" }, { "number=0" } },
	{ "toy.number: null", { "", "code=1" }, { "number=0" } },
	{ "toy.number: [null, 5]", { "", "number=5" }, { "number=6" } },
	{ "toy.number|neq: null", { "number=1" }, { "" } },
	/* texts */
	{ "toy.text: Hello", { "text=hello", "text=HELLO" }, { "text=hello1", "text=hell", "" } },
	{ "toy.text|cased: Hello", { "text=Hello" }, { "text=hello" } },
	{ "toy.text: 'he*o'", { "text=heo", "text=hello" }, { "text=hellos", "text=ho" } },
	{ "toy.text: 'h?llo'", { "text=hello", "text=hallo" }, { "text=hllo", "text=haallo" } },
	{ "toy.text: 'a*b*c?'", { "text=abcd", "text=axbybzcc", "text=abcbcx" },
		{ "text=abc", "text=abdx" } },
	{ "toy.text: '*'", { "text=x" }, { "" } },
	{ "toy.text: '?*'", { "text=x", "text=xy" }, { "" } },
	{ "toy.text: 'a\\*b'", { "text=a*b" }, { "text=axb" } },
	{ "toy.text: 'a\\?b'", { "text=a?b" }, { "text=axb" } },
	{ "toy.text: 'a\\b'", { "text=a\\b" }, { "text=ab" } },
	{ "toy.text: 'a\\\\b'", { "text=a\\b" }, { "text=a\\\\b" } },
	{ "toy.text: 'a\\\\*'", { "text=a\\", "text=a\\x" }, { "text=a*" } },
	{ "toy.text: 'a\\\\\\*'", { "text=a\\*" }, { "text=a\\x" } },
	{ "toy.text|contains: LL", { "text=hello" }, { "text=helo" } },
	{ "toy.text|startswith: he", { "text=hello", "text=he" }, { "text=ahe" } },
	{ "toy.text|endswith: lo", { "text=hello", "text=lo" }, { "text=hellos" } },
	{ "toy.text|contains: 'l?o'", { "text=hello", "text=xlyoz" }, { "text=helo" } },
	{ "toy.text|contains|all: [he, lo]", { "text=hello", "text=lohe" }, { "text=help" } },
	{ "toy.text|contains: [xx, lo]", { "text=hello" }, { "text=help" } },
	{ "toy.text|contains|cased: Lo", { "text=xLo" }, { "text=xlo" } },
	{ "toy.text|neq: hello", { "text=bye" }, { "text=Hello", "" } },
	{ "toy.text|neq: ['a*', b]", { "text=c" }, { "text=abc", "text=b" } },
	{ "toy.text: '12'", { "text=12" }, { "text=13" } },
	{ "toy.text: [a1,b2,c3,d4,e5,f6,g7,h8,i9,j10]", { "text=A1", "text=j10" }, { "text=k11" } },
	/* regular expressions */
	{ "toy.text|re: '^h.l+o$'", { "text=hello", "text=hallllo" },
		{ "text=Hello", "text=ohello" } },
	{ "toy.text|re|i: '^H.L+O$'", { "text=hello" }, { "text=helo!" } },
	{ "toy.text|re: 'l{2}'", { "text=hello" }, { "text=helo" } },
	{ "toy.text|re: ['^a', 'z$']", { "text=abc", "text=xyz" }, { "text=xax" } },
	{ "toy.text|re|all: ['^a', 'z$']", { "text=az" }, { "text=abc" } },
	{ "toy.bytes|re: '^(00)+$'", { "bytes=0000" }, { "bytes=0001" } },
	{ "src_ip|re: '^10\\.'", { "src=10.9.9.9" }, { "src=110.1.1.1" } },
	/* bytes as hex */
	{ "toy.bytes: 'DEADbeef'", { "bytes=deadbeef" }, { "bytes=deadbe", "" } },
	{ "toy.bytes|startswith: 'dead'", { "bytes=deadbeef" }, { "bytes=00dead" } },
	{ "toy.bytes|contains: 'adbe'", { "bytes=deadbeef" }, { "bytes=adeb" } },
	{ "toy.bytes: 'de??be*'", { "bytes=deadbeef", "bytes=de00be" }, { "bytes=deadad" } },
	/* addresses */
	{ "src_ip: 10.0.0.5", { "" }, { "src=10.0.0.6", "src=::a00:5" } },
	{ "src_ip: [10.0.0.6, '2001:db8::1']", { "src=10.0.0.6", "src=2001:db8::1" },
		{ "", "src=2001:db8::2" } },
	{ "src_ip|cidr: 10.0.0.0/8", { "src=10.255.0.1" }, { "src=11.0.0.1", "src=2001::1" } },
	{ "src_ip|cidr: [10.0.0.0/30, 'fe80::/10']", { "src=10.0.0.3", "src=fe80::9" },
		{ "src=10.0.0.4" } },
	{ "src_ip: '10.0.*'", { "src=10.0.7.7" }, { "src=10.1.0.0" } },
	{ "src_ip|startswith: '192.168.'", { "src=192.168.3.4" }, { "src=10.192.168.1" } },
	{ "src_ip|neq: 10.0.0.5", { "src=10.0.0.6" }, { "" } },
	{ "src_mac: 00:1B:1b:01:02:03", { "mac=00:1b:1b:01:02:03" },
		{ "mac=00:1b:1b:01:02:04", "" } },
	{ "src_mac|startswith: '00:1b:1b:'", { "mac=00:1b:1b:01:02:03" },
		{ "mac=00:1b:1c:01:02:03" } },
	/* the envelope */
	{ "dest_port: 502", { "" }, { "dport=503" } },
	{ "{src_port|gte: 1024, proto: tcp}", { "" }, { "sport=80" } },
	{ "direction: to_server", { "" }, { "client=1" } },
	{ "direction: to_client", { "client=1" }, { "" } },
	{ "pdu.dir: rsp", { "dir=1" }, { "dir=0", "dir=2" } },
	{ "pdu.dir: [req, ind]", { "dir=0", "dir=2" }, { "dir=1" } },
	{ "pdu.code: 7", { "pcode=7" }, { "", "pcode=8" } },
	{ "pdu.name: toy_*", { "" }, {} },
	{ "app_proto: toy", { "" }, {} },
	{ "vlan: 7", { "vlan=7", "vlan=3 vlan=7" }, { "", "vlan=3" } },
	{ "vlan|neq: 7", { "vlan=3" }, { "", "vlan=3 vlan=7" } },
	{ "vlan|all: [3, 7]", { "vlan=7 vlan=3" }, { "vlan=3" } },
	{ "malformed|exists: true", { "malformed=short" }, { "" } },
	{ "malformed|contains: short", { "malformed=too_short" }, { "malformed=long", "" } },
	{ "flags: overlap", { "flags=2", "flags=6" }, { "flags=4", "" } },
	{ "flags: [overlap, resynced]", { "flags=2", "flags=4" }, { "flags=1" } },
	{ "flags|all: [overlap, resynced]", { "flags=6" }, { "flags=2" } },
	{ "src_role: engineering", { "srole=1" }, { "srole=2", "" } },
	{ "src_role|neq: engineering", { "srole=2" }, { "srole=1", "" } },
	{ "src_role|exists: false", { "" }, { "srole=1" } },
	{ "src_zone|startswith: cell", { "szone=1", "szone=2" }, { "szone=3", "" } },
	{ "src_zone|fieldref: dst_zone", { "szone=2 dzone=2" },
		{ "szone=2 dzone=1", "szone=2", "" } },
	{ "src_zone|fieldref|neq: dst_zone", { "szone=2 dzone=1" },
		{ "szone=2 dzone=2", "szone=2" } },
	{ "dst_name: Boiler PLC", { "dname=1" }, { "dname=2", "" } },
	{ "dst_name: nobody", {}, { "dname=1", "" } },
	{ "dst_name|neq: nobody", { "dname=1" }, { "" } },
	/* other fields */
	{ "toy.number|fieldref: toy.code", { "number=5 code=5" },
		{ "number=5 code=6", "number=5", "" } },
	{ "toy.number|fieldref|neq: toy.code", { "number=5 code=6" },
		{ "number=5 code=5", "number=5" } },
	{ "toy.real|fieldref: toy.number", { "real=5 number=5" }, { "real=5.5 number=5" } },
	{ "toy.text|fieldref: toy.other", { "text=Ab other=aB" }, { "text=ab other=abc" } },
	{ "toy.text|fieldref|startswith: toy.other", { "text=abc other=AB" },
		{ "text=ab other=abc" } },
	{ "toy.text|fieldref|endswith|cased: toy.other", { "text=abC other=bC" },
		{ "text=abC other=bc" } },
	{ "toy.text|fieldref|contains: toy.other", { "text=xaby other=ab" },
		{ "text=xa other=ab" } },
	{ "src_ip|fieldref: dest_ip", { "src=10.0.0.10" }, { "" } },
	/* times: 2026-11-22T20:10:11Z is a Sunday of week 47 */
	{ "timestamp|hour: 20", { "ms=1795378211000" }, { "ms=1795381811000" } },
	{ "timestamp|hour|gte: 20", { "ms=1795378211000" }, { "ms=1795370000000" } },
	{ "timestamp|minute: [9, 10]", { "ms=1795378211000" }, { "ms=1795378271000" } },
	{ "timestamp|day: 22", { "ms=1795378211000" }, { "ms=1795291811000" } },
	{ "timestamp|week: 47", { "ms=1795378211000" }, { "ms=1795464611000" } },
	{ "timestamp|month: 11", { "ms=1795378211000" }, { "ms=1792786211000" } },
	{ "timestamp|year|neq: 2026", { "ms=0" }, { "ms=1795378211000" } },
	{ "toy.when|hour|lt: 6", { "when=0" }, { "when=43200000", "" } },
	{ "timestamp|gte: 1795378211000", { "ms=1795378211000" }, { "ms=1795378210999" } },
	/* lists */
	{ "src_ip|expand: '%masters%'", { "src=10.1.2.3", "src=192.0.2.7", "src=2001:db8::9" },
		{ "src=10.2.0.1" } },
	{ "src_ip|cidr|expand: '%masters%'", { "src=10.1.2.3" }, { "src=10.2.0.1" } },
	{ "src_ip|expand: ['%masters%', 10.2.0.1]", { "src=10.2.0.1", "src=10.1.0.1" },
		{ "src=10.2.0.2" } },
	{ "toy.code|expand: '%writes%'", { "code=5", "code=16" }, { "code=1" } },
	{ "toy.text|expand: '%words%'", { "text=ALPHA", "text=beta", "text=42" }, { "text=x" } },
	{ "toy.text|expand: 'x-%words%!'", { "text=x-alpha!", "text=x-beZ!" }, { "text=alpha" } },
	{ "toy.text|expand|contains: '%words%'", { "text=xxalphaxx" }, { "text=al" } },
	{ "toy.text|expand: '\\%words\\%'", { "text=%words%" }, { "text=alpha" } },
	{ "toy.text: '%words%'", { "text=%words%" }, { "text=alpha" } },
	{ "toy.text|expand: '%empty%'", {}, { "text=alpha", "" } },
	{ "src_ip|expand: '%empty%'", {}, { "", "src=::1" } },
	/* items: one satisfies all */
	{ "toy.item.index: 7", { "| index=7", "| index=1 | index=7" }, { "| index=8", "" } },
	{ "{toy.item.index: 7, toy.item.value|gt: 5}", { "| index=1 | index=7 value=6" },
		{ "| index=7 value=1 | index=8 value=9", "| index=7" } },
	{ "{toy.number: 1, toy.item.label: pump}", { "number=1 | label=PUMP" },
		{ "number=2 | label=pump", "number=1" } },
	{ "toy.item.value|exists: false", { "| index=1" }, { "| value=1", "" } },
	{ "toy.item.index|fieldref: toy.number", { "number=3 | index=1 | index=3" },
		{ "number=3 | index=1" } },
	/* lists of maps */
	{ "[{toy.number: 1}, {toy.code: 5, toy.text: a}]", { "number=1", "code=5 text=a" },
		{ "code=5", "text=a", "" } },
};

static void selections_hold_and_fail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof selections / sizeof *selections; i++) {
		char detection[1024];
		const char *s = selections[i].selection;
		snprintf(detection, sizeof detection,
			s[0] == '{' || s[0] == '[' ? "  selection: %s\n  condition: selection"
						   : "  selection:\n    %s\n  condition: selection",
			s);
		for (size_t k = 0; k < 5 && selections[i].holds[k] != NULL; k++)
			expect(detection, selections[i].holds[k], HIT);
		for (size_t k = 0; k < 6 && selections[i].fails[k] != NULL; k++)
			expect(detection, selections[i].fails[k], NOT);
	}
}

#define ABC "  a: {toy.number: 1}\n  b: {toy.code: 1}\n  c: {toy.text: x}\n"
static const struct {
	const char *condition;
	const char *holds[4], *fails[4];
} conditions[] = {
	{ "a and b and c", { "number=1 code=1 text=x" }, { "number=1 code=1", "" } },
	{ "a or b or c", { "number=1", "code=1", "text=x" }, { "", "number=2" } },
	{ "a or b and c", { "number=1", "code=1 text=x" }, { "code=1" } },
	{ "(a or b) and c", { "number=1 text=x", "code=1 text=x" }, { "number=1", "text=x" } },
	{ "(a or b) and not c", { "number=1", "code=1 text=y" }, { "number=1 text=x", "" } },
	{ "not (a or b or c)", { "", "number=2" }, { "number=1" } },
	{ "not not a or (b and c)", { "number=1" }, { "code=1" } },
	{ "1 of them", { "code=1" }, { "" } },
	{ "all of them", { "number=1 code=1 text=x" }, { "number=1" } },
	{ "1 of a* or all of *", { "number=1" }, { "code=1" } },
	{ "not 1 of a* and (b or c)", { "code=1" }, { "code=1 number=1" } },
	{ "[a and b, c or b]", { "number=1 code=1", "text=x" }, { "number=1" } },
};

static void conditions_hold_and_fail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
		char detection[1024];
		snprintf(detection, sizeof detection, ABC "  condition: %s",
			conditions[i].condition);
		for (size_t k = 0; k < 4 && conditions[i].holds[k] != NULL; k++)
			expect(detection, conditions[i].holds[k], HIT);
		for (size_t k = 0; k < 4 && conditions[i].fails[k] != NULL; k++)
			expect(detection, conditions[i].fails[k], NOT);
	}
}

static void underscored_selections_are_not_them(void **state)
{
	(void)state;
	const char *d =
		"  a: {toy.number: 1}\n  _b: {toy.code: 1}\n  condition: 1 of them and not _b";
	expect(d, "number=1", HIT);
	expect(d, "number=1 code=1", NOT);
	expect(d, "code=2", NOT);
}

static void verdicts_are_waited_for(void **state)
{
	(void)state;
	const char *d =
		"  a: {toy.number: 1}\n  v: {verdict.outcome: rejected}\n  condition: a and v";
	expect(d, "number=1 verdict=pending", LATER);
	expect(d, "number=2 verdict=pending", NOT);
	expect(d, "number=1 verdict=rejected", HIT);
	expect(d, "number=1 verdict=accepted", NOT);
	expect(d, "number=1 verdict=none", NOT);
	d = "  a: {toy.number: 1}\n  v: {verdict.outcome: accepted}\n  condition: a and not v";
	expect(d, "number=1 verdict=pending", LATER);
	expect(d, "number=1 verdict=unanswered", HIT);
	expect(d, "number=1 verdict=none", HIT);
	expect(d, "number=1 verdict=accepted", NOT);
	d = "  a: {toy.number: 1}\n  v: {verdict.outcome: accepted}\n  condition: a or v";
	expect(d, "number=1 verdict=pending", HIT);
	expect(d, "number=2 verdict=pending", LATER);
	d = "  v: {verdict.code: [3, 0x85], verdict.latency_ms|gt: 10}\n  condition: v";
	expect(d, "verdict=rejected vcode=3 vms=11", HIT);
	expect(d, "verdict=rejected vcode=3 vms=9", NOT);
	expect(d, "verdict=rejected vms=11", NOT);
	d = "  v: {verdict.text|contains: address}\n  condition: v";
	expect(d, "verdict=rejected vtext=illegal_address", HIT);
	expect(d, "verdict=rejected", NOT);
	d = "  i: {toy.item.index: 7}\n  v: {verdict.outcome: accepted}\n  condition: i and v";
	expect(d, "verdict=pending | index=1 | index=7", LATER);
	expect(d, "verdict=pending | index=1", NOT);
	expect(d, "verdict=accepted | index=1 | index=7", HIT);
	d = "  i: {toy.item.index: 7}\n  v: {verdict.outcome: accepted}\n  condition: i or v";
	expect(d, "verdict=pending", LATER);
	expect(d, "verdict=accepted", HIT);
	expect(d, "verdict=rejected", NOT);
}

static void the_item_is_told_and_no_more_are_pulled(void **state)
{
	(void)state;
	int32_t item = -2;
	struct rules *r = load("toy", "  a: {toy.number: 1, toy.item.index: 7}\n  condition: a");
	assert_int_equal(ask(r, "number=1 | index=5 | index=7 | index=9", &item), HIT);
	assert_int_equal(item, 1);
	toy_pulled = 0;
	struct rule_run *run = rule_run_new(r);
	static struct toy_event t;
	struct hit hits[4];
	toy_make(&t, "number=1 | index=5 | index=7 | index=9 | index=9");
	assert_int_equal(rules_match(run, &t.e, hits, 4), 1);
	assert_int_equal(toy_pulled, 2);
	toy_make(&t, "number=2 | index=5 | index=7");
	toy_pulled = 0;
	assert_int_equal(rules_match(run, &t.e, hits, 4), 0);
	assert_int_equal(toy_pulled, 0);
	rule_run_free(run);
	rules_free(r);
	r = load("toy", "  a: {toy.number: 1}\n  b: {toy.item.index: 7}\n  condition: a or b");
	assert_int_equal(ask(r, "number=1 | index=7", &item), HIT);
	assert_int_equal(item, -1);
	rules_free(r);
}

static void services_keep_to_themselves(void **state)
{
	(void)state;
	static struct toy_event t;
	struct hit hits[4];
	struct rules *r = load("alien", "  a: {alien.number: 1}\n  condition: a");
	assert_true(rules_watch(r, &alien_dissector));
	assert_false(rules_watch(r, &toy_dissector));
	assert_int_equal(ask(r, "number=1", NULL), NOT);
	rules_free(r);
	r = load("any", "  a: {src_ip: 10.0.0.5, alien.number: null}\n  condition: a");
	assert_true(rules_watch(r, &alien_dissector));
	assert_true(rules_watch(r, &toy_dissector));
	assert_int_equal(ask(r, "number=1", NULL), HIT);
	struct rule_run *run = rule_run_new(r);
	toy_make(&t, "");
	t.pdu.dissector = &alien_dissector;
	t.pdu.items.dissector = NULL;
	pdu_uint(&t.pdu, 0, 4);
	assert_int_equal(rules_match(run, &t.e, hits, 4), 0);
	t.pdu.present = 0;
	assert_int_equal(rules_match(run, &t.e, hits, 4), 1);
	t.pdu.dissector = NULL;
	assert_int_equal(rules_match(run, &t.e, hits, 4), 0);
	t.e.pdu = NULL;
	assert_int_equal(rules_match(run, &t.e, hits, 4), 0);
	rule_run_free(run);
	rules_free(r);
	r = load("any", "  a: {alien.number: 1}\n  condition: a");
	assert_false(rules_watch(r, &toy_dissector));
	rules_free(r);
}

struct seen {
	char text[512];
};

static void collect(void *ctx, const char *name, enum field_type type, struct value v)
{
	struct seen *s = ctx;
	size_t n = strlen(s->text), room = sizeof s->text - n;
	if (type == FIELD_TEXT && v.bytes[0] >= '0' && v.bytes[0] <= '9')
		snprintf(s->text + n, room, "%s='%.*s' ", name, (int)v.len, (const char *)v.bytes);
	else if (type == FIELD_TEXT)
		snprintf(s->text + n, room, "%s=%.*s ", name, (int)v.len, (const char *)v.bytes);
	else if (type == FIELD_REAL)
		snprintf(s->text + n, room, "%s=%g ", name, v.r);
	else
		snprintf(s->text + n, room, "%s=%llu ", name, (unsigned long long)v.u);
}

static void what_matched_is_told(void **state)
{
	(void)state;
	static struct toy_event t;
	struct seen seen = { "" };
	struct rules *r =
		load("toy", "  a: {toy.number: 1, src_ip|cidr: 10.0.0.0/8, src_zone: cell_1, "
			    "toy.item.value|gt: 1, "
			    "direction: to_server, toy.text|exists: false, dest_port: 502}\n"
			    "  b: {toy.number|gt: 3, toy.real: 2}\n  condition: a or b");
	toy_make(&t, "number=1 szone=1 | value=0 | value=5");
	rule_matched(rules_at(r, 0), &t.e, 1, collect, &seen);
	assert_string_equal(seen.text,
		"toy.number=1 src_ip='10.0.0.5' src_zone=cell_1 toy.item.value=5 "
		"direction=to_server dest_port=502 ");
	seen.text[0] = '\0';
	rule_matched(rules_at(r, 0), &t.e, -1, collect, &seen);
	assert_null(strstr(seen.text, "item"));
	rules_free(r);
	/* what has names is always a text, an unknown number too */
	r = load("toy", "  a: {toy.code|gte: 5, proto: tcp, toy.number: 1}\n"
			"  condition: a");
	seen.text[0] = '\0';
	toy_make(&t, "number=1 code=5");
	rule_matched(rules_at(r, 0), &t.e, -1, collect, &seen);
	assert_string_equal(seen.text, "toy.code=write_coil proto=tcp toy.number=1 ");
	seen.text[0] = '\0';
	toy_make(&t, "number=1 code=77");
	rule_matched(rules_at(r, 0), &t.e, -1, collect, &seen);
	assert_string_equal(seen.text, "toy.code='77' proto=tcp toy.number=1 ");
	rules_free(r);
}

/* A pattern made to go wrong is given up, not waited for. */
static void hostile_texts_are_bounded(void **state)
{
	(void)state;
	char spec[600] = "text=";
	memset(spec + 5, 'a', 500);
	expect("  a: {toy.text|re: '^(a+)+$|b'}\n  condition: a", spec, HIT);
	strcat(spec, "!");
	expect("  a: {toy.text|re: '^(a+)+$'}\n  condition: a", spec, NOT);
	expect("  a: {toy.text: '*a*a*a*a*a*a*b'}\n  condition: a", spec, NOT);
}

/* Does the answer to one event hold for the next of its print? */
static bool is_remembered(const char *detection)
{
	static struct toy_event t;
	struct hit hits[4];
	size_t count;
	struct rules *r = load("toy", detection);
	struct rule_run *run = rule_run_new(r);
	toy_make(&t, "number=1 code=5");
	t.e.print = 7;
	rules_match(run, &t.e, hits, 4);
	bool known = rules_recall(run, &t.e, hits, &count);
	rule_run_free(run);
	rules_free(r);
	return known;
}

/* A time of day, or how long a reply took, is another with the next message. */
static void what_may_change_is_asked_each_time(void **state)
{
	(void)state;
	assert_true(is_remembered("  a: {toy.number: 1}\n  condition: a"));
	assert_true(is_remembered("  a: {toy.number: 1}\n  b: {src_ip|cidr: 10.0.0.0/8}\n"
				  "  condition: a and not b"));
	assert_false(is_remembered("  a: {toy.number: 1, timestamp|hour: 3}\n  condition: a"));
	assert_false(is_remembered("  a: {toy.number: 1}\n  b: {verdict.latency_ms|gt: 5}\n"
				   "  condition: a and not b"));
	assert_false(is_remembered("  a: {toy.number|fieldref: toy.when}\n  condition: a"));
	assert_false(is_remembered("  a: {toy.when: 1}\n  condition: a or not a"));
}

/* Could the rule hold for a message of this code, if the rest of it were right? */
static bool may_hold(const char *detection, uint64_t code)
{
	struct pdu sketch;
	struct rules *r = load("toy", detection);
	struct rule_run *run = rule_run_new(r);
	pdu_init(&sketch);
	sketch.dissector = &toy_dissector;
	sketch.name = "sketch";
	pdu_uint(&sketch, TOY_CODE, code);
	bool may = rules_may_hold(run, &sketch);
	rule_run_free(run);
	rules_free(r);
	return may;
}

static void a_sketch_tells_what_cannot_be(void **state)
{
	(void)state;
	assert_true(may_hold("  a: {toy.code: 5, toy.number: 7}\n  condition: a", 5));
	assert_false(may_hold("  a: {toy.code: 5, toy.number: 7}\n  condition: a", 1));
	assert_true(may_hold("  a: {toy.text: abc}\n  condition: a", 1));
	assert_true(may_hold("  a: {toy.text: abc}\n  condition: not a", 1));
	assert_true(may_hold("  a: {toy.text|exists: false}\n  condition: a", 1));
	assert_true(may_hold("  a: {toy.number|fieldref: toy.when}\n  condition: a", 1));
	assert_true(may_hold("  a: {toy.item.value: 3}\n  condition: a", 1));
	assert_true(may_hold("  a: {verdict.outcome: rejected}\n  condition: a", 1));
	assert_true(may_hold("  a: {src_ip: 10.0.0.1}\n  condition: a", 1));
	assert_false(may_hold("  a: {pdu.name: other}\n  condition: a", 1));
	assert_true(may_hold("  a: {pdu.name: sketch}\n  b: {toy.code: 9}\n"
			     "  condition: a and not b",
		1));
	assert_false(may_hold("  a: {pdu.name: sketch}\n  b: {toy.code: 1}\n"
			      "  condition: a and not b",
		1));
	assert_true(may_hold("  a: {toy.code: 5}\n  b: {toy.number: 1}\n  condition: a or b", 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selections_hold_and_fail),
		cmocka_unit_test(conditions_hold_and_fail),
		cmocka_unit_test(underscored_selections_are_not_them),
		cmocka_unit_test(verdicts_are_waited_for),
		cmocka_unit_test(the_item_is_told_and_no_more_are_pulled),
		cmocka_unit_test(services_keep_to_themselves),
		cmocka_unit_test(what_matched_is_told),
		cmocka_unit_test(hostile_texts_are_bounded),
		cmocka_unit_test(what_may_change_is_asked_each_time),
		cmocka_unit_test(a_sketch_tells_what_cannot_be),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
