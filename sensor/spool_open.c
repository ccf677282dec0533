/* spool_open.c - opens a spool: what an earlier run left is read through and mended. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sensor/spool_impl.h"

enum { SEGMENT_BYTES = 64 * 1024 * 1024, SYNC_MS = 200, DAMAGED_KEPT = 8 };

static int by_number(const void *a, const void *b)
{
	const struct segment *x = a, *y = b;
	return x->number < y->number ? -1 : x->number > y->number;
}

/* Every segment of the folder; damaged ones beyond a few are deleted. */
static bool list(struct spool *s, struct err *err)
{
	int fd = dup(s->dir_fd);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	unsigned long long number;
	unsigned damaged = 0;
	char suffix[16];
	if (dir == NULL) {
		spool_close_fd(&fd);
		return err_set(err, "%s: %s", s->dir, strerror(errno));
	}
	bool good = true;
	while (good && (entry = readdir(dir)) != NULL) {
		if (sscanf(entry->d_name, "%16llx.%15s", &number, suffix) != 2)
			continue;
		if (strcmp(suffix, "seg") == 0)
			good = spool_add_segment(s, number) || err_set(err, "out of memory");
		else if (strcmp(suffix, "new") == 0)
			unlinkat(s->dir_fd, entry->d_name, 0);
		else if (strcmp(suffix, "damaged") == 0 && ++damaged > DAMAGED_KEPT)
			unlinkat(s->dir_fd, entry->d_name, 0);
	}
	closedir(dir);
	if (s->count > 0)
		qsort(s->segments, s->count, sizeof *s->segments, by_number);
	return good;
}

/* Reads what an earlier run left; then a new segment to write to. */
static bool load(struct spool *s, struct err *err)
{
	uint64_t next = 1;
	if (!list(s, err))
		return false;
	if (s->count > 0)
		next = s->segments[s->count - 1].number + 1;
	for (size_t i = 0; i < s->count;) {
		struct mended m;
		struct err fault = { 0 };
		struct segment *seg = &s->segments[i];
		uint64_t number = seg->number;
		if (!segment_mend(s->dir_fd, seg, i == s->count - 1, &m, &fault)) {
			spool_say(s, "%s: left out", fault.text);
			spool_forget(s, i);
			continue;
		}
		spool_tell_mended(s, number, &m);
		s->totals.damaged += m.lost;
		if (seg->records == 0)
			spool_drop_segment(s, i);
		else
			i++;
	}
	return spool_add_segment(s, next) || err_set(err, "out of memory");
}

static bool make_folders(const char *dir, struct err *err)
{
	char path[4096];
	size_t n = strlen(dir);
	if (n == 0 || n >= sizeof path)
		return err_set(err, "%s: not a folder for a spool", dir);
	memcpy(path, dir, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return err_set(err, "%s: %s", path, strerror(errno));
		path[i] = i < n ? '/' : '\0';
	}
	return true;
}

static bool open_folder(struct spool *s, struct err *err)
{
	if (!make_folders(s->dir, err))
		return false;
	s->dir_fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir_fd < 0)
		return err_set(err, "%s: %s", s->dir, strerror(errno));
	s->lock_fd = openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock_fd < 0)
		return err_set(err, "%s: %s", s->dir, strerror(errno));
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return err_set(err, "%s: in use by another process", s->dir);
	return true;
}

struct spool *spool_open(const struct spool_options *o, struct err *err)
{
	struct spool *s = calloc(1, sizeof *s);
	if (s == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	s->o = *o;
	s->dir_fd = s->lock_fd = s->fd = s->read_fd = -1;
	if (s->o.segment_bytes == 0)
		s->o.segment_bytes = SEGMENT_BYTES;
	if (s->o.segment_bytes > s->o.max_bytes / 4)
		s->o.segment_bytes = s->o.max_bytes / 4;
	if (s->o.sync_ms == 0)
		s->o.sync_ms = SYNC_MS;
	s->dir = strdup(o->dir);
	s->tail = malloc(SPOOL_TAIL);
	s->window = malloc(SPOOL_WINDOW);
	bool memory = s->dir != NULL && s->tail != NULL && s->window != NULL;
	if (memory && open_folder(s, err) && load(s, err))
		return s;
	err_set(err, "out of memory");
	spool_release(s);
	return NULL;
}
