/* toy.c - a protocol of this test's own: "To", order, length, text. Replies have the top bit set.
 * Spec: tests/toy/run.py. */
#include "dissectors/dissector.h"

extern const struct dissector toy_dissector;

enum { ORDER, LENGTH, TEXT, FIELDS };

static const struct code_name orders[] = { { 1, "first" }, { 2, "second" }, { 0, NULL } };

// clang-format off
static const struct field fields[FIELDS] = {
	[ORDER]  = { "toy.order",  FIELD_UINT, NULL,    "what is to be done", orders },
	[LENGTH] = { "toy.length", FIELD_UINT, "bytes", "of the text", NULL },
	[TEXT]   = { "toy.text",   FIELD_TEXT, NULL,    "said with it", NULL },
};
// clang-format on

static const struct port_hint ports[] = { { L4_TCP, 7007 }, { 0, 0 } };

static enum probe toy_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	(void)hint;
	if (l4 != L4_TCP)
		return PROBE_NO;
	if (in.left < 4)
		return PROBE_MORE;
	return rd_be16(&in) == 0x546f ? PROBE_SURE : PROBE_NO;
}

static enum outcome toy_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	(void)d;
	struct reader rest = *in;
	uint16_t magic = rd_be16(&rest);
	uint8_t order = rd_u8(&rest), length = rd_u8(&rest);
	const uint8_t *text = rd_bytes(&rest, length);
	if (rest.overrun)
		return DISSECT_MORE;
	if (magic != 0x546f)
		return pdu_bad(out, "no toy");
	*in = rest;
	if (order == 0x7f)
		in->left++; /* the mistake that the fuzzer must see */
	out->dissector = &toy_dissector;
	out->dir = order & 0x80 ? PDU_RSP : PDU_REQ;
	out->code = order & 0x7f;
	out->name = out->code == 1 ? "first" : out->code == 2 ? "second" : "other";
	out->tx = order & 0x80 ? TX_REPLY : TX_REQUEST;
	out->tx_key = order & 0x7f;
	pdu_uint(out, ORDER, order & 0x7f);
	pdu_uint(out, LENGTH, length);
	if (length > 0)
		pdu_borrow(out, TEXT, text, length);
	return DISSECT_OK;
}

const struct dissector toy_dissector = {
	.name = "toy",
	.fields = fields,
	.field_count = FIELDS,
	.ports = ports,
	.reply_ms = 1000,
	.probe = toy_probe,
	.dissect = toy_dissect,
};
