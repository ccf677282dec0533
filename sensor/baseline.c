/* baseline.c - talks, their deeds and the places of those, in tables of a fixed size. */
#include "sensor/baseline.h"

#include <stdlib.h>

/* --- the tables -------------------------------------------------------------------------- */

struct baseline *baseline_new(uint32_t talks, uint32_t deeds, uint64_t seed)
{
	struct baseline *b = calloc(1, sizeof *b);
	if (b == NULL)
		return NULL;
	b->talk_cap = talks == 0 ? 1 : talks;
	b->deed_cap = deeds == 0 ? 1 : deeds;
	b->seed = seed;
	for (b->mask = 15; b->mask < b->deed_cap; b->mask = b->mask * 2 + 1)
		;
	b->talk = calloc(b->talk_cap, sizeof *b->talk);
	b->deed = calloc(b->deed_cap, sizeof *b->deed);
	b->talk_at = calloc((size_t)b->mask + 1, sizeof *b->talk_at);
	b->deed_at = calloc((size_t)b->mask + 1, sizeof *b->deed_at);
	if (b->talk != NULL && b->deed != NULL && b->talk_at != NULL && b->deed_at != NULL)
		return b;
	baseline_free(b);
	return NULL;
}

void baseline_free(struct baseline *b)
{
	if (b == NULL)
		return;
	free(b->name);
	free(b->path);
	free(b->talk);
	free(b->deed);
	free(b->talk_at);
	free(b->deed_at);
	free(b->known);
	free(b);
}

static uint64_t hash_addr(uint64_t h, const struct addr *a)
{
	return key_mix_bytes(h, a->bytes, sizeof a->bytes);
}

static uint64_t hash_talk(const struct baseline *b, const struct contact_key *k)
{
	uint64_t h = hash_addr(hash_addr(b->seed, &k->client), &k->device);
	return key_mix(key_mix(h, (uintptr_t)dissector_index(k->protocol)), k->unit);
}

static uint32_t slot(const struct baseline *b, uint64_t hash)
{
	return (uint32_t)(hash >> 32) & b->mask;
}

static bool same_talk(const struct contact_key *a, const struct contact_key *b)
{
	return a->unit == b->unit && a->protocol == b->protocol &&
	       memcmp(a->client.bytes, b->client.bytes, 16) == 0 &&
	       memcmp(a->device.bytes, b->device.bytes, 16) == 0;
}

uint32_t baseline_talk(const struct baseline *b, const struct contact_key *key)
{
	for (uint32_t i = b->talk_at[slot(b, hash_talk(b, key))]; i != 0; i = b->talk[i - 1].chain)
		if (same_talk(&b->talk[i - 1].key, key))
			return i - 1;
	return BASELINE_NOBODY;
}

uint32_t baseline_add_talk(struct baseline *b, const struct contact_key *key)
{
	uint32_t found = baseline_talk(b, key);
	if (found != BASELINE_NOBODY)
		return found;
	if (b->talks == b->talk_cap) {
		b->lost++;
		return BASELINE_NOBODY;
	}
	uint32_t *head = &b->talk_at[slot(b, hash_talk(b, key))];
	b->talk[b->talks] = (struct contact){
		.key = *key, .first_deed = BASELINE_NOBODY, .chain = *head, .minute = INT64_MIN
	};
	*head = ++b->talks;
	return b->talks - 1;
}

static uint32_t deed_slot(const struct baseline *b, uint32_t talk, act_id act)
{
	return slot(b, key_mix(key_mix(b->seed, talk), act));
}

uint32_t baseline_deed(const struct baseline *b, uint32_t talk, act_id act)
{
	for (uint32_t i = b->deed_at[deed_slot(b, talk, act)]; i != 0; i = b->deed[i - 1].chain)
		if (b->deed[i - 1].talk == talk && b->deed[i - 1].act == act)
			return i - 1;
	return BASELINE_NOBODY;
}

uint32_t baseline_add_deed(struct baseline *b, uint32_t talk, act_id act)
{
	uint32_t found = baseline_deed(b, talk, act);
	if (found != BASELINE_NOBODY)
		return found;
	if (b->deeds == b->deed_cap) {
		b->lost++;
		return BASELINE_NOBODY;
	}
	uint32_t *head = &b->deed_at[deed_slot(b, talk, act)];
	struct deed *d = &b->deed[b->deeds];
	*d = (struct deed){ .talk = talk, .act = act, .chain = *head };
	d->next = b->talk[talk].first_deed;
	d->decision = verb_is_grave(act_verb(act)) ? DECISION_ASK : DECISION_NONE;
	b->talk[talk].first_deed = b->deeds;
	*head = ++b->deeds;
	return b->deeds - 1;
}

uint64_t contact_count(struct contact *t, int64_t at_ns)
{
	const int64_t minute_ns = INT64_C(60) * 1000000000;
	int64_t minute = at_ns / minute_ns;
	if (minute != t->minute) {
		t->minute = minute;
		t->in_minute = 0;
	}
	if (++t->in_minute > t->busiest)
		t->busiest = t->in_minute;
	return t->in_minute;
}

/* --- places ------------------------------------------------------------------------------ */

static bool goes_before(const struct act_place *a, const struct act_place *b)
{
	if (a->kind != b->kind)
		return a->kind < b->kind;
	if (a->number != b->number)
		return a->number < b->number;
	if (a->number_last != b->number_last)
		return a->number_last < b->number_last;
	return a->first < b->first;
}

static void take_out(struct deed *d, unsigned i)
{
	d->places--;
	memmove(&d->place[i], &d->place[i + 1], (d->places - i) * sizeof d->place[0]);
}

/* Where @p stands or would stand. */
static unsigned find(const struct deed *d, const struct act_place *p)
{
	unsigned i = 0;
	while (i < d->places && goes_before(&d->place[i], p))
		i++;
	return i;
}

static bool near(const struct act_place *low, const struct act_place *high, uint32_t gap)
{
	return place_alike(low, high) && (uint64_t)low->last + gap + 1 >= high->first;
}

/* The places around @i that have come to lie near are one with it. */
static void join_around(struct deed *d, unsigned i, uint32_t gap)
{
	while (i + 1 < d->places && near(&d->place[i], &d->place[i + 1], gap)) {
		if (d->place[i + 1].last > d->place[i].last)
			d->place[i].last = d->place[i + 1].last;
		take_out(d, i + 1);
	}
}

static void put_at(struct deed *d, unsigned i, const struct act_place *p)
{
	memmove(&d->place[i + 1], &d->place[i], (d->places - i) * sizeof d->place[0]);
	d->place[i] = *p;
	d->places++;
}

/* The bytes that blocks like the i-th have in common, grown until no further one is near; *blocks
 * of them, as bits. Their number. */
static unsigned alike_blocks(
	const struct deed *d, unsigned i, struct act_place *all, uint32_t *blocks)
{
	unsigned count = 1;
	*all = d->place[i];
	*blocks = UINT32_C(1) << i;
	for (unsigned k = 0; k < d->places; k++) {
		const struct act_place *p = &d->place[k];
		if (*blocks >> k & 1 || p->kind != all->kind ||
			(uint64_t)p->first > (uint64_t)all->last + PLACE_GAP + 1 ||
			(uint64_t)all->first > (uint64_t)p->last + PLACE_GAP + 1)
			continue;
		*blocks |= UINT32_C(1) << k;
		count++;
		all->first = p->first < all->first ? p->first : all->first;
		all->last = p->last > all->last ? p->last : all->last;
		all->number = p->number < all->number ? p->number : all->number;
		all->number_last =
			p->number_last > all->number_last ? p->number_last : all->number_last;
		k = UINT32_MAX; /* from the start: it has grown */
	}
	return count;
}

/* What is only read here and there, as pictures are opened, is known by its blocks. */
static void settle_reads(struct deed *d)
{
	struct act_place all = { .number = UINT32_MAX, .last = PLACE_ALL };
	unsigned blocks = 0;
	for (unsigned i = 0; i < d->places; i++) {
		const struct act_place *p = &d->place[i];
		if (!place_is_block(p) || (blocks > 0 && p->kind != all.kind))
			continue;
		blocks++;
		all.kind = p->kind;
		all.number = p->number < all.number ? p->number : all.number;
		all.number_last =
			p->number_last > all.number_last ? p->number_last : all.number_last;
	}
	if (blocks <= BLOCKS_ALIKE || verb_changes(act_verb(d->act)))
		return;
	for (unsigned i = d->places; i-- > 0;)
		if (d->place[i].kind == all.kind)
			take_out(d, i);
	put_at(d, find(d, &all), &all);
}

void deed_settle(struct deed *d)
{
	settle_reads(d);
	for (unsigned i = 0; i < d->places; i++) {
		struct act_place all;
		uint32_t blocks;
		bool several = d->place[i].number_last > d->place[i].number;
		if (!place_is_block(&d->place[i]) ||
			alike_blocks(d, i, &all, &blocks) < (several ? 2 : BLOCKS_ALIKE))
			continue;
		for (unsigned k = d->places; k-- > 0;)
			if (blocks >> k & 1)
				take_out(d, k);
		put_at(d, find(d, &all), &all);
		i = UINT32_MAX; /* from the start: they have moved */
	}
}

/* Joins the two that lie nearest, or gives up telling places apart. */
static void make_room(struct deed *d)
{
	deed_settle(d);
	if (d->places < DEED_PLACES)
		return;
	unsigned best = DEED_PLACES;
	uint32_t least = UINT32_MAX;
	for (unsigned i = 0; i + 1 < d->places; i++) {
		uint32_t gap = d->place[i + 1].first - d->place[i].last;
		if (place_alike(&d->place[i], &d->place[i + 1]) && gap < least) {
			least = gap;
			best = i;
		}
	}
	d->widened = true;
	if (best == DEED_PLACES) {
		d->anywhere = true;
		d->places = 0;
		return;
	}
	d->place[best].last = d->place[best + 1].last;
	take_out(d, best + 1);
}

void deed_add_place(struct deed *d, const struct act_place *p)
{
	if (p->kind == 0 || deed_reaches(d, p))
		return;
	unsigned i = find(d, p);
	uint32_t gap = verb_changes(act_verb(d->act)) ? 0 : PLACE_GAP;
	if (i > 0 && near(&d->place[i - 1], p, gap)) {
		i--;
		if (p->last > d->place[i].last)
			d->place[i].last = p->last;
	} else if (i < d->places && near(p, &d->place[i], gap)) {
		d->place[i].first = p->first;
		if (p->last > d->place[i].last)
			d->place[i].last = p->last;
	} else {
		if (d->places == DEED_PLACES)
			make_room(d);
		if (d->anywhere)
			return;
		i = find(d, p);
		put_at(d, i, p);
		if (i > 0)
			i--; /* what was joined to make room may hold it */
	}
	join_around(d, i, gap);
}

bool deed_put_place(struct deed *d, const struct act_place *p)
{
	unsigned i = find(d, p);
	if (d->places == DEED_PLACES ||
		(i > 0 && place_alike(&d->place[i - 1], p) && d->place[i - 1].last >= p->first) ||
		(i < d->places && place_alike(&d->place[i], p) && p->last >= d->place[i].first))
		return false;
	put_at(d, i, p);
	return true;
}

bool deed_reaches(const struct deed *d, const struct act_place *p)
{
	if (d->anywhere || p->kind == 0)
		return true;
	uint64_t from = p->first; /* ranges that touch hold together what spans them */
	for (unsigned i = 0; i < d->places; i++) {
		const struct act_place *q = &d->place[i];
		if (q->kind != p->kind || q->number > p->number ||
			q->number_last < p->number_last || q->last < from || q->first > from)
			continue;
		if (q->last >= p->last)
			return true;
		from = (uint64_t)q->last + 1;
	}
	return false;
}

/* --- who is known ------------------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
	uint64_t x, y;
	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return (x > y) - (x < y);
}

/* Of a pair, in any protocol if @protocol is NULL. */
static uint64_t hash_pair(const struct baseline *b, const struct addr *client,
	const struct addr *device, const struct dissector *protocol)
{
	uint64_t h = hash_addr(hash_addr(b->seed, client), device);
	return key_mix(h, protocol == NULL ? UINT64_MAX : (uint64_t)dissector_index(protocol));
}

bool baseline_lock(struct baseline *b)
{
	b->known = calloc(b->talks * (size_t)2 + 1, sizeof *b->known);
	if (b->known == NULL)
		return false;
	for (uint32_t i = 0; i < b->talks; i++) {
		const struct contact_key *k = &b->talk[i].key;
		b->known[b->knowns++] = hash_pair(b, &k->client, &k->device, NULL);
		b->known[b->knowns++] = hash_pair(b, &k->client, &k->device, k->protocol);
	}
	qsort(b->known, b->knowns, sizeof *b->known, by_value);
	return true;
}

static bool is_known(const struct baseline *b, uint64_t hash)
{
	return bsearch(&hash, b->known, b->knowns, sizeof hash, by_value) != NULL;
}

enum acquaintance baseline_known(const struct baseline *b, const struct contact_key *k)
{
	if (is_known(b, hash_pair(b, &k->client, &k->device, k->protocol)))
		return KNOWN_PROTOCOL;
	if (is_known(b, hash_pair(b, &k->device, &k->client, k->protocol)))
		return KNOWN_REVERSED;
	if (is_known(b, hash_pair(b, &k->client, &k->device, NULL)))
		return KNOWN_PAIR;
	return KNOWN_NOTHING;
}
