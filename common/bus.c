/* bus.c - a connection to Redis over our own non-blocking socket. The only file that knows hiredis,
 * and of it only the RESP codec: Debian's 0.14.1 has no TLS and no time-outs for us. */
#include "common/bus.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/tls.h"

enum { ELEMENTS_MAX = 1 << 20, CHUNK = 64 * 1024 };

enum stage { DIALING, SHAKING, LOGGING_IN, UP, DOWN };

struct bus {
	struct bus_target target;
	struct bus_limits limits;
	enum stage stage;
	int fd;
	struct tls *tls;
	bool tls_wants_write;
	struct addrinfo *addresses, *next; /* still to be tried */
	int64_t deadline_ms; /* of the stage, or of the next byte while replies are due */
	redisReader *reader;
	size_t elements, held; /* in the reply being read; and the bytes of its texts */
	char *out;
	size_t out_len, out_sent, out_cap;
	size_t due;
	bool armed; /* deadline_ms is for a reply */
	bool too_long;
	struct bus_reply *ready; /* read ahead of bus_receive() */
	char chunk[CHUNK];
};

/* ---- replies: our own objects, counted so that "*1000000000" costs nothing ---- */

static struct bus_reply *new_reply(const redisReadTask *task, enum bus_type type, size_t len)
{
	struct bus *b = task->privdata;
	b->too_long = b->elements >= ELEMENTS_MAX || len > b->limits.max_reply - b->held;
	if (b->too_long)
		return NULL;
	struct bus_reply *r = calloc(1, sizeof *r + len + 1);
	if (r == NULL)
		return NULL;
	b->elements++;
	b->held += len;
	r->type = type;
	r->len = len;
	if (task->parent != NULL) {
		struct bus_reply *parent = task->parent->obj;
		parent->element[task->idx] = r;
	}
	return r;
}

static void *make_string(const redisReadTask *task, char *text, size_t len)
{
	enum bus_type type = task->type == REDIS_REPLY_ERROR    ? BUS_ERROR
			     : task->type == REDIS_REPLY_STATUS ? BUS_STATUS
								: BUS_STRING;
	struct bus_reply *r = new_reply(task, type, len);
	if (r != NULL)
		memcpy(r->text, text, len);
	return r;
}

static void *make_array(const redisReadTask *task, int elements)
{
	struct bus *b = task->privdata;
	size_t n = elements < 0 ? 0 : (size_t)elements;
	b->too_long = n > ELEMENTS_MAX - b->elements;
	if (b->too_long)
		return NULL;
	struct bus_reply **element = calloc(n == 0 ? 1 : n, sizeof *element);
	if (element == NULL)
		return NULL;
	struct bus_reply *r = new_reply(task, BUS_ARRAY, 0);
	if (r == NULL) {
		free(element);
		return NULL;
	}
	b->elements += n;
	r->element = element;
	r->count = n;
	return r;
}

static void *make_integer(const redisReadTask *task, long long v)
{
	struct bus_reply *r = new_reply(task, BUS_INTEGER, 0);
	if (r != NULL)
		r->integer = v;
	return r;
}

static void *make_nil(const redisReadTask *task)
{
	return new_reply(task, BUS_NIL, 0);
}

/* Depth is bounded by the reader (seven levels). */
void bus_reply_free(struct bus_reply *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < r->count; i++)
		bus_reply_free(r->element[i]);
	free(r->element);
	free(r);
}

static void free_object(void *object)
{
	bus_reply_free(object);
}

static redisReplyObjectFunctions functions = { make_string, make_array, make_integer, make_nil,
	free_object };

bool bus_is_error(const struct bus_reply *r, const char *word)
{
	size_t n = strlen(word);
	return r->type == BUS_ERROR && strncmp(r->text, word, n) == 0 &&
	       (r->text[n] == ' ' || r->text[n] == '\0');
}

const struct bus_reply *bus_pair(const struct bus_reply *r, const char *name)
{
	if (r->type != BUS_ARRAY)
		return NULL;
	for (size_t i = 0; i + 1 < r->count; i += 2) {
		const struct bus_reply *key = r->element[i];
		if (key->type == BUS_STRING && strcmp(key->text, name) == 0)
			return r->element[i + 1];
	}
	return NULL;
}

bool bus_follow(const struct bus_reply *r, struct bus_target *t)
{
	char host[sizeof t->host];
	unsigned slot, port;
	if (t->kind == BUS_UNIX || (!bus_is_error(r, "MOVED") && !bus_is_error(r, "ASK")))
		return false;
	if (sscanf(r->text, "%*s %u %255[^ ]", &slot, host) != 2)
		return false;
	char *colon = strrchr(host, ':');
	if (colon == NULL || sscanf(colon + 1, "%5u", &port) != 1 || port == 0 || port > 65535)
		return false;
	*colon = '\0';
	/* An empty host is the node that answered, by an address only it knows: keep ours. */
	if (host[0] != '\0')
		snprintf(t->host, sizeof t->host, "%s", host);
	t->port = (uint16_t)port;
	return true;
}

/* ---- dialing ---- */

static void hang_up(struct bus *b)
{
	tls_free(b->tls);
	b->tls = NULL;
	if (b->fd >= 0)
		close(b->fd);
	b->fd = -1;
}

static bool dial_unix(struct bus *b, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy(address.sun_path, b->target.path, sizeof address.sun_path);
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (b->fd < 0 || connect(b->fd, (struct sockaddr *)&address, sizeof address) != 0)
		return err_set(err, "%s: %s", b->target.path, strerror(errno));
	return true;
}

/* The next address that does not refuse at once. */
static bool dial_next(struct bus *b, struct err *err)
{
	int error = EADDRNOTAVAIL;
	for (; b->next != NULL; b->next = b->next->ai_next) {
		struct addrinfo *a = b->next;
		int yes = 1;
		hang_up(b);
		b->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (b->fd < 0) {
			error = errno;
			continue;
		}
		setsockopt(b->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
		setsockopt(b->fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
		if (connect(b->fd, a->ai_addr, a->ai_addrlen) == 0 || errno == EINPROGRESS) {
			b->next = a->ai_next;
			return true;
		}
		error = errno;
	}
	return err_set(err, "%s:%u: %s", b->target.host, b->target.port, strerror(error));
}

static bool dial_tcp(struct bus *b, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	char port[8];
	snprintf(port, sizeof port, "%u", b->target.port);
	int n = getaddrinfo(b->target.host, port, &hints, &b->addresses);
	if (n != 0) {
		b->addresses = NULL;
		return err_set(err, "%s: %s", b->target.host, gai_strerror(n));
	}
	b->next = b->addresses;
	return dial_next(b, err);
}

struct bus *bus_open(
	const struct bus_target *t, const struct bus_limits *l, int64_t now_ms, struct err *err)
{
	struct bus *b = calloc(1, sizeof *b);
	if (b == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	b->target = *t;
	b->limits = *l;
	b->fd = -1;
	b->deadline_ms = now_ms + l->connect_ms;
	b->reader = redisReaderCreateWithFunctions(&functions);
	if (b->reader == NULL) {
		err_set(err, "out of memory");
	} else {
		b->reader->privdata = b;
		b->reader->maxbuf = 0; /* keep its buffer when it is empty */
		if (t->kind == BUS_UNIX ? dial_unix(b, err) : dial_tcp(b, err))
			return b;
	}
	bus_close(b);
	return NULL;
}

void bus_close(struct bus *b)
{
	if (b == NULL)
		return;
	hang_up(b);
	if (b->addresses != NULL)
		freeaddrinfo(b->addresses);
	if (b->reader != NULL)
		redisReaderFree(b->reader);
	bus_reply_free(b->ready);
	free(b->out);
	free(b);
}

/* ---- sending ---- */

static bool queue(struct bus *b, const char *bytes, size_t n)
{
	if (b->out_sent > 0) {
		memmove(b->out, b->out + b->out_sent, b->out_len - b->out_sent);
		b->out_len -= b->out_sent;
		b->out_sent = 0;
	}
	if (b->out_len + n > b->out_cap) {
		size_t cap = b->out_cap == 0 ? CHUNK : b->out_cap;
		while (cap < b->out_len + n)
			cap *= 2;
		char *grown = realloc(b->out, cap);
		if (grown == NULL)
			return false;
		b->out = grown;
		b->out_cap = cap;
	}
	memcpy(b->out + b->out_len, bytes, n);
	b->out_len += n;
	return true;
}

static bool send_now(struct bus *b, int argc, const char *const *argv, const size_t *len)
{
	char *command;
	/* hiredis asks for pointers it does not write through. */
	int n = redisFormatCommandArgv(&command, argc, (const char **)(uintptr_t)argv, len);
	if (n < 0)
		return false;
	bool good = queue(b, command, (size_t)n);
	redisFreeCommand(command);
	b->due += good;
	return good;
}

bool bus_send(struct bus *b, int argc, const char *const *argv, const size_t *len)
{
	if (b->stage != UP || b->out_len - b->out_sent > b->limits.max_out)
		return false;
	return send_now(b, argc, argv, len);
}

static ssize_t put_bytes(struct bus *b, const char *bytes, size_t n, struct err *err)
{
	b->tls_wants_write = false;
	if (b->tls == NULL)
		return send(b->fd, bytes, n, MSG_NOSIGNAL);
	ssize_t k = tls_send(b->tls, bytes, n, err);
	b->tls_wants_write = k < 0 && errno == EAGAIN;
	return k;
}

static bool write_out(struct bus *b, struct err *err)
{
	while (b->out_sent < b->out_len) {
		size_t left = b->out_len - b->out_sent;
		ssize_t k = put_bytes(b, b->out + b->out_sent, left < CHUNK ? left : CHUNK, err);
		if (k < 0 && errno == EINTR)
			continue;
		if (k < 0 && errno == EAGAIN)
			return true;
		if (k <= 0)
			return err_set(err, "sending: %s", strerror(errno));
		b->out_sent += (size_t)k;
	}
	b->out_len = b->out_sent = 0;
	return true;
}

/* ---- receiving ---- */

static struct bus_reply *parse(struct bus *b, struct err *err)
{
	void *reply = NULL;
	if (redisReaderGetReply(b->reader, &reply) != REDIS_OK) {
		if (b->too_long)
			err_set(err, "a reply of more than %zu bytes", b->limits.max_reply);
		else
			err_set(err, "reply: %s", b->reader->errstr);
		return NULL;
	}
	if (reply != NULL)
		b->elements = b->held = 0;
	return reply;
}

static ssize_t get_bytes(struct bus *b, struct err *err)
{
	if (b->tls != NULL)
		return tls_recv(b->tls, b->chunk, sizeof b->chunk, err);
	return recv(b->fd, b->chunk, sizeof b->chunk, 0);
}

/* One chunk. Stops while a reply waits to be taken, so that memory stays bounded. */
static bool read_in(struct bus *b, struct err *err)
{
	for (unsigned i = 0; i < 16; i++) {
		if (b->reader->len - b->reader->pos > b->limits.max_reply) {
			b->too_long = true;
			return err_set(err, "a reply of more than %zu bytes", b->limits.max_reply);
		}
		if (b->ready == NULL)
			b->ready = parse(b, err);
		if (err->set)
			return false;
		if (b->ready != NULL)
			return true;
		ssize_t k = get_bytes(b, err);
		if (k < 0 && (errno == EAGAIN || errno == EINTR))
			return true;
		if (k <= 0)
			return err_set(err, "%s", k == 0 ? "connection closed" : strerror(errno));
		b->armed = false;
		if (redisReaderFeed(b->reader, b->chunk, (size_t)k) != REDIS_OK)
			return err_set(err, "reply: %s", b->reader->errstr);
	}
	return true;
}

struct bus_reply *bus_receive(struct bus *b)
{
	struct err err = { 0 };
	struct bus_reply *r = b->ready;
	if (b->stage != UP)
		return NULL;
	b->ready = NULL;
	if (r == NULL)
		r = parse(b, &err); /* an error comes up again in bus_work() */
	if (r != NULL && b->due > 0)
		b->due--;
	b->armed = b->armed && b->due > 0; /* the next one has its own time */
	return r;
}

/* ---- stages ---- */

static bool log_in(struct bus *b, struct err *err)
{
	char password[512] = "";
	const char *argv[3] = { "AUTH" };
	int argc = 1;
	if (b->target.password_file[0] == '\0') {
		b->stage = UP;
		return true;
	}
	FILE *file = fopen(b->target.password_file, "re");
	if (file == NULL)
		return err_set(err, "%s: %s", b->target.password_file, strerror(errno));
	bool read = fgets(password, sizeof password, file) != NULL;
	fclose(file);
	password[strcspn(password, "\r\n")] = '\0';
	if (!read || password[0] == '\0')
		return err_set(err, "%s: no password in its first line", b->target.password_file);
	if (b->target.user[0] != '\0')
		argv[argc++] = b->target.user;
	argv[argc++] = password;
	b->stage = LOGGING_IN;
	bool good = send_now(b, argc, argv, NULL);
	explicit_bzero(password, sizeof password);
	return good || err_set(err, "out of memory");
}

static bool begin_tls(struct bus *b, struct err *err)
{
	const struct bus_target *t = &b->target;
	const struct tls_options o = { .host = t->host,
		.ca_file = t->ca_file[0] == '\0' ? NULL : t->ca_file,
		.cert_file = t->cert_file[0] == '\0' ? NULL : t->cert_file,
		.key_file = t->key_file };
	b->stage = SHAKING;
	b->tls = tls_new(b->fd, &o, err);
	return b->tls != NULL;
}

/* The socket is writable: connected, or refused. */
static bool dialed(struct bus *b, struct err *err)
{
	int error = 0;
	socklen_t n = sizeof error;
	struct pollfd fd = { .fd = b->fd, .events = POLLOUT };
	if (poll(&fd, 1, 0) == 0)
		return true;
	getsockopt(b->fd, SOL_SOCKET, SO_ERROR, &error, &n);
	if (error != 0 && b->next != NULL)
		return dial_next(b, err);
	if (error != 0)
		return err_set(err, "%s:%u: %s", b->target.host, b->target.port, strerror(error));
	return b->target.kind == BUS_TLS ? begin_tls(b, err) : log_in(b, err);
}

static bool shaken(struct bus *b, struct err *err)
{
	enum tls_state state = tls_handshake(b->tls, err);
	b->tls_wants_write = state == TLS_WRITE;
	if (state == TLS_DONE)
		return log_in(b, err);
	return state != TLS_FAILED;
}

static bool logged_in(struct bus *b, struct err *err)
{
	struct bus_reply *r = b->ready;
	if (r == NULL)
		return true;
	b->ready = NULL;
	b->due = 0;
	bool good = r->type == BUS_STATUS;
	if (!good)
		err_set(err, "login: %.200s",
			r->type == BUS_ERROR ? r->text : "not a reply to AUTH");
	b->stage = UP;
	bus_reply_free(r);
	return good;
}

static bool advance(struct bus *b, struct err *err)
{
	if (b->stage == DIALING && !dialed(b, err))
		return false;
	if (b->stage == SHAKING && !shaken(b, err))
		return false;
	if (b->stage == DIALING || b->stage == SHAKING)
		return true;
	if (!write_out(b, err) || !read_in(b, err))
		return false;
	return b->stage != LOGGING_IN || logged_in(b, err);
}

static bool waits(const struct bus *b)
{
	return b->stage != UP || b->due > 0;
}

/* A reply has reply_ms from when it became due, or from the last byte that came. */
static void arm(struct bus *b, int64_t now_ms)
{
	if (b->stage != UP)
		return;
	if (b->due > 0 && !b->armed)
		b->deadline_ms = now_ms + b->limits.reply_ms;
	b->armed = b->due > 0;
}

bool bus_work(struct bus *b, int64_t now_ms, struct err *err)
{
	if (b->stage == DOWN)
		return err_set(err, "not connected");
	bool good = advance(b, err);
	arm(b, now_ms);
	if (good && waits(b) && b->ready == NULL && now_ms >= b->deadline_ms)
		good = err_set(
			err, "%s", b->stage == UP ? "no reply in time" : "no connection in time");
	if (good)
		return true;
	hang_up(b);
	b->stage = DOWN;
	return false;
}

enum bus_state bus_state(const struct bus *b)
{
	if (b->stage == UP)
		return BUS_UP;
	return b->stage == DOWN ? BUS_DOWN : BUS_CONNECTING;
}

int bus_fd(const struct bus *b)
{
	return b->fd;
}

short bus_events(const struct bus *b)
{
	if (b->stage == DIALING || b->tls_wants_write)
		return POLLOUT;
	short write = b->out_sent < b->out_len && b->stage != SHAKING ? POLLOUT : 0;
	return (short)(POLLIN | write);
}

int bus_patience(const struct bus *b, int64_t now_ms, int ms)
{
	if (b->ready != NULL || (b->tls != NULL && b->stage == UP && tls_pending(b->tls) > 0))
		return 0;
	if (!waits(b))
		return ms;
	int64_t left = b->deadline_ms - now_ms;
	if (left < 0)
		left = 0;
	return ms < 0 || left < ms ? (int)left : ms;
}

size_t bus_unsent(const struct bus *b)
{
	return b->out_len - b->out_sent;
}

bool bus_too_long(const struct bus *b)
{
	return b->too_long;
}

size_t bus_due(const struct bus *b)
{
	return b->due;
}
