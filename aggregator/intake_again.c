/* intake_again.c - events that were read before, once more: for windows that were cut where the
 * parent's head lies. */
#include <inttypes.h>
#include <stdio.h>

#include "aggregator/intake_private.h"

enum { KEY_TEXT = 192 };

struct again {
	struct intake *in;
	struct digest_again window;
	struct digest_range range;
	uint64_t batch;
};

static struct bus_reply *ask(struct again *a, struct err *err)
{
	char key[KEY_TEXT], from[INTAKE_ID], to[INTAKE_ID], count[24];
	const struct digest_range *r = &a->range;
	snprintf(key, sizeof key, "bongsu:alerts:{%s}", r->sensor);
	snprintf(from, sizeof from, "%" PRIu64 "-%" PRIu64, r->epoch, r->from);
	snprintf(to, sizeof to, "%" PRIu64 "-%" PRIu64, r->epoch, r->to);
	snprintf(count, sizeof count, "%" PRIu64, a->batch);
	struct bus_reply *reply =
		talk_say(a->in->talk, err, "XRANGE", key, from, to, "COUNT", count, (char *)NULL);
	if (reply != NULL && reply->type != BUS_ARRAY) {
		intake_refused(a->in, key, reply, err);
		return NULL;
	}
	return reply;
}

/* Goes on behind those entries. */
static void fold_all(struct again *a, const struct bus_reply *entries)
{
	struct node *n = a->in->n;
	pthread_mutex_lock(&n->lock);
	for (size_t i = 0; i < entries->count; i++) {
		struct intake_event ev;
		if (intake_read(entries->element[i], a->range.sensor, &ev) != ENTRY_GOOD)
			continue;
		digest_again_fold(n, &a->window, &ev);
		if (ev.n >= a->range.from)
			a->range.from = ev.n + 1;
	}
	pthread_mutex_unlock(&n->lock);
}

/* An entry that is longer than we hold was not read the first time either. */
static bool ask_for_less(struct again *a)
{
	if (!talk_too_long(a->in->talk))
		return false;
	if (a->batch == 1)
		a->range.from++;
	else
		a->batch /= 2;
	return true;
}

static bool read_range(struct again *a, struct err *err)
{
	a->batch = a->in->c->intake_batch;
	while (a->range.from <= a->range.to && !atomic_load(&a->in->stop)) {
		uint64_t from = a->range.from;
		struct bus_reply *reply = ask(a, err);
		if (reply == NULL && !ask_for_less(a))
			return false;
		if (reply == NULL)
			continue;
		fold_all(a, reply);
		bus_reply_free(reply);
		if (a->range.from == from)
			break; /* it has no more of them */
	}
	return !atomic_load(&a->in->stop);
}

static bool next_range(struct again *a)
{
	pthread_mutex_lock(&a->in->n->lock);
	bool found = digest_again_range(a->in->n, &a->window, &a->range);
	pthread_mutex_unlock(&a->in->n->lock);
	return found;
}

bool intake_again(struct intake *in, struct err *err)
{
	struct again a = { .in = in };
	pthread_mutex_lock(&in->n->lock);
	bool found = digest_again_open(in->n, &a.window);
	pthread_mutex_unlock(&in->n->lock);
	if (!found)
		return true;
	while (next_range(&a)) {
		if (!read_range(&a, err)) {
			digest_again_drop(&a.window);
			return false;
		}
	}
	pthread_mutex_lock(&in->n->lock);
	bool kept = digest_again_close(in->n, &a.window);
	pthread_mutex_unlock(&in->n->lock);
	if (!kept)
		in->trouble = TROUBLE_STORE;
	return kept || err_set(err, "the store takes nothing");
}
