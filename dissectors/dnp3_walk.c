/* dnp3_walk.c - object headers and their points, as the table of objects lays them out.
 * Spec: [1815] 4.2.2.7 object headers, 11 objects, annex A layouts. */
#include "dissectors/dnp3.h"

enum range_kind { RANGE_BAD, RANGE_START_STOP, RANGE_ALL, RANGE_COUNT };

/* By the low four bits of the qualifier; 3 to 5 are virtual addresses, also start and stop. */
static const struct {
	uint8_t kind, octets; /* octets of one number */
} ranges[16] = {
	{ RANGE_START_STOP, 1 },
	{ RANGE_START_STOP, 2 },
	{ RANGE_START_STOP, 4 },
	{ RANGE_START_STOP, 1 },
	{ RANGE_START_STOP, 2 },
	{ RANGE_START_STOP, 4 },
	{ RANGE_ALL, 0 },
	{ RANGE_COUNT, 1 },
	{ RANGE_COUNT, 2 },
	{ RANGE_COUNT, 4 },
	{ RANGE_BAD, 0 },
	{ RANGE_COUNT, 1 },
};

/* By the prefix code: none, index of 1, 2, 4 octets, size of 1, 2, 4 octets. */
static const uint8_t prefix_octets[7] = { 0, 1, 2, 4, 1, 2, 4 };

enum {
	DATA_TYPE_TEXT = 1,
	DATA_TYPE_UINT,
	DATA_TYPE_INT,
	DATA_TYPE_FLOAT,
	DATA_TYPE_TIME = 7,
	DATA_TYPE_UNICODE
};

/* Requests that only name points ([1815] 4.4): read, the freezes, the unsolicited switches, assign
 * class, and those that take no objects at all. */
static bool names_points_only(uint8_t function)
{
	return function == 1 || (function >= 7 && function <= 24);
}

/* A few objects carry data in requests that otherwise only name points: the time of freeze-at-time
 * and everything of authentication; a size prefix means that data follows in any case. */
static bool carries_data(const struct dnp3_walk *w)
{
	if (!names_points_only(w->function) || w->sized || w->group == 120)
		return w->object->form != FORM_NONE;
	return w->group == 50 && (w->function == 11 || w->function == 12);
}

static uint32_t fixed_size(const struct dnp3_object *o)
{
	uint32_t size = 0;
	for (const uint8_t *part = o->parts; *part != PART_END; part++)
		size += dnp3_part_size[*part];
	return size;
}

/* Octets of a point of a form that has one size, without the prefix. */
static uint32_t point_size(const struct dnp3_walk *w)
{
	if (!w->data)
		return 0;
	return w->object->form == FORM_FIXED ? fixed_size(w->object) : w->variation;
}

static bool packed(const struct dnp3_walk *w)
{
	return w->data && !w->sized &&
	       (w->object->form == FORM_BIT || w->object->form == FORM_DOUBLE);
}

/* Do the points have to be stepped over one by one? */
static bool uneven(const struct dnp3_walk *w)
{
	return w->data && (w->sized || w->object->form == FORM_ATTRIBUTE);
}

static const char *read_qualifier(struct reader *r, struct dnp3_walk *w)
{
	unsigned prefix = w->qualifier >> 4;
	unsigned kind = ranges[w->qualifier & 15].kind;
	if (prefix > 6 || kind == RANGE_BAD)
		return "reserved object qualifier";
	w->prefix = prefix_octets[prefix];
	w->sized = prefix >= 4;

	size_t octets = ranges[w->qualifier & 15].octets;
	if (kind == RANGE_START_STOP) {
		w->start = (uint32_t)rd_le(r, octets);
		w->stop = (uint32_t)rd_le(r, octets);
		w->has_range = !r->overrun;
	} else if (kind == RANGE_COUNT) {
		w->count = (uint32_t)rd_le(r, octets);
		w->has_count = !r->overrun;
	}
	if (r->overrun)
		return "object header is cut";
	if (w->has_range && w->stop < w->start)
		return "object range stops before it starts";
	if (w->has_range) {
		w->count = w->stop - w->start == UINT32_MAX ? UINT32_MAX : w->stop - w->start + 1;
		w->index = w->start;
	}
	return NULL;
}

/* As many points as have room: of count, each unit octets. */
static const char *fit(struct dnp3_walk *w, size_t room, uint32_t unit)
{
	if (unit == 0) {
		w->left = 0;
		return NULL;
	}
	w->left = room / unit < w->count ? (uint32_t)(room / unit) : w->count;
	return w->left < w->count ? "object data is cut" : NULL;
}

static const char *fit_packed(struct dnp3_walk *w, size_t room)
{
	if (w->prefix != 0)
		return "packed object with a prefix";
	uint64_t points = (uint64_t)room * (w->object->form == FORM_BIT ? 8 : 4);
	w->left = points < w->count ? (uint32_t)points : w->count;
	return w->left < w->count ? "object data is cut" : NULL;
}

/* Points of their own sizes: each takes at least an octet, so the octets bound the loop. */
static const char *fit_uneven(struct dnp3_walk *w, struct reader r)
{
	struct dnp3_walk probe = *w;
	struct reader point;
	uint32_t index;
	probe.left = probe.count;
	while (dnp3_point(&r, &probe, &point, &index))
		w->left++;
	return w->left < w->count ? "object data is cut" : NULL;
}

/* Judges how many points there are; @r is at the first. */
static const char *fit_points(struct dnp3_walk *w, const struct reader *r)
{
	if (!w->data)
		return fit(w, r->left, w->prefix);
	if (w->count == 0)
		return !w->has_count ? "object without the range of its data" : NULL;
	if (uneven(w))
		return fit_uneven(w, *r);
	switch ((enum dnp3_form)w->object->form) {
	case FORM_UNKNOWN:
		return "unknown object";
	case FORM_SIZED:
		return "object without its size";
	case FORM_BIT:
	case FORM_DOUBLE:
		return fit_packed(w, r->left);
	default:
		return fit(w, r->left, w->prefix + point_size(w));
	}
}

const char *dnp3_header(struct reader *r, struct dnp3_walk *w)
{
	w->start = w->stop = w->count = w->left = w->index = w->bit = 0;
	w->prefix = 0;
	w->sized = w->has_range = w->has_count = w->data = false;
	w->known = false;
	w->group = rd_u8(r);
	w->variation = rd_u8(r);
	w->qualifier = rd_u8(r);
	if (r->overrun)
		return "object header is cut";
	w->known = true;
	w->object = dnp3_object(w->group, w->variation);

	const char *why = read_qualifier(r, w);
	if (why != NULL)
		return why;
	w->data = carries_data(w);
	return fit_points(w, r);
}

bool dnp3_point(struct reader *r, struct dnp3_walk *w, struct reader *point, uint32_t *index)
{
	if (w->left == 0)
		return false;
	uint32_t prefix = (uint32_t)rd_le(r, w->prefix);
	uint32_t size = point_size(w);
	*index = w->prefix == 0 || w->sized ? w->index++ : prefix;
	if (w->sized)
		size = prefix;
	else if (uneven(w))
		size = 2 + (uint32_t)rd_peek(r, 1);
	*point = rd_slice(r, size);
	if (r->overrun)
		return false;
	w->left--;
	return true;
}

static size_t packed_octets(const struct dnp3_walk *w, uint32_t points)
{
	uint64_t bits = (uint64_t)points * (w->object->form == FORM_BIT ? 1 : 2);
	return (size_t)((bits + 7) / 8);
}

void dnp3_skip_points(struct reader *r, const struct dnp3_walk *w)
{
	struct dnp3_walk points = *w;
	struct reader point;
	uint32_t index;
	if (packed(w))
		rd_skip(r, packed_octets(w, w->left));
	else if (!uneven(w))
		rd_skip(r, (size_t)w->left * (w->prefix + point_size(w)));
	else
		while (dnp3_point(r, &points, &point, &index))
			;
}

/* ---- points as items ---- */

static double float_of(struct reader *p, size_t octets)
{
	uint64_t bits = rd_le(p, octets);
	uint32_t bits32 = (uint32_t)bits;
	float single;
	double real;
	if (octets == 8) {
		memcpy(&real, &bits, sizeof real);
		return real;
	}
	memcpy(&single, &bits32, sizeof single);
	return (double)single;
}

static void put_flags(struct item *out, uint8_t flags, unsigned shift)
{
	item_uint(out, DNP3_ITEM_FLAGS, flags);
	if (shift < 8)
		item_real(out, DNP3_ITEM_VALUE, flags >> shift);
}

static void put_control(struct item *out, uint8_t code)
{
	item_uint(out, DNP3_ITEM_CONTROL_CODE, code);
	item_uint(out, DNP3_ITEM_OPERATION, code & 15);
	item_uint(out, DNP3_ITEM_QUEUE, code >> 4 & 1);
	item_uint(out, DNP3_ITEM_CLEAR, code >> 5 & 1);
	item_uint(out, DNP3_ITEM_TRIP_CLOSE, code >> 6);
}

static void put_relative(struct item *out, const struct dnp3_walk *w, uint16_t ms)
{
	item_uint(out, DNP3_ITEM_DELAY, ms);
	if (w->has_cto)
		item_uint(out, DNP3_ITEM_TIME, w->cto + ms);
}

static void put_part(struct reader *p, enum dnp3_part part, struct dnp3_walk *w, struct item *out)
{
	size_t octets = dnp3_part_size[part];
	uint8_t octet;
	switch (part) {
	case PART_FLAGS:
		put_flags(out, rd_u8(p), 8);
		break;
	case PART_BINARY_FLAGS:
		put_flags(out, rd_u8(p), 7);
		break;
	case PART_DOUBLE_FLAGS:
		put_flags(out, rd_u8(p), 6);
		break;
	case PART_COMMAND:
		octet = rd_u8(p);
		item_uint(out, DNP3_ITEM_STATUS, octet & 0x7f);
		item_real(out, DNP3_ITEM_VALUE, octet >> 7);
		break;
	case PART_U8:
	case PART_U16:
	case PART_U32:
		item_real(out, DNP3_ITEM_VALUE, (double)rd_le(p, octets));
		break;
	case PART_I16:
		item_real(out, DNP3_ITEM_VALUE, (int16_t)rd_le16(p));
		break;
	case PART_I32:
		item_real(out, DNP3_ITEM_VALUE, (int32_t)rd_le32(p));
		break;
	case PART_F32:
	case PART_F64:
		item_real(out, DNP3_ITEM_VALUE, float_of(p, octets));
		break;
	case PART_CTO:
		w->cto = rd_le48(p);
		w->has_cto = true;
		item_uint(out, DNP3_ITEM_TIME, w->cto);
		break;
	case PART_TIME:
		item_uint(out, DNP3_ITEM_TIME, rd_le48(p));
		break;
	case PART_RELATIVE:
		put_relative(out, w, rd_le16(p));
		break;
	case PART_DELAY_S:
		item_uint(out, DNP3_ITEM_DELAY, UINT64_C(1000) * rd_le16(p));
		break;
	case PART_DELAY_MS:
		item_uint(out, DNP3_ITEM_DELAY, rd_le16(p));
		break;
	case PART_CONTROL:
		put_control(out, rd_u8(p));
		break;
	case PART_REPEAT:
		item_uint(out, DNP3_ITEM_REPEAT, rd_u8(p));
		break;
	case PART_ON_TIME:
		item_uint(out, DNP3_ITEM_ON_TIME, rd_le32(p));
		break;
	case PART_OFF_TIME:
		item_uint(out, DNP3_ITEM_OFF_TIME, rd_le32(p));
		break;
	case PART_STATUS:
		item_uint(out, DNP3_ITEM_STATUS, rd_u8(p) & 0x7f);
		break;
	case PART_BYTES2:
	case PART_BYTES4:
	case PART_BYTES8:
		item_borrow(out, DNP3_ITEM_BYTES, p->at, octets);
		rd_skip(p, octets);
		break;
	default:
		rd_skip(p, octets);
	}
}

/* Characters where all are printable, octets otherwise. */
static void put_string(struct item *out, const struct reader *p)
{
	for (size_t i = 0; i < p->left; i++)
		if (p->at[i] < ' ' || p->at[i] > '~') {
			item_borrow(out, DNP3_ITEM_BYTES, p->at, p->left);
			return;
		}
	item_borrow(out, DNP3_ITEM_TEXT, p->at, p->left);
}

static double signed_of(struct reader *p, size_t octets)
{
	uint64_t v = rd_le(p, octets);
	if (octets == 0 || octets >= 8)
		return (double)(int64_t)v;
	uint64_t sign = UINT64_C(1) << (8 * octets - 1);
	return (double)(int64_t)((v ^ sign) - sign);
}

/* A device attribute: type, length, data ([1815] A.1). */
static void put_attribute(struct item *out, struct reader p)
{
	uint8_t type = rd_u8(&p);
	rd_skip(&p, 1);
	if (type == DATA_TYPE_TEXT || type == DATA_TYPE_UNICODE)
		item_borrow(out, DNP3_ITEM_TEXT, p.at, p.left);
	else if (type == DATA_TYPE_UINT && p.left <= 8)
		item_real(out, DNP3_ITEM_VALUE, (double)rd_le(&p, p.left));
	else if (type == DATA_TYPE_INT && p.left <= 8)
		item_real(out, DNP3_ITEM_VALUE, signed_of(&p, p.left));
	else if (type == DATA_TYPE_FLOAT && (p.left == 4 || p.left == 8))
		item_real(out, DNP3_ITEM_VALUE, float_of(&p, p.left));
	else if (type == DATA_TYPE_TIME && p.left == 6)
		item_uint(out, DNP3_ITEM_TIME, rd_le48(&p));
	else
		item_borrow(out, DNP3_ITEM_BYTES, p.at, p.left);
}

static void put_point(struct reader p, struct dnp3_walk *w, struct item *out)
{
	switch ((enum dnp3_form)w->object->form) {
	case FORM_FIXED:
		if (p.left < fixed_size(w->object)) {
			item_borrow(out, DNP3_ITEM_BYTES, p.at, p.left);
			break;
		}
		for (const uint8_t *part = w->object->parts; *part != PART_END; part++)
			put_part(&p, (enum dnp3_part) * part, w, out);
		break;
	case FORM_STRING:
		put_string(out, &p);
		break;
	case FORM_ATTRIBUTE:
		put_attribute(out, p);
		break;
	default:
		if (!dnp3_has_detail(w->group))
			item_borrow(out, DNP3_ITEM_BYTES, p.at, p.left);
	}
}

static void put_packed(struct reader *r, struct dnp3_walk *w, struct item *out)
{
	unsigned width = w->object->form == FORM_BIT ? 1 : 2;
	unsigned shift = w->bit % 8;
	unsigned mask = (1U << width) - 1;
	unsigned octet = rd_peek(r, 0);
	item_uint(out, DNP3_ITEM_INDEX, w->index++);
	item_real(out, DNP3_ITEM_VALUE, octet >> shift & mask);
	w->bit += width;
	w->left--;
	if (w->bit % 8 == 0 || w->left == 0)
		rd_skip(r, 1);
}

static void put_header(const struct dnp3_walk *w, struct item *out)
{
	item_uint(out, DNP3_ITEM_GROUP, w->group);
	item_uint(out, DNP3_ITEM_VARIATION, w->variation);
	item_uint(out, DNP3_ITEM_QUALIFIER, w->qualifier);
	if (w->has_range) {
		item_uint(out, DNP3_ITEM_START, w->start);
		item_uint(out, DNP3_ITEM_STOP, w->stop);
	}
	if (w->has_count)
		item_uint(out, DNP3_ITEM_COUNT, w->count);
}

static void next_point(struct reader *r, struct dnp3_walk *w, struct item *out)
{
	struct reader point;
	uint32_t index;
	if (packed(w)) {
		put_packed(r, w, out);
		return;
	}
	if (!dnp3_point(r, w, &point, &index)) {
		w->left = 0;
		return;
	}
	if (w->has_range || (w->prefix != 0 && !w->sized))
		item_uint(out, DNP3_ITEM_INDEX, index);
	if (w->data)
		put_point(point, w, out);
}

_Static_assert(sizeof(struct dnp3_walk) <= sizeof((struct item_cursor *)0)->scratch, "walk fits");

bool dnp3_next_item(struct item_cursor *c, struct item *out)
{
	struct dnp3_walk w;
	memcpy(&w, c->scratch, sizeof w);
	if (w.left == 0) {
		if (w.ended || c->bytes.left == 0)
			return false;
		w.ended = dnp3_header(&c->bytes, &w) != NULL;
		if (!w.known)
			return false;
	}
	put_header(&w, out);
	if (w.left > 0)
		next_point(&c->bytes, &w, out);
	memcpy(c->scratch, &w, sizeof w);
	return true;
}

void dnp3_items_over(
	struct item_cursor *c, const struct pdu *p, struct reader objects, uint8_t function)
{
	struct dnp3_walk w = { .function = function };
	c->dissector = &dnp3_dissector;
	c->pdu = p;
	rd_set(&c->bytes, &objects);
	memcpy(c->scratch, &w, sizeof w);
}
