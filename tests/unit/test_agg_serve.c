/* test_agg_serve.c - what children ask over HTTPS, as http.c hands it on: ranges, digests,
 * encodings, long polls, and the gate before a body is read. */
#include "tests/unit/http_kit.h"

#include <unistd.h>
#include <zlib.h>

#include "aggregator/enrol.h"
#include "aggregator/inflate.h"
#include "aggregator/notice.h"
#include "aggregator/serve.h"

static void ranges_are_read_strictly(void **state)
{
	static const char *const bad[] = { "", "7", "7/", "7/1", "7/1-", "7/-1", "7/2-1", "7/0-1",
		"/1-1", "7/1-1 ", " 7/1-1", "7/1-1x", "-7/1-1", "7/+1-1", "7/1-1/2", "a/1-1",
		"7/1.0-2", "7//1-1", "1234567890123456789/1-1", "7/1-1234567890123456789" };
	uint64_t ep, first, last;
	(void)state;
	assert_true(serve_range("7/101-164", &ep, &first, &last));
	assert_true(ep == 7 && first == 101 && last == 164);
	assert_true(serve_range("0/1-1", &ep, &first, &last));
	assert_true(serve_range("123456789012345678/1-123456789012345678", &ep, &first, &last));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (serve_range(bad[i], &ep, &first, &last))
			fail_msg("\"%s\" is taken", bad[i]);
}

static char digest_text[96];

static const char *digest_of(const void *bytes, size_t n)
{
	uint8_t hash[HASH];
	hash_of(bytes, n, hash);
	strcpy(digest_text, "sha-256=:");
	base64_write(digest_text + 9, 80, hash, HASH);
	strcat(digest_text, ":");
	return digest_text;
}

static int up(
	const char *body, size_t len, const char *digest, const char *encoding, const char *range)
{
	void *slot = NULL;
	struct http_request r = {
		.method = "POST", .path = "/chain/1/up", .body = body, .len = len, .peer = &kid.peer
	};
	struct asked a = { .header = { { "content-digest", digest },
				   { "Content-Encoding", encoding }, { "CHAIN-RANGE", range } } };
	int status = ask(serve_chain, &p.node, &r, &a, false, &slot);
	assert_null(slot);
	return status;
}

static void a_post_goes_through(void **state)
{
	char *line = kid_digest(&kid, T0, 10);
	size_t n, packed_len;
	(void)state;
	n = strlen(line);
	void *packed = pack_zstd(line, n, &packed_len);
	assert_int_equal(
		up(packed, packed_len, digest_of(packed, packed_len), "zstd", "1/1-1"), 200);
	assert_int_equal(
		json_integer_value(json_array_get(json_object_get(said_json, "dur"), 1)), 1);
	assert_int_equal(up(line, n, digest_of(line, n), NULL, "1/1-1"), 200); /* plain, a repeat */
	free(packed);
	free(line);
}

static void what_is_wrong_with_a_post_is_said(void **state)
{
	static const char body[] = "{}\n";
	const char *good = digest_of(body, 3);
	(void)state;
	assert_int_equal(up(body, 3, NULL, NULL, NULL), 400);
	assert_int_equal(up(body, 3, "sha-256=:AAAA:", NULL, NULL), 400);
	assert_int_equal(up(body, 3, "sha-512=:AAAA:", NULL, NULL), 400);
	char other[96];
	snprintf(other, sizeof other, "%s", good);
	other[12] = other[12] == 'A' ? 'B' : 'A';
	assert_int_equal(up(body, 3, other, NULL, NULL), 400);
	snprintf(other, sizeof other, "%.*s", (int)strlen(good) - 1, good); /* not closed */
	assert_int_equal(up(body, 3, other, NULL, NULL), 400);
	assert_int_equal(up(body, 3, good, NULL, "1/2-1"), 400);
	assert_int_equal(up(body, 3, good, "br", NULL), 415);
	assert_int_equal(up(body, 3, good, "zstd", NULL), 422);
	assert_int_equal(up("", 0, digest_of("", 0), NULL, NULL), 422);
	size_t n;
	char *zeros = calloc(1, 3 << 20);
	void *bomb = pack_zstd(zeros, 3 << 20, &n);
	assert_int_equal(up(bomb, n, digest_of(bomb, n), "zstd", NULL), 413);
	free(bomb);
	free(zeros);
	assert_int_equal(number_in("SELECT count(*) FROM frame"), 0);
}

static int get(const char *method, const char *path, const struct peer *who, const char *after,
	const char *wait, bool again, void **slot)
{
	struct http_request r = { .method = method, .path = path, .peer = who };
	struct asked a = { .query = { { "after", after }, { "wait", wait } } };
	return ask(serve_chain, &p.node, &r, &a, again, slot);
}

static void paths_and_methods(void **state)
{
	static const struct {
		const char *method, *path;
		int status;
	} all[] = { { "GET", "/chain/1/head", 200 }, { "POST", "/chain/1/head", 404 },
		{ "GET", "/chain/1/up", 404 }, { "GET", "/chain/1/", 404 },
		{ "GET", "/chain/2/up", 426 }, { "POST", "/chain/x", 426 }, { "GET", "/", 404 },
		{ "GET", "/api/1/node", 404 }, { "POST", "/chain/1/enrol", 404 } };
	void *slot = NULL;
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
		assert_int_equal(
			get(all[i].method, all[i].path, &kid.peer, NULL, NULL, false, &slot),
			all[i].status);
	assert_int_equal(
		get("GET", "/chain/1/head", NULL, NULL, NULL, false, &slot), 403); /* nobody */
}

static void waiting_for_what_comes_down(void **state)
{
	static const char *const bad[] = { "", "x", "-1", "1.5" };
	void *slot = NULL;
	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			get("GET", "/chain/1/down", &kid.peer, bad[i], NULL, false, &slot), 400);
	assert_int_equal(get("GET", "/chain/1/down", &kid.peer, "0", "61", false, &slot), 400);
	assert_int_equal(get("GET", "/chain/1/down", &kid.peer, NULL, NULL, false, &slot), 400);
	assert_int_equal(get("GET", "/chain/1/down", &kid.peer, "0", NULL, false, &slot), 204);
	free(slot);
	slot = NULL;
	assert_int_equal(get("GET", "/chain/1/down", &kid.peer, "0", "30", false, &slot), 0);
	assert_in_range(said.wait_ms, 1000, 30000);
	struct err err = { 0 };
	char id[65];
	json_t *m = json_pack("{s:s, s:i, s:i}", "text", "x", "issued", T0, "deadline", T0 + 60);
	struct notice_issue i = { FRAME_NOTICE, kid.peer.org, NULL, m, &p.id.key };
	accept_key(&p.node, &kid.peer, p.now);
	assert_true(notice_issue(&p.node, &i, id, p.now, &err));
	json_decref(m);
	assert_int_equal(get("GET", "/chain/1/down", &kid.peer, "0", "30", true, &slot), 200);
	assert_int_equal(json_array_size(json_object_get(said_json, "objects")), 1);
	int64_t seq = json_int_of(said_json, "seq", 0);
	free(slot);
	slot = NULL;
	/* not for another; and who asks for more than there ever was begins again */
	struct kid other = kid_new(2, TIER_ENTERPRISE);
	get("GET", "/chain/1/down", &other.peer, "0", "0", false, &slot);
	assert_int_equal(json_array_size(json_object_get(said_json, "objects")), 0);
	free(slot);
	slot = NULL;
	char after[32];
	snprintf(after, sizeof after, "%d", (int)seq + 5);
	assert_int_equal(get("GET", "/chain/1/down", &kid.peer, after, "0", false, &slot), 200);
	assert_int_equal(json_int_of(said_json, "seq", 9), 0);
	free(slot);
}

static void the_gate_comes_before_the_body(void **state)
{
	struct http_request r = { .method = "POST", .path = "/chain/1/up", .peer = &kid.peer };
	struct http_reply refused = { 0 };
	(void)state;
	accept_key(&p.node, &kid.peer, p.now);
	assert_true(serve_gate(&p.node, &r, 100, &refused));
	assert_false(serve_gate(&p.node, &r, POST_PACKED + 1, &refused));
	assert_int_equal(refused.status, 413);
	free(refused.body);
	p.config.child_burst = 1;
	accept_child(&p.node, kid.peer.org)->tokens = -50;
	assert_false(serve_gate(&p.node, &r, 100, &refused));
	assert_int_equal(refused.status, 429);
	assert_true(refused.retry_after >= 1);
	free(refused.body);
}

/* --- enrolment ---------------------------------------------------------------------------------
 */

static void the_enrolment_listener_does_nothing_else(void **state)
{
	void *slot = NULL;
	static const char *const paths[] = { "/", "/chain/1/up", "/chain/1/head", "/api/1/node" };
	struct asked a = { .header = { { "Authorization", "Bearer "
							  "00112233445566778899aabbccddeeff-"
							  "00112233445566778899aabbccddeeff" } } };
	(void)state;
	free(p.config.folder);
	p.config.folder = strdup("/nonexistent");
	for (size_t i = 0; i < 4; i++) {
		struct http_request r = { .method = "GET", .path = paths[i] };
		assert_int_equal(ask(enrol_handle, &p.node, &r, &a, false, &slot), 404);
	}
	struct http_request r = { .method = "POST", .path = "/chain/1/enrol" };
	struct asked none = { 0 };
	assert_int_equal(ask(enrol_handle, &p.node, &r, &none, false, &slot), 401);
	assert_int_equal(ask(enrol_handle, &p.node, &r, &a, false, &slot), 401); /* no request */
	r.body = "no request at all";
	r.len = strlen(r.body);
	assert_int_equal(ask(enrol_handle, &p.node, &r, &a, false, &slot), 403);
	struct http_request ca = { .method = "GET", .path = "/chain/1/ca" };
	assert_int_equal(ask(enrol_handle, &p.node, &ca, &none, false, &slot), 500);
}

static void only_loopback_is_plain(void **state)
{
	static const char *const loopback[] = { "127.0.0.1:0", "127.9.9.9:1", "[::1]:0" };
	static const char *const others[] = { "0.0.0.0:0", "192.0.2.1:80", "[::]:0", "127.0.0.1",
		":80", "x:", "" };
	(void)state;
	for (size_t i = 0; i < 3; i++)
		assert_true(http_is_loopback(loopback[i]));
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		assert_false(http_is_loopback(others[i]));
	struct err err = { 0 };
	struct http_options o = { .address = "0.0.0.0:0", .handler = serve_chain };
	assert_null(http_open(&o, &err));
	assert_non_null(strstr(err.text, "plain HTTP is for loopback addresses"));
}

static int gone(void **state)
{
	forget_reply();
	json_decref(reply);
	free(reply_text);
	reply = NULL;
	reply_text = NULL;
	return without(state);
}

int main(void)
{
#define FRESH(f) cmocka_unit_test_setup_teardown(f, with_parent, gone)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ranges_are_read_strictly),
		FRESH(a_post_goes_through),
		FRESH(what_is_wrong_with_a_post_is_said),
		FRESH(paths_and_methods),
		FRESH(waiting_for_what_comes_down),
		FRESH(the_gate_comes_before_the_body),
		FRESH(the_enrolment_listener_does_nothing_else),
		FRESH(only_loopback_is_plain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
