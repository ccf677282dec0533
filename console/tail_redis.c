/* tail_redis.c - follows the streams of sensors in Redis, each over a connection of its own (a
 * cluster may have them on different nodes), through restarts and from the last event seen. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/bus.h"
#include "console/tail.h"

enum {
	PAGE = 200,       /* entries asked for at once */
	OLD_MAX = 100000, /* old entries looked at in a stream */
	OLD_BYTES = 256 * 1024 * 1024,
	BLOCK_MS = 5000,
	DISCOVER_MS = 2000,
	BACKOFF_MIN_MS = 100,
	BACKOFF_MAX_MS = 30000,
	REDIRECTS_MAX = 8,
	ID = 48,
};

static const struct bus_limits limits = {
	.connect_ms = 5000, .reply_ms = 20000, .max_reply = 64 * 1024 * 1024, .max_out = 65536
};

enum phase { OLD, NEW };

struct feed {
	char key[256]; /* "": the list of sensors */
	struct bus_target target;
	struct bus *bus;
	bool asking, sent;
	unsigned redirects;
	int64_t retry_ms;
	uint32_t backoff_ms;
	bool told; /* that it is away */
	enum phase phase;
	char before[ID];              /* OLD: the next page ends before this id */
	char last[ID];                /* NEW: seen up to this id */
	size_t looked, wanted, bytes; /* OLD */
	bool had_last;
};

/* An entry from before we came. */
struct old {
	int64_t ts_ns;
	size_t order, len;
	char *line;
};

struct redis_tail {
	struct tail *tail;
	struct bus_target home;
	struct feed feed[TAIL_SENSORS + 1]; /* the first may be the list of sensors */
	size_t count;
	bool discovers, discovered, started;
	struct old *old;
	size_t old_count, old_cap;
	struct err fatal;
};

static int64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct feed *add_feed(struct redis_tail *r, const char *key)
{
	if (r->count == sizeof r->feed / sizeof r->feed[0])
		return NULL;
	struct feed *f = &r->feed[r->count++];
	*f = (struct feed){ .target = r->home, .phase = r->started ? NEW : OLD };
	snprintf(f->key, sizeof f->key, "%s", key);
	snprintf(f->last, sizeof f->last, "0-0");
	snprintf(f->before, sizeof f->before, "+");
	return f;
}

static void add_sensor(struct redis_tail *r, const char *name)
{
	char key[256];
	snprintf(key, sizeof key, "bongsu:alerts:{%.200s}", name);
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->feed[i].key, key) == 0)
			return;
	if (add_feed(r, key) == NULL)
		tail_say("%s: more than %d sensors", name, TAIL_SENSORS);
}

static bool is_list(const struct feed *f)
{
	return f->key[0] == '\0';
}

/* ---- connection ---- */

static void lost(struct redis_tail *r, struct feed *f, const char *why)
{
	bus_close(f->bus);
	f->bus = NULL;
	f->sent = f->asking = false;
	f->target = r->home;
	f->backoff_ms = f->backoff_ms == 0 ? BACKOFF_MIN_MS : f->backoff_ms * 2;
	if (f->backoff_ms > BACKOFF_MAX_MS)
		f->backoff_ms = BACKOFF_MAX_MS;
	f->retry_ms = now_ms() + f->backoff_ms;
	bool login = strncmp(why, "login", 5) == 0;
	bool matters = login || (r->tail->once && (f->phase == OLD || r->count == 1));
	if (!r->started && matters)
		err_set(&r->fatal, "%s", why);
	else if (!f->told)
		tail_say("%s%s%s; trying again", f->key, is_list(f) ? "" : ": ", why);
	f->told = true;
}

static void dial(struct redis_tail *r, struct feed *f)
{
	struct err err = { 0 };
	f->sent = false;
	f->bus = bus_open(&f->target, &limits, now_ms(), &err);
	if (f->bus == NULL)
		lost(r, f, err.text);
}

static void ask(struct feed *f)
{
	char count[16], block[16];
	static const char *const asking[] = { "ASKING" };
	snprintf(count, sizeof count, "%d", PAGE);
	snprintf(block, sizeof block, "%d", BLOCK_MS);
	const char *list[] = { "SMEMBERS", "bongsu:sensors" };
	const char *back[] = { "XREVRANGE", f->key, f->before, "-", "COUNT", count };
	const char *next[] = { "XREAD", "COUNT", count, "BLOCK", block, "STREAMS", f->key,
		f->last };
	if (f->asking && !bus_send(f->bus, 1, asking, NULL))
		return;
	if (is_list(f))
		f->sent = bus_send(f->bus, 2, list, NULL);
	else if (f->phase == OLD)
		f->sent = bus_send(f->bus, 6, back, NULL);
	else
		f->sent = bus_send(f->bus, 8, next, NULL);
}

/* ---- answers ---- */

/* The event of an entry [id, [name, value, …]], or NULL. */
static const struct bus_reply *event_of(const struct bus_reply *entry)
{
	if (entry == NULL || entry->type != BUS_ARRAY || entry->count != 2 ||
		entry->element[0]->type != BUS_STRING || entry->element[0]->len >= ID)
		return NULL;
	const struct bus_reply *eve = bus_pair(entry->element[1], "eve");
	return eve != NULL && eve->type == BUS_STRING ? eve : NULL;
}

static void keep_old(
	struct redis_tail *r, struct feed *f, const struct bus_reply *eve, int64_t ts_ns)
{
	if (r->old_count == r->old_cap) {
		size_t cap = r->old_cap == 0 ? 1024 : r->old_cap * 2;
		struct old *grown = realloc(r->old, cap * sizeof *grown);
		if (grown == NULL)
			return;
		r->old = grown;
		r->old_cap = cap;
	}
	char *line = malloc(eve->len + 1);
	if (line == NULL)
		return;
	memcpy(line, eve->text, eve->len + 1);
	r->old[r->old_count] = (struct old){ ts_ns, r->old_count, eve->len, line };
	r->old_count++;
	f->bytes += eve->len;
	f->wanted++;
}

/* Newest first. False: far enough back. */
static bool take_old(struct redis_tail *r, struct feed *f, const struct bus_reply *entry)
{
	struct line_event e;
	const struct bus_reply *eve = event_of(entry);
	if (eve == NULL)
		return true;
	snprintf(f->before, sizeof f->before, "(%s", entry->element[0]->text);
	if (!f->had_last)
		snprintf(f->last, sizeof f->last, "%s", entry->element[0]->text);
	f->had_last = true;
	f->looked++;
	bool event = line_parse(&e, eve->text, eve->len);
	bool more = !event || e.ts_ns >= r->tail->filter.since_ns;
	if (event && line_wanted(&r->tail->filter, &e) && r->tail->last > 0)
		keep_old(r, f, eve, e.ts_ns);
	line_free(&e);
	return more && f->wanted < r->tail->last && f->looked < OLD_MAX && f->bytes < OLD_BYTES;
}

static void old_answer(struct redis_tail *r, struct feed *f, const struct bus_reply *page)
{
	bool more = page->count == PAGE;
	for (size_t i = 0; i < page->count; i++)
		if (!take_old(r, f, page->element[i])) {
			more = false;
			break;
		}
	if (!more)
		f->phase = NEW;
}

static void new_answer(struct redis_tail *r, struct feed *f, const struct bus_reply *streams)
{
	const struct bus_reply *stream = streams->count == 1 ? streams->element[0] : NULL;
	if (stream == NULL || stream->type != BUS_ARRAY || stream->count != 2 ||
		stream->element[1]->type != BUS_ARRAY)
		return;
	const struct bus_reply *entries = stream->element[1];
	for (size_t i = 0; i < entries->count; i++) {
		const struct bus_reply *eve = event_of(entries->element[i]);
		if (eve == NULL)
			continue;
		snprintf(f->last, sizeof f->last, "%s", entries->element[i]->element[0]->text);
		tail_show(r->tail, eve->text, eve->len);
	}
}

static void list_answer(struct redis_tail *r, const struct bus_reply *names)
{
	if (!r->discovered && names->count == 0)
		tail_say("no sensor has announced itself yet");
	r->discovered = true;
	for (size_t i = 0; i < names->count; i++)
		if (names->element[i]->type == BUS_STRING)
			add_sensor(r, names->element[i]->text);
}

static void redirect(struct redis_tail *r, struct feed *f, const struct bus_reply *reply)
{
	bool asking = bus_is_error(reply, "ASK");
	if (++f->redirects > REDIRECTS_MAX || !bus_follow(reply, &f->target)) {
		/* One stream that cannot be read does not keep the others from being shown. */
		f->phase = NEW;
		lost(r, f, reply->text);
		return;
	}
	bus_close(f->bus);
	f->asking = asking;
	dial(r, f);
}

static void answer(struct redis_tail *r, struct feed *f, const struct bus_reply *reply)
{
	if (f->asking && reply->type == BUS_STATUS)
		return;
	f->sent = false;
	if (reply->type == BUS_ERROR) {
		redirect(r, f, reply);
		return;
	}
	f->backoff_ms = f->redirects = 0;
	if (f->told)
		tail_say("%s%sconnected", f->key, is_list(f) ? "" : ": ");
	f->told = false;
	if (is_list(f)) {
		list_answer(r, reply);
		f->retry_ms = now_ms() + DISCOVER_MS;
		bus_close(f->bus);
		f->bus = NULL;
	} else if (reply->type == BUS_ARRAY) {
		if (f->phase == OLD)
			old_answer(r, f, reply);
		else
			new_answer(r, f, reply);
	}
}

static void work(struct redis_tail *r, struct feed *f)
{
	struct err err = { 0 };
	struct bus_reply *reply;
	if (f->bus == NULL && now_ms() >= f->retry_ms)
		dial(r, f);
	if (f->bus == NULL)
		return;
	bool good = bus_work(f->bus, now_ms(), &err);
	while (f->bus != NULL && (reply = bus_receive(f->bus)) != NULL) {
		answer(r, f, reply);
		bus_reply_free(reply);
	}
	if (f->bus == NULL)
		return;
	if (!good) {
		lost(r, f, err.text);
		return;
	}
	if (bus_state(f->bus) == BUS_UP && !f->sent &&
		(f->phase == OLD || r->started || is_list(f))) {
		ask(f);
		if (!bus_work(f->bus, now_ms(), &err))
			lost(r, f, err.text);
	}
}

/* ---- the whole ---- */

static int by_time(const void *a, const void *b)
{
	const struct old *x = a, *y = b;
	if (x->ts_ns != y->ts_ns)
		return x->ts_ns < y->ts_ns ? -1 : 1;
	/* They came newest first. */
	return x->order < y->order ? 1 : -1;
}

/* Every stream has been read back far enough: what is old is shown, in order. */
static void start(struct redis_tail *r)
{
	if (r->discovers && !r->discovered)
		return;
	for (size_t i = 0; i < r->count; i++)
		if (!is_list(&r->feed[i]) && r->feed[i].phase == OLD)
			return;
	if (r->old_count > 0)
		qsort(r->old, r->old_count, sizeof *r->old, by_time);
	tail_hold(r->tail);
	for (size_t i = 0; i < r->old_count; i++) {
		tail_show(r->tail, r->old[i].line, r->old[i].len);
		free(r->old[i].line);
	}
	tail_release(r->tail);
	free(r->old);
	r->old = NULL;
	r->old_count = r->old_cap = 0;
	r->started = true;
}

static void wait_for_work(struct redis_tail *r)
{
	struct pollfd fds[TAIL_SENSORS + 1];
	int64_t now = now_ms();
	int ms = 1000;
	for (size_t i = 0; i < r->count; i++) {
		struct feed *f = &r->feed[i];
		fds[i] = (struct pollfd){ .fd = -1 };
		if (f->bus != NULL) {
			fds[i] = (struct pollfd){ .fd = bus_fd(f->bus),
				.events = bus_events(f->bus) };
			ms = bus_patience(f->bus, now, ms);
		} else if (f->retry_ms - now < ms) {
			ms = f->retry_ms > now ? (int)(f->retry_ms - now) : 0;
		}
	}
	poll(fds, (nfds_t)r->count, ms);
}

static void prepare(struct redis_tail *r)
{
	struct tail *t = r->tail;
	if (r->home.key[0] != '\0') {
		add_feed(r, r->home.key);
	} else if (t->sensor_count > 0) {
		for (size_t i = 0; i < t->sensor_count; i++)
			add_sensor(r, t->sensors[i]);
	} else {
		r->discovers = add_feed(r, "") != NULL;
		t->style.sensor = true;
	}
	if (t->sensor_count > 1)
		t->style.sensor = true;
}

bool tail_redis(struct tail *t, const char *url, struct err *err)
{
	struct redis_tail *r = calloc(1, sizeof *r);
	if (r == NULL)
		return err_set(err, "out of memory");
	r->tail = t;
	bool good = bus_url(url, &r->home, err);
	if (good && r->home.mode != BUS_STREAM)
		good = err_set(err, "%s: only streams can be followed", url);
	if (good)
		prepare(r);
	while (good && !tail_stopped && !(t->once && r->started)) {
		for (size_t i = 0; i < r->count; i++)
			work(r, &r->feed[i]);
		if (!r->started)
			start(r);
		if (r->fatal.set)
			good = err_set(err, "%s: %.300s", url, r->fatal.text);
		else if (!(t->once && r->started))
			wait_for_work(r);
	}
	for (size_t i = 0; i < r->count; i++)
		bus_close(r->feed[i].bus);
	for (size_t i = 0; i < r->old_count; i++)
		free(r->old[i].line);
	free(r->old);
	free(r);
	return good;
}
