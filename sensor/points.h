/* points.h - what the site calls the values in its devices: tags by register, data block address or
 * point index, with type, scale, unit and bounds; and interlocks, conditions over several tags. */
#ifndef SENSOR_POINTS_H
#define SENSOR_POINTS_H

#include <stdio.h>

#include "sensor/site.h"

/* Where a value lives. Positions count coils, bits of registers and of S7 areas, DNP3 indexes. */
enum point_table {
	POINT_COIL,
	POINT_DISCRETE,
	POINT_HOLDING,
	POINT_INPUT_REGISTER,
	POINT_DB,
	POINT_MEMORY,
	POINT_INPUT,
	POINT_OUTPUT,
	POINT_BINARY_INPUT, /* from here on DNP3 */
	POINT_DOUBLE_BIT_INPUT,
	POINT_BINARY_OUTPUT,
	POINT_COUNTER,
	POINT_FROZEN_COUNTER,
	POINT_ANALOG_INPUT,
	POINT_FROZEN_ANALOG_INPUT,
	POINT_ANALOG_OUTPUT,
	POINT_TABLES
};

enum point_type {
	POINT_BOOL,
	POINT_U8,
	POINT_I8,
	POINT_U16,
	POINT_I16,
	POINT_U32,
	POINT_I32,
	POINT_U64,
	POINT_I64,
	POINT_FLOAT32,
	POINT_FLOAT64,
	POINT_BCD16,
	POINT_BCD32,
	POINT_TYPES
};

/* A is the most significant byte of 32 bits; 64 bits have their words in the same or the opposite
 * order, 16 bits their bytes. */
enum point_order { ORDER_ABCD, ORDER_CDAB, ORDER_BADC, ORDER_DCBA, ORDERS };

/* Who may change it: the process, an operator, the controller at a command. */
enum point_kind { POINT_MEASURED, POINT_SETPOINT, POINT_COMMANDED, POINT_KINDS };

enum point_limit { LIMIT_LOW_LOW, LIMIT_LOW, LIMIT_HIGH, LIMIT_HIGH_HIGH, LIMITS };

enum { POINT_BYTES = 8, POINT_NAME = 64, POINT_UNIT = 32, CLAUSES_MAX = 8 };

struct point {
	const char *name, *unit; /* unit NULL: none said */
	uint32_t device;         /* in points.device */
	uint32_t number;         /* from 1, as the configuration lists them */
	uint32_t at;             /* position of the first */
	uint16_t db;             /* POINT_DB only */
	uint8_t table, type, order, kind, bit, width;
	double scale, offset, deadband;
	double limit[LIMITS];       /* NaN: none */
	double max_rate;            /* per second; NaN: none */
	int64_t stale_ns, stuck_ns; /* 0: never */
};

/* An address, or a unit behind it. */
struct point_device {
	char *text; /* as the configuration calls it */
	uint8_t ip[16], family;
	bool found, any_unit;
	uint16_t unit;
	uint32_t first, count;            /* of its points */
	uint32_t table[POINT_TABLES + 1]; /* the first of each table; where the last one ends */
	uint32_t line, column;
};

enum clause_op { CLAUSE_EQ, CLAUSE_NEQ, CLAUSE_LT, CLAUSE_LTE, CLAUSE_GT, CLAUSE_GTE, CLAUSE_OPS };

struct interlock {
	char *name;
	struct clause {
		char *tag; /* "tag" or "device/tag" */
		uint32_t point;
		uint8_t op;
		double value;
		uint32_t line, column;
	} clause[CLAUSES_MAX];
	unsigned clauses;
	int64_t for_ns;
};

struct points {
	struct point *point;         /* ready: by device, table, data block, position */
	struct point_device *device; /* ready: by address and unit, any unit first */
	struct interlock *interlock;
	size_t count, cap, devices, devices_cap, interlocks, interlocks_cap;
	char *path; /* of the file that named them last */
};

/* points: {DEVICE: {TAG: {…}}} and interlocks: [{…}]. Faults are added. */
void points_read(
	struct points *p, const char *path, const struct yaml *map, struct text_list *faults);
void interlocks_read(
	struct points *p, const char *path, const struct yaml *list, struct text_list *faults);
/* After names: finds devices and tags by name, sorts, and says what cannot be. */
void points_ready(struct points *p, const struct site *s, size_t max, struct text_list *faults);
void points_dump(FILE *out, const struct points *p);
void points_free(struct points *p);

/* Devices at an address: the first and how many; 0: none. */
size_t points_devices(const struct points *p, const uint8_t ip[16], size_t *first);
/* Has the device points in these tables, or in between? */
static inline bool points_any(
	const struct point_device *d, enum point_table first, enum point_table last)
{
	return d->table[first] < d->table[last + 1];
}
/* Points of a device that begin in [from, to) of a table: the first and the one behind the last. */
size_t points_range(const struct points *p, const struct point_device *d, enum point_table table,
	uint16_t db, uint64_t from, uint64_t to, size_t *end);

/* Where one point is: "holding 100", "40101", "DB10.DBD4", "analog_input 3". Each sets table, db,
 * at, bit and, where the address says it, width in bits (else 0). NULL, or what is wrong. */
const char *point_modbus(const char *text, struct point *p);
const char *point_s7(const char *text, struct point *p);
const char *point_dnp3(const char *text, struct point *p);
/* As the first form above reads it. */
void point_address(const struct point *p, char *out, size_t cap);
const char *point_protocol(const struct point *p); /* "modbus", "s7", "dnp3" */
bool point_is_dnp3(const struct point *p);

extern const char *const point_type_names[POINT_TYPES + 1],
	*const point_order_names[ORDERS + 1],
		*const point_kind_names[POINT_KINDS + 1],
			*const point_limit_names[LIMITS + 1],
				*const clause_op_names[CLAUSE_OPS + 1];
/* Bits that a value of the type takes, of registers or of bytes; DNP3 and single bits: 1. */
unsigned point_type_bits(enum point_type type);

#endif
