/* evidence_store.c - what is in the folder is known by name, size and age. */
#include "sensor/evidence_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

/* Oldest first. */
struct stored {
	uint64_t epoch, n, size;
	int64_t time_ns;
};

struct evidence_store {
	int fd;
	uint64_t cap, bytes, deleted;
	struct stored *file;
	size_t first, count, room; /* file[first..count) are there */
};

/* Only what we name so is ours. */
static bool name_of(const char *name, struct stored *f, const char *suffix)
{
	char again[EVIDENCE_NAME + 8];
	if (sscanf(name, "%" SCNu64 "-%" SCNu64, &f->epoch, &f->n) != 2)
		return false;
	snprintf(again, sizeof again, "%" PRIu64 "-%" PRIu64 "%s", f->epoch, f->n, suffix);
	return strcmp(name, again) == 0;
}

static bool add(struct evidence_store *s, const struct stored *f)
{
	if (s->first > 0 && s->count == s->room) {
		s->count -= s->first;
		memmove(s->file, s->file + s->first, s->count * sizeof *s->file);
		s->first = 0;
	}
	if (s->count == s->room) {
		size_t more = s->room == 0 ? 256 : s->room * 2;
		struct stored *grown = realloc(s->file, more * sizeof *grown);
		if (grown == NULL)
			return false;
		s->file = grown;
		s->room = more;
	}
	s->file[s->count++] = *f;
	s->bytes += f->size;
	return true;
}

static void delete_oldest(struct evidence_store *s)
{
	char name[EVIDENCE_NAME];
	const struct stored *f = &s->file[s->first++];
	snprintf(name, sizeof name, "%" PRIu64 "-%" PRIu64 ".pcap", f->epoch, f->n);
	if (unlinkat(s->fd, name, 0) == 0)
		s->deleted++;
	s->bytes -= f->size;
}

/* A replay writes the same names again. */
static void forget(struct evidence_store *s, const struct stored *f)
{
	for (size_t i = s->first; i < s->count; i++) {
		if (s->file[i].epoch != f->epoch || s->file[i].n != f->n)
			continue;
		s->bytes -= s->file[i].size;
		memmove(&s->file[i], &s->file[i + 1], (s->count - i - 1) * sizeof *s->file);
		s->count--;
		return;
	}
}

/* --- opening ----------------------------------------------------------------------------- */

static bool make_folders(const char *folder)
{
	char path[PATH_MAX];
	size_t n = strlen(folder);
	if (n == 0 || n >= sizeof path) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(path, folder, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		path[i] = '\0';
		if (mkdir(path, 0700) != 0 && errno != EEXIST)
			return false;
		path[i] = i < n ? '/' : '\0';
	}
	return true;
}

static int by_age(const void *a, const void *b)
{
	const struct stored *x = a, *y = b;
	if (x->time_ns != y->time_ns)
		return x->time_ns < y->time_ns ? -1 : 1;
	if (x->epoch != y->epoch)
		return x->epoch < y->epoch ? -1 : 1;
	return (x->n > y->n) - (x->n < y->n);
}

/* What was being written when a sensor died is of no use. */
static bool take_stock(struct evidence_store *s, DIR *folder)
{
	const struct dirent *e;
	while ((e = readdir(folder)) != NULL) {
		struct stored f = { 0 };
		struct stat st;
		if (name_of(e->d_name, &f, ".pcap.part")) {
			unlinkat(s->fd, e->d_name, 0);
			continue;
		}
		if (!name_of(e->d_name, &f, ".pcap") ||
			fstatat(s->fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		f.size = (uint64_t)st.st_size;
		f.time_ns = st.st_mtim.tv_sec * INT64_C(1000000000) + st.st_mtim.tv_nsec;
		if (!add(s, &f))
			return false;
	}
	if (s->count > 1)
		qsort(s->file, s->count, sizeof *s->file, by_age);
	return true;
}

static bool open_folder(struct evidence_store *s, const char *path, struct err *err)
{
	if (make_folders(path))
		s->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->fd < 0 || faccessat(s->fd, ".", W_OK | X_OK, AT_EACCESS) != 0)
		return err_set(err, "evidence.folder %s: %s", path, strerror(errno));
	int again = dup(s->fd);
	DIR *folder = again < 0 ? NULL : fdopendir(again);
	bool taken = folder != NULL && take_stock(s, folder);
	if (folder != NULL)
		closedir(folder);
	return taken || err_set(err, "evidence.folder %s: %s", path, strerror(errno));
}

struct evidence_store *evidence_store_open(const char *folder, uint64_t cap, struct err *err)
{
	struct evidence_store *s = calloc(1, sizeof *s);
	if (s == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	s->fd = -1;
	s->cap = cap;
	if (open_folder(s, folder, err))
		return s;
	evidence_store_close(s);
	return NULL;
}

void evidence_store_close(struct evidence_store *s)
{
	if (s == NULL)
		return;
	if (s->fd >= 0)
		close(s->fd);
	free(s->file);
	free(s);
}

/* --- writing ----------------------------------------------------------------------------- */

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? errno : ENOSPC;
		bytes += done;
		n -= (size_t)done;
	}
	return 0;
}

static int write_part(
	const struct evidence_store *s, const char *part, const uint8_t *bytes, size_t n, bool sync)
{
	int fd = openat(s->fd, part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return errno;
	int failed = write_all(fd, bytes, n);
	if (failed == 0 && sync && fdatasync(fd) != 0)
		failed = errno;
	if (close(fd) != 0 && failed == 0)
		failed = errno;
	return failed;
}

int evidence_store_put(
	struct evidence_store *s, const char *name, const uint8_t *bytes, size_t n, bool sync)
{
	char part[EVIDENCE_NAME + 8];
	struct stored f = { .size = n, .time_ns = wall_ns() };
	if (!name_of(name, &f, ".pcap"))
		return EINVAL;
	struct stat st;
	if (fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		unlinkat(s->fd, name, 0);
		forget(s, &f);
	}
	while (s->first < s->count && s->bytes + n > s->cap)
		delete_oldest(s);
	snprintf(part, sizeof part, "%s.part", name);
	int failed = write_part(s, part, bytes, n, sync);
	if (failed == 0 && renameat(s->fd, part, s->fd, name) != 0)
		failed = errno;
	if (failed == 0 && !add(s, &f))
		failed = ENOMEM;
	if (failed != 0)
		unlinkat(s->fd, part, 0);
	return failed;
}

void evidence_store_age(struct evidence_store *s, int64_t time_ns)
{
	while (s->first < s->count && s->file[s->first].time_ns < time_ns)
		delete_oldest(s);
}

uint64_t evidence_store_bytes(const struct evidence_store *s)
{
	return s->bytes;
}

uint64_t evidence_store_deleted(const struct evidence_store *s)
{
	return s->deleted;
}
