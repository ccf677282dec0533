/* test_bus.c - Redis URLs read strictly, and replies of a hostile server held within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/bus.h"

static void urls_are_read(void **state)
{
	(void)state;
	struct bus_target t;
	struct err err = { 0 };
	assert_true(
		bus_url("redis://plant.example:7000?key=a%20b&mode=list&user=u&password-file=/p",
			&t, &err));
	assert_int_equal(t.kind, BUS_TCP);
	assert_string_equal(t.host, "plant.example");
	assert_int_equal(t.port, 7000);
	assert_string_equal(t.key, "a b");
	assert_int_equal(t.mode, BUS_LIST);
	assert_string_equal(t.user, "u");
	assert_string_equal(t.password_file, "/p");
	assert_true(bus_url("redis://[::1]", &t, &err));
	assert_string_equal(t.host, "::1");
	assert_int_equal(t.port, 6379);
	assert_int_equal(t.mode, BUS_STREAM);
	assert_true(bus_url("rediss://h/?ca-file=/ca&cert-file=/c&key-file=/k", &t, &err));
	assert_int_equal(t.kind, BUS_TLS);
	assert_true(bus_url("redis+unix:///run/r.sock?mode=channel", &t, &err));
	assert_int_equal(t.kind, BUS_UNIX);
	assert_string_equal(t.path, "/run/r.sock");
	assert_int_equal(t.mode, BUS_CHANNEL);
}

static void bad_urls_are_refused(void **state)
{
	(void)state;
	static const char *const urls[] = { "", "redis:", "redis:/h", "redis://", "redis://:1",
		"redis://h:", "redis://h:0", "redis://h:65536", "redis://h:12a", "redis://h:-1",
		"redis://h/1", "redis://[::1", "redis://[::1]x", "redis://u:p@h", "redis://h?",
		"redis://h?=", "redis://h?key", "redis://h?key=", "redis://h?Key=x",
		"redis://h?key=%0", "redis://h?key=%gg", "redis://h?key=%00",
		"redis://h?key=a&key=b", "redis://h?mode=", "redis://h?mode=x", "redis://h?user=x",
		"redis://h?ca-file=/x", "rediss://h?key-file=/x", "redis+unix://",
		"redis+unix://run", "http://h", "redis://h?a" };
	for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
		struct bus_target t;
		struct err err = { 0 };
		bool good = bus_url(urls[i], &t, &err);
		if (strcmp(urls[i], "redis://h?") == 0) {
			assert_true(good); /* an empty list of options */
			continue;
		}
		if (good)
			print_error("%s was read\n", urls[i]);
		assert_false(good);
		assert_true(err.set);
	}
	char url[600] = "redis://";
	memset(url + 8, 'h', 500);
	struct bus_target t;
	struct err err = { 0 };
	assert_false(bus_url(url, &t, &err));
}

/* ---- a server of a few bytes ---- */

static const struct bus_limits limits = {
	.connect_ms = 200, .reply_ms = 200, .max_reply = 65536, .max_out = 65536
};

struct server {
	struct sockaddr_un address;
	int listener, fd;
	struct bus *bus;
};

static void serve(struct server *s)
{
	struct err err = { 0 };
	struct bus_target t = { .kind = BUS_UNIX };
	*s = (struct server){ .address = { .sun_family = AF_UNIX }, .fd = -1 };
	snprintf(
		s->address.sun_path, sizeof s->address.sun_path, "/tmp/test-bus-%d", (int)getpid());
	unlink(s->address.sun_path);
	s->listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&s->address, sizeof s->address), 0);
	assert_int_equal(listen(s->listener, 1), 0);
	snprintf(t.path, sizeof t.path, "%s", s->address.sun_path);
	s->bus = bus_open(&t, &limits, 0, &err);
	assert_non_null(s->bus);
	s->fd = accept(s->listener, NULL, NULL);
	assert_true(bus_work(s->bus, 0, &err));
	assert_int_equal(bus_state(s->bus), BUS_UP);
}

static void stop(struct server *s)
{
	bus_close(s->bus);
	if (s->fd >= 0)
		close(s->fd);
	close(s->listener);
	unlink(s->address.sun_path);
}

static void ping(struct server *s, int64_t now_ms)
{
	static const char *const argv[] = { "PING" };
	struct err err = { 0 };
	assert_true(bus_send(s->bus, 1, argv, NULL));
	assert_true(bus_work(s->bus, now_ms, &err));
}

static void answer(const struct server *s, const char *bytes)
{
	assert_int_equal(write(s->fd, bytes, strlen(bytes)), (ssize_t)strlen(bytes));
}

static struct bus_reply *reply_to(struct server *s, const char *bytes)
{
	struct err err = { 0 };
	ping(s, 0);
	answer(s, bytes);
	assert_true(bus_work(s->bus, 0, &err));
	return bus_receive(s->bus);
}

static void replies_of_every_kind(void **state)
{
	(void)state;
	struct server s;
	struct bus_reply *r;
	char got[64];
	serve(&s);
	r = reply_to(&s, "+PONG\r\n");
	assert_int_equal(read(s.fd, got, sizeof got), 14);
	assert_memory_equal(got, "*1\r\n$4\r\nPING\r\n", 14);
	assert_int_equal(r->type, BUS_STATUS);
	assert_string_equal(r->text, "PONG");
	bus_reply_free(r);
	r = reply_to(&s, ":-42\r\n");
	assert_true(r->type == BUS_INTEGER && r->integer == -42);
	bus_reply_free(r);
	r = reply_to(&s, "$-1\r\n");
	assert_int_equal(r->type, BUS_NIL);
	bus_reply_free(r);
	r = reply_to(
		&s, "*4\r\n$1\r\na\r\n$3\r\nx\ry\r\n$20\r\nlast-generated-id---\r\n*1\r\n:1\r\n");
	assert_true(r->type == BUS_ARRAY && r->count == 4);
	assert_string_equal(bus_pair(r, "a")->text, "x\ry");
	assert_null(bus_pair(r, "b"));
	assert_int_equal(bus_pair(r, "last-generated-id---")->count, 1);
	bus_reply_free(r);
	r = reply_to(&s, "-MOVED 866 10.0.0.7:7001\r\n");
	struct bus_target t = { .host = "h", .port = 1 };
	assert_true(bus_is_error(r, "MOVED") && !bus_is_error(r, "MOV"));
	assert_true(bus_follow(r, &t));
	assert_string_equal(t.host, "10.0.0.7");
	assert_int_equal(t.port, 7001);
	bus_reply_free(r);
	assert_int_equal(bus_due(s.bus), 0);
	stop(&s);
}

static void redirections_that_make_no_sense(void **state)
{
	(void)state;
	static const char *const bad[] = { "-MOVED\r\n", "-MOVED 1\r\n", "-MOVED 1 h\r\n",
		"-MOVED 1 h:\r\n", "-MOVED 1 foo bar:6379\r\n", "-MOVED 1 h:0\r\n",
		"-MOVED 1 h:99999\r\n", "-ERR 1 h:1\r\n" };
	struct server s;
	serve(&s);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct bus_target t = { .host = "h", .port = 1 };
		struct bus_reply *r = reply_to(&s, bad[i]);
		assert_false(bus_follow(r, &t));
		assert_string_equal(t.host, "h");
		bus_reply_free(r);
	}
	stop(&s);
}

static void a_reply_comes_in_single_bytes(void **state)
{
	(void)state;
	static const char text[] = "*2\r\n$5\r\nhello\r\n*1\r\n$2\r\nok\r\n";
	struct server s;
	struct err err = { 0 };
	serve(&s);
	ping(&s, 0);
	for (size_t i = 0; i < sizeof text - 1; i++) {
		assert_null(bus_receive(s.bus));
		assert_int_equal(write(s.fd, text + i, 1), 1);
		assert_true(bus_work(s.bus, 0, &err));
	}
	struct bus_reply *r = bus_receive(s.bus);
	assert_non_null(r);
	assert_string_equal(r->element[1]->element[0]->text, "ok");
	bus_reply_free(r);
	stop(&s);
}

/* Each of these must end the connection with a word, not with memory. */
static void hostile_replies_end_the_connection(void **state)
{
	(void)state;
	static const char *const bad[] = { "*2000000000\r\n", "*1048577\r\n",
		"*1048000\r\n*1048000\r\n*1048000\r\n",
		"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n", "hello\r\n", "\r\n",
		"$-5\r\n", "*-5\r\n", "$99999999999999999999\r\n" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct server s;
		struct err err = { 0 };
		serve(&s);
		ping(&s, 0);
		answer(&s, bad[i]);
		bool good = bus_work(s.bus, 0, &err);
		struct bus_reply *r = bus_receive(s.bus);
		if (good && r == NULL)
			good = bus_work(s.bus, 0, &err);
		if (good || r != NULL)
			print_error("%zu was taken\n", i);
		assert_false(good);
		assert_null(r);
		assert_true(err.set);
		assert_int_equal(bus_state(s.bus), BUS_DOWN);
		stop(&s);
	}
}

static void an_endless_reply_is_cut_off(void **state)
{
	(void)state;
	static char chunk[8192];
	struct server s;
	struct err err = { 0 };
	bool good = true;
	serve(&s);
	ping(&s, 0);
	answer(&s, "$2000000000\r\n");
	memset(chunk, 'x', sizeof chunk);
	unsigned sent = 0;
	while (good && sent < 1000) {
		if (send(s.fd, chunk, sizeof chunk, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
			sent++;
		good = bus_work(s.bus, 0, &err);
	}
	assert_false(good);
	assert_true(sent < 200); /* 64 KiB are allowed; the socket holds some more */
	assert_non_null(strstr(err.text, "more than 65536 bytes"));
	stop(&s);
}

static void silence_is_no_reply(void **state)
{
	(void)state;
	struct server s;
	struct err err = { 0 };
	serve(&s);
	assert_true(bus_work(s.bus, 100000, &err)); /* nothing is due: no hurry */
	ping(&s, 100000);
	assert_int_equal(bus_patience(s.bus, 100000, 1000), 200);
	assert_true(bus_work(s.bus, 100199, &err));
	assert_false(bus_work(s.bus, 100200, &err));
	assert_string_equal(err.text, "no reply in time");
	stop(&s);
}

static void each_question_has_its_own_time(void **state)
{
	(void)state;
	struct server s;
	struct err err = { 0 };
	serve(&s);
	ping(&s, 0);
	answer(&s, "+PONG\r\n");
	assert_true(bus_work(s.bus, 0, &err));
	bus_reply_free(bus_receive(s.bus));
	/* asked again at once after a long rest, without a turn in between */
	ping(&s, 100000);
	assert_true(bus_work(s.bus, 100199, &err));
	assert_false(bus_work(s.bus, 100200, &err));
	stop(&s);
}

static void a_server_that_hangs_up_is_told_of(void **state)
{
	(void)state;
	struct server s;
	struct err err = { 0 };
	serve(&s);
	close(s.fd);
	s.fd = -1;
	assert_false(bus_work(s.bus, 0, &err));
	assert_string_equal(err.text, "connection closed");
	stop(&s);
}

static void the_queue_is_bounded(void **state)
{
	(void)state;
	static char value[10000];
	struct server s;
	serve(&s);
	memset(value, 'v', sizeof value - 1);
	const char *argv[] = { "SET", "k", value };
	unsigned n = 0;
	while (n < 100 && bus_send(s.bus, 3, argv, NULL))
		n++;
	assert_true(n >= 6 && n <= 8);
	stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_read),
		cmocka_unit_test(bad_urls_are_refused),
		cmocka_unit_test(replies_of_every_kind),
		cmocka_unit_test(redirections_that_make_no_sense),
		cmocka_unit_test(a_reply_comes_in_single_bytes),
		cmocka_unit_test(hostile_replies_end_the_connection),
		cmocka_unit_test(an_endless_reply_is_cut_off),
		cmocka_unit_test(silence_is_no_reply),
		cmocka_unit_test(each_question_has_its_own_time),
		cmocka_unit_test(a_server_that_hangs_up_is_told_of),
		cmocka_unit_test(the_queue_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
