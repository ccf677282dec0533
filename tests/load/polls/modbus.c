/* modbus.c - an HMI reads a PLC by Modbus/TCP each second: setpoints that change when an operator
 * writes one, analogs of which some move nearly each time, inputs and coils that switch now and
 * then. */
#include "tests/load/polls/poller.h"
#include <string.h>

enum { COILS = 1, INPUTS = 2, HOLDING = 3, INPUT_REGISTERS = 4, WRITE_ONE = 6, WRITE_MANY = 16 };
enum { SETPOINTS = 10, ANALOGS = 20, OPERATED = 2, UNIT = 1, HEAD = 7, MOVING = 6 };

static const struct {
	uint8_t function, count, first, bytes; /* @bytes of bits from @first, of a reply */
} reads[] = {
	{ HOLDING, SETPOINTS, 0, 0 },
	{ INPUT_REGISTERS, ANALOGS, 0, 0 },
	{ INPUTS, 32, 0, 4 },
	{ COILS, 16, 4, 2 },
};
enum { READS = sizeof reads / sizeof reads[0], WRITES = READS };

static void start(struct poller *p)
{
	p->modbus.many = poller_below(p, 2) == 0;
	for (unsigned i = 0; i < SETPOINTS; i++)
		p->modbus.setpoints[i] = (uint16_t)(200 + poller_below(p, 800));
	for (unsigned i = 0; i < ANALOGS; i++)
		p->modbus.analogs[i] = (uint16_t)(1000 + poller_below(p, 2000));
	for (unsigned i = 0; i < sizeof p->modbus.bits; i++)
		p->modbus.bits[i] = (uint8_t)poller_below(p, 256);
}

static size_t head(struct poller *p, uint8_t *out, size_t n)
{
	put16(out, p->modbus.transaction);
	put16(out + 2, 0);
	put16(out + 4, (uint32_t)n + 1);
	out[6] = UNIT;
	return HEAD + n;
}

/* The operator's setpoint, or that and the next. */
static size_t ask_write(struct poller *p, uint8_t *out)
{
	p->modbus.value = (uint16_t)(200 + poller_below(p, 800));
	p->question = WRITES;
	out[HEAD] = p->modbus.many ? WRITE_MANY : WRITE_ONE;
	put16(out + HEAD + 1, OPERATED);
	put16(out + HEAD + 3, p->modbus.many ? 2 : p->modbus.value);
	if (!p->modbus.many)
		return head(p, out, 5);
	out[HEAD + 5] = 4;
	put16(out + HEAD + 6, p->modbus.value);
	put16(out + HEAD + 8, p->modbus.setpoints[OPERATED + 1]);
	return head(p, out, 10);
}

static size_t ask(struct poller *p, uint8_t out[POLLER_BYTES])
{
	uint8_t n = p->turn;
	p->modbus.transaction++;
	p->done = n == READS || (n == READS - 1 && !poller_writes(p));
	p->turn = p->done ? 0 : (uint8_t)(n + 1);
	if (n == READS)
		return ask_write(p, out);
	p->question = n;
	out[HEAD] = reads[n].function;
	put16(out + HEAD + 1, 0);
	put16(out + HEAD + 3, reads[n].count);
	return head(p, out, 5);
}

/* A few analogs move all the time, the others now and then; none leaves 500 to 4000. */
static void move_analogs(struct poller *p)
{
	for (unsigned i = 0; i < ANALOGS; i++) {
		uint16_t *v = &p->modbus.analogs[i];
		if (i >= MOVING && poller_below(p, 16) != 0)
			continue;
		uint32_t up = 3 + (*v < 1000), down = 3 + (*v > 3000);
		*v = (uint16_t)(*v + poller_below(p, 2 * up + 1) - poller_below(p, 2 * down + 1));
	}
}

static size_t answer_words(const uint16_t *words, unsigned count, uint8_t *out)
{
	out[1] = (uint8_t)(2 * count);
	for (unsigned i = 0; i < count; i++)
		put16(out + 2 + 2 * i, words[i]);
	return 2 + 2 * (size_t)count;
}

static size_t answer_bits(struct poller *p, uint8_t *out)
{
	const uint8_t n = p->question, bytes = reads[n].bytes;
	uint8_t *bits = p->modbus.bits + reads[n].first;
	if (poller_below(p, n == 2 ? 12 : 40) == 0) {
		uint32_t bit = poller_below(p, 8u * bytes);
		bits[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	out[1] = bytes;
	memcpy(out + 2, bits, bytes);
	return 2 + (size_t)bytes;
}

static size_t answer_write(struct poller *p, uint8_t *out)
{
	p->modbus.setpoints[OPERATED] = p->modbus.value;
	out[0] = p->modbus.many ? WRITE_MANY : WRITE_ONE;
	put16(out + 1, OPERATED);
	put16(out + 3, p->modbus.many ? 2 : p->modbus.value);
	return 5;
}

static size_t answer(struct poller *p, uint8_t out[POLLER_BYTES])
{
	uint8_t n = p->question, *pdu = out + HEAD;
	size_t bytes;
	pdu[0] = n < READS ? reads[n].function : 0;
	if (n == 1)
		move_analogs(p);
	if (n == WRITES)
		bytes = answer_write(p, pdu);
	else if (n == 0)
		bytes = answer_words(p->modbus.setpoints, SETPOINTS, pdu);
	else if (n == 1)
		bytes = answer_words(p->modbus.analogs, ANALOGS, pdu);
	else
		bytes = answer_bits(p, pdu);
	poller_content(p, pdu, bytes);
	return head(p, out, bytes);
}

const struct protocol polls_modbus = {
	.name = "modbus",
	.port = 502,
	.period_us = POLLER_SECOND,
	.start = start,
	.ask = ask,
	.answer = answer,
};
