/* notice_private.h - what the files of notice share. */
#ifndef AGGREGATOR_NOTICE_PRIVATE_H
#define AGGREGATOR_NOTICE_PRIVATE_H

#include "aggregator/notice.h"

enum state {
	STATE_PUBLISHED,
	STATE_DELIVERED,
	STATE_SIGNED_FOR,
	STATE_TRIAGE,
	STATE_IN_PROGRESS,
	STATE_NOT_APPLICABLE,
	STATE_DISPUTED,
	STATE_MITIGATED,
	STATE_VERIFIED,
	STATE_REOPENED,
	STATE_CLOSED,
	/* beside the chain: they end or mark it wherever it stands */
	STATE_EXPIRED,
	STATE_CANCELLED,
	STATE_SUPERSEDED,
	STATE_OVERDUE,
	STATE_ESCALATED,
	STATES
};

/* Who speaks. */
enum speaker { SPEAKER_ISSUER = 1, SPEAKER_DAEMON = 2, SPEAKER_TIMER = 4, SPEAKER_FIRM = 8 };

enum { NOTICE_STEPS = 64 /* of one case at one firm */, NOTICE_CASE = 65 };

/* --- notice_state.c: pure --- */
const char *state_name(enum state s);
bool state_from(const char *name, enum state *s);
bool state_is_side(enum state s);
bool state_ends(enum state s); /* nothing may follow */
enum speaker speaker_of(const char *by);
/* May @who bring a case from @from to @to? What is missing (an action, a reason) is said. */
bool state_allows(enum state from, enum state to, enum speaker who, bool has_action,
	bool has_reason, struct err *err);

struct step {
	char firm[ORG_TEXT];
	char from[HASH_HEX], hash[HASH_HEX];
	enum state state;
	char by[24], action[24], reason[24];
	int64_t at_s;
};
/* hash = SHA-256 of case, firm and what the step says: the same wherever it is computed. */
void step_hash(struct step *s, const char *id);
struct standing {
	enum state state;
	char hash[HASH_HEX];
	int64_t at_s;
	bool conflict, overdue, escalated;
	enum state ended; /* a side state that ended it, else STATES */
};
/* Walks from @first. Steps that lead nowhere yet wait for what they follow. */
void standing_walk(const struct step *s, size_t count, const char *first, int64_t published_s,
	struct standing *out);

/* --- notice.c --- */
struct case_facts {
	char id[NOTICE_CASE], issuer[ORG_TEXT], hash[HASH_HEX], from[ORG_TEXT], profile[65];
	char kid[KID_TEXT]; /* of the key that issued it */
	enum frame_type type;
	bool mine;
	int64_t issued_s, expires_s, deadline_s;
};
bool case_find(struct node *n, const char *id, struct case_facts *out);
/* Stores a new object; false: it is known (the same), or another one bears its name (alarm). */
bool case_add(struct node *n, const struct frame *f, const char *from, bool mine, struct now now);
size_t case_steps(struct node *n, const char *id, const char *firm, struct step *out);
void case_standing(
	struct node *n, const struct case_facts *c, const char *firm, struct standing *out);
/* Judges and stores one step. *fresh: it was not known. */
bool case_step(struct node *n, const char *id, struct step *s, const char *line, bool *fresh,
	struct now now, struct err *err);
/* The standing of @firm (may be NULL) is there from now on, and of those that were early. */
void case_stand(struct node *n, const char *id, const char *firm, struct now now);
void receipt_wait(
	struct node *n, const char *id, const struct step *s, int64_t evidence, const char *firm);

/* --- notice_down.c --- */
void down_put(struct node *n, const struct frame *f, const char *via, struct now now);
/* The child through which @to is reached ("*" is everybody's); false: nobody knows. */
bool down_route(struct node *n, const char *to, char via[ORG_TEXT]);
/* Makes and puts a line of ours. */
bool down_make(struct node *n, enum frame_type type, const char *to, const char *via,
	const json_t *members, const struct key *key, char **line, struct now now, struct err *err);

#endif
