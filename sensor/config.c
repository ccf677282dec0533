/* config.c - reads settings by the table config.def; the first file wins nothing: later values
 * replace. */
#include "sensor/config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/yaml.h"

enum kind { KIND_NUMBER, KIND_SWITCH, KIND_TEXT, KIND_TEXTS };

static const struct setting {
	const char *path;
	enum kind kind;
	size_t offset; /* in struct config */
	uint64_t value, low, high;
	const char *text;
	const char *unit, *sentence;
} settings[] = {
#define NUMBER(member, path_, value_, low_, high_, unit_, sentence_)                               \
	{ .path = path_,                                                                           \
		.kind = KIND_NUMBER,                                                               \
		.offset = offsetof(struct config, member),                                         \
		.value = value_,                                                                   \
		.low = low_,                                                                       \
		.high = high_,                                                                     \
		.unit = unit_,                                                                     \
		.sentence = sentence_ },
#define SWITCH(member, path_, value_, sentence_)                                                   \
	{ .path = path_,                                                                           \
		.kind = KIND_SWITCH,                                                               \
		.offset = offsetof(struct config, member),                                         \
		.value = value_,                                                                   \
		.sentence = sentence_ },
#define TEXT(member, path_, value_, sentence_)                                                     \
	{ .path = path_,                                                                           \
		.kind = KIND_TEXT,                                                                 \
		.offset = offsetof(struct config, member),                                         \
		.text = value_,                                                                    \
		.sentence = sentence_ },
#define TEXTS(member, path_, sentence_)                                                            \
	{ .path = path_,                                                                           \
		.kind = KIND_TEXTS,                                                                \
		.offset = offsetof(struct config, member),                                         \
		.sentence = sentence_ },
#include "sensor/config.def"
#undef NUMBER
#undef SWITCH
#undef TEXT
#undef TEXTS
};
enum { SETTINGS = sizeof settings / sizeof settings[0], PATH_MAX_LEN = 128 };

/* Where the file being read is, for faults. */
struct source {
	struct config *config;
	const char *path;
	struct text_list *faults;
};

static void fault(
	const struct source *s, const struct yaml *at, const char *what, const char *detail)
{
	text_list_add(s->faults, "%s:%u:%u: %s%s", s->path, at->line, at->column, what, detail);
}

static void *member(struct config *c, const struct setting *s)
{
	return (char *)c + s->offset;
}

static const void *member_const(const struct config *c, const struct setting *s)
{
	return (const char *)c + s->offset;
}

static const struct setting *setting_at(const char *path)
{
	for (unsigned i = 0; i < SETTINGS; i++)
		if (strcmp(settings[i].path, path) == 0)
			return &settings[i];
	return NULL;
}

void config_init(struct config *c)
{
	memset(c, 0, sizeof *c);
	for (unsigned i = 0; i < SETTINGS; i++) {
		const struct setting *s = &settings[i];
		if (s->kind == KIND_NUMBER)
			*(uint64_t *)member(c, s) = s->value;
		else if (s->kind == KIND_SWITCH)
			*(bool *)member(c, s) = s->value != 0;
		else if (s->kind == KIND_TEXT && s->text != NULL)
			*(char **)member(c, s) = strdup(s->text);
	}
	for (unsigned i = 0; dissectors[i] != NULL && i < CONFIG_PROTOCOLS; i++)
		c->reply_ms[i] = dissectors[i]->reply_ms;
}

/* --- reading ----------------------------------------------------------------------------- */

static void read_number(const struct source *src, const struct setting *s, const struct yaml *v)
{
	uint64_t n;
	if (yaml_null(v) && s->value == UINT64_MAX) {
		*(uint64_t *)member(src->config, s) = UINT64_MAX;
		return;
	}
	if (v->kind != YAML_TEXT || !yaml_uint(v, &n)) {
		fault(src, v, s->path, " is a whole number");
		return;
	}
	if (n < s->low || n > s->high) {
		text_list_add(src->faults, "%s:%u:%u: %s is %llu to %llu %s", src->path, v->line,
			v->column, s->path, (unsigned long long)s->low, (unsigned long long)s->high,
			s->unit);
		return;
	}
	*(uint64_t *)member(src->config, s) = n;
}

static void read_switch(const struct source *src, const struct setting *s, const struct yaml *v)
{
	bool on;
	if (v->kind != YAML_TEXT || !yaml_bool(v, &on))
		fault(src, v, s->path, " is true or false");
	else
		*(bool *)member(src->config, s) = on;
}

static void read_text(const struct source *src, const struct setting *s, const struct yaml *v)
{
	if (v->kind != YAML_TEXT) {
		fault(src, v, s->path, " is a text");
		return;
	}
	char **text = member(src->config, s);
	free(*text);
	*text = yaml_null(v) ? NULL : strdup(v->text);
}

static void read_texts(const struct source *src, const struct setting *s, const struct yaml *v)
{
	struct text_list *list = member(src->config, s);
	text_list_free(list);
	if (v->kind == YAML_TEXT && !yaml_null(v))
		text_list_keep(list, v->text);
	for (size_t i = 0; v->kind == YAML_LIST && i < v->count; i++) {
		if (v->child[i]->kind != YAML_TEXT)
			fault(src, v->child[i], s->path, " is a list of texts");
		else
			text_list_keep(list, v->child[i]->text);
	}
	if (v->kind == YAML_MAP)
		fault(src, v, s->path, " is a list of texts");
}

static void read_setting(const struct source *src, const struct setting *s, const struct yaml *v)
{
	static void (*const read[])(
		const struct source *, const struct setting *, const struct yaml *) = {
		[KIND_NUMBER] = read_number,
		[KIND_SWITCH] = read_switch,
		[KIND_TEXT] = read_text,
		[KIND_TEXTS] = read_texts,
	};
	read[s->kind](src, s, v);
}

static void read_reply_ms(const struct source *src, const struct yaml *map)
{
	if (map->kind != YAML_MAP) {
		fault(src, map, "reply_ms is a map of protocols to milliseconds", "");
		return;
	}
	for (size_t i = 0; i < map->count; i++) {
		const struct dissector *d = dissector_named(map->key[i]->text);
		uint64_t ms;
		if (d == NULL)
			fault(src, map->key[i], "unknown protocol ", map->key[i]->text);
		else if (map->child[i]->kind != YAML_TEXT || !yaml_uint(map->child[i], &ms) ||
			 ms == 0 || ms > 3600000)
			fault(src, map->child[i], "reply_ms is 1 to 3600000 ms", "");
		else
			src->config->reply_ms[dissector_index(d)] = (uint32_t)ms;
	}
}

static void read_lists(const struct source *src, const struct yaml *map)
{
	struct config *c = src->config;
	if (yaml_null(map))
		return;
	if (map->kind != YAML_MAP) {
		fault(src, map, "lists is a map of names to lists", "");
		return;
	}
	for (size_t i = 0; i < map->count; i++) {
		struct config_list *grown = realloc(c->lists, (c->list_count + 1) * sizeof *grown);
		if (grown == NULL)
			abort();
		c->lists = grown;
		struct config_list *list = &c->lists[c->list_count++];
		*list = (struct config_list){ .name = strdup(map->key[i]->text) };
		const struct yaml *v = map->child[i];
		if (v->kind != YAML_LIST)
			fault(src, v, "not a list: ", map->key[i]->text);
		for (size_t k = 0; v->kind == YAML_LIST && k < v->count; k++) {
			if (v->child[k]->kind == YAML_TEXT)
				text_list_keep(&list->values, v->child[k]->text);
			else
				fault(src, v->child[k], "a list holds texts and numbers", "");
		}
	}
}

/* Settings that are not single values. */
static bool read_special(const struct source *src, const char *path, const struct yaml *v)
{
	struct config *c = src->config;
	if (strcmp(path, "timeouts.reply_ms") == 0)
		read_reply_ms(src, v);
	else if (strcmp(path, "lists") == 0)
		read_lists(src, v);
	else if (strcmp(path, "names") == 0)
		site_names(&c->site, src->path, v, src->faults);
	else if (strcmp(path, "roles") == 0)
		site_roles(&c->site, src->path, v, src->faults);
	else if (strcmp(path, "zones") == 0)
		site_zones(&c->site, src->path, v, src->faults);
	else
		return false;
	return true;
}

static bool is_section(const char *path)
{
	size_t n = strlen(path);
	for (unsigned i = 0; i < SETTINGS; i++)
		if (strncmp(settings[i].path, path, n) == 0 && settings[i].path[n] == '.')
			return true;
	return false;
}

static const char *const special_paths[] = { "names", "roles", "zones", "lists",
	"timeouts.reply_ms" };

static const char *nearest(const char *path)
{
	const char *paths[SETTINGS + sizeof special_paths / sizeof special_paths[0] + 1];
	size_t n = 0;
	for (unsigned i = 0; i < SETTINGS; i++)
		paths[n++] = settings[i].path;
	for (unsigned i = 0; i < sizeof special_paths / sizeof special_paths[0]; i++)
		paths[n++] = special_paths[i];
	paths[n] = NULL;
	return text_nearest(path, paths);
}

static void unknown(const struct source *src, const struct yaml *at, const char *path)
{
	const char *near = nearest(path);
	text_list_add(src->faults, "%s:%u:%u: unknown setting %s%s%s%s", src->path, at->line,
		at->column, path, near == NULL ? "" : " (did you mean ", near == NULL ? "" : near,
		near == NULL ? "" : "?)");
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
		const struct setting *s = setting_at(path);
		if (s != NULL)
			read_setting(src, s, v);
		else if (read_special(src, path, v))
			continue;
		else if (is_section(path) && v->kind == YAML_MAP)
			read_map(src, v, path);
		else if (is_section(path))
			fault(src, v, path,
				yaml_null(v) ? " is empty" : " is a section: keys and values");
		else
			unknown(src, map->key[i], path);
	}
}

static bool read_file(struct config *c, const char *path, struct yaml_file *file,
	struct text_list *faults, size_t faults_before)
{
	struct source src = { .config = c, .path = path, .faults = faults };
	if (file != NULL && file->count > 1)
		fault(&src, file->document[1], "one document is enough", "");
	for (size_t i = 0; file != NULL && i < file->count && i < 1; i++) {
		const struct yaml *root = file->document[i];
		if (root->kind == YAML_MAP)
			read_map(&src, root, "");
		else if (!yaml_null(root))
			fault(&src, root, "a configuration is a map", "");
	}
	yaml_file_free(file);
	site_ready(&c->site, faults);
	return faults->count == faults_before;
}

bool config_load(struct config *c, const char *path, struct text_list *faults)
{
	size_t before = faults->count;
	return read_file(c, path, yaml_load(path, faults), faults, before);
}

bool config_parse(
	struct config *c, const char *path, const char *text, size_t len, struct text_list *faults)
{
	size_t before = faults->count;
	return read_file(c, path, yaml_parse(path, text, len, faults), faults, before);
}

bool config_set(struct config *c, const char *assignment, struct text_list *faults)
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
	struct source src = { .config = c, .path = "--set", .faults = faults };
	const struct setting *s = setting_at(path);
	const char *protocol = strncmp(path, "timeouts.reply_ms.", 18) == 0 ? path + 18 : NULL;
	if (s != NULL) {
		read_setting(&src, s, &value);
	} else if (protocol != NULL) {
		struct yaml key = { .kind = YAML_TEXT, .line = 1, .column = 1, .text = protocol };
		struct yaml *keys[] = { &key }, *values[] = { &value };
		struct yaml map = { .kind = YAML_MAP, .count = 1, .key = keys, .child = values };
		read_reply_ms(&src, &map);
	} else {
		unknown(&src, &value, path);
	}
	return faults->count == before;
}

/* --- writing ----------------------------------------------------------------------------- */

static void dump_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;
		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(out, "\\x%02x", c);
		else
			fputc(c, out);
	}
	fputc('"', out);
}

static void dump_texts(FILE *out, const struct text_list *list)
{
	fputc('[', out);
	for (size_t i = 0; i < list->count; i++) {
		if (i > 0)
			fputs(", ", out);
		dump_text(out, list->text[i]);
	}
	fputc(']', out);
}

static void dump_value(FILE *out, const struct config *c, const struct setting *s)
{
	const void *at = member_const(c, s);
	if (s->kind == KIND_NUMBER && *(const uint64_t *)at == UINT64_MAX)
		fputs("null", out);
	else if (s->kind == KIND_NUMBER)
		fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)at);
	else if (s->kind == KIND_SWITCH)
		fputs(*(const bool *)at ? "true" : "false", out);
	else if (s->kind == KIND_TEXTS)
		dump_texts(out, at);
	else if (*(char *const *)at == NULL)
		fputs("null", out);
	else
		dump_text(out, *(char *const *)at);
}

static void dump_prefixes(FILE *out, const struct site_map *m, uint16_t label)
{
	char text[64];
	const char *comma = "";
	fputc('[', out);
	for (size_t i = 0; i < m->count; i++) {
		if (m->prefix[i].label != label)
			continue;
		site_prefix_print(m->prefix[i].bytes, m->prefix[i].bits, text, sizeof text);
		fprintf(out, "%s\"%s\"", comma, text);
		comma = ", ";
	}
	fputc(']', out);
}

static void dump_site(FILE *out, const struct site *s)
{
	fprintf(out, "names:%s # what people call a device\n", s->names.count == 0 ? " {}" : "");
	for (size_t i = 0; i < s->names.count; i++) {
		const struct site_prefix *p = &s->names.prefix[i];
		char text[64];
		site_prefix_print(p->bytes, p->bits, text, sizeof text);
		fprintf(out, "  \"%s\": {name: ", text);
		dump_text(out, s->names.label[p->label]);
		fprintf(out, ", criticality: %u}\n",
			s->criticality == NULL ? 0 : s->criticality[p->label]);
	}
	fprintf(out, "roles:%s # engineering stations, HMIs, masters\n",
		s->roles.labels <= 1 ? " {}" : "");
	for (size_t i = 1; i < s->roles.labels; i++) {
		fputs("  ", out);
		dump_text(out, s->roles.label[i]);
		fputs(": ", out);
		dump_prefixes(out, &s->roles, (uint16_t)i);
		fputc('\n', out);
	}
	fprintf(out, "zones:%s # Purdue level and prefixes\n", s->zones.labels <= 1 ? " {}" : "");
	for (size_t i = 1; i < s->zones.labels; i++) {
		unsigned level = s->level == NULL ? 0 : s->level[i];
		fputs("  ", out);
		dump_text(out, s->zones.label[i]);
		fprintf(out, ": {level: %u.%u, prefixes: ", level / 10, level % 10);
		dump_prefixes(out, &s->zones, (uint16_t)i);
		fputs("}\n", out);
	}
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

/* A section stands once, although config.def may come back to it. */
static bool first_of_section(unsigned i)
{
	const char *dot = strchr(settings[i].path, '.');
	size_t n = dot == NULL ? strlen(settings[i].path) : (size_t)(dot - settings[i].path) + 1;
	for (unsigned k = 0; k < i; k++)
		if (strncmp(settings[k].path, settings[i].path, n) == 0)
			return false;
	return true;
}

static bool same_section(const char *a, const char *b)
{
	const char *dot = strchr(a, '.');
	return dot != NULL && strncmp(a, b, (size_t)(dot - a) + 1) == 0;
}

static void dump_reply_ms(FILE *out, const struct config *c)
{
	fputs("  reply_ms: # how long a reply may take, by protocol\n", out);
	for (unsigned i = 0; dissectors[i] != NULL && i < CONFIG_PROTOCOLS; i++)
		if (c->reply_ms[i] > 0)
			fprintf(out, "    %s: %u\n", dissectors[i]->name, c->reply_ms[i]);
}

static void dump_lists(FILE *out, const struct config *c)
{
	fprintf(out, "lists:%s # values of %%name%% in rules\n", c->list_count == 0 ? " {}" : "");
	for (size_t i = 0; i < c->list_count; i++) {
		fputs("  ", out);
		dump_text(out, c->lists[i].name);
		fputs(": ", out);
		dump_texts(out, &c->lists[i].values);
		fputc('\n', out);
	}
}

void config_dump(const struct config *c, FILE *out)
{
	fputs("# Every setting with its value now. Reads back as the same configuration.\n", out);
	for (unsigned i = 0; i < SETTINGS; i++) {
		if (!first_of_section(i))
			continue;
		const char *before = NULL;
		for (unsigned k = i; k < SETTINGS; k++) {
			const struct setting *s = &settings[k];
			if (k != i && !same_section(settings[i].path, s->path))
				continue;
			const char *key = dump_section(out, s, before);
			before = s->path;
			fprintf(out, "%s: ", key);
			dump_value(out, c, s);
			fprintf(out, " # %s%s%s\n", s->sentence,
				s->unit == NULL || *s->unit == '\0' ? "" : ", ",
				s->unit == NULL ? "" : s->unit);
		}
		if (same_section("timeouts.", settings[i].path))
			dump_reply_ms(out, c);
	}
	dump_lists(out, c);
	dump_site(out, &c->site);
}

void config_free(struct config *c)
{
	for (unsigned i = 0; i < SETTINGS; i++) {
		if (settings[i].kind == KIND_TEXT)
			free(*(char **)member(c, &settings[i]));
		else if (settings[i].kind == KIND_TEXTS)
			text_list_free(member(c, &settings[i]));
	}
	for (size_t i = 0; i < c->list_count; i++) {
		free(c->lists[i].name);
		text_list_free(&c->lists[i].values);
	}
	free(c->lists);
	site_free(&c->site);
	memset(c, 0, sizeof *c);
}
