/* rule_texts.c - texts, bytes, addresses, names of the site and other fields into terms. */
#include "sensor/rule_values.h"
#include "sensor/text_set.h"

#include <stdlib.h>

enum { SET_LEAST = 9 }; /* so many texts are asked as a set */

/* --- texts ------------------------------------------------------------------------------- */

/* A plain 5 or true compared with a text is a mistake more often than not. */
static bool is_text(struct values *v, size_t i)
{
	const struct yaml *y = v->value[i];
	double r;
	bool b;
	if (v->listed[i] || (!yaml_real(y, &r) && !yaml_bool(y, &b)))
		return true;
	values_fault(v, i,
		arena_printf(values_arena(v), "is %s: write '%s' in quotes",
			v->ref->kind == KIND_BYTES ? "bytes" : "a text", y->text));
	return false;
}

static bool pattern(struct values *v, size_t i, struct pattern *out)
{
	const struct yaml *y = v->value[i];
	bool cased = v->m->cased && v->ref->kind != KIND_BYTES;
	const char *why = is_text(v, i) ? pattern_make(out, y->text, y->len, v->m->anchor, cased,
						  values_arena(v))
					: "";
	if (why == NULL && v->ref->kind == KIND_BYTES && !pattern_is_hex(out))
		why = "is compared as hex digits";
	if (why != NULL && why[0] != '\0')
		values_fault(v, i, why);
	return why == NULL;
}

struct node *values_patterns(struct values *v)
{
	struct term *t = values_term(v, OP_TEXT);
	struct pattern *p = arena_array(values_arena(v), v->count, sizeof *p);
	uint64_t *keys = arena_array(values_arena(v), v->count, sizeof *keys);
	bool fine = true, exact = v->ref->kind == KIND_TEXT && !v->m->all;
	for (size_t i = 0; i < v->count; i++) {
		fine = pattern(v, i, &p[i]) && fine;
		exact = fine && exact && p[i].shape == SHAPE_EXACT;
		if (exact)
			keys[i] = key_of_text((const uint8_t *)p[i].text, p[i].len);
	}
	t->patterns = p;
	t->count = (uint32_t)v->count;
	if (fine && !v->m->all && v->count >= SET_LEAST)
		t->set = text_set_make(p, t->count, values_arena(v));
	if (exact) {
		qsort(keys, v->count, sizeof *keys, values_by_key);
		t->keys = keys;
		t->key_count = t->count;
	}
	v->l->rules->text_form |= v->ref->kind != KIND_TEXT;
	return fine ? values_node(v, t) : NULL;
}

static struct regex *regex(struct values *v, size_t i)
{
	struct err err = { 0 };
	const struct yaml *y = v->value[i];
	struct regex *r = regex_make(y->text, y->len, v->m->i, v->m->m, v->m->s, &err);
	if (r == NULL)
		values_fault(v, i, err.text);
	else
		rules_keep_regex(v->l->rules, r);
	return r;
}

struct node *values_regex(struct values *v)
{
	struct term *t = values_term(v, OP_REGEX);
	struct regex **r = arena_array(values_arena(v), v->count, sizeof *r);
	enum value_kind kind = v->ref->kind;
	if (kind != KIND_TEXT && kind != KIND_BYTES && kind != KIND_ADDR && kind != KIND_MAC) {
		values_refuse(v, "is no text: re does not apply");
		return NULL;
	}
	bool fine = true;
	for (size_t i = 0; i < v->count; i++) {
		r[i] = regex(v, i);
		fine = r[i] != NULL && fine;
	}
	t->regexes = r;
	t->count = (uint32_t)v->count;
	return fine ? values_node(v, t) : NULL;
}

/* --- addresses, MACs, labels ------------------------------------------------------------- */

static struct node *addr_term(
	struct values *v, const struct ipset *set, const uint64_t *keys, size_t count)
{
	struct term *t = values_term(v, OP_ADDR);
	t->addrs = set;
	t->keys = keys;
	t->key_count = (uint32_t)count;
	return values_node(v, t);
}

struct node *values_addrs(struct values *v, bool prefixes)
{
	if (v->list != NULL) {
		const struct ipset *cached = list_addrs(v->l, v->list);
		return cached == NULL ? NULL : addr_term(v, cached, NULL, 0);
	}
	struct ipset *set = ipset_new();
	rules_keep_ipset(v->l->rules, set);
	uint64_t *keys = arena_array(values_arena(v), v->count, sizeof *keys);
	bool fine = true, exact = true;
	for (size_t i = 0; i < v->count; i++) {
		uint8_t bytes[16];
		unsigned bits = 0;
		const char *text = v->value[i]->text;
		if (!ipset_parse(text, bytes, &bits)) {
			values_fault(v, i,
				arena_printf(values_arena(v), "not an address%s: %s",
					prefixes ? " or prefix (host bits must be 0)" : "", text));
			fine = false;
			continue;
		}
		if (bits < 128 && !prefixes && !v->listed[i]) {
			values_fault(v, i,
				arena_printf(values_arena(v),
					"%s is a prefix: did you mean %s|cidr?", text,
					values_name(v)));
			fine = false;
		}
		exact = exact && bits == 128;
		keys[i] = key_of_bytes(bytes, 16);
		ipset_add(set, bytes, bits);
	}
	if (!fine)
		return NULL;
	ipset_ready(set);
	qsort(keys, v->count, sizeof *keys, values_by_key);
	return addr_term(v, set, exact ? keys : NULL, v->count);
}

/* The site's names are known now: the labels that the texts stand for. */
struct node *values_labels(struct values *v)
{
	const struct labels *names = &v->l->rules->labels[label_table(v->ref->index)];
	struct pattern *p = arena_array(values_arena(v), v->count, sizeof *p);
	union number *n = arena_array(values_arena(v), names->count, sizeof *n);
	bool fine = true;
	for (size_t i = 0; i < v->count; i++)
		fine = pattern(v, i, &p[i]) && fine;
	size_t count = 0;
	for (size_t k = 1; fine && k < names->count; k++) {
		size_t held = 0;
		for (size_t i = 0; i < v->count; i++)
			held += pattern_matches(
				&p[i], (const uint8_t *)names->name[k], strlen(names->name[k]));
		if (v->m->all ? held == v->count : held > 0)
			n[count++].u = k;
	}
	return fine ? values_set(v, n, count) : NULL;
}

/* --- other fields ------------------------------------------------------------------------ */

static bool comparable(const struct field_ref *a, const struct field_ref *b)
{
	static const uint8_t class[] = { [KIND_UINT] = 1,
		[KIND_INT] = 1,
		[KIND_REAL] = 1,
		[KIND_TEXT] = 2,
		[KIND_BYTES] = 3,
		[KIND_ADDR] = 4,
		[KIND_MAC] = 5,
		[KIND_LABEL] = 6,
		[KIND_FLAGS] = 7 };
	if (class[a->kind] != class[b->kind])
		return false;
	return a->kind != KIND_LABEL || label_table(a->index) == label_table(b->index);
}

static struct node *field_node(struct values *v, size_t i)
{
	const struct yaml *y = v->value[i];
	const struct field_ref *other = rule_field(v->l, y, y->text);
	if (other == NULL)
		return NULL;
	if (!comparable(v->ref, other)) {
		fault(v->l, y, "%s and %s do not compare", values_name(v), other->field->name);
		return NULL;
	}
	if (v->m->anchor != ANCHOR_WHOLE && v->ref->kind != KIND_TEXT) {
		values_refuse(v, "is no text: contains, startswith and endswith do not apply");
		return NULL;
	}
	struct term *t = values_term(v, OP_FIELD);
	t->other = other;
	return values_node(v, t);
}

struct node *values_fields(struct values *v)
{
	if (v->count == 1)
		return field_node(v, 0);
	struct node *n =
		node_new(values_arena(v), v->m->all || v->m->neq ? NODE_AND : NODE_OR, v->count);
	bool fine = true;
	for (size_t i = 0; i < v->count; i++) {
		n->child[i] = field_node(v, i);
		fine = n->child[i] != NULL && fine;
	}
	if (!fine)
		return NULL;
	node_done(n);
	return n;
}
