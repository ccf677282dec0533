/* s7comm_fields.c - the fields of S7comm and the names of its codes. */
#include "dissectors/s7comm.h"

// clang-format off
/* Jobs by their function, userdata by group << 8 | subfunction. */
const struct code_name s7_function_names[] = {
	{ 0x00, "cpu_services" },
	{ 0x04, "read_var" },
	{ 0x05, "write_var" },
	{ 0x1a, "request_download" },
	{ 0x1b, "download_block" },
	{ 0x1c, "download_ended" },
	{ 0x1d, "start_upload" },
	{ 0x1e, "upload" },
	{ 0x1f, "end_upload" },
	{ 0x28, "pi_service" },
	{ 0x29, "plc_stop" },
	{ 0xf0, "setup_communication" },
	{ 0x0101, "block_status" },
	{ 0x0102, "variable_status" },
	{ 0x0103, "output_istack" },
	{ 0x0104, "output_bstack" },
	{ 0x0105, "output_lstack" },
	{ 0x0106, "time_measurement" },
	{ 0x0107, "force_selection" },
	{ 0x0108, "modify_variable" },
	{ 0x0109, "force" },
	{ 0x010a, "breakpoint" },
	{ 0x010b, "exit_hold" },
	{ 0x010c, "memory_reset" },
	{ 0x010d, "disable_job" },
	{ 0x010e, "enable_job" },
	{ 0x010f, "delete_job" },
	{ 0x0110, "read_job_list" },
	{ 0x0111, "read_job" },
	{ 0x0112, "replace_job" },
	{ 0x0113, "block_status_v2" },
	{ 0x0116, "flash_led" },
	{ 0x0201, "cyclic_transfer" },
	{ 0x0204, "cyclic_unsubscribe" },
	{ 0x0205, "change_driven_transfer" },
	{ 0x0207, "change_driven_transfer_modify" },
	{ 0x0208, "read_record" },
	{ 0x0301, "list_blocks" },
	{ 0x0302, "list_blocks_of_type" },
	{ 0x0303, "get_block_info" },
	{ 0x0401, "read_szl" },
	{ 0x0402, "message_service" },
	{ 0x0403, "diagnostic_message" },
	{ 0x0405, "alarm_8_indication" },
	{ 0x0406, "notify_indication" },
	{ 0x0407, "alarm_8_lock" },
	{ 0x0408, "alarm_8_unlock" },
	{ 0x0409, "scan_indication" },
	{ 0x040b, "alarm_ack" },
	{ 0x040c, "alarm_ack_indication" },
	{ 0x040d, "alarm_lock_indication" },
	{ 0x040e, "alarm_unlock_indication" },
	{ 0x0411, "alarm_sq_indication" },
	{ 0x0412, "alarm_s_indication" },
	{ 0x0413, "alarm_query" },
	{ 0x0416, "notify_8_indication" },
	{ 0x0501, "password_send" },
	{ 0x0502, "password_clear" },
	{ 0x0701, "read_clock" },
	{ 0x0702, "set_clock" },
	{ 0x0703, "read_clock_following" },
	{ 0x0704, "set_clock_following" },
	{ 0x0f01, "nc_request_download" },
	{ 0x0f02, "nc_download_block" },
	{ 0x0f03, "nc_continue_download" },
	{ 0x0f04, "nc_download_ended" },
	{ 0x0f06, "nc_start_upload" },
	{ 0x0f07, "nc_upload" },
	{ 0x0f08, "nc_continue_upload" },
	{ 0, NULL },
};

const struct code_name s7_return_codes[] = {
	{ 0x00, "reserved" }, { 0x01, "hardware_error" }, { 0x03, "access_denied" },
	{ 0x05, "invalid_address" }, { 0x06, "data_type_not_supported" },
	{ 0x07, "data_type_inconsistent" }, { 0x0a, "object_does_not_exist" },
	{ 0xff, "success" }, { 0, NULL },
};

const struct code_name s7_block_types[] = {
	{ 0x08, "ob" }, { 0x0a, "db" }, { 0x0b, "sdb" }, { 0x0c, "fc" }, { 0x0d, "sfc" },
	{ 0x0e, "fb" }, { 0x0f, "sfb" }, { 0, NULL },
};

static const struct code_name rosctr_names[] = {
	{ S7_JOB, "job" }, { S7_ACK, "ack" }, { S7_ACK_DATA, "ack_data" }, { S7_USERDATA, "userdata" },
	{ 0, NULL },
};

static const struct code_name group_names[] = {
	{ 0, "mode_transition" }, { 1, "programmer_commands" }, { 2, "cyclic_services" },
	{ 3, "block_functions" }, { 4, "cpu_functions" }, { 5, "security" }, { 6, "pbc" },
	{ 7, "time_functions" }, { 15, "nc_programming" }, { 0, NULL },
};

static const struct code_name kind_names[] = {
	{ 0, "push" }, { 4, "request" }, { 8, "response" },
	{ 3, "nc_push" }, { 7, "nc_request" }, { 11, "nc_response" },
	{ 2, "routing_push" }, { 6, "routing_request" }, { 10, "routing_response" }, { 0, NULL },
};

static const struct code_name class_names[] = {
	{ 0x00, "no_error" }, { 0x81, "application_relationship" }, { 0x82, "object_definition" },
	{ 0x83, "no_resources" }, { 0x84, "service_processing" }, { 0x85, "supplies" },
	{ 0x87, "access" }, { 0, NULL },
};

static const struct code_name operation_names[] = {
#define OPERATION(id, service, name) { S7_PI_##id, name },
#include "dissectors/s7comm_pi.def"
#undef OPERATION
	{ 0, NULL },
};

static const struct code_name language_names[] = {
	{ 0, "not_defined" }, { 1, "awl" }, { 2, "kop" }, { 3, "fup" }, { 4, "scl" }, { 5, "db" },
	{ 6, "graph" }, { 7, "sdb" }, { 8, "cpu_db" }, { 0x11, "sdb_after_reset" },
	{ 0x12, "sdb_routing" }, { 0x29, "encrypted" }, { 0, NULL },
};

/* Of a mode-transition push; SZL 0424 is translated to these. */
static const struct code_name mode_names[] = {
	{ 0, "stop" }, { 1, "warm_restart" }, { 2, "run" }, { 3, "hot_restart" }, { 4, "hold" },
	{ 6, "cold_restart" }, { 9, "run_redundant" }, { 11, "link_up" }, { 12, "update" },
	{ 13, "defect" }, { 0, NULL },
};

static const struct code_name switch_names[] = {
	{ 0, "undefined" }, { 1, "run" }, { 2, "run_p" }, { 3, "stop" }, { 4, "mres" }, { 0, NULL },
};

static const struct code_name trigger_names[] = {
	{ 0x000, "immediately" }, { 0x100, "system" }, { 0x200, "cycle_start" }, { 0x300, "cycle_end" },
	{ 0x400, "run_to_stop" }, { 0x500, "after_code_address" }, { 0x600, "code_address_area" },
	{ 0x601, "code_address_area_called_from" }, { 0x700, "data_address" },
	{ 0x800, "data_address_area" }, { 0x900, "local_data_address" },
	{ 0xa00, "local_data_address_area" }, { 0xb00, "range" }, { 0xc00, "before_code_address" },
	{ 0, NULL },
};

static const struct code_name area_names[] = {
	{ 0x01, "data_record" }, { 0x03, "s200_system_info" }, { 0x05, "s200_system_flags" },
	{ 0x06, "s200_analog_inputs" }, { 0x07, "s200_analog_outputs" }, { 0x1c, "counters" },
	{ 0x1d, "timers" }, { 0x1e, "iec_counters" }, { 0x1f, "iec_timers" }, { 0x80, "peripheral" },
	{ 0x81, "inputs" }, { 0x82, "outputs" }, { 0x83, "flags" }, { 0x84, "db" },
	{ 0x85, "instance_db" }, { 0x86, "local_data" }, { 0x87, "previous_local_data" }, { 0, NULL },
};

static const struct code_name size_names[] = {
	{ 1, "bit" }, { 2, "byte" }, { 3, "char" }, { 4, "word" }, { 5, "int" }, { 6, "dword" },
	{ 7, "dint" }, { 8, "real" }, { 10, "tod" }, { 11, "time" }, { 12, "s5time" },
	{ 15, "date_and_time" }, { 28, "counter" }, { 29, "timer" }, { 30, "iec_timer" },
	{ 31, "iec_counter" }, { 32, "hs_counter" }, { 0, NULL },
};

static const struct code_name data_size_names[] = {
	{ 0, "null" }, { 3, "bit" }, { 4, "byte_word_dword" }, { 5, "integer" }, { 6, "dinteger" },
	{ 7, "real" }, { 9, "octet_string" }, { 0x11, "nck_address_1" }, { 0x12, "nck_address_2" },
	{ 0, NULL },
};

static const struct code_name syntax_names[] = {
	{ 0x10, "any" }, { 0x13, "pbc_r_id" }, { 0x15, "alarm_lockfree" }, { 0x16, "alarm_ind" },
	{ 0x19, "alarm_ack" }, { 0x1a, "alarm_query" }, { 0x1c, "notify_ind" }, { 0x82, "nck" },
	{ 0x83, "nck_m" }, { 0x84, "nck_i" }, { 0xa2, "drive_any" }, { 0xb0, "db_read" },
	{ 0xb2, "symbolic" }, { 0, NULL },
};

static const struct code_name nck_area_names[] = {
	{ 0, "nck" }, { 1, "mode_group" }, { 2, "channel" }, { 3, "axis" }, { 4, "tool" },
	{ 5, "feed_drive" }, { 6, "main_drive" }, { 7, "mmc" }, { 0, NULL },
};

const struct field s7_fields[] = {
	[S7_ROSCTR] = { "s7comm.rosctr", FIELD_UINT, NULL, "kind of message", rosctr_names },
	[S7_PDU_REFERENCE] = { "s7comm.pdu_reference", FIELD_UINT, NULL, "the requester's number, echoed by the reply", NULL },
	[S7_FUNCTION] = { "s7comm.function", FIELD_UINT, NULL, "function of a job or its reply; of userdata group << 8 | subfunction", s7_function_names },
	[S7_GROUP] = { "s7comm.function_group", FIELD_UINT, NULL, "function group of userdata", group_names },
	[S7_SUBFUNCTION] = { "s7comm.subfunction", FIELD_UINT, NULL, "subfunction of userdata in its group", NULL },
	[S7_KIND] = { "s7comm.userdata_type", FIELD_UINT, NULL, "request, response or push, with the numerical-control and routing variants", kind_names },
	[S7_ITEM_COUNT] = { "s7comm.item_count", FIELD_UINT, NULL, "items announced", NULL },
	[S7_AREA] = { "s7comm.area", FIELD_UINT, NULL, "memory area of the first variable that is read or written, also of a refusal", area_names },
	[S7_DB] = { "s7comm.db", FIELD_UINT, NULL, "data block number of the first variable that is read or written, also of a refusal", NULL },
	[S7_ERROR_CLASS] = { "s7comm.error_class", FIELD_UINT, NULL, "of an acknowledgement, 0: none", class_names },
	[S7_ERROR_CODE] = { "s7comm.error_code", FIELD_UINT, NULL, "of an acknowledgement, within its class", NULL },
	[S7_PARAMETER_ERROR] = { "s7comm.parameter_error", FIELD_UINT, NULL, "error of a userdata reply, 0: none", NULL },
	[S7_RETURN_CODE] = { "s7comm.return_code", FIELD_UINT, NULL, "of the data of userdata", s7_return_codes },
	[S7_MAX_AMQ_CALLING] = { "s7comm.max_amq_calling", FIELD_UINT, NULL, "jobs the caller may have open", NULL },
	[S7_MAX_AMQ_CALLED] = { "s7comm.max_amq_called", FIELD_UINT, NULL, "jobs the called may have open", NULL },
	[S7_PDU_SIZE] = { "s7comm.pdu_size", FIELD_UINT, "bytes", "largest message proposed or agreed", NULL },
	[S7_PI_SERVICE] = { "s7comm.pi_service", FIELD_TEXT, NULL, "name of the program invocation service", NULL },
	[S7_PI_OPERATION] = { "s7comm.pi_operation", FIELD_UINT, NULL, "what the program invocation does, from its name and argument; our own numbers", operation_names },
	[S7_PI_ARGUMENT] = { "s7comm.pi_argument", FIELD_TEXT, NULL, "argument of the program invocation", NULL },
	[S7_FILENAME] = { "s7comm.filename", FIELD_TEXT, NULL, "block or file that is transferred, as _0A00001P", NULL },
	[S7_BLOCK_TYPE] = { "s7comm.block_type", FIELD_UINT, NULL, "kind of block; sdb is hardware configuration", s7_block_types },
	[S7_BLOCK_NUMBER] = { "s7comm.block_number", FIELD_UINT, NULL, "number of the block", NULL },
	[S7_FILESYSTEM] = { "s7comm.filesystem", FIELD_TEXT, NULL, "P passive, A active, B both", NULL },
	[S7_BLOCK_COUNT] = { "s7comm.block_count", FIELD_UINT, NULL, "blocks that a program invocation names or a list holds", NULL },
	[S7_LOAD_LENGTH] = { "s7comm.load_length", FIELD_UINT, "bytes", "length of the block in load memory", NULL },
	[S7_CODE_LENGTH] = { "s7comm.code_length", FIELD_UINT, "bytes", "length of the MC7 code of the block", NULL },
	[S7_UPLOAD_ID] = { "s7comm.upload_id", FIELD_UINT, NULL, "the device's number for the upload", NULL },
	[S7_BLOCK_DATA] = { "s7comm.block_data", FIELD_BYTES, NULL, "a piece of a transferred block", NULL },
	[S7_MORE_DATA] = { "s7comm.more_data", FIELD_UINT, NULL, "1: further parts follow in the answers to further requests", NULL },
	[S7_AUTHOR] = { "s7comm.author", FIELD_TEXT, NULL, "author in the header of a block", NULL },
	[S7_BLOCK_NAME] = { "s7comm.block_name", FIELD_TEXT, NULL, "name in the header of a block", NULL },
	[S7_BLOCK_LANGUAGE] = { "s7comm.block_language", FIELD_UINT, NULL, "language a block was written in", language_names },
	[S7_PROTECTED] = { "s7comm.know_how_protected", FIELD_UINT, NULL, "1: the block is know-how protected", NULL },
	[S7_SEQUENCE] = { "s7comm.sequence", FIELD_UINT, NULL, "sequence number of userdata", NULL },
	[S7_DATA_UNIT] = { "s7comm.data_unit_reference", FIELD_UINT, NULL, "number of a reply in several parts", NULL },
	[S7_SZL_ID] = { "s7comm.szl_id", FIELD_UINT, NULL, "system status list asked for or given", NULL },
	[S7_SZL_INDEX] = { "s7comm.szl_index", FIELD_UINT, NULL, "index in the system status list", NULL },
	[S7_ORDER_NUMBER] = { "s7comm.order_number", FIELD_TEXT, NULL, "order number of the module (SZL 0011)", NULL },
	[S7_FIRMWARE] = { "s7comm.firmware", FIELD_TEXT, NULL, "firmware version of the module (SZL 0011)", NULL },
	[S7_PLC_NAME] = { "s7comm.plc_name", FIELD_TEXT, NULL, "name of the station (SZL 001C)", NULL },
	[S7_MODULE_NAME] = { "s7comm.module_name", FIELD_TEXT, NULL, "name of the module (SZL 001C)", NULL },
	[S7_PLANT] = { "s7comm.plant", FIELD_TEXT, NULL, "plant identification (SZL 001C)", NULL },
	[S7_SERIAL] = { "s7comm.serial_number", FIELD_TEXT, NULL, "serial number of the module (SZL 001C)", NULL },
	[S7_MODULE_TYPE] = { "s7comm.module_type", FIELD_TEXT, NULL, "type name of the module (SZL 001C)", NULL },
	[S7_CARD_SERIAL] = { "s7comm.card_serial", FIELD_TEXT, NULL, "serial number of the memory card (SZL 001C)", NULL },
	[S7_LOCATION] = { "s7comm.location", FIELD_TEXT, NULL, "location of the module (SZL 001C)", NULL },
	[S7_PROTECTION_LEVEL] = { "s7comm.protection_level", FIELD_UINT, NULL, "protection level in force, 1 to 3 (SZL 0132, 0232)", NULL },
	[S7_MODE_SWITCH] = { "s7comm.mode_switch", FIELD_UINT, NULL, "position of the mode switch (SZL 0132, 0232)", switch_names },
	[S7_MODE] = { "s7comm.mode", FIELD_UINT, NULL, "operating mode pushed or read (SZL 0424)", mode_names },
	[S7_PREVIOUS_MODE] = { "s7comm.previous_mode", FIELD_UINT, NULL, "operating mode before (SZL 0424)", mode_names },
	[S7_CLOCK] = { "s7comm.clock", FIELD_TEXT, NULL, "time read from or written to the device", NULL },
	[S7_EVENT_ID] = { "s7comm.event_id", FIELD_UINT, NULL, "event of a diagnostic message or alarm", NULL },
	[S7_SUBSCRIBED] = { "s7comm.subscribed_events", FIELD_UINT, NULL, "bits: 1 modes, 2 system diagnostics, 4 user diagnostics, 80 alarms", NULL },
	[S7_USERNAME] = { "s7comm.username", FIELD_TEXT, NULL, "name of the subscriber of messages", NULL },
	[S7_JOB_ID] = { "s7comm.job_id", FIELD_UINT, NULL, "number of a cyclic job", NULL },
	[S7_INTERVAL_MS] = { "s7comm.interval", FIELD_UINT, "ms", "period of a cyclic job", NULL },
	[S7_TRIGGER] = { "s7comm.trigger", FIELD_UINT, NULL, "when a programmer command acts", trigger_names },
	[S7_R_ID] = { "s7comm.r_id", FIELD_UINT, NULL, "R_ID of a block send", NULL },
};

const struct field s7_item_fields[] = {
	[S7I_SYNTAX] = { "s7comm.item.syntax", FIELD_UINT, NULL, "how the variable is addressed, where not by an ANY pointer", syntax_names },
	[S7I_AREA] = { "s7comm.item.area", FIELD_UINT, NULL, "memory area", area_names },
	[S7I_DB] = { "s7comm.item.db", FIELD_UINT, NULL, "data block number", NULL },
	[S7I_BYTE] = { "s7comm.item.byte", FIELD_UINT, NULL, "first byte; of timers and counters their number >> 3", NULL },
	[S7I_BIT] = { "s7comm.item.bit", FIELD_UINT, NULL, "bit in the byte", NULL },
	[S7I_TRANSPORT_SIZE] = { "s7comm.item.transport_size", FIELD_UINT, NULL, "type of the variable", size_names },
	[S7I_COUNT] = { "s7comm.item.count", FIELD_UINT, "variables", "how many, in units of the transport size", NULL },
	[S7I_RETURN_CODE] = { "s7comm.item.return_code", FIELD_UINT, NULL, "255: success", s7_return_codes },
	[S7I_DATA_TRANSPORT_SIZE] = { "s7comm.item.data_transport_size", FIELD_UINT, NULL, "type of the data", data_size_names },
	[S7I_DATA] = { "s7comm.item.data", FIELD_BYTES, NULL, "the bytes read or written", NULL },
	[S7I_VALUE] = { "s7comm.item.value", FIELD_UINT, NULL, "data of 1, 2, 4 or 8 bytes as an unsigned number", NULL },
	[S7I_REAL] = { "s7comm.item.real", FIELD_REAL, NULL, "data of type real", NULL },
	[S7I_NCK_AREA] = { "s7comm.item.nck_area", FIELD_UINT, NULL, "area of a numerical control", nck_area_names },
	[S7I_NCK_UNIT] = { "s7comm.item.nck_unit", FIELD_UINT, NULL, "unit in the area of a numerical control", NULL },
	[S7I_NCK_COLUMN] = { "s7comm.item.nck_column", FIELD_UINT, NULL, "column of an NCK variable", NULL },
	[S7I_NCK_LINE] = { "s7comm.item.nck_line", FIELD_UINT, NULL, "line of an NCK variable", NULL },
	[S7I_NCK_MODULE] = { "s7comm.item.nck_module", FIELD_UINT, NULL, "module of an NCK variable", NULL },
	[S7I_PARAMETER] = { "s7comm.item.parameter", FIELD_UINT, NULL, "parameter number of a drive", NULL },
	[S7I_PARAMETER_INDEX] = { "s7comm.item.parameter_index", FIELD_UINT, NULL, "index of a drive's parameter", NULL },
	[S7I_CRC] = { "s7comm.item.symbol_crc", FIELD_UINT, NULL, "checksum of a symbolic address", NULL },
	[S7I_LID] = { "s7comm.item.lid", FIELD_UINT, NULL, "first local id of a symbolic address", NULL },
	[S7I_BLOCK_TYPE] = { "s7comm.item.block_type", FIELD_UINT, NULL, "kind of a block in a list", s7_block_types },
	[S7I_BLOCK_NUMBER] = { "s7comm.item.block_number", FIELD_UINT, NULL, "number of a block in a list", NULL },
	[S7I_EVENT_ID] = { "s7comm.item.event_id", FIELD_UINT, NULL, "event of an alarm", NULL },
};
// clang-format on

const char *s7_name(const struct code_name *names, uint32_t code)
{
	for (; names->name != NULL; names++)
		if (names->code == code)
			return names->name;
	return NULL;
}
