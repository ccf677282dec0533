/* learn.h - what bongsu-sensor learn was asked for, and what it learned. */
#ifndef SENSOR_LEARN_H
#define SENSOR_LEARN_H

#include "sensor/baseline.h"
#include "sensor/command.h"

extern const struct command learn_command;

/* How long, live, in packet time; 0: until it is stopped. */
int64_t learn_for_ns(void);
/* What the watcher has learned; NULL where it judges. */
struct baseline *baseline_learned(void *watcher_state);

#endif
