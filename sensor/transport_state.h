/* transport_state.h - what the files of transport share: one worker's world. */
#ifndef SENSOR_TRANSPORT_STATE_H
#define SENSOR_TRANSPORT_STATE_H

#include "sensor/duplicate.h"
#include "sensor/flow_table.h"
#include "sensor/transport.h"

struct stream;

/* Streams whose next bytes are missing, the longest waiting first. */
struct wait_list {
	struct stream *first, *last;
};

/* Something that happens often is told at 1, 2, 4, 8 … occurrences. */
struct doubling {
	uint64_t count, told, next;
};

struct transport {
	struct transport_options o;
	struct counters *counters;
	const struct inspector *inspector;
	struct flow_table *flows;
	struct pool pool;
	struct wait_list waiting;
	struct duplicates *seen;
	int64_t expire_ns;     /* when idle flows were last looked for */
	uint64_t pool_refused; /* of pool.refused, what is counted already */
	struct doubling flows_full, pool_full;
	struct pdu pdu; /* scratch */
};

/* A stretch of bytes of one direction, and where they came from. */
struct piece {
	const uint8_t *bytes;
	uint32_t len;
	uint32_t seq; /* TCP */
	struct stamp at;
};

void transport_tell(struct transport *t, enum anomaly_kind kind, const struct flow_slot *s,
	unsigned from, struct stamp at, uint64_t count, const char *detail);
/* The pool turned something down: counted, and told now and then. */
void transport_pool_full(
	struct transport *t, const struct flow_slot *s, unsigned from, struct stamp at);
/* Where @s belongs now that its mode is known. */
void transport_relist(struct transport *t, struct flow_slot *s);

static inline enum dir flow_dir(const struct flow *f, unsigned from)
{
	return from == f->client ? DIR_TO_SERVER : DIR_TO_CLIENT;
}

#endif
