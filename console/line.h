/* line.h - one event as an operator reads it: time, level, verb, who → which device, verdict, rule.
 */
#ifndef CONSOLE_LINE_H
#define CONSOLE_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/json.h"

enum { LINE_TEXT = 8192, LINE_LONGEST = 1024 * 1024 };

/* What is in an event, as far as a line or a filter wants it. Strings belong to json. */
struct line_event {
	json_t *json;
	const char *type; /* "alert" … */
	int64_t ts_ns;
	unsigned severity;                        /* 1 critical … 4 low; 0: none */
	const char *verb;                         /* or NULL */
	const char *src_ip, *src_name, *src_role; /* who; names may be NULL */
	const char *dst_ip, *dst_name, *dst_role; /* which device */
	int64_t dst_port;                         /* -1: none */
	const char *unit_word;                    /* "unit" or "address", NULL: none */
	int64_t unit;
	const char *outcome, *verdict_text; /* or NULL */
	double latency_ms;                  /* < 0: none */
	int64_t verdict_code;
	bool has_code;
	bool has_tx;             /* it is of a request that may be answered */
	const char *title;       /* of the rule; of an anomaly its name, of an audit its action */
	const char *by, *reason; /* of an audit */
	const char *rule;        /* UUID, or NULL */
	int64_t sid;             /* 0: none */
	const char *sensor;
	int64_t n, count, total;             /* total: of an alert that is open, by now */
	const char *point, *point_unit;      /* what the site calls a value; or NULL */
	const json_t *old_value, *new_value; /* of it; NULL: not known */
};

/* False if this is no event. Whatever the outcome, line_free() is due. */
bool line_parse(struct line_event *e, const char *text, size_t len);
void line_free(struct line_event *e);

struct line_style {
	bool colour, utc;
	bool sensor; /* several sensors: say which */
};
/* Without the newline. Everything from the event is escaped. */
void line_write(struct buf *out, const struct line_event *e, const struct line_style *style);

/* ---- filters ---- */

struct line_filter {
	unsigned severity;  /* at least as severe; 0: all */
	const char *device; /* glob on either end's address or name, or NULL */
	const char *verbs;  /* "stop,start", or NULL */
	const char *rule;   /* part of the title, sid or UUID, or NULL */
	int64_t since_ns;   /* INT64_MIN: all */
	bool anomalies;     /* and audits, beside alerts and verdicts */
};
bool line_wanted(const struct line_filter *f, const struct line_event *e);
/* "critical" → 1; 0: no such level. */
unsigned line_severity(const char *level);
/* "stop,start": words that rules may give. */
bool line_knows_verbs(const char *list);
/* "90s", "10m", "2h", "1d" before @now_ns; "2026-11-22", "2026-11-22T20:10[:11]", "20:10" (today).
 */
bool line_since(const char *text, int64_t now_ns, bool utc, int64_t *out_ns);

#endif
