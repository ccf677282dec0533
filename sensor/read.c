/* read.c - from bytes in order to messages: joins what is cut, finds the way back after damage. */
#include "sensor/stream.h"
#include "sensor/detect.h"
#include "sensor/late.h"

#include <string.h>

enum {
	JOIN_MAX = 70000,  /* bytes of one message; TPKT ends at 65535 */
	STUCK_MAX = 65536, /* messages in a row that take no byte: more than any state holds */
};

/* Bytes of a file, without a message. */
static APART void emit_content(const struct reading *r)
{
	struct transport *t = r->t;
	const struct content *c = &t->pdu.content;
	if ((c->len > 0 || c->last) && !r->windowed && t->inspector->content != NULL)
		t->inspector->content(t->inspector->ctx, &r->slot->flow, r->from, r->at, c);
}

static APART void count_malformed(const struct reading *r)
{
	struct transport *t = r->t;
	t->counters->pdus_malformed++;
	if (!t->pdu.dissector->office)
		transport_tell(t, ANOMALY_MALFORMED, r->slot, r->from, r->at, 1, t->pdu.malformed);
}

/* What a message is that does not simply follow the one before. */
static APART void flag(const struct reading *r, uint32_t seq)
{
	struct pdu *pdu = &r->t->pdu;
	pdu->flags |= r->flags;
	if (r->half != NULL && r->half->blind) {
		pdu->flags |= PDU_RESYNCED;
		late_found(r->half, seq);
		r->half->blind = false;
	}
	pdu->same = (struct reader){ 0 };
}

/* A message from sequence number @seq to @end. */
static inline void emit(struct reading *r, uint32_t seq, uint32_t end)
{
	struct transport *t = r->t;
	struct pdu *pdu = &t->pdu;
	struct half *h = r->half;
	if (pdu->dissector == NULL) {
		emit_content(r);
		return;
	}
	if (r->windowed && (seq_after(end, r->first) <= 0 || seq_after(seq, r->last) > 0))
		return;
	if (r->flags != 0 || (h != NULL && h->blind))
		flag(r, seq);
	if (h != NULL) {
		h->starts[h->starts_at++ % PDU_STARTS] = seq;
		if (h->starts_len < PDU_STARTS)
			h->starts_len++;
	}
	t->counters->pdus++;
	if (pdu->malformed != NULL)
		count_malformed(r);
	t->inspector->pdu(t->inspector->ctx, &r->slot->flow, r->from, r->at, pdu);
}

static APART void emit_damaged(struct reading *r, uint32_t seq, uint32_t end)
{
	emit(r, seq, end);
}

/* Offset of the next message in bytes that may start anywhere. */
static size_t find_start(const struct dissector *d, const uint8_t *bytes, size_t n, enum dir dir)
{
	struct probe_hint hint = { .knows_dir = false };
	if (d->probe != NULL && d->probe(rd_over(bytes, n), L4_TCP, &hint) != PROBE_NO)
		return 0;
	return d->resync != NULL ? d->resync(bytes, n, dir) : n;
}

static APART void skip(struct reading *r, struct reader *in, size_t n)
{
	if (n > in->left)
		n = in->left;
	r->t->counters->resync_bytes += n;
	r->half->astray += (uint32_t)n;
	if (r->half->blind)
		late_passed(r->t, r->half, in->at, n);
	rd_skip(in, n);
}

/* After DISSECT_BAD: the evidence is told once, then the next start is looked for. */
static APART void go_astray(struct reading *r, struct reader *in, uint32_t seq)
{
	const struct dissector *d = r->slot->flow.dissector;
	if (r->half == NULL) {
		emit_damaged(r, seq, seq + (uint32_t)in->left);
		r->stopped = true;
		return;
	}
	if (!r->half->lost)
		emit_damaged(r, seq, seq + (uint32_t)in->left);
	r->half->lost = true;
	size_t n = in->left;
	if (d->resync != NULL)
		n = d->resync(in->at, in->left, flow_dir(&r->slot->flow, r->from));
	skip(r, in, n == 0 ? 1 : n);
}

/* What follows, from the last @left bytes on, is not read. The plant's protocols are looked for
 * now and then where an office one was spoken. */
static APART void finish(struct reading *r, size_t left)
{
	struct flow_slot *s = r->slot;
	struct flow *f = &s->flow;
	if (!f->dissector->office) {
		s->mode = FLOW_ENCRYPTED;
		r->t->counters->encrypted += left;
		return;
	}
	s->mode = FLOW_OTHER;
	s->office_over = true;
	s->syn[0] = s->syn[1] = false; /* no longer followed from its start */
	r->t->counters->other_protocol += left;
	if (f->state != NULL && f->dissector->release != NULL)
		f->dissector->release(f->state, &r->t->pool);
	pool_give(&r->t->pool, f->state, f->dissector->state_size);
	f->state = NULL;
}

static WITHIN size_t read_all(struct reading *r, const uint8_t *bytes, size_t n, uint32_t seq)
{
	struct flow *f = &r->slot->flow;
	const struct dissector *dissector = f->dissector;
	struct pdu *pdu = &r->t->pdu;
	struct dissect d = {
		.dir = flow_dir(f, r->from), .l4 = f->l4, .state = r->state, .pool = &r->t->pool
	};
	struct reader in = rd_over(bytes, n);
	bool more = false;
	unsigned stuck = 0;

	if (r->half != NULL && r->half->lost)
		skip(r, &in, find_start(dissector, bytes, n, d.dir));
	while (in.left > 0 || more) {
		size_t before = in.left;
		uint32_t at = seq + (uint32_t)(n - before);
		if (r->windowed && seq_after(at, r->last) > 0) {
			r->stopped = true;
			break;
		}
		pdu_init(pdu);
		d.need = 0;
		enum outcome outcome = dissector->dissect(&in, &d, pdu);
		if (outcome == DISSECT_MORE) {
			r->need = d.need;
			break;
		}
		more = pdu->more;
		stuck = in.left < before ? 0 : stuck + 1;
		if (outcome == DISSECT_BAD ||
			(stuck > 0 && ((!more && before > 0) || stuck > STUCK_MAX))) {
			more = false;
			go_astray(r, &in, at);
			if (r->stopped)
				break;
			continue;
		}
		if (r->half != NULL) {
			r->half->lost = false;
			r->half->astray = 0;
		}
		bool final = pdu->final && !r->windowed;
		emit(r, at, seq + (uint32_t)(n - in.left));
		if (final) {
			finish(r, in.left);
			return n;
		}
	}
	return n - in.left;
}

size_t read_messages(struct reading *r, const uint8_t *bytes, size_t n, uint32_t seq)
{
	return read_all(r, bytes, n, seq);
}

/* Room for a few segments like this one; false when memory is short. */
static APART bool ring_grow(struct transport *t, struct half *h, uint32_t len)
{
	uint32_t size = h->ring_size == 0 ? RING_MIN : h->ring_size;
	while (size < RING_MAX && len * 4 > size)
		size *= 2;
	if (size == h->ring_size)
		return true;
	uint8_t *ring = pool_take(&t->pool, size);
	if (ring == NULL)
		return h->ring != NULL;
	for (uint32_t seq = h->next - h->ring_len; seq != h->next; seq++)
		ring[seq % size] = h->ring[seq % h->ring_size];
	pool_give(&t->pool, h->ring, h->ring_size);
	h->ring = ring;
	h->ring_size = (uint16_t)size;
	return true;
}

/* Where the ring ends inside the bytes, or is shorter than they are. */
static APART void ring_wrap(struct half *h, const struct piece *in)
{
	uint32_t size = h->ring_size, n = in->len < size ? in->len : size;
	const uint8_t *bytes = in->bytes + (in->len - n);
	uint32_t at = (in->seq + (in->len - n)) & (size - 1);
	uint32_t first = n < size - at ? n : size - at;
	memcpy(h->ring + at, bytes, first);
	memcpy(h->ring, bytes + first, n - first);
}

static void ring_add(struct transport *t, struct half *h, const struct piece *in)
{
	if (h->ring_size < RING_MAX && in->len * 4 > h->ring_size && !ring_grow(t, h, in->len))
		return;
	uint32_t size = h->ring_size, at = in->seq & (size - 1);
	if (in->len <= size - at)
		memcpy(h->ring + at, in->bytes, in->len);
	else
		ring_wrap(h, in);
	if (h->ring_len < size)
		h->ring_len =
			(uint16_t)(in->len < size - h->ring_len ? h->ring_len + in->len : size);
}

static void drop_part(struct half *h, struct transport *t)
{
	t->counters->resync_bytes += h->part.len;
	joiner_free(&h->part, &t->pool);
	h->need = 0;
}

/* Removes @n bytes from the front of the cut message. */
static void take_part(struct half *h, struct transport *t, size_t n)
{
	h->part.len -= (uint32_t)n;
	if (h->part.len == 0)
		joiner_free(&h->part, &t->pool);
	else if (n > 0)
		memmove(h->part.bytes, h->part.bytes + n, h->part.len);
}

static bool add_part(
	struct transport *t, struct stream *st, unsigned from, struct piece *in, uint32_t n)
{
	struct half *h = &st->half[from];
	if (joiner_add(&h->part, &t->pool, in->bytes, n, JOIN_MAX)) {
		in->bytes += n;
		in->len -= n;
		in->seq += n;
		if (in->at.frame > h->part_at.frame)
			h->part_at = in->at;
		return true;
	}
	if (t->pool.refused != t->pool_refused)
		transport_pool_full(t, st->slot, from, in->at);
	t->counters->resync_bytes += in->len;
	drop_part(h, t);
	h->lost = h->blind = true;
	return false;
}

/* Goes on with a cut message. False: all of @in is used up. */
static bool read_part(struct reading *r, struct stream *st, struct piece *in)
{
	struct transport *t = r->t;
	struct half *h = r->half;
	uint32_t n = in->len;
	if (h->need > h->part.len && h->need - h->part.len < n)
		n = h->need - h->part.len;
	uint32_t start = in->seq - h->part.len;
	if (!add_part(t, st, r->from, in, n))
		return false;
	if (h->part.len < h->need)
		return false;
	r->at = h->part_at;
	size_t used = read_messages(r, h->part.bytes, h->part.len, start);
	take_part(h, t, used);
	h->need = r->need > h->part.len && r->need <= JOIN_MAX ? (uint32_t)r->need : 0;
	return in->len > 0;
}

/* What @in has beyond the last message waits for more. */
static APART void keep_part(
	struct reading *r, struct stream *st, const struct piece *in, size_t used)
{
	struct half *h = r->half;
	struct piece rest = *in;
	rest.bytes += used;
	rest.len -= (uint32_t)used;
	rest.seq += (uint32_t)used;
	h->need = r->need > rest.len && r->need <= JOIN_MAX ? (uint32_t)r->need : 0;
	h->part_at = rest.at;
	add_part(r->t, st, r->from, &rest, rest.len);
}

/* @in goes on with a cut message, and may go on after it. */
static APART void read_on(struct reading *r, struct stream *st, const struct piece *in)
{
	struct transport *t = r->t;
	struct half *h = r->half;
	struct piece rest = *in;
	while (h->part.len > 0 && rest.len > 0) {
		r->need = 0;
		if (!read_part(r, st, &rest))
			break;
		if (st->slot->mode != FLOW_OURS) {
			*(st->slot->mode == FLOW_ENCRYPTED ? &t->counters->encrypted
							   : &t->counters->other_protocol) +=
				rest.len;
			return;
		}
	}
	if (h->part.len > 0 || rest.len == 0 || st->slot->mode != FLOW_OURS)
		return;
	r->need = 0;
	r->at = rest.at;
	size_t used = read_messages(r, rest.bytes, rest.len, rest.seq);
	if (used < rest.len)
		keep_part(r, st, &rest, used);
}

void stream_read(struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	struct half *h = &st->half[from];
	struct reading r = { .t = t,
		.slot = st->slot,
		.from = from,
		.half = h,
		.state = st->slot->flow.state,
		.at = in->at };
	if (in->len == 0) /* cut off by the capture */
		return;
	if (!st->slot->flow.dissector->office)
		ring_add(t, h, in);
	h->next = in->seq + in->len;
	if (h->part.len > 0) {
		read_on(&r, st, in);
		return;
	}
	size_t used = read_all(&r, in->bytes, in->len, in->seq);
	if (used < in->len)
		keep_part(&r, st, in, used);
}

void stream_lose(struct transport *t, struct stream *st, unsigned from, uint32_t n, struct stamp at)
{
	struct half *h = &st->half[from];
	struct flow *f = &st->slot->flow;
	t->counters->resync_bytes += h->part.len;
	late_hole(t, h, n);
	drop_part(h, t);
	h->next += n;
	h->ring_len = 0;
	h->starts_len = 0;
	h->lost = h->blind = true;
	f->blind_bytes[from] += n;
	t->counters->gaps++;
	t->counters->gap_bytes += n;
	if (st->slot->mode == FLOW_OURS && f->dissector->lost != NULL) {
		struct dissect d = {
			.dir = flow_dir(f, from), .l4 = f->l4, .state = f->state, .pool = &t->pool
		};
		f->dissector->lost(&d);
	} else if (st->slot->mode == FLOW_UNDECIDED) {
		detect_lost(t, st);
	}
	bool plant = st->slot->mode == FLOW_OURS && !f->dissector->office;
	if (plant || (st->slot->hinted && st->slot->misses == 0))
		transport_tell(t, ANOMALY_BLIND, st->slot, from, at, n, NULL);
}

/* A datagram ends inside a message. */
static void datagram_short(struct reading *r)
{
	struct pdu *pdu = &r->t->pdu;
	if (pdu->dissector == NULL)
		pdu->dissector = r->slot->flow.dissector;
	pdu->malformed = "datagram ends inside a message";
	pdu->more = pdu->final = false;
	emit_damaged(r, 0, 0);
}

void datagram_read(
	struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in, bool cut)
{
	struct reading r = {
		.t = t, .slot = s, .from = from, .state = s->flow.state, .at = in->at
	};
	const struct dissector *d = s->flow.dissector;
	size_t used = 0;
	while (used < in->len && s->mode == FLOW_OURS) {
		const uint8_t *bytes = in->bytes + used;
		size_t n = in->len - used, took = read_messages(&r, bytes, n, 0);
		if (r.stopped && d->resync != NULL && n > took) {
			size_t skipped =
				d->resync(bytes + took, n - took, flow_dir(&s->flow, from));
			t->counters->resync_bytes += skipped;
			took += skipped == 0 ? 1 : skipped;
			r.stopped = false;
		} else if (took < n) {
			if (!r.stopped && !cut)
				datagram_short(&r);
			return;
		}
		used += took;
	}
}

void datagram_cut(
	struct transport *t, struct flow_slot *s, unsigned from, uint32_t n, struct stamp at)
{
	s->flow.blind_bytes[from] += n;
	t->counters->gaps++;
	t->counters->gap_bytes += n;
	if (s->mode == FLOW_OURS && !s->flow.dissector->office)
		transport_tell(t, ANOMALY_BLIND, s, from, at, n, NULL);
}
