/* segment.c - a list ordered by sequence number; it is short, and mostly grows at its end. */
#include "sensor/segment.h"

#include <string.h>

struct segment *segment_new(
	struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	struct segment *seg = pool_take(&t->pool, sizeof *seg + in->len);
	if (seg == NULL) {
		transport_pool_full(t, st->slot, from, in->at);
		return NULL;
	}
	seg->at = in->at;
	seg->seq = in->seq;
	seg->len = in->len;
	if (in->len > 0)
		memcpy(seg->bytes, in->bytes, in->len);
	return seg;
}

void segment_free(struct transport *t, struct segment *seg)
{
	if (seg != NULL)
		pool_give(&t->pool, seg, sizeof *seg + seg->len);
}

void segment_queue(struct half *h, struct segment *seg)
{
	struct segment **at = &h->first;
	if (h->last != NULL && seq_after(seg->seq, h->last->seq) >= 0)
		at = &h->last->next;
	while (*at != NULL && seq_after((*at)->seq, seg->seq) <= 0)
		at = &(*at)->next;
	seg->next = *at;
	*at = seg;
	if (seg->next == NULL)
		h->last = seg;
	h->waiting++;
	h->waiting_bytes += seg->len;
}

static bool within(const struct segment *seg, const struct piece *in)
{
	int32_t offset = seq_after(in->seq, seg->seq);
	if (offset < 0 || (uint32_t)offset > seg->len || in->len > seg->len - (uint32_t)offset)
		return false;
	return in->len == 0 || memcmp(seg->bytes + offset, in->bytes, in->len) == 0;
}

bool segment_waits(const struct half *h, const struct piece *in)
{
	if (h->last != NULL && seq_after(in->seq, h->last->seq) >= 0)
		return within(h->last, in);
	for (const struct segment *s = h->first; s != NULL; s = s->next) {
		if (seq_after(s->seq, in->seq) > 0)
			return false;
		if (within(s, in))
			return true;
	}
	return false;
}

struct segment *segment_pop(struct half *h)
{
	struct segment *seg = h->first;
	h->first = seg->next;
	if (h->first == NULL)
		h->last = NULL;
	h->waiting--;
	h->waiting_bytes -= seg->len;
	return seg;
}
