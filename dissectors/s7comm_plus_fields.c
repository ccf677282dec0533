/* s7comm_plus_fields.c - the fields of S7comm-plus and the names of its codes. */
#include "dissectors/s7comm_plus.h"

// clang-format off
const struct code_name s7p_function_names[] = {
	{ 0x04b1, "error" }, { S7P_EXPLORE, "explore" }, { S7P_CREATE_OBJECT, "create_object" },
	{ S7P_DELETE_OBJECT, "delete_object" }, { S7P_SET_VARIABLE, "set_variable" },
	{ S7P_GET_VARIABLE, "get_variable" }, { 0x0506, "add_link" }, { 0x051a, "remove_link" },
	{ S7P_GET_LINK, "get_link" }, { S7P_SET_MULTI, "set_multi_variables" },
	{ S7P_GET_MULTI, "get_multi_variables" }, { 0x0556, "begin_sequence" },
	{ 0x0560, "end_sequence" }, { 0x056b, "invoke" },
	{ S7P_SET_SUBSTREAMED, "set_variable_substreamed" },
	{ S7P_GET_SUBSTREAMED, "get_variable_substreamed" }, { 0x0590, "get_variables_address" },
	{ 0x059a, "abort" }, { 0x05a9, "error_2" }, { 0x05b3, "init_ssl" }, { 0, NULL },
};

static const struct code_name opcode_names[] = {
	{ S7P_REQUEST, "request" }, { S7P_RESPONSE, "response" },
	{ S7P_NOTIFICATION, "notification" }, { S7P_RESPONSE_2, "response_2" }, { 0, NULL },
};

static const struct code_name operation_names[] = {
	{ S7P_OP_STOP, "cpu_stop" }, { S7P_OP_RESET_RETENTIVE, "cpu_reset_retentive" },
	{ S7P_OP_START, "cpu_start" }, { S7P_OP_START_REDUNDANT, "cpu_start_redundant" },
	{ S7P_OP_OPEN_SESSION, "open_session" }, { S7P_OP_CLOSE_SESSION, "close_session" },
	{ S7P_OP_SUBSCRIBE, "subscribe" }, { S7P_OP_DOWNLOAD_BLOCK, "download_block" },
	{ S7P_OP_DOWNLOAD_CONFIGURATION, "download_configuration" },
	{ S7P_OP_CREATE_OBJECT, "create_other_object" }, { S7P_OP_DELETE_BLOCK, "delete_block" },
	{ S7P_OP_DELETE_OBJECT, "delete_other_object" }, { 0, NULL },
};

static const struct code_name class_names[] = {
	{ 287, "server_session" }, { 1001, "subscription" }, { 2520, "plc_program" },
	{ 2574, "db" }, { 2647, "program_cycle_ob" }, { 2662, "alarm_subscription" }, { 0, NULL },
};

static const struct code_name area_names[] = {
	{ 0x50, "inputs" }, { 0x51, "outputs" }, { 0x52, "flags" }, { 0x53, "counters" },
	{ 0x54, "timers" }, { 0x8a0e, "db" }, { 0, NULL },
};

static const struct code_name type_names[] = {
	{ 0x00, "null" }, { 0x01, "bool" }, { 0x02, "usint" }, { 0x03, "uint" }, { 0x04, "udint" },
	{ 0x05, "ulint" }, { 0x06, "sint" }, { 0x07, "int" }, { 0x08, "dint" }, { 0x09, "lint" },
	{ 0x0a, "byte" }, { 0x0b, "word" }, { 0x0c, "dword" }, { 0x0d, "lword" }, { 0x0e, "real" },
	{ 0x0f, "lreal" }, { 0x10, "timestamp" }, { 0x11, "timespan" }, { 0x12, "rid" },
	{ 0x13, "aid" }, { 0x14, "blob" }, { 0x15, "wstring" }, { 0x17, "struct" }, { 0, NULL },
};

const struct field s7p_fields[] = {
	[S7P_VERSION] = { "s7comm-plus.version", FIELD_UINT, NULL, "protocol version, 254 for system events", NULL },
	[S7P_OPCODE] = { "s7comm-plus.opcode", FIELD_UINT, NULL, "request, response or notification", opcode_names },
	[S7P_FUNCTION] = { "s7comm-plus.function", FIELD_UINT, NULL, "what is asked for", s7p_function_names },
	[S7P_OPERATION] = { "s7comm-plus.operation", FIELD_UINT, NULL, "what a request does, from its function, object and value; our own numbers", operation_names },
	[S7P_SEQUENCE] = { "s7comm-plus.sequence", FIELD_UINT, NULL, "number of the request, echoed by the response", NULL },
	[S7P_SESSION] = { "s7comm-plus.session_id", FIELD_UINT, NULL, "session the request belongs to", NULL },
	[S7P_INTEGRITY] = { "s7comm-plus.integrity", FIELD_UINT, NULL, "1: a keyed digest stands in front", NULL },
	[S7P_OBJECT] = { "s7comm-plus.object_id", FIELD_UINT, NULL, "object that is addressed; 52 is the CPU's execution unit", NULL },
	[S7P_ATTRIBUTE] = { "s7comm-plus.attribute_id", FIELD_UINT, NULL, "first attribute that is addressed; 2167 is the operating state asked for", NULL },
	[S7P_VALUE] = { "s7comm-plus.value", FIELD_INT, NULL, "value set, where it is a whole number", NULL },
	[S7P_NEW_OBJECT] = { "s7comm-plus.new_object_id", FIELD_UINT, NULL, "object to create; 211 lets the device choose", NULL },
	[S7P_CLASS] = { "s7comm-plus.object_class", FIELD_UINT, NULL, "class of the object to create", class_names },
	[S7P_ITEM_COUNT] = { "s7comm-plus.item_count", FIELD_UINT, NULL, "variables addressed", NULL },
	[S7P_RETURN_VALUE] = { "s7comm-plus.return_value", FIELD_UINT, NULL, "of a response; the low 16 bits are an error where negative", NULL },
	[S7P_CONTINUED] = { "s7comm-plus.continued", FIELD_UINT, NULL, "1: further fragments follow", NULL },
};

const struct field s7p_item_fields[] = {
	[S7PI_AREA] = { "s7comm-plus.item.area", FIELD_UINT, NULL, "memory area, where the item is not an object", area_names },
	[S7PI_DB] = { "s7comm-plus.item.db", FIELD_UINT, NULL, "data block number", NULL },
	[S7PI_OBJECT] = { "s7comm-plus.item.object_id", FIELD_UINT, NULL, "object that is addressed", NULL },
	[S7PI_ATTRIBUTE] = { "s7comm-plus.item.attribute_id", FIELD_UINT, NULL, "attribute or part of the area", NULL },
	[S7PI_LID] = { "s7comm-plus.item.lid", FIELD_UINT, NULL, "local id of the variable", NULL },
	[S7PI_CRC] = { "s7comm-plus.item.symbol_crc", FIELD_UINT, NULL, "checksum of the symbol, 0: none", NULL },
	[S7PI_TYPE] = { "s7comm-plus.item.type", FIELD_UINT, NULL, "type of the value set", type_names },
	[S7PI_VALUE] = { "s7comm-plus.item.value", FIELD_INT, NULL, "value set, where it is a whole number", NULL },
	[S7PI_REAL] = { "s7comm-plus.item.real", FIELD_REAL, NULL, "value set, where it is a real", NULL },
};
// clang-format on
