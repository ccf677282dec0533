/* tail_file.c - follows a file by its name, as tail -F does: truncated, replaced or not there yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/tail.h"

enum {
	CHUNK = 256 * 1024,
	LOOK_BACK = 16 * 1024 * 1024, /* bytes before the end, for the last lines */
	POLL_US = 200 * 1000,
};

struct file {
	const char *path;
	int fd;
	ino_t inode;
	dev_t device;
	off_t offset;
	char *line; /* the part of a line that has come */
	size_t len;
	bool skip; /* the rest of a line that is too long, or whose start was not read */
};

static void take(struct tail *t, struct file *f, const char *bytes, size_t n)
{
	while (n > 0) {
		const char *end = memchr(bytes, '\n', n);
		size_t k = end == NULL ? n : (size_t)(end - bytes);
		if (f->len + k > LINE_LONGEST)
			f->skip = true;
		if (f->skip) {
			f->len = 0;
		} else {
			memcpy(f->line + f->len, bytes, k);
			f->len += k;
		}
		if (end == NULL)
			return;
		f->line[f->len] = '\0';
		if (!f->skip && f->len > 0)
			tail_show(t, f->line, f->len);
		f->len = 0;
		f->skip = false;
		bytes += k + 1;
		n -= k + 1;
	}
}

/* Everything that is there. False: a read failed. */
static bool drain(struct tail *t, struct file *f)
{
	static char chunk[CHUNK];
	ssize_t n;
	while (!tail_stopped && (n = read(f->fd, chunk, sizeof chunk)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		f->offset += n;
		take(t, f, chunk, (size_t)n);
	}
	return true;
}

static bool open_file(struct file *f)
{
	struct stat st;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return false;
	if (fstat(fd, &st) != 0 || S_ISDIR(st.st_mode)) {
		close(fd);
		errno = EISDIR;
		return false;
	}
	if (f->fd >= 0)
		close(f->fd);
	f->fd = fd;
	f->inode = st.st_ino;
	f->device = st.st_dev;
	f->offset = 0;
	f->len = 0;
	f->skip = false;
	return true;
}

/* The end of a long file is enough for its last lines. */
static void skip_old(const struct tail *t, struct file *f)
{
	off_t end = lseek(f->fd, 0, SEEK_END);
	off_t back = t->last == 0 ? 0 : LOOK_BACK;
	if (t->filter.since_ns != INT64_MIN || end < 0)
		back = end < 0 ? 0 : end;
	f->offset = end > back ? end - back : 0;
	if (end >= 0)
		lseek(f->fd, f->offset, SEEK_SET);
	/* The line that starts there may have begun before. */
	if (f->offset > 0 && t->last > 0)
		f->skip = true;
}

/* Another file has the name now, or this one was cut. */
static void look_again(struct file *f)
{
	struct stat st;
	if (stat(f->path, &st) != 0)
		return;
	if (st.st_ino != f->inode || st.st_dev != f->device) {
		if (open_file(f))
			tail_say("%s: a new file", f->path);
	} else if (S_ISREG(st.st_mode) && st.st_size < f->offset) {
		tail_say("%s: truncated", f->path);
		f->offset = 0;
		f->len = 0;
		lseek(f->fd, 0, SEEK_SET);
	}
}

static bool fails(const struct file *f, struct err *err)
{
	return err_set(err, "%s: %s", f->path, strerror(errno));
}

static bool follow(struct tail *t, struct file *f, struct err *err)
{
	bool standard = strcmp(f->path, "-") == 0;
	if (standard)
		f->fd = STDIN_FILENO;
	else if (!open_file(f))
		return fails(f, err);
	if (!standard)
		skip_old(t, f);
	if (!standard)
		tail_hold(t);
	bool good = drain(t, f);
	if (!standard)
		tail_release(t);
	while (good && !t->once && !standard && !tail_stopped) {
		usleep(POLL_US);
		good = drain(t, f);
		look_again(f);
	}
	return good || fails(f, err);
}

bool tail_file(struct tail *t, const char *path, struct err *err)
{
	struct file f = { .path = path, .fd = -1, .line = malloc(LINE_LONGEST + 1) };
	if (f.line == NULL)
		return err_set(err, "out of memory");
	bool good = follow(t, &f, err);
	if (f.fd > STDERR_FILENO)
		close(f.fd);
	free(f.line);
	return good;
}
