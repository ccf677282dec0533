/* judge.c - what happens with a PDU once transport has found it. */
#include "sensor/judge_impl.h"

#include <stdlib.h>

#include "common/clock.h"
#include "sensor/canary.h"
#include "sensor/watch.h"

/* --- judging ----------------------------------------------------------------------------- */

/* Hits whose verdict is known, or will never be. */
static void tell_now(struct judge *j, const struct event *e, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct hit *hit = &j->hits[i];
		if (hit->later) {
			if (!rule_holds(j->o.rules, hit->rule, e, hit))
				continue;
			judge_tell_correlated(j, hit, e, e->at.ts_ns);
			if (!judge_wants(j, hit, e))
				continue;
		}
		judge_tell(j, hit, e, judge_chain(j, hit));
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

/* Takes out those that make no event; of what waits for its verdict that is asked then. */
static size_t without_unwanted(struct judge *j, const struct event *e, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		struct hit *hit = &j->hits[i];
		bool may = !is_quiet(hit->rule) || hit->rule->feeds;
		if (hit->later ? may : judge_wants(j, hit, e))
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
		bool counts = j->hits[i].rule->feeds && !j->hits[i].later;
		size_t n = counts ? judge_correlated(j, &j->hits[i], e, e->at.ts_ns) : 0;
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
		if (!is_quiet(j->hits[i].rule) || j->hits[i].rule->feeds)
			tx->told[told++] = j->hits[i].rule->sid;
}

/* Rules that hold, into hits; said of an event of the same print before, it is not asked again. */
static size_t ask_rules(struct judge *j, struct event *e)
{
	size_t count = 0;
	if (j->o.rules == NULL)
		return 0;
	if (!rules_recall(j->o.rules, e, j->hits, &count))
		count = rules_match(j->o.rules, e, j->hits, HITS_MAX);
	return count;
}

/* Takes out those that are counted without waiting. */
static size_t without_repeats(struct judge *j, const struct event *e, size_t count)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (!fold_repeat(j->fold, &j->hits[i], e))
			j->hits[kept++] = j->hits[i];
	return kept;
}

/* Of what holds, what is to be told. */
static size_t pick(struct judge *j, const struct event *e, struct tx *tx, const struct tx *answered,
	size_t count)
{
	if (count == HITS_MAX)
		j->o.counters->hits_cut++;
	if (answered != NULL)
		count = without_told(j, answered->told, count);
	if (tx != NULL && !e->pdu->dissector->observed)
		note_told(j, tx, count);
	count = without_unwanted(j, e, with_correlated(j, e, count));
	return tx != NULL ? without_repeats(j, e, count) : count;
}

/* @tx: opened by this PDU, or by the one it is an observation of; @answered: ended by it; each may
 * be NULL. */
static void judge_event(
	struct judge *j, struct flow *f, struct event *e, struct tx *tx, const struct tx *answered)
{
	size_t count = ask_rules(j, e);
	bool transaction = judge_wants_transaction(j, e->pdu);
	if (count > 0)
		count = pick(j, e, tx, answered, count);
	if (count == 0 && !transaction)
		return;
	if (tx != NULL && judge_wait_for(j, f, e, tx, count))
		return;
	tell_now(j, e, count);
	if (transaction)
		judge_transaction(j, e);
}

static struct tx *open_request(struct judge *j, struct flow *f, const struct event *e)
{
	struct tx dropped;
	bool full;
	struct tx *tx = tx_open(f, e->from, e->at, e->pdu, j->o.max_requests, &dropped, &full);
	if (tx != NULL)
		tx->print = e->print;
	if (!full)
		return tx;
	j->o.counters->tx_full++;
	if (dropped.wait != NULL)
		judge_settle_all(j, dropped.wait, NULL,
			verdict_of_silence(f, dropped.from, dropped.blind, true));
	struct anomaly a = {
		.kind = ANOMALY_TX_FULL, .at = e->at, .flow = f, .from = e->from, .count = 1
	};
	if (!e->pdu->dissector->office)
		j->inspector.anomaly(j, &a);
	return tx;
}

/* --- what transport calls ---------------------------------------------------------------- */

static void on_anomaly(void *ctx, const struct anomaly *a)
{
	struct judge *j = ctx;
	judge_say(j, a);
	if (j->o.watchers != NULL)
		watchers_anomaly(j->o.watchers, a);
}

/* What a watcher found; of a request that is under way, with the verdict of that. */
static void observed(void *ctx, const struct event *e)
{
	struct judge *j = ctx;
	struct event own = *e;
	struct flow *f = (struct flow *)(uintptr_t)e->flow;
	bool waits = own.verdict.outcome == VERDICT_PENDING && j->now != NULL;
	struct tx *tx = waits ? tx_by_id(f, (uint32_t)own.tx_id + 1) : NULL;
	j->pdus[judge_index(j, e->pdu->dissector)]++;
	judge_event(j, f, &own, tx, NULL);
}

static void keep(void *ctx, const char *name, const char *json, size_t len)
{
	struct judge *j = ctx;
	if (j->o.tell->sinks != NULL)
		sinks_keep(j->o.tell->sinks, name, json, len);
}

static bool wants(void *ctx, const struct pdu *sketch)
{
	struct judge *j = ctx;
	return judge_wants_transaction(j, sketch) ||
	       (j->o.rules != NULL && rules_may_hold(j->o.rules, sketch));
}

static void said(void *ctx, const struct anomaly *a)
{
	judge_say(ctx, a);
}

static void watch_ways(struct judge *j, const struct event *e)
{
	struct anomaly a;
	if (ways_watch(&j->ways, j->o.counters, j->o.one_way_pdus, e, &a))
		on_anomaly(j, &a);
}

static void on_pdu(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *pdu)
{
	struct judge *j = ctx;
	struct event e;
	struct tx *tx = NULL, *answered = NULL;
	event_begin(&e, f, from, at, pdu);

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
		verdict_of_reply(&e.verdict, answered, at, pdu);
	} else if (pdu->tx == TX_REQUEST) {
		e.verdict.outcome = VERDICT_PENDING;
	} else if (pdu->tx == TX_REQUEST_SILENT) {
		e.verdict.outcome = VERDICT_NO_REPLY_BY_SPEC;
	}

	if (j->o.canary_tag != NULL && canary_is(j->o.canary_tag, f, pdu)) {
		canary_arrived(j->o.tell, at, pdu, wall_ns());
		return;
	}
	e.service = judge_index(j, pdu->dissector);
	j->pdus[e.service]++;
	watch_ways(j, &e);
	if (j->o.pdus != NULL) {
		struct buf line = buf_over(j->pdu_line, EVE_PDU_LINE);
		eve_pdu(&line, f, from, at, pdu);
		line.full = false;
		line.cap = EVE_PDU_LINE + 1;
		buf_char(&line, '\n');
		fwrite(line.at, 1, line.len, j->o.pdus);
	}
	if (pdu->rejected)
		tx_tell_request(pdu);
	if (answered != NULL && answered->wait != NULL) {
		struct wait *w = answered->wait;
		answered->wait = NULL;
		judge_settle_all(j, w, pdu, e.verdict);
	}
	if (!j->o.forgetful)
		e.print = print_of(&j->prints, &e, answered);
	if (j->o.rules != NULL)
		rules_expect(j->o.rules, e.print);
	if (pdu->tx == TX_REQUEST)
		tx = open_request(j, f, &e);
	const struct tx *of = tx != NULL ? tx : answered;
	e.has_tx = of != NULL;
	e.tx_id = of == NULL ? 0 : of->id - 1;
	if (j->o.watchers != NULL && (pdu->tx == TX_REQUEST || pdu->tx == TX_REQUEST_SILENT))
		e.change = watchers_change(j->o.watchers, &e);
	judge_event(j, f, &e, tx, answered);
	if (j->o.watchers != NULL) {
		j->now = &e;
		watchers_pdu(j->o.watchers, &e);
		j->now = NULL;
	}
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

static void on_first_bytes(
	void *ctx, struct flow *f, unsigned from, struct stamp at, struct reader bytes)
{
	struct judge *j = ctx;
	if (watches(j, f))
		watchers_first_bytes(j->o.watchers, f, from, at, bytes);
}

static void on_content(
	void *ctx, struct flow *f, unsigned from, struct stamp at, const struct content *c)
{
	struct judge *j = ctx;
	if (watches(j, f))
		watchers_content(j->o.watchers, f, from, at, c);
}

static void on_stray(void *ctx, const struct packet *p)
{
	struct judge *j = ctx;
	if (j->o.watchers != NULL)
		watchers_stray(j->o.watchers, p);
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
		judge_settle_all(j, w, NULL, verdict_of_silence(f, tx->from, tx->blind, true));
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
		judge_settle_overdue(j, w);
	fold_tick(j->fold, now_ns);
}

void judge_finish(struct judge *j)
{
	struct wait *w;
	while ((w = wait_oldest(&j->waits)) != NULL)
		judge_settle_silent(j, w);
}

void judge_end(struct judge *j)
{
	judge_finish(j);
	fold_flush(j->fold);
	(void)prints_init(&j->prints); /* conversations of another capture may have the same ids */
}

void judge_rules(struct judge *j, struct rule_run *rules)
{
	judge_end(j);
	j->o.rules = rules;
	if (rules != NULL && j->o.watchers != NULL)
		watchers_rules(j->o.watchers);
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
		.first_bytes = on_first_bytes,
		.content = on_content,
		.stray = on_stray,
	};
	struct watch_out out = {
		.ctx = j, .observe = observed, .anomaly = said, .wants = wants, .keep = keep
	};
	if (o->watchers != NULL)
		watchers_out(o->watchers, &out);
	if (o->pdus != NULL)
		j->pdu_line = malloc(EVE_PDU_LINE + 1);
	if (!prints_init(&j->prints) || j->fold == NULL || j->anomalies == NULL ||
		j->memory == NULL || (o->pdus != NULL && j->pdu_line == NULL)) {
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
