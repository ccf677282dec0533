/* test_agg_inflate.c - the caps hold while inflating; what is cut, joined or of another kind is
 * said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <zlib.h>
#include <zstd.h>

#include "aggregator/frame.h"
#include "aggregator/inflate.h"

enum { MIB = 1024 * 1024 };

static void *gzip(const void *bytes, size_t n, size_t *len)
{
	z_stream z = { 0 };
	size_t cap = n / 100 + n + 1024;
	char *out = malloc(cap);
	assert_int_equal(
		deflateInit2(&z, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (Bytef *)(uintptr_t)bytes;
	z.avail_in = (uInt)n;
	z.next_out = (Bytef *)out;
	z.avail_out = (uInt)cap;
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	*len = cap - z.avail_out;
	deflateEnd(&z);
	return out;
}

static void *pack(const char *how, const void *bytes, size_t n, size_t *len)
{
	if (strcmp(how, "gzip") == 0)
		return gzip(bytes, n, len);
	if (strcmp(how, "zstd") == 0)
		return pack_zstd(bytes, n, len);
	void *copy = malloc(n + 1);
	memcpy(copy, bytes, n);
	*len = n;
	return copy;
}

static const char *const both[] = { "zstd", "gzip" };

/* Text that hardly packs. */
static char *noise(size_t n)
{
	char *text = malloc(n + 1);
	uint32_t x = 1;
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		text[i] = (char)('!' + (x >> 24) % 90);
	}
	text[n] = '\0';
	return text;
}

static enum inflate_result try_it(
	const char *how, const void *bytes, size_t n, size_t max, unsigned ratio, size_t *len)
{
	struct err err = { 0 };
	char *out;
	enum inflate_result r = unpack(how, bytes, n, max, ratio, &out, len, &err);
	assert_int_equal(r == INFLATE_GOOD, out != NULL);
	assert_int_equal(r != INFLATE_GOOD, err.set);
	free(out);
	return r;
}

static void comes_back_as_it_was(void **state)
{
	static const char *const all[] = { "zstd", "gzip", "identity", NULL, "ZStd", "GZIP" };
	static const size_t sizes[] = { 1, 100, 65535, 65536, 65537, 200000, POST_BYTES };
	(void)state;
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		char *text = noise(sizes[i]);
		for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
			struct err err = { 0 };
			size_t packed_len, len;
			char *out;
			const char *plain = all[k] == NULL ? "identity" : all[k];
			char lower[16];
			for (size_t c = 0; c <= strlen(plain); c++)
				lower[c] = (char)(plain[c] | (plain[c] == '\0' ? 0 : 0x20));
			void *packed = pack(lower, text, sizes[i], &packed_len);
			assert_int_equal(unpack(all[k], packed, packed_len, POST_BYTES, POST_RATIO,
						 &out, &len, &err),
				INFLATE_GOOD);
			assert_int_equal(len, sizes[i]);
			assert_memory_equal(out, text, len + 1); /* with the NUL */
			free(out);
			free(packed);
		}
		free(text);
	}
}

static void one_byte_more_than_allowed_is_refused(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		char *text = noise(POST_BYTES + 1);
		size_t n, len;
		void *packed = pack(both[k], text, POST_BYTES + 1, &n);
		assert_int_equal(try_it(both[k], packed, n, POST_BYTES, POST_RATIO, &len),
			INFLATE_TOO_LARGE);
		free(packed);
		free(text);
	}
}

/* 64 MiB of nothing in some kilobytes; the memory in between stays near the cap. */
static void a_bomb_is_met_while_it_grows(void **state)
{
	size_t size = (size_t)64 * MIB, n, len;
	char *zeros = calloc(1, size);
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		void *packed = pack(both[k], zeros, size, &n);
		struct rusage before, after;
		assert_true(n < 128 * 1024);
		getrusage(RUSAGE_SELF, &before);
		assert_int_equal(try_it(both[k], packed, n, POST_BYTES, POST_RATIO, &len),
			INFLATE_TOO_LARGE);
		getrusage(RUSAGE_SELF, &after);
		assert_true(after.ru_maxrss - before.ru_maxrss < 32 * 1024);
		free(packed);
	}
	free(zeros);
}

static void the_ratio_holds_above_the_first_64_kib(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		size_t n, len;
		/* a small body may become 64 KiB, whatever the ratio */
		char *text = calloc(1, MIB);
		void *packed = pack(both[k], text, 64 * 1024, &n);
		assert_true(n * POST_RATIO < 64 * 1024);
		assert_int_equal(
			try_it(both[k], packed, n, POST_BYTES, POST_RATIO, &len), INFLATE_GOOD);
		free(packed);
		packed = pack(both[k], text, 64 * 1024 + 1, &n);
		assert_int_equal(try_it(both[k], packed, n, POST_BYTES, POST_RATIO, &len),
			INFLATE_TOO_LARGE);
		free(packed);
		packed = pack(both[k], text, MIB, &n);
		assert_int_equal(try_it(both[k], packed, n, POST_BYTES, POST_RATIO, &len),
			INFLATE_TOO_LARGE);
		assert_int_equal(
			try_it(both[k], packed, n, POST_BYTES, POST_BYTES, &len), INFLATE_GOOD);
		assert_int_equal(len, MIB);
		free(packed);
		free(text);
	}
}

static void every_cut_is_said(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		char *text = noise(500);
		size_t n, len;
		char *packed = pack(both[k], text, 500, &n);
		for (size_t cut = 0; cut < n; cut++) {
			char *part = malloc(cut + (cut == 0));
			memcpy(part, packed, cut);
			assert_int_equal(try_it(both[k], part, cut, POST_BYTES, POST_RATIO, &len),
				INFLATE_BROKEN);
			free(part);
		}
		free(packed);
		free(text);
	}
}

/* zstd allows frames one behind the other; gzip members are one too many here. Caps are of the sum.
 */
static void what_is_joined(void **state)
{
	(void)state;
	for (unsigned k = 0; k < 2; k++) {
		char *text = noise(1000), *two;
		size_t n, len;
		char *packed = pack(both[k], text, 1000, &n);
		two = malloc(2 * n + 4);
		memcpy(two, packed, n);
		memcpy(two + n, packed, n);
		memcpy(two + 2 * n, "junk", 4);
		assert_int_equal(try_it(both[k], two, 2 * n, POST_BYTES, POST_RATIO, &len),
			k == 0 ? INFLATE_GOOD : INFLATE_BROKEN);
		if (k == 0)
			assert_int_equal(len, 2000);
		assert_int_equal(try_it(both[k], two + n, n + 4, POST_BYTES, POST_RATIO, &len),
			INFLATE_BROKEN);
		assert_int_equal(
			try_it("zstd", two, 2 * n, 1999, POST_RATIO, &len) == INFLATE_GOOD, false);
		free(two);
		free(packed);
		free(text);
	}
}

static void other_encodings_are_not_guessed(void **state)
{
	static const char *const others[] = { "br", "deflate", "zstd, gzip", "", " zstd", "x" };
	size_t len;
	(void)state;
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_int_equal(
			try_it(others[i], "abc", 3, POST_BYTES, POST_RATIO, &len), INFLATE_UNKNOWN);
	assert_int_equal(try_it("zstd", "abc", 3, POST_BYTES, POST_RATIO, &len), INFLATE_BROKEN);
	assert_int_equal(try_it("gzip", "abc", 3, POST_BYTES, POST_RATIO, &len), INFLATE_BROKEN);
	assert_int_equal(try_it("identity", "abc", 3, 2, POST_RATIO, &len), INFLATE_TOO_LARGE);
}

/* A window larger than 8 MiB would be held in memory: refused before anything of it is there. */
static void a_large_window_is_refused(void **state)
{
	size_t len, cap = ZSTD_compressBound(100);
	char *text = noise(100), *packed = malloc(cap);
	ZSTD_CCtx *z = ZSTD_createCCtx();
	ZSTD_inBuffer in = { text, 100, 0 };
	ZSTD_outBuffer out = { packed, cap, 0 };
	(void)state;
	ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, 27);
	ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0);
	assert_int_equal(ZSTD_compressStream2(z, &out, &in, ZSTD_e_flush) > 1, 0);
	assert_int_equal(ZSTD_compressStream2(z, &out, &in, ZSTD_e_end), 0);
	ZSTD_freeCCtx(z);
	assert_int_equal(
		try_it("zstd", packed, out.pos, POST_BYTES, POST_RATIO, &len), INFLATE_BROKEN);
	free(packed);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back_as_it_was),
		cmocka_unit_test(one_byte_more_than_allowed_is_refused),
		cmocka_unit_test(a_bomb_is_met_while_it_grows),
		cmocka_unit_test(the_ratio_holds_above_the_first_64_kib),
		cmocka_unit_test(every_cut_is_said),
		cmocka_unit_test(what_is_joined),
		cmocka_unit_test(other_encodings_are_not_guessed),
		cmocka_unit_test(a_large_window_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
