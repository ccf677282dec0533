/* smb.c - SMB over TCP or NetBIOS sessions: frames, and what a connection has open. A frame may be
 * 16 MiB; a window of each command is read and the rest passes by.
 * Specs: [NBSS] RFC 1002 4.3, [SMB2] MS-SMB2, [CIFS] MS-CIFS. */
#include "dissectors/smb.h"

enum { NBSS = 4, SESSION_MESSAGE = 0, SESSION_REQUEST = 0x81, KEEP_ALIVE = 0x85, FRAME_LEAST = 32 };
enum { MORE_PROCESSING = 0x16 };

/* --- what is open ------------------------------------------------------------------------ */

struct smb_entry *smb_file_of(struct smb *m, uint64_t id)
{
	for (unsigned i = 0; i < SMB_FILES; i++)
		if (m->st->file[i].name.len > 0 && m->st->file[i].id == id)
			return &m->st->file[i];
	return NULL;
}

static const struct smb_entry *tree_of(const struct smb *m, uint64_t id)
{
	for (unsigned i = 0; i < SMB_TREES; i++)
		if (m->st->tree[i].name.len > 0 && m->st->tree[i].id == id)
			return &m->st->tree[i];
	return NULL;
}

enum smb_kind smb_kind_of(const struct smb *m, const struct smb_entry *file)
{
	const struct smb_entry *tree = tree_of(m, file == NULL ? m->tree : file->tree);
	if (tree == NULL)
		return SMB_KIND_UNKNOWN;
	unsigned n = tree->name.len < 4 ? tree->name.len : 4;
	struct reader end = rd_over((const uint8_t *)tree->name.at + tree->name.len - n, n);
	return office_is(&end, "ipc$") ? SMB_KIND_PIPE : SMB_KIND_FILE;
}

void smb_show_tree(struct smb *m)
{
	const struct smb_entry *tree = tree_of(m, m->tree);
	if (tree != NULL)
		pdu_copy(m->out, SMB_TREE, tree->name.at, tree->name.len);
}

void smb_wait(struct smb *m, enum smb_wait_kind kind, const struct smb_name *name)
{
	struct smb_wait *w = &m->st->wait[m->st->next_wait++ % SMB_WAITS];
	*w = (struct smb_wait){ .mid = m->mid, .tree = m->tree, .kind = (uint8_t)kind };
	if (name != NULL)
		w->name = *name;
}

const struct smb_wait *smb_answered(struct smb *m)
{
	for (unsigned i = 0; i < SMB_WAITS; i++) {
		struct smb_wait *w = &m->st->wait[i];
		if (w->kind == SMB_WAIT_NONE || w->mid != m->mid)
			continue;
		w->mid = UINT64_MAX;
		return w;
	}
	return NULL;
}

void smb_keep_tree(struct smb *m, const struct smb_wait *w)
{
	if (w == NULL || w->kind != SMB_WAIT_TREE || w->name.len == 0)
		return;
	struct smb_entry *e = NULL;
	for (unsigned i = 0; i < SMB_TREES; i++)
		if (m->st->tree[i].id == m->tree && m->st->tree[i].name.len > 0)
			e = &m->st->tree[i];
	if (e == NULL)
		e = &m->st->tree[m->st->next_tree++ % SMB_TREES];
	*e = (struct smb_entry){ .id = m->tree, .name = w->name };
}

void smb_keep_file(struct smb *m, const struct smb_wait *w, uint64_t id)
{
	if (w->kind != SMB_WAIT_FILE || w->name.len == 0)
		return;
	struct smb_entry *e = smb_file_of(m, id);
	if (e == NULL)
		e = &m->st->file[m->st->next_file++ % SMB_FILES];
	*e = (struct smb_entry){ .id = id, .tree = w->tree, .name = w->name };
}

/* --- what is told ------------------------------------------------------------------------ */

static const char *status_text(uint32_t status)
{
	for (const struct code_name *n = smb_status_names; n->name != NULL; n++)
		if (n->code == status)
			return n->name;
	return NULL;
}

void smb_tell(struct smb *m, uint8_t version, uint16_t command, const char *name)
{
	struct pdu *out = m->out;
	out->dissector = &smb_dissector;
	out->dir = m->reply ? PDU_RSP : PDU_REQ;
	out->name = name;
	out->code = command;
	out->tx = m->reply ? TX_REPLY : TX_REQUEST;
	out->tx_key = m->mid << 8 | command;
	pdu_uint(out, SMB_VERSION, version);
	pdu_uint(out, SMB_COMMAND, command);
	if (!m->reply)
		return;
	pdu_uint(out, SMB_STATUS, m->status);
	out->rejected = m->status >> 30 == 3 && m->status != (0xc0000000 | MORE_PROCESSING);
	out->status = (int32_t)(m->status & 0xffffff);
	out->status_name = status_text(m->status);
}

static size_t put_char(char *to, unsigned c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	to[0] = (char)(0xe0 | c >> 12);
	to[1] = (char)(0x80 | (c >> 6 & 0x3f));
	to[2] = (char)(0x80 | (c & 0x3f));
	return 3;
}

void smb_text(struct smb *m, struct reader r, bool wide, unsigned field, struct smb_name *name)
{
	char text[3 * 128];
	size_t n = 0;
	while (r.left >= (wide ? 2 : 1) && n + 3 <= sizeof text)
		n += put_char(text + n, wide ? rd_le16(&r) : rd_u8(&r));
	if (name != NULL) {
		name->len = (uint8_t)(n < SMB_NAME ? n : SMB_NAME);
		memcpy(name->at, text + (n - name->len), name->len);
	}
	if (n > 0)
		pdu_copy(m->out, field, text, n);
}

/* [MS-NLMP] 2.2.1.3: AUTHENTICATE_MESSAGE, the user's name in UTF-16. */
void smb_user(struct smb *m, struct reader blob)
{
	static const char signature[8] = "NTLMSSP";
	while (blob.left >= 64 && memcmp(blob.at, signature, sizeof signature) != 0)
		rd_skip(&blob, 1);
	struct reader r = blob;
	rd_skip(&r, 8);
	uint32_t type = rd_le32(&r);
	rd_skip(&r, 24);
	uint16_t len = rd_le16(&r);
	rd_skip(&r, 2);
	uint32_t at = rd_le32(&r);
	if (r.overrun || type != 3 || at > blob.left || len > blob.left - at)
		return;
	rd_skip(&blob, at);
	smb_text(m, rd_slice(&blob, len), true, SMB_USER, NULL);
}

void smb_write(struct smb *m, const struct smb_written *w)
{
	if (w->at < FRAME_LEAST || w->at > m->window.left || w->at >= m->size)
		return;
	m->file_at = w->at;
	m->file_len = w->len < m->size - w->at ? w->len : m->size - w->at;
	m->file_offset = w->offset;
	m->file_key = w->file;
	size_t there = m->window.left - w->at;
	enum content_kind kind =
		content_kind(m->window.at + w->at, there < m->file_len ? there : m->file_len);
	if (w->offset != 0 || kind == CONTENT_UNKNOWN)
		return;
	const struct smb_entry *open = smb_file_of(m, w->file);
	smb_tell(m, w->version, w->command, "write");
	smb_wait(m, SMB_WAIT_TOLD, NULL);
	pdu_uint(m->out, SMB_CONTENT, kind);
	if (open != NULL)
		pdu_copy(m->out, SMB_FILE, open->name.at, open->name.len);
	smb_show_tree(m);
}

/* --- frames ------------------------------------------------------------------------------ */

/* Bytes that nobody reads, or those of a file. */
static enum outcome pass(
	struct reader *in, struct smb_state *st, struct smb_side *s, struct pdu *out)
{
	bool file = s->file_in == 0 && s->file_left > 0;
	uint32_t want = file ? s->file_left : s->file_in > 0 ? s->file_in : s->skip;
	uint32_t n = want < in->left ? want : (uint32_t)in->left;
	const uint8_t *bytes = rd_bytes(in, n);
	s->skip -= n;
	s->frame_left -= n;
	if (!file) {
		s->file_in -= s->file_in > 0 ? n : 0;
		return DISSECT_OK;
	}
	out->content.at = bytes;
	out->content.len = n;
	out->content.offset = s->file_offset;
	out->content.key = s->file_key;
	for (unsigned i = 0; s->file_offset == 0 && i < SMB_FILES; i++)
		if (st->file[i].id == s->file_key) {
			out->content.name = st->file[i].name.at;
			out->content.name_len = st->file[i].name.len;
		}
	s->file_left -= n;
	s->file_offset += n;
	return DISSECT_OK;
}

/* The size of the first command of @window, of @left bytes in the frame: compounds say where the
 * next one starts. */
static uint32_t command_size(const struct reader *window, uint32_t left)
{
	struct reader r = *window;
	if (rd_u8(&r) != 0xfe)
		return left;
	rd_skip(&r, 19);
	uint32_t next = rd_le32(&r);
	return next >= 64 && next < left && !r.overrun ? next : left;
}

/* The command at the start of @r; at most a window of it is there. */
static void read_command(struct reader r, struct dissect *d, struct pdu *out)
{
	struct smb_state *st = d->state;
	struct smb_side *s = &st->side[d->dir];
	struct smb m = { .st = st, .side = s, .out = out, .window = r, .dir = d->dir };
	m.size = command_size(&r, s->frame_left);
	if (m.window.left > m.size)
		m.window.left = m.size;
	uint8_t magic = rd_peek(&r, 0);
	if (magic == 0xfe)
		smb2_command(&m);
	else if (magic == 0xff)
		smb1_command(&m);
	s->skip = m.size;
	s->file_in = m.file_at;
	s->file_left = m.file_at == 0 ? 0 : m.file_len;
	s->file_offset = m.file_offset;
	s->file_key = m.file_key;
}

static bool is_frame(const uint8_t *head)
{
	return head[0] == SESSION_MESSAGE || (head[0] >= SESSION_REQUEST && head[0] <= KEEP_ALIVE);
}

static enum outcome start_frame(
	struct reader *in, struct smb_side *s, struct dissect *d, struct pdu *out)
{
	struct reader r = *in;
	const uint8_t *head = rd_bytes(&r, NBSS);
	d->need = NBSS;
	if (head == NULL)
		return DISSECT_MORE;
	uint32_t length = (uint32_t)head[1] << 16 | (uint32_t)head[2] << 8 | head[3];
	uint32_t want = length < SMB_WINDOW ? length : SMB_WINDOW;
	bool message = head[0] == SESSION_MESSAGE && length >= FRAME_LEAST;
	if (message) {
		d->need = NBSS + want;
		if (r.left < want)
			return DISSECT_MORE;
	}
	bool known = !message || (memcmp(r.at + 1, "SMB", 3) == 0 && r.at[0] >= 0xfc);
	if (!is_frame(head) || !known) {
		out->dissector = &smb_dissector;
		out->name = "damaged";
		out->dir = office_dir(d->dir);
		return pdu_bad(out, "no SMB message");
	}
	s->frame_left = s->skip = length;
	if (message)
		read_command(rd_over(r.at, want), d, out);
	*in = r;
	return DISSECT_OK;
}

static enum outcome smb_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	struct smb_state *st = d->state;
	struct smb_side *s = &st->side[d->dir];
	if (s->frame_left == 0)
		return start_frame(in, s, d, out);
	if (s->skip > 0)
		return in->left == 0 ? DISSECT_MORE : pass(in, st, s, out);
	uint32_t want = s->frame_left < SMB_WINDOW ? s->frame_left : SMB_WINDOW;
	d->need = want;
	if (in->left < want)
		return DISSECT_MORE;
	read_command(rd_over(in->at, want), d, out);
	return pass(in, st, s, out);
}

static enum probe smb_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	if (l4 != L4_TCP)
		return PROBE_NO;
	if (in.left < 8)
		return in.left == 0 || rd_peek(&in, 0) == 0 || rd_peek(&in, 0) == SESSION_REQUEST
			       ? PROBE_MORE
			       : PROBE_NO;
	if (in.at[0] == SESSION_REQUEST)
		return in.at[1] == 0 && in.at[2] == 0 && in.at[3] == 68 ? PROBE_WEAK : PROBE_NO;
	if (in.at[0] != SESSION_MESSAGE || in.at[4] < 0xfc || memcmp(in.at + 5, "SMB", 3) != 0)
		return PROBE_NO;
	if (in.left >= 24) {
		bool reply = in.at[4] == 0xff ? in.at[13] >> 7 : in.at[20] & 1;
		hint->knows_dir = in.at[4] >= 0xfe;
		hint->dir = reply ? DIR_TO_CLIENT : DIR_TO_SERVER;
	}
	return PROBE_SURE;
}

/* A frame with a message. */
static size_t smb_resync(const uint8_t *bytes, size_t n, enum dir dir)
{
	(void)dir;
	for (size_t i = 1; i + 8 <= n; i++)
		if (bytes[i] == SESSION_MESSAGE && bytes[i + 4] >= 0xfc &&
			memcmp(bytes + i + 5, "SMB", 3) == 0)
			return i;
	return n;
}

static void smb_lost(struct dissect *d)
{
	struct smb_state *st = d->state;
	st->side[d->dir] = (struct smb_side){ 0 };
}

static const struct port_hint ports[] = { { L4_TCP, 445 }, { L4_TCP, 139 }, { 0, 0 } };

const struct dissector smb_dissector = {
	.name = "smb",
	.fields = smb_fields,
	.field_count = SMB_FIELDS,
	.ports = ports,
	.state_size = sizeof(struct smb_state),
	.reply_ms = 5000,
	.office = true,
	.probe = smb_probe,
	.dissect = smb_dissect,
	.resync = smb_resync,
	.lost = smb_lost,
};
