/* wait.h - alerts and transaction events that wait for a reply, in the order they fall due. */
#ifndef SENSOR_WAIT_H
#define SENSOR_WAIT_H

#include "sensor/correlate.h"
#include "sensor/eve.h"
#include "sensor/rule.h"
#include "sensor/snapshot.h"
#include "sensor/transaction.h"

/* A hit of the request. n is not 0 if the alert is out: then a verdict event follows. */
struct waiting_hit {
	struct hit hit;
	uint64_t n;
	bool counted;       /* told, or held by an alert that is open */
	bool fed;           /* its correlations know of it */
	struct chain chain; /* where hit.chain is not 0 */
};

struct wait {
	struct wait *next, *prev; /* of the same queue, by deadline */
	struct wait *beside;      /* the next one of the same request, or NULL */
	unsigned queue;           /* dissector index, of the request */
	int64_t deadline_ns;      /* packet time */
	struct flow *flow;
	uint32_t tx_id;
	uint64_t blind; /* lost bytes of the reply's direction before the request */
	struct stamp at;
	unsigned from;
	bool transaction; /* also tell it as a transaction event */
	bool overdue;     /* told as unanswered; a late reply is still welcome */
	struct snapshot *request;
	bool has_change;
	struct change change; /* what the command would do to a value */
	size_t hit_count;
	struct waiting_hit hits[];
};

/* One FIFO a protocol: its replies are all due after the same time, so order is arrival. */
enum { WAIT_LATE = 64, /* of those that are overdue */ WAIT_QUEUES };
struct wait_queues {
	struct wait *first[WAIT_QUEUES], *last[WAIT_QUEUES];
	uint64_t busy[2]; /* bit a queue: not empty */
	int64_t next_ns;  /* nothing is due before; INT64_MAX when empty */
	size_t count;
};

void wait_queues_init(struct wait_queues *q);
/* @w is owned by the queues until wait_remove(). */
void wait_add(struct wait_queues *q, struct wait *w);
void wait_remove(struct wait_queues *q, struct wait *w);
/* The one that fell due at or before @now_ns, or NULL. */
struct wait *wait_due(const struct wait_queues *q, int64_t now_ns);
/* The oldest of all, or NULL. */
struct wait *wait_oldest(const struct wait_queues *q);

struct wait *wait_new(size_t hits, struct pool *pool);
void wait_free(struct wait *w, struct pool *pool);

#endif
