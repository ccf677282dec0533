/* notice_take.c - what comes down from a parent, and what comes up from children. Authority is in
 * the key: which key may sign what is the site's configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/notice_private.h"

enum { DOWN_DEPTH = 4, DOWN_MOST = 1000 };

/* --- keys -------------------------------------------------------------------------------- */

static bool by_one_of(const struct frame *f, const struct text_list *keys)
{
	for (size_t i = 0; i < keys->count; i++) {
		uint8_t bytes[KEY_PUBLIC];
		struct key k;
		if (!hex_read(keys->text[i], strlen(keys->text[i]), bytes, sizeof bytes))
			continue;
		key_from_public(&k, bytes);
		if (frame_verify(f, &k))
			return true;
	}
	return false;
}

static bool by_parent(const struct frame *f, const struct link *l)
{
	struct key k;
	return link_parent_key(l, &k) && strcmp(f->org, link_parent(l)) == 0 && frame_verify(f, &k);
}

static bool is_grave(const struct frame *f)
{
	const char *colour = json_text_of(f->json, "colour");
	return colour != NULL && (strcmp(colour, "red") == 0 || strcmp(colour, "orange") == 0);
}

/* Red and orange are the nation's; the rest is the parent's own or a configured issuer's. Packs and
 * sets have their publishers' signatures within (pack.c): who hands them down is no matter. */
static bool may_sign(const struct node *n, const struct frame *f, const struct link *from)
{
	const struct agg_config *c = n->config;
	if (f->type == FRAME_WARNING && is_grave(f))
		return by_one_of(f, &c->national_keys);
	if (f->type == FRAME_PACK || f->type == FRAME_INDICATORS)
		return true;
	return by_parent(f, from) || by_one_of(f, &c->national_keys) ||
	       by_one_of(f, &c->issuer_keys);
}

/* --- from a parent ----------------------------------------------------------------------- */

static bool has_children(const struct node *n)
{
	return n->config->listen != NULL;
}

/* Where it goes on: every child, or the one through which its addressee is reached. */
static void relay(struct node *n, const struct frame *f, struct now now)
{
	char via[ORG_TEXT];
	if (!has_children(n) || strcmp(f->to, n->org) == 0)
		return;
	if (down_route(n, f->to, via))
		down_put(n, f, via, now);
	else
		node_alarm(n, now, "no-route", f->to, "%s for it cannot be passed on",
			frame_type_name(f->type));
}

static void deliver(struct node *n, const struct frame *f, struct now now)
{
	struct case_facts c;
	struct standing st;
	struct err err = { 0 };
	bool fresh;
	const char *id = json_text_of(f->json, "case");
	case_stand(n, id, n->org, now);
	if (!case_find(n, id, &c))
		return;
	case_standing(n, &c, n->org, &st);
	if (st.state != STATE_PUBLISHED)
		return;
	struct step s = { .state = STATE_DELIVERED, .by = "daemon", .at_s = now.wall_ms / 1000 };
	snprintf(s.firm, sizeof s.firm, "%s", n->org);
	snprintf(s.from, sizeof s.from, "%s", c.hash);
	if (case_step(n, id, &s, "", &fresh, now, &err) && fresh)
		receipt_wait(n, id, &s, 0, NULL);
}

static void read_step(const struct frame *f, const char *firm, struct step *s)
{
	const char *action = json_text_of(f->json, "action");
	const char *reason = json_text_of(f->json, "reason");
	*s = (struct step){ .at_s = json_int_of(f->json, "at", 0) };
	snprintf(s->firm, sizeof s->firm, "%s", firm);
	snprintf(s->from, sizeof s->from, "%s", json_text_of(f->json, "from"));
	snprintf(s->by, sizeof s->by, "%s", json_text_of(f->json, "by"));
	snprintf(s->action, sizeof s->action, "%s", action == NULL ? "" : action);
	snprintf(s->reason, sizeof s->reason, "%s", reason == NULL ? "" : reason);
	state_from(json_text_of(f->json, "state"), &s->state);
}

/* What the issuer says of a case is said by the key that issued it: a tier between can neither lift
 * nor close what is not its own. A delegate judges what firms did, and no more. */
static bool may_judge(struct node *n, const struct frame *f, const struct step *s)
{
	struct case_facts c;
	if (!case_find(n, json_text_of(f->json, "case"), &c))
		return false;
	if (strcmp(s->by, "delegate") == 0)
		return s->state == STATE_VERIFIED || s->state == STATE_REOPENED;
	return strcmp(c.kid, f->kid) == 0 || by_one_of(f, &n->config->national_keys);
}

/* A firm's word comes down where another of its words left the same state: both see the conflict.
 */
static bool is_contradiction(struct node *n, const struct frame *f, const struct step *s)
{
	struct step known[NOTICE_STEPS];
	size_t count = case_steps(n, json_text_of(f->json, "case"), s->firm, known);
	for (size_t i = 0; i < count; i++)
		if (!state_is_side(known[i].state) && strcmp(known[i].from, s->from) == 0)
			return true;
	return false;
}

static void take_step(struct node *n, const struct frame *f, struct now now)
{
	struct step s;
	struct err err = { 0 };
	bool fresh;
	char *line = strndup(f->line, f->len);
	read_step(f, strcmp(f->to, "*") == 0 ? n->org : f->to, &s);
	enum speaker who = speaker_of(s.by);
	if (who == SPEAKER_ISSUER && !may_judge(n, f, &s))
		err_set(&err, "%s: %s is not for this key to say", json_text_of(f->json, "case"),
			state_name(s.state));
	else if (who != SPEAKER_ISSUER && who != SPEAKER_TIMER && !is_contradiction(n, f, &s))
		err_set(&err, "%s does not speak from above", s.by);
	else
		case_step(n, json_text_of(f->json, "case"), &s, line, &fresh, now, &err);
	if (err.set)
		node_alarm(n, now, "notice", f->org, "%s", err.text);
	else if (fresh)
		relay(n, f, now);
	free(line);
}

static void take_line(struct node *n, struct link *from, const json_t *line, struct now now)
{
	struct frame f = { 0 };
	struct err err = { 0 };
	if (!json_is_string(line))
		return;
	enum frame_fault fault =
		frame_read(&f, json_string_value(line), json_string_length(line), &err);
	bool down = f.type >= FRAME_WARNING && f.type <= FRAME_STEP;
	if (fault == FRAME_GOOD && !down)
		err_set(&err, "%s does not come down", frame_type_name(f.type));
	else if (fault == FRAME_GOOD && f.unknown > 0)
		err_set(&err, "members that are not known here");
	else if (fault == FRAME_GOOD && !may_sign(n, &f, from))
		err_set(&err, "%s: its key has no authority here", frame_type_name(f.type));
	if (err.set) {
		node_alarm(n, now, "down-refused", link_parent(from), "%s", err.text);
	} else if (f.type == FRAME_STEP) {
		take_step(n, &f, now);
	} else if (f.type == FRAME_PACK || f.type == FRAME_INDICATORS) {
		pack_take(n, &f, now);
		relay(n, &f, now);
	} else if (case_add(n, &f, link_parent(from), false, now)) {
		relay(n, &f, now);
		deliver(n, &f, now);
	}
	frame_free(&f);
}

static void after_name(const struct link *from, char out[64])
{
	snprintf(out, 64, "down:%s", link_parent(from));
}

void notice_take(struct node *n, struct link *from, struct now now, const char *json, size_t len)
{
	struct err err = { 0 };
	char name[64];
	size_t i;
	json_t *line;
	json_t *j = json_read(json, len, DOWN_DEPTH, &err);
	json_t *objects = json_object_get(j, "objects");
	int64_t seq = json_int_of(j, "seq", -1);
	pthread_mutex_lock(&n->lock);
	if (seq < 0 || !json_is_array(objects) || json_array_size(objects) > DOWN_MOST) {
		node_say(n, 4, "%s: what came down is no list: %s", link_parent(from), err.text);
	} else {
		after_name(from, name);
		store_begin(n->store);
		json_array_foreach(objects, i, line)
		{
			take_line(n, from, line, now);
		}
		store_set_number(n->store, name, seq);
		if (n->receipts_wait)
			notice_poll(n, now);
		if (!store_commit(n->store))
			node_say(n, 3, "what came down is not kept: %s", store_why(n->store));
	}
	pthread_mutex_unlock(&n->lock);
	json_decref(j);
}

uint64_t notice_after(struct node *n, const struct link *from)
{
	char name[64];
	after_name(from, name);
	return (uint64_t)store_number(n->store, name, 0);
}

static void tell_back(struct node *n, const char *id, const struct step *s, struct now now)
{
	char via[ORG_TEXT], *line = NULL;
	struct err err = { 0 };
	if (!down_route(n, s->firm, via))
		return;
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:I}", "case", id, "from", s->from, "state",
		state_name(s->state), "by", s->by, "at", (json_int_t)s->at_s);
	if (s->action[0] != '\0')
		json_object_set_new(j, "action", json_string(s->action));
	if (s->reason[0] != '\0')
		json_object_set_new(j, "reason", json_string(s->reason));
	down_make(n, FRAME_STEP, s->firm, via, j, &n->key, &line, now, &err);
	json_decref(j);
	free(line);
}

/* The firm said something else of the same state before: it hears it again. */
static void tell_contradictions(
	struct node *n, const char *id, const struct step *s, struct now now)
{
	struct step known[NOTICE_STEPS];
	size_t count = case_steps(n, id, s->firm, known);
	for (size_t i = 0; i < count; i++)
		if (!state_is_side(known[i].state) && strcmp(known[i].from, s->from) == 0 &&
			strcmp(known[i].hash, s->hash) != 0)
			tell_back(n, id, &known[i], now);
}

/* --- from children ----------------------------------------------------------------------- */

bool notice_receipt(struct node *n, const struct peer *from, const struct frame *f, struct now now,
	struct err *err)
{
	struct step s;
	bool fresh;
	const char *firm = json_text_of(f->json, "firm");
	const char *id = json_text_of(f->json, "case");
	(void)from;
	read_step(f, firm == NULL ? f->org : firm, &s);
	enum speaker who = speaker_of(s.by);
	if (who == SPEAKER_ISSUER)
		return err_set(err, "%s: %s is not a firm's word", id, s.by);
	/* a tier speaks for one below only when its timer ran out */
	if (firm != NULL && strcmp(firm, f->org) != 0 && who != SPEAKER_TIMER)
		return err_set(err, "%s: %s may not answer for %s", id, f->org, firm);
	if (who == SPEAKER_TIMER && (firm == NULL || strcmp(firm, f->org) == 0))
		return err_set(err, "%s: timers run at the parent", id);
	char *line = strndup(f->line, f->len);
	bool good = case_step(n, id, &s, line, &fresh, now, err);
	free(line);
	if (good && fresh && who == SPEAKER_FIRM)
		tell_contradictions(n, id, &s, now);
	return good;
}
