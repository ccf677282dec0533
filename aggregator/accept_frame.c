/* accept_frame.c - one line of a POST: whose it is, where it stands in the chain, what it adds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept_private.h"
#include "aggregator/fault.h"
#include "aggregator/release.h"
#include "aggregator/rollup.h"

static void refuse(struct taking *t, int status, const char *why)
{
	t->status = status;
	snprintf(t->why, sizeof t->why, "%s", why);
}

static void want(struct taking *t, uint64_t ep, uint64_t sq)
{
	t->status = 409;
	t->wants = true;
	t->want = (struct frame_id){ ep, sq };
}

/* --- keys -------------------------------------------------------------------------------- */

/* When what the frame tells of ended: keys are judged by it. */
static int64_t frame_time(const struct frame *f, struct now now)
{
	const json_t *w = json_object_get(f->json, "w");
	if (w != NULL)
		return json_int_of(w, "end", now.wall_ms / 1000);
	return now.wall_ms / 1000;
}

enum { SLACK_S = 86400 };

static enum frame_fault check_key(const struct taking *t, const struct frame *f, struct err *err)
{
	const struct child *c = t->child;
	int64_t at = frame_time(f, t->now);
	for (unsigned i = 0; i < c->keys; i++) {
		const struct held_key *k = &c->key[i];
		if (strcmp(k->key.kid, f->kid) != 0)
			continue;
		if (k->revoked_at != 0) {
			err_set(err, "key %s is revoked", f->kid);
			return FRAME_REVOKED;
		}
		if (at > k->not_after + SLACK_S) {
			err_set(err, "key %s had ended when the window did", f->kid);
			return FRAME_BAD_SIG;
		}
		bool of_peer = memcmp(k->key.public_, t->peer->key.public_, KEY_PUBLIC) == 0;
		if (of_peer ? t->peer_signed : frame_verify(f, &k->key))
			return FRAME_GOOD;
		err_set(err, "the signature is wrong");
		return FRAME_BAD_SIG;
	}
	err_set(err, "key %s was never certified here", f->kid);
	return FRAME_BAD_SIG;
}

/* --- the chain --------------------------------------------------------------------------- */

enum stand { STAND_NEXT, STAND_REPEAT, STAND_STOP };

/* The same identity with other bytes: someone has two histories. It is told to ask where it stands:
 * by our `dur` it would think that we have what we set aside. */
static void quarantine(struct taking *t, const struct frame *f)
{
	struct query *q = store_query(t->n->store,
		"INSERT OR IGNORE INTO quarantine VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6)");
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)f->id.ep);
	bind_int(q, (int64_t)f->id.sq);
	bind_blob(q, f->hash, HASH);
	bind_int(q, t->now.wall_ms);
	bind_line(q, f->line, f->len);
	query_run(q);
	node_alarm(t->n, t->now, "equivocation", t->child->org,
		"frame %llu/%llu came with other bytes than before: a restored copy, or two that "
		"are one",
		(unsigned long long)f->id.ep, (unsigned long long)f->id.sq);
	refuse(t, 409, "equivocation");
}

static const char *refused_code(struct taking *t, struct frame_id id, char code[16])
{
	struct query *q = store_query(t->n->store,
		"SELECT code FROM refused WHERE org = ?1 AND ep = ?2 AND sq = ?3 AND code <> ''");
	const char *found = NULL;
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)id.ep);
	bind_int(q, (int64_t)id.sq);
	if (query_row(q)) {
		snprintf(code, 16, "%s", row_text(q, 0));
		found = code;
	}
	query_done(q);
	return found;
}

static void tell_refused(struct taking *t, uint64_t sq, const char *code)
{
	json_array_append_new(t->rej, json_pack("{s:I, s:s}", "sq", (json_int_t)sq, "code", code));
}

static void repeated(struct taking *t, const struct frame *f)
{
	struct query *q = store_query(
		t->n->store, "SELECT hash FROM frame WHERE org = ?1 AND ep = ?2 AND sq = ?3");
	char code[16];
	size_t size = 0;
	bool known = false, same = false;
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)f->id.ep);
	bind_int(q, (int64_t)f->id.sq);
	if (query_row(q)) {
		const void *hash = row_blob(q, 0, &size);
		known = true;
		same = size != HASH ||
		       memcmp(hash, f->hash, HASH) == 0; /* within a tomb: no hash */
	}
	query_done(q);
	if (known && !same)
		quarantine(t, f);
	else if (!known && f->id.ep < t->child->head.ep)
		want(t, t->child->head.ep, t->child->head.sq + 1); /* that epoch is over */
	else if (!known && refused_code(t, f->id, code) != NULL)
		tell_refused(t, f->id.sq, code);
}

static enum stand next_epoch(struct taking *t, const struct frame *f)
{
	const struct child *c = t->child;
	const json_t *after = json_object_get(f->json, "after");
	bool fresh = c->head.sq == 0;
	if (f->id.sq != 1) {
		want(t, f->id.ep, 1);
		return STAND_STOP;
	}
	if (fresh && after == NULL)
		return STAND_NEXT;
	struct frame_id told = { (uint64_t)json_integer_value(json_array_get(after, 0)),
		(uint64_t)json_integer_value(json_array_get(after, 1)) };
	if (after == NULL || frame_id_compare(told, c->head) > 0) {
		want(t, fresh && after != NULL ? told.ep : c->head.ep, c->head.sq + 1);
		return STAND_STOP;
	}
	return STAND_NEXT;
}

static enum stand stand_of(struct taking *t, const struct frame *f)
{
	const struct child *c = t->child;
	if (f->id.ep < c->head.ep || (f->id.ep == c->head.ep && f->id.sq <= c->head.sq))
		return STAND_REPEAT;
	if (f->id.ep > c->head.ep)
		return next_epoch(t, f);
	if (f->id.sq != c->head.sq + 1) {
		want(t, c->head.ep, c->head.sq + 1);
		return STAND_STOP;
	}
	if (memcmp(f->pv, c->pv, HASH) != 0) {
		quarantine(t, f);
		return STAND_STOP;
	}
	return STAND_NEXT;
}

/* --- taking ------------------------------------------------------------------------------ */

static int64_t lost_of(const json_t *in)
{
	const char *key;
	json_t *v;
	int64_t sum = 0;
	json_object_foreach(json_object_get(in, "lost"), key, v) sum +=
		(int64_t)json_integer_value(v);
	return sum;
}

void accept_count(struct taking *t, const json_t *in)
{
	struct totals *s = &t->child->sum;
	s->events += json_int_of(in, "events", 0);
	s->alerts += json_int_of(in, "alerts", 0);
	s->other += json_int_of(in, "other", 0);
	s->items += json_int_of(in, "items", 0);
	s->suppressed += json_int_of(in, "suppressed", 0);
	s->sampled += json_int_of(in, "sampled", 0);
	s->withheld += json_int_of(in, "withheld", 0);
	s->lost += lost_of(in);
	t->child->dirty = true;
}

/* The line as it came, but for one with members that we do not know: neither kept nor passed on.
 * @own: the caller's to free(). */
static const char *known_text(const struct frame *f, char **own, size_t *len)
{
	*own = f->unknown > 0 ? json_write(f->json, len) : NULL;
	if (*own != NULL)
		return *own;
	*len = f->len;
	return f->line;
}

static void keep_frame(struct taking *t, const struct frame *f)
{
	const json_t *w = json_object_get(f->json, "w");
	struct query *q = store_query(t->n->store,
		"INSERT INTO frame VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?11, ?10)");
	size_t len;
	bool summed = t->child->count && (f->type == FRAME_DIGEST || f->type == FRAME_ROLLUP);
	char *own = NULL;
	const char *text = known_text(f, &own, &len);
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)f->id.ep);
	bind_int(q, (int64_t)f->id.sq);
	bind_int(q, f->type);
	bind_blob(q, f->hash, HASH);
	bind_int(q, t->now.wall_ms / 86400000);
	bind_int(q, json_int_of(w, "start", 0));
	bind_int(q, f->type == FRAME_ROLLUP ? json_int_of(f->json, "res", 0)
					    : rollup_class(json_int_of(w, "coarse_s", 300)));
	bind_int(q, t->now.wall_ms);
	/* what a person released lies apart, and not longer than said */
	bind_line(q, f->type == FRAME_EVIDENCE ? "" : text, f->type == FRAME_EVIDENCE ? 0 : len);
	bind_int(q, !summed || t->n->links == 0);
	query_run(q);
	free(own);
	t->n->accept->serial = store_last_id(t->n->store);
	if (f->type == FRAME_EVIDENCE)
		release_keep(t->n, f);
}

static enum frame_fault take_digest(struct taking *t, const struct frame *f, struct err *err)
{
	struct child *c = t->child;
	const json_t *cov = json_object_get(f->json, "cov");
	if (cover_common(c, cov) > 0) {
		err_set(err, "events that are counted already");
		return FRAME_COV;
	}
	if (!cover_add(t->n, c, cov)) {
		err_set(err, "coverage is too scattered");
		return FRAME_COV;
	}
	accept_count(t, json_object_get(f->json, "in"));
	return FRAME_GOOD;
}

static enum frame_fault judge(
	struct taking *t, const struct frame *f, enum frame_fault fault, struct err *err)
{
	if (fault == FRAME_GOOD)
		fault = check_key(t, f, err);
	if (fault == FRAME_GOOD)
		fault = frame_check_level(f, (unsigned)t->n->config->accept_level, err);
	if (fault == FRAME_GOOD && strcmp(f->to, t->n->org) != 0) {
		err_set(err, "to: it is for another");
		fault = FRAME_SCHEMA;
	}
	if (fault == FRAME_GOOD && f->count != t->child->count) {
		err_set(err, "link: it changes only with the epoch");
		fault = FRAME_SCHEMA;
	}
	if (fault == FRAME_GOOD && f->type == FRAME_DIGEST)
		fault = take_digest(t, f, err);
	return fault;
}

bool accept_strays(struct taking *t, const struct frame *f)
{
	const json_t *path = json_object_get(f->json, "path");
	const char *why = json_array_size(path) >= PATH_NODES ? "depth" : NULL;
	size_t i;
	json_t *node;
	json_array_foreach(path, i, node)
	{
		if (strcmp(json_string_value(node), t->n->org) == 0)
			why = "loop";
	}
	if (why == NULL)
		return false;
	node_alarm(t->n, t->now, why, t->child->org,
		*why == 'l' ? "our own id is in the path of its %s"
			    : "its %s came through too many tiers",
		frame_type_name(f->type));
	refuse(t, 403, why);
	return true;
}

static void learn_path(struct child *c, const json_t *path)
{
	size_t i;
	json_t *node;
	c->nodes = 0;
	json_array_foreach(path, i, node)
	{
		if (i < PATH_NODES)
			snprintf(c->path[c->nodes++], ORG_TEXT, "%s", json_string_value(node));
	}
}

static void act(struct taking *t, const struct frame *f)
{
	struct err err = { 0 };
	if (f->type == FRAME_RECEIPT)
		accept_pass_receipt(t, f);
	if (f->type == FRAME_ROLLUP)
		learn_path(t->child, json_object_get(f->json, "path"));
	if ((f->type == FRAME_DIGEST || f->type == FRAME_ROLLUP) && t->child->count &&
		!rollup_add(t->n, t->peer, f, t->n->accept->serial, t->now, &err))
		node_alarm(t->n, t->now, "rollup", t->child->org, "%s", err.text);
	if (f->type == FRAME_DIGEST || f->type == FRAME_ROLLUP) {
		size_t len;
		char *own;
		const char *text = known_text(f, &own, &len);
		node_feed(t->n, f->type == FRAME_DIGEST ? FEED_DIGEST : FEED_ROLLUP, f->org, text,
			len);
		free(own);
	}
}

static void sequenced(
	struct taking *t, const struct frame *f, enum frame_fault fault, struct err *err)
{
	struct child *c = t->child;
	if (t->refuse_sequenced)
		return;
	switch (stand_of(t, f)) {
	case STAND_REPEAT:
		repeated(t, f);
		return;
	case STAND_STOP:
		return;
	default:
		break;
	}
	if (fault == FRAME_GOOD && accept_strays(t, f))
		return;
	if (f->id.ep != c->head.ep)
		accept_new_epoch(t, f->id.ep);
	if (!c->settled && f->says_link)
		c->count = f->count;
	fault = judge(t, f, fault, err);
	c->head = f->id;
	memcpy(c->pv, f->hash, HASH);
	c->dirty = true;
	if (fault != FRAME_GOOD) {
		accept_reject(t, f->id.sq, fault, err->text);
		tell_refused(t, f->id.sq, frame_fault_name(fault));
		return;
	}
	c->settled = true;
	keep_frame(t, f);
	FAULT("accept.frame");
	act(t, f);
}

static void loose(struct taking *t, const struct frame *f, struct err *err)
{
	if (check_key(t, f, err) != FRAME_GOOD ||
		frame_check_level(f, (unsigned)t->n->config->accept_level, err) != FRAME_GOOD ||
		strcmp(f->to, t->n->org) != 0) {
		node_alarm(t->n, t->now, "frame-refused", t->child->org, "%s: %s",
			frame_type_name(f->type), err->set ? err->text : "it is for another");
		return;
	}
	if (f->type == FRAME_BEAT)
		accept_beat(t, f);
	else if (f->type == FRAME_FLASH)
		accept_flash(t, f, f->line, f->len, NULL, true);
	else if (f->type == FRAME_ENVELOPE)
		accept_envelope(t, f);
	else if (f->type == FRAME_TOMB && !t->refuse_sequenced)
		accept_tomb(t, f);
}

/* A frame that cannot be read stands where Chain-Range says that it stands. */
static void place(struct taking *t, struct frame *f)
{
	uint64_t sq = t->post->first + t->place;
	if (f->id.sq == 0 && t->post->has_range && sq <= t->post->last) {
		f->id = (struct frame_id){ t->post->ep, sq };
		memcpy(f->pv, t->child->pv, HASH);
		if (f->signed_len == 0)
			hash_of(f->line, f->len, f->hash);
	}
}

/* A type that came after us, without a number: it takes no place. Where the type cannot be read (it
 * is the first then), Chain-Range says what stands there. */
static bool is_of_no_chain(const struct frame *f)
{
	enum frame_type known;
	const char *type = json_text_of(f->json, "t");
	return type != NULL && !frame_type_from(type, &known) && f->id.sq == 0;
}

void accept_line(struct taking *t, const char *line, size_t len)
{
	struct frame f;
	struct err err = { 0 };
	enum frame_fault fault = frame_read(&f, line, len, &err);
	if (f.org != NULL && strcmp(f.org, t->peer->org) != 0) {
		node_alarm(t->n, t->now, "forged-identity", t->peer->org,
			"it sent a frame as %.32s", f.org);
		refuse(t, 403, "identity");
	} else if (f.type >= FRAME_WARNING) {
		node_alarm(t->n, t->now, "frame-refused", t->peer->org, "%s does not go up",
			frame_type_name(f.type));
	} else if (!frame_is_sequenced(f.type) || is_of_no_chain(&f)) {
		if (fault == FRAME_GOOD)
			loose(t, &f, &err);
		else
			node_alarm(t->n, t->now, "frame-refused", t->peer->org, "%s: %s",
				frame_type_name(f.type), err.text);
	} else {
		place(t, &f);
		t->any_sequenced = true;
		if (f.id.sq > 0)
			sequenced(t, &f, fault, &err);
		else
			node_alarm(t->n, t->now, "frame-refused", t->peer->org, "%s", err.text);
		t->place++;
	}
	frame_free(&f);
}
