/* rollup.c - periods and what they hold: digests are added, a child's roll-ups replace each other.
 */
#include "aggregator/rollup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/link.h"
#include "aggregator/rollup_private.h"

// clang-format off
const char rollup_tables[] =
	"CREATE TABLE IF NOT EXISTS period(start INTEGER, res INTEGER, origin TEXT, events INTEGER, alerts INTEGER,"
	" other INTEGER, items INTEGER, suppressed INTEGER, sampled INTEGER, withheld INTEGER, ep INTEGER, rev INTEGER,"
	" PRIMARY KEY(start, res, origin)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS period_lost(start INTEGER, res INTEGER, origin TEXT, reason TEXT, events INTEGER,"
	" PRIMARY KEY(start, res, origin, reason)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS cell(start INTEGER, res INTEGER, origin TEXT, ind TEXT, reg TEXT, tech TEXT,"
	" sev INTEGER, lo INTEGER, hi INTEGER, firms INTEGER, PRIMARY KEY(start, res, origin, ind, reg, tech, sev))"
	" WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS cell_firm(start INTEGER, res INTEGER, ind TEXT, reg TEXT, tech TEXT, sev INTEGER,"
	" org TEXT, PRIMARY KEY(start, res, ind, reg, tech, sev, org)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS rollup_part(origin TEXT, start INTEGER, res INTEGER, ep INTEGER, rev INTEGER,"
	" part INTEGER, parts INTEGER, json TEXT, PRIMARY KEY(origin, start, res, ep, rev, part)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS rollup_aside(origin TEXT, start INTEGER, res INTEGER, ep INTEGER, rev INTEGER,"
	" events INTEGER, held INTEGER, at_ms INTEGER, PRIMARY KEY(origin, start, res, ep, rev)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS rollup_dirty(link TEXT, start INTEGER, res INTEGER, PRIMARY KEY(link, start, res))"
	" WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS rollup_made(link TEXT, start INTEGER, res INTEGER, serial INTEGER, rev INTEGER,"
	" made_ms INTEGER, ep INTEGER, sq INTEGER, up INTEGER, PRIMARY KEY(link, start, res, rev)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS rollup_made_frame ON rollup_made(link, up, ep, sq);";
// clang-format on

static const uint32_t resolutions[] = { 300, 3600, 86400 };

uint32_t rollup_class(int64_t coarse_s)
{
	return coarse_s <= 300 ? 300 : coarse_s <= 3600 ? 3600 : 86400;
}

static void mark(struct node *n, int64_t start, uint32_t res)
{
	for (unsigned i = 0; i < n->links; i++) {
		struct query *q = store_query(
			n->store, "INSERT OR IGNORE INTO rollup_dirty VALUES(?1, ?2, ?3)");
		bind_text(q, link_parent(n->link[i]));
		bind_int(q, start);
		bind_int(q, res);
		query_run(q);
	}
}

/* --- digests are added ------------------------------------------------------------------- */

static const char *const sums[] = { "events", "alerts", "other", "items", "suppressed", "sampled",
	"withheld" };
enum { SUMS = sizeof sums / sizeof sums[0] };

static void add_lost(
	struct node *n, int64_t start, uint32_t res, const char *origin, const json_t *in)
{
	const char *reason;
	json_t *v;
	json_object_foreach(json_object_get(in, "lost"), reason, v)
	{
		struct query *q =
			store_query(n->store, "INSERT INTO period_lost VALUES(?1, ?2, ?3, ?4, ?5) "
					      "ON CONFLICT DO UPDATE SET events = events "
					      "+ ?5");
		bind_int(q, start);
		bind_int(q, res);
		bind_text(q, origin);
		bind_text(q, reason);
		bind_int(q, (int64_t)json_integer_value(v));
		query_run(q);
	}
}

/* Digests of one sector and region are summed in one row: its origin is "SECTOR/REGION". */
static void add_sums(
	struct node *n, int64_t start, uint32_t res, const char *origin, const json_t *in)
{
	struct query *q = store_query(n->store,
		"INSERT INTO period VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0) ON "
		"CONFLICT DO UPDATE SET "
		"events = events + ?4, alerts = alerts + ?5, other = other + ?6, items = items + "
		"?7, suppressed = "
		"suppressed + ?8, sampled = sampled + ?9, withheld = withheld + ?10");
	bind_int(q, start);
	bind_int(q, res);
	bind_text(q, origin);
	for (unsigned i = 0; i < SUMS; i++)
		bind_int(q, json_int_of(in, sums[i], 0));
	query_run(q);
	add_lost(n, start, res, origin, in);
}

/* What a bucket holds at least and at most. */
static void bucket_bounds(const char *text, int64_t *low, int64_t *high)
{
	char *end;
	*low = text == NULL ? 0 : strtoll(text, &end, 10);
	*high = text == NULL  ? 0
		: *end == '-' ? strtoll(end + 1, NULL, 10)
		: *end == '+' ? 10 * *low
			      : *low;
}

struct cell {
	const char *ind, *reg, *tech;
	int64_t sev, low, high;
};

/* Is @org new to the cell in this period? Within 5 minutes a firm sends one digest. */
static bool new_firm(
	struct node *n, int64_t start, uint32_t res, const struct cell *c, const char *org)
{
	if (res == 300)
		return true;
	struct query *q = store_query(
		n->store, "INSERT OR IGNORE INTO cell_firm VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)");
	bind_int(q, start);
	bind_int(q, res);
	bind_text(q, c->ind);
	bind_text(q, c->reg);
	bind_text(q, c->tech);
	bind_int(q, c->sev);
	bind_text(q, org);
	query_run(q);
	return store_changes(n->store) > 0;
}

static void add_cell(
	struct node *n, int64_t start, uint32_t res, const struct cell *c, const char *org)
{
	bool first = new_firm(n, start, res, c, org);
	struct query *q =
		store_query(n->store, "INSERT INTO cell VALUES(?1, ?2, '', ?3, ?4, ?5, ?6, ?7, ?8, "
				      "?9) ON CONFLICT DO UPDATE SET lo = lo + "
				      "?7, hi = hi + ?8, firms = firms + ?9");
	bind_int(q, start);
	bind_int(q, res);
	bind_text(q, c->ind);
	bind_text(q, c->reg);
	bind_text(q, c->tech);
	bind_int(q, c->sev);
	bind_int(q, c->low);
	bind_int(q, c->high);
	bind_int(q, first);
	query_run(q);
}

enum { CELLS_OF_DIGEST = 101 };

static unsigned cells_of(const struct frame *f, const struct peer *from, struct cell *out)
{
	const json_t *items = json_object_get(f->json, "items"),
		     *other = json_object_get(f->json, "other");
	unsigned count = 0;
	for (size_t i = 0; i <= json_array_size(items) && count < CELLS_OF_DIGEST; i++) {
		const json_t *item = json_array_get(items, i);
		struct cell c = { .ind = from->industry, .reg = from->region, .tech = "" };
		if (item != NULL) {
			c.tech = json_text_of(item, "tech");
			c.sev = json_int_of(item, "sev", 4);
			bucket_bounds(json_text_of(item, "n"), &c.low, &c.high);
		} else if (other != NULL) {
			c.sev = json_int_of(other, "sev", 4);
			c.low = c.high = json_int_of(other, "n", 0);
		} else {
			break;
		}
		unsigned k = 0;
		while (k < count && (out[k].sev != c.sev || strcmp(out[k].tech, c.tech) != 0))
			k++;
		if (k == count)
			out[count++] = c;
		else
			out[k].low += c.low, out[k].high += c.high;
	}
	return count;
}

static void add_window(struct node *n, const struct peer *from, const struct frame *f)
{
	const json_t *w = json_object_get(f->json, "w"), *in = json_object_get(f->json, "in");
	uint32_t finest = rollup_class(json_int_of(w, "coarse_s", 300));
	struct cell cells[CELLS_OF_DIGEST];
	unsigned count = f->type == FRAME_DIGEST ? cells_of(f, from, cells) : 0;
	char origin[24];
	snprintf(origin, sizeof origin, "%s/%s", from->industry, from->region);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t res = resolutions[i];
		int64_t start = json_int_of(w, "start", 0) / res * res;
		if (res < finest)
			continue;
		add_sums(n, start, res, origin, in);
		for (unsigned k = 0; k < count; k++)
			add_cell(n, start, res, &cells[k], from->org);
		mark(n, start, res);
	}
}

/* --- roll-ups replace -------------------------------------------------------------------- */

struct revision {
	const char *origin;
	int64_t start;
	uint32_t res;
	int64_t ep, rev, part, parts;
};

static void forget(struct node *n, const struct revision *r)
{
	static const char *const gone[] = {
		"DELETE FROM period WHERE start = ?1 AND res = ?2 AND origin = ?3",
		"DELETE FROM period_lost WHERE start = ?1 AND res = ?2 AND origin = ?3",
		"DELETE FROM cell WHERE start = ?1 AND res = ?2 AND origin = ?3"
	};
	for (unsigned i = 0; i < 3; i++) {
		struct query *q = store_query(n->store, gone[i]);
		bind_int(q, r->start);
		bind_int(q, r->res);
		bind_text(q, r->origin);
		query_run(q);
	}
}

static void put_sums(struct node *n, const struct revision *r, const json_t *in)
{
	struct query *q = store_query(n->store,
		"INSERT INTO period VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)");
	bind_int(q, r->start);
	bind_int(q, r->res);
	bind_text(q, r->origin);
	for (unsigned i = 0; i < SUMS; i++)
		bind_int(q, json_int_of(in, sums[i], 0));
	bind_int(q, r->ep);
	bind_int(q, r->rev);
	query_run(q);
	add_lost(n, r->start, r->res, r->origin, in);
}

static void put_cells(struct node *n, const struct revision *r, const json_t *cells)
{
	size_t i;
	json_t *c;
	json_array_foreach(cells, i, c)
	{
		struct query *q =
			store_query(n->store, "INSERT INTO cell VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, "
					      "?8, ?9, ?10) ON CONFLICT DO UPDATE SET lo "
					      "= lo + ?8, hi = hi + ?9, firms = firms + ?10");
		bind_int(q, r->start);
		bind_int(q, r->res);
		bind_text(q, r->origin);
		for (size_t k = 0; k < 3; k++)
			bind_text(q, json_string_value(json_array_get(c, k)));
		for (size_t k = 3; k < 7; k++)
			bind_int(q, (int64_t)json_integer_value(json_array_get(c, k)));
		query_run(q);
	}
}

/* What is held of this origin and period. False: nothing. */
static bool held(
	struct node *n, const struct revision *r, int64_t *ep, int64_t *rev, int64_t *events)
{
	struct query *q = store_query(n->store,
		"SELECT ep, rev, events FROM period WHERE start = ?1 AND res = ?2 AND origin = ?3");
	bind_int(q, r->start);
	bind_int(q, r->res);
	bind_text(q, r->origin);
	bool found = query_row(q);
	if (found) {
		*ep = row_int(q, 0);
		*rev = row_int(q, 1);
		*events = row_int(q, 2);
	}
	query_done(q);
	return found;
}

static void keep_part(struct node *n, const struct revision *r, const json_t *cells)
{
	size_t len;
	char *text = json_write(cells, &len);
	struct query *q = store_query(n->store,
		"INSERT OR REPLACE INTO rollup_part VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
	bind_text(q, r->origin);
	bind_int(q, r->start);
	bind_int(q, r->res);
	bind_int(q, r->ep);
	bind_int(q, r->rev);
	bind_int(q, r->part);
	bind_int(q, r->parts);
	bind_text(q, text);
	query_run(q);
	free(text);
}

static bool parts_are_in(struct node *n, const struct revision *r)
{
	struct query *q =
		store_query(n->store, "SELECT count(*) FROM rollup_part WHERE origin = ?1 AND "
				      "start = ?2 AND res = ?3 AND ep = ?4 AND rev = "
				      "?5 AND parts = ?6");
	bind_text(q, r->origin);
	bind_int(q, r->start);
	bind_int(q, r->res);
	bind_int(q, r->ep);
	bind_int(q, r->rev);
	bind_int(q, r->parts);
	bool all = query_row(q) && row_int(q, 0) == r->parts;
	query_done(q);
	return all;
}

/* Cells of all parts of the revision; then parts of it and of older ones go. */
static void switch_parts(struct node *n, const struct revision *r)
{
	struct err err = { 0 };
	json_t *all = json_array();
	struct query *q =
		store_query(n->store, "SELECT json FROM rollup_part WHERE origin = ?1 AND start = "
				      "?2 AND res = ?3 AND ep = ?4 AND rev = ?5");
	bind_text(q, r->origin);
	bind_int(q, r->start);
	bind_int(q, r->res);
	bind_int(q, r->ep);
	bind_int(q, r->rev);
	while (query_row(q)) {
		const char *text = row_text(q, 0);
		json_t *cells = json_read(text, strlen(text), 4, &err);
		if (cells != NULL)
			json_array_extend(all, cells);
		json_decref(cells);
	}
	query_done(q);
	put_cells(n, r, all);
	json_decref(all);
	q = store_query(n->store, "DELETE FROM rollup_part WHERE origin = ?1 AND start = ?2 AND "
				  "res = ?3 AND (ep < ?4 OR (ep = ?4 AND "
				  "rev <= ?5))");
	bind_text(q, r->origin);
	bind_int(q, r->start);
	bind_int(q, r->res);
	bind_int(q, r->ep);
	bind_int(q, r->rev);
	query_run(q);
}

static void put_aside(
	struct node *n, const struct revision *r, int64_t events, int64_t before, struct now now)
{
	struct query *q = store_query(n->store,
		"INSERT OR REPLACE INTO rollup_aside VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
	bind_text(q, r->origin);
	bind_int(q, r->start);
	bind_int(q, r->res);
	bind_int(q, r->ep);
	bind_int(q, r->rev);
	bind_int(q, events);
	bind_int(q, before);
	bind_int(q, now.wall_ms);
	query_run(q);
	node_alarm(n, now, "rollup-shrank", r->origin,
		"revision %lld/%lld of period %lld (%u s) tells of %lld events where %lld were "
		"told before: kept aside",
		(long long)r->ep, (long long)r->rev, (long long)r->start, r->res, (long long)events,
		(long long)before);
}

static bool replace(struct node *n, const struct peer *from, const struct frame *f, struct now now,
	struct err *err)
{
	const json_t *j = f->json, *in = json_object_get(j, "in");
	struct revision r = { .origin = from->org,
		.start = json_int_of(json_object_get(j, "w"), "start", 0),
		.res = (uint32_t)json_int_of(j, "res", 0),
		.ep = (int64_t)f->id.ep,
		.rev = json_int_of(j, "rev", 0),
		.part = json_int_of(j, "part", 1),
		.parts = json_int_of(j, "parts", 1) };
	int64_t ep = 0, rev = 0, events = 0;
	bool any = held(n, &r, &ep, &rev, &events);
	if (any && (r.ep < ep || (r.ep == ep && r.rev <= rev)))
		return err_set(err, "a revision older than what is held");
	keep_part(n, &r, json_object_get(j, "cells"));
	if (!parts_are_in(n, &r))
		return true;
	if (any && json_int_of(in, "events", 0) < events) {
		if (r.ep == ep) {
			put_aside(n, &r, json_int_of(in, "events", 0), events, now);
			return true;
		}
		/* it began anew, from a backup: its word counts, and is not believed in silence */
		node_alarm(n, now, "rollup-rewritten", r.origin,
			"epoch %lld tells of %lld events in period %lld (%u s) where %lld were "
			"told "
			"before",
			(long long)r.ep, (long long)json_int_of(in, "events", 0),
			(long long)r.start, r.res, (long long)events);
	}
	forget(n, &r);
	put_sums(n, &r, in);
	switch_parts(n, &r);
	mark(n, r.start, r.res);
	return true;
}

bool rollup_add(struct node *n, const struct peer *from, const struct frame *f, int64_t serial,
	struct now now, struct err *err)
{
	(void)serial;
	if (f->type == FRAME_ROLLUP)
		return replace(n, from, f, now, err);
	if (json_int_of(json_object_get(f->json, "in"), "events", 0) > 0 || f->type == FRAME_DIGEST)
		add_window(n, from, f);
	return true;
}

/* --- facts ------------------------------------------------------------------------------- */

void rollup_totals(struct node *n, uint32_t res_s, struct totals *out)
{
	int64_t *const to[] = { &out->events, &out->alerts, &out->other, &out->items,
		&out->suppressed, &out->sampled, &out->withheld };
	struct query *q = store_query(n->store, "SELECT sum(events), sum(alerts), sum(other), "
						"sum(items), sum(suppressed), sum(sampled), "
						"sum(withheld) FROM period WHERE res = ?1");
	bind_int(q, res_s);
	*out = (struct totals){ 0 };
	for (int i = 0; query_row(q) && i == 0; i++)
		for (int k = 0; k < SUMS; k++)
			*to[k] = row_int(q, k);
	query_done(q);
	q = store_query(n->store, "SELECT sum(events) FROM period_lost WHERE res = ?1");
	bind_int(q, res_s);
	if (query_row(q))
		out->lost = row_int(q, 0);
	query_done(q);
}
