/* value_kit.h - the watcher of process values behind a judge, fed with messages as a stream would.
 */
#ifndef TESTS_UNIT_VALUE_KIT_H
#define TESTS_UNIT_VALUE_KIT_H

#include <arpa/inet.h>

#include "sensor/config.h"
#include "sensor/judge.h"
#include "sensor/services.h"
#include "sensor/watch.h"
#include "tests/fuzz/walk.h"

enum { KIT_SEEN = 256, KIT_TEXT = 512 };

struct kit {
	struct config config;
	struct options options;
	struct counters counters;
	struct tell tell;
	struct watchers *watchers;
	struct judge *judge;
	struct walk walk[2]; /* one a direction */
	struct flow flow;
	struct stamp at;
	unsigned from;
	/* what was observed, as "kind point old>new …" */
	char seen[KIT_SEEN][KIT_TEXT];
	size_t count;
	uint64_t anomalies[ANOMALY_KINDS];
};

static inline void kit_field(char *line, const struct pdu *pdu, unsigned i)
{
	char text[256];
	const struct field *f = &pdu->dissector->fields[i];
	const struct value *v = &pdu->value[i];
	if (f->type == FIELD_REAL)
		snprintf(text, sizeof text, "%.10g", v->r);
	else if (f->type == FIELD_UINT)
		snprintf(text, sizeof text, "%llu", (unsigned long long)v->u);
	else
		snprintf(text, sizeof text, "%.*s", (int)v->len, (const char *)v->bytes);
	size_t n = strlen(line);
	snprintf(line + n, KIT_TEXT - n, "%s%s=%s", n > 0 ? " " : "", strchr(f->name, '.') + 1,
		text);
}

static inline void kit_observed(void *ctx, const struct event *e)
{
	if (e->pdu->dissector->tacit)
		return;
	struct kit *k = ctx;
	struct walk w = { .d = e->pdu->dissector };
	char line[KIT_TEXT] = "";
	for (unsigned i = 0; i < e->pdu->dissector->field_count; i++)
		if (pdu_has(e->pdu, i)) {
			walk_value(&w, &e->pdu->dissector->fields[i], &e->pdu->value[i]);
			kit_field(line, e->pdu, i);
		}
	walk_demand(e->change == NULL || e->change->point != NULL);
	memcpy(k->seen[k->count++ % KIT_SEEN], line, sizeof line);
}

static inline void kit_anomaly(void *ctx, const struct anomaly *a)
{
	struct kit *k = ctx;
	k->anomalies[a->kind]++;
}

/* False where the configuration is refused; then its first fault is printed. */
static inline bool kit_read(struct config *c, const char *config)
{
	struct text_list faults = { 0 };
	config_init(c);
	bool good = config_parse(c, "x.yaml", config, strlen(config), &faults);
	if (faults.count > 0)
		fprintf(stderr, "%s\n", faults.text[0]);
	text_list_free(&faults);
	return good;
}

/* @c is borrowed. */
static inline void kit_start(struct kit *k, const struct config *c)
{
	struct err err = { 0 };
	memset(k, 0, sizeof *k);
	k->config = *c;
	struct watch like = {
		.config = &k->config, .options = &k->options, .counters = &k->counters
	};
	k->watchers = watchers_new(&like, &err);
	k->tell.counters = &k->counters;
	struct judge_options o = { .tell = &k->tell,
		.counters = &k->counters,
		.max_waiting = 16,
		.wait_bytes = 1 << 20,
		.max_requests = 64,
		.limiter_entries = 64,
		.memory_bytes = 1 << 16,
		.reply_ms = k->config.reply_ms,
		.watchers = k->watchers,
		.fold = { .entries = 64, .bytes = 1 << 16, .close_ns = 1, .remind_ns = 1 } };
	k->judge = judge_new(&o);
	walk_demand(k->watchers != NULL && k->judge != NULL);
	struct watch_out out = { .ctx = k, .observe = kit_observed, .anomaly = kit_anomaly };
	watchers_out(k->watchers, &out);
	k->at.ts_ns = INT64_C(1772438400000000000);
}

static inline bool kit_open(struct kit *k, const char *text)
{
	struct config c;
	bool good = kit_read(&c, text);
	if (good)
		kit_start(k, &c);
	else
		config_free(&c);
	return good;
}

static inline void kit_stop(struct kit *k)
{
	if (k->judge != NULL) {
		const struct inspector *i = judge_inspector(k->judge);
		if (k->flow.dissector != NULL)
			i->flow_end(i->ctx, &k->flow, "end");
		judge_free(k->judge);
		watchers_free(k->watchers);
	}
	if (k->walk[0].d != NULL) {
		walk_close(&k->walk[0]);
		walk_close(&k->walk[1]);
	}
}

static inline void kit_end(struct kit *k)
{
	kit_stop(k);
	config_free(&k->config);
}

static inline void kit_saw(void *ctx, const struct pdu *pdu)
{
	struct kit *k = ctx;
	struct pdu own = *pdu;
	own.items.pdu = &own;
	const struct inspector *i = judge_inspector(k->judge);
	i->pdu(i->ctx, &k->flow, k->from, k->at, &own);
}

static inline void kit_ip(struct addr *a, const char *text)
{
	*a = (struct addr){ .bytes = { [10] = 0xff, [11] = 0xff }, .family = 4 };
	if (inet_pton(AF_INET, text, a->bytes + 12) != 1)
		abort();
}

/* A conversation of end 0 with the device, end 1. */
static inline void kit_flow(struct kit *k, const char *protocol, const char *device)
{
	k->flow = (struct flow){ .client_sure = true,
		.l4 = L4_TCP,
		.id = 77,
		.packets = { 1, 1 },
		.dissector = dissector_named(protocol) };
	kit_ip(&k->flow.end[0].ip, "10.9.0.5");
	kit_ip(&k->flow.end[1].ip, device);
	for (unsigned d = 0; d < 2; d++) {
		k->walk[d] = (struct walk){
			.d = k->flow.dissector, .l4 = L4_TCP, .saw = kit_saw, .ctx = k
		};
		walk_open(&k->walk[d]);
	}
	const struct inspector *i = judge_inspector(k->judge);
	i->flow_start(i->ctx, &k->flow, k->at);
}

/* Whole messages of one end; 5 ms pass. */
static inline void kit_bytes(struct kit *k, unsigned from, const uint8_t *bytes, size_t n)
{
	bool bad, final;
	uint8_t *own = malloc(n + 1);
	walk_demand(own != NULL);
	if (n > 0)
		memcpy(own, bytes, n);
	k->from = from;
	k->at.frame++;
	k->at.ts_ns += 5000000;
	walk_bytes(&k->walk[from], own, n, from == 0 ? DIR_TO_SERVER : DIR_TO_CLIENT, &bad, &final);
	free(own);
}

static inline void kit_wait(struct kit *k, double seconds)
{
	k->at.ts_ns += (int64_t)(seconds * 1e9);
	watchers_tick(k->watchers, k->at);
}

#endif
