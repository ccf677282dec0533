/* limiter.h - remembers how often something was told, in bounded memory. */
#ifndef SENSOR_LIMITER_H
#define SENSOR_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A fixed table; where it is full, the entry of the same row that rested longest is forgotten (so
 * that a forgotten thing is told again, never kept back unsaid). @seed hides from the network which
 * keys meet in a row; a replay takes 0. */
struct limiter;
struct limiter *limiter_new(size_t entries, uint64_t seed);
void limiter_free(struct limiter *l);

/* Adds @count to what was seen of @key; true at the first time and each time the number of
 * occurrences has doubled. *sum is then the counts since it was last told. */
bool limiter_doubling(
	struct limiter *l, uint64_t key, int64_t now_ns, uint64_t count, uint64_t *sum);

/* One step of a hash over what makes a key. */
static inline uint64_t key_mix(uint64_t key, uint64_t value)
{
	key = (key ^ value) * UINT64_C(0x9e3779b97f4a7c15);
	return key ^ key >> 29;
}
/* The last step where single bits are used, as for a row of a table: each depends on all. */
static inline uint64_t key_end(uint64_t key)
{
	key = (key ^ key >> 33) * UINT64_C(0xff51afd7ed558ccd);
	key = (key ^ key >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
	return key ^ key >> 33;
}
uint64_t key_mix_bytes(uint64_t key, const uint8_t *bytes, size_t n);

#endif
