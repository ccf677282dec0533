/* when.c - RFC 3339, and the C library's zones asked beforehand. */
#include "sensor/when.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

#define END INT64_C(4133980800) /* 2101 */

enum { DAY = 86400, DAY_MIN = 1440, YEAR_FIRST = 1970, YEAR_LAST = 2100, CHANGES = 512 };

static const char *const day_names[7] = { "monday", "tuesday", "wednesday", "thursday", "friday",
	"saturday", "sunday" };

/* --- points in time ---------------------------------------------------------------------- */

/* Exactly @n digits; moves on. */
static bool digits(const char **at, int n, int low, int high, int *out)
{
	int v = 0;
	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		v = v * 10 + (**at - '0');
	}
	*out = v;
	return v >= low && v <= high;
}

static bool skip(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* "Z", "+08:00" */
static bool offset(const char **at, int32_t *out)
{
	int h, m, sign = **at == '-' ? -1 : 1;
	*out = 0;
	if (skip(at, 'Z'))
		return true;
	if (!skip(at, '+') && !skip(at, '-'))
		return false;
	if (!digits(at, 2, 0, 23, &h) || !skip(at, ':') || !digits(at, 2, 0, 59, &m))
		return false;
	*out = sign * (h * 3600 + m * 60);
	return true;
}

static bool time_of_day(const char **at, int *seconds, int32_t *zone)
{
	int h, m, s = 0;
	if (!digits(at, 2, 0, 23, &h) || !skip(at, ':') || !digits(at, 2, 0, 59, &m))
		return false;
	if (skip(at, ':') && !digits(at, 2, 0, 59, &s))
		return false;
	*seconds = h * 3600 + m * 60 + s;
	return offset(at, zone);
}

bool when_parse(const char *text, int64_t *ns)
{
	int year, month, day, seconds = 0;
	int32_t zone = 0;
	if (!digits(&text, 4, YEAR_FIRST, YEAR_LAST, &year) || !skip(&text, '-') ||
		!digits(&text, 2, 1, 12, &month) || !skip(&text, '-') ||
		!digits(&text, 2, 1, 31, &day))
		return false;
	if ((skip(&text, 'T') || skip(&text, ' ')) && !time_of_day(&text, &seconds, &zone))
		return false;
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };
	time_t t = timegm(&tm);
	if (*text != '\0' || tm.tm_mday != day)
		return false;
	int64_t utc = (int64_t)t + seconds - zone;
	*ns = utc * SECOND;
	return utc >= 0 && utc < END;
}

void when_print(int64_t ns, char out[WHEN_TEXT])
{
	time_t t = (time_t)(ns / SECOND - (ns % SECOND < 0));
	struct tm tm;
	gmtime_r(&t, &tm);
	strftime(out, WHEN_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

/* --- zones ------------------------------------------------------------------------------- */

static void add_change(struct when_zone *z, int64_t at_s, int32_t offset_s)
{
	if (z->count == CHANGES)
		return;
	z->change[z->count++] = (struct when_change){ .at_s = at_s, .offset_s = offset_s };
}

static int32_t offset_at(int64_t at_s)
{
	time_t t = (time_t)at_s;
	struct tm tm;
	localtime_r(&t, &tm);
	return (int32_t)tm.tm_gmtoff;
}

/* Looks at every day, and for the second where two of them differ. */
static void find_changes(struct when_zone *z)
{
	const int64_t end = (int64_t)(YEAR_LAST - YEAR_FIRST) * 36525 / 100 * DAY;
	add_change(z, INT64_MIN, offset_at(0));
	for (int64_t day = DAY; day < end; day += DAY) {
		int32_t now = offset_at(day);
		if (now == z->change[z->count - 1].offset_s)
			continue;
		int64_t low = day - DAY, high = day;
		while (high - low > 1) {
			int64_t middle = low + (high - low) / 2;
			*(offset_at(middle) == now ? &high : &low) = middle;
		}
		add_change(z, high, now);
	}
}

/* As if it were the local zone, for a moment. */
static void ask_library(struct when_zone *z)
{
	const char *tz = getenv("TZ");
	char *before = tz == NULL ? NULL : strdup(tz);
	setenv("TZ", z->name, 1);
	tzset();
	find_changes(z);
	if (before == NULL)
		unsetenv("TZ");
	else
		setenv("TZ", before, 1);
	tzset();
	free(before);
}

/* A file of the system's table, and nothing else. */
static bool is_zone_name(const char *name)
{
	char path[256];
	size_t n =
		strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/");
	if (n == 0 || name[n] != '\0' || n > 64 || name[0] < 'A' || name[0] > 'Z')
		return false;
	snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", name);
	return access(path, R_OK) == 0;
}

bool when_zone_load(struct when_zone *z, const char *name)
{
	const char *at = name;
	int32_t fixed = 0;
	bool known = strcmp(name, "UTC") == 0;
	if (!known && (*name == '+' || *name == '-'))
		known = offset(&at, &fixed) && *at == '\0';
	if (!known && !is_zone_name(name))
		return false;
	*z = (struct when_zone){ .name = strdup(name),
		.change = calloc(CHANGES, sizeof *z->change) };
	if (z->name == NULL || z->change == NULL)
		abort(); /* start-up */
	if (known)
		add_change(z, INT64_MIN, fixed);
	else
		ask_library(z);
	return true;
}

int32_t when_zone_offset(const struct when_zone *z, int64_t at_s)
{
	size_t low = 0, high = z->count;
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		*(z->change[middle].at_s <= at_s ? &low : &high) = middle;
	}
	return z->count == 0 ? 0 : z->change[low].offset_s;
}

void when_zone_free(struct when_zone *z)
{
	free(z->name);
	free(z->change);
	*z = (struct when_zone){ 0 };
}

/* --- schedules --------------------------------------------------------------------------- */

bool schedule_days(const char *word, uint8_t *bits)
{
	for (unsigned i = 0; i < 7; i++)
		if (strcasecmp(word, day_names[i]) == 0 ||
			(strlen(word) == 3 && strncasecmp(word, day_names[i], 3) == 0)) {
			*bits |= (uint8_t)(1u << i);
			return true;
		}
	return false;
}

static bool clock_time(const char **at, uint16_t *out)
{
	int h, m;
	if (!digits(at, 2, 0, 24, &h) || !skip(at, ':') || !digits(at, 2, 0, 59, &m) ||
		h * 60 + m > DAY_MIN)
		return false;
	*out = (uint16_t)(h * 60 + m);
	return true;
}

bool schedule_hours(const char *text, uint16_t *from, uint16_t *to)
{
	return clock_time(&text, from) && skip(&text, '-') && clock_time(&text, to) &&
	       *text == '\0' && *from != *to && *from < DAY_MIN;
}

bool schedule_holds(const struct schedule *s, int64_t at_ns)
{
	int64_t utc = at_ns / SECOND - (at_ns % SECOND < 0);
	int64_t local = utc + when_zone_offset(&s->zone, utc);
	int64_t day = local / DAY - (local % DAY < 0);
	unsigned minute = (unsigned)((local - day * DAY) / 60);
	unsigned today = (unsigned)(((day + 3) % 7 + 7) % 7); /* 1970 began on a Thursday */
	unsigned yesterday = (today + 6) % 7;
	if (s->from_min < s->to_min)
		return s->days >> today & 1 && minute >= s->from_min && minute < s->to_min;
	return (s->days >> today & 1 && minute >= s->from_min) ||
	       (s->days >> yesterday & 1 && minute < s->to_min);
}

void schedule_print(const struct schedule *s, FILE *out)
{
	const char *comma = "";
	fputs("days: [", out);
	for (unsigned i = 0; i < 7; i++) {
		if ((s->days >> i & 1) == 0)
			continue;
		fprintf(out, "%s%.3s", comma, day_names[i]);
		comma = ", ";
	}
	fprintf(out, "], hours: \"%02u:%02u-%02u:%02u\", zone: \"%s\"", s->from_min / 60u,
		s->from_min % 60u, s->to_min / 60u, s->to_min % 60u, s->zone.name);
}
