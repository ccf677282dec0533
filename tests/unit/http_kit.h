/* http_kit.h - requests made up by a test, for handlers as http.c calls them: what the library
 * would look up is looked up here. */
#ifndef TESTS_UNIT_HTTP_KIT_H
#define TESTS_UNIT_HTTP_KIT_H

#include <microhttpd.h>

#include "aggregator/http.h"
#include "tests/unit/parent_kit.h"

struct asked {
	const char *header[8][2], *query[8][2]; /* up to a NULL */
};

const char *MHD_lookup_connection_value(
	struct MHD_Connection *connection, enum MHD_ValueKind kind, const char *key)
{
	const struct asked *a = (const void *)connection;
	bool header = kind == MHD_HEADER_KIND;
	for (unsigned i = 0; i < 8; i++) {
		const char *const *pair = header ? a->header[i] : a->query[i];
		if (pair[0] != NULL &&
			(header ? strcasecmp(pair[0], key) : strcmp(pair[0], key)) == 0)
			return pair[1];
	}
	return NULL;
}

/* The last reply; its body as JSON where it is that. */
static struct http_reply said;
static json_t *said_json;

static inline void forget_reply(void)
{
	json_decref(said_json);
	said_json = NULL;
	free(said.body);
	said = (struct http_reply){ .retry_after = -1 };
}

static inline int ask(http_handler *handler, void *ctx, struct http_request *r,
	const struct asked *a, bool again, void **slot)
{
	struct err err = { 0 };
	static struct asked copy; /* as long as the request may be looked at */
	copy = *a;
	r->opaque = &copy;
	r->address = "192.0.2.1";
	forget_reply();
	handler(ctx, r, again, slot, &said);
	if (said.body != NULL && said.content_type == NULL && !said.stream) {
		said_json = json_read(said.body, said.len, 16, &err);
		if (said_json == NULL)
			fail_msg("%s: %.*s", err.text, (int)said.len, said.body);
	}
	return said.status;
}

#endif
