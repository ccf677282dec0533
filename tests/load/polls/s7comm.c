/* s7comm.c - a SCADA server reads a PLC by S7comm twice a second: a few items of a data block, of
 * markers and of inputs in one job, a block of reals in another. Rarely it writes a setpoint. */
#include "tests/load/polls/poller.h"
#include <string.h>

enum { JOB = 1, ACK_DATA = 3, SETUP = 0xf0, READ_VAR = 4, WRITE_VAR = 5 };
enum { CONNECT, SET_UP, READ_ITEMS, READ_BLOCK, WRITE_SETPOINT }; /* questions */
enum { INPUTS = 0x81, OUTPUTS = 0x82, MARKERS = 0x83, DB = 0x84, BYTE = 2, ITEM_BYTES = 12 };
enum { REALS = 16, COTP_AT = 4, S7_AT = 7, DATA_BITS = 4, GOOD = 0xff, TAKEN = 240 };

struct item {
	uint8_t area, bytes;
	uint16_t db, at; /* @at: bytes */
};

static const struct item items[] = {
	{ DB, 4, 10, 0 },
	{ DB, 2, 10, 4 },
	{ DB, 2, 10, 6 },
	{ MARKERS, 4, 0, 10 },
	{ INPUTS, 1, 0, 0 },
	{ OUTPUTS, 1, 0, 0 },
};
static const struct item block = { DB, REALS * 4, 20, 0 };
static const struct item setpoint = { DB, 4, 10, 0 };
enum { ITEMS = sizeof items / sizeof items[0] };

/* RFC 905 and RFC 1006: as an operator station to slot 2 of rack 0; and the PLC's yes. */
static const uint8_t connect[] = { 3, 0, 0, 22, 17, 0xe0, 0, 0, 0, 1, 0, 0xc0, 1, 10, 0xc1, 2, 2, 0,
	0xc2, 2, 2, 2 };
static const uint8_t confirm[] = { 3, 0, 0, 22, 17, 0xd0, 0, 1, 0, 12, 0, 0xc0, 1, 10, 0xc1, 2, 2,
	0, 0xc2, 2, 2, 2 };

static void start(struct poller *p)
{
	for (unsigned i = 0; i < REALS; i++)
		p->s7comm.reals[i] = 20.0f + (float)poller_below(p, 600) / 10.0f;
	for (unsigned i = 0; i < 4; i++)
		p->s7comm.words[i] = (uint16_t)(100 + poller_below(p, 400));
	p->s7comm.setpoint = 50.0f;
}

static void put_real(uint8_t *at, float v)
{
	uint32_t bits;
	memcpy(&bits, &v, sizeof bits);
	put32(at, bits);
}

static size_t put_item(uint8_t *at, const struct item *i)
{
	const uint8_t head[] = { 0x12, 10, 0x10, BYTE, 0, i->bytes };
	memcpy(at, head, sizeof head);
	put16(at + 6, i->db);
	put32(at + 8, (uint32_t)i->at << 3); /* as bits; the area over its highest byte */
	at[8] = i->area;
	return ITEM_BYTES;
}

/* One value in a reply or a write; @more follow it: it fills an even number of bytes. */
static size_t put_data(uint8_t *at, uint8_t code, const void *bytes, size_t n, bool more)
{
	at[0] = code;
	at[1] = DATA_BITS;
	put16(at + 2, (uint32_t)n * 8);
	memcpy(at + 4, bytes, n);
	if (more && n % 2 == 1)
		at[4 + n++] = 0;
	return 4 + n;
}

/* TPKT, COTP and the head of a message; its parameter and its data are there already. */
static size_t wrap(struct poller *p, uint8_t *out, uint8_t kind, size_t parameter, size_t data)
{
	size_t s7 = (kind == JOB ? 10 : 12) + parameter + data, all = S7_AT + s7;
	const uint8_t cotp[] = { 2, 0xf0, 0x80 };
	put16(out, 0x0300);
	put16(out + 2, (uint32_t)all);
	memcpy(out + COTP_AT, cotp, sizeof cotp);
	out[S7_AT] = 0x32;
	out[S7_AT + 1] = kind;
	put16(out + S7_AT + 2, 0);
	put16(out + S7_AT + 4, p->s7comm.reference);
	put16(out + S7_AT + 6, (uint32_t)parameter);
	put16(out + S7_AT + 8, (uint32_t)data);
	if (kind == ACK_DATA)
		put16(out + S7_AT + 10, 0);
	return all;
}

/* --- requests ----------------------------------------------------------------------------- */

static size_t put_setup(uint8_t *at, uint32_t longest)
{
	const uint8_t setup[] = { SETUP, 0, 0, 1, 0, 1 };
	memcpy(at, setup, sizeof setup);
	put16(at + 6, longest);
	return 8;
}

static size_t ask_items(struct poller *p, uint8_t *out, const struct item *list, uint8_t n)
{
	uint8_t *at = out + S7_AT + 10;
	size_t bytes = 2;
	at[0] = READ_VAR;
	at[1] = n;
	for (unsigned i = 0; i < n; i++)
		bytes += put_item(at + bytes, &list[i]);
	return wrap(p, out, JOB, bytes, 0);
}

static size_t ask_write(struct poller *p, uint8_t *out)
{
	uint8_t *at = out + S7_AT + 10, value[4];
	p->s7comm.setpoint = 30.0f + (float)poller_below(p, 400) / 10.0f;
	put_real(value, p->s7comm.setpoint);
	at[0] = WRITE_VAR;
	at[1] = 1;
	size_t parameter = 2 + put_item(at + 2, &setpoint);
	size_t data = put_data(at + parameter, 0, value, sizeof value, false);
	return wrap(p, out, JOB, parameter, data);
}

static size_t ask(struct poller *p, uint8_t out[POLLER_BYTES])
{
	if (p->s7comm.stage <= SET_UP)
		p->question = p->s7comm.stage++;
	else
		p->question = (uint8_t)(READ_ITEMS + p->turn);
	p->done = p->question == WRITE_SETPOINT || (p->question == READ_BLOCK && !poller_writes(p));
	if (p->question >= READ_ITEMS)
		p->turn = p->done ? 0 : (uint8_t)(p->turn + 1);
	p->s7comm.reference++;
	switch (p->question) {
	case CONNECT:
		memcpy(out, connect, sizeof connect);
		return sizeof connect;
	case SET_UP:
		return wrap(p, out, JOB, put_setup(out + S7_AT + 10, 480), 0);
	case READ_ITEMS:
		return ask_items(p, out, items, ITEMS);
	case READ_BLOCK:
		return ask_items(p, out, &block, 1);
	default:
		return ask_write(p, out);
	}
}

/* --- replies ------------------------------------------------------------------------------ */

/* The few items: a setpoint, two counts that grow by and by, markers, inputs and outputs. */
static size_t put_items(struct poller *p, uint8_t *at)
{
	uint8_t value[4];
	size_t bytes = 0;
	p->s7comm.words[0] = (uint16_t)(p->s7comm.words[0] + (poller_below(p, 4) == 0));
	p->s7comm.words[1] = (uint16_t)(p->s7comm.words[1] + (poller_below(p, 20) == 0));
	if (poller_below(p, 30) == 0)
		p->s7comm.bits[0] ^= (uint8_t)(1u << poller_below(p, 8));
	put_real(value, p->s7comm.setpoint);
	bytes += put_data(at + bytes, GOOD, value, 4, true);
	put16(value, p->s7comm.words[0]);
	bytes += put_data(at + bytes, GOOD, value, 2, true);
	put16(value, p->s7comm.words[1]);
	bytes += put_data(at + bytes, GOOD, value, 2, true);
	put16(value, p->s7comm.words[2]);
	put16(value + 2, p->s7comm.words[3]);
	bytes += put_data(at + bytes, GOOD, value, 4, true);
	bytes += put_data(at + bytes, GOOD, &p->s7comm.bits[0], 1, true);
	return bytes + put_data(at + bytes, GOOD, &p->s7comm.bits[1], 1, false);
}

/* Every second real moves by tenths, within 0 to 100. */
static size_t put_block(struct poller *p, uint8_t *at)
{
	uint8_t value[REALS * 4];
	for (unsigned i = 0; i < REALS; i++) {
		float *v = &p->s7comm.reals[i], by = (float)poller_below(p, 11) / 10.0f - 0.5f;
		if (i % 2 == 0 && *v + by > 0.0f && *v + by < 100.0f)
			*v += by;
		put_real(value + 4 * (size_t)i, *v);
	}
	return put_data(at, GOOD, value, sizeof value, false);
}

static size_t answer(struct poller *p, uint8_t out[POLLER_BYTES])
{
	uint8_t *at = out + S7_AT + 12;
	size_t parameter = 2, data = 0;
	if (p->question == CONNECT) {
		memcpy(out, confirm, sizeof confirm);
		return sizeof confirm;
	}
	at[0] = p->question == WRITE_SETPOINT ? WRITE_VAR : READ_VAR;
	at[1] = p->question == READ_ITEMS ? ITEMS : 1;
	if (p->question == SET_UP)
		parameter = put_setup(at, TAKEN);
	else if (p->question == READ_ITEMS)
		data = put_items(p, at + 2);
	else if (p->question == READ_BLOCK)
		data = put_block(p, at + 2);
	else
		at[2 + data++] = GOOD;
	poller_content(p, at, parameter + data);
	return wrap(p, out, ACK_DATA, parameter, data);
}

const struct protocol polls_s7comm = {
	.name = "s7comm",
	.port = 102,
	.period_us = POLLER_SECOND / 2,
	.start = start,
	.ask = ask,
	.answer = answer,
};
