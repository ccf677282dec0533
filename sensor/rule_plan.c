/* rule_plan.c - remembers, for each shape of event, what the walk over the tree came to. */
#include "sensor/rule_impl.h"

enum { DIR_SHIFT = 32, OUTCOME_SHIFT = 40, VALUE_BITS = 16, VALUE_MAX = 0xffff, QUICK_BITS = 32 };

/* --- which fields make a shape ------------------------------------------------------------ */

struct chosen {
	uint8_t depth[PDU_FIELDS]; /* 1 + of the highest split on the field, 0: none */
	uint8_t deepest;
};

/* Fields with few values, that is: an address would make every event a shape of its own. */
static bool is_shaping(const struct split *s)
{
	return s->kind == SPLIT_FIELD && s->ref.source == FROM_HEADER && s->ref.kind == KIND_UINT &&
	       (s->mask == 0 || s->ref.field->codes != NULL);
}

static void choose(struct chosen *c, const struct split *s, uint8_t depth)
{
	for (; s != NULL && s->kind == SPLIT_FIELD; s = s->rest, depth++) {
		uint8_t *at = &c->depth[s->ref.index];
		c->deepest = depth > c->deepest ? depth : c->deepest;
		if (is_shaping(s) && (*at == 0 || *at > depth))
			*at = depth;
		for (uint32_t i = 0; i < s->dense; i++)
			choose(c, s->table[i], (uint8_t)(depth + 1));
		for (uint32_t i = 0; s->mask != 0 && i <= s->mask; i++)
			choose(c, s->child[i], (uint8_t)(depth + 1));
	}
}

void plan_fields(struct group *g)
{
	struct chosen c = { 0 };
	choose(&c, g->tree, 1);
	for (unsigned depth = 1; depth <= c.deepest; depth++)
		for (unsigned i = 0; i < PDU_FIELDS && g->shape_fields < SHAPE_FIELDS; i++)
			if (c.depth[i] == depth)
				g->shape_field[g->shape_fields++] = (uint8_t)i;
}

/* --- making one --------------------------------------------------------------------------- */

struct making {
	const struct group *group;
	struct plan *plan;
};

static void add(struct plan *p, struct plan_step step)
{
	if (p->count == PLAN_STEPS)
		p->whole = false;
	else
		p->step[p->count++] = step;
}

static void add_split(struct plan *p, enum step_kind kind, const struct split *split)
{
	add(p, (struct plan_step){ .kind = (uint8_t)kind, .split = split });
}

/* Does the shape tell the field? *n: its value, where it is present. */
static bool told(const struct making *m, unsigned field, uint64_t *n)
{
	for (unsigned i = 0; i < m->group->shape_fields; i++) {
		*n = m->plan->shape.values >> (VALUE_BITS * i) & VALUE_MAX;
		if (m->group->shape_field[i] == field)
			return true;
	}
	return false;
}

static bool present(const struct making *m, unsigned field)
{
	return m->plan->shape.gate.present >> field & 1;
}

static uint64_t dir_of(const struct making *m)
{
	return m->plan->shape.gate.bits >> DIR_SHIFT & 0xff;
}

/* NO, YES, or MAYBE: it takes the event to say. */
static enum tri quick_of(const struct making *m, const struct quick *q)
{
	uint64_t n;
	if (q->from == QUICK_DIR)
		n = dir_of(m);
	else if (q->from == QUICK_OUTCOME)
		n = m->plan->shape.gate.bits >> OUTCOME_SHIFT;
	else if (!present(m, q->index))
		return NO;
	else if (!told(m, q->index, &n))
		return q->op == OP_EXISTS ? YES : MAYBE;
	return quick_holds_for(q, n) ? YES : NO;
}

static void add_rule(const struct making *m, const struct compiled *c)
{
	uint32_t open = 0;
	m->plan->whole &= c->quick_count <= QUICK_BITS;
	for (uint32_t i = 0; i < c->quick_count && i < QUICK_BITS; i++) {
		enum tri holds = quick_of(m, &c->quick[i]);
		if (holds == NO)
			return;
		if (holds == MAYBE)
			open |= UINT32_C(1) << i;
	}
	add(m->plan, (struct plan_step){ .kind = STEP_RULE, .quick = open, .rule = c });
}

static void add_leaf(const struct making *m, const struct split *s)
{
	struct gate there = m->plan->shape.gate;
	for (uint32_t i = 0; i < s->count; i++)
		if (gate_passes(&s->leaf[i].gate, &there))
			add_rule(m, s->leaf[i].rule);
}

/* In the order of the walk itself. */
static void follow(const struct making *m, const struct split *s)
{
	for (; s != NULL; s = s->rest) {
		uint64_t n;
		if (s->kind == SPLIT_LEAF)
			add_leaf(m, s);
		else if (s->ref.source == FROM_ITEM)
			add_split(m->plan, STEP_ITEMS, s);
		else if (s->ref.source == FROM_ENVELOPE && s->ref.index == ENV_PDU_DIR)
			follow(m, split_child(s, dir_of(m)));
		else if (s->ref.source != FROM_HEADER || s->ref.kind != KIND_UINT)
			add_split(m->plan, STEP_WALK, s);
		else if (!present(m, s->ref.index))
			continue;
		else if (told(m, s->ref.index, &n))
			follow(m, split_child(s, n));
		else
			add_split(m->plan, STEP_WALK, s);
	}
}

/* --- finding it --------------------------------------------------------------------------- */

/* False: it has a value too large for a shape. */
static bool shape_of(
	struct plan_shape *s, const struct group *g, const struct event *e, struct gate gate)
{
	const struct pdu *p = e->pdu;
	uint64_t large = 0;
	s->gate.present = gate.present;
	s->gate.bits = gate.bits | (uint64_t)p->dir << DIR_SHIFT |
		       (uint64_t)e->verdict.outcome << OUTCOME_SHIFT;
	s->values = 0;
	for (unsigned i = 0; i < g->shape_fields; i++) {
		unsigned field = g->shape_field[i];
		uint64_t v = pdu_has(p, field) ? p->value[field].u : 0;
		large |= v;
		s->values |= v << (VALUE_BITS * i);
	}
	return large <= VALUE_MAX;
}

static bool same(const struct plan_shape *a, const struct plan_shape *b)
{
	return ((a->gate.present ^ b->gate.present) | (a->gate.bits ^ b->gate.bits) |
		       (a->values ^ b->values)) == 0;
}

static size_t place_of(const struct plan_shape *s)
{
	uint64_t h = s->gate.present * UINT64_C(0xd6e8feb86659fd93) ^
		     s->gate.bits * UINT64_C(0xff51afd7ed558ccd) ^
		     s->values * UINT64_C(0x9e3779b97f4a7c15);
	return h >> 40 & (PLANS - 1);
}

static void make(struct plan *p, const struct group *g, const struct plan_shape *s)
{
	p->shape = *s;
	p->made = p->whole = true;
	p->count = 0;
	follow(&(struct making){ g, p }, g->tree);
}

const struct plan *plan_for(
	struct plan *plans, const struct group *g, const struct event *e, struct gate gate)
{
	struct plan_shape s;
	if (!shape_of(&s, g, e, gate))
		return NULL;
	struct plan *p = &plans[place_of(&s)];
	if (!p->made || !same(&p->shape, &s))
		make(p, g, &s);
	return p->whole ? p : NULL;
}
