/* print.h - messages that mean the same have the same print (event.print). */
#ifndef SENSOR_PRINT_H
#define SENSOR_PRINT_H

#include "sensor/transaction.h"

/* Keys of the prints: unguessable, so that nobody can make a message that passes for another. */
struct prints {
	uint64_t key[4];
};

/* False: no random numbers. */
bool prints_init(struct prints *p);

/* Of @e, whose verdict is set; @answered: the request of a reply, or NULL. 0: it has none. */
uint64_t print_of(const struct prints *p, const struct event *e, const struct tx *answered);

#endif
