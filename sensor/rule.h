/* rule.h - Sigma rules: loaded, compiled, indexed, matched. The language: rules/README.md. */
#ifndef SENSOR_RULE_H
#define SENSOR_RULE_H

#include "common/err.h"
#include "sensor/event.h"

enum rule_level { LEVEL_INFORMATIONAL, LEVEL_LOW, LEVEL_MEDIUM, LEVEL_HIGH, LEVEL_CRITICAL };

/* One compiled rule, as others see it. Strings live as long as the rule set. */
struct rule {
	uint32_t sid, gid, rev;
	const char *id; /* UUID, lower case */
	const char *title;
	const char *classtype; /* EVE category */
	const char *verb;      /* one of the verbs of rules/README.md, or NULL */
	bool changes_state;    /* the verb changes the device or its view */
	enum rule_level level;
	const char *service; /* "modbus" …, "any" */
	const char *place;   /* "rules/modbus.yaml:12" */
	/* alert.metadata of EVE, rendered at load: {"mitre_technique_id":[…],…} */
	const char *metadata_json;
	const char *attck_v18_json; /* ["T0855"] or NULL */
	/* ics.target: which end of the flow is named alert.target: 0 none, 1 source, 2 destination
	 */
	uint8_t target;
	/* suppress: at most one alert event per distinct key and time (fold.h); by: bits of enum
	 * suppress_by */
	uint32_t suppress_seconds, suppress_by;
	uint32_t index; /* 0… in the set */
	bool silent;    /* only there for a correlation: no alert of its own */
	bool feeds;     /* a correlation counts its hits */
};

/* No alert of its own: informational ones are for --rule-report, silent ones for correlations. */
static inline bool is_quiet(const struct rule *rule)
{
	return rule->silent || rule->level == LEVEL_INFORMATIONAL;
}

enum suppress_by { BY_SRC = 1, BY_DST = 2, BY_FLOW = 4, BY_RULE = 8, BY_UNIT = 16 };

struct window;

/* A rule that holds for an event, or may hold once the verdict is known. */
struct hit {
	const struct rule *rule;
	bool later;     /* names verdict.*: ask again with the verdict */
	int32_t item;   /* index of the item that satisfied it, -1: none needed */
	uint32_t chain; /* the judge's, for correlations */
	const struct window
		*window; /* the judge's: maintenance that lowers it (quiet.h), or NULL */
};

struct rules;

/* Loads @files (files or folders, each file a multi-document YAML) into a set, or NULL with every
 * fault in @faults, one "path:line:column: reason" a line. @lists: name → values of %name%. */
struct rule_source {
	const char *const *paths;
	size_t path_count;
	const char *list_folder;  /* rules/lists, or NULL */
	const char *attack_table; /* rules/attack.yaml: technique ids, names, tactics, v18 → v19 */
	/* %name% lists of the configuration, before those of list_folder */
	const struct rule_list {
		const char *name;
		const char *const *values;
		size_t count;
	} * lists;
	size_t list_count;
	/* rules that lie in no file, read after those of paths; @name is only told in faults */
	const struct rule_text {
		const char *name, *text;
		size_t len;
	} * texts;
	size_t text_count;
	/* names by the indexes that flows carry (flow.h); [0] is NULL */
	const char *const *role_names, *const *zone_names, *const *name_names;
	size_t role_count, zone_count, name_count;
	const struct dissector *const *dissectors; /* NULL: services[]; ends with NULL */
};
struct text_list;
struct rules *rules_load(const struct rule_source *from, struct text_list *faults);
/* The same from one text; @path is only named in faults. from->paths is not looked at. */
struct rules *rules_parse(const struct rule_source *from, const char *path, const char *text,
	size_t len, struct text_list *faults);
void rules_free(struct rules *rules);
size_t rules_count(const struct rules *rules);
const struct rule *rules_at(const struct rules *rules, size_t index);
/* False: no rule can ever hold for a PDU of @d. */
bool rules_watch(const struct rules *rules, const struct dissector *d);

/* What one worker keeps while matching: counters, scratch. */
struct rule_run;
struct rule_run *rule_run_new(const struct rules *rules);
void rule_run_free(struct rule_run *run);

enum { HITS_MAX = 64 };

/* Every rule that holds for @e, at most @max; with e->verdict PENDING also those that wait for the
 * verdict (hit.later). Returns how many. */
size_t rules_match(struct rule_run *run, const struct event *e, struct hit *hits, size_t max);

/* The print of what will be asked for shortly: it takes memory a while to come. */
void rules_expect(const struct rule_run *run, uint64_t print);
/* The same from memory, for an event whose print (event.h) was matched a while ago. False: it has
 * to be matched. */
bool rules_recall(struct rule_run *run, const struct event *e, struct hit *hits, size_t *count);

/* Could any rule hold for an observation that begins like @sketch, whatever else is set? */
bool rules_may_hold(struct rule_run *run, const struct pdu *sketch);

/* Does one rule, told .later before, hold now that e->verdict is known? */
bool rule_holds(
	struct rule_run *run, const struct rule *rule, const struct event *e, struct hit *hit);

/* The fields rule names, for bongsu.matched: calls @put(name, value, type) for each present one. */
typedef void rule_field_fn(void *ctx, const char *name, enum field_type type, struct value v);
void rule_matched(const struct rule *rule, const struct event *e, int32_t item, rule_field_fn *put,
	void *ctx);

/* --rule-report on stdout-like FILE: fired, how often, at what cost, dead. */
void rules_report(const struct rule_run *run, void *file);
void rules_report_json(const struct rule_run *run, void *file);

#endif
