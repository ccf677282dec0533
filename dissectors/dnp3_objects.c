/* dnp3_objects.c - every object of DNP3: its layout and name. Spec: [1815] annex A. */
#include "dissectors/dnp3.h"

// clang-format off
const uint8_t dnp3_part_size[PART_KINDS] = {
	[PART_FLAGS] = 1, [PART_BINARY_FLAGS] = 1, [PART_DOUBLE_FLAGS] = 1, [PART_COMMAND] = 1,
	[PART_U8] = 1, [PART_U16] = 2, [PART_U32] = 4, [PART_I16] = 2, [PART_I32] = 4,
	[PART_F32] = 4, [PART_F64] = 8, [PART_TIME] = 6, [PART_CTO] = 6, [PART_RELATIVE] = 2,
	[PART_DELAY_S] = 2, [PART_DELAY_MS] = 2, [PART_CONTROL] = 1, [PART_REPEAT] = 1,
	[PART_ON_TIME] = 4, [PART_OFF_TIME] = 4, [PART_STATUS] = 1,
	[PART_SKIP8] = 1, [PART_SKIP16] = 2, [PART_SKIP32] = 4,
	[PART_BYTES2] = 2, [PART_BYTES4] = 4, [PART_BYTES8] = 8,
};

#define OBJECT(name, form, ...) { name, sizeof name - 1, form, { __VA_ARGS__ } }
#define FIXED(name, ...) OBJECT(name, FORM_FIXED, __VA_ARGS__)
#define ANY(name)        OBJECT(name, FORM_UNKNOWN, 0) /* variation 0: only asked for, never sent */
#define FLAGS  PART_FLAGS
#define BINARY PART_BINARY_FLAGS
#define DOUBLE PART_DOUBLE_FLAGS
#define U16    PART_U16
#define U32    PART_U32
#define I16    PART_I16
#define I32    PART_I32
#define F32    PART_F32
#define F64    PART_F64
#define TIME   PART_TIME

static const struct dnp3_object g1[] = {
	ANY("binary input"),
	OBJECT("binary input, packed", FORM_BIT, 0),
	FIXED("binary input with flags", BINARY),
};
static const struct dnp3_object g2[] = {
	ANY("binary input event"),
	FIXED("binary input event", BINARY),
	FIXED("binary input event with time", BINARY, TIME),
	FIXED("binary input event with relative time", BINARY, PART_RELATIVE),
};
static const struct dnp3_object g3[] = {
	ANY("double-bit input"),
	OBJECT("double-bit input, packed", FORM_DOUBLE, 0),
	FIXED("double-bit input with flags", DOUBLE),
};
static const struct dnp3_object g4[] = {
	ANY("double-bit input event"),
	FIXED("double-bit input event", DOUBLE),
	FIXED("double-bit input event with time", DOUBLE, TIME),
	FIXED("double-bit input event with relative time", DOUBLE, PART_RELATIVE),
};
static const struct dnp3_object g10[] = {
	ANY("binary output"),
	OBJECT("binary output, packed", FORM_BIT, 0),
	FIXED("binary output status with flags", BINARY),
};
static const struct dnp3_object g11[] = {
	ANY("binary output event"),
	FIXED("binary output event", BINARY),
	FIXED("binary output event with time", BINARY, TIME),
};
static const struct dnp3_object g12[] = {
	ANY("binary output command"),
	FIXED("control relay output block", PART_CONTROL, PART_REPEAT, PART_ON_TIME, PART_OFF_TIME, PART_STATUS),
	FIXED("pattern control block", PART_CONTROL, PART_REPEAT, PART_ON_TIME, PART_OFF_TIME, PART_STATUS),
	OBJECT("pattern mask", FORM_BIT, 0),
};
static const struct dnp3_object g13[] = {
	ANY("binary output command event"),
	FIXED("binary output command event", PART_COMMAND),
	FIXED("binary output command event with time", PART_COMMAND, TIME),
};
static const struct dnp3_object g20[] = {
	ANY("counter"),
	FIXED("32-bit counter with flags", FLAGS, U32),
	FIXED("16-bit counter with flags", FLAGS, U16),
	FIXED("32-bit delta counter with flags", FLAGS, U32),
	FIXED("16-bit delta counter with flags", FLAGS, U16),
	FIXED("32-bit counter", U32),
	FIXED("16-bit counter", U16),
	FIXED("32-bit delta counter", U32),
	FIXED("16-bit delta counter", U16),
};
static const struct dnp3_object g21[] = {
	ANY("frozen counter"),
	FIXED("32-bit frozen counter with flags", FLAGS, U32),
	FIXED("16-bit frozen counter with flags", FLAGS, U16),
	FIXED("32-bit frozen delta counter with flags", FLAGS, U32),
	FIXED("16-bit frozen delta counter with flags", FLAGS, U16),
	FIXED("32-bit frozen counter with time", FLAGS, U32, TIME),
	FIXED("16-bit frozen counter with time", FLAGS, U16, TIME),
	FIXED("32-bit frozen delta counter with time", FLAGS, U32, TIME),
	FIXED("16-bit frozen delta counter with time", FLAGS, U16, TIME),
	FIXED("32-bit frozen counter", U32),
	FIXED("16-bit frozen counter", U16),
	FIXED("32-bit frozen delta counter", U32),
	FIXED("16-bit frozen delta counter", U16),
};
static const struct dnp3_object g22[] = {
	ANY("counter event"),
	FIXED("32-bit counter event", FLAGS, U32),
	FIXED("16-bit counter event", FLAGS, U16),
	FIXED("32-bit delta counter event", FLAGS, U32),
	FIXED("16-bit delta counter event", FLAGS, U16),
	FIXED("32-bit counter event with time", FLAGS, U32, TIME),
	FIXED("16-bit counter event with time", FLAGS, U16, TIME),
	FIXED("32-bit delta counter event with time", FLAGS, U32, TIME),
	FIXED("16-bit delta counter event with time", FLAGS, U16, TIME),
};
static const struct dnp3_object g23[] = {
	ANY("frozen counter event"),
	FIXED("32-bit frozen counter event", FLAGS, U32),
	FIXED("16-bit frozen counter event", FLAGS, U16),
	FIXED("32-bit frozen delta counter event", FLAGS, U32),
	FIXED("16-bit frozen delta counter event", FLAGS, U16),
	FIXED("32-bit frozen counter event with time", FLAGS, U32, TIME),
	FIXED("16-bit frozen counter event with time", FLAGS, U16, TIME),
	FIXED("32-bit frozen delta counter event with time", FLAGS, U32, TIME),
	FIXED("16-bit frozen delta counter event with time", FLAGS, U16, TIME),
};
static const struct dnp3_object g30[] = {
	ANY("analog input"),
	FIXED("32-bit analog input with flags", FLAGS, I32),
	FIXED("16-bit analog input with flags", FLAGS, I16),
	FIXED("32-bit analog input", I32),
	FIXED("16-bit analog input", I16),
	FIXED("single float analog input with flags", FLAGS, F32),
	FIXED("double float analog input with flags", FLAGS, F64),
};
static const struct dnp3_object g31[] = {
	ANY("frozen analog input"),
	FIXED("32-bit frozen analog input with flags", FLAGS, I32),
	FIXED("16-bit frozen analog input with flags", FLAGS, I16),
	FIXED("32-bit frozen analog input with time", FLAGS, I32, TIME),
	FIXED("16-bit frozen analog input with time", FLAGS, I16, TIME),
	FIXED("32-bit frozen analog input", I32),
	FIXED("16-bit frozen analog input", I16),
	FIXED("single float frozen analog input with flags", FLAGS, F32),
	FIXED("double float frozen analog input with flags", FLAGS, F64),
};
static const struct dnp3_object g32[] = {
	ANY("analog input event"),
	FIXED("32-bit analog input event", FLAGS, I32),
	FIXED("16-bit analog input event", FLAGS, I16),
	FIXED("32-bit analog input event with time", FLAGS, I32, TIME),
	FIXED("16-bit analog input event with time", FLAGS, I16, TIME),
	FIXED("single float analog input event", FLAGS, F32),
	FIXED("double float analog input event", FLAGS, F64),
	FIXED("single float analog input event with time", FLAGS, F32, TIME),
	FIXED("double float analog input event with time", FLAGS, F64, TIME),
};
static const struct dnp3_object g33[] = {
	ANY("frozen analog input event"),
	FIXED("32-bit frozen analog input event", FLAGS, I32),
	FIXED("16-bit frozen analog input event", FLAGS, I16),
	FIXED("32-bit frozen analog input event with time", FLAGS, I32, TIME),
	FIXED("16-bit frozen analog input event with time", FLAGS, I16, TIME),
	FIXED("single float frozen analog input event", FLAGS, F32),
	FIXED("double float frozen analog input event", FLAGS, F64),
	FIXED("single float frozen analog input event with time", FLAGS, F32, TIME),
	FIXED("double float frozen analog input event with time", FLAGS, F64, TIME),
};
static const struct dnp3_object g34[] = {
	ANY("analog input deadband"),
	FIXED("16-bit analog input deadband", U16),
	FIXED("32-bit analog input deadband", U32),
	FIXED("single float analog input deadband", F32),
};
static const struct dnp3_object g40[] = {
	ANY("analog output status"),
	FIXED("32-bit analog output status with flags", FLAGS, I32),
	FIXED("16-bit analog output status with flags", FLAGS, I16),
	FIXED("single float analog output status with flags", FLAGS, F32),
	FIXED("double float analog output status with flags", FLAGS, F64),
};
static const struct dnp3_object g41[] = {
	ANY("analog output command"),
	FIXED("32-bit analog output command", I32, PART_STATUS),
	FIXED("16-bit analog output command", I16, PART_STATUS),
	FIXED("single float analog output command", F32, PART_STATUS),
	FIXED("double float analog output command", F64, PART_STATUS),
};
static const struct dnp3_object g42[] = {
	ANY("analog output event"),
	FIXED("32-bit analog output event", FLAGS, I32),
	FIXED("16-bit analog output event", FLAGS, I16),
	FIXED("32-bit analog output event with time", FLAGS, I32, TIME),
	FIXED("16-bit analog output event with time", FLAGS, I16, TIME),
	FIXED("single float analog output event", FLAGS, F32),
	FIXED("double float analog output event", FLAGS, F64),
	FIXED("single float analog output event with time", FLAGS, F32, TIME),
	FIXED("double float analog output event with time", FLAGS, F64, TIME),
};
static const struct dnp3_object g43[] = {
	ANY("analog output command event"),
	FIXED("32-bit analog output command event", PART_STATUS, I32),
	FIXED("16-bit analog output command event", PART_STATUS, I16),
	FIXED("32-bit analog output command event with time", PART_STATUS, I32, TIME),
	FIXED("16-bit analog output command event with time", PART_STATUS, I16, TIME),
	FIXED("single float analog output command event", PART_STATUS, F32),
	FIXED("double float analog output command event", PART_STATUS, F64),
	FIXED("single float analog output command event with time", PART_STATUS, F32, TIME),
	FIXED("double float analog output command event with time", PART_STATUS, F64, TIME),
};
static const struct dnp3_object g50[] = {
	ANY("time and date"),
	FIXED("absolute time", TIME),
	FIXED("absolute time and interval", TIME, U32),
	FIXED("absolute time at last recorded time", TIME),
	FIXED("indexed absolute time and long interval", TIME, U32, PART_SKIP8),
};
static const struct dnp3_object g51[] = {
	ANY("time and date common time of occurrence"),
	FIXED("common time of occurrence, synchronized", PART_CTO),
	FIXED("common time of occurrence, unsynchronized", PART_CTO),
};
static const struct dnp3_object g52[] = {
	ANY("time delay"),
	FIXED("time delay, coarse", PART_DELAY_S),
	FIXED("time delay, fine", PART_DELAY_MS),
};
static const struct dnp3_object g60[] = {
	OBJECT("class data, any", FORM_NONE, 0),
	OBJECT("class 0 data", FORM_NONE, 0),
	OBJECT("class 1 data", FORM_NONE, 0),
	OBJECT("class 2 data", FORM_NONE, 0),
	OBJECT("class 3 data", FORM_NONE, 0),
};
static const struct dnp3_object g70[] = {
	ANY("file control"),
	OBJECT("file identifier", FORM_SIZED, 0),
	OBJECT("file authentication", FORM_SIZED, 0),
	OBJECT("file command", FORM_SIZED, 0),
	OBJECT("file command status", FORM_SIZED, 0),
	OBJECT("file transport", FORM_SIZED, 0),
	OBJECT("file transport status", FORM_SIZED, 0),
	OBJECT("file descriptor", FORM_SIZED, 0),
	OBJECT("file specification string", FORM_SIZED, 0),
};
static const struct dnp3_object g80[] = {
	ANY("internal indications"),
	OBJECT("internal indications, packed", FORM_BIT, 0),
};
static const struct dnp3_object g81[] = {
	ANY("device storage"),
	FIXED("buffer fill status", PART_U8, PART_SKIP16),
};
static const struct dnp3_object g82[] = {
	ANY("device profile"),
	OBJECT("device profile, functions and indexes", FORM_SIZED, 0),
};
static const struct dnp3_object g83[] = {
	ANY("private registration"),
	OBJECT("private registration object", FORM_SIZED, 0),
	OBJECT("private registration object descriptor", FORM_SIZED, 0),
};
static const struct dnp3_object g85[] = {
	ANY("data set prototype"),
	OBJECT("data set prototype with uuid", FORM_SIZED, 0),
};
static const struct dnp3_object g86[] = {
	ANY("data set descriptor"),
	OBJECT("data set contents", FORM_SIZED, 0),
	FIXED("data set characteristics", FLAGS),
	OBJECT("data set point index attributes", FORM_SIZED, 0),
};
static const struct dnp3_object g87[] = {
	ANY("data set"),
	OBJECT("data set, present value", FORM_SIZED, 0),
};
static const struct dnp3_object g88[] = {
	ANY("data set event"),
	OBJECT("data set snapshot", FORM_SIZED, 0),
};
static const struct dnp3_object g90[] = {
	ANY("application"),
	OBJECT("application identifier", FORM_SIZED, 0),
};
static const struct dnp3_object g91[] = {
	ANY("status of requested operation"),
	OBJECT("active configuration", FORM_SIZED, 0),
};
static const struct dnp3_object g101[] = {
	ANY("binary-coded decimal"),
	FIXED("small binary-coded decimal", PART_BYTES2),
	FIXED("medium binary-coded decimal", PART_BYTES4),
	FIXED("large binary-coded decimal", PART_BYTES8),
};
static const struct dnp3_object g102[] = {
	ANY("unsigned integer"),
	FIXED("8-bit unsigned integer", PART_U8),
};
static const struct dnp3_object g120[] = {
	ANY("authentication"),
	OBJECT("authentication challenge", FORM_SIZED, 0),
	OBJECT("authentication reply", FORM_SIZED, 0),
	FIXED("authentication aggressive mode request", PART_SKIP32, PART_SKIP16),
	FIXED("authentication session key status request", PART_SKIP16),
	OBJECT("authentication session key status", FORM_SIZED, 0),
	OBJECT("authentication session key change", FORM_SIZED, 0),
	OBJECT("authentication error", FORM_SIZED, 0),
	OBJECT("authentication user certificate", FORM_SIZED, 0),
	OBJECT("authentication message authentication code", FORM_SIZED, 0),
	OBJECT("authentication user status change", FORM_SIZED, 0),
	OBJECT("authentication update key change request", FORM_SIZED, 0),
	OBJECT("authentication update key change reply", FORM_SIZED, 0),
	OBJECT("authentication update key change", FORM_SIZED, 0),
	OBJECT("authentication update key change signature", FORM_SIZED, 0),
	OBJECT("authentication update key change confirmation", FORM_SIZED, 0),
};
static const struct dnp3_object g121[] = {
	ANY("security statistic"),
	FIXED("security statistic with flags", FLAGS, PART_SKIP16, U32),
};
static const struct dnp3_object g122[] = {
	ANY("security statistic event"),
	FIXED("security statistic event", FLAGS, PART_SKIP16, U32),
	FIXED("security statistic event with time", FLAGS, PART_SKIP16, U32, TIME),
};

/* Groups whose variation is not a layout: one entry serves all of them. */
static const struct dnp3_object attribute    = OBJECT("device attribute", FORM_ATTRIBUTE, 0);
static const struct dnp3_object octets       = OBJECT("octet string", FORM_STRING, 0);
static const struct dnp3_object octet_event  = OBJECT("octet string event", FORM_STRING, 0);
static const struct dnp3_object terminal     = OBJECT("virtual terminal output block", FORM_STRING, 0);
static const struct dnp3_object term_event   = OBJECT("virtual terminal event data", FORM_STRING, 0);
static const struct dnp3_object extended     = OBJECT("extended octet string", FORM_STRING, 0);
static const struct dnp3_object ext_event    = OBJECT("extended octet string event", FORM_STRING, 0);
static const struct dnp3_object unknown      = OBJECT("unknown object", FORM_UNKNOWN, 0);

#define LIST(g) { g, sizeof g / sizeof g[0] }
#define EACH(o) { &o, 0 }
static const struct {
	const struct dnp3_object *objects;
	uint8_t count; /* 0: the one object serves every variation */
} groups[256] = {
	[0] = EACH(attribute),
	[1] = LIST(g1), [2] = LIST(g2), [3] = LIST(g3), [4] = LIST(g4),
	[10] = LIST(g10), [11] = LIST(g11), [12] = LIST(g12), [13] = LIST(g13),
	[20] = LIST(g20), [21] = LIST(g21), [22] = LIST(g22), [23] = LIST(g23),
	[30] = LIST(g30), [31] = LIST(g31), [32] = LIST(g32), [33] = LIST(g33), [34] = LIST(g34),
	[40] = LIST(g40), [41] = LIST(g41), [42] = LIST(g42), [43] = LIST(g43),
	[50] = LIST(g50), [51] = LIST(g51), [52] = LIST(g52), [60] = LIST(g60), [70] = LIST(g70),
	[80] = LIST(g80), [81] = LIST(g81), [82] = LIST(g82), [83] = LIST(g83),
	[85] = LIST(g85), [86] = LIST(g86), [87] = LIST(g87), [88] = LIST(g88),
	[90] = LIST(g90), [91] = LIST(g91), [101] = LIST(g101), [102] = LIST(g102),
	[110] = EACH(octets), [111] = EACH(octet_event), [112] = EACH(terminal), [113] = EACH(term_event),
	[114] = EACH(extended), [115] = EACH(ext_event),
	[120] = LIST(g120), [121] = LIST(g121), [122] = LIST(g122),
};

const struct code_name dnp3_group_names[] = {
	{ 0, "device_attributes" }, { 1, "binary_input" }, { 2, "binary_input_event" },
	{ 3, "double_bit_input" }, { 4, "double_bit_input_event" }, { 10, "binary_output" },
	{ 11, "binary_output_event" }, { 12, "binary_output_command" },
	{ 13, "binary_output_command_event" }, { 20, "counter" }, { 21, "frozen_counter" },
	{ 22, "counter_event" }, { 23, "frozen_counter_event" }, { 30, "analog_input" },
	{ 31, "frozen_analog_input" }, { 32, "analog_input_event" },
	{ 33, "frozen_analog_input_event" }, { 34, "analog_input_deadband" },
	{ 40, "analog_output" }, { 41, "analog_output_command" }, { 42, "analog_output_event" },
	{ 43, "analog_output_command_event" }, { 50, "time_and_date" },
	{ 51, "common_time_of_occurrence" }, { 52, "time_delay" }, { 60, "class_data" },
	{ 70, "file_control" }, { 80, "internal_indications" }, { 81, "device_storage" },
	{ 82, "device_profile" }, { 83, "private_registration" }, { 85, "data_set_prototype" },
	{ 86, "data_set_descriptor" }, { 87, "data_set" }, { 88, "data_set_event" },
	{ 90, "application" }, { 91, "status_of_requested_operation" },
	{ 101, "binary_coded_decimal" }, { 102, "unsigned_integer" }, { 110, "octet_string" },
	{ 111, "octet_string_event" }, { 112, "virtual_terminal_output" },
	{ 113, "virtual_terminal_event" }, { 114, "extended_octet_string" },
	{ 115, "extended_octet_string_event" }, { 120, "authentication" },
	{ 121, "security_statistic" }, { 122, "security_statistic_event" },
	{ 0, NULL }
};
// clang-format on

const struct dnp3_object *dnp3_object(uint8_t group, uint8_t variation)
{
	if (groups[group].objects == NULL)
		return &unknown;
	if (groups[group].count == 0)
		return groups[group].objects;
	if (variation >= groups[group].count)
		return &unknown;
	return &groups[group].objects[variation];
}
