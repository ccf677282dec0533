/* test_agg_pki.c - a node's place in the chain: request, signature, taking it; tokens that are good
 * once; revocation; and the page that says how it all stands. */
#include "tests/unit/parent_kit.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/enrol.h"
#include "aggregator/pki.h"
#include "aggregator/report.h"

static char top[64], above[96], below[96]; /* folders */

static struct node_identity identity(const char *org, enum tier tier)
{
	struct node_identity id = { .tier = tier, .region = "370000" };
	snprintf(id.org, sizeof id.org, "%s", org);
	return id;
}

static int folders(void **state)
{
	(void)state;
	struct err err = { 0 };
	if (!keys_init())
		return -1;
	snprintf(top, sizeof top, "/tmp/test-pki-XXXXXX");
	if (mkdtemp(top) == NULL)
		return -1;
	snprintf(above, sizeof above, "%s/above", top);
	snprintf(below, sizeof below, "%s/below", top);
	mkdir(above, 0700);
	mkdir(below, 0700);
	struct node_identity id = identity(ME, TIER_PROVINCE);
	if (!pki_make_authority(above, &id, "127.0.0.1", &err))
		fail_msg("%s", err.text);
	return 0;
}

static int drop_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int no_folders(void **state)
{
	(void)state;
	return nftw(top, drop_one, 16, FTW_DEPTH | FTW_PHYS);
}

#define FIRM "9f3c00000000000000000000000009f3"

static char *request(void)
{
	struct err err = { 0 };
	char *text = NULL;
	size_t len;
	struct node_identity id = identity(FIRM, TIER_NATION); /* its word on that counts nothing */
	FILE *f = open_memstream(&text, &len);
	if (!pki_request(below, &id, f, &err))
		fail_msg("%s", err.text);
	fclose(f);
	return text;
}

static const struct pki_grant grant = {
	.tier = TIER_ENTERPRISE, .region = "370500", .industry = "C26", .days = 30
};

static char *sign(const char *pem, struct peer *who)
{
	struct err err = { 0 };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	bool good = pki_sign(above, pem, &grant, f, who, &err);
	fclose(f);
	if (good)
		return text;
	free(text);
	return NULL;
}

static void a_firm_joins(void **state)
{
	struct err err = { 0 };
	struct peer who, seen;
	char parent[ORG_TEXT], org[ORG_TEXT];
	struct node_identity id;
	(void)state;
	char *pem = request();
	assert_true(pki_request_org(pem, org, &err));
	assert_string_equal(org, FIRM);
	char *answer = sign(pem, &who);
	assert_non_null(answer);
	assert_string_equal(who.org, FIRM);
	assert_int_equal(who.tier, TIER_ENTERPRISE); /* the parent's word */
	assert_string_equal(who.region, "370500");
	assert_string_equal(who.industry, "C26");
	assert_in_range(who.not_after - who.not_before, 29 * 86400, 31 * 86400);
	assert_true(pki_read_cert(answer, strlen(answer), &seen, &err));
	assert_memory_equal(seen.key.public_, who.key.public_, KEY_PUBLIC);
	if (!pki_take(below, answer, parent, &err))
		fail_msg("%s", err.text);
	assert_string_equal(parent, ME);
	struct pki *pki = pki_open(below, &err);
	assert_non_null(pki);
	assert_true(pki_identity(pki, &id, &err));
	assert_string_equal(id.org, FIRM);
	assert_int_equal(id.tier, TIER_ENTERPRISE);
	assert_memory_equal(
		id.key.public_, who.key.public_, KEY_PUBLIC); /* frames are signed by that key */
	assert_true(id.key.can_sign);
	assert_in_range(pki_days_left(pki), 29, 30);
	pki_close(pki);
	char **names = NULL;
	size_t n = pki_issued(above, FIRM, &names);
	assert_int_equal(n, 1);
	assert_true(pki_issued_read(above, names[0], &seen, &err));
	assert_string_equal(seen.org, FIRM);
	free(names[0]);
	free(names);
	free(answer);
	free(pem);
}

static void keys_are_for_nobody_else(void **state)
{
	static const char *const secret[] = { "node.key", "site.key", "ca.key", "node.key" };
	(void)state;
	free(request());
	for (size_t i = 0; i < 4; i++) {
		char path[200];
		struct stat st;
		snprintf(path, sizeof path, "%s/%s", i < 2 ? below : above, secret[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 0777, 0600);
	}
}

static void a_request_is_its_own_proof(void **state)
{
	struct peer who;
	(void)state;
	char *pem = request();
	unsigned taken = 0;
	char *at = strchr(pem, '\n') + 1;
	for (size_t i = 0; at[i] != '-'; i++) { /* each character of it changed */
		char was = at[i];
		if (was == '\n' || was == '=')
			continue;
		at[i] = was == 'A' ? 'B' : 'A';
		char *answer = sign(pem, &who);
		taken += answer != NULL;
		free(answer);
		at[i] = was;
	}
	assert_int_equal(taken, 0);
	assert_null(sign("", &who));
	assert_null(sign(
		"-----BEGIN NEW CERTIFICATE REQUEST-----\n-----END NEW CERTIFICATE REQUEST-----\n",
		&who));
	free(pem);
}

/* The request and the answer of the golden files are understood for ever. */
static char *golden_pem(const char *path)
{
	char *text = calloc(1, 8192);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(text, 1, 8191, f) > 0);
	fclose(f);
	return text;
}

static void golden_enrolment_is_understood(void **state)
{
	struct err err = { 0 };
	char org[ORG_TEXT];
	struct peer who;
	(void)state;
	char *pem = golden_pem("tests/golden/v1/enrol/request.pem");
	char *answer = golden_pem("tests/golden/v1/enrol/answer.pem");
	assert_true(pki_request_org(pem, org, &err));
	assert_string_equal(org, FIRM);
	assert_true(pki_read_cert(answer, strlen(answer), &who, &err));
	assert_string_equal(who.org, FIRM);
	assert_int_equal(who.tier, TIER_ENTERPRISE);
	assert_string_equal(who.industry, "C26");
	free(answer);
	free(pem);
}

static void an_answer_is_for_the_key_that_asked(void **state)
{
	struct err err = { 0 };
	char parent[ORG_TEXT];
	(void)state;
	free(request());
	char *answer = golden_pem("tests/golden/v1/enrol/answer.pem"); /* of another key */
	assert_false(pki_take(below, answer, parent, &err));
	assert_true(err.set);
	free(answer);
}

static void a_token_is_good_once(void **state)
{
	struct err err = { 0 };
	struct peer who;
	char token[TOKEN_TEXT], other[TOKEN_TEXT];
	(void)state;
	char *pem = request();
	assert_true(token_make(above, "", &grant, 1, token, &err));
	struct err wrong = { 0 };
	assert_null(token_use(above, "no-token", pem, &who, &wrong));
	wrong = (struct err){ 0 };
	assert_null(
		token_use(above, token, "no request", &who, &wrong)); /* costs nobody his token */
	snprintf(other, sizeof other, "%s", token);
	other[0] = other[0] == 'a' ? 'b' : 'a';
	wrong = (struct err){ 0 };
	assert_null(token_use(above, other, pem, &who, &wrong));
	char *answer = token_use(above, token, pem, &who, &err);
	if (answer == NULL)
		fail_msg("%s", err.text);
	assert_string_equal(who.org, FIRM);
	free(answer);
	wrong = (struct err){ 0 };
	assert_null(token_use(above, token, pem, &who, &wrong));
	assert_non_null(strstr(wrong.text, "was used"));
	/* who is known has to be named by his token */
	wrong = err = (struct err){ 0 };
	assert_true(token_make(above, "", &grant, 1, token, &err));
	assert_null(token_use(above, token, pem, &who, &wrong));
	assert_true(token_make(above, FIRM, &grant, 1, token, &err));
	answer = token_use(above, token, pem, &who, &err);
	assert_non_null(answer);
	free(answer);
	/* and one that is over is over */
	wrong = (struct err){ 0 };
	assert_true(token_make(above, FIRM, &grant, -1, token, &err));
	assert_null(token_use(above, token, pem, &who, &wrong));
	assert_non_null(strstr(wrong.text, "expired"));
	free(pem);
}

static unsigned told;

static void count_revoked(void *ctx, const struct peer *who, int64_t at_s)
{
	(void)ctx;
	assert_string_equal(who->org, FIRM);
	assert_true(at_s > 0);
	told++;
}

static void revocation_is_noticed_without_a_restart(void **state)
{
	struct err err = { 0 };
	struct peer who;
	(void)state;
	char *pem = request(), *answer = sign(pem, &who);
	struct pki *pki = pki_open(above, &err);
	assert_non_null(pki);
	told = 0;
	pki_reload(pki, count_revoked, NULL, &err);
	assert_int_equal(told, 0);
	assert_true(pki_revoke(above, FIRM, &err));
	assert_true(pki_reload(pki, count_revoked, NULL, &err));
	assert_int_equal(told, 1);
	assert_false(pki_reload(pki, count_revoked, NULL, &err)); /* nothing changed since */
	assert_int_equal(told, 1);
	pki_close(pki);
	struct err none = { 0 };
	assert_false(pki_revoke(above, "00000000000000000000000000000000", &none));
	free(answer);
	free(pem);
}

static void nothing_that_exists_is_overwritten(void **state)
{
	struct err err = { 0 };
	uint8_t before[HASH], after[HASH];
	struct node_identity id = identity(ME, TIER_PROVINCE);
	(void)state;
	assert_true(pki_authority_hash(above, before, &err));
	pki_make_authority(above, &id, NULL, &err);
	err = (struct err){ 0 };
	assert_true(pki_authority_hash(above, after, &err));
	assert_memory_equal(before, after, HASH);
	char *pem = pki_authority(above, &err);
	assert_true(pki_pem_hash(pem, after, &err));
	assert_memory_equal(before, after, HASH);
	free(pem);
}

static void signing_keys_of_ones_own(void **state)
{
	struct err err = { 0 };
	struct key made, read;
	char path[128];
	(void)state;
	snprintf(path, sizeof path, "%s/warning.key", top);
	assert_true(pki_new_key(path, &made, &err));
	assert_true(pki_signing_key(path, &read, &err));
	assert_memory_equal(made.public_, read.public_, KEY_PUBLIC);
	uint8_t sig[KEY_SIG];
	key_sign(&read, "x", 1, sig);
	assert_true(key_verify(&made, "x", 1, sig));
	struct err again = { 0 }, none = { 0 };
	assert_false(pki_new_key(path, &made, &again)); /* it is there */
	assert_false(pki_signing_key("/nonexistent", &read, &none));
}

/* --- the page ------------------------------------------------------------------------------ */

static void the_page_says_how_it_stands(void **state)
{
	char *text = NULL, *json = NULL;
	size_t len, json_len;
	struct err err = { 0 };
	(void)state;
	parent_init(TIER_PROVINCE, true);
	kid = kid_new(1, TIER_ENTERPRISE);
	assert_int_equal(post(&kid, kid_digest(&kid, T0, 10), NULL), 200);
	store_begin(p.node.store);
	node_alarm(&p.node, p.now, "clock-suspect", kid.peer.org, "off by %d s", 900);
	assert_true(store_commit(p.node.store));
	FILE *f = open_memstream(&text, &len), *g = open_memstream(&json, &json_len);
	assert_true(report_print(&p.node, p.now, false, f));
	assert_true(report_print(&p.node, p.now, true, g));
	fclose(f);
	fclose(g);
	assert_non_null(strstr(text, "province " ME));
	assert_non_null(strstr(text, "to " UP " (count, level 1)"));
	assert_non_null(strstr(text, kid.peer.org));
	assert_non_null(strstr(text, "10 events = 9 alerts + 1 other + 0 lost"));
	assert_non_null(strstr(text, "unexplained 0"));
	assert_non_null(strstr(text, "clock-suspect"));
	json_t *j = json_read(json, json_len, 8, &err);
	assert_int_equal(json_int_of(json_object_get(j, "balance"), "events", 0), 10);
	assert_int_equal(json_array_size(json_object_get(j, "children")), 1);
	json_decref(j);
	free(text);
	free(json);
	json_decref(reply);
	free(reply_text);
	reply = NULL;
	without(state);
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, folders, no_folders)
	const struct CMUnitTest tests[] = {
		FRESH(a_firm_joins),
		FRESH(keys_are_for_nobody_else),
		FRESH(a_request_is_its_own_proof),
		FRESH(golden_enrolment_is_understood),
		FRESH(an_answer_is_for_the_key_that_asked),
		FRESH(a_token_is_good_once),
		FRESH(revocation_is_noticed_without_a_restart),
		FRESH(nothing_that_exists_is_overwritten),
		FRESH(signing_keys_of_ones_own),
		cmocka_unit_test(the_page_says_how_it_stands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
