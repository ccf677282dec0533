/* smb1.c - commands of SMB1: shares, files, and the transactions that MS17-010 is about.
 * Spec: [CIFS] MS-CIFS 2.2.4. */
#include "dissectors/smb.h"

enum { HEADER = 32, REPLY = 0x80, WIDE = 0x8000 };
enum {
	TRANS = 0x25,
	TRANS_SECONDARY = 0x26,
	WRITE_ANDX = 0x2f,
	TRANS2 = 0x32,
	TRANS2_SECONDARY = 0x33,
	NEGOTIATE = 0x72,
	SESSION_SETUP = 0x73,
	TREE_CONNECT = 0x75,
	NT_TRANS = 0xa0,
	NT_TRANS_SECONDARY = 0xa1,
	NT_CREATE = 0xa2,
};
enum { TRANSACT_PIPE = 0x26 };

static const struct code_name command_names[] = {
	{ TRANS, "trans" },
	{ TRANS_SECONDARY, "trans_secondary" },
	{ WRITE_ANDX, "write" },
	{ TRANS2, "trans2" },
	{ TRANS2_SECONDARY, "trans2_secondary" },
	{ NEGOTIATE, "negotiate" },
	{ SESSION_SETUP, "session_setup" },
	{ TREE_CONNECT, "tree_connect" },
	{ NT_TRANS, "nt_trans" },
	{ NT_TRANS_SECONDARY, "nt_trans_secondary" },
	{ NT_CREATE, "create" },
	{ 0, NULL },
};

/* A command's words and bytes. */
struct body {
	struct reader words, bytes;
	bool wide; /* texts are UTF-16 */
};

static struct reader from(const struct smb *m, uint32_t at, uint32_t len)
{
	struct reader r = m->window;
	rd_skip(&r, at);
	if (r.overrun)
		return (struct reader){ .overrun = true };
	r.left = r.left < len ? r.left : len;
	return r;
}

static bool read_body(const struct smb *m, uint32_t at, struct body *b)
{
	struct reader r = from(m, at, SMB_WINDOW);
	b->words = rd_slice(&r, (size_t)rd_u8(&r) * 2);
	uint16_t count = rd_le16(&r);
	if (r.overrun)
		return false;
	b->bytes = r;
	b->bytes.left = r.left < count ? r.left : count;
	return true;
}

/* UTF-16 stands at even offsets from the header. */
static void align(const struct smb *m, struct body *b)
{
	if (b->wide && (b->bytes.at - m->window.at) % 2 != 0)
		rd_skip(&b->bytes, 1);
}

/* Up to its zero. */
static struct reader text(const struct body *b)
{
	struct reader r = b->bytes;
	size_t n = 0, step = b->wide ? 2 : 1;
	while (n + step <= r.left && (r.at[n] != 0 || (b->wide && r.at[n + 1] != 0)))
		n += step;
	r.left = r.overrun ? 0 : n;
	return r;
}

static void session_setup(struct smb *m, struct body *b)
{
	if (!m->reply)
		smb_user(m, b->bytes);
}

static void tree_connect(struct smb *m, struct body *b)
{
	struct smb_name name = { .len = 0 };
	rd_skip(&b->words, 6);
	uint16_t password = rd_le16(&b->words);
	rd_skip(&b->bytes, password);
	align(m, b);
	smb_text(m, text(b), b->wide, SMB_TREE, &name);
	smb_wait(m, SMB_WAIT_TREE, &name);
}

/* A log-on and a connection to a share often travel in one message. */
static void chained(struct smb *m, const struct body *b)
{
	struct reader words = b->words;
	uint8_t command = rd_u8(&words);
	rd_skip(&words, 1);
	uint16_t at = rd_le16(&words);
	struct body next = { .wide = b->wide };
	if (words.overrun || command != TREE_CONNECT || at <= HEADER || !read_body(m, at, &next))
		return;
	if (!m->reply)
		tree_connect(m, &next);
	else if (m->status == 0)
		smb_keep_tree(m, smb_answered(m));
}

static void create(struct smb *m, struct body *b)
{
	const struct smb_wait *w = m->reply ? smb_answered(m) : NULL;
	struct smb_name name = { .len = 0 };
	rd_skip(&b->words, 5);
	if (m->reply) {
		uint16_t fid = rd_le16(&b->words);
		if (w != NULL && w->name.len > 0)
			pdu_copy(m->out, SMB_FILE, w->name.at, w->name.len);
		if (w != NULL && m->status == 0 && !b->words.overrun)
			smb_keep_file(m, w, fid);
		return;
	}
	rd_skip(&b->words, 10);
	pdu_uint(m->out, SMB_ACCESS, rd_le32(&b->words));
	rd_skip(&b->words, 16);
	pdu_uint(m->out, SMB_DISPOSITION, rd_le32(&b->words));
	align(m, b);
	smb_text(m, text(b), b->wide, SMB_FILE, &name);
	smb_wait(m, SMB_WAIT_FILE, &name);
}

static void write(struct smb *m, struct body *b)
{
	m->out->dissector = NULL;
	if (m->reply) {
		const struct smb_wait *w = smb_answered(m);
		m->out->dissector = w != NULL ? &smb_dissector : NULL;
		return;
	}
	rd_skip(&b->words, 4);
	uint16_t fid = rd_le16(&b->words);
	uint64_t offset = rd_le32(&b->words);
	rd_skip(&b->words, 8);
	uint32_t high = rd_le16(&b->words);
	uint32_t len = high << 16 | rd_le16(&b->words);
	uint16_t at = rd_le16(&b->words);
	if (b->words.overrun)
		return;
	if (b->words.left >= 4)
		offset |= (uint64_t)rd_le32(&b->words) << 32;
	struct smb_entry *file = smb_file_of(m, fid);
	enum smb_kind kind = smb_kind_of(m, file);
	if (kind != SMB_KIND_FILE && smb_rpc(m, from(m, at, len), file)) {
		m->out->dissector = &smb_dissector;
		smb_wait(m, SMB_WAIT_TOLD, NULL);
	} else if (kind != SMB_KIND_PIPE) {
		smb_write(m, &(struct smb_written){ 1, WRITE_ANDX, fid, offset, at, len });
	}
}

/* TRANSACTION and TRANSACTION2 begin alike. */
static void transaction(struct smb *m, struct body *b, bool pipe)
{
	rd_skip(&b->words, 2);
	pdu_uint(m->out, SMB_TOTAL_DATA, rd_le16(&b->words));
	rd_skip(&b->words, 18);
	uint16_t count = rd_le16(&b->words);
	uint16_t at = rd_le16(&b->words);
	uint8_t setup = rd_u8(&b->words);
	rd_skip(&b->words, 1);
	if (b->words.overrun || setup == 0)
		return;
	uint16_t subcommand = rd_le16(&b->words);
	pdu_uint(m->out, SMB_SUBCOMMAND, subcommand);
	if (!pipe || setup < 2)
		return;
	uint16_t fid = rd_le16(&b->words);
	pdu_uint(m->out, SMB_FID, fid);
	if (subcommand == TRANSACT_PIPE)
		smb_rpc(m, from(m, at, count), smb_file_of(m, fid));
}

static void nt_transaction(struct smb *m, struct body *b)
{
	rd_skip(&b->words, 7);
	uint32_t total = rd_le32(&b->words);
	rd_skip(&b->words, 16);
	uint32_t count = rd_le32(&b->words);
	rd_skip(&b->words, 5);
	uint16_t function = rd_le16(&b->words);
	if (b->words.overrun)
		return;
	pdu_uint(m->out, SMB_TOTAL_DATA, total);
	pdu_uint(m->out, SMB_SUBCOMMAND, function);
	m->st->open_nt_trans = count < total;
}

static void show_status(struct smb *m)
{
	if (m->out->dissector == NULL || !m->reply)
		return;
	const struct smb_wait *w = smb_answered(m);
	if (w != NULL && w->kind == SMB_WAIT_TREE && m->status == 0)
		smb_keep_tree(m, w);
}

static void request(struct smb *m, uint8_t command, struct body *b)
{
	if (command == SESSION_SETUP)
		session_setup(m, b);
	else if (command == TREE_CONNECT)
		tree_connect(m, b);
	else if (command == TRANS || command == TRANS2)
		transaction(m, b, command == TRANS);
	else if (command == NT_TRANS)
		nt_transaction(m, b);
	else if (command == TRANS2_SECONDARY)
		pdu_uint(m->out, SMB_MISMATCH, m->st->open_nt_trans);
	else if (command == NT_TRANS_SECONDARY)
		m->st->open_nt_trans = true;
	if (command == SESSION_SETUP)
		chained(m, b);
	else
		smb_show_tree(m);
}

void smb1_command(struct smb *m)
{
	struct reader r = m->window;
	rd_skip(&r, 4);
	uint8_t command = rd_u8(&r);
	m->status = rd_le32(&r);
	m->reply = rd_u8(&r) & REPLY;
	uint16_t flags = rd_le16(&r);
	rd_skip(&r, 12);
	m->tree = rd_le16(&r);
	rd_skip(&r, 4);
	m->mid = rd_le16(&r);
	const struct code_name *name = command_names;
	while (name->name != NULL && name->code != command)
		name++;
	struct body b = { .wide = flags & WIDE };
	bool whole = read_body(m, HEADER, &b);
	if (r.overrun || name->name == NULL)
		return;
	smb_tell(m, 1, command, name->name);
	pdu_uint(m->out, SMB_MULTIPLEX, m->mid);
	if (!whole) {
		pdu_damaged(m->out, "command ends inside its words");
		return;
	}
	if (command == NT_CREATE)
		create(m, &b);
	else if (command == WRITE_ANDX)
		write(m, &b);
	else if (m->reply && command == SESSION_SETUP)
		chained(m, &b);
	else if (m->reply)
		show_status(m);
	else
		request(m, command, &b);
}
