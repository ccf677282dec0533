/* digest_fold.c - one event of a sensor into the open window. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest_private.h"
#include "aggregator/frame.h"
#include "aggregator/link.h"

enum { EVE_DEPTH = 24, LATE_KEYS = 1000 };
/* Beyond, an id is no event number of a sensor's, and sums would not fit a frame. */
#define N_MAX (UINT64_C(1) << 48)

static void mark(struct node *n, const char *kind, const char *name)
{
	char key[160];
	snprintf(key, sizeof key, "%s%s", kind, name);
	json_object_set(n->digest->dirty, key, json_true());
}

/* --- flashes ----------------------------------------------------------------------------- */

static bool seen_lately(struct node *n, const char *k, int64_t now_s)
{
	struct query *q = store_query(n->store, "SELECT at_s FROM seen WHERE k = ?1");
	bool lately = false;
	bind_text(q, k);
	if (query_row(q)) {
		int64_t age = now_s - row_int(q, 0);
		lately = age < (int64_t)n->config->flash_again_s &&
			 age > -(int64_t)n->config->flash_again_s;
	}
	query_done(q);
	return lately;
}

static void remember(struct node *n, const char *k, int64_t sev, int64_t now_s)
{
	struct query *q = store_query(n->store, "DELETE FROM seen WHERE at_s < ?1");
	bind_int(q, now_s - (int64_t)n->config->flash_again_s);
	query_run(q);
	q = store_query(n->store, "DELETE FROM seen WHERE k IN (SELECT k FROM seen ORDER BY at_s "
				  "LIMIT max(0, (SELECT count(*) "
				  "FROM seen) - ?1))");
	bind_int(q, (int64_t)n->config->max_keys - 1);
	query_run(q);
	q = store_query(n->store, "INSERT OR REPLACE INTO seen VALUES(?1, ?2, ?3)");
	bind_text(q, k);
	bind_int(q, now_s);
	bind_int(q, sev);
	query_run(q);
}

/* At most so many of one rule in an hour. */
static bool within_hour(struct node *n, const char *rule, int64_t now_s)
{
	int64_t hour = now_s / 3600, times = 0;
	struct query *q = store_query(n->store, "DELETE FROM flashed WHERE hour < ?1");
	bind_int(q, hour);
	query_run(q);
	q = store_query(n->store, "SELECT times FROM flashed WHERE rule = ?1 AND hour = ?2");
	bind_text(q, rule);
	bind_int(q, hour);
	if (query_row(q))
		times = row_int(q, 0);
	query_done(q);
	if (times >= (int64_t)n->config->flash_hour)
		return false;
	q = store_query(n->store, "INSERT OR REPLACE INTO flashed VALUES(?1, ?2, ?3)");
	bind_text(q, rule);
	bind_int(q, hour);
	bind_int(q, times + 1);
	query_run(q);
	return true;
}

static json_t *flash_body(const struct node *n, const struct sighting *s,
	const struct sensor *sensor, const struct intake_event *e, struct now now)
{
	char text[128], id[HASH_HEX];
	uint8_t h[HASH];
	int len = snprintf(text, sizeof text, "%s|%" PRIu64 "|%" PRIu64 "|%" PRIu64, n->org,
		sensor->number, e->epoch, e->n);
	hash_of(text, (size_t)len, h);
	hash_hex(h, id);
	json_t *roles = json_pack("[s]", s->roles), *zones = json_pack("[s]", s->zones);
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:[I,I,I], s:s, s:s, s:s, s:I, s:s, s:s, s:I, "
			 "s:I, s:s, s:o, "
			 "s:o, s:b, s:s, s:I, s:I}",
		"tier", tier_name(n->tier), "reg", n->region, "ind", n->industry, "lvl", 1, "id",
		id, "cov", (json_int_t)sensor->number, (json_int_t)e->epoch, (json_int_t)e->n, "k",
		s->k, "sk", s->sk, "rule", s->rule, "rev", (json_int_t)s->rev, "cat", s->cat,
		"tech", s->tech, "sev", (json_int_t)s->sev, "conf", (json_int_t)s->conf, "verb",
		s->verb, "roles", roles, "zones", zones, "chg", s->changes, "verdict",
		s->verdict == NULL ? "no_reply_by_spec" : s->verdict, "at", (json_int_t)s->at_s,
		"known_at", (json_int_t)(now.wall_ms < 0 ? 0 : now.wall_ms / 1000));
}

static void flash(struct node *n, const struct sighting *s, const struct sensor *sensor,
	const struct intake_event *e, const char *id, struct now now)
{
	int64_t now_s = now.wall_ms / 1000;
	if (s->sev > 2 || seen_lately(n, s->k, now_s))
		return;
	remember(n, s->k, s->sev, now_s);
	if (!within_hour(n, id, now_s))
		return;
	json_t *body = flash_body(n, s, sensor, e, now);
	const uint64_t covers[3] = { sensor->number, e->epoch, e->n };
	for (unsigned i = 0; body != NULL && i < n->links; i++)
		if (link_level(n->link[i]) > 0 && s->sev <= (int64_t)link_severity(n->link[i]))
			link_hurry(n->link[i], FRAME_FLASH, json_text_of(body, "id"), body, covers,
				now);
	if (body != NULL && n->wake != NULL)
		n->wake(n->ctx);
	json_decref(body);
}

/* --- kinds of events --------------------------------------------------------------------- */

static bool is_silenced(const struct node *n, const char *id)
{
	for (size_t i = 0; i < n->config->silenced.count; i++)
		if (strcmp(n->config->silenced.text[i], id) == 0)
			return true;
	return false;
}

static void count_alert(struct node *n, json_t *w, const struct sensor *sensor,
	const struct intake_event *e, const json_t *eve, bool live, struct now now)
{
	struct sighting s;
	const char *id;
	if (!sighting_read(&s, eve, n->site_key, n->digest->shared, &id)) {
		window_lose(w, "unreadable", 1);
		return;
	}
	window_count(w, "alerts", 1);
	if (s.at_s < json_int_of(w, "start", 0))
		json_object_set_new(w, "late", json_integer(json_int_of(w, "late", 0) + 1));
	if (is_silenced(n, id)) {
		window_count(w, "suppressed", 1);
	} else if (!window_see(w, &s, n->config->max_keys)) {
		window_count(w, "sampled", 1);
	} else {
		window_count(w, "items", 1);
		if (live) {
			mark(n, "i:", s.k);
			flash(n, &s, sensor, e, id, now);
		}
	}
}

static void count_verdict(struct node *n, json_t *w, const json_t *eve, bool live)
{
	struct sighting s;
	const char *id;
	if (!sighting_read(&s, eve, n->site_key, n->digest->shared, &id) || is_silenced(n, id) ||
		s.verdict == NULL || strcmp(s.verdict, "pending") == 0)
		return;
	window_settle(w, s.k, s.verdict, LATE_KEYS);
	if (live && json_object_get(json_object_get(w, "items"), s.k) != NULL)
		mark(n, "i:", s.k);
}

static void fold_canary(struct node *n, const json_t *eve, struct now now)
{
	int64_t at = json_int_of(json_object_get(eve, "bongsu"), "ts_ns", 0) / 1000000;
	int64_t took = now.wall_ms - at;
	if (at > 0)
		n->digest->canary_ms = took < 0 ? 0 : took > 86400000 ? 86400000 : took;
}

void digest_count(struct node *n, json_t *w, const struct sensor *s, const struct intake_event *e,
	bool live, struct now now)
{
	struct err err = { 0 };
	bool alert = strcmp(e->type, "alert") == 0, verdict = strcmp(e->type, "verdict") == 0;
	bool canary = strcmp(e->type, "canary") == 0;
	json_t *eve =
		alert || verdict || canary ? json_read(e->json, e->len, EVE_DEPTH, &err) : NULL;
	if (alert && eve == NULL)
		window_lose(w, "unreadable", 1);
	else if (alert)
		count_alert(n, w, s, e, eve, live, now);
	else
		window_count(w, "other", 1);
	if (verdict && eve != NULL)
		count_verdict(n, w, eve, live);
	if (canary && live && eve != NULL)
		fold_canary(n, eve, now);
	json_decref(eve);
}

/* --- in order ---------------------------------------------------------------------------- */

static void cover(struct node *n, const struct sensor *s, uint64_t epoch, uint64_t from,
	uint64_t to, struct now now)
{
	struct digest *d = n->digest;
	if (!window_cover(d->w, (int64_t)s->number, (int64_t)epoch, (int64_t)from, (int64_t)to)) {
		digest_close(n, now, true);
		window_cover(d->w, (int64_t)s->number, (int64_t)epoch, (int64_t)from, (int64_t)to);
	}
	window_count(d->w, "events", (int64_t)(to - from + 1));
}

static void hole(struct node *n, const struct sensor *s, uint64_t epoch, uint64_t from, uint64_t to,
	struct now now)
{
	cover(n, s, epoch, from, to, now);
	window_lose(n->digest->w, "trimmed", (int64_t)(to - from + 1));
	node_alarm(n, now, "events-lost", s->name,
		"events %" PRIu64 " to %" PRIu64 " of epoch %" PRIu64
		" were gone from Redis before they were read",
		from, to, epoch);
}

/* An epoch has ended: what its sensor had told of and never came is gone. */
static void tail(struct node *n, const struct sensor *s, uint64_t next_epoch, struct now now)
{
	bool same = s->told_epoch == s->epoch;
	uint64_t from = same ? s->n + 1 : 1;
	if (!s->known || s->told_epoch >= next_epoch || s->told_epoch < s->epoch ||
		s->told_n < from || s->told_n >= N_MAX)
		return;
	hole(n, s, s->told_epoch, from, s->told_n, now);
}

bool digest_fold(struct node *n, const struct intake_event *e, struct now now)
{
	struct sensor *s = digest_sensor(n, e->sensor);
	if (s == NULL || e->n == 0 || e->n >= N_MAX || e->epoch >= N_MAX) {
		node_alarm(n, now, "intake-refused", "redis",
			"an entry that no sensor of ours wrote (id %" PRIu64 "-%" PRIu64
			"), or more than %d sensors",
			e->epoch, e->n, DIGEST_SENSORS);
		return true;
	}
	if (s->known && (e->epoch < s->epoch || (e->epoch == s->epoch && e->n <= s->n)))
		return false;
	if (e->epoch > s->epoch)
		tail(n, s, e->epoch, now);
	uint64_t next = s->known && e->epoch == s->epoch ? s->n + 1 : 1;
	if (e->n > next)
		hole(n, s, e->epoch, next, e->n - 1, now);
	cover(n, s, e->epoch, e->n, e->n, now);
	digest_count(n, n->digest->w, s, e, true, now);
	s->epoch = e->epoch;
	s->n = e->n;
	s->known = true;
	mark(n, "p:", s->name);
	return true;
}
