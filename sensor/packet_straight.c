/* packet_straight.c - nearly every packet of a plant: Ethernet, IPv4 without options and in one
 * piece, TCP, and nothing wrong. What differs in any way is taken apart layer by layer, where each
 * fault has its name; here nothing is judged but that there is none. */
#include "sensor/checksum.h"
#include "sensor/packet_walk.h"

enum { HEADERS = ETHERNET_HEADER + IP4_HEADER + TCP_HEADER };

static bool sums_right(const uint8_t *ip, const uint8_t *tcp, uint32_t len)
{
	uint64_t pseudo = raw32(ip + 12) + raw32(ip + 16) + htobe32(L4_TCP) + htobe32(len);
	return sum_fold(sum_20(ip)) == 0xffff && sum_fold(sum_add(pseudo, tcp, len)) == 0xffff;
}

bool packet_straight(struct packet *p, const struct packet_options *o)
{
	if (p->link != LINK_ETHERNET || p->caplen < HEADERS || be16(p->bytes + 12) != 0x0800)
		return false;
	const uint8_t *ip = p->bytes + ETHERNET_HEADER, *tcp = ip + IP4_HEADER;
	if (ip[0] != 0x45 || ip[9] != L4_TCP || (be16(ip + 6) & 0x3fff) != 0)
		return false;
	uint32_t total = be16(ip + 2), header = tcp_length(tcp);
	if (total > p->caplen - ETHERNET_HEADER || header < TCP_HEADER ||
		IP4_HEADER + header > total)
		return false;
	if (o->checksums == CHECKSUM_VERIFY && !sums_right(ip, tcp, total - IP4_HEADER))
		return false;

	take_macs(p, p->bytes);
	take_v4(&p->src, ip + 12);
	take_v4(&p->dst, ip + 16);
	p->ttl = ip[8];
	p->ip_id = be16(ip + 4);
	take_tcp(p, tcp);
	take_payload(p, L4_TCP, tcp + header, total - IP4_HEADER - header);
	return true;
}
