/* json.h - JSON as a tree, with bounds on what a peer may send. The only door to jansson. */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* One value and nothing behind it; duplicate keys, invalid UTF-8, NUL in strings and more than
 * @depth levels of arrays and objects are refused (before anything is built). NULL and @err. */
json_t *json_read(const char *text, size_t len, unsigned depth, struct err *err);
/* Compact, in the order of insertion, slashes as they are; the caller's to free(). Never NULL. */
char *json_write(const json_t *value, size_t *len);

/* Members of an object, or the value given where missing or of another type. */
int64_t json_int_of(const json_t *object, const char *name, int64_t otherwise);
const char *json_text_of(const json_t *object, const char *name); /* or NULL */

#endif
