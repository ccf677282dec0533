/* flow_table.c - open addressing with linear probing and backward-shift deletion. */
#include "sensor/flow_table.h"

#include <stdlib.h>
#include <string.h>

#include "sensor/mix.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { SLAB = 1024, FIRST_CELLS = 1024, SECRETS = 5 };

struct cell {
	uint32_t hash;
	uint32_t index; /* FLOW_NONE: free */
};

struct list {
	uint32_t newest, oldest;
};

struct flow_table {
	struct cell *cells;
	size_t mask, cap, count;
	struct flow_slot **slabs;
	size_t slab_count, slab_room;
	uint32_t free; /* chain through older */
	struct list lists[FLOW_LISTS];
	uint64_t secret[SECRETS];
};

/* Both ends, the lower one first, so that both directions have one key. */
struct key {
	uint8_t ip[2][16];
	uint8_t port[2][2];
	uint8_t l4, pad[3];
};

static void key_of(struct key *k, const struct packet *p)
{
	int order = memcmp(p->src.bytes, p->dst.bytes, 16);
	unsigned low = order > 0 || (order == 0 && p->sport > p->dport);
	memcpy(k->ip[low], p->src.bytes, 16);
	memcpy(k->ip[!low], p->dst.bytes, 16);
	k->port[low][0] = (uint8_t)(p->sport >> 8);
	k->port[low][1] = (uint8_t)p->sport;
	k->port[!low][0] = (uint8_t)(p->dport >> 8);
	k->port[!low][1] = (uint8_t)p->dport;
	k->l4 = p->l4;
	memset(k->pad, 0, sizeof k->pad);
}

/* The same in every replay: no seed. */
static uint64_t flow_id(const struct packet *p)
{
	struct {
		struct key key;
		uint8_t time[8];
	} in;
	key_of(&in.key, p);
	for (unsigned i = 0; i < 8; i++)
		in.time[i] = (uint8_t)((uint64_t)p->at.ts_ns >> (8 * i));
	return XXH3_64bits(&in, sizeof in) & ((UINT64_C(1) << 51) - 1);
}

/* The port is mixed in apart from the address: who chooses both could make up for one with the
 * other. */
static uint64_t mix_end(const struct flow_table *t, const struct addr *ip, uint16_t port)
{
	uint64_t host =
		mix(mix_load(ip->bytes) ^ t->secret[0], mix_load(ip->bytes + 8) ^ t->secret[1]);
	return host ^ port * t->secret[2];
}

/* Each end by itself and then their sum, so that the order does not matter. */
uint64_t flow_table_hash(const struct flow_table *t, const struct packet *p)
{
	uint64_t ends = mix_end(t, &p->src, p->sport) + mix_end(t, &p->dst, p->dport);
	return mix(ends ^ t->secret[3], t->secret[4] ^ p->l4);
}

static struct flow_slot *slot_at(const struct flow_table *t, uint32_t index)
{
	return &t->slabs[index / SLAB][index % SLAB];
}

static struct cell *cells_new(size_t n)
{
	struct cell *cells = malloc(n * sizeof *cells);
	for (size_t i = 0; cells != NULL && i < n; i++)
		cells[i].index = FLOW_NONE;
	return cells;
}

struct flow_table *flow_table_new(size_t cap, uint64_t seed)
{
	struct flow_table *t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	t->cells = cells_new(FIRST_CELLS);
	if (t->cells == NULL) {
		free(t);
		return NULL;
	}
	t->mask = FIRST_CELLS - 1;
	t->cap = cap < 1 ? 1 : cap >= FLOW_NONE ? FLOW_NONE - 1 : cap;
	for (unsigned i = 0; i < SECRETS; i++) /* odd: never all zero */
		t->secret[i] = XXH3_64bits_withSeed(&i, sizeof i, seed) | 1;
	t->free = FLOW_NONE;
	for (unsigned i = 0; i < FLOW_LISTS; i++)
		t->lists[i] = (struct list){ FLOW_NONE, FLOW_NONE };
	return t;
}

void flow_table_free(struct flow_table *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < t->slab_count; i++)
		free(t->slabs[i]);
	free(t->slabs);
	free(t->cells);
	free(t);
}

static bool same_ip(const struct addr *a, const struct addr *b)
{
	return mix_load(a->bytes) == mix_load(b->bytes) &&
	       mix_load(a->bytes + 8) == mix_load(b->bytes + 8);
}

static bool sent_by(const struct flow *f, unsigned from, const struct packet *p)
{
	const struct endpoint *src = &f->end[from], *dst = &f->end[!from];
	return src->port == p->sport && dst->port == p->dport && same_ip(&src->ip, &p->src) &&
	       same_ip(&dst->ip, &p->dst);
}

struct flow_slot *flow_table_find(
	const struct flow_table *t, const struct packet *p, uint64_t full, unsigned *from)
{
	uint32_t hash = (uint32_t)full;
	for (size_t i = hash & t->mask; t->cells[i].index != FLOW_NONE; i = (i + 1) & t->mask) {
		if (t->cells[i].hash != hash)
			continue;
		struct flow_slot *s = slot_at(t, t->cells[i].index);
		if (s->flow.l4 != p->l4)
			continue;
		bool first = sent_by(&s->flow, 0, p);
		if (first || sent_by(&s->flow, 1, p)) {
			*from = !first;
			return s;
		}
	}
	return NULL;
}

bool flow_table_full(const struct flow_table *t)
{
	return t->count >= t->cap;
}

static void cell_put(struct cell *cells, size_t mask, struct cell c)
{
	size_t i = c.hash & mask;
	while (cells[i].index != FLOW_NONE)
		i = (i + 1) & mask;
	cells[i] = c;
}

/* At most half of the cells are taken. */
static bool grow_cells(struct flow_table *t)
{
	if ((t->count + 1) * 2 <= t->mask + 1)
		return true;
	size_t n = (t->mask + 1) * 2;
	struct cell *cells = cells_new(n);
	if (cells == NULL)
		return false;
	for (size_t i = 0; i <= t->mask; i++)
		if (t->cells[i].index != FLOW_NONE)
			cell_put(cells, n - 1, t->cells[i]);
	free(t->cells);
	t->cells = cells;
	t->mask = n - 1;
	return true;
}

static bool grow_slabs(struct flow_table *t)
{
	if (t->free != FLOW_NONE)
		return true;
	if (t->slab_count == t->slab_room) {
		size_t room = t->slab_room == 0 ? 16 : t->slab_room * 2;
		struct flow_slot **slabs = realloc(t->slabs, room * sizeof(struct flow_slot *));
		if (slabs == NULL)
			return false;
		t->slabs = slabs;
		t->slab_room = room;
	}
	struct flow_slot *slab = malloc(SLAB * sizeof *slab);
	if (slab == NULL)
		return false;
	uint32_t base = (uint32_t)(t->slab_count * SLAB);
	for (uint32_t i = SLAB; i > 0; i--) {
		slab[i - 1].index = base + i - 1;
		slab[i - 1].older = t->free;
		slab[i - 1].list = FLOWS_FREE;
		t->free = base + i - 1;
	}
	t->slabs[t->slab_count++] = slab;
	return true;
}

static void link_newest(struct flow_table *t, struct flow_slot *s, enum flow_list list)
{
	struct list *l = &t->lists[list];
	s->list = (uint8_t)list;
	s->newer = FLOW_NONE;
	s->older = l->newest;
	if (l->newest != FLOW_NONE)
		slot_at(t, l->newest)->newer = s->index;
	else
		l->oldest = s->index;
	l->newest = s->index;
}

static void unlink_slot(struct flow_table *t, struct flow_slot *s)
{
	struct list *l = &t->lists[s->list];
	if (s->newer != FLOW_NONE)
		slot_at(t, s->newer)->older = s->older;
	else
		l->newest = s->older;
	if (s->older != FLOW_NONE)
		slot_at(t, s->older)->newer = s->newer;
	else
		l->oldest = s->newer;
}

static void end_init(struct endpoint *e, const struct addr *ip, uint16_t port, const uint8_t *mac)
{
	e->ip = *ip;
	e->port = port;
	e->has_mac = mac != NULL;
	if (mac != NULL)
		memcpy(e->mac, mac, sizeof e->mac);
}

struct flow_slot *flow_table_add(
	struct flow_table *t, const struct packet *p, uint64_t hash, enum flow_list list)
{
	if (flow_table_full(t) || !grow_cells(t) || !grow_slabs(t))
		return NULL;
	struct flow_slot *s = slot_at(t, t->free);
	uint32_t index = s->index;
	t->free = s->older;
	memset(s, 0, sizeof *s);
	s->index = index;
	s->hash = (uint32_t)hash;
	s->listed_ns = p->at.ts_ns;
	struct flow *f = &s->flow;
	end_init(&f->end[0], &p->src, p->sport, p->has_mac ? p->src_mac : NULL);
	end_init(&f->end[1], &p->dst, p->dport, p->has_mac ? p->dst_mac : NULL);
	f->l4 = p->l4;
	f->vlans = p->vlans;
	memcpy(f->vlan, p->vlan, sizeof f->vlan);
	f->id = flow_id(p);
	f->first_ns = f->last_ns = p->at.ts_ns;
	link_newest(t, s, list);
	cell_put(t->cells, t->mask, (struct cell){ s->hash, index });
	t->count++;
	return s;
}

/* Closes the hole at @i: what was pushed past its own cell moves back. */
static void shift_back(struct flow_table *t, size_t i)
{
	for (size_t j = (i + 1) & t->mask; t->cells[j].index != FLOW_NONE; j = (j + 1) & t->mask) {
		size_t home = t->cells[j].hash & t->mask;
		if (((j - home) & t->mask) >= ((j - i) & t->mask)) {
			t->cells[i] = t->cells[j];
			i = j;
		}
	}
	t->cells[i].index = FLOW_NONE;
}

void flow_table_remove(struct flow_table *t, struct flow_slot *s)
{
	size_t i = s->hash & t->mask;
	while (t->cells[i].index != s->index)
		i = (i + 1) & t->mask;
	shift_back(t, i);
	unlink_slot(t, s);
	s->list = FLOWS_FREE;
	s->older = t->free;
	t->free = s->index;
	t->count--;
}

void flow_table_front(struct flow_table *t, struct flow_slot *s, int64_t now_ns)
{
	s->listed_ns = now_ns;
	unlink_slot(t, s);
	link_newest(t, s, (enum flow_list)s->list);
}

void flow_table_move(struct flow_table *t, struct flow_slot *s, enum flow_list list)
{
	if (s->list == list)
		return;
	unlink_slot(t, s);
	link_newest(t, s, list);
}

struct flow_slot *flow_table_oldest(struct flow_table *t, enum flow_list list)
{
	uint32_t index = t->lists[list].oldest;
	return index == FLOW_NONE ? NULL : slot_at(t, index);
}

size_t flow_table_count(const struct flow_table *t)
{
	return t->count;
}

size_t flow_table_memory(const struct flow_table *t)
{
	return (t->mask + 1) * sizeof *t->cells + t->slab_count * SLAB * sizeof **t->slabs;
}
