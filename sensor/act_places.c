/* act_places.c - the acts of a message, and where in the device they reach. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "dissectors/dnp3.h"
#include "dissectors/modbus.h"
#include "dissectors/s7comm.h"
#include "dissectors/s7comm_plus.h"
#include "sensor/act.h"

enum place_kind {
	PLACE_NONE,
	PLACE_REGISTER, /* coils and registers: the function says of which table */
	PLACE_MB_READ,
	PLACE_MB_WRITE,
	PLACE_MB_FILE,
	PLACE_UMAS_BLOCK,
	PLACE_DB,
	PLACE_DI,
	PLACE_INPUT,
	PLACE_OUTPUT,
	PLACE_FLAG,
	PLACE_PERIPHERAL,
	PLACE_TIMER,
	PLACE_COUNTER,
	PLACE_AREA,
	PLACE_SYNTAX,
	PLACE_SZL,
	PLACE_PLUS_DB,
	PLACE_PLUS_AREA,
	PLACE_PLUS_OBJECT,
	PLACE_GROUP,
	PLACE_KINDS
};

enum { GROUP_ATTRIBUTES = 0, GROUP_FILE = 70 };

/* --- as text ----------------------------------------------------------------------------- */

static const struct space {
	const struct dissector *dissector;
	const char *word;
	bool numbered, hex;
} spaces[PLACE_KINDS] = {
	[PLACE_REGISTER] = { &modbus_dissector, "", false, false },
	[PLACE_MB_READ] = { &modbus_dissector, "read", false, false },
	[PLACE_MB_WRITE] = { &modbus_dissector, "write", false, false },
	[PLACE_MB_FILE] = { &modbus_dissector, "file", true, false },
	[PLACE_UMAS_BLOCK] = { &modbus_dissector, "block", true, false },
	[PLACE_DB] = { &s7comm_dissector, "DB", true, false },
	[PLACE_DI] = { &s7comm_dissector, "DI", true, false },
	[PLACE_INPUT] = { &s7comm_dissector, "I", false, false },
	[PLACE_OUTPUT] = { &s7comm_dissector, "Q", false, false },
	[PLACE_FLAG] = { &s7comm_dissector, "M", false, false },
	[PLACE_PERIPHERAL] = { &s7comm_dissector, "P", false, false },
	[PLACE_TIMER] = { &s7comm_dissector, "T", false, false },
	[PLACE_COUNTER] = { &s7comm_dissector, "C", false, false },
	[PLACE_AREA] = { &s7comm_dissector, "area", true, true },
	[PLACE_SYNTAX] = { &s7comm_dissector, "syntax", true, true },
	[PLACE_SZL] = { &s7comm_dissector, "SZL", true, true },
	[PLACE_PLUS_DB] = { &s7comm_plus_dissector, "DB", true, false },
	[PLACE_PLUS_AREA] = { &s7comm_plus_dissector, "area", true, true },
	[PLACE_PLUS_OBJECT] = { &s7comm_plus_dissector, "object", true, false },
	[PLACE_GROUP] = { &dnp3_dissector, "group", true, false },
};

void place_print(const struct act_place *p, char out[PLACE_TEXT])
{
	const struct space *s = &spaces[p->kind];
	char head[32] = "";
	if (!s->numbered)
		snprintf(head, sizeof head, "%s", s->word);
	else if (p->number_last > p->number)
		snprintf(head, sizeof head, "%s%" PRIu32 "-%" PRIu32, s->word, p->number,
			p->number_last);
	else
		snprintf(head, sizeof head, s->hex ? "%s0x%04" PRIx32 : "%s%" PRIu32, s->word,
			p->number);
	const char *blank = *head == '\0' ? "" : " ";
	if (p->first == 0 && p->last == PLACE_ALL && *head != '\0')
		snprintf(out, PLACE_TEXT, "%s", head);
	else if (p->first == p->last)
		snprintf(out, PLACE_TEXT, "%s%s%" PRIu32, head, blank, p->first);
	else
		snprintf(out, PLACE_TEXT, "%s%s%" PRIu32 "-%" PRIu32, head, blank, p->first,
			p->last);
}

static bool take_number(const char **at, bool hex, uint32_t *out)
{
	char *end;
	if (!isdigit((unsigned char)**at))
		return false;
	unsigned long long n = strtoull(*at, &end, hex ? 16 : 10);
	*at = end;
	*out = (uint32_t)n;
	return n <= UINT32_MAX;
}

/* "4" or "4-9" */
static bool take_range(const char **at, bool hex, uint32_t *first, uint32_t *last)
{
	if (!take_number(at, hex, first))
		return false;
	*last = *first;
	if (**at == '-') {
		++*at;
		if (!take_number(at, hex, last))
			return false;
	}
	return *first <= *last;
}

bool place_is_block(const struct act_place *p)
{
	return p->kind == PLACE_DB || p->kind == PLACE_DI;
}

static bool parse_in(const struct space *s, const char *at, struct act_place *p)
{
	size_t len = strlen(s->word);
	p->number = p->number_last = 0;
	p->first = 0;
	p->last = PLACE_ALL;
	if (strncmp(at, s->word, len) != 0)
		return false;
	at += len;
	if (s->numbered && !take_range(&at, s->hex, &p->number, &p->number_last))
		return false;
	if (p->number_last > p->number && !place_is_block(p))
		return false;
	if (*at == '\0')
		return len > 0;
	if (len > 0 && *at++ != ' ')
		return false;
	return take_range(&at, false, &p->first, &p->last) && *at == '\0';
}

bool place_parse(const struct dissector *d, const char *text, struct act_place *p)
{
	for (unsigned kind = 1; kind < PLACE_KINDS; kind++) {
		p->kind = (uint8_t)kind;
		if (spaces[kind].dissector == d && parse_in(&spaces[kind], text, p))
			return true;
	}
	return false;
}

/* --- in messages ------------------------------------------------------------------------- */

static const struct act_place nowhere = { .kind = PLACE_NONE };

static uint32_t number(const struct pdu *p, unsigned field)
{
	return pdu_has(p, field) ? (uint32_t)p->value[field].u : 0;
}

static struct act_place span(enum place_kind kind, uint32_t n, uint32_t first, uint32_t count)
{
	struct act_place p = {
		.kind = (uint8_t)kind, .number = n, .number_last = n, .first = first
	};
	p.last = count == 0                        ? first
		 : first > PLACE_ALL - (count - 1) ? PLACE_ALL
						   : first + count - 1;
	return p;
}

static struct act_place whole(enum place_kind kind, uint32_t n)
{
	return (struct act_place){
		.kind = (uint8_t)kind, .number = n, .number_last = n, .last = PLACE_ALL
	};
}

static void each_file(const struct pdu *p, act_id id, act_fn *each, void *ctx)
{
	struct item_cursor c = p->items;
	struct item it;
	bool any = false;
	while (items_next(&c, &it)) {
		struct act_place at = span(PLACE_MB_FILE, (uint32_t)it.value[MODBUS_ITEM_FILE].u,
			(uint32_t)it.value[MODBUS_ITEM_RECORD].u,
			(uint32_t)it.value[MODBUS_ITEM_LENGTH].u);
		any = true;
		if (!each(ctx, id, &at))
			return;
	}
	if (!any)
		each(ctx, id, &nowhere);
}

static void each_modbus(const struct pdu *p, act_fn *each, void *ctx)
{
	act_id id = ACT_ID(ACT_MODBUS, p->code);
	struct act_place at = nowhere;
	uint32_t address = number(p, MODBUS_ADDRESS), count = number(p, MODBUS_QUANTITY);
	if (pdu_has(p, MODBUS_UMAS_FUNCTION)) {
		id = ACT_ID(ACT_UMAS, number(p, MODBUS_UMAS_FUNCTION));
		if (pdu_has(p, MODBUS_UMAS_BLOCK) && !verb_is_grave(act_verb(id)))
			at = span(PLACE_UMAS_BLOCK, number(p, MODBUS_UMAS_BLOCK),
				number(p, MODBUS_UMAS_OFFSET), number(p, MODBUS_UMAS_LENGTH));
	} else if (pdu_has(p, MODBUS_SUBFUNCTION)) {
		id = ACT_ID(ACT_DIAGNOSTIC, number(p, MODBUS_SUBFUNCTION));
	} else if (pdu_has(p, MODBUS_MEI_TYPE)) {
		id = ACT_ID(ACT_MEI, number(p, MODBUS_MEI_TYPE));
	} else if (pdu_has(p, MODBUS_WRITE_ADDRESS)) {
		at = span(PLACE_MB_WRITE, 0, number(p, MODBUS_WRITE_ADDRESS),
			number(p, MODBUS_WRITE_QUANTITY));
		if (!each(ctx, id, &at))
			return;
		at = span(PLACE_MB_READ, 0, address, count);
	} else if (p->items.dissector != NULL && !pdu_has(p, MODBUS_ADDRESS)) {
		each_file(p, id, each, ctx);
		return;
	} else if (pdu_has(p, MODBUS_ADDRESS)) {
		at = span(PLACE_REGISTER, 0, address, count);
	}
	each(ctx, id, &at);
}

/* Bytes of @count variables of a transport size. */
static uint32_t size_bytes(uint64_t size, uint64_t count)
{
	static const uint8_t bytes[] = { [1] = 1,
		[2] = 1,
		[3] = 1,
		[4] = 2,
		[5] = 2,
		[6] = 4,
		[7] = 4,
		[8] = 4,
		[9] = 2,
		[10] = 4,
		[11] = 4,
		[12] = 2,
		[15] = 8 };
	uint64_t one = size < sizeof bytes && bytes[size] > 0 ? bytes[size] : 1;
	uint64_t all = one * count;
	return all > UINT16_MAX * UINT64_C(8) ? UINT16_MAX * 8 : (uint32_t)all;
}

static struct act_place s7_place(const struct item *it)
{
	static const uint8_t kinds[256] = { [0x84] = PLACE_DB,
		[0x85] = PLACE_DI,
		[0x81] = PLACE_INPUT,
		[0x82] = PLACE_OUTPUT,
		[0x83] = PLACE_FLAG,
		[0x80] = PLACE_PERIPHERAL,
		[0x1d] = PLACE_TIMER,
		[0x1c] = PLACE_COUNTER };
	if (item_has(it, S7I_SYNTAX) && !item_has(it, S7I_BYTE))
		return whole(PLACE_SYNTAX, (uint32_t)it->value[S7I_SYNTAX].u);
	if (!item_has(it, S7I_AREA) || !item_has(it, S7I_BYTE))
		return nowhere;
	uint32_t area = (uint32_t)it->value[S7I_AREA].u & 0xff;
	uint32_t byte = (uint32_t)it->value[S7I_BYTE].u;
	uint64_t count = item_has(it, S7I_COUNT) ? it->value[S7I_COUNT].u : 1;
	enum place_kind kind = (enum place_kind)kinds[area];
	bool block = kind == PLACE_DB || kind == PLACE_DI;
	if (kind == PLACE_TIMER || kind == PLACE_COUNTER) /* numbers, not bits */
		return span(kind, 0, byte * 8 + (uint32_t)it->value[S7I_BIT].u, (uint32_t)count);
	uint32_t n = block && item_has(it, S7I_DB) ? (uint32_t)it->value[S7I_DB].u : 0;
	if (kind == PLACE_NONE)
		return span(PLACE_AREA, area, byte, (uint32_t)count);
	return span(kind, n, byte, size_bytes(it->value[S7I_TRANSPORT_SIZE].u, count));
}

static bool lists_variables(const struct pdu *p)
{
	return p->code == S7_READ || p->code == S7_WRITE || p->code >> 8 == 1 || p->code >> 8 == 2;
}

static void each_s7(const struct pdu *p, act_fn *each, void *ctx)
{
	bool job = pdu_has(p, S7_ROSCTR) && p->value[S7_ROSCTR].u == S7_JOB;
	act_id id = ACT_ID(job || p->code > 0xff ? ACT_S7 : ACT_S7_MODE, p->code);
	struct item_cursor c = p->items;
	struct item it;
	bool any = false;
	if (pdu_has(p, S7_PI_OPERATION))
		id = ACT_ID(ACT_S7_PI, number(p, S7_PI_OPERATION));
	while (p->dir == PDU_REQ && lists_variables(p) && items_next(&c, &it)) {
		struct act_place at = s7_place(&it);
		if (p->code == S7_WRITE && item_has(&it, S7I_AREA))
			id = ACT_ID(ACT_S7_WRITE, it.value[S7I_AREA].u);
		any = true;
		if (!each(ctx, id, &at))
			return;
	}
	struct act_place szl = whole(PLACE_SZL, number(p, S7_SZL_ID));
	if (!any)
		each(ctx, id, pdu_has(p, S7_SZL_ID) ? &szl : &nowhere);
}

static struct act_place plus_place(const struct item *it)
{
	uint32_t lid = item_has(it, S7PI_LID) ? (uint32_t)it->value[S7PI_LID].u : 0;
	if (item_has(it, S7PI_DB))
		return span(PLACE_PLUS_DB, (uint32_t)it->value[S7PI_DB].u, lid, 1);
	if (item_has(it, S7PI_AREA))
		return span(PLACE_PLUS_AREA, (uint32_t)it->value[S7PI_AREA].u, lid, 1);
	if (!item_has(it, S7PI_OBJECT))
		return nowhere;
	uint32_t object = (uint32_t)it->value[S7PI_OBJECT].u;
	return item_has(it, S7PI_ATTRIBUTE)
		       ? span(PLACE_PLUS_OBJECT, object, (uint32_t)it->value[S7PI_ATTRIBUTE].u, 1)
		       : whole(PLACE_PLUS_OBJECT, object);
}

static void each_s7_plus(const struct pdu *p, act_fn *each, void *ctx)
{
	act_id id = pdu_has(p, S7P_OPERATION)
			    ? ACT_ID(ACT_S7_PLUS_OPERATION, number(p, S7P_OPERATION))
			    : ACT_ID(ACT_S7_PLUS, p->code);
	struct item_cursor c = p->items;
	struct item it;
	bool any = false;
	while (items_next(&c, &it)) {
		struct act_place at = plus_place(&it);
		any = true;
		if (!each(ctx, id, &at))
			return;
	}
	if (!any)
		each(ctx, id, &nowhere);
}

static struct act_place dnp3_place(const struct item *it)
{
	uint32_t group = (uint32_t)it->value[DNP3_ITEM_GROUP].u;
	if (item_has(it, DNP3_ITEM_INDEX))
		return span(PLACE_GROUP, group, (uint32_t)it->value[DNP3_ITEM_INDEX].u, 1);
	struct act_place at = whole(PLACE_GROUP, group);
	if (item_has(it, DNP3_ITEM_START) && item_has(it, DNP3_ITEM_STOP)) {
		at.first = (uint32_t)it->value[DNP3_ITEM_START].u;
		at.last = (uint32_t)it->value[DNP3_ITEM_STOP].u;
	}
	return at.first <= at.last ? at : whole(PLACE_GROUP, group);
}

static act_id dnp3_id(const struct pdu *p, uint32_t group)
{
	if (p->code == 2)
		return ACT_ID(ACT_DNP3_WRITE, group);
	if (p->code == 1 && (group == GROUP_ATTRIBUTES || group == GROUP_FILE))
		return ACT_ID(ACT_DNP3_READ, group);
	if (p->code == 25 && pdu_has(p, DNP3_FILE_MODE))
		return ACT_ID(ACT_DNP3_OPEN, p->value[DNP3_FILE_MODE].u);
	return ACT_ID(ACT_DNP3, p->code);
}

static void each_dnp3(const struct pdu *p, act_fn *each, void *ctx)
{
	struct item_cursor c = p->items;
	struct item it;
	bool any = false;
	if (p->code == PDU_NO_CODE) {
		each(ctx, ACT_ID(ACT_DNP3_LINK, number(p, DNP3_LINK_FUNCTION)), &nowhere);
		return;
	}
	while (p->dir == PDU_REQ && items_next(&c, &it)) {
		struct act_place at = dnp3_place(&it);
		any = true;
		if (!each(ctx, dnp3_id(p, at.number), &at))
			return;
	}
	if (!any)
		each(ctx, ACT_ID(ACT_DNP3, p->code), &nowhere);
}

bool act_by_device(const struct pdu *p)
{
	if (p->dissector == &s7comm_dissector && p->dir == PDU_REQ)
		return p->code == S7_DOWNLOAD_BLOCK || p->code == S7_DOWNLOAD_ENDED;
	return p->dir != PDU_REQ;
}

bool act_counts(const struct pdu *p)
{
	const struct dissector *d = p->dissector;
	if (p->dir == PDU_RSP && d != &dnp3_dissector)
		return false;
	if (p->malformed != NULL || d->office || d->observed || p->flags & PDU_OVERLAP)
		return false;
	if (d == &dnp3_dissector)
		return p->dir == PDU_REQ ? p->code != PDU_NO_CODE || pdu_has(p, DNP3_LINK_FUNCTION)
					 : p->code == 130;
	if (p->code == PDU_NO_CODE || d == &cotp_dissector)
		return false;
	return p->dir == PDU_REQ || (p->dir == PDU_IND && d != &s7comm_plus_dissector);
}

void act_each(const struct pdu *p, act_fn *each, void *ctx)
{
	if (p->dissector == &modbus_dissector)
		each_modbus(p, each, ctx);
	else if (p->dissector == &s7comm_dissector)
		each_s7(p, each, ctx);
	else if (p->dissector == &s7comm_plus_dissector)
		each_s7_plus(p, each, ctx);
	else if (p->dissector == &dnp3_dissector)
		each_dnp3(p, each, ctx);
	else
		each(ctx, ACT_ID(ACT_OTHER, p->code), &nowhere);
}
