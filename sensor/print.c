/* print.c - a keyed hash over what rules and watchers can see of a message. */
#include "sensor/print.h"

#include <sys/random.h>

#include "sensor/limiter.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

bool prints_init(struct prints *p)
{
	uint64_t random[4];
	if (getrandom(random, sizeof random, 0) != sizeof random)
		return false;
	p->seed = random[0];
	XXH3_generateSecret(p->secret, sizeof p->secret, random, sizeof random);
	return true;
}

/* Who says it to whom, in which direction, and what came of it. */
static uint64_t surroundings(const struct event *e)
{
	const struct flow *f = e->flow;
	uint64_t ways = (uint64_t)e->pdu->dir << 2 | (uint64_t)f->client << 1 | e->from;
	uint64_t verdict = (uint64_t)e->verdict.outcome << 1 | e->verdict.has_code;
	return key_mix(f->id ^ ways << 56, (uint64_t)(uint32_t)e->verdict.code << 8 | verdict);
}

uint64_t print_of(const struct prints *p, const struct event *e, const struct tx *answered)
{
	const struct pdu *pdu = e->pdu;
	uint64_t request = answered == NULL ? 0 : answered->print;
	bool alone = pdu->tx == TX_REQUEST || pdu->tx == TX_REQUEST_SILENT;
	if (pdu->same.left == 0 || pdu->flags != 0 || (!alone && request == 0))
		return 0;
	uint64_t said = XXH3_64bits_withSecretandSeed(
		pdu->same.at, pdu->same.left, p->secret, sizeof p->secret, p->seed);
	return key_mix(key_mix(said, surroundings(e)), request) | 1;
}
