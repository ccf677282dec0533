/* test_agg_accept.c - a parent and its children: what is taken, in which order, what is refused
 * alone, what stops a link, and what is answered. */
#include "tests/unit/parent_kit.h"

static struct totals sums(void)
{
	struct totals t = { 0 };
	assert_true(accept_totals(&p.node, kid.peer.org, &t));
	assert_int_equal(t.events, t.alerts + t.other + t.lost);
	assert_int_equal(t.alerts, t.items + t.suppressed + t.sampled + t.withheld);
	return t;
}

static json_t *ask_head(int wanted)
{
	struct answer a;
	struct err err = { 0 };
	accept_head(&p.node, &kid.peer, p.now, &a);
	assert_int_equal(a.status, wanted);
	json_t *j = json_read(a.json, a.len, 6, &err);
	answer_free(&a);
	return j;
}

/* --- the chain --------------------------------------------------------------------------- */

static void frames_are_taken_in_order(void **state)
{
	(void)state;
	char *a = kid_digest(&kid, T0, 10), *b = kid_digest(&kid, T0 + 300, 5);
	assert_int_equal(post(&kid, a, b, NULL), 200);
	want_dur(1, 2);
	assert_int_equal(pair_of("up", 1), 2); /* at the top up is dur */
	assert_int_equal(json_array_size(json_object_get(reply, "rej")), 0);
	assert_int_equal(sums().events, 15);
	assert_int_equal(sums().alerts, 13);
	assert_int_equal(json_int_of(json_object_get(reply, "win"), "frames", 0), 64);
	assert_int_equal(json_int_of(reply, "now", 0), p.now.wall_ms);
	assert_int_equal(p.alarms, 0);
}

static void repeats_are_harmless(void **state)
{
	(void)state;
	char *a = kid_digest(&kid, T0, 10), *b = kid_digest(&kid, T0 + 300, 5);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(post(&kid, strdup(a), strdup(b), NULL), 200);
		want_dur(1, 2);
		assert_int_equal(sums().events, 15);
	}
	assert_int_equal(number_in("SELECT count(*) FROM frame"), 2);
	assert_int_equal(p.alarms, 0);
	free(a);
	free(b);
}

static void a_gap_is_asked_for(void **state)
{
	(void)state;
	char *a = kid_digest(&kid, T0, 1), *b = kid_digest(&kid, T0, 1),
	     *c = kid_digest(&kid, T0, 1);
	char *first[] = { strdup(a), NULL }, *third[] = { strdup(c), NULL },
	     *rest[] = { b, c, NULL };
	assert_int_equal(post_range(&kid, true, 1, 1, 1, first), 200);
	assert_int_equal(post_range(&kid, true, 1, 3, 3, third), 409);
	assert_int_equal(pair_of("want", 0), 1);
	assert_int_equal(pair_of("want", 1), 2);
	want_dur(1, 1);
	assert_int_equal(post_range(&kid, true, 1, 2, 3, rest), 200);
	want_dur(1, 3);
	assert_int_equal(sums().events, 3);
	free(a);
}

static void a_new_epoch_goes_on_from_the_head(void **state)
{
	char hex[HASH_HEX];
	(void)state;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	hash_hex(kid.pv, hex);
	kid.id = (struct frame_id){ 4, 0 };
	memset(kid.pv, 0, HASH);
	json_t *body = digest_members(&kid, T0, 300, 2, "");
	json_object_set_new(body, "after", json_pack("[i,i,s]", 1, 1, hex));
	assert_int_equal(post(&kid, kid_frame(&kid, FRAME_DIGEST, body), NULL), 200);
	want_dur(4, 1);
	assert_int_equal(sums().events, 12);
	/* frames of the old one, known or not, change nothing */
	struct kid old = kid_new(1, TIER_ENTERPRISE);
	old.id.sq = 6;
	old.events = 100;
	char *late = kid_digest(&old, T0, 1);
	char *lines[] = { late, NULL };
	assert_int_equal(post_range(&kid, true, 1, 7, 7, lines), 409);
	assert_int_equal(sums().events, 12);
}

static void an_epoch_begins_with_its_first(void **state)
{
	(void)state;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	kid.id = (struct frame_id){ 4, 1 };
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 1), NULL), 409);
	assert_int_equal(pair_of("want", 0), 4);
	assert_int_equal(pair_of("want", 1), 1);
}

/* A parent from a backup is behind the head that the epoch goes on from. */
static void a_restored_parent_asks_for_the_tail(void **state)
{
	(void)state;
	kid.id = (struct frame_id){ 4, 0 };
	json_t *body = digest_members(&kid, T0, 300, 2, "");
	json_object_set_new(body, "after",
		json_pack("[i,i,s]", 3, 17,
			"00000000000000000000000000000000000000000000000000000000000000aa"));
	assert_int_equal(post(&kid, kid_frame(&kid, FRAME_DIGEST, body), NULL), 409);
	assert_int_equal(pair_of("want", 0), 3);
	assert_int_equal(pair_of("want", 1), 1);
}

/* --- equivocation -------------------------------------------------------------------------- */

static void other_bytes_under_one_number_are_quarantined(void **state)
{
	struct kid twin = kid;
	(void)state;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	assert_int_equal(post(&twin, kid_digest(&twin, T0, 11), NULL), 409);
	want_alarm("equivocation");
	assert_string_equal(json_text_of(reply, "why"), "equivocation");
	assert_int_equal(sums().events, 10); /* the first stands */
	assert_int_equal(number_in("SELECT count(*) FROM quarantine"), 1);
}

static void a_chain_that_was_cut_is_quarantined(void **state)
{
	(void)state;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	kid.pv[0] ^= 1;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 5), NULL), 409);
	want_alarm("equivocation");
	assert_int_equal(sums().events, 10);
}

/* A beat of each run in turn, a letter a run. */
static void beats_of(const char *runs)
{
	for (; *runs != '\0'; runs++) {
		json_t *j = members("{\"tier\":\"enterprise\",\"reg\":\"370500\",\"ind\":\"C26\","
				    "\"lvl\":1," VER "," HL ",\"at\":%" PRId64 ",\"run\":"
				    "\"00000000000000f%c\"}",
			p.now.wall_ms, *runs);
		assert_int_equal(post(&kid, kid_frame(&kid, FRAME_BEAT, j), NULL), 200);
	}
}

static void two_that_beat_in_turn_are_two(void **state)
{
	(void)state;
	beats_of("aaabbc");   /* it was started again */
	beats_of("cbdd");     /* and put back from a backup in which a beat of b waited */
	beats_of("abacadae"); /* never does one take turns with the other */
	assert_string_equal(p.alarm, "");
	beats_of("aae");
	want_alarm("equivocation");
}

/* --- refused alone ------------------------------------------------------------------------- */

static char *damaged(char *line, const char *what, const char *by)
{
	char *at = strstr(line, what);
	assert_non_null(at);
	memcpy(at, by, strlen(by));
	return line;
}

/* Its hash as the parent sees it: over the damaged bytes. */
static void chain_on(const char *line)
{
	hash_of(line, strlen(line) - 98, kid.pv);
}

static void one_poison_frame_never_stops_the_chain(void **state)
{
	(void)state;
	char *a = kid_digest(&kid, T0, 10);
	char *bad = damaged(
		kid_digest(&kid, T0, 5), "\"tier\":\"enterprise\"", "\"tier\":\"enterprize\"");
	chain_on(bad);
	char *c = kid_digest(&kid, T0, 3);
	assert_int_equal(post(&kid, a, bad, c, NULL), 200);
	want_rej(2, "schema");
	want_dur(1, 1); /* until a tomb stands there */
	assert_int_equal(sums().events, 13);
	want_alarm("frame-refused");
	json_t *head = ask_head(200);
	assert_int_equal(json_int_of(head, "sq", 0), 3);
	json_decref(head);
}

static void each_fault_has_its_code(void **state)
{
	(void)state;
	char *level = damaged(kid_digest(&kid, T0, 1), "\"lvl\":1", "\"lvl\":0");
	chain_on(level);
	char *sum = damaged(kid_digest(&kid, T0, 5), "\"other\":1", "\"other\":2");
	chain_on(sum);
	char *signature = kid_digest(&kid, T0, 1);
	signature[strlen(signature) - 10] ^= 1;
	const char *codes[] = { "level", "cov", "sig" };
	char *lines[] = { level, sum, signature };
	for (unsigned i = 0; i < 3; i++) {
		char *one[] = { lines[i], NULL };
		assert_int_equal(post_range(&kid, true, 1, i + 1, i + 1, one), 200);
		want_rej(i + 1, codes[i]);
	}
	assert_int_equal(sums().events, 0);
}

static void over_sharing_is_refused(void **state)
{
	(void)state;
	p.config.accept_level = 1;
	json_t *body = digest_members(&kid, T0, 300, 1, "");
	json_object_set_new(body, "lvl", json_integer(2));
	assert_int_equal(post(&kid, kid_frame(&kid, FRAME_DIGEST, body), NULL), 200);
	want_rej(1, "level");
	assert_int_equal(sums().events, 0);
}

static void events_are_counted_once(void **state)
{
	(void)state;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	kid.events -= 3; /* 8 to 12: 8 to 10 are counted already */
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 5), NULL), 200);
	want_rej(2, "cov");
	assert_int_equal(sums().events, 10);
}

static void a_frame_for_another_is_refused(void **state)
{
	struct err err = { 0 };
	size_t len;
	(void)state;
	json_t *body = digest_members(&kid, T0, 300, 1, "");
	kid.id.sq = 1;
	struct frame_head h = { FRAME_DIGEST, kid.peer.org, UP, true, kid.id, kid.pv };
	char *line = frame_make(&h, body, &kid.key, &len, NULL, &err);
	json_decref(body);
	assert_int_equal(post(&kid, line, NULL), 200);
	want_rej(1, "schema");
}

/* A long line is its own fault, not that of the body. */
static void a_line_too_long_is_refused_alone(void **state)
{
	(void)state;
	char *huge = malloc(ENVELOPE_MAX + 100);
	memset(huge, 'x', ENVELOPE_MAX + 10);
	huge[ENVELOPE_MAX + 10] = '\0';
	char *lines[] = { huge, NULL };
	kid.id.sq = 1;
	assert_int_equal(post_range(&kid, true, 1, 1, 1, lines), 200);
	want_rej(1, "size");
}

/* What has no number takes no place, however broken: the chain goes on beside it. */
static void a_broken_beat_takes_no_place(void **state)
{
	(void)state;
	char *beat = damaged(kid_beat(&kid), "\"high\":false", "\"high\":\"yes\"");
	assert_int_equal(post(&kid, beat, kid_digest(&kid, T0, 10), NULL), 200);
	want_dur(1, 1);
	assert_int_equal(sums().events, 10);
	want_alarm("frame-refused");
	/* nor does a type that came after us */
	beat = damaged(kid_beat(&kid), "\"t\":\"beat\"", "\"t\":\"bean\"");
	assert_int_equal(post(&kid, beat, kid_digest(&kid, T0, 10), NULL), 200);
	want_dur(1, 2);
	assert_int_equal(json_array_size(json_object_get(reply, "rej")), 0);
	assert_int_equal(sums().events, 20);
}

/* --- who ----------------------------------------------------------------------------------- */

static void nobody_speaks_for_another(void **state)
{
	struct kid other = kid_new(2, TIER_ENTERPRISE);
	(void)state;
	char *lines[] = { kid_digest(&other, T0, 10), NULL };
	assert_int_equal(post_range(&kid, true, 1, 1, 1, lines), 403);
	want_alarm("forged-identity");
	assert_int_equal(number_in("SELECT count(*) FROM frame"), 0);
	assert_false(accept_child_known(&p.node, other.peer.org));
}

static void a_key_that_was_never_certified_signs_nothing(void **state)
{
	uint8_t seed[KEY_SEED] = { 99 };
	(void)state;
	key_from_seed(&kid.key, seed);
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	want_rej(1, "sig");
}

static void two_keys_overlap(void **state)
{
	uint8_t seed[KEY_SEED] = { 99 };
	struct kid renewed = kid;
	(void)state;
	key_from_seed(&renewed.key, seed);
	key_from_public(&renewed.peer.key, renewed.key.public_);
	accept_key(&p.node, &kid.peer, p.now);
	char *a = kid_digest(&kid, T0, 10); /* signed by the old, sent with the new certificate */
	renewed.id = kid.id;
	memcpy(renewed.pv, kid.pv, HASH);
	renewed.events = kid.events;
	assert_int_equal(post(&renewed, a, kid_digest(&renewed, T0, 5), NULL), 200);
	want_dur(1, 2);
}

static void keys_are_judged_by_the_windows_end(void **state)
{
	(void)state;
	kid.peer.not_after = T0; /* it ended when the window began; a day of slack */
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	want_dur(1, 1);
	assert_int_equal(post(&kid, kid_digest(&kid, T0 + 90000, 10), NULL), 200);
	want_rej(2, "sig");
}

static void a_revoked_key_is_over(void **state)
{
	(void)state;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	accept_revoke(&p.node, kid.peer.org, kid.peer.key.public_, T0);
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 403);
	assert_string_equal(json_text_of(reply, "why"), "revoked");
	json_decref(ask_head(403));
	assert_int_equal(number_in("SELECT events FROM child"), 10);
	/* with a new certificate, frames of the old key are refused one by one */
	uint8_t seed[KEY_SEED] = { 99 };
	struct kid renewed = kid;
	renewed.id.sq = 1;
	renewed.events = 10;
	struct key fresh;
	key_from_seed(&fresh, seed);
	key_from_public(&renewed.peer.key, fresh.public_);
	struct frame_id at = { 1, 1 };
	renewed.id = at;
	uint8_t hash[HASH];
	struct query *q = store_query(p.node.store, "SELECT pv FROM child");
	size_t n;
	assert_true(query_row(q));
	memcpy(hash, row_blob(q, 0, &n), HASH);
	query_done(q);
	memcpy(renewed.pv, hash, HASH);
	assert_int_equal(post(&renewed, kid_digest(&renewed, T0, 3), NULL), 200);
	want_rej(2, "revoked");
}

static void children_have_a_bound(void **state)
{
	(void)state;
	p.config.max_children = 3;
	for (unsigned i = 1; i <= 5; i++) {
		struct kid c = kid_new(i, TIER_ENTERPRISE);
		assert_int_equal(post(&c, kid_digest(&c, T0, 1), NULL), i <= 3 ? 200 : 403);
	}
	assert_int_equal(number_in("SELECT count(*) FROM child"), 3);
}

/* --- tombs --------------------------------------------------------------------------------- */

/* For @first to @last of epoch @ep, @events of them from @from on. */
static char *tomb(uint64_t ep, uint64_t first, uint64_t last, const uint8_t hash[HASH],
	const char *code, uint64_t from, uint64_t events, const char *rc)
{
	char hex[HASH_HEX];
	hash_hex(hash, hex);
	json_t *j = members(
		"{\"of\":[%" PRIu64 ",%" PRIu64 ",%" PRIu64
		"],\"hash\":\"%s\",\"code\":\"%s\",\"w\":{\"start\":%d,"
		"\"end\":%d,\"coarse_s\":300},\"in\":{\"events\":%" PRIu64
		",\"other\":1,\"alerts\":%" PRIu64 ",\"items\":%" PRIu64
		",\"suppressed\":0,\"sampled\":0,\"withheld\":0,\"lost\":{}},\"cov\":[[7,1,%" PRIu64
		",%" PRIu64 "]]}",
		ep, first, last, hex, code, T0, T0 + 300, events, events - 1, events - 1, from,
		from + events - 1);
	if (rc != NULL)
		json_object_set_new(j, "rc", json_string(rc));
	return kid_frame(&kid, FRAME_TOMB, j);
}

static void a_tomb_stands_in_for_what_was_refused(void **state)
{
	uint8_t hash[HASH];
	(void)state;
	char *bad = damaged(
		kid_digest(&kid, T0, 5), "\"tier\":\"enterprise\"", "\"tier\":\"enterprize\"");
	chain_on(bad);
	memcpy(hash, kid.pv, HASH);
	assert_int_equal(post(&kid, bad, kid_digest(&kid, T0, 3), NULL), 200);
	want_rej(1, "schema");
	want_dur(1, 0);
	for (unsigned i = 0; i < 2; i++) { /* once, however often it comes */
		assert_int_equal(post(&kid, tomb(1, 1, 1, hash, "schema", 1, 5, NULL), NULL), 200);
		want_dur(1, 2);
		assert_int_equal(sums().events, 8);
		assert_int_equal(sums().lost, 5);
	}
	assert_int_equal(number_in("SELECT events FROM child_lost WHERE code = 'schema'"), 5);
}

static void what_is_held_is_not_lost(void **state)
{
	uint8_t hash[HASH];
	(void)state;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	kid.events = 7; /* 8 to 12 in a frame that is refused: 8 to 10 are held */
	char *bad = kid_digest(&kid, T0, 5);
	memcpy(hash, kid.pv, HASH);
	assert_int_equal(post(&kid, bad, NULL), 200);
	want_rej(2, "cov");
	assert_int_equal(post(&kid, tomb(1, 2, 2, hash, "cov", 8, 5, NULL), NULL), 200);
	want_dur(1, 2);
	assert_int_equal(sums().events, 12);
	assert_int_equal(sums().lost, 2);
}

static void what_was_freed_and_receipted_is_reported(void **state)
{
	uint8_t hash[HASH];
	(void)state;
	char *line = kid_digest(&kid, T0, 10);
	memcpy(hash, kid.pv, HASH);
	assert_int_equal(post(&kid, line, NULL), 200);
	char *rc = strdup(json_text_of(reply, "rc"));
	/* the parent loses its memory, not its key */
	node_close(&p.node);
	parent_start();
	assert_int_equal(post(&kid, tomb(1, 1, 1, hash, "freed", 1, 10, rc), NULL), 200);
	want_dur(1, 1);
	assert_int_equal(sums().lost, 0);
	assert_int_equal(sums().alerts, 9);
	/* the same word without our receipt is a loss */
	node_close(&p.node);
	parent_start();
	assert_int_equal(post(&kid, tomb(1, 1, 1, hash, "freed", 1, 10, NULL), NULL), 200);
	assert_int_equal(sums().lost, 10);
	assert_int_equal(sums().alerts, 0);
	/* and with a receipt of another's */
	node_close(&p.node);
	parent_start();
	struct frame f;
	struct err err = { 0 };
	size_t len;
	assert_int_equal(frame_read(&f, rc, strlen(rc), &err), FRAME_GOOD);
	struct frame_head h = { .type = FRAME_SIGNED_RECEIPT, .org = ME, .to = kid.peer.org };
	json_t *body = json_pack("{s:O, s:O, s:O, s:O, s:O}", "ep", json_object_get(f.json, "ep"),
		"first", json_object_get(f.json, "first"), "last", json_object_get(f.json, "last"),
		"hash", json_object_get(f.json, "hash"), "at", json_object_get(f.json, "at"));
	char *forged = frame_make(&h, body, &kid.key, &len, NULL, &err);
	assert_int_equal(post(&kid, tomb(1, 1, 1, hash, "freed", 1, 10, forged), NULL), 200);
	assert_int_equal(sums().lost, 10);
	free(forged);
	json_decref(body);
	frame_free(&f);
	free(rc);
}

static void a_tomb_for_nothing_changes_nothing(void **state)
{
	uint8_t hash[HASH] = { 5 };
	(void)state;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	assert_int_equal(
		post(&kid, tomb(1, 1, 1, hash, "schema", 50, 5, NULL), NULL), 200); /* taken */
	assert_int_equal(
		post(&kid, tomb(1, 5, 5, hash, "schema", 50, 5, NULL), NULL), 200); /* a gap */
	assert_int_equal(post(&kid, tomb(9, 2, 3, hash, "schema", 50, 5, NULL), NULL), 200);
	assert_int_equal(post(&kid, tomb(1, 2, 5000, hash, "schema", 50, 5, NULL), NULL),
		200); /* too many */
	want_dur(1, 1);
	assert_int_equal(sums().events, 10);
}

static void an_epoch_may_begin_with_a_tomb(void **state)
{
	uint8_t hash[HASH] = { 5 };
	(void)state;
	char *bad = damaged(
		kid_digest(&kid, T0, 5), "\"tier\":\"enterprise\"", "\"tier\":\"enterprize\"");
	chain_on(bad);
	assert_int_equal(post(&kid, bad, NULL), 200);
	want_rej(1, "schema");
	kid.id = (struct frame_id){ 2, 0 };
	assert_int_equal(post(&kid, tomb(2, 1, 3, hash, "freed", 20, 5, NULL), NULL), 200);
	want_dur(2, 3); /* what was refused before it is settled by it */
	memcpy(kid.pv, hash, HASH);
	kid.id.sq = 3;
	kid.events = 24;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 2), NULL), 200);
	want_dur(2, 4);
}

/* --- coverage -------------------------------------------------------------------------------- */

static void the_head_tells_what_is_held(void **state)
{
	(void)state;
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	kid.events = 20; /* 11 to 20 never come */
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 5), NULL), 200);
	json_t *j = ask_head(200);
	json_t *cov = json_pack("[[i,i,i]]", 7, 1, 25),
	       *holes = json_pack("[[i,i,i,i]]", 7, 1, 11, 20);
	assert_true(json_equal(json_object_get(j, "cov"), cov));
	assert_true(json_equal(json_object_get(j, "holes"), holes));
	char hex[HASH_HEX];
	hash_hex(kid.pv, hex);
	assert_string_equal(json_text_of(j, "pv"), hex);
	json_decref(cov);
	json_decref(holes);
	json_decref(j);
}

/* Coverage that is too scattered is refused whole: what is held is what was counted. */
static void scattered_coverage_is_refused_whole(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 5; round++) {
		json_t *body = digest_members(&kid, T0, 300, 1000, ""), *cov = json_array();
		for (unsigned i = 0; i < 1000; i++) {
			int n = (int)(round * 1000 + i) * 2 + 1;
			json_array_append_new(cov, json_pack("[i,i,i,i]", 7, 1, n, n));
		}
		json_object_set_new(body, "cov", cov);
		assert_int_equal(post(&kid, kid_frame(&kid, FRAME_DIGEST, body), NULL), 200);
		if (round == 4)
			want_rej(5, "cov");
	}
	struct child *c = accept_child(&p.node, kid.peer.org);
	assert_int_equal(c->spans, 4000);
	assert_int_equal(sums().events, 4000);
	assert_int_equal(number_in("SELECT count(*) FROM child_cov"), 4000);
}

/* --- receipts ------------------------------------------------------------------------------ */

static void a_receipt_says_what_is_kept(void **state)
{
	struct frame f;
	struct err err = { 0 };
	char hex[HASH_HEX];
	(void)state;
	char *a = kid_digest(&kid, T0, 10), *b = kid_digest(&kid, T0, 3);
	assert_int_equal(post(&kid, a, b, NULL), 200);
	const char *rc = json_text_of(reply, "rc");
	assert_int_equal(frame_read(&f, rc, strlen(rc), &err), FRAME_GOOD);
	assert_int_equal(f.type, FRAME_SIGNED_RECEIPT);
	assert_true(frame_verify(&f, &p.id.key));
	hash_hex(kid.pv, hex);
	assert_string_equal(json_text_of(f.json, "hash"), hex);
	assert_int_equal(json_int_of(f.json, "first", 0), 1);
	assert_int_equal(json_int_of(f.json, "last", 0), 2);
	assert_string_equal(f.to, kid.peer.org);
	frame_free(&f);
	assert_int_equal(post(&kid, kid_beat(&kid), NULL), 200);
	assert_null(json_object_get(reply, "rc")); /* nothing with a number came */
}

static void no_receipt_for_what_is_not_kept(void **state)
{
	(void)state;
	char *bad = damaged(
		kid_digest(&kid, T0, 5), "\"tier\":\"enterprise\"", "\"tier\":\"enterprize\"");
	assert_int_equal(post(&kid, bad, NULL), 200);
	assert_null(json_object_get(reply, "rc"));
}

/* --- bodies -------------------------------------------------------------------------------- */

static void what_cannot_be_split_is_422(void **state)
{
	(void)state;
	char *none[] = { NULL }, *empty[] = { strdup(""), NULL };
	assert_int_equal(post_range(&kid, false, 0, 0, 0, none), 422);
	assert_int_equal(post_range(&kid, false, 0, 0, 0, empty), 422);
	char *many[POST_FRAMES + 2] = { NULL };
	for (unsigned i = 0; i <= POST_FRAMES; i++)
		many[i] = strdup("{}");
	assert_int_equal(post_range(&kid, false, 0, 0, 0, many), 422);
	char *long_ = malloc(POST_BYTES + 10);
	memset(long_, 'x', POST_BYTES);
	long_[POST_BYTES] = '\0';
	char *huge[] = { long_, NULL };
	assert_int_equal(post_range(&kid, false, 0, 0, 0, huge), 413);
}

static void a_store_that_fails_takes_nothing(void **state)
{
	(void)state;
	char *line = kid_digest(&kid, T0, 10);
	assert_int_equal(post(&kid, kid_beat(&kid), NULL), 200);
	for (int64_t at = 0; at < 6; at++) {
		store_fail_after(p.node.store, at);
		assert_int_equal(post(&kid, strdup(line), NULL), 503);
		store_fail_after(p.node.store, -1);
		struct totals t;
		assert_true(accept_totals(&p.node, kid.peer.org, &t));
		assert_int_equal(t.events, 0);
		assert_int_equal(number_in("SELECT count(*) FROM frame"), 0);
	}
	assert_int_equal(post(&kid, line, NULL), 200);
	want_dur(1, 1);
	assert_int_equal(sums().events, 10);
}

static void too_fast_is_asked_to_wait(void **state)
{
	struct answer a;
	(void)state;
	p.config.child_rate = 10;
	p.config.child_burst = 20;
	assert_true(accept_allowed(&p.node, &kid.peer, 100, p.now, &a)); /* not known yet */
	accept_key(&p.node, &kid.peer, p.now);
	unsigned taken = 0;
	while (taken < 100 && accept_allowed(&p.node, &kid.peer, 100, p.now, &a))
		taken++;
	assert_int_equal(taken, 20);
	assert_int_equal(a.status, 429);
	assert_in_range(a.retry_after, 1, 10);
	answer_free(&a);
	parent_pass(1000);
	assert_true(accept_allowed(&p.node, &kid.peer, 100, p.now, &a));
	assert_false(accept_allowed(&p.node, &kid.peer, POST_PACKED + 1, p.now, &a));
	assert_int_equal(a.status, 413);
	answer_free(&a);
}

/* --- beats ----------------------------------------------------------------------------------- */

static void children_are_reporting_late_and_silent(void **state)
{
	struct roster r;
	(void)state;
	accept_key(&p.node, &kid.peer, p.now);
	accept_roster(&p.node, NULL, p.now, &r);
	assert_int_equal(r.silent, 1);
	assert_int_equal(post(&kid, kid_beat(&kid), NULL), 200);
	static const struct {
		int64_t ms;
		unsigned reporting, late, silent;
	} when[] = { { 0, 1, 0, 0 }, { 179000, 1, 0, 0 }, { 2000, 0, 1, 0 }, { 718000, 0, 1, 0 },
		{ 2000, 0, 0, 1 } };
	for (unsigned i = 0; i < sizeof when / sizeof when[0]; i++) {
		parent_pass(when[i].ms);
		accept_roster(&p.node, NULL, p.now, &r);
		assert_int_equal(r.known, 1);
		assert_int_equal(r.reporting, when[i].reporting);
		assert_int_equal(r.late, when[i].late);
		assert_int_equal(r.silent, when[i].silent);
	}
	assert_int_equal(post(&kid, kid_beat(&kid), NULL), 200);
	accept_roster(&p.node, NULL, p.now, &r);
	assert_int_equal(r.reporting, 1);
	p.now.wall_ms += 3600000; /* its clock is an hour behind ours */
	char *beat = kid_beat(&kid);
	p.now.wall_ms -= 3600000;
	assert_int_equal(post(&kid, beat, NULL), 200);
	want_alarm("clock-suspect");
}

static void flashes_are_acknowledged_by_their_id(void **state)
{
	static const char id[] = "00000000000000000000000000000000000000000000000000000000000000f1";
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		json_t *j = members("{\"tier\":\"enterprise\",\"reg\":\"370500\",\"ind\":\"C26\","
				    "\"lvl\":1,\"id\":\"%s\",\"cov\":[7,1,1],"
				    "\"k\":\"6d1f0000000000000000000000000001\",\"sk\":"
				    "\"c0aa0000000000000000000000000001\",\"rule\":"
				    "\"local\",\"rev\":1,\"cat\":\"ics-command\",\"tech\":\"\","
				    "\"sev\":1,\"conf\":90,\"verb\":\"stop\","
				    "\"roles\":[],\"zones\":[],\"chg\":true,\"verdict\":"
				    "\"accepted\",\"at\":%d}",
			id, T0);
		assert_int_equal(post(&kid, kid_frame(&kid, FRAME_FLASH, j), NULL), 200);
		assert_string_equal(
			json_string_value(json_array_get(json_object_get(reply, "ok"), 0)), id);
	}
	assert_int_equal(number_in("SELECT count(*) FROM flash WHERE verified = 1"), 1);
	assert_int_equal(number_in("SELECT events FROM child"), 0); /* never added up */
}

static int reply_gone(void **state)
{
	json_decref(reply);
	free(reply_text);
	reply = NULL;
	reply_text = NULL;
	return without(state);
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, with_parent, reply_gone)
	const struct CMUnitTest tests[] = {
		FRESH(frames_are_taken_in_order),
		FRESH(repeats_are_harmless),
		FRESH(a_gap_is_asked_for),
		FRESH(a_new_epoch_goes_on_from_the_head),
		FRESH(an_epoch_begins_with_its_first),
		FRESH(a_restored_parent_asks_for_the_tail),
		FRESH(other_bytes_under_one_number_are_quarantined),
		FRESH(a_chain_that_was_cut_is_quarantined),
		FRESH(two_that_beat_in_turn_are_two),
		FRESH(one_poison_frame_never_stops_the_chain),
		FRESH(each_fault_has_its_code),
		FRESH(over_sharing_is_refused),
		FRESH(events_are_counted_once),
		FRESH(a_frame_for_another_is_refused),
		FRESH(a_line_too_long_is_refused_alone),
		FRESH(a_broken_beat_takes_no_place),
		FRESH(nobody_speaks_for_another),
		FRESH(a_key_that_was_never_certified_signs_nothing),
		FRESH(two_keys_overlap),
		FRESH(keys_are_judged_by_the_windows_end),
		FRESH(a_revoked_key_is_over),
		FRESH(children_have_a_bound),
		FRESH(a_tomb_stands_in_for_what_was_refused),
		FRESH(what_is_held_is_not_lost),
		FRESH(what_was_freed_and_receipted_is_reported),
		FRESH(a_tomb_for_nothing_changes_nothing),
		FRESH(an_epoch_may_begin_with_a_tomb),
		FRESH(the_head_tells_what_is_held),
		FRESH(scattered_coverage_is_refused_whole),
		FRESH(a_receipt_says_what_is_kept),
		FRESH(no_receipt_for_what_is_not_kept),
		FRESH(what_cannot_be_split_is_422),
		FRESH(a_store_that_fails_takes_nothing),
		FRESH(too_fast_is_asked_to_wait),
		FRESH(children_are_reporting_late_and_silent),
		FRESH(flashes_are_acknowledged_by_their_id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
