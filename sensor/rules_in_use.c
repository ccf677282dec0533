/* rules_in_use.c - finds the rules, and swaps a set for a newer one. */
#include "sensor/rules_in_use.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef BONGSU_RULES
#define BONGSU_RULES "/usr/share/bongsu/rules"
#endif

/* Is it a folder or file that we may read? */
static bool usable(const char *path)
{
	return access(path, R_OK) == 0;
}

/* Where the shipped rules are; false if nowhere. */
static bool shipped(char *out, size_t cap)
{
	static const char *const beside[] = { "rules", "../rules", "../share/bongsu/rules" };
	char program[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
	if (n > 0) {
		program[n] = '\0';
		char *slash = strrchr(program, '/');
		size_t folder = slash == NULL ? 0 : (size_t)(slash - program);
		for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
			int len = snprintf(out, cap, "%.*s/%s", (int)folder, program, beside[i]);
			if (len > 0 && (size_t)len < cap && usable(out))
				return true;
		}
	}
	return snprintf(out, cap, "%s", BONGSU_RULES) < (int)cap && usable(out);
}

/* A file or folder beside the rules, if it is there. */
static char *companion(const char *folder, const char *name)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof path, "%s/%s", folder, name);
	return n > 0 && (size_t)n < sizeof path && usable(path) ? strdup(path) : NULL;
}

/* The one beside the first folder of rules that has it, else beside the shipped ones. */
static char *companion_of(const struct text_list *paths, const char *shipped_in, const char *name)
{
	char *found = NULL;
	for (size_t i = 0; i < paths->count && found == NULL; i++)
		found = companion(paths->text[i], name);
	if (found == NULL && shipped_in != NULL)
		found = companion(shipped_in, name);
	return found;
}

static void add_all(struct text_list *to, const struct text_list *from)
{
	for (size_t i = 0; i < from->count; i++)
		text_list_keep(to, from->text[i]);
}

void rules_find(struct rules_in_use *u, const struct options *o, const struct config *c)
{
	char folder[PATH_MAX];
	bool found = shipped(folder, sizeof folder);
	if (o->rules_only.count > 0)
		add_all(&u->paths, &o->rules_only);
	else if (c->rules.count > 0)
		add_all(&u->paths, &c->rules);
	else if (found)
		text_list_keep(&u->paths, folder);
	add_all(&u->paths, &o->rules_also);

	if (c->rule_lists != NULL)
		u->lists = strdup(c->rule_lists);
	else
		u->lists = companion_of(&u->paths, found ? folder : NULL, "lists");
	if (c->attack_table != NULL)
		u->attack = strdup(c->attack_table);
	else
		u->attack = companion_of(&u->paths, found ? folder : NULL, "attack.yaml");
}

struct rules *rules_compile(const struct rules_in_use *u, const struct config *c,
	const struct rules_beside *beside, struct text_list *faults)
{
	static const struct rules_beside nothing;
	beside = beside == NULL ? &nothing : beside;
	struct rule_list *lists = calloc(c->list_count + beside->list_count + 1, sizeof *lists);
	if (lists == NULL)
		abort();
	for (size_t i = 0; i < c->list_count; i++)
		lists[i] = (struct rule_list){ .name = c->lists[i].name,
			.values = (const char *const *)c->lists[i].values.text,
			.count = c->lists[i].values.count };
	for (size_t i = 0; i < beside->list_count; i++)
		lists[c->list_count + i] = beside->lists[i];
	struct rule_source from = {
		.paths = (const char *const *)u->paths.text,
		.path_count = u->paths.count,
		.list_folder = u->lists,
		.attack_table = u->attack,
		.lists = lists,
		.list_count = c->list_count + beside->list_count,
		.texts = beside->texts,
		.text_count = beside->text_count,
		.role_names = c->site.roles.label,
		.role_count = c->site.roles.labels,
		.zone_names = c->site.zones.label,
		.zone_count = c->site.zones.labels,
		.name_names = c->site.names.label,
		.name_count = c->site.names.labels,
	};
	struct rules *rules = rules_load(&from, faults);
	free(lists);
	return rules;
}

bool rules_use(struct rules_in_use *u, struct rules *rules)
{
	struct rule_run *run = rules == NULL ? NULL : rule_run_new(rules);
	if (run == NULL) {
		rules_free(rules);
		return false;
	}
	rule_run_free(u->run);
	rules_free(u->rules);
	u->rules = rules;
	u->run = run;
	return true;
}

bool rules_read(struct rules_in_use *u, const struct config *c, struct text_list *faults)
{
	return rules_use(u, rules_compile(u, c, NULL, faults));
}

void rules_in_use_free(struct rules_in_use *u)
{
	rule_run_free(u->run);
	rules_free(u->rules);
	text_list_free(&u->paths);
	free(u->lists);
	free(u->attack);
	*u = (struct rules_in_use){ 0 };
}
