/* watch.c - asks each watcher that wants to know. */
#include "sensor/watch.h"

#include <stdlib.h>

#define WATCHER(name) extern const struct watcher name##_watcher;
#include "sensor/watchers.def"
#undef WATCHER

static const struct watcher *const all[] = {
#define WATCHER(name) &name##_watcher,
#include "sensor/watchers.def"
#undef WATCHER
	NULL
};

_Static_assert(sizeof all / sizeof all[0] - 1 <= FLOW_NOTES, "a flow has a note for each watcher");

struct watching {
	const struct watcher *watcher;
	void *self;
	struct watch watch;
};

struct watchers {
	struct watching one[FLOW_NOTES];
	unsigned count;
	/* Those that look at messages, close together: they are asked for each. */
	struct {
		void (*pdu)(void *self, const struct event *e);
		void *self;
	} reader[FLOW_NOTES];
	unsigned readers;
};

static bool watchers_open(struct watchers *w, const struct watch *like, struct err *err)
{
	for (unsigned i = 0; all[i] != NULL; i++) {
		struct watching *one = &w->one[w->count];
		*one = (struct watching){ .watcher = all[i], .watch = *like };
		one->watch.index = i;
		one->self = all[i]->open(&one->watch, err);
		if (err->set)
			return false;
		w->count += one->self != NULL;
		if (one->self != NULL && all[i]->pdu != NULL) {
			w->reader[w->readers].pdu = all[i]->pdu;
			w->reader[w->readers++].self = one->self;
		}
	}
	return true;
}

struct watchers *watchers_new(const struct watch *like, struct err *err)
{
	struct watchers *w = calloc(1, sizeof *w);
	if (w == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	if (watchers_open(w, like, err))
		return w;
	watchers_free(w);
	return NULL;
}

void watchers_free(struct watchers *w)
{
	if (w == NULL)
		return;
	for (unsigned i = 0; i < w->count; i++)
		w->one[i].watcher->close(w->one[i].self);
	free(w);
}

void watchers_out(struct watchers *w, const struct watch_out *out)
{
	for (unsigned i = 0; i < w->count; i++)
		w->one[i].watch.out = *out;
}

void *watchers_state(const struct watchers *w, const char *name)
{
	for (unsigned i = 0; i < w->count; i++)
		if (strcmp(w->one[i].watcher->name, name) == 0)
			return w->one[i].self;
	return NULL;
}

#define ASK(hook, ...)                                                                             \
	for (unsigned i = 0; i < w->count; i++)                                                    \
		if (w->one[i].watcher->hook != NULL)                                               \
	w->one[i].watcher->hook(w->one[i].self, __VA_ARGS__)

void watchers_flow(
	struct watchers *w, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	ASK(flow, f, change, from, at);
}

const struct change *watchers_change(struct watchers *w, const struct event *e)
{
	const struct change *found = NULL;
	for (unsigned i = 0; i < w->count && found == NULL; i++)
		if (w->one[i].watcher->change != NULL)
			found = w->one[i].watcher->change(w->one[i].self, e);
	return found;
}

void watchers_pdu(struct watchers *w, const struct event *e)
{
	for (unsigned i = 0; i < w->readers; i++)
		w->reader[i].pdu(w->reader[i].self, e);
}

void watchers_aside(struct watchers *w, const struct aside *a)
{
	ASK(aside, a);
}

void watchers_first_bytes(
	struct watchers *w, struct flow *f, unsigned from, struct stamp at, struct reader bytes)
{
	ASK(first_bytes, f, from, at, bytes);
}

void watchers_stray(struct watchers *w, const struct packet *p)
{
	ASK(stray, p);
}

void watchers_anomaly(struct watchers *w, const struct anomaly *a)
{
	ASK(anomaly, a);
}

void watchers_content(
	struct watchers *w, struct flow *f, unsigned from, struct stamp at, const struct content *c)
{
	ASK(content, f, from, at, c);
}

void watchers_tick(struct watchers *w, struct stamp now)
{
	ASK(tick, now);
}

void watchers_finish(struct watchers *w, struct stamp now)
{
	ASK(finish, now);
}

/* --- for watchers ------------------------------------------------------------------------ */

void observation(struct pdu *pdu, const struct dissector *service, const char *name)
{
	pdu_init(pdu);
	pdu->dissector = service;
	pdu->dir = PDU_IND;
	pdu->name = name;
}

void watch_observe(const struct watch *w, const struct flow *f, unsigned from, struct stamp at,
	const struct pdu *pdu, const struct change *change)
{
	struct event e = { .at = at,
		.flow = f,
		.from = from,
		.pdu = pdu,
		.change = change,
		.verdict = { .outcome = VERDICT_NONE, .latency_ns = -1 } };
	w->out.observe(w->out.ctx, &e);
}

void watch_observe_after(const struct watch *w, const struct flow *f, struct stamp at,
	const struct pdu *pdu, const uint64_t *frames, unsigned count)
{
	uint64_t before[EVENT_FRAMES] = { 0 };
	struct event e = { .at = at,
		.flow = f,
		.pdu = pdu,
		.before = before,
		.verdict = { .outcome = VERDICT_NONE, .latency_ns = -1 } };
	for (unsigned i = 0; i < count && i < EVENT_FRAMES; i++)
		before[i] = frames[i];
	w->out.observe(w->out.ctx, &e);
}

void watch_ends(const struct watch *w, struct flow *f, const struct endpoint *src,
	const struct endpoint *dst, struct stamp at)
{
	*f = (struct flow){ .client_sure = true, .first_ns = at.ts_ns, .last_ns = at.ts_ns };
	f->end[0] = *src;
	if (dst != NULL)
		f->end[1] = *dst;
	else
		f->end[1].ip.family = src->ip.family;
	site_facts((struct site *)(uintptr_t)&w->config->site, f);
}
