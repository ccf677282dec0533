/* settings.c - settings by a table; the first file wins nothing: later values replace. */
#include "common/settings.h"

#include <stdlib.h>
#include <string.h>

enum { PATH_MAX_LEN = 128, NEAREST_MAX = 256 };

/* What is being read, and into what. */
struct source {
	struct settings_source of;
	const struct settings *table;
	void *object;
};

void settings_fault(const struct settings_source *s, const struct yaml *at, const char *what,
	const char *detail)
{
	text_list_add(s->faults, "%s:%u:%u: %s%s", s->path, at->line, at->column, what, detail);
}

static void fault(
	const struct source *s, const struct yaml *at, const char *what, const char *detail)
{
	settings_fault(&s->of, at, what, detail);
}

static void *member(void *object, const struct setting *s)
{
	return (char *)object + s->offset;
}

static const void *member_const(const void *object, const struct setting *s)
{
	return (const char *)object + s->offset;
}

static const struct setting *setting_at(const struct settings *table, const char *path)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->all[i].path, path) == 0)
			return &table->all[i];
	return NULL;
}

void settings_init(const struct settings *table, void *object)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct setting *s = &table->all[i];
		if (s->kind == SETTING_IS_NUMBER)
			*(uint64_t *)member(object, s) = s->value;
		else if (s->kind == SETTING_IS_SWITCH)
			*(bool *)member(object, s) = s->value != 0;
		else if (s->kind == SETTING_IS_TEXT && s->text != NULL)
			*(char **)member(object, s) = strdup(s->text);
	}
}

/* --- reading ----------------------------------------------------------------------------- */

static void read_number(const struct source *src, const struct setting *s, const struct yaml *v)
{
	uint64_t n;
	if (yaml_null(v) && s->value == UINT64_MAX) {
		*(uint64_t *)member(src->object, s) = UINT64_MAX;
		return;
	}
	if (v->kind != YAML_TEXT || !yaml_uint(v, &n)) {
		fault(src, v, s->path, " is a whole number");
		return;
	}
	if (n < s->low || n > s->high) {
		text_list_add(src->of.faults, "%s:%u:%u: %s is %llu to %llu %s", src->of.path,
			v->line, v->column, s->path, (unsigned long long)s->low,
			(unsigned long long)s->high, s->unit);
		return;
	}
	*(uint64_t *)member(src->object, s) = n;
}

static void read_switch(const struct source *src, const struct setting *s, const struct yaml *v)
{
	bool on;
	if (v->kind != YAML_TEXT || !yaml_bool(v, &on))
		fault(src, v, s->path, " is true or false");
	else
		*(bool *)member(src->object, s) = on;
}

static void judge(const struct source *src, const struct setting *s, const struct yaml *v)
{
	const char *wrong = src->table->judge == NULL ? NULL : src->table->judge(s->path, v->text);
	if (wrong != NULL)
		fault(src, v, s->path, wrong);
}

static void read_text(const struct source *src, const struct setting *s, const struct yaml *v)
{
	if (v->kind != YAML_TEXT) {
		fault(src, v, s->path, " is a text");
		return;
	}
	if (yaml_null(v) && s->text != NULL) {
		fault(src, v, s->path, " needs a value");
		return;
	}
	if (!yaml_null(v))
		judge(src, s, v);
	char **text = member(src->object, s);
	free(*text);
	*text = yaml_null(v) ? NULL : strdup(v->text);
}

static void read_texts(const struct source *src, const struct setting *s, const struct yaml *v)
{
	struct text_list *list = member(src->object, s);
	text_list_free(list);
	if (v->kind == YAML_TEXT && !yaml_null(v)) {
		judge(src, s, v);
		text_list_keep(list, v->text);
	}
	for (size_t i = 0; v->kind == YAML_LIST && i < v->count; i++) {
		if (v->child[i]->kind != YAML_TEXT)
			fault(src, v->child[i], s->path, " is a list of texts");
		else
			judge(src, s, v->child[i]), text_list_keep(list, v->child[i]->text);
	}
	if (v->kind == YAML_MAP)
		fault(src, v, s->path, " is a list of texts");
}

static void read_setting(const struct source *src, const struct setting *s, const struct yaml *v)
{
	static void (*const read[])(
		const struct source *, const struct setting *, const struct yaml *) = {
		[SETTING_IS_NUMBER] = read_number,
		[SETTING_IS_SWITCH] = read_switch,
		[SETTING_IS_TEXT] = read_text,
		[SETTING_IS_TEXTS] = read_texts,
	};
	read[s->kind](src, s, v);
}

static bool is_section(const struct settings *table, const char *path)
{
	size_t n = strlen(path);
	for (size_t i = 0; i < table->count; i++)
		if (strncmp(table->all[i].path, path, n) == 0 && table->all[i].path[n] == '.')
			return true;
	return false;
}

static const char *nearest(const struct settings *table, const char *path)
{
	const char *paths[NEAREST_MAX];
	size_t n = 0;
	for (size_t i = 0; i < table->count && n + 1 < NEAREST_MAX; i++)
		paths[n++] = table->all[i].path;
	for (size_t i = 0; table->special != NULL && table->special[i] != NULL; i++)
		if (n + 1 < NEAREST_MAX)
			paths[n++] = table->special[i];
	paths[n] = NULL;
	return text_nearest(path, paths);
}

static void unknown(const struct source *src, const struct yaml *at, const char *path)
{
	const char *near = nearest(src->table, path);
	text_list_add(src->of.faults, "%s:%u:%u: unknown setting %s%s%s%s", src->of.path, at->line,
		at->column, path, near == NULL ? "" : " (did you mean ", near == NULL ? "" : near,
		near == NULL ? "" : "?)");
}

static bool special(const struct source *src, const char *path, const struct yaml *v)
{
	return src->table->read_special != NULL &&
	       src->table->read_special(&src->of, src->object, path, v);
}

static void read_map(const struct source *src, const struct yaml *map, const char *prefix)
{
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml *v = map->child[i];
		char path[PATH_MAX_LEN];
		if (snprintf(path, sizeof path, "%s%s%s", prefix, *prefix == '\0' ? "" : ".",
			    map->key[i]->text) >= PATH_MAX_LEN) {
			fault(src, map->key[i], "unknown setting: the name is too long", "");
			continue;
		}
		const struct setting *s = setting_at(src->table, path);
		if (s != NULL)
			read_setting(src, s, v);
		else if (special(src, path, v))
			continue;
		else if (is_section(src->table, path) && v->kind == YAML_MAP)
			read_map(src, v, path);
		else if (is_section(src->table, path))
			fault(src, v, path,
				yaml_null(v) ? " is empty" : " is a section: keys and values");
		else
			unknown(src, map->key[i], path);
	}
}

void settings_read(const struct settings *s, void *object, const char *path, struct yaml_file *file,
	struct text_list *faults)
{
	struct source src = {
		.of = { .path = path, .faults = faults }, .table = s, .object = object
	};
	if (file != NULL && file->count > 1)
		fault(&src, file->document[1], "one document is enough", "");
	if (file != NULL && file->count > 0) {
		const struct yaml *root = file->document[0];
		if (root->kind == YAML_MAP)
			read_map(&src, root, "");
		else if (!yaml_null(root))
			fault(&src, root, "a configuration is a map", "");
	}
	yaml_file_free(file);
}

bool settings_set(const struct settings *table, void *object, const char *assignment,
	bool (*other)(const struct settings_source *src, void *object, const char *key,
		const struct yaml *value),
	struct text_list *faults)
{
	size_t before = faults->count;
	const char *equals = strchr(assignment, '=');
	if (equals == NULL || equals == assignment || equals - assignment >= PATH_MAX_LEN) {
		text_list_add(faults, "--set %s: not key=value", assignment);
		return false;
	}
	char path[PATH_MAX_LEN];
	memcpy(path, assignment, (size_t)(equals - assignment));
	path[equals - assignment] = '\0';
	struct yaml value = { .kind = YAML_TEXT, .line = 1, .column = 1, .text = equals + 1 };
	value.len = strlen(value.text);
	struct source src = {
		.of = { .path = "--set", .faults = faults }, .table = table, .object = object
	};
	const struct setting *s = setting_at(table, path);
	if (s != NULL)
		read_setting(&src, s, &value);
	else if (other == NULL || !other(&src.of, object, path, &value))
		unknown(&src, &value, path);
	return faults->count == before;
}

/* --- writing ----------------------------------------------------------------------------- */

/* Characters beyond ASCII that break a line in YAML, or must not stand there as they are. */
static const struct {
	const char *bytes, *escape;
} breaks[] = {
	{ "\xe2\x80\xa8", "\\L" },
	{ "\xe2\x80\xa9", "\\P" },
	{ "\xef\xbb\xbf", "\\uFEFF" },
	{ "\xef\xbf\xbe", "\\uFFFE" },
	{ "\xef\xbf\xbf", "\\uFFFF" },
};

/* Writes one of them, or a C1 control, that @text begins with; its bytes, or 0. */
static size_t dump_break(FILE *out, const char *text)
{
	unsigned char first = (unsigned char)text[0], second = (unsigned char)text[1];
	if (first == 0xc2 && second < 0xa0) {
		fprintf(out, "\\x%02x", second);
		return 2;
	}
	for (size_t i = 0; i < sizeof breaks / sizeof breaks[0]; i++) {
		size_t n = strlen(breaks[i].bytes);
		if (strncmp(text, breaks[i].bytes, n) != 0)
			continue;
		fputs(breaks[i].escape, out);
		return n;
	}
	return 0;
}

void settings_dump_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		size_t n = c < 0x80 ? 0 : dump_break(out, text);
		if (n > 0)
			text += n - 1;
		else if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

void settings_dump_texts(FILE *out, const struct text_list *list)
{
	fputc('[', out);
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			fputs(", ", out);
		settings_dump_text(out, list->text[i]);
	}
	fputc(']', out);
}

static void dump_value(FILE *out, const void *object, const struct setting *s)
{
	const void *at = member_const(object, s);
	if (s->kind == SETTING_IS_NUMBER && *(const uint64_t *)at == UINT64_MAX)
		fputs("null", out);
	else if (s->kind == SETTING_IS_NUMBER)
		fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
	else if (s->kind == SETTING_IS_SWITCH)
		fputs(*(const bool *)at ? "true" : "false", out);
	else if (s->kind == SETTING_IS_TEXTS)
		settings_dump_texts(out, at);
	else if (*(char *const *)at == NULL)
		fputs("null", out);
	else
		settings_dump_text(out, *(char *const *)at);
}

/* Ends the section of the setting before, begins that of @s; returns the key and its indent. */
static const char *dump_section(FILE *out, const struct setting *s, const char *before)
{
	const char *dot = strchr(s->path, '.');
	if (dot == NULL)
		return s->path;
	size_t n = (size_t)(dot - s->path);
	if (before == NULL || strncmp(before, s->path, n + 1) != 0)
		fprintf(out, "%.*s:\n", (int)n, s->path);
	fputs("  ", out);
	return dot + 1;
}

/* A section stands once, although the table may come back to it. */
static bool first_of_section(const struct settings *table, size_t i)
{
	const char *dot = strchr(table->all[i].path, '.');
	size_t n =
		dot == NULL ? strlen(table->all[i].path) : (size_t)(dot - table->all[i].path) + 1;
	for (size_t k = 0; k < i; k++)
		if (strncmp(table->all[k].path, table->all[i].path, n) == 0)
			return false;
	return true;
}

static bool same_section(const char *a, const char *b)
{
	const char *dot = strchr(a, '.');
	return dot != NULL && strncmp(a, b, (size_t)(dot - a) + 1) == 0;
}

void settings_dump(const struct settings *table, const void *object, FILE *out)
{
	fputs("# Every setting with its value now. Reads back as the same configuration.\n", out);
	for (size_t i = 0; i < table->count; i++) {
		if (!first_of_section(table, i))
			continue;
		const char *before = NULL;
		for (size_t k = i; k < table->count; k++) {
			const struct setting *s = &table->all[k];
			if (k != i && !same_section(table->all[i].path, s->path))
				continue;
			const char *key = dump_section(out, s, before);
			before = s->path;
			fprintf(out, "%s: ", key);
			dump_value(out, object, s);
			fprintf(out, " # %s%s%s\n", s->sentence,
				s->unit == NULL || *s->unit == '\0' ? "" : ", ",
				s->unit == NULL ? "" : s->unit);
		}
		if (table->dump_section != NULL)
			table->dump_section(object, table->all[i].path, out);
	}
}

void settings_free(const struct settings *table, void *object)
{
	for (size_t i = 0; i < table->count; i++) {
		if (table->all[i].kind == SETTING_IS_TEXT)
			free(*(char **)member(object, &table->all[i]));
		else if (table->all[i].kind == SETTING_IS_TEXTS)
			text_list_free(member(object, &table->all[i]));
	}
}
