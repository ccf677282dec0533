/* checksum.h - the Internet checksum, RFC 1071. */
#ifndef SENSOR_CHECKSUM_H
#define SENSOR_CHECKSUM_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Sums are kept wide and in the byte order of memory: RFC 1071 2(B) shows that this is enough as
 * long as everything added is. Adding up to 2^16 values of 32 bits cannot overflow. */

/* Adds up to 64 KiB of bytes to a sum. */
static inline uint64_t sum_add(uint64_t sum, const uint8_t *at, size_t n)
{
	uint64_t even = sum, odd = 0;
	for (; n >= 16; at += 16, n -= 16) {
		uint64_t a, b;
		memcpy(&a, at, sizeof(a));
		memcpy(&b, at + 8, sizeof(b));
		even += (uint32_t)a;
		even += b >> 32;
		odd += a >> 32;
		odd += (uint32_t)b;
	}
	for (; n >= 4; at += 4, n -= 4) {
		uint32_t a;
		memcpy(&a, at, sizeof(a));
		even += a;
	}
	if (n & 2) {
		uint16_t a;
		memcpy(&a, at, sizeof(a));
		odd += a;
		at += 2;
	}
	if (n & 1) /* as if a zero followed */
		odd += htobe16((uint16_t)(*at << 8));
	return even + odd;
}

/* The same for an IPv4 header without options. */
static inline uint64_t sum_20(const uint8_t *at)
{
	uint64_t a, b;
	uint32_t c;
	memcpy(&a, at, sizeof(a));
	memcpy(&b, at + 8, sizeof(b));
	memcpy(&c, at + 16, sizeof(c));
	return (a >> 32) + (uint32_t)a + (b >> 32) + (uint32_t)b + c;
}

/* The sum of bytes that hold their own checksum is 0xffff when it is right. */
static inline uint16_t sum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

#endif
