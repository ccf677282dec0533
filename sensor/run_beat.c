/* run_beat.c - what Redis is told of the sensor's state. */
#include "sensor/run.h"

#include <inttypes.h>
#include <string.h>

#include "sensor/build_info.h"
#include "sensor/limiter.h"

/* Which rules, by their ids and revisions. */
static void digest(const struct rules *rules, char *out, size_t cap)
{
	uint64_t key = 0;
	for (size_t i = 0; i < rules_count(rules); i++) {
		const struct rule *rule = rules_at(rules, i);
		key = key_mix(key_mix(key, rule->sid), rule->rev);
		key = key_mix_bytes(key, (const uint8_t *)rule->id, strlen(rule->id));
	}
	snprintf(out, cap, "%zu-%016" PRIx64, rules_count(rules), key);
}

void run_beat(struct run *r, int64_t lag_ns)
{
	struct sink_beat beat = {
		.packets = r->counters.packets,
		.kernel_drops = r->counters.kernel_drops,
		.blind_bytes = r->counters.gap_bytes,
		.lag_ms = lag_ns > 0 ? (uint64_t)lag_ns / 1000000 : 0,
		.n = r->tell->n,
	};
	if (r->sinks == NULL)
		return;
	snprintf(beat.version, sizeof beat.version, "%s", bongsu_version);
	digest(r->rules.rules, beat.rules, sizeof beat.rules);
	sinks_beat(r->sinks, &beat);
}
