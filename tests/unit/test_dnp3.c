/* test_dnp3.c - DNP3 link frames, transport segments, detection. */
#include "tests/unit/test_dnp3.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A real master clears IIN1.7 (address 1, outstation 10). */
static const char clear_restart[] = "0564 0e c4 0a00 0100 2529  c2 c1 02 50 01 00 07 07 00 c5af";

static void a_frame_of_a_real_master(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct wire w = wire_hex(clear_restart);
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0xc2, "c1 02 50 01 00 07 07 00");
	assert_int_equal(f.len, w.len);
	assert_memory_equal(f.bytes, w.bytes, w.len);
	assert_int_equal(rig_all(&r, &f), 1);
	assert_int_equal(r.pdu.code, 2);
	assert_string_equal(r.pdu.name, "write");
	assert_int_equal(r.pdu.dir, PDU_REQ);
	assert_int_equal(field(&r, DNP3_SOURCE), 1);
	assert_int_equal(field(&r, DNP3_DESTINATION), 10);
	assert_int_equal(field(&r, DNP3_LINK_FUNCTION), 4);
	assert_int_equal(field(&r, DNP3_LINK_DIR), 1);
	assert_int_equal(field(&r, DNP3_UNSOLICITED), 0);
	assert_null(r.pdu.malformed);
	free(w.bytes);
	rig_fini(&r);
}

/* [1815] annex E: the CRC of a reset-link frame to 1 from 1024, and the usual check word. */
static void crc_of_known_words(void **state)
{
	(void)state;
	uint8_t bytes[256];
	assert_int_equal(dnp3_crc((const uint8_t *)"123456789", 9), 0xea82);
	struct wire reset = wire_hex("05 64 05 c0 01 00 00 04");
	assert_int_equal(dnp3_crc(reset.bytes, reset.len), 0x21e9);
	free(reset.bytes);
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 151 + 7);
	for (size_t n = 0; n < sizeof bytes; n++)
		assert_int_equal(dnp3_crc(bytes, n), slow_crc(bytes, n));
}

static void every_link_function(void **state)
{
	(void)state;
	static const struct {
		uint8_t control;
		const char *name;
		enum pdu_dir dir;
		const char *why;
	} cases[] = {
		{ 0xc0, "reset_link_states", PDU_REQ, NULL },
		{ 0xc1, "reset_user_process", PDU_REQ, NULL },
		{ 0xf2, "test_link_states", PDU_REQ, NULL },
		{ 0xf3, "user_data", PDU_REQ, "user data frame without data" },
		{ 0xc4, "user_data", PDU_REQ, "user data frame without data" },
		{ 0x49, "request_link_status", PDU_RSP, NULL },
		{ 0x00, "ack", PDU_RSP, NULL },
		{ 0x11, "nack", PDU_RSP, NULL },
		{ 0x8b, "link_status", PDU_REQ, NULL },
		{ 0x0e, "not_functioning", PDU_RSP, NULL },
		{ 0x0f, "not_supported", PDU_RSP, NULL },
		{ 0xc7, "reserved", PDU_REQ, "reserved link function" },
		{ 0x05, "reserved", PDU_RSP, "reserved link function" },
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct frames f = { .len = 0 };
		struct rig r;
		rig_init(&r);
		add_frame(&f, cases[i].control, 1, 1024, NULL, 0);
		assert_int_equal(rig_all(&r, &f), 1);
		assert_int_equal(r.pdu.code, PDU_NO_CODE);
		assert_string_equal(r.pdu.name, cases[i].name);
		assert_int_equal(r.pdu.dir, cases[i].dir);
		assert_int_equal(r.pdu.tx, TX_NONE);
		assert_int_equal(field(&r, DNP3_UNSOLICITED), 0);
		bool prm = cases[i].control & 0x40;
		assert_int_equal(field(&r, prm ? DNP3_LINK_FUNCTION : DNP3_LINK_REPLY),
			cases[i].control & 15);
		assert_int_equal(pdu_has(&r.pdu, prm ? DNP3_LINK_REPLY : DNP3_LINK_FUNCTION), 0);
		if (cases[i].why == NULL)
			assert_null(r.pdu.malformed);
		else
			assert_why(&r, cases[i].why);
		rig_fini(&r);
	}
}

static void special_addresses_have_names(void **state)
{
	(void)state;
	const struct code_name *names = dnp3_fields[DNP3_DESTINATION].codes;
	assert_string_equal(dnp3_code_name(names, 0xfffc), "self");
	assert_string_equal(dnp3_code_name(names, 0xfffd), "broadcast_no_confirm");
	assert_string_equal(dnp3_code_name(names, 0xfffe), "broadcast_confirm");
	assert_string_equal(dnp3_code_name(names, 0xffff), "broadcast_optional_confirm");
	assert_null(dnp3_code_name(names, 10));
}

/* wire.md 24: a reset-link glued before an operate hid the operate from another monitor. */
static void link_only_frame_does_not_hide_what_follows(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_frame(&f, 0xc0, 10, 1, NULL, 0);
	assert_int_equal(f.len, 10);
	add_segment(&f, 0xc4, 10, 1, 0xc1, "c1 05 0c 01 28 01 00 05 00 03 01 64000000 00000000 00");
	assert_int_equal(rig_all(&r, &f), 2);
	assert_int_equal(r.pdu.code, 5);
	rig_fini(&r);
}

/* Each cut lives in a heap block of its own size, so ASan sees a read one byte too far. */
static void asks_for_more_at_every_cut(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	add_segment(&f, 0xc4, 10, 1, 0xc1,
		"c1 05 0c 01 28 02 00 0500 03 01 64000000 00000000 00 0600 04 01 64000000 00000000 "
		"00");
	for (size_t n = 0; n < f.len; n++) {
		struct rig r;
		struct wire cut = wire_copy(f.bytes, n);
		struct reader in = rd_over(cut.bytes, n);
		rig_init(&r);
		assert_int_equal(rig_take(&r, &in), DISSECT_MORE);
		assert_int_equal(in.left, n);
		assert_ptr_equal(in.at, cut.bytes);
		assert_int_equal(r.need, n < 10 ? 10 : f.len);
		free(cut.bytes);
		rig_fini(&r);
	}
}

static void bad_header_crc_is_not_a_frame(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0xc0, "c0 01 3c 02 06");
	for (unsigned i = 2; i < 10; i++) {
		struct frames bad = f;
		bad.bytes[i] ^= 0x10;
		struct reader in = rd_over(bad.bytes, bad.len);
		assert_int_equal(rig_take(&r, &in), DISSECT_BAD);
		assert_int_equal(in.left, bad.len);
		assert_why(&r, "bad CRC in the link header");
	}
	struct reader other = rd_over((const uint8_t *)"DNP3", 4);
	assert_int_equal(rig_take(&r, &other), DISSECT_BAD);
	rig_fini(&r);
}

/* wire.md 24: one bad CRC must not end the analysis. */
static void bad_data_crc_is_told_and_analysis_goes_on(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0xc0, "c0 0d");
	f.bytes[f.len - 1] ^= 0x01;
	assert_int_equal(rig_all(&r, &f), 1);
	assert_why(&r, "bad CRC in a data block");
	assert_int_equal(field(&r, DNP3_CRC_ERROR), 1);
	assert_int_equal(r.pdu.code, 13);

	add_segment(&f, 0xc4, 10, 1, 0xc1, "c1 0e");
	assert_int_equal(rig_all(&r, &f), 2);
	assert_null(r.pdu.malformed);
	assert_int_equal(r.pdu.code, 14);
	rig_fini(&r);
}

static void length_below_five_is_one_header(void **state)
{
	(void)state;
	struct frames f = { .bytes = { 5, 0x64, 2, 0xc4, 10, 0, 1, 0 }, .len = 8 };
	struct rig r;
	rig_init(&r);
	put_crc(&f, 0);
	struct reader in = rd_over(f.bytes, f.len);
	assert_int_equal(rig_take(&r, &in), DISSECT_OK);
	assert_int_equal(in.left, 0);
	assert_why(&r, "link length below 5");
	rig_fini(&r);
}

static void data_on_a_link_function_without_is_told(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc9, 10, 1, 0xc0, "c0 0d");
	assert_int_equal(rig_all(&r, &f), 1);
	assert_int_equal(r.pdu.code, PDU_NO_CODE);
	assert_why(&r, "data on a link function that has none");
	rig_fini(&r);
}

/* ---- transport ---- */

/* A response with g30v2 0-99 (302 octets) cut into segments of @size octets; @seq of the first. */
static void long_response(struct frames *f, unsigned outstation, size_t size, unsigned seq)
{
	uint8_t fragment[9 + 300] = { 0xc3, 129, 0x00, 0x00, 30, 2, 0, 0, 99 };
	for (unsigned i = 0; i < 100; i++) {
		fragment[9 + 3 * i] = 0x01;
		fragment[10 + 3 * i] = (uint8_t)i;
		fragment[11 + 3 * i] = (uint8_t)outstation;
	}
	for (size_t at = 0; at < sizeof fragment; at += size, seq++) {
		uint8_t user[250];
		size_t n = sizeof fragment - at < size ? sizeof fragment - at : size;
		user[0] = (uint8_t)((at == 0 ? 0x40 : 0) | (at + n == sizeof fragment ? 0x80 : 0) |
				    (seq & 0x3f));
		memcpy(user + 1, fragment + at, n);
		add_frame(f, 0x44, 1, outstation, user, n + 1);
	}
}

static unsigned items_of(struct rig *r, double first, double last)
{
	struct item_cursor c = r->pdu.items;
	struct item it;
	unsigned n = 0;
	double v = 0;
	while (items_next(&c, &it)) {
		v = it.value[DNP3_ITEM_VALUE].r;
		if (n == 0)
			assert_true(v == first);
		assert_int_equal(it.value[DNP3_ITEM_INDEX].u, n);
		n++;
	}
	assert_true(v == last);
	return n;
}

static void segments_are_joined(void **state)
{
	(void)state;
	for (size_t size = 1; size < 250; size++) {
		struct frames f = { .len = 0 };
		struct rig r;
		rig_init(&r);
		r.dir = DIR_TO_CLIENT;
		long_response(&f, 2, size, 60); /* the sequence passes 63 */
		assert_int_equal(rig_all(&r, &f), 1);
		assert_null(r.pdu.malformed);
		assert_int_equal(r.pdu.code, 129);
		assert_int_equal(items_of(&r, 512, 512 + 99), 100);
		rig_fini(&r);
	}
}

static void a_segment_that_is_not_final_tells_nothing(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0x44, 1, 2, 0x40, "c3 81 00 00");
	assert_int_equal(rig_all(&r, &f), 0);
	rig_fini(&r);
}

/* A serial gateway: frames of two outstations alternate on one connection. */
static void outstations_interleave(void **state)
{
	(void)state;
	struct frames a = { .len = 0 }, b = { .len = 0 };
	struct rig r;
	rig_init(&r);
	r.dir = DIR_TO_CLIENT;
	long_response(&a, 2, 200, 5);
	long_response(&b, 3, 200, 17);
	struct reader in[2] = { rd_over(a.bytes, a.len), rd_over(b.bytes, b.len) };
	unsigned told = 0;
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(rig_take(&r, &in[i % 2]), DISSECT_OK);
		if (r.pdu.dissector == NULL)
			continue;
		told++;
		double base = 256.0 * (double)field(&r, DNP3_SOURCE);
		assert_int_equal(items_of(&r, base, base + 99), 100);
	}
	assert_int_equal(told, 2);
	rig_fini(&r);
}

/* Nine at once: the table holds eight, the oldest gives way, and nothing leaks. */
static void more_outstations_than_slots(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	for (unsigned o = 1; o <= DNP3_JOINS + 1; o++) {
		struct frames f = { .len = 0 };
		add_segment(&f, 0x44, 1, o, 0x41, "c3 81 00 00");
		assert_int_equal(rig_all(&r, &f), 0);
	}
	for (unsigned o = DNP3_JOINS + 1; o >= 1; o--) {
		struct frames f = { .len = 0 };
		add_segment(&f, 0x44, 1, o, 0x82, "3c 01 06");
		assert_int_equal(rig_all(&r, &f), 1);
		if (o == 1)
			assert_why(&r, "transport segment without its start");
		else
			assert_null(r.pdu.malformed);
	}
	rig_fini(&r);
}

static void sequence_errors_drop_until_the_next_start(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0x41, "c0 02");
	add_segment(&f, 0xc4, 10, 1, 0x83, "32 01 07 01 000000000000");
	assert_int_equal(rig_all(&r, &f), 1);
	assert_why(&r, "transport sequence is broken");
	assert_int_equal(r.pdu.code, PDU_NO_CODE);

	f.len = 0;
	add_segment(&f, 0xc4, 10, 1, 0x84, "00");
	assert_int_equal(rig_all(&r, &f), 1);
	assert_why(&r, "transport segment without its start");

	f.len = 0;
	add_segment(&f, 0xc4, 10, 1, 0x05, "00");
	assert_int_equal(rig_all(&r, &f), 0);

	f.len = 0;
	add_segment(&f, 0xc4, 10, 1, 0x46, "c0 02 32 01");
	add_segment(&f, 0xc4, 10, 1, 0x87, "07 01 0100 0000 0000");
	assert_int_equal(rig_all(&r, &f), 1);
	assert_null(r.pdu.malformed);
	assert_int_equal(r.pdu.code, 2);
	rig_fini(&r);
}

static void a_repeated_segment_counts_once(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xf3, 10, 1, 0x41, "c0 02 32 01");
	add_segment(&f, 0xd3, 10, 1, 0x02, "07 01");
	add_segment(&f, 0xd3, 10, 1, 0x02, "07 01");
	add_segment(&f, 0xf3, 10, 1, 0x83, "0100 0000 0000");
	assert_int_equal(rig_all(&r, &f), 1);
	assert_null(r.pdu.malformed);
	assert_int_equal(field(&r, DNP3_GROUP), 50);
	rig_fini(&r);
}

/* Evasion: a first segment with a bad CRC, which the device drops, must not displace the real one.
 */
static void a_damaged_segment_does_not_disturb_the_join(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0x41, "c0");
	add_segment(&f, 0xc4, 10, 1, 0x42, "c0 01");
	f.bytes[f.len - 1] ^= 0xff;
	add_segment(&f, 0xc4, 10, 1, 0x82, "0d");
	assert_int_equal(rig_all(&r, &f), 2);
	assert_int_equal(r.pdu.code, 13);
	assert_null(r.pdu.malformed);
	rig_fini(&r);
}

/* The same for one that is a whole message in itself. */
static void a_damaged_message_does_not_disturb_the_join(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0x41, "c0");
	add_segment(&f, 0xc4, 10, 1, 0xc2, "c0 01");
	f.bytes[f.len - 1] ^= 0xff;
	add_segment(&f, 0xc4, 10, 1, 0x82, "0d");
	assert_int_equal(rig_all(&r, &f), 2);
	assert_int_equal(r.pdu.code, 13);
	rig_fini(&r);
}

/* Evasion: a whole message starts the joining anew, as in the device. */
static void a_whole_message_ends_an_unfinished_one(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0x41, "c0");
	add_segment(&f, 0xc4, 10, 1, 0xc2, "c0 01 3c 01 06");
	add_segment(&f, 0xc4, 10, 1, 0x82, "0d");
	assert_int_equal(rig_all(&r, &f), 2);
	assert_why(&r, "transport segment without its start");
	rig_fini(&r);
}

static void directions_are_joined_apart(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0x41, "c0");
	assert_int_equal(rig_all(&r, &f), 0);
	f.len = 0;
	r.dir = DIR_TO_CLIENT;
	add_segment(&f, 0xc4, 10, 1, 0x82, "0d");
	assert_int_equal(rig_all(&r, &f), 1);
	assert_int_equal(r.pdu.code, PDU_NO_CODE);
	r.dir = DIR_TO_SERVER;
	assert_int_equal(rig_all(&r, &f), 1);
	assert_int_equal(r.pdu.code, 13);
	rig_fini(&r);
}

static void lost_bytes_forget_one_direction(void **state)
{
	(void)state;
	struct rig r;
	rig_init(&r);
	for (enum dir gone = DIR_TO_SERVER; gone <= DIR_TO_CLIENT; gone++) {
		struct dissect d = { .dir = gone, .state = &r.state, .pool = &r.pool };
		struct frames f = { .len = 0 };
		r.dir = DIR_TO_SERVER;
		add_segment(&f, 0xc4, 10, 1, 0x41, "c0");
		assert_int_equal(rig_all(&r, &f), 0);
		dnp3_dissector.lost(&d);
		f.len = 0;
		add_segment(&f, 0xc4, 10, 1, 0x82, "0d");
		assert_int_equal(rig_all(&r, &f), 1);
		assert_int_equal(r.pdu.code, gone == DIR_TO_SERVER ? PDU_NO_CODE : 13);
		assert_null(r.pdu.malformed);
	}
	rig_fini(&r);
}

/* A capture that begins in the middle of a message finds no fault with it; a second orphan is one.
 */
static void the_start_of_a_capture_is_no_fault(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0x82, "0d");
	assert_int_equal(rig_all(&r, &f), 1);
	assert_int_equal(r.pdu.code, PDU_NO_CODE);
	assert_null(r.pdu.malformed);
	f.len = 0;
	add_segment(&f, 0xc4, 10, 1, 0xc3, "c0 01 3c 02 06");
	add_segment(&f, 0xc4, 10, 1, 0x84, "0d");
	assert_int_equal(rig_all(&r, &f), 2);
	assert_why(&r, "transport segment without its start");
	rig_fini(&r);
}

static void joining_is_bounded(void **state)
{
	(void)state;
	uint8_t user[250] = { 0x40, 0xc0, 0x02 };
	struct rig r;
	rig_init(&r);
	unsigned frames = 0;
	for (; r.pdu.dissector == NULL && frames < 1000; frames++) {
		struct frames f = { .len = 0 };
		user[0] = (uint8_t)((frames == 0 ? 0x40 : 0) | (frames & 0x3f));
		user[3] = (uint8_t)frames;
		add_frame(&f, 0xc4, 10, 1, user, sizeof user);
		rig_all(&r, &f);
	}
	assert_int_equal(frames, DNP3_FRAGMENT_MAX / 249 + 1);
	assert_why(&r, "fragment is longer than any device takes");
	assert_true(r.pool.used <= 2 * DNP3_FRAGMENT_MAX);
	rig_fini(&r);
}

static void an_empty_pool_is_told(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct rig r;
	rig_init(&r);
	r.pool.cap = 10;
	add_segment(&f, 0xc4, 10, 1, 0x41, "c0 01");
	assert_int_equal(rig_all(&r, &f), 1);
	assert_why(&r, "no memory left to join segments");
	assert_int_equal(r.pool.refused, 1);
	rig_fini(&r);
}

/* ---- detection ---- */

static enum probe probe(const uint8_t *bytes, size_t n, struct probe_hint *hint)
{
	*hint = (struct probe_hint){ .knows_dir = false };
	return dnp3_dissector.probe(rd_over(bytes, n), L4_TCP, hint);
}

static void probe_wants_a_good_header(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	struct probe_hint hint;
	add_segment(&f, 0xc4, 10, 1, 0xc0, "c0 01 3c 02 06");
	for (size_t n = 0; n < 10; n++)
		assert_int_equal(probe(f.bytes, n, &hint), PROBE_MORE);
	assert_int_equal(probe(f.bytes, 10, &hint), PROBE_SURE);
	assert_true(hint.knows_dir);
	assert_int_equal(hint.dir, DIR_TO_SERVER);
	f.bytes[8] ^= 1;
	assert_int_equal(probe(f.bytes, f.len, &hint), PROBE_NO);
	assert_int_equal(probe((const uint8_t *)"GET / HTTP/1.1\r\n", 16, &hint), PROBE_NO);

	f.len = 0;
	add_frame(&f, 0x44, 1, 10, NULL, 0);
	assert_int_equal(probe(f.bytes, f.len, &hint), PROBE_SURE);
	assert_int_equal(hint.dir, DIR_TO_CLIENT);
}

/* wire.md 29: a greeting with "DNP3" in it made another monitor drop what came with it. */
static void a_greeting_does_not_hide_the_frames_behind_it(void **state)
{
	(void)state;
	struct frames f = { .bytes = "DNP3\r\n", .len = 6 };
	struct probe_hint hint;
	struct rig r;
	rig_init(&r);
	add_segment(&f, 0xc4, 10, 1, 0xc0, "c0 0d");
	assert_int_equal(probe(f.bytes, f.len, &hint), PROBE_SURE);
	struct reader in = rd_over(f.bytes, f.len);
	assert_int_equal(rig_take(&r, &in), DISSECT_BAD);
	size_t at = dnp3_dissector.resync(f.bytes, f.len, DIR_TO_SERVER);
	assert_int_equal(at, 6);
	in = rd_over(f.bytes + at, f.len - at);
	assert_int_equal(rig_take(&r, &in), DISSECT_OK);
	assert_int_equal(r.pdu.code, 13);
	rig_fini(&r);
}

static void resync_finds_the_next_good_header(void **state)
{
	(void)state;
	struct frames f = { .len = 0 };
	add_segment(&f, 0xc4, 10, 1, 0xc0, "c0 01 05 64 06 05 64 0b c4 0a 00 01 00 00 00 00");
	size_t second = f.len;
	add_segment(&f, 0xc4, 10, 1, 0xc1, "c1 01 3c 02 06");
	assert_int_equal(dnp3_dissector.resync(f.bytes, f.len, DIR_TO_SERVER), second);
	/* A header cut by the end is kept from its first byte on. */
	for (size_t n = second + 1; n < second + 10; n++)
		assert_int_equal(dnp3_dissector.resync(f.bytes, n, DIR_TO_SERVER), second);
	uint8_t nothing[64] = { 5, 5, 5, 0x64 };
	assert_int_equal(
		dnp3_dissector.resync(nothing, sizeof nothing, DIR_TO_SERVER), sizeof nothing);
	assert_int_equal(dnp3_dissector.resync(nothing, 1, DIR_TO_SERVER), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_frame_of_a_real_master),
		cmocka_unit_test(crc_of_known_words),
		cmocka_unit_test(every_link_function),
		cmocka_unit_test(special_addresses_have_names),
		cmocka_unit_test(link_only_frame_does_not_hide_what_follows),
		cmocka_unit_test(asks_for_more_at_every_cut),
		cmocka_unit_test(bad_header_crc_is_not_a_frame),
		cmocka_unit_test(bad_data_crc_is_told_and_analysis_goes_on),
		cmocka_unit_test(length_below_five_is_one_header),
		cmocka_unit_test(data_on_a_link_function_without_is_told),
		cmocka_unit_test(segments_are_joined),
		cmocka_unit_test(a_segment_that_is_not_final_tells_nothing),
		cmocka_unit_test(outstations_interleave),
		cmocka_unit_test(more_outstations_than_slots),
		cmocka_unit_test(sequence_errors_drop_until_the_next_start),
		cmocka_unit_test(a_repeated_segment_counts_once),
		cmocka_unit_test(a_damaged_segment_does_not_disturb_the_join),
		cmocka_unit_test(a_damaged_message_does_not_disturb_the_join),
		cmocka_unit_test(a_whole_message_ends_an_unfinished_one),
		cmocka_unit_test(directions_are_joined_apart),
		cmocka_unit_test(lost_bytes_forget_one_direction),
		cmocka_unit_test(the_start_of_a_capture_is_no_fault),
		cmocka_unit_test(joining_is_bounded),
		cmocka_unit_test(an_empty_pool_is_told),
		cmocka_unit_test(probe_wants_a_good_header),
		cmocka_unit_test(a_greeting_does_not_hide_the_frames_behind_it),
		cmocka_unit_test(resync_finds_the_next_good_header),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
