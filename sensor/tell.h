/* tell.h - gives each event its number, writes it and hands it to the sinks. */
#ifndef SENSOR_TELL_H
#define SENSOR_TELL_H

#include "sensor/eve.h"
#include "sensor/sink.h"

/* Event types as bits; those of protocols follow EVENT_PROTOCOL by service index. */
enum event_bits {
	EVENT_ALERT = 1 << 0,
	EVENT_VERDICT = 1 << 1,
	EVENT_ANOMALY = 1 << 2,
	EVENT_FLOW = 1 << 3,
	EVENT_STATS = 1 << 4,
	EVENT_CANARY = 1 << 5,
	EVENT_AUDIT = 1 << 6,
	EVENT_PROTOCOL = 8, /* a shift, not a bit */
};

/* The bit of a name as --events takes it ("flow", "modbus"), 0 if there is no such event. */
uint64_t event_bit(const char *name);
/* Names for messages, NULL-terminated; static. */
const char *const *event_names(void);

struct evidence;

struct tell {
	struct eve eve;
	struct sinks *sinks;       /* NULL: events are numbered and forgotten */
	struct evidence *evidence; /* NULL: packets are not kept */
	uint64_t events;           /* which types go out */
	uint64_t n;                /* of the last event */
	struct counters *counters;
	char line[EVE_LINE];
};

/* Each returns the event's n, 0 if its type is not wanted. */
uint64_t tell_alert(struct tell *t, struct alert *a);
uint64_t tell_verdict(struct tell *t, const struct alert *of);
uint64_t tell_anomaly(struct tell *t, const struct anomaly *a);
uint64_t tell_flow(struct tell *t, const struct flow *f, const char *why);
uint64_t tell_transaction(struct tell *t, const struct event *e);
uint64_t tell_canary(struct tell *t, struct stamp at, uint64_t latency_us);
uint64_t tell_audit(struct tell *t, struct stamp at, const struct audit *a);
uint64_t tell_stats(struct tell *t, struct stamp at);

#endif
