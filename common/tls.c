/* tls.c - TLS over a non-blocking socket: GnuTLS, which no other file includes. */
#include "common/tls.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

struct tls {
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	char *host;
};

static bool failed(struct err *err, const char *what, int code)
{
	return err_set(err, "%s: %s", what, gnutls_strerror(code));
}

static bool load_credentials(struct tls *t, const struct tls_options *o, struct err *err)
{
	int n = gnutls_certificate_allocate_credentials(&t->credentials);
	if (n < 0)
		return failed(err, "TLS", n);
	if (o->ca_file == NULL)
		n = gnutls_certificate_set_x509_system_trust(t->credentials);
	else
		n = gnutls_certificate_set_x509_trust_file(
			t->credentials, o->ca_file, GNUTLS_X509_FMT_PEM);
	if (n < 0)
		return failed(
			err, o->ca_file == NULL ? "the system's certificates" : o->ca_file, n);
	if (n == 0)
		return err_set(err, "%s: no certificate of an authority",
			o->ca_file == NULL ? "the system's certificates" : o->ca_file);
	if (o->cert_file == NULL)
		return true;
	n = gnutls_certificate_set_x509_key_file(
		t->credentials, o->cert_file, o->key_file, GNUTLS_X509_FMT_PEM);
	return n >= 0 || failed(err, o->cert_file, n);
}

static bool is_address(const char *host)
{
	uint8_t bytes[16];
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

static bool start(struct tls *t, int fd, struct err *err)
{
	int n = gnutls_init(&t->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL);
	if (n < 0)
		return failed(err, "TLS", n);
	if ((n = gnutls_set_default_priority(t->session)) < 0 ||
		(n = gnutls_credentials_set(t->session, GNUTLS_CRD_CERTIFICATE, t->credentials)) <
			0)
		return failed(err, "TLS", n);
	if (!is_address(t->host))
		gnutls_server_name_set(t->session, GNUTLS_NAME_DNS, t->host, strlen(t->host));
	gnutls_session_set_verify_cert(t->session, t->host, 0);
	gnutls_transport_set_int(t->session, fd);
	return true;
}

struct tls *tls_new(int fd, const struct tls_options *o, struct err *err)
{
	struct tls *t = calloc(1, sizeof *t);
	if (t == NULL || (t->host = strdup(o->host)) == NULL) {
		err_set(err, "out of memory");
		tls_free(t);
		return NULL;
	}
	if (load_credentials(t, o, err) && start(t, fd, err))
		return t;
	tls_free(t);
	return NULL;
}

void tls_free(struct tls *t)
{
	if (t == NULL)
		return;
	if (t->session != NULL)
		gnutls_deinit(t->session);
	if (t->credentials != NULL)
		gnutls_certificate_free_credentials(t->credentials);
	free(t->host);
	free(t);
}

/* What the verification found, in words. */
static enum tls_state bad_certificate(struct tls *t, struct err *err)
{
	gnutls_datum_t text = { 0 };
	unsigned status = gnutls_session_get_verify_cert_status(t->session);
	if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) == 0)
		err_set(err, "certificate of %s: %s", t->host, (const char *)text.data);
	else
		err_set(err, "certificate of %s cannot be verified", t->host);
	gnutls_free(text.data);
	return TLS_FAILED;
}

enum tls_state tls_handshake(struct tls *t, struct err *err)
{
	int n;
	do
		n = gnutls_handshake(t->session);
	while (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_WARNING_ALERT_RECEIVED);
	if (n == 0)
		return TLS_DONE;
	if (n == GNUTLS_E_AGAIN)
		return gnutls_record_get_direction(t->session) == 0 ? TLS_READ : TLS_WRITE;
	if (n == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR)
		return bad_certificate(t, err);
	failed(err, "TLS handshake", n);
	return TLS_FAILED;
}

static ssize_t result(ssize_t n, struct err *err)
{
	if (n >= 0)
		return n;
	if (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED) {
		errno = EAGAIN;
	} else {
		failed(err, "TLS", (int)n);
		errno = EPROTO;
	}
	return -1;
}

ssize_t tls_send(struct tls *t, const void *bytes, size_t n, struct err *err)
{
	return result(gnutls_record_send(t->session, bytes, n), err);
}

ssize_t tls_recv(struct tls *t, void *bytes, size_t n, struct err *err)
{
	ssize_t got = gnutls_record_recv(t->session, bytes, n);
	if (got == GNUTLS_E_PREMATURE_TERMINATION)
		return 0;
	/* Key updates and tickets of TLS 1.3 are no data. */
	if (got == GNUTLS_E_REHANDSHAKE || (got < 0 && gnutls_error_is_fatal((int)got) == 0))
		got = GNUTLS_E_AGAIN;
	return result(got, err);
}

size_t tls_pending(const struct tls *t)
{
	return gnutls_record_check_pending(t->session);
}

bool tls_sha1(const void *bytes, size_t n, uint8_t digest[TLS_SHA1])
{
	return gnutls_hash_fast(GNUTLS_DIG_SHA1, bytes, n, digest) == 0;
}
