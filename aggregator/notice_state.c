/* notice_state.c - states of a case, and how a standing is found from transitions. */
#include <stdio.h>
#include <string.h>

#include "aggregator/notice_private.h"

static const char *const names[STATES] = { "published", "delivered", "signed-for", "triage",
	"in-progress", "not-applicable", "disputed", "mitigated", "verified", "reopened", "closed",
	"expired", "cancelled", "superseded", "overdue", "escalated" };

const char *state_name(enum state s)
{
	return s < STATES ? names[s] : "?";
}

bool state_from(const char *name, enum state *s)
{
	for (unsigned i = 0; i < STATES; i++) {
		if (strcmp(names[i], name) == 0) {
			*s = (enum state)i;
			return true;
		}
	}
	return false;
}

bool state_is_side(enum state s)
{
	return s >= STATE_EXPIRED;
}

bool state_ends(enum state s)
{
	return s == STATE_CLOSED || s == STATE_EXPIRED || s == STATE_CANCELLED ||
	       s == STATE_SUPERSEDED;
}

enum speaker speaker_of(const char *by)
{
	if (strcmp(by, "issuer") == 0 || strcmp(by, "delegate") == 0)
		return SPEAKER_ISSUER;
	if (strcmp(by, "daemon") == 0)
		return SPEAKER_DAEMON;
	return strcmp(by, "timer") == 0 ? SPEAKER_TIMER : SPEAKER_FIRM;
}

/* --- what may follow what (chain.md, "Notice states") -------------------------------------- */

enum need { NEED_NOTHING, NEED_ACTION, NEED_REASON };

static const struct {
	enum state from, to;
	enum speaker who;
	enum need need;
} moves[] = {
	{ STATE_PUBLISHED, STATE_DELIVERED, SPEAKER_DAEMON, NEED_NOTHING },
	{ STATE_DELIVERED, STATE_SIGNED_FOR, SPEAKER_FIRM, NEED_NOTHING },
	{ STATE_SIGNED_FOR, STATE_TRIAGE, SPEAKER_FIRM, NEED_NOTHING },
	{ STATE_TRIAGE, STATE_IN_PROGRESS, SPEAKER_FIRM, NEED_NOTHING },
	{ STATE_TRIAGE, STATE_NOT_APPLICABLE, SPEAKER_FIRM, NEED_REASON },
	{ STATE_TRIAGE, STATE_DISPUTED, SPEAKER_FIRM, NEED_REASON },
	{ STATE_IN_PROGRESS, STATE_MITIGATED, SPEAKER_FIRM, NEED_ACTION },
	{ STATE_MITIGATED, STATE_VERIFIED, SPEAKER_ISSUER, NEED_NOTHING },
	{ STATE_MITIGATED, STATE_REOPENED, SPEAKER_ISSUER, NEED_NOTHING },
	{ STATE_NOT_APPLICABLE, STATE_VERIFIED, SPEAKER_ISSUER, NEED_NOTHING },
	{ STATE_NOT_APPLICABLE, STATE_REOPENED, SPEAKER_ISSUER, NEED_NOTHING },
	{ STATE_DISPUTED, STATE_VERIFIED, SPEAKER_ISSUER, NEED_NOTHING },
	{ STATE_DISPUTED, STATE_REOPENED, SPEAKER_ISSUER, NEED_NOTHING },
	{ STATE_REOPENED, STATE_TRIAGE, SPEAKER_FIRM, NEED_NOTHING },
	{ STATE_REOPENED, STATE_IN_PROGRESS, SPEAKER_FIRM, NEED_NOTHING },
	{ STATE_VERIFIED, STATE_CLOSED, SPEAKER_ISSUER, NEED_NOTHING },
};

static bool side_allows(enum state to, enum speaker who, struct err *err)
{
	bool timed = to == STATE_OVERDUE || to == STATE_ESCALATED || to == STATE_EXPIRED;
	if (who == (timed ? SPEAKER_TIMER : SPEAKER_ISSUER))
		return true;
	return err_set(err, "%s is said by %s", state_name(to), timed ? "a timer" : "the issuer");
}

bool state_allows(enum state from, enum state to, enum speaker who, bool has_action,
	bool has_reason, struct err *err)
{
	if (state_ends(from))
		return err_set(err, "it is %s", state_name(from));
	if (state_is_side(to))
		return side_allows(to, who, err);
	for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++) {
		if (moves[i].from != from || moves[i].to != to)
			continue;
		if (moves[i].who != who)
			return err_set(err, "%s is not this side's to say", state_name(to));
		if (moves[i].need == NEED_ACTION && !has_action)
			return err_set(err, "%s says what was done", state_name(to));
		if (moves[i].need == NEED_REASON && !has_reason)
			return err_set(err, "%s gives a reason", state_name(to));
		return true;
	}
	return err_set(err, "%s does not follow %s", state_name(to), state_name(from));
}

/* --- standings --------------------------------------------------------------------------- */

void step_hash(struct step *s, const char *id)
{
	char text[512];
	uint8_t hash[HASH];
	int n = snprintf(text, sizeof text, "bongsu-step/1\n%s\n%s\n%s\n%s\n%s\n%s\n%s\n%lld\n", id,
		s->firm, s->from, state_name(s->state), s->by, s->action, s->reason,
		(long long)s->at_s);
	hash_of(text, (size_t)n, hash);
	hash_hex(hash, s->hash);
}

/* The successor of @hash on the chain; *more: there is another one. */
static const struct step *successor(
	const struct step *s, size_t count, enum state from, const char *hash, bool *more)
{
	const struct step *found = NULL;
	*more = false;
	for (size_t i = 0; i < count; i++) {
		struct err ignored = { 0 };
		if (state_is_side(s[i].state) || strcmp(s[i].from, hash) != 0 ||
			!state_allows(from, s[i].state, speaker_of(s[i].by), s[i].action[0] != '\0',
				s[i].reason[0] != '\0', &ignored))
			continue;
		if (found != NULL && strcmp(found->hash, s[i].hash) != 0)
			*more = true;
		found = found == NULL ? &s[i] : found;
	}
	return found;
}

/* Whatever came first: its issuer's word is more than a timer's, replaced is more than withdrawn.
 */
static enum state end_of(enum state a, enum state b)
{
	return a == STATES || b > a ? b : a;
}

void standing_walk(const struct step *s, size_t count, const char *first, int64_t published_s,
	struct standing *out)
{
	bool more = false;
	const struct step *next;
	*out = (struct standing){ .state = STATE_PUBLISHED, .at_s = published_s, .ended = STATES };
	snprintf(out->hash, sizeof out->hash, "%s", first);
	for (size_t i = 0; i <= count; i++) {
		next = successor(s, count, out->state, out->hash, &more);
		if (next == NULL || more)
			break;
		out->state = next->state;
		out->at_s = next->at_s;
		memcpy(out->hash, next->hash, sizeof out->hash);
	}
	out->conflict = more;
	for (size_t i = 0; i < count; i++) {
		out->overdue = out->overdue || s[i].state == STATE_OVERDUE;
		out->escalated = out->escalated || s[i].state == STATE_ESCALATED;
		if (state_is_side(s[i].state) && state_ends(s[i].state))
			out->ended = end_of(out->ended, s[i].state);
	}
	if (out->state == STATE_CLOSED)
		out->ended = STATE_CLOSED;
}
