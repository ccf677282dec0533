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

/* How far @held goes for one sensor's epoch. */
static bool held_to(const json_t *held, uint64_t sensor, uint64_t epoch, uint64_t *to)
{
	for (size_t i = 0; i < json_array_size(held); i++) {
		const json_t *h = json_array_get(held, i);
		if (number(h, 0) == sensor && number(h, 1) == epoch) {
			*to = number(h, 2);
			return true;
		}
	}
	return false;
}

enum link_overlap link_overlap(const json_t *cov, const json_t *held)
{
	size_t inside = 0, outside = 0, ranges = json_array_size(cov);
	if (ranges == 0 || json_array_size(held) == 0)
		return COVER_NONE;
	for (size_t i = 0; i < ranges; i++) {
		const json_t *c = json_array_get(cov, i);
		uint64_t to;
		if (!held_to(held, number(c, 0), number(c, 1), &to) || number(c, 2) > to) {
			outside++;
		} else if (number(c, 3) > to) {
			inside++;
			outside++;
		} else {
			inside++;
		}
	}
	return inside == 0 ? COVER_NONE : outside == 0 ? COVER_WHOLE : COVER_PART;
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
