/* notice_people.c - what a person does: issues, signs for, answers, closes, looks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/frame_table.h"
#include "aggregator/notice_private.h"

enum { FIRMS_MOST = 100000, EVIDENCE_MOST = 1000000 };

/* The first digits of who issues, the day, a number: unique without asking anybody. */
static void new_id(struct node *n, enum frame_type type, char id[65], struct now now)
{
	static const char letters[FRAME_TYPES] = { [FRAME_WARNING] = 'W',
		[FRAME_NOTICE] = 'N',
		[FRAME_INDICATORS] = 'I',
		[FRAME_PACK] = 'P' };
	time_t s = (time_t)(now.wall_ms / 1000);
	struct tm tm;
	char day[16];
	int64_t number = store_number(n->store, "case.number", 0) + 1;
	store_set_number(n->store, "case.number", number);
	gmtime_r(&s, &tm);
	strftime(day, sizeof day, "%Y%m%d", &tm);
	snprintf(id, 65, "%c%.8s-%s-%04lld", letters[type], n->org, day, (long long)number);
}

bool notice_issue(
	struct node *n, const struct notice_issue *i, char id[65], struct now now, struct err *err)
{
	char via[ORG_TEXT], *line = NULL;
	struct frame f = { 0 };
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	if (i->via != NULL)
		snprintf(via, sizeof via, "%s", i->via);
	else if (!down_route(n, i->to, via))
		err_set(err, "%s: no child of ours, nothing of it came by: say --via", i->to);
	json_t *members = json_object();
	new_id(n, i->type, id, now);
	json_object_set_new(members, "case", json_string(id));
	json_object_update(members, i->members);
	if (!err->set && down_make(n, i->type, i->to, via, members, i->key, &line, now, err) &&
		frame_read(&f, line, strlen(line), err) == FRAME_GOOD) {
		case_add(n, &f, "", true, now);
		if (strcmp(i->to, "*") != 0)
			case_stand(n, id, i->to, now);
	}
	if (err->set)
		store_rollback(n->store);
	if (!store_commit(n->store))
		err_set(err, "%s", store_why(n->store));
	pthread_mutex_unlock(&n->lock);
	frame_free(&f);
	json_decref(members);
	free(line);
	return !err->set;
}

/* --- moves ------------------------------------------------------------------------------- */

/* Down to the firm, signed. */
static bool tell_firm(struct node *n, const struct notice_move *m, const struct step *s,
	struct now now, struct err *err)
{
	char via[ORG_TEXT], *line = NULL;
	if (!down_route(n, m->firm, via))
		return err_set(err, "%s: not to be reached from here", m->firm);
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:I}", "case", m->id, "from", s->from, "state",
		m->state, "by", m->by, "at", (json_int_t)s->at_s);
	if (m->action != NULL)
		json_object_set_new(j, "action", json_string(m->action));
	if (m->reason != NULL)
		json_object_set_new(j, "reason", json_string(m->reason));
	bool good = down_make(n, FRAME_STEP, m->firm, via, j, m->key, &line, now, err);
	json_decref(j);
	free(line);
	return good;
}

/* What no frame can say would be kept here and never leave. @name: a member of a step. */
static bool is_word(const char *name, const char *value, struct err *err)
{
	const struct member *root = frame_table(FRAME_STEP), *m = NULL;
	char words[256] = "";
	for (unsigned i = 0; i < root->children; i++)
		if (strcmp(root->child[i].name, name) == 0)
			m = &root->child[i];
	for (size_t i = 0; value != NULL && m != NULL && m->word[i] != NULL; i++) {
		if (strcmp(m->word[i], value) == 0)
			return true;
		size_t len = strlen(words);
		snprintf(words + len, sizeof words - len, "%s%s", i == 0 ? "" : ", ", m->word[i]);
	}
	return value == NULL || err_set(err, "--%s: one of %s", name, words);
}

static bool move(struct node *n, const struct notice_move *m, struct now now, struct err *err)
{
	struct case_facts c;
	struct standing st;
	struct step s = { .at_s = now.wall_ms / 1000 };
	bool fresh;
	const char *firm = m->firm == NULL ? n->org : m->firm;
	enum speaker who = speaker_of(m->by);
	if (!case_find(n, m->id, &c))
		return err_set(err, "%s: no such case", m->id);
	if (!is_word("action", m->action, err) || !is_word("reason", m->reason, err))
		return false;
	if (m->evidence < 0 || m->evidence > EVIDENCE_MOST)
		return err_set(err, "--evidence: pieces kept at home, up to %d", EVIDENCE_MOST);
	if (!state_from(m->state, &s.state))
		return err_set(err, "%s: no such state", m->state);
	if (m->firm == NULL && who != SPEAKER_FIRM)
		return err_set(err, "%s: a person of the firm answers here", m->by);
	if (m->firm != NULL && (who != SPEAKER_ISSUER || !c.mine))
		return err_set(err, "%s: only its issuer says that", m->id);
	if (strcmp(m->by, "delegate") == 0 && s.state != STATE_VERIFIED &&
		s.state != STATE_REOPENED)
		return err_set(
			err, "a delegate verifies and reopens: %s is the issuer's", m->state);
	case_standing(n, &c, firm, &st);
	if (!state_allows(st.ended == STATES ? st.state : st.ended, s.state, who, m->action != NULL,
		    m->reason != NULL, err))
		return false;
	snprintf(s.firm, sizeof s.firm, "%s", firm);
	snprintf(s.from, sizeof s.from, "%s", st.hash);
	snprintf(s.by, sizeof s.by, "%s", m->by);
	snprintf(s.action, sizeof s.action, "%s", m->action == NULL ? "" : m->action);
	snprintf(s.reason, sizeof s.reason, "%s", m->reason == NULL ? "" : m->reason);
	if (!case_step(n, m->id, &s, "", &fresh, now, err))
		return false;
	if (m->firm != NULL)
		return tell_firm(n, m, &s, now, err);
	receipt_wait(n, m->id, &s, m->evidence, NULL);
	return true;
}

bool notice_move(struct node *n, const struct notice_move *m, struct now now, struct err *err)
{
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	if (!move(n, m, now, err))
		store_rollback(n->store);
	if (!store_commit(n->store))
		err_set(err, "%s", store_why(n->store));
	pthread_mutex_unlock(&n->lock);
	return !err->set;
}

bool notice_move_all(
	struct node *n, const struct notice_move *m, size_t *count, struct now now, struct err *err)
{
	struct case_facts c;
	char(*firm)[ORG_TEXT] = calloc(FIRMS_MOST, sizeof *firm);
	size_t firms = 0;
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	struct query *q = store_query(
		n->store, "SELECT firm FROM standing WHERE id = ?1 AND ended = ?2 LIMIT ?3");
	bind_text(q, m->id);
	bind_int(q, STATES);
	bind_int(q, FIRMS_MOST);
	while (firm != NULL && query_row(q))
		snprintf(firm[firms++], ORG_TEXT, "%s", row_text(q, 0));
	query_done(q);
	if (!case_find(n, m->id, &c))
		err_set(err, "%s: no such case", m->id);
	else if (firms == 0)
		err_set(err, "%s: open at no firm", m->id);
	for (*count = 0; *count < firms && !err->set; ++*count) {
		struct notice_move one = *m;
		one.firm = firm[*count];
		move(n, &one, now, err);
	}
	if (err->set)
		store_rollback(n->store);
	if (!store_commit(n->store))
		err_set(err, "%s", store_why(n->store));
	pthread_mutex_unlock(&n->lock);
	free(firm);
	return !err->set;
}

/* --- looking ----------------------------------------------------------------------------- */

static json_t *standing_json(struct node *n, const char *id)
{
	json_t *list = json_array();
	struct query *q = store_query(n->store, "SELECT firm, state, at_s, conflict, overdue, "
						"escalated, ended, due_s FROM standing "
						"WHERE id = ?1 ORDER BY firm LIMIT 10000");
	bind_text(q, id);
	while (query_row(q)) {
		enum state ended = (enum state)row_int(q, 6);
		json_t *j = json_pack("{s:s, s:s, s:I, s:b, s:b, s:b}", "firm", row_text(q, 0),
			"state", state_name((enum state)row_int(q, 1)), "at",
			(json_int_t)row_int(q, 2), "conflict", (int)row_int(q, 3), "overdue",
			(int)row_int(q, 4), "escalated", (int)row_int(q, 5));
		if (ended != STATES)
			json_object_set_new(j, "ended", json_string(state_name(ended)));
		if (row_int(q, 7) < 4102444800)
			json_object_set_new(j, "due", json_integer(row_int(q, 7)));
		json_array_append_new(list, j);
	}
	query_done(q);
	return list;
}

/* What an object says of itself that a list shows. */
static void copy_words(json_t *row, const char *line)
{
	static const char *const names[] = { "status", "colour", "text" };
	struct err ignored = { 0 };
	json_t *object = json_read(line, strlen(line), FRAME_DEPTH, &ignored);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (json_object_get(object, names[i]) != NULL)
			json_object_set(row, names[i], json_object_get(object, names[i]));
	json_decref(object);
}

json_t *notice_list(struct node *n, bool open_only)
{
	json_t *list = json_array();
	struct query *q = store_query(n->store,
		"SELECT id, type, issuer, mine, issued_s, deadline_s, expires_s, (SELECT count(*) "
		"FROM "
		"standing s WHERE s.id = notice.id), (SELECT count(*) FROM standing s WHERE s.id = "
		"notice.id AND (s.state >= 1)), (SELECT count(*) FROM standing s WHERE s.id = "
		"notice.id "
		"AND s.ended <> 16), (SELECT group_concat(DISTINCT state) FROM standing s WHERE "
		"s.id = "
		"notice.id), (SELECT count(*) FROM standing s WHERE s.id = notice.id AND s.overdue "
		"= 1), "
		"(SELECT count(*) FROM standing s WHERE s.id = notice.id AND s.conflict = 1), line "
		"FROM notice ORDER BY issued_s DESC, id LIMIT 1000");
	while (query_row(q)) {
		int64_t firms = row_int(q, 7), ended = row_int(q, 9);
		if (open_only && firms > 0 && ended == firms)
			continue;
		json_t *j = json_pack("{s:s, s:s, s:s, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "case",
			row_text(q, 0), "type", frame_type_name((enum frame_type)row_int(q, 1)),
			"issuer", row_text(q, 2), "mine", (int)row_int(q, 3), "issued",
			(json_int_t)row_int(q, 4), "deadline", (json_int_t)row_int(q, 5), "expires",
			(json_int_t)row_int(q, 6), "firms", (json_int_t)firms, "delivered",
			(json_int_t)row_int(q, 8), "ended", (json_int_t)ended);
		if (firms == 1) {
			char *end;
			long state = strtol(row_text(q, 10), &end, 10);
			json_object_set_new(j, "state", json_string(state_name((enum state)state)));
		}
		json_object_set_new(j, "overdue", json_integer(row_int(q, 11)));
		json_object_set_new(j, "conflicts", json_integer(row_int(q, 12)));
		copy_words(j, row_text(q, 13));
		json_array_append_new(list, j);
	}
	query_done(q);
	return list;
}

static json_t *steps_json(struct node *n, const char *id)
{
	json_t *list = json_array();
	struct query *q = store_query(n->store, "SELECT firm, state, by, action, reason, at_s FROM "
						"step WHERE id = ?1 ORDER BY at_s, "
						"serial LIMIT 10000");
	bind_text(q, id);
	while (query_row(q))
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I}", "firm", row_text(q, 0),
				      "state", state_name((enum state)row_int(q, 1)), "by",
				      row_text(q, 2), "action", row_text(q, 3), "reason",
				      row_text(q, 4), "at", (json_int_t)row_int(q, 5)));
	query_done(q);
	return list;
}

json_t *notice_show(struct node *n, const char *id)
{
	struct err ignored = { 0 };
	json_t *j = NULL;
	struct query *q = store_query(n->store, "SELECT line FROM notice WHERE id = ?1");
	bind_text(q, id);
	if (query_row(q)) {
		const char *line = row_text(q, 0);
		j = json_object();
		json_object_set_new(
			j, "object", json_read(line, strlen(line), FRAME_DEPTH, &ignored));
	}
	query_done(q);
	if (j != NULL) {
		json_object_set_new(j, "standings", standing_json(n, id));
		json_object_set_new(j, "steps", steps_json(n, id));
	}
	return j;
}
