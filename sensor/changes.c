/* changes.c - rows of four points, addressed by the hash of device, unit and address. */
#include "sensor/changes.h"

#include <stdlib.h>
#include <string.h>

#include "sensor/limiter.h"

enum { WAYS = 4, ITEMS = 4096, CODES = 4, NAMES = 8, KINDS = 3 };

/* How a protocol reads. All of an item that neither names it nor is unlike at each poll is value.
 */
static const struct reads {
	const char *service;
	int32_t code[CODES];
	bool by_request; /* replies do not say which item they answer */
	const char *names[NAMES], *passing[NAMES];
} kinds[KINDS] = {
	{ "modbus", { 1, 2, 3, 4 }, false, { "modbus.item.address" }, { NULL } },
	{ "s7comm", { 4 }, true, { NULL }, { NULL } },
	{ "dnp3", { 1 }, false, { "dnp3.item.group", "dnp3.item.variation", "dnp3.item.index" },
		{ "dnp3.item.qualifier", "dnp3.item.start", "dnp3.item.stop", "dnp3.item.count",
			"dnp3.item.time", "dnp3.item.delay" } },
};

struct point {
	uint64_t key; /* 0: free */
	uint64_t value;
	int64_t seen_ns;
};

struct changes {
	size_t rows; /* a power of two */
	uint64_t seed;
	struct counters *counters;
	struct {
		const struct dissector *dissector;
		uint32_t names, passing; /* bits of item fields */
	} kind[KINDS];
	struct point point[][WAYS];
};

static uint32_t bits_of(const struct dissector *d, const char *const names[NAMES])
{
	uint32_t bits = 0;
	for (unsigned i = 0; i < d->item_field_count; i++)
		for (unsigned k = 0; k < NAMES && names[k] != NULL; k++)
			if (strcmp(names[k], d->item_fields[i].name) == 0)
				bits |= UINT32_C(1) << i;
	return bits;
}

struct changes *changes_new(size_t points, uint64_t seed, struct counters *counters)
{
	size_t rows = 1;
	while (rows * WAYS < points)
		rows *= 2;
	struct changes *c = calloc(1, sizeof *c + rows * sizeof c->point[0]);
	if (c == NULL)
		return NULL;
	c->rows = rows;
	c->seed = seed;
	c->counters = counters;
	for (unsigned i = 0; i < KINDS; i++) {
		const struct dissector *d = dissector_named(kinds[i].service);
		c->kind[i].dissector = d;
		c->kind[i].names = d == NULL ? 0 : bits_of(d, kinds[i].names);
		c->kind[i].passing = d == NULL ? 0 : bits_of(d, kinds[i].passing);
	}
	return c;
}

void changes_free(struct changes *c)
{
	free(c);
}

/* True if @key is new or had another value. */
static bool differs(struct changes *c, uint64_t key, uint64_t value, int64_t now_ns)
{
	struct point *row = c->point[key_mix(c->seed, key) >> 32 & (c->rows - 1)];
	unsigned rested = 0;
	key |= key == 0;
	for (unsigned i = 0; i < WAYS; i++) {
		if (row[i].key == key) {
			bool other = row[i].value != value;
			row[i].value = value;
			row[i].seen_ns = now_ns;
			return other;
		}
		if (row[rested].key != 0 &&
			(row[i].key == 0 || row[i].seen_ns < row[rested].seen_ns))
			rested = i;
	}
	c->counters->points_evicted += row[rested].key != 0;
	row[rested] = (struct point){ .key = key, .value = value, .seen_ns = now_ns };
	return true;
}

static uint64_t mix_value(uint64_t hash, const struct field *f, const struct value *v)
{
	uint64_t bits;
	if (f->type == FIELD_TEXT || f->type == FIELD_BYTES)
		return key_mix_bytes(key_mix(hash, v->len), v->bytes, v->len);
	if (f->type != FIELD_REAL)
		return key_mix(hash, v->u);
	memcpy(&bits, &v->r, sizeof bits);
	return key_mix(hash, bits);
}

static uint64_t mix_fields(
	uint64_t hash, const struct dissector *d, const struct item *item, uint32_t which)
{
	for (unsigned i = 0; i < d->item_field_count; i++)
		if (item->present & which & UINT32_C(1) << i)
			hash = mix_value(key_mix(hash, i), &d->item_fields[i], &item->value[i]);
	return hash;
}

/* Of the device that was asked, and what it was asked for. */
static uint64_t question(const struct event *e, bool by_request)
{
	const struct endpoint *device = &e->flow->end[!e->from];
	uint64_t key = key_mix_bytes(pdu_unit(e->pdu), device->ip.bytes, 16);
	key = key_mix(key_mix(key, device->port), (uint64_t)e->pdu->code);
	if (by_request)
		key = key_mix_bytes(key, e->pdu->items.bytes.at, e->pdu->items.bytes.left);
	return key;
}

/* All points are looked at, so that each is known from here on. */
static bool shows_change(struct changes *c, unsigned kind, const struct event *e)
{
	const struct dissector *d = e->pdu->dissector;
	struct item_cursor cursor = e->reply->items;
	struct item item;
	uint64_t asked = question(e, kinds[kind].by_request);
	uint64_t outcome = key_mix((uint64_t)e->verdict.outcome, (uint64_t)e->verdict.code);
	uint32_t names = c->kind[kind].names, passing = c->kind[kind].passing;
	bool changed = differs(c, key_mix(asked, UINT64_MAX), outcome, e->at.ts_ns);
	for (unsigned i = 0; i < ITEMS && items_next(&cursor, &item); i++) {
		uint64_t key = mix_fields(
			key_mix(asked, kinds[kind].by_request ? i + 1 : 0), d, &item, names);
		uint64_t value = mix_fields(1, d, &item, ~(names | passing));
		changed |= differs(c, key, value, e->at.ts_ns);
	}
	return changed;
}

bool changes_logs(struct changes *c, const struct event *e)
{
	if (e->reply == NULL || e->reply->tx == TX_REPLY_PART)
		return true;
	for (unsigned i = 0; i < KINDS; i++) {
		if (c->kind[i].dissector != e->pdu->dissector)
			continue;
		for (unsigned k = 0; k < CODES && kinds[i].code[k] != 0; k++) {
			if (kinds[i].code[k] != e->pdu->code)
				continue;
			bool logs = shows_change(c, i, e);
			c->counters->unchanged += !logs;
			return logs;
		}
	}
	return true;
}
