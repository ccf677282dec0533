/* live.c - a mirror port: packets, time that passes without them, canaries. */
#include <string.h>

#include "common/clock.h"
#include "sensor/capture.h"
#include "sensor/run.h"

enum { SECOND = 1000000000 };

struct live {
	struct run *run;
	int64_t now_ns;              /* monotonic */
	int64_t packet_ns;           /* of the last packet */
	int64_t canary_ns, stats_ns; /* of the last one */
	bool silent_told;
};

static void on_frame(void *ctx, const struct frame *f, unsigned interface)
{
	struct live *l = ctx;
	l->run->tell->eve.in_iface = capture_interface(l->run->capture, interface);
	l->packet_ns = l->now_ns;
	l->silent_told = false;
	run_frame(l->run, f->ts_ns, f->link, f->bytes, f->caplen, f->wirelen);
}

static void count_kernel(struct run *r)
{
	struct capture_stats stats;
	capture_stats(r->capture, &stats);
	r->counters.kernel_packets = stats.received;
	r->counters.kernel_drops = stats.dropped + stats.if_dropped;
}

/* A mirror port that delivers nothing may be unplugged, or no mirror any more. */
static void watch_silence(struct live *l)
{
	int64_t limit = (int64_t)l->run->config->silent_s * SECOND;
	if (limit == 0 || l->silent_told || l->now_ns - l->packet_ns < limit)
		return;
	l->silent_told = true;
	struct anomaly a = {
		.kind = ANOMALY_SILENT,
		.at = { .ts_ns = wall_ns(), .frame = l->run->frame },
		.count = (uint64_t)((l->now_ns - l->packet_ns) / SECOND),
	};
	tell_anomaly(l->run->tell, &a);
}

/* Is it @period_s since *last? Then it is now. */
static bool due(int64_t *last, int64_t now_ns, uint64_t period_s)
{
	if (period_s == 0 || now_ns - *last < (int64_t)period_s * SECOND)
		return false;
	*last = now_ns;
	return true;
}

static void pass_time(struct live *l)
{
	struct run *r = l->run;
	int64_t wall = wall_ns();
	transport_tick(r->transport, wall);
	judge_tick(r->judge, wall);
	watch_silence(l);
	if (r->canary && due(&l->canary_ns, l->now_ns, r->config->canary_s))
		run_canary(r, wall);
	if (due(&l->stats_ns, l->now_ns, r->config->stats_s)) {
		count_kernel(r);
		tell_stats(r->tell, (struct stamp){ .ts_ns = wall, .frame = r->frame });
	}
}

enum status live(struct run *r)
{
	struct live l = { .run = r, .now_ns = mono_ns() };
	struct err err = { 0 };
	enum status status = STATUS_OK;
	l.packet_ns = l.canary_ns = l.stats_ns = l.now_ns;
	if (!run_capture_start(r, &err)) {
		fprintf(stderr, "bongsu-sensor: %s\n", err.text);
		return STATUS_FAILED;
	}
	while (!run_wishes(r)) {
		struct err lost = { 0 };
		int got = capture_poll(r->capture, (int)r->config->capture_ms, on_frame, &l, &lost);
		if (lost.set)
			fprintf(stderr, "bongsu-sensor: %s\n", lost.text);
		if (got < 0) {
			status = STATUS_CAPTURE;
			break;
		}
		l.now_ns = mono_ns();
		pass_time(&l);
	}
	count_kernel(r);
	return status;
}
