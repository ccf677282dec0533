/* notice_down.c - the stream downward: lines as their issuers signed them, by a sequence of ours.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/notice_private.h"

enum { ANSWER_MOST = 4 * 1024 * 1024, ROWS_MOST = 256, DOWN_KEPT = 100000 };

/* --- putting ----------------------------------------------------------------------------- */

/* {"regions":[…],"industries":[…]} of the object, so that serving needs no parsing of lines. */
static char *filter_of(const struct frame *f)
{
	size_t len;
	json_t *regions = json_object_get(f->json, "regions");
	json_t *industries = json_object_get(f->json, "industries");
	if (json_array_size(regions) == 0 && json_array_size(industries) == 0)
		return NULL;
	json_t *j = json_object();
	if (regions != NULL)
		json_object_set(j, "regions", regions);
	if (industries != NULL)
		json_object_set(j, "industries", industries);
	char *text = json_write(j, &len);
	json_decref(j);
	return text;
}

void down_put(struct node *n, const struct frame *f, const char *via, struct now now)
{
	char *filter = filter_of(f), *line = strndup(f->line, f->len);
	const char *id = json_text_of(f->json, "case");
	struct query *q =
		store_query(n->store, "INSERT INTO down VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6)");
	bind_int(q, f->type);
	bind_text(q, id);
	bind_text(q, via);
	bind_text(q, filter == NULL ? "" : filter);
	bind_text(q, line);
	bind_int(q, now.wall_ms);
	query_run(q);
	n->down_seq = (uint64_t)store_last_id(n->store);
	q = store_query(n->store, "DELETE FROM down WHERE seq <= (SELECT max(seq) FROM down) - ?1");
	bind_int(q, DOWN_KEPT);
	query_run(q);
	free(filter);
	free(line);
	if (n->wake != NULL)
		n->wake(n->ctx);
}

bool down_route(struct node *n, const char *to, char via[ORG_TEXT])
{
	if (strcmp(to, "*") == 0 || accept_child_known(n, to)) {
		snprintf(via, ORG_TEXT, "%s", to);
		return true;
	}
	struct query *q = store_query(n->store, "SELECT via FROM route WHERE org = ?1");
	bind_text(q, to);
	bool found = query_row(q);
	if (found)
		snprintf(via, ORG_TEXT, "%s", row_text(q, 0));
	query_done(q);
	return found;
}

void notice_learn(struct node *n, const char *org, const char *via)
{
	char known[ORG_TEXT];
	if (strcmp(org, via) == 0 || (down_route(n, org, known) && strcmp(known, via) == 0))
		return;
	struct query *q = store_query(n->store, "INSERT OR REPLACE INTO route VALUES(?1, ?2)");
	bind_text(q, org);
	bind_text(q, via);
	query_run(q);
}

bool down_make(struct node *n, enum frame_type type, const char *to, const char *via,
	const json_t *members, const struct key *key, char **line, struct now now, struct err *err)
{
	struct frame f;
	size_t len;
	int64_t sq = store_number(n->store, "down.sq", 0) + 1;
	struct frame_head h = {
		.type = type, .org = n->org, .to = to, .id = { .ep = 1, .sq = (uint64_t)sq }
	};
	*line = frame_make(&h, members, key, &len, NULL, err);
	if (*line == NULL)
		return false;
	store_set_number(n->store, "down.sq", sq);
	if (frame_read(&f, *line, len, err) == FRAME_GOOD)
		down_put(n, &f, via, now);
	frame_free(&f);
	return !err->set;
}

/* --- serving ----------------------------------------------------------------------------- */

/* One of @list is a prefix of @code; or there is none. */
static bool matches(const json_t *list, const char *code)
{
	size_t i;
	const json_t *v;
	if (json_array_size(list) == 0)
		return true;
	json_array_foreach(list, i, v)
	{
		const char *prefix = json_string_value(v);
		size_t len = strlen(prefix);
		/* a province is for its districts, and a district's notice passes through it */
		if (strncmp(code, prefix, len) == 0)
			return true;
	}
	return false;
}

/* Middle tiers get what is for some of those below: "370000" relays what is for "3705". */
static bool matches_below(const json_t *list, const char *code)
{
	size_t i, len = strlen(code);
	const json_t *v;
	while (len > 2 && code[len - 1] == '0' && code[len - 2] == '0')
		len -= 2;
	json_array_foreach(list, i, v)
	{
		if (strncmp(json_string_value(v), code, len) == 0)
			return true;
	}

	return false;
}

static bool is_for(const struct peer *p, const char *via, const char *filter)
{
	struct err ignored = { 0 };
	if (strcmp(via, "*") != 0)
		return strcmp(via, p->org) == 0;
	if (*filter == '\0')
		return true;
	json_t *j = json_read(filter, strlen(filter), 4, &ignored);
	const json_t *regions = json_object_get(j, "regions");
	const json_t *industries = json_object_get(j, "industries");
	bool leaf = p->tier == TIER_ENTERPRISE;
	bool good = (matches(regions, p->region) || (!leaf && matches_below(regions, p->region))) &&
		    (!leaf || matches(industries, p->industry));
	json_decref(j);
	return good;
}

/* Lines into @objects; *seq: up to where it looked. False: nothing. */
static bool collect(
	struct node *n, const struct peer *p, uint64_t after, json_t *objects, uint64_t *seq)
{
	size_t bytes = 0, rows = 0;
	struct query *q =
		store_query(n->store, "SELECT seq, via, filter, line FROM down WHERE seq > "
				      "?1 ORDER BY seq LIMIT 1000");
	bind_int(q, (int64_t)after);
	while (query_row(q) && rows < ROWS_MOST) {
		const char *line = row_text(q, 3);
		size_t len = strlen(line);
		if (is_for(p, row_text(q, 1), row_text(q, 2))) {
			if (rows > 0 && bytes + len > ANSWER_MOST)
				break;
			json_array_append_new(objects, json_stringn(line, len));
			bytes += len;
			rows++;
		}
		*seq = (uint64_t)row_int(q, 0);
	}
	query_done(q);
	return *seq != after;
}

bool notice_down(
	struct node *n, const struct peer *p, uint64_t after, struct now now, struct answer *out)
{
	json_t *objects = json_array();
	uint64_t seq = after;
	(void)now;
	pthread_mutex_lock(&n->lock);
	/* more than we ever gave: a store of yesterday, so it starts again */
	bool any = after > n->down_seq    ? (seq = 0, true)
		   : after == n->down_seq ? false
					  : collect(n, p, after, objects, &seq);
	pthread_mutex_unlock(&n->lock);
	json_t *j = json_pack("{s:I, s:o}", "seq", (json_int_t)seq, "objects", objects);
	if (any && j != NULL) {
		out->status = 200;
		out->json = json_write(j, &out->len);
	}
	json_decref(j);
	return any;
}

uint64_t notice_newest(struct node *n, const struct peer *p)
{
	(void)p;
	return n->down_seq;
}
