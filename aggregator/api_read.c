/* api_read.c - what can be asked. Whoever reads what is of another organisation is written down. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/api_private.h"
#include "aggregator/digest.h"
#include "aggregator/feed.h"
#include "aggregator/link.h"
#include "aggregator/notice.h"
#include "aggregator/now.h"
#include "aggregator/rollup.h"

enum {
	ROWS = 100,
	ROWS_MOST = 1000,
	ACCESS_KEPT = 1000000,
	HOUR_MS = 3600000,
	READY_MS = 1000,
	BUSY_S = 2
};

/* --- questions --------------------------------------------------------------------------- */

static int64_t number_of(struct api_ask *q, const char *name, int64_t otherwise, int64_t most)
{
	const char *text = http_query(q->r, name);
	if (text == NULL)
		return otherwise;
	if (*text == '\0' || strlen(text) > 15 || strspn(text, "0123456789") != strlen(text) ||
		strtoll(text, NULL, 10) > most) {
		err_set(&q->err, "%s: a number up to %" PRId64, name, most);
		return otherwise;
	}
	return strtoll(text, NULL, 10);
}

/* The organisation asked about; an owner's is his own. "": all. */
static const char *org_of(struct api_ask *q)
{
	const char *text = http_query(q->r, "org");
	if (text != NULL && (strlen(text) != 32 || strspn(text, "0123456789abcdef") != 32))
		err_set(&q->err, "org: 32 hex digits");
	if (q->user->role != ROLE_OWNER)
		return text == NULL ? "" : text;
	if (text != NULL && strcmp(text, q->user->org) != 0)
		err_set(&q->err, "org: this token is its owner's alone");
	return q->user->org;
}

/* Somebody who looks every few seconds is one row an hour. */
static bool access_again(struct api_ask *q, const char *org, const char *what, int64_t rows)
{
	struct node *n = q->a->n;
	struct query *s = store_query(n->store,
		"UPDATE access SET rows = rows + ?1, times = times + 1, last_ms = ?2 WHERE id = "
		"(SELECT max(id) FROM access WHERE org = ?3 AND who = ?4 AND role = ?5 AND what = "
		"?6) AND at_ms > ?7");
	bind_int(s, rows);
	bind_int(s, q->now.wall_ms);
	bind_text(s, org);
	bind_text(s, q->user->name);
	bind_text(s, api_role_name(q->user->role));
	bind_text(s, what);
	bind_int(s, q->now.wall_ms - HOUR_MS);
	query_run(s);
	return store_changes(n->store) > 0;
}

void access_log(struct api_ask *q, const char *org, const char *what, int64_t rows)
{
	struct node *n = q->a->n;
	if (strcmp(org, n->org) == 0 || strcmp(org, q->user->org) == 0 || strlen(org) != 32)
		return;
	if (access_again(q, org, what, rows))
		return;
	struct query *s = store_query(
		n->store, "INSERT INTO access VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, 1, ?1)");
	bind_int(s, q->now.wall_ms);
	bind_text(s, q->user->name);
	bind_text(s, api_role_name(q->user->role));
	bind_text(s, org);
	bind_text(s, what);
	bind_int(s, rows);
	query_run(s);
	s = store_query(
		n->store, "DELETE FROM access WHERE id <= (SELECT max(id) FROM access) - ?1");
	bind_int(s, ACCESS_KEPT);
	query_run(s);
}

/* One line an organisation in the access log. */
static void log_all(struct api_ask *q, const json_t *list, const char *what)
{
	json_t *by = json_object();
	const char *org;
	size_t i;
	const json_t *f;
	json_t *count;
	json_array_foreach(list, i, f)
	{
		org = json_text_of(f, "org");
		if (org != NULL)
			json_object_set_new(by, org, json_integer(json_int_of(by, org, 0) + 1));
	}
	json_object_foreach(by, org, count)
	{
		access_log(q, org, what, json_integer_value(count));
	}
	json_decref(by);
}

/* --- the node ---------------------------------------------------------------------------- */

static json_t *roster_json(struct node *n, struct now now)
{
	struct roster r;
	accept_roster(n, NULL, now, &r);
	return json_pack("{s:i, s:i, s:i, s:i}", "known", (int)r.known, "reporting",
		(int)r.reporting, "late", (int)r.late, "silent", (int)r.silent);
}

static json_t *id_json(struct frame_id id)
{
	return json_pack("[I, I]", (json_int_t)id.ep, (json_int_t)id.sq);
}

static json_t *links_json(struct node *n)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < n->links; i++) {
		struct link_state s;
		link_state(n->link[i], &s);
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:i, s:o, s:o, s:o, s:I, s:I, s:b, s:s}",
				      "parent", link_parent(n->link[i]), "link",
				      link_counts(n->link[i]) ? "count" : "view", "level",
				      (int)link_level(n->link[i]), "next", id_json(s.next), "dur",
				      id_json(s.dur), "up", id_json(s.up), "waiting",
				      (json_int_t)s.waiting, "hurrying", (json_int_t)s.hurrying,
				      "stopped", s.stopped, "why", s.why));
	}
	return list;
}

json_t *api_node(struct api_ask *q)
{
	struct node *n = q->a->n;
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:o, s:o}", "org", n->org,
		"tier", tier_name(n->tier), "region", n->region, "industry", n->industry,
		"software", BONGSU_VERSION, "now_ms", (json_int_t)q->now.wall_ms, "store_bytes",
		(json_int_t)store_bytes(n->store), "certificate_days", (json_int_t)n->cert_days,
		"children", roster_json(n, q->now), "links", links_json(n));
}

/* --- children ---------------------------------------------------------------------------- */

json_t *api_children(struct api_ask *q)
{
	json_t *list = json_array();
	int64_t limit = number_of(q, "limit", ROWS_MOST, 100000);
	struct query *s = store_query(q->a->n->store,
		"SELECT org, tier, region, industry, ep, sq, up_ep, up_sq, events, alerts, lost, "
		"beat_ms, counts FROM child ORDER BY org LIMIT ?1");
	bind_int(s, limit);
	while (query_row(s)) {
		int64_t age = q->now.wall_ms - row_int(s, 11);
		const char *state = age < 180000 ? "reporting" : age < 900000 ? "late" : "silent";
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:[I,I], s:[I,I], s:I, s:I, s:I, "
				  "s:I}",
				"org", row_text(s, 0), "tier", tier_name((enum tier)row_int(s, 1)),
				"region", row_text(s, 2), "industry", row_text(s, 3), "state",
				state, "counts", (int)row_int(s, 12), "head",
				(json_int_t)row_int(s, 4), (json_int_t)row_int(s, 5), "up",
				(json_int_t)row_int(s, 6), (json_int_t)row_int(s, 7), "events",
				(json_int_t)row_int(s, 8), "alerts", (json_int_t)row_int(s, 9),
				"lost", (json_int_t)row_int(s, 10), "beat_ms",
				(json_int_t)row_int(s, 11)));
	}
	query_done(s);
	log_all(q, list, "children");
	return json_pack("{s:o, s:o}", "roster", roster_json(q->a->n, q->now), "children", list);
}

/* --- the balance --------------------------------------------------------------------------- */

static json_t *totals_json(const struct totals *t)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "events",
		(json_int_t)t->events, "alerts", (json_int_t)t->alerts, "other",
		(json_int_t)t->other, "items", (json_int_t)t->items, "suppressed",
		(json_int_t)t->suppressed, "sampled", (json_int_t)t->sampled, "withheld",
		(json_int_t)t->withheld, "lost", (json_int_t)t->lost, "unexplained",
		(json_int_t)(t->events - t->alerts - t->other - t->lost));
}

/* What children were taken from, and what the periods hold of it: both by days. */
json_t *api_balance(struct api_ask *q)
{
	struct node *n = q->a->n;
	struct totals children = { 0 }, days = { 0 };
	int64_t *const to[] = { &children.events, &children.alerts, &children.other,
		&children.items, &children.suppressed, &children.sampled, &children.withheld,
		&children.lost };
	if (q->user->role == ROLE_OWNER) {
		if (!accept_totals(n, q->user->org, &children))
			return NULL;
		return json_pack("{s:o}", "own", totals_json(&children));
	}
	struct query *s = store_query(n->store,
		"SELECT sum(events), sum(alerts), sum(other), sum(items), sum(suppressed), "
		"sum(sampled), sum(withheld), sum(lost) FROM child WHERE counts = 1 AND tier = 0");
	if (query_row(s))
		for (int i = 0; i < 8; i++)
			*to[i] = row_int(s, i);
	query_done(s);
	rollup_totals(n, 86400, &days);
	return json_pack(
		"{s:o, s:o}", "enterprises", totals_json(&children), "periods", totals_json(&days));
}

/* --- frames ------------------------------------------------------------------------------ */

static void add_line(json_t *list, const char *line)
{
	struct err ignored = { 0 };
	json_t *j = json_read(line, strlen(line), FRAME_DEPTH + 1, &ignored);
	if (j != NULL)
		json_array_append_new(list, j);
}

json_t *api_digests(struct api_ask *q)
{
	const char *org = org_of(q);
	int64_t after = number_of(q, "after", 0, INT64_C(1) << 52), last = after;
	int64_t limit = number_of(q, "limit", ROWS, ROWS_MOST);
	json_t *list = json_array();
	if (q->err.set)
		return list;
	struct query *s = store_query(q->a->n->store, "SELECT id, line FROM frame WHERE id > ?1 "
						      "AND type = 0 AND (?2 = '' OR org = ?2) AND "
						      "line IS NOT NULL ORDER BY id LIMIT ?3");
	bind_int(s, after);
	bind_text(s, org);
	bind_int(s, limit);
	while (query_row(s)) {
		last = row_int(s, 0);
		add_line(list, row_text(s, 1));
	}
	query_done(s);
	log_all(q, list, "digests");
	return json_pack("{s:I, s:o}", "last", (json_int_t)last, "digests", list);
}

json_t *api_flashes(struct api_ask *q)
{
	const char *org = org_of(q);
	int64_t since = number_of(q, "since", 0, INT64_C(1) << 40) * 1000;
	int64_t limit = number_of(q, "limit", ROWS, ROWS_MOST);
	json_t *list = json_array();
	if (q->err.set)
		return list;
	struct query *s = store_query(q->a->n->store, "SELECT line, at_ms, verified FROM flash "
						      "WHERE at_ms >= ?1 AND (?2 = '' OR org = ?2) "
						      "ORDER BY at_ms DESC LIMIT ?3");
	bind_int(s, since);
	bind_text(s, org);
	bind_int(s, limit);
	while (query_row(s)) {
		size_t before = json_array_size(list);
		add_line(list, row_text(s, 0));
		json_t *j = json_array_get(list, before);
		if (j != NULL) {
			json_object_set_new(j, "received_ms", json_integer(row_int(s, 1)));
			json_object_set_new(j, "verified", json_boolean(row_int(s, 2) != 0));
		}
	}
	query_done(s);
	log_all(q, list, "flashes");
	return json_pack("{s:o}", "flashes", list);
}

json_t *api_rollups(struct api_ask *q)
{
	int64_t res = number_of(q, "res", 300, 86400);
	int64_t start = number_of(q, "start", -1, INT64_C(1) << 40);
	if (res != 300 && res != 3600 && res != 86400)
		err_set(&q->err, "res: 300, 3600 or 86400");
	if (q->err.set)
		return NULL;
	if (start < 0) { /* the newest */
		struct query *s =
			store_query(q->a->n->store, "SELECT max(start) FROM period WHERE res = ?1");
		bind_int(s, res);
		start = query_row(s) ? row_int(s, 0) : 0;
		query_done(s);
	}
	return rollup_cells(q->a->n, start - start % res, (uint32_t)res);
}

/* --- the rest ---------------------------------------------------------------------------- */

json_t *api_alarms(struct api_ask *q)
{
	json_t *list = json_array();
	struct query *s = store_query(q->a->n->store,
		"SELECT at_ms, code, about, text, times FROM alarm ORDER BY id DESC LIMIT ?1");
	bind_int(s, number_of(q, "limit", ROWS, ROWS_MOST));
	while (query_row(s))
		json_array_append_new(list,
			json_pack("{s:I, s:s, s:s, s:s, s:I}", "at_ms", (json_int_t)row_int(s, 0),
				"code", row_text(s, 1), "about", row_text(s, 2), "text",
				row_text(s, 3), "times", (json_int_t)row_int(s, 4)));
	query_done(s);
	return json_pack("{s:o}", "alarms", list);
}

json_t *api_notices(struct api_ask *q)
{
	const char *open_only = http_query(q->r, "open");
	return json_pack("{s:o}", "notices",
		notice_list(q->a->n, open_only != NULL && strcmp(open_only, "1") == 0));
}

/* Where firms stand is theirs, too. */
json_t *api_case(struct api_ask *q)
{
	size_t i;
	const json_t *s;
	json_t *j = notice_show(q->a->n, q->rest);
	json_array_foreach(json_object_get(j, "standings"), i, s)
	{
		access_log(q, json_text_of(s, "firm"), "notices", 1);
	}
	return j;
}

json_t *api_packs(struct api_ask *q)
{
	return json_pack("{s:o}", "packs", pack_list(q->a->n));
}

json_t *api_access(struct api_ask *q)
{
	const char *org = org_of(q);
	json_t *list = json_array();
	struct query *s =
		store_query(q->a->n->store, "SELECT at_ms, who, role, org, what, rows, times, "
					    "last_ms FROM access WHERE (?1 = '' OR org = ?1) "
					    "ORDER BY id DESC LIMIT ?2");
	bind_text(s, org);
	bind_int(s, number_of(q, "limit", ROWS, ROWS_MOST));
	while (query_row(s))
		json_array_append_new(list,
			json_pack("{s:I, s:I, s:I, s:s, s:s, s:s, s:s, s:I}", "at_ms",
				(json_int_t)row_int(s, 0), "last_ms", (json_int_t)row_int(s, 7),
				"times", (json_int_t)row_int(s, 6), "who", row_text(s, 1), "role",
				row_text(s, 2), "org", row_text(s, 3), "what", row_text(s, 4),
				"rows", (json_int_t)row_int(s, 5)));
	query_done(s);
	return json_pack("{s:o}", "access", list);
}

/* --- health and metrics -------------------------------------------------------------------- */

static bool look_ready(struct api *a, char why[128])
{
	struct node *n = a->n;
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += BUSY_S;
	if (pthread_mutex_timedlock(&n->lock, &until) != 0) {
		snprintf(why, 128, "the node has been busy for %d s", BUSY_S);
		return false;
	}
	store_begin(n->store);
	store_set_number(n->store, "ready", 1);
	bool good = store_commit(n->store);
	if (!good)
		snprintf(why, 128, "the store takes nothing: %.80s", store_why(n->store));
	for (unsigned i = 0; good && i < n->links; i++) {
		struct link_state s;
		link_state(n->link[i], &s);
		good = !s.stopped;
		if (!good)
			snprintf(why, 128, "a link is stopped: %.90s", s.why);
	}
	pthread_mutex_unlock(&n->lock);
	return good;
}

/* Anybody may ask, but nobody makes us write more than once a second. */
bool api_ready(struct api *a, char why[128])
{
	int64_t at = now().mono_ms;
	pthread_mutex_lock(&a->ready_lock);
	if (a->ready_ms < 0 || at - a->ready_ms >= READY_MS) {
		a->ready = look_ready(a, a->not_ready);
		a->ready_ms = at;
	}
	bool ready = a->ready;
	memcpy(why, a->not_ready, sizeof a->not_ready);
	pthread_mutex_unlock(&a->ready_lock);
	return ready;
}

static void metric(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP bongsu_%s %s\n# TYPE bongsu_%s %s\n", name, help, name, type);
}

static void plain(FILE *out, const char *name, const char *type, const char *help, int64_t v)
{
	metric(out, name, type, help);
	fprintf(out, "bongsu_%s %" PRId64 "\n", name, v);
}

static int64_t count(struct node *n, const char *sql)
{
	struct query *q = store_query(n->store, sql);
	int64_t v = query_row(q) ? row_int(q, 0) : 0;
	query_done(q);
	return v;
}

/* Labels are parents (at most 4) and fixed words: a child can add none. */
static void write_metrics(struct api *a, FILE *out)
{
	struct node *n = a->n;
	struct roster r;
	struct totals t = { 0 };
	struct now at = now();
	accept_roster(n, NULL, at, &r);
	metric(out, "children", "gauge", "children by state, all tiers below");
	fprintf(out,
		"bongsu_children{state=\"known\"} %u\nbongsu_children{state=\"reporting\"} %u\n"
		"bongsu_children{state=\"late\"} %u\nbongsu_children{state=\"silent\"} %u\n",
		r.known, r.reporting, r.late, r.silent);
	rollup_totals(n, 86400, &t);
	metric(out, "events", "gauge", "events in day periods, by what became of them");
	fprintf(out,
		"bongsu_events{kind=\"all\"} %" PRId64 "\nbongsu_events{kind=\"alerts\"} %" PRId64
		"\nbongsu_events{kind=\"other\"} %" PRId64 "\nbongsu_events{kind=\"lost\"} %" PRId64
		"\nbongsu_events{kind=\"unexplained\"} %" PRId64 "\n",
		t.events, t.alerts, t.other, t.lost, t.events - t.alerts - t.other - t.lost);
	plain(out, "store_bytes", "gauge", "of the store on disk", store_bytes(n->store));
	plain(out, "certificate_days", "gauge", "until our certificate ends", n->cert_days);
	plain(out, "frames_total", "counter", "frames accepted", accept_serial(n));
	plain(out, "alarms", "gauge", "alarms kept", count(n, "SELECT count(*) FROM alarm"));
	plain(out, "notices_open", "gauge", "standings that have not ended",
		count(n, "SELECT count(*) FROM standing WHERE ended = 16"));
	plain(out, "notices_overdue", "gauge", "and are overdue",
		count(n, "SELECT count(*) FROM standing WHERE ended = 16 AND overdue = 1"));
	metric(out, "link_waiting", "gauge", "entries that wait to be sent");
	for (unsigned i = 0; i < n->links; i++) {
		struct link_state s;
		link_state(n->link[i], &s);
		fprintf(out, "bongsu_link_waiting{parent=\"%s\"} %" PRId64 "\n",
			link_parent(n->link[i]), s.waiting);
	}
	metric(out, "link_stopped", "gauge", "1: refused by the parent");
	for (unsigned i = 0; i < n->links; i++) {
		struct link_state s;
		link_state(n->link[i], &s);
		fprintf(out, "bongsu_link_stopped{parent=\"%s\"} %d\n", link_parent(n->link[i]),
			s.stopped);
	}
	if (a->feed != NULL) {
		uint64_t written, lost;
		feed_counts(a->feed, &written, &lost);
		plain(out, "feed_written_total", "counter", "entries written to feeds",
			(int64_t)written);
		plain(out, "feed_lost_total", "counter", "entries that did not fit", (int64_t)lost);
	}
	plain(out, "uptime_seconds", "gauge", "since the start",
		(at.mono_ms - a->started_ms) / 1000);
}

char *api_metrics(struct api *a, size_t *len)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, len);
	if (out == NULL)
		return NULL;
	pthread_mutex_lock(&a->n->lock);
	write_metrics(a, out);
	pthread_mutex_unlock(&a->n->lock);
	return fclose(out) == 0 ? text : NULL;
}
