/* test_agg_window.c - the counters of a window: kept exact by whatever is added, merged or
 * withheld; and alerts in words that frames know. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest.h"
#include "aggregator/frame_table.h"
#include "aggregator/sighting.h"
#include "aggregator/window.h"

enum { T0 = 1760000100 };

#define K1 "6d1f0000000000000000000000000001"
#define K2 "6d1f0000000000000000000000000002"

static struct sighting seen(const char *k, int64_t sev, const char *src, const char *dst)
{
	struct sighting s = { .rule = "local",
		.cat = "ics-command",
		.tech = "T1692.001",
		.verb = "write",
		.verdict = "accepted",
		.roles = "hmi>plc",
		.zones = "L2>L1",
		.src = src,
		.dst = dst,
		.rev = 1,
		.sev = sev,
		.conf = 50,
		.count = 1,
		.at_s = T0 + 10 };
	snprintf(s.k, sizeof s.k, "%s", k);
	snprintf(s.sk, sizeof s.sk, "%s", K2);
	return s;
}

/* One alert that is reported, as event @n of a sensor. */
static void alert(json_t *w, int64_t sensor, int64_t n, const struct sighting *s)
{
	assert_true(window_cover(w, sensor, 1, n, n));
	window_count(w, "events", 1);
	window_count(w, "alerts", 1);
	window_count(w, window_see(w, s, 100) ? "items" : "sampled", 1);
}

static int64_t in(const json_t *w, const char *name)
{
	return json_int_of(json_object_get(w, "in"), name, -1);
}

static const json_t *item(const json_t *w, const char *k)
{
	return json_object_get(json_object_get(w, "items"), k);
}

static void holds(const json_t *w)
{
	struct err err = { 0 };
	if (!window_holds(w, &err))
		fail_msg("%s", err.text);
}

/* --- coverage ---------------------------------------------------------------------------- */

static void neighbours_are_one_range(void **state)
{
	json_t *w = window_new(T0);
	(void)state;
	for (int64_t n = 1; n <= 50; n++) {
		assert_true(window_cover(w, 7, 1, n, n)); /* two sensors by turns */
		assert_true(window_cover(w, 8, 1, n, n));
	}
	assert_true(window_cover(w, 7, 2, 1, 9)); /* another epoch */
	assert_true(window_cover(w, 7, 1, 60, 69));
	assert_true(window_cover(w, 7, 1, 55, 59)); /* before one */
	json_t *wanted = json_pack("[[i,i,i,i],[i,i,i,i],[i,i,i,i],[i,i,i,i]]", 7, 1, 1, 50, 8, 1,
		1, 50, 7, 2, 1, 9, 7, 1, 55, 69);
	assert_true(json_equal(json_object_get(w, "cov"), wanted));
	json_decref(wanted);
	json_decref(w);
}

static void ranges_have_a_bound(void **state)
{
	json_t *w = window_new(T0);
	(void)state;
	for (int64_t n = 0; n < WINDOW_COV; n++)
		assert_true(window_cover(w, 7, 1, 10 * n + 1, 10 * n + 1));
	assert_false(window_cover(w, 7, 1, 99999, 99999));
	assert_true(
		window_cover(w, 7, 1, 10 * WINDOW_COV - 8, 10 * WINDOW_COV - 8)); /* it grows one */
	assert_int_equal(json_array_size(json_object_get(w, "cov")), WINDOW_COV);
	json_decref(w);
}

/* --- the law ----------------------------------------------------------------------------- */

static void every_counter_weighs(void **state)
{
	static const char *const names[] = { "events", "other", "alerts", "items", "suppressed",
		"sampled", "withheld" };
	(void)state;
	for (size_t i = 0; i <= sizeof names / sizeof names[0]; i++) {
		struct err err = { 0 };
		struct sighting s = seen(K1, 2, "10.0.0.1", "10.0.0.2");
		json_t *w = window_new(T0);
		alert(w, 7, 1, &s);
		holds(w);
		if (i < sizeof names / sizeof names[0])
			window_count(w, names[i], 1);
		else
			window_lose(w, "trimmed", 1);
		assert_false(window_holds(w, &err));
		assert_true(err.set);
		json_decref(w);
	}
}

static void what_is_withheld_still_counts(void **state)
{
	json_t *w = window_new(T0);
	struct sighting s = seen(K1, 2, "10.0.0.1", "10.0.0.2");
	(void)state;
	for (int64_t n = 1; n <= 5; n++)
		alert(w, 7, n, &s);
	window_cover(w, 7, 1, 6, 8);
	window_count(w, "events", 3);
	window_count(w, "alerts", 1);
	window_count(w, "suppressed", 1);
	window_count(w, "other", 1);
	window_lose(w, "unreadable", 1);
	window_settle(w, K2, "rejected", 10);
	holds(w);
	window_withhold(w);
	holds(w);
	assert_int_equal(in(w, "withheld"), 6);
	assert_int_equal(in(w, "items") + in(w, "suppressed") + in(w, "sampled"), 0);
	assert_int_equal(in(w, "events"), 8);
	assert_int_equal(json_object_size(json_object_get(w, "items")), 0);
	assert_int_equal(json_object_size(json_object_get(w, "fixes")), 0);
	json_decref(w);
}

/* --- items ------------------------------------------------------------------------------- */

static void an_item_gathers(void **state)
{
	json_t *w = window_new(T0);
	struct sighting s = seen(K1, 3, "10.0.0.1", "10.0.0.2");
	(void)state;
	alert(w, 7, 1, &s);
	s.sev = 1;
	s.conf = 90;
	s.at_s = T0 + 5;
	s.src = "10.0.0.9";
	s.verdict = "pending";
	s.changes = s.evidence = true;
	s.count = 4;
	snprintf(s.roles, sizeof s.roles, "external>plc");
	alert(w, 7, 2, &s);
	s.sev = 4;
	s.conf = 10;
	s.at_s = T0 + 50;
	s.changes = false;
	s.count = 1;
	alert(w, 7, 3, &s);
	s.verdict = NULL;
	s.evidence = false;
	s.count = 1;
	alert(w, 7, 4, &s);
	const json_t *i = item(w, K1);
	assert_int_equal(json_int_of(i, "n", 0), 7);
	assert_int_equal(json_int_of(i, "sev", 0), 1);
	assert_int_equal(json_int_of(i, "conf", 0), 90);
	assert_int_equal(json_int_of(i, "first", 0), T0 + 5);
	assert_int_equal(json_int_of(i, "last", 0), T0 + 50);
	assert_int_equal(json_int_of(i, "ev", 0), 2);
	assert_true(json_is_true(json_object_get(i, "chg")));
	assert_int_equal(json_array_size(json_object_get(i, "roles")), 2);
	assert_int_equal(json_array_size(json_object_get(i, "zones")), 1);
	assert_int_equal(json_int_of(json_object_get(i, "verdicts"), "accepted", 0), 1);
	assert_int_equal(json_int_of(json_object_get(i, "verdicts"), "pending", 0), 2);
	assert_int_equal(json_object_size(json_object_get(i, "verdicts")), 2);
	assert_int_equal(json_array_size(json_object_get(json_object_get(i, "src"), "p")), 2);
	assert_int_equal(json_array_size(json_object_get(json_object_get(i, "dst"), "p")), 1);
	holds(w);
	json_decref(w);
}

static void what_a_peer_can_grow_has_a_bound(void **state)
{
	json_t *w = window_new(T0);
	(void)state;
	for (int64_t n = 1; n <= 1000; n++) {
		char k[33], address[32];
		struct sighting s;
		snprintf(address, sizeof address, "10.0.%d.%d", (int)(n / 250), (int)(n % 250));
		snprintf(k, sizeof k, "%032d", (int)(n % 200));
		s = seen(n < 600 ? K1 : k, 2, address, "10.0.0.2");
		snprintf(s.roles, sizeof s.roles, "%d>plc", (int)n);
		alert(w, 7, n, &s);
	}
	assert_int_equal(json_object_size(json_object_get(w, "items")), 100);
	assert_true(in(w, "sampled") > 0);
	const json_t *i = item(w, K1);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(i, "src"), "p")), WINDOW_SEEN);
	assert_int_equal(
		json_array_size(json_object_get(json_object_get(i, "src"), "a")), WINDOW_NAMED);
	assert_int_equal(json_array_size(json_object_get(i, "roles")), WINDOW_LABELS);
	holds(w);
	json_decref(w);
}

static void a_verdict_that_comes_later_adds_no_event(void **state)
{
	json_t *w = window_new(T0);
	struct sighting s = seen(K1, 2, "10.0.0.1", "10.0.0.2");
	(void)state;
	s.verdict = "pending";
	alert(w, 7, 1, &s);
	alert(w, 7, 2, &s);
	window_settle(w, K1, "accepted", 2);
	const json_t *v = json_object_get(item(w, K1), "verdicts");
	assert_int_equal(json_int_of(v, "accepted", 0), 1);
	assert_int_equal(json_int_of(v, "pending", 0), 1);
	window_settle(w, K1, "rejected", 2);
	assert_null(json_object_get(v, "pending"));
	/* more than were pending, and of windows that are gone: corrections */
	window_settle(w, K1, "rejected", 2);
	window_settle(w, K2, "unanswered", 2);
	window_settle(w, "6d1f0000000000000000000000000003", "unanswered", 2); /* over the bound */
	const json_t *fixes = json_object_get(w, "fixes");
	assert_int_equal(json_object_size(fixes), 2);
	assert_int_equal(json_int_of(json_object_get(fixes, K1), "rejected", 0), 1);
	assert_int_equal(in(w, "events"), 2);
	holds(w);
	json_decref(w);
}

static void buckets_are_those_of_the_table(void **state)
{
	static const struct {
		int64_t n;
		const char *word;
	} edges[] = { { 0, "0" }, { 1, "1" }, { 2, "2" }, { 3, "3-5" }, { 5, "3-5" }, { 6, "6-10" },
		{ 10, "6-10" }, { 11, "11-20" }, { 20, "11-20" }, { 21, "21-50" }, { 50, "21-50" },
		{ 51, "51-100" }, { 100, "51-100" }, { 101, "101-1000" }, { 1000, "101-1000" },
		{ 1001, "1001-10000" }, { 10000, "1001-10000" }, { 10001, "10001-100000" },
		{ 100000, "10001-100000" }, { 100001, "100001+" }, { INT64_MAX, "100001+" } };
	frame_pattern *fits = frame_pattern_named("bucket");
	(void)state;
	for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
		assert_string_equal(window_bucket(edges[i].n), edges[i].word);
		assert_true(fits(edges[i].word, strlen(edges[i].word)));
	}
}

/* --- merging ----------------------------------------------------------------------------- */

static uint32_t turn(uint32_t *x, uint32_t of)
{
	*x = *x * 1664525 + 1013904223;
	return (*x >> 8) % of;
}

/* A window of everything that a window may hold, events @from on. */
static json_t *full(uint32_t *x, int64_t start, int64_t *from)
{
	json_t *w = window_new(start);
	static const char *const reasons[] = { "trimmed", "unreadable", "overlap" };
	static const char *const kinds[] = { "other", "suppressed", "sampled", "withheld" };
	for (unsigned i = 0; i < 40; i++) {
		char k[33], src[16];
		snprintf(k, sizeof k, "%032u", turn(x, 6));
		snprintf(src, sizeof src, "10.0.0.%u", turn(x, 30));
		struct sighting s = seen(k, 1 + turn(x, 4), src, "10.0.0.2");
		unsigned what = turn(x, 8);
		*from += turn(x, 20) == 0; /* a hole: another node's */
		if (what < 3) {
			alert(w, 7, *from, &s);
		} else {
			window_cover(w, 7, 1, *from, *from);
			window_count(w, "events", 1);
			if (what == 7)
				window_lose(w, reasons[turn(x, 3)], 1);
			else
				window_count(w, kinds[what - 3], 1);
			if (what > 3 && what < 7)
				window_count(w, "alerts", 1);
		}
		++*from;
	}
	window_settle(w, K2, "accepted", 10);
	window_count(w, "pkts", turn(x, 100000));
	json_object_set_new(w, "late", json_integer(turn(x, 5)));
	json_object_set_new(w, "end", json_integer(start + 300));
	holds(w);
	return w;
}

static int64_t lost(const json_t *w)
{
	const char *reason;
	json_t *v;
	int64_t sum = 0;
	json_object_foreach(json_object_get(json_object_get(w, "in"), "lost"), reason, v) sum +=
		json_integer_value(v);
	return sum;
}

static int64_t occurrences(const json_t *w)
{
	const char *k;
	json_t *v;
	int64_t sum = 0;
	json_object_foreach(json_object_get(w, "items"), k, v) sum += json_int_of(v, "n", 0);
	return sum;
}

static void sums(const json_t *a, const json_t *b, const json_t *both)
{
	static const char *const names[] = { "pkts", "drops", "events", "other", "alerts", "items",
		"suppressed", "sampled", "withheld" };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		assert_int_equal(in(a, names[i]) + in(b, names[i]), in(both, names[i]));
	assert_int_equal(lost(a) + lost(b), lost(both));
	assert_int_equal(occurrences(a) + occurrences(b), occurrences(both));
	assert_int_equal(json_int_of(a, "late", 0) + json_int_of(b, "late", 0),
		json_int_of(both, "late", 0));
}

static json_t *merge(const json_t *a, const json_t *b)
{
	size_t a_len, b_len, len;
	struct err err = { 0 };
	char *x = json_write(a, &a_len), *y = json_write(b, &b_len);
	char *blob = digest_merge(x, a_len, y, b_len, &len);
	json_t *both = blob == NULL ? NULL : json_read(blob, len, 16, &err);
	free(x);
	free(y);
	free(blob);
	return both;
}

/* Windows of a day, merged two by two in any order until one is left: nothing is gained or lost. */
static void merging_is_exact(void **state)
{
	enum { DAY = 24 };
	uint32_t x = 1;
	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		json_t *w[DAY], *sum = window_new(T0 / 86400 * 86400);
		int64_t from = 1;
		for (unsigned i = 0; i < DAY; i++) {
			w[i] = full(&x, T0 / 86400 * 86400 + i * 3000, &from);
			window_add(sum, w[i]);
		}
		holds(sum);
		for (unsigned left = DAY; left > 1; left--) {
			unsigned a = turn(&x, left), b = (a + 1 + turn(&x, left - 1)) % left;
			json_t *both = merge(w[a], w[b]);
			assert_non_null(both);
			holds(both);
			sums(w[a], w[b], both);
			json_decref(w[a]);
			json_decref(w[b]);
			w[a] = both;
			w[b] = w[b == left - 1 ? b : left - 1];
			if (a == left - 1 && b != left - 1)
				w[b] = both;
		}
		json_t *zero = window_new(0);
		sums(w[0], zero, sum);
		assert_int_equal(json_int_of(w[0], "coarse_s", 0), 86400);
		json_decref(zero);
		json_decref(w[0]);
		json_decref(sum);
	}
}

static void it_gets_as_coarse_as_it_must(void **state)
{
	static const struct {
		int64_t a, b;
		int64_t coarse; /* 0: not to be merged */
	} all[] = { { 0, 300, 3600 }, { 0, 3300, 3600 }, { 3300, 3600, 86400 },
		{ 300, 86100, 86400 }, { 86100, 86400, 0 }, { 0, 0, 3600 } };
	int64_t day = T0 / 86400 * 86400;
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		json_t *a = window_new(day + all[i].a), *b = window_new(day + all[i].b);
		json_t *both = merge(a, b);
		assert_int_equal(both != NULL, all[i].coarse != 0);
		assert_int_equal(json_int_of(both, "coarse_s", 0), all[i].coarse);
		if (both != NULL)
			assert_int_equal(json_int_of(both, "start", 0), day + all[i].a);
		json_decref(both);
		json_decref(a);
		json_decref(b);
	}
	/* a day stays one */
	json_t *a = window_new(day), *b = window_new(day + 300);
	json_object_set_new(a, "coarse_s", json_integer(86400));
	json_t *both = merge(a, b);
	assert_int_equal(json_int_of(both, "coarse_s", 0), 86400);
	json_decref(both);
	json_decref(a);
	json_decref(b);
}

static void what_is_no_window_is_none(void **state)
{
	static const char *const none[] = { "", "{", "{}", "[]", "{\"in\":{}}",
		"{\"in\":[],\"cov\":[]}", "{\"in\":{},\"cov\":{}}" };
	json_t *w = window_new(T0);
	size_t len, out;
	char *good = json_write(w, &len);
	struct digest_facts f;
	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		assert_null(digest_merge(none[i], strlen(none[i]), good, len, &out));
		assert_null(digest_merge(good, len, none[i], strlen(none[i]), &out));
		assert_false(digest_facts(none[i], strlen(none[i]), &f));
		assert_null(digest_cut(none[i], strlen(none[i]), NULL, false, &out));
	}
	free(good);
	json_decref(w);
}

/* Every member of a window, one after the other missing or of another kind. */
static void damage_each(json_t *top, json_t *holder)
{
	static const char *const optional[] = { "jump", "trimmed", "unreadable", "overlap",
		"accepted" };
	json_t *as_it_was = json_copy(holder), *was;
	const char *key;
	json_object_foreach(as_it_was, key, was)
	{
		json_t *others[] = { NULL, json_null(), json_true(), json_integer(-1),
			json_real(1.5), json_string("x"), json_array(), json_object(),
			json_integer(INT64_MAX) };
		bool named = strlen(key) == 32; /* of an item or a correction: it may go */
		for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++)
			named = named || strcmp(key, optional[i]) == 0;
		if (json_is_object(was))
			damage_each(top, was);
		for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
			json_t *o = others[i];
			bool fits = o == NULL ? named
					      : json_typeof(o) == json_typeof(was) &&
							!json_is_integer(o);
			if (o == NULL)
				json_object_del(holder, key);
			else
				json_object_set(holder, key, o);
			fits = fits || (json_is_boolean(o) && json_is_boolean(was));
			if (window_is_one(top) && !fits)
				fail_msg("%s: %zu is taken", key, i);
			json_object_set(holder, key, was);
			json_decref(o);
		}
	}
	json_decref(as_it_was);
}

static void damage_of_any_member_is_noticed(void **state)
{
	uint32_t x = 7;
	int64_t from = 1;
	json_t *w = full(&x, T0, &from);
	(void)state;
	json_object_set(w, "jump", json_true());
	window_lose(w, "trimmed", 0);
	assert_true(window_is_one(w));
	damage_each(w, w);
	assert_true(window_is_one(w));
	json_t *row = json_array_get(json_object_get(w, "cov"), 0);
	json_integer_set(json_array_get(row, 3), 0); /* turned round */
	assert_false(window_is_one(w));
	json_decref(w);
}

/* --- sightings --------------------------------------------------------------------------- */

static const uint8_t site_key[32] = { 9 }, other_key[32] = { 8 };

static bool sight(struct sighting *s, const char *text, const uint8_t key[32], json_t **eve)
{
	struct err err = { 0 };
	const char *id;
	*eve = json_read(text, strlen(text), 16, &err);
	assert_non_null(*eve);
	return sighting_read(s, *eve, key, NULL, &id);
}

#define EVE(src, dst, more)                                                                        \
	"{\"src_ip\":\"" src "\",\"dest_ip\":\"" dst "\",\"app_proto\":\"modbus\","                \
	"\"alert\":{\"severity\":2,\"category\":\"ics-command\",\"metadata\":{\"mitre_technique_"  \
	"id\":[\"T1692.001\"]}},"                                                                  \
	"\"bongsu\":{\"rule\":\"r1\",\"rule_rev\":3,\"verb\":\"write\",\"ts_ns\":"                 \
	"1760000110500000000," more "\"count\":2}}"

static void an_alert_in_words_of_ours(void **state)
{
	struct sighting s;
	json_t *eve;
	(void)state;
	assert_true(sight(&s,
		EVE("203.0.113.7", "10.0.0.2",
			"\"src_role\":\"ews\",\"dst_role\":\"boiler "
			"controller\",\"src_zone\":\"level 3\",\"dst_zone\":"
			"\"cell 7\",\"changes_state\":true,\"evidence\":{},\"confidence\":80,"),
		site_key, &eve));
	assert_string_equal(s.rule, "local");
	assert_string_equal(s.cat, "ics-command");
	assert_string_equal(s.tech, "T1692.001");
	assert_string_equal(s.verb, "write");
	assert_null(s.verdict);
	assert_string_equal(s.roles, "engineering>other"); /* no name of the site's */
	assert_string_equal(s.zones, "L3>?");
	assert_int_equal(s.at_s, 1760000110);
	assert_int_equal(s.count, 2);
	assert_int_equal(s.rev, 3);
	assert_true(s.changes && s.evidence);
	json_decref(eve);
	assert_true(sight(&s, EVE("203.0.113.7", "10.0.0.2", ""), site_key, &eve));
	assert_string_equal(s.roles, "external>other");
	json_decref(eve);
}

/* An alert that goes out before its verdict tells of a transaction; an observation never does. */
static void only_a_command_has_a_verdict(void **state)
{
	static const struct {
		const char *eve, *verdict;
	} cases[] = {
		{ "{\"tx_id\":0,\"bongsu\":{\"rule\":\"x\"}}", "pending" },
		{ "{\"bongsu\":{\"rule\":\"x\"}}", NULL },
		{ "{\"bongsu\":{\"rule\":\"x\",\"verdict\":\"none\"}}", NULL },
		{ "{\"bongsu\":{\"rule\":\"x\",\"verdict\":{\"outcome\":\"orphan_reply\"}}}",
			"orphan_reply" },
		{ "{\"tx_id\":7,\"bongsu\":{\"rule\":\"x\",\"verdict\":{\"outcome\":\"rejected\"}}"
		  "}",
			"rejected" },
		{ "{\"bongsu\":{\"rule\":\"x\",\"verdict\":{\"outcome\":\"of a later sensor\"}}}",
			"pending" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct sighting s;
		json_t *eve;
		assert_true(sight(&s, cases[i].eve, site_key, &eve));
		if (cases[i].verdict == NULL)
			assert_null(s.verdict);
		else
			assert_string_equal(s.verdict, cases[i].verdict);
		json_decref(eve);
	}
}

/* Whatever an EVE line says, its words are in the table. */
static void odd_values_fit_the_table(void **state)
{
	static const char *const odd[] = {
		"{\"bongsu\":{\"rule\":\"x\"}}",
		"{\"bongsu\":{\"rule\":\"x\",\"rule_rev\":-5,\"verb\":\"explode\",\"confidence\":"
		"500,\"count\":-1,"
		"\"ts_ns\":-1},\"alert\":{\"severity\":0,\"category\":\"boiler "
		"7\",\"metadata\":{\"mitre_technique_id\":["
		"\"T1692.1\"]}}}",
		"{\"bongsu\":{\"rule\":\"x\",\"rule_rev\":9000000000000000000,\"count\":"
		"9000000000000000000,\"ts_ns\":"
		"9000000000000000000,\"src_zone\":\"L9\",\"dst_zone\":\"level "
		"3.5\"},\"alert\":{\"severity\":99},\"src_ip\":"
		"7,\"dest_ip\":\"\"}",
	};
	static const char *const texts[] = { "technique", "roles", "zones" };
	(void)state;
	for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		struct sighting s;
		json_t *eve;
		assert_true(sight(&s, odd[i], site_key, &eve));
		const char *said[] = { s.tech, s.roles, s.zones };
		for (unsigned k = 0; k < 3; k++)
			assert_true(frame_pattern_named(texts[k])(said[k], strlen(said[k])));
		assert_in_range(s.sev, 1, 4);
		assert_in_range(s.conf, 0, 100);
		assert_in_range(s.rev, 0, 1000000);
		assert_in_range(s.count, 1, 1000000000);
		assert_in_range(s.at_s, 0, 4102444800);
		json_decref(eve);
	}
	struct sighting s;
	json_t *eve;
	assert_false(sight(&s, "{\"alert\":{}}", site_key, &eve)); /* none of ours */
	json_decref(eve);
}

/* k: the same within the site whoever the two are; meaningless outside. sk: the same everywhere. */
static void keys_of_kinds(void **state)
{
	struct sighting a, b;
	json_t *x, *y;
	(void)state;
	sight(&a, EVE("10.0.0.1", "10.0.0.2", ""), site_key, &x);
	sight(&b, EVE("10.7.7.7", "192.168.3.4", ""), site_key, &y);
	assert_string_equal(a.k, b.k);
	assert_string_equal(a.sk, b.sk);
	json_decref(y);
	sight(&b, EVE("203.0.113.7", "10.0.0.2", ""), site_key, &y); /* from outside */
	assert_string_not_equal(a.k, b.k);
	json_decref(y);
	sight(&b, EVE("10.0.0.1", "10.0.0.2", "\"src_role\":\"hmi\","), site_key, &y);
	assert_string_not_equal(a.k, b.k);
	assert_string_equal(a.sk, b.sk);
	json_decref(y);
	sight(&b, EVE("10.0.0.1", "10.0.0.2", ""), other_key, &y);
	assert_string_not_equal(a.k, b.k);
	assert_string_equal(a.sk, b.sk);
	json_decref(y);
	json_decref(x);
}

static void what_is_inside_and_what_is_not(void **state)
{
	static const char *const inside[] = { "10.0.0.1", "172.16.0.1", "172.31.255.255",
		"192.168.1.1", "127.0.0.1", "169.254.1.1", "100.64.0.1", "100.127.255.255",
		"224.0.0.1", "255.255.255.255", "0.0.0.0", "fe80::1", "fd00::1", "::1", "ff02::1",
		"::ffff:203.0.113.7", "boiler", "", "203.0.113", "203.0.113.7:502" };
	static const char *const outside[] = { "203.0.113.7", "8.8.8.8", "172.15.0.1", "172.32.0.1",
		"100.128.0.1", "2001:db8::1", "9.255.255.255", "11.0.0.0" };
	(void)state;
	for (size_t i = 0; i < sizeof inside / sizeof inside[0]; i++)
		if (sighting_is_external(inside[i]))
			fail_msg("%s is outside", inside[i]);
	for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
		if (!sighting_is_external(outside[i]))
			fail_msg("%s is inside", outside[i]);
	assert_false(sighting_is_external(NULL));
}

static int before(void **state)
{
	(void)state;
	return keys_init() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(neighbours_are_one_range),
		cmocka_unit_test(ranges_have_a_bound),
		cmocka_unit_test(every_counter_weighs),
		cmocka_unit_test(what_is_withheld_still_counts),
		cmocka_unit_test(an_item_gathers),
		cmocka_unit_test(what_a_peer_can_grow_has_a_bound),
		cmocka_unit_test(a_verdict_that_comes_later_adds_no_event),
		cmocka_unit_test(buckets_are_those_of_the_table),
		cmocka_unit_test(merging_is_exact),
		cmocka_unit_test(it_gets_as_coarse_as_it_must),
		cmocka_unit_test(what_is_no_window_is_none),
		cmocka_unit_test(damage_of_any_member_is_noticed),
		cmocka_unit_test(an_alert_in_words_of_ours),
		cmocka_unit_test(only_a_command_has_a_verdict),
		cmocka_unit_test(odd_values_fit_the_table),
		cmocka_unit_test(keys_of_kinds),
		cmocka_unit_test(what_is_inside_and_what_is_not),
	};
	return cmocka_run_group_tests(tests, before, NULL);
}
