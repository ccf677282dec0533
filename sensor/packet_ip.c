/* packet_ip.c - IPv4 (RFC 791) and IPv6 (RFC 8200) headers, extension headers, fragments. */
#include "sensor/checksum.h"
#include "sensor/frag.h"
#include "sensor/limiter.h"
#include "sensor/packet_walk.h"

enum { IP6_HEADER = 40, EXTENSIONS_MAX = 16, JOINS_MAX = 4 };

enum next ip_by_version(const struct walk *w)
{
	return rd_peek(&w->in, 0) >> 4 == 6 ? NEXT_IP6 : NEXT_IP4;
}

static void take_v6(struct addr *a, const uint8_t *at)
{
	memcpy(a->bytes, at, 16);
	a->family = 6;
}

/* Of an ordered pair of hosts; never 0. */
static uint64_t pair_of(const struct addr *src, const struct addr *dst)
{
	uint64_t key = key_mix_bytes(1, src->bytes, sizeof src->bytes);
	return key_mix_bytes(key, dst->bytes, sizeof dst->bytes) | 1;
}

/* Puts a fragment to its others; goes on with the whole when it was the last one missing. */
static enum next fragment(struct walk *w, struct frag *in)
{
	struct packet *p = w->p;
	struct frag_whole whole;
	w->o->counters->fragments++;
	if (p->pieces == 0)
		p->pieces = pair_of(&p->src, &p->dst);
	if (w->beyond > 0)
		return walk_drop(&w->o->counters->truncated);
	if (w->o->frags == NULL)
		return walk_drop(&w->o->counters->frag_dropped);
	in->src = &p->src;
	in->dst = &p->dst;
	in->bytes = w->in.at;
	in->len = (uint32_t)w->in.left;
	in->at = p->at;
	if (!frags_add(w->o->frags, in, &whole))
		return NEXT_DROP;
	if (w->joins++ == JOINS_MAX)
		return walk_deep(w);
	w->in = rd_over(whole.bytes, whole.len);
	if (whole.contested) {
		struct frag_second *s = frags_second(w->o->frags);
		s->packet = *p;
		s->pseudo = w->pseudo;
		p->contested = true;
	}
	return ip_protocol(w, whole.protocol);
}

/* Source routes: where the packet finally goes is its destination, in checksums too. */
static const uint8_t *routed_to(const uint8_t *h, uint32_t header)
{
	for (uint32_t at = IP4_HEADER; at + 2 < header && h[at] != 0;) {
		uint32_t len = h[at] == 1 ? 1 : h[at + 1];
		if (len == 0 || at + len > header)
			break;
		bool route = h[at] == 131 || h[at] == 137; /* loose, strict */
		if (route && len >= 7 && h[at + 2] <= len - 3)
			return h + at + len - 4;
		at += len;
	}
	return h + 16;
}

static enum next fragment_v4(struct walk *w, const uint8_t *h)
{
	uint16_t piece = be16(h + 6); /* flags, offset in units of 8 bytes */
	struct frag in = {
		.id = w->p->ip_id,
		.protocol = h[9],
		.more = piece & 0x2000,
		.offset = (piece & 0x1fffu) * 8,
	};
	return fragment(w, &in);
}

enum next ip_v4(struct walk *w)
{
	const uint8_t *h = w->in.at;
	if (w->in.left < IP4_HEADER)
		return walk_cut(w);
	uint32_t header = (uint32_t)(h[0] & 15) * 4;
	if (h[0] >> 4 != 4 || header < IP4_HEADER)
		return walk_malformed(w);
	uint32_t total = be16(h + 2);
	if (total == 0) /* written before segmentation was off-loaded */
		total = (uint32_t)w->in.left + w->beyond;
	if (total < header)
		return walk_malformed(w);
	if (w->in.left < header)
		return walk_cut(w);
	if (w->o->checksums == CHECKSUM_VERIFY &&
		sum_fold(header == IP4_HEADER ? sum_20(h) : sum_add(0, h, header)) != 0xffff) {
		w->p->bad_sum = true;
		return walk_drop(&w->o->counters->bad_ip_sum);
	}

	struct packet *p = w->p;
	const uint8_t *final = header == IP4_HEADER ? h + 16 : routed_to(h, header);
	take_v4(&p->src, h + 12);
	take_v4(&p->dst, final);
	p->ttl = h[8];
	p->ip_id = be16(h + 4);
	w->pseudo = raw32(h + 12) + raw32(final);
	walk_trim(w, total);
	rd_skip(&w->in, header);

	if ((be16(h + 6) & 0x3fff) != 0)
		return fragment_v4(w, h);
	return ip_protocol(w, h[9]);
}

enum next ip_v6(struct walk *w)
{
	const uint8_t *h = rd_bytes(&w->in, IP6_HEADER);
	if (h == NULL)
		return walk_cut(w);
	if (h[0] >> 4 != 6)
		return walk_malformed(w);
	struct packet *p = w->p;
	take_v6(&p->src, h + 8);
	take_v6(&p->dst, h + 24);
	p->ttl = h[7];
	p->ip_id = 0;
	w->pseudo = sum_add(0, h + 8, 32);
	uint16_t len = be16(h + 4);
	if (len != 0) /* 0: a jumbogram, or written before segmentation was off-loaded */
		walk_trim(w, len);
	return ip_protocol(w, h[6]);
}

/* Routing header with segments left: the last address is the destination, in checksums too. */
static void routed(struct walk *w, const uint8_t *h, uint32_t len)
{
	const uint8_t *last = NULL;
	if (h[3] == 0 || len < 8 + 16)
		return;
	if (h[2] == 0 || h[2] == 2)
		last = h + len - 16;
	else if (h[2] == 4) /* RFC 8754: the list stands in reverse */
		last = h + 8;
	if (last == NULL)
		return;
	take_v6(&w->p->dst, last);
	w->pseudo = sum_add(sum_add(0, w->p->src.bytes, 16), last, 16);
}

/* Passes one IPv6 extension header (or AH) and says what follows it. */
static bool extension(struct walk *w, uint8_t *protocol)
{
	const uint8_t *h = w->in.at;
	if (w->in.left < 8)
		return false;
	uint32_t len = (h[1] + 1u) * 8;
	if (*protocol == 51)
		len = (h[1] + 2u) * 4;
	else if (*protocol == 44)
		len = 8;
	if (rd_bytes(&w->in, len) == NULL)
		return false;
	if (*protocol == 43)
		routed(w, h, len);
	*protocol = h[0];
	return true;
}

static enum next fragment_v6(struct walk *w)
{
	const uint8_t *h = rd_bytes(&w->in, 8);
	if (h == NULL)
		return walk_cut(w);
	uint16_t piece = be16(h + 2);
	struct frag in = {
		.id = be32(h + 4),
		.protocol = h[0],
		.more = piece & 1,
		.offset = piece & 0xfff8u,
	};
	return fragment(w, &in);
}

// clang-format off
enum next ip_protocol(struct walk *w, uint8_t protocol)
{
	bool v6 = w->p->src.family == 6;
	for (unsigned i = 0; i < EXTENSIONS_MAX; i++) {
		switch (protocol) {
		case 6: return NEXT_TCP;
		case 17: return NEXT_UDP;
		case 4: return walk_into(w, NEXT_IP4);
		case 41: return walk_into(w, NEXT_IP6);
		case 47: return NEXT_GRE;
		case 137: return walk_into(w, NEXT_MPLS);
		case 51: break; /* AH: signed, in the clear */
		case 44:
			if (!v6)
				return walk_drop(&w->o->counters->other_l4);
			if (rd_peek(&w->in, 2) != 0 || (rd_peek(&w->in, 3) & 0xf9) != 0)
				return fragment_v6(w);
			break; /* atomic, RFC 6946: a header like others */
		case 0: /* hop by hop */
		case 43: /* routing */
		case 60: /* destination options */
		case 135: /* mobility */
		case 139: /* HIP */
		case 140: /* shim6 */
			if (!v6)
				return walk_drop(&w->o->counters->other_l4);
			break;
		default: return walk_aside(w, true, protocol, &w->o->counters->other_l4);
		}
		if (!extension(w, &protocol))
			return walk_cut(w);
	}
	return walk_malformed(w);
}
// clang-format on
