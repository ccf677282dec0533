/* eve_json.c - what every event writes: times, addresses, values and objects of fields. */
#include "sensor/eve_json.h"

#include <arpa/inet.h>

void eve_text(struct buf *b, const char *text)
{
	buf_json_string(b, text, strlen(text), EVE_TEXT);
}

void eve_name(struct buf *b, const char *name)
{
	size_t n = strnlen(name, EVE_NAME);
	eve_comma(b);
	if (b->full || b->cap - b->len < n + 3) {
		b->full = true;
		return;
	}
	char *to = b->at + b->len;
	to[0] = '"';
	memcpy(to + 1, name, n);
	to[n + 1] = '"';
	to[n + 2] = ':';
	b->len += n + 3;
}

static void digits(char *at, unsigned n, uint32_t v)
{
	while (n > 0) {
		at[--n] = (char)('0' + v % 10);
		v /= 10;
	}
}

/* Days since 1970 to a civil date (Gregorian, proleptic), by eras of 400 years from March 1st. */
static void write_date(char *at, int64_t days)
{
	int64_t z = days + 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;
	int64_t month = mp < 10 ? mp + 3 : mp - 9;
	digits(at, 4, (uint32_t)(yoe + era * 400 + (month <= 2)));
	at[4] = '-';
	digits(at + 5, 2, (uint32_t)month);
	at[7] = '-';
	digits(at + 8, 2, (uint32_t)(doy - (153 * mp + 2) / 5 + 1));
}

void eve_time(struct buf *b, int64_t ts_ns)
{
	char text[] = "\"1970-01-01T00:00:00.000000+0000\"";
	int64_t s = ts_ns / 1000000000, ns = ts_ns % 1000000000;
	if (ns < 0) {
		s--;
		ns += 1000000000;
	}
	int64_t day = s / 86400, left = s % 86400;
	if (left < 0) {
		day--;
		left += 86400;
	}
	write_date(text + 1, day);
	digits(text + 12, 2, (uint32_t)(left / 3600));
	digits(text + 15, 2, (uint32_t)(left / 60 % 60));
	digits(text + 18, 2, (uint32_t)(left % 60));
	digits(text + 21, 6, (uint32_t)(ns / 1000));
	buf_add(b, text, sizeof text - 1);
}

static void write_v4(struct buf *b, const uint8_t *ip)
{
	char text[16];
	size_t n = 0;
	for (unsigned i = 0; i < 4; i++) {
		if (i > 0)
			text[n++] = '.';
		if (ip[i] >= 100)
			text[n++] = (char)('0' + ip[i] / 100);
		if (ip[i] >= 10)
			text[n++] = (char)('0' + ip[i] / 10 % 10);
		text[n++] = (char)('0' + ip[i] % 10);
	}
	buf_add(b, text, n);
}

void eve_addr(struct buf *b, const struct addr *a)
{
	char text[INET6_ADDRSTRLEN];
	buf_char(b, '"');
	if (a->family == 4)
		write_v4(b, a->bytes + 12);
	else if (inet_ntop(AF_INET6, a->bytes, text, sizeof text) != NULL)
		buf_str(b, text);
	buf_char(b, '"');
}

void eve_l4(struct buf *b, uint8_t l4)
{
	if (l4 == L4_TCP)
		buf_lit(b, "\"TCP\"");
	else if (l4 == L4_UDP)
		buf_lit(b, "\"UDP\"");
	else
		buf_printf(b, "\"%u\"", l4);
}

/* Most readers of JSON hold 63 bits: what needs more goes as text rather than as an error. */
static void write_huge(struct buf *b, uint64_t v)
{
	buf_char(b, '"');
	buf_uint(b, v);
	buf_char(b, '"');
}

void eve_value(struct buf *b, enum field_type type, struct value v, size_t max)
{
	switch (type) {
	case FIELD_UINT:
		if (v.u <= INT64_MAX)
			buf_uint(b, v.u);
		else
			write_huge(b, v.u);
		break;
	case FIELD_INT:
		buf_int(b, v.i);
		break;
	case FIELD_REAL:
		if (v.r - v.r != 0)
			buf_lit(b, "null");
		else
			buf_real(b, v.r);
		break;
	case FIELD_TEXT:
		buf_json_string(b, v.bytes, v.len, max);
		break;
	case FIELD_BYTES:
		buf_char(b, '"');
		buf_hex(b, v.bytes, v.len < max ? v.len : max);
		buf_char(b, '"');
		break;
	}
}

const char *eve_short_name(const char *name)
{
	const char *dot = strchr(name, '.');
	if (dot == NULL)
		return name;
	return strncmp(dot + 1, "item.", 5) == 0 ? dot + 6 : dot + 1;
}

bool eve_fields(struct buf *b, const struct field *fields, unsigned count, uint64_t present,
	const struct value *value, size_t max, size_t reserve)
{
	bool whole = true;
	buf_char(b, '{');
	for (unsigned i = 0; i < count && present >> i != 0; i++) {
		if ((present >> i & 1) == 0)
			continue;
		size_t mark = eve_try(b);
		eve_name(b, eve_short_name(fields[i].name));
		eve_value(b, fields[i].type, value[i], max);
		whole &= eve_keep(b, mark, reserve);
	}
	buf_char(b, '}');
	return whole;
}

bool eve_items(
	struct buf *b, const struct pdu *pdu, uint32_t max_items, size_t max_value, size_t reserve)
{
	struct item_cursor c = pdu->items;
	const struct dissector *d = c.dissector;
	struct item item;
	bool cut = false;
	uint32_t n = 0;
	buf_char(b, '[');
	while (!cut && items_next(&c, &item)) {
		size_t mark = eve_try(b);
		if (n++ == max_items) {
			cut = true;
			break;
		}
		eve_comma(b);
		eve_fields(b, d->item_fields, d->item_field_count, item.present, item.value,
			max_value, 0);
		cut = !eve_keep(b, mark, reserve);
	}
	buf_char(b, ']');
	return cut;
}
