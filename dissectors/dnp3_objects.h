/* dnp3_objects.h - objects of DNP3: layouts, headers, points. Spec: [1815] 4.2.2.7, 11, annex A. */
#ifndef DISSECTORS_DNP3_OBJECTS_H
#define DISSECTORS_DNP3_OBJECTS_H

#include "dissectors/pdu.h"

/* ---- objects: group and variation to layout ([1815] annex A) ---- */

/* One piece of an object; an object is a row of these, in the order of the wire. */
enum dnp3_part {
	PART_END,
	PART_FLAGS,        /* flag octet */
	PART_BINARY_FLAGS, /* flag octet, state in bit 7 */
	PART_DOUBLE_FLAGS, /* flag octet, state in bits 6-7 */
	PART_COMMAND,      /* status in bits 0-6, commanded state in bit 7 */
	PART_U8,
	PART_U16,
	PART_U32,
	PART_I16,
	PART_I32,
	PART_F32,
	PART_F64,
	PART_TIME,     /* 48 bits, ms since 1970 */
	PART_CTO,      /* the same, and the base of relative times after it */
	PART_RELATIVE, /* 16 bits, ms since the CTO */
	PART_DELAY_S,  /* 16 bits, seconds */
	PART_DELAY_MS, /* 16 bits, ms */
	PART_CONTROL,  /* control code of a CROB */
	PART_REPEAT,   /* how often, 8 bits */
	PART_ON_TIME,  /* ms, 32 bits */
	PART_OFF_TIME,
	PART_STATUS, /* control status, bits 0-6 */
	PART_SKIP8,  /* octets no rule asks for */
	PART_SKIP16,
	PART_SKIP32,
	PART_BYTES2, /* shown as bytes */
	PART_BYTES4,
	PART_BYTES8,
	PART_KINDS
};

enum dnp3_form {
	FORM_UNKNOWN,   /* no length known: the fragment ends here */
	FORM_NONE,      /* never has data (class objects) */
	FORM_BIT,       /* packed single bits */
	FORM_DOUBLE,    /* packed pairs of bits */
	FORM_FIXED,     /* parts[] */
	FORM_SIZED,     /* only with a size prefix */
	FORM_STRING,    /* as many octets as the variation says, or the size prefix */
	FORM_ATTRIBUTE, /* type, length, data */
};

enum { DNP3_PARTS = 8 };
struct dnp3_object {
	const char *name;
	uint8_t name_len;
	uint8_t form;              /* enum dnp3_form */
	uint8_t parts[DNP3_PARTS]; /* enum dnp3_part; the eighth is always PART_END */
};

/* Octets of a part. */
extern const uint8_t dnp3_part_size[PART_KINDS];
/* Never NULL; an unknown one has FORM_UNKNOWN. */
const struct dnp3_object *dnp3_object(uint8_t group, uint8_t variation);
extern const struct code_name dnp3_group_names[];

/* ---- object headers ---- */

/* One object header, and where a walk over its points stands. Kept in item_cursor.scratch, so
 * it is small and holds no pointer but to constants. */
struct dnp3_walk {
	const struct dnp3_object *object;
	uint64_t cto; /* ms since 1970 */
	uint32_t start, stop;
	uint32_t count; /* as the range field says */
	uint32_t left;  /* points that are really there and not yet told */
	uint32_t index; /* of the next point without a prefix */
	uint32_t bit;   /* packed forms: of the next point */
	uint8_t group, variation, qualifier;
	uint8_t function;   /* of the application layer */
	uint8_t prefix;     /* octets before each point */
	bool sized : 1;     /* the prefix is a size, not an index */
	bool has_range : 1; /* start and stop */
	bool has_count : 1;
	bool has_cto : 1;
	bool data : 1;  /* points carry more than a prefix */
	bool known : 1; /* group, variation and qualifier are there */
	bool ended : 1; /* nothing follows */
};

/* Reads the next object header and judges how many of its points are in @r, which is left at the
 * first of them. Returns NULL or a static reason; then no header follows, but w holds what is
 * there. */
const char *dnp3_header(struct reader *r, struct dnp3_walk *w);
/* Steps over the points of @w, all of which are there. */
void dnp3_skip_points(struct reader *r, const struct dnp3_walk *w);
/* The octets of the next point, without its prefix; sets *index. False: no more. */
bool dnp3_point(struct reader *r, struct dnp3_walk *w, struct reader *point, uint32_t *index);
bool dnp3_next_item(struct item_cursor *c, struct item *out);
void dnp3_items_over(
	struct item_cursor *c, const struct pdu *p, struct reader objects, uint8_t function);

/* File and authentication objects have more to tell than a point has: into the header fields. */
bool dnp3_has_detail(uint8_t group);
const char *dnp3_detail(const struct dnp3_walk *w, struct reader object, struct pdu *out);

#endif
