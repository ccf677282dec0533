/* baselines.c - baseline: of the configuration: which are used, and when. */
#include <stdlib.h>

#include "common/settings.h"
#include "sensor/baseline.h"

/* --- reading ----------------------------------------------------------------------------- */

static const struct yaml *scalar(
	const struct settings_source *s, const struct yaml *map, const char *key)
{
	const struct yaml *v = yaml_get(map, key);
	if (v == NULL || yaml_null(v))
		return NULL;
	if (v->kind == YAML_TEXT && v->len > 0 && strlen(v->text) == v->len)
		return v;
	settings_fault(s, v, "a text: ", key);
	return NULL;
}

static void read_days(
	const struct settings_source *s, const struct yaml *days, struct schedule *hours)
{
	hours->days = days == NULL ? 0x7f : 0;
	if (days == NULL)
		return;
	if (days->kind != YAML_LIST || days->count == 0)
		settings_fault(s, days, "days is a list: [sat, sun]", "");
	for (size_t i = 0; days->kind == YAML_LIST && i < days->count; i++)
		if (days->child[i]->kind != YAML_TEXT ||
			!schedule_days(days->child[i]->text, &hours->days))
			settings_fault(s, days->child[i],
				"a day is mon, tue, wed, thu, fri, sat or sun", "");
}

static void read_hours(
	const struct settings_source *s, const struct yaml *map, struct baseline_use *use)
{
	const struct yaml *days = yaml_get(map, "days"), *hours = scalar(s, map, "hours");
	const struct yaml *zone = scalar(s, map, "zone");
	use->weekly = days != NULL || hours != NULL || zone != NULL;
	if (!use->weekly)
		return;
	use->hours.to_min = 1440;
	read_days(s, days, &use->hours);
	if (hours != NULL && !schedule_hours(hours->text, &use->hours.from_min, &use->hours.to_min))
		settings_fault(s, hours, "hours are like \"22:00-04:30\"", "");
	if (zone == NULL)
		settings_fault(s, map, "zone is missing: UTC, +08:00, Asia/Shanghai", "");
	else if (!when_zone_load(&use->hours.zone, zone->text))
		settings_fault(s, zone, "unknown time zone (is tzdata installed?)", "");
}

static void read_expiry(
	const struct settings_source *s, const struct yaml *map, struct baseline_use *use)
{
	const struct yaml *until = scalar(s, map, "until"), *then = scalar(s, map, "expired");
	use->until_ns = INT64_MAX;
	if (until != NULL && !when_parse(until->text, &use->until_ns))
		settings_fault(
			s, until, "until is a time with its zone: 2027-06-01T00:00:00+08:00", "");
	use->ignored_once_over = then != NULL && strcmp(then->text, "ignore") == 0;
	if (then != NULL && !use->ignored_once_over && strcmp(then->text, "judge") != 0)
		settings_fault(
			s, then, "expired is judge (the default) or ignore, not ", then->text);
}

static bool name_is_free(const struct baselines *b, const char *name)
{
	for (size_t i = 0; i + 1 < b->count; i++)
		if (b->use[i].name != NULL && strcmp(b->use[i].name, name) == 0)
			return false;
	return true;
}

static void read_name(const struct settings_source *s, const struct yaml *map, struct baselines *b,
	struct baseline_use *use)
{
	const struct yaml *name = scalar(s, map, "name");
	if (name == NULL)
		settings_fault(s, map, "a baseline has a name", "");
	else if (name->len > BASELINE_NAME)
		settings_fault(s, name, "a name of at most 64 bytes", "");
	else if (!name_is_free(b, name->text))
		settings_fault(s, name, "there is a baseline of that name: ", name->text);
	else
		use->name = strdup(name->text);
}

static void read_what(
	const struct settings_source *s, const struct yaml *map, struct baseline_use *use)
{
	const struct yaml *file = scalar(s, map, "file");
	if ((file == NULL) == (yaml_get(map, "talks") == NULL))
		settings_fault(s, map, "a baseline has a file or talks, and not both", "");
	else if (file != NULL)
		use->file = strdup(file->text);
	else
		use->set = baseline_read(s->path, map, s->faults);
}

static void read_one(const struct settings_source *s, struct baselines *b, const struct yaml *map)
{
	static const char *const known[] = { "name", "file", "talks", "days", "hours", "zone",
		"until", "expired", NULL };
	if (map->kind != YAML_MAP) {
		settings_fault(s, map, "a baseline is a map: name and file", "");
		return;
	}
	if (b->count == BASELINES_MAX) {
		settings_fault(s, map, "more than 15 baselines", "");
		return;
	}
	for (size_t i = 0; i < map->count; i++) {
		bool found = false;
		for (const char *const *k = known; *k != NULL; k++)
			found |= strcmp(*k, map->key[i]->text) == 0;
		if (!found)
			settings_fault(s, map->key[i], "unknown key ", map->key[i]->text);
	}
	struct baseline_use *grown = realloc(b->use, (b->count + 1) * sizeof *grown);
	if (grown == NULL)
		abort();
	b->use = grown;
	struct baseline_use *use = &b->use[b->count++];
	*use = (struct baseline_use){ .until_ns = INT64_MAX };
	read_name(s, map, b, use);
	read_what(s, map, use);
	read_hours(s, map, use);
	read_expiry(s, map, use);
}

void baselines_read(
	struct baselines *b, const char *path, const struct yaml *v, struct text_list *faults)
{
	const struct settings_source s = { .path = path, .faults = faults };
	if (yaml_null(v))
		return;
	if (v->kind == YAML_MAP)
		read_one(&s, b, v);
	else if (v->kind == YAML_LIST)
		for (size_t i = 0; i < v->count; i++)
			read_one(&s, b, v->child[i]);
	else
		settings_fault(&s, v, "baseline is a list of maps: name and file", "");
}

void baselines_load(struct baselines *b, struct text_list *faults)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->use[i].file != NULL && b->use[i].set == NULL)
			b->use[i].set = baseline_load(b->use[i].file, faults);
}

size_t baselines_reread(const struct baselines *b, struct text_list *faults)
{
	size_t files = 0, fresh = 0;
	for (size_t i = 0; i < b->count; i++) {
		struct baseline_use *u = &b->use[i];
		if (u->file == NULL)
			continue;
		u->fresh = baseline_load(u->file, faults);
		files++;
		fresh += u->fresh != NULL;
	}
	if (fresh == files)
		return fresh;
	baselines_drop(b);
	return 0;
}

void baselines_take(const struct baselines *b)
{
	for (size_t i = 0; i < b->count; i++) {
		struct baseline_use *u = &b->use[i];
		if (u->fresh == NULL)
			continue;
		baseline_free(u->set);
		u->set = u->fresh;
		u->fresh = NULL;
	}
}

void baselines_drop(const struct baselines *b)
{
	for (size_t i = 0; i < b->count; i++) {
		baseline_free(b->use[i].fresh);
		b->use[i].fresh = NULL;
	}
}

/* --- asking ------------------------------------------------------------------------------ */

static bool takes_part(const struct baseline_use *u, int64_t at_ns)
{
	return !u->ignored_once_over || at_ns < u->until_ns;
}

/* The first whose hours it is; else the first that has none; else the first. */
uint32_t baselines_at(const struct baselines *b, int64_t at_ns)
{
	uint32_t first = BASELINE_NOBODY, always = BASELINE_NOBODY;
	for (uint32_t i = 0; i < b->count; i++) {
		const struct baseline_use *u = &b->use[i];
		if (!takes_part(u, at_ns))
			continue;
		if (u->weekly && schedule_holds(&u->hours, at_ns))
			return i;
		if (first == BASELINE_NOBODY)
			first = i;
		if (!u->weekly && always == BASELINE_NOBODY)
			always = i;
	}
	return always != BASELINE_NOBODY ? always : first;
}

/* --- writing ----------------------------------------------------------------------------- */

static void dump_one(const struct baseline_use *u, FILE *out)
{
	fputs("  - name: ", out);
	settings_dump_text(out, u->name);
	fputc('\n', out);
	if (u->weekly) {
		static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat",
			"sun" };
		const char *comma = "";
		fputs("    days: [", out);
		for (unsigned i = 0; i < 7; i++)
			if (u->hours.days >> i & 1) {
				fprintf(out, "%s%s", comma, days[i]);
				comma = ", ";
			}
		fprintf(out, "]\n    hours: \"%02u:%02u-%02u:%02u\"\n    zone: ",
			u->hours.from_min / 60u, u->hours.from_min % 60u, u->hours.to_min / 60u,
			u->hours.to_min % 60u);
		settings_dump_text(out, u->hours.zone.name);
		fputc('\n', out);
	}
	if (u->until_ns != INT64_MAX) {
		char text[WHEN_TEXT];
		when_print(u->until_ns, text);
		fprintf(out, "    until: \"%s\"\n    expired: %s\n", text,
			u->ignored_once_over ? "ignore" : "judge");
	}
	if (u->file != NULL) {
		fputs("    file: ", out);
		settings_dump_text(out, u->file);
		fputc('\n', out);
	} else if (u->set != NULL) {
		baseline_dump(u->set, 4, out);
	}
}

void baselines_dump(const struct baselines *b, FILE *out)
{
	fprintf(out, "baseline:%s # what is normal, and when\n", b->count == 0 ? " []" : "");
	for (size_t i = 0; i < b->count; i++)
		dump_one(&b->use[i], out);
}

void baselines_free(struct baselines *b)
{
	for (size_t i = 0; i < b->count; i++) {
		free(b->use[i].name);
		free(b->use[i].file);
		baseline_free(b->use[i].set);
		when_zone_free(&b->use[i].hours.zone);
	}
	free(b->use);
	*b = (struct baselines){ 0 };
}
