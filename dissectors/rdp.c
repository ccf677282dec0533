/* rdp.c - who asks for a remote desktop, and how it will be secured; all else is encrypted.
 * Spec: [RDP] MS-RDPBCGR 2.2.1.1 connection request, 2.2.1.2 confirm; in TPKT and X.224. */
#include "dissectors/office.h"

enum { TPKT = 4, HEAD = 7, CR = 0xe0, CC = 0xd0 }; /* of X.224 */
enum { NEG_REQUEST = 1, NEG_RESPONSE, NEG_FAILURE, NEG_LENGTH = 8 };
enum { REQUEST_MAX = 1024 };

// clang-format off
enum { COOKIE, PROTOCOLS, SELECTED, FAILURE, N_FIELDS };

static const struct code_name selected_names[] = {
	{ 0, "rdp" }, { 1, "tls" }, { 2, "credssp" }, { 4, "rdstls" }, { 8, "credssp_ex" }, { 16, "rdsaad" }, { 0, NULL },
};
static const struct field fields[] = {
	[COOKIE]    = { "rdp.cookie", FIELD_TEXT, NULL, "the user (mstshash) or token the client names", NULL },
	[PROTOCOLS] = { "rdp.protocols", FIELD_UINT, NULL, "security the client can do: 1 TLS, 2 CredSSP, 8 CredSSP with early user authorization; 0 none of these", NULL },
	[SELECTED]  = { "rdp.selected", FIELD_UINT, NULL, "security the server chose", selected_names },
	[FAILURE]   = { "rdp.failure", FIELD_UINT, NULL, "why the server refused: 1 wants TLS, 2 does not do TLS, 5 wants CredSSP", NULL },
};
// clang-format on

extern const struct dissector rdp_dissector;

/* "Cookie: mstshash=USER" and its end of line. */
static void read_cookie(struct reader *r, struct pdu *out)
{
	static const char name[] = "cookie: ", user[] = "mstshash=";
	struct reader line;
	if (!office_starts(r, name) || !office_line(r, &line))
		return;
	rd_skip(&line, sizeof name - 1);
	if (office_starts(&line, user))
		rd_skip(&line, sizeof user - 1);
	pdu_borrow(out, COOKIE, line.at, line.left);
}

static void read_negotiation(struct reader *r, struct pdu *out)
{
	uint8_t type = rd_u8(r);
	rd_skip(r, 1);
	uint16_t length = rd_le16(r);
	uint32_t value = rd_le32(r);
	if (r->overrun || length != NEG_LENGTH)
		return;
	if (type == NEG_REQUEST)
		pdu_uint(out, PROTOCOLS, value);
	else if (type == NEG_RESPONSE)
		pdu_uint(out, SELECTED, value);
	else if (type == NEG_FAILURE)
		pdu_uint(out, FAILURE, value);
}

static enum outcome rdp_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct reader r = *in;
	uint8_t version = rd_u8(&r);
	rd_skip(&r, 1);
	uint16_t length = rd_be16(&r);
	d->need = TPKT;
	if (r.overrun)
		return DISSECT_MORE;
	out->dissector = &rdp_dissector;
	out->name = "damaged";
	if (version != 3 || length < TPKT + HEAD || length > REQUEST_MAX)
		return pdu_bad(out, "no connection request or confirm");
	out->dissector = NULL;
	d->need = length;
	struct reader body = rd_slice(&r, length - TPKT);
	if (r.overrun)
		return DISSECT_MORE;
	uint8_t code = rd_peek(&body, 1) & 0xf0;
	rd_skip(&body, HEAD);
	out->dissector = &rdp_dissector;
	if (code != CR && code != CC)
		return pdu_bad(out, "no connection request or confirm");
	out->dir = code == CR ? PDU_REQ : PDU_RSP;
	out->name = code == CR ? "connection_request" : "connection_confirm";
	out->tx = code == CR ? TX_REQUEST : TX_REPLY;
	out->tx_key = 1;
	if (code == CR)
		read_cookie(&body, out);
	if (body.left >= NEG_LENGTH)
		read_negotiation(&body, out);
	out->rejected = pdu_has(out, FAILURE);
	out->status = out->rejected ? (int32_t)(out->value[FAILURE].u & 0xffff) : 0;
	out->final = code == CC;
	*in = r;
	return DISSECT_OK;
}

/* An X.224 request with a cookie or a negotiation, which nobody else puts there. */
static enum probe rdp_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	if (l4 != L4_TCP || (in.left > 0 && rd_peek(&in, 0) != 3))
		return PROBE_NO;
	if (in.left < TPKT + HEAD)
		return PROBE_MORE;
	uint8_t code = rd_peek(&in, 5) & 0xf0;
	size_t length = (size_t)in.at[2] << 8 | in.at[3];
	if ((code != CR && code != CC) || in.at[4] + 5u != length || length > REQUEST_MAX)
		return PROBE_NO;
	hint->knows_dir = true;
	hint->dir = code == CR ? DIR_TO_SERVER : DIR_TO_CLIENT;
	rd_skip(&in, TPKT + HEAD);
	bool cookie = code == CR && office_starts(&in, "cookie: ");
	bool negotiates = length == TPKT + HEAD + NEG_LENGTH && rd_peek(&in, 2) == NEG_LENGTH &&
			  rd_peek(&in, 0) >= NEG_REQUEST && rd_peek(&in, 0) <= NEG_FAILURE;
	return cookie || negotiates ? PROBE_SURE : PROBE_WEAK;
}

static const struct port_hint ports[] = { { L4_TCP, 3389 }, { 0, 0 } };

const struct dissector rdp_dissector = {
	.name = "rdp",
	.fields = fields,
	.field_count = N_FIELDS,
	.ports = ports,
	.reply_ms = 5000,
	.office = true,
	.probe = rdp_probe,
	.dissect = rdp_dissect,
};
