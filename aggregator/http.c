/* http.c - requests, waiting and streams over libmicrohttpd. It answers whoever the handshake let
 * in; pki.h decides that. A waiting request costs no thread: its connection is suspended, and one
 * thread resumes those whose time has come or for whom there may be news. */
#include "aggregator/http.h"

#include <limits.h>
#include <microhttpd.h>
#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>

#include "aggregator/http_conn.h"
#include "aggregator/pki.h"
#include "common/clock.h"

enum {
	STRANGER_S = 15 /* to say who it is */,
	TICK_MS = 200,
	CONNECTION_MEMORY = 8 * 1024,
	STREAM_BLOCK = 16 * 1024,
	BACKLOG = 1024
};

/* One request on a connection. */
struct req {
	struct req *next, *prev; /* while it waits */
	struct http *http;
	struct conn *conn;
	struct MHD_Connection *mhd;
	struct http_request seen;
	struct peer peer;
	char *body;
	size_t cap;
	void *slot;
	int64_t until_ms;
	bool waits, asked, streams;
	char *piece; /* of a stream */
	size_t piece_len, piece_at;
};

struct http {
	struct MHD_Daemon *daemon;
	struct http_options o;
	uint16_t port;
	struct conns conns;
	pthread_mutex_t wait_lock;
	pthread_cond_t cond;
	struct req *waiting, *waiting_last;
	uint64_t news; /* counts http_wake() */
	bool closing;
	pthread_t timer;
	bool timer_runs;
};

static int64_t mono_ms(void)
{
	return mono_ns() / 1000000;
}

const char *http_header(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->opaque, MHD_HEADER_KIND, name);
}

const char *http_query(const struct http_request *r, const char *name)
{
	return MHD_lookup_connection_value(r->opaque, MHD_GET_ARGUMENT_KIND, name);
}

/* --- waiting ----------------------------------------------------------------------------- */

/* Sorted by time: those that are due come first, a new one mostly last. Under wait_lock. */
static void put_waiting(struct http *h, struct req *r)
{
	struct req *before =
		h->waiting == NULL || h->waiting->until_ms >= r->until_ms ? NULL : h->waiting_last;
	while (before != NULL && before->until_ms > r->until_ms)
		before = before->prev;
	r->prev = before;
	r->next = before == NULL ? h->waiting : before->next;
	*(before == NULL ? &h->waiting : &before->next) = r;
	*(r->next == NULL ? &h->waiting_last : &r->next->prev) = r;
	r->waits = true;
}

static void cut_waiting(struct http *h, struct req *r)
{
	*(r->prev == NULL ? &h->waiting : &r->prev->next) = r->next;
	*(r->next == NULL ? &h->waiting_last : &r->next->prev) = r->prev;
	r->waits = false;
}

/* Suspends, unless there was news since @news. Under no lock of ours. */
static bool wait_for(struct req *r, int ms, uint64_t news)
{
	struct http *h = r->http;
	pthread_mutex_lock(&h->wait_lock);
	bool closing = h->closing;
	if (!closing) {
		MHD_suspend_connection(r->mhd);
		r->until_ms = h->news != news ? 0 : mono_ms() + ms;
		bool first = h->waiting == NULL; /* it starts the clock */
		put_waiting(h, r);
		if (first || r->until_ms == 0)
			pthread_cond_signal(&h->cond);
	}
	pthread_mutex_unlock(&h->wait_lock);
	return !closing;
}

static uint64_t news_now(struct http *h)
{
	pthread_mutex_lock(&h->wait_lock);
	uint64_t news = h->news;
	pthread_mutex_unlock(&h->wait_lock);
	return news;
}

/* Under wait_lock. @org: only its requests, NULL: those that are due before @now. */
static void resume(struct http *h, int64_t now, const char *org)
{
	for (struct req *r = h->waiting, *next; r != NULL; r = next) {
		next = r->next;
		if (org == NULL && r->until_ms > now)
			return;
		if (org != NULL && (r->conn == NULL || strcmp(r->conn->org, org) != 0))
			continue;
		cut_waiting(h, r);
		MHD_resume_connection(r->mhd);
	}
}

static void *timer_main(void *ctx)
{
	struct http *h = ctx;
	uint64_t seen = 0;
	pthread_mutex_lock(&h->wait_lock);
	while (!h->closing) {
		struct timespec until;
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += (long)TICK_MS * 1000000;
		until.tv_sec += until.tv_nsec / 1000000000;
		until.tv_nsec %= 1000000000;
		if (h->waiting == NULL)
			pthread_cond_wait(&h->cond, &h->wait_lock);
		else if (h->news == seen)
			pthread_cond_timedwait(&h->cond, &h->wait_lock, &until);
		resume(h, h->news != seen ? INT64_MAX : mono_ms(), NULL);
		seen = h->news;
	}
	resume(h, INT64_MAX, NULL);
	pthread_mutex_unlock(&h->wait_lock);
	return NULL;
}

void http_wake(struct http *h)
{
	pthread_mutex_lock(&h->wait_lock);
	h->news++;
	pthread_cond_signal(&h->cond);
	pthread_mutex_unlock(&h->wait_lock);
}

unsigned http_cut(struct http *h, const char *org)
{
	unsigned n = conns_cut(&h->conns, org);
	pthread_mutex_lock(&h->wait_lock);
	resume(h, 0, org);
	pthread_mutex_unlock(&h->wait_lock);
	return n;
}

/* --- replies ----------------------------------------------------------------------------- */

static enum MHD_Result queue(
	struct req *r, const struct http_reply *reply, struct MHD_Response *response)
{
	char text[16];
	if (response == NULL)
		return MHD_NO;
	MHD_add_response_header(response, "Content-Type",
		reply->content_type != NULL ? reply->content_type : "application/json");
	MHD_add_response_header(response, "Cache-Control", "no-store");
	if (reply->retry_after >= 0) {
		snprintf(text, sizeof text, "%d", reply->retry_after);
		MHD_add_response_header(response, "Retry-After", text);
	}
	for (unsigned i = 0; i + 1 < 8 && reply->extra[i] != NULL; i += 2)
		MHD_add_response_header(response, reply->extra[i], reply->extra[i + 1]);
	enum MHD_Result result = MHD_queue_response(r->mhd, (unsigned)reply->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result answer(struct req *r, struct http_reply *reply)
{
	struct MHD_Response *response =
		reply->body == NULL
			? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
			: MHD_create_response_from_buffer(
				  reply->len, reply->body, MHD_RESPMEM_MUST_FREE);
	if (response == NULL)
		free(reply->body);
	reply->body = NULL;
	return queue(r, reply, response);
}

static enum MHD_Result refuse(struct req *r, int status, const char *json)
{
	struct http_reply reply = { .status = status, .retry_after = -1, .body = strdup(json) };
	reply.len = reply.body == NULL ? 0 : strlen(json);
	return answer(r, &reply);
}

/* --- streams ----------------------------------------------------------------------------- */

static void keep_piece(struct req *r, struct http_reply *reply)
{
	free(r->piece);
	r->piece = reply->body;
	r->piece_len = reply->body == NULL ? 0 : reply->len;
	r->piece_at = 0;
}

static ssize_t read_stream(void *ctx, uint64_t at, char *out, size_t max)
{
	struct req *r = ctx;
	(void)at;
	if (r->conn != NULL && r->conn->cut)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (r->piece_at == r->piece_len) {
		uint64_t news = news_now(r->http);
		struct http_reply reply = { .status = 200, .retry_after = -1, .stream = true };
		r->http->o.handler(r->http->o.ctx, &r->seen, true, &r->slot, &reply);
		if (reply.status < 0) {
			free(reply.body);
			return MHD_CONTENT_READER_END_OF_STREAM;
		}
		keep_piece(r, &reply);
		if (r->piece_len == 0)
			return wait_for(r, reply.wait_ms > 0 ? reply.wait_ms : 1000, news)
				       ? 0
				       : MHD_CONTENT_READER_END_OF_STREAM;
	}
	size_t n = r->piece_len - r->piece_at;
	if (n > max)
		n = max;
	memcpy(out, r->piece + r->piece_at, n);
	r->piece_at += n;
	return (ssize_t)n;
}

/* --- requests ---------------------------------------------------------------------------- */

static enum MHD_Result ask_handler(struct req *r)
{
	struct http *h = r->http;
	uint64_t news = news_now(h);
	struct http_reply reply = { .retry_after = -1 };
	bool again = r->asked;
	r->asked = true;
	h->o.handler(h->o.ctx, &r->seen, again, &r->slot, &reply);
	if (reply.status == 0) {
		free(reply.body);
		return wait_for(r, reply.wait_ms, news) ? MHD_YES : MHD_NO;
	}
	if (!reply.stream)
		return answer(r, &reply);
	r->streams = true;
	keep_piece(r, &reply);
	return queue(r, &reply,
		MHD_create_response_from_callback(
			MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, r, NULL));
}

/* The body's length as the header says; false: it says nonsense. */
static bool told_length(struct req *r, size_t *n)
{
	const char *text = http_header(&r->seen, "Content-Length");
	*n = 0;
	if (text == NULL)
		return true;
	if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 12)
		return false;
	*n = (size_t)strtoull(text, NULL, 10);
	return true;
}

static bool learn_peer(struct req *r)
{
	struct http *h = r->http;
	const union MHD_ConnectionInfo *info;
	if (!h->o.ask_client)
		return true;
	info = MHD_get_connection_info(r->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (info == NULL || !pki_peer(h->o.pki, info->tls_session, &r->peer))
		return false;
	r->seen.peer = &r->peer;
	if (r->conn != NULL && r->conn->stranger) {
		conns_known(&h->conns, r->conn, r->peer.org);
		MHD_set_connection_option(r->mhd, MHD_CONNECTION_OPTION_TIMEOUT, h->o.idle_s);
	}
	return true;
}

/* What can be said when only the headers are here. MHD_NO ends the connection. */
static enum MHD_Result judge_headers(struct req *r, bool *go_on)
{
	struct http *h = r->http;
	struct http_reply reply = { .retry_after = -1 };
	size_t n;
	*go_on = false;
	if (!learn_peer(r))
		return MHD_NO;
	if (http_header(&r->seen, "Transfer-Encoding") != NULL)
		return refuse(r, 411, "{\"error\":\"a body has a Content-Length\"}");
	if (!told_length(r, &n))
		return refuse(r, 400, "{\"error\":\"Content-Length is no number\"}");
	if (n > h->o.max_body)
		return refuse(r, 413, "{\"error\":\"too large\"}");
	if (h->o.gate != NULL && !h->o.gate(h->o.ctx, &r->seen, n, &reply))
		return answer(r, &reply);
	*go_on = true;
	return MHD_YES;
}

static enum MHD_Result take_body(struct req *r, const char *bytes, size_t *n)
{
	if (r->seen.len + *n > r->http->o.max_body)
		return MHD_NO;
	if (r->seen.len + *n + 1 > r->cap) {
		size_t cap = (r->seen.len + *n + 1) * 2;
		char *more = realloc(r->body, cap);
		if (more == NULL)
			return MHD_NO;
		r->body = more;
		r->cap = cap;
	}
	memcpy(r->body + r->seen.len, bytes, *n);
	r->seen.len += *n;
	r->body[r->seen.len] = '\0';
	r->seen.body = r->body;
	*n = 0;
	return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
	const char *method, const char *version, const char *bytes, size_t *n, void **state)
{
	struct req *r = *state;
	const union MHD_ConnectionInfo *info;
	(void)version;
	if (r == NULL) {
		bool go_on;
		r = calloc(1, sizeof *r);
		if (r == NULL)
			return MHD_NO;
		*state = r;
		r->http = ctx;
		r->mhd = mhd;
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
		r->conn = info == NULL ? NULL : info->socket_context;
		r->seen = (struct http_request){ .method = method, .path = url, .opaque = mhd };
		r->seen.address = r->conn == NULL ? "" : r->conn->address;
		return judge_headers(r, &go_on);
	}
	if (r->conn != NULL && r->conn->cut)
		return MHD_NO;
	/* url and method live as long as the request */
	r->seen.method = method;
	r->seen.path = url;
	if (*n > 0)
		return take_body(r, bytes, n);
	return ask_handler(r);
}

static void on_end(
	void *ctx, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode why)
{
	struct req *r = *state;
	struct http *h = ctx;
	(void)mhd;
	(void)why;
	if (r == NULL)
		return;
	pthread_mutex_lock(&h->wait_lock);
	if (r->waits)
		cut_waiting(h, r);
	pthread_mutex_unlock(&h->wait_lock);
	free(r->slot);
	free(r->body);
	free(r->piece);
	free(r);
	*state = NULL;
}

/* --- connections ------------------------------------------------------------------------- */

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
	enum MHD_ConnectionNotificationCode what)
{
	struct http *h = ctx;
	struct conn *c = *socket_ctx;
	const union MHD_ConnectionInfo *info;
	if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (c == NULL)
			return;
		conns_remove(&h->conns, c);
		*socket_ctx = NULL;
		return;
	}
	if (h->o.pki != NULL && h->o.ask_client) {
		info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
		if (info != NULL)
			pki_guard(h->o.pki, info->tls_session);
	}
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
	int fd = info == NULL ? -1 : info->connect_fd;
	info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	*socket_ctx =
		conns_add(&h->conns, fd, info == NULL ? NULL : info->client_addr, h->o.ask_client);
}

/* --- life -------------------------------------------------------------------------------- */

/* "0.0.0.0:8443", "[::1]:0", "localhost:80". */
static bool resolve(const char *text, struct sockaddr_storage *to, struct err *err)
{
	char host[256];
	const char *colon = strrchr(text, ':');
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	struct addrinfo *list;
	if (colon == NULL || len == 0 || len >= sizeof host || colon[1] == '\0')
		return err_set(err, "%s: listeners are ADDRESS:PORT", text);
	if (text[0] == '[' && text[len - 1] == ']')
		snprintf(host, sizeof host, "%.*s", (int)len - 2, text + 1);
	else
		snprintf(host, sizeof host, "%.*s", (int)len, text);
	int code = getaddrinfo(host, colon + 1, &hints, &list);
	if (code != 0)
		return err_set(err, "%s: %s", text, gai_strerror(code));
	memcpy(to, list->ai_addr, list->ai_addrlen);
	freeaddrinfo(list);
	return true;
}

static bool is_loopback(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >>
			       24 ==
		       127;
	return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

bool http_is_loopback(const char *address)
{
	struct sockaddr_storage a = { 0 };
	struct err err = { 0 };
	return resolve(address, &a, &err) && is_loopback(&a);
}

static void start_daemon(struct http *h, const struct sockaddr_storage *a)
{
	static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3:%NO_TICKETS";
	const struct http_options *o = &h->o;
	unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME;
	struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)priorities },
		{ MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)pki_server_certificate() },
		{ MHD_OPTION_END, 0, NULL },
	};
	if (o->pki == NULL)
		tls[0].option = MHD_OPTION_END;
	else
		flags |= MHD_USE_TLS;
	if (a->ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	unsigned threads = o->threads > 1 ? o->threads : 0;
	h->daemon = MHD_start_daemon(flags, 0, NULL, NULL, on_request, h, MHD_OPTION_SOCK_ADDR, a,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_NOTIFY_COMPLETED, on_end,
		h, MHD_OPTION_CONNECTION_LIMIT, o->max_connections,
		MHD_OPTION_PER_IP_CONNECTION_LIMIT, o->per_address, MHD_OPTION_CONNECTION_TIMEOUT,
		o->ask_client ? (unsigned)STRANGER_S : o->idle_s,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_LISTEN_BACKLOG_SIZE, (unsigned)BACKLOG, MHD_OPTION_THREAD_POOL_SIZE,
		threads, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
}

static void make_signals(struct http *h)
{
	pthread_condattr_t kind;
	pthread_condattr_init(&kind);
	pthread_condattr_setclock(&kind, CLOCK_MONOTONIC);
	pthread_cond_init(&h->cond, &kind);
	pthread_condattr_destroy(&kind);
	pthread_mutex_init(&h->wait_lock, NULL);
	conns_init(&h->conns, h->o.max_connections);
}

struct http *http_open(const struct http_options *o, struct err *err)
{
	struct sockaddr_storage a = { 0 };
	struct http *h = calloc(1, sizeof *h);
	if (h == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	h->o = *o;
	make_signals(h);
	bool good = resolve(o->address, &a, err);
	if (good && o->pki == NULL && !is_loopback(&a))
		good = err_set(err, "%s: plain HTTP is for loopback addresses", o->address);
	if (good) {
		start_daemon(h, &a);
		good = h->daemon != NULL || err_set(err, "%s: cannot listen there", o->address);
	}
	if (good) {
		h->timer_runs = pthread_create(&h->timer, NULL, timer_main, h) == 0;
		good = h->timer_runs || err_set(err, "%s: no thread can be started", o->address);
	}
	if (!good) {
		http_close(h);
		return NULL;
	}
	const union MHD_DaemonInfo *info =
		MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_BIND_PORT);
	h->port = info == NULL ? 0 : info->port;
	return h;
}

uint16_t http_port(const struct http *h)
{
	return h->port;
}

void http_close(struct http *h)
{
	if (h == NULL)
		return;
	pthread_mutex_lock(&h->wait_lock);
	h->closing = true;
	pthread_cond_signal(&h->cond);
	pthread_mutex_unlock(&h->wait_lock);
	if (h->timer_runs)
		pthread_join(h->timer, NULL);
	if (h->daemon != NULL)
		MHD_stop_daemon(h->daemon);
	pthread_cond_destroy(&h->cond);
	pthread_mutex_destroy(&h->wait_lock);
	conns_fini(&h->conns);
	free(h);
}
