/* live.c - a mirror port: packets, time that passes without them, canaries. */
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "sensor/capture.h"
#include "sensor/control.h"
#include "sensor/frag.h"
#include "sensor/run.h"
#include "common/sandbox.h"

enum { SECOND = 1000000000 };

struct live {
	struct run *run;
	int64_t now_ns;                       /* monotonic */
	int64_t packet_ns;                    /* of the last packet */
	int64_t polled_ns;                    /* what on_frame() took for now in the last poll */
	int64_t canary_ns, stats_ns, beat_ns; /* of the last one */
	bool silent_told;
};

static void say(void *ctx, const char *line)
{
	(void)ctx;
	fprintf(stderr, "bongsu-sensor: %s\n", line);
}

/* --- opening ----------------------------------------------------------------------------- */

/* The folder of a path, to which files may be added. */
static void add_folder(struct text_list *list, const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash == NULL ? 0 : (size_t)(slash - path);
	if (n >= sizeof folder)
		return;
	memcpy(folder, path, n);
	folder[n] = '\0';
	text_list_keep(list, slash == NULL ? "." : n == 0 ? "/" : folder);
}

/* A folder and those above it. */
static bool make_folder(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	if (n >= sizeof part) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(part, path, n + 1);
	for (size_t i = 1; i < n; i++) {
		if (part[i] != '/')
			continue;
		part[i] = '\0';
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return false;
		part[i] = '/';
	}
	return mkdir(path, 0750) == 0 || errno == EEXIST;
}

static bool has_redis(const struct run *r)
{
	const struct text_list *specs =
		r->options->outputs.count > 0 ? &r->options->outputs : &r->config->outputs;
	for (size_t i = 0; i < specs->count; i++)
		if (strncmp(specs->text[i], "redis", 5) == 0)
			return true;
	return false;
}

/* A folder to write in, belonging to whom we are going to be. */
static bool make_own(
	const struct config *c, const char *setting, const char *folder, struct err *err)
{
	if (!make_folder(folder))
		return err_set(err, "%s %s: %s", setting, folder, strerror(errno));
	const struct passwd *user = c->user == NULL ? NULL : getpwnam(c->user);
	const struct group *group = c->group == NULL ? NULL : getgrnam(c->group);
	if (geteuid() != 0 || (user == NULL && group == NULL))
		return true;
	if (chown(folder, user == NULL ? (uid_t)-1 : user->pw_uid,
		    group == NULL ? (gid_t)-1 : group->gr_gid) == 0)
		return true;
	return err_set(err, "%s %s: %s", setting, folder, strerror(errno));
}

static void writable_paths(const struct run *r, struct text_list *out)
{
	const struct text_list *specs =
		r->options->outputs.count > 0 ? &r->options->outputs : &r->config->outputs;
	if (!r->no_spool)
		text_list_keep(out, run_spool(r));
	for (size_t i = 0; i < specs->count; i++)
		if (strncmp(specs->text[i], "file:", 5) == 0)
			add_folder(out, specs->text[i] + 5);
	if (r->config->asset_file != NULL)
		add_folder(out, r->config->asset_file);
	if (r->config->pack_folder != NULL && r->config->pack_keys.count > 0)
		add_folder(out, r->config->pack_folder);
	if (r->config->evidence_dir != NULL)
		text_list_keep(out, r->config->evidence_dir);
	if (r->options->pdus != NULL && strcmp(r->options->pdus, "-") != 0)
		add_folder(out, r->options->pdus);
	if (r->control != NULL)
		add_folder(out, control_path(r));
	if (r->options->pidfile != NULL)
		add_folder(out, r->options->pidfile);
}

static void add_reads(struct text_list *out, const char *spec)
{
	char paths[SINK_READS][SINK_PATH];
	unsigned n = sink_reads(spec, paths);
	while (n > 0)
		text_list_keep(out, paths[--n]);
}

/* Their folders: a file that is written anew is often another one of that name. */
static void add_baselines(struct text_list *out, const struct baselines *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const char *file = b->use[i].file;
		const char *slash = file == NULL ? NULL : strrchr(file, '/');
		if (slash != NULL && slash != file)
			text_list_add(out, "%.*s", (int)(slash - file), file);
		else if (file != NULL)
			text_list_keep(out, file);
	}
}

static void readable_paths(const struct run *r, struct text_list *out)
{
	for (size_t i = 0; i < r->rules.paths.count; i++)
		text_list_keep(out, r->rules.paths.text[i]);
	if (r->rules.lists != NULL)
		text_list_keep(out, r->rules.lists);
	if (r->config->asset_oui != NULL && access(r->config->asset_oui, R_OK) == 0)
		text_list_keep(out, r->config->asset_oui);
	add_baselines(out, &r->config->baselines);
	if (r->rules.attack != NULL)
		text_list_keep(out, r->rules.attack);
	const struct text_list *specs =
		r->options->outputs.count > 0 ? &r->options->outputs : &r->config->outputs;
	for (size_t i = 0; i < specs->count; i++)
		add_reads(out, specs->text[i]);
	if (r->config->pack_redis != NULL)
		add_reads(out, r->config->pack_redis);
}

/* NULL-terminated, as sandbox_enter() takes them; the caller frees the array. */
static const char **terminated(const struct text_list *list)
{
	const char **paths = calloc(list->count + 1, sizeof *paths);
	for (size_t i = 0; paths != NULL && i < list->count; i++)
		paths[i] = list->text[i];
	return paths;
}

static bool enter_sandbox(struct run *r, struct err *err)
{
	struct text_list read = { 0 }, write = { 0 };
	readable_paths(r, &read);
	writable_paths(r, &write);
	const char **readable = terminated(&read), **writable = terminated(&write);
	struct sandbox_options o = {
		.user = r->config->user,
		.group = r->config->group,
		.readable = readable,
		.writable = writable,
		.no_seccomp = !r->config->sandbox,
		.no_landlock = !r->config->sandbox,
		.server = r->control != NULL,
		.log = r->options->quiet ? NULL : say,
	};
	bool ok = sandbox_enter(&o, err);
	free(readable);
	free(writable);
	text_list_free(&read);
	text_list_free(&write);
	return ok;
}

bool live_open(struct run *r, struct err *err)
{
	struct capture_options o = {
		.interfaces = (const char *const *)r->config->interfaces.text,
		.count = r->config->interfaces.count,
		.filter = r->config->filter,
		.buffer_bytes = (uint32_t)(r->config->buffer_mib << 20),
		.timeout_ms = (uint32_t)r->config->capture_ms,
		.warn = say,
	};
	struct err spool = { 0 };
	r->no_spool = !make_own(r->config, "spool.folder", run_spool(r), &spool);
	if (r->no_spool && has_redis(r))
		return err_set(err, "%s", spool.text);
	if (r->no_spool && !r->options->quiet)
		fprintf(stderr, "bongsu-sensor: %s: the epoch is not kept\n", spool.text);
	const char *evidence = r->config->evidence_dir;
	if (evidence != NULL && !make_own(r->config, "evidence.folder", evidence, err))
		return false;
	r->capture = capture_open(&o, err);
	if (r->capture == NULL)
		return false;
	r->control = control_open(r, err);
	return !err->set && enter_sandbox(r, err);
}

/* --- running ----------------------------------------------------------------------------- */

static void on_frame(void *ctx, const struct frame *f, unsigned interface)
{
	struct live *l = ctx;
	l->run->tell->eve.in_iface = capture_interface(l->run->capture, interface);
	l->packet_ns = l->now_ns;
	l->silent_told = false;
	run_frame(l->run, f);
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
	frags_tick(r->frags, wall);
	transport_tick(r->transport, wall);
	judge_tick(r->judge, wall);
	if (wall >= r->tick_ns)
		run_tick(r, (struct stamp){ .ts_ns = wall, .frame = r->frame });
	watch_silence(l);
	if (r->canary && due(&l->canary_ns, l->now_ns, r->config->canary_s))
		run_canary(r, wall);
	if (due(&l->beat_ns, l->now_ns, 1)) {
		count_kernel(r);
		run_beat(r, l->packet_ns == l->polled_ns ? wall - r->last_ns : 0);
	}
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
	l.packet_ns = l.polled_ns = l.canary_ns = l.stats_ns = l.beat_ns = l.now_ns;
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
		l.polled_ns = l.now_ns;
		l.now_ns = mono_ns();
		pass_time(&l);
		if (r->control != NULL)
			control_serve(r->control, l.now_ns);
	}
	count_kernel(r);
	return status;
}
