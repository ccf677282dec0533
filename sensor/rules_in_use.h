/* rules_in_use.h - the rule set of now, where it came from, and how it is read again. */
#ifndef SENSOR_RULES_IN_USE_H
#define SENSOR_RULES_IN_USE_H

#include "sensor/config.h"
#include "sensor/options.h"
#include "sensor/rule.h"

struct rules_in_use {
	struct rules *rules;
	struct rule_run *run;
	struct text_list paths;
	char *lists, *attack; /* or NULL */
};

/* Decides where rules come from: -S, else the configuration, else those that came with the sensor
 * (beside the program, in ../rules, in ../share/bongsu/rules or where it was installed); -s adds.
 */
void rules_find(struct rules_in_use *u, const struct options *o, const struct config *c);
/* What the site accepted beside its own rules (packs.h). Borrowed. */
struct rules_beside {
	const struct rule_text *texts;
	size_t text_count;
	const struct rule_list *lists;
	size_t list_count;
};
/* A set of our own rules and of those beside (NULL: none), the caller's; NULL and @faults. Any
 * thread may. */
struct rules *rules_compile(const struct rules_in_use *u, const struct config *c,
	const struct rules_beside *beside, struct text_list *faults);
/* Takes @rules over in place of the old set; false: they are NULL, or there is no memory. */
bool rules_use(struct rules_in_use *u, struct rules *rules);
/* Loads; on false u is as before and @faults says why. */
bool rules_read(struct rules_in_use *u, const struct config *c, struct text_list *faults);
void rules_in_use_free(struct rules_in_use *u);

#endif
