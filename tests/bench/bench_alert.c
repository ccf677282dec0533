/* bench_alert.c - what an alert costs to write: nanoseconds of CPU for eve_alert() on a Modbus
 * write with its reply, judged by the rules given. bench_alert RULES ATTACK.yaml */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/text_list.h"
#include "sensor/eve.h"

enum { ALERTS = 200000, REPEATS = 5 };

static const uint8_t write_two[] = { 0, 42, 0, 0, 0, 11, 17, 16, 0, 100, 0, 2, 4, 0, 1, 0, 2 };
static const uint8_t accepted[] = { 0, 42, 0, 0, 0, 6, 17, 16, 0, 100, 0, 2 };

static void dissect(const uint8_t *bytes, size_t n, enum dir dir, struct pdu *out)
{
	static struct pool pool = { .cap = 1 << 20 };
	static uint64_t state[512];
	const struct dissector *d = dissector_named("modbus");
	struct reader in = rd_over(bytes, n);
	struct dissect how = { .dir = dir, .l4 = L4_TCP, .state = state, .pool = &pool };
	pdu_init(out);
	if (d->state_size > sizeof state || d->dissect(&in, &how, out) != DISSECT_OK)
		abort();
}

static struct flow make_flow(void)
{
	struct flow f = {
		.l4 = L4_TCP, .id = 1234567, .first_ns = 1, .dissector = dissector_named("modbus")
	};
	for (unsigned i = 0; i < 2; i++) {
		static const uint8_t ip[16] = { [10] = 0xff, [11] = 0xff, 10, 9, 0, 5 };
		memcpy(f.end[i].ip.bytes, ip, sizeof ip);
		f.end[i].ip.bytes[15] = (uint8_t)(5 + i);
		f.end[i].ip.family = 4;
		f.end[i].port = (uint16_t)(i == 0 ? 41000 : 502);
		f.end[i].has_mac = true;
	}
	return f;
}

static double measure(const struct alert *a, const struct eve *eve, size_t *bytes)
{
	static char line[EVE_LINE];
	int64_t start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned i = 0; i < ALERTS; i++) {
		struct buf out = buf_over(line, sizeof line);
		eve_alert(&out, eve, a);
		*bytes = out.len;
	}
	return (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / ALERTS;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		return 2;
	struct text_list faults = { 0 };
	const char *paths[] = { argv[1] };
	struct rule_source from = { .paths = paths, .path_count = 1, .attack_table = argv[2] };
	struct rules *rules = rules_load(&from, &faults);
	struct rule_run *run = rules == NULL ? NULL : rule_run_new(rules);
	struct flow flow = make_flow();
	struct pdu request, reply;
	struct hit hits[HITS_MAX];
	if (run == NULL)
		return 1;
	dissect(write_two, sizeof write_two, DIR_TO_SERVER, &request);
	dissect(accepted, sizeof accepted, DIR_TO_CLIENT, &reply);
	struct event e = {
		.at = { .ts_ns = 1772438400000000000, .frame = 7 }, .flow = &flow, .pdu = &request
	};
	if (rules_match(run, &e, hits, HITS_MAX) == 0)
		return 1;
	e.reply = &reply;
	e.verdict = (struct verdict){ .outcome = VERDICT_ACCEPTED,
		.latency_ns = 12000000,
		.reply = { .ts_ns = 1772438400012000000, .frame = 8 } };
	struct eve eve = { .sensor = "bench", .pcap_filename = "bench.pcap" };
	struct alert a = {
		.rule = hits[0].rule, .event = &e, .item = hits[0].item, .n = 1, .count = 1
	};
	double best = 1e9;
	size_t bytes = 0;
	for (unsigned i = 0; i < REPEATS; i++) {
		double ns = measure(&a, &eve, &bytes);
		best = ns < best ? ns : best;
	}
	printf("%.0f ns an alert of %zu bytes\n", best, bytes);
	rule_run_free(run);
	rules_free(rules);
	return 0;
}
