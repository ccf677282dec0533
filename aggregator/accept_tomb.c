/* accept_tomb.c - frames refused, and the tombs that stand in for them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept_private.h"
#include "aggregator/rollup.h"

/* The chain goes on by the refused frame's hash; dur stays below it until the tomb. */
void accept_reject(struct taking *t, uint64_t sq, enum frame_fault fault, const char *why)
{
	struct query *q = store_query(
		t->n->store, "INSERT OR REPLACE INTO refused VALUES(?1, ?2, ?3, ?4, ?5, ?6)");
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)t->child->head.ep);
	bind_int(q, (int64_t)sq);
	bind_blob(q, t->child->pv, HASH);
	bind_text(q, frame_fault_name(fault));
	bind_text(q, why);
	query_run(q);
	if (t->child->refused == 0 || sq < t->child->refused)
		t->child->refused = sq;
	t->child->dirty = true;
	node_alarm(t->n, t->now, "frame-refused", t->child->org, "frame %llu/%llu: %s: %s",
		(unsigned long long)t->child->head.ep, (unsigned long long)sq,
		frame_fault_name(fault), why);
}

void accept_new_epoch(struct taking *t, uint64_t ep)
{
	struct query *q =
		store_query(t->n->store, "DELETE FROM refused WHERE org = ?1 AND ep < ?2");
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)ep);
	query_run(q);
	t->child->refused = 0;
	t->child->settled = false;
}

/* Is @ep/@sq refused and without a tomb? */
static bool is_refused(const struct taking *t, uint64_t ep, uint64_t sq)
{
	struct query *q = store_query(
		t->n->store, "SELECT 1 FROM refused WHERE org = ?1 AND ep = ?2 AND sq = ?3");
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)ep);
	bind_int(q, (int64_t)sq);
	bool found = query_row(q);
	query_done(q);
	return found;
}

static void bury(struct taking *t, uint64_t ep, uint64_t first, uint64_t last)
{
	struct query *q = store_query(t->n->store,
		"DELETE FROM refused WHERE org = ?1 AND ep = ?2 AND sq BETWEEN ?3 AND ?4");
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)ep);
	bind_int(q, (int64_t)first);
	bind_int(q, (int64_t)last);
	query_run(q);
	q = store_query(t->n->store, "SELECT min(sq) FROM refused WHERE org = ?1 AND ep = ?2");
	bind_text(q, t->child->org);
	bind_int(q, (int64_t)t->child->head.ep);
	t->child->refused = query_row(q) ? (uint64_t)row_int(q, 0) : 0;
	query_done(q);
	t->child->dirty = true;
}

static void keep_row(
	struct taking *t, const struct frame *f, uint64_t ep, uint64_t first, uint64_t last)
{
	const json_t *w = json_object_get(f->json, "w");
	const char *hex = json_text_of(f->json, "hash");
	uint8_t hash[HASH] = { 0 };
	hex_read(hex, strlen(hex), hash, HASH);
	for (uint64_t sq = first; sq <= last; sq++) {
		struct query *q =
			store_query(t->n->store, "INSERT OR IGNORE INTO frame VALUES(NULL, ?1, ?2, "
						 "?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)");
		bind_text(q, t->child->org);
		bind_int(q, (int64_t)ep);
		bind_int(q, (int64_t)sq);
		bind_int(q, FRAME_TOMB);
		if (sq == last)
			bind_blob(q, hash, HASH);
		else
			bind_null(q);
		bind_int(q, t->now.wall_ms / 86400000);
		bind_int(q, json_int_of(w, "start", 0));
		bind_int(q, rollup_class(json_int_of(w, "coarse_s", 300)));
		bind_int(q, t->now.wall_ms);
		bind_int(q, !t->child->count || t->n->links == 0);
		bind_line(q, f->line, sq == last ? f->len : 0);
		query_run(q);
	}
	t->n->accept->serial = store_last_id(t->n->store);
}

/* Our own word that these frames were here once: the receipt that the child kept. */
static bool receipt_is_ours(const struct taking *t, const json_t *tomb, uint64_t ep, uint64_t last)
{
	const char *line = json_text_of(tomb, "rc");
	struct frame f;
	struct err err = { 0 };
	if (line == NULL)
		return false;
	bool good = frame_read(&f, line, strlen(line), &err) == FRAME_GOOD &&
		    f.type == FRAME_SIGNED_RECEIPT && strcmp(f.org, t->n->org) == 0 &&
		    strcmp(f.to, t->child->org) == 0 &&
		    json_int_of(f.json, "ep", -1) == (int64_t)ep &&
		    json_int_of(f.json, "last", 0) >= (int64_t)last && frame_verify(&f, &t->n->key);
	frame_free(&f);
	return good;
}

static void add_lost(struct taking *t, const char *code, int64_t events)
{
	struct query *q =
		store_query(t->n->store, "INSERT INTO child_lost VALUES(?1, ?2, ?3) ON "
					 "CONFLICT(org, code) DO UPDATE SET events = events + ?3");
	bind_text(q, t->child->org);
	bind_text(q, code);
	bind_int(q, events);
	query_run(q);
}

/* What the tomb adds: its own totals where it was reported once and nothing of it is held; else
 * lost exactly what is not held. */
static void account(struct taking *t, const struct frame *f, bool reported)
{
	struct child *c = t->child;
	json_t *in = json_object_get(f->json, "in"), *cov = json_object_get(f->json, "cov");
	const char *code = json_text_of(f->json, "code");
	int64_t events = json_int_of(in, "events", 0), held = cover_common(c, cov);
	if (!reported || held > 0) {
		json_t *lost = json_pack("{s:I}", code, (json_int_t)(events - held));
		json_t *only = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:O}", "events",
			(json_int_t)(events - held), "other", (json_int_t)0, "alerts",
			(json_int_t)0, "items", (json_int_t)0, "suppressed", (json_int_t)0,
			"sampled", (json_int_t)0, "withheld", (json_int_t)0, "lost", lost);
		if (events == held)
			json_object_clear(lost);
		json_object_set_new(f->json, "in", only);
		json_decref(lost);
		if (events > held)
			add_lost(t, code, events - held);
	}
	accept_count(t, json_object_get(f->json, "in"));
	cover_add(t->n, c, cov);
}

static bool fits(const struct taking *t, uint64_t ep, uint64_t first, uint64_t last, bool *refused)
{
	const struct child *c = t->child;
	if (last < first || last - first >= ACCEPT_TOMB)
		return false;
	*refused = ep == c->head.ep && last <= c->head.sq;
	if (*refused) {
		for (uint64_t sq = first; sq <= last; sq++)
			if (!is_refused(t, ep, sq))
				return false;
		return true;
	}
	return (ep == c->head.ep && first == c->head.sq + 1) || (ep > c->head.ep && first == 1);
}

void accept_tomb(struct taking *t, const struct frame *f)
{
	const json_t *of = json_object_get(f->json, "of");
	uint64_t ep = (uint64_t)json_integer_value(json_array_get(of, 0));
	uint64_t first = (uint64_t)json_integer_value(json_array_get(of, 1));
	uint64_t last = (uint64_t)json_integer_value(json_array_get(of, 2));
	const char *code = json_text_of(f->json, "code"), *hash = json_text_of(f->json, "hash");
	struct child *c = t->child;
	struct err err = { 0 };
	bool refused;
	if (!fits(t, ep, first, last, &refused))
		return; /* it stands already, or for nothing that we know: said by dur in the reply
			 */
	if (refused) {
		bury(t, ep, first, last);
	} else {
		if (ep != c->head.ep)
			accept_new_epoch(t, ep);
		c->head = (struct frame_id){ ep, last };
		hex_read(hash, strlen(hash), c->pv, HASH);
		c->dirty = true;
	}
	keep_row(t, f, ep, first, last);
	account(t, f, strcmp(code, "freed") == 0 && receipt_is_ours(t, f->json, ep, last));
	if (c->count && !rollup_add(t->n, t->peer, f, t->n->accept->serial, t->now, &err))
		node_alarm(t->n, t->now, "rollup", c->org, "%s", err.text);
}
