/* spread.h - what goes from host to host: shared by the files of the watcher.
 *
 * A station is a host and a service (transport protocol and server's port). Who was reached on a
 * service and then goes to many others on the same one has turned (spread_station.c). What is said
 * first in a conversation is a content, by its first bytes (spread_content.c). */
#ifndef SENSOR_SPREAD_H
#define SENSOR_SPREAD_H

#include "sensor/keep.h"
#include "sensor/watch.h"

enum {
	SPREAD_WORDS = 4,   /* of sketches: 256 bits */
	SPREAD_PREFIX = 64, /* bytes of a payload that make a content */
	SPREAD_SHOWN = 16,  /* bytes of it that are told */
	SPREAD_PATH = 8,    /* hosts in a path that is told */
	SPREAD_DUE = 256,   /* stations that are to be told */
};

struct spread_frames {
	unsigned count;
	uint64_t frame[EVENT_FRAMES];
};

struct spread_station {
	struct keep_entry keep;
	struct endpoint host; /* port: of the service */
	uint8_t l4;
	bool reached;     /* somebody said something to it */
	bool asked_first; /* it asked others before: a relay, or just a client */
	bool turned, due;
	uint8_t generation; /* 1: reached by one that did not turn itself */
	int64_t reached_ns; /* at last */
	struct endpoint by; /* and by whom; one that turned stays */
	bool by_turned;
	uint64_t received;      /* the content, unless it had said the same before */
	uint64_t said;          /* sketch of what it said before it was reached */
	struct endpoint latest; /* whom it asked */
	uint32_t attempts, answers, told;
	uint64_t asked[SPREAD_WORDS]; /* sketches: whom it asked since, */
	uint64_t same[SPREAD_WORDS];  /* and who got what it had got */
	bool relayed;                 /* counted for its content */
	struct spread_frames frames;
};

struct spread_content {
	struct keep_entry keep;
	int64_t first_ns;
	uint32_t relays, told;
	uint8_t shown_len;
	uint8_t shown[SPREAD_SHOWN];
	uint64_t sources[SPREAD_WORDS], targets[SPREAD_WORDS];
	struct spread_frames frames;
};

struct spread_due {
	uint64_t station;
	int64_t at_ns;
};

struct spread {
	const struct watch *watch;
	struct keep *stations, *contents;
	int64_t within_ns, learn_ns;
	int64_t began_ns; /* first packet; 0: none yet */
	struct spread_due due[SPREAD_DUE];
	uint32_t due_first, due_next;
	uint64_t evicted_told;
};

/* What is said first: its hash, and the beginning of it. */
struct spread_said {
	uint64_t hash; /* 0: too short to tell */
	const struct reader *bytes;
};

static inline void frames_add(struct spread_frames *f, uint64_t frame)
{
	f->frame[f->count++ % EVENT_FRAMES] = frame;
}

/* spread_station.c */

struct spread_station *spread_station_of(
	struct spread *s, const struct endpoint *host, uint16_t service, uint8_t l4, bool *fresh);
struct spread_station *spread_station_find(
	const struct spread *s, const struct endpoint *host, uint16_t service, uint8_t l4);
void spread_station_asks(struct spread *s, const struct flow *f, struct stamp at);
void spread_station_answered(struct spread *s, const struct flow *f);
void spread_station_was_client(struct spread *s, const struct flow *f);
/* @said has gone from end[0] to end[1]. */
void spread_station_speaks(
	struct spread *s, const struct flow *f, const struct spread_said *said, struct stamp at);
void spread_stations_tick(struct spread *s, struct stamp now, bool all);

/* spread_content.c */

struct spread_said spread_said_of(
	const struct spread *s, const struct flow *f, const struct reader *bytes);
/* @relay: by one that had got it itself and has passed it on to several. */
void spread_content_seen(struct spread *s, const struct flow *f, const struct spread_said *said,
	bool relay, struct stamp at);

/* spread_tell.c */

enum spread_kind { SPREAD_TURNED = 1, SPREAD_RELAYED, SPREAD_NOVEL };
extern const struct dissector spread_service;
void spread_tell_station(struct spread *s, const struct spread_station *st, struct stamp at);
void spread_tell_content(struct spread *s, const struct flow *f, const struct spread_content *c,
	enum spread_kind kind, struct stamp at);
void spread_count_evicted(struct spread *s, struct stamp at);

#endif
