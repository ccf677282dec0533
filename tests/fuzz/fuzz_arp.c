/* fuzz_arp.c - any frames beside TCP and UDP to the watcher of devices: its tables stay within
 * their bounds, and every device can be shown. Each frame is a length and its bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/asset_show.h"
#include "sensor/asset_tell.h"
#include "sensor/packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const struct watcher asset_watcher;

enum { MAX = 16 };

static void observed(void *ctx, const struct event *e)
{
	(void)ctx;
	if (e->flow == NULL || e->pdu->value[0].u == 0)
		abort();
}

static void anomaly(void *ctx, const struct anomaly *a)
{
	(void)ctx;
	if (a->count == 0)
		abort();
}

static void frame(struct assets *s, const uint8_t *bytes, size_t n, struct stamp at)
{
	struct packet p = { .at = at, .has_mac = n > 6, .vlans = (uint8_t)(n % 3) };
	if (n > 6)
		memcpy(p.src_mac, bytes, 6);
	const struct aside a = { .packet = &p, .type = 0x0806, .bytes = rd_over(bytes, n) };
	asset_watcher.aside(s, &a);
}

static void show(struct assets *s)
{
	for (size_t i = 0; i < roster_places(s->devices); i++) {
		struct buf line = buf_over(s->line, sizeof s->line);
		const struct asset *a = roster_at(s->devices, i);
		if (a != NULL)
			asset_json(s, a, &line);
		if (line.full)
			abort();
	}
	if (roster_count(s->devices) > MAX || roster_count(s->claims) > MAX)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static struct counters counters;
	static struct options options;
	struct err err = { 0 };
	struct stamp at = { .ts_ns = 1, .frame = 1 };
	if (config.max_flows == 0)
		config_init(&config);
	config.asset_devices = config.asset_talks = MAX;
	free(config.asset_oui);
	config.asset_oui = NULL;
	struct watch w = { .config = &config,
		.options = &options,
		.counters = &counters,
		.out = { .observe = observed, .anomaly = anomaly } };
	struct assets *s = asset_watcher.open(&w, &err);
	if (s == NULL)
		abort();
	while (size > 1) {
		size_t n = data[0] % 64;
		at.ts_ns += (int64_t)(data[0] >> 6) * 20 * ASSET_SECOND;
		at.frame++;
		data++;
		size--;
		n = n < size ? n : size;
		frame(s, data, n, at);
		data += n;
		size -= n;
		if (at.frame % 4 == 0)
			asset_watcher.tick(s, at);
	}
	asset_watcher.finish(s, at);
	show(s);
	asset_watcher.close(s);
	return 0;
}
