/* rule_memo.c - what the rules came to for messages that come again and again: a poll is judged
 * once. A table without chains: what meets in a place takes it. */
#include "sensor/rule_impl.h"

#include <stdlib.h>

enum { MEMOS = 4096 }; /* 128 KiB: in the second-level cache, with room for others */

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
	return calloc(MEMOS, sizeof(struct memo));
}

void memo_keep(struct rule_run *run, uint64_t print, const struct hit *hits, size_t count)
{
	struct memo *m = &run->memo[print / 2 % MEMOS];
	if (count > MEMO_HITS || run->rules->count > MEMO_RULES)
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
	__builtin_prefetch(&run->memo[print / 2 % MEMOS]);
}

bool rules_recall(struct rule_run *run, const struct event *e, struct hit *hits, size_t *count)
{
	const struct memo *m = &run->memo[e->print / 2 % MEMOS];
	if (e->print == 0 || m->print != e->print)
		return false;
	for (unsigned i = 0; i < m->hits; i++) {
		bool later = m->later >> i & 1;
		hits[i] = (struct hit){ .rule = &run->rules->rule[m->hit[i].rule]->rule,
			.later = later,
			.item = m->hit[i].item };
		run->tally[m->hit[i].rule].held += !later;
	}
	*count = m->hits;
	return true;
}
