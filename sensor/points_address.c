/* points_address.c - where a point lives, as people write it. */
#include "sensor/points.h"

#include <stdlib.h>
#include <string.h>

enum { REGISTER_BITS = 16, WORD_LAST = 65535, S7_BYTE_LAST = 65535 };

/* A whole number at *at, moved on behind it. */
static bool number(const char **at, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;
	const char *s = *at;
	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (uint64_t)(*s - '0');
		if (v > max)
			return false;
	}
	if (s == *at)
		return false;
	*at = s;
	*out = v;
	return true;
}

static bool skip(const char **at, const char *word)
{
	size_t n = strlen(word);
	if (strncmp(*at, word, n) != 0)
		return false;
	*at += n;
	return true;
}

/* ---- Modbus ---- */

static const char *const modbus_tables[] = {
	[POINT_COIL] = "coil",
	[POINT_DISCRETE] = "discrete",
	[POINT_HOLDING] = "holding",
	[POINT_INPUT_REGISTER] = "input",
};
enum { MODBUS_TABLES = sizeof modbus_tables / sizeof modbus_tables[0] };

static bool is_bits(unsigned table)
{
	return table == POINT_COIL || table == POINT_DISCRETE;
}

/* ".3" behind a register: one of its bits, 0 the lowest. */
static const char *place(struct point *p, uint64_t address, const char *rest)
{
	uint64_t bit;
	p->at = (uint32_t)address;
	p->width = 1;
	if (is_bits(p->table))
		return rest[0] == '\0' ? NULL : "a coil or discrete input has no bits";
	p->at *= REGISTER_BITS;
	p->width = 0;
	if (rest[0] == '\0')
		return NULL;
	rest++;
	if (rest[-1] != '.' || !number(&rest, REGISTER_BITS - 1, &bit) || rest[0] != '\0')
		return "a bit of a register is .0 to .15";
	p->bit = (uint8_t)bit;
	p->width = 1;
	return NULL;
}

/* "40101": the first digit is the table, the rest counts from 1. */
static const char *numbered(const char *text, size_t digits, struct point *p)
{
	static const uint8_t tables[10] = { [0] = POINT_COIL + 1,
		[1] = POINT_DISCRETE + 1,
		[3] = POINT_INPUT_REGISTER + 1,
		[4] = POINT_HOLDING + 1 };
	const char *at = text + 1;
	uint64_t n;
	uint8_t table = tables[text[0] - '0'];
	if ((digits != 5 && digits != 6) || table == 0 || !number(&at, WORD_LAST + 1, &n) || n == 0)
		return "a numbered address has 5 or 6 digits: 00001, 10001, 30001, 40001 and on";
	p->table = (uint8_t)(table - 1);
	return place(p, n - 1, at);
}

const char *point_modbus(const char *text, struct point *p)
{
	size_t digits = strspn(text, "0123456789");
	const char *at = text;
	uint64_t n;
	if (digits > 0)
		return numbered(text, digits, p);
	for (unsigned t = 0; t < MODBUS_TABLES; t++) {
		if (!skip(&at, modbus_tables[t]))
			continue;
		p->table = (uint8_t)t;
		if (!skip(&at, " ") || !number(&at, WORD_LAST, &n))
			return "behind the table stands an address, 0 to 65535";
		return place(p, n, at);
	}
	return "a Modbus point is coil, discrete, holding or input and an address from 0, or a "
	       "number such as 40001";
}

/* ---- S7 ---- */

static const char *s7_area(const char **at, struct point *p)
{
	static const struct {
		const char *word;
		uint8_t table;
	} areas[] = { { "M", POINT_MEMORY }, { "I", POINT_INPUT }, { "E", POINT_INPUT },
		{ "Q", POINT_OUTPUT }, { "A", POINT_OUTPUT } };
	uint64_t db;
	if (skip(at, "DB")) {
		p->table = POINT_DB;
		if (!number(at, WORD_LAST, &db) || db == 0 || !skip(at, ".DB"))
			return "a data block address is such as DB10.DBW4";
		p->db = (uint16_t)db;
		return NULL;
	}
	for (size_t i = 0; i < sizeof areas / sizeof areas[0]; i++) {
		if (!skip(at, areas[i].word))
			continue;
		p->table = areas[i].table;
		return NULL;
	}
	return "an S7 point is such as DB10.DBD4, DB10.DBX0.1, MW20, I0.1, QB4";
}

/* Byte and bit: "X0.1" in a data block, "0.1" elsewhere; B, W and D have no bit. */
const char *point_s7(const char *text, struct point *p)
{
	static const uint8_t widths[] = { ['B'] = 8, ['W'] = 16, ['D'] = 32 };
	const char *at = text, *why = s7_area(&at, p);
	uint64_t byte, bit = 0;
	if (why != NULL)
		return why;
	bool in_db = p->table == POINT_DB;
	char letter = *at == 'B' || *at == 'W' || *at == 'D' || (in_db && *at == 'X') ? *at : 0;
	at += letter != 0;
	if ((in_db && letter == 0) || !number(&at, S7_BYTE_LAST, &byte))
		return "an S7 address is B, W, D and a byte, or a byte and a bit";
	bool single = letter == 0 || letter == 'X';
	if (single && (!skip(&at, ".") || !number(&at, 7, &bit)))
		return "a bit is .0 to .7 behind its byte";
	if (*at != '\0')
		return "something stands behind the S7 address";
	p->width = single ? 1 : widths[(unsigned char)letter];
	p->bit = (uint8_t)bit;
	p->at = (uint32_t)(byte * 8 + bit);
	return NULL;
}

/* ---- DNP3 ---- */

static const char *const dnp3_tables[] = {
	[POINT_BINARY_INPUT - POINT_BINARY_INPUT] = "binary_input",
	[POINT_DOUBLE_BIT_INPUT - POINT_BINARY_INPUT] = "double_bit_input",
	[POINT_BINARY_OUTPUT - POINT_BINARY_INPUT] = "binary_output",
	[POINT_COUNTER - POINT_BINARY_INPUT] = "counter",
	[POINT_FROZEN_COUNTER - POINT_BINARY_INPUT] = "frozen_counter",
	[POINT_ANALOG_INPUT - POINT_BINARY_INPUT] = "analog_input",
	[POINT_FROZEN_ANALOG_INPUT - POINT_BINARY_INPUT] = "frozen_analog_input",
	[POINT_ANALOG_OUTPUT - POINT_BINARY_INPUT] = "analog_output",
};
enum { DNP3_TABLES = sizeof dnp3_tables / sizeof dnp3_tables[0] };

const char *point_dnp3(const char *text, struct point *p)
{
	for (unsigned t = 0; t < DNP3_TABLES; t++) {
		const char *at = text;
		uint64_t index;
		if (!skip(&at, dnp3_tables[t]) || !skip(&at, " "))
			continue;
		if (!number(&at, WORD_LAST, &index) || *at != '\0')
			return "a DNP3 index is 0 to 65535";
		p->table = (uint8_t)(POINT_BINARY_INPUT + t);
		p->at = (uint32_t)index;
		p->width = 1;
		return NULL;
	}
	return "a DNP3 point is binary_input, double_bit_input, binary_output, counter, "
	       "frozen_counter, analog_input, frozen_analog_input or analog_output, and an index";
}

bool point_is_dnp3(const struct point *p)
{
	return p->table >= POINT_BINARY_INPUT;
}

/* ---- writing ---- */

const char *point_protocol(const struct point *p)
{
	if (point_is_dnp3(p))
		return "dnp3";
	return p->table < MODBUS_TABLES ? "modbus" : "s7";
}

static void s7_address(const struct point *p, char *out, size_t cap)
{
	static const char areas[] = {
		[POINT_MEMORY] = 'M', [POINT_INPUT] = 'I', [POINT_OUTPUT] = 'Q'
	};
	char area[16], letter[2] = { 0 };
	snprintf(area, sizeof area, "%c", areas[p->table]);
	if (p->table == POINT_DB)
		snprintf(area, sizeof area, "DB%u.DB", p->db);
	unsigned bits = point_type_bits((enum point_type)p->type);
	letter[0] = bits == 16 ? 'W' : bits == 32 ? 'D' : 'B';
	if (p->type == POINT_BOOL)
		snprintf(out, cap, "%s%s%u.%u", area, p->table == POINT_DB ? "X" : "", p->at / 8,
			p->at % 8);
	else
		snprintf(out, cap, "%s%s%u", area, letter, p->at / 8);
}

void point_address(const struct point *p, char *out, size_t cap)
{
	if (point_is_dnp3(p))
		snprintf(out, cap, "%s %u", dnp3_tables[p->table - POINT_BINARY_INPUT], p->at);
	else if (p->table >= MODBUS_TABLES)
		s7_address(p, out, cap);
	else if (is_bits(p->table))
		snprintf(out, cap, "%s %u", modbus_tables[p->table], p->at);
	else if (p->type == POINT_BOOL)
		snprintf(out, cap, "%s %u.%u", modbus_tables[p->table], p->at / REGISTER_BITS,
			p->bit);
	else
		snprintf(out, cap, "%s %u", modbus_tables[p->table], p->at / REGISTER_BITS);
}
