/* api_private.h - what the files of api share. */
#ifndef AGGREGATOR_API_PRIVATE_H
#define AGGREGATOR_API_PRIVATE_H

#include "aggregator/api.h"

struct api_user {
	uint8_t hash[HASH]; /* of the token */
	enum api_role role;
	char name[65], org[ORG_TEXT]; /* org: of an owner */
	int64_t until_s;              /* 0: for ever */
};

struct api {
	struct node *n;
	const struct agg_config *config;
	struct http *http;
	struct feed_out *feed;
	pthread_rwlock_t lock; /* of the tokens */
	struct api_user *user;
	size_t users;
	struct events *ring;
	int64_t started_ms;
	pthread_mutex_t ready_lock; /* of what was found when it was asked last */
	int64_t ready_ms;           /* mono; -1: not yet */
	bool ready;
	char not_ready[128];
};

/* Who asks, by its token; false: nobody. */
bool api_who(struct api *a, const struct http_request *r, struct api_user *out);

/* --- api_read.c: the answers. NULL: 404. Under the node's lock. --- */
struct api_ask {
	struct api *a;
	const struct api_user *user;
	const struct http_request *r;
	const char *rest; /* of the path, behind the route's */
	struct now now;
	struct err err; /* set: 400 */
};
json_t *api_node(struct api_ask *q);
json_t *api_children(struct api_ask *q);
json_t *api_balance(struct api_ask *q);
json_t *api_digests(struct api_ask *q);
json_t *api_flashes(struct api_ask *q);
json_t *api_rollups(struct api_ask *q);
json_t *api_alarms(struct api_ask *q);
json_t *api_notices(struct api_ask *q);
json_t *api_case(struct api_ask *q);
json_t *api_packs(struct api_ask *q);
json_t *api_access(struct api_ask *q);
char *api_metrics(struct api *a, size_t *len);
bool api_ready(struct api *a, char why[128]);
/* Writes down that somebody read what is of @org (which may be no organisation at all); its owner
 * can see it. */
void access_log(struct api_ask *q, const char *org, const char *what, int64_t rows);

/* --- api_events.c --- */
struct events *events_open(void);
void events_close(struct events *r);
void events_put(struct events *r, enum feed kind, const char *origin, const char *json, size_t len);
void api_events(struct api *a, const struct api_user *user, const struct http_request *r,
	bool again, void **slot, struct http_reply *out);

#endif
