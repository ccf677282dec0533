/* bus.h - a connection to Redis over our own non-blocking socket: unix, TCP or TLS.
 * hiredis formats commands and reads replies; what a hostile server may make us hold is bounded. */
#ifndef COMMON_BUS_H
#define COMMON_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"

/* ---- where ---- */

enum bus_kind { BUS_TCP, BUS_UNIX, BUS_TLS };
enum bus_mode { BUS_STREAM, BUS_LIST, BUS_CHANNEL };

struct bus_target {
	enum bus_kind kind;
	char host[256]; /* TCP and TLS */
	uint16_t port;
	char path[108];                     /* unix */
	char user[128], password_file[512]; /* "": none */
	char ca_file[512], cert_file[512], key_file[512];
	char key[256]; /* "": the default of who asks */
	enum bus_mode mode;
};

/* redis://HOST[:PORT], rediss://HOST[:PORT], redis+unix:///PATH, each with ?key= mode= user=
 * password-file= ca-file= cert-file= key-file=. Anything else is refused. */
bool bus_url(const char *url, struct bus_target *t, struct err *err);

/* ---- replies ---- */

enum bus_type { BUS_STRING, BUS_STATUS, BUS_ERROR, BUS_INTEGER, BUS_NIL, BUS_ARRAY };

struct bus_reply {
	enum bus_type type;
	int64_t integer;
	size_t len; /* bytes of text */
	size_t count;
	struct bus_reply **element; /* BUS_ARRAY */
	char text[];                /* with a NUL behind it, not counted */
};

void bus_reply_free(struct bus_reply *r);
/* An error reply that starts with this word: "MOVED". */
bool bus_is_error(const struct bus_reply *r, const char *word);
/* The value after the key called @name in a flat list of pairs (XINFO, HGETALL), or NULL. */
const struct bus_reply *bus_pair(const struct bus_reply *r, const char *name);
/* Where MOVED or ASK points, taken over into @t; false if that makes no sense. */
bool bus_follow(const struct bus_reply *r, struct bus_target *t);

/* ---- connection ---- */

struct bus;

struct bus_limits {
	uint32_t connect_ms; /* for connecting, handshake and login */
	uint32_t reply_ms;   /* without a byte while a reply is due */
	size_t max_reply;    /* bytes of one reply */
	size_t max_out;      /* bytes waiting to be sent */
};

enum bus_state {
	BUS_DOWN,
	BUS_CONNECTING, /* up to and with login */
	BUS_UP,
};

/* Starts to connect; may look up a name. NULL and @err if that fails at once. */
struct bus *bus_open(
	const struct bus_target *t, const struct bus_limits *l, int64_t now_ms, struct err *err);
void bus_close(struct bus *b);
enum bus_state bus_state(const struct bus *b);
int bus_fd(const struct bus *b);
short bus_events(const struct bus *b); /* what to poll for */
/* How long poll() may take, at most @ms. */
int bus_patience(const struct bus *b, int64_t now_ms, int ms);
/* Sends and receives what can be. False and @err: the connection is over. */
bool bus_work(struct bus *b, int64_t now_ms, struct err *err);
/* Queues a command; false if too much is queued already. @len NULL: they are C strings. */
bool bus_send(struct bus *b, int argc, const char *const *argv, const size_t *len);
/* The next reply, the caller's to free; NULL: none yet. */
struct bus_reply *bus_receive(struct bus *b);
bool bus_too_long(const struct bus *b); /* it is over because a reply exceeds max_reply */
size_t bus_due(const struct bus *b);    /* replies that are still due */
size_t bus_unsent(const struct bus *b); /* bytes queued */

#endif
