/* test_agg_link.c - a link against a parent that the test plays: what is sent when, and what each
 * answer changes. */
#include "tests/unit/link_kit.h"

/* --- sequencing -------------------------------------------------------------------------- */

static void a_window_gets_its_number_when_it_is_first_sent(void **state)
{
	(void)state;
	kit_window(&k, 10);
	kit_window(&k, 10);
	struct link_state s = kit_state(k.link);
	assert_int_equal(s.next.ep, 0);
	assert_int_equal(s.waiting, 2);
	kit_head(&k, k.link);
	struct link_post post = want_post();
	assert_true(post.has_range);
	assert_int_equal(post.first.ep, 1);
	assert_int_equal(post.first.sq, 1);
	assert_int_equal(post.last.sq, 2);
	struct frame a = kit_frame(&post, 0), b = kit_frame(&post, 1);
	static const uint8_t zeros[HASH];
	assert_memory_equal(a.pv, zeros, HASH);
	assert_memory_equal(b.pv, a.hash, HASH);
	assert_non_null(json_object_get(a.json, "after"));
	assert_null(json_object_get(b.json, "after"));
	assert_true(a.count);
	assert_true(frame_verify(&a, &k.id.key));
	assert_int_equal(json_int_of(json_object_get(a.json, "in"), "events", 0), 10);
	frame_free(&a);
	frame_free(&b);
	s = kit_state(k.link);
	assert_int_equal(s.next.sq, 3);
	assert_int_equal(s.waiting, 0);
	link_post_free(&post);
}

static void nothing_is_sent_before_the_head_is_known(void **state)
{
	struct link_post post;
	(void)state;
	kit_window(&k, 10);
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_HEAD);
	kit_answer(&k, k.link, 200, "{\"ep\":\"x\"}");
	want_nothing();
	kit_pass(&k, 70000);
	kit_head(&k, k.link);
	post = want_post();
	link_post_free(&post);
}

static void bytes_are_committed_before_they_go(void **state)
{
	(void)state;
	struct link_post first = send_windows(3);
	kit_restart(&k); /* nobody knows whether it arrived */
	kit_head(&k, k.link);
	kit_window(&k, 10);
	struct link_post again = want_post();
	assert_true(again.len > first.len);
	assert_memory_equal(again.body, first.body, first.len);
	assert_int_equal(again.last.sq, 4);
	link_post_free(&first);
	link_post_free(&again);
}

static void after_an_unknown_outcome_the_same_bytes_go_again(void **state)
{
	(void)state;
	struct link_post first = send_windows(3);
	link_answer(k.link, k.now, 0, -1, NULL, 0);
	int64_t again_ms;
	struct link_post post;
	enum link_ask ask = link_next(k.link, k.now, &post, &again_ms);
	assert_true(ask == ASK_NOTHING);
	assert_in_range(again_ms, k.now.mono_ms + 1, k.now.mono_ms + 60001);
	kit_pass(&k, 60001);
	post = want_post();
	assert_string_equal(post.body, first.body);
	link_post_free(&first);
	link_post_free(&post);
}

static void full_jitter_spreads_over_the_interval_and_grows(void **state)
{
	(void)state;
	struct link_post post = send_windows(1);
	int64_t least = INT64_MAX, most = 0;
	for (unsigned i = 0; i < 60; i++) {
		int64_t again;
		link_post_free(&post);
		link_answer(k.link, k.now, 0, -1, NULL, 0);
		assert_int_equal(link_next(k.link, k.now, &post, &again), ASK_NOTHING);
		int64_t wait = again - k.now.mono_ms;
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
		kit_pass(&k, wait);
		post = want_post();
	}
	assert_in_range(least, 1, 60000);
	assert_in_range(most, 300000, 600001);
	kit_durable(&k, k.link, 1, 1);
	assert_int_equal(kit_state(k.link).dur.sq, 1);
	link_post_free(&post);
}

static void retry_after_is_kept_with_jitter(void **state)
{
	(void)state;
	static const int codes[] = { 429, 503 };
	struct link_post post = send_windows(1);
	for (unsigned i = 0; i < 2; i++) {
		int64_t again;
		link_post_free(&post);
		link_answer(k.link, k.now, codes[i], 120, "{}", 2);
		assert_int_equal(link_next(k.link, k.now, &post, &again), ASK_NOTHING);
		/* 503 is for what is sequenced: a beat may go before. */
		assert_in_range(again - k.now.mono_ms, codes[i] == 429 ? 120000 : 1, 134000);
		kit_pass(&k, again - k.now.mono_ms);
		if (codes[i] == 503) {
			want_nothing();
			put_beat();
			post = want_post();
			assert_int_equal(kit_count(&post, FRAME_BEAT), 1);
			assert_false(post.has_range);
			link_post_free(&post);
			kit_durable(&k, k.link, 0, 0);
			want_nothing();
			kit_pass(&k, 134000);
		}
		post = want_post();
		assert_int_equal(post.first.sq, 1);
	}
	link_post_free(&post);
}

/* --- dur and want ------------------------------------------------------------------------ */

static void dur_may_go_back_and_the_rest_is_sent_again(void **state)
{
	(void)state;
	struct link_post first = send_windows(4), post;
	kit_durable(&k, k.link, 1, 4);
	assert_int_equal(kit_state(k.link).dur.sq, 4);
	kit_pass(&k, 400000);
	kit_window(&k, 10);
	post = want_post();
	assert_int_equal(post.first.sq, 5);
	link_post_free(&post);
	kit_durable(&k, k.link, 1, 2);
	assert_int_equal(kit_state(k.link).dur.sq, 2);
	kit_pass(&k, 400000);
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_HEAD);
	char hash[HASH_HEX];
	hash_text(&first, 1, hash);
	kit_answer(&k, k.link, 200,
		"{\"ep\":1,\"sq\":2,\"pv\":\"%s\",\"cov\":[],\"now\":%" PRId64 "}", hash,
		k.now.wall_ms);
	post = want_post();
	assert_int_equal(post.first.sq, 3);
	assert_int_equal(post.last.sq, 5);
	const char *third = strchr(strchr(first.body, '\n') + 1, '\n') + 1;
	assert_memory_equal(post.body, third, strlen(third));
	assert_non_null(strstr(k.last_alarm, "dur-back"));
	link_post_free(&first);
	link_post_free(&post);
}

static void a_409_says_where_to_go_on(void **state)
{
	(void)state;
	struct link_post first = send_windows(5), post;
	kit_answer(&k, k.link, 409, "{\"want\":[1,3],\"dur\":[1,2]}");
	kit_pass(&k, 400000);
	post = want_post();
	assert_int_equal(post.first.sq, 3);
	assert_int_equal(post.last.sq, 5);
	link_post_free(&first);
	link_post_free(&post);
}

static void a_parent_that_wants_what_is_not_here_is_asked_for_its_head(void **state)
{
	(void)state;
	struct link_post post = send_windows(2);
	link_post_free(&post);
	kit_answer(&k, k.link, 409, "{\"want\":[9,3],\"dur\":[9,2]}");
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_HEAD);
}

static void endless_conflicts_are_slowed_down(void **state)
{
	(void)state;
	struct link_post post = send_windows(2);
	unsigned asked = 0;
	for (; asked < 20; asked++) {
		link_post_free(&post);
		kit_answer(&k, k.link, 409, "{\"want\":[1,1],\"dur\":[0,0]}");
		if (kit_ask(&k, k.link, &post) != ASK_POST)
			break;
	}
	assert_in_range(asked, 1, 5);
}

/* --- rejects and tombs ------------------------------------------------------------------- */

static void a_rejected_frame_is_followed_by_its_tomb(void **state)
{
	(void)state;
	struct link_post first = send_windows(3), post;
	char hex[HASH_HEX];
	hash_text(&first, 1, hex);
	kit_answer(&k, k.link, 200,
		"{\"dur\":[1,1],\"up\":[0,0],\"rej\":[{\"sq\":2,\"code\":\"schema\"}],\"ok\":[]}");
	post = want_post();
	assert_int_equal(post.frames, 1);
	assert_false(post.has_range);
	struct frame f = kit_frame(&post, 0);
	assert_int_equal(f.type, FRAME_TOMB);
	assert_string_equal(json_text_of(f.json, "code"), "schema");
	assert_string_equal(json_text_of(f.json, "hash"), hex);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(f.json, "of"), 1)), 2);
	assert_int_equal(json_integer_value(json_array_get(json_object_get(f.json, "of"), 2)), 2);
	assert_int_equal(json_int_of(json_object_get(f.json, "in"), "events", 0), 10);
	const json_t *cov = json_array_get(json_object_get(f.json, "cov"), 0);
	assert_int_equal(json_integer_value(json_array_get(cov, 2)), 11);
	assert_int_equal(json_integer_value(json_array_get(cov, 3)), 20);
	frame_free(&f);
	link_post_free(&post);
	kit_durable(&k, k.link, 1, 3);
	kit_pass(&k, 120000);
	want_nothing();
	link_post_free(&first);
}

static void a_tomb_is_repeated_until_dur_is_past_it(void **state)
{
	(void)state;
	struct link_post post = send_windows(2);
	link_post_free(&post);
	kit_answer(
		&k, k.link, 200, "{\"dur\":[1,0],\"rej\":[{\"sq\":1,\"code\":\"cov\"}],\"ok\":[]}");
	for (unsigned i = 0; i < 3; i++) {
		post = want_post();
		assert_int_equal(kit_count(&post, FRAME_TOMB), 1);
		link_post_free(&post);
		kit_answer(&k, k.link, 200, "{\"dur\":[1,0],\"ok\":[],\"rej\":[]}");
		want_nothing();
		kit_pass(&k, 60000);
	}
}

static void a_rejection_of_what_was_not_sent_is_ignored(void **state)
{
	(void)state;
	struct link_post post = send_windows(2);
	link_post_free(&post);
	kit_answer(&k, k.link, 200,
		"{\"dur\":[1,2],\"rej\":[{\"sq\":3,\"code\":\"size\"},{\"sq\":-1,\"code\":\"size\"}"
		","
		"{\"sq\":1,\"code\":\"freed\"},{\"sq\":1,\"code\":\"nonsense\"},7]}");
	kit_pass(&k, 61000);
	want_nothing();
}

static void too_large_halves_and_at_last_gives_up_the_one(void **state)
{
	(void)state;
	struct link_post post = send_windows(4);
	assert_int_equal(post.frames, 4);
	link_post_free(&post);
	link_answer(k.link, k.now, 413, -1, NULL, 0);
	post = want_post();
	assert_int_equal(post.frames, 2);
	link_post_free(&post);
	link_answer(k.link, k.now, 413, -1, NULL, 0);
	post = want_post();
	assert_int_equal(post.frames, 1);
	link_post_free(&post);
	link_answer(k.link, k.now, 413, -1, NULL, 0);
	kit_pass(&k, 600001);
	post = want_post();
	struct frame f = kit_frame(&post, 0);
	assert_int_equal(f.type, FRAME_TOMB);
	assert_string_equal(json_text_of(f.json, "code"), "size");
	frame_free(&f);
	link_post_free(&post);
}

static void a_freed_frame_that_is_wanted_again_becomes_a_tomb(void **state)
{
	(void)state;
	struct link_post post = send_windows(3);
	link_post_free(&post);
	kit_durable(&k, k.link, 1, 2);
	kit_pass(&k, (int64_t)k.config.hold_s * 1000 + 1000);
	link_tick(k.link, k.now);
	kit_answer(&k, k.link, 200, "{}"); /* not asked: ignored */
	kit_restart(&k);
	kit_head(&k, k.link);
	post = want_post();
	assert_int_equal(post.frames, 2); /* one tomb for both, and the third */
	struct frame f = kit_frame(&post, 0), third = kit_frame(&post, 1);
	assert_int_equal(f.type, FRAME_TOMB);
	assert_string_equal(json_text_of(f.json, "code"), "freed");
	assert_int_equal(json_integer_value(json_array_get(json_object_get(f.json, "of"), 2)), 2);
	assert_int_equal(json_int_of(json_object_get(f.json, "in"), "events", 0), 20);
	assert_int_equal(json_array_size(json_object_get(f.json, "cov")), 1);
	char hex[HASH_HEX];
	hash_hex(third.pv, hex);
	assert_string_equal(json_text_of(f.json, "hash"), hex);
	assert_int_equal(third.id.sq, 3);
	frame_free(&f);
	frame_free(&third);
	link_post_free(&post);
}

/* --- head and epochs --------------------------------------------------------------------- */

static void windows_that_the_head_covers_are_not_sent_twice(void **state)
{
	struct link_post post;
	(void)state;
	for (unsigned i = 0; i < 4; i++)
		kit_window(&k, 10);
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_HEAD);
	kit_answer(&k, k.link, 200, "{\"ep\":4,\"sq\":90,\"pv\":\"%064d\",\"cov\":[[7,1,25]]}", 7);
	post = want_post();
	assert_int_equal(post.frames, 2);
	assert_int_equal(post.first.ep, 5);
	assert_int_equal(post.first.sq, 1);
	struct frame cut = kit_frame(&post, 0), whole = kit_frame(&post, 1);
	char hex[HASH_HEX];
	hash_hex(cut.pv, hex);
	assert_int_equal(strtol(hex, NULL, 10), 7);
	const json_t *after_ = json_object_get(cut.json, "after");
	assert_int_equal(json_integer_value(json_array_get(after_, 0)), 4);
	assert_int_equal(json_integer_value(json_array_get(after_, 1)), 90);
	const json_t *in = json_object_get(cut.json, "in");
	assert_int_equal(json_int_of(in, "events", 0), 5);
	assert_int_equal(json_int_of(json_object_get(in, "lost"), "overlap", 0), 5);
	assert_int_equal(json_int_of(json_object_get(whole.json, "in"), "alerts", 0), 9);
	frame_free(&cut);
	frame_free(&whole);
	link_post_free(&post);
}

/* Restored from a snapshot: the parent holds more of this epoch than we remember. */
static void a_parent_ahead_of_us_means_a_new_epoch(void **state)
{
	(void)state;
	struct link_post post = send_windows(2);
	link_post_free(&post);
	kit_durable(&k, k.link, 1, 2);
	kit_restart(&k);
	kit_window(&k, 10);
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_HEAD);
	kit_answer(&k, k.link, 200, "{\"ep\":1,\"sq\":7,\"pv\":\"%064d\",\"cov\":[[7,1,20]]}", 5);
	assert_non_null(strstr(k.last_alarm, "new-epoch"));
	kit_pass(&k, 300000);
	post = want_post();
	assert_int_equal(post.first.ep, 2);
	assert_int_equal(post.first.sq, 1);
	assert_int_equal(post.frames, 1);
	link_post_free(&post);
}

/* Another line under our last number: someone else speaks in our name, or we forgot. */
static void the_same_number_with_another_hash_means_a_new_epoch(void **state)
{
	(void)state;
	struct link_post post = send_windows(2);
	link_post_free(&post);
	kit_restart(&k);
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_HEAD);
	kit_answer(&k, k.link, 200, "{\"ep\":1,\"sq\":2,\"pv\":\"%064d\",\"cov\":[[7,1,10]]}", 5);
	post = want_post();
	assert_int_equal(post.first.ep, 2);
	assert_int_equal(post.frames, 1); /* the first of the two is covered */
	struct frame f = kit_frame(&post, 0);
	assert_int_equal(json_int_of(json_object_get(f.json, "in"), "events", 0), 10);
	const json_t *cov = json_array_get(json_object_get(f.json, "cov"), 0);
	assert_int_equal(json_integer_value(json_array_get(cov, 2)), 11);
	frame_free(&f);
	link_post_free(&post);
}

/* The parent was restored to before this epoch and the old one is not here any more. */
static void what_a_parent_forgot_comes_again_in_a_new_epoch(void **state)
{
	struct link_post post;
	(void)state;
	kit_window(&k, 10);
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_HEAD);
	kit_answer(&k, k.link, 200, "{\"ep\":6,\"sq\":50,\"pv\":\"%064d\",\"cov\":[]}", 6);
	kit_window(&k, 10);
	post = want_post();
	assert_int_equal(post.first.ep, 7);
	assert_int_equal(post.frames, 2);
	link_post_free(&post);
	kit_answer(&k, k.link, 409, "{\"want\":[6,41],\"dur\":[6,40]}");
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_HEAD);
	kit_answer(&k, k.link, 200, "{\"ep\":6,\"sq\":40,\"pv\":\"%064d\",\"cov\":[]}", 4);
	post = want_post();
	assert_int_equal(post.first.ep, 8);
	assert_int_equal(post.first.sq, 1);
	assert_int_equal(post.frames, 2);
	struct frame a = kit_frame(&post, 0), b = kit_frame(&post, 1);
	assert_int_equal(json_int_of(json_object_get(a.json, "in"), "events", 0), 10);
	assert_memory_equal(b.pv, a.hash, HASH);
	assert_true(frame_verify(&b, &k.id.key));
	frame_free(&a);
	frame_free(&b);
	link_post_free(&post);
	kit_durable(&k, k.link, 8, 2);
	kit_pass(&k, 61000);
	want_nothing();
}

static void a_link_that_becomes_view_begins_an_epoch_and_keeps_its_windows(void **state)
{
	(void)state;
	struct link_post post = send_windows(1);
	link_post_free(&post);
	kit_durable(&k, k.link, 1, 1);
	kit_window(&k, 10); /* closed while it counted */
	k.config.parent[0].count = false;
	kit_restart(&k);
	kit_window(&k, 10);
	char hash[HASH_HEX];
	struct link_post ask;
	assert_int_equal(kit_ask(&k, k.link, &ask), ASK_HEAD);
	struct query *q =
		store_query(k.node.store, "SELECT lower(hex(hash)) FROM link_sent WHERE sq = 1");
	assert_true(query_row(q));
	snprintf(hash, sizeof hash, "%s", row_text(q, 0));
	query_done(q);
	kit_answer(&k, k.link, 200, "{\"ep\":1,\"sq\":1,\"pv\":\"%s\",\"cov\":[[7,1,10]]}", hash);
	post = want_post();
	assert_int_equal(post.frames, 1);
	struct frame f = kit_frame(&post, 0);
	assert_true(f.count);
	assert_int_equal(f.id.ep, 1);
	assert_int_equal(f.id.sq, 2);
	uint8_t last[HASH];
	memcpy(last, f.hash, HASH);
	frame_free(&f);
	link_post_free(&post);
	kit_durable(&k, k.link, 1, 2);
	kit_pass(&k, 400000);
	post = want_post();
	f = kit_frame(&post, 0);
	assert_false(f.count);
	assert_int_equal(f.id.ep, 2);
	assert_int_equal(f.id.sq, 1);
	assert_memory_equal(f.pv, last, HASH);
	frame_free(&f);
	link_post_free(&post);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, before, after)
	const struct CMUnitTest tests[] = {
		T(a_window_gets_its_number_when_it_is_first_sent),
		T(nothing_is_sent_before_the_head_is_known),
		T(bytes_are_committed_before_they_go),
		T(after_an_unknown_outcome_the_same_bytes_go_again),
		T(full_jitter_spreads_over_the_interval_and_grows),
		T(retry_after_is_kept_with_jitter),
		T(dur_may_go_back_and_the_rest_is_sent_again),
		T(a_409_says_where_to_go_on),
		T(a_parent_that_wants_what_is_not_here_is_asked_for_its_head),
		T(endless_conflicts_are_slowed_down),
		T(a_rejected_frame_is_followed_by_its_tomb),
		T(a_tomb_is_repeated_until_dur_is_past_it),
		T(a_rejection_of_what_was_not_sent_is_ignored),
		T(too_large_halves_and_at_last_gives_up_the_one),
		T(a_freed_frame_that_is_wanted_again_becomes_a_tomb),
		T(windows_that_the_head_covers_are_not_sent_twice),
		T(a_parent_ahead_of_us_means_a_new_epoch),
		T(the_same_number_with_another_hash_means_a_new_epoch),
		T(what_a_parent_forgot_comes_again_in_a_new_epoch),
		T(a_link_that_becomes_view_begins_an_epoch_and_keeps_its_windows),
	};
	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
