/* test_agg_link.c - a link against a parent that the test plays: what is sent when, and what each
 * answer changes. */
#include "tests/unit/link_kit.h"

static struct kit k;

static int before(void **state)
{
	(void)state;
	kit_init(&k, true);
	kit_start(&k);
	return 0;
}

static int after(void **state)
{
	(void)state;
	kit_fini(&k);
	return 0;
}

/* Asks until a POST, which has to come. */
static struct link_post want_post(void)
{
	struct link_post post;
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_POST);
	return post;
}

static void want_nothing(void)
{
	struct link_post post;
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_NOTHING);
}

/* @n windows, sent one after the other; the last answer is not given. */
static struct link_post send_windows(unsigned n)
{
	kit_head(&k, k.link);
	for (unsigned i = 0; i < n; i++)
		kit_window(&k, 10);
	return want_post();
}

static void hash_text(const struct link_post *post, unsigned at, char hex[HASH_HEX])
{
	struct frame f = kit_frame(post, at);
	hash_hex(f.hash, hex);
	frame_free(&f);
}

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
		assert_in_range(again - k.now.mono_ms, 120000, 134000);
		kit_pass(&k, again - k.now.mono_ms);
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

/* --- what hurries ------------------------------------------------------------------------ */

#define FLASH_ID "00000000000000000000000000000000000000000000000000000000000000f1"

static void put_flash(uint64_t event)
{
	uint64_t covers[3] = { SENSOR, 1, event };
	json_t *body = json_pack("{s:s,s:s,s:s,s:i,s:s,s:[i,i,I],s:s,s:s,s:s,s:i,s:s,s:s,s:i,s:i,"
				 "s:s,s:s,s:[],s:[],s:i,s:b}",
		"tier", "enterprise", "reg", "370500", "ind", "C26", "lvl", 1, "id", FLASH_ID,
		"cov", SENSOR, 1, (json_int_t)event, "k", "6d1f0000000000000000000000000001", "sk",
		"c0aa0000000000000000000000000001", "rule", "local", "rev", 1, "cat", "ics-command",
		"tech", "T1692.001", "sev", 1, "conf", 90, "verb", "write", "verdict", "accepted",
		"roles", "zones", "at", T0, "chg", 1);
	assert_non_null(body);
	store_begin(k.node.store);
	link_hurry(k.link, FRAME_FLASH, FLASH_ID, body, covers, k.now);
	assert_true(store_commit(k.node.store));
	json_decref(body);
	assert_int_equal(k.alarms, 0);
}

static void put_beat(void)
{
	json_t *body = digest_beat(&k.node, link_level(k.link), k.now);
	store_begin(k.node.store);
	link_hurry(k.link, FRAME_BEAT, "", body, NULL, k.now);
	assert_true(store_commit(k.node.store));
	json_decref(body);
	assert_int_equal(k.alarms, 0);
}

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
	link_left(k.link, k.now, &post);
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
		T(a_flash_goes_first_and_again_until_it_is_acknowledged),
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
	return cmocka_run_group_tests_name("link", tests, NULL, NULL);
}
