/* wire.h - test bytes, pasted as hex. */
#ifndef TESTS_UNIT_WIRE_H
#define TESTS_UNIT_WIRE_H

#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A heap block of exactly len bytes, so that ASan sees a read one byte too far. Caller frees bytes.
 */
struct wire {
	uint8_t *bytes;
	size_t len;
};

static inline struct wire wire_copy(const uint8_t *bytes, size_t n)
{
	struct wire w = { .bytes = malloc(n == 0 ? 1 : n), .len = n };
	if (w.bytes == NULL)
		abort();
	if (n > 0)
		memcpy(w.bytes, bytes, n);
	return w;
}

/* Hex digits, blanks ignored; aborts on anything else, for tests must not guess. */
static inline struct wire wire_hex(const char *text)
{
	uint8_t bytes[65536];
	size_t digits = 0;
	for (; *text != '\0'; text++) {
		if (isspace((unsigned char)*text))
			continue;
		int c = tolower((unsigned char)*text);
		if (!isxdigit(c) || digits / 2 == sizeof bytes)
			abort();
		uint8_t v = (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
		bytes[digits / 2] = (uint8_t)(digits % 2 == 0 ? v << 4 : bytes[digits / 2] | v);
		digits++;
	}
	if (digits % 2 != 0)
		abort();
	return wire_copy(bytes, digits / 2);
}

#endif
