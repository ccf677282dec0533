/* test_asset.c - the table of devices against traffic that nobody sent in good faith. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "sensor/asset_show.h"
#include "sensor/asset_tell.h"
#include "sensor/packet.h"
#include "sensor/services.h"
#include "tests/unit/wire.h"

extern const struct watcher asset_watcher;

/* A watcher with what it told. */
struct kit {
	struct config config;
	struct counters counters;
	struct options options;
	struct watch watch;
	struct assets *assets;
	unsigned events[16], arp[8], anomalies;
	uint64_t lost;
	struct stamp at;
};

static void observed(void *ctx, const struct event *e)
{
	struct kit *k = ctx;
	bool arp = e->pdu->dissector == &arp_service;
	assert_true(arp || e->pdu->dissector == &asset_service);
	assert_true(e->pdu->value[0].u < (arp ? 8 : 16));
	(arp ? k->arp : k->events)[e->pdu->value[0].u]++;
}

static void anomaly(void *ctx, const struct anomaly *a)
{
	struct kit *k = ctx;
	assert_int_equal(a->kind, ANOMALY_ASSETS_FULL);
	k->anomalies++;
	k->lost += a->count;
}

static struct kit *kit_new(const char *yaml)
{
	struct text_list faults = { 0 };
	struct err err = { 0 };
	struct kit *k = calloc(1, sizeof *k);
	config_init(&k->config);
	assert_true(config_parse(&k->config, "kit", yaml, strlen(yaml), &faults));
	free(k->config.asset_oui);
	k->config.asset_oui = NULL;
	k->watch = (struct watch){ .config = &k->config,
		.options = &k->options,
		.counters = &k->counters,
		.out = { .ctx = k, .observe = observed, .anomaly = anomaly } };
	k->assets = asset_watcher.open(&k->watch, &err);
	assert_non_null(k->assets);
	k->at = (struct stamp){ .ts_ns = ASSET_SECOND, .frame = 1 };
	return k;
}

static void kit_free(struct kit *k)
{
	asset_watcher.close(k->assets);
	config_free(&k->config);
	free(k);
}

static void tick(struct kit *k)
{
	k->at.ts_ns += ASSET_SECOND;
	k->at.frame++;
	asset_watcher.tick(k->assets, k->at);
}

static struct addr ip4(uint32_t n)
{
	struct addr a = { .family = 4, .bytes = { [10] = 0xff, [11] = 0xff } };
	for (unsigned i = 0; i < 4; i++)
		a.bytes[12 + i] = (uint8_t)(n >> (24 - 8 * i));
	return a;
}

static void set_mac(struct endpoint *e, uint32_t n)
{
	e->has_mac = true;
	e->mac[0] = 2;
	for (unsigned i = 0; i < 4; i++)
		e->mac[2 + i] = (uint8_t)(n >> (24 - 8 * i));
}

/* A connection to port 502 that is answered. */
static struct flow connected(struct kit *k, uint32_t client, uint32_t server)
{
	struct flow f = { .client_sure = true, .l4 = L4_TCP };
	f.end[0].ip = ip4(client);
	f.end[1].ip = ip4(server);
	f.end[0].port = 40000;
	f.end[1].port = 502;
	set_mac(&f.end[0], client);
	set_mac(&f.end[1], server);
	k->at.frame++;
	asset_watcher.flow(k->assets, &f, FLOW_STARTED, 0, k->at);
	asset_watcher.flow(k->assets, &f, FLOW_ANSWERED, 1, k->at);
	return f;
}

static void say(struct kit *k, struct flow *f, unsigned from, const char *hex)
{
	const struct dissector *modbus = dissector_named("modbus");
	struct wire w = wire_hex(hex);
	struct reader in = rd_over(w.bytes, w.len);
	char state[4096] = { 0 };
	struct dissect d = {
		.dir = from == 0 ? DIR_TO_SERVER : DIR_TO_CLIENT, .l4 = L4_TCP, .state = state
	};
	struct pdu pdu;
	assert_true(modbus->state_size <= sizeof state);
	pdu_init(&pdu);
	assert_int_equal(modbus->dissect(&in, &d, &pdu), DISSECT_OK);
	struct event e = { .at = k->at, .flow = f, .from = from, .pdu = &pdu };
	e.verdict.outcome = from == 0 ? VERDICT_PENDING : VERDICT_ACCEPTED;
	asset_watcher.pdu(k->assets, &e);
	free(w.bytes);
}

static void poll(struct kit *k, struct flow *f, unsigned unit)
{
	char hex[64];
	snprintf(hex, sizeof hex, "0001 0000 0006 %02x 03 0064 0001", unit);
	say(k, f, 0, hex);
	snprintf(hex, sizeof hex, "0001 0000 0005 %02x 03 02 1234", unit);
	say(k, f, 1, hex);
}

static const struct asset *device(const struct kit *k, uint32_t address)
{
	struct addr ip = ip4(address);
	return asset_find(k->assets, &ip, 0, ASSET_WHOLE);
}

static void claim(struct kit *k, uint32_t address, uint32_t mac, const char *target)
{
	char hex[128];
	snprintf(hex, sizeof hex, "0001 0800 06 04 0002 0200 %08x %08x %s", mac, address, target);
	struct wire w = wire_hex(hex);
	struct packet p = { .at = k->at, .has_mac = true };
	struct endpoint e;
	set_mac(&e, mac);
	memcpy(p.src_mac, e.mac, 6);
	p.src_mac[1] = 0;
	const struct aside a = { .packet = &p, .type = 0x0806, .bytes = rd_over(w.bytes, w.len) };
	asset_watcher.aside(k->assets, &a);
	free(w.bytes);
}
static const char somebody[] = "0200 0a090005 0a090005";

enum { HMI = 0x0a090005, PLC = 0x0a090010, FLOOD = 100000 };

/* --- tests ------------------------------------------------------------------------------- */

static void arp_is_read_at_every_cut(void **state)
{
	(void)state;
	struct wire w =
		wire_hex("0001 0800 06 04 0002 020000000010 0a090010 020000000005 0a090005");
	struct arp arp;
	for (size_t n = 0; n < w.len; n++) {
		struct wire cut = wire_copy(w.bytes, n);
		assert_false(arp_read(rd_over(cut.bytes, n), &arp));
		free(cut.bytes);
	}
	assert_true(arp_read(rd_over(w.bytes, w.len), &arp));
	assert_false(arp.request);
	struct addr plc = ip4(PLC);
	assert_memory_equal(arp.sender.bytes, plc.bytes, 16);
	for (size_t i = 0; i < 8; i++) { /* another hardware, protocol, length or operation */
		w.bytes[i] ^= 0x40;
		assert_false(arp_read(rd_over(w.bytes, w.len), &arp));
		w.bytes[i] ^= 0x40;
	}
	free(w.bytes);
}

static void roles_follow_from_what_is_done(void **state)
{
	(void)state;
	struct kit *k = kit_new("assets: {devices: 64}");
	struct flow f = connected(k, HMI, PLC);
	poll(k, &f, 1);
	tick(k);
	assert_int_equal(asset_role(device(k, HMI)), ROLE_HMI);
	assert_int_equal(asset_role(device(k, PLC)), ROLE_CONTROLLER);
	assert_int_equal(k->events[ASSET_NEW], 2);
	poll(k, &f, 2);
	tick(k);
	assert_int_equal(asset_role(device(k, PLC)), ROLE_GATEWAY);
	assert_int_equal(device(k, PLC)->units, 2);
	assert_int_equal(k->events[ASSET_NEW], 4);
	tick(k); /* and nothing more is told of what stays */
	for (unsigned i = 0; i < 1000; i++)
		poll(k, &f, 1 + i % 2);
	tick(k);
	assert_int_equal(k->events[ASSET_NEW], 4);
	assert_int_equal(k->events[ASSET_CHANGED], 1);
	struct addr plc = ip4(PLC);
	assert_int_equal(asset_find(k->assets, &plc, 0, 1)->replies, 500);
	assert_int_equal(asset_find(k->assets, &plc, 0, 2)->replies, 501);
	assert_int_equal(device(k, PLC)->replies, 1002);
	kit_free(k);
}

static void a_flood_of_strangers_leaves_the_devices(void **state)
{
	(void)state;
	struct kit *k = kit_new("assets: {devices: 64, talkers: 64}");
	struct flow f[8];
	for (unsigned i = 0; i < 8; i++) {
		f[i] = connected(k, HMI, PLC + i);
		poll(k, &f[i], 1);
	}
	tick(k);
	for (uint32_t i = 0; i < FLOOD; i++) {
		struct flow g = connected(k, 0x0a100000 + i, 0x0a200000 + i);
		if (i % 4 == 0) /* speaks a plant's protocol, and nobody answers in it */
			say(k, &g, 0, "0001 0000 0006 01 03 0064 0001");
		if (i % 1000 == 0)
			tick(k);
		g.packets[0] = g.packets[1] = 3;
		asset_watcher.flow(k->assets, &g, FLOW_ENDED, 0, k->at);
	}
	tick(k);
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(asset_role(device(k, PLC + i)), ROLE_CONTROLLER);
		poll(k, &f[i], 1);
	}
	assert_int_equal(asset_role(device(k, HMI)), ROLE_HMI);
	assert_true(roster_count(k->assets->devices) == 64 && roster_count(k->assets->talks) == 64);
	assert_true(k->anomalies > 0 && k->lost > FLOOD);
	assert_int_equal(k->counters.assets_evicted, k->lost);
	kit_free(k);
}

static void two_sides_that_forge_everything_fill_it_and_no_more(void **state)
{
	(void)state;
	struct kit *k = kit_new("assets: {devices: 64, talkers: 64}");
	struct flow f = connected(k, HMI, PLC);
	poll(k, &f, 1);
	for (uint32_t i = 0; i < 10000; i++) {
		struct flow g = connected(k, 0x0a100000 + i, 0x0a200000 + i);
		poll(k, &g, 1);
	}
	tick(k);
	assert_int_equal(roster_count(k->assets->devices), 64);
	assert_int_equal(asset_role(device(k, PLC)), ROLE_CONTROLLER);
	assert_true(k->anomalies > 0);
	kit_free(k);
}

static uint64_t polls_of_all(const struct kit *k)
{
	uint64_t polls = 0;
	for (size_t i = 0; i < roster_places(k->assets->devices); i++) {
		const struct asset *a = roster_at(k->assets->devices, i);
		polls += a->polls;
		assert_true(a->asked <= k->assets->clock);
	}
	return polls;
}

/* A talk knows its devices; who takes the place of one gets nothing of what is said in it. */
static void devices_that_gave_way_are_spoken_to_no_more(void **state)
{
	static const char ask[] = "0001 0000 0006 01 03 0064 0001";
	(void)state;
	struct kit *k = kit_new("assets: {devices: 16, talkers: 64}");
	struct flow f = connected(k, HMI, PLC);
	say(k, &f, 0, ask);
	say(k, &f, 1, "0001 0000 0005 01 03 09 1234"); /* damaged: nobody is understood yet */
	say(k, &f, 0, ask);
	assert_int_equal(device(k, HMI)->polls, 2);
	struct flow g = connected(k, 0x0a100000, 0x0a200000);
	for (unsigned unit = 1; unit < 32; unit++)
		poll(k, &g, unit);
	assert_null(device(k, HMI));
	assert_null(device(k, PLC));
	uint64_t polls = polls_of_all(k);
	for (unsigned i = 0; i < 100; i++)
		poll(k, &f, 1);
	assert_int_equal(polls_of_all(k), polls);
	kit_free(k);
}

static const struct talk *talk_between(const struct kit *k, uint32_t client, uint32_t server)
{
	struct addr c = ip4(client), s = ip4(server);
	for (size_t i = 0; i < roster_places(k->assets->talks); i++) {
		const struct talk *t = roster_at(k->assets->talks, i);
		if (t != NULL && memcmp(t->key.address[0], c.bytes, 16) == 0 &&
			memcmp(t->key.address[1], s.bytes, 16) == 0)
			return t;
	}
	return NULL;
}

/* Connections of one talk by turns, in one place of memory one after the other, and one that turns
 * out to be the other way round. */
static void connections_find_their_talk(void **state)
{
	(void)state;
	struct kit *k = kit_new("assets: {devices: 64}");
	struct flow a = connected(k, HMI, PLC), b = connected(k, HMI, PLC);
	for (unsigned i = 0; i < 50; i++) {
		poll(k, &a, 1);
		poll(k, &b, 1);
	}
	assert_int_equal(talk_between(k, HMI, PLC)->messages, 200);
	a = connected(k, HMI + 1, PLC);
	for (unsigned i = 0; i < 50; i++)
		poll(k, &a, 1);
	assert_int_equal(talk_between(k, HMI, PLC)->messages, 200);
	assert_int_equal(talk_between(k, HMI + 1, PLC)->messages, 100);
	a.client = 1;
	say(k, &a, 1, "0001 0000 0005 01 03 02 1234");
	assert_int_equal(talk_between(k, HMI + 1, PLC)->messages, 100);
	assert_int_equal(talk_between(k, PLC, HMI + 1)->messages, 1);
	kit_free(k);
}

static void a_server_of_all_units_is_bounded(void **state)
{
	(void)state;
	struct kit *k = kit_new("assets: {devices: 512, units: 16}");
	struct flow f = connected(k, HMI, PLC);
	for (unsigned unit = 0; unit < 256; unit++)
		poll(k, &f, unit);
	tick(k);
	assert_int_equal(device(k, PLC)->units, 16);
	assert_int_equal(roster_count(k->assets->devices), 18);
	assert_true(k->counters.assets_units_full > 200);
	kit_free(k);
}

static void arp_strangers_do_not_hide_a_conflict(void **state)
{
	(void)state;
	struct kit *k = kit_new("assets: {devices: 64}");
	struct flow f = connected(k, HMI, PLC);
	poll(k, &f, 1);
	claim(k, PLC, PLC, somebody);
	for (uint32_t i = 0; i < FLOOD; i++)
		claim(k, 0x0a300000 + i, 0x0a300000 + i, somebody);
	assert_int_equal(k->arp[1], 0);
	claim(k, PLC, 0x66666666, somebody);
	claim(k, PLC, PLC, somebody);
	assert_int_equal(k->arp[1], 1); /* taken over */
	assert_int_equal(k->arp[2], 1); /* in conflict */
	tick(k);
	assert_int_equal(roster_count(k->assets->claims), 64);
	assert_int_equal(asset_role(device(k, PLC)), ROLE_CONTROLLER);
	kit_free(k);
}

static void time_that_steps_back_does_no_harm(void **state)
{
	(void)state;
	struct kit *k = kit_new("assets: {silent: 1}");
	struct flow f = connected(k, HMI, PLC);
	for (unsigned i = 0; i < 200; i++) {
		k->at.ts_ns = (int64_t)(i % 7) * 1000 * ASSET_SECOND;
		k->at.frame++;
		asset_watcher.tick(k->assets, k->at);
		claim(k, PLC, i % 2 == 0 ? PLC : 0x66666666, somebody);
		poll(k, &f, 1);
	}
	asset_watcher.finish(k->assets, k->at);
	assert_true(k->assets->clock > 0);
	kit_free(k);
}

static const char kept[] = "bongsu-devices 1 17852000001\n"
			   "10.9.0.10\t0\t4294967295\t02:00:0a:09:00:"
			   "0a\t0\t1\t0\t0\t17\t0\t65535\t65535\t65535\tmodbus\t"
			   "1772438400012000000\t1772438404444000000\t1:2:4578616d706c65\t0:0:\t0:"
			   "0:\t3:2:312e34\t0:0:\t0:0:"
			   "\t0:0:\n"
			   "fd00::1\t7\t3\t-\t0\t8\t0\t1\t4294967295\t2\t258\t0\t2\tdnp3,"
			   "nonsense\t1\t2\t0:0:\t0:0:\t0:0:\t"
			   "0:0:\t0:0:\t0:0:\t0:0:\n";

static size_t remember(struct kit *k, const char *text, size_t n)
{
	char *copy = malloc(n + 1);
	memcpy(copy, text, n);
	copy[n] = '\0';
	size_t refused = assets_read(k->assets, copy);
	free(copy);
	return refused;
}

static void what_is_kept_is_what_was(void **state)
{
	(void)state;
	struct kit *k = kit_new("assets: {devices: 64}");
	assert_int_equal(remember(k, kept, sizeof kept - 1), 0);
	assert_int_equal(k->assets->clock, 17852000001);
	const struct asset *plc = device(k, 0x0a09000a);
	assert_non_null(plc);
	assert_int_equal(asset_role(plc), ROLE_CONTROLLER);
	assert_memory_equal(plc->said[ASSET_MAKER].text, "Example", 7);
	assert_true(plc->told && plc->learnt && plc->has_mac && plc->unit == 17);
	tick(k);
	assert_int_equal(k->events[ASSET_NEW], 0); /* an old acquaintance */
	struct flow f = connected(k, HMI, 0x0a09000a);
	poll(k, &f, 17);
	tick(k);
	assert_int_equal(k->events[ASSET_NEW], 1); /* who asks it is none */
	char name[] = "/tmp/bongsu-devices-XXXXXX";
	struct err err = { 0 };
	size_t refused;
	int fd = mkstemp(name);
	assert_true(fd >= 0 && close(fd) == 0);
	assert_true(assets_save(k->assets, name, &err));
	struct kit *again = kit_new("assets: {devices: 64}");
	assert_true(assets_load(again->assets, name, &refused, &err));
	assert_int_equal(refused, 0);
	assert_int_equal(roster_count(again->assets->devices), roster_count(k->assets->devices));
	assert_int_equal(asset_role(device(again, 0x0a09000a)), ROLE_CONTROLLER);
	unlink(name);
	assert_true(assets_load(again->assets, name, &refused, &err)); /* none is no fault */
	assert_false(assets_load(again->assets, "/", &refused, &err));
	assert_false(assets_save(again->assets, "/nowhere/devices", &err));
	kit_free(again);
	kit_free(k);
}

static void any_cut_of_what_is_kept_is_read(void **state)
{
	(void)state;
	for (size_t n = 0; n < sizeof kept; n++) {
		struct kit *k = kit_new("assets: {devices: 16, talkers: 16}");
		assert_true(remember(k, kept, n) <= 1);
		assert_true(roster_count(k->assets->devices) <= 2);
		kit_free(k);
	}
	struct kit *k = kit_new("assets: {devices: 16, talkers: 16}");
	char damaged[sizeof kept];
	for (size_t n = sizeof "bongsu-devices 1 "; n < sizeof kept - 1; n++) {
		memcpy(damaged, kept, sizeof kept);
		damaged[n] = (char)(damaged[n] ^ 0x15);
		remember(k, damaged, sizeof damaged - 1);
	}
	assert_true(roster_count(k->assets->devices) <= 16);
	kit_free(k);
}

static void addresses_of_the_internet(void **state)
{
	(void)state;
	static const struct {
		uint32_t ip;
		bool routable;
	} v4[] = {
		{ 0x0a000001, false },
		{ 0xac0fffff, true },
		{ 0xac100000, false },
		{ 0xac1fffff, false },
		{ 0xac200000, true },
		{ 0xc0a80001, false },
		{ 0x64400001, false },
		{ 0x64800001, true },
		{ 0xc6336401, false },
		{ 0xe0000001, false },
		{ 0xffffffff, false },
		{ 0x7f000001, false },
		{ 0x08080808, true },
		{ 0xa9fe0101, false },
	};
	for (size_t i = 0; i < sizeof v4 / sizeof v4[0]; i++) {
		struct addr a = ip4(v4[i].ip);
		assert_int_equal(addr_is_routable(&a), v4[i].routable);
	}
	struct addr six = { .family = 6, .bytes = { 0x2a, 0x00 } };
	assert_true(addr_is_routable(&six));
	six.bytes[0] = 0xfd;
	assert_false(addr_is_routable(&six));
	six.bytes[0] = 0xfe;
	six.bytes[1] = 0x80;
	assert_false(addr_is_routable(&six));
}

static void conduits_are_read_and_asked(void **state)
{
	(void)state;
	static const char good[] =
		"zones: {a: [10.0.1.0/24], b: [10.0.2.0/24]}\n"
		"conduits: [{from: a, to: [b, outside], protocols: [modbus, tcp/443]},"
		" {from: any, to: a}]\n";
	struct config c;
	struct text_list faults = { 0 };
	config_init(&c);
	assert_true(config_parse(&c, "good", good, sizeof good - 1, &faults));
	const struct conduits *k = &c.site.conduits;
	assert_true(conduits_allow(k, 1, 2, "modbus"));
	assert_true(conduits_allow(k, 1, 2, "tcp/502")); /* its port, before a message is read */
	assert_true(conduits_allow(k, 1, 0, "tcp/443"));
	assert_false(conduits_allow(k, 1, 2, "dnp3"));
	assert_false(conduits_allow(k, 2, 0, "modbus"));
	assert_true(conduits_allow(k, 2, 1, "dnp3"));
	assert_true(conduits_allow(k, 0, 1, "tcp/9"));
	config_free(&c);
}

static void faults_of_conduits_are_said(void **state)
{
	(void)state;
	static const char bad[] = "zones: {a: [10.0.1.0/24]}\n"
				  "conduits:\n"
				  "  - {from: a, to: c}\n"
				  "  - {from: a}\n"
				  "  - {from: a, to: a, protocols: [modbuss]}\n"
				  "  - {from: a, to: a, protocols: [tcp/70000]}\n"
				  "  - {from: a, to: a, level: 3}\n"
				  "  - nonsense\n";
	static const char *const said[] = { "bad:3:5: no such zone: c",
		"bad:4:5: a conduit needs to", "bad:5:5: neither a protocol",
		"bad:6:5: neither a protocol", "bad:7:22: unknown key of a conduit: level",
		"bad:8:5: a conduit is a map" };
	struct config c;
	struct text_list faults = { 0 };
	config_init(&c);
	assert_false(config_parse(&c, "bad", bad, sizeof bad - 1, &faults));
	for (size_t i = 0; i < sizeof said / sizeof said[0]; i++) {
		bool found = false;
		for (size_t n = 0; n < faults.count; n++)
			found |= strncmp(faults.text[n], said[i], strlen(said[i])) == 0;
		for (size_t n = 0; !found && n < faults.count; n++)
			print_error("%s is not said: %s\n", said[i], faults.text[n]);
		assert_true(found);
	}
	text_list_free(&faults);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_is_read_at_every_cut),
		cmocka_unit_test(roles_follow_from_what_is_done),
		cmocka_unit_test(a_flood_of_strangers_leaves_the_devices),
		cmocka_unit_test(two_sides_that_forge_everything_fill_it_and_no_more),
		cmocka_unit_test(devices_that_gave_way_are_spoken_to_no_more),
		cmocka_unit_test(connections_find_their_talk),
		cmocka_unit_test(a_server_of_all_units_is_bounded),
		cmocka_unit_test(arp_strangers_do_not_hide_a_conflict),
		cmocka_unit_test(time_that_steps_back_does_no_harm),
		cmocka_unit_test(what_is_kept_is_what_was),
		cmocka_unit_test(any_cut_of_what_is_kept_is_read),
		cmocka_unit_test(addresses_of_the_internet),
		cmocka_unit_test(conduits_are_read_and_asked),
		cmocka_unit_test(faults_of_conduits_are_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
