/* duplicate.c - a small table of fingerprints of the latest packets; newer ones overwrite. */
#include "sensor/duplicate.h"

#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define WITHIN_NS INT64_C(5000000)
enum { RECENT = 2048 };

struct recent {
	int64_t ts_ns;
	uint32_t print; /* of what must be the same */
	uint32_t path;  /* of what a second mirrored port changes */
};

struct duplicates {
	struct recent recent[RECENT];
};

struct duplicates *duplicates_new(void)
{
	struct duplicates *d = calloc(1, sizeof *d);
	for (unsigned i = 0; d != NULL && i < RECENT; i++)
		d->recent[i].ts_ns = INT64_MIN / 2;
	return d;
}

void duplicates_free(struct duplicates *d)
{
	free(d);
}

/* What must be the same, but for the ends of the flow. */
static uint64_t fingerprint(const struct packet *p)
{
	uint64_t a = (uint64_t)p->ip_id << 32 | p->payload_wire_len, b = p->sport;
	if (p->l4 == L4_TCP) {
		a ^= (uint64_t)p->tcp_flags << 48;
		b += (uint64_t)p->seq << 32 ^ (uint64_t)p->ack << 8;
	} else if (p->payload_len > 0) {
		b += XXH3_64bits(p->payload, p->payload_len);
	}
	a = (a ^ UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
	b = (b ^ a ^ a >> 32) * UINT64_C(0xff51afd7ed558ccd);
	return b ^ b >> 32;
}

static uint32_t path_of(const struct packet *p)
{
	uint32_t h = p->ttl;
	for (unsigned i = 0; i < p->vlans && i < FLOW_VLANS; i++)
		h = h * 0x9e3779b1u + p->vlan[i] + 1;
	for (unsigned i = 0; p->has_mac && i < 6; i++)
		h = (h ^ p->src_mac[i] ^ (uint32_t)p->dst_mac[i] << 8) * 0x85ebca6bu;
	return h;
}

bool duplicates_seen(struct duplicates *d, const struct packet *p, uint64_t flow_hash)
{
	uint64_t place = fingerprint(p);
	uint32_t print = (uint32_t)(place >> 32) ^ (uint32_t)flow_hash;
	struct recent *r = &d->recent[place % RECENT];
	int64_t since = (int64_t)((uint64_t)p->at.ts_ns - (uint64_t)r->ts_ns);
	uint32_t path = p->l4 == L4_UDP ? path_of(p) : 0;
	bool seen = r->print == print && since >= 0 && since <= WITHIN_NS &&
		    (p->l4 == L4_TCP || r->path != path);
	if (!seen) /* the first one stays: the next poll comes by its way */
		*r = (struct recent){ .ts_ns = p->at.ts_ns, .print = print, .path = path };
	return seen;
}
