/* S7comm jobs and their acknowledgements: variables, blocks, program invocations, damage. */
#include "tests/unit/s7_feed.h"

static struct fed *f;

static int start(void **state)
{
	(void)state;
	f = fed_new();
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fed_free(f);
	return 0;
}

static struct pdu *up(const char *hex)
{
	return fed_s7(f, DIR_TO_SERVER, hex);
}

static struct pdu *down(const char *hex)
{
	return fed_s7(f, DIR_TO_CLIENT, hex);
}

static void setup_communication(void **state)
{
	(void)state;
	struct pdu *p = up("32 01 0000 0200 0008 0000 f0 00 0001 0002 01e0");
	assert_string_equal(p->name, "setup_communication");
	assert_int_equal(p->code, 0xf0);
	assert_string_equal(named(p, "rosctr"), "job");
	assert_int_equal(num(p, "pdu_reference"), 0x200);
	assert_int_equal(num(p, "max_amq_calling"), 1);
	assert_int_equal(num(p, "max_amq_called"), 2);
	assert_int_equal(num(p, "pdu_size"), 480);
	assert_int_equal(p->tx, TX_REQUEST);
	uint64_t key = p->tx_key;
	p = down("32 03 0000 0200 0008 0000 0000 f0 00 0001 0001 00f0");
	assert_int_equal(p->dir, PDU_RSP);
	assert_int_equal(p->tx_key, key);
	assert_int_equal(num(p, "pdu_size"), 240);
	assert_int_equal(num(p, "error_class"), 0);
	assert_int_equal(num(p, "error_code"), 0);
	assert_false(p->rejected);
}

/* DB 5 bytes 10 on, output bit 4.3, timer 7. */
static void reads_by_pointer(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = up("32 01 0000 0001 0026 0000 04 03"
			   "12 0a 10 02 0004 0005 84 000050"
			   "12 0a 10 01 0001 0000 82 000023"
			   "12 0a 10 1d 0001 0000 1d 000007");
	assert_null(p->malformed);
	assert_string_equal(named(p, "function"), "read_var");
	assert_int_equal(num(p, "item_count"), 3);
	assert_int_equal(num(p, "area"), 0x84);
	assert_int_equal(num(p, "db"), 5);
	assert_int_equal(items(p, it, 4), 3);
	assert_int_equal(inum(p, &it[0], "area"), 0x84);
	assert_int_equal(inum(p, &it[0], "db"), 5);
	assert_int_equal(inum(p, &it[0], "byte"), 10);
	assert_int_equal(inum(p, &it[0], "bit"), 0);
	assert_int_equal(inum(p, &it[0], "transport_size"), 2);
	assert_int_equal(inum(p, &it[0], "count"), 4);
	assert_false(ihas(p, &it[0], "syntax"));
	assert_int_equal(inum(p, &it[1], "area"), 0x82);
	assert_int_equal(inum(p, &it[1], "byte"), 4);
	assert_int_equal(inum(p, &it[1], "bit"), 3);
	assert_false(ihas(p, &it[1], "db"));
	assert_int_equal(inum(p, &it[2], "area"), 0x1d);
	assert_int_equal(inum(p, &it[2], "byte") * 8 + inum(p, &it[2], "bit"), 7);
}

static void reads_in_the_other_syntaxes(void **state)
{
	(void)state;
	struct item it[8];
	/* NCK, drive, DB-read with two areas and a pad byte, symbolic in DB 3, R_ID */
	struct pdu *p = up("32 01 0000 0001 0042 0000 04 05"
			   "12 08 82 41 0001 0002 7f 01"
			   "12 0a a2 00 0001 0000 0064 0002"
			   "12 0c b0 02 04 0001 0008 02 0002 0010"
			   "12 12 b2 ff 8a0e 0003 11223344 40000009 50000001"
			   "12 06 13 00 00000005");
	assert_false(has(p, "area") || has(p, "db"));
	assert_int_equal(items(p, it, 8), 6);
	assert_int_equal(inum(p, &it[0], "syntax"), 0x82);
	assert_int_equal(inum(p, &it[0], "nck_area"), 2);
	assert_int_equal(inum(p, &it[0], "nck_unit"), 1);
	assert_int_equal(inum(p, &it[0], "nck_column"), 1);
	assert_int_equal(inum(p, &it[0], "nck_line"), 2);
	assert_int_equal(inum(p, &it[0], "nck_module"), 0x7f);
	assert_int_equal(inum(p, &it[0], "count"), 1);
	assert_int_equal(inum(p, &it[1], "syntax"), 0xa2);
	assert_int_equal(inum(p, &it[1], "parameter"), 0x64);
	assert_int_equal(inum(p, &it[1], "parameter_index"), 2);
	assert_int_equal(inum(p, &it[2], "syntax"), 0xb0);
	assert_int_equal(inum(p, &it[2], "db"), 1);
	assert_int_equal(inum(p, &it[2], "byte"), 8);
	assert_int_equal(inum(p, &it[2], "count"), 4);
	assert_int_equal(inum(p, &it[3], "db"), 2);
	assert_int_equal(inum(p, &it[3], "byte"), 16);
	assert_int_equal(inum(p, &it[4], "syntax"), 0xb2);
	assert_int_equal(inum(p, &it[4], "area"), 0x84);
	assert_int_equal(inum(p, &it[4], "db"), 3);
	assert_int_equal(inum(p, &it[4], "symbol_crc"), 0x11223344);
	assert_int_equal(inum(p, &it[4], "lid"), 9);
	assert_int_equal(inum(p, &it[5], "syntax"), 0x13);
	assert_null(p->malformed);
}

/* An item of odd length is padded: here a DB-read of one area, then a pointer. */
static void address_items_are_padded_too(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = up("32 01 0000 0001 0018 0000 04 02"
			   "12 07 b0 01 04 0001 0008 00"
			   "12 0a 10 02 0001 0000 83 000008");
	assert_null(p->malformed);
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[1], "area"), 0x83);
	assert_int_equal(inum(p, &it[1], "byte"), 1);
}

static void writes_with_their_data(void **state)
{
	(void)state;
	struct item it[4];
	/* a bit (one byte and its pad), a real, three octets */
	struct pdu *p = up("32 01 0000 0001 0026 0015 05 03"
			   "12 0a 10 01 0001 0000 82 000023"
			   "12 0a 10 08 0001 0001 84 000000"
			   "12 0a 10 02 0003 0000 81 000000"
			   "00 03 0001 01 00"
			   "00 07 0004 3fc00000"
			   "00 04 0018 010203");
	assert_null(p->malformed);
	assert_string_equal(p->name, "write_var");
	assert_int_equal(items(p, it, 4), 3);
	assert_int_equal(inum(p, &it[0], "value"), 1);
	assert_int_equal(inum(p, &it[0], "data_transport_size"), 3);
	assert_false(ihas(p, &it[0], "return_code"));
	assert_true(it[1].value[ifield_of(p, "real")].r == 1.5);
	assert_int_equal(it[2].value[ifield_of(p, "data")].len, 3);
	assert_false(ihas(p, &it[2], "value"));
}

/* The first copy of a cursor is not moved by pulling from a second. */
static void each_cursor_walks_alone(void **state)
{
	(void)state;
	struct pdu *p = up("32 01 0000 0001 000e 0005 05 01 12 0a 10 02 0001 0001 84 000000"
			   "00 04 0008 2a");
	struct item_cursor a = p->items;
	struct item_cursor b = p->items;
	struct item it;
	assert_true(items_next(&a, &it));
	assert_false(items_next(&a, &it));
	assert_true(items_next(&b, &it));
	assert_int_equal(inum(p, &it, "value"), 42);
}

static void a_read_reply_and_the_item_it_refuses(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = down("32 03 0000 0001 0002 0010 0000 04 03"
			     "ff 04 0008 11 00"
			     "0a 00 0000"
			     "ff 09 0002 2501");
	assert_null(p->malformed);
	assert_true(p->rejected);
	assert_int_equal(p->status, 0x0a);
	assert_string_equal(p->status_name, "object_does_not_exist");
	assert_int_equal(items(p, it, 4), 3);
	assert_int_equal(inum(p, &it[0], "return_code"), 0xff);
	assert_int_equal(inum(p, &it[0], "value"), 0x11);
	assert_int_equal(inum(p, &it[1], "return_code"), 0x0a);
	assert_int_equal(inum(p, &it[2], "value"), 0x2501);
}

/* As snap7's server sends it: a length, and no bytes. */
static void a_refused_item_has_no_bytes_whatever_its_length(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = down("32 03 0000 0700 0002 0012 0000 04 03"
			     "ff 04 0018 00c800 00"
			     "0a 00 0004"
			     "ff 04 0010 0102");
	assert_null(p->malformed);
	assert_int_equal(items(p, it, 4), 3);
	assert_int_equal(inum(p, &it[1], "return_code"), 0x0a);
	assert_int_equal(inum(p, &it[2], "value"), 0x0102);
}

static void a_write_reply_has_a_code_for_each_item(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = down("32 03 0000 0001 0002 0003 0000 05 03 ff 05 03");
	assert_true(p->rejected);
	assert_int_equal(p->status, 5);
	assert_string_equal(p->status_name, "invalid_address");
	assert_int_equal(items(p, it, 4), 3);
	assert_int_equal(inum(p, &it[2], "return_code"), 3);
	p = down("32 03 0000 0001 0002 0001 0000 05 01 ff");
	assert_false(p->rejected);
}

static void errors_of_acknowledgements(void **state)
{
	(void)state;
	struct pdu *p = down("32 03 0000 0001 0002 0000 8404 04 01");
	assert_true(p->rejected);
	assert_int_equal(p->status, 0x8404);
	assert_string_equal(p->status_name, "function_cannot_be_performed");
	assert_string_equal(named(p, "error_class"), "service_processing");
	assert_null(p->malformed);
	p = down("32 03 0000 0001 0001 0000 85ee 05");
	assert_string_equal(p->status_name, "supplies");
}

/* An Ack names no function: it pairs by the reference alone. */
static void an_ack_pairs_by_reference(void **state)
{
	(void)state;
	struct pdu *p = up("32 01 0000 1500 0012 0000 1d 00 0000 00000000 09 5f3038303030303041");
	uint64_t loose = p->tx_loose;
	assert_true(loose != 0);
	p = down("32 02 0000 1500 0000 0000 d20c");
	assert_string_equal(p->name, "ack");
	assert_int_equal(p->code, PDU_NO_CODE);
	assert_int_equal(p->tx, TX_REPLY);
	assert_int_equal(p->tx_loose, loose);
	assert_true(p->rejected);
	assert_int_equal(p->status, 0xd20c);
	p = down("32 03 0000 1500 0000 0000 8104");
	assert_string_equal(p->name, "ack_data");
	assert_int_equal(p->tx_loose, loose);
}

static void stop_and_starts(void **state)
{
	(void)state;
	struct pdu *p = up("32 01 0000 0002 0010 0000 29 0000000000 09 505f50524f4752414d");
	assert_string_equal(p->name, "plc_stop");
	is_text(p, "pi_service", "P_PROGRAM");
	p = up("32 01 0000 0003 0014 0000 28 000000000000fd 0000 09 505f50524f4752414d");
	assert_string_equal(named(p, "pi_operation"), "hot_start");
	p = up("32 01 0000 0003 0016 0000 28 000000000000fd 0002 4320 09 505f50524f4752414d");
	assert_string_equal(named(p, "pi_operation"), "cold_start");
	is_text(p, "pi_argument", "C ");
	p = up("32 01 0000 0003 0016 0000 28 000000000000fd 0002 5820 09 505f50524f4752414d");
	assert_string_equal(named(p, "pi_operation"), "program_other");
}

/* A stop that lacks its name or lies about its lengths is a stop all the same. */
static void a_damaged_stop_is_still_a_stop(void **state)
{
	(void)state;
	struct pdu *p = up("32 01 0000 0002 0001 0000 29");
	assert_string_equal(p->name, "plc_stop");
	assert_string_equal(p->malformed, "service name runs past the parameters");
	p = up("32 01 0000 0002 00ff 0000 29 0000000000 09 505f50524f4752414d");
	assert_string_equal(p->name, "plc_stop");
	assert_string_equal(p->malformed, "parameter and data lengths run past the message");
	p = up("32 01 0000 0002 0010 0000 29 0000000000 09 505f50524f4752414d 00 00");
	assert_string_equal(p->name, "plc_stop");
	assert_string_equal(p->malformed, "bytes after the message");
}

static void program_invocations(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = up("32 01 0000 0001 001a 0000 28 000000000000fd 000a 0100 3041303030303150"
			   "05 5f494e5345");
	assert_string_equal(named(p, "pi_operation"), "insert_block");
	assert_string_equal(named(p, "block_type"), "db");
	assert_int_equal(num(p, "block_number"), 1);
	is_text(p, "filename", "0A00001P");
	is_text(p, "filesystem", "P");
	p = up("32 01 0000 0001 0022 0000 28 000000000000fd 0012 0200"
	       "3038303030303142 3045303031303042 05 5f44454c45");
	assert_string_equal(named(p, "pi_operation"), "delete_block");
	assert_int_equal(num(p, "block_count"), 2);
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[0], "block_type"), 8);
	assert_int_equal(inum(p, &it[1], "block_type"), 0x0e);
	assert_int_equal(inum(p, &it[1], "block_number"), 100);
	p = up("32 01 0000 0001 0012 0000 28 000000000000fd 0002 4550 05 5f4d4f4455");
	assert_string_equal(named(p, "pi_operation"), "copy_ram_to_rom");
	p = up("32 01 0000 0001 0010 0000 28 000000000000fd 0000 05 5f47415242");
	assert_string_equal(named(p, "pi_operation"), "compress_memory");
	p = up("32 01 0000 0001 0010 0000 28 000000000000fd 0000 05 5f58585858");
	assert_string_equal(named(p, "pi_operation"), "other");
}

/* A login is named; its password is not shown. */
static void a_password_is_not_kept(void **state)
{
	(void)state;
	struct pdu *p = up("32 01 0000 0001 001e 0000 28 000000000000fd 000a 033030310553454352 54"
			   "09 5f4e5f4c4f47494e5f");
	assert_null(p->malformed);
	assert_string_equal(named(p, "pi_operation"), "nc_login");
	assert_false(has(p, "pi_argument"));
}

/* In a download the PLC asks for the pieces: jobs come from it, data goes to it. */
static void a_download_turns_the_roles(void **state)
{
	(void)state;
	struct pdu *p = up("32 01 0000 8300 0020 0000 1a 00 0100 00000000 09 5f3041303030303150"
			   "0d 31 303030323136 303030303838");
	assert_string_equal(p->name, "request_download");
	is_text(p, "filename", "_0A00001P");
	assert_string_equal(named(p, "block_type"), "db");
	assert_int_equal(num(p, "block_number"), 1);
	is_text(p, "filesystem", "P");
	assert_int_equal(num(p, "load_length"), 216);
	assert_int_equal(num(p, "code_length"), 88);
	p = down("32 01 0000 6501 0012 0000 1b 00 0000 00000000 09 5f3041303030303150");
	assert_int_equal(p->dir, PDU_REQ);
	assert_string_equal(p->name, "download_block");
	assert_int_equal(p->tx, TX_REQUEST);
	uint64_t key = p->tx_key;
	p = up("32 03 0000 6501 0002 0008 0000 1b 01 0004 00fb deadbeef");
	assert_int_equal(p->dir, PDU_RSP);
	assert_int_equal(p->tx_key, key);
	assert_int_equal(num(p, "more_data"), 1);
	assert_int_equal(p->value[field_of(p, "block_data")].len, 4);
	p = down("32 01 0000 6701 0012 0000 1c 00 0000 00000000 09 5f3042303030303250");
	assert_string_equal(p->name, "download_ended");
	assert_string_equal(named(p, "block_type"), "sdb");
	p = up("32 03 0000 6701 0001 0000 0000 1c");
	assert_int_equal(p->tx, TX_REPLY);
}

/* The pieces of an upload name a number only: the session knows which block it is. */
static void an_upload_keeps_its_block(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) { /* devices use their numbers again */
		struct pdu *p = up("32 01 0000 0800 0012 0000 1d 00 0000 00000000"
				   "09 5f3042303030303041");
		assert_string_equal(named(p, "block_type"), "sdb");
		p = down("32 03 0000 0800 0010 0000 0000 1d 00 0100 00000007 07 30303030323136");
		assert_int_equal(num(p, "upload_id"), 7);
		assert_int_equal(num(p, "load_length"), 216);
		assert_string_equal(named(p, "block_type"), "sdb");
	}
	up("32 01 0000 0900 0012 0000 1d 00 0000 00000000 09 5f3038303030303141");
	down("32 03 0000 0900 0010 0000 0000 1d 00 0100 00000007 07 30303030323136");
	struct pdu *p = up("32 01 0000 0901 0008 0000 1e 00 0000 00000007");
	assert_string_equal(named(p, "block_type"), "ob");
	assert_int_equal(num(p, "block_number"), 1);
	p = down("32 03 0000 0901 0002 0006 0000 1e 00 0002 00fb 7070");
	assert_int_equal(num(p, "more_data"), 0);
	p = up("32 01 0000 0a00 0008 0000 1f 00 0000 00000009");
	assert_string_equal(p->name, "end_upload");
	assert_false(has(p, "block_type"));
}

static void a_file_name_of_a_numerical_control_is_shown_as_it_is(void **state)
{
	(void)state;
	struct pdu *p = up("32 01 0000 0800 000f 0000 1d 00 0000 00000000 06 5f4e5f4d5046");
	is_text(p, "filename", "_N_MPF");
	assert_false(has(p, "block_type"));
	assert_null(p->malformed);
}

static void damage_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *why;
	} cases[] = {
		{ "32 09 0000 0001 0001 0000 04", "unknown ROSCTR" },
		{ "32 01 0000 0001 0001", "message ends inside its header" },
		{ "32 03 0000 0001 0001 0000 00", "message ends inside its header" },
		{ "32 01 0000 0001 0000 0000", "job without a function" },
		{ "32 01 0000 0001 0002 0000 04 ff", "item count beyond the bytes" },
		{ "32 01 0000 0001 0005 0000 05 ff 12 0a 10", "item count beyond the bytes" },
		{ "32 01 0000 0001 000e 0004 05 01 12 0a 10 02 0001 0001 84 000000 00 04 0010",
			"data items run past the message" },
		{ "32 03 0000 0001 0002 0005 0000 04 02 ff 04 0008 2a",
			"data items run past the message" },
		{ "32 03 0000 0001 0002 0001 0000 05 ff ff", "item count beyond the bytes" },
		{ "32 01 0000 0001 0003 0000 f0 00 00", "parameters too short for the function" },
		{ "32 01 0000 0001 0003 0000 1a 00 00", "parameters too short for the function" },
		{ "32 01 0000 0001 000a 0000 1a 00 0000 00000000 09 5f",
			"file name runs past the parameters" },
		{ "32 01 0000 0001 0008 0000 28 000000000000fd",
			"service name runs past the parameters" },
		{ "32 01 0000 0001 0012 0000 28 000000000000fd 0002 ff00 05 5f44454c45",
			"block count beyond the bytes" },
		{ "32 03 0000 0001 0002 0006 0000 1e 00 00ff 00fb 7070",
			"block data runs past the message" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		up("32 01 0000 0001 0001 0000 00"); /* the flow is S7comm */
		struct pdu *p = up(cases[i].hex);
		if (p->malformed == NULL || strcmp(p->malformed, cases[i].why) != 0)
			fail_msg("%s: %s", cases[i].hex, p->malformed == NULL ? "-" : p->malformed);
		struct item it[300];
		(void)items(p, it, 300);
	}
}

/* A count of 255 with bytes for one item lists that one. */
static void a_count_that_lies_lists_what_is_there(void **state)
{
	(void)state;
	struct item it[300];
	struct pdu *p = up("32 01 0000 0001 000e 0000 04 ff 12 0a 10 02 0001 0001 84 000000");
	assert_string_equal(p->malformed, "item count beyond the bytes");
	assert_int_equal(items(p, it, 300), 1);
}

static void an_unknown_function_is_shown(void **state)
{
	(void)state;
	struct pdu *p = up("32 01 0000 0001 0001 0000 77");
	assert_int_equal(p->code, 0x77);
	assert_string_equal(p->name, "unknown_function");
	assert_null(p->malformed);
}

/* Bytes changed and cut at random, each message in a block of its own size. */
static void survives_whatever_comes(void **state)
{
	(void)state;
	static const char *const seeds[] = {
		"32 01 0000 0001 0042 0000 04 05 12 08 82 41 0001 0002 7f 01"
		"12 0a a2 00 0001 0000 0064 0002 12 0c b0 02 04 0001 0008 02 0002 0010"
		"12 12 b2 ff 8a0e 0003 11223344 40000009 50000001 12 06 13 00 00000005",
		"32 01 0000 0001 001a 000e 05 02 12 0a 10 01 0001 0000 82 000023"
		"12 0a 10 08 0001 0001 84 000000 00 03 0001 01 00 00 07 0004 3fc00000",
		"32 01 0000 0001 0022 0000 28 000000000000fd 0012 0200"
		"3038303030303142 3045303031303042 05 5f44454c45",
		"32 01 0000 8300 0020 0000 1a 00 0100 00000000 09 5f3041303030303150"
		"0d 31 303030323136 303030303838",
		"32 03 0000 0800 0010 0000 0000 1d 00 0100 00000007 07 30303030323136",
		"32 07 0000 5900 000c 001c 000112081284010100000000 ff09 0018"
		"0232 0004 0014 0001 0004 0001 0001 0001 0002 0000 0000 0000",
		"32 07 0000 6e03 000c 0026 000112081241090000000000 ff09 0022 0014 000a"
		"0000 0001 0000 0012 0001 0001 0001 0001 0001 0200 0001 0101 0000 0000",
		"32 07 0000 0000 0008 001c 0001120411040500 ff09 0018 9401000627203975 4001"
		"120a1608 000000af 0000fefe ff04 0010",
	};
	uint32_t random = 2463534242;
	for (unsigned round = 0; round < 4000; round++) {
		struct wire w = wire_hex(seeds[round % (sizeof seeds / sizeof seeds[0])]);
		for (unsigned i = 0; i < 3; i++) {
			random ^= random << 13;
			random ^= random >> 17;
			random ^= random << 5;
			w.bytes[2 + random % (w.len - 2)] = (uint8_t)(random >> 8);
		}
		struct wire cut = wire_copy(w.bytes, w.len - (round % 3 == 0 ? random % 8 : 0));
		struct reader in = rd_over(cut.bytes, cut.len);
		struct dissect d = { .dir = DIR_TO_SERVER, .l4 = L4_TCP, .pool = &f->pool };
		struct pdu p;
		struct item it;
		pdu_init(&p);
		(void)s7comm_dissector.dissect(&in, &d, &p);
		struct item_cursor c = p.items;
		unsigned n = 0;
		while (items_next(&c, &it))
			assert_true(++n <= 65536);
		free(cut.bytes);
		free(w.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(setup_communication, start, stop),
		cmocka_unit_test_setup_teardown(reads_by_pointer, start, stop),
		cmocka_unit_test_setup_teardown(reads_in_the_other_syntaxes, start, stop),
		cmocka_unit_test_setup_teardown(address_items_are_padded_too, start, stop),
		cmocka_unit_test_setup_teardown(writes_with_their_data, start, stop),
		cmocka_unit_test_setup_teardown(each_cursor_walks_alone, start, stop),
		cmocka_unit_test_setup_teardown(a_read_reply_and_the_item_it_refuses, start, stop),
		cmocka_unit_test_setup_teardown(
			a_refused_item_has_no_bytes_whatever_its_length, start, stop),
		cmocka_unit_test_setup_teardown(
			a_write_reply_has_a_code_for_each_item, start, stop),
		cmocka_unit_test_setup_teardown(errors_of_acknowledgements, start, stop),
		cmocka_unit_test_setup_teardown(an_ack_pairs_by_reference, start, stop),
		cmocka_unit_test_setup_teardown(stop_and_starts, start, stop),
		cmocka_unit_test_setup_teardown(a_damaged_stop_is_still_a_stop, start, stop),
		cmocka_unit_test_setup_teardown(program_invocations, start, stop),
		cmocka_unit_test_setup_teardown(a_password_is_not_kept, start, stop),
		cmocka_unit_test_setup_teardown(a_download_turns_the_roles, start, stop),
		cmocka_unit_test_setup_teardown(an_upload_keeps_its_block, start, stop),
		cmocka_unit_test_setup_teardown(
			a_file_name_of_a_numerical_control_is_shown_as_it_is, start, stop),
		cmocka_unit_test_setup_teardown(damage_is_named, start, stop),
		cmocka_unit_test_setup_teardown(a_count_that_lies_lists_what_is_there, start, stop),
		cmocka_unit_test_setup_teardown(an_unknown_function_is_shown, start, stop),
		cmocka_unit_test_setup_teardown(survives_whatever_comes, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
