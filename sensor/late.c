/* late.c - nobody who sends bytes late, or forges a sequence number, makes the sensor blind.
 *
 *   before | hole_from … hole_to | passed | found …… h->next
 *
 * When bytes of the hole come after all, h->next goes back there, with the cut message before the
 * hole and the bytes passed over behind it; at found it goes forward again to resume. */
#include "sensor/late.h"

#include "sensor/segment.h"

enum { PASSED_MAX = 1024 }; /* bytes kept behind a hole */

struct hole {
	uint32_t from, to, found, resume;
	bool has_found; /* a message was found behind it */
	bool lost;      /* so it was before the hole */
	bool back;      /* h->next is in the hole */
	struct joiner before, passed;
};

void late_forget(struct transport *t, struct half *h)
{
	if (h->hole == NULL)
		return;
	joiner_free(&h->hole->before, &t->pool);
	joiner_free(&h->hole->passed, &t->pool);
	pool_give(&t->pool, h->hole, sizeof *h->hole);
	h->hole = NULL;
}

void late_hole(struct transport *t, struct half *h, uint32_t n)
{
	late_forget(t, h);
	h->hole = pool_take(&t->pool, sizeof *h->hole);
	if (h->hole == NULL)
		return;
	h->hole->from = h->next;
	h->hole->to = h->next + n;
	h->hole->lost = h->lost;
	h->hole->before = h->part;
	h->part = (struct joiner){ 0 };
	h->need = 0;
}

void late_passed(struct transport *t, struct half *h, const uint8_t *bytes, size_t n)
{
	struct hole *hole = h->hole;
	if (hole != NULL && !hole->has_found && !hole->back)
		joiner_add(&hole->passed, &t->pool, bytes, n, PASSED_MAX);
}

void late_found(struct half *h, uint32_t seq)
{
	struct hole *hole = h->hole;
	if (hole == NULL || hole->has_found || hole->back)
		return;
	hole->has_found = true;
	hole->found = seq;
}

/* Bytes known already wait in the queue like any others. */
static void requeue(struct transport *t, struct stream *st, unsigned from, const struct joiner *j,
	uint32_t seq, struct stamp at)
{
	struct piece in = { j->bytes, j->len, seq, at };
	struct segment *seg = j->len > 0 ? segment_new(t, st, from, &in) : NULL;
	if (seg == NULL)
		return;
	seg->compared = true;
	segment_queue(&st->half[from], seg);
}

bool late_back(struct transport *t, struct stream *st, unsigned from, struct piece *in)
{
	struct half *h = &st->half[from];
	struct hole *hole = h->hole;
	if (hole == NULL || hole->back || in->len == 0 || seq_after(in->seq, hole->from) < 0 ||
		seq_after(in->seq, hole->to) >= 0)
		return false;
	if (in->len > hole->to - in->seq)
		in->len = hole->to - in->seq;
	hole->resume = h->next - h->part.len;
	if (!hole->has_found)
		hole->found = hole->resume;
	requeue(t, st, from, &h->part, hole->resume, h->part_at);
	joiner_free(&h->part, &t->pool);
	if (hole->to + hole->passed.len == hole->found)
		requeue(t, st, from, &hole->passed, hole->to, in->at);
	h->lost = true;
	h->need = 0;
	if (in->seq == hole->from) {
		h->part = hole->before;
		hole->before = (struct joiner){ 0 };
		h->lost = hole->lost;
	}
	h->next = in->seq;
	h->ring_len = 0;
	h->starts_len = 0;
	h->blind = true;
	hole->back = true;
	return true;
}

void late_forward(struct transport *t, struct half *h)
{
	struct hole *hole = h->hole;
	if (hole == NULL || !hole->back || seq_after(h->next, hole->found) < 0)
		return;
	t->counters->resync_bytes += h->part.len;
	joiner_free(&h->part, &t->pool);
	h->need = 0;
	h->next = hole->resume;
	h->ring_len = 0;
	h->starts_len = 0;
	h->lost = !hole->has_found;
	late_forget(t, h);
}

bool late_jump(struct transport *t, struct stream *st, unsigned from, const struct piece *in)
{
	struct half *h = &st->half[from];
	struct segment *far = h->far;
	if (far == NULL || in->seq != far->seq + far->len || in->len == 0) {
		segment_free(t, far);
		h->far = segment_new(t, st, from, in);
		return false;
	}
	h->far = NULL;
	while (h->first != NULL)
		segment_free(t, segment_pop(h));
	stream_lose(t, st, from, 0, in->at);
	late_forget(t, h);
	h->next = h->seen_ack = far->seq;
	segment_queue(h, far);
	return true;
}
