/* ways.c - messages by direction, a minute at a time. */
#include "sensor/ways.h"

/* A direction may be missing because its checksums are off-loaded: that has a hint of its own. */
static bool sums_lost(const struct counters *c, uint64_t pdus)
{
	return c->bad_ip_sum + c->bad_l4_sum > pdus / 4;
}

bool ways_look(struct ways *w, const struct counters *c, uint32_t least, const struct event *e,
	struct anomaly *out)
{
	const struct flow *f = e->flow;
	if (least == 0 || f->l4 != L4_TCP || e->pdu->tx == TX_NONE || e->pdu->dissector->office)
		return false;
	if (e->at.ts_ns - w->since_ns > WAYS_WINDOW_NS) {
		w->since_ns = e->at.ts_ns;
		w->pdus[0] = w->pdus[1] = 0;
	}
	w->pdus[e->from != f->client]++;
	uint64_t most = w->pdus[0] + w->pdus[1];
	w->both = w->pdus[0] > 0 && w->pdus[1] > 0;
	if (w->both) {
		w->told = false;
		return false;
	}
	if (most < least || w->told || sums_lost(c, most))
		return false;
	w->told = true;
	*out = (struct anomaly){
		.kind = ANOMALY_ONE_WAY,
		.at = e->at,
		.count = most,
		.detail = w->pdus[0] > 0 ? "no replies are seen" : "no requests are seen",
	};
	return true;
}
