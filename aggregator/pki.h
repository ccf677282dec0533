/* pki.h - certificates: who may connect, enrolment, the node's own authority for its children. The
 * only file of the aggregator that knows GnuTLS (pki*.c). */
#ifndef AGGREGATOR_PKI_H
#define AGGREGATOR_PKI_H

#include <stdio.h>

#include "aggregator/peer.h"

struct pki;

// clang-format off
/* Folder of a node, keys 0600:
 *   node.key site.key           its own; the frame key is the certificate's key
 *   parents/ORG/{cert,ca}.pem   what each parent signed, and the authority of its server certificate
 *   ca.key ca.crt crl.pem       the authority for its children, if it has some
 *   server.crt issued/          our server certificate by it; what it signed
 *   known/                      certificates of organisations further below
 * Subjects: CN org, OU tier (of an authority: "authority"), ST region, O industry. */
// clang-format on
struct pki *pki_open(const char *folder, struct err *err);
void pki_close(struct pki *p);
/* For each certificate of issued/ that is revoked. */
typedef void pki_revoked(void *ctx, const struct peer *who, int64_t at_s);
void pki_tell_revoked(struct pki *p, pki_revoked *revoked, void *ctx);
/* Reads certificates and CRL again if a file changed, then tells who is revoked; called every
 * chain.reload. True: something changed. */
bool pki_reload(struct pki *p, pki_revoked *revoked, void *ctx, struct err *err);
bool pki_identity(struct pki *p, struct node_identity *out, struct err *err);
/* Days until the first of our certificates ends. */
int pki_days_left(const struct pki *p);

/* For http.c: @session is a gnutls_session_t. pki_guard() makes a server session demand a
 * certificate and verifies it against our own trust list (CA and CRL) inside the handshake;
 * pki_peer() reads who it is. */
void pki_guard(struct pki *p, void *session);
bool pki_peer(struct pki *p, void *session, struct peer *out);
/* How many certificates were refused in handshakes since the last call; the organisation that the
 * last one named ("?" where none), and why. */
unsigned pki_refused(struct pki *p, char org[ORG_TEXT], const char **why);
/* For MHD_OPTION_HTTPS_CERT_CALLBACK: gives each handshake the server certificate as it is now. */
typedef void pki_any(void);
pki_any *pki_server_certificate(void);
/* For curl. */
const char *pki_key_path(const struct pki *p);
void pki_cert_path(const struct pki *p, const char *parent, char *out, size_t cap);
void pki_trust_path(const struct pki *p, const char *parent, char *out, size_t cap);
/* The public key in a PEM or DER certificate, and its CN. */
bool pki_read_cert(const void *bytes, size_t n, struct peer *out, struct err *err);

/* --- enrolment --- */
/* At any node: makes node.key, site.key and a request (PEM to @out). Nothing that exists is
 * overwritten. */
bool pki_request(const char *folder, const struct node_identity *id, FILE *out, struct err *err);
/* At a parent: makes the authority, and the node's own certificate by it where it has no parent. */
bool pki_make_authority(const char *folder, const struct node_identity *id, const char *host_names,
	struct err *err);
/* At a parent: signs a request; tier, region and sector are the parent's word, not the request's.
 * Writes certificate and chain to @out. */
struct pki_grant {
	enum tier tier;
	char region[8], industry[8];
	int days;
	int64_t seconds;        /* and so many */
	const char *host_names; /* of its own listener, comma-separated, or NULL */
	bool may_have_children;
};
bool pki_sign(const char *folder, const char *request_pem, const struct pki_grant *g, FILE *out,
	struct peer *who, struct err *err);
/* Installs what a parent signed; @parent gets its org. */
bool pki_take(const char *folder, const char *answer_pem, char parent[ORG_TEXT], struct err *err);
/* The organisation that asks, once the request's own signature is verified. */
bool pki_request_org(const char *request_pem, char org[ORG_TEXT], struct err *err);
/* ca.crt as PEM, the caller's to free(); and SHA-256 of a certificate's DER. */
char *pki_authority(const char *folder, struct err *err);
bool pki_authority_hash(const char *folder, uint8_t out[HASH], struct err *err);
bool pki_pem_hash(const char *pem, uint8_t out[HASH], struct err *err);
/* One of issued/, of known/. */
bool pki_issued_read(const char *folder, const char *name, struct peer *out, struct err *err);
bool pki_known_read(const char *folder, const char *name, struct peer *out, struct err *err);
/* A grant like the one that @p has. */
void pki_grant_again(const struct peer *p, struct pki_grant *out);
/* Less than a third of what @parent signed is left. */
bool pki_renewal_due(const struct pki *p, const char *parent);
const char *pki_folder(const struct pki *p);
/* Files in issued/ or known/ of an organisation ("": of all); the names are the caller's to free().
 */
size_t pki_issued(const char *folder, const char *org, char ***names);
size_t pki_known(const char *folder, char ***names);
/* Keeps a certificate that another tier issued, so that originals by its key can be verified here:
 * the operator's word, nobody else's. */
bool pki_know(const char *folder, const char *pem, struct peer *who, struct err *err);
/* Ed25519 keys apart from the node's: of warnings, of publishers of packs (PEM, PKCS #8). */
bool pki_signing_key(const char *path, struct key *out, struct err *err);
bool pki_new_key(const char *path, struct key *out, struct err *err);
bool pki_revoke(const char *folder, const char *org, struct err *err); /* into crl.pem */

#endif
