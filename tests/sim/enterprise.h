/* enterprise.h - what is common to the parts of the simulator, and what enterprises do: they emit,
 * take in, and talk to their parents. */
#ifndef TESTS_SIM_ENTERPRISE_H
#define TESTS_SIM_ENTERPRISE_H

#include "tests/sim/world.h"

enum {
	GO_MS = 2000,
	FAULT_KINDS = 12,
	NEVER_MS = 9007199254740991 / 1024,
};

static const char *const fault_names[FAULT_KINDS] = { "crash", "link down", "request or reply lost",
	"store of yesterday", "store gone", "Redis trimmed", "sensor's epoch", "disk fails",
	"clock jumps", "a frame twice", "parent crashes", "parent's store of yesterday" };

static struct sim sim;
static uint64_t kinds; /* of faults, as bits */
static uint64_t window_s;
static bool asleep;        /* enterprises between their turns */
static int64_t longest_ms; /* that a link is down */
static const int64_t minute = 60000, hour = 3600000, day = 86400000;

/* --- enterprises emit, and take in ----------------------------------------------------------- */

static void emit(struct sim_node *x)
{
	for (unsigned i = 0; i < x->sensors; i++) {
		struct sim_sensor *s = &x->sensor[i];
		uint64_t more = (uint64_t)between(0, (int64_t)(2 * x->rate * window_s / 86400));
		if (one_in(200))
			more += (uint64_t)between(50, 400);
		s->emitted += more;
		sim.events += more;
	}
	int64_t window = (int64_t)window_s * 1000;
	x->emit_ms = sim.now_ms + between(window * 4 / 5, window * 6 / 5);
	if (asleep) /* shortly before its window closes */
		x->emit_ms = (sim.now_ms / window + 2) * window - between(100, GO_MS - 500);
}

/* Up to which n Redis has trimmed an epoch. */
static uint64_t gone(const struct sim_sensor *s, uint64_t epoch)
{
	return epoch == s->epoch ? s->gone : s->gone_of[epoch % 64];
}

/* As intake does: from the node's own position, in batches, until Redis has no more. */
static void take_in(struct sim_node *x)
{
	char name[16], json[1024];
	struct now now = sim_now(&sim, x);
	for (unsigned i = 0; i < x->sensors; i++) {
		struct sim_sensor *s = &x->sensor[i];
		uint64_t epoch = 0, n = 0;
		snprintf(name, sizeof name, "s%u", i);
		bool known = digest_position(&x->node, name, &epoch, &n);
		if (known && epoch == s->epoch && n >= s->emitted)
			continue;
		/* what a rebuilt store has forgotten, of the epochs that Redis still holds */
		uint64_t from_epoch = known ? epoch : s->epoch - s->past_epochs;
		store_begin(x->node.store);
		for (uint64_t e = from_epoch; e <= s->epoch; e++) {
			uint64_t last = e == s->epoch ? s->emitted : s->last_of[e % 64];
			uint64_t at = known && e == epoch ? n : 0;
			if (at < gone(s, e))
				at = gone(s, e);
			while (++at <= last) {
				struct intake_event ev = { .sensor = name, .epoch = e, .n = at };
				ev.type = sim_event(
					x, i, e, at, now.wall_ms, json, sizeof json, &ev.len);
				ev.json = json;
				digest_fold(&x->node, &ev, now);
			}
		}
		digest_save(&x->node);
		if (!store_commit(x->node.store))
			digest_undo(&x->node, now);
	}
}

/* What Redis still has of an epoch. */
static bool is_there(const struct sim_sensor *s, uint64_t epoch, uint64_t n)
{
	return n <= (epoch == s->epoch ? s->emitted : s->last_of[epoch % 64]) && n > gone(s, epoch);
}

/* Windows that were cut. */
static void take_again(struct sim_node *x)
{
	struct digest_again a;
	struct digest_range r;
	char json[1024];
	struct now now = sim_now(&sim, x);
	while (digest_again_open(&x->node, &a)) {
		while (digest_again_range(&x->node, &a, &r)) {
			unsigned i = (unsigned)(r.sensor[1] - '0');
			for (uint64_t at = r.from; at <= r.to; at++) {
				struct intake_event ev = {
					.sensor = r.sensor, .epoch = r.epoch, .n = at
				};
				ev.type = sim_event(
					x, i, r.epoch, at, now.wall_ms, json, sizeof json, &ev.len);
				ev.json = json;
				if (is_there(&x->sensor[i], r.epoch, at))
					digest_again_fold(&x->node, &a, &ev);
			}
		}
		sim.again++;
		if (!digest_again_close(&x->node, &a))
			return;
	}
}

/* --- links ------------------------------------------------------------------------------------ */

static void deliver(struct sim_node *x)
{
	struct sim_flight *f = &x->flight;
	struct sim_node *p = x->parent;
	struct answer a = { .retry_after = -1 };
	struct now now = sim_now(&sim, p);
	f->arrive_ms = 0;
	if (f->head) {
		accept_head(&p->node, &x->peer, now, &a);
	} else {
		struct post_in in = { .has_range = f->post.has_range,
			.ep = f->post.first.ep,
			.first = f->post.first.sq,
			.last = f->post.last.sq,
			.body = f->post.body,
			.len = f->post.len };
		sim.posts++;
		sim.frames += f->post.frames;
		accept_up(&p->node, &x->peer, &in, now, &a);
	}
	f->status = a.status;
	f->retry_after = a.retry_after;
	f->answer = a.json;
	f->len = a.len;
	a.json = NULL;
	answer_free(&a);
}

static void answered(struct sim_node *x, int status)
{
	struct sim_flight *f = &x->flight;
	link_answer(x->node.link[0], sim_now(&sim, x), status, f->retry_after, f->answer, f->len);
	sim_free_flight(x);
	x->link_ms = sim.now_ms;
}

static void link_turn(struct sim_node *x)
{
	struct sim_flight *f = &x->flight;
	int64_t again = 0;
	struct now now = sim_now(&sim, x);
	enum link_ask ask = link_next(x->node.link[0], now, &f->post, &again);
	if (ask == ASK_NOTHING) {
		int64_t wait = again - now.mono_ms;
		x->link_ms = wait > day ? sim.now_ms + day : sim.now_ms + (wait < 1 ? 1 : wait);
		return;
	}
	f->busy = true;
	f->posted = ask == ASK_POST;
	f->head = ask == ASK_HEAD;
	f->retry_after = -1;
	bool down = sim.now_ms < x->cut_until_ms || sim.now_ms < x->parent->cut_until_ms - 2 * day;
	if (f->posted)
		link_left(x->node.link[0], now, &f->post, true);
	f->arrive_ms = down ? 0 : sim.now_ms + between(1, 50);
	f->reply_ms = down ? sim.now_ms + 10000 : f->arrive_ms + between(1, 50);
	f->lost_reply = down;
	x->link_ms = f->arrive_ms > 0 ? f->arrive_ms : f->reply_ms;
}

static void link_work(struct sim_node *x)
{
	struct sim_flight *f = &x->flight;
	if (!f->busy) {
		link_turn(x);
	} else if (f->arrive_ms > 0) {
		deliver(x);
		x->link_ms = f->reply_ms;
	} else {
		answered(x, f->lost_reply ? 0 : f->status);
	}
}

#endif
