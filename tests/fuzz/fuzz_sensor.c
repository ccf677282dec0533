/* fuzz_sensor.c - frames through the whole sensor: flows, dissectors, watchers, rules,
 * correlations, folding and JSON, with small tables that fill. Input as of fuzz_packet. */
#include <stdlib.h>

#include "sensor/frag.h"
#include "sensor/judge.h"
#include "sensor/rules_in_use.h"
#include "sensor/transport.h"
#include "sensor/watch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t links[] = { 1, 0, 12, 14, 101, 108, 113, 228, 229, 276, 147, 9 };

static const char site[] =
	"names: {10.9.0.10: pump, 10.9.1.10: breaker, 10.9.2.10: {name: boiler, criticality: 90}}\n"
	"roles: {plc: [10.9.0.10, 10.9.2.10, 10.9.2.11], engineering: [10.9.0.6]}\n"
	"zones: {control: {level: 1, prefixes: [10.9.0.0/24]}, office: {level: 4, prefixes: "
	"[10.9.4.0/24]}}\n"
	"conduits: [{from: office, to: control, protocols: [modbus]}]\n"
	"points:\n"
	"  pump: {p: {modbus: holding 100, type: float32, order: CDAB, low: 2, high: 12, max_rate: "
	"30/m}}\n"
	"  boiler: {b: {s7: DB10.DBD4, type: float32, high: 90}}\n"
	"  breaker: {c: {dnp3: analog_input 3, high: 9, stale: 30s}}\n"
	"baseline: {name: run, talks: [{client: 10.9.0.5, device: 10.9.0.10, protocol: modbus, "
	"unit: 17, allow: {read_holding_registers: [100-119]}}]}\n";

/* Tables that a few frames fill. What a setting is not called is not set. */
static const char *const small[] = { "assets.makers=/dev/null", "detection.memory=1",
	"limits.suppress=64", "limits.waiting=16", "limits.requests=4", "ledger.programs=16",
	"ledger.transfers=2", "view.conversations=16", "assets.devices=16", "assets.talkers=16",
	"scan.sources=64", "alerts.open=64", "baseline.entries=64" };

static struct config config;
static struct options options;
static struct rules_in_use rules;
static struct tell tell;

static void start(void)
{
	struct text_list faults = { 0 }, ignored = { 0 };
	config_init(&config);
	for (size_t i = 0; i < sizeof small / sizeof small[0]; i++)
		config_set(&config, small[i], &ignored);
	if (!config_parse(&config, "site", site, sizeof site - 1, &faults))
		abort();
	text_list_keep(&options.rules_only, "rules");
	rules_find(&rules, &options, &config);
	if (!rules_read(&rules, &config, &faults)) {
		for (size_t i = 0; i < faults.count; i++)
			fprintf(stderr, "%s\n", faults.text[i]);
		abort();
	}
	text_list_free(&ignored);
}

struct all {
	struct counters counters;
	struct watchers *watchers;
	struct judge *judge;
	struct frags *frags;
	struct transport *transport;
	struct packet_options packets;
};

static void open_judge(struct all *a)
{
	struct err err = { 0 };
	struct watch w = { .config = &config, .options = &options, .counters = &a->counters };
	a->watchers = watchers_new(&w, &err);
	struct judge_options o = { .rules = rules.run,
		.tell = &tell,
		.counters = &a->counters,
		.max_waiting = 16,
		.wait_bytes = 1 << 20,
		.max_requests = 4,
		.limiter_entries = 64,
		.fold = { .every = true, .entries = 64, .bytes = 1 << 16, .close_ns = 1000000000 },
		.memory_bytes = 1 << 16,
		.one_way_pdus = 4,
		.reply_ms = config.reply_ms,
		.watchers = a->watchers,
		.quiet = &config.quiet,
		.flow_facts = site_facts,
		.facts_ctx = &config.site };
	a->judge = a->watchers == NULL ? NULL : judge_new(&o);
	if (a->judge == NULL)
		abort();
}

static void open_all(struct all *a, bool checksums)
{
	*a = (struct all){ .judge = NULL };
	tell = (struct tell){ .eve = { .sensor = "fuzz",
				      .roles = config.site.roles.label,
				      .zones = config.site.zones.label,
				      .names = config.site.names.label,
				      .criticality = config.site.criticality },
		.events = UINT64_MAX,
		.counters = &a->counters };
	open_judge(a);
	struct frag_options fo = { .max_datagrams = 8,
		.max_bytes = 1 << 20,
		.timeout_s = 30,
		.counters = &a->counters,
		.inspector = judge_inspector(a->judge) };
	struct transport_options to = { .max_flows = 16,
		.pool_bytes = 1 << 20,
		.gap_ms = 100,
		.gap_bytes = 4096,
		.counters = &a->counters,
		.inspector = judge_inspector(a->judge) };
	a->frags = frags_new(&fo);
	a->transport = transport_new(&to);
	a->packets =
		(struct packet_options){ .checksums = checksums ? CHECKSUM_VERIFY : CHECKSUM_IGNORE,
			.frags = a->frags,
			.counters = &a->counters,
			.inspector = judge_inspector(a->judge) };
	if (a->frags == NULL || a->transport == NULL)
		abort();
}

static void close_all(struct all *a, struct stamp now)
{
	frags_finish(a->frags);
	transport_finish(a->transport);
	judge_end(a->judge);
	watchers_finish(a->watchers, now);
	transport_free(a->transport);
	frags_free(a->frags);
	judge_free(a->judge);
	watchers_free(a->watchers);
}

static void one_frame(struct all *a, struct packet *p)
{
	bool more = packet_decode(p, &a->packets);
	watchers_tick(a->watchers, p->at);
	if (more)
		transport_packet(a->transport, p);
	while (packet_second_reading(p, &a->packets))
		transport_packet(a->transport, p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	struct all a;
	if (!started)
		start();
	started = true;
	if (size < 2)
		return 0;
	open_all(&a, data[0] & 1);
	struct reader in = rd_over(data + 2, size - 2);
	uint32_t link = links[data[1] % (sizeof links / sizeof links[0])];
	struct stamp now = { .ts_ns = INT64_C(1772438400000000000) };
	while (in.left >= 4) {
		uint16_t step = rd_be16(&in), n = rd_be16(&in);
		size_t len = n < in.left ? n : in.left;
		uint8_t *frame = malloc(len == 0 ? 1 : len);
		if (frame == NULL)
			abort();
		if (len > 0)
			memcpy(frame, rd_bytes(&in, len), len);
		now.ts_ns += step < 64512 ? step * INT64_C(1000000)
					  : (step - 64512) * INT64_C(1000000000);
		now.frame++;
		struct packet p = { .at = now,
			.link = link,
			.bytes = frame,
			.caplen = (uint32_t)len,
			.wirelen = data[0] & 2 ? (uint32_t)len + 9 : (uint32_t)len };
		one_frame(&a, &p);
		free(frame);
	}
	close_all(&a, now);
	return 0;
}
