/* test_agg_again.c - windows that the parent's head cuts: what is left of them is read again. */
#include "tests/unit/link_kit.h"

#define NAME "plant"

static void fold(uint64_t n)
{
	char json[512];
	struct intake_event e = { .sensor = NAME, .epoch = 1, .n = n, .type = "alert" };
	e.len = (size_t)snprintf(json, sizeof json,
		"{\"event_type\":\"alert\",\"src_ip\":\"10.0.0.1\",\"dest_ip\":\"10.0.0.2\","
		"\"app_proto\":\"modbus\",\"alert\":{\"severity\":3,\"category\":\"ics-command\"},"
		"\"bongsu\":{\"rule\":\"r\",\"rule_rev\":1,\"verb\":\"write\",\"ts_ns\":%" PRId64
		",\"verdict\":{\"outcome\":\"accepted\"},\"count\":1}}",
		k.now.wall_ms * 1000000);
	e.json = json;
	assert_true(digest_fold(&k.node, &e, k.now));
}

/* Ten events in one window, closed. */
static void ten(void)
{
	store_begin(k.node.store);
	for (uint64_t n = 1; n <= 10; n++)
		fold(n);
	digest_save(&k.node);
	digest_close(&k.node, k.now, true);
	assert_true(store_commit(k.node.store));
}

static void head_holds(uint64_t last)
{
	struct link_post post;
	assert_int_equal(kit_ask(&k, k.link, &post), ASK_HEAD);
	kit_answer(&k, k.link, 200,
		"{\"ep\":4,\"sq\":90,\"pv\":\"%064d\",\"cov\":[[%" PRIu64 ",1,%" PRIu64 "]]}", 7,
		digest_sensor_number(&k.node, NAME), last);
}

/* Redis has them all but @gone. */
static void read_again(uint64_t from, uint64_t to, uint64_t gone)
{
	struct digest_again a;
	struct digest_range r;
	assert_true(digest_again_open(&k.node, &a));
	assert_true(digest_again_range(&k.node, &a, &r));
	assert_string_equal(r.sensor, NAME);
	assert_int_equal(r.epoch, 1);
	assert_int_equal(r.from, from);
	assert_int_equal(r.to, to);
	char json[] = "{\"event_type\":\"stats\"}";
	for (uint64_t n = from - 1; n <= to + 1; n++) {
		struct intake_event e = { NAME, 1, n, "stats", json, sizeof json - 1 };
		if (n != gone)
			digest_again_fold(&k.node, &a, &e);
	}
	assert_false(digest_again_range(&k.node, &a, &r));
	assert_true(digest_again_close(&k.node, &a));
}

static struct frame only_digest(struct link_post *post)
{
	kit_pass(&k, 301000);
	*post = want_post();
	assert_int_equal(kit_count(post, FRAME_DIGEST), 1);
	struct frame f = { 0 };
	for (unsigned i = 0; i < post->frames; i++) {
		f = kit_frame(post, i);
		if (f.type == FRAME_DIGEST)
			break;
		frame_free(&f);
	}
	return f;
}

static int64_t of(const struct frame *f, const char *name)
{
	return json_int_of(json_object_get(f->json, "in"), name, -1);
}

static void what_the_head_leaves_is_read_again(void **state)
{
	(void)state;
	struct link_post post;
	ten();
	head_holds(6);
	want_nothing();
	read_again(7, 10, 9);
	struct frame f = only_digest(&post);
	assert_int_equal(of(&f, "events"), 4);
	assert_int_equal(of(&f, "other"), 3);
	assert_int_equal(
		json_int_of(json_object_get(json_object_get(f.json, "in"), "lost"), "overlap", 0),
		1);
	const json_t *cov = json_object_get(f.json, "cov");
	assert_int_equal(json_array_size(cov), 1);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(cov, 0), 2)), 7);
	assert_int_equal(json_integer_value(json_array_get(json_array_get(cov, 0), 3)), 10);
	frame_free(&f);
	link_post_free(&post);
}

/* What it held was put aside, and comes when it holds it no more. */
static void a_parent_that_goes_back_gets_the_rest(void **state)
{
	(void)state;
	struct link_post post;
	ten();
	head_holds(6);
	want_nothing();
	read_again(7, 10, 0);
	struct frame f = only_digest(&post);
	frame_free(&f);
	link_post_free(&post);
	kit_answer(&k, k.link, 200, "{\"dur\":[5,1],\"up\":[0,0],\"ok\":[],\"rej\":[]}");
	kit_restart(&k);
	head_holds(3);
	post = want_post(); /* 7 to 10 once more */
	link_post_free(&post);
	kit_answer(&k, k.link, 200, "{\"dur\":[5,1],\"up\":[0,0],\"ok\":[],\"rej\":[]}");
	read_again(1, 6, 0);
	kit_pass(&k, 301000);
	want_nothing(); /* 1 to 3 are held: cut once more */
	read_again(4, 6, 0);
	struct digest_again a;
	assert_false(digest_again_open(&k.node, &a));
}

static void a_window_that_cannot_be_read_yet_waits(void **state)
{
	(void)state;
	struct digest_again a;
	struct digest_range r;
	ten();
	head_holds(6);
	want_nothing();
	assert_true(digest_again_open(&k.node, &a));
	assert_true(digest_again_range(&k.node, &a, &r));
	digest_again_drop(&a); /* Redis went away */
	want_nothing();
	kit_restart(&k);
	read_again(7, 10, 0);
}

/* Closed at level 0, it never left and does not leave now. */
static void what_was_withheld_is_not_told_after_all(void **state)
{
	(void)state;
	size_t len, cut_len;
	char *blob = kit_blob(T0, 1, 10, &len);
	struct err err = { 0 };
	json_t *w = json_read(blob, len, 16, &err), *held = json_pack("[[i,i,i,i]]", 7, 1, 1, 6);
	window_withhold(w);
	free(blob);
	blob = json_write(w, &len);
	void *cut = digest_cut(blob, len, held, false, &cut_len);
	struct digest_facts f;
	assert_true(digest_facts(cut, cut_len, &f));
	assert_false(f.cut);
	assert_int_equal(json_int_of(json_object_get(f.in, "lost"), "overlap", 0), 4);
	json_decref(f.in);
	json_decref(f.cov);
	json_decref(w);
	json_decref(held);
	free(cut);
	free(blob);
}

/* An epoch that has been begun and has no frame yet: nothing to send, and no hurry to ask. */
static void an_empty_epoch_is_at_rest(void **state)
{
	(void)state;
	struct link_post post;
	int64_t again;
	head_holds(6);
	want_nothing();
	kit_pass(&k, 3600000);
	assert_int_equal(link_next(k.link, k.now, &post, &again), ASK_NOTHING);
	assert_true(again >= k.now.mono_ms + 1000);
}

static int with_sensors(void **state)
{
	(void)state;
	kit_init(&k, true);
	k.config.redis = strdup("redis://127.0.0.1:1");
	kit_start(&k);
	return 0;
}

#define T(name) cmocka_unit_test_setup_teardown(name, with_sensors, after)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(what_the_head_leaves_is_read_again),
		T(a_parent_that_goes_back_gets_the_rest),
		T(a_window_that_cannot_be_read_yet_waits),
		T(what_was_withheld_is_not_told_after_all),
		T(an_empty_epoch_is_at_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
