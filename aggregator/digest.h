/* digest.h - the enterprise's side: alerts are folded into windows, flashes and beats. */
#ifndef AGGREGATOR_DIGEST_H
#define AGGREGATOR_DIGEST_H

#include "aggregator/node.h"

extern const char digest_tables[]; /* for store_schema() */

/* Reads what the store holds: positions and the open window. Only where the configuration has
 * sensors. */
bool digest_open(struct node *n, struct now now, struct err *err);
void digest_free(struct node *n);
/* Which rules may leave by name: those of the configuration, and of packs that were accepted. */
void digest_share(struct node *n);
/* Writes what digest_fold() changed; before the transaction of the fold is committed. */
void digest_save(struct node *n);
/* That transaction failed: back to what the store holds. */
void digest_undo(struct node *n, struct now now);

/* One entry of a sensor's stream. */
struct intake_event {
	const char *sensor; /* its name */
	uint64_t epoch, n;
	const char *type; /* "alert" … */
	const char *json; /* the EVE line */
	size_t len;
};
/* Folds it into the open window and, where it hurries, writes its flash row; moves the position. In
 * the caller's transaction. False: it was at or below the position and did nothing. A hole before
 * it in (epoch, n) becomes lost{trimmed} in this window and an alarm; an event that cannot be read
 * counts as lost{unreadable}. */
bool digest_fold(struct node *n, const struct intake_event *e, struct now now);
/* Up to which (epoch, n) a sensor's stream is folded; false: nothing yet. */
bool digest_position(struct node *n, const char *sensor, uint64_t *epoch, uint64_t *at);
/* The names of sensors that are known, from 0; "" where one does not fit. False: no more. */
bool digest_sensor_name(const struct node *n, unsigned at, char *out, size_t cap);
/* A sensor's heartbeat hash, as JSON of its pairs: for beats and hl. NULL: it has expired. */
void digest_sensor_health(struct node *n, const char *sensor, const json_t *pairs, struct now now);

/* Closes the open window if its time is over by the monotonic clock (@force: at once) and puts one
 * waiting entry into each link's list (link_wait()), with the level of that link at this moment.
 * Empty windows are digests too. */
void digest_close(struct node *n, struct now now, bool force);
int64_t digest_due(const struct node *n, struct now now); /* mono ms of the next close or beat */

/* Waiting entries are blobs of plain counters. One that cannot be read is a damaged store: NULL or
 * false. */
/* Two of one day into one that covers both exactly; the caller's to free(). NULL: they are not of
 * one day, or their coverage is too scattered for one frame. */
void *digest_merge(const void *a, size_t a_len, const void *b, size_t b_len, size_t *len);
/* The members of a digest frame at @level: tier … hl, to be signed by link. A new reference.
 * More than FRAME_MAX is cut into `other`. */
json_t *digest_body(struct node *n, const void *blob, size_t len, unsigned level, struct now now);
/* Moves coverage [from, to] of a sensor that the parent holds already out of a blob: whole windows
 * only; see link.h. */
struct digest_facts {
	int64_t start, end; /* s */
	uint32_t coarse_s;
	json_t *in, *cov; /* new references */
	bool cut;         /* it has no details: its events are to be read again */
};
bool digest_facts(const void *blob, size_t len, struct digest_facts *out);
/* The same window with the events that @cov_held (sorted [sensor#, epoch, from, to]) holds taken
 * out, or (@inside) those alone. A window cannot be split: what is left is cut, all of it
 * lost{overlap} until it has been read again. */
void *digest_cut(
	const void *blob, size_t len, const json_t *cov_held, bool inside, size_t *out_len);
/* A window again from the members of its frame: without items. */
void *digest_of_frame(const json_t *body, size_t *len);

/* --- events once more, for a window that was cut (intake's thread) --- */
struct digest_again {
	struct link *link;
	int64_t id; /* of the window at that link */
	json_t *w;  /* NULL: there is none to be read */
	json_t *was;
	size_t row; /* of its coverage: the next to be read */
};
struct digest_range {
	const char *sensor; /* name; lives as long as the node */
	uint64_t epoch, from, to;
};
/* Takes up the first window that waits for it. */
bool digest_again_open(struct node *n, struct digest_again *a);
/* What is to be read next; false: nothing is left. */
bool digest_again_range(struct node *n, struct digest_again *a, struct digest_range *out);
/* An event of that range, in order. */
void digest_again_fold(struct node *n, struct digest_again *a, const struct intake_event *e);
/* What did not come is lost{overlap}; the window goes back to those that wait. In a transaction of
 * its own. */
bool digest_again_close(struct node *n, struct digest_again *a);
void digest_again_drop(struct digest_again *a); /* it is tried another time */

json_t *digest_beat(struct node *n, unsigned level, struct now now); /* members of a beat */
/* First 48 bits of HMAC(site key, name). */
uint64_t digest_sensor_number(const struct node *n, const char *sensor);

#endif
