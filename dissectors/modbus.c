/* modbus.c - Modbus over TCP and UDP, framed by MBAP or as on a serial line.
 * Specs: [TCP] 3.1.3 MBAP header, [SL] 2.5.1 RTU frames; functions are in modbus_pdu.c. */
#include "dissectors/modbus.h"

enum { MBAP_BYTES = 6, MBAP_FUNCTION_AT = 7 }; /* up to the length; then unit, function */
enum { LENGTH_MIN = 2, LENGTH_MAX = 254 };     /* [TCP] 3.1.3: unit and PDU */
enum { UMAS_LENGTH_MAX = 2048 };               /* UMAS negotiates larger messages */
enum { RTU_LEAST = 4 };                        /* unit, function, CRC */

struct flow_state {
	struct modbus_open open;
	uint8_t framing; /* MODBUS_MBAP, MODBUS_RTU; 0 until the first message */
};

static enum pdu_dir pdu_dir(enum dir dir)
{
	return dir == DIR_TO_SERVER ? PDU_REQ : PDU_RSP;
}

/* Of an MBAP header that is there. */
static uint16_t transaction_of(const uint8_t *mbap)
{
	return be16(mbap);
}

static uint16_t protocol_of(const uint8_t *mbap)
{
	return be16(mbap + 2);
}

static uint16_t length_of(const uint8_t *mbap)
{
	return be16(mbap + 4);
}

/* Whether a length can be right for a message with this function code. */
static bool length_possible(uint16_t length, uint8_t code)
{
	if (length > LENGTH_MAX)
		return (code & 0x7f) == MODBUS_FUNCTION_UMAS && length <= UMAS_LENGTH_MAX;
	return length >= LENGTH_MIN;
}

static const struct modbus_function *function_of(uint8_t code)
{
	return &modbus_functions[code & ~MODBUS_EXCEPTION_BIT];
}

/* How the transaction table is to pair it. Servers that do not echo the transaction id are
 * paired by unit and function; RTU has no other key. */
static inline void pair(struct pdu *out, enum dir dir)
{
	if (out->code == PDU_NO_CODE || out->dir != pdu_dir(dir))
		return;
	uint64_t loose = out->value[MODBUS_UNIT].u << 8 | (uint64_t)out->code;
	out->tx_loose = loose | UINT64_C(1) << 40;
	out->tx_key = out->tx_loose;
	if (pdu_has(out, MODBUS_TRANSACTION))
		out->tx_key = out->value[MODBUS_TRANSACTION].u << 16 | loose | UINT64_C(1) << 41;
	out->tx = out->dir == PDU_REQ ? TX_REQUEST : TX_REPLY;
	if (out->dir == PDU_REQ && out->code == MODBUS_DIAGNOSTICS &&
		pdu_has(out, MODBUS_SUBFUNCTION) &&
		out->value[MODBUS_SUBFUNCTION].u == MODBUS_LISTEN_ONLY)
		out->tx = TX_REQUEST_SILENT;
}

static inline void read_body(struct reader *body, struct dissect *d, struct pdu *out)
{
	struct flow_state *state = d->state;
	modbus_take8(body, out, MODBUS_UNIT);
	modbus_pdu(body, pdu_dir(d->dir), out);
	pair(out, d->dir);
	if (out->tx == TX_REQUEST)
		modbus_open_request(&state->open, out);
	else if (out->tx == TX_REPLY)
		modbus_open_reply(&state->open, out);
}

static APART enum outcome bad_protocol(struct pdu *out)
{
	out->malformed = NULL;
	out->tx = TX_NONE;
	return pdu_bad(out, "protocol id is not 0");
}

static WITHIN enum outcome read_mbap(struct reader *in, struct dissect *d, struct pdu *out)
{
	const uint8_t *mbap = in->at;
	if (in->left < MBAP_BYTES)
		return dissect_more(d, MBAP_FUNCTION_AT + 1);
	uint16_t length = length_of(mbap), protocol = protocol_of(mbap);
	if (in->left <= MBAP_FUNCTION_AT && length >= LENGTH_MIN)
		return dissect_more(d, MBAP_BYTES + (length > LENGTH_MAX ? 2U : length));
	uint8_t code = rd_peek(in, MBAP_FUNCTION_AT);

	pdu_uint(out, MODBUS_TRANSACTION, transaction_of(mbap));
	pdu_uint(out, MODBUS_LENGTH, length);
	if (protocol != 0)
		pdu_uint(out, MODBUS_PROTOCOL, protocol);
	if (!length_possible(length, code))
		return pdu_bad(out, "MBAP length outside 2 to 254");
	if (protocol != 0 && !function_of(code)->known)
		return bad_protocol(out);
	if (in->left < MBAP_BYTES + (size_t)length)
		return dissect_more(d, MBAP_BYTES + (size_t)length);

	struct reader body = rd_over(mbap + MBAP_BYTES, length);
	read_body(&body, d, out);
	if (protocol != 0 && out->malformed != NULL)
		return bad_protocol(out);
	rd_skip(in, MBAP_BYTES + (size_t)length);
	if (protocol != 0)
		return pdu_damaged(out, "protocol id is not 0");
	if (out->malformed == NULL && code >= MODBUS_READ_COILS && code <= MODBUS_READ_INPUTS)
		out->same = rd_over(mbap + MBAP_BYTES, length);
	return DISSECT_OK;
}

static APART enum outcome dissect_mbap(struct reader *in, struct dissect *d, struct pdu *out)
{
	return read_mbap(in, d, out);
}

static APART enum outcome dissect_rtu(struct reader *in, struct dissect *d, struct pdu *out)
{
	size_t need;
	size_t length = modbus_rtu_frame(*in, pdu_dir(d->dir), &need);
	if (length == 0 && need > 0)
		return dissect_more(d, need);
	if (length == 0)
		return pdu_bad(out, "no RTU frame with a good CRC");
	struct reader frame = rd_slice(in, length);
	frame.left -= 2;
	pdu_uint(out, MODBUS_FRAMING, MODBUS_RTU);
	read_body(&frame, d, out);
	return DISSECT_OK;
}

/* Reads a PDU into scratch: does it fit its layout in this direction to the last byte? */
static bool fits(const uint8_t *bytes, size_t n, enum pdu_dir dir)
{
	struct pdu scratch;
	struct reader pdu = rd_over(bytes, n);
	pdu_init(&scratch);
	return modbus_pdu(&pdu, dir, &scratch);
}

/* A frame with a good CRC whose layout fits as well. */
static size_t rtu_at(struct reader in, enum pdu_dir dir, size_t *need)
{
	size_t length = modbus_rtu_certain(in, dir, need);
	return length > 3 && fits(in.at + 1, length - 3, dir) ? length : 0;
}

/* What the bytes are when read as serial frames, one after the other. */
struct rtu_view {
	unsigned frames; /* good ones */
	bool clean;      /* nothing contradicts: the bytes end with a frame, or inside one */
	size_t need;     /* bytes that would complete the first frame, 0 if it is complete or bad */
};

static struct rtu_view view_rtu(struct reader in, enum pdu_dir dir)
{
	struct rtu_view v = { 0 };
	size_t need = 0;
	for (size_t length; in.left > 0; rd_skip(&in, length)) {
		length = rtu_at(in, dir, &need);
		if (length == 0)
			break;
		v.frames++;
	}
	v.clean = in.left == 0 || need > in.left;
	if (v.frames == 0 && need > in.left)
		v.need = need;
	return v;
}

static inline bool mbap_possible(const struct reader *in)
{
	const uint8_t *mbap = in->at;
	if (in->left < MBAP_BYTES)
		return true;
	return protocol_of(mbap) == 0 &&
	       (in->left <= MBAP_FUNCTION_AT ||
		       length_possible(length_of(mbap), mbap[MBAP_FUNCTION_AT]));
}

/* The first message of a flow settles the framing. 01 03 00 00 00 0a c5 cd is a good serial
 * frame and a good MBAP header: the CRC is the better witness. */
static enum outcome decide(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct flow_state *state = d->state;
	struct rtu_view rtu = view_rtu(*in, pdu_dir(d->dir));
	if (rtu.frames > 0 && rtu.clean) {
		state->framing = MODBUS_RTU;
		return dissect_rtu(in, d, out);
	}
	if (!mbap_possible(in) && rtu.need > 0)
		return dissect_more(d, rtu.need);
	enum outcome outcome = dissect_mbap(in, d, out);
	if (outcome == DISSECT_OK)
		state->framing = MODBUS_MBAP;
	return outcome;
}

/* A whole message of a known function behind a good header. */
static bool mbap_whole(struct reader in, enum pdu_dir dir)
{
	const uint8_t *mbap = in.at;
	if (in.left < MBAP_BYTES || protocol_of(mbap) != 0)
		return false;
	uint16_t length = length_of(mbap);
	const uint8_t *pdu = mbap + MBAP_FUNCTION_AT;
	return length >= LENGTH_MIN && in.left - MBAP_BYTES >= length &&
	       function_of(pdu[0])->known && fits(pdu, length - 1u, dir);
}

/* The framing was a judgement on few bytes, and those can be forged: when they fit the other one
 * and not this one, it is changed. */
static void judge_again(const struct reader *in, struct dissect *d)
{
	struct flow_state *state = d->state;
	size_t need = 0;
	if (state->framing == MODBUS_RTU && rtu_at(*in, pdu_dir(d->dir), &need) == 0 &&
		need <= in->left && mbap_whole(*in, pdu_dir(d->dir)))
		state->framing = MODBUS_MBAP;
	if (state->framing == MODBUS_MBAP && !mbap_possible(in)) {
		struct rtu_view rtu = view_rtu(*in, pdu_dir(d->dir));
		if (rtu.frames > 0 && rtu.clean)
			state->framing = MODBUS_RTU;
	}
}

static APART enum outcome dissect_unsure(struct reader *in, struct dissect *d, struct pdu *out)
{
	const struct flow_state *state = d->state;
	if (in->left == 0)
		return dissect_more(d, RTU_LEAST);
	judge_again(in, d);
	if (state->framing == MODBUS_MBAP)
		return dissect_mbap(in, d, out);
	if (state->framing == MODBUS_RTU)
		return dissect_rtu(in, d, out);
	return decide(in, d, out);
}

static enum outcome modbus_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	const struct flow_state *state = d->state;
	out->dissector = &modbus_dissector;
	out->dir = pdu_dir(d->dir);
	if (state->framing == MODBUS_MBAP && in->left > 0 && mbap_possible(in))
		return read_mbap(in, d, out);
	return dissect_unsure(in, d, out);
}

/* Whether these bytes may be the start of a header; few are enough to say no. */
static bool header_prefix(const uint8_t *bytes, size_t n)
{
	return (n <= 2 || bytes[2] == 0) && (n <= 3 || bytes[3] == 0) &&
	       (n <= 4 || bytes[4] <= UMAS_LENGTH_MAX >> 8) &&
	       (n <= 5 || (bytes[4] << 8 | bytes[5]) >= LENGTH_MIN) &&
	       (n <= 7 || length_possible((uint16_t)(bytes[4] << 8 | bytes[5]), bytes[7]));
}

/* Enough structure that chance does not make it: more than a function code, or an exception. */
static bool is_specific(const uint8_t *pdu, size_t n)
{
	return pdu[0] < MODBUS_CODES && function_of(pdu[0])->known && n > 2;
}

static enum probe probe_mbap(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	if (!header_prefix(in.at, in.left))
		return PROBE_NO;
	if (in.left <= MBAP_FUNCTION_AT)
		return l4 == L4_UDP ? PROBE_NO : PROBE_MORE;
	size_t length = (size_t)(in.at[4] << 8 | in.at[5]);
	bool known = function_of(in.at[MBAP_FUNCTION_AT])->known;
	if (in.left < MBAP_BYTES + length && l4 == L4_UDP)
		return known ? PROBE_WEAK : PROBE_NO;
	if (in.left < MBAP_BYTES + length)
		return PROBE_MORE;

	const uint8_t *pdu = in.at + MBAP_FUNCTION_AT;
	bool request = fits(pdu, length - 1, PDU_REQ);
	bool reply = fits(pdu, length - 1, PDU_RSP);
	if (request != reply) {
		hint->knows_dir = true;
		hint->dir = request ? DIR_TO_SERVER : DIR_TO_CLIENT;
	}
	rd_skip(&in, MBAP_BYTES + length);
	if (!header_prefix(in.at, in.left))
		return known && (request || reply) ? PROBE_WEAK : PROBE_NO;
	bool second = in.left > MBAP_FUNCTION_AT && function_of(in.at[MBAP_FUNCTION_AT])->known;
	if ((request || reply) && known && (is_specific(pdu, length - 1) || second))
		return PROBE_SURE;
	return PROBE_WEAK;
}

static enum probe probe_rtu(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	struct rtu_view request = view_rtu(in, PDU_REQ);
	struct rtu_view reply = view_rtu(in, PDU_RSP);
	bool is_request = request.frames > 0 && request.clean;
	bool is_reply = reply.frames > 0 && reply.clean;
	if (is_request != is_reply) {
		hint->knows_dir = true;
		hint->dir = is_request ? DIR_TO_SERVER : DIR_TO_CLIENT;
	}
	if ((is_request || is_reply) && in.left > RTU_LEAST)
		return PROBE_SURE;
	return l4 == L4_TCP && request.need + reply.need > 0 ? PROBE_MORE : PROBE_NO;
}

static enum probe modbus_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	if (in.left == 0)
		return PROBE_MORE;
	enum probe rtu = probe_rtu(in, l4, hint);
	if (rtu == PROBE_SURE)
		return rtu;
	hint->knows_dir = false;
	enum probe mbap = probe_mbap(in, l4, hint);
	return mbap == PROBE_NO ? rtu : mbap;
}

enum candidate { NOT_A_START, CUT_HEADER, CUT_MESSAGE, WHOLE_MESSAGE };

/* Does an MBAP message start here? A whole one fits its layout and is followed by nothing that
 * contradicts it; a function without a name needs the end of the bytes or a header behind it. */
static enum candidate candidate(const uint8_t *bytes, size_t n, enum dir dir)
{
	if (!header_prefix(bytes, n))
		return NOT_A_START;
	if (n <= MBAP_FUNCTION_AT)
		return CUT_HEADER;
	uint8_t code = bytes[MBAP_FUNCTION_AT];
	bool named = function_of(code)->name != NULL;
	if (code >= MODBUS_CODES && dir == DIR_TO_SERVER)
		return NOT_A_START;
	size_t total = MBAP_BYTES + (size_t)(bytes[4] << 8 | bytes[5]);
	if (total > n)
		return named ? CUT_MESSAGE : NOT_A_START;
	if (!fits(bytes + MBAP_FUNCTION_AT, total - MBAP_FUNCTION_AT, pdu_dir(dir)) ||
		!header_prefix(bytes + total, n - total))
		return NOT_A_START;
	return named || total == n || n - total >= MBAP_BYTES ? WHOLE_MESSAGE : NOT_A_START;
}

/* A frame ends within MODBUS_RTU_MAX bytes, so the next one starts there; to look further would
 * only cost checksums. */
static size_t resync_rtu(const uint8_t *bytes, size_t n, enum dir dir)
{
	size_t need;
	for (size_t at = 1; at < n && at <= MODBUS_RTU_MAX; at++)
		if (rtu_at(rd_over(bytes + at, n - at), pdu_dir(dir), &need) > RTU_LEAST)
			return at;
	return n;
}

/* A whole message wins over one that the bytes end in, and that over a serial frame. */
static size_t modbus_resync(const uint8_t *bytes, size_t n, enum dir dir)
{
	size_t cut_message = n, cut_header = n;
	for (size_t at = 1; at < n; at++) {
		enum candidate c = candidate(bytes + at, n - at, dir);
		if (c == WHOLE_MESSAGE)
			return at;
		if (c == CUT_MESSAGE && cut_message == n)
			cut_message = at;
		if (c == CUT_HEADER && cut_header == n)
			cut_header = at;
	}
	if (cut_message < n)
		return cut_message;
	size_t rtu = resync_rtu(bytes, n, dir);
	return rtu < n ? rtu : cut_header;
}

static const struct port_hint ports[] = { { L4_TCP, 502 }, { L4_UDP, 502 }, { 0, 0 } };

const struct dissector modbus_dissector = {
	.name = "modbus",
	.fields = modbus_fields,
	.item_fields = modbus_item_fields,
	.field_count = MODBUS_FIELDS,
	.item_field_count = MODBUS_ITEM_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct flow_state),
	.unit_field = MODBUS_UNIT + 1,
	.numbers = UINT64_C(1) << MODBUS_TRANSACTION,
	.reply_ms = 1000,
	.keep = {
		[KEPT_ADDRESS] = MODBUS_ADDRESS + 1,
		[KEPT_QUANTITY] = MODBUS_QUANTITY + 1,
		[KEPT_FILE] = MODBUS_FILE + 1,
		[KEPT_RECORD] = MODBUS_RECORD + 1,
	},
	.probe = modbus_probe,
	.dissect = modbus_dissect,
	.resync = modbus_resync,
	.next_item = modbus_next_item,
};
