/* node.c - puts the parts of one tier together and gives each its turn. */
#include "aggregator/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept.h"
#include "aggregator/digest.h"
#include "aggregator/ledger.h"
#include "aggregator/link.h"
#include "aggregator/notice.h"
#include "aggregator/release.h"
#include "aggregator/rollup.h"
#include "aggregator/room.h"

static const char *const tiers[TIERS] = { "enterprise", "park", "group", "province", "nation" };

static const char alarm_tables[] = "CREATE TABLE IF NOT EXISTS alarm(id INTEGER PRIMARY KEY, at_ms "
				   "INTEGER, code TEXT, about TEXT,"
				   " text TEXT, times INTEGER);"
				   "CREATE INDEX IF NOT EXISTS alarm_code ON alarm(code, about);";

enum { ALARMS_KEPT = 10000, ALARM_AGAIN_MS = 3600000, TIDY_MS = 600000, AGAIN_MS = 1000 };

const char *tier_name(enum tier t)
{
	return t < TIERS ? tiers[t] : "?";
}

bool tier_from(const char *name, enum tier *t)
{
	for (unsigned i = 0; i < TIERS; i++) {
		if (strcmp(tiers[i], name) == 0) {
			*t = (enum tier)i;
			return true;
		}
	}
	return false;
}

/* --- life -------------------------------------------------------------------------------- */

static bool make_tables(struct store *s, struct err *err)
{
	const char *const all[] = { alarm_tables, digest_tables, link_tables, accept_tables,
		rollup_tables, ledger_tables, notice_tables, release_tables };
	for (unsigned i = 0; i < sizeof all / sizeof all[0]; i++)
		if (!store_schema(s, all[i], err))
			return false;
	return true;
}

/* A recursive lock: entry points take it, and call each other. */
static void make_lock(pthread_mutex_t *lock)
{
	pthread_mutexattr_t kind;
	pthread_mutexattr_init(&kind);
	pthread_mutexattr_settype(&kind, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(lock, &kind);
	pthread_mutexattr_destroy(&kind);
}

static void be(
	struct node *n, const struct agg_config *c, const struct node_identity *id, struct now now)
{
	n->config = c;
	snprintf(n->org, sizeof n->org, "%s", id->org);
	snprintf(n->region, sizeof n->region, "%s", id->region);
	snprintf(n->industry, sizeof n->industry, "%s", id->industry);
	n->tier = id->tier;
	n->key = id->key;
	memcpy(n->site_key, id->site_key, sizeof n->site_key);
	uint8_t run[8];
	random_bytes(run, sizeof run);
	hex_write(n->run, run, sizeof run);
	n->links = 0;
	n->beat_ms = n->tidy_ms = now.mono_ms;
	n->room = (struct room){ .look_ms = now.mono_ms };
	n->broken = false;
	make_lock(&n->lock);
}

bool node_peek(struct node *n, const struct agg_config *c, const struct node_identity *id,
	struct now now, struct err *err)
{
	char path[4200];
	snprintf(path, sizeof path, "%s/chain.db", c->folder);
	struct store_options so = { .path = path, .look = true };
	be(n, c, id, now);
	if (store_open(&n->store, &so, err) == STORE_FAILED) {
		pthread_mutex_destroy(&n->lock);
		return false;
	}
	n->feed = notice_feed_later;
	n->ctx = n;
	if (make_tables(n->store, err) && accept_open(n, err) && notice_open(n, now, err))
		return true;
	node_close(n);
	return false;
}

bool node_open(struct node *n, const struct agg_config *c, const struct node_identity *id,
	const struct store_options *so, struct now now, struct err *err)
{
	struct err damage = { 0 };
	be(n, c, id, now);
	room_before_open(c);
	enum store_open how = store_open(&n->store, so, &damage);
	if (how == STORE_FAILED) {
		pthread_mutex_destroy(&n->lock);
		return err_set(err, "%s", damage.text);
	}
	bool good = make_tables(n->store, err);
	if (good && how == STORE_REBUILT) {
		store_begin(n->store);
		node_alarm(n, now, "store-damaged", n->org,
			"the store was damaged (%s); it is set aside, and built again from Redis "
			"and the "
			"parents' heads",
			damage.text);
		good = store_commit(n->store) || err_set(err, "%s", store_why(n->store));
	}
	good = good && ledger_open(n, now, err) && accept_open(n, err) && rollup_open(n, err) &&
	       notice_open(n, now, err);
	for (unsigned i = 0; good && i < c->parents; i++) {
		n->link[i] = link_open(n, i, now, err);
		good = n->link[i] != NULL;
		n->links += good;
	}
	good = good && (c->redis == NULL || digest_open(n, now, err));
	if (!good)
		node_close(n);
	return good;
}

void node_close(struct node *n)
{
	for (unsigned i = 0; i < n->links; i++)
		link_close(n->link[i]);
	n->links = 0;
	digest_free(n);
	rollup_free(n);
	accept_free(n);
	store_close(n->store);
	n->store = NULL;
	key_wipe(&n->key);
	memset(n->site_key, 0, sizeof n->site_key);
	pthread_mutex_destroy(&n->lock);
}

/* --- turns ------------------------------------------------------------------------------- */

static void beat(struct node *n, struct now now)
{
	if (now.mono_ms < n->beat_ms)
		return;
	n->beat_ms = now.mono_ms + (int64_t)n->config->beat_s * 1000;
	store_begin(n->store);
	for (unsigned i = 0; i < n->links; i++) {
		json_t *body = digest_beat(n, link_level(n->link[i]), now);
		link_hurry(n->link[i], FRAME_BEAT, "", body, NULL, now);
		json_decref(body);
	}
	if (!store_commit(n->store))
		n->beat_ms = now.mono_ms + AGAIN_MS;
	if (n->links > 0 && n->wake != NULL)
		n->wake(n->ctx);
}

static int64_t sooner(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

int64_t node_tick(struct node *n, struct now now)
{
	pthread_mutex_lock(&n->lock);
	room_tick(n, now);
	digest_close(n, now, false);
	beat(n, now);
	rollup_tick(n, now);
	notice_tick(n, now);
	int64_t again = sooner(n->beat_ms, digest_due(n, now));
	again = sooner(again, sooner(rollup_due(n, now), notice_due(n, now)));
	for (unsigned i = 0; i < n->links; i++)
		again = sooner(again, link_tick(n->link[i], now));
	if (now.mono_ms >= n->tidy_ms) {
		n->tidy_ms = now.mono_ms + TIDY_MS;
		accept_tick(n, now);
		if (!n->room.gone) /* on a full disk another would take what it gives back */
			store_tidy(n->store);
	}
	pthread_mutex_unlock(&n->lock);
	return sooner(again, n->tidy_ms);
}

int node_warn_at(int64_t days)
{
	static const int steps[] = { -1, 1, 7, 14, 30 };
	for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++)
		if (days <= steps[i])
			return steps[i];
	return 0;
}

/* --- out --------------------------------------------------------------------------------- */

void node_say(struct node *n, int priority, const char *format, ...)
{
	char text[1024];
	va_list args;
	if (n->say == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	n->say(n->ctx, priority, text);
}

void node_feed(struct node *n, enum feed kind, const char *origin, const char *json, size_t len)
{
	if (n->feed != NULL)
		n->feed(n->ctx, kind, origin, json, len);
}

/* The same alarm within an hour is counted, not repeated: a peer must not fill the table. */
static bool seen_lately(
	struct node *n, struct now now, const char *code, const char *about, const char *text)
{
	struct query *q = store_query(n->store, "SELECT id FROM alarm WHERE code = ?1 AND about = "
						"?2 AND at_ms > ?3 AND at_ms <= ?4 "
						"ORDER BY id DESC LIMIT 1");
	bind_text(q, code);
	bind_text(q, about);
	bind_int(q, now.wall_ms - ALARM_AGAIN_MS);
	bind_int(q, now.wall_ms);
	int64_t id = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	if (id == 0)
		return false;
	q = store_query(n->store, "UPDATE alarm SET times = times + 1, text = ?2 WHERE id = ?1");
	bind_int(q, id);
	bind_text(q, text);
	query_run(q);
	return true;
}

static void tell_alarm(
	struct node *n, struct now now, const char *code, const char *about, const char *text)
{
	json_t *j = json_pack("{s:I, s:s, s:s, s:s}", "at_ms", (json_int_t)now.wall_ms, "code",
		code, "about", about, "text", text);
	size_t len;
	char *line = j == NULL ? NULL : json_write(j, &len);
	if (line != NULL)
		node_feed(n, FEED_ALARM, about, line, len);
	free(line);
	json_decref(j);
	node_say(n, 4, "%s: %s: %s", code, about, text);
}

void node_alarm(struct node *n, struct now now, const char *code, const char *about,
	const char *format, ...)
{
	char text[1024];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (seen_lately(n, now, code, about, text))
		return;
	struct query *q =
		store_query(n->store, "INSERT INTO alarm VALUES(NULL, ?1, ?2, ?3, ?4, 1)");
	bind_int(q, now.wall_ms);
	bind_text(q, code);
	bind_text(q, about);
	bind_text(q, text);
	query_run(q);
	q = store_query(n->store, "DELETE FROM alarm WHERE id <= (SELECT max(id) FROM alarm) - ?1");
	bind_int(q, ALARMS_KEPT);
	query_run(q);
	tell_alarm(n, now, code, about, text);
}
