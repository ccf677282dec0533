/* test_transaction.c - pairing: exact keys, loose keys, order, bounds, verdicts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sensor/transaction.h"

static const struct field fields[] = { { "t.address", FIELD_UINT, NULL, "", NULL } };
static const struct dissector fake = {
	.name = "t", .fields = fields, .field_count = 1, .keep = { 1 }
};

static struct pdu message(enum tx_role role, uint64_t key, uint64_t loose)
{
	struct pdu p;
	pdu_init(&p);
	p.dissector = &fake;
	p.tx = role;
	p.tx_key = key;
	p.tx_loose = loose;
	return p;
}

static struct tx *ask(struct flow *f, unsigned from, uint64_t key, uint64_t loose, uint64_t frame)
{
	struct pdu p = message(TX_REQUEST, key, loose);
	struct tx dropped;
	bool full;
	pdu_uint(&p, 0, frame * 10);
	return tx_open(f, from, (struct stamp){ .ts_ns = (int64_t)frame, .frame = frame }, &p, 8,
		&dropped, &full);
}

static uint64_t answered(struct flow *f, unsigned from, uint64_t key, uint64_t loose)
{
	struct pdu p = message(TX_REPLY, key, loose);
	struct tx *tx = tx_match(f, from, &p);
	if (tx == NULL)
		return 0;
	uint64_t frame = tx->at.frame;
	assert_int_equal(tx->kept.value[0], frame * 10);
	tx_close(f, tx);
	return frame;
}

static void replies_out_of_order_find_their_requests(void **state)
{
	(void)state;
	struct flow f = { 0 };
	for (uint64_t i = 1; i <= 5; i++)
		assert_non_null(ask(&f, 0, 100 + i, 7, i));
	assert_int_equal(answered(&f, 1, 103, 7), 3);
	assert_int_equal(answered(&f, 1, 105, 7), 5);
	assert_int_equal(answered(&f, 1, 101, 7), 1);
	assert_int_equal(answered(&f, 1, 102, 7), 2);
	assert_int_equal(answered(&f, 1, 104, 7), 4);
	assert_int_equal(answered(&f, 1, 104, 7), 0);
	tx_table_free(&f);
}

static void a_reused_identifier_goes_to_the_oldest(void **state)
{
	(void)state;
	struct flow f = { 0 };
	ask(&f, 0, 0, 0, 1);
	ask(&f, 0, 0, 0, 2);
	assert_int_equal(answered(&f, 1, 0, 0), 1);
	assert_int_equal(answered(&f, 1, 0, 0), 2);
	tx_table_free(&f);
}

static void a_wrong_identifier_falls_back_to_order(void **state)
{
	(void)state;
	struct flow f = { 0 };
	ask(&f, 0, 11, 7, 1);
	ask(&f, 0, 12, 8, 2);
	assert_int_equal(answered(&f, 1, 99, 8), 2);
	assert_int_equal(answered(&f, 1, 99, 9), 0);
	assert_int_equal(answered(&f, 1, 99, 0), 0);
	tx_table_free(&f);
}

static void only_the_other_end_answers(void **state)
{
	(void)state;
	struct flow f = { 0 };
	ask(&f, 0, 1, 0, 1);
	ask(&f, 1, 1, 0, 2);
	assert_int_equal(answered(&f, 0, 1, 0), 2);
	assert_int_equal(answered(&f, 1, 1, 0), 1);
	tx_table_free(&f);
}

static void a_flood_drops_the_oldest_that_nobody_waits_for(void **state)
{
	(void)state;
	struct flow f = { 0 };
	for (uint64_t i = 1; i <= 8; i++)
		ask(&f, 0, i, 0, i);
	tx_at(f.tx, 0)->wait = (struct wait *)(uintptr_t)&f;
	struct pdu p = message(TX_REQUEST, 9, 0);
	struct tx dropped = { 0 };
	bool full;
	assert_non_null(tx_open(&f, 0, (struct stamp){ .frame = 9 }, &p, 8, &dropped, &full));
	assert_true(full);
	assert_int_equal(dropped.at.frame, 2);
	assert_int_equal(f.tx->count, 8);
	assert_int_equal(f.tx->cap, 8);
	tx_table_free(&f);
}

static void verdicts_say_what_was_seen(void **state)
{
	(void)state;
	struct flow f = { .packets = { 5, 5 } };
	struct pdu reply = message(TX_REPLY, 1, 0);
	struct tx *tx = ask(&f, 0, 1, 0, 1);
	struct verdict v = { 0 };
	verdict_of_reply(&v, tx, (struct stamp){ .ts_ns = 51 }, &reply);
	assert_int_equal(v.outcome, VERDICT_ACCEPTED);
	assert_int_equal(v.latency_ns, 50);
	assert_false(v.has_code);
	reply.rejected = true;
	reply.status = 2;
	verdict_of_reply(&v, tx, (struct stamp){ .ts_ns = 51 }, &reply);
	assert_int_equal(v.outcome, VERDICT_REJECTED);
	assert_int_equal(v.code, 2);
	verdict_of_reply(&v, NULL, (struct stamp){ .ts_ns = 51 }, &reply);
	assert_int_equal(v.outcome, VERDICT_ORPHAN_REPLY);

	assert_int_equal(verdict_of_silence(&f, 0, 0, false).outcome, VERDICT_UNANSWERED);
	assert_int_equal(verdict_of_silence(&f, 0, 0, true).outcome, VERDICT_UNANSWERED);
	f.blind_bytes[1] = 12;
	assert_int_equal(verdict_of_silence(&f, 0, 0, false).outcome, VERDICT_UNOBSERVED);
	assert_int_equal(verdict_of_silence(&f, 0, 12, false).outcome, VERDICT_UNANSWERED);
	f.packets[1] = 0;
	assert_int_equal(verdict_of_silence(&f, 0, 12, false).outcome, VERDICT_UNOBSERVED);
	tx_table_free(&f);
}

static void a_refusal_says_what_it_refuses(void **state)
{
	(void)state;
	struct flow f = { 0 };
	struct pdu reply = message(TX_REPLY, 1, 0);
	tx_tell_request(&reply); /* nobody asked */
	assert_int_equal(reply.present, 0);
	reply.request = ask(&f, 0, 1, 0, 7)->kept;
	tx_tell_request(&reply);
	assert_int_equal(reply.present, 1);
	assert_int_equal(reply.value[0].u, 70);
	pdu_uint(&reply, 0, 5); /* it says so itself */
	tx_tell_request(&reply);
	assert_int_equal(reply.value[0].u, 5);

	struct pdu silent = message(TX_REQUEST, 2, 0), other = message(TX_REPLY, 2, 0);
	struct tx dropped;
	bool full;
	other.request =
		tx_open(&f, 0, (struct stamp){ .frame = 8 }, &silent, 8, &dropped, &full)->kept;
	tx_tell_request(&other); /* a request without an address */
	assert_int_equal(other.present, 0);
	tx_table_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_out_of_order_find_their_requests),
		cmocka_unit_test(a_reused_identifier_goes_to_the_oldest),
		cmocka_unit_test(a_wrong_identifier_falls_back_to_order),
		cmocka_unit_test(only_the_other_end_answers),
		cmocka_unit_test(a_flood_drops_the_oldest_that_nobody_waits_for),
		cmocka_unit_test(verdicts_say_what_was_seen),
		cmocka_unit_test(a_refusal_says_what_it_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
