/* rule_correlation.c - documents with correlation:, read once all rules are known. */
#include "sensor/rule_impl.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "sensor/correlate.h"
#include "sensor/limiter.h"

enum { SPAN_MAX_DAYS = 30, SECOND_NS = 1000000000, NAMES_MAX = 4096 };

/* In the order of enum correlation_type. */
static const char *const types[] = { "event_count", "value_count", "temporal", "temporal_ordered",
	"value_sum", "value_avg", "value_percentile", NULL };
/* In the order of enum bound_op. */
static const char *const bound_ops[] = { "gt", "gte", "lt", "lte", "eq", "neq", NULL };

/* One document while it is read. */
struct draft {
	struct loader *l;
	struct compiled *rule;
	const struct yaml *map, *rules, *by, *aliases;
	struct correlation *c;
	bool fine;
};

static int word_index(const char *word, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

const char *correlation_type(const struct rule *rule)
{
	return types[compiled_of(rule)->correlation->type];
}

#define WRONG(d, at, ...) (fault((d)->l, (at), __VA_ARGS__), (d)->fine = false)

static bool is_text(const struct yaml *y)
{
	return y != NULL && y->kind == YAML_TEXT && y->len > 0;
}

/* --- rules ------------------------------------------------------------------------------- */

static bool is_called(const struct compiled *c, const char *word)
{
	return (c->rule.id[0] == tolower((unsigned char)word[0]) &&
		       strcasecmp(c->rule.id, word) == 0) ||
	       (c->name[0] == word[0] && strcmp(c->name, word) == 0);
}

static struct compiled *rule_called(const struct rules *r, const char *word)
{
	for (size_t i = 0; i < r->count; i++)
		if (is_called(r->rule[i], word))
			return r->rule[i];
	return NULL;
}

static void no_such_rule(struct draft *d, const struct yaml *at)
{
	static const char *names[NAMES_MAX + 1];
	size_t n = 0;
	for (size_t i = 0; i < d->l->rules->count && n < NAMES_MAX; i++)
		if (d->l->rules->rule[i]->name[0] != '\0')
			names[n++] = d->l->rules->rule[i]->name;
	names[n] = NULL;
	fault_unknown(d->l, at, "rule", at->text, names);
	d->fine = false;
}

static void read_members(struct draft *d)
{
	const struct yaml *y = d->rules;
	if (y == NULL || y->kind != YAML_LIST || y->count == 0 || y->count > MEMBERS_MAX) {
		WRONG(d, y == NULL ? d->map : y, "rules is a list of 1 to %d rules, by id or name",
			MEMBERS_MAX);
		return;
	}
	d->c->member = arena_array(&d->l->rules->arena, y->count, sizeof(struct compiled *));
	for (size_t i = 0; i < y->count; i++) {
		struct compiled *one =
			is_text(y->child[i]) ? rule_called(d->l->rules, y->child[i]->text) : NULL;
		if (!is_text(y->child[i]))
			WRONG(d, y->child[i], "a rule is named by its id or name");
		else if (one == NULL)
			no_such_rule(d, y->child[i]);
		else if (one == d->rule)
			WRONG(d, y->child[i], "a correlation cannot be one of its own rules");
		for (uint32_t k = 0; one != NULL && k < d->c->members; k++)
			if (d->c->member[k] == one)
				WRONG(d, y->child[i], "the rule is listed twice");
		if (one != NULL && one != d->rule)
			d->c->member[d->c->members++] = one;
	}
	if (d->c->type == TEMPORAL_ORDERED && y->count < 2)
		WRONG(d, y, "an order needs two rules");
}

/* --- fields ------------------------------------------------------------------------------ */

static const struct yaml *alias_of(const struct draft *d, const char *name)
{
	const struct yaml *map = yaml_get(d->aliases, name);
	return map != NULL && map->kind == YAML_MAP ? map : NULL;
}

/* The entry of an alias for a rule, by its name or id. */
static const struct yaml *alias_entry(const struct yaml *alias, const struct compiled *rule)
{
	for (size_t i = 0; i < alias->count; i++)
		if (is_called(rule, alias->key[i]->text))
			return alias->child[i];
	return NULL;
}

static const struct correlation *inner_of(const struct compiled *rule)
{
	return rule->correlation;
}

/* A correlation has no fields but those it groups by. */
static bool inner_origin(struct draft *d, const struct compiled *m, const struct yaml *at,
	const char *name, struct origin *out)
{
	const struct correlation *inner = inner_of(m);
	if (!inner->good) /* it has been told of */
		return d->fine = false;
	for (uint32_t i = 0; i < inner->by; i++)
		if (strcmp(inner->by_name[i], name) == 0) {
			out->inner = i;
			return true;
		}
	WRONG(d, at, "%s (%s) does not group by %s", m->rule.title, m->rule.place, name);
	return false;
}

static bool origin_of(struct draft *d, const struct compiled *m, const struct yaml *at,
	const char *name, struct origin *out)
{
	if (inner_of(m) != NULL)
		return inner_origin(d, m, at, name, out);
	const struct field_ref *ref = vocabulary_find(&d->l->rules->words, name);
	if (ref == NULL) {
		fault_unknown(d->l, at, "field", name, d->l->rules->words.name);
		return d->fine = false;
	}
	out->ref = ref;
	if (ref->waits) {
		WRONG(d, at, "%s is known only with the verdict: name it in the rule", name);
		return false;
	}
	if (ref->dissector != NULL && ref->dissector != m->dissector) {
		WRONG(d, at, "%s is a field of %s, the rule %s (%s) is for %s", name,
			ref->dissector->name, m->rule.title, m->rule.place, m->rule.service);
		return false;
	}
	return true;
}

/* The field itself, whatever the depth. */
static const struct field_ref *bottom(const struct compiled *m, const struct origin *o)
{
	while (o->ref == NULL) {
		const struct correlation *c = inner_of(m);
		o = &c->origin[o->inner];
		m = c->member[0];
	}
	return o->ref;
}

static bool same_kind(const struct field_ref *a, const struct field_ref *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind != KIND_LABEL || label_table(a->index) == label_table(b->index);
}

/* One name of group-by, or the field of a condition, for every rule; @slot: its place. */
static void read_name(struct draft *d, const struct yaml *at, uint32_t slot)
{
	struct correlation *c = d->c;
	const struct yaml *alias = alias_of(d, at->text);
	const struct field_ref *first = NULL;
	for (uint32_t i = 0; i < c->members; i++) {
		struct origin *o = &c->origin[i * (c->by + 1) + slot];
		const struct yaml *entry = alias == NULL ? at : alias_entry(alias, c->member[i]);
		if (entry == NULL) {
			WRONG(d, alias, "the alias %s says nothing of %s (%s)", at->text,
				c->member[i]->rule.title, c->member[i]->rule.place);
			continue;
		}
		if (!is_text(entry)) {
			WRONG(d, entry, "an alias names a field for each rule");
			continue;
		}
		if (!origin_of(d, c->member[i], entry, entry->text, o))
			continue;
		const struct field_ref *ref = bottom(c->member[i], o);
		if (first != NULL && !same_kind(first, ref))
			WRONG(d, entry, "%s cannot be compared with %s", ref->field->name,
				first->field->name);
		first = first == NULL ? ref : first;
	}
}

static void check_aliases(struct draft *d)
{
	const struct yaml *y = d->aliases;
	if (y == NULL)
		return;
	if (y->kind != YAML_MAP) {
		WRONG(d, y, "aliases is a map: name to a map of rule to field");
		return;
	}
	for (size_t i = 0; i < y->count; i++) {
		const struct yaml *one = y->child[i];
		if (one->kind != YAML_MAP || one->count == 0) {
			WRONG(d, one, "an alias is a map of rule to field");
			continue;
		}
		if (vocabulary_find(&d->l->rules->words, y->key[i]->text) != NULL)
			WRONG(d, y->key[i], "an alias cannot be called like a field");
		for (size_t k = 0; k < one->count; k++) {
			bool known = false;
			for (uint32_t m = 0; m < d->c->members; m++)
				known |= is_called(d->c->member[m], one->key[k]->text);
			if (!known)
				WRONG(d, one->key[k], "%s is none of the rules of this correlation",
					one->key[k]->text);
		}
	}
}

static void read_groups(struct draft *d, const struct yaml *field)
{
	struct arena *arena = &d->l->rules->arena;
	struct correlation *c = d->c;
	bool list = d->by != NULL && d->by->kind == YAML_LIST;
	if (d->by != NULL && (!list || d->by->count == 0 || d->by->count > GROUP_BY_MAX))
		WRONG(d, d->by, "group-by is a list of 1 to %d fields", GROUP_BY_MAX);
	else if (list)
		c->by = (uint32_t)d->by->count;
	c->by_name = arena_array(arena, c->by + 1, sizeof *c->by_name);
	c->origin = arena_array(arena, (size_t)(c->by + 1) * (c->members + 1), sizeof *c->origin);
	for (uint32_t i = 0; i < c->by; i++) {
		const struct yaml *one = d->by->child[i];
		c->by_name[i] = arena_text(arena, one->text, one->kind == YAML_TEXT ? one->len : 0);
		if (is_text(one))
			read_name(d, one, i);
		else
			WRONG(d, one, "group-by names fields");
	}
	if (is_text(field))
		read_name(d, field, c->by);
}

/* --- time and condition ------------------------------------------------------------------ */

static void read_span(struct draft *d)
{
	const struct yaml *y = yaml_get(d->map, "timespan");
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };
	if (y == NULL) {
		WRONG(d, d->map, "missing timespan");
		return;
	}
	char *end = NULL;
	unsigned long n = is_text(y) && y->text[0] >= '1' && y->text[0] <= '9'
				  ? strtoul(y->text, &end, 10)
				  : 0;
	for (size_t i = 0; i < sizeof units / sizeof *units; i++)
		if (end != NULL && end[0] == units[i].unit && end[1] == '\0' &&
			n <= (unsigned long)SPAN_MAX_DAYS * 86400 / (unsigned long)units[i].seconds)
			d->c->span_ns = (int64_t)n * units[i].seconds * SECOND_NS;
	if (d->c->span_ns == 0)
		WRONG(d, y, "a timespan is a number and s, m, h or d (90m), at most %dd",
			SPAN_MAX_DAYS);
}

static void read_bound(struct draft *d, uint8_t op, const struct yaml *y)
{
	struct correlation *c = d->c;
	struct bound b = { .op = op };
	if (!yaml_real(y, &b.value) || !isfinite(b.value)) {
		WRONG(d, y, "%s is a number", bound_ops[op]);
		return;
	}
	bool lower = op == BOUND_GT || op == BOUND_GTE || op == BOUND_EQ;
	double most = c->type == TEMPORAL ? (double)c->members : (double)NOTES_MAX;
	if (c->type <= TEMPORAL && lower && b.value + (op == BOUND_GT) > most)
		WRONG(d, y, "can never hold: at most %.0f %s of a group are remembered", most,
			c->type == TEMPORAL ? "rules" : "events");
	c->patient &= !lower;
	c->bound[c->bounds++] = b;
}

static void read_percentile(struct draft *d, const struct yaml *y)
{
	uint64_t n = 50;
	if (y != NULL && (!yaml_uint(y, &n) || n < 1 || n > 100))
		WRONG(d, y, "percentile is a number from 1 to 100");
	d->c->percentile = (uint32_t)n;
}

/* Returns the field, if there is to be one. */
static const struct yaml *read_condition(struct draft *d)
{
	struct correlation *c = d->c;
	const struct yaml *y = yaml_get(d->map, "condition"), *field = yaml_get(y, "field");
	bool valued = c->type == VALUE_COUNT || c->type >= VALUE_SUM;
	if (y == NULL && (c->type == TEMPORAL || c->type == TEMPORAL_ORDERED)) {
		c->bound[0] = (struct bound){ BOUND_GTE, c->members };
		c->bounds = 1;
		return NULL;
	}
	if (c->type == TEMPORAL_ORDERED) {
		WRONG(d, y, "an order has no condition: all its rules, one after the other");
		return NULL;
	}
	if (y == NULL || y->kind != YAML_MAP) {
		WRONG(d, y == NULL ? d->map : y,
			y == NULL ? "missing condition" : "a condition is a map: gte: 5");
		return NULL;
	}
	c->patient = c->type <= TEMPORAL || c->type == VALUE_SUM;
	size_t told = d->l->faults->count;
	for (size_t i = 0; i < y->count; i++) {
		static const char *const words[] = { "gt", "gte", "lt", "lte", "eq", "neq", "field",
			"percentile", NULL };
		const char *key = y->key[i]->text;
		int op = word_index(key, bound_ops);
		if (op >= 0)
			read_bound(d, (uint8_t)op, y->child[i]);
		else if (strcmp(key, "field") == 0 && valued)
			continue;
		else if (strcmp(key, "percentile") == 0 && c->type == VALUE_PERCENTILE)
			continue;
		else if (word_index(key, words) >= 0)
			WRONG(d, y->key[i], "%s means nothing for %s", key, types[c->type]);
		else
			fault_unknown(d->l, y->key[i], "key", key, words), d->fine = false;
	}
	read_percentile(d, yaml_get(y, "percentile"));
	if (c->bounds == 0 && d->l->faults->count == told)
		WRONG(d, y, "a condition compares: gt, gte, lt, lte, eq or neq");
	if (valued && !is_text(field))
		WRONG(d, field == NULL ? y : field, "%s needs a field", types[c->type]);
	return valued ? field : NULL;
}

static void check_number(struct draft *d, const struct yaml *field)
{
	const struct correlation *c = d->c;
	for (uint32_t i = 0; c->type >= VALUE_SUM && d->fine && i < c->members; i++) {
		const struct field_ref *ref =
			bottom(c->member[i], &c->origin[i * (c->by + 1) + c->by]);
		if (ref->kind != KIND_UINT && ref->kind != KIND_INT && ref->kind != KIND_REAL)
			WRONG(d, field, "%s is no number", ref->field->name);
	}
}

/* --- one correlation --------------------------------------------------------------------- */

/* Of all that its memory depends on. */
static uint64_t definition_key(const struct compiled *rule)
{
	const struct correlation *c = rule->correlation;
	uint64_t key = key_mix(rule->rule.sid, c->type);
	key = key_mix(key, (uint64_t)c->span_ns);
	for (uint32_t i = 0; i < c->members; i++)
		key = key_mix(key, c->member[i]->rule.sid);
	for (uint32_t i = 0; i < c->members * (c->by + 1); i++) {
		const struct field_ref *ref = c->origin[i].ref;
		key = ref == NULL ? key_mix(key, c->origin[i].inner)
				  : key_mix_bytes(key, (const uint8_t *)ref->field->name,
					    strlen(ref->field->name));
	}
	return key;
}

static void read_correlation(struct loader *l, struct compiled *rule)
{
	static const char *const words[] = { "type", "rules", "group-by", "timespan", "condition",
		"aliases", "generate", NULL };
	struct draft d = { .l = l, .rule = rule, .fine = true };
	const struct yaml *generate, *type;
	l->path = arena_text(&l->rules->arena, rule->rule.place,
		(size_t)(strrchr(rule->rule.place, ':') - rule->rule.place));
	d.map = yaml_get(rule->source, "correlation");
	d.c = (struct correlation *)(uintptr_t)rule->correlation;
	d.rules = yaml_get(d.map, "rules");
	d.by = yaml_get(d.map, "group-by");
	d.aliases = yaml_get(d.map, "aliases");
	generate = yaml_get(d.map, "generate");
	type = yaml_get(d.map, "type");
	if (d.map->kind != YAML_MAP) {
		WRONG(&d, d.map, "correlation is a map");
		return;
	}
	d.fine = rule_keys(l, d.map, words);
	int i = -1;
	if (!is_text(type))
		fault(l, type == NULL ? d.map : type, "missing type");
	else if ((i = word_index(type->text, types)) < 0)
		fault_unknown(l, type, "type", type->text, types);
	d.fine = d.fine && i >= 0;
	d.c->type = i < 0 ? EVENT_COUNT : (uint8_t)i;
	if (generate != NULL && !yaml_bool(generate, &d.c->generate))
		WRONG(&d, generate, "generate is true or false");
	read_members(&d);
	read_span(&d);
	const struct yaml *field = i < 0 ? NULL : read_condition(&d);
	check_aliases(&d);
	if (d.c->members > 0)
		read_groups(&d, field);
	check_number(&d, field);
	d.c->good = d.fine;
	d.c->key = d.fine ? definition_key(rule) : 0;
}

/* --- all of them ------------------------------------------------------------------------- */

/* Its rules are read first, whatever the order of the files. */
struct visit {
	struct loader *l;
	uint8_t *state; /* by index: 0 not seen, 1 under way, 2 done */
};

static bool goes_round(struct visit *v, struct compiled *rule)
{
	if (rule->correlation == NULL || v->state[rule->rule.index] == 2)
		return false;
	if (v->state[rule->rule.index] == 1)
		return true;
	v->state[rule->rule.index] = 1;
	const struct yaml *rules = yaml_get(yaml_get(rule->source, "correlation"), "rules");
	bool round = false;
	for (size_t i = 0; rules != NULL && rules->kind == YAML_LIST && i < rules->count; i++) {
		struct compiled *m = is_text(rules->child[i])
					     ? rule_called(v->l->rules, rules->child[i]->text)
					     : NULL;
		if (m == NULL || m == rule || !goes_round(v, m))
			continue;
		v->l->path = arena_text(&v->l->rules->arena, rule->rule.place,
			(size_t)(strrchr(rule->rule.place, ':') - rule->rule.place));
		fault(v->l, rules->child[i], "the correlations go round in a circle");
		round = true;
	}
	v->state[rule->rule.index] = 2;
	if (!round)
		read_correlation(v->l, rule);
	return false;
}

/* What its rules mean for it: they feed it, and are silent unless it generates. */
static void connect(struct rules *r, const struct compiled *rule)
{
	const struct correlation *c = rule->correlation;
	for (uint32_t i = 0; i < c->members; i++) {
		struct feed *f = arena_alloc(&r->arena, sizeof *f);
		*f = (struct feed){ .to = rule, .member = i, .next = c->member[i]->feeds };
		c->member[i]->feeds = f;
		c->member[i]->rule.feeds = true;
		c->member[i]->rule.silent |= !c->generate;
	}
}

void rule_correlations(struct loader *l)
{
	struct rules *r = l->rules;
	struct visit v = { .l = l, .state = calloc(r->count + 1, 1) };
	size_t before = l->faults->count;
	if (v.state == NULL)
		abort();
	for (size_t i = 0; i < r->count; i++)
		goes_round(&v, r->rule[i]);
	for (size_t i = r->count; i > 0 && l->faults->count == before; i--)
		if (r->rule[i - 1]->correlation != NULL)
			connect(r, r->rule[i - 1]);
	free(v.state);
}
