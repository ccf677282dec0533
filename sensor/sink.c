/* sink.c - opens, feeds and closes the sinks. */
#include "sensor/sink_kind.h"

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/bus.h"

static const struct sink_kind *const kinds[] = { &sink_stdout, &sink_file, &sink_syslog,
	&sink_redis, &sink_redis_unix, &sink_rediss };

enum { KINDS = sizeof kinds / sizeof kinds[0], SINKS_MAX = 16, FULL_PAUSE_US = 100 };

struct sinks {
	struct sink_options options;
	struct sink_beat_box beat;
	uint64_t put;
	size_t count;
	struct sink sink[SINKS_MAX];
};

int64_t sink_now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

bool sink_late(const struct sink *s)
{
	return atomic_load(&s->closing) && sink_now_ms() >= atomic_load(&s->deadline_ms);
}

void sink_say(const struct sink *s, const char *format, ...)
{
	char text[512];
	int n = snprintf(text, sizeof text, "%s: ", s->spec);
	size_t at = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
	va_list args;
	va_start(args, format);
	vsnprintf(text + at, sizeof text - at, format, args);
	va_end(args);
	if (s->options->say != NULL)
		s->options->say(text);
	else
		fprintf(stderr, "%s\n", text);
}

enum { SINK_REST_MS = 5 };

short sink_sleep(struct sink *s, int fd, short events, int ms)
{
	struct pollfd fds[2] = { { .fd = s->ring.wake, .events = POLLIN },
		{ .fd = fd, .events = events } };
	if (!ring_sleep(&s->ring))
		ms = 0;
	if (poll(fds, 2, ms) <= 0)
		fds[0].revents = fds[1].revents = 0;
	/* More lines follow the first: rest awake, so that a burst costs its writer one wake-up. */
	if (fds[0].revents != 0 && !atomic_load(&s->closing))
		nanosleep(&(struct timespec){ .tv_nsec = SINK_REST_MS * 1000000 }, NULL);
	ring_awake(&s->ring);
	return fds[1].revents;
}

static const struct sink_kind *kind_of(const char *spec, const char **rest)
{
	for (size_t i = 0; i < KINDS; i++) {
		size_t n = strlen(kinds[i]->scheme);
		*rest = spec + n;
		if (strncmp(spec, kinds[i]->scheme, n) == 0 &&
			(!kinds[i]->alone || spec[n] == '\0'))
			return kinds[i];
	}
	return NULL;
}

static void *run(void *arg)
{
	struct sink *s = arg;
	s->kind->run(s);
	return NULL;
}

/* The thread takes no signals: they are the main thread's, and a closed pipe is an error code. */
static bool start(struct sink *s, struct err *err)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	s->running = pthread_create(&s->thread, NULL, run, s) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return s->running || err_set(err, "%s: no thread for it", s->spec);
}

static bool refuse_spec(const char *spec, struct err *err)
{
	return err_set(err,
		"%s: not a sink: expected -, file:PATH, syslog:, redis://HOST:PORT, "
		"redis+unix:///PATH or rediss://HOST:PORT",
		spec);
}

static bool open_one(struct sinks *all, const char *spec, struct err *err)
{
	struct sink *s = &all->sink[all->count];
	const char *rest;
	const struct sink_kind *kind = kind_of(spec, &rest);
	if (kind == NULL)
		return refuse_spec(spec, err);
	s->spec = strdup(spec);
	s->options = &all->options;
	s->beat = &all->beat;
	if (s->spec == NULL || !ring_init(&s->ring, SINK_RING)) {
		ring_fini(&s->ring);
		free(s->spec);
		return err_set(err, "%s: out of memory", spec);
	}
	s->kind = kind;
	all->count++; /* from here on sinks_close() frees it */
	return kind->open(s, rest, err) && start(s, err);
}

bool sinks_check(const char *const *specs, size_t count, struct err *err)
{
	for (size_t i = 0; i < count; i++) {
		const char *rest;
		struct bus_target target;
		if (kind_of(specs[i], &rest) == NULL)
			return refuse_spec(specs[i], err);
		if (strncmp(specs[i], "redis", 5) == 0 && !bus_url(specs[i], &target, err))
			return false;
		for (size_t k = 0; k < i; k++)
			if (strcmp(specs[k], specs[i]) == 0)
				return err_set(err, "%s: given twice", specs[i]);
	}
	return count <= SINKS_MAX || err_set(err, "more than %d sinks", SINKS_MAX);
}

static void join(struct sink *s, const struct sink_options *o)
{
	atomic_store(&s->deadline_ms, sink_now_ms() + (int64_t)o->drain_s * 1000);
	atomic_store(&s->closing, true);
	ring_rouse(&s->ring);
}

static void free_all(struct sinks *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct sink *s = &all->sink[i];
		s->kind->free(s);
		ring_fini(&s->ring);
		free(s->spec);
	}
	pthread_mutex_destroy(&all->beat.lock);
	free(all);
}

static void stop_all(struct sinks *all)
{
	for (size_t i = 0; i < all->count; i++)
		join(&all->sink[i], &all->options);
	for (size_t i = 0; i < all->count; i++)
		if (all->sink[i].running)
			pthread_join(all->sink[i].thread, NULL);
}

struct sinks *sinks_open(
	const char *const *specs, size_t count, const struct sink_options *o, struct err *err)
{
	struct sinks *all = aligned_alloc(64, (sizeof *all + 63) & ~(size_t)63);
	if (all == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	bool good = sinks_check(specs, count, err);
	memset(all, 0, sizeof *all);
	all->options = *o;
	pthread_mutex_init(&all->beat.lock, NULL);
	for (size_t i = 0; i < count && good; i++)
		good = open_one(all, specs[i], err);
	for (size_t i = 0; i < all->count && good && !o->live; i++)
		good = all->sink[i].kind->ready == NULL ||
		       all->sink[i].kind->ready(&all->sink[i], err);
	if (good)
		return all;
	all->options.drain_s = 0;
	stop_all(all);
	free_all(all);
	return NULL;
}

/* Live: the line is dropped and counted, the hole in n shows where. Said at most every 10 s. */
static void overflowed(struct sink *s)
{
	int64_t now = sink_now_ms();
	sink_count(&s->dropped, 1);
	if (s->full++ > 0 && now - s->told_full_ms < 10000)
		return;
	s->told_full_ms = now;
	sink_say(s, "too slow: %llu events dropped so far", (unsigned long long)s->full);
}

void sinks_put(struct sinks *all, uint64_t n, const char *type, const char *line, size_t len)
{
	all->put++;
	for (size_t i = 0; i < all->count; i++) {
		struct sink *s = &all->sink[i];
		while (!ring_put(&s->ring, n, type, line, len)) {
			if (all->options.live || len > ring_longest(&s->ring)) {
				overflowed(s);
				break;
			}
			usleep(FULL_PAUSE_US);
		}
	}
}

void sinks_keep(struct sinks *all, const char *name, const char *json, size_t len)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->sink[i].kind->keep != NULL)
			all->sink[i].kind->keep(&all->sink[i], name, json, len);
}

bool sinks_broken(const struct sinks *all)
{
	for (size_t i = 0; i < all->count; i++)
		if (!atomic_load_explicit(&all->sink[i].broken, memory_order_relaxed))
			return false;
	return all->count > 0;
}

void sinks_reopen(struct sinks *all)
{
	for (size_t i = 0; i < all->count; i++) {
		atomic_store(&all->sink[i].reopen, true);
		ring_rouse(&all->sink[i].ring);
	}
}

void sinks_beat(struct sinks *all, const struct sink_beat *beat)
{
	pthread_mutex_lock(&all->beat.lock);
	all->beat.beat = *beat;
	pthread_mutex_unlock(&all->beat.lock);
}

void sinks_totals(const struct sinks *all, struct sink_totals *out)
{
	*out = (struct sink_totals){ .put = all->put };
	for (size_t i = 0; i < all->count; i++) {
		const struct sink *s = &all->sink[i];
		out->delivered += atomic_load(&s->delivered);
		out->dropped += atomic_load(&s->dropped);
		out->refused += atomic_load(&s->refused);
		out->spooled += atomic_load(&s->spooled);
		out->spool_damaged += atomic_load(&s->spool_damaged);
		out->reconnects += atomic_load(&s->reconnects);
	}
}

bool sinks_close(struct sinks *all, struct err *err)
{
	bool good = true;
	if (all == NULL)
		return true;
	stop_all(all);
	for (size_t i = 0; i < all->count; i++) {
		struct sink *s = &all->sink[i];
		if (!s->fault.set)
			continue;
		good = err_set(err, "%s: %.400s", s->spec, s->fault.text);
		if (err->set && i > 0)
			sink_say(s, "%s", s->fault.text);
	}
	free_all(all);
	return good;
}
