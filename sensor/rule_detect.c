/* rule_detect.c - the selections of a detection: maps, lists of maps, "field|modifiers" keys. */
#include "sensor/rule_impl.h"

enum { SELECTIONS_MAX = 1000, MODIFIERS_MAX = 16 };

static const char *const modifier_names[] = { "all", "cased", "contains", "startswith", "endswith",
	"re", "i", "m", "s", "cidr", "exists", "neq", "lt", "lte", "gt", "gte", "fieldref",
	"expand", "minute", "hour", "day", "week", "month", "year", NULL };
static const char *const refused_names[] = { "windash", "base64", "base64offset", "utf16",
	"utf16le", "utf16be", "wide", NULL };

static int index_of(const char *word, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

/* What each modifier sets; those of one group exclude each other. */
enum group_of { GROUP_NONE, GROUP_COMPARE, GROUP_ANCHOR, GROUP_PART };
struct modifier {
	const char *name;
	enum group_of group;
	uint8_t value;
};
static const struct modifier valued[] = {
	{ "contains", GROUP_ANCHOR, ANCHOR_WITHIN },
	{ "startswith", GROUP_ANCHOR, ANCHOR_STARTS },
	{ "endswith", GROUP_ANCHOR, ANCHOR_ENDS },
	{ "re", GROUP_COMPARE, OP_REGEX },
	{ "cidr", GROUP_COMPARE, OP_ADDR },
	{ "exists", GROUP_COMPARE, OP_EXISTS },
	{ "lt", GROUP_COMPARE, OP_LT },
	{ "lte", GROUP_COMPARE, OP_LTE },
	{ "gt", GROUP_COMPARE, OP_GT },
	{ "gte", GROUP_COMPARE, OP_GTE },
	{ "fieldref", GROUP_COMPARE, OP_FIELD },
	{ "minute", GROUP_PART, PART_MINUTE },
	{ "hour", GROUP_PART, PART_HOUR },
	{ "day", GROUP_PART, PART_DAY },
	{ "week", GROUP_PART, PART_WEEK },
	{ "month", GROUP_PART, PART_MONTH },
	{ "year", GROUP_PART, PART_YEAR },
};

static bool set_valued(struct modifiers *m, const struct modifier *v)
{
	uint8_t *slot = v->group == GROUP_ANCHOR ? &m->anchor
			: v->group == GROUP_PART ? &m->part
						 : &m->op;
	uint8_t none = v->group == GROUP_ANCHOR ? ANCHOR_WHOLE
		       : v->group == GROUP_PART ? PART_NONE
						: OP_SET;
	if (*slot != none)
		return false;
	*slot = v->value;
	return true;
}

static bool set_plain(struct modifiers *m, const char *word)
{
	const struct {
		const char *name;
		bool *slot;
	} plain[] = { { "all", &m->all }, { "cased", &m->cased }, { "neq", &m->neq },
		{ "expand", &m->expand }, { "i", &m->i }, { "m", &m->m }, { "s", &m->s } };
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
		if (strcmp(plain[i].name, word) != 0)
			continue;
		if (*plain[i].slot)
			return false;
		*plain[i].slot = true;
	}
	return true;
}

static bool modifier(
	struct loader *l, const struct yaml *key, struct modifiers *m, const char *word)
{
	if (index_of(word, refused_names) >= 0) {
		fault(l, key, "modifier %s is not supported", word);
		return false;
	}
	if (index_of(word, modifier_names) < 0) {
		fault_unknown(l, key, "modifier", word, modifier_names);
		return false;
	}
	bool fine = set_plain(m, word);
	for (size_t i = 0; i < sizeof valued / sizeof *valued; i++)
		if (strcmp(valued[i].name, word) == 0)
			fine = set_valued(m, &valued[i]);
	if (!fine)
		fault(l, key, "modifier %s does not go with those before it", word);
	return fine;
}

/* Combinations that mean nothing. */
static bool combination(struct loader *l, const struct yaml *key, const struct modifiers *m)
{
	const char *why = NULL;
	if ((m->i || m->m || m->s) && m->op != OP_REGEX)
		why = "i, m and s follow re";
	else if (m->anchor != ANCHOR_WHOLE && m->op != OP_SET && m->op != OP_FIELD)
		why = "contains, startswith and endswith stand alone or with fieldref";
	else if (m->neq && (m->op != OP_SET && m->op != OP_FIELD))
		why = "neq stands alone or with fieldref; to negate something else use not in the "
		      "condition";
	else if (m->neq && m->anchor != ANCHOR_WHOLE)
		why = "neq stands alone or with fieldref; to negate something else use not in the "
		      "condition";
	else if (m->neq && m->all)
		why = "neq holds when all values differ anyway";
	else if (m->part != PART_NONE &&
		 (m->op == OP_REGEX || m->op == OP_ADDR || m->op == OP_EXISTS ||
			 m->op == OP_FIELD || m->anchor != ANCHOR_WHOLE))
		why = "a part of a time is a number";
	else if (m->op == OP_EXISTS && (m->all || m->expand || m->cased))
		why = "exists stands alone";
	else if (m->op == OP_FIELD && m->expand)
		why = "fieldref takes names of fields";
	else if (m->i && m->cased)
		why = "i and cased contradict each other";
	if (why != NULL)
		fault(l, key, "%s", why);
	return why == NULL;
}

static bool usable(const struct loader *l, const struct field_ref *ref)
{
	return ref->dissector == NULL || l->any || ref->dissector == l->dissector;
}

static const struct field_ref *field_named(
	struct loader *l, const struct yaml *at, const char *name)
{
	const struct vocabulary *v = &l->rules->words;
	const struct field_ref *ref = vocabulary_find(v, name);
	if (ref != NULL && usable(l, ref))
		return ref;
	if (ref != NULL) {
		fault(l, at, "field %s belongs to %s, the rule's service is %s", name,
			ref->dissector->name, l->dissector->name);
		return NULL;
	}
	const char **names = arena_array(&l->rules->arena, v->count + 1, sizeof *names);
	size_t n = 0;
	for (size_t i = 0; i < v->count; i++)
		if (usable(l, &v->ref[i]))
			names[n++] = v->name[i];
	fault_unknown(l, at, "field", name, names);
	return NULL;
}

const struct field_ref *rule_field(struct loader *l, const struct yaml *at, const char *name)
{
	return field_named(l, at, name);
}

/* "field|mod|mod": value */
static struct node *pair(struct loader *l, const struct yaml *key, const struct yaml *value)
{
	struct modifiers m = { .op = OP_SET };
	char *name = arena_text(&l->rules->arena, key->text, key->len);
	bool fine = true;
	char *rest = strchr(name, '|');
	if (rest != NULL)
		*rest++ = '\0';
	if (name[0] == '\0') {
		fault(l, key, "keyword lists are not supported: name the field");
		return NULL;
	}
	for (char *word = rest; word != NULL;) {
		char *end = strchr(word, '|');
		if (end != NULL)
			*end++ = '\0';
		fine = modifier(l, key, &m, word) && fine;
		word = end;
	}
	const struct field_ref *ref = field_named(l, key, name);
	if (ref == NULL || !fine || !combination(l, key, &m))
		return NULL;
	return rule_values(l, key, ref, &m, value);
}

static struct node *map(struct loader *l, const struct yaml *y)
{
	struct node *all = node_new(&l->rules->arena, NODE_AND, y->count);
	bool fine = y->count > 0;
	if (!fine)
		fault(l, y, "an empty selection");
	for (size_t i = 0; i < y->count; i++) {
		all->child[i] = pair(l, y->key[i], y->child[i]);
		fine = all->child[i] != NULL && fine;
	}
	if (!fine)
		return NULL;
	node_done(all);
	return all->count == 1 ? all->child[0] : all;
}

static struct node *selection(struct loader *l, const struct yaml *y)
{
	if (y->kind == YAML_MAP)
		return map(l, y);
	if (y->kind == YAML_TEXT || y->count == 0) {
		fault(l, y, "a selection is a map or a list of maps");
		return NULL;
	}
	struct node *any = node_new(&l->rules->arena, NODE_OR, y->count);
	bool fine = true;
	for (size_t i = 0; i < y->count; i++) {
		if (y->child[i]->kind != YAML_MAP) {
			fault(l, y->child[i], "keyword lists are not supported: name the field");
			return NULL;
		}
		any->child[i] = map(l, y->child[i]);
		fine = any->child[i] != NULL && fine;
	}
	if (!fine)
		return NULL;
	node_done(any);
	return any->count == 1 ? any->child[0] : any;
}

static struct node *conditions(
	struct loader *l, const struct yaml *y, struct selection *sel, size_t count)
{
	if (y->kind == YAML_TEXT)
		return rule_condition(l, y, sel, count);
	if (y->kind != YAML_LIST || y->count == 0) {
		fault(l, y, "a condition is a text or a list of texts");
		return NULL;
	}
	struct node *any = node_new(&l->rules->arena, NODE_OR, y->count);
	bool fine = true;
	for (size_t i = 0; i < y->count; i++) {
		any->child[i] = rule_condition(l, y->child[i], sel, count);
		fine = any->child[i] != NULL && fine;
	}
	if (!fine)
		return NULL;
	node_done(any);
	return any;
}

/* True: it is no selection, or may not be here. */
static bool is_other(struct loader *l, const struct yaml *key, const char *skip, bool *fine)
{
	if (strcmp(key->text, "condition") == 0 || (skip != NULL && strcmp(key->text, skip) == 0))
		return true;
	if (strcmp(key->text, "timeframe") != 0)
		return false;
	fault(l, key, "timeframe is not supported: it belongs to correlation rules");
	*fine = false;
	return true;
}

struct node *rule_detection(struct loader *l, const struct yaml *y, const char *skip)
{
	if (y->kind != YAML_MAP || y->count > SELECTIONS_MAX) {
		fault(l, y, "a detection is a map of selections and a condition");
		return NULL;
	}
	struct selection *sel = arena_array(&l->rules->arena, y->count + 1, sizeof *sel);
	size_t n = 0;
	bool fine = true;
	for (size_t i = 0; i < y->count; i++) {
		if (is_other(l, y->key[i], skip, &fine))
			continue;
		sel[n] = (struct selection){ .key = y->key[i], .node = selection(l, y->child[i]) };
		fine = sel[n++].node != NULL && fine;
	}
	const struct yaml *condition = yaml_get(y, "condition");
	if (condition == NULL) {
		fault(l, y, "missing condition");
		return NULL;
	}
	struct node *node = conditions(l, condition, sel, n);
	if (node == NULL)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!sel[i].used) {
			fault(l, sel[i].key, "selection %s is not used by the condition",
				sel[i].key->text);
			fine = false;
		}
	return fine ? node : NULL;
}
