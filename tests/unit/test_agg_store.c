/* test_agg_store.c - transactions that nest, failures that undo all, damage that is set aside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/store.h"

static char folder[64], path[96];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/test-store-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof path, "%s/chain.db", folder);
	return 0;
}

/* How many files there are whose names hold @part; all go when @drop. */
static unsigned files(const char *part, bool drop)
{
	DIR *d = opendir(folder);
	unsigned n = 0;
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char name[400];
		if (e->d_name[0] == '.' || strstr(e->d_name, part) == NULL)
			continue;
		snprintf(name, sizeof name, "%s/%s", folder, e->d_name);
		n++;
		if (drop)
			unlink(name);
	}
	closedir(d);
	return n;
}

static int drop_folder(void **state)
{
	(void)state;
	files("", true);
	return rmdir(folder);
}

static struct store *open_store(enum store_open wanted, struct err *err)
{
	struct store_options o = { .path = path };
	struct store *s;
	struct err ignored = { 0 };
	assert_int_equal(store_open(&s, &o, err == NULL ? &ignored : err), wanted);
	if (s != NULL)
		assert_true(store_schema(
			s, "CREATE TABLE IF NOT EXISTS t(n INTEGER, text TEXT)", &ignored));
	return s;
}

static bool put(struct store *s, int64_t n)
{
	struct query *q = store_query(s, "INSERT INTO t VALUES(?1, ?2)");
	bind_int(q, n);
	bind_text(q, "something that takes a little room in its page");
	return query_run(q);
}

static int64_t rows(struct store *s)
{
	struct query *q = store_query(s, "SELECT count(*) FROM t");
	int64_t n = query_row(q) ? row_int(q, 0) : -1;
	query_done(q);
	return n;
}

/* --- transactions ------------------------------------------------------------------------ */

static void only_the_outermost_commits(void **state)
{
	struct store *s = open_store(STORE_NEW, NULL), *other;
	(void)state;
	store_begin(s);
	put(s, 1);
	store_begin(s);
	put(s, 2);
	assert_true(store_commit(s));
	struct store_options look = { .path = path, .look = true };
	struct err err = { 0 };
	assert_int_equal(store_open(&other, &look, &err), STORE_GOOD);
	assert_int_equal(rows(other), 0);
	assert_true(store_commit(s));
	assert_int_equal(rows(other), 2);
	store_close(other);
	store_close(s);
	s = open_store(STORE_GOOD, NULL);
	assert_int_equal(rows(s), 2);
	store_close(s);
}

static void one_failure_undoes_all_of_it(void **state)
{
	struct store *s = open_store(STORE_NEW, NULL);
	(void)state;
	store_begin(s);
	put(s, 1);
	store_begin(s);
	struct query *q = store_query(s, "INSERT INTO t SELECT n, no_such(n) FROM t");
	assert_false(query_run(q));
	assert_true(store_failed(s));
	assert_false(store_commit(s)); /* the inner one says so too */
	assert_false(put(s, 3));       /* nothing stands alone */
	assert_false(store_commit(s));
	assert_int_equal(rows(s), 0);
	assert_int_equal(store_trouble(s), STORE_FAILS);
	assert_int_equal(store_trouble(s), STORE_FINE); /* asked once */
	store_begin(s);
	put(s, 4);
	assert_true(store_commit(s));
	assert_int_equal(rows(s), 1);
	store_close(s);
}

static void undone_by_word(void **state)
{
	struct store *s = open_store(STORE_NEW, NULL);
	(void)state;
	store_begin(s);
	put(s, 1);
	store_rollback(s);
	assert_false(store_commit(s));
	assert_string_equal(store_why(s), "undone");
	assert_int_equal(rows(s), 0);
	assert_int_equal(store_trouble(s), STORE_FINE);
	store_close(s);
}

/* A disk that fills at each statement in turn: all or nothing. */
static void a_full_disk_at_every_statement(void **state)
{
	struct store *s = open_store(STORE_NEW, NULL);
	int64_t held = 0;
	(void)state;
	for (int64_t at = 0; at < 6; at++) {
		store_fail_after(s, at);
		store_begin(s);
		for (int64_t i = 0; i < 5; i++)
			put(s, i);
		bool good = store_commit(s);
		store_fail_after(s, -1);
		assert_int_equal(good, at == 5);
		if (!good) {
			assert_true(store_is_full(s));
			assert_string_equal(store_why(s), "database or disk is full");
			assert_int_equal(store_trouble(s), STORE_RAN_OUT);
		}
		held += good ? 5 : 0;
		assert_int_equal(rows(s), held);
	}
	store_close(s);
}

/* What is not committed when it is closed was never there. */
static void closing_finishes_nothing(void **state)
{
	struct store *s = open_store(STORE_NEW, NULL);
	(void)state;
	store_begin(s);
	put(s, 1);
	store_close(s);
	s = open_store(STORE_GOOD, NULL);
	assert_int_equal(rows(s), 0);
	store_close(s);
}

/* --- statements and facts ---------------------------------------------------------------- */

static void values_come_back(void **state)
{
	struct store *s = open_store(STORE_NEW, NULL);
	char text[8];
	size_t n;
	(void)state;
	struct query *q = store_query(s, "SELECT ?1, ?2, ?3, ?4, ?5");
	bind_int(q, INT64_MIN);
	bind_text(q, "锅炉");
	bind_blob(q, "a\0b", 3);
	bind_null(q);
	bind_blob(q, NULL, 0);
	assert_true(query_row(q));
	assert_true(row_int(q, 0) == INT64_MIN);
	assert_string_equal(row_text(q, 1), "锅炉");
	assert_memory_equal(row_blob(q, 2, &n), "a\0b", 3);
	assert_int_equal(n, 3);
	assert_true(row_null(q, 3) && !row_null(q, 4));
	assert_string_equal(row_text(q, 3), "");
	assert_int_equal(row_int(q, 3), 0);
	assert_non_null(row_blob(q, 3, &n));
	assert_int_equal(n, 0);
	assert_false(query_row(q));
	assert_true(query_done(q));
	store_set_number(s, "a", -5);
	store_set_text(s, "b", "seven77");
	assert_int_equal(store_number(s, "a", 1), -5);
	assert_int_equal(store_number(s, "none", 9), 9);
	assert_true(store_text(s, "b", text, 8));
	assert_string_equal(text, "seven77");
	assert_false(store_text(s, "b", text, 7)); /* no room */
	assert_false(store_text(s, "none", text, 8));
	store_close(s);
}

/* A statement that is open may be asked for again: within a loop over its rows. */
static void a_statement_within_itself(void **state)
{
	struct store *s = open_store(STORE_NEW, NULL);
	static const char sql[] = "SELECT n FROM t WHERE n > ?1 ORDER BY n";
	int64_t sum = 0;
	(void)state;
	for (int64_t i = 1; i <= 3; i++)
		put(s, i);
	struct query *outer = store_query(s, sql);
	bind_int(outer, 0);
	while (query_row(outer)) {
		struct query *inner = store_query(s, sql);
		assert_ptr_not_equal(inner, outer);
		bind_int(inner, row_int(outer, 0));
		while (query_row(inner))
			sum += 10 * row_int(outer, 0) + row_int(inner, 0);
		query_done(inner);
	}
	query_done(outer);
	assert_int_equal(sum, 12 + 13 + 23);
	store_close(s);
}

/* --- damage ------------------------------------------------------------------------------ */

static void damage(off_t at, const char *bytes, size_t n)
{
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0 && pwrite(fd, bytes, n, at) == (ssize_t)n);
	close(fd);
}

static void fill(void)
{
	struct store *s = open_store(STORE_NEW, NULL);
	store_begin(s);
	for (int64_t i = 0; i < 1000; i++)
		put(s, i);
	assert_true(store_commit(s));
	store_tidy(s);
	store_close(s);
}

static void a_damaged_file_is_set_aside(void **state)
{
	char junk[4096];
	struct err err = { 0 };
	(void)state;
	memset(junk, 'x', sizeof junk);
	fill();
	damage(8192, junk, sizeof junk);
	struct store *s = open_store(STORE_REBUILT, &err);
	assert_true(err.set);
	assert_int_equal(rows(s), 0);
	assert_true(files("damaged-", false) >= 1);
	put(s, 1);
	store_close(s);
	s = open_store(STORE_GOOD, NULL);
	assert_int_equal(rows(s), 1);
	store_close(s);
}

static void no_database_and_an_empty_one_are_damage(void **state)
{
	struct err err = { 0 };
	(void)state;
	fill();
	damage(0, "This is no database at all", 26);
	struct store *s = open_store(STORE_REBUILT, &err);
	store_close(s);
	assert_int_equal(truncate(path, 0), 0);
	err = (struct err){ 0 };
	s = open_store(STORE_REBUILT, &err);
	assert_non_null(strstr(err.text, "empty"));
	store_close(s);
}

static void what_is_found_while_in_use_is_remembered(void **state)
{
	struct err err = { 0 };
	struct store *s = open_store(STORE_NEW, NULL);
	(void)state;
	put(s, 1);
	store_condemn(s, "a window cannot be read");
	store_begin(s);
	assert_false(put(s, 2));
	assert_false(store_commit(s));
	assert_int_equal(store_trouble(s), STORE_DAMAGED);
	assert_int_equal(store_trouble(s), STORE_DAMAGED); /* as long as it lives */
	store_close(s);
	s = open_store(STORE_REBUILT, &err);
	assert_non_null(strstr(err.text, "a window cannot be read"));
	store_close(s);
	s = open_store(STORE_GOOD, NULL); /* once */
	store_close(s);
}

/* Too large to be checked while somebody waits. */
static void a_large_one_is_checked_beside(void **state)
{
	char junk[4096];
	struct err err = { 0 };
	atomic_bool stop = false;
	(void)state;
	memset(junk, 'x', sizeof junk);
	fill();
	struct store *s = open_store(STORE_GOOD, NULL);
	assert_false(store_is_unchecked(s));
	assert_true(store_schema(s,
		"CREATE TABLE large(b BLOB); INSERT INTO large VALUES(zeroblob(150000000)),"
		" (zeroblob(150000000))",
		&err));
	store_tidy(s);
	assert_true(store_is_unchecked(s));
	assert_true(store_check(path, &stop, &err));
	store_close(s);
	damage(8192, junk, sizeof junk);
	s = open_store(STORE_GOOD, NULL);
	assert_true(store_is_unchecked(s));
	assert_false(store_check(path, &stop, &err));
	assert_true(err.set);
	store_close(s);
	s = open_store(STORE_REBUILT, NULL);
	assert_false(store_is_unchecked(s));
	store_close(s);
}

/* A WAL whose end was never written: what was committed before is there. */
static void a_torn_wal_keeps_what_came_before(void **state)
{
	struct store *s = open_store(STORE_NEW, NULL), *other;
	struct err err = { 0 };
	char wal[128], copy[128], command[600];
	(void)state;
	put(s, 1);
	put(s, 2);
	snprintf(wal, sizeof wal, "%s-wal", path);
	struct stat before, after;
	assert_int_equal(stat(wal, &before), 0);
	put(s, 3);
	assert_int_equal(stat(wal, &after), 0);
	assert_true(after.st_size > before.st_size);
	/* as it lay on the disk when the power went, within the third */
	snprintf(copy, sizeof copy, "%s/torn.db", folder);
	snprintf(command, sizeof command, "cp %s %s && head -c %ld %s > %s-wal", path, copy,
		(long)before.st_size + 100, wal, copy);
	assert_int_equal(system(command), 0);
	store_close(s);
	struct store_options o = { .path = copy };
	assert_int_equal(store_open(&other, &o, &err), STORE_GOOD);
	assert_int_equal(rows(other), 2);
	store_close(other);
}

static void a_folder_that_is_not_there_fails(void **state)
{
	struct store_options o = { .path = "/nonexistent/chain.db" };
	struct store *s;
	struct err err = { 0 };
	(void)state;
	assert_int_equal(store_open(&s, &o, &err), STORE_FAILED);
	assert_null(s);
	assert_non_null(strstr(err.text, "/nonexistent/chain.db"));
}

/* --- copies ------------------------------------------------------------------------------ */

static void a_copy_is_whole(void **state)
{
	struct store *s = open_store(STORE_NEW, NULL), *other;
	struct err err = { 0 };
	char copy[128];
	(void)state;
	put(s, 1);
	snprintf(copy, sizeof copy, "%s/copy.db", folder);
	assert_true(store_copy(s, copy, &err));
	put(s, 2);
	struct store_options o = { .path = copy };
	assert_int_equal(store_open(&other, &o, &err), STORE_GOOD);
	assert_int_equal(rows(other), 1);
	store_close(other);
	assert_false(store_copy(s, "/nonexistent/copy.db", &err));
	assert_true(store_bytes(s) > 0);
	int percent = store_percent(s, INT64_C(1) << 40);
	assert_in_range(percent, 0, 99);
	assert_int_equal(store_percent(s, 1), 100);
	store_close(s);
}

/* In memory, for the simulator. */
static void a_frozen_one_is_as_it_was(void **state)
{
	struct store_options o = { .small = true };
	struct store *s, *other;
	struct err err = { 0 };
	(void)state;
	assert_int_equal(store_open(&s, &o, &err), STORE_NEW);
	assert_true(store_schema(s, "CREATE TABLE t(n INTEGER, text TEXT)", &err));
	put(s, 1);
	o.image = store_freeze(s, &o.image_len);
	assert_non_null(o.image);
	put(s, 2);
	assert_int_equal(store_open(&other, &o, &err), STORE_NEW);
	assert_int_equal(rows(other), 1);
	put(other, 7);
	assert_int_equal(rows(other), 2);
	assert_int_equal(store_bytes(other), 0);
	store_close(other);
	store_close(s);
	free((void *)(uintptr_t)o.image);
}

int main(void)
{
#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, make_folder, drop_folder)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(only_the_outermost_commits),
		IN_FOLDER(one_failure_undoes_all_of_it),
		IN_FOLDER(undone_by_word),
		IN_FOLDER(a_full_disk_at_every_statement),
		IN_FOLDER(closing_finishes_nothing),
		IN_FOLDER(values_come_back),
		IN_FOLDER(a_statement_within_itself),
		IN_FOLDER(a_damaged_file_is_set_aside),
		IN_FOLDER(no_database_and_an_empty_one_are_damage),
		IN_FOLDER(what_is_found_while_in_use_is_remembered),
		IN_FOLDER(a_large_one_is_checked_beside),
		IN_FOLDER(a_torn_wal_keeps_what_came_before),
		IN_FOLDER(a_folder_that_is_not_there_fails),
		IN_FOLDER(a_copy_is_whole),
		IN_FOLDER(a_frozen_one_is_as_it_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
