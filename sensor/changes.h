/* changes.h - which reads are worth a line in a log of transactions: those that show another value
 * than before. */
#ifndef SENSOR_CHANGES_H
#define SENSOR_CHANGES_H

#include "sensor/counters.h"
#include "sensor/event.h"

struct changes;

/* Remembers @points values; beyond, of a few that share a place, the one that rested longest is
 * forgotten and counted. @seed hides which; 0 in replay. */
struct changes *changes_new(size_t points, uint64_t seed, struct counters *counters);
void changes_free(struct changes *c);
/* Is a transaction to be logged? A read is not where device, unit and address show what they showed
 * before; everything else is. */
bool changes_logs(struct changes *c, const struct event *e);

#endif
