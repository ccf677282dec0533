/* sim.c - `make chain-sim`: days of a chain with faults, by the real code under a virtual clock,
 * and an exact balance at the end.
 * usage: sim [--days N | --hours N] [--drain HOURS] [--enterprises N] [--provinces N] [--faults N]
 *            [--seed N] [--window S] [--kinds BITS] [--rate EVENTS] [--asleep 1]
 * --asleep: enterprises that are not at work are packed, so that there may be 100,000 of them; what
 * one of them does within two seconds is done in one go. */
#include "tests/sim/world.h"

enum {
	TURN_MOST = 1000,
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

/* --- a heap of who is due ------------------------------------------------------------------ */

static struct due {
	int64_t at_ms;
	struct sim_node *x;
} * heap;
static size_t heap_len, heap_cap;

static void heap_put(int64_t at_ms, struct sim_node *x)
{
	if (heap_len == heap_cap) {
		heap_cap = heap_cap == 0 ? 1024 : heap_cap * 2;
		heap = realloc(heap, heap_cap * sizeof *heap);
		if (heap == NULL)
			abort();
	}
	size_t i = heap_len++;
	while (i > 0 && heap[(i - 1) / 2].at_ms > at_ms) {
		heap[i] = heap[(i - 1) / 2];
		i = (i - 1) / 2;
	}
	heap[i] = (struct due){ at_ms, x };
}

static struct due heap_take(void)
{
	struct due first = heap[0], last = heap[--heap_len];
	size_t i = 0;
	for (size_t c; (c = 2 * i + 1) < heap_len; i = c) {
		if (c + 1 < heap_len && heap[c + 1].at_ms < heap[c].at_ms)
			c++;
		if (heap[c].at_ms >= last.at_ms)
			break;
		heap[i] = heap[c];
	}
	heap[i] = last;
	return first;
}

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

/* --- turns -------------------------------------------------------------------------------------
 */

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static void work(struct sim_node *x, int64_t every_ms)
{
	if (x->fail_until_ms > 0 && sim.now_ms >= x->fail_until_ms) {
		store_fail_after(x->node.store, -1);
		x->fail_until_ms = 0;
	} else if (x->fail_until_ms > 0) {
		store_fail_after(x->node.store, between(0, 40));
	}
	if (sim.now_ms >= x->fault_ms)
		fault(x, every_ms);
	if (sim.now_ms >= x->emit_ms) {
		if (!sim.quiet_time)
			emit(x);
		else
			x->emit_ms = sim.now_ms + (int64_t)window_s * 1000;
		take_in(x);
		take_again(x);
	}
	if (sim.now_ms >= x->tick_ms) {
		struct now now = sim_now(&sim, x);
		int64_t again = node_tick(&x->node, now) - now.mono_ms;
		x->tick_ms = sim.now_ms + (again < 1000 ? 1000 : again > day ? day : again);
		if (asleep && x->id.tier == TIER_ENTERPRISE)
			x->tick_ms = sim.now_ms + digest_due(&x->node, now) - now.mono_ms;
	}
	if (x->parent != NULL && (sim.now_ms >= x->link_ms || (x->woken && !x->flight.busy)))
		link_work(x);
	x->woken = false;
}

static int64_t next_of(const struct sim_node *x)
{
	int64_t at = least(x->tick_ms, x->emit_ms);
	at = least(at, x->fault_ms);
	if (x->parent != NULL)
		at = least(at, x->link_ms);
	if (x->fail_until_ms > 0)
		at = least(at, x->fail_until_ms);
	return at <= sim.now_ms ? sim.now_ms + 1 : at;
}

/* What it has to do in the next moments, too; then it sleeps. Others are as far as they were. */
static void work_and_sleep(struct sim_node *x, int64_t every_ms)
{
	int64_t now = sim.now_ms, at;
	while ((at = next_of(x)) < now + GO_MS) {
		sim.now_ms = at;
		work(x, every_ms);
	}
	sim.now_ms = now;
	store_sleep(x->node.store);
}

static void run_until(int64_t end_ms, int64_t every_ms)
{
	while (heap_len > 0 && heap[0].at_ms <= end_ms) {
		struct due d = heap_take();
		sim.now_ms = d.at_ms > sim.now_ms ? d.at_ms : sim.now_ms;
		work(d.x, every_ms);
		if (asleep && d.x->id.tier == TIER_ENTERPRISE)
			work_and_sleep(d.x, every_ms);
		heap_put(next_of(d.x), d.x);
		/* a wake from another node's turn */
		struct sim_node *p = d.x->parent;
		if (p != NULL && p->woken && p->parent != NULL && !p->flight.busy &&
			p->link_ms > sim.now_ms)
			p->link_ms = sim.now_ms, heap_put(sim.now_ms + 1, p);
	}
	sim.now_ms = end_ms;
}

/* --- making the world ----------------------------------------------------------------------- */

static void configure(struct sim_node *x, bool leaf)
{
	agg_config_init(&x->config);
	free(x->config.folder);
	x->config.folder = NULL;
	x->config.beat_s = 3600;
	x->config.window_s = window_s;
	x->config.history_days = 3;
	x->config.hold_s = 3 * 86400;
	x->config.rollup_again_s = asleep ? 300 : 1800;
	text_list_keep(&x->config.shared_rules, "/dev/null");
	x->config.max_children = 200000;
	if (leaf)
		x->config.redis = strdup("redis://127.0.0.1:1");
	if (x->parent == NULL)
		return;
	x->config.parents = 1;
	x->config.parent[0] = (struct agg_parent){ .url = strdup("https://127.0.0.1:1"),
		.org = strdup(x->parent->id.org),
		.level = 1,
		.count = true,
		.severity = 4 };
}

static void be(struct sim_node *x, unsigned index, enum tier tier, struct sim_node *parent)
{
	uint8_t seed[KEY_SEED] = { 0 };
	x->index = index;
	x->parent = parent;
	x->id.tier = tier;
	snprintf(x->id.org, sizeof x->id.org, "%016" PRIx64 "%016x", mix(index, 77), index);
	snprintf(x->id.region, sizeof x->id.region, "%s", tier == TIER_NATION ? "" : "370500");
	snprintf(x->id.industry, sizeof x->id.industry, "%s", tier == TIER_ENTERPRISE ? "C26" : "");
	memcpy(seed, &index, sizeof index);
	key_from_seed(&x->id.key, seed);
	memcpy(x->id.site_key, seed, sizeof seed);
	x->peer = (struct peer){ .tier = tier, .not_before = 0, .not_after = 4102444800 };
	memcpy(x->peer.org, x->id.org, sizeof x->peer.org);
	memcpy(x->peer.region, x->id.region, sizeof x->peer.region);
	memcpy(x->peer.industry, x->id.industry, sizeof x->peer.industry);
	key_from_public(&x->peer.key, x->id.key.public_);
	x->emit_ms = x->fault_ms = NEVER_MS;
	configure(x, tier == TIER_ENTERPRISE);
}

static void make_world(uint64_t rate, int64_t every_ms)
{
	sim.count = 1 + sim.provinces + sim.enterprises;
	sim.all = calloc(sim.count, sizeof *sim.all);
	if (sim.all == NULL)
		abort();
	for (unsigned i = 0; i < sim.count; i++) {
		struct sim_node *x = &sim.all[i];
		if (i == 0)
			be(x, i, TIER_NATION, NULL);
		else if (i <= sim.provinces)
			be(x, i, TIER_PROVINCE, &sim.all[0]);
		else
			be(x, i, TIER_ENTERPRISE, &sim.all[1 + i % sim.provinces]);
		x->mono_off_ms = between(0, 1000000);
		sim_open(&sim, x, NULL, 0);
		if (asleep && i > sim.provinces)
			store_sleep(x->node.store);
		if (i > sim.provinces) {
			x->sensors = one_in(4) ? 2 : 1;
			x->rate = rate;
			for (unsigned k = 0; k < x->sensors; k++)
				x->sensor[k].epoch = 1;
			x->emit_ms = between(0, (int64_t)window_s * 1000);
			x->fault_ms = between(0, every_ms);
		}
		x->tick_ms = between(0, 1000);
		x->link_ms = between(0, 1000);
		heap_put(next_of(x), x);
	}
}

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

/* ------------------------------------------------------------------------------------------- */

static double cpu_s(void)
{
	return (double)clock() / CLOCKS_PER_SEC;
}

static void print_losses(void)
{
	struct query *q = store_query(sim.all[0].node.store,
		"SELECT reason, sum(events) FROM period_lost WHERE res = 86400 GROUP BY reason");
	while (query_row(q))
		printf("lost{%s}: %" PRId64 "\n", row_text(q, 0), row_int(q, 1));
	query_done(q);
}

static unsigned report(uint64_t hours)
{
	struct totals t;
	struct rusage use;
	unsigned wrong = check_all(&t);
	getrusage(RUSAGE_SELF, &use);
	printf("%" PRIu64 " hours, %u enterprises, %u provinces: %" PRIu64 " events, %" PRIu64
	       " frames in %" PRIu64 " posts\n",
		hours, sim.enterprises, sim.provinces, sim.events, sim.frames, sim.posts);
	printf("%" PRIu64 " faults:", sim.faults);
	for (unsigned i = 0; i < FAULT_KINDS; i++)
		printf("%s %s %" PRIu64, i == 0 ? "" : ",", fault_names[i], sim.by_kind[i]);
	printf("\n%" PRIu64 " windows were cut and read again", sim.again);
	printf("\nnation: %" PRId64 " events = %" PRId64 " alerts + %" PRId64 " other + %" PRId64
	       " lost with a reason\n",
		t.events, t.alerts, t.other, t.lost);
	print_losses();
	printf("%.1f s of processor, %ld MiB\n", cpu_s(), use.ru_maxrss / 1024);
	return wrong;
}

static uint64_t number(int argc, char **argv, const char *name, uint64_t otherwise)
{
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return strtoull(argv[i + 1], NULL, 10);
	return otherwise;
}

int main(int argc, char **argv)
{
	uint64_t hours = number(argc, argv, "--hours", 24 * number(argc, argv, "--days", 3));
	uint64_t drain = number(argc, argv, "--drain", 48);
	uint64_t seed = number(argc, argv, "--seed", 1),
		 faults = number(argc, argv, "--faults", 20);
	sim.enterprises = (unsigned)number(argc, argv, "--enterprises", 50);
	sim.provinces = (unsigned)number(argc, argv, "--provinces", 2);
	window_s = number(argc, argv, "--window", 300);
	kinds = number(argc, argv, "--kinds", ~UINT64_C(0));
	sim_seed = mix(seed, 12345) | 1;
	asleep = number(argc, argv, "--asleep", 0) != 0;
	int64_t total_ms = (int64_t)hours * hour;
	longest_ms = total_ms / 2 < 26 * hour ? total_ms / 2 : 26 * hour;
	if (!keys_init() || hours == 0 || window_s == 0 || sim.provinces == 0 ||
		sim.enterprises == 0)
		return 2;
	/* twice as often as asked, because chance may pass one over */
	int64_t every_ms = total_ms / (int64_t)(faults + faults / 4 + (faults < 5 ? 1 : 5));
	make_world(number(argc, argv, "--rate", 288), every_ms);
	printf("seed %" PRIu64 "\n", seed);
	/* a day at a time, or at least in four steps */
	int64_t step_ms = total_ms / 4 < day ? total_ms / 4 : day;
	for (int64_t end_ms = step_ms; end_ms <= total_ms; end_ms += step_ms) {
		run_until(end_ms, every_ms);
		for (unsigned i = 1; i < sim.count; i++)
			if (i <= sim.provinces || one_in(asleep ? 20 : 2))
				snapshot(&sim.all[i]);
		fprintf(stderr, "sim: %.1f h, %.0f s of processor\n", (double)end_ms / (double)hour,
			cpu_s());
	}
	sim.quiet_time = true;
	for (unsigned i = 0; i < sim.count; i++)
		sim.all[i].cut_until_ms = 0;
	run_until(total_ms + (int64_t)drain * hour, every_ms);
	unsigned fewest = UINT32_MAX;
	for (unsigned i = sim.provinces + 1; i < sim.count; i++)
		if (sim.all[i].faults < fewest)
			fewest = (unsigned)sim.all[i].faults;
	unsigned wrong = report(hours);
	printf("at least %u faults each\n", fewest);
	printf("%u passed, %u failed\n", wrong == 0 ? sim.count : 0, wrong);
	return wrong == 0 ? 0 : 1;
}
