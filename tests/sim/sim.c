/* sim.c - `make chain-sim`: days of a chain with faults, by the real code under a virtual clock,
 * and an exact balance at the end.
 * usage: sim [--days N | --hours N] [--drain HOURS] [--enterprises N] [--provinces N] [--faults N]
 *            [--seed N] [--window S] [--kinds BITS] [--rate EVENTS] [--asleep 1]
 * --asleep: enterprises that are not at work are packed, so that there may be 100,000 of them; what
 * one of them does within two seconds is done in one go. */
#include "tests/sim/faults.h"
#include "tests/sim/oracle.h"

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
