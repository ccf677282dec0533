/* s7comm_items.c - the variables and blocks a message lists, pulled one at a time. */
#include "dissectors/s7comm.h"

enum { SPEC = 0x12 }; /* a variable specification follows */

/* Slots of item_cursor.scratch. */
enum { WALK, LEFT, AREAS_LEFT, PAD };

static bool has_db(uint8_t area, uint16_t db)
{
	return db != 0 || area == 0x84 || area == 0x85;
}

/* Bytes of a data item of that transport size: 3, 4 and 5 count bits. */
static size_t data_bytes(uint8_t transport_size, uint16_t length)
{
	if (transport_size >= 3 && transport_size <= 5)
		return ((size_t)length + 7) / 8;
	return length;
}

/* Odd items are padded, the last is not. */
static void skip_pad(struct reader *r, size_t size, uint64_t left)
{
	if (size % 2 == 1 && left > 0 && r->left > 0)
		rd_skip(r, 1);
}

/* Where the next item begins: behind @n bytes, and behind the pad of an odd one unless none
 * follows. NULL: past the end. */
static inline const uint8_t *behind(
	const uint8_t *item, const uint8_t *end, size_t n, unsigned follow)
{
	if ((size_t)(end - item) < n)
		return NULL;
	return item + n + (n % 2 == 1 && follow > 0 && item + n < end);
}

/* Do @count address items fit in @r? */
static bool fit_addresses(const struct reader *r, unsigned count)
{
	if (r->overrun || r->left == 0)
		return count == 0;
	const uint8_t *item = r->at, *end = item + r->left;
	for (; count > 0; count--) {
		if (end - item < 2)
			return false;
		item = behind(item, end, 2u + item[1], count - 1);
		if (item == NULL)
			return false;
	}
	return true;
}

/* The same of an item of a reply: one without a type is an error, and has no bytes whatever its
 * length says (snap7 says 4). */
static size_t reply_bytes(uint8_t transport_size, uint16_t length)
{
	return transport_size == 0 ? 0 : data_bytes(transport_size, length);
}

/* Do @count data items fit? @bad is set to the first return code that is neither success nor, in a
 * write request, nothing. */
static bool fit_data(const struct reader *r, unsigned count, bool request, uint8_t *bad)
{
	if (r->overrun || r->left == 0)
		return count == 0;
	const uint8_t *item = r->at, *end = item + r->left;
	for (; count > 0; count--) {
		if (end - item < 4)
			return false;
		uint8_t size = item[1];
		uint16_t length = be16(item + 2);
		if (*bad == 0xff)
			*bad = item[0];
		item = behind(item, end,
			4 + (request ? data_bytes(size, length) : reply_bytes(size, length)),
			count - 1);
		if (item == NULL)
			return false;
	}
	return true;
}

void s7_items(struct s7 *m, enum s7_walk walk, const struct reader *r, unsigned count)
{
	struct item_cursor *c = &m->out->items;
	c->dissector = &s7comm_dissector;
	c->pdu = m->out;
	rd_set(&c->bytes, r);
	c->second = (struct reader){ 0 };
	c->scratch[WALK] = walk;
	c->scratch[LEFT] = count;
	c->scratch[AREAS_LEFT] = c->scratch[PAD] = 0;
}

void s7_items_take(struct s7 *m, const struct reader *data)
{
	rd_set(&m->out->items.second, data);
}

void s7_list_addresses(struct s7 *m, const struct reader *r, unsigned count)
{
	if (!fit_addresses(r, count))
		pdu_damaged(m->out, "item count beyond the bytes");
	s7_items(m, S7_WALK_ADDRESSES, r, count);
}

void s7_list_data(struct s7 *m, const struct reader *r, unsigned count)
{
	uint8_t bad = 0xff;
	if (!fit_data(r, count, false, &bad))
		pdu_damaged(m->out, "data items run past the message");
	s7_items(m, S7_WALK_DATA, r, count);
}

/* What is asked for first, where it is addressed by an ANY pointer. */
static void show_first(struct s7 *m)
{
	struct reader r = m->param;
	const uint8_t *item = rd_bytes(&r, 12);
	if (item == NULL || item[0] != SPEC || item[1] != 10 || item[2] != 0x10)
		return;
	uint16_t db = (uint16_t)(item[6] << 8 | item[7]);
	pdu_uint(m->out, S7_AREA, item[8]);
	if (has_db(item[8], db))
		pdu_uint(m->out, S7_DB, db);
}

void s7_read_request(struct s7 *m)
{
	uint8_t count = rd_u8(&m->param);
	pdu_uint(m->out, S7_ITEM_COUNT, count);
	show_first(m);
	s7_list_addresses(m, &m->param, count);
}

void s7_write_request(struct s7 *m)
{
	uint8_t count = rd_u8(&m->param);
	uint8_t bad = 0xff;
	pdu_uint(m->out, S7_ITEM_COUNT, count);
	show_first(m);
	s7_list_addresses(m, &m->param, count);
	if (!fit_data(&m->data, count, true, &bad))
		pdu_damaged(m->out, "data items run past the message");
	m->out->items.scratch[WALK] = S7_WALK_WRITE;
	s7_items_take(m, &m->data);
}

static void refuse_item(struct s7 *m, uint8_t code)
{
	if (m->out->rejected || code == 0xff)
		return;
	m->out->rejected = true;
	m->out->status = code;
	m->out->status_name = s7_name(s7_return_codes, code);
}

void s7_read_reply(struct s7 *m)
{
	uint8_t count = rd_u8(&m->param);
	uint8_t bad = 0xff;
	pdu_uint(m->out, S7_ITEM_COUNT, count);
	if (!fit_data(&m->data, count, false, &bad))
		pdu_damaged(m->out, "data items run past the message");
	else
		refuse_item(m, bad);
	s7_items(m, S7_WALK_DATA, &m->data, count);
}

void s7_write_reply(struct s7 *m)
{
	uint8_t count = rd_u8(&m->param);
	pdu_uint(m->out, S7_ITEM_COUNT, count);
	if (count > m->data.left)
		pdu_damaged(m->out, "item count beyond the bytes");
	for (size_t i = 0; i < count && i < m->data.left; i++)
		refuse_item(m, m->data.at[i]);
	s7_items(m, S7_WALK_CODES, &m->data, count);
}

/* The value of data where its size is that of a number. */
static void show_value(struct item *it, const struct reader *data, uint8_t size)
{
	size_t n = data->left;
	struct reader r = *data;
	item_borrow(it, S7I_DATA, data->at, n);
	if (n != 1 && n != 2 && n != 4 && n != 8)
		return;
	uint64_t v = rd_be(&r, n);
	item_uint(it, S7I_VALUE, v);
	bool real =
		item_has(it, S7I_TRANSPORT_SIZE) ? it->value[S7I_TRANSPORT_SIZE].u == 8 : size == 7;
	if (!real || n != 4)
		return;
	uint32_t bits = (uint32_t)v;
	float f;
	memcpy(&f, &bits, sizeof f);
	item_real(it, S7I_REAL, (double)f);
}

/* Return code, transport size, length, bytes. */
static struct reader take_data(struct reader *r, bool request, uint8_t *code, uint8_t *size)
{
	const uint8_t *head = rd_bytes(r, 4);
	if (head == NULL)
		return *r;
	uint16_t length = (uint16_t)(head[2] << 8 | head[3]);
	*code = head[0];
	*size = head[1];
	return rd_slice(r, request ? data_bytes(*size, length) : reply_bytes(*size, length));
}

static bool next_data(struct reader *r, uint64_t left, struct item *it, bool request)
{
	uint8_t code = 0, size = 0;
	struct reader data = take_data(r, request, &code, &size);
	if (r->overrun)
		return false;
	if (!request)
		item_uint(it, S7I_RETURN_CODE, code);
	item_uint(it, S7I_DATA_TRANSPORT_SIZE, size);
	show_value(it, &data, size);
	skip_pad(r, data.left, left);
	return true;
}

static void show_address(struct item *it, uint8_t area, uint16_t db, uint32_t address)
{
	item_uint(it, S7I_AREA, area);
	if (has_db(area, db))
		item_uint(it, S7I_DB, db);
	item_uint(it, S7I_BYTE, address >> 3);
	item_uint(it, S7I_BIT, address & 7);
}

static void read_any(struct reader *r, struct item *it)
{
	uint8_t size = rd_u8(r);
	uint16_t count = rd_be16(r);
	uint16_t db = rd_be16(r);
	uint8_t area = rd_u8(r);
	uint32_t address = rd_be24(r);
	if (r->overrun)
		return;
	item_uint(it, S7I_TRANSPORT_SIZE, size);
	item_uint(it, S7I_COUNT, count);
	show_address(it, area, db, address);
}

static void read_nck(struct reader *r, struct item *it)
{
	uint8_t unit = rd_u8(r);
	item_uint(it, S7I_NCK_AREA, unit >> 5);
	item_uint(it, S7I_NCK_UNIT, unit & 0x1f);
	item_uint(it, S7I_NCK_COLUMN, rd_be16(r));
	item_uint(it, S7I_NCK_LINE, rd_be16(r));
	item_uint(it, S7I_NCK_MODULE, rd_u8(r));
	item_uint(it, S7I_COUNT, rd_u8(r));
}

static void read_drive(struct reader *r, struct item *it)
{
	rd_skip(r, 5);
	item_uint(it, S7I_PARAMETER, rd_be16(r));
	item_uint(it, S7I_PARAMETER_INDEX, rd_be16(r));
}

/* Area, checksum of the symbol, then local ids: nibble of flags and 28 bits each. */
static void read_symbolic(struct reader *r, struct item *it)
{
	static const uint8_t areas[] = { 0x81, 0x82, 0x83, 0x1c, 0x1d }; /* 50 to 54 */
	rd_skip(r, 1);
	uint16_t root = rd_be16(r);
	uint16_t second = rd_be16(r);
	uint32_t crc = rd_be32(r);
	if (r->overrun)
		return;
	if (root == 0x8a0e) {
		item_uint(it, S7I_AREA, 0x84);
		item_uint(it, S7I_DB, second);
	} else if (root == 0 && second >= 0x50 && second < 0x50 + sizeof areas) {
		item_uint(it, S7I_AREA, areas[second - 0x50]);
	}
	item_uint(it, S7I_CRC, crc);
	if (r->left >= 4)
		item_uint(it, S7I_LID, rd_be32(r) & 0x0fffffff);
}

/* One area of a DB-read item: bytes, data block, first byte. */
static bool next_area(struct item_cursor *c, struct item *it)
{
	uint8_t bytes = rd_u8(&c->bytes);
	uint16_t db = rd_be16(&c->bytes);
	uint16_t start = rd_be16(&c->bytes);
	if (c->bytes.overrun)
		return false;
	item_uint(it, S7I_SYNTAX, 0xb0);
	item_uint(it, S7I_TRANSPORT_SIZE, 2);
	item_uint(it, S7I_COUNT, bytes);
	show_address(it, 0x84, db, (uint32_t)start * 8);
	if (--c->scratch[AREAS_LEFT] == 0 && c->scratch[PAD] != 0)
		rd_skip(&c->bytes, 1);
	return true;
}

/* A DB-read item: its areas are pulled one by one. */
static bool open_areas(struct item_cursor *c, struct item *it, uint8_t length)
{
	uint8_t areas = rd_u8(&c->bytes);
	c->scratch[LEFT]--;
	c->scratch[PAD] = length % 2 == 1 && c->scratch[LEFT] > 0;
	c->scratch[AREAS_LEFT] = areas;
	if (areas == 0 || areas * 5 + 2 != length) {
		c->scratch[AREAS_LEFT] = 0;
		rd_skip(&c->bytes, length - 2U);
		item_uint(it, S7I_SYNTAX, 0xb0);
		if (c->scratch[PAD] != 0 && c->bytes.left > 0)
			rd_skip(&c->bytes, 1);
		return !c->bytes.overrun;
	}
	return next_area(c, it);
}

static bool next_address(struct item_cursor *c, struct item *it)
{
	if (c->scratch[AREAS_LEFT] > 0)
		return next_area(c, it);
	if (c->scratch[LEFT] == 0)
		return false;
	uint8_t spec = rd_u8(&c->bytes);
	uint8_t length = rd_u8(&c->bytes);
	uint8_t syntax = rd_peek(&c->bytes, 0);
	if (spec == SPEC && syntax == 0xb0 && length >= 2 && c->bytes.left >= length) {
		rd_skip(&c->bytes, 1);
		return open_areas(c, it, length);
	}
	struct reader body = rd_slice(&c->bytes, length);
	if (c->bytes.overrun)
		return false;
	c->scratch[LEFT]--;
	skip_pad(&c->bytes, length, c->scratch[LEFT]);
	rd_skip(&body, 1);
	if (spec != SPEC || syntax != 0x10)
		item_uint(it, S7I_SYNTAX, spec == SPEC ? syntax : spec);
	if (spec != SPEC || body.overrun)
		return true;
	if (syntax == 0x10)
		read_any(&body, it);
	else if (syntax >= 0x82 && syntax <= 0x84)
		read_nck(&body, it);
	else if (syntax == 0xa2)
		read_drive(&body, it);
	else if (syntax == 0xb2)
		read_symbolic(&body, it);
	return true;
}

/* Data of the write request that goes with the address just read. */
static void attach_data(struct item_cursor *c, struct item *it)
{
	if (c->second.left == 0 || !next_data(&c->second, c->scratch[LEFT], it, true))
		c->second = (struct reader){ 0 };
}

/* A variable of a programmer command: area and width, repetition or bit, DB, byte. */
static bool next_tis(struct item_cursor *c, struct item *it)
{
	static const uint8_t areas[8] = { 0x83, 0x81, 0x82, 0x80, 0, 0x1d, 0x1c, 0x84 };
	static const uint8_t sizes[4] = { 1, 2, 4, 6 };
	uint8_t what = rd_u8(&c->bytes);
	uint8_t factor = rd_u8(&c->bytes);
	uint16_t db = rd_be16(&c->bytes);
	uint16_t byte = rd_be16(&c->bytes);
	if (c->bytes.overrun || what >= 0x80)
		return false;
	uint8_t size = what & 0x0f;
	uint8_t area = areas[what >> 4];
	bool bit = size == 0;
	show_address(it, area, db, (uint32_t)byte * 8 + (bit ? factor & 7U : 0));
	if (area == 0x1c || area == 0x1d)
		item_uint(it, S7I_TRANSPORT_SIZE, area);
	else if (size < sizeof sizes)
		item_uint(it, S7I_TRANSPORT_SIZE, sizes[size]);
	item_uint(it, S7I_COUNT, bit ? 1 : factor);
	return true;
}

/* An alarm object: its syntax and event; values that go with it are passed over. */
static bool next_alarm(struct item_cursor *c, struct item *it)
{
	uint8_t spec = rd_u8(&c->bytes);
	uint8_t length = rd_u8(&c->bytes);
	struct reader body = rd_slice(&c->bytes, length);
	uint8_t syntax = rd_u8(&body);
	uint8_t values = rd_u8(&body);
	if (c->bytes.overrun || body.overrun || spec != SPEC)
		return false;
	item_uint(it, S7I_SYNTAX, syntax);
	if (body.left >= 4 && syntax != 0x1a)
		item_uint(it, S7I_EVENT_ID, rd_be32(&body));
	for (; values > 0 && c->bytes.left >= 4 && rd_peek(&c->bytes, 0) != SPEC; values--) {
		struct item value = { 0 };
		if (!next_data(&c->bytes, values - 1U, &value, false))
			break;
	}
	return true;
}

static bool next_block(struct item_cursor *c, struct item *it)
{
	struct s7_block block;
	const uint8_t *name = rd_bytes(&c->bytes, 8);
	if (name == NULL)
		return false;
	if (s7_block_of(name, &block)) {
		item_uint(it, S7I_BLOCK_TYPE, block.type);
		item_uint(it, S7I_BLOCK_NUMBER, block.number);
	}
	return true;
}

/* How many blocks there are of a type: two characters, count. */
static bool next_count(struct item_cursor *c, struct item *it)
{
	rd_skip(&c->bytes, 1);
	uint8_t digit = rd_u8(&c->bytes);
	uint16_t count = rd_be16(&c->bytes);
	if (c->bytes.overrun)
		return false;
	item_uint(it, S7I_BLOCK_TYPE, digit <= '9' ? digit & 0x0fU : (digit & 0x0fU) + 9);
	item_uint(it, S7I_COUNT, count);
	return true;
}

static bool next_number(struct item_cursor *c, struct item *it)
{
	uint16_t number = rd_be16(&c->bytes);
	rd_skip(&c->bytes, 2);
	if (c->bytes.overrun)
		return false;
	item_uint(it, S7I_BLOCK_NUMBER, number);
	return true;
}

static bool next_code(struct item_cursor *c, struct item *it)
{
	uint8_t code = rd_u8(&c->bytes);
	if (c->bytes.overrun)
		return false;
	item_uint(it, S7I_RETURN_CODE, code);
	return true;
}

bool s7_next_code(struct item_cursor *c, uint8_t *code, struct reader *data)
{
	struct reader *r = &c->bytes;
	if (c->dissector != &s7comm_dissector || c->scratch[LEFT] == 0 ||
		(c->scratch[WALK] != S7_WALK_DATA && c->scratch[WALK] != S7_WALK_CODES))
		return false;
	c->scratch[LEFT]--;
	bool bare = c->scratch[WALK] == S7_WALK_CODES;
	const uint8_t *head = rd_bytes(r, bare ? 1 : 4);
	if (head == NULL)
		return false;
	*code = head[0];
	size_t n = bare ? 0 : reply_bytes(head[1], (uint16_t)(head[2] << 8 | head[3]));
	data->at = rd_bytes(r, n);
	data->left = n;
	data->overrun = false;
	if (n % 2 == 1)
		skip_pad(r, n, c->scratch[LEFT]);
	return data->at != NULL;
}

bool s7_next_item(struct item_cursor *c, struct item *out)
{
	enum s7_walk walk = (enum s7_walk)c->scratch[WALK];
	if (walk == S7_WALK_ADDRESSES)
		return next_address(c, out);
	if (walk == S7_WALK_WRITE) {
		bool more_areas = c->scratch[AREAS_LEFT] > 0;
		bool found = next_address(c, out);
		if (found && !more_areas)
			attach_data(c, out);
		return found;
	}
	if (c->scratch[LEFT] == 0)
		return false;
	c->scratch[LEFT]--;
	switch (walk) {
	case S7_WALK_DATA:
		return next_data(&c->bytes, c->scratch[LEFT], out, false);
	case S7_WALK_CODES:
		return next_code(c, out);
	case S7_WALK_BLOCKS:
		return next_block(c, out);
	case S7_WALK_COUNTS:
		return next_count(c, out);
	case S7_WALK_NUMBERS:
		return next_number(c, out);
	case S7_WALK_ALARMS:
		return next_alarm(c, out);
	case S7_WALK_TIS:
		if (!next_tis(c, out))
			return false;
		if (c->second.left > 0)
			attach_data(c, out);
		return true;
	default:
		return false;
	}
}
