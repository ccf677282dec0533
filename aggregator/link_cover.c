/* link_cover.c - coverage and totals of frames: what the parent holds already, what a tomb stands
 * for. */
#include "aggregator/link_private.h"

#include <string.h>

static uint64_t number(const json_t *array, size_t at)
{
	const json_t *v = json_array_get(array, at);
	json_int_t n = json_integer_value(v);
	return n < 0 ? 0 : (uint64_t)n;
}

static bool of_one_sensor(const json_t *a, const json_t *b)
{
	return number(a, 0) == number(b, 0) && number(a, 1) == number(b, 1);
}

enum link_overlap link_overlap(const json_t *cov, const json_t *held)
{
	uint64_t all = 0, inside = 0;
	for (size_t i = 0; i < json_array_size(cov); i++) {
		const json_t *c = json_array_get(cov, i);
		all += number(c, 3) - number(c, 2) + 1;
		for (size_t k = 0; k < json_array_size(held); k++) {
			const json_t *h = json_array_get(held, k);
			uint64_t from = number(h, 2) > number(c, 2) ? number(h, 2) : number(c, 2);
			uint64_t to = number(h, 3) < number(c, 3) ? number(h, 3) : number(c, 3);
			if (of_one_sensor(c, h) && from <= to)
				inside += to - from + 1;
		}
	}
	return inside == 0 ? COVER_NONE : inside == all ? COVER_WHOLE : COVER_PART;
}

/* What is held of each sensor's epoch: 1 to the last, without the holes. */
json_t *link_held_ranges(const json_t *cov, const json_t *holes)
{
	json_t *all = json_array();
	for (size_t i = 0; i < json_array_size(cov); i++) {
		const json_t *c = json_array_get(cov, i);
		uint64_t from = 1, last = number(c, 2);
		for (size_t k = 0; k < json_array_size(holes); k++) {
			const json_t *h = json_array_get(holes, k);
			if (!of_one_sensor(c, h) || number(h, 2) < from || number(h, 3) >= last)
				continue;
			if (number(h, 2) > from)
				json_array_append_new(
					all, json_pack("[O,O,I,I]", json_array_get(c, 0),
						     json_array_get(c, 1), (json_int_t)from,
						     (json_int_t)number(h, 2) - 1));
			from = number(h, 3) + 1;
		}
		if (from <= last)
			json_array_append_new(all,
				json_pack("[O,O,I,I]", json_array_get(c, 0), json_array_get(c, 1),
					(json_int_t)from, (json_int_t)last));
	}
	return all;
}

bool link_cov_has(const json_t *cov, const uint64_t covers[3])
{
	for (size_t i = 0; i < json_array_size(cov); i++) {
		const json_t *c = json_array_get(cov, i);
		if (number(c, 0) == covers[0] && number(c, 1) == covers[1] &&
			number(c, 2) <= covers[2] && covers[2] <= number(c, 3))
			return true;
	}
	return false;
}

void link_add_in(json_t *in, const json_t *more)
{
	const char *name;
	json_t *value;
	json_object_foreach((json_t *)more, name, value)
	{
		json_t *mine = json_object_get(in, name);
		json_int_t sum;
		if (json_is_object(value)) {
			if (!json_is_object(mine)) {
				mine = json_object();
				json_object_set_new(in, name, mine);
			}
			link_add_in(mine, value);
		} else if (json_is_integer(value)) {
			if (__builtin_add_overflow(
				    json_integer_value(mine), json_integer_value(value), &sum))
				sum = INT64_MAX;
			json_object_set_new(in, name, json_integer(sum));
		}
	}
}

void link_add_cov(json_t *cov, const json_t *more)
{
	for (size_t i = 0; i < json_array_size(more); i++) {
		const json_t *c = json_array_get(more, i);
		bool joined = false;
		for (size_t k = 0; k < json_array_size(cov) && !joined; k++) {
			json_t *mine = json_array_get(cov, k);
			joined = number(mine, 0) == number(c, 0) &&
				 number(mine, 1) == number(c, 1) &&
				 number(mine, 3) + 1 == number(c, 2);
			if (joined)
				json_array_set(mine, 3, json_array_get(c, 3));
		}
		if (!joined)
			json_array_append_new(cov, json_deep_copy(c));
	}
}
