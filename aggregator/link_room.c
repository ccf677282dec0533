/* link_room.c - what a link leaves in the store: bodies past their time are freed, waiting windows
 * become coarser where room.c asks for it. */
#include "aggregator/link_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest.h"
#include "aggregator/ledger.h"

enum {
	HOUR = 3600,
	DAY = 86400,
	FREE_AT_ONCE = 256,
	GROUP_MAX = 300,
	TRIM_MS = 60000,
	FORGET_MS = 3600000
};

/* --- bodies ------------------------------------------------------------------------------ */

struct old_body {
	struct frame_id id;
	int64_t body;
	char *facts;
};

/* w, in and cov outlive the body: a tomb needs them. */
static char *facts_text(const char *line, size_t len)
{
	static const char *const kept[] = { "w", "in", "cov", "res", "part" };
	struct err err = { 0 };
	size_t n;
	json_t *frame = json_read(line, len, FRAME_DEPTH, &err), *facts = json_object();
	for (unsigned i = 0; i < sizeof kept / sizeof kept[0]; i++)
		if (json_object_get(frame, kept[i]) != NULL)
			json_object_set(facts, kept[i], json_object_get(frame, kept[i]));
	char *text = json_write(facts, &n);
	json_decref(frame);
	json_decref(facts);
	return text;
}

static void free_body(struct link *l, const struct old_body *o)
{
	struct query *q = store_query(l->n->store, "UPDATE link_sent SET body = NULL, facts = ?4"
						   " WHERE link = ?1 AND ep = ?2 AND sq = ?3");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)o->id.ep);
	bind_int(q, (int64_t)o->id.sq);
	bind_text(q, o->facts);
	query_run(q);
	q = store_query(l->n->store, "DELETE FROM link_body WHERE id = ?1");
	bind_int(q, o->body);
	query_run(q);
}

/* Only what the parent has said it holds, and only past the hold time: it may still go back. */
static void free_bodies(struct link *l, struct now now)
{
	struct old_body old[FREE_AT_ONCE];
	unsigned n = 0;
	struct query *q = store_query(l->n->store,
		"SELECT s.ep, s.sq, s.body, b.line FROM link_sent s JOIN link_body b"
		" ON b.id = s.body WHERE s.link = ?1 AND s.body IS NOT NULL AND s.at_ms < ?2"
		" AND (s.ep, s.sq) <= (?3, ?4) ORDER BY s.at_ms LIMIT ?5");
	bind_int(q, l->s.row);
	bind_int(q, now.wall_ms - (int64_t)l->n->config->hold_s * 1000);
	bind_int(q, (int64_t)l->s.dur.ep);
	bind_int(q, (int64_t)l->s.dur.sq);
	bind_int(q, FREE_AT_ONCE);
	while (n < FREE_AT_ONCE && query_row(q)) {
		size_t len;
		const char *line = row_blob(q, 3, &len);
		old[n++] = (struct old_body){ .id = { (uint64_t)row_int(q, 0),
						      (uint64_t)row_int(q, 1) },
			.body = row_int(q, 2),
			.facts = facts_text(line, len) };
	}
	query_done(q);
	for (unsigned i = 0; i < n; i++) {
		free_body(l, &old[i]);
		free(old[i].facts);
	}
}

/* What even tombs will not need: longer ago than history is kept anywhere. */
static void forget_old(struct link *l, struct now now)
{
	int64_t before = now.wall_ms - (int64_t)l->n->config->history_days * DAY * 1000;
	struct query *q = store_query(l->n->store,
		"DELETE FROM link_sent WHERE (link, ep, sq) IN (SELECT link, ep, sq FROM link_sent"
		" WHERE link = ?1 AND (ep, sq) <= (?2, ?3) AND body IS NULL AND at_ms < ?4"
		" ORDER BY ep, sq LIMIT 256)");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)l->s.dur.ep);
	bind_int(q, (int64_t)l->s.dur.sq);
	bind_int(q, before);
	query_run(q);
	q = store_query(l->n->store, "DELETE FROM link_rc WHERE link = ?1 AND at_ms < ?2");
	bind_int(q, l->s.row);
	bind_int(q, before);
	query_run(q);
	ledger_trim(l->n, before);
	link_spares_trim(l, now.wall_ms - (int64_t)l->n->config->hold_s * 1000);
}

/* --- coarser ----------------------------------------------------------------------------- */

struct group {
	int64_t id[GROUP_MAX];
	unsigned n;
	int64_t start_s, unit;
	int64_t level, counts;
};

/* The oldest waiting windows that lie in one hour (day) and may become one. */
static bool find_group(struct link *l, int64_t unit, struct group *g)
{
	struct query *q = store_query(l->n->store,
		"SELECT id, start_s, level, counts FROM link_wait WHERE link = ?1 AND rank = 2"
		" AND res_s < ?2 ORDER BY id");
	bind_int(q, l->s.row);
	bind_int(q, unit);
	*g = (struct group){ .unit = unit };
	while (g->n < GROUP_MAX && query_row(q)) {
		int64_t start = row_int(q, 1);
		bool same = g->n > 0 && start / unit == g->start_s / unit &&
			    row_int(q, 2) == g->level && row_int(q, 3) == g->counts;
		if (!same && g->n > 1)
			break;
		if (!same) {
			g->n = 0;
			g->start_s = start;
			g->level = row_int(q, 2);
			g->counts = row_int(q, 3);
		}
		g->id[g->n++] = row_int(q, 0);
	}
	query_done(q);
	return g->n > 1;
}

static void *blob_of(struct link *l, int64_t id, size_t *len)
{
	struct query *q = store_query(l->n->store, "SELECT blob FROM link_wait WHERE id = ?1");
	void *own = NULL;
	bind_int(q, id);
	if (query_row(q)) {
		const void *blob = row_blob(q, 0, len);
		own = malloc(*len + 1);
		if (own != NULL)
			memcpy(own, blob, *len);
	}
	query_done(q);
	return own;
}

static void remove_windows(struct link *l, const struct group *g)
{
	for (unsigned i = 1; i < g->n; i++) {
		struct query *q = store_query(l->n->store, "DELETE FROM link_wait WHERE id = ?1");
		bind_int(q, g->id[i]);
		query_run(q);
	}
}

static void ledger_coarser(
	struct link *l, struct now now, const struct group *g, const void *blob, size_t len)
{
	struct digest_facts f;
	if (!digest_facts(blob, len, &f))
		return;
	json_t *what = json_pack("{s:I, s:I, s:I, s:I, s:I}", "windows", (json_int_t)g->n, "to_s",
		(json_int_t)g->unit, "start", (json_int_t)f.start, "end", (json_int_t)f.end,
		"events", (json_int_t)json_int_of(f.in, "events", 0));
	ledger_add(l->n, now, "coarsened", l->parent, what, NULL, 0);
	json_decref(what);
	json_decref(f.in);
	json_decref(f.cov);
}

/* The windows of @g become its first, as far as they can be added; those behind a pair that cannot
 * wait for the next time. */
static bool merge_group(struct link *l, struct now now, const struct group *g)
{
	size_t len, next_len;
	void *sum = blob_of(l, g->id[0], &len);
	unsigned n = 1;
	for (; n < g->n && sum != NULL; n++) {
		size_t both_len = 0;
		void *next = blob_of(l, g->id[n], &next_len);
		void *both =
			next == NULL ? NULL : digest_merge(sum, len, next, next_len, &both_len);
		free(next);
		if (both == NULL)
			break;
		free(sum);
		sum = both;
		len = both_len;
	}
	if (sum == NULL)
		return false;
	struct group done = *g;
	done.n = n;
	remove_windows(l, &done);
	struct query *q = store_query(
		l->n->store, "UPDATE link_wait SET blob = ?2, res_s = ?3 WHERE id = ?1");
	bind_int(q, g->id[0]);
	bind_blob(q, sum, len);
	bind_int(q, g->unit);
	query_run(q);
	if (n > 1)
		ledger_coarser(l, now, &done, sum, len);
	free(sum);
	return true;
}

bool link_coarsen(struct link *l, struct now now)
{
	static const int64_t units[] = { HOUR, DAY };
	struct link_stand kept;
	bool done = false;
	pthread_mutex_lock(&l->n->lock);
	link_begin(l, &kept);
	for (unsigned i = 0; i < 2 && !done; i++) {
		struct group g;
		done = find_group(l, units[i], &g) && merge_group(l, now, &g);
	}
	done = link_commit(l, &kept) && done;
	pthread_mutex_unlock(&l->n->lock);
	return done;
}

/* --- turns ------------------------------------------------------------------------------- */

int64_t link_tick(struct link *l, struct now now)
{
	struct link_stand kept;
	pthread_mutex_lock(&l->n->lock);
	if (now.mono_ms >= l->trim_at) {
		l->trim_at = now.mono_ms + TRIM_MS;
		link_begin(l, &kept);
		free_bodies(l, now);
		if (now.mono_ms >= l->forget_at) {
			l->forget_at = now.mono_ms + FORGET_MS;
			forget_old(l, now);
		}
		link_commit(l, &kept);
		ledger_sync(l->n);
	}
	int64_t next = l->trim_at;
	pthread_mutex_unlock(&l->n->lock);
	return next;
}
