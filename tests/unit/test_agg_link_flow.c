/* test_agg_link_flow.c - what hurries, how fast it drains, receipts, and room, against a parent
 * that the test plays. */
#include "tests/unit/link_kit.h"

/* --- what hurries ------------------------------------------------------------------------ */

static void a_flash_goes_first_and_again_until_it_is_acknowledged(void **state)
{
	(void)state;
	kit_head(&k, k.link);
	kit_window(&k, 10);
	put_flash(500);
	struct link_post post = want_post();
	struct frame f = kit_frame(&post, 0);
	assert_int_equal(f.type, FRAME_FLASH);
	frame_free(&f);
	assert_int_equal(post.frames, 2);
	link_post_free(&post);
	kit_durable(&k, k.link, 1, 1);
	want_nothing();
	kit_pass(&k, 60000);
	post = want_post();
	assert_int_equal(post.frames, 1);
	assert_int_equal(kit_count(&post, FRAME_FLASH), 1);
	link_post_free(&post);
	kit_answer(&k, k.link, 200, "{\"dur\":[1,1],\"ok\":[\"" FLASH_ID "\"],\"rej\":[]}");
	kit_pass(&k, 60000);
	want_nothing();
	assert_int_equal(kit_state(k.link).hurrying, 0);
}

static void a_flash_is_settled_by_the_digest_that_covers_it(void **state)
{
	(void)state;
	kit_head(&k, k.link);
	kit_window(&k, 10);
	put_flash(5);
	struct link_post post = want_post();
	assert_int_equal(post.frames, 2);
	link_post_free(&post);
	kit_durable(&k, k.link, 1, 1);
	assert_int_equal(kit_state(k.link).hurrying, 0);
}

static void only_the_newest_beat_waits(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		put_beat();
		kit_pass(&k, 60000);
	}
	kit_head(&k, k.link);
	struct link_post post = want_post();
	assert_int_equal(post.frames, 1);
	struct frame f = kit_frame(&post, 0);
	assert_int_equal(f.type, FRAME_BEAT);
	assert_int_equal(json_int_of(f.json, "at", 0), k.now.wall_ms - 60000);
	frame_free(&f);
	link_post_free(&post);
	kit_durable(&k, k.link, 0, 0);
	kit_pass(&k, 60000);
	want_nothing();
}

static void a_line_is_passed_on_as_it_is(void **state)
{
	(void)state;
	kit_head(&k, k.link);
	put_flash(3);
	struct link_post inner = want_post();
	kit_answer(&k, k.link, 200, "{\"ok\":[\"" FLASH_ID "\"]}");
	json_t *path = json_pack("[s]", SECOND);
	store_begin(k.node.store);
	link_pass(k.link, inner.body, inner.len - 1, path, k.now);
	assert_true(store_commit(k.node.store));
	json_decref(path);
	struct link_post post = want_post();
	struct frame f = kit_frame(&post, 0);
	assert_int_equal(f.type, FRAME_ENVELOPE);
	char orig[8192];
	size_t n;
	const char *text = json_text_of(f.json, "orig");
	assert_true(base64_read(text, strlen(text), orig, sizeof orig, &n));
	assert_int_equal(n, inner.len - 1);
	assert_memory_equal(orig, inner.body, n);
	frame_free(&f);
	link_post_free(&post);
	kit_answer(&k, k.link, 200, "{}");
	assert_int_equal(kit_state(k.link).hurrying, 0);
	link_post_free(&inner);
}

static void at_level_0_only_beats_leave(void **state)
{
	(void)state;
	struct link_post post = send_windows(2); /* not acknowledged */
	link_post_free(&post);
	k.config.parent[0].level = 0;
	kit_restart(&k);
	kit_head(&k, k.link);
	kit_window(&k, 10);
	kit_pass(&k, 400000);
	put_flash(5);
	want_nothing();
	put_beat();
	post = want_post();
	assert_int_equal(post.frames, 1);
	assert_int_equal(kit_count(&post, FRAME_BEAT), 1);
	link_post_free(&post);
}

/* --- stopping, pace, clock ---------------------------------------------------------------- */

static void a_403_stops_the_link_and_tombs_nothing(void **state)
{
	(void)state;
	struct link_post first = send_windows(2), post;
	kit_answer(&k, k.link, 403, "{\"why\":\"loop\"}");
	assert_true(kit_state(k.link).stopped);
	assert_non_null(strstr(kit_state(k.link).why, "loop"));
	assert_non_null(strstr(k.last_alarm, "link-stopped"));
	kit_pass(&k, 86400000);
	want_nothing();
	link_resume(k.link);
	kit_head(&k, k.link);
	post = want_post();
	assert_string_equal(post.body, first.body);
	link_post_free(&first);
	link_post_free(&post);
}

/* A day's windows at ten times the normal rate: 288 / (10 - 1) windows of 300 s. */
static void a_backlog_drains_at_the_rate_that_is_set(void **state)
{
	(void)state;
	int64_t last_window = 0, begun = 0;
	uint64_t sent = 0;
	kit_head(&k, k.link);
	for (unsigned i = 0; i < 288; i++) {
		kit_pass(&k, 300000);
		kit_window(&k, 3);
	}
	begun = last_window = k.now.mono_ms;
	while (kit_state(k.link).waiting > 0) {
		struct link_post post;
		int64_t again;
		enum link_ask ask = link_next(k.link, k.now, &post, &again);
		if (ask == ASK_POST) {
			assert_in_range(post.frames, 1, 10);
			sent += post.frames;
			link_post_free(&post);
			kit_durable(&k, k.link, 1, sent);
		} else {
			kit_pass(&k, again > k.now.mono_ms ? again - k.now.mono_ms : 1);
		}
		if (k.now.mono_ms - last_window >= 300000) {
			last_window += 300000;
			kit_window(&k, 3);
		}
	}
	assert_in_range(k.now.mono_ms - begun, 8 * 3600000 / 4, 3 * 3600000);
	assert_int_equal(kit_state(k.link).dur.sq, sent);
}

static void unthrottled_a_day_drains_within_minutes(void **state)
{
	(void)state;
	k.config.drain_rate = 10000;
	kit_head(&k, k.link);
	for (unsigned i = 0; i < 288; i++) {
		kit_pass(&k, 300000);
		kit_window(&k, 3);
	}
	int64_t begun = k.now.mono_ms;
	unsigned posts = 0;
	uint64_t sent = 0;
	while (kit_state(k.link).waiting > 0) {
		struct link_post post;
		int64_t again;
		if (link_next(k.link, k.now, &post, &again) == ASK_POST) {
			posts++;
			sent += post.frames;
			link_post_free(&post);
			kit_durable(&k, k.link, 1, sent);
		} else {
			kit_pass(&k, again - k.now.mono_ms);
		}
	}
	assert_int_equal(sent, 288);
	assert_in_range(posts, 5, 6); /* 64 a POST */
	assert_in_range(k.now.mono_ms - begun, 0, 60000);
}

static void without_a_backlog_digests_keep_the_interval(void **state)
{
	(void)state;
	struct link_post post = send_windows(1);
	link_post_free(&post);
	kit_durable(&k, k.link, 1, 1);
	kit_window(&k, 10);
	want_nothing();
	kit_pass(&k, 269000);
	want_nothing();
	kit_pass(&k, 2000);
	post = want_post();
	link_post_free(&post);
}

static void the_clock_is_reckoned_from_eight_replies(void **state)
{
	(void)state;
	kit_head(&k, k.link);
	for (unsigned i = 0; i < 12; i++) {
		kit_pass(&k, 300000);
		kit_window(&k, 3);
		struct link_post post = want_post();
		link_post_free(&post);
		int64_t sent = k.now.wall_ms;
		int64_t slow = i % 3 == 0 ? 4000 : 40; /* ms on the way */
		kit_pass(&k, slow);
		/* The parent is 7 s ahead; slow replies were slow on the way back. */
		kit_answer(&k, k.link, 200, "{\"dur\":[1,%u],\"now\":%" PRId64 "}", i + 1,
			sent + 20 + 7000);
		if (i < 6)
			assert_int_equal(link_skew_ms(k.link), 0);
	}
	assert_in_range(link_skew_ms(k.link), 6990, 7010);
}

static void a_parent_that_can_be_reached_again_is_not_waited_for(void **state)
{
	(void)state;
	struct link_post post = send_windows(2), again;
	for (unsigned i = 0; i < 8; i++) {
		link_answer(k.link, k.now, 0, -1, NULL, 0);
		kit_pass(&k, 1200000);
		again = want_post();
		link_post_free(&again);
	}
	link_answer(k.link, k.now, 0, -1, NULL, 0);
	kit_pass(&k, 1);
	want_nothing();
	link_reached(k.link); /* by the other connection */
	again = want_post();
	assert_string_equal(again.body, post.body);
	link_post_free(&again);
	/* but what it asked for itself is kept to */
	link_answer(k.link, k.now, 429, 60, "{}", 2);
	kit_pass(&k, 1000);
	link_reached(k.link);
	want_nothing();
	link_post_free(&post);
}

/* --- receipts and up --------------------------------------------------------------------- */

static char *make_rc(const struct key *key, const char *hash, unsigned last)
{
	struct err err = { 0 };
	size_t len;
	json_t *body = json_pack("{s:i,s:i,s:i,s:s,s:I}", "ep", 1, "first", 1, "last", (int)last,
		"hash", hash, "at", (json_int_t)k.now.wall_ms);
	struct frame_head h = { .type = FRAME_SIGNED_RECEIPT, .org = PARENT, .to = SELF };
	char *line = frame_make(&h, body, key, &len, NULL, &err);
	json_decref(body);
	if (line == NULL)
		fail_msg("%s", err.text);
	return line;
}

static void answer_rc(const char *rc, unsigned dur)
{
	json_t *a = json_pack("{s:[i,i],s:s}", "dur", 1, (int)dur, "rc", rc);
	size_t len;
	char *text = json_write(a, &len);
	link_answer(k.link, k.now, 200, -1, text, len);
	free(text);
	json_decref(a);
}

static int64_t ledger_lines(const char *kind)
{
	struct query *q = store_query(k.node.store, "SELECT count(*) FROM ledger WHERE kind = ?1");
	bind_text(q, kind);
	int64_t n = query_row(q) ? row_int(q, 0) : -1;
	query_done(q);
	return n;
}

static void a_receipt_counts_only_by_the_parents_key_and_for_our_line(void **state)
{
	(void)state;
	struct link_post post = send_windows(3);
	char last[HASH_HEX], first[HASH_HEX];
	hash_text(&post, 2, last);
	hash_text(&post, 0, first);
	link_left(k.link, k.now, &post, true);
	link_set_parent_key(k.link, &k.parent_key);
	char *forged = make_rc(&k.id.key, last, 3), *other = make_rc(&k.parent_key, first, 3);
	char *good = make_rc(&k.parent_key, last, 3);
	answer_rc(forged, 0);
	assert_int_equal(ledger_lines("receipt"), 0);
	assert_non_null(strstr(k.last_alarm, "receipt-false"));
	link_post_free(&post);
	kit_window(&k, 3);
	kit_pass(&k, 300000);
	post = want_post();
	answer_rc(other, 0);
	assert_int_equal(ledger_lines("receipt"), 0);
	link_post_free(&post);
	kit_head(
		&k, k.link); /* by its key, and another line than ours: it is asked what it holds */
	kit_window(&k, 3);
	kit_pass(&k, 300000);
	post = want_post();
	answer_rc(good, 3);
	assert_int_equal(ledger_lines("receipt"), 1);
	link_post_free(&post);
	free(forged);
	free(other);
	free(good);
}

static void the_receipt_goes_with_a_tomb_of_freed_frames(void **state)
{
	(void)state;
	struct link_post post = send_windows(2);
	char last[HASH_HEX];
	hash_text(&post, 1, last);
	link_post_free(&post);
	link_set_parent_key(k.link, &k.parent_key);
	char *good = make_rc(&k.parent_key, last, 2);
	answer_rc(good, 2);
	kit_pass(&k, (int64_t)k.config.hold_s * 1000 + 1000);
	link_tick(k.link, k.now);
	kit_restart(&k);
	kit_head(&k, k.link);
	post = want_post();
	struct frame f = kit_frame(&post, 0);
	assert_int_equal(f.type, FRAME_TOMB);
	assert_string_equal(json_text_of(f.json, "rc"), good);
	frame_free(&f);
	link_post_free(&post);
	free(good);
}

/* --- room -------------------------------------------------------------------------------- */

static void totals(int64_t *events, int64_t *windows)
{
	struct query *q =
		store_query(k.node.store, "SELECT blob FROM link_wait WHERE rank = 2 ORDER BY id");
	*events = *windows = 0;
	while (query_row(q)) {
		size_t len;
		const void *blob = row_blob(q, 0, &len);
		struct digest_facts f;
		assert_true(digest_facts(blob, len, &f));
		*events += json_int_of(f.in, "events", 0);
		(*windows)++;
		json_decref(f.in);
		json_decref(f.cov);
	}
	query_done(q);
}

static void coarser_windows_keep_their_totals(void **state)
{
	(void)state;
	int64_t events, windows, merged = 0;
	for (unsigned i = 0; i < 3 * 288; i++) {
		kit_window(&k, 4);
		kit_pass(&k, 300000);
	}
	while (link_coarsen(k.link, k.now)) {
		merged++;
		totals(&events, &windows);
		assert_int_equal(events, 4 * 3 * 288);
		if (merged == 5)
			assert_int_equal(windows, 3 * 288 - (12 * 5 - 5) - 0);
	}
	assert_in_range(windows, 3, 4); /* days */
	assert_true(ledger_lines("coarsened") >= 72);
	kit_head(&k, k.link);
	struct link_post post = want_post();
	struct frame f = kit_frame(&post, 0);
	assert_int_equal(json_int_of(json_object_get(f.json, "w"), "coarse_s", 0), 86400);
	frame_free(&f);
	link_post_free(&post);
}

static void a_full_disk_undoes_everything_and_nothing_is_lost(void **state)
{
	(void)state;
	kit_head(&k, k.link);
	for (unsigned i = 0; i < 6; i++)
		kit_window(&k, 10);
	int64_t events, windows;
	unsigned failures = 0;
	struct link_post post = { 0 };
	enum link_ask ask = ASK_NOTHING;
	for (int64_t at = 0; at < 200 && ask != ASK_POST; at++) {
		store_fail_after(k.node.store, at);
		ask = kit_ask(&k, k.link, &post);
		store_fail_after(k.node.store, -1);
		totals(&events, &windows);
		if (ask == ASK_POST)
			break;
		failures++;
		assert_int_equal(events, 60);
		assert_int_equal(kit_state(k.link).next.sq, 1);
	}
	assert_int_equal(ask, ASK_POST);
	assert_true(failures > 5);
	assert_int_equal(events, 0);
	int64_t told = 0;
	for (unsigned i = 0; i < post.frames; i++) {
		struct frame f = kit_frame(&post, i);
		told += json_int_of(json_object_get(f.json, "in"), "events", 0);
		frame_free(&f);
	}
	assert_int_equal(told, 60);
	link_post_free(&post);
}

static void a_preview_changes_nothing(void **state)
{
	(void)state;
	kit_head(&k, k.link);
	kit_window(&k, 10);
	struct link_post seen, post;
	assert_true(link_preview(k.link, k.now, &seen));
	assert_int_equal(kit_state(k.link).waiting, 1);
	assert_int_equal(kit_state(k.link).next.sq, 1);
	post = want_post();
	assert_string_equal(seen.body, post.body);
	link_post_free(&seen);
	link_post_free(&post);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, before, after)
	const struct CMUnitTest tests[] = {
		T(a_flash_goes_first_and_again_until_it_is_acknowledged),
		T(a_parent_that_can_be_reached_again_is_not_waited_for),
		T(a_flash_is_settled_by_the_digest_that_covers_it),
		T(only_the_newest_beat_waits),
		T(a_line_is_passed_on_as_it_is),
		T(at_level_0_only_beats_leave),
		T(a_403_stops_the_link_and_tombs_nothing),
		T(a_backlog_drains_at_the_rate_that_is_set),
		T(unthrottled_a_day_drains_within_minutes),
		T(without_a_backlog_digests_keep_the_interval),
		T(the_clock_is_reckoned_from_eight_replies),
		T(a_receipt_counts_only_by_the_parents_key_and_for_our_line),
		T(the_receipt_goes_with_a_tomb_of_freed_frames),
		T(coarser_windows_keep_their_totals),
		T(a_full_disk_undoes_everything_and_nothing_is_lost),
		T(a_preview_changes_nothing),
	};
	return cmocka_run_group_tests_name("link flow", tests, NULL, NULL);
}
