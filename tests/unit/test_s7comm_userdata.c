/* S7comm userdata: status lists, clock, alarms, programmer commands, cyclic data, parts joined. */
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

static void a_status_list_is_asked_for(void **state)
{
	(void)state;
	struct pdu *p = up("32 07 0000 0100 0008 0008 000112 04 11 44 01 00 ff09 0004 0011 0000");
	assert_string_equal(p->name, "read_szl");
	assert_int_equal(p->code, 0x0401);
	assert_int_equal(p->dir, PDU_REQ);
	assert_int_equal(p->tx, TX_REQUEST);
	assert_string_equal(named(p, "function"), "read_szl");
	assert_string_equal(named(p, "function_group"), "cpu_functions");
	assert_string_equal(named(p, "userdata_type"), "request");
	assert_int_equal(num(p, "subfunction"), 1);
	assert_int_equal(num(p, "szl_id"), 0x11);
	assert_int_equal(num(p, "szl_index"), 0);
	uint64_t key = p->tx_key;
	p = down("32 07 0000 0100 000c 0044 000112 08 12 84 01 02 00 00 0000 ff09 0040 0011 0000 "
		 "001c 0002"
		 "0001 3645533720333135 2d32454831342d304142302000c0 0003 0001"
		 "0007 2020202020202020 202020202020202020202020 00c0 5603 0207");
	assert_int_equal(p->dir, PDU_RSP);
	assert_int_equal(p->tx, TX_REPLY);
	assert_int_equal(p->tx_key, key);
	assert_false(p->rejected);
	is_text(p, "order_number", "6ES7 315-2EH14-0AB0");
	is_text(p, "firmware", "V3.2.7");
}

/* A component list in two parts, each to a request of its own. */
static void parts_are_joined_before_they_are_read(void **state)
{
	(void)state;
	struct pdu *p = down(
		"32 07 0000 0200 000c 0030 000112 08 12 84 01 02 d5 01 0000 ff09 002c"
		"001c 0000 0022 0002 0001 53373330302f31 00000000000000000000000000000000000000"
		"000000000000 0005");
	assert_int_equal(num(p, "more_data"), 1);
	assert_int_equal(p->tx, TX_REPLY);
	assert_int_equal(num(p, "szl_id"), 0x1c);
	assert_false(has(p, "plc_name"));
	p = up("32 07 0000 0300 000c 0004 000112 08 12 44 01 02 00 00 0000 0a00 0000");
	assert_int_equal(p->tx, TX_REQUEST);
	p = down("32 07 0000 0300 000c 0024 000112 08 12 84 01 02 d5 00 0000 ff09 0020"
		 "5320432d42315533393331343230313100000000000000000000000000000000");
	assert_int_equal(num(p, "more_data"), 0);
	assert_int_equal(num(p, "szl_id"), 0x1c);
	is_text(p, "plc_name", "S7300/1");
	is_text(p, "serial_number", "S C-B1U393142011");
	assert_true(f->pool.used > 0);
	up("32 07 0000 0400 0008 0004 000112 04 11 47 01 00 0a00 0000");
}

static void parts_that_do_not_belong_together_are_not_joined(void **state)
{
	(void)state;
	down("32 07 0000 0200 000c 000c 000112 08 12 84 01 02 d5 01 0000 ff09 0008 "
	     "001c000000220001");
	struct pdu *p = down("32 07 0000 0300 000c 0008 000112 08 12 84 01 03 00 00 0000"
			     "ff09 0004 04240000");
	assert_int_equal(num(p, "szl_id"), 0x424);
	struct dissect d = {
		.dir = DIR_TO_CLIENT, .l4 = L4_TCP, .state = f->state, .pool = &f->pool
	};
	cotp_dissector.lost(&d);
	p = down("32 07 0000 0400 000c 0008 000112 08 12 84 01 02 d5 00 0000 ff09 0004 00110000");
	assert_int_equal(num(p, "szl_id"), 0x11);
}

static void parts_without_end_are_bounded(void **state)
{
	(void)state;
	char hex[8192] =
		"32 07 0000 0200 000c 0fa4 000112 08 12 84 01 02 d5 01 0000 ff09 0fa0 001c";
	size_t n = strlen(hex);
	memset(hex + n, '0', 2 * (0xfa0 - 2));
	hex[n + 2 * (0xfa0 - 2)] = '\0';
	for (unsigned i = 0; i < 40; i++)
		down(hex);
	assert_true(f->pool.used <= 128 * 1024);
}

static void protection_and_mode(void **state)
{
	(void)state;
	struct pdu *p = down("32 07 0000 5900 000c 0018 000112 08 12 84 01 01 00 00 0000 ff09 0014"
			     "0232 0004 000c 0001 0004 0002 0003 0003 0002 0000");
	assert_int_equal(num(p, "protection_level"), 3);
	assert_string_equal(named(p, "mode_switch"), "run_p");
	p = down("32 07 0000 5900 000c 0020 000112 08 12 84 01 01 00 00 0000 ff09 001c"
		 "0424 0000 0014 0001 5140 ff 48 00000000 00000000 9401290236309557");
	assert_string_equal(named(p, "mode"), "run");
	assert_string_equal(named(p, "previous_mode"), "stop");
}

static void an_error_in_the_parameter_rejects(void **state)
{
	(void)state;
	struct pdu *p =
		down("32 07 0000 0b00 000c 0004 000112 08 12 83 03 00 00 00 d209 0a00 0000");
	assert_string_equal(p->name, "get_block_info");
	assert_true(p->rejected);
	assert_int_equal(p->status, 0xd209);
	assert_non_null(strstr(p->status_name, "not_found"));
	assert_int_equal(num(p, "parameter_error"), 0xd209);
	p = down("32 07 0000 0b00 000c 0004 000112 08 12 85 01 01 00 00 d602 0a00 0000");
	assert_string_equal(p->status_name, "incorrect_password");
	p = down("32 07 0000 0b00 000c 0004 000112 08 12 81 08 01 00 00 d241 0a00 0000");
	assert_non_null(strstr(p->status_name, "protection_level"));
}

static void the_clock(void **state)
{
	(void)state;
	struct pdu *p = up("32 07 0000 1700 0008 000e 000112 04 11 47 02 00 ff09 000a"
			   "0019 1602 0823 0810 0002");
	assert_string_equal(p->name, "set_clock");
	is_text(p, "clock", "2016-02-08T23:08:10.000");
	p = down("32 07 0000 1600 000c 000e 000112 08 12 87 01 02 00 00 0000 ff09 000a"
		 "0019 9402 0814 5137 9162");
	assert_string_equal(p->name, "read_clock");
	is_text(p, "clock", "1994-02-08T14:51:37.916");
	p = up("32 07 0000 1700 0008 000e 000112 04 11 47 02 00 ff09 000a"
	       "0019 16ff 0823 0810 0002");
	assert_false(has(p, "clock"));
}

static void security(void **state)
{
	(void)state;
	struct pdu *p = up("32 07 0000 0600 0008 000c 000112 04 11 45 01 00 ff09 0008"
			   "213a1b1d6e681b1d");
	assert_string_equal(p->name, "password_send");
	p = up("32 07 0000 0600 0008 0004 000112 04 11 45 02 00 0a00 0000");
	assert_string_equal(p->name, "password_clear");
}

static void blocks(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = up("32 07 0000 4f00 0008 0006 000112 04 11 43 02 00 ff09 0002 3041");
	assert_string_equal(p->name, "list_blocks_of_type");
	assert_string_equal(named(p, "block_type"), "db");
	p = down("32 07 0000 4f00 000c 000c 000112 08 12 83 02 01 00 00 0000 ff09 0008"
		 "00012202 00052201");
	assert_int_equal(num(p, "block_count"), 2);
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[1], "block_number"), 5);
	p = down("32 07 0000 4f00 000c 000c 000112 08 12 83 01 00 00 00 0000 ff09 0008"
		 "30380001 30430002");
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[1], "block_type"), 0x0c);
	assert_int_equal(inum(p, &it[1], "count"), 2);
	p = up("32 07 0000 0b00 0008 000c 000112 04 11 43 03 00 ff09 0008 3041303030303141");
	assert_int_equal(num(p, "block_number"), 1);
	p = down("32 07 0000 2100 000c 0052 000112 08 12 83 03 00 00 00 0000 ff09 004e"
		 "0100 004a 2200 7070 03 02 07 0b 0001 0000009e 00000003 0236 6418 2c1e 04ef"
		 "6d80 122c 0000 0000 0000 0032 0000002453544550 2037202020202020 2020202020202020"
		 "20 00 5bb1 3152481400000000");
	assert_string_equal(named(p, "block_type"), "sdb");
	assert_int_equal(num(p, "load_length"), 0x9e);
	assert_int_equal(num(p, "code_length"), 0x32);
	assert_int_equal(num(p, "know_how_protected"), 1);
	assert_string_equal(named(p, "block_language"), "sdb");
}

/* A variable table of Step 7: MB 0 six times and IB 8. */
static void a_variable_status_names_its_variables(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = up("32 07 0000 6e03 000c 002a 000112 08 12 41 02 00 00 00 0000 ff09 0026"
			   "0014 000e 0000 0001 0000 0012 0001 0001 0001 0001 0001 0200"
			   "0002 0106 0000 0000 1101 0000 0008");
	assert_string_equal(p->name, "variable_status");
	assert_string_equal(named(p, "trigger"), "cycle_start");
	assert_int_equal(num(p, "item_count"), 2);
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[0], "area"), 0x83);
	assert_int_equal(inum(p, &it[0], "count"), 6);
	assert_int_equal(inum(p, &it[1], "area"), 0x81);
	assert_int_equal(inum(p, &it[1], "byte"), 8);
	p = down("32 07 0000 0000 000c 001e 000112 08 12 01 02 02 00 00 0000 ff09 001a"
		 "0004 0012 0100 0002 0002 ff09 0006 4133851fdead ff09 0001 02 00");
	assert_int_equal(p->dir, PDU_IND);
	assert_int_equal(p->tx, TX_NONE);
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[1], "value"), 2);
}

static void force_names_its_variable_and_value(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = up("32 07 0000 6e03 000c 0028 000112 08 12 41 09 00 00 00 0000 ff09 0024"
			   "0014 000c 0000 0100 0002 0012 0001 0001 0001 0001 0001 0000"
			   "0001 2003 0000 0004 00 03 0001");
	assert_string_equal(p->name, "force");
	assert_int_equal(items(p, it, 4), 1);
	assert_int_equal(inum(p, &it[0], "area"), 0x82);
	assert_int_equal(inum(p, &it[0], "byte"), 4);
	assert_int_equal(inum(p, &it[0], "bit"), 3);
	p = up("32 07 0000 6e03 000c 002a 000112 08 12 41 08 00 00 00 0000 ff09 0026"
	       "0014 000e 0000 0001 0001 0012 0001 0001 0001 0001 0001 0000"
	       "0001 7201 0005 0004 00 04 0010 1234");
	assert_string_equal(p->name, "modify_variable");
	assert_int_equal(items(p, it, 4), 1);
	assert_int_equal(inum(p, &it[0], "area"), 0x84);
	assert_int_equal(inum(p, &it[0], "db"), 5);
	assert_int_equal(inum(p, &it[0], "value"), 0x1234);
}

static void cyclic_data(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = up("32 07 0000 0c00 0008 0014 000112 04 11 42 01 00 ff09 0010"
			   "0001 01 02 12 0a 10 02 0004 0001 84 000050");
	assert_string_equal(p->name, "cyclic_transfer");
	assert_int_equal(num(p, "interval"), 2000);
	assert_int_equal(num(p, "item_count"), 1);
	assert_int_equal(items(p, it, 4), 1);
	assert_int_equal(inum(p, &it[0], "byte"), 10);
	p = down("32 07 0000 0000 000c 000e 000112 08 12 02 01 01 00 00 0000 ff09 000a"
		 "0001 ff09 0004 00000007");
	assert_int_equal(p->dir, PDU_IND);
	assert_int_equal(items(p, it, 4), 1);
	assert_int_equal(inum(p, &it[0], "value"), 7);
	p = up("32 07 0000 0e00 0008 0006 000112 04 11 42 04 00 ff09 0002 0501");
	assert_string_equal(p->name, "cyclic_unsubscribe");
	assert_int_equal(num(p, "job_id"), 1);
}

static void messages_and_alarms(void **state)
{
	(void)state;
	struct item it[4];
	struct pdu *p = up("32 07 0000 0500 0008 000e 000112 04 11 44 02 00 ff09 000a"
			   "8100 5553544552310000");
	assert_string_equal(p->name, "message_service");
	assert_int_equal(num(p, "subscribed_events"), 0x81);
	is_text(p, "username", "USTER1");
	p = down("32 07 0000 0000 0008 0018 000112 04 11 04 03 00 ff09 0014"
		 "4304ff84 00000000 00000094 01092153 421521aa");
	assert_string_equal(p->name, "diagnostic_message");
	assert_int_equal(num(p, "event_id"), 0x4304);
	p = down("32 07 0000 0000 0008 0028 000112 04 11 04 05 00 ff09 0024 9401000627203975 4002"
		 "12 0a 16 01 000000af 0000fefe ff04 0010 feff 12 06 16 00 000000b0");
	assert_string_equal(p->name, "alarm_8_indication");
	assert_int_equal(num(p, "event_id"), 0xaf);
	assert_int_equal(items(p, it, 4), 2);
	assert_int_equal(inum(p, &it[1], "event_id"), 0xb0);
	p = up("32 07 0000 0001 0008 000e 000112 04 11 44 0b 00 ff09 000a 0901 12 06 19 00 "
	       "0000002f");
	assert_string_equal(p->name, "alarm_ack");
	assert_int_equal(num(p, "event_id"), 0x2f);
	p = up("32 07 0000 0001 0008 0010 000112 04 11 44 13 00 ff09 000c 0001 12081a000134 "
	       "00000004");
	assert_string_equal(p->name, "alarm_query");
	assert_false(has(p, "event_id"));
}

/* As a 315 sent it when it went to STOP. */
static void a_mode_transition_is_pushed(void **state)
{
	(void)state;
	struct pdu *p = down("3207 0000 0000 0008 0000 0100101000000000");
	assert_int_equal(p->dir, PDU_IND);
	assert_int_equal(p->code, 0);
	assert_string_equal(p->name, "mode_transition");
	assert_string_equal(named(p, "mode"), "stop");
	assert_false(has(p, "function"));
	p = down("3207 0000 0000 0008 0000 000112 04 11 00 02 00");
	assert_string_equal(named(p, "mode"), "run");
}

static void every_subfunction_has_its_name(void **state)
{
	(void)state;
	for (const struct code_name *n = s7comm_dissector.fields[2].codes; n->name != NULL; n++) {
		if (n->code < 0x100)
			continue;
		char hex[128];
		snprintf(hex, sizeof hex,
			"32 07 0000 0001 0008 0004 000112 04 11 4%x %02x 00 0a00 0000",
			n->code >> 8, n->code & 0xff);
		struct pdu *p = up(hex);
		assert_string_equal(p->name, n->name);
		assert_int_equal(p->code, n->code);
		assert_null(p->malformed);
	}
	assert_string_equal(up("32 07 0000 0001 0008 0004 000112 04 11 41 7e 00 0a00 0000")->name,
		"programmer_command");
	assert_string_equal(
		up("32 07 0000 0001 0008 0004 000112 04 11 49 01 00 0a00 0000")->name, "userdata");
	assert_string_equal(
		up("32 07 0000 0001 0008 0004 000112 04 11 60 01 00 0a00 0000")->name, "routing");
	struct pdu *p = up("32 07 0000 0001 0008 0004 000112 04 11 7f 01 00 0a00 0000");
	assert_string_equal(p->name, "nc_request_download");
	assert_string_equal(named(p, "userdata_type"), "nc_request");
	assert_int_equal(p->tx, TX_REQUEST);
	p = up("32 07 0000 0001 0008 000c 000112 04 11 46 01 00 ff09 0008 12 06 13 00 00000009");
	assert_string_equal(p->name, "pbc_block_transfer");
	assert_int_equal(num(p, "r_id"), 9);
}

static void damage_is_named(void **state)
{
	(void)state;
	struct pdu *p = up("32 07 0000 0001 0004 0000 000112 04");
	assert_string_equal(p->malformed, "parameters too short for userdata");
	p = up("32 07 0000 0001 0008 0006 000112 04 11 44 01 00 ff09 0040 0011");
	assert_string_equal(p->malformed, "userdata runs past the message");
	assert_string_equal(p->name, "read_szl");
	p = up("32 07 0000 0001 0008 0008 000112 04 11 42 01 00 ff09 0004 ffff 01 02");
	assert_string_equal(p->malformed, "item count beyond the bytes");
	p = up("32 07 0000 0001 0008 000a 000112 04 11 41 08 00 ff09 0006 0000 0002 ffff");
	assert_string_equal(p->malformed, "item count beyond the bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_status_list_is_asked_for, start, stop),
		cmocka_unit_test_setup_teardown(parts_are_joined_before_they_are_read, start, stop),
		cmocka_unit_test_setup_teardown(
			parts_that_do_not_belong_together_are_not_joined, start, stop),
		cmocka_unit_test_setup_teardown(parts_without_end_are_bounded, start, stop),
		cmocka_unit_test_setup_teardown(protection_and_mode, start, stop),
		cmocka_unit_test_setup_teardown(an_error_in_the_parameter_rejects, start, stop),
		cmocka_unit_test_setup_teardown(the_clock, start, stop),
		cmocka_unit_test_setup_teardown(security, start, stop),
		cmocka_unit_test_setup_teardown(blocks, start, stop),
		cmocka_unit_test_setup_teardown(a_variable_status_names_its_variables, start, stop),
		cmocka_unit_test_setup_teardown(force_names_its_variable_and_value, start, stop),
		cmocka_unit_test_setup_teardown(cyclic_data, start, stop),
		cmocka_unit_test_setup_teardown(messages_and_alarms, start, stop),
		cmocka_unit_test_setup_teardown(a_mode_transition_is_pushed, start, stop),
		cmocka_unit_test_setup_teardown(every_subfunction_has_its_name, start, stop),
		cmocka_unit_test_setup_teardown(damage_is_named, start, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
