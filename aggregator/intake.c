/* intake.c - what is new from the node's own position on. An entry is acknowledged when the
 * transaction that folded it is on disk, so after a crash it comes again, and the position says
 * whether it was folded. */
#include "aggregator/intake.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/digest.h"
#include "aggregator/fault.h"
#include "aggregator/now.h"
#include "common/talk.h"

#define GROUP    "bongsu-aggregator"
#define CONSUMER "aggregator"

enum {
	SOURCES = 1000,
	IDLE_MS = 100,        /* between looks where nothing is new */
	LOOK_MS = 10000,      /* between looks at sensors and their heartbeats */
	LOOK_FIRST_MS = 1000, /* while there is no sensor */
	TRIM_MS = 10000,
	AWAY_MS = 1000, /* before Redis is tried again */
	AWAY_ALARM_MS = 30000,
	NAME_MOST = 64,
	ID_TEXT = 48,
};

/* One sensor's stream. */
struct source {
	char name[NAME_MOST + 1];
	char key[NAME_MOST + 32];
	bool grouped; /* the consumer group is there */
	bool pending; /* own pending entries are still to be read */
	char after[ID_TEXT];
	bool caught_up;
	int64_t trim_ms;
	uint64_t batch;
};

struct intake {
	struct node *n;
	const struct agg_config *c;
	struct talk *talk;
	struct source source[SOURCES];
	unsigned sources;
	int64_t look_ms, away_ms; /* mono; since when Redis is away, 0: it is here */
	pthread_t thread;
	bool runs;
	atomic_bool stop;
};

static void nap(struct intake *in, int64_t ms)
{
	for (; ms > 0 && !atomic_load(&in->stop); ms -= IDLE_MS) {
		struct timespec t = { .tv_nsec = (long)(ms < IDLE_MS ? ms : IDLE_MS) * 1000000 };
		nanosleep(&t, NULL);
	}
}

/* --- entries ----------------------------------------------------------------------------- */

static bool read_id(const struct bus_reply *r, uint64_t *epoch, uint64_t *n)
{
	char *end;
	if (r->type != BUS_STRING || r->len >= ID_TEXT)
		return false;
	*epoch = strtoull(r->text, &end, 10);
	if (*end != '-')
		return false;
	*n = strtoull(end + 1, &end, 10);
	return *end == '\0';
}

/* [id, [field, value, …]]; the fields are missing where the entry was trimmed away. */
static bool fold(
	struct intake *in, const struct source *s, const struct bus_reply *e, struct now at)
{
	struct intake_event ev = { .sensor = s->name, .type = "alert", .json = "" };
	if (e->type != BUS_ARRAY || e->count != 2 || !read_id(e->element[0], &ev.epoch, &ev.n))
		return false;
	if (e->element[1]->type != BUS_ARRAY)
		return true;
	const struct bus_reply *type = bus_pair(e->element[1], "e");
	const struct bus_reply *eve = bus_pair(e->element[1], "eve");
	if (type != NULL && type->type == BUS_STRING)
		ev.type = type->text;
	if (eve != NULL && eve->type == BUS_STRING) {
		ev.json = eve->text;
		ev.len = eve->len;
	}
	digest_fold(in->n, &ev, at);
	return true;
}

/* One transaction for them all. False: nothing is kept, nothing may be acknowledged. */
static bool keep(struct intake *in, const struct source *s, const struct bus_reply *entries)
{
	struct node *n = in->n;
	struct now at = now();
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	bool good = true;
	for (size_t i = 0; good && i < entries->count; i++)
		good = fold(in, s, entries->element[i], at);
	digest_save(n);
	FAULT("intake.folded");
	if (!good)
		store_rollback(n->store);
	good = store_commit(n->store) && good;
	if (!good) {
		node_say(n, 3, "%s: not kept: %s", s->key, store_why(n->store));
		digest_undo(n, at);
	}
	pthread_mutex_unlock(&n->lock);
	FAULT("intake.committed");
	return good;
}

static bool acknowledge(
	struct intake *in, const struct source *s, const struct bus_reply *entries, struct err *err)
{
	const char **argv = calloc(entries->count + 3, sizeof *argv);
	if (argv == NULL)
		return err_set(err, "out of memory");
	argv[0] = "XACK";
	argv[1] = s->key;
	argv[2] = GROUP;
	for (size_t i = 0; i < entries->count; i++)
		argv[3 + i] = entries->element[i]->element[0]->text;
	struct bus_reply *r = talk_ask(in->talk, s->key, (int)entries->count + 3, argv, NULL, err);
	bool good = r != NULL;
	bus_reply_free(r);
	free(argv);
	FAULT("intake.acknowledged");
	return good;
}

/* --- one stream -------------------------------------------------------------------------- */

/* Where the node's own position is, and not where Redis thinks that we are: a store that was
 * restored or built anew reads again what it has forgotten. */
static bool set_position(struct intake *in, const struct source *s, struct err *err)
{
	char id[ID_TEXT] = "0";
	uint64_t epoch, n;
	pthread_mutex_lock(&in->n->lock);
	if (digest_position(in->n, s->name, &epoch, &n))
		snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64, epoch, n);
	pthread_mutex_unlock(&in->n->lock);
	struct bus_reply *r =
		talk_say(in->talk, err, "XGROUP", "SETID", s->key, GROUP, id, (char *)NULL);
	bool good = r != NULL;
	bus_reply_free(r);
	return good;
}

/* Makes the group where it is missing; everything that anybody in it holds is ours. */
static bool join_group(struct intake *in, struct source *s, struct err *err)
{
	struct bus_reply *r =
		talk_say(in->talk, err, "XGROUP", "CREATE", s->key, GROUP, "0", (char *)NULL);
	if (r == NULL)
		return false;
	bool good = r->type == BUS_STATUS || bus_is_error(r, "BUSYGROUP");
	bus_reply_free(r);
	if (!good)
		return true; /* there is no stream yet */
	char from[ID_TEXT] = "0-0";
	do {
		r = talk_say(in->talk, err, "XAUTOCLAIM", s->key, GROUP, CONSUMER, "0", from,
			"COUNT", "1000", "JUSTID", (char *)NULL);
		if (r == NULL)
			return false;
		good = r->type == BUS_ARRAY && r->count >= 2 && r->element[0]->len < ID_TEXT;
		snprintf(from, sizeof from, "%s", good ? r->element[0]->text : "0-0");
		bus_reply_free(r);
	} while (good && strcmp(from, "0-0") != 0);
	if (!set_position(in, s, err))
		return false;
	s->grouped = s->pending = true;
	snprintf(s->after, sizeof s->after, "0");
	return true;
}

/* The entries in the reply of XREADGROUP: [[key, [entry …]]]. NULL: none. */
static const struct bus_reply *entries_of(const struct bus_reply *r)
{
	if (r->type != BUS_ARRAY || r->count != 1 || r->element[0]->type != BUS_ARRAY ||
		r->element[0]->count != 2 || r->element[0]->element[1]->type != BUS_ARRAY)
		return NULL;
	return r->element[0]->element[1];
}

static bool looks_right(const struct bus_reply *entries)
{
	uint64_t epoch, n;
	for (size_t i = 0; i < entries->count; i++) {
		const struct bus_reply *e = entries->element[i];
		if (e->type != BUS_ARRAY || e->count != 2 || !read_id(e->element[0], &epoch, &n))
			return false;
	}
	return true;
}

/* Own pending entries: those up to the position were folded by a transaction that a crash parted
 * from its acknowledgement. The others come again by ">". Takes over @r. */
static bool settle_pending(struct intake *in, struct source *s, struct bus_reply *r,
	const struct bus_reply *entries, size_t *read, struct err *err)
{
	const char **argv = calloc(entries->count + 3, sizeof *argv);
	uint64_t epoch = 0, n = 0, e, k;
	int argc = 3;
	bool good = argv != NULL && looks_right(entries);
	pthread_mutex_lock(&in->n->lock);
	bool known = digest_position(in->n, s->name, &epoch, &n);
	pthread_mutex_unlock(&in->n->lock);
	for (size_t i = 0; good && known && i < entries->count; i++) {
		const struct bus_reply *id = entries->element[i]->element[0];
		if (read_id(id, &e, &k) && (e < epoch || (e == epoch && k <= n)))
			argv[argc++] = id->text;
	}
	s->pending = good && entries->count > 0;
	if (s->pending)
		snprintf(s->after, sizeof s->after, "%.*s", ID_TEXT - 1,
			entries->element[entries->count - 1]->element[0]->text);
	if (good && argc > 3) {
		argv[0] = "XACK";
		argv[1] = s->key;
		argv[2] = GROUP;
		struct bus_reply *done = talk_ask(in->talk, s->key, argc, argv, NULL, err);
		good = done != NULL;
		bus_reply_free(done);
	}
	*read = 0;
	free(argv);
	bus_reply_free(r);
	return good || err_set(err, "%s: not a stream of ours", s->key);
}

/* Reads, keeps and acknowledges one batch. *read: how many. False and @err: Redis is away or the
 * store fails. */
static bool read_batch(struct intake *in, struct source *s, size_t *read, struct err *err)
{
	char count[24];
	*read = 0;
	snprintf(count, sizeof count, "%" PRIu64, s->batch);
	const char *argv[] = { "XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", count, "STREAMS",
		s->key, s->pending ? s->after : ">" };
	struct bus_reply *r = talk_ask(in->talk, s->key, 9, argv, NULL, err);
	if (r == NULL) {
		/* a reply that was too long would be so again */
		s->batch = s->batch > 1 ? s->batch / 2 : 1;
		return false;
	}
	if (r->type == BUS_ERROR) {
		s->grouped = false; /* NOGROUP: Redis forgot; or the key went */
		bus_reply_free(r);
		return true;
	}
	const struct bus_reply *entries = entries_of(r);
	bool good = true;
	if (s->pending && entries != NULL)
		return settle_pending(in, s, r, entries, read, err);
	if (entries != NULL && entries->count > 0) {
		good = looks_right(entries) || err_set(err, "%s: not a stream of ours", s->key);
		good = good && (keep(in, s, entries) || err_set(err, "the store takes nothing"));
		good = good && acknowledge(in, s, entries, err);
		*read = good ? entries->count : 0;
	}
	s->caught_up = *read < s->batch;
	if (good && s->batch < in->c->intake_batch)
		s->batch++;
	bus_reply_free(r);
	return good;
}

/* Only when all is committed: then whatever is beyond the newest is, too. */
static bool trim(struct intake *in, struct source *s, int64_t at_ms, struct err *err)
{
	char keep_text[24];
	if (!s->caught_up || s->pending || at_ms < s->trim_ms)
		return true;
	s->trim_ms = at_ms + TRIM_MS;
	snprintf(keep_text, sizeof keep_text, "%" PRIu64, in->c->intake_keep);
	struct bus_reply *r =
		talk_say(in->talk, err, "XTRIM", s->key, "MAXLEN", "~", keep_text, (char *)NULL);
	bool good = r != NULL;
	bus_reply_free(r);
	return good;
}

static bool serve_source(struct intake *in, struct source *s, bool *any, struct err *err)
{
	size_t read;
	if (!s->grouped && !join_group(in, s, err))
		return false;
	if (!s->grouped)
		return true;
	bool was_pending = s->pending;
	if (!read_batch(in, s, &read, err))
		return false;
	if (read > 0 || was_pending)
		*any = true;
	return trim(in, s, now().mono_ms, err);
}

/* --- sensors ----------------------------------------------------------------------------- */

static bool is_name(const struct bus_reply *r)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	return r->type == BUS_STRING && r->len > 0 && r->len <= NAME_MOST &&
	       strspn(r->text, set) == r->len;
}

static void add_source(struct intake *in, const char *name)
{
	for (unsigned i = 0; i < in->sources; i++)
		if (strcmp(in->source[i].name, name) == 0)
			return;
	if (in->sources == SOURCES)
		return;
	struct source *s = &in->source[in->sources++];
	*s = (struct source){ .batch = in->c->intake_batch };
	snprintf(s->name, sizeof s->name, "%s", name);
	snprintf(s->key, sizeof s->key, "bongsu:alerts:{%s}", name);
	pthread_mutex_lock(&in->n->lock);
	node_say(in->n, 5, "sensor %s: alerts from %s", name, s->key);
	pthread_mutex_unlock(&in->n->lock);
}

static bool look_at_heartbeat(struct intake *in, const struct source *s, struct err *err)
{
	char key[NAME_MOST + 32];
	snprintf(key, sizeof key, "bongsu:sensor:{%s}", s->name);
	struct bus_reply *r = talk_say(in->talk, err, "HGETALL", key, (char *)NULL);
	if (r == NULL)
		return false;
	json_t *pairs = r->type == BUS_ARRAY && r->count >= 2 ? json_object() : NULL;
	for (size_t i = 0; pairs != NULL && i + 1 < r->count && i < 256; i += 2)
		if (r->element[i]->type == BUS_STRING && r->element[i + 1]->type == BUS_STRING)
			json_object_set_new(pairs, r->element[i]->text,
				json_stringn(r->element[i + 1]->text, r->element[i + 1]->len));
	pthread_mutex_lock(&in->n->lock);
	digest_sensor_health(in->n, s->name, pairs, now());
	pthread_mutex_unlock(&in->n->lock);
	json_decref(pairs);
	bus_reply_free(r);
	return true;
}

static bool look(struct intake *in, struct err *err)
{
	int64_t at = now().mono_ms;
	if (at < in->look_ms)
		return true;
	struct bus_reply *r = talk_say(in->talk, err, "SMEMBERS", "bongsu:sensors", (char *)NULL);
	if (r == NULL)
		return false;
	for (size_t i = 0; r->type == BUS_ARRAY && i < r->count; i++)
		if (is_name(r->element[i]))
			add_source(in, r->element[i]->text);
	bus_reply_free(r);
	for (unsigned i = 0; i < in->sources; i++)
		if (!look_at_heartbeat(in, &in->source[i], err))
			return false;
	in->look_ms = at + (in->sources == 0 ? LOOK_FIRST_MS : LOOK_MS);
	return true;
}

/* --- life -------------------------------------------------------------------------------- */

/* Said once; an alarm when it lasts. */
static void away(struct intake *in, const struct err *err)
{
	struct now at = now();
	pthread_mutex_lock(&in->n->lock);
	if (in->away_ms == 0) {
		in->away_ms = at.mono_ms;
		node_say(in->n, 4, "intake: %s", err->text);
	} else if (at.mono_ms - in->away_ms > AWAY_ALARM_MS) {
		store_begin(in->n->store);
		node_alarm(
			in->n, at, "redis-away", "redis", "no alerts can be read: %s", err->text);
		store_commit(in->n->store);
	}
	pthread_mutex_unlock(&in->n->lock);
	for (unsigned i = 0; i < in->sources; i++)
		in->source[i].grouped = false;
	nap(in, AWAY_MS);
}

static bool is_ready(struct intake *in)
{
	pthread_mutex_lock(&in->n->lock);
	bool ready = digest_ready(in->n, now());
	pthread_mutex_unlock(&in->n->lock);
	return ready;
}

static void *thread_main(void *ctx)
{
	struct intake *in = ctx;
	while (!atomic_load(&in->stop) && !is_ready(in))
		nap(in, IDLE_MS);
	while (!atomic_load(&in->stop)) {
		struct err err = { 0 };
		bool any = false, good = look(in, &err);
		for (unsigned i = 0; good && i < in->sources && !atomic_load(&in->stop); i++)
			good = serve_source(in, &in->source[i], &any, &err);
		if (!good && !atomic_load(&in->stop)) {
			away(in, &err);
		} else {
			if (in->away_ms != 0)
				node_say(in->n, 5, "intake: Redis answers again");
			in->away_ms = 0;
			if (!any)
				nap(in, IDLE_MS);
		}
	}
	return NULL;
}

struct intake *intake_open(struct node *n, const struct agg_config *c, struct err *err)
{
	struct intake *in = calloc(1, sizeof *in);
	if (in == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	in->n = n;
	in->c = c;
	in->talk = talk_open(c->redis, &in->stop, err);
	if (in->talk != NULL)
		in->runs = pthread_create(&in->thread, NULL, thread_main, in) == 0 ||
			   err_set(err, "no thread can be started");
	if (!in->runs) {
		intake_close(in);
		return NULL;
	}
	return in;
}

void intake_close(struct intake *in)
{
	if (in == NULL)
		return;
	atomic_store(&in->stop, true);
	if (in->runs)
		pthread_join(in->thread, NULL);
	talk_close(in->talk);
	free(in);
}
