/* site.h - what the site calls its devices: names, roles and zones by address. */
#ifndef SENSOR_SITE_H
#define SENSOR_SITE_H

#include "common/text_list.h"
#include "common/yaml.h"
#include "sensor/conduit.h"
#include "sensor/flow.h"

/* Prefix → label. Longest prefix wins. */
struct site_map {
	struct site_prefix {
		uint8_t bytes[16]; /* host bits zero; IPv4 as ::ffff:a.b.c.d */
		uint8_t bits;      /* 0–128 */
		uint16_t label;    /* from 1 */
	} * prefix;
	size_t count, cap;
	uint8_t lengths[129], length_count; /* that occur, longest first; set by site_ready() */
	size_t start[129];                  /* of each length in prefix[] */
	const char **label;                 /* by index; label[0] is NULL */
	size_t labels, labels_cap;
};

struct site {
	struct site_map names, roles, zones;
	uint8_t *criticality; /* by name label, 0–100 */
	uint8_t *level;       /* 1 + Purdue level × 10 by zone label (36 is 3.5), 0: not given */
	struct conduits conduits;
};

/* names: {ADDRESS: NAME | {name: NAME, criticality: 0–100}}; roles: {ROLE: [PREFIX…]};
 * zones: {ZONE: [PREFIX…] | {level: 0–5, prefixes: [PREFIX…]}}. Faults are added. */
void site_names(struct site *s, const char *path, const struct yaml *map, struct text_list *faults);
void site_roles(struct site *s, const char *path, const struct yaml *map, struct text_list *faults);
void site_zones(struct site *s, const char *path, const struct yaml *map, struct text_list *faults);
/* After the last of them: sorts, and reports prefixes that are given twice. */
void site_ready(struct site *s, struct text_list *faults);
/* Fills name, role and zone of both ends. @site is a struct site. */
void site_facts(void *site, struct flow *f);
/* Purdue level × 10 of a zone label; -1: not given. */
int site_level(const struct site *s, uint16_t zone);
void site_free(struct site *s);

/* "10.0.0.0/8", "fe80::/10", "10.0.0.1" to 16 bytes and prefix length; host bits must be zero. */
bool site_prefix_parse(const char *text, uint8_t bytes[16], uint8_t *bits);
void site_prefix_print(const uint8_t bytes[16], uint8_t bits, char *out, size_t cap);

#endif
