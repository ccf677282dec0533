/* icmp.c - header, checksum, and what an error quotes. */
#include "sensor/icmp.h"

#include "sensor/checksum.h"

enum { HEADER = 8, ERRORS6 = 128, PROTOCOL_ICMP6 = 58 };

static bool sum_right(const struct aside *a, bool v6)
{
	uint64_t sum = sum_add(0, a->bytes.at, a->bytes.left);
	if (v6) {
		sum = sum_add(sum, a->packet->src.bytes, 16);
		sum = sum_add(sum, a->packet->dst.bytes, 16);
		sum = sum_wide(
			sum, htobe32(PROTOCOL_ICMP6) + (uint64_t)htobe32((uint32_t)a->bytes.left));
	}
	return sum_fold(sum) == 0xffff;
}

static void take_addr(struct addr *to, struct reader *in, bool v6)
{
	const uint8_t *bytes = rd_bytes(in, v6 ? 16 : 4);
	*to = (struct addr){ .family = v6 ? 6 : 4 };
	if (bytes == NULL)
		return;
	if (!v6)
		to->bytes[10] = to->bytes[11] = 0xff;
	memcpy(to->bytes + (v6 ? 0 : 12), bytes, v6 ? 16 : 4);
}

static bool has_ports(uint8_t l4)
{
	return l4 == L4_TCP || l4 == L4_UDP;
}

static void original_v4(struct icmp *m, struct reader in)
{
	struct reader r = in;
	size_t header = (size_t)(rd_u8(&r) & 15) * 4;
	rd_skip(&r, 5);
	bool later = (rd_be16(&r) & 0x1fff) != 0; /* not the first fragment */
	rd_skip(&r, 1);
	m->original.l4 = rd_u8(&r);
	rd_skip(&r, 2);
	take_addr(&m->original.src, &r, false);
	take_addr(&m->original.dst, &r, false);
	m->original.known = !r.overrun && header >= 20;
	rd_skip(&in, header);
	m->original.sport = rd_be16(&in);
	m->original.dport = rd_be16(&in);
	m->original.has_ports =
		m->original.known && !in.overrun && !later && has_ports(m->original.l4);
}

static void original_v6(struct icmp *m, struct reader r)
{
	rd_skip(&r, 6);
	m->original.l4 = rd_u8(&r);
	rd_skip(&r, 1);
	take_addr(&m->original.src, &r, true);
	take_addr(&m->original.dst, &r, true);
	m->original.known = !r.overrun;
	m->original.sport = rd_be16(&r);
	m->original.dport = rd_be16(&r);
	m->original.has_ports = m->original.known && !r.overrun && has_ports(m->original.l4);
}

static bool is_error(const struct icmp *m)
{
	if (m->v6)
		return m->type < ERRORS6;
	return m->type == ICMP_UNREACHABLE || m->type == 4 || m->type == 5 || m->type == 11 ||
	       m->type == 12;
}

static void read_error(struct icmp *m)
{
	unsigned version = rd_peek(&m->payload, 0) >> 4;
	m->error = true;
	m->refused = m->v6 ? m->type == ICMP6_UNREACHABLE
			   : m->type == ICMP_UNREACHABLE && m->code != ICMP_TOO_BIG;
	if (version == 4 && !m->v6)
		original_v4(m, m->payload);
	else if (version == 6 && m->v6)
		original_v6(m, m->payload);
	if (!m->original.has_ports)
		m->original.sport = m->original.dport = 0;
}

bool icmp_read(struct icmp *m, const struct aside *a, bool verify)
{
	bool v6 = a->type == IP_ICMP6;
	if (!a->is_ip || (a->type != IP_ICMP && !v6))
		return false;
	struct reader in = a->bytes;
	*m = (struct icmp){ .v6 = v6, .cut = a->packet->wirelen > a->packet->caplen };
	m->type = rd_u8(&in);
	m->code = rd_u8(&in);
	rd_skip(&in, 2);
	m->id = rd_be16(&in);
	m->sequence = rd_be16(&in);
	if (in.overrun || (verify && !m->cut && !sum_right(a, v6)))
		return false;
	m->payload = in;
	m->request = m->type == (v6 ? ICMP6_ECHO : ICMP_ECHO) && m->code == 0;
	m->reply = m->type == (v6 ? ICMP6_ECHO_REPLY : ICMP_ECHO_REPLY) && m->code == 0;
	if (is_error(m))
		read_error(m);
	return true;
}
