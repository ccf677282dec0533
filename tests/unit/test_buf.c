/* test_buf.c - what is written into fixed memory, with jansson as oracle for JSON strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/buf.h"
#include "common/crc32c.h"

static uint64_t random_state = 88172645463325252ULL;

static uint64_t random_number(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state;
}

/* Valid UTF-8 must come back as it was; anything else must at least be JSON. */
static void check_string(const uint8_t *bytes, size_t n)
{
	char memory[8192];
	struct buf b = buf_over(memory, sizeof memory);
	buf_json_string(&b, bytes, n, SIZE_MAX);
	assert_false(b.full);
	json_t *read = json_loadb(memory, b.len, JSON_DECODE_ANY, NULL);
	assert_non_null(read);
	json_t *expected =
		memchr(bytes, 0, n) != NULL ? NULL : json_stringn((const char *)bytes, n);
	if (expected != NULL)
		assert_true(json_equal(read, expected));
	for (size_t i = 0; i < b.len; i++)
		assert_true((uint8_t)memory[i] >= 0x20 && memory[i] != 0x7f);
	json_decref(expected);
	json_decref(read);
}

static void random_bytes_are_json(void **state)
{
	(void)state;
	uint8_t bytes[300];
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = random_number() % sizeof bytes;
		for (size_t i = 0; i < n; i++)
			bytes[i] = (uint8_t)random_number();
		check_string(bytes, n);
	}
}

/* Characters of every length, the edges of each, and what only looks like one. */
static void random_text_comes_back(void **state)
{
	(void)state;
	static const char *const parts[] = { "a", "\"", "\\", "/", "\n", "\x01", "\x1f", " ", "~",
		"\x7f", "\xc2\x80", "\xc2\x9f", "\xc2\xa0", "\xdf\xbf", "\xe0\xa0\x80",
		"\xe2\x80\xae", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbd", "\xf0\x90\x80\x80",
		"\xf4\x8f\xbf\xbf", "abcdefgh", "12345678", "</script>", "\xc0\x80", "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\xf8", "\x80", "\xe2\x80" };
	for (unsigned round = 0; round < 20000; round++) {
		char text[400] = "";
		for (uint64_t k = random_number() % 40; k > 0; k--)
			strcat(text, parts[random_number() % (sizeof parts / sizeof parts[0])]);
		check_string((const uint8_t *)text, strlen(text));
	}
}

/* jansson, PostgreSQL and others refuse \u0000: a hostile name must not make an alert unreadable.
 */
static void a_nul_is_replaced(void **state)
{
	(void)state;
	char memory[64];
	struct buf b = buf_over(memory, sizeof memory);
	buf_json_string(&b, "a\0b", 3, SIZE_MAX);
	assert_int_equal(b.len, 7);
	assert_memory_equal(memory,
		"\"a\xef\xbf\xbd"
		"b\"",
		7);
	check_string((const uint8_t *)"a\0b\0\0c", 6);
}

static void a_long_string_is_cut(void **state)
{
	(void)state;
	char memory[64];
	struct buf b = buf_over(memory, sizeof memory);
	buf_json_string(&b, "abcdefghijklmnop", 16, 10);
	assert_int_equal(b.len, 12);
	assert_memory_equal(memory, "\"abcdefghij\"", 12);
}

static void a_full_buffer_stays_full(void **state)
{
	(void)state;
	char *memory = malloc(5); /* of its own, so that ASan sees a byte too far */
	struct buf b = buf_over(memory, 5);
	buf_lit(&b, "123");
	buf_uint(&b, 456);
	assert_true(b.full);
	assert_int_equal(b.len, 3);
	buf_char(&b, 'x');
	assert_int_equal(b.len, 3);
	free(memory);
}

static void numbers_read_back(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 100000; round++) {
		char memory[32], expected[32];
		uint64_t v = random_number() >> random_number() % 64;
		struct buf b = buf_over(memory, sizeof memory);
		buf_uint(&b, v);
		snprintf(expected, sizeof expected, "%llu", (unsigned long long)v);
		assert_int_equal(b.len, strlen(expected));
		assert_memory_equal(memory, expected, b.len);
		b.len = 0;
		buf_int(&b, (int64_t)v);
		snprintf(expected, sizeof expected, "%lld", (long long)v);
		assert_int_equal(b.len, strlen(expected));
		assert_memory_equal(memory, expected, b.len);
	}
}

static void reals_read_back(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 50000; round++) {
		char memory[64];
		union {
			uint64_t bits;
			double v;
		} u = { .bits = random_number() };
		if (round % 2 == 0)
			u.v = (double)(float)u.v;
		if (!isfinite(u.v))
			continue;
		struct buf b = buf_over(memory, sizeof memory - 1);
		buf_real(&b, u.v);
		memory[b.len] = '\0';
		json_t *read = json_loads(memory, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, NULL);
		assert_non_null(read);
		assert_true(json_number_value(read) == u.v);
		json_decref(read);
	}
}

/* RFC 4648, section 10. */
static void base64_is_that_of_the_rfc(void **state)
{
	(void)state;
	static const char *const vectors[][2] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" },
		{ "foo", "Zm9v" }, { "foob", "Zm9vYg==" }, { "fooba", "Zm9vYmE=" },
		{ "foobar", "Zm9vYmFy" } };
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		char memory[16];
		struct buf b = buf_over(memory, sizeof memory);
		buf_base64(&b, (const uint8_t *)vectors[i][0], strlen(vectors[i][0]));
		assert_int_equal(b.len, strlen(vectors[i][1]));
		assert_memory_equal(memory, vectors[i][1], b.len);
	}
}

/* RFC 3720, appendix B.4. */
static void crc32c_is_that_of_the_rfc(void **state)
{
	(void)state;
	uint8_t bytes[32] = { 0 };
	assert_int_equal(crc32c(0, bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, 32);
	assert_int_equal(crc32c(0, bytes, 32), 0x62a8ab43);
	for (uint8_t i = 0; i < 32; i++)
		bytes[i] = i;
	assert_int_equal(crc32c(0, bytes, 32), 0x46dd794e);
	assert_int_equal(crc32c(crc32c(0, bytes, 13), bytes + 13, 19), 0x46dd794e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_bytes_are_json),
		cmocka_unit_test(random_text_comes_back),
		cmocka_unit_test(a_nul_is_replaced),
		cmocka_unit_test(a_long_string_is_cut),
		cmocka_unit_test(a_full_buffer_stays_full),
		cmocka_unit_test(numbers_read_back),
		cmocka_unit_test(reals_read_back),
		cmocka_unit_test(base64_is_that_of_the_rfc),
		cmocka_unit_test(crc32c_is_that_of_the_rfc),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
