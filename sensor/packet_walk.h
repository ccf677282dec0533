/* packet_walk.h - the steps of packet_decode(), one layer each. */
#ifndef SENSOR_PACKET_WALK_H
#define SENSOR_PACKET_WALK_H

#include <endian.h>

#include "dissectors/reader.h"
#include "sensor/packet.h"

enum { LAYERS_MAX = 8 }; /* of encapsulation */
enum { ETHERNET_HEADER = 14, IP4_HEADER = 20, TCP_HEADER = 20 };

/* What comes next. The first two end the walk. */
enum next {
	NEXT_DROP, /* counted why */
	NEXT_DONE, /* the packet has its payload */
	NEXT_ETHERNET,
	NEXT_IP, /* the version tells */
	NEXT_IP4,
	NEXT_IP6,
	NEXT_MPLS,
	NEXT_PPPOE,
	NEXT_PPP,
	NEXT_GRE,
	NEXT_ERSPAN2,
	NEXT_ERSPAN3,
	NEXT_TCP,
	NEXT_UDP,
};

struct walk {
	struct packet *p;
	const struct packet_options *o;
	struct reader in; /* what was captured of the rest */
	uint32_t beyond;  /* bytes of the rest that the capture cut off */
	uint64_t pseudo;  /* sum over the addresses, for TCP and UDP */
	uint8_t joins;    /* times fragments were joined on the way */
	bool inner_vlans; /* in an inner Ethernet frame: its first tag replaces the outer ones */
};

/* As it stands in memory, for sums. */
static inline uint64_t raw32(const uint8_t *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof(v));
	return v;
}

static inline void take_macs(struct packet *p, const uint8_t *h)
{
	memcpy(p->dst_mac, h, sizeof(p->dst_mac));
	memcpy(p->src_mac, h + 6, sizeof(p->src_mac));
	p->has_mac = true;
}

/* Two whole stores: who hashes or compares the address loads it in two. */
static inline void take_v4(struct addr *a, const uint8_t *at)
{
	uint64_t high = 0, low = htobe64(UINT64_C(0xffff00000000) | be32(at));
	memcpy(a->bytes, &high, sizeof(high));
	memcpy(a->bytes + 8, &low, sizeof(low));
	a->family = 4;
}

/* Of a TCP header, with its options. */
static inline uint32_t tcp_length(const uint8_t *h)
{
	return (uint32_t)(h[12] >> 4) * 4;
}

static inline void take_tcp(struct packet *p, const uint8_t *h)
{
	p->sport = be16(h);
	p->dport = be16(h + 2);
	p->seq = be32(h + 4);
	p->ack = be32(h + 8);
	p->tcp_flags = h[13];
}

static inline void take_payload(struct packet *p, uint8_t l4, const uint8_t *at, uint32_t len)
{
	p->l4 = l4;
	p->payload = at;
	p->payload_len = p->payload_wire_len = len;
}

static inline enum next walk_drop(uint64_t *counter)
{
	(*counter)++;
	return NEXT_DROP;
}

/* A header runs past what there is: cut by the capture, or nonsense. */
enum next walk_cut(struct walk *w);
enum next walk_malformed(struct walk *w);
/* What is neither TCP nor UDP; the inspector hears of it, and it is counted. */
enum next walk_aside(struct walk *w, bool is_ip, uint16_t type, uint64_t *counter);
/* One more layer of encapsulation around what comes next. */
enum next walk_into(struct walk *w, enum next inner);
/* Wrapped more often than is followed. */
enum next walk_deep(struct walk *w);
/* The rest is n bytes on the wire: what is captured beyond them is padding. */
void walk_trim(struct walk *w, uint32_t n);

/* packet_straight.c: all of it at once, where nothing is out of the ordinary. False: nothing is
 * known yet. */
bool packet_straight(struct packet *p, const struct packet_options *o);

/* packet_link.c */
enum next link_start(struct walk *w);
enum next link_ethernet(struct walk *w);
enum next link_ethertype(struct walk *w, uint16_t type);

/* packet_ip.c */
enum next ip_by_version(const struct walk *w);
enum next ip_v4(struct walk *w);
enum next ip_v6(struct walk *w);
enum next ip_protocol(struct walk *w, uint8_t protocol);

/* packet_tunnel.c */
enum next tunnel_mpls(struct walk *w);
enum next tunnel_pppoe(struct walk *w);
enum next tunnel_ppp(struct walk *w);
enum next tunnel_gre(struct walk *w);
enum next tunnel_erspan2(struct walk *w);
enum next tunnel_erspan3(struct walk *w);
/* What a datagram to this port carries, or NEXT_DONE: ordinary payload. Moves on only if it is a
 * tunnel. */
enum next tunnel_udp(struct walk *w, uint16_t sport, uint16_t dport);

#endif
