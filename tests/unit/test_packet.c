/* test_packet.c - frames of every kind, whole, cut at every byte, and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "sensor/checksum.h"
#include "sensor/frag.h"
#include "sensor/packet.h"
#include "tests/unit/frames.h"
#include "tests/unit/wire.h"

enum { FRAMES = sizeof(wrapped) / sizeof(wrapped[0]) };

static const char write_pdu[] = "002a 0000 000b 11 10 0064 0002 04 1234 abcd";
static const char plain[] = "02000a09000a 02000a090005 0800"
			    "45000039000400004006669b 0a090005 0a09000a"
			    "a02801f6 000003e9 00001389 5018 2000 aaa1 0000"
			    "002a0000000b111000640002041234abcd";

/* As before with a timestamp option, and four bytes of padding. */
static const char options_and_padding[] = "02000a09000a 02000a090005 0800"
					  "4500004012344000400614640a0900050a09000a"
					  "a02801f6000003e90000138980182000775e0000"
					  "0101080a0000000100000002002a00000006110100640002"
					  "00000000";

static struct counters counters;
static unsigned anomalies;

static void on_anomaly(void *ctx, const struct anomaly *a)
{
	(void)ctx;
	anomalies += a->kind == ANOMALY_TUNNEL_DEEP;
}

static bool decode_as(struct packet *p, uint32_t link, const uint8_t *bytes, size_t caplen,
	size_t wirelen, enum checksum_mode checksums)
{
	static const struct inspector inspector = { .anomaly = on_anomaly };
	struct packet_options o = {
		.checksums = checksums, .counters = &counters, .inspector = &inspector
	};
	memset(p, 0xa5, sizeof(*p));
	p->at = (struct stamp){ .ts_ns = 1, .frame = 1 };
	p->link = link;
	p->bytes = bytes;
	p->caplen = (uint32_t)caplen;
	p->wirelen = (uint32_t)wirelen;
	return packet_decode(p, &o);
}

static bool decode(
	struct packet *p, uint32_t link, const uint8_t *bytes, size_t caplen, size_t wirelen)
{
	return decode_as(p, link, bytes, caplen, wirelen, CHECKSUM_VERIFY);
}

static int clear(void **state)
{
	(void)state;
	counters = (struct counters){ 0 };
	anomalies = 0;
	return 0;
}

static void check_addresses(const struct packet *p, uint8_t family)
{
	struct wire src = wire_hex(family == 4 ? "00000000000000000000ffff0a090005"
					       : "fd000009000000000000000000000005");
	assert_int_equal(p->src.family, family);
	assert_int_equal(p->dst.family, family);
	assert_memory_equal(p->src.bytes, src.bytes, 16);
	assert_int_equal(p->dst.bytes[15], 0x0a);
	free(src.bytes);
}

static void finds_the_payload_in_every_wrapping(void **state)
{
	(void)state;
	struct wire pdu = wire_hex(write_pdu);
	for (size_t i = 0; i < FRAMES; i++) {
		const struct wrapped *w = &wrapped[i];
		struct wire f = wire_hex(w->hex);
		struct packet p;
		if (!decode(&p, w->link, f.bytes, f.len, f.len))
			fail_msg("%s is not decoded", w->name);
		check_addresses(&p, w->family);
		assert_int_equal(p.l4, w->l4);
		assert_int_equal(p.sport, 41000);
		assert_int_equal(p.dport, 502);
		assert_int_equal(p.payload_len, pdu.len);
		assert_int_equal(p.payload_wire_len, pdu.len);
		assert_memory_equal(p.payload, pdu.bytes, pdu.len);
		if (p.layers != w->layers || p.vlans != w->vlans)
			fail_msg("%s: %u layers, %u tags", w->name, p.layers, p.vlans);
		assert_memory_equal(p.vlan, w->vlan, p.vlans * sizeof(p.vlan[0]));
		if (w->l4 == L4_TCP) {
			assert_int_equal(p.seq, 1001);
			assert_int_equal(p.ack, 5001);
			assert_int_equal(p.tcp_flags, TCP_ACK | 8);
		}
		free(f.bytes);
	}
	assert_int_equal(counters.packets, FRAMES);
	free(pdu.bytes);
}

/* The capture kept n bytes of a frame: nothing is read beyond, and what is found is the start. */
static void survives_every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < FRAMES; i++) {
		struct wire f = wire_hex(wrapped[i].hex);
		for (size_t n = 0; n < f.len; n++) {
			struct wire cut = wire_copy(f.bytes, n);
			struct packet p;
			uint64_t truncated = counters.truncated;
			bool whole = strcmp(wrapped[i].name, "padding") == 0 && n >= 71;
			if (decode(&p, wrapped[i].link, cut.bytes, n, f.len) && !whole) {
				assert_true(p.payload_len < p.payload_wire_len);
				/* a datagram cut inside its tunnel header stays one of its own */
				if (p.l4 == wrapped[i].l4)
					assert_int_equal(p.payload_wire_len, 17);
				assert_int_equal(counters.truncated, truncated + 1);
			}
			free(cut.bytes);
		}
		free(f.bytes);
	}
	assert_int_equal(counters.bad_ip_sum + counters.bad_l4_sum, 0);
}

/* Every byte of every frame takes other values: nothing but the bounds is asked for. */
static void survives_every_changed_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < FRAMES; i++) {
		struct wire f = wire_hex(wrapped[i].hex);
		for (size_t n = 0; n < f.len; n++) {
			for (unsigned bit = 0; bit < 8; bit++) {
				struct packet p;
				f.bytes[n] = (uint8_t)(f.bytes[n] ^ 1u << bit);
				if (decode(&p, wrapped[i].link, f.bytes, f.len, f.len))
					assert_true(p.payload + p.payload_len <= f.bytes + f.len);
				f.bytes[n] = (uint8_t)(f.bytes[n] ^ 1u << bit);
			}
		}
		free(f.bytes);
	}
}

/* A damaged bit in what a checksum covers is always seen. */
static void sees_every_flipped_bit_of_a_segment(void **state)
{
	(void)state;
	struct wire f = wire_hex(plain);
	for (size_t n = 14; n < f.len; n++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct packet p;
			clear(NULL);
			f.bytes[n] = (uint8_t)(f.bytes[n] ^ 1u << bit);
			assert_false(decode(&p, 1, f.bytes, f.len, f.len));
			uint64_t sums = counters.bad_ip_sum + counters.bad_l4_sum;
			assert_int_equal(sums + counters.malformed_packet, 1);
			f.bytes[n] = (uint8_t)(f.bytes[n] ^ 1u << bit);
		}
	}
	free(f.bytes);
}

static void ignores_checksums_when_told_to(void **state)
{
	(void)state;
	struct wire f = wire_hex(plain);
	struct packet_options o = { .checksums = CHECKSUM_IGNORE, .counters = &counters };
	f.bytes[24] ^= 0xff;
	f.bytes[50] ^= 0xff;
	struct packet p = {
		.link = 1, .bytes = f.bytes, .caplen = (uint32_t)f.len, .wirelen = (uint32_t)f.len
	};
	assert_true(packet_decode(&p, &o));
	assert_int_equal(p.payload_len, 17);
	free(f.bytes);
}

/* What a frame comes to; the seed of its memory shows through where nothing was said. */
struct way {
	bool done;
	struct packet p;
	struct counters counters;
};

static void go(struct way *o, uint32_t link, const uint8_t *bytes, size_t caplen, size_t wirelen,
	enum checksum_mode checksums)
{
	clear(NULL);
	o->done = decode_as(&o->p, link, bytes, caplen, wirelen, checksums);
	o->counters = counters;
	o->counters.bytes = 0;
}

/* Ethernet in one look and IP layer by layer are two ways to the same place. */
static void check_ways(const uint8_t *frame, size_t caplen, size_t wirelen)
{
	enum { ETHERNET = 14 };
	for (enum checksum_mode m = CHECKSUM_VERIFY; m <= CHECKSUM_IGNORE; m++) {
		struct way one, other;
		go(&one, 1, frame, caplen, wirelen, m);
		go(&other, 228, frame + ETHERNET, caplen - ETHERNET, wirelen - ETHERNET, m);
		assert_int_equal(one.done, other.done);
		assert_memory_equal(&one.counters, &other.counters, sizeof one.counters);
		if (!one.done)
			continue;
		assert_memory_equal(&one.p.src, &other.p.src, sizeof one.p.src);
		assert_memory_equal(&one.p.dst, &other.p.dst, sizeof one.p.dst);
		assert_int_equal(one.p.l4, other.p.l4);
		assert_int_equal(one.p.ttl, other.p.ttl);
		assert_int_equal(one.p.ip_id, other.p.ip_id);
		assert_int_equal(one.p.vlans, other.p.vlans);
		assert_int_equal(one.p.layers, other.p.layers);
		assert_int_equal(one.p.pieces, other.p.pieces);
		assert_int_equal(one.p.bad_sum, other.p.bad_sum);
		assert_int_equal(one.p.sport, other.p.sport);
		assert_int_equal(one.p.dport, other.p.dport);
		assert_int_equal(one.p.seq, other.p.seq);
		assert_int_equal(one.p.ack, other.p.ack);
		assert_int_equal(one.p.tcp_flags, other.p.tcp_flags);
		assert_ptr_equal(one.p.payload, other.p.payload);
		assert_int_equal(one.p.payload_len, other.p.payload_len);
		assert_int_equal(one.p.payload_wire_len, other.p.payload_wire_len);
	}
}

static void goes_one_way_or_the_other_to_the_same_place(void **state)
{
	(void)state;
	static const char *const frames[] = { plain, options_and_padding };
	for (size_t i = 0; i < 2; i++) {
		struct wire f = wire_hex(frames[i]);
		struct packet p;
		assert_true(decode(&p, 1, f.bytes, f.len, f.len));
		for (size_t at = 14; at < f.len; at++) {
			for (unsigned x = 1; x < 256; x++) {
				f.bytes[at] ^= (uint8_t)x;
				check_ways(f.bytes, f.len, f.len);
				f.bytes[at] ^= (uint8_t)x;
			}
		}
		for (size_t cut = 14; cut <= f.len; cut++) {
			struct wire short_one = wire_copy(f.bytes, cut);
			check_ways(short_one.bytes, cut, cut);
			check_ways(short_one.bytes, cut, f.len);
			free(short_one.bytes);
		}
		free(f.bytes);
	}
}

/* The slow way of RFC 1071, as an oracle. */
static uint16_t plain_sum(const uint8_t *at, size_t n)
{
	uint32_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += i % 2 == 0 ? (uint32_t)at[i] << 8 : at[i];
	while (sum > 0xffff)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void sums_as_rfc_1071_does(void **state)
{
	(void)state;
	uint32_t x = 1;
	for (size_t n = 1; n < 600; n++) {
		uint8_t *bytes = malloc(n);
		for (size_t i = 0; i < n; i++) {
			x = x * 1664525 + 1013904223;
			bytes[i] = n % 7 == 0 ? 0xff : (uint8_t)(x >> 24);
		}
		uint16_t got = sum_fold(sum_add(0, bytes, n));
		uint8_t big[2];
		memcpy(big, &got, 2);
		assert_int_equal(big[0] << 8 | big[1], plain_sum(bytes, n));
		free(bytes);
	}
}

/* What is not for us is told apart, once each. */
static void counts_why_it_looked_no_further(void **state)
{
	(void)state;
	static const struct {
		const char *hex;
		uint32_t link;
		uint64_t *counter;
	} cases[] = {
		{ "ffffffffffff 020000000001 0806 0001080006040001", 1, &counters.not_ip },
		{ "0180c200000e 020000000001 88cc 0207", 1, &counters.not_ip },
		{ "0180c2000000 020000000001 0026 424203 0000", 1, &counters.not_ip },
		{ "00", 147, &counters.unknown_link },
		{ "45000014 0000 0000 40 01 66e8 0a000001 0a000001", 101, &counters.other_l4 },
		{ "46000014 0000 0000 40 01 3ae6 0a000001 0a000001", 101,
			&counters.malformed_packet },
		{ "44000014", 101, &counters.malformed_packet },
		{ "02000a09000a 02000a090005", 1, &counters.malformed_packet },
		/* a GRE routing header, a PPTP acknowledgement */
		{ "45000018 0000 0000 40 2f 66b6 0a000001 0a000001 40000800", 101,
			&counters.other_l4 },
		{ "00000005 00000000", 0, &counters.not_ip },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire f = wire_hex(cases[i].hex);
		struct packet p;
		clear(NULL);
		assert_false(decode(&p, cases[i].link, f.bytes, f.len, f.len));
		if (*cases[i].counter != 1)
			fail_msg("case %zu is counted elsewhere", i);
		free(f.bytes);
	}
}

static uint8_t *put(uint8_t *at, const char *hex)
{
	struct wire w = wire_hex(hex);
	memcpy(at, w.bytes, w.len);
	at += w.len;
	free(w.bytes);
	return at;
}

/* 20,000 headers of one kind after another end in a count, not in the stack or the clock. */
static void follows_no_endless_chain(void **state)
{
	(void)state;
	static const struct {
		const char *start, *link_in_chain;
		uint32_t link;
		uint64_t *counter;
	} chains[] = {
		/* atomic IPv6 fragments */
		{ "60000000 0000 2c 40 00000000000000000000000000000001 "
		  "00000000000000000000000000000002",
			"2c00 0000 00000001", 101, &counters.malformed_packet },
		/* IPv6 options */
		{ "60000000 0000 3c 40 00000000000000000000000000000001 "
		  "00000000000000000000000000000002",
			"3c00 0104 00000000", 101, &counters.malformed_packet },
		{ "000000000001 000000000002 8847", "00001040", 1, &counters.malformed_packet },
		{ "000000000001 000000000002 6558", "000000000001 000000000002 6558", 1,
			&counters.deep },
		{ "000000000001 000000000002 8100", "0001 8100", 1, &counters.malformed_packet },
		{ "000000000001 000000000002 893f", "000000000000 893f", 1,
			&counters.malformed_packet },
	};
	uint8_t *bytes = malloc(400000);
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		uint8_t *end = put(bytes, chains[i].start);
		struct packet p;
		for (unsigned n = 0; n < 20000; n++)
			end = put(end, chains[i].link_in_chain);
		clear(NULL);
		assert_false(decode(
			&p, chains[i].link, bytes, (size_t)(end - bytes), (size_t)(end - bytes)));
		if (*chains[i].counter != 1)
			fail_msg("chain %zu is counted elsewhere", i);
		assert_int_equal(anomalies, counters.deep);
	}
	free(bytes);
}

/* What looks like a tunnel's port but is none is payload. */
static void takes_a_tunnel_port_without_a_tunnel_for_payload(void **state)
{
	(void)state;
	static const char *const datagrams[] = {
		"1388 12b5 0010 0000 0000000000000000", /* no VXLAN flag */
		"1388 12b5 000c 0000 08000000",         /* too short */
		"1388 17c1 0010 0000 ff00655800000000", /* Geneve of another version */
		"0868 0868 0010 0000 3001000000000000", /* GTP echo */
		"1388 9090 000d 0000 0100000100",       /* TZSP tags that do not end */
	};
	for (size_t i = 0; i < sizeof(datagrams) / sizeof(datagrams[0]); i++) {
		uint8_t bytes[80];
		uint8_t *end =
			put(put(bytes, "60000000 0000 11 40 00000000000000000000000000000001 "
				       "00000000000000000000000000000002"),
				datagrams[i]);
		struct packet p;
		if (!decode(&p, 229, bytes, (size_t)(end - bytes), (size_t)(end - bytes)))
			fail_msg("datagram %zu", i);
		assert_int_equal(p.l4, L4_UDP);
		assert_int_equal(p.layers, 0);
		assert_int_equal(p.payload_len, (size_t)(end - bytes) - 48);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(finds_the_payload_in_every_wrapping, clear),
		cmocka_unit_test_setup(survives_every_cut, clear),
		cmocka_unit_test_setup(survives_every_changed_byte, clear),
		cmocka_unit_test_setup(sees_every_flipped_bit_of_a_segment, clear),
		cmocka_unit_test_setup(ignores_checksums_when_told_to, clear),
		cmocka_unit_test_setup(goes_one_way_or_the_other_to_the_same_place, clear),
		cmocka_unit_test_setup(sums_as_rfc_1071_does, clear),
		cmocka_unit_test_setup(counts_why_it_looked_no_further, clear),
		cmocka_unit_test_setup(follows_no_endless_chain, clear),
		cmocka_unit_test_setup(takes_a_tunnel_port_without_a_tunnel_for_payload, clear),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
