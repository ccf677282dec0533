/* digest_private.h - what the files of digest share. */
#ifndef AGGREGATOR_DIGEST_PRIVATE_H
#define AGGREGATOR_DIGEST_PRIVATE_H

#include "aggregator/digest.h"
#include "aggregator/sighting.h"

enum {
	DIGEST_SENSORS = 4096,
	DIGEST_BEAT_AGE = 90000, /* ms; a sensor without a heartbeat for longer is down */
	DIGEST_BODY = 60000,     /* bytes that a digest's members may take */
	DIGEST_ITEMS = 100,
	DIGEST_RANGES = 1024, /* of coverage in one frame */
};

struct sensor {
	char name[129];
	uint64_t number;
	uint64_t epoch, n;             /* the last event folded; n 0 and epoch 0: none yet */
	uint64_t told_epoch, told_n;   /* the last event that its heartbeat told of */
	bool known;                    /* there is a position */
	int64_t beat_ms;               /* mono of the last heartbeat, INT64_MIN: never */
	int64_t packets, drops, blind; /* as it told last */
	char version[32], rules[32];
};

struct digest {
	json_t *w;               /* the open window */
	json_t *dirty;           /* {"i:K": true …}: rows of the open window that changed */
	int64_t due_ms;          /* mono: it closes */
	int64_t beat_ms;         /* mono: the next beat */
	int64_t wall_minus_mono; /* when last looked, for jumps */
	struct sensor **sensor;  /* grows to DIGEST_SENSORS */
	unsigned sensors;
	int64_t canary_ms; /* -1: none yet */
	int64_t blind;     /* bytes, in the open window */
	struct shared_rules *shared;
};

struct sensor *digest_sensor(struct node *n, const char *name);
/* Counts one event into a window. @live: it is the open one, and what hurries is to hurry. */
void digest_count(struct node *n, json_t *w, const struct sensor *s, const struct intake_event *e,
	bool live, struct now now);
/* A new reference. NULL: our own store says otherwise than it was told. */
json_t *digest_read(const void *blob, size_t len);
json_t *digest_health(struct node *n, unsigned level, struct now now);
json_t *digest_versions(struct node *n);

#endif
