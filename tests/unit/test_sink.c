/* test_sink.c - the ring between two threads, and files that get every line, whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sensor/ring.h"
#include "sensor/sink.h"

static char said[4096];

static void say(const char *text)
{
	size_t n = strlen(said);
	snprintf(said + n, sizeof said - n, "%s\n", text);
}

static const struct sink_options options = { .sensor = "s", .drain_s = 5, .say = say };

static void ring_keeps_lines_whole_around_its_end(void **state)
{
	(void)state;
	struct ring r;
	char line[100];
	uint64_t in = 0, out = 0;
	assert_true(ring_init(&r, 4096));
	for (unsigned round = 0; round < 20000; round++) {
		size_t len = round * 7919 % sizeof line;
		memset(line, (int)(in & 0x7f), len);
		if (ring_put(&r, in, "t", line, len))
			in++;
		if (round % 3 != 0)
			continue;
		for (unsigned k = 0; k < 4; k++) {
			const struct ring_line *got = ring_peek(&r);
			if (got == NULL)
				break;
			assert_int_equal(got->n, out);
			for (uint32_t i = 0; i < got->len; i++)
				assert_int_equal(got->bytes[i], (int)(out & 0x7f));
			ring_pop(&r);
			out++;
		}
	}
	assert_true(in > 1000 && in - out < 200);
	ring_fini(&r);
}

static void ring_refuses_what_never_fits(void **state)
{
	(void)state;
	struct ring r;
	char line[2000] = "";
	assert_true(ring_init(&r, 4096));
	assert_false(ring_put(&r, 1, "t", line, ring_longest(&r) + 1));
	assert_true(ring_put(&r, 1, "t", line, ring_longest(&r)));
	ring_fini(&r);
}

static void *read_lines(void *arg)
{
	struct ring *r = arg;
	for (uint64_t n = 0; n < 200000;) {
		const struct ring_line *line = ring_peek(r);
		if (line == NULL) {
			if (ring_sleep(r))
				usleep(50);
			ring_awake(r);
			continue;
		}
		if (line->n != n || line->len != n % 61)
			return (void *)1;
		ring_pop(r);
		n++;
	}
	return NULL;
}

static void two_threads_lose_nothing(void **state)
{
	(void)state;
	static struct ring r;
	static const char line[64];
	pthread_t reader;
	void *bad;
	assert_true(ring_init(&r, 65536));
	assert_int_equal(pthread_create(&reader, NULL, read_lines, &r), 0);
	for (uint64_t n = 0; n < 200000;)
		if (ring_put(&r, n, "t", line, n % 61))
			n++;
	pthread_join(reader, &bad);
	assert_null(bad);
	ring_fini(&r);
}

static struct sinks *open_one(const char *spec, const struct sink_options *o)
{
	struct err err = { 0 };
	struct sinks *s = sinks_open(&spec, 1, o, &err);
	if (s == NULL)
		print_error("%s\n", err.text);
	assert_non_null(s);
	return s;
}

static void put(struct sinks *s, uint64_t first, uint64_t last)
{
	char line[64];
	for (uint64_t n = first; n <= last; n++) {
		int len = snprintf(line, sizeof line, "line %llu", (unsigned long long)n);
		sinks_put(s, n, "alert", line, (size_t)len);
	}
}

static void expect_lines(const char *path, uint64_t first, uint64_t last)
{
	char line[64], expected[64];
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	for (uint64_t n = first; n <= last; n++) {
		snprintf(expected, sizeof expected, "line %llu\n", (unsigned long long)n);
		assert_non_null(fgets(line, sizeof line, f));
		assert_string_equal(line, expected);
	}
	assert_null(fgets(line, sizeof line, f));
	fclose(f);
}

static void files_get_everything(void **state)
{
	(void)state;
	char path[] = "/tmp/test-sink-XXXXXX", spec[64];
	struct sink_totals t;
	struct err err = { 0 };
	int fd = mkstemp(path);
	snprintf(spec, sizeof spec, "file:%s", path);
	struct sinks *s = open_one(spec, &options);
	put(s, 1, 50000);
	assert_true(sinks_close(s, &err));
	expect_lines(path, 1, 50000);
	s = open_one(spec, &options); /* appends */
	put(s, 50001, 50010);
	sinks_totals(s, &t);
	assert_int_equal(t.put, 10);
	assert_true(sinks_close(s, &err));
	expect_lines(path, 1, 50010);
	close(fd);
	unlink(path);
}

static void a_rotated_file_is_opened_again(void **state)
{
	(void)state;
	char path[] = "/tmp/test-sink-XXXXXX", spec[64], old[64];
	struct err err = { 0 };
	close(mkstemp(path));
	snprintf(spec, sizeof spec, "file:%s", path);
	snprintf(old, sizeof old, "%s.1", path);
	struct sinks *s = open_one(spec, &options);
	put(s, 1, 100);
	assert_int_equal(rename(path, old), 0);
	sinks_reopen(s);
	for (unsigned i = 0; i < 500 && access(path, F_OK) != 0; i++)
		usleep(10000);
	assert_int_equal(access(path, F_OK), 0);
	put(s, 101, 200);
	assert_true(sinks_close(s, &err));
	expect_lines(old, 1, 100);
	expect_lines(path, 101, 200);
	unlink(path);
	unlink(old);
}

static void a_full_disk_is_said_and_counted(void **state)
{
	(void)state;
	struct err err = { 0 };
	said[0] = '\0';
	struct sinks *s = open_one("file:/dev/full", &options);
	put(s, 1, 1000);
	assert_false(sinks_close(s, &err));
	assert_non_null(strstr(err.text, "1000 events could not be written"));
	assert_non_null(strstr(said, "No space left on device"));
}

/* Runs the rest with stdout on a pipe; the descriptor it returns is put back by restore(). */
static int swap_stdout(int fd)
{
	int kept = dup(STDOUT_FILENO);
	fflush(stdout);
	dup2(fd, STDOUT_FILENO);
	close(fd);
	return kept;
}

static void restore(int kept)
{
	dup2(kept, STDOUT_FILENO);
	close(kept);
}

static void a_closed_pipe_ends_quietly(void **state)
{
	(void)state;
	int ends[2];
	struct err err = { 0 };
	assert_int_equal(pipe(ends), 0);
	int kept = swap_stdout(ends[1]);
	struct sinks *s = open_one("-", &options);
	put(s, 1, 10);
	close(ends[0]);
	bool broken = false;
	for (uint64_t n = 11; n < 2000 && !broken; n++) {
		put(s, n, n);
		usleep(5000);
		broken = sinks_broken(s);
	}
	bool good = sinks_close(s, &err);
	restore(kept);
	assert_true(broken);
	assert_true(good);
}

/* Live, nobody reads the pipe: the worker goes on at once, and what did not fit is counted. */
static void a_stuck_pipe_never_blocks_a_live_sensor(void **state)
{
	(void)state;
	int ends[2];
	struct err err = { 0 };
	struct sink_totals t;
	struct sink_options live = options;
	live.live = true;
	live.drain_s = 0;
	assert_int_equal(pipe(ends), 0);
	said[0] = '\0';
	int kept = swap_stdout(ends[1]);
	struct sinks *s = open_one("-", &live);
	put(s, 1, 300000);
	sinks_totals(s, &t);
	bool good = sinks_close(s, &err);
	restore(kept);
	close(ends[0]);
	assert_int_equal(t.put, 300000);
	assert_true(t.dropped > 10000);
	assert_false(good);
	assert_non_null(strstr(said, "too slow"));
}

static void syslog_gets_a_datagram_each(void **state)
{
	(void)state;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char spec[128], got[256];
	struct err err = { 0 };
	snprintf(a.sun_path, sizeof a.sun_path, "/tmp/test-syslog-%d", (int)getpid());
	snprintf(spec, sizeof spec, "syslog:%s", a.sun_path);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
	struct sinks *s = open_one(spec, &options);
	put(s, 1, 3);
	assert_true(sinks_close(s, &err));
	for (unsigned n = 1; n <= 3; n++) {
		char end[32];
		ssize_t len = recv(fd, got, sizeof got - 1, MSG_DONTWAIT);
		assert_true(len > 0);
		got[len] = '\0';
		snprintf(end, sizeof end, "]: @cee: line %u", n);
		assert_memory_equal(got, "<28>", 4);
		assert_non_null(strstr(got, end));
	}
	close(fd);
	unlink(a.sun_path);
}

static void bad_specs_are_refused(void **state)
{
	(void)state;
	static const char *const specs[] = { "", "x", "-x", "file:", "file:/no/such/folder/x",
		"syslog:x", "http://h", "redis://" };
	for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
		struct err err = { 0 };
		assert_null(sinks_open(&specs[i], 1, &options, &err));
		assert_true(err.set);
	}
	const char *const twice[] = { "file:/dev/null", "file:/dev/null" };
	struct err err = { 0 };
	assert_null(sinks_open(twice, 2, &options, &err));
	assert_non_null(strstr(err.text, "given twice"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ring_keeps_lines_whole_around_its_end),
		cmocka_unit_test(ring_refuses_what_never_fits),
		cmocka_unit_test(two_threads_lose_nothing),
		cmocka_unit_test(files_get_everything),
		cmocka_unit_test(a_rotated_file_is_opened_again),
		cmocka_unit_test(a_full_disk_is_said_and_counted),
		cmocka_unit_test(a_closed_pipe_ends_quietly),
		cmocka_unit_test(a_stuck_pipe_never_blocks_a_live_sensor),
		cmocka_unit_test(syslog_gets_a_datagram_each),
		cmocka_unit_test(bad_specs_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
