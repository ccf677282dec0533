/* transport.h - from packets to PDUs: flows, TCP streams, UDP, protocol detection. */
#ifndef SENSOR_TRANSPORT_H
#define SENSOR_TRANSPORT_H

#include "sensor/packet.h"

struct transport;

struct transport_options {
	size_t max_flows;	/* hard cap, the least recently used is evicted */
	size_t pool_bytes;	/* cap on bytes that wait for others */
	uint32_t tcp_idle_s;	/* a connection silent for so long is forgotten (packet time) */
	uint32_t udp_idle_s;
	uint32_t gap_ms;	/* how long a hole in a stream is waited for */
	uint32_t gap_bytes;	/* and how many bytes beyond it */
	uint64_t hash_seed;	/* of the flow table */
	struct counters *counters;
	const struct inspector *inspector;
};

struct transport *transport_new(const struct transport_options *o);
/* One decoded packet. */
void transport_packet(struct transport *t, const struct packet *p);
/* Packet time has come to @now_ns: expires what is due. Cheap; call it now and then. */
void transport_tick(struct transport *t, int64_t now_ns);
/* End of input: gaps are given up, everything waiting is inspected, flow_end is called for all. */
void transport_finish(struct transport *t);
void transport_free(struct transport *t);

#endif
