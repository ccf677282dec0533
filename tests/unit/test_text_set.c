/* test_text_set.c - sets of texts against asking them one by one, and the speed that rules count
 * on: 100,000 names, and a name below one of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/clock.h"
#include "sensor/text_set.h"

enum { MANY = 100000, ASKED = 1000000 };

static uint64_t seed = 1;

static uint32_t random_below(uint32_t n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(seed >> 33) % n;
}

static void make(
	struct pattern *p, const char *text, enum anchor anchor, bool cased, struct arena *arena)
{
	assert_null(pattern_make(p, text, strlen(text), anchor, cased, arena));
}

/* Texts over few letters, so that they meet. */
static size_t few_letters(char *out, size_t most)
{
	static const char letters[] = "aAbB.@`[{";
	size_t n = random_below((uint32_t)most);
	for (size_t i = 0; i < n; i++)
		out[i] = letters[random_below(sizeof letters - 1)];
	out[n] = '\0';
	return n;
}

static void answers_as_one_by_one(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		struct arena arena = { 0 };
		struct pattern p[40];
		char text[32];
		uint32_t count = random_below(40);
		for (uint32_t i = 0; i < count; i++) {
			few_letters(text, 12);
			make(&p[i], text, random_below(4), random_below(4) == 0, &arena);
		}
		const struct text_set *set = text_set_make(p, count, &arena);
		for (unsigned k = 0; k < 200; k++) {
			size_t n = few_letters(text, 20);
			bool wanted = false;
			for (uint32_t i = 0; i < count; i++)
				wanted |= pattern_matches(&p[i], (const uint8_t *)text, n);
			assert_int_equal(text_set_has(set, (const uint8_t *)text, n), wanted);
		}
		arena_free(&arena);
	}
}

static void longest_and_shortest(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	struct pattern p[2];
	char text[PATTERN_MAX + 2];
	memset(text, 'x', sizeof text);
	text[PATTERN_MAX] = '\0';
	make(&p[0], text, ANCHOR_ENDS, false, &arena);
	make(&p[1], "", ANCHOR_WHOLE, false, &arena);
	const struct text_set *set = text_set_make(p, 2, &arena);
	assert_true(text_set_has(set, NULL, 0));
	text[PATTERN_MAX] = 'x';
	assert_true(text_set_has(set, (const uint8_t *)text, PATTERN_MAX));
	assert_true(text_set_has(set, (const uint8_t *)text, PATTERN_MAX + 1));
	assert_false(text_set_has(set, (const uint8_t *)text, PATTERN_MAX - 1));
	arena_free(&arena);
}

static size_t domain(char out[64], unsigned i)
{
	static const char *const tops[] = { "com", "net", "example", "co.uk" };
	return (size_t)snprintf(out, 64, "host%u-%x.%s", i, i * 2654435761u, tops[i % 4]);
}

/* As a rule asks: is it in the list, or below something in it? */
static void a_hundred_thousand_names(void **state)
{
	(void)state;
	struct arena arena = { 0 };
	struct pattern *p = calloc(2 * (size_t)MANY, sizeof *p);
	assert_non_null(p);
	char text[80];
	int64_t start = mono_ns();
	for (unsigned i = 0; i < MANY; i++) {
		domain(text, i);
		make(&p[i], text, ANCHOR_WHOLE, false, &arena);
		memmove(text + 1, text, strlen(text) + 1);
		text[0] = '.';
		make(&p[MANY + i], text, ANCHOR_ENDS, false, &arena);
	}
	const struct text_set *exact = text_set_make(p, MANY, &arena);
	const struct text_set *below = text_set_make(p + MANY, MANY, &arena);
	double load_ms = (double)(mono_ns() - start) / 1e6;
	static char asked[1024][80];
	for (unsigned i = 0; i < 1024; i++) {
		size_t n = (size_t)snprintf(asked[i], 80, "%s", i % 2 == 0 ? "" : "www.update.");
		domain(asked[i] + n, i % 3 == 0 ? random_below(MANY) : MANY + i);
	}
	unsigned hits = 0;
	start = mono_ns();
	for (unsigned i = 0; i < ASKED; i++) {
		const char *a = asked[i % 1024];
		size_t n = strlen(a);
		hits += text_set_has(exact, (const uint8_t *)a, n) ||
			text_set_has(below, (const uint8_t *)a, n);
	}
	double ns = (double)(mono_ns() - start) / ASKED;
	print_message("100,000 names made in %.0f ms; %.0f ns to ask for a name and all above it\n",
		load_ms, ns);
	assert_in_range(hits, ASKED / 4, ASKED / 2);
	assert_true(ns < 5000); /* linear would be 1,000,000 */
	free(p);
	arena_free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_as_one_by_one),
		cmocka_unit_test(longest_and_shortest),
		cmocka_unit_test(a_hundred_thousand_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
