/* event.h - what a rule judges and an alert tells: one PDU in its surroundings. */
#ifndef SENSOR_EVENT_H
#define SENSOR_EVENT_H

#include "sensor/inspect.h"

enum outcome_of {
	VERDICT_PENDING, /* a reply may still come */
	VERDICT_ACCEPTED,
	VERDICT_REJECTED,
	VERDICT_UNANSWERED,
	VERDICT_NO_REPLY_BY_SPEC,
	VERDICT_UNOBSERVED, /* the reply's direction is not captured, or bytes were lost */
	VERDICT_ORPHAN_REPLY,
	VERDICT_NONE, /* the PDU is not part of a transaction */
};

struct change;

/* "accepted", …; NULL for PENDING and NONE. */
const char *verdict_name(enum outcome_of outcome);

struct verdict {
	enum outcome_of outcome;
	bool has_code;
	int32_t code;
	const char *text;   /* static, or NULL */
	int64_t latency_ns; /* < 0: no reply */
	struct stamp reply; /* frame 0: none */
};

enum { EVENT_FRAMES = 4 };

struct event {
	struct stamp at;
	const struct flow *flow;
	unsigned from;           /* index in flow->end[] of who sent the PDU */
	unsigned service;        /* index of pdu->dissector in services[]; the judge sets it */
	const struct pdu *pdu;   /* the request, where a transaction is told of */
	const struct pdu *reply; /* or NULL */
	struct verdict verdict;
	const struct change *change; /* what it did to a value, or NULL */
	const uint64_t *before;      /* EVENT_FRAMES frames that led here, 0: none; or NULL */
	bool has_tx;
	uint64_t tx_id; /* number of the transaction in its flow, from 0 */
	/* Of what the rules see of it, its number aside (pdu.same), seeded: what has the same print
	 * is judged alike. 0: it has none; else odd. */
	uint64_t print;
};

/* Field by field: clearing all of it first costs more than the rest. */
static inline void event_begin(struct event *e, const struct flow *flow, unsigned from,
	struct stamp at, const struct pdu *pdu)
{
	e->at.ts_ns = at.ts_ns;
	e->at.frame = at.frame;
	e->flow = flow;
	e->from = from;
	e->service = 0;
	e->pdu = pdu;
	e->reply = NULL;
	e->verdict.outcome = VERDICT_NONE;
	e->verdict.has_code = false;
	e->verdict.code = 0;
	e->verdict.text = NULL;
	e->verdict.latency_ns = -1;
	e->verdict.reply.ts_ns = 0;
	e->verdict.reply.frame = 0;
	e->change = NULL;
	e->before = NULL;
	e->has_tx = false;
	e->tx_id = 0;
	e->print = 0;
}

#endif
