/* act.h - what a message does to a device, in words that all protocols share: an act (function or
 * sub-function) with its verb, and the places it touches. */
#ifndef SENSOR_ACT_H
#define SENSOR_ACT_H

#include "dissectors/dissector.h"

enum verb {
#define VERB(word, changes) VERB_##word,
#include "common/verbs.def"
#undef VERB
	VERBS,
	VERB_NONE = VERBS, /* keeps a conversation going, and no more */
};

/* "read", …; NULL for VERB_NONE. */
const char *verb_word(enum verb verb);
bool verb_changes(enum verb verb);
/* Nobody takes such a thing for granted: stop, download, password … */
bool verb_is_grave(enum verb verb);

/* Kinds of acts: a function, or what stands below one and is worth a name of its own. */
enum act_class {
	ACT_MODBUS,
	ACT_DIAGNOSTIC, /* sub-function of Modbus function 8 */
	ACT_MEI,        /* type of Modbus function 43 */
	ACT_UMAS,
	ACT_S7,       /* job, or group << 8 | subfunction of userdata */
	ACT_S7_WRITE, /* by area */
	ACT_S7_PI,
	ACT_S7_MODE, /* pushed mode transition */
	ACT_S7_PLUS,
	ACT_S7_PLUS_OPERATION,
	ACT_DNP3,
	ACT_DNP3_READ, /* by group, where it is no reading of points */
	ACT_DNP3_WRITE,
	ACT_DNP3_OPEN, /* of a file, by mode */
	ACT_DNP3_LINK,
	ACT_OTHER, /* functions of protocols that this table does not know */
	ACT_CLASSES
};

/* The class and its code, and never 0. */
typedef uint32_t act_id;
#define ACT_ID(class, code) (((uint32_t)(class) + 1) << 24 | ((uint32_t)(code)&0xffffff))

enum verb act_verb(act_id id);
enum { ACT_TEXT = 64 };
/* "read_holding_registers", "umas.stop_plc", "function.99" */
void act_print(act_id id, char out[ACT_TEXT]);
/* What act_print() wrote for that protocol; 0: it is none. */
act_id act_parse(const struct dissector *d, const char *text);

/* Numbers from first to last in one space: registers, bytes of a data block, points of a group. */
enum { PLACE_ALL = UINT32_MAX };
struct act_place {
	uint8_t kind;                 /* of act_places.c; 0: there is none */
	uint32_t number, number_last; /* of the data block, file, group */
	uint32_t first, last;         /* 0 and PLACE_ALL: the whole of it */
};
enum { PLACE_TEXT = 48 };
/* "0-99", "DB10 0-15", "DB10-19 4", "group30 4" */
void place_print(const struct act_place *p, char out[PLACE_TEXT]);
bool place_parse(const struct dissector *d, const char *text, struct act_place *p);
/* Of one space, for ranges sorted by it. */
static inline bool place_alike(const struct act_place *a, const struct act_place *b)
{
	return a->kind == b->kind && a->number == b->number && a->number_last == b->number_last;
}
/* Blocks of which several may be of one make. */
bool place_is_block(const struct act_place *p);

/* Who is meant by a message: false, it is nobody's act (a reply, or damaged). */
bool act_counts(const struct pdu *p);
/* It comes from the device: a push, an unsolicited response, a block it fetches. */
bool act_by_device(const struct pdu *p);
/* Calls for each act and place of a message that act_counts(); equal acts stand together mostly.
 * @each: false ends it. */
typedef bool act_fn(void *ctx, act_id id, const struct act_place *place);
void act_each(const struct pdu *p, act_fn *each, void *ctx);

#endif
