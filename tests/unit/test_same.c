/* test_same.c - pdu.same against all of pcaps/: messages that are the same by it have the same
 * fields, but for numbers, and the same items. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sensor/transaction.h"
#include "tests/unit/captures.h"

enum { MESSAGES = 1 << 16, OPEN_MAX = 64, KEY_MAX = 2048 };

/* What decides about a message, and a hash of all that it says. */
struct message {
	uint64_t flow, hash;
	const struct dissector *dissector;
	struct kept request;
	enum pdu_dir dir;
	unsigned from;
	int32_t code;
	size_t len;
	uint8_t *same;
};

static struct message messages[MESSAGES];
static size_t message_count;
static unsigned again[8]; /* by dissector_index() */
static const char *reading;

/* --- what a message says --------------------------------------------------------------------- */

static void mix(uint64_t *hash, const void *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		*hash = (*hash ^ ((const uint8_t *)bytes)[i]) * UINT64_C(0x100000001b3);
}

static void mix_value(uint64_t *hash, const struct field *fields, unsigned i, const struct value *v)
{
	bool bytes = fields[i].type == FIELD_TEXT || fields[i].type == FIELD_BYTES;
	mix(hash, &i, sizeof i);
	if (bytes)
		mix(hash, v->bytes, v->len);
	else
		mix(hash, &v->u, sizeof v->u);
}

static uint64_t hash_of(const struct pdu *p)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);
	uint64_t left = p->present & ~p->dissector->numbers;
	mix(&hash, p->name, strlen(p->name));
	mix(&hash, &p->tx, sizeof p->tx);
	for (; left != 0; left &= left - 1) {
		unsigned i = (unsigned)__builtin_ctzll(left);
		mix_value(&hash, p->dissector->fields, i, &p->value[i]);
	}
	struct item_cursor c = p->items;
	struct item it;
	while (items_next(&c, &it)) {
		mix(&hash, &it.present, sizeof it.present);
		for (uint32_t n = it.present; n != 0; n &= n - 1) {
			unsigned i = (unsigned)__builtin_ctz(n);
			mix_value(&hash, p->dissector->item_fields, i, &it.value[i]);
		}
	}
	return hash;
}

/* --- messages seen before -------------------------------------------------------------------- */

static bool alike(const struct message *a, const struct message *b)
{
	return a->flow == b->flow && a->from == b->from && a->dissector == b->dissector &&
	       a->dir == b->dir && a->code == b->code && a->len == b->len &&
	       a->request.known == b->request.known &&
	       memcmp(a->request.value, b->request.value, sizeof a->request.value) == 0 &&
	       memcmp(a->same, b->same, a->len) == 0;
}

static void check(const struct message *m, struct stamp at)
{
	for (size_t i = message_count; i-- > 0;) {
		if (!alike(m, &messages[i]))
			continue;
		if (m->hash != messages[i].hash)
			print_error("%s: frame %llu says something else\n", reading,
				(unsigned long long)at.frame);
		assert_int_equal(m->hash, messages[i].hash);
		again[dissector_index(m->dissector)]++;
		return;
	}
	assert_true(message_count < MESSAGES);
	struct message *kept = &messages[message_count++];
	*kept = *m;
	kept->same = malloc(m->len);
	assert_non_null(kept->same);
	memcpy(kept->same, m->same, m->len);
}

static bool is_read(const struct pdu *p)
{
	const char *name = p->dissector->name;
	if (strcmp(name, "modbus") == 0)
		return p->code >= 1 && p->code <= 4;
	if (strcmp(name, "s7comm") == 0)
		return p->code == 4;
	return strcmp(name, "dnp3") == 0 && (p->code == 1 || p->code == 129);
}

static void pair(struct flow *f, unsigned from, struct stamp at, struct pdu *p)
{
	struct tx dropped;
	bool full;
	if (p->tx == TX_REQUEST) {
		tx_open(f, from, at, p, OPEN_MAX, &dropped, &full);
	} else if (p->tx == TX_REPLY || p->tx == TX_REPLY_PART) {
		struct tx *tx = tx_match(f, from, p);
		if (tx == NULL)
			return;
		p->request = tx->kept;
		if (p->tx == TX_REPLY)
			tx_close(f, tx);
	}
}

static void on_pdu(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *pdu)
{
	(void)ctx;
	pair(f, from, at, pdu);
	if (pdu->same.left == 0)
		return;
	uint8_t bytes[KEY_MAX];
	assert_true(is_read(pdu) && pdu->malformed == NULL && !pdu->rejected && pdu->flags == 0);
	assert_true(!pdu->same.overrun && pdu->same.left <= sizeof bytes);
	memcpy(bytes, pdu->same.at, pdu->same.left);
	check(&(struct message){ .flow = f->id,
		      .hash = hash_of(pdu),
		      .dissector = pdu->dissector,
		      .request = pdu->request,
		      .dir = pdu->dir,
		      .from = from,
		      .code = pdu->code,
		      .len = pdu->same.left,
		      .same = bytes },
		at);
}

static const struct inspector inspector = CAPTURE_INSPECTOR(on_pdu);

static unsigned repeats_of(const char *name)
{
	return again[dissector_index(dissector_named(name))];
}

static void the_same_says_the_same(void **state)
{
	(void)state;
	captures_find("pcaps");
	for (size_t i = 0; i < capture_count; i++) {
		reading = captures[i];
		capture_read(captures[i], &inspector, NULL);
		while (message_count > 0)
			free(messages[--message_count].same);
	}
	captures_free();
	print_message("again: %u of Modbus, %u of S7, %u of DNP3\n", repeats_of("modbus"),
		repeats_of("s7comm"), repeats_of("dnp3"));
	assert_true(repeats_of("modbus") > 100 && repeats_of("s7comm") > 100 &&
		    repeats_of("dnp3") > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_same_says_the_same) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
