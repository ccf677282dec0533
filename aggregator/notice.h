/* notice.h - what goes down (warnings, notices, indicator sets, rule packs) and what comes back:
 * the states of each, append-only, every transition signed.
 *
 * A *case* is one object that went down. Its *standing* at one firm is found by walking the
 * transitions from the object's hash: each names the hash of the state it leaves, so late, repeated
 * and re-ordered ones converge, and two different successors of one state are a conflict that both
 * sides see. */
#ifndef AGGREGATOR_NOTICE_H
#define AGGREGATOR_NOTICE_H

#include "aggregator/accept.h"
#include "aggregator/link.h"
#include "common/signed_pack.h"

extern const char notice_tables[];
#define NOTICE_NEVER INT64_C(4102444800) /* s: the end of 2099 */

/* --- the node's life --- */
bool notice_open(struct node *n, struct now now, struct err *err);
/* node_feed() of a command beside the daemon: @ctx is its node. */
void notice_feed_later(void *ctx, enum feed kind, const char *origin, const char *json, size_t len);
/* Sends receipts that wait and looks at what the command line wrote; under the node's lock. */
void notice_poll(struct node *n, struct now now);
/* Timers: overdue, escalated, expired. */
void notice_tick(struct node *n, struct now now);
int64_t notice_due(struct node *n, struct now now); /* mono ms */

/* Seconds until a firm has to have signed, by a profile's name (PROFILE_CLASS); 0: no such profile.
 */
int64_t timer_seconds(struct node *n, const char *profile);

/* --- the parent's side --- */
/* GET /chain/1/down?after=N: what child @p has not had, as JSON {"seq":N,"objects":[line …]};
 * false: nothing new. */
bool notice_down(
	struct node *n, const struct peer *p, uint64_t after, struct now now, struct answer *out);
/* An original of @org came through child @via: what is for it goes that way. */
void notice_learn(struct node *n, const char *org, const char *via);
/* The sequence of the newest object: "ntc" of replies. */
uint64_t notice_newest(struct node *n, const struct peer *p);
/* A receipt (transition) frame of a child, or inside an envelope of its descendant. False and @err:
 * illegal, not stored. */
bool notice_receipt(struct node *n, const struct peer *from, const struct frame *f, struct now now,
	struct err *err);

/* --- the child's side --- */
/* The reply of a parent's /down. Verifies, stores, delivers (receipt "delivered" goes up by
 * itself), relays to its own children what is for them. */
void notice_take(struct node *n, struct link *from, struct now now, const char *json, size_t len);
uint64_t notice_after(struct node *n, const struct link *from); /* the last sequence taken */

/* --- people: what the command line asks for; only rows are written, the daemon sends them --- */
struct notice_issue {
	enum frame_type type;
	const char *to;  /* an organisation, or "*" */
	const char *via; /* the child through which it is reached, where it is not a child itself */
	json_t *members; /* of the frame, without case; borrowed */
	const struct key *key;
};
/* Publishes; @id gets the case. */
bool notice_issue(
	struct node *n, const struct notice_issue *i, char id[65], struct now now, struct err *err);
/* One transition. @firm: NULL at the firm itself; else the issuer's word about that firm.
 * @action, @reason may be NULL. */
struct notice_move {
	const char *id, *firm, *state, *by, *action, *reason;
	int64_t evidence;
	const struct key *key; /* issuer's */
};
bool notice_move(struct node *n, const struct notice_move *m, struct now now, struct err *err);
/* Cases and standings, for the command line and the API. New references. */
json_t *notice_list(struct node *n, bool open_only);
json_t *notice_show(struct node *n, const char *id);
/* What closed cases say of the rules whose flashes they were about: [{rule, rev, closed, right,
 * false, sign_min, mitigate_min}], -1 where nobody did. A new reference. */
json_t *notice_quality(struct node *n);
/* Of every standing of a case of ours that has not ended; *count: of how many. */
bool notice_move_all(struct node *n, const struct notice_move *m, size_t *count, struct now now,
	struct err *err);

/* --- rule packs and indicator sets --- */
/* Cuts @bytes into frames and publishes them. @sigs: [{kid, sig}]. */
bool pack_publish(struct node *n, const char *name, int64_t version, int64_t expires,
	const void *bytes, size_t size, const json_t *sigs, const struct key *key, struct now now,
	struct err *err);
void pack_take(struct node *n, const struct frame *f, struct now now);
/* @yes: the site takes it, else it does not. */
bool pack_decide(struct node *n, const char *name, bool yes, struct now now, struct err *err);
json_t *pack_list(struct node *n);
/* What Redis does not hold yet: an accepted one, or word that it was taken back. False: nothing. */
struct pack_out {
	char name[PACK_NAME];
	int64_t version;
	bool withdrawn;
	char *bytes; /* the caller's to free() */
	size_t size;
};
bool pack_next(struct node *n, struct pack_out *out);
bool pack_stored(struct node *n, const struct pack_out *out);
/* Accepted ones that Redis lost are given to it again: @held says which it has. */
void pack_missing(struct node *n, bool (*held)(const void *ctx, const char *name), const void *ctx);
/* Accepted rule packs; under the node's lock. */
void pack_each_accepted(struct node *n,
	void (*each)(void *ctx, const char *name, const char *bytes, size_t size), void *ctx);

#endif
