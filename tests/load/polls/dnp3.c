/* dnp3.c - a master reads the events of an outstation by DNP3 each second, class by class, and
 * everything at first and once a minute. Mostly there are none; what came must be confirmed. */
#include "tests/load/polls/poller.h"
#include <string.h>

enum { MASTER = 1, CONFIRM = 0, READ = 1, RESPONSE = 129, FIR_FIN = 0xc0, CON = 0x20 };
enum { CLASS_1, CLASS_2, CLASS_3, INTEGRITY, CONFIRMED, CLASSES = 3 }; /* questions */
enum { ANALOGS = 12, COUNTERS = 4, BINARIES = 16, ONLINE = 1, BLOCK = 16, APPLICATION_MAX = 512 };
enum { INTEGRITY_CYCLES = 60, ACKED = 16 }; /* @turn of a confirm: what it was, and this bit */

static void start(struct poller *p)
{
	for (unsigned i = 0; i < ANALOGS; i++)
		p->dnp3.analogs[i] = (int32_t)(5000 + poller_below(p, 5000));
	p->dnp3.binaries = (uint16_t)poller_below(p, 65536);
	p->dnp3.address = (uint16_t)(10 + poller_below(p, 200));
}

/* --- link and transport, IEEE 1815 9 and 8 ------------------------------------------------ */

static uint16_t crc_of_byte[256];

static void make_crc(void)
{
	for (unsigned n = 0; n < 256; n++) {
		uint16_t v = (uint16_t)n;
		for (unsigned bit = 0; bit < 8; bit++)
			v = (uint16_t)(v & 1 ? v >> 1 ^ 0xa6bc : v >> 1);
		crc_of_byte[n] = v;
	}
}

static void put_le(uint8_t *at, uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++, v >>= 8)
		at[i] = (uint8_t)v;
}

static uint8_t *put_block(uint8_t *to, const uint8_t *from, size_t n)
{
	uint16_t crc = 0;
	if (crc_of_byte[1] == 0)
		make_crc();
	for (size_t i = 0; i < n; i++)
		crc = (uint16_t)(crc >> 8 ^ crc_of_byte[(crc ^ from[i]) & 0xff]);
	memcpy(to, from, n);
	put_le(to + n, (uint16_t)~crc, 2);
	return to + n + 2;
}

/* A frame of one fragment of @n bytes, which fits. */
static size_t wrap(struct poller *p, bool there, const uint8_t *fragment, size_t n, uint8_t *out)
{
	uint8_t head[8] = { 0x05, 0x64, (uint8_t)(6 + n), there ? 0xc4 : 0x44 };
	uint8_t data[1 + APPLICATION_MAX], *sequence = there ? &p->dnp3.there : &p->dnp3.back;
	put_le(head + 4, there ? p->dnp3.address : MASTER, 2);
	put_le(head + 6, there ? MASTER : p->dnp3.address, 2);
	data[0] = FIR_FIN | (*sequence)++ % 64;
	memcpy(data + 1, fragment, n);
	uint8_t *at = put_block(out, head, sizeof head);
	for (size_t i = 0; i < n + 1; i += BLOCK)
		at = put_block(at, data + i, n + 1 - i < BLOCK ? n + 1 - i : BLOCK);
	return (size_t)(at - out);
}

/* --- the master --------------------------------------------------------------------------- */

/* Between two cycles something may have happened at the outstation. */
static void happen(struct poller *p)
{
	static const uint32_t odds[CLASSES] = { 30, 7, 120 }; /* one in so many cycles */
	for (unsigned i = 0; i < CLASSES; i++)
		if (poller_below(p, odds[i]) == 0)
			p->dnp3.waiting |= (uint8_t)(1u << i);
}

static size_t ask_confirm(struct poller *p, uint8_t *out)
{
	const uint8_t confirm[] = { FIR_FIN | p->dnp3.sequence, CONFIRM };
	p->turn &= ACKED - 1;
	p->silent = true;
	p->done = p->turn == 0;
	p->question = CONFIRMED;
	return wrap(p, true, confirm, sizeof confirm, out);
}

static size_t ask(struct poller *p, uint8_t out[POLLER_BYTES])
{
	static const uint8_t everything[] = { 60, 2, 6, 60, 3, 6, 60, 4, 6, 60, 1, 6 };
	if (p->turn & ACKED)
		return ask_confirm(p, out);
	if (p->turn == 0)
		happen(p);
	bool all = p->turn == 0 && p->dnp3.cycles++ % INTEGRITY_CYCLES == 0;
	p->question = all ? INTEGRITY : p->turn;
	p->turn = all || p->turn == CLASS_3 ? 0 : (uint8_t)(p->turn + 1);
	p->done = p->turn == 0;
	p->silent = false;
	p->dnp3.sequence = (uint8_t)((p->dnp3.sequence + 1) % 16);
	uint8_t fragment[14] = { FIR_FIN | p->dnp3.sequence, READ, 60, (uint8_t)(p->question + 2),
		6 };
	if (all)
		memcpy(fragment + 2, everything, sizeof everything);
	return wrap(p, true, fragment, all ? sizeof fragment : 5, out);
}

/* --- the outstation ----------------------------------------------------------------------- */

/* One event, behind a header with a count of one and an index of two bytes. */
static uint8_t *put_event(uint8_t *at, uint8_t group, uint8_t variation, uint32_t index)
{
	const uint8_t head[] = { group, variation, 0x28, 1, 0 };
	memcpy(at, head, sizeof head);
	put_le(at + 5, index, 2);
	return at + 7;
}

static uint8_t *put_events(struct poller *p, unsigned which, uint8_t *at)
{
	static const uint32_t points[CLASSES] = { BINARIES, ANALOGS, COUNTERS };
	uint32_t n = poller_below(p, points[which]);
	if (which == CLASS_1) {
		at = put_event(at, 2, 2, n);
		p->dnp3.binaries ^= (uint16_t)(1u << n);
		*at++ = (uint8_t)(ONLINE | (p->dnp3.binaries >> n & 1) << 7);
	} else if (which == CLASS_2) {
		at = put_event(at, 32, 3, n);
		p->dnp3.analogs[n] += (int32_t)poller_below(p, 101) - 50;
		*at++ = ONLINE;
		put_le(at, (uint32_t)p->dnp3.analogs[n], 4);
		at += 4;
	} else {
		at = put_event(at, 22, 5, n);
		*at++ = ONLINE;
		put_le(at, p->dnp3.counters[n] += 1, 4);
		at += 4;
	}
	put_le(at, p->now_us / 1000 - poller_below(p, 800), 6); /* ms since 1970 */
	return at + 6;
}

static uint8_t *put_range(uint8_t *at, uint8_t group, uint8_t variation, unsigned count)
{
	const uint8_t head[] = { group, variation, 0, 0, (uint8_t)(count - 1) };
	memcpy(at, head, sizeof head);
	return at + sizeof head;
}

static uint8_t *put_static(const struct poller *p, uint8_t *at)
{
	at = put_range(at, 1, 2, BINARIES);
	for (unsigned i = 0; i < BINARIES; i++)
		*at++ = (uint8_t)(ONLINE | (p->dnp3.binaries >> i & 1) << 7);
	at = put_range(at, 20, 1, COUNTERS);
	for (unsigned i = 0; i < COUNTERS; i++, at += 5) {
		at[0] = ONLINE;
		put_le(at + 1, p->dnp3.counters[i], 4);
	}
	at = put_range(at, 30, 1, ANALOGS);
	for (unsigned i = 0; i < ANALOGS; i++, at += 5) {
		at[0] = ONLINE;
		put_le(at + 1, (uint32_t)p->dnp3.analogs[i], 4);
	}
	return at;
}

static size_t answer(struct poller *p, uint8_t out[POLLER_BYTES])
{
	uint8_t fragment[APPLICATION_MAX], *at = fragment + 4;
	unsigned asked = p->question == INTEGRITY ? 7 : 1u << p->question;
	uint8_t told = (uint8_t)(p->dnp3.waiting & asked);
	for (unsigned i = 0; i < CLASSES; i++)
		if (told >> i & 1)
			at = put_events(p, i, at);
	if (p->question == INTEGRITY)
		at = put_static(p, at);
	p->dnp3.waiting &= (uint8_t)~told;
	if (told != 0) { /* and a confirm follows */
		p->turn |= ACKED;
		p->done = false;
	}
	fragment[0] = (uint8_t)(FIR_FIN | (told != 0 ? CON : 0) | p->dnp3.sequence);
	fragment[1] = RESPONSE;
	fragment[2] = (uint8_t)(p->dnp3.waiting << 1); /* IIN: events of these classes are here */
	fragment[3] = 0;
	size_t n = (size_t)(at - fragment);
	poller_content(p, fragment + 1, n - 1);
	return wrap(p, false, fragment, n, out);
}

const struct protocol polls_dnp3 = {
	.name = "dnp3",
	.port = 20000,
	.period_us = POLLER_SECOND,
	.start = start,
	.ask = ask,
	.answer = answer,
};
