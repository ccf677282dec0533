/* poller.c - what pollers of every protocol need: chance, and the hash of what they said. */
#include "tests/load/polls/poller.h"

enum { FIRST_WRITE = 300, WRITES_APART = 1200 }; /* seconds, at most; half of it as a rule */

uint64_t poller_draw(uint64_t *random)
{
	uint64_t v = *random += UINT64_C(0x9e3779b97f4a7c15);
	v = (v ^ v >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	v = (v ^ v >> 27) * UINT64_C(0x94d049bb133111eb);
	return v ^ v >> 31;
}

uint32_t poller_below(struct poller *p, uint32_t bound)
{
	return (uint32_t)((poller_draw(&p->random) >> 32) * bound >> 32);
}

void poller_content(struct poller *p, const uint8_t *bytes, size_t n)
{
	p->content = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
	for (size_t i = 0; i < n; i++)
		p->content = (p->content ^ bytes[i]) * UINT64_C(0x100000001b3);
}

bool poller_writes(struct poller *p)
{
	bool first = p->write_us == 0;
	if (p->now_us < p->write_us)
		return false;
	uint64_t wait = 1 + poller_below(p, first ? FIRST_WRITE : WRITES_APART);
	p->write_us = p->now_us + wait * POLLER_SECOND;
	return !first;
}
