/* transport.h - from packets to PDUs: flows, TCP streams, UDP, protocol detection. */
#ifndef SENSOR_TRANSPORT_H
#define SENSOR_TRANSPORT_H

#include "sensor/packet.h"

struct transport;

/* What a zero in the options stands for. */
enum {
	TRANSPORT_MAX_FLOWS = 262144,
	TRANSPORT_POOL_BYTES = 256 << 20,
	TRANSPORT_TCP_IDLE_S = 86400, /* plant sessions fall silent for hours and live for years */
	TRANSPORT_UDP_IDLE_S = 300,
	TRANSPORT_GAP_MS = 1000, /* a tenth of it where the receiver has acknowledged the bytes */
	TRANSPORT_GAP_BYTES = 256 << 10,
};

struct transport_options {
	size_t max_flows;    /* hard cap, the least recently used is evicted */
	size_t pool_bytes;   /* cap on bytes that wait for others */
	uint32_t tcp_idle_s; /* a connection silent for so long is forgotten (packet time) */
	uint32_t udp_idle_s;
	uint32_t gap_ms;                           /* how long a hole in a stream is waited for */
	uint32_t gap_bytes;                        /* and how many bytes beyond it */
	uint64_t hash_seed;                        /* of the flow table */
	const struct dissector *const *dissectors; /* ends with NULL; NULL: all there are */
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
