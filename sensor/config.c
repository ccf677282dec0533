/* config.c - the sensor's settings: the table config.def, and those that are no single value. */
#include "sensor/config.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/settings.h"

static const struct setting rows[] = {
#define NUMBER(...) SETTING_NUMBER(struct config, __VA_ARGS__),
#define SWITCH(...) SETTING_SWITCH(struct config, __VA_ARGS__),
#define TEXT(...)   SETTING_TEXT(struct config, __VA_ARGS__),
#define TEXTS(...)  SETTING_TEXTS(struct config, __VA_ARGS__),
#include "sensor/config.def"
#undef NUMBER
#undef SWITCH
#undef TEXT
#undef TEXTS
};

/* --- reading ----------------------------------------------------------------------------- */

static void read_reply_ms(
	const struct settings_source *src, struct config *c, const struct yaml *map)
{
	if (map->kind != YAML_MAP) {
		settings_fault(src, map, "reply_ms is a map of protocols to milliseconds", "");
		return;
	}
	for (size_t i = 0; i < map->count; i++) {
		const struct dissector *d = dissector_named(map->key[i]->text);
		uint64_t ms;
		if (d == NULL)
			settings_fault(src, map->key[i], "unknown protocol ", map->key[i]->text);
		else if (map->child[i]->kind != YAML_TEXT || !yaml_uint(map->child[i], &ms) ||
			 ms == 0 || ms > 3600000)
			settings_fault(src, map->child[i], "reply_ms is 1 to 3600000 ms", "");
		else
			c->reply_ms[dissector_index(d)] = (uint32_t)ms;
	}
}

static void read_lists(const struct settings_source *src, struct config *c, const struct yaml *map)
{
	if (yaml_null(map))
		return;
	if (map->kind != YAML_MAP) {
		settings_fault(src, map, "lists is a map of names to lists", "");
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
			settings_fault(src, v, "not a list: ", map->key[i]->text);
		for (size_t k = 0; v->kind == YAML_LIST && k < v->count; k++) {
			if (v->child[k]->kind == YAML_TEXT)
				text_list_keep(&list->values, v->child[k]->text);
			else
				settings_fault(
					src, v->child[k], "a list holds texts and numbers", "");
		}
	}
}

/* Settings that are not single values. */
static bool read_special(
	const struct settings_source *src, void *object, const char *path, const struct yaml *v)
{
	struct config *c = object;
	if (strcmp(path, "timeouts.reply_ms") == 0)
		read_reply_ms(src, c, v);
	else if (strcmp(path, "lists") == 0)
		read_lists(src, c, v);
	else if (strcmp(path, "names") == 0)
		site_names(&c->site, src->path, v, src->faults);
	else if (strcmp(path, "roles") == 0)
		site_roles(&c->site, src->path, v, src->faults);
	else if (strcmp(path, "zones") == 0)
		site_zones(&c->site, src->path, v, src->faults);
	else if (strcmp(path, "silences") == 0)
		quiet_silences(&c->quiet, src->path, v, false, src->faults);
	else if (strcmp(path, "maintenance") == 0)
		quiet_windows(&c->quiet, src->path, v, false, src->faults);
	else if (strcmp(path, "points") == 0)
		points_read(&c->points, src->path, v, src->faults);
	else if (strcmp(path, "interlocks") == 0)
		interlocks_read(&c->points, src->path, v, src->faults);
	else if (strcmp(path, "conduits") == 0)
		conduits_read(&c->site.conduits, src->path, v, src->faults);
	else if (strcmp(path, "baseline") == 0)
		baselines_read(&c->baselines, src->path, v, src->faults);
	else
		return false;
	return true;
}

/* timeouts.reply_ms.PROTOCOL=MS */
static bool set_reply_ms(
	const struct settings_source *src, void *object, const char *path, const struct yaml *value)
{
	static const char prefix[] = "timeouts.reply_ms.";
	if (strncmp(path, prefix, sizeof prefix - 1) != 0)
		return false;
	struct yaml key = {
		.kind = YAML_TEXT, .line = 1, .column = 1, .text = path + sizeof prefix - 1
	};
	struct yaml copy = *value, *keys[] = { &key }, *values[] = { &copy };
	struct yaml map = { .kind = YAML_MAP, .count = 1, .key = keys, .child = values };
	read_reply_ms(src, object, &map);
	return true;
}

/* --- writing ----------------------------------------------------------------------------- */

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
		settings_dump_text(out, s->names.label[p->label]);
		fprintf(out, ", criticality: %u}\n",
			s->criticality == NULL ? 0 : s->criticality[p->label]);
	}
	fprintf(out, "roles:%s # engineering stations, HMIs, masters\n",
		s->roles.labels <= 1 ? " {}" : "");
	for (size_t i = 1; i < s->roles.labels; i++) {
		fputs("  ", out);
		settings_dump_text(out, s->roles.label[i]);
		fputs(": ", out);
		dump_prefixes(out, &s->roles, (uint16_t)i);
		fputc('\n', out);
	}
	fprintf(out, "zones:%s # Purdue level and prefixes\n", s->zones.labels <= 1 ? " {}" : "");
	for (size_t i = 1; i < s->zones.labels; i++) {
		int level = site_level(s, (uint16_t)i);
		fputs("  ", out);
		settings_dump_text(out, s->zones.label[i]);
		fputs(": {", out);
		if (level >= 0)
			fprintf(out, "level: %d.%d, ", level / 10, level % 10);
		fputs("prefixes: ", out);
		dump_prefixes(out, &s->zones, (uint16_t)i);
		fputs("}\n", out);
	}
	conduits_dump(&s->conduits, out);
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
		settings_dump_text(out, c->lists[i].name);
		fputs(": ", out);
		settings_dump_texts(out, &c->lists[i].values);
		fputc('\n', out);
	}
}

static void dump_more(const void *object, const char *path, FILE *out)
{
	if (strncmp(path, "timeouts.", 9) == 0)
		dump_reply_ms(out, object);
}

/* ----------------------------------------------------------------------------------------- */

static const char *const special_paths[] = { "names", "roles", "zones", "conduits", "points",
	"interlocks", "lists", "timeouts.reply_ms", "silences", "maintenance", "baseline", NULL };

static const struct settings settings = {
	.all = rows,
	.count = sizeof rows / sizeof rows[0],
	.special = special_paths,
	.read_special = read_special,
	.dump_section = dump_more,
};

void config_init(struct config *c)
{
	memset(c, 0, sizeof *c);
	settings_init(&settings, c);
	for (unsigned i = 0; dissectors[i] != NULL && i < CONFIG_PROTOCOLS; i++)
		c->reply_ms[i] = dissectors[i]->reply_ms;
}

static bool read_file(struct config *c, const char *path, struct yaml_file *file,
	struct text_list *faults, size_t before)
{
	settings_read(&settings, c, path, file, faults);
	site_ready(&c->site, faults);
	quiet_ready(&c->quiet, &c->site, path, faults);
	points_ready(&c->points, &c->site, c->max_points, faults);
	return faults->count == before;
}

bool config_load(struct config *c, const char *path, struct text_list *faults)
{
	size_t before = faults->count;
	read_file(c, path, yaml_load(path, faults), faults, before);
	baselines_load(&c->baselines, faults);
	return faults->count == before;
}

bool config_parse(
	struct config *c, const char *path, const char *text, size_t len, struct text_list *faults)
{
	size_t before = faults->count;
	return read_file(c, path, yaml_parse(path, text, len, faults), faults, before);
}

bool config_set(struct config *c, const char *assignment, struct text_list *faults)
{
	return settings_set(&settings, c, assignment, set_reply_ms, faults);
}

void config_dump(const struct config *c, FILE *out)
{
	settings_dump(&settings, c, out);
	dump_lists(out, c);
	dump_site(out, &c->site);
	quiet_dump(&c->quiet, false, out);
	points_dump(out, &c->points);
	baselines_dump(&c->baselines, out);
}

void config_free(struct config *c)
{
	settings_free(&settings, c);
	for (size_t i = 0; i < c->list_count; i++) {
		free(c->lists[i].name);
		text_list_free(&c->lists[i].values);
	}
	free(c->lists);
	site_free(&c->site);
	quiet_free(&c->quiet);
	points_free(&c->points);
	baselines_free(&c->baselines);
	memset(c, 0, sizeof *c);
}
