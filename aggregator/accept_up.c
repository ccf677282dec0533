/* accept_up.c - a POST as a whole: within its bounds, one transaction, one answer. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept_private.h"
#include "aggregator/fault.h"
#include "aggregator/notice.h"
#include "aggregator/room.h"

/* --- answers ----------------------------------------------------------------------------- */

static json_t *pair(struct frame_id id)
{
	return json_pack("[I,I]", (json_int_t)id.ep, (json_int_t)id.sq);
}

static void finish(struct answer *out, int status, json_t *body)
{
	out->status = status;
	out->json = json_write(body, &out->len);
	json_decref(body);
}

void accept_refuse(struct answer *out, int status, const char *why, int retry_after)
{
	out->retry_after = retry_after;
	finish(out, status, json_pack("{s:s}", "why", why));
}

/* The top of the chain is up as soon as it is durable. */
static struct frame_id up_of(const struct node *n, const struct child *c)
{
	return n->links == 0 ? accept_dur(c) : c->up;
}

static void sign_receipt(const struct taking *t, json_t *body)
{
	struct frame_id dur = accept_dur(t->child);
	uint64_t last = t->post->last < dur.sq ? t->post->last : dur.sq;
	char hex[HASH_HEX];
	size_t len;
	struct err err = { 0 };
	if (!t->post->has_range || t->post->ep != dur.ep || last < t->post->first)
		return;
	struct query *q = store_query(t->n->store,
		"SELECT hash FROM frame WHERE org = ?1 AND ep = ?2 AND sq = ?3 AND hash NOT NULL");
	uint8_t hash[HASH];
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)dur.ep);
	bind_int(q, (int64_t)last);
	bool found = query_row(q);
	size_t size = 0;
	const void *blob = found ? row_blob(q, 0, &size) : NULL;
	if (size == HASH)
		memcpy(hash, blob, HASH);
	query_done(q);
	if (size != HASH)
		return;
	hash_hex(hash, hex);
	json_t *rc = json_pack("{s:I, s:I, s:I, s:s, s:I}", "ep", (json_int_t)dur.ep, "first",
		(json_int_t)t->post->first, "last", (json_int_t)last, "hash", hex, "at",
		(json_int_t)(t->now.wall_ms < 0 ? 0 : t->now.wall_ms));
	struct frame_head h = {
		.type = FRAME_SIGNED_RECEIPT, .org = t->n->org, .to = t->child->org
	};
	char *line = frame_make(&h, rc, &t->n->key, &len, NULL, &err);
	if (line != NULL)
		json_object_set_new(body, "rc", json_string(line));
	free(line);
	json_decref(rc);
}

static json_t *reply(const struct taking *t)
{
	const struct agg_config *c = t->n->config;
	json_t *body = json_object();
	json_object_set_new(body, "dur", pair(accept_dur(t->child)));
	json_object_set_new(body, "up", pair(up_of(t->n, t->child)));
	json_object_set(body, "ok", t->ok);
	json_object_set(body, "rej", t->rej);
	json_object_set_new(body, "win",
		json_pack("{s:I, s:I, s:I}", "frames", (json_int_t)c->win_frames, "kib",
			(json_int_t)128, "every_s", (json_int_t)c->win_every_s));
	json_object_set_new(body, "now", json_integer(t->now.wall_ms));
	json_object_set_new(body, "ntc", json_integer((json_int_t)notice_newest(t->n, t->peer)));
	json_object_set_new(body, "v", json_pack("[i,i]", 1, 1));
	sign_receipt(t, body);
	return body;
}

/* --- the body ---------------------------------------------------------------------------- */

/* A body as lines; they are borrowed. */
struct lines {
	struct {
		const char *at;
		size_t len;
		bool peer_signed;
	} line[POST_FRAMES];
	size_t count;
};

/* Lines end with a newline; the last may do without. */
static bool split(const char *body, size_t len, struct lines *to)
{
	to->count = 0;
	while (len > 0) {
		const char *end = memchr(body, '\n', len);
		size_t n = end == NULL ? len : (size_t)(end - body);
		if (n == 0 || to->count == POST_FRAMES) /* a long line is its own fault */
			return false;
		to->line[to->count].at = body;
		to->line[to->count++].len = n;
		n += end != NULL;
		body += n;
		len -= n;
	}
	return to->count > 0;
}

/* Signatures cost most and ask for nothing but the bytes, so nobody waits for the node meanwhile.
 * The key of the connection signed nearly all that comes. */
static void check_signatures(struct lines *l, const struct key *k)
{
	for (size_t i = 0; i < l->count; i++)
		l->line[i].peer_signed = frame_signed_by(l->line[i].at, l->line[i].len, k);
}

static void take_lines(struct taking *t, const struct lines *l)
{
	for (size_t i = 0; i < l->count && t->status == 0; i++) {
		t->peer_signed = l->line[i].peer_signed;
		accept_line(t, l->line[i].at, l->line[i].len);
	}
}

static bool all_revoked(const struct child *c, const struct peer *p)
{
	for (unsigned i = 0; i < c->keys; i++)
		if (memcmp(c->key[i].key.public_, p->key.public_, KEY_PUBLIC) == 0)
			return c->key[i].revoked_at != 0;
	return false;
}

/* When a child that found us full asks again: as often as it would send without a backlog. */
static int retry_s(const struct node *n)
{
	return (int)n->config->win_every_s;
}

static void answer(struct taking *t, bool committed, struct answer *out)
{
	if (!committed) {
		node_say(t->n, 3, "store: %s", store_why(t->n->store));
		accept_refuse(out, 503, "store", store_is_full(t->n->store) ? retry_s(t->n) : 5);
	} else if (t->status != 0 && !t->wants) {
		accept_refuse(out, t->status, t->why, -1);
	} else if (t->status == 409) {
		finish(out, 409,
			json_pack("{s:o, s:o}", "want", pair(t->want), "dur",
				pair(accept_dur(t->child))));
	} else if (t->refuse_sequenced && t->any_sequenced) {
		accept_refuse(out, 503, "full", retry_s(t->n));
	} else {
		finish(out, 200, reply(t));
	}
}

void accept_up(struct node *n, const struct peer *p, const struct post_in *in, struct now now,
	struct answer *out)
{
	struct taking t = {
		.n = n, .peer = p, .post = in, .now = now, .ok = json_array(), .rej = json_array()
	};
	struct lines lines;
	lines.count = 0;
	bool whole = in->len <= POST_BYTES && split(in->body, in->len, &lines);
	*out = (struct answer){ .retry_after = -1 };
	if (whole)
		check_signatures(&lines, &p->key);
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	t.child = accept_know(n, p, now);
	if (t.child == NULL) {
		store_commit(n->store);
		accept_refuse(out, 403, "too many children", -1);
	} else if (!whole) {
		store_commit(n->store);
		accept_refuse(out, in->len > POST_BYTES ? 413 : 422,
			"the body cannot be split into frames", -1);
	} else if (all_revoked(t.child, p)) {
		store_commit(n->store);
		accept_refuse(out, 403, "revoked", -1);
	} else {
		accept_spend(n, t.child, lines.count);
		t.refuse_sequenced = room_is_short(n);
		take_lines(&t, &lines);
		accept_save(n, t.child);
		FAULT("accept.before_commit");
		bool committed = store_commit(n->store);
		if (committed)
			t.child->stored = true;
		else
			accept_reload(n, t.child);
		answer(&t, committed, out);
		if (t.refuse_sequenced) {
			store_begin(n->store);
			node_alarm(n, now, "store-full", n->org,
				"the store takes %d %% of its room: digests are asked to "
				"wait",
				room_percent(n));
			store_commit(n->store);
		}
	}
	pthread_mutex_unlock(&n->lock);
	json_decref(t.ok);
	json_decref(t.rej);
}

void accept_head(struct node *n, const struct peer *p, struct now now, struct answer *out)
{
	char pv[HASH_HEX];
	*out = (struct answer){ .retry_after = -1 };
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	struct child *c = accept_know(n, p, now);
	if (c != NULL)
		accept_save(n, c);
	bool committed = store_commit(n->store);
	if (c != NULL && committed)
		c->stored = true;
	if (c == NULL) {
		accept_refuse(out, 403, "too many children", -1);
	} else if (!committed) {
		accept_reload(n, c);
		accept_refuse(out, 503, "store", 5);
	} else if (all_revoked(c, p)) {
		accept_refuse(out, 403, "revoked", -1);
	} else {
		hash_hex(c->pv, pv);
		finish(out, 200,
			json_pack("{s:I, s:I, s:s, s:o, s:o, s:o, s:o, s:I, s:s, s:s}", "ep",
				(json_int_t)c->head.ep, "sq", (json_int_t)c->head.sq, "pv", pv,
				"cov", cover_told(c), "holes", cover_holes(c), "dur",
				pair(accept_dur(c)), "up", pair(up_of(n, c)), "now",
				(json_int_t)now.wall_ms, "org", n->org, "tier",
				tier_name(n->tier)));
	}
	pthread_mutex_unlock(&n->lock);
}
