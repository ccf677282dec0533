/* rule_load.c - files into a set of rules: every fault of every file is told, and any refuses the
 * set. */
#include "sensor/rule_impl.h"
#include "sensor/services.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { FOLDERS_MAX = 8, FAULT_MAX = 1024 };

void fault(struct loader *l, const struct yaml *at, const char *format, ...)
{
	char text[FAULT_MAX];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	for (char *c = text; *c != '\0'; c++) /* one line, whatever a rule file holds */
		if ((unsigned char)*c < ' ')
			*c = ' ';
	text_list_add(l->faults, "%s:%u:%u: %s", l->path, at->line, at->column, text);
}

void fault_unknown(struct loader *l, const struct yaml *at, const char *what, const char *word,
	const char *const *words)
{
	const char *near = text_nearest(word, words);
	if (near != NULL)
		fault(l, at, "unknown %s %.200s (did you mean %s?)", what, word, near);
	else
		fault(l, at, "unknown %s %.200s", what, word);
}

static void *grown(void *array, size_t *cap, size_t count, size_t size)
{
	if (count < *cap)
		return array;
	*cap = *cap == 0 ? 16 : *cap * 2;
	void *more = realloc(array, *cap * size);
	if (more == NULL)
		abort();
	return more;
}

void rules_keep_ipset(struct rules *r, struct ipset *set)
{
	r->ipsets = grown(r->ipsets, &r->ipset_cap, r->ipset_count, sizeof *r->ipsets);
	r->ipsets[r->ipset_count++] = set;
}

void rules_keep_regex(struct rules *r, struct regex *regex)
{
	r->regexes = grown(r->regexes, &r->regex_cap, r->regex_count, sizeof *r->regexes);
	r->regexes[r->regex_count++] = regex;
}

/* --- one document ------------------------------------------------------------------------ */

/* Fields for bongsu.matched: each once, in the order they were written. */
static void name_fields(struct rules *rules, struct compiled *c, const struct term *terms)
{
	size_t count = 0;
	for (const struct term *t = terms; t != NULL; t = t->next)
		count++;
	const struct term **ordered = arena_array(&rules->arena, count, sizeof *ordered);
	c->named = arena_array(&rules->arena, count, sizeof *c->named);
	for (size_t i = count; i > 0; terms = terms->next) /* chained last first */
		ordered[--i] = terms;
	for (size_t i = 0; i < count; i++) {
		bool known = ordered[i]->op == OP_ABSENT;
		for (uint32_t k = 0; k < c->named_count && !known; k++)
			known = c->named[k]->id == ordered[i]->ref.id;
		if (!known)
			c->named[c->named_count++] = &rules->words.ref[ordered[i]->ref.id];
	}
}

static bool is_retired(const struct yaml *doc)
{
	const struct yaml *status = yaml_get(doc, "status");
	return status != NULL && (strcmp(status->text, "deprecated") == 0 ||
					 strcmp(status->text, "unsupported") == 0);
}

static void document_begins(struct loader *l)
{
	l->dissector = NULL;
	l->any = true;
	l->terms = NULL;
}

static void keep_rule(struct loader *l, struct compiled *c)
{
	struct rules *r = l->rules;
	const struct yaml *name = yaml_get(c->source, "name");
	c->name = name == NULL ? "" : arena_text(&r->arena, name->text, name->len);
	r->rule = grown(r->rule, &r->cap, r->count, sizeof(struct compiled *));
	c->rule.index = (uint32_t)r->count;
	r->rule[r->count++] = c;
}

static void read_rule(struct loader *l, const struct yaml *doc)
{
	struct rules *r = l->rules;
	struct compiled *c = arena_alloc(&r->arena, sizeof *c);
	const struct yaml *detection = yaml_get(doc, "detection");
	c->set = r;
	c->source = doc;
	bool fine = rule_meta(l, doc, c);
	if (detection == NULL)
		fault(l, doc, "missing detection");
	else
		c->root = rule_detection(l, detection, NULL);
	if (!fine || c->root == NULL || is_retired(doc))
		return;
	name_fields(r, c, l->terms);
	keep_rule(l, c);
}

/* Its head; the rest once all rules are known. It holds for no message. */
static void read_correlation(struct loader *l, const struct yaml *doc)
{
	struct compiled *c = arena_alloc(&l->rules->arena, sizeof *c);
	c->set = l->rules;
	c->source = doc;
	if (!rule_meta(l, doc, c) || is_retired(doc))
		return;
	c->root = node_new(&l->rules->arena, NODE_NEVER, 0);
	c->correlation = arena_alloc(&l->rules->arena, sizeof *c->correlation);
	keep_rule(l, c);
}

static void read_filter(struct loader *l, const struct yaml *doc)
{
	static const char *const words[] = { "title", "id", "name", "taxonomy", "status",
		"description", "license", "author", "references", "date", "modified", "logsource",
		"filter", "tags", "scope", NULL };
	const struct yaml *filter = yaml_get(doc, "filter"), *id = yaml_get(doc, "id");
	const char *title = NULL, *service = NULL;
	rule_keys(l, doc, words);
	rule_title(l, doc, &title);
	rule_text(l, doc, "description", 65535);
	rule_date(l, doc, "date");
	rule_date(l, doc, "modified");
	if (id != NULL)
		rule_uuid(l, id);
	bool sourced = rule_logsource(l, doc, &service);
	struct filter f = {
		.path = l->path, .dissector = l->dissector, .rules = yaml_get(filter, "rules")
	};
	if (filter->kind == YAML_MAP &&
		(f.rules == NULL || f.rules->kind != YAML_LIST || f.rules->count == 0))
		fault(l, f.rules == NULL ? filter : f.rules, "a filter lists the rules it is for");
	f.node = sourced ? rule_detection(l, filter, "rules") : NULL;
	if (f.node == NULL || f.rules == NULL || f.rules->kind != YAML_LIST)
		return;
	l->filters = grown(l->filters, &l->filter_cap, l->filter_count, sizeof *l->filters);
	l->filters[l->filter_count++] = f;
}

/* Line and column of a fault in this file; other files' faults come last. */
static uint64_t place_of(const struct loader *l, const char *told)
{
	size_t n = strlen(l->path);
	unsigned line, column;
	if (strncmp(told, l->path, n) != 0 || sscanf(told + n, ":%u:%u:", &line, &column) != 2)
		return UINT64_MAX;
	return (uint64_t)line << 32 | column;
}

/* Faults are found key by key and told from top to bottom. */
static void sort_faults(struct loader *l, size_t from)
{
	char **text = l->faults->text;
	if (l->faults->left_out > 0)
		return; /* the last line is a count */
	for (size_t i = from + 1; i < l->faults->count; i++) {
		char *one = text[i];
		size_t at = i;
		for (; at > from && place_of(l, text[at - 1]) > place_of(l, one); at--)
			text[at] = text[at - 1];
		text[at] = one;
	}
}

static void read_document(struct loader *l, const struct yaml *doc)
{
	size_t before = l->faults->count;
	if (yaml_null(doc))
		return;
	document_begins(l);
	if (doc->kind != YAML_MAP)
		fault(l, doc, "a rule is a map that begins with its title");
	else if (yaml_get(doc, "correlation") != NULL)
		read_correlation(l, doc);
	else if (yaml_get(doc, "filter") != NULL)
		read_filter(l, doc);
	else
		read_rule(l, doc);
	sort_faults(l, before);
}

/* --- files ------------------------------------------------------------------------------- */

static void read_documents(struct loader *l, struct yaml_file *file)
{
	l->files = grown(l->files, &l->file_cap, l->file_count, sizeof(struct yaml_file *));
	l->files[l->file_count++] = file;
	l->path = file->path;
	for (size_t i = 0; i < file->count; i++)
		read_document(l, file->document[i]);
}

static void read_file(struct loader *l, const char *path)
{
	struct yaml_file *file = yaml_load(path, l->faults);
	if (file != NULL)
		read_documents(l, file);
}

static void read_text(struct loader *l, const struct rule_text *t)
{
	read_documents(l, yaml_parse(t->name, t->text, t->len, l->faults));
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);
	return n > m && strcmp(name + n - m, end) == 0;
}

/* Folders, and YAML files that are not the ATT&CK table; lists are no rules. */
static int is_wanted(const struct dirent *e)
{
	if (e->d_name[0] == '.' || strcmp(e->d_name, "lists") == 0 ||
		strcmp(e->d_name, "attack.yaml") == 0)
		return 0;
	return strchr(e->d_name, '.') == NULL || ends_with(e->d_name, ".yaml") ||
	       ends_with(e->d_name, ".yml");
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* The same file through two paths is read once. */
static bool is_new(struct loader *l, const struct stat *s)
{
	for (size_t i = 0; i < l->inode_count; i++)
		if (l->inodes[i].device == s->st_dev && l->inodes[i].number == s->st_ino)
			return false;
	l->inodes = grown(l->inodes, &l->inode_cap, l->inode_count, sizeof *l->inodes);
	l->inodes[l->inode_count].device = s->st_dev;
	l->inodes[l->inode_count++].number = s->st_ino;
	return true;
}

static void read_path(struct loader *l, const char *path, int depth, bool named)
{
	struct stat s;
	struct dirent **entries;
	if (stat(path, &s) != 0) {
		text_list_add(l->faults, "%s: %s", path, strerror(errno));
		return;
	}
	if (!S_ISDIR(s.st_mode)) {
		if ((named || S_ISREG(s.st_mode)) &&
			(named || ends_with(path, "yaml") || ends_with(path, "yml")) &&
			is_new(l, &s))
			read_file(l, path);
		return;
	}
	int n = depth == FOLDERS_MAX ? -1 : scandir(path, &entries, is_wanted, by_bytes);
	if (n < 0)
		text_list_add(l->faults, "%s: %s", path,
			depth == FOLDERS_MAX ? "folders nest too deep" : strerror(errno));
	for (int i = 0; i < n; i++) {
		char *inner = arena_printf(&l->rules->arena, "%s%s%s", path,
			path[strlen(path) - 1] == '/' ? "" : "/", entries[i]->d_name);
		read_path(l, inner, depth + 1, false);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

/* --- between rules ----------------------------------------------------------------------- */

static int by_sid(const void *a, const void *b)
{
	const struct compiled *x = *(struct compiled *const *)a, *y = *(struct compiled *const *)b;
	if (x->rule.sid != y->rule.sid)
		return x->rule.sid < y->rule.sid ? -1 : 1;
	return (x->rule.index > y->rule.index) - (x->rule.index < y->rule.index);
}

static int by_id(const void *a, const void *b)
{
	const struct compiled *x = *(struct compiled *const *)a, *y = *(struct compiled *const *)b;
	int order = strcmp(x->rule.id, y->rule.id);
	return order != 0 ? order
			  : (x->rule.index > y->rule.index) - (x->rule.index < y->rule.index);
}

static int by_name(const void *a, const void *b)
{
	const struct compiled *x = *(struct compiled *const *)a, *y = *(struct compiled *const *)b;
	int order = strcmp(x->name, y->name);
	return order != 0 ? order
			  : (x->rule.index > y->rule.index) - (x->rule.index < y->rule.index);
}

static void duplicate(
	struct loader *l, const struct compiled *c, const struct compiled *first, const char *key)
{
	const struct yaml *at = yaml_get(c->source, key);
	const char *colon = strrchr(c->rule.place, ':');
	l->path = arena_text(&l->rules->arena, c->rule.place, (size_t)(colon - c->rule.place));
	if (strcmp(key, "ics") == 0) {
		const struct yaml *sid = yaml_get(at, "sid");
		if (sid == NULL && strcmp(c->rule.id, first->rule.id) == 0)
			return; /* the id is told of */
		if (sid == NULL)
			fault(l, c->source,
				"the sid made of the id, %u, is that of %s: give one in ics.sid",
				c->rule.sid, first->rule.place);
		else
			fault(l, sid, "duplicate sid %u, first in %s", c->rule.sid,
				first->rule.place);
	} else
		fault(l, at, "duplicate %s, first in %s", key, first->rule.place);
}

static void refuse_duplicates(struct loader *l)
{
	struct rules *r = l->rules;
	struct compiled **sorted = calloc(r->count + 1, sizeof(struct compiled *));
	if (sorted == NULL)
		abort();
	if (r->count > 0)
		memcpy(sorted, r->rule, r->count * sizeof(struct compiled *));
	qsort(sorted, r->count, sizeof *sorted, by_sid);
	for (size_t i = 1, first = 0; i < r->count; i++) {
		if (sorted[i]->rule.sid != sorted[first]->rule.sid)
			first = i;
		else
			duplicate(l, sorted[i], sorted[first], "ics");
	}
	qsort(sorted, r->count, sizeof *sorted, by_id);
	for (size_t i = 1, first = 0; i < r->count; i++) {
		if (strcmp(sorted[i]->rule.id, sorted[first]->rule.id) != 0)
			first = i;
		else
			duplicate(l, sorted[i], sorted[first], "id");
	}
	qsort(sorted, r->count, sizeof *sorted, by_name);
	for (size_t i = 1, first = 0; i < r->count; i++) {
		if (sorted[i]->name[0] == '\0' || strcmp(sorted[i]->name, sorted[first]->name) != 0)
			first = i;
		else
			duplicate(l, sorted[i], sorted[first], "name");
	}
	free(sorted);
}

/* pySigma: the filter's condition is ANDed to that of each rule it names, by id or by name. */
static void filter_rule(struct loader *l, const struct filter *f, const struct yaml *who)
{
	struct rules *r = l->rules;
	for (size_t i = 0; i < r->count; i++) {
		struct compiled *c = r->rule[i];
		if (who->kind != YAML_TEXT ||
			(strcasecmp(c->rule.id, who->text) != 0 &&
				(who->len == 0 || strcmp(c->name, who->text) != 0)))
			continue;
		if (c->correlation != NULL) {
			fault(l, who, "a filter is for rules, not for correlations");
			return;
		}
		if (f->dissector != NULL && f->dissector != c->dissector) {
			fault(l, who, "the filter is for service %s, the rule for %s",
				f->dissector->name, c->rule.service);
			return;
		}
		struct node *both = node_new(&r->arena, NODE_AND, 2);
		both->child[0] = c->root;
		both->child[1] = f->node;
		node_done(both);
		c->root = both;
		return;
	}
	fault(l, who, "no rule has the id or name %s",
		who->kind == YAML_TEXT ? who->text : "(no text)");
}

static void apply_filters(struct loader *l)
{
	for (size_t i = 0; i < l->filter_count; i++) {
		const struct filter *f = &l->filters[i];
		l->path = f->path;
		for (size_t k = 0; k < f->rules->count; k++)
			filter_rule(l, f, f->rules->child[k]);
	}
}

/* --- the whole --------------------------------------------------------------------------- */

static struct labels labels_of(struct arena *arena, const char *const *name, size_t count)
{
	const char **copy = arena_array(arena, count, sizeof *copy);
	for (size_t i = 0; i < count; i++)
		copy[i] = name[i] == NULL ? "" : arena_text(arena, name[i], strlen(name[i]));
	return (struct labels){ copy, count };
}

static struct rules *rules_new(const struct rule_source *from)
{
	struct rules *r = calloc(1, sizeof *r);
	if (r == NULL)
		abort();
	vocabulary_make(
		&r->words, from->dissectors != NULL ? from->dissectors : services, &r->arena);
	r->labels[0] = labels_of(&r->arena, from->role_names, from->role_count);
	r->labels[1] = labels_of(&r->arena, from->zone_names, from->zone_count);
	r->labels[2] = labels_of(&r->arena, from->name_names, from->name_count);
	return r;
}

static void loader_end(struct loader *l)
{
	for (size_t i = 0; i < l->file_count; i++)
		yaml_file_free(l->files[i]);
	for (size_t i = 0; i < l->rules->count; i++)
		l->rules->rule[i]->source = NULL;
	free(l->files);
	free(l->filters);
	free(l->lists);
	free(l->inodes);
}

/* Whatever was read becomes a set, or is refused. */
static struct rules *rules_settle(struct loader *l, size_t faults)
{
	refuse_duplicates(l);
	apply_filters(l);
	rule_correlations(l);
	loader_end(l);
	if (l->faults->count > faults) {
		rules_free(l->rules);
		return NULL;
	}
	for (size_t i = 0; i < l->rules->count; i++)
		quick_split(l->rules->rule[i], &l->rules->arena);
	rules_index(l->rules);
	return l->rules;
}

struct rules *rules_load(const struct rule_source *from, struct text_list *faults)
{
	size_t before = faults->count;
	struct loader l = { .rules = rules_new(from), .from = from, .faults = faults };
	attack_load(&l);
	for (size_t i = 0; i < from->path_count; i++)
		read_path(&l, from->paths[i], 0, true);
	for (size_t i = 0; i < from->text_count; i++)
		read_text(&l, &from->texts[i]);
	return rules_settle(&l, before);
}

struct rules *rules_parse(const struct rule_source *from, const char *path, const char *text,
	size_t len, struct text_list *faults)
{
	size_t before = faults->count;
	struct loader l = { .rules = rules_new(from), .from = from, .faults = faults };
	attack_load(&l);
	read_text(&l, &(struct rule_text){ path, text, len });
	return rules_settle(&l, before);
}

void rules_free(struct rules *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->regex_count; i++)
		regex_free(r->regexes[i]);
	for (size_t i = 0; i < r->ipset_count; i++)
		ipset_free(r->ipsets[i]);
	free(r->regexes);
	free(r->ipsets);
	free(r->rule);
	arena_free(&r->arena);
	free(r);
}

size_t rules_count(const struct rules *r)
{
	return r->count;
}

const struct rule *rules_at(const struct rules *r, size_t index)
{
	return index < r->count ? &r->rule[index]->rule : NULL;
}
