/* point_value.c - from bytes to engineering units. */
#include "sensor/point_value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "dissectors/reader.h"

/* ---- quality ---- */

size_t quality_text(unsigned quality, char *out, size_t cap)
{
	static const char *const names[QUALITIES] = { "offline", "restart", "comm_lost",
		"remote_forced", "local_forced", "chatter", "discontinuity", "over_range",
		"reference_error", "nan", "infinite", "not_bcd", "refused" };
	size_t len = 0;
	for (unsigned i = 0; i < QUALITIES; i++) {
		size_t n = strlen(names[i]);
		if ((quality >> i & 1) == 0 || len + n + 1 > cap)
			continue;
		if (len > 0)
			out[len++] = ',';
		memcpy(out + len, names[i], n);
		len += n;
	}
	return len;
}

/* [1815] annex A: the low five bits are the same for all; bits 5 and 6 are of the kind of point. */
unsigned quality_dnp3(enum point_table table, uint8_t flags)
{
	static const struct {
		uint16_t bit5, bit6;
	} own[POINT_TABLES] = {
		[POINT_BINARY_INPUT] = { QUALITY_CHATTER, 0 },
		[POINT_DOUBLE_BIT_INPUT] = { QUALITY_CHATTER, 0 },
		[POINT_COUNTER] = { 0, QUALITY_DISCONTINUITY },
		[POINT_FROZEN_COUNTER] = { 0, QUALITY_DISCONTINUITY },
		[POINT_ANALOG_INPUT] = { QUALITY_OVER_RANGE, QUALITY_REFERENCE },
		[POINT_FROZEN_ANALOG_INPUT] = { QUALITY_OVER_RANGE, QUALITY_REFERENCE },
		[POINT_ANALOG_OUTPUT] = { QUALITY_OVER_RANGE, QUALITY_REFERENCE },
	};
	bool double_bit = table == POINT_DOUBLE_BIT_INPUT;
	unsigned q = (flags & 1) == 0 ? QUALITY_OFFLINE : 0;
	q |= flags &
	     (QUALITY_RESTART | QUALITY_COMM_LOST | QUALITY_REMOTE_FORCED | QUALITY_LOCAL_FORCED);
	if (flags & 0x20)
		q |= own[table].bit5;
	if ((flags & 0x40) && !double_bit)
		q |= own[table].bit6;
	return q;
}

/* ---- bytes ---- */

/* The value's own bytes, most significant first. */
static void arrange(const struct point *p, const uint8_t *raw, unsigned n, uint8_t *out)
{
	bool swap_words = p->order == ORDER_CDAB || p->order == ORDER_DCBA;
	bool swap_bytes = p->order == ORDER_BADC || p->order == ORDER_DCBA;
	for (unsigned i = 0; i < n; i++) {
		unsigned word = i / 2, byte = i % 2;
		if (n > 1 && swap_words)
			word = n / 2 - 1 - word;
		if (n > 1 && swap_bytes)
			byte = 1 - byte;
		out[i] = raw[word * 2 + byte];
	}
}

static double bcd(uint64_t v, unsigned digits, unsigned *quality)
{
	double sum = 0;
	for (unsigned i = digits; i-- > 0;) {
		unsigned digit = v >> 4 * i & 15;
		if (digit > 9) {
			*quality |= QUALITY_NOT_BCD;
			return NAN;
		}
		sum = sum * 10 + digit;
	}
	return sum;
}

static double as_text(double v, int digits)
{
	char text[32];
	snprintf(text, sizeof text, "%.*g", digits, v);
	return strtod(text, NULL);
}

static const double tens[] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12,
	1e13, 1e14, 1e15, 1e16, 1e17, 1e18 };

/* Is it written with so many digits without an exponent, some of them behind the point? */
static bool is_handy(double size, int digits)
{
	return size >= 1e-4 && size < tens[digits];
}

/* Of those digits, how many stand behind the point. */
static int decimals_of(double size, int digits)
{
	int decimals = digits;
	while (size >= tens[digits - decimals])
		decimals--;
	for (double least = 0.1; size < least; least /= 10)
		decimals++;
	return decimals;
}

/* A whole number below 2^53 divided by a power of ten up to 10^22 is rounded once, as reading the
 * text is. */
static double round_at(double v, int decimals, int digits)
{
	double shifted = fabs(v) * tens[decimals], whole = (double)(int64_t)(shifted + 0.5);
	if (fabs(fabs(whole - shifted) - 0.5) < shifted * 0x1p-51) /* the product was rounded too */
		return as_text(v, digits);
	return copysign(whole / tens[decimals], v);
}

/* The double that is written with the fewest digits among those that are this float: 11.9 and not
 * 11.899999618530273. */
static double shortest(float f)
{
	double exact = (double)f, size = fabs(exact), v = exact;
	int least = 6, most = 9, decimals = is_handy(size, most) ? decimals_of(size, most) : 0;
	if (size == 0 || !isfinite(f))
		return exact;
	for (int digits = least; digits <= most; digits++) {
		v = is_handy(size, digits) ? round_at(exact, decimals + digits - most, digits)
					   : as_text(exact, digits);
		if ((float)v == f)
			break;
	}
	return v;
}

static double number_of(const struct point *p, uint64_t v, unsigned *quality)
{
	uint32_t v32 = (uint32_t)v;
	float single;
	double real;
	switch ((enum point_type)p->type) {
	case POINT_I8:
		return (int8_t)v;
	case POINT_I16:
		return (int16_t)v;
	case POINT_I32:
		return (int32_t)v;
	case POINT_I64:
		return (double)(int64_t)v;
	case POINT_FLOAT32:
		memcpy(&single, &v32, sizeof single);
		return shortest(single);
	case POINT_FLOAT64:
		memcpy(&real, &v, sizeof real);
		return real;
	case POINT_BCD16:
		return bcd(v, 4, quality);
	case POINT_BCD32:
		return bcd(v, 8, quality);
	default:
		return (double)v;
	}
}

/* A product such as 119 × 0.1 without the noise of its last bits. */
static double tidy(double v)
{
	enum { DIGITS = 14 };
	double size = fabs(v);
	if (size == 0)
		return v;
	return is_handy(size, DIGITS) ? round_at(v, decimals_of(size, DIGITS), DIGITS)
				      : as_text(v, DIGITS);
}

double point_scale(const struct point *p, double v, unsigned *quality)
{
	double scaled = v;
	if (p->scale != 1 || p->offset != 0)
		scaled = tidy(v * p->scale + p->offset);
	if (isfinite(scaled))
		return scaled;
	if (isnan(scaled) && *quality == 0)
		*quality = QUALITY_NAN;
	if (isinf(scaled))
		*quality |= QUALITY_INFINITE;
	return NAN;
}

double point_decode(const struct point *p, const uint8_t raw[POINT_BYTES], unsigned *quality)
{
	uint8_t bytes[POINT_BYTES];
	unsigned n = point_bytes(p);
	*quality = 0;
	if (p->order != ORDER_ABCD) {
		arrange(p, raw, n, bytes);
		raw = bytes;
	}
	struct reader in = rd_over(raw, n);
	uint64_t v = n == 2 ? rd_be16(&in) : n == 4 ? rd_be32(&in) : rd_be(&in, n);
	if (p->width == 1)
		v = v >> p->bit & 1;
	else if (p->type == POINT_U8 || p->type == POINT_I8)
		v &= 0xff; /* of a register its low byte */
	return point_scale(p, number_of(p, v, quality), quality);
}
