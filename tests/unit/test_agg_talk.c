/* test_agg_talk.c - question and answer with Redis: redirections of a cluster followed and
 * remembered, and ends of all kinds. The servers are the test's own, in threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/talk.h"

/* A server that reads commands and gives answers in order, whatever is asked. */
struct server {
	int listener;
	int port;
	pthread_t thread;
	const char *const *answer; /* NULL-terminated; "" closes the connection */
	char seen[16][256];        /* commands, words joined by blanks */
	unsigned count;
};

static struct server a, b;

/* One command in RESP; false at the end. */
static bool read_command(FILE *f, char out[256])
{
	char line[256];
	out[0] = '\0';
	if (fgets(line, sizeof line, f) == NULL || line[0] != '*')
		return false;
	for (int words = atoi(line + 1); words > 0; words--) {
		if (fgets(line, sizeof line, f) == NULL || fgets(line, sizeof line, f) == NULL)
			return false;
		line[strcspn(line, "\r\n")] = '\0';
		size_t len = strlen(out);
		snprintf(out + len, 256 - len, "%s%.100s", len > 0 ? " " : "", line);
	}
	return true;
}

static void serve_one(struct server *s, int fd)
{
	FILE *f = fdopen(fd, "r+");
	setvbuf(f, NULL, _IOFBF, 4096);
	while (s->count < 16 && read_command(f, s->seen[s->count])) {
		const char *answer = *s->answer == NULL ? "" : *s->answer++;
		s->count++;
		if (*answer == '\0')
			break;
		fseek(f, 0, SEEK_CUR);
		if (write(fd, answer, strlen(answer)) < 0)
			break;
	}
	fclose(f);
}

static void *serve(void *ctx)
{
	struct server *s = ctx;
	for (int fd; (fd = accept(s->listener, NULL, NULL)) >= 0;)
		serve_one(s, fd);
	return NULL;
}

static void start(struct server *s)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof at;
	*s = (struct server){ .listener = socket(AF_INET, SOCK_STREAM, 0) };
	assert_int_equal(bind(s->listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(s->listener, 16), 0);
	getsockname(s->listener, (struct sockaddr *)&at, &len);
	s->port = ntohs(at.sin_port);
}

static void run(struct server *s, const char *const *answer)
{
	s->answer = answer;
	pthread_create(&s->thread, NULL, serve, s);
}

static void stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}

static atomic_bool stopped;

static struct talk *talk_to(const struct server *s)
{
	char url[64];
	struct err err = { 0 };
	snprintf(url, sizeof url, "redis://127.0.0.1:%d", s->port);
	atomic_store(&stopped, false);
	struct talk *t = talk_open(url, &stopped, &err);
	if (t == NULL)
		fail_msg("%s", err.text);
	return t;
}

static struct bus_reply *get(struct talk *t, const char *key, struct err *err)
{
	const char *words[] = { "GET", key };
	return talk_ask(t, key, 2, words, NULL, err);
}

static void want(struct talk *t, const char *key, const char *text)
{
	struct err err = { 0 };
	struct bus_reply *r = talk_say(t, &err, "GET", key, (char *)NULL);
	if (r == NULL)
		fail_msg("%s", err.text);
	assert_string_equal(r->text, text);
	bus_reply_free(r);
}

static void redirections_are_followed_and_remembered(void **state)
{
	char moved[64];
	const char *first[] = { moved, "+later\r\n", NULL };
	const char *second[] = { "+there\r\n", "+again\r\n", NULL };
	(void)state;
	start(&a);
	start(&b);
	snprintf(moved, sizeof moved, "-MOVED 12182 127.0.0.1:%d\r\n", b.port);
	run(&a, first);
	run(&b, second);
	struct talk *t = talk_to(&a);
	assert_false(talk_is_cluster(t));
	want(t, "foo", "there"); /* slot 12182 */
	assert_true(talk_is_cluster(t));
	want(t, "foo", "again"); /* at once where it lives */
	want(t, "bar", "later"); /* of another slot nothing is known */
	talk_close(t);
	stop(&a);
	stop(&b);
	assert_int_equal(a.count, 2);
	assert_int_equal(b.count, 2);
	assert_string_equal(b.seen[0], "GET foo");
}

static void an_ask_is_for_once(void **state)
{
	char ask[64];
	const char *first[] = { ask, "+mine\r\n", NULL };
	const char *second[] = { "+OK\r\n", "+there\r\n", NULL };
	(void)state;
	start(&a);
	start(&b);
	snprintf(ask, sizeof ask, "-ASK 12182 127.0.0.1:%d\r\n", b.port);
	run(&a, first);
	run(&b, second);
	struct talk *t = talk_to(&a);
	want(t, "foo", "there");
	want(t, "foo", "mine");
	talk_close(t);
	stop(&a);
	stop(&b);
	assert_string_equal(b.seen[0], "ASKING");
	assert_string_equal(b.seen[1], "GET foo");
}

static void a_circle_of_redirections_ends(void **state)
{
	char there[64], back[64];
	const char *first[] = { there, there, there, there, there, there, NULL };
	const char *second[] = { back, back, back, back, back, back, NULL };
	struct err err = { 0 };
	(void)state;
	start(&a);
	start(&b);
	snprintf(there, sizeof there, "-MOVED 12182 127.0.0.1:%d\r\n", b.port);
	snprintf(back, sizeof back, "-MOVED 12182 127.0.0.1:%d\r\n", a.port);
	run(&a, first);
	run(&b, second);
	struct talk *t = talk_to(&a);
	assert_null(get(t, "foo", &err));
	assert_non_null(strstr(err.text, "too many redirections"));
	talk_close(t);
	stop(&a);
	stop(&b);
	assert_int_equal(a.count + b.count, 8);
}

static void nonsense_is_no_place_to_go(void **state)
{
	static const char *const answers[] = { "-MOVED\r\n", "-MOVED 1 nowhere\r\n",
		"-MOVED x y:z\r\n", "+good\r\n", NULL };
	(void)state;
	start(&a);
	run(&a, answers);
	struct talk *t = talk_to(&a);
	for (unsigned i = 0; i < 3; i++) {
		struct err err = { 0 };
		assert_null(get(t, "foo", &err));
		assert_true(err.set);
	}
	want(t, "foo", "good");
	talk_close(t);
	stop(&a);
}

/* An error of the server is an answer; a connection that goes is none, and the next call has
 * another. */
static void ends_of_all_kinds(void **state)
{
	static const char *const answers[] = { "-ERR no\r\n", "", "+back\r\n", "?what\r\n",
		"+good\r\n", NULL };
	struct err err = { 0 };
	(void)state;
	start(&a);
	run(&a, answers);
	struct talk *t = talk_to(&a);
	struct bus_reply *r = get(t, "foo", &err);
	assert_non_null(r);
	assert_true(bus_is_error(r, "ERR"));
	bus_reply_free(r);
	assert_null(get(t, "foo", &err));
	assert_true(err.set);
	want(t, "foo", "back");
	err = (struct err){ 0 };
	assert_null(get(t, "foo", &err)); /* that is no protocol */
	want(t, "foo", "good");
	atomic_store(&stopped, true);
	err = (struct err){ 0 };
	assert_null(get(t, "foo", &err));
	assert_non_null(strstr(err.text, "stopped"));
	talk_close(t);
	stop(&a);
}

static void nobody_there_and_no_url(void **state)
{
	struct err err = { 0 };
	(void)state;
	start(&a);
	close(a.listener);
	struct talk *t = talk_to(&a);
	assert_null(get(t, "foo", &err));
	assert_true(err.set);
	talk_close(t);
	talk_close(NULL);
	err = (struct err){ 0 };
	assert_null(talk_open("http://x", &stopped, &err));
	assert_true(err.set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redirections_are_followed_and_remembered),
		cmocka_unit_test(an_ask_is_for_once),
		cmocka_unit_test(a_circle_of_redirections_ends),
		cmocka_unit_test(nonsense_is_no_place_to_go),
		cmocka_unit_test(ends_of_all_kinds),
		cmocka_unit_test(nobody_there_and_no_url),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
