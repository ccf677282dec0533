/* test_agg_golden.c - lines that were signed once are read, verified and made again for ever. */
#include "tests/unit/golden.h"

static void each_is_read_and_verified(void **state)
{
	(void)state;
	for (size_t i = 0; i < golden_count; i++) {
		struct key k;
		golden_signer(&golden[i].f, &k);
		assert_int_equal(golden[i].f.unknown, 0);
		if (!frame_verify(&golden[i].f, &k))
			fail_msg("%s: its signature", golden[i].name);
	}
}

static void each_is_made_again_bit_for_bit(void **state)
{
	(void)state;
	for (size_t i = 0; i < golden_count; i++) {
		struct err err = { 0 };
		size_t len;
		char *line = golden_again(&golden[i].f, golden[i].f.json, &len, &err);
		if (line == NULL)
			fail_msg("%s: %s", golden[i].name, err.text);
		assert_int_equal(len, golden[i].len);
		assert_string_equal(line, golden[i].line);
		free(line);
	}
}

static void there_is_one_of_every_type(void **state)
{
	bool there[FRAME_TYPES] = { false };
	(void)state;
	for (size_t i = 0; i < golden_count; i++)
		there[golden[i].f.type] = true;
	for (unsigned t = 0; t < FRAME_TYPES; t++)
		if (!there[t])
			fail_msg("none of type %s", frame_type_name((enum frame_type)t));
}

/* Is there a value for @m in @v? */
static bool holds(const struct member *m, const json_t *v, unsigned at, const char *name)
{
	if (json_is_array(v))
		return json_array_size(v) > at;
	if (name[0] == '*')
		return json_object_size(v) > 0;
	return json_object_get(v, m->name) != NULL;
}

static const json_t *inner(const struct member *m, const json_t *v, unsigned at, const char *name)
{
	if (json_is_array(v))
		return json_array_get(v, at);
	if (name[0] == '*')
		return json_object_iter_value(json_object_iter((json_t *)(uintptr_t)v));
	return json_object_get(v, m->name);
}

/* Every row of the table below @m is held by one of @frames. */
static void demand(
	const struct member *m, const json_t *const *frames, size_t count, enum frame_type t)
{
	for (unsigned c = 0; c < m->children; c++) {
		const json_t *in[GOLDEN_MOST];
		size_t n = 0;
		for (size_t i = 0; i < count; i++)
			if (holds(&m->child[c], frames[i], c, m->child[c].name))
				in[n++] = inner(&m->child[c], frames[i], c, m->child[c].name);
		if (n == 0)
			fail_msg(
				"%s: no golden frame has %s", frame_type_name(t), m->child[c].path);
		demand(&m->child[c], in, n, t);
	}
}

static void together_they_hold_every_member(void **state)
{
	(void)state;
	/* what frames of many types may hold is held by one of them */
	json_t *common = json_object();
	json_object_set(common, "after", json_object_get(golden_named("digest")->f.json, "after"));
	json_object_set(common, "crit", json_object_get(golden_named("warning")->f.json, "crit"));
	json_object_set(common, "path", json_object_get(golden_named("rollup")->f.json, "path"));
	assert_int_equal(json_object_size(common), 3);
	for (unsigned t = 0; t < FRAME_TYPES; t++) {
		const json_t *of[GOLDEN_MOST];
		size_t n = 0;
		for (size_t i = 0; i < golden_count; i++)
			if (golden[i].f.type == t)
				of[n++] = golden[i].f.json;
		of[n++] = common;
		demand(frame_table((enum frame_type)t), of, n, (enum frame_type)t);
	}
	json_decref(common);
}

/* digest, digest-pseudonymous, receipt, answer, evidence: each names the hash of the one before. */
static void sequenced_ones_are_chained(void **state)
{
	static const char *const order[] = { "digest", "digest-pseudonymous", "receipt", "answer",
		"evidence" };
	(void)state;
	for (size_t i = 1; i < sizeof order / sizeof order[0]; i++) {
		const struct frame *f = &golden_named(order[i])->f;
		const struct frame *before = &golden_named(order[i - 1])->f;
		assert_memory_equal(f->pv, before->hash, HASH);
		assert_int_equal(f->id.sq, before->id.sq + 1);
	}
}

static void what_one_quotes_is_the_other(void **state)
{
	char hex[HASH_HEX], text[ENVELOPE_MAX];
	size_t n;
	(void)state;
	const char *orig = json_text_of(golden_named("envelope")->f.json, "orig");
	assert_true(base64_read(orig, strlen(orig), text, sizeof text, &n));
	assert_int_equal(n, golden_named("flash")->len);
	assert_memory_equal(text, golden_named("flash")->line, n);
	assert_string_equal(
		json_text_of(golden_named("tomb")->f.json, "rc"), golden_named("rc")->line);
	hash_hex(golden_named("notice")->f.hash, hex);
	assert_string_equal(json_text_of(golden_named("step")->f.json, "from"), hex);
	assert_string_equal(json_text_of(golden_named("receipt")->f.json, "from"), hex);
}

/* --- damage ------------------------------------------------------------------------------ */

static bool passes(const char *line, size_t len, const struct key *k)
{
	struct frame f;
	struct err err = { 0 };
	bool good = frame_read(&f, line, len, &err) == FRAME_GOOD && frame_verify(&f, k);
	if (!good && !err.set)
		err_set(&err, "its signature");
	frame_free(&f);
	return good;
}

/* Each cut in a heap block of its own, so that a read too far is seen. */
static void every_cut_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < golden_count; i++) {
		struct key k;
		golden_signer(&golden[i].f, &k);
		for (size_t n = 0; n < golden[i].len; n++) {
			char *cut = malloc(n + (n == 0));
			memcpy(cut, golden[i].line, n);
			if (passes(cut, n, &k))
				fail_msg("%s passes with %zu bytes", golden[i].name, n);
			free(cut);
		}
	}
}

static void every_flip_of_a_byte_is_refused(void **state)
{
	static const char masks[] = { 0x01, 0x20 };
	(void)state;
	for (size_t i = 0; i < golden_count; i++) {
		struct key k;
		golden_signer(&golden[i].f, &k);
		char *line = strdup(golden[i].line);
		for (size_t n = 0; n < golden[i].len * 2; n++) {
			line[n / 2] ^= masks[n % 2];
			if (passes(line, golden[i].len, &k))
				fail_msg("%s passes with byte %zu changed", golden[i].name, n / 2);
			line[n / 2] ^= masks[n % 2];
		}
		free(line);
	}
}

static void no_other_key_verifies_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < golden_count; i++) {
		const char *owner;
		json_t *ignored;
		unsigned good = 0;
		json_object_foreach(golden_keys, owner, ignored)
		{
			struct key k;
			golden_key(owner, &k);
			good += frame_verify(&golden[i].f, &k);
			snprintf(k.kid, sizeof k.kid, "%s",
				golden[i].f.kid); /* a name is no proof */
			good += frame_verify(&golden[i].f, &k);
		}
		assert_int_equal(good, 2); /* its own, twice */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_is_read_and_verified),
		cmocka_unit_test(each_is_made_again_bit_for_bit),
		cmocka_unit_test(there_is_one_of_every_type),
		cmocka_unit_test(together_they_hold_every_member),
		cmocka_unit_test(sequenced_ones_are_chained),
		cmocka_unit_test(what_one_quotes_is_the_other),
		cmocka_unit_test(every_cut_is_refused),
		cmocka_unit_test(every_flip_of_a_byte_is_refused),
		cmocka_unit_test(no_other_key_verifies_it),
	};
	return cmocka_run_group_tests(tests, golden_load, golden_drop);
}
