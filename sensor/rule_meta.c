/* rule_meta.c - everything of a rule but what it detects: title, id, level, ics … */
#include "sensor/rule_impl.h"
#include "sensor/services.h"

#include <ctype.h>
#include <stdlib.h>

enum { SID_MAX = 0x7fffffff, SUPPRESS_MAX = 7 * 86400 };
enum { HASHED_FROM = 1900000000, HASHED_MANY = 100000000 };

static const char *const rule_words[] = { "title", "id", "name", "related", "taxonomy", "status",
	"description", "license", "author", "references", "date", "modified", "logsource",
	"detection", "fields", "falsepositives", "level", "tags", "scope", "ics", NULL };
static const char *const correlation_words[] = { "title", "id", "name", "related", "taxonomy",
	"status", "description", "license", "author", "references", "date", "modified",
	"correlation", "falsepositives", "level", "tags", "scope", "ics", NULL };
static const char *const ics_words[] = { "sid", "gid", "rev", "classtype", "target", "verb",
	"suppress", NULL };
static const char *const levels[] = { "informational", "low", "medium", "high", "critical", NULL };
static const char *const statuses[] = { "stable", "test", "experimental", "deprecated",
	"unsupported", NULL };
static const char *const relations[] = { "derived", "obsolete", "merged", "renamed", "similar",
	NULL };
static const char *const suppressors[] = { "src_ip", "dest_ip", "flow", "rule", "unit", NULL };

/* The verbs of all protocols; those that only look come with false. */
static const struct verb {
	const char *name;
	bool changes;
} verbs[] = {
#define VERB(word, changes) { #word, changes },
#include "common/verbs.def"
#undef VERB
};
enum { VERBS = sizeof verbs / sizeof *verbs };

/* Services of the language whose events this sensor does not have. */
static const char *const other_services[] = { "flow", "sensor", NULL };

static int word_index(const char *word, const char *const *words)
{
	for (int i = 0; words[i] != NULL; i++)
		if (words[i][0] == word[0] && strcmp(words[i], word) == 0)
			return i;
	return -1;
}

/* Index in @words, -1 if @y is none (told), -2 if the key is not there. */
static int choice(
	struct loader *l, const struct yaml *y, const char *what, const char *const *words)
{
	if (y == NULL)
		return -2;
	int i = y->kind == YAML_TEXT ? word_index(y->text, words) : -1;
	if (i < 0)
		fault_unknown(l, y, what, y->kind == YAML_TEXT ? y->text : "(no text)", words);
	return i;
}

bool rule_keys(struct loader *l, const struct yaml *map, const char *const *known)
{
	bool fine = true;
	for (size_t i = 0; i < map->count; i++)
		if (word_index(map->key[i]->text, known) < 0) {
			fault_unknown(l, map->key[i], "key", map->key[i]->text, known);
			fine = false;
		}
	return fine;
}

bool rule_text(struct loader *l, const struct yaml *doc, const char *key, size_t max)
{
	const struct yaml *y = yaml_get(doc, key);
	if (y == NULL || (y->kind == YAML_TEXT && y->len > 0 && y->len <= max))
		return true;
	fault(l, y, "%s is a text of at most %zu characters", key, max);
	return false;
}

bool rule_title(struct loader *l, const struct yaml *doc, const char **title)
{
	const struct yaml *y = yaml_get(doc, "title");
	if (y == NULL) {
		fault(l, doc, "missing title");
		return false;
	}
	*title = y->text;
	return rule_text(l, doc, "title", 256);
}

static bool digits(const char *text, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++)
		if (!isdigit((unsigned char)text[i]))
			return false;
	return true;
}

bool rule_date(struct loader *l, const struct yaml *doc, const char *key)
{
	const struct yaml *y = yaml_get(doc, key);
	if (y == NULL)
		return true;
	const char *t = y->text;
	if (y->kind == YAML_TEXT && y->len == 10 && digits(t, 0, 4) && t[4] == '-' &&
		digits(t, 5, 7) && t[7] == '-' && digits(t, 8, 10)) {
		unsigned long month = strtoul(t + 5, NULL, 10), day = strtoul(t + 8, NULL, 10);
		if (month >= 1 && month <= 12 && day >= 1 && day <= 31)
			return true;
	}
	fault(l, y, "%s is written as 2026-11-22", key);
	return false;
}

/* Lower case, or NULL: told. */
const char *rule_uuid(struct loader *l, const struct yaml *y)
{
	bool fine = y->kind == YAML_TEXT && y->len == 36;
	char *id = arena_text(&l->rules->arena, y->text, fine ? 36 : 0);
	for (int i = 0; fine && i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;
		fine = dash ? id[i] == '-' : isxdigit((unsigned char)id[i]) != 0;
		id[i] = (char)tolower((unsigned char)id[i]);
	}
	if (!fine)
		fault(l, y, "not a UUID: %s", y->kind == YAML_TEXT ? y->text : "(no text)");
	return fine ? id : NULL;
}

static bool related(struct loader *l, const struct yaml *y)
{
	static const char *const words[] = { "id", "type", NULL };
	if (y == NULL)
		return true;
	if (y->kind != YAML_LIST) {
		fault(l, y, "related is a list");
		return false;
	}
	bool fine = true;
	for (size_t i = 0; i < y->count; i++) {
		const struct yaml *one = y->child[i], *id = yaml_get(one, "id");
		if (one->kind != YAML_MAP || id == NULL || yaml_get(one, "type") == NULL) {
			fault(l, one, "related needs an id and a type");
			fine = false;
			continue;
		}
		fine = rule_keys(l, one, words) && fine;
		fine = rule_uuid(l, id) != NULL && fine;
		fine = choice(l, yaml_get(one, "type"), "relation", relations) >= 0 && fine;
	}
	return fine;
}

/* A list of texts; @alone: one text will do as well. */
static bool texts(struct loader *l, const struct yaml *doc, const char *key, bool alone)
{
	const struct yaml *y = yaml_get(doc, key);
	bool fine =
		y == NULL || y->kind == YAML_LIST || (alone && y->kind == YAML_TEXT && y->len > 0);
	for (size_t i = 0; y != NULL && y->kind == YAML_LIST && i < y->count; i++)
		fine = fine && y->child[i]->kind == YAML_TEXT && y->child[i]->len > 0;
	if (!fine)
		fault(l, y, "%s is a list of texts", key);
	return fine;
}

static bool fields(struct loader *l, const struct yaml *doc)
{
	const struct yaml *y = yaml_get(doc, "fields");
	bool fine = texts(l, doc, "fields", false);
	for (size_t i = 0; fine && y != NULL && i < y->count; i++)
		fine = rule_field(l, y->child[i], y->child[i]->text) != NULL && fine;
	return fine;
}

/* --- logsource --------------------------------------------------------------------------- */

static bool service(struct loader *l, const struct yaml *y, const char **out)
{
	const char *names[SERVICES_MAX + 2 + sizeof other_services / sizeof *other_services];
	size_t n = 0;
	const struct dissector *const *d = l->rules->words.dissectors;
	for (; n < SERVICES_MAX && d[n] != NULL; n++)
		names[n] = d[n]->name;
	names[n] = "any";
	names[n + 1] = NULL;
	int i = y->kind == YAML_TEXT ? word_index(y->text, names) : -1;
	if (i < 0 && y->kind == YAML_TEXT && word_index(y->text, other_services) >= 0) {
		fault(l, y, "service %s has no events in this sensor yet", y->text);
		return false;
	}
	if (i < 0) {
		fault_unknown(l, y, "service", y->kind == YAML_TEXT ? y->text : "(no text)", names);
		return false;
	}
	l->any = d[i] == NULL;
	l->dissector = d[i];
	*out = l->any ? "any" : d[i]->name;
	return true;
}

bool rule_logsource(struct loader *l, const struct yaml *doc, const char **out)
{
	static const char *const words[] = { "product", "service", "definition", NULL };
	const struct yaml *y = yaml_get(doc, "logsource");
	if (y == NULL || y->kind != YAML_MAP) {
		fault(l, y == NULL ? doc : y,
			y == NULL ? "missing logsource" : "logsource is a map");
		return false;
	}
	bool fine = rule_keys(l, y, words);
	const struct yaml *product = yaml_get(y, "product"), *named = yaml_get(y, "service");
	if (product == NULL || product->kind != YAML_TEXT || strcmp(product->text, "bongsu") != 0) {
		fault(l, product == NULL ? y : product, "the product is bongsu");
		fine = false;
	}
	if (named == NULL) {
		fault(l, y, "missing service");
		return false;
	}
	return service(l, named, out) && fine;
}

/* --- ics --------------------------------------------------------------------------------- */

static bool number(
	struct loader *l, const struct yaml *map, const char *key, uint64_t max, uint32_t *out)
{
	const struct yaml *y = yaml_get(map, key);
	uint64_t n;
	if (y == NULL)
		return true;
	if (yaml_uint(y, &n) && n >= 1 && n <= max) {
		*out = (uint32_t)n;
		return true;
	}
	fault(l, y, "%s is a number from 1 to %llu", key, (unsigned long long)max);
	return false;
}

static bool suppress_by(struct loader *l, const struct yaml *y, uint32_t *out)
{
	bool fine = y->kind == YAML_LIST && y->count > 0;
	if (!fine)
		fault(l, y, "by is a list: src_ip, dest_ip, flow, rule, unit");
	for (size_t i = 0; fine && i < y->count; i++) {
		int bit = choice(l, y->child[i], "key", suppressors);
		if (bit < 0)
			return false;
		*out |= UINT32_C(1) << bit;
	}
	return fine;
}

_Static_assert(BY_SRC == 1 && BY_DST == 2 && BY_FLOW == 4 && BY_RULE == 8 && BY_UNIT == 16,
	"suppressors are in the order of their bits");

static bool suppress(struct loader *l, const struct yaml *y, struct rule *rule)
{
	static const char *const words[] = { "by", "seconds", NULL };
	if (y == NULL)
		return true;
	if (y->kind != YAML_MAP || yaml_get(y, "seconds") == NULL) {
		fault(l, y, "suppress is a map of by and seconds");
		return false;
	}
	bool fine = rule_keys(l, y, words);
	fine = number(l, y, "seconds", SUPPRESS_MAX, &rule->suppress_seconds) && fine;
	const struct yaml *by = yaml_get(y, "by");
	if (by == NULL)
		rule->suppress_by = BY_RULE;
	return (by == NULL || suppress_by(l, by, &rule->suppress_by)) && fine;
}

static bool verb(struct loader *l, const struct yaml *y, struct rule *rule)
{
	const char *names[VERBS + 1] = { NULL };
	for (size_t i = 0; i < VERBS; i++)
		names[i] = verbs[i].name;
	int i = choice(l, y, "verb", names);
	if (i >= 0) {
		rule->verb = verbs[i].name;
		rule->changes_state = verbs[i].changes;
	}
	return i != -1;
}

static bool ics(struct loader *l, const struct yaml *y, struct rule *rule)
{
	static const char *const ends[] = { "source", "destination", NULL };
	if (y == NULL)
		return true;
	if (y->kind != YAML_MAP) {
		fault(l, y, "ics is a map");
		return false;
	}
	bool fine = rule_keys(l, y, ics_words);
	fine = number(l, y, "sid", SID_MAX, &rule->sid) && fine;
	fine = number(l, y, "gid", SID_MAX, &rule->gid) && fine;
	fine = number(l, y, "rev", SID_MAX, &rule->rev) && fine;
	fine = rule_text(l, y, "classtype", 128) && fine;
	if (fine && yaml_get(y, "classtype") != NULL) {
		const struct yaml *c = yaml_get(y, "classtype");
		rule->classtype = arena_text(&l->rules->arena, c->text, c->len);
	}
	int target = choice(l, yaml_get(y, "target"), "target", ends);
	rule->target = target >= 0 ? (uint8_t)(target + 1) : 0;
	fine = verb(l, yaml_get(y, "verb"), rule) && target != -1 && fine;
	return suppress(l, yaml_get(y, "suppress"), rule) && fine;
}

static uint32_t sid_of(const char *uuid)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	for (; *uuid != '\0'; uuid++)
		h = (h ^ (uint8_t)*uuid) * UINT64_C(0x100000001b3);
	h ^= h >> 32;
	return (uint32_t)(HASHED_FROM + h % HASHED_MANY);
}

/* --- all of it --------------------------------------------------------------------------- */

static bool descriptions(struct loader *l, const struct yaml *doc)
{
	bool fine = rule_text(l, doc, "description", 65535);
	fine = rule_text(l, doc, "name", 256) && fine;
	fine = rule_text(l, doc, "taxonomy", 256) && fine;
	fine = rule_text(l, doc, "license", 256) && fine;
	fine = rule_text(l, doc, "author", 1024) && fine;
	fine = rule_date(l, doc, "date") && fine;
	fine = rule_date(l, doc, "modified") && fine;
	fine = texts(l, doc, "references", false) && fine;
	fine = texts(l, doc, "falsepositives", true) && fine;
	fine = texts(l, doc, "scope", false) && fine;
	return related(l, yaml_get(doc, "related")) && fine;
}

bool rule_meta(struct loader *l, const struct yaml *doc, struct compiled *out)
{
	struct rule *rule = &out->rule;
	struct metadata m = { .tags = yaml_get(doc, "tags") };
	const char *title = NULL;
	const struct yaml *id = yaml_get(doc, "id");
	bool correlates = yaml_get(doc, "correlation") != NULL;
	bool fine = rule_keys(l, doc, correlates ? correlation_words : rule_words);
	fine = rule_title(l, doc, &title) && fine;
	if (id == NULL)
		fault(l, doc, "missing id");
	rule->id = id == NULL ? NULL : rule_uuid(l, id);
	fine = descriptions(l, doc) && fine && rule->id != NULL;
	int level = choice(l, yaml_get(doc, "level"), "level", levels);
	fine = choice(l, yaml_get(doc, "status"), "status", statuses) != -1 && level != -1 && fine;
	rule->level = m.level = level < 0 ? LEVEL_MEDIUM : (enum rule_level)level;
	rule->gid = rule->rev = 1;
	rule->classtype = "Industrial control";
	fine = ics(l, yaml_get(doc, "ics"), rule) && fine;
	if (correlates)
		rule->service = "correlation";
	else
		fine = rule_logsource(l, doc, &rule->service) && fields(l, doc) && fine;
	out->dissector = l->dissector;
	rule->title = title == NULL ? "" : arena_text(&l->rules->arena, title, strlen(title));
	rule->place = arena_printf(&l->rules->arena, "%s:%u", l->path, doc->line);
	m.id = rule->id == NULL ? "" : rule->id;
	attack_render(l, &m, rule);
	if (rule->sid == 0 && rule->id != NULL)
		rule->sid = sid_of(rule->id);
	return fine;
}
