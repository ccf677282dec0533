/* test_savefile.c - capture files of every kind, cut, damaged, and through a pipe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sensor/savefile.h"
#include "tests/unit/wire.h"

static char path[] = "/tmp/bongsu-savefile-XXXXXX";

/* A file being written, in either byte order. */
struct made {
	uint8_t bytes[1 << 20];
	size_t len;
	bool big;
};

static struct made made;

static void begin(bool big)
{
	made.len = 0;
	made.big = big;
}

static void put(const void *bytes, size_t n)
{
	assert_true(made.len + n <= sizeof(made.bytes));
	memcpy(made.bytes + made.len, bytes, n);
	made.len += n;
}

static void put32(uint32_t v)
{
	v = made.big ? htobe32(v) : htole32(v);
	put(&v, sizeof(v));
}

static void put16(uint16_t v)
{
	v = made.big ? htobe16(v) : htole16(v);
	put(&v, sizeof(v));
}

static void pcap_header(uint32_t magic, uint32_t link)
{
	put32(magic);
	put16(2);
	put16(4);
	put32(0);
	put32(0);
	put32(65535);
	put32(link);
}

static void record(uint32_t seconds, uint32_t fraction, const char *text, uint32_t wirelen)
{
	put32(seconds);
	put32(fraction);
	put32((uint32_t)strlen(text));
	put32(wirelen);
	put(text, strlen(text));
}

/* A pcapng block; the body is put between the two. */
static size_t open_block(uint32_t type)
{
	put32(type);
	put32(0);
	return made.len - 8;
}

static void close_block(size_t at)
{
	static const uint8_t zeros[4];
	put(zeros, (4 - made.len % 4) % 4);
	uint32_t len = (uint32_t)(made.len - at + 4);
	uint32_t ordered = made.big ? htobe32(len) : htole32(len);
	memcpy(made.bytes + at + 4, &ordered, 4);
	put32(len);
}

static void section(bool big)
{
	made.big = big;
	size_t at = open_block(0x0a0d0d0a);
	put32(0x1a2b3c4d);
	put16(1);
	put16(0);
	put32(UINT32_MAX);
	put32(UINT32_MAX);
	close_block(at);
}

static void interface(uint16_t link, uint32_t snaplen, int resolution, int64_t offset)
{
	size_t at = open_block(1);
	put16(link);
	put16(0);
	put32(snaplen);
	put16(2); /* a name */
	put16(3);
	put("eth", 4);
	if (resolution >= 0) {
		uint8_t r[4] = { (uint8_t)resolution };
		put16(9);
		put16(1);
		put(r, 4);
	}
	if (offset != 0) {
		uint64_t v = made.big ? htobe64((uint64_t)offset) : htole64((uint64_t)offset);
		put16(14);
		put16(8);
		put(&v, 8);
	}
	put32(0);
	close_block(at);
}

static void packet_head(uint64_t time, uint32_t caplen, uint32_t wirelen)
{
	put32((uint32_t)(time >> 32));
	put32((uint32_t)time);
	put32(caplen);
	put32(wirelen);
}

static void enhanced(uint32_t number, uint64_t time, const char *text)
{
	size_t at = open_block(6);
	put32(number);
	packet_head(time, (uint32_t)strlen(text), (uint32_t)strlen(text));
	put(text, strlen(text));
	close_block(at);
}

static struct savefile *open_bytes(const void *bytes, size_t n, struct err *err)
{
	FILE *f = fopen(path, "wb");
	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
	*err = (struct err){ 0 };
	return savefile_open(path, err);
}

static struct savefile *open_made(void)
{
	struct err err;
	struct savefile *s = open_bytes(made.bytes, made.len, &err);
	if (s == NULL)
		fail_msg("%s", err.text);
	return s;
}

static void expect(struct savefile *s, int64_t ts_ns, uint32_t link, const char *text)
{
	struct frame f;
	struct err err = { 0 };
	int got = savefile_next(s, &f, &err);
	if (got != 1)
		fail_msg("%d %s", got, err.text);
	assert_int_equal(f.ts_ns, ts_ns);
	assert_int_equal(f.link, link);
	assert_int_equal(f.caplen, strlen(text));
	assert_memory_equal(f.bytes, text, f.caplen);
	assert_true(f.wirelen >= f.caplen);
}

static void expect_end(struct savefile *s)
{
	struct frame f;
	struct err err = { 0 };
	assert_int_equal(savefile_next(s, &f, &err), 0);
	assert_int_equal(savefile_next(s, &f, &err), 0);
	assert_false(err.set);
	savefile_close(s);
}

/* "PATH: reason" */
static void expect_fault(const char *text, const char *reason)
{
	assert_memory_equal(text, path, strlen(path));
	assert_string_equal(text + strlen(path), reason);
}

static void expect_damage(const char *reason)
{
	struct savefile *s = open_made();
	struct err err = { 0 };
	struct frame f;
	int got;
	while ((got = savefile_next(s, &f, &err)) == 1)
		;
	assert_int_equal(got, -1);
	expect_fault(err.text, reason);
	assert_int_equal(savefile_next(s, &f, &err), -1);
	savefile_close(s);
}

static void reads_the_four_classic_kinds(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 4; kind++) {
		bool big = kind & 1, nano = kind & 2;
		begin(big);
		pcap_header(nano ? 0xa1b23c4d : 0xa1b2c3d4, 0x10000000 | 113);
		record(1, 999999, "hello", 60);
		record(UINT32_MAX, 0, "", 0);
		struct savefile *s = open_made();
		assert_int_equal(savefile_size(s), made.len);
		expect(s, 1000000000 + 999999 * (nano ? 1 : 1000), 113, "hello");
		expect(s, (int64_t)UINT32_MAX * 1000000000, 113, "");
		assert_int_equal(savefile_position(s), made.len);
		expect_end(s);
	}
}

static void reads_pcapng_of_many_interfaces_and_clocks(void **state)
{
	(void)state;
	const int64_t s_ns = 1000000000;
	begin(false);
	section(false);
	interface(1, 0, -1, 0);        /* microseconds */
	interface(101, 0, 9, 1000);    /* nanoseconds after an offset */
	interface(113, 0, 0x8a, 0);    /* 1/1024 s */
	interface(0, 0, 0, -5);        /* seconds */
	interface(12, 0, 12, 0);       /* picoseconds */
	interface(1, 0, 0x80 | 63, 0); /* 2^-63 s */
	enhanced(0, 1500000, "micro");
	enhanced(1, 7, "nano");
	size_t at = open_block(0x80000bad);
	put("a block nobody knows", 20);
	close_block(at);
	enhanced(2, 1536, "binary");
	enhanced(3, 12, "seconds");
	enhanced(4, 1234567, "pico");
	enhanced(5, UINT64_C(3) << 62, "fine");
	enhanced(0, UINT64_MAX, "far");
	struct savefile *s = open_made();
	expect(s, 1500000000, 1, "micro");
	expect(s, 1000 * s_ns + 7, 101, "nano");
	expect(s, 1500000000, 113, "binary");
	expect(s, 7 * s_ns, 0, "seconds");
	expect(s, 1234, 12, "pico");
	expect(s, 1500000000, 1, "fine");
	expect(s, (INT64_C(1) << 62) - 1, 1, "far");
	expect_end(s);
}

static void reads_sections_of_both_byte_orders(void **state)
{
	(void)state;
	begin(false);
	section(true);
	interface(1, 0, 9, 3);
	enhanced(0, 5, "big");
	section(false);
	interface(101, 3, -1, 0);
	size_t at = open_block(2); /* obsolete */
	put16(0);
	put16(9); /* drops */
	packet_head(2, 3, 9);
	put("old", 3);
	close_block(at);
	at = open_block(3); /* simple: no time, cut at the interface's snaplen */
	put32(10);
	put("sim", 3);
	close_block(at);
	struct savefile *s = open_made();
	expect(s, 3000000005, 1, "big");
	expect(s, 2000, 101, "old");
	expect(s, 2000, 101, "sim");
	expect_end(s);
}

static void names_what_is_no_capture(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *reason;
	} files[] = {
		{ "", ": not a capture file: it is empty" },
		{ "00", ": not a capture file" },
		{ "68656c6c6f20776f726c642c206e6f20636170747572652068657265",
			": not a capture file" },
		{ "1f8b0800", ": compressed: gunzip it first" },
		{ "28b52ffd00", ": compressed: unzstd it first" },
		{ "fd377a585a00", ": compressed: unxz it first" },
		{ "425a6839", ": compressed: bunzip2 it first" },
		{ "34cdb2a1 0200 0400", ": the modified pcap format of old Linux kernels is not "
					"read: editcap converts it" },
		{ "736e6f6f70000000", ": a snoop capture is not read: editcap converts it" },
		{ "d4c3b2a1 0200 0400 0000", ": cut off in the file header" },
		{ "d4c3b2a1 0300 0400 0000000000000000 00000000 01000000",
			": pcap version 3 is not read: editcap converts it" },
	};
	struct err err;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct wire w = wire_hex(files[i].hex);
		assert_null(open_bytes(w.bytes, w.len, &err));
		expect_fault(err.text, files[i].reason);
		free(w.bytes);
	}
	err = (struct err){ 0 };
	assert_null(savefile_open("/tmp/no-such-capture.pcap", &err));
	assert_string_equal(err.text, "/tmp/no-such-capture.pcap: No such file or directory");
	err = (struct err){ 0 };
	assert_null(savefile_open("/tmp", &err));
	assert_string_equal(err.text, "/tmp: is a directory");
}

static void says_where_a_file_is_damaged(void **state)
{
	(void)state;
	begin(false);
	pcap_header(0xa1b2c3d4, 1);
	record(1, 0, "fine", 4);
	put32(1);
	put32(0);
	put32(300000);
	put32(300000);
	expect_damage(": damaged at packet 2, byte 44: a packet of more than 256 KiB");
	made.len -= 4;
	expect_damage(": cut off in packet 2 at byte 44");

	begin(false);
	section(false);
	enhanced(0, 1, "x");
	expect_damage(
		": damaged at packet 1, byte 28: a packet of an interface that was not described");
	begin(false);
	section(false);
	interface(1, 0, 0x80 | 64, 0);
	expect_damage(": damaged at packet 1, byte 28: an interface block with impossible options");
	begin(false);
	section(false);
	put32(5);
	put32(13);
	put32(13);
	expect_damage(": damaged at packet 1, byte 28: a block of impossible length");
	begin(false);
	section(false);
	put32(5);
	put32(12);
	put32(16);
	expect_damage(": damaged at packet 1, byte 28: a block whose two lengths differ");
	begin(false);
	section(false);
	interface(1, 0, -1, 0);
	size_t at = open_block(6);
	put32(0);
	packet_head(0, 100, 100);
	close_block(at);
	expect_damage(": damaged at packet 1, byte 60: a packet longer than its block");
	begin(false);
	section(false);
	made.bytes[8] = 0;
	expect_damage(": damaged at packet 1, byte 0: a section of no known byte order");
	begin(false);
	section(false);
	put32(5);
	put32(0x7ffffffc);
	put32(0);
	expect_damage(": damaged at packet 1, byte 28: a block of impossible length");
}

static void make_both(bool ng)
{
	begin(ng);
	if (ng) {
		section(true);
		interface(1, 0, 6, 1);
		enhanced(0, 1, "one");
		section(false);
		interface(1, 0, -1, 0);
		enhanced(0, 2, "two");
	} else {
		pcap_header(0xa1b2c3d4, 1);
		record(1, 1, "one", 3);
		record(1, 2, "two", 3);
	}
}

/* Reads to the end; returns how many packets there were. */
static unsigned drain(struct savefile *s, int *end)
{
	struct frame f;
	struct err err = { 0 };
	unsigned n = 0;
	uint8_t sum = 0;
	while ((*end = savefile_next(s, &f, &err)) == 1) {
		for (uint32_t i = 0; i < f.caplen; i++)
			sum ^= f.bytes[i];
		n++;
	}
	assert_true(err.set == (*end < 0));
	savefile_close(s);
	return n + (sum & 0u);
}

static void survives_every_cut(void **state)
{
	(void)state;
	for (unsigned ng = 0; ng < 2; ng++) {
		make_both(ng);
		unsigned most = 0, whole_ends = 0;
		for (size_t n = 0; n <= made.len; n++) {
			struct err err;
			int end;
			struct savefile *s = open_bytes(made.bytes, n, &err);
			if (s == NULL) {
				assert_true(n < 24);
				continue;
			}
			unsigned packets = drain(s, &end);
			assert_true(packets >= most);
			most = packets;
			whole_ends += end == 0;
		}
		assert_int_equal(most, 2);
		assert_int_equal(whole_ends, ng ? 6 : 3); /* only where a record ends */
	}
}

static void survives_every_changed_byte(void **state)
{
	(void)state;
	for (unsigned ng = 0; ng < 2; ng++) {
		make_both(ng);
		for (size_t n = 0; n < made.len * 8; n++) {
			struct err err;
			int end;
			made.bytes[n / 8] = (uint8_t)(made.bytes[n / 8] ^ 1u << n % 8);
			struct savefile *s = open_bytes(made.bytes, made.len, &err);
			if (s != NULL)
				assert_in_range(drain(s, &end), 0, 2);
			made.bytes[n / 8] = (uint8_t)(made.bytes[n / 8] ^ 1u << n % 8);
		}
	}
}

/* Many packets larger and smaller than the buffer, so that they lie across its end. */
static void hands_out_packets_across_its_buffer(void **state)
{
	(void)state;
	FILE *f = fopen(path, "wb");
	begin(false);
	pcap_header(0xa1b2c3d4, 1);
	fwrite(made.bytes, 1, made.len, f);
	static uint8_t bytes[262144];
	uint32_t x = 1, sizes[300];
	for (unsigned i = 0; i < 300; i++) {
		x = x * 1664525 + 1013904223;
		sizes[i] = i % 50 == 0 ? 262144 : x >> 16 & 0x3fff;
		uint32_t head[4] = { htole32(i), 0, htole32(sizes[i]), htole32(sizes[i]) };
		memset(bytes, (int)i, sizes[i]);
		fwrite(head, sizeof(head), 1, f);
		fwrite(bytes, 1, sizes[i], f);
	}
	fclose(f);
	struct err err = { 0 };
	struct savefile *s = savefile_open(path, &err);
	for (unsigned i = 0; i < 300; i++) {
		struct frame frame;
		assert_int_equal(savefile_next(s, &frame, &err), 1);
		assert_int_equal(frame.caplen, sizes[i]);
		memset(bytes, (int)i, sizes[i]);
		assert_memory_equal(frame.bytes, bytes, sizes[i]);
	}
	expect_end(s);
}

/* Stdin is a pipe that gives what it is given through @fd. */
static pid_t feed(void (*writer)(int fd), int *kept)
{
	int pair[2];
	assert_int_equal(pipe(pair), 0);
	*kept = dup(STDIN_FILENO);
	dup2(pair[0], STDIN_FILENO);
	close(pair[0]);
	pid_t pid = fork();
	if (pid == 0) {
		writer(pair[1]);
		_exit(0);
	}
	close(pair[1]);
	return pid;
}

static void unfeed(pid_t pid, int kept)
{
	dup2(kept, STDIN_FILENO);
	close(kept);
	waitpid(pid, NULL, 0);
}

static void byte_by_byte(int fd)
{
	for (size_t i = 0; i < made.len; i++)
		if (write(fd, made.bytes + i, 1) != 1)
			_exit(1);
}

static void reads_a_pipe_byte_by_byte(void **state)
{
	(void)state;
	for (unsigned ng = 0; ng < 2; ng++) {
		struct err err = { 0 };
		int kept, end;
		make_both(ng);
		pid_t pid = feed(byte_by_byte, &kept);
		struct savefile *s = savefile_open("-", &err);
		assert_non_null(s);
		assert_int_equal(savefile_size(s), 0);
		assert_int_equal(drain(s, &end), 2);
		assert_int_equal(end, 0);
		unfeed(pid, kept);
	}
}

static volatile sig_atomic_t stop;

static void on_alarm(int number)
{
	(void)number;
	stop = 1;
}

static void then_wait(int fd)
{
	if (write(fd, made.bytes, made.len) < 0)
		_exit(1);
	pause();
}

/* A packet is handed out when it is there, and a signal ends the wait for the next. */
static void stops_waiting_when_asked_to(void **state)
{
	(void)state;
	struct err err = { 0 };
	struct frame f;
	int kept;
	struct sigaction act = { .sa_handler = on_alarm }; /* no SA_RESTART */
	make_both(false);
	pid_t pid = feed(then_wait, &kept);
	struct savefile *s = savefile_open("-", &err);
	savefile_stop_on(s, &stop);
	assert_int_equal(savefile_next(s, &f, &err), 1);
	assert_int_equal(savefile_next(s, &f, &err), 1);
	sigaction(SIGALRM, &act, NULL);
	struct itimerval soon = { .it_value = { .tv_usec = 20000 } };
	setitimer(ITIMER_REAL, &soon, NULL);
	assert_int_equal(savefile_next(s, &f, &err), 0);
	assert_false(err.set);
	savefile_close(s);
	kill(pid, SIGKILL);
	unfeed(pid, kept);
}

static int set_up(void **state)
{
	(void)state;
	int fd = mkstemp(path);
	return fd < 0 ? -1 : close(fd);
}

static int tear_down(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_the_four_classic_kinds),
		cmocka_unit_test(reads_pcapng_of_many_interfaces_and_clocks),
		cmocka_unit_test(reads_sections_of_both_byte_orders),
		cmocka_unit_test(names_what_is_no_capture),
		cmocka_unit_test(says_where_a_file_is_damaged),
		cmocka_unit_test(survives_every_cut),
		cmocka_unit_test(survives_every_changed_byte),
		cmocka_unit_test(hands_out_packets_across_its_buffer),
		cmocka_unit_test(reads_a_pipe_byte_by_byte),
		cmocka_unit_test(stops_waiting_when_asked_to),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
