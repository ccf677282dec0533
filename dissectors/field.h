/* field.h - what a protocol says of a field. Declared once, in the dissector's table; from it
 * come the rule vocabulary, the --pdus names, --list-fields and the documentation. */
#ifndef DISSECTORS_FIELD_H
#define DISSECTORS_FIELD_H

#include <stdint.h>

enum field_type {
	FIELD_UINT,
	FIELD_INT,   /* signed */
	FIELD_REAL,  /* finite double; a NaN or infinity is not set */
	FIELD_TEXT,  /* characters from the wire, untrusted */
	FIELD_BYTES, /* shown as hex */
};

/* A number's name; a table ends with name NULL. Names are unique in their table. */
struct code_name {
	uint32_t code;
	const char *name; /* lower_case_with_underscores */
};

struct field {
	const char *name; /* with the protocol: "modbus.address", "modbus.item.value" */
	enum field_type type;
	const char *unit;              /* or NULL */
	const char *doc;               /* one sentence */
	const struct code_name *codes; /* names usable in rules for FIELD_UINT, or NULL */
};

/* The value of a field. Text and bytes are borrowed: from the packet, from static storage or
 * from the dissector's own state, and live as long as the PDU callback. */
struct value {
	union {
		uint64_t u;
		int64_t i;
		double r;
		const uint8_t *bytes;
	};
	uint32_t len; /* bytes; text and bytes only */
};

#endif
