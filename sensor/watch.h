/* watch.h - what follows the traffic over time: assets, baselines, scans, values.
 *
 * A watcher is one constant struct in its own file and a line in watchers.def. It keeps bounded
 * state, by packet time, and makes no alert: when it finds something it makes an observation, a PDU
 * of a service (services.def: a dissector that is only a name and a field table, .observed set),
 * which rules judge like any message from the wire. */
#ifndef SENSOR_WATCH_H
#define SENSOR_WATCH_H

#include "common/err.h"
#include "sensor/config.h"
#include "sensor/counters.h"
#include "sensor/event.h"
#include "sensor/options.h"

struct change;

/* Where observations go; judge.c. Not from within the anomaly hook. */
struct watch_out {
	void *ctx;
	/* @flow and @pdu live as long as the call. */
	void (*observe)(void *ctx, const struct event *e);
	void (*anomaly)(void *ctx, const struct anomaly *a);
	/* Would anybody hear of an observation that begins like @sketch? NULL: yes. */
	bool (*wants)(void *ctx, const struct pdu *sketch);
	/* The present state of a thing called @name, one line of JSON, where sinks keep such; NULL:
	 * there is no such thing any more. The hook is NULL where nobody keeps them. */
	void (*keep)(void *ctx, const char *name, const char *json, size_t len);
};

/* What a watcher is given; it lives as long as the watcher. */
struct watch {
	const struct config *config;
	const struct options *options;
	struct counters *counters;
	uint64_t seed;      /* hides from the network which keys meet; 0 in replay */
	bool live;          /* else a replay */
	const char *folder; /* where state is kept over restarts, or NULL; as long as the run */
	unsigned index;     /* of the watcher: flow->note[index] is its own word, 0 at first */
	struct watch_out out;
};

struct watcher {
	const char *name;
	/* Its state; NULL without @err set: not wanted. Unset hooks cost nothing. */
	void *(*open)(const struct watch *w, struct err *err);
	void (*close)(void *self);
	void (*flow)(void *self, struct flow *f, enum flow_change change, unsigned from,
		struct stamp at);
	/* Asked of each request before rules judge it: what the command in it would do to a value,
	 * or NULL. Lives until the next call; points into no message. */
	const struct change *(*change)(void *self, const struct event *e);
	/* Of which protocols it wants messages, for pdu and change; ends with NULL. NULL: of all.
	 */
	const struct dissector *const *reads;
	/* There are rules, or others than before: ask again what watch_wants() says. */
	void (*rules)(void *self);
	/* After rules have judged it. @e->verdict of a reply is known; e->pdu->request of it is
	 * what dissector.keep names. */
	void (*pdu)(void *self, const struct event *e);
	void (*aside)(void *self, const struct aside *a);
	/* What an end of a flow says first; inspect.h. */
	void (*first_bytes)(
		void *self, struct flow *f, unsigned from, struct stamp at, struct reader bytes);
	/* A TCP packet of no flow that no stack sends. */
	void (*stray)(void *self, const struct packet *p);
	/* Bytes of a file in a message that is not told otherwise; those of others are in their
	 * PDU. */
	void (*content)(void *self, struct flow *f, unsigned from, struct stamp at,
		const struct content *c);
	void (*anomaly)(void *self, const struct anomaly *a);
	/* About every second of packet time, live of wall time too. May step back. */
	void (*tick)(void *self, struct stamp now);
	/* The end of a capture; the next may follow. */
	void (*finish)(void *self, struct stamp now);
};

struct watchers;

struct watchers *watchers_new(const struct watch *w, struct err *err);
void watchers_free(struct watchers *w);
/* To be called before the first packet. */
void watchers_out(struct watchers *w, const struct watch_out *out);
/* The watcher of that name begins anew; false: it goes on as before. */
bool watchers_renew(struct watchers *w, const char *name, struct err *err);
/* The state of the watcher of that name; NULL: not wanted. */
void *watchers_state(const struct watchers *w, const char *name);

void watchers_rules(struct watchers *w);
void watchers_flow(struct watchers *w, struct flow *f, enum flow_change change, unsigned from,
	struct stamp at);
const struct change *watchers_change(struct watchers *w, const struct event *e);
void watchers_pdu(struct watchers *w, const struct event *e);
void watchers_aside(struct watchers *w, const struct aside *a);
void watchers_first_bytes(
	struct watchers *w, struct flow *f, unsigned from, struct stamp at, struct reader bytes);
void watchers_stray(struct watchers *w, const struct packet *p);
void watchers_anomaly(struct watchers *w, const struct anomaly *a);
void watchers_content(struct watchers *w, struct flow *f, unsigned from, struct stamp at,
	const struct content *c);
void watchers_tick(struct watchers *w, struct stamp now);
void watchers_finish(struct watchers *w, struct stamp now);

/* For watchers: an observation about @f, said or shown by end[@from]. Set the PDU up with
 * observation(), then pdu_uint() and its like. @change: what it did to a value, or NULL. */
void watch_observe(const struct watch *w, const struct flow *f, unsigned from, struct stamp at,
	const struct pdu *pdu, const struct change *change);
/* An observation of what a message wants: told with what becomes of it. For the pdu hook. */
void watch_observe_of(const struct watch *w, const struct event *of, const struct pdu *pdu);
/* Is it worth the trouble to make one that begins like @sketch? Not for each message: remember it
 * until the rules hook. */
bool watch_wants(const struct watch *w, const struct pdu *sketch);
/* The same with the frames that led here, EVENT_FRAMES at most. */
void watch_observe_after(const struct watch *w, const struct flow *f, struct stamp at,
	const struct pdu *pdu, const uint64_t *frames, unsigned count);
/* @name of what is observed: static. */
void observation(struct pdu *pdu, const struct dissector *service, const char *name);
/* A flow that is none, for observations about two addresses (@dst NULL: one address). */
void watch_ends(const struct watch *w, struct flow *f, const struct endpoint *src,
	const struct endpoint *dst, struct stamp at);

#endif
