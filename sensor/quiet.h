/* quiet.h - what the site does not want to hear of: silences, and maintenance windows that lower
 * alerts. Both from the configuration and, live, by the control socket. */
#ifndef SENSOR_QUIET_H
#define SENSOR_QUIET_H

#include <stdio.h>

#include "sensor/rule.h"
#include "sensor/site.h"
#include "sensor/when.h"

enum { SILENCES_MAX = 1024, WINDOWS_MAX = 256, QUIET_BUCKETS = 256 };

/* Who: addresses, prefixes, names of devices. None said: everybody. */
struct ends {
	struct text_list said;
	uint32_t line, column; /* of where it was said */
	struct ends_prefix {
		uint8_t bytes[16], bits;
	} * prefix;
	size_t count;
};

struct silence {
	char *id;     /* "s1", unique among live ones; of the configuration "c1" */
	char *rule;   /* UUID, or NULL */
	uint32_t sid; /* or 0 */
	const char *verb;
	char *service;
	int level; /* at most this one; -1: any */
	struct ends src, dst;
	bool has_unit;
	uint64_t unit;
	int64_t until_ns;
	char *reason, *by;
	bool live, expired; /* expired: was told */
	uint64_t hits;
	uint32_t next; /* of its bucket, index + 1 */
};

struct window {
	char *name;
	int64_t from_ns, until_ns; /* INT64_MIN and INT64_MAX: always */
	bool weekly;
	struct schedule hours;
	struct ends who, devices; /* the client's end, and the other one */
	uint32_t verbs;           /* bits by verbs.def */
	enum rule_level level;    /* alerts are lowered to it */
	char *reason, *by;
	bool live, active; /* active: as of quiet.minute */
	bool told_active;
	uint64_t hits;
};

struct quiet {
	struct silence *silence;
	size_t silences;
	struct window **window; /* they stand still, for alerts point to them */
	size_t windows;
	uint32_t bucket[QUIET_BUCKETS + 1]; /* by what is exact; the last: nothing is */
	int64_t minute;                     /* that window->active is of */
	unsigned named;                     /* live silences so far: for ids */
};

/* What a silence or window went through; told by the caller. */
enum quiet_step { SILENCE_EXPIRED, WINDOW_BEGAN, WINDOW_ENDED };
typedef void quiet_step_fn(
	void *ctx, enum quiet_step step, const struct silence *s, const struct window *w);

/* --- reading (quiet_read.c): faults as "path:line:column: …" --- */
void quiet_silences(struct quiet *q, const char *path, const struct yaml *list, bool live,
	struct text_list *faults);
void quiet_windows(struct quiet *q, const char *path, const struct yaml *list, bool live,
	struct text_list *faults);
/* One entry; true if it was good and is in force once quiet_ready() is called. */
bool quiet_silence(struct quiet *q, const char *path, const struct yaml *map, bool live,
	struct text_list *faults);
bool quiet_window(struct quiet *q, const char *path, const struct yaml *map, bool live,
	struct text_list *faults);
/* After the last of them, and when the site's names are known: resolves who is meant, and indexes.
 */
void quiet_ready(
	struct quiet *q, const struct site *site, const char *path, struct text_list *faults);
/* One as a map. */
void quiet_print_silence(const struct silence *s, FILE *out);
void quiet_print_window(const struct window *w, FILE *out);
/* YAML that reads back; of the live ones, or of those of the configuration. */
void quiet_dump(const struct quiet *q, bool live, FILE *out);
/* By index; nobody may point to a window then. After it, and the last of others, quiet_ready(). */
void quiet_silence_drop(struct quiet *q, size_t i);
void quiet_window_drop(struct quiet *q, size_t i);
void quiet_free(struct quiet *q);

/* --- asking --- */
static inline bool quiet_is_empty(const struct quiet *q)
{
	return q->silences == 0 && q->windows == 0;
}
/* False: silenced at @e's time. */
bool quiet_tells(struct quiet *q, const struct hit *hit, const struct event *e);
/* The window that lowers such an alert, or NULL. */
const struct window *quiet_window_of(struct quiet *q, const struct hit *hit, const struct event *e);
/* The level of an alert as it is told. */
static inline enum rule_level hit_level(const struct hit *hit)
{
	enum rule_level own = hit->rule->level;
	return hit->window != NULL && hit->window->level < own ? hit->window->level : own;
}

/* --- life --- */
/* Tells what has begun or ended; live silences and windows that have ended go. At WINDOW_ENDED
 * @step sees to it that nobody points to that window any more. */
void quiet_tick(struct quiet *q, int64_t now_ns, quiet_step_fn *step, void *ctx);
/* Ends a live one; false: there is none of that id or name. Nobody may point to a window then. */
bool quiet_silence_remove(struct quiet *q, const char *id);
bool quiet_window_remove(struct quiet *q, const char *name);

#endif
