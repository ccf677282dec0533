/* json.c - what is too deep or too odd is refused before jansson builds anything. */
#include "common/json.h"

#include <stdlib.h>
#include <string.h>

/* Depth of nesting, seen without parsing: brackets outside strings. */
static bool too_deep(const char *text, size_t len, unsigned depth)
{
	unsigned at = 0;
	bool in_string = false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '[') && ++at > depth)
			return true;
		else if (!in_string && (c == '}' || c == ']') && at > 0)
			at--;
	}
	return false;
}

json_t *json_read(const char *text, size_t len, unsigned depth, struct err *err)
{
	json_error_t why;
	if (too_deep(text, len, depth)) {
		err_set(err, "more than %u levels of nesting", depth);
		return NULL;
	}
	json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
	if (value == NULL)
		err_set(err, "byte %d: %s", why.position, why.text);
	return value;
}

char *json_write(const json_t *value, size_t *len)
{
	char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
	if (text == NULL)
		abort(); /* out of memory */
	*len = strlen(text);
	return text;
}

int64_t json_int_of(const json_t *object, const char *name, int64_t otherwise)
{
	const json_t *v = json_object_get(object, name);
	return json_is_integer(v) ? (int64_t)json_integer_value(v) : otherwise;
}

const char *json_text_of(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}
