/* modbus_items.c - the coils, registers, file groups and identification objects of a message,
 * found when somebody asks for them. */
#include "dissectors/modbus.h"

enum { LAYOUT, AT }; /* scratch: enum modbus_layout, index of the next item */

void modbus_items(struct pdu *out, enum modbus_layout layout, struct reader bytes)
{
	out->items.dissector = &modbus_dissector;
	out->items.pdu = out;
	out->items.bytes = bytes;
	out->items.scratch[LAYOUT] = layout;
	out->items.scratch[AT] = 0;
}

/* The list starts where the message says, or the request that it answers. */
static bool first_address(const struct item_cursor *c, uint64_t *address)
{
	const struct pdu *pdu = c->pdu;
	unsigned field = MODBUS_ADDRESS;
	if (c->scratch[LAYOUT] == MODBUS_READ_WRITE)
		field = MODBUS_WRITE_ADDRESS;
	if (pdu_has(pdu, field)) {
		*address = pdu->value[field].u;
		return true;
	}
	if (pdu->dir != PDU_RSP || !pdu->request.known)
		return false;
	*address = pdu->request.value[KEPT_ADDRESS];
	return true;
}

static void set_address(const struct item_cursor *c, uint64_t index, struct item *out)
{
	uint64_t address;
	if (first_address(c, &address))
		item_uint(out, MODBUS_ITEM_ADDRESS, address + index);
}

/* Bits asked for; the last byte may hold more than that. */
static uint64_t bit_count(const struct item_cursor *c)
{
	if (pdu_has(c->pdu, MODBUS_QUANTITY))
		return c->pdu->value[MODBUS_QUANTITY].u;
	if (c->pdu->request.known)
		return c->pdu->request.value[KEPT_QUANTITY];
	return UINT64_MAX;
}

bool modbus_row(const struct pdu *pdu, struct modbus_row *row)
{
	static const uint8_t coils[] = { 0, 1 };
	const struct item_cursor *c = &pdu->items;
	struct reader single = c->bytes;
	uint64_t address, bits;
	if (c->dissector != &modbus_dissector || !first_address(c, &address) || c->bytes.overrun)
		return false;
	row->address = (uint32_t)address;
	row->bytes = c->bytes.at;
	row->bits = false;
	switch (c->scratch[LAYOUT]) {
	case MODBUS_BITS:
	case MODBUS_WRITE_BITS:
		row->bits = true;
		bits = bit_count(c);
		row->count = (uint32_t)(bits < c->bytes.left * 8 ? bits : c->bytes.left * 8);
		break;
	case MODBUS_WORDS:
	case MODBUS_WRITE_WORDS:
	case MODBUS_READ_WRITE:
		row->count = (uint32_t)(c->bytes.left / 2);
		break;
	case MODBUS_WRITE_COIL:
		row->bits = true;
		row->bytes = &coils[rd_be16(&single) != 0];
		row->count = 1;
		break;
	case MODBUS_WRITE_REGISTER:
		row->count = c->bytes.left >= 2;
		break;
	default:
		return false;
	}
	return row->count > 0;
}

static bool next_bit(struct item_cursor *c, struct item *out)
{
	uint64_t index = c->scratch[AT];
	if (c->bytes.overrun || index / 8 >= c->bytes.left || index >= bit_count(c))
		return false;
	c->scratch[AT]++;
	set_address(c, index, out);
	item_uint(out, MODBUS_ITEM_VALUE, c->bytes.at[index / 8] >> index % 8 & 1);
	return true;
}

static bool next_word(struct item_cursor *c, struct item *out)
{
	uint16_t v = rd_be16(&c->bytes);
	if (c->bytes.overrun)
		return false;
	set_address(c, c->scratch[AT]++, out);
	item_uint(out, MODBUS_ITEM_VALUE, v);
	return true;
}

/* A queue's values have no addresses of their own. */
static bool next_queued(struct item_cursor *c, struct item *out)
{
	uint16_t v = rd_be16(&c->bytes);
	if (c->bytes.overrun)
		return false;
	item_uint(out, MODBUS_ITEM_VALUE, v);
	return true;
}

/* The one coil or register of a single write: at the value, which is all that is needed. */
static bool next_single(struct item_cursor *c, struct item *out)
{
	if (c->scratch[AT]++ > 0)
		return false;
	uint16_t v = rd_be16(&c->bytes);
	set_address(c, 0, out);
	item_uint(out, MODBUS_ITEM_VALUE, c->scratch[LAYOUT] == MODBUS_WRITE_COIL ? v != 0 : v);
	return true;
}

static bool next_group(struct item_cursor *c, struct item *out)
{
	rd_skip(&c->bytes, 1);
	uint16_t file = rd_be16(&c->bytes);
	uint16_t record = rd_be16(&c->bytes);
	uint16_t length = rd_be16(&c->bytes);
	struct reader data = { 0 };
	if (c->scratch[LAYOUT] == MODBUS_FILE_WRITE)
		data = rd_slice(&c->bytes, length * 2U);
	if (c->bytes.overrun)
		return false;
	item_uint(out, MODBUS_ITEM_FILE, file);
	item_uint(out, MODBUS_ITEM_RECORD, record);
	item_uint(out, MODBUS_ITEM_LENGTH, length);
	if (data.left > 0)
		item_borrow(out, MODBUS_ITEM_DATA, data.at, data.left);
	return true;
}

/* Groups of a reply say neither file nor record; of the request the first one is remembered. */
static bool next_file_data(struct item_cursor *c, struct item *out)
{
	struct reader data = rd_slice(&c->bytes, rd_u8(&c->bytes));
	rd_skip(&data, 1);
	if (data.overrun)
		return false;
	if (c->scratch[AT]++ == 0 && c->pdu->request.known) {
		item_uint(out, MODBUS_ITEM_FILE, c->pdu->request.value[KEPT_FILE]);
		item_uint(out, MODBUS_ITEM_RECORD, c->pdu->request.value[KEPT_RECORD]);
	}
	item_uint(out, MODBUS_ITEM_LENGTH, data.left / 2);
	item_borrow(out, MODBUS_ITEM_DATA, data.at, data.left);
	return true;
}

static bool next_object(struct item_cursor *c, struct item *out)
{
	if (c->scratch[AT]++ >= c->pdu->value[MODBUS_OBJECT_COUNT].u)
		return false;
	uint8_t id = rd_u8(&c->bytes);
	struct reader text = rd_slice(&c->bytes, rd_u8(&c->bytes));
	if (text.overrun)
		return false;
	item_uint(out, MODBUS_ITEM_OBJECT, id);
	item_borrow(out, MODBUS_ITEM_TEXT, text.at, text.left);
	return true;
}

bool modbus_next_item(struct item_cursor *c, struct item *out)
{
	switch (c->scratch[LAYOUT]) {
	case MODBUS_BITS:
	case MODBUS_WRITE_BITS:
		return next_bit(c, out);
	case MODBUS_WORDS:
	case MODBUS_WRITE_WORDS:
	case MODBUS_READ_WRITE:
		return next_word(c, out);
	case MODBUS_FIFO:
		return next_queued(c, out);
	case MODBUS_WRITE_COIL:
	case MODBUS_WRITE_REGISTER:
		return next_single(c, out);
	case MODBUS_FILE_READ:
	case MODBUS_FILE_WRITE:
		return next_group(c, out);
	case MODBUS_FILE_DATA:
		return next_file_data(c, out);
	case MODBUS_MEI_REPLY:
		return next_object(c, out);
	default:
		return false;
	}
}
