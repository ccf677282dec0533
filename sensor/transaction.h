/* transaction.h - the open requests of a flow, and which reply belongs to which. */
#ifndef SENSOR_TRANSACTION_H
#define SENSOR_TRANSACTION_H

#include "sensor/event.h"

struct wait; /* wait.c: an alert that waits for the verdict */

enum { TX_TOLD = 4 };

/* A request that has no reply yet. */
struct tx {
	uint64_t key, loose;
	struct kept kept;
	struct stamp at;
	uint64_t print;         /* of the request's event (event.h); the judge sets it */
	uint64_t blind;         /* bytes of the reply's direction lost before the request */
	uint32_t id;            /* unique in its flow */
	uint8_t from;           /* index in flow->end[] */
	struct wait *wait;      /* the first of those that wait for its verdict, or NULL */
	uint32_t told[TX_TOLD]; /* sids of rules that held for it: they leave the reply alone */
};

/* A ring, oldest first: the i-th is tx_at(t, i). */
struct tx_table {
	uint16_t first, count, cap; /* cap is a power of two */
	uint32_t last_id;
	struct tx tx[];
};

static inline struct tx *tx_at(struct tx_table *t, unsigned i)
{
	return &t->tx[(t->first + i) & (t->cap - 1u)];
}

/* Files a request; NULL if there is no memory. Those unanswered for 10 s are forgotten. Past @max
 * the oldest without a waiting alert, else the oldest, gives way: it is copied to *dropped and true
 * is set in *full. */
struct tx *tx_open(struct flow *f, unsigned from, struct stamp at, const struct pdu *pdu,
	unsigned max, struct tx *dropped, bool *full);
/* The request that a reply sent by end @from answers: oldest with its key, else with its loose key,
 * else NULL. */
struct tx *tx_match(struct flow *f, unsigned from, const struct pdu *reply);
/* A refusal says of its request what it was about, where it does not by itself: the fields of
 * dissector.keep. */
void tx_tell_request(struct pdu *reply);
struct tx *tx_by_id(struct flow *f, uint32_t id);
/* Others may move: pointers to them are stale. */
void tx_close(struct flow *f, struct tx *tx);
void tx_table_free(struct flow *f);

/* The verdict a reply gives. */
void verdict_of_reply(
	struct verdict *v, const struct tx *tx, struct stamp at, const struct pdu *reply);
/* The verdict when no reply came in time; @ended: the capture or flow ended before the time was
 * over. */
struct verdict verdict_of_silence(
	const struct flow *f, unsigned from, uint64_t blind_before, bool ended);

#endif
