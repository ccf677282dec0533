/* link_head.c - where the parent says we stand, and what that means for the epoch: go on, go back,
 * or begin anew. */
#include "aggregator/link_private.h"

#include <stdlib.h>
#include <string.h>

#include "aggregator/ledger.h"
#include "aggregator/rollup.h"

struct head {
	struct frame_id id;
	uint8_t pv[HASH];
};

static bool row_is(struct link *l, const struct head *h)
{
	struct query *q = store_query(
		l->n->store, "SELECT hash FROM link_sent WHERE link = ?1 AND ep = ?2 AND sq = ?3");
	size_t n;
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)h->id.ep);
	bind_int(q, (int64_t)h->id.sq);
	bool same = false;
	if (query_row(q)) {
		const void *hash = row_blob(q, 0, &n);
		same = n == HASH && memcmp(hash, h->pv, HASH) == 0;
	}
	query_done(q);
	return same;
}

static bool row_there(struct link *l, struct frame_id id)
{
	struct query *q = store_query(
		l->n->store, "SELECT 1 FROM link_sent WHERE link = ?1 AND ep = ?2 AND sq = ?3");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)id.ep);
	bind_int(q, (int64_t)id.sq);
	bool there = query_row(q);
	query_done(q);
	return there;
}

static struct frame_id next_of(struct frame_id id)
{
	return (struct frame_id){ id.ep, id.sq + 1 };
}

/* An epoch of ours that goes on from exactly there, and whose first frame we have. */
static bool epoch_after(struct link *l, const struct head *h, uint64_t *ep)
{
	struct query *q = store_query(l->n->store,
		"SELECT ep, after_pv FROM link_epoch WHERE link = ?1 AND after_ep = ?2"
		" AND after_sq = ?3 ORDER BY ep DESC LIMIT 1");
	size_t n;
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)h->id.ep);
	bind_int(q, (int64_t)h->id.sq);
	bool found = false;
	if (query_row(q)) {
		const void *hash = row_blob(q, 1, &n);
		*ep = (uint64_t)row_int(q, 0);
		found = n == HASH && memcmp(hash, h->pv, HASH) == 0;
	}
	query_done(q);
	return found && row_there(l, (struct frame_id){ *ep, 1 });
}

static struct frame_id last_of(struct link *l, uint64_t ep)
{
	struct query *q = store_query(
		l->n->store, "SELECT max(sq) FROM link_sent WHERE link = ?1 AND ep = ?2");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)ep);
	struct frame_id id = { ep, query_row(q) ? (uint64_t)row_int(q, 0) : 0 };
	query_done(q);
	return id;
}

/* Does each epoch of ours behind @id go on from the end of the one before? One that began behind
 * frames which we have forgotten does not. */
static bool unbroken(struct link *l, struct frame_id id)
{
	struct frame_id end = last_of(l, id.ep);
	bool good = true;
	struct query *q = store_query(l->n->store,
		"SELECT e.ep, e.after_ep, e.after_sq, (SELECT max(sq) FROM link_sent s WHERE "
		"s.link ="
		" e.link AND s.ep = e.ep) FROM link_epoch e WHERE e.link = ?1 AND e.ep > ?2 AND"
		" EXISTS (SELECT 1 FROM link_sent s WHERE s.link = e.link AND s.ep = e.ep)"
		" ORDER BY e.ep");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)id.ep);
	while (good && query_row(q)) {
		struct frame_id after = { (uint64_t)row_int(q, 1), (uint64_t)row_int(q, 2) };
		good = frame_id_compare(after, end) == 0;
		end = (struct frame_id){ (uint64_t)row_int(q, 0), (uint64_t)row_int(q, 3) };
	}
	query_done(q);
	/* one that is open and has no frame yet */
	return good && (l->s.last.sq > 0 || frame_id_compare(l->s.after, end) == 0);
}

/* Ours from the parent's place on without a hole? Then *from is where to go on. */
static bool known(struct link *l, const struct head *h, struct frame_id *from)
{
	uint64_t ep;
	bool at_end = frame_id_compare(h->id, l->s.last) == 0 && h->id.sq > 0 &&
		      memcmp(h->pv, l->s.pv, HASH) == 0;
	bool begins = l->s.last.ep > 0 && l->s.last.sq == 0 &&
		      frame_id_compare(h->id, l->s.after) == 0 &&
		      memcmp(h->pv, l->s.after_pv, HASH) == 0;
	*from = h->id;
	if (at_end || (h->id.sq > 0 && row_is(l, h) && unbroken(l, h->id)))
		return true;
	if (begins) {
		*from = l->s.last;
		return true;
	}
	if (!epoch_after(l, h, &ep))
		return false;
	*from = (struct frame_id){ ep, 0 };
	return unbroken(l, *from);
}

/* What a parent that is ahead of us has, or is told anew: only digests are judged one by one. */
static void drop_others(struct link *l)
{
	static const char *const gone[] = {
		"DELETE FROM link_body WHERE id IN (SELECT body FROM link_sent WHERE link = ?1 AND"
		" t <> ?2)",
		"DELETE FROM link_sent WHERE link = ?1 AND t <> ?2"
	};
	for (unsigned i = 0; i < 2; i++) {
		struct query *q = store_query(l->n->store, gone[i]);
		bind_int(q, l->s.row);
		bind_int(q, FRAME_DIGEST);
		query_run(q);
	}
}

/* A new epoch behind the parent's head. What we numbered and the parent never took comes again in
 * it: also where the parent is ahead of us, for it may be another's frames that it took. */
static void begin_epoch(struct link *l, struct now now, const struct head *h)
{
	struct link_stand *s = &l->s;
	bool ahead = frame_id_compare(h->id, s->last) > 0;
	if (s->last.ep > 0)
		node_alarm(l->n, now, "new-epoch", l->parent,
			"the parent stands at %llu/%llu, we at %llu/%llu: a new epoch begins",
			(unsigned long long)h->id.ep, (unsigned long long)h->id.sq,
			(unsigned long long)s->last.ep, (unsigned long long)s->last.sq);
	s->carry = s->last;
	if (s->carry.ep > 0 && s->carry.sq == 0)
		s->carry.ep--;
	if (ahead && s->last.ep > 0) {
		drop_others(l);
		rollup_tell_again(l->n, l, now);
	}
	uint64_t top = h->id.ep > s->last.ep ? h->id.ep : s->last.ep;
	s->last = (struct frame_id){ top + 1, 0 };
	s->after = h->id;
	memcpy(s->after_pv, h->pv, HASH);
	memcpy(s->pv, h->pv, HASH);
	s->sent = s->last;
	s->count = l->conf->count;
	json_t *what = json_pack("{s:I, s:[I, I]}", "ep", (json_int_t)s->last.ep, "after",
		(json_int_t)h->id.ep, (json_int_t)h->id.sq);
	ledger_add(l->n, now, "epoch", l->parent, what, NULL, 0);
	json_decref(what);
}

/* Lists of so many whole numbers each, or nothing. */
static bool is_sound(const json_t *list, size_t places, size_t most)
{
	if (!json_is_array(list) || json_array_size(list) > most)
		return false;
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *c = json_array_get(list, i);
		if (!json_is_array(c) || json_array_size(c) != places)
			return false;
		for (size_t k = 0; k < places; k++)
			if (!json_is_integer(json_array_get(c, k)) ||
				json_integer_value(json_array_get(c, k)) < 0)
				return false;
	}
	return true;
}

static void keep_held(struct link *l, const json_t *cov, const json_t *holes)
{
	size_t len;
	json_t *held = link_held_ranges(cov, holes);
	char *text = json_write(held, &len);
	struct query *q = store_query(l->n->store, "UPDATE link SET held = ?2 WHERE id = ?1");
	bind_int(q, l->s.row);
	bind_text(q, text);
	query_run(q);
	free(text);
	json_decref(l->held);
	l->held = held;
}

void link_take_head(struct link *l, struct now now, const json_t *answer)
{
	struct head h = { .id = { 0, 0 } };
	const json_t *cov = json_object_get(answer, "cov"),
		     *holes = json_object_get(answer, "holes");
	const char *pv = json_text_of(answer, "pv");
	int64_t ep = json_int_of(answer, "ep", -1), sq = json_int_of(answer, "sq", -1);
	bool sound = ep >= 0 && sq >= 0 && pv != NULL && hex_read(pv, strlen(pv), h.pv, HASH) &&
		     is_sound(cov, 3, LINK_COV_MAX) &&
		     (holes == NULL || is_sound(holes, 4, LINK_COV_MAX)) &&
		     (uint64_t)ep < ((uint64_t)1 << 53);
	if (!sound) {
		node_alarm(l->n, now, "head-unreadable", l->parent,
			"the parent's head cannot be read");
		l->not_before = now.mono_ms + (int64_t)l->n->config->beat_s * 1000;
		return;
	}
	h.id = (struct frame_id){ (uint64_t)ep, (uint64_t)sq };
	struct frame_id from = { 0, 0 };
	keep_held(l, cov, holes);
	link_spares_back(l);
	if (known(l, &h, &from))
		l->s.sent = from;
	else
		begin_epoch(l, now, &h);
	struct frame_id dur = h.id;
	if (link_read_id(answer, "dur", &dur) && frame_id_compare(dur, h.id) > 0)
		dur = h.id;
	/* A frame that it refused lies between: its refusal may have been lost on the way. */
	if (frame_id_compare(from, h.id) == 0 && dur.ep == from.ep && dur.sq < from.sq &&
		row_there(l, next_of(dur)))
		l->s.sent = dur;
	if (frame_id_compare(l->s.dur, dur) > 0)
		l->s.dur = dur;
	l->need_head = false;
	l->dur_at = now.mono_ms;
	link_save(l);
}

void link_wanted(struct link *l, struct frame_id want, struct frame_id dur)
{
	struct frame_id next = { l->s.last.ep, l->s.last.sq + 1 };
	if (want.sq == 0 || frame_id_compare(want, next) > 0 ||
		(frame_id_compare(want, next) < 0 && !row_there(l, want))) {
		link_head_wanted(l, "it wants what is not here");
		return;
	}
	l->s.sent = (struct frame_id){ want.ep, want.sq - 1 };
	if (dur.ep == want.ep && dur.sq < l->s.sent.sq && row_there(l, next_of(dur)))
		l->s.sent = dur;
}
