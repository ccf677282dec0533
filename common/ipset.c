/* ipset.c - disjoint sorted ranges. IPv4 by an index on the upper 16 bits, then a short binary
 * search; IPv6 by a search tree over the upper 64 bits laid out breadth first, which keeps its top
 * in cache. */
#include "common/ipset.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct number {
	uint64_t hi, lo;
};

struct range {
	struct number first, last;
};

struct ipset {
	struct range *range; /* as added, then disjoint and sorted; those of IPv4 taken out */
	size_t count, cap;
	uint64_t *hi;    /* range[].first.hi, filled up to whole blocks */
	uint64_t *tree;  /* the first of each block, in breadth-first order, from 1 */
	uint32_t *place; /* which block it is */
	size_t blocks;

	uint32_t *first4, *last4;
	size_t count4;
	uint32_t *index4; /* 65,537: of the first range that starts in each /16 */
};

enum {
	SLASH16S = 65536,
	BLOCK = 16,
	INDEX_FROM = 256 /* ranges; fewer are searched as they are */
};

static void *grab(size_t count, size_t size)
{
	void *p = calloc(count == 0 ? 1 : count, size);
	if (p == NULL) {
		fputs("bongsu: out of memory\n", stderr);
		exit(1);
	}
	return p;
}

static struct number number_of(const uint8_t bytes[16])
{
	struct number n = { 0, 0 };
	for (int i = 0; i < 8; i++) {
		n.hi = n.hi << 8 | bytes[i];
		n.lo = n.lo << 8 | bytes[i + 8];
	}
	return n;
}

static int compare(struct number a, struct number b)
{
	if (a.hi != b.hi)
		return a.hi < b.hi ? -1 : 1;
	return (a.lo > b.lo) - (a.lo < b.lo);
}

static bool is_v4(struct number n)
{
	return n.hi == 0 && n.lo >> 32 == 0xffff;
}

struct ipset *ipset_new(void)
{
	return grab(1, sizeof(struct ipset));
}

static uint64_t host_mask(unsigned bits)
{
	return bits >= 64 ? 0 : UINT64_MAX >> bits;
}

void ipset_add(struct ipset *set, const uint8_t bytes[16], unsigned bits)
{
	if (set->count == set->cap) {
		size_t cap = set->cap == 0 ? 16 : set->cap * 2;
		struct range *grown = realloc(set->range, cap * sizeof *grown);
		if (grown == NULL) {
			fputs("bongsu: out of memory\n", stderr);
			exit(1);
		}
		set->range = grown;
		set->cap = cap;
	}
	struct number n = number_of(bytes);
	uint64_t hi = host_mask(bits), lo = bits <= 64 ? UINT64_MAX : host_mask(bits - 64);
	struct range *r = &set->range[set->count++];
	r->first = (struct number){ n.hi & ~hi, n.lo & ~lo };
	r->last = (struct number){ n.hi | hi, n.lo | lo };
}

static int by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;
	return compare(x->first, y->first);
}

/* Does b start in a or right behind it? */
static bool touches(const struct range *a, const struct range *b)
{
	struct number next = { a->last.hi + (a->last.lo == UINT64_MAX), a->last.lo + 1 };
	bool wrapped = next.hi == 0 && next.lo == 0;
	return wrapped || compare(b->first, next) <= 0;
}

static void merge(struct ipset *set)
{
	qsort(set->range, set->count, sizeof *set->range, by_first);
	size_t n = 0;
	for (size_t i = 0; i < set->count; i++) {
		struct range *r = &set->range[i], *last = n == 0 ? NULL : &set->range[n - 1];
		if (last != NULL && touches(last, r)) {
			if (compare(r->last, last->last) > 0)
				last->last = r->last;
		} else
			set->range[n++] = *r;
	}
	set->count = n;
}

/* Ranges within ::ffff:0:0/96 go to their own arrays. A wider one covers all of IPv4 and stays:
 * it gets its IPv4 part copied. */
static void take_v4(struct ipset *set)
{
	static const struct number lowest = { 0, UINT64_C(0xffff00000000) };
	static const struct number highest = { 0, UINT64_C(0xffffffffffff) };
	size_t n = 0;
	set->first4 = grab(set->count, sizeof *set->first4);
	set->last4 = grab(set->count, sizeof *set->last4);
	for (size_t i = 0; i < set->count; i++) {
		struct range r = set->range[i];
		if (compare(r.last, lowest) >= 0 && compare(r.first, highest) <= 0) {
			struct number first = compare(r.first, lowest) < 0 ? lowest : r.first;
			struct number last = compare(r.last, highest) > 0 ? highest : r.last;
			set->first4[set->count4] = (uint32_t)first.lo;
			set->last4[set->count4++] = (uint32_t)last.lo;
		}
		if (!is_v4(r.first) || !is_v4(r.last))
			set->range[n++] = r;
	}
	set->count = n;
	if (set->count4 < INDEX_FROM)
		return;
	set->index4 = grab(SLASH16S + 1, sizeof *set->index4);
	uint32_t at = 0;
	for (uint32_t i = 0; i <= SLASH16S; i++) {
		while (at < set->count4 && set->first4[at] >> 16 < i)
			at++;
		set->index4[i] = at;
	}
}

/* Fills the tree in order: its in-order walk is the sorted array. */
static size_t lay_out(struct ipset *set, size_t block, size_t node)
{
	if (node > set->blocks)
		return block;
	block = lay_out(set, block, 2 * node);
	set->tree[node] = set->hi[block * BLOCK];
	set->place[node] = (uint32_t)block;
	return lay_out(set, block + 1, 2 * node + 1);
}

void ipset_ready(struct ipset *set)
{
	if (set->count == 0)
		return;
	merge(set);
	take_v4(set);
	set->blocks = (set->count + BLOCK - 1) / BLOCK;
	set->hi = grab(set->blocks * BLOCK, sizeof *set->hi);
	for (size_t i = 0; i < set->blocks * BLOCK; i++)
		set->hi[i] = i < set->count ? set->range[i].first.hi : UINT64_MAX;
	set->tree = grab(set->blocks + 1, sizeof *set->tree);
	set->place = grab(set->blocks + 1, sizeof *set->place);
	lay_out(set, 0, 1);
}

static bool has4(const struct ipset *set, uint32_t ip)
{
	size_t low = 0, high = set->count4;
	if (set->index4 != NULL) {
		low = set->index4[ip >> 16];
		high = set->index4[(ip >> 16) + 1];
	}
	/* the first range that starts beyond ip; the one before it is the only that can hold it */
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (set->first4[middle] <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 && ip <= set->last4[low - 1];
}

/* How many ranges have an upper half of their start that is at most @hi. */
static size_t starts_up_to(const struct ipset *set, uint64_t hi)
{
	size_t node = 1;
	while (node <= set->blocks)
		node = 2 * node + (set->tree[node] <= hi);
	/* undo the last turns to the right and the turn to the left before them: the first beyond
	 * @hi */
	node >>= __builtin_ctzll(~(unsigned long long)node) + 1;
	size_t beyond = node == 0 ? set->blocks : set->place[node];
	if (beyond == 0)
		return 0;
	const uint64_t *block = &set->hi[(beyond - 1) * BLOCK];
	size_t n = 0;
	for (size_t i = 0; i < BLOCK; i++)
		n += block[i] <= hi;
	n += (beyond - 1) * BLOCK;
	return n < set->count ? n : set->count;
}

bool ipset_has(const struct ipset *set, const uint8_t bytes[16])
{
	struct number n = number_of(bytes);
	if (is_v4(n))
		return has4(set, (uint32_t)n.lo);
	if (set->count == 0)
		return false;
	size_t high = starts_up_to(set, n.hi), low = 0;
	if (high == 0)
		return false;
	/* Ranges longer than /64 share an upper half: go back in growing steps, then search. */
	size_t step = 1;
	while (high > 0 && compare(set->range[high - 1].first, n) > 0) {
		low = high > step ? high - step : 0;
		if (compare(set->range[low].first, n) <= 0)
			break;
		high = low;
		step *= 2;
		low = 0;
	}
	if (high == 0)
		return false;
	if (compare(set->range[high - 1].first, n) > 0) {
		while (low < high) {
			size_t middle = low + (high - low) / 2;
			if (compare(set->range[middle].first, n) <= 0)
				low = middle + 1;
			else
				high = middle;
		}
		high = low;
	}
	return high > 0 && compare(n, set->range[high - 1].last) <= 0;
}

size_t ipset_ranges(const struct ipset *set)
{
	return set->count + set->count4;
}

void ipset_free(struct ipset *set)
{
	if (set == NULL)
		return;
	free(set->range);
	free(set->hi);
	free(set->tree);
	free(set->place);
	free(set->first4);
	free(set->last4);
	free(set->index4);
	free(set);
}

bool ipset_parse(const char *text, uint8_t bytes[16], unsigned *bits)
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char address[INET6_ADDRSTRLEN + 1];
	const char *slash = strchr(text, '/');
	size_t len = slash == NULL ? strlen(text) : (size_t)(slash - text);
	if (len >= sizeof address)
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	unsigned most = 128;
	if (inet_pton(AF_INET, address, bytes + 12) == 1) {
		memcpy(bytes, mapped, sizeof mapped);
		most = 32;
	} else if (inet_pton(AF_INET6, address, bytes) != 1)
		return false;
	unsigned n = most;
	if (slash != NULL) {
		size_t digits = strspn(slash + 1, "0123456789");
		if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
			return false;
		n = (unsigned)strtoul(slash + 1, NULL, 10);
		if (n > most || (slash[1] == '0' && digits > 1))
			return false;
	}
	*bits = n + (128 - most);
	struct number v = number_of(bytes);
	uint64_t lo = *bits <= 64 ? UINT64_MAX : host_mask(*bits - 64);
	return (v.hi & host_mask(*bits)) == 0 && (v.lo & lo) == 0;
}
