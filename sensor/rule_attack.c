/* rule_attack.c - the ATT&CK table, and what tags become in alert.metadata. */
#include "sensor/rule_impl.h"

#include <ctype.h>

enum { TAGS_MAX = 64, JSON_MAX = 16384 };

/* --- the table --------------------------------------------------------------------------- */

static const char *text_of(struct loader *l, const struct yaml *map, const char *key, bool wanted)
{
	const struct yaml *y = yaml_get(map, key);
	if (y != NULL && y->kind == YAML_TEXT && y->len > 0)
		return arena_text(&l->rules->arena, y->text, y->len);
	if (y != NULL || wanted)
		fault(l, y != NULL ? y : map, "missing or no text: %s", key);
	return NULL;
}

/* Of an id in any case. */
static uint32_t id_hash(const char *id)
{
	uint32_t h = 2166136261u;
	for (; *id != '\0'; id++)
		h = (h ^ (uint32_t)tolower((unsigned char)*id)) * 16777619u;
	return h;
}

static bool is_known_tactic(const struct attack *a, const char *id)
{
	for (size_t i = 0; i < a->tactics; i++)
		if (strcmp(a->tactic[i].id, id) == 0)
			return true;
	return false;
}

static void read_tactics(struct loader *l, const struct yaml *list)
{
	struct attack *a = &l->attack;
	if (list == NULL || list->kind != YAML_LIST)
		return;
	a->tactic = arena_array(&l->rules->arena, list->count, sizeof *a->tactic);
	for (size_t i = 0; i < list->count; i++) {
		const struct yaml *y = list->child[i];
		const char *id = text_of(l, y, "id", true), *name = text_of(l, y, "name", true);
		const char *tag = text_of(l, y, "tag", true);
		if (id == NULL || name == NULL || tag == NULL)
			continue;
		a->tactic[a->tactics].id = id;
		a->tactic[a->tactics].name = name;
		a->tactic[a->tactics++].tag = tag;
	}
}

/* False: it lacks an id, which was told. */
static bool read_technique(struct loader *l, const struct yaml *y, struct technique *t)
{
	*t = (struct technique){ 0 };
	t->v18 = text_of(l, y, "v18", true);
	t->v19 = text_of(l, y, "v19", true);
	t->name = text_of(l, y, "name", true);
	const struct yaml *tactics = yaml_get(y, "tactics");
	if (tactics == NULL || tactics->kind != YAML_LIST) {
		fault(l, y, "missing tactics");
		return false;
	}
	t->tactic = arena_array(&l->rules->arena, tactics->count, sizeof *t->tactic);
	for (size_t i = 0; i < tactics->count; i++) {
		const struct yaml *id = tactics->child[i];
		if (id->kind == YAML_TEXT && is_known_tactic(&l->attack, id->text))
			t->tactic[t->tactics++] = arena_text(&l->rules->arena, id->text, id->len);
		else
			fault(l, id, "unknown tactic");
	}
	if (t->v18 == NULL || t->v19 == NULL)
		return false;
	t->v18_hash = id_hash(t->v18);
	t->v19_hash = id_hash(t->v19);
	return true;
}

void attack_load(struct loader *l)
{
	if (l->from->attack_table == NULL)
		return;
	size_t faults = l->faults->count;
	struct yaml_file *file = yaml_load(l->from->attack_table, l->faults);
	if (file == NULL)
		return;
	l->path = file->path;
	const struct yaml *doc = file->count > 0 ? file->document[0] : NULL;
	const struct yaml *list = yaml_get(doc, "techniques");
	if (list == NULL || list->kind != YAML_LIST)
		text_list_add(l->faults, "%s: no techniques in the table", file->path);
	else {
		read_tactics(l, yaml_get(doc, "tactics"));
		l->attack.technique =
			arena_array(&l->rules->arena, list->count, sizeof *l->attack.technique);
		for (size_t i = 0; i < list->count; i++)
			if (read_technique(
				    l, list->child[i], &l->attack.technique[l->attack.count]))
				l->attack.count++;
	}
	l->attack.known = l->faults->count == faults;
	yaml_file_free(file);
}

/* --- tags -------------------------------------------------------------------------------- */

struct tags {
	const struct technique *technique[TAGS_MAX];
	struct technique made[TAGS_MAX]; /* where no table was given */
	size_t techniques;
	size_t tactic[TAGS_MAX]; /* index in attack.tactic */
	size_t tactics;
	const char *cve[TAGS_MAX], *other[TAGS_MAX];
	size_t cves, others;
};

static char *upper(struct loader *l, const char *text)
{
	char *copy = arena_text(&l->rules->arena, text, strlen(text));
	for (char *c = copy; *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	return copy;
}

/* "t0855", "t1692.001" */
static bool is_technique_id(const char *id)
{
	size_t digits = id[0] == 't' ? strspn(id + 1, "0123456789") : 0;
	const char *rest = id + 1 + digits;
	return digits == 4 && (*rest == '\0' || (*rest == '.' && strlen(rest) == 4 &&
							strspn(rest + 1, "0123456789") == 3));
}

static const struct technique *technique_of(struct loader *l, const char *id)
{
	uint32_t hash = id_hash(id);
	for (size_t i = 0; i < l->attack.count; i++) {
		const struct technique *t = &l->attack.technique[i];
		if (t->v19_hash == hash && strcasecmp(t->v19, id) == 0)
			return t;
	}
	for (size_t i = 0; i < l->attack.count; i++) {
		const struct technique *t = &l->attack.technique[i];
		if (t->v18_hash == hash && strcasecmp(t->v18, id) == 0)
			return t;
	}
	return NULL;
}

static void add_tactic(struct tags *g, size_t index)
{
	for (size_t i = 0; i < g->tactics; i++)
		if (g->tactic[i] == index)
			return;
	if (g->tactics < TAGS_MAX)
		g->tactic[g->tactics++] = index;
}

static void technique_tag(struct loader *l, const struct yaml *y, const char *id, struct tags *g)
{
	const struct technique *t = technique_of(l, id);
	if (t == NULL && l->attack.known) {
		fault(l, y, "technique %s is not in %s", id, l->from->attack_table);
		return;
	}
	if (t == NULL) {
		struct technique *made = &g->made[g->techniques];
		*made = (struct technique){ 0 };
		made->v18 = made->v19 = upper(l, id);
		t = made;
	}
	g->technique[g->techniques++] = t;
	for (size_t i = 0; i < t->tactics; i++)
		for (size_t k = 0; k < l->attack.tactics; k++)
			if (strcmp(l->attack.tactic[k].id, t->tactic[i]) == 0)
				add_tactic(g, k);
}

static void attack_tag(struct loader *l, const struct yaml *y, const char *rest, struct tags *g)
{
	if (is_technique_id(rest)) {
		technique_tag(l, y, rest, g);
		return;
	}
	char *dashed = arena_text(&l->rules->arena, rest, strlen(rest));
	for (char *c = dashed; *c != '\0'; c++)
		if (*c == '_')
			*c = '-';
	for (size_t i = 0; i < l->attack.tactics; i++)
		if (strcmp(l->attack.tactic[i].tag, dashed) == 0 ||
			strcasecmp(l->attack.tactic[i].id, rest) == 0) {
			add_tactic(g, i);
			return;
		}
	if (l->attack.known)
		fault(l, y, "tag attack.%s is neither a technique nor a tactic", rest);
}

static bool is_tag(const char *c)
{
	while ((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_' || *c == '.' ||
		*c == '-')
		c++;
	return *c == '\0';
}

static void one_tag(struct loader *l, const struct yaml *y, struct tags *g)
{
	const char *dot = y->kind == YAML_TEXT ? strchr(y->text, '.') : NULL;
	if (dot == NULL || dot == y->text || dot[1] == '\0' || !is_tag(y->text)) {
		fault(l, y, "a tag is namespace.name in lower case");
		return;
	}
	if (strncmp(y->text, "attack.", 7) == 0)
		attack_tag(l, y, dot + 1, g);
	else if (strncmp(y->text, "cve.", 4) == 0)
		g->cve[g->cves++] = arena_printf(&l->rules->arena, "CVE-%s", upper(l, dot + 1));
	else
		g->other[g->others++] = arena_text(&l->rules->arena, y->text, y->len);
}

static void read_tags(struct loader *l, const struct yaml *list, struct tags *g)
{
	g->techniques = g->tactics = g->cves = g->others = 0;
	if (list == NULL)
		return;
	if (list->kind != YAML_LIST || list->count > TAGS_MAX) {
		fault(l, list, "tags are a list of at most %d texts", TAGS_MAX);
		return;
	}
	for (size_t i = 0; i < list->count; i++)
		one_tag(l, list->child[i], g);
}

/* --- JSON -------------------------------------------------------------------------------- */

static void member(struct buf *b, const char *text, bool first)
{
	if (!first)
		buf_char(b, ',');
	buf_json_string(b, text, strlen(text), 1024);
}

static void list_open(struct buf *b, const char *name)
{
	if (b->at[b->len - 1] != '{')
		buf_char(b, ',');
	buf_char(b, '"');
	buf_str(b, name);
	buf_lit(b, "\":[");
}

static void texts(struct buf *b, const char *name, const char *const *text, size_t count)
{
	if (count == 0)
		return;
	list_open(b, name);
	for (size_t i = 0; i < count; i++)
		member(b, text[i], i == 0);
	buf_char(b, ']');
}

static void techniques(struct buf *b, const struct tags *g)
{
	const char *id[TAGS_MAX], *name[TAGS_MAX];
	size_t names = 0;
	for (size_t i = 0; i < g->techniques; i++) {
		id[i] = g->technique[i]->v19;
		if (g->technique[i]->name != NULL)
			name[names++] = g->technique[i]->name;
	}
	texts(b, "mitre_technique_id", id, g->techniques);
	texts(b, "mitre_technique_name", name, names);
}

static void tactics(struct buf *b, const struct loader *l, const struct tags *g)
{
	const char *id[TAGS_MAX], *name[TAGS_MAX];
	for (size_t i = 0; i < g->tactics; i++) {
		id[i] = l->attack.tactic[g->tactic[i]].id;
		name[i] = l->attack.tactic[g->tactic[i]].name;
	}
	texts(b, "mitre_tactic_id", id, g->tactics);
	texts(b, "mitre_tactic_name", name, g->tactics);
}

static const char *v18_json(struct loader *l, const struct tags *g)
{
	char memory[JSON_MAX];
	struct buf b = buf_over(memory, sizeof memory);
	if (g->techniques == 0)
		return NULL;
	buf_char(&b, '[');
	for (size_t i = 0; i < g->techniques; i++)
		member(&b, g->technique[i]->v18, i == 0);
	buf_char(&b, ']');
	return arena_text(&l->rules->arena, b.at, b.len);
}

void attack_render(struct loader *l, const struct metadata *m, struct rule *rule)
{
	static const char *const severity[] = { "Informational", "Low", "Medium", "High",
		"Critical" };
	char memory[JSON_MAX];
	struct buf b = buf_over(memory, sizeof memory);
	struct tags g;
	read_tags(l, m->tags, &g);
	buf_char(&b, '{');
	techniques(&b, &g);
	tactics(&b, l, &g);
	texts(&b, "signature_severity", &severity[m->level], 1);
	texts(&b, "cve", g.cve, g.cves);
	texts(&b, "sigma_id", &m->id, 1);
	texts(&b, "tag", g.other, g.others);
	buf_char(&b, '}');
	if (b.full)
		fault(l, m->tags, "too long altogether");
	rule->metadata_json = arena_text(&l->rules->arena, b.at, b.len);
	rule->attck_v18_json = v18_json(l, &g);
}
