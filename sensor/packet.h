/* packet.h - one frame, taken apart down to its transport payload. */
#ifndef SENSOR_PACKET_H
#define SENSOR_PACKET_H

#include "sensor/counters.h"
#include "sensor/inspect.h"

/* Borrows the frame's bytes (or the fragment table's, for a joined packet). */
struct packet {
	struct stamp at;
	uint32_t link; /* LINKTYPE_ of the capture */
	uint32_t caplen, wirelen;
	const uint8_t *bytes;

	bool has_mac, bad_sum;
	bool contested; /* its fragments overlap with different bytes: there is a second reading */
	uint8_t layers; /* of encapsulation passed */
	uint8_t vlans, ttl; /* innermost IP */
	uint16_t ip_id;     /* IPv4; 0 for IPv6 */
	uint8_t src_mac[6], dst_mac[6];
	uint16_t vlan[FLOW_VLANS];
	uint64_t pieces; /* not 0: a fragment; the same between two hosts */

	struct addr src, dst; /* of the innermost IP header */
	uint8_t l4;           /* 6, 17, else something that has no payload for us */
	uint16_t sport, dport;
	uint32_t seq, ack; /* TCP, host order */
	uint8_t tcp_flags;
	const uint8_t *payload;
	uint32_t payload_len;      /* bytes captured */
	uint32_t payload_wire_len; /* bytes on the wire; more than payload_len where the capture cut
				      it */
};

enum { LINK_ETHERNET = 1 };
enum { TCP_FIN = 1, TCP_SYN = 2, TCP_RST = 4, TCP_ACK = 16 };

enum checksum_mode { CHECKSUM_VERIFY, CHECKSUM_IGNORE };

struct frags; /* frag.c: fragments that wait */

struct packet_options {
	enum checksum_mode checksums;
	struct frags *frags;
	struct counters *counters;
	const struct inspector *inspector; /* for anomalies */
};

/* Fills @p (at, link, caplen, wirelen, bytes are set by the caller). True if there is a TCP or UDP
 * packet to go on with; otherwise it has been counted why not. */
bool packet_decode(struct packet *p, const struct packet_options *o);

/* After packet_decode(), whatever it said, call until false: where fragments contradicted
 * each other @p becomes the same packet with the other bytes. */
bool packet_decode_again(struct packet *p, const struct packet_options *o);
static inline bool packet_second_reading(struct packet *p, const struct packet_options *o)
{
	return p->contested && packet_decode_again(p, o);
}

#endif
