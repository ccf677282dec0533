/* link_kit.h - a node with parents whose answers the test makes up. */
#ifndef TESTS_UNIT_LINK_KIT_H
#define TESTS_UNIT_LINK_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregator/digest.h"
#include "aggregator/ledger.h"
#include "aggregator/link.h"
#include "aggregator/window.h"

#define PARENT  "37000000000000000000000000000037"
#define SECOND  "38000000000000000000000000000038"
#define SELF    "9f3c00000000000000000000000009f3"
#define SENSOR  7
#define NO_HASH "0000000000000000000000000000000000000000000000000000000000000000"

enum { T0 = 1760000100 }; /* s; a multiple of 300 */

struct kit {
	struct agg_config config;
	struct node_identity id;
	struct node node;
	struct link *link;
	struct now now;
	struct key parent_key;
	char folder[64], path[96];
	unsigned alarms;
	char last_alarm[256];
	uint64_t events; /* numbered so far */
};

static inline void kit_feed(
	void *ctx, enum feed kind, const char *origin, const char *json, size_t len)
{
	struct kit *k = ctx;
	(void)origin;
	if (kind != FEED_ALARM)
		return;
	k->alarms++;
	if (getenv("KIT_SAYS") != NULL)
		fprintf(stderr, "%.*s\n", (int)len, json);
	snprintf(k->last_alarm, sizeof k->last_alarm, "%.*s", (int)(len < 255 ? len : 255), json);
}

static inline void kit_start(struct kit *k)
{
	struct err err = { 0 };
	struct store_options so = { .path = k->path[0] == '\0' ? NULL : k->path, .small = true };
	k->node = (struct node){ .feed = kit_feed, .ctx = k };
	if (!node_open(&k->node, &k->config, &k->id, &so, k->now, &err))
		fail_msg("%s", err.text);
	k->link = k->node.link[0];
}

static inline void kit_parent(struct kit *k, const char *org, bool count)
{
	struct agg_parent *p = &k->config.parent[k->config.parents++];
	*p = (struct agg_parent){ .url = strdup("https://127.0.0.1:1"),
		.org = strdup(org),
		.level = 1,
		.count = count,
		.severity = 4 };
}

/* @disk: a store in a folder of its own, so that it can be closed and opened again. */
static inline void kit_init(struct kit *k, bool disk)
{
	uint8_t seed[KEY_SEED] = { 1 }, parent[KEY_SEED] = { 2 };
	assert_true(keys_init());
	*k = (struct kit){ .now = { (int64_t)T0 * 1000, 5000 } };
	agg_config_init(&k->config);
	k->config.reserve_mib = 1;
	free(k->config.folder);
	k->config.folder = NULL;
	if (disk) {
		snprintf(k->folder, sizeof k->folder, "/tmp/test-link-XXXXXX");
		assert_non_null(mkdtemp(k->folder));
		snprintf(k->path, sizeof k->path, "%s/chain.db", k->folder);
		k->config.folder = strdup(k->folder);
	}
	kit_parent(k, PARENT, true);
	snprintf(k->id.org, sizeof k->id.org, SELF);
	snprintf(k->id.region, sizeof k->id.region, "370500");
	snprintf(k->id.industry, sizeof k->id.industry, "C26");
	key_from_seed(&k->id.key, seed);
	key_from_seed(&k->parent_key, parent);
}

static inline void kit_remove(const char *folder)
{
	static const char *const names[] = { "chain.db", "chain.db-wal", "chain.db-shm",
		"ledger.head", "ledger.head.new", "reserve" };
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		char path[160];
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(folder), 0);
}

static inline void kit_fini(struct kit *k)
{
	node_close(&k->node);
	agg_config_free(&k->config);
	if (k->folder[0] != '\0')
		kit_remove(k->folder);
}

static inline void kit_restart(struct kit *k)
{
	node_close(&k->node);
	kit_start(k);
}

static inline void kit_pass(struct kit *k, int64_t ms)
{
	k->now.wall_ms += ms;
	k->now.mono_ms += ms;
}

/* --- windows ----------------------------------------------------------------------------- */

static inline char *kit_blob(int64_t start_s, uint64_t from, uint64_t to, size_t *len)
{
	json_t *w = window_new(start_s);
	int64_t events = (int64_t)(to - from + 1);
	struct sighting s = { .k = "6d1f0000000000000000000000000001",
		.sk = "c0aa0000000000000000000000000001",
		.rule = "local",
		.cat = "ics-command",
		.tech = "T1692.001",
		.verb = "write",
		.verdict = "accepted",
		.roles = "engineering>plc",
		.zones = "L3>L1",
		.src = "10.0.0.1",
		.dst = "10.0.0.2",
		.rev = 4,
		.sev = 2,
		.conf = 80,
		.count = 1,
		.at_s = start_s };
	window_cover(w, SENSOR, 1, (int64_t)from, (int64_t)to);
	window_count(w, "events", events);
	window_count(w, "alerts", events - 1);
	window_count(w, "items", events - 1);
	window_count(w, "other", 1);
	if (events > 1)
		window_see(w, &s, 100);
	json_object_set_new(w, "end", json_integer(start_s + 300));
	char *blob = json_write(w, len);
	json_decref(w);
	return blob;
}

/* One more window of @events on every link, as digest_close() would leave it. */
static inline void kit_window(struct kit *k, uint64_t events)
{
	size_t len;
	int64_t start = k->now.wall_ms / 1000 / 300 * 300;
	char *blob = kit_blob(start, k->events + 1, k->events + events, &len);
	k->events += events;
	store_begin(k->node.store);
	for (unsigned i = 0; i < k->node.links; i++)
		link_wait(k->node.link[i], WAITING_WINDOW, start, 300, link_level(k->node.link[i]),
			blob, len);
	assert_true(store_commit(k->node.store));
	free(blob);
}

/* --- asking and answering ------------------------------------------------------------------ */

static enum link_ask kit_ask(struct kit *k, struct link *l, struct link_post *post)
{
	int64_t again;
	return link_next(l, k->now, post, &again);
}

__attribute__((format(printf, 4, 5))) static void kit_answer(
	struct kit *k, struct link *l, int status, const char *format, ...)
{
	char text[8192];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	assert_true(n >= 0 && (size_t)n < sizeof text);
	link_answer(l, k->now, status, -1, text, (size_t)n);
}

/* The parent holds nothing yet. */
static inline void kit_head(struct kit *k, struct link *l)
{
	struct link_post post;
	assert_int_equal(kit_ask(k, l, &post), ASK_HEAD);
	kit_answer(k, l, 200,
		"{\"ep\":0,\"sq\":0,\"pv\":\"" NO_HASH "\",\"cov\":[],\"now\":%" PRId64 "}",
		k->now.wall_ms);
}

static inline void kit_durable(struct kit *k, struct link *l, uint64_t ep, uint64_t sq)
{
	kit_answer(k, l, 200,
		"{\"dur\":[%" PRIu64 ",%" PRIu64
		"],\"up\":[0,0],\"ok\":[],\"rej\":[],\"now\":%" PRId64
		",\"win\":{\"frames\":64,\"kib\":128,\"every_s\":300}}",
		ep, sq, k->now.wall_ms);
}

/* Line @at of a post, read. The caller's frame_free(). */
static inline struct frame kit_frame(const struct link_post *post, unsigned at)
{
	struct frame f;
	struct err err = { 0 };
	const char *line = post->body;
	for (; at > 0; at--)
		line = strchr(line, '\n') + 1;
	size_t len = (size_t)(strchr(line, '\n') - line);
	if (frame_read(&f, line, len, &err) != FRAME_GOOD)
		fail_msg("%s: %.*s", err.text, (int)len, line);
	return f;
}

static inline unsigned kit_count(const struct link_post *post, enum frame_type type)
{
	unsigned n = 0;
	for (unsigned i = 0; i < post->frames; i++) {
		struct frame f = kit_frame(post, i);
		n += f.type == type;
		frame_free(&f);
	}
	return n;
}

static inline struct link_state kit_state(struct link *l)
{
	struct link_state s;
	link_state(l, &s);
	return s;
}

/* --- of one test ------------------------------------------------------------------------- */

static struct kit k;

static inline int before(void **state)
{
	(void)state;
	kit_init(&k, true);
	kit_start(&k);
	return 0;
}

static inline int after(void **state)
{
	(void)state;
	kit_fini(&k);
	return 0;
}

/* Asks until a POST, which has to come. */
static inline struct link_post want_post(void)
{
	struct link_post post;
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_POST);
	return post;
}

static inline void want_nothing(void)
{
	struct link_post post;
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_NOTHING);
}

/* @n windows, sent one after the other; the last answer is not given. */
static inline struct link_post send_windows(unsigned n)
{
	kit_head(&k, k.link);
	for (unsigned i = 0; i < n; i++)
		kit_window(&k, 10);
	return want_post();
}

static inline void hash_text(const struct link_post *post, unsigned at, char hex[HASH_HEX])
{
	struct frame f = kit_frame(post, at);
	hash_hex(f.hash, hex);
	frame_free(&f);
}

#define FLASH_ID "00000000000000000000000000000000000000000000000000000000000000f1"

static inline void put_flash(uint64_t event)
{
	uint64_t covers[3] = { SENSOR, 1, event };
	json_t *body = json_pack("{s:s,s:s,s:s,s:i,s:s,s:[i,i,I],s:s,s:s,s:s,s:i,s:s,s:s,s:i,s:i,"
				 "s:s,s:s,s:[],s:[],s:i,s:b}",
		"tier", "enterprise", "reg", "370500", "ind", "C26", "lvl", 1, "id", FLASH_ID,
		"cov", SENSOR, 1, (json_int_t)event, "k", "6d1f0000000000000000000000000001", "sk",
		"c0aa0000000000000000000000000001", "rule", "local", "rev", 1, "cat", "ics-command",
		"tech", "T1692.001", "sev", 1, "conf", 90, "verb", "write", "verdict", "accepted",
		"roles", "zones", "at", T0, "chg", 1);
	assert_non_null(body);
	store_begin(k.node.store);
	link_hurry(k.link, FRAME_FLASH, FLASH_ID, body, covers, k.now);
	assert_true(store_commit(k.node.store));
	json_decref(body);
	assert_int_equal(k.alarms, 0);
}

static inline void put_beat(void)
{
	json_t *body = digest_beat(&k.node, link_level(k.link), k.now);
	store_begin(k.node.store);
	link_hurry(k.link, FRAME_BEAT, "", body, NULL, k.now);
	assert_true(store_commit(k.node.store));
	json_decref(body);
	assert_int_equal(k.alarms, 0);
}

#endif
