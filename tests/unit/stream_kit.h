/* stream_kit.h - a toy protocol and hand-made packets, to watch what transport makes of them.
 * A toy message: B5, its length in bytes (4…255), its number (16 bits), anything.
 * It is surely one if an 'S' follows the number; otherwise it only may be. */
#ifndef TESTS_UNIT_STREAM_KIT_H
#define TESTS_UNIT_STREAM_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "sensor/transport.h"
#include "tests/unit/wire.h"

enum { TOY_PORT = 502, TOY_MAGIC = 0xb5, SEEN_MAX = 20000, ODD_PORT = 40999 };
enum { TOY_FINAL = 0xfffe };

struct toy_state {
	unsigned messages;
};

static unsigned toy_calls, toy_released, toy_lost;
static const struct field toy_fields[] = { { "toy.number", FIELD_UINT, NULL, "its number", NULL } };

static enum probe toy_probe(struct reader in, uint8_t l4, struct probe_hint *hint)
{
	(void)l4;
	(void)hint;
	if (in.left == 0)
		return PROBE_MORE;
	if (in.at[0] != TOY_MAGIC || (in.left > 1 && in.at[1] < 4))
		return PROBE_NO;
	if (in.left < 4)
		return PROBE_MORE;
	return in.left > 4 && in.at[4] == 'S' ? PROBE_SURE : PROBE_WEAK;
}

static enum outcome toy_dissect(struct reader *in, struct dissect *d, struct pdu *out)
{
	toy_calls++;
	out->dissector = NULL;
	if (in->left < 2) {
		d->need = 2;
		return DISSECT_MORE;
	}
	extern const struct dissector toy_dissector;
	uint8_t len = in->at[1];
	if (in->at[0] != TOY_MAGIC || len < 4) {
		out->dissector = &toy_dissector;
		return pdu_bad(out, "not a toy");
	}
	if (in->left < len) {
		d->need = len;
		return DISSECT_MORE;
	}
	struct reader m = rd_slice(in, len);
	rd_skip(&m, 2);
	out->dissector = &toy_dissector;
	out->name = "toy";
	out->code = rd_be16(&m);
	out->final = out->code == TOY_FINAL;
	pdu_uint(out, 0, (uint64_t)out->code);
	out->dir = d->dir == DIR_TO_SERVER ? PDU_REQ : PDU_RSP;
	((struct toy_state *)d->state)->messages++;
	return DISSECT_OK;
}

static size_t toy_resync(const uint8_t *bytes, size_t n, enum dir dir)
{
	(void)dir;
	for (size_t i = 1; i < n; i++)
		if (bytes[i] == TOY_MAGIC && (i + 1 == n || bytes[i + 1] >= 4))
			return i;
	return n;
}

static void toy_lose(struct dissect *d)
{
	(void)d;
	toy_lost++;
}

static void toy_release(void *state, struct pool *pool)
{
	(void)state;
	(void)pool;
	toy_released++;
}

static const struct port_hint toy_ports[] = { { L4_TCP, TOY_PORT }, { L4_UDP, TOY_PORT },
	{ 0, 0 } };
const struct dissector toy_dissector = {
	.name = "toy",
	.fields = toy_fields,
	.field_count = 1,
	.ports = toy_ports,
	.state_size = sizeof(struct toy_state),
	.probe = toy_probe,
	.dissect = toy_dissect,
	.resync = toy_resync,
	.lost = toy_lose,
	.release = toy_release,
};
static const struct dissector *const toys[] = { &toy_dissector, NULL };

struct seen_pdu {
	int32_t code;
	unsigned from;
	uint64_t frame;
	uint32_t flags;
	bool malformed;
	enum pdu_dir dir;
};

/* What transport told, and the knobs of the packets to come. */
struct kit {
	struct transport *t;
	struct transport_options o;
	struct counters counters;
	struct inspector inspector;
	struct seen_pdu pdus[SEEN_MAX];
	unsigned count;
	uint64_t anomalies[ANOMALY_KINDS], anomaly_count[ANOMALY_KINDS];
	const char *detail[ANOMALY_KINDS];
	unsigned started, ended;
	char why[64][16];
	uint64_t ids[64];
	bool client_sure;
	unsigned client;
	uint64_t frame;
	int64_t now_ns;
	uint16_t ip_id;
	uint16_t cport, sport; /* of the packets; [0] is the client */
};

static void kit_pdu(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *pdu)
{
	struct kit *k = ctx;
	assert_true(k->count < SEEN_MAX);
	k->client = f->client;
	k->client_sure = f->client_sure;
	k->pdus[k->count++] = (struct seen_pdu){ pdu->code, from, at.frame, pdu->flags,
		pdu->malformed != NULL, pdu->dir };
}

static void kit_anomaly(void *ctx, const struct anomaly *a)
{
	struct kit *k = ctx;
	k->anomalies[a->kind]++;
	k->anomaly_count[a->kind] += a->count;
	k->detail[a->kind] = a->detail;
}

static void kit_start(void *ctx, struct flow *f, struct stamp at)
{
	(void)at;
	struct kit *k = ctx;
	if (k->started < 64)
		k->ids[k->started] = f->id;
	k->started++;
}

static void kit_end(void *ctx, struct flow *f, const char *why)
{
	struct kit *k = ctx;
	(void)f;
	if (k->ended < 64)
		snprintf(k->why[k->ended], sizeof k->why[0], "%s", why);
	k->ended++;
}

static struct kit *kit_new(const struct transport_options *o)
{
	struct kit *k = calloc(1, sizeof *k);
	assert_non_null(k);
	if (o != NULL)
		k->o = *o;
	k->inspector = (struct inspector){ .ctx = k,
		.pdu = kit_pdu,
		.anomaly = kit_anomaly,
		.flow_start = kit_start,
		.flow_end = kit_end };
	k->o.counters = &k->counters;
	k->o.inspector = &k->inspector;
	if (k->o.dissectors == NULL)
		k->o.dissectors = toys;
	k->t = transport_new(&k->o);
	assert_non_null(k->t);
	k->now_ns = INT64_C(1700000000000000000);
	k->cport = 41000;
	k->sport = TOY_PORT;
	toy_calls = toy_released = toy_lost = 0;
	return k;
}

static void kit_finish(struct kit *k)
{
	if (k->t != NULL)
		transport_finish(k->t);
	transport_free(k->t);
	k->t = NULL;
}

static void kit_free(struct kit *k)
{
	kit_finish(k);
	free(k);
}

static struct packet kit_packet(struct kit *k, unsigned from, uint8_t l4)
{
	struct packet p = { .l4 = l4, .ttl = 64, .has_mac = true, .ip_id = ++k->ip_id };
	struct addr a = { .bytes = { [10] = 0xff, 0xff, 10, 0, 0, 1 }, .family = 4 }, b = a;
	b.bytes[15] = 2;
	p.src = from == 0 ? a : b;
	p.dst = from == 0 ? b : a;
	p.sport = from == 0 ? k->cport : k->sport;
	p.dport = from == 0 ? k->sport : k->cport;
	p.src_mac[5] = (uint8_t)(1 + from);
	p.dst_mac[5] = (uint8_t)(2 - from);
	p.at.frame = ++k->frame;
	k->now_ns += 1000000;
	p.at.ts_ns = k->now_ns;
	return p;
}

/* The payload lives in a block of its own size, gone after the call: nothing may be kept of it. */
static void kit_give(struct kit *k, struct packet *p, const void *bytes, size_t n)
{
	struct wire w = wire_copy(bytes, n);
	p->payload = w.bytes;
	p->payload_len = (uint32_t)n;
	if (p->payload_wire_len < n)
		p->payload_wire_len = (uint32_t)n;
	p->caplen = p->wirelen = 54 + p->payload_wire_len;
	transport_packet(k->t, p);
	memset(w.bytes, 0xee, n);
	free(w.bytes);
}

static void tcp_flags(struct kit *k, unsigned from, uint32_t seq, uint32_t ack, uint8_t flags,
	const void *bytes, size_t n)
{
	struct packet p = kit_packet(k, from, L4_TCP);
	p.seq = seq;
	p.ack = ack;
	p.tcp_flags = flags;
	kit_give(k, &p, bytes, n);
}

/* A segment that acknowledges nothing. */
static inline void tcp(struct kit *k, unsigned from, uint32_t seq, const void *bytes, size_t n)
{
	tcp_flags(k, from, seq, 0, 0, bytes, n);
}

static inline void udp(struct kit *k, unsigned from, const void *bytes, size_t n)
{
	struct packet p = kit_packet(k, from, L4_UDP);
	kit_give(k, &p, bytes, n);
}

/* Handshake: the client's first byte is seq 1001, the server's 5001. */
static inline void handshake(struct kit *k)
{
	tcp_flags(k, 0, 1000, 0, TCP_SYN, NULL, 0);
	tcp_flags(k, 1, 5000, 1001, TCP_SYN | TCP_ACK, NULL, 0);
	tcp_flags(k, 0, 1001, 5001, TCP_ACK, NULL, 0);
}

/* Appends toy message @number of @len bytes; returns the new end. */
static inline size_t toy(uint8_t *to, size_t at, unsigned number, unsigned len)
{
	to[at] = TOY_MAGIC;
	to[at + 1] = (uint8_t)len;
	to[at + 2] = (uint8_t)(number >> 8);
	to[at + 3] = (uint8_t)number;
	for (unsigned i = 4; i < len; i++)
		to[at + i] = i == 4 ? 'S' : (uint8_t)((number * 7 + i) & 0x7f);
	return at + len;
}

/* Ten messages of different length. */
static inline size_t ten(uint8_t *to)
{
	size_t n = 0;
	for (unsigned i = 0; i < 10; i++)
		n = toy(to, n, i + 1, 6 + i * 3);
	return n;
}

static inline uint32_t dice(uint32_t *x, uint32_t below)
{
	*x = *x * 1664525 + 1013904223;
	return (*x >> 8) % below;
}

/* Messages first…first+n-1 were told, each once, in order, none marked. */
static inline void expect_run(const struct kit *k, unsigned first, unsigned n)
{
	assert_int_equal(k->count, n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(k->pdus[i].code, first + i);
		assert_int_equal(k->pdus[i].flags, 0);
		assert_false(k->pdus[i].malformed);
	}
}

#endif
