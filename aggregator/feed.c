/* feed.c - a bounded queue and one thread that empties it into Redis. */
#include "aggregator/feed.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/talk.h"

enum { QUEUE_BYTES = 64 * 1024 * 1024, AWAY_MS = 1000, NAP_MS = 100 };

struct entry {
	struct entry *next;
	enum feed kind;
	char origin[ORG_TEXT];
	size_t len;
	char json[];
};

struct feed_out {
	struct node *n;
	struct talk *talk;
	uint64_t keep;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	struct entry *first, **end;
	size_t bytes;
	atomic_ullong written, lost;
	pthread_t thread;
	bool runs;
	atomic_bool stop;
};

const char *feed_name(enum feed kind)
{
	static const char *const names[FEEDS] = { "digest", "flash", "rollup", "health", "notice",
		"alarm" };
	return names[kind];
}

void feed_put(struct feed_out *f, enum feed kind, const char *origin, const char *json, size_t len)
{
	struct entry *e = malloc(sizeof *e + len + 1);
	pthread_mutex_lock(&f->lock);
	if (e == NULL || f->bytes + len > QUEUE_BYTES) {
		free(e);
		atomic_fetch_add(&f->lost, 1);
	} else {
		*e = (struct entry){ .kind = kind, .len = len };
		snprintf(e->origin, sizeof e->origin, "%s", origin);
		memcpy(e->json, json, len);
		e->json[len] = '\0';
		*f->end = e;
		f->end = &e->next;
		f->bytes += len;
		pthread_cond_signal(&f->cond);
	}
	pthread_mutex_unlock(&f->lock);
}

static struct entry *take(struct feed_out *f)
{
	pthread_mutex_lock(&f->lock);
	while (f->first == NULL && !atomic_load(&f->stop))
		pthread_cond_wait(&f->cond, &f->lock);
	struct entry *e = atomic_load(&f->stop) ? NULL : f->first;
	if (e != NULL) {
		f->first = e->next;
		if (f->first == NULL)
			f->end = &f->first;
		f->bytes -= e->len;
	}
	pthread_mutex_unlock(&f->lock);
	return e;
}

/* False: Redis did not take it. */
static bool write_entry(struct feed_out *f, const struct entry *e, struct err *err)
{
	char key[64], keep[24];
	snprintf(key, sizeof key, "bongsu:feed:{%s}", feed_name(e->kind));
	snprintf(keep, sizeof keep, "%" PRIu64, f->keep);
	const char *argv[] = { "XADD", key, "MAXLEN", "~", keep, "*", "o", e->origin, "json",
		e->json };
	const size_t len[] = { 4, strlen(key), 6, 1, strlen(keep), 1, 1, strlen(e->origin), 4,
		e->len };
	struct bus_reply *r = talk_ask(f->talk, key, 10, argv, len, err);
	bool good = r != NULL && r->type != BUS_ERROR;
	if (r != NULL && r->type == BUS_ERROR)
		err_set(err, "%s", r->text);
	bus_reply_free(r);
	return good;
}

static void nap(struct feed_out *f)
{
	for (int ms = 0; ms < AWAY_MS && !atomic_load(&f->stop); ms += NAP_MS) {
		struct timespec t = { .tv_nsec = NAP_MS * 1000000L };
		nanosleep(&t, NULL);
	}
}

static void tell_lost(struct feed_out *f, uint64_t *told)
{
	struct entry *e = malloc(sizeof *e + 160);
	struct err err = { 0 };
	uint64_t lost = atomic_load(&f->lost);
	if (e == NULL || lost == *told) {
		free(e);
		return;
	}
	*e = (struct entry){ .kind = FEED_ALARM };
	snprintf(e->origin, sizeof e->origin, "%s", f->n->org);
	e->len = (size_t)snprintf(e->json, 160,
		"{\"code\":\"feed-lost\",\"about\":\"redis\",\"text\":\"%" PRIu64
		" entries did not fit while Redis was away\"}",
		lost - *told);
	if (write_entry(f, e, &err))
		*told = lost;
	free(e);
}

static void *thread_main(void *ctx)
{
	struct feed_out *f = ctx;
	struct entry *e;
	uint64_t told = 0;
	bool away = false;
	while ((e = take(f)) != NULL) {
		struct err err = { 0 };
		while (!write_entry(f, e, &err) && !atomic_load(&f->stop)) {
			if (!away)
				node_say(f->n, 4, "feed: %s", err.text);
			away = true;
			err = (struct err){ 0 };
			nap(f);
		}
		if (away && !atomic_load(&f->stop))
			node_say(f->n, 5, "feed: Redis answers again");
		away = false;
		atomic_fetch_add(&f->written, 1);
		free(e);
		tell_lost(f, &told);
	}
	return NULL;
}

struct feed_out *feed_open(struct node *n, const struct agg_config *c, struct err *err)
{
	struct feed_out *f = calloc(1, sizeof *f);
	if (f == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	f->n = n;
	f->keep = c->feed_keep;
	f->end = &f->first;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->cond, NULL);
	f->talk = talk_open(c->feed_redis, &f->stop, err);
	if (f->talk != NULL)
		f->runs = pthread_create(&f->thread, NULL, thread_main, f) == 0 ||
			  err_set(err, "no thread can be started");
	if (!f->runs) {
		feed_close(f);
		return NULL;
	}
	return f;
}

void feed_counts(const struct feed_out *f, uint64_t *written, uint64_t *lost)
{
	*written = atomic_load(&f->written);
	*lost = atomic_load(&f->lost);
}

void feed_close(struct feed_out *f)
{
	if (f == NULL)
		return;
	/* what is queued goes out first, if Redis is there */
	for (int ms = 0; ms < 2000 && f->runs; ms += 20) {
		struct timespec t = { .tv_nsec = 20000000L };
		pthread_mutex_lock(&f->lock);
		bool empty = f->first == NULL;
		pthread_mutex_unlock(&f->lock);
		if (empty)
			break;
		nanosleep(&t, NULL);
	}
	atomic_store(&f->stop, true);
	pthread_mutex_lock(&f->lock);
	pthread_cond_broadcast(&f->cond);
	pthread_mutex_unlock(&f->lock);
	if (f->runs)
		pthread_join(f->thread, NULL);
	while (f->first != NULL) {
		struct entry *e = f->first;
		f->first = e->next;
		free(e);
	}
	talk_close(f->talk);
	pthread_cond_destroy(&f->cond);
	pthread_mutex_destroy(&f->lock);
	free(f);
}
