/* pki_private.h - what the files of pki share. */
#ifndef AGGREGATOR_PKI_PRIVATE_H
#define AGGREGATOR_PKI_PRIVATE_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include "aggregator/pki.h"

enum { PKI_PATH = 4300, PKI_FILE = 8 * 1024 * 1024, PKI_CRL_DAYS = 3650 };

/* A whole file; the caller's gnutls_free(). */
bool pki_load(const char *folder, const char *name, gnutls_datum_t *out, struct err *err);
bool pki_write(const char *folder, const char *name, const void *bytes, size_t n, unsigned mode,
	bool replace, struct err *err);
bool pki_failed(struct err *err, const char *what, int code);
gnutls_x509_privkey_t pki_read_key(const char *folder, const char *name, struct err *err);
gnutls_x509_crt_t pki_read_crt(const char *folder, const char *name, struct err *err);
bool pki_peer_of(gnutls_x509_crt_t crt, struct peer *out, struct err *err);
/* The Ed25519 key as frames use it. */
bool pki_key_of(gnutls_x509_privkey_t key, struct key *out, struct err *err);
bool pki_exists(const char *folder, const char *name);

#endif
