/* yaml_value.c - what the nodes of a YAML tree mean. */
#include "common/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const struct yaml *yaml_get(const struct yaml *map, const char *key)
{
	if (map == NULL || map->kind != YAML_MAP)
		return NULL;
	size_t len = strlen(key);
	for (size_t i = 0; i < map->count; i++)
		if (map->key[i]->len == len && memcmp(map->key[i]->text, key, len) == 0)
			return map->child[i];
	return NULL;
}

static bool plain(const struct yaml *node)
{
	return node != NULL && node->kind == YAML_TEXT && !node->quoted;
}

static bool only(const char *text, const char *characters)
{
	return text[0] != '\0' && text[strspn(text, characters)] == '\0';
}

/* Decimal, or hex behind 0x. "010" is 8 to some and 10 to others, so it is no number here. */
static bool magnitude(const char *text, uint64_t *out)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	if (hex ? !only(text + 2, "0123456789abcdefABCDEF") : !only(text, "0123456789"))
		return false;
	if (!hex && text[0] == '0' && text[1] != '\0')
		return false;
	errno = 0;
	*out = strtoull(hex ? text + 2 : text, NULL, hex ? 16 : 10);
	return errno == 0;
}

bool yaml_uint(const struct yaml *node, uint64_t *out)
{
	return plain(node) && magnitude(node->text[0] == '+' ? node->text + 1 : node->text, out);
}

bool yaml_int(const struct yaml *node, int64_t *out)
{
	if (!plain(node))
		return false;
	bool negative = node->text[0] == '-';
	uint64_t n;
	if (!magnitude(negative || node->text[0] == '+' ? node->text + 1 : node->text, &n))
		return false;
	if (n > (uint64_t)INT64_MAX + negative)
		return false;
	*out = negative ? (int64_t)(0 - n) : (int64_t)n;
	return true;
}

bool yaml_real(const struct yaml *node, double *out)
{
	int64_t whole;
	uint64_t large; /* beyond INT64_MAX */
	if (yaml_int(node, &whole)) {
		*out = (double)whole;
		return true;
	}
	if (yaml_uint(node, &large)) {
		*out = (double)large;
		return true;
	}
	if (!plain(node) || !only(node->text, "+-.0123456789eE") ||
		strpbrk(node->text, "0123456789") == NULL)
		return false;
	char *end;
	double v = strtod(node->text, &end);
	if (*end != '\0' || !isfinite(v))
		return false;
	*out = v;
	return true;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words != NULL; words++)
		if (text[0] == **words && strcmp(text, *words) == 0)
			return true;
	return false;
}

bool yaml_bool(const struct yaml *node, bool *out)
{
	static const char *const yes[] = { "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On",
		"ON", NULL };
	static const char *const no[] = { "false", "False", "FALSE", "no", "No", "NO", "off", "Off",
		"OFF", NULL };
	if (!plain(node))
		return false;
	*out = is_one_of(node->text, yes);
	return *out || is_one_of(node->text, no);
}

bool yaml_null(const struct yaml *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL", NULL };
	return plain(node) && is_one_of(node->text, words);
}
