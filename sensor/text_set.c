/* text_set.c - a hash over whole texts and one over endings. Endings are looked for only where a
 * text may begin one: with ".example.org" and its like that is at its dots. */
#include "sensor/text_set.h"

struct slot {
	uint32_t hash, index; /* of a pattern, plus 1; 0: free */
};

struct table {
	struct slot *slots;
	uint32_t mask;
	uint32_t count;
};

struct text_set {
	const struct pattern *patterns;
	struct table whole, endings;
	uint64_t first[4];                     /* bytes that endings begin with, folded */
	uint64_t length[PATTERN_MAX / 64 + 1]; /* and how long they are */
	uint32_t *others;                      /* patterns to be asked one by one */
	uint32_t other_count;
};

static uint64_t load(const uint8_t *at, size_t n)
{
	uint64_t v = 0;
	if (n > 0)
		memcpy(&v, at, n);
	return v;
}

/* Letters of either case hash alike, and so do a few other pairs: a hit is compared in full. */
static uint32_t hash_of(const uint8_t *text, size_t len)
{
	const uint64_t fold = UINT64_C(0x2020202020202020), k = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = len * k;
	if (len == 0)
		return 0;
	const uint8_t *end = text + len;
	for (; end - text > 8; text += 8) {
		h = (h ^ (load(text, 8) | fold)) * k;
		h ^= h >> 32;
	}
	uint64_t last = len >= 8 ? load(end - 8, 8) : load(text, len);
	h = (h ^ (last | fold)) * k;
	return (uint32_t)(h >> 32);
}

static void table_make(struct table *t, uint32_t count, struct arena *arena)
{
	uint32_t slots = 8;
	while (slots < count * 2)
		slots *= 2;
	t->slots = arena_array(arena, slots, sizeof *t->slots);
	t->mask = slots - 1;
}

static void table_put(struct table *t, const struct pattern *p, uint32_t index)
{
	uint32_t hash = hash_of((const uint8_t *)p->text, p->len), i = hash & t->mask;
	while (t->slots[i].index != 0)
		i = (i + 1) & t->mask;
	t->slots[i] = (struct slot){ hash, index + 1 };
	t->count++;
}

static bool table_has(
	const struct text_set *set, const struct table *t, const uint8_t *text, size_t len)
{
	uint32_t hash = hash_of(text, len);
	for (uint32_t i = hash & t->mask; t->slots[i].index != 0; i = (i + 1) & t->mask) {
		if (t->slots[i].hash != hash)
			continue;
		const struct pattern *p = &set->patterns[t->slots[i].index - 1];
		if (text_folds_equal((const uint8_t *)p->text, p->len, text, len, p->cased))
			return true;
	}
	return false;
}

static uint8_t folded(uint8_t c)
{
	return c | 0x20;
}

static void put(struct text_set *set, uint32_t index)
{
	const struct pattern *p = &set->patterns[index];
	if (p->shape == SHAPE_EXACT) {
		table_put(&set->whole, p, index);
	} else if (p->shape == SHAPE_SUFFIX && p->len > 0) {
		uint8_t first = folded((uint8_t)p->text[0]);
		table_put(&set->endings, p, index);
		set->first[first / 64] |= UINT64_C(1) << first % 64;
		set->length[p->len / 64] |= UINT64_C(1) << p->len % 64;
	} else {
		set->others[set->other_count++] = index;
	}
}

const struct text_set *text_set_make(
	const struct pattern *patterns, uint32_t count, struct arena *arena)
{
	struct text_set *set = arena_alloc(arena, sizeof *set);
	uint32_t kinds[SHAPE_GLOB + 1] = { 0 };
	for (uint32_t i = 0; i < count; i++)
		kinds[patterns[i].shape]++;
	set->patterns = patterns;
	table_make(&set->whole, kinds[SHAPE_EXACT], arena);
	table_make(&set->endings, kinds[SHAPE_SUFFIX], arena);
	set->others = arena_array(arena, count - kinds[SHAPE_EXACT], sizeof *set->others);
	for (uint32_t i = 0; i < count; i++)
		put(set, i);
	return set;
}

static bool ends(const struct text_set *set, const uint8_t *text, size_t len)
{
	size_t from = len > PATTERN_MAX ? len - PATTERN_MAX : 0;
	for (size_t i = from; i < len; i++) {
		uint8_t first = folded(text[i]);
		size_t n = len - i;
		if ((set->first[first / 64] >> first % 64 & 1) == 0 ||
			(set->length[n / 64] >> n % 64 & 1) == 0)
			continue;
		if (table_has(set, &set->endings, text + i, n))
			return true;
	}
	return false;
}

bool text_set_has(const struct text_set *set, const uint8_t *text, size_t len)
{
	if (set->whole.count > 0 && len <= PATTERN_MAX && table_has(set, &set->whole, text, len))
		return true;
	if (set->endings.count > 0 && ends(set, text, len))
		return true;
	for (uint32_t i = 0; i < set->other_count; i++)
		if (pattern_matches(&set->patterns[set->others[i]], text, len))
			return true;
	return false;
}
