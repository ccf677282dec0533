/* s7comm_plus_items.c - what S7comm-plus requests address: objects, attributes, variables. Ids are
 * of variable length; values carry their type. Facts from the S7CommPlusDriver and python-snap7
 * projects, checked against captures. */
#include "dissectors/s7comm_plus.h"

enum { CPU_EXEC_UNIT = 52, OPERATING_STATE_REQUEST = 2167, AS_ROOT = 1, PLC_PROGRAM = 3 };
enum { CLASS_SESSION = 287, CLASS_SUBSCRIPTION = 1001, CLASS_ALARM_SUBSCRIPTION = 2662 };
enum { BEGIN_OBJECT = 0xa1, AREA_DB = 0x8a0e };

/* Slots of item_cursor.scratch. */
enum { LEFT, OBJECT };

uint32_t s7p_vlq32(struct reader *r)
{
	uint32_t v = 0;
	for (unsigned i = 0; i < 5; i++) {
		uint8_t b = rd_u8(r);
		v = v << 7 | (b & 0x7fU);
		if ((b & 0x80) == 0)
			break;
	}
	return v;
}

uint64_t s7p_vlq64(struct reader *r)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < 8; i++) {
		uint8_t b = rd_u8(r);
		v = v << 7 | (b & 0x7fU);
		if ((b & 0x80) == 0)
			return v;
	}
	return v << 8 | rd_u8(r);
}

/* Bit 6 of the first byte is the sign. */
static int64_t signed_vlq(struct reader *r)
{
	uint8_t first = rd_peek(r, 0);
	uint64_t v = first & 0x40 ? UINT64_MAX : 0;
	for (unsigned i = 0; i < 9; i++) {
		uint8_t b = rd_u8(r);
		if (i == 8)
			return (int64_t)(v << 8 | b);
		v = v << 7 | (b & 0x7fU);
		if ((b & 0x80) == 0)
			break;
	}
	return (int64_t)v;
}

struct scalar {
	uint8_t type;
	bool whole, real;
	int64_t i;
	double r;
};

/* Sizes of the types that are not of variable length. */
static const uint8_t sizes[0x13] = {
	[0x01] = 1,
	[0x02] = 1,
	[0x03] = 2,
	[0x06] = 1,
	[0x07] = 2,
	[0x0a] = 1,
	[0x0b] = 2,
	[0x0c] = 4,
	[0x0d] = 8,
	[0x0e] = 4,
	[0x0f] = 8,
	[0x10] = 8,
	[0x12] = 4,
};

static void read_fixed(struct reader *r, struct scalar *s)
{
	uint64_t raw = rd_be(r, sizes[s->type]);
	s->whole = s->type != 0x0e && s->type != 0x0f;
	s->real = !s->whole;
	s->i = (int64_t)raw;
	if (s->type == 0x06)
		s->i = (int8_t)raw;
	else if (s->type == 0x07)
		s->i = (int16_t)raw;
	uint32_t bits = (uint32_t)raw;
	float f;
	memcpy(&f, &bits, sizeof f);
	if (s->type == 0x0e)
		s->r = (double)f;
	else if (s->type == 0x0f)
		memcpy(&s->r, &raw, sizeof s->r);
}

/* Flags, type, value. False: not a scalar, what follows cannot be told. */
static bool read_value(struct reader *r, struct scalar *s)
{
	*s = (struct scalar){ 0 };
	uint8_t flags = rd_u8(r);
	s->type = rd_u8(r);
	if (r->overrun || flags != 0)
		return false;
	switch (s->type) {
	case 0x00:
		return true;
	case 0x04:
	case 0x13:
		s->i = s7p_vlq32(r);
		s->whole = true;
		return !r->overrun;
	case 0x05:
		s->i = (int64_t)s7p_vlq64(r);
		s->whole = true;
		return !r->overrun;
	case 0x08:
	case 0x09:
	case 0x11:
		s->i = signed_vlq(r);
		s->whole = true;
		return !r->overrun;
	default:
		if (s->type >= sizeof sizes || sizes[s->type] == 0)
			return false;
		read_fixed(r, s);
		return !r->overrun;
	}
}

static void operation(struct pdu *out, enum s7p_operation op)
{
	pdu_uint(out, S7P_OPERATION, op);
}

/* Object, number of attributes (1), attribute, and in a set its value. */
static void one_variable(struct reader *body, bool set, struct pdu *out)
{
	uint32_t object = rd_be32(body);
	uint32_t count = s7p_vlq32(body);
	uint32_t attribute = s7p_vlq32(body);
	struct scalar value;
	if (body->overrun)
		return;
	pdu_uint(out, S7P_OBJECT, object);
	pdu_uint(out, S7P_ITEM_COUNT, count);
	pdu_uint(out, S7P_ATTRIBUTE, attribute);
	if (!set || count != 1 || !read_value(body, &value) || !value.whole)
		return;
	pdu_int(out, S7P_VALUE, value.i);
	if (object == CPU_EXEC_UNIT && attribute == OPERATING_STATE_REQUEST && value.i >= 1 &&
		value.i <= 4)
		operation(out, (enum s7p_operation)(S7P_OP_NONE + value.i));
}

/* Object, then an array of ids. */
static void substreamed(struct reader *body, struct pdu *out)
{
	uint32_t object = rd_be32(body);
	uint8_t flags = rd_u8(body);
	uint8_t type = rd_u8(body);
	uint32_t count = s7p_vlq32(body);
	uint32_t first = s7p_vlq32(body);
	if (body->overrun)
		return;
	pdu_uint(out, S7P_OBJECT, object);
	if ((flags & 0x30) == 0 || type != 0x04 || count == 0)
		return;
	pdu_uint(out, S7P_ITEM_COUNT, count);
	pdu_uint(out, S7P_ATTRIBUTE, first);
}

static bool skip_address(struct reader *r, bool of_object)
{
	(void)s7p_vlq32(r);
	if (of_object)
		return !r->overrun;
	(void)s7p_vlq32(r);
	uint32_t ids = s7p_vlq32(r);
	for (; ids > 0 && !r->overrun; ids--)
		(void)s7p_vlq32(r);
	return !r->overrun;
}

/* Object (0: variables by area), number of items, of ids in all, the addresses, in a set the
 * values with their item's number. */
static void many_variables(struct reader *body, bool set, struct pdu *out)
{
	uint32_t object = rd_be32(body);
	uint32_t count = s7p_vlq32(body);
	(void)s7p_vlq32(body);
	if (body->overrun)
		return;
	if (object != 0)
		pdu_uint(out, S7P_OBJECT, object);
	pdu_uint(out, S7P_ITEM_COUNT, count);
	struct item_cursor *c = &out->items;
	memset(c, 0, sizeof *c);
	c->dissector = &s7comm_plus_dissector;
	c->pdu = out;
	c->bytes = *body;
	c->scratch[LEFT] = count;
	c->scratch[OBJECT] = object;
	if (!set)
		return;
	struct reader values = *body;
	for (uint32_t i = 0; i < count; i++)
		if (!skip_address(&values, object != 0))
			return;
	c->second = values;
}

/* Parent object, a value that is not known, 0, in version 3 the integrity id, then the object: id,
 * class, flags, attributes. */
static void create_object(struct reader *body, struct pdu *out)
{
	struct scalar unknown;
	uint32_t parent = rd_be32(body);
	pdu_uint(out, S7P_OBJECT, parent);
	if (!read_value(body, &unknown))
		return;
	rd_skip(body, 4);
	if (out->value[S7P_VERSION].u == 3 || rd_peek(body, 0) != BEGIN_OBJECT)
		(void)s7p_vlq32(body);
	uint8_t tag = rd_u8(body);
	uint32_t id = rd_be32(body);
	uint32_t class = s7p_vlq32(body);
	if (body->overrun || tag != BEGIN_OBJECT)
		return;
	pdu_uint(out, S7P_NEW_OBJECT, id);
	pdu_uint(out, S7P_CLASS, class);
	if (class == CLASS_SESSION)
		operation(out, S7P_OP_OPEN_SESSION);
	else if (class == CLASS_SUBSCRIPTION || class == CLASS_ALARM_SUBSCRIPTION)
		operation(out, S7P_OP_SUBSCRIBE);
	else if (parent == PLC_PROGRAM)
		operation(out, S7P_OP_DOWNLOAD_BLOCK);
	else if (parent == AS_ROOT)
		operation(out, S7P_OP_DOWNLOAD_CONFIGURATION);
	else
		operation(out, S7P_OP_CREATE_OBJECT);
}

/* Blocks have ids from 8a000000 on, by their kind and number; a session deletes itself. */
static void delete_object(struct reader *body, uint32_t session, struct pdu *out)
{
	uint32_t object = rd_be32(body);
	if (body->overrun)
		return;
	pdu_uint(out, S7P_OBJECT, object);
	if (object == session)
		operation(out, S7P_OP_CLOSE_SESSION);
	else if (object >> 24 == 0x8a)
		operation(out, S7P_OP_DELETE_BLOCK);
	else
		operation(out, S7P_OP_DELETE_OBJECT);
}

void s7p_request(struct reader *body, uint16_t function, uint32_t session, struct pdu *out)
{
	switch (function) {
	case S7P_SET_VARIABLE:
	case S7P_GET_VARIABLE:
		one_variable(body, function == S7P_SET_VARIABLE, out);
		break;
	case S7P_SET_MULTI:
	case S7P_GET_MULTI:
		many_variables(body, function == S7P_SET_MULTI, out);
		break;
	case S7P_SET_SUBSTREAMED:
	case S7P_GET_SUBSTREAMED:
		substreamed(body, out);
		break;
	case S7P_CREATE_OBJECT:
		create_object(body, out);
		break;
	case S7P_DELETE_OBJECT:
		delete_object(body, session, out);
		break;
	case S7P_EXPLORE:
	case S7P_GET_LINK:
		if (body->left >= 4)
			pdu_uint(out, S7P_OBJECT, rd_be32(body));
		break;
	default:
		break;
	}
}

/* Checksum, area, number of ids, the ids: part of the area, then local ids. */
static bool next_address(struct item_cursor *c, struct item *it)
{
	if (c->scratch[OBJECT] != 0) {
		uint32_t attribute = s7p_vlq32(&c->bytes);
		item_uint(it, S7PI_OBJECT, c->scratch[OBJECT]);
		item_uint(it, S7PI_ATTRIBUTE, attribute);
		return !c->bytes.overrun;
	}
	uint32_t crc = s7p_vlq32(&c->bytes);
	uint32_t area = s7p_vlq32(&c->bytes);
	uint32_t ids = s7p_vlq32(&c->bytes);
	for (uint32_t i = 0; i < ids && !c->bytes.overrun; i++) {
		uint32_t id = s7p_vlq32(&c->bytes);
		if (i == 0)
			item_uint(it, S7PI_ATTRIBUTE, id);
		else if (i == 1)
			item_uint(it, S7PI_LID, id);
	}
	item_uint(it, S7PI_CRC, crc);
	if (area >> 16 == AREA_DB) {
		item_uint(it, S7PI_AREA, AREA_DB);
		item_uint(it, S7PI_DB, area & 0xffff);
	} else if (area >= 0x50 && area <= 0x54) {
		item_uint(it, S7PI_AREA, area);
	} else {
		item_uint(it, S7PI_OBJECT, area);
	}
	return !c->bytes.overrun;
}

static void attach_value(struct item_cursor *c, struct item *it)
{
	struct reader r = c->second;
	struct scalar value;
	(void)s7p_vlq32(&r);
	if (!read_value(&r, &value))
		r = (struct reader){ 0 };
	else if (value.whole)
		item_int(it, S7PI_VALUE, value.i);
	else if (value.real)
		item_real(it, S7PI_REAL, value.r);
	item_uint(it, S7PI_TYPE, value.type);
	c->second = r;
}

bool s7p_next_item(struct item_cursor *c, struct item *it)
{
	if (c->scratch[LEFT] == 0 || !next_address(c, it))
		return false;
	c->scratch[LEFT]--;
	if (c->second.left > 0)
		attach_value(c, it);
	return true;
}
