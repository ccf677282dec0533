/* rule_impl.h - what the pieces of the rule engine share; nobody else includes it.
 * rule_load reads files, rule_meta the head of a rule, rule_detect its selections, rule_value their
 * values, rule_condition the condition; rule_index sorts the rules by what they need, rule_match
 * asks them. */
#ifndef SENSOR_RULE_IMPL_H
#define SENSOR_RULE_IMPL_H

#include <sys/types.h>

#include "common/arena.h"
#include "common/ipset.h"
#include "common/text_list.h"
#include "common/yaml.h"
#include "sensor/envelope.h"
#include "sensor/rule.h"

/* --- fields ------------------------------------------------------------------------------ */

enum source { FROM_HEADER, FROM_ITEM, FROM_ENVELOPE };

struct field_ref {
	uint8_t source, kind;              /* enum source, enum value_kind */
	uint8_t index;                     /* in its table */
	uint16_t id;                       /* in the vocabulary */
	bool many;                         /* may have several values */
	bool waits;                        /* for the verdict */
	bool is_time;                      /* milliseconds since 1970 */
	const struct dissector *dissector; /* NULL: envelope */
	const struct field *field;
	uint64_t max; /* 0: no bound */
};

/* Every field of every protocol and the envelope. */
struct vocabulary {
	const struct dissector *const *dissectors;
	struct field_ref *ref;
	const char **name; /* of each ref; then NULL */
	size_t count;
	uint32_t *slot; /* hash by name: index + 1 */
	size_t slots;
};

void vocabulary_make(
	struct vocabulary *v, const struct dissector *const *dissectors, struct arena *arena);
const struct field_ref *vocabulary_find(const struct vocabulary *v, const char *name);

/* --- texts ------------------------------------------------------------------------------- */

/* A Sigma text: characters, '*' and '?'; folded to lower case unless cased. */
enum pattern_shape { SHAPE_EXACT, SHAPE_PREFIX, SHAPE_SUFFIX, SHAPE_CONTAINS, SHAPE_GLOB };
enum { PATTERN_MAX = 1024, GLOB_ANY = 256, GLOB_ONE = 257 };

struct pattern {
	enum pattern_shape shape;
	bool cased;
	uint32_t len;
	const char *text;     /* without the outer '*' */
	const uint16_t *glob; /* SHAPE_GLOB: characters, GLOB_ANY, GLOB_ONE */
};

enum anchor { ANCHOR_WHOLE, ANCHOR_STARTS, ANCHOR_ENDS, ANCHOR_WITHIN };

/* NULL, or what is wrong with it. */
const char *pattern_make(struct pattern *p, const char *text, size_t len, enum anchor anchor,
	bool cased, struct arena *arena);
bool pattern_matches(const struct pattern *p, const uint8_t *text, size_t len);
/* Only hex digits and wildcards? */
bool pattern_is_hex(const struct pattern *p);
bool text_folds_equal(const uint8_t *a, size_t n, const uint8_t *b, size_t m, bool cased);
bool text_folds_within(const uint8_t *text, size_t n, const uint8_t *part, size_t m, bool cased);

struct text_set; /* text_set.h */
struct regex;    /* rule_regex.c */
struct regex_run;
struct regex *regex_make(const char *pattern, size_t len, bool i, bool m, bool s, struct err *err);
void regex_free(struct regex *r);
struct regex_run *regex_run_new(void);
void regex_run_free(struct regex_run *run);
bool regex_matches(const struct regex *r, struct regex_run *run, const uint8_t *text, size_t len);
/* Searches given up at the bound on steps, counted as "does not match". */
uint64_t regex_run_given_up(const struct regex_run *run);

/* --- terms and expressions --------------------------------------------------------------- */

enum op {
	OP_EXISTS, /* present */
	OP_ABSENT,
	OP_SET, /* equals one of the values */
	OP_LT,
	OP_LTE,
	OP_GT,
	OP_GTE,
	OP_TEXT,
	OP_REGEX,
	OP_ADDR,
	OP_FLAGS, /* any of the bits; all of them with .all */
	OP_FIELD, /* compares with another field */
};

enum time_part { PART_NONE, PART_MINUTE, PART_HOUR, PART_DAY, PART_WEEK, PART_MONTH, PART_YEAR };

union number {
	uint64_t u;
	int64_t i;
	double r;
};

struct term {
	struct field_ref ref;
	uint8_t op, part;
	uint8_t anchor; /* OP_FIELD of texts */
	bool negated;   /* neq: present, and none of the values */
	bool all, cased;
	uint32_t count; /* of numbers, patterns, regexes */
	/* OP_SET, OP_TEXT and OP_ADDR that hold for few values only: their keys for the index */
	uint32_t key_count;
	const uint64_t *keys;
	union {
		union number one; /* OP_LT … OP_GTE, OP_FLAGS, and OP_SET of one */
		const union number *numbers;
		const struct pattern *patterns;
		struct regex *const *regexes;
		const struct ipset *addrs;
		const struct field_ref *other;
	};
	const struct text_set *set; /* OP_TEXT of many patterns; NULL: ask one by one */
	const struct term *next;    /* in the rule or filter it was written in */
};

enum node_kind {
	NODE_TERM,
	NODE_QUICK /* a term, asked the short way */,
	NODE_AND,
	NODE_OR,
	NODE_NOT,
	NODE_NEVER
};

struct node {
	uint8_t kind;
	bool items, waits; /* names item fields, verdict fields */
	uint16_t cost;     /* cheap ones are asked first */
	uint32_t count;
	union {
		const struct term *term;
		struct node **child;
	};
};

struct node *node_new(struct arena *arena, enum node_kind kind, size_t count);
struct node *node_term(struct arena *arena, const struct term *term);
/* After the children are in place: sums up, and puts the cheap ones first. */
void node_done(struct node *node);

/* --- the set ----------------------------------------------------------------------------- */

enum { LABEL_TABLES = 3 };
struct labels {
	const char *const *name;
	size_t count;
};

enum tri { NO, YES, MAYBE };

enum quick_from { QUICK_HEADER, QUICK_DIR, QUICK_OUTCOME, QUICK_ITEM };

/* One whole number a rule needs: a comparison, or membership in a small set. */
struct quick {
	uint8_t from, index; /* enum quick_from; of the header field */
	uint8_t op;          /* OP_EXISTS, OP_SET, OP_LT … OP_GTE */
	uint8_t words;       /* of bits; 0: one value */
	union {
		uint64_t one;
		const uint64_t *bits;
	};
};

/* --- correlations ------------------------------------------------------------------------ */

enum correlation_type {
	EVENT_COUNT,
	VALUE_COUNT,
	TEMPORAL,
	TEMPORAL_ORDERED,
	VALUE_SUM,
	VALUE_AVG,
	VALUE_PERCENTILE
};
enum { MEMBERS_MAX = 16, BOUNDS_MAX = 6, NOTES_MAX = 4096 };

/* Where a value of a member comes from: its event, or what it was grouped by itself. */
struct origin {
	const struct field_ref *ref; /* NULL: inner */
	uint32_t inner;              /* index in the member's own group-by */
};

struct bound {
	uint8_t op; /* enum bound_op, rule_correlation.c */
	double value;
};

enum bound_op { BOUND_GT, BOUND_GTE, BOUND_LT, BOUND_LTE, BOUND_EQ, BOUND_NEQ };

struct correlation {
	uint8_t type;  /* enum correlation_type */
	bool good;     /* read without a fault */
	bool generate; /* its rules alert for themselves as well */
	bool patient;  /* few is what it looks for: asked once a whole timespan was followed */
	uint32_t percentile, bounds, members, by;
	int64_t span_ns;
	uint64_t key; /* of all that it counts by: what is remembered outlives a reload */
	struct bound bound[BOUNDS_MAX];
	struct compiled **member;
	const char **by_name;
	struct origin *origin; /* of each member: by + 1, the last is the value's */
};

/* A rule's hits go to a correlation. */
struct feed {
	const struct compiled *to;
	uint32_t member;
	const struct feed *next;
};

struct compiled {
	struct rule rule; /* first: a struct rule * is one of these */
	struct node *root;
	/* the same as root, to be asked in this order: rest NULL is yes */
	const struct quick *quick, *item_quick;
	uint32_t quick_count, item_quick_count;
	struct node *rest;
	const struct dissector *dissector; /* NULL: any */
	const struct field_ref **named;    /* fields for bongsu.matched */
	uint32_t named_count;
	const struct rules *set;
	const struct correlation *correlation; /* NULL: a rule on single messages */
	const struct feed *feeds;              /* who correlates it */
	const char *name;                      /* Sigma's name:, or "" */
	const struct yaml *source;             /* while loading */
};

static inline const struct compiled *compiled_of(const struct rule *rule)
{
	return (const struct compiled *)(const void *)rule;
}

struct split; /* rule_index.c */

enum { SHAPE_FIELDS = 4 };

/* The rules that may hold for one protocol. */
struct group {
	const struct dissector *dissector;
	struct split *tree;
	size_t rules;
	size_t number;                     /* its index in rules.groups */
	uint8_t shape_field[SHAPE_FIELDS]; /* header fields of a shape (rule_plan.c) */
	uint8_t shape_fields;
	bool steady; /* what its rules name follows from the print of an event */
};

struct rules {
	struct arena arena;
	struct vocabulary words;
	struct labels labels[LABEL_TABLES]; /* roles, zones, names; copies */
	struct compiled **rule;
	size_t count, cap;
	struct group *groups; /* one a dissector */
	size_t group_count;
	uint32_t item_splits; /* in all trees */
	struct regex **regexes;
	size_t regex_count, regex_cap;
	struct ipset **ipsets;
	size_t ipset_count, ipset_cap;
	bool text_form; /* some rule compares bytes or addresses as text */
};

/* Which label table an envelope field speaks of; only for KIND_LABEL. */
static inline unsigned label_table(unsigned envelope)
{
	return (envelope - ENV_SRC_ROLE) / 2;
}

/* rule_quick.c: takes the quick part out of root, once that is complete. */
void quick_split(struct compiled *c, struct arena *arena);
bool quick_passes(const struct compiled *c, const struct event *e);
/* The same for those of the tests whose bits are set. */
bool quick_pass(const struct compiled *c, uint32_t tests, const struct event *e);
bool quick_holds_for(const struct quick *q, uint64_t n);
/* The part that asks the item; MAYBE while that is not known. */
enum tri quick_item(const struct compiled *c, const struct item *item);

/* rule_index.c: builds the groups. */
void rules_index(struct rules *rules);

/* --- matching ---------------------------------------------------------------------------- */

/* One event being judged. */
struct look {
	const struct event *e;
	const struct item *item; /* NULL: not known yet */
	struct rule_run *run;
	bool sketch; /* what the event does not have is not known yet */
};

enum tri node_holds(const struct node *node, const struct look *look);

/* Values of a field: how many, 0 if absent, -1 if not known yet. @at points at them. */
/* Item @index of the event; NULL if there is none. */
const struct item *event_item(const struct event *e, int32_t index, struct item *out);
/* A value as a person reads it: addresses, labels and named numbers as text. */
void put_shown(const struct compiled *c, const struct field_ref *ref, struct value v,
	rule_field_fn *put, void *ctx);
int look_values(const struct look *look, const struct field_ref *ref,
	struct value made[ENVELOPE_VALUES], const struct value **at);
/* A text, or the text form of bytes and addresses, made in run->form. */
struct value look_text(const struct look *look, const struct field_ref *ref, struct value v);
uint64_t mac_number(const uint8_t bytes[6]);

/* Keys for the index: equal values have equal keys; the reverse need not be so. */
uint64_t key_of_value(const struct field_ref *ref, const struct value *v);
uint64_t key_of_text(const uint8_t *text, size_t len);
uint64_t key_of_bytes(const uint8_t *bytes, size_t len);

/* What must be there for a rule to hold at all: asked before the rule is, in one comparison. */
enum gate_bit {
	GATE_MALFORMED = 1,
	GATE_VERDICT = 2, /* one is judged, now or later */
	GATE_ITEMS = 4,
	GATE_FLAGS = 8,
	GATE_LABEL = 16,      /* six of them, in the order of the envelope */
	GATE_NEVER = 16 << 6, /* fields of another protocol */
};

struct gate {
	uint64_t present; /* header fields */
	uint64_t bits;    /* enum gate_bit */
};

/* Is all that @needed there? */
static inline bool gate_passes(const struct gate *needed, const struct gate *there)
{
	return ((needed->present & ~there->present) | (needed->bits & ~there->bits)) == 0;
}

struct leaf {
	struct gate gate;
	const struct compiled *rule;
};

enum { SPLIT_LEAF, SPLIT_FIELD };

struct split {
	uint8_t kind;
	struct field_ref ref; /* SPLIT_FIELD */
	/* small numbers by table, others by open addressing; both give children */
	uint32_t dense; /* children of keys below this */
	struct split **table;
	uint32_t mask; /* slots - 1, 0: none */
	uint64_t *key;
	struct split **child;
	struct split *rest; /* rules that do not need this field, or NULL */

	uint32_t count;   /* SPLIT_LEAF */
	struct gate gate; /* what all of the leaf need */
	struct leaf *leaf;
};

static inline const struct split *split_child(const struct split *s, uint64_t key)
{
	if (key < s->dense)
		return s->table[key];
	if (s->mask == 0)
		return NULL;
	uint64_t h = key * UINT64_C(0x9e3779b97f4a7c15);
	for (uint32_t i = (uint32_t)(h >> 32) & s->mask;; i = (i + 1) & s->mask) {
		if (s->child[i] == NULL || s->key[i] == key)
			return s->child[i];
	}
}

struct tally {
	uint64_t asked, held, timed, timed_ns;
};

/* --- plans (rule_plan.c) ----------------------------------------------------------------- */

/* What a walk over the tree comes to for events of one shape: the same fields present, of the same
 * direction, outcome and function. Most traffic has few shapes, so it is walked once for each. */
enum step_kind {
	STEP_RULE,
	STEP_ITEMS, /* a split by items */
	STEP_WALK,  /* a split by something else that the shape does not tell */
};

struct plan_step {
	uint8_t kind;   /* enum step_kind */
	uint32_t quick; /* STEP_RULE: bit i: the shape does not tell whether its quick[i] holds */
	union {
		const struct compiled *rule;
		const struct split *split;
	};
};

struct plan_shape {
	struct gate gate; /* above the gate's own bits: direction, outcome */
	uint64_t values;  /* 16 bits each */
};

enum { PLAN_STEPS = 22, PLANS = 64 };

struct plan {
	struct plan_shape shape;
	bool made, whole; /* not whole: it has too many steps */
	uint16_t count;
	struct plan_step step[PLAN_STEPS];
};

/* Which fields tell shapes of @g apart; its tree is complete. */
void plan_fields(struct group *g);
/* The plan for events like @e with @gate, out of PLANS of the group's. NULL: there is none, and the
 * tree has to be walked. */
const struct plan *plan_for(
	struct plan *plans, const struct group *g, const struct event *e, struct gate gate);

enum {
	FORM_BYTES = 131072,
	ITEMS_MAX = 16384 /* points of one bit in a fragment of 2,048 octets */,
	SAMPLE_EVERY = 1024
};

/* --- memory (rule_memo.c) ---------------------------------------------------------------- */

enum { MEMO_HITS = 4, MEMO_RULES = UINT16_MAX };

/* What the rules came to for events of one print. */
struct memo {
	uint64_t print; /* 0: free */
	struct {
		uint16_t rule;
		int16_t item;
	} hit[MEMO_HITS];
	uint8_t hits, later; /* bit i: hit[i] is to be asked again with the verdict */
	bool used;           /* since another print last wanted its place */
};

_Static_assert(ITEMS_MAX <= INT16_MAX, "a memo has room for an item's index");

/* Is all that the rule names the same for two events of @d with one print? */
bool rule_is_steady(const struct compiled *c, const struct dissector *d);
struct memo *memo_new(void);
void memo_keep(struct rule_run *run, uint64_t print, const struct hit *hits, size_t count);

enum { NEAR = 64 };

/* Rules that wait for items, and parts of the tree that do. */
struct rule_run {
	const struct rules *rules;
	struct plan **plans;            /* PLANS for each group, from its first event on */
	const struct group *near[NEAR]; /* by the dissector's address */
	struct memo *memo;
	struct tally *tally; /* one a rule */
	uint64_t events, hits_cut, items_cut;
	bool timing; /* this event is sampled */
	struct regex_run *regex;

	const struct compiled **pending;
	uint32_t *seen; /* serial of the event that settled the rule */
	uint32_t serial, pending_count;
	const struct split **item_split;
	uint32_t item_split_count, item_split_cap;
	char *form; /* bytes as hex, addresses as text */
};

/* --- loading ----------------------------------------------------------------------------- */

struct word_list { /* a %name% list, read */
	const char *name;
	const struct yaml **value; /* scalars with their places */
	size_t count;
	const char *path;          /* of the file, or what to call the configuration */
	const struct ipset *addrs; /* made when first asked for */
	bool addrs_bad;
};

struct technique {
	const char *v18, *v19, *name;
	uint32_t v18_hash, v19_hash;
	const char **tactic; /* TA ids */
	size_t tactics;
};

struct attack {
	struct technique *technique;
	size_t count;
	struct {
		const char *id, *name, *tag;
	} * tactic;
	size_t tactics;
	bool known; /* a table was given */
};

struct selection {
	const struct yaml *key;
	struct node *node; /* NULL: faulty */
	bool used;
};

struct filter {
	const char *title, *path;
	const struct yaml *rules; /* who it is for */
	const struct dissector *dissector;
	struct node *node;
	const struct term *terms;
};

struct loader {
	struct rules *rules;
	const struct rule_source *from;
	struct text_list *faults;
	struct attack attack;
	struct word_list **lists;
	size_t list_count, list_cap;
	struct filter *filters;
	size_t filter_count, filter_cap;
	struct yaml_file **files; /* kept until the end: nodes are pointed at */
	size_t file_count, file_cap;
	struct {
		dev_t device;
		ino_t number;
	} * inodes; /* of the files read */
	size_t inode_count, inode_cap;

	/* of the document being read */
	const char *path;
	const struct dissector *dissector;
	bool any;
	const struct term *terms;
};

/* "path:line:column: …" */
void fault(struct loader *l, const struct yaml *at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* "…: unknown WHAT WORD (did you mean …?)" */
void fault_unknown(struct loader *l, const struct yaml *at, const char *what, const char *word,
	const char *const *words);

/* The set owns them from here on. */
void rules_keep_ipset(struct rules *rules, struct ipset *set);
void rules_keep_regex(struct rules *rules, struct regex *regex);

/* rule_list.c */
struct word_list *list_named(struct loader *l, const struct yaml *at, const char *name, size_t len);
const struct ipset *list_addrs(struct loader *l, struct word_list *list);

/* rule_attack.c */
void attack_load(struct loader *l);
struct metadata {
	const struct yaml *tags;
	const char *id;
	enum rule_level level;
};
void attack_render(struct loader *l, const struct metadata *m, struct rule *rule);

/* rule_meta.c: everything but the detection. False: faults were told. */
bool rule_meta(struct loader *l, const struct yaml *doc, struct compiled *out);
bool rule_logsource(struct loader *l, const struct yaml *doc, const char **service);
const char *rule_uuid(struct loader *l, const struct yaml *id);
bool rule_title(struct loader *l, const struct yaml *doc, const char **title);
bool rule_text(struct loader *l, const struct yaml *doc, const char *key, size_t max);
bool rule_date(struct loader *l, const struct yaml *doc, const char *key);
bool rule_keys(struct loader *l, const struct yaml *doc, const char *const *known);

/* rule_detect.c: selections and condition of a detection or filter map; NULL: faults were told. */
struct node *rule_detection(struct loader *l, const struct yaml *map, const char *skip);

/* The field, or NULL with "unknown field …" told. */
const struct field_ref *rule_field(struct loader *l, const struct yaml *at, const char *name);

/* rule_correlation.c: between all rules, once they are read. */
void rule_correlations(struct loader *l);

/* rule_condition.c */
struct node *rule_condition(
	struct loader *l, const struct yaml *text, struct selection *sel, size_t count);

/* rule_value.c: what follows one "field|modifiers" key; NULL: faults were told. */
struct modifiers {
	uint8_t op;     /* enum op for exists, lt …, re, cidr; OP_SET where none is given */
	uint8_t anchor; /* enum anchor */
	uint8_t part;   /* enum time_part */
	bool all, cased, neq, fieldref, expand, cidr;
	bool i, m, s;
};
struct node *rule_values(struct loader *l, const struct yaml *key, const struct field_ref *ref,
	const struct modifiers *m, const struct yaml *value);

#endif
