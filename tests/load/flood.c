/* flood.c - a plant, and a million strangers: what a flood of states looks like on a mirror port,
 * as one pcap stream on stdout.
 *
 * usage: flood STRANGERS
 *
 * PLANT sessions of a master are opened, polled all the time, and write once before and once after
 * the flood. Each stranger comes with an address and a MAC of its own and sends one frame: a SYN to
 * some port, a Modbus read on a flow of its own, a Modbus write, a datagram, an ARP announcement,
 * or the first fragment of a datagram. */
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLANT = 50, POLL_EVERY = 20, FRAME_MAX = 128, IP_AT = 14, L4_AT = 34 };
enum { FIN = 1, SYN = 2, PUSH = 8, ACK = 16 };

/* 10.1.0.1 is the master, 10.1.1.n are the controllers; strangers are from 11.0.0.0 on. */
#define MASTER        UINT32_C(0x0a010001)
#define CONTROLLER(n) (UINT32_C(0x0a010100) + 1 + (n))
#define STRANGER(n)   (UINT32_C(0x0b000000) + (n))

struct session {
	uint32_t seq, ack;
	uint16_t transaction;
};

static struct session sessions[PLANT];
static uint64_t now_us = UINT64_C(1772438400000000);
static uint8_t frame[FRAME_MAX];

static void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v & 0xffff);
}

static uint32_t sum(const uint8_t *at, size_t n, uint32_t start)
{
	for (size_t i = 0; i < n; i++)
		start += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	return start;
}

static uint16_t fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void write_out(const void *bytes, size_t n)
{
	if (fwrite(bytes, 1, n, stdout) != n)
		exit(1);
}

static void send_frame(size_t n)
{
	uint32_t head[4] = { (uint32_t)(now_us / 1000000), (uint32_t)(now_us % 1000000),
		(uint32_t)n, (uint32_t)n };
	write_out(head, sizeof head);
	write_out(frame, n);
	now_us += 20;
}

static void put_mac(uint8_t *at, uint32_t address)
{
	at[0] = 2;
	at[1] = 0;
	put32(at + 2, address);
}

static void put_ip(uint8_t protocol, uint32_t src, uint32_t dst, size_t l4_bytes, uint16_t piece)
{
	static uint16_t id;
	uint8_t *ip = frame + IP_AT;
	put_mac(frame, dst);
	put_mac(frame + 6, src);
	put16(frame + 12, 0x0800);
	memset(ip, 0, 20);
	ip[0] = 0x45;
	put16(ip + 2, (uint32_t)(20 + l4_bytes));
	put16(ip + 4, ++id);
	put16(ip + 6, piece);
	ip[8] = 64;
	ip[9] = protocol;
	put32(ip + 12, src);
	put32(ip + 16, dst);
	put16(ip + 10, fold(sum(ip, 20, 0)));
}

/* The checksum of @n bytes of TCP or UDP behind the IP header. */
static uint16_t l4_sum(uint8_t protocol, size_t n)
{
	return fold(sum(frame + L4_AT, n, sum(frame + IP_AT + 12, 8, protocol + (uint32_t)n)));
}

struct ends {
	uint32_t src, dst;
	uint16_t sport, dport;
};

static void tcp(const struct ends *e, uint8_t flags, uint32_t seq, uint32_t ack,
	const uint8_t *data, size_t n)
{
	uint8_t *t = frame + L4_AT;
	put_ip(6, e->src, e->dst, 20 + n, 0);
	memset(t, 0, 20);
	put16(t, e->sport);
	put16(t + 2, e->dport);
	put32(t + 4, seq);
	put32(t + 8, ack);
	t[12] = 0x50;
	t[13] = flags;
	put16(t + 14, 8192);
	if (n > 0)
		memcpy(t + 20, data, n);
	put16(t + 16, l4_sum(6, 20 + n));
	send_frame(L4_AT + 20 + n);
}

static void udp(const struct ends *e, size_t n, uint16_t piece)
{
	uint8_t *u = frame + L4_AT;
	put_ip(17, e->src, e->dst, 8 + n, piece);
	memset(u, 0, 8 + n);
	put16(u, e->sport);
	put16(u + 2, e->dport);
	put16(u + 4, (uint32_t)(8 + n));
	send_frame(L4_AT + 8 + n);
}

static void arp(uint32_t address)
{
	uint8_t *a = frame + IP_AT;
	memset(frame, 0xff, 6);
	put_mac(frame + 6, address);
	put16(frame + 12, 0x0806);
	memset(a, 0, 28);
	put16(a, 1);
	put16(a + 2, 0x0800);
	a[4] = 6;
	a[5] = 4;
	put16(a + 6, 1);
	put_mac(a + 8, address);
	put32(a + 14, address);
	put32(a + 24, address);
	send_frame(IP_AT + 28);
}

/* --- the plant ---------------------------------------------------------------------------- */

static struct ends ends_of(unsigned n, bool reply)
{
	uint16_t port = (uint16_t)(40000 + n);
	if (reply)
		return (struct ends){ CONTROLLER(n), MASTER, 502, port };
	return (struct ends){ MASTER, CONTROLLER(n), port, 502 };
}

static void plant_open(unsigned n)
{
	struct ends there = ends_of(n, false), back = ends_of(n, true);
	struct session *s = &sessions[n];
	s->seq = 1000 * n;
	s->ack = 777 * n;
	tcp(&there, SYN, s->seq++, 0, NULL, 0);
	tcp(&back, SYN | ACK, s->ack++, s->seq, NULL, 0);
	tcp(&there, ACK, s->seq, s->ack, NULL, 0);
}

/* A request and its reply, each with a PDU of @n bytes behind the unit. */
static void plant_ask(unsigned n, const uint8_t *ask, size_t asked, const uint8_t *say, size_t said)
{
	struct ends there = ends_of(n, false), back = ends_of(n, true);
	struct session *s = &sessions[n];
	uint8_t m[32] = { 0 };
	put16(m, ++s->transaction);
	put16(m + 4, (uint32_t)(asked + 1));
	m[6] = 1;
	memcpy(m + 7, ask, asked);
	tcp(&there, PUSH | ACK, s->seq, s->ack, m, 7 + asked);
	s->seq += (uint32_t)(7 + asked);
	put16(m + 4, (uint32_t)(said + 1));
	memcpy(m + 7, say, said);
	tcp(&back, PUSH | ACK, s->ack, s->seq, m, 7 + said);
	s->ack += (uint32_t)(7 + said);
}

static void plant_poll(unsigned n)
{
	static const uint8_t ask[] = { 3, 0, 0, 0, 1 }, say[] = { 3, 2, 0, 42 };
	plant_ask(n, ask, sizeof ask, say, sizeof say);
}

static void plant_write(unsigned n)
{
	static const uint8_t coil[] = { 5, 0, 7, 0xff, 0 };
	plant_ask(n, coil, sizeof coil, coil, sizeof coil);
}

/* --- the strangers ------------------------------------------------------------------------ */

static void stranger(uint32_t n)
{
	static const uint8_t read[] = { 0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1 };
	static const uint8_t write[] = { 0, 1, 0, 0, 0, 6, 1, 6, 0, 1, 0, 9 };
	struct ends e = { STRANGER(n), CONTROLLER(n % PLANT), (uint16_t)(1024 + n % 60000), 502 };
	switch (n % 8) {
	case 0:
	case 1:
		e.dport = (uint16_t)(n / 8 % 65535 + 1);
		tcp(&e, SYN, n, 0, NULL, 0);
		break;
	case 2:
	case 3:
		tcp(&e, PUSH | ACK, n, 1, read, sizeof read);
		break;
	case 4:
		tcp(&e, PUSH | ACK, n, 1, write, sizeof write);
		break;
	case 5:
		e.dport = (uint16_t)(n * 7 % 65535 + 1);
		udp(&e, 16, 0);
		break;
	case 6:
		arp(e.src);
		break;
	default:
		udp(&e, 16, 0x2000);
		break;
	}
}

int main(int argc, char **argv)
{
	uint32_t strangers = argc == 2 ? (uint32_t)strtoul(argv[1], NULL, 10) : 0;
	uint32_t head[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1 };
	write_out(head, sizeof head);
	for (unsigned n = 0; n < PLANT; n++) {
		plant_open(n);
		plant_write(n);
	}
	for (uint32_t n = 0; n < strangers; n++) {
		stranger(n);
		if (n % POLL_EVERY == 0)
			plant_poll(n / POLL_EVERY % PLANT);
	}
	now_us += UINT64_C(400000000); /* the writes are news again: their alerts have closed */
	for (unsigned n = 0; n < PLANT; n++)
		plant_write(n);
	return fflush(stdout) == 0 ? 0 : 1;
}
