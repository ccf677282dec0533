/* flow.h - a conversation of two ends: what transport keeps of it and others may read. */
#ifndef SENSOR_FLOW_H
#define SENSOR_FLOW_H

#include "dissectors/dissector.h"

/* IPv4 stands as ::ffff:a.b.c.d, so that 16 bytes always compare. */
struct addr {
	uint8_t bytes[16];
	uint8_t family; /* 4 or 6 */
};

struct endpoint {
	struct addr ip;
	uint16_t port;
	bool has_mac;
	uint8_t mac[6];
};

enum { FLOW_VLANS = 3, FLOW_NOTES = 12 };

struct stream;   /* stream.c: TCP state of both directions */
struct tx_table; /* transaction.c: open requests */

struct flow {
	struct endpoint end[2];
	uint8_t client;   /* index in end[] of who asks; a guess until client_sure */
	bool client_sure; /* handshake or payload told */
	uint8_t l4;       /* enum l4 */
	uint8_t said;     /* bit i: what end[i] says first has been seen */
	bool ended;       /* TCP: reset, or closed by both */
	uint8_t vlans;    /* of the first packet, outermost first */
	uint16_t vlan[FLOW_VLANS];
	uint64_t id; /* EVE flow_id, ≤ 51 bits, unseeded: the same in every replay */
	int64_t first_ns, last_ns;
	uint64_t packets[2], bytes[2]; /* sent by end[i] */
	uint64_t blind_bytes[2];       /* known to be sent by end[i] and never seen */
	uint32_t alerts;

	const struct dissector *dissector; /* NULL: not decided, or nothing of ours */
	void *state;                       /* of the dissector */
	struct stream *stream;
	struct tx_table *tx; /* NULL until the first request */

	/* Site facts, looked up once when the flow starts (site.c); indexes, 0: none. */
	uint16_t role[2], zone[2], name[2];

	uint32_t note[FLOW_NOTES]; /* a word for each watcher (watch.h), by its index */
};

#endif
