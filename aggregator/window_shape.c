/* window_shape.c - whether a document that the store held is a window: every member there, of its
 * kind and within bounds, so that nobody who reads one has to ask again. */
#include "aggregator/window.h"

#include <string.h>

/* Sums of a few of them still fit. */
#define COUNT_MAX (INT64_C(1) << 60)

typedef bool kind(const json_t *v);

struct shape {
	const char *name;
	kind *is;
	bool may; /* it may be missing */
};

static bool each(const json_t *v, kind *is)
{
	const char *key;
	json_t *one;
	size_t i;
	json_array_foreach(v, i, one)
	{
		if (!is(one))
			return false;
	}

	json_object_foreach((json_t *)(uintptr_t)v, key, one)
	{
		if (!is(one))
			return false;
	}

	return true;
}

static bool has_shape(const json_t *v, const struct shape *shape)
{
	for (; json_is_object(v) && shape->name != NULL; shape++) {
		const json_t *one = json_object_get(v, shape->name);
		if (one == NULL ? !shape->may : !shape->is(one))
			return false;
	}
	return json_is_object(v);
}

/* --- kinds ------------------------------------------------------------------------------- */

static bool count(const json_t *v)
{
	return json_is_integer(v) && json_integer_value(v) >= 0 &&
	       json_integer_value(v) <= COUNT_MAX;
}

static bool text(const json_t *v)
{
	return json_is_string(v);
}

static bool flag(const json_t *v)
{
	return json_is_boolean(v);
}

static bool object(const json_t *v)
{
	return json_is_object(v);
}

static bool counts(const json_t *v)
{
	return json_is_object(v) && each(v, count);
}

static bool count_list(const json_t *v)
{
	return json_is_array(v) && each(v, count);
}

static bool text_list(const json_t *v)
{
	return json_is_array(v) && each(v, text);
}

/* [sensor#, epoch, from, to] */
static bool range(const json_t *v)
{
	return count_list(v) && json_array_size(v) == 4 &&
	       json_integer_value(json_array_get(v, 2)) <= json_integer_value(json_array_get(v, 3));
}

static bool ranges(const json_t *v)
{
	return json_is_array(v) && each(v, range);
}

static bool addresses(const json_t *v)
{
	static const struct shape shape[] = { { "p", count_list, false }, { "a", text_list, false },
		{ NULL, NULL, false } };
	return has_shape(v, shape);
}

static bool item(const json_t *v)
{
	static const struct shape shape[] = { { "sk", text, false }, { "rule", text, false },
		{ "rev", count, false }, { "cat", text, false }, { "tech", text, false },
		{ "verb", text, false }, { "sev", count, false }, { "conf", count, false },
		{ "n", count, false }, { "first", count, false }, { "last", count, false },
		{ "verdicts", counts, false }, { "roles", text_list, false },
		{ "zones", text_list, false }, { "chg", flag, false }, { "ev", count, false },
		{ "src", addresses, false }, { "dst", addresses, false }, { NULL, NULL, false } };
	return has_shape(v, shape);
}

static bool items(const json_t *v)
{
	return json_is_object(v) && each(v, item);
}

static bool fixes(const json_t *v)
{
	return json_is_object(v) && each(v, counts);
}

static bool totals(const json_t *v)
{
	static const struct shape shape[] = { { "pkts", count, false }, { "drops", count, false },
		{ "events", count, false }, { "other", count, false }, { "alerts", count, false },
		{ "items", count, false }, { "suppressed", count, false },
		{ "sampled", count, false }, { "withheld", count, false },
		{ "lost", counts, false }, { NULL, NULL, false } };
	return has_shape(v, shape);
}

bool window_is_one(const json_t *w)
{
	static const struct shape shape[] = { { "start", count, false }, { "end", count, false },
		{ "mono_ms", count, false }, { "late", count, false }, { "coarse_s", count, false },
		{ "in", totals, false }, { "cov", ranges, false }, { "items", items, false },
		{ "fixes", fixes, false }, { "jump", flag, true }, { "cut", flag, true },
		{ "hl", object, true }, { "ver", object, true }, { NULL, NULL, false } };
	return has_shape(w, shape);
}
