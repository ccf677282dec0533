/* config.c - the aggregator's settings: the table config.def, and its parents. */
#include "aggregator/config.h"

#include <stdlib.h>
#include <string.h>

#include "common/settings.h"

static const struct setting rows[] = {
#define NUMBER(...) SETTING_NUMBER(struct agg_config, __VA_ARGS__),
#define SWITCH(...) SETTING_SWITCH(struct agg_config, __VA_ARGS__),
#define TEXT(...)   SETTING_TEXT(struct agg_config, __VA_ARGS__),
#define TEXTS(...)  SETTING_TEXTS(struct agg_config, __VA_ARGS__),
#include "aggregator/config.def"
#undef NUMBER
#undef SWITCH
#undef TEXT
#undef TEXTS
};

/* --- parents ----------------------------------------------------------------------------- */

static void free_parents(struct agg_config *c)
{
	for (unsigned i = 0; i < c->parents; i++) {
		free(c->parent[i].url);
		free(c->parent[i].org);
		free(c->parent[i].sector);
		free(c->parent[i].region);
	}
	memset(c->parent, 0, sizeof c->parent);
	c->parents = 0;
}

static void read_text(char **to, const struct yaml *v)
{
	free(*to);
	*to = strdup(v->text);
}

static bool read_level(uint64_t *to, const struct yaml *v, uint64_t low, uint64_t high)
{
	uint64_t n;
	if (!yaml_uint(v, &n) || n < low || n > high)
		return false;
	*to = n;
	return true;
}

static bool is_org(const char *text)
{
	return strlen(text) == 32 && strspn(text, "0123456789abcdef") == 32;
}

static const char *read_member(struct agg_parent *p, const char *key, const struct yaml *v)
{
	if (v->kind != YAML_TEXT || yaml_null(v))
		return " is a single value";
	if (strcmp(key, "url") == 0) {
		read_text(&p->url, v);
		return strncmp(v->text, "https://", 8) == 0 ? NULL : " is https://HOST:PORT";
	}
	if (strcmp(key, "org") == 0) {
		read_text(&p->org, v);
		return is_org(v->text) ? NULL : " is the parent's id of 32 hex digits";
	}
	if (strcmp(key, "level") == 0)
		return read_level(&p->level, v, 0, 3) ? NULL : " is 0 to 3";
	if (strcmp(key, "severity") == 0)
		return read_level(&p->severity, v, 1, 4) ? NULL : " is 1 (critical) to 4 (low)";
	if (strcmp(key, "link") == 0) {
		p->count = strcmp(v->text, "count") == 0;
		return p->count || strcmp(v->text, "view") == 0 ? NULL : " is count or view";
	}
	if (strcmp(key, "sector") == 0)
		read_text(&p->sector, v);
	else if (strcmp(key, "region") == 0)
		read_text(&p->region, v);
	else
		return " is no setting of a parent: url org level link region sector severity";
	return NULL;
}

static void read_parent(
	const struct settings_source *src, struct agg_config *c, const struct yaml *map)
{
	if (map->kind != YAML_MAP) {
		settings_fault(src, map, "a parent is a map: url, org, level, link …", "");
		return;
	}
	struct agg_parent *p = &c->parent[c->parents++];
	*p = (struct agg_parent){ .level = 1, .count = true, .severity = 4 };
	for (size_t i = 0; i < map->count; i++) {
		const char *key = map->key[i]->text;
		const char *wrong = read_member(p, key, map->child[i]);
		if (wrong != NULL)
			settings_fault(src, map->child[i], key, wrong);
	}
	if (p->url == NULL || p->org == NULL)
		settings_fault(src, map, "a parent has a url and an org", "");
	if (p->count && (p->sector != NULL || p->region != NULL || p->severity != 4))
		settings_fault(
			src, map, "a parent with link: count gets everything: no filter", "");
}

static bool read_parents(
	const struct settings_source *src, void *object, const char *path, const struct yaml *v)
{
	struct agg_config *c = object;
	if (strcmp(path, "parents") != 0)
		return false;
	free_parents(c);
	if (yaml_null(v))
		return true;
	unsigned counting = 0;
	if (v->kind != YAML_LIST || v->count > 4) {
		settings_fault(src, v, "parents is a list of at most 4", "");
		return true;
	}
	for (size_t i = 0; i < v->count; i++)
		read_parent(src, c, v->child[i]);
	for (unsigned i = 0; i < c->parents; i++) {
		counting += c->parent[i].count;
		for (unsigned k = 0; k < i; k++)
			if (c->parent[i].org != NULL && c->parent[k].org != NULL &&
				strcmp(c->parent[i].org, c->parent[k].org) == 0)
				settings_fault(src, v->child[i],
					"two parents are the same: ", c->parent[i].org);
	}
	if (c->parents > 0 && counting != 1)
		settings_fault(src, v, "exactly one parent has link: count, the others view", "");
	return true;
}

static void dump_parents(const struct agg_config *c, FILE *out)
{
	fprintf(out, "parents:%s # where reports go\n", c->parents == 0 ? " []" : "");
	for (unsigned i = 0; i < c->parents; i++) {
		const struct agg_parent *p = &c->parent[i];
		fputs("  - url: ", out);
		settings_dump_text(out, p->url);
		fprintf(out, "\n    org: \"%s\"\n    level: %llu\n    link: %s\n", p->org,
			(unsigned long long)p->level, p->count ? "count" : "view");
		if (p->sector != NULL)
			fputs("    sector: ", out), settings_dump_text(out, p->sector),
				fputc('\n', out);
		if (p->region != NULL)
			fputs("    region: ", out), settings_dump_text(out, p->region),
				fputc('\n', out);
		if (p->severity != 4)
			fprintf(out, "    severity: %llu\n", (unsigned long long)p->severity);
	}
}

/* ----------------------------------------------------------------------------------------- */

static const char *const special_paths[] = { "parents", NULL };

static const struct settings settings = {
	.all = rows,
	.count = sizeof rows / sizeof rows[0],
	.special = special_paths,
	.read_special = read_parents,
	.judge = agg_config_judge,
};

void agg_config_init(struct agg_config *c)
{
	memset(c, 0, sizeof *c);
	settings_init(&settings, c);
}

bool agg_config_load(struct agg_config *c, const char *path, struct text_list *faults)
{
	size_t before = faults->count;
	settings_read(&settings, c, path, yaml_load(path, faults), faults);
	return faults->count == before;
}

bool agg_config_parse(struct agg_config *c, const char *path, const char *text, size_t len,
	struct text_list *faults)
{
	size_t before = faults->count;
	settings_read(&settings, c, path, yaml_parse(path, text, len, faults), faults);
	return faults->count == before;
}

bool agg_config_set(struct agg_config *c, const char *assignment, struct text_list *faults)
{
	return settings_set(&settings, c, assignment, NULL, faults);
}

void agg_config_dump(const struct agg_config *c, FILE *out)
{
	settings_dump(&settings, c, out);
	dump_parents(c, out);
}

void agg_config_free(struct agg_config *c)
{
	settings_free(&settings, c);
	free_parents(c);
	memset(c, 0, sizeof *c);
}
