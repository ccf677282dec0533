/* intake_private.h - what the files of intake share. */
#ifndef AGGREGATOR_INTAKE_PRIVATE_H
#define AGGREGATOR_INTAKE_PRIVATE_H

#include <pthread.h>

#include "aggregator/digest.h"
#include "aggregator/intake.h"
#include "common/talk.h"

enum {
	INTAKE_SOURCES = 1000,
	INTAKE_NAME = 64, /* bytes */
	INTAKE_ID = 48,
};

/* One sensor's stream. */
struct source {
	char name[INTAKE_NAME + 1];
	char key[INTAKE_NAME + 32];
	bool grouped; /* the consumer group is there */
	bool pending; /* own pending entries are still to be settled */
	char after[INTAKE_ID];
	bool too_long; /* the next entry alone is longer than a reply may be */
	uint64_t batch;
	int64_t trim_ms, look_ms; /* mono: the next */
	int64_t not_before;       /* mono */
	int64_t away_ms;          /* mono; since when it cannot be read, 0: it can */
};

enum trouble { TROUBLE_AWAY, TROUBLE_REFUSED, TROUBLE_STORE };

struct intake {
	struct node *n;
	const struct agg_config *c;
	struct talk *talk;
	struct source home; /* of what is not one sensor's: its trouble */
	struct source source[INTAKE_SOURCES];
	unsigned sources;
	int64_t packs_ms, packs_look_ms; /* mono: the next */
	enum trouble trouble;            /* of the last call that failed */
	char said[256];                  /* of it, once */
	pthread_t thread;
	bool runs;
	atomic_bool stop;
};

/* An error of the server, or an answer of another kind; takes over @r. Always false. */
bool intake_refused(struct intake *in, const char *key, struct bus_reply *r, struct err *err);
enum intake_entry {
	ENTRY_GOOD,
	ENTRY_GONE, /* it was delivered once and has been trimmed since */
	ENTRY_BAD
};
/* [id, [field, value, …]]; @ev borrows from it. */
enum intake_entry intake_read(
	const struct bus_reply *e, const char *sensor, struct intake_event *ev);
/* Reads the events of windows that were cut (digest_again.c). False and @err as below. */
bool intake_again(struct intake *in, struct err *err);
/* Gives accepted rule packs and indicator sets to the sensors (intake_packs.c). False and @err. */
bool intake_packs(struct intake *in, struct err *err);
/* One batch of a stream, or what has to be settled before. Sets *any where there was something.
 * False and @err: see in->trouble. */
bool intake_stream(struct intake *in, struct source *s, bool *any, struct err *err);

#endif
