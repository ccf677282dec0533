/* run.h - the daemon: opens what the configuration asks for, and runs until told to stop. */
#ifndef AGGREGATOR_RUN_H
#define AGGREGATOR_RUN_H

#include <signal.h>

#include "aggregator/config.h"

/* Exit statuses, as the man page lists them. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_CONFIG = 3,
	STATUS_REFUSED = 4, /* identity, store or a listener cannot be opened */
};

/* What signal handlers wish. */
extern struct wishes {
	volatile sig_atomic_t stop, reload;
} wishes;

/* @journal: lines to stderr carry <N> for journald. */
enum status run(const struct agg_config *c, bool quiet);

#endif
