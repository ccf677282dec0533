/* eve.h - EVE JSON, one function an event type. Each writes one line without its newline.
 * Field by field: shared/design libraries.md "EVE fields", the schema in tests/eve.schema.json. */
#ifndef SENSOR_EVE_H
#define SENSOR_EVE_H

#include "common/buf.h"
#include "sensor/rule.h"

enum { EVE_LINE = 65536, EVE_ITEMS = 100 };

/* What is the same for every event of a run. */
struct eve {
	const char *sensor;        /* "host" */
	const char *in_iface;      /* live, or NULL */
	const char *pcap_filename; /* replay, or NULL */
	uint64_t epoch;
	/* names of the site facts a flow carries by index; each may be NULL */
	const char *const *roles, *const *zones, *const *names;
	const uint8_t *criticality; /* by name index, 0–100, or NULL */
	int64_t started_ns; /* packet time (live: wall time) at which stats.uptime was 0; 0: not
			       known */
};

struct change;
struct chain;

/* A chain's eight, those before, the shown, the last and the reply. */
enum { ALERT_FRAMES = 8 + EVENT_FRAMES + 3 };

struct alert {
	const struct rule *rule;
	enum rule_level level;       /* as told */
	const struct window *window; /* maintenance that lowered it, or NULL */
	const struct event *event;
	const struct chain *chain; /* of a correlation, or NULL */
	int32_t item;              /* that satisfied the rule, or -1 */
	uint64_t n;                /* number of this event in its epoch */
	uint64_t count;            /* occurrences this event adds */
	uint64_t suppressed;       /* of which were held before */
	/* For alerts that stay open over several events; 0: left out. */
	uint64_t total, open; /* occurrences since it opened, n of its first event */
	int64_t first_ns, last_ns;
	uint64_t shown_frame; /* of the message that is shown, where event->at is later; or 0 */
	int64_t told_ns;      /* verdict events: when it was known */
	const struct change *change; /* or NULL */
	/* evidence.h: the capture of its packets, or NULL, and which of them are its own. */
	const char *slice;
	unsigned slice_count;
	uint32_t slice_frames[ALERT_FRAMES];
};

/* What a command did to a value. */
struct change {
	enum field_type type;
	bool has_old, has_new;
	struct value old_value, new_value;
	const char *point, *unit; /* what the site calls it, as long as the run; or NULL */
};

/* Numbers of the frames that @a rests on, without repeats; returns how many. */
unsigned alert_frames(const struct alert *a, uint64_t frame[ALERT_FRAMES]);
void eve_alert(struct buf *out, const struct eve *eve, const struct alert *a);
/* The verdict that follows alert @of which went out at once. */
void eve_verdict(struct buf *out, const struct eve *eve, uint64_t n, const struct alert *of);
void eve_anomaly(struct buf *out, const struct eve *eve, uint64_t n, const struct anomaly *a);
void eve_flow(
	struct buf *out, const struct eve *eve, uint64_t n, const struct flow *f, const char *why);
/* event_type modbus, s7comm, dnp3 …: one a transaction. */
void eve_transaction(struct buf *out, const struct eve *eve, uint64_t n, const struct event *e);
void eve_canary(
	struct buf *out, const struct eve *eve, uint64_t n, struct stamp at, uint64_t latency_us);
/* What people did to the sensor, or told it before and is so now. NULL and 0: left out. */
struct audit {
	const char *action; /* "silence_added" … */
	const char *id;     /* of a silence; a window's name */
	const char *what;   /* the whole of it */
	const char *by, *reason;
	int64_t until_ns; /* INT64_MAX: no end */
	bool has_uid, has_count;
	uint32_t uid;   /* whose process asked */
	uint64_t count; /* alerts silenced or lowered so far */
};
void eve_audit(
	struct buf *out, const struct eve *eve, uint64_t n, struct stamp at, const struct audit *a);
struct counters;
void eve_stats(struct buf *out, const struct eve *eve, uint64_t n, struct stamp at,
	const struct counters *c);
/* --pdus: not EVE, see shared/design sensor.md. A line may take EVE_PDU_LINE bytes; what does not
 * fit is left out and said ("items_cut"). */
enum { EVE_PDU_LINE = 512 * 1024 };
void eve_pdu(struct buf *out, const struct flow *f, unsigned from, struct stamp at,
	const struct pdu *pdu);

#endif
