/* test_ipset.c - against a naive list of prefixes, and the speed that rules count on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/clock.h"
#include "common/ipset.h"

static uint64_t seed = 1;

static uint32_t random_u32(void)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 32);
}

static void parses_addresses_and_prefixes(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		unsigned bits;
	} cases[] = {
		{ "10.0.0.1", true, 128 },
		{ "10.0.0.0/8", true, 104 },
		{ "0.0.0.0/0", true, 96 },
		{ "fe80::/10", true, 10 },
		{ "::1", true, 128 },
		{ "::/0", true, 0 },
		{ "10.0.0.1/8", false, 0 },
		{ "10.0.0.0/33", false, 0 },
		{ "10.0.0.0/", false, 0 },
		{ "10.0.0.0/08", false, 0 },
		{ "10.0.0", false, 0 },
		{ "fe80::1/10", false, 0 },
		{ "2001:db8::/129", false, 0 },
		{ "", false, 0 },
		{ "/8", false, 0 },
		{ "plc", false, 0 },
		{ "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc", false, 0 },
		{ "10.0.0.0/8x", false, 0 },
		{ "10.0.0.0/-1", false, 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t bytes[16];
		unsigned bits = 0;
		assert_int_equal(ipset_parse(cases[i].text, bytes, &bits), cases[i].ok);
		if (cases[i].ok)
			assert_int_equal(bits, cases[i].bits);
	}
}

static struct ipset *set_of(const char *const *texts)
{
	struct ipset *set = ipset_new();
	for (; *texts != NULL; texts++) {
		uint8_t bytes[16];
		unsigned bits;
		assert_true(ipset_parse(*texts, bytes, &bits));
		ipset_add(set, bytes, bits);
	}
	ipset_ready(set);
	return set;
}

static bool has(const struct ipset *set, const char *text)
{
	uint8_t bytes[16];
	unsigned bits;
	assert_true(ipset_parse(text, bytes, &bits));
	return ipset_has(set, bytes);
}

static void knows_its_edges(void **state)
{
	(void)state;
	static const char *const texts[] = { "10.0.0.0/8", "10.1.0.0/16", "192.168.1.5",
		"192.168.1.6", "2001:db8::/32", "2001:db9::5", "2001:db9::7", "255.255.255.255",
		"fe80::/10", NULL };
	struct ipset *set = set_of(texts);
	assert_int_equal(ipset_ranges(set), 3 + 4);
	assert_true(has(set, "10.0.0.0"));
	assert_true(has(set, "10.255.255.255"));
	assert_false(has(set, "9.255.255.255"));
	assert_false(has(set, "11.0.0.0"));
	assert_true(has(set, "192.168.1.6"));
	assert_false(has(set, "192.168.1.7"));
	assert_true(has(set, "255.255.255.255"));
	assert_false(has(set, "255.255.255.254"));
	assert_true(has(set, "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff"));
	assert_false(has(set, "2001:db9::6"));
	assert_true(has(set, "2001:db9::7"));
	assert_false(has(set, "2001:db9::8"));
	assert_true(has(set, "febf::1"));
	assert_false(has(set, "::1"));
	assert_false(has(set, "ff02::1"));
	ipset_free(set);

	static const char *const everything[] = { "::/0", NULL };
	set = set_of(everything);
	assert_true(has(set, "1.2.3.4"));
	assert_true(has(set, "::"));
	assert_true(has(set, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
	ipset_free(set);

	static const char *const nothing[] = { NULL };
	set = set_of(nothing);
	assert_false(has(set, "1.2.3.4"));
	assert_false(has(set, "::1"));
	ipset_free(set);
	ipset_free(NULL);
}

struct prefix {
	uint8_t bytes[16];
	unsigned bits;
};

static bool naive(const struct prefix *p, size_t n, const uint8_t bytes[16])
{
	for (size_t i = 0; i < n; i++) {
		bool same = true;
		for (unsigned b = 0; b < p[i].bits && same; b++)
			same = ((p[i].bytes[b / 8] ^ bytes[b / 8]) >> (7 - b % 8) & 1) == 0;
		if (same)
			return true;
	}
	return false;
}

/* Few distinct bits, so that prefixes nest and neighbours touch. */
static struct prefix random_prefix(bool v4)
{
	struct prefix p = { .bits = v4 ? 96 + 20 + random_u32() % 13 : random_u32() % 129 };
	if (v4) {
		p.bytes[10] = p.bytes[11] = 0xff;
		p.bytes[12] = 10;
		p.bytes[14] = (uint8_t)(random_u32() % 8);
		p.bytes[15] = (uint8_t)(random_u32() % 256);
	} else
		for (int i = 0; i < 16; i++)
			p.bytes[i] = (uint8_t)(random_u32() % 3 == 0 ? random_u32() % 4 : 0);
	return p;
}

static void agrees_with_a_naive_list(void **state)
{
	(void)state;
	for (int round = 0; round < 60; round++) {
		struct prefix list[40];
		size_t n = 1 + random_u32() % 40;
		struct ipset *set = ipset_new();
		for (size_t i = 0; i < n; i++) {
			list[i] = random_prefix(round % 2 == 0);
			ipset_add(set, list[i].bytes, list[i].bits);
		}
		ipset_ready(set);
		for (int i = 0; i < 2000; i++) {
			struct prefix q = random_prefix(round % 2 == 0);
			assert_int_equal(ipset_has(set, q.bytes), naive(list, n, q.bytes));
		}
		ipset_free(set);
	}
}

/* 100,000 prefixes; the bound is ten times what is wanted, for slow and busy machines. */
static void is_fast(bool v4)
{
	enum { PREFIXES = 100000, ASKED = 200000 };
	struct ipset *set = ipset_new();
	for (int i = 0; i < PREFIXES; i++) {
		uint8_t b[16] = { 0x20, 0x01 };
		if (v4)
			b[0] = b[1] = 0, b[10] = b[11] = 0xff;
		for (int j = v4 ? 12 : 2; j < 16; j++)
			b[j] = (uint8_t)random_u32();
		ipset_add(set, b, v4 ? 96 + 16 + random_u32() % 17 : 32 + random_u32() % 97);
	}
	ipset_ready(set);
	static uint8_t asked[4096][16];
	for (size_t i = 0; i < 4096; i++) {
		memset(asked[i], 0, 16);
		asked[i][v4 ? 10 : 0] = v4 ? 0xff : 0x20;
		asked[i][v4 ? 11 : 1] = v4 ? 0xff : 0x01;
		for (int j = v4 ? 12 : 2; j < 16; j++)
			asked[i][j] = (uint8_t)random_u32();
	}
	size_t found = 0;
	int64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	for (size_t i = 0; i < ASKED; i++)
		found += ipset_has(set, asked[i % 4096]);
	double each = (double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / ASKED;
	print_message("%s: %zu ranges, %.1f ns a look-up, %zu found\n", v4 ? "IPv4" : "IPv6",
		ipset_ranges(set), each, found);
#if !defined(__SANITIZE_ADDRESS__)
	assert_true(each < 500);
#endif
	ipset_free(set);
}

static void is_fast_enough(void **state)
{
	(void)state;
	is_fast(true);
	is_fast(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_addresses_and_prefixes),
		cmocka_unit_test(knows_its_edges),
		cmocka_unit_test(agrees_with_a_naive_list),
		cmocka_unit_test(is_fast_enough),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
