/* test_agg_digest.c - events of sensors into windows: in order, each once, holes and what cannot be
 * read said; what hurries; what leaves at which level. */
#include "tests/unit/link_kit.h"

#include "aggregator/digest_private.h"

static uint64_t next_n = 1;

/* An alert of rule "rNUMBER" from an address, @age seconds ago; every pair is a kind of its own. */
static void alert_of(unsigned rule, unsigned from, int sev, int64_t age)
{
	char json[700];
	struct intake_event e = { .sensor = "plant", .epoch = 1, .n = next_n++, .type = "alert" };
	e.len = (size_t)snprintf(json, sizeof json,
		"{\"src_ip\":\"10.0.0.%u\",\"dest_ip\":\"10.0.1.2\",\"app_proto\":\"modbus\","
		"\"alert\":{"
		"\"severity\":%d,\"category\":\"ics-command\"},\"bongsu\":{\"rule\":\"r%u\",\"rule_"
		"rev\":1,"
		"\"verb\":\"write\",\"ts_ns\":%" PRId64 ",\"verdict\":{\"outcome\":\"pending\"}}}",
		from, sev, rule, (k.now.wall_ms / 1000 - age) * 1000000000);
	e.json = json;
	assert_true(digest_fold(&k.node, &e, k.now));
}

static void other(const char *type, const char *json)
{
	struct intake_event e = { "plant", 1, next_n++, type, json, strlen(json) };
	assert_true(digest_fold(&k.node, &e, k.now));
}

static void entry(uint64_t epoch, uint64_t n, bool folded)
{
	struct intake_event e = { "plant", epoch, n, "asset", "{}", 2 };
	assert_int_equal(digest_fold(&k.node, &e, k.now), folded);
	next_n = n + 1;
}

static int64_t in(const char *name)
{
	return json_int_of(json_object_get(k.node.digest->w, "in"), name, -1);
}

static int64_t lost(const char *reason)
{
	return json_int_of(
		json_object_get(json_object_get(k.node.digest->w, "in"), "lost"), reason, 0);
}

static void law(void)
{
	struct err err = { 0 };
	if (!window_holds(k.node.digest->w, &err))
		fail_msg("%s", err.text);
}

static int64_t rows_of(const char *sql)
{
	struct query *q = store_query(k.node.store, sql);
	int64_t n = query_row(q) ? row_int(q, 0) : -1;
	query_done(q);
	return n;
}

static int64_t flashes(void)
{
	return rows_of("SELECT count(*) FROM link_hurry WHERE flash <> ''");
}

static void remove_damaged(const char *path)
{
	char command[200];
	snprintf(command, sizeof command, "rm -f %s.damaged-*", path);
	assert_int_equal(system(command), 0);
}

static void begin(void)
{
	store_begin(k.node.store);
}

static void commit(void)
{
	digest_save(&k.node);
	assert_true(store_commit(k.node.store));
}

/* --- in order ---------------------------------------------------------------------------- */

static void each_event_once(void **state)
{
	uint64_t epoch, at;
	(void)state;
	begin();
	assert_false(digest_position(&k.node, "plant", &epoch, &at));
	entry(3, 1, true);
	entry(3, 1, false);
	entry(3, 2, true);
	entry(3, 1, false);
	entry(2, 9, false); /* an epoch that is over */
	commit();
	assert_true(digest_position(&k.node, "plant", &epoch, &at));
	assert_int_equal(epoch, 3);
	assert_int_equal(at, 2);
	assert_int_equal(in("events"), 2);
	assert_int_equal(in("other"), 2);
	law();
	kit_restart(&k);
	assert_true(digest_position(&k.node, "plant", &epoch, &at));
	assert_int_equal(at, 2);
	assert_int_equal(in("events"), 2); /* the open window too */
	begin();
	entry(3, 2, false);
	entry(3, 3, true);
	commit();
	law();
}

static void a_hole_is_lost_and_said(void **state)
{
	(void)state;
	begin();
	entry(1, 4, true); /* the first that is here: 1 to 3 were trimmed */
	entry(1, 5, true);
	entry(1, 9, true);
	commit();
	assert_int_equal(in("events"), 9);
	assert_int_equal(lost("trimmed"), 6);
	assert_int_equal(k.alarms, 1); /* one in an hour, counted */
	assert_non_null(strstr(k.last_alarm, "events-lost"));
	law();
	begin();
	entry(2, 3, true); /* a new epoch from 1 on */
	commit();
	assert_int_equal(lost("trimmed"), 8);
	law();
}

static void what_no_sensor_wrote_is_refused(void **state)
{
	(void)state;
	begin();
	struct intake_event e = { "plant", 1, 0, "alert", "{}", 2 };
	assert_true(digest_fold(&k.node, &e, k.now));
	e.n = UINT64_C(1) << 48;
	assert_true(digest_fold(&k.node, &e, k.now));
	e = (struct intake_event){ "plant", UINT64_MAX, 1, "alert", "{}", 2 };
	assert_true(digest_fold(&k.node, &e, k.now));
	commit();
	assert_int_equal(in("events"), 0);
	assert_non_null(strstr(k.last_alarm, "intake-refused"));
}

static void what_cannot_be_read_is_counted(void **state)
{
	(void)state;
	begin();
	other("alert", "{");
	other("alert", "{\"alert\":{}}");
	other("alert", "");
	other("verdict", "{"); /* no alert: only counted */
	other("canary", "{");
	commit();
	assert_int_equal(lost("unreadable"), 3);
	assert_int_equal(in("other"), 2);
	assert_int_equal(in("alerts"), 0);
	law();
}

static void what_was_undone_was_never_there(void **state)
{
	uint64_t epoch, at;
	(void)state;
	begin();
	alert_of(1, 1, 3, 0);
	commit();
	begin();
	alert_of(1, 1, 3, 0);
	alert_of(2, 1, 1, 0);
	store_rollback(k.node.store);
	assert_false(store_commit(k.node.store));
	digest_undo(&k.node, k.now);
	assert_int_equal(in("events"), 1);
	assert_true(digest_position(&k.node, "plant", &epoch, &at));
	assert_int_equal(at, 1);
	assert_int_equal(flashes(), 0);
	law();
}

/* The open window as the store has it is no window: the store is set aside, and it is not closed
 * with numbers that would be wrong for ever. */
static void a_damaged_open_window_condemns_the_store(void **state)
{
	static const char *const damage[] = { "UPDATE window_part SET json = 'x'",
		"UPDATE window_part SET json = replace(json, '\"events\":1', '\"events\":2')",
		"UPDATE window_part SET json = replace(json, '\"roles\":', '\"rules\":')" };
	struct err err = { 0 };
	struct store_options so = { .path = k.path };
	(void)state;
	for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
		begin();
		alert_of(1, 1, 3, 0);
		commit();
		assert_true(query_run(store_query(k.node.store, damage[i])));
		node_close(&k.node);
		err = (struct err){ 0 };
		assert_false(node_open(&k.node, &k.config, &k.id, &so, k.now, &err));
		assert_non_null(strstr(err.text, "the open window cannot be read"));
		kit_start(&k); /* the next start has a new one */
		assert_int_equal(
			rows_of("SELECT count(*) FROM alarm WHERE code = 'store-damaged'"), 1);
		assert_int_equal(in("events"), 0);
		next_n = 1;
		remove_damaged(k.path);
	}
}

/* --- what becomes of alerts ------------------------------------------------------------------ */

static void silenced_ones_are_suppressed(void **state)
{
	(void)state;
	text_list_keep(&k.config.silenced, "r7");
	begin();
	alert_of(7, 1, 1, 0);
	alert_of(8, 1, 1, 0);
	commit();
	assert_int_equal(in("alerts"), 2);
	assert_int_equal(in("suppressed"), 1);
	assert_int_equal(in("items"), 1);
	assert_int_equal(flashes(), 1);
	law();
}

static void kinds_over_the_cap_are_sampled(void **state)
{
	(void)state;
	k.config.max_keys = 5;
	begin();
	for (unsigned i = 1; i <= 8; i++)
		alert_of(i, 1, 4, 0);
	alert_of(1, 1, 4, 0); /* known: not over it */
	commit();
	assert_int_equal(in("items"), 6);
	assert_int_equal(in("sampled"), 3);
	law();
}

static void late_ones_count_where_they_come(void **state)
{
	(void)state;
	begin();
	alert_of(1, 1, 4, 3600);
	alert_of(1, 1, 4, 0);
	commit();
	assert_int_equal(json_int_of(k.node.digest->w, "late", 0), 1);
	const json_t *item = json_object_iter_value(
		json_object_iter(json_object_get(k.node.digest->w, "items")));
	assert_int_equal(json_int_of(item, "first", 0), k.now.wall_ms / 1000 - 3600);
	assert_int_equal(in("items"), 2);
	law();
}

static void a_verdict_settles_what_is_pending(void **state)
{
	static const char verdict[] =
		"{\"src_ip\":\"10.0.0.1\",\"dest_ip\":\"10.0.1.2\",\"app_proto\":\"modbus\","
		"\"bongsu\":{\"rule\":"
		"\"r1\",\"severity\":3,\"verdict\":{\"outcome\":\"rejected\"}}}";
	(void)state;
	begin();
	alert_of(1, 1, 3, 0);
	other("verdict", verdict);
	other("verdict", verdict); /* of an alert of an earlier window */
	commit();
	const json_t *w = k.node.digest->w;
	const json_t *item = json_object_iter_value(json_object_iter(json_object_get(w, "items")));
	const json_t *fix = json_object_iter_value(json_object_iter(json_object_get(w, "fixes")));
	assert_int_equal(json_int_of(json_object_get(item, "verdicts"), "rejected", 0), 1);
	assert_null(json_object_get(json_object_get(item, "verdicts"), "pending"));
	assert_int_equal(json_int_of(fix, "rejected", 0), 1);
	assert_int_equal(in("events"), 3);
	assert_int_equal(in("other"), 2);
	law();
	kit_restart(&k); /* it is kept */
	item = json_object_iter_value(json_object_iter(json_object_get(k.node.digest->w, "items")));
	assert_int_equal(json_int_of(json_object_get(item, "verdicts"), "rejected", 0), 1);
}

/* A scan was no command: it is counted, with no verdict. */
static void what_is_observed_has_no_verdict(void **state)
{
	static const char scan[] =
		"{\"src_ip\":\"10.0.0.1\",\"app_proto\":\"scan\",\"alert\":{\"severity\":2,"
		"\"category\":\"network-scan\"},\"bongsu\":{\"rule\":\"r1\",\"verb\":\"scan\"}}";
	(void)state;
	begin();
	other("alert", scan);
	other("alert", scan);
	commit();
	const json_t *w = k.node.digest->w;
	const json_t *item = json_object_iter_value(json_object_iter(json_object_get(w, "items")));
	assert_int_equal(json_int_of(item, "n", 0), 2);
	assert_int_equal(json_object_size(json_object_get(item, "verdicts")), 0);
	law();
	kit_head(&k, k.link);
	struct link_post post = want_post();
	struct frame f = kit_frame(&post, 0);
	assert_string_equal(json_text_of(f.json, "verdict"), "no_reply_by_spec");
	frame_free(&f);
	link_post_free(&post);
}

/* --- flashes ----------------------------------------------------------------------------- */

static void the_first_of_a_kind_flashes(void **state)
{
	(void)state;
	begin();
	alert_of(1, 1, 2, 0);
	alert_of(1, 2, 1, 0); /* the same kind from another address inside */
	alert_of(2, 1, 3, 0); /* not grave enough */
	alert_of(3, 1, 1, 0);
	commit();
	assert_int_equal(flashes(), 2);
	kit_head(&k, k.link);
	struct link_post post = want_post();
	assert_int_equal(kit_count(&post, FRAME_FLASH), 2);
	struct frame f = kit_frame(&post, 0);
	assert_int_equal(
		json_int_of(f.json, "known_at", 0), k.now.wall_ms / 1000); /* timers start here */
	assert_string_equal(json_text_of(f.json, "verdict"), "pending");
	frame_free(&f);
	link_post_free(&post);
}

static void it_flashes_again_after_a_day(void **state)
{
	(void)state;
	begin();
	alert_of(1, 1, 1, 0);
	kit_pass(&k, 86399000);
	alert_of(1, 1, 1, 0);
	assert_int_equal(flashes(), 1);
	kit_pass(&k, 2000);
	alert_of(1, 1, 1, 0);
	commit();
	assert_int_equal(flashes(), 2);
	assert_int_equal(in("items"), 3);
	law();
}

static void twelve_an_hour_of_one_rule(void **state)
{
	char role[64];
	(void)state;
	begin();
	static const char *const roles[] = { "engineering", "hmi", "scada", "master", "historian",
		"server", "plc", "rtu", "ied", "gateway", "remote", "x" };
	for (unsigned i = 0; i < 24; i++) { /* one rule, each another kind */
		char json[700];
		struct intake_event e = {
			.sensor = "plant", .epoch = 1, .n = next_n++, .type = "alert"
		};
		snprintf(role, sizeof role, "%s", roles[i / 2]);
		e.len = (size_t)snprintf(json, sizeof json,
			"{\"src_ip\":\"%s\",\"dest_ip\":\"10.0.1.2\",\"alert\":{\"severity\":1},"
			"\"bongsu\":{"
			"\"rule\":\"r1\",\"src_role\":\"%s\",\"ts_ns\":%" PRId64 "}}",
			i % 2 == 0 ? "10.0.0.1" : "203.0.113.7", role, k.now.wall_ms * 1000000);
		e.json = json;
		digest_fold(&k.node, &e, k.now);
	}
	alert_of(2, 1, 1, 0); /* another rule has its own */
	commit();
	assert_int_equal(json_object_size(json_object_get(k.node.digest->w, "items")), 25);
	assert_int_equal(flashes(), 13);
	assert_int_equal(in("items"), 25); /* beyond, they are counted all the same */
	law();
	begin();
	kit_pass(&k, 3600000);
	alert_of(1, 9, 1, 0); /* the next hour */
	commit();
	assert_int_equal(flashes(), 14);
}

/* --- closing ----------------------------------------------------------------------------- */

static struct frame sent_digest(void)
{
	struct link_post post = want_post();
	assert_int_equal(kit_count(&post, FRAME_DIGEST), 1);
	for (unsigned i = 0;; i++) {
		struct frame f = kit_frame(&post, i);
		if (f.type != FRAME_DIGEST) {
			frame_free(&f);
			continue;
		}
		f.line = NULL; /* its json is its own */
		link_post_free(&post);
		return f;
	}
}

static void a_window_closes_by_the_monotonic_clock(void **state)
{
	int64_t window = (int64_t)k.config.window_s * 1000;
	(void)state;
	begin();
	alert_of(1, 1, 4, 0);
	commit();
	k.now.wall_ms += 10 * window; /* the wall clock jumps */
	digest_close(&k.node, k.now, false);
	assert_int_equal(in("events"), 1);
	k.now.mono_ms += window;
	k.now.wall_ms += window;
	digest_close(&k.node, k.now, false);
	assert_int_equal(in("events"), 0);
	kit_head(&k, k.link);
	struct frame f = sent_digest();
	assert_true(json_is_true(json_object_get(json_object_get(f.json, "w"), "jump")));
	assert_int_equal(json_int_of(json_object_get(f.json, "in"), "events", 0), 1);
	frame_free(&f);
}

static void a_clock_that_goes_back_reopens_nothing(void **state)
{
	(void)state;
	begin();
	alert_of(1, 1, 4, 0);
	commit();
	k.now.wall_ms -= 86400000;
	digest_close(&k.node, k.now, true);
	begin();
	alert_of(1, 1, 4, 0);
	commit();
	kit_pass(&k, 300000);
	digest_close(&k.node, k.now, true);
	assert_int_equal(rows_of("SELECT count(*) FROM link_wait"), 2);
	kit_head(&k, k.link);
	struct link_post post = want_post();
	struct frame a = kit_frame(&post, 0), b = kit_frame(&post, 1);
	const json_t *w = json_object_get(a.json, "w");
	assert_true(json_is_true(json_object_get(w, "jump")));
	assert_true(json_int_of(w, "end", 0) >= json_int_of(w, "start", 0));
	assert_int_equal(json_int_of(json_object_get(a.json, "in"), "events", 0), 1);
	assert_int_equal(json_int_of(json_object_get(b.json, "in"), "events", 0), 1);
	frame_free(&a);
	frame_free(&b);
	link_post_free(&post);
}

static void an_empty_window_is_a_digest_too(void **state)
{
	(void)state;
	kit_pass(&k, 300000);
	digest_close(&k.node, k.now, false);
	kit_head(&k, k.link);
	struct frame f = sent_digest();
	assert_int_equal(json_array_size(json_object_get(f.json, "cov")), 0);
	frame_free(&f);
}

static void at_level_0_windows_are_withheld(void **state)
{
	(void)state;
	k.config.parent[0].level = 0;
	kit_restart(&k);
	for (unsigned i = 0; i < 3; i++) {
		begin();
		alert_of(1, 1, 1, 0);
		other("asset", "{}");
		commit();
		kit_pass(&k, 300000);
		digest_close(&k.node, k.now, false);
	}
	assert_int_equal(flashes(), 0);
	assert_int_equal(rows_of("SELECT count(*) FROM link_wait"), 0);
	k.config.parent[0].level = 1;
	kit_restart(&k);
	begin();
	alert_of(1, 1, 1, 0);
	commit();
	kit_pass(&k, 300000);
	digest_close(&k.node, k.now, false);
	kit_head(&k, k.link);
	struct frame f = sent_digest();
	const json_t *totals = json_object_get(f.json, "in");
	assert_int_equal(json_int_of(totals, "events", 0), 7);
	assert_int_equal(json_int_of(totals, "withheld", 0), 3);
	assert_int_equal(json_int_of(totals, "items", 0), 1);
	assert_int_equal(json_array_size(json_object_get(f.json, "items")), 1);
	frame_free(&f);
	assert_int_equal(rows_of("SELECT count(*) FROM withheld"), 0);
}

static void at_level_1_no_address_leaves_and_at_2_pseudonyms(void **state)
{
	(void)state;
	begin();
	alert_of(1, 77, 2, 0);
	commit();
	size_t len, size;
	char *blob = json_write(k.node.digest->w, &len);
	assert_non_null(strstr(blob, "10.0.0.77")); /* at home it is known */
	for (unsigned level = 1; level <= 3; level++) {
		json_t *body = digest_body(&k.node, blob, len, level, k.now);
		char *text = json_write(body, &size);
		assert_null(strstr(text, "10.0."));
		assert_int_equal(strstr(text, "srcp") != NULL, level >= 2);
		free(text);
		json_decref(body);
	}
	free(blob);
}

/* As a sensor writes it of a point; what is of the process stands out: xx in each word, 77 in each
 * number. */
static const char value_alert[] =
	"{\"timestamp\":\"2026-03-02T08:00:01.030000+0000\",\"flow_id\":42,\"event_type\":"
	"\"alert\","
	"\"host\":\"vm\",\"src_ip\":\"10.9.0.5\",\"src_port\":41000,\"dest_ip\":\"10.9.0.10\","
	"\"dest_port\":"
	"502,\"proto\":\"TCP\",\"app_proto\":\"value\",\"alert\":{\"signature_id\":1450001,\"rev\":"
	"1,"
	"\"signature\":\"boilerxx above 77.11 barxx\",\"category\":\"ics-process\",\"severity\":1},"
	"\"value\":{\"name\":\"limit\",\"fields\":{\"kind\":\"limit\",\"point\":\"boilerxx\","
	"\"device\":"
	"\"pumpxx\",\"number\":7711,\"class\":\"setpoint\",\"value\":77.13,\"old_value\":77.12,"
	"\"limit\":"
	"77.11,\"bound\":\"high\",\"unit\":\"barxx\",\"source\":\"write\"}},\"bongsu\":{\"epoch\":"
	"1,\"n\":1,"
	"\"ts_ns\":%lld,\"rule\":\"r1\",\"rule_rev\":1,\"verb\":\"write\",\"changes_state\":true,"
	"\"dst_name\":\"pumpxx\",\"confidence\":95,\"verdict\":{\"outcome\":\"accepted\"},\"old_"
	"value\":77.12,"
	"\"new_value\":77.13,\"unit\":\"barxx\",\"point\":\"boilerxx\",\"count\":1,\"evidence\":{"
	"\"frames\":[7]"
	"},\"matched\":{\"value.point\":\"boilerxx\",\"value.value\":77.13}}}";

/* No value, no tag, no unit and no name of a device, at any level. */
static void has_no_value(const char *text)
{
	static const char *const words[] = { "boiler", "xx", "bar", "pump", "77.1", "7711",
		"old_value", "new_value", "unit", "point" };
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strstr(text, words[i]) != NULL)
			fail_msg("%s leaves: %s", words[i], text);
}

static void no_process_value_leaves_at_any_level(void **state)
{
	char json[2048];
	size_t len, size, seen = 0;
	(void)state;
	snprintf(json, sizeof json, value_alert, (long long)k.now.wall_ms * 1000000);
	assert_non_null(strstr(json, "77.13"));
	begin();
	other("alert", json);
	other("value", json);
	commit();
	char *blob = json_write(k.node.digest->w, &len);
	for (unsigned level = 1; level <= 3; level++) {
		json_t *body = digest_body(&k.node, blob, len, level, k.now);
		char *text = json_write(body, &size);
		assert_int_equal(json_array_size(json_object_get(body, "items")), 1);
		has_no_value(text);
		free(text);
		json_decref(body);
	}
	free(blob);
	assert_int_equal(flashes(), 1);
	struct query *q =
		store_query(k.node.store, "SELECT line FROM link_hurry WHERE flash <> ''");
	while (query_row(q)) {
		const char *line = row_blob(q, 0, &size);
		const char *sig = strstr(line, "\"sig\""); /* the last member: letters by chance */
		snprintf(json, sizeof json, "%.*s", (int)(sig - line), line);
		has_no_value(json);
		seen += strstr(json, "\"verb\":\"write\"") != NULL;
	}
	query_done(q);
	assert_int_equal(seen, 1);
}

/* More kinds than a frame takes: the gravest are told of, the rest are counted. */
static void the_gravest_come_first_and_the_rest_is_counted(void **state)
{
	(void)state;
	begin();
	for (unsigned i = 1; i <= 150; i++)
		alert_of(i, 1, i == 150 ? 1 : 4, 0);
	commit();
	size_t len;
	char *blob = json_write(k.node.digest->w, &len);
	json_t *body = digest_body(&k.node, blob, len, 1, k.now);
	size_t told = json_array_size(json_object_get(body, "items"));
	const json_t *rest = json_object_get(body, "other");
	assert_true(told > 0 && told <= DIGEST_ITEMS);
	assert_int_equal(
		json_int_of(json_array_get(json_object_get(body, "items"), 0), "sev", 0), 1);
	assert_int_equal(told + (size_t)json_int_of(rest, "kinds", 0), 150);
	assert_int_equal(told + (size_t)json_int_of(rest, "n", 0), 150);
	assert_int_equal(json_int_of(rest, "sev", 0), 4);
	json_decref(body);
	free(blob);
}

/* --- health ------------------------------------------------------------------------------ */

static void the_canary_says_how_long_it_takes(void **state)
{
	char json[128];
	(void)state;
	json_t *b = digest_beat(&k.node, 1, k.now);
	assert_int_equal(json_int_of(json_object_get(b, "hl"), "canary_ms", 0), -1); /* none came */
	json_decref(b);
	begin();
	snprintf(json, sizeof json, "{\"bongsu\":{\"ts_ns\":%" PRId64 "}}",
		(k.now.wall_ms - 812) * 1000000);
	other("canary", json);
	commit();
	b = digest_beat(&k.node, 1, k.now);
	assert_int_equal(json_int_of(json_object_get(b, "hl"), "canary_ms", 0), 812);
	json_decref(b);
	begin();
	snprintf(json, sizeof json, "{\"bongsu\":{\"ts_ns\":%" PRId64 "}}",
		(k.now.wall_ms + 99) * 1000000);
	other("canary", json); /* clocks differ: not before it was sent */
	commit();
	b = digest_beat(&k.node, 1, k.now);
	assert_int_equal(json_int_of(json_object_get(b, "hl"), "canary_ms", 9), 0);
	json_decref(b);
	assert_int_equal(in("other"), 2);
}

static void at_level_0_a_beat_says_high_or_not(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		json_t *b = digest_beat(&k.node, 0, k.now), *hl = json_object_get(b, "hl");
		assert_int_equal(json_is_true(json_object_get(hl, "high")), i);
		assert_null(json_object_get(hl, "canary_ms"));
		assert_null(json_object_get(hl, "sensors"));
		struct err err = { 0 };
		struct frame_head h = { .type = FRAME_BEAT, .org = SELF, .to = PARENT };
		size_t len;
		char *line = frame_make(&h, b, &k.id.key, &len, NULL, &err);
		assert_non_null(line);
		free(line);
		json_decref(b);
		begin();
		alert_of(1, 1, 2, 0);
		commit();
	}
}

static void heartbeats_of_sensors_are_added_up(void **state)
{
	json_t *pairs = json_pack("{s:s, s:s, s:s, s:s, s:s}", "packets", "1000", "kernel_drops",
		"1", "blind_bytes", "10", "version", "0.4.0", "rules", "12-0123456789abcdef");
	(void)state;
	digest_sensor_health(&k.node, "plant", pairs, k.now);
	assert_int_equal(in("pkts"), 0); /* what was before we came */
	json_object_set_new(pairs, "packets", json_string("1500"));
	json_object_set_new(pairs, "kernel_drops", json_string("3"));
	digest_sensor_health(&k.node, "plant", pairs, k.now);
	assert_int_equal(in("pkts"), 500);
	assert_int_equal(in("drops"), 2);
	json_object_set_new(pairs, "packets", json_string("20")); /* it began anew */
	digest_sensor_health(&k.node, "plant", pairs, k.now);
	assert_int_equal(in("pkts"), 520);
	json_object_set_new(pairs, "packets", json_string("-7")); /* nonsense */
	digest_sensor_health(&k.node, "plant", pairs, k.now);
	assert_int_equal(in("pkts"), 520);
	json_t *b = digest_beat(&k.node, 1, k.now);
	assert_string_equal(
		json_text_of(json_object_get(b, "ver"), "rules"), "12-0123456789abcdef");
	assert_int_equal(json_integer_value(json_array_get(
				 json_object_get(json_object_get(b, "hl"), "sensors"), 0)),
		1);
	json_decref(b);
	json_object_set_new(pairs, "rules", json_string("boiler rules"));
	digest_sensor_health(&k.node, "second", pairs, k.now);
	kit_pass(&k, 91000);
	b = digest_beat(&k.node, 1, k.now);
	assert_string_equal(
		json_text_of(json_object_get(b, "ver"), "rules"), "12-0123456789abcdef");
	assert_int_equal(json_integer_value(json_array_get(
				 json_object_get(json_object_get(b, "hl"), "sensors"), 1)),
		2); /* both silent */
	json_decref(b);
	json_decref(pairs);
}

/* --- of one test ------------------------------------------------------------------------- */

static int before_digest(void **state)
{
	(void)state;
	next_n = 1;
	kit_init(&k, true);
	k.config.redis = strdup("redis+unix:///nowhere");
	text_list_keep(&k.config.shared_rules, "/dev/null");
	kit_start(&k);
	return 0;
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, before_digest, after)
	const struct CMUnitTest tests[] = {
		FRESH(each_event_once),
		FRESH(a_hole_is_lost_and_said),
		FRESH(what_no_sensor_wrote_is_refused),
		FRESH(what_cannot_be_read_is_counted),
		FRESH(what_was_undone_was_never_there),
		FRESH(a_damaged_open_window_condemns_the_store),
		FRESH(silenced_ones_are_suppressed),
		FRESH(kinds_over_the_cap_are_sampled),
		FRESH(late_ones_count_where_they_come),
		FRESH(a_verdict_settles_what_is_pending),
		FRESH(what_is_observed_has_no_verdict),
		FRESH(the_first_of_a_kind_flashes),
		FRESH(it_flashes_again_after_a_day),
		FRESH(twelve_an_hour_of_one_rule),
		FRESH(a_window_closes_by_the_monotonic_clock),
		FRESH(a_clock_that_goes_back_reopens_nothing),
		FRESH(an_empty_window_is_a_digest_too),
		FRESH(at_level_0_windows_are_withheld),
		FRESH(at_level_1_no_address_leaves_and_at_2_pseudonyms),
		FRESH(no_process_value_leaves_at_any_level),
		FRESH(the_gravest_come_first_and_the_rest_is_counted),
		FRESH(the_canary_says_how_long_it_takes),
		FRESH(at_level_0_a_beat_says_high_or_not),
		FRESH(heartbeats_of_sensors_are_added_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
