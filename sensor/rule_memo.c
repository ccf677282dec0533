/* rule_memo.c - what the rules came to for messages that come again and again: a poll is judged
 * once. A table without chains: a print has a choice of few places beside each other, and takes one
 * that was not asked for since the last print wanted it, so that answers which are never the same
 * do not push out polls. */
#include "sensor/rule_impl.h"

#include <stdlib.h>

enum {
	MEMOS = 4096, /* 128 KiB: in the second-level cache, with room for others */
	CHOICE = 2,   /* a line of the cache */
};

_Static_assert(sizeof(struct memo) * CHOICE <= 64, "one miss for all of a choice");

static bool ref_is_steady(const struct field_ref *ref, const struct dissector *d)
{
	if (ref->source == FROM_ENVELOPE)
		return ref->index != ENV_TIMESTAMP && ref->index != ENV_VERDICT_LATENCY;
	return ref->source == FROM_ITEM || ref->dissector != d || !(d->numbers >> ref->index & 1);
}

static bool node_is_steady(const struct node *n, const struct dissector *d)
{
	if (n->kind == NODE_TERM || n->kind == NODE_QUICK)
		return ref_is_steady(&n->term->ref, d) &&
		       (n->term->op != OP_FIELD || ref_is_steady(n->term->other, d));
	for (uint32_t i = 0; n->kind != NODE_NEVER && i < n->count; i++)
		if (!node_is_steady(n->child[i], d))
			return false;
	return true;
}

bool rule_is_steady(const struct compiled *c, const struct dissector *d)
{
	return node_is_steady(c->root, d);
}

struct memo *memo_new(void)
{
	struct memo *m = aligned_alloc(64, MEMOS * sizeof *m);
	if (m != NULL)
		memset(m, 0, MEMOS * sizeof *m);
	return m;
}

static struct memo *choice_of(const struct rule_run *run, uint64_t print)
{
	return &run->memo[print / 2 * CHOICE % MEMOS];
}

/* Where it may go; NULL: nowhere this time. */
static struct memo *place_for(const struct rule_run *run, uint64_t print)
{
	struct memo *m = choice_of(run, print), *found = NULL;
	for (unsigned i = 0; i < CHOICE; i++) {
		if (!m[i].used)
			found = &m[i];
		m[i].used = false;
	}
	return found;
}

void memo_keep(struct rule_run *run, uint64_t print, const struct hit *hits, size_t count)
{
	if (count > MEMO_HITS || run->rules->count > MEMO_RULES)
		return;
	struct memo *m = place_for(run, print);
	if (m == NULL)
		return;
	m->print = print;
	m->hits = (uint8_t)count;
	m->later = 0;
	for (unsigned i = 0; i < count; i++) {
		m->hit[i].rule = (uint16_t)hits[i].rule->index;
		m->hit[i].item = (int16_t)hits[i].item;
		m->later |= (uint8_t)(hits[i].later << i);
	}
}

void rules_expect(const struct rule_run *run, uint64_t print)
{
	__builtin_prefetch(choice_of(run, print));
}

bool rules_recall(struct rule_run *run, const struct event *e, struct hit *hits, size_t *count)
{
	struct memo *m = choice_of(run, e->print);
	if (m->print != e->print)
		m++;
	if (e->print == 0 || m->print != e->print)
		return false;
	for (unsigned i = 0; i < m->hits; i++) {
		bool later = m->later >> i & 1;
		hits[i] = (struct hit){ .rule = &run->rules->rule[m->hit[i].rule]->rule,
			.later = later,
			.item = m->hit[i].item };
		run->tally[m->hit[i].rule].held += !later;
	}
	m->used = true;
	*count = m->hits;
	return true;
}
