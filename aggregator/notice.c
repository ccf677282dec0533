/* notice.c - cases and the steps taken in them, as the store keeps them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/notice_private.h"

// clang-format off
const char notice_tables[] =
	"CREATE TABLE IF NOT EXISTS down(seq INTEGER PRIMARY KEY AUTOINCREMENT, type INTEGER, id TEXT, via TEXT,"
	" filter TEXT, line TEXT, at_ms INTEGER);"
	"CREATE TABLE IF NOT EXISTS notice(id TEXT PRIMARY KEY, type INTEGER, issuer TEXT, mine INTEGER, origin TEXT,"
	" hash TEXT, kid TEXT, line TEXT, issued_s INTEGER, expires_s INTEGER, deadline_s INTEGER, profile TEXT,"
	" at_ms INTEGER) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS route(org TEXT PRIMARY KEY, via TEXT) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS notice_from(id TEXT, parent TEXT, PRIMARY KEY(id, parent)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS step(serial INTEGER PRIMARY KEY, id TEXT, firm TEXT, prior TEXT, hash TEXT, state INTEGER,"
	" by TEXT, action TEXT, reason TEXT, at_s INTEGER, line TEXT, UNIQUE(id, firm, hash));"
	"CREATE TABLE IF NOT EXISTS standing(id TEXT, firm TEXT, state INTEGER, hash TEXT, at_s INTEGER, conflict INTEGER,"
	" overdue INTEGER, escalated INTEGER, ended INTEGER, due_s INTEGER, PRIMARY KEY(id, firm)) WITHOUT ROWID;"
	"CREATE INDEX IF NOT EXISTS standing_due ON standing(due_s);"
	/* what a command has to tell the feeds: they are the daemon's */
	"CREATE TABLE IF NOT EXISTS feed_wait(serial INTEGER PRIMARY KEY, kind INTEGER, origin TEXT, json TEXT);"
	"CREATE TABLE IF NOT EXISTS receipt_out(serial INTEGER PRIMARY KEY, id TEXT, body TEXT);"
	"CREATE TABLE IF NOT EXISTS pack(name TEXT, version INTEGER, kind INTEGER, sha256 TEXT, size INTEGER, parts INTEGER,"
	" expires_s INTEGER, sigs TEXT, state TEXT, stored INTEGER, at_ms INTEGER, bytes BLOB, PRIMARY KEY(name, version)) WITHOUT ROWID;"
	"CREATE TABLE IF NOT EXISTS pack_part(name TEXT, version INTEGER, part INTEGER, bytes BLOB,"
	" PRIMARY KEY(name, version, part)) WITHOUT ROWID;";
// clang-format on

#define FOREVER NOTICE_NEVER
enum { STEPS_UNKNOWN = 10000 };

/* --- cases ------------------------------------------------------------------------------- */

static void read_case(struct query *q, struct case_facts *c)
{
	snprintf(c->id, sizeof c->id, "%s", row_text(q, 0));
	c->type = (enum frame_type)row_int(q, 1);
	snprintf(c->issuer, sizeof c->issuer, "%s", row_text(q, 2));
	c->mine = row_int(q, 3) != 0;
	snprintf(c->from, sizeof c->from, "%s", row_text(q, 4));
	snprintf(c->hash, sizeof c->hash, "%s", row_text(q, 5));
	c->issued_s = row_int(q, 6);
	c->expires_s = row_int(q, 7);
	c->deadline_s = row_int(q, 8);
	snprintf(c->profile, sizeof c->profile, "%s", row_text(q, 9));
	snprintf(c->kid, sizeof c->kid, "%s", row_text(q, 10));
}

bool case_find(struct node *n, const char *id, struct case_facts *out)
{
	struct query *q = store_query(n->store,
		"SELECT id, type, issuer, mine, origin, hash, issued_s, expires_s, deadline_s, "
		"profile, kid FROM notice WHERE id = ?1");
	bind_text(q, id);
	bool found = query_row(q);
	if (found)
		read_case(q, out);
	query_done(q);
	return found;
}

/* What was said of it before this parent brought it, too: all who ask hear all. */
static void say_again(struct node *n, const char *id)
{
	struct step s[NOTICE_STEPS];
	size_t count = case_steps(n, id, n->org, s);
	for (size_t i = 0; i < count; i++)
		if (speaker_of(s[i].by) == SPEAKER_DAEMON || speaker_of(s[i].by) == SPEAKER_FIRM)
			receipt_wait(n, id, &s[i], 0, NULL);
}

static void came_from(struct node *n, const char *id, const char *parent)
{
	struct query *q = store_query(n->store, "INSERT OR IGNORE INTO notice_from VALUES(?1, ?2)");
	bind_text(q, id);
	bind_text(q, parent);
	query_run(q);
	if (store_changes(n->store) > 0)
		say_again(n, id);
}

bool case_add(struct node *n, const struct frame *f, const char *from, bool mine, struct now now)
{
	const char *id = json_text_of(f->json, "case");
	const char *profile = json_text_of(f->json, "profile");
	struct case_facts known;
	char hash[HASH_HEX];
	hash_hex(f->hash, hash);
	if (case_find(n, id, &known)) {
		if (strcmp(known.hash, hash) != 0)
			node_alarm(n, now, "notice", f->org,
				"another object bears the name %s of one that is known", id);
		else if (from[0] != '\0')
			came_from(n, id, from);
		return false;
	}
	struct query *q = store_query(n->store, "INSERT INTO notice VALUES(?1, ?2, ?3, ?4, ?5, ?6, "
						"?7, ?8, ?9, ?10, ?11, ?12, ?13)");
	char *line = strndup(f->line, f->len);
	bind_text(q, id);
	bind_int(q, f->type);
	bind_text(q, f->org);
	bind_int(q, mine);
	bind_text(q, from);
	bind_text(q, hash);
	bind_text(q, f->kid);
	bind_text(q, line);
	bind_int(q, json_int_of(f->json, "issued", now.wall_ms / 1000));
	bind_int(q, json_int_of(f->json, "expires", FOREVER));
	bind_int(q, json_int_of(f->json, "deadline", 0));
	bind_text(q, profile == NULL ? "" : profile);
	bind_int(q, now.wall_ms);
	query_run(q);
	free(line);
	if (from[0] != '\0')
		came_from(n, id, from);
	size_t len;
	char *text = json_write(f->json, &len);
	node_feed(n, FEED_NOTICE, f->org, text, len);
	free(text);
	return true;
}

/* --- steps ------------------------------------------------------------------------------- */

size_t case_steps(struct node *n, const char *id, const char *firm, struct step *out)
{
	size_t count = 0;
	struct query *q = store_query(n->store,
		"SELECT prior, hash, state, by, action, reason, at_s FROM step WHERE id = ?1 AND "
		"firm = ?2 ORDER BY serial LIMIT 64");
	bind_text(q, id);
	bind_text(q, firm);
	while (query_row(q) && count < NOTICE_STEPS) {
		struct step *s = &out[count++];
		*s = (struct step){ .state = (enum state)row_int(q, 2), .at_s = row_int(q, 6) };
		snprintf(s->firm, sizeof s->firm, "%s", firm);
		snprintf(s->from, sizeof s->from, "%s", row_text(q, 0));
		snprintf(s->hash, sizeof s->hash, "%s", row_text(q, 1));
		snprintf(s->by, sizeof s->by, "%s", row_text(q, 3));
		snprintf(s->action, sizeof s->action, "%s", row_text(q, 4));
		snprintf(s->reason, sizeof s->reason, "%s", row_text(q, 5));
	}
	query_done(q);
	return count;
}

void case_standing(
	struct node *n, const struct case_facts *c, const char *firm, struct standing *out)
{
	struct step s[NOTICE_STEPS];
	size_t count = case_steps(n, c->id, firm, s);
	standing_walk(s, count, c->hash, c->issued_s, out);
}

/* When a timer looks at it next; FOREVER: never. */
static int64_t next_due(struct node *n, const struct case_facts *c, const struct standing *st)
{
	int64_t due = FOREVER, sign = timer_seconds(n, c->profile);
	if (st->ended != STATES || st->escalated)
		return FOREVER;
	if (st->state <= STATE_DELIVERED && sign > 0)
		due = c->issued_s + sign;
	/* disputed freezes; so does what waits for the issuer */
	if (c->deadline_s > 0 && c->deadline_s < due &&
		(st->state <= STATE_IN_PROGRESS || st->state == STATE_REOPENED))
		due = c->deadline_s;
	if (st->overdue && due != FOREVER)
		due += due > c->issued_s ? due - c->issued_s : 3600;
	if (c->expires_s > 0 && c->expires_s < due)
		due = c->expires_s;
	return due;
}

static void save_standing(
	struct node *n, const struct case_facts *c, const char *firm, struct now now)
{
	struct standing st;
	case_standing(n, c, firm, &st);
	int64_t due = next_due(n, c, &st);
	struct query *q =
		store_query(n->store, "INSERT OR REPLACE INTO standing VALUES(?1, ?2, ?3, "
				      "?4, ?5, ?6, ?7, ?8, ?9, ?10)");
	bind_text(q, c->id);
	bind_text(q, firm);
	bind_int(q, st.state);
	bind_text(q, st.hash);
	bind_int(q, st.at_s);
	bind_int(q, st.conflict);
	bind_int(q, st.overdue);
	bind_int(q, st.escalated);
	bind_int(q, st.ended);
	bind_int(q, due);
	query_run(q);
	if (st.conflict)
		node_alarm(n, now, "notice-conflict", firm,
			"%s: two different steps follow one state (%s)", c->id,
			state_name(st.state));
	if (due < n->notice_due_s)
		n->notice_due_s = due;
}

static int64_t count_of(struct node *n, const char *id, const char *firm)
{
	struct query *q =
		store_query(n->store, "SELECT count(*) FROM step WHERE id = ?1 AND firm = ?2");
	bind_text(q, id);
	bind_text(q, firm);
	int64_t count = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	return count;
}

static int64_t steps_in_all_of_unknown(struct node *n)
{
	struct query *q = store_query(
		n->store, "SELECT count(*) FROM step WHERE id NOT IN (SELECT id FROM notice)");
	int64_t count = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	return count;
}

/* The state that @hash stands for, if it is known here. */
static bool state_at(const struct case_facts *c, const struct step *s, size_t count,
	const char *hash, enum state *out)
{
	*out = STATE_PUBLISHED;
	if (strcmp(c->hash, hash) == 0)
		return true;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(s[i].hash, hash) == 0) {
			*out = s[i].state;
			return true;
		}
	}
	return false;
}

static bool is_known(const struct step *s, size_t count, const char *hash)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(s[i].hash, hash) == 0)
			return true;
	return false;
}

static void insert_step(struct node *n, const char *id, const struct step *s, const char *line)
{
	struct query *q =
		store_query(n->store, "INSERT OR IGNORE INTO step VALUES(NULL, ?1, ?2, ?3, "
				      "?4, ?5, ?6, ?7, ?8, ?9, ?10)");
	bind_text(q, id);
	bind_text(q, s->firm);
	bind_text(q, s->from);
	bind_text(q, s->hash);
	bind_int(q, s->state);
	bind_text(q, s->by);
	bind_text(q, s->action);
	bind_text(q, s->reason);
	bind_int(q, s->at_s);
	bind_text(q, line);
	query_run(q);
}

static void feed_step(struct node *n, const char *id, const struct step *s)
{
	size_t len;
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "case", id, "firm", s->firm,
		"state", state_name(s->state), "by", s->by, "action", s->action, "reason",
		s->reason, "at", (json_int_t)s->at_s);
	char *text = j == NULL ? NULL : json_write(j, &len);
	if (text != NULL)
		node_feed(n, FEED_NOTICE, s->firm, text, len);
	free(text);
	json_decref(j);
}

bool case_step(struct node *n, const char *id, struct step *s, const char *line, bool *fresh,
	struct now now, struct err *err)
{
	struct case_facts c;
	struct step known[NOTICE_STEPS];
	enum state from;
	*fresh = false;
	step_hash(s, id);
	if (!case_find(n, id, &c)) {
		/* it may have overtaken its case */
		if (steps_in_all_of_unknown(n) >= STEPS_UNKNOWN)
			return err_set(err, "%s: no such case", id);
		insert_step(n, id, s, line);
		*fresh = store_changes(n->store) > 0;
		return true;
	}
	size_t count = case_steps(n, id, s->firm, known);
	if (is_known(known, count, s->hash))
		return true;
	if (count_of(n, id, s->firm) >= NOTICE_STEPS)
		return err_set(err, "%s: more steps than a case takes", id);
	if (state_at(&c, known, count, s->from, &from) &&
		!state_allows(from, s->state, speaker_of(s->by), s->action[0] != '\0',
			s->reason[0] != '\0', err))
		return false;
	insert_step(n, id, s, line);
	*fresh = true;
	save_standing(n, &c, s->firm, now);
	feed_step(n, id, s);
	return true;
}

/* What overtook its case counts from now on. */
static void settle_early(struct node *n, const struct case_facts *c, struct now now)
{
	char firm[64][ORG_TEXT];
	size_t count = 0;
	struct query *q =
		store_query(n->store, "SELECT DISTINCT firm FROM step WHERE id = ?1 LIMIT 64");
	bind_text(q, c->id);
	while (query_row(q) && count < 64)
		snprintf(firm[count++], ORG_TEXT, "%s", row_text(q, 0));
	query_done(q);
	for (size_t i = 0; i < count; i++)
		save_standing(n, c, firm[i], now);
}

void case_stand(struct node *n, const char *id, const char *firm, struct now now)
{
	struct case_facts c;
	if (!case_find(n, id, &c))
		return;
	settle_early(n, &c, now);
	if (firm != NULL)
		save_standing(n, &c, firm, now);
}

/* --- receipts ---------------------------------------------------------------------------- */

void receipt_wait(
	struct node *n, const char *id, const struct step *s, int64_t evidence, const char *firm)
{
	size_t len;
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:I}", "case", id, "from", s->from, "state",
		state_name(s->state), "by", s->by, "at", (json_int_t)s->at_s);
	if (s->action[0] != '\0')
		json_object_set_new(j, "action", json_string(s->action));
	if (s->reason[0] != '\0')
		json_object_set_new(j, "reason", json_string(s->reason));
	for (unsigned i = 0; i < n->config->parents; i++)
		if (n->config->parent[i].level == 0)
			evidence = 0; /* not at level 0 */
	if (evidence > 0)
		json_object_set_new(j, "ev", json_integer(evidence));
	if (firm != NULL)
		json_object_set_new(j, "firm", json_string(firm));
	char *text = json_write(j, &len);
	struct query *q = store_query(n->store, "INSERT INTO receipt_out VALUES(NULL, ?1, ?2)");
	bind_text(q, id);
	bind_text(q, text);
	query_run(q);
	free(text);
	json_decref(j);
	n->receipts_wait = true;
}

/* To every parent that the case came from. */
static void send_receipt(struct node *n, const char *id, const char *body)
{
	for (unsigned i = 0; i < n->links; i++) {
		struct query *q = store_query(
			n->store, "SELECT 1 FROM notice_from WHERE id = ?1 AND parent = ?2");
		bind_text(q, id);
		bind_text(q, link_parent(n->link[i]));
		bool ours = query_row(q);
		query_done(q);
		if (ours)
			link_wait(n->link[i], WAITING_RECEIPT, 0, 0, 0, body, strlen(body));
	}
}

static void send_receipts(struct node *n)
{
	char *id[64], *body[64];
	int64_t last = 0;
	size_t count = 0;
	struct query *q =
		store_query(n->store, "SELECT serial, id, body FROM receipt_out ORDER BY serial "
				      "LIMIT 64");
	while (query_row(q) && count < 64) {
		last = row_int(q, 0);
		id[count] = strdup(row_text(q, 1));
		body[count] = strdup(row_text(q, 2));
		count++;
	}
	query_done(q);
	n->receipts_wait = count == 64;
	for (size_t i = 0; i < count; i++) {
		if (id[i] != NULL && body[i] != NULL)
			send_receipt(n, id[i], body[i]);
		free(id[i]);
		free(body[i]);
	}
	q = store_query(n->store, "DELETE FROM receipt_out WHERE serial <= ?1");
	bind_int(q, last);
	query_run(q);
	if (count > 0 && n->wake != NULL)
		n->wake(n->ctx);
}

/* --- feeds of what commands did ------------------------------------------------------------ */

void notice_feed_later(void *ctx, enum feed kind, const char *origin, const char *json, size_t len)
{
	struct node *n = ctx;
	char *text = strndup(json, len);
	struct query *q = store_query(n->store, "INSERT INTO feed_wait VALUES(NULL, ?1, ?2, ?3)");
	bind_int(q, kind);
	bind_text(q, origin);
	bind_text(q, text);
	query_run(q);
	free(text);
}

static void feed_what_waits(struct node *n)
{
	int64_t last = 0;
	struct query *q = store_query(n->store,
		"SELECT serial, kind, origin, json FROM feed_wait ORDER BY serial LIMIT 256");
	while (query_row(q)) {
		const char *json = row_text(q, 3);
		last = row_int(q, 0);
		node_feed(n, (enum feed)row_int(q, 1), row_text(q, 2), json, strlen(json));
	}
	query_done(q);
	if (last == 0)
		return;
	q = store_query(n->store, "DELETE FROM feed_wait WHERE serial <= ?1");
	bind_int(q, last);
	query_run(q);
}

/* --- life -------------------------------------------------------------------------------- */

static int64_t number_of(struct node *n, const char *sql, int64_t otherwise)
{
	struct query *q = store_query(n->store, sql);
	int64_t v = query_row(q) && !row_null(q, 0) ? row_int(q, 0) : otherwise;
	query_done(q);
	return v;
}

static void look(struct node *n)
{
	n->down_seq = (uint64_t)number_of(n, "SELECT max(seq) FROM down", 0);
	n->notice_due_s = number_of(n, "SELECT min(due_s) FROM standing", FOREVER);
	n->receipts_wait = number_of(n, "SELECT max(serial) FROM receipt_out", 0) > 0;
}

bool notice_open(struct node *n, struct now now, struct err *err)
{
	(void)now;
	(void)err;
	look(n);
	return true;
}

void notice_poll(struct node *n, struct now now)
{
	uint64_t seq = n->down_seq;
	(void)now;
	store_begin(n->store);
	look(n);
	if (n->receipts_wait)
		send_receipts(n);
	feed_what_waits(n);
	store_commit(n->store);
	if (n->down_seq != seq && n->wake != NULL)
		n->wake(n->ctx);
}
