/* rule_number.c - numbers, names of numbers, flags and MACs into terms. */
#include "sensor/rule_values.h"

#include <stdlib.h>

static enum value_kind number_kind(const struct values *v)
{
	return v->m->part != PART_NONE ? KIND_UINT : v->ref->kind;
}

int values_by_key(const void *a, const void *b)
{
	uint64_t x = ((const union number *)a)->u, y = ((const union number *)b)->u;
	return (x > y) - (x < y);
}

static int by_int(const void *a, const void *b)
{
	int64_t x = ((const union number *)a)->i, y = ((const union number *)b)->i;
	return (x > y) - (x < y);
}

static int by_real(const void *a, const void *b)
{
	double x = ((const union number *)a)->r, y = ((const union number *)b)->r;
	return (x > y) - (x < y);
}

/* A term that holds for any of the numbers; those become its own. */
struct node *values_set(struct values *v, union number *n, size_t count)
{
	enum value_kind kind = number_kind(v);
	struct term *t = values_term(v, OP_SET);
	qsort(n, count, sizeof *n,
		kind == KIND_REAL  ? by_real
		: kind == KIND_INT ? by_int
				   : values_by_key);
	size_t out = 0;
	for (size_t i = 0; i < count; i++)
		if (out == 0 || n[i].u != n[out - 1].u)
			n[out++] = n[i];
	t->count = (uint32_t)out;
	if (out == 1)
		t->one = n[0];
	else
		t->numbers = n;
	if (kind == KIND_REAL || v->m->part != PART_NONE)
		return values_node(v, t);
	uint64_t *keys = arena_array(values_arena(v), out, sizeof *keys);
	for (size_t i = 0; i < out; i++)
		keys[i] = n[i].u;
	qsort(keys, out, sizeof *keys, values_by_key);
	t->keys = keys;
	t->key_count = (uint32_t)out;
	return values_node(v, t);
}

/* --- numbers ----------------------------------------------------------------------------- */

static const struct {
	const char *name;
	uint64_t least, most;
} parts[] = {
	[PART_MINUTE] = { "minute", 0, 59 },
	[PART_HOUR] = { "hour", 0, 23 },
	[PART_DAY] = { "day", 1, 31 },
	[PART_WEEK] = { "week", 1, 53 },
	[PART_MONTH] = { "month", 1, 12 },
	[PART_YEAR] = { "year", 1970, 9999 },
};

static bool by_name(struct values *v, const struct yaml *y, union number *out)
{
	for (const struct code_name *c = v->ref->field->codes; c != NULL && c->name != NULL; c++)
		if (c->name[0] == y->text[0] && strcmp(c->name, y->text) == 0) {
			out->u = c->code;
			return true;
		}
	return false;
}

static bool unknown_name(struct values *v, const struct yaml *y)
{
	size_t n = 0;
	const struct code_name *codes = v->ref->field->codes;
	for (const struct code_name *c = codes; c->name != NULL; c++)
		n++;
	const char **names = arena_array(values_arena(v), n + 1, sizeof *names);
	for (size_t i = 0; i < n; i++)
		names[i] = codes[i].name;
	char *what = arena_printf(values_arena(v), "name of %s", values_name(v));
	fault_unknown(v->l, y, what, y->text, names);
	return false;
}

static bool not_a_number(struct values *v, size_t i)
{
	const struct yaml *y = v->value[i];
	struct yaml unquoted = *y;
	uint64_t u;
	unquoted.quoted = false;
	const char *kind = number_kind(v) == KIND_UINT || number_kind(v) == KIND_INT
				   ? "a whole number"
				   : "a number";
	if (v->ref->field->codes != NULL && !yaml_uint(&unquoted, &u) && v->m->part == PART_NONE &&
		!v->listed[i])
		return unknown_name(v, y);
	char *what = y->quoted && yaml_uint(&unquoted, &u)
			     ? arena_printf(values_arena(v), "is %s: write %s without quotes", kind,
				       y->text)
			     : arena_printf(values_arena(v), "is %s, not %s", kind, y->text);
	values_fault(v, i, what);
	return false;
}

static bool in_range(struct values *v, size_t i, uint64_t n)
{
	uint64_t least = 0, most = v->ref->max;
	if (v->m->part != PART_NONE) {
		least = parts[v->m->part].least;
		most = parts[v->m->part].most;
	}
	if (most == 0 || (n >= least && n <= most))
		return true;
	values_fault(v, i,
		arena_printf(values_arena(v), "%llu is out of its range, %llu to %llu",
			(unsigned long long)n, (unsigned long long)least,
			(unsigned long long)most));
	return false;
}

static bool number(struct values *v, size_t i, union number *out)
{
	const struct yaml *y = v->value[i];
	int64_t negative;
	if (v->m->part == PART_NONE && by_name(v, y, out))
		return true;
	switch (number_kind(v)) {
	case KIND_REAL:
		return yaml_real(y, &out->r) || not_a_number(v, i);
	case KIND_INT:
		return yaml_int(y, &out->i) || not_a_number(v, i);
	default:
		if (yaml_uint(y, &out->u))
			return in_range(v, i, out->u);
		if (yaml_int(y, &negative)) {
			values_fault(v, i, "is never negative");
			return false;
		}
		return not_a_number(v, i);
	}
}

/* Wildcards or anchors over the names of an enumerated field: the codes they stand for. */
static struct node *names_node(struct values *v)
{
	const struct code_name *codes = v->ref->field->codes;
	size_t names = 0, count = 0;
	for (const struct code_name *c = codes; c->name != NULL; c++)
		names++;
	union number *n = arena_array(values_arena(v), names * v->count, sizeof *n);
	bool fine = true;
	for (size_t i = 0; i < v->count; i++) {
		struct pattern p;
		const struct yaml *y = v->value[i];
		const char *why = pattern_make(
			&p, y->text, y->len, v->m->anchor, v->m->cased, values_arena(v));
		size_t before = count;
		for (size_t k = 0; why == NULL && k < names; k++)
			if (pattern_matches(
				    &p, (const uint8_t *)codes[k].name, strlen(codes[k].name)))
				n[count++].u = codes[k].code;
		if (count > before)
			continue;
		values_fault(v, i,
			why != NULL ? why
				    : arena_printf(values_arena(v), "no name is like %s", y->text));
		fine = false;
	}
	return fine ? values_set(v, n, count) : NULL;
}

struct node *values_numbers(struct values *v)
{
	bool textual = v->m->anchor != ANCHOR_WHOLE || values_wild(v);
	if (textual && v->ref->field->codes != NULL && v->m->part == PART_NONE && !v->m->all)
		return names_node(v);
	if (textual || v->m->cased) {
		values_refuse(v, "is a number: texts are compared with wildcards, cased, contains, "
				 "startswith, endswith");
		return NULL;
	}
	if (v->m->all && !v->ref->many) {
		values_refuse(v, "has one value: it cannot equal all of a list");
		return NULL;
	}
	union number *n = arena_array(values_arena(v), v->count, sizeof *n);
	bool fine = true;
	for (size_t i = 0; i < v->count; i++)
		fine = number(v, i, &n[i]) && fine;
	if (!fine)
		return NULL;
	if (!v->m->all)
		return values_set(v, n, v->count);
	struct node *all = node_new(values_arena(v), NODE_AND, v->count);
	for (size_t i = 0; i < v->count; i++)
		all->child[i] = values_set(v, &n[i], 1);
	node_done(all);
	return all;
}

struct node *values_compare(struct values *v)
{
	struct term *t = values_term(v, v->m->op);
	enum value_kind kind = number_kind(v);
	if (kind != KIND_UINT && kind != KIND_INT && kind != KIND_REAL) {
		values_refuse(v, "is no number: it is neither less nor greater");
		return NULL;
	}
	if (v->count != 1 || v->m->all || v->m->cased) {
		values_refuse(v, "is compared with one number here");
		return NULL;
	}
	t->count = 1;
	return number(v, 0, &t->one) ? values_node(v, t) : NULL;
}

struct node *values_flags(struct values *v)
{
	struct term *t = values_term(v, OP_FLAGS);
	bool fine = v->m->anchor == ANCHOR_WHOLE || values_refuse(v, "is a set of names");
	for (size_t i = 0; i < v->count; i++) {
		union number bit = { 0 };
		bool known = by_name(v, v->value[i], &bit) || unknown_name(v, v->value[i]);
		fine = known && fine;
		t->one.u |= bit.u;
	}
	return fine ? values_node(v, t) : NULL;
}

static bool mac(const char *text, uint64_t *out)
{
	uint8_t b[6];
	size_t at = 0;
	for (int i = 0; i < 6; i++) {
		if (i > 0 && text[at] != ':' && text[at] != '-')
			return false;
		at += i > 0;
		char two[3] = { text[at], text[at] == '\0' ? '\0' : text[at + 1], '\0' };
		if (strspn(two, "0123456789abcdefABCDEF") != 2)
			return false;
		b[i] = (uint8_t)strtoul(two, NULL, 16);
		at += 2;
	}
	*out = mac_number(b);
	return text[at] == '\0';
}

struct node *values_macs(struct values *v)
{
	union number *n = arena_array(values_arena(v), v->count, sizeof *n);
	bool fine = true;
	for (size_t i = 0; i < v->count; i++) {
		if (mac(v->value[i]->text, &n[i].u))
			continue;
		values_fault(v, i, "is written as 00:1b:1b:01:02:03");
		fine = false;
	}
	return fine ? values_set(v, n, v->count) : NULL;
}
