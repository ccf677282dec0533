/* buf.c - numbers and strings into fixed memory, without locale or allocation. */
#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void buf_uint(struct buf *b, uint64_t v)
{
	char digits[20];
	size_t n = sizeof digits;
	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
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
	if (c == '"' || c == '\\') {
		buf_char(b, '\\');
		buf_char(b, (char)c);
	} else {
		escape(b, c);
	}
}

void buf_json_string(struct buf *b, const void *bytes, size_t n, size_t max)
{
	const uint8_t *s = bytes;
	size_t end = n < max ? n : max;
	buf_char(b, '"');
	for (size_t i = 0; i < end;) {
		size_t plain = i;
		while (plain < end && s[plain] >= 0x20 && s[plain] < 0x7f && s[plain] != '"' &&
			s[plain] != '\\')
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
