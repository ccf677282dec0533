/* text_set.h - many Sigma texts asked as one: whole texts and endings by hash, in tens of
 * nanoseconds however many there are; those with wildcards inside one by one. */
#ifndef SENSOR_TEXT_SET_H
#define SENSOR_TEXT_SET_H

#include "sensor/rule_impl.h"

struct text_set;

/* Points into @patterns, which live as long; memory is the arena's. */
const struct text_set *text_set_make(
	const struct pattern *patterns, uint32_t count, struct arena *arena);
/* Does one of them match? */
bool text_set_has(const struct text_set *set, const uint8_t *text, size_t len);

#endif
