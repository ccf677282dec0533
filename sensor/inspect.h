/* inspect.h - what transport tells the judging half of the sensor. */
#ifndef SENSOR_INSPECT_H
#define SENSOR_INSPECT_H

#include "dissectors/reader.h"
#include "sensor/flow.h"

struct packet;

/* Where in the capture something happened. */
struct stamp {
	int64_t ts_ns;  /* packet time since 1970 */
	uint64_t frame; /* 1-based number of the packet that completed it */
};

/* Every kind of anomaly transport can see. */
enum anomaly_kind {
#define ANOMALY(id, name, sentence) ANOMALY_##id,
#include "sensor/anomaly.def"
#undef ANOMALY
	ANOMALY_KINDS
};

struct anomaly {
	enum anomaly_kind kind;
	struct stamp at;
	const struct flow *flow; /* or NULL */
	unsigned from;           /* which end sent it, where flow is set */
	uint64_t count;          /* bytes for blind_interval, else occurrences that this tells of */
	const char *detail;      /* as long as the call, or NULL */
};

/* What becomes of a conversation. */
enum flow_change {
	FLOW_STARTED,     /* its first packet was seen */
	FLOW_ANSWERED,    /* the other end has sent something too */
	FLOW_REFUSED,     /* TCP: the other end's first packet is a reset */
	FLOW_WENT_ON,     /* TCP: payload keeps coming after its end was seen: that was forged */
	FLOW_BLIND_RESET, /* TCP: a reset far outside the window, which nobody believes */
	FLOW_ENDED,       /* about to be forgotten */
};

/* A frame that is neither TCP nor UDP. */
struct aside {
	const struct packet *packet; /* at, MACs, VLANs; src and dst where it is IP */
	bool is_ip;
	uint16_t type; /* IP protocol (1 ICMP, 58 ICMPv6 …), else Ethernet type (0x806 ARP …) */
	struct reader bytes; /* what was captured behind that header */
};

/* Called in packet order on packet time. @pdu and what it borrows die with the call; the callee
 * may set pdu->request and flags. */
struct inspector {
	void *ctx;
	void (*pdu)(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *pdu);
	void (*anomaly)(void *ctx, const struct anomaly *a);
	/* Once, when the flow starts: fill in site facts. */
	void (*flow_start)(void *ctx, struct flow *f, struct stamp at);
	/* The flow is about to be forgotten: @why is static ("closed", "timeout", "evicted",
	 * "end"). */
	void (*flow_end)(void *ctx, struct flow *f, const char *why);
	/* FLOW_ANSWERED and FLOW_REFUSED, once, FLOW_WENT_ON and FLOW_BLIND_RESET, by end[@from];
	 * may be NULL. */
	void (*flow_change)(
		void *ctx, struct flow *f, enum flow_change change, unsigned from, struct stamp at);
	void (*aside)(void *ctx, const struct aside *a); /* may be NULL */
	/* What end[@from] says first, as far as it stands in one packet: in a TCP connection whose
	 * start was seen, or over UDP. May be NULL. */
	void (*first_bytes)(
		void *ctx, struct flow *f, unsigned from, struct stamp at, struct reader bytes);
	/* A TCP packet of no connection with flags that no stack sends there; may be NULL. */
	void (*stray)(void *ctx, const struct packet *p);
	/* Bytes of a file in a message that tells nothing else, sent by end[@from]; may be NULL. */
	void (*content)(
		void *ctx, struct flow *f, unsigned from, struct stamp at, const struct content *c);
};

#endif
