/* modbus_pdu.c - what follows the function code, one small parser a layout.
 * Spec: [MB] 6 and 7. Parsers read on past the end (zeros, overrun) and modbus_pdu() asks once. */
#include "dissectors/modbus.h"

void modbus_take_data(struct reader *r, struct pdu *out)
{
	struct reader rest = rd_slice(r, r->left);
	if (rest.left > 0)
		pdu_borrow(out, MODBUS_DATA, rest.at, rest.left);
}

/* The bytes that a count before them announces; all there are where it says more. */
static struct reader take_counted(struct reader *r, size_t count, struct pdu *out)
{
	if (!r->overrun && count > r->left)
		pdu_damaged(out, "byte count runs past the message");
	return rd_upto(r, count);
}

static void check_quantity(const struct reader *r, unsigned quantity, unsigned max, struct pdu *out)
{
	if (!r->overrun && (quantity == 0 || quantity > max))
		pdu_damaged(out, "quantity outside the range of the function");
}

static void check_bytes(const struct reader *r, size_t said, size_t due, struct pdu *out)
{
	if (!r->overrun && said != due)
		pdu_damaged(out, "byte count does not fit the quantity");
}

static void parse_opaque(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	modbus_take_data(r, out);
}

static void parse_nothing(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)r;
	(void)fn;
	(void)out;
}

static void parse_read(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	modbus_take16(r, out, MODBUS_ADDRESS);
	uint16_t quantity = modbus_take16(r, out, MODBUS_QUANTITY);
	check_quantity(r, quantity, fn->max, out);
}

static void parse_write_coil(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	modbus_take16(r, out, MODBUS_ADDRESS);
	struct reader value = *r;
	uint16_t v = modbus_take16(r, out, MODBUS_VALUE);
	if (r->overrun)
		return;
	modbus_items(out, MODBUS_WRITE_COIL, value);
	if (v != 0 && v != 0xff00)
		pdu_damaged(out, "coil value is neither FF00 nor 0000");
}

static void parse_write_register(
	struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	modbus_take16(r, out, MODBUS_ADDRESS);
	struct reader value = *r;
	modbus_take16(r, out, MODBUS_VALUE);
	if (!r->overrun)
		modbus_items(out, MODBUS_WRITE_REGISTER, value);
}

static void parse_write_bits(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	modbus_take16(r, out, MODBUS_ADDRESS);
	uint16_t quantity = modbus_take16(r, out, MODBUS_QUANTITY);
	check_quantity(r, quantity, fn->max, out);
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	check_bytes(r, bytes, (quantity + 7U) / 8, out);
	modbus_items(out, MODBUS_WRITE_BITS, take_counted(r, bytes, out));
}

static void parse_write_words(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	modbus_take16(r, out, MODBUS_ADDRESS);
	uint16_t quantity = modbus_take16(r, out, MODBUS_QUANTITY);
	check_quantity(r, quantity, fn->max, out);
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	check_bytes(r, bytes, quantity * 2U, out);
	modbus_items(out, MODBUS_WRITE_WORDS, take_counted(r, bytes, out));
}

static void parse_mask(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	modbus_take16(r, out, MODBUS_ADDRESS);
	modbus_take16(r, out, MODBUS_AND_MASK);
	modbus_take16(r, out, MODBUS_OR_MASK);
}

static void parse_read_write(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	modbus_take16(r, out, MODBUS_ADDRESS);
	uint16_t quantity = modbus_take16(r, out, MODBUS_QUANTITY);
	check_quantity(r, quantity, fn->max, out);
	modbus_take16(r, out, MODBUS_WRITE_ADDRESS);
	uint16_t written = modbus_take16(r, out, MODBUS_WRITE_QUANTITY);
	check_quantity(r, written, fn->max_write, out);
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	check_bytes(r, bytes, written * 2U, out);
	modbus_items(out, MODBUS_READ_WRITE, take_counted(r, bytes, out));
}

static void parse_bits(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	if (!r->overrun && (bytes == 0 || bytes > fn->max / 8))
		pdu_damaged(out, "byte count outside the range of the function");
	modbus_items(out, MODBUS_BITS, take_counted(r, bytes, out));
}

static void parse_words(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	if (!r->overrun && (bytes == 0 || bytes % 2 != 0 || bytes > fn->max * 2))
		pdu_damaged(out, "byte count outside the range of the function");
	modbus_items(out, MODBUS_WORDS, take_counted(r, bytes, out));
}

static void parse_fifo_address(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	modbus_take16(r, out, MODBUS_ADDRESS);
}

static void parse_fifo(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	uint16_t bytes = modbus_take16(r, out, MODBUS_BYTE_COUNT);
	uint16_t count = modbus_take16(r, out, MODBUS_QUANTITY);
	if (!r->overrun && count > fn->max)
		pdu_damaged(out, "more than 31 values in a queue");
	check_bytes(r, bytes, 2 + count * 2U, out);
	modbus_items(out, MODBUS_FIFO, take_counted(r, count * 2U, out));
}

static void parse_status(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	modbus_take8(r, out, MODBUS_EXCEPTION_STATUS);
}

static void parse_counter(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	modbus_take16(r, out, MODBUS_COMM_STATUS);
	modbus_take16(r, out, MODBUS_EVENT_COUNT);
}

static void parse_log(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	struct reader log = take_counted(r, bytes, out);
	parse_counter(&log, fn, out);
	modbus_take16(&log, out, MODBUS_MESSAGE_COUNT);
	if (log.overrun)
		pdu_damaged(out, "byte count too small for the counters");
	modbus_take_data(&log, out);
}

/* The longest run of printable characters, if it is a word at all. */
static void find_text(struct reader bytes, struct pdu *out)
{
	size_t best = 0, length = 0, run = 0;
	for (size_t i = 0; i < bytes.left; i++) {
		run = bytes.at[i] >= ' ' && bytes.at[i] < 0x7f ? run + 1 : 0;
		if (run > length) {
			length = run;
			best = i + 1 - run;
		}
	}
	if (length >= 4)
		pdu_borrow(out, MODBUS_SERVER_TEXT, bytes.at + best, length);
}

static void parse_server(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	struct reader id = take_counted(r, bytes, out);
	if (id.left == 0)
		return;
	pdu_borrow(out, MODBUS_SERVER_ID, id.at, id.left);
	find_text(id, out);
}

/* [MB] 6.8: one word of data, but an echo takes any and Modbus Plus answers with a table. */
static void parse_diagnostic(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	uint16_t sub = modbus_take16(r, out, MODBUS_SUBFUNCTION);
	struct reader word = *r;
	modbus_take16(&word, out, MODBUS_DIAGNOSTIC_DATA);
	if (sub == 0 || sub == 21)
		modbus_take_data(r, out);
	else
		rd_skip(r, 2);
}

/* The first group of a file message is also told in the header. */
static void first_group(struct pdu *out, uint16_t file, uint16_t record, uint16_t length)
{
	if (pdu_has(out, MODBUS_FILE))
		return;
	pdu_uint(out, MODBUS_FILE, file);
	pdu_uint(out, MODBUS_RECORD, record);
	pdu_uint(out, MODBUS_RECORD_LENGTH, length);
}

/* [MB] 6.14 and 6.15: reference type 6, file, record, length, and when written the registers. */
static void parse_groups(struct reader groups, bool data, struct pdu *out)
{
	while (groups.left > 0) {
		uint8_t type = rd_u8(&groups);
		uint16_t file = rd_be16(&groups);
		uint16_t record = rd_be16(&groups);
		uint16_t length = rd_be16(&groups);
		if (data && !groups.overrun)
			rd_skip(&groups, length * 2U);
		if (groups.overrun) {
			pdu_damaged(out, "file group runs past the message");
			return;
		}
		first_group(out, file, record, length);
		if (type != 6)
			pdu_damaged(out, "file reference type is not 6");
		else if (file == 0 || record > 9999)
			pdu_damaged(out, "file or record number outside its range");
	}
}

static void parse_file_read(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	if (!r->overrun && (bytes < 7 || bytes > 245))
		pdu_damaged(out, "byte count outside the range of the function");
	struct reader groups = take_counted(r, bytes, out);
	parse_groups(groups, false, out);
	modbus_items(out, MODBUS_FILE_READ, groups);
}

static void parse_file_write(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	if (!r->overrun && (bytes < 9 || bytes > 251))
		pdu_damaged(out, "byte count outside the range of the function");
	struct reader groups = take_counted(r, bytes, out);
	parse_groups(groups, true, out);
	modbus_items(out, MODBUS_FILE_WRITE, groups);
}

/* [MB] 6.14, reply: length, reference type 6, registers. */
static void parse_file_data(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	uint8_t bytes = modbus_take8(r, out, MODBUS_BYTE_COUNT);
	if (!r->overrun && (bytes < 4 || bytes > 245))
		pdu_damaged(out, "byte count outside the range of the function");
	struct reader groups = take_counted(r, bytes, out);
	modbus_items(out, MODBUS_FILE_DATA, groups);
	while (groups.left > 0 && !groups.overrun) {
		uint8_t length = rd_u8(&groups);
		uint8_t type = rd_peek(&groups, 0);
		rd_skip(&groups, length);
		if (groups.overrun || length == 0)
			pdu_damaged(out, "file group runs past the message");
		else if (type != 6)
			pdu_damaged(out, "file reference type is not 6");
	}
}

static void parse_mei(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	uint8_t type = modbus_take8(r, out, MODBUS_MEI_TYPE);
	if (r->overrun || type != MODBUS_DEVICE_ID) {
		modbus_take_data(r, out);
		return;
	}
	uint8_t code = modbus_take8(r, out, MODBUS_DEVICE_ID_CODE);
	modbus_take8(r, out, MODBUS_OBJECT_ID);
	if (!r->overrun && (code == 0 || code > 4))
		pdu_damaged(out, "device identification code outside 1 to 4");
}

static void parse_objects(struct reader *r, unsigned count, struct pdu *out)
{
	struct reader objects = *r;
	for (; count > 0 && !r->overrun; count--) {
		uint8_t id = rd_u8(r);
		struct reader text = rd_slice(r, rd_u8(r));
		if (text.overrun)
			r->overrun = true;
		else if (id <= MODBUS_APPLICATION_NAME - MODBUS_VENDOR_NAME)
			pdu_borrow(out, MODBUS_VENDOR_NAME + (unsigned)id, text.at, text.left);
	}
	if (r->overrun)
		pdu_damaged(out, "identification object runs past the message");
	modbus_items(out, MODBUS_MEI_REPLY, objects);
}

static void parse_mei_reply(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	uint8_t type = modbus_take8(r, out, MODBUS_MEI_TYPE);
	if (r->overrun || type != MODBUS_DEVICE_ID) {
		modbus_take_data(r, out);
		return;
	}
	modbus_take8(r, out, MODBUS_DEVICE_ID_CODE);
	modbus_take8(r, out, MODBUS_CONFORMITY);
	modbus_take8(r, out, MODBUS_MORE_FOLLOWS);
	modbus_take8(r, out, MODBUS_NEXT_OBJECT);
	uint8_t count = modbus_take8(r, out, MODBUS_OBJECT_COUNT);
	if (!r->overrun)
		parse_objects(r, count, out);
}

static void parse_error(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	uint8_t code = modbus_take8(r, out, MODBUS_EXCEPTION);
	out->rejected = code != MODBUS_ACKNOWLEDGE;
	out->status = code;
	out->status_name = modbus_exception_name(code);
}

// clang-format off
static void (*const parsers[MODBUS_LAYOUTS])(struct reader *, const struct modbus_function *,
	struct pdu *) = {
	[MODBUS_OPAQUE]         = parse_opaque,
	[MODBUS_NOTHING]        = parse_nothing,
	[MODBUS_READ]           = parse_read,
	[MODBUS_WRITE_COIL]     = parse_write_coil,
	[MODBUS_WRITE_REGISTER] = parse_write_register,
	[MODBUS_WRITE_BITS]     = parse_write_bits,
	[MODBUS_WRITE_WORDS]    = parse_write_words,
	[MODBUS_WRITTEN]        = parse_read,
	[MODBUS_MASK]           = parse_mask,
	[MODBUS_READ_WRITE]     = parse_read_write,
	[MODBUS_BITS]           = parse_bits,
	[MODBUS_WORDS]          = parse_words,
	[MODBUS_FIFO_ADDRESS]   = parse_fifo_address,
	[MODBUS_FIFO]           = parse_fifo,
	[MODBUS_STATUS]         = parse_status,
	[MODBUS_COUNTER]        = parse_counter,
	[MODBUS_LOG]            = parse_log,
	[MODBUS_SERVER]         = parse_server,
	[MODBUS_DIAGNOSTIC]     = parse_diagnostic,
	[MODBUS_FILE_READ]      = parse_file_read,
	[MODBUS_FILE_DATA]      = parse_file_data,
	[MODBUS_FILE_WRITE]     = parse_file_write,
	[MODBUS_MEI]            = parse_mei,
	[MODBUS_MEI_REPLY]      = parse_mei_reply,
	[MODBUS_UMAS]           = modbus_umas_request,
	[MODBUS_UMAS_REPLY]     = modbus_umas_reply,
	[MODBUS_ERROR]          = parse_error,
};
// clang-format on

static enum modbus_layout layout_of(uint8_t code, enum pdu_dir dir)
{
	if (code & MODBUS_EXCEPTION_BIT)
		return MODBUS_ERROR;
	const struct modbus_function *fn = &modbus_functions[code];
	return dir == PDU_REQ ? fn->request : fn->reply;
}

bool modbus_pdu(struct reader *pdu, enum pdu_dir dir, struct pdu *out)
{
	uint8_t code = rd_u8(pdu);
	const struct modbus_function *fn = &modbus_functions[code & ~MODBUS_EXCEPTION_BIT];
	if (pdu->overrun) {
		pdu_damaged(out, "no function code");
		return false;
	}
	out->dir = code & MODBUS_EXCEPTION_BIT ? PDU_RSP : dir;
	out->code = code & ~MODBUS_EXCEPTION_BIT;
	out->name = fn->name == NULL ? "unassigned" : fn->name;
	pdu_uint(out, MODBUS_FUNCTION, (unsigned)out->code);
	if (out->dir != dir)
		pdu_damaged(out, "exception sent by the client");
	if (out->code == 0)
		pdu_damaged(out, "function code 0");

	parsers[layout_of(code, dir)](pdu, fn, out);
	if (pdu->overrun)
		pdu_damaged(out, "message ends before its fields do");
	else if (pdu->left > 0)
		pdu_damaged(out, "bytes left over after the message");
	return out->malformed == NULL;
}
