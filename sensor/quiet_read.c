/* quiet_read.c - silences: and maintenance: of the configuration, of the control socket and of the
 * file that keeps the live ones. All three have the same form. */
#include "sensor/quiet.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/settings.h"
#include "sensor/services.h"

enum { TEXT_MAX = 512, ENDS_MAX = 256, FAULT_MAX = 512 };

static const char *const levels[] = { "informational", "low", "medium", "high", "critical", NULL };

static const char *const verbs[] = {
#define VERB(word, changes) #word,
#include "common/verbs.def"
#undef VERB
	NULL
};

enum { VERBS = sizeof verbs / sizeof verbs[0] - 1 };
_Static_assert(VERBS <= 32, "a bit for each");

/* What is being read. */
struct reading {
	const char *path;
	struct text_list *faults;
	const struct yaml *map;
	bool good;
};

static void fault(struct reading *r, const struct yaml *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void fault(struct reading *r, const struct yaml *at, const char *format, ...)
{
	char text[FAULT_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	text_list_add(r->faults, "%s:%u:%u: %s", r->path, at->line, at->column, text);
	r->good = false;
}

static void unknown(struct reading *r, const struct yaml *at, const char *what, const char *word,
	const char *const *words)
{
	const char *near = text_nearest(word, words);
	fault(r, at, "unknown %s %.200s%s%s%s", what, word, near == NULL ? "" : " (did you mean ",
		near == NULL ? "" : near, near == NULL ? "" : "?)");
}

/* False: it is no map, and nothing more can be said. */
static bool begin(struct reading *r, const char *what, const char *const *known)
{
	if (r->map->kind != YAML_MAP) {
		fault(r, r->map, "%s is a map", what);
		return false;
	}
	for (size_t i = 0; i < r->map->count; i++) {
		bool found = false;
		for (const char *const *k = known; *k != NULL; k++)
			found |= strcmp(*k, r->map->key[i]->text) == 0;
		if (!found)
			unknown(r, r->map->key[i], "key", r->map->key[i]->text, known);
	}
	return true;
}

static const struct yaml *scalar(struct reading *r, const char *key)
{
	const struct yaml *v = yaml_get(r->map, key);
	if (v == NULL || yaml_null(v))
		return NULL;
	if (v->kind == YAML_TEXT && v->len > 0 && v->len <= TEXT_MAX && strlen(v->text) == v->len)
		return v;
	fault(r, v, "%s is a text of 1 to %d bytes", key, TEXT_MAX);
	return NULL;
}

static char *text(struct reading *r, const char *key, bool needed)
{
	const struct yaml *v = scalar(r, key);
	if (v == NULL && needed && r->good)
		fault(r, r->map, "%s is missing", key);
	return v == NULL ? NULL : strdup(v->text);
}

static int choice(
	struct reading *r, const struct yaml *v, const char *what, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], v->text) == 0)
			return i;
	unknown(r, v, what, v->text, words);
	return -1;
}

static int64_t point(struct reading *r, const char *key, bool needed, int64_t otherwise)
{
	const struct yaml *v = scalar(r, key);
	int64_t ns = otherwise;
	if (v == NULL && needed)
		fault(r, r->map, "%s is missing", key);
	if (v != NULL && !when_parse(v->text, &ns))
		fault(r, v, "%s is a time with its zone: 2026-12-24T18:00:00+08:00", key);
	return ns;
}

static void read_ends(struct reading *r, const char *key, struct ends *out)
{
	const struct yaml *v = yaml_get(r->map, key);
	if (v == NULL || yaml_null(v))
		return;
	out->line = v->line;
	out->column = v->column;
	bool list = v->kind == YAML_LIST;
	if (v->kind == YAML_MAP || (list && (v->count == 0 || v->count > ENDS_MAX))) {
		fault(r, v, "%s is an address, a prefix, a device of names or a list of 1 to %d",
			key, ENDS_MAX);
		return;
	}
	for (size_t i = 0; i < (list ? v->count : 1); i++) {
		const struct yaml *one = list ? v->child[i] : v;
		if (one->kind == YAML_TEXT && one->len > 0 && one->len <= TEXT_MAX)
			text_list_keep(&out->said, one->text);
		else
			fault(r, one, "%s holds texts", key);
	}
}

/* --- silences ---------------------------------------------------------------------------- */

static void read_rule(struct reading *r, struct silence *s)
{
	const struct yaml *sid = scalar(r, "sid");
	uint64_t n = 0;
	s->rule = text(r, "rule", false);
	for (char *c = s->rule; c != NULL && *c != '\0'; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	if (sid != NULL && (!yaml_uint(sid, &n) || n == 0 || n > UINT32_MAX))
		fault(r, sid, "sid is a number from 1 to %u", UINT32_MAX);
	s->sid = (uint32_t)n;
}

static void read_kind(struct reading *r, struct silence *s)
{
	const struct yaml *verb = scalar(r, "verb"), *level = scalar(r, "level");
	const struct yaml *service = scalar(r, "service"), *unit = scalar(r, "unit");
	if (verb != NULL) {
		int i = choice(r, verb, "verb", verbs);
		s->verb = i < 0 ? NULL : verbs[i];
	}
	s->level = level == NULL ? -1 : choice(r, level, "level", levels);
	if (service != NULL && service_named(service->text) == NULL)
		fault(r, service, "unknown service %.200s", service->text);
	s->service = service == NULL ? NULL : strdup(service->text);
	s->has_unit = unit != NULL;
	if (unit != NULL && !yaml_uint(unit, &s->unit))
		fault(r, unit, "unit is a number");
}

static bool is_silence_of_nothing(const struct silence *s)
{
	return s->rule == NULL && s->sid == 0 && s->verb == NULL && s->service == NULL &&
	       s->level < 0 && !s->has_unit && s->src.said.count == 0 && s->dst.said.count == 0;
}

bool quiet_silence(struct quiet *q, const char *path, const struct yaml *map, bool live,
	struct text_list *faults)
{
	static const char *const known[] = { "rule", "sid", "verb", "service", "level", "src",
		"dst", "unit", "until", "reason", "by", NULL };
	struct reading r = { .path = path, .faults = faults, .map = map, .good = true };
	struct silence *s, *grown;
	if (!begin(&r, "a silence", known))
		return false;
	if (q->silences == SILENCES_MAX) {
		fault(&r, map, "more than %d silences", SILENCES_MAX);
		return false;
	}
	grown = realloc(q->silence, (q->silences + 1) * sizeof *grown);
	if (grown == NULL)
		abort();
	q->silence = grown;
	s = &q->silence[q->silences++];
	*s = (struct silence){ .live = live };
	read_rule(&r, s);
	read_kind(&r, s);
	read_ends(&r, "src", &s->src);
	read_ends(&r, "dst", &s->dst);
	s->until_ns = point(&r, "until", true, INT64_MAX);
	s->reason = text(&r, "reason", true);
	s->by = text(&r, "by", live);
	if (asprintf(&s->id, "%c%u", live ? 's' : 'c', ++q->named) < 0)
		abort();
	if (r.good && is_silence_of_nothing(s))
		fault(&r, map,
			"this would silence everything: say which rule, verb, service, "
			"level, src, dst or unit");
	if (!r.good)
		quiet_silence_drop(q, q->silences - 1);
	return r.good;
}

/* --- windows ----------------------------------------------------------------------------- */

static void read_verbs(struct reading *r, struct window *w)
{
	const struct yaml *v = yaml_get(r->map, "verbs");
	if (v == NULL || v->kind != YAML_LIST || v->count == 0) {
		fault(r, v == NULL ? r->map : v,
			"verbs is a list of what may be done: [download, "
			"stop, start]");
		return;
	}
	for (size_t i = 0; i < v->count; i++) {
		int k = v->child[i]->kind == YAML_TEXT ? choice(r, v->child[i], "verb", verbs) : -1;
		if (k >= 0)
			w->verbs |= UINT32_C(1) << k;
		else if (v->child[i]->kind != YAML_TEXT)
			fault(r, v->child[i], "a verb is a word");
	}
}

static void read_days(struct reading *r, const struct yaml *days, struct schedule *s)
{
	if (days->kind != YAML_LIST || days->count == 0)
		fault(r, days, "days is a list: [sat, sun]");
	for (size_t i = 0; days->kind == YAML_LIST && i < days->count; i++)
		if (days->child[i]->kind != YAML_TEXT ||
			!schedule_days(days->child[i]->text, &s->days))
			fault(r, days->child[i], "a day is mon, tue, wed, thu, fri, sat or sun");
}

/* Zones are looked up while no other thread runs: not for live ones. */
static void read_hours(struct reading *r, struct window *w)
{
	const struct yaml *days = yaml_get(r->map, "days"), *hours = scalar(r, "hours");
	const struct yaml *zone = scalar(r, "zone");
	w->weekly = days != NULL || hours != NULL || zone != NULL;
	if (!w->weekly)
		return;
	if (w->live) {
		fault(r, r->map,
			"days, hours and zone belong into the configuration: a live "
			"window goes on until its end");
		return;
	}
	w->hours.days = days == NULL ? 0x7f : 0;
	w->hours.to_min = 1440;
	if (days != NULL)
		read_days(r, days, &w->hours);
	if (hours != NULL && !schedule_hours(hours->text, &w->hours.from_min, &w->hours.to_min))
		fault(r, hours, "hours are like \"22:00-04:30\"");
	if (zone == NULL)
		fault(r, r->map, "zone is missing: UTC, +08:00, Asia/Shanghai");
	else if (!when_zone_load(&w->hours.zone, zone->text))
		fault(r, zone, "unknown time zone %.64s (is tzdata installed?)", zone->text);
}

static enum rule_level read_lower(struct reading *r)
{
	const struct yaml *v = scalar(r, "lower_to");
	int level = v == NULL ? LEVEL_LOW : choice(r, v, "level", levels);
	return level < 0 ? LEVEL_LOW : (enum rule_level)level;
}

static bool name_is_free(const struct quiet *q, const struct window *w)
{
	for (size_t i = 0; i < q->windows; i++)
		if (q->window[i] != w && q->window[i]->name != NULL && w->name != NULL &&
			strcmp(q->window[i]->name, w->name) == 0)
			return false;
	return true;
}

bool quiet_window(struct quiet *q, const char *path, const struct yaml *map, bool live,
	struct text_list *faults)
{
	static const char *const known[] = { "name", "from", "until", "days", "hours", "zone",
		"who", "devices", "verbs", "lower_to", "reason", "by", NULL };
	struct reading r = { .path = path, .faults = faults, .map = map, .good = true };
	if (!begin(&r, "a maintenance window", known))
		return false;
	if (q->windows == WINDOWS_MAX) {
		fault(&r, map, "more than %d maintenance windows", WINDOWS_MAX);
		return false;
	}
	struct window **grown = realloc(q->window, (q->windows + 1) * sizeof(struct window *));
	struct window *w = calloc(1, sizeof *w);
	if (grown == NULL || w == NULL)
		abort();
	q->window = grown;
	q->window[q->windows++] = w;
	w->live = live;
	w->name = text(&r, "name", true);
	read_hours(&r, w);
	w->from_ns = point(&r, "from", false, INT64_MIN);
	w->until_ns = point(&r, "until", !w->weekly, INT64_MAX);
	read_ends(&r, "who", &w->who);
	read_ends(&r, "devices", &w->devices);
	read_verbs(&r, w);
	w->level = read_lower(&r);
	w->reason = text(&r, "reason", true);
	w->by = text(&r, "by", live);
	if (r.good && w->who.said.count == 0)
		fault(&r, map, "who is missing: the stations that maintain");
	if (r.good && w->from_ns >= w->until_ns)
		fault(&r, map, "it ends before it begins");
	if (r.good && !name_is_free(q, w))
		fault(&r, map, "there is a window of that name");
	if (!r.good)
		quiet_window_drop(q, q->windows - 1);
	return r.good;
}

/* --- lists ------------------------------------------------------------------------------- */

typedef bool read_one(struct quiet *q, const char *path, const struct yaml *map, bool live,
	struct text_list *faults);

static void read_all(struct quiet *q, const char *path, const struct yaml *list, bool live,
	struct text_list *faults, read_one *one)
{
	if (list->kind != YAML_LIST) {
		if (!yaml_null(list))
			text_list_add(faults, "%s:%u:%u: this is a list of maps", path, list->line,
				list->column);
		return;
	}
	for (size_t i = 0; i < list->count; i++)
		one(q, path, list->child[i], live, faults);
}

void quiet_silences(struct quiet *q, const char *path, const struct yaml *list, bool live,
	struct text_list *faults)
{
	read_all(q, path, list, live, faults, quiet_silence);
}

void quiet_windows(struct quiet *q, const char *path, const struct yaml *list, bool live,
	struct text_list *faults)
{
	read_all(q, path, list, live, faults, quiet_window);
}

/* --- writing ----------------------------------------------------------------------------- */

static void dump_text(FILE *out, const char *key, const char *text)
{
	if (text == NULL)
		return;
	fprintf(out, ", %s: ", key);
	settings_dump_text(out, text);
}

static void dump_ends(FILE *out, const char *key, const struct ends *ends)
{
	if (ends->said.count == 0)
		return;
	fprintf(out, ", %s: ", key);
	settings_dump_texts(out, &ends->said);
}

static void dump_time(FILE *out, const char *key, int64_t ns)
{
	char when[WHEN_TEXT];
	if (ns == INT64_MIN || ns == INT64_MAX)
		return;
	when_print(ns, when);
	fprintf(out, ", %s: \"%s\"", key, when);
}

void quiet_print_silence(const struct silence *s, FILE *out)
{
	fputs("{reason: ", out);
	settings_dump_text(out, s->reason);
	dump_text(out, "rule", s->rule);
	if (s->sid != 0)
		fprintf(out, ", sid: %u", s->sid);
	dump_text(out, "verb", s->verb);
	dump_text(out, "service", s->service);
	if (s->level >= 0)
		fprintf(out, ", level: %s", levels[s->level]);
	dump_ends(out, "src", &s->src);
	dump_ends(out, "dst", &s->dst);
	if (s->has_unit)
		fprintf(out, ", unit: %llu", (unsigned long long)s->unit);
	dump_time(out, "until", s->until_ns);
	dump_text(out, "by", s->by);
	fputc('}', out);
}

void quiet_print_window(const struct window *w, FILE *out)
{
	const char *comma = "";
	fputs("{name: ", out);
	settings_dump_text(out, w->name);
	dump_time(out, "from", w->from_ns);
	dump_time(out, "until", w->until_ns);
	if (w->weekly) {
		fputs(", ", out);
		schedule_print(&w->hours, out);
	}
	dump_ends(out, "who", &w->who);
	dump_ends(out, "devices", &w->devices);
	fputs(", verbs: [", out);
	for (unsigned i = 0; i < VERBS; i++) {
		if ((w->verbs >> i & 1) == 0)
			continue;
		fprintf(out, "%s%s", comma, verbs[i]);
		comma = ", ";
	}
	fprintf(out, "], lower_to: %s", levels[w->level]);
	dump_text(out, "reason", w->reason);
	dump_text(out, "by", w->by);
	fputc('}', out);
}

void quiet_dump(const struct quiet *q, bool live, FILE *out)
{
	size_t count = 0;
	for (size_t i = 0; i < q->silences; i++)
		count += q->silence[i].live == live;
	fprintf(out, "silences:%s # alerts that are counted and not told\n",
		count == 0 ? " []" : "");
	for (size_t i = 0; i < q->silences; i++) {
		if (q->silence[i].live != live)
			continue;
		fputs("  - ", out);
		quiet_print_silence(&q->silence[i], out);
		fputc('\n', out);
	}
	count = 0;
	for (size_t i = 0; i < q->windows; i++)
		count += q->window[i]->live == live;
	fprintf(out, "maintenance:%s # windows in which what is allowed is lowered\n",
		count == 0 ? " []" : "");
	for (size_t i = 0; i < q->windows; i++) {
		if (q->window[i]->live != live)
			continue;
		fputs("  - ", out);
		quiet_print_window(q->window[i], out);
		fputc('\n', out);
	}
}
