/* sink_redis_errand.c - a few commands to Redis beside the stream of events: over a connection of
 * their own, kept for the moment only, so that the stream is never mixed with anything. */
#include "sensor/sink_redis.h"

enum { ERRAND_REDIRECTS = 4 };

void errand_fini(struct errand *e)
{
	bus_close(e->bus);
	e->bus = NULL;
}

static void give_up(struct errand *e, const struct link *l, const char *why)
{
	if (!e->told)
		sink_say(l->sink, "%s: %s", e->what, why);
	e->told = true;
	errand_fini(e);
	e->running = false;
}

static void dial(struct errand *e, const struct link *l, int64_t now_ms)
{
	struct err err = { 0 };
	bus_close(e->bus);
	e->sent = false;
	e->bus = bus_open(&e->target, &redis_limits, now_ms, &err);
	if (e->bus == NULL)
		give_up(e, l, err.text);
}

void errand_start(struct errand *e, const struct link *l, int64_t now_ms)
{
	e->command = e->redirects = 0;
	e->asking = false;
	e->running = true;
	e->target = l->home;
	dial(e, l, now_ms);
}

static void answered(
	struct errand *e, const struct link *l, const struct bus_reply *r, int64_t now_ms)
{
	if (e->asking && r->type == BUS_STATUS)
		return;
	if (r->type != BUS_ERROR) {
		e->sent = false;
		e->told = false;
		e->running = e->next(e->ctx, e->command++, r);
		return;
	}
	bool ask = bus_is_error(r, "ASK");
	if (++e->redirects > ERRAND_REDIRECTS || !bus_follow(r, &e->target)) {
		give_up(e, l, r->text);
		return;
	}
	e->asking = ask;
	dial(e, l, now_ms);
}

static bool send_command(struct errand *e)
{
	static const char *const asking[] = { "ASKING" };
	if (e->asking && !bus_send(e->bus, 1, asking, NULL))
		return false;
	return e->send(e->ctx, e->command, e->bus);
}

void errand_work(struct errand *e, const struct link *l, int64_t now_ms)
{
	struct err err = { 0 };
	struct bus_reply *r;
	if (e->bus == NULL)
		return;
	bool good = bus_work(e->bus, now_ms, &err);
	while (e->bus != NULL && (r = bus_receive(e->bus)) != NULL) {
		answered(e, l, r, now_ms);
		bus_reply_free(r);
	}
	if (e->bus == NULL)
		return;
	if (!e->running) {
		errand_fini(e);
	} else if (!good) {
		give_up(e, l, err.text);
	} else if (bus_state(e->bus) == BUS_UP && !e->sent) {
		e->sent = send_command(e);
		bus_work(e->bus, now_ms, &err);
	}
}
