/* rollup_private.h - what the files of rollup share. */
#ifndef AGGREGATOR_ROLLUP_PRIVATE_H
#define AGGREGATOR_ROLLUP_PRIVATE_H

#include "aggregator/rollup.h"

struct rollup {
	int64_t next_ms, tidy_ms; /* mono */
};

#endif
