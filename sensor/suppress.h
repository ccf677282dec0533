/* suppress.h - which alerts of a rule are the same, and which rules make none. */
#ifndef SENSOR_SUPPRESS_H
#define SENSOR_SUPPRESS_H

#include "sensor/rule.h"

uint64_t suppress_key(const struct rule *rule, const struct event *e);

/* No alert of its own: informational ones are for --rule-report, silent ones for correlations. */
static inline bool is_quiet(const struct rule *rule)
{
	return rule->silent || rule->level == LEVEL_INFORMATIONAL;
}

#endif
