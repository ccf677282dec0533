/* sink_redis.c - events into Redis: the thread that takes them from the ring through the spool. */
#include "sensor/sink_redis.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/crc32c.h"

enum { DEFAULT_SPOOL = 1 << 30, READY_POLL_US = 2000 };

enum readiness { NOT_YET, READY, REFUSED };

struct redis_sink {
	struct link link;
	struct beat beat;
	struct board *board;      /* streams */
	struct spool_totals told; /* as far as they were added to the sink's */
	atomic_int ready;         /* enum readiness; s->fault is set before REFUSED */
	uint64_t drained;         /* events delivered, when last looked while closing */
	bool temporary;           /* the spool belongs to this run alone */
};

static void spool_says(void *ctx, const char *text)
{
	sink_say(ctx, "%s", text);
}

/* One folder a target, the same in every run. */
static void folder_name(char *out, size_t cap, const struct sink *s, const struct link *l)
{
	char where[1024];
	const struct bus_target *t = &l->home;
	int n = snprintf(where, sizeof where, "%d %s %u %s %s %d", (int)t->kind, t->host, t->port,
		t->path, l->key, (int)l->mode);
	uint32_t sum = crc32c(0, where, n < 0 ? 0 : (size_t)n);
	snprintf(out, cap, "%s/redis-%08" PRIx32, s->options->spool_dir, sum);
}

static bool make_temporary(char *out, size_t cap, const char *base, struct err *err)
{
	if (base == NULL || *base == '\0')
		base = getenv("TMPDIR");
	if (base == NULL || *base == '\0')
		base = "/tmp";
	snprintf(out, cap, "%s/bongsu-spool-XXXXXX", base);
	mkdir(base, 0700);
	return mkdtemp(out) != NULL || err_set(err, "%s: %s", out, strerror(errno));
}

static bool open_spool(struct sink *s, struct redis_sink *r, struct err *err)
{
	char dir[4096];
	const struct sink_options *o = s->options;
	struct err why = { 0 };
	const struct spool_options spool = { .dir = dir,
		.max_bytes = o->spool_bytes == 0 ? DEFAULT_SPOOL : o->spool_bytes,
		.keep_s = r->link.mode == BUS_LIST ? 0 : o->keep_s,
		.say = spool_says,
		.ctx = s };
	r->temporary = !o->live;
	if (o->live && (o->spool_dir == NULL || *o->spool_dir == '\0'))
		return err_set(err, "%s: needs a folder for its spool", s->spec);
	if (o->live)
		folder_name(dir, sizeof dir, s, &r->link);
	else if (!make_temporary(dir, sizeof dir, o->spool_dir, &why))
		return err_set(err, "%s: spool: %s", s->spec, why.text);
	r->link.spool = spool_open(&spool, &why);
	if (r->link.spool == NULL)
		return err_set(err, "%s: spool: %s", s->spec, why.text);
	return true;
}

unsigned sink_reads(const char *spec, char paths[SINK_READS][SINK_PATH])
{
	struct bus_target t;
	struct err err = { 0 };
	unsigned n = 0;
	if (strncmp(spec, "redis", 5) != 0 || !bus_url(spec, &t, &err))
		return 0;
	const char *const files[SINK_READS] = { t.password_file, t.ca_file, t.cert_file,
		t.key_file };
	for (unsigned i = 0; i < SINK_READS; i++)
		if (files[i][0] != '\0')
			snprintf(paths[n++], SINK_PATH, "%s", files[i]);
	return n;
}

static bool redis_open(struct sink *s, const char *rest, struct err *err)
{
	(void)rest;
	struct redis_sink *r = calloc(1, sizeof *r);
	s->own = r;
	if (r == NULL)
		return err_set(err, "%s: out of memory", s->spec);
	struct link *l = &r->link;
	beat_init(&r->beat, l);
	l->sink = s;
	if (!bus_url(s->spec, &l->home, err))
		return false;
	l->node = l->home;
	l->mode = l->home.mode;
	if (l->home.key[0] != '\0')
		memcpy(l->key, l->home.key, sizeof l->key);
	else
		snprintf(l->key, sizeof l->key, "bongsu:alerts:{%s}", s->options->sensor);
	if (l->mode == BUS_STREAM && (r->board = board_new(l)) == NULL)
		return err_set(err, "%s: out of memory", s->spec);
	return l->mode == BUS_CHANNEL || open_spool(s, r, err);
}

/* In replay: until the stream has been asked whether it can take these events. */
static bool redis_ready(struct sink *s, struct err *err)
{
	struct redis_sink *r = s->own;
	int64_t end = sink_now_ms() + (int64_t)s->options->drain_s * 1000;
	int ready;
	while ((ready = atomic_load(&r->ready)) == NOT_YET && sink_now_ms() < end)
		usleep(READY_POLL_US);
	if (ready == REFUSED)
		return err_set(err, "%s: %.400s", s->spec, s->fault.text);
	return ready == READY ||
	       err_set(err, "%s: not reached within %u s", s->spec, s->options->drain_s);
}

static void note_readiness(struct redis_sink *r)
{
	if (atomic_load_explicit(&r->ready, memory_order_relaxed) != NOT_YET)
		return;
	if (r->link.phase == LINK_STOPPED)
		atomic_store(&r->ready, REFUSED);
	else if (r->link.checked)
		atomic_store(&r->ready, READY);
}

static void count_spool(struct sink *s, struct redis_sink *r)
{
	struct spool_totals now;
	if (r->link.spool == NULL)
		return;
	spool_totals(r->link.spool, &now);
	sink_count(&s->spooled, now.appended - r->told.appended);
	sink_count(&s->dropped, now.lost - r->told.lost);
	sink_count(&s->spool_damaged, now.damaged - r->told.damaged);
	r->told = now;
}

/* In replay the ring waits where the spool would have to drop. */
static bool has_room(const struct sink *s, const struct link *l)
{
	if (l->spool != NULL)
		return s->options->live || spool_has_room(l->spool);
	return s->options->live || (l->phase == LINK_FLOWING && l->in_flight < IN_FLIGHT / 2) ||
	       l->phase == LINK_STOPPED;
}

/* Returns whether there was anything. */
static bool take(struct sink *s, struct link *l)
{
	const struct ring_line *line;
	unsigned n = 0;
	while (n < BATCH && has_room(s, l) && (line = ring_peek(&s->ring)) != NULL) {
		if (l->phase == LINK_STOPPED)
			sink_count(&s->refused, 1);
		else
			link_put(l, line);
		ring_pop(&s->ring);
		n++;
	}
	return n == BATCH;
}

static int64_t patience(
	const struct link *l, const struct beat *b, const struct bus *board, int64_t now_ms)
{
	int64_t ms = l->spool == NULL ? 1000 : TICK_MS * 10;
	if (l->phase == LINK_AWAY && l->retry_ms - now_ms < ms)
		ms = l->retry_ms < now_ms ? 0 : l->retry_ms - now_ms;
	if (l->bus != NULL)
		ms = bus_patience(l->bus, now_ms, (int)ms);
	if (b->errand.bus != NULL)
		ms = bus_patience(b->errand.bus, now_ms, (int)ms);
	if (board != NULL)
		ms = bus_patience(board, now_ms, (int)ms);
	return ms;
}

static void wait_for_work(struct sink *s, struct redis_sink *r)
{
	struct link *l = &r->link;
	bool room = has_room(s, l);
	const struct bus *board = r->board == NULL ? NULL : board_bus(r->board);
	int ms = (int)patience(l, &r->beat, board, sink_now_ms());
	struct pollfd fds[4] = { { .fd = s->ring.wake, .events = POLLIN }, { .fd = -1 },
		{ .fd = -1 }, { .fd = -1 } };
	if (l->bus != NULL)
		fds[1] = (struct pollfd){ .fd = bus_fd(l->bus), .events = bus_events(l->bus) };
	if (r->beat.errand.bus != NULL)
		fds[2] = (struct pollfd){ .fd = bus_fd(r->beat.errand.bus),
			.events = bus_events(r->beat.errand.bus) };
	if (board != NULL)
		fds[3] = (struct pollfd){ .fd = bus_fd(board), .events = bus_events(board) };
	if (room && !ring_sleep(&s->ring))
		ms = 0;
	poll(fds, 4, ms);
	ring_awake(&s->ring);
}

static void close_spool(struct redis_sink *r)
{
	if (r->link.spool == NULL)
		return;
	if (r->temporary)
		spool_remove(r->link.spool);
	else
		spool_close(r->link.spool, sink_now_ms());
	r->link.spool = NULL;
}

/* A replay drains as long as it gets on; a live sensor has but its time to end. */
static void extend(struct sink *s, struct redis_sink *r)
{
	uint64_t delivered = atomic_load(&s->delivered);
	if (!s->options->live && delivered != r->drained)
		atomic_store(&s->deadline_ms, sink_now_ms() + (int64_t)s->options->drain_s * 1000);
	r->drained = delivered;
}

static bool finished(const struct sink *s, struct redis_sink *r)
{
	struct link *l = &r->link;
	if (l->phase == LINK_STOPPED || sink_late(s))
		return true;
	return link_idle(l) &&
	       (r->board == NULL || l->phase != LINK_FLOWING || board_idle(r->board));
}

static void redis_run(struct sink *s)
{
	struct redis_sink *r = s->own;
	struct link *l = &r->link;
	for (;;) {
		bool closing = atomic_load(&s->closing);
		bool more = take(s, l);
		int64_t now = sink_now_ms();
		link_work(l, now);
		beat_work(&r->beat, l, now);
		if (r->board != NULL)
			board_work(r->board, l, closing, now);
		if (l->spool != NULL)
			spool_tick(l->spool, now);
		count_spool(s, r);
		note_readiness(r);
		more |= l->phase == LINK_FLOWING && l->spool != NULL &&
			l->in_flight < IN_FLIGHT / 2 && l->in_flight > 0 &&
			spool_waiting(l->spool) > l->in_flight;
		if (closing)
			extend(s, r);
		if (closing && ring_peek(&s->ring) == NULL && finished(s, r))
			break;
		if (closing && sink_late(s))
			break;
		if (!more)
			wait_for_work(s, r);
	}
	link_finish(l);
	count_spool(s, r);
}

static void redis_free(struct sink *s)
{
	struct redis_sink *r = s->own;
	if (r == NULL)
		return;
	errand_fini(&r->beat.errand);
	board_free(r->board);
	bus_close(r->link.bus);
	close_spool(r);
	free(r);
}

static void redis_keep(struct sink *s, const char *name, const char *json, size_t len)
{
	struct redis_sink *r = s->own;
	if (r->board != NULL)
		board_keep(r->board, name, json, len);
}

const struct sink_kind sink_redis = { .scheme = "redis://",
	.open = redis_open,
	.ready = redis_ready,
	.run = redis_run,
	.keep = redis_keep,
	.free = redis_free };
const struct sink_kind sink_rediss = { .scheme = "rediss://",
	.open = redis_open,
	.ready = redis_ready,
	.run = redis_run,
	.keep = redis_keep,
	.free = redis_free };
const struct sink_kind sink_redis_unix = { .scheme = "redis+unix://",
	.open = redis_open,
	.ready = redis_ready,
	.run = redis_run,
	.keep = redis_keep,
	.free = redis_free };
