/* modbus_umas.c - Schneider's engineering protocol inside function 90. No public specification:
 * names follow published research, with "download" towards the controller and "upload" from it
 * throughout, and layouts follow captures. What is not known stays in modbus.data. */
#include "dissectors/modbus.h"

enum umas {
	UMAS_TAKE_RESERVATION = 0x10,
	UMAS_READ_MEMORY = 0x20,
	UMAS_WRITE_MEMORY = 0x21,
	UMAS_DOWNLOAD_BLOCK = 0x31,
	UMAS_DOWNLOAD_END = 0x32,
	UMAS_UPLOAD_START = 0x33,
	UMAS_UPLOAD_BLOCK = 0x34,
	UMAS_UPLOAD_END = 0x35,
};

// clang-format off
const struct code_name modbus_umas_functions[] = {
	{ 0x00, "get_comm_info" },
	{ 0x01, "init_comm" },
	{ 0x02, "read_id" },
	{ 0x03, "read_project_info" },
	{ 0x04, "read_plc_info" },
	{ 0x06, "read_card_info" },
	{ 0x0a, "echo" },
	{ 0x10, "take_reservation" },
	{ 0x11, "release_reservation" },
	{ 0x12, "keep_alive" },
	{ 0x20, "read_memory_block" },
	{ 0x21, "write_memory_block" },
	{ 0x22, "read_variables" },
	{ 0x23, "write_variables" },
	{ 0x24, "read_coils_registers" },
	{ 0x25, "write_coils_registers" },
	{ 0x26, "read_data_dictionary" },
	{ 0x30, "download_start" },
	{ 0x31, "download_block" },
	{ 0x32, "download_end" },
	{ 0x33, "upload_start" },
	{ 0x34, "upload_block" },
	{ 0x35, "upload_end" },
	{ 0x36, "backup" },
	{ 0x37, "preload_blocks" },
	{ 0x38, "authenticated_request" },
	{ 0x39, "read_ethernet_master_data" },
	{ 0x40, "start_plc" },
	{ 0x41, "stop_plc" },
	{ 0x42, "init_plc" },
	{ 0x43, "swap_blocks" },
	{ 0x50, "monitor_plc" },
	{ 0x51, "get_modifications" },
	{ 0x52, "get_forced_bits" },
	{ 0x53, "get_selected_blocks" },
	{ 0x58, "check_plc" },
	{ 0x60, "set_breakpoint" },
	{ 0x61, "delete_breakpoint" },
	{ 0x62, "step_over" },
	{ 0x63, "step_in" },
	{ 0x64, "step_out" },
	{ 0x65, "get_call_stack" },
	{ 0x66, "check_debug_allowed" },
	{ 0x6c, "process_message" },
	{ 0x6d, "private_message" },
	{ 0x6e, "exchange_reservation_nonces" },
	{ 0x70, "read_io_object" },
	{ 0x71, "write_io_object" },
	{ 0x72, "read_rack" },
	{ 0x73, "get_module_status" },
	{ 0x74, "read_device_data" },
	{ 0, NULL },
};

const struct code_name modbus_umas_responses[] = {
	{ MODBUS_UMAS_OK, "ok" },
	{ MODBUS_UMAS_FAILED, "error" },
	{ 0, NULL },
};
// clang-format on

static void set_le(struct pdu *out, unsigned field, struct reader *r, size_t bytes)
{
	uint64_t v = rd_le(r, bytes);
	if (!r->overrun)
		pdu_uint(out, field, v);
}

/* Four bytes of client id, then the station's name behind its length. */
static void take_reservation(struct reader r, struct pdu *out)
{
	rd_skip(&r, 4);
	struct reader name = rd_slice(&r, rd_u8(&r));
	if (!name.overrun && name.left > 0)
		pdu_borrow(out, MODBUS_UMAS_CLIENT, name.at, name.left);
}

/* One byte of access kind, block, offset, length, all little endian. */
static void memory_block(struct reader r, struct pdu *out)
{
	rd_skip(&r, 1);
	set_le(out, MODBUS_UMAS_BLOCK, &r, 2);
	set_le(out, MODBUS_UMAS_OFFSET, &r, 4);
	set_le(out, MODBUS_UMAS_LENGTH, &r, 2);
}

/* 00 01, then the number of the block and, with one to write, its length. */
static void program_block(struct reader r, bool length, struct pdu *out)
{
	rd_skip(&r, 2);
	set_le(out, MODBUS_UMAS_BLOCK, &r, 2);
	if (length)
		set_le(out, MODBUS_UMAS_LENGTH, &r, 2);
}

static void details(unsigned function, struct reader r, struct pdu *out)
{
	switch (function) {
	case UMAS_TAKE_RESERVATION:
		take_reservation(r, out);
		break;
	case UMAS_READ_MEMORY:
	case UMAS_WRITE_MEMORY:
		memory_block(r, out);
		break;
	case UMAS_DOWNLOAD_BLOCK:
		program_block(r, true, out);
		break;
	case UMAS_DOWNLOAD_END:
	case UMAS_UPLOAD_BLOCK:
	case UMAS_UPLOAD_END:
		program_block(r, false, out);
		break;
	case UMAS_UPLOAD_START: /* 00 01, then the block length the client wants */
		rd_skip(&r, 2);
		set_le(out, MODBUS_UMAS_LENGTH, &r, 2);
		break;
	default:
		break;
	}
}

void modbus_umas_request(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	modbus_take8(r, out, MODBUS_UMAS_SESSION);
	uint8_t function = modbus_take8(r, out, MODBUS_UMAS_FUNCTION);
	if (r->overrun)
		return;
	if (function == MODBUS_UMAS_OK || function == MODBUS_UMAS_FAILED)
		pdu_damaged(out, "UMAS reply sent by the client");
	details(function, *r, out);
	modbus_take_data(r, out);
}

void modbus_umas_reply(struct reader *r, const struct modbus_function *fn, struct pdu *out)
{
	(void)fn;
	modbus_take8(r, out, MODBUS_UMAS_SESSION);
	uint8_t response = modbus_take8(r, out, MODBUS_UMAS_RESPONSE);
	if (r->overrun)
		return;
	if (response == MODBUS_UMAS_FAILED) {
		out->rejected = true;
		out->status = response;
		out->status_name = "umas_error";
		if (r->left > 0)
			pdu_uint(out, MODBUS_UMAS_ERROR, rd_peek(r, 0));
	} else if (response != MODBUS_UMAS_OK) {
		pdu_damaged(out, "UMAS reply is neither FE nor FD");
	}
	modbus_take_data(r, out);
}

/* Request: 00 01, block, length, bytes. Reply: 1 in the last one, 00, length, bytes. */
bool modbus_umas_piece(const struct pdu *p, struct reader *piece, bool *last)
{
	if (!pdu_has(p, MODBUS_DATA))
		return false;
	struct reader r = rd_over(p->value[MODBUS_DATA].bytes, p->value[MODBUS_DATA].len);
	*last = rd_u8(&r) != 0;
	rd_skip(&r, p->dir == PDU_REQ ? 3 : 1);
	*piece = rd_slice(&r, rd_le16(&r));
	return !piece->overrun && !r.overrun && piece->left > 0;
}
