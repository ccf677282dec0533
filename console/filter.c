/* filter.c - which events are shown. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "console/line.h"

unsigned line_severity(const char *level)
{
	static const char *const names[] = { "critical", "high", "medium", "low" };
	for (unsigned i = 0; i < 4; i++)
		if (strcasecmp(names[i], level) == 0)
			return i + 1;
	return 0;
}

static bool one_of(const char *list, const char *word)
{
	size_t n = strlen(word);
	while (*list != '\0') {
		size_t k = strcspn(list, ",");
		if (k == n && strncmp(list, word, n) == 0)
			return true;
		list += k + (list[k] == ',');
	}
	return false;
}

/* Words with commas between, all of them verbs. */
bool line_knows_verbs(const char *list)
{
	static const char *const verbs[] = {
#define VERB(word, changes) #word,
#include "common/verbs.def"
#undef VERB
	};
	while (*list != '\0') {
		size_t k = strcspn(list, ","), i = 0;
		while (i < sizeof verbs / sizeof verbs[0] &&
			(strlen(verbs[i]) != k || strncmp(verbs[i], list, k) != 0))
			i++;
		if (i == sizeof verbs / sizeof verbs[0])
			return false;
		list += k + (list[k] == ',');
	}
	return true;
}

static bool is_like(const char *pattern, const char *text)
{
	return text != NULL && fnmatch(pattern, text, FNM_CASEFOLD) == 0;
}

static bool device_fits(const char *pattern, const struct line_event *e)
{
	return is_like(pattern, e->dst_name) || is_like(pattern, e->dst_ip) ||
	       is_like(pattern, e->src_name) || is_like(pattern, e->src_ip);
}

static bool rule_fits(const char *wanted, const struct line_event *e)
{
	char sid[24];
	snprintf(sid, sizeof sid, "%lld", (long long)e->sid);
	return (e->title != NULL && strcasestr(e->title, wanted) != NULL) ||
	       (e->rule != NULL && strcasecmp(e->rule, wanted) == 0) || strcmp(sid, wanted) == 0;
}

static bool type_fits(const struct line_filter *f, const char *type)
{
	bool more = strcmp(type, "anomaly") == 0 || strcmp(type, "audit") == 0;
	return strcmp(type, "alert") == 0 || strcmp(type, "verdict") == 0 || (f->anomalies && more);
}

bool line_wanted(const struct line_filter *f, const struct line_event *e)
{
	if (!type_fits(f, e->type) || e->ts_ns < f->since_ns)
		return false;
	if (f->severity != 0 && e->severity != 0 && e->severity > f->severity)
		return false;
	if (f->severity != 0 && e->severity == 0 && strcmp(e->type, "anomaly") != 0 &&
		strcmp(e->type, "audit") != 0)
		return false;
	if (f->verbs != NULL && (e->verb == NULL || !one_of(f->verbs, e->verb)))
		return false;
	if (f->device != NULL && !device_fits(f->device, e))
		return false;
	return f->rule == NULL || rule_fits(f->rule, e);
}

/* "10m" → nanoseconds. */
static bool duration(const char *text, int64_t *ns)
{
	static const struct {
		char letter;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
	char *end;
	unsigned long long v = strtoull(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || end[0] == '\0' || end[1] != '\0' || v > 100000000)
		return false;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (units[i].letter != end[0])
			continue;
		/* A week times the bound above is 6e16 s: past what fits. */
		if (v > (unsigned long long)(INT64_MAX / 1000000000 / units[i].seconds))
			return false;
		*ns = (int64_t)v * units[i].seconds * 1000000000;
		return true;
	}
	return false;
}

bool line_since(const char *text, int64_t now_ns, bool utc, int64_t *out_ns)
{
	static const char *const formats[] = { "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
		"%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%d", "%H:%M:%S", "%H:%M" };
	int64_t ns;
	if (duration(text, &ns)) {
		*out_ns = now_ns - ns;
		return true;
	}
	for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
		time_t now = (time_t)(now_ns / 1000000000);
		struct tm tm;
		if (utc)
			gmtime_r(&now, &tm);
		else
			localtime_r(&now, &tm);
		tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
		const char *end = strptime(text, formats[i], &tm);
		if (end == NULL || *end != '\0')
			continue;
		tm.tm_isdst = -1;
		*out_ns = (int64_t)(utc ? timegm(&tm) : mktime(&tm)) * 1000000000;
		return true;
	}
	return false;
}
