/* config.h - every setting of the sensor, typed, bounded, with its unit and sentence: config.def.
 */
#ifndef SENSOR_CONFIG_H
#define SENSOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/text_list.h"
#include "sensor/baseline.h"
#include "sensor/flow.h"
#include "sensor/quiet.h"
#include "sensor/points.h"
#include "sensor/site.h"

enum { CONFIG_PROTOCOLS = 64 };

/* A %name% list that stands in the configuration. */
struct config_list {
	char *name;
	struct text_list values;
};

struct config {
#define NUMBER(member, path, value, low, high, unit, sentence) uint64_t member;
#define SWITCH(member, path, value, sentence)                  bool member;
#define TEXT(member, path, value, sentence)                    char *member;
#define TEXTS(member, path, sentence)                          struct text_list member;
#include "sensor/config.def"
#undef NUMBER
#undef SWITCH
#undef TEXT
#undef TEXTS
	uint32_t reply_ms[CONFIG_PROTOCOLS]; /* by dissector index */
	struct config_list *lists;
	size_t list_count;
	struct site site;
	struct quiet quiet; /* what may change while the sensor runs */
	struct points points;
	struct baselines baselines;
};

/* Built-in defaults. config_free() takes any state. */
void config_init(struct config *c);
/* Reads a file over what is there; every fault is added to @faults as "path:line:column: reason".
 */
bool config_load(struct config *c, const char *path, struct text_list *faults);
/* The same from memory. */
bool config_parse(
	struct config *c, const char *path, const char *text, size_t len, struct text_list *faults);
/* One "key=value"; lists are replaced by one value. */
bool config_set(struct config *c, const char *assignment, struct text_list *faults);
/* YAML that config_load() reads back to the same configuration. */
void config_dump(const struct config *c, FILE *out);
void config_free(struct config *c);

#endif
