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
	uint64_t lap;       /* pos at the start of bytes */
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

static uint32_t host_of(uint64_t address)
{
	return (uint32_t)(address >> 32) | 1;
}

uint32_t evidence_host(const struct evidence_ring *r, const struct addr *a)
{
	return host_of(address(r, a));
}

/* Never 0. */
static uint64_t spoken(uint64_t key)
{
	return key == 0 ? 1 : key;
}

static uint64_t key_of(uint8_t l4, uint64_t a, uint16_t a_port, uint64_t b, uint16_t b_port)
{
	return spoken(key_mix(key_mix(a, a_port) + key_mix(b, b_port), l4));
}

uint64_t evidence_key(const struct evidence_ring *r, uint8_t l4, const struct addr *a,
	uint16_t a_port, const struct addr *b, uint16_t b_port)
{
	return key_of(l4, address(r, a), a_port, address(r, b), b_port);
}

/* --- keeping ----------------------------------------------------------------------------- */

/* Where @n bytes in one piece may go. */
static uint64_t room(struct evidence_ring *r, uint32_t n)
{
	if (r->pos - r->lap + n > r->size)
		r->lap = r->pos = r->lap + r->size;
	uint64_t at = r->pos;
	r->pos += n;
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
		.off = (uint32_t)(at - r->lap),
		.caplen = n,
		.wirelen = p->wirelen,
		.link = p->link };
	memcpy(r->bytes + (at - r->lap), p->bytes, n);
}

void evidence_ring_file(struct evidence_ring *r, const struct packet *p, bool done)
{
	struct kept_frame *k = &r->record[r->newest & r->mask];
	uint64_t pieces = p->pieces == 0 ? 0 : spoken(key_mix(r->seed, p->pieces));
	if (done || p->src.family != 0) {
		uint64_t src = address(r, &p->src), dst = address(r, &p->dst);
		k->host[0] = host_of(src);
		k->host[1] = host_of(dst);
		if (done)
			k->key = key_of(p->l4, src, p->sport, dst, p->dport);
	}
	if (done)
		k->pieces = pieces;
	else
		k->key = pieces;
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
	return r->bytes + k->off;
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
