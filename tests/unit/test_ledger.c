/* test_ledger.c - the book of programs and its file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
// cmocka wants the three above first
#include <cmocka.h>

#include "sensor/ledger.h"

#define S INT64_C(1000000000)

static struct ledger_file file;

/* Lines for @path wait from now on. */
static void file_for(char *path, uint64_t cap)
{
	memset(&file, 0, sizeof file);
	file.path = path;
	file.cap = cap;
}

static struct program_key key_of(uint8_t device, const char *name)
{
	struct program_key key;
	memset(&key, 0, sizeof key);
	key.device = (struct addr){ .bytes = { [10] = 0xff, [11] = 0xff, 10, 0, 0, device },
		.family = 4 };
	snprintf(key.name, sizeof key.name, "%s", name);
	return key;
}

static struct program_copy copy_of(const char *bytes, int64_t at_s)
{
	struct program_copy c = {
		.known = true, .bytes = strlen(bytes), .at_ns = at_s * 1000000000
	};
	hash_of(bytes, strlen(bytes), c.hash);
	memcpy(c.code, c.hash, HASH);
	c.by = key_of(9, "").device;
	return c;
}

static enum program_change enter(struct book *b, const char *name, bool up, const char *bytes,
	int64_t at_s, uint64_t *forgotten)
{
	struct program_key key = key_of(1, name);
	struct program_copy copy = copy_of(bytes, at_s);
	struct program before;
	return book_enter(b, &key, up, &copy, &before, forgotten);
}

static void changes(void **state)
{
	(void)state;
	uint64_t lost = 0;
	struct book *b = book_new(16, 0);
	assert_int_equal(enter(b, "OB1", false, "a", 1, &lost), PROGRAM_NEW);
	assert_int_equal(enter(b, "OB1", false, "a", 2, &lost), PROGRAM_SAME);
	assert_int_equal(enter(b, "OB1", true, "a", 3, &lost), PROGRAM_SAME);
	assert_int_equal(enter(b, "OB1", true, "b", 4, &lost), PROGRAM_DIFFERS);
	/* What came up last is what is there now. */
	assert_int_equal(enter(b, "OB1", false, "b", 5, &lost), PROGRAM_SAME);
	assert_int_equal(enter(b, "OB1", false, "c", 6, &lost), PROGRAM_CHANGED);
	assert_int_equal(enter(b, "FC1", true, "a", 7, &lost), PROGRAM_NEW);
	assert_int_equal(enter(b, "FC1", true, "b", 8, &lost), PROGRAM_CHANGED);
	assert_int_equal(lost, 0);
	assert_int_equal(book_count(b), 2);
	book_free(b);
}

static void a_full_book_forgets_the_oldest_and_counts(void **state)
{
	(void)state;
	uint64_t lost = 0;
	char name[32];
	struct book *b = book_new(16, 7);
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "FC%d", i);
		assert_int_equal(
			enter(b, "OB1", false, "a", i, &lost), i == 0 ? PROGRAM_NEW : PROGRAM_SAME);
		assert_int_equal(enter(b, name, false, "a", i, &lost), PROGRAM_NEW);
	}
	assert_int_equal(book_count(b), 16);
	assert_int_equal(lost, 1001 - 16);
	book_free(b);
}

static void the_file_gives_the_book_back(void **state)
{
	(void)state;
	uint64_t lost = 0, damaged = 0;
	struct err err = { 0 };
	char path[] = "/tmp/ledger.XXXXXX";
	close(mkstemp(path));
	struct book *b = book_new(16, 0);
	file_for(path, 1 << 20);
	const char *const names[] = { "OB1", "quo\"te\\ \x1b[2J \xff", "./" };
	for (unsigned i = 0; i < 3; i++) {
		struct program_key key = key_of(1, names[i]);
		struct program_copy copy = copy_of(names[i], i + 1);
		struct program before;
		book_enter(b, &key, i == 1, &copy, &before, &lost);
		assert_true(ledger_file_add(&file, &key, i == 1, &copy));
	}
	assert_true(ledger_file_flush(&file, b, S, false, &err));
	struct book *again = book_new(16, 0);
	assert_true(ledger_file_read(again, NULL, path, &damaged, &err));
	assert_int_equal(damaged, 0);
	assert_int_equal(book_count(again), 3);
	assert_int_equal(enter(again, "OB1", false, "OB1", 9, &lost), PROGRAM_SAME);
	assert_int_equal(enter(again, "OB1", false, "x", 10, &lost), PROGRAM_CHANGED);
	book_free(again);
	book_free(b);
	unlink(path);
}

static void a_file_at_its_cap_is_written_anew(void **state)
{
	(void)state;
	uint64_t lost = 0, damaged = 0;
	struct err err = { 0 };
	struct stat st;
	char path[] = "/tmp/ledger.XXXXXX", text[16];
	close(mkstemp(path));
	struct book *b = book_new(16, 0);
	struct program_key key = key_of(1, "OB1");
	file_for(path, 8192);
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof text, "%d", i);
		struct program_copy copy = copy_of(text, i);
		struct program before;
		book_enter(b, &key, false, &copy, &before, &lost);
		assert_true(ledger_file_add(&file, &key, false, &copy));
		assert_true(ledger_file_flush(&file, b, i * 61 * S, false, &err));
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size <= 8192);
	}
	struct book *again = book_new(16, 0);
	assert_true(ledger_file_read(again, NULL, path, &damaged, &err));
	assert_int_equal(enter(again, "OB1", false, "199", 300, &lost), PROGRAM_SAME);
	book_free(again);
	book_free(b);
	unlink(path);
}

/* More in one second than may wait: the rest is counted by the caller, and comes with the book. */
static void a_burst_is_written_with_the_book_and_not_each_second(void **state)
{
	(void)state;
	enum { MANY = 1000 };
	uint64_t lost = 0, damaged = 0, refused = 0;
	struct err err = { 0 };
	struct stat st;
	char path[] = "/tmp/ledger.XXXXXX", name[16];
	close(mkstemp(path));
	struct book *b = book_new(MANY, 0);
	file_for(path, 1 << 24);
	for (int64_t second = 1; second <= 3; second++) {
		for (int i = 0; i < MANY; i++) {
			struct program before;
			snprintf(name, sizeof name, "FC%d", i);
			struct program_key key = key_of(1, name);
			struct program_copy copy = copy_of(second == 3 ? "new" : "old", second);
			book_enter(b, &key, false, &copy, &before, &lost);
			refused += !ledger_file_add(&file, &key, false, &copy);
		}
		assert_true(ledger_file_flush(&file, b, second * S, false, &err));
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(file.anew_ns, S); /* the second and third wait for their minute */
	}
	assert_in_range(refused, 3 * MANY - 3 * 300, 3 * MANY - 3 * 100);
	assert_true(ledger_file_flush(&file, b, 4 * S, true, &err));
	struct book *again = book_new(MANY, 0);
	assert_true(ledger_file_read(again, NULL, path, &damaged, &err));
	assert_int_equal(damaged, 0);
	assert_int_equal(book_count(again), MANY);
	assert_int_equal(enter(again, "FC999", false, "new", 9, &lost), PROGRAM_SAME);
	book_free(again);
	book_free(b);
	unlink(path);
}

static void a_file_that_cannot_be_written_is_said(void **state)
{
	(void)state;
	struct err err = { 0 };
	char path[] = "/tmp/there/is/none";
	struct book *b = book_new(16, 0);
	struct program_key key = key_of(1, "OB1");
	struct program_copy copy = copy_of("a", 1);
	file_for(path, 1 << 20);
	assert_true(ledger_file_add(&file, &key, false, &copy));
	assert_false(ledger_file_flush(&file, b, S, false, &err));
	assert_true(err.set);
	assert_true(ledger_file_flush(&file, b, 2 * S, false, &err)); /* not again and again */
	book_free(b);
}

static void damaged_lines_are_passed_over(void **state)
{
	(void)state;
	static const char good[] =
		"{\"ns\":5,\"device\":\"10.0.0.1\",\"unit\":0,\"kind\":\"s7_block\",\"name\":"
		"\"OB1\","
		"\"direction\":\"download\",\"bytes\":1,"
		"\"sha256\":\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\","
		"\"code_sha256\":"
		"\"ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\","
		"\"by\":\"10.0.0.9\"}";
	uint64_t lost = 0, damaged = 0;
	struct err err = { 0 };
	char path[] = "/tmp/ledger.XXXXXX";
	FILE *f = fdopen(mkstemp(path), "w");
	size_t lines = 0;
	for (size_t cut = 0; cut + 1 < sizeof good - 1; cut += 3, lines++)
		fprintf(f, "%.*s\n", (int)cut, good);
	fprintf(f, "%s\n", good);
	fprintf(f, "{\"ns\":5,\"device\":\"10.0.0.0/8\"}\n[[[[[[]]]]]]\n");
	for (int i = 0; i < 100000; i++)
		fputc('x', f);
	fclose(f);
	struct book *b = book_new(16, 0);
	assert_true(ledger_file_read(b, NULL, path, &damaged, &err));
	assert_int_equal(damaged, lines + 3);
	assert_int_equal(book_count(b), 1);
	assert_int_equal(enter(b, "OB1", true, "a", 9, &lost), PROGRAM_SAME);
	book_free(b);
	unlink(path);
	assert_true(ledger_file_read(NULL, NULL, "/tmp/there/is/none", &damaged, &err));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes),
		cmocka_unit_test(a_full_book_forgets_the_oldest_and_counts),
		cmocka_unit_test(the_file_gives_the_book_back),
		cmocka_unit_test(a_file_at_its_cap_is_written_anew),
		cmocka_unit_test(a_burst_is_written_with_the_book_and_not_each_second),
		cmocka_unit_test(a_file_that_cannot_be_written_is_said),
		cmocka_unit_test(damaged_lines_are_passed_over),
	};
	return keys_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
