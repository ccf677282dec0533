/* suppress.c - the key of ics.suppress.by. */
#include "sensor/suppress.h"

#include "sensor/limiter.h"

uint64_t suppress_key(const struct rule *rule, const struct event *e)
{
	const struct endpoint *src = &e->flow->end[e->from], *dst = &e->flow->end[!e->from];
	uint64_t key = key_mix(rule->sid, rule->suppress_by);
	if (rule->suppress_by & BY_SRC)
		key = key_mix_bytes(key, src->ip.bytes, sizeof src->ip.bytes);
	if (rule->suppress_by & BY_DST)
		key = key_mix_bytes(key, dst->ip.bytes, sizeof dst->ip.bytes);
	if (rule->suppress_by & BY_FLOW)
		key = key_mix(key, e->flow->id);
	if (rule->suppress_by & BY_UNIT)
		key = key_mix(key, pdu_unit(e->pdu));
	return key;
}
