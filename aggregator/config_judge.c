/* config_judge.c - the shape of settings that are texts, so that -T finds what a start would. */
#include <stdlib.h>
#include <string.h>

#include "aggregator/config.h"
#include "aggregator/frame_table.h"
#include "common/bus.h"

static bool is_hex(const char *text, size_t digits)
{
	return strlen(text) == digits && strspn(text, "0123456789abcdef") == digits;
}

static const char *key(const char *text)
{
	return is_hex(text, 64) ? NULL : " is public keys of 64 hex digits";
}

/* Numbers only: nothing is resolved. [::1]:8443 too. */
static const char *address(const char *text)
{
	static const char wrong[] = " is ADDRESS:PORT";
	const char *colon = strrchr(text, ':');
	if (colon == NULL || colon == text || colon[1] == '\0' || strlen(colon + 1) > 5 ||
		strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
		strtoul(colon + 1, NULL, 10) > 65535)
		return wrong;
	if (memchr(text, ':', (size_t)(colon - text)) != NULL &&
		(text[0] != '[' || colon[-1] != ']'))
		return wrong;
	return NULL;
}

static const char *redis(const char *text)
{
	struct bus_target t;
	struct err err = { 0 };
	return bus_url(text, &t, &err)
		       ? NULL
		       : " is redis+unix:///PATH, redis://HOST:PORT or rediss://HOST:PORT";
}

static const char *decision(const char *text)
{
	static const char *const words[] = { "ask", "accept", "refuse" };
	for (unsigned i = 0; i < 3; i++)
		if (strcmp(text, words[i]) == 0)
			return NULL;
	return " is ask, accept or refuse";
}

static const char *matrix(const char *text)
{
	return frame_pattern_named("matrix")(text, strlen(text)) ? NULL : " is written ics/NN";
}

static const char *path(const char *text)
{
	return text[0] != '\0' ? NULL : " is a path";
}

const char *agg_config_judge(const char *setting, const char *text)
{
	static const struct {
		const char *path;
		const char *(*judge)(const char *text);
	} shapes[] = { { "node.folder", path }, { "node.attck", matrix }, { "intake.redis", redis },
		{ "intake.packs", decision }, { "intake.pack_keys", key },
		{ "chain.listen", address }, { "chain.enrol", address }, { "feed.redis", redis },
		{ "api.listen", address }, { "api.tokens", path }, { "notice.national_keys", key },
		{ "notice.issuer_keys", key }, { "notice.data", path } };
	for (unsigned i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
		if (strcmp(shapes[i].path, setting) == 0)
			return shapes[i].judge(text);
	return NULL;
}
