/* run.h - one run of the sensor: everything that replay and live capture share. */
#ifndef SENSOR_RUN_H
#define SENSOR_RUN_H

#include <signal.h>

#include "sensor/config.h"
#include "sensor/canary.h"
#include "sensor/counters.h"
#include "sensor/judge.h"
#include "sensor/options.h"
#include "sensor/packet.h"
#include "sensor/packs.h"
#include "sensor/rules_in_use.h"
#include "sensor/savefile.h"
#include "sensor/summary.h"
#include "sensor/transport.h"
#include "sensor/watch.h"

/* Set by signals, looked at between packets. */
struct wishes {
	volatile sig_atomic_t stop, reload, reopen, counters, canary;
};
extern struct wishes wishes;

/* One worker and what it tells into. A later issue gives each capture thread its own. */
struct run {
	const struct options *options;
	struct config *config;
	bool live;
	struct counters counters;
	struct tell *tell;
	struct sinks *sinks;
	struct rules_in_use rules;
	struct packs *packs;       /* or NULL */
	struct evidence *evidence; /* or NULL */
	struct judge *judge;
	struct changes *changes; /* or NULL */
	struct watchers *watchers;
	int64_t tick_ns; /* packet time of the next tick */
	struct frags *frags;
	struct transport *transport;
	struct capture *capture; /* live */
	struct control *control; /* live, or NULL */
	struct packet_options packets;
	struct packet packet; /* the one at hand */
	uint8_t tag[CANARY_TAG];
	bool canary;
	bool no_spool; /* live: its folder cannot be had, and nothing needs it */
	FILE *pdus;
	int64_t started_ns; /* monotonic */
	int64_t last_ns;    /* newest packet time */
	uint64_t frame;     /* number of the last frame: from 1 in each capture */
};

/* Opens rules, sinks and judge. On false @err says why and *status what to exit with. */
bool run_open(struct run *r, const struct options *o, struct config *c, enum status *status,
	struct err *err);
/* A fresh set of flows, for the next capture; ends those of the one before. */
bool run_capture_start(struct run *r, struct err *err);
void run_capture_end(struct run *r);
/* One frame from the wire or a file. */
void run_frame(struct run *r, const struct frame *f);
/* About a second has gone by, of packet time or live of wall time. */
void run_tick(struct run *r, struct stamp at);
/* Does what signals asked for; true if the run should stop. */
bool run_wishes(struct run *r);
/* What Redis is told of the sensor's state; @lag_ns: how far behind the wire it is. */
void run_beat(struct run *r, int64_t lag_ns);
/* Reads rules and baselines again; false: the old ones stay, and @faults and the log say why. */
bool run_reload(struct run *r, struct text_list *faults);
/* Goes over to the set that the packs' thread made, and tells what that refused. */
void run_take_packs(struct run *r);
/* Puts a canary frame in. */
void run_canary(struct run *r, int64_t now_ns);
/* Summary, report, drain. Returns the exit status: @status, or what went wrong at the end. */
enum status run_close(struct run *r, enum status status);

/* Where accepted packs are looked for: a URL, or NULL. */
const char *run_packs_redis(const struct run *r);
/* Where the spool and the epoch are; NULL in replay: a temporary folder. */
const char *run_spool(const struct run *r);

enum status replay(struct run *r);
/* Opens the interfaces, then gives up every privilege; before any thread starts. */
bool live_open(struct run *r, struct err *err);
enum status live(struct run *r);

#endif
