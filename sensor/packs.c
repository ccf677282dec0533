/* packs.c - see packs.h. What is wrong changes nothing: it is said, and what is held stays. */
#include "sensor/packs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/talk.h"
#include "sensor/pack_shelf.h"

enum { NEWS = 32, TEXT = 256, SECOND_NS = 1000000000 };

static const char hash_key[] = "bongsu:packs";

/* Why what lies under a name was refused; the same is not said, nor compiled, again. */
struct refused {
	char name[PACK_NAME], why[TEXT];
	int64_t version;
	char sha256[HASH_HEX];
	uint64_t generation;
};

struct packs {
	struct packs_options o;
	struct talk *talk;
	struct pack_shelf shelf; /* the thread's, once it runs */
	struct refused refused[PACK_NAMES];
	uint64_t generation; /* rises whenever a set was compiled */
	bool away;
	_Atomic(struct rules *) ready;
	atomic_size_t in_use;
	atomic_bool stop;
	pthread_t thread;
	bool runs;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t wake;
	bool look, reread;
	char news[NEWS][TEXT];
	unsigned news_count;
};

static void say(const struct packs *p, const char *text)
{
	if (!p->o.quiet)
		fprintf(stderr, "bongsu-sensor: packs: %s\n", text);
}

/* --- refusals ---------------------------------------------------------------------------- */

static struct refused *refusal_of(struct packs *p, const char *name)
{
	struct refused *r = NULL;
	for (unsigned i = 0; i < PACK_NAMES; i++) {
		if (strcmp(p->refused[i].name, name) == 0)
			return &p->refused[i];
		if (r == NULL && p->refused[i].name[0] == '\0')
			r = &p->refused[i];
	}
	r = r == NULL ? &p->refused[0] : r;
	*r = (struct refused){ 0 };
	snprintf(r->name, sizeof r->name, "%s", name);
	return r;
}

static void tell_refusal(struct packs *p, const char *why)
{
	fprintf(stderr, "bongsu-sensor: packs: refused: %s\n", why);
	pthread_mutex_lock(&p->lock);
	if (p->news_count < NEWS)
		snprintf(p->news[p->news_count++], TEXT, "%s", why);
	pthread_mutex_unlock(&p->lock);
}

static void refuse(
	struct packs *p, const char *name, const struct signed_pack *pack, const char *why)
{
	struct refused *r = refusal_of(p, name);
	bool told = strncmp(r->why, why, TEXT - 1) == 0;
	snprintf(r->why, sizeof r->why, "%s", why);
	r->version = pack == NULL ? 0 : pack->version;
	snprintf(r->sha256, sizeof r->sha256, "%s", pack == NULL ? "" : pack->sha256);
	r->generation = p->generation;
	if (!told)
		tell_refusal(p, why);
}

static void forget_refusal(struct packs *p, const char *name)
{
	for (unsigned i = 0; i < PACK_NAMES; i++)
		if (strcmp(p->refused[i].name, name) == 0)
			p->refused[i] = (struct refused){ 0 };
}

static bool refused_before(struct packs *p, const struct signed_pack *pack)
{
	for (unsigned i = 0; i < PACK_NAMES; i++) {
		const struct refused *r = &p->refused[i];
		if (strcmp(r->name, pack->name) == 0)
			return r->version == pack->version && r->generation == p->generation &&
			       strcmp(r->sha256, pack->sha256) == 0;
	}
	return false;
}

/* --- taking up --------------------------------------------------------------------------- */

static void hand_over(struct packs *p, struct rules *rules)
{
	p->generation++;
	atomic_store(&p->in_use, shelf_in_use(&p->shelf));
	rules_free(atomic_exchange(&p->ready, rules));
}

/* Are our own rules, with what was held before, without fault? */
static bool well_without(struct packs *p)
{
	struct text_list faults = { 0 };
	struct rules *rules = shelf_compile(&p->shelf, p->o.own, p->o.config, &faults);
	bool well = rules != NULL;
	rules_free(rules);
	text_list_free(&faults);
	return well;
}

/* @h comes into use, or is refused; either way it is spent. */
static void take_up(struct packs *p, struct pack_held *h)
{
	struct text_list faults = { 0 };
	struct err err = { 0 };
	struct signed_pack what = h->pack; /* its name and numbers, for telling */
	struct rules *rules = NULL;
	bool swapped = shelf_swap(&p->shelf, h, &err);
	if (swapped)
		rules = shelf_compile(&p->shelf, p->o.own, p->o.config, &faults);
	if (swapped && rules == NULL && !err.set)
		err_set(&err, "%s %lld: %s", what.name, (long long)what.version,
			faults.count > 0 ? faults.text[0] : "out of memory");
	if (rules != NULL && !shelf_keep(&p->shelf, shelf_find(&p->shelf, what.name), &err)) {
		rules_free(rules);
		rules = NULL;
	}
	if (rules != NULL) {
		char text[TEXT];
		snprintf(text, sizeof text, "%s %lld %s", what.name, (long long)what.version,
			what.kind == PACK_WITHDRAWN ? "is withdrawn" : "is in use");
		forget_refusal(p, what.name);
		say(p, text);
		hand_over(p, rules);
	} else {
		if (swapped)
			shelf_swap_back(&p->shelf, h);
		if (faults.count > 0 && !well_without(p))
			say(p, "our own rules have faults: packs wait");
		else
			refuse(p, what.name, &what, err.text);
	}
	pack_held_free(h);
	text_list_free(&faults);
}

/* A set of our own rules and of what goes with them: one that does not keeps no other from use.
 * NULL and @faults: our own have faults. */
static struct rules *settle(struct packs *p, struct text_list *faults)
{
	struct text_list all = { 0 };
	for (size_t i = 0; i < p->shelf.count; i++)
		p->shelf.held[i].aside = false;
	struct rules *rules = shelf_compile(&p->shelf, p->o.own, p->o.config, &all);
	text_list_free(&all);
	if (rules != NULL)
		return rules;
	for (size_t i = 0; i < p->shelf.count; i++)
		p->shelf.held[i].aside = true;
	rules = shelf_compile(&p->shelf, p->o.own, p->o.config, faults);
	for (size_t i = 0; rules != NULL && i < p->shelf.count; i++) {
		struct text_list one = { 0 };
		p->shelf.held[i].aside = false;
		struct rules *more = shelf_compile(&p->shelf, p->o.own, p->o.config, &one);
		p->shelf.held[i].aside = more == NULL;
		if (more == NULL)
			tell_refusal(p, one.count > 0 ? one.text[0] : "out of memory");
		rules_free(more == NULL ? NULL : rules);
		rules = more == NULL ? rules : more;
		text_list_free(&one);
	}
	return rules;
}

/* --- looking ----------------------------------------------------------------------------- */

static bool lost(struct packs *p, const char *why)
{
	if (!p->away)
		say(p, why);
	p->away = true;
	return false;
}

/* One name. Sets come before packs, whose rules may need them. False: Redis is away. */
static bool look_at(struct packs *p, const char *name, bool sets)
{
	struct err err = { 0 };
	struct pack_held h = { 0 };
	struct bus_reply *r = talk_say(p->talk, &err, "HGET", hash_key, name, (char *)NULL);
	if (r == NULL || r->type == BUS_ERROR) {
		lost(p, r == NULL ? err.text : r->text);
		bus_reply_free(r);
		return false;
	}
	if (r->type != BUS_STRING) {
		bus_reply_free(r);
		return true; /* it went in between */
	}
	bool good = pack_held_read(&h, r->text, r->len, &err);
	bus_reply_free(r);
	if (!good) {
		char why[TEXT];
		snprintf(why, sizeof why, "%s: %.180s", name, err.text);
		if (sets)
			refuse(p, name, NULL, why);
		return true;
	}
	bool mine = (h.pack.kind == PACK_INDICATORS) == sets;
	enum pack_verdict v =
		!mine ? PACK_SAME
		      : shelf_judge(&p->shelf, name, &h.pack, wall_ns() / SECOND_NS, &err);
	if (v == PACK_REFUSED)
		refuse(p, name, &h.pack, err.text);
	if (v == PACK_NEWER && !refused_before(p, &h.pack))
		take_up(p, &h);
	else
		pack_held_free(&h);
	return true;
}

static void look(struct packs *p)
{
	struct err err = { 0 };
	struct bus_reply *r = talk_say(p->talk, &err, "HKEYS", hash_key, (char *)NULL);
	if (r == NULL || r->type != BUS_ARRAY) {
		lost(p, r == NULL ? err.text : r->type == BUS_ERROR ? r->text : "no list of names");
		bus_reply_free(r);
		return;
	}
	bool good = true;
	for (int sets = 1; sets >= 0; sets--) {
		for (size_t i = 0; good && i < r->count && i < PACK_NAMES; i++)
			if (r->element[i]->type == BUS_STRING &&
				pack_name_good(r->element[i]->text))
				good = look_at(p, r->element[i]->text, sets != 0);
	}
	if (good && p->away)
		say(p, "Redis answers again");
	p->away = p->away && !good;
	bus_reply_free(r);
}

/* Our own rules were changed, and who changed them wants to know. */
static void read_again(struct packs *p)
{
	struct text_list faults = { 0 };
	struct rules *rules = settle(p, &faults);
	for (size_t i = 0; i < faults.count; i++)
		fprintf(stderr, "%s\n", faults.text[i]);
	if (rules != NULL)
		hand_over(p, rules);
	else
		fprintf(stderr,
			"bongsu-sensor: rules not reloaded, the old ones stay; faults: %zu\n",
			faults.count);
	text_list_free(&faults);
}

static void *thread_main(void *ctx)
{
	struct packs *p = ctx;
	pthread_mutex_lock(&p->lock);
	while (!atomic_load(&p->stop)) {
		bool reread = p->reread;
		p->look = p->reread = false;
		pthread_mutex_unlock(&p->lock);
		if (reread)
			read_again(p);
		if (p->talk != NULL)
			look(p);
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_sec += (time_t)p->o.config->pack_every_s;
		pthread_mutex_lock(&p->lock);
		while (!p->look && !atomic_load(&p->stop))
			if (pthread_cond_timedwait(&p->wake, &p->lock, &until) != 0)
				break;
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* --- life -------------------------------------------------------------------------------- */

bool packs_check(const struct config *c, struct err *err)
{
	uint8_t bytes[KEY_PUBLIC];
	for (size_t i = 0; i < c->pack_keys.count; i++)
		if (!hex_read(c->pack_keys.text[i], strlen(c->pack_keys.text[i]), bytes,
			    sizeof bytes))
			return err_set(err, "packs.keys: 64 lower-case hex digits, not %.80s",
				c->pack_keys.text[i]);
	if (c->pack_keys.count > 0 && c->pack_threshold > c->pack_keys.count)
		return err_set(err, "packs.threshold: %llu of %zu keys",
			(unsigned long long)c->pack_threshold, c->pack_keys.count);
	return true;
}

/* What is kept comes into use; what does not go with our rules does not keep us from starting. */
static struct rules *start_with(struct packs *p)
{
	struct text_list faults = { 0 };
	shelf_load(&p->shelf, &faults);
	for (size_t i = 0; i < faults.count; i++)
		tell_refusal(p, faults.text[i]);
	text_list_free(&faults);
	if (p->shelf.count == 0)
		return NULL;
	struct rules *rules = settle(p, &faults);
	if (rules != NULL)
		atomic_store(&p->in_use, shelf_in_use(&p->shelf));
	text_list_free(&faults);
	return rules;
}

struct packs *packs_open(
	const struct packs_options *o, bool look_once, struct rules **rules, struct err *err)
{
	pthread_condattr_t attr;
	struct packs *p = calloc(1, sizeof *p);
	if (p == NULL || !keys_init()) {
		free(p);
		err_set(err, "out of memory or randomness");
		return NULL;
	}
	p->o = *o;
	p->shelf = (struct pack_shelf){ .keys = &o->config->pack_keys,
		.threshold = o->config->pack_threshold,
		.folder = o->folder };
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	p->talk = o->redis == NULL ? NULL : talk_open(o->redis, &p->stop, err);
	if (o->redis != NULL && p->talk == NULL) {
		packs_close(p);
		return NULL;
	}
	*rules = start_with(p);
	if (look_once && p->talk != NULL)
		look(p);
	struct rules *newer = packs_ready(p);
	if (newer != NULL) {
		rules_free(*rules);
		*rules = newer;
	}
	return p;
}

bool packs_start(struct packs *p, struct err *err)
{
	p->runs = pthread_create(&p->thread, NULL, thread_main, p) == 0;
	return p->runs || err_set(err, "no thread can be started");
}

void packs_look(struct packs *p, bool reread)
{
	pthread_mutex_lock(&p->lock);
	p->look = true;
	p->reread = p->reread || reread;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

struct rules *packs_ready(struct packs *p)
{
	return atomic_exchange(&p->ready, NULL);
}

size_t packs_in_use(struct packs *p)
{
	return atomic_load(&p->in_use);
}

bool packs_refusal(struct packs *p, char out[256])
{
	pthread_mutex_lock(&p->lock);
	bool any = p->news_count > 0;
	if (any) {
		memcpy(out, p->news[0], TEXT);
		p->news_count--;
		memmove(p->news[0], p->news[1], (size_t)p->news_count * TEXT);
	}
	pthread_mutex_unlock(&p->lock);
	return any;
}

void packs_close(struct packs *p)
{
	if (p == NULL)
		return;
	pthread_mutex_lock(&p->lock);
	atomic_store(&p->stop, true);
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	if (p->runs)
		pthread_join(p->thread, NULL);
	talk_close(p->talk);
	rules_free(atomic_load(&p->ready));
	shelf_free(&p->shelf);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
