/* pki.h - certificates: who may connect, enrolment, the node's own authority for its children. The
 * only file of the aggregator that knows GnuTLS (pki*.c). */
#ifndef AGGREGATOR_PKI_H
#define AGGREGATOR_PKI_H

#include <stdio.h>

#include "aggregator/peer.h"

struct pki;

/* Folder of a node: node.key node.crt site.key trust.crt (roots for parents' server certificates),
 * and where it has children ca.key ca.crt crl.pem issued/. Keys are 0600. */
struct pki *pki_open(const char *folder, struct err *err);
void pki_close(struct pki *p);
/* Reads certificates and CRL again if a file changed; called every 10 s. True: something changed.
 * @revoked: for each organisation whose certificate became revoked. */
bool pki_reload(struct pki *p, void (*revoked)(void *ctx, const struct peer *who, int64_t at_s),
	void *ctx, struct err *err);
bool pki_identity(struct pki *p, struct node_identity *out, struct err *err);
/* Days until our certificate ends. */
int pki_days_left(const struct pki *p);

/* For http.c: @session is a gnutls_session_t. pki_guard() makes a server session demand a
 * certificate and verifies it against our own trust list (CA and CRL) inside the handshake;
 * pki_peer() reads who it is. */
void pki_guard(struct pki *p, void *session);
bool pki_peer(struct pki *p, void *session, struct peer *out);
/* PEM texts for the server and for curl; borrowed until the next pki_reload(). */
const char *pki_cert_pem(const struct pki *p);
const char *pki_key_pem(const struct pki *p);
const char *pki_trust_path(const struct pki *p);
const char *pki_cert_path(const struct pki *p);
const char *pki_key_path(const struct pki *p);

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
	const char *host_names; /* of its own listener, comma-separated, or NULL */
	bool may_have_children;
};
bool pki_sign(const char *folder, const char *request_pem, const struct pki_grant *g, FILE *out,
	struct peer *who, struct err *err);
bool pki_take(const char *folder, const char *answer_pem,
	struct err *err); /* installs what the parent signed */
bool pki_revoke(const char *folder, const char *org, struct err *err); /* into crl.pem */

#endif
