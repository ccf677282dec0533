/* link_spare.c - windows that were not sent because the parent's head covered them. They are kept
 * as long as bodies are: a parent that goes back to a backup may want what it once had. */
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest.h"
#include "aggregator/link_private.h"

void link_spare(struct link *l, struct now now, const struct link_spare *e)
{
	struct query *q = store_query(
		l->n->store, "INSERT INTO link_spare VALUES(NULL, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)");
	bind_int(q, l->s.row);
	bind_int(q, e->start_s);
	bind_int(q, e->again ? RANK_AGAIN : RANK_WINDOW);
	bind_int(q, e->res_s);
	bind_int(q, e->level);
	bind_int(q, e->count);
	bind_int(q, now.wall_ms);
	bind_blob(q, e->blob, e->len);
	query_run(q);
}

void link_put_first(struct link *l, const struct link_spare *e)
{
	struct query *q = store_query(l->n->store,
		"INSERT INTO link_wait SELECT coalesce(min(id), 1) - 1, ?1, ?2, ?3, ?4, ?5, ?6, ?7,"
		" ?8 FROM link_wait");
	bind_int(q, l->s.row);
	bind_int(q, e->again ? RANK_AGAIN : RANK_WINDOW);
	bind_int(q, WAITING_WINDOW);
	bind_int(q, e->start_s);
	bind_int(q, e->res_s);
	bind_int(q, e->level);
	bind_int(q, e->count);
	bind_blob(q, e->blob, e->len);
	query_run(q);
}

void *link_again(struct link *l, int64_t *id, size_t *len)
{
	struct query *q = store_query(l->n->store,
		"SELECT id, blob FROM link_wait WHERE link = ?1 AND rank = ?2 ORDER BY id LIMIT 1");
	void *own = NULL;
	bind_int(q, l->s.row);
	bind_int(q, RANK_AGAIN);
	if (query_row(q)) {
		*id = row_int(q, 0);
		const void *blob = row_blob(q, 1, len);
		own = malloc(*len + 1);
		if (own != NULL)
			memcpy(own, blob, *len);
	}
	query_done(q);
	return own;
}

void link_again_done(struct link *l, int64_t id, const void *blob, size_t len)
{
	struct query *q =
		store_query(l->n->store, "UPDATE link_wait SET rank = ?2, blob = ?3 WHERE id = ?1");
	bind_int(q, id);
	bind_int(q, RANK_WINDOW);
	bind_blob(q, blob, len);
	query_run(q);
	if (l->wake != NULL)
		l->wake(l->wake_ctx);
}

void link_set_aside(struct link *l, struct frame_id id)
{
	struct query *q = store_query(l->n->store,
		"UPDATE link_sent SET link = -link WHERE link = ?1 AND ep = ?2 AND sq = ?3");
	bind_int(q, l->s.row);
	bind_int(q, (int64_t)id.ep);
	bind_int(q, (int64_t)id.sq);
	query_run(q);
}

/* Before everything else that waits, in their order: what is covered still will be put aside once
 * more. */
void link_spares_back(struct link *l)
{
	struct query *q = store_query(l->n->store,
		"INSERT INTO link_wait(id, link, rank, kind, start_s, res_s, level, counts, blob)"
		" SELECT (SELECT coalesce(min(id), 1) FROM link_wait) - 1 -"
		" row_number() OVER (ORDER BY id DESC), link, rank, ?2, start_s, res_s, level,"
		" counts,"
		" blob FROM link_spare WHERE link = ?1");
	bind_int(q, l->s.row);
	bind_int(q, WAITING_WINDOW);
	query_run(q);
	q = store_query(l->n->store, "DELETE FROM link_spare WHERE link = ?1");
	bind_int(q, l->s.row);
	query_run(q);
	q = store_query(l->n->store, "UPDATE link_sent SET link = ?1 WHERE link = -?1");
	bind_int(q, l->s.row);
	query_run(q);
}

void link_spares_trim(struct link *l, int64_t before_ms)
{
	struct query *q =
		store_query(l->n->store, "DELETE FROM link_spare WHERE link = ?1 AND at_ms < ?2");
	bind_int(q, l->s.row);
	bind_int(q, before_ms);
	query_run(q);
	q = store_query(l->n->store, "DELETE FROM link_body WHERE id IN (SELECT body FROM "
				     "link_sent WHERE link = -?1 AND "
				     "at_ms < ?2)");
	bind_int(q, l->s.row);
	bind_int(q, before_ms);
	query_run(q);
	q = store_query(l->n->store, "DELETE FROM link_sent WHERE link = -?1 AND at_ms < ?2");
	bind_int(q, l->s.row);
	bind_int(q, before_ms);
	query_run(q);
}
