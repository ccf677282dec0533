/* release.h - level 3: a person releases a file for one incident and a time to one parent; there it
 * is kept for as long, apart from the frames. */
#ifndef AGGREGATOR_RELEASE_H
#define AGGREGATOR_RELEASE_H

#include "aggregator/accept.h"

extern const char release_tables[], release_usage[], evidence_usage[];

/* `bongsu-aggregator release …` at the enterprise, `evidence …` at the parent; as notice_main(). */
int release_main(struct node *n, int argc, char **argv);
int evidence_main(struct node *n, int argc, char **argv);

/* In the transaction that takes the frame. */
void release_keep(struct node *n, const struct frame *f);
/* What is past its time goes. */
void release_tidy(struct node *n, struct now now);

#endif
