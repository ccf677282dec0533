/* api.c - routes: who may ask what, and answers as JSON. */
#include "aggregator/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/api_private.h"
#include "aggregator/now.h"

/* Roles as bits. */
#define VIEWER  (1u << ROLE_VIEWER)
#define ANALYST (1u << ROLE_ANALYST)
#define AUDITOR (1u << ROLE_AUDITOR)
#define OWNER   (1u << ROLE_OWNER)
#define ALL     (VIEWER | ANALYST | AUDITOR | OWNER)

static const struct route {
	const char *path; /* ends in "/": something follows */
	unsigned roles;
	json_t *(*answer)(struct api_ask *q);
} routes[] = {
	{ "/api/1/node", ALL, api_node },
	{ "/api/1/children", VIEWER | ANALYST | AUDITOR, api_children },
	{ "/api/1/balance", ALL, api_balance },
	{ "/api/1/digests", ANALYST | OWNER, api_digests },
	{ "/api/1/flashes", ANALYST | OWNER, api_flashes },
	{ "/api/1/rollups", VIEWER | ANALYST | AUDITOR, api_rollups },
	{ "/api/1/alarms", VIEWER | ANALYST | AUDITOR, api_alarms },
	{ "/api/1/notices", VIEWER | ANALYST | AUDITOR, api_notices },
	{ "/api/1/notices/", VIEWER | ANALYST | AUDITOR, api_case },
	{ "/api/1/packs", VIEWER | ANALYST | AUDITOR, api_packs },
	{ "/api/1/access", AUDITOR | OWNER, api_access },
	{ "/api/1/events", ALL, NULL },
	{ "/metrics", VIEWER | ANALYST | AUDITOR, NULL },
};

/* --- answers ----------------------------------------------------------------------------- */

static void give(struct http_reply *out, int status, json_t *j)
{
	out->status = status;
	out->body = j == NULL ? NULL : json_write(j, &out->len);
	json_decref(j);
}

static void say(struct http_reply *out, int status, const char *why)
{
	give(out, status, json_pack("{s:s}", "error", why));
	out->extra[0] = status == 401 ? "WWW-Authenticate" : status == 405 ? "Allow" : NULL;
	out->extra[1] = status == 401 ? "Bearer" : "GET, HEAD";
}

static const struct route *find(const char *path, const char **rest)
{
	for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
		size_t len = strlen(routes[i].path);
		bool open = routes[i].path[len - 1] == '/';
		if (open ? strncmp(routes[i].path, path, len) == 0 && path[len] != '\0'
			 : strcmp(routes[i].path, path) == 0) {
			*rest = path + len;
			return &routes[i];
		}
	}
	return NULL;
}

static void answer(struct api *a, const struct api_user *user, const struct http_request *r,
	const struct route *route, const char *rest, struct http_reply *out)
{
	struct api_ask q = { .a = a, .user = user, .r = r, .rest = rest, .now = now() };
	pthread_mutex_lock(&a->n->lock);
	store_begin(a->n->store);
	json_t *j = route->answer(&q);
	store_commit(a->n->store);
	pthread_mutex_unlock(&a->n->lock);
	if (q.err.set) {
		json_decref(j);
		say(out, 400, q.err.text);
	} else if (j == NULL) {
		say(out, 404, "no such thing");
	} else {
		give(out, 200, j);
	}
}

static void health(struct api *a, const struct http_request *r, struct http_reply *out)
{
	char why[128] = "";
	bool ready = strcmp(r->path, "/healthz") == 0 || api_ready(a, why);
	give(out, ready ? 200 : 503,
		json_pack("{s:s}", ready ? "status" : "error", ready ? "ok" : why));
}

void api_handle(
	void *ctx, const struct http_request *r, bool again, void **slot, struct http_reply *out)
{
	struct api *a = ctx;
	struct api_user user;
	const char *rest = "";
	const struct route *route = find(r->path, &rest);
	out->retry_after = -1;
	/* the server sends no body in answer to HEAD */
	if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0) {
		say(out, 405, "GET and HEAD alone");
	} else if (strcmp(r->path, "/healthz") == 0 || strcmp(r->path, "/readyz") == 0) {
		health(a, r, out);
	} else if (!api_who(a, r, &user)) {
		if (again)
			out->status = -1; /* the token went while it listened */
		else
			say(out, 401, "a token is needed: Authorization: Bearer …");
	} else if (route == NULL) {
		say(out, 404, "no such path");
	} else if ((route->roles >> user.role & 1) == 0) {
		say(out, 403, "not with this role");
	} else if (strcmp(r->path, "/metrics") == 0) {
		out->status = 200;
		out->content_type = "text/plain; version=0.0.4";
		out->body = api_metrics(a, &out->len);
	} else if (strcmp(r->path, "/api/1/events") == 0) {
		api_events(a, &user, r, again, slot, out);
	} else {
		answer(a, &user, r, route, rest, out);
	}
}

/* --- life -------------------------------------------------------------------------------- */

struct api *api_open(struct node *n, const struct agg_config *c, struct err *err)
{
	/* at_ms to last_ms: the same person's reading of the same is one row an hour */
	static const char table[] = "CREATE TABLE IF NOT EXISTS access(id INTEGER PRIMARY KEY, "
				    "at_ms INTEGER, who TEXT, "
				    "role TEXT, org TEXT, what TEXT, rows INTEGER, "
				    "times INTEGER, last_ms INTEGER);"
				    "CREATE INDEX IF NOT EXISTS access_org ON access(org, id);";
	struct api *a = calloc(1, sizeof *a);
	if (a == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	a->n = n;
	a->config = c;
	a->started_ms = now().mono_ms;
	pthread_rwlock_init(&a->lock, NULL);
	pthread_mutex_init(&a->ready_lock, NULL);
	a->ready_ms = -1;
	a->ring = events_open();
	if (a->ring == NULL || !store_schema(n->store, table, err) || !api_reload(a, err)) {
		err_set(err, "out of memory"); /* unless it is said already */
		api_close(a);
		return NULL;
	}
	return a;
}

void api_serves(struct api *a, struct http *h)
{
	a->http = h;
}

void api_feeds(struct api *a, struct feed_out *f)
{
	a->feed = f;
}

void api_event(struct api *a, enum feed kind, const char *origin, const char *json, size_t len)
{
	events_put(a->ring, kind, origin, json, len);
	if (a->http != NULL)
		http_wake(a->http);
}

void api_close(struct api *a)
{
	if (a == NULL)
		return;
	events_close(a->ring);
	free(a->user);
	pthread_rwlock_destroy(&a->lock);
	pthread_mutex_destroy(&a->ready_lock);
	free(a);
}
