/* modbus_tables.c - what the specifications list: fields, functions and their names. */
#include "dissectors/modbus.h"

// clang-format off

/* code, name, request, reply, quantity limit, write limit, known. [MB] 6; the reserved codes of
 * annex A by what the Modicon manuals called them. */
#define FUNCTIONS(F) \
	F(  1, "read_coils",                       MODBUS_READ,           MODBUS_BITS,           2000,   0, true)  \
	F(  2, "read_discrete_inputs",             MODBUS_READ,           MODBUS_BITS,           2000,   0, true)  \
	F(  3, "read_holding_registers",           MODBUS_READ,           MODBUS_WORDS,           125,   0, true)  \
	F(  4, "read_input_registers",             MODBUS_READ,           MODBUS_WORDS,           125,   0, true)  \
	F(  5, "write_single_coil",                MODBUS_WRITE_COIL,     MODBUS_WRITE_COIL,        1,   0, true)  \
	F(  6, "write_single_register",            MODBUS_WRITE_REGISTER, MODBUS_WRITE_REGISTER,    1,   0, true)  \
	F(  7, "read_exception_status",            MODBUS_NOTHING,        MODBUS_STATUS,            0,   0, true)  \
	F(  8, "diagnostics",                      MODBUS_DIAGNOSTIC,     MODBUS_DIAGNOSTIC,        0,   0, true)  \
	F(  9, "program_484",                      MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 10, "poll_484",                         MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 11, "get_comm_event_counter",           MODBUS_NOTHING,        MODBUS_COUNTER,           0,   0, true)  \
	F( 12, "get_comm_event_log",               MODBUS_NOTHING,        MODBUS_LOG,               0,   0, true)  \
	F( 13, "program_controller",               MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 14, "poll_controller",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 15, "write_multiple_coils",             MODBUS_WRITE_BITS,     MODBUS_WRITTEN,        1968,   0, true)  \
	F( 16, "write_multiple_registers",         MODBUS_WRITE_WORDS,    MODBUS_WRITTEN,         123,   0, true)  \
	F( 17, "report_server_id",                 MODBUS_NOTHING,        MODBUS_SERVER,            0,   0, true)  \
	F( 18, "program_884_m84",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 19, "reset_comm_link",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 20, "read_file_record",                 MODBUS_FILE_READ,      MODBUS_FILE_DATA,         0,   0, true)  \
	F( 21, "write_file_record",                MODBUS_FILE_WRITE,     MODBUS_FILE_WRITE,        0,   0, true)  \
	F( 22, "mask_write_register",              MODBUS_MASK,           MODBUS_MASK,              0,   0, true)  \
	F( 23, "read_write_multiple_registers",    MODBUS_READ_WRITE,     MODBUS_WORDS,           125, 121, true)  \
	F( 24, "read_fifo_queue",                  MODBUS_FIFO_ADDRESS,   MODBUS_FIFO,             31,   0, true)  \
	F( 40, "program_concept",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 41, "reserved_41",                      MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 42, "concept_symbol_table",             MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 43, "encapsulated_interface_transport", MODBUS_MEI,            MODBUS_MEI_REPLY,         0,   0, true)  \
	F( 65, "user_defined_65",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 66, "user_defined_66",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 67, "user_defined_67",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 68, "user_defined_68",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 69, "user_defined_69",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 70, "user_defined_70",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 71, "user_defined_71",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 72, "user_defined_72",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F( 90, "umas",                             MODBUS_UMAS,           MODBUS_UMAS_REPLY,        0,   0, true)  \
	F( 91, "reserved_91",                      MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(100, "user_defined_100",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(101, "user_defined_101",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(102, "user_defined_102",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(103, "user_defined_103",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(104, "user_defined_104",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(105, "user_defined_105",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(106, "user_defined_106",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(107, "user_defined_107",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(108, "user_defined_108",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(109, "user_defined_109",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(110, "user_defined_110",                 MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(125, "firmware_replacement",             MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(126, "program_584_984",                  MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false) \
	F(127, "report_local_address",             MODBUS_OPAQUE,         MODBUS_OPAQUE,            0,   0, false)

/* Codes not listed have no name: all zero is an opaque layout. */
const struct modbus_function modbus_functions[MODBUS_CODES] = {
#define F(code, name, request, reply, max, max_write, known) \
	[code] = { name, request, reply, max, max_write, known },
	FUNCTIONS(F)
#undef F
};

static const struct code_name function_names[] = {
#define F(code, name, request, reply, max, max_write, known) { code, name },
	FUNCTIONS(F)
#undef F
	{ 0, NULL },
};

static const struct code_name exceptions[] = { /* [MB] 7 */
	{  1, "illegal_function" },
	{  2, "illegal_data_address" },
	{  3, "illegal_data_value" },
	{  4, "server_device_failure" },
	{  5, "acknowledge" },
	{  6, "server_device_busy" },
	{  7, "negative_acknowledge" },
	{  8, "memory_parity_error" },
	{ 10, "gateway_path_unavailable" },
	{ 11, "gateway_target_failed_to_respond" },
	{  0, NULL },
};

static const struct code_name subfunctions[] = { /* [MB] 6.8 */
	{  0, "return_query_data" },
	{  1, "restart_communications" },
	{  2, "return_diagnostic_register" },
	{  3, "change_ascii_delimiter" },
	{  4, "force_listen_only_mode" },
	{ 10, "clear_counters_and_diagnostic_register" },
	{ 11, "return_bus_message_count" },
	{ 12, "return_bus_communication_error_count" },
	{ 13, "return_bus_exception_error_count" },
	{ 14, "return_server_message_count" },
	{ 15, "return_server_no_response_count" },
	{ 16, "return_server_nak_count" },
	{ 17, "return_server_busy_count" },
	{ 18, "return_bus_character_overrun_count" },
	{ 20, "clear_overrun_counter_and_flag" },
	{ 21, "get_clear_modbus_plus_statistics" },
	{  0, NULL },
};

static const struct code_name mei_types[] = {
	{ 13, "canopen_general_reference" },
	{ 14, "read_device_identification" },
	{  0, NULL },
};

static const struct code_name device_id_codes[] = { /* [MB] 6.21 */
	{ 1, "basic" },
	{ 2, "regular" },
	{ 3, "extended" },
	{ 4, "individual" },
	{ 0, NULL },
};

static const struct code_name framings[] = {
	{ MODBUS_MBAP, "mbap" },
	{ MODBUS_RTU,  "rtu" },
	{ 0, NULL },
};

const struct field modbus_fields[MODBUS_FIELDS] = {
	[MODBUS_TRANSACTION]     = { "modbus.transaction_id", FIELD_UINT, NULL, "The requester's number, echoed in the reply; absent in RTU frames.", NULL },
	[MODBUS_PROTOCOL]        = { "modbus.protocol_id", FIELD_UINT, NULL, "0 for Modbus; only set where it is not.", NULL },
	[MODBUS_LENGTH]          = { "modbus.length", FIELD_UINT, "bytes", "Length of the MBAP header: unit id and PDU.", NULL },
	[MODBUS_UNIT]            = { "modbus.unit_id", FIELD_UINT, NULL, "Serial address behind a gateway; 0 or 255 is often the device itself.", NULL },
	[MODBUS_FUNCTION]        = { "modbus.function_code", FIELD_UINT, NULL, "Function, without the exception bit.", function_names },
	[MODBUS_EXCEPTION]       = { "modbus.exception_code", FIELD_UINT, NULL, "Why the device refused; set in exception replies only.", exceptions },
	[MODBUS_ADDRESS]         = { "modbus.address", FIELD_UINT, NULL, "First coil or register, counted from 0 as on the wire.", NULL },
	[MODBUS_QUANTITY]        = { "modbus.quantity", FIELD_UINT, "coils or registers", "How many are read or written; never bytes.", NULL },
	[MODBUS_WRITE_ADDRESS]   = { "modbus.write_address", FIELD_UINT, NULL, "First register written by function 23.", NULL },
	[MODBUS_WRITE_QUANTITY]  = { "modbus.write_quantity", FIELD_UINT, "registers", "Registers written by function 23.", NULL },
	[MODBUS_BYTE_COUNT]      = { "modbus.byte_count", FIELD_UINT, "bytes", "The message's own count of its data.", NULL },
	[MODBUS_VALUE]           = { "modbus.value", FIELD_UINT, NULL, "Value of a single write as on the wire: a coil is 65280 (on) or 0 (off).", NULL },
	[MODBUS_AND_MASK]        = { "modbus.and_mask", FIELD_UINT, NULL, "Bits that a mask write keeps.", NULL },
	[MODBUS_OR_MASK]         = { "modbus.or_mask", FIELD_UINT, NULL, "Bits that a mask write sets where they are not kept.", NULL },
	[MODBUS_SUBFUNCTION]     = { "modbus.subfunction", FIELD_UINT, NULL, "Diagnostics sub-function.", subfunctions },
	[MODBUS_DIAGNOSTIC_DATA] = { "modbus.diagnostic_data", FIELD_UINT, NULL, "First word after the diagnostics sub-function; 65280 in a restart clears the event log.", NULL },
	[MODBUS_EXCEPTION_STATUS] = { "modbus.exception_status", FIELD_UINT, NULL, "Eight exception status outputs.", NULL },
	[MODBUS_COMM_STATUS]     = { "modbus.comm_status", FIELD_UINT, NULL, "65535 while a program command is being processed, else 0.", NULL },
	[MODBUS_EVENT_COUNT]     = { "modbus.event_count", FIELD_UINT, "events", "Communication event counter.", NULL },
	[MODBUS_MESSAGE_COUNT]   = { "modbus.message_count", FIELD_UINT, "messages", "Messages processed since the last restart.", NULL },
	[MODBUS_SERVER_ID]       = { "modbus.server_id", FIELD_BYTES, NULL, "Answer to report server id, device specific.", NULL },
	[MODBUS_SERVER_TEXT]     = { "modbus.server_text", FIELD_TEXT, NULL, "The longest readable run in the server id.", NULL },
	[MODBUS_FILE]            = { "modbus.file_number", FIELD_UINT, NULL, "File of the first group of a file record message.", NULL },
	[MODBUS_RECORD]          = { "modbus.record_number", FIELD_UINT, NULL, "First record of the first group.", NULL },
	[MODBUS_RECORD_LENGTH]   = { "modbus.record_length", FIELD_UINT, "registers", "Registers in the first group.", NULL },
	[MODBUS_MEI_TYPE]        = { "modbus.mei_type", FIELD_UINT, NULL, "What function 43 carries.", mei_types },
	[MODBUS_DEVICE_ID_CODE]  = { "modbus.device_id_code", FIELD_UINT, NULL, "How much of the device identification is asked for.", device_id_codes },
	[MODBUS_OBJECT_ID]       = { "modbus.object_id", FIELD_UINT, NULL, "First identification object asked for.", NULL },
	[MODBUS_CONFORMITY]      = { "modbus.conformity_level", FIELD_UINT, NULL, "Which identification the device supports.", NULL },
	[MODBUS_MORE_FOLLOWS]    = { "modbus.more_follows", FIELD_UINT, NULL, "255 if further objects wait for another request, else 0.", NULL },
	[MODBUS_NEXT_OBJECT]     = { "modbus.next_object_id", FIELD_UINT, NULL, "Object to ask for next.", NULL },
	[MODBUS_OBJECT_COUNT]    = { "modbus.object_count", FIELD_UINT, "objects", "Identification objects in this reply.", NULL },
	[MODBUS_VENDOR_NAME]     = { "modbus.vendor_name", FIELD_TEXT, NULL, "Identification object 0.", NULL },
	[MODBUS_PRODUCT_CODE]    = { "modbus.product_code", FIELD_TEXT, NULL, "Identification object 1.", NULL },
	[MODBUS_REVISION]        = { "modbus.revision", FIELD_TEXT, NULL, "Identification object 2, major and minor revision.", NULL },
	[MODBUS_VENDOR_URL]      = { "modbus.vendor_url", FIELD_TEXT, NULL, "Identification object 3.", NULL },
	[MODBUS_PRODUCT_NAME]    = { "modbus.product_name", FIELD_TEXT, NULL, "Identification object 4.", NULL },
	[MODBUS_MODEL_NAME]      = { "modbus.model_name", FIELD_TEXT, NULL, "Identification object 5.", NULL },
	[MODBUS_APPLICATION_NAME] = { "modbus.user_application_name", FIELD_TEXT, NULL, "Identification object 6.", NULL },
	[MODBUS_UMAS_SESSION]    = { "modbus.umas_session", FIELD_UINT, NULL, "Schneider UMAS: key of the reservation, 0 without one.", NULL },
	[MODBUS_UMAS_FUNCTION]   = { "modbus.umas_function", FIELD_UINT, NULL, "Schneider UMAS: what a request asks; download goes to the controller, upload comes from it.", modbus_umas_functions },
	[MODBUS_UMAS_RESPONSE]   = { "modbus.umas_response", FIELD_UINT, NULL, "Schneider UMAS: how a reply begins.", modbus_umas_responses },
	[MODBUS_UMAS_ERROR]      = { "modbus.umas_error", FIELD_UINT, NULL, "Schneider UMAS: first byte after an error response.", NULL },
	[MODBUS_UMAS_BLOCK]      = { "modbus.umas_block", FIELD_UINT, NULL, "Schneider UMAS: memory or program block.", NULL },
	[MODBUS_UMAS_OFFSET]     = { "modbus.umas_offset", FIELD_UINT, "bytes", "Schneider UMAS: where in the memory block.", NULL },
	[MODBUS_UMAS_LENGTH]     = { "modbus.umas_length", FIELD_UINT, "bytes", "Schneider UMAS: bytes of the block asked for or sent.", NULL },
	[MODBUS_UMAS_CLIENT]     = { "modbus.umas_client", FIELD_TEXT, NULL, "Schneider UMAS: name of the station that takes the reservation.", NULL },
	[MODBUS_FRAMING]         = { "modbus.framing", FIELD_UINT, NULL, "How the message is framed; only set for RTU frames.", framings },
	[MODBUS_DATA]            = { "modbus.data", FIELD_BYTES, NULL, "What follows a function without a public layout, or a header that was read.", NULL },
};

const struct field modbus_item_fields[MODBUS_ITEM_FIELDS] = {
	[MODBUS_ITEM_ADDRESS] = { "modbus.item.address", FIELD_UINT, NULL, "Coil or register, counted from 0; absent where the request was not seen.", NULL },
	[MODBUS_ITEM_VALUE]   = { "modbus.item.value", FIELD_UINT, NULL, "0 or 1 for a bit, 0 to 65535 for a register.", NULL },
	[MODBUS_ITEM_FILE]    = { "modbus.item.file_number", FIELD_UINT, NULL, "File of this group.", NULL },
	[MODBUS_ITEM_RECORD]  = { "modbus.item.record_number", FIELD_UINT, NULL, "First record of this group.", NULL },
	[MODBUS_ITEM_LENGTH]  = { "modbus.item.record_length", FIELD_UINT, "registers", "Registers in this group.", NULL },
	[MODBUS_ITEM_DATA]    = { "modbus.item.data", FIELD_BYTES, NULL, "Records read or written.", NULL },
	[MODBUS_ITEM_OBJECT]  = { "modbus.item.object_id", FIELD_UINT, NULL, "Identification object.", NULL },
	[MODBUS_ITEM_TEXT]    = { "modbus.item.text", FIELD_TEXT, NULL, "What the identification object says.", NULL },
};

// clang-format on

const char *modbus_exception_name(unsigned code)
{
	for (const struct code_name *n = exceptions; n->name != NULL; n++)
		if (n->code == code)
			return n->name;
	return NULL;
}
