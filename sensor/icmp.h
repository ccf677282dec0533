/* icmp.h - one ICMP (RFC 792) or ICMPv6 (RFC 4443) message. */
#ifndef SENSOR_ICMP_H
#define SENSOR_ICMP_H

#include "sensor/packet.h"

enum {
	IP_ICMP = 1,
	IP_ICMP6 = 58,
	ICMP_ECHO_REPLY = 0,
	ICMP_UNREACHABLE = 3,
	ICMP_ECHO = 8,
	ICMP6_UNREACHABLE = 1,
	ICMP6_ECHO = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP_TOO_BIG = 4, /* a code of unreachable */
};

struct icmp {
	bool v6;
	uint8_t type, code;
	bool request, reply;   /* an echo's */
	bool error, refused;   /* about a packet; refused: it, or its port, has nobody */
	uint16_t id, sequence; /* of an echo */
	struct reader payload; /* what was captured behind the eight bytes of header */
	bool cut;              /* there was more on the wire */
	/* The packet that an error is about, as far as it is quoted. */
	struct {
		bool known, has_ports;
		struct addr src, dst;
		uint8_t l4;
		uint16_t sport, dport;
	} original;
};

/* False: no ICMP, too short, or, with @verify, its checksum is wrong (a cut one is not verified).
 */
bool icmp_read(struct icmp *m, const struct aside *a, bool verify);

#endif
