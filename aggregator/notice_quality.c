/* notice_quality.c - every closed case that was about a flash says something of the rule that made
 * it: right or false, and how long firms took. */
#include <stdio.h>
#include <string.h>

#include "aggregator/notice_private.h"

enum { CASES_MOST = 10000, FLASH_ID = 64 };

/* The rule of the flash that a case is about; false: it is about none that is known here. */
static bool rule_of(struct node *n, const char *line, char rule[65], int64_t *rev)
{
	struct err ignored = { 0 };
	json_t *object = json_read(line, strlen(line), FRAME_DEPTH, &ignored), *flash = NULL;
	const char *about = json_text_of(object, "about");
	struct query *q = store_query(n->store, "SELECT line FROM flash WHERE id = ?1");
	bind_text(q, about == NULL || strlen(about) != FLASH_ID ? "" : about);
	if (query_row(q)) {
		const char *text = row_text(q, 0);
		flash = json_read(text, strlen(text), FRAME_DEPTH, &ignored);
	}
	query_done(q);
	const char *name = json_text_of(flash, "rule");
	snprintf(rule, 65, "%s", name == NULL ? "" : name);
	*rev = json_int_of(flash, "rev", 0);
	json_decref(object);
	json_decref(flash);
	return rule[0] != '\0';
}

static void add(json_t *row, const char *name, int64_t v)
{
	json_object_set_new(row, name, json_integer(json_int_of(row, name, 0) + v));
}

/* A firm's way through the case: what it took, and what it said of the alert. */
static void count(struct node *n, json_t *row, const char *id, const char *firm)
{
	struct case_facts c;
	struct step s[NOTICE_STEPS];
	bool wrong = false;
	if (!case_find(n, id, &c))
		return;
	size_t steps = case_steps(n, id, firm, s);
	for (size_t i = 0; i < steps; i++) {
		wrong |= strcmp(s[i].reason, "false-alarm") == 0;
		int64_t took = s[i].at_s - c.issued_s;
		if (s[i].state == STATE_SIGNED_FOR) {
			add(row, "signed", 1);
			add(row, "sign_s", took);
		} else if (s[i].state == STATE_MITIGATED) {
			add(row, "mitigated", 1);
			add(row, "mitigate_s", took);
		}
	}
	add(row, "closed", 1);
	add(row, wrong ? "false" : "right", 1);
}

static int64_t mean_minutes(const json_t *row, const char *sum, const char *times)
{
	int64_t count = json_int_of(row, times, 0);
	return count == 0 ? -1 : json_int_of(row, sum, 0) / count / 60;
}

static json_t *row_of(json_t *by, const char *rule, int64_t rev)
{
	char key[96];
	snprintf(key, sizeof key, "%s %lld", rule, (long long)rev);
	json_t *row = json_object_get(by, key);
	if (row == NULL) {
		row = json_pack("{s:s, s:I}", "rule", rule, "rev", (json_int_t)rev);
		json_object_set_new(by, key, row);
	}
	return row;
}

json_t *notice_quality(struct node *n)
{
	json_t *by = json_object(), *list = json_array(), *row;
	const char *key;
	struct query *q = store_query(n->store,
		"SELECT notice.id, notice.line, standing.firm FROM notice JOIN standing ON "
		"standing.id "
		"= notice.id WHERE standing.state = ?1 ORDER BY notice.id LIMIT ?2");
	bind_int(q, STATE_CLOSED);
	bind_int(q, CASES_MOST);
	while (query_row(q)) {
		char rule[65], id[NOTICE_CASE], firm[ORG_TEXT];
		int64_t rev;
		snprintf(id, sizeof id, "%s", row_text(q, 0));
		snprintf(firm, sizeof firm, "%s", row_text(q, 2));
		if (rule_of(n, row_text(q, 1), rule, &rev))
			count(n, row_of(by, rule, rev), id, firm);
	}
	query_done(q);
	json_object_foreach(by, key, row)
	{
		json_array_append_new(list,
			json_pack("{s:O, s:O, s:I, s:I, s:I, s:I, s:I}", "rule",
				json_object_get(row, "rule"), "rev", json_object_get(row, "rev"),
				"closed", (json_int_t)json_int_of(row, "closed", 0), "right",
				(json_int_t)json_int_of(row, "right", 0), "false",
				(json_int_t)json_int_of(row, "false", 0), "sign_min",
				(json_int_t)mean_minutes(row, "sign_s", "signed"), "mitigate_min",
				(json_int_t)mean_minutes(row, "mitigate_s", "mitigated")));
	}
	json_decref(by);
	return list;
}
