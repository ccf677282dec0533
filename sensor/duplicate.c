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

static uint64_t fingerprint(const struct packet *p)
{
	struct {
		uint8_t src[16], dst[16];
		uint16_t sport, dport, ip_id;
		uint8_t flags, l4;
		uint32_t seq, ack, len, zero;
	} in;
	memcpy(in.src, p->src.bytes, 16);
	memcpy(in.dst, p->dst.bytes, 16);
	in.sport = p->sport;
	in.dport = p->dport;
	in.ip_id = p->ip_id;
	in.l4 = p->l4;
	in.len = p->payload_wire_len;
	in.zero = 0;
	bool tcp = p->l4 == L4_TCP;
	in.flags = tcp ? p->tcp_flags : 0;
	in.seq = tcp ? p->seq : 0;
	in.ack = tcp ? p->ack : 0;
	uint64_t seed = 0;
	if (!tcp && p->payload_len > 0)
		seed ^= XXH3_64bits(p->payload, p->payload_len);
	return XXH3_64bits_withSeed(&in, sizeof in, seed);
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

bool duplicates_seen(struct duplicates *d, const struct packet *p)
{
	uint64_t print = fingerprint(p);
	struct recent *r = &d->recent[print % RECENT];
	int64_t since = (int64_t)((uint64_t)p->at.ts_ns - (uint64_t)r->ts_ns);
	uint32_t path = p->l4 == L4_UDP ? path_of(p) : 0;
	bool seen = r->print == (uint32_t)(print >> 32) && since >= 0 && since <= WITHIN_NS &&
		    (p->l4 == L4_TCP || r->path != path);
	*r = (struct recent){
		.ts_ns = p->at.ts_ns, .print = (uint32_t)(print >> 32), .path = path
	};
	return seen;
}
