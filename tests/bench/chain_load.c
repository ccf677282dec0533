/* chain_load.c - many children of one parent over mutual TLS, in one thread: what the other end
 * costs is the other end's.
 *
 *   chain_load FOLDER ORG PORT      the parent's folder (its authority), organisation, port
 *
 * Commands on stdin, each answered by a line of JSON:
 *   idle N            N more children connect and hold a long poll until the end
 *   make C W F I      C children with W windows each are made ready: F frames a POST, I items each
 *   push N            all that was made goes out, N connections at a time, one POST after another
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/bench/children.h"

enum { ANSWER = 8192, AT_ONCE = 64, EVENTS_AT_ONCE = 256, POLL_S = 50 };

enum state { CONN_HANDSHAKE, CONN_SEND, CONN_WAIT, CONN_READY };

struct conn {
	struct child *child;
	gnutls_session_t tls;
	int fd;
	enum state state;
	bool idle;    /* it only polls */
	bool greeted; /* it has asked where it stands, as a child does before it sends */
	const char *out;
	size_t out_len, out_at;
	char in[ANSWER];
	size_t in_len;
	unsigned at; /* post in flight */
	int64_t since_ns;
};

static struct parent parent;
static int epoll;
static unsigned connecting, idle_conns;
static char poll_request[128];
static const char head_request[] = "GET /chain/1/head HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";

static struct made { /* by `make`, waiting for `push` */
	struct child *child;
	unsigned children;
} made;

static struct pushed {
	unsigned open, next, wanted; /* connections; children begun; at a time */
	uint64_t frames, posts, refused;
	int64_t *took_ns;
} pushed;

/* --- connections ------------------------------------------------------------------------- */

static void conn_close(struct conn *c)
{
	gnutls_deinit(c->tls);
	close(c->fd);
	free(c);
}

static struct conn *conn_open(struct child *child, bool idle)
{
	struct conn *c = calloc(1, sizeof *c);
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(parent.port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
		.data.ptr = c };
	int one = 1;
	must(c != NULL, "memory");
	c->child = child;
	c->idle = idle;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	must(c->fd >= 0, "no more sockets");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	must(connect(c->fd, (struct sockaddr *)(void *)&to, sizeof to) == 0 || errno == EINPROGRESS,
		"cannot connect");
	must(gnutls_init(&c->tls, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS) == 0 &&
			gnutls_priority_set_direct(c->tls, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL) ==
				0 &&
			gnutls_credentials_set(c->tls, GNUTLS_CRD_CERTIFICATE, child->cred) == 0,
		"TLS");
	gnutls_transport_set_int(c->tls, c->fd);
	must(epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &e) == 0, "epoll");
	connecting++;
	return c;
}

static void ask(struct conn *c, const char *bytes, size_t len)
{
	c->out = bytes;
	c->out_len = len;
	c->out_at = c->in_len = 0;
	c->state = CONN_SEND;
	c->since_ns = mono_ns();
}

static bool again(ssize_t code)
{
	return code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED;
}

/* False: nothing more happens now. */
static bool shake(struct conn *c)
{
	int code = gnutls_handshake(c->tls);
	if (again(code))
		return false;
	must(code == 0, gnutls_strerror(code));
	gnutls_certificate_free_credentials(c->child->cred);
	c->child->cred = NULL;
	connecting -= c->idle;
	idle_conns += c->idle;
	const char *first = c->idle ? poll_request : head_request;
	ask(c, first, strlen(first));
	return true;
}

static bool send_some(struct conn *c)
{
	ssize_t n = gnutls_record_send(c->tls, c->out + c->out_at, c->out_len - c->out_at);
	if (again(n))
		return false;
	must(n > 0, "the parent closed while we sent");
	c->out_at += (size_t)n;
	if (c->out_at == c->out_len)
		c->state = CONN_WAIT;
	return true;
}

static void next_child(void);

static void post_answered(struct conn *c, const char *head, const char *body)
{
	const struct child *child = c->child;
	pushed.took_ns[pushed.posts++] = mono_ns() - c->since_ns;
	if (strncmp(head, "HTTP/1.1 200 ", 13) == 0 && strstr(body, "\"rej\":[]") != NULL)
		pushed.frames += child->post[c->at].frames;
	else if (pushed.refused++ == 0)
		fprintf(stderr, "chain_load: %.300s\n", head);
	if (++c->at < child->posts) {
		ask(c, child->post[c->at].bytes, child->post[c->at].len);
		return;
	}
	c->state = CONN_READY;
	pushed.open--;
	next_child();
}

static bool receive(struct conn *c)
{
	ssize_t n = gnutls_record_recv(c->tls, c->in + c->in_len, sizeof c->in - 1 - c->in_len);
	if (again(n))
		return false;
	must(n > 0, "the parent closed while we waited");
	c->in_len += (size_t)n;
	c->in[c->in_len] = '\0';
	char *end = strstr(c->in, "\r\n\r\n");
	if (end == NULL)
		return true;
	const char *length = strcasestr(c->in, "\r\nContent-Length:");
	size_t body = length == NULL || length > end ? 0 : strtoul(length + 17, NULL, 10);
	if (c->in_len < (size_t)(end + 4 - c->in) + body)
		return true;
	if (c->idle) {
		ask(c, poll_request, strlen(poll_request));
	} else if (!c->greeted) {
		c->greeted = true;
		c->state = CONN_READY;
		connecting--;
	} else {
		post_answered(c, c->in, end + 4);
	}
	return true;
}

static void drive(struct conn *c)
{
	for (bool more = true; more;) {
		switch (c->state) {
		case CONN_HANDSHAKE:
			more = shake(c);
			break;
		case CONN_SEND:
			more = send_some(c);
			break;
		case CONN_WAIT:
			more = receive(c);
			break;
		default:
			more = false;
			break;
		}
	}
}

/* One round of what happened. False: a command waits. */
static bool turn(bool commands)
{
	struct epoll_event e[EVENTS_AT_ONCE];
	int n = epoll_wait(epoll, e, EVENTS_AT_ONCE, 100);
	bool command = false;
	for (int i = 0; i < n; i++) {
		if (e[i].data.ptr == NULL)
			command = true;
		else
			drive(e[i].data.ptr);
	}
	return !(command && commands);
}

/* --- commands ---------------------------------------------------------------------------- */

static void cmd_idle(unsigned count)
{
	struct child *child = calloc(count, sizeof *child);
	must(child != NULL, "memory");
	unsigned wanted = idle_conns + count;
	int64_t began = mono_ns();
	for (unsigned i = 0; i < count || idle_conns < wanted;) {
		while (i < count && connecting < AT_ONCE) {
			child_new(&parent, &child[i]);
			conn_open(&child[i++], true);
		}
		turn(false);
	}
	printf("{\"idle\":%u,\"seconds\":%.3f}\n", idle_conns, (double)(mono_ns() - began) / 1e9);
}

static void cmd_make(unsigned children, unsigned windows, unsigned frames, unsigned items)
{
	int64_t now = time(NULL), oldest = now - now % WINDOW_S - (int64_t)windows * WINDOW_S;
	size_t bytes = 0;
	made.children = children;
	made.child = calloc(children, sizeof *made.child);
	must(made.child != NULL && frames > 0, "memory");
	for (unsigned i = 0; i < children; i++) {
		struct child *c = &made.child[i];
		child_new(&parent, c);
		c->posts = (windows + frames - 1) / frames;
		c->post = calloc(c->posts, sizeof *c->post);
		must(c->post != NULL, "memory");
		for (unsigned k = 0, at = 0; k < c->posts; k++) {
			unsigned some = windows - at < frames ? windows - at : frames;
			c->post[k] =
				post_of(&parent, c, oldest + (int64_t)at * WINDOW_S, some, items);
			bytes += c->post[k].len;
			at += some;
		}
	}
	printf("{\"frames\":%llu,\"bytes\":%zu}\n", (unsigned long long)children * windows, bytes);
}

/* A child's connection is there before its turn; its turn begins when another's is over. */
static struct conn **ready;

static void next_child(void)
{
	while (pushed.open < pushed.wanted && pushed.next < made.children) {
		struct conn *c = ready[pushed.next++];
		pushed.open++;
		ask(c, c->child->post[0].bytes, c->child->post[0].len);
	}
}

static int by_size(const void *a, const void *b)
{
	const int64_t *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static void cmd_push(unsigned at_once)
{
	size_t posts = 0;
	ready = calloc(made.children + 1, sizeof(struct conn *));
	must(ready != NULL && made.children > 0, "nothing was made");
	for (unsigned i = 0; i < made.children || connecting > 0;) {
		while (i < made.children && connecting < AT_ONCE) {
			ready[i] = conn_open(&made.child[i], false);
			posts += made.child[i++].posts;
		}
		turn(false);
	}
	free(pushed.took_ns);
	pushed = (struct pushed){ .wanted = at_once };
	pushed.took_ns = calloc(posts, sizeof *pushed.took_ns);
	must(pushed.took_ns != NULL, "memory");
	printf("{\"connected\":%u}\n", made.children);
	fflush(stdout);
	int64_t began = mono_ns();
	next_child();
	for (unsigned begun = 0; pushed.open > 0; turn(false))
		while (begun < pushed.next)
			drive(ready[begun++]);
	double seconds = (double)(mono_ns() - began) / 1e9;
	qsort(pushed.took_ns, pushed.posts, sizeof *pushed.took_ns, by_size);
	printf("{\"frames\":%llu,\"posts\":%llu,\"refused\":%llu,\"seconds\":%.3f,\"p50_ms\":%.2f,"
	       "\"p95_ms\":%.2f}\n",
		(unsigned long long)pushed.frames, (unsigned long long)pushed.posts,
		(unsigned long long)pushed.refused, seconds,
		(double)pushed.took_ns[pushed.posts / 2] / 1e6,
		(double)pushed.took_ns[pushed.posts * 95 / 100] / 1e6);
	for (unsigned i = 0; i < made.children; i++) {
		conn_close(ready[i]);
		for (unsigned k = 0; k < made.child[i].posts; k++)
			free(made.child[i].post[k].bytes);
		free(made.child[i].post);
	}
	free(ready);
	free(made.child);
	made.children = 0;
}

static void command(const char *line)
{
	unsigned a, b, c, d;
	if (sscanf(line, "idle %u", &a) == 1)
		cmd_idle(a);
	else if (sscanf(line, "make %u %u %u %u", &a, &b, &c, &d) == 4)
		cmd_make(a, b, c, d);
	else if (sscanf(line, "push %u", &a) == 1)
		cmd_push(a);
	else
		must(false, "no such command");
	fflush(stdout);
}

static void open_parent(const char *folder, const char *org, const char *port)
{
	struct err err = { 0 };
	snprintf(parent.org, sizeof parent.org, "%s", org);
	parent.port = port;
	parent.key = pki_read_key(folder, "ca.key", &err);
	parent.crt = parent.key == NULL ? NULL : pki_read_crt(folder, "ca.crt", &err);
	must(parent.crt != NULL, err.text);
}

int main(int argc, char **argv)
{
	struct rlimit files;
	struct epoll_event e = { .events = EPOLLIN };
	char line[256];
	size_t len = 0;
	must(argc == 4, "usage: chain_load FOLDER ORG PORT");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	must(keys_init(), "no random numbers");
	open_parent(argv[1], argv[2], argv[3]);
	snprintf(poll_request, sizeof poll_request,
		"GET /chain/1/down?after=0&wait=%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", POLL_S);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	must(epoll >= 0 && epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e) == 0, "epoll");
	for (;;) {
		if (turn(true))
			continue;
		ssize_t n = read(STDIN_FILENO, line + len, sizeof line - 1 - len);
		if (n <= 0)
			return 0;
		line[len += (size_t)n] = '\0';
		for (char *end; (end = strchr(line, '\n')) != NULL;) {
			*end = '\0';
			command(line);
			len -= (size_t)(end + 1 - line);
			memmove(line, end + 1, len + 1);
		}
	}
}
