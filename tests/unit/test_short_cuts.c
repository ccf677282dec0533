/* test_short_cuts.c - modbus_row() and s7_next_code() against all of pcaps/: they tell what the
 * items tell one by one. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "dissectors/modbus.h"
#include "dissectors/s7comm.h"
#include "sensor/transaction.h"
#include "tests/unit/captures.h"

enum { OPEN_MAX = 64 };

static unsigned rows, words, bits, codes;

static uint64_t value_in(const struct modbus_row *row, uint32_t i)
{
	if (row->bits)
		return row->bytes[i / 8] >> i % 8 & 1;
	return (uint64_t)row->bytes[i * 2] << 8 | row->bytes[i * 2 + 1];
}

static void row_is_items(const struct pdu *p)
{
	struct item_cursor c = p->items;
	struct item it;
	struct modbus_row row;
	bool has = items_next(&c, &it) && item_has(&it, MODBUS_ITEM_ADDRESS) &&
		   item_has(&it, MODBUS_ITEM_VALUE);
	assert_int_equal(modbus_row(p, &row), has);
	if (!has)
		return;
	rows++;
	*(row.bits ? &bits : &words) += row.count;
	for (uint32_t i = 0; i < row.count; i++) {
		assert_int_equal(it.value[MODBUS_ITEM_ADDRESS].u, row.address + i);
		assert_int_equal(it.value[MODBUS_ITEM_VALUE].u, value_in(&row, i));
		assert_int_equal(items_next(&c, &it), i + 1 < row.count);
	}
}

static void codes_are_items(const struct pdu *p)
{
	struct item_cursor c = p->items, quick = p->items;
	struct item it;
	struct reader data;
	uint8_t code;
	while (items_next(&c, &it) && item_has(&it, S7I_RETURN_CODE)) {
		assert_true(s7_next_code(&quick, &code, &data));
		assert_int_equal(it.value[S7I_RETURN_CODE].u, code);
		assert_int_equal(item_has(&it, S7I_DATA) ? it.value[S7I_DATA].len : 0, data.left);
		if (data.left > 0)
			assert_ptr_equal(it.value[S7I_DATA].bytes, data.at);
		codes++;
	}
	assert_false(s7_next_code(&quick, &code, &data));
}

static void on_pdu(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *p)
{
	struct tx dropped, *tx;
	bool full;
	(void)ctx;
	if (p->tx == TX_REQUEST)
		tx_open(f, from, at, p, OPEN_MAX, &dropped, &full);
	else if (p->tx == TX_REPLY && (tx = tx_match(f, from, p)) != NULL) {
		p->request = tx->kept;
		tx_close(f, tx);
	}
	if (p->dissector == &modbus_dissector)
		row_is_items(p);
	else if (p->dissector == &s7comm_dissector)
		codes_are_items(p);
}

static const struct inspector inspector = CAPTURE_INSPECTOR(on_pdu);

static void what_items_tell(void **state)
{
	(void)state;
	captures_find("pcaps");
	for (size_t i = 0; i < capture_count; i++)
		capture_read(captures[i], &inspector, NULL);
	captures_free();
	print_message("%u rows, %u words, %u bits, %u codes\n", rows, words, bits, codes);
	assert_true(rows > 100 && words > 500 && bits > 100 && codes > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(what_items_tell) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
