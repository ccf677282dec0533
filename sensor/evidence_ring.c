/* evidence_ring.c - entries in one ring; frames one after the other in blocks, of which the oldest
 * is used again. */
#include "sensor/evidence_ring.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "sensor/limiter.h"
#include "sensor/mix.h"

enum {
	PER_ENTRY = 128, /* bytes of memory: a frame of a plant takes 60 to 200 */
	ENTRIES_MIN = 1024,
	ENTRIES_MAX = 4 << 20, /* a walk over all takes some milliseconds */
	BLOCKS = 8,
	LARGE_PAGE = 2 << 20,
	ALIGN = _Alignof(struct kept_frame),
};

#define SPREAD UINT64_C(0x9e3779b97f4a7c15)

struct evidence_ring {
	uint64_t secret;
	struct kept_entry *entry; /* a power of two of them */
	uint64_t mask;
	uint64_t newest;
	uint8_t *bytes;
	uint32_t at, end; /* where the next frame goes, and where its block ends */
	uint32_t block_size, block;
	uint64_t first[BLOCKS]; /* index of each block's first frame */
	uint64_t oldest;        /* whose bytes are there */
};

/* In large pages, where the system has some: what is written once and then not for long costs a
 * lookup for each page. Taken before the first packet, so that none waits for a page. */
static void *pages(size_t n)
{
	void *at = NULL;
	if (posix_memalign(&at, LARGE_PAGE, n) != 0)
		return NULL;
	madvise(at, n, MADV_HUGEPAGE);
	madvise(at, n, MADV_POPULATE_WRITE);
	return at;
}

static void make_room(struct evidence_ring *r, size_t bytes)
{
	uint64_t entries = ENTRIES_MIN;
	while (entries * 2 * PER_ENTRY <= bytes && entries < ENTRIES_MAX)
		entries *= 2;
	size_t table = entries * sizeof *r->entry;
	size_t block = (bytes > 2 * table ? bytes - table : table) / BLOCKS;
	r->mask = entries - 1;
	r->block_size = (uint32_t)(block - block % ALIGN);
	r->entry = pages(table);
	r->bytes = pages((size_t)r->block_size * BLOCKS);
}

struct evidence_ring *evidence_ring_new(size_t bytes, uint64_t seed)
{
	struct evidence_ring *r = calloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	make_room(r, bytes);
	r->secret = key_end(seed + SPREAD);
	r->end = r->block_size;
	r->oldest = r->first[0] = 1;
	if (r->entry != NULL && r->bytes != NULL)
		return r;
	evidence_ring_free(r);
	return NULL;
}

void evidence_ring_free(struct evidence_ring *r)
{
	if (r == NULL)
		return;
	free(r->entry);
	free(r->bytes);
	free(r);
}

void evidence_ring_clear(struct evidence_ring *r)
{
	r->oldest = r->newest + 1;
}

/* --- keys -------------------------------------------------------------------------------- */

/* Of IPv4 addresses only the upper half differs. */
static uint64_t address(const struct addr *a)
{
	uint64_t half[2];
	memcpy(half, a->bytes, sizeof half);
	return half[0] * SPREAD ^ half[1];
}

/* Different for different IPv4 addresses. */
static uint32_t host_of(uint64_t address)
{
	return (uint32_t)(address >> 32) + (uint32_t)address;
}

uint32_t evidence_host(const struct addr *a)
{
	return host_of(address(a));
}

/* The order of the ends does not matter. Never 0. */
static uint32_t key_of(const struct evidence_ring *r, uint8_t l4, uint64_t a, uint16_t a_port,
	uint64_t b, uint16_t b_port)
{
	uint64_t ends = mix(a ^ a_port ^ r->secret, b ^ b_port ^ r->secret);
	return (uint32_t)(ends >> 32 ^ (uint64_t)l4 << 1) | 1;
}

static uint32_t key_of_pieces(const struct evidence_ring *r, uint64_t pieces)
{
	return pieces == 0 ? 0 : (uint32_t)key_end(pieces ^ r->secret) | 1;
}

uint32_t evidence_key(const struct evidence_ring *r, uint8_t l4, const struct addr *a,
	uint16_t a_port, const struct addr *b, uint16_t b_port)
{
	return key_of(r, l4, address(a), a_port, address(b), b_port);
}

/* --- keeping ----------------------------------------------------------------------------- */

static struct kept_frame *frame_at(const struct evidence_ring *r, uint32_t off)
{
	return (struct kept_frame *)(void *)(r->bytes + off);
}

/* What the block held is forgotten. */
static void begin_block(struct evidence_ring *r)
{
	r->block = (r->block + 1) % BLOCKS;
	r->first[r->block] = r->newest + 1;
	r->at = r->block * r->block_size;
	r->end = r->at + r->block_size;
	uint64_t oldest = r->first[(r->block + 1) % BLOCKS];
	if (oldest > r->oldest)
		r->oldest = oldest;
}

void evidence_ring_keep(struct evidence_ring *r, const struct packet *p)
{
	const uint32_t header = sizeof(struct kept_frame), most = r->block_size - header;
	uint32_t n = p->caplen <= most ? p->caplen : most;
	if (header + n > r->end - r->at)
		begin_block(r);
	struct kept_frame *k = frame_at(r, r->at);
	k->at = p->at;
	k->link = p->link;
	k->caplen = n;
	k->wirelen = p->wirelen;
	k->pieces = 0;
	memcpy(k->bytes, p->bytes, n);
	r->entry[++r->newest & r->mask] = (struct kept_entry){ .off = r->at };
	r->at += (header + n + ALIGN - 1) / ALIGN * ALIGN;
}

void evidence_ring_file(struct evidence_ring *r, const struct packet *p, bool done)
{
	if (p->src.family == 0)
		return;
	struct kept_entry *e = &r->entry[r->newest & r->mask];
	uint64_t src = address(&p->src), dst = address(&p->dst);
	e->host[0] = host_of(src);
	e->host[1] = host_of(dst);
	if (!done) {
		e->key = key_of_pieces(r, p->pieces);
		return;
	}
	e->key = key_of(r, p->l4, src, p->sport, dst, p->dport);
	if (p->pieces != 0)
		frame_at(r, e->off)->pieces = key_of_pieces(r, p->pieces);
}

/* --- finding ----------------------------------------------------------------------------- */

size_t evidence_ring_room(const struct evidence_ring *r)
{
	return r->mask + 1;
}

uint64_t evidence_ring_newest(const struct evidence_ring *r)
{
	return r->newest;
}

uint64_t evidence_ring_oldest(const struct evidence_ring *r)
{
	uint64_t entries = r->mask + 1;
	return r->newest < r->oldest + entries ? r->oldest : r->newest - entries + 1;
}

const struct kept_entry *evidence_ring_entry(const struct evidence_ring *r, uint64_t i)
{
	return &r->entry[i & r->mask];
}

const struct kept_frame *evidence_ring_frame(const struct evidence_ring *r, uint64_t i)
{
	return frame_at(r, evidence_ring_entry(r, i)->off);
}

uint64_t evidence_ring_find(const struct evidence_ring *r, uint64_t frame)
{
	uint64_t low = evidence_ring_oldest(r), high = r->newest;
	while (low <= high) {
		uint64_t middle = low + (high - low) / 2;
		uint64_t at = evidence_ring_frame(r, middle)->at.frame;
		if (at == frame)
			return middle;
		if (at < frame)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return 0;
}

/* From @i back to @from the first of that key. */
static uint64_t of_key(const struct evidence_ring *r, uint64_t i, uint64_t from, uint32_t key)
{
	while (i >= from && r->entry[i & r->mask].key != key)
		i--;
	return i >= from ? i : 0;
}

uint64_t evidence_ring_last(const struct evidence_ring *r, uint32_t key)
{
	return of_key(r, r->newest, evidence_ring_oldest(r), key);
}

uint64_t evidence_ring_before(const struct evidence_ring *r, uint64_t i)
{
	uint32_t key = evidence_ring_entry(r, i)->key;
	uint64_t from = evidence_ring_oldest(r);
	if (i > from + EVIDENCE_NEAR)
		from = i - EVIDENCE_NEAR;
	return key == 0 ? 0 : of_key(r, i - 1, from, key);
}
