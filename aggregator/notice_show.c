/* notice_show.c - cases for people at a terminal; --json for their scripts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/notice.h"
#include "aggregator/notice_cli.h"
#include "common/shown.h"

void cli_write_time(char out[32], int64_t s)
{
	time_t t = (time_t)s;
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(out, 32, "%Y-%m-%d %H:%M", &tm);
}

static const char *text_of(const json_t *j, const char *name)
{
	const char *text = json_text_of(j, name);
	return text == NULL ? "" : text;
}

/* Drills say so before anything else. */
static const char *drill(const json_t *j)
{
	const char *status = text_of(j, "status");
	return strcmp(status, "exercise") == 0 ? "EXERCISE "
	       : strcmp(status, "test") == 0   ? "TEST "
					       : "";
}

static void print_line(const char *name, const char *text)
{
	char *shown = *text == '\0' ? NULL : shown_text(text);
	if (shown != NULL)
		printf("  %-10s %s\n", name, shown);
	free(shown);
}

static void print_time(const char *name, int64_t s)
{
	char when[32];
	if (s <= 0 || s >= NOTICE_NEVER)
		return;
	cli_write_time(when, s);
	printf("  %-10s %s UTC\n", name, when);
}

/* --- list -------------------------------------------------------------------------------- */

static void print_case(const json_t *j)
{
	char when[32];
	const char *colour = text_of(j, "colour"), *state = text_of(j, "state");
	char *text = shown_text(text_of(j, "text"));
	int64_t firms = json_int_of(j, "firms", 0), ended = json_int_of(j, "ended", 0);
	cli_write_time(when, json_int_of(j, "issued", 0));
	printf("%-26s %s %s%s%s%s  ", text_of(j, "case"), when, drill(j), colour,
		*colour == '\0' ? "" : " ", text_of(j, "type"));
	if (firms == 1)
		printf("%s", *state == '\0' ? "not delivered" : state);
	else
		printf("delivered to %lld of %lld, ended at %lld",
			(long long)json_int_of(j, "delivered", 0), (long long)firms,
			(long long)ended);
	if (json_int_of(j, "overdue", 0) > 0)
		printf(", OVERDUE at %lld", (long long)json_int_of(j, "overdue", 0));
	if (json_int_of(j, "conflicts", 0) > 0)
		printf(", CONFLICT");
	printf("  %.60s\n", text == NULL ? "" : text);
	free(text);
}

bool notice_list_command(struct node *n, int argc, char **argv, struct err *err)
{
	static const char *const known[] = { "--open", "--json", NULL };
	struct cli c;
	size_t i;
	const json_t *j;
	if (!cli_read(&c, argc, argv, known, err))
		return false;
	if (c.plains > 0)
		return cli_wrong(err, "%s: one too many", c.plain[0]);
	bool open = cli_get(&c, "--open") != NULL;
	json_t *all = notice_list(n, open);
	if (cli_get(&c, "--json") != NULL) {
		cli_print_json(all);
		return true;
	}
	if (json_array_size(all) == 0)
		puts(open ? "no open cases" : "no cases");
	json_array_foreach(all, i, j)
	{
		print_case(j);
	}
	json_decref(all);
	return true;
}

/* --- one --------------------------------------------------------------------------------- */

static void print_object(const json_t *o)
{
	static const char *const plain[][2] = { { "cat", "category" }, { "product", "product" },
		{ "proto", "protocol" }, { "versions", "versions" }, { "about", "about" },
		{ "text", "text" }, { "action", "to do" }, { "profile", "timers" } };
	const char *colour = text_of(o, "colour");
	printf("%s%s%s%s %s\n", drill(o), colour, *colour == '\0' ? "" : " ", text_of(o, "t"),
		text_of(o, "case"));
	print_line("issued by", text_of(o, "org"));
	print_line(
		"for", strcmp(text_of(o, "to"), "*") == 0 ? "everybody below" : text_of(o, "to"));
	for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++)
		print_line(plain[i][1], text_of(o, plain[i][0]));
	print_time("issued", json_int_of(o, "issued", 0));
	print_time("deadline", json_int_of(o, "deadline", 0));
	print_time("expires", json_int_of(o, "expires", 0));
}

static void print_standing(const json_t *s)
{
	char due[32] = "";
	int64_t at = json_int_of(s, "due", 0);
	const char *ended = text_of(s, "ended");
	if (at > 0)
		cli_write_time(due, at);
	printf("  %s  %s%s%s%s%s%s%s%s\n", text_of(s, "firm"), text_of(s, "state"),
		*ended == '\0' || strcmp(ended, text_of(s, "state")) == 0 ? "" : ", ",
		*ended == '\0' || strcmp(ended, text_of(s, "state")) == 0 ? "" : ended,
		json_is_true(json_object_get(s, "overdue")) ? ", OVERDUE" : "",
		json_is_true(json_object_get(s, "escalated")) ? ", ESCALATED" : "",
		json_is_true(json_object_get(s, "conflict"))
			? ", CONFLICT: two different steps follow one state"
			: "",
		at > 0 ? ", due " : "", due);
}

static void print_step(const json_t *s)
{
	char when[32];
	const char *action = text_of(s, "action"), *reason = text_of(s, "reason");
	cli_write_time(when, json_int_of(s, "at", 0));
	printf("  %s  %.8s  %s by %s%s%s%s%s\n", when, text_of(s, "firm"), text_of(s, "state"),
		text_of(s, "by"), *action == '\0' ? "" : ", ", action, *reason == '\0' ? "" : ", ",
		reason);
}

bool notice_show_command(struct node *n, int argc, char **argv, struct err *err)
{
	static const char *const known[] = { "--json", NULL };
	struct cli c;
	size_t i;
	const json_t *each;
	if (!cli_read(&c, argc, argv, known, err))
		return false;
	if (c.plains != 1)
		return cli_wrong(err, "notice show CASE");
	json_t *j = notice_show(n, c.plain[0]);
	if (j == NULL)
		return err_set(err, "%s: no such case", c.plain[0]);
	if (cli_get(&c, "--json") != NULL) {
		cli_print_json(j);
		return true;
	}
	print_object(json_object_get(j, "object"));
	puts("where firms stand:");
	json_array_foreach(json_object_get(j, "standings"), i, each)
	{
		print_standing(each);
	}
	puts("steps:");
	json_array_foreach(json_object_get(j, "steps"), i, each)
	{
		print_step(each);
	}
	json_decref(j);
	return true;
}

/* --- what rules are worth ------------------------------------------------------------------ */

bool notice_quality_command(struct node *n, int argc, char **argv, struct err *err)
{
	static const char *const known[] = { "--json", NULL };
	struct cli c;
	size_t i;
	const json_t *j;
	if (!cli_read(&c, argc, argv, known, err))
		return false;
	json_t *all = notice_quality(n);
	if (cli_get(&c, "--json") != NULL) {
		cli_print_json(all);
		return true;
	}
	if (json_array_size(all) == 0)
		puts("no closed case was about a flash");
	json_array_foreach(all, i, j)
	{
		printf("%-36s rev %-4lld closed %lld, right %lld, false %lld; minutes to sign "
		       "%lld, "
		       "to mitigate %lld\n",
			text_of(j, "rule"), (long long)json_int_of(j, "rev", 0),
			(long long)json_int_of(j, "closed", 0),
			(long long)json_int_of(j, "right", 0),
			(long long)json_int_of(j, "false", 0),
			(long long)json_int_of(j, "sign_min", -1),
			(long long)json_int_of(j, "mitigate_min", -1));
	}
	json_decref(all);
	return true;
}
