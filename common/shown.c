/* shown.c - text from the wire on a terminal. */
#include "common/shown.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Code point and length of the character at @s; length 1 and @bad for a byte that is none. */
static uint32_t character(const uint8_t *s, size_t left, size_t *n, bool *bad)
{
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = s[0];
	*bad = false;
	*n = 1;
	if (c < 0x80)
		return c;
	size_t want = c >= 0xf0 && c < 0xf8 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 0;
	*bad = want == 0 || c >= 0xf8 || want > left;
	if (*bad)
		return c;
	uint32_t v = c & (0xffU >> (want + 1));
	for (size_t i = 1; i < want; i++) {
		if ((s[i] & 0xc0) != 0x80) {
			*bad = true;
			return c;
		}
		v = v << 6 | (s[i] & 0x3f);
	}
	*bad = v < least[want] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff);
	if (*bad)
		return c;
	*n = want;
	return v;
}

/* Characters that move the cursor, turn the direction or cannot be seen. */
static bool is_sly(uint32_t c)
{
	static const struct {
		uint32_t from, to;
	} sly[] = { { 0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x61c, 0x61c },
		{ 0x115f, 0x1160 }, { 0x17b4, 0x17b5 }, { 0x180b, 0x180e }, { 0x200b, 0x200f },
		{ 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0x3164, 0x3164 }, { 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff }, { 0xfff0, 0xfffb }, { 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe0fff } };
	for (size_t i = 0; i < sizeof sly / sizeof sly[0]; i++)
		if (c >= sly[i].from && c <= sly[i].to)
			return true;
	return false;
}

static void write_code(struct buf *out, uint32_t c)
{
	if (c < 0x10000)
		buf_printf(out, "\\u%04" PRIx32, c);
	else /* a surrogate pair, as JSON wants it */
		buf_printf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((c - 0x10000) >> 10),
			0xdc00 + ((c - 0x10000) & 0x3ff));
}

static void escape(struct buf *out, const char *text, size_t n, bool json)
{
	const uint8_t *s = (const uint8_t *)text;
	for (size_t i = 0, k; i < n; i += k) {
		bool bad;
		uint32_t c = character(s + i, n - i, &k, &bad);
		if (bad && json)
			buf_lit(out, "\\ufffd");
		else if (bad)
			buf_printf(out, "\\x%02x", s[i]);
		else if (is_sly(c))
			write_code(out, c);
		else
			buf_add(out, s + i, k);
	}
}

void shown_add(struct buf *out, const char *text, size_t n)
{
	escape(out, text, n, false);
}

void shown_add_json(struct buf *out, const char *text, size_t n)
{
	escape(out, text, n, true);
}

enum { LONGEST = 6 }; /* characters that a byte may become */

char *shown_text(const char *text)
{
	size_t n = strlen(text), cap = n * LONGEST + 1;
	char *all = malloc(cap);
	if (all == NULL)
		abort();
	struct buf b = buf_over(all, cap - 1);
	shown_add(&b, text, n);
	all[b.len] = '\0';
	return all;
}

void shown_print_json(FILE *out, const char *text)
{
	size_t len = strlen(text), cap = len * LONGEST;
	char *all = malloc(cap + 1);
	if (all == NULL)
		abort();
	struct buf b = buf_over(all, cap);
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");
		shown_add_json(&b, text, n);
		text += n;
		if (*text == '\n')
			buf_add(&b, text++, 1);
	}
	fwrite(all, 1, b.len, out);
	free(all);
}
