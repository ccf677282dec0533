/* bench_rules.c - what rules cost a message: nanoseconds of CPU for rules_match() on ordinary
 * polling. bench_rules RULES…       each argument is a file or folder, measured on its own */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/text_list.h"
#include "sensor/rule.h"

/* Few enough to stay in cache, as a message just dissected does. */
enum { MESSAGES = 16, ROUNDS = 40000, REPEATS = 5 };

struct message {
	struct event e;
	struct flow flow;
	struct pdu pdu;
	uint8_t bytes[300];
};

static uint64_t seed = 1;

static unsigned below(unsigned n)
{
	seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (unsigned)(seed >> 33) % n;
}

static size_t put16(uint8_t *at, unsigned v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
	return 2;
}

/* A read of registers or its answer with 100 of them. */
static size_t modbus_poll(uint8_t *b, bool reply)
{
	unsigned function = 1 + below(4), registers = 100;
	unsigned data = function < 3 ? (registers + 7) / 8 : registers * 2;
	size_t n = put16(b, below(65536));
	n += put16(b + n, 0);
	n += put16(b + n, reply ? 3 + data : 6);
	b[n++] = (uint8_t)(1 + below(20));
	b[n++] = (uint8_t)function;
	if (!reply) {
		n += put16(b + n, below(4000));
		return n + put16(b + n, registers);
	}
	b[n++] = (uint8_t)data;
	for (unsigned i = 0; i < data; i++)
		b[n++] = (uint8_t)below(256);
	return n;
}

static void make(struct message *m)
{
	static struct pool pool;
	static uint64_t state[512];
	memset(state, 0, sizeof state);
	bool reply = below(2) == 1;
	size_t n = modbus_poll(m->bytes, reply);
	struct reader in = rd_over(m->bytes, n);
	struct dissect d = { .dir = reply ? DIR_TO_CLIENT : DIR_TO_SERVER,
		.l4 = L4_TCP,
		.state = state,
		.pool = &pool };
	const struct dissector *modbus = dissector_named("modbus");
	pdu_init(&m->pdu);
	if (modbus == NULL || modbus->state_size > sizeof state ||
		modbus->dissect(&in, &d, &m->pdu) != DISSECT_OK || m->pdu.malformed != NULL) {
		fputs("bench_rules: the poll was not understood\n", stderr);
		exit(1);
	}
	for (int i = 0; i < 2; i++) {
		uint8_t *ip = m->flow.end[i].ip.bytes;
		ip[10] = ip[11] = 0xff;
		ip[12] = 10;
		ip[13] = (uint8_t)below(4);
		ip[14] = (uint8_t)below(4);
		ip[15] = (uint8_t)(1 + below(20));
	}
	m->flow.l4 = L4_TCP;
	m->e = (struct event){ .flow = &m->flow,
		.from = reply,
		.pdu = &m->pdu,
		.verdict = {
			.outcome = reply ? VERDICT_NONE : VERDICT_PENDING, .latency_ns = -1 } };
}

static double measure(struct rule_run *run, const struct message *m, uint64_t *hits)
{
	struct hit out[HITS_MAX];
	double best = 1e9;
	for (int r = 0; r < REPEATS; r++) {
		int64_t start = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		*hits = 0;
		for (int k = 0; k < ROUNDS; k++)
			for (int i = 0; i < MESSAGES; i++)
				*hits += rules_match(run, &m[i].e, out, HITS_MAX);
		double each =
			(double)(clock_ns(CLOCK_THREAD_CPUTIME_ID) - start) / MESSAGES / ROUNDS;
		best = each < best ? each : best;
	}
	return best;
}

static bool bench(const char *path, const struct message *m)
{
	struct text_list faults = { 0 };
	struct rule_source from = { .paths = &path,
		.path_count = 1,
		.list_folder = "rules/lists",
		.attack_table = "rules/attack.yaml" };
	int64_t start = mono_ns();
	struct rules *rules = rules_load(&from, &faults);
	double load = (double)(mono_ns() - start) / 1e6;
	for (size_t i = 0; i < faults.count; i++)
		fprintf(stderr, "%s\n", faults.text[i]);
	text_list_free(&faults);
	if (rules == NULL)
		return false;
	struct rule_run *run = rule_run_new(rules);
	if (run == NULL)
		abort();
	uint64_t hits;
	double each = measure(run, m, &hits);
	printf("%-40s %6zu rules, loaded in %7.1f ms, %7.1f ns a message, %.4f hits a message\n",
		path, rules_count(rules), load, each, (double)hits / MESSAGES / ROUNDS);
	rule_run_free(run);
	rules_free(rules);
	return true;
}

int main(int argc, char **argv)
{
	struct message *m = calloc(MESSAGES, sizeof *m);
	bool fine = m != NULL && argc > 1;
	if (!fine)
		fputs("usage: bench_rules RULES...\n", stderr);
	for (int i = 0; fine && i < MESSAGES; i++)
		make(&m[i]);
	for (int i = 1; fine && i < argc; i++)
		fine = bench(argv[i], m);
	free(m);
	return fine ? 0 : 1;
}
