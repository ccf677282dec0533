/* when.h - points in time and weekly hours, as people write them. */
#ifndef SENSOR_WHEN_H
#define SENSOR_WHEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* "2026-12-24T18:00:00+08:00", "2026-12-24T10:00Z", "2026-12-24" (midnight UTC) to nanoseconds
 * since 1970. A time of day needs its zone. */
bool when_parse(const char *text, int64_t *ns);
enum { WHEN_TEXT = 32 };
/* "2026-12-24T10:00:00Z" */
void when_print(int64_t ns, char out[WHEN_TEXT]);

/* A zone's clock changes, looked up once, so that nothing asks the C library while threads run. */
struct when_zone {
	char *name;
	struct when_change {
		int64_t at_s;     /* from then on */
		int32_t offset_s; /* local time is UTC and so much */
	} * change;               /* by time; the first is for ever before */
	size_t count;
};

/* "UTC", "+08:00" or a name of the system's table ("Asia/Shanghai"). False: there is none such. Not
 * while other threads run. */
bool when_zone_load(struct when_zone *z, const char *name);
int32_t when_zone_offset(const struct when_zone *z, int64_t at_s);
void when_zone_free(struct when_zone *z);

/* Hours of days of the week in a zone; where they end before they begin, on the next day. */
struct schedule {
	uint8_t days;              /* bit 0: Monday */
	uint16_t from_min, to_min; /* of the day; 1440 is its end */
	struct when_zone zone;
};

bool schedule_days(const char *word, uint8_t *bits);                 /* "mon", "Monday" */
bool schedule_hours(const char *text, uint16_t *from, uint16_t *to); /* "22:00-04:30" */
bool schedule_holds(const struct schedule *s, int64_t at_ns);
/* "days: [mon], hours: \"22:00-04:30\", zone: \"UTC\"" */
void schedule_print(const struct schedule *s, FILE *out);

#endif
