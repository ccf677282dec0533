/* test_eve.c - EVE lines: JSON whatever the wire holds, bounded, and what Suricata's readers
 * expect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>

#include "dissectors/modbus.h"
#include "sensor/community_id.h"
#include "sensor/counters.h"
#include "sensor/eve_json.h"
#include "tests/unit/wire.h"

static char line[EVE_LINE], long_line[EVE_PDU_LINE];
static struct flow flow;
static struct eve eve;
static struct rule rule;

/* Stands in for the rule engine: every header field, the first of them twice. */
void rule_matched(
	const struct rule *r, const struct event *e, int32_t item, rule_field_fn *put, void *ctx)
{
	(void)r;
	(void)item;
	const struct dissector *d = e->pdu->dissector;
	for (unsigned round = 0; round < 2; round++)
		for (unsigned i = 0; i < d->field_count; i++)
			if (pdu_has(e->pdu, i))
				put(ctx, d->fields[i].name, d->fields[i].type, e->pdu->value[i]);
}

static void set_end(struct endpoint *end, const char *hex, uint16_t port)
{
	struct wire w = wire_hex(hex);
	memset(end, 0, sizeof *end);
	end->ip.family = w.len == 4 ? 4 : 6;
	memset(end->ip.bytes, 0xff, 12);
	memset(end->ip.bytes, 0, 10);
	memcpy(end->ip.bytes + 16 - w.len, w.bytes, w.len);
	end->port = port;
	free(w.bytes);
}

static int before_each(void **state)
{
	(void)state;
	flow = (struct flow){ .l4 = L4_TCP, .id = UINT64_MAX, .dissector = &modbus_dissector };
	set_end(&flow.end[0], "80e86e78", 34855);
	set_end(&flow.end[1], "4223facc", 80);
	eve = (struct eve){ .sensor = "plant", .epoch = 7 };
	rule = (struct rule){ .sid = 1000001,
		.gid = 1,
		.rev = 3,
		.id = "5d9a7f0e-2b1c-4a1e-9d5f-000000000001",
		.title = "title",
		.classtype = "class",
		.level = LEVEL_HIGH };
	return 0;
}

/* The line as jansson reads it; the caller's. */
static json_t *read_back(const struct buf *b)
{
	json_error_t error;
	assert_false(b->full);
	json_t *json = json_loadb(b->at, b->len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		print_error("%s\n%.*s\n", error.text, (int)b->len, b->at);
	assert_non_null(json);
	for (size_t i = 0; i < b->len; i++)
		assert_true((uint8_t)b->at[i] >= 0x20);
	return json;
}

static const json_t *at(const json_t *json, const char *path)
{
	char key[64];
	while (json != NULL && *path != '\0') {
		size_t n = strcspn(path, "/");
		snprintf(key, sizeof key, "%.*s", (int)n, path);
		json = json_is_array(json) ? json_array_get(json, (size_t)atoi(key))
					   : json_object_get(json, key);
		path += n + (path[n] == '/');
	}
	return json;
}

static void assert_text(const json_t *json, const char *path, const char *expected)
{
	const char *text = json_string_value(at(json, path));
	assert_non_null(text);
	assert_string_equal(text, expected);
}

static void assert_number(const json_t *json, const char *path, json_int_t expected)
{
	assert_true(json_is_integer(at(json, path)));
	assert_true(json_integer_value(at(json, path)) == expected);
}

/* Items point back to their PDU, so this fills the caller's. */
static struct wire dissected(const char *hex, enum dir dir, struct pdu *p)
{
	static uint64_t slot[4096];
	static struct pool pool = { .cap = 1 << 20 };
	assert_true(modbus_dissector.state_size <= sizeof slot);
	memset(slot, 0, sizeof slot);
	struct wire w = wire_hex(hex);
	struct reader in = rd_over(w.bytes, w.len);
	struct dissect d = { .dir = dir, .l4 = L4_TCP, .state = slot, .pool = &pool };
	pdu_init(p);
	assert_int_equal(modbus_dissector.dissect(&in, &d, p), DISSECT_OK);
	return w;
}

static void alert_has_what_readers_expect(void **state)
{
	(void)state;
	struct pdu req, rsp;
	struct wire w =
		dissected("002a 0000 000b 11 10 0064 0002 04 1234 abcd", DIR_TO_SERVER, &req);
	struct wire v = dissected("002a 0000 0003 11 90 02", DIR_TO_CLIENT, &rsp);
	const struct event e = { .at = { 1700000000123456789, 17 },
		.flow = &flow,
		.pdu = &req,
		.reply = &rsp,
		.verdict = { .outcome = VERDICT_REJECTED,
			.has_code = true,
			.code = 2,
			.text = "illegal_data_address",
			.latency_ns = 12345678,
			.reply = { 1700000000135802467, 18 } } };
	static const char *const names[] = { NULL, "pump 1" }, *const roles[] = { NULL, "EWS" };
	static const uint8_t criticality[] = { 0, 80 };
	eve.names = names;
	eve.roles = roles;
	eve.criticality = criticality;
	eve.pcap_filename = "a \"b\".pcap";
	flow.name[1] = flow.role[0] = 1;
	rule.metadata_json = "{\"mitre_technique_id\":[\"T0836\"]}";
	rule.attck_v18_json = "[\"T0836\"]";
	rule.verb = "write";
	rule.target = 2;
	const struct alert a = { .rule = &rule,
		.level = LEVEL_HIGH,
		.event = &e,
		.item = -1,
		.n = 5,
		.count = 4,
		.suppressed = 3 };
	struct buf b = buf_over(line, sizeof line);
	eve_alert(&b, &eve, &a);
	json_t *json = read_back(&b);
	assert_text(json, "timestamp", "2023-11-14T22:13:20.123456+0000");
	assert_text(json, "event_type", "alert");
	assert_true(json_integer_value(at(json, "flow_id")) == ((json_int_t)1 << 51) - 1);
	assert_text(json, "community_id", "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
	assert_text(json, "src_ip", "128.232.110.120");
	assert_number(json, "dest_port", 80);
	assert_text(json, "pcap_filename", "a \"b\".pcap");
	assert_number(json, "alert/severity", 2);
	assert_text(json, "alert/target/ip", "66.35.250.204");
	assert_text(json, "alert/metadata/mitre_technique_id/0", "T0836");
	assert_text(
		json, "modbus/request/access_type", "WRITE | HOLDING | MULTIPLE | WRITE_MULTIPLE");
	assert_text(json, "modbus/request/write/data", "1234abcd");
	assert_number(json, "modbus/response/function_raw", 0x90);
	assert_text(json, "modbus/response/exception/code", "IllegalDataAddr");
	assert_number(json, "bongsu/n", 5);
	assert_number(json, "bongsu/criticality", 80);
	assert_text(json, "bongsu/dst_name", "pump 1");
	assert_text(json, "bongsu/src_role", "EWS");
	assert_null(at(json, "bongsu/src_name"));
	assert_text(json, "bongsu/verdict/outcome", "rejected");
	assert_true(json_real_value(at(json, "bongsu/verdict/latency_ms")) == 12.345);
	assert_number(json, "bongsu/evidence/frames/1", 18);
	assert_number(json, "bongsu/matched/modbus.address", 100);
	assert_number(json, "bongsu/suppressed", 3);
	json_decref(json);
	free(w.bytes);
	free(v.bytes);
}

/* Edges of the calendar, and times before 1970. */
static void time_has_six_decimals(void **state)
{
	(void)state;
	static const struct {
		int64_t ns;
		const char *text;
	} times[] = { { 0, "\"1970-01-01T00:00:00.000000+0000\"" },
		{ 999, "\"1970-01-01T00:00:00.000000+0000\"" },
		{ -1, "\"1969-12-31T23:59:59.999999+0000\"" },
		{ 951868799999999999, "\"2000-02-29T23:59:59.999999+0000\"" },
		{ 951868800000000000, "\"2000-03-01T00:00:00.000000+0000\"" },
		{ 4107542400000000000, "\"2100-03-01T00:00:00.000000+0000\"" },
		{ INT64_MAX, "\"2262-04-11T23:47:16.854775+0000\"" },
		{ INT64_MIN, "\"1677-09-21T00:12:43.145224+0000\"" } };
	for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
		struct buf b = buf_over(line, sizeof line);
		eve_time(&b, times[i].ns);
		line[b.len] = '\0';
		assert_string_equal(line, times[i].text);
	}
}

/* Vectors of the specification; the same both ways round. */
static void community_id_is_that_of_the_specification(void **state)
{
	(void)state;
	static const struct {
		const char *src, *dst, *id;
		uint16_t sport, dport;
		uint8_t l4;
	} vectors[] = {
		{ "80e86e78", "4223facc", "\"1:LQU9qZlK+B5F3KDmev6m5PMibrg=\"", 34855, 80, L4_TCP },
		{ "c0a80a14", "c0a80a05", "\"1:FlPDg1blIWuq8XKB/1rHaYMkqxc=\"", 50000, 502,
			L4_TCP },
	};
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
		for (unsigned turned = 0; turned < 2; turned++)
			for (unsigned again = 0; again < 2; again++) {
				struct buf b = buf_over(line, sizeof line);
				set_end(&flow.end[turned], vectors[i].src, vectors[i].sport);
				set_end(&flow.end[!turned], vectors[i].dst, vectors[i].dport);
				flow.l4 = vectors[i].l4;
				community_id(&b, &flow);
				line[b.len] = '\0';
				assert_string_equal(line, vectors[i].id);
			}
}

static void ipv6_is_shortened(void **state)
{
	(void)state;
	struct buf b = buf_over(line, sizeof line);
	set_end(&flow.end[0], "20010db8000000000000000000000001", 1);
	eve_addr(&b, &flow.end[0].ip);
	line[b.len] = '\0';
	assert_string_equal(line, "\"2001:db8::1\"");
}

/* ---- a protocol of its own, with values as bad as they come ---- */

enum { TOY_TEXT, TOY_BYTES, TOY_UINT, TOY_INT, TOY_REAL, TOY_FIELDS };
static const struct field toy_fields[TOY_FIELDS] = {
	{ "toy.text", FIELD_TEXT, NULL, "", NULL },
	{ "toy.bytes", FIELD_BYTES, NULL, "", NULL },
	{ "toy.uint", FIELD_UINT, NULL, "", NULL },
	{ "toy.int", FIELD_INT, NULL, "", NULL },
	{ "toy.real", FIELD_REAL, NULL, "", NULL },
};
static const struct field toy_items[TOY_FIELDS] = {
	{ "toy.item.text", FIELD_TEXT, NULL, "", NULL },
	{ "toy.item.bytes", FIELD_BYTES, NULL, "", NULL },
	{ "toy.item.uint", FIELD_UINT, NULL, "", NULL },
	{ "toy.item.int", FIELD_INT, NULL, "", NULL },
	{ "toy.item.real", FIELD_REAL, NULL, "", NULL },
};
static uint8_t noise[20000];

static uint64_t next_random(void)
{
	static uint64_t x = 1234567;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}

static void fill(struct value *v, uint32_t len)
{
	v[TOY_TEXT] = v[TOY_BYTES] =
		(struct value){ .bytes = noise + next_random() % 100, .len = len };
	v[TOY_UINT].u = next_random() >> next_random() % 64;
	v[TOY_INT].i = (int64_t)next_random();
	v[TOY_REAL].r = (double)next_random() / 7;
}

static bool toy_next(struct item_cursor *c, struct item *out)
{
	if (c->scratch[0] == 0)
		return false;
	c->scratch[0]--;
	fill(out->value, (uint32_t)c->scratch[1]);
	out->present = (1 << TOY_FIELDS) - 1;
	return true;
}

static const struct dissector toy = { .name = "toy",
	.fields = toy_fields,
	.item_fields = toy_items,
	.field_count = TOY_FIELDS,
	.item_field_count = TOY_FIELDS,
	.next_item = toy_next };

static struct pdu toy_pdu(uint64_t items, uint32_t len)
{
	struct pdu p;
	pdu_init(&p);
	p.dissector = p.items.dissector = &toy;
	p.name = "play";
	p.code = 1;
	p.present = (1 << TOY_FIELDS) - 1;
	fill(p.value, len);
	p.items.scratch[0] = items;
	p.items.scratch[1] = len;
	return p;
}

static void hostile_values_are_json(void **state)
{
	(void)state;
	flow.dissector = &toy;
	for (unsigned round = 0; round < 3000; round++) {
		for (size_t i = 0; i < sizeof noise; i++)
			noise[i] = (uint8_t)(round % 3 == 0   ? next_random()
					     : round % 3 == 1 ? '"'
							      : 1);
		struct pdu p = toy_pdu(next_random() % 20, (uint32_t)(next_random() % 600));
		const struct event e = { .at = { 1, 1 },
			.flow = &flow,
			.pdu = &p,
			.verdict = { .outcome = VERDICT_NONE } };
		const struct alert a = { .rule = &rule,
			.level = LEVEL_HIGH,
			.event = &e,
			.item = -1,
			.n = 1,
			.count = 1 };
		struct buf b = buf_over(line, sizeof line), c = buf_over(line, sizeof line),
			   d = buf_over(long_line, sizeof long_line);
		eve_alert(&b, &eve, &a);
		json_decref(read_back(&b));
		eve_transaction(&c, &eve, 1, &e);
		json_decref(read_back(&c));
		eve_pdu(&d, &flow, 0, e.at, &p);
		json_decref(read_back(&d));
	}
}

/* Everything as long as it may be: items are shed, the line stays JSON and whole. */
static void a_line_is_bounded(void **state)
{
	(void)state;
	char *huge = malloc(100000);
	assert_non_null(huge);
	memset(huge, 1, 99999); /* six characters each */
	huge[99999] = '\0';
	memset(noise, 1, sizeof noise);
	flow.dissector = &toy;
	const char *const labels[] = { NULL, huge };
	eve = (struct eve){ .sensor = huge,
		.in_iface = huge,
		.pcap_filename = huge,
		.roles = labels,
		.zones = labels,
		.names = labels };
	for (unsigned i = 0; i < 2; i++)
		flow.role[i] = flow.zone[i] = flow.name[i] = 1;
	rule.title = rule.classtype = huge;
	struct pdu p = toy_pdu(100000, 15000);
	p.malformed = huge;
	const struct event e = { .at = { 1, 1 },
		.flow = &flow,
		.pdu = &p,
		.verdict = { .outcome = VERDICT_REJECTED, .text = huge } };
	const struct alert a = {
		.rule = &rule, .level = LEVEL_HIGH, .event = &e, .item = -1, .n = 1, .count = 1
	};
	struct buf b = buf_over(line, sizeof line), d = buf_over(long_line, sizeof long_line);
	eve_alert(&b, &eve, &a);
	json_t *json = read_back(&b);
	assert_true(json_is_true(at(json, "toy/request/items_cut")));
	assert_true(json_array_size(at(json, "toy/request/items")) <= EVE_ITEMS);
	json_decref(json);
	eve_pdu(&d, &flow, 0, e.at, &p);
	json = read_back(&d);
	assert_text(json, "flags/0", "items_cut");
	assert_true(json_array_size(at(json, "items")) <= 1024);
	json_decref(json);
	free(huge);
}

/* More than 63 bits do not fit what most readers of JSON have. */
static void huge_numbers_are_text(void **state)
{
	(void)state;
	struct pdu p = toy_pdu(0, 0);
	p.value[TOY_UINT].u = UINT64_MAX;
	struct buf b = buf_over(long_line, sizeof long_line);
	eve_pdu(&b, &flow, 0, (struct stamp){ 1, 1 }, &p);
	json_t *json = read_back(&b);
	assert_text(json, "fields/uint", "18446744073709551615");
	json_decref(json);
}

static void pdu_line_is_as_documented(void **state)
{
	(void)state;
	struct pdu p;
	struct wire w = dissected("0002 0000 000b 01 10 0064 0002 04 1234 abcd", DIR_TO_SERVER, &p);
	p.flags = PDU_RESYNCED;
	struct buf b = buf_over(long_line, sizeof long_line);
	eve_pdu(&b, &flow, 0, (struct stamp){ 1763842211123456789, 17 }, &p);
	json_t *json = read_back(&b);
	assert_number(json, "frame", 17);
	assert_text(json, "time", "2025-11-22T20:10:11.123456+0000");
	assert_text(json, "proto", "modbus");
	assert_text(json, "dir", "req");
	assert_number(json, "code", 16);
	assert_number(json, "fields/address", 100);
	assert_number(json, "items/0/address", 100);
	assert_number(json, "items/1/value", 43981);
	assert_text(json, "flags/0", "resynced");
	assert_null(at(json, "malformed"));
	json_decref(json);
	free(w.bytes);
}

static void stats_nest_by_the_paths_of_counters(void **state)
{
	(void)state;
	struct counters c = { .packets = 11, .kernel_drops = 12, .alerts = 13, .flow_memory = 14 };
	struct buf b = buf_over(line, sizeof line);
	eve.started_ns = 1000000000;
	eve_stats(&b, &eve, 9, (struct stamp){ 61000000000, 1 }, &c);
	json_t *json = read_back(&b);
	assert_number(json, "stats/uptime", 60);
	assert_number(json, "stats/decoder/pkts", 11);
	assert_number(json, "stats/capture/kernel_drops", 12);
	assert_number(json, "stats/detect/alert", 13);
	assert_number(json, "stats/flow/memuse", 14);
	json_decref(json);
}

static void every_anomaly_has_a_name(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < ANOMALY_KINDS; kind++) {
		const struct anomaly a = { .kind = (enum anomaly_kind)kind,
			.at = { 5, 6 },
			.count = 3,
			.flow = kind % 2 == 0 ? &flow : NULL,
			.detail = "why" };
		struct buf b = buf_over(line, sizeof line);
		eve_anomaly(&b, &eve, 1, &a);
		json_t *json = read_back(&b);
		assert_non_null(json_string_value(at(json, "anomaly/event")));
		assert_non_null(json_string_value(at(json, "anomaly/type")));
		assert_number(json, "anomaly/count", 3);
		json_decref(json);
	}
}

static void verdict_names_its_alert(void **state)
{
	(void)state;
	struct pdu p = toy_pdu(0, 0);
	const struct event e = { .at = { 1, 10 },
		.flow = &flow,
		.pdu = &p,
		.verdict = { .outcome = VERDICT_ACCEPTED,
			.latency_ns = 2000000,
			.reply = { 2000001, 11 } } };
	const struct alert of = { .rule = &rule, .level = LEVEL_HIGH, .event = &e, .n = 41 };
	struct buf b = buf_over(line, sizeof line);
	eve_verdict(&b, &eve, 42, &of);
	json_t *json = read_back(&b);
	assert_number(json, "bongsu/n", 42);
	assert_number(json, "bongsu/of/n", 41);
	assert_number(json, "bongsu/of/epoch", 7);
	assert_text(json, "bongsu/verdict/outcome", "accepted");
	assert_number(json, "pcap_cnt", 11);
	json_decref(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(alert_has_what_readers_expect, before_each),
		cmocka_unit_test_setup(time_has_six_decimals, before_each),
		cmocka_unit_test_setup(community_id_is_that_of_the_specification, before_each),
		cmocka_unit_test_setup(ipv6_is_shortened, before_each),
		cmocka_unit_test_setup(hostile_values_are_json, before_each),
		cmocka_unit_test_setup(a_line_is_bounded, before_each),
		cmocka_unit_test_setup(huge_numbers_are_text, before_each),
		cmocka_unit_test_setup(pdu_line_is_as_documented, before_each),
		cmocka_unit_test_setup(stats_nest_by_the_paths_of_counters, before_each),
		cmocka_unit_test_setup(every_anomaly_has_a_name, before_each),
		cmocka_unit_test_setup(verdict_names_its_alert, before_each),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
