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

/* What is known of a key when it may be told. */
struct limited {
	uint64_t key;     /* 0: not limited, and the rest is 0 too */
	uint64_t held;    /* occurrences held back since it was last told */
	uint64_t total;   /* occurrences since it opened, this one included */
	uint64_t open;    /* n of the event that opened it; 0: this one does */
	int64_t first_ns; /* when that was */
};

/* May an alert of @key go out at @now_ns, at most one in @period_ns? It stays open as long as it
 * occurs again within the period. */
bool limiter_every(
	struct limiter *l, uint64_t key, int64_t now_ns, int64_t period_ns, struct limited *out);
/* The event that opened @key has the number @n. */
void limiter_opened(struct limiter *l, uint64_t key, uint64_t n);

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
uint64_t key_mix_bytes(uint64_t key, const uint8_t *bytes, size_t n);

#endif
