/* sketch.h - how many different things there were, in a fixed number of bits: linear counting
 * (Whang et al., 1990). Each thing sets one bit by its hash; n = -m ln(share of bits not set). With
 * 1024 bits the standard error is below 3 % up to 1,500 things, and 7,000 is the most it can say.
 */
#ifndef SENSOR_SKETCH_H
#define SENSOR_SKETCH_H

#include <stdbool.h>
#include <stdint.h>

/* @words of 64 bits, a power of two. True if the bit was not set: @hash is new. */
static inline bool sketch_add(uint64_t *bits, unsigned words, uint64_t hash)
{
	uint64_t place = hash >> 32 & (words * UINT64_C(64) - 1);
	uint64_t bit = UINT64_C(1) << (place & 63), *word = &bits[place >> 6];
	bool fresh = (*word & bit) == 0;
	*word |= bit;
	return fresh;
}

uint32_t sketch_count(const uint64_t *bits, unsigned words);

#endif
