/* test_rule_random.c - random rules on random messages against an evaluator that knows no index, no
 * compiled terms and no order: the same rules must hold, with the same item. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/buf.h"
#include "common/text_list.h"
#include "sensor/rule_impl.h"
#include "tests/unit/toy.h"

enum {
	RULES = 250,
	FEW = 4,
	EVENTS = 400,
	ROUNDS = 12,
	ALL_ROUNDS = 8,
	SELECTIONS = 5,
	DEPTH = 4,
	ITEMS = 4
};
enum { ABSENT = -1, UNKNOWN = -2 };
enum truth { FALSE_, TRUE_, UNSURE };

static uint64_t seed = 7;

static unsigned below(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(seed >> 33) % n;
}

/* What a message is, as plain numbers. */
struct message {
	int number, code, port, address, zone, verdict;
	int items, index[ITEMS], value[ITEMS];
};

/* One selection: field FIELD is one of VALUES, or more than values[0]. */
enum field_of { NUMBER, CODE, PORT, ADDRESS, ZONE, INDEX, VALUE, VERDICT, FIELD_KINDS };
struct choice {
	enum field_of field;
	bool more, negated;
	unsigned count;
	int values[3];
};

enum shape { LEAF, NOT_, AND_, OR_ };
struct expr {
	enum shape shape;
	unsigned selection; /* LEAF */
	int left, right;
};

struct random_rule {
	struct choice selection[SELECTIONS];
	bool used[SELECTIONS];
	struct expr expr[64];
	int count, root;
};

static const char *const field_names[] = { "toy.number", "toy.code", "dest_port", "src_ip",
	"src_zone", "toy.item.index", "toy.item.value", "verdict.outcome" };
static const unsigned value_range[] = { 40, 3, 4, 30, 3, 12, 8, 2 };
static const char *const outcome_texts[] = { "accepted", "rejected" };

/* --- making ------------------------------------------------------------------------------ */

static int grow(struct random_rule *r, int depth)
{
	int at = r->count++;
	unsigned kind = depth == 0 || r->count > 40 ? LEAF : below(4);
	r->expr[at].shape = kind;
	if (kind == LEAF) {
		r->expr[at].selection = below(SELECTIONS);
		r->used[r->expr[at].selection] = true;
		return at;
	}
	r->expr[at].left = grow(r, depth - 1);
	if (kind != NOT_)
		r->expr[at].right = grow(r, depth - 1);
	return at;
}

/* @by_item: the rule cannot hold without an item of one index, so that the index splits on items.
 */
static void make_rule(struct random_rule *r, bool by_item)
{
	memset(r, 0, sizeof *r);
	for (unsigned i = 0; i < SELECTIONS; i++) {
		struct choice *c = &r->selection[i];
		c->field = below(FIELD_KINDS);
		c->more = (c->field == NUMBER || c->field == VALUE || c->field == PORT) &&
			  below(3) == 0;
		c->negated = !c->more && below(8) == 0 && c->field != VERDICT;
		c->count = c->more || c->negated ? 1 : 1 + below(3);
		for (unsigned k = 0; k < c->count; k++)
			c->values[k] = (int)below(value_range[c->field]);
	}
	if (by_item) {
		r->selection[0] =
			(struct choice){ .field = INDEX, .count = 1, .values = { (int)below(12) } };
		r->expr[0] = (struct expr){ .shape = AND_, .left = 1, .right = 2 };
		r->expr[1] = (struct expr){ .shape = LEAF, .selection = 0 };
		r->used[0] = true;
		r->count = 2;
		grow(r, 2);
		return;
	}
	/* most rules name things by and, as people do: that is what the index lives on */
	r->root = grow(r, below(3) == 0 ? DEPTH : 2);
}

static void write_value(struct buf *b, enum field_of field, int v)
{
	static const unsigned codes[] = { 1, 5, 16 };
	if (field == CODE)
		buf_uint(b, codes[v]);
	else if (field == ADDRESS)
		buf_printf(b, "10.0.0.%d", v);
	else if (field == ZONE)
		buf_str(b, toy_zones[v + 1]);
	else if (field == VERDICT)
		buf_str(b, outcome_texts[v]);
	else
		buf_int(b, v);
}

static void write_expr(struct buf *b, const struct random_rule *r, int at)
{
	const struct expr *e = &r->expr[at];
	if (e->shape == LEAF) {
		buf_printf(b, "s%u", e->selection);
		return;
	}
	if (e->shape == NOT_) {
		buf_lit(b, "not (");
		write_expr(b, r, e->left);
		buf_char(b, ')');
		return;
	}
	buf_char(b, '(');
	write_expr(b, r, e->left);
	buf_str(b, e->shape == AND_ ? " and " : " or ");
	write_expr(b, r, e->right);
	buf_char(b, ')');
}

static void write_rule(struct buf *b, const struct random_rule *r, unsigned number)
{
	buf_printf(b,
		"---\ntitle: R%u\nid: 00000000-0000-4000-8000-%012u\n"
		"logsource: {product: bongsu, service: toy}\nics: {sid: %u}\ndetection:\n",
		number, number, number + 1);
	for (unsigned i = 0; i < SELECTIONS; i++) {
		const struct choice *c = &r->selection[i];
		if (!r->used[i])
			continue;
		buf_printf(b, "  s%u: {%s%s: [", i, field_names[c->field],
			c->more      ? "|gt"
			: c->negated ? "|neq"
				     : "");
		if (c->more)
			b->len--; /* one number, no list */
		for (unsigned k = 0; k < c->count; k++) {
			if (k > 0)
				buf_char(b, ',');
			write_value(b, c->field, c->values[k]);
		}
		buf_str(b, c->more ? "}\n" : "]}\n");
	}
	buf_lit(b, "  condition: ");
	write_expr(b, r, r->root);
	buf_char(b, '\n');
}

static void make_message(struct message *m)
{
	m->number = below(6) == 0 ? ABSENT : (int)below(40);
	m->code = below(6) == 0 ? ABSENT : (int)below(3);
	m->port = (int)below(4);
	m->address = (int)below(30);
	m->zone = below(4) == 0 ? ABSENT : (int)below(3);
	m->verdict = (int)below(4) - 2; /* UNKNOWN, ABSENT, accepted, rejected */
	m->items = (int)below(ITEMS + 1);
	for (int i = 0; i < m->items; i++) {
		m->index[i] = below(5) == 0 ? ABSENT : (int)below(12);
		m->value[i] = below(5) == 0 ? ABSENT : (int)below(8);
	}
}

static void write_message(const struct message *m, char *out, size_t cap)
{
	static const unsigned codes[] = { 1, 5, 16 };
	struct buf b = buf_over(out, cap);
	if (m->number != ABSENT)
		buf_printf(&b, "number=%d ", m->number);
	if (m->code != ABSENT)
		buf_printf(&b, "code=%u ", codes[m->code]);
	buf_printf(&b, "dport=%d src=10.0.0.%d szone=%d verdict=%s ", m->port, m->address,
		m->zone + 1,
		m->verdict == UNKNOWN  ? "pending"
		: m->verdict == ABSENT ? "none"
				       : outcome_texts[m->verdict]);
	for (int i = 0; i < m->items; i++) {
		buf_lit(&b, "| ");
		if (m->index[i] != ABSENT)
			buf_printf(&b, "index=%d ", m->index[i]);
		if (m->value[i] != ABSENT)
			buf_printf(&b, "value=%d ", m->value[i]);
	}
	buf_char(&b, '\0');
	assert_false(b.full);
}

/* --- judging, the slow way --------------------------------------------------------------- */

static int value_of(const struct message *m, enum field_of field, int item)
{
	if (field == INDEX || field == VALUE)
		return item < 0 ? UNKNOWN : field == INDEX ? m->index[item] : m->value[item];
	const int all[] = { m->number, m->code, m->port, m->address, m->zone, 0, 0, m->verdict };
	return all[field];
}

static enum truth judge_choice(const struct choice *c, const struct message *m, int item)
{
	int v = value_of(m, c->field, item);
	if (v == UNKNOWN)
		return UNSURE;
	if (v == ABSENT)
		return FALSE_;
	if (c->more)
		return v > c->values[0] ? TRUE_ : FALSE_;
	for (unsigned k = 0; k < c->count; k++)
		if (c->values[k] == v)
			return c->negated ? FALSE_ : TRUE_;
	return c->negated ? TRUE_ : FALSE_;
}

static enum truth judge(const struct random_rule *r, int at, const struct message *m, int item)
{
	const struct expr *e = &r->expr[at];
	if (e->shape == LEAF)
		return judge_choice(&r->selection[e->selection], m, item);
	enum truth a = judge(r, e->left, m, item);
	if (e->shape == NOT_)
		return a == UNSURE ? UNSURE : a == TRUE_ ? FALSE_ : TRUE_;
	enum truth b = judge(r, e->right, m, item);
	if (e->shape == AND_)
		return a == FALSE_ || b == FALSE_ ? FALSE_
		       : a == TRUE_ && b == TRUE_ ? TRUE_
						  : UNSURE;
	return a == TRUE_ || b == TRUE_ ? TRUE_ : a == FALSE_ && b == FALSE_ ? FALSE_ : UNSURE;
}

static bool names(const struct random_rule *r, enum field_of a, enum field_of b)
{
	for (unsigned i = 0; i < SELECTIONS; i++)
		if (r->used[i] && (r->selection[i].field == a || r->selection[i].field == b))
			return true;
	return false;
}

/* Does some verdict make it hold, whatever the items? */
static bool a_verdict_decides(const struct random_rule *r, const struct message *m)
{
	struct message known = *m;
	if (m->verdict != UNKNOWN)
		return false;
	for (known.verdict = ABSENT; known.verdict < 2; known.verdict++)
		if (judge(r, r->root, &known, -1) == TRUE_)
			return true;
	return false;
}

/* TRUE_: holds, UNSURE: later; *item: which satisfied it, or was the first that may. *either: to be
 * told "later" is allowed, for the verdict is open and there are no items, but nothing can come of
 * it. */
static enum truth expected(
	const struct random_rule *r, const struct message *m, int *item, bool *either)
{
	*item = -1;
	*either = false;
	enum truth t = judge(r, r->root, m, -1);
	if (t != UNSURE || !names(r, INDEX, VALUE))
		return t;
	for (*item = 0; *item < m->items; ++*item) {
		t = judge(r, r->root, m, *item);
		if (t != FALSE_)
			return t;
	}
	*item = -1;
	*either = m->items == 0 && m->verdict == UNKNOWN && !a_verdict_decides(r, m);
	return m->items == 0 && a_verdict_decides(r, m) ? UNSURE : FALSE_;
}

/* --- both -------------------------------------------------------------------------------- */

static void compare(const struct random_rule *rules, unsigned count, const struct hit *hits,
	size_t n, const struct message *m)
{
	size_t at = 0;
	for (unsigned i = 0; i < count; i++) {
		int item;
		bool either, hit = at < n && hits[at].rule->index == i;
		enum truth t = expected(&rules[i], m, &item, &either);
		if (either)
			t = hit ? UNSURE : FALSE_;
		assert_int_equal(hit, t != FALSE_);
		if (!hit)
			continue;
		assert_int_equal(hits[at].later, t == UNSURE);
		assert_int_equal(hits[at].item, item);
		at++;
	}
	assert_int_equal(at, n);
}

/* What is remembered of a print is what was found, with its items and doubts. */
static size_t compare_memory(
	struct rule_run *run, const struct event *e, const struct hit *hits, size_t n)
{
	struct hit again[MEMO_HITS];
	size_t count;
	bool known = rules_recall(run, e, again, &count);
	assert_int_equal(known, n <= MEMO_HITS);
	for (size_t i = 0; known && i < n; i++) {
		assert_ptr_equal(again[i].rule, hits[i].rule);
		assert_int_equal(again[i].item, hits[i].item);
		assert_int_equal(again[i].later, hits[i].later);
	}
	assert_true(!known || count == n);
	struct event other = *e;
	other.print++;
	assert_false(rules_recall(run, &other, again, &count));
	return known ? n : 0;
}

static void random_rules_hold_where_they_should(void **state)
{
	(void)state;
	static struct random_rule random[RULES];
	static char text[RULES * 1024];
	static struct toy_event t;
	static struct hit hits[RULES];
	size_t held = 0, remembered = 0;
	for (int round = 0; round < ROUNDS; round++) {
		struct buf b = buf_over(text, sizeof text);
		unsigned rules = round < ALL_ROUNDS ? RULES : FEW;
		for (unsigned i = 0; i < rules; i++) {
			make_rule(&random[i], round % 2 == 1);
			write_rule(&b, &random[i], i);
		}
		assert_false(b.full);
		struct text_list faults = { 0 };
		struct rule_source from = {
			.dissectors = toy_dissectors, .zone_names = toy_zones, .zone_count = 4
		};
		struct rules *r = rules_parse(&from, "random", text, b.len, &faults);
		for (size_t i = 0; i < faults.count; i++)
			print_error("%s\n", faults.text[i]);
		assert_non_null(r);
		if (round % 2 == 1 && rules == RULES)
			assert_true(r->item_splits > 0);
		struct rule_run *run = rule_run_new(r);
		for (int i = 0; i < EVENTS; i++) {
			struct message m;
			char spec[512];
			make_message(&m);
			write_message(&m, spec, sizeof spec);
			toy_make(&t, spec);
			t.e.print = (uint64_t)i + 1;
			size_t n = rules_match(run, &t.e, hits, RULES);
			compare(random, rules, hits, n, &m);
			held += n;
			remembered += compare_memory(run, &t.e, hits, n);
		}
		rule_run_free(run);
		rules_free(r);
		text_list_free(&faults);
	}
	assert_true(held > 1000);
	assert_true(remembered > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(random_rules_hold_where_they_should) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
