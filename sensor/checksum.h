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

static inline uint64_t sum_few(uint64_t sum, const uint8_t *at, size_t n)
{
	uint8_t word[8] = { 0 };
	for (size_t i = 0; i < n; i++)
		word[i] = at[i];
	return sum_word(sum, word);
}

/* The last 1 to 8 bytes before @end, as if zeros followed; there are at least 8 before it. No
 * branch asks how many they are: lengths differ from packet to packet, and wrong guesses cost more
 * than all of the sum. */
static inline uint64_t sum_last(uint64_t sum, const uint8_t *end, size_t n)
{
	uint64_t word;
	memcpy(&word, end - sizeof(word), sizeof(word));
	return sum_wide(sum, htole64(le64toh(word) >> (64 - 8 * n)));
}

/* Adds bytes to a sum. */
static inline uint64_t sum_add(uint64_t sum, const uint8_t *at, size_t n)
{
	if (n < 8)
		return sum_few(sum, at, n);
	for (; n > 16; at += 16, n -= 16)
		sum = sum_word(sum_word(sum, at), at + 8);
	if (n > 8) {
		sum = sum_word(sum, at);
		at += 8;
		n -= 8;
	}
	return sum_last(sum, at + n, n);
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
