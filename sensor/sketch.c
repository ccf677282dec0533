/* sketch.c - what a sketch has counted. */
#include "sensor/sketch.h"

#include <math.h>

uint32_t sketch_count(const uint64_t *bits, unsigned words)
{
	unsigned all = words * 64, set = 0;
	for (unsigned i = 0; i < words; i++)
		set += (unsigned)__builtin_popcountll(bits[i]);
	if (set == all) /* full: at least this */
		set = all - 1;
	return (uint32_t)lround(all * log((double)all / (all - set)));
}
