/* rule_match.c - asks the few rules that can hold for an event. Nothing here allocates, but for
 * the plans of a protocol at its first event. */
#include "sensor/rule_impl.h"

#include <stdlib.h>

#include "common/clock.h"

struct rule_run *rule_run_new(const struct rules *rules)
{
	struct rule_run *run = calloc(1, sizeof *run);
	if (run == NULL)
		return NULL;
	size_t n = rules->count + 1;
	run->rules = rules;
	run->item_split_cap = rules->item_splits;
	run->plans = calloc(rules->group_count + 1, sizeof *run->plans);
	run->tally = calloc(n, sizeof *run->tally);
	run->pending = calloc(n, sizeof *run->pending);
	run->seen = calloc(n, sizeof *run->seen);
	run->item_split = calloc((size_t)rules->item_splits + 1, sizeof *run->item_split);
	run->form = calloc(1, FORM_BYTES);
	run->regex = regex_run_new();
	run->memo = memo_new();
	if (run->memo == NULL || run->plans == NULL || run->tally == NULL || run->pending == NULL ||
		run->seen == NULL || run->item_split == NULL || run->form == NULL ||
		run->regex == NULL) {
		rule_run_free(run);
		return NULL;
	}
	return run;
}

void rule_run_free(struct rule_run *run)
{
	if (run == NULL)
		return;
	for (size_t i = 0; run->plans != NULL && i < run->rules->group_count; i++)
		free(run->plans[i]);
	free(run->plans);
	free(run->tally);
	free(run->pending);
	free(run->seen);
	free(run->item_split);
	free(run->form);
	free(run->memo);
	regex_run_free(run->regex);
	free(run);
}

static const struct group *find_group(const struct rules *rules, const struct dissector *d)
{
	for (size_t i = 0; i < rules->group_count; i++)
		if (rules->groups[i].dissector == d)
			return &rules->groups[i];
	return NULL;
}

static const struct group *group_of(struct rule_run *run, const struct dissector *d)
{
	const struct group **near = &run->near[(uintptr_t)d / sizeof *d % NEAR];
	if (*near == NULL || (*near)->dissector != d)
		*near = find_group(run->rules, d);
	return *near;
}

bool rules_watch(const struct rules *rules, const struct dissector *d)
{
	const struct group *g = find_group(rules, d);
	return g != NULL && g->tree != NULL;
}

bool rules_may_hold(struct rule_run *run, const struct pdu *sketch)
{
	static const struct flow nowhere;
	struct event e;
	event_begin(&e, &nowhere, 0, (struct stamp){ 0 }, sketch);
	struct look look = { .e = &e, .run = run, .sketch = true };
	for (size_t i = 0; i < run->rules->count; i++) {
		const struct compiled *c = run->rules->rule[i];
		if (c->dissector == sketch->dissector && node_holds(c->root, &look) != NO)
			return true;
	}
	return false;
}

/* One walk over the tree of an event's protocol. */
struct walk {
	struct look look;
	struct gate gate; /* what is there */
	struct rule_run *run;
	struct hit *hits;
	size_t count, max;
	int32_t item; /* its index, -1 before items are pulled */
};

static enum tri ask_rest(const struct walk *w, const struct compiled *c, bool quick)
{
	if (!quick && !quick_passes(c, w->look.e))
		return NO;
	enum tri item = quick_item(c, w->look.item);
	if (item == NO || c->rest == NULL)
		return item;
	enum tri rest = node_holds(c->rest, &w->look);
	return rest == YES ? item : rest;
}

static enum tri ask(struct walk *w, const struct compiled *c, bool quick)
{
	struct tally *t = &w->run->tally[c->rule.index];
	t->asked++;
	if (!w->run->timing)
		return ask_rest(w, c, quick);
	int64_t start = mono_ns();
	enum tri holds = ask_rest(w, c, quick);
	t->timed_ns += (uint64_t)(mono_ns() - start);
	t->timed++;
	return holds;
}

static void hit(struct walk *w, const struct compiled *c, bool later)
{
	w->run->seen[c->rule.index] = w->run->serial;
	if (!later)
		w->run->tally[c->rule.index].held++;
	if (w->count == w->max) {
		w->run->hits_cut++;
		return;
	}
	w->hits[w->count++] = (struct hit){ .rule = &c->rule, .later = later, .item = w->item };
}

/* @quick: its quick part is known to hold. */
static void candidate(struct walk *w, const struct compiled *c, bool quick)
{
	if (w->look.item != NULL && w->run->seen[c->rule.index] == w->run->serial)
		return;
	enum tri holds = ask(w, c, quick);
	if (holds == YES)
		hit(w, c, false);
	else if (holds == MAYBE && w->look.item == NULL && c->root->items)
		w->run->pending[w->run->pending_count++] = c;
	else if (holds == MAYBE)
		hit(w, c, true);
}

/* Which of the six labels the ends have. */
static uint64_t labels_of(const struct flow *f, unsigned from)
{
	unsigned to = !from;
	return (f->role[from] != 0) | (unsigned)(f->role[to] != 0) << 1 |
	       (unsigned)(f->zone[from] != 0) << 2 | (unsigned)(f->zone[to] != 0) << 3 |
	       (unsigned)(f->name[from] != 0) << 4 | (unsigned)(f->name[to] != 0) << 5;
}

static struct gate gate_of(const struct event *e)
{
	const struct pdu *p = e->pdu;
	const struct flow *f = e->flow;
	uint64_t bits = (p->malformed != NULL ? GATE_MALFORMED : 0u) |
			(e->verdict.outcome != VERDICT_NONE ? GATE_VERDICT : 0u) |
			(p->items.dissector != NULL ? GATE_ITEMS : 0u) |
			(p->flags != 0 ? GATE_FLAGS : 0u);
	if ((f->role[0] | f->role[1] | f->zone[0] | f->zone[1] | f->name[0] | f->name[1]) != 0)
		bits |= labels_of(f, e->from) * GATE_LABEL;
	return (struct gate){ p->present, bits };
}

static void walk_leaf(struct walk *w, const struct split *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (gate_passes(&s->leaf[i].gate, &w->gate))
			candidate(w, s->leaf[i].rule, false);
}

/* The child for the event's value of the split's field, or NULL. */
static inline const struct split *child_of(const struct walk *w, const struct split *s)
{
	const struct pdu *p = w->look.e->pdu;
	struct value made[ENVELOPE_VALUES];
	const struct value *v;
	if (s->ref.source == FROM_HEADER &&
		s->ref.kind == KIND_UINT) /* the common ones, without detours */
		return pdu_has(p, s->ref.index) ? split_child(s, p->value[s->ref.index].u) : NULL;
	if (s->ref.source == FROM_ENVELOPE && s->ref.index == ENV_PDU_DIR)
		return split_child(s, p->dir);
	if (s->ref.source == FROM_ITEM && s->ref.kind == KIND_UINT && w->look.item != NULL &&
		s->ref.dissector == p->dissector)
		return item_has(w->look.item, s->ref.index)
			       ? split_child(s, w->look.item->value[s->ref.index].u)
			       : NULL;
	if (look_values(&w->look, &s->ref, made, &v) <= 0)
		return NULL;
	return split_child(s, key_of_value(&s->ref, v));
}

static void walk(struct walk *w, const struct split *s)
{
	for (; s != NULL; s = s->rest) {
		if (s->kind == SPLIT_LEAF) {
			if (gate_passes(&s->gate, &w->gate))
				walk_leaf(w, s);
		} else if (s->ref.source == FROM_ITEM && w->look.item == NULL)
			w->run->item_split[w->run->item_split_count++] = s;
		else
			walk(w, child_of(w, s));
	}
}

static void drop_settled(struct rule_run *run)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < run->pending_count; i++)
		if (run->seen[run->pending[i]->rule.index] != run->serial)
			run->pending[n++] = run->pending[i];
	run->pending_count = n;
}

/* Pulls the items once for all who wait for them. */
static void walk_items(struct walk *w)
{
	struct rule_run *run = w->run;
	struct item_cursor cursor = w->look.e->pdu->items;
	struct item item;
	for (w->item = 0; run->pending_count + run->item_split_count > 0; w->item++) {
		if (w->item == ITEMS_MAX) {
			run->items_cut++;
			break;
		}
		if (!items_next(&cursor, &item))
			break;
		w->look.item = &item;
		for (uint32_t i = 0; i < run->pending_count; i++)
			candidate(w, run->pending[i], true);
		drop_settled(run);
		for (uint32_t i = 0; i < run->item_split_count; i++)
			walk(w, child_of(w, run->item_split[i]));
	}
	/* Without items only the verdict can still decide; rule_holds() asks once it is there. */
	bool none = w->item == 0;
	w->look.item = NULL;
	w->item = -1;
	for (uint32_t i = 0; none && i < run->pending_count; i++)
		if (run->pending[i]->root->waits && w->look.e->verdict.outcome == VERDICT_PENDING)
			hit(w, run->pending[i], true);
}

/* In the order of the rules, whatever the order of the tree. */
static void sort_hits(struct hit *hits, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct hit h = hits[i];
		size_t at = i;
		for (; at > 0 && hits[at - 1].rule->index > h.rule->index; at--)
			hits[at] = hits[at - 1];
		hits[at] = h;
	}
}

static void next_event(struct rule_run *run)
{
	run->timing = run->events++ % SAMPLE_EVERY == 0;
	run->pending_count = run->item_split_count = 0;
	if (++run->serial == 0) {
		memset(run->seen, 0, (run->rules->count + 1) * sizeof *run->seen);
		run->serial = 1;
	}
}

static void take_step(struct walk *w, const struct plan_step *s)
{
	if (s->kind == STEP_ITEMS)
		w->run->item_split[w->run->item_split_count++] = s->split;
	else if (s->kind == STEP_WALK)
		walk(w, child_of(w, s->split));
	else if (quick_pass(s->rule, s->quick, w->look.e))
		candidate(w, s->rule, true);
	else
		w->run->tally[s->rule->rule.index].asked++;
}

/* NULL: there is no plan for such events, the tree has to be walked. */
static const struct plan *plan_of(
	struct rule_run *run, const struct group *g, const struct event *e, struct gate gate)
{
	struct plan **plans = &run->plans[g->number];
	if (*plans == NULL)
		*plans = calloc(PLANS, sizeof(struct plan));
	return *plans == NULL ? NULL : plan_for(*plans, g, e, gate);
}

static size_t ask_all(struct walk *w, const struct group *g, const struct plan *p)
{
	struct rule_run *run = w->run;
	for (unsigned i = 0; p != NULL && i < p->count; i++)
		take_step(w, &p->step[i]);
	if (p == NULL)
		walk(w, g->tree);
	if (run->pending_count + run->item_split_count > 0)
		walk_items(w);
	if (w->count > 1)
		sort_hits(w->hits, w->count);
	return w->count;
}

size_t rules_match(struct rule_run *run, const struct event *e, struct hit *hits, size_t max)
{
	const struct group *g = e->pdu == NULL ? NULL : group_of(run, e->pdu->dissector);
	size_t count = 0;
	if (g == NULL || g->tree == NULL)
		return 0;
	next_event(run);
	struct gate gate = gate_of(e);
	const struct plan *p = plan_of(run, g, e, gate);
	if (p == NULL || p->count > 0) {
		struct walk w = { .look = { .e = e, .run = run },
			.gate = gate,
			.run = run,
			.hits = hits,
			.max = max,
			.item = -1 };
		count = ask_all(&w, g, p);
	}
	if (e->print != 0 && g->steady)
		memo_keep(run, e->print, hits, count);
	return count;
}

bool rule_holds(
	struct rule_run *run, const struct rule *rule, const struct event *e, struct hit *out)
{
	const struct compiled *c = compiled_of(rule);
	struct look look = { .e = e, .run = run };
	*out = (struct hit){ .rule = rule, .item = -1 };
	enum tri holds = node_holds(c->root, &look);
	if (holds == MAYBE && c->root->items) {
		struct item_cursor cursor = e->pdu->items;
		struct item item;
		look.item = &item;
		for (int32_t i = 0; i < ITEMS_MAX && items_next(&cursor, &item); i++) {
			holds = node_holds(c->root, &look);
			out->item = i;
			if (holds == YES)
				break;
		}
	}
	if (holds == YES)
		run->tally[rule->index].held++;
	return holds == YES;
}
