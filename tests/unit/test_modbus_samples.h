/* test_modbus_samples.h - one message a line, from the specification's own examples where it has
 * one, and what it must be read as. */
#ifndef TESTS_UNIT_TEST_MODBUS_SAMPLES_H
#define TESTS_UNIT_TEST_MODBUS_SAMPLES_H

#include "dissectors/modbus.h"
#include "tests/unit/wire.h"

enum { TRANSACTION = 0x1234, UNIT = 17 };

/* A PDU and what it must be read as. The four fields that every message has are left out of the
 * text and checked apart. */
struct sample {
	enum dir dir;
	const char *pdu; /* hex */
	const char *fields;
	const char *items;
	const char *malformed;
	const char *kept; /* replies: "address quantity" or "file record" of the request */
};

#define REQ DIR_TO_SERVER
#define RSP DIR_TO_CLIENT

// clang-format off
static const struct sample samples[] = {
	/* [MB] 6.1 to 6.4 */
	{ REQ, "01 0013 0013", "address=19 quantity=19", "", NULL, NULL },
	{ RSP, "01 03 cd 6b 05", "byte_count=3",
	  "(20 1)(21 0)(22 1)(23 1)(24 0)(25 0)(26 1)(27 1)(28 1)(29 1)(30 0)(31 1)(32 0)(33 1)(34 1)"
	  "(35 0)(36 1)(37 0)(38 1)", NULL, "20 19" },
	{ RSP, "01 01 05", "byte_count=1", "(- 1)(- 0)(- 1)(- 0)(- 0)(- 0)(- 0)(- 0)", NULL, NULL },
	{ REQ, "02 00c4 0016", "address=196 quantity=22", "", NULL, NULL },
	{ RSP, "02 01 03", "byte_count=1", "(196 1)(197 1)(198 0)", NULL, "196 3" },
	{ REQ, "03 006b 0003", "address=107 quantity=3", "", NULL, NULL },
	{ RSP, "03 06 022b 0000 0064", "byte_count=6", "(107 555)(108 0)(109 100)", NULL, "107 3" },
	{ RSP, "03 02 ffff", "byte_count=2", "(- 65535)", NULL, NULL },
	{ REQ, "04 0008 0001", "address=8 quantity=1", "", NULL, NULL },
	{ RSP, "04 02 000a", "byte_count=2", "(8 10)", NULL, "8 1" },
	/* 6.5, 6.6 */
	{ REQ, "05 00ac ff00", "address=172 value=65280", "(172 1)", NULL, NULL },
	{ RSP, "05 00ac ff00", "address=172 value=65280", "(172 1)", NULL, NULL },
	{ REQ, "05 00ac 0000", "address=172 value=0", "(172 0)", NULL, NULL },
	{ REQ, "05 ffff 0001", "address=65535 value=1", "(65535 1)",
	  "coil value is neither FF00 nor 0000", NULL },
	{ REQ, "06 0001 0003", "address=1 value=3", "(1 3)", NULL, NULL },
	{ RSP, "06 0001 0003", "address=1 value=3", "(1 3)", NULL, NULL },
	/* 6.7 */
	{ REQ, "07", "", "", NULL, NULL },
	{ RSP, "07 6d", "exception_status=109", "", NULL, NULL },
	/* 6.8 */
	{ REQ, "08 0000 a537", "subfunction=0 diagnostic_data=42295 data=a537", "", NULL, NULL },
	{ RSP, "08 0000 a537", "subfunction=0 diagnostic_data=42295 data=a537", "", NULL, NULL },
	{ REQ, "08 0000 01020304", "subfunction=0 diagnostic_data=258 data=01020304", "", NULL, NULL },
	{ REQ, "08 0001 ff00", "subfunction=1 diagnostic_data=65280", "", NULL, NULL },
	{ REQ, "08 0004 0000", "subfunction=4 diagnostic_data=0", "", NULL, NULL },
	{ REQ, "08 000a 0000", "subfunction=10 diagnostic_data=0", "", NULL, NULL },
	{ RSP, "08 000b 0007", "subfunction=11 diagnostic_data=7", "", NULL, NULL },
	{ REQ, "08 000b 0007 00", "subfunction=11 diagnostic_data=7", "",
	  "bytes left over after the message", NULL },
	/* 6.9, 6.10 */
	{ REQ, "0b", "", "", NULL, NULL },
	{ RSP, "0b ffff 0108", "comm_status=65535 event_count=264", "", NULL, NULL },
	{ REQ, "0c", "", "", NULL, NULL },
	{ RSP, "0c 08 0000 0108 0121 20 00",
	  "byte_count=8 comm_status=0 event_count=264 message_count=289 data=2000", "", NULL, NULL },
	{ RSP, "0c 04 0000 0108", "byte_count=4 comm_status=0 event_count=264", "",
	  "byte count too small for the counters", NULL },
	/* 6.11, 6.12 */
	{ REQ, "0f 0013 000a 02 cd01", "address=19 quantity=10 byte_count=2",
	  "(19 1)(20 0)(21 1)(22 1)(23 0)(24 0)(25 1)(26 1)(27 1)(28 0)", NULL, NULL },
	{ RSP, "0f 0013 000a", "address=19 quantity=10", "", NULL, NULL },
	{ REQ, "10 0001 0002 04 000a 0102", "address=1 quantity=2 byte_count=4", "(1 10)(2 258)",
	  NULL, NULL },
	{ RSP, "10 0001 0002", "address=1 quantity=2", "", NULL, NULL },
	/* 6.13 */
	{ REQ, "11", "", "", NULL, NULL },
	{ RSP, "11 07 00ff 50 4c 43 2d 31", "byte_count=7 server_id=00ff504c432d31 server_text='PLC-1'",
	  "", NULL, NULL },
	{ RSP, "11 02 01ff", "byte_count=2 server_id=01ff", "", NULL, NULL },
	/* 6.14, 6.15 */
	{ REQ, "14 0e 06 0004 0001 0002 06 0003 0009 0002",
	  "byte_count=14 file_number=4 record_number=1 record_length=2",
	  "(file 4 record 1 length 2 )(file 3 record 9 length 2 )", NULL, NULL },
	{ RSP, "14 0c 05 06 0dfe 0020 05 06 33cd 0040", "byte_count=12",
	  "(file 4 record 1 length 2 data 0dfe0020)(length 2 data 33cd0040)", NULL, "file 4 1" },
	{ REQ, "15 0d 06 0004 0007 0003 06af 04be 100d",
	  "byte_count=13 file_number=4 record_number=7 record_length=3",
	  "(file 4 record 7 length 3 data 06af04be100d)", NULL, NULL },
	{ RSP, "15 0d 06 0004 0007 0003 06af 04be 100d",
	  "byte_count=13 file_number=4 record_number=7 record_length=3",
	  "(file 4 record 7 length 3 data 06af04be100d)", NULL, NULL },
	{ REQ, "14 07 05 0004 0001 0002", "byte_count=7 file_number=4 record_number=1 record_length=2",
	  "(file 4 record 1 length 2 )", "file reference type is not 6", NULL },
	{ REQ, "15 09 06 0000 0007 0001 0001", "byte_count=9 file_number=0 record_number=7 record_length=1",
	  "(file 0 record 7 length 1 data 0001)", "file or record number outside its range", NULL },
	{ REQ, "15 09 06 0004 0007 ffff 0001", "byte_count=9", "", "file group runs past the message", NULL },
	{ RSP, "14 04 00 06 0000", "byte_count=4", "", "file group runs past the message", NULL },
	/* 6.16 to 6.18 */
	{ REQ, "16 0004 00f2 0025", "address=4 and_mask=242 or_mask=37", "", NULL, NULL },
	{ RSP, "16 0004 00f2 0025", "address=4 and_mask=242 or_mask=37", "", NULL, NULL },
	{ REQ, "17 0003 0006 000e 0003 06 00ff 00ff 0001",
	  "address=3 quantity=6 write_address=14 write_quantity=3 byte_count=6",
	  "(14 255)(15 255)(16 1)", NULL, NULL },
	{ RSP, "17 04 00fe 0acd", "byte_count=4", "(3 254)(4 2765)", NULL, "3 2" },
	{ REQ, "18 04de", "address=1246", "", NULL, NULL },
	{ RSP, "18 0006 0002 01b8 1284", "quantity=2 byte_count=6", "(- 440)(- 4740)", NULL, "1246 0" },
	/* 6.20, 6.21 */
	{ REQ, "2b 0d 0102", "mei_type=13 data=0102", "", NULL, NULL },
	{ RSP, "2b 0d 0102", "mei_type=13 data=0102", "", NULL, NULL },
	{ REQ, "2b 0e 01 00", "mei_type=14 device_id_code=1 object_id=0", "", NULL, NULL },
	{ RSP, "2b 0e 01 01 00 00 03 00 03 41434d 01 02 5837 02 04 56322e31",
	  "mei_type=14 device_id_code=1 conformity_level=1 more_follows=0 next_object_id=0 object_count=3 "
	  "vendor_name='ACM' product_code='X7' revision='V2.1'",
	  "(object 0 text 'ACM')(object 1 text 'X7')(object 2 text 'V2.1')", NULL, NULL },
	{ RSP, "2b 0e 03 03 ff 81 03 06 01 61 80 02 0102 05 00",
	  "mei_type=14 device_id_code=3 conformity_level=3 more_follows=255 next_object_id=129 "
	  "object_count=3 model_name='' user_application_name='a'",
	  "(object 6 text 'a')(object 128 text '..')(object 5 text '')", NULL, NULL },
	{ REQ, "2b 0e 05 00", "mei_type=14 device_id_code=5 object_id=0", "",
	  "device identification code outside 1 to 4", NULL },
	{ RSP, "2b 0e 01 01 00 00 02 00 03 41434d 01 09 58",
	  "mei_type=14 device_id_code=1 conformity_level=1 more_follows=0 next_object_id=0 object_count=2 "
	  "vendor_name='ACM'", "(object 0 text 'ACM')", "identification object runs past the message", NULL },
	/* 7 */
	{ RSP, "83 02", "exception_code=2", "", NULL, NULL },
	{ RSP, "90 05", "exception_code=5", "", NULL, NULL },
	{ RSP, "af 01", "exception_code=1", "", NULL, NULL }, /* bytes that another dissector leaves out */
	{ REQ, "22 00000000", "data=00000000", "", NULL, NULL },
	{ RSP, "da 01", "exception_code=1", "", NULL, NULL },
	{ RSP, "83 02 00", "exception_code=2", "", "bytes left over after the message", NULL },
	{ REQ, "83 02", "exception_code=2", "", "exception sent by the client", NULL },
	/* limits */
	{ REQ, "01 0000 0000", "address=0 quantity=0", "", "quantity outside the range of the function", NULL },
	{ REQ, "01 0000 07d0", "address=0 quantity=2000", "", NULL, NULL },
	{ REQ, "02 0000 07d1", "address=0 quantity=2001", "", "quantity outside the range of the function", NULL },
	{ REQ, "03 0000 007d", "address=0 quantity=125", "", NULL, NULL },
	{ REQ, "04 0000 007e", "address=0 quantity=126", "", "quantity outside the range of the function", NULL },
	{ RSP, "0f 0000 07b1", "address=0 quantity=1969", "", "quantity outside the range of the function", NULL },
	{ RSP, "10 0000 007c", "address=0 quantity=124", "", "quantity outside the range of the function", NULL },
	{ REQ, "17 0000 007e 0000 0001 02 0001",
	  "address=0 quantity=126 write_address=0 write_quantity=1 byte_count=2", "(0 1)",
	  "quantity outside the range of the function", NULL },
	{ REQ, "17 0000 0001 0000 007a 02 0001",
	  "address=0 quantity=1 write_address=0 write_quantity=122 byte_count=2", "(0 1)",
	  "quantity outside the range of the function", NULL },
	{ REQ, "0f 0000 0009 01 ff", "address=0 quantity=9 byte_count=1",
	  "(0 1)(1 1)(2 1)(3 1)(4 1)(5 1)(6 1)(7 1)", "byte count does not fit the quantity", NULL },
	{ REQ, "10 0000 0001 04 0001 0002", "address=0 quantity=1 byte_count=4", "(0 1)(1 2)",
	  "byte count does not fit the quantity", NULL },
	{ REQ, "10 0000 0002 04 0001", "address=0 quantity=2 byte_count=4", "(0 1)",
	  "byte count runs past the message", NULL },
	{ RSP, "03 03 000102", "byte_count=3", "(- 1)", "byte count outside the range of the function", NULL },
	{ RSP, "03 04 0001", "byte_count=4", "(- 1)", "byte count runs past the message", NULL },
	{ RSP, "01 00", "byte_count=0", "", "byte count outside the range of the function", NULL },
	{ RSP, "18 0042 0020", "quantity=32 byte_count=66", "", "more than 31 values in a queue", NULL },
	{ REQ, "03 00", "", "", "message ends before its fields do", NULL },
	{ REQ, "16 0004 00f2", "address=4 and_mask=242", "", "message ends before its fields do", NULL },
	{ REQ, "03 006b 0003 00", "address=107 quantity=3", "", "bytes left over after the message", NULL },
	{ REQ, "00 01", "data=01", "", "function code 0", NULL },
	/* reserved, user defined and unassigned codes */
	{ REQ, "09 0102", "data=0102", "", NULL, NULL },
	{ RSP, "7e", "", "", NULL, NULL },
	{ REQ, "41 aa", "data=aa", "", NULL, NULL },
	{ REQ, "6e", "", "", NULL, NULL },
	{ REQ, "63 01", "data=01", "", NULL, NULL },
	/* UMAS */
	{ REQ, "5a 00 02", "umas_session=0 umas_function=2", "", NULL, NULL },
	{ REQ, "5a 00 10 434c0000 0f 555345522d37313445373446323142",
	  "umas_session=0 umas_function=16 umas_client='USER-714E74F21B' "
	  "data=434c00000f555345522d37313445373446323142", "", NULL, NULL },
	{ REQ, "5a 00 20 00 1300 64000000 9c00",
	  "umas_session=0 umas_function=32 umas_block=19 umas_offset=100 umas_length=156 "
	  "data=001300640000009c00", "", NULL, NULL },
	{ REQ, "5a 01 31 0001 0200 0300 aabbcc",
	  "umas_session=1 umas_function=49 umas_block=2 umas_length=3 data=000102000300aabbcc", "", NULL, NULL },
	{ REQ, "5a 01 33 0001 fb00", "umas_session=1 umas_function=51 umas_length=251 data=0001fb00",
	  "", NULL, NULL },
	{ REQ, "5a 01 35 0001 3500", "umas_session=1 umas_function=53 umas_block=53 data=00013500", "",
	  NULL, NULL },
	{ REQ, "5a 01 41 ff00", "umas_session=1 umas_function=65 data=ff00", "", NULL, NULL },
	{ REQ, "5a 01 99", "umas_session=1 umas_function=153", "", NULL, NULL },
	{ RSP, "5a 00 fe 01", "umas_session=0 umas_response=254 data=01", "", NULL, NULL },
	{ RSP, "5a 01 fd 82 80", "umas_session=1 umas_response=253 umas_error=130 data=8280", "", NULL, NULL },
	{ RSP, "5a 01 02", "umas_session=1 umas_response=2", "", "UMAS reply is neither FE nor FD", NULL },
	{ REQ, "5a 01 fe", "umas_session=1 umas_function=254", "", "UMAS reply sent by the client", NULL },
	{ REQ, "5a 01", "umas_session=1", "", "message ends before its fields do", NULL },
};
// clang-format on

/* The sample behind an MBAP header. */
static inline struct wire mbap(const char *pdu_hex)
{
	struct wire pdu = wire_hex(pdu_hex);
	uint8_t adu[4096] = { TRANSACTION >> 8, TRANSACTION & 0xff };
	if (pdu.len + 7 > sizeof adu)
		abort();
	adu[4] = (uint8_t)((pdu.len + 1) >> 8);
	adu[5] = (uint8_t)(pdu.len + 1);
	adu[6] = UNIT;
	memcpy(adu + 7, pdu.bytes, pdu.len);
	struct wire w = wire_copy(adu, pdu.len + 7);
	free(pdu.bytes);
	return w;
}

#endif
