/* accept.c - children: known, kept, answered. */
#include "aggregator/accept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept_private.h"
#include "aggregator/fault.h"
#include "aggregator/link.h"
#include "aggregator/notice.h"
#include "aggregator/release.h"

// clang-format off
const char accept_tables[] =
	"CREATE TABLE IF NOT EXISTS child(org TEXT PRIMARY KEY, tier INTEGER, region TEXT, industry TEXT,"
	" ep INTEGER, sq INTEGER, pv BLOB, refused INTEGER, up_ep INTEGER, up_sq INTEGER, counts INTEGER,"
	" events INTEGER, alerts INTEGER, other INTEGER, items INTEGER, suppressed INTEGER, sampled INTEGER,"
	" withheld INTEGER, lost INTEGER, beat_ms INTEGER, beat TEXT, known_ms INTEGER) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS child_key(org TEXT, public BLOB, not_before INTEGER, not_after INTEGER,"
	" revoked_at INTEGER, PRIMARY KEY(org, public)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS child_cov(org TEXT, sensor INTEGER, epoch INTEGER, from_n INTEGER, to_n INTEGER,"
	" PRIMARY KEY(org, sensor, epoch, from_n)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS frame(id INTEGER PRIMARY KEY, org TEXT, ep INTEGER, sq INTEGER, type INTEGER,"
	" hash BLOB, day INTEGER, period INTEGER, res INTEGER, received_ms INTEGER, up INTEGER, line TEXT);"
	"CREATE UNIQUE INDEX IF NOT EXISTS frame_identity ON frame(org, ep, sq);"
	"CREATE INDEX IF NOT EXISTS frame_day ON frame(day);"
	"CREATE INDEX IF NOT EXISTS frame_period ON frame(res, period);"
	"CREATE TABLE IF NOT EXISTS refused(org TEXT, ep INTEGER, sq INTEGER, hash BLOB, code TEXT, why TEXT,"
	" PRIMARY KEY(org, ep, sq)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS child_lost(org TEXT, code TEXT, events INTEGER, PRIMARY KEY(org, code)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS quarantine(id INTEGER PRIMARY KEY, org TEXT, ep INTEGER, sq INTEGER, hash BLOB,"
	" at_ms INTEGER, line TEXT, UNIQUE(org, ep, sq, hash));"
	"CREATE TABLE IF NOT EXISTS flash(id TEXT PRIMARY KEY, org TEXT, at_ms INTEGER, day INTEGER, verified INTEGER,"
	" line TEXT) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS flash_day ON flash(day);";
// clang-format on

enum { TABLE_FIRST = 64, TIDY_ROWS = 1000 };

void answer_free(struct answer *a)
{
	free(a->json);
	a->json = NULL;
}

/* --- table of children ------------------------------------------------------------------- */

static unsigned slot_of(const struct accept *a, const char *org)
{
	uint32_t h = 2166136261u;
	for (; *org != '\0'; org++)
		h = (h ^ (uint8_t)*org) * 16777619u;
	return h & (a->cap - 1);
}

struct child *accept_child(struct node *n, const char *org)
{
	const struct accept *a = n->accept;
	for (unsigned i = slot_of(a, org); a->child[i] != NULL; i = (i + 1) & (a->cap - 1))
		if (strcmp(a->child[i]->org, org) == 0)
			return a->child[i];
	return NULL;
}

static void put(struct accept *a, struct child *c)
{
	unsigned i = slot_of(a, c->org);
	while (a->child[i] != NULL)
		i = (i + 1) & (a->cap - 1);
	a->child[i] = c;
}

static bool grow(struct accept *a)
{
	struct accept larger = { .cap = a->cap == 0 ? TABLE_FIRST : a->cap * 2 };
	if (a->cap > 0 && a->children < a->cap / 2)
		return true;
	larger.child = calloc(larger.cap, sizeof *larger.child);
	if (larger.child == NULL)
		return false;
	for (unsigned i = 0; i < a->cap; i++)
		if (a->child[i] != NULL)
			put(&larger, a->child[i]);
	free(a->child);
	a->child = larger.child;
	a->cap = larger.cap;
	return true;
}

static struct child *new_child(struct node *n, const char *org, int64_t mono_ms)
{
	struct accept *a = n->accept;
	struct child *c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	snprintf(c->org, sizeof c->org, "%s", org);
	c->beat_ms = INT64_MIN;
	c->tokens = (double)n->config->child_burst;
	c->tokens_ms = mono_ms;
	c->count = true;
	pthread_mutex_lock(&a->door);
	bool room = grow(a);
	if (room)
		put(a, c);
	a->children += room;
	pthread_mutex_unlock(&a->door);
	if (room)
		return c;
	free(c);
	return NULL;
}

/* --- keeping ----------------------------------------------------------------------------- */

static void read_keys(struct node *n, struct child *c)
{
	struct query *q = store_query(n->store, "SELECT public, not_before, not_after, revoked_at "
						"FROM child_key WHERE org = ?1 ORDER BY not_after "
						"DESC LIMIT 8");
	bind_text(q, c->org);
	c->keys = 0;
	while (query_row(q) && c->keys < ACCEPT_KEYS) {
		size_t size;
		const void *public_ = row_blob(q, 0, &size);
		struct held_key *k = &c->key[c->keys];
		if (size != KEY_PUBLIC)
			continue;
		key_from_public(&k->key, public_);
		k->not_before = row_int(q, 1);
		k->not_after = row_int(q, 2);
		k->revoked_at = row_int(q, 3);
		c->keys++;
	}
	query_done(q);
}

/* Whether a frame of this epoch was taken. */
static void read_settled(struct node *n, struct child *c)
{
	struct query *q = store_query(
		n->store, "SELECT 1 FROM frame WHERE org = ?1 AND ep = ?2 AND type <= ?3 LIMIT 1");
	bind_text(q, c->org);
	bind_int(q, (int64_t)c->head.ep);
	bind_int(q, FRAME_EVIDENCE);
	c->settled = query_row(q);
	query_done(q);
}

static void read_row(struct query *q, struct child *c)
{
	size_t size;
	const void *pv;
	c->tier = (enum tier)row_int(q, 1);
	snprintf(c->region, sizeof c->region, "%s", row_text(q, 2));
	snprintf(c->industry, sizeof c->industry, "%s", row_text(q, 3));
	c->head = (struct frame_id){ (uint64_t)row_int(q, 4), (uint64_t)row_int(q, 5) };
	pv = row_blob(q, 6, &size);
	memset(c->pv, 0, HASH);
	if (size == HASH)
		memcpy(c->pv, pv, HASH);
	c->refused = (uint64_t)row_int(q, 7);
	c->up = (struct frame_id){ (uint64_t)row_int(q, 8), (uint64_t)row_int(q, 9) };
	c->count = row_int(q, 10) != 0;
	int64_t *const sums[] = { &c->sum.events, &c->sum.alerts, &c->sum.other, &c->sum.items,
		&c->sum.suppressed, &c->sum.sampled, &c->sum.withheld, &c->sum.lost };
	for (int i = 0; i < 8; i++)
		*sums[i] = row_int(q, 11 + i);
	c->beat_wall_ms = row_int(q, 19);
	c->dirty = false;
}

static const char all_columns[] = "SELECT org, tier, region, industry, ep, sq, pv, refused, up_ep, "
				  "up_sq, counts, events, alerts, other, items, "
				  "suppressed, sampled, withheld, lost, beat_ms FROM child";

void accept_reload(struct node *n, struct child *c)
{
	struct query *q = store_query(n->store, "SELECT org, tier, region, industry, ep, sq, pv, "
						"refused, up_ep, up_sq, counts, events, alerts, "
						"other, items, suppressed, sampled, withheld, "
						"lost, beat_ms FROM child WHERE org = ?1");
	bind_text(q, c->org);
	if (query_row(q))
		read_row(q, c);
	query_done(q);
	read_keys(n, c);
	read_settled(n, c);
	cover_read(n, c);
}

void accept_save(struct node *n, struct child *c)
{
	const int64_t sums[] = { c->sum.events, c->sum.alerts, c->sum.other, c->sum.items,
		c->sum.suppressed, c->sum.sampled, c->sum.withheld, c->sum.lost };
	if (!c->dirty)
		return;
	struct query *q = store_query(n->store, "UPDATE child SET tier = ?1, region = ?2, industry "
						"= ?3, ep = ?4, sq = ?5, pv = ?6, refused = ?7, "
						"up_ep = ?8, up_sq = ?9, counts = ?10, events = "
						"?11, alerts = ?12, other = ?13, items = ?14, "
						"suppressed = ?15, sampled = ?16, withheld = ?17, "
						"lost = ?18, beat_ms = ?19 WHERE org = ?20");
	bind_int(q, c->tier);
	bind_text(q, c->region);
	bind_text(q, c->industry);
	bind_int(q, (int64_t)c->head.ep);
	bind_int(q, (int64_t)c->head.sq);
	bind_blob(q, c->pv, HASH);
	bind_int(q, (int64_t)c->refused);
	bind_int(q, (int64_t)c->up.ep);
	bind_int(q, (int64_t)c->up.sq);
	bind_int(q, c->count);
	for (size_t i = 0; i < sizeof sums / sizeof sums[0]; i++)
		bind_int(q, sums[i]);
	bind_int(q, c->beat_wall_ms);
	bind_text(q, c->org);
	query_run(q);
	c->dirty = false;
}

void accept_vouch(struct node *n, const struct peer *p)
{
	struct query *q =
		store_query(n->store, "INSERT INTO child_key VALUES(?1, ?2, ?3, ?4, 0) ON "
				      "CONFLICT(org, public) DO UPDATE SET "
				      "not_after = max(not_after, excluded.not_after), not_before "
				      "= min(not_before, excluded.not_before)");
	bind_text(q, p->org);
	bind_blob(q, p->key.public_, KEY_PUBLIC);
	bind_int(q, p->not_before);
	bind_int(q, p->not_after);
	query_run(q);
}

static void keep_key(struct node *n, struct child *c, const struct peer *p)
{
	for (unsigned i = 0; i < c->keys; i++)
		if (memcmp(c->key[i].key.public_, p->key.public_, KEY_PUBLIC) == 0 &&
			c->key[i].not_after == p->not_after)
			return;
	accept_vouch(n, p);
	read_keys(n, c);
}

struct child *accept_know(struct node *n, const struct peer *p, struct now now)
{
	struct child *c = accept_child(n, p->org);
	if (c == NULL) {
		if (n->accept->children >= n->config->max_children ||
			(c = new_child(n, p->org, now.mono_ms)) == NULL)
			return NULL;
	}
	if (!c->stored) {
		struct query *q =
			store_query(n->store, "INSERT OR IGNORE INTO child VALUES(?1, ?2, ?3, ?4, "
					      "0, 0, x'', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, "
					      "0, 0, 0, '', ?5)");
		bind_text(q, p->org);
		bind_int(q, p->tier);
		bind_text(q, p->region);
		bind_text(q, p->industry);
		bind_int(q, now.wall_ms);
		query_run(q);
	}
	if (c->tier != p->tier || strcmp(c->region, p->region) != 0 ||
		strcmp(c->industry, p->industry) != 0) {
		c->tier = p->tier;
		snprintf(c->region, sizeof c->region, "%s", p->region);
		snprintf(c->industry, sizeof c->industry, "%s", p->industry);
		c->dirty = true;
	}
	keep_key(n, c, p);
	return c;
}

/* --- life -------------------------------------------------------------------------------- */

bool accept_open(struct node *n, struct err *err)
{
	n->accept = calloc(1, sizeof *n->accept);
	if (n->accept == NULL || !grow(n->accept))
		return err_set(err, "out of memory");
	pthread_mutex_init(&n->accept->door, NULL);
	struct query *q = store_query(n->store, all_columns);
	struct child *c;
	while (query_row(q))
		if ((c = new_child(n, row_text(q, 0), 0)) != NULL)
			read_row(q, c), c->stored = true;
	query_done(q);
	for (unsigned i = 0; i < n->accept->cap; i++) {
		if (n->accept->child[i] == NULL)
			continue;
		read_keys(n, n->accept->child[i]);
		read_settled(n, n->accept->child[i]);
		cover_read(n, n->accept->child[i]);
	}
	q = store_query(n->store, "SELECT max(id) FROM frame");
	if (query_row(q))
		n->accept->serial = row_int(q, 0);
	query_done(q);
	return true;
}

void accept_free(struct node *n)
{
	struct accept *a = n->accept;
	if (a == NULL)
		return;
	for (unsigned i = 0; i < a->cap; i++) {
		if (a->child[i] != NULL)
			free(a->child[i]->span);
		free(a->child[i]);
	}
	free(a->child);
	pthread_mutex_destroy(&a->door);
	free(a);
	n->accept = NULL;
}

void accept_key(struct node *n, const struct peer *p, struct now now)
{
	store_begin(n->store);
	struct child *c = accept_know(n, p, now);
	if (c != NULL)
		accept_save(n, c);
	bool committed = store_commit(n->store);
	if (c != NULL && committed)
		c->stored = true;
	else if (c != NULL)
		accept_reload(n, c);
}

bool accept_revoke(struct node *n, const char *org, const uint8_t public_[KEY_PUBLIC], int64_t at_s)
{
	struct child *c = accept_child(n, org);
	store_begin(n->store);
	struct query *q = store_query(n->store,
		"INSERT INTO child_key SELECT ?1, ?2, 0, 0, ?3 WHERE ?4 ON CONFLICT(org, public) "
		"DO UPDATE SET revoked_at = excluded.revoked_at WHERE revoked_at = 0");
	bind_text(q, org);
	bind_blob(q, public_, KEY_PUBLIC);
	bind_int(q, at_s > 0 ? at_s : 1);
	bind_int(q, c != NULL);
	query_run(q);
	bool fresh = store_changes(n->store) > 0;
	store_commit(n->store);
	if (c != NULL)
		read_keys(n, c);
	return fresh;
}

void accept_tick(struct node *n, struct now now)
{
	int64_t oldest = now.wall_ms / 86400000 - (int64_t)n->config->history_days;
	store_begin(n->store);
	struct query *q = store_query(n->store, "DELETE FROM frame WHERE id IN (SELECT id FROM "
						"frame WHERE day < ?1 AND up = 1 LIMIT ?2)");
	bind_int(q, oldest);
	bind_int(q, TIDY_ROWS);
	query_run(q);
	q = store_query(n->store, "DELETE FROM flash WHERE day < ?1");
	bind_int(q, oldest);
	query_run(q);
	release_tidy(n, now);
	q = store_query(n->store,
		"DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - 10000");
	query_run(q);
	store_commit(n->store);
}

/* --- facts ------------------------------------------------------------------------------- */

struct frame_id accept_dur(const struct child *c)
{
	return (struct frame_id){ c->head.ep, c->refused > 0 ? c->refused - 1 : c->head.sq };
}

/* Every key that it had is revoked: no child any more. */
static bool is_gone(const struct child *c)
{
	unsigned revoked = 0;
	for (unsigned i = 0; i < c->keys; i++)
		revoked += c->key[i].revoked_at != 0;
	return c->keys > 0 && revoked == c->keys;
}

void accept_roster(struct node *n, const struct link *l, struct now now, struct roster *out)
{
	*out = (struct roster){ 0 };
	for (unsigned i = 0; n->accept != NULL && i < n->accept->cap; i++) {
		const struct child *c = n->accept->child[i];
		if (c == NULL || is_gone(c) ||
			(l != NULL && !link_takes(l, c->region, c->industry)))
			continue;
		int64_t age = c->beat_ms == INT64_MIN ? INT64_MAX : now.mono_ms - c->beat_ms;
		out->known += 1 + c->kids[0];
		out->reporting += (age < ACCEPT_LATE_MS) + c->kids[1];
		out->late += (age >= ACCEPT_LATE_MS && age < ACCEPT_SILENT_MS) + c->kids[2];
		out->silent += (age >= ACCEPT_SILENT_MS) + c->kids[3];
	}
}

json_t *accept_path(const struct node *n)
{
	const struct child *longest = NULL;
	json_t *path = json_array();
	for (unsigned i = 0; i < n->accept->cap; i++) {
		const struct child *c = n->accept->child[i];
		if (c != NULL && c->count && (longest == NULL || c->nodes > longest->nodes))
			longest = c;
	}
	for (unsigned i = 0; longest != NULL && i < longest->nodes; i++)
		json_array_append_new(path, json_string(longest->path[i]));
	json_array_append_new(path, json_string(n->org));
	return path;
}

bool accept_child_known(const struct node *n, const char *org)
{
	return n->accept != NULL && accept_child((struct node *)(uintptr_t)n, org) != NULL;
}

int64_t accept_serial(const struct node *n)
{
	return n->accept->serial;
}

bool accept_totals(struct node *n, const char *org, struct totals *out)
{
	const struct child *c = accept_child(n, org);
	if (c != NULL)
		*out = c->sum;
	return c != NULL;
}

void accept_set_up(struct node *n, const char *org, struct frame_id up)
{
	struct child *c = accept_child(n, org);
	if (c == NULL || frame_id_compare(c->up, up) == 0)
		return;
	c->up = up;
	c->dirty = true;
	accept_save(n, c);
}
