/* S7comm-plus: versions, fragments, sessions, what requests address, starts and stops. Bytes are of
 * a 1200 and a 1500 where they are long. */
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
	struct pdu *p = fed_s7(f, DIR_TO_SERVER, hex);
	assert_ptr_equal(p->dissector, &s7comm_plus_dissector);
	return p;
}

static struct pdu *down(const char *hex)
{
	return fed_s7(f, DIR_TO_CLIENT, hex);
}

/* TIA stopping a 1200: a DInt of 1 to attribute 2167 of object 52, behind its digest. */
static const char cpu_stop[] =
	"72030056 20 9a3b5d1fc29b0c9a97d9c3d0552d409e7c9e6abd5eaf8f822c71b3b82ccaff7c"
	"31000004f2000000090000038c34 00000034 01 9077 0008 01"
	"000004e88969001200000000896a001300896b00040000000400000000 72030000";

static void a_stop_is_named(void **state)
{
	(void)state;
	struct pdu *p = up(cpu_stop);
	assert_null(p->malformed);
	assert_int_equal(p->code, 0x04f2);
	assert_string_equal(p->name, "set_variable");
	assert_int_equal(p->dir, PDU_REQ);
	assert_int_equal(num(p, "version"), 3);
	assert_string_equal(named(p, "opcode"), "request");
	assert_string_equal(named(p, "function"), "set_variable");
	assert_string_equal(named(p, "operation"), "cpu_stop");
	assert_int_equal(num(p, "sequence"), 9);
	assert_int_equal(num(p, "session_id"), 0x38c);
	assert_int_equal(num(p, "object_id"), 52);
	assert_int_equal(num(p, "attribute_id"), 2167);
	assert_int_equal(num(p, "integrity"), 1);
	assert_int_equal(p->tx, TX_REQUEST);
	uint64_t key = p->tx_key;
	p = down("72030031 20 02e0f15909889408fa3ee39fafa117f3afefe5258adabecd122d9608c7fc0952"
		 "32000004f2000000093400 0d00000000 72030000");
	assert_int_equal(p->dir, PDU_RSP);
	assert_int_equal(p->tx, TX_REPLY);
	assert_int_equal(p->tx_key, key);
	assert_int_equal(num(p, "return_value"), 0);
	assert_false(p->rejected);
}

static void other_states_and_other_variables(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *name;
	} cases[] = {
		{ "72020018 31000004f20000000a0000038c34 00000034 01 9077 0008 03 72020000",
			"cpu_start" },
		{ "72020018 31000004f20000000a0000038c34 00000034 01 9077 0008 02 72020000",
			"cpu_reset_retentive" },
	};
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(named(up(cases[i].hex), "operation"), cases[i].name);
	struct pdu *p =
		up("72020018 31000004f20000000a0000038c34 00000034 01 9076 0008 01 72020000");
	assert_false(has(p, "operation"));
	p = up("72020018 31000004f20000000a0000038c34 00000035 01 9077 0008 7f 72020000");
	assert_false(has(p, "operation"));
	assert_int_equal((int64_t)num(p, "value"), -1);
}

static void an_error_rejects(void **state)
{
	(void)state;
	/* 0x8318890001b3fffe: -2 */
	struct pdu *p = down("72020017 32000004f20000000934 c18ca288808083b3fe 00000000 72020000");
	assert_int_equal(num(p, "return_value") & 0xff, 0xfe);
	p = down("72020010 32000004f20000000934 83ffff7e 0000 72020000");
	assert_true(p->rejected);
	assert_int_equal(p->status, -2);
	assert_string_equal(p->status_name, "error");
}

static void sessions_and_objects(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *operation;
		uint32_t class;
	} cases[] = {
		{ "72010026 31000004ca0000000100000120 36 0000011d 00 04 00 00000000"
		  "a1 000000d3 821f 0000 a2000000 72010000",
			"open_session", 287 },
		{ "72020026 31000004ca0000000c00000394 34 00000395 00 04 00 00000000"
		  "a1 7fffc005 8769 0000 a2000000 72020000",
			"subscribe", 1001 },
		{ "72020026 31000004ca00000027000003c0 34 00000003 00 04 00 00000000"
		  "a1 8a320001 9457 2000 a2000000 72020000",
			"download_block", 2647 },
		{ "72020026 31000004ca0000002400000394 36 00000001 00 04 00 00000000"
		  "a1 00000002 9340 2000 a2000000 72020000",
			"download_configuration", 2496 },
		{ "72020026 31000004ca0000000e00000394 34 00000394 00 04 00 00000000"
		  "a1 000000d3 8d56 0000 a2000000 72020000",
			"create_other_object", 1750 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct pdu *p = up(cases[i].hex);
		assert_string_equal(p->name, "create_object");
		assert_string_equal(named(p, "operation"), cases[i].operation);
		assert_int_equal(num(p, "object_class"), cases[i].class);
		assert_null(p->malformed);
	}
}

/* Version 3 has its integrity id in front of the object: a 1200 whose hardware is compiled anew. */
static void an_object_behind_its_integrity_id(void **state)
{
	(void)state;
	struct pdu *p =
		up("72030048 20 12c0756ef79e7f4f48777f003df316c8245cebb37309d78187e67d787e636872"
		   "31000004ca0000002400000394 36 00000001 00 04 00 00000000 0a"
		   "a1 00000002 9340 3000 a2000000 72030000");
	assert_string_equal(named(p, "operation"), "download_configuration");
	assert_int_equal(num(p, "new_object_id"), 2);
	p = up("72030049 20 12c0756ef79e7f4f48777f003df316c8245cebb37309d78187e67d787e636872"
	       "31000004ca0000002400000394 36 00000003 00 04 00 00000000 a10a"
	       "a1 8a320001 9457 3000 a2000000 72030000");
	assert_string_equal(named(p, "operation"), "download_block");
}

static void deletions(void **state)
{
	(void)state;
	struct pdu *p = up("72020012 31000004d400000010 00000394 34 00000394 72020000");
	assert_string_equal(named(p, "operation"), "close_session");
	p = up("72020012 31000004d400000010 00000394 34 8a320001 72020000");
	assert_string_equal(named(p, "operation"), "delete_block");
	p = up("72020012 31000004d400000010 00000394 34 70400006 72020000");
	assert_string_equal(named(p, "operation"), "delete_other_object");
	assert_int_equal(num(p, "object_id"), 0x70400006);
}

static void many_variables(void **state)
{
	(void)state;
	struct item it[4];
	/* DB 2 by symbol, flags */
	struct pdu *p = up("7202002d 310000054c0000000400000386 34 00000000 02 09"
			   "88ede1bc63 88d0b88002 02 9376 0a 00 52 01 9d29"
			   "0000 0000 0000 72020000");
	assert_string_equal(p->name, "get_multi_variables");
	assert_int_equal(num(p, "item_count"), 2);
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[0], "area"), 0x8a0e);
	assert_int_equal(inum(p, &it[0], "db"), 2);
	assert_int_equal(inum(p, &it[0], "lid"), 10);
	assert_int_equal(inum(p, &it[1], "area"), 0x52);
	assert_int_equal(inum(p, &it[1], "symbol_crc"), 0);
	/* attributes of an object */
	p = up("7202001a 310000054c0000005a00000392 34 00000034 02 02 9f2e 9153 0000 72020000");
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[0], "object_id"), 52);
	assert_int_equal(inum(p, &it[0], "attribute_id"), 0xfae);
	/* and setting: a bool and a real */
	p = up("7202002a 31000005420000005a00000392 34 00000000 02 08 00 52 01 05 00 51 01 06"
	       "01 0001 01 02 000e 3fc00000 00 0000 72020000");
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[0], "value"), 1);
	assert_int_equal(inum(p, &it[1], "type"), 0x0e);
	assert_true(it[1].value[ifield_of(p, "real")].r == 1.5);
}

/* A count beyond the bytes ends where they end. */
static void a_count_that_lies(void **state)
{
	(void)state;
	struct item it[8];
	struct pdu *p =
		up("72020019 310000054c0000000400000386 34 00000000 8fffffff7f 01 00 72020000");
	assert_int_equal(items(p, it, 8), 0);
	p = up("7202001c 31000005420000000400000386 34 00000034 8fffffff7f 01 01 02 03 04 "
	       "72020000");
	assert_true(items(p, it, 8) <= 6);
}

static void explore_and_substreamed(void **state)
{
	(void)state;
	struct pdu *p = up("72020016 31000004bb0000000700000394 34 00000003 00000000 72020000");
	assert_string_equal(p->name, "explore");
	assert_int_equal(num(p, "object_id"), 3);
	p = up("7202001a 31000005860000000300 0003c0 34 00000032 2004 01 9a7b 000000 72020000");
	assert_string_equal(p->name, "get_variable_substreamed");
	assert_int_equal(num(p, "object_id"), 0x32);
	assert_int_equal(num(p, "attribute_id"), 0xd7b);
}

static void fragments_tell_once(void **state)
{
	(void)state;
	struct pdu *p = up("72020020 31000004bb0000000700000394 34 00000003 00000000"
			   "00000000000000000000");
	assert_string_equal(p->name, "explore");
	assert_int_equal(num(p, "continued"), 1);
	p = up("72020004 31000004");
	assert_string_equal(p->name, "continuation");
	assert_int_equal(p->code, PDU_NO_CODE);
	assert_int_equal(p->tx, TX_NONE);
	assert_int_equal(p->dir, PDU_REQ);
	p = up("72020004 31000004 72020000");
	assert_string_equal(p->name, "continuation");
	assert_false(has(p, "continued"));
	assert_string_equal(up(cpu_stop)->name, "set_variable");
}

/* A first fragment of any length does not hide what is asked. */
static void a_stop_in_small_fragments_is_seen(void **state)
{
	(void)state;
	static const char body[] = "31000004f2000000090000038c340000003401907700080100000000";
	for (size_t cut = 1; cut < 28; cut++) {
		char head[128];
		char tail[128];
		snprintf(head, sizeof head, "720200%02zx%.*s", cut, (int)(2 * cut), body);
		snprintf(tail, sizeof tail, "720200%02zx%s72020000", 28 - cut, body + 2 * cut);
		fed_bytes(f, DIR_TO_SERVER, tpkt(head, true));
		assert_int_equal(f->count, 0);
		struct pdu *p = up(tail);
		assert_string_equal(named(p, "operation"), "cpu_stop");
		assert_null(p->malformed);
		stop(NULL);
		start(NULL);
	}
}

static void what_began_before_the_capture_is_not_blamed(void **state)
{
	(void)state;
	struct pdu *p = down("72020004 a1b2c3d4 72020000");
	assert_string_equal(p->name, "continuation");
	assert_null(p->malformed);
	p = down("72020004 a1b2c3d4 72020000");
	assert_string_equal(p->malformed, "unknown opcode");
}

static void several_messages_in_one_tsdu(void **state)
{
	(void)state;
	fed_bytes(f, DIR_TO_SERVER,
		tpkt("72020012 31000004d400000010 00000394 34 00000394 72020000"
		     "72020016 31000004bb0000000700000394 34 00000003 00000000 72020000",
			true));
	assert_int_equal(f->count, 2);
	assert_string_equal(f->pdu[0].name, "delete_object");
	assert_string_equal(f->pdu[1].name, "explore");
}

static void notifications_and_system_events(void **state)
{
	(void)state;
	struct pdu *p = down("7202000c 33 70000c9b 0004 0000 000000 72020000");
	assert_string_equal(p->name, "notification");
	assert_int_equal(p->dir, PDU_IND);
	assert_int_equal(p->tx, TX_NONE);
	assert_int_equal(num(p, "object_id"), 0x70000c9b);
	p = down("72fe0010 0000000000000000 0000000000000000");
	assert_string_equal(p->name, "system_event");
	assert_int_equal(p->dir, PDU_IND);
	assert_null(p->malformed);
}

/* It acknowledges alone: no code, but it pairs. */
static void a_second_kind_of_response(void **state)
{
	(void)state;
	struct pdu *p = down("72020016 02000004f20000000574 000000000000000000000000 72020000");
	assert_int_equal(p->code, PDU_NO_CODE);
	assert_string_equal(named(p, "function"), "set_variable");
	assert_int_equal(p->tx, TX_REPLY);
}

static void init_ssl_then_tls(void **state)
{
	(void)state;
	struct pdu *p = up("72010010 31000005b300000001 00000120 30 0000 72010000");
	assert_string_equal(p->name, "init_ssl");
	assert_null(p->malformed);
	fed_bytes(f, DIR_TO_SERVER, tpkt("16 03 03 0004 01000000", true));
	assert_string_equal(f->pdu[0].name, "tls");
	assert_false(f->pdu[0].final);
	assert_null(f->pdu[0].malformed);
}

static void damage_is_named(void **state)
{
	(void)state;
	up(cpu_stop);
	struct pdu *p = up("72020050 31000004f2000000090000038c34 00000034 01 9077 0008 01");
	assert_string_equal(p->malformed, "length runs past the message");
	assert_string_equal(named(p, "operation"), "cpu_stop");
	p = up("72030018 31000004f20000000a0000038c34 00000034 01 9077 0008 01 72030000");
	assert_string_equal(p->malformed, "version 3 without its integrity part");
	assert_string_equal(named(p, "operation"), "cpu_stop");
	p = up("72020003 310000 72020000");
	assert_string_equal(p->malformed, "message ends inside its header");
	p = up("72020012 31000004d400000010 00000394 34 00000394 72020000 0102");
	assert_string_equal(p->malformed, "bytes after the message");
	p = up("7205");
	assert_string_equal(p->malformed, "message ends inside its header");
}

static void numbers_of_variable_length(void **state)
{
	(void)state;
	/* DInt -129, ULInt of nine bytes, then types of fixed size */
	struct pdu *p =
		up("72020019 31000004f20000000a0000038c34 00000001 01 01 0008 feff7f 72020000");
	assert_int_equal((int64_t)num(p, "value"), -16385 + 0);
	p = up("72020018 31000004f20000000a0000038c34 00000001 01 01 0006 fe 00 72020000");
	assert_int_equal((int64_t)num(p, "value"), -2);
	p = up("72020019 31000004f20000000a0000038c34 00000001 01 01 0007 fffe 00 72020000");
	assert_int_equal((int64_t)num(p, "value"), -2);
	p = up("72020020 31000004f20000000a0000038c34 00000001 01 01 0005 ffffffffffffffffff 00"
	       "72020000");
	assert_true(num(p, "value") == UINT64_MAX);
	p = up("7202001a 31000004f20000000a0000038c34 00000001 01 01 0017 00000001 72020000");
	assert_false(has(p, "value"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_stop_is_named, start, stop),
		cmocka_unit_test_setup_teardown(other_states_and_other_variables, start, stop),
		cmocka_unit_test_setup_teardown(an_error_rejects, start, stop),
		cmocka_unit_test_setup_teardown(sessions_and_objects, start, stop),
		cmocka_unit_test_setup_teardown(an_object_behind_its_integrity_id, start, stop),
		cmocka_unit_test_setup_teardown(deletions, start, stop),
		cmocka_unit_test_setup_teardown(many_variables, start, stop),
		cmocka_unit_test_setup_teardown(a_count_that_lies, start, stop),
		cmocka_unit_test_setup_teardown(explore_and_substreamed, start, stop),
		cmocka_unit_test_setup_teardown(fragments_tell_once, start, stop),
		cmocka_unit_test_setup_teardown(a_stop_in_small_fragments_is_seen, start, stop),
		cmocka_unit_test_setup_teardown(
			what_began_before_the_capture_is_not_blamed, start, stop),
		cmocka_unit_test_setup_teardown(several_messages_in_one_tsdu, start, stop),
		cmocka_unit_test_setup_teardown(notifications_and_system_events, start, stop),
		cmocka_unit_test_setup_teardown(a_second_kind_of_response, start, stop),
		cmocka_unit_test_setup_teardown(init_ssl_then_tls, start, stop),
		cmocka_unit_test_setup_teardown(damage_is_named, start, stop),
		cmocka_unit_test_setup_teardown(numbers_of_variable_length, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
