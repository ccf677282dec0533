/* report.c - one page: who, what came in, what went up, what is missing. */
#include "aggregator/report.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/accept.h"
#include "aggregator/rollup.h"
#include "common/shown.h"

static json_t *sensors(struct node *n)
{
	json_t *list = json_array();
	struct query *q =
		store_query(n->store, "SELECT sensor, epoch, n FROM position ORDER BY sensor");
	while (query_row(q))
		json_array_append_new(
			list, json_pack("{s:s, s:I, s:I}", "sensor", row_text(q, 0), "epoch",
				      (json_int_t)row_int(q, 1), "n", (json_int_t)row_int(q, 2)));
	query_done(q);
	return list;
}

static json_t *links(struct node *n)
{
	json_t *list = json_array();
	struct query *q =
		store_query(n->store, "SELECT parent, counts, level, ep, sq, dur_ep, dur_sq, "
				      "up_ep, up_sq, (SELECT count(*) "
				      "FROM link_wait w WHERE w.link = link.id), (SELECT count(*) "
				      "FROM link_hurry h WHERE "
				      "h.link = link.id AND h.flash <> '') FROM link ORDER BY id");
	while (query_row(q))
		json_array_append_new(list,
			json_pack("{s:s, s:s, s:I, s:[I,I], s:[I,I], s:[I,I], s:I, s:I}", "parent",
				row_text(q, 0), "link", row_int(q, 1) != 0 ? "count" : "view",
				"level", (json_int_t)row_int(q, 2), "sent",
				(json_int_t)row_int(q, 3), (json_int_t)row_int(q, 4), "dur",
				(json_int_t)row_int(q, 5), (json_int_t)row_int(q, 6), "up",
				(json_int_t)row_int(q, 7), (json_int_t)row_int(q, 8), "waiting",
				(json_int_t)row_int(q, 9), "flashes", (json_int_t)row_int(q, 10)));
	query_done(q);
	return list;
}

static json_t *children(struct node *n)
{
	json_t *list = json_array();
	struct query *q = store_query(n->store,
		"SELECT org, tier, region, industry, ep, sq, refused, events, alerts, other, lost, "
		"beat_ms, counts FROM child ORDER BY tier DESC, org LIMIT 1000");
	while (query_row(q))
		json_array_append_new(list,
			json_pack(
				"{s:s, s:s, s:s, s:s, s:s, s:[I,I], s:I, s:I, s:I, s:I, s:I, s:I}",
				"org", row_text(q, 0), "link",
				row_int(q, 12) != 0 ? "count" : "view", "tier",
				tier_name((enum tier)row_int(q, 1)), "region", row_text(q, 2),
				"industry", row_text(q, 3), "head", (json_int_t)row_int(q, 4),
				(json_int_t)row_int(q, 5), "refused", (json_int_t)row_int(q, 6),
				"events", (json_int_t)row_int(q, 7), "alerts",
				(json_int_t)row_int(q, 8), "other", (json_int_t)row_int(q, 9),
				"lost", (json_int_t)row_int(q, 10), "beat_ms",
				(json_int_t)row_int(q, 11)));
	query_done(q);
	return list;
}

static json_t *lost(struct node *n)
{
	json_t *by = json_object();
	struct query *q = store_query(n->store, "SELECT reason, sum(events) FROM period_lost WHERE "
						"res = 86400 GROUP BY reason");
	while (query_row(q))
		json_object_set_new(by, row_text(q, 0), json_integer(row_int(q, 1)));
	query_done(q);
	return by;
}

static json_t *balance(struct node *n)
{
	struct totals t = { 0 };
	rollup_totals(n, 86400, &t);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "events",
		(json_int_t)t.events, "alerts", (json_int_t)t.alerts, "other", (json_int_t)t.other,
		"items", (json_int_t)t.items, "suppressed", (json_int_t)t.suppressed, "sampled",
		(json_int_t)t.sampled, "withheld", (json_int_t)t.withheld, "lost",
		(json_int_t)t.lost, "unexplained",
		(json_int_t)(t.events - t.alerts - t.other - t.lost), "lost_by", lost(n));
}

static json_t *alarms(struct node *n)
{
	json_t *list = json_array();
	struct query *q = store_query(n->store,
		"SELECT at_ms, code, about, text, times FROM alarm ORDER BY id DESC LIMIT 10");
	while (query_row(q))
		json_array_append_new(list,
			json_pack("{s:I, s:s, s:s, s:s, s:I}", "at_ms", (json_int_t)row_int(q, 0),
				"code", row_text(q, 1), "about", row_text(q, 2), "text",
				row_text(q, 3), "times", (json_int_t)row_int(q, 4)));
	query_done(q);
	return list;
}

/* --- for a person ------------------------------------------------------------------------ */

/* Names and texts of others are shown, not obeyed, by the terminal. */
static json_t *safe(json_t *v)
{
	const char *key;
	json_t *child;
	size_t i;
	if (json_is_string(v)) {
		char *text = shown_text(json_string_value(v));
		json_string_set_nocheck(v, text);
		free(text);
	}
	json_object_foreach(v, key, child)
	{
		safe(child);
	}
	json_array_foreach(v, i, child)
	{
		safe(child);
	}
	return v;
}

static void print_links(const json_t *list, FILE *out)
{
	size_t i;
	const json_t *l;
	json_array_foreach(list, i, l)
	{
		const json_t *sent = json_object_get(l, "sent"), *dur = json_object_get(l, "dur");
		const json_t *up = json_object_get(l, "up");
		fprintf(out,
			"to %s (%s, level %" PRId64 "): sent %" JSON_INTEGER_FORMAT
			"/%" JSON_INTEGER_FORMAT ", kept there to %" JSON_INTEGER_FORMAT
			"/%" JSON_INTEGER_FORMAT ", in its own reports to %" JSON_INTEGER_FORMAT
			"/%" JSON_INTEGER_FORMAT "; %" PRId64 " windows and %" PRId64
			" flashes wait\n",
			json_text_of(l, "parent"), json_text_of(l, "link"),
			json_int_of(l, "level", 0), json_integer_value(json_array_get(sent, 0)),
			json_integer_value(json_array_get(sent, 1)),
			json_integer_value(json_array_get(dur, 0)),
			json_integer_value(json_array_get(dur, 1)),
			json_integer_value(json_array_get(up, 0)),
			json_integer_value(json_array_get(up, 1)), json_int_of(l, "waiting", 0),
			json_int_of(l, "flashes", 0));
	}
}

static void print_children(const json_t *list, FILE *out)
{
	size_t i;
	const json_t *c;
	json_array_foreach(list, i, c)
	{
		fprintf(out,
			"child %s %s %s %s: %" PRId64 " events = %" PRId64 " alerts + %" PRId64
			" other + %" PRId64 " lost%s\n",
			json_text_of(c, "org"), json_text_of(c, "tier"), json_text_of(c, "region"),
			json_text_of(c, "industry"), json_int_of(c, "events", 0),
			json_int_of(c, "alerts", 0), json_int_of(c, "other", 0),
			json_int_of(c, "lost", 0),
			strcmp(json_text_of(c, "link"), "view") == 0
				? " (view: partial, in no sum here)"
				: "");
	}
}

static void print_balance(const json_t *b, FILE *out)
{
	fprintf(out,
		"balance: %" PRId64 " events = %" PRId64 " alerts + %" PRId64 " other + %" PRId64
		" lost; alerts = %" PRId64 " reported + %" PRId64 " suppressed + %" PRId64
		" sampled + %" PRId64 " withheld; unexplained %" PRId64 "\n",
		json_int_of(b, "events", 0), json_int_of(b, "alerts", 0),
		json_int_of(b, "other", 0), json_int_of(b, "lost", 0), json_int_of(b, "items", 0),
		json_int_of(b, "suppressed", 0), json_int_of(b, "sampled", 0),
		json_int_of(b, "withheld", 0), json_int_of(b, "unexplained", 0));
}

static void print_alarms(const json_t *list, FILE *out)
{
	size_t i;
	const json_t *a;
	json_array_foreach(list, i, a)
	{
		char when[32];
		time_t s = (time_t)(json_int_of(a, "at_ms", 0) / 1000);
		struct tm tm;
		gmtime_r(&s, &tm);
		strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
		fprintf(out, "alarm %s %s %s: %s (%" PRId64 ")\n", when, json_text_of(a, "code"),
			json_text_of(a, "about"), json_text_of(a, "text"),
			json_int_of(a, "times", 0));
	}
}

bool report_print(struct node *n, struct now now, bool json, FILE *out)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o, s:o, s:o}", "org", n->org,
		"tier", tier_name(n->tier), "region", n->region, "industry", n->industry, "now_ms",
		(json_int_t)now.wall_ms, "sensors", sensors(n), "links", links(n), "children",
		children(n), "balance", balance(n), "alarms", alarms(n));
	size_t i;
	const json_t *s;
	if (j == NULL)
		return false;
	if (json) {
		char *text = json_dumps(j, JSON_INDENT(2));
		shown_print_json(out, text == NULL ? "{}" : text);
		fputc('\n', out);
		free(text);
	} else {
		safe(j);
		fprintf(out, "%s %s%s%s%s%s\n", tier_name(n->tier), n->org,
			n->region[0] == '\0' ? "" : " ", n->region,
			n->industry[0] == '\0' ? "" : " ", n->industry);
		json_array_foreach(json_object_get(j, "sensors"), i, s)
		{
			fprintf(out, "sensor %s: folded to %" PRId64 "-%" PRId64 "\n",
				json_text_of(s, "sensor"), json_int_of(s, "epoch", 0),
				json_int_of(s, "n", 0));
		}

		print_links(json_object_get(j, "links"), out);
		print_children(json_object_get(j, "children"), out);
		if (json_array_size(json_object_get(j, "children")) > 0)
			print_balance(json_object_get(j, "balance"), out);
		print_alarms(json_object_get(j, "alarms"), out);
	}
	json_decref(j);
	return !ferror(out);
}
