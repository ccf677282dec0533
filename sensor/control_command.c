/* control_command.c - what can be asked of a running sensor: one table. */
#include "sensor/control.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "sensor/build_info.h"
#include "sensor/eve_json.h"

#define SECOND INT64_C(1000000000)

enum { TEXT = 512, WHAT = 4096 };

/* One question; the answer is written to out, unless there are faults. */
struct asked {
	struct run *run;
	const struct yaml *arguments;
	struct audit_who who;
	struct text_list faults;
	struct buf *out;
};

static struct stamp now(const struct asked *a)
{
	return (struct stamp){ .ts_ns = wall_ns(), .frame = a->run->frame };
}

static const char *argument(const struct asked *a, const char *key)
{
	const struct yaml *v = a->arguments == NULL ? NULL : yaml_get(a->arguments, key);
	return v == NULL || v->kind != YAML_TEXT || yaml_null(v) ? NULL : v->text;
}

static void text(struct asked *a, const char *said)
{
	buf_json_string(a->out, said, strlen(said), WHAT);
}

static void member(struct asked *a, const char *key, const char *said)
{
	if (said == NULL)
		return;
	eve_name(a->out, key);
	text(a, said);
}

/* --- facts ------------------------------------------------------------------------------- */

static void say_version(struct asked *a)
{
	text(a, bongsu_version);
}

static void say_uptime(struct asked *a)
{
	buf_int(a->out, (mono_ns() - a->run->started_ns) / SECOND);
}

/* The whole stats event, numbers as of now; it has no number of its own. */
static void say_stats(struct asked *a)
{
	eve_stats(a->out, &a->run->tell->eve, a->run->tell->n, now(a), &a->run->counters);
}

static void say_rules(struct asked *a)
{
	const uint64_t *levels = judge_levels(a->run->judge);
	static const char *const names[] = { "informational", "low", "medium", "high", "critical" };
	buf_lit(a->out, "{\"rules\":");
	buf_uint(a->out, rules_count(a->run->rules.rules));
	eve_name(a->out, "alerts");
	buf_char(a->out, '{');
	for (unsigned i = LEVEL_LOW; i <= LEVEL_CRITICAL; i++) {
		eve_name(a->out, names[i]);
		buf_uint(a->out, levels[i]);
	}
	buf_lit(a->out, "}}");
}

/* --- silences ---------------------------------------------------------------------------- */

/* What was done holds, but may not outlive the sensor: the answer says so. */
static void keep(struct asked *a)
{
	struct err err = { 0 };
	if (!quiet_keep_store(a->run, &err))
		member(a, "warning", err.text);
}

static void write_time(struct asked *a, const char *key, int64_t ns)
{
	char when[WHEN_TEXT];
	if (ns == INT64_MAX || ns == INT64_MIN)
		return;
	when_print(ns, when);
	member(a, key, when);
}

static void print_what(struct asked *a, const struct silence *s, const struct window *w)
{
	char *what = NULL;
	size_t len;
	FILE *f = open_memstream(&what, &len);
	if (f == NULL)
		return;
	if (s != NULL)
		quiet_print_silence(s, f);
	else
		quiet_print_window(w, f);
	fclose(f);
	member(a, "what", what);
	free(what);
}

static void write_silence(struct asked *a, const struct silence *s)
{
	buf_char(a->out, '{');
	member(a, "id", s->id);
	write_time(a, "until", s->until_ns);
	member(a, "reason", s->reason);
	member(a, "by", s->by);
	print_what(a, s, NULL);
	eve_key_bool(a->out, "live", s->live);
	eve_key_bool(a->out, "expired", s->expired);
	eve_key_uint(a->out, "count", s->hits);
	buf_char(a->out, '}');
}

static void add_silence(struct asked *a)
{
	struct quiet *q = &a->run->config->quiet;
	if (a->arguments == NULL) {
		text_list_add(&a->faults, "arguments are missing");
		return;
	}
	if (!quiet_silence(q, "line", a->arguments, true, &a->faults))
		return;
	quiet_ready(q, &a->run->config->site, "line", &a->faults);
	struct silence *s = &q->silence[q->silences - 1];
	if (a->faults.count == 0 && s->until_ns <= now(a).ts_ns)
		text_list_add(&a->faults, "until is in the past");
	if (a->faults.count > 0) {
		quiet_silence_drop(q, q->silences - 1);
		quiet_ready(q, &a->run->config->site, "line", &a->faults);
		return;
	}
	audit_tell(a->run, now(a), "silence_added", s, NULL, &a->who);
	buf_char(a->out, '{');
	member(a, "id", s->id);
	write_time(a, "until", s->until_ns);
	keep(a);
	buf_char(a->out, '}');
}

static void list_silences(struct asked *a)
{
	const struct quiet *q = &a->run->config->quiet;
	buf_char(a->out, '[');
	for (size_t i = 0; i < q->silences; i++) {
		eve_comma(a->out);
		write_silence(a, &q->silence[i]);
	}
	buf_char(a->out, ']');
}

static void remove_silence(struct asked *a)
{
	struct quiet *q = &a->run->config->quiet;
	const char *id = argument(a, "id");
	for (size_t i = 0; id != NULL && i < q->silences; i++) {
		const struct silence *s = &q->silence[i];
		if (strcmp(s->id, id) != 0)
			continue;
		if (!s->live) {
			text_list_add(&a->faults, "%s stands in the configuration", s->id);
			return;
		}
		audit_tell(a->run, now(a), "silence_removed", s, NULL, &a->who);
		quiet_silence_remove(q, id);
		buf_char(a->out, '{');
		keep(a);
		buf_char(a->out, '}');
		return;
	}
	text_list_add(&a->faults, id == NULL ? "id is missing" : "no silence has this id");
}

/* --- maintenance ------------------------------------------------------------------------- */

static void start_window(struct asked *a)
{
	struct quiet *q = &a->run->config->quiet;
	if (a->arguments == NULL) {
		text_list_add(&a->faults, "arguments are missing");
		return;
	}
	if (!quiet_window(q, "line", a->arguments, true, &a->faults))
		return;
	quiet_ready(q, &a->run->config->site, "line", &a->faults);
	const struct window *w = q->window[q->windows - 1];
	if (a->faults.count == 0 && w->until_ns <= now(a).ts_ns)
		text_list_add(&a->faults, "until is in the past");
	if (a->faults.count > 0) {
		quiet_window_drop(q, q->windows - 1);
		return;
	}
	audit_tell(a->run, now(a), "maintenance_started", NULL, w, &a->who);
	buf_char(a->out, '{');
	member(a, "name", w->name);
	write_time(a, "until", w->until_ns);
	keep(a);
	buf_char(a->out, '}');
}

static void list_windows(struct asked *a)
{
	const struct quiet *q = &a->run->config->quiet;
	buf_char(a->out, '[');
	for (size_t i = 0; i < q->windows; i++) {
		const struct window *w = q->window[i];
		eve_comma(a->out);
		buf_char(a->out, '{');
		member(a, "name", w->name);
		write_time(a, "from", w->from_ns);
		write_time(a, "until", w->until_ns);
		member(a, "reason", w->reason);
		member(a, "by", w->by);
		print_what(a, NULL, w);
		eve_key_bool(a->out, "live", w->live);
		eve_key_bool(a->out, "active", w->told_active);
		eve_key_uint(a->out, "count", w->hits);
		buf_char(a->out, '}');
	}
	buf_char(a->out, ']');
}

static void end_window(struct asked *a)
{
	struct quiet *q = &a->run->config->quiet;
	const char *name = argument(a, "name");
	for (size_t i = 0; name != NULL && i < q->windows; i++) {
		const struct window *w = q->window[i];
		if (strcmp(w->name, name) != 0)
			continue;
		if (!w->live) {
			text_list_add(&a->faults, "it stands in the configuration");
			return;
		}
		judge_end(a->run->judge); /* alerts that wait or are held point to it */
		audit_tell(a->run, now(a), "maintenance_stopped", NULL, w, &a->who);
		quiet_window_remove(q, name);
		buf_char(a->out, '{');
		keep(a);
		buf_char(a->out, '}');
		return;
	}
	text_list_add(&a->faults, name == NULL ? "name is missing" : "no window has this name");
}

/* --- deeds ------------------------------------------------------------------------------- */

static void reload_rules(struct asked *a)
{
	if (!run_reload(a->run, &a->faults))
		return;
	audit_tell(a->run, now(a), "rules_reloaded", NULL, NULL, &a->who);
	if (a->run->packs != NULL)
		text(a, "rules and packs are being read; the log tells");
	else
		say_rules(a);
}

static void inject_canary(struct asked *a)
{
	wishes.canary = 1;
	text(a, "a canary is put in");
}

static void reopen(struct asked *a)
{
	wishes.reopen = 1;
	text(a, "files are opened again");
}

static void stop(struct asked *a)
{
	audit_tell(a->run, now(a), "shutdown", NULL, NULL, &a->who);
	wishes.stop = 1;
	text(a, "it drains and stops");
}

static void hello(struct asked *a)
{
	text(a, "bongsu-sensor");
}

static void list_commands(struct asked *a);

static const struct {
	const char *name;
	void (*answer)(struct asked *a);
} commands[] = {
	{ "hello", hello },
	{ "command-list", list_commands },
	{ "version", say_version },
	{ "uptime", say_uptime },
	{ "stats", say_stats },
	{ "dump-counters", say_stats },
	{ "ruleset-stats", say_rules },
	{ "reload-rules", reload_rules },
	{ "ruleset-reload-rules", reload_rules },
	{ "silence-add", add_silence },
	{ "silence-list", list_silences },
	{ "silence-remove", remove_silence },
	{ "maintenance-start", start_window },
	{ "maintenance-list", list_windows },
	{ "maintenance-end", end_window },
	{ "canary", inject_canary },
	{ "reopen-log-files", reopen },
	{ "shutdown", stop },
};
enum { COMMANDS = sizeof commands / sizeof commands[0] };

static void list_commands(struct asked *a)
{
	buf_char(a->out, '[');
	for (size_t i = 1; i < COMMANDS; i++) {
		eve_comma(a->out);
		text(a, commands[i].name);
	}
	buf_char(a->out, ']');
}

/* --- lines ------------------------------------------------------------------------------- */

static void unknown(struct asked *a, const char *name)
{
	const char *names[COMMANDS + 1] = { NULL };
	for (size_t i = 0; i < COMMANDS; i++)
		names[i] = commands[i].name;
	const char *near = text_nearest(name, names);
	text_list_add(&a->faults, "unknown command %.64s%s%s%s", name,
		near == NULL ? "" : " (did you mean ", near == NULL ? "" : near,
		near == NULL ? "" : "?)");
}

static void act(struct asked *a, const char *name)
{
	a->who.by = argument(a, "by");
	a->who.reason = argument(a, "reason");
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		commands[i].answer(a);
		return;
	}
	unknown(a, name);
}

/* All at once, each without the place that only a file has. */
static void refuse(struct asked *a)
{
	struct buf all;
	char space[WHAT];
	all = buf_over(space, sizeof space);
	for (size_t i = 0; i < a->faults.count && !all.full; i++) {
		const char *said = a->faults.text[i];
		unsigned line, column;
		int skip = 0;
		if (sscanf(said, "line:%u:%u: %n", &line, &column, &skip) == 2 && skip > 0)
			said += skip;
		if (i > 0)
			buf_lit(&all, "; ");
		buf_str(&all, said);
	}
	a->out->len = 0;
	a->out->full = false;
	buf_lit(a->out, "{\"return\":\"NOK\",\"message\":");
	buf_json_string(a->out, all.at, all.len, WHAT);
}

void control_answer(struct run *r, uint32_t uid, const char *line, size_t len, struct buf *out)
{
	struct control_ask ask;
	struct asked a = { .run = r, .who = { .uid = uid }, .out = out };
	buf_lit(out, "{\"return\":\"OK\",\"message\":");
	if (control_parse(&ask, line, len, &a.faults)) {
		a.arguments = ask.arguments;
		act(&a, ask.command);
	}
	if (a.faults.count > 0)
		refuse(&a);
	buf_char(out, '}');
	control_ask_free(&ask);
	text_list_free(&a.faults);
}
