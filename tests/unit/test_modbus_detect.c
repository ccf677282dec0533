/* test_modbus_detect.c - finding Modbus by structure, and again after a gap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/test_modbus_samples.h"

enum knows { NEITHER, CLIENT, SERVER };

// clang-format off
static const struct probe_case {
	const char *bytes;
	uint8_t l4;
	enum probe answer;
	enum knows knows; /* who sends it */
} probes[] = {
	{ "", L4_TCP, PROBE_MORE, NEITHER },
	{ "00 01 00 00", L4_TCP, PROBE_MORE, NEITHER },
	{ "0001 0000 0006 11 03 006b", L4_TCP, PROBE_MORE, NEITHER },
	{ "0001 0000 0006 11 03 006b 0003", L4_TCP, PROBE_SURE, CLIENT },
	{ "0001 0000 0006 11 03 006b 0003", L4_UDP, PROBE_SURE, CLIENT },
	{ "0001 0000 0006 11 03 006b 0003 0002 0000 0006 11 03 006b 0003", L4_TCP, PROBE_SURE, CLIENT },
	{ "0001 0000 0006 11 03 006b 0003 47 45 54 20", L4_TCP, PROBE_WEAK, CLIENT },
	{ "0001 0000 0005 11 03 02 0001", L4_TCP, PROBE_SURE, SERVER },
	{ "0001 0000 0006 11 05 00ac ff00", L4_TCP, PROBE_SURE, NEITHER },
	{ "0001 0000 0003 11 83 02", L4_TCP, PROBE_WEAK, SERVER },
	{ "0001 0000 0002 11 07", L4_TCP, PROBE_WEAK, CLIENT },
	{ "0001 0000 0002 11 07 0002 0000 0002 11 07", L4_TCP, PROBE_SURE, CLIENT },
	{ "0001 0000 0003 11 63 01", L4_TCP, PROBE_WEAK, NEITHER },
	{ "0001 0000 0004 00 5a 00 02", L4_TCP, PROBE_SURE, CLIENT },
	{ "0001 0000 0005 00 5a 00 fe 01", L4_TCP, PROBE_SURE, SERVER },
	{ "0001 0000 0006 11 03 006b", L4_UDP, PROBE_WEAK, NEITHER },
	{ "0001 0000 0006 11 63 006b", L4_UDP, PROBE_NO, NEITHER },
	{ "01 03 02 0005 78 47", L4_TCP, PROBE_SURE, SERVER },
	{ "01 10 0001 0002 04 000a", L4_TCP, PROBE_MORE, NEITHER },
	{ "01 03 04 0005 0006 0000", L4_TCP, PROBE_NO, NEITHER },
	/* sawp#1: taken for Modbus by another detector */
	{ "04000000 0013 0000 0000 0000 0000 0000 0000 0000 0000 000000", L4_TCP, PROBE_WEAK, NEITHER },
	{ "04000000 0013 0000 0000 0000 0000 0000 0000 0000 0000 000000 41424344", L4_TCP, PROBE_NO, NEITHER },
	{ "8000 0028 7e86 ab4a 0000 0000 0000 0002 0001 86a3", L4_TCP, PROBE_NO, NEITHER }, /* RPC */
	{ "16 03 01 0085 01 0000 8103 0373 6ff8", L4_TCP, PROBE_NO, NEITHER },		   /* TLS */
	{ "474554202f20485454502f312e310d0a", L4_TCP, PROBE_NO, NEITHER },		   /* HTTP */
	{ "0300 001f 02f080 3201 0000 0400 000e 0000 0401 120a 1002", L4_TCP, PROBE_NO, NEITHER },
};
// clang-format on

static void knows_its_own(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof probes / sizeof probes[0]; i++) {
		struct wire w = wire_hex(probes[i].bytes);
		struct probe_hint hint = { 0 };
		enum probe answer =
			modbus_dissector.probe(rd_over(w.bytes, w.len), probes[i].l4, &hint);
		enum knows knows = NEITHER;
		if (hint.knows_dir)
			knows = hint.dir == DIR_TO_SERVER ? CLIENT : SERVER;
		if (answer != probes[i].answer || (answer > PROBE_MORE && knows != probes[i].knows))
			fail_msg("%s: answer %d, from %d", probes[i].bytes, answer, knows);
		free(w.bytes);
	}
}

/* Whatever the first bytes are cut to, a real message is never denied. */
static void never_denies_a_cut_message(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		struct wire w = mbap(samples[i].pdu);
		for (size_t n = 0; n <= w.len; n++) {
			struct wire cut = wire_copy(w.bytes, n);
			struct probe_hint hint = { 0 };
			assert_int_not_equal(
				modbus_dissector.probe(rd_over(cut.bytes, n), L4_TCP, &hint),
				PROBE_NO);
			free(cut.bytes);
		}
		free(w.bytes);
	}
}

static const struct resync_case {
	const char *bytes;
	enum dir dir;
	size_t at;
} resyncs[] = {
	/* inside a message, then a whole one, then the start of another */
	{ "0000 0000 6b00 03 0002 0000 0006 11 03 006b 0003 0003 00", REQ, 7 },
	{ "022b 0000 0064 0002 0000 0005 11 03 02 0001", RSP, 6 },
	/* the rest of the message is still to come */
	{ "ffff ff 0002 0000 0006 11 03 00", REQ, 3 },
	/* not even the header is whole */
	{ "ffff ffff ff 1234 0000", REQ, 5 },
	/* looks like a header, but what follows contradicts it; two last bytes may begin one */
	{ "ffff 0001 0000 0003 11 63 41 4242 4242 4242 4242", REQ, 17 },
	/* a function nobody knows, followed by a header */
	{ "ffff 0001 0000 0003 11 63 41 0002 0000 0006", REQ, 2 },
	{ "ffff ffff ffff ffff ffff", REQ, 8 },
	{ "ffff ff 11 03 006b 0003 7687", REQ, 3 },
};

static void finds_the_next_message_after_a_gap(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof resyncs / sizeof resyncs[0]; i++) {
		struct wire w = wire_hex(resyncs[i].bytes);
		size_t at = modbus_dissector.resync(w.bytes, w.len, resyncs[i].dir);
		if (at != resyncs[i].at)
			fail_msg("%s: at %zu", resyncs[i].bytes, at);
		free(w.bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_its_own),
		cmocka_unit_test(never_denies_a_cut_message),
		cmocka_unit_test(finds_the_next_message_after_a_gap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
