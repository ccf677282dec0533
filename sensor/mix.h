/* mix.h - a keyed hash of a few instructions, for tables that the network must not foresee.
 * One multiplication takes in 16 bytes, as in wyhash; whoever does not know the key cannot choose
 * bytes that meet. */
#ifndef SENSOR_MIX_H
#define SENSOR_MIX_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t mix_load(const uint8_t *at)
{
	uint64_t v;
	memcpy(&v, at, sizeof v);
	return v;
}

/* Both halves of a 128-bit product, folded. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
	__extension__ unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Less than 8 bytes as a number. */
static inline uint64_t mix_few(const uint8_t *at, size_t n)
{
	uint32_t low, high;
	if (n >= 4) {
		memcpy(&low, at, sizeof low);
		memcpy(&high, at + n - 4, sizeof high);
		return (uint64_t)high << 32 | low;
	}
	return n == 0 ? 0 : (uint64_t)at[0] << 16 | (uint64_t)at[n / 2] << 8 | at[n - 1];
}

static inline uint64_t mix_bytes(const uint64_t key[2], const uint8_t *at, size_t n)
{
	uint64_t h = key[0] ^ n;
	for (; n > 16; at += 16, n -= 16)
		h = mix(mix_load(at) ^ key[1], mix_load(at + 8) ^ h);
	if (n < 8)
		return mix(mix_few(at, n) ^ key[1], h);
	return mix(mix_load(at) ^ key[1], mix_load(at + n - 8) ^ h);
}

#endif
