/* oracle.h - what must be true at the end, exactly, and what there was. */
#ifndef TESTS_SIM_ORACLE_H
#define TESTS_SIM_ORACLE_H

#include "tests/sim/enterprise.h"

/* --- the oracle ------------------------------------------------------------------------------- */

static bool held_exactly(const struct child *c, uint64_t number, uint64_t epoch, uint64_t last)
{
	uint64_t next = 1;
	for (unsigned i = 0; i < c->spans; i++) {
		if (c->span[i].sensor != number || c->span[i].epoch != epoch)
			continue;
		if (c->span[i].from != next)
			return false;
		next = c->span[i].to + 1;
	}
	return next == last + 1;
}

/* Where one stands that is not as it should be. */
static void print_stand(struct sim_node *x, const struct child *c)
{
	struct link_state l;
	link_state(x->node.link[0], &l);
	printf("   link: next %" PRIu64 "/%" PRIu64 ", durable %" PRIu64 "/%" PRIu64 ", %" PRId64
	       " wait, %" PRId64 " hurry, %s%s, asks in %" PRId64 " s; clock off by %" PRId64
	       " s, disk fails until %" PRId64 "\n",
		l.next.ep, l.next.sq, l.dur.ep, l.dur.sq, l.waiting, l.hurrying,
		l.stopped ? "stopped: " : "goes", l.why, (x->link_ms - sim.now_ms) / 1000,
		x->wall_off_ms / 1000, x->fail_until_ms);
	for (unsigned i = 0; i < x->sensors; i++) {
		char name[16];
		uint64_t epoch = 0, n = 0;
		snprintf(name, sizeof name, "s%u", i);
		digest_position(&x->node, name, &epoch, &n);
		printf("   %s: read to %" PRIu64 "-%" PRIu64 ", emitted to %" PRIu64 "-%" PRIu64
		       ", trimmed to %" PRIu64 "\n",
			name, epoch, n, x->sensor[i].epoch, x->sensor[i].emitted,
			x->sensor[i].gone);
	}
	for (unsigned i = 0; c != NULL && i < c->spans; i++)
		printf("   held: %012" PRIx64 " %" PRIu64 "-%" PRIu64 " to %" PRIu64 "\n",
			c->span[i].sensor, c->span[i].epoch, c->span[i].from, c->span[i].to);
}

static unsigned check_enterprise(struct sim_node *x)
{
	const struct child *c = accept_child(&x->parent->node, x->id.org);
	unsigned wrong = 0;
	uint64_t emitted = 0, trimmed = 0;
	for (unsigned i = 0; i < x->sensors; i++) {
		const struct sim_sensor *s = &x->sensor[i];
		char name[16];
		snprintf(name, sizeof name, "s%u", i);
		uint64_t number = digest_sensor_number(&x->node, name);
		emitted += s->past + s->emitted;
		for (uint64_t e = 1; c != NULL && e <= s->epoch; e++) {
			uint64_t last = e == s->epoch ? s->emitted : s->last_of[e % 64];
			trimmed += gone(s, e);
			if (last > 0 && !held_exactly(c, number, e, last)) {
				printf("WRONG %.8s s%u epoch %" PRIu64
				       ": the parent's coverage is not 1 to %" PRIu64 "\n",
					x->id.org, i, e, last);
				wrong++;
			}
		}
	}
	if (c == NULL || (uint64_t)c->sum.events != emitted ||
		c->sum.events != c->sum.alerts + c->sum.other + c->sum.lost) {
		printf("WRONG %.8s: %" PRIu64 " emitted, %" PRId64 " held (%" PRId64
		       " alerts, %" PRId64 " other, %" PRId64 " lost), %" PRIu64 " faults\n",
			x->id.org, emitted, c == NULL ? -1 : c->sum.events,
			c == NULL ? 0 : c->sum.alerts, c == NULL ? 0 : c->sum.other,
			c == NULL ? 0 : c->sum.lost, x->faults);
		wrong++;
	}
	if (c != NULL && (uint64_t)c->sum.lost > trimmed) {
		printf("WRONG %.8s: %" PRId64 " lost, but Redis trimmed %" PRIu64 " only\n",
			x->id.org, c->sum.lost, trimmed);
		wrong++;
	}
	if (wrong > 0)
		print_stand(x, c);
	return wrong;
}

static bool same(const struct totals *a, const struct totals *b)
{
	return a->events == b->events && a->alerts == b->alerts && a->other == b->other &&
	       a->items == b->items && a->suppressed == b->suppressed && a->sampled == b->sampled &&
	       a->withheld == b->withheld && a->lost == b->lost;
}

static void add(struct totals *t, const struct totals *more)
{
	t->events += more->events;
	t->alerts += more->alerts;
	t->other += more->other;
	t->items += more->items;
	t->suppressed += more->suppressed;
	t->sampled += more->sampled;
	t->withheld += more->withheld;
	t->lost += more->lost;
}

static unsigned check_all(struct totals *nation)
{
	unsigned wrong = 0;
	struct totals all = { 0 };
	for (unsigned i = 1; i <= sim.provinces; i++) {
		struct totals children = { 0 }, periods = { 0 };
		for (unsigned k = sim.provinces + 1; k < sim.count; k++) {
			struct totals t = { 0 };
			if (sim.all[k].parent == &sim.all[i] &&
				accept_totals(&sim.all[i].node, sim.all[k].id.org, &t))
				add(&children, &t);
		}
		rollup_totals(&sim.all[i].node, 86400, &periods);
		if (!same(&children, &periods)) {
			printf("WRONG province %u: children %" PRId64 " events, periods %" PRId64
			       "\n",
				i, children.events, periods.events);
			wrong++;
		}
		add(&all, &periods);
		struct link_state l;
		link_state(sim.all[i].node.link[0], &l);
		if (l.waiting > 0 || l.hurrying > 0)
			printf("province %u still has %" PRId64 " waiting, %" PRId64
			       " in a hurry\n",
				i, l.waiting, l.hurrying);
	}
	rollup_totals(&sim.all[0].node, 86400, nation);
	if (!same(&all, nation)) {
		printf("WRONG nation: provinces %" PRId64 " events, nation %" PRId64 "\n",
			all.events, nation->events);
		wrong++;
	}
	for (unsigned i = sim.provinces + 1; i < sim.count; i++)
		wrong += check_enterprise(&sim.all[i]);
	return wrong;
}

#endif
