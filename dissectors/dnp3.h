/* dnp3.h - what the files of the DNP3 dissector share. Spec: IEEE 1815-2012 [1815]. */
#ifndef DISSECTORS_DNP3_H
#define DISSECTORS_DNP3_H

#include "dissectors/dissector.h"

enum dnp3_field {
	DNP3_SOURCE,
	DNP3_DESTINATION,
	DNP3_FUNCTION,
	DNP3_SEQUENCE,
	DNP3_UNSOLICITED,
	DNP3_CONFIRM,
	DNP3_FIRST,
	DNP3_FINAL,
	DNP3_IIN,
	DNP3_IIN_BITS, /* sixteen of them: IIN2.0 … IIN2.7, IIN1.0 … IIN1.7 */
	DNP3_LINK_FUNCTION = DNP3_IIN_BITS + 16,
	DNP3_LINK_REPLY,
	DNP3_LINK_DIR,
	DNP3_PRM,
	DNP3_CRC_ERROR,
	DNP3_OBJECT_COUNT,
	DNP3_GROUP,
	DNP3_VARIATION,
	DNP3_OBJECT,
	DNP3_SELECT_MATCHED,
	DNP3_SESSION_START,
	DNP3_ASKED,
	DNP3_FILE_NAME,
	DNP3_FILE_MODE,
	DNP3_FILE_TYPE,
	DNP3_FILE_SIZE,
	DNP3_FILE_TIME,
	DNP3_FILE_PERMISSIONS,
	DNP3_FILE_HANDLE,
	DNP3_FILE_BLOCK_SIZE,
	DNP3_FILE_REQUEST,
	DNP3_FILE_BLOCK,
	DNP3_FILE_LAST_BLOCK,
	DNP3_FILE_STATUS,
	DNP3_FILE_DATA,
	DNP3_FILE_TEXT,
	DNP3_FILE_USER,
	DNP3_AUTH_SEQUENCE,
	DNP3_AUTH_USER,
	DNP3_AUTH_ERROR,
	DNP3_AUTH_OPERATION,
	DNP3_AUTH_ROLE,
	DNP3_AUTH_USER_NAME,
	DNP3_AUTH_KEY_STATUS,
	DNP3_AUTH_KEY_METHOD,
	DNP3_AUTH_TEXT,
	DNP3_FIELDS
};

enum dnp3_item_field {
	DNP3_ITEM_GROUP,
	DNP3_ITEM_VARIATION,
	DNP3_ITEM_QUALIFIER,
	DNP3_ITEM_START,
	DNP3_ITEM_STOP,
	DNP3_ITEM_COUNT,
	DNP3_ITEM_INDEX,
	DNP3_ITEM_VALUE,
	DNP3_ITEM_FLAGS,
	DNP3_ITEM_TIME,
	DNP3_ITEM_DELAY,
	DNP3_ITEM_CONTROL_CODE,
	DNP3_ITEM_OPERATION,
	DNP3_ITEM_QUEUE,
	DNP3_ITEM_CLEAR,
	DNP3_ITEM_TRIP_CLOSE,
	DNP3_ITEM_REPEAT,
	DNP3_ITEM_ON_TIME,
	DNP3_ITEM_OFF_TIME,
	DNP3_ITEM_STATUS,
	DNP3_ITEM_TEXT,
	DNP3_ITEM_BYTES,
	DNP3_ITEM_FIELDS
};

extern const struct dissector dnp3_dissector;
extern const struct field dnp3_fields[DNP3_FIELDS];
extern const struct field dnp3_item_fields[DNP3_ITEM_FIELDS];
extern const struct code_name dnp3_function_names[], dnp3_control_status_names[],
	dnp3_file_status_names[], dnp3_auth_error_names[];

/* The name of @code in a table, or NULL. */
const char *dnp3_code_name(const struct code_name *codes, uint32_t code);

/* The CRC of a link header or data block, as it stands on the wire (low byte first). */
uint16_t dnp3_crc(const uint8_t *bytes, size_t n);

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

/* ---- state of a flow ---- */

enum {
	DNP3_FRAGMENT_MAX = 16384, /* octets of a joined fragment; [1815] asks for 2048 */
	DNP3_JOINS = 8,            /* link address pairs joined at once on one flow */
	DNP3_SELECTS = 8,          /* of them with a SELECT outstanding */
	DNP3_USER_DATA = 250,
	DNP3_PAIRS = 256, /* bits that remember which address pairs have talked */
};

/* Segments of one link address pair in one direction. */
struct dnp3_join {
	uint16_t source, destination;
	uint8_t dir; /* enum dir */
	uint8_t sequence;
	bool active;
	uint16_t last; /* octets of the newest segment */
	uint32_t used; /* when, for choosing the oldest */
	struct joiner bytes;
};

/* The last SELECT of a link address pair. */
struct dnp3_select {
	uint64_t hash; /* of its objects */
	uint32_t used; /* 0: empty */
	uint16_t source, destination;
	uint8_t sequence;
};

struct dnp3_state {
	uint32_t clock; /* counts uses */
	uint8_t user_data[DNP3_USER_DATA];
	struct dnp3_join joins[DNP3_JOINS];
	struct dnp3_select selects[DNP3_SELECTS];
	uint64_t begun[DNP3_PAIRS / 64]; /* by hash: pairs whose master has asked something */
	/* by direction and hash: pairs of which a first segment was seen since bytes were lost */
	uint64_t opened[2][DNP3_PAIRS / 64];
};

/* A set of address pairs by hash; two that share a bit are taken for one. */
static inline uint32_t dnp3_pair_bit(uint64_t from, uint64_t to)
{
	return (uint32_t)(from << 16 | to) * UINT32_C(2654435761) >> 24;
}

static inline bool dnp3_pair_has(const uint64_t *set, uint32_t bit)
{
	return set[bit / 64] >> bit % 64 & 1;
}

static inline void dnp3_pair_add(uint64_t *set, uint32_t bit)
{
	set[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* The application layer: one whole fragment. SOURCE and DESTINATION are set. Its bytes stay
 * valid as long as the PDU is looked at. */
void dnp3_fragment(struct reader fragment, struct dnp3_state *state, struct pdu *out);

#endif
