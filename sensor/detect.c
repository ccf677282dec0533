/* detect.c - probes the first payloads of a flow against every protocol that stands on TCP or UDP.
 */
#include "sensor/detect.h"

#include <string.h>

#include "sensor/overlap.h"

enum {
	PREFIX_MAX = 512, /* bytes looked at together */
	HELD_MAX = 4096,  /* bytes held back for a decision */
	MISSES_OTHER = 4, /* payloads that fit nothing, on ports nobody claims: not ours */
	MISSES_TOLD = 3,  /* the same on a claimed port: said */
	AGAIN_FIRST = 64, /* a flow that is not ours is looked at again at this payload, and */
			  /* whenever the count has doubled */
	WEAK_ENOUGH = 2,
};

struct held {
	struct held *next;
	struct piece piece; /* bytes point behind this struct */
	unsigned from;
	uint8_t bytes[];
};

struct verdict_of {
	const struct dissector *dissector; /* best of PROBE_SURE and PROBE_WEAK, or NULL */
	enum probe probe;
	bool hinted, more; /* more: someone cannot tell yet */
	struct probe_hint hint;
	uint8_t index;
};

/* Bit i: end[i] has a port the dissector claims. */
static unsigned claims(const struct dissector *d, const struct flow *f)
{
	unsigned ends = 0;
	for (const struct port_hint *p = d->ports; p != NULL && p->l4 != 0; p++)
		for (unsigned i = 0; i < 2; i++)
			if (p->l4 == f->l4 && p->port == f->end[i].port)
				ends |= 1u << i;
	return ends;
}

/* Without a handshake: a claimed port is the server's, else the lower one is. */
static void guess_client(struct flow *f, unsigned claimed)
{
	if (f->client_sure)
		return;
	if (claimed == 1 || claimed == 2)
		f->client = claimed == 1;
	else
		f->client = f->end[0].port < f->end[1].port;
}

void detect_start(struct transport *t, struct flow_slot *s)
{
	unsigned plant = 0, office = 0;
	for (unsigned i = 0; t->o.dissectors[i] != NULL; i++) {
		const struct dissector *d = t->o.dissectors[i];
		*(d->office ? &office : &plant) |= claims(d, &s->flow);
	}
	s->hinted = plant != 0;
	guess_client(&s->flow, s->hinted ? plant : office);
}

static int rank(enum probe probe, bool hinted)
{
	return probe == PROBE_SURE ? 4 + hinted : probe == PROBE_WEAK ? 2 + hinted : 0;
}

static void ask(struct transport *t, unsigned i, const struct flow *f, struct reader in,
	struct verdict_of *best)
{
	const struct dissector *d = t->o.dissectors[i];
	struct probe_hint hint = { .knows_dir = false };
	bool hinted = claims(d, f) != 0;
	enum probe probe = d->probe(in, f->l4, &hint);
	if (d->office && !hinted && probe != PROBE_SURE)
		return;
	best->more |= probe == PROBE_MORE;
	if (rank(probe, hinted) > rank(best->probe, best->hinted))
		*best = (struct verdict_of){ d, probe, hinted, best->more, hint, (uint8_t)i };
}

/* The plant's protocols first. The others are asked where those leave a doubt and claim no port:
 * nobody can call a plant's session something else. */
static struct verdict_of ask_all(
	struct transport *t, const struct flow_slot *s, const uint8_t *bytes, size_t n)
{
	struct verdict_of best = { .dissector = NULL, .probe = PROBE_NO };
	bool office = !s->hinted && !s->office_over;
	for (unsigned pass = 0; pass < 1u + office; pass++) {
		if (pass == 1 && best.probe == PROBE_SURE)
			break;
		for (unsigned i = 0; t->o.dissectors[i] != NULL; i++) {
			const struct dissector *d = t->o.dissectors[i];
			if (d->ports != NULL && d->probe != NULL && d->office == (pass == 1))
				ask(t, i, &s->flow, rd_over(bytes, n), &best);
		}
	}
	return best;
}

/* Weak evidence of one protocol twice in a row counts as sure. */
static bool enough(struct flow_slot *s, const struct verdict_of *v)
{
	if (v->dissector == NULL)
		return false;
	if (v->probe == PROBE_SURE || v->hinted)
		return true;
	if (s->candidate != v->index + 1) {
		s->candidate = (uint8_t)(v->index + 1);
		s->weak = 0;
	}
	return ++s->weak >= WEAK_ENOUGH;
}

static bool decide(struct transport *t, struct flow_slot *s, unsigned from,
	const struct verdict_of *v, struct stamp at)
{
	struct flow *f = &s->flow;
	const struct dissector *d = v->dissector;
	if (d->state_size > 0) {
		f->state = pool_take(&t->pool, d->state_size);
		if (f->state == NULL) {
			transport_pool_full(t, s, from, at);
			return false;
		}
	}
	f->dissector = d;
	s->mode = FLOW_OURS;
	s->strange = s->hinted && claims(d, f) == 0;
	s->misses = 0;
	if (!f->client_sure && v->hint.knows_dir) {
		f->client = v->hint.dir == DIR_TO_SERVER ? (uint8_t)from : (uint8_t)!from;
		f->client_sure = true;
	} else {
		guess_client(f, claims(d, f));
	}
	if (!v->hinted && !d->office && !(s->told & TOLD_WRONG_PORT)) {
		s->told |= TOLD_WRONG_PORT;
		transport_tell(t, ANOMALY_WRONG_PORT, s, from, at, 1, d->name);
	}
	transport_relist(t, s);
	return true;
}

static void held_drop_first(struct transport *t, struct stream *st)
{
	struct held *h = st->held_first;
	st->held_first = h->next;
	if (st->held_first == NULL)
		st->held_last = NULL;
	st->held_bytes -= h->piece.len;
	pool_give(&t->pool, h, sizeof *h + h->piece.len);
}

void detect_forget(struct transport *t, struct stream *st)
{
	while (st->held_first != NULL)
		held_drop_first(t, st);
	st->half[0].unclear = st->half[1].unclear = 0;
}

/* Nothing was made of the bytes held back. */
static void held_dismiss(struct transport *t, struct stream *st)
{
	t->counters->other_protocol += st->held_bytes;
	detect_forget(t, st);
	st->half[0].lost = st->half[1].lost = true;
}

void detect_lost(struct transport *t, struct stream *st)
{
	held_dismiss(t, st);
}

static bool hold(struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	if (st->held_bytes + in->len > HELD_MAX)
		return false;
	struct held *h = pool_take(&t->pool, sizeof *h + in->len);
	if (h == NULL) {
		transport_pool_full(t, st->slot, from, in->at);
		return false;
	}
	memcpy(h->bytes, in->bytes, in->len);
	h->piece = *in;
	h->piece.bytes = h->bytes;
	h->from = from;
	*(st->held_last != NULL ? &st->held_last->next : &st->held_first) = h;
	st->held_last = h;
	st->held_bytes += in->len;
	return true;
}

/* The last @n held bytes of @from and @in behind them; returns how many fitted in @to. */
static size_t gather(const struct stream *st, unsigned from, const struct piece *in, uint8_t *to)
{
	size_t total = 0, skip, len = 0;
	for (const struct held *h = st->held_first; h != NULL; h = h->next)
		total += h->from == from ? h->piece.len : 0;
	skip = total - st->half[from].unclear;
	for (const struct held *h = st->held_first; h != NULL && len < PREFIX_MAX; h = h->next) {
		if (h->from != from)
			continue;
		size_t off = skip < h->piece.len ? skip : h->piece.len;
		size_t n = h->piece.len - off;
		skip -= off;
		n = n < PREFIX_MAX - len ? n : PREFIX_MAX - len;
		memcpy(to + len, h->bytes + off, n);
		len += n;
	}
	size_t n = in->len < PREFIX_MAX - len ? in->len : PREFIX_MAX - len;
	memcpy(to + len, in->bytes, n);
	return len + n;
}

/* The decision is made: what was held back is read in the order it came, then @in. */
static void release(struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	bool first[2] = { true, true };
	while (st->held_first != NULL && st->slot->mode == FLOW_OURS) {
		struct held *h = st->held_first;
		if (first[h->from])
			st->half[h->from].ring_len = 0;
		first[h->from] = false;
		if (st->slot->flow.l4 == L4_TCP)
			stream_read(t, st, h->from, &h->piece);
		else
			datagram_read(t, st->slot, h->from, &h->piece, false);
		held_drop_first(t, st);
	}
	detect_forget(t, st);
	if (st->slot->mode != FLOW_OURS)
		return;
	if (st->slot->flow.l4 == L4_TCP)
		stream_read(t, st, from, in);
	else
		datagram_read(t, st->slot, from, in, false);
}

/* A payload that fits nothing. */
static void miss(struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in)
{
	s->misses++;
	s->candidate = s->weak = 0;
	if (!s->hinted) {
		if (s->misses >= MISSES_OTHER) {
			s->mode = FLOW_OTHER;
			s->syn[0] = s->syn[1] = false; /* no longer followed from its start */
		}
	} else if (s->misses >= MISSES_TOLD && !(s->told & TOLD_NOT_PROTOCOL)) {
		s->told |= TOLD_NOT_PROTOCOL;
		transport_tell(t, ANOMALY_NOT_PROTOCOL, s, from, in->at, s->misses, NULL);
	}
	transport_relist(t, s);
}

/* On a claimed port a capture may begin inside a message, or a message that no device takes may
 * stand before one it does: is there a sure start further on? Else how many bytes at the end may
 * become one. */
static bool starts_later(struct transport *t, struct flow_slot *s, unsigned from,
	const struct piece *in, struct verdict_of *v, uint32_t *may)
{
	*may = 0;
	for (unsigned i = 0; t->o.dissectors[i] != NULL; i++) {
		const struct dissector *d = t->o.dissectors[i];
		if (d->resync == NULL || d->probe == NULL || claims(d, &s->flow) == 0)
			continue;
		size_t off = d->resync(in->bytes, in->len, flow_dir(&s->flow, from));
		struct probe_hint hint = { .knows_dir = false };
		if (off >= in->len)
			continue;
		enum probe p = d->probe(rd_over(in->bytes + off, in->len - off), L4_TCP, &hint);
		if (p == PROBE_MORE && *may == 0)
			*may = in->len - (uint32_t)off;
		if (p != PROBE_SURE)
			continue;
		*v = (struct verdict_of){ d, PROBE_SURE, true, false, hint, (uint8_t)i };
		return true;
	}
	return false;
}

/* What the bytes held back and @in together look like, else what @in alone does. */
static struct verdict_of ask_joined(
	struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	struct half *h = &st->half[from];
	uint8_t prefix[PREFIX_MAX];
	if (h->unclear > 0) {
		size_t n = gather(st, from, in, prefix);
		struct verdict_of joined = ask_all(t, st->slot, prefix, n);
		joined.more &= n < PREFIX_MAX;
		if (joined.probe == PROBE_SURE || joined.hinted)
			return joined;
		struct verdict_of alone = ask_all(t, st->slot, in->bytes, in->len);
		if (joined.dissector != NULL && alone.dissector != NULL)
			return alone;
		if (joined.dissector != NULL || joined.more) /* counted before, or not yet clear */
			return (struct verdict_of){ .more = true };
		held_dismiss(t, st);
		return alone;
	}
	return ask_all(t, st->slot, in->bytes, in->len);
}

void detect_stream(struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	struct flow_slot *s = st->slot;
	struct half *h = &st->half[from];
	if (in->len == 0)
		return;
	struct verdict_of v = ask_joined(t, st, from, in);
	bool sure = enough(s, &v), nothing = v.dissector == NULL && !v.more;
	uint32_t may = nothing ? 0 : in->len;
	if (nothing && s->hinted)
		sure = starts_later(t, s, from, in, &v, &may);
	if (sure && decide(t, s, from, &v, in->at)) {
		release(t, st, from, in);
		return;
	}
	bool held = may > 0 && hold(t, st, from, in);
	if (held) {
		h->unclear += may;
	} else {
		held_dismiss(t, st);
		t->counters->other_protocol += in->len;
	}
	if (nothing || !held)
		miss(t, s, from, in);
}

bool detect_datagram(
	struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in)
{
	struct verdict_of v = ask_all(t, s, in->bytes, in->len);
	if (enough(s, &v) && decide(t, s, from, &v, in->at)) {
		if (s->flow.stream == NULL)
			return false;
		release(t, s->flow.stream, from, in);
		stream_free(t, s);
		return true;
	}
	struct stream *st = v.dissector != NULL ? stream_of(t, s, in->at) : s->flow.stream;
	if (v.dissector != NULL && st != NULL && hold(t, st, from, in))
		return true;
	if (st != NULL) {
		held_dismiss(t, st);
		stream_free(t, s);
	}
	t->counters->other_protocol += in->len;
	miss(t, s, from, in);
	return true;
}

bool detect_again(struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in)
{
	s->misses++;
	if (s->misses >= AGAIN_FIRST && (s->misses & (s->misses - 1)) == 0) {
		struct verdict_of v = ask_all(t, s, in->bytes, in->len);
		if (v.probe == PROBE_SURE && decide(t, s, from, &v, in->at))
			return true;
	}
	t->counters->other_protocol += in->len;
	return false;
}

/* Another protocol from here on, if these bytes are beyond doubt its own. */
static bool change(struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in)
{
	struct flow *f = &s->flow;
	const struct dissector *old = f->dissector;
	void *state = f->state;
	struct verdict_of v = ask_all(t, s, in->bytes, in->len);
	if (v.probe != PROBE_SURE || v.dissector == old)
		return false;
	f->state = NULL;
	if (!decide(t, s, from, &v, in->at)) {
		f->state = state;
		return false;
	}
	if (state != NULL && old->release != NULL)
		old->release(state, &t->pool);
	pool_give(&t->pool, state, old->state_size);
	return true;
}

void detect_astray(struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	struct flow_slot *s = st->slot;
	if (!change(t, s, from, in)) {
		if (s->flow.dissector->office && st->half[from].astray > ASTRAY_MAX)
			s->mode = FLOW_OTHER; /* looked at again now and then */
		return;
	}
	for (unsigned i = 0; i < 2; i++) {
		joiner_free(&st->half[i].part, &t->pool);
		overlap_forget(t, &st->half[i]);
		st->half[i].need = 0;
		st->half[i].astray = 0;
		st->half[i].lost = true;
	}
}

void detect_strange(struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in)
{
	(void)change(t, s, from, in);
}
