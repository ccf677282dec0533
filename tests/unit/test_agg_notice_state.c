/* test_agg_notice_state.c - states of a case: every step that is allowed, every one that is not,
 * and standings that come out alike whatever came first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/notice_private.h"

#define FIRM "9f3c00000000000000000000000009f3"
#define CASE "N37000000-20251009-0001"
#define ROOT "00000000000000000000000000000000000000000000000000000000000000aa"

enum { T0 = 1760000100 };

/* As chain.md lists them, written down a second time. by: I issuer, D daemon, F firm; needs: a
 * action, r reason. */
static const char *const legal[] = { "published delivered D", "delivered signed-for F",
	"signed-for triage F", "triage in-progress F", "triage not-applicable F r",
	"triage disputed F r", "in-progress mitigated F a", "mitigated verified I",
	"mitigated reopened I", "not-applicable verified I", "not-applicable reopened I",
	"disputed verified I", "disputed reopened I", "reopened triage F", "reopened in-progress F",
	"verified closed I" };
static const char *const ends[] = { "closed", "expired", "cancelled", "superseded" };
/* who says them of any case that is open: T a timer */
static const char *const side[] = { "expired T", "cancelled I", "superseded I", "overdue T",
	"escalated T" };

enum { COUNT_LEGAL = sizeof legal / sizeof legal[0] };

static const struct {
	char letter;
	enum speaker who;
} speakers[] = { { 'I', SPEAKER_ISSUER }, { 'D', SPEAKER_DAEMON }, { 'T', SPEAKER_TIMER },
	{ 'F', SPEAKER_FIRM } };

static bool ended(const char *name)
{
	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (strcmp(ends[i], name) == 0)
			return true;
	return false;
}

/* Does a list say that @who may take the step? */
static bool expected(const char *from, const char *to, char who, bool action, bool reason)
{
	char text[80];
	if (ended(from))
		return false;
	for (size_t i = 0; i < sizeof side / sizeof side[0]; i++) {
		snprintf(text, sizeof text, "%s %c", to, who);
		if (strcmp(side[i], text) == 0)
			return true;
	}
	for (size_t i = 0; i < COUNT_LEGAL; i++) {
		int n = snprintf(text, sizeof text, "%s %s %c", from, to, who);
		if (strncmp(legal[i], text, (size_t)n) != 0)
			continue;
		const char *needs = legal[i] + n;
		return (strchr(needs, 'a') == NULL || action) &&
		       (strchr(needs, 'r') == NULL || reason);
	}
	return false;
}

/* 16 states × 16 states × 4 speakers × what is said with it. */
static void every_step_is_as_the_lists_say(void **state)
{
	unsigned allowed = 0, refused = 0;
	(void)state;
	for (unsigned f = 0; f < STATES; f++) {
		for (unsigned t = 0; t < STATES; t++) {
			for (unsigned k = 0; k < 16; k++) {
				struct err err = { 0 };
				const char *from = state_name((enum state)f),
					   *to = state_name((enum state)t);
				bool action = (k & 4) != 0, reason = (k & 8) != 0;
				bool good = state_allows((enum state)f, (enum state)t,
					speakers[k % 4].who, action, reason, &err);
				if (good !=
					expected(from, to, speakers[k % 4].letter, action, reason))
					fail_msg("%s to %s by %c is %s", from, to,
						speakers[k % 4].letter,
						good ? "allowed" : "refused");
				assert_int_equal(!good, err.set); /* and why is said */
				allowed += good;
				refused += !good;
			}
		}
	}
	assert_int_equal(allowed + refused, STATES * STATES * 16);
	assert_true(allowed > 200 && refused > 3000);
}

static void names_and_speakers(void **state)
{
	static const char *const firm[] = { "operator", "security-lead", "plant-engineer",
		"manager" };
	enum state s;
	(void)state;
	for (unsigned i = 0; i < STATES; i++) {
		assert_true(state_from(state_name((enum state)i), &s));
		assert_int_equal(s, i);
		assert_int_equal(state_ends(s), ended(state_name(s)));
	}
	assert_false(state_from("draft", &s));
	assert_string_equal(state_name(STATES), "?");
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(speaker_of(firm[i]), SPEAKER_FIRM);
	assert_int_equal(speaker_of("issuer"), SPEAKER_ISSUER);
	assert_int_equal(speaker_of("delegate"), SPEAKER_ISSUER);
	assert_int_equal(speaker_of("daemon"), SPEAKER_DAEMON);
	assert_int_equal(speaker_of("timer"), SPEAKER_TIMER);
}

/* --- standings --------------------------------------------------------------------------- */

static struct step make(const char *from, enum state state, const char *by, const char *action,
	const char *reason, int64_t at_s)
{
	struct step s = { .state = state, .at_s = at_s };
	snprintf(s.firm, sizeof s.firm, FIRM);
	snprintf(s.from, sizeof s.from, "%s", from);
	snprintf(s.by, sizeof s.by, "%s", by);
	snprintf(s.action, sizeof s.action, "%s", action);
	snprintf(s.reason, sizeof s.reason, "%s", reason);
	step_hash(&s, CASE);
	return s;
}

enum { STORY = 8 };

/* Delivered, signed for, weighed, worked on, mended, opened again, mended again, verified. */
static void story(struct step s[STORY])
{
	s[0] = make(ROOT, STATE_DELIVERED, "daemon", "", "", T0 + 1);
	s[1] = make(s[0].hash, STATE_SIGNED_FOR, "security-lead", "", "", T0 + 2);
	s[2] = make(s[1].hash, STATE_TRIAGE, "operator", "", "", T0 + 3);
	s[3] = make(s[2].hash, STATE_IN_PROGRESS, "operator", "", "", T0 + 4);
	s[4] = make(s[3].hash, STATE_MITIGATED, "plant-engineer", "patched", "", T0 + 5);
	s[5] = make(s[4].hash, STATE_REOPENED, "issuer", "", "", T0 + 6);
	s[6] = make(s[5].hash, STATE_IN_PROGRESS, "operator", "", "", T0 + 7);
	s[7] = make(s[6].hash, STATE_MITIGATED, "plant-engineer", "replaced", "", T0 + 8);
}

static void same(const struct standing *a, const struct standing *b)
{
	assert_int_equal(a->state, b->state);
	assert_string_equal(a->hash, b->hash);
	assert_int_equal(a->at_s, b->at_s);
	assert_int_equal(a->conflict, b->conflict);
	assert_int_equal(a->overdue, b->overdue);
	assert_int_equal(a->escalated, b->escalated);
	assert_int_equal(a->ended, b->ended);
}

/* All orders of @count steps, each with one of them twice. */
static void every_order(struct step *s, size_t count, size_t at, const struct standing *wanted)
{
	if (at == count) {
		struct step twice[16];
		struct standing st;
		memcpy(twice, s, count * sizeof *s);
		twice[count] = s[0];
		standing_walk(twice, count + 1, ROOT, T0, &st);
		same(&st, wanted);
		return;
	}
	for (size_t i = at; i < count; i++) {
		struct step was = s[at];
		s[at] = s[i];
		s[i] = was;
		every_order(s, count, at + 1, wanted);
		s[i] = s[at];
		s[at] = was;
	}
}

static void whatever_comes_first_the_standing_is_the_same(void **state)
{
	struct step s[STORY];
	struct standing st;
	(void)state;
	story(s);
	standing_walk(s, 7, ROOT, T0, &st);
	assert_int_equal(st.state, STATE_IN_PROGRESS);
	assert_int_equal(st.at_s, T0 + 7);
	assert_false(st.conflict);
	assert_int_equal(st.ended, STATES);
	every_order(s, 7, 0, &st);
}

static void steps_wait_for_what_they_follow(void **state)
{
	struct step s[STORY];
	struct standing st;
	(void)state;
	story(s);
	standing_walk(s + 1, STORY - 1, ROOT, T0, &st); /* the first is not here yet */
	assert_int_equal(st.state, STATE_PUBLISHED);
	assert_int_equal(st.at_s, T0);
	assert_string_equal(st.hash, ROOT);
	struct step late[STORY] = { s[0], s[1], s[3], s[4] };
	standing_walk(late, 4, ROOT, T0, &st);
	assert_int_equal(st.state, STATE_SIGNED_FOR);
	late[4] = s[2];
	standing_walk(late, 5, ROOT, T0, &st);
	assert_int_equal(st.state, STATE_MITIGATED);
}

/* Two people answer the same state: nobody is right by being earlier. */
static void two_successors_are_a_conflict(void **state)
{
	struct step s[STORY];
	struct standing st, other;
	(void)state;
	story(s);
	s[4] = make(s[2].hash, STATE_NOT_APPLICABLE, "manager", "", "not-affected", T0 + 4);
	standing_walk(s, 5, ROOT, T0, &st);
	assert_true(st.conflict);
	assert_int_equal(st.state, STATE_TRIAGE); /* the state that both leave */
	every_order(s, 5, 0, &st);
	/* the same word at another second is another word */
	s[4] = make(s[2].hash, STATE_IN_PROGRESS, "operator", "", "", T0 + 9);
	standing_walk(s, 5, ROOT, T0, &other);
	assert_true(other.conflict);
	/* what may not follow there is no successor */
	s[4] = make(s[2].hash, STATE_VERIFIED, "issuer", "", "", T0 + 4);
	standing_walk(s, 5, ROOT, T0, &other);
	assert_false(other.conflict);
	assert_int_equal(other.state, STATE_IN_PROGRESS);
}

static void what_ends_it_is_the_same_in_any_order(void **state)
{
	struct step s[STORY];
	struct standing st;
	(void)state;
	story(s);
	s[2] = make(s[0].hash, STATE_EXPIRED, "timer", "", "", T0 + 90);
	s[3] = make(s[1].hash, STATE_CANCELLED, "issuer", "", "", T0 + 91);
	s[4] = make(s[1].hash, STATE_OVERDUE, "timer", "", "", T0 + 50);
	s[5] = make(s[1].hash, STATE_ESCALATED, "timer", "", "", T0 + 60);
	standing_walk(s, 6, ROOT, T0, &st);
	assert_int_equal(st.ended, STATE_CANCELLED); /* its issuer's word, not the timer's */
	assert_true(st.overdue && st.escalated && !st.conflict);
	assert_int_equal(st.state, STATE_SIGNED_FOR);
	every_order(s, 6, 0, &st);
	s[2] = make(s[0].hash, STATE_SUPERSEDED, "issuer", "", "", T0 + 90);
	standing_walk(s, 6, ROOT, T0, &st);
	assert_int_equal(st.ended, STATE_SUPERSEDED);
	every_order(s, 6, 0, &st);
}

static void closed_is_closed(void **state)
{
	struct step s[STORY + 2];
	struct standing st;
	(void)state;
	story(s);
	s[8] = make(s[7].hash, STATE_VERIFIED, "issuer", "", "", T0 + 9);
	s[9] = make(s[8].hash, STATE_CLOSED, "issuer", "", "", T0 + 10);
	standing_walk(s, 10, ROOT, T0, &st);
	assert_int_equal(st.state, STATE_CLOSED);
	assert_int_equal(st.ended, STATE_CLOSED);
}

/* A circle of hashes cannot be made; one that is claimed ends the walk all the same. */
static void a_walk_ends(void **state)
{
	struct step s[2];
	struct standing st;
	(void)state;
	s[0] = make(ROOT, STATE_REOPENED, "issuer", "", "", T0);
	s[1] = make(ROOT, STATE_DELIVERED, "daemon", "", "", T0);
	memcpy(s[1].hash, ROOT, sizeof s[1].hash);
	standing_walk(s, 2, ROOT, T0, &st);
	assert_true(st.state <= STATE_DELIVERED);
}

static void a_hash_says_all_of_a_step(void **state)
{
	struct step a = make(ROOT, STATE_MITIGATED, "operator", "patched", "other", T0), b;
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		b = a;
		if (i == 0)
			b.firm[0] = 'a';
		else if (i == 1)
			b.from[0] = '1';
		else if (i == 2)
			b.state = STATE_VERIFIED;
		else if (i == 3)
			snprintf(b.by, sizeof b.by, "manager");
		else if (i == 4)
			snprintf(b.action, sizeof b.action, "blocked");
		else if (i == 5)
			b.reason[0] = '\0';
		else if (i == 6)
			b.at_s++;
		step_hash(&b, i == 7 ? "N37000000-20251009-0002" : CASE);
		assert_string_not_equal(a.hash, b.hash);
	}
	step_hash(&a, CASE);
	b = make(ROOT, STATE_MITIGATED, "operator", "patched", "other", T0);
	assert_string_equal(a.hash, b.hash);
	/* a word that moves from one member to the next is another step */
	a = make(ROOT, STATE_MITIGATED, "operator", "other", "", T0);
	b = make(ROOT, STATE_MITIGATED, "operator", "", "other", T0);
	assert_string_not_equal(a.hash, b.hash);
}

static int before(void **state)
{
	(void)state;
	return keys_init() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_step_is_as_the_lists_say),
		cmocka_unit_test(names_and_speakers),
		cmocka_unit_test(whatever_comes_first_the_standing_is_the_same),
		cmocka_unit_test(steps_wait_for_what_they_follow),
		cmocka_unit_test(two_successors_are_a_conflict),
		cmocka_unit_test(what_ends_it_is_the_same_in_any_order),
		cmocka_unit_test(closed_is_closed),
		cmocka_unit_test(a_walk_ends),
		cmocka_unit_test(a_hash_says_all_of_a_step),
	};
	return cmocka_run_group_tests(tests, before, NULL);
}
