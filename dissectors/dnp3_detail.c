/* dnp3_detail.c - what file and authentication objects say, into header fields.
 * Spec: [1815] annex A, groups 70 and 120. */
#include "dissectors/dnp3.h"

enum step_kind {
	STEP_END,
	STEP_UINT,
	STEP_SKIP,
	STEP_OFFSET,
	STEP_LENGTH,
	STEP_STRING,
	STEP_REST,
	STEP_BLOCK
};

struct step {
	uint8_t kind;   /* enum step_kind */
	uint8_t octets; /* of the number; STRING: which OFFSET and LENGTH it goes by */
	uint8_t field;  /* enum dnp3_field; OFFSET, LENGTH: which */
};

enum { STEPS = 14, STRINGS = 3 };
#define UINT(octets, field)                                                                        \
	{                                                                                          \
		STEP_UINT, octets, DNP3_##field                                                    \
	}
#define SKIP(octets)                                                                               \
	{                                                                                          \
		STEP_SKIP, octets, 0                                                               \
	}
#define OFFSET(which)                                                                              \
	{                                                                                          \
		STEP_OFFSET, 2, which                                                              \
	} /* from the start of the object */
#define LENGTH(which)                                                                              \
	{                                                                                          \
		STEP_LENGTH, 2, which                                                              \
	}
#define STRING(which, field)                                                                       \
	{                                                                                          \
		STEP_STRING, which, DNP3_##field                                                   \
	}
#define NOT_SHOWN(which)                                                                           \
	{                                                                                          \
		STEP_STRING, which, DNP3_FIELDS                                                    \
	}
#define REST(field)                                                                                \
	{                                                                                          \
		STEP_REST, 0, DNP3_##field                                                         \
	}
#define BLOCK                                                                                      \
	{                                                                                          \
		STEP_BLOCK, 4, DNP3_FILE_BLOCK                                                     \
	} /* bit 31: the last one */

// clang-format off
static const struct step files[][STEPS] = {
	[2] = { OFFSET(0), LENGTH(0), OFFSET(1), LENGTH(1), SKIP(4), STRING(0, FILE_USER) },
	[3] = { OFFSET(0), LENGTH(0), UINT(6, FILE_TIME), UINT(2, FILE_PERMISSIONS), SKIP(4),
		UINT(4, FILE_SIZE), UINT(2, FILE_MODE), UINT(2, FILE_BLOCK_SIZE),
		UINT(2, FILE_REQUEST), STRING(0, FILE_NAME) },
	[4] = { UINT(4, FILE_HANDLE), UINT(4, FILE_SIZE), UINT(2, FILE_BLOCK_SIZE),
		UINT(2, FILE_REQUEST), UINT(1, FILE_STATUS), REST(FILE_TEXT) },
	[5] = { UINT(4, FILE_HANDLE), BLOCK, REST(FILE_DATA) },
	[6] = { UINT(4, FILE_HANDLE), BLOCK, UINT(1, FILE_STATUS), REST(FILE_TEXT) },
	[7] = { OFFSET(0), LENGTH(0), UINT(2, FILE_TYPE), UINT(4, FILE_SIZE), UINT(6, FILE_TIME),
		UINT(2, FILE_PERMISSIONS), UINT(2, FILE_REQUEST), STRING(0, FILE_NAME) },
	[8] = { REST(FILE_NAME) },
};

static const struct step authentication[][STEPS] = {
	[1] = { UINT(4, AUTH_SEQUENCE), UINT(2, AUTH_USER) },
	[2] = { UINT(4, AUTH_SEQUENCE), UINT(2, AUTH_USER) },
	[3] = { UINT(4, AUTH_SEQUENCE), UINT(2, AUTH_USER) },
	[4] = { UINT(2, AUTH_USER) },
	[5] = { UINT(4, AUTH_SEQUENCE), UINT(2, AUTH_USER), SKIP(1), UINT(1, AUTH_KEY_STATUS) },
	[6] = { UINT(4, AUTH_SEQUENCE), UINT(2, AUTH_USER) },
	[7] = { UINT(4, AUTH_SEQUENCE), UINT(2, AUTH_USER), SKIP(2), UINT(1, AUTH_ERROR), SKIP(6),
		REST(AUTH_TEXT) },
	[8] = { UINT(1, AUTH_KEY_METHOD) },
	[10] = { UINT(1, AUTH_KEY_METHOD), UINT(1, AUTH_OPERATION), UINT(4, AUTH_SEQUENCE),
		UINT(2, AUTH_ROLE), SKIP(2), LENGTH(0), LENGTH(1), LENGTH(2),
		STRING(0, AUTH_USER_NAME), NOT_SHOWN(1), NOT_SHOWN(2) },
	[11] = { UINT(1, AUTH_KEY_METHOD), LENGTH(0), LENGTH(1), STRING(0, AUTH_USER_NAME), NOT_SHOWN(1) },
	[12] = { UINT(4, AUTH_SEQUENCE), UINT(2, AUTH_USER) },
	[13] = { UINT(4, AUTH_SEQUENCE), UINT(2, AUTH_USER) },
};
// clang-format on

/* Where the strings of an object are. */
struct places {
	bool has_offset[STRINGS];
	uint16_t offset[STRINGS], length[STRINGS];
};

static void put_string(const struct step *s, const struct places *at, struct reader whole,
	struct reader *r, struct pdu *out)
{
	unsigned which = s->octets;
	struct reader from = *r;
	if (at->has_offset[which]) {
		from = whole;
		rd_skip(&from, at->offset[which]);
	}
	struct reader text = rd_slice(&from, at->length[which]);
	if (!at->has_offset[which])
		*r = from;
	if (text.overrun)
		r->overrun = true;
	else if (s->field != DNP3_FIELDS)
		pdu_borrow(out, s->field, text.at, text.left);
}

static void take_step(const struct step *s, struct places *at, struct reader whole,
	struct reader *r, struct pdu *out)
{
	if (s->kind == STEP_STRING) {
		put_string(s, at, whole, r, out);
		return;
	}
	if (s->kind == STEP_REST) {
		if (r->left > 0)
			pdu_borrow(out, s->field, r->at, r->left);
		rd_skip(r, r->left);
		return;
	}
	uint64_t v = rd_le(r, s->octets);
	if (r->overrun)
		return;
	if (s->kind == STEP_UINT)
		pdu_uint(out, s->field, v);
	if (s->kind == STEP_OFFSET) {
		at->has_offset[s->field] = true;
		at->offset[s->field] = (uint16_t)v;
	}
	if (s->kind == STEP_LENGTH)
		at->length[s->field] = (uint16_t)v;
	if (s->kind == STEP_BLOCK) {
		pdu_uint(out, DNP3_FILE_BLOCK, v & 0x7fffffff);
		pdu_uint(out, DNP3_FILE_LAST_BLOCK, v >> 31);
	}
}

static const struct step *steps_of(uint8_t group, uint8_t variation)
{
	static const struct step none[1] = { { STEP_END, 0, 0 } };
	if (group == 70 && variation < sizeof files / sizeof files[0])
		return files[variation];
	if (group == 120 && variation < sizeof authentication / sizeof authentication[0])
		return authentication[variation];
	return none;
}

bool dnp3_has_detail(uint8_t group)
{
	return group == 70 || group == 120;
}

const char *dnp3_detail(const struct dnp3_walk *w, struct reader object, struct pdu *out)
{
	struct places at = { .has_offset = { false } };
	struct reader r = object;
	for (const struct step *s = steps_of(w->group, w->variation); s->kind != STEP_END; s++) {
		take_step(s, &at, object, &r, out);
		if (r.overrun)
			return w->group == 70 ? "file object is cut"
					      : "authentication object is cut";
	}
	return NULL;
}
