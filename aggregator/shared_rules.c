/* shared_rules.c - a sorted list of UUIDs. */
#include "aggregator/shared_rules.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "aggregator/frame_table.h"
#include "common/yaml.h"

enum { UUID = 36, DEPTH = 4, RULES_MOST = 100000 };

struct shared_rules {
	char (*id)[UUID + 1];
	size_t count, cap;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, UUID);
}

static void add(struct shared_rules *r, const char *id)
{
	if (!frame_pattern_named("rule")(id, strlen(id)) || strlen(id) != UUID ||
		r->count == RULES_MOST)
		return; /* frames say no other */
	if (r->count == r->cap) {
		size_t cap = r->cap == 0 ? 512 : 2 * r->cap;
		void *grown = realloc(r->id, cap * sizeof *r->id);
		if (grown == NULL)
			return;
		r->id = grown;
		r->cap = cap;
	}
	memcpy(r->id[r->count++], id, UUID + 1);
}

static void add_ids(struct shared_rules *r, const struct yaml_file *f)
{
	for (size_t i = 0; f != NULL && i < f->count; i++) {
		const struct yaml *id = yaml_get(f->document[i], "id");
		if (id != NULL && id->kind == YAML_TEXT)
			add(r, id->text);
	}
}

static void read_file(struct shared_rules *r, const char *path)
{
	struct text_list faults = { 0 };
	struct yaml_file *f = yaml_load(path, &faults);
	add_ids(r, f);
	yaml_file_free(f);
	text_list_free(&faults);
}

static void sort(struct shared_rules *r)
{
	if (r->count > 0)
		qsort(r->id, r->count, sizeof *r->id, compare);
}

void shared_rules_add(struct shared_rules *r, const char *name, const char *text, size_t len)
{
	struct text_list faults = { 0 };
	struct yaml_file *f = yaml_parse(name, text, len, &faults);
	add_ids(r, f);
	sort(r);
	yaml_file_free(f);
	text_list_free(&faults);
}

static void read_path(struct shared_rules *r, const char *path, unsigned depth)
{
	struct stat st;
	if (stat(path, &st) != 0 || depth > DEPTH)
		return;
	if (!S_ISDIR(st.st_mode)) {
		read_file(r, path);
		return;
	}
	DIR *d = opendir(path);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char inner[4096];
		size_t n = strlen(e->d_name);
		if (e->d_name[0] == '.' || snprintf(inner, sizeof inner, "%s/%s", path,
						   e->d_name) >= (int)sizeof inner)
			continue;
		if (n > 5 && strcmp(e->d_name + n - 5, ".yaml") == 0)
			read_file(r, inner);
		else if (strchr(e->d_name, '.') == NULL)
			read_path(r, inner, depth + 1);
	}
	if (d != NULL)
		closedir(d);
}

struct shared_rules *shared_rules_load(const char *const *paths, size_t count)
{
	struct shared_rules *r = calloc(1, sizeof *r);
	for (size_t i = 0; r != NULL && i < count; i++)
		read_path(r, paths[i], 0);
	if (r != NULL)
		sort(r);
	return r;
}

void shared_rules_free(struct shared_rules *r)
{
	if (r != NULL)
		free(r->id);
	free(r);
}

bool shared_rules_has(const struct shared_rules *r, const char *uuid)
{
	return r != NULL && r->count > 0 && strlen(uuid) == UUID &&
	       bsearch(uuid, r->id, r->count, sizeof *r->id, compare) != NULL;
}

size_t shared_rules_count(const struct shared_rules *r)
{
	return r == NULL ? 0 : r->count;
}
