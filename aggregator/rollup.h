/* rollup.h - sums over count children by 5 minutes, hours and days, and their way up. */
#ifndef AGGREGATOR_ROLLUP_H
#define AGGREGATOR_ROLLUP_H

#include "aggregator/accept.h"

extern const char rollup_tables[];

/* The finest resolution whose periods contain a window of this coarseness. */
uint32_t rollup_class(int64_t coarse_s);

bool rollup_open(struct node *n, struct err *err);
void rollup_free(struct node *n);

/* A digest or roll-up (or the tomb of one: its w, in and cov) of a count child was accepted as
 * number
 * @serial. In the caller's transaction. A coarse window enters only the periods that contain it.
 * False with @err: its totals break the conservation law, or it is a revision older than what is
 * held. */
bool rollup_add(struct node *n, const struct peer *from, const struct frame *f, int64_t serial,
	struct now now, struct err *err);
/* Members of a roll-up frame for one period at this moment, cut into parts of at most FRAME_MAX;
 * marks the period clean up to the newest serial. New references in @part[]; returns how many.
 * @level and the k-threshold are those of the link. */
enum { ROLLUP_PARTS = 64 };
unsigned rollup_bodies(struct node *n, struct link *l, int64_t start_s, uint32_t res_s,
	struct now now, json_t *part[ROLLUP_PARTS]);
/* Tells which frame carries the revision that rollup_bodies() made last. */
void rollup_sent(
	struct node *n, struct link *l, int64_t start_s, uint32_t res_s, struct frame_id last);
/* Puts dirty periods into the links' waiting lists when they are due. */
void rollup_tick(struct node *n, struct now now);
int64_t rollup_due(struct node *n, struct now now);

/* The parent knows more of us than our store does: every period within the hold time is told anew,
 * also those that are empty here. */
void rollup_tell_again(struct node *n, struct link *l, struct now now);

/* Sums of the latest revisions held of all origins at one resolution (day: everything). */
void rollup_totals(struct node *n, uint32_t res_s, struct totals *out);
/* Cells of a period for the API: sector × region × technique × level, with denominators. New
 * reference. */
json_t *rollup_cells(struct node *n, int64_t start_s, uint32_t res_s);

#endif
