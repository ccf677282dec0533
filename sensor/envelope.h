/* envelope.h - the fields every event has, whatever its protocol: who, where, when, verdict. */
#ifndef SENSOR_ENVELOPE_H
#define SENSOR_ENVELOPE_H

#include "common/buf.h"
#include "sensor/event.h"

/* How a field's values compare; wider than enum field_type, which is how they are shown. */
enum value_kind {
	KIND_UINT,
	KIND_INT,
	KIND_REAL,
	KIND_TEXT,
	KIND_BYTES, /* compared as hex text */
	KIND_ADDR,  /* 16 bytes, IPv4 as ::ffff:a.b.c.d */
	KIND_MAC,   /* 6 bytes */
	KIND_LABEL, /* a name of the site, by its index in the table */
	KIND_FLAGS, /* bits, each with a name */
};

enum envelope_index {
	ENV_SRC_IP,
	ENV_DEST_IP,
	ENV_SRC_PORT,
	ENV_DEST_PORT,
	ENV_SRC_MAC,
	ENV_DEST_MAC,
	ENV_SRC_ROLE,
	ENV_DST_ROLE,
	ENV_SRC_ZONE,
	ENV_DST_ZONE,
	ENV_SRC_NAME,
	ENV_DST_NAME,
	ENV_VLAN,
	ENV_PROTO,
	ENV_APP_PROTO,
	ENV_DIRECTION,
	ENV_PDU_DIR,
	ENV_PDU_NAME,
	ENV_PDU_CODE,
	ENV_TIMESTAMP,
	ENV_MALFORMED,
	ENV_FLAGS,
	ENV_VERDICT_OUTCOME,
	ENV_VERDICT_CODE,
	ENV_VERDICT_TEXT,
	ENV_VERDICT_LATENCY,
	ENVELOPE_FIELDS
};

enum { ENVELOPE_VALUES = FLOW_VLANS }; /* most values one field of one event has */

struct envelope_field {
	struct field field; /* as dissectors declare theirs */
	uint8_t kind;       /* enum value_kind */
	uint64_t max;       /* of numbers; 0: no bound */
};

extern const struct envelope_field envelope_fields[ENVELOPE_FIELDS];

/* The values of a field into @out: how many there are (0: absent), or -1 while the verdict that
 * would tell is not known. */
int envelope_get(const struct event *e, unsigned index, struct value out[ENVELOPE_VALUES]);
/* As a person writes it: an address, a MAC, a code's name. Labels are the caller's to name. */
void envelope_text(struct buf *b, unsigned index, struct value v);
void envelope_addr_text(struct buf *b, const uint8_t bytes[16]);

#endif
