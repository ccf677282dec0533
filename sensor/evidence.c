/* evidence.c - slices on their way: begun with the alert, ended with its verdict, written.
 *
 * A slice is free, open (in the worker's hands) or ready (the writer's). Its buffer is its place in
 * the queue: where none is free, an alert has no slice. The worker takes the lock at alerts and
 * once a second, never while the writer writes. */
#include "sensor/evidence.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "sensor/evidence_slice.h"

#define SECOND INT64_C(1000000000)

enum {
	SLICES = 32,
	VERDICT_S = 30, /* longer than any verdict takes; then the slice is written without it */
	MINUTE_S = 60,
	HOUR_S = 3600,
	DAY_S = 86400,
};

/* Slices in the order of their alerts. */
struct queue {
	struct slice *slice[SLICES];
	unsigned count;
};

struct writer {
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	struct queue ready, free;
	uint64_t failed, deleted;
	int error; /* errno of the last failure */
	bool stop, runs;
};

struct evidence {
	const struct config *config;
	struct counters *counters;
	enum rule_level level;
	bool live;
	struct evidence_ring *ring;
	struct collector collector;
	struct evidence_store *store; /* the writer's, once it runs */
	struct writer writer;
	struct slice slice[SLICES];
	struct queue open; /* wait for their verdict */
	char path[PATH_MAX];
	uint64_t in_minute;
	int64_t minute_ns;
	int64_t now_ns; /* packet time */
	uint64_t none_told, failed_told;
};

static const char *const levels[] = { "informational", "low", "medium", "high", "critical", NULL };

static int level_of(const struct config *c)
{
	for (int i = 0; levels[i] != NULL; i++)
		if (strcmp(levels[i], c->evidence_level) == 0)
			return i;
	return -1;
}

bool evidence_check(const struct config *c, struct err *err)
{
	if (level_of(c) <= LEVEL_INFORMATIONAL)
		return err_set(err, "evidence.level: low, medium, high or critical: %s",
			c->evidence_level);
	if (c->evidence_dir != NULL && strlen(c->evidence_dir) + EVIDENCE_NAME >= PATH_MAX)
		return err_set(err, "evidence.folder: too long");
	return true;
}

/* --- queues ------------------------------------------------------------------------------ */

static void put(struct queue *q, struct slice *s)
{
	q->slice[q->count++] = s;
}

static struct slice *take(struct queue *q, unsigned i)
{
	if (i >= q->count)
		return NULL;
	struct slice *s = q->slice[i];
	q->count--;
	memmove(&q->slice[i], &q->slice[i + 1], (q->count - i) * sizeof q->slice[0]);
	return s;
}

/* --- writing ----------------------------------------------------------------------------- */

static int store(struct evidence *e, const struct slice *s)
{
	return evidence_store_put(e->store, s->name, s->bytes, s->len, e->live);
}

/* With the lock. @s: NULL if there was nothing to write. */
static void stored(struct evidence *e, struct slice *s, int error)
{
	struct writer *w = &e->writer;
	if (error != 0) {
		w->failed++;
		w->error = error;
	}
	w->deleted = evidence_store_deleted(e->store);
	if (s != NULL)
		put(&w->free, s);
}

/* Those whose days are over go, also where nothing new comes for long. */
static void age(struct evidence *e)
{
	int64_t days = (int64_t)e->config->evidence_days;
	if (days > 0)
		evidence_store_age(e->store, wall_ns() - days * DAY_S * SECOND);
}

/* With the lock, which is free meanwhile. */
static void wait_for_slice(struct writer *w)
{
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HOUR_S;
	if (w->ready.count == 0 && !w->stop)
		pthread_cond_timedwait(&w->wake, &w->lock, &until);
}

static void *write_slices(void *arg)
{
	struct evidence *e = arg;
	struct writer *w = &e->writer;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		wait_for_slice(w);
		struct slice *s = take(&w->ready, 0);
		if (s == NULL && w->stop)
			break;
		pthread_mutex_unlock(&w->lock);
		age(e);
		int error = s != NULL ? store(e, s) : 0;
		pthread_mutex_lock(&w->lock);
		stored(e, s, error);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

static void hand_over(struct evidence *e, struct slice *s)
{
	struct writer *w = &e->writer;
	slice_end(s, &e->collector);
	if (!w->runs) {
		stored(e, s, store(e, s));
		return;
	}
	pthread_mutex_lock(&w->lock);
	put(&w->ready, s);
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

static struct slice *free_slice(struct evidence *e)
{
	struct writer *w = &e->writer;
	if (e->open.count == SLICES)
		hand_over(e, take(&e->open, 0));
	pthread_mutex_lock(&w->lock);
	struct slice *s = w->free.count == 0 ? NULL : take(&w->free, w->free.count - 1);
	pthread_mutex_unlock(&w->lock);
	return s;
}

/* --- frames ------------------------------------------------------------------------------ */

void evidence_frame(struct evidence *e, const struct packet *p)
{
	e->now_ns = p->at.ts_ns;
	evidence_ring_keep(e->ring, p);
}

void evidence_decoded(struct evidence *e, const struct packet *p, bool done)
{
	evidence_ring_file(e->ring, p, done);
}

/* --- alerts ------------------------------------------------------------------------------ */

static bool is_in_rate(struct evidence *e)
{
	int64_t since = e->now_ns - e->minute_ns;
	if (since >= MINUTE_S * SECOND || since < 0) {
		e->minute_ns = e->now_ns;
		e->in_minute = 0;
	}
	return ++e->in_minute <= e->config->evidence_rate;
}

static struct slice *begin(struct evidence *e, struct alert *a)
{
	struct slice *s = is_in_rate(e) ? free_slice(e) : NULL;
	if (s == NULL || slice_begin(s, &e->collector, a))
		return s;
	pthread_mutex_lock(&e->writer.lock);
	put(&e->writer.free, s);
	pthread_mutex_unlock(&e->writer.lock);
	return NULL;
}

void evidence_alert(struct evidence *e, uint64_t epoch, struct alert *a)
{
	if (a->level < e->level)
		return;
	struct slice *s = begin(e, a);
	if (s == NULL) {
		e->counters->evidence_none++;
		return;
	}
	e->counters->evidence_kept++;
	s->n = a->n;
	s->due_ns = e->now_ns + VERDICT_S * SECOND;
	snprintf(s->name, sizeof s->name, "%" PRIu64 "-%" PRIu64 ".pcap", epoch, a->n);
	snprintf(e->path, sizeof e->path, "%s/%s", e->config->evidence_dir, s->name);
	a->slice = e->path;
	if (a->event->verdict.outcome == VERDICT_PENDING)
		put(&e->open, s);
	else
		hand_over(e, s);
}

void evidence_verdict(struct evidence *e, uint64_t n)
{
	for (unsigned i = 0; i < e->open.count; i++)
		if (e->open.slice[i]->n == n) {
			hand_over(e, take(&e->open, i));
			return;
		}
}

/* --- time -------------------------------------------------------------------------------- */

static void say(uint64_t count, uint64_t *told, enum anomaly_kind kind, struct stamp now,
	const char *detail, const struct inspector *to)
{
	if (count == *told)
		return;
	struct anomaly a = { .kind = kind, .at = now, .count = count - *told, .detail = detail };
	*told = count;
	to->anomaly(to->ctx, &a);
}

static void tell_losses(struct evidence *e, struct stamp now, const struct inspector *to)
{
	struct counters *c = e->counters;
	pthread_mutex_lock(&e->writer.lock);
	c->evidence_failed = e->writer.failed;
	c->evidence_deleted = e->writer.deleted;
	int error = e->writer.error;
	pthread_mutex_unlock(&e->writer.lock);
	say(c->evidence_none, &e->none_told, ANOMALY_EVIDENCE_FULL, now, NULL, to);
	say(c->evidence_failed, &e->failed_told, ANOMALY_EVIDENCE_FAILED, now, strerror(error), to);
}

void evidence_tick(struct evidence *e, struct stamp now, const struct inspector *to)
{
	for (unsigned i = 0; i < e->open.count;) {
		const struct slice *s = e->open.slice[i];
		if (now.ts_ns >= s->due_ns || now.ts_ns < s->due_ns - 2 * VERDICT_S * SECOND)
			hand_over(e, take(&e->open, i));
		else
			i++;
	}
	tell_losses(e, now, to);
}

void evidence_finish(struct evidence *e, struct stamp now, const struct inspector *to)
{
	while (e->open.count > 0)
		hand_over(e, take(&e->open, 0));
	evidence_ring_clear(e->ring);
	tell_losses(e, now, to);
}

/* --- life -------------------------------------------------------------------------------- */

static bool make_slices(struct evidence *e)
{
	uint32_t cap = (uint32_t)e->config->slice_kib << 10;
	for (unsigned i = 0; i < SLICES; i++) {
		e->slice[i].cap = cap;
		e->slice[i].bytes = malloc(cap);
		if (e->slice[i].bytes == NULL)
			return false;
		put(&e->writer.free, &e->slice[i]);
	}
	e->ring =
		evidence_ring_new(e->config->evidence_mib << 20, e->live ? (uint64_t)wall_ns() : 0);
	return e->ring != NULL && collector_init(&e->collector, e->ring, cap);
}

/* Signals are the worker's. */
static bool start_writer(struct evidence *e, struct err *err)
{
	struct writer *w = &e->writer;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &before);
	int failed = pthread_create(&w->thread, NULL, write_slices, e);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	w->runs = failed == 0;
	return w->runs || err_set(err, "evidence: no thread: %s", strerror(failed));
}

static bool open_all(struct evidence *e, struct err *err)
{
	e->store = evidence_store_open(e->config->evidence_dir, e->config->evidence_cap << 20, err);
	if (e->store == NULL)
		return false;
	if (!make_slices(e))
		return err_set(err, "out of memory");
	if (e->live)
		age(e);
	e->writer.deleted = evidence_store_deleted(e->store);
	return !e->live || start_writer(e, err);
}

struct evidence *evidence_open(
	const struct config *c, bool live, struct counters *counters, struct err *err)
{
	if (c->evidence_dir == NULL)
		return NULL;
	struct evidence *e = calloc(1, sizeof *e);
	if (e == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	e->config = c;
	e->counters = counters;
	e->live = live;
	e->level = (enum rule_level)level_of(c);
	pthread_mutex_init(&e->writer.lock, NULL);
	pthread_cond_init(&e->writer.wake, NULL);
	if (open_all(e, err))
		return e;
	evidence_close(e);
	return NULL;
}

static void stop_writer(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
}

void evidence_close(struct evidence *e)
{
	if (e == NULL)
		return;
	if (e->writer.runs)
		stop_writer(&e->writer);
	for (unsigned i = 0; i < SLICES; i++)
		free(e->slice[i].bytes);
	collector_fini(&e->collector);
	evidence_ring_free(e->ring);
	evidence_store_close(e->store);
	pthread_mutex_destroy(&e->writer.lock);
	pthread_cond_destroy(&e->writer.wake);
	free(e);
}
