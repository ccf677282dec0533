/* correlate.c - sliding windows over the hits of rules, one a group, on packet time. */
#include "sensor/correlate.h"

#include <stdlib.h>

#include "sensor/limiter.h"
#include "sensor/rule_impl.h"

/* One hit on its way to the correlations of its rule. */
struct step {
	struct memory *m;
	struct rule_run *run;
	const struct event *e;
	const struct compiled *rule;
	int32_t item;
	int64_t now_ns;
	const struct field_ref *const *by; /* of a correlation: what it was grouped by */
};

/* --- values ------------------------------------------------------------------------------ */

static const struct field_ref *resolve(const struct step *s, const struct origin *o)
{
	return o->ref != NULL ? o->ref : s->by[o->inner];
}

static bool value_of(const struct step *s, const struct field_ref *ref, struct value *out)
{
	struct item one;
	struct look look = { .e = s->e };
	struct value made[ENVELOPE_VALUES] = { 0 };
	const struct value *v;
	if (ref->source == FROM_ITEM)
		look.item = event_item(s->e, s->item, &one);
	if (look_values(&look, ref, made, &v) <= 0)
		return false;
	*out = v[0];
	return true;
}

static uint64_t key_of(const struct field_ref *ref, const struct value *v)
{
	return ref->kind == KIND_BYTES ? key_of_bytes(v->bytes, v->len) : key_of_value(ref, v);
}

static double number_of(const struct field_ref *ref, const struct value *v)
{
	if (ref->kind == KIND_REAL)
		return v->r;
	return ref->kind == KIND_INT ? (double)v->i : (double)v->u;
}

/* The group an event belongs to; false if it lacks one of the fields. */
static bool group_key(
	const struct step *s, const struct feed *f, struct chain *chain, uint64_t key[2])
{
	const struct correlation *c = f->to->correlation;
	const struct origin *o = &c->origin[f->member * (c->by + 1)];
	key[0] = c->key;
	key[1] = ~c->key;
	for (uint32_t i = 0; i < c->by; i++) {
		struct value v;
		chain->by[i] = resolve(s, &o[i]);
		if (!value_of(s, chain->by[i], &v))
			return false;
		uint64_t one = key_of(chain->by[i], &v);
		key[0] = key_mix(key[0], one);
		key[1] = key_mix(key[1] + i, ~one);
	}
	key[1] = (key[1] & ~(uint64_t)(MEMORY_OWNERS - 1)) | (c->key & (MEMORY_OWNERS - 1));
	return true;
}

/* --- windows ----------------------------------------------------------------------------- */

/* What lies further back than the timespan has left the window. */
static void trim(const struct step *s, struct memory_group *g, int64_t span_ns)
{
	struct memory_note *n;
	while ((n = memory_first(s->m, g)) != NULL && g->now_ns - n->at_ns > span_ns)
		memory_drop(s->m, g, NULL);
}

static struct memory_note *add(
	const struct step *s, struct memory_group *g, uint32_t what, uint64_t value)
{
	if (g->count >= NOTES_MAX)
		memory_drop(s->m, g, NULL);
	struct memory_note *n = memory_add(s->m, g);
	if (n == NULL)
		return NULL;
	n->at_ns = s->now_ns;
	n->frame = s->e->at.frame;
	n->what = what;
	n->value.u = value;
	return n;
}

/* As add(), and the note that said the same before is gone: what was seen last counts. */
static void renew(const struct step *s, struct memory_group *g, uint32_t what, uint64_t value)
{
	struct memory_note *before = NULL, *n = memory_first(s->m, g);
	for (; n != NULL; before = n, n = memory_next(s->m, n)) {
		if (n->what != what || n->value.u != value)
			continue;
		memory_drop(s->m, g, before);
		break;
	}
	add(s, g, what, value);
}

static bool asks(const struct correlation *c, double x)
{
	bool holds = true;
	for (uint32_t i = 0; i < c->bounds; i++) {
		double v = c->bound[i].value;
		switch ((enum bound_op)c->bound[i].op) {
		case BOUND_GT:
			holds &= x > v;
			break;
		case BOUND_GTE:
			holds &= x >= v;
			break;
		case BOUND_LT:
			holds &= x < v;
			break;
		case BOUND_LTE:
			holds &= x <= v;
			break;
		case BOUND_EQ:
			holds &= !(x < v) && !(x > v);
			break;
		case BOUND_NEQ:
			holds &= x < v || x > v;
			break;
		}
	}
	return holds;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The nearest rank: the smallest value that so many percent do not exceed. */
static double percentile(double *values, uint32_t count, uint32_t percent)
{
	qsort(values, count, sizeof *values, by_size);
	uint32_t rank = (uint32_t)(((uint64_t)count * percent + 99) / 100);
	return values[rank == 0 ? 0 : rank - 1];
}

static double number_in(
	const struct step *s, const struct correlation *c, const struct memory_group *g)
{
	double sum = 0, values[NOTES_MAX];
	uint32_t count = 0;
	for (struct memory_note *n = memory_first(s->m, g); n != NULL; n = memory_next(s->m, n)) {
		sum += n->value.r;
		values[count++] = n->value.r;
	}
	if (c->type == VALUE_PERCENTILE)
		return percentile(values, count, c->percentile);
	return c->type == VALUE_SUM ? sum : sum / (double)count;
}

/* --- evidence ---------------------------------------------------------------------------- */

static void put_frame(struct chain *chain, uint64_t frame)
{
	if (chain->frames > 0 && chain->frame[chain->frames - 1] == frame)
		return;
	if (chain->frames == CHAIN_FRAMES) {
		for (uint32_t i = 1; i < CHAIN_FRAMES; i++)
			chain->frame[i - 1] = chain->frame[i];
		chain->frames--;
	}
	chain->frame[chain->frames++] = frame;
}

static void tell_window(const struct step *s, const struct memory_group *g, struct chain *chain)
{
	chain->count = g->count;
	chain->first_ns = chain->last_ns = s->now_ns;
	for (struct memory_note *n = memory_first(s->m, g); n != NULL; n = memory_next(s->m, n)) {
		if (n->at_ns < chain->first_ns)
			chain->first_ns = n->at_ns;
		put_frame(chain, n->frame);
	}
}

/* --- the types --------------------------------------------------------------------------- */

/* note.what: how many rules of the list have come in order, .value: since when at the latest. Of
 * two ways to the same point the later start is always the better one. */
static struct memory_note *reached(const struct step *s, struct memory_group *g, uint32_t rules)
{
	struct memory_note *n = memory_first(s->m, g);
	while (n != NULL && n->what != rules)
		n = memory_next(s->m, n);
	return n;
}

static void tell_order(
	const struct step *s, const struct memory_note *to, uint32_t rules, struct chain *chain)
{
	chain->count = rules;
	chain->first_ns = to->value.ns;
	chain->last_ns = s->now_ns;
	for (uint32_t i = 0; i < NOTE_FRAMES && to->before[i] != 0; i++)
		put_frame(chain, to->before[i]);
	put_frame(chain, to->frame);
	put_frame(chain, s->e->at.frame);
}

/* The way to here becomes the way on. */
static void pass_frames(struct memory_note *to, const struct memory_note *from)
{
	uint32_t i = 0;
	while (i < NOTE_FRAMES && from->before[i] != 0) {
		to->before[i] = from->before[i];
		i++;
	}
	if (i < NOTE_FRAMES)
		to->before[i] = from->frame;
}

static bool ordered(
	const struct step *s, const struct feed *f, struct memory_group *g, struct chain *chain)
{
	const struct correlation *c = f->to->correlation;
	uint32_t at = f->member;
	struct memory_note way = { .value.ns = s->now_ns };
	if (at > 0) {
		const struct memory_note *from = reached(s, g, at);
		if (from == NULL || s->now_ns - from->value.ns > c->span_ns)
			return false;
		way = *from;
		if (at == c->members - 1) {
			tell_order(s, from, c->members, chain);
			return true;
		}
	}
	struct memory_note *to = reached(s, g, at + 1);
	if (to == NULL)
		to = memory_add(s->m, g);
	if (to == NULL)
		return false;
	memset(to->before, 0, sizeof to->before);
	if (at > 0)
		pass_frames(to, &way);
	to->what = at + 1;
	to->at_ns = s->now_ns;
	to->frame = s->e->at.frame;
	to->value.ns = way.value.ns;
	return false;
}

/* Takes the event in; true if the correlation holds now. */
static bool windowed(
	const struct step *s, const struct feed *f, struct memory_group *g, struct chain *chain)
{
	const struct correlation *c = f->to->correlation;
	const struct origin *o = &c->origin[f->member * (c->by + 1) + c->by];
	const struct field_ref *ref = NULL;
	struct value v = { 0 };
	if (o->ref != NULL || c->type == VALUE_COUNT || c->type >= VALUE_SUM) {
		ref = resolve(s, o);
		if (!value_of(s, ref, &v))
			return false;
	}
	trim(s, g, c->span_ns);
	switch ((enum correlation_type)c->type) {
	case EVENT_COUNT:
		add(s, g, f->member, 0);
		break;
	case VALUE_COUNT:
		renew(s, g, 0, key_of(ref, &v));
		break;
	case TEMPORAL:
		renew(s, g, f->member, 0);
		break;
	default: {
		struct memory_note *n = add(s, g, f->member, 0);
		if (n != NULL)
			n->value.r = number_of(ref, &v);
	}
	}
	if (g->count == 0 || (c->patient && s->now_ns - g->since_ns < c->span_ns))
		return false;
	if (c->type >= VALUE_SUM) {
		chain->has_value = true;
		chain->value = number_in(s, c, g);
	}
	if (!asks(c, chain->has_value ? chain->value : g->count))
		return false;
	tell_window(s, g, chain);
	return true;
}

/* --- one hit ----------------------------------------------------------------------------- */

/* Packet time steps back a little between mirrored ports; by more than the timespan the clock was
 * set, and what was before means nothing. */
static void at_time(struct step *s, struct memory_group *g, int64_t span_ns)
{
	if (g->now_ns - s->now_ns > span_ns) {
		memory_clear(s->m, g);
		g->now_ns = g->since_ns = s->now_ns;
	}
	if (s->now_ns > g->now_ns)
		g->now_ns = s->now_ns;
	s->now_ns = g->now_ns;
	g->expires_ns = g->now_ns + span_ns;
}

static bool feed_one(struct step s, const struct feed *f, struct chain *chain)
{
	const struct correlation *c = f->to->correlation;
	uint64_t key[2];
	*chain = (struct chain){ 0 };
	if (!group_key(&s, f, chain, key))
		return false;
	struct memory_group *g = memory_group(s.m, key, s.now_ns);
	at_time(&s, g, c->span_ns);
	bool holds =
		c->type == TEMPORAL_ORDERED ? ordered(&s, f, g, chain) : windowed(&s, f, g, chain);
	if (holds) {
		memory_clear(s.m, g); /* once told, all begins anew */
		g->since_ns = g->now_ns;
	}
	s.run->tally[f->to->rule.index].asked++;
	s.run->tally[f->to->rule.index].held += holds;
	return holds;
}

static size_t feed_all(const struct step *s, struct correlated *out, size_t max)
{
	size_t count = 0;
	for (const struct feed *f = s->rule->feeds; f != NULL; f = f->next) {
		struct chain chain;
		if (!feed_one(*s, f, &chain))
			continue;
		if (count == max) {
			s->run->hits_cut++;
			continue;
		}
		out[count].hit = (struct hit){ .rule = &f->to->rule, .item = s->item };
		out[count++].chain = chain;
		struct step next = *s;
		next.rule = f->to;
		next.by = chain.by;
		count += feed_all(&next, out + count, max - count);
	}
	return count;
}

size_t correlate(struct memory *m, struct rule_run *run, const struct hit *hit,
	const struct event *e, int64_t now_ns, struct correlated *out, size_t max)
{
	const struct step s = { .m = m,
		.run = run,
		.e = e,
		.rule = compiled_of(hit->rule),
		.item = hit->item,
		.now_ns = now_ns };
	return feed_all(&s, out, max);
}

/* --- telling ----------------------------------------------------------------------------- */

void correlation_matched(const struct rule *rule, const struct chain *chain, const struct event *e,
	int32_t item, rule_field_fn *put, void *ctx)
{
	const struct compiled *c = compiled_of(rule);
	const struct step s = { .e = e, .item = item };
	for (uint32_t i = 0; i < c->correlation->by; i++) {
		const struct field_ref *ref = chain->by[i];
		struct value v;
		if (value_of(&s, ref, &v))
			put_shown(c, ref, v, put, ctx);
	}
}
