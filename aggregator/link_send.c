/* link_send.c - what goes into the next POST: what hurries, then what the parent has not had, then
 * new frames. */
#include "aggregator/link_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest.h"
#include "aggregator/fault.h"
#include "aggregator/ledger.h"
#include "aggregator/room.h"

/* --- the body ---------------------------------------------------------------------------- */

struct parcel {
	struct link *l;
	struct now now;
	struct link_flight flight;
	char *at;
	size_t len, cap, max;
	unsigned frames, most;
	bool full;
};

static bool put_line(struct parcel *p, const char *line, size_t len, enum frame_type type)
{
	if (p->frames >= p->most || (p->frames > 0 && p->len + len + 1 > p->max)) {
		p->full = true;
		return false;
	}
	if (p->len + len + 2 > p->cap) {
		size_t cap = (p->len + len + 2) * 2;
		char *more = realloc(p->at, cap);
		if (more == NULL) {
			p->full = true;
			return false;
		}
		p->at = more;
		p->cap = cap;
	}
	memcpy(p->at + p->len, line, len);
	p->len += len;
	p->at[p->len++] = '\n';
	p->at[p->len] = '\0';
	p->frames++;
	p->flight.types[type]++;
	unsigned level = type == FRAME_BEAT ? link_level(p->l) : 1;
	if (p->flight.level < level)
		p->flight.level = level;
	return true;
}

/* --- what hurries ------------------------------------------------------------------------ */

static int64_t beat_ms(const struct link *l)
{
	return (int64_t)l->n->config->beat_s * 1000;
}

static void again_at(struct link *l, int64_t id, int64_t when)
{
	struct query *q =
		store_query(l->n->store, "UPDATE link_hurry SET again = ?2 WHERE id = ?1");
	bind_int(q, id);
	bind_int(q, when);
	query_run(q);
}

static void put_hurry(struct parcel *p, enum frame_type type, unsigned most)
{
	struct link *l = p->l;
	int64_t sent[POST_FRAMES];
	unsigned n = 0;
	struct query *q = store_query(l->n->store,
		"SELECT id, line FROM link_hurry WHERE link = ?1 AND t = ?2 AND again <= ?3"
		" ORDER BY id LIMIT ?4");
	bind_int(q, l->s.row);
	bind_int(q, type);
	bind_int(q, p->now.mono_ms);
	bind_int(q, most);
	while (p->frames < most && n < POST_FRAMES && query_row(q)) {
		size_t len;
		const char *line = row_blob(q, 1, &len);
		if (!put_line(p, line, len, type))
			break;
		sent[n++] = row_int(q, 0);
		if (type != FRAME_FLASH)
			p->flight.hurry[p->flight.hurried++] = row_int(q, 0);
	}
	query_done(q);
	/* A beat is replaced by the next; the others are tried again until acknowledged. */
	for (unsigned i = 0; i < n; i++)
		again_at(l, sent[i], p->now.mono_ms + beat_ms(l));
}

/* --- what is sequenced ------------------------------------------------------------------- */

struct sent_row {
	struct frame_id id;
	enum frame_type type;
	enum link_code code;
	unsigned level;
	int64_t start_s, end_s, alerts;
	char *line; /* NULL: only a tomb can stand for it */
	size_t len;
};

static bool row_in(struct link *l, struct frame_id after, struct sent_row *r)
{
	struct query *q = store_query(l->n->store,
		"SELECT s.sq, s.t, s.code, s.level, s.start_s, s.end_s, s.alerts, s.body, b.line"
		" FROM link_sent s LEFT JOIN link_body b ON b.id = s.body"
		" WHERE s.link = ?1 AND s.ep = ?2 AND s.sq > ?3 ORDER BY s.sq LIMIT 1");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)after.ep);
	bind_int(q, (int64_t)after.sq);
	bool found = query_row(q);
	if (found) {
		*r = (struct sent_row){ .id = { after.ep, (uint64_t)row_int(q, 0) },
			.type = (enum frame_type)row_int(q, 1),
			.code = (enum link_code)row_int(q, 2),
			.level = (unsigned)row_int(q, 3),
			.start_s = row_int(q, 4),
			.end_s = row_int(q, 5),
			.alerts = row_int(q, 6) };
		const void *line = row_blob(q, 8, &r->len);
		if (r->code == CODE_NONE && (row_null(q, 7) || row_null(q, 8)))
			r->code = CODE_FREED;
		if (r->code == CODE_NONE && (r->line = malloc(r->len + 1)) != NULL)
			memcpy(r->line, line, r->len);
	}
	query_done(q);
	return found;
}

/* The first row behind the cursor, whatever its epoch. */
static bool row_behind(struct link *l, struct sent_row *r)
{
	struct frame_id at = l->s.sent;
	while (at.ep <= l->s.last.ep) {
		if (row_in(l, at, r))
			return true;
		struct query *q = store_query(
			l->n->store, "SELECT min(ep) FROM link_sent WHERE link = ?1 AND ep > ?2");
		bind_int(q, l->s.row);
		bind_int(q, (int64_t)at.ep);
		bool more = query_row(q) && !row_null(q, 0);
		at = (struct frame_id){ more ? (uint64_t)row_int(q, 0) : 0, 0 };
		query_done(q);
		if (!more)
			return false;
	}
	return false;
}

static bool put_tomb(struct parcel *p, uint64_t ep, uint64_t first, uint64_t *last)
{
	size_t len;
	char *line = link_tomb(p->l, p->now, ep, first, last, &len);
	bool good = line != NULL && put_line(p, line, len, FRAME_TOMB);
	free(line);
	return good;
}

static void note_digest(struct parcel *p, const struct sent_row *r)
{
	struct link_flight *f = &p->flight;
	if (f->windows++ == 0 || r->start_s < f->start_s)
		f->start_s = r->start_s;
	if (r->end_s > f->end_s)
		f->end_s = r->end_s;
	f->alerts += r->alerts;
}

/* One row at its place: its line, or the tomb that stands for it. False: the parcel is full. */
static bool put_row(struct parcel *p, const struct sent_row *r)
{
	struct link *l = p->l;
	uint64_t last = r->id.sq;
	if (r->code != CODE_NONE) {
		if (r->code == CODE_FREED)
			last += LINK_TOMB_ROWS - 1;
		/* A tomb within a range would make its other lines count wrongly. */
		p->full = p->flight.first.sq > 0;
		if (p->full || !put_tomb(p, r->id.ep, r->id.sq, &last)) {
			if (!p->full)
				store_condemn(
					l->n->store, "what a sent frame counted cannot be read");
			return false;
		}
		p->l->tombs_at = p->now.mono_ms;
		l->s.sent = (struct frame_id){ r->id.ep, last };
		return true;
	}
	/* Chain-Range names one epoch: another one's frames go in a POST of their own. */
	if (r->line == NULL || (p->flight.first.sq > 0 && p->flight.first.ep != r->id.ep) ||
		!put_line(p, r->line, r->len, r->type)) {
		p->full = true;
		return false;
	}
	if (p->flight.first.sq == 0)
		p->flight.first = r->id;
	p->flight.last = r->id;
	if (r->level > p->flight.level)
		p->flight.level = r->level;
	if (r->type == FRAME_DIGEST)
		note_digest(p, r);
	l->s.sent = r->id;
	return true;
}

/* Tombs of frames that were refused, until the parent's `dur` is past them. */
static void put_due_tombs(struct parcel *p)
{
	struct link *l = p->l;
	struct frame_id bad[16];
	unsigned n = 0;
	if (p->now.mono_ms < l->tombs_at + beat_ms(l) || p->now.mono_ms < l->calm_until)
		return;
	struct query *q = store_query(l->n->store,
		"SELECT ep, sq FROM link_sent WHERE link = ?1 AND code <> 0"
		" AND (ep, sq) > (?2, ?3) AND (ep, sq) <= (?4, ?5) ORDER BY ep, sq LIMIT 16");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)l->s.dur.ep);
	bind_int(q, (int64_t)l->s.dur.sq);
	bind_int(q, (int64_t)l->s.sent.ep);
	bind_int(q, (int64_t)l->s.sent.sq);
	while (n < 16 && query_row(q)) {
		bad[n++] = (struct frame_id){ (uint64_t)row_int(q, 0), (uint64_t)row_int(q, 1) };
	}
	query_done(q);
	for (unsigned i = 0; i < n; i++) {
		uint64_t last = bad[i].sq;
		if (!put_tomb(p, bad[i].ep, bad[i].sq, &last))
			break;
		l->tombs_at = p->now.mono_ms;
	}
}

/* --- pace -------------------------------------------------------------------------------- */

/* Frames that are to be sent, again or for the first time. An epoch that has only been begun has
 * none. */
static bool frames_wait(struct link *l)
{
	if (frame_id_compare(l->s.sent, l->s.last) >= 0 || l->s.last.sq > 0)
		return frame_id_compare(l->s.sent, l->s.last) < 0;
	struct query *q = store_query(l->n->store,
		"SELECT 1 FROM link_sent WHERE link = ?1 AND (ep, sq) > (?2, ?3) LIMIT 1");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)l->s.sent.ep);
	bind_int(q, (int64_t)l->s.sent.sq);
	bool any = query_row(q);
	query_done(q);
	return any;
}

/* When digests may go again (mono ms), and how many at once. Without a backlog once an interval;
 * with one, so many times as fast as windows close. */
static int64_t windows_due(struct link *l, unsigned *batch)
{
	int64_t window_ms = (int64_t)l->n->config->window_s * 1000;
	int64_t drain = (int64_t)l->n->config->drain_rate;
	int64_t normal = l->win.every_ms / window_ms;
	int64_t some = normal < 2 ? 2 : normal > POST_FRAMES ? POST_FRAMES : normal;
	int64_t most = drain * l->win.every_ms / window_ms;
	bool behind = frames_wait(l) || l->s.carry.ep > 0 ||
		      link_windows(l, (unsigned)some) >= (unsigned)some;
	int64_t hold = (int64_t)l->windows_sent * window_ms / drain;
	if (!behind && hold < l->win.every_ms * 9 / 10)
		hold = l->win.every_ms * 9 / 10;
	*batch = most < 1 ? 1 : most > POST_FRAMES ? POST_FRAMES : (unsigned)most;
	int64_t due = l->windows_at + hold;
	return due < l->calm_until ? l->calm_until : due;
}

static void put_sequenced(struct parcel *p, bool windows, unsigned batch)
{
	struct link *l = p->l;
	struct sent_row r = { 0 };
	while (!p->full && p->frames < p->most) {
		bool may = windows && p->flight.windows < batch;
		if (p->now.mono_ms < l->calm_until)
			break;
		if (!row_behind(l, &r)) {
			if (!link_sequence(l, p->now, may))
				break;
			continue;
		}
		bool go = (r.type != FRAME_DIGEST || may) && put_row(p, &r);
		free(r.line);
		if (!go)
			break;
	}
}

/* Is anything there that only the pace holds back? */
static bool windows_wait(struct link *l)
{
	return link_level(l) > 0 && (frames_wait(l) || link_windows(l, 1) > 0);
}

static void gather(struct parcel *p, int64_t *again)
{
	struct link *l = p->l;
	unsigned batch, most = p->most > 4 ? p->most * 3 / 4 : p->most;
	put_hurry(p, FRAME_BEAT, most);
	if (link_level(l) > 0) {
		put_hurry(p, FRAME_FLASH, most);
		put_hurry(p, FRAME_ENVELOPE, most);
		put_due_tombs(p);
		int64_t due = windows_due(l, &batch);
		put_sequenced(p, p->now.mono_ms >= due, batch);
		if (p->flight.windows > 0) {
			l->windows_at = p->now.mono_ms;
			l->windows_sent = p->flight.windows;
			due = windows_due(l, &batch);
		}
		if (windows_wait(l) && due < *again)
			*again = due;
	}
}

/* --- one turn ---------------------------------------------------------------------------- */

static json_t *describe(const struct link_flight *f)
{
	json_t *what = json_object(), *types = json_object();
	for (unsigned i = 0; i < FRAME_TYPES; i++)
		if (f->types[i] > 0)
			json_object_set_new(types, frame_type_name((enum frame_type)i),
				json_integer((json_int_t)f->types[i]));
	json_object_set_new(what, "types", types);
	json_object_set_new(what, "lvl", json_integer(f->level));
	if (f->first.sq > 0)
		json_object_set_new(what, "range",
			json_pack("[I, I, I]", (json_int_t)f->first.ep, (json_int_t)f->first.sq,
				(json_int_t)f->last.sq));
	if (f->windows > 0) {
		json_object_set_new(what, "windows",
			json_pack("[I, I]", (json_int_t)f->start_s, (json_int_t)f->end_s));
		json_object_set_new(what, "alerts", json_integer(f->alerts));
	}
	return what;
}

static void keep_intent(struct link *l, const struct parcel *p)
{
	json_t *what = describe(&p->flight);
	size_t len;
	char *text = json_write(what, &len);
	struct query *q =
		store_query(l->n->store, "INSERT OR REPLACE INTO link_intent VALUES(?1, ?2, ?3)");
	bind_int(q, l->s.row);
	bind_text(q, text);
	bind_blob(q, p->at, p->len);
	query_run(q);
	free(text);
	json_decref(what);
}

void link_intent_drop(struct link *l)
{
	struct query *q = store_query(l->n->store, "DELETE FROM link_intent WHERE link = ?1");
	bind_int(q, l->s.row);
	query_run(q);
}

void link_intent_settle(struct link *l, struct now now, bool unsure)
{
	struct query *q =
		store_query(l->n->store, "SELECT what, text FROM link_intent WHERE link = ?1");
	struct err err = { 0 };
	bind_int(q, l->s.row);
	if (query_row(q)) {
		const char *words = row_text(q, 0);
		size_t len;
		const char *text = row_blob(q, 1, &len);
		json_t *what = json_read(words, strlen(words), FRAME_DEPTH, &err);
		if (what != NULL && unsure)
			json_object_set_new(what, "unsure", json_true());
		ledger_add(l->n, now, "left", l->parent, what, text, len);
		json_decref(what);
		query_done(q);
		link_intent_drop(l);
		return;
	}
	query_done(q);
}

static struct parcel new_parcel(struct link *l, struct now now)
{
	struct parcel p = { .l = l, .now = now, .max = l->win.bytes, .most = l->win.frames };
	p.flight.at = now;
	p.flight.asked = ASK_POST;
	return p;
}

static enum link_ask ask_head(struct link *l, struct now now, int64_t *again_ms)
{
	struct link_stand kept;
	link_begin(l, &kept);
	if (!l->closed)
		digest_close(l->n, now, true);
	if (!link_commit(l, &kept)) {
		room_missed(l->n, now);
		*again_ms = now.mono_ms + 1000;
		return ASK_NOTHING;
	}
	l->closed = true;
	l->flight = (struct link_flight){ .at = now, .asked = ASK_HEAD };
	return ASK_HEAD;
}

static enum link_ask next_post(
	struct link *l, struct now now, struct link_post *post, int64_t *again_ms)
{
	struct link_stand kept;
	struct parcel p = new_parcel(l, now);
	int64_t windows_at = l->windows_at, tombs_at = l->tombs_at;
	link_begin(l, &kept);
	gather(&p, again_ms);
	if (p.frames > 0) {
		link_save(l);
		keep_intent(l, &p);
	}
	if (!link_commit(l, &kept)) {
		l->windows_at = windows_at;
		l->tombs_at = tombs_at;
		free(p.at);
		room_missed(l->n, now);
		*again_ms = now.mono_ms + 1000;
		return ASK_NOTHING;
	}
	if (p.frames == 0) {
		free(p.at);
		return ASK_NOTHING;
	}
	FAULT("link.committed");
	l->flight = p.flight;
	l->flight.frames = p.frames;
	*post = (struct link_post){ .body = p.at,
		.len = p.len,
		.has_range = p.flight.first.sq > 0,
		.first = p.flight.first,
		.last = p.flight.last,
		.frames = p.frames };
	return ASK_POST;
}

enum link_ask link_next(struct link *l, struct now now, struct link_post *post, int64_t *again_ms)
{
	enum link_ask ask = ASK_NOTHING;
	*post = (struct link_post){ 0 };
	pthread_mutex_lock(&l->n->lock);
	*again_ms = now.mono_ms + beat_ms(l);
	if (l->stopped)
		*again_ms = now.mono_ms + 3600000;
	else if (now.mono_ms < l->not_before)
		*again_ms = l->not_before;
	else if (l->need_head)
		ask = ask_head(l, now, again_ms);
	else
		ask = next_post(l, now, post, again_ms);
	pthread_mutex_unlock(&l->n->lock);
	return ask;
}

bool link_preview(struct link *l, struct now now, struct link_post *post)
{
	struct link_stand kept;
	*post = (struct link_post){ 0 };
	pthread_mutex_lock(&l->n->lock);
	struct parcel p = new_parcel(l, now);
	int64_t again = INT64_MAX, windows_at = l->windows_at, tombs_at = l->tombs_at;
	unsigned windows_sent = l->windows_sent;
	link_begin(l, &kept);
	gather(&p, &again);
	store_rollback(l->n->store);
	link_commit(l, &kept);
	l->windows_at = windows_at;
	l->windows_sent = windows_sent;
	l->tombs_at = tombs_at;
	pthread_mutex_unlock(&l->n->lock);
	*post = (struct link_post){ .body = p.at,
		.len = p.len,
		.has_range = p.flight.first.sq > 0,
		.first = p.flight.first,
		.last = p.flight.last,
		.frames = p.frames };
	return p.frames > 0;
}

void link_post_free(struct link_post *p)
{
	free(p->body);
	*p = (struct link_post){ 0 };
}

void link_left(struct link *l, struct now now, const struct link_post *p, bool answered)
{
	struct link_stand kept;
	pthread_mutex_lock(&l->n->lock);
	if (p->frames > 0) {
		link_begin(l, &kept);
		link_intent_settle(l, now, !answered);
		if (!link_commit(l, &kept))
			node_say(l->n, 3, "%s: the ledger cannot be written: %s", l->parent,
				store_why(l->n->store));
		ledger_sync(l->n);
	}
	pthread_mutex_unlock(&l->n->lock);
}
