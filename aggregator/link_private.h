/* link_private.h - what the files of link share. */
#ifndef AGGREGATOR_LINK_PRIVATE_H
#define AGGREGATOR_LINK_PRIVATE_H

#include "aggregator/link.h"

enum {
	LINK_ANSWER_MAX = 1024 * 1024, /* bytes of a parent's answer */
	LINK_SAMPLES = 16,             /* of the clock's offset */
	LINK_SAMPLES_MIN = 8,
	LINK_HURRY_MAX = 50000, /* rows; beyond, the oldest envelope goes */
	LINK_TOMB_ROWS = 64,    /* freed frames that one tomb stands for */
	LINK_COV_MAX = 4096,    /* ranges of coverage that a head may name */
};

/* Why a row of link_sent stands without its line. */
enum link_code {
	CODE_NONE,
	CODE_SCHEMA,
	CODE_LEVEL,
	CODE_SIZE,
	CODE_SIG,
	CODE_COV,
	CODE_REVOKED,
	CODE_FREED,
	LINK_CODES
};
const char *link_code_name(enum link_code c);
enum link_code link_code_from(const char *name); /* CODE_NONE: no such word */

/* Undone together with the transaction that changed it. */
struct link_stand {
	int64_t row;           /* in table link */
	struct frame_id last;  /* sequenced; sq 0: the next frame begins the epoch */
	uint8_t pv[HASH];      /* of `last` */
	bool count;            /* of the epoch */
	struct frame_id after; /* where the epoch goes on from: as the parent's head told */
	uint8_t after_pv[HASH];
	struct frame_id dur, up;
	struct frame_id carry; /* rows up to here come anew in this epoch; ep 0: none */
	struct frame_id sent;  /* handed to transport in this pass; not stored */
	int held;              /* version of l->held; not stored */
};

struct link_limits {
	unsigned frames;
	size_t bytes; /* of a body, not compressed */
	int64_t every_ms;
};

/* What the POST in flight holds. */
struct link_flight {
	struct frame_id first, last; /* sequenced; sq 0: none */
	unsigned types[FRAME_TYPES];
	int64_t start_s, end_s; /* of its digests */
	int64_t alerts;
	unsigned level;
	unsigned frames, windows;
	int64_t hurry[POST_FRAMES]; /* row ids of envelopes and beats: gone with a 200 */
	unsigned hurried;
	struct now at;
	enum link_ask asked;
};

struct link {
	struct node *n;
	unsigned index;
	const struct agg_parent *conf;
	char parent[ORG_TEXT];
	struct link_stand s;
	struct link_limits win;
	json_t *held;           /* cov of the last head: [[sensor#, epoch, last n]…]; stored */
	bool need_head, closed; /* since the start: the open window was closed */
	bool stopped;
	bool away; /* the last connection failed */
	char why[128];
	int64_t not_before; /* mono ms: back-off, Retry-After */
	int64_t calm_until; /* mono ms: the parent has no room for what is sequenced; beats go on */
	unsigned failures, refusals; /* in a row: connections and 429/503; 409 without progress */
	bool halve;                  /* 413: fewer frames a POST */
	int64_t windows_at;          /* mono ms of the last POST with digests */
	unsigned windows_sent;       /* in it */
	int64_t tombs_at, dur_at;    /* mono ms: last tombs sent, last time dur moved */
	struct link_flight flight;
	struct {
		int64_t offset_ms, rtt_ms;
	} sample[LINK_SAMPLES];
	unsigned samples;
	int64_t clock_base; /* wall - mono at the last sample */
	int64_t skew_ms;
	bool knows_key;
	struct key key;
	uint64_t random;
	int64_t trim_at, forget_at; /* mono ms */
	void (*wake)(void *ctx);
	void *wake_ctx;
};

/* link.c */
int64_t link_random(struct link *l, int64_t below);
void link_save(struct link *l); /* the stand, in the transaction */
void link_begin(struct link *l, struct link_stand *kept);
bool link_commit(struct link *l, struct link_stand *kept);
void link_head_wanted(struct link *l, const char *why);
/* Windows that wait, counted up to @most. */
unsigned link_windows(struct link *l, unsigned most);

/* link_make.c */
/* Gives the next waiting entry a number in the current epoch, rows of an older epoch that are to
 * come again first; its row is written, and the stand moves. @windows: digests may go. False:
 * nothing that may go now. */
bool link_sequence(struct link *l, struct now now, bool windows);

/* link_tomb.c: a tomb for [@first, *last] of an epoch, all frames of one type and code; *last comes
 * back lower where one tomb cannot stand for so many. NULL: their totals are not known. */
char *link_tomb(
	struct link *l, struct now now, uint64_t ep, uint64_t first, uint64_t *last, size_t *len);

/* link_send.c: the ledger gets what was about to leave. @unsure: nobody saw whether it did. */
void link_intent_drop(struct link *l);
void link_intent_settle(struct link *l, struct now now, bool unsure);

/* link_wait.rank: receipts, answers and evidence before roll-ups before windows; those that were
 * cut wait to be read again. */
enum { RANK_RECEIPT, RANK_ROLLUP, RANK_WINDOW, RANK_AGAIN };

/* link_cover.c: coverage */
/* Does @cov ([[sensor#, epoch, from, to]…]) lie wholly inside @held (the same), or partly? */
enum link_overlap { COVER_NONE, COVER_PART, COVER_WHOLE };
enum link_overlap link_overlap(const json_t *cov, const json_t *held);
json_t *link_held_ranges(const json_t *cov, const json_t *holes); /* a new reference */
bool link_cov_has(const json_t *cov, const uint64_t covers[3]);
/* Adds @more's numbers into @in (lost included). */
void link_add_in(json_t *in, const json_t *more);
/* Appends @more's ranges to @cov, neighbours joined. */
void link_add_cov(json_t *cov, const json_t *more);

/* link_answer.c */
bool link_read_id(const json_t *answer, const char *name, struct frame_id *id);

/* link_head.c */
void link_take_head(struct link *l, struct now now, const json_t *answer);
/* 409: where the parent wants us to go on; what is not durable there is sent again as well. */
void link_wanted(struct link *l, struct frame_id want, struct frame_id dur);

/* link_spare.c */
struct link_spare {
	bool again; /* it was cut */
	int64_t start_s;
	uint32_t res_s;
	unsigned level;
	bool count;
	const void *blob;
	size_t len;
};
void link_spare(struct link *l, struct now now, const struct link_spare *e);
/* In front of all windows that wait. */
void link_put_first(struct link *l, const struct link_spare *e);
/* A frame that the parent need not have again, unless it goes back. */
void link_set_aside(struct link *l, struct frame_id id);
void link_spares_back(struct link *l);
void link_spares_trim(struct link *l, int64_t before_ms);

#endif
