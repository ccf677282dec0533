/* feed.h - live feeds for dashboards: Redis streams bongsu:feed:{digest|flash|rollup|health|notice|
 * alarm}, entries "o" (origin) and "json". At least once: readers know a frame by (org, ep, sq). */
#ifndef AGGREGATOR_FEED_H
#define AGGREGATOR_FEED_H

#include "aggregator/node.h"

struct feed_out;
const char *feed_name(enum feed kind);
/* NULL and @err: the URL is wrong or no thread can be started. Redis may be away. */
struct feed_out *feed_open(struct node *n, const struct agg_config *c, struct err *err);
/* Only queues, from any thread. What does not fit while Redis is away is counted, said, and told in
 * the alarm feed when it is back; the store has it all. */
void feed_put(struct feed_out *f, enum feed kind, const char *origin, const char *json, size_t len);
void feed_close(struct feed_out *f); /* NULL is fine */
/* Entries that were written, and that did not fit. */
void feed_counts(const struct feed_out *f, uint64_t *written, uint64_t *lost);

#endif
