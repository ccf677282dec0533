/* TPKT and COTP: framing, fragments, connections, what is not S7, and where to go on after a loss.
 */
#include "tests/unit/s7_feed.h"

static const char stop[] = "32 01 0000 0002 0010 0000 29 0000000000 09 505f50524f4752414d";
static const char connect_pg[] = "03000016 11 e0 0000 0001 00 c0 01 0a c1 02 0100 c2 02 0102";
static const char confirm_pg[] = "03000016 11 d0 0001 0014 00 c0 01 0a c1 02 0100 c2 02 0102";

static void feed_hex(struct fed *f, enum dir dir, const char *hex)
{
	fed_bytes(f, dir, wire_hex(hex));
}

static void tells_who_connects_to_what(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	feed_hex(f, DIR_TO_SERVER, connect_pg);
	struct pdu *p = &f->pdu[0];
	assert_int_equal(f->count, 1);
	assert_ptr_equal(p->dissector, &cotp_dissector);
	assert_string_equal(p->name, "connect_request");
	assert_int_equal(p->code, PDU_NO_CODE);
	assert_int_equal(p->dir, PDU_REQ);
	assert_int_equal(p->tx, TX_REQUEST);
	assert_string_equal(named(p, "connection_type"), "pg");
	assert_int_equal(num(p, "rack"), 0);
	assert_int_equal(num(p, "slot"), 2);
	assert_int_equal(num(p, "tpdu_size"), 1024);
	uint64_t key = p->tx_key;
	feed_hex(f, DIR_TO_CLIENT, confirm_pg);
	assert_string_equal(p->name, "connect_confirm");
	assert_int_equal(p->tx, TX_REPLY);
	assert_int_equal(p->tx_key, key);
	assert_false(p->rejected);
	fed_free(f);
}

static void options_come_in_any_order_and_the_session_fills_in_what_a_confirm_omits(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	feed_hex(f, DIR_TO_SERVER, "03000016 11 e0 0000 0007 00 c2 02 0243 c1 02 1000 c0 01 09");
	assert_string_equal(named(&f->pdu[0], "connection_type"), "op");
	assert_int_equal(num(&f->pdu[0], "rack"), 2);
	assert_int_equal(num(&f->pdu[0], "slot"), 3);
	feed_hex(f, DIR_TO_CLIENT, "0300000b 06 d0 0007 0009 00");
	assert_int_equal(num(&f->pdu[0], "rack"), 2);
	fed_free(f);
}

static void shows_a_tsap_that_is_text(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	feed_hex(f, DIR_TO_SERVER,
		"03000023 1e e0 0000 0001 00 c1 02 0600"
		"c2 0f 53494d415449432d524f4f542d4553 c0 01 0a");
	is_text(&f->pdu[0], "called_name", "SIMATIC-ROOT-ES");
	assert_false(has(&f->pdu[0], "rack"));
	assert_null(f->pdu[0].malformed);
	fed_free(f);
}

static void a_refusal_is_a_reply_that_rejects(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	feed_hex(f, DIR_TO_SERVER, connect_pg);
	uint64_t key = f->pdu[0].tx_key;
	feed_hex(f, DIR_TO_CLIENT, "0300000b 06 80 0001 0000 03");
	struct pdu *p = &f->pdu[0];
	assert_string_equal(p->name, "disconnect_request");
	assert_int_equal(p->tx, TX_REPLY);
	assert_int_equal(p->tx_key, key);
	assert_true(p->rejected);
	assert_int_equal(p->status, 3);
	assert_string_equal(p->status_name, "address_unknown");
	fed_free(f);
}

static void a_disconnect_of_an_open_session_is_none(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	feed_hex(f, DIR_TO_SERVER, connect_pg);
	feed_hex(f, DIR_TO_CLIENT, confirm_pg);
	feed_hex(f, DIR_TO_CLIENT, "0300000b 06 80 0001 0014 80");
	assert_int_equal(f->pdu[0].tx, TX_NONE);
	assert_false(f->pdu[0].rejected);
	assert_string_equal(named(&f->pdu[0], "reason"), "normal_disconnect");
	fed_free(f);
}

static void knows_the_other_tpdus(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *name;
	} cases[] = {
		{ "0300000a 05 c0 0001 0014", "disconnect_confirm" },
		{ "03000009 04 70 0001 02", "tpdu_error" },
		{ "0300000a 04 10 0001 80 41", "expedited_data" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fed *f = fed_new();
		feed_hex(f, DIR_TO_SERVER, cases[i].hex);
		assert_int_equal(f->count, 1);
		assert_string_equal(f->pdu[0].name, cases[i].name);
		assert_null(f->pdu[0].malformed);
		fed_free(f);
	}
}

/* Each cut lives in a heap block of its own size, so ASan sees a read one byte too far. */
static void asks_for_more_at_every_cut(void **state)
{
	(void)state;
	struct wire whole[] = { wire_hex(connect_pg), tpkt(stop, true), tpkt("", false) };
	for (size_t i = 0; i < 3; i++) {
		for (size_t n = 0; n < whole[i].len; n++) {
			struct fed *f = fed_new();
			fed_bytes(f, DIR_TO_SERVER, wire_copy(whole[i].bytes, n));
			assert_int_equal(f->count, 0);
			assert_int_equal(f->last, DISSECT_MORE);
			assert_int_equal(f->left, n);
			fed_free(f);
		}
		free(whole[i].bytes);
	}
}

static void says_how_much_it_wants(void **state)
{
	(void)state;
	struct wire w = tpkt(stop, true);
	struct pool pool = { .cap = 4096 };
	void *st = calloc(1, cotp_dissector.state_size);
	struct dissect d = { .dir = DIR_TO_SERVER, .l4 = L4_TCP, .state = st, .pool = &pool };
	struct pdu p;
	pdu_init(&p);
	struct reader in = rd_over(w.bytes, 2);
	assert_int_equal(cotp_dissector.dissect(&in, &d, &p), DISSECT_MORE);
	assert_int_equal(d.need, 4);
	in = rd_over(w.bytes, 6);
	assert_int_equal(cotp_dissector.dissect(&in, &d, &p), DISSECT_MORE);
	assert_int_equal(d.need, w.len);
	free(w.bytes);
	free(st);
}

static void a_stop_cut_at_any_byte_over_two_dts_is_seen(void **state)
{
	(void)state;
	struct wire s = wire_hex(stop);
	for (size_t cut = 0; cut <= s.len; cut++) {
		char head[128] = "";
		char tail[128] = "";
		for (size_t i = 0; i < s.len; i++)
			sprintf(i < cut ? head + 2 * i : tail + 2 * (i - cut), "%02x", s.bytes[i]);
		struct fed *f = fed_new();
		fed_bytes(f, DIR_TO_SERVER, tpkt(head, false));
		assert_int_equal(f->count, 0);
		fed_bytes(f, DIR_TO_SERVER, tpkt(tail, true));
		assert_int_equal(f->count, 1);
		assert_string_equal(f->pdu[0].name, "plc_stop");
		assert_null(f->pdu[0].malformed);
		fed_free(f);
	}
	free(s.bytes);
}

static void fragments_of_the_two_directions_do_not_mix(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	fed_bytes(f, DIR_TO_SERVER, tpkt("32 01 0000 0002 0010 0000 29 00", false));
	assert_string_equal(
		fed_s7(f, DIR_TO_CLIENT, "32 03 0000 0001 0001 0000 0000 29")->name, "plc_stop");
	fed_bytes(f, DIR_TO_SERVER, tpkt("00000000 09 505f50524f4752414d", true));
	assert_int_equal(f->count, 1);
	assert_int_equal(f->pdu[0].dir, PDU_REQ);
	fed_free(f);
}

static void an_empty_dt_without_eot_changes_nothing(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	feed_hex(f, DIR_TO_SERVER, "03000007 02 f0 00");
	assert_int_equal(f->count, 0);
	assert_string_equal(fed_s7(f, DIR_TO_SERVER, stop)->name, "plc_stop");
	fed_free(f);
}

static void several_tpdus_in_one_tpkt(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	/* an acknowledgement, a connection confirm and a stop */
	feed_hex(f, DIR_TO_SERVER,
		"03000038 04 60 0001 01"
		"11 d0 0001 0014 00 c0 01 0a c1 02 0100 c2 02 0102"
		"02 f0 80 32 01 0000 0002 0010 0000 29 0000000000 09"
		"505f50524f4752414d");
	assert_int_equal(f->left, 0);
	assert_int_equal(f->count, 2);
	assert_string_equal(f->pdu[0].name, "connect_confirm");
	assert_true(f->pdu[0].more);
	assert_string_equal(f->pdu[1].name, "plc_stop");
	assert_false(f->pdu[1].more);
	fed_free(f);
}

static void several_messages_in_one_tsdu_whole_or_joined(void **state)
{
	(void)state;
	static const char two[] = "32 01 0000 0001 0001 0000 00"
				  "32 01 0000 0002 0010 0000 29 0000000000 09 505f50524f4752414d";
	struct fed *f = fed_new();
	fed_bytes(f, DIR_TO_SERVER, tpkt(two, true));
	assert_int_equal(f->count, 2);
	assert_string_equal(f->pdu[0].name, "cpu_services");
	assert_string_equal(f->pdu[1].name, "plc_stop");
	fed_bytes(f, DIR_TO_SERVER, tpkt("32 01 00", false));
	fed_bytes(f, DIR_TO_SERVER,
		tpkt("00 0001 0001 0000 00"
		     "32 01 0000 0002 0010 0000 29 0000000000 09"
		     "505f50524f4752414d",
			true));
	assert_int_equal(f->count, 2);
	assert_true(f->pdu[0].more);
	assert_string_equal(f->pdu[1].name, "plc_stop");
	fed_free(f);
}

static void several_tpkts_in_one_segment(void **state)
{
	(void)state;
	struct wire one = tpkt(stop, true);
	uint8_t bytes[256];
	memcpy(bytes, one.bytes, one.len);
	memcpy(bytes + one.len, one.bytes, one.len);
	memcpy(bytes + 2 * one.len, one.bytes, 5);
	struct fed *f = fed_new();
	fed_bytes(f, DIR_TO_SERVER, wire_copy(bytes, 2 * one.len + 5));
	assert_int_equal(f->count, 2);
	assert_int_equal(f->last, DISSECT_MORE);
	assert_int_equal(f->left, 5);
	free(one.bytes);
	fed_free(f);
}

static void a_tsdu_beyond_the_bound_is_said_once_and_the_next_is_read(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	char zeros[4001];
	memset(zeros, '0', 4000);
	zeros[4000] = '\0';
	for (unsigned i = 0; i < 40; i++) {
		fed_bytes(f, DIR_TO_SERVER, tpkt(zeros, false));
		assert_int_equal(f->count, 0);
		assert_true(f->pool.used <= 128 * 1024);
	}
	fed_bytes(f, DIR_TO_SERVER, tpkt("00", true));
	assert_int_equal(f->count, 1);
	assert_string_equal(f->pdu[0].malformed, "TSDU longer than can be joined");
	assert_int_equal(f->pool.used, 0);
	assert_string_equal(fed_s7(f, DIR_TO_SERVER, stop)->name, "plc_stop");
	fed_free(f);
}

static void a_pool_at_its_cap_is_said_and_survived(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	f->pool.cap = 0;
	fed_bytes(f, DIR_TO_SERVER, tpkt("3201", false));
	fed_bytes(f, DIR_TO_SERVER, tpkt("0000", true));
	assert_string_equal(f->pdu[0].malformed, "TSDU longer than can be joined");
	assert_string_equal(fed_s7(f, DIR_TO_SERVER, stop)->name, "plc_stop");
	fed_free(f);
}

static void lost_bytes_forget_the_half_and_do_not_blame_the_other_half(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	fed_s7(f, DIR_TO_SERVER, stop);
	fed_bytes(f, DIR_TO_SERVER, tpkt("32 01 0000 0002 0010", false));
	struct dissect d = {
		.dir = DIR_TO_SERVER, .l4 = L4_TCP, .state = f->state, .pool = &f->pool
	};
	cotp_dissector.lost(&d);
	fed_bytes(f, DIR_TO_SERVER, tpkt("0000000000 09 505f50524f4752414d", true));
	assert_int_equal(f->count, 0);
	assert_string_equal(fed_s7(f, DIR_TO_SERVER, stop)->name, "plc_stop");
	fed_free(f);
}

static void tls_is_told_once_and_hides_no_clear_text(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	fed_bytes(f, DIR_TO_SERVER, tpkt("16 03 01 0005 0100000100", true));
	assert_int_equal(f->count, 1);
	assert_string_equal(f->pdu[0].name, "tls");
	assert_int_equal(num(&f->pdu[0], "encrypted"), 1);
	assert_false(f->pdu[0].final);
	assert_null(f->pdu[0].malformed);
	fed_bytes(f, DIR_TO_CLIENT, tpkt("16 03 03 0005 0200000100", true));
	assert_int_equal(f->count, 0);
	fed_bytes(f, DIR_TO_SERVER, tpkt("17 03 03 0000", true));
	assert_int_equal(f->count, 0);
	assert_string_equal(fed_s7(f, DIR_TO_SERVER, stop)->name, "plc_stop");
	fed_free(f);
}

/* An MMS initiate over ISO session: somebody else's. */
static void what_is_not_s7_is_no_pdu_and_no_damage(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	feed_hex(f, DIR_TO_SERVER, "03000016 11 e0 0000 0001 00 c0 01 0d c1 02 0000 c2 02 0001");
	assert_string_equal(f->pdu[0].name, "connect_request");
	assert_false(has(&f->pdu[0], "connection_type"));
	fed_bytes(f, DIR_TO_SERVER, tpkt("0d b2 05 06 13 01 00 16 01 02 14 02 00 02", true));
	assert_int_equal(f->count, 0);
	assert_int_equal(f->left, 0);
	fed_bytes(f, DIR_TO_SERVER, tpkt("01 00 01 00 61 20 30 1e", true));
	assert_int_equal(f->count, 0);
	fed_free(f);
}

static void on_an_s7_flow_another_magic_is_damage(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	fed_s7(f, DIR_TO_SERVER, stop);
	struct pdu *p = fed_s7(f, DIR_TO_SERVER, "33 01 0000 0002 0010 0000 29");
	assert_string_equal(p->malformed, "not the S7comm protocol id");
	assert_ptr_equal(p->dissector, &s7comm_dissector);
	fed_free(f);
}

static void damage_is_named(void **state)
{
	(void)state;
	static const struct {
		const char *hex, *why;
	} cases[] = {
		{ "03000008 09 f0 80 00", "COTP header runs past its TPKT" },
		{ "03000008 01 f0 80 00", "COTP header runs past its TPKT" },
		{ "03000008 03 30 80 00", "unknown TPDU code" },
		{ "03000008 03 e0 00 00", "TPDU ends inside its header" },
		{ "03000010 0b e0 0000 0001 00 c0 01 0a c1 09",
			"TPDU option runs past its header" },
		{ "03000008 03 70 00 00", "TPDU ends inside its header" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct fed *f = fed_new();
		feed_hex(f, DIR_TO_SERVER, cases[i].hex);
		assert_int_equal(f->count, 1);
		assert_int_equal(f->left, 0);
		assert_non_null(f->pdu[0].malformed);
		assert_string_equal(f->pdu[0].malformed, cases[i].why);
		fed_free(f);
	}
}

static void what_is_no_tpkt_is_bad(void **state)
{
	(void)state;
	struct fed *f = fed_new();
	feed_hex(f, DIR_TO_SERVER, "00010000000611030000000a");
	assert_int_equal(f->last, DISSECT_BAD);
	assert_string_equal(f->pdu[0].malformed, "not a TPKT header");
	feed_hex(f, DIR_TO_SERVER, "03000006 0280");
	assert_int_equal(f->last, DISSECT_BAD);
	assert_string_equal(f->pdu[0].malformed, "TPKT too short for a TPDU");
	fed_free(f);
}

static enum probe probe(struct wire w, size_t n, struct probe_hint *hint)
{
	struct wire cut = wire_copy(w.bytes, n);
	*hint = (struct probe_hint){ 0 };
	enum probe p = cotp_dissector.probe(rd_over(cut.bytes, cut.len), L4_TCP, hint);
	free(cut.bytes);
	return p;
}

static void probes(void **state)
{
	(void)state;
	struct probe_hint hint;
	struct wire w = wire_hex(connect_pg);
	assert_int_equal(probe(w, w.len, &hint), PROBE_SURE);
	assert_true(hint.knows_dir && hint.dir == DIR_TO_SERVER);
	for (size_t n = 0; n < w.len; n++)
		assert_int_equal(probe(w, n, &hint), PROBE_MORE);
	assert_int_equal(cotp_dissector.probe(rd_over(w.bytes, w.len), L4_UDP, &hint), PROBE_NO);
	free(w.bytes);
	w = wire_hex("03000016 11 e0 0000 0001 00 c0 01 0d c1 02 0000 c2 02 0001");
	assert_int_equal(probe(w, w.len, &hint), PROBE_WEAK);
	free(w.bytes);
	w = tpkt(stop, true);
	assert_int_equal(probe(w, w.len, &hint), PROBE_SURE);
	assert_true(hint.knows_dir && hint.dir == DIR_TO_SERVER);
	assert_int_equal(probe(w, w.len - 1, &hint), PROBE_MORE);
	free(w.bytes);
	w = tpkt("32 01 0000 0002 0012 0000 1b 00 0000 00000000 09 5f30413030303031 50", true);
	assert_int_equal(probe(w, w.len, &hint), PROBE_SURE);
	assert_true(hint.dir == DIR_TO_CLIENT); /* the PLC asks for the next piece */
	free(w.bytes);
	w = tpkt("0d b2 05 06", true);
	assert_int_equal(probe(w, w.len, &hint), PROBE_WEAK);
	free(w.bytes);
	w = wire_hex("00010000000611030000000a");
	assert_int_equal(probe(w, w.len, &hint), PROBE_NO);
	free(w.bytes);
}

static void finds_its_way_back(void **state)
{
	(void)state;
	struct wire w = tpkt(stop, true);
	uint8_t bytes[128] = { 0x50, 3, 0, 0x4f, 0x03, 0x00, 0x00, 0x05 };
	memcpy(bytes + 8, w.bytes, w.len);
	assert_int_equal(cotp_dissector.resync(bytes, 8 + w.len, DIR_TO_SERVER), 8);
	bytes[8 + w.len] = 7; /* what follows is no TPKT */
	assert_int_equal(cotp_dissector.resync(bytes, 9 + w.len, DIR_TO_SERVER), 9 + w.len);
	bytes[8 + w.len] = 3; /* and here it may be */
	assert_int_equal(cotp_dissector.resync(bytes, 9 + w.len, DIR_TO_SERVER), 8);
	uint8_t tail[] = { 1, 2, 3, 0 };
	assert_int_equal(cotp_dissector.resync(tail, 4, DIR_TO_SERVER), 2);
	free(w.bytes);
}

/* What the latest one's first byte begins is not asked about any more. */
static void a_first_byte_tells_the_carried_apart(void **state)
{
	(void)state;
	unsigned carried = 0;
	for (unsigned i = 0; dissectors[i] != NULL; i++) {
		const struct dissector *d = dissectors[i];
		if (d->carrier != &cotp_dissector)
			continue;
		carried++;
		for (unsigned byte = 0; byte < 256; byte++) {
			struct probe_hint hint;
			uint8_t bytes[32] = { (uint8_t)byte };
			enum probe one = d->probe(rd_over(bytes, 1), L4_TCP, &hint);
			enum probe many = d->probe(rd_over(bytes, sizeof bytes), L4_TCP, &hint);
			assert_true(byte == d->first_byte || (one == PROBE_NO && many == PROBE_NO));
		}
	}
	assert_true(carried > 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_who_connects_to_what),
		cmocka_unit_test(
			options_come_in_any_order_and_the_session_fills_in_what_a_confirm_omits),
		cmocka_unit_test(shows_a_tsap_that_is_text),
		cmocka_unit_test(a_refusal_is_a_reply_that_rejects),
		cmocka_unit_test(a_disconnect_of_an_open_session_is_none),
		cmocka_unit_test(knows_the_other_tpdus),
		cmocka_unit_test(asks_for_more_at_every_cut),
		cmocka_unit_test(says_how_much_it_wants),
		cmocka_unit_test(a_stop_cut_at_any_byte_over_two_dts_is_seen),
		cmocka_unit_test(fragments_of_the_two_directions_do_not_mix),
		cmocka_unit_test(an_empty_dt_without_eot_changes_nothing),
		cmocka_unit_test(several_tpdus_in_one_tpkt),
		cmocka_unit_test(several_messages_in_one_tsdu_whole_or_joined),
		cmocka_unit_test(several_tpkts_in_one_segment),
		cmocka_unit_test(a_tsdu_beyond_the_bound_is_said_once_and_the_next_is_read),
		cmocka_unit_test(a_pool_at_its_cap_is_said_and_survived),
		cmocka_unit_test(lost_bytes_forget_the_half_and_do_not_blame_the_other_half),
		cmocka_unit_test(tls_is_told_once_and_hides_no_clear_text),
		cmocka_unit_test(what_is_not_s7_is_no_pdu_and_no_damage),
		cmocka_unit_test(on_an_s7_flow_another_magic_is_damage),
		cmocka_unit_test(damage_is_named),
		cmocka_unit_test(what_is_no_tpkt_is_bad),
		cmocka_unit_test(probes),
		cmocka_unit_test(finds_its_way_back),
		cmocka_unit_test(a_first_byte_tells_the_carried_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
