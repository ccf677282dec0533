/* fold.c - open alerts: a hash by what makes two alerts the same, and a heap by when they close. */
#include "sensor/fold.h"

#include <stdlib.h>
#include <string.h>

#include "sensor/counters.h"
#include "sensor/limiter.h"
#include "sensor/quiet.h"
#include "sensor/snapshot.h"

#define SECOND INT64_C(1000000000)

enum { BY_DEFAULT = BY_SRC | BY_DST | BY_UNIT, NEAR = 2048 };

/* Compared whole, so that nobody can make two alerts look the same. The verdict stands beside. */
struct key {
	uint8_t src[16], dst[16]; /* zero where they do not matter */
	uint64_t flow, unit;
	uint32_t sid, level; /* as told: one that maintenance lowered is another alert */
	uint64_t hash;       /* of all before */
};

_Static_assert(sizeof(struct key) == 64, "no padding in what is compared");

/* The first of the occurrences that are held: the message that the next event may have to show. */
struct shown {
	struct hit hit;
	struct flow flow;
	struct event event;
	struct change change;
	uint64_t before[EVENT_FRAMES];
	struct snapshot *pdu;
	struct chain chain;
	const char *in_iface;
};

struct entry {
	struct key key;
	uint32_t next; /* of its bucket, or of the free ones; 0: none */
	uint32_t place;
	uint32_t seconds; /* of suppress; 0: at doubling counts */
	uint8_t verdict;
	uint32_t life; /* counts alerts that had this place */
	int64_t first_ns, told_ns, seen_ns;
	int64_t due_ns; /* as the heap knows it: never later than due() */
	uint64_t frame; /* of the newest occurrence */
	uint64_t open;  /* n of the event that opened it */
	uint64_t total, held;
	struct shown *shown; /* while held > 0 */
};

/* Where the alert of a message that comes again was found. */
struct near {
	uint64_t print; /* of its event */
	uint32_t sid, level;
	uint32_t entry, life;
};

struct fold {
	struct fold_options o;
	struct near near[NEAR];
	struct pool pool;
	uint32_t *bucket, mask;
	uint32_t *heap, count; /* entries that are in use */
	uint32_t made, free;
	struct entry *entry; /* from 1 */
	uint64_t evicted;
	uint64_t levels[LEVEL_CRITICAL + 1];
};

/* --- keys -------------------------------------------------------------------------------- */

static bool folds(const struct fold *f, const struct rule *r)
{
	return r->suppress_seconds > 0 || f->o.every;
}

static void key_of(
	const struct fold *f, struct key *k, const struct hit *hit, const struct event *e)
{
	const struct rule *r = hit->rule;
	const struct endpoint *src = &e->flow->end[e->from], *dst = &e->flow->end[!e->from];
	*k = (struct key){ .sid = r->sid, .level = (uint32_t)hit_level(hit) };
	uint32_t by = r->suppress_seconds > 0 ? r->suppress_by : BY_DEFAULT;
	if (by & BY_SRC)
		memcpy(k->src, src->ip.bytes, sizeof k->src);
	if (by & BY_DST)
		memcpy(k->dst, dst->ip.bytes, sizeof k->dst);
	if (by & BY_FLOW)
		k->flow = e->flow->id;
	if (by & BY_UNIT)
		k->unit = pdu_unit(e->pdu);
	k->hash = key_mix_bytes(f->o.seed, (const uint8_t *)k, offsetof(struct key, hash));
}

static uint32_t *bucket_of(const struct fold *f, const struct key *k)
{
	return &f->bucket[k->hash >> 32 & f->mask];
}

static bool is_of(const struct entry *e, const struct key *k)
{
	return e->key.hash == k->hash && memcmp(&e->key, k, sizeof *k) == 0;
}

static bool by_verdict(const struct rule *r)
{
	return r->suppress_seconds == 0 || r->changes_state;
}

static struct entry *find(
	const struct fold *f, const struct key *k, const struct rule *r, unsigned verdict)
{
	bool any = !by_verdict(r);
	for (uint32_t i = *bucket_of(f, k); i != 0; i = f->entry[i].next)
		if ((any || f->entry[i].verdict == verdict) && is_of(&f->entry[i], k))
			return &f->entry[i];
	return NULL;
}

/* --- when -------------------------------------------------------------------------------- */

static int64_t later(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* When its rest is told, or, where nothing is held, it is forgotten. */
static int64_t due(const struct fold *f, const struct entry *e)
{
	int64_t quiet = e->seconds * SECOND;
	if (e->held > 0)
		return later(e->seen_ns + f->o.close_ns, e->told_ns + quiet);
	return e->seen_ns + later(f->o.close_ns, quiet);
}

/* Time may step back a little (another mirrored port); by more than a period the clock was set. */
static bool within(int64_t now_ns, int64_t then_ns, int64_t period_ns)
{
	return now_ns - then_ns < period_ns && then_ns - now_ns < period_ns;
}

static bool has_rested(const struct fold *f, const struct entry *e, int64_t now_ns)
{
	return !within(now_ns, e->seen_ns, later(f->o.close_ns, e->seconds * SECOND));
}

/* Is it time to tell of the occurrence at @now_ns, the newest of e->total? */
static bool is_news(const struct fold *f, const struct entry *e, int64_t now_ns)
{
	if (e->seconds > 0)
		return !within(now_ns, e->told_ns, e->seconds * SECOND);
	return (e->total & (e->total - 1)) == 0 || !within(now_ns, e->told_ns, f->o.remind_ns);
}

/* --- the heap, by due_ns ----------------------------------------------------------------- */

static void put(struct fold *f, uint32_t place, uint32_t i)
{
	f->heap[place] = i;
	f->entry[i].place = place;
}

static bool before(const struct fold *f, uint32_t a, uint32_t b)
{
	return f->entry[a].due_ns < f->entry[b].due_ns;
}

static void rise(struct fold *f, uint32_t place)
{
	uint32_t i = f->heap[place];
	for (uint32_t up; place > 0; place = up) {
		up = (place - 1) / 2;
		if (!before(f, i, f->heap[up]))
			break;
		put(f, place, f->heap[up]);
	}
	put(f, place, i);
}

static void sink(struct fold *f, uint32_t place)
{
	uint32_t i = f->heap[place];
	for (uint32_t down = 2 * place + 1; down < f->count; down = 2 * place + 1) {
		if (down + 1 < f->count && before(f, f->heap[down + 1], f->heap[down]))
			down++;
		if (!before(f, f->heap[down], i))
			break;
		put(f, place, f->heap[down]);
		place = down;
	}
	put(f, place, i);
}

/* Brings the first of the heap up to date until it is the one that is due first. */
static struct entry *first_due(struct fold *f)
{
	while (f->count > 0) {
		struct entry *e = &f->entry[f->heap[0]];
		int64_t at = due(f, e);
		if (e->due_ns == at)
			return e;
		e->due_ns = at;
		sink(f, 0);
	}
	return NULL;
}

/* --- telling ----------------------------------------------------------------------------- */

static uint64_t tell(struct fold *f, struct alert *a)
{
	f->levels[a->level]++;
	return tell_alert(f->o.tell, a);
}

static void drop_shown(struct fold *f, struct entry *e)
{
	if (e->shown == NULL)
		return;
	snapshot_free(e->shown->pdu, &f->pool);
	pool_give(&f->pool, e->shown, sizeof *e->shown);
	e->shown = NULL;
}

/* Only numbers outlive the message. */
static void keep_change(struct shown *k, const struct change *change)
{
	k->event.change = NULL;
	if (change == NULL || change->type == FIELD_TEXT || change->type == FIELD_BYTES)
		return;
	k->change = *change;
	k->event.change = &k->change;
}

/* False: there is no memory. */
static bool keep(struct fold *f, struct entry *e, const struct occurrence *o)
{
	if (e->shown != NULL)
		return true;
	struct shown *k = pool_take(&f->pool, sizeof *k);
	if (k == NULL)
		return false;
	k->pdu = snapshot_take(o->event->pdu, &f->pool);
	if (k->pdu == NULL) {
		pool_give(&f->pool, k, sizeof *k);
		return false;
	}
	k->hit = *o->hit;
	k->flow = *o->event->flow;
	k->flow.state = NULL;
	k->flow.stream = NULL;
	k->flow.tx = NULL;
	k->event = *o->event;
	k->event.flow = &k->flow;
	k->event.pdu = &k->pdu->pdu;
	k->event.reply = NULL;
	keep_change(k, o->event->change);
	if (o->event->before != NULL) {
		memcpy(k->before, o->event->before, sizeof k->before);
		k->event.before = k->before;
	}
	if (o->chain != NULL)
		k->chain = *o->chain;
	k->in_iface = f->o.tell->eve.in_iface;
	e->shown = k;
	return true;
}

/* What is held, without an occurrence that tells it. */
static void tell_rest(struct fold *f, struct entry *e, int64_t now_ns)
{
	struct shown *k = e->shown;
	if (k == NULL)
		return;
	const char *in_iface = f->o.tell->eve.in_iface;
	struct alert a = {
		.rule = k->hit.rule,
		.level = hit_level(&k->hit),
		.window = k->hit.window,
		.chain = k->hit.chain == 0 ? NULL : &k->chain,
		.event = &k->event,
		.change = k->event.change,
		.item = k->hit.item,
		.count = e->held,
		.suppressed = e->held,
		.total = e->total,
		.open = e->open,
		.first_ns = e->first_ns,
		.last_ns = e->seen_ns,
		.shown_frame = k->event.at.frame,
	};
	k->event.at = (struct stamp){ .ts_ns = e->seen_ns, .frame = e->frame };
	f->o.tell->eve.in_iface = k->in_iface;
	tell(f, &a);
	f->o.tell->eve.in_iface = in_iface;
	drop_shown(f, e);
	e->held = 0;
	e->told_ns = now_ns;
}

/* --- opening and closing ----------------------------------------------------------------- */

static void forget(struct fold *f, struct entry *e)
{
	uint32_t i = (uint32_t)(e - f->entry), *at = bucket_of(f, &e->key), place = e->place;
	while (*at != i)
		at = &f->entry[*at].next;
	*at = e->next;
	uint32_t last = f->heap[--f->count];
	if (last != i) {
		put(f, place, last);
		sink(f, place);
		rise(f, f->entry[last].place);
	}
	e->next = f->free;
	e->life++;
	f->free = i;
}

static void make_room(struct fold *f, int64_t now_ns)
{
	if (f->free != 0 || f->made < f->o.entries)
		return;
	struct entry *e = first_due(f);
	f->evicted += e->due_ns > now_ns;
	tell_rest(f, e, now_ns);
	forget(f, e);
}

static struct entry *open_entry(struct fold *f, const struct key *k, const struct occurrence *o)
{
	const struct event *event = o->event;
	make_room(f, event->at.ts_ns);
	uint32_t i = f->free, *bucket = bucket_of(f, k);
	if (i != 0)
		f->free = f->entry[i].next;
	else
		i = ++f->made;
	struct entry *e = &f->entry[i];
	*e = (struct entry){ .key = *k,
		.next = *bucket,
		.life = e->life,
		.seconds = o->hit->rule->suppress_seconds,
		.verdict = (uint8_t)event->verdict.outcome,
		.first_ns = event->at.ts_ns,
		.seen_ns = event->at.ts_ns };
	e->due_ns = due(f, e);
	*bucket = i;
	f->heap[f->count] = i;
	rise(f, f->count++);
	return e;
}

/* The open alert of @o, or a fresh one. */
static struct entry *entry_of(struct fold *f, const struct occurrence *o)
{
	struct key k;
	key_of(f, &k, o->hit, o->event);
	struct entry *e = find(f, &k, o->hit->rule, o->event->verdict.outcome);
	if (e != NULL && !has_rested(f, e, o->event->at.ts_ns))
		return e;
	if (e != NULL) {
		tell_rest(f, e, o->event->at.ts_ns);
		forget(f, e);
	}
	return open_entry(f, &k, o);
}

static void seen(struct entry *e, const struct event *event)
{
	e->total++;
	if (event->at.ts_ns < e->seen_ns)
		return;
	e->seen_ns = event->at.ts_ns;
	e->frame = event->at.frame;
}

uint64_t fold_alert(struct fold *f, const struct occurrence *o)
{
	const struct event *event = o->event;
	struct alert a = {
		.rule = o->hit->rule,
		.level = hit_level(o->hit),
		.window = o->hit->window,
		.chain = o->chain,
		.event = event,
		.change = event->change,
		.item = o->hit->item,
		.count = 1,
	};
	/* Only here does an event change its flow. */
	((struct flow *)(uintptr_t)event->flow)->alerts++;
	if (!folds(f, o->hit->rule))
		return tell(f, &a);
	struct entry *e = entry_of(f, o);
	seen(e, event);
	if (e->total > 1 && !is_news(f, e, event->at.ts_ns) && keep(f, e, o)) {
		e->held++;
		f->o.counters->suppressed++;
		return 0;
	}
	a.count = e->held + 1;
	a.suppressed = e->held;
	a.total = e->total;
	a.open = e->open;
	a.first_ns = e->first_ns;
	a.last_ns = e->seen_ns;
	uint64_t n = tell(f, &a);
	if (e->open == 0)
		e->open = n;
	drop_shown(f, e);
	e->held = 0;
	e->told_ns = event->at.ts_ns;
	return n;
}

/* The same as find(), for an event that is judged alike each time. */
static struct entry *find_again(struct fold *f, const struct hit *hit, const struct event *event)
{
	struct key k;
	uint32_t sid = hit->rule->sid, level = (uint32_t)hit_level(hit);
	struct near *n = &f->near[(event->print / 2 ^ sid) % NEAR];
	if (event->print != 0 && n->print == event->print && n->sid == sid && n->level == level &&
		f->entry[n->entry].life == n->life)
		return &f->entry[n->entry];
	key_of(f, &k, hit, event);
	struct entry *e = find(f, &k, hit->rule, 0);
	if (e != NULL)
		*n = (struct near){ event->print, sid, level, (uint32_t)(e - f->entry), e->life };
	return e;
}

bool fold_repeat(struct fold *f, const struct hit *hit, const struct event *event)
{
	if (by_verdict(hit->rule) || hit->later)
		return false;
	struct entry *e = find_again(f, hit, event);
	if (e == NULL || e->shown == NULL || has_rested(f, e, event->at.ts_ns) ||
		is_news(f, e, event->at.ts_ns))
		return false;
	((struct flow *)(uintptr_t)event->flow)->alerts++;
	seen(e, event);
	e->held++;
	f->o.counters->suppressed++;
	return true;
}

bool fold_is_open(const struct fold *f, const struct hit *hit, const struct event *event)
{
	struct key k;
	if (!folds(f, hit->rule))
		return false;
	key_of(f, &k, hit, event);
	for (uint32_t i = *bucket_of(f, &k); i != 0; i = f->entry[i].next)
		if (is_of(&f->entry[i], &k) && !has_rested(f, &f->entry[i], event->at.ts_ns))
			return true;
	return false;
}

void fold_settled(struct fold *f, const struct hit *hit, const struct event *event, uint64_t n)
{
	struct key k;
	if (!folds(f, hit->rule))
		return;
	key_of(f, &k, hit, event);
	for (uint32_t i = *bucket_of(f, &k); i != 0; i = f->entry[i].next)
		if (f->entry[i].open == n && is_of(&f->entry[i], &k))
			f->entry[i].verdict = (uint8_t)event->verdict.outcome;
}

/* --- life -------------------------------------------------------------------------------- */

int64_t fold_next_ns(const struct fold *f)
{
	return f->count == 0 ? INT64_MAX : f->entry[f->heap[0]].due_ns;
}

void fold_tick(struct fold *f, int64_t now_ns)
{
	while (fold_next_ns(f) <= now_ns) {
		struct entry *e = first_due(f);
		if (e->due_ns > now_ns)
			break;
		bool rest = e->held > 0;
		tell_rest(f, e, now_ns);
		if (!rest || e->seconds == 0)
			forget(f, e);
	}
}

void fold_flush(struct fold *f)
{
	memset(f->near, 0, sizeof f->near); /* rules may change what their alerts go by */
	for (uint32_t i = 1; i <= f->made; i++)
		tell_rest(f, &f->entry[i], f->entry[i].seen_ns);
}

struct fold *fold_new(const struct fold_options *o)
{
	size_t buckets = 16;
	struct fold *f = calloc(1, sizeof *f);
	if (f == NULL)
		return NULL;
	while (buckets < o->entries)
		buckets *= 2;
	f->o = *o;
	f->pool.cap = o->bytes;
	f->mask = (uint32_t)(buckets - 1);
	f->bucket = calloc(buckets, sizeof *f->bucket);
	f->heap = calloc(o->entries, sizeof *f->heap);
	f->entry = calloc(o->entries + 1, sizeof *f->entry);
	if (f->bucket != NULL && f->heap != NULL && f->entry != NULL)
		return f;
	fold_free(f);
	return NULL;
}

void fold_free(struct fold *f)
{
	if (f == NULL)
		return;
	for (uint32_t i = 1; f->entry != NULL && i <= f->made; i++)
		drop_shown(f, &f->entry[i]);
	free(f->bucket);
	free(f->heap);
	free(f->entry);
	free(f);
}

uint64_t fold_evicted(const struct fold *f)
{
	return f->evicted;
}

const uint64_t *fold_levels(const struct fold *f)
{
	return f->levels;
}
