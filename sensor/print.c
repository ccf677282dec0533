/* print.c - a keyed hash over what rules and watchers can see of a message. */
#include "sensor/print.h"

#include <sys/random.h>

#include "sensor/mix.h"

bool prints_init(struct prints *p)
{
	return getrandom(p->key, sizeof p->key, 0) == sizeof p->key;
}

/* Who says it to whom, in which direction, and what came of it. */
static uint64_t surroundings(const struct event *e)
{
	const struct flow *f = e->flow;
	uint64_t ways = (uint64_t)e->pdu->dir << 2 | (uint64_t)f->client << 1 | e->from;
	uint64_t verdict = (uint64_t)e->verdict.outcome << 1 | e->verdict.has_code;
	return f->id ^ ways << 51 ^ verdict << 55;
}

uint64_t print_of(const struct prints *p, const struct event *e, const struct tx *answered)
{
	const struct pdu *pdu = e->pdu;
	uint64_t request = answered == NULL ? 0 : answered->print;
	bool alone = pdu->tx == TX_REQUEST || pdu->tx == TX_REQUEST_SILENT;
	if (pdu->same.left == 0 || pdu->flags != 0 || (!alone && request == 0))
		return 0;
	uint64_t said = mix_bytes(p->key, pdu->same.at, pdu->same.left);
	uint64_t became = request ^ (uint32_t)e->verdict.code;
	return mix(said ^ became ^ p->key[2], surroundings(e) ^ p->key[3]) | 1;
}
