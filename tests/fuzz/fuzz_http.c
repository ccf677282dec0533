/* fuzz_http.c - requests, as http.c hands them to their handlers: a child's (each line of a body
 * signed by whoever it names), the API's, an enrolment's.
 *
 * "METHOD /path?query", headers, an empty line, the body. What the library would look up is looked
 * up in that text: its function stands here. */
#include <microhttpd.h>

#include "aggregator/accept_private.h"
#include "aggregator/api_private.h"
#include "aggregator/enrol.h"
#include "aggregator/rollup.h"
#include "aggregator/serve.h"
#include "tests/fuzz/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PAIRS = 16 };

struct asked {
	char *text, *method, *path, *body;
	size_t len;
	const char *header[PAIRS][2], *query[PAIRS][2];
	unsigned headers, queries;
};

const char *MHD_lookup_connection_value(
	struct MHD_Connection *connection, enum MHD_ValueKind kind, const char *key)
{
	const struct asked *a = (const void *)connection;
	for (unsigned i = 0; kind == MHD_HEADER_KIND && i < a->headers; i++)
		if (strcasecmp(a->header[i][0], key) == 0)
			return a->header[i][1];
	for (unsigned i = 0; kind == MHD_GET_ARGUMENT_KIND && i < a->queries; i++)
		if (strcmp(a->query[i][0], key) == 0)
			return a->query[i][1];
	return NULL;
}

static char *cut_at(char *text, const char *set)
{
	char *end = text + strcspn(text, set);
	if (*end == '\0')
		return NULL;
	*end = '\0';
	return end + 1;
}

static bool split(struct asked *a, const uint8_t *data, size_t size)
{
	*a = (struct asked){ .text = malloc(size + 1) };
	memcpy(a->text, data, size);
	a->text[size] = '\0';
	char *body = memmem(a->text, size, "\n\n", 2);
	if (body == NULL)
		return false;
	*body = '\0';
	a->body = body + 2;
	a->len = size - (size_t)(a->body - a->text);
	a->method = a->text;
	char *rest = cut_at(a->text, "\n");
	a->path = cut_at(a->method, " ");
	if (a->path == NULL)
		return false;
	for (char *q = cut_at(a->path, "?"); q != NULL && a->queries < PAIRS; a->queries++) {
		char *next = cut_at(q, "&");
		a->query[a->queries][0] = q;
		a->query[a->queries][1] = cut_at(q, "=");
		q = next;
	}
	while (rest != NULL && a->headers < PAIRS) {
		char *next = cut_at(rest, "\n");
		a->header[a->headers][0] = rest;
		a->header[a->headers][1] = cut_at(rest, ": ");
		const char *value = a->header[a->headers][1];
		if (value != NULL)
			a->header[a->headers++][1] = value + (*value == ' ');
		rest = next;
	}
	return true;
}

/* A body that is not compressed is signed, and every one has the digest that it should. */
static void finish(struct asked *a, char digest[96])
{
	uint8_t hash[HASH];
	char *body = NULL;
	if (MHD_lookup_connection_value((void *)a, MHD_HEADER_KIND, "Content-Encoding") == NULL)
		body = chain_sign_all(a->body, a->len, &a->len);
	else if ((body = malloc(a->len + 1)) != NULL)
		memcpy(body, a->body, a->len), body[a->len] = '\0';
	a->body = body;
	hash_of(body, a->len, hash);
	strcpy(digest, "sha-256=:");
	base64_write(digest + 9, 80, hash, HASH);
	strcat(digest, ":");
	if (MHD_lookup_connection_value((void *)a, MHD_HEADER_KIND, "Content-Digest") == NULL &&
		a->headers < PAIRS) {
		a->header[a->headers][0] = "Content-Digest";
		a->header[a->headers++][1] = digest;
	}
}

static struct chain c;

static void know_child(struct chain *chain)
{
	struct peer p = chain_peer(ENTERPRISE, TIER_ENTERPRISE);
	accept_key(&chain->node, &p, chain->now);
}

static void start(void)
{
	chain_init(&c, PROVINCE, TIER_PROVINCE, NATION, know_child);
	free(c.config.folder);
	c.config.folder = strdup("/nonexistent");
}

static void take(struct http_reply *r)
{
	struct err err = { 0 };
	demand(r->status < 0 || r->status == 0 || (r->status >= 200 && r->status < 600));
	if (r->body != NULL && r->content_type == NULL && !r->stream) {
		json_t *j = json_read(r->body, r->len, 32, &err);
		demand(j != NULL);
		json_decref(j);
	}
	free(r->body);
}

static void ask(http_handler *handler, void *ctx, const struct http_request *r)
{
	void *slot = NULL;
	for (unsigned i = 0; i < 3; i++) {
		struct http_reply reply = { .retry_after = -1 };
		handler(ctx, r, i > 0, &slot, &reply);
		take(&reply);
		if (reply.status > 0 && !reply.stream)
			break;
		demand(reply.status != 0 || reply.wait_ms > 0);
	}
	free(slot);
}

static void add_users(struct api *a)
{
	a->user = calloc(API_ROLES, sizeof *a->user);
	a->users = API_ROLES;
	for (unsigned i = 0; i < API_ROLES; i++) {
		const char *name = api_role_name((enum api_role)i); /* and its token */
		struct api_user *u = &a->user[i];
		*u = (struct api_user){ .role = (enum api_role)i };
		hash_of(name, strlen(name), u->hash);
		snprintf(u->name, sizeof u->name, "%s", name);
		if (u->role == ROLE_OWNER)
			snprintf(u->org, sizeof u->org, "%s", ENTERPRISE);
	}
}

static int64_t held_events(const struct child *child)
{
	int64_t sum = 0;
	for (unsigned i = 0; i < child->spans; i++)
		sum += (int64_t)(child->span[i].to - child->span[i].from + 1);
	return sum;
}

/* What holds whatever came in. */
static void check_node(struct node *n)
{
	const struct child *child = accept_child(n, ENTERPRISE);
	const struct totals *t = &child->sum;
	struct totals days;
	struct frame_id dur = accept_dur(child);
	demand(!store_failed(n->store));
	demand(dur.ep == child->head.ep && dur.sq <= child->head.sq);
	demand(t->events == t->alerts + t->other + t->lost);
	demand(t->alerts == t->items + t->suppressed + t->sampled + t->withheld);
	rollup_totals(n, 86400, &days);
	demand(days.events == days.alerts + days.other + days.lost);
	if (child->head.ep > 0 && child->tier == TIER_ENTERPRISE)
		demand(held_events(child) >= 0);
}

static void route(struct asked *a, const struct peer *peer)
{
	struct err err = { 0 };
	struct http_reply refused = { .retry_after = -1 };
	struct http_request r = { .method = a->method,
		.path = a->path,
		.body = a->len == 0 ? NULL : a->body,
		.len = a->len,
		.address = "127.0.0.1",
		.opaque = a };
	if (strcmp(a->path, "/chain/1/enrol") == 0 || strcmp(a->path, "/chain/1/ca") == 0) {
		ask(enrol_handle, &c.node, &r);
	} else if (strncmp(a->path, "/chain/", 7) == 0) {
		r.peer = peer;
		if (serve_gate(&c.node, &r, r.len, &refused))
			for (unsigned i = 0; i < 2; i++)
				ask(serve_chain, &c.node, &r);
		else
			take(&refused);
	} else {
		struct api *api = api_open(&c.node, &c.config, &err);
		demand(api != NULL);
		free(api->user);
		add_users(api);
		api_event(api, FEED_HEALTH, ENTERPRISE, "{}", 2);
		ask(api_handle, api, &r);
		api_close(api);
	}
}

/* Several requests, the next behind a line "----". */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct peer peer = chain_peer(ENTERPRISE, TIER_ENTERPRISE);
	if (c.image == NULL)
		start();
	chain_open(&c);
	for (unsigned i = 0; i < 8 && size > 0; i++) {
		struct asked a;
		char digest[96], *own = NULL;
		const uint8_t *end = memmem(data, size, "\n----\n", 6);
		size_t n = end == NULL ? size : (size_t)(end - data) + 1;
		if (split(&a, data, n)) {
			finish(&a, digest);
			own = a.body;
			route(&a, &peer);
		}
		free(own);
		free(a.text);
		n += end == NULL ? 0 : 5;
		data += n;
		size -= n;
	}
	check_node(&c.node);
	chain_close(&c);
	return 0;
}
