/* tls.h - TLS over a non-blocking socket, and the digests that come with the library. */
#ifndef COMMON_TLS_H
#define COMMON_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/err.h"

struct tls;

struct tls_options {
	const char *host;      /* the certificate must be of this name or address */
	const char *ca_file;   /* NULL: the system's authorities */
	const char *cert_file; /* our own certificate and key, or NULL */
	const char *key_file;
};

/* A client session over @fd, which stays the caller's. Certificates are always verified. */
struct tls *tls_new(int fd, const struct tls_options *o, struct err *err);
void tls_free(struct tls *t);

enum tls_state {
	TLS_DONE,
	TLS_READ,  /* again when the socket is readable */
	TLS_WRITE, /* again when it is writable */
	TLS_FAILED,
};
enum tls_state tls_handshake(struct tls *t, struct err *err);
/* Like send() and recv(): -1 with errno EAGAIN, or EPROTO with @err set; tls_recv() 0 at the end.
 */
ssize_t tls_send(struct tls *t, const void *bytes, size_t n, struct err *err);
ssize_t tls_recv(struct tls *t, void *bytes, size_t n, struct err *err);
/* Bytes that are decrypted already: poll() does not tell of them. */
size_t tls_pending(const struct tls *t);

enum { TLS_SHA1 = 20 };
/* For community ids, which ask for SHA-1; it protects nothing. False if the library refuses. */
bool tls_sha1(const void *bytes, size_t n, uint8_t digest[TLS_SHA1]);

#endif
