/* link.c - one parent: what it was told and what waits for it. Sending is link_send.c, answers are
 * link_answer.c. */
#include "aggregator/link_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest.h"
#include "aggregator/ledger.h"

const char link_tables[] =
	"CREATE TABLE IF NOT EXISTS link(id INTEGER PRIMARY KEY, parent TEXT UNIQUE,"
	" ep INTEGER, sq INTEGER, pv BLOB, counts INTEGER,"
	" after_ep INTEGER, after_sq INTEGER, after_pv BLOB, dur_ep INTEGER, dur_sq INTEGER,"
	" up_ep INTEGER, up_sq INTEGER, carry_ep INTEGER, carry_sq INTEGER, held TEXT, key BLOB,"
	" level INTEGER);"
	"CREATE TABLE IF NOT EXISTS link_wait(id INTEGER PRIMARY KEY AUTOINCREMENT, link INTEGER,"
	" rank INTEGER, kind INTEGER, start_s INTEGER, res_s INTEGER, level INTEGER,"
	" counts INTEGER, blob BLOB);"
	"CREATE INDEX IF NOT EXISTS link_wait_order ON link_wait(link, rank, id);"
	"CREATE UNIQUE INDEX IF NOT EXISTS link_wait_once ON link_wait(link, start_s, res_s)"
	" WHERE rank = 1;"
	/* Sequenced: code is enum link_code, body NULL once freed; then facts has w, in, cov. */
	"CREATE TABLE IF NOT EXISTS link_sent(link INTEGER, ep INTEGER, sq INTEGER, t INTEGER,"
	" hash BLOB, code INTEGER, level INTEGER, start_s INTEGER, end_s INTEGER, alerts INTEGER,"
	" at_ms INTEGER, body INTEGER, facts TEXT, PRIMARY KEY(link, ep, sq)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS link_sent_held ON link_sent(link, at_ms)"
	" WHERE body IS NOT NULL;"
	"CREATE INDEX IF NOT EXISTS link_sent_bad ON link_sent(link, ep, sq) WHERE code <> 0;"
	"CREATE TABLE IF NOT EXISTS link_body(id INTEGER PRIMARY KEY, line BLOB);"
	"CREATE TABLE IF NOT EXISTS link_epoch(link INTEGER, ep INTEGER, after_ep INTEGER,"
	" after_sq INTEGER, after_pv BLOB, PRIMARY KEY(link, ep)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS link_rc(link INTEGER, ep INTEGER, last INTEGER,"
	" first INTEGER, at_ms INTEGER, line TEXT, PRIMARY KEY(link, ep, last)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS link_hurry(id INTEGER PRIMARY KEY AUTOINCREMENT, link INTEGER,"
	" t INTEGER, flash TEXT, sensor INTEGER, epoch INTEGER, n INTEGER, again INTEGER,"
	" line BLOB);"
	"CREATE TABLE IF NOT EXISTS link_spare(id INTEGER PRIMARY KEY, link INTEGER, start_s "
	"INTEGER,"
	" rank INTEGER, res_s INTEGER, level INTEGER, counts INTEGER, at_ms INTEGER, blob BLOB);"
	/* What is about to leave: after a crash nobody knows whether it did. */
	"CREATE TABLE IF NOT EXISTS link_intent(link INTEGER PRIMARY KEY, what TEXT, text BLOB);"
	"CREATE INDEX IF NOT EXISTS link_hurry_order ON link_hurry(link, t, id);"
	"CREATE INDEX IF NOT EXISTS link_hurry_flash ON link_hurry(link, flash)"
	" WHERE flash <> '';";

static const char *const codes[LINK_CODES] = { "", "schema", "level", "size", "sig", "cov",
	"revoked", "freed" };

const char *link_code_name(enum link_code c)
{
	return codes[c];
}

enum link_code link_code_from(const char *name)
{
	for (unsigned i = 1; name != NULL && i < CODE_FREED; i++)
		if (strcmp(codes[i], name) == 0)
			return (enum link_code)i;
	return CODE_NONE;
}

/* xorshift64*: jitter, not secrets; the simulator wants the same again from the same seed. */
int64_t link_random(struct link *l, int64_t below)
{
	l->random ^= l->random >> 12;
	l->random ^= l->random << 25;
	l->random ^= l->random >> 27;
	uint64_t r = l->random * 0x2545f4914f6cdd1du;
	return below <= 0 ? 0 : (int64_t)((r >> 1) % (uint64_t)below);
}

/* --- the stand --------------------------------------------------------------------------- */

static void bind_id(struct query *q, struct frame_id id)
{
	bind_int(q, (int64_t)id.ep);
	bind_int(q, (int64_t)id.sq);
}

static struct frame_id row_id(struct query *q, int column)
{
	return (struct frame_id){ (uint64_t)row_int(q, column), (uint64_t)row_int(q, column + 1) };
}

static void row_hash(struct query *q, int column, uint8_t out[HASH])
{
	size_t n;
	const void *bytes = row_blob(q, column, &n);
	memset(out, 0, HASH);
	if (n == HASH)
		memcpy(out, bytes, HASH);
}

void link_save(struct link *l)
{
	const struct link_stand *s = &l->s;
	struct query *q = store_query(l->n->store,
		"UPDATE link SET ep = ?2, sq = ?3, pv = ?4, counts = ?5, after_ep = ?6,"
		" after_sq = ?7, after_pv = ?8, dur_ep = ?9, dur_sq = ?10, up_ep = ?11,"
		" up_sq = ?12, carry_ep = ?13, carry_sq = ?14 WHERE id = ?1");
	bind_int(q, s->row);
	bind_id(q, s->last);
	bind_blob(q, s->pv, HASH);
	bind_int(q, s->count);
	bind_id(q, s->after);
	bind_blob(q, s->after_pv, HASH);
	bind_id(q, s->dur);
	bind_id(q, s->up);
	bind_id(q, s->carry);
	query_run(q);
}

static bool load(struct link *l, int64_t *level)
{
	struct link_stand *s = &l->s;
	struct query *q = store_query(l->n->store,
		"SELECT id, ep, sq, pv, counts, after_ep, after_sq, after_pv, dur_ep, dur_sq,"
		" up_ep, up_sq, carry_ep, carry_sq, held, key, level FROM link WHERE parent = ?1");
	size_t n;
	bind_text(q, l->parent);
	bool found = query_row(q);
	if (found) {
		s->row = row_int(q, 0);
		s->last = row_id(q, 1);
		row_hash(q, 3, s->pv);
		s->count = row_int(q, 4) != 0;
		s->after = row_id(q, 5);
		row_hash(q, 7, s->after_pv);
		s->sent = s->dur = row_id(q, 8);
		s->up = row_id(q, 10);
		s->carry = row_id(q, 12);
		struct err err = { 0 };
		const char *held = row_text(q, 14);
		l->held = json_read(held, strlen(held), FRAME_DEPTH, &err);
		const void *key = row_blob(q, 15, &n);
		l->knows_key = n == KEY_PUBLIC;
		if (l->knows_key)
			key_from_public(&l->key, key);
		*level = row_int(q, 16);
	}
	query_done(q);
	return found;
}

static void create(struct link *l)
{
	struct query *q = store_query(l->n->store,
		"INSERT INTO link VALUES(NULL, ?1, 0, 0, ?2, ?3, 0, 0, ?2, 0, 0, 0, 0, 0, 0,"
		" '[]', NULL, ?4)");
	static const uint8_t zeros[HASH];
	bind_text(q, l->parent);
	bind_blob(q, zeros, HASH);
	bind_int(q, l->conf->count);
	bind_int(q, (int64_t)l->conf->level);
	query_run(q);
	l->s = (struct link_stand){ .row = store_last_id(l->n->store), .count = l->conf->count };
}

/* What may leave was changed by the operator: the ledger says when. */
static void note_level(struct link *l, struct now now, int64_t was)
{
	json_t *what = json_pack("{s:I, s:I, s:s}", "from", (json_int_t)was, "to",
		(json_int_t)l->conf->level, "link", l->conf->count ? "count" : "view");
	ledger_add(l->n, now, "level", l->parent, what, NULL, 0);
	json_decref(what);
	struct query *q = store_query(l->n->store, "UPDATE link SET level = ?2 WHERE id = ?1");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)l->conf->level);
	query_run(q);
}

struct link *link_open(struct node *n, unsigned index, struct now now, struct err *err)
{
	struct link *l = calloc(1, sizeof *l);
	int64_t level = -1;
	if (l == NULL) {
		err_set(err, "link: out of memory");
		return NULL;
	}
	l->n = n;
	l->index = index;
	l->conf = &n->config->parent[index];
	snprintf(l->parent, sizeof l->parent, "%s", l->conf->org);
	l->win = (struct link_limits){ .frames = 64,
		.bytes = 256 * 1024,
		.every_ms = (int64_t)n->config->win_every_s * 1000 };
	store_begin(n->store);
	if (!load(l, &level))
		create(l);
	if (level != (int64_t)l->conf->level)
		note_level(l, now, level);
	struct query *q = store_query(n->store, "UPDATE link_hurry SET again = 0 WHERE link = ?1");
	bind_int(q, l->s.row);
	query_run(q);
	link_intent_settle(l, now, true);
	if (l->held == NULL)
		l->held = json_array();
	uint8_t hash[HASH];
	char seed[160];
	int len = snprintf(
		seed, sizeof seed, "%s %s %lld", n->org, l->parent, (long long)now.wall_ms);
	hash_of(seed, (size_t)len, hash);
	memcpy(&l->random, hash, sizeof l->random);
	l->random |= 1;
	l->need_head = true;
	l->windows_at = INT64_MIN / 2;
	l->tombs_at = INT64_MIN / 2;
	l->dur_at = now.mono_ms;
	if (!store_commit(n->store)) {
		err_set(err, "link to %s: %s", l->parent, store_why(n->store));
		link_close(l);
		return NULL;
	}
	ledger_sync(n);
	return l;
}

void link_close(struct link *l)
{
	if (l == NULL)
		return;
	json_decref(l->held);
	free(l);
}

void link_begin(struct link *l, struct link_stand *kept)
{
	*kept = l->s;
	store_begin(l->n->store);
}

bool link_commit(struct link *l, struct link_stand *kept)
{
	if (store_commit(l->n->store))
		return true;
	l->s = *kept;
	return false;
}

void link_head_wanted(struct link *l, const char *why)
{
	if (!l->need_head)
		node_say(l->n, 5, "%s: asking where it stands: %s", l->parent, why);
	l->need_head = true;
}

/* --- what waits -------------------------------------------------------------------------- */

bool link_takes(const struct link *l, const char *region, const char *industry)
{
	const struct agg_parent *p = l->conf;
	if (p->count)
		return true;
	return (p->region == NULL || strncmp(region, p->region, strlen(p->region)) == 0) &&
	       (p->sector == NULL || strncmp(industry, p->sector, strlen(p->sector)) == 0);
}

bool link_filter(const struct link *l, const char **region, const char **industry)
{
	const struct agg_parent *p = l->conf;
	*region = p->count || p->region == NULL ? "" : p->region;
	*industry = p->count || p->sector == NULL ? "" : p->sector;
	return **region != '\0' || **industry != '\0';
}

unsigned link_severity(const struct link *l)
{
	return l->conf->count ? 4 : (unsigned)l->conf->severity;
}

void link_wait(struct link *l, enum waiting kind, int64_t start_s, uint32_t res_s, unsigned level,
	const void *blob, size_t len)
{
	struct node *n = l->n;
	int rank = kind == WAITING_WINDOW   ? RANK_WINDOW
		   : kind == WAITING_ROLLUP ? RANK_ROLLUP
					    : RANK_RECEIPT;
	if (kind == WAITING_WINDOW && !link_takes(l, n->region, n->industry))
		return;
	if (kind == WAITING_WINDOW && level == 0)
		return; /* it never leaves: digest.c keeps its totals for the next that does */
	struct query *q = store_query(n->store,
		"INSERT OR IGNORE INTO link_wait VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
	bind_int(q, l->s.row);
	bind_int(q, rank);
	bind_int(q, kind);
	bind_int(q, start_s);
	bind_int(q, res_s);
	bind_int(q, level);
	bind_int(q, l->conf->count);
	bind_blob(q, blob, len);
	query_run(q);
	if (l->wake != NULL)
		l->wake(l->wake_ctx);
}

unsigned link_windows(struct link *l, unsigned most)
{
	struct query *q = store_query(l->n->store, "SELECT count(*) FROM (SELECT 1 FROM link_wait "
						   "WHERE link = ?1 AND rank = 2 LIMIT ?2)");
	bind_int(q, l->s.row);
	bind_int(q, most);
	unsigned windows = query_row(q) ? (unsigned)row_int(q, 0) : 0;
	query_done(q);
	return windows;
}

/* --- what hurries ------------------------------------------------------------------------ */

static void keep_hurry(struct link *l, enum frame_type type, const char *id,
	const uint64_t covers[3], const char *line, size_t len)
{
	static const uint64_t nothing[3];
	const uint64_t *c = covers == NULL ? nothing : covers;
	struct query *q = store_query(
		l->n->store, "INSERT INTO link_hurry VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)");
	bind_int(q, l->s.row);
	bind_int(q, type);
	bind_text(q, id == NULL ? "" : id);
	for (unsigned i = 0; i < 3; i++)
		bind_int(q, (int64_t)c[i]);
	bind_blob(q, line, len);
	query_run(q);
	if (l->wake != NULL)
		l->wake(l->wake_ctx);
}

static void drop_beats(struct link *l)
{
	struct query *q =
		store_query(l->n->store, "DELETE FROM link_hurry WHERE link = ?1 AND t = ?2");
	bind_int(q, l->s.row);
	bind_int(q, FRAME_BEAT);
	query_run(q);
}

/* Copies may be dropped when there are too many (their facts are in what is sequenced), but not
 * unsaid. */
static void bound_hurry(struct link *l, struct now now)
{
	struct query *q = store_query(l->n->store,
		"DELETE FROM link_hurry WHERE id IN (SELECT id FROM link_hurry WHERE link = ?1"
		" AND t = ?2 ORDER BY id LIMIT max(0, (SELECT count(*) FROM link_hurry"
		" WHERE link = ?1) - ?3))");
	bind_int(q, l->s.row);
	bind_int(q, FRAME_ENVELOPE);
	bind_int(q, LINK_HURRY_MAX);
	query_run(q);
	int64_t gone = store_changes(l->n->store);
	if (gone > 0)
		node_alarm(l->n, now, "copies-dropped", l->parent,
			"%lld passed-on copies were dropped: more than %d wait", (long long)gone,
			LINK_HURRY_MAX);
}

void link_hurry(struct link *l, enum frame_type type, const char *id, const json_t *body,
	const uint64_t covers[3], struct now now)
{
	struct node *n = l->n;
	struct err err = { 0 };
	size_t len;
	if (type != FRAME_BEAT && l->conf->level == 0)
		return;
	if (type == FRAME_FLASH && !link_takes(l, n->region, n->industry))
		return;
	if (type == FRAME_FLASH && json_int_of(body, "sev", 1) > (int64_t)link_severity(l))
		return;
	struct frame_head h = { .type = type, .org = n->org, .to = l->parent };
	char *line = frame_make(&h, body, &n->key, &len, NULL, &err);
	if (line == NULL) {
		node_alarm(n, now, "frame-refused", l->parent, "%s: %s", frame_type_name(type),
			err.text);
		return;
	}
	if (type == FRAME_BEAT)
		drop_beats(l);
	keep_hurry(l, type, id, covers, line, len);
	free(line);
}

void link_pass(struct link *l, const char *line, size_t len, const json_t *path, struct now now)
{
	struct node *n = l->n;
	struct err err = { 0 };
	size_t out_len;
	size_t room = base64_room(len);
	if (l->conf->level == 0 || len > FRAME_MAX)
		return;
	char *text = malloc(room);
	if (text == NULL)
		return;
	base64_write(text, room, line, len);
	json_t *body = json_pack("{s:s, s:O}", "orig", text, "path", path);
	free(text);
	struct frame_head h = { .type = FRAME_ENVELOPE, .org = n->org, .to = l->parent };
	char *made = body == NULL ? NULL : frame_make(&h, body, &n->key, &out_len, NULL, &err);
	json_decref(body);
	if (made == NULL) {
		node_alarm(n, now, "frame-refused", l->parent, "envelope: %s", err.text);
		return;
	}
	keep_hurry(l, FRAME_ENVELOPE, NULL, NULL, made, out_len);
	free(made);
	bound_hurry(l, now);
}

void link_on_wake(struct link *l, void (*wake)(void *ctx), void *ctx)
{
	pthread_mutex_lock(&l->n->lock);
	l->wake = wake;
	l->wake_ctx = ctx;
	pthread_mutex_unlock(&l->n->lock);
}

/* --- for others -------------------------------------------------------------------------- */

const char *link_parent(const struct link *l)
{
	return l->parent;
}

bool link_counts(const struct link *l)
{
	return l->conf->count;
}

unsigned link_level(const struct link *l)
{
	return (unsigned)l->conf->level;
}

int64_t link_skew_ms(const struct link *l)
{
	return l->skew_ms;
}

static int64_t rows(struct link *l, const char *sql)
{
	struct query *q = store_query(l->n->store, sql);
	bind_int(q, l->s.row);
	int64_t n = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	return n;
}

void link_state(struct link *l, struct link_state *out)
{
	*out = (struct link_state){ .next = { l->s.last.ep, l->s.last.sq + 1 },
		.dur = l->s.dur,
		.up = l->s.up,
		.stopped = l->stopped };
	out->waiting = rows(l, "SELECT count(*) FROM link_wait WHERE link = ?1");
	out->hurrying = rows(l, "SELECT count(*) FROM link_hurry WHERE link = ?1");
	snprintf(out->why, sizeof out->why, "%s", l->why);
}

void link_resume(struct link *l)
{
	pthread_mutex_lock(&l->n->lock);
	if (l->stopped)
		link_head_wanted(l, "resumed");
	l->stopped = false;
	l->why[0] = '\0';
	l->not_before = 0;
	pthread_mutex_unlock(&l->n->lock);
}

void link_reached(struct link *l)
{
	pthread_mutex_lock(&l->n->lock);
	if (l->away) {
		l->away = false;
		l->not_before = 0;
		if (l->wake != NULL)
			l->wake(l->wake_ctx);
	}
	pthread_mutex_unlock(&l->n->lock);
}

void link_set_parent_key(struct link *l, const struct key *k)
{
	pthread_mutex_lock(&l->n->lock);
	if (!l->knows_key || memcmp(l->key.public_, k->public_, KEY_PUBLIC) != 0) {
		key_from_public(&l->key, k->public_);
		l->knows_key = true;
		struct link_stand kept;
		link_begin(l, &kept);
		struct query *q =
			store_query(l->n->store, "UPDATE link SET key = ?2 WHERE id = ?1");
		bind_int(q, l->s.row);
		bind_blob(q, k->public_, KEY_PUBLIC);
		query_run(q);
		link_commit(l, &kept);
	}
	pthread_mutex_unlock(&l->n->lock);
}

bool link_parent_key(const struct link *l, struct key *out)
{
	if (l->knows_key)
		*out = l->key;
	return l->knows_key;
}
