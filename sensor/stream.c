/* stream.c - one direction's bytes in order: what comes early waits, what never comes is given up.
 */
#include "sensor/stream.h"

#include "sensor/detect.h"
#include "sensor/late.h"
#include "sensor/overlap.h"
#include "sensor/segment.h"

enum {
	WAITING_MAX = 1024, /* segments of a direction that may wait */
	RIVALS_MAX = 4,     /* segments that contradict one; more are not looked at */
	PROOF_SHARE = 10,   /* acknowledged holes wait gap_ms / this: only the mirror can be late */
	ABSENT_MAX = 2,     /* holes in vain before a direction counts as not captured */
};

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
		while (h->first != NULL)
			segment_free(t, segment_pop(h));
		segment_free(t, h->far);
		joiner_free(&h->part, &t->pool);
		overlap_forget(t, h);
		late_forget(t, h);
		pool_give(&t->pool, h->ring, h->ring_size);
	}
	pool_give(&t->pool, st, sizeof *st);
	s->flow.stream = NULL;
}

/* Bytes at h->next: to the dissector, or to detection. */
static inline void deliver(
	struct transport *t, struct stream *st, unsigned from, const struct piece *in, uint32_t cut)
{
	struct flow_slot *s = st->slot;
	struct half *h = &st->half[from];
	if (s->mode == FLOW_OURS) {
		/* A first message of another protocol than the port's may have been forged. */
		if (h->astray > ASTRAY_MAX || (s->strange && h->part.len == 0))
			detect_astray(t, st, from, in);
		if (s->mode != FLOW_OURS)
			return;
		if (h->reread != NULL)
			overlap_more(t, st, from, in);
		stream_read(t, st, from, in);
	} else {
		h->next = in->seq + in->len;
		detect_stream(t, st, from, in);
	}
	if (h->hole != NULL)
		late_forward(t, h);
	if (cut > 0)
		stream_lose(t, st, from, cut, in->at);
}

static bool settled(const struct flow_slot *s)
{
	return s->mode >= FLOW_OTHER;
}

/* The sender of @ack had already received bytes of the other end that we have not: those belong
 * before what it says now. */
static bool too_early(const struct stream *st, unsigned from, bool has_ack, uint32_t ack)
{
	const struct half *o = &st->half[!from];
	int32_t ahead = seq_after(ack, o->next);
	return ahead > 1 && ahead < FAR && has_ack && o->started && o->absent < ABSENT_MAX;
}

/* Takes what is old off @in; what remains starts at h->next. False if nothing remains. */
static bool trim(struct transport *t, struct stream *st, unsigned from, struct piece *in,
	bool compare, bool copy)
{
	struct half *h = &st->half[from];
	uint32_t old = h->next - in->seq;
	if (old == 0)
		return true;
	struct piece past = *in;
	if (past.len > old)
		past.len = old;
	bool same = !compare || overlap_check(t, st, from, &past);
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

/* Delivers the first that waits, and compares it with those that begin inside it. */
static void deliver_first(struct transport *t, struct stream *st, unsigned from)
{
	struct half *h = &st->half[from];
	struct segment *seg = segment_pop(h);
	struct piece in = segment_piece(seg);
	struct reread *other = NULL;
	unsigned rivals = 0;
	if (trim(t, st, from, &in, !seg->compared, false)) {
		struct segment *s = st->slot->mode == FLOW_OURS ? h->first : NULL;
		for (; s != NULL && seq_after(s->seq, in.seq + in.len) < 0; s = s->next) {
			struct piece rival = segment_piece(s);
			if (s->compared || seq_after(s->seq, in.seq) < 0 || rivals >= RIVALS_MAX)
				continue;
			s->compared = overlap_rival(
				t, st, from, &in, &rival, other == NULL ? &other : NULL);
			rivals += s->compared;
		}
		deliver(t, st, from, &in, seg->cut);
		overlap_start(t, st, from, other);
	}
	segment_free(t, seg);
}

/* Delivers all that may be delivered now, both directions in the order they were said. */
static APART void settle(struct transport *t, struct stream *st, bool all)
{
	for (bool moved = true; moved;) {
		moved = false;
		for (unsigned i = 0; i < 2; i++) {
			const struct segment *seg = st->half[i].first;
			if (seg == NULL || seq_after(seg->seq, st->half[i].next) > 0)
				continue;
			if (!all && too_early(st, i, seg->has_ack, seg->ack))
				continue;
			deliver_first(t, st, i);
			moved = true;
			if (settled(st->slot))
				return;
		}
	}
}

/* Do bytes of this direction lack, that the other end is known to have? */
static bool proven(const struct half *h)
{
	return seq_after(h->seen_ack, h->next) > 0;
}

/* When must what waits first be given up? */
static bool due(const struct transport *t, const struct stream *st, unsigned from, int64_t now_ns)
{
	const struct half *h = &st->half[from];
	int64_t wait = (int64_t)t->o.gap_ms * 1000000;
	bool hole = seq_after(h->first->seq, h->next) > 0;
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
	int32_t hole = seq_after(seg->seq, h->next);
	if (hole > 0) {
		stream_lose(t, st, from, (uint32_t)hole, seg->at);
	} else if (o->first == NULL) {
		seg->has_ack = false;
		o->absent++;
	} else if (seq_after(o->first->seq, o->next) > 0) {
		stream_lose(t, st, !from, o->first->seq - o->next, o->first->at);
	} else {
		seg->has_ack = false;
	}
}

static APART void keep_waiting(struct transport *t, struct stream *st, int64_t now_ns)
{
	if (st->half[0].first == NULL && st->half[1].first == NULL)
		wait_stop(t, st);
	else
		wait_start(t, st, now_ns);
}

/* Nothing more is read of this flow. */
static APART void stream_drop(struct transport *t, struct flow_slot *s)
{
	struct stream *st = s->flow.stream;
	uint64_t *counter = &t->counters->other_protocol;
	if (s->mode == FLOW_ENCRYPTED)
		counter = &t->counters->encrypted;
	*counter += st->half[0].waiting_bytes + st->half[1].waiting_bytes;
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
			stream_drop(t, s);
		} else {
			wait_stop(t, st);
			keep_waiting(t, st, now_ns);
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

/* Keeps a copy of @in until its time has come. */
static void enqueue(struct transport *t, struct stream *st, unsigned from, const struct piece *in,
	const struct packet *p)
{
	struct segment *seg = segment_new(t, st, from, in);
	if (seg == NULL)
		return;
	seg->ack = p->ack;
	seg->has_ack = (p->tcp_flags & TCP_ACK) != 0;
	if (in->bytes + in->len == p->payload + p->payload_len)
		seg->cut = p->payload_wire_len - p->payload_len;
	segment_queue(&st->half[from], seg);
	wait_start(t, st, in->at.ts_ns);
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

/* Bytes that fill a hole given up before: read now; what follows them takes its own way. */
static bool fill_hole(struct transport *t, struct stream *st, unsigned from, struct piece *in,
	const struct packet *p)
{
	struct piece late = *in;
	if (!late_back(t, st, from, &late))
		return false;
	if (late.len == in->len)
		return true;
	enqueue(t, st, from, &late, p);
	in->bytes += late.len;
	in->len -= late.len;
	in->seq += late.len;
	return true;
}

/* Everything that is not simply next; false if @in was a copy. */
static APART bool out_of_line(struct transport *t, struct stream *st, unsigned from,
	struct piece *in, const struct packet *p, bool copy)
{
	struct half *h = &st->half[from];
	int32_t ahead = seq_after(in->seq, h->next);
	if (ahead > FAR || ahead < -FAR) {
		if (!late_jump(t, st, from, in))
			return true;
	} else if (ahead < 0 && !fill_hole(t, st, from, in, p) &&
		   seq_after(in->seq + in->len, h->next) <= 0) {
		trim(t, st, from, in, true, copy);
		return !copy;
	}
	if (segment_waits(h, in)) {
		*(copy ? &t->counters->duplicates : &t->counters->retransmits) += 1;
		return !copy;
	}
	t->counters->reordered += ahead > 0;
	enqueue(t, st, from, in, p);
	settle(t, st, false);
	bound(t, st, from);
	return true;
}

bool stream_packet(
	struct transport *t, struct flow_slot *s, unsigned from, const struct packet *p, bool copy)
{
	struct stream *st = s->flow.stream != NULL ? s->flow.stream : stream_of(t, s, p->at);
	if (st == NULL)
		return true;
	struct half *h = &st->half[from];
	struct piece in = { p->payload, p->payload_len, p->seq + (p->tcp_flags & TCP_SYN ? 1 : 0),
		p->at };
	bool fresh = true;
	if (!h->started) {
		h->started = h->lost = true;
		h->next = h->seen_ack = in.seq;
	}
	h->absent = 0;
	if (in.seq == h->next && h->first == NULL &&
		!too_early(st, from, (p->tcp_flags & TCP_ACK) != 0, p->ack)) {
		deliver(t, st, from, &in, p->payload_wire_len - p->payload_len);
		if (st->half[!from].first != NULL && !settled(s))
			settle(t, st, false);
	} else {
		fresh = out_of_line(t, st, from, &in, p, copy);
	}
	if (settled(s))
		stream_drop(t, s);
	else if (st->waits)
		keep_waiting(t, st, p->at.ts_ns);
	return fresh;
}

void stream_syn(struct stream *st, unsigned from, uint32_t start)
{
	struct half *h = &st->half[from];
	if (h->started)
		return;
	h->started = true;
	h->next = h->seen_ack = start;
}
