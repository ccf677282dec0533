/* epoch.h - which epoch a run numbers its events in. */
#ifndef SENSOR_EPOCH_H
#define SENSOR_EPOCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/* A replay has epoch 0. A live sensor's is max(stored + 1, Unix seconds now); it is stored in
 * @folder/epoch before it is used, so that it rises even if the clock steps back;
 * without a folder it is the seconds alone. */
bool epoch_choose(const char *folder, bool live, uint64_t *epoch, struct err *err);

#endif
