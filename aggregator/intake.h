/* intake.h - alerts from Redis: every sensor's stream by consumer group, folded, committed, then
 * acknowledged. One thread. */
#ifndef AGGREGATOR_INTAKE_H
#define AGGREGATOR_INTAKE_H

#include "aggregator/node.h"

struct intake;
/* NULL and @err: the URL is wrong or no thread can be started. Redis may be away. */
struct intake *intake_open(struct node *n, const struct agg_config *c, struct err *err);
void intake_close(struct intake *in); /* NULL is fine */

#endif
