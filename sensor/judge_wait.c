/* judge_wait.c - alerts are told, at once or with the verdict that they wait for. */
#include "sensor/judge_impl.h"

#include "sensor/changes.h"
#include "sensor/quiet.h"
#include "sensor/services.h"

#define LATE_NS (INT64_C(10) * 1000000000)

void judge_say(struct judge *j, const struct anomaly *a)
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

void judge_transaction(struct judge *j, const struct event *e)
{
	if (j->o.changes == NULL || changes_logs(j->o.changes, e))
		tell_transaction(j->o.tell, e);
}

bool judge_wants(struct judge *j, struct hit *hit, const struct event *e)
{
	if (is_quiet(hit->rule))
		return false;
	if (j->o.quiet == NULL || quiet_is_empty(j->o.quiet))
		return true;
	if (!quiet_tells(j->o.quiet, hit, e)) {
		j->o.counters->silenced++;
		return false;
	}
	hit->window = quiet_window_of(j->o.quiet, hit, e);
	j->o.counters->maintained += hit->window != NULL;
	return hit_level(hit) > LEVEL_INFORMATIONAL;
}

/* --- telling ----------------------------------------------------------------------------- */

uint64_t judge_tell(
	struct judge *j, const struct hit *hit, const struct event *e, const struct chain *chain)
{
	const struct occurrence o = { .hit = hit, .chain = chain, .event = e };
	uint64_t before = fold_evicted(j->fold), n = fold_alert(j->fold, &o);
	uint64_t lost = fold_evicted(j->fold) - before;
	if (lost > 0) {
		j->o.counters->alerts_evicted += lost;
		struct anomaly a = { .kind = ANOMALY_ALERTS_FULL, .at = e->at, .count = lost };
		judge_say(j, &a);
	}
	return n;
}

const struct chain *judge_chain(const struct judge *j, const struct hit *hit)
{
	return hit->chain == 0 ? NULL : &j->chain[hit->chain - 1];
}

size_t judge_correlated(
	struct judge *j, const struct hit *hit, const struct event *e, int64_t now_ns)
{
	uint64_t before = memory_evicted(j->memory);
	size_t n = correlate(j->memory, j->o.rules, hit, e, now_ns, j->found, HITS_MAX);
	uint64_t lost = memory_evicted(j->memory) - before;
	if (lost > 0) {
		j->o.counters->memory_evicted += lost;
		struct anomaly a = { .kind = ANOMALY_MEMORY_FULL, .at = e->at, .count = lost };
		judge_say(j, &a);
	}
	return n;
}

void judge_tell_correlated(
	struct judge *j, const struct hit *hit, const struct event *e, int64_t now_ns)
{
	size_t n = hit->rule->feeds ? judge_correlated(j, hit, e, now_ns) : 0;
	for (size_t i = 0; i < n; i++) {
		struct correlated *one = &j->found[i];
		if (judge_wants(j, &one->hit, e))
			judge_tell(j, &one->hit, e, &one->chain);
	}
}

/* The verdict is known: waiting alerts go out with it, those that went out get a verdict event. */
static void settle_hit(
	struct judge *j, struct waiting_hit *w, const struct event *e, int64_t now_ns)
{
	struct hit hit = w->hit;
	if (w->n != 0) {
		struct alert of = { .rule = hit.rule,
			.level = hit_level(&hit),
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
			judge_tell_correlated(j, &hit, e, now_ns);
		w->fed = true;
		if (!judge_wants(j, &hit, e)) {
			w->counted = true;
			return;
		}
	}
	w->counted = true;
	w->n = judge_tell(j, &hit, e, hit.chain == 0 ? NULL : &w->chain);
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
		.change = w->has_change ? &w->change : NULL,
		.has_tx = true,
		.tx_id = w->tx_id - 1,
	};
	int64_t now_ns = verdict.reply.frame != 0 ? verdict.reply.ts_ns : w->deadline_ns;
	for (size_t i = 0; i < w->hit_count; i++)
		settle_hit(j, &w->hits[i], &e, now_ns);
	if (w->transaction)
		judge_transaction(j, &e);
	w->transaction = false;
}

void judge_settle_all(
	struct judge *j, struct wait *first, const struct pdu *reply, struct verdict verdict)
{
	for (struct wait *next, *w = first; w != NULL; w = next) {
		next = w->beside;
		judge_settle(j, w, reply, verdict);
	}
}

/* The last word on a request. One that was called unanswered in time has had it, unless a reply
 * came. */
void judge_settle(struct judge *j, struct wait *w, const struct pdu *reply, struct verdict verdict)
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

static void tie(struct tx *tx, struct wait *w)
{
	struct wait **at = &tx->wait;
	while (*at != NULL)
		at = &(*at)->beside;
	*at = w;
}

static void untie(struct wait *w)
{
	struct tx *tx = tx_by_id(w->flow, w->tx_id);
	if (tx == NULL)
		return;
	struct wait **at = &tx->wait;
	while (*at != NULL && *at != w)
		at = &(*at)->beside;
	if (*at == w)
		*at = w->beside;
}

static void forget(struct judge *j, struct wait *w)
{
	untie(w);
	drop(j, w);
}

/* Nobody answered in time. The alerts say so; a reply that comes late still gets its verdict event.
 */
void judge_settle_overdue(struct judge *j, struct wait *w)
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

void judge_settle_silent(struct judge *j, struct wait *w)
{
	untie(w);
	judge_settle(j, w, NULL, verdict_of_silence(w->flow, w->from, w->blind, true));
}

/* Too many wait: the oldest goes out without its verdict. */
static void make_room(struct judge *j)
{
	if (j->waits.count < j->o.max_waiting)
		return;
	struct wait *w = wait_oldest(&j->waits);
	struct verdict v = {
		.outcome = VERDICT_UNOBSERVED,
		.text = "too many alerts waited for their verdict",
		.latency_ns = -1,
	};
	untie(w);
	if (!w->overdue)
		j->o.counters->alerts_waiting_full++;
	judge_settle(j, w, NULL, v);
}

/* Keeps the hits of an open request until its verdict; from HIGH up they are told at once,
 * unless they are repeats. False if there is no memory. */
bool judge_wait_for(
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
	const struct dissector *d = e->pdu->dissector;
	w->queue = judge_index(j, d->observed ? j->now->pdu->dissector : d);
	w->deadline_ns = e->at.ts_ns + (int64_t)j->o.reply_ms[w->queue] * 1000000;
	w->flow = f;
	w->tx_id = tx->id;
	w->blind = tx->blind;
	w->at = e->at;
	w->has_change = e->change != NULL;
	if (w->has_change)
		w->change = *e->change;
	w->from = e->from;
	w->transaction = judge_wants_transaction(j, e->pdu);
	for (size_t i = 0; i < count; i++) {
		struct hit *hit = &j->hits[i];
		w->hits[i].hit = *hit;
		if (hit->chain != 0)
			w->hits[i].chain = *judge_chain(j, hit);
		if (hit->later || hit_level(hit) < LEVEL_HIGH || fold_is_open(j->fold, hit, e))
			continue;
		w->hits[i].counted = true;
		w->hits[i].n = judge_tell(j, hit, e, judge_chain(j, hit));
	}
	tie(tx, w);
	wait_add(&j->waits, w);
	return true;
}
