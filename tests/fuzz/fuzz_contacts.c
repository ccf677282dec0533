/* fuzz_contacts.c - any frames, through packets and flows, to the watchers of scans, ping and what
 * spreads, whose tables hold next to nothing. Input as for fuzz_packet.c, over Ethernet. */
#include "sensor/frag.h"
#include "sensor/transport.h"
#include "sensor/watch.h"
#include "tests/fuzz/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

extern const struct watcher scan_watcher, icmp_watcher, spread_watcher, beacon_watcher;
static const struct watcher *const watched[] = { &scan_watcher, &icmp_watcher, &spread_watcher,
	&beacon_watcher };
enum { WATCHED = sizeof watched / sizeof watched[0] };

struct world {
	struct config config;
	struct options options;
	struct counters counters;
	struct watch watch;
	void *self[WATCHED];
};

#define TELL(world, hook, ...)                                                                     \
	for (unsigned i = 0; i < WATCHED; i++)                                                     \
		if (watched[i]->hook != NULL)                                                      \
	watched[i]->hook((world)->self[i], __VA_ARGS__)

static volatile uint32_t read_sum; /* every byte that is told is read */

static void observed(void *ctx, const struct event *e)
{
	const struct dissector *d = e->pdu->dissector;
	(void)ctx;
	walk_demand(e->flow != NULL && e->from < 2 && d->observed && *e->pdu->name != '\0');
	for (unsigned i = 0; i < d->field_count; i++) {
		const struct value *v = &e->pdu->value[i];
		bool text = d->fields[i].type == FIELD_TEXT || d->fields[i].type == FIELD_BYTES;
		if (!pdu_has(e->pdu, i) || !text)
			continue;
		walk_demand(v->len <= PDU_TEXT);
		for (uint32_t k = 0; k < v->len; k++)
			read_sum += v->bytes[k];
	}
}

static void anomaly(void *ctx, const struct anomaly *a)
{
	(void)ctx;
	/* How much is missing before a stream that starts anew is not known: 0. */
	walk_demand(a->kind < ANOMALY_KINDS && (a->count > 0 || a->kind == ANOMALY_BLIND));
}

static void on_pdu(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *pdu)
{
	(void)ctx;
	(void)at;
	walk_demand(f->client < 2 && from < 2 && pdu != NULL);
}

static void on_start(void *ctx, struct flow *f, struct stamp at)
{
	TELL((struct world *)ctx, flow, f, FLOW_STARTED, 0, at);
}

static void on_change(
	void *ctx, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	TELL((struct world *)ctx, flow, f, change, from, at);
}

static void on_end(void *ctx, struct flow *f, const char *why)
{
	struct stamp at = { .ts_ns = f->last_ns };
	walk_demand(why != NULL);
	TELL((struct world *)ctx, flow, f, FLOW_ENDED, f->client, at);
}

static void on_first(void *ctx, struct flow *f, unsigned from, struct stamp at, struct reader bytes)
{
	TELL((struct world *)ctx, first_bytes, f, from, at, bytes);
}

static void on_aside(void *ctx, const struct aside *a)
{
	TELL((struct world *)ctx, aside, a);
}

static void on_stray(void *ctx, const struct packet *p)
{
	TELL((struct world *)ctx, stray, p);
}

static void world_open(struct world *w, bool verify)
{
	struct err err = { 0 };
	config_init(&w->config);
	w->config.checksums = verify;
	w->config.scan_sources = w->config.scan_waiting = w->config.icmp_pairs = 16;
	w->config.spread_hosts = w->config.spread_contents = w->config.beacon_pairs = 16;
	w->config.scan_contacts = 64;
	w->config.scan_ports = w->config.scan_sweep = w->config.scan_pings = 2;
	w->config.scan_fanout = w->config.spread_fanout = 2;
	w->config.icmp_varied = 4;
	w->config.spread_learn_s = 0;
	w->watch = (struct watch){ .config = &w->config,
		.options = &w->options,
		.counters = &w->counters,
		.out = { .ctx = w, .observe = observed, .anomaly = anomaly } };
	for (unsigned i = 0; i < WATCHED; i++) {
		w->self[i] = watched[i]->open(&w->watch, &err);
		walk_demand(w->self[i] != NULL);
	}
}

static void world_close(struct world *w)
{
	for (unsigned i = 0; i < WATCHED; i++)
		watched[i]->close(w->self[i]);
	config_free(&w->config);
}

/* A block of its own for each frame, so that a byte too far is seen. */
static void one_frame(struct transport *t, const struct packet_options *po, struct stamp now,
	const uint8_t *bytes, size_t len, bool cut)
{
	uint8_t *frame = malloc(len == 0 ? 1 : len);
	walk_demand(frame != NULL);
	if (len > 0)
		memcpy(frame, bytes, len);
	struct packet p = { .at = now,
		.link = 1,
		.bytes = frame,
		.caplen = (uint32_t)len,
		.wirelen = (uint32_t)len + (cut ? 9 : 0) };
	if (packet_decode(&p, po))
		transport_packet(t, &p);
	while (packet_second_reading(&p, po))
		transport_packet(t, &p);
	free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct world *w = calloc(1, sizeof *w);
	walk_demand(w != NULL);
	world_open(w, data[0] & 1);
	const struct inspector inspector = { .ctx = w,
		.pdu = on_pdu,
		.anomaly = anomaly,
		.flow_start = on_start,
		.flow_end = on_end,
		.flow_change = on_change,
		.aside = on_aside,
		.first_bytes = on_first,
		.stray = on_stray };
	struct frag_options fo = { .max_datagrams = 8,
		.max_bytes = 1 << 20,
		.timeout_s = 30,
		.counters = &w->counters,
		.inspector = &inspector };
	struct transport_options to = { .max_flows = 8,
		.pool_bytes = 1 << 20,
		.counters = &w->counters,
		.inspector = &inspector };
	struct packet_options po = { .checksums = data[0] & 1 ? CHECKSUM_VERIFY : CHECKSUM_IGNORE,
		.frags = frags_new(&fo),
		.counters = &w->counters,
		.inspector = &inspector };
	struct transport *t = transport_new(&to);
	walk_demand(po.frags != NULL && t != NULL);
	struct reader in = rd_over(data + 2, size - 2);
	struct stamp now = { .ts_ns = INT64_C(1772438400000000000) };
	while (in.left >= 4) {
		uint16_t step = rd_be16(&in), n = rd_be16(&in);
		size_t len = n < in.left ? n : in.left;
		now.ts_ns += step < 64512 ? step * INT64_C(1000000)
					  : (step - 64512) * INT64_C(1000000000);
		now.frame++;
		one_frame(t, &po, now, rd_bytes(&in, len), len, data[0] & 2);
		TELL(w, tick, now);
	}
	transport_finish(t);
	TELL(w, finish, now);
	frags_finish(po.frags);
	transport_free(t);
	frags_free(po.frags);
	world_close(w);
	free(w);
	return 0;
}
