/* rollup_out.c - a period as frames for a parent; which of them the parent's parents have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept_private.h"
#include "aggregator/link.h"
#include "aggregator/rollup_private.h"

enum {
	CELLS_A_PART = 700,
	GRACE_S = 30, /* after its end a period waits for those that are a little late */
	KEEP_FINE_S = 8 * 86400,
	CELLS_MOST = CELLS_A_PART * ROLLUP_PARTS,
};

/* --- when -------------------------------------------------------------------------------- */

static int64_t made_ms(struct node *n, const char *parent, int64_t start, int64_t res)
{
	struct query *q = store_query(n->store,
		"SELECT max(made_ms) FROM rollup_made WHERE link = ?1 AND start = ?2 AND res = ?3");
	bind_text(q, parent);
	bind_int(q, start);
	bind_int(q, res);
	int64_t at = query_row(q) && !row_null(q, 0) ? row_int(q, 0) : INT64_MIN;
	query_done(q);
	return at;
}

/* The day is told while it runs, so that totals above are never far behind. */
static bool is_due(struct node *n, const char *parent, int64_t start, int64_t res, struct now now)
{
	int64_t made = made_ms(n, parent, start, res), now_s = now.wall_ms / 1000;
	if (made != INT64_MIN && made <= now.wall_ms &&
		now.wall_ms - made < (int64_t)n->config->rollup_again_s * 1000)
		return false;
	return res == 86400 || now_s >= start + res + GRACE_S || now_s < start;
}

static void wait_for_link(struct node *n, struct link *l, struct now now)
{
	struct due {
		int64_t start, res;
	} due[512];
	unsigned count = 0;
	struct query *q =
		store_query(n->store, "SELECT start, res FROM rollup_dirty WHERE link = ?1");
	bind_text(q, link_parent(l));
	while (count < 512 && query_row(q)) {
		struct due d = { row_int(q, 0), row_int(q, 1) };
		if (is_due(n, link_parent(l), d.start, d.res, now))
			due[count++] = d;
	}
	query_done(q);
	for (unsigned i = 0; i < count; i++)
		link_wait(l, WAITING_ROLLUP, due[i].start, (uint32_t)due[i].res, link_level(l),
			NULL, 0);
	if (count > 0 && n->wake != NULL)
		n->wake(n->ctx);
}

static void tidy(struct node *n, struct now now)
{
	static const char *const old[] = { "DELETE FROM period WHERE res = ?1 AND start < ?2",
		"DELETE FROM period_lost WHERE res = ?1 AND start < ?2",
		"DELETE FROM cell WHERE res = ?1 AND start < ?2",
		"DELETE FROM cell_firm WHERE res = ?1 AND start < ?2" };
	int64_t now_s = now.wall_ms / 1000, history = (int64_t)n->config->history_days * 86400;
	for (unsigned i = 0; i < 4; i++) {
		for (unsigned k = 0; k < 2; k++) {
			struct query *q = store_query(n->store, old[i]);
			bind_int(q, k == 0 ? 300 : 3600);
			bind_int(q,
				now_s - (k == 0 && history > KEEP_FINE_S ? KEEP_FINE_S : history));
			query_run(q);
		}
	}
	struct query *q = store_query(n->store, "DELETE FROM rollup_made WHERE start < ?1");
	bind_int(q, now_s - KEEP_FINE_S);
	query_run(q);
}

bool rollup_open(struct node *n, struct err *err)
{
	n->rollup = calloc(1, sizeof *n->rollup);
	return n->rollup != NULL || err_set(err, "out of memory");
}

void rollup_free(struct node *n)
{
	free(n->rollup);
	n->rollup = NULL;
}

void rollup_tick(struct node *n, struct now now)
{
	struct rollup *r = n->rollup;
	if (now.mono_ms < r->next_ms)
		return;
	int64_t tick_ms = (int64_t)n->config->rollup_again_s * 1000 / 60;
	r->next_ms = now.mono_ms + (tick_ms < 1000 ? 1000 : tick_ms);
	store_begin(n->store);
	for (unsigned i = 0; i < n->links; i++)
		wait_for_link(n, n->link[i], now);
	if (now.mono_ms >= r->tidy_ms) {
		tidy(n, now);
		r->tidy_ms = now.mono_ms + 3600000;
	}
	store_commit(n->store);
}

int64_t rollup_due(struct node *n, struct now now)
{
	(void)now;
	return n->links == 0 ? INT64_MAX : n->rollup->next_ms;
}

void rollup_tell_again(struct node *n, struct link *l, struct now now)
{
	static const int64_t res[] = { 300, 3600, 86400 };
	int64_t now_s = now.wall_ms / 1000;
	/* the oldest day may be there in part only */
	int64_t from = now_s - (int64_t)n->config->hold_s + 86400;
	if (n->rollup == NULL || n->accept->children == 0)
		return;
	for (unsigned i = 0; i < 3; i++) {
		for (int64_t start = from - from % res[i]; start <= now_s; start += res[i]) {
			struct query *q = store_query(
				n->store, "INSERT OR IGNORE INTO rollup_dirty VALUES(?1, ?2, ?3)");
			bind_text(q, link_parent(l));
			bind_int(q, start);
			bind_int(q, res[i]);
			query_run(q);
		}
	}
}

/* --- making ------------------------------------------------------------------------------ */

/* @filtered has two places more, for prefixes of the origins' region and industry: those alone are
 * summed that @l asks for. NULL: all. */
static struct query *sums_of(struct node *n, const struct link *l, int64_t start, uint32_t res,
	const char *plain, const char *filtered)
{
	const char *region = "", *industry = "";
	bool some = l != NULL && link_filter(l, &region, &industry);
	struct query *q = store_query(n->store, some ? filtered : plain);
	bind_int(q, start);
	bind_int(q, res);
	if (some) {
		bind_text(q, region);
		bind_text(q, industry);
	}
	return q;
}

#define TAKEN                                                                                      \
	" AND (origin LIKE ?4 || '%/' || ?3 || '%' OR origin IN (SELECT org FROM "                 \
	"child WHERE substr(region, 1, length(?3)) = ?3 AND substr(industry, 1, "                  \
	"length(?4)) = ?4))"
#define SUMS                                                                                       \
	"SELECT sum(events), sum(alerts), sum(other), sum(items), "                                \
	"sum(suppressed), sum(sampled), sum(withheld) FROM period WHERE start "                    \
	"= ?1 AND res = ?2"
#define LOST "SELECT reason, sum(events) FROM period_lost WHERE start = ?1 AND res = ?2"

static json_t *read_in(struct node *n, const struct link *l, int64_t start, uint32_t res)
{
	static const char *const names[] = { "events", "alerts", "other", "items", "suppressed",
		"sampled", "withheld" };
	json_t *in = json_object(), *lost = json_object();
	struct query *q = sums_of(n, l, start, res, SUMS, SUMS TAKEN);
	bool any = query_row(q);
	for (int i = 0; i < 7; i++)
		json_object_set_new(in, names[i], json_integer(any ? row_int(q, i) : 0));
	query_done(q);
	q = sums_of(n, l, start, res, LOST " GROUP BY reason", LOST TAKEN " GROUP BY reason");
	while (query_row(q))
		json_object_set_new(lost, row_text(q, 0), json_integer(row_int(q, 1)));
	query_done(q);
	json_object_set_new(in, "lost", lost);
	return in;
}

/* Cells of fewer firms than the threshold lose their industry and region, and then their number. */
static void merge_small(json_t *cells, const json_t *c)
{
	const char *tech = json_string_value(json_array_get(c, 2));
	int64_t sev = (int64_t)json_integer_value(json_array_get(c, 3));
	size_t i;
	json_t *m;
	json_array_foreach(cells, i, m)
	{
		if (strcmp(json_string_value(json_array_get(m, 0)), "*") != 0 ||
			strcmp(json_string_value(json_array_get(m, 2)), tech) != 0 ||
			json_integer_value(json_array_get(m, 3)) != sev)
			continue;
		for (size_t p = 4; p < 7; p++)
			json_integer_set(json_array_get(m, p),
				json_integer_value(json_array_get(m, p)) +
					json_integer_value(json_array_get(c, p)));
		return;
	}
	json_t *merged = json_deep_copy(c);
	json_array_set_new(merged, 0, json_string("*"));
	json_array_set_new(merged, 1, json_string("*"));
	json_array_append_new(cells, merged);
}

static void hide_small_counts(json_t *cells, int64_t k)
{
	size_t i;
	json_t *c;
	json_array_foreach(cells, i, c) if (json_integer_value(json_array_get(c, 6)) < k)
		json_integer_set(json_array_get(c, 6), 0);
}

static json_t *read_cells(
	struct node *n, const struct link *l, int64_t start, uint32_t res, int64_t k)
{
	json_t *cells = json_array();
	struct query *q =
		store_query(n->store, "SELECT ind, reg, tech, sev, sum(lo), sum(hi), sum(firms), "
				      "min(firms) FROM cell WHERE start = ?1 AND "
				      "res = ?2 GROUP BY ind, reg, tech, sev");
	bind_int(q, start);
	bind_int(q, res);
	while (query_row(q)) {
		if (l != NULL && (!link_takes(l, row_text(q, 1), row_text(q, 0)) ||
					 row_int(q, 3) > (int64_t)link_severity(l)))
			continue;
		json_t *c = json_pack("[s,s,s,I,I,I,I]", row_text(q, 0), row_text(q, 1),
			row_text(q, 2), (json_int_t)row_int(q, 3), (json_int_t)row_int(q, 4),
			(json_int_t)row_int(q, 5), (json_int_t)row_int(q, 6));
		bool small =
			(k > 1 && row_int(q, 6) < k) || json_array_size(cells) >= CELLS_MOST - 500;
		if (small && row_int(q, 7) > 0)
			merge_small(cells, c);
		else
			json_array_append(cells, c);
		json_decref(c);
	}
	query_done(q);
	if (k > 1)
		hide_small_counts(cells, k);
	return cells;
}

static json_t *read_kids(struct node *n, const struct link *l, struct now now)
{
	struct roster r;
	accept_roster(n, l, now, &r);
	return json_pack("{s:I, s:I, s:I, s:I}", "known", (json_int_t)r.known, "reporting",
		(json_int_t)r.reporting, "late", (json_int_t)r.late, "silent",
		(json_int_t)r.silent);
}

static int64_t next_revision(struct node *n, const char *parent, int64_t start, uint32_t res)
{
	struct query *q = store_query(n->store,
		"SELECT max(rev) FROM rollup_made WHERE link = ?1 AND start = ?2 AND res = ?3");
	bind_text(q, parent);
	bind_int(q, start);
	bind_int(q, res);
	int64_t rev = query_row(q) ? row_int(q, 0) + 1 : 1;
	query_done(q);
	return rev;
}

static void note_made(struct node *n, const char *parent, int64_t start, uint32_t res, int64_t rev,
	struct now now)
{
	struct query *q = store_query(
		n->store, "DELETE FROM rollup_dirty WHERE link = ?1 AND start = ?2 AND res = ?3");
	bind_text(q, parent);
	bind_int(q, start);
	bind_int(q, res);
	query_run(q);
	q = store_query(n->store,
		"INSERT OR REPLACE INTO rollup_made VALUES(?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0)");
	bind_text(q, parent);
	bind_int(q, start);
	bind_int(q, res);
	bind_int(q, accept_serial(n));
	bind_int(q, rev);
	bind_int(q, now.wall_ms);
	query_run(q);
}

unsigned rollup_bodies(struct node *n, struct link *l, int64_t start_s, uint32_t res_s,
	struct now now, json_t *part[ROLLUP_PARTS])
{
	int64_t k = n->tier == TIER_PROVINCE ? (int64_t)n->config->k_firms : 1;
	int64_t rev = next_revision(n, link_parent(l), start_s, res_s);
	json_t *in = read_in(n, l, start_s, res_s), *kids = read_kids(n, l, now);
	json_t *cells = read_cells(n, l, start_s, res_s, k), *path = accept_path(n);
	size_t count = json_array_size(cells), parts = (count + CELLS_A_PART - 1) / CELLS_A_PART;
	parts = parts == 0 ? 1 : parts > ROLLUP_PARTS ? ROLLUP_PARTS : parts;
	for (size_t i = 0; i < parts; i++) {
		json_t *some = json_array();
		for (size_t c = i * CELLS_A_PART; c < count && c < (i + 1) * CELLS_A_PART; c++)
			json_array_append(some, json_array_get(cells, c));
		part[i] = json_pack(
			"{s:s, s:s, s:I, s:{s:I, s:I}, s:I, s:I, s:I, s:I, s:O, s:O, s:o, s:O}",
			"tier", tier_name(n->tier), "reg", n->region, "lvl",
			(json_int_t)link_level(l), "w", "start", (json_int_t)start_s, "end",
			(json_int_t)(start_s + res_s), "res", (json_int_t)res_s, "rev",
			(json_int_t)rev, "part", (json_int_t)(i + 1), "parts", (json_int_t)parts,
			"in", in, "kids", kids, "cells", some, "path", path);
		if (!link_counts(l))
			json_object_set_new(part[i], "partial", json_true());
	}
	note_made(n, link_parent(l), start_s, res_s, rev, now);
	json_decref(path);
	json_decref(cells);
	json_decref(kids);
	json_decref(in);
	return (unsigned)parts;
}

void rollup_sent(
	struct node *n, struct link *l, int64_t start_s, uint32_t res_s, struct frame_id last)
{
	struct query *q = store_query(n->store,
		"UPDATE rollup_made SET ep = ?4, sq = ?5 WHERE link = ?1 AND start = ?2 AND res = "
		"?3 AND rev = (SELECT "
		"max(rev) FROM rollup_made WHERE link = ?1 AND start = ?2 AND res = ?3)");
	bind_text(q, link_parent(l));
	bind_int(q, start_s);
	bind_int(q, res_s);
	bind_int(q, (int64_t)last.ep);
	bind_int(q, (int64_t)last.sq);
	query_run(q);
}

/* --- up ------------------------------------------------------------------------------------ */

struct made {
	int64_t start, res, serial, rev;
};

/* Frames in this revision of a period are known to be up, or no longer. */
static void set_frames(struct node *n, const struct made *m, bool up)
{
	struct query *q =
		store_query(n->store, "UPDATE frame SET up = ?1 WHERE res = ?2 AND period >= ?3 "
				      "AND period < ?4 AND id <= ?5 AND up <> ?1");
	bind_int(q, up);
	bind_int(q, m->res);
	bind_int(q, m->start);
	bind_int(q, m->start + m->res);
	bind_int(q, m->serial);
	query_run(q);
}

/* The longest run of a child's frames from the start of its epoch that are up. */
static void settle_child(struct node *n, const struct child *c, bool back)
{
	bool from_start = back || c->up.ep != c->head.ep;
	struct frame_id up = c->head;
	struct query *q = store_query(n->store,
		"SELECT min(sq) FROM frame WHERE org = ?1 AND ep = ?2 AND sq > ?3 AND up = 0");
	bind_text(q, c->org);
	bind_int(q, (int64_t)up.ep);
	bind_int(q, from_start ? 0 : (int64_t)c->up.sq);
	if (query_row(q) && !row_null(q, 0))
		up.sq = (uint64_t)row_int(q, 0) - 1;
	query_done(q);
	accept_set_up(n, c->org, up);
}

static unsigned made_rows(struct node *n, struct link *l, struct frame_id up, bool forward,
	struct made *out, unsigned most)
{
	unsigned count = 0;
	struct query *q =
		store_query(n->store, forward ? "SELECT start, res, serial, rev FROM rollup_made "
						"WHERE link = ?1 AND up = 0 AND ep > 0 AND "
						"(ep, sq) <= (?2, ?3) LIMIT 256"
					      : "SELECT start, res, serial, rev FROM rollup_made "
						"WHERE link = ?1 AND up = 1 AND "
						"(ep, sq) > (?2, ?3) LIMIT 256");
	bind_text(q, link_parent(l));
	bind_int(q, (int64_t)up.ep);
	bind_int(q, (int64_t)up.sq);
	while (count < most && query_row(q))
		out[count++] =
			(struct made){ row_int(q, 0), row_int(q, 1), row_int(q, 2), row_int(q, 3) };
	query_done(q);
	return count;
}

static void settle_all(struct node *n, bool back)
{
	const struct accept *a = n->accept;
	for (unsigned i = 0; i < a->cap; i++)
		if (a->child[i] != NULL &&
			(back || frame_id_compare(a->child[i]->up, a->child[i]->head) != 0))
			settle_child(n, a->child[i], back);
}

void rollup_up_moved(struct node *n, struct link *l, struct frame_id up)
{
	struct made made[256];
	bool moved = false, back = false;
	if (!link_counts(l))
		return;
	for (int forward = 0; forward <= 1; forward++) {
		unsigned count;
		while ((count = made_rows(n, l, up, forward, made, 256)) > 0) {
			for (unsigned i = 0; i < count; i++) {
				set_frames(n, &made[i], forward);
				struct query *q = store_query(n->store,
					"UPDATE rollup_made SET up = ?5 WHERE link = ?1 AND start "
					"= ?2 AND res = ?3 AND "
					"rev = ?4");
				bind_text(q, link_parent(l));
				bind_int(q, made[i].start);
				bind_int(q, made[i].res);
				bind_int(q, made[i].rev);
				bind_int(q, forward);
				query_run(q);
			}
			moved = true;
			back |= forward == 0;
			if (store_failed(n->store))
				return;
		}
	}
	if (moved)
		settle_all(n, back);
}

/* --- for readers ------------------------------------------------------------------------- */

json_t *rollup_cells(struct node *n, int64_t start_s, uint32_t res_s)
{
	return json_pack("{s:I, s:I, s:o, s:o}", "start", (json_int_t)start_s, "res",
		(json_int_t)res_s, "in", read_in(n, NULL, start_s, res_s), "cells",
		read_cells(n, NULL, start_s, res_s, 1));
}
