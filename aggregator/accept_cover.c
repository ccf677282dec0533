/* accept_cover.c - which events of a child are accounted for: ranges, sorted, neighbours joined. */
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept_private.h"

static struct span span_of(const json_t *row)
{
	uint64_t v[4];
	for (size_t i = 0; i < 4; i++)
		v[i] = (uint64_t)json_integer_value(json_array_get(row, i));
	return (struct span){ v[0], v[1], v[2], v[3] };
}

static int compare(const struct span *a, const struct span *b)
{
	if (a->sensor != b->sensor)
		return a->sensor < b->sensor ? -1 : 1;
	if (a->epoch != b->epoch)
		return a->epoch < b->epoch ? -1 : 1;
	return a->from < b->from ? -1 : a->from > b->from;
}

/* The first span that starts behind @s's start. */
static unsigned behind(const struct child *c, const struct span *s)
{
	unsigned low = 0, high = c->spans;
	while (low < high) {
		unsigned mid = low + (high - low) / 2;
		if (compare(&c->span[mid], s) <= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool same(const struct span *a, const struct span *b)
{
	return a->sensor == b->sensor && a->epoch == b->epoch;
}

static int64_t common(const struct child *c, const struct span *s)
{
	int64_t sum = 0;
	unsigned i = behind(c, s);
	i -= i > 0;
	for (; i < c->spans; i++) {
		const struct span *h = &c->span[i];
		if (!same(h, s)) {
			if (compare(h, s) > 0)
				break;
			continue;
		}
		if (h->from > s->to)
			break;
		uint64_t from = h->from > s->from ? h->from : s->from,
			 to = h->to < s->to ? h->to : s->to;
		if (from <= to)
			sum += (int64_t)(to - from + 1);
	}
	return sum;
}

int64_t cover_common(const struct child *c, const json_t *cov)
{
	int64_t sum = 0;
	for (size_t i = 0; i < json_array_size(cov); i++) {
		struct span s = span_of(json_array_get(cov, i));
		sum += common(c, &s);
	}
	return sum;
}

static void forget_row(struct node *n, const struct child *c, const struct span *s)
{
	struct query *q = store_query(n->store, "DELETE FROM child_cov WHERE org = ?1 AND sensor = "
						"?2 AND epoch = ?3 AND from_n = ?4");
	bind_text(q, c->org);
	bind_int(q, (int64_t)s->sensor);
	bind_int(q, (int64_t)s->epoch);
	bind_int(q, (int64_t)s->from);
	query_run(q);
}

static void write_row(struct node *n, const struct child *c, const struct span *s)
{
	struct query *q = store_query(
		n->store, "INSERT OR REPLACE INTO child_cov VALUES(?1, ?2, ?3, ?4, ?5)");
	bind_text(q, c->org);
	bind_int(q, (int64_t)s->sensor);
	bind_int(q, (int64_t)s->epoch);
	bind_int(q, (int64_t)s->from);
	bind_int(q, (int64_t)s->to);
	query_run(q);
}

static bool room(struct child *c)
{
	if (c->spans < c->span_cap)
		return true;
	unsigned cap = c->span_cap == 0 ? 4 : c->span_cap * 2;
	if (c->spans >= ACCEPT_RANGES)
		return false;
	struct span *grown = realloc(c->span, cap * sizeof *grown);
	if (grown == NULL)
		return false;
	c->span = grown;
	c->span_cap = cap;
	return true;
}

/* Takes in @s and every span that it meets. */
static bool add(struct node *n, struct child *c, struct span s)
{
	unsigned i = behind(c, &s);
	while (i > 0 && same(&c->span[i - 1], &s) && c->span[i - 1].to + 1 >= s.from)
		i--;
	unsigned end = i;
	while (end < c->spans && same(&c->span[end], &s) && c->span[end].from <= s.to + 1) {
		const struct span *h = &c->span[end++];
		s.from = h->from < s.from ? h->from : s.from;
		s.to = h->to > s.to ? h->to : s.to;
	}
	if (n != NULL)
		for (unsigned k = i; k < end; k++)
			if (c->span[k].from != s.from)
				forget_row(n, c, &c->span[k]);
	if (end == i) {
		if (!room(c))
			return false;
		memmove(&c->span[i + 1], &c->span[i], (c->spans - i) * sizeof s);
		c->spans++;
	} else {
		memmove(&c->span[i + 1], &c->span[end], (c->spans - end) * sizeof s);
		c->spans -= end - i - 1;
	}
	c->span[i] = s;
	if (n != NULL)
		write_row(n, c, &s);
	return true;
}

/* All of it or nothing: what is held and not counted would be lost unsaid. */
bool cover_add(struct node *n, struct child *c, const json_t *cov)
{
	if (c->spans + json_array_size(cov) > ACCEPT_RANGES)
		return false;
	for (size_t i = 0; i < json_array_size(cov); i++)
		if (!add(n, c, span_of(json_array_get(cov, i))))
			return false;
	return true;
}

void cover_read(struct node *n, struct child *c)
{
	struct query *q = store_query(n->store, "SELECT sensor, epoch, from_n, to_n FROM child_cov "
						"WHERE org = ?1 ORDER BY sensor, epoch, from_n");
	bind_text(q, c->org);
	c->spans = 0;
	while (query_row(q))
		add(NULL, c,
			(struct span){ (uint64_t)row_int(q, 0), (uint64_t)row_int(q, 1),
				(uint64_t)row_int(q, 2), (uint64_t)row_int(q, 3) });
	query_done(q);
}

json_t *cover_told(const struct child *c)
{
	json_t *all = json_array();
	for (unsigned i = 0; i < c->spans; i++) {
		const struct span *s = &c->span[i];
		if (i + 1 < c->spans && same(s, &c->span[i + 1]))
			continue;
		json_array_append_new(all, json_pack("[I,I,I]", (json_int_t)s->sensor,
						   (json_int_t)s->epoch, (json_int_t)s->to));
	}
	return all;
}

json_t *cover_holes(const struct child *c)
{
	json_t *all = json_array();
	for (unsigned i = 0; i < c->spans; i++) {
		const struct span *s = &c->span[i];
		bool first = i == 0 || !same(s, &c->span[i - 1]);
		uint64_t from = first ? 1 : c->span[i - 1].to + 1;
		if (from < s->from && json_array_size(all) < ACCEPT_HOLES)
			json_array_append_new(all,
				json_pack("[I,I,I,I]", (json_int_t)s->sensor, (json_int_t)s->epoch,
					(json_int_t)from, (json_int_t)s->from - 1));
	}
	return all;
}
