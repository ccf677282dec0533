/* node.h - one tier: who it is, what it remembers, whom it talks to. Everything that decides is
 * called with the time and under the node's lock, touches no network and no clock: the simulator
 * runs the same code. */
#ifndef AGGREGATOR_NODE_H
#define AGGREGATOR_NODE_H

#include <pthread.h>

#include "aggregator/config.h"
#include "common/keys.h"
#include "aggregator/store.h"
#include "common/json.h"

struct now {
	int64_t wall_ms; /* since 1970; may jump */
	int64_t mono_ms; /* never goes back while the process lives */
};

enum tier { TIER_ENTERPRISE, TIER_PARK, TIER_GROUP, TIER_PROVINCE, TIER_NATION, TIERS };
const char *tier_name(enum tier t);
bool tier_from(const char *name, enum tier *t);

struct link;
struct digest;
struct accept;
struct rollup;

enum { NODE_PARENTS = 4 };

/* What goes out to feeds; names are those of the streams bongsu:feed:{NAME}. */
enum feed { FEED_DIGEST, FEED_FLASH, FEED_ROLLUP, FEED_HEALTH, FEED_NOTICE, FEED_ALARM, FEEDS };

/* Of room.c. */
struct room {
	bool asked, gone; /* the reserve: taken once, given up */
	int64_t look_ms;  /* mono: the next look */
};

/* 16 hex digits. */
enum { RUN_TEXT = 17 };

struct node {
	const struct agg_config *config;
	struct store *store;
	pthread_mutex_t lock;
	char org[ORG_TEXT]; /* 32 hex digits */
	enum tier tier;
	char region[8], industry[8]; /* as in the certificate; "" where none */
	struct key key;              /* the certificate's */
	uint8_t site_key[32];
	char run[RUN_TEXT]; /* random, of this start; told in beats */
	int64_t cert_days;  /* until our certificate ends; told in beats */
	struct link *link[NODE_PARENTS];
	unsigned links;
	struct digest *digest; /* NULL: no sensors here */
	struct accept *accept; /* children as far as they are kept in memory */
	struct rollup *rollup;
	int64_t notice_due_s; /* when a timer of a notice is due next */
	uint64_t down_seq;    /* the newest object that goes down */
	bool receipts_wait;   /* to be handed to the links */
	struct room room;
	bool broken;              /* the store is damaged: only a new start helps */
	int64_t beat_ms, tidy_ms; /* mono: the next beat, the next tidying */
	/* Outward, all may be NULL. @say: priority as in syslog. Called inside transactions: only
	 * queue. */
	void (*say)(void *ctx, int priority, const char *text);
	void (*feed)(void *ctx, enum feed kind, const char *origin, const char *json, size_t len);
	void (*wake)(void *ctx); /* there is something new to send or to push down */
	void *ctx;
};

/* Opens the store, its tables (each module's) and the links of the configuration. @key signs;
 * its owner is @org. After STORE_REBUILT links ask for head before anything else and intake starts
 * again from Redis. False and @err: it cannot run. */
struct node_identity {
	char org[ORG_TEXT];
	enum tier tier;
	char region[8], industry[8];
	struct key key;
	uint8_t site_key[32];
};
bool node_open(struct node *n, const struct agg_config *c, const struct node_identity *id,
	const struct store_options *so, struct now now, struct err *err);
void node_close(struct node *n);
/* Beside a running daemon, for the command line: store and children, no links, no windows. */
bool node_peek(struct node *n, const struct agg_config *c, const struct node_identity *id,
	struct now now, struct err *err);
/* What is due: closes windows, makes beats and roll-ups, runs timers, frees old bodies, coarsens
 * when short of room. Returns when it wants to be called next (mono ms). */
int64_t node_tick(struct node *n, struct now now);

/* The step of warnings that so many days of a certificate are within: 30, 14, 7, 1, -1 (it has
 * ended); 0: none. */
int node_warn_at(int64_t days);
void node_say(struct node *n, int priority, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* Kept in the store, told in beats, feed and log; @about: the org or link it concerns. */
void node_alarm(struct node *n, struct now now, const char *code, const char *about,
	const char *format, ...) __attribute__((format(printf, 5, 6)));
void node_feed(struct node *n, enum feed kind, const char *origin, const char *json, size_t len);

#endif
