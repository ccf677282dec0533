/* test_file.c - files are hashed whole or not at all, and what happens at each bound. */
#include "tests/unit/watch_kit.h"

#include "dissectors/office.h"

extern const struct watcher file_watcher;

enum { PIECE = 4096 };

static struct watch_kit *k;
static uint8_t piece[PIECE];

static void open_with(uint64_t mib, uint64_t files)
{
	k = kit_of(&file_watcher);
	k->config.file_mib = mib;
	k->config.file_open = files;
	kit_open(k);
}

static struct flow *flow_of(const char *protocol)
{
	struct flow *f = calloc(1, sizeof *f);
	assert_non_null(f);
	f->dissector = dissector_named(protocol);
	assert_non_null(f->dissector);
	return f;
}

static void say(struct flow *f, uint64_t key, uint64_t offset, uint32_t len, bool last)
{
	struct content c = { .at = piece,
		.len = len,
		.offset = offset,
		.key = key,
		.last = last,
		.name = "f",
		.name_len = 1 };
	file_watcher.content(k->self, f, 0, kit_now(k), &c);
}

static void end(struct flow *f)
{
	file_watcher.flow(k->self, f, FLOW_ENDED, 0, kit_now(k));
	free(f);
}

static void files_of_one_flow_by_turns(void **state)
{
	(void)state;
	open_with(1, 8);
	struct flow *f = flow_of("smb");
	for (uint64_t i = 0; i < 10; i++) {
		say(f, 1, i * 100, 100, i == 9);
		say(f, 2, i * 50, 50, false);
	}
	assert_int_equal(k->count, 1);
	say(f, 2, 0, 0, true); /* closed */
	assert_int_equal(k->count, 2);
	say(f, 2, 0, 0, true);
	end(f);
	assert_int_equal(k->count, 2);
	assert_int_equal(k->counters.files, 2);
	assert_int_equal(k->counters.files_dropped, 0);
	kit_close(k);
}

/* An answer without a length ends with its connection. */
static void what_ends_with_its_flow(void **state)
{
	(void)state;
	open_with(1, 8);
	struct flow *f = flow_of("http");
	say(f, 0, 0, 100, false);
	say(f, 0, 100, 100, false);
	end(f);
	assert_int_equal(k->count, 1);
	kit_close(k);
}

static void a_piece_that_lacks(void **state)
{
	(void)state;
	open_with(1, 8);
	struct flow *f = flow_of("http");
	say(f, 0, 100, 100, true); /* begun before it was seen */
	say(f, 0, 0, 100, false);
	say(f, 0, 200, 100, true);
	end(f);
	assert_int_equal(k->count, 0);
	assert_int_equal(k->counters.files_dropped, 1);
	kit_close(k);
}

static void too_large(void **state)
{
	(void)state;
	open_with(1, 8);
	struct flow *f = flow_of("http");
	for (uint64_t at = 0; at < 2 << 20; at += PIECE) {
		k->now_ns += 1000000000; /* slowly: it is the size that is too much */
		say(f, 0, at, PIECE, at + PIECE == 2 << 20);
	}
	assert_int_equal(k->count, 0);
	assert_int_equal(k->counters.files_dropped, 1);
	say(f, 0, 0, 100, true);
	assert_int_equal(k->count, 1);
	end(f);
	kit_close(k);
}

static void too_much_in_a_second(void **state)
{
	(void)state;
	open_with(1, 8);
	struct flow *f = flow_of("smb");
	for (uint64_t n = 0; n < 5 * 64; n++)
		say(f, n / 64, n % 64 * PIECE, PIECE, n % 64 == 63); /* 5 files of 256 KiB */
	assert_int_equal(k->count, 4);
	assert_int_equal(k->counters.files_dropped, 1);
	k->now_ns += 1000000000;
	say(f, 9, 0, PIECE, true);
	assert_int_equal(k->count, 5);
	end(f);
	kit_close(k);
}

static void too_many(void **state)
{
	(void)state;
	open_with(1, 8);
	struct flow *f = flow_of("smb"), *g = flow_of("http");
	for (uint64_t i = 0; i < 9; i++) {
		k->now_ns++;
		say(f, i, 0, 10, false);
	}
	say(g, 0, 0, 10, false);
	assert_int_equal(k->counters.files_dropped, 2);
	say(f, 0, 10, 10, true); /* the two that rested longest were given up */
	say(f, 1, 10, 10, true);
	assert_int_equal(k->count, 0);
	say(f, 2, 10, 10, true);
	assert_int_equal(k->count, 1);
	end(f);
	end(g);
	assert_int_equal(k->count, 8);
	kit_close(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_one_flow_by_turns),
		cmocka_unit_test(what_ends_with_its_flow),
		cmocka_unit_test(a_piece_that_lacks),
		cmocka_unit_test(too_large),
		cmocka_unit_test(too_much_in_a_second),
		cmocka_unit_test(too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
