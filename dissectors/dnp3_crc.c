/* dnp3_crc.c - the CRC of DNP3 link frames, eight octets a step.
 * Spec: [1815] 9.2.4.3.2 and annex E: x^16+x^13+x^12+x^11+x^10+x^8+x^6+x^5+x^2+1, inverted. */
#include "dissectors/dnp3.h"

/* A CRC is linear: the entry of an octet is the xor of the entries of its bits. So each table
 * is given by its eight single bits, and the compiler works out the rest. */
// clang-format off
#define BIT(i, b, c) ((i) >> (b) & 1 ? (c) : 0)
#define ENTRY(i, a, b, c, d, e, f, g, h) \
	(BIT(i, 0, a) ^ BIT(i, 1, b) ^ BIT(i, 2, c) ^ BIT(i, 3, d) ^ \
	 BIT(i, 4, e) ^ BIT(i, 5, f) ^ BIT(i, 6, g) ^ BIT(i, 7, h))
#define ROW4(i, ...) ENTRY(i, __VA_ARGS__), ENTRY(i + 1, __VA_ARGS__), ENTRY(i + 2, __VA_ARGS__), ENTRY(i + 3, __VA_ARGS__)
#define ROW16(i, ...) ROW4(i, __VA_ARGS__), ROW4(i + 4, __VA_ARGS__), ROW4(i + 8, __VA_ARGS__), ROW4(i + 12, __VA_ARGS__)
#define ROW64(i, ...) ROW16(i, __VA_ARGS__), ROW16(i + 16, __VA_ARGS__), ROW16(i + 32, __VA_ARGS__), ROW16(i + 48, __VA_ARGS__)
#define TABLE(...) { ROW64(0, __VA_ARGS__), ROW64(64, __VA_ARGS__), ROW64(128, __VA_ARGS__), ROW64(192, __VA_ARGS__) }

/* tables[k][x]: octet x, then k octets of zero */
static const uint16_t tables[8][256] = {
	TABLE(0x365e, 0x6cbc, 0xd978, 0xff89, 0xb26b, 0x29af, 0x535e, 0xa6bc),
	TABLE(0xab4e, 0x1be5, 0x37ca, 0x6f94, 0xdf28, 0xf329, 0xab2b, 0x1b2f),
	TABLE(0x19b8, 0x3370, 0x66e0, 0xcdc0, 0xd6f9, 0xe08b, 0x8c6f, 0x55a7),
	TABLE(0xc2e8, 0xc8a9, 0xdc2b, 0xf52f, 0xa727, 0x0337, 0x066e, 0x0cdc),
	TABLE(0x2306, 0x460c, 0x8c18, 0x5549, 0xaa92, 0x185d, 0x30ba, 0x6174),
	TABLE(0xb5e7, 0x26b7, 0x4d6e, 0x9adc, 0x78c1, 0xf182, 0xae7d, 0x1183),
	TABLE(0x5f62, 0xbec4, 0x30f1, 0x61e2, 0xc3c4, 0xcaf1, 0xd89b, 0xfc4f),
	TABLE(0x1612, 0x2c24, 0x5848, 0xb090, 0x2c59, 0x58b2, 0xb164, 0x2fb1),
};
// clang-format on

uint16_t dnp3_crc(const uint8_t *p, size_t n)
{
	unsigned crc = 0;
	for (; n >= 8; n -= 8, p += 8)
		crc = (unsigned)(tables[7][p[0] ^ (crc & 255)] ^ tables[6][p[1] ^ crc >> 8] ^
				 tables[5][p[2]] ^ tables[4][p[3]] ^ tables[3][p[4]] ^
				 tables[2][p[5]] ^ tables[1][p[6]] ^ tables[0][p[7]]);
	for (; n >= 4; n -= 4, p += 4)
		crc = (unsigned)(tables[3][p[0] ^ (crc & 255)] ^ tables[2][p[1] ^ crc >> 8] ^
				 tables[1][p[2]] ^ tables[0][p[3]]);
	for (; n > 0; n--, p++)
		crc = crc >> 8 ^ tables[0][(crc ^ *p) & 255];
	return (uint16_t)~crc;
}
