/* test_evidence.c - the ring of frames, and the folder of captures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor/evidence_ring.h"
#include "sensor/evidence_slice.h"
#include "sensor/evidence_store.h"

enum { MIB = 1 << 20 };

static uint8_t frame[300000];

/* TCP, between host 10.0.0.@a and the server. */
static struct packet packet(uint64_t number, uint32_t len, unsigned a, bool back)
{
	struct packet p = { .at = { .ts_ns = (int64_t)number * 1000, .frame = number },
		.link = 1,
		.caplen = len,
		.wirelen = len,
		.bytes = frame,
		.l4 = L4_TCP };
	struct addr client = { .family = 4 }, server = { .family = 4 };
	client.bytes[14] = (uint8_t)(a >> 8);
	client.bytes[15] = (uint8_t)a;
	server.bytes[12] = 10;
	p.src = back ? server : client;
	p.dst = back ? client : server;
	p.sport = back ? 502 : 40000;
	p.dport = back ? 40000 : 502;
	memset(frame, (int)number, len < 64 ? len : 64);
	return p;
}

static void keep(struct evidence_ring *r, uint64_t number, uint32_t len, unsigned a)
{
	struct packet p = packet(number, len, a, number % 2);
	evidence_ring_keep(r, &p);
	evidence_ring_file(r, &p, true);
}

static uint32_t key_of(const struct evidence_ring *r, unsigned a)
{
	struct packet p = packet(1, 64, a, false);
	return evidence_key(r, p.l4, &p.src, p.sport, &p.dst, p.dport);
}

static void both_directions_are_one_conversation(void **state)
{
	(void)state;
	struct evidence_ring *r = evidence_ring_new(MIB, 0);
	for (uint64_t n = 1; n <= 100; n++)
		keep(r, n, 80, (unsigned)(n % 3));
	unsigned count = 0;
	uint64_t before = UINT64_MAX;
	for (uint64_t i = evidence_ring_last(r, key_of(r, 1)); i != 0;
		i = evidence_ring_before(r, i)) {
		const struct kept_frame *k = evidence_ring_frame(r, i);
		assert_int_equal(k->at.frame % 3, 1);
		assert_int_equal(*k->bytes, (uint8_t)k->at.frame);
		assert_true(k->at.frame < before);
		before = k->at.frame;
		count++;
	}
	assert_int_equal(count, 34);
	assert_int_equal(evidence_ring_last(r, key_of(r, 7)), 0);
	evidence_ring_free(r);
}

/* Frames of all sizes, many times the memory: what is there is whole, what is gone is not found. */
static void the_newest_frames_stay(void **state)
{
	(void)state;
	static const uint32_t sizes[] = { 60, 1514, 90, 9000, 61, 64, 262144, 1000 };
	struct evidence_ring *r = evidence_ring_new(MIB, 7);
	for (uint64_t n = 1; n <= 100000; n++) {
		uint32_t len = n % 1000 == 0 ? 262144 : sizes[n % 6];
		keep(r, n, len, (unsigned)(n % 5000));
		assert_int_equal(evidence_ring_frame(r, evidence_ring_find(r, n))->at.frame, n);
		if (n % 100 != 0)
			continue;
		uint64_t i = evidence_ring_oldest(r);
		for (; i <= evidence_ring_newest(r); i++) {
			const struct kept_frame *k = evidence_ring_frame(r, i);
			assert_int_equal(*k->bytes, (uint8_t)k->at.frame);
			assert_int_equal(k->bytes[k->caplen < 64 ? k->caplen - 1 : 63],
				(uint8_t)k->at.frame);
		}
		uint64_t gone = evidence_ring_frame(r, evidence_ring_oldest(r))->at.frame - 1;
		assert_int_equal(evidence_ring_find(r, gone), 0);
		unsigned a = (unsigned)(n % 5000);
		for (i = evidence_ring_last(r, key_of(r, a)); i != 0;
			i = evidence_ring_before(r, i))
			assert_int_equal(evidence_ring_frame(r, i)->at.frame % 5000, a);
	}
	assert_true(evidence_ring_newest(r) - evidence_ring_oldest(r) > 8);
	evidence_ring_free(r);
}

static void small_frames_are_bounded_by_entries(void **state)
{
	(void)state;
	struct evidence_ring *r = evidence_ring_new(MIB, 0);
	for (uint64_t n = 1; n <= 50000; n++)
		keep(r, n, 1, 1);
	assert_int_equal(evidence_ring_newest(r) - evidence_ring_oldest(r) + 1, 8192);
	unsigned count = 0;
	for (uint64_t i = evidence_ring_last(r, key_of(r, 1)); i != 0;
		i = evidence_ring_before(r, i))
		count++;
	assert_int_equal(count, 8192);
	evidence_ring_clear(r);
	assert_int_equal(evidence_ring_last(r, key_of(r, 1)), 0);
	assert_int_equal(evidence_ring_find(r, 50000), 0);
	keep(r, 1, 60, 1);
	assert_int_equal(evidence_ring_find(r, 1), evidence_ring_newest(r));
	assert_int_equal(evidence_ring_before(r, evidence_ring_newest(r)), 0);
	evidence_ring_free(r);
}

/* A conversation that rests is found however far back; what came before a frame only near it. */
static void a_walk_is_bounded(void **state)
{
	(void)state;
	struct evidence_ring *r = evidence_ring_new(64 * MIB, 0);
	keep(r, 1, 60, 1);
	keep(r, 2, 60, 1);
	for (uint64_t n = 3; n <= EVIDENCE_NEAR + 2; n++)
		keep(r, n, 60, 2);
	assert_int_equal(evidence_ring_last(r, key_of(r, 1)), 2);
	keep(r, EVIDENCE_NEAR + 3, 60, 1);
	uint64_t i = evidence_ring_last(r, key_of(r, 1));
	assert_int_equal(i, EVIDENCE_NEAR + 3);
	assert_int_equal(evidence_ring_before(r, i), 0);
	assert_int_equal(evidence_ring_before(r, 2), 1);
	assert_int_equal(evidence_ring_before(r, 1), 0);
	keep(r, EVIDENCE_NEAR + 4, 60, 1);
	assert_int_equal(evidence_ring_before(r, EVIDENCE_NEAR + 4), i);
	evidence_ring_free(r);
	r = evidence_ring_new((size_t)4096 * MIB, 0);
	assert_int_equal(evidence_ring_room(r), 4 * MIB);
	evidence_ring_free(r);
}

/* Frames that a filter left out have their numbers. */
static void numbers_may_leave_gaps(void **state)
{
	(void)state;
	struct evidence_ring *r = evidence_ring_new(MIB, 0);
	for (uint64_t n = 10; n <= 1000; n += 3)
		keep(r, n, 60, 1);
	assert_int_equal(evidence_ring_frame(r, evidence_ring_find(r, 13))->at.frame, 13);
	assert_int_equal(evidence_ring_find(r, 14), 0);
	assert_int_equal(evidence_ring_find(r, 9), 0);
	assert_int_equal(evidence_ring_find(r, 1001), 0);
	evidence_ring_free(r);
}

/* Both ends count, and which port is whose; a host is found under any port. */
static void keys_tell_conversations_apart(void **state)
{
	(void)state;
	struct evidence_ring *r = evidence_ring_new(MIB, 0);
	struct addr a = packet(1, 64, 1, false).src, b = packet(1, 64, 2, false).src;
	struct addr c = packet(1, 64, 3, false).src, d = packet(1, 64, 4, false).src;
	uint32_t key = evidence_key(r, L4_TCP, &a, 40000, &b, 502);
	assert_int_equal(key, evidence_key(r, L4_TCP, &b, 502, &a, 40000));
	assert_int_not_equal(key, evidence_key(r, L4_UDP, &a, 40000, &b, 502));
	assert_int_not_equal(key, evidence_key(r, L4_TCP, &a, 502, &b, 40000));
	assert_int_not_equal(key, evidence_key(r, L4_TCP, &a, 40001, &b, 501));
	assert_int_not_equal(key, evidence_key(r, L4_TCP, &a, 40000, &c, 502));
	assert_int_not_equal(evidence_key(r, L4_UDP, &a, 47808, &d, 47808),
		evidence_key(r, L4_UDP, &b, 47808, &c, 47808));
	assert_int_not_equal(evidence_host(&a), evidence_host(&b));
	keep(r, 1, 60, 1);
	assert_int_equal(evidence_ring_entry(r, 1)->host[1], evidence_host(&a));
	evidence_ring_free(r);
}

static void fragments_are_found_by_the_frame_they_complete(void **state)
{
	(void)state;
	struct evidence_ring *r = evidence_ring_new(MIB, 0);
	for (uint64_t n = 1; n <= 3; n++) {
		struct packet p = packet(n, 60, 1, false);
		p.pieces = 77;
		evidence_ring_keep(r, &p);
		evidence_ring_file(r, &p, n == 3);
	}
	uint64_t i = evidence_ring_last(r, key_of(r, 1));
	assert_int_equal(evidence_ring_frame(r, i)->at.frame, 3);
	assert_int_equal(evidence_ring_before(r, i), 0);
	i = evidence_ring_last(r, evidence_ring_frame(r, i)->pieces);
	assert_int_equal(evidence_ring_frame(r, i)->at.frame, 2);
	assert_int_equal(evidence_ring_frame(r, evidence_ring_before(r, i))->at.frame, 1);
	evidence_ring_free(r);
}

/* --- slices ------------------------------------------------------------------------------ */

enum { LEN = 84, COST = SLICE_PER_FRAME + LEN };

/* One of some fragments, or the frame that completes them. */
static void keep_piece(struct evidence_ring *r, uint64_t number, bool completes)
{
	struct packet p = packet(number, LEN, 1, false);
	p.pieces = 77;
	evidence_ring_keep(r, &p);
	evidence_ring_file(r, &p, completes);
}

/* The slice of an alert of host @a's conversation that rests on @number, with room for @frames,
 * of which a quarter is for what follows. */
static struct slice slice_of(struct collector *c, unsigned a, uint64_t number, uint32_t frames)
{
	static uint8_t bytes[MIB];
	static const struct dissector plain = { 0 };
	const struct pdu pdu = { .dissector = &plain };
	struct packet p = packet(number, LEN, a, false);
	struct flow f = { .l4 = p.l4,
		.end = { { .ip = p.src, .port = p.sport }, { .ip = p.dst, .port = p.dport } } };
	struct event e = { .at = { .frame = number }, .flow = &f, .pdu = &pdu };
	struct alert alert = { .event = &e };
	struct slice s = { .bytes = bytes, .cap = SLICE_HEADER + frames * COST };
	assert_true(slice_begin(&s, c, &alert));
	assert_int_equal(alert.slice_count, 1);
	return s;
}

/* Does it hold these frames and no other? */
static void holds(const struct slice *s, const char *numbers)
{
	char text[512] = "";
	for (uint32_t at = SLICE_HEADER; at < s->len; at += COST) {
		size_t n = strlen(text);
		snprintf(text + n, sizeof text - n, "%s%u", n > 0 ? " " : "",
			s->bytes[at + SLICE_PER_FRAME]);
	}
	assert_string_equal(text, numbers);
}

static void a_slice_holds_a_conversation_and_its_fragments(void **state)
{
	(void)state;
	struct evidence_ring *r = evidence_ring_new(MIB, 0);
	struct collector c;
	assert_true(collector_init(&c, r, MIB));
	for (uint64_t n = 1; n <= 40; n++) {
		if (n == 35 || n == 36 || n == 39)
			keep_piece(r, n, n == 36);
		else
			keep(r, n, LEN, n % 2 ? 1 : 2);
	}
	struct slice s = slice_of(&c, 1, 37, 100);
	holds(&s, "1 3 5 7 9 11 13 15 17 19 21 23 25 27 29 31 33 35 36 37 39");
	s = slice_of(&c, 2, 4, 100);
	holds(&s, "2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 38 40");
	keep(r, 41, LEN, 1);
	keep(r, 42, LEN, 2);
	slice_end(&s, &c);
	holds(&s, "2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 38 40 42");
	collector_fini(&c);
	evidence_ring_free(r);
}

/* Its own frame and what came before it stay, then the newest, fragments among them. */
static void where_room_is_scarce_the_newest_stay(void **state)
{
	(void)state;
	struct evidence_ring *r = evidence_ring_new(MIB, 0);
	struct collector c;
	assert_true(collector_init(&c, r, MIB));
	for (uint64_t n = 1; n <= 200; n++) {
		if (n == 150 || n == 197 || n == 199)
			keep_piece(r, n, n == 197);
		else
			keep(r, n, LEN, 1);
	}
	struct slice s = slice_of(&c, 1, 30, 40); /* 30: itself, 23 before it, six others */
	holds(&s, "7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 "
		  "195 196 197 198 199 200");
	collector_fini(&c);
	evidence_ring_free(r);
}

/* --- the folder -------------------------------------------------------------------------- */

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/test_evidence.XXXXXX");
	return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

static unsigned files(uint64_t *bytes)
{
	DIR *d = opendir(folder);
	unsigned count = 0;
	*bytes = 0;
	for (const struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
		struct stat st;
		if (e->d_name[0] == '.' || fstatat(dirfd(d), e->d_name, &st, 0) != 0)
			continue;
		*bytes += (uint64_t)st.st_size;
		count++;
	}
	closedir(d);
	return count;
}

static void put(struct evidence_store *s, uint64_t n, size_t size)
{
	char name[EVIDENCE_NAME];
	snprintf(name, sizeof name, "9-%llu.pcap", (unsigned long long)n);
	assert_int_equal(evidence_store_put(s, name, frame, size, n % 10 == 0), 0);
}

static void the_folder_keeps_to_its_cap(void **state)
{
	struct err err = { 0 };
	uint64_t bytes;
	(void)state;
	struct evidence_store *s = evidence_store_open(folder, 1000000, &err);
	assert_non_null(s);
	for (uint64_t n = 1; n <= 1000; n++) {
		put(s, n, 1000 + n * 10);
		assert_true(evidence_store_bytes(s) <= 1000000);
	}
	unsigned count = files(&bytes);
	assert_int_equal(bytes, evidence_store_bytes(s));
	assert_int_equal(count + evidence_store_deleted(s), 1000);
	put(s, 1000, 10); /* the same name again */
	assert_int_equal(files(&bytes), count);
	assert_int_equal(bytes, evidence_store_bytes(s));
	evidence_store_close(s);

	s = evidence_store_open(folder, 50000, &err);
	assert_int_equal(evidence_store_bytes(s), bytes);
	put(s, 1001, 20000);
	assert_true(evidence_store_bytes(s) <= 50000);
	files(&bytes);
	assert_int_equal(bytes, evidence_store_bytes(s));
	evidence_store_close(s);
}

static void what_is_old_goes(void **state)
{
	struct err err = { 0 };
	uint64_t bytes;
	(void)state;
	struct evidence_store *s = evidence_store_open(folder, 1000000, &err);
	for (uint64_t n = 1; n <= 3; n++)
		put(s, n, 100);
	evidence_store_close(s);
	for (int n = 1; n <= 2; n++) {
		const struct timespec old[2] = { { .tv_sec = 1000 * n }, { .tv_sec = 1000 * n } };
		char path[96];
		snprintf(path, sizeof path, "%s/9-%d.pcap", folder, n);
		assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
	}
	s = evidence_store_open(folder, 1000000, &err);
	put(s, 4, 100);
	evidence_store_age(s, INT64_C(1000000000000));
	assert_int_equal(files(&bytes), 4);
	evidence_store_age(s, INT64_C(1000000000001));
	assert_int_equal(files(&bytes), 3);
	evidence_store_age(s, INT64_C(1000000000) * 1000000);
	assert_int_equal(files(&bytes), 2);
	assert_int_equal(evidence_store_deleted(s), 2);
	assert_int_equal(evidence_store_bytes(s), 200);
	evidence_store_age(s, INT64_MAX);
	assert_int_equal(files(&bytes), 0);
	evidence_store_close(s);
}

static void only_what_is_ours_is_touched(void **state)
{
	static const char *const names[] = { "1-2.pcap.part", "01-2.pcap", "x-2.pcap", "1-2.pcapng",
		"1-2.pcap.gz", "-1-2.pcap", "1-99999999999999999999999.pcap", "1-3.pcap" };
	struct err err = { 0 };
	uint64_t bytes;
	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		char path[160];
		snprintf(path, sizeof path, "%s/%s", folder, names[i]);
		FILE *f = fopen(path, "w");
		fputs("12345", f);
		fclose(f);
	}
	struct evidence_store *s = evidence_store_open(folder, 20, &err);
	assert_int_equal(evidence_store_bytes(s), 5);
	assert_int_equal(files(&bytes), 7);
	put(s, 1, 18);
	assert_int_equal(evidence_store_deleted(s), 1);
	assert_int_equal(files(&bytes), 7);
	assert_int_equal(evidence_store_put(s, "../9-1.pcap", frame, 1, false), EINVAL);
	evidence_store_close(s);
}

static void a_folder_that_is_gone_fails_and_comes_back(void **state)
{
	struct err err = { 0 };
	uint64_t bytes;
	(void)state;
	struct evidence_store *s = evidence_store_open(folder, 1000, &err);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(evidence_store_put(s, "9-1.pcap", frame, 10, false), ENOENT);
	assert_int_equal(evidence_store_bytes(s), 0);
	evidence_store_close(s);
	s = evidence_store_open(folder, 1000, &err);
	put(s, 2, 10);
	assert_int_equal(files(&bytes), 1);
	evidence_store_close(s);
	assert_null(evidence_store_open("/dev/null/x", 1000, &err));
	assert_true(err.set);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_are_one_conversation),
		cmocka_unit_test(the_newest_frames_stay),
		cmocka_unit_test(small_frames_are_bounded_by_entries),
		cmocka_unit_test(a_walk_is_bounded),
		cmocka_unit_test(numbers_may_leave_gaps),
		cmocka_unit_test(keys_tell_conversations_apart),
		cmocka_unit_test(fragments_are_found_by_the_frame_they_complete),
		cmocka_unit_test(a_slice_holds_a_conversation_and_its_fragments),
		cmocka_unit_test(where_room_is_scarce_the_newest_stay),
		IN_FOLDER(the_folder_keeps_to_its_cap),
		IN_FOLDER(what_is_old_goes),
		IN_FOLDER(only_what_is_ours_is_touched),
		IN_FOLDER(a_folder_that_is_gone_fails_and_comes_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
