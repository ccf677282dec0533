/* api_events.c - server-sent events out of a ring: who reads too slowly is told of the gap. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/api_private.h"
#include "aggregator/feed.h"
#include "aggregator/now.h"

enum { RING = 2048, RING_BYTES = 8 * 1024 * 1024, PIECE = 128 * 1024, PING_MS = 15000, ROOM = 160 };

struct entry {
	enum feed kind;
	char *text; /* a whole event */
	size_t len;
	char origin[ORG_TEXT];
};

struct events {
	pthread_mutex_t lock;
	struct entry entry[RING];
	int64_t start;        /* ms: numbers are of this run of the node */
	uint64_t first, next; /* numbers of the oldest held, and of the one to come */
	size_t bytes;
};

struct listener {
	uint64_t next;
	unsigned kinds;
	bool other_run; /* it last heard a run of ours that is over */
	int64_t said_ms;
};

struct events *events_open(void)
{
	struct events *r = calloc(1, sizeof *r);
	if (r == NULL)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	r->first = r->next = 1;
	r->start = now().wall_ms;
	return r;
}

static void drop_first(struct events *r)
{
	struct entry *e = &r->entry[r->first++ % RING];
	r->bytes -= e->len;
	free(e->text);
	e->text = NULL;
}

void events_close(struct events *r)
{
	if (r == NULL)
		return;
	while (r->first < r->next)
		drop_first(r);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void events_put(struct events *r, enum feed kind, const char *origin, const char *json, size_t len)
{
	size_t cap = len + ROOM;
	char *text = malloc(cap);
	if (text == NULL)
		return;
	pthread_mutex_lock(&r->lock);
	if (r->next - r->first == RING)
		drop_first(r);
	struct entry *e = &r->entry[r->next % RING];
	int n = snprintf(text, cap, "id: %" PRId64 "-%" PRIu64 "\nevent: %s\ndata: %.*s\n\n",
		r->start, r->next, feed_name(kind), (int)len, json);
	*e = (struct entry){ .kind = kind, .text = text, .len = (size_t)n };
	snprintf(e->origin, sizeof e->origin, "%s", origin);
	r->next++;
	r->bytes += e->len;
	while (r->bytes > RING_BYTES && r->first + 1 < r->next)
		drop_first(r);
	pthread_mutex_unlock(&r->lock);
}

/* What a role may hear; digests and flashes name organisations. */
static unsigned allowed(const struct api_user *u)
{
	unsigned all = 1u << FEED_ROLLUP | 1u << FEED_HEALTH | 1u << FEED_NOTICE | 1u << FEED_ALARM;
	return u->role == ROLE_VIEWER || u->role == ROLE_AUDITOR
		       ? all
		       : all | 1u << FEED_DIGEST | 1u << FEED_FLASH;
}

static unsigned kind_of(const char *word, size_t len)
{
	for (unsigned k = 0; k < FEEDS; k++) {
		const char *name = feed_name((enum feed)k);
		if (strlen(name) == len && memcmp(name, word, len) == 0)
			return 1u << k;
	}
	return 0;
}

/* "digest,flash"; 0: a word that is none. */
static unsigned wanted(const char *text)
{
	unsigned kinds = text == NULL ? ~0u : 0;
	for (const char *at = text; at != NULL; at = *at == ',' ? at + 1 : NULL) {
		size_t len = strcspn(at, ",");
		unsigned kind = kind_of(at, len);
		if (kind == 0)
			return 0;
		kinds |= kind;
		at += len;
	}
	return kinds;
}

/* A piece of what @l has not heard; @heard: whose digests and flashes it holds, and how many. */
static char *piece(
	struct events *r, struct listener *l, const struct api_user *u, json_t *heard, size_t *len)
{
	char *out = malloc(PIECE + ROOM);
	size_t n = 0;
	if (out == NULL)
		return NULL;
	pthread_mutex_lock(&r->lock);
	if (l->next < r->first || l->other_run) {
		/* without an id: who asks again asks from the last one it had */
		n += (size_t)sprintf(out, "event: missed\ndata: {\"events\":%" PRId64 "}\n\n",
			l->other_run ? -1 : (int64_t)(r->first - l->next));
		l->next = r->first;
		l->other_run = false;
	}
	for (; l->next < r->next; l->next++) {
		const struct entry *e = &r->entry[l->next % RING];
		bool mine = u->role != ROLE_OWNER || strcmp(e->origin, u->org) == 0;
		if ((l->kinds >> e->kind & 1) == 0 || !mine || e->len > PIECE)
			continue;
		if (n + e->len > PIECE)
			break;
		memcpy(out + n, e->text, e->len);
		n += e->len;
		if (e->kind != FEED_ROLLUP && e->kind != FEED_ALARM)
			json_object_set_new(heard, e->origin,
				json_integer(json_int_of(heard, e->origin, 0) + 1));
	}
	pthread_mutex_unlock(&r->lock);
	*len = n;
	if (n > 0)
		return out;
	free(out);
	return NULL;
}

static void log_heard(struct api *a, const struct api_user *u, const json_t *heard)
{
	struct api_ask q = { .a = a, .user = u, .now = now() };
	const char *org;
	json_t *count;
	if (json_object_size(heard) == 0)
		return;
	pthread_mutex_lock(&a->n->lock);
	store_begin(a->n->store);
	json_object_foreach((json_t *)(uintptr_t)heard, org, count)
	{
		access_log(&q, org, "events", json_integer_value(count));
	}
	store_commit(a->n->store);
	pthread_mutex_unlock(&a->n->lock);
}

/* What comes after "RUN-NUMBER"; false: that is not of this run. */
static bool heard_before(const struct events *r, const char *last, uint64_t *next)
{
	int64_t start;
	uint64_t number;
	int end = 0;
	if (sscanf(last, "%" SCNd64 "-%" SCNu64 "%n", &start, &number, &end) != 2 ||
		last[end] != '\0' || start != r->start || number >= r->next)
		return false;
	*next = number + 1;
	return true;
}

static struct listener *new_listener(
	struct api *a, const struct api_user *u, const struct http_request *r)
{
	struct listener *l = calloc(1, sizeof *l);
	const char *last = http_header(r, "Last-Event-ID");
	if (l == NULL)
		return NULL;
	l->kinds = wanted(http_query(r, "kind")) & allowed(u);
	pthread_mutex_lock(&a->ring->lock);
	l->next = a->ring->next;
	l->other_run = last != NULL && !heard_before(a->ring, last, &l->next);
	pthread_mutex_unlock(&a->ring->lock);
	return l;
}

void api_events(struct api *a, const struct api_user *user, const struct http_request *r,
	bool again, void **slot, struct http_reply *out)
{
	struct listener *l = *slot;
	size_t len = 0;
	if (!again && wanted(http_query(r, "kind")) == 0) {
		out->status = 400;
		out->body = strdup("{\"error\":\"kind: of digest, flash, rollup, health, notice, "
				   "alarm\"}");
		out->len = out->body == NULL ? 0 : strlen(out->body);
		return;
	}
	if (!again) {
		l = *slot = new_listener(a, user, r);
		out->content_type = "text/event-stream";
		out->body = strdup(": bongsu\n\n");
		len = out->body == NULL ? 0 : strlen(out->body);
	} else if (l != NULL) {
		json_t *heard = json_object();
		out->body = piece(a->ring, l, user, heard, &len);
		log_heard(a, user, heard);
		json_decref(heard);
	}
	out->status = l == NULL ? (again ? -1 : 503) : 200;
	out->stream = true;
	out->len = len;
	out->wait_ms = PING_MS;
}
