/* sighting.h - an EVE line of the sensor, as far as digests want it: words of ours instead of texts
 * of the site. */
#ifndef AGGREGATOR_SIGHTING_H
#define AGGREGATOR_SIGHTING_H

#include "aggregator/shared_rules.h"
#include "aggregator/window.h"

/* @eve must outlive the result. False: this is no alert or verdict of ours. @id gets the rule's own
 * id. */
bool sighting_read(struct sighting *s, const json_t *eve, const uint8_t site_key[32],
	const struct shared_rules *shared, const char **id);
/* Private, loopback, link-local and multicast addresses, and what is no address, are internal. */
bool sighting_is_external(const char *address);

#endif
