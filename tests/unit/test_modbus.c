/* test_modbus.c - every Modbus function in both directions, from bytes to fields and items. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "dissectors/modbus.h"
#include "tests/unit/test_modbus_samples.h"
#include "tests/unit/wire.h"

enum { FULL_LINE = 8192 };

struct text {
	char at[FULL_LINE];
	size_t len;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct text *t, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	int n = vsnprintf(t->at + t->len, sizeof t->at - t->len, format, args);
	va_end(args);
	assert_true(n >= 0 && (size_t)n < sizeof t->at - t->len);
	t->len += (size_t)n;
}

static void add_value(struct text *t, const struct field *f, const struct value *v)
{
	if (f->type == FIELD_UINT) {
		add(t, "%llu", (unsigned long long)v->u);
		return;
	}
	const char *quote = f->type == FIELD_TEXT ? "'" : "";
	add(t, "%s", quote);
	for (uint32_t i = 0; i < v->len; i++)
		if (f->type == FIELD_BYTES)
			add(t, "%02x", v->bytes[i]);
		else
			add(t, "%c", v->bytes[i] >= ' ' && v->bytes[i] < 0x7f ? v->bytes[i] : '.');
	add(t, "%s", quote);
}

static bool is_common(unsigned field)
{
	return field == MODBUS_TRANSACTION || field == MODBUS_LENGTH || field == MODBUS_UNIT ||
	       field == MODBUS_FUNCTION || field == MODBUS_FRAMING;
}

static struct text show_fields(const struct pdu *p)
{
	struct text t = { .len = 0 };
	for (unsigned i = 0; i < MODBUS_FIELDS; i++) {
		if (!pdu_has(p, i) || is_common(i))
			continue;
		add(&t, "%s%s=", t.len > 0 ? " " : "", modbus_fields[i].name + strlen("modbus."));
		add_value(&t, &modbus_fields[i], &p->value[i]);
	}
	return t;
}

static void show_register(struct text *t, const struct item *it)
{
	if (item_has(it, MODBUS_ITEM_ADDRESS))
		add(t, "(%llu ", (unsigned long long)it->value[MODBUS_ITEM_ADDRESS].u);
	else
		add(t, "(- ");
	add(t, "%llu)", (unsigned long long)it->value[MODBUS_ITEM_VALUE].u);
}

static void show_other(struct text *t, const struct item *it)
{
	static const char *const labels[MODBUS_ITEM_FIELDS] = { [MODBUS_ITEM_FILE] = "file ",
		[MODBUS_ITEM_RECORD] = "record ",
		[MODBUS_ITEM_LENGTH] = "length ",
		[MODBUS_ITEM_DATA] = "data ",
		[MODBUS_ITEM_OBJECT] = "object ",
		[MODBUS_ITEM_TEXT] = "text " };
	add(t, "(");
	for (unsigned i = MODBUS_ITEM_FILE; i < MODBUS_ITEM_FIELDS; i++) {
		if (!item_has(it, i))
			continue;
		add(t, "%s", labels[i]);
		add_value(t, &modbus_item_fields[i], &it->value[i]);
		if (i != MODBUS_ITEM_DATA && i != MODBUS_ITEM_TEXT)
			add(t, " ");
	}
	add(t, ")");
}

static struct text show_items(const struct pdu *p)
{
	struct text t = { .len = 0 };
	struct item_cursor c = p->items;
	struct item it;
	while (items_next(&c, &it))
		if (item_has(&it, MODBUS_ITEM_VALUE))
			show_register(&t, &it);
		else
			show_other(&t, &it);
	return t;
}

/* The flow's slot: as large as the dissector asked for, to the byte. */
static void *new_state(void)
{
	void *state = calloc(1, modbus_dissector.state_size);
	assert_non_null(state);
	return state;
}

/* [SL] 2.5.1.2 as the specification words it, bit by bit. */
static uint16_t crc16(const uint8_t *bytes, size_t n)
{
	uint16_t crc = 0xffff;
	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++) {
			uint16_t half = crc >> 1;
			crc = crc & 1 ? half ^ 0xa001 : half;
		}
	}
	return crc;
}

static struct wire rtu(const char *pdu_hex)
{
	struct wire pdu = wire_hex(pdu_hex);
	uint8_t adu[FULL_LINE] = { UNIT };
	assert_true(pdu.len + 3 <= sizeof adu);
	memcpy(adu + 1, pdu.bytes, pdu.len);
	uint16_t crc = crc16(adu, pdu.len + 1);
	adu[pdu.len + 1] = (uint8_t)crc;
	adu[pdu.len + 2] = (uint8_t)(crc >> 8);
	struct wire w = wire_copy(adu, pdu.len + 3);
	free(pdu.bytes);
	return w;
}

static enum outcome dissect(struct reader *in, enum dir dir, void *state, struct pdu *out)
{
	struct dissect d = { .dir = dir, .l4 = L4_TCP, .state = state };
	pdu_init(out);
	return modbus_dissector.dissect(in, &d, out);
}

static void remember_request(struct pdu *p, const char *kept)
{
	if (kept == NULL)
		return;
	unsigned long long first = 0, second = 0;
	bool file = strncmp(kept, "file ", 5) == 0;
	assert_int_equal(sscanf(kept + (file ? 5 : 0), "%llu %llu", &first, &second), 2);
	p->request.known = true;
	memset(p->request.value, 0, sizeof p->request.value);
	p->request.value[file ? KEPT_FILE : KEPT_ADDRESS] = first;
	p->request.value[file ? KEPT_RECORD : KEPT_QUANTITY] = second;
}

static void check_sample(const struct sample *s, struct pdu *p)
{
	struct wire pdu = wire_hex(s->pdu);
	remember_request(p, s->kept);
	assert_string_equal(show_fields(p).at, s->fields);
	assert_string_equal(show_items(p).at, s->items);
	assert_string_equal(
		p->malformed == NULL ? "" : p->malformed, s->malformed == NULL ? "" : s->malformed);
	assert_int_equal(p->code, pdu.bytes[0] & 0x7f);
	assert_int_equal(p->value[MODBUS_FUNCTION].u, pdu.bytes[0] & 0x7f);
	assert_int_equal(p->value[MODBUS_UNIT].u, UNIT);
	assert_ptr_equal(p->dissector, &modbus_dissector);
	assert_true(p->name[0] != '\0');
	free(pdu.bytes);
}

static void reads_every_function(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		const struct sample *s = &samples[i];
		struct wire w = mbap(s->pdu);
		struct reader in = rd_over(w.bytes, w.len);
		struct pdu p;
		void *state = new_state();
		assert_int_equal(dissect(&in, s->dir, state, &p), DISSECT_OK);
		assert_int_equal(in.left, 0);
		assert_int_equal(p.value[MODBUS_TRANSACTION].u, TRANSACTION);
		assert_int_equal(p.value[MODBUS_LENGTH].u, w.len - 6);
		assert_false(pdu_has(&p, MODBUS_PROTOCOL));
		check_sample(s, &p);
		free(state);
		free(w.bytes);
	}
}

static void expect_more_at_every_cut(struct wire w, enum dir dir)
{
	for (size_t n = 0; n < w.len; n++) {
		struct wire cut = wire_copy(w.bytes, n);
		struct reader in = rd_over(cut.bytes, n);
		struct dissect d = { .dir = dir, .l4 = L4_TCP, .state = new_state() };
		struct pdu p;
		pdu_init(&p);
		assert_int_equal(modbus_dissector.dissect(&in, &d, &p), DISSECT_MORE);
		assert_int_equal(in.left, n);
		assert_false(in.overrun);
		assert_true(d.need == 0 || (d.need > n && d.need <= w.len));
		free(d.state);
		free(cut.bytes);
	}
}

static void asks_for_more_at_every_cut(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		struct wire w = mbap(samples[i].pdu);
		expect_more_at_every_cut(w, samples[i].dir);
		free(w.bytes);
	}
}

/* A flow that has shown a serial frame, so that the framing is settled. */
static void *rtu_state(void)
{
	struct wire w = rtu("03 006b 0003");
	struct reader in = rd_over(w.bytes, w.len);
	struct pdu p;
	void *state = new_state();
	assert_int_equal(dissect(&in, REQ, state, &p), DISSECT_OK);
	assert_true(pdu_has(&p, MODBUS_FRAMING));
	free(w.bytes);
	return state;
}

static void reads_every_function_in_serial_frames(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		const struct sample *s = &samples[i];
		if (s->malformed != NULL)
			continue;
		struct wire w = rtu(s->pdu);
		struct reader in = rd_over(w.bytes, w.len);
		struct pdu p;
		void *state = rtu_state();
		assert_int_equal(dissect(&in, s->dir, state, &p), DISSECT_OK);
		assert_int_equal(in.left, 0);
		assert_int_equal(p.value[MODBUS_FRAMING].u, MODBUS_RTU);
		assert_false(pdu_has(&p, MODBUS_TRANSACTION));
		check_sample(s, &p);
		free(state);
		free(w.bytes);
	}
}

/* Settled serial flows ask on as well, up to the frame's end and not beyond. */
static void serial_frames_ask_for_more_at_every_cut(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
		if (samples[i].malformed != NULL)
			continue;
		struct wire w = rtu(samples[i].pdu);
		for (size_t n = 0; n < w.len; n++) {
			struct wire cut = wire_copy(w.bytes, n);
			struct reader in = rd_over(cut.bytes, n);
			struct pdu p;
			void *state = rtu_state();
			assert_int_equal(dissect(&in, samples[i].dir, state, &p), DISSECT_MORE);
			assert_int_equal(in.left, n);
			free(state);
			free(cut.bytes);
		}
		free(w.bytes);
	}
}

/* The serial frame that is a plausible MBAP header too. */
static void takes_the_crc_for_the_better_witness(void **unused)
{
	(void)unused;
	struct wire w = wire_hex("01 03 0000 000a c5 cd");
	struct reader in = rd_over(w.bytes, w.len);
	struct probe_hint hint = { 0 };
	struct pdu p;
	void *state = new_state();
	assert_int_equal(modbus_dissector.probe(in, L4_TCP, &hint), PROBE_SURE);
	assert_true(hint.knows_dir && hint.dir == DIR_TO_SERVER);
	assert_int_equal(dissect(&in, REQ, state, &p), DISSECT_OK);
	assert_int_equal(p.value[MODBUS_FRAMING].u, MODBUS_RTU);
	assert_int_equal(p.value[MODBUS_QUANTITY].u, 10);
	assert_int_equal(p.value[MODBUS_UNIT].u, 1);
	free(state);
	free(w.bytes);
}

static void refuses_a_serial_frame_with_a_bad_crc(void **unused)
{
	(void)unused;
	struct wire w = wire_hex("01 03 0000 000a c5 ce  01 03 0000 000a c5 cd");
	struct reader in = rd_over(w.bytes, w.len);
	struct pdu p;
	void *state = rtu_state();
	assert_int_equal(dissect(&in, REQ, state, &p), DISSECT_BAD);
	assert_string_equal(p.malformed, "no RTU frame with a good CRC");
	assert_int_equal(in.left, w.len);
	assert_int_equal(modbus_dissector.resync(w.bytes, w.len, REQ), 8);
	free(state);
	free(w.bytes);
}

static void reads_several_messages_of_one_buffer(void **unused)
{
	(void)unused;
	static const char *const streams[] = {
		"0001 0000 0006 11 03 006b 0003  0002 0000 0006 11 05 00ac ff00 0003 0000 0002 11 "
		"07",
		"01 03 0000 000a c5 cd  11 03 006b 0003 76 87  01 07 41 e2",
	};
	static const int codes[][3] = { { 3, 5, 7 }, { 3, 3, 7 } };
	for (size_t i = 0; i < 2; i++) {
		struct wire w = wire_hex(streams[i]);
		struct reader in = rd_over(w.bytes, w.len);
		void *state = new_state();
		for (size_t n = 0; n < 3; n++) {
			struct pdu p;
			assert_int_equal(dissect(&in, REQ, state, &p), DISSECT_OK);
			assert_int_equal(p.code, codes[i][n]);
			assert_null(p.malformed);
		}
		assert_int_equal(in.left, 0);
		free(state);
		free(w.bytes);
	}
}

static const struct bad {
	const char *bytes;
	enum outcome outcome;
	const char *why;
} bad_headers[] = {
	{ "0001 0000 0000 11 03 006b 0003", DISSECT_BAD, "MBAP length outside 2 to 254" },
	{ "0001 0000 0001 11 03 006b 0003", DISSECT_BAD, "MBAP length outside 2 to 254" },
	{ "0001 0000 00ff 11 03 006b 0003", DISSECT_BAD, "MBAP length outside 2 to 254" },
	{ "0001 0000 00ff 11 5a 00 02", DISSECT_MORE, NULL }, /* UMAS may be longer */
	{ "0001 0000 0801 11 5a 00 02", DISSECT_BAD, "MBAP length outside 2 to 254" },
	{ "0001 0007 0006 11 03 006b 0003", DISSECT_OK, "protocol id is not 0" },
	{ "0001 0007 0006 11 03 006b 0000", DISSECT_BAD, "protocol id is not 0" },
	{ "0001 0007 0006 11 63 006b 0003", DISSECT_BAD, "protocol id is not 0" },
};

static void says_what_is_wrong_with_a_header(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < sizeof bad_headers / sizeof bad_headers[0]; i++) {
		struct wire w = wire_hex(bad_headers[i].bytes);
		struct reader in = rd_over(w.bytes, w.len);
		struct pdu p;
		void *state = new_state();
		assert_int_equal(dissect(&in, REQ, state, &p), bad_headers[i].outcome);
		assert_int_equal(in.left, bad_headers[i].outcome == DISSECT_OK ? 0 : w.len);
		if (bad_headers[i].why != NULL) {
			assert_string_equal(p.malformed, bad_headers[i].why);
			assert_int_equal(p.value[MODBUS_TRANSACTION].u, 1);
			assert_ptr_equal(p.dissector, &modbus_dissector);
		}
		free(state);
		free(w.bytes);
	}
}

static struct pdu pdu_of(const char *bytes, enum dir dir)
{
	struct wire w = wire_hex(bytes);
	struct reader in = rd_over(w.bytes, w.len);
	struct pdu p;
	void *state = new_state();
	assert_int_equal(dissect(&in, dir, state, &p), DISSECT_OK);
	free(state);
	free(w.bytes);
	return p;
}

static void pairs_by_transaction_unit_and_function(void **unused)
{
	(void)unused;
	struct pdu request = pdu_of("0001 0000 0006 11 03 006b 0003", REQ);
	struct pdu reply = pdu_of("0001 0000 0005 11 03 02 0001", RSP);
	struct pdu late = pdu_of("0002 0000 0005 11 03 02 0001", RSP);
	struct pdu other_unit = pdu_of("0001 0000 0005 12 03 02 0001", RSP);
	struct pdu refusal = pdu_of("0001 0000 0003 11 83 02", RSP);
	assert_int_equal(request.tx, TX_REQUEST);
	assert_int_equal(reply.tx, TX_REPLY);
	assert_true(request.tx_key != 0 && request.tx_loose != 0);
	assert_true(reply.tx_key == request.tx_key && reply.tx_loose == request.tx_loose);
	assert_true(late.tx_key != request.tx_key && late.tx_loose == request.tx_loose);
	assert_true(other_unit.tx_key != request.tx_key);
	assert_true(other_unit.tx_loose != request.tx_loose);
	assert_true(refusal.tx_key == request.tx_key);
	assert_true(refusal.rejected);
	assert_int_equal(refusal.status, 2);
	assert_string_equal(refusal.status_name, "illegal_data_address");
	assert_false(reply.rejected);
}

static void knows_who_answers_what(void **unused)
{
	(void)unused;
	struct pdu listen_only = pdu_of("0001 0000 0006 11 08 0004 0000", REQ);
	struct pdu restart = pdu_of("0001 0000 0006 11 08 0001 0000", REQ);
	struct pdu broadcast = pdu_of("0001 0000 0006 00 06 0001 0003", REQ);
	struct pdu backwards = pdu_of("0001 0000 0003 11 83 02", REQ);
	struct pdu acknowledged = pdu_of("0001 0000 0003 11 90 05", RSP);
	struct pdu umas_error = pdu_of("0001 0000 0005 11 5a 01 fd 82", RSP);
	struct pdu private_code = pdu_of("0001 0000 0003 11 83 7f", RSP);
	assert_int_equal(listen_only.tx, TX_REQUEST_SILENT);
	assert_int_equal(restart.tx, TX_REQUEST);
	assert_int_equal(broadcast.tx, TX_REQUEST);
	assert_int_equal(backwards.tx, TX_NONE);
	assert_int_equal(backwards.dir, PDU_RSP);
	assert_false(acknowledged.rejected);
	assert_string_equal(acknowledged.status_name, "acknowledge");
	assert_true(umas_error.rejected);
	assert_int_equal(umas_error.status, 0xfd);
	assert_true(private_code.rejected);
	assert_null(private_code.status_name);
}

/* A list is as long as its bytes, whatever the counts claim. */
static void lists_no_more_than_there_is(void **unused)
{
	(void)unused;
	struct wire w = mbap("02 01 ff");
	struct reader in = rd_over(w.bytes, w.len);
	struct pdu p;
	void *state = new_state();
	assert_int_equal(dissect(&in, RSP, state, &p), DISSECT_OK);
	p.request = (struct kept){ .known = true, .value = { 65530, 60000 } };
	struct text t = show_items(&p);
	assert_string_equal(t.at, "(65530 1)(65531 1)(65532 1)(65533 1)(65534 1)(65535 1)(65536 1)"
				  "(65537 1)");
	free(state);
	free(w.bytes);
}

static void names_are_unique_and_complete(void **unused)
{
	(void)unused;
	for (unsigned i = 0; i < MODBUS_FIELDS; i++) {
		assert_non_null(modbus_fields[i].name);
		assert_int_equal(strncmp(modbus_fields[i].name, "modbus.", 7), 0);
		const struct code_name *codes = modbus_fields[i].codes;
		for (const struct code_name *a = codes; a != NULL && a->name != NULL; a++)
			for (const struct code_name *b = codes; b != a; b++)
				assert_true(a->code != b->code && strcmp(a->name, b->name) != 0);
	}
	for (unsigned i = 0; i < MODBUS_ITEM_FIELDS; i++)
		assert_int_equal(strncmp(modbus_item_fields[i].name, "modbus.item.", 12), 0);
	static const uint8_t public[] = { 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 15, 16, 17, 20, 21, 22,
		23, 24, 43 };
	for (size_t i = 0; i < sizeof public; i++)
		assert_true(modbus_functions[public[i]].known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_every_function),
		cmocka_unit_test(asks_for_more_at_every_cut),
		cmocka_unit_test(reads_every_function_in_serial_frames),
		cmocka_unit_test(serial_frames_ask_for_more_at_every_cut),
		cmocka_unit_test(takes_the_crc_for_the_better_witness),
		cmocka_unit_test(refuses_a_serial_frame_with_a_bad_crc),
		cmocka_unit_test(reads_several_messages_of_one_buffer),
		cmocka_unit_test(says_what_is_wrong_with_a_header),
		cmocka_unit_test(pairs_by_transaction_unit_and_function),
		cmocka_unit_test(knows_who_answers_what),
		cmocka_unit_test(lists_no_more_than_there_is),
		cmocka_unit_test(names_are_unique_and_complete),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
