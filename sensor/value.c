/* value.c - follows the values of points: in what reads answer and what writes want. */
#include "sensor/value.h"

#include <stdlib.h>

enum { GROUP_BITS = 16, GROUP_MASK = 0xffff };

/* ---- which device ---- */

/* Both ends of a flow, as its note: a device's index + 1 each. */
static void value_flow(
	void *self, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	const struct values *v = self;
	uint32_t note = 0;
	(void)from;
	(void)at;
	if (change != FLOW_STARTED)
		return;
	for (unsigned i = 0; i < 2; i++) {
		size_t first;
		if (points_devices(v->points, f->end[i].ip.bytes, &first) > 0)
			note |= (uint32_t)(first + 1) << GROUP_BITS * i;
	}
	f->note[v->watch->index] = note;
}

static uint32_t first_device(const struct values *v, const struct event *e, unsigned end)
{
	uint32_t note = e->flow->note[v->watch->index] >> GROUP_BITS * end & GROUP_MASK;
	return note == 0 ? UINT32_MAX : note - 1;
}

/* Does the message speak of this device at its address? */
static bool is_about(const struct values *v, const struct event *e, uint32_t device)
{
	const struct point_device *d = &v->points->device[device];
	return d->any_unit || d->unit == pdu_unit(e->pdu);
}

/* ---- writes ---- */

/* What the write does to the first of its points that it changes, else to the first. */
static void note_change(struct values *v, const struct sample *s)
{
	const struct track *t = &v->track[s->point];
	const struct point *p = &v->points->point[s->point];
	struct change *c = &v->change;
	bool news = !t->known || t->value != s->value;
	if (!s->has_value || s->value - s->value != 0 ||
		(c->point != NULL && (c->old_value.r != c->new_value.r || !news)))
		return;
	*c = (struct change){ .type = FIELD_REAL,
		.has_old = t->known,
		.has_new = true,
		.old_value.r = t->value,
		.new_value.r = s->value,
		.point = p->name,
		.unit = p->unit };
}

static void file_write(struct values *v, const struct seen *s, const struct sample *sample)
{
	const struct asked_point a = { .sample = *sample };
	note_change(v, sample);
	track_asked(v, s, sample);
	if (s->e->has_tx)
		asked_add(v->asked, &a);
}

static void end_request(struct values *v, const struct event *e)
{
	if (!asked_end(v->asked))
		return;
	struct anomaly a = { .kind = ANOMALY_POINTS_FULL,
		.at = e->at,
		.flow = e->flow,
		.from = e->from,
		.count = 1 };
	v->watch->counters->points_lost++;
	v->watch->out.anomaly(v->watch->out.ctx, &a);
}

static void take_request(struct values *v, const struct seen *s, enum value_role role)
{
	if (role == VALUE_WRITES)
		value_of_write(v, s, file_write);
	else if (role == VALUE_MAY_CHANGE)
		v->device[s->device].touched_ns = s->e->at.ts_ns;
	else if (s->e->has_tx)
		value_of_read(v, s);
}

/* Requests are taken up before rules judge them, so that alerts can say what a write changes. */
static const struct change *value_change(void *self, const struct event *e)
{
	struct values *v = self;
	struct seen s = { .e = e, .device = first_device(v, e, !e->from), .client = e->from };
	if (s.device == UINT32_MAX)
		return NULL;
	enum value_role role = value_role(e->pdu);
	if (role == VALUE_NOTHING)
		return NULL;
	s.write = role == VALUE_WRITES;
	v->change.point = NULL;
	asked_begin(v->asked, e, asked_key(e, e->tx_id));
	if (role != VALUE_ASKS || !asked_again(v->asked, e->print)) {
		for (uint32_t end = v->device[s.device].end; s.device < end; s.device++)
			if (is_about(v, e, s.device))
				take_request(v, &s, role);
		if (role == VALUE_ASKS)
			asked_know(v->asked, e->print);
	}
	end_request(v, e);
	return v->change.point == NULL ? NULL : &v->change;
}

/* ---- replies ---- */

static void value_pdu(void *self, const struct event *e)
{
	struct values *v = self;
	if (e->pdu->dir == PDU_REQ)
		return;
	struct seen s = { .e = e, .device = first_device(v, e, e->from), .client = !e->from };
	if (s.device == UINT32_MAX || e->pdu->malformed != NULL || e->pdu->flags & PDU_OVERLAP)
		return;
	if (e->has_tx)
		value_of_asked(v, &s, track_written, track_read);
	else if (e->pdu->dir == PDU_IND)
		value_of_job(v, &s, track_read);
	for (uint32_t end = v->device[s.device].end; s.device < end; s.device++)
		if (is_about(v, e, s.device))
			value_of_reply(v, &s, track_read);
}

/* ---- what was not seen ---- */

static void value_anomaly(void *self, const struct anomaly *a)
{
	struct values *v = self;
	if (a->flow == NULL || a->flow->note[v->watch->index] == 0 ||
		(a->kind != ANOMALY_BLIND && a->kind != ANOMALY_TX_FULL &&
			a->kind != ANOMALY_POOL_FULL && a->kind != ANOMALY_NOT_PROTOCOL))
		return;
	for (unsigned end = 0; end < 2; end++) {
		size_t first;
		size_t n = points_devices(v->points, a->flow->end[end].ip.bytes, &first);
		for (size_t i = 0; i < n; i++)
			v->device[first + i].doubt_ns = a->at.ts_ns;
	}
}

/* ---- life ---- */

static void value_tick(void *self, struct stamp now)
{
	track_tick(self, now);
}

static void value_finish(void *self, struct stamp now)
{
	(void)now;
	track_rest(self);
}

static void value_close(void *self)
{
	struct values *v = self;
	free(v->track);
	free(v->device);
	free(v->lock);
	free(v->lock_of);
	free(v->stale);
	asked_free(v->asked);
	asked_free(v->jobs);
	free(v);
}

static bool start(struct values *v)
{
	const struct points *p = v->points;
	v->track = calloc(p->count, sizeof *v->track);
	v->device = calloc(p->devices, sizeof *v->device);
	v->stale = calloc(p->count, sizeof *v->stale);
	v->asked = asked_new(v->watch->config->max_asked);
	v->jobs = asked_new(v->watch->config->max_asked);
	if (v->track == NULL || v->device == NULL || v->stale == NULL || v->asked == NULL ||
		v->jobs == NULL || !locks_open(v))
		return false;
	for (uint32_t i = 0; i < p->count; i++) {
		const struct point *one = &p->point[i];
		struct track *t = &v->track[i];
		t->asked_ns = t->wrote_ns = INT64_MIN;
		t->timed = !isnan(one->max_rate) || one->stuck_ns > 0;
		t->commanded = one->kind != POINT_MEASURED;
		for (unsigned k = 0; k < LIMITS; k++)
			t->bounded |= !isnan(one->limit[k]);
		if (one->stale_ns > 0)
			v->stale[v->stales++] = i;
	}
	for (size_t i = p->devices; i-- > 0;) {
		bool next =
			i + 1 < p->devices && memcmp(p->device[i].ip, p->device[i + 1].ip, 16) == 0;
		v->device[i].touched_ns = v->device[i].doubt_ns = INT64_MIN;
		v->device[i].end = next ? v->device[i + 1].end : (uint32_t)i + 1;
	}
	track_rest(v);
	return true;
}

static void *value_open(const struct watch *w, struct err *err)
{
	const struct config *c = w->config;
	if (c->points.count == 0)
		return NULL;
	struct values *v = calloc(1, sizeof *v);
	if (v == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	v->watch = w;
	v->points = &c->points;
	v->wanted = UINT32_MAX;
	v->settle_ns = (int64_t)c->settle_s * 1000000000;
	v->settle_reads = (uint32_t)c->settle_reads;
	if (start(v))
		return v;
	err_set(err, "out of memory for %zu points", c->points.count);
	value_close(v);
	return NULL;
}

const struct watcher value_watcher = {
	.name = "value",
	.open = value_open,
	.close = value_close,
	.flow = value_flow,
	.change = value_change,
	.rules = value_rules,
	.pdu = value_pdu,
	.anomaly = value_anomaly,
	.tick = value_tick,
	.finish = value_finish,
};
