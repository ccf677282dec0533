/* test_print.c - the same print for the same meaning, another for whatever rules could tell apart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "sensor/print.h"

static struct prints prints;

struct message {
	struct flow flow;
	struct pdu pdu;
	struct event e;
	struct tx tx;
	uint8_t bytes[300];
};

static void make(struct message *m, enum tx_role role)
{
	memset(m, 0, sizeof *m);
	m->flow.id = 77;
	pdu_init(&m->pdu);
	m->pdu.tx = role;
	m->pdu.dir = role == TX_REQUEST ? PDU_REQ : PDU_RSP;
	m->pdu.same = rd_over(m->bytes, sizeof m->bytes);
	event_begin(&m->e, &m->flow, role != TX_REQUEST, (struct stamp){ 5, 5 }, &m->pdu);
	m->e.verdict.outcome = role == TX_REQUEST ? VERDICT_PENDING : VERDICT_ACCEPTED;
	m->tx.print = 99;
}

static uint64_t request(struct message *m)
{
	return print_of(&prints, &m->e, NULL);
}

static uint64_t reply(struct message *m)
{
	return print_of(&prints, &m->e, &m->tx);
}

static void the_same_has_the_same(void **state)
{
	static struct message a, b;
	(void)state;
	make(&a, TX_REQUEST);
	make(&b, TX_REQUEST);
	b.e.at = (struct stamp){ 9000, 12 };
	b.pdu.tx_key = 4; /* its number */
	assert_int_not_equal(request(&a), 0);
	assert_int_equal(request(&a), request(&b));
	make(&a, TX_REPLY);
	make(&b, TX_REPLY);
	b.e.verdict.latency_ns = 1000;
	assert_int_not_equal(reply(&a), 0);
	assert_int_equal(reply(&a), reply(&b));
}

static void whatever_differs_shows(void **state)
{
	static struct message a, b;
	uint64_t seen[320];
	size_t n = 0;
	(void)state;
	make(&a, TX_REPLY);
	seen[n++] = reply(&a);
	make(&b, TX_REQUEST);
	seen[n++] = request(&b);
#define DIFFERS(change) make(&b, TX_REPLY), (change), seen[n++] = reply(&b)
	DIFFERS(b.flow.id++);
	DIFFERS(b.flow.client = 1);
	DIFFERS(b.e.from = 0);
	DIFFERS(b.pdu.dir = PDU_IND);
	DIFFERS(b.e.verdict.outcome = VERDICT_REJECTED);
	DIFFERS(b.e.verdict.has_code = true);
	DIFFERS(b.e.verdict.code = 2);
	DIFFERS(b.e.verdict.code = -2);
	DIFFERS(b.tx.print++);
	DIFFERS(b.pdu.same.left--);
	for (size_t i = 0; i < sizeof b.bytes; i++)
		DIFFERS(b.bytes[i] ^= 1);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			assert_int_not_equal(seen[i], seen[k]);
}

static void some_have_none(void **state)
{
	static struct message m;
	(void)state;
	make(&m, TX_REQUEST);
	m.pdu.same.left = 0;
	assert_int_equal(request(&m), 0);
	make(&m, TX_REQUEST);
	m.pdu.flags = PDU_RESYNCED;
	assert_int_equal(request(&m), 0);
	make(&m, TX_REPLY);
	assert_int_equal(print_of(&prints, &m.e, NULL), 0);
	m.tx.print = 0;
	assert_int_equal(reply(&m), 0);
}

static void nobody_can_foresee_it(void **state)
{
	static struct message m;
	struct prints other;
	(void)state;
	make(&m, TX_REQUEST);
	uint64_t first = request(&m);
	assert_true(prints_init(&other));
	assert_int_not_equal(print_of(&other, &m.e, NULL), first);
	m.pdu.same.left = 5;
	assert_int_not_equal(print_of(&other, &m.e, NULL), request(&m));
}

/* Each bit of bytes of any length is taken in, and none behind their end. */
static void every_length_is_hashed_whole(void **state)
{
	static struct message m;
	(void)state;
	make(&m, TX_REQUEST);
	for (size_t n = 1; n <= 70; n++) {
		m.pdu.same.left = n;
		uint64_t plain = request(&m);
		for (size_t bit = 0; bit < n * 8; bit++) {
			m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_not_equal(request(&m), plain);
			m.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		m.bytes[n] ^= 1;
		assert_int_equal(request(&m), plain);
		m.bytes[n] ^= 1;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_has_the_same),
		cmocka_unit_test(whatever_differs_shows),
		cmocka_unit_test(some_have_none),
		cmocka_unit_test(nobody_can_foresee_it),
		cmocka_unit_test(every_length_is_hashed_whole),
	};
	return !prints_init(&prints) || cmocka_run_group_tests(tests, NULL, NULL);
}
