/* dissector.h - what a protocol is to the rest of Bongsu: one constant struct in its own file. */
#ifndef DISSECTORS_DISSECTOR_H
#define DISSECTORS_DISSECTOR_H

#include "dissectors/pdu.h"
#include "dissectors/pool.h"

enum outcome {
	DISSECT_OK,   /* one message consumed; pdu->dissector NULL if it held nothing to tell */
	DISSECT_MORE, /* nothing consumed: call again with more bytes */
	DISSECT_BAD,  /* not this protocol, or damage that hides where the next message starts */
};

/* Which way the bytes go, as far as the flow knows. */
enum dir { DIR_TO_SERVER, DIR_TO_CLIENT };

enum l4 { L4_TCP = 6, L4_UDP = 17 };

enum probe {
	PROBE_NO,   /* not this protocol */
	PROBE_MORE, /* cannot tell from so few bytes */
	PROBE_WEAK, /* fits, but so might other things: enough on the protocol's own port */
	PROBE_SURE, /* fits beyond chance */
};

/* What a probe found out beside its answer. */
struct probe_hint {
	bool knows_dir; /* dir below is from the bytes themselves */
	enum dir dir;
};

/* The surroundings of a dissect() call. */
struct dissect {
	enum dir dir;
	uint8_t l4;  /* enum l4; over UDP @in is one datagram and DISSECT_MORE means it is cut */
	void *state; /* this flow's slot, zeroed at its start, state_size bytes */
	struct pool *pool; /* for joiners in the state */
	size_t need; /* out, with DISSECT_MORE: bytes wanted from the start of @in; 0: not known */
};

struct port_hint {
	uint8_t l4;
	uint16_t port;
};

struct dissector {
	const char *name; /* the service: rules, "proto" of --pdus, app_proto of EVE */
	const struct field *fields;
	const struct field *item_fields;
	uint8_t field_count, item_field_count;
	const struct port_hint *ports; /* ends with l4 0; NULL for one that is carried by another */
	uint32_t state_size;           /* bytes a flow */
	uint32_t reply_ms;             /* how long a reply may take before it counts as missing */
	uint8_t keep[PDU_KEPT]; /* header fields (index + 1, 0 ends) a reply needs of its request */

	bool tacit;    /* too many and too small to be counted among the messages of a summary */
	bool observed; /* no wire format: what makes its messages watches other protocols */
	/* Not of the plant: read for what rules ask and no further. Never asked about ports that a
	 * protocol of the plant claims, forgotten before the plant's sessions, and what is odd
	 * about it is no anomaly. Its pdu.final means: nothing of interest follows. */
	bool office;
	/* Header fields (index + 1) naming the device behind the address; 0: there is none. In
	 * what that device sends it is unit_reply, where that is set. */
	uint8_t unit_field, unit_reply;
	/* Bit per header field that counts messages, such as a transaction id: see pdu.same. */
	uint64_t numbers;

	/* Is it mine? May be called with any bytes that start a direction of a flow. */
	enum probe (*probe)(struct reader in, uint8_t l4, struct probe_hint *hint);

	/* Dissect the message @in starts with. @in is moved on only with DISSECT_OK.
	 * DISSECT_OK may carry out->malformed: the message is damaged, its end is known.
	 * DISSECT_BAD sets out->malformed too, and keeps the fields read so far as evidence.
	 * Never allocates but through d->pool, never logs, never reads a clock. */
	enum outcome (*dissect)(struct reader *in, struct dissect *d, struct pdu *out);

	/* For protocols carried by another (S7comm in COTP): the reader is one joined message.
	 * out->more if @in holds a further one. NULL for those on a transport of their own. */
	const struct dissector *carrier;
	uint8_t first_byte; /* of theirs: every message begins with it, and no other protocol's */

	/* Where the next message may start, past 0, after bytes were lost or damaged;
	 * n if nowhere in these bytes. Bytes from the answer on are kept. NULL: cannot. */
	size_t (*resync)(const uint8_t *bytes, size_t n, enum dir dir);

	/* Bytes of one direction are gone: forget what was half joined. May be NULL. */
	void (*lost)(struct dissect *d);

	/* The next item, or false. NULL for protocols without items. */
	bool (*next_item)(struct item_cursor *c, struct item *out);

	/* Gives back what the state holds of the pool. May be NULL. */
	void (*release)(void *state, struct pool *pool);
};

/* protocols.def, in its order; ends with NULL. */
extern const struct dissector *const dissectors[];
/* Index in dissectors[] or -1. */
int dissector_index(const struct dissector *d);
const struct dissector *dissector_named(const char *name);

/* The device behind the address (unit id, link address), 0 if the protocol has none. */
static inline uint64_t pdu_unit(const struct pdu *p)
{
	unsigned field = p->dissector->unit_field, reply = p->dissector->unit_reply;
	if (p->dir != PDU_REQ && reply != 0)
		field = reply;
	return field == 0 || !pdu_has(p, field - 1) ? 0 : p->value[field - 1].u;
}

/* Pulls the next item; false when there is none. */
static inline bool items_next(struct item_cursor *c, struct item *out)
{
	if (c->dissector == NULL)
		return false;
	out->present = 0;
	return c->dissector->next_item(c, out);
}

/* @need bytes are wanted from the start of @in on; 0: not known how many. */
static inline enum outcome dissect_more(struct dissect *d, size_t need)
{
	d->need = need;
	return DISSECT_MORE;
}

/* The message is damaged but framed: keep it, and say why. */
static inline enum outcome pdu_damaged(struct pdu *p, const char *why)
{
	if (p->malformed == NULL)
		p->malformed = why;
	return DISSECT_OK;
}

static inline enum outcome pdu_bad(struct pdu *p, const char *why)
{
	if (p->malformed == NULL)
		p->malformed = why;
	return DISSECT_BAD;
}

#endif
