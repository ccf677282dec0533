/* fuzz_rules.c - any bytes as a rule file: refused with words, or a set that can be asked. */
#include <stdlib.h>
#include <string.h>

#include "common/text_list.h"
#include "sensor/correlate.h"
#include "sensor/rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const addresses[] = { "10.0.0.0/8", "192.0.2.1", "2001:db8::/32" };
static const char *const numbers[] = { "1", "0x10", "write_single_coil" };
static const struct rule_list lists[] = { { "masters", addresses, 3 },
	{ "functions", numbers, 3 } };
static const char *const names[] = { NULL, "engineering", "hmi" };

/* A write of three registers, with everything of the envelope there. */
/* The same message again and again, in a memory that is soon full. */
static void correlate_often(
	struct rule_run *run, const struct event *e, const struct hit *hits, size_t n)
{
	static struct correlated found[HITS_MAX];
	struct memory *m = memory_new(2048, 0);
	if (m == NULL)
		abort();
	for (int64_t at = 0; at < 40; at++)
		for (size_t i = 0; i < n; i++)
			if (correlate(m, run, &hits[i], e, at * 1000000000, found, HITS_MAX) >
				HITS_MAX)
				abort();
	memory_free(m);
}

static void ask(struct rule_run *run)
{
	static const uint8_t bytes[] = { 0, 42, 0, 0, 0, 13, 17, 16, 0, 100, 0, 3, 6, 0, 1, 0, 2, 0,
		3 };
	static uint64_t state[1024];
	struct flow flow = { .l4 = L4_TCP,
		.vlans = 1,
		.vlan = { 7 },
		.role = { 1, 2 },
		.zone = { 2, 1 },
		.name = { 1, 1 },
		.end = { { .has_mac = true, .port = 40000 }, { .has_mac = true, .port = 502 } } };
	struct pdu pdu;
	struct pool pool = { 0 };
	struct dissect d = { .dir = DIR_TO_SERVER, .l4 = L4_TCP, .state = state, .pool = &pool };
	struct reader in = rd_over(bytes, sizeof bytes);
	const struct dissector *modbus = dissector_named("modbus");
	if (modbus == NULL || modbus->state_size > sizeof state)
		abort();
	memset(state, 0, sizeof state);
	pdu_init(&pdu);
	if (modbus->dissect(&in, &d, &pdu) != DISSECT_OK)
		abort();
	pdu.flags = PDU_OVERLAP;
	struct event e = { .flow = &flow,
		.pdu = &pdu,
		.verdict = { .outcome = VERDICT_PENDING, .latency_ns = -1 } };
	struct hit hits[HITS_MAX], again;
	size_t n = rules_match(run, &e, hits, HITS_MAX);
	if (n > HITS_MAX)
		abort();
	correlate_often(run, &e, hits, n);
	e.verdict = (struct verdict){
		.outcome = VERDICT_REJECTED, .has_code = true, .code = 3, .text = "refused"
	};
	for (size_t i = 0; i < n; i++)
		if (!rule_holds(run, hits[i].rule, &e, &again) && !hits[i].later)
			abort(); /* what holds without a verdict holds with any */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct text_list faults = { 0 };
	struct rule_source from = { .lists = lists,
		.list_count = 2,
		.role_names = names,
		.role_count = 3,
		.zone_names = names,
		.zone_count = 3,
		.name_names = names,
		.name_count = 3 };
	struct rules *rules = rules_parse(&from, "fuzz.yaml", (const char *)data, size, &faults);
	if ((rules == NULL) != (faults.count > 0))
		abort();
	if (rules != NULL) {
		struct rule_run *run = rule_run_new(rules);
		if (run == NULL)
			abort();
		ask(run);
		rule_run_free(run);
	}
	rules_free(rules);
	text_list_free(&faults);
	return 0;
}
