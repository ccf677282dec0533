/* http.h - a small HTTPS server over libmicrohttpd, the only file that knows it: routes, bodies
 * within bounds, long polls, streams of events. Who may connect is pki.h's. */
#ifndef AGGREGATOR_HTTP_H
#define AGGREGATOR_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aggregator/peer.h"

struct http;
struct pki;

struct http_request {
	const char *method, *path; /* path without query */
	const char *body;          /* as received; NULL: none */
	size_t len;
	const struct peer *peer; /* mutual TLS: who; else NULL */
	const char *address;     /* of the client, for logs */
	void *opaque;
};
/* NULL if there is none. Borrowed. */
const char *http_header(const struct http_request *r, const char *name);
const char *http_query(const struct http_request *r, const char *name);

struct http_reply {
	int status;
	int retry_after;          /* s, -1: none */
	const char *content_type; /* NULL: application/json */
	char *body;               /* free()d by the server; NULL: none */
	size_t len;
	const char *extra[8]; /* name, value, …, NULL */
	int wait_ms;          /* > 0 and status 0: nothing to say yet, ask the handler again after
				 http_wake() or this long */
	bool stream; /* text/event-stream: the handler is asked again for the next piece until it
			sets status < 0 */
};
/* Called in the server's threads, several at once. @again: the same request after a wait (state in
 * *slot, which starts NULL and is free()d at the end). */
typedef void http_handler(
	void *ctx, const struct http_request *r, bool again, void **slot, struct http_reply *out);
/* Before a body is read: false with @out filled refuses it. May be NULL. */
typedef bool http_gate(
	void *ctx, const struct http_request *r, size_t bytes, struct http_reply *out);

struct http_options {
	const char *address; /* "0.0.0.0:8443", "[::1]:0", "unix:" is not supported */
	struct pki *pki;     /* NULL: plain HTTP (loopback only: refused elsewhere) */
	bool ask_client;     /* mutual TLS; false: the enrolment listener, the API */
	size_t max_body;
	unsigned max_connections, per_address;
	unsigned idle_s; /* connections without a request are closed after */
	unsigned threads;
	http_handler *handler;
	http_gate *gate;
	void *ctx;
};
struct http *http_open(const struct http_options *o, struct err *err);
bool http_is_loopback(const char *address);
uint16_t http_port(const struct http *h);
void http_wake(struct http *h); /* asks every waiting handler again */
/* Cuts the live connections of one organisation (revoked). Returns how many. */
unsigned http_cut(struct http *h, const char *org);
void http_close(struct http *h);

#endif
