/* overlap.c - bytes sent again that differ: the message they belong to is read a second time, with
 * a state of its own, so that whatever the receiver took has been inspected. */
#include "sensor/overlap.h"

#include <string.h>

#define KEEP_ALIVE_NS INT64_C(1000000000)
enum { REREAD_MAX = 70000 }; /* bytes */

/* Another reading that is not complete yet. */
struct reread {
	struct joiner bytes;
	uint32_t seq;         /* of the first of them, where a message starts */
	uint32_t first, last; /* the bytes that differ: only messages that hold one are told */
	uint32_t need;
	struct stamp at;
};

void overlap_forget(struct transport *t, struct half *h)
{
	if (h->reread == NULL)
		return;
	joiner_free(&h->reread->bytes, &t->pool);
	pool_give(&t->pool, h->reread, sizeof *h->reread);
	h->reread = NULL;
}

/* Reads what there is of it; false when there is nothing more to come of it. */
static bool read_again(struct transport *t, struct stream *st, unsigned from, struct reread *a)
{
	const struct dissector *d = st->slot->flow.dissector;
	void *state = d->state_size > 0 ? pool_take(&t->pool, d->state_size) : NULL;
	if (d->state_size > 0 && state == NULL) {
		transport_pool_full(t, st->slot, from, a->at);
		return false;
	}
	struct reading r = { .t = t,
		.slot = st->slot,
		.from = from,
		.state = state,
		.flags = PDU_OVERLAP,
		.at = a->at,
		.windowed = true,
		.first = a->first,
		.last = a->last };
	size_t used = read_messages(&r, a->bytes.bytes, a->bytes.len, a->seq);
	if (d->release != NULL)
		d->release(state, &t->pool);
	pool_give(&t->pool, state, d->state_size);
	a->seq += (uint32_t)used;
	a->bytes.len -= (uint32_t)used;
	if (used > 0)
		memmove(a->bytes.bytes, a->bytes.bytes + used, a->bytes.len);
	a->need = r.need > a->bytes.len && r.need <= REREAD_MAX ? (uint32_t)r.need : 0;
	return !r.stopped && seq_after(a->seq, a->last) <= 0;
}

static bool add(struct transport *t, struct stream *st, unsigned from, struct reread *a,
	const uint8_t *bytes, size_t n)
{
	if (joiner_add(&a->bytes, &t->pool, bytes, n, REREAD_MAX))
		return true;
	if (t->pool.refused != t->pool_refused)
		transport_pool_full(t, st->slot, from, a->at);
	return false;
}

/* Bytes [from_seq, to_seq) as delivered; they are remembered. */
static bool add_ring(struct transport *t, struct stream *st, unsigned from, struct reread *a,
	uint32_t from_seq, uint32_t to_seq)
{
	const struct half *h = &st->half[from];
	while (from_seq != to_seq) {
		uint32_t at = from_seq % h->ring_size, n = to_seq - from_seq;
		n = n < h->ring_size - at ? n : h->ring_size - at;
		if (!add(t, st, from, a, h->ring + at, n))
			return false;
		from_seq += n;
	}
	return true;
}

static bool remembered(const struct half *h, uint32_t seq)
{
	uint32_t back = h->next - seq;
	return back > 0 && back <= h->ring_len;
}

/* Where the message that holds @seq began, as far as it is remembered; else @otherwise. */
static uint32_t message_start(const struct half *h, uint32_t seq, uint32_t otherwise)
{
	uint32_t best = otherwise;
	bool found = false;
	for (unsigned i = 0; i <= h->starts_len; i++) {
		uint32_t start = h->next - h->part.len; /* of the message that is still cut */
		if (i == h->starts_len && h->part.len == 0)
			break;
		if (i < h->starts_len)
			start = h->starts[(h->starts_at - 1u - i) % PDU_STARTS];
		if (seq_after(start, seq) > 0 || !remembered(h, start))
			continue;
		if (!found || seq_after(start, best) > 0)
			best = start;
		found = true;
	}
	return best;
}

/* The first and last byte of @past that are remembered and differ. */
static bool difference(
	const struct half *h, const struct piece *past, uint32_t *first, uint32_t *last)
{
	bool found = false;
	uint32_t back = h->next - past->seq;
	uint32_t i = back > h->ring_len ? back - h->ring_len : 0;
	for (; i < past->len; i++) {
		if (h->ring[(past->seq + i) % h->ring_size] == past->bytes[i])
			continue;
		if (!found)
			*first = past->seq + i;
		*last = past->seq + i;
		found = true;
	}
	return found;
}

/* One byte before the next to come, after a silence: a probe whether the peer lives. Its content
 * means nothing: most send 0, Siemens' stack sends garbage. */
static bool keep_alive(const struct stream *st, const struct half *h, const struct piece *past)
{
	if (past->len != 1 || past->seq + 1 != h->next)
		return false;
	return past->bytes[0] == 0 ||
	       ns_between(st->slot->flow.last_ns, past->at.ts_ns) >= KEEP_ALIVE_NS;
}

static struct reread *reread_new(struct transport *t, struct stream *st, unsigned from,
	struct stamp at, uint32_t first, uint32_t last)
{
	t->counters->overlaps++;
	transport_tell(t, ANOMALY_OVERLAP, st->slot, from, at, 1, NULL);
	if (st->slot->mode != FLOW_OURS)
		return NULL;
	struct reread *a = pool_take(&t->pool, sizeof *a);
	if (a == NULL) {
		transport_pool_full(t, st->slot, from, at);
		return NULL;
	}
	a->first = first;
	a->last = last;
	a->at = at;
	return a;
}

/* Reads @a now, and keeps it as long as its message is cut. */
static void start(struct transport *t, struct stream *st, unsigned from, struct reread *a)
{
	struct half *h = &st->half[from];
	overlap_forget(t, h);
	h->reread = a;
	if (!read_again(t, st, from, a))
		overlap_forget(t, h);
}

bool overlap_check(struct transport *t, struct stream *st, unsigned from, const struct piece *past)
{
	struct half *h = &st->half[from];
	uint32_t first = 0, last = 0;
	if (keep_alive(st, h, past) || !difference(h, past, &first, &last))
		return true;
	struct reread *a = reread_new(t, st, from, past->at, first, last);
	if (a == NULL)
		return false;
	a->seq = message_start(h, first, past->seq);
	uint32_t skip = 0;
	if (seq_after(a->seq, past->seq) > 0)
		skip = a->seq - past->seq;
	bool whole =
		seq_after(a->seq, past->seq) >= 0 || add_ring(t, st, from, a, a->seq, past->seq);
	whole = whole && add(t, st, from, a, past->bytes + skip, past->len - skip) &&
		add_ring(t, st, from, a, past->seq + past->len, h->next);
	if (whole) {
		start(t, st, from, a);
		return false;
	}
	overlap_forget(t, h);
	h->reread = a;
	overlap_forget(t, h);
	return false;
}

bool overlap_rival(struct transport *t, struct stream *st, unsigned from, const struct piece *in,
	const struct piece *rival, struct reread **other)
{
	struct half *h = &st->half[from];
	uint32_t off = rival->seq - in->seq, n = in->len - off;
	n = n < rival->len ? n : rival->len;
	uint32_t i = 0, last = n;
	while (i < n && in->bytes[off + i] == rival->bytes[i])
		i++;
	if (i == n)
		return false;
	while (in->bytes[off + last - 1] == rival->bytes[last - 1])
		last--;
	struct reread *a =
		reread_new(t, st, from, rival->at, rival->seq + i, rival->seq + last - 1);
	if (a == NULL || other == NULL) {
		pool_give(&t->pool, a, sizeof *a);
		return true;
	}
	a->seq = in->seq - h->part.len;
	if (add(t, st, from, a, h->part.bytes, h->part.len) &&
		add(t, st, from, a, in->bytes, off) && add(t, st, from, a, rival->bytes, n) &&
		add(t, st, from, a, in->bytes + off + n, in->len - off - n)) {
		*other = a;
		return true;
	}
	joiner_free(&a->bytes, &t->pool);
	pool_give(&t->pool, a, sizeof *a);
	return true;
}

void overlap_start(struct transport *t, struct stream *st, unsigned from, struct reread *other)
{
	if (other == NULL)
		return;
	if (st->slot->mode == FLOW_OURS) {
		start(t, st, from, other);
		return;
	}
	joiner_free(&other->bytes, &t->pool);
	pool_give(&t->pool, other, sizeof *other);
}

void overlap_more(struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	struct half *h = &st->half[from];
	struct reread *a = h->reread;
	if (a == NULL)
		return;
	if (in->at.frame > a->at.frame)
		a->at = in->at;
	if (!add(t, st, from, a, in->bytes, in->len)) {
		overlap_forget(t, h);
		return;
	}
	if (a->bytes.len >= a->need && !read_again(t, st, from, a))
		overlap_forget(t, h);
}
