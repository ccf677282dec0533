/* test_agg_notice.c - a notice goes down and its answers come up: a province and a firm, with a
 * link that the test carries from one to the other. */
#include "tests/unit/parent_kit.h"

#include "aggregator/ledger.h"
#include "aggregator/notice_private.h"

static struct parent firm; /* p is the province */
static struct key national;

static void carry_down(void);
static void carry_up(void);

static void firm_start(void)
{
	struct err err = { 0 };
	struct store_options so = { .small = true };
	firm.node = (struct node){ .feed = parent_feed, .ctx = &firm };
	if (!node_open(&firm.node, &firm.config, &firm.id, &so, firm.now, &err))
		fail_msg("%s", err.text);
	link_set_parent_key(firm.node.link[0], &p.id.key);
}

static int both(void **state)
{
	uint8_t seed[KEY_SEED] = { 0x33 };
	char hex[65];
	with_parent(state);
	kid = kid_new(1, TIER_ENTERPRISE);
	firm = (struct parent){ .now = p.now };
	agg_config_init(&firm.config);
	firm.config.parent[firm.config.parents++] =
		(struct agg_parent){ .url = strdup("https://127.0.0.1:1"),
			.org = strdup(ME),
			.level = 1,
			.count = true,
			.severity = 4 };
	snprintf(firm.id.org, sizeof firm.id.org, "%s", kid.peer.org);
	snprintf(firm.id.region, sizeof firm.id.region, "370500");
	snprintf(firm.id.industry, sizeof firm.id.industry, "C26");
	firm.id.key = kid.key;
	key_from_seed(&national, seed);
	hex_write(hex, national.public_, KEY_PUBLIC);
	text_list_keep(&firm.config.national_keys, hex);
	firm_start();
	accept_key(&p.node, &kid.peer, p.now);
	return 0;
}

static int neither(void **state)
{
	node_close(&firm.node);
	agg_config_free(&firm.config);
	return without(state);
}

/* What waits at the province reaches the firm. */
static void carry_down(void)
{
	struct answer a = { 0 };
	struct link *l = firm.node.link[0];
	if (notice_down(&p.node, &kid.peer, notice_after(&firm.node, l), p.now, &a))
		notice_take(&firm.node, l, firm.now, a.json, a.len);
	answer_free(&a);
}

/* And what waits at the firm the province; beats are not sent here. */
static void carry_up(void)
{
	struct link_post post;
	int64_t again;
	struct link *l = firm.node.link[0];
	pthread_mutex_lock(&firm.node.lock);
	notice_poll(&firm.node, firm.now);
	pthread_mutex_unlock(&firm.node.lock);
	for (unsigned i = 0; i < 4; i++) {
		struct answer a;
		enum link_ask ask = link_next(l, firm.now, &post, &again);
		if (ask == ASK_NOTHING)
			return;
		struct post_in in = { post.has_range, post.first.ep, post.first.sq, post.last.sq,
			post.body, post.len };
		if (ask == ASK_HEAD)
			accept_head(&p.node, &kid.peer, p.now, &a);
		else
			accept_up(&p.node, &kid.peer, &in, p.now, &a);
		link_answer(l, firm.now, a.status, a.retry_after, a.json, a.len);
		answer_free(&a);
		if (ask == ASK_POST)
			link_post_free(&post);
		firm.now.mono_ms += 1000;
	}
}

static void pass(int64_t s)
{
	p.now.wall_ms += s * 1000;
	p.now.mono_ms += s * 1000;
	firm.now.wall_ms += s * 1000;
	firm.now.mono_ms += s * 1000;
}

static struct standing standing(struct parent *at, const char *id)
{
	struct case_facts c;
	struct standing st;
	if (!case_find(&at->node, id, &c))
		fail_msg("%s is not known", id);
	case_standing(&at->node, &c, kid.peer.org, &st);
	return st;
}

/* Both sides see the same. */
static void want_both(const char *id, enum state state)
{
	struct standing a = standing(&p, id), b = standing(&firm, id);
	assert_string_equal(state_name(a.state), state_name(state));
	assert_string_equal(state_name(b.state), state_name(state));
	assert_string_equal(a.hash, b.hash);
	assert_int_equal(a.conflict, b.conflict);
	assert_int_equal(a.ended, b.ended);
}

static void issue(char id[65], const char *profile, int64_t deadline_s)
{
	struct err err = { 0 };
	json_t *m = json_pack("{s:s, s:I, s:I}", "text", "A controller was stopped.", "issued",
		(json_int_t)(p.now.wall_ms / 1000), "deadline",
		(json_int_t)(p.now.wall_ms / 1000 + deadline_s));
	if (profile[0] != '\0')
		json_object_set_new(m, "profile", json_string(profile));
	struct notice_issue i = { FRAME_NOTICE, kid.peer.org, NULL, m, &p.id.key };
	if (!notice_issue(&p.node, &i, id, p.now, &err))
		fail_msg("%s", err.text);
	json_decref(m);
}

static bool move(struct parent *at, const char *id, const char *to, const char *by,
	const char *action, const char *reason)
{
	struct err err = { 0 };
	struct notice_move m = { id, at == &p ? kid.peer.org : NULL, to, by, action, reason, 0,
		&at->id.key };
	bool good = notice_move(&at->node, &m, at->now, &err);
	assert_int_equal(good, !err.set);
	return good;
}

/* --- the whole way --------------------------------------------------------------------------- */

static void from_issue_to_close(void **state)
{
	char id[65];
	(void)state;
	issue(id, "", 86400);
	carry_down();
	carry_up();
	want_both(id, STATE_DELIVERED); /* by itself */
	static const struct {
		bool firm;
		const char *to, *by, *action;
		enum state state;
	} way[] = { { true, "signed-for", "security-lead", NULL, STATE_SIGNED_FOR },
		{ true, "triage", "operator", NULL, STATE_TRIAGE },
		{ true, "in-progress", "operator", NULL, STATE_IN_PROGRESS },
		{ true, "mitigated", "plant-engineer", "isolated", STATE_MITIGATED },
		{ false, "reopened", "issuer", NULL, STATE_REOPENED },
		{ true, "in-progress", "operator", NULL, STATE_IN_PROGRESS },
		{ true, "mitigated", "plant-engineer", "patched", STATE_MITIGATED },
		{ false, "verified", "issuer", NULL, STATE_VERIFIED },
		{ false, "closed", "issuer", NULL, STATE_CLOSED } };
	for (size_t i = 0; i < sizeof way / sizeof way[0]; i++) {
		pass(60);
		assert_true(move(
			way[i].firm ? &firm : &p, id, way[i].to, way[i].by, way[i].action, NULL));
		carry_down();
		carry_up();
		want_both(id, way[i].state);
	}
	assert_int_equal(standing(&p, id).ended, STATE_CLOSED);
	json_t *list = notice_list(&p.node, true);
	assert_int_equal(json_array_size(list), 0); /* nothing is open */
	json_decref(list);
	list = notice_list(&p.node, false);
	assert_string_equal(json_text_of(json_array_get(list, 0), "state"), "closed");
	json_decref(list);
	json_t *shown = notice_show(&firm.node, id);
	assert_int_equal(json_array_size(json_object_get(shown, "steps")), 10);
	json_decref(shown);
	assert_int_equal(p.alarms + firm.alarms, 0);
}

static void steps_that_are_not_allowed_are_not_taken(void **state)
{
	char id[65];
	(void)state;
	issue(id, "", 86400);
	carry_down();
	assert_false(move(&firm, id, "triage", "operator", NULL, NULL));   /* not signed for */
	assert_false(move(&firm, id, "signed-for", "issuer", NULL, NULL)); /* not the firm's word */
	assert_false(move(&firm, id, "signed-for", "daemon", NULL, NULL)); /* a person signs */
	assert_false(move(&p, id, "signed-for", "operator", NULL, NULL));  /* not the issuer's */
	assert_false(move(&p, id, "verified", "issuer", NULL, NULL));
	assert_false(move(&firm, id, "finished", "operator", NULL, NULL));
	assert_false(move(&firm, "N37000000-20251009-9999", "signed-for", "operator", NULL, NULL));
	assert_true(move(&firm, id, "signed-for", "operator", NULL, NULL));
	assert_true(move(&firm, id, "triage", "operator", NULL, NULL));
	assert_false(move(&firm, id, "disputed", "operator", NULL, NULL)); /* without a reason */
	assert_true(move(&firm, id, "disputed", "operator", NULL, "wrong-addressee"));
	carry_up();
	want_both(id, STATE_DISPUTED);
	assert_true(move(&p, id, "cancelled", "issuer", NULL, NULL));
	carry_down();
	assert_false(move(&firm, id, "triage", "operator", NULL, NULL)); /* it is over */
	assert_int_equal(standing(&firm, id).ended, STATE_CANCELLED);
}

/* Each answer reaches the province twice, and in an order of its own. */
static void late_and_repeated_answers_converge(void **state)
{
	char id[65];
	struct frame f[4];
	struct err err = { 0 };
	(void)state;
	issue(id, "", 86400);
	carry_down();
	move(&firm, id, "signed-for", "operator", NULL, NULL);
	pass(1);
	move(&firm, id, "triage", "operator", NULL, NULL);
	pass(1);
	move(&firm, id, "in-progress", "operator", NULL, NULL);
	/* the receipts as frames, as they would come */
	struct query *q = store_query(firm.node.store,
		"SELECT blob FROM link_wait UNION ALL SELECT body FROM receipt_out");
	char *line[4];
	unsigned n = 0;
	while (query_row(q) && n < 4)
		line[n] = kid_frame(&kid, FRAME_RECEIPT, members("%s", row_text(q, 0))), n++;
	query_done(q);
	assert_int_equal(n, 4);
	static const unsigned order[] = { 3, 1, 3, 0, 2, 0, 2, 1 };
	for (unsigned i = 0; i < 8; i++) {
		unsigned at = order[i];
		assert_int_equal(frame_read(&f[at], line[at], strlen(line[at]), &err), FRAME_GOOD);
		store_begin(p.node.store);
		assert_true(notice_receipt(&p.node, &kid.peer, &f[at], p.now, &err));
		assert_true(store_commit(p.node.store));
		frame_free(&f[at]);
	}
	want_both(id, STATE_IN_PROGRESS);
	assert_int_equal(number_in("SELECT count(*) FROM step"), 4);
	for (unsigned i = 0; i < 4; i++)
		free(line[i]);
}

/* An answer that comes before what it answers: kept, and counted when that is here. */
static void an_answer_may_overtake_its_case(void **state)
{
	struct err err = { 0 };
	struct frame f;
	(void)state;
	char *line = kid_frame(&kid, FRAME_RECEIPT,
		members("{\"case\":\"N37000000-20251009-0001\",\"from\":\"%064d\",\"state\":"
			"\"delivered\",\"by\":\"daemon\",\"at\":%d}",
			1, T0));
	assert_int_equal(frame_read(&f, line, strlen(line), &err), FRAME_GOOD);
	store_begin(p.node.store);
	assert_true(notice_receipt(&p.node, &kid.peer, &f, p.now, &err));
	assert_true(store_commit(p.node.store));
	assert_int_equal(number_in("SELECT count(*) FROM step"), 1);
	frame_free(&f);
	free(line);
}

static void two_answers_to_one_state_are_seen_by_both(void **state)
{
	char id[65];
	(void)state;
	issue(id, "", 86400);
	carry_down();
	move(&firm, id, "signed-for", "operator", NULL, NULL);
	carry_up();
	want_both(id, STATE_SIGNED_FOR);
	/* a copy of the firm, restored, where somebody else answers */
	struct standing st = standing(&firm, id);
	struct step s = { .state = STATE_TRIAGE, .at_s = T0 + 5 };
	struct err err = { 0 };
	bool fresh;
	snprintf(s.firm, sizeof s.firm, "%s", kid.peer.org);
	snprintf(s.from, sizeof s.from, "%s", st.hash);
	snprintf(s.by, sizeof s.by, "manager");
	for (struct parent *at = &p;; at = &firm) {
		store_begin(at->node.store);
		assert_true(case_step(&at->node, id, &s, "", &fresh, at->now, &err));
		assert_true(store_commit(at->node.store));
		if (at == &firm)
			break;
	}
	snprintf(s.by, sizeof s.by, "operator");
	for (struct parent *at = &p;; at = &firm) {
		store_begin(at->node.store);
		assert_true(case_step(&at->node, id, &s, "", &fresh, at->now, &err));
		assert_true(store_commit(at->node.store));
		if (at == &firm)
			break;
	}
	assert_true(standing(&p, id).conflict && standing(&firm, id).conflict);
	want_both(id, STATE_SIGNED_FOR);
	want_alarm("notice-conflict");
	assert_non_null(strstr(firm.alarm, "notice-conflict"));
}

/* --- authority --------------------------------------------------------------------------- */

static bool taken(const struct key *k, const char *org, const char *colour)
{
	struct err err = { 0 };
	static unsigned number;
	char text[64];
	size_t len;
	snprintf(text, sizeof text, "W86000000-20251009-%04u", ++number);
	json_t *m = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:I}", "case", text, "colour", colour,
		"status", "actual", "msg", "alert", "text", "Stop commands.", "expires",
		(json_int_t)T0 + 86400, "issued", (json_int_t)T0);
	struct frame_head h = { .type = FRAME_WARNING, .org = org, .to = "*", .id = { 1, number } };
	char *line = frame_make(&h, m, k, &len, NULL, &err);
	assert_non_null(line);
	json_t *j = json_pack("{s:i, s:[s]}", "seq", (int)number, "objects", line);
	char *json = json_write(j, &len);
	notice_take(&firm.node, firm.node.link[0], firm.now, json, len);
	struct case_facts c;
	bool known = case_find(&firm.node, text, &c);
	free(json);
	json_decref(j);
	free(line);
	json_decref(m);
	return known;
}

static void authority_is_in_the_key(void **state)
{
	uint8_t seed[KEY_SEED] = { 77 };
	struct key nobody;
	(void)state;
	key_from_seed(&nobody, seed);
	static const char *const grave[] = { "red", "orange" }, *const lesser[] = { "yellow",
		"blue" };
	for (unsigned i = 0; i < 2; i++) {
		assert_false(taken(&p.id.key, ME, grave[i])); /* a province cannot say red */
		assert_false(taken(&p.id.key, UP, grave[i])); /* nor by calling itself the nation */
		assert_true(taken(&national, UP, grave[i]));
		assert_true(taken(&p.id.key, ME, lesser[i]));
		assert_true(taken(&national, UP, lesser[i]));
		assert_false(taken(&p.id.key, UP, lesser[i])); /* another's name */
		assert_false(taken(&nobody, ME, lesser[i]));
	}
	assert_non_null(strstr(firm.alarm, "down-refused"));
}

/* --- time -------------------------------------------------------------------------------- */

static void profiles_are_those_of_the_data_file(void **state)
{
	static const struct {
		const char *profile;
		int64_t s;
	} all[] = { { "cac-2025_cii", 3600 }, { "cac-2025_cii-up", 1800 },
		{ "cac-2025_organ", 7200 }, { "cac-2025_other", 14400 },
		{ "cac-2025_prov-up", 3600 }, { "cac-2025_none", 0 }, { "cac-2024_cii", 0 },
		{ "cac-2025", 0 }, { "", 0 }, { "_", 0 }, { "_cii", 0 } };
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		assert_int_equal(timer_seconds(&p.node, all[i].profile), all[i].s);
}

/* Both sides see the same countdown; who says that it ran out is the firm's parent. */
static void overdue_then_escalated(void **state)
{
	char id[65];
	(void)state;
	issue(id, "cac-2025_other", 10 * 86400);
	carry_down();
	carry_up();
	int64_t due = number_in("SELECT due_s FROM standing");
	assert_int_equal(due, T0 + 14400);
	struct query *q = store_query(firm.node.store, "SELECT due_s FROM standing");
	assert_true(query_row(q));
	assert_int_equal(row_int(q, 0), due);
	query_done(q);
	pass(14399);
	notice_tick(&p.node, p.now);
	assert_false(standing(&p, id).overdue);
	pass(1);
	notice_tick(&firm.node, firm.now); /* not the firm's to say */
	assert_false(standing(&firm, id).overdue);
	notice_tick(&p.node, p.now);
	carry_down();
	assert_true(standing(&p, id).overdue && standing(&firm, id).overdue);
	assert_false(standing(&p, id).escalated);
	want_both(id, STATE_DELIVERED); /* it marks; it does not move */
	pass(14400);
	notice_tick(&p.node, p.now);
	carry_down();
	assert_true(standing(&p, id).escalated && standing(&firm, id).escalated);
	/* it is signed for all the same */
	assert_true(move(&firm, id, "signed-for", "manager", NULL, NULL));
	carry_up();
	want_both(id, STATE_SIGNED_FOR);
}

static void signing_stops_the_first_timer(void **state)
{
	char id[65];
	(void)state;
	issue(id, "cac-2025_cii", 86400);
	carry_down();
	assert_true(move(&firm, id, "signed-for", "operator", NULL, NULL));
	carry_up();
	assert_int_equal(
		number_in("SELECT due_s FROM standing"), T0 + 86400); /* the deadline is next */
	pass(7200);
	notice_tick(&p.node, p.now);
	assert_false(standing(&p, id).overdue);
	/* what is disputed is frozen */
	assert_true(move(&firm, id, "triage", "operator", NULL, NULL));
	assert_true(move(&firm, id, "disputed", "operator", NULL, "false-alarm"));
	carry_up();
	pass(10 * 86400);
	notice_tick(&p.node, p.now);
	assert_false(standing(&p, id).overdue);
}

static void what_runs_out_ends_by_itself_on_both_sides(void **state)
{
	(void)state;
	assert_true(taken(&p.id.key, ME, "blue"));
	char id[65];
	struct query *q = store_query(firm.node.store, "SELECT id FROM notice");
	assert_true(query_row(q));
	snprintf(id, sizeof id, "%s", row_text(q, 0));
	query_done(q);
	assert_int_equal(standing(&firm, id).state, STATE_DELIVERED);
	pass(86400);
	notice_tick(&firm.node, firm.now);
	assert_int_equal(standing(&firm, id).ended, STATE_EXPIRED);
	assert_false(move(&firm, id, "signed-for", "operator", NULL, NULL));
}

/* --- rule packs -------------------------------------------------------------------------- */

static void publish(
	const char *name, int version, const char *bytes, const struct key *publisher, bool good)
{
	struct err err = { 0 };
	uint8_t hash[HASH], sig[KEY_SIG];
	char hex[HASH_HEX], text[512], b64[96];
	hash_of(bytes, strlen(bytes), hash);
	hash_hex(hash, hex);
	size_t n = pack_signed_text(text, sizeof text, name, version, T0 + 86400, hex);
	key_sign(publisher, text, n, sig);
	if (!good)
		sig[0] ^= 1;
	base64_write(b64, sizeof b64, sig, KEY_SIG);
	json_t *sigs = json_pack("[{s:s, s:s}]", "kid", publisher->kid, "sig", b64);
	assert_true(pack_publish(&p.node, name, version, T0 + 86400, bytes, strlen(bytes), sigs,
		&p.id.key, p.now, &err));
	json_decref(sigs);
	carry_down();
}

/* The version and state that the firm has of it: "3 offered", or "". */
static const char *held(const char *name)
{
	static char text[64];
	struct query *q = store_query(
		firm.node.store, "SELECT version || ' ' || state FROM pack WHERE name = ?1");
	bind_text(q, name);
	snprintf(text, sizeof text, "%s", query_row(q) ? row_text(q, 0) : "");
	query_done(q);
	return text;
}

static void packs_are_offered_and_never_forced(void **state)
{
	uint8_t seed[KEY_SEED] = { 44 };
	struct key publisher;
	struct err err = { 0 };
	struct pack_out out;
	char hex[65];
	(void)state;
	key_from_seed(&publisher, seed);
	firm.config.redis = strdup("redis+unix:///nowhere");
	publish("winter", 3, "rules", &publisher, true);
	assert_string_equal(held("winter"), ""); /* nobody trusts that publisher yet */
	hex_write(hex, publisher.public_, KEY_PUBLIC);
	text_list_keep(&firm.config.pack_keys, hex);
	publish("winter", 3, "rules", &publisher, false);
	assert_string_equal(held("winter"), "");
	publish("winter", 3, "rules", &publisher, true);
	assert_string_equal(held("winter"), "3 offered");
	assert_false(pack_next(&firm.node, &out));
	assert_true(pack_decide(&firm.node, "winter", true, firm.now, &err));
	assert_true(pack_next(&firm.node, &out));
	assert_string_equal(out.name, "winter");
	assert_int_equal(out.version, 3);
	assert_false(out.withdrawn);
	assert_memory_equal(out.bytes + out.size - 5, "rules", 5);
	assert_true(pack_stored(&firm.node, &out));
	free(out.bytes);
	assert_false(pack_next(&firm.node, &out));
	/* no way back */
	publish("winter", 2, "older", &publisher, true);
	publish("winter", 3, "other", &publisher, true);
	assert_string_equal(held("winter"), "3 accepted");
	publish("winter", 4, "newer", &publisher, true);
	assert_string_equal(held("winter"), "4 offered"); /* each version is decided on */
	assert_true(pack_decide(&firm.node, "winter", false, firm.now, &err));
	assert_string_equal(held("winter"), "4 refused");
	publish("winter", 3, "rules", &publisher, true);
	assert_string_equal(held("winter"), "4 refused");
	/* two must sign: one who is named twice is one */
	firm.config.pack_threshold = 2;
	text_list_keep(&firm.config.pack_keys, hex);
	publish("winter", 5, "newest", &publisher, true);
	assert_string_equal(held("winter"), "4 refused");
	struct err none = { 0 };
	assert_false(pack_decide(&firm.node, "summer", true, firm.now, &none));
}

static void a_pack_of_many_pieces(void **state)
{
	uint8_t seed[KEY_SEED] = { 44 };
	struct key publisher;
	struct pack_out out;
	char hex[65], *large = malloc(200001);
	(void)state;
	memset(large, 'r', 200000);
	large[200000] = '\0';
	key_from_seed(&publisher, seed);
	hex_write(hex, publisher.public_, KEY_PUBLIC);
	text_list_keep(&firm.config.pack_keys, hex);
	firm.config.redis = strdup("redis+unix:///nowhere");
	free(firm.config.packs);
	firm.config.packs = strdup("accept");
	publish("large", 1, large, &publisher, true);
	assert_string_equal(held("large"), "1 accepted");
	assert_true(pack_next(&firm.node, &out));
	assert_true(out.size > 200000 && memcmp(out.bytes + out.size - 200000, large, 200000) == 0);
	free(out.bytes);
	free(large);
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, both, neither)
	const struct CMUnitTest tests[] = {
		FRESH(from_issue_to_close),
		FRESH(steps_that_are_not_allowed_are_not_taken),
		FRESH(late_and_repeated_answers_converge),
		FRESH(an_answer_may_overtake_its_case),
		FRESH(two_answers_to_one_state_are_seen_by_both),
		FRESH(authority_is_in_the_key),
		FRESH(profiles_are_those_of_the_data_file),
		FRESH(overdue_then_escalated),
		FRESH(signing_stops_the_first_timer),
		FRESH(what_runs_out_ends_by_itself_on_both_sides),
		FRESH(packs_are_offered_and_never_forced),
		FRESH(a_pack_of_many_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
