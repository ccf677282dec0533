/* test_agg_ledger.c - the release ledger: every line chained, whatever is altered, missing or cut
 * is found; and `left`, which a person reads. */
#include "tests/unit/link_kit.h"

#include "aggregator/left.h"

enum { LINES = 6 };

static void add(const char *kind, const char *bytes)
{
	json_t *what = json_pack("{s:{s:i}, s:i}", "types", "digest", 1, "lvl", 1);
	store_begin(k.node.store);
	ledger_add(&k.node, k.now, kind, PARENT, what, bytes, bytes == NULL ? 0 : strlen(bytes));
	assert_true(store_commit(k.node.store));
	ledger_sync(&k.node);
	json_decref(what);
	kit_pass(&k, 1000);
}

static void fill(void)
{
	for (unsigned i = 0; i < LINES; i++)
		add(i % 2 == 0 ? "left" : "receipt",
			i % 3 == 0 ? NULL : "the exact bytes that left");
}

static bool whole(int64_t *lines, struct err *err)
{
	*err = (struct err){ 0 };
	bool good = ledger_verify_folder(k.node.store, k.folder, lines, err);
	assert_int_equal(good, !err->set);
	return good;
}

static void want_whole(int64_t wanted)
{
	struct err err;
	int64_t lines;
	if (!whole(&lines, &err))
		fail_msg("%s", err.text);
	assert_int_equal(lines, wanted);
}

static void want_fault(const char *says, int64_t sound)
{
	struct err err;
	int64_t lines;
	assert_false(whole(&lines, &err));
	if (strstr(err.text, says) == NULL)
		fail_msg("it says: %s", err.text);
	assert_int_equal(lines, sound);
}

static void sql(const char *text)
{
	assert_true(query_run(store_query(k.node.store, text)));
}

static void it_is_whole(void **state)
{
	(void)state;
	int64_t lines;
	struct err err = { 0 };
	assert_true(ledger_verify_folder(k.node.store, k.folder, &lines, &err));
	assert_int_equal(lines, 0); /* nothing left yet */
	fill();
	want_whole(LINES);
	kit_restart(&k);
	want_whole(LINES);
}

/* Each column of a line in the middle, altered alone. */
static void whatever_is_altered_is_found(void **state)
{
	static const char *const changes[] = { "UPDATE ledger SET at_ms = at_ms + 1 WHERE n = 4",
		"UPDATE ledger SET kind = 'level' WHERE n = 4",
		"UPDATE ledger SET peer = '' WHERE n = 4",
		"UPDATE ledger SET what = '{}' WHERE n = 4",
		"UPDATE ledger SET bytes = bytes + 1 WHERE n = 4",
		"UPDATE ledger SET sha = x'00' WHERE n = 4",
		"UPDATE ledger SET sha = zeroblob(32) WHERE n = 4",
		"UPDATE ledger SET hash = zeroblob(32) WHERE n = 4",
		"UPDATE ledger SET text = x'00' WHERE n = 4",
		"UPDATE ledger SET text = (SELECT text FROM ledger WHERE n = 5) WHERE n = 4" };
	(void)state;
	for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		store_begin(k.node.store);
		fill();
		sql("UPDATE ledger SET text = NULL WHERE n = 5");
		/* texts of lines 4 and 5 differ, so that one cannot stand for the other */
		add("left", "something else");
		sql(changes[i]);
		struct err err = { 0 };
		int64_t lines;
		bool found = !ledger_verify(k.node.store, &lines, &err);
		bool trimmed = i == 9; /* a text that is gone is none that was altered */
		if (found == trimmed)
			fail_msg("%s: %s", changes[i], found ? err.text : "not found");
		if (found)
			assert_int_equal(lines, 3);
		store_rollback(k.node.store);
		store_commit(k.node.store);
	}
}

static void what_is_missing_is_found(void **state)
{
	(void)state;
	fill();
	sql("DELETE FROM ledger WHERE n = 3");
	want_fault("line 3 is missing, 4 comes instead", 2);
	sql("UPDATE ledger SET n = n - 1 WHERE n > 3"); /* closed up */
	want_fault("line 3 is altered, or the line before it was replaced", 2);
}

static void a_cut_end_is_found(void **state)
{
	(void)state;
	fill();
	sql("DELETE FROM ledger WHERE n > 4");
	want_fault("cut: it ends at line 4, but line 6 was written", 4);
	add("left", "new"); /* another one in its place */
	want_whole(5);
}

static void another_end_is_found(void **state)
{
	char path[200];
	(void)state;
	fill();
	snprintf(path, sizeof path, "%s/ledger.head", k.folder);
	FILE *f = fopen(path, "w");
	fprintf(f, "6 %064d\n", 0);
	fclose(f);
	want_fault("line 6 is not the one that was written", LINES);
	f = fopen(path, "w");
	fprintf(f, "six\n");
	fclose(f);
	want_fault("it is not a number and a hash", LINES);
	unlink(path);
	want_fault("not there", LINES);
}

/* A store of yesterday put back: verification says so for ever, and finds everything else. */
static void a_restored_store_says_what_it_has_not(void **state)
{
	struct err err = { 0 };
	char copy[200];
	(void)state;
	fill();
	snprintf(copy, sizeof copy, "%s/reserve", k.folder); /* a name that is cleaned up */
	assert_true(store_copy(k.node.store, copy, &err));
	add("left", "a");
	add("left", "b");
	node_close(&k.node);
	assert_int_equal(rename(copy, k.path), 0);
	char wal[200];
	snprintf(wal, sizeof wal, "%s-wal", k.path);
	unlink(wal);
	kit_start(&k);
	add("left", "after");
	want_fault("lines 7 to 8 are not here", 10);
	sql("UPDATE ledger SET what = '{}' WHERE n = 2");
	want_fault("line 2 is altered", 1);
}

static void texts_are_dropped_and_lines_stay(void **state)
{
	struct query *q;
	(void)state;
	fill();
	store_begin(k.node.store);
	ledger_trim(&k.node, k.now.wall_ms + 1);
	assert_true(store_commit(k.node.store));
	q = store_query(k.node.store, "SELECT count(*), count(text) FROM ledger");
	assert_true(query_row(q));
	assert_int_equal(row_int(q, 0), LINES);
	assert_int_equal(row_int(q, 1), 0);
	query_done(q);
	want_whole(LINES);
}

/* --- left -------------------------------------------------------------------------------- */

static char *printed(const char *since, bool json, bool good)
{
	char *text = NULL;
	size_t len;
	struct err err = { 0 };
	FILE *f = open_memstream(&text, &len);
	assert_int_equal(
		left_print(k.node.store, since, k.now.wall_ms / 1000, json, f, &err), good);
	fclose(f);
	if (!good)
		assert_non_null(strstr(err.text, since));
	return text;
}

static void want_text(char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("no \"%s\" in: %s", part, text);
}

/* Through the link: what left, in plain words and as it was, and its receipt. */
static void what_left_is_told_with_its_receipt(void **state)
{
	(void)state;
	char *text = printed("24h", false, true);
	want_text(text, "nothing left in that time");
	free(text);
	struct link_post post = send_windows(2);
	link_left(k.link, k.now, &post, true);
	text = printed("24h", false, true);
	want_text(text, "to " PARENT ": 2 digests");
	want_text(text, "at level 1");
	want_text(text, "no receipt yet");
	free(text);
	text = printed("1h", true, true);
	struct err err = { 0 };
	json_t *last = NULL;
	for (char *save = NULL, *l = strtok_r(text, "\n", &save); l != NULL;
		l = strtok_r(NULL, "\n", &save)) {
		json_decref(last);
		last = json_read(l, strlen(l), 8, &err);
		assert_non_null(last);
	}
	assert_string_equal(json_text_of(last, "kind"), "left");
	assert_string_equal(json_text_of(last, "text"), post.body); /* every byte */
	json_decref(last);
	free(text);
	/* the parent's receipt */
	char hex[HASH_HEX];
	hash_text(&post, 1, hex);
	json_t *rc = json_pack("{s:I, s:I, s:I, s:s, s:I}", "ep", (json_int_t)1, "first",
		(json_int_t)1, "last", (json_int_t)2, "hash", hex, "at", (json_int_t)k.now.wall_ms);
	struct frame_head h = { .type = FRAME_SIGNED_RECEIPT, .org = PARENT, .to = SELF };
	size_t len;
	char *signed_line = frame_make(&h, rc, &k.parent_key, &len, NULL, &err);
	assert_non_null(signed_line);
	link_set_parent_key(k.link, &k.parent_key);
	json_t *answer = json_pack("{s:[i,i], s:[i,i], s:[], s:[], s:s}", "dur", 1, 2, "up", 0, 0,
		"ok", "rej", "rc", signed_line);
	char *json = json_write(answer, &len);
	link_answer(k.link, k.now, 200, -1, json, len);
	text = printed("24h", false, true);
	want_text(text, "signed by key");
	free(text);
	int64_t lines;
	assert_true(ledger_verify(k.node.store, &lines, &err));
	free(json);
	json_decref(answer);
	free(signed_line);
	json_decref(rc);
	link_post_free(&post);
}

static void since_is_read_as_people_write_it(void **state)
{
	static const struct {
		const char *text;
		int64_t since; /* -1: refused */
	} all[] = { { "24h", 1000000 - 86400 }, { "7d", 1000000 - 604800 },
		{ "90m", 1000000 - 5400 }, { "1w", 1000000 - 604800 }, { "5s", 999995 },
		{ "0h", 1000000 }, { "1970-01-02", 86400 }, { "1970-01-02T01:00", 90000 },
		{ "1970-01-02 01:00", 90000 }, { "1970-01-02T01:00:05Z", 90005 }, { "", -1 },
		{ "h", -1 }, { "24", -1 }, { "24hh", -1 }, { "-1h", -1 }, { "1y", -1 },
		{ "yesterday", -1 }, { "1970-13-40", -1 }, { "9999999999h", -1 }, { "24 h", -1 } };
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct err err = { 0 };
		int64_t since = 0;
		bool good = left_since(all[i].text, 1000000, &since, &err);
		if (good != (all[i].since >= 0) || (good && since != all[i].since))
			fail_msg("%s: %" PRId64, all[i].text, good ? since : -1);
	}
	free(printed("soon", false, false));
}

static void verify_says_it_in_words(void **state)
{
	char *text = NULL;
	size_t len;
	(void)state;
	fill();
	FILE *f = open_memstream(&text, &len);
	assert_true(left_verify(k.node.store, k.folder, f));
	sql("UPDATE ledger SET peer = 'x' WHERE n = 2");
	assert_false(left_verify(k.node.store, k.folder, f));
	fclose(f);
	want_text(text, "the ledger is whole: 6 lines");
	want_text(text, "line 2 is altered");
	want_text(text, "the 1 lines before are as they were written");
	free(text);
}

static void a_dry_run_writes_nothing(void **state)
{
	char *text = NULL;
	size_t len, before_len, after_len;
	(void)state;
	kit_head(&k, k.link);
	kit_window(&k, 10);
	kit_window(&k, 10);
	void *earlier = store_freeze(k.node.store, &before_len);
	FILE *f = open_memstream(&text, &len);
	assert_true(left_dry_run(&k.node, k.now, false, f));
	fclose(f);
	void *later = store_freeze(k.node.store, &after_len);
	want_text(text, "to " PARENT " (count link, level 1): 2 frames");
	assert_int_equal(before_len, after_len);
	assert_memory_equal(earlier, later, after_len);
	struct link_post post = want_post(); /* and that is what leaves */
	assert_non_null(strstr(text, "\"events\":10"));
	assert_int_equal(post.frames, 2);
	link_post_free(&post);
	free(earlier);
	free(later);
	free(text);
}

/* Without the line that a new link writes. */
static int before_ledger(void **state)
{
	char path[200];
	before(state);
	snprintf(path, sizeof path, "%s/ledger.head", k.folder);
	unlink(path);
	sql("DELETE FROM ledger");
	return 0;
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, before_ledger, after)
	const struct CMUnitTest tests[] = {
		FRESH(it_is_whole),
		FRESH(whatever_is_altered_is_found),
		FRESH(what_is_missing_is_found),
		FRESH(a_cut_end_is_found),
		FRESH(another_end_is_found),
		FRESH(a_restored_store_says_what_it_has_not),
		FRESH(texts_are_dropped_and_lines_stay),
		FRESH(what_left_is_told_with_its_receipt),
		FRESH(since_is_read_as_people_write_it),
		FRESH(verify_says_it_in_words),
		FRESH(a_dry_run_writes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
