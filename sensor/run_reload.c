/* run_reload.c - rules, packs and baselines that are others now. */
#include "sensor/run.h"

#include <stdio.h>

#include "common/clock.h"
#include "sensor/packs.h"

static void told_reloaded(const struct run *r, size_t before)
{
	fprintf(stderr, "bongsu-sensor: rules reloaded: %zu, before %zu\n",
		rules_count(r->rules.rules), before);
}

void run_take_packs(struct run *r)
{
	char why[256];
	size_t before = rules_count(r->rules.rules);
	struct rules *rules = packs_ready(r->packs);
	if (rules != NULL) {
		judge_rules(r->judge, NULL);
		if (rules_use(&r->rules, rules))
			told_reloaded(r, before);
		judge_rules(r->judge, r->rules.run);
	}
	r->counters.packs = packs_in_use(r->packs);
	while (packs_refusal(r->packs, why)) {
		struct anomaly a = {
			.kind = ANOMALY_PACK,
			.at = { .ts_ns = r->live ? wall_ns() : r->last_ns, .frame = r->frame },
			.count = 1,
			.detail = why,
		};
		r->counters.packs_refused++;
		tell_anomaly(r->tell, &a);
	}
}

/* What the watcher remembers points into what was in use, so it begins anew. */
static bool reload_baselines(struct run *r, struct text_list *faults)
{
	const struct baselines *b = &r->config->baselines;
	struct err err = { 0 };
	size_t before = faults->count;
	if (r->options->command != NULL) /* learns, or judges nothing */
		return true;
	size_t fresh = baselines_reread(b, faults);
	if (fresh > 0 && !watchers_renew(r->watchers, "baseline", &err))
		text_list_add(faults, "%s", err.text);
	bool ok = faults->count == before;
	if (ok)
		baselines_take(b);
	else
		baselines_drop(b);
	for (size_t i = before; i < faults->count; i++)
		fprintf(stderr, "%s\n", faults->text[i]);
	if (!ok)
		fprintf(stderr, "bongsu-sensor: baselines not read again, the old ones stay\n");
	else if (fresh > 0)
		fprintf(stderr, "bongsu-sensor: baselines read again: %zu\n", fresh);
	return ok;
}

static bool reload_rules(struct run *r, struct text_list *faults)
{
	size_t before = rules_count(r->rules.rules), first = faults->count;
	if (r->packs != NULL) {
		packs_look(r->packs, true);
		return true;
	}
	/* Waiting alerts point into the old set: they go out first. */
	judge_rules(r->judge, NULL);
	bool ok = rules_read(&r->rules, r->config, faults);
	judge_rules(r->judge, r->rules.run);
	for (size_t i = first; i < faults->count; i++)
		fprintf(stderr, "%s\n", faults->text[i]);
	if (ok)
		told_reloaded(r, before);
	else
		fprintf(stderr,
			"bongsu-sensor: rules not reloaded, the %zu old ones stay; faults: %zu\n",
			before, faults->count - first);
	return ok;
}

bool run_reload(struct run *r, struct text_list *faults)
{
	bool baselines = reload_baselines(r, faults);
	return reload_rules(r, faults) && baselines;
}
