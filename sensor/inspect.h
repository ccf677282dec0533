/* inspect.h - what transport tells the judging half of the sensor. */
#ifndef SENSOR_INSPECT_H
#define SENSOR_INSPECT_H

#include "sensor/flow.h"

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

/* Called in packet order on packet time. @pdu and what it borrows die with the call; the callee
 * may set pdu->request and flags. */
struct inspector {
	void *ctx;
	void (*pdu)(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *pdu);
	void (*anomaly)(void *ctx, const struct anomaly *a);
	/* Once, when the flow starts: fill in site facts. */
	void (*flow_start)(void *ctx, struct flow *f);
	/* The flow is about to be forgotten: @why is static ("closed", "timeout", "evicted",
	 * "end"). */
	void (*flow_end)(void *ctx, struct flow *f, const char *why);
};

#endif
