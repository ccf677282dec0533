/* shared_rules.h - ids of the rules that may leave the site by name. */
#ifndef AGGREGATOR_SHARED_RULES_H
#define AGGREGATOR_SHARED_RULES_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text_list.h"

struct shared_rules;
/* Reads the id: of every rule in these files and folders. What cannot be read adds nothing. */
struct shared_rules *shared_rules_load(const char *const *paths, size_t count);
/* As well those of a text; @name is told nowhere. */
void shared_rules_add(struct shared_rules *r, const char *name, const char *text, size_t len);
void shared_rules_free(struct shared_rules *r);
bool shared_rules_has(const struct shared_rules *r, const char *uuid);
size_t shared_rules_count(const struct shared_rules *r);

#endif
