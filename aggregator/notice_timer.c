/* notice_timer.c - time limits: profiles are data (data/timers.yaml), the countdown is the same on
 * both sides, and it is the firm's parent that says overdue. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/notice_private.h"
#include "common/yaml.h"

enum { DUE_MOST = 100 };

/* "cac-2025_other": class "other" of profile "cac-2025". */
static int64_t read_profile(const struct yaml_file *f, const char *name)
{
	char profile[65];
	uint64_t s = 0;
	const char *under = strrchr(name, '_');
	if (under == NULL || f->count == 0)
		return 0;
	snprintf(profile, sizeof profile, "%.*s", (int)(under - name), name);
	const struct yaml *p = yaml_get(yaml_get(f->document[0], "profiles"), profile);
	const struct yaml *v = p == NULL ? NULL : yaml_get(yaml_get(p, "sign_s"), under + 1);
	return v != NULL && yaml_uint(v, &s) && s < 31536000 ? (int64_t)s : 0;
}

static int64_t look_up(const char *folder, const char *profile)
{
	char path[4400];
	struct text_list faults = { 0 };
	snprintf(path, sizeof path, "%s/timers.yaml", folder);
	struct yaml_file *f = yaml_load(path, &faults);
	int64_t s = f == NULL ? 0 : read_profile(f, profile);
	if (f != NULL)
		yaml_file_free(f);
	text_list_free(&faults);
	return s;
}

int64_t timer_seconds(struct node *n, const char *profile)
{
	if (profile[0] == '\0')
		return 0;
	if (n->config->data != NULL)
		return look_up(n->config->data, profile);
	int64_t s = look_up(BONGSU_CHAIN_DATA, profile);
	return s > 0 ? s : look_up("aggregator/data", profile);
}

static bool is_open(const struct standing *st)
{
	return st->ended == STATES && st->state != STATE_VERIFIED;
}

/* Says it: into the case, down to the firm, and up to who issued it. */
static void say_side(struct node *n, const struct case_facts *c, const char *firm, enum state state,
	struct now now)
{
	struct standing st;
	struct err err = { 0 };
	bool fresh;
	char *line = NULL;
	case_standing(n, c, firm, &st);
	if (!is_open(&st))
		return;
	struct step s = { .state = state, .by = "timer", .at_s = now.wall_ms / 1000 };
	snprintf(s.firm, sizeof s.firm, "%s", firm);
	snprintf(s.from, sizeof s.from, "%s", st.hash);
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:I}", "case", c->id, "from", s.from, "state",
		state_name(state), "by", "timer", "at", (json_int_t)s.at_s);
	if (case_step(n, c->id, &s, "", &fresh, now, &err) && fresh && strcmp(firm, n->org) != 0) {
		down_make(n, FRAME_STEP, firm, firm, j, &n->key, &line, now, &err);
		if (!c->mine)
			receipt_wait(n, c->id, &s, 0, firm);
	}
	if (err.set)
		node_say(n, 4, "%s: %s", c->id, err.text);
	json_decref(j);
	free(line);
}

/* A case that ran out ends by itself, on every side. */
static void look_at(struct node *n, const char *id, const char *firm, struct now now)
{
	struct case_facts c;
	struct standing st;
	int64_t now_s = now.wall_ms / 1000;
	if (!case_find(n, id, &c))
		return;
	case_standing(n, &c, firm, &st);
	bool over = c.expires_s > 0 && now_s >= c.expires_s;
	if (over)
		say_side(n, &c, firm, STATE_EXPIRED, now);
	else if (accept_child_known(n, firm))
		say_side(n, &c, firm, st.overdue ? STATE_ESCALATED : STATE_OVERDUE, now);
	case_stand(n, id, NULL, now);
}

/* One who is not ours to watch is not looked at again before it expires. */
static void put_off(struct node *n, const char *id, const char *firm, int64_t now_s)
{
	struct query *q = store_query(n->store,
		"UPDATE standing SET due_s = coalesce((SELECT expires_s FROM notice WHERE id = ?1 "
		"AND "
		"expires_s > ?3), 4102444800) WHERE id = ?1 AND firm = ?2 AND due_s <= ?3");
	bind_text(q, id);
	bind_text(q, firm);
	bind_int(q, now_s);
	query_run(q);
}

void notice_tick(struct node *n, struct now now)
{
	char id[DUE_MOST][NOTICE_CASE], firm[DUE_MOST][ORG_TEXT];
	int64_t now_s = now.wall_ms / 1000;
	size_t count = 0;
	if (now_s < n->notice_due_s)
		return;
	store_begin(n->store);
	struct query *q =
		store_query(n->store, "SELECT id, firm FROM standing WHERE due_s <= ?1 LIMIT 100");
	bind_int(q, now_s);
	while (query_row(q) && count < DUE_MOST) {
		snprintf(id[count], NOTICE_CASE, "%s", row_text(q, 0));
		snprintf(firm[count++], ORG_TEXT, "%s", row_text(q, 1));
	}
	query_done(q);
	for (size_t i = 0; i < count; i++) {
		look_at(n, id[i], firm[i], now);
		put_off(n, id[i], firm[i], now_s);
	}
	notice_poll(n, now);
	store_commit(n->store);
}

int64_t notice_due(struct node *n, struct now now)
{
	int64_t left = n->notice_due_s - now.wall_ms / 1000;
	if (left > 86400)
		return INT64_MAX;
	return now.mono_ms + (left < 0 ? 1000 : left * 1000);
}
