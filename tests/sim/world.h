/* world.h - a chain in one process: real nodes, a virtual clock, links in memory. What an
 * enterprise emits is a function of (enterprise, sensor, epoch, n), so nothing has to be kept to
 * know it. */
#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "aggregator/accept_private.h"
#include "aggregator/digest.h"
#include "aggregator/inflate.h"
#include "aggregator/link.h"
#include "aggregator/notice.h"
#include "aggregator/rollup.h"

enum { SIM_START_S = 1760054400 /* a day's beginning, UTC */, SIM_SENSORS = 2 };

/* --- chance, by seed --------------------------------------------------------------------- */

static uint64_t sim_seed;

static inline uint64_t chance(void)
{
	sim_seed ^= sim_seed << 13;
	sim_seed ^= sim_seed >> 7;
	sim_seed ^= sim_seed << 17;
	return sim_seed;
}

static inline int64_t between(int64_t low, int64_t high)
{
	return low + (int64_t)(chance() % (uint64_t)(high - low + 1));
}

static inline bool one_in(unsigned n)
{
	return chance() % n == 0;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = a * 0x9e3779b97f4a7c15u ^ b * 0xbf58476d1ce4e5b9u;
	x ^= x >> 29;
	x *= 0x94d049bb133111ebu;
	return x ^ x >> 32;
}

/* --- who ----------------------------------------------------------------------------------- */

struct sim_sensor {
	uint64_t epoch, emitted, gone; /* n up to which Redis has trimmed before it was read */
	/* of earlier epochs: emitted in all, and of them lost for good */
	uint64_t past, past_epochs;
	uint64_t last_of[64], gone_of[64]; /* of each past epoch */
};

struct sim_flight {
	bool busy, posted, head, lost_reply;
	int64_t arrive_ms, reply_ms; /* global; 0: has happened */
	struct link_post post;
	int status;
	int retry_after;
	char *answer;
	size_t len;
};

struct sim_node {
	struct node node;
	struct agg_config config;
	struct node_identity id;
	struct peer peer; /* as its parent sees it */
	struct sim_node *parent;
	bool open;
	int64_t wall_off_ms, mono_off_ms;            /* to global time */
	int64_t tick_ms, link_ms, fault_ms, emit_ms; /* global: when due */
	int64_t cut_until_ms;                        /* its link is down */
	int64_t fail_until_ms;                       /* its disk fails */
	struct sim_flight flight;
	struct sim_sensor sensor[SIM_SENSORS];
	unsigned sensors;
	int64_t latest_ms; /* its clock never goes back within its life */
	void *snapshot;    /* an older state of its store */
	size_t snapshot_len;
	uint64_t faults, rebuilt;
	uint64_t rate; /* events a day and sensor */
	unsigned index;
	bool woken;
};

struct sim {
	struct sim_node *all;
	unsigned count, provinces, enterprises;
	int64_t now_ms, end_ms; /* since SIM_START_S */
	uint64_t posts, frames, events, faults, again;
	uint64_t by_kind[16];
	bool quiet_time; /* no new faults: the end is near */
};

static inline struct now sim_now(const struct sim *s, struct sim_node *x)
{
	if (s->now_ms > x->latest_ms)
		x->latest_ms = s->now_ms;
	return (struct now){ .wall_ms = (int64_t)SIM_START_S * 1000 + x->latest_ms + x->wall_off_ms,
		.mono_ms = x->latest_ms + x->mono_off_ms };
}

/* --- what sensors say ---------------------------------------------------------------------- */

/* One of a few kinds; every fifth is no alert. */
static inline const char *sim_event(const struct sim_node *x, unsigned sensor, uint64_t epoch,
	uint64_t n, int64_t wall_ms, char *out, size_t cap, size_t *len)
{
	static const char *const tech[] = { "T0858", "T0816", "T0836", "T1692.001", "T0888",
		"T0846" };
	static const char *const verb[] = { "stop", "restart", "write", "write", "identify",
		"scan" };
	uint64_t r = mix(mix(x->index, sensor), mix(epoch, n));
	unsigned kind = (unsigned)(r % 6);
	int sev = kind == 0 ? 1 : kind == 1 ? 2 : kind < 4 ? 3 : 4;
	if (r % 5 == 0)
		return "stats";
	*len = (size_t)snprintf(out, cap,
		"{\"event_type\":\"alert\",\"src_ip\":\"10.0.%u.%u\",\"dest_ip\":\"10.1.0.%u\","
		"\"app_proto\":"
		"\"modbus\",\"alert\":{\"severity\":%d,\"category\":\"ics-command\",\"metadata\":{"
		"\"mitre_"
		"technique_id\":[\"%s\"]}},\"bongsu\":{\"rule\":\"r%u\",\"rule_rev\":1,\"verb\":\"%"
		"s\","
		"\"changes_state\":true,\"ts_ns\":%" PRId64
		",\"verdict\":{\"outcome\":\"accepted\"},\"count\":1}}",
		(unsigned)(r >> 8 & 3), (unsigned)(r >> 16 & 7), (unsigned)(r >> 24 & 3), sev,
		tech[kind], kind, verb[kind], wall_ms * 1000000);
	return "alert";
}

/* --- life ---------------------------------------------------------------------------------- */

static inline void sim_wake(void *ctx)
{
	struct sim_node *x = ctx;
	x->woken = true;
}

static inline void sim_say(void *ctx, int priority, const char *text)
{
	const struct sim_node *x = ctx;
	if (getenv("SIM_SAYS") != NULL || priority <= 2)
		fprintf(stderr, "%s %.8s: %s\n", tier_name(x->id.tier), x->id.org, text);
}

static inline bool sim_open(struct sim *s, struct sim_node *x, const void *image, size_t len)
{
	struct err err = { 0 };
	struct store_options so = { .small = true, .image = image, .image_len = len };
	x->node = (struct node){ .wake = sim_wake, .say = sim_say, .ctx = x };
	if (!node_open(&x->node, &x->config, &x->id, &so, sim_now(s, x), &err)) {
		fprintf(stderr, "sim: %s\n", err.text);
		exit(2);
	}
	if (x->parent != NULL)
		link_set_parent_key(x->node.link[0], &x->parent->id.key);
	x->open = true;
	x->tick_ms = x->link_ms = s->now_ms;
	return true;
}

static inline void sim_free_flight(struct sim_node *x)
{
	if (x->flight.posted)
		link_post_free(&x->flight.post);
	free(x->flight.answer);
	x->flight = (struct sim_flight){ 0 };
}

/* As if the power went: what is not committed is gone, what is in flight nobody waits for. A post
 * that was on its way still arrives. */
static inline void sim_crash(struct sim *s, struct sim_node *x, const void *image, size_t len)
{
	size_t n = len;
	void *own = NULL;
	if (image == NULL)
		image = own = store_freeze(x->node.store, &n);
	node_close(&x->node);
	sim_free_flight(x);
	x->mono_off_ms = between(0, 1000000) - x->latest_ms;
	sim_open(s, x, image, n);
	free(own);
}

#endif
