/* replay.c - captures from files, as fast as they go or at their own speed. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "sensor/capture.h"
#include "sensor/run.h"
#include "sensor/savefile.h"

enum { LOOK_EVERY = 1024, DEPTH_MAX = 16, FILES_MAX = 1000000 };

struct pace {
	double speed;
	int64_t first_ns, start_ns;
};

/* Waits until the packet's time has come. */
static APART void keep_pace(struct pace *p, int64_t ts_ns)
{
	if (p->start_ns == 0) {
		p->start_ns = mono_ns();
		p->first_ns = ts_ns;
	}
	int64_t wait =
		p->start_ns + (int64_t)((double)(ts_ns - p->first_ns) / p->speed) - mono_ns();
	while (wait > 0 && !wishes.stop) {
		int64_t nap = wait < 100000000 ? wait : 100000000;
		struct timespec t = { .tv_sec = nap / 1000000000, .tv_nsec = nap % 1000000000 };
		nanosleep(&t, NULL);
		wait -= nap;
	}
}

static enum status open_failed(const struct err *err)
{
	fprintf(stderr, "bongsu-sensor: %s\n", err->text);
	return STATUS_CAPTURE;
}

/* Compiled when the first frame tells the link type. */
static bool passes(struct capture_filter **filter, const char *expression,
	const struct frame *frame, struct err *err)
{
	if (expression == NULL)
		return true;
	if (*filter == NULL)
		*filter = capture_filter_new(frame->link, expression, err);
	return *filter != NULL && capture_filter_match(*filter, frame);
}

static enum status replay_open_file(struct run *r, struct savefile *file, struct progress *progress)
{
	struct capture_filter *filter = NULL;
	struct pace pace = { .speed = r->options->speed };
	bool paced = pace.speed != 0;
	unsigned every = paced ? 1 : LOOK_EVERY, left = every;
	struct err err = { 0 };
	struct frame f = { 0 };
	int got;
	while ((got = savefile_next(file, &f, &err)) == 1) {
		if (--left == 0) {
			left = every;
			if (run_wishes(r))
				break;
			progress_tell(progress, &r->counters, savefile_position(file),
				savefile_size(file));
			if (paced)
				keep_pace(&pace, f.ts_ns);
		}
		if (passes(&filter, r->config->filter, &f, &err))
			run_frame(r, &f);
		else if (err.set)
			break;
		else
			r->frame++; /* left out, but it has its number */
	}
	capture_filter_free(filter);
	if (!err.set)
		return STATUS_OK;
	progress_end(progress);
	fprintf(stderr, "bongsu-sensor: %s\n", err.text);
	return got == -1 ? STATUS_DAMAGED : STATUS_USAGE;
}

static enum status replay_file(struct run *r, const char *path, struct progress *progress)
{
	struct err err = { 0 };
	struct savefile *file = savefile_open(path, &err);
	if (file == NULL)
		return open_failed(&err);
	savefile_stop_on(file, &wishes.stop);
	r->tell->eve.pcap_filename = path;
	if (!run_capture_start(r, &err)) {
		savefile_close(file);
		return open_failed(&err);
	}
	enum status status = replay_open_file(r, file, progress);
	run_capture_end(r);
	r->tell->eve.pcap_filename = NULL;
	savefile_close(file);
	return status;
}

static bool has_capture_suffix(const char *name)
{
	static const char *const suffixes[] = { ".pcap", ".pcapng", ".cap" };
	size_t n = strlen(name);
	for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
		size_t len = strlen(suffixes[i]);
		if (n > len && strcmp(name + n - len, suffixes[i]) == 0)
			return true;
	}
	return false;
}

/* A folder's captures, in the order of their names, folders below it included. */
static void collect(const char *path, struct text_list *files, unsigned depth)
{
	struct dirent **entries;
	int n = depth > DEPTH_MAX ? -1 : scandir(path, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		char *full = NULL;
		struct stat st;
		if (name[0] != '.' && asprintf(&full, "%s/%s", path, name) > 0 &&
			stat(full, &st) == 0) {
			if (S_ISDIR(st.st_mode))
				collect(full, files, depth + 1);
			else if (has_capture_suffix(name) && files->count < FILES_MAX)
				text_list_keep(files, full);
		}
		free(full);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

static enum status replay_path(struct run *r, const char *path, struct progress *progress)
{
	struct stat st;
	if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
		return replay_file(r, path, progress);
	struct text_list files = { 0 };
	enum status worst = STATUS_OK;
	collect(path, &files, 0);
	if (files.count == 0) {
		fprintf(stderr,
			"bongsu-sensor: %s: no captures (.pcap, .pcapng, .cap) in this folder\n",
			path);
		worst = STATUS_CAPTURE;
	}
	for (size_t i = 0; i < files.count && !wishes.stop; i++) {
		enum status status = replay_file(r, files.text[i], progress);
		worst = status > worst ? status : worst;
	}
	text_list_free(&files);
	return worst;
}

enum status replay(struct run *r)
{
	struct progress progress;
	enum status worst = STATUS_OK;
	progress_start(&progress, !r->options->quiet && isatty(STDERR_FILENO) ? stderr : NULL);
	for (size_t i = 0; i < r->options->inputs.count && !wishes.stop; i++) {
		enum status status = replay_path(r, r->options->inputs.text[i], &progress);
		worst = status > worst ? status : worst;
	}
	progress_end(&progress);
	return worst;
}
