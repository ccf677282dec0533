/* watch.c - asks each watcher that wants to know. */
#include "sensor/watch.h"

#include <stdlib.h>

#include "sensor/services.h"

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

/* Close together: they are asked for each message. Lists end with a hook NULL. */
struct readers {
	struct reader_of_pdus {
		void (*ask)(void *self, const struct event *e);
		void *self;
	} pdu[FLOW_NOTES + 1];
	struct reader_of_changes {
		const struct change *(*ask)(void *self, const struct event *e);
		void *self;
	} change[FLOW_NOTES + 1];
};

struct watchers {
	struct watching one[FLOW_NOTES];
	unsigned count;
	struct readers reads[SERVICES_MAX]; /* who looks at the messages of each service */
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
	}
	return true;
}

static bool does_read(const struct watcher *w, const struct dissector *d)
{
	if (w->reads == NULL)
		return true;
	for (unsigned i = 0; w->reads[i] != NULL; i++)
		if (w->reads[i] == d)
			return true;
	return false;
}

static void list_readers(struct watchers *w, struct readers *r, const struct dissector *d)
{
	unsigned pdus = 0, changes = 0;
	for (unsigned i = 0; i < w->count; i++) {
		const struct watcher *one = w->one[i].watcher;
		void *self = w->one[i].self;
		if (!does_read(one, d))
			continue;
		if (one->pdu != NULL) {
			r->pdu[pdus].ask = one->pdu;
			r->pdu[pdus++].self = self;
		}
		if (one->change != NULL) {
			r->change[changes].ask = one->change;
			r->change[changes++].self = self;
		}
	}
}

static void list_all(struct watchers *w)
{
	memset(w->reads, 0, sizeof w->reads);
	for (unsigned i = 0; services[i] != NULL; i++)
		list_readers(w, &w->reads[i], services[i]);
}

struct watchers *watchers_new(const struct watch *like, struct err *err)
{
	struct watchers *w = calloc(1, sizeof *w);
	if (w == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	if (!watchers_open(w, like, err)) {
		watchers_free(w);
		return NULL;
	}
	list_all(w);
	return w;
}

bool watchers_renew(struct watchers *w, const char *name, struct err *err)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct watching *one = &w->one[i];
		if (strcmp(one->watcher->name, name) != 0)
			continue;
		void *fresh = one->watcher->open(&one->watch, err);
		if (fresh == NULL)
			return false;
		one->watcher->close(one->self);
		one->self = fresh;
		if (one->watcher->rules != NULL)
			one->watcher->rules(fresh);
		list_all(w);
	}
	return true;
}

void watchers_free(struct watchers *w)
{
	if (w == NULL)
		return;
	for (unsigned i = 0; i < w->count; i++)
		w->one[i].watcher->close(w->one[i].self);
	free(w);
}

void watchers_rules(struct watchers *w)
{
	for (unsigned i = 0; i < w->count; i++)
		if (w->one[i].watcher->rules != NULL)
			w->one[i].watcher->rules(w->one[i].self);
}

void watchers_out(struct watchers *w, const struct watch_out *out)
{
	for (unsigned i = 0; i < w->count; i++)
		w->one[i].watch.out = *out;
	watchers_rules(w);
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
	const struct reader_of_changes *r = w->reads[e->service].change;
	const struct change *found = NULL;
	for (; r->ask != NULL && found == NULL; r++)
		found = r->ask(r->self, e);
	return found;
}

void watchers_pdu(struct watchers *w, const struct event *e)
{
	const struct reader_of_pdus *r = w->reads[e->service].pdu;
	for (; r->ask != NULL; r++)
		r->ask(r->self, e);
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

bool watch_wants(const struct watch *w, const struct pdu *sketch)
{
	return w->out.wants == NULL || w->out.wants(w->out.ctx, sketch);
}

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

void watch_observe_of(const struct watch *w, const struct event *of, const struct pdu *pdu)
{
	struct event e = *of;
	e.pdu = pdu;
	e.change = NULL;
	e.print = 0;
	if (of->pdu->dir != PDU_REQ) { /* what the device does by itself is no command */
		e.verdict.outcome = VERDICT_NONE;
		e.has_tx = false;
	}
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
