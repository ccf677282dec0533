/* smb2.c - commands of SMB 2 and 3 in clear. Spec: [SMB2] MS-SMB2 2.2. */
#include "dissectors/smb.h"

enum { HEADER = 64, REPLY = 1, ASYNC = 2, PENDING = 0x103 };
enum {
	NEGOTIATE = 0,
	SESSION_SETUP = 1,
	TREE_CONNECT = 3,
	CREATE = 5,
	CLOSE = 6,
	WRITE = 9,
	IOCTL = 11,
	PIPE_TRANSCEIVE = 0x11c017,
};

/* @at and @len from the command's header. */
static struct reader part(const struct smb *m, uint32_t at, uint32_t len)
{
	struct reader r = m->window;
	rd_skip(&r, at);
	if (r.overrun)
		return (struct reader){ .overrun = true };
	r.left = r.left < len ? r.left : len;
	return r;
}

static void session_setup(struct smb *m, struct reader *r)
{
	smb_tell(m, 2, SESSION_SETUP, "session_setup");
	rd_skip(r, 12);
	uint16_t at = rd_le16(r);
	uint16_t len = rd_le16(r);
	if (!m->reply && !r->overrun)
		smb_user(m, part(m, at, len));
}

static void tree_connect(struct smb *m, struct reader *r)
{
	smb_tell(m, 2, TREE_CONNECT, "tree_connect");
	struct smb_name name;
	const struct smb_wait *w = m->reply ? smb_answered(m) : NULL;
	if (w != NULL && m->status == 0)
		smb_keep_tree(m, w);
	smb_show_tree(m);
	if (m->reply)
		return;
	rd_skip(r, 4);
	uint16_t at = rd_le16(r);
	uint16_t len = rd_le16(r);
	smb_text(m, part(m, at, len), true, SMB_TREE, &name);
	smb_wait(m, SMB_WAIT_TREE, &name);
}

static void create_reply(struct smb *m, struct reader *r)
{
	const struct smb_wait *w = smb_answered(m);
	rd_skip(r, 64 + 8); /* to the volatile half of the file's id */
	uint64_t id = rd_le(r, 8);
	smb_tell(m, 2, CREATE, "create");
	if (w == NULL)
		return;
	if (w->name.len > 0)
		pdu_copy(m->out, SMB_FILE, w->name.at, w->name.len);
	if (m->status == 0 && !r->overrun)
		smb_keep_file(m, w, id);
	m->tree = w->tree;
	smb_show_tree(m);
}

static void create(struct smb *m, struct reader *r)
{
	if (m->reply) {
		create_reply(m, r);
		return;
	}
	smb_tell(m, 2, CREATE, "create");
	rd_skip(r, 24);
	pdu_uint(m->out, SMB_ACCESS, rd_le32(r));
	rd_skip(r, 8);
	pdu_uint(m->out, SMB_DISPOSITION, rd_le32(r));
	rd_skip(r, 4);
	uint16_t at = rd_le16(r);
	uint16_t len = rd_le16(r);
	struct smb_name name = { .len = 0 };
	smb_text(m, part(m, at, len), true, SMB_FILE, &name);
	smb_show_tree(m);
	smb_wait(m, SMB_WAIT_FILE, &name);
}

static void told_call(struct smb *m, uint16_t command)
{
	const char *name = m->out->name;
	int32_t code = m->out->code;
	smb_tell(m, 2, command, name);
	m->out->code = code == PDU_NO_CODE ? command : code;
	smb_wait(m, SMB_WAIT_TOLD, NULL);
}

static void write(struct smb *m, struct reader *r)
{
	rd_skip(r, 2);
	uint16_t at = rd_le16(r);
	uint32_t len = rd_le32(r);
	uint64_t offset = rd_le(r, 8);
	rd_skip(r, 8);
	uint64_t id = rd_le(r, 8);
	if (r->overrun)
		return;
	struct smb_entry *file = smb_file_of(m, id);
	enum smb_kind kind = smb_kind_of(m, file);
	if (kind != SMB_KIND_FILE && smb_rpc(m, part(m, at, len), file))
		told_call(m, WRITE);
	else if (kind != SMB_KIND_PIPE)
		smb_write(m, &(struct smb_written){ 2, WRITE, id, offset, at, len });
}

/* The file is written, whole or not. */
static void close_file(struct smb *m, struct reader *r)
{
	rd_skip(r, 16);
	m->out->content.key = rd_le(r, 8);
	m->out->content.offset = 0;
	m->out->content.last = !r->overrun;
}

static void ioctl(struct smb *m, struct reader *r)
{
	rd_skip(r, 4);
	uint32_t control = rd_le32(r);
	rd_skip(r, 8);
	uint64_t id = rd_le(r, 8);
	uint32_t at = rd_le32(r);
	uint32_t len = rd_le32(r);
	if (!r->overrun && control == PIPE_TRANSCEIVE &&
		smb_rpc(m, part(m, at, len), smb_file_of(m, id)))
		told_call(m, IOCTL);
}

static void reply_to_call(struct smb *m, uint16_t command)
{
	const struct smb_wait *w = smb_answered(m);
	if (w != NULL && w->kind == SMB_WAIT_TOLD)
		smb_tell(m, 2, command, command == WRITE ? "write" : "ioctl");
}

void smb2_command(struct smb *m)
{
	struct reader r = m->window;
	rd_skip(&r, 8);
	m->status = rd_le32(&r);
	uint16_t command = rd_le16(&r);
	rd_skip(&r, 2);
	uint32_t flags = rd_le32(&r);
	rd_skip(&r, 4);
	m->mid = rd_le(&r, 8);
	rd_skip(&r, 4);
	m->tree = flags & ASYNC ? 0 : rd_le32(&r);
	m->reply = flags & REPLY;
	r = m->window;
	rd_skip(&r, HEADER);
	if (r.overrun || (m->reply && m->status == PENDING))
		return;
	if (command == NEGOTIATE)
		smb_tell(m, 2, command, "negotiate");
	else if (command == SESSION_SETUP)
		session_setup(m, &r);
	else if (command == TREE_CONNECT)
		tree_connect(m, &r);
	else if (command == CREATE)
		create(m, &r);
	else if (m->reply && (command == WRITE || command == IOCTL))
		reply_to_call(m, command);
	else if (command == WRITE)
		write(m, &r);
	else if (command == IOCTL)
		ioctl(m, &r);
	else if (command == CLOSE && !m->reply)
		close_file(m, &r);
}
