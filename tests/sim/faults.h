/* faults.h - what goes wrong. */
#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "tests/sim/enterprise.h"

/* --- faults ------------------------------------------------------------------------------------
 */

static void new_epoch(struct sim_node *x)
{
	struct sim_sensor *s = &x->sensor[between(0, x->sensors - 1)];
	/* the tail that the aggregator has not read is lost with the sensor's store, unsaid by the
	 * sensor: only what was emitted into Redis counts */
	if (s->past_epochs >= 60)
		return;
	take_in(x);
	s->last_of[s->epoch % 64] = s->emitted;
	s->gone_of[s->epoch % 64] = s->gone;
	s->past += s->emitted;
	s->past_epochs++;
	s->epoch++;
	s->emitted = s->gone = 0;
}

static void trim_redis(struct sim_node *x)
{
	struct sim_sensor *s = &x->sensor[between(0, x->sensors - 1)];
	uint64_t more = (uint64_t)between(1, 30);
	s->emitted += more;
	sim.events += more;
	s->gone = s->emitted - (uint64_t)between(1, (int64_t)more); /* the newest stays */
}

/* Back to an older state, or to nothing. */
static void restore(struct sim_node *x, bool gone)
{
	if (!gone && x->snapshot != NULL) {
		sim_crash(&sim, x, x->snapshot, x->snapshot_len);
		return;
	}
	node_close(&x->node);
	sim_free_flight(x);
	x->mono_off_ms = between(0, 1000000) - x->latest_ms;
	sim_open(&sim, x, NULL, 0);
	x->rebuilt++;
}

static void snapshot(struct sim_node *x)
{
	free(x->snapshot);
	x->snapshot = store_freeze(x->node.store, &x->snapshot_len);
	if (asleep && x->id.tier == TIER_ENTERPRISE)
		store_sleep(x->node.store);
}

static void disk_fails(struct sim_node *x)
{
	store_fail_after(x->node.store, between(0, 40));
	x->fail_until_ms = sim.now_ms + between(1 * minute, 30 * minute);
}

static void clock_jumps(struct sim_node *x)
{
	x->wall_off_ms = one_in(2) ? 0 : between(-day, day);
}

static void parent_fault(struct sim_node *x, bool yesterday)
{
	if (yesterday && x->parent->snapshot != NULL)
		sim_crash(&sim, x->parent, x->parent->snapshot, x->parent->snapshot_len);
	else
		sim_crash(&sim, x->parent, NULL, 0);
}

static void do_fault(struct sim_node *x, unsigned kind)
{
	struct sim_flight *f = &x->flight;
	switch (kind) {
	case 0:
		sim_crash(&sim, x, NULL, 0);
		break;
	case 1:
		x->cut_until_ms =
			sim.now_ms + (one_in(5) ? between(longest_ms / 26, longest_ms)
						: between(longest_ms / 1560, longest_ms / 26));
		break;
	case 2:
		if (f->busy && one_in(2))
			f->lost_reply = true;
		else if (f->busy && f->arrive_ms > 0)
			f->arrive_ms = 0, f->lost_reply = true, x->link_ms = f->reply_ms;
		break;
	case 3:
		restore(x, false);
		break;
	case 4:
		restore(x, true);
		break;
	case 5:
		trim_redis(x);
		break;
	case 6:
		new_epoch(x);
		break;
	case 7:
		disk_fails(x);
		break;
	case 8:
		clock_jumps(x);
		break;
	case 9:
		if (f->busy && f->arrive_ms > 0) {
			int64_t at = f->arrive_ms;
			deliver(x);
			free(f->answer);
			f->answer = NULL;
			f->arrive_ms = at;
		}
		break;
	case 10:
		parent_fault(x, false);
		break;
	default:
		parent_fault(x, true);
		break;
	}
	sim.by_kind[kind]++;
	x->faults++;
	sim.faults++;
}

/* Parents' faults hit all their children: they are rarer. */
static void fault(struct sim_node *x, int64_t every_ms)
{
	unsigned kind = (unsigned)between(0, 9);
	if (sim.quiet_time) {
		x->fault_ms = NEVER_MS;
		return;
	}
	if (one_in(4 * (sim.enterprises / sim.provinces + 1)))
		kind = one_in(2) ? 10 : 11;
	if ((kinds >> kind & 1) != 0)
		do_fault(x, kind);
	x->fault_ms = sim.now_ms + between(every_ms / 2, every_ms * 3 / 2);
}

#endif
