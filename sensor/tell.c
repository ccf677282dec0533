/* tell.c - numbers run from 1 without holes over all types of event. */
#include "sensor/tell.h"

#include "sensor/counters.h"
#include "sensor/evidence.h"
#include "sensor/services.h"

static const struct {
	const char *name;
	uint64_t bit;
} kinds[] = {
	{ "alert", EVENT_ALERT },
	{ "verdict", EVENT_VERDICT },
	{ "anomaly", EVENT_ANOMALY },
	{ "flow", EVENT_FLOW },
	{ "stats", EVENT_STATS },
	{ "canary", EVENT_CANARY },
	{ "audit", EVENT_AUDIT },
};
enum { KINDS = sizeof kinds / sizeof kinds[0], NAMES_MAX = 80 };

static uint64_t protocol_bit(const struct dissector *d)
{
	return UINT64_C(1) << (EVENT_PROTOCOL + service_index(d));
}

uint64_t event_bit(const char *name)
{
	for (unsigned i = 0; i < KINDS; i++)
		if (strcmp(name, kinds[i].name) == 0)
			return kinds[i].bit;
	const struct dissector *d = service_named(name);
	return d == NULL ? 0 : protocol_bit(d);
}

const char *const *event_names(void)
{
	static const char *names[NAMES_MAX];
	unsigned n = 0;
	for (unsigned i = 0; i < KINDS; i++)
		names[n++] = kinds[i].name;
	for (unsigned i = 0; services[i] != NULL && n < NAMES_MAX - 1; i++)
		names[n++] = services[i]->name;
	names[n] = NULL;
	return names;
}

/* The buffer of the next event, or a full one if events of this type are not wanted. */
static bool begin(struct tell *t, uint64_t bit, struct buf *out)
{
	if ((t->events & bit) == 0)
		return false;
	*out = buf_over(t->line, sizeof t->line);
	t->n++;
	return true;
}

static uint64_t end(struct tell *t, const char *type, const struct buf *out)
{
	if (t->sinks != NULL)
		sinks_put(t->sinks, t->n, type, out->at, out->len);
	return t->n;
}

uint64_t tell_alert(struct tell *t, struct alert *a)
{
	struct buf out;
	t->counters->alerts++;
	if (!begin(t, EVENT_ALERT, &out))
		return 0;
	a->n = t->n;
	if (t->evidence != NULL)
		evidence_alert(t->evidence, t->eve.epoch, a);
	eve_alert(&out, &t->eve, a);
	return end(t, "alert", &out);
}

uint64_t tell_verdict(struct tell *t, const struct alert *of)
{
	struct buf out;
	if (t->evidence != NULL)
		evidence_verdict(t->evidence, of->n);
	if (!begin(t, EVENT_VERDICT, &out))
		return 0;
	eve_verdict(&out, &t->eve, t->n, of);
	return end(t, "verdict", &out);
}

uint64_t tell_anomaly(struct tell *t, const struct anomaly *a)
{
	struct buf out;
	t->counters->anomalies++;
	if (!begin(t, EVENT_ANOMALY, &out))
		return 0;
	eve_anomaly(&out, &t->eve, t->n, a);
	return end(t, "anomaly", &out);
}

uint64_t tell_flow(struct tell *t, const struct flow *f, const char *why)
{
	struct buf out;
	if (!begin(t, EVENT_FLOW, &out))
		return 0;
	eve_flow(&out, &t->eve, t->n, f, why);
	return end(t, "flow", &out);
}

uint64_t tell_transaction(struct tell *t, const struct event *e)
{
	struct buf out;
	if (!begin(t, protocol_bit(e->pdu->dissector), &out))
		return 0;
	eve_transaction(&out, &t->eve, t->n, e);
	return end(t, e->pdu->dissector->name, &out);
}

uint64_t tell_canary(struct tell *t, struct stamp at, uint64_t latency_us)
{
	struct buf out;
	if (!begin(t, EVENT_CANARY, &out))
		return 0;
	eve_canary(&out, &t->eve, t->n, at, latency_us);
	return end(t, "canary", &out);
}

uint64_t tell_audit(struct tell *t, struct stamp at, const struct audit *a)
{
	struct buf out;
	if (!begin(t, EVENT_AUDIT, &out))
		return 0;
	eve_audit(&out, &t->eve, t->n, at, a);
	return end(t, "audit", &out);
}

uint64_t tell_stats(struct tell *t, struct stamp at)
{
	struct buf out;
	if (!begin(t, EVENT_STATS, &out))
		return 0;
	eve_stats(&out, &t->eve, t->n, at, t->counters);
	return end(t, "stats", &out);
}
