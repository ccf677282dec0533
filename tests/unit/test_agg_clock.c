/* test_agg_clock.c - a wall clock that jumps, stands at 1970 or repeats a second: windows close by
 * the monotonic one, say so, are never opened again, and their sums stay exact. */
#include "tests/unit/link_kit.h"

enum { WINDOW_MS = 300000, DAY_MS = 86400000, WINDOWS = 64 };

static const char eve[] = "{\"alert\":{\"severity\":4},\"bongsu\":{\"rule\":\"r\",\"ts_ns\":"
			  "1760000000000000000}}";

/* What the parent got. */
static struct {
	struct {
		int64_t start, end, mono_ms, events, from, to;
		bool jump;
	} window[WINDOWS];
	unsigned windows;
	int64_t events, sensor, last;
	struct frame_id id;
	char hash[HASH_HEX];
} got;

static uint64_t fed;

static int before_clock(void **state)
{
	(void)state;
	kit_init(&k, true);
	k.config.redis = strdup("redis://127.0.0.1:1");
	kit_start(&k);
	memset(&got, 0, sizeof got);
	fed = 0;
	return 0;
}

/* --- acting ------------------------------------------------------------------------------ */

static void feed(unsigned events)
{
	store_begin(k.node.store);
	for (unsigned i = 0; i < events; i++) {
		struct intake_event e = { .sensor = "plant",
			.epoch = 1,
			.n = ++fed,
			.type = "alert",
			.json = eve,
			.len = sizeof eve - 1 };
		assert_true(digest_fold(&k.node, &e, k.now));
	}
	digest_save(&k.node);
	assert_true(store_commit(k.node.store));
}

/* The clocks go on, each by so much; the node gets a turn. */
static void pass(int64_t wall_ms, int64_t mono_ms)
{
	k.now.wall_ms += wall_ms;
	k.now.mono_ms += mono_ms;
	node_tick(&k.node, k.now);
}

static void take(const struct frame *f)
{
	const json_t *w = json_object_get(f->json, "w"), *cov = json_object_get(f->json, "cov");
	if (f->type != FRAME_DIGEST)
		return;
	got.id = f->id;
	hash_hex(f->hash, got.hash);
	assert_in_range(got.windows, 0, WINDOWS - 1);
	got.window[got.windows].start = json_int_of(w, "start", -1);
	got.window[got.windows].end = json_int_of(w, "end", -1);
	got.window[got.windows].mono_ms = json_int_of(w, "mono_ms", -1);
	got.window[got.windows].jump = json_is_true(json_object_get(w, "jump"));
	int64_t events = json_int_of(json_object_get(f->json, "in"), "events", -1);
	got.window[got.windows].events = events;
	if (events > 0) {
		assert_int_equal(json_array_size(cov), 1);
		const json_t *row = json_array_get(cov, 0);
		got.window[got.windows].from = json_integer_value(json_array_get(row, 2));
		got.window[got.windows].to = json_integer_value(json_array_get(row, 3));
		got.sensor = json_integer_value(json_array_get(row, 0));
		got.last = got.window[got.windows].to;
	}
	got.events += events;
	got.windows++;
}

static void tell_head(void)
{
	char cov[128] = "";
	if (got.last > 0)
		snprintf(cov, sizeof cov, "[%" PRId64 ",1,%" PRId64 "]", got.sensor, got.last);
	kit_answer(&k, k.link, 200,
		"{\"ep\":%" PRIu64 ",\"sq\":%" PRIu64 ",\"pv\":\"%s\",\"cov\":[%s]}", got.id.ep,
		got.id.sq, got.id.sq == 0 ? NO_HASH : got.hash, cov);
}

/* Everything that waits goes to the parent. kit_frame() holds each line to the field table. */
static void drain(void)
{
	for (unsigned quiet = 0; quiet < 3;) {
		struct link_post post;
		enum link_ask ask = kit_ask(&k, k.link, &post);
		k.now.mono_ms += WINDOW_MS;
		quiet += ask == ASK_NOTHING;
		if (ask == ASK_HEAD)
			tell_head();
		if (ask != ASK_POST)
			continue;
		for (unsigned i = 0; i < post.frames; i++) {
			struct frame f = kit_frame(&post, i);
			take(&f);
			frame_free(&f);
		}
		kit_durable(&k, k.link, post.last.ep, post.last.sq);
		link_post_free(&post);
	}
}

/* Each event is in one window, in order, and no window ends before it starts. */
static void want_all(void)
{
	int64_t next = 1;
	digest_close(&k.node, k.now, true);
	drain();
	assert_int_equal(got.events, fed);
	for (unsigned i = 0; i < got.windows; i++) {
		assert_true(got.window[i].start >= 0);
		assert_true(got.window[i].end >= got.window[i].start);
		if (got.window[i].events == 0)
			continue;
		assert_int_equal(got.window[i].from, next);
		next = got.window[i].to + 1;
	}
}

static unsigned jumps(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < got.windows; i++)
		n += got.window[i].jump;
	return n;
}

static int64_t waiting(void)
{
	return kit_state(k.link).waiting;
}

/* --- tests ------------------------------------------------------------------------------- */

static void ordinary_windows_are_not_flagged(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		feed(3);
		pass(WINDOW_MS, WINDOW_MS);
	}
	assert_int_equal(waiting(), 4);
	want_all();
	assert_int_equal(jumps(), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(got.window[i].start, T0 + 300 * (int64_t)i);
		assert_int_equal(got.window[i].end, T0 + 300 * (int64_t)(i + 1));
		assert_int_equal(got.window[i].events, 3);
	}
}

static void a_jump_closes_nothing_before_its_time(void **state)
{
	int64_t by = *(int64_t *)*state;
	feed(3);
	pass(100000, 100000);
	feed(4);
	pass(by, 1); /* the wall clock is set */
	assert_int_equal(waiting(), 0);
	feed(5);
	pass(199000, 199000);
	assert_int_equal(waiting(), 0);
	pass(1000, 1000); /* 300 s by the monotonic clock */
	assert_int_equal(waiting(), 1);
	feed(6);
	pass(WINDOW_MS, WINDOW_MS);
	assert_int_equal(waiting(), 2);
	want_all();
	assert_int_equal(jumps(), 1);
	assert_true(got.window[0].jump);
	assert_int_equal(got.window[0].events, 12);
	assert_int_equal(got.window[1].events, 6);
	assert_true(got.window[1].mono_ms > got.window[0].mono_ms);
}

/* @by, as the state of one test. */
static int jump_by(void **state, int64_t by)
{
	static int64_t kept;
	kept = by;
	before_clock(state);
	*state = &kept;
	return 0;
}

static int day_forth(void **state)
{
	return jump_by(state, DAY_MS);
}

static int day_back(void **state)
{
	return jump_by(state, -(int64_t)DAY_MS);
}

static int to_1970(void **state)
{
	return jump_by(state, -((int64_t)T0 * 1000 + 100000 - 5000));
}

static int before_1970(void **state)
{
	return jump_by(state, -((int64_t)T0 * 1000 + 7 * (int64_t)DAY_MS));
}

static void a_second_that_comes_twice_is_not_a_jump(void **state)
{
	(void)state;
	feed(3);
	pass(150000, 150000);
	pass(-1000, 0);
	feed(3);
	pass(151000, 150000);
	assert_int_equal(waiting(), 1);
	want_all();
	assert_int_equal(jumps(), 0);
	assert_int_equal(got.window[0].end - got.window[0].start, 300);
}

/* Back and forth, many times: what is closed stays closed. */
static void a_clock_that_will_not_stand_still(void **state)
{
	(void)state;
	int64_t closed = 0;
	for (int i = 0; i < 30; i++) {
		int64_t by = (i % 3 - 1) * (int64_t)DAY_MS + i * 977;
		feed(1 + (unsigned)i % 4);
		pass(by, 1);
		feed(2);
		pass(WINDOW_MS, WINDOW_MS);
		assert_true(waiting() >= closed + 1 && waiting() <= closed + 2);
		closed = waiting();
	}
	want_all();
	assert_true(jumps() >= 15);
}

static void after_a_start_with_another_clock(void **state)
{
	(void)state;
	static const int64_t by[] = { DAY_MS, -(int64_t)DAY_MS, -(int64_t)T0 * 1000 + 60000 };
	for (unsigned i = 0; i < 3; i++) {
		feed(7);
		k.now.wall_ms += by[i];
		k.now.mono_ms = 1000; /* the machine was started again */
		kit_restart(&k);
		node_tick(&k.node, k.now);
		assert_int_equal(waiting(), 1); /* its time was over, or cannot be told */
		feed(2);
		pass(WINDOW_MS, WINDOW_MS);
		k.now.wall_ms = (int64_t)T0 * 1000 + (i + 1) * (int64_t)WINDOW_MS;
		digest_close(&k.node, k.now, true);
		drain();
		assert_int_equal(waiting(), 0);
		k.now.wall_ms = (int64_t)T0 * 1000 + (i + 2) * (int64_t)WINDOW_MS;
	}
	want_all();
	assert_true(jumps() >= 3);
}

int main(void)
{
#define T(f, before) cmocka_unit_test_setup_teardown(f, before, after)
	const struct CMUnitTest tests[] = {
		T(ordinary_windows_are_not_flagged, before_clock),
		T(a_jump_closes_nothing_before_its_time, day_forth),
		T(a_jump_closes_nothing_before_its_time, day_back),
		T(a_jump_closes_nothing_before_its_time, to_1970),
		T(a_jump_closes_nothing_before_its_time, before_1970),
		T(a_second_that_comes_twice_is_not_a_jump, before_clock),
		T(a_clock_that_will_not_stand_still, before_clock),
		T(after_a_start_with_another_clock, before_clock),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
