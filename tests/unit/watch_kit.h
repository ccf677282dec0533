/* watch_kit.h - one watcher by itself, its settings, and what it observed. */
#ifndef TESTS_UNIT_WATCH_KIT_H
#define TESTS_UNIT_WATCH_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "sensor/packet.h"
#include "sensor/watch.h"

enum { KIT_SEEN = 64 };

struct kit_seen {
	char name[32];
	uint8_t src[16];
	uint64_t before[EVENT_FRAMES];
};

struct watch_kit {
	const struct watcher *watcher;
	struct config config;
	struct options options;
	struct counters counters;
	struct watch watch;
	void *self;
	struct kit_seen seen[KIT_SEEN];
	size_t count;
	uint64_t anomalies[ANOMALY_KINDS];
	int64_t now_ns;
	uint64_t frame;
};

static inline void kit_observe(void *ctx, const struct event *e)
{
	struct watch_kit *k = ctx;
	struct kit_seen *s = &k->seen[k->count % KIT_SEEN];
	snprintf(s->name, sizeof s->name, "%s", e->pdu->name);
	memcpy(s->src, e->flow->end[e->from].ip.bytes, sizeof s->src);
	if (e->before != NULL)
		memcpy(s->before, e->before, sizeof s->before);
	k->count++;
}

static inline void kit_anomaly(void *ctx, const struct anomaly *a)
{
	struct watch_kit *k = ctx;
	k->anomalies[a->kind] += a->count;
}

/* Change k->config, then kit_open(). */
static inline struct watch_kit *kit_of(const struct watcher *w)
{
	struct watch_kit *k = calloc(1, sizeof *k);
	assert_non_null(k);
	config_init(&k->config);
	k->watcher = w;
	k->now_ns = INT64_C(1700000000000000000);
	return k;
}

static inline void kit_open(struct watch_kit *k)
{
	struct err err = { 0 };
	k->watch = (struct watch){ .config = &k->config,
		.options = &k->options,
		.counters = &k->counters,
		.out = { .ctx = k, .observe = kit_observe, .anomaly = kit_anomaly } };
	k->self = k->watcher->open(&k->watch, &err);
	assert_non_null(k->self);
}

static inline void kit_close(struct watch_kit *k)
{
	k->watcher->close(k->self);
	config_free(&k->config);
	free(k);
}

static inline struct stamp kit_now(struct watch_kit *k)
{
	return (struct stamp){ k->now_ns, ++k->frame };
}

static inline struct endpoint kit_end(uint32_t ip, uint16_t port)
{
	struct endpoint e = { .ip.family = 4, .port = port };
	e.ip.bytes[10] = e.ip.bytes[11] = 0xff;
	for (unsigned i = 0; i < 4; i++)
		e.ip.bytes[12 + i] = (uint8_t)(ip >> (24 - 8 * i));
	return e;
}

/* A SYN of @src, and what becomes of it: FLOW_STARTED (nothing), FLOW_ANSWERED or FLOW_REFUSED. */
static inline struct flow kit_connect(
	struct watch_kit *k, uint32_t src, uint32_t dst, uint16_t port, enum flow_change then)
{
	struct flow f = { .l4 = L4_TCP, .client_sure = true, .packets = { 1, 0 } };
	f.end[0] = kit_end(src, 40000);
	f.end[1] = kit_end(dst, port);
	k->watcher->flow(k->self, &f, FLOW_STARTED, 0, kit_now(k));
	if (then == FLOW_STARTED)
		return f;
	f.packets[1] = 1;
	k->watcher->flow(k->self, &f, then, 1, kit_now(k));
	return f;
}

static inline size_t kit_count(const struct watch_kit *k, const char *name, uint32_t src)
{
	struct endpoint e = kit_end(src, 0);
	size_t n = 0;
	for (size_t i = 0; i < k->count && i < KIT_SEEN; i++)
		n += strcmp(k->seen[i].name, name) == 0 &&
		     memcmp(k->seen[i].src, e.ip.bytes, 16) == 0;
	return n;
}

#endif
