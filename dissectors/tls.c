/* tls.c - TLS as far as it goes in clear: the hellos, and heartbeats that ask for too much.
 * Specs: [TLS] RFC 8446 4.1.2 and RFC 5246 7.4.1, [SNI] RFC 6066 3, [ALPN] RFC 7301 3.1,
 * [HB] RFC 6520 4. */
#include "dissectors/office.h"

enum { HEADER = 5, RECORD_MAX = 16384 + 2048 };
enum { CHANGE_CIPHER = 20, ALERT, HANDSHAKE, APPLICATION, HEARTBEAT };
enum { CLIENT_HELLO = 1, SERVER_HELLO = 2 };
enum { EXT_SNI = 0, EXT_ALPN = 16, EXT_VERSIONS = 43, EXT_ECH = 0xfe0d };

// clang-format off
enum { VERSION, SNI, ALPN, CIPHER, CIPHERS, ECH, ALERT_CODE, BEAT_LENGTH, BEAT_EXCESS, N_FIELDS };

static const struct code_name version_names[] = {
	{ 0x0300, "ssl3" }, { 0x0301, "tls1.0" }, { 0x0302, "tls1.1" }, { 0x0303, "tls1.2" }, { 0x0304, "tls1.3" },
	{ 0, NULL },
};

static const struct field fields[] = {
	[VERSION]     = { "tls.version", FIELD_UINT, NULL, "the highest version offered, or the one chosen", version_names },
	[SNI]         = { "tls.sni", FIELD_TEXT, NULL, "the name of the server that the client asks for", NULL },
	[ALPN]        = { "tls.alpn", FIELD_TEXT, NULL, "the first protocol offered on top", NULL },
	[CIPHER]      = { "tls.cipher", FIELD_UINT, NULL, "the cipher suite chosen", NULL },
	[CIPHERS]     = { "tls.ciphers", FIELD_UINT, NULL, "how many cipher suites are offered", NULL },
	[ECH]         = { "tls.encrypted_hello", FIELD_UINT, NULL, "1: the name given may hide another (ECH)", NULL },
	[ALERT_CODE]  = { "tls.alert", FIELD_UINT, NULL, "why the handshake failed, [TLS] 6", NULL },
	[BEAT_LENGTH] = { "tls.heartbeat_length", FIELD_UINT, "bytes", "what a heartbeat says it carries", NULL },
	[BEAT_EXCESS] = { "tls.heartbeat_excess", FIELD_UINT, "bytes", "and how far that runs past its record: a read of the peer's memory", NULL },
};
// clang-format on

extern const struct dissector tls_dissector;

struct tls_state {
	uint32_t skip[2]; /* of a record that tells nothing */
};

static void read_sni(struct reader ext, struct pdu *out)
{
	struct reader list = rd_slice(&ext, rd_be16(&ext));
	uint8_t type = rd_u8(&list);
	uint16_t length = rd_be16(&list);
	struct reader name = rd_slice(&list, length);
	if (!name.overrun && type == 0)
		pdu_copy(out, SNI, name.at, name.left < 255 ? name.left : 255);
}

static void read_alpn(struct reader ext, struct pdu *out)
{
	struct reader list = rd_slice(&ext, rd_be16(&ext));
	uint8_t length = rd_u8(&list);
	struct reader name = rd_slice(&list, length);
	if (!name.overrun)
		pdu_copy(out, ALPN, name.at, name.left);
}

static bool is_version(uint64_t v)
{
	return v >= 0x0300 && v <= 0x0304;
}

/* A client lists versions, a server names one. */
static void read_versions(struct reader ext, bool client, struct pdu *out)
{
	uint64_t best = pdu_has(out, VERSION) ? out->value[VERSION].u : 0;
	struct reader list = client ? rd_slice(&ext, rd_u8(&ext)) : ext;
	while (list.left >= 2) {
		uint16_t v = rd_be16(&list);
		best = is_version(v) && v > best ? v : best;
	}
	pdu_uint(out, VERSION, best);
}

static void read_extensions(struct reader r, bool client, struct pdu *out)
{
	struct reader list = rd_slice(&r, rd_be16(&r));
	while (list.left >= 4) {
		uint16_t type = rd_be16(&list);
		uint16_t length = rd_be16(&list);
		struct reader ext = rd_slice(&list, length);
		if (list.overrun) {
			pdu_damaged(out, "extension runs past the hello");
			return;
		}
		if (type == EXT_SNI && client)
			read_sni(ext, out);
		else if (type == EXT_ALPN)
			read_alpn(ext, out);
		else if (type == EXT_VERSIONS)
			read_versions(ext, client, out);
		else if (type == EXT_ECH && client && rd_peek(&ext, 0) == 0)
			pdu_uint(out, ECH, 1);
	}
}

static void read_hello(struct reader r, bool client, struct pdu *out)
{
	out->name = client ? "client_hello" : "server_hello";
	out->dir = client ? PDU_REQ : PDU_RSP;
	uint16_t version = rd_be16(&r);
	rd_skip(&r, 32);
	rd_skip(&r, rd_u8(&r));
	if (client) {
		uint16_t bytes = rd_be16(&r);
		rd_skip(&r, bytes);
		rd_skip(&r, rd_u8(&r));
		pdu_uint(out, CIPHERS, bytes / 2);
	} else {
		pdu_uint(out, CIPHER, rd_be16(&r));
		rd_skip(&r, 1);
	}
	pdu_uint(out, VERSION, version);
	if (r.overrun)
		pdu_damaged(out, "hello ends inside its lists");
	else if (r.left >= 2)
		read_extensions(r, client, out);
}

/* Records are told for a hello, an alert in clear, or a heartbeat; @record is whole. */
static void read_record(uint8_t type, struct reader record, struct dissect *d, struct pdu *out)
{
	out->dissector = &tls_dissector;
	out->dir = office_dir(d->dir);
	out->code = type;
	if (type == HANDSHAKE) {
		uint8_t kind = rd_u8(&record);
		uint32_t length = rd_be24(&record);
		if (length < record.left)
			record.left = length;
		read_hello(record, kind == CLIENT_HELLO, out);
	} else if (type == ALERT) {
		out->name = "alert";
		rd_skip(&record, 1);
		pdu_uint(out, ALERT_CODE, rd_u8(&record));
	} else {
		size_t had = record.left;
		uint8_t kind = rd_u8(&record);
		uint16_t length = rd_be16(&record);
		out->name = kind == 1 ? "heartbeat_request" : "heartbeat_response";
		pdu_uint(out, BEAT_LENGTH, length);
		if (kind == 1 && length + 3u > had)
			pdu_uint(out, BEAT_EXCESS, length + 3u - had);
	}
}

static bool is_told(uint8_t type, const struct reader *r, size_t length)
{
	if (type == HANDSHAKE)
		return length >= 4 &&
		       (rd_peek(r, 0) == CLIENT_HELLO || rd_peek(r, 0) == SERVER_HELLO);
	return (type == ALERT && length == 2) || (type == HEARTBEAT && length >= 3);
}

static enum outcome skip_more(struct reader *in, uint32_t *skip)
{
	size_t n = *skip < in->left ? *skip : in->left;
	rd_skip(in, n);
	*skip -= (uint32_t)n;
	return DISSECT_OK;
}

/* One record. Behind a change of ciphers, or application data, all is opaque. */
static enum outcome tls_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct tls_state *st = d->state;
	if (st->skip[d->dir] > 0)
		return skip_more(in, &st->skip[d->dir]);
	struct reader r = *in;
	uint8_t type = rd_u8(&r);
	uint8_t major = rd_u8(&r);
	rd_skip(&r, 1);
	uint16_t length = rd_be16(&r);
	d->need = HEADER + 1;
	if (r.overrun || r.left == 0)
		return DISSECT_MORE;
	if (type < CHANGE_CIPHER || type > HEARTBEAT || major != 3 || length > RECORD_MAX) {
		out->dissector = &tls_dissector;
		out->name = "damaged";
		return pdu_bad(out, "not a TLS record");
	}
	if (type == CHANGE_CIPHER || type == APPLICATION) {
		out->dissector = &tls_dissector;
		out->dir = office_dir(d->dir);
		out->code = type;
		out->name = "encrypted";
		out->final = true;
		*in = r;
		return DISSECT_OK;
	}
	if (!is_told(type, &r, length)) {
		st->skip[d->dir] = length;
		*in = r;
		return DISSECT_OK;
	}
	d->need = HEADER + (size_t)length;
	struct reader record = rd_slice(&r, length);
	if (r.overrun)
		return DISSECT_MORE;
	read_record(type, record, d, out);
	*in = r;
	return DISSECT_OK;
}

static enum probe tls_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	uint8_t type = rd_u8(&in);
	uint8_t major = rd_u8(&in);
	uint8_t minor = rd_u8(&in);
	uint16_t length = rd_be16(&in);
	uint8_t kind = rd_u8(&in);
	uint32_t size = rd_be24(&in);
	if (l4 != L4_TCP)
		return PROBE_NO;
	if (in.overrun)
		return type == HANDSHAKE || type == 0 ? PROBE_MORE : PROBE_NO;
	hint->knows_dir = true;
	hint->dir = kind == CLIENT_HELLO ? DIR_TO_SERVER : DIR_TO_CLIENT;
	bool hello = kind == CLIENT_HELLO || kind == SERVER_HELLO;
	return type == HANDSHAKE && major == 3 && minor <= 4 && length >= 40 &&
			       length <= RECORD_MAX && hello && size >= 36 && size < 65536
		       ? PROBE_SURE
		       : PROBE_NO;
}

static void tls_lost(struct dissect *d)
{
	struct tls_state *st = d->state;
	st->skip[d->dir] = 0;
}

static const struct port_hint ports[] = { { L4_TCP, 443 }, { L4_TCP, 8443 }, { L4_TCP, 853 },
	{ L4_TCP, 636 }, { L4_TCP, 993 }, { 0, 0 } };

const struct dissector tls_dissector = {
	.name = "tls",
	.fields = fields,
	.field_count = N_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct tls_state),
	.office = true,
	.probe = tls_probe,
	.dissect = tls_dissect,
	.lost = tls_lost,
};
