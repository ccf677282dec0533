/* eve_modbus.c - Modbus as Suricata's EVE shows it, with the names of sawp-modbus. Data is hex. */
#include <pthread.h>

#include "sensor/eve_json.h"

enum { MODBUS_CODES = 128, EXCEPTION = 0x80, DIAGNOSTIC = 8, MEI = 43, POINTS = 100 };

enum field_of {
	TRANSACTION,
	PROTOCOL,
	UNIT,
	EXCEPTION_CODE,
	ADDRESS,
	QUANTITY,
	WRITE_ADDRESS,
	WRITE_QUANTITY,
	SUBFUNCTION,
	DIAGNOSTIC_DATA,
	AND_MASK,
	OR_MASK,
	MEI_TYPE,
	DATA,
	FIELDS
};

static const char *const names[FIELDS] = { "transaction_id", "protocol_id", "unit_id",
	"exception_code", "address", "quantity", "write_address", "write_quantity", "subfunction",
	"diagnostic_data", "and_mask", "or_mask", "mei_type", "data" };
static int8_t at[FIELDS];
static const char *const item_names[1] = { "value" };
static int8_t item_value[1];

/* What is in an access. */
enum access { NO_ACCESS, READS = 1, WRITES = 2, BITS = 4, SINGLE = 8, MASK = 16 };

struct function {
	const char *code, *access;
	uint8_t kind; /* enum access */
};

// clang-format off
static const struct function functions[MODBUS_CODES] = {
	[1]  = { "RdCoils",           "READ | COILS",     READS | BITS },
	[2]  = { "RdDiscreteInputs",  "READ | DISCRETES", READS | BITS },
	[3]  = { "RdHoldRegs",        "READ | HOLDING",   READS },
	[4]  = { "RdInputRegs",       "READ | INPUT",     READS },
	[5]  = { "WrSingleCoil",      "WRITE | COILS | SINGLE | WRITE_SINGLE",   WRITES | BITS | SINGLE },
	[6]  = { "WrSingleReg",       "WRITE | HOLDING | SINGLE | WRITE_SINGLE", WRITES | SINGLE },
	[7]  = { "RdExcStatus",       NULL, NO_ACCESS },
	[8]  = { "Diagnostic",        NULL, NO_ACCESS },
	[9]  = { "Program484",        NULL, NO_ACCESS },
	[10] = { "Poll484",           NULL, NO_ACCESS },
	[11] = { "GetCommEventCtr",   NULL, NO_ACCESS },
	[12] = { "GetCommEventLog",   NULL, NO_ACCESS },
	[13] = { "ProgramController", NULL, NO_ACCESS },
	[14] = { "PollController",    NULL, NO_ACCESS },
	[15] = { "WrMultCoils",       "WRITE | COILS | MULTIPLE | WRITE_MULTIPLE",   WRITES | BITS },
	[16] = { "WrMultRegs",        "WRITE | HOLDING | MULTIPLE | WRITE_MULTIPLE", WRITES },
	[17] = { "ReportServerID",    NULL, NO_ACCESS },
	[18] = { "Program884",        NULL, NO_ACCESS },
	[19] = { "ResetCommLink",     NULL, NO_ACCESS },
	[20] = { "RdFileRec",         NULL, NO_ACCESS },
	[21] = { "WrFileRec",         NULL, NO_ACCESS },
	[22] = { "MaskWrReg",         "WRITE | HOLDING",  WRITES | MASK },
	[23] = { "RdWrMultRegs",      "READ | WRITE | HOLDING | MULTIPLE | WRITE_MULTIPLE", READS | WRITES },
	[24] = { "RdFIFOQueue",       NULL, NO_ACCESS },
	[43] = { "MEI",               NULL, NO_ACCESS },
};

static const char *const diagnostics[] = {
	[0] = "RetQueryData", [1] = "RestartCommOpt", [2] = "RetDiagReg",
	[3] = "ChangeInputDelimiter", [4] = "ForceListenOnlyMode", [10] = "ClearCtrDiagReg",
	[11] = "RetBusMsgCount", [12] = "RetBusCommErrCount", [13] = "RetBusExcErrCount",
	[14] = "RetServerMsgCount", [15] = "RetServerNoRespCount", [16] = "RetServerNAKCount",
	[17] = "RetServerBusyCount", [18] = "RetBusCharOverrunCount", [19] = "RetOverrunErrCount",
	[20] = "ClearOverrunCounterFlag", [21] = "GetClearPlusStats",
};

static const char *const exceptions[] = {
	[1] = "IllegalFunction", [2] = "IllegalDataAddr", [3] = "IllegalDataValue",
	[4] = "ServerDeviceFail", [5] = "Ack", [6] = "ServerDeviceBusy", [7] = "NegAck",
	[8] = "MemParityErr", [10] = "GatewayPathUnavailable", [11] = "GatewayTargetFailToResp",
};

/* [MB] 5.1: who may define a function code; each row reaches up to the next. */
static const struct {
	uint8_t from;
	const char *category;
} categories[] = {
	{ 125, "RESERVED" }, { 111, "PUBLIC_UNASSIGNED" }, { 100, "USER_DEFINED" },
	{ 92, "PUBLIC_UNASSIGNED" }, { 90, "RESERVED" }, { 73, "PUBLIC_UNASSIGNED" },
	{ 65, "USER_DEFINED" }, { 43, "PUBLIC_UNASSIGNED" }, { 41, "RESERVED" },
	{ 15, "PUBLIC_UNASSIGNED" }, { 9, "RESERVED" }, { 1, "PUBLIC_UNASSIGNED" }, { 0, "NONE" },
};
// clang-format on

#define NAME_OF(table, code, other)                                                                \
	((code) < sizeof(table) / sizeof *(table) && (table)[code] != NULL ? (table)[code]         \
									   : (other))

static void resolve(void)
{
	const struct dissector *d = dissector_named("modbus");
	eve_resolve(d->fields, d->field_count, names, at, FIELDS);
	eve_resolve(d->item_fields, d->item_field_count, item_names, item_value, 1);
}

static bool get(const struct pdu *p, enum field_of field, uint64_t *v)
{
	return eve_field(p, at[field], v);
}

static const char *category(const struct pdu *p, unsigned code)
{
	uint64_t v;
	if (code == DIAGNOSTIC && get(p, SUBFUNCTION, &v))
		return NAME_OF(diagnostics, v, NULL) != NULL ? "PUBLIC_ASSIGNED" : "RESERVED";
	if (code == MEI && get(p, MEI_TYPE, &v))
		return v == 13 || v == 14 ? "PUBLIC_ASSIGNED" : "RESERVED";
	if (functions[code].code != NULL)
		return "PUBLIC_ASSIGNED";
	unsigned i = 0;
	while (code < categories[i].from)
		i++;
	return categories[i].category;
}

static const char *error_flags(const struct pdu *p)
{
	uint64_t v;
	if (get(p, PROTOCOL, &v) && v != 0)
		return "PROTO_ID";
	if (get(p, EXCEPTION_CODE, &v) && NAME_OF(exceptions, v, NULL) == NULL)
		return "EXC_CODE";
	if (p->malformed == NULL)
		return "NONE";
	return strstr(p->malformed, "length") != NULL || strstr(p->malformed, "ends") != NULL
		       ? "DATA_LENGTH"
		       : "DATA_VALUE";
}

static void key_field(struct buf *b, const char *key, const struct pdu *p, enum field_of field)
{
	uint64_t v;
	if (!get(p, field, &v))
		return;
	eve_name(b, key);
	buf_uint(b, v);
}

/* The values of the first points, as they stood on the wire: bits packed, registers high byte
 * first. */
static void write_data(struct buf *b, const struct pdu *p, bool bits)
{
	uint8_t bytes[POINTS * 2] = { 0 };
	struct item_cursor c = p->items;
	struct item item;
	unsigned n = 0;
	uint64_t v;
	while (n < POINTS && items_next(&c, &item) && eve_item_field(&item, item_value[0], &v)) {
		if (bits) {
			bytes[n / 8] = (uint8_t)(bytes[n / 8] | (v & 1) << n % 8);
		} else {
			bytes[2 * n] = (uint8_t)(v >> 8);
			bytes[2 * n + 1] = (uint8_t)v;
		}
		n++;
	}
	if (n == 0)
		return;
	eve_key(b, "data");
	buf_char(b, '"');
	buf_hex(b, bytes, bits ? (n + 7) / 8 : 2 * n);
	buf_char(b, '"');
}

static void write_read(struct buf *b, const struct pdu *p, const struct function *f)
{
	eve_key(b, "read");
	buf_char(b, '{');
	if (p->dir == PDU_RSP) {
		write_data(b, p, f->kind & BITS);
	} else {
		key_field(b, "address", p, ADDRESS);
		key_field(b, "quantity", p, QUANTITY);
	}
	buf_char(b, '}');
}

static void write_single(struct buf *b, const struct pdu *p, const struct function *f)
{
	struct item_cursor c = p->items;
	struct item item;
	uint64_t v;
	key_field(b, "address", p, ADDRESS);
	if (!items_next(&c, &item) || !eve_item_field(&item, item_value[0], &v))
		return;
	eve_key(b, "data");
	buf_uint(b, f->kind & BITS ? v * 0xff00 : v);
}

static void write_write(struct buf *b, const struct pdu *p, const struct function *f)
{
	bool both = f->kind & READS;
	if (both && p->dir == PDU_RSP)
		return;
	eve_key(b, "write");
	buf_char(b, '{');
	if (f->kind & SINGLE) {
		write_single(b, p, f);
	} else if (f->kind & MASK) {
		key_field(b, "address", p, ADDRESS);
		key_field(b, "and_mask", p, AND_MASK);
		key_field(b, "or_mask", p, OR_MASK);
	} else {
		key_field(b, "address", p, both ? WRITE_ADDRESS : ADDRESS);
		key_field(b, p->dir == PDU_RSP ? "data" : "quantity", p,
			both ? WRITE_QUANTITY : QUANTITY);
		if (p->dir != PDU_RSP)
			write_data(b, p, f->kind & BITS);
	}
	buf_char(b, '}');
}

static void write_coded(struct buf *b, const char *key, uint64_t raw, const char *code)
{
	eve_name(b, key);
	buf_lit(b, "{\"raw\":");
	buf_uint(b, raw);
	eve_key_word(b, "code", code);
}

static void hex_field(struct buf *b, const struct pdu *p, enum field_of field)
{
	if (at[field] < 0 || !pdu_has(p, (unsigned)at[field]))
		return;
	eve_key(b, "data");
	eve_value(b, FIELD_BYTES, p->value[at[field]], EVE_VALUE);
}

static void write_other(struct buf *b, const struct pdu *p, unsigned code)
{
	uint64_t v, data;
	if (code == DIAGNOSTIC && get(p, SUBFUNCTION, &v)) {
		write_coded(b, "diagnostic", v, NAME_OF(diagnostics, v, "Reserved"));
		if (get(p, DIAGNOSTIC_DATA, &data)) {
			uint8_t bytes[2] = { (uint8_t)(data >> 8), (uint8_t)data };
			eve_key(b, "data");
			buf_char(b, '"');
			buf_hex(b, bytes, sizeof bytes);
			buf_char(b, '"');
		}
		buf_char(b, '}');
	} else if (code == MEI && get(p, MEI_TYPE, &v)) {
		write_coded(b, "mei", v,
			v == 13   ? "CANOpenGenRefReqResp"
			: v == 14 ? "RdDevId"
				  : "Unknown");
		hex_field(b, p, DATA);
		buf_char(b, '}');
	} else {
		hex_field(b, p, DATA);
	}
}

static void write_message(struct buf *b, const struct pdu *p)
{
	unsigned code = p->code < 0 ? 0 : (unsigned)p->code % MODBUS_CODES;
	const struct function *f = &functions[code];
	uint64_t exception, protocol = 0;
	bool refused = get(p, EXCEPTION_CODE, &exception);
	buf_char(b, '{');
	key_field(b, "transaction_id", p, TRANSACTION);
	get(p, PROTOCOL, &protocol);
	eve_key_uint(b, "protocol_id", protocol);
	key_field(b, "unit_id", p, UNIT);
	eve_key_uint(b, "function_raw", refused ? code | EXCEPTION : code);
	eve_key_word(b, "function_code", f->code == NULL ? "Unknown" : f->code);
	eve_key_word(b, "access_type", f->access == NULL ? "NONE" : f->access);
	eve_key_word(b, "category", category(p, code));
	eve_key_word(b, "error_flags", error_flags(p));
	if (refused) {
		write_coded(b, "exception", exception, NAME_OF(exceptions, exception, "Unknown"));
		buf_char(b, '}');
	} else {
		if (f->kind & READS)
			write_read(b, p, f);
		if (f->kind & WRITES)
			write_write(b, p, f);
		if (f->kind == NO_ACCESS)
			write_other(b, p, code);
	}
	buf_char(b, '}');
}

void eve_modbus(struct buf *b, const struct event *e, const struct pdu *req, const struct pdu *rsp)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, resolve);
	buf_lit(b, "{\"id\":");
	buf_uint(b, e->at.frame);
	if (req != NULL) {
		eve_key(b, "request");
		write_message(b, req);
	}
	if (rsp != NULL) {
		eve_key(b, "response");
		write_message(b, rsp);
	}
	buf_char(b, '}');
}
