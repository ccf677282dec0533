/* services.h - everything rules can speak of: the protocols, then what watchers observe. */
#ifndef SENSOR_SERVICES_H
#define SENSOR_SERVICES_H

#include "dissectors/dissector.h"

enum { SERVICES_MAX = 56 }; /* events of each have a bit (tell.h) */

/* dissectors[] in its order, then services.def; ends with NULL. */
extern const struct dissector *const services[];
/* Index in services[] or -1; that of a protocol is the one in dissectors[]. */
int service_index(const struct dissector *d);
const struct dissector *service_named(const char *name);

#endif
