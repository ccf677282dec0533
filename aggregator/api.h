/* api.h - the HTTP API for consoles and dashboards: JSON, server-sent events, metrics. openapi.yaml
 * is its description. */
#ifndef AGGREGATOR_API_H
#define AGGREGATOR_API_H

#include "aggregator/http.h"
#include "aggregator/node.h"

struct api;
struct feed_out;

/* Reads the tokens. NULL and @err: a line of that file is wrong. */
struct api *api_open(struct node *n, const struct agg_config *c, struct err *err);
void api_close(struct api *a); /* NULL is fine */
/* For http_open(); @ctx is the struct api. */
http_handler api_handle;
/* The server that carries it, woken by events; and the feed, for metrics. */
void api_serves(struct api *a, struct http *h);
void api_feeds(struct api *a, struct feed_out *f);
/* For those who listen at /api/1/events; only queues. */
void api_event(struct api *a, enum feed kind, const char *origin, const char *json, size_t len);
bool api_reload(struct api *a, struct err *err); /* the tokens */

/* --- tokens: lines of "SHA256 ROLE NAME [ORG|- [UNTIL]]", UNTIL in Unix seconds, 0: for ever ---
 */
enum api_role { ROLE_VIEWER, ROLE_ANALYST, ROLE_AUDITOR, ROLE_OWNER, API_ROLES };
const char *api_role_name(enum api_role r);
/* @until_s: Unix seconds, 0: for ever. Makes one, appends it to @path, prints the secret. */
bool api_token_new(const char *path, const char *role, const char *name, const char *org,
	int64_t until_s, FILE *out, struct err *err);

#endif
