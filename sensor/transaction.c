/* transaction.c - pairs requests with replies. A table is a short ring, oldest first: masters have
 * one or a few requests open, and the bound keeps a flood short. */
#include "sensor/transaction.h"

#include <stdlib.h>

#include "dissectors/rare.h"

enum { TX_START = 2 };
#define TX_STALE_NS (INT64_C(10) * 1000000000)

const char *verdict_name(enum outcome_of outcome)
{
	static const char *const names[] = {
		[VERDICT_ACCEPTED] = "accepted",
		[VERDICT_REJECTED] = "rejected",
		[VERDICT_UNANSWERED] = "unanswered",
		[VERDICT_NO_REPLY_BY_SPEC] = "no_reply_by_spec",
		[VERDICT_UNOBSERVED] = "unobserved",
		[VERDICT_ORPHAN_REPLY] = "orphan_reply",
		[VERDICT_NONE] = NULL,
	};
	return names[outcome];
}

/* Twice the room; what wrapped around is laid out straight. */
static bool grow(struct flow *f)
{
	unsigned cap = f->tx == NULL ? TX_START : f->tx->cap * 2u;
	struct tx_table *t = calloc(1, sizeof *t + cap * sizeof t->tx[0]);
	if (t == NULL)
		return false;
	t->cap = (uint16_t)cap;
	if (f->tx != NULL) {
		t->count = f->tx->count;
		t->last_id = f->tx->last_id;
		for (unsigned i = 0; i < t->count; i++)
			t->tx[i] = *tx_at(f->tx, i);
		free(f->tx);
	}
	f->tx = t;
	return true;
}

static inline void drop_first(struct tx_table *t)
{
	t->first = (uint16_t)((t->first + 1u) & (t->cap - 1u));
	t->count--;
}

/* The shorter side moves: replies mostly answer the oldest or the newest. */
static void remove_at(struct tx_table *t, unsigned i)
{
	if (i <= (t->count - 1u) / 2u) {
		for (; i > 0; i--)
			*tx_at(t, i) = *tx_at(t, i - 1);
		drop_first(t);
	} else {
		t->count--;
		for (; i < t->count; i++)
			*tx_at(t, i) = *tx_at(t, i + 1);
	}
}

/* Requests long past any reply make way; nobody waits for them. */
static void forget_stale(struct tx_table *t, int64_t now_ns)
{
	while (t->count > 0 && tx_at(t, 0)->wait == NULL &&
		now_ns - tx_at(t, 0)->at.ts_ns > TX_STALE_NS)
		remove_at(t, 0);
}

static void drop_oldest(struct tx_table *t, struct tx *dropped)
{
	unsigned i = 0;
	while (i < t->count && tx_at(t, i)->wait != NULL)
		i++;
	if (i == t->count)
		i = 0;
	*dropped = *tx_at(t, i);
	remove_at(t, i);
}

/* False: no memory. */
static RARE bool make_room(
	struct flow *f, int64_t now_ns, unsigned max, struct tx *dropped, bool *full)
{
	if (f->tx != NULL)
		forget_stale(f->tx, now_ns);
	if (f->tx != NULL && f->tx->count >= max) {
		drop_oldest(f->tx, dropped);
		*full = true;
	}
	return (f->tx != NULL && f->tx->count < f->tx->cap) || grow(f);
}

static inline void keep(struct kept *kept, const struct pdu *pdu)
{
	const uint8_t *fields = pdu->dissector->keep;
	kept->known = true;
	kept->present = 0;
	for (unsigned i = 0; i < PDU_KEPT && fields[i] != 0; i++) {
		kept->value[i] = 0;
		if (!pdu_has(pdu, fields[i] - 1u))
			continue;
		kept->value[i] = pdu->value[fields[i] - 1].u;
		kept->present |= (uint8_t)(1 << i);
	}
}

void tx_tell_request(struct pdu *reply)
{
	for (unsigned i = 0; reply->request.known && i < PDU_KEPT; i++) {
		unsigned field = reply->dissector->keep[i];
		if ((reply->request.present >> i & 1) && !pdu_has(reply, field - 1))
			pdu_uint(reply, field - 1, reply->request.value[i]);
	}
}

struct tx *tx_open(struct flow *f, unsigned from, struct stamp at, const struct pdu *pdu,
	unsigned max, struct tx *dropped, bool *full)
{
	*full = false;
	/* mostly nothing else is open */
	if ((f->tx == NULL || f->tx->count > 0) && !make_room(f, at.ts_ns, max, dropped, full))
		return NULL;
	struct tx *tx = tx_at(f->tx, f->tx->count++);
	tx->key = pdu->tx_key;
	tx->loose = pdu->tx_loose;
	keep(&tx->kept, pdu);
	tx->at.ts_ns = at.ts_ns;
	tx->at.frame = at.frame;
	tx->blind = f->blind_bytes[!from];
	tx->id = ++f->tx->last_id;
	tx->from = (uint8_t)from;
	tx->wait = NULL;
	tx->print = 0;
	memset(tx->told, 0, sizeof tx->told);
	return tx;
}

static struct tx *match_any(struct flow *f, unsigned from, const struct pdu *reply)
{
	struct tx *loose = NULL;
	for (unsigned i = 0; i < f->tx->count; i++) {
		struct tx *tx = tx_at(f->tx, i);
		if (tx->from == from)
			continue;
		if (tx->key == reply->tx_key)
			return tx;
		if (loose == NULL && tx->loose != 0 && tx->loose == reply->tx_loose)
			loose = tx;
	}
	return loose;
}

struct tx *tx_match(struct flow *f, unsigned from, const struct pdu *reply)
{
	if (f->tx == NULL || f->tx->count == 0)
		return NULL;
	struct tx *oldest = tx_at(f->tx, 0);
	if (oldest->key == reply->tx_key && oldest->from != from)
		return oldest;
	return match_any(f, from, reply);
}

struct tx *tx_by_id(struct flow *f, uint32_t id)
{
	for (unsigned i = 0; f->tx != NULL && i < f->tx->count; i++)
		if (tx_at(f->tx, i)->id == id)
			return tx_at(f->tx, i);
	return NULL;
}

void tx_close(struct flow *f, struct tx *tx)
{
	struct tx_table *t = f->tx;
	if (tx == &t->tx[t->first])
		drop_first(t);
	else
		remove_at(t, ((unsigned)(tx - t->tx) - t->first) & (t->cap - 1u));
}

void tx_table_free(struct flow *f)
{
	free(f->tx);
	f->tx = NULL;
}

void verdict_of_reply(
	struct verdict *v, const struct tx *tx, struct stamp at, const struct pdu *reply)
{
	v->outcome = VERDICT_ORPHAN_REPLY;
	v->latency_ns = -1;
	v->reply.ts_ns = at.ts_ns;
	v->reply.frame = at.frame;
	if (tx != NULL) {
		v->outcome = reply->rejected ? VERDICT_REJECTED : VERDICT_ACCEPTED;
		v->latency_ns = at.ts_ns > tx->at.ts_ns ? at.ts_ns - tx->at.ts_ns : 0;
	}
	v->has_code = reply->status != 0 || reply->rejected;
	v->code = reply->status;
	v->text = reply->status_name;
}

struct verdict verdict_of_silence(
	const struct flow *f, unsigned from, uint64_t blind_before, bool ended)
{
	struct verdict v = { .outcome = VERDICT_UNANSWERED, .latency_ns = -1 };
	if (f->packets[!from] == 0) {
		v.outcome = VERDICT_UNOBSERVED;
		v.text = "the reply's direction is not captured";
	} else if (f->blind_bytes[!from] > blind_before) {
		v.outcome = VERDICT_UNOBSERVED;
		v.text = "bytes of the reply's direction were lost";
	} else if (ended) {
		v.text = "the conversation ended before the reply was due";
	}
	return v;
}
