/* judge.c - what happens with a PDU once transport has found it. */
#include "sensor/judge.h"

#include <stdlib.h>

#include "common/clock.h"
#include "sensor/canary.h"
#include "sensor/correlate.h"
#include "sensor/fold.h"
#include "sensor/limiter.h"
#include "sensor/services.h"
#include "sensor/wait.h"
#include "sensor/watch.h"
#include "sensor/ways.h"

enum { JUDGE_PROTOCOLS = WAIT_LATE };

#define LATE_NS (INT64_C(10) * 1000000000)

struct judge {
	struct judge_options o;
	struct inspector inspector;
	struct pool pool; /* waits and snapshots */
	struct wait_queues waits;
	struct limiter *anomalies;
	struct fold *fold;     /* open alerts */
	struct memory *memory; /* of correlations */
	uint64_t pdus[JUDGE_PROTOCOLS];
	int index_cache; /* of the dissector seen last */
	const struct dissector *seen_last;
	struct ways ways;
	char *pdu_line; /* EVE_PDU_LINE bytes, with --pdus */
	struct hit hits[HITS_MAX];
	struct correlated found[HITS_MAX];
	struct chain chain[HITS_MAX]; /* hit.chain - 1 */
	uint32_t chains;
};

static void say_anomaly(struct judge *j, const struct anomaly *a);

static unsigned index_of(struct judge *j, const struct dissector *d)
{
	if (j->seen_last != d) {
		j->seen_last = d;
		j->index_cache = service_index(d);
	}
	return (unsigned)j->index_cache;
}

/* --- telling ----------------------------------------------------------------------------- */

/* Tells of a hit, or counts it into the alert that is open. Returns the n of the event, or 0. */
static uint64_t tell_hit(
	struct judge *j, const struct hit *hit, const struct event *e, const struct chain *chain)
{
	const struct occurrence o = { .hit = hit, .chain = chain, .event = e };
	uint64_t before = fold_evicted(j->fold), n = fold_alert(j->fold, &o);
	uint64_t lost = fold_evicted(j->fold) - before;
	if (lost > 0) {
		j->o.counters->alerts_evicted += lost;
		struct anomaly a = { .kind = ANOMALY_ALERTS_FULL, .at = e->at, .count = lost };
		say_anomaly(j, &a);
	}
	return n;
}

static const struct chain *chain_of(const struct judge *j, const struct hit *hit)
{
	return hit->chain == 0 ? NULL : &j->chain[hit->chain - 1];
}

/* What @hit, known to hold at @now_ns, makes hold: into found, returns how many. */
static size_t correlated(
	struct judge *j, const struct hit *hit, const struct event *e, int64_t now_ns)
{
	if (!rule_feeds(hit->rule))
		return 0;
	uint64_t before = memory_evicted(j->memory);
	size_t n = correlate(j->memory, j->o.rules, hit, e, now_ns, j->found, HITS_MAX);
	uint64_t lost = memory_evicted(j->memory) - before;
	if (lost > 0) {
		j->o.counters->memory_evicted += lost;
		struct anomaly a = { .kind = ANOMALY_MEMORY_FULL, .at = e->at, .count = lost };
		say_anomaly(j, &a);
	}
	return n;
}

/* A rule held only with its verdict: so do the correlations that it completes. */
static void tell_correlated(
	struct judge *j, const struct hit *hit, const struct event *e, int64_t now_ns)
{
	size_t n = correlated(j, hit, e, now_ns);
	for (size_t i = 0; i < n; i++) {
		struct correlated *one = &j->found[i];
		if (!is_quiet(one->hit.rule))
			tell_hit(j, &one->hit, e, &one->chain);
	}
}

/* The verdict is known: waiting alerts go out with it, those that went out get a verdict event. */
static void settle_hit(
	struct judge *j, struct waiting_hit *w, const struct event *e, int64_t now_ns)
{
	struct hit hit = w->hit;
	if (w->n != 0) {
		struct alert of = { .rule = hit.rule,
			.chain = hit.chain == 0 ? NULL : &w->chain,
			.event = e,
			.item = hit.item,
			.n = w->n,
			.count = 1,
			.told_ns = now_ns };
		tell_verdict(j->o.tell, &of);
		fold_settled(j->fold, &hit, e, w->n);
		return;
	}
	if (w->counted)
		return;
	if (hit.later) {
		if (!rule_holds(j->o.rules, hit.rule, e, &hit))
			return;
		if (!w->fed)
			tell_correlated(j, &hit, e, now_ns);
		w->fed = true;
		if (is_quiet(hit.rule))
			return;
	}
	w->counted = true;
	w->n = tell_hit(j, &hit, e, hit.chain == 0 ? NULL : &w->chain);
	w->hit = hit;
}

static void drop(struct judge *j, struct wait *w)
{
	wait_remove(&j->waits, w);
	wait_free(w, &j->pool);
}

static void tell_verdicts(
	struct judge *j, struct wait *w, const struct pdu *reply, struct verdict verdict)
{
	struct event e = {
		.at = w->at,
		.flow = w->flow,
		.from = w->from,
		.pdu = &w->request->pdu,
		.reply = reply,
		.verdict = verdict,
		.has_tx = true,
		.tx_id = w->tx_id - 1,
	};
	int64_t now_ns = verdict.reply.frame != 0 ? verdict.reply.ts_ns : w->deadline_ns;
	for (size_t i = 0; i < w->hit_count; i++)
		settle_hit(j, &w->hits[i], &e, now_ns);
	if (w->transaction)
		tell_transaction(j->o.tell, &e);
	w->transaction = false;
}

/* The last word on a request. One that was called unanswered in time has had it, unless a reply
 * came. */
static void settle(struct judge *j, struct wait *w, const struct pdu *reply, struct verdict verdict)
{
	if (!w->overdue || reply != NULL)
		tell_verdicts(j, w, reply, verdict);
	drop(j, w);
}

static bool was_told(const struct wait *w)
{
	for (size_t i = 0; i < w->hit_count; i++)
		if (w->hits[i].n != 0)
			return true;
	return false;
}

static void forget(struct judge *j, struct wait *w)
{
	struct tx *tx = tx_by_id(w->flow, w->tx_id);
	if (tx != NULL)
		tx->wait = NULL;
	drop(j, w);
}

/* Nobody answered in time. The alerts say so; a reply that comes late still gets its verdict event.
 */
static void settle_overdue(struct judge *j, struct wait *w)
{
	if (!w->overdue)
		tell_verdicts(j, w, NULL, verdict_of_silence(w->flow, w->from, w->blind, false));
	if (w->overdue || !was_told(w)) {
		forget(j, w);
		return;
	}
	wait_remove(&j->waits, w);
	w->overdue = true;
	w->queue = WAIT_LATE;
	w->deadline_ns += LATE_NS;
	wait_add(&j->waits, w);
}

/* No reply will come. */
static void settle_silent(struct judge *j, struct wait *w)
{
	struct tx *tx = tx_by_id(w->flow, w->tx_id);
	if (tx != NULL)
		tx->wait = NULL;
	settle(j, w, NULL, verdict_of_silence(w->flow, w->from, w->blind, true));
}

/* Too many wait: the oldest goes out without its verdict. */
static void make_room(struct judge *j)
{
	if (j->waits.count < j->o.max_waiting)
		return;
	struct wait *w = wait_oldest(&j->waits);
	struct tx *tx = tx_by_id(w->flow, w->tx_id);
	struct verdict v = {
		.outcome = VERDICT_UNOBSERVED,
		.text = "too many alerts waited for their verdict",
		.latency_ns = -1,
	};
	if (tx != NULL)
		tx->wait = NULL;
	if (!w->overdue)
		j->o.counters->alerts_waiting_full++;
	settle(j, w, NULL, v);
}

static bool wants_transaction(struct judge *j, const struct pdu *pdu)
{
	uint64_t bit = UINT64_C(1) << (EVENT_PROTOCOL + index_of(j, pdu->dissector));
	return (j->o.tell->events & bit) != 0 && pdu->tx != TX_REPLY && pdu->tx != TX_REPLY_PART;
}

/* --- judging ----------------------------------------------------------------------------- */

/* Keeps the hits of an open request until its verdict; from HIGH up they are told at once,
 * unless they are repeats. False if there is no memory. */
static bool wait_for(
	struct judge *j, struct flow *f, const struct event *e, struct tx *tx, size_t count)
{
	make_room(j);
	struct wait *w = wait_new(count, &j->pool);
	if (w == NULL)
		return false;
	w->request = snapshot_take(e->pdu, &j->pool);
	if (w->request == NULL) {
		wait_free(w, &j->pool);
		return false;
	}
	w->queue = index_of(j, e->pdu->dissector);
	w->deadline_ns = e->at.ts_ns + (int64_t)j->o.reply_ms[w->queue] * 1000000;
	w->flow = f;
	w->tx_id = tx->id;
	w->blind = tx->blind;
	w->at = e->at;
	w->from = e->from;
	w->transaction = wants_transaction(j, e->pdu);
	for (size_t i = 0; i < count; i++) {
		struct hit *hit = &j->hits[i];
		w->hits[i].hit = *hit;
		if (hit->chain != 0)
			w->hits[i].chain = *chain_of(j, hit);
		if (hit->later || hit->rule->level < LEVEL_HIGH || fold_is_open(j->fold, hit, e))
			continue;
		w->hits[i].counted = true;
		w->hits[i].n = tell_hit(j, hit, e, chain_of(j, hit));
	}
	tx->wait = w;
	wait_add(&j->waits, w);
	return true;
}

/* Hits whose verdict is known, or will never be. */
static void tell_now(struct judge *j, const struct event *e, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct hit *hit = &j->hits[i];
		if (hit->later) {
			if (!rule_holds(j->o.rules, hit->rule, e, hit))
				continue;
			tell_correlated(j, hit, e, e->at.ts_ns);
			if (is_quiet(hit->rule))
				continue;
		}
		tell_hit(j, hit, e, chain_of(j, hit));
	}
}

/* Takes out the hits of rules that held for the request already: one command, one alert. */
static size_t without_told(struct judge *j, const uint32_t told[TX_TOLD], size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		bool again = false;
		for (unsigned k = 0; k < TX_TOLD; k++)
			again |= told[k] == j->hits[i].rule->sid;
		if (!again)
			j->hits[kept++] = j->hits[i];
	}
	return kept;
}

/* Takes out those that make no event, now or with their verdict. */
static size_t without_quiet(struct judge *j, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		const struct hit *hit = &j->hits[i];
		if (!is_quiet(hit->rule) || (hit->later && rule_feeds(hit->rule)))
			j->hits[kept++] = *hit;
	}
	return kept;
}

/* Puts behind the hits what they make hold. */
static size_t with_correlated(struct judge *j, const struct event *e, size_t count)
{
	size_t all = count;
	j->chains = 0;
	for (size_t i = 0; i < count; i++) {
		size_t n = j->hits[i].later ? 0 : correlated(j, &j->hits[i], e, e->at.ts_ns);
		for (size_t k = 0; k < n && all < HITS_MAX; k++) {
			j->chain[j->chains] = j->found[k].chain;
			j->hits[all] = j->found[k].hit;
			j->hits[all++].chain = ++j->chains;
		}
	}
	return all;
}

/* So that the reply is not told of again, or counted again. */
static void note_told(const struct judge *j, struct tx *tx, size_t count)
{
	unsigned told = 0;
	for (size_t i = 0; i < count && told < TX_TOLD; i++)
		if (!is_quiet(j->hits[i].rule) || rule_feeds(j->hits[i].rule))
			tx->told[told++] = j->hits[i].rule->sid;
}

static size_t ask_rules(
	struct judge *j, const struct event *e, struct tx *tx, const struct tx *answered)
{
	if (j->o.rules == NULL)
		return 0;
	size_t count = rules_match(j->o.rules, e, j->hits, HITS_MAX);
	if (count == HITS_MAX)
		j->o.counters->hits_cut++;
	if (answered != NULL && count > 0)
		count = without_told(j, answered->told, count);
	if (tx != NULL)
		note_told(j, tx, count);
	return without_quiet(j, with_correlated(j, e, count));
}

/* @tx: opened by this PDU; @answered: ended by it; each may be NULL. */
static void judge_event(struct judge *j, struct flow *f, const struct event *e, struct tx *tx,
	const struct tx *answered)
{
	size_t count = ask_rules(j, e, tx, answered);
	bool transaction = wants_transaction(j, e->pdu);
	if (count == 0 && !transaction)
		return;
	if (tx != NULL && wait_for(j, f, e, tx, count))
		return;
	tell_now(j, e, count);
	if (transaction)
		tell_transaction(j->o.tell, e);
}

static struct tx *open_request(struct judge *j, struct flow *f, const struct event *e)
{
	struct tx dropped;
	bool full;
	struct tx *tx = tx_open(f, e->from, e->at, e->pdu, j->o.max_requests, &dropped, &full);
	if (!full)
		return tx;
	j->o.counters->tx_full++;
	if (dropped.wait != NULL)
		settle(j, dropped.wait, NULL,
			verdict_of_silence(f, dropped.from, dropped.blind, true));
	struct anomaly a = {
		.kind = ANOMALY_TX_FULL, .at = e->at, .flow = f, .from = e->from, .count = 1
	};
	j->inspector.anomaly(j, &a);
	return tx;
}

/* --- what transport calls ---------------------------------------------------------------- */

static void say_anomaly(struct judge *j, const struct anomaly *a)
{
	struct anomaly told = *a;
	uint64_t key = key_mix(0xa11, (uint64_t)a->kind);
	if (a->flow != NULL)
		key = key_mix(key, a->flow->id);
	if (a->detail != NULL)
		key = key_mix_bytes(key, (const uint8_t *)a->detail, strlen(a->detail));
	if (limiter_doubling(j->anomalies, key, a->at.ts_ns, a->count, &told.count))
		tell_anomaly(j->o.tell, &told);
	else
		j->o.counters->anomalies_held++;
}

static void on_anomaly(void *ctx, const struct anomaly *a)
{
	struct judge *j = ctx;
	say_anomaly(j, a);
	if (j->o.watchers != NULL)
		watchers_anomaly(j->o.watchers, a);
}

/* What a watcher found. */
static void observed(void *ctx, const struct event *e)
{
	struct judge *j = ctx;
	j->pdus[index_of(j, e->pdu->dissector)]++;
	judge_event(j, NULL, e, NULL, NULL);
}

static void said(void *ctx, const struct anomaly *a)
{
	say_anomaly(ctx, a);
}

static void watch_ways(struct judge *j, const struct flow *f, const struct event *e)
{
	struct anomaly a;
	if (ways_watch(&j->ways, j->o.counters, j->o.one_way_pdus, f, e, &a))
		say_anomaly(j, &a);
}

static void on_pdu(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *pdu)
{
	struct judge *j = ctx;
	struct event e = {
		.at = at, .flow = f, .from = from, .pdu = pdu, .verdict.outcome = VERDICT_NONE
	};
	e.verdict.latency_ns = -1;
	struct tx *tx = NULL, *answered = NULL;

	if (at.ts_ns >= j->waits.next_ns || at.ts_ns >= fold_next_ns(j->fold))
		judge_tick(j, at.ts_ns);
	/* The other reading of a conflict: whoever sent it, it must not take a request's reply
	 * away. */
	if (pdu->flags & PDU_OVERLAP)
		pdu->tx = TX_NONE;
	if (pdu->tx == TX_REPLY || pdu->tx == TX_REPLY_PART) {
		answered = tx_match(f, from, pdu);
		if (answered != NULL)
			pdu->request = answered->kept;
		e.verdict = verdict_of_reply(answered, at, pdu);
	} else if (pdu->tx == TX_REQUEST) {
		e.verdict.outcome = VERDICT_PENDING;
	} else if (pdu->tx == TX_REQUEST_SILENT) {
		e.verdict.outcome = VERDICT_NO_REPLY_BY_SPEC;
	}

	if (j->o.canary_tag != NULL && canary_is(j->o.canary_tag, f, pdu)) {
		canary_arrived(j->o.tell, at, pdu, wall_ns());
		return;
	}
	j->pdus[index_of(j, pdu->dissector)]++;
	watch_ways(j, f, &e);
	if (j->o.pdus != NULL) {
		struct buf line = buf_over(j->pdu_line, EVE_PDU_LINE);
		eve_pdu(&line, f, from, at, pdu);
		line.full = false;
		line.cap = EVE_PDU_LINE + 1;
		buf_char(&line, '\n');
		fwrite(line.at, 1, line.len, j->o.pdus);
	}
	if (answered != NULL && answered->wait != NULL) {
		struct wait *w = answered->wait;
		answered->wait = NULL;
		settle(j, w, pdu, e.verdict);
	}
	if (pdu->tx == TX_REQUEST)
		tx = open_request(j, f, &e);
	const struct tx *of = tx != NULL ? tx : answered;
	e.has_tx = of != NULL;
	e.tx_id = of == NULL ? 0 : of->id - 1;
	judge_event(j, f, &e, tx, answered);
	if (j->o.watchers != NULL)
		watchers_pdu(j->o.watchers, &e);
	if (answered != NULL && pdu->tx == TX_REPLY)
		tx_close(f, answered);
}

/* The watchers hear of traffic, and a canary is none. */
static bool watches(const struct judge *j, const struct flow *f)
{
	return j->o.watchers != NULL && (j->o.canary_tag == NULL || !canary_flow(f));
}

static void on_flow_start(void *ctx, struct flow *f, struct stamp at)
{
	struct judge *j = ctx;
	if (j->o.flow_facts != NULL)
		j->o.flow_facts(j->o.facts_ctx, f);
	if (watches(j, f))
		watchers_flow(j->o.watchers, f, FLOW_STARTED, 0, at);
}

static void on_flow_change(
	void *ctx, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	struct judge *j = ctx;
	if (watches(j, f))
		watchers_flow(j->o.watchers, f, change, from, at);
}

static void on_aside(void *ctx, const struct aside *a)
{
	struct judge *j = ctx;
	if (j->o.watchers != NULL)
		watchers_aside(j->o.watchers, a);
}

static void on_flow_end(void *ctx, struct flow *f, const char *why)
{
	struct judge *j = ctx;
	struct stamp at = { .ts_ns = f->last_ns };
	if (watches(j, f))
		watchers_flow(j->o.watchers, f, FLOW_ENDED, f->client, at);
	for (unsigned i = 0; f->tx != NULL && i < f->tx->count; i++) {
		struct tx *tx = tx_at(f->tx, i);
		struct wait *w = tx->wait;
		if (w == NULL)
			continue;
		tx->wait = NULL;
		settle(j, w, NULL, verdict_of_silence(f, tx->from, tx->blind, true));
	}
	tx_table_free(f);
	if (j->o.canary_tag == NULL || !canary_flow(f))
		tell_flow(j->o.tell, f, why);
}

/* --- life -------------------------------------------------------------------------------- */

void judge_tick(struct judge *j, int64_t now_ns)
{
	struct wait *w;
	while ((w = wait_due(&j->waits, now_ns)) != NULL)
		settle_overdue(j, w);
	fold_tick(j->fold, now_ns);
}

void judge_finish(struct judge *j)
{
	struct wait *w;
	while ((w = wait_oldest(&j->waits)) != NULL)
		settle_silent(j, w);
}

void judge_end(struct judge *j)
{
	judge_finish(j);
	fold_flush(j->fold);
}

void judge_rules(struct judge *j, struct rule_run *rules)
{
	judge_end(j);
	j->o.rules = rules;
}

struct judge *judge_new(const struct judge_options *o)
{
	struct judge *j = calloc(1, sizeof *j);
	if (j == NULL)
		return NULL;
	j->o = *o;
	j->pool.cap = o->wait_bytes;
	wait_queues_init(&j->waits);
	struct fold_options fold = o->fold;
	fold.tell = o->tell;
	fold.counters = o->counters;
	fold.seed = o->seed;
	j->fold = fold_new(&fold);
	j->anomalies = limiter_new(o->limiter_entries, o->seed);
	j->memory = memory_new(o->memory_bytes, o->seed);
	j->inspector = (struct inspector){
		.ctx = j,
		.pdu = on_pdu,
		.anomaly = on_anomaly,
		.flow_start = on_flow_start,
		.flow_end = on_flow_end,
		.flow_change = on_flow_change,
		.aside = on_aside,
	};
	struct watch_out out = { .ctx = j, .observe = observed, .anomaly = said };
	if (o->watchers != NULL)
		watchers_out(o->watchers, &out);
	if (o->pdus != NULL)
		j->pdu_line = malloc(EVE_PDU_LINE + 1);
	if (j->fold == NULL || j->anomalies == NULL || j->memory == NULL ||
		(o->pdus != NULL && j->pdu_line == NULL)) {
		judge_free(j);
		return NULL;
	}
	return j;
}

const struct inspector *judge_inspector(struct judge *j)
{
	return &j->inspector;
}

const uint64_t *judge_pdus(const struct judge *j)
{
	return j->pdus;
}

const uint64_t *judge_levels(const struct judge *j)
{
	return fold_levels(j->fold);
}

void judge_free(struct judge *j)
{
	if (j == NULL)
		return;
	if (j->fold != NULL)
		judge_end(j);
	fold_free(j->fold);
	limiter_free(j->anomalies);
	memory_free(j->memory);
	free(j->pdu_line);
	free(j);
}
