/* dnp3_fields.c - the names of DNP3: fields, functions, states. Spec: [1815]. */
#include "dissectors/dnp3.h"

_Static_assert((int)DNP3_FIELDS <= (int)PDU_FIELDS, "header fields fit a PDU");
_Static_assert((int)DNP3_ITEM_FIELDS <= (int)ITEM_FIELDS, "item fields fit an item");

// clang-format off
static const struct code_name address_names[] = { /* [1815] 9.2.4.1.4 */
	{ 0xfffc, "self" }, { 0xfffd, "broadcast_no_confirm" },
	{ 0xfffe, "broadcast_confirm" }, { 0xffff, "broadcast_optional_confirm" },
	{ 0, NULL }
};

const struct code_name dnp3_function_names[] = { /* [1815] 4.2.2.5; in the order of their codes */
	{ 0, "confirm" }, { 1, "read" }, { 2, "write" }, { 3, "select" }, { 4, "operate" },
	{ 5, "direct_operate" }, { 6, "direct_operate_no_ack" }, { 7, "immediate_freeze" },
	{ 8, "immediate_freeze_no_ack" }, { 9, "freeze_and_clear" },
	{ 10, "freeze_and_clear_no_ack" }, { 11, "freeze_at_time" },
	{ 12, "freeze_at_time_no_ack" }, { 13, "cold_restart" }, { 14, "warm_restart" },
	{ 15, "initialize_data" }, { 16, "initialize_application" }, { 17, "start_application" },
	{ 18, "stop_application" }, { 19, "save_configuration" }, { 20, "enable_unsolicited" },
	{ 21, "disable_unsolicited" }, { 22, "assign_class" }, { 23, "delay_measure" },
	{ 24, "record_current_time" }, { 25, "open_file" }, { 26, "close_file" },
	{ 27, "delete_file" }, { 28, "get_file_info" }, { 29, "authenticate_file" },
	{ 30, "abort_file" }, { 31, "activate_configuration" }, { 32, "authentication_request" },
	{ 33, "authentication_request_no_ack" }, { 129, "response" },
	{ 130, "unsolicited_response" }, { 131, "authentication_response" },
	{ 0, NULL }
};

static const struct code_name link_functions[] = { /* [1815] 9.2.4.1.3.5, PRM 1 */
	{ 0, "reset_link_states" }, { 1, "reset_user_process" }, { 2, "test_link_states" },
	{ 3, "confirmed_user_data" }, { 4, "unconfirmed_user_data" }, { 9, "request_link_status" },
	{ 0, NULL }
};

static const struct code_name link_replies[] = { /* PRM 0 */
	{ 0, "ack" }, { 1, "nack" }, { 11, "link_status" }, { 14, "not_functioning" },
	{ 15, "not_supported" },
	{ 0, NULL }
};

static const struct code_name file_modes[] = {
	{ 0, "none" }, { 1, "read" }, { 2, "write" }, { 3, "append" },
	{ 0, NULL }
};

static const struct code_name file_types[] = {
	{ 0, "directory" }, { 1, "file" },
	{ 0, NULL }
};

const struct code_name dnp3_file_status_names[] = { /* [1815] annex A, group 70 */
	{ 0, "success" }, { 1, "permission_denied" }, { 2, "invalid_mode" },
	{ 3, "file_not_found" }, { 4, "file_locked" }, { 5, "too_many_open" },
	{ 6, "invalid_handle" }, { 7, "write_block_size" }, { 8, "communication_lost" },
	{ 9, "cannot_abort" }, { 16, "not_opened" }, { 17, "handle_expired" },
	{ 18, "buffer_overrun" }, { 19, "fatal" }, { 20, "block_sequence" }, { 255, "undefined" },
	{ 0, NULL }
};

const struct code_name dnp3_control_status_names[] = { /* [1815] annex A, group 12 */
	{ 0, "success" }, { 1, "timeout" }, { 2, "no_select" }, { 3, "format_error" },
	{ 4, "not_supported" }, { 5, "already_active" }, { 6, "hardware_error" }, { 7, "local" },
	{ 8, "too_many_operations" }, { 9, "not_authorized" }, { 10, "automation_inhibit" },
	{ 11, "processing_limited" }, { 12, "out_of_range" }, { 13, "downstream_local" },
	{ 14, "already_complete" }, { 15, "blocked" }, { 16, "canceled" },
	{ 17, "blocked_other_master" }, { 18, "downstream_fail" }, { 126, "non_participating" },
	{ 127, "undefined" },
	{ 0, NULL }
};

static const struct code_name operations[] = { /* CROB, bits 0-3 */
	{ 0, "nul" }, { 1, "pulse_on" }, { 2, "pulse_off" }, { 3, "latch_on" }, { 4, "latch_off" },
	{ 0, NULL }
};

static const struct code_name trip_close[] = { /* CROB, bits 6-7 */
	{ 0, "nul" }, { 1, "close" }, { 2, "trip" }, { 3, "reserved" },
	{ 0, NULL }
};

const struct code_name dnp3_auth_error_names[] = { /* [1815] annex A, group 120 variation 7 */
	{ 1, "authentication_failed" }, { 2, "unexpected_response" }, { 3, "no_response" },
	{ 4, "aggressive_mode_not_supported" }, { 5, "mac_algorithm_not_supported" },
	{ 6, "key_wrap_not_supported" }, { 7, "authorization_failed" },
	{ 8, "update_key_change_not_permitted" }, { 9, "invalid_signature" },
	{ 10, "invalid_certification_data" }, { 11, "unknown_user" },
	{ 12, "max_session_key_requests" },
	{ 0, NULL }
};

static const struct code_name auth_operations[] = { /* [1815] annex A, group 120 variation 10 */
	{ 1, "add_user" }, { 2, "delete_user" }, { 3, "change_user" },
	{ 0, NULL }
};

static const struct code_name auth_roles[] = {
	{ 0, "viewer" }, { 1, "operator" }, { 2, "engineer" }, { 3, "installer" },
	{ 4, "security_administrator" }, { 5, "security_auditor" },
	{ 6, "role_based_access_administrator" }, { 32768, "single_user" },
	{ 0, NULL }
};

static const struct code_name key_status[] = { /* [1815] annex A, group 120 variation 5 */
	{ 1, "ok" }, { 2, "not_initialized" }, { 3, "communication_failed" },
	{ 4, "authentication_failed" },
	{ 0, NULL }
};

#define UINT(name, doc)         { "dnp3." name, FIELD_UINT, NULL, doc, NULL }
#define CODED(name, doc, codes) { "dnp3." name, FIELD_UINT, NULL, doc, codes }
#define TEXT(name, doc)         { "dnp3." name, FIELD_TEXT, NULL, doc, NULL }
#define IIN(octet, bit)         [DNP3_IIN_BITS + (2 - octet) * 8 + bit]

const struct field dnp3_fields[DNP3_FIELDS] = {
	[DNP3_SOURCE] = CODED("source", "link address of the sender", address_names),
	[DNP3_DESTINATION] = CODED("destination", "link address of the receiver", address_names),
	[DNP3_FUNCTION] = CODED("function", "function code of the application layer", dnp3_function_names),
	[DNP3_SEQUENCE] = UINT("sequence", "application sequence number, 0 to 15"),
	[DNP3_UNSOLICITED] = UINT("unsolicited", "1 if the message is or confirms an unsolicited response"),
	[DNP3_CONFIRM] = UINT("confirm", "1 if the sender asks for an application confirm"),
	[DNP3_FIRST] = UINT("first", "1 for the first fragment of a message"),
	[DNP3_FINAL] = UINT("final", "1 for the last fragment of a message"),
	[DNP3_IIN] = UINT("iin", "internal indications of a response, IIN1 in the high octet"),
	IIN(1, 0) = UINT("iin_broadcast", "IIN1.0, 1 when set: a broadcast was received"),
	IIN(1, 1) = UINT("iin_class_1_events", "IIN1.1, 1 when set: class 1 events wait"),
	IIN(1, 2) = UINT("iin_class_2_events", "IIN1.2, 1 when set: class 2 events wait"),
	IIN(1, 3) = UINT("iin_class_3_events", "IIN1.3, 1 when set: class 3 events wait"),
	IIN(1, 4) = UINT("iin_need_time", "IIN1.4, 1 when set: the outstation wants its clock set"),
	IIN(1, 5) = UINT("iin_local_control", "IIN1.5, 1 when set: some outputs are in local mode"),
	IIN(1, 6) = UINT("iin_device_trouble", "IIN1.6, 1 when set: the device reports trouble"),
	IIN(1, 7) = UINT("iin_device_restart", "IIN1.7, 1 when set: the device has restarted"),
	IIN(2, 0) = UINT("iin_no_function_code", "IIN2.0, 1 when set: the function is not implemented"),
	IIN(2, 1) = UINT("iin_object_unknown", "IIN2.1, 1 when set: the objects are not known"),
	IIN(2, 2) = UINT("iin_parameter_error", "IIN2.2, 1 when set: a parameter or index is not valid"),
	IIN(2, 3) = UINT("iin_event_buffer_overflow", "IIN2.3, 1 when set: events were lost"),
	IIN(2, 4) = UINT("iin_already_executing", "IIN2.4, 1 when set: the operation runs already"),
	IIN(2, 5) = UINT("iin_config_corrupt", "IIN2.5, 1 when set: the configuration is corrupt"),
	IIN(2, 6) = UINT("iin_reserved_1", "IIN2.6, 1 when set: reserved"),
	IIN(2, 7) = UINT("iin_reserved_2", "IIN2.7, 1 when set: reserved"),
	[DNP3_LINK_FUNCTION] = CODED("link_function", "link function of a primary frame", link_functions),
	[DNP3_LINK_REPLY] = CODED("link_reply", "link function of a secondary frame", link_replies),
	[DNP3_LINK_DIR] = UINT("link_dir", "1 if the frame says it comes from a master"),
	[DNP3_PRM] = UINT("prm", "1 for a primary frame, 0 for the answer to one"),
	[DNP3_CRC_ERROR] = UINT("crc_error", "1 if a data block has a bad checksum"),
	[DNP3_OBJECT_COUNT] = UINT("object_count", "object headers in the message"),
	[DNP3_GROUP] = CODED("group", "group of the first object", dnp3_group_names),
	[DNP3_VARIATION] = UINT("variation", "variation of the first object"),
	[DNP3_OBJECT] = TEXT("object", "what the first object is called"),
	[DNP3_SELECT_MATCHED] = UINT("select_matched", "on operate: 1 if the select of the same objects went before, else 0"),
	[DNP3_SESSION_START] = UINT("session_start", "1 on the first request of this master to the outstation on the connection; 0 on a disable_unsolicited that comes later"),
	[DNP3_ASKED] = UINT("asked", "on responses: 1 if the master has asked this outstation something on the connection before, else 0"),
	[DNP3_FILE_NAME] = TEXT("file_name", "name of the file"),
	[DNP3_FILE_MODE] = CODED("file_mode", "what the file is opened for", file_modes),
	[DNP3_FILE_TYPE] = CODED("file_type", "directory or file", file_types),
	[DNP3_FILE_SIZE] = { "dnp3.file_size", FIELD_UINT, "bytes", "size of the file", NULL },
	[DNP3_FILE_TIME] = { "dnp3.file_time", FIELD_UINT, "ms since 1970", "when the file was made", NULL },
	[DNP3_FILE_PERMISSIONS] = UINT("file_permissions", "permission bits of the file"),
	[DNP3_FILE_HANDLE] = UINT("file_handle", "what the device calls the open file"),
	[DNP3_FILE_BLOCK_SIZE] = { "dnp3.file_block_size", FIELD_UINT, "bytes", "largest block", NULL },
	[DNP3_FILE_REQUEST] = UINT("file_request", "request id of the file operation"),
	[DNP3_FILE_BLOCK] = UINT("file_block", "number of the block, from 0"),
	[DNP3_FILE_LAST_BLOCK] = UINT("file_last_block", "1 for the last block of the file"),
	[DNP3_FILE_STATUS] = CODED("file_status", "result of the file operation", dnp3_file_status_names),
	[DNP3_FILE_DATA] = { "dnp3.file_data", FIELD_BYTES, NULL, "content of the block", NULL },
	[DNP3_FILE_TEXT] = TEXT("file_text", "what the device adds to the result"),
	[DNP3_FILE_USER] = TEXT("file_user", "user who asks for access to files"),
	[DNP3_AUTH_SEQUENCE] = UINT("auth_sequence", "sequence number of challenge, key or status change"),
	[DNP3_AUTH_USER] = UINT("auth_user", "user number"),
	[DNP3_AUTH_ERROR] = CODED("auth_error", "why authentication failed", dnp3_auth_error_names),
	[DNP3_AUTH_OPERATION] = CODED("auth_operation", "what is done to a user", auth_operations),
	[DNP3_AUTH_ROLE] = CODED("auth_role", "role given to the user", auth_roles),
	[DNP3_AUTH_USER_NAME] = TEXT("auth_user_name", "name of the user"),
	[DNP3_AUTH_KEY_STATUS] = CODED("auth_key_status", "state of the session keys", key_status),
	[DNP3_AUTH_KEY_METHOD] = UINT("auth_key_method", "how the update key is changed"),
	[DNP3_AUTH_TEXT] = TEXT("auth_text", "what the device adds to an error"),
};

const struct field dnp3_item_fields[DNP3_ITEM_FIELDS] = {
	[DNP3_ITEM_GROUP] = CODED("item.group", "object group", dnp3_group_names),
	[DNP3_ITEM_VARIATION] = UINT("item.variation", "object variation"),
	[DNP3_ITEM_QUALIFIER] = UINT("item.qualifier", "qualifier octet of the object header"),
	[DNP3_ITEM_START] = UINT("item.start", "first index of the header's range"),
	[DNP3_ITEM_STOP] = UINT("item.stop", "last index of the header's range"),
	[DNP3_ITEM_COUNT] = UINT("item.count", "count of the header"),
	[DNP3_ITEM_INDEX] = UINT("item.index", "index of the point"),
	[DNP3_ITEM_VALUE] = { "dnp3.item.value", FIELD_REAL, NULL, "state, count or measured value", NULL },
	[DNP3_ITEM_FLAGS] = UINT("item.flags", "flag octet, state bits included"),
	[DNP3_ITEM_TIME] = { "dnp3.item.time", FIELD_UINT, "ms since 1970", "time of the event, or to set", NULL },
	[DNP3_ITEM_DELAY] = { "dnp3.item.delay", FIELD_UINT, "ms", "time delay, or time after the common time of occurrence", NULL },
	[DNP3_ITEM_CONTROL_CODE] = UINT("item.control_code", "control octet of a relay output block, whole"),
	[DNP3_ITEM_OPERATION] = CODED("item.operation", "bits 0-3 of the control code", operations),
	[DNP3_ITEM_QUEUE] = UINT("item.queue", "bit 4 of the control code: the operation is queued (obsolete)"),
	[DNP3_ITEM_CLEAR] = UINT("item.clear", "bit 5 of the control code: operations under way and queued are cancelled"),
	[DNP3_ITEM_TRIP_CLOSE] = CODED("item.trip_close", "bits 6-7 of the control code", trip_close),
	[DNP3_ITEM_REPEAT] = UINT("item.repeat", "how often the control is carried out"),
	[DNP3_ITEM_ON_TIME] = { "dnp3.item.on_time", FIELD_UINT, "ms", "on time of a pulse", NULL },
	[DNP3_ITEM_OFF_TIME] = { "dnp3.item.off_time", FIELD_UINT, "ms", "off time of a pulse", NULL },
	[DNP3_ITEM_STATUS] = CODED("item.status", "control status", dnp3_control_status_names),
	[DNP3_ITEM_TEXT] = TEXT("item.text", "characters of a string or attribute"),
	[DNP3_ITEM_BYTES] = { "dnp3.item.bytes", FIELD_BYTES, NULL, "octets of an object without a layout", NULL },
};
// clang-format on

const char *dnp3_code_name(const struct code_name *codes, uint32_t code)
{
	for (; codes->name != NULL; codes++)
		if (codes->code == code)
			return codes->name;
	return NULL;
}
