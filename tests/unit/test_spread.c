/* test_spread.c - who turned, what is passed on, tables under a flood; ICMP at every cut. */
#include "sensor/checksum.h"
#include "sensor/icmp.h"
#include "sensor/limiter.h"
#include "sensor/spread.h"
#include "tests/unit/watch_kit.h"

#define SECOND INT64_C(1000000000)

extern const struct watcher spread_watcher, icmp_watcher, beacon_watcher;

enum { A = 0x0a090401, B, C, D, GATE = 0x0a0904c8, OTHERS = 0x0a090600 };

static const uint8_t WORM[] = "worm number 123 says hello";
static const uint8_t WORM2[] = "WORM number 7 says hello";
static const uint8_t POLL[] = { 0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 10 };

/* @src reaches @dst, is answered, and says something. */
static void say(struct watch_kit *k, uint32_t src, uint32_t dst, uint16_t port, const uint8_t *what,
	size_t n)
{
	struct flow f = kit_connect(k, src, dst, port, FLOW_ANSWERED);
	f.packets[0] = 3;
	spread_watcher.first_bytes(k->self, &f, 0, kit_now(k), rd_over(what, n));
}

static void wait(struct watch_kit *k, int64_t ns)
{
	k->now_ns += ns;
	spread_watcher.tick(k->self, kit_now(k));
}

/* Goes to @n others, from @first on. */
static void fan(struct watch_kit *k, uint32_t src, uint32_t first, unsigned n, const uint8_t *what,
	size_t len)
{
	for (unsigned i = 0; i < n; i++)
		say(k, src, first + i, 445, what, len);
}

static struct watch_kit *spread_kit(void)
{
	struct watch_kit *k = kit_of(&spread_watcher);
	kit_open(k);
	return k;
}

static void tells_who_was_reached_and_turned(void **state)
{
	(void)state;
	struct watch_kit *k = spread_kit();
	say(k, A, B, 445, WORM, sizeof WORM);
	wait(k, 5 * SECOND);
	fan(k, B, OTHERS, 3, WORM2, sizeof WORM2);
	assert_int_equal(kit_count(k, "turned", B), 0);
	wait(k, 4 * SECOND);
	assert_int_equal(kit_count(k, "turned", B), 1);
	assert_int_equal(kit_count(k, "turned", A), 0);
	/* The frame by which it was reached comes first. */
	assert_int_equal(k->seen[0].before[0], 3);
	kit_close(k);
}

static void on_another_service_nobody_turned(void **state)
{
	(void)state;
	struct watch_kit *k = spread_kit();
	say(k, A, B, 80, WORM, sizeof WORM);
	fan(k, B, OTHERS, 10, WORM, sizeof WORM);
	wait(k, 4 * SECOND);
	assert_int_equal(k->count, 0);
	kit_close(k);
}

static void who_asked_others_before_has_not_turned(void **state)
{
	(void)state;
	struct watch_kit *k = spread_kit();
	fan(k, GATE, OTHERS, 6, POLL, sizeof POLL);
	say(k, A, GATE, 445, POLL, sizeof POLL);
	fan(k, GATE, OTHERS, 6, POLL, sizeof POLL);
	wait(k, 4 * SECOND);
	assert_int_equal(k->count, 0);
	kit_close(k);
}

static void after_long_nobody_has_turned(void **state)
{
	(void)state;
	struct watch_kit *k = spread_kit();
	say(k, A, B, 445, POLL, sizeof POLL);
	wait(k, 901 * SECOND);
	fan(k, B, OTHERS, 10, WORM, sizeof WORM);
	wait(k, 4 * SECOND);
	assert_int_equal(k->count, 0);
	kit_close(k);
}

/* One that never came to anything does not hide a later one. */
static void is_reached_anew(void **state)
{
	(void)state;
	struct watch_kit *k = spread_kit();
	say(k, A, B, 445, POLL, sizeof POLL);
	say(k, B, OTHERS, 445, POLL, sizeof POLL);
	wait(k, 2000 * SECOND);
	say(k, C, B, 445, WORM, sizeof WORM);
	wait(k, SECOND);
	fan(k, B, OTHERS + 10, 3, WORM, sizeof WORM);
	wait(k, 4 * SECOND);
	assert_int_equal(kit_count(k, "turned", B), 1);
	kit_close(k);
}

static void counts_generations(void **state)
{
	(void)state;
	struct watch_kit *k = spread_kit();
	static const uint32_t chain[] = { A, B, C, D };
	for (unsigned i = 0; i + 1 < 4; i++) {
		say(k, chain[i], chain[i + 1], 445, WORM, sizeof WORM);
		wait(k, SECOND);
		fan(k, chain[i + 1], OTHERS + 16 * i, 4, WORM, sizeof WORM);
		wait(k, 4 * SECOND);
	}
	struct spread *s = k->self;
	struct endpoint d = kit_end(D, 0);
	const struct spread_station *st = spread_station_find(s, &d, 445, L4_TCP);
	assert_non_null(st);
	assert_int_equal(st->generation, 3);
	assert_int_equal(kit_count(k, "relayed", C) + kit_count(k, "relayed", D), 2);
	kit_close(k);
}

static void numbers_and_case_do_not_matter_in_what_is_said(void **state)
{
	(void)state;
	struct watch_kit *k = spread_kit();
	struct spread *s = k->self;
	struct flow f = { .l4 = L4_TCP };
	f.end[1] = kit_end(B, 445);
	struct reader one = rd_over(WORM, sizeof WORM), two = rd_over(WORM2, sizeof WORM2);
	struct reader three = rd_over(POLL, sizeof POLL), none = rd_over(POLL, 3);
	assert_int_equal(spread_said_of(s, &f, &one).hash, spread_said_of(s, &f, &two).hash);
	assert_true(spread_said_of(s, &f, &one).hash != spread_said_of(s, &f, &three).hash);
	assert_int_equal(spread_said_of(s, &f, &none).hash, 0);
	kit_close(k);
}

/* A million clients that say something each fill the tables; one that turned among them is found.
 */
static void a_flood_fills_no_more_than_the_tables(void **state)
{
	(void)state;
	struct watch_kit *k = spread_kit();
	for (uint32_t i = 0; i < 1000000; i++) {
		uint8_t what[8] = { 'x', (uint8_t)(i >> 16 | 0x80), (uint8_t)(i >> 8 | 0x80),
			(uint8_t)(i | 0x80), 1, 2, 3, 4 };
		k->now_ns += SECOND / 2000;
		say(k, 0x30000000 + i * 7, OTHERS + 200, 80, what, sizeof what);
		if (i == 1000)
			say(k, A, B, 445, WORM, sizeof WORM);
		if (i > 1000 && i < 4000 && i % 500 == 0)
			say(k, B, OTHERS + i, 445, WORM, sizeof WORM);
		if (i % 2000 == 0)
			wait(k, 0);
	}
	struct spread *s = k->self;
	assert_int_equal(kit_count(k, "turned", B), 1);
	assert_int_equal(keep_count(s->stations), k->config.spread_hosts);
	assert_int_equal(keep_count(s->contents), k->config.spread_contents);
	assert_true(k->anomalies[ANOMALY_SPREAD_FULL] > 0);
	kit_close(k);
}

/* --- beacons -----------------------------------------------------------------------------------
 */

/* Thirteen contacts a minute apart, each later or sooner by up to @jitter seconds; beat @missed is
 * left out. */
static size_t beacons(unsigned jitter, unsigned missed, uint32_t dst)
{
	struct watch_kit *k = kit_of(&beacon_watcher);
	kit_open(k);
	int64_t start = k->now_ns;
	for (unsigned i = 0; i < 14; i++) {
		int64_t late = (int64_t)(key_end(i + 1) % (2 * jitter + 1)) - jitter;
		k->now_ns = start + (60 * i + late) * SECOND;
		if (i != missed)
			kit_connect(k, A, dst, 443, FLOW_STARTED);
		k->now_ns += SECOND; /* a second conversation of the same contact */
		if (i != missed)
			kit_connect(k, A, dst, 443, FLOW_STARTED);
	}
	size_t n = kit_count(k, "beacon", A);
	kit_close(k);
	return n;
}

static void knows_a_rhythm(void **state)
{
	(void)state;
	enum { ABROAD = 0x19000007 };
	assert_int_equal(beacons(0, 99, ABROAD), 1);
	assert_int_equal(beacons(4, 5, ABROAD), 1);
	assert_int_equal(beacons(29, 99, ABROAD), 0);
	assert_int_equal(beacons(0, 99, B), 0);
}

/* --- ICMP --------------------------------------------------------------------------------------
 */

/* Destination unreachable, port: about a datagram to port 161. */
static const uint8_t UNREACHABLE[] = { 3, 3, 0, 0, 0, 0, 0, 0, 0x45, 0, 0, 60, 0, 1, 0, 0, 64, 17,
	0, 0, 10, 9, 4, 1, 10, 9, 4, 2, 0xc3, 0x50, 0, 161, 0, 40, 0, 0 };

static bool read_cut(const uint8_t *bytes, size_t n, bool verify, uint8_t type, struct icmp *m)
{
	uint8_t *copy = malloc(n == 0 ? 1 : n);
	struct packet p = { .caplen = 100, .wirelen = 100 };
	struct aside a = { .packet = &p, .is_ip = true, .type = type };
	assert_non_null(copy);
	if (n > 0)
		memcpy(copy, bytes, n);
	a.bytes = rd_over(copy, n);
	bool good = icmp_read(m, &a, verify);
	free(copy);
	return good;
}

static void reads_icmp_at_every_cut(void **state)
{
	(void)state;
	struct icmp m;
	for (size_t n = 0; n <= sizeof UNREACHABLE; n++) {
		bool good = read_cut(UNREACHABLE, n, false, IP_ICMP, &m);
		assert_int_equal(good, n >= 8);
		if (!good)
			continue;
		assert_true(m.error && m.refused);
		assert_int_equal(m.original.known, n >= 8 + 20);
		assert_int_equal(m.original.has_ports, n >= 8 + 24);
		assert_int_equal(m.original.dport, n >= 8 + 24 ? 161 : 0);
		(void)read_cut(UNREACHABLE, n, false, IP_ICMP6, &m);
	}
	struct endpoint asker = kit_end(0x0a090401, 0);
	assert_true(read_cut(UNREACHABLE, sizeof UNREACHABLE, false, IP_ICMP, &m));
	assert_memory_equal(m.original.src.bytes, asker.ip.bytes, 16);
}

static void verifies_the_sum(void **state)
{
	(void)state;
	struct icmp m;
	uint8_t good[sizeof UNREACHABLE];
	memcpy(good, UNREACHABLE, sizeof good);
	assert_false(read_cut(good, sizeof good, true, IP_ICMP, &m));
	uint16_t sum = (uint16_t)~sum_fold(sum_add(0, good, sizeof good));
	memcpy(good + 2, &sum, 2);
	assert_true(read_cut(good, sizeof good, true, IP_ICMP, &m));
	good[30] ^= 1;
	assert_false(read_cut(good, sizeof good, true, IP_ICMP, &m));
}

static void ping(struct watch_kit *k, bool reply, uint16_t sequence, const uint8_t *data, size_t n)
{
	uint8_t bytes[1024] = { reply ? 0 : 8, 0, 0, 0, 0, 77, (uint8_t)(sequence >> 8),
		(uint8_t)sequence };
	struct packet p = { .at = kit_now(k), .caplen = 100, .wirelen = 100 };
	p.src = kit_end(reply ? B : A, 0).ip;
	p.dst = kit_end(reply ? A : B, 0).ip;
	memcpy(bytes + 8, data, n);
	struct aside a = { .packet = &p, .is_ip = true, .type = IP_ICMP };
	a.bytes = rd_over(bytes, n + 8);
	icmp_watcher.aside(k->self, &a);
}

static void a_reply_returns_what_was_asked(void **state)
{
	(void)state;
	for (unsigned honest = 0; honest < 2; honest++) {
		struct watch_kit *k = kit_of(&icmp_watcher);
		k->config.checksums = false;
		kit_open(k);
		for (uint16_t i = 0; i < 5; i++) {
			uint8_t asked[16] = { (uint8_t)i }, other[16] = { (uint8_t)(i + 100) };
			ping(k, false, i, asked, sizeof asked);
			ping(k, true, i, honest ? asked : other, sizeof other);
		}
		assert_int_equal(kit_count(k, "tunnel", B), honest ? 0 : 1);
		assert_int_equal(kit_count(k, "echo_request", A), 5);
		kit_close(k);
	}
}

/* Requests that the mirror lost make no tunnel; replies that nobody asked for and that hold news
 * do. */
static void nobody_answers_before_he_is_asked(void **state)
{
	(void)state;
	for (unsigned news = 0; news < 2; news++) {
		struct watch_kit *k = kit_of(&icmp_watcher);
		k->config.checksums = false;
		kit_open(k);
		for (uint16_t i = 0; i < 8; i++) {
			uint8_t data[64];
			memset(data, news ? i : 'a', sizeof data);
			if (i == 0)
				ping(k, false, i, data, sizeof data);
			ping(k, true, i, data, sizeof data);
		}
		assert_int_equal(kit_count(k, "tunnel", B) > 0, news);
		kit_close(k);
	}
}

static void is_told_of_pings_that_never_say_the_same(void **state)
{
	(void)state;
	for (unsigned varied = 0; varied < 2; varied++) {
		struct watch_kit *k = kit_of(&icmp_watcher);
		k->config.checksums = false;
		kit_open(k);
		for (uint16_t i = 0; i < 20; i++) {
			uint8_t data[56];
			memset(data, 'a', sizeof data);
			data[0] = (uint8_t)i; /* a clock */
			data[40] = varied ? (uint8_t)i : 'a';
			ping(k, false, i, data, sizeof data);
			ping(k, true, i, data, sizeof data);
		}
		assert_int_equal(kit_count(k, "tunnel", A), varied);
		kit_close(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_who_was_reached_and_turned),
		cmocka_unit_test(on_another_service_nobody_turned),
		cmocka_unit_test(who_asked_others_before_has_not_turned),
		cmocka_unit_test(after_long_nobody_has_turned),
		cmocka_unit_test(is_reached_anew),
		cmocka_unit_test(counts_generations),
		cmocka_unit_test(numbers_and_case_do_not_matter_in_what_is_said),
		cmocka_unit_test(a_flood_fills_no_more_than_the_tables),
		cmocka_unit_test(knows_a_rhythm),
		cmocka_unit_test(reads_icmp_at_every_cut),
		cmocka_unit_test(verifies_the_sum),
		cmocka_unit_test(a_reply_returns_what_was_asked),
		cmocka_unit_test(nobody_answers_before_he_is_asked),
		cmocka_unit_test(is_told_of_pings_that_never_say_the_same),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
