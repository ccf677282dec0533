/* baseline_watch.c - the watcher "baseline": learns what is normal, or tells what is not. */
#include "sensor/baseline_watch.h"

#include <stdlib.h>

#include "sensor/learn.h"

enum {
	DEEDS_A_TALK = 4,   /* room for so many, on average */
	TOLD_A_MESSAGE = 4, /* deviations of one message; the rest of it is more of the same */
	LIMITER = 16384,
	POLLS = 16384,  /* a power of two */
	SET_SHIFT = 28, /* of a flow's note: the baseline it is of, then its talk */
};

#define SECOND_NS INT64_C(1000000000)

/* Messages of one print (event.h) that are as the baseline has them. */
struct poll {
	uint64_t print; /* 0: none */
	uint32_t set, talk;
};

struct baselining {
	const struct watch *watch;
	/* Learning. */
	struct baseline *day;
	int64_t began_ns;
	uint64_t lost_told;
	/* Judging. */
	const struct baselines *all;
	uint32_t now;      /* index, or BASELINE_NOBODY */
	int64_t chosen_ns; /* for this minute */
	bool chosen;
	bool over_told[BASELINES_MAX];
	struct limiter *told;
	struct poll *poll; /* POLLS; what meets in a place takes it */
};

/* One message on its way. */
struct seen {
	struct baselining *b;
	const struct event *e;
	struct contact_key key;
	uint32_t talk;
	act_id act; /* the latest, … */
	uint32_t deed;
	struct act_place place;
	unsigned told;
};

static void key_of(const struct event *e, unsigned client, struct contact_key *key)
{
	*key = (struct contact_key){ .client = e->flow->end[client].ip,
		.device = e->flow->end[!client].ip,
		.protocol = e->pdu->dissector,
		.unit = pdu_unit(e->pdu) };
}

/* --- learning ---------------------------------------------------------------------------- */

static void lost(struct baselining *b, const struct event *e)
{
	uint64_t more = b->day->lost - b->lost_told;
	struct anomaly a = { .kind = ANOMALY_BASELINE_FULL,
		.at = e->at,
		.flow = e->flow,
		.from = e->from,
		.count = more };
	if (more == 0)
		return;
	b->lost_told = b->day->lost;
	b->watch->counters->talks_lost += more;
	b->watch->out.anomaly(b->watch->out.ctx, &a);
}

static bool learn_act(void *ctx, act_id id, const struct act_place *place)
{
	struct seen *s = ctx;
	struct baseline *day = s->b->day;
	if (id != s->act) {
		s->act = id;
		s->deed = baseline_add_deed(day, s->talk, id);
		if (s->deed != BASELINE_NOBODY) {
			day->deed[s->deed].seen++;
			day->deed[s->deed].last_ns = s->e->at.ts_ns;
		}
	}
	if (s->deed != BASELINE_NOBODY)
		deed_add_place(&day->deed[s->deed], place);
	return true;
}

static void learn_refusal(struct baselining *b, const struct event *e)
{
	struct contact_key key;
	if (e->verdict.outcome != VERDICT_REJECTED)
		return;
	key_of(e, !e->from, &key);
	uint32_t talk = baseline_talk(b->day, &key);
	if (talk == BASELINE_NOBODY)
		return;
	b->day->talk[talk].refused++;
	b->day->refused++;
}

static void learn(struct baselining *b, const struct event *e)
{
	struct baseline *day = b->day;
	struct seen s = { .b = b, .e = e };
	key_of(e, act_by_device(e->pdu) ? !e->from : e->from, &s.key);
	if (!e->flow->client_sure) { /* it may be the other way round */
		struct contact_key other = s.key;
		other.client = s.key.device;
		other.device = s.key.client;
		if (baseline_talk(day, &other) != BASELINE_NOBODY)
			return;
	}
	s.talk = baseline_add_talk(day, &s.key);
	if (day->seen++ == 0)
		day->first_ns = e->at.ts_ns;
	day->last_ns = e->at.ts_ns;
	if (s.talk != BASELINE_NOBODY) {
		day->talk[s.talk].seen++;
		contact_count(&day->talk[s.talk], e->at.ts_ns);
		act_each(e->pdu, learn_act, &s);
	}
	lost(b, e);
}

/* --- which baseline holds ---------------------------------------------------------------- */

static const struct baseline_use *use_of(const struct baselining *b)
{
	return b->now == BASELINE_NOBODY ? NULL : &b->all->use[b->now];
}

static void tell_life(struct baselining *b, enum deviation_kind kind,
	const struct baseline_use *use, struct stamp at)
{
	struct deviation d = { .kind = kind, .use = use, .talk = BASELINE_NOBODY };
	baseline_tell_life(b->watch, &d, at);
}

static void tell_over(struct baselining *b, struct stamp at)
{
	for (size_t i = 0; i < b->all->count; i++) {
		if (at.ts_ns < b->all->use[i].until_ns || b->over_told[i])
			continue;
		b->over_told[i] = true;
		tell_life(b, BASELINE_EXPIRED, &b->all->use[i], at);
	}
}

/* A schedule knows no less than a second. */
static bool is_chosen(const struct baselining *b, int64_t at_ns)
{
	int64_t age = at_ns - b->chosen_ns;
	return b->chosen && age >= 0 && age < SECOND_NS;
}

static void choose(struct baselining *b, struct stamp at)
{
	if (is_chosen(b, at.ts_ns))
		return;
	uint32_t now = baselines_at(b->all, at.ts_ns);
	bool first = !b->chosen;
	b->chosen = true;
	b->chosen_ns = at.ts_ns - at.ts_ns % SECOND_NS;
	if (first || now != b->now) {
		b->now = now;
		tell_life(b, first ? BASELINE_LOCKED : BASELINE_SWITCHED, use_of(b), at);
	}
	tell_over(b, at);
}

/* --- judging ----------------------------------------------------------------------------- */

static void deviates(
	struct seen *s, enum deviation_kind kind, act_id act, const struct act_place *place)
{
	struct baselining *b = s->b;
	struct deviation d = { .kind = kind,
		.use = use_of(b),
		.key = &s->key,
		.talk = s->talk,
		.act = act,
		.place = *place };
	uint64_t key = key_mix(key_mix_bytes(kind, s->key.client.bytes, 16), act), sum;
	key = key_mix(key_mix_bytes(key, s->key.device.bytes, 16), s->key.unit);
	d.expects = limiter_doubling(b->told, key, s->e->at.ts_ns, 1, &sum);
	if (kind == DEVIATION_RATE)
		d.rate = d.use->set->talk[s->talk].in_minute;
	baseline_tell(b->watch, &d, s->e);
	s->told++;
}

/* The first act, or the first grave one. */
static bool pick_act(void *ctx, act_id id, const struct act_place *place)
{
	struct seen *s = ctx;
	bool grave = verb_is_grave(act_verb(id));
	if (s->act == 0 || grave) {
		s->act = id;
		s->place = *place;
	}
	return !grave;
}

static void judge_stranger(struct seen *s, const struct baseline *set)
{
	static const enum deviation_kind kinds[] = { [KNOWN_NOTHING] = DEVIATION_PAIR,
		[KNOWN_PAIR] = DEVIATION_PROTOCOL,
		[KNOWN_PROTOCOL] = DEVIATION_UNIT,
		[KNOWN_REVERSED] = DEVIATION_REVERSAL };
	enum acquaintance known = baseline_known(set, &s->key);
	if (known == KNOWN_REVERSED && !s->e->flow->client_sure)
		return;
	act_each(s->e->pdu, pick_act, s);
	deviates(s, kinds[known], s->act, &s->place);
}

static bool has_verb(const struct baseline *set, uint32_t talk, enum verb verb)
{
	for (uint32_t i = set->talk[talk].first_deed; i != BASELINE_NOBODY; i = set->deed[i].next)
		if (set->deed[i].decision != DECISION_NO && act_verb(set->deed[i].act) == verb)
			return true;
	return false;
}

static bool judge_act(void *ctx, act_id id, const struct act_place *place)
{
	struct seen *s = ctx;
	const struct baseline *set = s->b->all->use[s->b->now].set;
	bool same = id == s->act;
	if (!same) {
		s->act = id;
		s->deed = baseline_deed(set, s->talk, id);
	}
	if (s->deed == BASELINE_NOBODY) {
		if (!same)
			deviates(s,
				has_verb(set, s->talk, act_verb(id)) ? DEVIATION_FUNCTION
								     : DEVIATION_VERB,
				id, place);
	} else if (set->deed[s->deed].decision == DECISION_NO) {
		if (!same)
			deviates(s, DEVIATION_FORBIDDEN, id, place);
	} else if (!deed_reaches(&set->deed[s->deed], place)) {
		deviates(s, DEVIATION_RANGE, id, place);
	}
	return s->told < TOLD_A_MESSAGE;
}

/* The talk as the flow's note remembers it (it may be of a baseline that was there before), else
 * looked up. */
static uint32_t talk_of(const struct seen *s, const struct baseline *set)
{
	uint32_t *note = &((struct flow *)(uintptr_t)s->e->flow)->note[s->b->watch->index];
	uint32_t talk = (*note & ((UINT32_C(1) << SET_SHIFT) - 1)) - 1;
	if (*note >> SET_SHIFT == s->b->now + 1 && talk < set->talks) {
		const struct contact_key *k = &set->talk[talk].key;
		if (k->unit == s->key.unit && k->protocol == s->key.protocol &&
			memcmp(k->client.bytes, s->key.client.bytes, 16) == 0 &&
			memcmp(k->device.bytes, s->key.device.bytes, 16) == 0)
			return talk;
	}
	talk = baseline_talk(set, &s->key);
	if (talk != BASELINE_NOBODY)
		*note = (s->b->now + 1) << SET_SHIFT | (talk + 1);
	return talk;
}

/* Counts one message of the talk; true: with it there are too many in its minute. */
static bool is_busy(struct baseline *set, uint32_t talk, struct stamp at)
{
	struct contact *t = &set->talk[talk];
	return contact_count(t, at.ts_ns) == t->rate + 1 && t->rate > 0;
}

static void judge_rate(struct seen *s)
{
	static const struct act_place nowhere = { .kind = 0 };
	deviates(s, DEVIATION_RATE, 0, &nowhere);
}

static void begin(struct seen *s, struct baselining *b, const struct event *e)
{
	*s = (struct seen){ .b = b, .e = e };
	key_of(e, act_by_device(e->pdu) ? !e->from : e->from, &s->key);
}

static struct poll *poll_of(const struct baselining *b, const struct event *e)
{
	return &b->poll[e->print >> 32 & (POLLS - 1)];
}

/* Was a message of its print judged before? */
static const struct poll *find_poll(const struct baselining *b, const struct event *e)
{
	const struct poll *p = poll_of(b, e);
	return e->print != 0 && p->print == e->print ? p : NULL;
}

/* There can only be too many of it. */
static void judge_poll(struct baselining *b, const struct event *e, const struct poll *p)
{
	struct seen s;
	if (!is_busy(b->all->use[p->set].set, p->talk, e->at))
		return;
	begin(&s, b, e);
	s.talk = p->talk;
	judge_rate(&s);
}

static void judge(struct baselining *b, const struct event *e)
{
	struct seen s;
	struct baseline *set = b->all->use[b->now].set;
	begin(&s, b, e);
	s.talk = talk_of(&s, set);
	if (s.talk == BASELINE_NOBODY) {
		judge_stranger(&s, set);
		return;
	}
	bool busy = is_busy(set, s.talk, e->at);
	if (busy)
		judge_rate(&s);
	act_each(e->pdu, judge_act, &s);
	if (s.told == busy && e->print != 0)
		*poll_of(b, e) = (struct poll){ .print = e->print, .set = b->now, .talk = s.talk };
}

/* --- life -------------------------------------------------------------------------------- */

static void judge_pdu(struct baselining *b, const struct event *e)
{
	const struct poll *p = find_poll(b, e);
	if (p == NULL && !act_counts(e->pdu))
		return;
	if (!is_chosen(b, e->at.ts_ns))
		choose(b, e->at);
	if (b->now == BASELINE_NOBODY)
		return;
	if (p != NULL && p->set == b->now)
		judge_poll(b, e, p);
	else
		judge(b, e);
}

static void baseline_pdu(void *self, const struct event *e)
{
	struct baselining *b = self;
	if (b->day == NULL)
		judge_pdu(b, e);
	else if (act_counts(e->pdu))
		learn(b, e);
	else if (e->pdu->dir == PDU_RSP)
		learn_refusal(b, e);
}

static void baseline_tick(void *self, struct stamp now)
{
	struct baselining *b = self;
	if (b->day == NULL) {
		choose(b, now);
		return;
	}
	if (b->began_ns == INT64_MIN)
		b->began_ns = now.ts_ns;
	if (b->watch->live && learn_for_ns() > 0 && now.ts_ns - b->began_ns >= learn_for_ns())
		wishes.stop = 1;
}

static void baseline_close(void *self)
{
	struct baselining *b = self;
	baseline_free(b->day);
	limiter_free(b->told);
	free(b->poll);
	free(b);
}

struct baseline *baseline_learned(void *watcher_state)
{
	struct baselining *b = watcher_state;
	return b == NULL ? NULL : b->day;
}

static void *baseline_open(const struct watch *w, struct err *err)
{
	const struct config *c = w->config;
	bool learns = w->options->command == &learn_command;
	if (!learns && (c->baselines.count == 0 || w->options->command != NULL))
		return NULL;
	struct baselining *b = calloc(1, sizeof *b);
	if (b == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	b->watch = w;
	b->all = &c->baselines;
	b->now = BASELINE_NOBODY;
	b->began_ns = INT64_MIN;
	if (learns) {
		b->day = baseline_new(
			(uint32_t)c->max_talks, (uint32_t)c->max_talks * DEEDS_A_TALK, w->seed);
	} else {
		b->told = limiter_new(LIMITER, w->seed);
		b->poll = calloc(POLLS, sizeof *b->poll);
	}
	if (b->day != NULL || (b->told != NULL && b->poll != NULL))
		return b;
	err_set(err, "out of memory for a baseline of %u conversations", (unsigned)c->max_talks);
	baseline_close(b);
	return NULL;
}

const struct watcher baseline_watcher = {
	.name = "baseline",
	.open = baseline_open,
	.close = baseline_close,
	.pdu = baseline_pdu,
	.tick = baseline_tick,
};
