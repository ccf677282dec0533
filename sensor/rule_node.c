/* rule_node.c - expressions: built once, then asked with three answers: yes, no, not known yet. */
#include "sensor/rule_impl.h"
#include "sensor/text_set.h"

#include <stdlib.h>
#include <time.h>

/* --- building ---------------------------------------------------------------------------- */

struct node *node_new(struct arena *arena, enum node_kind kind, size_t count)
{
	struct node *n = arena_alloc(arena, sizeof *n);
	n->kind = (uint8_t)kind;
	n->count = (uint32_t)count;
	n->child = arena_array(arena, count, sizeof *n->child);
	return n;
}

static uint16_t cost_of(const struct term *t)
{
	static const uint8_t by_op[] = {
		[OP_EXISTS] = 1,
		[OP_ABSENT] = 1,
		[OP_SET] = 2,
		[OP_LT] = 2,
		[OP_LTE] = 2,
		[OP_GT] = 2,
		[OP_GTE] = 2,
		[OP_TEXT] = 8,
		[OP_REGEX] = 100,
		[OP_ADDR] = 10,
		[OP_FLAGS] = 2,
		[OP_FIELD] = 6,
	};
	unsigned cost = by_op[t->op];
	if (t->ref.source == FROM_ENVELOPE)
		cost += 2;
	if (t->ref.source == FROM_ITEM)
		cost += 200; /* not known before items are pulled */
	return (uint16_t)(cost + (t->ref.waits ? 150 : 0));
}

static bool is_quick(const struct term *t)
{
	bool field = (t->ref.source == FROM_HEADER && t->ref.kind == KIND_UINT) ||
		     (t->ref.source == FROM_ENVELOPE && t->ref.index == ENV_PDU_DIR);
	return field && t->part == PART_NONE && !t->negated &&
	       (t->op == OP_SET || t->op == OP_EXISTS || (t->op >= OP_LT && t->op <= OP_GTE));
}

struct node *node_term(struct arena *arena, const struct term *t)
{
	struct node *n = arena_alloc(arena, sizeof *n);
	const struct field_ref *other = t->op == OP_FIELD ? t->other : &t->ref;
	n->kind = is_quick(t) ? NODE_QUICK : NODE_TERM;
	n->term = t;
	n->items = t->ref.source == FROM_ITEM || other->source == FROM_ITEM;
	n->waits = t->ref.waits || other->waits;
	n->cost = cost_of(t);
	return n;
}

/* Stable: a rule's own order decides among equals. */
static void sort_by_cost(struct node **child, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct node *n = child[i];
		size_t at = i;
		for (; at > 0 && child[at - 1]->cost > n->cost; at--)
			child[at] = child[at - 1];
		child[at] = n;
	}
}

void node_done(struct node *n)
{
	uint32_t cost = 0;
	for (uint32_t i = 0; i < n->count; i++) {
		n->items |= n->child[i]->items;
		n->waits |= n->child[i]->waits;
		cost += n->child[i]->cost;
	}
	n->cost = (uint16_t)(cost > UINT16_MAX ? UINT16_MAX : cost);
	if (n->count <= 1000)
		sort_by_cost(n->child, n->count);
}

/* --- values ------------------------------------------------------------------------------ */

static bool is_of_kind(unsigned envelope)
{
	return envelope == ENV_APP_PROTO || envelope == ENV_PDU_DIR || envelope == ENV_PDU_NAME;
}

int look_values(const struct look *look, const struct field_ref *ref,
	struct value made[ENVELOPE_VALUES], const struct value **at)
{
	const struct pdu *p = look->e->pdu;
	*at = made;
	if (look->sketch && (ref->source == FROM_ENVELOPE ? !is_of_kind(ref->index)
							  : ref->source == FROM_HEADER &&
								    !pdu_has(p, ref->index)))
		return -1;
	if (ref->source == FROM_ENVELOPE)
		return envelope_get(look->e, ref->index, made);
	if (ref->dissector != p->dissector)
		return 0;
	if (ref->source == FROM_HEADER) {
		*at = &p->value[ref->index];
		return pdu_has(p, ref->index);
	}
	if (look->item == NULL)
		return -1;
	*at = &look->item->value[ref->index];
	return item_has(look->item, ref->index);
}

uint64_t mac_number(const uint8_t b[6])
{
	uint64_t n = 0;
	for (int i = 0; i < 6; i++)
		n = n << 8 | b[i];
	return n;
}

struct value look_text(const struct look *look, const struct field_ref *ref, struct value v)
{
	if (ref->kind == KIND_TEXT)
		return v;
	struct buf b = buf_over(look->run->form, FORM_BYTES);
	if (ref->kind == KIND_BYTES)
		buf_hex(&b, v.bytes, v.len < FORM_BYTES / 2 ? v.len : FORM_BYTES / 2);
	else
		envelope_text(&b, ref->index, v);
	return (struct value){ .bytes = (const uint8_t *)b.at, .len = (uint32_t)b.len };
}

uint64_t key_of_value(const struct field_ref *ref, const struct value *v)
{
	switch ((enum value_kind)ref->kind) {
	case KIND_TEXT:
		return key_of_text(v->bytes, v->len);
	case KIND_ADDR:
		return key_of_bytes(v->bytes, 16);
	case KIND_MAC:
		return mac_number(v->bytes);
	default:
		return v->u;
	}
}

static union number part_of(enum time_part part, uint64_t ms)
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char week[4];
	union number n = { .u = 0 };
	if (gmtime_r(&seconds, &tm) == NULL)
		return n;
	switch (part) {
	case PART_MINUTE:
		n.u = (uint64_t)tm.tm_min;
		break;
	case PART_HOUR:
		n.u = (uint64_t)tm.tm_hour;
		break;
	case PART_DAY:
		n.u = (uint64_t)tm.tm_mday;
		break;
	case PART_WEEK: /* ISO 8601 */
		strftime(week, sizeof week, "%V", &tm);
		n.u = strtoul(week, NULL, 10);
		break;
	case PART_MONTH:
		n.u = (uint64_t)tm.tm_mon + 1;
		break;
	default:
		n.u = (uint64_t)tm.tm_year + 1900;
		break;
	}
	return n;
}

/* --- asking ------------------------------------------------------------------------------ */

/* Less than 0, 0, more than 0. */
static int compare(enum value_kind kind, union number a, union number b)
{
	if (kind == KIND_REAL)
		return (a.r > b.r) - (a.r < b.r);
	if (kind == KIND_INT)
		return (a.i > b.i) - (a.i < b.i);
	return (a.u > b.u) - (a.u < b.u);
}

static bool in_set(const struct term *t, union number n)
{
	enum value_kind kind = t->ref.kind;
	if (t->count == 1)
		return compare(kind, t->one, n) == 0;
	size_t low = 0, high = t->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = compare(kind, t->numbers[middle], n);
		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool text_holds(const struct term *t, const struct look *look, struct value v)
{
	struct value text = look_text(look, &t->ref, v);
	if (t->op == OP_TEXT && t->set != NULL)
		return text_set_has(t->set, text.bytes, text.len);
	for (uint32_t i = 0; i < t->count; i++) {
		bool holds = t->op == OP_TEXT
				     ? pattern_matches(&t->patterns[i], text.bytes, text.len)
				     : regex_matches(t->regexes[i], look->run->regex, text.bytes,
					       text.len);
		if (holds != t->all)
			return holds;
	}
	return t->all;
}

static bool value_holds(const struct term *t, const struct look *look, const struct value *v)
{
	union number n = { .u = v->u };
	switch ((enum op)t->op) {
	case OP_TEXT:
	case OP_REGEX:
		return text_holds(t, look, *v);
	case OP_ADDR:
		return ipset_has(t->addrs, v->bytes);
	case OP_FLAGS:
		return t->all ? (v->u & t->one.u) == t->one.u : (v->u & t->one.u) != 0;
	default:
		break;
	}
	if (t->part != PART_NONE)
		n = part_of(t->part, v->u);
	else if (t->ref.kind == KIND_MAC)
		n.u = mac_number(v->bytes);
	switch ((enum op)t->op) {
	case OP_LT:
		return compare(t->ref.kind, n, t->one) < 0;
	case OP_LTE:
		return compare(t->ref.kind, n, t->one) <= 0;
	case OP_GT:
		return compare(t->ref.kind, n, t->one) > 0;
	case OP_GTE:
		return compare(t->ref.kind, n, t->one) >= 0;
	default:
		return in_set(t, n);
	}
}

static bool is_number(enum value_kind kind)
{
	return kind == KIND_UINT || kind == KIND_INT || kind == KIND_REAL;
}

static double real_of(enum value_kind kind, struct value v)
{
	return kind == KIND_REAL ? v.r : kind == KIND_INT ? (double)v.i : (double)v.u;
}

static bool texts_compare(const struct term *t, struct value a, struct value b)
{
	if (t->anchor == ANCHOR_WITHIN)
		return text_folds_within(a.bytes, a.len, b.bytes, b.len, t->cased);
	if (a.len < b.len || (t->anchor == ANCHOR_WHOLE && a.len != b.len))
		return false;
	const uint8_t *from = t->anchor == ANCHOR_ENDS ? a.bytes + (a.len - b.len) : a.bytes;
	return text_folds_equal(from, b.len, b.bytes, b.len, t->cased);
}

static bool fields_compare(const struct term *t, struct value a, struct value b)
{
	enum value_kind x = t->ref.kind, y = t->other->kind;
	if (x == KIND_TEXT || x == KIND_BYTES)
		return texts_compare(t, a, b);
	if (x == KIND_ADDR || x == KIND_MAC)
		return a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
	if (is_number(x) && x != y)
		return real_of(x, a) == real_of(y, b);
	return x == KIND_REAL ? a.r == b.r : a.u == b.u;
}

static enum tri other_holds(
	const struct term *t, const struct look *look, const struct value *v, int n)
{
	struct value made[ENVELOPE_VALUES];
	const struct value *other;
	int m = look_values(look, t->other, made, &other);
	if (m <= 0)
		return m < 0 ? MAYBE : NO;
	bool same = false;
	for (int i = 0; i < n && !same; i++)
		for (int j = 0; j < m && !same; j++)
			same = fields_compare(t, v[i], other[j]);
	return same != t->negated ? YES : NO;
}

static bool number_holds(const struct term *t, uint64_t n)
{
	switch ((enum op)t->op) {
	case OP_SET:
		return t->count == 1 ? n == t->one.u : in_set(t, (union number){ .u = n });
	case OP_LT:
		return n < t->one.u;
	case OP_LTE:
		return n <= t->one.u;
	case OP_GT:
		return n > t->one.u;
	case OP_GTE:
		return n >= t->one.u;
	default:
		return true; /* OP_EXISTS */
	}
}

/* Whole numbers of the header and the direction: most terms of most rules, without detours. */
static enum tri quick_holds(const struct term *t, const struct pdu *p)
{
	if (t->ref.source == FROM_ENVELOPE)
		return number_holds(t, p->dir) ? YES : NO;
	if (t->ref.dissector != p->dissector || !pdu_has(p, t->ref.index))
		return NO;
	return number_holds(t, p->value[t->ref.index].u) ? YES : NO;
}

static enum tri term_holds(const struct term *t, const struct look *look)
{
	struct value made[ENVELOPE_VALUES];
	const struct value *v;
	int n = look_values(look, &t->ref, made, &v);
	if (n < 0)
		return MAYBE;
	if (t->op == OP_EXISTS || t->op == OP_ABSENT)
		return (n > 0) == (t->op == OP_EXISTS) ? YES : NO;
	if (n == 0)
		return NO;
	if (t->op == OP_FIELD)
		return other_holds(t, look, v, n);
	bool holds = false;
	for (int i = 0; i < n && !holds; i++)
		holds = value_holds(t, look, &v[i]);
	return holds != t->negated ? YES : NO;
}

enum tri node_holds(const struct node *n, const struct look *look)
{
	enum tri all;
	switch ((enum node_kind)n->kind) {
	case NODE_QUICK:
		return look->sketch ? term_holds(n->term, look)
				    : quick_holds(n->term, look->e->pdu);
	case NODE_TERM:
		return term_holds(n->term, look);
	case NODE_NOT:
		all = node_holds(n->child[0], look);
		return all == MAYBE ? MAYBE : all == YES ? NO : YES;
	case NODE_AND:
		all = YES;
		for (uint32_t i = 0; i < n->count; i++) {
			enum tri one = node_holds(n->child[i], look);
			if (one == NO)
				return NO;
			if (one == MAYBE)
				all = MAYBE;
		}
		return all;
	case NODE_OR:
		all = NO;
		for (uint32_t i = 0; i < n->count; i++) {
			enum tri one = node_holds(n->child[i], look);
			if (one == YES)
				return YES;
			if (one == MAYBE)
				all = MAYBE;
		}
		return all;
	default:
		return NO;
	}
}
