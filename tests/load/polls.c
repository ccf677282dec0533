/* polls.c - plants that are polled on and on over long-lived connections, as one pcap stream on
 * stdout: what a mirror port of real plants shows nearly all of the time.
 *
 * usage: polls PACKETS PLANTS [SEED]
 *
 * Each plant has a PLC that an HMI polls by Modbus/TCP, one that a server polls by S7comm and an
 * RTU that a master polls by DNP3, each over one connection. The same SEED gives the same run; one
 * of fewer packets is the beginning of one of more. What a reader must find in it goes to stderr,
 * as JSON. polls/README.md says how it compares with captures of real plants. */
#include "tests/load/polls/poller.h"
#include <stdio.h>
#include <stdlib.h>

enum { MS = 1000, SECOND = POLLER_SECOND, FRAME_MIN = 60, IP_AT = 14, TCP_AT = 34, MSS = 1460 };
enum { SYN = 2, PUSH = 8, ACK = 16, CLIENT_WINDOW = 64240, SERVER_WINDOW = 8192 };
enum { OPENS_WITHIN = 4 * SECOND, DELAYED_ACK = 40 * MS, ACK_SPREAD = 160 * MS };
enum { SLOW_EVERY = 3, KINDS = 8 }; /* plants, of which the last is slow; kinds of questions */

enum step { SENDS_SYN, SENDS_SYN_ACK, OPENS, ASKS, SERVER_ACKS, ANSWERS, CLIENT_ACKS };

struct connection {
	struct poller poller;
	const struct protocol *protocol;
	struct tally *tally;
	uint64_t at_us; /* when its next packet goes */
	enum step step; /* and which it is */
	uint64_t ask_us, answer_us, cycle_us;
	uint32_t client, server, client_seq, server_seq, client_id, server_id;
	uint16_t port;
	bool slow;
	uint64_t said[KINDS]; /* content of the last answer to each question, 0 before the first */
};

struct tally {
	uint64_t packets, messages, again, same; /* @again: answers to what was asked before */
};

static const struct protocol *const protocols[] = { &polls_modbus, &polls_s7comm, &polls_dnp3 };
enum { PROTOCOLS = sizeof protocols / sizeof protocols[0] };

static struct tally tallies[PROTOCOLS];
static struct connection *connections, **heap; /* the next to speak first */
static size_t count;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "polls: %s\n", what);
	exit(2);
}

/* --- packets ------------------------------------------------------------------------------ */

static uint32_t sum(const uint8_t *at, size_t n, uint32_t start)
{
	for (; n > 1; n -= 2, at += 2)
		start += (uint32_t)at[0] << 8 | at[1];
	return n == 0 ? start : start + ((uint32_t)at[0] << 8);
}

static uint16_t fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void put_mac(uint8_t *at, uint32_t address)
{
	put16(at, 0x0200);
	put32(at + 2, address);
}

static void put_ip(uint8_t *ip, uint32_t src, uint32_t dst, size_t n, uint32_t id)
{
	put16(ip, 0x4500);
	put16(ip + 2, (uint32_t)n);
	put16(ip + 4, id);
	put16(ip + 6, 0x4000);
	put16(ip + 8, 128 << 8 | 6);
	put16(ip + 10, 0);
	put32(ip + 12, src);
	put32(ip + 16, dst);
	put16(ip + 10, fold(sum(ip, 20, 0)));
}

static void write_out(const void *bytes, size_t n)
{
	if (fwrite(bytes, 1, n, stdout) != n)
		exit(1);
}

static void write_frame(const uint8_t *frame, size_t n, uint64_t us)
{
	n = n < FRAME_MIN ? FRAME_MIN : n; /* as Ethernet does */
	uint32_t bytes = (uint32_t)n;
	uint32_t head[4] = { (uint32_t)(us / SECOND), (uint32_t)(us % SECOND), bytes, bytes };
	write_out(head, sizeof head);
	write_out(frame, n);
}

/* One end of @c sends its TCP header, of @options words, and what follows it in @frame. */
static void send_tcp(struct connection *c, bool client, uint16_t flags, uint8_t *frame, size_t n)
{
	uint32_t src = client ? c->client : c->server, dst = client ? c->server : c->client;
	uint32_t *seq = client ? &c->client_seq : &c->server_seq;
	uint32_t ack = client ? c->server_seq : c->client_seq;
	uint16_t port = c->protocol->port, words = flags & SYN ? 6 : 5;
	uint8_t *tcp = frame + TCP_AT;
	size_t l4 = 4u * words + n;
	put_mac(frame, dst);
	put_mac(frame + 6, src);
	put16(frame + 12, 0x0800);
	put_ip(frame + IP_AT, src, dst, 20 + l4, client ? c->client_id++ : c->server_id++);
	put16(tcp, client ? c->port : port);
	put16(tcp + 2, client ? port : c->port);
	put32(tcp + 4, *seq);
	put32(tcp + 8, flags & ACK ? ack : 0);
	put16(tcp + 12, (uint32_t)words << 12 | flags);
	put16(tcp + 14, client ? CLIENT_WINDOW : SERVER_WINDOW);
	put32(tcp + 16, 0);
	if (flags & SYN)
		put32(tcp + 20, 2 << 24 | 4 << 16 | MSS);
	put16(tcp + 16, fold(sum(tcp, l4, sum(frame + IP_AT + 12, 8, 6 + (uint32_t)l4))));
	write_frame(frame, TCP_AT + l4, c->at_us);
	*seq += (uint32_t)n + (flags & SYN ? 1 : 0);
	c->tally->packets++;
}

static void send_bare(struct connection *c, bool client, uint16_t flags)
{
	uint8_t frame[FRAME_MIN] = { 0 };
	send_tcp(c, client, flags, frame, 0);
}

/* --- a connection, packet by packet ------------------------------------------------------- */

static uint64_t between(struct connection *c, uint32_t from_us, uint32_t to_us)
{
	return from_us + poller_below(&c->poller, to_us - from_us);
}

static void then(struct connection *c, enum step step, uint64_t at_us)
{
	c->step = step;
	c->at_us = at_us;
}

/* When the client asks next: at once, after a pause where the way is slow, or in the next cycle. */
static void plan_ask(struct connection *c)
{
	if (c->poller.done) {
		c->cycle_us += c->protocol->period_us;
		c->ask_us = c->cycle_us + between(c, 0, 2 * MS);
	} else if (c->slow) {
		c->ask_us = c->at_us + c->protocol->period_us / 5;
	} else {
		c->ask_us = c->at_us + between(c, 300, 2 * MS);
	}
	if (c->ask_us <= c->at_us)
		c->ask_us = c->at_us + 1;
}

static void ask(struct connection *c)
{
	uint8_t frame[TCP_AT + 20 + POLLER_BYTES] = { 0 };
	struct poller *p = &c->poller;
	p->now_us = c->at_us;
	p->silent = false;
	send_tcp(c, true, PUSH | ACK, frame, c->protocol->ask(p, frame + TCP_AT + 20));
	c->tally->messages++;
	if (p->silent)
		plan_ask(c);
	c->answer_us =
		c->at_us + (c->slow ? between(c, 45 * MS, 90 * MS) : between(c, 2 * MS, 15 * MS));
	uint64_t speaks_us = p->silent ? c->ask_us : c->answer_us;
	if (speaks_us > c->at_us + DELAYED_ACK)
		then(c, SERVER_ACKS, c->at_us + DELAYED_ACK);
	else
		then(c, p->silent ? ASKS : ANSWERS, speaks_us);
}

static void compare(struct connection *c)
{
	uint64_t *said = &c->said[c->poller.question];
	bool again = *said != 0;
	c->tally->again += again;
	c->tally->same += again && *said == c->poller.content;
	*said = c->poller.content;
}

static void answer(struct connection *c)
{
	uint8_t frame[TCP_AT + 20 + POLLER_BYTES] = { 0 };
	struct poller *p = &c->poller;
	send_tcp(c, false, PUSH | ACK, frame, c->protocol->answer(p, frame + TCP_AT + 20));
	c->tally->messages++;
	compare(c);
	plan_ask(c);
	uint64_t ack_us = c->at_us + between(c, DELAYED_ACK, DELAYED_ACK + ACK_SPREAD);
	if (ack_us < c->ask_us)
		then(c, CLIENT_ACKS, ack_us);
	else
		then(c, ASKS, c->ask_us);
}

static void go_on(struct connection *c)
{
	switch (c->step) {
	case SENDS_SYN:
		send_bare(c, true, SYN);
		then(c, SENDS_SYN_ACK, c->at_us + 400);
		break;
	case SENDS_SYN_ACK:
		send_bare(c, false, SYN | ACK);
		then(c, OPENS, c->at_us + 200);
		break;
	case OPENS:
		send_bare(c, true, ACK);
		then(c, ASKS, c->cycle_us = c->at_us + MS);
		break;
	case ASKS:
		ask(c);
		break;
	case SERVER_ACKS:
		send_bare(c, false, ACK);
		if (c->poller.silent)
			then(c, ASKS, c->ask_us);
		else
			then(c, ANSWERS, c->answer_us);
		break;
	case ANSWERS:
		answer(c);
		break;
	case CLIENT_ACKS:
		send_bare(c, true, ACK);
		then(c, ASKS, c->ask_us);
		break;
	}
}

/* --- all of them, in the order of time ---------------------------------------------------- */

static bool earlier(const struct connection *a, const struct connection *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a < b;
}

/* Puts heap[@i] below those that come before it. */
static void sift(size_t i)
{
	struct connection *c = heap[i];
	for (size_t low; (low = 2 * i + 1) < count; i = low) {
		if (low + 1 < count && earlier(heap[low + 1], heap[low]))
			low++;
		if (!earlier(heap[low], c))
			break;
		heap[i] = heap[low];
	}
	heap[i] = c;
}

static void start(struct connection *c, uint32_t i, uint64_t random)
{
	uint32_t plant = i / PROTOCOLS, k = i % PROTOCOLS;
	uint32_t net = UINT32_C(0x0a140000) + (plant << 8); /* 10.20.0.0/24 and on */
	poller_draw(&random);
	c->poller.random = random ^ poller_draw(&random) << 1;
	c->protocol = protocols[k];
	c->tally = &tallies[k];
	c->client = net + 2 + k;
	c->server = net + 10 * (k + 1);
	c->port = (uint16_t)(49152 + poller_below(&c->poller, 16384));
	c->client_seq = (uint32_t)poller_draw(&c->poller.random);
	c->server_seq = (uint32_t)poller_draw(&c->poller.random);
	c->client_id = poller_below(&c->poller, 65536);
	c->server_id = poller_below(&c->poller, 65536);
	c->slow = plant % SLOW_EVERY == SLOW_EVERY - 1;
	c->protocol->start(&c->poller);
	uint64_t began_us = UINT64_C(1772438400) * SECOND; /* 2026-03-02 08:00 UTC */
	then(c, SENDS_SYN, began_us + poller_below(&c->poller, OPENS_WITHIN));
}

static void start_all(uint32_t plants, uint64_t seed)
{
	count = (size_t)plants * PROTOCOLS;
	connections = calloc(count, sizeof *connections);
	heap = calloc(count, sizeof(struct connection *));
	if (connections == NULL || heap == NULL)
		fail("out of memory");
	for (size_t i = 0; i < count; i++) {
		start(&connections[i], (uint32_t)i, seed << 32 | i);
		heap[i] = &connections[i];
	}
	for (size_t i = count / 2; i > 0; i--)
		sift(i - 1);
}

static void report(uint32_t plants, uint64_t packets)
{
	fprintf(stderr, "{\"packets\":%llu,\"plants\":%u", (unsigned long long)packets, plants);
	for (size_t k = 0; k < PROTOCOLS; k++) {
		const struct tally *t = &tallies[k];
		fprintf(stderr,
			",\"%s\":{\"packets\":%llu,\"messages\":%llu,\"again\":%llu,\"same\":%llu}",
			protocols[k]->name, (unsigned long long)t->packets,
			(unsigned long long)t->messages, (unsigned long long)t->again,
			(unsigned long long)t->same);
	}
	fprintf(stderr, "}\n");
}

int main(int argc, char **argv)
{
	static char room[1 << 20];
	if (argc < 3 || argc > 4)
		fail("usage: polls PACKETS PLANTS [SEED]");
	uint64_t packets = strtoull(argv[1], NULL, 10);
	unsigned long plants = strtoul(argv[2], NULL, 10);
	if (plants == 0 || plants > 60000)
		fail("PLANTS is 1 to 60000");
	uint32_t head[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1 };
	setvbuf(stdout, room, _IOFBF, sizeof room);
	write_out(head, sizeof head);
	start_all((uint32_t)plants, argc == 4 ? strtoull(argv[3], NULL, 10) : 1);
	for (uint64_t n = 0; n < packets; n++) {
		go_on(heap[0]);
		sift(0);
	}
	report((uint32_t)plants, packets);
	return fflush(stdout) == 0 ? 0 : 1;
}
