/* rule_regex.c - PCRE2 with bounds on its work; compiled to machine code where the system allows
 * it. */
#include "sensor/rule_impl.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdio.h>
#include <stdlib.h>

enum { STEPS_MAX = 100000, DEPTH_MAX = 1000, HEAP_KIB = 4096, PARENS_MAX = 50 };

struct regex_run {
	pcre2_match_data *data;
	pcre2_match_context *context;
	uint64_t given_up;
};

/* struct regex is never defined: it is PCRE2's own type behind another name. */
static pcre2_code *code_of(const struct regex *r)
{
	return (pcre2_code *)(uintptr_t)r;
}

struct regex *regex_make(const char *pattern, size_t len, bool i, bool m, bool s, struct err *err)
{
	uint32_t flags = PCRE2_NEVER_BACKSLASH_C | (i ? PCRE2_CASELESS : 0) |
			 (m ? PCRE2_MULTILINE : 0) | (s ? PCRE2_DOTALL : 0);
	int number;
	PCRE2_SIZE at;
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	if (context != NULL) {
		pcre2_set_max_pattern_length(context, PATTERN_MAX);
		pcre2_set_parens_nest_limit(context, PARENS_MAX);
	}
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern, len, flags, &number, &at, context);
	pcre2_compile_context_free(context);
	if (code == NULL) {
		PCRE2_UCHAR why[128];
		pcre2_get_error_message(number, why, sizeof why);
		err_set(err, "%s, at character %zu", (const char *)why, at + 1);
		return NULL;
	}
	pcre2_jit_compile(
		code, PCRE2_JIT_COMPLETE); /* refused where memory may not be made executable */
	return (struct regex *)(void *)code;
}

void regex_free(struct regex *r)
{
	pcre2_code_free(code_of(r));
}

struct regex_run *regex_run_new(void)
{
	struct regex_run *run = calloc(1, sizeof *run);
	if (run == NULL)
		return NULL;
	run->data = pcre2_match_data_create(1, NULL);
	run->context = pcre2_match_context_create(NULL);
	if (run->data == NULL || run->context == NULL) {
		regex_run_free(run);
		return NULL;
	}
	pcre2_set_match_limit(run->context, STEPS_MAX);
	pcre2_set_depth_limit(run->context, DEPTH_MAX);
	pcre2_set_heap_limit(run->context, HEAP_KIB);
	return run;
}

void regex_run_free(struct regex_run *run)
{
	if (run == NULL)
		return;
	pcre2_match_data_free(run->data);
	pcre2_match_context_free(run->context);
	free(run);
}

bool regex_matches(const struct regex *r, struct regex_run *run, const uint8_t *text, size_t len)
{
	int n = pcre2_match(
		code_of(r), len == 0 ? (PCRE2_SPTR) "" : text, len, 0, 0, run->data, run->context);
	if (n < 0 && n != PCRE2_ERROR_NOMATCH)
		run->given_up++;
	return n >= 0;
}

uint64_t regex_run_given_up(const struct regex_run *run)
{
	return run->given_up;
}
