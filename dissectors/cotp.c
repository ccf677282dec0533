/* cotp.c - TPKT and COTP, what S7comm travels in; hands whole TSDUs to the protocols it carries.
 * Specs: [TPKT] RFC 1006 and RFC 2126, [COTP] ITU-T X.224 (RFC 905), class 0. */
#include "dissectors/dissector.h"

enum {
	TPKT_HEADER = 4,
	TSDU_MAX = 65536, /* bytes joined of one direction; a longer TSDU is dropped and said */
	CARRIED_MAX = 8,  /* protocols on top, in the order of dissectors[] */
	TSAP_MAX = 32,    /* bytes kept of a TSAP */
};

// clang-format off
enum { TYPE, SRC_REF, DST_REF, CLASS, TPDU_SIZE, CALLING, CALLED, CALLED_TEXT, CONNECTION, RACK, SLOT,
	REASON, ENCRYPTED, N_FIELDS };

/* TPDU codes, the credit nibble cleared. [COTP] 13.3 */
enum { ED = 0x10, EA = 0x20, RJ = 0x50, AK = 0x60, ER = 0x70, DR = 0x80, DC = 0xc0, CC = 0xd0,
	CR = 0xe0, DT = 0xf0 };

static const struct code_name type_names[] = {
	{ ED, "expedited_data" }, { ER, "tpdu_error" }, { DR, "disconnect_request" },
	{ DC, "disconnect_confirm" }, { CC, "connect_confirm" }, { CR, "connect_request" },
	{ DT, "data" }, { 0, NULL },
};

/* High byte of a two-byte called TSAP, as Siemens uses it. */
static const struct code_name connection_names[] = {
	{ 1, "pg" }, { 2, "op" }, { 3, "s7_basic" }, { 0, NULL },
};

static const struct code_name reason_names[] = {	/* [COTP] 13.5.3 */
	{ 0, "not_specified" }, { 1, "congestion_at_tsap" }, { 2, "session_entity_not_attached" },
	{ 3, "address_unknown" }, { 128, "normal_disconnect" }, { 129, "remote_congestion" },
	{ 130, "negotiation_failed" }, { 131, "duplicate_source_reference" },
	{ 132, "mismatched_references" }, { 133, "protocol_error" }, { 135, "reference_overflow" },
	{ 136, "connection_refused" }, { 138, "header_length_invalid" }, { 0, NULL },
};

static const struct field fields[] = {
	[TYPE]        = { "cotp.tpdu_type", FIELD_UINT, NULL, "the TPDU code, credit bits cleared", type_names },
	[SRC_REF]     = { "cotp.source_reference", FIELD_UINT, NULL, "the sender's number for the connection", NULL },
	[DST_REF]     = { "cotp.destination_reference", FIELD_UINT, NULL, "the receiver's number for the connection", NULL },
	[CLASS]       = { "cotp.class", FIELD_UINT, NULL, "transport class", NULL },
	[TPDU_SIZE]   = { "cotp.tpdu_size", FIELD_UINT, "bytes", "largest TPDU proposed or agreed", NULL },
	[CALLING]     = { "cotp.calling_tsap", FIELD_BYTES, NULL, "transport selector of who opened the connection", NULL },
	[CALLED]      = { "cotp.called_tsap", FIELD_BYTES, NULL, "transport selector of who was called", NULL },
	[CALLED_TEXT] = { "cotp.called_name", FIELD_TEXT, NULL, "the called TSAP where it is text, as SIMATIC-ROOT-ES", NULL },
	[CONNECTION]  = { "cotp.connection_type", FIELD_UINT, NULL, "kind of S7 connection in the called TSAP", connection_names },
	[RACK]        = { "cotp.rack", FIELD_UINT, NULL, "rack in the called TSAP", NULL },
	[SLOT]        = { "cotp.slot", FIELD_UINT, NULL, "slot in the called TSAP", NULL },
	[REASON]      = { "cotp.reason", FIELD_UINT, NULL, "why it was refused, ended or in error", reason_names },
	[ENCRYPTED]   = { "cotp.encrypted", FIELD_UINT, NULL, "1: TLS records follow; what they hold cannot be read", NULL },
};

static const struct port_hint ports[] = { { L4_TCP, 102 }, { 0, 0 } };
// clang-format on

extern const struct dissector cotp_dissector;

struct tsap {
	uint8_t len, bytes[TSAP_MAX];
};

struct side {
	struct joiner tsdu; /* DT fragments before their EOT, or a TSDU that is being read */
	uint32_t read;      /* bytes of a whole TSDU in the joiner that were dissected; 0: none */
	uint16_t tpkt_left; /* bytes of the TPKT not consumed yet */
	uint16_t tsdu_left; /* of these, bytes of a TSDU that holds several messages */
	bool joining, dropping; /* between a first fragment and EOT; dropping: past the bound */
	bool unsure;            /* bytes were lost: the next TSDU may lack its start */
};

struct cotp_state {
	struct side side[2]; /* by enum dir */
	struct tsap calling, called;
	bool open; /* a CC was seen */
	bool tls_told;
	bool hello[2]; /* a TLS handshake began in this direction; in both: encrypted */
	uint8_t last;  /* 1 + index of the carried protocol of the latest TSDU; 0: none */
	const struct dissector *now; /* that one */
	void *carried[CARRIED_MAX];  /* their states, taken from the pool once */
};

/* The n-th protocol that COTP carries, or NULL. */
static const struct dissector *carried(unsigned n)
{
	for (unsigned i = 0; dissectors[i] != NULL && n < CARRIED_MAX; i++)
		if (dissectors[i]->carrier == &cotp_dissector && n-- == 0)
			return dissectors[i];
	return NULL;
}

/* Who reads this TSDU: its number, or -1. */
static APART int find_carried(struct reader tsdu)
{
	int weak = -1;
	struct probe_hint hint = { 0 };
	const struct dissector *c;
	for (int i = 0; (c = carried((unsigned)i)) != NULL; i++) {
		enum probe p = c->probe(tsdu, L4_TCP, &hint);
		if (p == PROBE_SURE)
			return i;
		if (p == PROBE_WEAK && weak < 0)
			weak = i;
	}
	return weak;
}

enum { TLS_HANDSHAKE = 0x16 };
/* A handshake, alert, change-cipher or data record of TLS. */
static bool is_tls(const struct reader *tsdu)
{
	const uint8_t *record = tsdu->at;
	return tsdu->left >= 5 && record[0] >= 0x14 && record[0] <= 0x17 && record[1] == 3 &&
	       record[2] <= 4;
}

static void told(struct pdu *out, const char *name, enum pdu_dir dir)
{
	out->dissector = &cotp_dissector;
	out->name = name;
	out->dir = dir;
}

/* Told once. It does not end anything: one record is easily forged, and clear text is read whenever
 * it comes back. */
static APART void read_tls(struct reader *tsdu, struct dissect *d, struct pdu *out)
{
	struct cotp_state *st = d->state;
	st->hello[d->dir] |= rd_peek(tsdu, 0) == TLS_HANDSHAKE;
	if (!st->tls_told) {
		told(out, "tls", d->dir == DIR_TO_SERVER ? PDU_REQ : PDU_RSP);
		pdu_uint(out, ENCRYPTED, 1);
	}
	st->tls_told = true;
	rd_skip(tsdu, tsdu->left);
}

/* The number of who reads these bytes, or -1. The protocol of the TSDU before goes on where it can:
 * it is asked no further when its own first byte stands there. @unsure: not so. */
static int carried_by(const struct cotp_state *st, const struct reader *tsdu, bool unsure)
{
	int latest = unsure ? -1 : st->last - 1;
	if (tsdu->left == 0)
		return -1;
	if (latest >= 0 && tsdu->at[0] == st->now->first_byte)
		return latest;
	int n = find_carried(*tsdu);
	return n < 0 ? latest : n;
}

/* Runs the carried protocol over @tsdu and moves it on by what was read: all, unless a further
 * message follows. Its end is known, so whatever is wrong with it is damage and no more. */
static WITHIN void read_tsdu(struct reader *tsdu, struct dissect *d, struct pdu *out)
{
	struct cotp_state *st = d->state;
	struct side *side = &st->side[d->dir];
	bool unsure = side->unsure;
	side->unsure = false;
	if (is_tls(tsdu)) {
		read_tls(tsdu, d, out);
		return;
	}
	/* The rest of a TLS record looks like anything. */
	bool opaque = st->hello[0] && st->hello[1];
	int n = carried_by(st, tsdu, unsure || opaque);
	if (n < 0) {
		rd_skip(tsdu, tsdu->left);
		return;
	}
	if (n + 1 != st->last)
		st->now = carried((unsigned)n);
	const struct dissector *c = st->now;
	if (st->carried[n] == NULL && c->state_size > 0)
		st->carried[n] = pool_take(d->pool, c->state_size);
	size_t had = tsdu->left;
	st->last = (uint8_t)(n + 1);
	d->state = st->carried[n];
	enum outcome result = c->dissect(tsdu, d, out);
	d->state = st;
	if (result != DISSECT_OK) {
		out->dissector = c;
		out->more = false;
		pdu_damaged(out, "message ends inside its header");
	}
	if (opaque && out->malformed != NULL)
		out->dissector = NULL;
	if (!out->more || tsdu->left == had) {
		out->more = false;
		rd_skip(tsdu, tsdu->left);
	}
}

/* A further message of a TSDU, to the end of its TPKT. */
static APART void read_further(struct reader *tsdu, struct dissect *d, struct pdu *out)
{
	read_tsdu(tsdu, d, out);
}

/* A whole TSDU in the joiner; read piece by piece while it holds further messages. */
static APART enum outcome read_joined(struct dissect *d, struct pdu *out)
{
	struct side *side = &((struct cotp_state *)d->state)->side[d->dir];
	struct reader tsdu = rd_over(side->tsdu.bytes + side->read, side->tsdu.len - side->read);
	read_further(&tsdu, d, out);
	side->read = tsdu.left > 0 ? side->tsdu.len - (uint32_t)tsdu.left : 0;
	out->more |= side->read > 0 || side->tpkt_left > 0;
	return DISSECT_OK;
}

/* One fragment; with EOT the TSDU is whole. */
static APART enum outcome join(struct reader *data, bool eot, struct dissect *d, struct pdu *out)
{
	struct side *side = &((struct cotp_state *)d->state)->side[d->dir];
	if (!side->joining)
		joiner_reset(&side->tsdu);
	side->joining = true;
	if (!side->dropping && !joiner_add(&side->tsdu, d->pool, data->at, data->left, TSDU_MAX)) {
		joiner_free(&side->tsdu, d->pool);
		side->dropping = true;
	}
	rd_skip(data, data->left);
	if (!eot)
		return DISSECT_OK;
	side->joining = false;
	if (side->dropping) {
		side->dropping = false;
		told(out, "data", d->dir == DIR_TO_SERVER ? PDU_REQ : PDU_RSP);
		return pdu_damaged(out, "TSDU longer than can be joined");
	}
	return read_joined(d, out);
}

/* @data: the user data of a DT, to the end of its TPKT. */
static enum outcome read_data(struct reader *data, bool eot, struct dissect *d, struct pdu *out)
{
	struct side *side = &((struct cotp_state *)d->state)->side[d->dir];
	if (data->left == 0 && !side->joining)
		return DISSECT_OK;
	if (side->joining || !eot)
		return join(data, eot, d, out);
	read_tsdu(data, d, out);
	side->tsdu_left = (uint16_t)data->left;
	return DISSECT_OK;
}

static void keep_tsap(struct tsap *t, const struct reader *value)
{
	t->len = (uint8_t)(value->left < TSAP_MAX ? value->left : TSAP_MAX);
	memcpy(t->bytes, value->at, t->len);
}

static bool is_text(const struct tsap *t)
{
	for (unsigned i = 0; i < t->len; i++)
		if (t->bytes[i] < 0x20 || t->bytes[i] > 0x7e)
			return false;
	return t->len > 2;
}

/* Rack, slot and kind of connection, where the called TSAP is one of Siemens' two bytes. */
static void show_tsaps(const struct cotp_state *st, struct pdu *out)
{
	if (st->calling.len > 0)
		pdu_borrow(out, CALLING, st->calling.bytes, st->calling.len);
	if (st->called.len > 0)
		pdu_borrow(out, CALLED, st->called.bytes, st->called.len);
	if (is_text(&st->called))
		pdu_borrow(out, CALLED_TEXT, st->called.bytes, st->called.len);
	if (st->called.len != 2 || st->called.bytes[0] == 0)
		return;
	pdu_uint(out, CONNECTION, st->called.bytes[0]);
	pdu_uint(out, RACK, st->called.bytes[1] >> 5);
	pdu_uint(out, SLOT, st->called.bytes[1] & 0x1f);
}

/* The variable part: code, length, value. [COTP] 13.2.3 */
static bool read_options(struct reader *options, struct cotp_state *st, struct pdu *out)
{
	while (options->left > 0) {
		uint8_t code = rd_u8(options);
		uint8_t length = rd_u8(options);
		struct reader value = rd_slice(options, length);
		if (options->overrun)
			return false;
		if (code == 0xc0 && rd_peek(&value, 0) >= 7 && rd_peek(&value, 0) <= 16)
			pdu_uint(out, TPDU_SIZE, UINT64_C(1) << rd_peek(&value, 0));
		else if (code == 0xc1 && length > 0)
			keep_tsap(&st->calling, &value);
		else if (code == 0xc2 && length > 0)
			keep_tsap(&st->called, &value);
	}
	return true;
}

/* How the answers to a CR pair with it. A DR before any CC refuses. [COTP] 6.5 */
static void pair(uint8_t code, uint16_t dst, uint16_t src, struct cotp_state *st, struct pdu *out)
{
	const uint64_t connect = UINT64_C(1) << 32;
	if (code == CR) {
		out->tx = TX_REQUEST;
		out->tx_key = connect | src;
		st->open = false;
	} else if (code == CC) {
		out->tx = TX_REPLY;
		out->tx_key = connect | dst;
		out->dir = PDU_RSP;
		st->open = true;
	} else if (code == DR && !st->open) {
		out->tx = TX_REPLY;
		out->tx_key = connect | dst;
		out->dir = PDU_RSP;
		out->rejected = true;
	} else if (code == DC) {
		out->dir = PDU_RSP;
	}
}

static const char *code_text(const struct code_name *names, uint32_t code)
{
	for (; names->name != NULL; names++)
		if (names->code == code)
			return names->name;
	return NULL;
}

/* CR, CC, DR, DC, ER, ED: @head is the header without its length octet. [COTP] 13.3 to 13.12 */
static APART enum outcome read_connection(struct reader *head, struct dissect *d, struct pdu *out)
{
	struct cotp_state *st = d->state;
	uint8_t code = rd_u8(head) & 0xf0;
	told(out, code_text(type_names, code), PDU_REQ);
	pdu_uint(out, TYPE, code);
	uint16_t dst = rd_be16(head);
	pdu_uint(out, DST_REF, dst);
	if (code == ER) {
		pdu_uint(out, REASON, rd_u8(head));
		return head->overrun ? pdu_damaged(out, "TPDU ends inside its header") : DISSECT_OK;
	}
	if (code == ED)
		return DISSECT_OK;
	uint16_t src = rd_be16(head);
	pdu_uint(out, SRC_REF, src);
	if (code == CR) {
		st->calling.len = st->called.len = 0;
	} else if (code == DR) {
		out->status = rd_u8(head);
		out->status_name = code_text(reason_names, (uint32_t)out->status);
		pdu_uint(out, REASON, (uint64_t)out->status);
	}
	if (code == CR || code == CC)
		pdu_uint(out, CLASS, rd_u8(head) >> 4);
	pair(code, dst, src, st, out);
	if (head->overrun)
		return pdu_damaged(out, "TPDU ends inside its header");
	if ((code == CR || code == CC) && !read_options(head, st, out))
		pdu_damaged(out, "TPDU option runs past its header");
	if (code != DC)
		show_tsaps(st, out);
	return DISSECT_OK;
}

static bool has_pdu(uint8_t code)
{
	return code == CR || code == CC || code == DR || code == DC || code == ER || code == ED;
}

/* Could these bytes be a further TPDU of the same TPKT? Else they are user data. */
static bool is_tpdu(const struct reader *r)
{
	uint8_t li = rd_peek(r, 0);
	uint8_t code = rd_peek(r, 1) & 0xf0;
	if (li < 2 || (size_t)li + 1 > r->left)
		return false;
	if (code == DT)
		return li == 2 && (rd_peek(r, 1) & 0x0e) == 0 && (rd_peek(r, 2) & 0x7f) == 0;
	return (code == CR || code == CC || code == DR || code == DC) && li >= 5;
}

/* One TPDU; @in, the rest of the TPKT, a byte or more, is left with what was not used up. */
static enum outcome read_tpdu(struct reader *in, struct dissect *d, struct pdu *out)
{
	size_t li = in->at[0];
	if (li < 2 || li >= in->left) {
		told(out, "tpdu", PDU_REQ);
		in->left = 0;
		return pdu_damaged(out, "COTP header runs past its TPKT");
	}
	struct reader head = rd_over(in->at + 1, li);
	uint8_t code = head.at[0] & 0xf0;
	enum outcome result = DISSECT_OK;
	rd_skip(in, 1 + li);
	if (code == DT) {
		result = read_data(in, head.at[li >= 4 ? 3 : 1] >> 7, d, out);
	} else if (has_pdu(code)) {
		result = read_connection(&head, d, out);
		if (!is_tpdu(in))
			in->left = 0;
	} else if (code != AK && code != EA && code != RJ) {
		told(out, "tpdu", PDU_REQ);
		pdu_damaged(out, "unknown TPDU code");
		in->left = 0;
	}
	return result;
}

/* Goes on inside a TPKT, from the TPDU or the message after the last. All its bytes are there. */
static enum outcome go_on(struct reader *in, struct side *side, struct dissect *d, struct pdu *out)
{
	size_t had = side->tpkt_left;
	struct reader tpkt = rd_over(in->at, had);
	enum outcome result = DISSECT_OK;
	if (side->tsdu_left > 0) {
		read_further(&tpkt, d, out);
		side->tsdu_left = (uint16_t)tpkt.left;
	} else {
		result = read_tpdu(&tpkt, d, out);
	}
	side->tpkt_left = (uint16_t)tpkt.left;
	rd_skip(in, had - tpkt.left);
	out->more = side->read > 0 || (tpkt.left > 0 && tpkt.left < had);
	return result;
}

/* [TPKT] 6; not before all of its bytes are there. */
static enum outcome open_tpkt(
	struct reader *in, struct side *side, struct dissect *d, struct pdu *out)
{
	if (in->left > 0 && in->at[0] != 3)
		return pdu_bad(out, "not a TPKT header");
	if (in->left < TPKT_HEADER)
		return dissect_more(d, TPKT_HEADER);
	uint16_t length = be16(in->at + 2);
	if (length < TPKT_HEADER + 3)
		return pdu_bad(out, "TPKT too short for a TPDU");
	if (in->left < length)
		return dissect_more(d, length);
	side->tpkt_left = (uint16_t)(length - TPKT_HEADER);
	rd_skip(in, TPKT_HEADER);
	return DISSECT_OK;
}

/**
 * One TPDU, or one message of the protocol it carries. A TPKT with several is used up piece by
 * piece, never before it is there whole.
 * Spec: [TPKT] 6 packet format, [COTP] 13 TPDUs.
 */
static enum outcome cotp_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct side *side = &((struct cotp_state *)d->state)->side[d->dir];
	if (side->read > 0)
		return read_joined(d, out);
	if (side->tsdu.bytes != NULL && !side->joining)
		joiner_free(&side->tsdu, d->pool);
	enum outcome result = DISSECT_OK;
	if (side->tpkt_left == 0)
		result = open_tpkt(in, side, d, out);
	else if (in->left < side->tpkt_left)
		result = dissect_more(d, side->tpkt_left);
	return result == DISSECT_OK ? go_on(in, side, d, out) : result;
}

/* What a CR or CC tells: Siemens' TSAPs make it sure. */
static enum probe probe_connection(struct reader head, uint8_t code, struct probe_hint *hint)
{
	struct cotp_state st = { 0 };
	struct pdu scratch;
	pdu_init(&scratch);
	rd_skip(&head, 5);
	uint8_t class = rd_u8(&head) >> 4;
	if (head.overrun || class > 4 || !read_options(&head, &st, &scratch))
		return PROBE_NO;
	hint->knows_dir = true;
	hint->dir = code == CR ? DIR_TO_SERVER : DIR_TO_CLIENT;
	static const char root[] = "SIMATIC-ROOT-";
	if (st.called.len > sizeof root && memcmp(st.called.bytes, root, sizeof root - 1) == 0)
		return PROBE_SURE;
	bool siemens = st.called.len == 2 && st.called.bytes[0] >= 1 && st.called.bytes[0] <= 3;
	return siemens && st.calling.len == 2 ? PROBE_SURE : PROBE_WEAK;
}

/* What the message in a DT tells: ask those that are carried. */
static enum probe probe_data(struct reader tsdu, bool whole, struct probe_hint *hint)
{
	enum probe best = PROBE_WEAK;
	const struct dissector *c;
	for (unsigned i = 0; (c = carried(i)) != NULL; i++) {
		enum probe p = c->probe(tsdu, L4_TCP, hint);
		if (p == PROBE_SURE)
			return p;
		if (p != PROBE_NO && !whole)
			best = PROBE_MORE;
	}
	return best;
}

/* A TPDU in a TPKT that starts with its length. */
static enum probe probe_tpdu(struct reader in, struct probe_hint *hint)
{
	uint16_t length = rd_be16(&in);
	uint8_t li = rd_u8(&in);
	uint8_t code = rd_peek(&in, 0) & 0xf0;
	if (length < TPKT_HEADER + 3 || li < 2 || li + 5 > length)
		return PROBE_NO;
	struct reader head = rd_slice(&in, li);
	if (head.overrun)
		return has_pdu(code) ? PROBE_MORE : PROBE_NO;
	size_t size = length - 5U - li;
	if (code == CR || code == CC)
		return probe_connection(head, code, hint);
	if (code == DT && (rd_peek(&head, 0) & 0x0e) == 0) {
		bool whole = in.left >= size;
		if (whole)
			in.left = size;
		enum probe p = probe_data(in, whole, hint);
		return li == 2 || p != PROBE_WEAK ? p : PROBE_NO;
	}
	return has_pdu(code) && code != ED && li >= 4 ? PROBE_WEAK : PROBE_NO;
}

/* A receiver need not look at the reserved octet: what is sure is sure whatever stands there. */
static enum probe cotp_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	if (l4 != L4_TCP || (in.left > 0 && rd_peek(&in, 0) != 3))
		return PROBE_NO;
	bool odd = rd_peek(&in, 1) != 0;
	if (in.left < TPKT_HEADER + 3)
		return odd ? PROBE_NO : PROBE_MORE;
	rd_skip(&in, 2);
	enum probe p = probe_tpdu(in, hint);
	return odd && p == PROBE_WEAK ? PROBE_NO : p;
}

/* A TPKT whose COTP header fits, and after it the end of the bytes or another. */
static size_t cotp_resync(const uint8_t *bytes, size_t n, enum dir dir)
{
	(void)dir;
	for (size_t i = 1; i < n; i++) {
		struct reader r = rd_over(bytes + i, n - i);
		if (r.at[0] != 3 || rd_peek(&r, 1) != 0)
			continue;
		if (r.left < 7)
			return i;
		struct probe_hint hint;
		size_t length = (size_t)r.at[2] << 8 | r.at[3];
		if (cotp_probe(r, L4_TCP, &hint) == PROBE_NO)
			continue;
		if (length >= r.left || (r.at[length] == 3 && rd_peek(&r, length + 1) == 0))
			return i;
	}
	return n;
}

static void cotp_lost(struct dissect *d)
{
	struct cotp_state *st = d->state;
	struct side *side = &st->side[d->dir];
	joiner_free(&side->tsdu, d->pool);
	*side = (struct side){ .unsure = true };
	const struct dissector *c;
	for (unsigned i = 0; (c = carried(i)) != NULL; i++) {
		struct dissect sub = *d;
		sub.state = st->carried[i];
		if (c->lost != NULL && sub.state != NULL)
			c->lost(&sub);
	}
}

static void cotp_release(void *state, struct pool *pool)
{
	struct cotp_state *st = state;
	joiner_free(&st->side[0].tsdu, pool);
	joiner_free(&st->side[1].tsdu, pool);
	const struct dissector *c;
	for (unsigned i = 0; (c = carried(i)) != NULL; i++) {
		if (st->carried[i] == NULL)
			continue;
		if (c->release != NULL)
			c->release(st->carried[i], pool);
		pool_give(pool, st->carried[i], c->state_size);
		st->carried[i] = NULL;
	}
}

const struct dissector cotp_dissector = {
	.name = "cotp",
	.fields = fields,
	.field_count = N_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct cotp_state),
	.reply_ms = 2000,
	.keep = { CONNECTION + 1, RACK + 1, SLOT + 1 },
	.probe = cotp_probe,
	.dissect = cotp_dissect,
	.resync = cotp_resync,
	.lost = cotp_lost,
	.release = cotp_release,
};
