/* rule_value.c - what a field is compared with: placeholders replaced, then by type to who knows
 * it. */
#include "sensor/rule_values.h"

enum { VALUES_MAX = 1000000, PLACEHOLDERS_MAX = 4 };

struct arena *values_arena(struct values *v)
{
	return &v->l->rules->arena;
}

const char *values_name(const struct values *v)
{
	return v->ref->field->name;
}

/* Where to point for a value: lists have their own places. */
void values_fault(struct values *v, size_t i, const char *what)
{
	const struct yaml *y = v->value[i];
	if (v->listed[i])
		fault(v->l, v->key, "%s: %s (from a list: %s)", values_name(v), what, y->text);
	else
		fault(v->l, y, "%s: %s", values_name(v), what);
}

bool values_refuse(struct values *v, const char *what)
{
	fault(v->l, v->key, "%s %s", values_name(v), what);
	return false;
}

static bool has_wildcard(const struct yaml *y)
{
	return strpbrk(y->text, "*?") != NULL;
}

bool values_wild(const struct values *v)
{
	for (size_t i = 0; i < v->count; i++)
		if (has_wildcard(v->value[i]))
			return true;
	return false;
}

struct term *values_term(struct values *v, enum op op)
{
	struct term *t = arena_alloc(values_arena(v), sizeof *t);
	t->ref = *v->ref;
	t->op = (uint8_t)op;
	t->part = v->m->part;
	t->anchor = v->m->anchor;
	t->negated = v->m->neq;
	t->all = v->m->all;
	t->cased = v->m->cased;
	t->next = v->l->terms;
	v->l->terms = t;
	return t;
}

struct node *values_node(struct values *v, const struct term *t)
{
	return node_term(values_arena(v), t);
}

/* --- placeholders ------------------------------------------------------------------------ */

static bool push(struct values *v, const struct yaml *y, bool listed)
{
	if (v->count == VALUES_MAX) {
		fault(v->l, y, "too many values");
		return false;
	}
	if (v->count == v->cap) {
		size_t cap = v->cap == 0 ? 8 : v->cap * 2;
		const struct yaml **grown = arena_array(values_arena(v), cap, sizeof *grown);
		bool *flags = arena_array(values_arena(v), cap, sizeof *flags);
		if (v->count > 0) {
			memcpy(grown, v->value, v->count * sizeof *grown);
			memcpy(flags, v->listed, v->count * sizeof *flags);
		}
		v->value = grown;
		v->listed = flags;
		v->cap = cap;
	}
	v->listed[v->count] = listed;
	v->value[v->count++] = y;
	return true;
}

/* The next '%' that no backslash makes plain, or NULL. */
static const char *percent(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '\\' && text[1] == '%')
			text++;
		else if (*text == '%')
			return text;
	}
	return NULL;
}

static const struct yaml *with_text(struct values *v, const struct yaml *like, const char *text)
{
	struct yaml *y = arena_alloc(values_arena(v), sizeof *y);
	*y = *like;
	y->text = text;
	y->len = strlen(text);
	return y;
}

static const struct yaml *plain_percents(struct values *v, const struct yaml *y)
{
	if (strstr(y->text, "\\%") == NULL)
		return y;
	char *text = arena_text(values_arena(v), y->text, y->len);
	char *out = text;
	for (const char *in = y->text; *in != '\0'; in++) {
		if (*in == '\\' && in[1] == '%')
			in++;
		*out++ = *in;
	}
	*out = '\0';
	return with_text(v, y, text);
}

static bool expand(
	struct values *v, const struct yaml *at, const struct yaml *y, bool listed, int depth)
{
	const char *open = percent(y->text), *close = open == NULL ? NULL : percent(open + 1);
	if (close == NULL)
		return push(v, plain_percents(v, y), listed);
	if (depth == PLACEHOLDERS_MAX) {
		fault(v->l, at, "too many %%name%% in one value");
		return false;
	}
	struct word_list *list = list_named(v->l, at, open + 1, (size_t)(close - open - 1));
	if (list == NULL)
		return false;
	v->expanded = true;
	bool whole = open == y->text && close[1] == '\0';
	if (whole && depth == 0)
		v->list = list;
	for (size_t i = 0; i < list->count; i++) {
		const char *text = arena_printf(values_arena(v), "%.*s%s%s", (int)(open - y->text),
			y->text, list->value[i]->text, close + 1);
		bool fine = whole ? push(v, list->value[i], true)
				  : expand(v, at, with_text(v, at, text), true, depth + 1);
		if (!fine)
			return false;
	}
	return true;
}

static bool take_one(struct values *v, const struct yaml *y)
{
	if (y->kind != YAML_TEXT) {
		fault(v->l, y, "a value of %s is a single text or number", values_name(v));
		return false;
	}
	if (yaml_null(y)) {
		v->null = true;
		return true;
	}
	return v->m->expand ? expand(v, y, y, false, 0) : push(v, y, false);
}

static bool take(struct values *v, const struct yaml *y)
{
	if (y->kind == YAML_TEXT)
		return take_one(v, y);
	if (y->kind == YAML_MAP || y->count == 0) {
		fault(v->l, y,
			y->kind == YAML_MAP ? "a value is no map" : "an empty list never holds");
		return false;
	}
	bool fine = true;
	for (size_t i = 0; i < y->count; i++)
		fine = take_one(v, y->child[i]) && fine;
	if (y->count > 1)
		v->list = NULL;
	return fine;
}

/* --- by type -------------------------------------------------------------------------------- */

static struct node *exists_node(struct values *v)
{
	bool wanted;
	if (v->count != 1 || !yaml_bool(v->value[0], &wanted)) {
		values_refuse(v, "exists or it does not: write true or false");
		return NULL;
	}
	return values_node(v, values_term(v, wanted ? OP_EXISTS : OP_ABSENT));
}

static struct node *equal_node(struct values *v)
{
	bool textual = v->m->anchor != ANCHOR_WHOLE || values_wild(v) || v->m->cased;
	switch ((enum value_kind)v->ref->kind) {
	case KIND_TEXT:
	case KIND_BYTES:
		return values_patterns(v);
	case KIND_LABEL:
		return values_labels(v);
	case KIND_FLAGS:
		return values_flags(v);
	case KIND_ADDR:
	case KIND_MAC:
		if (textual)
			return values_patterns(v);
		if (v->m->all) {
			values_refuse(v, "has one value: it cannot equal all of a list");
			return NULL;
		}
		return v->ref->kind == KIND_ADDR ? values_addrs(v, false) : values_macs(v);
	default:
		return values_numbers(v);
	}
}

static struct node *present_node(struct values *v)
{
	if (v->m->part != PART_NONE && !v->ref->is_time) {
		values_refuse(v, "is not a time");
		return NULL;
	}
	switch ((enum op)v->m->op) {
	case OP_EXISTS:
		return exists_node(v);
	case OP_FIELD:
		return values_fields(v);
	case OP_REGEX:
		return values_regex(v);
	case OP_ADDR:
		if (v->ref->kind == KIND_ADDR && !v->m->all && !v->m->cased)
			return values_addrs(v, true);
		values_refuse(v, v->ref->kind == KIND_ADDR ? "takes no further modifiers with cidr"
							   : "is no address: cidr does not apply");
		return NULL;
	case OP_SET:
		return equal_node(v);
	default:
		return values_compare(v);
	}
}

/* "field: null", alone or among other values. */
static struct node *with_null(struct values *v)
{
	const struct modifiers *m = v->m;
	if (m->op != OP_SET || m->anchor != ANCHOR_WHOLE || m->all || m->part != PART_NONE) {
		values_refuse(v, "is null or not: null goes with no other modifier");
		return NULL;
	}
	struct node *absent = values_node(v, values_term(v, m->neq ? OP_EXISTS : OP_ABSENT));
	if (v->count == 0)
		return absent;
	struct node *n = node_new(values_arena(v), m->neq ? NODE_AND : NODE_OR, 2);
	n->child[0] = absent;
	n->child[1] = present_node(v);
	if (n->child[1] == NULL)
		return NULL;
	node_done(n);
	return n;
}

struct node *rule_values(struct loader *l, const struct yaml *key, const struct field_ref *ref,
	const struct modifiers *m, const struct yaml *value)
{
	struct values v = { .l = l, .key = key, .ref = ref, .m = m };
	if (!take(&v, value))
		return NULL;
	if (m->all && (value->kind != YAML_LIST || value->count < 2) && v.list == NULL) {
		values_refuse(&v, "has a single value: all needs a list of two or more");
		return NULL;
	}
	if (v.null)
		return with_null(&v);
	if (v.count == 0 && !v.expanded) {
		values_refuse(&v, "has no value to compare with");
		return NULL;
	}
	if (v.count == 0) /* no value in its lists: never equal, always different */
		return m->neq ? values_node(&v, values_term(&v, OP_EXISTS))
			      : node_new(values_arena(&v), NODE_NEVER, 0);
	return present_node(&v);
}
