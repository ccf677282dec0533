/* conduit.h - which zones may speak to which, over what. */
#ifndef SENSOR_CONDUIT_H
#define SENSOR_CONDUIT_H

#include <stdio.h>

#include "common/text_list.h"
#include "common/yaml.h"

struct site_map;

/* One side: zones by their names, "any" for all, "outside" for what is in none. */
struct conduit_side {
	struct text_list names;
	uint16_t *label; /* of each name, 0: outside; set by conduits_ready() */
	bool any;
};

struct conduit {
	struct conduit_side from, to;
	struct text_list protocols; /* "modbus", "tcp/443"; none: all */
	char *where;                /* path:line:column, for faults */
};

struct conduits {
	struct conduit *one;
	size_t count;
};

/* conduits: [{from: ZONE|[ZONE…], to: …, protocols: [NAME…]}]. Faults are added. */
void conduits_read(
	struct conduits *c, const char *path, const struct yaml *list, struct text_list *faults);
/* After the last of the zones: finds them. */
void conduits_ready(struct conduits *c, const struct site_map *zones, struct text_list *faults);
/* May zone label @from (0: none) open a connection to @to? @protocol: "modbus" or "tcp/502", which
 * is that of the protocols that have this port too. */
bool conduits_allow(const struct conduits *c, uint16_t from, uint16_t to, const char *protocol);
void conduits_dump(const struct conduits *c, FILE *out);
void conduits_free(struct conduits *c);

#endif
