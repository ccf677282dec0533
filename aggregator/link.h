/* link.h - one parent: the waiting list, what was sent, what hurries. Transport is uplink.c (curl)
 * or the simulator's memory. */
#ifndef AGGREGATOR_LINK_H
#define AGGREGATOR_LINK_H

#include "aggregator/frame.h"
#include "aggregator/node.h"

extern const char link_tables[];

struct link; /* created by node_open() from the configuration's parents[] */
struct link *link_open(struct node *n, unsigned index, struct now now, struct err *err);
void link_close(struct link *l);

/* --- what waits (in the caller's transaction) --- */
enum waiting { WAITING_WINDOW, WAITING_ROLLUP, WAITING_RECEIPT, WAITING_ANSWER, WAITING_EVIDENCE };
/* A window: @blob of digest.h, with the level it was closed at. A roll-up: @start and @res_s say
 * which (it is made when it is sent; waiting twice is waiting once). Others: @blob is the JSON of
 * the frame's members. */
void link_wait(struct link *l, enum waiting kind, int64_t start_s, uint32_t res_s, unsigned level,
	const void *blob, size_t len);
/* An unsequenced line that hurries. @id: of a flash ("" for a beat, of which only the newest
 * waits). @covers: sensor#, epoch, n: when the covering digest is acknowledged, the flash is
 * settled. */
void link_hurry(struct link *l, enum frame_type type, const char *id, const json_t *body,
	const uint64_t covers[3], struct now now);
/* An original line passed through, path included. */
void link_pass(struct link *l, const char *line, size_t len, const json_t *path, struct now now);

/* --- transport: each call in its own transaction, committed before it returns --- */
enum link_ask { ASK_NOTHING, ASK_HEAD, ASK_POST };
struct link_post {
	char *body; /* NDJSON, not compressed; link_post_free() */
	size_t len;
	bool has_range;
	struct frame_id first, last;
	unsigned frames;
};
/* What to do now, and when to ask again (mono ms). Sequence, hash and bytes of each frame are
 * committed before they are in @post. What hurries goes first; then resends; then new frames,
 * oldest first, as many as the parent's `win` allows. */
enum link_ask link_next(struct link *l, struct now now, struct link_post *post, int64_t *again_ms);
void link_post_free(struct link_post *p);
/* The answer to the last POST or GET head. @status 0: the connection failed (the outcome is
 * unknown). @retry_after in s, or -1. Releases are written to the ledger here. */
void link_answer(
	struct link *l, struct now now, int status, int retry_after, const char *json, size_t len);
/* Bytes that have left, whatever the answer will be: called once the body has been handed over. */
void link_left(struct link *l, struct now now, const struct link_post *p, bool answered);

/* --- for others --- */
/* The first window that was cut (digest_again.c): the caller's to free(). NULL: none. */
void *link_again(struct link *l, int64_t *id, size_t *len);
/* As it was read again; it waits where it waited. */
void link_again_done(struct link *l, int64_t id, const void *blob, size_t len);
const char *link_parent(const struct link *l); /* org */
bool link_counts(const struct link *l);
unsigned link_level(const struct link *l);
int64_t link_skew_ms(const struct link *l);
struct link_state {
	struct frame_id next, dur, up;
	int64_t waiting; /* entries */
	int64_t hurrying;
	bool stopped; /* 403 */
	char why[128];
};
void link_state(struct link *l, struct link_state *out);
/* Told by link when `up` of the parent has moved, either way (roll-ups forward it). */
void rollup_up_moved(struct node *n, struct link *l, struct frame_id up);
/* Makes room: merges the oldest waiting windows into hours, then days. False: nothing left to
 * merge. */
bool link_coarsen(struct link *l, struct now now);

/* What is due, in its own transaction: frees old bodies.
 * Returns when it wants to be called next (mono ms). */
int64_t link_tick(struct link *l, struct now now);
/* What link_next() would send now, with nothing written, sequenced or sent. False: nothing. */
bool link_preview(struct link *l, struct now now, struct link_post *post);
/* A stopped link (403) tries again: the operator or a new certificate says so. */
void link_resume(struct link *l);

/* It can be reached after all: what waits because a connection failed goes now. */
void link_reached(struct link *l);

/* Something new waits: called under the node's lock, so only to signal. NULL: nobody listens. */
void link_on_wake(struct link *l, void (*wake)(void *ctx), void *ctx);

/* The parent's key, from its certificate as the transport saw it; receipts are verified by it. */
void link_set_parent_key(struct link *l, const struct key *k);
bool link_parent_key(const struct link *l, struct key *out); /* false: not known yet */
/* Does this link's filter let content of that region and industry through? (view links only) */
bool link_takes(const struct link *l, const char *region, const char *industry);
/* The prefixes it asks for; false: it takes all. */
bool link_filter(const struct link *l, const char **region, const char **industry);
unsigned link_severity(const struct link *l); /* 1 to 4: at least as severe goes out */

#endif
