/* digest_body.c - what leaves: a window's counters as the members of a digest at a level, and
 * beats. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/accept.h"
#include "aggregator/digest_private.h"
#include "aggregator/frame_table.h"
#include "aggregator/link.h"
#include "aggregator/room.h"

#ifndef BONGSU_VERSION
#define BONGSU_VERSION "0.0.0"
#endif

enum { BLOB_DEPTH = 16 };

json_t *digest_read(const void *blob, size_t len)
{
	struct err err = { 0 };
	json_t *w = json_read(blob, len, BLOB_DEPTH, &err);
	if (w != NULL && window_is_one(w))
		return w;
	json_decref(w);
	return NULL;
}

/* --- health and versions ----------------------------------------------------------------- */

static uint64_t told(const json_t *pairs, const char *name)
{
	const char *text = json_text_of(pairs, name);
	return text == NULL ? 0 : strtoull(text, NULL, 10);
}

/* How far it is, kept with its position: an epoch whose end Redis has lost is known by it. */
static void note_told(struct node *n, struct sensor *s, const json_t *pairs)
{
	uint64_t epoch = told(pairs, "epoch"), at = told(pairs, "n");
	char key[160];
	if (epoch < s->told_epoch || (epoch == s->told_epoch && at <= s->told_n))
		return;
	s->told_epoch = epoch;
	s->told_n = at;
	snprintf(key, sizeof key, "p:%s", s->name);
	if (s->known)
		json_object_set(n->digest->dirty, key, json_true());
}

void digest_sensor_health(struct node *n, const char *sensor, const json_t *pairs, struct now now)
{
	struct sensor *s = n->digest == NULL ? NULL : digest_sensor(n, sensor);
	if (s == NULL || pairs == NULL)
		return;
	static const char *const names[3] = { "packets", "kernel_drops", "blind_bytes" };
	int64_t *const last[3] = { &s->packets, &s->drops, &s->blind };
	int64_t grown[3];
	for (unsigned i = 0; i < 3; i++) {
		const char *text = json_text_of(pairs, names[i]);
		int64_t v = text == NULL ? 0 : strtoll(text, NULL, 10);
		v = v < 0 || v > (int64_t)1 << 52 ? 0 : v;
		grown[i] = v > *last[i] ? v - *last[i] : v < *last[i] ? v : 0;
		if (s->beat_ms == INT64_MIN)
			grown[i] = 0; /* what was before we came */
		*last[i] = v;
	}
	window_count(n->digest->w, "pkts", grown[0]);
	window_count(n->digest->w, "drops", grown[1]);
	n->digest->blind += grown[2];
	s->beat_ms = now.mono_ms;
	note_told(n, s, pairs);
	snprintf(s->version, sizeof s->version, "%s",
		json_text_of(pairs, "version") == NULL ? "" : json_text_of(pairs, "version"));
	snprintf(s->rules, sizeof s->rules, "%s",
		json_text_of(pairs, "rules") == NULL ? "" : json_text_of(pairs, "rules"));
}

static bool had_high(struct node *n, struct now now)
{
	struct query *q =
		store_query(n->store, "SELECT 1 FROM seen WHERE at_s > ?1 AND sev <= 2 LIMIT 1");
	bind_int(q, now.wall_ms / 1000 - 86400);
	bool any = query_row(q);
	query_done(q);
	return any;
}

static int64_t waiting(struct node *n)
{
	int64_t most = 0;
	for (unsigned i = 0; i < n->links; i++) {
		struct link_state s;
		link_state(n->link[i], &s);
		most = s.waiting > most ? s.waiting : most;
	}
	return most;
}

json_t *digest_health(struct node *n, unsigned level, struct now now)
{
	const struct digest *d = n->digest;
	json_t *hl = json_object();
	json_object_set_new(hl, "high", json_boolean(d != NULL && had_high(n, now)));
	if (n->cert_days > -36500 && n->cert_days < 36500)
		json_object_set_new(hl, "cert_d", json_integer(n->cert_days));
	if (level == 0)
		return hl;
	int64_t up = 0, down = 0;
	for (unsigned i = 0; d != NULL && i < d->sensors; i++) {
		bool alive = d->sensor[i]->beat_ms != INT64_MIN &&
			     now.mono_ms - d->sensor[i]->beat_ms < DIGEST_BEAT_AGE;
		up += alive;
		down += !alive;
	}
	json_object_set_new(hl, "sensors", json_pack("[I,I]", (json_int_t)up, (json_int_t)down));
	json_object_set_new(hl, "blind_bytes", json_integer(d == NULL ? 0 : d->blind));
	json_object_set_new(hl, "canary_ms", json_integer(d == NULL ? -1 : d->canary_ms));
	json_object_set_new(hl, "disk_pct", json_integer(room_percent(n)));
	json_object_set_new(hl, "waiting", json_integer(waiting(n)));
	return hl;
}

/* "287-0123456789abcdef", as sensors tell it. */
static bool is_rules(const char *t)
{
	size_t digits = strspn(t, "0123456789");
	return digits > 0 && digits <= 6 && t[digits] == '-' && strlen(t + digits + 1) == 16 &&
	       strspn(t + digits + 1, "0123456789abcdef") == 16;
}

json_t *digest_versions(struct node *n)
{
	const struct digest *d = n->digest;
	const char *rules = "none";
	for (unsigned i = 0; d != NULL && i < d->sensors; i++) {
		const char *r = d->sensor[i]->rules;
		if (!is_rules(r))
			continue;
		rules = strcmp(rules, "none") == 0 || strcmp(rules, r) == 0 ? r : "mixed";
	}
	return json_pack("{s:s, s:s, s:s}", "sw", BONGSU_VERSION, "rules", rules, "attck",
		n->config->matrix);
}

static void who(const struct node *n, json_t *o, unsigned level)
{
	json_object_set_new(o, "tier", json_string(tier_name(n->tier)));
	json_object_set_new(o, "reg", json_string(n->region));
	json_object_set_new(o, "ind", json_string(n->industry));
	json_object_set_new(o, "lvl", json_integer(level));
}

static int64_t alarms_of_day(struct node *n, struct now now)
{
	struct query *q = store_query(n->store, "SELECT count(*) FROM alarm WHERE at_ms > ?1");
	bind_int(q, now.wall_ms - 86400000);
	int64_t count = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	return count;
}

json_t *digest_beat(struct node *n, unsigned level, struct now now)
{
	json_t *b = json_object();
	who(n, b, level);
	if (level > 0)
		json_object_set_new(b, "alarms", json_integer(alarms_of_day(n, now)));
	json_object_set_new(b, "ver", digest_versions(n));
	json_object_set_new(b, "hl", digest_health(n, level, now));
	json_object_set_new(b, "at", json_integer(now.wall_ms < 0 ? 0 : now.wall_ms));
	json_object_set_new(b, "run", json_string(n->run));
	struct roster r;
	accept_roster(n, NULL, now, &r);
	if (r.known > 0)
		json_object_set_new(b, "kids",
			json_pack("{s:I, s:I, s:I, s:I}", "known", (json_int_t)r.known, "reporting",
				(json_int_t)r.reporting, "late", (json_int_t)r.late, "silent",
				(json_int_t)r.silent));
	return b;
}

/* --- items ------------------------------------------------------------------------------- */

static int64_t quarter(int64_t at_s)
{
	time_t t = (time_t)at_s;
	struct tm tm;
	if (gmtime_r(&t, &tm) == NULL)
		return 0;
	return (int64_t)tm.tm_year * 4 + tm.tm_mon / 3;
}

/* Pseudonyms of internal addresses by a key that stays here and changes each quarter. */
static void add_names(const struct node *n, json_t *out, const json_t *item, const char *which,
	const char *as, int64_t at_s)
{
	json_t *names = json_array(), *external = json_object_get(out, "ioc");
	size_t i;
	json_t *v;
	json_array_foreach(json_object_get(json_object_get(item, which), "a"), i, v)
	{
		const char *a = json_string_value(v);
		char text[128], hex[HASH_HEX];
		uint8_t h[HASH];
		if (sighting_is_external(a) && frame_pattern_named("address")(a, strlen(a))) {
			if (json_array_size(external) < WINDOW_NAMED)
				json_array_append(external, v);
			continue;
		}
		int len = snprintf(
			text, sizeof text, "pseudonym|%lld|%s", (long long)quarter(at_s), a);
		hmac_of(n->site_key, text,
			(size_t)len < sizeof text ? (size_t)len : sizeof text - 1, h);
		hash_hex(h, hex);
		hex[16] = '\0';
		json_array_append_new(names, json_string(hex));
	}
	json_object_set_new(out, as, names);
}

static size_t distinct(const json_t *item, const char *which)
{
	return json_array_size(json_object_get(json_object_get(item, which), "p"));
}

static json_t *item_body(const struct node *n, const char *k, const json_t *item, unsigned level)
{
	static const char *const same[] = { "sk", "rule", "rev", "cat", "tech", "sev", "conf",
		"verb", "first", "last", "verdicts", "roles", "zones", "chg", "ev" };
	json_t *out = json_object();
	json_object_set_new(out, "k", json_string(k));
	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		json_object_set(out, same[i], json_object_get(item, same[i]));
	json_object_set_new(out, "n", json_string(window_bucket(json_int_of(item, "n", 0))));
	json_object_set_new(out, "src", json_string(window_bucket((int64_t)distinct(item, "src"))));
	json_object_set_new(out, "dst", json_string(window_bucket((int64_t)distinct(item, "dst"))));
	if (level >= 2) {
		int64_t at = json_int_of(item, "last", 0);
		json_object_set_new(out, "ioc", json_array());
		add_names(n, out, item, "src", "srcp", at);
		add_names(n, out, item, "dst", "dstp", at);
	}
	return out;
}

struct ranked {
	const char *k;
	const json_t *item;
};

static int graver_first(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int64_t sx = json_int_of(x->item, "sev", 4), sy = json_int_of(y->item, "sev", 4);
	int64_t nx = json_int_of(x->item, "n", 0), ny = json_int_of(y->item, "n", 0);
	if (sx != sy)
		return sx < sy ? -1 : 1;
	return nx != ny ? (nx > ny ? -1 : 1) : strcmp(x->k, y->k);
}

static void put_items(
	const struct node *n, json_t *body, const json_t *w, unsigned level, size_t most)
{
	json_t *items = json_object_get(w, "items"), *out = json_array(), *v;
	size_t count = json_object_size(items), at = 0;
	struct ranked *all = calloc(count + 1, sizeof *all);
	const char *k;
	if (all == NULL)
		abort();
	json_object_foreach(items, k, v) all[at++] = (struct ranked){ k, v };
	qsort(all, count, sizeof *all, graver_first);
	int64_t rest = 0, sev = 4;
	for (size_t i = 0; i < count; i++) {
		if (i < most) {
			json_array_append_new(out, item_body(n, all[i].k, all[i].item, level));
			continue;
		}
		rest += json_int_of(all[i].item, "n", 0);
		if (json_int_of(all[i].item, "sev", 4) < sev)
			sev = json_int_of(all[i].item, "sev", 4);
	}
	json_object_set_new(body, "items", out);
	if (count > most)
		json_object_set_new(body, "other",
			json_pack("{s:I, s:I, s:I}", "kinds", (json_int_t)(count - most), "n",
				(json_int_t)rest, "sev", (json_int_t)sev));
	free(all);
}

static void put_fixes(json_t *body, const json_t *w)
{
	json_t *out = json_array(), *v;
	const char *k;
	json_object_foreach(json_object_get(w, "fixes"), k, v)
	{
		if (json_array_size(out) == DIGEST_ITEMS)
			break;
		json_array_append_new(out, json_pack("{s:s, s:O}", "k", k, "verdicts", v));
	}
	if (json_array_size(out) > 0)
		json_object_set(body, "fixes", out);
	json_decref(out);
}

/* --- the digest -------------------------------------------------------------------------- */

static json_t *span(const struct node *n, const json_t *w)
{
	json_t *o = json_object();
	static const char *const same[] = { "start", "end", "mono_ms", "coarse_s", "late" };
	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		json_object_set(o, same[i], json_object_get(w, same[i]));
	json_object_set_new(
		o, "skew_ms", json_integer(n->links > 0 ? link_skew_ms(n->link[0]) : 0));
	if (json_is_true(json_object_get(w, "jump")))
		json_object_set(o, "jump", json_true());
	return o;
}

json_t *digest_body(struct node *n, const void *blob, size_t len, unsigned level, struct now now)
{
	json_t *w = digest_read(blob, len);
	if (w == NULL)
		return NULL;
	json_t *body = json_object();
	who(n, body, level);
	json_object_set_new(body, "w", span(n, w));
	json_t *ver = json_object_get(w, "ver"), *hl = json_object_get(w, "hl");
	json_object_set_new(body, "ver", ver != NULL ? json_incref(ver) : digest_versions(n));
	json_object_set(body, "cov", json_object_get(w, "cov"));
	json_object_set(body, "in", json_object_get(w, "in"));
	json_object_set_new(
		body, "hl", hl != NULL ? json_incref(hl) : digest_health(n, level, now));
	put_fixes(body, w);
	for (size_t most = DIGEST_ITEMS;; most = most * 3 / 4) {
		put_items(n, body, w, level, most);
		size_t size;
		free(json_write(body, &size));
		if (size <= DIGEST_BODY || most == 0)
			break;
		json_object_del(body, "fixes"); /* corrections are the first to give way */
	}
	json_decref(w);
	return body;
}

/* --- merging ------------------------------------------------------------------- */

static uint32_t coarser(int64_t from_a, int64_t from_b, uint32_t now)
{
	if (now <= 3600 && from_a / 3600 == from_b / 3600)
		return 3600;
	return 86400;
}

void *digest_merge(const void *a, size_t a_len, const void *b, size_t b_len, size_t *len)
{
	json_t *to = digest_read(a, a_len), *from = digest_read(b, b_len);
	int64_t start = json_int_of(to, "start", 0), other = json_int_of(from, "start", 0);
	int64_t coarse = json_int_of(to, "coarse_s", 300),
		coarse_b = json_int_of(from, "coarse_s", 300);
	char *blob = NULL;
	if (to != NULL && from != NULL && start / 86400 == other / 86400 &&
		json_array_size(json_object_get(to, "cov")) +
				json_array_size(json_object_get(from, "cov")) <=
			DIGEST_RANGES) {
		window_add(to, from);
		coarse = coarse > coarse_b ? coarse : coarse_b;
		json_object_set_new(
			to, "coarse_s", json_integer(coarser(start, other, (uint32_t)coarse)));
		blob = json_write(to, len);
	}
	json_decref(to);
	json_decref(from);
	return blob;
}

bool digest_facts(const void *blob, size_t len, struct digest_facts *out)
{
	json_t *w = digest_read(blob, len);
	if (w == NULL)
		return false;
	*out = (struct digest_facts){ .start = json_int_of(w, "start", 0),
		.end = json_int_of(w, "end", 0),
		.coarse_s = (uint32_t)json_int_of(w, "coarse_s", 300),
		.in = json_incref(json_object_get(w, "in")),
		.cov = json_incref(json_object_get(w, "cov")),
		.cut = json_is_true(json_object_get(w, "cut")) };
	json_decref(w);
	return true;
}
