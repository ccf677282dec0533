/* frame_table.c - builds the trees from fields.def and walks values along them. */
#include "aggregator/frame_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

// clang-format off
#define BIT(type) (1u << FRAME_##type)
enum {
	DIGEST = BIT(DIGEST), ROLLUP = BIT(ROLLUP), RECEIPT = BIT(RECEIPT), ANSWER = BIT(ANSWER), EVIDENCE = BIT(EVIDENCE),
	BEAT = BIT(BEAT), FLASH = BIT(FLASH), TOMB = BIT(TOMB), ENVELOPE = BIT(ENVELOPE),
	WARNING = BIT(WARNING), NOTICE = BIT(NOTICE), INDICATORS = BIT(INDICATORS), PACK = BIT(PACK), STEP = BIT(STEP),
	RC = BIT(SIGNED_RECEIPT),
	SEQUENCED = DIGEST | ROLLUP | RECEIPT | ANSWER | EVIDENCE,
	DOWN = WARNING | NOTICE | INDICATORS | PACK | STEP,
	REPORTS = DIGEST | ROLLUP | BEAT | FLASH,
	TOTALS = DIGEST | ROLLUP | TOMB,
	ALL = (1u << FRAME_TYPES) - 1,
};
#define ID_MAX     9007199254740991 /* 2^53 - 1: every reader of JSON has it exactly */
#define SENSOR_MAX 281474976710655  /* 2^48 - 1 */
#define TIME_MAX   4102444800       /* the year 2100, s */

#define HEX16 "hex16"
#define HEX32 "hex32"
#define HEX64 "hex64"
#define ORG "org"
#define ORG_OR_ALL "org or *"
#define SIG "signature"
#define BASE64 "base64"
#define NAME "name"
#define REGION "region"
#define REGION_PREFIX "region prefix"
#define INDUSTRY "industry"
#define INDUSTRY_PREFIX "industry prefix"
#define VERSION "version"
#define RULES_VERSION "rules version"
#define MATRIX "matrix"
#define TECHNIQUE "technique"
#define RULE "rule"
#define ROLES "roles"
#define ZONES "zones"
#define BUCKET "bucket"
#define ADDRESS "address"
#define CASE "case"
#define CASE_NUMBER "case number"
#define CASE_OR_EMPTY "case or empty"
#define SHORT "short"
#define PROSE "prose"
#define RECEIPT_LINE "receipt line"
#define ORIGINAL "original line"

#define TYPE_WORDS "digest rollup receipt answer evidence beat flash tomb envelope warning notice indicators pack step rc"
#define LOST_WORDS "trimmed unreadable overlap epoch spool damaged freed schema level size sig cov revoked"
#define VERDICT_WORDS "accepted rejected unanswered no_reply_by_spec unobserved orphan_reply"
#define CATEGORY_WORDS "ics-command ics-response protocol-command-decode attempted-dos attempted-recon attempted-user " \
	"policy-violation anomaly other"
#define VERB_WORDS "read write write_output force stop start restart download upload delete activate set_clock password " \
	"identify change_mode clear_log disable_reporting file scan none"
#define STATE_WORDS "published delivered signed-for triage in-progress not-applicable disputed mitigated verified reopened " \
	"closed expired cancelled superseded overdue escalated"
#define BY_WORDS "issuer delegate daemon timer operator security-lead plant-engineer manager"
#define ACTION_WORDS "patched isolated blocked restored configured replaced monitored informed none"
#define REASON_WORDS "not-affected no-such-product already-done false-alarm needs-outage wrong-addressee other"

static const struct row {
	unsigned types;
	const char *path;
	enum member_kind kind;
	int64_t low, high;
	const char *detail;
	bool must;
	unsigned level;
	const char *sentence;
} rows[] = {
#define MUST true
#define MAY false
#define FIELD(types, path, kind, low, high, detail, need, level, sentence) \
	{ types, path, MEMBER_##kind, low, high, detail, need, level, sentence },
#include "aggregator/fields.def"
#undef FIELD
};
// clang-format on

enum { ROWS = sizeof rows / sizeof rows[0], PATH_TEXT = 64 };

static struct member roots[FRAME_TYPES];
static pthread_once_t built = PTHREAD_ONCE_INIT;

/* --- building ---------------------------------------------------------------------------- */

static void *must_have(void *p)
{
	if (p == NULL)
		abort(); /* at start-up */
	return p;
}

static const char **split(const char *words)
{
	size_t n = 2;
	for (const char *c = words; *c != '\0'; c++)
		n += *c == ' ';
	char *copy = must_have(strdup(words));
	const char **list = must_have(calloc(n, sizeof *list));
	size_t at = 0;
	for (char *save = NULL, *w = strtok_r(copy, " ", &save); w != NULL;
		w = strtok_r(NULL, " ", &save))
		list[at++] = w;
	return list;
}

/* @next: where to look first, as members mostly come in the table's order. */
static struct member *child_named(
	const struct member *m, const char *name, size_t n, unsigned *next)
{
	for (unsigned k = 0; k < m->children; k++) {
		unsigned i = *next + k < m->children ? *next + k : *next + k - m->children;
		struct member *c = &m->child[i];
		if (c->name_len == n && memcmp(c->name, name, n) == 0) {
			*next = i + 1;
			return c;
		}
	}
	return NULL;
}

static void add_child(struct member *to, const struct row *r, const char *name, size_t n)
{
	to->child = must_have(realloc(to->child, (to->children + 1) * sizeof *to->child));
	struct member *m = &to->child[to->children++];
	*m = (struct member){ .kind = r->kind,
		.low = r->low,
		.high = r->high,
		.must = r->must,
		.level = r->level,
		.sentence = r->sentence,
		.detail = r->detail,
		.path = r->path };
	m->name = must_have(strndup(name, n));
	m->name_len = n;
	to->musts += r->must;
	if (n == 1 && name[0] == '*') {
		to->any = true;
		m->word = split(r->detail);
	} else if (r->kind == MEMBER_WORD) {
		m->word = split(r->detail);
	} else if (r->kind == MEMBER_TEXT) {
		m->fits = frame_pattern_named(r->detail);
		if (m->fits == NULL)
			abort(); /* fields.def names no pattern of ours */
	}
}

/* Segments end at '.', '[' and the end; those in brackets are "" or a number. */
static void place(struct member *root, const struct row *r)
{
	const char *at = r->path;
	struct member *m = root;
	for (;;) {
		bool bracket = *at == '[';
		at += bracket;
		size_t n = strcspn(at, bracket ? "]" : ".[");
		const char *next = at + n + bracket;
		next += *next == '.';
		if (*next == '\0') {
			add_child(m, r, at, n);
			return;
		}
		m = child_named(m, at, n, &(unsigned){ 0 });
		if (m == NULL)
			abort(); /* fields.def: a parent stands before its members */
		at = next;
	}
}

static void build(void)
{
	for (unsigned t = 0; t < FRAME_TYPES; t++) {
		roots[t] = (struct member){ .name = frame_type_name((enum frame_type)t),
			.kind = MEMBER_OBJECT };
		for (unsigned i = 0; i < ROWS; i++)
			if (rows[i].types >> t & 1)
				place(&roots[t], &rows[i]);
	}
}

const struct member *frame_table(enum frame_type t)
{
	pthread_once(&built, build);
	return &roots[t];
}

/* --- checking ---------------------------------------------------------------------------- */

static enum frame_fault wrong(const struct member *m, const char *why, struct err *err)
{
	err_set(err, "%s: %s", m->path == NULL ? m->name : m->path, why);
	return FRAME_SCHEMA;
}

static enum frame_fault check(
	const struct member *m, json_t *v, struct table_use *use, struct err *err);

static enum frame_fault check_any(
	const struct member *m, json_t *v, struct table_use *use, struct err *err)
{
	const char *key;
	json_t *value;
	json_object_foreach(v, key, value)
	{
		const char *const *w = m->child[0].word;
		while (*w != NULL && strcmp(*w, key) != 0)
			w++;
		if (*w == NULL)
			return wrong(&m->child[0], "no such word", err);
		enum frame_fault f = check(&m->child[0], value, use, err);
		if (f != FRAME_GOOD)
			return f;
	}
	return FRAME_GOOD;
}

static enum frame_fault check_object(
	const struct member *m, json_t *v, struct table_use *use, struct err *err)
{
	const char *key;
	json_t *value;
	void *next;
	unsigned musts = 0, from = 0;
	if (m->any)
		return check_any(m, v, use, err);
	json_object_foreach_safe(v, next, key, value)
	{
		struct member *c = child_named(m, key, strlen(key), &from);
		if (c == NULL) {
			use->unknown++;
			json_object_del(v, key);
			continue;
		}
		musts += c->must;
		enum frame_fault f = check(c, value, use, err);
		if (f != FRAME_GOOD)
			return f;
	}
	for (unsigned i = 0; musts < m->musts && i < m->children; i++)
		if (m->child[i].must && json_object_get(v, m->child[i].name) == NULL)
			return wrong(&m->child[i], "is missing", err);
	return FRAME_GOOD;
}

static enum frame_fault check_elements(
	const struct member *m, json_t *v, struct table_use *use, struct err *err)
{
	size_t n = json_array_size(v);
	bool row = m->kind == MEMBER_ROW;
	if (row ? n != (size_t)m->high : n > (size_t)m->high)
		return wrong(
			m, row ? "has another number of places" : "has too many elements", err);
	for (size_t i = 0; i < n; i++) {
		enum frame_fault f = check(&m->child[row ? i : 0], json_array_get(v, i), use, err);
		if (f != FRAME_GOOD)
			return f;
	}
	return FRAME_GOOD;
}

static enum frame_fault check_word(const struct member *m, json_t *v, struct err *err)
{
	for (const char *const *w = m->word; json_is_string(v) && *w != NULL; w++)
		if (strcmp(*w, json_string_value(v)) == 0)
			return FRAME_GOOD;
	return wrong(m, "no such word", err);
}

static enum frame_fault check_int(const struct member *m, json_t *v, struct err *err)
{
	if (!json_is_integer(v))
		return wrong(m, "is no whole number", err);
	if (json_integer_value(v) < m->low || json_integer_value(v) > m->high)
		return wrong(m, "is out of bounds", err);
	return FRAME_GOOD;
}

static enum frame_fault check(
	const struct member *m, json_t *v, struct table_use *use, struct err *err)
{
	if (m->level > use->level) {
		use->level = m->level;
		use->level_path = m->path;
	}
	switch (m->kind) {
	case MEMBER_INT:
		return check_int(m, v, err);
	case MEMBER_WORD:
		return check_word(m, v, err);
	case MEMBER_TEXT:
		return json_is_string(v) && m->fits(json_string_value(v), json_string_length(v))
			       ? FRAME_GOOD
			       : wrong(m, "does not look like one", err);
	case MEMBER_FLAG:
		return json_is_boolean(v) ? FRAME_GOOD : wrong(m, "is neither true nor false", err);
	case MEMBER_OBJECT:
		return json_is_object(v) ? check_object(m, v, use, err)
					 : wrong(m, "is no object", err);
	default:
		return json_is_array(v) ? check_elements(m, v, use, err)
					: wrong(m, "is no list", err);
	}
}

enum frame_fault frame_table_check(
	const struct member *root, json_t *value, struct table_use *use, struct err *err)
{
	*use = (struct table_use){ .level = 0 };
	return check(root, value, use, err);
}

/* --- telling ----------------------------------------------------------------------------- */

static void describe_kind(const struct row *r, FILE *out)
{
	switch (r->kind) {
	case MEMBER_INT:
		fprintf(out, "%lld to %lld", (long long)r->low, (long long)r->high);
		break;
	case MEMBER_TEXT:
		fprintf(out, "%s", r->detail);
		break;
	case MEMBER_WORD:
		fprintf(out, "one of: %s", r->detail);
		break;
	case MEMBER_FLAG:
		fputs("true or false", out);
		break;
	case MEMBER_OBJECT:
		fputs("object", out);
		break;
	case MEMBER_LIST:
		fprintf(out, "list, at most %lld", (long long)r->high);
		break;
	default:
		fprintf(out, "list of %lld", (long long)r->high);
		break;
	}
}

void frame_describe(FILE *out)
{
	fputs("| Member | In | What | Need | Level | Meaning |\n|---|---|---|---|---|---|\n", out);
	for (unsigned i = 0; i < ROWS; i++) {
		const struct row *r = &rows[i];
		fprintf(out, "| `%s` | ", r->path);
		if (r->types == (unsigned)ALL)
			fputs("all", out);
		for (unsigned t = 0, n = 0; t < FRAME_TYPES && r->types != (unsigned)ALL; t++)
			if (r->types >> t & 1)
				fprintf(out, "%s%s", n++ > 0 ? ", " : "",
					frame_type_name((enum frame_type)t));
		fputs(" | ", out);
		describe_kind(r, out);
		fprintf(out, " | %s | %u | %s |\n", r->must ? "must" : "may", r->level,
			r->sentence);
	}
}
