/* sink_syslog.c - events into the local syslog, one datagram each (RFC 3164, with the @cee: cookie
 * that rsyslog and syslog-ng know JSON by). syslog:PATH names another socket than /dev/log. */
#include "sensor/sink_kind.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum {
	LONGEST = 8 * 1024, /* what common daemons take by default */
	FACILITY = 3,       /* daemon */
	WARNING = 4,
	RETRY_MS = 1000,
	PATIENCE_MS = 1000, /* for a daemon that does not read */
};

struct syslog_sink {
	char path[sizeof((struct sockaddr_un *)0)->sun_path];
	int fd;
	bool failing;
	int64_t retry_ms;
	uint64_t lost;
	char text[LONGEST];
};

static bool syslog_open(struct sink *s, const char *rest, struct err *err)
{
	struct syslog_sink *y = calloc(1, sizeof *y);
	s->own = y;
	if (y == NULL)
		return err_set(err, "%s: out of memory", s->spec);
	y->fd = -1;
	int n = snprintf(y->path, sizeof y->path, "%s", *rest == '\0' ? "/dev/log" : rest);
	if (y->path[0] != '/' || n < 0 || (size_t)n >= sizeof y->path)
		return err_set(err, "%s: expected syslog: or syslog:/PATH/OF/SOCKET", s->spec);
	return true;
}

static bool connect_now(struct syslog_sink *y)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	memcpy(a.sun_path, y->path, sizeof a.sun_path);
	y->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (y->fd >= 0 && connect(y->fd, (struct sockaddr *)&a, sizeof a) == 0)
		return true;
	int error = errno;
	if (y->fd >= 0)
		close(y->fd);
	y->fd = -1;
	errno = error;
	return false;
}

static void fails(struct sink *s, int error)
{
	struct syslog_sink *y = s->own;
	if (!y->failing)
		sink_say(s, "%s: %s", y->path, strerror(error));
	y->failing = true;
	y->retry_ms = sink_now_ms() + RETRY_MS;
	if (y->fd >= 0)
		close(y->fd);
	y->fd = -1;
}

static bool send_text(struct sink *s, size_t n)
{
	struct syslog_sink *y = s->own;
	if (y->failing && sink_now_ms() < y->retry_ms)
		return false;
	if (y->fd < 0 && !connect_now(y)) {
		fails(s, errno);
		return false;
	}
	while (send(y->fd, y->text, n, MSG_NOSIGNAL) < 0) {
		struct pollfd fd = { .fd = y->fd, .events = POLLOUT };
		if (errno == EINTR || (errno == EAGAIN && poll(&fd, 1, PATIENCE_MS) > 0))
			continue;
		fails(s, errno);
		return false;
	}
	y->failing = false;
	return true;
}

static size_t compose(struct syslog_sink *y, const struct ring_line *line)
{
	time_t now = time(NULL);
	struct tm tm;
	char date[32];
	localtime_r(&now, &tm);
	strftime(date, sizeof date, "%b %e %H:%M:%S", &tm);
	int head = snprintf(y->text, sizeof y->text,
		"<%d>%s bongsu-sensor[%d]: @cee: ", FACILITY * 8 + WARNING, date, (int)getpid());
	if (head < 0 || line->len > sizeof y->text - (size_t)head)
		return 0;
	memcpy(y->text + head, line->bytes, line->len);
	return (size_t)head + line->len;
}

static void put(struct sink *s, const struct ring_line *line)
{
	struct syslog_sink *y = s->own;
	size_t n = compose(y, line);
	if (n > 0 && send_text(s, n)) {
		sink_count(&s->delivered, 1);
		return;
	}
	y->lost++;
	sink_count(&s->dropped, 1);
}

static void syslog_run(struct sink *s)
{
	struct syslog_sink *y = s->own;
	bool closing;
	do {
		const struct ring_line *line;
		closing = atomic_load(&s->closing);
		while ((line = ring_peek(&s->ring)) != NULL) {
			put(s, line);
			ring_pop(&s->ring);
		}
		if (!closing)
			sink_sleep(s, -1, 0, -1);
	} while (!closing);
	if (y->lost > 0)
		err_set(&s->fault, "%llu events not sent: no daemon, or longer than %d bytes",
			(unsigned long long)y->lost, LONGEST);
}

static void syslog_free(struct sink *s)
{
	struct syslog_sink *y = s->own;
	if (y != NULL && y->fd >= 0)
		close(y->fd);
	free(y);
}

const struct sink_kind sink_syslog = {
	.scheme = "syslog:", .open = syslog_open, .run = syslog_run, .free = syslog_free
};
