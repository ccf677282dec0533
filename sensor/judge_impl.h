/* judge_impl.h - what the files of judge share. */
#ifndef SENSOR_JUDGE_IMPL_H
#define SENSOR_JUDGE_IMPL_H

#include "sensor/correlate.h"
#include "sensor/counters.h"
#include "sensor/fold.h"
#include "sensor/judge.h"
#include "sensor/limiter.h"
#include "sensor/print.h"
#include "sensor/services.h"
#include "sensor/wait.h"
#include "sensor/ways.h"

enum { JUDGE_PROTOCOLS = WAIT_LATE, JUDGE_NEAR = 64 };

struct judge {
	struct judge_options o;
	struct inspector inspector;
	struct pool pool; /* waits and snapshots */
	struct wait_queues waits;
	struct limiter *anomalies;
	struct fold *fold;     /* open alerts */
	struct memory *memory; /* of correlations */
	uint64_t pdus[JUDGE_PROTOCOLS];
	struct {
		const struct dissector *dissector;
		unsigned index;
	} near[JUDGE_NEAR];      /* by the dissector's address */
	const struct event *now; /* the message that watchers are told of, or NULL */
	struct ways ways;
	struct prints prints;
	char *pdu_line; /* EVE_PDU_LINE bytes, with --pdus */
	struct hit hits[HITS_MAX];
	struct correlated found[HITS_MAX];
	struct chain chain[HITS_MAX]; /* hit.chain - 1 */
	uint32_t chains;
};

/* The service's number. */
static inline unsigned judge_index(struct judge *j, const struct dissector *d)
{
	unsigned at = (uintptr_t)d / sizeof *d % JUDGE_NEAR;
	if (j->near[at].dissector != d) {
		j->near[at].dissector = d;
		j->near[at].index = (unsigned)service_index(d);
	}
	return j->near[at].index;
}

static inline bool judge_wants_transaction(struct judge *j, const struct pdu *pdu)
{
	uint64_t wanted = j->o.tell->events >> EVENT_PROTOCOL;
	return wanted != 0 && (wanted >> judge_index(j, pdu->dissector) & 1) != 0 &&
	       pdu->tx != TX_REPLY && pdu->tx != TX_REPLY_PART;
}

/* judge_wait.c */

void judge_say(struct judge *j, const struct anomaly *a);
/* False: the site does not want to hear of it. Else hit->window may be set. */
bool judge_wants(struct judge *j, struct hit *hit, const struct event *e);
/* Tells of a hit, or counts it into the alert that is open. Returns the n of the event, or 0. */
uint64_t judge_tell(
	struct judge *j, const struct hit *hit, const struct event *e, const struct chain *chain);
const struct chain *judge_chain(const struct judge *j, const struct hit *hit);
/* What @hit of a rule that feeds, known to hold at @now_ns, makes hold: into found, returns how
 * many. */
size_t judge_correlated(
	struct judge *j, const struct hit *hit, const struct event *e, int64_t now_ns);
/* A rule held only with its verdict: so do the correlations that it completes. */
void judge_tell_correlated(
	struct judge *j, const struct hit *hit, const struct event *e, int64_t now_ns);
void judge_transaction(struct judge *j, const struct event *e);
/* Keeps the hits of an open request until its verdict; from HIGH up they are told at once, unless
 * they are repeats. False if there is no memory. */
bool judge_wait_for(
	struct judge *j, struct flow *f, const struct event *e, struct tx *tx, size_t count);
/* The last word on a request. One that was called unanswered in time has had it, unless a reply
 * came. */
void judge_settle(struct judge *j, struct wait *w, const struct pdu *reply, struct verdict verdict);
/* Of all that wait for the same request. */
void judge_settle_all(
	struct judge *j, struct wait *first, const struct pdu *reply, struct verdict verdict);
/* Nobody answered in time. The alerts say so; a reply that comes late still gets its verdict event.
 */
void judge_settle_overdue(struct judge *j, struct wait *w);
/* No reply will come. */
void judge_settle_silent(struct judge *j, struct wait *w);

#endif
