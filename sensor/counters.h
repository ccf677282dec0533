/* counters.h - everything one worker counts. */
#ifndef SENSOR_COUNTERS_H
#define SENSOR_COUNTERS_H

#include <stdint.h>

struct counters {
#define COUNTER(id, path, sentence) uint64_t id;
#include "sensor/counters.def"
#undef COUNTER
};

#endif
