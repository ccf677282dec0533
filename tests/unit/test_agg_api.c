/* test_agg_api.c - who may ask what: tokens, roles, questions that are refused, and every read of
 * another's data written down where its owner sees it. */
#include "tests/unit/http_kit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/api_private.h"

static char path[64];
static struct api *api;
static char token[API_ROLES][64];

static int get_as(const char *bearer, const char *what, const char *name, const char *value)
{
	char text[300];
	void *slot = NULL;
	struct http_request r = { .method = "GET", .path = what };
	struct asked a = { .query = { { name, value } } };
	if (bearer != NULL) {
		snprintf(text, sizeof text, "Bearer %s", bearer);
		a.header[0][0] = "authorization";
		a.header[0][1] = text;
	}
	int status = ask(api_handle, api, &r, &a, false, &slot);
	free(slot);
	return status;
}

static int get(enum api_role role, const char *what, const char *name, const char *value)
{
	return get_as(token[role], what, name, value);
}

static void make_token(enum api_role role, const char *org)
{
	struct err err = { 0 };
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	if (!api_token_new(path, api_role_name(role), api_role_name(role), org, 0, f, &err))
		fail_msg("%s", err.text);
	fclose(f);
	snprintf(token[role], sizeof token[role], "%.*s", (int)len - 1, text);
	free(text);
}

static int before_api(void **state)
{
	struct err err = { 0 };
	with_parent(state);
	snprintf(path, sizeof path, "/tmp/test-tokens-XXXXXX");
	close(mkstemp(path));
	for (unsigned i = 0; i < API_ROLES; i++)
		make_token((enum api_role)i, i == ROLE_OWNER ? kid.peer.org : NULL);
	p.config.api_tokens = strdup(path);
	api = api_open(&p.node, &p.config, &err);
	if (api == NULL)
		fail_msg("%s", err.text);
	char *a = kid_digest(&kid, T0, 10);
	assert_int_equal(post(&kid, a, NULL), 200);
	return 0;
}

static int after_api(void **state)
{
	api_close(api);
	forget_reply();
	unlink(path);
	json_decref(reply);
	free(reply_text);
	reply = NULL;
	reply_text = NULL;
	return without(state);
}

/* --- roles ------------------------------------------------------------------------------- */

static void each_role_sees_what_is_its(void **state)
{
	/* viewer analyst auditor owner */
	static const struct {
		const char *path;
		bool may[API_ROLES];
	} all[] = {
		{ "/api/1/node", { true, true, true, true } },
		{ "/api/1/children", { true, true, true, false } },
		{ "/api/1/balance", { true, true, true, true } },
		{ "/api/1/digests", { false, true, false, true } },
		{ "/api/1/flashes", { false, true, false, true } },
		{ "/api/1/rollups", { true, true, true, false } },
		{ "/api/1/alarms", { true, true, true, false } },
		{ "/api/1/notices", { true, true, true, false } },
		{ "/api/1/packs", { true, true, true, false } },
		{ "/api/1/access", { false, false, true, true } },
	};
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		for (unsigned r = 0; r < API_ROLES; r++) {
			int status = get((enum api_role)r, all[i].path, NULL, NULL);
			if (status != (all[i].may[r] ? 200 : 403))
				fail_msg("%s as %s: %d", all[i].path,
					api_role_name((enum api_role)r), status);
		}
		assert_int_equal(get_as(NULL, all[i].path, NULL, NULL), 401);
		assert_string_equal(said.extra[0], "WWW-Authenticate");
	}
}

static void no_token_no_answer(void **state)
{
	static const char *const wrong[] = { "", "x", "viewer" };
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		assert_int_equal(get_as(wrong[i], "/api/1/node", NULL, NULL), 401);
	char longer[100];
	snprintf(longer, sizeof longer, "%s0", token[ROLE_VIEWER]);
	assert_int_equal(get_as(longer, "/api/1/node", NULL, NULL), 401);
	assert_int_equal(get_as(NULL, "/metrics", NULL, NULL), 401);
	assert_int_equal(get_as(NULL, "/healthz", NULL, NULL), 200); /* those two need none */
	assert_int_equal(get_as(NULL, "/readyz", NULL, NULL), 200);
}

static void only_get_and_only_what_there_is(void **state)
{
	static const char *const methods[] = { "POST", "PUT", "DELETE", "get", "" };
	static const char *const paths[] = { "/", "/api/1/", "/api/1/nodes", "/api/2/node",
		"/api/1/node/", "/api/1/notices/", "" };
	void *slot = NULL;
	struct asked a = { 0 };
	(void)state;
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		struct http_request r = { .method = methods[i], .path = "/api/1/node" };
		assert_int_equal(ask(api_handle, api, &r, &a, false, &slot), 405);
	}
	for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++)
		assert_int_equal(get(ROLE_ANALYST, paths[i], NULL, NULL), 404);
	assert_int_equal(get(ROLE_ANALYST, "/api/1/notices/none", NULL, NULL), 404);
}

/* --- questions --------------------------------------------------------------------------- */

static void questions_that_make_no_sense_are_400(void **state)
{
	static const char *const all[][3] = { { "/api/1/rollups", "res", "0" },
		{ "/api/1/rollups", "res", "301" }, { "/api/1/rollups", "res", "x" },
		{ "/api/1/rollups", "res", "" }, { "/api/1/rollups", "start", "-1" },
		{ "/api/1/rollups", "start", "99999999999999" },
		{ "/api/1/digests", "limit", "1001" },
		{ "/api/1/digests", "limit", "9999999999999999" },
		{ "/api/1/digests", "after", "1.5" }, { "/api/1/digests", "org", "x" },
		{ "/api/1/digests", "org", "' OR 1=1 --" },
		{ "/api/1/flashes", "since", "yesterday" },
		{ "/api/1/children", "limit", "100001" }, { "/api/1/alarms", "limit", "+1" } };
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		int status = get(ROLE_ANALYST, all[i][0], all[i][1], all[i][2]);
		if (status != 400 || json_text_of(said_json, "error") == NULL)
			fail_msg("%s?%s=%s: %d", all[i][0], all[i][1], all[i][2], status);
	}
	assert_int_equal(get(ROLE_ANALYST, "/api/1/rollups", "res", "3600"), 200);
	assert_int_equal(get(ROLE_ANALYST, "/api/1/rollups", "start", "0"), 200);
}

static void what_is_answered_is_what_is_held(void **state)
{
	(void)state;
	get(ROLE_VIEWER, "/api/1/balance", NULL, NULL);
	const json_t *days = json_object_get(said_json, "periods");
	assert_int_equal(json_int_of(days, "events", 0), 10);
	assert_int_equal(json_int_of(days, "unexplained", 1), 0);
	get(ROLE_VIEWER, "/api/1/children", NULL, NULL);
	const json_t *c = json_array_get(json_object_get(said_json, "children"), 0);
	assert_string_equal(json_text_of(c, "org"), kid.peer.org);
	assert_int_equal(json_int_of(c, "events", 0), 10);
	get(ROLE_ANALYST, "/api/1/digests", "after", "0");
	const json_t *d = json_object_get(said_json, "digests");
	assert_int_equal(json_array_size(d), 1);
	assert_string_equal(json_text_of(json_array_get(d, 0), "t"), "digest");
	char last[32];
	snprintf(last, sizeof last, "%d", (int)json_int_of(said_json, "last", 0));
	get(ROLE_ANALYST, "/api/1/digests", "after", last);
	assert_int_equal(json_array_size(json_object_get(said_json, "digests")), 0);
	get(ROLE_VIEWER, "/api/1/rollups", "res", "86400");
	assert_int_equal(json_int_of(json_object_get(said_json, "in"), "events", 0), 10);
	get(ROLE_VIEWER, "/api/1/node", NULL, NULL);
	assert_string_equal(json_text_of(said_json, "org"), ME);
}

static void an_owner_sees_his_own_alone(void **state)
{
	struct kid other = kid_new(2, TIER_ENTERPRISE);
	(void)state;
	assert_int_equal(post(&other, kid_digest(&other, T0, 3), NULL), 200);
	get(ROLE_OWNER, "/api/1/digests", NULL, NULL);
	const json_t *d = json_object_get(said_json, "digests");
	assert_int_equal(json_array_size(d), 1);
	assert_string_equal(json_text_of(json_array_get(d, 0), "org"), kid.peer.org);
	assert_int_equal(get(ROLE_OWNER, "/api/1/digests", "org", other.peer.org), 400);
	get(ROLE_OWNER, "/api/1/balance", NULL, NULL);
	assert_int_equal(json_int_of(json_object_get(said_json, "own"), "events", 0), 10);
	get(ROLE_ANALYST, "/api/1/digests", "org", other.peer.org);
	assert_int_equal(json_array_size(json_object_get(said_json, "digests")), 1);
}

static void whoever_reads_is_written_down(void **state)
{
	(void)state;
	get(ROLE_OWNER, "/api/1/digests", NULL, NULL); /* his own: no trace */
	get(ROLE_OWNER, "/api/1/access", NULL, NULL);
	assert_int_equal(json_array_size(json_object_get(said_json, "access")), 0);
	get(ROLE_ANALYST, "/api/1/digests", NULL, NULL);
	get(ROLE_OWNER, "/api/1/access", NULL, NULL);
	const json_t *a = json_array_get(json_object_get(said_json, "access"), 0);
	assert_string_equal(json_text_of(a, "who"), "analyst");
	assert_string_equal(json_text_of(a, "org"), kid.peer.org);
	assert_string_equal(json_text_of(a, "what"), "digests");
	assert_int_equal(json_int_of(a, "rows", 0), 1);
}

/* --- events ------------------------------------------------------------------------------ */

static void listeners_hear_what_their_role_may(void **state)
{
	char bearer[300];
	(void)state;
	for (unsigned r = 0; r < API_ROLES; r++) {
		void *slot = NULL;
		struct http_request q = { .method = "GET", .path = "/api/1/events" };
		snprintf(bearer, sizeof bearer, "Bearer %s", token[r]);
		struct asked a = { .header = { { "Authorization", bearer } } };
		assert_int_equal(ask(api_handle, api, &q, &a, false, &slot), 200);
		assert_true(said.stream);
		api_event(api, FEED_FLASH, kid.peer.org, "{\"f\":1}", 7);
		api_event(api, FEED_FLASH, UP, "{\"o\":1}", 7);
		api_event(api, FEED_ALARM, ME, "{\"a\":1}", 7);
		assert_int_equal(ask(api_handle, api, &q, &a, true, &slot), 200);
		char *text = strndup(said.body == NULL ? "" : said.body, said.len);
		assert_int_equal(
			strstr(text, "{\"f\":1}") != NULL, r == ROLE_ANALYST || r == ROLE_OWNER);
		assert_int_equal(strstr(text, "{\"o\":1}") != NULL, r == ROLE_ANALYST);
		assert_int_equal(strstr(text, "{\"a\":1}") != NULL, r != ROLE_OWNER);
		free(text);
		assert_int_equal(
			ask(api_handle, api, &q, &a, true, &slot), 200); /* nothing new: it waits */
		assert_true(said.len == 0 && said.wait_ms > 0);
		free(slot);
	}
	assert_true(number_in("SELECT count(*) FROM access WHERE what = 'events'") > 0);
}

static void who_comes_back_hears_what_he_missed(void **state)
{
	char bearer[300];
	void *slot = NULL;
	struct http_request q = { .method = "GET", .path = "/api/1/events" };
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		api_event(api, FEED_ALARM, ME, "{\"a\":1}", 7);
	snprintf(bearer, sizeof bearer, "Bearer %s", token[ROLE_VIEWER]);
	/* numbers are of one run: who heard another is told that nobody knows what he missed */
	struct asked a = { .header = { { "Authorization", bearer }, { "Last-Event-ID", "7-3" } } };
	ask(api_handle, api, &q, &a, false, &slot);
	ask(api_handle, api, &q, &a, true, &slot);
	char *text = strndup(said.body, said.len), last[64];
	const char *third = strstr(text, "-3\n");
	assert_non_null(strstr(text, "event: missed\ndata: {\"events\":-1}\n"));
	assert_non_null(third);
	while (third > text && third[-1] != ' ')
		third--;
	snprintf(last, sizeof last, "%.*s", (int)strcspn(third, "\n"), third);
	free(text);
	free(slot);
	slot = NULL;
	a.header[1][1] = last;
	ask(api_handle, api, &q, &a, false, &slot);
	ask(api_handle, api, &q, &a, true, &slot);
	text = strndup(said.body, said.len);
	assert_null(strstr(text, "-3\n"));
	assert_non_null(strstr(text, "-4\n"));
	assert_non_null(strstr(text, "-5\n"));
	free(text);
	/* what is too long ago is said to be missed */
	free(slot);
	slot = NULL;
	for (unsigned i = 0; i < 3000; i++)
		api_event(api, FEED_ALARM, ME, "{\"a\":1}", 7);
	ask(api_handle, api, &q, &a, false, &slot);
	ask(api_handle, api, &q, &a, true, &slot);
	text = strndup(said.body, said.len);
	assert_non_null(strstr(text, "event: missed\n"));
	free(text);
	free(slot);
	/* a token that goes ends the stream */
	slot = NULL;
	ask(api_handle, api, &q, &a, false, &slot);
	assert_int_equal(truncate(path, 0), 0);
	struct err err = { 0 };
	assert_true(api_reload(api, &err));
	assert_true(ask(api_handle, api, &q, &a, true, &slot) < 0);
	free(slot);
}

static void metrics_have_no_label_of_a_child(void **state)
{
	(void)state;
	assert_int_equal(get(ROLE_VIEWER, "/metrics", NULL, NULL), 200);
	char *text = strndup(said.body, said.len);
	assert_non_null(strstr(text, "bongsu_events{kind=\"all\"} 10\n"));
	assert_non_null(strstr(text, "bongsu_events{kind=\"unexplained\"} 0\n"));
	assert_null(strstr(text, kid.peer.org));
	free(text);
}

static void not_ready_says_why(void **state)
{
	(void)state;
	store_fail_after(p.node.store, 0);
	usleep(1100000);
	assert_int_equal(get_as(NULL, "/readyz", NULL, NULL), 503);
	assert_non_null(strstr(json_text_of(said_json, "error"), "full"));
	store_fail_after(p.node.store, -1);
	usleep(1100000); /* it is looked at once a second */
	assert_int_equal(get_as(NULL, "/healthz", NULL, NULL), 200);
	assert_int_equal(get_as(NULL, "/readyz", NULL, NULL), 200);
}

/* --- the file of tokens -------------------------------------------------------------------- */

static void only_hashes_lie_in_the_file(void **state)
{
	char text[4096];
	struct stat st;
	(void)state;
	FILE *f = fopen(path, "r");
	text[fread(text, 1, sizeof text - 1, f)] = '\0';
	fclose(f);
	for (unsigned i = 0; i < API_ROLES; i++)
		assert_null(strstr(text, token[i]));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
}

static void wrong_lines_are_named(void **state)
{
#define H "0000000000000000000000000000000000000000000000000000000000000007"
	static const char *const wrong[] = { "x viewer me", H, H " viewer", H " boss me",
		H " owner me", H " owner me 9f3c",
		H " viewer me 9f3c00000000000000000000000009f3" };
	(void)state;
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct err err = { 0 };
		FILE *f = fopen(path, "w");
		fprintf(f, "# tokens\n\n%s\n", wrong[i]);
		fclose(f);
		assert_false(api_reload(api, &err));
		if (strstr(err.text, ":3: expected SHA256 ROLE NAME") == NULL)
			fail_msg("%s: %s", wrong[i], err.text);
		assert_int_equal(get(ROLE_VIEWER, "/api/1/node", NULL, NULL), 200); /* as before */
	}
}

static void tokens_are_made_with_care(void **state)
{
	static const char *const bad[][3] = { { "boss", "me", NULL }, { "viewer", "", NULL },
		{ "viewer", "two words", NULL }, { "viewer", "a#b", NULL }, { "owner", "me", NULL },
		{ "owner", "me", "x" }, { "viewer", "me", "9f3c00000000000000000000000009f3" } };
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct err err = { 0 };
		assert_false(api_token_new(path, bad[i][0], bad[i][1], bad[i][2], 0, stderr, &err));
		assert_true(err.set);
	}
	struct err err = { 0 };
	assert_false(api_token_new(NULL, "viewer", "me", NULL, 0, stderr, &err));
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, before_api, after_api)
	const struct CMUnitTest tests[] = {
		FRESH(each_role_sees_what_is_its),
		FRESH(no_token_no_answer),
		FRESH(only_get_and_only_what_there_is),
		FRESH(questions_that_make_no_sense_are_400),
		FRESH(what_is_answered_is_what_is_held),
		FRESH(an_owner_sees_his_own_alone),
		FRESH(whoever_reads_is_written_down),
		FRESH(listeners_hear_what_their_role_may),
		FRESH(who_comes_back_hears_what_he_missed),
		FRESH(metrics_have_no_label_of_a_child),
		FRESH(not_ready_says_why),
		FRESH(only_hashes_lie_in_the_file),
		FRESH(wrong_lines_are_named),
		FRESH(tokens_are_made_with_care),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
