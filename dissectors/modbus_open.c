/* modbus_open.c - the last requests of a flow, kept for two questions about a reply: does this
 * server echo transaction ids, and does it echo what was written ([MB] 6.5, 6.6, 6.11, 6.12, 6.16)?
 */
#include "dissectors/modbus.h"

enum { TRUST_MAX = 7, OLDER_MAX = 256 };

// clang-format off
/* What a write says and its reply must repeat: index + 1. */
static const uint8_t echoed[MODBUS_CODES][3] = {
	[5]  = { MODBUS_ADDRESS + 1, MODBUS_VALUE + 1 },
	[6]  = { MODBUS_ADDRESS + 1, MODBUS_VALUE + 1 },
	[15] = { MODBUS_ADDRESS + 1, MODBUS_QUANTITY + 1 },
	[16] = { MODBUS_ADDRESS + 1, MODBUS_QUANTITY + 1 },
	[22] = { MODBUS_ADDRESS + 1, MODBUS_AND_MASK + 1, MODBUS_OR_MASK + 1 },
};
// clang-format on

static APART uint64_t words_of(const struct pdu *p, const uint8_t *fields)
{
	uint64_t words = 0;
	for (int i = 0; i < 3 && fields[i] > 0; i++)
		if (pdu_has(p, fields[i] - 1u))
			words |= (p->value[fields[i] - 1u].u & 0xffff) << (16 * i);
	return words;
}

static uint64_t echo_of(const struct pdu *p)
{
	const uint8_t *fields = echoed[p->code];
	return fields[0] == 0 ? 0 : words_of(p, fields);
}

static uint16_t transaction_of(const struct pdu *p)
{
	return pdu_has(p, MODBUS_TRANSACTION) ? (uint16_t)p->value[MODBUS_TRANSACTION].u : 0;
}

static uint32_t key_of(const struct pdu *p)
{
	return (uint32_t)transaction_of(p) << 16 | (uint32_t)p->value[MODBUS_UNIT].u << 8 |
	       (uint32_t)p->code;
}

void modbus_open_request(struct modbus_open *o, const struct pdu *p)
{
	struct modbus_request *r = &o->request[o->next % MODBUS_OPEN];
	r->echo = echo_of(p);
	r->key = key_of(p);
	r->waiting = true;
	if (o->next++ == 0)
		o->first = transaction_of(p);
}

/* The request it answers, the latest first; with several alike, the one whose words it repeats. */
static struct modbus_request *find(struct modbus_open *o, const struct pdu *p, uint64_t echo)
{
	uint32_t key = key_of(p);
	struct modbus_request *found = NULL;
	for (unsigned i = 0; i < MODBUS_OPEN; i++) {
		struct modbus_request *r = &o->request[(o->next - 1 - i) % MODBUS_OPEN];
		if (!r->waiting || r->key != key)
			continue;
		if (p->rejected || r->echo == echo)
			return r;
		if (found == NULL)
			found = r;
	}
	return found;
}

/* May a reply without a request of its id be paired by unit and function? Not with a server that
 * is known to echo ids, nor for an id from before the capture began. */
static bool may_pair_loosely(const struct modbus_open *o, uint16_t transaction)
{
	uint16_t older = (uint16_t)(o->first - transaction);
	return o->trust <= 0 && (transaction == 0 || older == 0 || older > OLDER_MAX);
}

void modbus_open_reply(struct modbus_open *o, struct pdu *p)
{
	uint64_t echo = echo_of(p);
	struct modbus_request *r = find(o, p, echo);
	if (r != NULL) {
		r->waiting = false;
		if (o->trust < TRUST_MAX)
			o->trust++;
		if (!p->rejected && p->status == 0 && r->echo != echo)
			pdu_damaged(p, "reply does not echo the write");
		return;
	}
	if (o->trust > 0)
		o->trust--;
	if (pdu_has(p, MODBUS_TRANSACTION) && !may_pair_loosely(o, transaction_of(p)))
		p->tx_loose = 0;
}
