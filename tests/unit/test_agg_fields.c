/* test_agg_fields.c - the field table: every member of every type takes what it says and nothing
 * else, and at level 1 none of them can carry what belongs to the site. */
#include "tests/unit/golden.h"

/* --- walking a golden frame along the table ------------------------------------------------ */

/* One member, and the value it has in a frame: where it hangs, so that it can be replaced. */
struct spot {
	const struct golden *g;
	const struct member *root, *m;
	json_t *top, *holder; /* of a copy that is ours */
	const char *key;      /* in an object */
	size_t at;            /* in a list */
};
typedef void look(const struct spot *s);

static json_t *value_at(const struct spot *s)
{
	return s->key != NULL ? json_object_get(s->holder, s->key)
			      : json_array_get(s->holder, s->at);
}

/* Takes @v over. */
static void put(const struct spot *s, json_t *v)
{
	assert_non_null(v);
	if (s->key != NULL)
		json_object_set_new(s->holder, s->key, v);
	else
		json_array_set_new(s->holder, s->at, v);
}

static void visit(struct spot s, const struct member *m, json_t *v, look *what);

static void step(struct spot s, const struct member *m, json_t *holder, const char *key, size_t at,
	look *what)
{
	s.m = m;
	s.holder = holder;
	s.key = key;
	s.at = at;
	what(&s);
	visit(s, m, value_at(&s), what);
}

static void visit(struct spot s, const struct member *m, json_t *v, look *what)
{
	for (unsigned c = 0; c < m->children; c++) {
		const struct member *child = &m->child[c];
		if (json_is_array(v) && json_array_size(v) > c)
			step(s, child, v, NULL, c, what);
		else if (m->any && json_object_size(v) > 0)
			step(s, child, v, json_object_iter_key(json_object_iter(v)), 0, what);
		else if (json_object_get(v, child->name) != NULL)
			step(s, child, v, child->name, 0, what);
	}
}

static void walk(look *what)
{
	for (size_t i = 0; i < golden_count; i++) {
		struct spot s = { .g = &golden[i], .root = frame_table(golden[i].f.type) };
		s.top = json_deep_copy(golden[i].f.json);
		visit(s, s.root, s.top, what);
		assert_true(json_equal(s.top, golden[i].f.json)); /* all was put back */
		json_decref(s.top);
	}
}

/* What the table says of the frame as it is now. */
static enum frame_fault judge(const struct spot *s, unsigned *unknown)
{
	struct table_use use;
	struct err err = { 0 };
	json_t *copy = json_deep_copy(s->top);
	enum frame_fault f = frame_table_check(s->root, copy, &use, &err);
	assert_int_equal(f != FRAME_GOOD, err.set);
	if (f != FRAME_GOOD && strstr(err.text, ": ") == NULL)
		fail_msg("no place is named: %s", err.text);
	if (unknown != NULL)
		*unknown = use.unknown;
	json_decref(copy);
	return f;
}

static void demand(const struct spot *s, json_t *v, bool good, const char *why)
{
	json_t *was = json_incref(value_at(s));
	put(s, v);
	enum frame_fault f = judge(s, NULL);
	put(s, was);
	if ((f == FRAME_GOOD) != good)
		fail_msg(
			"%s %s: %s is %s", s->g->name, s->m->path, why, good ? "refused" : "taken");
}

/* --- types, bounds, presence ----------------------------------------------------------------- */

static void other_types(const struct spot *s)
{
	const struct {
		json_t *v;
		bool fits;
		const char *name;
	} all[] = { { json_integer(2), false, "a number of no bound" },
		{ json_real(21.5), false, "a real" }, { json_real(1e300), false, "a large real" },
		{ json_null(), false, "null" }, { json_true(), s->m->kind == MEMBER_FLAG, "true" },
		{ json_object(), false, "{}" }, { json_array(), s->m->kind == MEMBER_LIST, "[]" } };
	bool empty_is_fine = s->m->kind == MEMBER_OBJECT && s->m->musts == 0;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		bool good = i == 5 ? empty_is_fine : all[i].fits;
		if (i == 0 && s->m->kind == MEMBER_INT)
			json_decref(all[i].v);
		else
			demand(s, all[i].v, good, all[i].name);
	}
}

static void every_member_refuses_other_types(void **state)
{
	(void)state;
	walk(other_types);
}

static void bounds(const struct spot *s)
{
	const struct member *m = s->m;
	if (m->kind != MEMBER_INT)
		return;
	demand(s, json_integer(m->low), true, "the lowest");
	demand(s, json_integer(m->high), true, "the highest");
	demand(s, json_integer(m->low - 1), false, "one below");
	demand(s, json_integer(m->high + 1), false, "one above");
	demand(s, json_integer(INT64_MAX), false, "INT64_MAX");
	demand(s, json_integer(INT64_MIN), false, "INT64_MIN");
	demand(s, json_real((double)m->low), false, "the lowest as a real");
}

static void every_number_has_its_bounds(void **state)
{
	(void)state;
	walk(bounds);
}

static void sizes(const struct spot *s)
{
	const struct member *m = s->m;
	json_t *v = value_at(s);
	if (m->kind != MEMBER_LIST && m->kind != MEMBER_ROW)
		return;
	if (m->kind == MEMBER_LIST && json_array_size(v) == 0)
		return;
	json_t *more = json_deep_copy(v), *fewer = json_deep_copy(v);
	while (json_array_size(more) < (size_t)m->high)
		json_array_append(more, json_array_get(v, 0));
	demand(s, json_deep_copy(more), true, "as many as there may be");
	json_array_append(more, json_array_get(v, 0));
	demand(s, more, false, "one too many");
	json_array_remove(fewer, json_array_size(fewer) - 1);
	demand(s, fewer, m->kind == MEMBER_LIST, "one fewer");
}

static void every_list_has_its_size(void **state)
{
	(void)state;
	walk(sizes);
}

static void words(const struct spot *s)
{
	static const char *const wrong[] = { "", "boiler", "21.5", "10.0.0.1", "ACCEPTED",
		"accepted " };
	if (s->m->kind != MEMBER_WORD)
		return;
	for (const char **w = s->m->word; *w != NULL; w++)
		demand(s, json_string(*w), true, *w);
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		demand(s, json_string(wrong[i]), false, wrong[i]);
}

static void every_word_is_one_of_its_list(void **state)
{
	(void)state;
	walk(words);
}

static void presence(const struct spot *s)
{
	if (s->key == NULL || s->m->name[0] == '*')
		return;
	/* put back in its place, since the order is compared by nothing */
	json_t *was = json_incref(value_at(s));
	json_object_del(s->holder, s->key);
	enum frame_fault f = judge(s, NULL);
	put(s, was);
	if ((f == FRAME_GOOD) != !s->m->must)
		fail_msg("%s: %s is a %s", s->g->name, s->m->path, s->m->must ? "must" : "may");
}

static void what_must_be_there_is_demanded(void **state)
{
	(void)state;
	walk(presence);
}

static void stranger(const struct spot *s)
{
	unsigned unknown;
	json_t *v = value_at(s);
	if (s->m->kind != MEMBER_OBJECT)
		return;
	json_object_set_new(v, "set_point", json_real(21.5));
	enum frame_fault f = judge(s, &unknown);
	json_object_del(v, "set_point");
	if (s->m->any)
		assert_int_equal(f, FRAME_SCHEMA);
	else
		assert_true(f == FRAME_GOOD && unknown == 1);
}

static void unknown_members_are_cut_away(void **state)
{
	(void)state;
	walk(stranger);
}

/* --- what no member can carry at level 1 ------------------------------------------------------ */

static const char *const of_the_site[] = { "10.0.0.1", "192.168.100.200", "203.0.113.7", "fe80::1",
	"2001:db8::1", "00:1b:1b:12:34:56", "00-1b-1b-12-34-56", "10.0.0.1:502",
	"plc-7.site.example", "boiler", "Boiler7", "Boiler 7", "boiler-7", "boiler_7", "DB10.DBD4",
	"%MW100", "Pump_3.SetPoint", "SIMATIC-PC", "control room", "锅炉控制器", "张三", "21.5",
	"-3.25", "0.001", "1e9", "42", "42bar", "0x2a", "21,5", "3.7 MPa", "/etc/passwd", "admin",
	"Stop commands from outside.", "{\"a\":1}", "eyJ2IjoyMS41fQ==", "Ym9pbGVy",
	"{10.0.0.1 boiler 21.5}" };
enum { OF_THE_SITE = sizeof of_the_site / sizeof of_the_site[0] };

static bool goes_up(enum frame_type t)
{
	return t <= FRAME_ENVELOPE;
}

static void texts_of(const struct member *m, unsigned *seen)
{
	for (unsigned c = 0; c < m->children; c++)
		texts_of(&m->child[c], seen);
	/* crit names members, and what it names has to be one: tried below */
	if (m->level > 1 || m->kind != MEMBER_TEXT || strcmp(m->path, "crit[]") == 0)
		return;
	for (size_t i = 0; i < OF_THE_SITE; i++)
		if (m->fits(of_the_site[i], strlen(of_the_site[i])))
			fail_msg("%s (%s) takes \"%s\"", m->path, m->detail, of_the_site[i]);
	++*seen;
}

static void no_text_at_level_1_takes_what_is_of_the_site(void **state)
{
	unsigned seen = 0;
	(void)state;
	for (unsigned t = 0; t < FRAME_TYPES; t++)
		if (goes_up((enum frame_type)t))
			texts_of(frame_table((enum frame_type)t), &seen);
	assert_true(seen > 60);
}

static void words_of(const struct member *m)
{
	for (unsigned c = 0; c < m->children; c++)
		words_of(&m->child[c]);
	for (const char **w = m->word; m->kind == MEMBER_WORD && *w != NULL; w++)
		if (strpbrk(*w, " .:/0123456789") != NULL && strcmp(*w, "ed25519") != 0)
			fail_msg("%s: the word \"%s\" says a number or an address", m->path, *w);
}

static void words_are_plain(void **state)
{
	(void)state;
	for (unsigned t = 0; t < FRAME_TYPES; t++)
		if (goes_up((enum frame_type)t))
			words_of(frame_table((enum frame_type)t));
}

static bool refused(const struct golden *g, const json_t *members)
{
	struct err err = { 0 };
	size_t len;
	char *line = golden_again(&g->f, members, &len, &err);
	free(line);
	return line == NULL;
}

/* Into each frame that goes up: as a value of its own, and as one that a reader has to know. */
static void no_frame_is_made_with_a_member_of_ones_own(void **state)
{
	(void)state;
	for (size_t i = 0; i < golden_count; i++) {
		const struct golden *g = &golden[i];
		json_t *own = json_deep_copy(g->f.json), *crit = json_deep_copy(g->f.json);
		json_object_set_new(own, "set_point", json_real(21.5));
		json_object_set_new(crit, "crit", json_pack("[s]", "boiler-7"));
		assert_true(refused(g, own));
		assert_true(refused(g, crit));
		json_decref(own);
		json_decref(crit);
	}
}

/* Every text in every frame that goes up at level 1, replaced by each. */
static void tried(const struct spot *s)
{
	if (s->m->kind != MEMBER_TEXT || s->m->level > 1 || !goes_up(s->g->f.type) ||
		s->g->f.level > 1)
		return;
	for (size_t i = 0; i < OF_THE_SITE; i++) {
		json_t *was = json_incref(value_at(s));
		put(s, json_string(of_the_site[i]));
		bool made = !refused(s->g, s->top);
		put(s, was);
		/* who signs and for whom come from the node, not from the members */
		bool ours = false;
		static const char *const head[] = { "kid", "org", "to", "sig", "pv" };
		for (size_t k = 0; k < sizeof head / sizeof head[0]; k++)
			ours = ours || strcmp(s->m->path, head[k]) == 0;
		if (made && !ours)
			fail_msg("%s carries \"%s\" in %s", s->g->name, of_the_site[i], s->m->path);
	}
}

static void no_frame_is_made_that_carries_it(void **state)
{
	(void)state;
	walk(tried);
}

/* --- levels ------------------------------------------------------------------------------ */

static void level_of(const struct spot *s)
{
	struct err err = { 0 };
	struct frame f = s->g->f;
	f.level = s->m->level; /* a frame that holds it */
	assert_int_equal(frame_check_level(&f, s->m->level, &err), FRAME_GOOD);
	if (s->m->level == 0 || s->key == NULL || strcmp(s->m->path, "lvl") == 0)
		return;
	assert_int_equal(frame_check_level(&f, s->m->level - 1, &err), FRAME_LEVEL);
	if (json_object_get(s->top, "lvl") == NULL || s->g->f.type == FRAME_EVIDENCE)
		return;
	/* signed as if it were of a lower level */
	json_t *lower = json_deep_copy(s->top);
	json_object_set_new(lower, "lvl", json_integer(s->m->level - 1));
	struct err why = { 0 };
	size_t len;
	char *line = golden_again(&s->g->f, lower, &len, &why);
	if (line != NULL)
		fail_msg("%s leaves at level %u with %s", s->g->name, s->m->level - 1, s->m->path);
	if (strstr(why.text, "not at level") == NULL)
		fail_msg("%s", why.text);
	json_decref(lower);
}

static void no_member_stands_below_its_level(void **state)
{
	(void)state;
	walk(level_of);
}

static void the_level_is_that_of_the_member_that_needs_most(void **state)
{
	static const struct {
		const char *name;
		unsigned level;
	} known[] = { { "beat-silent", 0 }, { "beat", 1 }, { "digest", 1 },
		{ "digest-pseudonymous", 2 }, { "evidence", 3 }, { "receipt", 1 }, { "tomb", 1 },
		{ "answer", 1 }, { "rc", 0 } };
	(void)state;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		assert_int_equal(golden_named(known[i].name)->f.level, known[i].level);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_member_refuses_other_types),
		cmocka_unit_test(every_number_has_its_bounds),
		cmocka_unit_test(every_list_has_its_size),
		cmocka_unit_test(every_word_is_one_of_its_list),
		cmocka_unit_test(what_must_be_there_is_demanded),
		cmocka_unit_test(unknown_members_are_cut_away),
		cmocka_unit_test(no_text_at_level_1_takes_what_is_of_the_site),
		cmocka_unit_test(words_are_plain),
		cmocka_unit_test(no_frame_is_made_with_a_member_of_ones_own),
		cmocka_unit_test(no_frame_is_made_that_carries_it),
		cmocka_unit_test(no_member_stands_below_its_level),
		cmocka_unit_test(the_level_is_that_of_the_member_that_needs_most),
	};
	return cmocka_run_group_tests(tests, golden_load, golden_drop);
}
