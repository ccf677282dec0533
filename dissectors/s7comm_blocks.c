/* s7comm_blocks.c - blocks going down and up, and program invocations. In a download the roles
 * turn: after the request the PLC asks for the pieces with jobs of its own. */
#include "dissectors/s7comm.h"

static const struct {
	const char *service; /* NULL: told apart by its argument, or none */
	enum s7_operation operation;
} services[] = {
#define OPERATION(id, service, name) { service, S7_PI_##id },
#include "dissectors/s7comm_pi.def"
#undef OPERATION
};

static bool is(struct reader r, const char *text)
{
	return text != NULL && r.left == strlen(text) && memcmp(r.at, text, r.left) == 0;
}

/* Decimal digits; false if there is another character or none. */
static bool decimal(const uint8_t *text, size_t n, uint32_t *value)
{
	uint32_t v = 0;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		v = v * 10 + (uint32_t)(text[i] - '0');
	}
	*value = v;
	return n > 0;
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

bool s7_block_of(const uint8_t *name, struct s7_block *block)
{
	int high = hex_digit(name[0]);
	int low = hex_digit(name[1]);
	if (high < 0 || low < 0 || !decimal(name + 2, 5, &block->number))
		return false;
	block->type = (uint8_t)(high << 4 | low);
	block->filesystem = (char)name[7];
	return true;
}

void s7_show_block(struct pdu *out, const struct s7_block *block)
{
	pdu_uint(out, S7_BLOCK_TYPE, block->type);
	pdu_uint(out, S7_BLOCK_NUMBER, block->number);
}

/* A length octet and the name; of S7 blocks "_" and the eight characters of s7_block_of(). */
static bool read_filename(struct s7 *m, struct s7_block *block)
{
	uint8_t length = rd_u8(&m->param);
	struct reader name = rd_slice(&m->param, length);
	if (m->param.overrun) {
		pdu_damaged(m->out, "file name runs past the parameters");
		return false;
	}
	pdu_borrow(m->out, S7_FILENAME, name.at, name.left);
	if (name.left != 9 || !s7_block_of(name.at + 1, block))
		return false;
	s7_show_block(m->out, block);
	pdu_borrow(m->out, S7_FILESYSTEM, name.at + 8, 1);
	return true;
}

/* Load memory and code length: a mark, then six decimal digits each. */
static void read_lengths(struct s7 *m)
{
	uint8_t length = rd_u8(&m->param);
	struct reader text = rd_slice(&m->param, length);
	uint32_t value;
	if (text.overrun || text.left != 13)
		return;
	if (decimal(text.at + 1, 6, &value))
		pdu_uint(m->out, S7_LOAD_LENGTH, value);
	if (decimal(text.at + 7, 6, &value))
		pdu_uint(m->out, S7_CODE_LENGTH, value);
}

static struct s7_upload *upload_by_id(struct s7_state *st, uint32_t id)
{
	for (unsigned i = 0; st != NULL && id != 0 && i < S7_UPLOADS; i++)
		if (st->upload[i].used && st->upload[i].id == id)
			return &st->upload[i];
	return NULL;
}

static void remember_upload(struct s7 *m, const struct s7_block *block)
{
	if (m->state == NULL)
		return;
	m->state->upload[m->state->next_upload] =
		(struct s7_upload){ .reference = m->reference, .used = true, .block = *block };
	m->state->next_upload = (uint8_t)((m->state->next_upload + 1) % S7_UPLOADS);
}

void s7_block_request(struct s7 *m, uint8_t function)
{
	struct s7_block block;
	rd_skip(&m->param, 3); /* status and two bytes that are an error code in END_UPLOAD */
	uint32_t id = rd_be32(&m->param);
	if (m->param.overrun) {
		pdu_damaged(m->out, "parameters too short for the function");
		return;
	}
	if (function == S7_UPLOAD || function == S7_END_UPLOAD) {
		const struct s7_upload *up = upload_by_id(m->state, id);
		pdu_uint(m->out, S7_UPLOAD_ID, id);
		if (up != NULL)
			s7_show_block(m->out, &up->block);
		return;
	}
	bool known = read_filename(m, &block);
	if (function == S7_START_UPLOAD && known)
		remember_upload(m, &block);
	if (function == S7_REQUEST_DOWNLOAD && m->param.left > 0)
		read_lengths(m);
}

/* The answer to START_UPLOAD gives the number by which the pieces are asked for. */
static void start_upload_reply(struct s7 *m)
{
	rd_skip(&m->param, 3);
	uint32_t id = rd_be32(&m->param);
	uint8_t length = rd_u8(&m->param);
	struct reader text = rd_slice(&m->param, length);
	uint32_t bytes;
	if (text.overrun)
		return;
	pdu_uint(m->out, S7_UPLOAD_ID, id);
	if (decimal(text.at, text.left < 9 ? text.left : 9, &bytes))
		pdu_uint(m->out, S7_LOAD_LENGTH, bytes);
	for (unsigned i = 0; m->state != NULL && i < S7_UPLOADS; i++) {
		struct s7_upload *up = &m->state->upload[i];
		if (up->id == id)
			up->used = false; /* ended: devices use their numbers again */
		if (!up->used || up->id != 0 || up->reference != m->reference)
			continue;
		up->id = id;
		s7_show_block(m->out, &up->block);
	}
}

void s7_block_reply(struct s7 *m, uint8_t function)
{
	if (function == S7_START_UPLOAD) {
		start_upload_reply(m);
		return;
	}
	if (function != S7_UPLOAD && function != S7_DOWNLOAD_BLOCK)
		return;
	if (m->param.left > 0)
		pdu_uint(m->out, S7_MORE_DATA, rd_u8(&m->param) & 1);
	if (m->data.left == 0)
		return;
	uint16_t length = rd_be16(&m->data);
	rd_skip(&m->data, 2);
	struct reader piece = rd_slice(&m->data, length);
	if (piece.overrun)
		pdu_damaged(m->out, "block data runs past the message");
	else
		pdu_borrow(m->out, S7_BLOCK_DATA, piece.at, piece.left);
}

static enum s7_operation operation_of(struct reader service, struct reader argument)
{
	for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
		if (!is(service, services[i].service))
			continue;
		if (services[i].operation != S7_PI_HOT_START || argument.left == 0)
			return services[i].operation;
		return rd_peek(&argument, 0) == 'C' ? S7_PI_COLD_START : S7_PI_PROGRAM_OTHER;
	}
	return S7_PI_OTHER;
}

/* The blocks that _INSE, _INS2 and _DELE name: count, 0, eight characters each. */
static void read_block_list(struct s7 *m, struct reader list)
{
	uint8_t count = rd_u8(&list);
	struct s7_block block;
	rd_skip(&list, 1);
	pdu_uint(m->out, S7_BLOCK_COUNT, count);
	if (list.overrun || list.left < (size_t)count * 8)
		pdu_damaged(m->out, "block count beyond the bytes");
	else if (count > 0 && s7_block_of(list.at, &block)) {
		s7_show_block(m->out, &block);
		pdu_borrow(m->out, S7_FILENAME, list.at, 8);
		pdu_borrow(m->out, S7_FILESYSTEM, list.at + 7, 1);
	}
	s7_items(m, S7_WALK_BLOCKS, &list, count);
}

/* Seven bytes, argument with two bytes of length, service with one. */
void s7_pi_request(struct s7 *m)
{
	rd_skip(&m->param, 7);
	uint16_t length = rd_be16(&m->param);
	struct reader argument = rd_slice(&m->param, length);
	uint8_t name_length = rd_u8(&m->param);
	struct reader service = rd_slice(&m->param, name_length);
	if (m->param.overrun) {
		pdu_damaged(m->out, "service name runs past the parameters");
		return;
	}
	enum s7_operation op = operation_of(service, argument);
	pdu_borrow(m->out, S7_PI_SERVICE, service.at, service.left);
	pdu_uint(m->out, S7_PI_OPERATION, op);
	if (op == S7_PI_INSERT_BLOCK || op == S7_PI_INSERT_BLOCK_2 || op == S7_PI_DELETE_BLOCK)
		read_block_list(m, argument);
	else if (op != S7_PI_NC_LOGIN && op != S7_PI_NC_NEW_PASSWORD && argument.left > 0)
		pdu_borrow(m->out, S7_PI_ARGUMENT, argument.at, argument.left); /* no passwords */
}

/* Five bytes and the name of the program to stop. */
void s7_stop_request(struct s7 *m)
{
	rd_skip(&m->param, 5);
	uint8_t length = rd_u8(&m->param);
	struct reader service = rd_slice(&m->param, length);
	if (service.overrun)
		pdu_damaged(m->out, "service name runs past the parameters");
	else
		pdu_borrow(m->out, S7_PI_SERVICE, service.at, service.left);
}
