/* dns.c - questions and answers of DNS, multicast DNS and LLMNR: as far as tunnels and lists of bad
 * names need. Specs: [DNS] RFC 1035, [MDNS] RFC 6762. */
#include "dissectors/office.h"

enum {
	HEADER = 12,
	NAME_MAX = 255,
	RECORDS_MAX = 64, /* of an answer that are looked at */
	QU = 0x8000,      /* [MDNS] 5.4: the top bit of the class is no class */
};
enum { IN = 1, NB = 32, NBSTAT = 33, ANY = 255 };

// clang-format off
enum { ID, OPCODE, RCODE, NAME, TYPE, ANSWERS, NAME_LENGTH, LABELS, LABEL_LENGTH, PARENT, BELOW_LENGTH,
	BELOW_ENTROPY, DATA_BYTES, N_FIELDS };

static const struct code_name type_names[] = {
	{ 1, "a" }, { 2, "ns" }, { 5, "cname" }, { 6, "soa" }, { 10, "null" }, { 12, "ptr" }, { 13, "hinfo" },
	{ 15, "mx" }, { 16, "txt" }, { 25, "key" }, { 28, "aaaa" }, { 33, "srv" }, { 35, "naptr" }, { 43, "ds" },
	{ 46, "rrsig" }, { 47, "nsec" }, { 48, "dnskey" }, { 64, "svcb" }, { 65, "https" }, { 249, "tkey" },
	{ 251, "ixfr" }, { 252, "axfr" }, { ANY, "any" }, { 65399, "private" }, { 0, NULL },
};
static const struct code_name rcode_names[] = {
	{ 0, "no_error" }, { 1, "format_error" }, { 2, "server_failure" }, { 3, "no_such_name" },
	{ 4, "not_implemented" }, { 5, "refused" }, { 0, NULL },
};
static const char *const opcode_text[16] = { "query", "inverse_query", "status", NULL, "notify", "update" };

static const struct field fields[] = {
	[ID]            = { "dns.id", FIELD_UINT, NULL, "number of the question, echoed", NULL },
	[OPCODE]        = { "dns.opcode", FIELD_UINT, NULL, "0 query, 4 notify, 5 update", NULL },
	[RCODE]         = { "dns.rcode", FIELD_UINT, NULL, "answers: what became of the question", rcode_names },
	[NAME]          = { "dns.name", FIELD_TEXT, NULL, "the name asked for, without the last dot", NULL },
	[TYPE]          = { "dns.type", FIELD_UINT, NULL, "the record asked for", type_names },
	[ANSWERS]       = { "dns.answers", FIELD_UINT, "records", "answers", NULL },
	[NAME_LENGTH]   = { "dns.name_length", FIELD_UINT, "bytes", "length of the name", NULL },
	[LABELS]        = { "dns.labels", FIELD_UINT, NULL, "labels of the name", NULL },
	[LABEL_LENGTH]  = { "dns.label_length", FIELD_UINT, "bytes", "the longest label below the parent", NULL },
	[PARENT]        = { "dns.parent", FIELD_TEXT, NULL, "the last two labels of the name (three as in example.co.uk): who registers names", NULL },
	[BELOW_LENGTH]  = { "dns.below_length", FIELD_UINT, "bytes", "what stands before the parent, without dots", NULL },
	[BELOW_ENTROPY] = { "dns.label_entropy", FIELD_UINT, "bits x 100 a character", "entropy of what stands before the parent", NULL },
	[DATA_BYTES]    = { "dns.data_bytes", FIELD_UINT, "bytes", "answers: data of the records that can carry anything: TXT, NULL, CNAME, MX, KEY, private", NULL },
};
// clang-format on

extern const struct dissector dns_dissector;

struct name {
	char text[NAME_MAX + 1];
	uint8_t len, labels;
	uint8_t starts[NAME_MAX / 2 + 1]; /* of each label in text */
};

/* A name without pointers, as questions have it. [DNS] 3.1 */
static bool read_name(struct reader *r, struct name *n)
{
	n->len = n->labels = 0;
	for (;;) {
		uint8_t len = rd_u8(r);
		if (r->overrun || len > 63 || n->len + len + 1 > NAME_MAX)
			return false;
		if (len == 0)
			return true;
		const uint8_t *label = rd_bytes(r, len);
		if (label == NULL)
			return false;
		if (n->labels > 0)
			n->text[n->len++] = '.';
		n->starts[n->labels++] = n->len;
		memcpy(n->text + n->len, label, len);
		n->len = (uint8_t)(n->len + len);
	}
}

/* log2 of 1 to 255 in 1/1024: by squaring, so that it is the same everywhere. */
static uint32_t log2_of(uint32_t n)
{
	uint32_t whole = 0, x, out;
	while (n >> whole > 1)
		whole++;
	out = whole << 10;
	x = (n << 15) >> whole; /* 1.0 is 0x8000 */
	for (uint32_t bit = 512; bit > 0; bit >>= 1) {
		x = (x * x) >> 15;
		if (x >= 0x10000) {
			x >>= 1;
			out += bit;
		}
	}
	return out;
}

/* Bits × 100 a character of what stands before @end, dots left out; *count of those. */
static uint32_t entropy(const struct name *n, unsigned end, uint32_t *count)
{
	uint8_t seen[256] = { 0 };
	uint32_t total = 0, sum = 0;
	for (unsigned i = 0; i < end; i++) {
		uint8_t c = (uint8_t)n->text[i];
		if (c == '.')
			continue;
		seen[c >= 'A' && c <= 'Z' ? c + 32 : c]++;
		total++;
	}
	*count = total;
	if (total == 0)
		return 0;
	for (unsigned c = 0; c < 256; c++)
		if (seen[c] > 1)
			sum += (uint32_t)seen[c] * log2_of(seen[c]);
	return (log2_of(total) - sum / total) * 100 >> 10;
}

/* Index of the label that the parent begins with. */
static unsigned parent_of(const struct name *n)
{
	if (n->labels <= 2)
		return 0;
	unsigned last = n->starts[n->labels - 1], second = n->starts[n->labels - 2];
	bool country = n->len - last == 2 && last - 1 - second <= 3;
	return n->labels - (country ? 3u : 2u);
}

static void show_name(const struct name *n, struct pdu *out)
{
	unsigned at = n->labels == 0 ? 0 : n->starts[parent_of(n)];
	uint32_t below, longest = 0, bits = entropy(n, at, &below);
	for (unsigned i = 0; i < n->labels && n->starts[i] < at; i++) {
		uint32_t len = n->starts[i + 1] - n->starts[i] - 1u;
		longest = len > longest ? len : longest;
	}
	pdu_copy(out, NAME, n->text, n->len);
	pdu_borrow(out, PARENT, out->value[NAME].bytes + at, out->value[NAME].len - at);
	pdu_uint(out, NAME_LENGTH, n->len);
	pdu_uint(out, LABELS, n->labels);
	pdu_uint(out, LABEL_LENGTH, longest);
	pdu_uint(out, BELOW_LENGTH, below);
	pdu_uint(out, BELOW_ENTROPY, bits);
}

/* Over a name that may end in a pointer. [DNS] 4.1.4 */
static void skip_name(struct reader *r)
{
	for (unsigned i = 0; i < NAME_MAX && !r->overrun; i++) {
		uint8_t len = rd_u8(r);
		if (len == 0)
			return;
		rd_skip(r, len >= 0xc0 ? 1 : len);
		if (len >= 0xc0)
			return;
	}
}

static bool carries_anything(uint16_t type)
{
	return type == 16 || type == 10 || type == 5 || type == 15 || type == 25 || type >= 65280;
}

static uint32_t data_of(struct reader r, unsigned records)
{
	uint32_t bytes = 0;
	for (unsigned i = 0; i < records && i < RECORDS_MAX; i++) {
		skip_name(&r);
		uint16_t type = rd_be16(&r);
		rd_skip(&r, 6);
		uint16_t length = rd_be16(&r);
		rd_skip(&r, length);
		if (r.overrun)
			break;
		if (carries_anything(type))
			bytes += length;
	}
	return bytes;
}

static void read_message(struct reader *in, struct pdu *out)
{
	struct name name;
	uint16_t id = rd_be16(in);
	uint16_t flags = rd_be16(in);
	uint16_t questions = rd_be16(in);
	uint16_t answers = rd_be16(in);
	rd_skip(in, 4);
	bool reply = flags >> 15;
	uint8_t opcode = flags >> 11 & 15;
	out->dir = reply ? PDU_RSP : PDU_REQ;
	out->code = opcode;
	out->name = opcode_text[opcode] == NULL ? "unknown" : opcode_text[opcode];
	pdu_uint(out, ID, id);
	pdu_uint(out, OPCODE, opcode);
	if (reply)
		pdu_uint(out, RCODE, flags & 15);
	if (questions > 0 && !read_name(in, &name)) {
		pdu_damaged(out, "question ends inside its name");
		return;
	}
	if (questions > 0) {
		show_name(&name, out);
		pdu_uint(out, TYPE, rd_be16(in));
		rd_skip(in, 2);
	}
	for (unsigned i = 1; i < questions && i < RECORDS_MAX; i++) {
		skip_name(in);
		rd_skip(in, 4);
	}
	if (in->overrun)
		pdu_damaged(out, "message ends inside its question");
	if (!reply)
		return;
	pdu_uint(out, ANSWERS, answers);
	pdu_uint(out, DATA_BYTES, data_of(*in, answers));
}

static enum outcome dns_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct reader r = *in;
	size_t length = in->left;
	if (d->l4 == L4_TCP) {
		length = rd_be16(&r);
		d->need = r.overrun ? 2 : 2 + length;
		if (r.overrun || r.left < length)
			return DISSECT_MORE;
	}
	struct reader message = rd_slice(&r, length);
	out->dissector = &dns_dissector;
	out->name = "damaged";
	out->dir = office_dir(d->dir);
	if (length < HEADER)
		return pdu_bad(out, "shorter than a header");
	read_message(&message, out);
	*in = r;
	return DISSECT_OK;
}

static bool is_host(const struct name *n)
{
	for (unsigned i = 0; i < n->len; i++)
		if (n->text[i] <= ' ' || n->text[i] > '~')
			return false;
	return n->labels > 0;
}

/* A first question that names can be asked with. NetBIOS names look like it and are not wanted. */
static bool is_question(struct reader r, unsigned questions)
{
	struct name name;
	if (questions == 0)
		return false;
	bool whole = read_name(&r, &name);
	uint16_t type = rd_be16(&r);
	uint16_t class = rd_be16(&r) & (QU - 1);
	return whole && !r.overrun && is_host(&name) && type != 0 && type != NB && type != NBSTAT &&
	       (class == IN || class == ANY);
}

static enum probe dns_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	if (l4 == L4_TCP) {
		size_t length = rd_be16(&in);
		if (!in.overrun && length < HEADER)
			return PROBE_NO;
	}
	if (in.overrun || in.left < HEADER)
		return l4 == L4_TCP ? PROBE_MORE : PROBE_NO;
	rd_skip(&in, 2);
	uint16_t flags = rd_be16(&in);
	uint16_t questions = rd_be16(&in);
	uint16_t answers = rd_be16(&in);
	uint16_t authorities = rd_be16(&in);
	uint16_t additional = rd_be16(&in);
	bool reply = flags >> 15;
	hint->knows_dir = true;
	hint->dir = reply ? DIR_TO_CLIENT : DIR_TO_SERVER;
	if ((flags >> 11 & 15) > 5 || questions > 16 || answers > 256 || authorities > 256 ||
		additional > 256)
		return PROBE_NO;
	if (is_question(in, questions) && (flags & 0x40) == 0)
		return PROBE_SURE;
	return reply && questions == 0 && answers > 0 ? PROBE_WEAK : PROBE_NO;
}

static const struct port_hint ports[] = { { L4_UDP, 53 }, { L4_TCP, 53 }, { L4_UDP, 5353 },
	{ L4_UDP, 5355 }, { 0, 0 } };

const struct dissector dns_dissector = {
	.name = "dns",
	.fields = fields,
	.field_count = N_FIELDS,
	.ports = ports,
	.office = true,
	.probe = dns_probe,
	.dissect = dns_dissect,
};
