/* stream.c - one direction's bytes in order: what comes early waits, what never comes is given up.
 */
#include "sensor/stream.h"

#include <string.h>

#include "sensor/detect.h"
#include "sensor/overlap.h"

enum {
	FAR = 8 << 20,      /* bytes: beyond this it is another stream, or a forgery */
	WAITING_MAX = 1024, /* segments of a direction that may wait */
	PROOF_SHARE = 10,   /* acknowledged holes wait gap_ms / this: only the mirror can be late */
	ABSENT_MAX = 2,     /* holds in vain before a direction counts as not captured */
};

struct segment {
	struct segment *next;
	struct stamp at;
	uint32_t seq, len, ack;
	uint32_t cut; /* bytes after it that the capture did not keep */
	bool has_ack;
	uint8_t bytes[];
};

static int32_t after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

struct stream *stream_of(struct transport *t, struct flow_slot *s, struct stamp at)
{
	if (s->flow.stream != NULL)
		return s->flow.stream;
	struct stream *st = pool_take(&t->pool, sizeof *st);
	if (st == NULL) {
		transport_pool_full(t, s, 0, at);
		return NULL;
	}
	st->slot = s;
	for (unsigned i = 0; i < 2; i++) {
		st->half[i].started = s->syn[i];
		st->half[i].next = st->half[i].seen_ack = s->start[i];
	}
	s->flow.stream = st;
	return st;
}

static void segment_free(struct transport *t, struct segment *seg)
{
	if (seg != NULL)
		pool_give(&t->pool, seg, sizeof *seg + seg->len);
}

static void wait_stop(struct transport *t, struct stream *st)
{
	if (!st->waits)
		return;
	*(st->earlier != NULL ? &st->earlier->later : &t->waiting.first) = st->later;
	*(st->later != NULL ? &st->later->earlier : &t->waiting.last) = st->earlier;
	st->earlier = st->later = NULL;
	st->waits = false;
}

static void wait_start(struct transport *t, struct stream *st, int64_t since)
{
	if (st->waits)
		return;
	st->waits = true;
	st->wait_ns = since;
	st->later = NULL;
	st->earlier = t->waiting.last;
	*(t->waiting.last != NULL ? &t->waiting.last->later : &t->waiting.first) = st;
	t->waiting.last = st;
}

void stream_free(struct transport *t, struct flow_slot *s)
{
	struct stream *st = s->flow.stream;
	if (st == NULL)
		return;
	wait_stop(t, st);
	detect_forget(t, st);
	for (unsigned i = 0; i < 2; i++) {
		struct half *h = &st->half[i];
		while (h->first != NULL) {
			struct segment *seg = h->first;
			h->first = seg->next;
			segment_free(t, seg);
		}
		segment_free(t, h->far);
		joiner_free(&h->part, &t->pool);
		overlap_forget(t, h);
		pool_give(&t->pool, h->ring, h->ring != NULL ? RING : 0);
	}
	pool_give(&t->pool, st, sizeof *st);
	s->flow.stream = NULL;
}

/* Bytes at h->next: to the dissector, or to detection. */
static void deliver(
	struct transport *t, struct stream *st, unsigned from, const struct piece *in, uint32_t cut)
{
	struct flow_slot *s = st->slot;
	struct half *h = &st->half[from];
	if (s->mode == FLOW_OURS) {
		overlap_more(t, st, from, in);
		stream_read(t, st, from, in);
	} else {
		h->next = in->seq + in->len;
		detect_stream(t, st, from, in);
	}
	if (cut > 0 && s->flow.stream != NULL)
		stream_lose(t, st, from, cut, in->at);
}

static bool settled(const struct flow_slot *s)
{
	return s->mode == FLOW_OTHER || s->mode == FLOW_ENCRYPTED;
}

/* The sender of @ack had already received bytes of the other end that we have not: those belong
 * before what it says now. */
static bool too_early(const struct stream *st, unsigned from, bool has_ack, uint32_t ack)
{
	const struct half *o = &st->half[!from];
	if (!has_ack || !o->started || o->absent >= ABSENT_MAX)
		return false;
	int32_t ahead = after(ack, o->next);
	return ahead > 1 && ahead < FAR;
}

/* Takes what is old off @in; what remains starts at h->next. False if nothing remains. */
static bool trim(struct transport *t, struct stream *st, unsigned from, struct piece *in, bool copy)
{
	struct half *h = &st->half[from];
	uint32_t old = h->next - in->seq;
	if (old == 0)
		return true;
	struct piece past = *in;
	if (past.len > old)
		past.len = old;
	bool same = overlap_check(t, st, from, &past, in);
	if (copy && same)
		t->counters->duplicates++;
	else if (past.len == in->len)
		t->counters->retransmits++;
	if (past.len == in->len)
		return false;
	in->bytes += old;
	in->len -= old;
	in->seq += old;
	return true;
}

/* Delivers all that may be delivered now, both directions in the order they were said. */
static void settle(struct transport *t, struct stream *st, bool all)
{
	struct flow_slot *s = st->slot;
	for (bool moved = true; moved;) {
		moved = false;
		for (unsigned i = 0; i < 2 && s->flow.stream != NULL; i++) {
			struct half *h = &st->half[i];
			struct segment *seg = h->first;
			if (seg == NULL || after(seg->seq, h->next) > 0)
				continue;
			if (!all && too_early(st, i, seg->has_ack, seg->ack))
				continue;
			h->first = seg->next;
			if (h->first == NULL)
				h->last = NULL;
			h->waiting--;
			h->waiting_bytes -= seg->len;
			moved = true;
			struct piece in = { seg->bytes, seg->len, seg->seq, seg->at };
			if (trim(t, st, i, &in, false))
				deliver(t, st, i, &in, seg->cut);
			segment_free(t, seg);
			if (settled(s))
				return;
		}
	}
}

/* Do bytes of this direction lack, that the other end is known to have? */
static bool proven(const struct half *h)
{
	return after(h->seen_ack, h->next) > 0;
}

/* When must what waits first be given up? */
static bool due(const struct transport *t, const struct stream *st, unsigned from, int64_t now_ns)
{
	const struct half *h = &st->half[from];
	int64_t wait = (int64_t)t->o.gap_ms * 1000000;
	bool hole = after(h->first->seq, h->next) > 0;
	if (!hole || proven(h))
		wait /= PROOF_SHARE;
	int64_t since = ns_between(h->first->at.ts_ns, now_ns);
	return since >= wait || since < -wait;
}

/* Goes past the hole, or past the wait for the other direction, at the head of @from. */
static void give_up(struct transport *t, struct stream *st, unsigned from)
{
	struct half *h = &st->half[from], *o = &st->half[!from];
	struct segment *seg = h->first;
	int32_t hole = after(seg->seq, h->next);
	if (hole > 0) {
		stream_lose(t, st, from, (uint32_t)hole, seg->at);
	} else if (o->first == NULL) {
		seg->has_ack = false;
		o->absent++;
	} else if (after(o->first->seq, o->next) > 0) {
		stream_lose(t, st, !from, o->first->seq - o->next, o->first->at);
	} else {
		seg->has_ack = false;
	}
}

static void keep_waiting(struct transport *t, struct stream *st)
{
	wait_stop(t, st);
	const struct segment *a = st->half[0].first, *b = st->half[1].first;
	if (a == NULL)
		a = b;
	if (a == NULL)
		return;
	if (b != NULL && ns_between(a->at.ts_ns, b->at.ts_ns) < 0)
		a = b;
	wait_start(t, st, a->at.ts_ns);
}

static void drop_if_settled(struct transport *t, struct flow_slot *s)
{
	if (settled(s))
		stream_free(t, s);
}

void stream_expire(struct transport *t, int64_t now_ns)
{
	int64_t wait = (int64_t)t->o.gap_ms * 1000000 / PROOF_SHARE;
	struct stream *last = t->waiting.last;
	while (t->waiting.first != NULL) {
		struct stream *st = t->waiting.first;
		int64_t since = ns_between(st->wait_ns, now_ns);
		if (since < wait && since >= -wait)
			return;
		bool ends = st == last;
		struct flow_slot *s = st->slot;
		for (unsigned i = 0; i < 2; i++)
			while (!settled(s) && st->half[i].first != NULL && due(t, st, i, now_ns)) {
				give_up(t, st, i);
				settle(t, st, false);
			}
		if (settled(s)) {
			stream_free(t, s);
		} else {
			keep_waiting(t, st);
			if (st->waits)
				st->wait_ns = now_ns;
		}
		if (ends)
			return;
	}
}

void stream_flush(struct transport *t, struct stream *st)
{
	struct flow_slot *s = st->slot;
	settle(t, st, true);
	while (!settled(s) && (st->half[0].first != NULL || st->half[1].first != NULL)) {
		for (unsigned i = 0; i < 2 && !settled(s); i++)
			if (st->half[i].first != NULL)
				give_up(t, st, i);
		settle(t, st, true);
	}
}

/* Is @in within one that waits, with the same bytes? */
static bool known(const struct segment *seg, const struct piece *in)
{
	int32_t offset = after(in->seq, seg->seq);
	if (offset < 0 || (uint32_t)offset > seg->len || in->len > seg->len - (uint32_t)offset)
		return false;
	return memcmp(seg->bytes + offset, in->bytes, in->len) == 0;
}

/* Keeps a copy of @in in its place. False if it waits there already. */
static bool enqueue(struct transport *t, struct stream *st, unsigned from, const struct piece *in,
	const struct packet *p)
{
	struct half *h = &st->half[from];
	struct segment *before = NULL;
	if (h->last != NULL && after(in->seq, h->last->seq) > 0)
		before = h->last;
	for (struct segment *s = before == NULL ? h->first : NULL; s != NULL; s = s->next) {
		if (after(s->seq, in->seq) > 0)
			break;
		if (known(s, in))
			return false;
		before = s;
	}
	if (before != NULL && known(before, in))
		return false;
	struct segment *seg = pool_take(&t->pool, sizeof *seg + in->len);
	if (seg == NULL) {
		transport_pool_full(t, st->slot, from, in->at);
		return true;
	}
	seg->at = in->at;
	seg->seq = in->seq;
	seg->len = in->len;
	seg->ack = p->ack;
	seg->has_ack = (p->tcp_flags & TCP_ACK) != 0;
	seg->cut = p->payload_wire_len - p->payload_len;
	memcpy(seg->bytes, in->bytes, in->len);
	seg->next = before != NULL ? before->next : h->first;
	*(before != NULL ? &before->next : &h->first) = seg;
	if (seg->next == NULL)
		h->last = seg;
	h->waiting++;
	h->waiting_bytes += in->len;
	wait_start(t, st, in->at.ts_ns);
	return true;
}

/* More waits than may: the oldest hole is given up. */
static void bound(struct transport *t, struct stream *st, unsigned from)
{
	struct half *h = &st->half[from];
	while (!settled(st->slot) && h->first != NULL &&
		(h->waiting > WAITING_MAX || h->waiting_bytes > t->o.gap_bytes)) {
		give_up(t, st, from);
		settle(t, st, false);
	}
}

bool stream_packet(
	struct transport *t, struct flow_slot *s, unsigned from, const struct packet *p, bool copy)
{
	struct stream *st = stream_of(t, s, p->at);
	if (st == NULL)
		return true;
	struct half *h = &st->half[from];
	struct piece in = { p->payload, p->payload_len, p->seq + (p->tcp_flags & TCP_SYN ? 1 : 0),
		p->at };
	uint32_t cut = p->payload_wire_len - p->payload_len;
	if (!h->started) {
		h->started = h->lost = true;
		h->next = h->seen_ack = in.seq;
	}
	h->absent = 0;
	bool has_ack = (p->tcp_flags & TCP_ACK) != 0;
	int32_t ahead = after(in.seq, h->next);
	if (ahead <= 0 && h->first == NULL && !too_early(st, from, has_ack, p->ack)) {
		if (ahead < 0 && !trim(t, st, from, &in, copy))
			return !copy;
		deliver(t, st, from, &in, cut);
		if (st->half[!from].first != NULL && !settled(s)) {
			settle(t, st, false);
			keep_waiting(t, st);
		}
		drop_if_settled(t, s);
		return true;
	}
	if (after(in.seq + in.len, h->next) <= 0) {
		trim(t, st, from, &in, copy);
		return !copy;
	}
	if (!enqueue(t, st, from, &in, p)) {
		*(copy ? &t->counters->duplicates : &t->counters->retransmits) += 1;
		return !copy;
	}
	if (ahead > 0)
		t->counters->reordered++;
	settle(t, st, false);
	bound(t, st, from);
	if (!settled(s))
		keep_waiting(t, st);
	drop_if_settled(t, s);
	return true;
}

void stream_ack(struct stream *st, unsigned from, uint32_t ack)
{
	struct half *o = &st->half[!from];
	int32_t ahead = after(ack, o->seen_ack);
	if (o->started && ahead > 0 && ahead < FAR)
		o->seen_ack = ack;
}

void stream_syn(struct stream *st, unsigned from, uint32_t start)
{
	struct half *h = &st->half[from];
	if (h->started)
		return;
	h->started = true;
	h->next = h->seen_ack = start;
}
