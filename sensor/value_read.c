/* value_read.c - points in the messages of Modbus and DNP3, and what of each protocol is of
 * interest. */
#include <math.h>
#include <string.h>

#include "dissectors/dnp3.h"
#include "dissectors/modbus.h"
#include "dissectors/s7comm.h"
#include "sensor/value.h"

enum { REGISTER_BITS = 16 };

#define PAST_NS (INT64_C(5) * 1000000000)

/* ---- Modbus ---- */

static bool row_table(const struct pdu *pdu, enum point_table *table)
{
	static const uint8_t reads[] = { 0, POINT_COIL, POINT_DISCRETE, POINT_HOLDING,
		POINT_INPUT_REGISTER };
	if (pdu->code >= 1 && pdu->code <= 4)
		*table = (enum point_table)reads[pdu->code];
	else
		*table = pdu->code == 5 || pdu->code == 15 ? POINT_COIL : POINT_HOLDING;
	return pdu->code <= 6 || pdu->code == 15 || pdu->code == 16 || pdu->code == 23;
}

/* What stands for a point in coils or registers; false: they end inside it. */
static bool take_from_row(
	const struct point *p, const struct modbus_row *row, struct sample *sample)
{
	if (row->bits) {
		uint32_t bit = p->at - row->address;
		sample->raw[0] = row->bytes[bit / 8] >> bit % 8 & 1;
		return true;
	}
	uint32_t first = p->at / REGISTER_BITS - row->address;
	unsigned n = point_bytes(p);
	if (first + n / 2 > row->count)
		return false;
	sample_take(sample, row->bytes + first * 2, n);
	return true;
}

static void each_in_row(struct values *v, const struct seen *s, value_each *each)
{
	const struct point_device *d = &v->points->device[s->device];
	enum point_table table;
	struct modbus_row row;
	size_t end;
	if (s->e->pdu->malformed != NULL || !row_table(s->e->pdu, &table) ||
		!points_any(d, table, table) || !modbus_row(s->e->pdu, &row))
		return;
	uint64_t unit = row.bits ? 1 : REGISTER_BITS, from = row.address * unit;
	for (size_t i = points_range(v->points, d, table, 0, from, from + row.count * unit, &end);
		i < end; i++) {
		struct sample sample = { .point = (uint32_t)i };
		if (!take_from_row(value_point(v, i), &row, &sample))
			continue;
		value_decode(v, &sample);
		each(v, s, &sample);
	}
}

/* [MB] 6.16: what the register was decides what it becomes. */
static void each_masked(
	struct values *v, const struct seen *s, const struct pdu *pdu, value_each *each)
{
	if (pdu->malformed != NULL || !pdu_has(pdu, MODBUS_OR_MASK))
		return;
	uint64_t at = pdu->value[MODBUS_ADDRESS].u * REGISTER_BITS;
	unsigned keep = (unsigned)pdu->value[MODBUS_AND_MASK].u;
	unsigned set = (unsigned)pdu->value[MODBUS_OR_MASK].u & ~keep;
	size_t end;
	for (size_t i = points_range(v->points, &v->points->device[s->device], POINT_HOLDING, 0, at,
		     at + REGISTER_BITS, &end);
		i < end; i++) {
		const struct point *p = value_point(v, i);
		const struct track *t = &v->track[i];
		struct sample sample = { .point = (uint32_t)i };
		unsigned old = (unsigned)t->raw[0] << 8 | t->raw[1];
		bool whole = p->width == 1 ? (keep >> p->bit & 1) == 0 : keep == 0;
		if (point_bytes(p) != 2 || (!t->known && !whole))
			continue;
		unsigned now = (old & keep) | set;
		sample.raw[0] = (uint8_t)(now >> 8);
		sample.raw[1] = (uint8_t)now;
		value_decode(v, &sample);
		each(v, s, &sample);
	}
}

static void each_modbus(struct values *v, const struct seen *s, value_each *each)
{
	if (s->e->pdu->code == 22)
		each_masked(v, s, s->e->pdu, each);
	else
		each_in_row(v, s, each);
}

/* ---- DNP3 ---- */

static bool dnp3_table(uint64_t group, bool write, enum point_table *table)
{
	static const uint8_t tables[64] = { [1] = POINT_BINARY_INPUT,
		[2] = POINT_BINARY_INPUT,
		[3] = POINT_DOUBLE_BIT_INPUT,
		[4] = POINT_DOUBLE_BIT_INPUT,
		[10] = POINT_BINARY_OUTPUT,
		[11] = POINT_BINARY_OUTPUT,
		[20] = POINT_COUNTER,
		[22] = POINT_COUNTER,
		[21] = POINT_FROZEN_COUNTER,
		[23] = POINT_FROZEN_COUNTER,
		[30] = POINT_ANALOG_INPUT,
		[32] = POINT_ANALOG_INPUT,
		[31] = POINT_FROZEN_ANALOG_INPUT,
		[33] = POINT_FROZEN_ANALOG_INPUT,
		[40] = POINT_ANALOG_OUTPUT,
		[42] = POINT_ANALOG_OUTPUT };
	if (write) {
		*table = group == 12 ? POINT_BINARY_OUTPUT : POINT_ANALOG_OUTPUT;
		return group == 12 || group == 41;
	}
	*table = group < sizeof tables ? (enum point_table)tables[group] : POINT_COIL;
	return *table != POINT_COIL;
}

/* What an output will be after the control; of a pulse that does not last. */
static bool control_value(const struct item *it, double *value)
{
	enum { LATCH_ON = 3, LATCH_OFF = 4 };
	uint64_t operation = it->value[DNP3_ITEM_OPERATION].u;
	if (item_has(it, DNP3_ITEM_VALUE)) {
		*value = it->value[DNP3_ITEM_VALUE].r;
		return true;
	}
	*value = operation == LATCH_ON;
	return item_has(it, DNP3_ITEM_OPERATION) &&
	       (operation == LATCH_ON || operation == LATCH_OFF);
}

static void dnp3_sample(
	struct values *v, const struct seen *s, const struct item *it, struct sample *sample)
{
	const struct point *p = value_point(v, sample->point);
	unsigned quality = 0;
	double raw;
	if (item_has(it, DNP3_ITEM_FLAGS)) {
		sample->has_quality = true;
		quality = quality_dnp3(
			(enum point_table)p->table, (uint8_t)it->value[DNP3_ITEM_FLAGS].u);
	}
	sample->has_value = s->write ? control_value(it, &raw) : item_has(it, DNP3_ITEM_VALUE);
	if (sample->has_value)
		sample->value =
			point_scale(p, s->write ? raw : it->value[DNP3_ITEM_VALUE].r, &quality);
	else if (!s->write && item_has(it, DNP3_ITEM_FLAGS)) {
		quality |= QUALITY_NAN; /* a real that is no number has no value in the item */
		sample->has_value = true;
		sample->value = NAN;
	}
	sample->quality = (uint16_t)quality;
	sample->past =
		item_has(it, DNP3_ITEM_TIME) && it->value[DNP3_ITEM_TIME].u < INT64_MAX / 1000000 &&
		value_age(s->e->at.ts_ns, (int64_t)it->value[DNP3_ITEM_TIME].u * 1000000) > PAST_NS;
}

static void each_dnp3(struct values *v, const struct seen *s, value_each *each)
{
	const struct point_device *d = &v->points->device[s->device];
	struct item_cursor c = s->e->pdu->items;
	struct item it;
	while (points_any(d, POINT_BINARY_INPUT, POINT_ANALOG_OUTPUT) && items_next(&c, &it)) {
		enum point_table table;
		size_t end;
		if (!item_has(&it, DNP3_ITEM_GROUP) || !item_has(&it, DNP3_ITEM_INDEX) ||
			!dnp3_table(it.value[DNP3_ITEM_GROUP].u, s->write, &table))
			continue;
		uint64_t index = it.value[DNP3_ITEM_INDEX].u;
		size_t i = points_range(v->points, d, table, 0, index, index + 1, &end);
		for (; i < end; i++) {
			struct sample sample = { .point = (uint32_t)i, .value = NAN };
			dnp3_sample(v, s, &it, &sample);
			each(v, s, &sample);
		}
	}
}

/* ---- all ---- */

void value_of_reply(struct values *v, const struct seen *s, value_each *each)
{
	const struct pdu *pdu = s->e->pdu;
	bool read_write = pdu->code <= 4 || pdu->code == 23;
	if (pdu->dissector == &modbus_dissector && pdu->request.known && read_write)
		each_modbus(v, s, each);
	else if (pdu->dissector == &dnp3_dissector && (pdu->code == 129 || pdu->code == 130))
		each_dnp3(v, s, each);
}

void value_of_write(struct values *v, const struct seen *s, value_each *each)
{
	const struct pdu *pdu = s->e->pdu;
	if (pdu->dissector == &modbus_dissector)
		each_modbus(v, s, each);
	else if (pdu->dissector == &s7comm_dissector)
		value_of_s7_write(v, s, each);
	else if (pdu->dissector == &dnp3_dissector)
		each_dnp3(v, s, each);
}

static enum value_role modbus_role(const struct pdu *pdu)
{
	switch (pdu->code) {
	case 5:
	case 6:
	case 15:
	case 16:
	case 22:
	case 23:
		return VALUE_WRITES;
	case 8:
		return pdu_has(pdu, MODBUS_SUBFUNCTION) && pdu->value[MODBUS_SUBFUNCTION].u ==
								   MODBUS_RESTART_COMMUNICATIONS
			       ? VALUE_MAY_CHANGE
			       : VALUE_NOTHING;
	case 21:
		return VALUE_MAY_CHANGE;
	default:
		return pdu->code > 43 ? VALUE_MAY_CHANGE : VALUE_NOTHING;
	}
}

static enum value_role dnp3_role(int32_t code)
{
	if (code >= 4 && code <= 6)
		return VALUE_WRITES;
	return code >= 13 && code <= 18 ? VALUE_MAY_CHANGE : VALUE_NOTHING;
}

enum value_role value_role(const struct pdu *pdu)
{
	if (pdu->dissector == &modbus_dissector)
		return modbus_role(pdu);
	if (pdu->dissector == &s7comm_dissector)
		return value_s7_role(pdu->code);
	return pdu->dissector == &dnp3_dissector ? dnp3_role(pdu->code) : VALUE_NOTHING;
}

/* ---- replies ---- */

/* The device has answered a write: what it wanted was remembered. */
static void written_of(struct values *v, struct seen *s, value_each *written)
{
	uint64_t first = 0;
	size_t count = asked_take(v->asked, asked_key(s->e, s->e->tx_id), &first);
	if (s->e->verdict.outcome != VERDICT_ACCEPTED)
		return;
	s->write = true;
	for (size_t i = 0; i < count; i++)
		written(v, s, &asked_at(v->asked, first + i)->sample);
	s->write = false;
}

void value_of_asked(struct values *v, struct seen *s, value_each *written, value_each *read)
{
	const struct pdu *pdu = s->e->pdu;
	if (pdu->dissector == &s7comm_dissector)
		value_of_s7_asked(v, s, written, read);
	else if (pdu->dissector == &dnp3_dissector || modbus_role(pdu) == VALUE_WRITES)
		written_of(v, s, written);
}
