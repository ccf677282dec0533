/* packet.c - takes a frame apart, layer by layer, down to TCP or UDP payload.
 * Link layers: packet_link.c; IP: packet_ip.c; what wraps frames: packet_tunnel.c.
 * Addresses are those of the innermost IP header. MAC addresses are those of the innermost Ethernet
 * header; VLAN tags too, unless an inner frame has none: then the outer ones stay. */
#include "sensor/packet.h"

#include <endian.h>

#include "sensor/checksum.h"
#include "sensor/frag.h"
#include "sensor/packet_walk.h"

enum { UDP_HEADER = 8 };

enum next walk_cut(struct walk *w)
{
	if (w->beyond > 0)
		return walk_drop(&w->o->counters->truncated);
	return walk_drop(&w->o->counters->malformed_packet);
}

enum next walk_malformed(struct walk *w)
{
	return walk_drop(&w->o->counters->malformed_packet);
}

enum next walk_deep(struct walk *w)
{
	const struct inspector *to = w->o->inspector;
	if (to != NULL && to->anomaly != NULL) {
		struct anomaly a = { .kind = ANOMALY_TUNNEL_DEEP, .at = w->p->at, .count = 1 };
		to->anomaly(to->ctx, &a);
	}
	return walk_drop(&w->o->counters->deep);
}

enum next walk_aside(struct walk *w, bool is_ip, uint16_t type, uint64_t *counter)
{
	const struct inspector *to = w->o->inspector;
	if (to != NULL && to->aside != NULL) {
		struct aside a = { .packet = w->p, .is_ip = is_ip, .type = type, .bytes = w->in };
		to->aside(to->ctx, &a);
	}
	return walk_drop(counter);
}

enum next walk_into(struct walk *w, enum next inner)
{
	if (w->p->layers == LAYERS_MAX)
		return walk_deep(w);
	w->p->layers++;
	return inner;
}

void walk_trim(struct walk *w, uint32_t n)
{
	if (n <= w->in.left) {
		w->in.left = n;
		w->beyond = 0;
	} else {
		w->beyond = n - (uint32_t)w->in.left;
	}
}

/* Is the checksum over the rest of the packet right? What the capture cut cannot be told. */
static bool sum_right(const struct walk *w, uint8_t protocol)
{
	if (w->o->checksums == CHECKSUM_IGNORE || w->beyond > 0)
		return true;
	uint64_t rest = (uint64_t)htobe32(protocol) + htobe32((uint32_t)w->in.left);
	uint64_t sum = sum_wide(w->pseudo, rest);
	return sum_fold(sum_add(sum, w->in.at, w->in.left)) == 0xffff;
}

static enum next bad_l4_sum(struct walk *w)
{
	w->p->bad_sum = true;
	return walk_drop(&w->o->counters->bad_l4_sum);
}

static enum next done(struct walk *w, uint8_t l4)
{
	take_payload(w->p, l4, w->in.at, (uint32_t)w->in.left);
	w->p->payload_wire_len += w->beyond;
	if (w->beyond > 0)
		w->o->counters->truncated++;
	return NEXT_DONE;
}

static enum next tcp(struct walk *w)
{
	const uint8_t *h = w->in.at;
	if (w->in.left < TCP_HEADER)
		return walk_cut(w);
	if (!sum_right(w, L4_TCP))
		return bad_l4_sum(w);
	uint32_t header = tcp_length(h);
	if (header < TCP_HEADER || header > w->in.left + w->beyond)
		return walk_malformed(w);

	take_tcp(w->p, h);
	if (header > w->in.left) { /* the capture ends inside the options */
		w->beyond -= header - (uint32_t)w->in.left;
		header = (uint32_t)w->in.left;
	}
	rd_skip(&w->in, header);
	return done(w, L4_TCP);
}

static enum next udp(struct walk *w)
{
	const uint8_t *h = w->in.at;
	if (w->in.left < UDP_HEADER)
		return walk_cut(w);
	uint16_t len = be16(h + 4);
	if (len != 0 && len < UDP_HEADER)
		return walk_malformed(w);
	if (len != 0 && len < w->in.left + w->beyond) /* 0: a jumbogram or a large send */
		walk_trim(w, len);
	if ((h[6] | h[7]) != 0 && !sum_right(w, L4_UDP))
		return bad_l4_sum(w);

	struct packet *p = w->p;
	p->sport = be16(h);
	p->dport = be16(h + 2);
	p->seq = p->ack = 0;
	p->tcp_flags = 0;
	rd_skip(&w->in, UDP_HEADER);
	enum next inner = tunnel_udp(w, p->sport, p->dport);
	if (inner == NEXT_DONE)
		return done(w, L4_UDP);
	return inner == NEXT_DROP ? inner : walk_into(w, inner);
}

// clang-format off
static bool walk(struct walk *w, enum next next)
{
	while (next > NEXT_DONE) {
		switch (next) {
		case NEXT_ETHERNET: next = link_ethernet(w); break;
		case NEXT_IP: next = ip_by_version(w); break;
		case NEXT_IP4: next = ip_v4(w); break;
		case NEXT_IP6: next = ip_v6(w); break;
		case NEXT_MPLS: next = tunnel_mpls(w); break;
		case NEXT_PPPOE: next = tunnel_pppoe(w); break;
		case NEXT_PPP: next = tunnel_ppp(w); break;
		case NEXT_GRE: next = tunnel_gre(w); break;
		case NEXT_ERSPAN2: next = tunnel_erspan2(w); break;
		case NEXT_ERSPAN3: next = tunnel_erspan3(w); break;
		case NEXT_TCP: next = tcp(w); break;
		case NEXT_UDP: next = udp(w); break;
		case NEXT_DROP:
		case NEXT_DONE: break;
		}
	}
	return next == NEXT_DONE;
}
// clang-format on

static APART bool layer_by_layer(struct packet *p, const struct packet_options *o)
{
	struct walk w = {
		.p = p,
		.o = o,
		.in = rd_over(p->bytes, p->caplen),
		.beyond = p->wirelen > p->caplen ? p->wirelen - p->caplen : 0,
	};
	p->src.family = p->dst.family = 0;
	return walk(&w, link_start(&w)) || packet_second_reading(p, o);
}

bool packet_decode(struct packet *p, const struct packet_options *o)
{
	p->has_mac = p->bad_sum = p->contested = false;
	p->layers = p->vlans = p->ttl = 0;
	p->ip_id = 0;
	p->pieces = 0;
	o->counters->packets++;
	o->counters->bytes += p->wirelen;
	return packet_straight(p, o) || layer_by_layer(p, o);
}

bool packet_decode_again(struct packet *p, const struct packet_options *o)
{
	struct frag_second *s = frags_second(o->frags);
	p->contested = false;
	if (!s->waiting)
		return false;
	s->waiting = false;
	*p = s->packet;
	struct walk w = {
		.p = p,
		.o = o,
		.in = rd_over(s->whole.bytes, s->whole.len),
		.pseudo = s->pseudo,
	};
	return walk(&w, ip_protocol(&w, s->whole.protocol));
}
