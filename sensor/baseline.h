/* baseline.h - what is normal at a site: who talks to which device, and what it does there. Learned
 * from traffic, written as YAML for people, read back, and judged by (baseline_watch.c). */
#ifndef SENSOR_BASELINE_H
#define SENSOR_BASELINE_H

#include <stdio.h>

#include "common/text_list.h"
#include "common/yaml.h"
#include "sensor/act.h"
#include "sensor/flow.h"
#include "sensor/limiter.h"
#include "sensor/when.h"

enum {
	DEED_PLACES = 32,   /* of one deed; beyond, the nearest are joined */
	PLACE_GAP = 8,      /* places read with at most so many between them are learned as one */
	BLOCKS_ALIKE = 4,   /* so many data blocks used at the same bytes are of one make */
	RATE_HEADROOM = 2,  /* the rate is the busiest minute times this … */
	RATE_LEAST = 30,    /* … and at least this, a minute */
	BASELINES_MAX = 15, /* in a configuration */
	BASELINE_NAME = 64,
};

/* One client at one device behind an address, in one protocol. */
struct contact_key {
	struct addr client, device;
	const struct dissector *protocol;
	uint64_t unit;
};

struct contact {
	struct contact_key key;
	uint64_t rate; /* requests a minute; 0: any */
	uint32_t first_deed, chain;
	/* Learning, and how it goes now. */
	int64_t minute, first_ns, last_ns;
	uint64_t in_minute, busiest, seen, refused;
};

enum decision { DECISION_NONE, DECISION_ASK, DECISION_NO, DECISION_YES };

/* An act in a talk. */
struct deed {
	uint32_t talk; /* index */
	act_id act;
	uint32_t next, chain;
	uint8_t decision; /* of grave ones */
	bool anywhere, widened;
	uint8_t places;
	struct act_place place[DEED_PLACES]; /* by kind, number, first; they do not overlap */
	uint64_t seen;
	int64_t last_ns;
};

struct baseline {
	char *name;
	char *path; /* of the file it came from, for messages */
	struct contact *talk;
	struct deed *deed;
	uint32_t talks, deeds, talk_cap, deed_cap;
	uint32_t *talk_at, *deed_at, mask; /* index + 1 by hash; chains go on */
	uint64_t seed;
	uint64_t *known; /* hashes of who is known to whom, sorted; baseline_lock() */
	size_t knowns;
	uint64_t seen, refused, lost; /* lost: talks and deeds for which there was no room */
	int64_t first_ns, last_ns;
};

enum { BASELINE_NOBODY = UINT32_MAX };

/* NULL: no memory. Grows to @talks and @deeds, and no further. */
struct baseline *baseline_new(uint32_t talks, uint32_t deeds, uint64_t seed);
void baseline_free(struct baseline *b);
/* Index, or BASELINE_NOBODY. */
uint32_t baseline_talk(const struct baseline *b, const struct contact_key *key);
uint32_t baseline_deed(const struct baseline *b, uint32_t talk, act_id act);
/* Finds or makes; BASELINE_NOBODY: full, and counted. */
uint32_t baseline_add_talk(struct baseline *b, const struct contact_key *key);
uint32_t baseline_add_deed(struct baseline *b, uint32_t talk, act_id act);
/* Learns a place: joined with what lies near. */
void deed_add_place(struct deed *d, const struct act_place *p);
/* Learns it exactly; false: there are DEED_PLACES already, or it overlaps. */
bool deed_put_place(struct deed *d, const struct act_place *p);
/* Data blocks of one make, such as those of all motors, become a range of blocks; so do those that
 * are read in more places than a few. */
void deed_settle(struct deed *d);
bool deed_reaches(const struct deed *d, const struct act_place *p);
/* The busiest minute and what else follows from it. Counts one request; its number in its minute.
 */
uint64_t contact_count(struct contact *t, int64_t at_ns);

/* After the last is in: who is known. False: no memory. */
bool baseline_lock(struct baseline *b);
/* What is known of two ends, the most first. */
enum acquaintance {
	KNOWN_NOTHING,
	KNOWN_PAIR,     /* they talk, in another protocol */
	KNOWN_PROTOCOL, /* in this one, with another unit */
	KNOWN_REVERSED, /* in this one, and the client is the device */
};
enum acquaintance baseline_known(const struct baseline *b, const struct contact_key *key);

/* --- YAML (baseline_read.c, baseline_write.c) --- */
/* The map's talks; NULL with faults. @path is named in them. */
struct baseline *baseline_read(const char *path, const struct yaml *map, struct text_list *faults);
struct baseline *baseline_load(const char *path, struct text_list *faults);
struct site;
/* Sorted; @site: names to show, or NULL. @indent: blanks before each line. */
void baseline_write(const struct baseline *b, const struct site *site, FILE *out);
/* The talks as a list, without what was seen: to read back. */
void baseline_dump(const struct baseline *b, unsigned indent, FILE *out);
/* A line for each thing that @day has beyond @b, and what was not seen. Number of the former. */
size_t baseline_diff(const struct baseline *b, const struct baseline *day, FILE *out);
void addr_print(const struct addr *a, char *out, size_t cap);

/* --- configuration (baselines.c) --- */
struct baseline_use {
	char *name, *file;            /* file NULL: inline */
	struct baseline *set, *fresh; /* fresh: read again, not yet in use, or NULL */
	bool weekly, ignored_once_over;
	struct schedule hours;
	int64_t until_ns; /* INT64_MAX: for ever */
};
struct baselines {
	struct baseline_use *use;
	size_t count;
};
void baselines_read(
	struct baselines *b, const char *path, const struct yaml *v, struct text_list *faults);
/* Reads the files that are named; not while the sandbox holds. */
void baselines_load(struct baselines *b, struct text_list *faults);
/* The files again, as they are now: how many are fresh; 0 with faults if one of them has any. */
size_t baselines_reread(const struct baselines *b, struct text_list *faults);
/* What is fresh comes into use, or is forgotten. */
void baselines_take(const struct baselines *b);
void baselines_drop(const struct baselines *b);
void baselines_dump(const struct baselines *b, FILE *out);
void baselines_free(struct baselines *b);
/* The one that holds at a time; BASELINE_NOBODY: none. */
uint32_t baselines_at(const struct baselines *b, int64_t at_ns);

#endif
