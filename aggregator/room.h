/* room.h - room for the store: of the setting, and of the disk under it. When it runs short waiting
 * windows become coarser before anything is dropped, and a parent asks for digests to wait; a
 * reserve on the disk is left for what hurries. */
#ifndef AGGREGATOR_ROOM_H
#define AGGREGATOR_ROOM_H

#include "aggregator/node.h"

enum { ROOM_SHORT = 90 }; /* % */

/* Before the store is opened: on a full disk the reserve makes way for its start. */
void room_before_open(const struct agg_config *c);
/* Of its room that the store takes; 100 while it lives on the reserve. */
int room_percent(const struct node *n);
bool room_is_short(const struct node *n);
/* A transaction was undone. If that was for want of room the reserve is given up and windows become
 * coarser, so that the next may succeed. */
void room_missed(struct node *n, struct now now);
/* The same for whoever did not say so; each minute it looks for itself. */
void room_tick(struct node *n, struct now now);

#endif
