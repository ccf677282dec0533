/* sink_redis_beat.c - tells who reads alerts that this sensor exists and how it is. */
#include "sensor/sink_redis.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

enum { BEAT_SADD, BEAT_HSET, BEAT_EXPIRE };

static bool send_hash(const struct link *l, const char *key, struct bus *bus)
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
	return bus_send(bus, argc, argv, NULL);
}

static bool send_command(void *ctx, unsigned command, struct bus *bus)
{
	const struct link *l = ctx;
	char key[320], ttl[16];
	snprintf(key, sizeof key, "bongsu:sensor:{%s}", l->sink->options->sensor);
	snprintf(ttl, sizeof ttl, "%d", BEAT_TTL_S);
	const char *sadd[] = { "SADD", "bongsu:sensors", l->sink->options->sensor };
	const char *expire[] = { "EXPIRE", key, ttl };
	if (command == BEAT_SADD)
		return bus_send(bus, 3, sadd, NULL);
	return command == BEAT_HSET ? send_hash(l, key, bus) : bus_send(bus, 3, expire, NULL);
}

static bool next_command(void *ctx, unsigned command, const struct bus_reply *r)
{
	(void)ctx;
	(void)r;
	return command < BEAT_EXPIRE;
}

void beat_init(struct beat *b, struct link *l)
{
	*b = (struct beat){ .errand = { .what = "heartbeat",
				    .ctx = l,
				    .send = send_command,
				    .next = next_command } };
}

void beat_work(struct beat *b, const struct link *l, int64_t now_ms)
{
	if (l->mode == BUS_STREAM && !b->errand.running && now_ms >= b->next_ms &&
		l->phase == LINK_FLOWING) {
		b->next_ms = now_ms + BEAT_EVERY_S * 1000;
		errand_start(&b->errand, l, now_ms);
	}
	errand_work(&b->errand, l, now_ms);
}
