/* rule_quick.c - what decides most rules in a few instructions: the whole numbers, the direction
 * and the outcome that a rule cannot do without, taken out of its expression into a flat list. */
#include "sensor/rule_impl.h"

#include <stdlib.h>

enum { PARTS_MAX = 256, BITS_MAX = 1024 };

/* Everything that must hold, through nested ANDs; false: too many. */
static bool collect(struct node *n, struct node **part, size_t *count)
{
	if (n->kind != NODE_AND) {
		if (*count == PARTS_MAX)
			return false;
		part[(*count)++] = n;
		return true;
	}
	for (uint32_t i = 0; i < n->count; i++)
		if (!collect(n->child[i], part, count))
			return false;
	return true;
}

/* The values of a set as bits, where they are small. */
static bool make_bits(const struct term *t, struct quick *q, struct arena *arena)
{
	uint64_t most = t->numbers[t->count - 1].u; /* sorted */
	if (most >= BITS_MAX)
		return false;
	q->words = (uint8_t)(most / 64 + 1);
	uint64_t *bits = arena_array(arena, q->words, sizeof *bits);
	for (uint32_t i = 0; i < t->count; i++)
		bits[t->numbers[i].u / 64] |= UINT64_C(1) << t->numbers[i].u % 64;
	q->bits = bits;
	return true;
}

static bool outcome(const struct node *n)
{
	return n->kind == NODE_TERM && n->term->ref.source == FROM_ENVELOPE &&
	       n->term->ref.index == ENV_VERDICT_OUTCOME && n->term->op == OP_SET &&
	       !n->term->negated;
}

static bool of_item(const struct node *n, const struct dissector *d)
{
	if (n->kind != NODE_TERM || n->term->ref.source != FROM_ITEM)
		return false;
	const struct term *t = n->term;
	return t->ref.dissector == d && t->ref.kind == KIND_UINT && t->part == PART_NONE &&
	       !t->negated &&
	       (t->op == OP_SET || t->op == OP_EXISTS || (t->op >= OP_LT && t->op <= OP_GTE));
}

static bool make_quick(const struct node *n, struct quick *q, struct arena *arena)
{
	const struct term *t = n->term;
	*q = (struct quick){ .op = t->op, .index = (uint8_t)t->ref.index, .one = t->one.u };
	q->from = t->ref.source == FROM_HEADER  ? QUICK_HEADER
		  : t->ref.source == FROM_ITEM  ? QUICK_ITEM
		  : t->ref.index == ENV_PDU_DIR ? QUICK_DIR
						: QUICK_OUTCOME;
	return t->op != OP_SET || t->count == 1 || make_bits(t, q, arena);
}

/* An outcome that is not known yet passes here, so its term stays in the rest. */
void quick_split(struct compiled *c, struct arena *arena)
{
	struct node *part[PARTS_MAX];
	size_t count = 0;
	c->rest = c->root;
	if (c->dissector == NULL || !collect(c->root, part, &count))
		return;
	struct quick *quick = arena_array(arena, count, sizeof *quick);
	struct quick *item_quick = arena_array(arena, count, sizeof *item_quick);
	struct node *rest = node_new(arena, NODE_AND, count);
	rest->count = 0;
	for (size_t i = 0; i < count; i++) {
		bool made = false;
		if (of_item(part[i], c->dissector))
			c->item_quick_count += made =
				make_quick(part[i], &item_quick[c->item_quick_count], arena);
		else if (part[i]->kind == NODE_QUICK || outcome(part[i]))
			c->quick_count += made = make_quick(part[i], &quick[c->quick_count], arena);
		if (!made || outcome(part[i]))
			rest->child[rest->count++] = part[i];
	}
	node_done(rest);
	c->quick = quick;
	c->item_quick = item_quick;
	c->rest = rest->count == 0 ? NULL : rest->count == 1 ? rest->child[0] : rest;
}

/* The number to look at; false: there is none. */
static inline bool quick_number(const struct quick *q, const struct event *e, uint64_t *n)
{
	if (q->from == QUICK_DIR)
		*n = e->pdu->dir;
	else if (q->from == QUICK_OUTCOME)
		*n = e->verdict.outcome;
	else if (pdu_has(e->pdu, q->index))
		*n = e->pdu->value[q->index].u;
	else
		return false;
	return true;
}

bool quick_holds_for(const struct quick *q, uint64_t n)
{
	if (q->from == QUICK_OUTCOME && n == VERDICT_PENDING)
		return true;
	switch ((enum op)q->op) {
	case OP_SET:
		return q->words == 0 ? n == q->one
				     : n / 64 < q->words && (q->bits[n / 64] >> n % 64 & 1);
	case OP_LT:
		return n < q->one;
	case OP_LTE:
		return n <= q->one;
	case OP_GT:
		return n > q->one;
	case OP_GTE:
		return n >= q->one;
	default:
		return true; /* OP_EXISTS */
	}
}

bool quick_pass(const struct compiled *c, uint32_t tests, const struct event *e)
{
	for (; tests != 0; tests &= tests - 1) {
		const struct quick *q = &c->quick[__builtin_ctz(tests)];
		uint64_t n;
		if (!quick_number(q, e, &n) || !quick_holds_for(q, n))
			return false;
	}
	return true;
}

bool quick_passes(const struct compiled *c, const struct event *e)
{
	for (uint32_t i = 0; i < c->quick_count; i++) {
		uint64_t n;
		if (!quick_number(&c->quick[i], e, &n) || !quick_holds_for(&c->quick[i], n))
			return false;
	}
	return true;
}

enum tri quick_item(const struct compiled *c, const struct item *item)
{
	if (c->item_quick_count > 0 && item == NULL)
		return MAYBE;
	for (uint32_t i = 0; i < c->item_quick_count; i++) {
		const struct quick *q = &c->item_quick[i];
		if (!item_has(item, q->index) || !quick_holds_for(q, item->value[q->index].u))
			return NO;
	}
	return YES;
}
