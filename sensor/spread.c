/* spread.c - the watcher `spread`: hooks, memory, time. */
#include "sensor/spread.h"

#include <stdlib.h>

#include "sensor/asks.h"

#define SECOND INT64_C(1000000000)

static void spread_close(void *self)
{
	struct spread *s = self;
	keep_free(s->stations);
	keep_free(s->contents);
	free(s);
}

static void *spread_open(const struct watch *w, struct err *err)
{
	const struct config *c = w->config;
	struct spread *s = calloc(1, sizeof *s);
	if (s == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	s->watch = w;
	s->within_ns = (int64_t)c->spread_within_s * SECOND;
	s->learn_ns = (int64_t)c->spread_learn_s * SECOND;
	s->stations = keep_new(c->spread_hosts, sizeof(struct spread_station));
	s->contents = keep_new(c->spread_contents, sizeof(struct spread_content));
	if (s->stations != NULL && s->contents != NULL)
		return s;
	err_set(err, "out of memory");
	spread_close(s);
	return NULL;
}

static void started(struct spread *s, const struct flow *f, struct stamp at)
{
	if (!flow_to_one(f))
		return;
	if (flow_asks(f))
		spread_station_asks(s, f, at);
	else
		spread_station_was_client(s, f);
}

static void spread_flow(
	void *self, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	struct spread *s = self;
	if (s->began_ns == 0)
		s->began_ns = at.ts_ns;
	if (change == FLOW_STARTED)
		started(s, f, at);
	else if (change == FLOW_ANSWERED && from == 1)
		spread_station_answered(s, f);
}

static void spread_first_bytes(
	void *self, struct flow *f, unsigned from, struct stamp at, struct reader bytes)
{
	struct spread *s = self;
	if (from != 0 || !flow_to_one(f) || !flow_asks(f))
		return;
	struct spread_said said = spread_said_of(s, f, &bytes);
	spread_station_speaks(s, f, &said, at);
	spread_count_evicted(s, at);
}

static void spread_tick(void *self, struct stamp now)
{
	spread_stations_tick(self, now, false);
}

static void spread_finish(void *self, struct stamp now)
{
	spread_stations_tick(self, now, true);
}

const struct watcher spread_watcher = {
	.name = "spread",
	.open = spread_open,
	.close = spread_close,
	.flow = spread_flow,
	.first_bytes = spread_first_bytes,
	.tick = spread_tick,
	.finish = spread_finish,
};
