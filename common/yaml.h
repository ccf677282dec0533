/* yaml.h - YAML as a tree that remembers where each node stood. */
#ifndef COMMON_YAML_H
#define COMMON_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/text_list.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml {
	enum yaml_kind kind;
	uint32_t line, column; /* from 1 */
	bool quoted;           /* a scalar in quotes: always text */
	const char *text;      /* scalars: NUL-terminated, never NULL */
	size_t len;
	size_t count;        /* children; for a map: pairs */
	struct yaml **child; /* list elements, or a map's values */
	struct yaml **key;   /* a map's keys (scalars), else NULL */
};

struct yaml_file {
	const char *path;
	size_t count; /* documents */
	struct yaml **document;
};

/* Reads every document. Duplicate keys, anchors beyond a bound, depth, size, tags that change the
 * meaning and keys that are no scalars are faults; all that can be found are appended to @faults
 * ("path:line:column: …"). Returns what was readable (possibly with no documents), or NULL if the
 * file could not be opened. */
struct yaml_file *yaml_load(const char *path, struct text_list *faults);
/* The same from memory; @path is only named in faults. */
struct yaml_file *yaml_parse(
	const char *path, const char *text, size_t len, struct text_list *faults);
/* Not yaml_free(): libyaml has one, and ours would take its place. */
void yaml_file_free(struct yaml_file *file);

/* The value of a key, or NULL. */
const struct yaml *yaml_get(const struct yaml *map, const char *key);
/* Scalars by YAML 1.1 core rules; false if it is not one (quoted is never a number or bool). */
bool yaml_uint(const struct yaml *node, uint64_t *out); /* 16, 0x10 */
bool yaml_int(const struct yaml *node, int64_t *out);
bool yaml_real(const struct yaml *node, double *out);
bool yaml_bool(const struct yaml *node, bool *out); /* true false yes no on off */
bool yaml_null(const struct yaml *node);

#endif
