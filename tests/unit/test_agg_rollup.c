/* test_agg_rollup.c - periods of 5 minutes, hours and days: what enters which, what replaces what,
 * and what goes up. */
#include "tests/unit/parent_kit.h"

#define ITEM(tech, sev, n)                                                                         \
	"{\"k\":\"6d1f0000000000000000000000000001\",\"sk\":\"c0aa0000000000000000000000000001\"," \
	"\"rule\":\"local\","                                                                      \
	"\"rev\":1,\"cat\":\"other\",\"tech\":\"" tech "\",\"sev\":" #sev                          \
	",\"conf\":50,\"verb\":\"write\",\"roles\":[],"                                            \
	"\"zones\":[],\"chg\":false,\"first\":1,\"last\":1,\"verdicts\":{},\"n\":\"" n             \
	"\",\"src\":\"1\",\"dst\":\"1\","                                                          \
	"\"ev\":0}"

enum { DAY = T0 / 86400 * 86400 };

static int64_t events_in(int64_t start, uint32_t res)
{
	json_t *j = rollup_cells(&p.node, start, res);
	int64_t n = json_int_of(json_object_get(j, "in"), "events", -1);
	json_decref(j);
	return n;
}

/* [ind, reg, tech, sev, lo, hi, firms] as text, the only one of the period. */
static void want_cells(int64_t start, uint32_t res, const char *wanted)
{
	struct err err = { 0 };
	size_t len;
	json_t *j = rollup_cells(&p.node, start, res),
	       *w = json_read(wanted, strlen(wanted), 4, &err);
	assert_non_null(w);
	char *text = json_write(json_object_get(j, "cells"), &len);
	if (!json_equal(json_object_get(j, "cells"), w))
		fail_msg("cells are %s", text);
	free(text);
	json_decref(w);
	json_decref(j);
}

static void send(struct kid *c, int64_t start, int coarse, uint64_t events, const char *items)
{
	char *line = kid_frame(c, FRAME_DIGEST, digest_members(c, start, coarse, events, items));
	assert_int_equal(post(c, line, NULL), 200);
	assert_int_equal(json_array_size(json_object_get(reply, "rej")), 0);
}

static void totals_of(uint32_t res, int64_t events)
{
	struct totals t;
	rollup_totals(&p.node, res, &t);
	assert_int_equal(t.events, events);
	assert_int_equal(t.events, t.alerts + t.other + t.lost);
}

/* --- digests ----------------------------------------------------------------------------- */

static void a_window_enters_its_period_at_each_resolution(void **state)
{
	(void)state;
	send(&kid, DAY + 7200 + 300, 300, 10, "");
	send(&kid, DAY + 7200 + 600, 300, 5, "");
	send(&kid, DAY + 10800, 300, 3, "");
	assert_int_equal(events_in(DAY + 7200 + 300, 300), 10);
	assert_int_equal(events_in(DAY + 7200 + 600, 300), 5);
	assert_int_equal(events_in(DAY + 7200, 3600), 15);
	assert_int_equal(events_in(DAY + 10800, 3600), 3);
	assert_int_equal(events_in(DAY, 86400), 18);
	totals_of(300, 18);
	totals_of(3600, 18);
	totals_of(86400, 18);
}

/* The period is a function of the frame's bytes, never of when it came. */
static void late_frames_enter_their_own_period(void **state)
{
	(void)state;
	parent_pass(3 * 86400000LL);
	send(&kid, DAY + 7200, 300, 10, "");
	assert_int_equal(events_in(DAY + 7200, 300), 10);
	assert_int_equal(events_in(DAY, 86400), 10);
}

static void a_coarse_window_enters_only_what_contains_it(void **state)
{
	(void)state;
	send(&kid, DAY + 7200, 3600, 10, "");
	send(&kid, DAY + 300, 86400, 5, "");
	assert_int_equal(events_in(DAY + 7200, 300), 0);
	assert_int_equal(events_in(DAY + 300, 300), 0);
	assert_int_equal(events_in(DAY + 7200, 3600), 10);
	assert_int_equal(events_in(DAY, 3600), 0);
	assert_int_equal(events_in(DAY, 86400), 15);
	totals_of(300, 0);
	totals_of(3600, 10);
	totals_of(86400, 15);
}

static void buckets_are_summed_at_least_and_at_most(void **state)
{
	(void)state;
	send(&kid, T0, 300, 20,
		ITEM("T1692.001", 2, "3-5") "," ITEM("T1692.001", 2, "6-10") "," ITEM("", 4, "1"));
	want_cells(T0, 300,
		"[[\"C26\",\"370500\",\"\",4,1,1,1],[\"C26\",\"370500\",\"T1692.001\",2,9,15,1]]");
	struct kid other = kid_new(2, TIER_ENTERPRISE);
	send(&other, T0, 300, 20, ITEM("T1692.001", 2, "101-1000"));
	want_cells(T0, 300,
		"[[\"C26\",\"370500\",\"\",4,1,1,1],[\"C26\",\"370500\",\"T1692.001\",2,110,1015,2]"
		"]");
}

/* The same firm in two windows of an hour is one firm. */
static void firms_are_counted_once_in_an_hour(void **state)
{
	struct kid other = kid_new(2, TIER_ENTERPRISE);
	(void)state;
	send(&kid, DAY, 300, 5, ITEM("", 4, "1"));
	send(&kid, DAY + 300, 300, 5, ITEM("", 4, "2"));
	send(&other, DAY + 300, 300, 5, ITEM("", 4, "1"));
	want_cells(DAY, 3600, "[[\"C26\",\"370500\",\"\",4,4,4,2]]");
	want_cells(DAY + 300, 300, "[[\"C26\",\"370500\",\"\",4,3,3,2]]");
}

/* Where it is comes from the certificate, not from what the frame says of itself. */
static void place_and_industry_are_the_certificates(void **state)
{
	(void)state;
	snprintf(kid.peer.region, sizeof kid.peer.region, "370100");
	snprintf(kid.peer.industry, sizeof kid.peer.industry, "D44");
	send(&kid, T0, 300, 5, ITEM("", 4, "1"));
	want_cells(T0, 300, "[[\"D44\",\"370100\",\"\",4,1,1,1]]");
}

static void view_children_are_not_summed(void **state)
{
	(void)state;
	kid.count = false;
	send(&kid, T0, 300, 10, ITEM("", 4, "1"));
	totals_of(86400, 0);
	struct totals t;
	assert_true(accept_totals(&p.node, kid.peer.org, &t));
	assert_int_equal(t.events, 10); /* its own balance holds */
}

/* --- roll-ups of children ---------------------------------------------------------------- */

static json_t *rollup_members(
	int64_t start, int res, int rev, int part, int parts, int events, const char *cells)
{
	return members("{\"tier\":\"park\",\"reg\":\"370000\",\"lvl\":1,\"w\":{\"start\":%" PRId64
		       ",\"end\":%" PRId64
		       "},\"res\":%d,\"rev\":%d,\"part\":%d,\"parts\":%d,\"in\":{\"events\":%d,"
		       "\"alerts\":%d,\"other\":1,\"items\":%d,"
		       "\"suppressed\":0,\"sampled\":0,\"withheld\":0,\"lost\":{\"trimmed\":1}},"
		       "\"kids\":{\"known\":3,\"reporting\":1,"
		       "\"late\":1,\"silent\":1},\"cells\":[%s],\"path\":[\"%s\"]}",
		start, start + res, res, rev, part, parts, events, events - 2, events - 2, cells,
		kid.peer.org);
}

static void tell(
	int64_t start, int res, int rev, int part, int parts, int events, const char *cells)
{
	char *line = kid_frame(
		&kid, FRAME_ROLLUP, rollup_members(start, res, rev, part, parts, events, cells));
	assert_int_equal(post(&kid, line, NULL), 200);
	assert_int_equal(json_array_size(json_object_get(reply, "rej")), 0);
}

#define CELL(tech, lo, hi, firms) "[\"C26\",\"370500\",\"" tech "\",2," #lo "," #hi "," #firms "]"

static void a_revision_replaces_the_whole(void **state)
{
	(void)state;
	tell(DAY, 86400, 1, 1, 1, 10, CELL("T0801", 5, 9, 1) "," CELL("T0802", 1, 1, 1));
	tell(DAY, 86400, 2, 1, 1, 30, CELL("T0801", 6, 10, 2));
	assert_int_equal(events_in(DAY, 86400), 30);
	want_cells(DAY, 86400, "[" CELL("T0801", 6, 10, 2) "]"); /* an absent cell is 0 */
	totals_of(86400, 30);
	assert_int_equal(p.alarms, 0);
}

static void an_older_revision_changes_nothing(void **state)
{
	(void)state;
	tell(DAY, 86400, 5, 1, 1, 30, "");
	tell(DAY, 86400, 4, 1, 1, 40, "");
	tell(DAY, 86400, 5, 1, 1, 50, "");
	assert_int_equal(events_in(DAY, 86400), 30);
	want_alarm("older than what is held");
}

static void it_is_switched_when_all_parts_are_in(void **state)
{
	(void)state;
	tell(DAY, 86400, 1, 1, 1, 10, CELL("T0801", 5, 9, 1));
	tell(DAY, 86400, 2, 1, 3, 30, CELL("T0801", 6, 10, 1));
	tell(DAY, 86400, 2, 3, 3, 30, CELL("T0803", 1, 1, 1));
	assert_int_equal(events_in(DAY, 86400), 10);
	want_cells(DAY, 86400, "[" CELL("T0801", 5, 9, 1) "]");
	tell(DAY, 86400, 2, 2, 3, 30, CELL("T0802", 2, 2, 1));
	assert_int_equal(events_in(DAY, 86400), 30);
	want_cells(DAY, 86400,
		"[" CELL("T0801", 6, 10, 1) "," CELL("T0802", 2, 2, 1) "," CELL(
			"T0803", 1, 1, 1) "]");
	assert_int_equal(number_in("SELECT count(*) FROM rollup_part"), 0);
}

static void fewer_events_are_kept_aside_and_said(void **state)
{
	(void)state;
	tell(DAY, 86400, 1, 1, 1, 30, CELL("T0801", 5, 9, 1));
	tell(DAY, 86400, 2, 1, 1, 20, CELL("T0801", 1, 1, 1));
	assert_int_equal(events_in(DAY, 86400), 30);
	want_cells(DAY, 86400, "[" CELL("T0801", 5, 9, 1) "]");
	want_alarm("rollup-shrank");
	assert_int_equal(
		number_in("SELECT events FROM rollup_aside WHERE rev = 2 AND held = 30"), 20);
	tell(DAY, 86400, 3, 1, 1, 31, "");
	assert_int_equal(events_in(DAY, 86400), 31);
}

/* A child from a backup begins a new epoch: its word counts, and is not believed in silence. */
static void a_new_epoch_may_tell_of_fewer(void **state)
{
	(void)state;
	char hex[HASH_HEX];
	tell(DAY, 86400, 9, 1, 1, 30, "");
	hash_hex(kid.pv, hex);
	kid.id = (struct frame_id){ 2, 1 };
	memset(kid.pv, 0, HASH);
	kid.id.sq = 0;
	json_t *body = rollup_members(DAY, 86400, 1, 1, 1, 20, "");
	json_object_set_new(body, "after", json_pack("[i,i,s]", 1, 1, hex));
	assert_int_equal(post(&kid, kid_frame(&kid, FRAME_ROLLUP, body), NULL), 200);
	assert_int_equal(events_in(DAY, 86400), 20);
	want_alarm("rollup-rewritten");
}

static void children_and_their_roll_ups_are_added(void **state)
{
	struct kid firm = kid_new(5, TIER_ENTERPRISE);
	(void)state;
	kid.peer.tier = TIER_PARK;
	tell(DAY, 86400, 1, 1, 1, 30, CELL("T0801", 5, 9, 4));
	send(&firm, DAY, 300, 10, ITEM("T0801", 2, "1"));
	assert_int_equal(events_in(DAY, 86400), 40);
	want_cells(DAY, 86400, "[" CELL("T0801", 6, 10, 5) "]");
}

static void our_own_id_in_the_path_is_a_loop(void **state)
{
	(void)state;
	json_t *body = rollup_members(DAY, 86400, 1, 1, 1, 30, "");
	json_object_set_new(body, "path", json_pack("[s,s]", kid.peer.org, ME));
	assert_int_equal(post(&kid, kid_frame(&kid, FRAME_ROLLUP, body), NULL), 403);
	assert_string_equal(json_text_of(reply, "why"), "loop");
	want_alarm("loop");
	assert_int_equal(events_in(DAY, 86400), 0);
	assert_int_equal(
		number_in("SELECT count(*) FROM frame"), 0); /* nothing tombed, nothing taken */
}

/* --- upward ---------------------------------------------------------------------------------- */

static unsigned bodies(int64_t start, uint32_t res, json_t *part[ROLLUP_PARTS])
{
	store_begin(p.node.store);
	unsigned n = rollup_bodies(&p.node, p.node.link[0], start, res, p.now, part);
	assert_true(store_commit(p.node.store));
	for (unsigned i = 0; i < n; i++) { /* each is a frame */
		static const uint8_t zeros[HASH];
		struct err err = { 0 };
		size_t len;
		struct frame_head h = { FRAME_ROLLUP, ME, UP, true, { 1, 1 }, zeros };
		char *line = frame_make(&h, part[i], &p.id.key, &len, NULL, &err);
		if (line == NULL)
			fail_msg("%s", err.text);
		free(line);
	}
	return n;
}

static void drop(json_t *part[ROLLUP_PARTS], unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		json_decref(part[i]);
}

static void cells_of_few_firms_are_merged(void **state)
{
	json_t *part[ROLLUP_PARTS];
	struct err err = { 0 };
	(void)state;
	p.config.k_firms = 3;
	/* three firms of one industry, one each of two others with the same technique, two of
	 * another */
	for (unsigned i = 0; i < 7; i++) {
		struct kid c = kid_new(10 + i, TIER_ENTERPRISE);
		snprintf(c.peer.industry, sizeof c.peer.industry, "%s",
			i < 3    ? "C26"
			: i == 3 ? "C25"
			: i == 4 ? "D44"
				 : "B06");
		send(&c, T0, 300, 5, i < 5 ? ITEM("T0801", 2, "1") : ITEM("T0802", 2, "3-5"));
	}
	assert_int_equal(bodies(T0, 300, part), 1);
	const char *wanted =
		"[[\"C26\",\"370500\",\"T0801\",2,3,3,3],[\"*\",\"*\",\"T0801\",2,2,2,0],"
		"[\"*\",\"*\",\"T0802\",2,6,10,0]]";
	json_t *w = json_read(wanted, strlen(wanted), 4, &err);
	const json_t *cells = json_object_get(part[0], "cells");
	int64_t low = 0, high = 0;
	size_t i;
	const json_t *c, *x;
	json_array_foreach(cells, i, c)
	{
		bool found = false;
		size_t k;
		json_array_foreach(w, k, x) found = found || json_equal(c, x);
		assert_true(found);
		low += json_integer_value(json_array_get(c, 4));
		high += json_integer_value(json_array_get(c, 5));
	}
	assert_int_equal(json_array_size(cells), 3);
	assert_int_equal(low, 11); /* merged, not dropped */
	assert_int_equal(high, 15);
	assert_int_equal(json_int_of(json_object_get(part[0], "in"), "events", 0), 35);
	json_decref(w);
	drop(part, 1);
}

static void below_the_province_nothing_is_merged(void **state)
{
	json_t *part[ROLLUP_PARTS];
	(void)state;
	p.node.tier = TIER_PARK;
	p.config.k_firms = 3;
	send(&kid, T0, 300, 5, ITEM("T0801", 2, "1"));
	assert_int_equal(bodies(T0, 300, part), 1);
	const json_t *c = json_array_get(json_object_get(part[0], "cells"), 0);
	assert_string_equal(json_string_value(json_array_get(c, 0)), "C26");
	assert_int_equal(json_integer_value(json_array_get(c, 6)), 1);
	drop(part, 1);
}

static void every_number_has_its_denominator(void **state)
{
	json_t *part[ROLLUP_PARTS];
	(void)state;
	kid.peer.tier = TIER_PARK;
	json_t *beat = members("{\"tier\":\"park\",\"reg\":\"370500\",\"ind\":\"\",\"lvl\":1," VER
			       "," HL ",\"at\":%" PRId64
			       ",\"kids\":{\"known\":7,\"reporting\":4,\"late\":2,\"silent\":1}}",
		p.now.wall_ms);
	assert_int_equal(post(&kid, kid_frame(&kid, FRAME_BEAT, beat), NULL), 200);
	assert_int_equal(bodies(T0, 300, part), 1);
	const json_t *kids = json_object_get(part[0], "kids");
	assert_int_equal(json_int_of(kids, "known", 0), 8); /* with itself */
	assert_int_equal(json_int_of(kids, "reporting", 0), 5);
	assert_int_equal(json_int_of(kids, "late", 0), 2);
	assert_int_equal(json_int_of(kids, "silent", 0), 1);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(part[0], "path"), 0)), ME);
	drop(part, 1);
}

static void revisions_rise(void **state)
{
	(void)state;
	for (int i = 1; i <= 3; i++) {
		json_t *part[ROLLUP_PARTS];
		send(&kid, T0, 300, 5, "");
		assert_int_equal(number_in("SELECT count(*) FROM rollup_dirty"), 3);
		assert_int_equal(bodies(T0, 300, part), 1);
		assert_int_equal(number_in("SELECT count(*) FROM rollup_dirty"), 2);
		assert_int_equal(json_int_of(part[0], "rev", 0), i);
		assert_int_equal(json_int_of(json_object_get(part[0], "in"), "events", 0), 5 * i);
		drop(part, 1);
		/* the other two, so that all are clean */
		drop(part, bodies((int64_t)T0 / 3600 * 3600, 3600, part));
		drop(part, bodies(DAY, 86400, part));
	}
}

/* Up at our parent's parents: what was summed in it is up here, and down again if it goes back. */
static void up_follows_the_parents_up(void **state)
{
	struct totals t;
	json_t *part[ROLLUP_PARTS];
	(void)state;
	send(&kid, T0, 300, 5, "");
	send(&kid, T0 + 300, 300, 5, "");
	assert_int_equal(pair_of("up", 1), 0);
	drop(part, bodies(T0, 300, part));
	store_begin(p.node.store);
	rollup_sent(&p.node, p.node.link[0], T0, 300, (struct frame_id){ 1, 1 });
	rollup_up_moved(&p.node, p.node.link[0], (struct frame_id){ 1, 1 });
	assert_true(store_commit(p.node.store));
	assert_true(accept_totals(&p.node, kid.peer.org, &t));
	struct child *c = accept_child(&p.node, kid.peer.org);
	assert_int_equal(c->up.sq, 1);
	store_begin(p.node.store);
	drop(part, bodies(T0 + 300, 300, part));
	rollup_sent(&p.node, p.node.link[0], T0 + 300, 300, (struct frame_id){ 1, 2 });
	rollup_up_moved(&p.node, p.node.link[0], (struct frame_id){ 1, 2 });
	assert_true(store_commit(p.node.store));
	assert_int_equal(c->up.sq, 2);
	store_begin(p.node.store);
	rollup_up_moved(&p.node, p.node.link[0], (struct frame_id){ 1, 1 });
	assert_true(store_commit(p.node.store));
	assert_int_equal(c->up.sq, 1);
}

static void a_period_waits_until_it_is_over(void **state)
{
	(void)state;
	int64_t start = p.now.wall_ms / 300000 * 300;
	send(&kid, start, 300, 5, "");
	p.node.rollup->next_ms = 0;
	rollup_tick(&p.node, p.now);
	/* the day is told while it runs, the rest when it is over and a little later */
	assert_int_equal(number_in("SELECT count(*) FROM link_wait"), 1);
	parent_pass(331000);
	p.node.rollup->next_ms = 0;
	rollup_tick(&p.node, p.now);
	assert_int_equal(number_in("SELECT count(*) FROM link_wait WHERE res_s = 300"), 1);
}

static int below_a_nation(void **state)
{
	(void)state;
	parent_init(TIER_PROVINCE, true);
	kid = kid_new(1, TIER_ENTERPRISE);
	return 0;
}

static int reply_gone(void **state)
{
	json_decref(reply);
	free(reply_text);
	reply = NULL;
	reply_text = NULL;
	return without(state);
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, below_a_nation, reply_gone)
	const struct CMUnitTest tests[] = {
		FRESH(a_window_enters_its_period_at_each_resolution),
		FRESH(late_frames_enter_their_own_period),
		FRESH(a_coarse_window_enters_only_what_contains_it),
		FRESH(buckets_are_summed_at_least_and_at_most),
		FRESH(firms_are_counted_once_in_an_hour),
		FRESH(place_and_industry_are_the_certificates),
		FRESH(view_children_are_not_summed),
		FRESH(a_revision_replaces_the_whole),
		FRESH(an_older_revision_changes_nothing),
		FRESH(it_is_switched_when_all_parts_are_in),
		FRESH(fewer_events_are_kept_aside_and_said),
		FRESH(a_new_epoch_may_tell_of_fewer),
		FRESH(children_and_their_roll_ups_are_added),
		FRESH(our_own_id_in_the_path_is_a_loop),
		FRESH(cells_of_few_firms_are_merged),
		FRESH(below_the_province_nothing_is_merged),
		FRESH(every_number_has_its_denominator),
		FRESH(revisions_rise),
		FRESH(up_follows_the_parents_up),
		FRESH(a_period_waits_until_it_is_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
