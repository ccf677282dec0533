/* sink_redis_beat.c - tells who reads alerts that this sensor exists and how it is. A connection of
 * its own, kept for the moment only, so that the stream of events is never mixed with anything. */
#include "sensor/sink_redis.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <time.h>

enum { BEAT_REDIRECTS = 4 };

void beat_init(struct beat *b)
{
	*b = (struct beat){ .command = BEAT_COMMANDS };
}

void beat_fini(struct beat *b)
{
	bus_close(b->bus);
	b->bus = NULL;
}

static void give_up(struct beat *b, const struct link *l, const char *why)
{
	if (!b->told)
		sink_say(l->sink, "heartbeat: %s", why);
	b->told = true;
	beat_fini(b);
	b->command = BEAT_COMMANDS;
}

static bool send_hash(struct beat *b, const struct link *l, const char *key)
{
	char number[8][24];
	struct sink_beat s;
	pthread_mutex_lock(&l->sink->beat->lock);
	s = l->sink->beat->beat;
	pthread_mutex_unlock(&l->sink->beat->lock);
	const struct {
		const char *name;
		uint64_t v;
	} numbers[8] = {
		{ "packets", s.packets },
		{ "kernel_drops", s.kernel_drops },
		{ "blind_bytes", s.blind_bytes },
		{ "lag_ms", s.lag_ms },
		{ "clock", (uint64_t)time(NULL) },
		{ "epoch", l->sink->options->epoch },
		{ "n", s.n > l->newest.n ? s.n : l->newest.n },
		{ "waiting", l->spool == NULL ? 0 : spool_waiting(l->spool) },
	};
	const char *argv[2 + 6 + 16] = { "HSET", key, "version", s.version, "rules", s.rules,
		"mode", l->sink->options->live ? "live" : "replay" };
	int argc = 8;
	for (unsigned i = 0; i < 8; i++) {
		snprintf(number[i], sizeof number[i], "%" PRIu64, numbers[i].v);
		argv[argc++] = numbers[i].name;
		argv[argc++] = number[i];
	}
	return bus_send(b->bus, argc, argv, NULL);
}

static bool send_command(struct beat *b, const struct link *l)
{
	char key[320], ttl[16];
	static const char *const asking[] = { "ASKING" };
	snprintf(key, sizeof key, "bongsu:sensor:{%s}", l->sink->options->sensor);
	snprintf(ttl, sizeof ttl, "%d", BEAT_TTL_S);
	const char *sadd[] = { "SADD", "bongsu:sensors", l->sink->options->sensor };
	const char *expire[] = { "EXPIRE", key, ttl };
	if (b->asking && !bus_send(b->bus, 1, asking, NULL))
		return false;
	if (b->command == 0)
		return bus_send(b->bus, 3, sadd, NULL);
	return b->command == 1 ? send_hash(b, l, key) : bus_send(b->bus, 3, expire, NULL);
}

static void dial(struct beat *b, const struct link *l, int64_t now_ms)
{
	struct err err = { 0 };
	bus_close(b->bus);
	b->sent = false;
	b->bus = bus_open(&b->target, &redis_limits, now_ms, &err);
	if (b->bus == NULL)
		give_up(b, l, err.text);
}

static void answered(
	struct beat *b, const struct link *l, const struct bus_reply *r, int64_t now_ms)
{
	if (b->asking && r->type == BUS_STATUS)
		return;
	if (r->type != BUS_ERROR) {
		b->sent = false;
		b->told = false;
		b->command++;
		return;
	}
	bool ask = bus_is_error(r, "ASK");
	if (++b->redirects > BEAT_REDIRECTS || !bus_follow(r, &b->target)) {
		give_up(b, l, r->text);
		return;
	}
	b->asking = ask;
	dial(b, l, now_ms);
}

void beat_work(struct beat *b, const struct link *l, int64_t now_ms)
{
	struct err err = { 0 };
	struct bus_reply *r;
	if (l->mode == BUS_STREAM && b->command == BEAT_COMMANDS && now_ms >= b->next_ms &&
		l->phase == LINK_FLOWING) {
		b->next_ms = now_ms + BEAT_EVERY_S * 1000;
		b->command = b->redirects = 0;
		b->asking = false;
		b->target = l->home;
		dial(b, l, now_ms);
	}
	if (b->bus == NULL)
		return;
	bool good = bus_work(b->bus, now_ms, &err);
	while (b->bus != NULL && (r = bus_receive(b->bus)) != NULL) {
		answered(b, l, r, now_ms);
		bus_reply_free(r);
	}
	if (b->bus == NULL)
		return;
	if (b->command == BEAT_COMMANDS) {
		beat_fini(b);
	} else if (!good) {
		give_up(b, l, err.text);
	} else if (bus_state(b->bus) == BUS_UP && !b->sent) {
		b->sent = send_command(b, l);
		bus_work(b->bus, now_ms, &err);
	}
}
