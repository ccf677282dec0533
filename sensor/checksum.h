/* checksum.h - the Internet checksum, RFC 1071. */
#ifndef SENSOR_CHECKSUM_H
#define SENSOR_CHECKSUM_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Sums are of 64 bits and in the byte order of memory: RFC 1071 2(B) shows that this is enough as
 * long as everything added is, and as what overflows comes round. */
static inline uint64_t sum_wide(uint64_t sum, uint64_t more)
{
	sum += more;
	return sum + (sum < more);
}

static inline uint64_t sum_word(uint64_t sum, const uint8_t *at)
{
	uint64_t more;
	memcpy(&more, at, sizeof(more));
	return sum_wide(sum, more);
}

/* Adds bytes to a sum. */
static inline uint64_t sum_add(uint64_t sum, const uint8_t *at, size_t n)
{
	for (; n >= 16; at += 16, n -= 16)
		sum = sum_word(sum_word(sum, at), at + 8);
	if (n & 8) {
		sum = sum_word(sum, at);
		at += 8;
	}
	if (n & 4) {
		uint32_t a;
		memcpy(&a, at, sizeof(a));
		sum = sum_wide(sum, a);
		at += 4;
	}
	if (n & 2) {
		uint16_t a;
		memcpy(&a, at, sizeof(a));
		sum = sum_wide(sum, a);
		at += 2;
	}
	if (n & 1) /* as if a zero followed */
		sum = sum_wide(sum, htobe16((uint16_t)(*at << 8)));
	return sum;
}

/* The same for an IPv4 header without options. */
static inline uint64_t sum_20(const uint8_t *at)
{
	uint32_t last;
	memcpy(&last, at + 16, sizeof(last));
	return sum_word(sum_word(last, at), at + 8);
}

/* The sum of bytes that hold their own checksum is 0xffff when it is right. Each step adds the two
 * halves: with them swapped below, what overflows comes round. */
static inline uint16_t sum_fold(uint64_t sum)
{
	uint32_t half = (uint32_t)((sum + (sum << 32 | sum >> 32)) >> 32);
	return (uint16_t)((half + (half << 16 | half >> 16)) >> 16);
}

#endif
