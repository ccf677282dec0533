/* packet_link.c - link layers: what a capture's frames start with.
 * Numbers: https://www.tcpdump.org/linktypes.html; EtherTypes: the IEEE registry. */
#include "sensor/packet_walk.h"

enum {
	LINK_NULL = 0,
	LINK_PPP = 9,
	LINK_RAW_BSD = 12, /* DLT_RAW where it was written as it is */
	LINK_RAW_OPENBSD = 14,
	LINK_PPP_HDLC = 50,
	LINK_PPP_ETHER = 51,
	LINK_RAW = 101,
	LINK_C_HDLC = 104,
	LINK_LOOP = 108,
	LINK_SLL = 113,
	LINK_IPV4 = 228,
	LINK_IPV6 = 229,
	LINK_SLL2 = 276,
};

enum { ETHERTYPE_MIN = 0x600 };

static enum next not_ip(struct walk *w)
{
	return walk_drop(&w->o->counters->not_ip);
}

static void take_vlan(struct walk *w, uint16_t tag)
{
	struct packet *p = w->p;
	if (w->inner_vlans) {
		p->vlans = 0;
		w->inner_vlans = false;
	}
	if (p->vlans < FLOW_VLANS)
		p->vlan[p->vlans++] = tag & 0xfff;
	else
		w->o->counters->vlans_more++;
}

/* IEEE 802.2: @len is what the 802.3 header says, the rest is padding. */
static enum next llc(struct walk *w, uint16_t len)
{
	walk_trim(w, len);
	const uint8_t *h = rd_bytes(&w->in, 3);
	if (h == NULL)
		return not_ip(w);
	if (h[0] == 0x06 && h[1] == 0x06)
		return NEXT_IP4;
	if (h[0] != 0xaa || h[1] != 0xaa)
		return not_ip(w);
	const uint8_t *snap = rd_bytes(&w->in, 5);
	bool ethertype =
		snap != NULL && snap[0] == 0 && snap[1] == 0 && (snap[2] == 0 || snap[2] == 0xf8);
	if (!ethertype || be16(snap + 3) < ETHERTYPE_MIN)
		return not_ip(w);
	return link_ethertype(w, be16(snap + 3));
}

/* What an EtherType announces; tags are walked over here, so the loop ends with the bytes. */
// clang-format off
enum next link_ethertype(struct walk *w, uint16_t type)
{
	for (;;) {
		size_t tag = 0; /* bytes before the next EtherType */
		switch (type) {
		case 0x0800: return NEXT_IP4;
		case 0x86dd: return NEXT_IP6;
		case 0x8100: /* IEEE 802.1Q */
		case 0x88a8: /* 802.1ad */
		case 0x9100: /* QinQ before 802.1ad */
		case 0x9200:
		case 0x9300: {
			const uint8_t *h = rd_bytes(&w->in, 4);
			if (h == NULL)
				return walk_cut(w);
			take_vlan(w, be16(h));
			type = be16(h + 2);
			if (type < ETHERTYPE_MIN)
				return llc(w, type);
			continue;
		}
		case 0x8847: /* MPLS */
		case 0x8848: return NEXT_MPLS;
		case 0x8864: return walk_into(w, NEXT_PPPOE);
		case 0x6558: return walk_into(w, NEXT_ETHERNET); /* transparent Ethernet bridging */
		case 0x880b: return walk_into(w, NEXT_PPP);
		case 0x88be: return walk_into(w, NEXT_ERSPAN2);
		case 0x22eb: return walk_into(w, NEXT_ERSPAN3);
		case 0x892f: tag = 4; break; /* HSR: path and size, sequence number (IEC 62439-3) */
		case 0x8926: tag = 4; break; /* VN-Tag */
		case 0x893f: tag = 6; break; /* 802.1BR E-Tag */
		case 0x8909: tag = 6; break; /* Cisco metadata */
		default: return walk_aside(w, false, type, &w->o->counters->not_ip);
		}
		const uint8_t *h = rd_bytes(&w->in, tag + 2);
		if (h == NULL)
			return walk_cut(w);
		type = be16(h + tag);
	}
}
// clang-format on

enum next link_ethernet(struct walk *w)
{
	const uint8_t *h = rd_bytes(&w->in, ETHERNET_HEADER);
	if (h == NULL)
		return walk_cut(w);
	take_macs(w->p, h);
	w->inner_vlans = w->p->vlans > 0;
	uint16_t type = be16(h + 12);
	return type < ETHERTYPE_MIN ? llc(w, type) : link_ethertype(w, type);
}

/* Linux "cooked" captures hold the sender's address only: it is left out. */
static enum next sll(struct walk *w, size_t header, size_t protocol_at)
{
	const uint8_t *h = rd_bytes(&w->in, header);
	if (h == NULL)
		return walk_cut(w);
	uint16_t type = be16(h + protocol_at);
	if (type == 0x0004) /* LINUX 802.2 */
		return llc(w, (uint16_t)(w->in.left > 1500 ? 1500 : w->in.left));
	return type < ETHERTYPE_MIN ? not_ip(w) : link_ethertype(w, type);
}

/* BSD loopback: an address family in the byte order of whoever captured. */
static enum next null_loop(struct walk *w)
{
	const uint8_t *h = rd_bytes(&w->in, 4);
	if (h == NULL)
		return walk_cut(w);
	uint32_t family = be32(h);
	if (family > 0xffff)
		family = __builtin_bswap32(family);
	switch (family) {
	case 2:
		return NEXT_IP4;
	case 10: /* Linux */
	case 23: /* Windows */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* macOS */
		return NEXT_IP6;
	default:
		return not_ip(w);
	}
}

static enum next cisco_hdlc(struct walk *w)
{
	const uint8_t *h = rd_bytes(&w->in, 4);
	return h == NULL ? walk_cut(w) : link_ethertype(w, be16(h + 2));
}

// clang-format off
enum next link_start(struct walk *w)
{
	switch (w->p->link) {
	case LINK_ETHERNET: return NEXT_ETHERNET;
	case LINK_NULL:
	case LINK_LOOP: return null_loop(w);
	case LINK_RAW_BSD:
	case LINK_RAW_OPENBSD:
	case LINK_RAW: return NEXT_IP;
	case LINK_IPV4: return NEXT_IP4;
	case LINK_IPV6: return NEXT_IP6;
	case LINK_SLL: return sll(w, 16, 14);
	case LINK_SLL2: return sll(w, 20, 0);
	case LINK_PPP:
	case LINK_PPP_HDLC: return NEXT_PPP;
	case LINK_PPP_ETHER: return NEXT_PPPOE;
	case LINK_C_HDLC: return cisco_hdlc(w);
	default: return walk_drop(&w->o->counters->unknown_link);
	}
}
// clang-format on
