/* vnc.c - the opening of a VNC session: versions, security, and whether the password was right.
 * Spec: [RFB] RFC 6143 7.1. */
#include "dissectors/office.h"

enum { VERSION_BYTES = 12, CHALLENGE = 16 };
enum { NONE = 1, VNC_AUTHENTICATION = 2 };

// clang-format off
enum { VERSION, SECURITY, OFFERED, RESULT, N_FIELDS };

static const struct code_name security_names[] = {
	{ 0, "invalid" }, { NONE, "none" }, { VNC_AUTHENTICATION, "vnc_authentication" }, { 5, "ra2" }, { 16, "tight" },
	{ 18, "tls" }, { 19, "vencrypt" }, { 30, "apple" }, { 35, "apple_srp" }, { 0, NULL },
};
static const struct code_name result_names[] = { { 0, "ok" }, { 1, "failed" }, { 2, "too_many" }, { 0, NULL } };

static const struct field fields[] = {
	[VERSION]  = { "vnc.version", FIELD_TEXT, NULL, "of the protocol: 003.008", NULL },
	[SECURITY] = { "vnc.security", FIELD_UINT, NULL, "the way of proving who one is that was chosen", security_names },
	[OFFERED]  = { "vnc.offered", FIELD_UINT, NULL, "how many ways the server offers; 0: it refuses the client", NULL },
	[RESULT]   = { "vnc.result", FIELD_UINT, NULL, "what came of it", result_names },
};
// clang-format on

extern const struct dissector vnc_dissector;

enum phase { GREETING, OFFER, CHOICE, PROOF, OUTCOME, OVER };

struct vnc_state {
	uint8_t phase[2]; /* enum phase, of each direction */
	uint8_t minor;    /* of the version that the client chose */
	uint8_t security;
};

static void tell(struct dissect *d, const char *name, struct pdu *out)
{
	out->dissector = &vnc_dissector;
	out->dir = office_dir(d->dir);
	out->name = name;
}

/* Nothing that could be read follows. */
static enum outcome over(struct vnc_state *st, struct dissect *d, const char *name, struct pdu *out)
{
	st->phase[0] = st->phase[1] = OVER;
	tell(d, name, out);
	out->final = true;
	return DISSECT_OK;
}

/* "RFB 003.008\n" */
static enum outcome greet(
	struct reader *in, struct vnc_state *st, struct dissect *d, struct pdu *out)
{
	if (in->left < VERSION_BYTES)
		return dissect_more(d, VERSION_BYTES);
	tell(d, d->dir == DIR_TO_SERVER ? "client_version" : "server_version", out);
	if (memcmp(in->at, "RFB ", 4) != 0)
		return pdu_bad(out, "no version");
	const uint8_t *text = rd_bytes(in, VERSION_BYTES);
	pdu_borrow(out, VERSION, text + 4, VERSION_BYTES - 5);
	if (d->dir == DIR_TO_SERVER)
		st->minor = text[10] >= '0' && text[10] <= '9' ? (uint8_t)(text[10] - '0') : 3;
	st->phase[d->dir] = d->dir == DIR_TO_SERVER ? CHOICE : OFFER;
	return DISSECT_OK;
}

/* What follows the choice. Before 3.8 a choice of none is not confirmed. */
static enum outcome chosen(
	struct vnc_state *st, uint8_t security, struct dissect *d, struct pdu *out)
{
	st->security = security;
	tell(d, "security", out);
	pdu_uint(out, SECURITY, security);
	bool silent = security == NONE && st->minor < 8;
	if (silent || (security != NONE && security != VNC_AUTHENTICATION))
		return over(st, d, "security", out);
	st->phase[DIR_TO_SERVER] = security == NONE ? OVER : PROOF;
	st->phase[DIR_TO_CLIENT] = security == NONE ? OUTCOME : PROOF;
	return DISSECT_OK;
}

/* The server's list, or in 3.3 its decision. */
static enum outcome offer(
	struct reader *in, struct vnc_state *st, struct dissect *d, struct pdu *out)
{
	if (st->minor < 7) {
		if (in->left < 4)
			return dissect_more(d, 4);
		uint32_t security = rd_be32(in);
		return chosen(st, (uint8_t)(security < 256 ? security : 0), d, out);
	}
	size_t count = rd_peek(in, 0);
	if (in->left < 1 + count)
		return dissect_more(d, 1 + count);
	rd_skip(in, 1 + count);
	tell(d, "offer", out);
	pdu_uint(out, OFFERED, count);
	if (count == 0)
		return over(st, d, "offer", out);
	st->phase[DIR_TO_CLIENT] =
		st->phase[DIR_TO_CLIENT] == OFFER ? CHOICE : st->phase[DIR_TO_CLIENT];
	return DISSECT_OK;
}

static enum outcome outcome(
	struct reader *in, struct vnc_state *st, struct dissect *d, struct pdu *out)
{
	if (in->left < 4)
		return dissect_more(d, 4);
	uint32_t result = rd_be32(in);
	pdu_uint(out, RESULT, result);
	pdu_uint(out, SECURITY, st->security);
	out->rejected = result != 0;
	return over(st, d, "result", out);
}

static enum outcome vnc_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct vnc_state *st = d->state;
	bool server = d->dir == DIR_TO_CLIENT;
	switch ((enum phase)st->phase[d->dir]) {
	case GREETING:
		return greet(in, st, d, out);
	case OFFER:
		return offer(in, st, d, out);
	case CHOICE:
		if (server || st->minor < 7) /* the other end is a step behind, or lost */
			return over(st, d, "encrypted", out);
		return chosen(st, rd_u8(in), d, out);
	case PROOF:
		if (in->left < CHALLENGE)
			return dissect_more(d, CHALLENGE);
		rd_skip(in, CHALLENGE);
		st->phase[d->dir] = server ? OUTCOME : OVER;
		return DISSECT_OK;
	case OUTCOME:
		return outcome(in, st, d, out);
	default:
		rd_skip(in, in->left);
		return DISSECT_OK;
	}
}

static enum probe vnc_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	(void)hint;
	if (l4 != L4_TCP)
		return PROBE_NO;
	if (in.left < VERSION_BYTES)
		return in.left == 0 || rd_peek(&in, 0) == 'R' ? PROBE_MORE : PROBE_NO;
	return memcmp(in.at, "RFB 00", 6) == 0 && in.at[11] == '\n' ? PROBE_SURE : PROBE_NO;
}

static void vnc_lost(struct dissect *d)
{
	struct vnc_state *st = d->state;
	st->phase[0] = st->phase[1] = OVER;
}

static const struct port_hint ports[] = { { L4_TCP, 5900 }, { L4_TCP, 5901 }, { L4_TCP, 5800 },
	{ 0, 0 } };

const struct dissector vnc_dissector = {
	.name = "vnc",
	.fields = fields,
	.field_count = N_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct vnc_state),
	.office = true,
	.probe = vnc_probe,
	.dissect = vnc_dissect,
	.lost = vnc_lost,
};
