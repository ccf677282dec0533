/* test_modbus_pair.c - which replies may be paired by unit and function, and which repeat a write.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "dissectors/modbus.h"
#include "tests/unit/wire.h"

enum { LINE = 256 };

/* What is said on one flow, in order: "> transaction unit pdu" or "< …". */
static struct pdu say(void *state, const char *line)
{
	unsigned transaction, unit;
	int at = 0;
	char hex[LINE];
	assert_int_equal(sscanf(line + 1, "%u %u %n", &transaction, &unit, &at), 2);
	struct wire pdu = wire_hex(line + 1 + at);
	snprintf(hex, sizeof hex, "%04x 0000 %04zx %02x %s", transaction, pdu.len + 1, unit,
		line + 1 + at);
	struct wire w = wire_hex(hex);
	struct reader in = rd_over(w.bytes, w.len);
	struct dissect d = {
		.dir = line[0] == '>' ? DIR_TO_SERVER : DIR_TO_CLIENT, .l4 = L4_TCP, .state = state
	};
	struct pdu out;
	pdu_init(&out);
	assert_int_equal(modbus_dissector.dissect(&in, &d, &out), DISSECT_OK);
	free(w.bytes);
	free(pdu.bytes);
	return out;
}

enum { MAX_LINES = 12 };

/* After the lines, may the last one be paired loosely, and what is wrong with it? */
static const struct talk {
	const char *lines[MAX_LINES];
	bool loose;
	const char *malformed;
} talks[] = {
	{ { "> 1 17 03 0064 0001", "< 1 17 03 02 0001" }, true, NULL },
	/* a server that knows no ids: always 0, or its own */
	{ { "> 7 17 03 0064 0001", "< 0 17 03 02 0001" }, true, NULL },
	{ { "> 0 17 03 0064 0001", "< 0 17 03 02 0001", "> 1 17 03 0064 0001",
		  "< 0 17 03 02 0001" },
		true, NULL },
	{ { "> 7 17 03 0064 0001", "< 4242 17 03 02 0001" }, true, NULL },
	/* one that does: this answers a request that nobody has seen */
	{ { "> 1 17 03 0064 0001", "< 1 17 03 02 0001", "> 2 17 03 0064 0001", "< 2 17 03 02 0001",
		  "> 4 17 03 0064 0001", "< 3 17 03 02 0001" },
		false, NULL },
	/* the capture began after the request */
	{ { "> 2744 1 04 0000 000e", "< 2741 1 04 02 0001" }, false, NULL },
	{ { "> 5 17 05 00ac ff00", "< 5 17 05 00ac ff00" }, true, NULL },
	{ { "> 5 17 05 00ac ff00", "< 5 17 05 00ac 0000" }, true, "reply does not echo the write" },
	{ { "> 5 17 06 00ac 0001", "< 5 17 06 00ad 0001" }, true, "reply does not echo the write" },
	{ { "> 5 17 10 00ac 0001 02 0007", "< 5 17 10 00ac 0002" }, true,
		"reply does not echo the write" },
	{ { "> 5 17 0f 00ac 0001 01 01", "< 5 17 0f 00ac 0001" }, true, NULL },
	{ { "> 5 17 16 0004 00f2 0025", "< 5 17 16 0004 00f2 0024" }, true,
		"reply does not echo the write" },
	{ { "> 5 17 06 00ac 0001", "< 5 17 86 02" }, true, NULL },
	{ { "> 5 17 06 00ac 0001", "< 5 17 86 05" }, true, NULL },
	/* one id for all, several at once, answered in another order */
	{ { "> 0 17 06 0001 0001", "> 0 17 06 0002 0002", "< 0 17 06 0002 0002",
		  "< 0 17 06 0001 0001" },
		true, NULL },
	{ { "> 0 17 06 0001 0001", "> 0 18 06 0002 0002", "< 0 17 06 0002 0002" }, true,
		"reply does not echo the write" },
};

static void pairs_as_the_server_does(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof talks / sizeof talks[0]; i++) {
		void *state = calloc(1, modbus_dissector.state_size);
		struct pdu last = { .code = PDU_NO_CODE };
		assert_non_null(state);
		for (size_t n = 0; n < MAX_LINES && talks[i].lines[n] != NULL; n++)
			last = say(state, talks[i].lines[n]);
		if ((last.tx_loose != 0) != talks[i].loose)
			fail_msg("talk %zu: loose %d", i, last.tx_loose != 0);
		assert_string_equal(last.malformed == NULL ? "" : last.malformed,
			talks[i].malformed == NULL ? "" : talks[i].malformed);
		free(state);
	}
}

/* More requests than are remembered: the oldest are forgotten, nothing else happens. */
static void forgets_the_oldest(void **unused)
{
	(void)unused;
	void *state = calloc(1, modbus_dissector.state_size);
	char line[LINE];
	assert_non_null(state);
	for (unsigned i = 1; i <= 100; i++) {
		snprintf(line, sizeof line, "> %u 17 06 0001 %04x", i, i);
		say(state, line);
	}
	assert_null(say(state, "< 100 17 06 0001 0064").malformed);
	assert_string_equal(
		say(state, "< 99 17 06 0001 0064").malformed, "reply does not echo the write");
	assert_null(say(state, "< 50 17 06 0001 0000").malformed);
	free(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pairs_as_the_server_does),
		cmocka_unit_test(forgets_the_oldest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
