/* overlap.c - retransmitted bytes that differ from those delivered. */
#include "sensor/overlap.h"

static bool remembered(const struct half *h, uint32_t seq)
{
	uint32_t back = h->next - seq;
	return back > 0 && back <= h->ring_len;
}

/* First byte of @past that is remembered and differs; past->len if none does. */
static uint32_t first_difference(const struct half *h, const struct piece *past)
{
	for (uint32_t i = 0; i < past->len; i++)
		if (remembered(h, past->seq + i) &&
			h->ring[(past->seq + i) % RING] != past->bytes[i])
			return i;
	return past->len;
}

/* One byte before the next to come: a probe whether the peer lives, its content means nothing. */
static bool keep_alive(const struct half *h, const struct piece *past)
{
	return past->len == 1 && past->seq + 1 == h->next && past->bytes[0] == 0;
}

bool overlap_check(struct transport *t, struct stream *st, unsigned from, const struct piece *past,
	const struct piece *whole)
{
	(void)whole;
	struct half *h = &st->half[from];
	if (keep_alive(h, past) || first_difference(h, past) == past->len)
		return true;
	t->counters->overlaps++;
	transport_tell(t, ANOMALY_OVERLAP, st->slot, from, past->at, 1, NULL);
	return false;
}

void overlap_more(struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	(void)t;
	(void)st;
	(void)from;
	(void)in;
}

void overlap_forget(struct transport *t, struct half *h)
{
	(void)t;
	(void)h;
}
