/* intake_packs.c - what the site accepted goes to its sensors through the Redis that they write to:
 * hash bongsu:packs, a field a name (rules/README.md). */
#include <stdlib.h>
#include <string.h>

#include "aggregator/intake_private.h"
#include "aggregator/notice.h"
#include "aggregator/now.h"

enum { TURN_MS = 1000, LOOK_MS = 10000 };

static const char key[] = "bongsu:packs";

static bool put(struct intake *in, const struct pack_out *p, struct err *err)
{
	const char *argv[] = { "HSET", key, p->name, p->bytes };
	const size_t len[] = { 4, sizeof key - 1, strlen(p->name), p->size };
	struct bus_reply *r = talk_ask(in->talk, key, 4, argv, len, err);
	if (r == NULL)
		return false;
	if (r->type != BUS_INTEGER)
		return intake_refused(in, key, r, err);
	bus_reply_free(r);
	if (pack_stored(in->n, p))
		return true;
	in->trouble = TROUBLE_STORE;
	return err_set(err, "the store does not take it");
}

static bool is_among(const void *ctx, const char *name)
{
	const struct bus_reply *names = ctx;
	for (size_t i = 0; i < names->count; i++)
		if (names->element[i]->type == BUS_STRING &&
			strcmp(names->element[i]->text, name) == 0)
			return true;
	return false;
}

/* A Redis that was emptied is filled again. */
static bool look(struct intake *in, struct err *err)
{
	struct bus_reply *r = talk_say(in->talk, err, "HKEYS", key, (char *)NULL);
	if (r == NULL)
		return false;
	if (r->type != BUS_ARRAY)
		return intake_refused(in, key, r, err);
	pack_missing(in->n, is_among, r);
	bus_reply_free(r);
	return true;
}

bool intake_packs(struct intake *in, struct err *err)
{
	int64_t at = now().mono_ms;
	struct pack_out p = { 0 };
	bool good = true;
	if (at < in->packs_ms)
		return true;
	in->packs_ms = at + TURN_MS;
	if (at >= in->packs_look_ms) {
		if (!look(in, err))
			return false;
		in->packs_look_ms = at + LOOK_MS;
	}
	while (good && pack_next(in->n, &p)) {
		good = put(in, &p, err);
		free(p.bytes);
		p = (struct pack_out){ 0 };
	}
	return good;
}
