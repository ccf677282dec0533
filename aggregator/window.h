/* window.h - plain counters of one window: what is kept at home until it is sent, and merged where
 * room is short. A JSON document of our own; no peer ever sees it. */
#ifndef AGGREGATOR_WINDOW_H
#define AGGREGATOR_WINDOW_H

#include "common/json.h"

enum {
	WINDOW_COV = 256,  /* ranges */
	WINDOW_SEEN = 256, /* different addresses counted exactly; beyond: at least so many */
	WINDOW_NAMED = 16, /* of which so many are kept by name, for level 2 */
	WINDOW_LABELS = 8, /* role pairs, zone pairs */
};

/* One alert, as far as digests want it. Texts are borrowed. */
struct sighting {
	char k[33], sk[33];
	const char *rule, *cat, *tech, *verb; /* words of frames */
	const char *verdict;                  /* so is this; NULL: of no command */
	char roles[32], zones[16];
	const char *src, *dst; /* addresses */
	int64_t rev, sev, conf, count;
	int64_t at_s;
	bool changes, evidence;
};

/* {"start","end","mono_ms","late","coarse_s","in":{…,"lost":{}},"cov":[],"items":{},"fixes":{}} */
json_t *window_new(int64_t start_s);
void window_count(json_t *w, const char *name, int64_t by); /* in.NAME */
void window_lose(json_t *w, const char *reason, int64_t by);
/* One event, or a range of them. False: no room for another range. */
bool window_cover(json_t *w, int64_t sensor, int64_t epoch, int64_t from, int64_t to);
/* Adds to the item of its key, made where it is not there; false if there are @most keys already.
 */
bool window_see(json_t *w, const struct sighting *s, size_t most);
/* A verdict that came after its alert: moves one pending of an item here, or notes a fix. */
void window_settle(json_t *w, const char *k, const char *verdict, size_t most);
/* Adds @from to @to: exact totals, both coverages. */
void window_add(json_t *to, const json_t *from);
/* Alerts become withheld, items go. */
void window_withhold(json_t *w);
/* Of that shape: what the store holds may be damaged. */
bool window_is_one(const json_t *w);
/* The conservation law; false and @err where it does not hold: a defect of ours. */
bool window_holds(const json_t *w, struct err *err);
const char *window_bucket(int64_t n);

#endif
