/* frame.h - one signed line of chain/1: made, split, checked against the field table, verified.
 * Pure: no clock, no store. chain.md (aggregator/) is the specification. */
#ifndef AGGREGATOR_FRAME_H
#define AGGREGATOR_FRAME_H

#include <stdio.h>

#include "common/keys.h"
#include "common/json.h"

enum {
	FRAME_MAX = 64 * 1024,    /* bytes of a line, newline included */
	ENVELOPE_MAX = 96 * 1024, /* and of an envelope */
	FRAME_DEPTH = 6,
	POST_FRAMES = 512,
	POST_PACKED = 256 * 1024,
	POST_BYTES = 2 * 1024 * 1024,
	POST_RATIO = 64,
	LEVELS = 4,
	PATH_NODES = 6,
};

enum frame_type {
	/* sequenced */
	FRAME_DIGEST,
	FRAME_ROLLUP,
	FRAME_RECEIPT,
	FRAME_ANSWER,
	FRAME_EVIDENCE,
	/* unsequenced */
	FRAME_BEAT,
	FRAME_FLASH,
	FRAME_TOMB,
	FRAME_ENVELOPE,
	/* downward, in the stream of a parent to one child or to all */
	FRAME_WARNING,
	FRAME_NOTICE,
	FRAME_INDICATORS,
	FRAME_PACK,
	FRAME_STEP,
	/* the line inside a reply: "rc" */
	FRAME_SIGNED_RECEIPT,
	FRAME_TYPES
};
bool frame_is_sequenced(enum frame_type t);
const char *frame_type_name(enum frame_type t);
bool frame_type_from(const char *name, enum frame_type *t);

/* Why one frame is refused: the words of "rej". */
enum frame_fault {
	FRAME_GOOD,
	FRAME_SCHEMA,
	FRAME_LEVEL,
	FRAME_SIZE,
	FRAME_BAD_SIG,
	FRAME_COV,
	FRAME_REVOKED
};
const char *frame_fault_name(enum frame_fault f);

struct frame_id {
	uint64_t ep, sq; /* sq from 1 */
};
static inline int frame_id_compare(struct frame_id a, struct frame_id b)
{
	if (a.ep != b.ep)
		return a.ep < b.ep ? -1 : 1;
	return a.sq == b.sq ? 0 : a.sq < b.sq ? -1 : 1;
}

/* A line taken apart. Strings belong to json. */
struct frame {
	json_t *json;
	const char *line; /* borrowed, without newline */
	size_t len;
	size_t signed_len; /* bytes that sig covers */
	enum frame_type type;
	const char *org, *to, *kid;
	bool count, says_link; /* link is "count"; is "count" or "view" */
	struct frame_id id;
	uint8_t pv[HASH];
	uint8_t sig[KEY_SIG];
	uint8_t hash[HASH]; /* of signed_len bytes: the next frame's pv */
	unsigned level;     /* lvl, or where there is none the level its members need */
	const char *level_path;
	unsigned unknown; /* members that no table knows; they are cut out of json, and a line that
			   * held some is not to be kept or passed on as it is */
};

/* Splits and checks the form: JSON within bounds, sig last, the members that @t's table lists with
 * their types, bounds and enumerations, required ones there, nothing else unless unknown members
 * are not in crit (they are ignored but may not carry a name of a process value: see chain.md),
 * and nothing that the frame's own lvl does not allow. Says which member and why in @err.
 * On FRAME_SIZE and FRAME_SCHEMA, id, org and hash are filled as far as they could be read (id.sq
 * 0: not). Whatever the outcome, frame_free() is due. */
enum frame_fault frame_read(struct frame *f, const char *line, size_t len, struct err *err);
void frame_free(struct frame *f);
/* Over-sharing towards a peer that agreed to @level at most: the first member that exceeds it. */
enum frame_fault frame_check_level(const struct frame *f, unsigned level, struct err *err);
bool frame_verify(const struct frame *f, const struct key *k);
/* Is @line, whatever it says, signed by @k? */
bool frame_signed_by(const char *line, size_t len, const struct key *k);

/* Makes a line: v, alg, kid, t, org, to first; then, if sequenced, link, ep, sq, pv; then the
 * members of @body in their order (a reference is not taken); then sig. Checks it as frame_read()
 * does and returns NULL with @err if that would refuse it: nothing leaves that the table does not
 * know. The caller's to free(); *len without newline, no newline at the end.
 * @hash (may be NULL) gets the hash of what is signed. */
struct frame_head {
	enum frame_type type;
	const char *org, *to;
	bool count;
	struct frame_id id;
	const uint8_t *pv; /* HASH bytes */
};
char *frame_make(const struct frame_head *h, const json_t *body, const struct key *k, size_t *len,
	uint8_t hash[HASH], struct err *err);

/* The member table as text: chain.md is made from it. */
void frame_describe(FILE *out);

#endif
