/* rule_index.c - sorts the rules of a protocol into a tree by the values they cannot do without, so
 * that an event meets only those that may hold. The field that splits a set best comes first; items
 * are asked last, because pulling them costs. */
#include "sensor/rule_impl.h"

#include <stdlib.h>

enum {
	NEEDS_MAX = 24, /* fields of one rule that are looked at */
	KEYS_MAX = 256, /* values of one field of one rule */
	LEAF_MAX = 4,   /* so few are asked one by one */
	DEPTH_MAX = 10,
	DENSE_MAX = 256,
	ENTRIES_MAX = 4000000 /* of all leaves */
};

/* The rule holds only if the field has one of these values. */
struct need {
	const struct field_ref *ref;
	uint64_t *keys; /* sorted, each once */
	size_t count;
};

struct entry {
	const struct compiled *rule;
	struct need *needs;
	size_t need_count;
};

struct builder {
	struct rules *rules;
	struct arena arena; /* for what only building needs */
	size_t entries;
	uint8_t *used;                     /* by field id: split on already, on the way down */
	const struct dissector *dissector; /* of the group being built */
};

/* --- what a rule needs ------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

static size_t unique(uint64_t *keys, size_t n)
{
	qsort(keys, n, sizeof *keys, by_key);
	size_t out = 0;
	for (size_t i = 0; i < n; i++)
		if (out == 0 || keys[i] != keys[out - 1])
			keys[out++] = keys[i];
	return out;
}

/* Keys of the field @id that @n needs into @keys; SIZE_MAX: it can hold with any. */
static size_t need_of(const struct node *n, unsigned id, uint64_t keys[KEYS_MAX])
{
	size_t best = SIZE_MAX, total = 0;
	uint64_t one[KEYS_MAX];
	switch ((enum node_kind)n->kind) {
	case NODE_TERM:
	case NODE_QUICK:
		if (n->term->keys == NULL || n->term->negated || n->term->ref.id != id ||
			n->term->key_count > KEYS_MAX)
			return SIZE_MAX;
		memcpy(keys, n->term->keys, n->term->key_count * sizeof *keys);
		return n->term->key_count;
	case NODE_AND: /* the narrowest part of it */
		for (uint32_t i = 0; i < n->count; i++) {
			size_t m = need_of(n->child[i], id, one);
			if (m >= best)
				continue;
			best = m;
			memcpy(keys, one, m * sizeof *keys);
		}
		return best;
	case NODE_OR: /* all of its parts together */
		for (uint32_t i = 0; i < n->count; i++) {
			size_t m = need_of(n->child[i], id, one);
			if (m == SIZE_MAX || total + m > KEYS_MAX)
				return SIZE_MAX;
			memcpy(keys + total, one, m * sizeof *keys);
			total = unique(keys, total + m);
		}
		return total;
	case NODE_NEVER:
		return 0;
	default:
		return SIZE_MAX;
	}
}

/* Fields that some term of the rule could be found by. */
static size_t find_fields(const struct node *n, const struct field_ref **out, size_t count)
{
	if (n->kind == NODE_TERM || n->kind == NODE_QUICK) {
		const struct term *t = n->term;
		if (t->keys == NULL || t->negated || t->ref.many || t->ref.waits ||
			count == NEEDS_MAX)
			return count;
		for (size_t i = 0; i < count; i++)
			if (out[i]->id == t->ref.id)
				return count;
		out[count++] = &t->ref;
		return count;
	}
	if (n->kind == NODE_AND || n->kind == NODE_OR)
		for (uint32_t i = 0; i < n->count; i++)
			count = find_fields(n->child[i], out, count);
	return count;
}

static struct entry entry_of(struct builder *b, const struct compiled *c)
{
	const struct field_ref *refs[NEEDS_MAX];
	uint64_t keys[KEYS_MAX];
	size_t n = find_fields(c->root, refs, 0);
	struct entry e = { .rule = c, .needs = arena_array(&b->arena, n, sizeof *e.needs) };
	for (size_t i = 0; i < n; i++) {
		size_t count = need_of(c->root, refs[i]->id, keys);
		if (count == SIZE_MAX)
			continue;
		struct need *need = &e.needs[e.need_count++];
		need->ref = refs[i];
		need->keys = arena_array(&b->arena, count, sizeof *keys);
		memcpy(need->keys, keys, count * sizeof *keys);
		need->count = unique(need->keys, count);
	}
	return e;
}

static const struct need *need_on(const struct entry *e, unsigned id)
{
	for (size_t i = 0; i < e->need_count; i++)
		if (e->needs[i].ref->id == id)
			return &e->needs[i];
	return NULL;
}

static struct gate gate_of_field(const struct field_ref *ref, const struct dissector *d)
{
	struct gate g = { 0 };
	if (ref->dissector != NULL && ref->dissector != d)
		g.bits = GATE_NEVER;
	else if (ref->source == FROM_HEADER)
		g.present = UINT64_C(1) << ref->index;
	else if (ref->source == FROM_ITEM)
		g.bits = GATE_ITEMS;
	else if (ref->waits)
		g.bits = GATE_VERDICT;
	else if (ref->index == ENV_MALFORMED)
		g.bits = GATE_MALFORMED;
	else if (ref->index == ENV_FLAGS)
		g.bits = GATE_FLAGS;
	else if (ref->kind == KIND_LABEL)
		g.bits = (uint64_t)GATE_LABEL << (ref->index - ENV_SRC_ROLE);
	return g;
}

static struct gate both(struct gate a, struct gate b)
{
	return (struct gate){ a.present | b.present, a.bits | b.bits };
}

static struct gate gate_of(const struct node *n, const struct dissector *d)
{
	struct gate g = { 0 };
	switch ((enum node_kind)n->kind) {
	case NODE_TERM:
	case NODE_QUICK:
		if (n->term->op == OP_ABSENT)
			return g;
		g = gate_of_field(&n->term->ref, d);
		return n->term->op == OP_FIELD ? both(g, gate_of_field(n->term->other, d)) : g;
	case NODE_AND:
		for (uint32_t i = 0; i < n->count; i++)
			g = both(g, gate_of(n->child[i], d));
		return g;
	case NODE_OR:
		for (uint32_t i = 0; i < n->count; i++) {
			struct gate one = gate_of(n->child[i], d);
			g.present = i == 0 ? one.present : g.present & one.present;
			g.bits = i == 0 ? one.bits : g.bits & one.bits;
		}
		return g;
	case NODE_NEVER:
		g.bits = GATE_NEVER;
		return g;
	default:
		return g;
	}
}

/* --- which field splits best ------------------------------------------------------------- */

struct pair {
	uint64_t key;
	struct entry *entry;
};

static int by_pair(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return (x->entry > y->entry) - (x->entry < y->entry);
}

/* Entries that need @id, once a key, by key. *rest gets the number of others. */
static struct pair *pairs_of(struct entry **set, size_t n, unsigned id, size_t *count, size_t *rest)
{
	size_t total = 0;
	*rest = 0;
	for (size_t i = 0; i < n; i++) {
		const struct need *need = need_on(set[i], id);
		if (need == NULL)
			++*rest;
		else
			total += need->count;
	}
	struct pair *pairs = calloc(total + 1, sizeof *pairs);
	if (pairs == NULL)
		abort();
	*count = 0;
	for (size_t i = 0; i < n; i++) {
		const struct need *need = need_on(set[i], id);
		for (size_t k = 0; need != NULL && k < need->count; k++)
			pairs[(*count)++] = (struct pair){ need->keys[k], set[i] };
	}
	qsort(pairs, *count, sizeof *pairs, by_pair);
	return pairs;
}

/* How many rules an event would meet behind the split, were all values equally likely. */
static double meets(struct entry **set, size_t n, unsigned id)
{
	size_t count, rest, distinct = 0;
	struct pair *pairs = pairs_of(set, n, id, &count, &rest);
	for (size_t i = 0; i < count; i++)
		distinct += i == 0 || pairs[i].key != pairs[i - 1].key;
	free(pairs);
	if (count > 8 * (n - rest) + 256)
		return (double)n; /* would blow up the tree */
	return (double)rest + (double)count / (double)(distinct + 1);
}

/* Field id, or -1 if no split is worth it. */
static int best_field(struct builder *b, struct entry **set, size_t n, bool items)
{
	size_t words = b->rules->words.count;
	uint8_t *asked = calloc(words, 1);
	if (asked == NULL)
		abort();
	int best = -1;
	double least = (double)n * (items ? 0.9 : 0.75);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < set[i]->need_count; k++) {
			const struct field_ref *ref = set[i]->needs[k].ref;
			if (asked[ref->id] || b->used[ref->id] ||
				(ref->source == FROM_ITEM) != items)
				continue;
			asked[ref->id] = 1;
			double m = meets(set, n, ref->id);
			if (m < least) {
				least = m;
				best = ref->id;
			}
		}
	free(asked);
	return best;
}

/* --- the tree ---------------------------------------------------------------------------- */

static struct split *leaf(struct builder *b, struct entry **set, size_t n)
{
	struct split *s = arena_alloc(&b->rules->arena, sizeof *s);
	s->kind = SPLIT_LEAF;
	s->count = (uint32_t)n;
	s->leaf = arena_array(&b->rules->arena, n, sizeof *s->leaf);
	for (size_t i = 0; i < n; i++) {
		struct gate g = gate_of(set[i]->rule->root, b->dissector);
		s->leaf[i] = (struct leaf){ g, set[i]->rule };
		s->gate.present = i == 0 ? g.present : s->gate.present & g.present;
		s->gate.bits = i == 0 ? g.bits : s->gate.bits & g.bits;
	}
	b->entries += n;
	return s;
}

static void room_for(struct builder *b, struct split *s, const struct pair *pairs, size_t count)
{
	size_t sparse = 0;
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && pairs[i].key == pairs[i - 1].key)
			continue;
		if (pairs[i].key < DENSE_MAX)
			s->dense = (uint32_t)pairs[i].key + 1;
		else
			sparse++;
	}
	s->table = arena_array(&b->rules->arena, s->dense, sizeof *s->table);
	if (sparse == 0)
		return;
	uint32_t slots = 4;
	while (slots < sparse * 2)
		slots *= 2;
	s->mask = slots - 1;
	s->key = arena_array(&b->rules->arena, slots, sizeof *s->key);
	s->child = arena_array(&b->rules->arena, slots, sizeof *s->child);
}

static void put(struct split *s, uint64_t key, struct split *child)
{
	if (key < s->dense) {
		s->table[key] = child;
		return;
	}
	uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
	uint32_t i = (uint32_t)(h >> 32) & s->mask;
	while (s->child[i] != NULL)
		i = (i + 1) & s->mask;
	s->key[i] = key;
	s->child[i] = child;
}

static struct split *grow(struct builder *b, struct entry **set, size_t n, unsigned depth);

static struct entry **gather(const struct pair *pairs, size_t n)
{
	struct entry **set = calloc(n + 1, sizeof(struct entry *));
	if (set == NULL)
		abort();
	for (size_t i = 0; i < n; i++)
		set[i] = pairs[i].entry;
	return set;
}

static void grow_children(
	struct builder *b, struct split *s, const struct pair *pairs, size_t count, unsigned depth)
{
	for (size_t i = 0, end; i < count; i = end) {
		for (end = i + 1; end < count && pairs[end].key == pairs[i].key;)
			end++;
		struct entry **set = gather(pairs + i, end - i);
		put(s, pairs[i].key, grow(b, set, end - i, depth + 1));
		free(set);
	}
}

static struct split *split_on(
	struct builder *b, struct entry **set, size_t n, unsigned id, unsigned depth)
{
	size_t count, rest;
	struct pair *pairs = pairs_of(set, n, id, &count, &rest);
	struct split *s = arena_alloc(&b->rules->arena, sizeof *s);
	s->kind = SPLIT_FIELD;
	s->ref = b->rules->words.ref[id];
	b->rules->item_splits += s->ref.source == FROM_ITEM;
	room_for(b, s, pairs, count);
	b->used[id]++;
	grow_children(b, s, pairs, count, depth);
	free(pairs);
	struct entry **others = calloc(rest + 1, sizeof(struct entry *));
	if (others == NULL)
		abort();
	size_t m = 0;
	for (size_t i = 0; i < n; i++)
		if (need_on(set[i], id) == NULL)
			others[m++] = set[i];
	s->rest = grow(b, others, m, depth + 1);
	free(others);
	b->used[id]--;
	return s;
}

static struct split *grow(struct builder *b, struct entry **set, size_t n, unsigned depth)
{
	if (n == 0)
		return NULL;
	int id = -1;
	if (n > LEAF_MAX && depth < DEPTH_MAX && b->entries < ENTRIES_MAX)
		id = best_field(b, set, n, false);
	if (id < 0 && n > 1 && depth < DEPTH_MAX && b->entries < ENTRIES_MAX)
		id = best_field(b, set, n, true);
	return id < 0 ? leaf(b, set, n) : split_on(b, set, n, (unsigned)id, depth);
}

/* Can it hold for messages of @d at all? */
static bool belongs(const struct entry *e, const struct dissector *d)
{
	if (e->rule->dissector != NULL ? e->rule->dissector != d : d->observed)
		return false; /* "any" is anything from the wire */
	for (size_t i = 0; i < e->need_count; i++) {
		const struct need *n = &e->needs[i];
		if (n->count == 0 || (n->ref->dissector != NULL && n->ref->dissector != d))
			return false;
	}
	return e->rule->root->kind != NODE_NEVER;
}

void rules_index(struct rules *rules)
{
	struct builder b = { .rules = rules };
	b.used = arena_array(&b.arena, rules->words.count, 1);
	struct entry *entries = arena_array(&b.arena, rules->count, sizeof *entries);
	struct entry **set = arena_array(&b.arena, rules->count, sizeof(struct entry *));
	for (size_t i = 0; i < rules->count; i++)
		entries[i] = entry_of(&b, rules->rule[i]);
	while (rules->words.dissectors[rules->group_count] != NULL)
		rules->group_count++;
	rules->groups = arena_array(&rules->arena, rules->group_count, sizeof *rules->groups);
	for (size_t g = 0; g < rules->group_count; g++) {
		const struct dissector *d = rules->words.dissectors[g];
		size_t n = 0;
		bool steady = true;
		b.dissector = d;
		for (size_t i = 0; i < rules->count; i++)
			if (belongs(&entries[i], d)) {
				set[n++] = &entries[i];
				steady &= rule_is_steady(rules->rule[i], d);
			}
		rules->groups[g] = (struct group){ .dissector = d,
			.rules = n,
			.number = g,
			.tree = grow(&b, set, n, 0),
			.steady = steady };
		plan_fields(&rules->groups[g]);
	}
	arena_free(&b.arena);
}
