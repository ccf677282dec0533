/* packet_tunnel.c - what wraps frames and packets: MPLS, PPPoE, GRE, ERSPAN, VXLAN, Geneve, GTP-U.
 */
#include "sensor/packet_walk.h"

enum { LABELS_MAX = 16 };

static enum next unread(struct walk *w)
{
	return walk_drop(&w->o->counters->other_l4);
}

static uint16_t peek16(const struct walk *w, size_t offset)
{
	return (uint16_t)(rd_peek(&w->in, offset) << 8 | rd_peek(&w->in, offset + 1));
}

/* A pseudowire's control word (RFC 4385) begins with a nibble of 0, and so do most MAC addresses:
 * it is one unless an EtherType stands where a frame without it has its own. */
static bool control_word(const struct walk *w)
{
	static const uint16_t common[] = { 0x0800, 0x86dd, 0x8100, 0x88a8, 0x9100, 0x0806, 0x8847,
		0x8864 };
	if (rd_peek(&w->in, 0) >> 4 != 0)
		return false;
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++) {
		if (peek16(w, 12) == common[i])
			return false;
	}
	return true;
}

/* Nothing in a label stack says what follows (RFC 3032, RFC 4928): the first nibble is asked. */
static enum next below_labels(struct walk *w)
{
	uint8_t nibble = rd_peek(&w->in, 0) >> 4, words = rd_peek(&w->in, 0) & 15;
	size_t wire = w->in.left + w->beyond;
	uint16_t total = peek16(w, 2), payload = peek16(w, 4);
	if (nibble == 4 && words >= 5 && total >= words * 4u && total <= wire)
		return NEXT_IP4;
	if (nibble == 6 && payload + 40u <= wire)
		return NEXT_IP6;
	if (control_word(w))
		rd_skip(&w->in, 4);
	return NEXT_ETHERNET;
}

enum next tunnel_mpls(struct walk *w)
{
	for (unsigned i = 0; i < LABELS_MAX; i++) {
		const uint8_t *h = rd_bytes(&w->in, 4);
		if (h == NULL)
			return walk_cut(w);
		if (h[2] & 1)
			return walk_into(w, below_labels(w));
	}
	return walk_malformed(w);
}

/* RFC 2516: version and type 1, code 0, session, length. */
enum next tunnel_pppoe(struct walk *w)
{
	const uint8_t *h = rd_bytes(&w->in, 6);
	if (h == NULL)
		return walk_cut(w);
	if (h[0] != 0x11 || h[1] != 0)
		return walk_malformed(w);
	walk_trim(w, be16(h + 4));
	return NEXT_PPP;
}

/* RFC 1661, with or without HDLC's address and control; the protocol may be one byte. */
enum next tunnel_ppp(struct walk *w)
{
	if (rd_peek(&w->in, 0) == 0xff && rd_peek(&w->in, 1) == 0x03)
		rd_skip(&w->in, 2);
	uint16_t protocol = rd_u8(&w->in);
	if ((protocol & 1) == 0)
		protocol = (uint16_t)(protocol << 8 | rd_u8(&w->in));
	if (w->in.overrun)
		return walk_cut(w);
	switch (protocol) {
	case 0x0021:
		return NEXT_IP4;
	case 0x0057:
		return NEXT_IP6;
	case 0x0281:
		return NEXT_MPLS;
	default:
		return walk_drop(&w->o->counters->not_ip);
	}
}

/* RFC 2784, RFC 2890; version 1 is RFC 2637 (PPTP). */
enum next tunnel_gre(struct walk *w)
{
	enum { CHECKSUM = 0x8000, ROUTING = 0x4000, KEY = 0x2000, SEQUENCE = 0x1000, ACK = 0x0080 };
	const uint8_t *h = rd_bytes(&w->in, 4);
	if (h == NULL)
		return walk_cut(w);
	uint16_t flags = be16(h), type = be16(h + 2);
	unsigned version = flags & 7;
	if (version > 1 || (flags & ROUTING))
		return unread(w);
	if (flags & CHECKSUM)
		rd_skip(&w->in, 4);
	if (flags & KEY)
		rd_skip(&w->in, 4);
	if (flags & SEQUENCE)
		rd_skip(&w->in, 4);
	if (version == 1 && (flags & ACK))
		rd_skip(&w->in, 4);
	if (w->in.overrun)
		return walk_cut(w);
	if (version == 1 && w->in.left == 0)
		return unread(w); /* a bare acknowledgement */
	if (type == 0x88be && !(flags & SEQUENCE))
		return walk_into(w, NEXT_ETHERNET); /* ERSPAN I has no header of its own */
	if (type == 0x0800 || type == 0x86dd)
		return walk_into(w, type == 0x0800 ? NEXT_IP4 : NEXT_IP6);
	return link_ethertype(w, type);
}

/* draft-foschiano-erspan 4.2 */
enum next tunnel_erspan2(struct walk *w)
{
	const uint8_t *h = rd_bytes(&w->in, 8);
	if (h == NULL)
		return walk_cut(w);
	return h[0] >> 4 == 1 ? NEXT_ETHERNET : walk_malformed(w);
}

/* draft-foschiano-erspan 4.3; the last bit announces 8 bytes that depend on the platform. Frame
 * type 2 is an IP packet, without Ethernet. */
enum next tunnel_erspan3(struct walk *w)
{
	enum { TYPE_IP = 2 };
	const uint8_t *h = rd_bytes(&w->in, 12);
	if (h == NULL)
		return walk_cut(w);
	if (h[0] >> 4 != 2)
		return walk_malformed(w);
	if (h[11] & 1)
		rd_skip(&w->in, 8);
	if (w->in.overrun)
		return walk_cut(w);
	return (h[10] >> 2 & 0x1f) == TYPE_IP ? NEXT_IP : NEXT_ETHERNET;
}

/* RFC 7348; the group policy extension uses other bits of the flags. */
static enum next vxlan(struct reader *in)
{
	const uint8_t *h = rd_bytes(in, 8);
	if (h == NULL || !(h[0] & 0x08) || (h[0] & 0x77) != 0 || h[7] != 0)
		return NEXT_DONE;
	return NEXT_ETHERNET;
}

/* draft-ietf-nvo3-vxlan-gpe */
static enum next vxlan_gpe(struct reader *in)
{
	static const enum next protocols[] = {
		[1] = NEXT_IP4,
		[2] = NEXT_IP6,
		[3] = NEXT_ETHERNET,
		[5] = NEXT_MPLS,
	};
	const uint8_t *h = rd_bytes(in, 8);
	if (h == NULL || (h[0] & 0xfc) != 0x0c)
		return NEXT_DONE;
	enum next inner =
		h[3] < sizeof(protocols) / sizeof(protocols[0]) ? protocols[h[3]] : NEXT_DROP;
	return inner == NEXT_DROP ? NEXT_DONE : inner;
}

/* RFC 8926 */
static enum next geneve(struct reader *in)
{
	const uint8_t *h = rd_bytes(in, 8);
	if (h == NULL || h[0] >> 6 != 0 || (h[1] & 0x3f) != 0 || h[7] != 0)
		return NEXT_DONE;
	if (rd_bytes(in, (h[0] & 0x3fu) * 4) == NULL)
		return NEXT_DONE;
	switch (be16(h + 2)) {
	case 0x6558:
		return NEXT_ETHERNET;
	case 0x0800:
		return NEXT_IP4;
	case 0x86dd:
		return NEXT_IP6;
	case 0x8847:
		return NEXT_MPLS;
	default:
		return NEXT_DONE;
	}
}

/* 3GPP TS 29.281: a G-PDU of version 1, with its extension headers. */
static enum next gtp_u(struct reader *in)
{
	const uint8_t *h = rd_bytes(in, 8);
	if (h == NULL || (h[0] & 0xf0) != 0x30 || h[1] != 255)
		return NEXT_DONE;
	uint8_t extension = 0;
	if (h[0] & 7) {
		const uint8_t *more = rd_bytes(in, 4);
		if (more == NULL)
			return NEXT_DONE;
		if (h[0] & 4)
			extension = more[3];
	}
	while (extension != 0) {
		uint32_t len = rd_peek(in, 0) * 4u;
		const uint8_t *more = rd_bytes(in, len);
		if (len == 0 || more == NULL)
			return NEXT_DONE;
		extension = more[len - 1];
	}
	uint8_t version = rd_peek(in, 0) >> 4;
	return version == 4 || version == 6 ? NEXT_IP : NEXT_DONE;
}

/* MikroTik's mirror: tags up to 1 (end), then the frame. */
static enum next tzsp(struct reader *in)
{
	const uint8_t *h = rd_bytes(in, 4);
	if (h == NULL || h[0] != 1 || h[1] > 1 || be16(h + 2) != 1)
		return NEXT_DONE;
	for (uint8_t tag = rd_u8(in); tag != 1; tag = rd_u8(in)) {
		if (tag != 0)
			rd_skip(in, rd_u8(in));
		if (in->overrun)
			return NEXT_DONE;
	}
	return NEXT_ETHERNET;
}

static enum next labels(struct reader *in)
{
	return in->left >= 4 ? NEXT_MPLS : NEXT_DONE; /* RFC 7510 */
}

static const struct udp_tunnel {
	uint16_t port;
	bool both; /* replies come from the port too */
	enum next (*enter)(struct reader *in);
} udp_tunnels[] = {
	{ 4789, false, vxlan },
	{ 8472, false, vxlan }, /* Linux before the port was assigned */
	{ 4790, false, vxlan_gpe },
	{ 6081, false, geneve },
	{ 2152, true, gtp_u },
	{ 37008, false, tzsp },
	{ 6635, false, labels },
};

enum next tunnel_udp(struct walk *w, uint16_t sport, uint16_t dport)
{
	for (size_t i = 0; i < sizeof(udp_tunnels) / sizeof(udp_tunnels[0]); i++) {
		const struct udp_tunnel *t = &udp_tunnels[i];
		if (t->port != dport && !(t->both && t->port == sport))
			continue;
		struct reader in = w->in;
		enum next inner = t->enter(&in);
		if (inner != NEXT_DONE)
			w->in = in;
		return inner;
	}
	return NEXT_DONE;
}
