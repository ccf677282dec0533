/* value_s7.c - points in the messages of S7: a reply does not say of which variables its items are.
 */
#include <math.h>
#include <string.h>

#include "dissectors/s7comm.h"
#include "sensor/value.h"

enum { SUCCESS = 0xff, UNCHANGED = 0xfe };
enum { DB_READ = 0xb0, CYCLIC = 0x0201, CHANGE_DRIVEN = 0x0205, CHANGE_MODIFY = 0x0207 };

#define JOB (UINT64_C(1) << 40) /* no tx_id */

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
static inline bool take_bytes(const struct point *p, uint32_t skip, bool single,
	const struct reader *data, struct sample *sample)
{
	unsigned n = point_bytes(p);
	if ((uint64_t)skip + n > data->left)
		return false;
	sample_take(sample, data->at + skip, n);
	if (single)
		sample->raw[0] = (uint8_t)((sample->raw[0] & 1) << p->bit);
	return true;
}

void value_of_s7_write(struct values *v, const struct seen *s, value_each *each)
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
		const struct value *bytes = &it.value[S7I_DATA];
		const struct reader data = rd_over(bytes->bytes, bytes->len);
		uint64_t bits = span.single ? 1 : data.left * UINT64_C(8);
		size_t end;
		for (size_t i = points_of_span(v, s, &span, bits, &end); i < end; i++) {
			struct sample sample = { .point = (uint32_t)i, .item = item };
			if (!lies_in(value_point(v, i), &span, bits) ||
				!take_bytes(value_point(v, i), skip_of(value_point(v, i), &span),
					span.single, &data, &sample))
				continue;
			value_decode(v, &sample);
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
		const struct point *p = value_point(v, i);
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

static bool has_points(const struct values *v, const struct seen *s)
{
	return points_any(&v->points->device[s->device], POINT_DB, POINT_OUTPUT);
}

void value_of_read(struct values *v, const struct seen *s)
{
	struct item_cursor c = s->e->pdu->items;
	struct item it;
	struct asked_point a = { .skip = 0 };
	if (!has_points(v, s))
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
	uint8_t code, const struct reader *data, value_each *each)
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
	} else if (!take_bytes(value_point(v, sample.point), a->skip, a->single, data, &sample)) {
		return;
	} else {
		value_decode(v, &sample);
	}
	each(v, s, &sample);
}

/* The next area of an item that several share: a return code, and its bytes if that is success. */
static bool next_area(struct reader *item, uint32_t bytes, uint8_t *code, struct reader *data)
{
	*code = rd_u8(item);
	*data = rd_slice(item, *code == SUCCESS ? bytes : 0);
	return !item->overrun;
}

static void each_asked(struct values *v, const struct asked *from, const struct seen *s,
	uint64_t first, size_t count, value_each *each)
{
	struct item_cursor c = s->e->pdu->items;
	struct reader data = { 0 }, rest = { 0 }; /* rest: of an item that several areas share */
	uint8_t code = 0;
	unsigned next = 0; /* item of the reply */
	for (size_t i = 0; i < count; i++) {
		const struct asked_point *a = asked_at(from, first + i);
		for (; next <= a->sample.item; next++) {
			if (!s7_next_code(&c, &code, &data))
				return;
			rest = data;
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
	if (!pdu_has(s->e->pdu, S7_SEQUENCE))
		return;
	asked_begin(v->jobs, s->e, job_key(s->e));
	for (size_t i = 0; i < count; i++)
		asked_add(v->jobs, asked_at(v->asked, first + i));
	asked_end(v->jobs);
}

void value_of_s7_asked(struct values *v, struct seen *s, value_each *written, value_each *read)
{
	const struct pdu *pdu = s->e->pdu;
	uint64_t first = 0;
	size_t count = asked_take(v->asked, asked_key(s->e, s->e->tx_id), &first);
	if (count == 0)
		return;
	s->write = pdu->code == S7_WRITE;
	each_asked(v, v->asked, s, first, count, s->write ? written : read);
	s->write = false;
	if (pdu->code != S7_READ && pdu->code != S7_WRITE)
		keep_job(v, s, first, count);
}

void value_of_job(struct values *v, const struct seen *s, value_each *read)
{
	const struct pdu *pdu = s->e->pdu;
	uint64_t first = 0;
	if (pdu->dissector != &s7comm_dissector || value_s7_role(pdu->code) != VALUE_ASKS ||
		!pdu_has(pdu, S7_SEQUENCE))
		return;
	size_t count = asked_look(v->jobs, job_key(s->e), &first);
	each_asked(v, v->jobs, s, first, count, read);
}

enum value_role value_s7_role(int32_t code)
{
	switch (code) {
	case S7_WRITE:
		return VALUE_WRITES;
	case S7_READ:
	case CYCLIC:
	case CHANGE_DRIVEN:
	case CHANGE_MODIFY:
		return VALUE_ASKS;
	case S7_REQUEST_DOWNLOAD:
	case S7_DOWNLOAD_BLOCK:
	case S7_DOWNLOAD_ENDED:
	case S7_PI:
	case S7_STOP:
		return VALUE_MAY_CHANGE;
	default:
		return code >> 8 == 1 ? VALUE_MAY_CHANGE : VALUE_NOTHING;
	}
}
