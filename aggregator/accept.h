/* accept.h - the parent's side: children's frames come in, are judged one by one, and answered.
 * Transport is http.c or the simulator. */
#ifndef AGGREGATOR_ACCEPT_H
#define AGGREGATOR_ACCEPT_H

#include "aggregator/frame.h"
#include "aggregator/peer.h"

extern const char accept_tables[];

bool accept_open(struct node *n, struct err *err);
void accept_free(struct node *n);
/* Deletes what is older than store.history. */
void accept_tick(struct node *n, struct now now);

struct answer {
	int status;
	int retry_after; /* s; -1: none */
	char *json;      /* NUL-terminated; answer_free() */
	size_t len;
};
void answer_free(struct answer *a);

struct post_in {
	bool has_range;
	uint64_t ep, first, last; /* Chain-Range */
	const char *body;         /* inflated NDJSON */
	size_t len;
};
/* POST /chain/1/up. Takes the node's lock, one transaction, committed before it returns. */
void accept_up(struct node *n, const struct peer *p, const struct post_in *in, struct now now,
	struct answer *out);
/* GET /chain/1/head */
void accept_head(struct node *n, const struct peer *p, struct now now, struct answer *out);
/* May this child send now (token bucket by org; disk)? Else the answer (429/503) is filled. Before
 * the body is read: @bytes from Content-Length. */
bool accept_allowed(
	struct node *n, const struct peer *p, size_t bytes, struct now now, struct answer *out);
/* A key this node certified; frames signed by it are good for windows that end within its validity.
 */
void accept_key(struct node *n, const struct peer *p, struct now now);
/* A key of an organisation further below: what it signed is verified by it. */
void accept_vouch(struct node *n, const struct peer *p);
/* False: it is known to be revoked, or not known at all. */
bool accept_revoke(
	struct node *n, const char *org, const uint8_t public_[KEY_PUBLIC], int64_t at_s);

bool accept_child_known(const struct node *n, const char *org);

/* The number of the newest frame row. */
int64_t accept_serial(const struct node *n);

/* Children by state, for beats and roll-ups. Late: no beat for 3 intervals; silent: for 15 min. */
struct roster {
	uint32_t known, reporting, late, silent;
};
void accept_roster(struct node *n, const struct link *l, struct now now, struct roster *out);
/* The longest path of a child that counts, and ourselves: for our own roll-ups. */
json_t *accept_path(const struct node *n);
/* Called by rollup when the roll-ups that hold a child's frames were reported as `up` (or no
 * longer). */
void accept_set_up(struct node *n, const char *org, struct frame_id up);

/* The exact totals of a child: `in` summed over its accepted frames and tombs; conservation
 * checked. */
struct totals {
	int64_t events, alerts, other, items, suppressed, sampled, withheld, lost;
};
bool accept_totals(struct node *n, const char *org, struct totals *out);

#endif
