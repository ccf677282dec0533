/* points_read.c - points: and interlocks: of the configuration. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/points.h"

#define SECOND_NS  INT64_C(1000000000)
#define SPAN_MAX_S INT64_C(31536000)

const char *const point_type_names[] = { "bool", "u8", "i8", "u16", "i16", "u32", "i32", "u64",
	"i64", "float32", "float64", "bcd16", "bcd32", NULL };
const char *const point_order_names[] = { "ABCD", "CDAB", "BADC", "DCBA", NULL };
const char *const point_kind_names[] = { "measurement", "setpoint", "output", NULL };
const char *const point_limit_names[] = { "low_low", "low", "high", "high_high", NULL };
const char *const clause_op_names[] = { "eq", "neq", "lt", "lte", "gt", "gte", NULL };

unsigned point_type_bits(enum point_type type)
{
	static const uint8_t bits[POINT_TYPES] = { 1, 8, 8, 16, 16, 32, 32, 64, 64, 32, 64, 16,
		32 };
	return bits[type];
}

/* What is read, and where its faults go. */
struct source {
	const char *path;
	struct text_list *faults;
};

static void wrong(const struct source *s, const struct yaml *at, const char *what, const char *more)
{
	text_list_add(s->faults, "%s:%u:%u: %s%s", s->path, at->line, at->column, what, more);
}

static void *grow(void *block, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return block;
	*cap = *cap == 0 ? 16 : *cap * 2;
	void *grown = realloc(block, *cap * size);
	if (grown == NULL)
		abort(); /* start-up, and a configuration is bounded */
	return grown;
}

static char *copy(const char *text)
{
	char *c = strdup(text);
	if (c == NULL)
		abort();
	return c;
}

static void keep_path(struct points *p, const char *path)
{
	free(p->path);
	p->path = copy(path);
}

/* ---- values of members ---- */

static bool is_text(const struct yaml *v)
{
	return v->kind == YAML_TEXT && !yaml_null(v);
}

static void read_word(const struct source *s, const struct yaml *v, const char *const *words,
	const char *key, uint8_t *out)
{
	for (uint8_t i = 0; is_text(v) && words[i] != NULL; i++)
		if (strcmp(v->text, words[i]) == 0) {
			*out = i;
			return;
		}
	const char *near = is_text(v) ? text_nearest(v->text, words) : NULL;
	text_list_add(s->faults, "%s:%u:%u: unknown %s %s%s%s%s", s->path, v->line, v->column, key,
		is_text(v) ? v->text : "(none)", near == NULL ? "" : " (did you mean ",
		near == NULL ? "" : near, near == NULL ? "" : "?)");
}

static void read_real(const struct source *s, const struct yaml *v, const char *key, double *out)
{
	double n;
	if (!is_text(v) || !yaml_real(v, &n) || !isfinite(n))
		wrong(s, v, key, " is a number");
	else
		*out = n;
}

static const struct unit {
	const char *word;
	int64_t ns;
} units[] = { { "ms", SECOND_NS / 1000 }, { "s", SECOND_NS }, { "m", 60 * SECOND_NS },
	{ "h", 3600 * SECOND_NS }, { "d", 86400 * SECOND_NS } };

static int64_t unit_ns(const char *word)
{
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
		if (strcmp(word, units[i].word) == 0)
			return units[i].ns;
	return 0;
}

/* "30s", "500ms" */
static void read_span(const struct source *s, const struct yaml *v, const char *key, int64_t *out)
{
	char *end = NULL;
	unsigned long n = is_text(v) && v->text[0] >= '1' && v->text[0] <= '9'
				  ? strtoul(v->text, &end, 10)
				  : 0;
	int64_t unit = end == NULL ? 0 : unit_ns(end);
	if (unit == 0 || n > (unsigned long)(SPAN_MAX_S * SECOND_NS / unit))
		wrong(s, v, key, " is a number and ms, s, m, h or d, at most 365d");
	else
		*out = (int64_t)n * unit;
}

/* "0.5/s", "30/m"; a bare number is per second. */
static void read_rate(const struct source *s, const struct yaml *v, const char *key, double *out)
{
	char *end = NULL;
	double n = is_text(v) && v->text[0] >= '0' && v->text[0] <= '9' &&
				   v->text[strspn(v->text, "0123456789.eE+-")] != 'x'
			   ? strtod(v->text, &end)
			   : NAN;
	int64_t unit = end == NULL ? 0 : *end == '\0' ? SECOND_NS : 0;
	if (end != NULL && *end == '/')
		unit = unit_ns(end + 1);
	double rate = unit == 0 ? NAN : n * (double)SECOND_NS / (double)unit;
	if (!isfinite(rate) || rate <= 0)
		wrong(s, v, key, " is a number above 0 and /s, /m, /h or /d");
	else
		*out = rate;
}

static void read_unit(const struct source *s, const struct yaml *v, const char **out)
{
	if (!is_text(v) || v->len == 0 || v->len > POINT_UNIT || strlen(v->text) != v->len)
		wrong(s, v, "a unit is 1 to 32 bytes of text", "");
	else if (*out == NULL) /* else the key stands twice, which is a fault */
		*out = copy(v->text);
}

/* ---- one point ---- */

/* Members, with where their values go. */
static const struct member {
	const char *key;
	enum { MODBUS, S7, DNP3, WORD, REAL, SPAN, RATE, UNIT_OF } is;
	size_t offset;
	const char *const *words;
} members[] = {
	{ "modbus", MODBUS, 0, NULL },
	{ "s7", S7, 0, NULL },
	{ "dnp3", DNP3, 0, NULL },
	{ "type", WORD, offsetof(struct point, type), point_type_names },
	{ "order", WORD, offsetof(struct point, order), point_order_names },
	{ "kind", WORD, offsetof(struct point, kind), point_kind_names },
	{ "scale", REAL, offsetof(struct point, scale), NULL },
	{ "offset", REAL, offsetof(struct point, offset), NULL },
	{ "deadband", REAL, offsetof(struct point, deadband), NULL },
	{ "low_low", REAL, offsetof(struct point, limit[LIMIT_LOW_LOW]), NULL },
	{ "low", REAL, offsetof(struct point, limit[LIMIT_LOW]), NULL },
	{ "high", REAL, offsetof(struct point, limit[LIMIT_HIGH]), NULL },
	{ "high_high", REAL, offsetof(struct point, limit[LIMIT_HIGH_HIGH]), NULL },
	{ "max_rate", RATE, offsetof(struct point, max_rate), NULL },
	{ "stale", SPAN, offsetof(struct point, stale_ns), NULL },
	{ "stuck", SPAN, offsetof(struct point, stuck_ns), NULL },
	{ "unit", UNIT_OF, offsetof(struct point, unit), NULL },
};
enum { MEMBERS = sizeof members / sizeof members[0] };

static const struct member *member_named(const struct source *s, const struct yaml *key)
{
	const char *names[MEMBERS + 1] = { NULL };
	for (unsigned i = 0; i < MEMBERS; i++) {
		names[i] = members[i].key;
		if (strcmp(key->text, members[i].key) == 0)
			return &members[i];
	}
	const char *near = text_nearest(key->text, names);
	text_list_add(s->faults, "%s:%u:%u: a point has no %s%s%s%s", s->path, key->line,
		key->column, key->text, near == NULL ? "" : " (did you mean ",
		near == NULL ? "" : near, near == NULL ? "" : "?)");
	return NULL;
}

static void read_place(
	const struct source *s, const struct yaml *v, const struct member *m, struct point *p)
{
	const char *why = "an address is a text";
	if (is_text(v))
		why = m->is == MODBUS ? point_modbus(v->text, p)
		      : m->is == S7   ? point_s7(v->text, p)
				      : point_dnp3(v->text, p);
	if (why != NULL)
		wrong(s, v, why, "");
}

static void read_member(
	const struct source *s, const struct yaml *v, const struct member *m, struct point *p)
{
	void *at = (char *)p + m->offset;
	switch (m->is) {
	case MODBUS:
	case S7:
	case DNP3:
		read_place(s, v, m, p);
		break;
	case WORD:
		read_word(s, v, m->words, m->key, at);
		break;
	case REAL:
		read_real(s, v, m->key, at);
		break;
	case SPAN:
		read_span(s, v, m->key, at);
		break;
	case RATE:
		read_rate(s, v, m->key, at);
		break;
	case UNIT_OF:
		read_unit(s, v, at);
		break;
	}
}

/* The type that an address says by itself. */
static uint8_t natural_type(const struct point *p)
{
	if (p->width == 1)
		return POINT_BOOL;
	return p->width == 8 ? POINT_U8 : p->width == 32 ? POINT_U32 : POINT_U16;
}

static const char *fit_type(struct point *p, bool said)
{
	if (point_is_dnp3(p)) {
		p->type = POINT_FLOAT64;
		return said ? "DNP3 objects say their type: leave it out" : NULL;
	}
	if (!said)
		p->type = natural_type(p);
	unsigned bits = point_type_bits((enum point_type)p->type);
	bool s7 = p->table >= POINT_DB;
	if (p->width == 1)
		return bits == 1 ? NULL : "a single bit is a bool";
	if (bits == 1)
		return "a bool needs the bit of its register or byte";
	if (s7 && p->width != 8 && p->width != bits)
		return "the type is not as wide as the address";
	p->width = (uint8_t)(!s7 && bits < 16 ? 16 : bits);
	return p->at + p->width > (UINT32_C(1) << (s7 ? 19 : 20))
		       ? "the value ends past the last address"
		       : NULL;
}

static const char *unfit(const struct point *p)
{
	double last = NAN;
	for (unsigned i = 0; i < LIMITS; i++) {
		if (isnan(p->limit[i]))
			continue;
		if (p->limit[i] < last)
			return "limits are in the order low_low, low, high, high_high";
		last = p->limit[i];
	}
	if (p->scale == 0)
		return "scale is not 0";
	return p->deadband < 0 ? "deadband is not below 0" : NULL;
}

static void read_point(
	const struct source *s, struct points *all, const struct yaml *key, const struct yaml *v)
{
	struct point p = { .scale = 1,
		.max_rate = NAN,
		.limit = { NAN, NAN, NAN, NAN },
		.device = (uint32_t)(all->devices - 1) };
	size_t before = s->faults->count;
	unsigned places = 0;
	if (key->len == 0 || key->len > POINT_NAME || strlen(key->text) != key->len ||
		strchr(key->text, '/') != NULL)
		wrong(s, key, "a tag is 1 to 64 bytes of text without /", "");
	if (v->kind != YAML_MAP) {
		wrong(s, v, "a point is a map: {modbus: holding 100, unit: bar}", "");
		return;
	}
	for (size_t i = 0; i < v->count; i++) {
		const struct member *m = member_named(s, v->key[i]);
		places += m != NULL && m->is <= DNP3;
		if (m != NULL)
			read_member(s, v->child[i], m, &p);
	}
	if (places != 1)
		wrong(s, v, "a point has one of modbus, s7 and dnp3", "");
	const char *why =
		s->faults->count > before ? NULL : fit_type(&p, yaml_get(v, "type") != NULL);
	if (why == NULL && s->faults->count == before)
		why = unfit(&p);
	if (why != NULL)
		wrong(s, v, why, "");
	all->point = grow(all->point, all->count, &all->cap, sizeof *all->point);
	p.name = copy(key->text);
	p.number = (uint32_t)(all->count + 1);
	all->point[all->count++] = p;
}

void points_read(
	struct points *p, const char *path, const struct yaml *map, struct text_list *faults)
{
	const struct source s = { path, faults };
	keep_path(p, path);
	if (yaml_null(map))
		return;
	if (map->kind != YAML_MAP) {
		wrong(&s, map, "points is a map of devices", "");
		return;
	}
	for (size_t i = 0; i < map->count; i++) {
		const struct yaml *key = map->key[i], *tags = map->child[i];
		if (tags->kind != YAML_MAP) {
			wrong(&s, tags, "a device has a map of tags", "");
			continue;
		}
		p->device = grow(p->device, p->devices, &p->devices_cap, sizeof *p->device);
		p->device[p->devices++] = (struct point_device){
			.text = copy(key->text), .line = key->line, .column = key->column
		};
		for (size_t k = 0; k < tags->count; k++)
			read_point(&s, p, tags->key[k], tags->child[k]);
	}
}

/* ---- interlocks ---- */

static void add_clause(const struct source *s, struct interlock *lock, const struct yaml *tag,
	const char *op, const struct yaml *value)
{
	const struct yaml word = { .kind = YAML_TEXT,
		.line = value->line,
		.column = value->column,
		.text = op,
		.len = strlen(op) };
	if (lock->clauses == CLAUSES_MAX) {
		wrong(s, tag, "an interlock has at most 8 comparisons", "");
		return;
	}
	struct clause *c = &lock->clause[lock->clauses++];
	*c = (struct clause){ .tag = copy(tag->text), .line = tag->line, .column = tag->column };
	read_word(s, &word, clause_op_names, "comparison", &c->op);
	bool truth;
	if (is_text(value) && yaml_bool(value, &truth))
		c->value = truth;
	else
		read_real(s, value, tag->text, &c->value);
}

static void read_when(const struct source *s, struct interlock *lock, const struct yaml *when)
{
	for (size_t i = 0; when->kind == YAML_MAP && i < when->count; i++) {
		const struct yaml *tag = when->key[i], *v = when->child[i];
		if (v->kind != YAML_MAP)
			add_clause(s, lock, tag, "eq", v);
		for (size_t k = 0; v->kind == YAML_MAP && k < v->count; k++)
			add_clause(s, lock, tag, v->key[k]->text, v->child[k]);
	}
	if (lock->clauses == 0)
		wrong(s, when, "when is a map: {TAG: {lt: 5}}", "");
}

static void read_interlock(const struct source *s, struct points *p, const struct yaml *v)
{
	struct interlock lock = { 0 };
	const struct yaml *name = yaml_get(v, "name"), *when = yaml_get(v, "when"),
			  *time = yaml_get(v, "for");
	if (v->kind != YAML_MAP) {
		wrong(s, v, "an interlock is a map: name, when, for", "");
		return;
	}
	for (size_t i = 0; i < v->count; i++)
		if (strcmp(v->key[i]->text, "name") != 0 && strcmp(v->key[i]->text, "when") != 0 &&
			strcmp(v->key[i]->text, "for") != 0)
			wrong(s, v->key[i], "an interlock has name, when and for, but no ",
				v->key[i]->text);
	if (name == NULL || !is_text(name) || name->len == 0 || name->len > POINT_NAME ||
		strlen(name->text) != name->len) {
		wrong(s, name == NULL ? v : name, "an interlock has a name of 1 to 64 bytes", "");
		return;
	}
	if (when == NULL)
		wrong(s, v, "an interlock says when", "");
	else
		read_when(s, &lock, when);
	if (time != NULL)
		read_span(s, time, "for", &lock.for_ns);
	lock.name = copy(name->text);
	p->interlock = grow(p->interlock, p->interlocks, &p->interlocks_cap, sizeof *p->interlock);
	p->interlock[p->interlocks++] = lock;
}

void interlocks_read(
	struct points *p, const char *path, const struct yaml *list, struct text_list *faults)
{
	const struct source s = { path, faults };
	keep_path(p, path);
	if (yaml_null(list))
		return;
	if (list->kind != YAML_LIST)
		wrong(&s, list, "interlocks is a list", "");
	for (size_t i = 0; list->kind == YAML_LIST && i < list->count; i++)
		read_interlock(&s, p, list->child[i]);
}
