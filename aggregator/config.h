/* config.h - every setting of the aggregator: config.def, and its parents. */
#ifndef AGGREGATOR_CONFIG_H
#define AGGREGATOR_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/text_list.h"

/* One of parents: in the YAML. */
struct agg_parent {
	char *url;      /* https://HOST:PORT */
	char *org;      /* 32 hex digits: who must answer */
	uint64_t level; /* 0 to 3, default 1 */
	bool count; /* link: count (default) or view; exactly one counts where there are several */
	char *sector, *region; /* prefix of what goes there, or NULL: all; only of a view link */
	uint64_t severity;     /* 1 to 4: at least as severe; default 4: all; only of a view link */
};

struct agg_config {
#define NUMBER(member, path, value, low, high, unit, sentence) uint64_t member;
#define SWITCH(member, path, value, sentence)                  bool member;
#define TEXT(member, path, value, sentence)                    char *member;
#define TEXTS(member, path, sentence)                          struct text_list member;
#include "aggregator/config.def"
#undef NUMBER
#undef SWITCH
#undef TEXT
#undef TEXTS
	struct agg_parent parent[4];
	unsigned parents;
};

/* As sensor/config.h. */
void agg_config_init(struct agg_config *c);
bool agg_config_load(struct agg_config *c, const char *path, struct text_list *faults);
bool agg_config_parse(struct agg_config *c, const char *path, const char *text, size_t len,
	struct text_list *faults);
bool agg_config_set(struct agg_config *c, const char *assignment, struct text_list *faults);
void agg_config_dump(const struct agg_config *c, FILE *out);
/* What is wrong with a text, as " is …"; NULL: nothing. config_judge.c. */
const char *agg_config_judge(const char *path, const char *text);
void agg_config_free(struct agg_config *c);

#endif
