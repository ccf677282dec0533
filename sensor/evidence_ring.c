/* evidence_ring.c - records in one ring, their bytes in another, each frame in one piece. */
#include "sensor/evidence_ring.h"

#include <stdlib.h>
#include <string.h>

#include "sensor/limiter.h"

enum {
	PER_RECORD = 256, /* bytes of memory: a frame of a plant takes 64 to 200 */
	RECORDS_MIN = 1024,
};

struct evidence_ring {
	uint64_t seed;
	struct kept_frame *record; /* a power of two of them */
	uint64_t *bucket;          /* newest index of each */
	uint64_t mask, bucket_mask;
	uint64_t oldest, newest; /* indexes in use, from 1 */
	uint8_t *bytes;
	uint64_t size, pos; /* of bytes; where the next frame goes, counted on and on */
};

struct evidence_ring *evidence_ring_new(size_t bytes, uint64_t seed)
{
	uint64_t records = RECORDS_MIN;
	while (records * 2 * PER_RECORD <= bytes)
		records *= 2;
	uint64_t tables = records * (sizeof(struct kept_frame) + sizeof(uint64_t) / 2);
	struct evidence_ring *r = calloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	r->seed = seed;
	r->mask = records - 1;
	r->bucket_mask = records / 2 - 1;
	r->size = bytes > 2 * tables ? bytes - tables : tables;
	r->record = calloc(records, sizeof *r->record);
	r->bucket = calloc(records / 2, sizeof *r->bucket);
	r->bytes = malloc(r->size);
	r->oldest = 1;
	if (r->record != NULL && r->bucket != NULL && r->bytes != NULL)
		return r;
	evidence_ring_free(r);
	return NULL;
}

void evidence_ring_free(struct evidence_ring *r)
{
	if (r == NULL)
		return;
	free(r->record);
	free(r->bucket);
	free(r->bytes);
	free(r);
}

void evidence_ring_clear(struct evidence_ring *r)
{
	r->oldest = r->newest + 1;
}

/* --- keys -------------------------------------------------------------------------------- */

static uint64_t address(const struct evidence_ring *r, const struct addr *a)
{
	uint64_t half[2];
	memcpy(half, a->bytes, sizeof half);
	return key_mix(key_mix(r->seed, half[0]), half[1]);
}

uint32_t evidence_host(const struct evidence_ring *r, const struct addr *a)
{
	uint32_t host = (uint32_t)(address(r, a) >> 32);
	return host == 0 ? 1 : host;
}

/* Never 0. */
static uint64_t spoken(uint64_t key)
{
	return key == 0 ? 1 : key;
}

uint64_t evidence_key(const struct evidence_ring *r, uint8_t l4, const struct addr *a,
	uint16_t a_port, const struct addr *b, uint16_t b_port)
{
	uint64_t one = key_mix(address(r, a), a_port), other = key_mix(address(r, b), b_port);
	return spoken(key_mix(one + other, l4));
}

/* --- keeping ----------------------------------------------------------------------------- */

/* Where @n bytes in one piece may go. */
static uint64_t room(struct evidence_ring *r, uint32_t n)
{
	uint64_t at = r->pos, off = at % r->size;
	if (off + n > r->size)
		at += r->size - off;
	r->pos = at + n;
	while (r->oldest <= r->newest && (r->record[r->oldest & r->mask].pos + r->size < r->pos ||
						 r->newest - r->oldest >= r->mask))
		r->oldest++;
	return at;
}

void evidence_ring_keep(struct evidence_ring *r, const struct packet *p)
{
	uint32_t n = p->caplen <= r->size / 4 ? p->caplen : (uint32_t)(r->size / 4);
	uint64_t at = room(r, n);
	r->record[++r->newest & r->mask] = (struct kept_frame){ .ts_ns = p->at.ts_ns,
		.frame = p->at.frame,
		.pos = at,
		.caplen = n,
		.wirelen = p->wirelen,
		.link = p->link };
	memcpy(r->bytes + at % r->size, p->bytes, n);
}

void evidence_ring_file(struct evidence_ring *r, const struct packet *p, bool done)
{
	struct kept_frame *k = &r->record[r->newest & r->mask];
	if (done && p->pieces != 0)
		k->pieces = spoken(key_mix(r->seed, p->pieces));
	if (done)
		k->key = evidence_key(r, p->l4, &p->src, p->sport, &p->dst, p->dport);
	else if (p->pieces != 0)
		k->key = spoken(key_mix(r->seed, p->pieces));
	if (done || p->src.family != 0) {
		k->host[0] = evidence_host(r, &p->src);
		k->host[1] = evidence_host(r, &p->dst);
	}
	if (k->key == 0)
		return;
	uint64_t *bucket = &r->bucket[k->key >> 20 & r->bucket_mask];
	uint64_t back = *bucket == 0 ? 0 : r->newest - *bucket;
	k->back = back <= r->mask ? (uint32_t)back : 0;
	*bucket = r->newest;
}

/* --- finding ----------------------------------------------------------------------------- */

uint64_t evidence_ring_newest(const struct evidence_ring *r)
{
	return r->newest;
}

uint64_t evidence_ring_oldest(const struct evidence_ring *r)
{
	return r->oldest;
}

struct kept_frame *evidence_ring_at(const struct evidence_ring *r, uint64_t i)
{
	return &r->record[i & r->mask];
}

const uint8_t *evidence_ring_bytes(const struct evidence_ring *r, const struct kept_frame *k)
{
	return r->bytes + k->pos % r->size;
}

uint64_t evidence_ring_find(const struct evidence_ring *r, uint64_t frame)
{
	uint64_t low = r->oldest, high = r->newest;
	while (low <= high) {
		uint64_t middle = low + (high - low) / 2;
		uint64_t at = evidence_ring_at(r, middle)->frame;
		if (at == frame)
			return middle;
		if (at < frame)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return 0;
}

/* From @i on back through its bucket to one of that key. */
static uint64_t of_key(const struct evidence_ring *r, uint64_t i, uint64_t key)
{
	while (i >= r->oldest && i <= r->newest) {
		const struct kept_frame *k = evidence_ring_at(r, i);
		if (k->key == key)
			return i;
		if (k->back == 0 || k->back >= i)
			break;
		i -= k->back;
	}
	return 0;
}

uint64_t evidence_ring_last(const struct evidence_ring *r, uint64_t key)
{
	return of_key(r, r->bucket[key >> 20 & r->bucket_mask], key);
}

uint64_t evidence_ring_before(const struct evidence_ring *r, uint64_t i)
{
	const struct kept_frame *k = evidence_ring_at(r, i);
	return k->back == 0 || k->back >= i ? 0 : of_key(r, i - k->back, k->key);
}
