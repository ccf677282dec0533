/* rule_text.c - Sigma texts: '*', '?', escapes, and case that does not matter (ASCII letters). */
#include "sensor/rule_impl.h"

static const uint8_t fold[256] = {
#define ROW(n) n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7
	ROW(0), ROW(8), ROW(16), ROW(24), ROW(32), ROW(40), ROW(48), ROW(56), 64, 'a', 'b', 'c',
	'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u',
	'v', 'w', 'x', 'y', 'z', 91, 92, 93, 94, 95, ROW(96), ROW(104), ROW(112), ROW(120),
	ROW(128), ROW(136), ROW(144), ROW(152), ROW(160), ROW(168), ROW(176), ROW(184), ROW(192),
	ROW(200), ROW(208), ROW(216), ROW(224), ROW(232), ROW(240), ROW(248)
#undef ROW
};

static bool same(const uint8_t *text, const uint8_t *part, size_t n, bool cased)
{
	if (cased)
		return memcmp(text, part, n) == 0;
	for (size_t i = 0; i < n; i++)
		if (fold[text[i]] != fold[part[i]])
			return false;
	return true;
}

bool text_folds_equal(const uint8_t *a, size_t n, const uint8_t *b, size_t m, bool cased)
{
	return n == m && (n == 0 || same(a, b, n, cased));
}

bool text_folds_within(const uint8_t *text, size_t n, const uint8_t *part, size_t m, bool cased)
{
	if (m == 0)
		return true;
	for (size_t i = 0; i + m <= n; i++)
		if ((cased ? text[i] == part[0] : fold[text[i]] == fold[part[0]]) &&
			same(text + i, part, m, cased))
			return true;
	return false;
}

/* [Sigma] "Escaping": a backslash makes '*', '?' and '\' plain, and is plain before anything else.
 */
static size_t unescape(uint16_t *out, const char *text, size_t len)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (c == '\\' && i + 1 < len && strchr("*?\\", text[i + 1]) != NULL)
			out[n++] = (uint8_t)text[++i];
		else if (c == '*') {
			if (n == 0 || out[n - 1] != GLOB_ANY)
				out[n++] = GLOB_ANY;
		} else
			out[n++] = c == '?' ? GLOB_ONE : (uint8_t)c;
	}
	return n;
}

static void wrap(uint16_t *glob, size_t *n, bool front, bool back)
{
	if (front && (*n == 0 || glob[0] != GLOB_ANY)) {
		memmove(glob + 1, glob, *n * sizeof *glob);
		glob[0] = GLOB_ANY;
		++*n;
	}
	if (back && (*n == 0 || glob[*n - 1] != GLOB_ANY))
		glob[(*n)++] = GLOB_ANY;
}

static enum pattern_shape shape_of(const uint16_t *glob, size_t n)
{
	bool front = n > 0 && glob[0] == GLOB_ANY, back = n > 1 && glob[n - 1] == GLOB_ANY;
	for (size_t i = front; i + back < n; i++)
		if (glob[i] >= GLOB_ANY)
			return SHAPE_GLOB;
	if (front && n == 1)
		return SHAPE_CONTAINS; /* "*": anything, even nothing */
	return front ? (back ? SHAPE_CONTAINS : SHAPE_SUFFIX) : back ? SHAPE_PREFIX : SHAPE_EXACT;
}

const char *pattern_make(struct pattern *p, const char *text, size_t len, enum anchor anchor,
	bool cased, struct arena *arena)
{
	uint16_t glob[PATTERN_MAX + 2];
	if (len > PATTERN_MAX)
		return "longer than 1,024 characters";
	size_t n = unescape(glob, text, len);
	wrap(glob, &n, anchor == ANCHOR_ENDS || anchor == ANCHOR_WITHIN,
		anchor == ANCHOR_STARTS || anchor == ANCHOR_WITHIN);
	if (!cased)
		for (size_t i = 0; i < n; i++)
			if (glob[i] < GLOB_ANY)
				glob[i] = fold[glob[i]];
	*p = (struct pattern){ .shape = shape_of(glob, n), .cased = cased };
	if (p->shape == SHAPE_GLOB) {
		uint16_t *copy = arena_array(arena, n, sizeof *copy);
		memcpy(copy, glob, n * sizeof *copy);
		p->glob = copy;
		p->len = (uint32_t)n;
		return NULL;
	}
	char *copy = arena_alloc(arena, n + 1);
	for (size_t i = 0; i < n; i++)
		if (glob[i] < GLOB_ANY)
			copy[p->len++] = (char)glob[i];
	p->text = copy;
	return NULL;
}

bool pattern_is_hex(const struct pattern *p)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	for (uint32_t i = 0; i < p->len; i++) {
		unsigned c = p->shape == SHAPE_GLOB ? p->glob[i] : (uint8_t)p->text[i];
		if (c < GLOB_ANY && (c == 0 || strchr(digits, (int)c) == NULL))
			return false;
	}
	return true;
}

/* Goes back to the last '*' only: what an earlier one would allow, the last one does too. */
static bool glob_matches(const struct pattern *p, const uint8_t *text, size_t len)
{
	size_t at = 0, t = 0, star = SIZE_MAX, resume = 0;
	while (t < len) {
		unsigned c = p->cased ? text[t] : fold[text[t]];
		if (at < p->len && p->glob[at] == GLOB_ANY) {
			star = at++;
			resume = t;
		} else if (at < p->len && (p->glob[at] == GLOB_ONE || p->glob[at] == c)) {
			at++;
			t++;
		} else if (star != SIZE_MAX) {
			at = star + 1;
			t = ++resume;
		} else
			return false;
	}
	while (at < p->len && p->glob[at] == GLOB_ANY)
		at++;
	return at == p->len;
}

bool pattern_matches(const struct pattern *p, const uint8_t *text, size_t len)
{
	const uint8_t *want = (const uint8_t *)p->text;
	size_t n = p->len;
	switch (p->shape) {
	case SHAPE_EXACT:
		return text_folds_equal(text, len, want, n, p->cased);
	case SHAPE_PREFIX:
		return len >= n && (n == 0 || same(text, want, n, p->cased));
	case SHAPE_SUFFIX:
		return len >= n && (n == 0 || same(text + len - n, want, n, p->cased));
	case SHAPE_CONTAINS:
		return text_folds_within(text, len, want, n, p->cased);
	default:
		return glob_matches(p, text, len);
	}
}

uint64_t key_of_bytes(const uint8_t *bytes, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ len;
	for (; len >= 8; bytes += 8, len -= 8) {
		uint64_t word;
		memcpy(&word, bytes, 8);
		h = (h ^ word) * UINT64_C(0x9e3779b97f4a7c15);
		h ^= h >> 29;
	}
	for (; len > 0; bytes++, len--)
		h = (h ^ *bytes) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}

uint64_t key_of_text(const uint8_t *text, size_t len)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (size_t i = 0; i < len; i++)
		h = (h ^ fold[text[i]]) * UINT64_C(0x100000001b3);
	return h ^ h >> 32;
}
