/* sink_redis_link.c - one connection to Redis, and what it has acknowledged.
 * Streams: ids are ours (<epoch>-<n>), so a repeat does no harm and the stream itself says where to
 * go on. Lists: what was not acknowledged is sent again. Channels: what cannot be sent is dropped.
 */
#include "sensor/sink_redis.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { BACKOFF_MIN_MS = 100, BACKOFF_MAX_MS = 30000, REDIRECTS_MAX = 8, UNSENT_MAX = 1024 * 1024 };

const struct bus_limits redis_limits = {
	.connect_ms = 5000, .reply_ms = 15000, .max_reply = 1024 * 1024, .max_out = 8 * 1024 * 1024
};

void link_stop(struct link *l, const char *format, ...)
{
	char text[400];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	err_set(&l->sink->fault, "%s", text);
	if (l->sink->options->live)
		sink_say(l->sink, "%s", text);
	bus_close(l->bus);
	l->bus = NULL;
	l->phase = LINK_STOPPED;
}

/* ---- losing and finding the connection ---- */

/* Doubles from 100 ms to 30 s, less up to a half by chance, so that sensors do not come in step. */
static int64_t next_attempt(struct link *l, int64_t now_ms)
{
	uint32_t chance = 0;
	if (getrandom(&chance, sizeof chance, GRND_NONBLOCK) != (ssize_t)sizeof chance)
		chance = (uint32_t)now_ms * 2654435761U;
	l->backoff_ms = l->backoff_ms == 0 ? BACKOFF_MIN_MS : l->backoff_ms * 2;
	if (l->backoff_ms > BACKOFF_MAX_MS)
		l->backoff_ms = BACKOFF_MAX_MS;
	return now_ms + l->backoff_ms - chance % (l->backoff_ms / 2 + 1);
}

/* Of a channel: what is not sent now never will be. */
static void miss(struct link *l, uint64_t n)
{
	l->missed += n;
	sink_count(&l->sink->dropped, n);
}

static void forget_sent(struct link *l)
{
	if (l->mode == BUS_CHANNEL)
		miss(l, l->in_flight);
	l->first = l->in_flight = 0;
}

static void hang_up(struct link *l)
{
	bus_close(l->bus);
	l->bus = NULL;
	forget_sent(l);
	l->phase = LINK_AWAY;
}

static void lost(struct link *l, int64_t now_ms, const char *why)
{
	bool was_up = l->phase >= LINK_ASKING;
	hang_up(l);
	l->node = l->home;
	l->asking = false;
	l->why = (struct err){ 0 };
	err_set(&l->why, "%s", why);
	if (was_up)
		l->since_ms = now_ms;
	l->retry_ms = next_attempt(l, now_ms);
	if (!l->told)
		sink_say(l->sink, "away: %s", why);
	l->told = true;
}

static void dial(struct link *l, int64_t now_ms)
{
	struct err err = { 0 };
	l->bus = bus_open(&l->node, &redis_limits, now_ms, &err);
	if (l->bus == NULL)
		lost(l, now_ms, err.text);
	else
		l->phase = LINK_CONNECTING;
}

/* Another node of the cluster has our key. */
static bool redirected(struct link *l, const struct bus_reply *r, int64_t now_ms)
{
	bool ask = bus_is_error(r, "ASK");
	struct bus_target to = l->node;
	if (!bus_follow(r, &to))
		return false;
	if (++l->redirects > REDIRECTS_MAX) {
		l->redirects = 0;
		lost(l, now_ms, "sent from node to node");
		return true;
	}
	hang_up(l);
	l->node = to;
	l->asking = ask;
	l->retry_ms = now_ms;
	return true;
}

/* ---- commands ---- */

static bool command(struct link *l, int argc, const char *const *argv, const size_t *len)
{
	static const char *const asking[] = { "ASKING" };
	if (l->asking && !bus_send(l->bus, 1, asking, NULL))
		return false;
	return bus_send(l->bus, argc, argv, len);
}

static bool send_event(struct link *l, struct spool_id id, const char *type, size_t type_len,
	const char *line, size_t len)
{
	char text[48];
	int n = snprintf(text, sizeof text, "%" PRIu64 "-%" PRIu64, id.epoch, id.n);
	const char *xadd[] = { "XADD", l->key, text, "e", type, "eve", line };
	const size_t xadd_len[] = { 4, strlen(l->key), (size_t)n, 1, type_len, 3, len };
	const char *push[] = { l->mode == BUS_LIST ? "RPUSH" : "PUBLISH", l->key, line };
	const size_t push_len[] = { strlen(push[0]), strlen(l->key), len };
	bool good = l->mode == BUS_STREAM ? command(l, 7, xadd, xadd_len)
					  : command(l, 3, push, push_len);
	if (good)
		l->sent[(l->first + l->in_flight++) % IN_FLIGHT] = id;
	return good;
}

static void ask_last(struct link *l)
{
	const char *argv[] = { "XINFO", "STREAM", l->key };
	if (command(l, 3, argv, NULL))
		l->phase = LINK_ASKING;
}

void link_put(struct link *l, const struct ring_line *line)
{
	struct spool_id id = { l->sink->options->epoch, line->n };
	l->newest = id;
	if (l->spool != NULL) {
		spool_append(l->spool, id, line->type, line->bytes, line->len);
		return;
	}
	if (l->phase != LINK_FLOWING || l->in_flight == IN_FLIGHT ||
		!send_event(l, id, line->type, strlen(line->type), line->bytes, line->len))
		miss(l, 1);
}

static void send_waiting(struct link *l)
{
	struct spool_record r;
	for (unsigned n = 0; n < BATCH && l->in_flight < IN_FLIGHT &&
			     bus_unsent(l->bus) < UNSENT_MAX && spool_next(l->spool, &r);
		n++)
		if (!send_event(l, r.id, r.type, r.type_len, r.line, r.len)) {
			l->phase = LINK_ENDING;
			return;
		}
}

/* ---- answers ---- */

static void acked(struct link *l, struct spool_id id, int64_t now_ms)
{
	l->backoff_ms = 0;
	l->redirects = 0;
	if (l->spool != NULL)
		spool_acked(l->spool, id, now_ms);
	if (spool_compare(id, l->highest) <= 0)
		return;
	l->highest = id;
	sink_count(&l->sink->delivered, 1);
}

static struct spool_id take_sent(struct link *l)
{
	struct spool_id id = l->sent[l->first];
	l->first = (l->first + 1) % IN_FLIGHT;
	l->in_flight--;
	return id;
}

/* Redis took an event behind some that it refused: these can never follow. */
static void overtaken(struct link *l)
{
	if (l->failed == 0 || l->mode != BUS_STREAM)
		return;
	sink_count(&l->sink->refused, l->failed);
	sink_say(l->sink, "%" PRIu64 " events refused and overtaken: %s", l->failed, l->why.text);
	l->failed = 0;
}

/* The id is not above the last: XINFO will tell whose that is. */
static bool is_repeat(const struct bus_reply *r)
{
	return r->type == BUS_ERROR && strstr(r->text, "equal or smaller") != NULL;
}

static void event_answer(struct link *l, const struct bus_reply *r, int64_t now_ms)
{
	struct spool_id id = take_sent(l);
	if (r->type != BUS_ERROR) {
		overtaken(l);
		if (l->failed == 0)
			acked(l, id, now_ms);
		return;
	}
	if (redirected(l, r, now_ms))
		return;
	if (!is_repeat(r))
		l->failed++;
	l->why = (struct err){ 0 };
	err_set(&l->why, "%.300s", r->text);
	l->phase = LINK_ENDING;
}

static bool parse_id(const struct bus_reply *r, struct spool_id *id)
{
	int end = 0;
	if (r == NULL || r->type != BUS_STRING)
		return false;
	return sscanf(r->text, "%" SCNu64 "-%" SCNu64 "%n", &id->epoch, &id->n, &end) == 2 &&
	       (size_t)end == r->len;
}

/* May we write behind @last? In a first look the epoch must be new; later it may be ours. */
static bool ours(struct link *l, struct spool_id last)
{
	uint64_t epoch = l->sink->options->epoch;
	bool live = l->sink->options->live;
	if (last.epoch > epoch || (last.epoch == epoch && last.n > 0 && !l->checked && live)) {
		link_stop(l,
			"another writer: %s already holds epoch %" PRIu64 ", this one is %" PRIu64,
			l->key, last.epoch, epoch);
		return false;
	}
	if (last.epoch == epoch && last.n > 0 && !l->checked) {
		link_stop(l,
			"%s already holds events of epoch %" PRIu64
			": replay into another key, or --set epoch=E with a higher one",
			l->key, epoch);
		return false;
	}
	if (last.epoch == epoch && last.n > l->newest.n) {
		link_stop(l, "another writer: %s holds %" PRIu64 "-%" PRIu64 ", which is not ours",
			l->key, last.epoch, last.n);
		return false;
	}
	return true;
}

static void say_back(struct link *l, int64_t now_ms)
{
	if (l->told && l->since_ms != 0) {
		sink_count(&l->sink->reconnects, 1);
		sink_say(l->sink, "back after %.1f s, %" PRIu64 " events to deliver",
			(double)(now_ms - l->since_ms) / 1000, spool_waiting(l->spool));
	}
	l->told = false;
}

/* Go on behind @last. Without its append-only file a Redis may have forgotten what it acknowledged:
 * the spool still has it. */
static void go_on(struct link *l, struct spool_id last, int64_t now_ms)
{
	if (spool_compare(last, l->highest) > 0) {
		if (last.epoch == l->highest.epoch)
			sink_count(&l->sink->delivered, last.n - l->highest.n);
		else if (last.epoch == l->sink->options->epoch)
			sink_count(&l->sink->delivered, last.n);
		l->highest = last;
	}
	spool_seek(l->spool, last, now_ms);
	l->failed = 0;
	l->checked = true;
	l->phase = LINK_FLOWING;
	say_back(l, now_ms);
}

static void last_answer(struct link *l, const struct bus_reply *r, int64_t now_ms)
{
	struct spool_id last = { 0, 0 };
	if (redirected(l, r, now_ms))
		return;
	if (r->type == BUS_ERROR && strstr(r->text, "no such key") == NULL) {
		if (!l->sink->options->live && !l->checked && !bus_is_error(r, "LOADING"))
			link_stop(l, "%s: %.200s", l->key, r->text);
		else
			lost(l, now_ms, r->text);
		return;
	}
	if (r->type != BUS_ERROR && !parse_id(bus_pair(r, "last-generated-id"), &last)) {
		lost(l, now_ms, "XINFO STREAM without last-generated-id");
		return;
	}
	if (ours(l, last))
		go_on(l, last, now_ms);
}

static void answer(struct link *l, const struct bus_reply *r, int64_t now_ms)
{
	/* The +OK of ASKING comes before each answer. */
	if (l->asking && r->type == BUS_STATUS)
		return;
	if (l->phase == LINK_ASKING)
		last_answer(l, r, now_ms);
	else if (l->in_flight > 0)
		event_answer(l, r, now_ms);
	else
		lost(l, now_ms, "an answer to nothing");
}

static void read_answers(struct link *l, int64_t now_ms)
{
	struct bus_reply *r;
	while (l->bus != NULL && (r = bus_receive(l->bus)) != NULL) {
		answer(l, r, now_ms);
		bus_reply_free(r);
	}
	if (l->phase == LINK_ENDING && l->in_flight == 0) {
		char why[sizeof l->why.text];
		snprintf(why, sizeof why, "%s", l->why.text);
		lost(l, now_ms, why);
	}
}

/* ---- the whole ---- */

static void connected(struct link *l, int64_t now_ms)
{
	if (l->mode == BUS_STREAM) {
		ask_last(l);
		return;
	}
	if (l->spool != NULL)
		spool_seek(l->spool, l->highest, now_ms);
	l->failed = 0;
	l->checked = true;
	l->backoff_ms = 0;
	l->phase = LINK_FLOWING;
	if (l->told && l->since_ms != 0)
		sink_count(&l->sink->reconnects, 1);
	l->told = false;
}

/* A replay does not wait for ever. */
static bool given_up(const struct link *l, int64_t now_ms)
{
	const struct sink_options *o = l->sink->options;
	return !o->live && l->told && l->checked && l->phase < LINK_ASKING &&
	       now_ms - l->since_ms >= (int64_t)o->drain_s * 1000;
}

void link_work(struct link *l, int64_t now_ms)
{
	struct err err = { 0 };
	if (l->phase == LINK_STOPPED)
		return;
	if (l->phase == LINK_AWAY && now_ms >= l->retry_ms)
		dial(l, now_ms);
	if (given_up(l, now_ms))
		link_stop(
			l, "not reached for %u s: %.200s", l->sink->options->drain_s, l->why.text);
	if (l->bus == NULL)
		return;
	if (l->phase == LINK_FLOWING && l->spool != NULL)
		send_waiting(l);
	bool good = bus_work(l->bus, now_ms, &err);
	read_answers(l, now_ms);
	if (l->bus == NULL)
		return;
	if (!good) {
		if (!l->sink->options->live && !l->checked && strncmp(err.text, "login", 5) == 0)
			link_stop(l, "%s", err.text);
		else
			lost(l, now_ms, err.text);
		return;
	}
	if (l->phase == LINK_CONNECTING && bus_state(l->bus) == BUS_UP)
		connected(l, now_ms);
}

bool link_idle(const struct link *l)
{
	return l->in_flight == 0 && (l->spool == NULL || spool_waiting(l->spool) == 0);
}

void link_finish(struct link *l)
{
	uint64_t left = l->spool == NULL ? 0 : spool_waiting(l->spool);
	if (left > 0 && l->phase != LINK_STOPPED)
		err_set(&l->sink->fault, "%" PRIu64 " events not delivered%s%s%s", left,
			l->sink->options->live ? ", they stay in the spool" : "",
			l->why.set ? ": " : "", l->why.set ? l->why.text : "");
	if (left > 0 && !l->sink->options->live)
		sink_count(&l->sink->dropped, left);
	forget_sent(l);
	if (l->missed > 0)
		err_set(&l->sink->fault, "%" PRIu64 " events not sent%s%s", l->missed,
			l->why.set ? ": " : "", l->why.set ? l->why.text : "");
	bus_close(l->bus);
	l->bus = NULL;
}
