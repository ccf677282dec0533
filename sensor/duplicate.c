/* duplicate.c - a small table of fingerprints of the latest packets; newer ones overwrite. */
#include "sensor/duplicate.h"

#include <stdlib.h>
#include <string.h>

#include "sensor/mix.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { RECENT = 2048, WITHIN_NS = 5000000 };

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

/* @a once more, in case @b is what makes the product zero. */
static uint64_t blend(uint64_t a, uint64_t b)
{
	return mix(a ^ UINT64_C(0x9e3779b97f4a7c15), b ^ UINT64_C(0xd6e8feb86659fd93)) + a;
}

/* Of what both protocols have, but for the ends of the flow. */
static uint64_t common(const struct packet *p)
{
	return (uint64_t)p->ip_id << 32 ^ (uint64_t)p->sport << 16 ^ p->payload_wire_len;
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

/* Was it there before? @place is where to look. */
static bool seen(struct duplicates *d, uint64_t place, struct recent now, bool by_any_path)
{
	struct recent *r = &d->recent[place % RECENT];
	uint64_t since = (uint64_t)now.ts_ns - (uint64_t)r->ts_ns;
	if (r->print == now.print && since <= WITHIN_NS && (by_any_path || r->path != now.path))
		return true; /* the first one stays: the next poll comes by its way */
	*r = now;
	return false;
}

bool duplicates_tcp(struct duplicates *d, const struct packet *p, uint64_t flow_hash)
{
	uint64_t place =
		blend(common(p) ^ (uint64_t)p->tcp_flags << 48, (uint64_t)p->seq << 32 | p->ack);
	uint32_t print = (uint32_t)(place >> 32) ^ (uint32_t)flow_hash;
	return seen(d, place, (struct recent){ p->at.ts_ns, print, 0 }, true);
}

bool duplicates_udp(struct duplicates *d, const struct packet *p, uint64_t flow_hash)
{
	uint64_t payload = p->payload_len == 0 ? 0 : XXH3_64bits(p->payload, p->payload_len);
	uint64_t place = blend(common(p), payload);
	uint32_t print = (uint32_t)(place >> 32) ^ (uint32_t)flow_hash;
	return seen(d, place, (struct recent){ p->at.ts_ns, print, path_of(p) }, false);
}
