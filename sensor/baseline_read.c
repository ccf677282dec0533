/* baseline_read.c - a baseline from YAML: learned, edited by people, or written by hand. */
#include <stdlib.h>

#include "sensor/baseline.h"
#include "sensor/site.h"

enum { WORD_MAX = 200 };

struct reading {
	const char *path;
	struct text_list *faults;
	struct baseline *b;
	uint32_t asks; /* decisions that are open */
};

static void fault(struct reading *r, const struct yaml *at, const char *what, const char *word)
{
	char text[WORD_MAX + 1];
	snprintf(text, sizeof text, "%s", word == NULL ? "" : word);
	for (char *c = text; *c != '\0'; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	text_list_add(r->faults, "%s:%u:%u: %s%s", r->path, at->line, at->column, what, text);
}

static bool known_keys(struct reading *r, const struct yaml *map, const char *const *known)
{
	bool good = true;
	for (size_t i = 0; i < map->count; i++) {
		bool found = false;
		for (const char *const *k = known; *k != NULL; k++)
			found |= strcmp(*k, map->key[i]->text) == 0;
		if (!found)
			fault(r, map->key[i], "unknown key ", map->key[i]->text);
		good &= found;
	}
	return good;
}

/* --- deeds ------------------------------------------------------------------------------- */

static void read_place(
	struct reading *r, const struct contact *t, struct deed *d, const struct yaml *v)
{
	struct act_place p = { .kind = 0 };
	if (v->kind != YAML_TEXT || !place_parse(t->key.protocol, v->text, &p))
		fault(r, v, "not a range of this protocol, such as 0-99, DB10 0-15 or group30 4: ",
			v->kind == YAML_TEXT ? v->text : NULL);
	else if (!deed_put_place(d, &p))
		fault(r, v, "more than 32 ranges, or it overlaps another: ", v->text);
}

static void read_places(
	struct reading *r, const struct contact *t, struct deed *d, const struct yaml *v)
{
	if (v->kind == YAML_TEXT && strcmp(v->text, "any") == 0) {
		d->anywhere = true;
		return;
	}
	if (yaml_null(v))
		return;
	for (size_t i = 0; v->kind == YAML_LIST && i < v->count; i++)
		read_place(r, t, d, v->child[i]);
	if (v->kind != YAML_LIST)
		fault(r, v, "any, or a list of ranges: [0-99, 200]", NULL);
}

static void read_decision(struct reading *r, struct deed *d, const struct yaml *v)
{
	static const char *const known[] = { "allow", NULL };
	const struct yaml *allow = v->kind == YAML_MAP ? yaml_get(v, "allow") : NULL;
	bool yes;
	d->anywhere = true;
	if (v->kind == YAML_MAP && !known_keys(r, v, known))
		return;
	if (allow != NULL && allow->kind == YAML_TEXT && strcmp(allow->text, "ask") == 0) {
		char name[ACT_TEXT];
		act_print(d->act, name);
		r->asks++;
		fault(r, allow, "decide it: yes or no for ", name);
	} else if (allow == NULL || allow->kind != YAML_TEXT || !yaml_bool(allow, &yes)) {
		fault(r, v, "a decision is {allow: yes} or {allow: no}", NULL);
	} else {
		d->decision = yes ? DECISION_YES : DECISION_NO;
	}
}

static void read_deeds(struct reading *r, uint32_t talk, const struct yaml *map, bool decided)
{
	if (map == NULL || yaml_null(map))
		return;
	if (map->kind != YAML_MAP) {
		fault(r, map, "a map of functions", NULL);
		return;
	}
	for (size_t i = 0; i < map->count; i++) {
		const struct contact *t = &r->b->talk[talk];
		act_id id = act_parse(t->key.protocol, map->key[i]->text);
		if (id == 0) {
			fault(r, map->key[i], "unknown function ", map->key[i]->text);
			continue;
		}
		if (baseline_deed(r->b, talk, id) != BASELINE_NOBODY) {
			fault(r, map->key[i], "twice: ", map->key[i]->text);
			continue;
		}
		if (!decided && verb_is_grave(act_verb(id))) {
			fault(r, map->key[i],
				"belongs under decide, as {allow: yes}: ", map->key[i]->text);
			continue;
		}
		uint32_t n = baseline_add_deed(r->b, talk, id);
		if (n == BASELINE_NOBODY)
			abort(); /* they were counted */
		if (decided)
			read_decision(r, &r->b->deed[n], map->child[i]);
		else
			read_places(r, t, &r->b->deed[n], map->child[i]);
	}
}

/* --- talks ------------------------------------------------------------------------------- */

static bool read_addr(struct reading *r, const struct yaml *map, const char *key, struct addr *out)
{
	const struct yaml *v = yaml_get(map, key);
	uint8_t bits;
	if (v == NULL) {
		fault(r, map, "missing: ", key);
		return false;
	}
	if (v->kind != YAML_TEXT || !site_prefix_parse(v->text, out->bytes, &bits) || bits != 128) {
		fault(r, v, "not an address: ", v->kind == YAML_TEXT ? v->text : NULL);
		return false;
	}
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	out->family = memcmp(out->bytes, mapped, sizeof mapped) == 0 ? 4 : 6;
	return true;
}

static bool read_number(struct reading *r, const struct yaml *map, const char *key, uint64_t *out)
{
	const struct yaml *v = yaml_get(map, key);
	*out = 0;
	if (v == NULL || (v->kind == YAML_TEXT && yaml_uint(v, out)))
		return true;
	fault(r, v, "a number: ", key);
	return false;
}

static bool read_protocol(struct reading *r, const struct yaml *map, struct contact_key *key)
{
	const struct yaml *v = yaml_get(map, "protocol");
	key->protocol = v == NULL || v->kind != YAML_TEXT ? NULL : dissector_named(v->text);
	if (v == NULL)
		fault(r, map, "missing: ", "protocol");
	else if (key->protocol == NULL || key->protocol->office)
		fault(r, v, "unknown protocol ", v->kind == YAML_TEXT ? v->text : NULL);
	return key->protocol != NULL && !key->protocol->office;
}

static void read_talk(struct reading *r, const struct yaml *map)
{
	static const char *const known[] = { "client", "device", "protocol", "unit", "rate",
		"allow", "decide", NULL };
	struct contact_key key = { .unit = 0 };
	uint64_t rate = 0;
	if (map->kind != YAML_MAP) {
		fault(r, map, "a talk is a map: client, device, protocol, unit, rate, allow", NULL);
		return;
	}
	bool good = known_keys(r, map, known);
	good &= read_addr(r, map, "client", &key.client);
	good &= read_addr(r, map, "device", &key.device);
	good &= read_protocol(r, map, &key);
	good &= read_number(r, map, "unit", &key.unit);
	good &= read_number(r, map, "rate", &rate);
	if (!good)
		return;
	if (key.protocol->unit_field == 0 && yaml_get(map, "unit") != NULL) {
		fault(r, map, "no unit in ", key.protocol->name);
		return;
	}
	if (baseline_talk(r->b, &key) != BASELINE_NOBODY) {
		fault(r, map, "this client, device, protocol and unit stand here twice", NULL);
		return;
	}
	uint32_t talk = baseline_add_talk(r->b, &key);
	if (talk == BASELINE_NOBODY)
		abort(); /* they were counted */
	r->b->talk[talk].rate = rate;
	read_deeds(r, talk, yaml_get(map, "allow"), false);
	read_deeds(r, talk, yaml_get(map, "decide"), true);
}

/* --- files ------------------------------------------------------------------------------- */

static size_t count_of(const struct yaml *map, const char *key)
{
	const struct yaml *v = map->kind == YAML_MAP ? yaml_get(map, key) : NULL;
	return v != NULL && v->kind == YAML_MAP ? v->count : 0;
}

static char *name_of(const struct yaml *map)
{
	const struct yaml *v = yaml_get(map, "name");
	return v != NULL && v->kind == YAML_TEXT ? strdup(v->text) : NULL;
}

struct baseline *baseline_read(const char *path, const struct yaml *map, struct text_list *faults)
{
	struct reading r = { .path = path, .faults = faults };
	size_t before = faults->count;
	const struct yaml *talks = map->kind == YAML_MAP ? yaml_get(map, "talks") : NULL;
	if (talks == NULL || talks->kind != YAML_LIST) {
		fault(&r, talks == NULL ? map : talks, "a baseline has a list of talks:", NULL);
		return NULL;
	}
	size_t deeds = 0;
	for (size_t i = 0; i < talks->count; i++)
		deeds += count_of(talks->child[i], "allow") + count_of(talks->child[i], "decide");
	r.b = baseline_new((uint32_t)talks->count, (uint32_t)deeds, 0);
	if (r.b == NULL)
		abort(); /* start-up, and YAML is bounded */
	r.b->name = name_of(map);
	r.b->path = strdup(path);
	for (size_t i = 0; i < talks->count; i++)
		read_talk(&r, talks->child[i]);
	if (faults->count == before && baseline_lock(r.b))
		return r.b;
	baseline_free(r.b);
	return NULL;
}

struct baseline *baseline_load(const char *path, struct text_list *faults)
{
	static const char *const known[] = { "name", "talks", NULL };
	struct reading r = { .path = path, .faults = faults };
	struct yaml_file *file = yaml_load(path, faults);
	struct baseline *b = NULL;
	size_t before = faults->count;
	if (file != NULL && file->count == 1 && file->document[0]->kind == YAML_MAP) {
		known_keys(&r, file->document[0], known);
		b = baseline_read(path, file->document[0], faults);
	} else if (file != NULL) {
		text_list_add(faults, "%s:1:1: a baseline is one map: name and talks", path);
	}
	yaml_file_free(file);
	if (faults->count == before)
		return b;
	baseline_free(b);
	return NULL;
}
