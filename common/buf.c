/* buf.c - numbers and strings into fixed memory, without locale or allocation. */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* "00" to "99". */
#define TEN(d) d "0" d "1" d "2" d "3" d "4" d "5" d "6" d "7" d "8" d "9"
static const char pairs[] =
	TEN("0") TEN("1") TEN("2") TEN("3") TEN("4") TEN("5") TEN("6") TEN("7") TEN("8") TEN("9");
#undef TEN

void buf_uint(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t n = sizeof digits;
	while (v >= 100) {
		n -= 2;
		memcpy(digits + n, pairs + v % 100 * 2, 2);
		v /= 100;
	}
	if (v >= 10) {
		n -= 2;
		memcpy(digits + n, pairs + v * 2, 2);
	} else {
		digits[--n] = (char)('0' + v);
	}
	buf_add(b, digits + n, sizeof digits - n);
}

void buf_int(struct buf *b, int64_t v)
{
	if (v < 0)
		buf_char(b, '-');
	buf_uint(b, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_real(struct buf *b, double v)
{
	if (v >= -1e15 && v <= 1e15 && v == (double)(int64_t)v) {
		buf_int(b, (int64_t)v);
		return;
	}
	char text[32];
	for (int precision = 6; precision <= 17; precision++) {
		snprintf(text, sizeof text, "%.*g", precision, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_str(b, text);
}

static const char hex[] = "0123456789abcdef";

void buf_hex(struct buf *b, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char pair[2] = { hex[bytes[i] >> 4], hex[bytes[i] & 15] };
		buf_add(b, pair, 2);
	}
}

void buf_base64(struct buf *b, const uint8_t *bytes, size_t n)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	for (size_t i = 0; i < n; i += 3) {
		uint32_t v = (uint32_t)bytes[i] << 16;
		if (i + 1 < n)
			v |= (uint32_t)bytes[i + 1] << 8;
		if (i + 2 < n)
			v |= bytes[i + 2];
		char four[4] = { letters[v >> 18], letters[v >> 12 & 63], letters[v >> 6 & 63],
			letters[v & 63] };
		if (i + 2 >= n)
			four[3] = '=';
		if (i + 1 >= n)
			four[2] = '=';
		buf_add(b, four, sizeof four);
	}
}

void buf_printf(struct buf *b, const char *format, ...)
{
	if (b->full)
		return;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(b->at + b->len, b->cap - b->len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= b->cap - b->len)
		b->full = true;
	else
		b->len += (size_t)n;
}

/* Bytes of the well-formed UTF-8 sequence at s, 0 if there is none. Unicode 15, table 3-7. */
static size_t utf8_length(const uint8_t *s, size_t left)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n;
	if (s[0] >= 0xc2 && s[0] <= 0xdf) {
		n = 2;
	} else if (s[0] >= 0xe0 && s[0] <= 0xef) {
		n = 3;
		if (s[0] == 0xe0)
			low = 0xa0;
		if (s[0] == 0xed)
			high = 0x9f;
	} else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
		n = 4;
		if (s[0] == 0xf0)
			low = 0x90;
		if (s[0] == 0xf4)
			high = 0x8f;
	} else {
		return 0;
	}
	if (left < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

static void escape(struct buf *b, uint8_t c)
{
	char text[] = { '\\', 'u', '0', '0', hex[c >> 4], hex[c & 15] };
	buf_add(b, text, sizeof text);
}

static void escaped_char(struct buf *b, uint8_t c)
{
	if (c == '\0') {
		buf_lit(b, "\xef\xbf\xbd");
	} else if (c == '"' || c == '\\') {
		buf_char(b, '\\');
		buf_char(b, (char)c);
	} else {
		escape(b, c);
	}
}

static inline bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

#define EVERY(byte) (UINT64_C(0x0101010101010101) * (byte))

/* Top bits of bytes that are zero; a byte above such a one may be marked too. */
static uint64_t zero_bytes(uint64_t x)
{
	return (x - EVERY(1)) & ~x & EVERY(0x80);
}

/* None of eight bytes wants escaping. */
static bool eight_plain(const uint8_t *s)
{
	uint64_t x;
	memcpy(&x, s, sizeof x);
	uint64_t control = (x - EVERY(0x20)) & ~x & EVERY(0x80);
	uint64_t special = zero_bytes(x ^ EVERY('"')) | zero_bytes(x ^ EVERY('\\')) |
			   zero_bytes(x ^ EVERY(0x7f));
	return (control | special | (x & EVERY(0x80))) == 0;
}

void buf_json_string(struct buf *b, const void *bytes, size_t n, size_t max)
{
	const uint8_t *s = bytes;
	size_t end = n < max ? n : max;
	buf_char(b, '"');
	for (size_t i = 0; i < end;) {
		size_t plain = i;
		while (end - plain >= 8 && eight_plain(s + plain))
			plain += 8;
		while (plain < end && is_plain(s[plain]))
			plain++;
		buf_add(b, s + i, plain - i);
		i = plain;
		if (i == end)
			break;
		if (s[i] < 0x80) {
			escaped_char(b, s[i++]);
			continue;
		}
		size_t length = utf8_length(s + i, end - i);
		if (length == 0) {
			buf_lit(b, "\xef\xbf\xbd");
			i++;
		} else if (length == 2 && s[i] == 0xc2 && s[i + 1] < 0xa0) {
			escape(b, s[i + 1]);
			i += 2;
		} else {
			buf_add(b, s + i, length);
			i += length;
		}
	}
	buf_char(b, '"');
}
