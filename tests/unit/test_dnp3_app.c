/* test_dnp3_app.c - DNP3 functions, objects, pairing, verdict. */
#include "tests/unit/test_dnp3.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- functions ---- */

static const struct {
	uint8_t code;
	const char *name;
	enum tx_role tx;
} functions[] = {
	{ 0, "confirm", TX_NONE },
	{ 1, "read", TX_REQUEST },
	{ 2, "write", TX_REQUEST },
	{ 3, "select", TX_REQUEST },
	{ 4, "operate", TX_REQUEST },
	{ 5, "direct_operate", TX_REQUEST },
	{ 6, "direct_operate_no_ack", TX_REQUEST_SILENT },
	{ 7, "immediate_freeze", TX_REQUEST },
	{ 8, "immediate_freeze_no_ack", TX_REQUEST_SILENT },
	{ 9, "freeze_and_clear", TX_REQUEST },
	{ 10, "freeze_and_clear_no_ack", TX_REQUEST_SILENT },
	{ 11, "freeze_at_time", TX_REQUEST },
	{ 12, "freeze_at_time_no_ack", TX_REQUEST_SILENT },
	{ 13, "cold_restart", TX_REQUEST },
	{ 14, "warm_restart", TX_REQUEST },
	{ 15, "initialize_data", TX_REQUEST },
	{ 16, "initialize_application", TX_REQUEST },
	{ 17, "start_application", TX_REQUEST },
	{ 18, "stop_application", TX_REQUEST },
	{ 19, "save_configuration", TX_REQUEST },
	{ 20, "enable_unsolicited", TX_REQUEST },
	{ 21, "disable_unsolicited", TX_REQUEST },
	{ 22, "assign_class", TX_REQUEST },
	{ 23, "delay_measure", TX_REQUEST },
	{ 24, "record_current_time", TX_REQUEST },
	{ 25, "open_file", TX_REQUEST },
	{ 26, "close_file", TX_REQUEST },
	{ 27, "delete_file", TX_REQUEST },
	{ 28, "get_file_info", TX_REQUEST },
	{ 29, "authenticate_file", TX_REQUEST },
	{ 30, "abort_file", TX_REQUEST },
	{ 31, "activate_configuration", TX_REQUEST },
	{ 32, "authentication_request", TX_REQUEST },
	{ 33, "authentication_request_no_ack", TX_REQUEST_SILENT },
	{ 129, "response", TX_REPLY },
	{ 130, "unsolicited_response", TX_NONE },
	{ 131, "authentication_response", TX_REPLY },
};

static void every_function_has_its_name_and_role(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(functions); i++) {
		char hex[16];
		struct rig r;
		rig_init(&r);
		snprintf(hex, sizeof hex, "c5 %02x %s", functions[i].code,
			functions[i].code >= 128 ? "0000" : "");
		rig_fragment(&r, hex);
		assert_int_equal(r.pdu.code, functions[i].code);
		assert_string_equal(r.pdu.name, functions[i].name);
		assert_int_equal(r.pdu.tx, functions[i].tx);
		assert_int_equal(r.pdu.dir, functions[i].code >= 128 ? PDU_RSP : PDU_REQ);
		assert_int_equal(field(&r, DNP3_SEQUENCE), 5);
		assert_null(r.pdu.malformed);
		rig_fini(&r);
	}
}

static void reserved_functions_are_told(void **state)
{
	(void)state;
	static const char *const hex[] = { "c0 22", "c0 46", "c0 7f", "c0 80", "c0 84 0000",
		"c0 ff" };
	for (size_t i = 0; i < COUNT(hex); i++) {
		struct rig r;
		rig_init(&r);
		rig_fragment(&r, hex[i]);
		assert_string_equal(r.pdu.name, "reserved");
		assert_int_equal(r.pdu.dir, PDU_REQ);
		assert_why(&r, "reserved function code");
		assert_int_equal(r.pdu.tx, TX_REQUEST);
		rig_fini(&r);
	}
}

static void application_control_bits(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	rig_fragment(&r, "b7 82 0000");
	assert_int_equal(field(&r, DNP3_FIRST), 1);
	assert_int_equal(field(&r, DNP3_FINAL), 0);
	assert_int_equal(field(&r, DNP3_CONFIRM), 1);
	assert_int_equal(field(&r, DNP3_UNSOLICITED), 1);
	assert_int_equal(field(&r, DNP3_SEQUENCE), 7);
	rig_fini(&r);
}

static void indications_by_name(void **state)
{
	(void)state;
	static const char *const names[16] = { "iin_no_function_code", "iin_object_unknown",
		"iin_parameter_error", "iin_event_buffer_overflow", "iin_already_executing",
		"iin_config_corrupt", "iin_reserved_1", "iin_reserved_2", "iin_broadcast",
		"iin_class_1_events", "iin_class_2_events", "iin_class_3_events", "iin_need_time",
		"iin_local_control", "iin_device_trouble", "iin_device_restart" };
	for (unsigned bit = 0; bit < 16; bit++) {
		char hex[32];
		struct rig r;
		rig_init(&r);
		snprintf(hex, sizeof hex, "c0 81 %02x %02x", 1U << bit >> 8, 1U << bit & 255);
		rig_fragment(&r, hex);
		assert_int_equal(field(&r, DNP3_IIN), 1U << bit);
		for (unsigned other = 0; other < 16; other++)
			assert_int_equal(pdu_has(&r.pdu, DNP3_IIN_BITS + other), other == bit);
		assert_string_equal(dnp3_fields[DNP3_IIN_BITS + bit].name + 5, names[bit]);
		rig_fini(&r);
	}
}

static void cut_headers_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *why;
	} cases[] = {
		{ "c0", "application header is cut" },
		{ "c0 81", "internal indications are cut" },
		{ "c0 82 00", "internal indications are cut" },
		{ "c0 01 3c", "object header is cut" },
		{ "c0 01 3c 02", "object header is cut" },
		{ "c0 01 1e 00 01 00 00 05", "object header is cut" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r;
		rig_init(&r);
		rig_fragment(&r, cases[i].hex);
		assert_why(&r, cases[i].why);
		rig_fini(&r);
	}
}

/* ---- objects ---- */

/* An item as text: g1v2 [range] #index =value /flags @time +delay c<control> s<status> 'text'
 * <bytes> */
static size_t print_item(char *to, size_t room, const struct item *it)
{
	const struct value *v = it->value;
	size_t n = (size_t)snprintf(to, room, "%sg%uv%u", "", (unsigned)v[DNP3_ITEM_GROUP].u,
		(unsigned)v[DNP3_ITEM_VARIATION].u);
#define PUT(f, ...)                                                                                \
	if (item_has(it, f) && n < room)                                                           \
	n += (size_t)snprintf(to + n, room - n, __VA_ARGS__)
	PUT(DNP3_ITEM_INDEX, "#%llu", (unsigned long long)v[DNP3_ITEM_INDEX].u);
	PUT(DNP3_ITEM_VALUE, "=%.10g", v[DNP3_ITEM_VALUE].r);
	PUT(DNP3_ITEM_FLAGS, "/%02llx", (unsigned long long)v[DNP3_ITEM_FLAGS].u);
	PUT(DNP3_ITEM_TIME, "@%llu", (unsigned long long)v[DNP3_ITEM_TIME].u);
	PUT(DNP3_ITEM_DELAY, "+%llu", (unsigned long long)v[DNP3_ITEM_DELAY].u);
	PUT(DNP3_ITEM_CONTROL_CODE, "c%02llx", (unsigned long long)v[DNP3_ITEM_CONTROL_CODE].u);
	PUT(DNP3_ITEM_REPEAT, "x%llu", (unsigned long long)v[DNP3_ITEM_REPEAT].u);
	PUT(DNP3_ITEM_ON_TIME, "on%llu", (unsigned long long)v[DNP3_ITEM_ON_TIME].u);
	PUT(DNP3_ITEM_OFF_TIME, "off%llu", (unsigned long long)v[DNP3_ITEM_OFF_TIME].u);
	PUT(DNP3_ITEM_STATUS, "s%llu", (unsigned long long)v[DNP3_ITEM_STATUS].u);
	PUT(DNP3_ITEM_TEXT, "'%.*s'", (int)v[DNP3_ITEM_TEXT].len,
		(const char *)v[DNP3_ITEM_TEXT].bytes);
	PUT(DNP3_ITEM_BYTES, "<%u>", (unsigned)v[DNP3_ITEM_BYTES].len);
#undef PUT
	return n;
}

static void print_items(char *to, size_t room, const struct pdu *p)
{
	struct item_cursor c = p->items;
	struct item it;
	size_t n = 0;
	to[0] = '\0';
	while (items_next(&c, &it)) {
		if (n > 0 && n < room - 1)
			to[n++] = ' ';
		n += print_item(to + n, room - n, &it);
		assert_true(n < room - 100);
	}
	assert_false(items_next(&c, &it));
}

// clang-format off
static const struct {
	const char *hex, *items, *why;
} objects[] = {
	/* binary */
	{ "c081 0000 01 01 00 03 0d a5 07", "g1v1#3=1 g1v1#4=0 g1v1#5=1 g1v1#6=0 g1v1#7=0 g1v1#8=1 g1v1#9=0 g1v1#10=1 g1v1#11=1 g1v1#12=1 g1v1#13=1", NULL },
	{ "c081 0000 01 02 00 00 01 81 01", "g1v2#0=1/81 g1v2#1=0/01", NULL },
	{ "c081 0000 02 01 17 01 09 81", "g2v1#9=1/81", NULL },
	{ "c081 0000 02 02 28 0100 0500 01 00a0724e1801", "g2v2#5=0/01@1203906977792", NULL },
	{ "c081 0000 33 01 07 01 e80300000000 02 03 28 0100 0500 81 f401", "g51v1@1000 g2v3#5=1/81@1500+500", NULL },
	{ "c081 0000 02 03 28 0100 0500 81 f401", "g2v3#5=1/81+500", NULL },
	{ "c081 0000 03 01 00 00 04 e4 02", "g3v1#0=0 g3v1#1=1 g3v1#2=2 g3v1#3=3 g3v1#4=2", NULL },
	{ "c081 0000 03 02 00 07 07 81", "g3v2#7=2/81", NULL },
	{ "c081 0000 04 01 17 01 07 c1", "g4v1#7=3/c1", NULL },
	{ "c081 0000 04 02 17 01 07 41 010000000000", "g4v2#7=1/41@1", NULL },
	{ "c081 0000 33 02 07 01 000100000000 04 03 17 01 07 01 0200", "g51v2@256 g4v3#7=0/01@258+2", NULL },
	{ "c081 0000 0a 01 00 00 01 02", "g10v1#0=0 g10v1#1=1", NULL },
	{ "c081 0000 0a 02 01 0000 0000 81", "g10v2#0=1/81", NULL },
	{ "c081 0000 0b 01 17 01 02 81", "g11v1#2=1/81", NULL },
	{ "c081 0000 0b 02 17 01 02 01 ffffffffffff", "g11v2#2=0/01@281474976710655", NULL },
	/* binary commands */
	{ "c003 0c 01 28 0200 0500 41 01 e8030000 d0070000 00 ffff 81 02 00000000 00000000 00", "g12v1#5c41x1on1000off2000s0 g12v1#65535c81x2on0off0s0", NULL },
	{ "c005 0c 01 17 01 05 04 ff ffffffff 00000000 80", "g12v1#5c04x255on4294967295off0s0", NULL },
	{ "c005 0c 02 07 01 41 01 64000000 64000000 00 0c 03 00 00 03 05", "g12v2c41x1on100off100s0 g12v3#0=1 g12v3#1=0 g12v3#2=1 g12v3#3=0", NULL },
	{ "c081 0000 0d 01 17 01 03 89", "g13v1#3=1s9", NULL },
	{ "c081 0000 0d 02 17 01 03 00 0a0000000000", "g13v2#3=0@10s0", NULL },
	/* counters */
	{ "c081 0000 14 01 00 00 00 01 ffffffff", "g20v1#0=4294967295/01", NULL },
	{ "c081 0000 14 02 00 00 00 01 ffff", "g20v2#0=65535/01", NULL },
	{ "c081 0000 14 03 00 00 00 01 01000000 14 04 00 00 00 01 0200", "g20v3#0=1/01 g20v4#0=2/01", NULL },
	{ "c081 0000 14 05 00 00 00 01000080", "g20v5#0=2147483649", NULL },
	{ "c081 0000 14 06 00 00 00 0180 14 07 00 01 01 03000000 14 08 00 02 02 0400", "g20v6#0=32769 g20v7#1=3 g20v8#2=4", NULL },
	{ "c081 0000 15 01 00 00 00 01 05000000 15 02 00 00 00 01 0600", "g21v1#0=5/01 g21v2#0=6/01", NULL },
	{ "c081 0000 15 03 00 00 00 01 05000000 15 04 00 00 00 01 0600", "g21v3#0=5/01 g21v4#0=6/01", NULL },
	{ "c081 0000 15 05 00 00 00 01 05000000 070000000000 15 06 00 00 00 01 0600 080000000000", "g21v5#0=5/01@7 g21v6#0=6/01@8", NULL },
	{ "c081 0000 15 07 00 00 00 01 05000000 070000000000 15 08 00 00 00 01 0600 080000000000", "g21v7#0=5/01@7 g21v8#0=6/01@8", NULL },
	{ "c081 0000 15 09 00 00 00 05000000 15 0a 00 00 00 0600 15 0b 00 00 00 05000000 15 0c 00 00 00 0600", "g21v9#0=5 g21v10#0=6 g21v11#0=5 g21v12#0=6", NULL },
	{ "c082 0000 16 01 17 01 00 01 05000000 16 02 17 01 00 01 0600", "g22v1#0=5/01 g22v2#0=6/01", NULL },
	{ "c082 0000 16 03 17 01 00 01 05000000 16 04 17 01 00 01 0600", "g22v3#0=5/01 g22v4#0=6/01", NULL },
	{ "c082 0000 16 05 17 01 00 01 05000000 070000000000 16 06 17 01 00 01 0600 080000000000", "g22v5#0=5/01@7 g22v6#0=6/01@8", NULL },
	{ "c082 0000 16 07 17 01 00 01 05000000 070000000000 16 08 17 01 00 01 0600 080000000000", "g22v7#0=5/01@7 g22v8#0=6/01@8", NULL },
	{ "c082 0000 17 01 17 01 00 01 05000000 17 02 17 01 00 01 0600", "g23v1#0=5/01 g23v2#0=6/01", NULL },
	{ "c082 0000 17 05 17 01 00 01 05000000 070000000000 17 06 17 01 00 01 0600 080000000000", "g23v5#0=5/01@7 g23v6#0=6/01@8", NULL },
	/* analogs */
	{ "c081 0000 1e 01 00 00 00 01 ffffffff", "g30v1#0=-1/01", NULL },
	{ "c081 0000 1e 02 00 00 00 01 0080", "g30v2#0=-32768/01", NULL },
	{ "c081 0000 1e 03 00 00 00 00000080 1e 04 00 00 00 ff7f", "g30v3#0=-2147483648 g30v4#0=32767", NULL },
	{ "c081 0000 1e 05 00 00 00 01 0000c03f", "g30v5#0=1.5/01", NULL },
	{ "c081 0000 1e 06 00 00 00 01 182d4454fb210940", "g30v6#0=3.141592654/01", NULL },
	{ "c081 0000 1e 05 00 00 00 01 0000c07f", "g30v5#0/01", NULL }, /* not a number: no value */
	{ "c081 0000 1f 01 00 00 00 01 ffffffff 1f 02 00 00 00 01 ffff", "g31v1#0=-1/01 g31v2#0=-1/01", NULL },
	{ "c081 0000 1f 03 00 00 00 01 02000000 030000000000 1f 04 00 00 00 01 0200 030000000000", "g31v3#0=2/01@3 g31v4#0=2/01@3", NULL },
	{ "c081 0000 1f 05 00 00 00 feffffff 1f 06 00 00 00 feff", "g31v5#0=-2 g31v6#0=-2", NULL },
	{ "c081 0000 1f 07 00 00 00 01 000000bf 1f 08 00 00 00 01 000000000000e03f", "g31v7#0=-0.5/01 g31v8#0=0.5/01", NULL },
	{ "c082 0000 20 01 28 0100 0900 01 0a000000 20 02 28 0100 0900 01 0b00", "g32v1#9=10/01 g32v2#9=11/01", NULL },
	{ "c082 0000 20 03 28 0100 0900 01 0a000000 040000000000 20 04 28 0100 0900 01 0b00 040000000000", "g32v3#9=10/01@4 g32v4#9=11/01@4", NULL },
	{ "c082 0000 20 05 28 0100 0900 01 0000803f 20 06 28 0100 0900 01 000000000000f03f", "g32v5#9=1/01 g32v6#9=1/01", NULL },
	{ "c082 0000 20 07 28 0100 0900 01 0000803f 040000000000 20 08 28 0100 0900 01 000000000000f03f 040000000000", "g32v7#9=1/01@4 g32v8#9=1/01@4", NULL },
	{ "c082 0000 21 01 17 01 09 01 0a000000 21 04 17 01 09 01 0b00 040000000000 21 08 17 01 09 01 000000000000f03f 040000000000", "g33v1#9=10/01 g33v4#9=11/01@4 g33v8#9=1/01@4", NULL },
	{ "c002 22 01 00 03 03 0a00 22 02 00 04 04 0b000000 22 03 00 05 05 0000803f", "g34v1#3=10 g34v2#4=11 g34v3#5=1", NULL },
	{ "c081 0000 28 01 00 00 00 01 ffffffff 28 02 00 00 00 01 ffff 28 03 00 00 00 01 0000803f 28 04 00 00 00 01 000000000000f03f", "g40v1#0=-1/01 g40v2#0=-1/01 g40v3#0=1/01 g40v4#0=1/01", NULL },
	{ "c005 29 01 17 01 02 9cffffff 00 29 02 17 01 02 9cff 00 29 03 17 01 02 0000803f 00 29 04 17 01 02 000000000000f03f 00", "g41v1#2=-100s0 g41v2#2=-100s0 g41v3#2=1s0 g41v4#2=1s0", NULL },
	{ "c082 0000 2a 01 17 01 02 01 05000000 2a 02 17 01 02 01 0500 2a 03 17 01 02 01 05000000 010000000000 2a 08 17 01 02 01 000000000000f03f 010000000000", "g42v1#2=5/01 g42v2#2=5/01 g42v3#2=5/01@1 g42v8#2=1/01@1", NULL },
	{ "c082 0000 2b 01 17 01 02 09 05000000 2b 02 17 01 02 00 0500 2b 03 17 01 02 00 05000000 010000000000 2b 08 17 01 02 00 000000000000f03f 010000000000", "g43v1#2=5s9 g43v2#2=5s0 g43v3#2=5@1s0 g43v8#2=1@1s0", NULL },
	/* time */
	{ "c002 32 01 07 01 00a0724e1801", "g50v1@1203906977792", NULL },
	{ "c00b 32 02 07 01 010000000000 e8030000 14 00 06", "g50v2=1000@1 g20v0", NULL },
	{ "c002 32 03 07 01 020000000000", "g50v3@2", NULL },
	{ "c002 32 04 28 0100 0300 020000000000 05000000 03", "g50v4#3=5@2", NULL },
	{ "c081 0000 34 01 07 01 0200 34 02 07 01 0200", "g52v1+2000 g52v2+2", NULL },
	/* classes, indications, storage */
	{ "c001 3c 02 06 3c 03 06 3c 04 07 05 3c 01 06", "g60v2 g60v3 g60v4 g60v1", NULL },
	{ "c002 50 01 00 07 07 00", "g80v1#7=0", NULL },
	{ "c081 0000 50 01 00 00 0f 90 01", "g80v1#0=0 g80v1#1=0 g80v1#2=0 g80v1#3=0 g80v1#4=1 g80v1#5=0 g80v1#6=0 g80v1#7=1 g80v1#8=1 g80v1#9=0 g80v1#10=0 g80v1#11=0 g80v1#12=0 g80v1#13=0 g80v1#14=0 g80v1#15=0", NULL },
	{ "c081 0000 51 01 07 01 32 0200", "g81v1=50", NULL },
	{ "c081 0000 52 01 5b 01 0300 aabbcc 53 01 5b 01 0200 0102", "g82v1<3> g83v1<2>", NULL },
	{ "c081 0000 55 01 5b 01 0100 aa 56 01 5b 01 0100 aa 56 02 00 00 01 01 02 56 03 5b 01 0100 aa 57 01 5b 01 0100 aa 58 01 5b 01 0100 aa",
	  "g85v1<1> g86v1<1> g86v2#0/01 g86v2#1/02 g86v3<1> g87v1<1> g88v1<1>", NULL },
	{ "c012 5a 01 5b 01 0300 504c43", "g90v1<3>", NULL },
	{ "c081 0000 5b 01 5b 01 0500 e803000000", "g91v1<5>", NULL },
	{ "c081 0000 65 01 00 00 00 1234 65 02 00 00 00 12345678 65 03 00 00 00 1234567890123456 66 01 00 00 00 fe", "g101v1#0<2> g101v2#0<4> g101v3#0<8> g102v1#0=254", NULL },
	/* strings: the variation is the length */
	{ "c081 0000 6e 03 00 01 02 414243 444546", "g110v3#1'ABC' g110v3#2'DEF'", NULL },
	{ "c082 0000 6f 02 17 01 07 0001", "g111v2#7<2>", NULL },
	{ "c002 70 02 17 01 07 6869 71 02 17 01 07 6869", "g112v2#7'hi' g113v2#7'hi'", NULL },
	{ "c002 72 00 5b 01 0500 68656c6c6f 73 00 5b 01 0200 6869", "g114v0'hello' g115v0'hi'", NULL },
	{ "c001 6e 00 06", "g110v0", NULL },
	/* device attributes */
	{ "c081 0000 00 fc 00 00 00 01 04 41434d45", "g0v252#0'ACME'", NULL },
	{ "c081 0000 00 f0 00 00 00 02 02 0008 00 cc 00 00 00 04 08 000000000000f0bf 00 c8 00 00 00 05 02 0102", "g0v240#0=2048 g0v204#0=-1 g0v200#0<2>", NULL },
	{ "c081 0000 00 d9 00 00 00 03 01 ff 00 c6 00 00 00 07 06 010000000000", "g0v217#0=-1 g0v198#0@1", NULL },
	{ "c081 0000 00 ff 00 00 00 fe 04 f000fc00", "g0v255#0<4>", NULL },
	{ "c001 00 fe 00 00 00", "g0v254", NULL },
	/* authentication */
	{ "c020 78 04 07 01 0100", "g120v4", NULL },
	{ "c001 78 03 07 01 01000000 0100 3c 02 06 78 09 5b 01 0400 aabbccdd", "g120v3 g60v2 g120v9", NULL },
	{ "c081 0000 79 01 00 03 03 01 0000 05000000 7a 01 17 01 03 01 0000 05000000 7a 02 17 01 03 01 0000 05000000 090000000000", "g121v1#3=5/01 g122v1#3=5/01 g122v2#3=5/01@9", NULL },
	/* requests that name points carry no data */
	{ "c001 1e 00 01 0000 ff03 0a 02 00 00 07 01 00 28 0200 0100 0700", "g30v0 g10v2 g1v0#1 g1v0#7", NULL },
	{ "c016 3c 02 06 1e 00 00 00 63 3c 03 06 14 00 06", "g60v2 g30v0 g60v3 g20v0", NULL },
	{ "c009 14 00 00 00 09", "g20v0", NULL },
	{ "c015 3c 02 06 3c 03 06 3c 04 06", "g60v2 g60v3 g60v4", NULL },
	/* every qualifier that is allowed */
	{ "c081 0000 1e 04 02 00000100 01000100 0100 0200", "g30v4#65536=1 g30v4#65537=2", NULL },
	{ "c081 0000 1e 04 03 10 10 0100 1e 04 04 1000 1000 0100 1e 04 05 10000000 10000000 0100", "g30v4#16=1 g30v4#16=1 g30v4#16=1", NULL },
	{ "c081 0000 1e 04 07 01 0100 1e 04 08 0100 0100 1e 04 09 01000000 0100", "g30v4=1 g30v4=1 g30v4=1", NULL },
	{ "c081 0000 20 02 39 01000000 00000100 01 0b00", "g32v2#65536=11/01", NULL },
	{ "c081 0000 1e 02 10 05 05 07 01 0100", "g30v2#7=1/01", NULL },
	{ "c081 0000 6e 00 4b 02 01 41 02 4243 6e 00 6b 01 01000000 41", "g110v0'A' g110v0'BC' g110v0'A'", NULL },
	/* and those that are not */
	{ "c081 0000 1e 04 0a 01 0100", "g30v4", "reserved object qualifier" },
	{ "c081 0000 1e 04 0c 01 0100", "g30v4", "reserved object qualifier" },
	{ "c081 0000 1e 04 70 01 0100", "g30v4", "reserved object qualifier" },
	{ "c081 0000 1e 04 80 01 0100", "g30v4", "reserved object qualifier" },
	/* limits */
	{ "c081 0000 1e 04 00 05 04 0100", "g30v4", "object range stops before it starts" },
	/* DNP3-Malformed.pcap of ITI, frame 157: tshark reads on after 1-0, with g3v1 and qualifier 64, as if nothing were wrong */
	{ "c204 0c 01 07 00 00 00 00 01 00 03 01 64 00 00 00 64 00 00 00 00", "g12v1 g0v0", "object range stops before it starts" },
	{ "c081 0000 1e 04 00 00 02 0100 0200 03", "g30v4#0=1 g30v4#1=2", "object data is cut" },
	{ "c081 0000 01 01 02 00000000 ffffffff 03", "g1v1#0=1 g1v1#1=1 g1v1#2=0 g1v1#3=0 g1v1#4=0 g1v1#5=0 g1v1#6=0 g1v1#7=0", "object data is cut" },
	{ "c081 0000 14 01 09 ffffffff 01 05000000", "g20v1=5/01", "object data is cut" },
	{ "c081 0000 3c 01 09 ffffffff 1e 04 00 00 00 0100", "g60v1 g30v4#0=1", NULL },
	{ "c001 1e 00 02 00000000 ffffffff", "g30v0", NULL },
	{ "c001 1e 00 39 ffffffff 01000000 02000000", "g30v0#1 g30v0#2", "object data is cut" },
	{ "c002 6e 00 09 ffffffff", "g110v0", NULL },
	{ "c081 0000 46 05 5b 01 ffff 00", "g70v5", "object data is cut" },
	{ "c081 0000 46 05 07 01 00", "g70v5", "object without its size" },
	{ "c005 0c 01 06", "g12v1", "object without the range of its data" },
	{ "c081 0000 01 01 17 01 00 01", "g1v1", "packed object with a prefix" },
	{ "c081 0000 00 fc 00 00 00 01 05 41434d45", "g0v252", "object data is cut" },
	/* wire.md 28: an unknown object ends the fragment, which says so */
	{ "c081 0000 1e 04 00 00 00 0100 c8 01 00 00 00 00 1e 04 00 00 00 0100", "g30v4#0=1 g200v1", "unknown object" },
	{ "c081 0000 1e 09 00 00 00 0100", "g30v9", "unknown object" },
	{ "c081 0000 1e 00 00 00 00 0100", "g30v0", "unknown object" },
	/* but where the size is on the wire it does not */
	{ "c081 0000 c8 01 5b 01 0200 0102 1e 04 00 00 00 0100", "g200v1<2> g30v4#0=1", NULL },
	{ "c001 c8 01 06 3c 01 06", "g200v1 g60v1", NULL },
};
// clang-format on

static void objects_are_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(objects); i++) {
		char text[4096];
		struct rig r;
		rig_init(&r);
		rig_fragment(&r, objects[i].hex);
		print_items(text, sizeof text, &r.pdu);
		if (strcmp(text, objects[i].items) != 0)
			fail_msg(
				"%s\n gives %s\n not   %s", objects[i].hex, text, objects[i].items);
		if (objects[i].why != NULL)
			assert_why(&r, objects[i].why);
		else if (r.pdu.malformed != NULL)
			fail_msg("%s: %s", objects[i].hex, r.pdu.malformed);
		rig_fini(&r);
	}
}

/* Every cut of every fragment above: no read past the end, no endless list. */
static void every_cut_of_an_object_is_survived(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(objects); i++) {
		struct wire w = wire_hex(objects[i].hex);
		for (size_t n = 0; n < w.len; n++) {
			struct wire cut = wire_copy(w.bytes, n);
			struct dnp3_state flow = { .clock = 0 };
			struct pdu p;
			struct item it;
			pdu_init(&p);
			pdu_uint(&p, DNP3_SOURCE, 1);
			pdu_uint(&p, DNP3_DESTINATION, 10);
			dnp3_fragment(rd_over(cut.bytes, n), &flow, &p);
			unsigned items = 0;
			while (items_next(&p.items, &it))
				items++;
			assert_true(items <= 8 * w.len);
			free(cut.bytes);
		}
		free(w.bytes);
	}
}

/* The header's own fields stand in each of its points. */
static void points_carry_their_header(void **state)
{
	(void)state;
	struct item it;
	struct rig r;
	rig_init(&r);
	rig_fragment(&r, "c081 0000 1e 04 01 0500 0600 0100 0200");
	struct item_cursor c = r.pdu.items;
	assert_true(items_next(&c, &it));
	struct item_cursor copy = c;
	for (unsigned again = 0; again < 2; again++) {
		assert_true(items_next(again ? &copy : &c, &it));
		assert_int_equal(it.value[DNP3_ITEM_QUALIFIER].u, 1);
		assert_int_equal(it.value[DNP3_ITEM_START].u, 5);
		assert_int_equal(it.value[DNP3_ITEM_STOP].u, 6);
		assert_int_equal(it.value[DNP3_ITEM_INDEX].u, 6);
	}
	assert_int_equal(field(&r, DNP3_OBJECT_COUNT), 1);
	assert_int_equal(field(&r, DNP3_GROUP), 30);
	assert_int_equal(field(&r, DNP3_VARIATION), 4);
	assert_text(&r.pdu.value[DNP3_OBJECT], "16-bit analog input");
	rig_fini(&r);
}

static void control_codes_are_split(void **state)
{
	(void)state;
	struct item it;
	struct rig r;
	rig_init(&r);
	rig_fragment(&r, "c005 0c 01 17 01 05 a1 01 64000000 00000000 00");
	assert_true(items_next(&r.pdu.items, &it));
	assert_int_equal(it.value[DNP3_ITEM_CONTROL_CODE].u, 0xa1);
	assert_int_equal(it.value[DNP3_ITEM_QUEUE].u, 0);
	assert_int_equal(it.value[DNP3_ITEM_CLEAR].u, 1);
	assert_int_equal(it.value[DNP3_ITEM_OPERATION].u, 1);
	assert_int_equal(it.value[DNP3_ITEM_TRIP_CLOSE].u, 2);
	assert_string_equal(
		dnp3_code_name(dnp3_item_fields[DNP3_ITEM_TRIP_CLOSE].codes, 2), "trip");
	rig_fini(&r);
}

/* ---- files and authentication ---- */

static void file_objects(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	rig_fragment(&r, "c119 46 03 5b 01 1f00 1a00 0500 e80300000000 ff01 00000000 10000000 0200 "
			 "0004 0700 612e747874");
	assert_null(r.pdu.malformed);
	assert_text(&r.pdu.value[DNP3_FILE_NAME], "a.txt");
	assert_int_equal(field(&r, DNP3_FILE_TIME), 1000);
	assert_int_equal(field(&r, DNP3_FILE_PERMISSIONS), 0x1ff);
	assert_int_equal(field(&r, DNP3_FILE_SIZE), 16);
	assert_int_equal(field(&r, DNP3_FILE_MODE), 2);
	assert_int_equal(field(&r, DNP3_FILE_BLOCK_SIZE), 1024);
	assert_int_equal(field(&r, DNP3_FILE_REQUEST), 7);

	rig_fragment(&r, "c181 0000 46 04 5b 01 1100 78563412 10000000 0004 0700 03 6e6f7065");
	assert_int_equal(field(&r, DNP3_FILE_HANDLE), 0x12345678);
	assert_int_equal(field(&r, DNP3_FILE_STATUS), 3);
	assert_text(&r.pdu.value[DNP3_FILE_TEXT], "nope");
	assert_true(r.pdu.rejected);
	assert_string_equal(r.pdu.status_name, "file_not_found");

	rig_fragment(&r, "c202 46 05 5b 01 0b00 78563412 05000080 414243");
	assert_int_equal(field(&r, DNP3_FILE_BLOCK), 5);
	assert_int_equal(field(&r, DNP3_FILE_LAST_BLOCK), 1);
	assert_text(&r.pdu.value[DNP3_FILE_DATA], "ABC");

	rig_fragment(&r, "c281 0000 46 06 5b 01 0900 78563412 05000080 00");
	assert_int_equal(field(&r, DNP3_FILE_STATUS), 0);
	assert_false(r.pdu.rejected);

	rig_fragment(&r,
		"c381 0000 46 07 5b 01 1600 1400 0200 0100 10000000 010000000000 ff01 0700 6161");
	assert_text(&r.pdu.value[DNP3_FILE_NAME], "aa");
	assert_int_equal(field(&r, DNP3_FILE_TYPE), 1);

	rig_fragment(&r, "c41f 46 08 5b 01 0300 636667");
	assert_text(&r.pdu.value[DNP3_FILE_NAME], "cfg");

	rig_fragment(&r, "c51d 46 02 5b 01 1000 0c00 0200 0e00 0200 00000000 6d65 7077");
	assert_text(&r.pdu.value[DNP3_FILE_USER], "me");
	rig_fini(&r);
}

static void hostile_file_objects(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	rig_fragment(&r, "c119 46 03 5b 01 1f00 ffff 0500 e80300000000 ff01 00000000 10000000 0200 "
			 "0004 0700 612e747874");
	assert_why(&r, "file object is cut");
	assert_false(pdu_has(&r.pdu, DNP3_FILE_NAME));
	rig_fragment(&r, "c119 46 03 5b 01 1f00 1a00 0600 e80300000000 ff01 00000000 10000000 0200 "
			 "0004 0700 612e747874");
	assert_why(&r, "file object is cut");
	rig_fragment(&r, "c119 46 03 5b 01 0300 1a00 06");
	assert_why(&r, "file object is cut");
	rig_fini(&r);
}

static void authentication_objects(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	rig_fragment(&r, "c183 0000 78 01 5b 01 0c00 05000000 0200 04 01 aabbccdd");
	assert_int_equal(field(&r, DNP3_AUTH_SEQUENCE), 5);
	assert_int_equal(field(&r, DNP3_AUTH_USER), 2);
	assert_int_equal(r.pdu.tx, TX_REPLY_PART);

	rig_fragment(&r, "c120 78 02 5b 01 0800 05000000 0200 aabb");
	assert_int_equal(r.pdu.tx, TX_NONE);

	rig_fragment(&r, "c183 0000 78 07 5b 01 1100 05000000 0200 0000 01 000000000000 6e6f");
	assert_int_equal(field(&r, DNP3_AUTH_ERROR), 1);
	assert_text(&r.pdu.value[DNP3_AUTH_TEXT], "no");
	assert_true(r.pdu.rejected);
	assert_string_equal(r.pdu.status_name, "authentication_failed");

	rig_fragment(
		&r, "c120 78 0a 5b 01 1600 04 02 07000000 0300 6400 0300 0200 0100 626f62 0102 03");
	assert_null(r.pdu.malformed);
	assert_int_equal(field(&r, DNP3_AUTH_OPERATION), 2);
	assert_int_equal(field(&r, DNP3_AUTH_ROLE), 3);
	assert_text(&r.pdu.value[DNP3_AUTH_USER_NAME], "bob");

	rig_fragment(&r, "c120 78 0b 5b 01 0a00 04 0300 0200 626f62 0102");
	assert_text(&r.pdu.value[DNP3_AUTH_USER_NAME], "bob");
	rig_fragment(&r, "c183 0000 78 05 5b 01 0b00 05000000 0100 02 01 04 0000");
	assert_int_equal(field(&r, DNP3_AUTH_KEY_STATUS), 1);
	rig_fragment(&r, "c120 78 0a 5b 01 1300 04 02 07000000 0300 6400 ff00 0000 0000 626f62");
	assert_why(&r, "authentication object is cut");
	rig_fini(&r);
}

/* ---- pairing and verdict ---- */

static void replies_carry_the_key_of_their_request(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	rig_fragment(&r, "c7 01 3c 01 06");
	uint64_t key = r.pdu.tx_key, loose = r.pdu.tx_loose;
	rig_fragment(&r, "c8 01 3c 01 06");
	assert_true(r.pdu.tx_key != key);
	assert_true(r.pdu.tx_loose == loose);

	rig_fragment(&r, "87 81 0000"); /* first of several fragments */
	assert_int_equal(r.pdu.tx, TX_REPLY_PART);
	assert_true(r.pdu.tx_key == key);
	rig_fragment(&r, "08 81 0000"); /* neither first nor last */
	assert_int_equal(r.pdu.tx, TX_REPLY_PART);
	assert_true(r.pdu.tx_key != key && r.pdu.tx_loose == loose);
	rig_fragment(&r, "49 81 0000"); /* the last */
	assert_int_equal(r.pdu.tx, TX_REPLY);
	assert_true(r.pdu.tx_loose == loose);
	rig_fragment(&r, "c7 81 0000");
	assert_int_equal(r.pdu.tx, TX_REPLY);
	assert_true(r.pdu.tx_key == key);
	rig_fini(&r);
}

/* Behind a gateway the link address is the device: same sequence, other outstation, other key. */
static void outstations_have_keys_of_their_own(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0xc0, "c7 0d");
	rig_all(&r, &f);
	uint64_t key = r.pdu.tx_key;
	f.len = 0;
	add_segment(&f, 0xc4, 11, 1, 0xc0, "c7 0d");
	rig_all(&r, &f);
	assert_true(r.pdu.tx_key != key);
	f.len = 0;
	add_segment(&f, 0x44, 1, 10, 0xc0, "c7 81 0000");
	rig_all(&r, &f);
	assert_true(r.pdu.tx_key == key);
	rig_fini(&r);
}

/* Whoever answers to FFFC answers with its own address. */
static void the_self_address_is_answered_by_anyone(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 0xfffc, 1, 0xc0, "c7 01 3c 02 06");
	rig_all(&r, &f);
	uint64_t loose = r.pdu.tx_loose;
	rig_fragment(&r, "c7 81 0000");
	assert_true(r.pdu.tx_loose == loose);
	rig_fragment(&r, "c8 81 0000");
	assert_true(r.pdu.tx_loose != loose);
	rig_fragment(&r, "c7 01 3c 02 06");
	assert_true(r.pdu.tx_loose != loose);
	rig_fini(&r);
}

static void broadcasts_are_not_answered(void **state)
{
	(void)state;
	for (unsigned address = 0xfffb; address <= 0xffff; address++) {
		struct frames f = { .len = 0 };
		struct rig r;
		rig_init(&r);
		add_segment(&f, 0xc4, address, 1, 0xc0, "c7 0d");
		assert_int_equal(rig_all(&r, &f), 1);
		assert_int_equal(r.pdu.tx, address >= 0xfffd ? TX_REQUEST_SILENT : TX_REQUEST);
		rig_fini(&r);
	}
}

static void refusals_are_named(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *name;
		int32_t status;
	} cases[] = {
		{ "c0 81 0000", NULL, 0 },
		{ "c0 81 8000", NULL, 0 },
		{ "c0 81 0008", NULL, 0 },
		{ "c0 81 0001", "no_function_code", 1 },
		{ "c0 81 0002", "object_unknown", 2 },
		{ "c0 81 0004", "parameter_error", 4 },
		{ "c0 81 0006", "object_unknown", 2 },
		{ "c0 81 0000 0c01 17 01 05 03 01 64000000 00000000 00", NULL, 0 },
		{ "c0 81 0000 0c01 17 01 05 03 01 64000000 00000000 02", "no_select", 2 },
		{ "c0 81 0000 0c01 17 01 05 03 01 64000000 00000000 89", "not_authorized", 9 },
		{ "c0 81 0004 0c01 17 01 05 03 01 64000000 00000000 07", "local", 7 },
		{ "c0 81 0000 0c01 17 02 05 03 01 64000000 00000000 00 06 03 01 64000000 00000000 "
		  "0a",
			"automation_inhibit", 10 },
		{ "c0 81 0000 0c01 17 01 05 03 01 64000000 00000000 50", "reserved", 0x50 },
		{ "c0 81 0000 2902 17 01 05 6400 04", "not_supported", 4 },
		{ "c0 81 0000 2904 17 01 05 000000000000f03f 0c", "out_of_range", 12 },
		{ "c0 81 0000 2903 17 01 05 0000803f 7f", "undefined", 127 },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct rig r;
		rig_init(&r);
		rig_fragment(&r, cases[i].hex);
		assert_int_equal(r.pdu.rejected, cases[i].name != NULL);
		assert_int_equal(r.pdu.status, cases[i].status);
		if (cases[i].name != NULL)
			assert_string_equal(r.pdu.status_name, cases[i].name);
		rig_fini(&r);
	}
}

/* ---- select before operate ---- */

#define CROB(index, code) "0c01 28 0100 " index "00 " code " 01 64000000 64000000 00"

static uint64_t operate_after(const char *select, const char *operate)
{
	struct rig r;
	rig_init(&r);
	if (select != NULL)
		rig_fragment(&r, select);
	rig_fragment(&r, operate);
	uint64_t matched = field(&r, DNP3_SELECT_MATCHED);
	rig_fini(&r);
	return matched;
}

static void operate_needs_its_select(void **state)
{
	(void)state;
	assert_int_equal(operate_after("c1 03 " CROB("05", "41"), "c2 04 " CROB("05", "41")), 1);
	assert_int_equal(operate_after("cf 03 " CROB("05", "41"), "c0 04 " CROB("05", "41")), 1);
	assert_int_equal(operate_after(NULL, "c2 04 " CROB("05", "41")), 0);
	assert_int_equal(operate_after("c1 03 " CROB("05", "41"), "c2 04 " CROB("06", "41")), 0);
	assert_int_equal(operate_after("c1 03 " CROB("05", "41"), "c2 04 " CROB("05", "81")), 0);
	assert_int_equal(operate_after("c1 03 " CROB("05", "41"), "c3 04 " CROB("05", "41")), 0);
	assert_int_equal(operate_after("c1 05 " CROB("05", "41"), "c2 04 " CROB("05", "41")), 0);
}

static uint64_t select_or_operate(struct rig *r, unsigned outstation, const char *hex)
{
	struct frames f = { .len = 0 };
	add_segment(&f, 0xc4, outstation, 1, 0xc0, hex);
	rig_all(r, &f);
	return pdu_has(&r->pdu, DNP3_SELECT_MATCHED) ? field(r, DNP3_SELECT_MATCHED) : 2;
}

static void selects_are_kept_apart_by_outstation(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	for (unsigned o = 10; o < 10 + DNP3_SELECTS; o++)
		assert_int_equal(select_or_operate(&r, o, "c1 03 " CROB("05", "41")), 2);
	for (unsigned o = 10; o < 10 + DNP3_SELECTS; o++)
		assert_int_equal(select_or_operate(&r, o, "c2 04 " CROB("05", "41")), 1);
	/* An operate alone takes nobody's place. */
	assert_int_equal(select_or_operate(&r, 99, "c2 04 " CROB("05", "41")), 0);
	assert_int_equal(select_or_operate(&r, 10, "c2 04 " CROB("05", "41")), 1);
	/* One more than the table holds: the oldest is forgotten, the others are not. */
	assert_int_equal(select_or_operate(&r, 9, "c1 03 " CROB("05", "41")), 2);
	for (unsigned o = 9 + DNP3_SELECTS; o > 10; o--)
		assert_int_equal(select_or_operate(&r, o, "c2 04 " CROB("05", "41")), 1);
	assert_int_equal(select_or_operate(&r, 9, "c2 04 " CROB("05", "41")), 1);
	assert_int_equal(select_or_operate(&r, 10, "c2 04 " CROB("05", "41")), 0);
	rig_fini(&r);
}

static uint64_t starts(struct rig *r, unsigned outstation, const char *hex)
{
	struct frames f = { .len = 0 };
	add_segment(&f, 0xc4, outstation, 1, 0xc0, hex);
	rig_all(r, &f);
	return pdu_has(&r->pdu, DNP3_SESSION_START) ? field(r, DNP3_SESSION_START) : 2;
}

static void switching_unsolicited_off_is_routine_only_at_the_start(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	assert_int_equal(starts(&r, 10, "d0 00"), 2); /* a confirm is no request */
	assert_int_equal(starts(&r, 10, "c0 15 3c 02 06"), 1);
	assert_int_equal(starts(&r, 10, "c1 15 3c 02 06"), 0);
	assert_int_equal(starts(&r, 11, "c0 01 3c 01 06"), 1);
	assert_int_equal(r.pdu.same.left, 0); /* the next one is not the first */
	assert_int_equal(starts(&r, 11, "c1 01 3c 01 06"), 2);
	assert_true(r.pdu.same.left > 0);
	assert_int_equal(starts(&r, 11, "c1 15 3c 02 06"), 0);
	assert_int_equal(starts(&r, 12, "c1 15 3c 02 06"), 1);
	rig_fini(&r);
}

static void replies_say_whether_anybody_asked(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	rig_fragment(&r, "c7 81 0000");
	assert_int_equal(field(&r, DNP3_ASKED), 0);
	rig_fragment(&r, "c8 01 3c 02 06");
	assert_false(pdu_has(&r.pdu, DNP3_ASKED));
	rig_fragment(&r, "c8 81 0000");
	assert_int_equal(field(&r, DNP3_ASKED), 1);
	rig_fini(&r);
}

/* A select whose frame was damaged never reached the device. */
static void a_damaged_select_does_not_count(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0xc0, "c1 03 " CROB("05", "41"));
	f.bytes[f.len - 1] ^= 1;
	add_segment(&f, 0xc4, 10, 1, 0xc1, "c2 04 " CROB("05", "41"));
	rig_all(&r, &f);
	assert_int_equal(field(&r, DNP3_SELECT_MATCHED), 0);
	rig_fini(&r);
}

/* The table and its names agree with what [1815] lists. */
static void every_listed_object_has_a_layout(void **state)
{
	(void)state;
	static const struct {
		uint8_t group, first, last;
	} listed[] = { { 1, 1, 2 }, { 2, 1, 3 }, { 3, 1, 2 }, { 4, 1, 3 }, { 10, 1, 2 },
		{ 11, 1, 2 }, { 12, 1, 3 }, { 13, 1, 2 }, { 20, 1, 8 }, { 21, 1, 12 }, { 22, 1, 8 },
		{ 23, 1, 8 }, { 30, 1, 6 }, { 31, 1, 8 }, { 32, 1, 8 }, { 33, 1, 8 }, { 34, 1, 3 },
		{ 40, 1, 4 }, { 41, 1, 4 }, { 42, 1, 8 }, { 43, 1, 8 }, { 50, 1, 4 }, { 51, 1, 2 },
		{ 52, 1, 2 }, { 60, 1, 4 }, { 70, 1, 8 }, { 80, 1, 1 }, { 81, 1, 1 }, { 82, 1, 1 },
		{ 83, 1, 2 }, { 85, 1, 1 }, { 86, 1, 3 }, { 87, 1, 1 }, { 88, 1, 1 },
		{ 110, 1, 255 }, { 111, 1, 255 }, { 112, 1, 255 }, { 113, 1, 255 }, { 114, 1, 255 },
		{ 115, 1, 255 }, { 120, 1, 15 }, { 121, 1, 1 }, { 122, 1, 2 }, { 0, 196, 255 } };
	for (size_t i = 0; i < COUNT(listed); i++) {
		assert_non_null(dnp3_code_name(dnp3_group_names, listed[i].group));
		for (unsigned v = listed[i].first; v <= listed[i].last; v++) {
			const struct dnp3_object *o = dnp3_object(listed[i].group, (uint8_t)v);
			assert_true(o->form != FORM_UNKNOWN);
			assert_true(o->name[0] != '\0');
			assert_int_equal(o->parts[DNP3_PARTS - 1], PART_END);
			assert_int_equal(o->form == FORM_FIXED, o->parts[0] != PART_END);
		}
	}
	assert_int_equal(dnp3_object(5, 1)->form, FORM_UNKNOWN);
	assert_int_equal(dnp3_object(255, 255)->form, FORM_UNKNOWN);
}

/* ---- what says the same ---- */

enum { READS = 0xc4, READS_CONFIRMED = 0xd3, FRAME_COUNT = 0x20 };

/* Reads @hex twice, for the first request to an outstation is never the same as another, and
 * returns what pdu.same says of the second. */
static struct wire same_of(struct rig *r, uint8_t control, unsigned destination, const char *hex)
{
	for (int i = 0; i < 2; i++) {
		struct frames f = { .len = 0 };
		add_segment(&f, control, destination, 1, (uint8_t)(0xc0 + i), hex);
		rig_all(r, &f);
	}
	return wire_copy(r->pdu.same.at, r->pdu.same.left);
}

static bool alike(struct wire a, struct wire b)
{
	bool like = a.len > 0 && a.len == b.len && memcmp(a.bytes, b.bytes, a.len) == 0;
	free(a.bytes);
	free(b.bytes);
	return like;
}

static void the_same_is_all_but_sequence_numbers(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	r.dir = DIR_TO_SERVER;
#define READ(control, destination, hex) same_of(&r, control, destination, hex)
	const char *one = "c1 01 3c0206", *other_sequence = "c7 01 3c0206";
	assert_true(alike(READ(READS, 10, one), READ(READS, 10, other_sequence)));
	assert_true(alike(READ(READS_CONFIRMED, 10, one),
		READ(READS_CONFIRMED | FRAME_COUNT, 10, other_sequence)));
	assert_false(alike(READ(READS, 10, one), READ(READS_CONFIRMED, 10, one)));
	assert_false(alike(READ(READS, 10, one), READ(READS, 11, one)));
	assert_false(alike(READ(READS, 10, one), READ(READS, 10, "e1 01 3c0206")));
	assert_false(alike(READ(READS, 10, one), READ(READS, 10, "c1 01 3c0306")));
#undef READ
	rig_fini(&r);
}

static void what_may_mean_something_else_has_no_same(void **state)
{
	(void)state;
	static const char *const others[] = {
		"c1 02 500107070700",                              /* a write */
		"d1 01 3c0206",                                    /* UNS */
		"81 01 3c0206", "41 01 3c0206",                    /* not of one fragment */
		"c1 01 3c02", "c1 01 780106",                      /* cut; authentication */
		"c1 82 0000", "c1 81 0004",                        /* unsolicited; refused */
		"c1 81 0000 0c0128010000000301f40100000000000000", /* a control comes back */
	};
	for (size_t i = 0; i < COUNT(others); i++) {
		struct rig r;
		rig_init(&r);
		rig_fragment(&r, "c0 01 3c0206");
		assert_int_equal(r.pdu.same.left, 0); /* the first */
		rig_fragment(&r, others[i]);
		assert_int_equal(r.pdu.same.left, 0);
		rig_fragment(&r, "c2 81 0000");
		assert_true(r.pdu.same.left > 0);
		rig_fini(&r);
	}
	struct rig r;
	rig_init(&r);
	rig_fragment(&r, "c2 81 0000"); /* to a master who has not asked */
	assert_int_equal(r.pdu.same.left, 0);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_function_has_its_name_and_role),
		cmocka_unit_test(reserved_functions_are_told),
		cmocka_unit_test(application_control_bits),
		cmocka_unit_test(indications_by_name),
		cmocka_unit_test(cut_headers_are_told),
		cmocka_unit_test(objects_are_read),
		cmocka_unit_test(every_cut_of_an_object_is_survived),
		cmocka_unit_test(points_carry_their_header),
		cmocka_unit_test(control_codes_are_split),
		cmocka_unit_test(file_objects),
		cmocka_unit_test(hostile_file_objects),
		cmocka_unit_test(authentication_objects),
		cmocka_unit_test(replies_carry_the_key_of_their_request),
		cmocka_unit_test(outstations_have_keys_of_their_own),
		cmocka_unit_test(the_self_address_is_answered_by_anyone),
		cmocka_unit_test(broadcasts_are_not_answered),
		cmocka_unit_test(refusals_are_named),
		cmocka_unit_test(operate_needs_its_select),
		cmocka_unit_test(selects_are_kept_apart_by_outstation),
		cmocka_unit_test(switching_unsolicited_off_is_routine_only_at_the_start),
		cmocka_unit_test(replies_say_whether_anybody_asked),
		cmocka_unit_test(a_damaged_select_does_not_count),
		cmocka_unit_test(every_listed_object_has_a_layout),
		cmocka_unit_test(the_same_is_all_but_sequence_numbers),
		cmocka_unit_test(what_may_mean_something_else_has_no_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
