/* test_capture.c - live capture on the loopback of a network of its own, and BPF filters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sensor/capture.h"
#include "tests/unit/wire.h"

/* UDP 10.0.0.1:5000 → 10.0.0.2:502, Ethernet and raw IP. */
static const char in_ethernet[] =
	"020000000002 020000000001 0800"
	"4500001e000040004011 26ce 0a000001 0a000002 1388 01f6 000a 0000 6869";
static const char in_raw[] = "4500001e000040004011 26ce 0a000001 0a000002 1388 01f6 000a 0000 6869";

static bool matches(struct capture_filter *f, uint32_t link, const char *hex)
{
	struct wire w = wire_hex(hex);
	struct frame frame = { .link = link,
		.caplen = (uint32_t)w.len,
		.wirelen = (uint32_t)w.len,
		.bytes = w.bytes };
	bool yes = capture_filter_match(f, &frame);
	free(w.bytes);
	return yes;
}

static void filters_replayed_frames_of_any_link(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct capture_filter *f = capture_filter_new(1, "udp port 502", &err);
	assert_non_null(f);
	assert_true(matches(f, 1, in_ethernet));
	assert_true(matches(f, 101, in_raw));
	assert_false(matches(f, 12345, in_raw));
	capture_filter_free(f);
	f = capture_filter_new(1, "not host 10.0.0.2", &err);
	assert_false(matches(f, 1, in_ethernet));
	assert_false(matches(f, 101, in_raw));
	capture_filter_free(f);
	f = capture_filter_new(1, "ether src 02:00:00:00:00:01", &err);
	assert_true(matches(f, 1, in_ethernet));
	assert_false(matches(f, 101, in_raw)); /* raw IP has no such thing */
	capture_filter_free(f);
	assert_false(err.set);
}

static void explains_a_wrong_filter(void **state)
{
	(void)state;
	struct err err = { 0 };
	assert_null(capture_filter_new(1, "udp prt 502", &err));
	assert_non_null(strstr(err.text, "filter \"udp prt 502\": "));
}

static void names_what_there_is_instead(void **state)
{
	(void)state;
	const char *const names[] = { "eth-none" };
	struct err err = { 0 };
	struct capture_options o = { .interfaces = names, .count = 1 };
	assert_null(capture_open(&o, &err));
	assert_true(err.set);
	if (geteuid() == 0)
		assert_non_null(strstr(err.text, "eth-none: no such interface; there are: "));
}

struct seen {
	unsigned frames;
	struct frame last;
	char text[8];
};

static void on_frame(void *ctx, const struct frame *f, unsigned interface)
{
	struct seen *s = ctx;
	s->frames += interface == 0;
	s->last = *f;
	if (f->caplen >= 4)
		memcpy(s->text, f->bytes + f->caplen - 4, 4);
}

static bool loopback_up(void)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool ok = ioctl(fd, SIOCSIFFLAGS, &r) == 0;
	close(fd);
	return ok;
}

static void send_datagrams(uint16_t port, unsigned n)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	for (unsigned i = 0; i < n; i++)
		(void)sendto(fd, "ping", 4, 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
}

/* 0: as it should be; 77: not possible here; else what failed. */
static int live(void)
{
	const char *const names[] = { "lo" };
	struct capture_options o = {
		.interfaces = names, .count = 1, .filter = "udp port 502", .timeout_ms = 10
	};
	struct seen seen = { 0 };
	struct err err = { 0 };
	if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return 77;
	if (!loopback_up())
		return 77;
	struct capture *c = capture_open(&o, &err);
	if (c == NULL)
		return 1;
	send_datagrams(502, 50);
	send_datagrams(503, 50);
	for (int i = 0; i < 50 && seen.frames < 50; i++)
		if (capture_poll(c, 20, on_frame, &seen, &err) < 0)
			return 2;
	struct capture_stats stats;
	capture_stats(c, &stats);
	int64_t age = (int64_t)time(NULL) * 1000000000 - seen.last.ts_ns;
	capture_close(c);
	if (seen.frames != 50 || seen.last.link != 1 || memcmp(seen.text, "ping", 4) != 0)
		return 3;
	if (stats.dropped != 0 || stats.received < 50)
		return 4;
	return age > -2000000000 && age < INT64_C(60000000000) ? 0 : 5;
}

static void captures_what_the_filter_lets_through(void **state)
{
	(void)state;
	pid_t pid = fork();
	if (pid == 0)
		_exit(live());
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* no network of our own to be had */
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filters_replayed_frames_of_any_link),
		cmocka_unit_test(explains_a_wrong_filter),
		cmocka_unit_test(names_what_there_is_instead),
		cmocka_unit_test(captures_what_the_filter_lets_through),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
