/* notice.h - what goes down (warnings, notices, indicator sets, rule packs) and what comes back:
 * the states of each, append-only, every transition a signed frame. */
#ifndef AGGREGATOR_NOTICE_H
#define AGGREGATOR_NOTICE_H

#include "aggregator/accept.h"

extern const char notice_tables[];

/* GET /chain/1/down?after=N: what child @p has not had, as JSON {"seq":N,"objects":[line …]};
 * false: nothing new. */
bool notice_down(
	struct node *n, const struct peer *p, uint64_t after, struct now now, struct answer *out);
/* The sequence of the newest object for @p: "ntc" of replies. */
uint64_t notice_newest(struct node *n, const struct peer *p);
/* The child's side: the reply of a parent's /down. Verifies, stores, delivers (receipt "delivered"
 * goes up by itself), relays to its own children what is addressed further down. */
void notice_take(struct node *n, struct link *from, struct now now, const char *json, size_t len);
uint64_t notice_after(struct node *n, const struct link *from); /* the last sequence taken */
/* A receipt (transition) frame of a child, or inside an envelope of its descendant. False and @err:
 * illegal. */
bool notice_receipt(struct node *n, const struct peer *from, const struct frame *f, struct now now,
	struct err *err);
/* Timers: overdue, escalated, expired. */
void notice_tick(struct node *n, struct now now);
int64_t notice_due(struct node *n, struct now now);

#endif
