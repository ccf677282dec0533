/* run.c - what replay and live capture share: opening, one frame, signals' wishes, closing. */
#include "sensor/run.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "common/clock.h"
#include "sensor/audit.h"
#include "sensor/capture.h"
#include "sensor/changes.h"
#include "sensor/control.h"
#include "sensor/epoch.h"
#include "sensor/evidence.h"
#include "sensor/frag.h"
#include "sensor/limiter.h"

struct wishes wishes;

enum {
	FRAG_TIMEOUT_S = 30,
	PDUS_BUFFER = 1 << 20,
	MIB = 1 << 20,
	KIB = 1 << 10,
};

#define TICK_NS INT64_C(1000000000)

/* --- opening ----------------------------------------------------------------------------- */

static bool open_rules(struct run *r, struct err *err)
{
	struct text_list faults = { 0 };
	rules_find(&r->rules, r->options, r->config);
	if (r->rules.paths.count == 0)
		return err_set(err, "no rules found beside the program: name them with -S");
	bool ok = rules_read(&r->rules, r->config, &faults);
	for (size_t i = 0; i < faults.count; i++)
		fprintf(stderr, "%s\n", faults.text[i]);
	if (!ok)
		err_set(err, "rules invalid: %zu fault%s", faults.count,
			faults.count == 1 ? "" : "s");
	text_list_free(&faults);
	return ok;
}

const char *run_packs_redis(const struct run *r)
{
	const struct text_list *from =
		r->options->outputs.count > 0 ? &r->options->outputs : &r->config->outputs;
	if (r->config->pack_redis != NULL)
		return r->config->pack_redis;
	for (size_t i = 0; i < from->count; i++)
		if (strncmp(from->text[i], "redis", 5) == 0)
			return from->text[i];
	return NULL;
}

/* Packs in use are kept beside the spool, whose folder is ours to write in. */
static const char *packs_folder(const struct run *r, char beside[PATH_MAX])
{
	if (r->config->pack_folder != NULL || !r->live || r->no_spool)
		return r->config->pack_folder;
	int n = snprintf(beside, PATH_MAX, "%s/packs", run_spool(r));
	return n < PATH_MAX ? beside : NULL;
}

/* Rules that the site accepted join our own. A replay asks for them once, before it begins. */
static bool open_packs(struct run *r, struct err *err)
{
	static char beside[PATH_MAX];
	struct rules *rules = NULL;
	bool lasting = r->live || r->options->speed != 0;
	struct packs_options o = { .config = r->config,
		.own = &r->rules,
		.redis = run_packs_redis(r),
		.folder = packs_folder(r, beside),
		.quiet = r->options->quiet };
	if (r->config->pack_keys.count == 0)
		return true;
	r->packs = packs_open(&o, !r->live, &rules, err);
	if (r->packs == NULL)
		return false;
	if (rules != NULL)
		rules_use(&r->rules, rules);
	return !lasting || packs_start(r->packs, err);
}

static bool choose_events(struct run *r, struct err *err)
{
	const struct text_list *lists[] = { &r->options->events, &r->config->events };
	r->tell->events = EVENT_ALERT | EVENT_VERDICT | EVENT_ANOMALY | EVENT_CANARY | EVENT_AUDIT;
	for (size_t l = 0; l < 2; l++) {
		for (size_t i = 0; i < lists[l]->count; i++) {
			uint64_t bit = event_bit(lists[l]->text[i]);
			const char *near =
				bit != 0 ? NULL : text_nearest(lists[l]->text[i], event_names());
			if (bit == 0)
				return err_set(err, "no such event: %s%s%s%s", lists[l]->text[i],
					near == NULL ? "" : " (did you mean ",
					near == NULL ? "" : near, near == NULL ? "" : "?)");
			r->tell->events |= bit;
		}
	}
	return true;
}

/* -o, else the configuration's outputs, else stdout; nothing at all where stdout is for --pdus. */
static struct text_list outputs_of(const struct run *r)
{
	struct text_list out = { 0 };
	const struct text_list *from = r->options->outputs.count > 0 || r->options->command != NULL
					       ? &r->options->outputs
					       : &r->config->outputs;
	for (size_t i = 0; i < from->count; i++)
		text_list_keep(&out, from->text[i]);
	bool stdout_taken = r->options->pdus != NULL && strcmp(r->options->pdus, "-") == 0;
	if (out.count == 0 && !stdout_taken && !r->options->rule_report &&
		r->options->command == NULL)
		text_list_add(&out, "-");
	return out;
}

static bool open_sinks(struct run *r, struct err *err)
{
	struct text_list specs = outputs_of(r);
	struct sink_options o = {
		.sensor = r->tell->eve.sensor,
		.epoch = r->tell->eve.epoch,
		.live = r->live,
		.spool_dir = run_spool(r),
		.spool_bytes = r->config->spool_mib * MIB,
		.keep_s = (uint32_t)r->config->keep_s,
		.drain_s = (uint32_t)r->config->drain_s,
	};
	if (specs.count > 0)
		r->sinks = sinks_open((const char *const *)specs.text, specs.count, &o, err);
	r->tell->sinks = r->sinks;
	text_list_free(&specs);
	return !err->set;
}

/* A bad output is said before anything is opened, and by -T too. */
static bool check_sinks(const struct run *r, enum status *status, struct err *err)
{
	struct text_list specs = outputs_of(r);
	bool good = sinks_check((const char *const *)specs.text, specs.count, err);
	text_list_free(&specs);
	if (!good && r->options->outputs.count > 0)
		*status = STATUS_USAGE;
	return good;
}

static bool open_pdus(struct run *r, struct err *err)
{
	const char *path = r->options->pdus;
	if (path == NULL)
		return true;
	r->pdus = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	if (r->pdus == NULL)
		return err_set(err, "--pdus %s: %s", path, strerror(errno));
	setvbuf(r->pdus, NULL, _IOFBF, PDUS_BUFFER);
	return true;
}

/* Only what is told needs proof. */
static bool open_evidence(struct run *r, struct err *err)
{
	if (r->sinks != NULL && (r->tell->events & EVENT_ALERT) != 0)
		r->evidence = evidence_open(r->config, r->live, &r->counters, err);
	r->tell->evidence = r->evidence;
	return !err->set;
}

static bool open_watchers(struct run *r, struct err *err)
{
	struct watch w = { .config = r->config,
		.options = r->options,
		.counters = &r->counters,
		.seed = r->live ? (uint64_t)wall_ns() : 0,
		.live = r->live,
		.folder = r->no_spool ? NULL : run_spool(r) };
	r->watchers = watchers_new(&w, err);
	return r->watchers != NULL;
}

static bool open_judge(struct run *r, struct err *err)
{
	const struct config *c = r->config;
	bool silent = r->sinks == NULL && !r->options->rule_report;
	uint64_t seed = r->live ? (uint64_t)wall_ns() : 0;
	r->canary = r->live && canary_tag(r->tag);
	if (c->changes_only)
		r->changes = changes_new(c->log_points, seed, &r->counters);
	if (c->changes_only && r->changes == NULL)
		return err_set(err, "out of memory");
	struct judge_options o = {
		.rules = silent ? NULL : r->rules.run,
		.tell = r->tell,
		.counters = &r->counters,
		.pdus = r->pdus,
		.max_waiting = c->max_waiting,
		.wait_bytes = c->wait_mib * MIB,
		.max_requests = (unsigned)c->max_requests,
		.limiter_entries = c->limiter,
		.fold = { .every = c->fold,
			.entries = c->max_alerts,
			.bytes = c->alert_mib * MIB,
			.close_ns = (int64_t)c->alert_close_s * TICK_NS,
			.remind_ns = (int64_t)c->alert_remind_s * TICK_NS },
		.memory_bytes = c->memory_mib * MIB,
		.forgetful = r->options->rule_report,
		.seed = seed,
		.one_way_pdus = (uint32_t)c->one_way_pdus,
		.reply_ms = c->reply_ms,
		.canary_tag = r->canary ? r->tag : NULL,
		.watchers = r->watchers,
		.quiet = &r->config->quiet,
		.changes = r->changes,
		.flow_facts = site_facts,
		.facts_ctx = &r->config->site,
	};
	r->judge = judge_new(&o);
	return r->judge != NULL || err_set(err, "out of memory");
}

/* It becomes part of Redis keys, in braces. */
static bool is_name(const char *name)
{
	size_t n = 0;
	for (; name[n] != '\0'; n++)
		if ((unsigned char)name[n] <= ' ' || name[n] == 0x7f || name[n] == '{' ||
			name[n] == '}')
			return false;
	return n > 0 && n <= 128;
}

static bool open_tell(struct run *r, struct err *err)
{
	const struct config *c = r->config;
	static char host[256];
	if (c->name == NULL && gethostname(host, sizeof host - 1) != 0)
		return err_set(err, "no host name: set sensor.name");
	if (c->name != NULL && !is_name(c->name))
		return err_set(err,
			"sensor.name: 1 to 128 printable characters without blanks and braces: %s",
			c->name);
	r->tell = calloc(1, sizeof *r->tell);
	if (r->tell == NULL)
		return err_set(err, "out of memory");
	r->tell->counters = &r->counters;
	r->tell->eve = (struct eve){
		.sensor = c->name == NULL ? host : c->name,
		.epoch = c->epoch,
		.roles = c->site.roles.label,
		.zones = c->site.zones.label,
		.names = c->site.names.label,
		.criticality = c->site.criticality,
		.started_ns = r->live ? wall_ns() : 0,
	};
	return true;
}

const char *run_spool(const struct run *r)
{
	if (r->config->spool_dir != NULL || !r->live)
		return r->config->spool_dir;
	return "/var/lib/bongsu/spool";
}

/* Live: after privileges are gone, so that the file belongs to who writes the spool. */
static bool choose_epoch(struct run *r, struct err *err)
{
	if (r->config->epoch != UINT64_MAX)
		return true;
	return epoch_choose(r->no_spool ? NULL : run_spool(r), r->live, &r->tell->eve.epoch, err);
}

bool run_open(struct run *r, const struct options *o, struct config *c, enum status *status,
	struct err *err)
{
	r->options = o;
	r->config = c;
	r->live = c->interfaces.count > 0 && o->inputs.count == 0;
	r->started_ns = mono_ns();
	*status = STATUS_CONFIG;
	if (!check_sinks(r, status, err) || !open_tell(r, err) || !choose_events(r, err) ||
		!packs_check(c, err) || !evidence_check(c, err) || !open_rules(r, err))
		return false;
	if (o->action == ACTION_TEST)
		return true;
	*status = STATUS_CAPTURE;
	if (r->live && !live_open(r, err))
		return false;
	*status = STATUS_FAILED;
	if (r->live)
		quiet_keep_load(r);
	if (!choose_epoch(r, err) || !open_packs(r, err) || !open_pdus(r, err) ||
		!open_sinks(r, err) || !open_evidence(r, err) || !open_watchers(r, err) ||
		!open_judge(r, err))
		return false;
	run_beat(r, 0);
	return true;
}

/* --- one capture ------------------------------------------------------------------------- */

bool run_capture_start(struct run *r, struct err *err)
{
	const struct config *c = r->config;
	uint64_t seed = 0;
	run_capture_end(r);
	r->frame = 0;
	if (getrandom(&seed, sizeof seed, 0) != sizeof seed)
		return err_set(err, "no random numbers");
	struct frag_options f = {
		.max_datagrams = c->max_frags,
		.max_bytes = c->frag_mib * MIB,
		.timeout_s = FRAG_TIMEOUT_S,
		.seed = seed,
		.counters = &r->counters,
		.inspector = judge_inspector(r->judge),
	};
	struct transport_options t = {
		.max_flows = c->max_flows,
		.pool_bytes = c->pool_mib * MIB,
		.tcp_idle_s = (uint32_t)c->tcp_idle_s,
		.udp_idle_s = (uint32_t)c->udp_idle_s,
		.gap_ms = (uint32_t)c->gap_ms,
		.gap_bytes = (uint32_t)c->gap_kib * KIB,
		.hash_seed = seed,
		.counters = &r->counters,
		.inspector = judge_inspector(r->judge),
	};
	r->frags = frags_new(&f);
	r->transport = transport_new(&t);
	r->packets = (struct packet_options){
		.checksums = c->checksums && !r->options->no_checksums ? CHECKSUM_VERIFY
								       : CHECKSUM_IGNORE,
		.frags = r->frags,
		.counters = &r->counters,
		.inspector = judge_inspector(r->judge),
	};
	return (r->frags != NULL && r->transport != NULL) || err_set(err, "out of memory");
}

static struct stamp now(const struct run *r)
{
	return (struct stamp){ .ts_ns = r->last_ns, .frame = r->frame };
}

void run_capture_end(struct run *r)
{
	if (r->transport != NULL) {
		frags_finish(r->frags);
		transport_finish(r->transport);
		judge_finish(r->judge);
		watchers_finish(r->watchers, now(r));
		judge_end(r->judge);
		if (r->evidence != NULL)
			evidence_finish(r->evidence, now(r), judge_inspector(r->judge));
	}
	transport_free(r->transport);
	frags_free(r->frags);
	r->transport = NULL;
	r->frags = NULL;
}

void run_tick(struct run *r, struct stamp at)
{
	audit_tick(r, at);
	r->tick_ns = at.ts_ns + TICK_NS;
	watchers_tick(r->watchers, at);
	if (r->evidence != NULL)
		evidence_tick(r->evidence, at, judge_inspector(r->judge));
}

void run_frame(struct run *r, const struct frame *f)
{
	int64_t ts_ns = f->ts_ns;
	struct packet *p = &r->packet;
	p->at = (struct stamp){ .ts_ns = ts_ns, .frame = ++r->frame };
	p->link = f->link;
	p->caplen = f->caplen;
	p->wirelen = f->wirelen;
	p->bytes = f->bytes;
	if (r->tell->eve.started_ns == 0)
		r->tell->eve.started_ns = ts_ns;
	if (ts_ns > r->last_ns)
		r->last_ns = ts_ns;
	if (r->evidence != NULL)
		evidence_frame(r->evidence, p);
	if (ts_ns >= r->tick_ns || ts_ns < r->tick_ns - 2 * TICK_NS)
		run_tick(r, p->at);
	bool done = packet_decode(p, &r->packets);
	if (r->evidence != NULL)
		evidence_decoded(r->evidence, p, done);
	if (done)
		transport_packet(r->transport, p);
	while (packet_second_reading(p, &r->packets))
		transport_packet(r->transport, p);
}

void run_canary(struct run *r, int64_t now_ns)
{
	uint8_t bytes[CANARY_FRAME];
	canary_frame(bytes, r->tag, now_ns);
	struct frame frame = { .ts_ns = now_ns,
		.link = LINK_ETHERNET,
		.caplen = sizeof bytes,
		.wirelen = sizeof bytes,
		.bytes = bytes };
	/* It is no traffic: neither counted nor numbered. */
	struct counters before = r->counters;
	struct evidence *evidence = r->evidence;
	r->evidence = NULL;
	run_frame(r, &frame);
	r->evidence = evidence;
	r->frame--;
	r->counters.packets = before.packets;
	r->counters.bytes = before.bytes;
	r->counters.pdus = before.pdus;
}

/* --- signals ----------------------------------------------------------------------------- */

static void reload(struct run *r)
{
	struct text_list faults = { 0 };
	run_reload(r, &faults);
	text_list_free(&faults);
}

bool run_wishes(struct run *r)
{
	if (wishes.counters) {
		wishes.counters = 0;
		summary_counters(stderr, &r->counters);
	}
	if (wishes.reopen) {
		wishes.reopen = 0;
		if (r->sinks != NULL)
			sinks_reopen(r->sinks);
	}
	if (wishes.reload) {
		wishes.reload = 0;
		reload(r);
	}
	if (r->packs != NULL)
		run_take_packs(r);
	if (wishes.canary) {
		wishes.canary = 0;
		if (r->canary)
			run_canary(r, wall_ns());
	}
	if (r->sinks != NULL && sinks_broken(r->sinks))
		return true;
	return wishes.stop != 0;
}

/* --- closing ----------------------------------------------------------------------------- */

static enum status close_pdus(struct run *r, enum status status)
{
	if (r->pdus == NULL)
		return status;
	bool bad = ferror(r->pdus) != 0;
	bad |= (r->pdus == stdout ? fflush(stdout) : fclose(r->pdus)) != 0;
	if (!bad)
		return status;
	fprintf(stderr, "bongsu-sensor: --pdus %s: %s\n", r->options->pdus, strerror(errno));
	return status == STATUS_OK ? STATUS_FAILED : status;
}

static enum status close_sinks(struct run *r, struct sink_totals *totals, enum status status)
{
	struct err err = { 0 };
	if (r->sinks == NULL)
		return status;
	sinks_totals(r->sinks, totals);
	bool ok = sinks_close(r->sinks, &err);
	r->sinks = NULL;
	if (ok)
		return status;
	fprintf(stderr, "bongsu-sensor: %s\n", err.text);
	return status == STATUS_OK ? STATUS_FAILED : status;
}

enum status run_close(struct run *r, enum status status)
{
	struct sink_totals totals = { 0 };
	if (r->judge != NULL) {
		run_capture_end(r);
		if (r->packs != NULL)
			run_take_packs(r);
		struct stamp at = { .ts_ns = r->live ? wall_ns() : r->last_ns,
			.frame = r->counters.packets };
		if (summary_checksums_bad(&r->counters)) {
			struct anomaly a = { .kind = ANOMALY_CHECKSUMS,
				.at = at,
				.count = r->counters.bad_ip_sum + r->counters.bad_l4_sum };
			tell_anomaly(r->tell, &a);
		}
		tell_stats(r->tell, at);
		run_beat(r, 0);
	}
	status = close_sinks(r, &totals, close_pdus(r, status));
	if (r->judge != NULL) {
		struct summary s = {
			.counters = &r->counters,
			.pdus = judge_pdus(r->judge),
			.levels = judge_levels(r->judge),
			.sinks = &totals,
			.elapsed_ns = mono_ns() - r->started_ns,
			.checksums_hint = summary_checksums_bad(&r->counters),
		};
		if (!r->options->quiet)
			summary_print(stderr, &s);
		if (r->options->rule_report && r->rules.run != NULL)
			rules_report(r->rules.run, stdout);
	}
	judge_free(r->judge);
	changes_free(r->changes);
	watchers_free(r->watchers);
	evidence_close(r->evidence);
	packs_close(r->packs);
	control_close(r->control);
	capture_close(r->capture);
	rules_in_use_free(&r->rules);
	free(r->tell);
	return status;
}
