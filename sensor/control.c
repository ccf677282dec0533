/* control.c - the socket: few clients, short lines, time-outs; nothing here waits. */
#include "sensor/control.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/sandbox.h"

#define SECOND INT64_C(1000000000)
#define PAUSE  (SECOND / 100) /* between looks */

enum { CLIENTS = 8, IDLE_S = 30, GROUPS = 64, BACKLOG = 8 };

struct client {
	int fd; /* -1: free */
	uint32_t uid;
	int64_t moved_ns; /* when it last came forward */
	size_t got;       /* bytes in line */
	char *reply;      /* what has not been sent of it */
	size_t reply_len, sent;
	char line[CONTROL_LINE];
};

struct control {
	struct run *run;
	int fd;
	int64_t looked_ns;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *scratch; /* CONTROL_REPLY bytes */
	struct client client[CLIENTS];
};

/* --- opening ----------------------------------------------------------------------------- */

const char *control_path(const struct run *r)
{
	const char *path = r->config->control;
	if (!r->live || r->options->command != NULL)
		return NULL;
	if (path == NULL)
		return CONTROL_SOCKET;
	return strcmp(path, "none") == 0 ? NULL : path;
}

/* A socket that nobody answers is left over from a sensor that died. */
static bool clear_place(const struct sockaddr_un *at, struct err *err)
{
	struct stat st;
	if (lstat(at->sun_path, &st) != 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, "control.socket %s: there is something else", at->sun_path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;
	if (fd >= 0)
		close(fd);
	if (answers)
		return err_set(
			err, "control.socket %s: another sensor answers there", at->sun_path);
	return unlink(at->sun_path) == 0 ||
	       err_set(err, "control.socket %s: %s", at->sun_path, strerror(errno));
}

/* Its folder is made where only one level is missing, for who the sensor is going to be. */
static void make_folder(const char *path, uid_t uid, gid_t gid)
{
	char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
	snprintf(folder, sizeof folder, "%s", path);
	char *slash = strrchr(folder, '/');
	if (slash == NULL || slash == folder)
		return;
	*slash = '\0';
	bool ours = geteuid() != 0 || (uid == geteuid() && gid == getegid());
	if (mkdir(folder, 0750) == 0 && !ours && chown(folder, uid, gid) != 0)
		(void)rmdir(folder); /* bind() says that it is not there */
}

static bool bind_socket(struct control *c, const struct config *config, struct err *err)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	uid_t uid;
	gid_t gid;
	memcpy(at.sun_path, c->path, sizeof at.sun_path);
	if (!sandbox_identity(config->user, config->group, &uid, &gid, err) ||
		!clear_place(&at, err))
		return false;
	make_folder(c->path, uid, gid);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->fd < 0)
		return err_set(err, "control.socket: %s", strerror(errno));
	mode_t mask = umask(0177);
	bool ok = bind(c->fd, (const struct sockaddr *)&at, sizeof at) == 0;
	umask(mask);
	bool ours = geteuid() != 0 || (uid == geteuid() && gid == getegid());
	ok = ok && (ours || chown(c->path, uid, gid) == 0) && chmod(c->path, 0660) == 0 &&
	     listen(c->fd, BACKLOG) == 0;
	return ok || err_set(err, "control.socket %s: %s", c->path, strerror(errno));
}

struct control *control_open(struct run *r, struct err *err)
{
	const char *path = control_path(r);
	struct control *c = path == NULL ? NULL : calloc(1, sizeof *c);
	struct err lack = { 0 };
	if (c == NULL)
		return NULL;
	c->run = r;
	c->fd = -1;
	for (size_t i = 0; i < CLIENTS; i++)
		c->client[i].fd = -1;
	c->scratch = malloc(CONTROL_REPLY);
	if (strlen(path) >= sizeof c->path)
		err_set(&lack, "control.socket: the path is too long: %s", path);
	else if (c->scratch == NULL)
		err_set(&lack, "out of memory");
	else if (bind_socket(c, r->config, (memcpy(c->path, path, strlen(path)), &lack)))
		return c;
	control_close(c);
	if (r->config->control != NULL)
		*err = lack;
	else if (!r->options->quiet)
		fprintf(stderr, "bongsu-sensor: %s: no control socket\n", lack.text);
	return NULL;
}

/* --- clients ----------------------------------------------------------------------------- */

static void hang_up(struct client *p)
{
	close(p->fd);
	free(p->reply);
	p->fd = -1;
	p->reply = NULL;
	p->got = 0;
}

/* Root, the sensor's own user, and members of its group. */
static bool may_speak(int fd, uint32_t *uid)
{
	struct ucred who;
	gid_t groups[GROUPS];
	socklen_t len = sizeof who, size = sizeof groups;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0)
		return false;
	*uid = who.uid;
	if (who.uid == 0 || who.uid == geteuid() || who.gid == getegid())
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
		return false;
	for (size_t i = 0; i < size / sizeof groups[0]; i++)
		if (groups[i] == getegid())
			return true;
	return false;
}

static void take_client(struct control *c, int64_t now_ns)
{
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	uint32_t uid = 0;
	if (fd < 0)
		return;
	for (size_t i = 0; i < CLIENTS; i++) {
		struct client *p = &c->client[i];
		if (p->fd >= 0)
			continue;
		if (!may_speak(fd, &uid))
			break;
		p->fd = fd;
		p->uid = uid;
		p->moved_ns = now_ns;
		p->got = 0;
		return;
	}
	close(fd); /* a stranger, or one too many */
}

static void send_reply(struct client *p, int64_t now_ns)
{
	ssize_t n = send(p->fd, p->reply + p->sent, p->reply_len - p->sent, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		hang_up(p);
		return;
	}
	if (n > 0) {
		p->sent += (size_t)n;
		p->moved_ns = now_ns;
	}
	if (p->sent < p->reply_len)
		return;
	free(p->reply);
	p->reply = NULL;
}

/* The first line of what is there, if it is whole; the rest moves up. */
static void answer_line(struct control *c, struct client *p, int64_t now_ns)
{
	const char *end = memchr(p->line, '\n', p->got);
	if (end == NULL || p->reply != NULL)
		return;
	size_t len = (size_t)(end - p->line);
	struct buf out = buf_over(c->scratch, CONTROL_REPLY - 1);
	control_answer(c->run, p->uid, p->line, len, &out);
	if (out.full) {
		out = buf_over(c->scratch, CONTROL_REPLY - 1);
		buf_lit(&out, "{\"return\":\"NOK\",\"message\":\"the answer is too long\"}");
	}
	p->got -= len + 1;
	memmove(p->line, end + 1, p->got);
	p->reply = malloc(out.len + 1);
	if (p->reply == NULL) {
		hang_up(p);
		return;
	}
	memcpy(p->reply, out.at, out.len);
	p->reply[out.len] = '\n';
	p->reply_len = out.len + 1;
	p->sent = 0;
	send_reply(p, now_ns);
}

static void read_client(struct control *c, struct client *p, int64_t now_ns)
{
	ssize_t n = recv(p->fd, p->line + p->got, sizeof p->line - p->got, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		hang_up(p);
		return;
	}
	p->got += (size_t)n;
	p->moved_ns = now_ns;
	answer_line(c, p, now_ns);
	if (p->fd >= 0 && p->reply == NULL && p->got == sizeof p->line)
		hang_up(p); /* a line too long */
}

static void serve_client(struct control *c, struct client *p, short events, int64_t now_ns)
{
	if (p->reply != NULL && (events & (POLLOUT | POLLHUP | POLLERR)))
		send_reply(p, now_ns);
	else if (p->reply == NULL && (events & (POLLIN | POLLHUP | POLLERR)))
		read_client(c, p, now_ns);
	if (p->fd >= 0 && p->reply == NULL)
		answer_line(c, p, now_ns);
	if (p->fd >= 0 && now_ns - p->moved_ns > IDLE_S * SECOND)
		hang_up(p);
}

void control_serve(struct control *c, int64_t mono_ns)
{
	struct pollfd fds[CLIENTS + 1];
	if (mono_ns - c->looked_ns < PAUSE)
		return;
	c->looked_ns = mono_ns;
	for (size_t i = 0; i < CLIENTS; i++)
		fds[i] = (struct pollfd){ .fd = c->client[i].fd,
			.events = c->client[i].reply != NULL ? POLLOUT : POLLIN };
	fds[CLIENTS] = (struct pollfd){ .fd = c->fd, .events = POLLIN };
	if (poll(fds, CLIENTS + 1, 0) < 0)
		return;
	for (size_t i = 0; i < CLIENTS; i++)
		if (c->client[i].fd >= 0)
			serve_client(c, &c->client[i], fds[i].revents, mono_ns);
	if (fds[CLIENTS].revents != 0)
		take_client(c, mono_ns);
}

void control_close(struct control *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < CLIENTS; i++)
		if (c->client[i].fd >= 0)
			hang_up(&c->client[i]);
	if (c->fd >= 0) {
		close(c->fd);
		unlink(c->path);
	}
	free(c->scratch);
	free(c);
}
