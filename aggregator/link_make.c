/* link_make.c - waiting entries become frames: sequenced, signed, stored. */
#include "aggregator/link_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest.h"
#include "aggregator/fault.h"
#include "aggregator/ledger.h"
#include "aggregator/rollup.h"

/* --- one frame --------------------------------------------------------------------------- */

struct fresh {
	enum frame_type type;
	json_t *body;
	unsigned level;
	enum link_code code; /* not CODE_NONE: there is no line, only a tomb */
	json_t *facts;       /* of such: w, in, cov */
};

static int64_t keep_body(struct link *l, const char *line, size_t len)
{
	struct query *q = store_query(l->n->store, "INSERT INTO link_body VALUES(NULL, ?1)");
	bind_blob(q, line, len);
	query_run(q);
	return store_last_id(l->n->store);
}

static void keep_row(struct link *l, struct now now, const struct fresh *f, const char *line,
	size_t len, const uint8_t hash[HASH])
{
	const json_t *w = json_object_get(f->body != NULL ? f->body : f->facts, "w");
	const json_t *in = json_object_get(f->body != NULL ? f->body : f->facts, "in");
	int64_t body = line == NULL ? 0 : keep_body(l, line, len);
	size_t facts_len;
	char *facts = f->facts == NULL ? NULL : json_write(f->facts, &facts_len);
	struct query *q = store_query(l->n->store,
		"INSERT INTO link_sent VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12,"
		" ?13)");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)l->s.last.ep);
	bind_int(q, (int64_t)l->s.last.sq);
	bind_int(q, f->type);
	bind_blob(q, hash, HASH);
	bind_int(q, f->code);
	bind_int(q, f->level);
	bind_int(q, json_int_of(w, "start", 0));
	bind_int(q, json_int_of(w, "end", 0));
	bind_int(q, json_int_of(in, "alerts", 0));
	bind_int(q, now.wall_ms);
	if (line == NULL)
		bind_null(q);
	else
		bind_int(q, body);
	bind_text(q, facts);
	query_run(q);
	free(facts);
}

/* The first frame of an epoch names the head it goes on from. */
static void add_after(struct link *l, json_t *body)
{
	char hex[HASH_HEX];
	hash_hex(l->s.after_pv, hex);
	json_t *after =
		json_pack("[I, I, s]", (json_int_t)l->s.after.ep, (json_int_t)l->s.after.sq, hex);
	json_object_set_new(body, "after", after);
	struct query *q = store_query(
		l->n->store, "INSERT OR REPLACE INTO link_epoch VALUES(?1, ?2, ?3, ?4, ?5)");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)l->s.last.ep);
	bind_int(q, (int64_t)l->s.after.ep);
	bind_int(q, (int64_t)l->s.after.sq);
	bind_blob(q, l->s.after_pv, HASH);
	query_run(q);
}

static json_t *facts_of(const json_t *body)
{
	static const char *const names[] = { "w", "in", "cov" };
	json_t *facts = json_object();
	for (unsigned i = 0; i < 3; i++)
		if (json_object_get(body, names[i]) != NULL)
			json_object_set(facts, names[i], json_object_get(body, names[i]));
	return facts;
}

/* What cannot be made into a line still has a number and totals: a tomb will stand there. */
static void no_line(
	struct link *l, struct now now, struct fresh *f, const char *why, uint8_t hash[HASH])
{
	size_t len;
	node_alarm(l->n, now, "frame-refused", l->parent, "%s: %s", frame_type_name(f->type), why);
	char *text = json_write(f->body, &len);
	hash_of(text, len, hash);
	free(text);
	f->facts = facts_of(f->body);
	f->code = CODE_SCHEMA;
	json_decref(f->body);
	f->body = NULL;
}

/* Takes f->body and f->facts. */
static void sequence(struct link *l, struct now now, struct fresh *f, const uint8_t *own_hash)
{
	struct err err = { 0 };
	uint8_t hash[HASH];
	char *line = NULL;
	size_t len = 0;
	l->s.last.sq++;
	if (f->body != NULL && l->s.last.sq == 1)
		add_after(l, f->body);
	if (f->body != NULL) {
		struct frame_head h = { .type = f->type,
			.org = l->n->org,
			.to = l->parent,
			.count = l->s.count,
			.id = l->s.last,
			.pv = l->s.pv };
		line = frame_make(&h, f->body, &l->n->key, &len, hash, &err);
		if (line == NULL)
			no_line(l, now, f, err.text, hash);
	} else {
		memcpy(hash, own_hash, HASH);
	}
	keep_row(l, now, f, line, len, hash);
	memcpy(l->s.pv, hash, HASH);
	free(line);
	json_decref(f->body);
	json_decref(f->facts);
	FAULT("link.sequenced");
}

/* A frame of another kind of link than the epoch's begins a new one. */
static void fit_epoch(struct link *l, bool count)
{
	if (l->s.count == count)
		return;
	l->s.count = count;
	if (l->s.last.sq == 0)
		return;
	l->s.after = l->s.last;
	memcpy(l->s.after_pv, l->s.pv, HASH);
	l->s.last = (struct frame_id){ l->s.last.ep + 1, 0 };
}

/* --- windows ----------------------------------------------------------------------------- */

/* The oldest waiting entry of a rank. */
struct entry {
	int64_t id;
	enum waiting kind;
	int64_t start_s;
	uint32_t res_s;
	unsigned level;
	bool count;
	void *blob;
	size_t len;
};

static bool oldest(struct link *l, int rank, struct entry *e)
{
	struct query *q = store_query(l->n->store,
		"SELECT id, kind, start_s, res_s, level, counts, blob FROM link_wait"
		" WHERE link = ?1 AND rank = ?2 ORDER BY id LIMIT 1");
	bind_int(q, l->s.row);
	bind_int(q, rank);
	bool found = query_row(q);
	if (found) {
		*e = (struct entry){ .id = row_int(q, 0),
			.kind = (enum waiting)row_int(q, 1),
			.start_s = row_int(q, 2),
			.res_s = (uint32_t)row_int(q, 3),
			.level = (unsigned)row_int(q, 4),
			.count = row_int(q, 5) != 0 };
		const void *blob = row_blob(q, 6, &e->len);
		e->blob = malloc(e->len + 1);
		if (e->blob != NULL)
			memcpy(e->blob, blob, e->len);
	}
	query_done(q);
	return found && e->blob != NULL;
}

static void forget(struct link *l, int64_t id)
{
	struct query *q = store_query(l->n->store, "DELETE FROM link_wait WHERE id = ?1");
	bind_int(q, id);
	query_run(q);
}

static void ledger_window(
	struct link *l, struct now now, const char *kind, const struct digest_facts *f)
{
	json_t *what = json_pack("{s:I, s:I, s:I}", "start", (json_int_t)f->start, "end",
		(json_int_t)f->end, "events", (json_int_t)json_int_of(f->in, "events", 0));
	ledger_add(l->n, now, kind, l->parent, what, NULL, 0);
	json_decref(what);
}

static void free_facts(struct digest_facts *f)
{
	json_decref(f->in);
	json_decref(f->cov);
	f->in = f->cov = NULL;
}

static struct link_spare as_spare(const struct entry *e, const void *blob, size_t len, bool again)
{
	return (struct link_spare){ .again = again,
		.start_s = e->start_s,
		.res_s = e->res_s,
		.level = e->level,
		.count = e->count,
		.blob = blob,
		.len = len };
}

static bool may_be_read_again(const struct link *l, const void *blob, size_t len)
{
	struct digest_facts f;
	if (l->n->digest == NULL || !digest_facts(blob, len, &f))
		return false;
	free_facts(&f);
	return f.cut;
}

/* A window cannot be split where the parent's head cuts it: what it holds is put aside, the rest
 * waits to be read again. */
static void cut_window(
	struct link *l, struct now now, const struct entry *e, const struct digest_facts *f)
{
	for (unsigned inside = 0; inside < 2; inside++) {
		size_t len;
		void *part = digest_cut(e->blob, e->len, l->held, inside != 0, &len);
		struct link_spare s = as_spare(e, part, len, may_be_read_again(l, part, len));
		if (inside != 0)
			link_spare(l, now, &s);
		else
			link_put_first(l, &s);
		free(part);
	}
	ledger_window(l, now, "overlap", f);
}

/* False: the parent's head covers it, or some of it. */
static bool fits_head(struct link *l, struct now now, const struct entry *e)
{
	struct digest_facts f;
	if (!digest_facts(e->blob, e->len, &f)) {
		store_condemn(l->n->store, "a waiting window cannot be read");
		return false;
	}
	enum link_overlap o = link_overlap(f.cov, l->held);
	if (o == COVER_WHOLE) {
		struct link_spare s = as_spare(e, e->blob, e->len, f.cut);
		ledger_window(l, now, "counted-before", &f);
		link_spare(l, now, &s);
	} else if (o == COVER_PART) {
		cut_window(l, now, e, &f);
	}
	free_facts(&f);
	return o == COVER_NONE;
}

/* The lower end of "6-10". */
static json_int_t at_least(const json_t *item)
{
	const char *bucket = json_text_of(item, "n");
	long n = bucket == NULL ? 1 : strtol(bucket, NULL, 10);
	return n < 1 ? 1 : n;
}

/* An item that is not to be named is counted with those beyond the list. */
static void into_other(json_t *body, const json_t *item)
{
	json_t *other = json_object_get(body, "other");
	json_int_t sev = json_int_of(item, "sev", 4);
	if (!json_is_object(other)) {
		json_object_set_new(body, "other",
			json_pack("{s:I, s:I, s:I}", "kinds", (json_int_t)1, "n", at_least(item),
				"sev", sev));
		return;
	}
	json_int_t gravest = json_int_of(other, "sev", 4);
	json_object_set_new(other, "kinds", json_integer(json_int_of(other, "kinds", 0) + 1));
	json_object_set_new(other, "n", json_integer(json_int_of(other, "n", 0) + at_least(item)));
	json_object_set_new(other, "sev", json_integer(sev < gravest ? sev : gravest));
}

/* A view link's severity: items below it go without being named; totals stay whole. */
static void filter_items(struct link *l, json_t *body)
{
	json_t *items = json_object_get(body, "items");
	size_t i = 0;
	while (i < json_array_size(items)) {
		json_t *item = json_array_get(items, i);
		if (json_int_of(item, "sev", 4) <= (int64_t)link_severity(l)) {
			i++;
			continue;
		}
		into_other(body, item);
		json_array_remove(items, i);
	}
}

static json_t *window_body(struct link *l, struct now now, const struct entry *e)
{
	unsigned level = e->level < link_level(l) ? e->level : link_level(l);
	json_t *body = digest_body(l->n, e->blob, e->len, level, now);
	json_t *w = json_object_get(body, "w");
	if (w != NULL && l->samples >= LINK_SAMPLES_MIN)
		json_object_set_new(w, "skew_ms", json_integer(l->skew_ms));
	if (body != NULL)
		filter_items(l, body);
	return body;
}

/* Its totals go, whatever happens to its details. */
static void sequence_one(struct link *l, struct now now, const struct entry *e)
{
	json_t *body = window_body(l, now, e);
	if (body == NULL) {
		store_condemn(l->n->store, "a waiting window cannot be read");
		return;
	}
	fit_epoch(l, e->count);
	struct fresh fresh = { .type = FRAME_DIGEST, .body = body, .level = e->level };
	sequence(l, now, &fresh, NULL);
}

/* The oldest window that the parent's head does not cover already. */
static bool sequence_window(struct link *l, struct now now)
{
	struct entry e;
	bool made = false;
	while (!made && oldest(l, RANK_WINDOW, &e)) {
		forget(l, e.id);
		made = fits_head(l, now, &e);
		if (made)
			sequence_one(l, now, &e);
		free(e.blob);
	}
	return made;
}

/* --- the rest ---------------------------------------------------------------------------- */

static bool sequence_rollup(struct link *l, struct now now)
{
	struct entry e;
	json_t *part[ROLLUP_PARTS];
	if (!oldest(l, RANK_ROLLUP, &e))
		return false;
	free(e.blob);
	forget(l, e.id);
	fit_epoch(l, e.count);
	unsigned parts = rollup_bodies(l->n, l, e.start_s, e.res_s, now, part);
	for (unsigned i = 0; i < parts; i++) {
		struct fresh f = { .type = FRAME_ROLLUP,
			.body = part[i],
			.level = (unsigned)json_int_of(part[i], "lvl", 1) };
		sequence(l, now, &f, NULL);
	}
	if (parts > 0)
		rollup_sent(l->n, l, e.start_s, e.res_s, l->s.last);
	return true;
}

static bool sequence_other(struct link *l, struct now now)
{
	static const enum frame_type type[] = { [WAITING_RECEIPT] = FRAME_RECEIPT,
		[WAITING_ANSWER] = FRAME_ANSWER,
		[WAITING_EVIDENCE] = FRAME_EVIDENCE };
	struct entry e;
	struct err err = { 0 };
	if (!oldest(l, RANK_RECEIPT, &e))
		return false;
	forget(l, e.id);
	json_t *body = json_read(e.blob, e.len, FRAME_DEPTH, &err);
	struct fresh f = { .type = type[e.kind], .body = body, .level = e.level };
	if (body != NULL)
		sequence(l, now, &f, NULL);
	else
		node_alarm(l->n, now, "frame-refused", l->parent, "%s: %s", frame_type_name(f.type),
			err.text);
	free(e.blob);
	return true;
}

/* --- frames of an epoch that the parent never took, once more in this one ----------------- */

static void drop_sent(struct link *l, struct frame_id id, int64_t body)
{
	struct query *q = store_query(
		l->n->store, "DELETE FROM link_sent WHERE link = ?1 AND ep = ?2 AND sq = ?3");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)id.ep);
	bind_int(q, (int64_t)id.sq);
	query_run(q);
	q = store_query(l->n->store, "DELETE FROM link_body WHERE id = ?1");
	bind_int(q, body);
	query_run(q);
}

/* The members that are a frame's own. */
static json_t *own_members(const char *line, size_t len)
{
	static const char *const head[] = { "v", "alg", "kid", "t", "org", "to", "link", "ep", "sq",
		"pv", "after", "sig" };
	struct err err = { 0 };
	json_t *body = json_read(line, len, FRAME_DEPTH, &err);
	for (unsigned i = 0; body != NULL && i < sizeof head / sizeof head[0]; i++)
		json_object_del(body, head[i]);
	return body;
}

/* A digest of which the parent's head covers some. */
static void cut_frame(struct link *l, struct now now, const json_t *body, unsigned level)
{
	struct entry e = { .res_s = 300, .level = level, .count = l->s.count };
	struct digest_facts f;
	e.blob = digest_of_frame(body, &e.len);
	if (digest_facts(e.blob, e.len, &f)) {
		e.start_s = f.start;
		e.res_s = f.coarse_s;
		cut_window(l, now, &e, &f);
		free_facts(&f);
	}
	free(e.blob);
}

static bool sequence_carried(struct link *l, struct now now)
{
	struct query *q = store_query(l->n->store,
		"SELECT s.ep, s.sq, s.t, s.hash, s.level, s.body, s.facts, b.line FROM link_sent s"
		" LEFT JOIN link_body b ON b.id = s.body WHERE s.link = ?1 AND s.ep <= ?2"
		" ORDER BY s.ep, s.sq LIMIT 1");
	struct err err = { 0 };
	uint8_t hash[HASH] = { 0 };
	size_t n;
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)l->s.carry.ep);
	struct frame_id id = { 0, 0 };
	struct fresh f = { .type = FRAME_DIGEST };
	int64_t body = 0;
	if (query_row(q)) {
		id = (struct frame_id){ (uint64_t)row_int(q, 0), (uint64_t)row_int(q, 1) };
		f.type = (enum frame_type)row_int(q, 2);
		const void *held = row_blob(q, 3, &n);
		if (n == HASH)
			memcpy(hash, held, HASH);
		f.level = (unsigned)row_int(q, 4);
		body = row_int(q, 5);
		if (row_null(q, 5)) {
			const char *facts = row_text(q, 6);
			f.facts = json_read(facts, strlen(facts), FRAME_DEPTH, &err);
			f.code = CODE_FREED;
		} else {
			const char *line = row_blob(q, 7, &n);
			f.body = own_members(line, n);
		}
	}
	query_done(q);
	if (id.sq == 0) {
		l->s.carry = (struct frame_id){ 0, 0 };
		return false;
	}
	const json_t *cov = json_object_get(f.body != NULL ? f.body : f.facts, "cov");
	enum link_overlap o = link_overlap(cov, l->held);
	if (o == COVER_WHOLE)
		link_set_aside(l, id);
	else
		drop_sent(l, id, body);
	if (o == COVER_WHOLE || (f.body == NULL && f.facts == NULL)) {
		json_decref(f.body);
		json_decref(f.facts);
		return true;
	}
	if (o == COVER_PART && f.body != NULL) {
		cut_frame(l, now, f.body, f.level);
		json_decref(f.body);
		return true;
	}
	sequence(l, now, &f, hash);
	return true;
}

bool link_sequence(struct link *l, struct now now, bool windows)
{
	if (l->s.carry.ep > 0 && sequence_carried(l, now))
		return true;
	if (link_level(l) == 0)
		return false;
	return sequence_other(l, now) || sequence_rollup(l, now) ||
	       (windows && sequence_window(l, now));
}
