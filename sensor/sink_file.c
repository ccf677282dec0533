/* sink_file.c - one event a line into stdout or a file. */
#include "sensor/sink_kind.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BUFFER = 256 * 1024,
	HOLD_MS = 20,    /* lines wait so long for company, but on a terminal */
	RETRY_MS = 1000, /* after a full disk */
};

struct file_sink {
	int fd;
	char *path; /* NULL: stdout */
	bool tty;
	bool regular; /* writing never blocks for long; pipes and terminals are polled first */
	bool failing; /* the last write did not work, and that has been said */
	char *at;     /* whole lines, the first perhaps partly written already */
	size_t len;
	uint64_t lines;   /* that end in the buffer */
	uint64_t lost;    /* lines that could not be written */
	int64_t since_ms; /* the oldest of them came */
	int64_t retry_ms; /* not before, while failing */
};

static void look_at(struct file_sink *f)
{
	struct stat st;
	f->tty = isatty(f->fd) == 1;
	f->regular = fstat(f->fd, &st) == 0 && S_ISREG(st.st_mode);
}

static bool new_sink(struct sink *s, struct err *err)
{
	struct file_sink *f = calloc(1, sizeof *f);
	s->own = f;
	if (f == NULL || (f->at = malloc(BUFFER)) == NULL)
		return err_set(err, "%s: out of memory", s->spec);
	f->fd = -1;
	return true;
}

static bool stdout_open(struct sink *s, const char *rest, struct err *err)
{
	(void)rest;
	if (!new_sink(s, err))
		return false;
	struct file_sink *f = s->own;
	f->fd = STDOUT_FILENO;
	if (fcntl(f->fd, F_GETFD) < 0)
		return err_set(err, "stdout is closed");
	look_at(f);
	return true;
}

static bool open_path(struct file_sink *f, struct err *err)
{
	int fd = open(f->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0)
		return err_set(err, "%s: %s", f->path, strerror(errno));
	if (f->fd >= 0)
		close(f->fd);
	f->fd = fd;
	look_at(f);
	return true;
}

static bool file_open(struct sink *s, const char *rest, struct err *err)
{
	if (*rest == '\0')
		return err_set(
			err, "%s: a path must follow: file:/var/log/bongsu/eve.json", s->spec);
	if (!new_sink(s, err))
		return false;
	struct file_sink *f = s->own;
	f->path = strdup(rest);
	if (f->path == NULL)
		return err_set(err, "%s: out of memory", s->spec);
	return open_path(f, err);
}

static uint64_t count_lines(const char *at, size_t n)
{
	uint64_t lines = 0;
	const char *end = at + n;
	while ((at = memchr(at, '\n', (size_t)(end - at))) != NULL) {
		at++;
		lines++;
	}
	return lines;
}

static void wrote(struct sink *s, size_t n)
{
	struct file_sink *f = s->own;
	uint64_t lines = count_lines(f->at, n);
	sink_count(&s->delivered, lines);
	f->lines -= lines;
	memmove(f->at, f->at + n, f->len - n);
	f->len -= n;
}

static void failed(struct sink *s, int error)
{
	struct file_sink *f = s->own;
	if (error == EPIPE && f->path == NULL) {
		atomic_store(&s->broken, true);
		return;
	}
	if (!f->failing)
		sink_say(s, "%s", strerror(error));
	f->failing = true;
	f->retry_ms = sink_now_ms() + RETRY_MS;
}

/* Once writable a pipe takes PIPE_BUF bytes without blocking. False: not now. */
static bool write_some(struct sink *s, size_t *done)
{
	struct file_sink *f = s->own;
	size_t n = f->len - *done;
	if (!f->regular) {
		struct pollfd fd = { .fd = f->fd, .events = POLLOUT };
		if (poll(&fd, 1, 100) <= 0)
			return false;
		n = n < PIPE_BUF ? n : PIPE_BUF;
	}
	ssize_t k = write(f->fd, f->at + *done, n);
	if (k >= 0) {
		*done += (size_t)k;
		if (f->failing)
			sink_say(s, "works again");
		f->failing = false;
		return true;
	}
	if (errno == EINTR)
		return true;
	if (errno != EAGAIN)
		failed(s, errno);
	return false;
}

static void flush(struct sink *s)
{
	struct file_sink *f = s->own;
	size_t done = 0;
	if (f->failing && sink_now_ms() < f->retry_ms && !atomic_load(&s->closing))
		return;
	while (done < f->len && write_some(s, &done))
		;
	wrote(s, done);
}

static void lose(struct sink *s, uint64_t lines)
{
	struct file_sink *f = s->own;
	f->lost += lines;
	sink_count(&s->dropped, lines);
}

static void put(struct sink *s, const struct ring_line *line)
{
	struct file_sink *f = s->own;
	if (atomic_load(&s->broken)) {
		lose(s, 1);
		return;
	}
	while (BUFFER - f->len < line->len + 1) {
		/* A reader that is only slow is waited for: the ring says when that is too long. */
		if (s->options->live && sink_late(s)) {
			lose(s, 1);
			return;
		}
		flush(s);
		if (atomic_load(&s->broken) || (f->failing && BUFFER - f->len < line->len + 1)) {
			lose(s, 1);
			return;
		}
	}
	if (f->len == 0)
		f->since_ms = sink_now_ms();
	memcpy(f->at + f->len, line->bytes, line->len);
	f->at[f->len + line->len] = '\n';
	f->len += line->len + 1;
	f->lines++;
}

static void reopen(struct sink *s)
{
	struct file_sink *f = s->own;
	struct err err = { 0 };
	if (f->path == NULL || !atomic_exchange(&s->reopen, false))
		return;
	flush(s);
	if (!open_path(f, &err))
		sink_say(s, "cannot open it again, going on with the old one: %s", err.text);
}

/* Everything is out, or cannot be. In replay a slow reader of stdout is waited for. */
static bool finished(struct sink *s)
{
	struct file_sink *f = s->own;
	return f->len == 0 || f->failing || atomic_load(&s->broken) ||
	       (s->options->live && sink_late(s));
}

static void finish(struct sink *s)
{
	struct file_sink *f = s->own;
	do
		flush(s);
	while (!finished(s));
	lose(s, f->lines);
	if (f->lost > 0 && !atomic_load(&s->broken))
		err_set(&s->fault, "%llu events could not be written", (unsigned long long)f->lost);
}

static int patience(const struct file_sink *f)
{
	if (f->failing)
		return RETRY_MS;
	return f->len > 0 ? HOLD_MS : -1;
}

static void file_run(struct sink *s)
{
	struct file_sink *f = s->own;
	for (;;) {
		const struct ring_line *line;
		bool closing = atomic_load(&s->closing); /* before the last look into the ring */
		while ((line = ring_peek(&s->ring)) != NULL) {
			put(s, line);
			ring_pop(&s->ring);
		}
		reopen(s);
		if (closing)
			break;
		if (f->tty || sink_now_ms() - f->since_ms >= HOLD_MS)
			flush(s);
		sink_sleep(s, -1, 0, patience(f));
	}
	finish(s);
}

static void file_free(struct sink *s)
{
	struct file_sink *f = s->own;
	if (f == NULL)
		return;
	if (f->fd >= 0 && f->path != NULL)
		close(f->fd);
	free(f->path);
	free(f->at);
	free(f);
}

const struct sink_kind sink_stdout = {
	.scheme = "-", .alone = true, .open = stdout_open, .run = file_run, .free = file_free
};
const struct sink_kind sink_file = {
	.scheme = "file:", .open = file_open, .run = file_run, .free = file_free
};
