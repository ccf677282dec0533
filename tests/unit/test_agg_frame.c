/* test_agg_frame.c - the form of a line: size, depth, order, keys that come twice, and the sense
 * that no single member says. */
#include "tests/unit/golden.h"

#define SIG                                                                                        \
	",\"sig\":"                                                                                \
	"\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" \
	"==\"}"

/* Reads @text with a signature of nobody behind it. */
static enum frame_fault read_unsigned(const char *text, struct err *err)
{
	char *line = malloc(strlen(text) + sizeof SIG);
	struct frame f;
	strcat(strcpy(line, text), SIG);
	enum frame_fault fault = frame_read(&f, line, strlen(line), err);
	frame_free(&f);
	free(line);
	return fault;
}

static void want_fault(const char *text, enum frame_fault wanted, const char *why)
{
	struct err err = { 0 };
	enum frame_fault f = read_unsigned(text, &err);
	if (f != wanted)
		fail_msg("%s: %s (%s)", text, frame_fault_name(f), err.text);
	if (strstr(err.text, why) == NULL)
		fail_msg("%s: says: %s", text, err.text);
}

/* A golden beat without its tail, so that members can be put behind. */
static char *open_beat(void)
{
	const struct golden *g = golden_named("beat");
	return strndup(g->line, g->f.signed_len);
}

static char *with(const char *more)
{
	char *beat = open_beat(), *all = malloc(strlen(beat) + strlen(more) + 1);
	strcat(strcpy(all, beat), more);
	free(beat);
	return all;
}

static void nothing_but_a_frame_is_one(void **state)
{
	static const char *const none[] = { "", "{", "{}", "[]", "null", "1", "\"sig\"",
		"{\"sig\":\"\"}" };
	struct frame f;
	(void)state;
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		struct err err = { 0 };
		assert_int_equal(frame_read(&f, none[i], strlen(none[i]), &err), FRAME_SCHEMA);
		assert_true(err.set);
		frame_free(&f);
	}
	want_fault("[1", FRAME_SCHEMA, "");
	want_fault("{\"t\":\"beat\"", FRAME_SCHEMA, "is missing");
	want_fault("{\"t\":\"best\"", FRAME_SCHEMA, "no such type");
	want_fault("{\"v\":1", FRAME_SCHEMA, "no such type");
}

static void a_key_that_comes_twice_is_refused(void **state)
{
	static const char *const twice[] = { ",\"lvl\":1",
		",\"org\":\"9f3c00000000000000000000000009f3\"", ",\"x\":{\"a\":1,\"a\":1}",
		",\"sig\":\"x\"" };
	(void)state;
	for (size_t i = 0; i < sizeof twice / sizeof twice[0]; i++) {
		char *line = with(twice[i]);
		want_fault(line, FRAME_SCHEMA, "duplicate");
		free(line);
	}
}

static void sig_is_the_last_member(void **state)
{
	struct frame f;
	struct err err = { 0 };
	const struct golden *g = golden_named("beat");
	char *line = malloc(g->len + 32);
	(void)state;
	sprintf(line, "%.*s,\"x\":1}", (int)g->len - 1, g->line);
	assert_int_equal(frame_read(&f, line, strlen(line), &err), FRAME_SCHEMA);
	assert_string_equal(err.text, "sig is not the last member");
	frame_free(&f);
	sprintf(line, "%s ", g->line);
	err = (struct err){ 0 };
	assert_int_equal(frame_read(&f, line, strlen(line), &err), FRAME_SCHEMA);
	frame_free(&f);
	free(line);
}

/* In an object within, or in a text: those bytes are no signature of the frame. */
static void a_sig_within_is_none(void **state)
{
	(void)state;
	char *line = with(",\"x\":{\"a\":1");
	struct err err = { 0 };
	assert_int_equal(read_unsigned(line, &err), FRAME_SCHEMA);
	free(line);
}

/* What a parent asks before it parses anything. */
static void who_signed_is_seen_without_parsing(void **state)
{
	const uint8_t seed[KEY_SEED] = { 7 }, other_seed[KEY_SEED] = { 8 };
	struct key key, other;
	(void)state;
	key_from_seed(&key, seed);
	key_from_seed(&other, other_seed);
	char line[400] = "no JSON, and yet signed", sig[100];
	uint8_t raw[KEY_SIG];
	size_t n = strlen(line);
	key_sign(&key, line, n, raw);
	base64_write(sig, sizeof sig, raw, KEY_SIG);
	sprintf(line + n, ",\"sig\":\"%s\"}", sig);
	size_t len = strlen(line);
	assert_true(frame_signed_by(line, len, &key));
	assert_false(frame_signed_by(line, len, &other));
	for (size_t i = 0; i < len; i++) {
		assert_false(frame_signed_by(line, i, &key));
		line[i] ^= 1;
		assert_false(frame_signed_by(line, len, &key));
		line[i] ^= 1;
	}
	assert_true(frame_signed_by(line, len, &key));
}

static void depth_has_a_bound(void **state)
{
	static const char *const deep[] = { ",\"x\":[[[[[1]]]]]", ",\"x\":[[[[[[1]]]]]]" };
	(void)state;
	char *line = with(deep[0]);
	want_fault(line, FRAME_GOOD, "");
	free(line);
	line = with(deep[1]);
	want_fault(line, FRAME_SCHEMA, "levels of nesting");
	free(line);
}

static char *padded(size_t size)
{
	char *beat = open_beat(), *all = malloc(size + 64);
	size_t n = (size_t)sprintf(all, "%s,\"x\":\"", beat);
	size_t rest = size - (sizeof SIG - 1) - 1; /* up to the text's closing quote */
	memset(all + n, 'a', rest - n);
	strcpy(all + rest, "\"");
	free(beat);
	return all;
}

static void size_has_a_bound(void **state)
{
	(void)state;
	char *fits = padded(FRAME_MAX - 1), *not = padded(FRAME_MAX),
	     *huge = padded(ENVELOPE_MAX + 1);
	want_fault(fits, FRAME_GOOD, "");
	want_fault(not, FRAME_SIZE, "too long");
	want_fault(huge, FRAME_SIZE, "too long");
	free(fits);
	free(not );
	free(huge);
}

static void texts_are_utf_8_without_nul(void **state)
{
	static const char *const bad[] = { ",\"x\":\"\xff\"", ",\"x\":\"\xc3\"",
		",\"x\":\"\\u0000\"", ",\"x\":\"\\ud800\"", ",\"\\u0000\":1" };
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *line = with(bad[i]);
		want_fault(line, FRAME_SCHEMA, "");
		free(line);
	}
}

static void unknown_members_pass_unless_they_are_critical(void **state)
{
	struct frame f;
	struct err err = { 0 };
	(void)state;
	char *line = with(",\"later\":{\"value\":21.5}" SIG);
	assert_int_equal(frame_read(&f, line, strlen(line), &err), FRAME_GOOD);
	assert_int_equal(f.unknown, 1);
	assert_null(json_object_get(f.json, "later"));
	frame_free(&f);
	free(line);
	line = with(",\"later\":1,\"crit\":[\"later\"]");
	want_fault(line, FRAME_SCHEMA, "crit: later is not known");
	free(line);
	line = with(",\"crit\":[\"hl\",\"ver\"]");
	want_fault(line, FRAME_GOOD, "");
	free(line);
	line = with(",\"crit\":[\"absent\"]");
	want_fault(line, FRAME_SCHEMA, "absent");
	free(line);
}

/* --- sense ---------------------------------------------------------------------------------- */

/* The members of @name with a change, signed anew. */
static enum frame_fault changed(
	const char *name, const char *where, const char *json, struct err *why)
{
	const struct golden *g = golden_named(name);
	struct err err = { 0 };
	json_t *members = json_deep_copy(g->f.json), *to = members;
	json_t *v = json_read(json, strlen(json), 8, &err);
	char path[64];
	snprintf(path, sizeof path, "%s", where);
	char *last = strrchr(path, '.');
	if (last != NULL) {
		*last = '\0';
		to = json_object_get(members, path);
		last++;
	} else {
		last = path;
	}
	assert_non_null(v);
	json_object_set_new(to, last, v);
	/* made without the check of frame_make(): its text, any signature */
	json_object_del(members, "sig");
	size_t len;
	char *text = json_write(members, &len);
	text[len - 1] = '\0';
	enum frame_fault f = read_unsigned(text, why);
	free(text);
	json_decref(members);
	return f;
}

static void what_does_not_add_up_is_refused(void **state)
{
	static const struct {
		const char *frame, *where, *json;
		enum frame_fault fault;
	} all[] = {
		{ "digest", "in.events", "436", FRAME_COV },
		{ "digest", "in.alerts", "430", FRAME_COV },
		{ "digest", "in.other", "3", FRAME_COV },
		{ "digest", "in.items", "424", FRAME_COV },
		{ "digest", "in.suppressed", "4", FRAME_COV },
		{ "digest", "in.sampled", "1", FRAME_COV },
		{ "digest", "in.withheld", "0", FRAME_COV },
		{ "digest", "in.lost", "{}", FRAME_COV },
		{ "digest", "in.lost", "{\"trimmed\":4}", FRAME_GOOD },
		{ "digest", "in.lost", "{\"trimmed\":5}", FRAME_COV },
		{ "digest", "in.lost", "{\"trimmed\":9007199254740991}", FRAME_COV },
		{ "digest", "cov", "[]", FRAME_COV },
		{ "digest", "cov", "[[1,12,1,435]]", FRAME_GOOD },
		{ "digest", "cov", "[[1,12,1,436]]", FRAME_COV },
		{ "digest", "cov", "[[1,12,200,435],[1,12,1,199]]", FRAME_GOOD },
		{ "digest", "cov", "[[1,12,1,200],[1,12,200,434]]",
			FRAME_COV },                              /* one event twice */
		{ "digest", "cov", "[[1,12,435,1]]", FRAME_COV }, /* turned round */
		{ "digest", "cov", "[[1,12,1,435],[1,12,1,435]]", FRAME_COV },
		{ "digest", "cov", "[[1,12,1,9007199254740991],[2,12,1,9007199254740991]]",
			FRAME_COV },
		{ "digest", "w.end", "1760000099", FRAME_SCHEMA },
		{ "digest-pseudonymous", "w.jump", "false",
			FRAME_SCHEMA }, /* it ends before it starts */
		{ "tomb", "cov", "[[1,12,1,435]]", FRAME_COV },
		{ "tomb", "in.events", "437", FRAME_COV },
		{ "rollup", "in.events", "434", FRAME_COV },
		{ "rollup", "res", "300", FRAME_SCHEMA },
		{ "rollup", "res", "600", FRAME_SCHEMA },
		{ "rollup", "w.start", "1759999500", FRAME_SCHEMA },
		{ "rollup", "part", "2", FRAME_SCHEMA },
		{ "rollup", "parts", "2", FRAME_GOOD },
		{ "digest", "lvl", "0", FRAME_LEVEL },
		{ "digest-pseudonymous", "lvl", "1", FRAME_LEVEL },
		{ "digest", "lvl", "3", FRAME_GOOD },
		{ "beat", "lvl", "0", FRAME_LEVEL },
		{ "beat-silent", "lvl", "1", FRAME_GOOD },
		{ "evidence", "lvl", "2", FRAME_SCHEMA },
		{ "digest", "v", "2", FRAME_SCHEMA },
		{ "digest", "alg", "\"sm2\"", FRAME_SCHEMA },
		{ "digest", "to", "\"*\"", FRAME_GOOD },
		{ "digest", "org", "\"*\"", FRAME_SCHEMA },
	};
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct err err = { 0 };
		enum frame_fault f = changed(all[i].frame, all[i].where, all[i].json, &err);
		if (f != all[i].fault)
			fail_msg("%s: %s = %s: %s (%s)", all[i].frame, all[i].where, all[i].json,
				frame_fault_name(f), err.text);
	}
}

static void an_envelope_holds_an_original_alone(void **state)
{
	static const char *const no_originals[] = { "envelope", "beat", "digest", "tomb",
		"warning" };
	(void)state;
	for (size_t i = 0; i < sizeof no_originals / sizeof no_originals[0]; i++) {
		const struct golden *g = golden_named(no_originals[i]);
		char *json = malloc(base64_room(g->len) + 3);
		struct err err = { 0 };
		json[0] = '"';
		base64_write(json + 1, base64_room(g->len), g->line, g->len);
		strcat(json, "\"");
		assert_int_equal(changed("envelope", "orig", json, &err), FRAME_SCHEMA);
		free(json);
	}
}

/* --- who it is, even if the rest is wrong ---------------------------------------------------- */

static void names_are_told_of_a_frame_that_is_refused(void **state)
{
	struct frame f;
	struct err err = { 0 };
	const struct golden *g = golden_named("digest");
	char *line = strdup(g->line), *at = strstr(line, "\"tier\":\"enterprise\"");
	(void)state;
	memcpy(at, "\"tier\":\"enterprize\"", 19);
	assert_int_equal(frame_read(&f, line, g->len, &err), FRAME_SCHEMA);
	assert_string_equal(err.text, "tier: no such word");
	assert_string_equal(f.org, g->f.org);
	assert_int_equal(f.id.ep, 7);
	assert_int_equal(f.id.sq, 1);
	assert_int_equal(f.type, FRAME_DIGEST);
	uint8_t hash[HASH];
	hash_of(line, f.signed_len, hash);
	assert_memory_equal(f.hash, hash, HASH);
	frame_free(&f);
	free(line);
}

static void types_and_faults_have_their_words(void **state)
{
	(void)state;
	for (unsigned t = 0; t < FRAME_TYPES; t++) {
		enum frame_type back;
		assert_true(frame_type_from(frame_type_name((enum frame_type)t), &back));
		assert_int_equal(back, t);
	}
	enum frame_type none;
	assert_false(frame_type_from("?", &none));
	assert_false(frame_type_from(NULL, &none));
	assert_string_equal(frame_type_name(FRAME_TYPES), "?");
	assert_string_equal(frame_fault_name(FRAME_BAD_SIG), "sig");
	assert_true(frame_is_sequenced(FRAME_EVIDENCE) && !frame_is_sequenced(FRAME_BEAT));
}

static void the_table_is_told(void **state)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	(void)state;
	frame_describe(f);
	fclose(f);
	assert_non_null(strstr(
		text, "| `in.lost.*` | digest, rollup, tomb | 0 to 9007199254740991 | may | 1 |"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_but_a_frame_is_one),
		cmocka_unit_test(a_key_that_comes_twice_is_refused),
		cmocka_unit_test(sig_is_the_last_member),
		cmocka_unit_test(a_sig_within_is_none),
		cmocka_unit_test(who_signed_is_seen_without_parsing),
		cmocka_unit_test(depth_has_a_bound),
		cmocka_unit_test(size_has_a_bound),
		cmocka_unit_test(texts_are_utf_8_without_nul),
		cmocka_unit_test(unknown_members_pass_unless_they_are_critical),
		cmocka_unit_test(what_does_not_add_up_is_refused),
		cmocka_unit_test(an_envelope_holds_an_original_alone),
		cmocka_unit_test(names_are_told_of_a_frame_that_is_refused),
		cmocka_unit_test(types_and_faults_have_their_words),
		cmocka_unit_test(the_table_is_told),
	};
	return cmocka_run_group_tests(tests, golden_load, golden_drop);
}
