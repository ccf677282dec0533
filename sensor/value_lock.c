/* value_lock.c - conditions over several points that must not hold together. */
#include <math.h>
#include <stdlib.h>

#include "sensor/value.h"

static bool holds(const struct clause *c, double v)
{
	switch ((enum clause_op)c->op) {
	case CLAUSE_EQ:
		return v == c->value;
	case CLAUSE_NEQ:
		return v != c->value;
	case CLAUSE_LT:
		return v < c->value;
	case CLAUSE_LTE:
		return v <= c->value;
	case CLAUSE_GT:
		return v > c->value;
	case CLAUSE_GTE:
		return v >= c->value;
	default:
		return false;
	}
}

/* What is not known, or no longer, holds nothing. */
static bool all_hold(const struct values *v, const struct interlock *lock)
{
	for (unsigned i = 0; i < lock->clauses; i++) {
		const struct track *t = &v->track[lock->clause[i].point];
		if (!t->known || t->at_ns == INT64_MIN || t->stale_told ||
			!holds(&lock->clause[i], t->value))
			return false;
	}
	return true;
}

static void tell(struct values *v, size_t i, const struct seen *s, uint32_t point, struct stamp at)
{
	struct lock_state *l = &v->lock[i];
	l->told = true;
	struct finding f = finding_of(VALUE_INTERLOCK, point, s);
	f.at = at;
	f.value = v->track[point].value;
	f.interlock = v->points->interlock[i].name;
	f.seconds = (double)value_age(at.ts_ns, l->since_ns) / 1e9;
	value_tell(v, &f);
}

static void check(struct values *v, size_t i, const struct seen *s, uint32_t point, struct stamp at)
{
	const struct interlock *lock = &v->points->interlock[i];
	struct lock_state *l = &v->lock[i];
	if (!all_hold(v, lock)) {
		*l = (struct lock_state){ .since_ns = INT64_MIN };
		return;
	}
	if (l->since_ns == INT64_MIN)
		l->since_ns = at.ts_ns;
	if (!l->told && value_age(at.ts_ns, l->since_ns) >= lock->for_ns)
		tell(v, i, s, point, at);
}

void locks_check(struct values *v, const struct seen *s, uint32_t point)
{
	const struct track *t = &v->track[point];
	for (unsigned i = 0; i < t->locks; i++)
		check(v, v->lock_of[t->lock + i], s, point, s->e->at);
}

/* Those that hold and have to hold a while longer. */
void locks_tick(struct values *v, struct stamp now)
{
	const struct stamp at = { .ts_ns = now.ts_ns };
	for (size_t i = 0; i < v->points->interlocks; i++)
		if (v->lock[i].since_ns != INT64_MIN && !v->lock[i].told)
			check(v, i, NULL, v->points->interlock[i].clause[0].point, at);
}

void locks_rest(struct values *v)
{
	for (size_t i = 0; i < v->points->interlocks; i++)
		v->lock[i] = (struct lock_state){ .since_ns = INT64_MIN };
}

/* Is it mentioned by the interlock before clause @k? */
static bool again(const struct interlock *lock, unsigned k)
{
	for (unsigned i = 0; i < k; i++)
		if (lock->clause[i].point == lock->clause[k].point)
			return true;
	return false;
}

/* Which interlocks a point is in: two walks, to count and to fill. */
bool locks_open(struct values *v)
{
	const struct points *p = v->points;
	size_t total = 0;
	for (size_t i = 0; i < p->interlocks; i++)
		for (unsigned k = 0; k < p->interlock[i].clauses; k++)
			if (!again(&p->interlock[i], k) &&
				v->track[p->interlock[i].clause[k].point].locks < UINT16_MAX) {
				v->track[p->interlock[i].clause[k].point].locks++;
				total++;
			}
	v->lock = calloc(p->interlocks + 1, sizeof *v->lock);
	v->lock_of = calloc(total + 1, sizeof *v->lock_of);
	if (v->lock == NULL || v->lock_of == NULL)
		return false;
	uint32_t next = 0;
	for (size_t i = 0; i < p->count; i++) {
		v->track[i].lock = next;
		next += v->track[i].locks;
		v->track[i].locks = 0;
	}
	for (size_t i = 0; i < p->interlocks; i++)
		for (unsigned k = 0; k < p->interlock[i].clauses; k++) {
			struct track *t = &v->track[p->interlock[i].clause[k].point];
			if (!again(&p->interlock[i], k) && t->locks < UINT16_MAX)
				v->lock_of[t->lock + t->locks++] = (uint32_t)i;
		}
	locks_rest(v);
	return true;
}
