/* parent_kit.h - a parent, and children whose frames the test makes. */
#ifndef TESTS_UNIT_PARENT_KIT_H
#define TESTS_UNIT_PARENT_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept_private.h"
#include "aggregator/link.h"
#include "aggregator/rollup_private.h"

#define UP "86000000000000000000000000000086"
#define ME "37000000000000000000000000000037"

enum { T0 = 1760000400 }; /* s; a multiple of 300 */

/* One child as the test plays it: where its chain stands. */
struct kid {
	struct peer peer;
	struct key key;
	struct frame_id id; /* of the last frame made */
	uint8_t pv[HASH];
	bool count;
	uint64_t events; /* numbered so far */
};

struct parent {
	struct agg_config config;
	struct node_identity id;
	struct node node;
	struct now now;
	unsigned alarms;
	char alarm[400]; /* the last */
};

static struct parent p;
static struct kid kid;

static inline void parent_feed(
	void *ctx, enum feed kind, const char *origin, const char *json, size_t len)
{
	struct parent *to = ctx;
	(void)origin;
	(void)len;
	if (kind != FEED_ALARM)
		return;
	to->alarms++;
	snprintf(to->alarm, sizeof to->alarm, "%s", json);
}

static inline void parent_start(void)
{
	struct err err = { 0 };
	struct store_options so = { .small = true };
	p.node = (struct node){ .feed = parent_feed, .ctx = &p };
	if (!node_open(&p.node, &p.config, &p.id, &so, p.now, &err))
		fail_msg("%s", err.text);
}

/* @above: it reports to a parent of its own. */
static inline void parent_init(enum tier tier, bool above)
{
	uint8_t seed[KEY_SEED] = { 0x22 };
	assert_true(keys_init());
	p = (struct parent){ .now = { (int64_t)T0 * 1000, 5000 } };
	agg_config_init(&p.config);
	if (above)
		p.config.parent[p.config.parents++] =
			(struct agg_parent){ .url = strdup("https://127.0.0.1:1"),
				.org = strdup(UP),
				.level = 1,
				.count = true,
				.severity = 4 };
	snprintf(p.id.org, sizeof p.id.org, ME);
	snprintf(p.id.region, sizeof p.id.region, "370000");
	p.id.tier = tier;
	key_from_seed(&p.id.key, seed);
	parent_start();
}

static inline void parent_pass(int64_t ms)
{
	p.now.wall_ms += ms;
	p.now.mono_ms += ms;
}

static inline struct kid kid_new(unsigned number, enum tier tier)
{
	struct kid c = { .count = true, .id = { 1, 0 } };
	uint8_t seed[KEY_SEED] = { (uint8_t)number, (uint8_t)(number >> 8), 1 };
	key_from_seed(&c.key, seed);
	snprintf(c.peer.org, sizeof c.peer.org, "%032x", 0x9f3c0000 + number);
	snprintf(c.peer.region, sizeof c.peer.region, "370500");
	snprintf(c.peer.industry, sizeof c.peer.industry, "C26");
	c.peer.tier = tier;
	key_from_public(&c.peer.key, c.key.public_);
	c.peer.not_after = 4102444800;
	return c;
}

static inline int with_parent(void **state)
{
	(void)state;
	parent_init(TIER_PROVINCE, false);
	kid = kid_new(1, TIER_ENTERPRISE);
	return 0;
}

static inline int without(void **state)
{
	(void)state;
	node_close(&p.node);
	agg_config_free(&p.config);
	return 0;
}

/* --- frames ------------------------------------------------------------------------------ */

#define HL  "\"hl\":{\"high\":false}"
#define VER "\"ver\":{\"sw\":\"0.4.0\",\"rules\":\"none\",\"attck\":\"ics/19\"}"

static inline json_t *members(const char *format, ...)
{
	char text[8192];
	struct err err = { 0 };
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	assert_true(n > 0 && (size_t)n < sizeof text);
	json_t *j = json_read(text, (size_t)n, 8, &err);
	if (j == NULL)
		fail_msg("%s: %s", err.text, text);
	return j;
}

/* The next of @c's chain, or one that has no number; the caller's to free(). Takes @body. */
static inline char *kid_frame(struct kid *c, enum frame_type type, json_t *body)
{
	struct err err = { 0 };
	size_t len;
	if (frame_is_sequenced(type))
		c->id.sq++;
	struct frame_head h = { .type = type,
		.org = c->peer.org,
		.to = ME,
		.count = c->count,
		.id = c->id,
		.pv = c->pv };
	char *line =
		frame_make(&h, body, &c->key, &len, frame_is_sequenced(type) ? c->pv : NULL, &err);
	if (line == NULL)
		fail_msg("%s", err.text);
	json_decref(body);
	return line;
}

/* A window of @events, one of them no alert; @items: JSON of its items, or "". */
static inline json_t *digest_members(
	struct kid *c, int64_t start, int coarse, uint64_t events, const char *items)
{
	json_t *j = members("{\"tier\":\"enterprise\",\"reg\":\"370500\",\"ind\":\"C26\",\"lvl\":1,"
			    "\"w\":{\"start\":%" PRId64 ",\"end\":%" PRId64
			    ",\"mono_ms\":1,\"skew_ms\":0,\"coarse_s\":%d,\"late\":0}," VER
			    ",\"cov\":[[7,1,%" PRIu64 ",%" PRIu64
			    "]],\"in\":{\"pkts\":0,\"drops\":0,\"events\":%" PRIu64
			    ",\"other\":1,\"alerts\":%" PRIu64 ",\"items\":%" PRIu64
			    ",\"suppressed\":0,\"sampled\":0,\"withheld\":0,\"lost\":{}}," HL
			    ",\"items\":[%s]}",
		start, start + 300, coarse, c->events + 1, c->events + events, events, events - 1,
		events - 1, items);
	c->events += events;
	return j;
}

static inline char *kid_digest(struct kid *c, int64_t start, uint64_t events)
{
	return kid_frame(c, FRAME_DIGEST, digest_members(c, start, 300, events, ""));
}

static inline char *kid_beat(struct kid *c)
{
	return kid_frame(c, FRAME_BEAT,
		members("{\"tier\":\"enterprise\",\"reg\":\"370500\",\"ind\":\"C26\",\"lvl\":1," VER
			"," HL ",\"at\":%" PRId64 "}",
			p.now.wall_ms));
}

/* --- posts ------------------------------------------------------------------------------- */

static json_t *reply; /* of the last post */
static char *reply_text;

/* @lines up to a NULL; each is freed. The range is of those frames that have numbers. */
static int post_range(
	struct kid *c, bool range, uint64_t ep, uint64_t first, uint64_t last, char *const *lines)
{
	struct answer a;
	struct err err = { 0 };
	size_t len = 0;
	size_t room = 1;
	for (unsigned i = 0; lines[i] != NULL; i++)
		room += strlen(lines[i]) + 1;
	char *body = calloc(1, room);
	for (; *lines != NULL; lines++) {
		len += (size_t)sprintf(body + len, "%s\n", *lines);
		free(*lines);
	}
	struct post_in in = { range, ep, first, last, body, len };
	accept_up(&p.node, &c->peer, &in, p.now, &a);
	json_decref(reply);
	free(reply_text);
	reply_text = a.json;
	reply = json_read(a.json, a.len, 6, &err);
	assert_non_null(reply);
	free(body);
	return a.status;
}

static inline int post_lines(struct kid *c, char *const *lines)
{
	unsigned numbered = 0;
	for (unsigned i = 0; lines[i] != NULL; i++)
		numbered += strstr(lines[i], "\"pv\":") != NULL;
	return post_range(c, numbered > 0, c->id.ep, c->id.sq - numbered + 1, c->id.sq, lines);
}
#define post(c, ...) post_lines((c), (char *[]){ __VA_ARGS__ })

static inline int64_t pair_of(const char *name, size_t at)
{
	return json_integer_value(json_array_get(json_object_get(reply, name), at));
}

static inline void want_dur(uint64_t ep, uint64_t sq)
{
	if (pair_of("dur", 0) != (int64_t)ep || pair_of("dur", 1) != (int64_t)sq)
		fail_msg("dur is not %" PRIu64 "/%" PRIu64 ": %s", ep, sq, reply_text);
}

/* The only refusal of the reply. */
static inline void want_rej(uint64_t sq, const char *code)
{
	const json_t *rej = json_object_get(reply, "rej"), *one = json_array_get(rej, 0);
	if (json_array_size(rej) != 1 || json_int_of(one, "sq", 0) != (int64_t)sq ||
		strcmp(json_text_of(one, "code"), code) != 0)
		fail_msg("not refused: %" PRIu64 " %s: %s", sq, code, reply_text);
}

static inline void want_alarm(const char *code)
{
	if (strstr(p.alarm, code) == NULL)
		fail_msg("no alarm %s: %s", code, p.alarm);
}

static inline int64_t number_in(const char *sql)
{
	struct query *q = store_query(p.node.store, sql);
	int64_t n = query_row(q) ? row_int(q, 0) : -1;
	query_done(q);
	return n;
}

#endif
