/* accept_private.h - what the files of accept share. */
#ifndef AGGREGATOR_ACCEPT_PRIVATE_H
#define AGGREGATOR_ACCEPT_PRIVATE_H

#include "aggregator/accept.h"
#include "aggregator/frame.h"

enum {
	ACCEPT_KEYS = 8,      /* valid at a time, of one child */
	ACCEPT_HOLES = 1000,  /* told in a head */
	ACCEPT_RANGES = 4096, /* of coverage held, of one child */
	ACCEPT_TOMB = 4096,   /* frames that one tomb may stand for */
	ACCEPT_LATE_MS = 180000,
	ACCEPT_SILENT_MS = 900000,
};

struct held_key {
	struct key key;
	int64_t not_before, not_after; /* s */
	int64_t revoked_at;            /* s; 0: not */
};

/* Events of one sensor's epoch that are accounted for. */
struct span {
	uint64_t sensor, epoch, from, to;
};

struct child {
	char org[ORG_TEXT];
	enum tier tier;
	char region[8], industry[8];
	struct held_key key[ACCEPT_KEYS];
	unsigned keys;
	struct frame_id
		head;     /* the last frame of the chain that was taken, refused ones included */
	uint8_t pv[HASH]; /* its hash */
	uint64_t refused; /* the first refused frame of head.ep without a tomb; 0: none */
	struct frame_id up;
	bool count, settled; /* of the epoch; a frame of it was taken, so that count is fixed */
	struct span *span;   /* sorted */
	unsigned spans, span_cap;
	struct totals sum;
	int64_t beat_ms; /* mono; INT64_MIN: none since the start */
	int64_t beat_wall_ms;
	char run[3][RUN_TEXT]; /* the runs that beat last, the newest first; "" where none */
	uint32_t kids[4];      /* as its last beat told: known, reporting, late, silent */
	unsigned nodes;        /* path of its last roll-up: it came through these */
	char path[PATH_NODES][ORG_TEXT];
	int warned_at; /* days: the last step of warnings of its certificate's end */
	double tokens;
	int64_t tokens_ms; /* mono */
	bool dirty;
	bool stored; /* its row has been committed */
};

struct accept {
	pthread_mutex_t door; /* for tokens; and who changes the table has it and the node's */
	struct child **child; /* open addressing by org */
	unsigned cap, children;
	int64_t serial; /* of the newest frame row */
};

struct child *accept_child(struct node *n, const char *org);
/* Made where it is not there; NULL: too many. */
struct child *accept_know(struct node *n, const struct peer *p, struct now now);
/* Tokens; under no lock but the node's. */
void accept_spend(struct node *n, struct child *c, size_t frames);
void accept_refuse(struct answer *out, int status, const char *why, int retry_after);
void accept_save(struct node *n, struct child *c);
void accept_reload(struct node *n, struct child *c); /* back to what the store holds */
struct frame_id accept_dur(const struct child *c);

/* accept_cover.c */
/* How many events of @cov ([[sensor#, epoch, from, to]…]) are held already. */
int64_t cover_common(const struct child *c, const json_t *cov);
/* Adds them; false: too scattered. Rows are written. */
bool cover_add(struct node *n, struct child *c, const json_t *cov);
void cover_read(struct node *n, struct child *c);
json_t *cover_told(const struct child *c);  /* [[sensor#, epoch, last n]…] */
json_t *cover_holes(const struct child *c); /* [[sensor#, epoch, from, to]…] before those */

/* accept_frame.c: one frame within a POST */
struct taking {
	struct node *n;
	struct child *child;
	const struct peer *peer;
	const struct post_in *post;
	struct now now;
	json_t *ok, *rej;
	unsigned place; /* sequenced frames met so far: the place within Chain-Range */
	int status;     /* 0: go on */
	struct frame_id want;
	bool wants;
	char why[64];
	bool refuse_sequenced; /* the disk is nearly full */
	bool any_sequenced;
	bool peer_signed; /* the line, by the key that the connection showed */
};
void accept_line(struct taking *t, const char *line, size_t len);
/* Its path leads in a circle or is too long: said and answered. */
bool accept_strays(struct taking *t, const struct frame *f);
void accept_count(struct taking *t, const json_t *in); /* into the child's totals */
/* accept_loose.c: beats, flashes, envelopes */
void accept_beat(struct taking *t, const struct frame *f);
void accept_flash(struct taking *t, const struct frame *f, const char *line, size_t len,
	const json_t *path, bool verified);
void accept_envelope(struct taking *t, const struct frame *f);
void accept_pass_receipt(struct taking *t, const struct frame *f);
/* accept_tomb.c */
void accept_tomb(struct taking *t, const struct frame *f);
/* What was refused in the one before is settled by it. */
void accept_new_epoch(struct taking *t, uint64_t ep);
void accept_reject(struct taking *t, uint64_t sq, enum frame_fault fault, const char *why);

#endif
