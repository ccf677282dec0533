/* test_spool.c - order, acknowledgement, caps, and what a crash or a bad disk leaves behind. */
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

#include "sensor/spool.h"

static char folder[64];
static unsigned said;
static char last_said[256];

static void say(void *ctx, const char *text)
{
	(void)ctx;
	said++;
	snprintf(last_said, sizeof last_said, "%s", text);
}

static int before_each(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/test-spool-XXXXXX");
	said = 0;
	last_said[0] = '\0';
	return mkdtemp(folder) == NULL;
}

/* Calls @each with the path of every file whose name ends so. */
static unsigned files(const char *end, void (*each)(const char *path))
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	unsigned n = 0;
	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		char path[400];
		size_t len = strlen(entry->d_name), k = strlen(end);
		if (entry->d_name[0] == '.' || len < k || strcmp(entry->d_name + len - k, end) != 0)
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
		if (each != NULL)
			each(path);
		n++;
	}
	closedir(dir);
	return n;
}

static void remove_file(const char *path)
{
	unlink(path);
}

static int after_each(void **state)
{
	(void)state;
	files("", remove_file);
	return rmdir(folder);
}

static struct spool *open_with(uint64_t max_bytes, uint32_t keep_s)
{
	const struct spool_options o = {
		.dir = folder, .max_bytes = max_bytes, .keep_s = keep_s, .say = say
	};
	struct err err = { 0 };
	struct spool *s = spool_open(&o, &err);
	assert_non_null(s);
	return s;
}

static struct spool *open_spool(void)
{
	return open_with(64 << 20, 600);
}

static void put(struct spool *s, uint64_t epoch, uint64_t first, uint64_t last, size_t padding)
{
	static char line[100000];
	for (uint64_t n = first; n <= last; n++) {
		int len =
			snprintf(line, sizeof line, "{\"n\":%llu,\"x\":\"", (unsigned long long)n);
		memset(line + len, 'x', padding);
		assert_true(spool_append(
			s, (struct spool_id){ epoch, n }, "alert", line, (size_t)len + padding));
	}
}

/* The next events are just these. */
static void expect(struct spool *s, uint64_t epoch, uint64_t first, uint64_t last)
{
	struct spool_record r;
	for (uint64_t n = first; n <= last; n++) {
		char start[40];
		assert_true(spool_next(s, &r));
		assert_int_equal(r.id.epoch, epoch);
		assert_int_equal(r.id.n, n);
		assert_int_equal(r.type_len, 5);
		assert_memory_equal(r.type, "alert", 5);
		int k = snprintf(start, sizeof start, "{\"n\":%llu,", (unsigned long long)n);
		assert_memory_equal(r.line, start, (size_t)k);
	}
}

static void expect_end(struct spool *s)
{
	struct spool_record r;
	assert_false(spool_next(s, &r));
}

static void events_come_back_in_order(void **state)
{
	(void)state;
	struct spool *s = open_spool();
	expect_end(s);
	put(s, 1, 1, 100, 300);
	expect(s, 1, 1, 50);
	spool_tick(s, 1); /* from memory to disk under the cursor */
	expect(s, 1, 51, 100);
	expect_end(s);
	put(s, 1, 101, 110, 10);
	expect(s, 1, 101, 110);
	assert_int_equal(spool_waiting(s), 110);
	spool_acked(s, (struct spool_id){ 1, 60 }, 1);
	assert_int_equal(spool_waiting(s), 50);
	spool_close(s, 1);
}

static void a_seek_goes_to_what_the_receiver_lacks(void **state)
{
	(void)state;
	struct spool *s = open_spool();
	put(s, 1, 1, 100, 30);
	put(s, 2, 1, 100, 30);
	spool_seek(s, (struct spool_id){ 1, 42 }, 1);
	expect(s, 1, 43, 100);
	expect(s, 2, 1, 100);
	expect_end(s);
	spool_seek(s, (struct spool_id){ 0, 0 }, 1); /* it has forgotten all */
	expect(s, 1, 1, 100);
	spool_seek(s, (struct spool_id){ 2, 100 }, 1);
	expect_end(s);
	assert_int_equal(spool_waiting(s), 0);
	spool_seek(s, (struct spool_id){ 9, 0 }, 1);
	expect_end(s);
	spool_close(s, 1);
}

static void a_new_run_finds_what_the_last_left(void **state)
{
	(void)state;
	struct spool *s = open_spool();
	put(s, 1, 1, 1000, 400);
	spool_close(s, 1);
	s = open_spool();
	put(s, 2, 1, 10, 400);
	spool_seek(s, (struct spool_id){ 1, 990 }, 1);
	expect(s, 1, 991, 1000);
	expect(s, 2, 1, 10);
	expect_end(s);
	spool_close(s, 1);
	assert_int_equal(said, 0);
}

static void acknowledged_events_are_kept_a_while(void **state)
{
	(void)state;
	struct spool_totals t;
	struct spool *s = open_with(64 << 20, 10);
	put(s, 1, 1, 10, 30);
	spool_tick(s, 1000);
	spool_acked(s, (struct spool_id){ 1, 10 }, 1000);
	spool_tick(s, 10900);
	spool_totals(s, &t);
	assert_true(t.bytes > 0);
	spool_seek(s, (struct spool_id){ 0, 0 }, 10900); /* Redis lost them: they count again */
	spool_tick(s, 30000);
	expect(s, 1, 1, 10);
	spool_acked(s, (struct spool_id){ 1, 10 }, 30000);
	spool_tick(s, 40000);
	spool_totals(s, &t);
	assert_int_equal(t.bytes, 0);
	assert_int_equal(t.lost, 0);
	spool_close(s, 40000);
}

static void the_oldest_go_when_it_is_full(void **state)
{
	(void)state;
	struct spool_totals t;
	struct spool *s = open_with(1 << 20, 600);
	put(s, 1, 1, 10000, 400);
	spool_tick(s, 1);
	spool_totals(s, &t);
	assert_true(t.bytes <= 1 << 20);
	assert_true(t.lost > 5000 && t.lost < 10000);
	assert_true(said > 0);
	expect(s, 1, t.lost + 1, 10000);
	expect_end(s);
	spool_close(s, 1);
}

static void acknowledged_ones_go_without_loss(void **state)
{
	(void)state;
	struct spool_totals t;
	struct spool *s = open_with(1 << 20, 600);
	for (uint64_t n = 1; n <= 10000; n++) {
		put(s, 1, n, n, 400);
		expect(s, 1, n, n);
		spool_acked(s, (struct spool_id){ 1, n }, 1);
	}
	spool_totals(s, &t);
	assert_int_equal(t.lost, 0);
	assert_int_equal(said, 0);
	spool_close(s, 1);
}

/* ---- damage ---- */

static off_t cut_to;
static off_t hit_at;
static const char *hit_with;

static void cut(const char *path)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(truncate(path, cut_to < 0 ? st.st_size + cut_to : cut_to), 0);
}

static void hit(const char *path)
{
	int fd = open(path, O_WRONLY);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, hit_with, strlen(hit_with), hit_at), (ssize_t)strlen(hit_with));
	close(fd);
}

/* Whatever the cut, everything before it is there and nothing else is. */
static void every_torn_end_is_cut(void **state)
{
	(void)state;
	enum { RECORD = 32 + 5 + 12 + 20 };
	for (off_t at = 0; at <= 3 * RECORD; at++) {
		struct spool *s = open_spool();
		put(s, 1, 1, 3, 20);
		spool_close(s, 1);
		cut_to = at;
		assert_int_equal(files(".seg", cut), 1);
		s = open_spool();
		if (at >= RECORD)
			expect(s, 1, 1, (uint64_t)at / RECORD);
		expect_end(s);
		put(s, 2, 1, 2, 20);
		expect(s, 2, 1, 2);
		spool_close(s, 1);
		files("", remove_file);
	}
}

/* Whatever byte is wrong, at most the event it is in is lost. */
static void every_damaged_byte_costs_one_event(void **state)
{
	(void)state;
	enum { RECORD = 32 + 5 + 12 + 20 };
	for (hit_at = 0; hit_at < 3 * RECORD; hit_at++) {
		uint64_t bad = (uint64_t)hit_at / RECORD + 1;
		struct spool_totals t;
		struct spool *s = open_spool();
		put(s, 1, 1, 4, 20);
		spool_close(s, 1);
		hit_with = "\xfe";
		assert_int_equal(files(".seg", hit), 1);
		s = open_spool();
		for (uint64_t n = 1; n <= 4; n++)
			if (n != bad)
				expect(s, 1, n, n);
		expect_end(s);
		spool_totals(s, &t);
		assert_int_equal(t.damaged, bad == 1 ? 0 : 1); /* before the first none is known */
		assert_true(said > 0);
		assert_int_equal(files(".damaged", NULL), 1);
		spool_close(s, 1);
		files("", remove_file);
	}
}

static void damage_under_the_cursor_is_passed_over(void **state)
{
	(void)state;
	struct spool_totals t;
	struct spool *s = open_with(4 << 20, 600); /* segments of 1 MiB */
	put(s, 1, 1, 8500, 400);
	spool_tick(s, 1);
	hit_at = 300000;
	hit_with = "here";
	unsigned segments = files(".seg", hit);
	assert_true(segments >= 3);
	uint64_t seen = 0, last = 0;
	struct spool_record r;
	while (spool_next(s, &r)) {
		assert_true(r.id.n > last);
		last = r.id.n;
		seen++;
	}
	spool_totals(s, &t);
	assert_int_equal(last, 8500);
	assert_int_equal(seen, 8500 - segments);
	assert_int_equal(t.damaged, segments);
	assert_int_equal(files(".damaged", NULL), segments);
	spool_close(s, 1);
}

static void noise_is_no_reason_to_stop(void **state)
{
	(void)state;
	char path[100];
	snprintf(path, sizeof path, "%s/0000000000000001.seg", folder);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	for (unsigned i = 0; i < 100000; i++)
		fputc((int)(i * 2654435761U >> 13 & 0xff), f);
	fclose(f);
	snprintf(path, sizeof path, "%s/0000000000000002.seg", folder);
	f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	struct spool *s = open_spool();
	expect_end(s);
	put(s, 1, 1, 5, 5);
	expect(s, 1, 1, 5);
	spool_close(s, 1);
}

static void one_process_at_a_time(void **state)
{
	(void)state;
	struct err err = { 0 };
	const struct spool_options o = { .dir = folder, .max_bytes = 1 << 20 };
	struct spool *s = open_spool();
	assert_null(spool_open(&o, &err));
	assert_non_null(strstr(err.text, "in use by another process"));
	spool_close(s, 1);
}

static void too_long_is_lost_and_counted(void **state)
{
	(void)state;
	struct spool_totals t;
	char *line = calloc(1, 2 << 20);
	assert_non_null(line);
	struct spool *s = open_spool();
	assert_false(spool_append(s, (struct spool_id){ 1, 1 }, "alert", line, 2 << 20));
	put(s, 1, 2, 3, 90000);
	expect(s, 1, 2, 3);
	spool_totals(s, &t);
	assert_int_equal(t.lost, 1);
	spool_close(s, 1);
	free(line);
}

#define SPOOL_TEST(f) cmocka_unit_test_setup_teardown(f, before_each, after_each)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SPOOL_TEST(events_come_back_in_order),
		SPOOL_TEST(a_seek_goes_to_what_the_receiver_lacks),
		SPOOL_TEST(a_new_run_finds_what_the_last_left),
		SPOOL_TEST(acknowledged_events_are_kept_a_while),
		SPOOL_TEST(the_oldest_go_when_it_is_full),
		SPOOL_TEST(acknowledged_ones_go_without_loss),
		SPOOL_TEST(every_torn_end_is_cut),
		SPOOL_TEST(every_damaged_byte_costs_one_event),
		SPOOL_TEST(damage_under_the_cursor_is_passed_over),
		SPOOL_TEST(noise_is_no_reason_to_stop),
		SPOOL_TEST(one_process_at_a_time),
		SPOOL_TEST(too_long_is_lost_and_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
