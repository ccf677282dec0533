/* now.h - the clocks, for those who may look at them: transports and the command line. */
#ifndef AGGREGATOR_NOW_H
#define AGGREGATOR_NOW_H

#include "aggregator/node.h"
#include "common/clock.h"

static inline struct now now(void)
{
	return (struct now){ .wall_ms = wall_ns() / 1000000, .mono_ms = mono_ns() / 1000000 };
}

#endif
