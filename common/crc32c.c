/* crc32c.c - Castagnoli's CRC (RFC 3720, appendix B.4), by the processor where it can. */
#include "common/crc32c.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

static uint32_t table[8][256];
static bool has_instruction;

/* table[k][b]: the effect of byte b with k zero bytes behind it. */
static void fill(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c >> 1 ^ (c & 1 ? 0x82f63b78 : 0);
		table[0][i] = c;
	}
	for (uint32_t i = 0; i < 256; i++)
		for (int k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
#if defined(__x86_64__)
	has_instruction = __builtin_cpu_supports("sse4.2") != 0;
#endif
}

static uint32_t by_table(uint32_t c, const uint8_t *s, size_t n)
{
	for (; n >= 8; n -= 8, s += 8) {
		c ^= (uint32_t)s[0] | (uint32_t)s[1] << 8 | (uint32_t)s[2] << 16 |
		     (uint32_t)s[3] << 24;
		c = table[7][c & 0xff] ^ table[6][c >> 8 & 0xff] ^ table[5][c >> 16 & 0xff] ^
		    table[4][c >> 24] ^ table[3][s[4]] ^ table[2][s[5]] ^ table[1][s[6]] ^
		    table[0][s[7]];
	}
	for (; n > 0; n--)
		c = c >> 8 ^ table[0][(c ^ *s++) & 0xff];
	return c;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(
	uint32_t c, const uint8_t *s, size_t n)
{
	uint64_t wide = c;
	for (; n >= 8; n -= 8, s += 8) {
		uint64_t v;
		memcpy(&v, s, sizeof v);
		wide = __builtin_ia32_crc32di(wide, v);
	}
	c = (uint32_t)wide;
	for (; n > 0; n--)
		c = __builtin_ia32_crc32qi(c, *s++);
	return c;
}
#else
static uint32_t by_instruction(uint32_t c, const uint8_t *s, size_t n)
{
	return by_table(c, s, n);
}
#endif

uint32_t crc32c(uint32_t crc, const void *bytes, size_t n)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, fill);
	return ~(has_instruction ? by_instruction(~crc, bytes, n) : by_table(~crc, bytes, n));
}
