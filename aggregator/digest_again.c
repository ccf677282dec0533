/* digest_again.c - windows that the parent's head cut in two: what is left of them is read again,
 * as long as Redis has it. */
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest_private.h"
#include "aggregator/link.h"

static int64_t place(const json_t *row, size_t at)
{
	return (int64_t)json_integer_value(json_array_get(row, at));
}

/* --- cutting ----------------------------------------------------------------------------- */

/* Adds to @cut the part of @row from @from to @to. */
static void take_part(json_t *cut, const json_t *row, int64_t from, int64_t to)
{
	if (from > to)
		return;
	json_array_append_new(json_object_get(cut, "cov"),
		json_pack("[O,O,I,I]", json_array_get(row, 0), json_array_get(row, 1),
			(json_int_t)from, (json_int_t)to));
	window_count(cut, "events", to - from + 1);
	window_lose(cut, "overlap", to - from + 1);
}

/* @held is sorted. */
static void cut_row(json_t *cut, const json_t *row, const json_t *held, bool inside)
{
	int64_t at = place(row, 2), end = place(row, 3);
	size_t i;
	json_t *h;
	json_array_foreach(held, i, h)
	{
		int64_t from = place(h, 2) > at ? place(h, 2) : at;
		int64_t to = place(h, 3) < end ? place(h, 3) : end;
		if (place(h, 0) != place(row, 0) || place(h, 1) != place(row, 1) || from > to)
			continue;
		take_part(cut, row, inside ? from : at, inside ? to : from - 1);
		at = to + 1;
	}
	if (!inside)
		take_part(cut, row, at, end);
}

void *digest_cut(const void *blob, size_t len, const json_t *held, bool inside, size_t *out_len)
{
	json_t *w = digest_read(blob, len);
	*out_len = 0;
	if (w == NULL)
		return NULL;
	json_t *cut = window_new(json_int_of(w, "start", 0));
	static const char *const same[] = { "end", "mono_ms", "coarse_s", "jump", "hl", "ver" };
	for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
		if (json_object_get(w, same[i]) != NULL)
			json_object_set(cut, same[i], json_object_get(w, same[i]));
	size_t i;
	json_t *row;
	json_array_foreach(json_object_get(w, "cov"), i, row)
	{
		cut_row(cut, row, held, inside);
	}
	/* what was withheld when its window closed is not to be told after all */
	if (json_int_of(json_object_get(w, "in"), "withheld", 0) == 0)
		json_object_set(cut, "cut", json_true());
	char *out = json_write(cut, out_len);
	json_decref(cut);
	json_decref(w);
	return out;
}

void *digest_of_frame(const json_t *body, size_t *len)
{
	static const char *const span[] = { "end", "mono_ms", "coarse_s", "jump" };
	static const char *const rest[] = { "in", "cov", "hl", "ver" };
	const json_t *at = json_object_get(body, "w");
	json_t *w = window_new(json_int_of(at, "start", 0));
	for (size_t i = 0; i < sizeof span / sizeof span[0]; i++)
		if (json_object_get(at, span[i]) != NULL)
			json_object_set(w, span[i], json_object_get(at, span[i]));
	for (size_t i = 0; i < sizeof rest / sizeof rest[0]; i++)
		if (json_object_get(body, rest[i]) != NULL)
			json_object_set(w, rest[i], json_object_get(body, rest[i]));
	char *blob = json_write(w, len);
	json_decref(w);
	return blob;
}

/* --- reading again ------------------------------------------------------------------------- */

bool digest_again_open(struct node *n, struct digest_again *a)
{
	*a = (struct digest_again){ 0 };
	for (unsigned i = 0; n->digest != NULL && i < n->links && a->w == NULL; i++) {
		size_t len;
		void *blob = link_again(n->link[i], &a->id, &len);
		if (blob == NULL)
			continue;
		a->link = n->link[i];
		a->w = digest_read(blob, len);
		free(blob);
		if (a->w == NULL) {
			store_condemn(n->store, "a window that was cut cannot be read");
			continue;
		}
		a->was = json_deep_copy(json_object_get(a->w, "cov"));
		json_t *none = window_new(0);
		json_object_set(a->w, "in", json_object_get(none, "in"));
		json_object_set_new(a->w, "cov", json_array());
		json_object_del(a->w, "cut");
		json_decref(none);
	}
	return a->w != NULL;
}

static const struct sensor *by_number(const struct node *n, uint64_t number)
{
	for (unsigned i = 0; i < n->digest->sensors; i++)
		if (n->digest->sensor[i]->number == number)
			return n->digest->sensor[i];
	return NULL;
}

/* Those of @row that have not been counted. */
static void lose(struct digest_again *a, const json_t *row, int64_t from, int64_t to)
{
	if (from > to)
		return;
	if (!window_cover(a->w, place(row, 0), place(row, 1), from, to))
		json_array_append_new(json_object_get(a->w, "cov"),
			json_pack("[O,O,I,I]", json_array_get(row, 0), json_array_get(row, 1),
				(json_int_t)from, (json_int_t)to));
	window_count(a->w, "events", to - from + 1);
	window_lose(a->w, "overlap", to - from + 1);
}

/* The range that is being read starts behind what has come of it. */
static json_t *current(const struct digest_again *a)
{
	return json_array_get(a->was, a->row - 1);
}

static void end_range(struct digest_again *a)
{
	const json_t *row = a->row == 0 ? NULL : current(a);
	if (row != NULL)
		lose(a, row, place(row, 2), place(row, 3));
}

bool digest_again_range(struct node *n, struct digest_again *a, struct digest_range *out)
{
	end_range(a);
	while (a->row < json_array_size(a->was)) {
		const json_t *row = json_array_get(a->was, a->row++);
		const struct sensor *s = by_number(n, (uint64_t)place(row, 0));
		if (s != NULL) {
			*out = (struct digest_range){ s->name, (uint64_t)place(row, 1),
				(uint64_t)place(row, 2), (uint64_t)place(row, 3) };
			return true;
		}
		lose(a, row, place(row, 2), place(row, 3));
	}
	a->row = 0;
	json_array_clear(a->was);
	return false;
}

void digest_again_fold(struct node *n, struct digest_again *a, const struct intake_event *e)
{
	json_t *row = current(a);
	int64_t at = (int64_t)e->n;
	if (e->epoch != (uint64_t)place(row, 1) || at < place(row, 2) || at > place(row, 3))
		return;
	const struct sensor *s = by_number(n, (uint64_t)place(row, 0));
	lose(a, row, place(row, 2), at - 1);
	if (s != NULL && window_cover(a->w, place(row, 0), place(row, 1), at, at)) {
		window_count(a->w, "events", 1);
		digest_count(n, a->w, s, e, false, (struct now){ 0 });
	} else {
		lose(a, row, at, at);
	}
	json_integer_set(json_array_get(row, 2), at + 1);
}

bool digest_again_close(struct node *n, struct digest_again *a)
{
	size_t len;
	char *blob = json_write(a->w, &len);
	store_begin(n->store);
	link_again_done(a->link, a->id, blob, len);
	bool good = store_commit(n->store);
	free(blob);
	digest_again_drop(a);
	return good;
}

void digest_again_drop(struct digest_again *a)
{
	json_decref(a->w);
	json_decref(a->was);
	*a = (struct digest_again){ 0 };
}
