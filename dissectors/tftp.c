/* tftp.c - what is asked for, and what kind of file its blocks are. The blocks travel between ports
 * of their own, so they are a flow that begins with its first block.
 * Specs: [TFTP] RFC 1350 5, options RFC 2347. */
#include "dissectors/office.h"

enum { READ = 1, WRITE, DATA, ACK, ERROR, OPTIONS };

// clang-format off
enum { OPCODE, FILE_NAME, MODE, BLOCK, CONTENT, ERROR_CODE, N_FIELDS };

static const struct code_name opcode_names[] = {
	{ READ, "read_request" }, { WRITE, "write_request" }, { DATA, "data" }, { ACK, "acknowledgement" },
	{ ERROR, "error" }, { OPTIONS, "option_acknowledgement" }, { 0, NULL },
};
static const struct field fields[] = {
	[OPCODE]     = { "tftp.opcode", FIELD_UINT, NULL, "kind of packet", opcode_names },
	[FILE_NAME]  = { "tftp.file_name", FIELD_TEXT, NULL, "the file asked for or offered", NULL },
	[MODE]       = { "tftp.mode", FIELD_TEXT, NULL, "octet or netascii", NULL },
	[BLOCK]      = { "tftp.block", FIELD_UINT, NULL, "number of the block, from 1", NULL },
	[CONTENT]    = { "tftp.content", FIELD_UINT, NULL, "what the file is by its first bytes", content_names },
	[ERROR_CODE] = { "tftp.error", FIELD_UINT, NULL, "why it failed: 1 no such file, 2 access, 3 disk full", NULL },
};
// clang-format on

extern const struct dissector tftp_dissector;

struct tftp_state {
	uint64_t offset; /* bytes of the file that have passed */
	uint16_t next;   /* block; 0: none has been seen */
	uint16_t size;   /* of a full block */
};

/* Up to a zero byte, printable. */
static struct reader text(struct reader *in)
{
	size_t n = 0;
	while (n < in->left && in->at[n] >= ' ' && in->at[n] < 0x7f)
		n++;
	struct reader t = rd_slice(in, n);
	if (rd_u8(in) != 0)
		in->overrun = true;
	return t;
}

static bool is_mode(const struct reader *mode)
{
	return office_is(mode, "octet") || office_is(mode, "netascii") || office_is(mode, "mail");
}

static void read_request(struct reader *in, struct pdu *out)
{
	struct reader name = text(in);
	struct reader mode = text(in);
	if (in->overrun || !is_mode(&mode))
		pdu_damaged(out, "request without a name or mode");
	if (!name.overrun)
		pdu_borrow(out, FILE_NAME, name.at, name.left < 255 ? name.left : 255);
	if (!mode.overrun)
		pdu_borrow(out, MODE, mode.at, mode.left < 16 ? mode.left : 16);
}

/* A block that comes again is not counted again; one out of turn ends what can be followed. */
static void read_block(struct reader *in, struct tftp_state *st, struct pdu *out)
{
	uint16_t block = rd_be16(in);
	if (st->next == 0 && block == 1) {
		st->next = 1;
		st->size = (uint16_t)in->left;
		enum content_kind kind = content_kind(in->at, in->left);
		pdu_uint(out, BLOCK, block);
		pdu_uint(out, CONTENT, kind);
		if (kind == CONTENT_UNKNOWN)
			out->dissector = NULL;
	} else {
		out->dissector = NULL;
	}
	if (block != st->next || st->next == 0)
		return;
	out->content.at = in->at;
	out->content.len = (uint32_t)in->left;
	out->content.offset = st->offset;
	out->content.key = 0;
	out->content.last = in->left < st->size;
	st->offset += in->left;
	st->next = (uint16_t)(block + 1);
}

static enum outcome tftp_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct reader r = *in;
	uint16_t opcode = rd_be16(&r);
	out->dissector = &tftp_dissector;
	out->dir = opcode == READ || opcode == WRITE ? PDU_REQ : PDU_IND;
	out->name = "damaged";
	if (d->l4 != L4_UDP || r.overrun || opcode < READ || opcode > OPTIONS)
		return pdu_bad(out, "not TFTP");
	out->name = opcode_names[opcode - 1].name;
	out->code = opcode;
	pdu_uint(out, OPCODE, opcode);
	if (opcode == READ || opcode == WRITE)
		read_request(&r, out);
	else if (opcode == DATA)
		read_block(&r, d->state, out);
	else if (opcode == ERROR)
		pdu_uint(out, ERROR_CODE, rd_be16(&r));
	else
		out->dissector = NULL;
	rd_skip(in, in->left);
	return DISSECT_OK;
}

/* A request, or a first block of a file that gives itself away. */
static enum probe tftp_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	(void)hint;
	uint16_t opcode = rd_be16(&in);
	if (l4 != L4_UDP || in.overrun)
		return PROBE_NO;
	if (opcode == DATA) {
		uint16_t block = rd_be16(&in);
		return block == 1 && content_kind(in.at, in.left) != CONTENT_UNKNOWN ? PROBE_SURE
										     : PROBE_NO;
	}
	if (opcode != READ && opcode != WRITE)
		return PROBE_NO;
	struct reader name = text(&in);
	struct reader mode = text(&in);
	return !in.overrun && name.left > 0 && is_mode(&mode) ? PROBE_SURE : PROBE_NO;
}

static const struct port_hint ports[] = { { L4_UDP, 69 }, { 0, 0 } };

const struct dissector tftp_dissector = {
	.name = "tftp",
	.fields = fields,
	.field_count = N_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct tftp_state),
	.office = true,
	.probe = tftp_probe,
	.dissect = tftp_dissect,
};
