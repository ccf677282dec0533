/* evidence_slice.c - which frames belong to an alert.
 *
 * Its own frames and those of the chain first, each with what came just before in its conversation;
 * then, from the newest back, all of these conversations (and fragments that make up their frames)
 * while there is room; then, of a correlation or an observation, whatever its hosts sent. */
#include "sensor/evidence_slice.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/correlate.h"

enum { CONTEXT = 24 /* frames before one that matters */ };

_Static_assert(ALERT_FRAMES >= CHAIN_FRAMES + EVENT_FRAMES + 3, "each has its place");

#define MAGIC_NS 0xa1b23c4du /* pcap with nanoseconds */

bool collector_init(struct collector *c, struct evidence_ring *ring, uint32_t slice)
{
	*c = (struct collector){ .ring = ring, .room = slice / SLICE_PER_FRAME };
	c->picked = calloc(c->room, sizeof *c->picked);
	c->marks = calloc(evidence_ring_room(ring), sizeof *c->marks);
	return c->picked != NULL && c->marks != NULL;
}

void collector_fini(struct collector *c)
{
	free(c->picked);
	free(c->marks);
	c->picked = NULL;
	c->marks = NULL;
}

static void collect(struct collector *c, uint32_t limit)
{
	c->mark++;
	c->count = c->bytes = 0;
	c->limit = limit;
}

static bool has_key(const struct slice *s, uint32_t key)
{
	for (unsigned i = 0; i < s->keys; i++)
		if (s->key[i] == key)
			return true;
	return false;
}

static void add_key(struct slice *s, uint32_t key)
{
	if (key != 0 && s->keys < SLICE_KEYS && !has_key(s, key))
		s->key[s->keys++] = key;
}

/* False: it does not fit. A capture has one link type; frames of another are passed over. */
static bool pick(struct slice *s, struct collector *c, uint64_t i)
{
	uint32_t *mark = &c->marks[i % evidence_ring_room(c->ring)];
	const struct kept_frame *k = evidence_ring_frame(c->ring, i);
	if (*mark == c->mark || k->link != s->link)
		return true;
	uint32_t cost = SLICE_PER_FRAME + k->caplen;
	if (cost > c->limit - c->bytes)
		return false;
	*mark = c->mark;
	c->bytes += cost;
	c->picked[c->count++] = i;
	add_key(s, k->pieces);
	return true;
}

static void pick_context(struct slice *s, struct collector *c, uint64_t i)
{
	for (unsigned n = 0; i != 0 && n < CONTEXT && pick(s, c, i); n++)
		i = evidence_ring_before(c->ring, i);
}

/* All conversations of the slice, from the newest frame back to entry @from. A frame may bring the
 * fragments that it completed: some may be newer. */
static void pick_back(struct slice *s, struct collector *c, uint64_t from)
{
	uint64_t newest = evidence_ring_newest(c->ring), oldest = evidence_ring_oldest(c->ring);
	if (from < oldest)
		from = oldest;
	for (uint64_t i = newest; i >= from; i--) {
		unsigned keys = s->keys;
		if (!has_key(s, evidence_ring_entry(c->ring, i)->key))
			continue;
		if (!pick(s, c, i))
			return;
		if (s->keys > keys)
			i = newest + 1;
	}
}

/* Of a flow that may have but one end. */
struct hosts {
	uint32_t host[2];
};

static struct hosts hosts_of(const struct flow *f)
{
	return (struct hosts){ { evidence_host(&f->end[0].ip), evidence_host(&f->end[1].ip) } };
}

static bool is_of(const struct hosts *h, const struct kept_entry *k)
{
	for (unsigned i = 0; i < 2; i++)
		if (k->host[i] != 0 && (k->host[i] == h->host[0] || k->host[i] == h->host[1]))
			return true;
	return false;
}

/* Index of the newest such entry from @i back (@h NULL: any); 0: none. */
static uint64_t host_before(const struct collector *c, const struct hosts *h, uint64_t i)
{
	for (; i >= evidence_ring_oldest(c->ring); i--)
		if (h == NULL || is_of(h, evidence_ring_entry(c->ring, i)))
			return i;
	return 0;
}

/* What hosts sent and got, from the newest frame back. */
static void pick_hosts(struct slice *s, struct collector *c, const struct hosts *h)
{
	uint64_t i = host_before(c, h, evidence_ring_newest(c->ring));
	while (i != 0 && pick(s, c, i))
		i = host_before(c, h, i - 1);
}

static int by_index(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* --- the capture ------------------------------------------------------------------------- */

static void put32(struct slice *s, uint32_t v)
{
	v = htole32(v);
	memcpy(s->bytes + s->len, &v, sizeof v);
	s->len += (uint32_t)sizeof v;
}

static void put_header(struct slice *s)
{
	s->len = 0;
	put32(s, MAGIC_NS);
	put32(s, 4u << 16 | 2); /* version 2.4 */
	put32(s, 0);
	put32(s, 0);
	put32(s, 262144);
	put32(s, s->link);
}

static void put_picked(struct slice *s, struct collector *c)
{
	qsort(c->picked, c->count, sizeof *c->picked, by_index);
	for (uint32_t i = 0; i < c->count; i++) {
		const struct kept_frame *k = evidence_ring_frame(c->ring, c->picked[i]);
		int64_t ns = k->at.ts_ns % 1000000000;
		put32(s, (uint32_t)(k->at.ts_ns / 1000000000));
		put32(s, (uint32_t)(ns < 0 ? 0 : ns));
		put32(s, k->caplen);
		put32(s, k->wirelen);
		memcpy(s->bytes + s->len, k->bytes, k->caplen);
		s->len += k->caplen;
	}
}

/* Where entry @i stands in the capture, from 1; 0: not there. */
static uint32_t place_of(const struct collector *c, uint64_t i)
{
	const uint64_t *at = i == 0 || c->count == 0
				     ? NULL
				     : bsearch(&i, c->picked, c->count, sizeof i, by_index);
	return at == NULL ? 0 : (uint32_t)(at - c->picked) + 1;
}

static void put_places(struct alert *a, const struct collector *c, const uint64_t *own, unsigned n)
{
	a->slice_count = 0;
	for (unsigned i = 0; i < n; i++) {
		uint32_t place = place_of(c, own[i]);
		if (place != 0)
			a->slice_frames[a->slice_count++] = place;
	}
}

/* --- an alert ---------------------------------------------------------------------------- */

static uint32_t flow_key(const struct collector *c, const struct flow *f)
{
	const struct endpoint *a = &f->end[0], *b = &f->end[1];
	return evidence_key(c->ring, f->l4, &a->ip, a->port, &b->ip, b->port);
}

/* Entries of the frames that the alert names; returns how many names there are. */
static unsigned named(const struct collector *c, const struct alert *a, uint64_t *own)
{
	uint64_t frame[ALERT_FRAMES];
	unsigned n = alert_frames(a, frame);
	for (unsigned i = 0; i < n; i++)
		own[i] = evidence_ring_find(c->ring, frame[i]);
	return n;
}

/* The entry that a slice is built around; 0: nothing is there any more. */
static uint64_t centre(const struct collector *c, const uint64_t *own, unsigned n, uint32_t key,
	const struct hosts *hosts)
{
	uint64_t last = 0;
	for (unsigned i = 0; i < n; i++)
		last = own[i] > last ? own[i] : last;
	if (last == 0)
		last = evidence_ring_last(c->ring, key);
	return last != 0 ? last : host_before(c, hosts, evidence_ring_newest(c->ring));
}

static void pick_named(struct slice *s, struct collector *c, const uint64_t *own, unsigned n)
{
	for (unsigned i = n; i-- > 0;) {
		if (own[i] == 0)
			continue;
		add_key(s, evidence_ring_entry(c->ring, own[i])->key);
		pick_context(s, c, own[i]);
	}
}

/* What else may have led to it: a correlation counted more than its chain names, a watcher
 * remembers other conversations. The newest frame may be the one whose time told. */
static void pick_around(struct slice *s, struct collector *c, const struct alert *a, bool has_flow,
	const struct hosts *hosts)
{
	bool observed = !has_flow || a->event->pdu->dissector->observed;
	if (observed)
		pick(s, c, evidence_ring_newest(c->ring));
	if (observed || a->chain != NULL)
		pick_hosts(s, c, hosts);
	if (observed)
		pick_hosts(s, c, NULL);
}

bool slice_begin(struct slice *s, struct collector *c, struct alert *a)
{
	const struct flow *f = a->event->flow;
	uint64_t own[ALERT_FRAMES];
	uint32_t key = flow_key(c, f);
	unsigned n = named(c, a, own);
	bool has_flow = evidence_ring_last(c->ring, key) != 0;
	const struct hosts hosts = hosts_of(f);
	uint64_t at = centre(c, own, n, key, &hosts);
	if (at == 0)
		return false;
	s->link = evidence_ring_frame(c->ring, at)->link;
	s->newest = evidence_ring_newest(c->ring);
	s->keys = 0;
	collect(c, (s->cap - SLICE_HEADER) / 4 * 3); /* a quarter is for what follows */
	add_key(s, key);
	pick_named(s, c, own, n);
	pick_back(s, c, 1);
	pick_around(s, c, a, has_flow, &hosts);
	put_header(s);
	put_picked(s, c);
	put_places(a, c, own, n);
	return c->count > 0;
}

void slice_end(struct slice *s, struct collector *c)
{
	collect(c, s->cap - s->len);
	pick_back(s, c, s->newest + 1);
	put_picked(s, c);
}
