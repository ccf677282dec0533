/* s7comm_plus.c - S7comm-plus of S7-1200/1500 as far as it goes in clear: header, integrity part,
 * fragments, requests, responses, notifications. What requests address is in s7comm_plus_items.c.
 */
#include "dissectors/s7comm_plus.h"

enum { MAGIC = 0x72, HEADER = 4, SYSTEM_EVENT = 0xfe, DIGEST = 32, HELD = 32, HELD_MAX = 4096 };

extern const struct dissector cotp_dissector;

struct s7p_state {
	struct s7p_side {
		bool more;          /* the latest PDU was a fragment, not the last */
		bool sure;          /* a last fragment was seen: what follows is a first one */
		bool done;          /* held was read by the latest PDU */
		uint8_t dir;        /* enum pdu_dir of the first fragment */
		struct joiner held; /* a first fragment too short to tell anything */
	} side[2];                  /* by enum dir */
};

static const char *function_name(uint16_t function)
{
	for (const struct code_name *n = s7p_function_names; n->name != NULL; n++)
		if (n->code == function)
			return n->name;
	return "unknown_function";
}

/* The low 16 bits of what a response returns are an error where negative. */
static void read_result(struct reader *body, struct pdu *out)
{
	rd_skip(body, 1);
	uint64_t value = s7p_vlq64(body);
	if (body->overrun)
		return;
	int16_t error = (int16_t)(uint16_t)value;
	pdu_uint(out, S7P_RETURN_VALUE, value);
	if (error >= 0)
		return;
	out->rejected = true;
	out->status = error;
	out->status_name = "error";
}

/* Request or response: 0, function, 0, sequence. Requests add session and flags. The second kind of
 * response acknowledges alone; it has the function as a field but not as the code of the PDU. */
static void read_call(struct reader *body, uint8_t opcode, struct pdu *out)
{
	rd_skip(body, 2);
	uint16_t function = rd_be16(body);
	rd_skip(body, 2);
	uint16_t sequence = rd_be16(body);
	if (opcode != S7P_RESPONSE_2)
		out->code = function;
	out->name = function_name(function);
	out->dir = opcode == S7P_REQUEST ? PDU_REQ : PDU_RSP;
	out->tx = opcode == S7P_REQUEST ? TX_REQUEST : TX_REPLY;
	out->tx_key = UINT64_C(1) << 32 | (uint64_t)function << 16 | sequence;
	pdu_uint(out, S7P_FUNCTION, function);
	pdu_uint(out, S7P_SEQUENCE, sequence);
	if (opcode != S7P_REQUEST) {
		read_result(body, out);
		return;
	}
	uint32_t session = rd_be32(body);
	rd_skip(body, 1);
	if (body->overrun)
		return;
	pdu_uint(out, S7P_SESSION, session);
	s7p_request(body, function, session, out);
}

/* The first or only fragment, without its integrity part. Not sure: it may be the middle of what
 * began before the capture or in a gap. */
static void read_body(struct reader *body, bool sure, struct pdu *out)
{
	uint8_t opcode = rd_u8(body);
	bool call = opcode == S7P_REQUEST || opcode == S7P_RESPONSE || opcode == S7P_RESPONSE_2;
	if (call && body->left >= 9) {
		pdu_uint(out, S7P_OPCODE, opcode);
		read_call(body, opcode, out);
	} else if (opcode == S7P_NOTIFICATION && body->left >= 9) {
		pdu_uint(out, S7P_OPCODE, opcode);
		pdu_uint(out, S7P_OBJECT, rd_be32(body));
		out->name = "notification";
		out->dir = PDU_IND;
	} else {
		out->name = sure ? "unknown" : "continuation";
		if (!sure)
			return;
		pdu_damaged(out, call ? "message ends inside its header" : "unknown opcode");
	}
}

/* Version 3 puts a digest in front of every fragment. */
static void read_integrity(struct reader *body, bool first, struct pdu *out)
{
	uint8_t length = rd_peek(body, 0);
	if (length == DIGEST && body->left > DIGEST) {
		rd_skip(body, DIGEST + 1);
		pdu_uint(out, S7P_INTEGRITY, 1);
	} else if (first && body->left > 0) {
		pdu_uint(out, S7P_INTEGRITY, 0);
		pdu_damaged(out, "version 3 without its integrity part");
	}
}

/* Keeps a first fragment that is too short; true when @body can be read. */
static bool gather(struct s7p_side *side, struct dissect *d, bool last, struct reader *body)
{
	if (side->done)
		joiner_free(&side->held, d->pool);
	side->done = false;
	if (side->held.len == 0 && (last || body->left >= HELD))
		return true;
	if (!joiner_add(&side->held, d->pool, body->at, body->left, HELD_MAX)) {
		joiner_free(&side->held, d->pool);
		return true;
	}
	if (!last && side->held.len < HELD)
		return false;
	*body = rd_over(side->held.bytes, side->held.len);
	side->done = true;
	return true;
}

static void read_fragment(struct reader *body, bool last, struct dissect *d, struct pdu *out)
{
	struct s7p_state *st = d->state;
	struct s7p_side none = { 0 };
	struct s7p_side *side = st == NULL ? &none : &st->side[d->dir];
	bool first = !side->more || (side->held.len > 0 && !side->done);
	if (out->value[S7P_VERSION].u == 3)
		read_integrity(body, first, out);
	side->more = !last;
	if (!last)
		pdu_uint(out, S7P_CONTINUED, 1);
	if (!first) {
		side->sure = side->sure || last;
		out->name = "continuation";
		out->dir = (enum pdu_dir)side->dir;
		return;
	}
	if (st != NULL && !gather(side, d, last, body)) {
		out->dissector = NULL;
		return;
	}
	read_body(body, side->sure, out);
	side->sure = side->sure || last;
	side->dir = (uint8_t)out->dir;
}

/* 72, version, 0000: closes the message before it. */
static bool is_trailer(const struct reader *r)
{
	return r->left >= HEADER && r->at[0] == MAGIC && r->at[2] == 0 && r->at[3] == 0;
}

/**
 * One S7comm-plus fragment or message of a joined TSDU, with the trailer that closes it.
 * 72, version, length; what has no trailer goes on in the next TSDU.
 */
static enum outcome s7comm_plus_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct reader r = *in;
	uint8_t magic = rd_u8(&r);
	uint8_t version = rd_u8(&r);
	uint16_t length = rd_be16(&r);
	out->dissector = &s7comm_plus_dissector;
	out->name = "damaged";
	out->dir = d->dir == DIR_TO_SERVER ? PDU_REQ : PDU_RSP;
	if (magic != MAGIC)
		return pdu_bad(out, "not the S7comm-plus protocol id");
	if (r.overrun)
		return pdu_bad(out, "message ends inside its header");
	pdu_uint(out, S7P_VERSION, version);
	bool cut = length > r.left;
	if (cut)
		pdu_damaged(out, "length runs past the message");
	struct reader body = rd_slice(&r, length < r.left ? length : r.left);
	bool last = is_trailer(&r);
	if (length == 0) {
		out->dissector = NULL;
	} else if (version == SYSTEM_EVENT) {
		out->name = "system_event";
		out->dir = PDU_IND;
	} else if (version >= 1 && version <= 3) {
		read_fragment(&body, last || cut, d, out);
	} else {
		out->name = "unknown";
		pdu_damaged(out, "unknown version");
	}
	if (last)
		rd_skip(&r, HEADER);
	out->more = r.left >= HEADER && rd_peek(&r, 0) == MAGIC;
	if (r.left > 0 && !out->more) {
		if (out->dissector != NULL)
			pdu_damaged(out, "bytes after the message");
		rd_skip(&r, r.left);
	}
	*in = r;
	return DISSECT_OK;
}

static enum probe s7comm_plus_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	(void)l4;
	if (in.left == 0)
		return PROBE_MORE;
	uint8_t version = rd_peek(&in, 1);
	bool known = (version >= 1 && version <= 3) || version == SYSTEM_EVENT;
	if (rd_peek(&in, 0) != MAGIC || (in.left > 1 && !known))
		return PROBE_NO;
	if (in.left < HEADER)
		return PROBE_MORE;
	size_t length = (size_t)in.at[2] << 8 | in.at[3];
	uint8_t opcode =
		rd_peek(&in, rd_peek(&in, HEADER) == DIGEST ? HEADER + 1 + DIGEST : HEADER);
	hint->knows_dir = opcode >= S7P_REQUEST && opcode <= S7P_NOTIFICATION;
	hint->dir = opcode == S7P_REQUEST ? DIR_TO_SERVER : DIR_TO_CLIENT;
	return HEADER + length <= in.left ? PROBE_SURE : PROBE_WEAK;
}

static void s7comm_plus_lost(struct dissect *d)
{
	struct s7p_side *side = &((struct s7p_state *)d->state)->side[d->dir];
	joiner_free(&side->held, d->pool);
	*side = (struct s7p_side){ 0 };
}

static void s7comm_plus_release(void *state, struct pool *pool)
{
	struct s7p_state *st = state;
	joiner_free(&st->side[0].held, pool);
	joiner_free(&st->side[1].held, pool);
}

const struct dissector s7comm_plus_dissector = {
	.name = "s7comm-plus",
	.fields = s7p_fields,
	.item_fields = s7p_item_fields,
	.field_count = S7P_FIELDS,
	.item_field_count = S7P_ITEM_FIELDS,
	.state_size = sizeof(struct s7p_state),
	.reply_ms = 2000,
	.keep = { S7P_OBJECT + 1, S7P_OPERATION + 1, S7P_ITEM_COUNT + 1 },
	.carrier = &cotp_dissector,
	.first_byte = MAGIC,
	.probe = s7comm_plus_probe,
	.dissect = s7comm_plus_dissect,
	.lost = s7comm_plus_lost,
	.next_item = s7p_next_item,
	.release = s7comm_plus_release,
};
