/* frag.c - joins IPv4 (RFC 791, RFC 815) and IPv6 (RFC 8200 4.5, RFC 5722) fragments.
 * A datagram is kept as pages of 2 KiB with one bit for each unit of 8 bytes, so that any fragment
 * costs what it holds, in any order and with any overlap. Where fragments disagree the first
 * reading is kept; a second set of pages takes the later bytes, because nobody knows which of the
 * two the receiver will believe. */
#include "sensor/frag.h"

#include <stdlib.h>

enum {
	UNIT = 8,
	PAGE = 2048,
	PAGES = 32, /* 64 KiB */
	DATAGRAM_MAX = 65535,
	TOTAL_UNKNOWN = UINT32_MAX,
	NONE = UINT32_MAX,
	COPY_NS = 5000000, /* mirrored copies of a fragment arrive within 5 ms */
	TELL_S = 60,       /* between two complaints of a full table */
};

struct page {
	uint64_t have[PAGE / UNIT / 64];
	uint8_t bytes[PAGE];
};

struct datagram {
	struct addr src, dst;
	uint32_t id, next_in_chain;
	uint32_t older, newer; /* by first fragment */
	int64_t first_ns, last_ns;
	uint32_t total, reach; /* bytes: of the whole, of what came so far */
	uint32_t units;        /* present */
	uint32_t pieces;       /* fragments taken */
	uint8_t protocol;
	bool finished; /* joined: kept to know copies of its fragments */
	bool contested;
	struct page *page[PAGES];
	struct page *
		*second; /* PAGES of them, the later reading; NULL while nothing is contested */
};

struct frags {
	struct frag_options o;
	struct datagram *slab;
	uint32_t *chain; /* heads, a power of two of them */
	uint32_t mask, oldest, newest;
	uint32_t free, fresh; /* given back; never used yet, from here on */
	size_t bytes;         /* in pages */
	bool full_told;
	int64_t full_told_ns;
	struct frag_second again;
	uint8_t whole[DATAGRAM_MAX + 1], second[DATAGRAM_MAX + 1];
};

struct frags *frags_new(const struct frag_options *o)
{
	uint32_t count = o->max_datagrams > 1 ? (uint32_t)o->max_datagrams : 1, heads = 1;
	while (heads < count)
		heads *= 2;
	struct frags *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->o = *o;
	f->o.max_datagrams = count;
	f->mask = heads - 1;
	f->slab = calloc(count, sizeof(*f->slab));
	f->chain = malloc(heads * sizeof(*f->chain));
	if (f->slab == NULL || f->chain == NULL) {
		free(f->slab);
		free(f->chain);
		free(f);
		return NULL;
	}
	for (uint32_t i = 0; i < heads; i++)
		f->chain[i] = NONE;
	f->free = f->oldest = f->newest = NONE;
	return f;
}

static uint32_t *head_of(
	struct frags *f, const struct addr *src, const struct addr *dst, uint32_t id)
{
	uint64_t h = f->o.seed ^ id, word[4];
	memcpy(word, src->bytes, 16);
	memcpy(word + 2, dst->bytes, 16);
	for (unsigned i = 0; i < 4; i++) {
		h = (h ^ word[i]) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 32;
	}
	return &f->chain[h & f->mask];
}

static bool same_addr(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static void tell(struct frags *f, enum anomaly_kind kind, struct stamp at)
{
	const struct inspector *to = f->o.inspector;
	if (to == NULL || to->anomaly == NULL)
		return;
	struct anomaly a = { .kind = kind, .at = at, .count = 1 };
	to->anomaly(to->ctx, &a);
}

static void give_page(struct frags *f, struct page *p)
{
	f->bytes -= p == NULL ? 0 : sizeof(*p);
	free(p);
}

static void give_second(struct frags *f, struct datagram *d)
{
	for (unsigned i = 0; d->second != NULL && i < PAGES; i++)
		give_page(f, d->second[i]);
	free(d->second);
	d->second = NULL;
}

static void give_pages(struct frags *f, struct datagram *d)
{
	for (unsigned i = 0; i < PAGES; i++) {
		give_page(f, d->page[i]);
		d->page[i] = NULL;
	}
	give_second(f, d);
}

static void forget(struct frags *f, uint32_t i)
{
	struct datagram *d = &f->slab[i];
	uint32_t *at = head_of(f, &d->src, &d->dst, d->id);
	while (*at != i)
		at = &f->slab[*at].next_in_chain;
	*at = d->next_in_chain;
	if (!d->finished)
		f->o.counters->frag_dropped += d->pieces;
	give_pages(f, d);

	*(d->older == NONE ? &f->oldest : &f->slab[d->older].newer) = d->newer;
	*(d->newer == NONE ? &f->newest : &f->slab[d->newer].older) = d->older;
	d->next_in_chain = f->free;
	f->free = i;
}

void frags_tick(struct frags *f, int64_t now_ns)
{
	while (f->oldest != NONE &&
		now_ns - f->slab[f->oldest].first_ns > (int64_t)f->o.timeout_s * 1000000000)
		forget(f, f->oldest);
}

void frags_finish(struct frags *f)
{
	while (f->oldest != NONE)
		forget(f, f->oldest);
}

void frags_free(struct frags *f)
{
	if (f == NULL)
		return;
	for (uint32_t i = f->oldest; i != NONE; i = f->slab[i].newer)
		give_pages(f, &f->slab[i]);
	free(f->slab);
	free(f->chain);
	free(f);
}

struct frag_second *frags_second(struct frags *f)
{
	return &f->again;
}

/* A bound is reached: the oldest goes, and that is said now and then. */
static void evict(struct frags *f, struct stamp at)
{
	bool due = !f->full_told || at.ts_ns - f->full_told_ns > (int64_t)TELL_S * 1000000000;
	if (due && !f->slab[f->oldest].finished) {
		f->full_told = true;
		f->full_told_ns = at.ts_ns;
		tell(f, ANOMALY_FRAGS_FULL, at);
	}
	forget(f, f->oldest);
}

static void restart(struct datagram *d, const struct frag *in)
{
	d->protocol = in->protocol;
	d->total = TOTAL_UNKNOWN;
	d->reach = d->units = d->pieces = 0;
	d->finished = d->contested = false;
}

static uint32_t start(struct frags *f, const struct frag *in)
{
	if (f->free == NONE && f->fresh == f->o.max_datagrams)
		evict(f, in->at);
	uint32_t i = f->free, *head = head_of(f, in->src, in->dst, in->id);
	if (i == NONE)
		i = f->fresh++;
	else
		f->free = f->slab[i].next_in_chain;
	struct datagram *d = &f->slab[i];
	d->src = *in->src;
	d->dst = *in->dst;
	d->id = in->id;
	d->first_ns = d->last_ns = in->at.ts_ns;
	restart(d, in);
	d->next_in_chain = *head;
	*head = i;
	d->newer = NONE;
	d->older = f->newest;
	*(f->newest == NONE ? &f->oldest : &f->slab[f->newest].newer) = i;
	f->newest = i;
	return i;
}

/* IPv4 keys on the protocol too; in IPv6 it may differ from fragment to fragment. */
static uint32_t find(struct frags *f, const struct frag *in)
{
	for (uint32_t i = *head_of(f, in->src, in->dst, in->id); i != NONE;
		i = f->slab[i].next_in_chain) {
		const struct datagram *d = &f->slab[i];
		if (d->id == in->id && same_addr(&d->src, in->src) && same_addr(&d->dst, in->dst) &&
			(in->src->family == 6 || d->protocol == in->protocol))
			return i;
	}
	return NONE;
}

static struct page *take_page(struct frags *f, struct page **slot)
{
	if (*slot == NULL && f->bytes + sizeof(struct page) <= f->o.max_bytes) {
		*slot = calloc(1, sizeof(struct page));
		if (*slot != NULL)
			f->bytes += sizeof(struct page);
	}
	return *slot;
}

/* Makes room for the pages of a fragment; others go first, the oldest before. */
static bool take_pages(struct frags *f, uint32_t i, struct page **pages, const struct frag *in)
{
	for (uint32_t n = in->offset / PAGE; n <= (in->offset + in->len - 1) / PAGE; n++) {
		while (take_page(f, &pages[n]) == NULL) {
			if (f->oldest == i)
				return false;
			evict(f, in->at);
		}
	}
	return true;
}

/* The later reading starts as a copy of the first; there is none where memory is short. */
static void open_second(struct frags *f, struct datagram *d)
{
	d->second = calloc(PAGES, sizeof(struct page *));
	for (unsigned i = 0; d->second != NULL && i < PAGES; i++) {
		if (d->page[i] == NULL)
			continue;
		if (take_page(f, &d->second[i]) == NULL)
			give_second(f, d);
		else
			memcpy(d->second[i], d->page[i], sizeof(struct page));
	}
}

static bool has_unit(const struct page *p, uint32_t unit)
{
	return p->have[unit / 64] >> unit % 64 & 1;
}

/* Puts the bytes in place. What was there before stays unless @replace; true if it differed. */
static bool place(struct datagram *d, struct page **pages, const struct frag *in, bool replace)
{
	bool differs = false;
	for (uint32_t at = 0; at < in->len; at += UNIT) {
		uint32_t place_at = in->offset + at, n = in->len - at < UNIT ? in->len - at : UNIT;
		struct page *p = pages[place_at / PAGE];
		uint32_t unit = place_at % PAGE / UNIT;
		uint8_t *old = p->bytes + place_at % PAGE;
		if (has_unit(p, unit) && !replace) {
			differs |= memcmp(old, in->bytes + at, n) != 0;
			continue;
		}
		memcpy(old, in->bytes + at, n);
		if (!replace)
			d->units++;
		p->have[unit / 64] |= UINT64_C(1) << unit % 64;
	}
	return differs;
}

static void contest(struct frags *f, struct datagram *d, struct stamp at)
{
	if (!d->contested)
		tell(f, ANOMALY_FRAG_OVERLAP, at);
	d->contested = true;
}

/* Is the fragment possible at all, and does it agree with how long the datagram is? */
static bool fits(struct frags *f, struct datagram *d, const struct frag *in)
{
	uint32_t end = in->offset + in->len;
	if (end > DATAGRAM_MAX || in->len == 0 || (in->more && in->len % UNIT != 0))
		return false;
	bool agrees = in->more ? end <= d->total : d->reach <= end;
	if (!in->more && d->total != TOTAL_UNKNOWN)
		agrees = end == d->total;
	if (!agrees)
		contest(f, d, in->at);
	return agrees;
}

/* Keeps what the fragment says; false if there is no room. */
static bool keep(struct frags *f, uint32_t i, const struct frag *in)
{
	struct datagram *d = &f->slab[i];
	if (!take_pages(f, i, d->page, in))
		return false;
	bool had_second = d->second != NULL;
	uint32_t units = d->units;
	bool differs = place(d, d->page, in, false);
	if (differs)
		contest(f, d, in->at);
	if (differs && !had_second)
		open_second(f, d);
	if (d->second != NULL) {
		if (take_pages(f, i, d->second, in))
			place(d, d->second, in, true);
		else
			give_second(f, d);
	}
	d->pieces++;
	if (!differs && units == d->units)
		f->o.counters->duplicates++;
	if (in->offset + in->len > d->reach)
		d->reach = in->offset + in->len;
	if (!in->more)
		d->total = in->offset + in->len;
	if (in->offset == 0)
		d->protocol = in->protocol;
	return true;
}

static void assemble(const struct datagram *d, struct page *const *pages, uint8_t *to)
{
	for (uint32_t at = 0; at < d->total; at += PAGE) {
		uint32_t n = d->total - at < PAGE ? d->total - at : PAGE;
		memcpy(to + at, pages[at / PAGE]->bytes, n);
	}
}

static void finish(struct frags *f, struct datagram *d, struct frag_whole *whole)
{
	assemble(d, d->page, f->whole);
	*whole = (struct frag_whole){ f->whole, d->total, d->protocol, false };
	f->again.waiting = d->second != NULL;
	if (d->second != NULL) {
		assemble(d, d->second, f->second);
		whole->contested = true;
		f->again.whole = (struct frag_whole){ f->second, d->total, d->protocol, true };
	}
	give_pages(f, d);
	d->finished = true;
	f->o.counters->frag_joined++;
}

bool frags_add(struct frags *f, const struct frag *in, struct frag_whole *whole)
{
	frags_tick(f, in->at.ts_ns);
	uint32_t i = find(f, in);
	if (i != NONE && f->slab[i].finished) {
		if (in->at.ts_ns - f->slab[i].last_ns <= COPY_NS) {
			f->o.counters->duplicates++;
			return false;
		}
		forget(f, i); /* the identifier is used again */
		i = NONE;
	}
	if (i == NONE)
		i = start(f, in);
	struct datagram *d = &f->slab[i];
	d->last_ns = in->at.ts_ns;
	if (!fits(f, d, in) || !keep(f, i, in)) {
		f->o.counters->frag_dropped++;
		return false;
	}
	if (d->total == TOTAL_UNKNOWN || d->units < (d->total + UNIT - 1) / UNIT)
		return false;
	finish(f, d, whole);
	return true;
}
