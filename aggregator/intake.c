/* intake.c - the sensors of a Redis, each in its turn; what is done about trouble. */
#include "aggregator/intake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/digest.h"
#include "aggregator/intake_private.h"
#include "aggregator/now.h"

enum {
	IDLE_MS = 100,        /* between looks where nothing is new */
	LOOK_MS = 10000,      /* between looks at sensors and their heartbeats */
	LOOK_FIRST_MS = 1000, /* while there is no sensor */
	AWAY_MS = 1000,       /* before it is tried again */
	AWAY_ALARM_MS = 30000,
};

static void nap(struct intake *in, int64_t ms)
{
	for (; ms > 0 && !atomic_load(&in->stop); ms -= IDLE_MS) {
		struct timespec t = { .tv_nsec = (long)(ms < IDLE_MS ? ms : IDLE_MS) * 1000000 };
		nanosleep(&t, NULL);
	}
}

/* --- sensors ----------------------------------------------------------------------------- */

static bool is_name(const struct bus_reply *r)
{
	static const char set[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	return r->type == BUS_STRING && r->len > 0 && r->len <= INTAKE_NAME &&
	       strspn(r->text, set) == r->len;
}

/* False: there are too many. */
static bool add_source(struct intake *in, const char *name)
{
	for (unsigned i = 0; i < in->sources; i++)
		if (strcmp(in->source[i].name, name) == 0)
			return true;
	if (in->sources == INTAKE_SOURCES)
		return false;
	struct source *s = &in->source[in->sources++];
	*s = (struct source){ .batch = in->c->intake_batch };
	snprintf(s->name, sizeof s->name, "%s", name);
	snprintf(s->key, sizeof s->key, "bongsu:alerts:{%s}", name);
	pthread_mutex_lock(&in->n->lock);
	node_say(in->n, 5, "sensor %s: alerts from %s", name, s->key);
	pthread_mutex_unlock(&in->n->lock);
	return true;
}

static void tell_refused(struct intake *in, size_t refused)
{
	pthread_mutex_lock(&in->n->lock);
	store_begin(in->n->store);
	node_alarm(in->n, now(), "sensors-refused", "redis",
		"%zu names in bongsu:sensors are not read: they are no sensor's, or beyond %d",
		refused, INTAKE_SOURCES);
	store_commit(in->n->store);
	pthread_mutex_unlock(&in->n->lock);
}

static bool look_at_heartbeat(struct intake *in, const struct source *s, struct err *err)
{
	char key[INTAKE_NAME + 32];
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
	struct source *s = &in->home;
	int64_t at = now().mono_ms;
	if (at < s->look_ms)
		return true;
	struct bus_reply *r = talk_say(in->talk, err, "SMEMBERS", "bongsu:sensors", (char *)NULL);
	if (r == NULL)
		return false;
	s->look_ms = at + LOOK_MS;
	if (r->type != BUS_ARRAY)
		return intake_refused(in, "bongsu:sensors", r, err);
	size_t refused = 0;
	for (size_t i = 0; i < r->count; i++)
		refused += !is_name(r->element[i]) || !add_source(in, r->element[i]->text);
	bus_reply_free(r);
	if (refused > 0)
		tell_refused(in, refused);
	if (in->sources == 0)
		s->look_ms = at + LOOK_FIRST_MS;
	return true;
}

static bool serve(struct intake *in, struct source *s, bool *any, struct err *err)
{
	int64_t at = now().mono_ms;
	if (at >= s->look_ms) {
		s->look_ms = at + LOOK_MS;
		if (!look_at_heartbeat(in, s, err))
			return false;
	}
	return intake_stream(in, s, any, err);
}

/* Its sensors' names are known from before, whatever Redis still knows. */
static void remember_sources(struct intake *in)
{
	char name[INTAKE_NAME + 1];
	pthread_mutex_lock(&in->n->lock);
	for (unsigned i = 0; digest_sensor_name(in->n, i, name, sizeof name); i++)
		if (name[0] != '\0')
			add_source(in, name);
	pthread_mutex_unlock(&in->n->lock);
}

/* --- trouble ----------------------------------------------------------------------------- */

/* Said once; an alarm when it lasts or will last. @s is left alone for a while, and begins anew. */
static void trouble(struct intake *in, struct source *s, const struct err *err)
{
	static const char *const codes[] = { [TROUBLE_AWAY] = "redis-away",
		[TROUBLE_REFUSED] = "redis-refuses",
		[TROUBLE_STORE] = "store-fails" };
	struct node *n = in->n;
	struct now at = now();
	bool refused = in->trouble == TROUBLE_REFUSED;
	s->grouped = false;
	s->not_before = at.mono_ms + AWAY_MS;
	if (s->away_ms == 0)
		s->away_ms = at.mono_ms;
	pthread_mutex_lock(&n->lock);
	if (strncmp(in->said, err->text, sizeof in->said - 1) != 0) {
		snprintf(in->said, sizeof in->said, "%.*s", (int)sizeof in->said - 1, err->text);
		node_say(n, 4, "intake: %s", in->said);
	}
	if (refused || at.mono_ms - s->away_ms > AWAY_ALARM_MS) {
		store_begin(n->store);
		node_alarm(n, at, codes[in->trouble],
			refused && s->name[0] != '\0' ? s->name : "redis",
			"no alerts are taken in: %s", err->text);
		store_commit(n->store);
	}
	pthread_mutex_unlock(&n->lock);
}

static void well(struct intake *in, struct source *s)
{
	if (s->away_ms == 0)
		return;
	s->away_ms = 0;
	in->said[0] = '\0';
	pthread_mutex_lock(&in->n->lock);
	node_say(in->n, 5, "intake: %s answers again", s->name[0] == '\0' ? "Redis" : s->key);
	pthread_mutex_unlock(&in->n->lock);
}

/* Each source in its turn: one that is in trouble does not keep the others. True: there was
 * something. */
static bool turn(struct intake *in)
{
	bool any = false;
	for (unsigned i = 0; i <= in->sources && !atomic_load(&in->stop); i++) {
		struct source *s = i == 0 ? &in->home : &in->source[i - 1];
		struct err err = { 0 };
		in->trouble = TROUBLE_AWAY;
		if (now().mono_ms < s->not_before)
			continue;
		bool good =
			i == 0 ? look(in, &err) && intake_again(in, &err) && intake_packs(in, &err)
			       : serve(in, s, &any, &err);
		if (good) {
			well(in, s);
			continue;
		}
		if (atomic_load(&in->stop))
			break;
		trouble(in, s, &err);
		if (in->trouble == TROUBLE_AWAY && !talk_is_cluster(in->talk))
			break; /* it is away for the others, too */
	}
	return any;
}

/* --- life -------------------------------------------------------------------------------- */

static void *thread_main(void *ctx)
{
	struct intake *in = ctx;
	remember_sources(in);
	while (!atomic_load(&in->stop))
		if (!turn(in))
			nap(in, IDLE_MS);
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
