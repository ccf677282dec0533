/* value_read.c - points in the messages of Modbus, S7 and DNP3. */
#include <math.h>
#include <string.h>

#include "dissectors/dnp3.h"
#include "dissectors/modbus.h"
#include "dissectors/s7comm.h"
#include "sensor/value.h"

enum { WORDS_MAX = 2048, REGISTER_BITS = 16 };

enum { SUCCESS = 0xff, UNCHANGED = 0xfe };
enum { DB_READ = 0xb0, CYCLIC = 0x0201, CHANGE_DRIVEN = 0x0205, CHANGE_MODIFY = 0x0207 };

#define JOB (UINT64_C(1) << 40) /* no tx_id */

#define PAST_NS (INT64_C(5) * 1000000000)

static const struct point *point_of(const struct values *v, size_t i)
{
	return &v->points->point[i];
}

/* Most polls read what the last one read: only other bytes are decoded. */
static void decode(struct values *v, struct sample *s)
{
	struct track *t = &v->track[s->point];
	if (!t->has_decoded || memcmp(t->decoded_raw, s->raw, sizeof s->raw) != 0) {
		unsigned quality = 0;
		t->decoded = point_decode(point_of(v, s->point), s->raw, &quality);
		t->decoded_quality = (uint16_t)quality;
		memcpy(t->decoded_raw, s->raw, sizeof s->raw);
		t->has_decoded = true;
	}
	s->value = t->decoded;
	s->quality = t->decoded_quality;
	s->has_value = s->has_quality = true;
}

/* ---- Modbus ---- */

/* Coils or registers that stand together in a message. */
struct words {
	enum point_table table;
	uint32_t base, count;
	uint16_t word[WORDS_MAX];
};

static bool words_table(const struct pdu *pdu, enum point_table *table)
{
	static const uint8_t reads[] = { 0, POINT_COIL, POINT_DISCRETE, POINT_HOLDING,
		POINT_INPUT_REGISTER };
	if (pdu->code >= 1 && pdu->code <= 4)
		*table = (enum point_table)reads[pdu->code];
	else
		*table = pdu->code == 5 || pdu->code == 15 ? POINT_COIL : POINT_HOLDING;
	return pdu->code <= 6 || pdu->code == 15 || pdu->code == 16 || pdu->code == 23;
}

/* Points of the device that lie whole in @count coils or registers from @base on. */
static size_t points_in(const struct values *v, const struct seen *s, const struct words *w,
	uint64_t count, size_t *end)
{
	uint64_t unit = w->table <= POINT_DISCRETE ? 1 : REGISTER_BITS;
	return points_range(v->points, &v->points->device[s->device], w->table, 0, w->base * unit,
		(w->base + count) * unit, end);
}

/* Words from the base to the end of this point. */
static uint32_t words_until(const struct words *w, const struct point *p)
{
	if (w->table <= POINT_DISCRETE)
		return p->at - w->base + 1;
	return p->at / REGISTER_BITS - w->base + point_bytes(p) / 2;
}

/* False if the message holds none that a point of the device could be in. What lies behind the last
 * of them is not read. */
static bool words_of(
	const struct values *v, const struct seen *s, const struct pdu *pdu, struct words *w)
{
	struct item_cursor c = pdu->items;
	struct item it;
	size_t end;
	if (pdu->malformed != NULL || !words_table(pdu, &w->table) || !items_next(&c, &it) ||
		!item_has(&it, MODBUS_ITEM_ADDRESS))
		return false;
	w->base = (uint32_t)it.value[MODBUS_ITEM_ADDRESS].u;
	w->count = 0;
	size_t first = points_in(v, s, w, WORDS_MAX, &end);
	if (first == end)
		return false;
	uint32_t wanted = 0;
	for (size_t i = first; i < end; i++) {
		uint32_t until = words_until(w, point_of(v, i));
		wanted = until > wanted ? until : wanted;
	}
	do
		w->word[w->count++] = (uint16_t)it.value[MODBUS_ITEM_VALUE].u;
	while (w->count < WORDS_MAX && w->count < wanted && items_next(&c, &it));
	return true;
}

static void each_word(
	struct values *v, const struct seen *s, const struct words *w, value_each *each)
{
	size_t end;
	for (size_t i = points_in(v, s, w, w->count, &end); i < end; i++) {
		const struct point *p = point_of(v, i);
		struct sample sample = { .point = (uint32_t)i };
		if (w->table <= POINT_DISCRETE) {
			sample.raw[0] = w->word[p->at - w->base] != 0;
		} else {
			uint32_t first = p->at / REGISTER_BITS - w->base;
			unsigned n = point_bytes(p) / 2;
			if (first + n > w->count)
				continue;
			for (unsigned k = 0; k < n; k++) {
				sample.raw[k * 2] = (uint8_t)(w->word[first + k] >> 8);
				sample.raw[k * 2 + 1] = (uint8_t)w->word[first + k];
			}
		}
		decode(v, &sample);
		each(v, s, &sample);
	}
}

/* [MB] 6.16: what the register was decides what it becomes. */
static void each_masked(
	struct values *v, const struct seen *s, const struct pdu *pdu, value_each *each)
{
	if (pdu->malformed != NULL || !pdu_has(pdu, MODBUS_OR_MASK))
		return;
	struct words w = {
		.table = POINT_HOLDING, .base = (uint32_t)pdu->value[MODBUS_ADDRESS].u, .count = 1
	};
	unsigned keep = (unsigned)pdu->value[MODBUS_AND_MASK].u;
	unsigned set = (unsigned)pdu->value[MODBUS_OR_MASK].u & ~keep;
	size_t end;
	for (size_t i = points_in(v, s, &w, 1, &end); i < end; i++) {
		const struct point *p = point_of(v, i);
		const struct track *t = &v->track[i];
		struct sample sample = { .point = (uint32_t)i };
		unsigned old = (unsigned)t->raw[0] << 8 | t->raw[1];
		bool whole = p->width == 1 ? (keep >> p->bit & 1) == 0 : keep == 0;
		if (point_bytes(p) != 2 || (!t->known && !whole))
			continue;
		unsigned now = (old & keep) | set;
		sample.raw[0] = (uint8_t)(now >> 8);
		sample.raw[1] = (uint8_t)now;
		decode(v, &sample);
		each(v, s, &sample);
	}
}

static void each_modbus(struct values *v, const struct seen *s, value_each *each)
{
	struct words w;
	const struct pdu *pdu = s->e->pdu;
	if (pdu->code == 22)
		each_masked(v, s, pdu, each);
	else if (words_of(v, s, pdu, &w))
		each_word(v, s, &w, each);
}

/* ---- S7 ---- */

/* Where an item of a request points to, in bits. */
struct span {
	enum point_table table;
	uint16_t db;
	uint32_t at;
	bool single; /* one bit, told as a byte */
};

/* Bits of a variable of a transport size; 0: not a piece of memory. */
static uint32_t size_bits(uint64_t size)
{
	static const uint8_t bits[] = { [1] = 1,
		[2] = 8,
		[3] = 8,
		[4] = 16,
		[5] = 16,
		[6] = 32,
		[7] = 32,
		[8] = 32,
		[9] = 16,
		[10] = 32,
		[11] = 32,
		[12] = 16,
		[15] = 64 };
	return size < sizeof bits ? bits[size] : 0;
}

static bool span_of(const struct item *it, struct span *span)
{
	static const struct {
		uint8_t area, table;
	} areas[] = { { 0x84, POINT_DB }, { 0x83, POINT_MEMORY }, { 0x81, POINT_INPUT },
		{ 0x82, POINT_OUTPUT } };
	if (item_has(it, S7I_SYNTAX) || !item_has(it, S7I_TRANSPORT_SIZE) ||
		!item_has(it, S7I_AREA))
		return false;
	unsigned i = 0;
	while (i < 4 && areas[i].area != it->value[S7I_AREA].u)
		i++;
	if (i == 4 || size_bits(it->value[S7I_TRANSPORT_SIZE].u) == 0)
		return false;
	span->table = (enum point_table)areas[i].table;
	span->db =
		span->table == POINT_DB && item_has(it, S7I_DB) ? (uint16_t)it->value[S7I_DB].u : 0;
	span->at = (uint32_t)(it->value[S7I_BYTE].u * 8 + it->value[S7I_BIT].u);
	span->single = it->value[S7I_TRANSPORT_SIZE].u == 1;
	return span->single || span->at % 8 == 0;
}

static size_t points_of_span(const struct values *v, const struct seen *s, const struct span *span,
	uint64_t bits, size_t *end)
{
	return points_range(v->points, &v->points->device[s->device], span->table, span->db,
		span->at, span->at + bits, end);
}

/* Does the point lie whole in @bits of the span? Of a single bit: is it this one? */
static bool lies_in(const struct point *p, const struct span *span, uint64_t bits)
{
	return p->at + (uint64_t)p->width <= span->at + bits && (!span->single || p->width == 1);
}

static uint32_t skip_of(const struct point *p, const struct span *span)
{
	return span->single ? 0 : p->at / 8 - span->at / 8;
}

/* The bytes of the point, @skip bytes into the data. */
static bool take_bytes(const struct point *p, uint32_t skip, bool single, const struct value *data,
	struct sample *sample)
{
	unsigned n = point_bytes(p);
	if ((uint64_t)skip + n > data->len)
		return false;
	memcpy(sample->raw, data->bytes + skip, n);
	if (single)
		sample->raw[0] = (uint8_t)((sample->raw[0] & 1) << p->bit);
	return true;
}

static void each_s7_write(struct values *v, const struct seen *s, value_each *each)
{
	struct item_cursor c = s->e->pdu->items;
	struct item it;
	uint16_t item = 0;
	for (; items_next(&c, &it); item++) {
		struct span span;
		if (!span_of(&it, &span) || !item_has(&it, S7I_DATA)) {
			v->device[s->device].touched_ns = s->e->at.ts_ns;
			continue;
		}
		const struct value *data = &it.value[S7I_DATA];
		uint64_t bits = span.single ? 1 : data->len * UINT64_C(8);
		size_t end;
		for (size_t i = points_of_span(v, s, &span, bits, &end); i < end; i++) {
			struct sample sample = { .point = (uint32_t)i, .item = item };
			if (!lies_in(point_of(v, i), &span, bits) ||
				!take_bytes(point_of(v, i), skip_of(point_of(v, i), &span),
					span.single, data, &sample))
				continue;
			decode(v, &sample);
			each(v, s, &sample);
		}
	}
}

/* Points of one address of a request. */
static void ask_span(struct values *v, const struct seen *s, const struct span *span, uint64_t bits,
	struct asked_point *a)
{
	size_t end;
	for (size_t i = points_of_span(v, s, span, bits, &end); i < end; i++) {
		const struct point *p = point_of(v, i);
		uint32_t skip = skip_of(p, span);
		if (!lies_in(p, span, bits) || skip > UINT16_MAX)
			continue;
		a->sample.point = (uint32_t)i;
		a->skip = (uint16_t)skip;
		asked_add(v->asked, a);
	}
}

/* Areas of data blocks that share one item. */
static void ask_areas(struct values *v, const struct seen *s)
{
	struct item_cursor c = s->e->pdu->items;
	struct item it;
	struct asked_point a = { .skip = 0 };
	while (items_next(&c, &it) && item_has(&it, S7I_SYNTAX) &&
		it.value[S7I_SYNTAX].u == DB_READ && item_has(&it, S7I_COUNT)) {
		const struct span span = { .table = POINT_DB,
			.db = (uint16_t)it.value[S7I_DB].u,
			.at = (uint32_t)it.value[S7I_BYTE].u * 8 };
		const struct asked_point area = { .area = true,
			.skip = (uint16_t)it.value[S7I_COUNT].u };
		asked_add(v->asked, &area);
		ask_span(v, s, &span, it.value[S7I_COUNT].u * 8, &a);
	}
}

static bool s7_reads(const struct pdu *pdu)
{
	return pdu->dissector == &s7comm_dissector &&
	       (pdu->code == S7_READ || pdu->code == CYCLIC || pdu->code == CHANGE_DRIVEN ||
		       pdu->code == CHANGE_MODIFY);
}

void value_of_read(struct values *v, const struct seen *s)
{
	struct item_cursor c = s->e->pdu->items;
	struct item it;
	struct asked_point a = { .skip = 0 };
	if (!s7_reads(s->e->pdu))
		return;
	for (; items_next(&c, &it); a.sample.item++) {
		struct span span;
		/* Several areas may be one item: with others beside it the count is lost. */
		if (item_has(&it, S7I_SYNTAX)) {
			if (a.sample.item == 0 && s->e->pdu->value[S7_ITEM_COUNT].u == 1)
				ask_areas(v, s);
			return;
		}
		if (!span_of(&it, &span))
			continue;
		a.single = span.single;
		ask_span(v, s, &span,
			size_bits(it.value[S7I_TRANSPORT_SIZE].u) * it.value[S7I_COUNT].u, &a);
	}
}

/* What stands in a reply for a point that the request asked for. */
static void read_s7(struct values *v, const struct seen *s, const struct asked_point *a,
	uint8_t code, const struct value *data, value_each *each)
{
	struct sample sample = a->sample;
	const struct track *t = &v->track[sample.point];
	if (code == UNCHANGED) {
		sample.value = t->value;
		sample.has_value = t->known;
		memcpy(sample.raw, t->raw, sizeof sample.raw);
	} else if (code != SUCCESS) {
		sample.quality = QUALITY_REFUSED;
		sample.has_quality = true;
		sample.value = NAN;
	} else if (!take_bytes(point_of(v, sample.point), a->skip, a->single, data, &sample)) {
		return;
	} else {
		decode(v, &sample);
	}
	each(v, s, &sample);
}

/* The next area of an item that several share: a return code, and its bytes if that is success. */
static bool next_area(struct reader *item, uint32_t bytes, uint8_t *code, struct value *data)
{
	*code = rd_u8(item);
	struct reader own = rd_slice(item, *code == SUCCESS ? bytes : 0);
	data->bytes = own.at;
	data->len = (uint32_t)own.left;
	return !item->overrun;
}

static void each_s7_asked(struct values *v, const struct asked *from, const struct seen *s,
	uint64_t first, size_t count, value_each *each)
{
	struct item_cursor c = s->e->pdu->items;
	struct item it = { 0 };
	struct reader rest = { 0 }; /* of an item that several areas share */
	struct value data = { .len = 0 };
	uint8_t code = 0;
	unsigned next = 0; /* item of the reply */
	for (size_t i = 0; i < count; i++) {
		const struct asked_point *a = asked_at(from, first + i);
		for (; next <= a->sample.item; next++) {
			if (!items_next(&c, &it) || !item_has(&it, S7I_RETURN_CODE))
				return;
			code = (uint8_t)it.value[S7I_RETURN_CODE].u;
			data = (struct value){ .len = 0 };
			if (item_has(&it, S7I_DATA))
				data = it.value[S7I_DATA];
			rest = rd_over(data.bytes, data.len);
		}
		if (a->area) {
			if (!next_area(&rest, a->skip, &code, &data))
				return;
		} else if (!s->write) {
			read_s7(v, s, a, code, &data, each);
		} else if (code == SUCCESS) {
			each(v, s, &a->sample);
		}
	}
}

/* The sequence number of a job is that of the device's answers and of what it sends. */
static uint64_t job_key(const struct event *e)
{
	return asked_key(e, JOB | e->pdu->value[S7_SEQUENCE].u);
}

/* What was asked for comes again and again. */
static void keep_job(struct values *v, const struct seen *s, uint64_t first, size_t count)
{
	if (count == 0 || !pdu_has(s->e->pdu, S7_SEQUENCE))
		return;
	asked_begin(v->jobs, s->e, job_key(s->e));
	for (size_t i = 0; i < count; i++)
		asked_add(v->jobs, asked_at(v->asked, first + i));
	asked_end(v->jobs);
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
	const struct point *p = point_of(v, sample->point);
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
	struct item_cursor c = s->e->pdu->items;
	struct item it;
	while (items_next(&c, &it)) {
		enum point_table table;
		size_t end;
		if (!item_has(&it, DNP3_ITEM_GROUP) || !item_has(&it, DNP3_ITEM_INDEX) ||
			!dnp3_table(it.value[DNP3_ITEM_GROUP].u, s->write, &table))
			continue;
		uint64_t index = it.value[DNP3_ITEM_INDEX].u;
		size_t i = points_range(
			v->points, &v->points->device[s->device], table, 0, index, index + 1, &end);
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
		each_s7_write(v, s, each);
	else if (pdu->dissector == &dnp3_dissector)
		each_dnp3(v, s, each);
}

void value_of_asked(struct values *v, struct seen *s, value_each *written, value_each *read)
{
	uint64_t first = 0, key = asked_key(s->e, s->e->tx_id);
	size_t count = asked_look(v->asked, key, &first);
	bool s7 = s->e->pdu->dissector == &s7comm_dissector;
	s->write = !s7 || value_is_write(s->e->pdu);
	if (s7)
		each_s7_asked(v, v->asked, s, first, count, s->write ? written : read);
	else if (s->e->verdict.outcome == VERDICT_ACCEPTED)
		for (size_t i = 0; i < count; i++)
			written(v, s, &asked_at(v->asked, first + i)->sample);
	s->write = false;
	if (s7 && s->e->pdu->code != S7_READ && s->e->pdu->code != S7_WRITE)
		keep_job(v, s, first, count);
	asked_forget(v->asked, key);
}

void value_of_job(struct values *v, const struct seen *s, value_each *read)
{
	const struct pdu *pdu = s->e->pdu;
	uint64_t first = 0;
	if (!s7_reads(pdu) || !pdu_has(pdu, S7_SEQUENCE))
		return;
	size_t count = asked_look(v->jobs, job_key(s->e), &first);
	each_s7_asked(v, v->jobs, s, first, count, read);
}

bool value_is_write(const struct pdu *pdu)
{
	int32_t c = pdu->code;
	if (pdu->dissector == &modbus_dissector)
		return c == 5 || c == 6 || c == 15 || c == 16 || c == 22 || c == 23;
	if (pdu->dissector == &s7comm_dissector)
		return c == S7_WRITE;
	return pdu->dissector == &dnp3_dissector && c >= 4 && c <= 6;
}

bool value_may_change(const struct pdu *pdu)
{
	int32_t c = pdu->code;
	if (pdu->dissector == &modbus_dissector)
		return c == 21 || c > 43 ||
		       (c == 8 && pdu_has(pdu, MODBUS_SUBFUNCTION) &&
			       pdu->value[MODBUS_SUBFUNCTION].u == 1);
	if (pdu->dissector == &s7comm_dissector)
		return c >> 8 == 1 || (c >= S7_REQUEST_DOWNLOAD && c <= S7_DOWNLOAD_ENDED) ||
		       c == S7_PI || c == S7_STOP;
	return pdu->dissector == &dnp3_dissector && c >= 13 && c <= 18;
}

bool value_asks(const struct pdu *pdu)
{
	return pdu->dissector == &s7comm_dissector || value_may_change(pdu);
}

bool value_is_asked(const struct pdu *pdu)
{
	return pdu->dissector != &modbus_dissector || value_is_write(pdu);
}
