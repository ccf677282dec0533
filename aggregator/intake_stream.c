/* intake_stream.c - what is new in one stream from the node's own position on. An entry is
 * acknowledged when the transaction that folded it is on disk, so after a crash it comes again, and
 * the position says whether it was folded. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/digest.h"
#include "aggregator/fault.h"
#include "aggregator/intake_private.h"
#include "aggregator/now.h"

#define GROUP    "bongsu-aggregator"
#define CONSUMER "aggregator"

enum { TRIM_MS = 10000 };

/* --- entries ----------------------------------------------------------------------------- */

static bool read_id(const struct bus_reply *r, uint64_t *epoch, uint64_t *n)
{
	char *end;
	if (r->type != BUS_STRING || r->len >= INTAKE_ID)
		return false;
	*epoch = strtoull(r->text, &end, 10);
	if (*end != '-')
		return false;
	*n = strtoull(end + 1, &end, 10);
	return *end == '\0';
}

enum intake_entry intake_read(
	const struct bus_reply *e, const char *sensor, struct intake_event *ev)
{
	*ev = (struct intake_event){ .sensor = sensor, .type = "alert", .json = "" };
	if (e->type != BUS_ARRAY || e->count != 2 || !read_id(e->element[0], &ev->epoch, &ev->n))
		return ENTRY_BAD;
	if (e->element[1]->type != BUS_ARRAY)
		return ENTRY_GONE;
	const struct bus_reply *type = bus_pair(e->element[1], "e");
	const struct bus_reply *eve = bus_pair(e->element[1], "eve");
	if (type != NULL && type->type == BUS_STRING)
		ev->type = type->text;
	if (eve != NULL && eve->type == BUS_STRING) {
		ev->json = eve->text;
		ev->len = eve->len;
	}
	return ENTRY_GOOD;
}

static bool fold(
	struct intake *in, const struct source *s, const struct bus_reply *e, struct now at)
{
	struct intake_event ev;
	enum intake_entry r = intake_read(e, s->name, &ev);
	if (r == ENTRY_GOOD)
		digest_fold(in->n, &ev, at);
	return r != ENTRY_BAD;
}

/* One transaction for them all. False: nothing is kept, nothing may be acknowledged. */
static bool keep(
	struct intake *in, const struct source *s, const struct bus_reply *entries, struct err *err)
{
	struct node *n = in->n;
	struct now at = now();
	pthread_mutex_lock(&n->lock);
	store_begin(n->store);
	bool good = true;
	for (size_t i = 0; good && i < entries->count; i++)
		good = fold(in, s, entries->element[i], at);
	digest_save(n);
	FAULT("intake.folded");
	if (!good)
		store_rollback(n->store);
	good = store_commit(n->store) && good;
	if (!good) {
		in->trouble = TROUBLE_STORE;
		err_set(err, "%s: not kept: %s", s->key, store_why(n->store));
		digest_undo(n, at);
	}
	pthread_mutex_unlock(&n->lock);
	FAULT("intake.committed");
	return good;
}

static bool acknowledge(
	struct intake *in, const struct source *s, const struct bus_reply *entries, struct err *err)
{
	const char **argv = calloc(entries->count + 3, sizeof *argv);
	if (argv == NULL)
		return err_set(err, "out of memory");
	argv[0] = "XACK";
	argv[1] = s->key;
	argv[2] = GROUP;
	for (size_t i = 0; i < entries->count; i++)
		argv[3 + i] = entries->element[i]->element[0]->text;
	struct bus_reply *r = talk_ask(in->talk, s->key, (int)entries->count + 3, argv, NULL, err);
	bool good = r != NULL;
	bus_reply_free(r);
	free(argv);
	FAULT("intake.acknowledged");
	return good;
}

/* --- one stream -------------------------------------------------------------------------- */

/* Where the node's own position is, and not where Redis thinks that we are: a store that was
 * restored or built anew reads again what it has forgotten. */
static bool set_position(struct intake *in, const struct source *s, struct err *err)
{
	char id[INTAKE_ID] = "0";
	uint64_t epoch, n;
	pthread_mutex_lock(&in->n->lock);
	if (digest_position(in->n, s->name, &epoch, &n))
		snprintf(id, sizeof id, "%" PRIu64 "-%" PRIu64, epoch, n);
	pthread_mutex_unlock(&in->n->lock);
	struct bus_reply *r =
		talk_say(in->talk, err, "XGROUP", "SETID", s->key, GROUP, id, (char *)NULL);
	if (r != NULL && r->type != BUS_STATUS)
		return intake_refused(in, s->key, r, err);
	bus_reply_free(r);
	return r != NULL;
}

/* It will be over by itself. */
static bool passes(const struct bus_reply *r)
{
	static const char *const words[] = { "LOADING", "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN",
		"READONLY", "BUSY" };
	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (bus_is_error(r, words[i]))
			return true;
	return false;
}

bool intake_refused(struct intake *in, const char *key, struct bus_reply *r, struct err *err)
{
	in->trouble = passes(r) ? TROUBLE_AWAY : TROUBLE_REFUSED;
	err_set(err, "%s: %.200s", key,
		r->type == BUS_ERROR ? r->text : "an answer of another kind");
	bus_reply_free(r);
	return false;
}

/* What anybody else in the group was given is ours. */
static bool claim_all(struct intake *in, const struct source *s, struct err *err)
{
	char from[INTAKE_ID] = "0-0";
	bool good;
	do {
		struct bus_reply *r = talk_say(in->talk, err, "XAUTOCLAIM", s->key, GROUP, CONSUMER,
			"0", from, "COUNT", "1000", "JUSTID", (char *)NULL);
		if (r == NULL)
			return false;
		good = r->type == BUS_ARRAY && r->count >= 2 && r->element[0]->len < INTAKE_ID;
		if (!good)
			return intake_refused(in, s->key, r, err);
		snprintf(from, sizeof from, "%s", r->element[0]->text);
		bus_reply_free(r);
	} while (strcmp(from, "0-0") != 0);
	return true;
}

/* Makes the group where it is missing. True and not s->grouped: there is no stream yet. */
static bool join_group(struct intake *in, struct source *s, struct err *err)
{
	struct bus_reply *r =
		talk_say(in->talk, err, "XGROUP", "CREATE", s->key, GROUP, "0", (char *)NULL);
	if (r == NULL)
		return false;
	if (r->type == BUS_ERROR && strstr(r->text, "requires the key to exist") != NULL) {
		bus_reply_free(r);
		return true;
	}
	if (r->type != BUS_STATUS && !bus_is_error(r, "BUSYGROUP"))
		return intake_refused(in, s->key, r, err);
	bus_reply_free(r);
	if (!claim_all(in, s, err) || !set_position(in, s, err))
		return false;
	s->grouped = s->pending = true;
	snprintf(s->after, sizeof s->after, "-");
	return true;
}

/* The entries in the reply of XREADGROUP: [[key, [entry …]]]. NULL: none. */
static const struct bus_reply *entries_of(const struct bus_reply *r)
{
	if (r->type != BUS_ARRAY || r->count != 1 || r->element[0]->type != BUS_ARRAY ||
		r->element[0]->count != 2 || r->element[0]->element[1]->type != BUS_ARRAY)
		return NULL;
	return r->element[0]->element[1];
}

static bool looks_right(const struct bus_reply *entries)
{
	uint64_t epoch, n;
	for (size_t i = 0; i < entries->count; i++) {
		const struct bus_reply *e = entries->element[i];
		if (e->type != BUS_ARRAY || e->count != 2 || !read_id(e->element[0], &epoch, &n))
			return false;
	}
	return true;
}

/* The ids of what we were given and have not acknowledged, behind s->after: [[id, …] …]. */
static struct bus_reply *given(struct intake *in, const struct source *s, struct err *err)
{
	struct bus_reply *r = talk_say(in->talk, err, "XPENDING", s->key, GROUP, s->after, "+",
		"1000", CONSUMER, (char *)NULL);
	bool good = r != NULL && r->type == BUS_ARRAY;
	for (size_t i = 0; good && i < r->count; i++) {
		uint64_t epoch, n;
		good = r->element[i]->type == BUS_ARRAY && r->element[i]->count > 0 &&
		       read_id(r->element[i]->element[0], &epoch, &n);
	}
	if (r == NULL || good)
		return r;
	intake_refused(in, s->key, r, err);
	return NULL;
}

static bool is_folded(struct intake *in, const struct source *s, const struct bus_reply *id)
{
	uint64_t epoch = 0, n = 0, e, k;
	pthread_mutex_lock(&in->n->lock);
	bool known = digest_position(in->n, s->name, &epoch, &n);
	pthread_mutex_unlock(&in->n->lock);
	return known && read_id(id, &e, &k) && (e < epoch || (e == epoch && k <= n));
}

/* Own pending entries: those up to the position were folded by a transaction that a crash parted
 * from its acknowledgement. The others come again by ">". */
static bool settle_pending(struct intake *in, struct source *s, struct err *err)
{
	struct bus_reply *r = given(in, s, err);
	if (r == NULL)
		return false;
	const char **argv = calloc(r->count + 3, sizeof *argv);
	bool good = argv != NULL || err_set(err, "out of memory");
	int argc = 3;
	for (size_t i = 0; good && i < r->count; i++) {
		const struct bus_reply *id = r->element[i]->element[0];
		if (is_folded(in, s, id))
			argv[argc++] = id->text;
		snprintf(s->after, sizeof s->after, "(%.*s", INTAKE_ID - 2, id->text);
	}
	s->pending = r->count > 0;
	if (good && argc > 3) {
		argv[0] = "XACK";
		argv[1] = s->key;
		argv[2] = GROUP;
		struct bus_reply *done = talk_ask(in->talk, s->key, argc, argv, NULL, err);
		good = done != NULL;
		bus_reply_free(done);
	}
	free(argv);
	bus_reply_free(r);
	return good;
}

/* The next entry alone is longer than we hold: it is counted as one that cannot be read. */
static bool pass_over(struct intake *in, struct source *s, struct err *err)
{
	snprintf(s->after, sizeof s->after, "-");
	struct bus_reply *r = given(in, s, err);
	bool good = r != NULL;
	for (size_t i = 0; good && i < r->count; i++) {
		struct bus_reply *entry = r->element[i];
		if (is_folded(in, s, entry->element[0]))
			continue;
		struct bus_reply *pair[2] = { entry->element[0], entry };
		struct bus_reply one = { .type = BUS_ARRAY, .count = 2, .element = pair };
		struct bus_reply *list[1] = { &one };
		struct bus_reply entries = { .type = BUS_ARRAY, .count = 1, .element = list };
		good = keep(in, s, &entries, err) && acknowledge(in, s, &entries, err);
		break;
	}
	bus_reply_free(r);
	good = good && set_position(in, s, err);
	s->too_long = !good;
	return good;
}

/* So many entries are longer than we hold: fewer of them, from the position on once more. */
static bool shorten(struct intake *in, struct source *s, struct err *err)
{
	s->too_long = s->batch == 1;
	s->batch = 1; /* it grows again */
	*err = (struct err){ 0 };
	return set_position(in, s, err);
}

/* Reads, keeps and acknowledges one batch. *read: how many. False and @err: Redis is away or
 * refuses, or the store fails. */
static bool read_batch(struct intake *in, struct source *s, size_t *read, struct err *err)
{
	char count[24];
	*read = 0;
	snprintf(count, sizeof count, "%" PRIu64, s->batch);
	const char *argv[] = { "XREADGROUP", "GROUP", GROUP, CONSUMER, "COUNT", count, "STREAMS",
		s->key, ">" };
	struct bus_reply *r = talk_ask(in->talk, s->key, 9, argv, NULL, err);
	if (r == NULL)
		return talk_too_long(in->talk) && shorten(in, s, err);
	if (bus_is_error(r, "NOGROUP")) {
		s->grouped = false; /* Redis forgot, or the key went */
		bus_reply_free(r);
		return true;
	}
	if (r->type == BUS_ERROR)
		return intake_refused(in, s->key, r, err);
	const struct bus_reply *entries = entries_of(r);
	bool good = true;
	if (entries != NULL && entries->count > 0) {
		good = looks_right(entries) || err_set(err, "%s: not a stream of ours", s->key);
		good = good && keep(in, s, entries, err);
		good = good && acknowledge(in, s, entries, err);
		*read = good ? entries->count : 0;
	}
	if (good && s->batch < in->c->intake_batch)
		s->batch += s->batch / 4 + 1;
	if (s->batch > in->c->intake_batch)
		s->batch = in->c->intake_batch;
	bus_reply_free(r);
	return good;
}

/* Below which id nothing need stay: so many of this epoch that are folded are left, or, where the
 * epoch has not so many, no older ones if there are too many of these. "": nothing is to go. */
static bool trim_to(struct intake *in, const struct source *s, char id[INTAKE_ID], struct err *err)
{
	uint64_t epoch, n, keep = in->c->intake_keep;
	id[0] = '\0';
	pthread_mutex_lock(&in->n->lock);
	bool known = digest_position(in->n, s->name, &epoch, &n);
	pthread_mutex_unlock(&in->n->lock);
	if (known && n > keep) {
		snprintf(id, INTAKE_ID, "%" PRIu64 "-%" PRIu64, epoch, n - keep);
		return true;
	}
	struct bus_reply *r = talk_say(in->talk, err, "XLEN", s->key, (char *)NULL);
	if (r == NULL)
		return false;
	if (known && r->type == BUS_INTEGER && r->integer / 2 > (int64_t)keep)
		snprintf(id, INTAKE_ID, "%" PRIu64 "-0", epoch);
	bus_reply_free(r);
	return true;
}

static bool trim(struct intake *in, struct source *s, int64_t at_ms, struct err *err)
{
	char id[INTAKE_ID];
	if (s->pending || at_ms < s->trim_ms)
		return true;
	s->trim_ms = at_ms + TRIM_MS;
	if (!trim_to(in, s, id, err))
		return false;
	if (id[0] == '\0')
		return true;
	struct bus_reply *r =
		talk_say(in->talk, err, "XTRIM", s->key, "MINID", "~", id, (char *)NULL);
	bool good = r != NULL;
	bus_reply_free(r);
	return good;
}

bool intake_stream(struct intake *in, struct source *s, bool *any, struct err *err)
{
	size_t read = 0;
	if (!s->grouped && !join_group(in, s, err))
		return false;
	if (!s->grouped)
		return true;
	bool more = s->pending || s->too_long;
	if (s->pending        ? !settle_pending(in, s, err)
		: s->too_long ? !pass_over(in, s, err)
			      : !read_batch(in, s, &read, err))
		return false;
	if (read > 0 || more)
		*any = true;
	return trim(in, s, now().mono_ms, err);
}
