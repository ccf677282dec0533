/* value_track.c - what a point has been, and what is wrong with what it is now. By packet time. */
#include <math.h>
#include <string.h>

#include "sensor/value.h"

#define SECOND_NS INT64_C(1000000000)

static double seconds(int64_t ns)
{
	return (double)ns / 1e9;
}

/* Is @a another value than @b, more than by noise and rounding? */
static bool differs(const struct point *p, double a, double b)
{
	double noise = 1e-6 * fmax(fabs(a), fabs(b));
	return fabs(a - b) > (p->deadband > 0 ? p->deadband : noise);
}

void value_decode_anew(struct values *v, const struct sample *s)
{
	struct track *t = &v->track[s->point];
	unsigned quality = 0;
	t->decoded = point_decode(value_point(v, s->point), s->raw, &quality);
	t->decoded_quality = (uint16_t)quality;
	memcpy(t->decoded_raw, s->raw, sizeof s->raw);
	t->has_decoded = true;
}

/* ---- limits ---- */

static int zone_of(const struct point *p, double v)
{
	if (v > p->limit[LIMIT_HIGH_HIGH]) /* no limit is NaN: never true */
		return 2;
	if (v > p->limit[LIMIT_HIGH])
		return 1;
	if (v < p->limit[LIMIT_LOW_LOW])
		return -2;
	return v < p->limit[LIMIT_LOW] ? -1 : 0;
}

/* On its way back it leaves a zone only past the dead band. */
static int zone_after(const struct point *p, int before, double v)
{
	int zone = zone_of(p, v);
	if (before > zone && before > 0 && zone_of(p, v + p->deadband) >= before)
		return before;
	if (before < zone && before < 0 && zone_of(p, v - p->deadband) <= before)
		return before;
	return zone;
}

static void check_limits(
	struct values *v, const struct seen *s, uint32_t i, double value, double old)
{
	static const uint8_t limits[] = { LIMIT_LOW_LOW, LIMIT_LOW, 0, LIMIT_HIGH,
		LIMIT_HIGH_HIGH };
	const struct point *p = &v->points->point[i];
	struct track *t = &v->track[i];
	int before = t->zone, zone = zone_after(p, before, value);
	t->zone = (int8_t)zone;
	bool worse = (zone > 0 && zone > before) || (zone < 0 && zone < before);
	if (!worse)
		return;
	struct finding f = finding_of(VALUE_LIMIT, i, s);
	f.old = old;
	f.value = value;
	f.limit = p->limit[limits[zone + 2]];
	f.bound = point_limit_names[limits[zone + 2]];
	value_tell(v, &f);
}

/* ---- rate ---- */

/* Measured over at least a second, so that two readers in one instant make no infinite rate; a jump
 * is told before that second is over. */
static void check_rate(struct values *v, const struct seen *s, uint32_t i, double value)
{
	const struct point *p = &v->points->point[i];
	struct track *t = &v->track[i];
	int64_t now = s->e->at.ts_ns, span = value_age(now, t->anchor_ns);
	if (isnan(p->max_rate))
		return;
	if (!t->known || t->at_ns == INT64_MIN || span < 0) {
		t->anchor = value;
		t->anchor_ns = now;
		t->rate_told = false;
		return;
	}
	double rate = (value - t->anchor) / fmax(seconds(span), 1);
	bool fast = fabs(rate) > p->max_rate;
	if (fast && !t->rate_told) {
		struct finding f = finding_of(VALUE_RATE, i, s);
		f.old = t->anchor;
		f.value = value;
		f.rate = rate;
		f.limit = p->max_rate;
		f.seconds = seconds(span);
		value_tell(v, &f);
	}
	t->rate_told = fast;
	if (span >= SECOND_NS) {
		t->anchor = value;
		t->anchor_ns = now;
	}
}

/* ---- what was seen, and what was not ---- */

/* Did nobody ask for this movement, and would we have seen it if somebody had? */
static bool moved_alone(const struct values *v, const struct seen *s, uint32_t i)
{
	const struct value_device *d = &v->device[v->points->point[i].device];
	const struct track *t = &v->track[i];
	const struct flow *f = s->e->flow;
	return t->known && t->at_ns != INT64_MIN && t->asked_ns < t->at_ns &&
	       d->touched_ns < t->at_ns && d->doubt_ns < t->at_ns && f->packets[0] > 0 &&
	       f->packets[1] > 0;
}

static void check_moved(struct values *v, const struct seen *s, uint32_t i, double value)
{
	const struct point *p = &v->points->point[i];
	const struct track *t = &v->track[i];
	if (!moved_alone(v, s, i) || !differs(p, value, t->value))
		return;
	struct finding f = finding_of(VALUE_MOVED, i, s);
	f.old = t->value;
	f.value = value;
	f.seconds =
		t->wrote_ns == INT64_MIN ? NAN : seconds(value_age(s->e->at.ts_ns, t->wrote_ns));
	value_tell(v, &f);
}

/* The device said yes to a write: does it show? False: no write waits for that. */
static bool check_effect(struct values *v, const struct seen *s, uint32_t i, double value)
{
	const struct point *p = &v->points->point[i];
	struct track *t = &v->track[i];
	int64_t span = value_age(s->e->at.ts_ns, t->wrote_ns);
	if (!t->waits)
		return false;
	if (!differs(p, value, t->wanted)) {
		t->waits = false;
		return true;
	}
	t->reads++;
	if (t->reads < v->settle_reads || span < v->settle_ns)
		return true;
	t->waits = false;
	struct finding f = finding_of(VALUE_NOT_EFFECTIVE, i, s);
	f.old = t->wanted;
	f.value = value;
	f.wanted = t->wanted;
	f.seconds = seconds(span);
	value_tell(v, &f);
	return true;
}

static void check_stuck(struct values *v, const struct seen *s, uint32_t i, double value)
{
	const struct point *p = &v->points->point[i];
	struct track *t = &v->track[i];
	int64_t now = s->e->at.ts_ns;
	bool was_watched = t->known && t->at_ns != INT64_MIN && now >= t->moved_ns &&
			   (p->stuck_ns == 0 || value_age(now, t->at_ns) < p->stuck_ns);
	if (!was_watched || value != t->value) {
		t->moved_ns = now;
		t->stuck_told = false;
		return;
	}
	if (p->stuck_ns == 0 || t->stuck_told || value_age(now, t->moved_ns) < p->stuck_ns)
		return;
	t->stuck_told = true;
	struct finding f = finding_of(VALUE_STUCK, i, s);
	f.value = value;
	f.seconds = seconds(value_age(now, t->moved_ns));
	value_tell(v, &f);
}

static void check_quality(struct values *v, const struct seen *s, const struct sample *sample)
{
	struct track *t = &v->track[sample->point];
	unsigned fresh = sample->quality & ~(unsigned)t->quality;
	t->quality = sample->quality;
	if (fresh == 0)
		return;
	struct finding f = finding_of(VALUE_QUALITY, sample->point, s);
	f.value = sample->value;
	f.old = t->known ? t->value : NAN;
	f.quality = sample->quality;
	value_tell(v, &f);
}

/* ---- changes ---- */

static void check_change(struct values *v, const struct seen *s, uint32_t i, double value)
{
	const struct point *p = &v->points->point[i];
	struct track *t = &v->track[i];
	if (t->known && (p->deadband > 0 ? fabs(value - t->told) <= p->deadband : value == t->told))
		return;
	double told = t->known ? t->told : NAN;
	t->told = value;
	if (!value_wants(v, VALUE_CHANGED))
		return;
	struct finding f = finding_of(VALUE_CHANGED, i, s);
	f.old = told;
	f.value = value;
	f.quality = t->quality;
	value_tell(v, &f);
}

static void now_is(struct values *v, const struct seen *s, uint32_t i, double value)
{
	struct track *t = &v->track[i];
	bool changed = !t->known || t->stale_told || value != t->value;
	t->value = value;
	t->known = true;
	t->at_ns = s->e->at.ts_ns;
	t->stale_told = false;
	if (changed && t->locks > 0)
		locks_check(v, s, i);
}

static void check_time(struct values *v, const struct seen *s, const struct sample *sample)
{
	if (!sample->past)
		check_rate(v, s, sample->point, sample->value);
	check_stuck(v, s, sample->point, sample->value);
}

/* Does the value say what the last one said? Then only time can make it news. */
static bool says_no_more(const struct track *t, const struct sample *sample)
{
	return sample->value == t->value && t->known && t->at_ns != INT64_MIN && !t->stale_told &&
	       !t->waits && sample->has_value &&
	       (!sample->has_quality || sample->quality == t->quality);
}

void track_read(struct values *v, const struct seen *s, const struct sample *sample)
{
	uint32_t i = sample->point;
	struct track *t = &v->track[i];
	t->reader = s->e->flow->end[s->client].ip;
	if (says_no_more(t, sample) && t->at_ns <= s->e->at.ts_ns) {
		if (t->timed)
			check_time(v, s, sample);
		t->value = sample->value; /* of two zeros the later one */
		memcpy(t->raw, sample->raw, sizeof t->raw);
		t->at_ns = s->e->at.ts_ns;
		return;
	}
	if (sample->has_quality)
		check_quality(v, s, sample);
	if (!sample->has_value || isnan(sample->value))
		return;
	if (t->at_ns > s->e->at.ts_ns) /* another mirrored port is late */
		return;
	double value = sample->value, old = t->known ? t->value : NAN;
	if (t->commanded && !sample->past && !check_effect(v, s, i, value))
		check_moved(v, s, i, value);
	if (t->timed)
		check_time(v, s, sample);
	check_change(v, s, i, value);
	if (t->bounded)
		check_limits(v, s, i, value, old);
	memcpy(t->raw, sample->raw, sizeof t->raw);
	now_is(v, s, i, value);
}

/* ---- writes ---- */

void track_asked(struct values *v, const struct seen *s, const struct sample *sample)
{
	v->track[sample->point].asked_ns = s->e->at.ts_ns;
}

static void tell_written(struct values *v, const struct seen *s, uint32_t i, double value)
{
	const struct track *t = &v->track[i];
	struct finding f = finding_of(VALUE_WRITTEN, i, s);
	f.old = t->known ? t->value : NAN;
	f.value = value;
	f.write = true;
	value_tell(v, &f);
}

void track_written(struct values *v, const struct seen *s, const struct sample *sample)
{
	uint32_t i = sample->point;
	struct track *t = &v->track[i];
	double value = sample->value, old = t->known ? t->value : NAN;
	t->writer = s->e->flow->end[s->client].ip;
	t->wrote_ns = s->e->at.ts_ns;
	if (!sample->has_value || isnan(value))
		return;
	tell_written(v, s, i, value);
	check_rate(v, s, i, value);
	check_limits(v, s, i, value, old);
	t->waits = v->points->point[i].kind != POINT_MEASURED;
	t->wanted = value;
	t->reads = 0;
	t->moved_ns = s->e->at.ts_ns;
	t->stuck_told = false;
	t->told = value;
	memcpy(t->raw, sample->raw, sizeof t->raw);
	now_is(v, s, i, value);
}

/* ---- time ---- */

void track_tick(struct values *v, struct stamp now)
{
	for (size_t k = 0; k < v->stales; k++) {
		uint32_t i = v->stale[k];
		struct track *t = &v->track[i];
		int64_t age = value_age(now.ts_ns, t->at_ns);
		if (t->at_ns == INT64_MIN || t->stale_told || age < v->points->point[i].stale_ns)
			continue;
		t->stale_told = true;
		struct finding f = finding_of(VALUE_STALE, i, NULL);
		f.at = (struct stamp){ .ts_ns = now.ts_ns };
		f.old = t->value;
		f.limit = seconds(v->points->point[i].stale_ns);
		f.seconds = seconds(age);
		value_tell(v, &f);
	}
	locks_tick(v, now);
}

void track_rest(struct values *v)
{
	for (size_t i = 0; i < v->points->count; i++) {
		v->track[i].at_ns = INT64_MIN;
		v->track[i].waits = false;
	}
	locks_rest(v);
}
