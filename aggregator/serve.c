/* serve.c - headers, bodies and waiting; what is decided is decided by accept.h and notice.h. */
#include "aggregator/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept.h"
#include "aggregator/enrol.h"
#include "aggregator/inflate.h"
#include "aggregator/notice.h"
#include "aggregator/now.h"

enum { WAIT_MOST_S = 60 };

/* --- replies ----------------------------------------------------------------------------- */

static void say(struct http_reply *out, int status, const char *why)
{
	size_t cap = strlen(why) + 32;
	out->status = status;
	out->body = malloc(cap);
	if (out->body != NULL)
		out->len = (size_t)snprintf(out->body, cap, "{\"error\":\"%s\"}", why);
}

/* Takes over what @a holds. */
static void pass_on(struct http_reply *out, struct answer *a)
{
	out->status = a->status;
	out->retry_after = a->retry_after;
	out->body = a->json;
	out->len = a->len;
	a->json = NULL;
	answer_free(a);
}

/* --- POST /chain/1/up -------------------------------------------------------------------- */

/* Decimal without sign or blanks; the character behind it has to be @end. */
static const char *number(const char *text, char end, uint64_t *out)
{
	uint64_t v = 0;
	unsigned digits = 0;
	for (; *text >= '0' && *text <= '9'; text++, digits++) {
		if (digits == 18)
			return NULL;
		v = v * 10 + (uint64_t)(*text - '0');
	}
	if (digits == 0 || *text != end)
		return NULL;
	*out = v;
	return text + 1;
}

bool serve_range(const char *text, uint64_t *ep, uint64_t *first, uint64_t *last)
{
	text = number(text, '/', ep);
	if (text != NULL)
		text = number(text, '-', first);
	if (text != NULL)
		text = number(text, '\0', last);
	return text != NULL && *first > 0 && *first <= *last;
}

/* RFC 9530: sha-256=:base64:. Of the body as it was sent. */
static bool digest_is_right(const struct http_request *r)
{
	static const char scheme[] = "sha-256=:";
	const char *says = http_header(r, "Content-Digest");
	uint8_t theirs[HASH + 4], ours[HASH];
	size_t n, len;
	if (says == NULL || strncmp(says, scheme, sizeof scheme - 1) != 0)
		return false;
	says += sizeof scheme - 1;
	len = strcspn(says, ":");
	if (says[len] != ':' || !base64_read(says, len, theirs, sizeof theirs, &n) || n != HASH)
		return false;
	hash_of(r->body == NULL ? "" : r->body, r->len, ours);
	return memcmp(theirs, ours, HASH) == 0;
}

static void up(struct node *n, const struct http_request *r, struct http_reply *out)
{
	struct post_in in = { 0 };
	struct answer a = { .retry_after = -1 };
	struct err err = { 0 };
	char *body = NULL;
	const char *range = http_header(r, "Chain-Range");
	if (range != NULL) {
		in.has_range = serve_range(range, &in.ep, &in.first, &in.last);
		if (!in.has_range) {
			say(out, 400, "Chain-Range is EPOCH/FIRST-LAST");
			return;
		}
	}
	if (!digest_is_right(r)) {
		say(out, 400, "Content-Digest is not that of the body");
		return;
	}
	switch (unpack(http_header(r, "Content-Encoding"), r->body == NULL ? "" : r->body, r->len,
		POST_BYTES, POST_RATIO, &body, &in.len, &err)) {
	case INFLATE_GOOD:
		in.body = body;
		accept_up(n, r->peer, &in, now(), &a);
		pass_on(out, &a);
		break;
	case INFLATE_TOO_LARGE:
		say(out, 413, "too large when inflated");
		break;
	case INFLATE_UNKNOWN:
		say(out, 415, "Content-Encoding is zstd or gzip");
		break;
	default:
		say(out, 422, "the body cannot be inflated");
		break;
	}
	free(body);
}

/* --- GET ------------------------------------------------------------------------------- */

static void head(struct node *n, const struct http_request *r, struct http_reply *out)
{
	struct answer a = { .retry_after = -1 };
	accept_head(n, r->peer, now(), &a);
	pass_on(out, &a);
}

/* The end of a long poll, kept from call to call. */
struct wait {
	int64_t until_ms;
};

static void down(struct node *n, const struct http_request *r, bool again, void **slot,
	struct http_reply *out)
{
	struct answer a = { .retry_after = -1 };
	uint64_t after = 0, wait_s = 0;
	const char *text = http_query(r, "after");
	if (text == NULL || number(text, '\0', &after) == NULL) {
		say(out, 400, "after is a number");
		return;
	}
	text = http_query(r, "wait");
	if (text != NULL && (number(text, '\0', &wait_s) == NULL || wait_s > WAIT_MOST_S)) {
		say(out, 400, "wait is 0 to 60 seconds");
		return;
	}
	struct now at = now();
	if (!again && *slot == NULL) {
		struct wait *w = malloc(sizeof *w);
		if (w != NULL)
			w->until_ms = at.mono_ms + (int64_t)wait_s * 1000;
		*slot = w;
	}
	if (notice_down(n, r->peer, after, at, &a)) {
		pass_on(out, &a);
		return;
	}
	answer_free(&a);
	const struct wait *w = *slot;
	int64_t left = w == NULL ? 0 : w->until_ms - at.mono_ms;
	if (left <= 0) {
		out->status = 204;
		return;
	}
	out->status = 0;
	out->wait_ms = (int)left;
}

/* ----------------------------------------------------------------------------------------- */

static bool is(const struct http_request *r, const char *method, const char *path)
{
	return strcmp(r->method, method) == 0 && strcmp(r->path, path) == 0;
}

void serve_chain(
	void *ctx, const struct http_request *r, bool again, void **slot, struct http_reply *out)
{
	struct node *n = ctx;
	out->retry_after = -1;
	if (r->peer == NULL)
		say(out, 403, "who are you");
	else if (is(r, "POST", "/chain/1/up"))
		up(n, r, out);
	else if (is(r, "GET", "/chain/1/head"))
		head(n, r, out);
	else if (is(r, "GET", "/chain/1/down"))
		down(n, r, again, slot, out);
	else if (is(r, "POST", "/chain/1/renew"))
		enrol_renew_answer(n, r, out);
	else if (strncmp(r->path, "/chain/", 7) == 0 && strncmp(r->path, "/chain/1/", 9) != 0)
		say(out, 426, "chain/1 is spoken here");
	else
		say(out, 404, "no such path");
}

bool serve_gate(void *ctx, const struct http_request *r, size_t bytes, struct http_reply *out)
{
	struct answer a = { .retry_after = -1 };
	out->retry_after = -1;
	if (r->peer == NULL)
		return true;
	if (accept_allowed(ctx, r->peer, bytes, now(), &a)) {
		answer_free(&a);
		return true;
	}
	pass_on(out, &a);
	return false;
}
