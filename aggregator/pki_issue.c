/* pki_issue.c - keys, requests, certificates and revocations: what enrolment is made of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "aggregator/pki_private.h"

enum { AUTHORITY_DAYS = 3650, BACKDATE_S = 3600, PEM = 16 * 1024 };

static bool make_folder(const char *folder, const char *inner, struct err *err)
{
	char path[PKI_PATH];
	snprintf(path, sizeof path, "%s%s%s", folder, *inner == '\0' ? "" : "/", inner);
	if (mkdir(path, 0700) == 0 || errno == EEXIST)
		return true;
	return err_set(err, "%s: %s", path, strerror(errno));
}

static bool write_key(
	const char *folder, const char *name, gnutls_x509_privkey_t key, struct err *err)
{
	gnutls_datum_t pem;
	int code = gnutls_x509_privkey_export2_pkcs8(
		key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN, &pem);
	if (code != 0)
		return pki_failed(err, name, code);
	bool good = pki_write(folder, name, pem.data, pem.size, 0600, false, err);
	explicit_bzero(pem.data, pem.size);
	gnutls_free(pem.data);
	return good;
}

/* The key @name, made where there is none. */
static gnutls_x509_privkey_t own_key(const char *folder, const char *name, struct err *err)
{
	gnutls_x509_privkey_t key = NULL;
	if (pki_exists(folder, name))
		return pki_read_key(folder, name, err);
	gnutls_x509_privkey_init(&key);
	int code = gnutls_x509_privkey_generate(key, GNUTLS_PK_EDDSA_ED25519, 0, 0);
	if (code == 0 && write_key(folder, name, key, err))
		return key;
	if (code != 0)
		pki_failed(err, name, code);
	gnutls_x509_privkey_deinit(key);
	return NULL;
}

static bool make_site_key(const char *folder, struct err *err)
{
	uint8_t bytes[32];
	char text[66];
	if (pki_exists(folder, "site.key"))
		return true;
	random_bytes(bytes, sizeof bytes);
	hex_write(text, bytes, sizeof bytes);
	text[64] = '\n';
	return pki_write(folder, "site.key", text, 65, 0600, false, err);
}

/* --- a request --------------------------------------------------------------------------- */

bool pki_request(const char *folder, const struct node_identity *id, FILE *out, struct err *err)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crq_t crq;
	gnutls_datum_t pem = { 0 };
	if (!make_folder(folder, "", err) || !make_site_key(folder, err) ||
		(key = own_key(folder, "node.key", err)) == NULL)
		return false;
	gnutls_x509_crq_init(&crq);
	int code = gnutls_x509_crq_set_dn_by_oid(
		crq, GNUTLS_OID_X520_COMMON_NAME, 0, id->org, (unsigned)strlen(id->org));
	gnutls_privkey_t signer;
	gnutls_privkey_init(&signer);
	if (code == 0)
		code = gnutls_x509_crq_set_key(crq, key);
	if (code == 0)
		code = gnutls_privkey_import_x509(signer, key, GNUTLS_PRIVKEY_IMPORT_COPY);
	if (code == 0)
		code = gnutls_x509_crq_privkey_sign(crq, signer, GNUTLS_DIG_UNKNOWN, 0);
	if (code == 0)
		code = gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &pem);
	bool good = code == 0 && fwrite(pem.data, 1, pem.size, out) == pem.size;
	gnutls_free(pem.data);
	gnutls_privkey_deinit(signer);
	gnutls_x509_crq_deinit(crq);
	gnutls_x509_privkey_deinit(key);
	return good || pki_failed(err, "request", code);
}

/* --- certificates ------------------------------------------------------------------------ */

static int set_name(gnutls_x509_crt_t crt, const char *oid, const char *text)
{
	return *text == '\0'
		       ? 0
		       : gnutls_x509_crt_set_dn_by_oid(crt, oid, 0, text, (unsigned)strlen(text));
}

static int set_subject(gnutls_x509_crt_t crt, const char *org, const char *unit, const char *region,
	const char *industry)
{
	int code = set_name(crt, GNUTLS_OID_X520_COMMON_NAME, org);
	code = code == 0 ? set_name(crt, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, unit) : code;
	code = code == 0 ? set_name(crt, GNUTLS_OID_X520_STATE_OR_PROVINCE_NAME, region) : code;
	return code == 0 ? set_name(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, industry) : code;
}

static int set_times(gnutls_x509_crt_t crt, int64_t seconds)
{
	uint8_t serial[16];
	time_t now = time(NULL);
	random_bytes(serial, sizeof serial);
	serial[0] = (uint8_t)((serial[0] & 0x3f) | 0x40); /* positive, no leading zero */
	int code = gnutls_x509_crt_set_version(crt, 3);
	code = code == 0 ? gnutls_x509_crt_set_serial(crt, serial, sizeof serial) : code;
	code = code == 0 ? gnutls_x509_crt_set_activation_time(crt, now - BACKDATE_S) : code;
	return code == 0 ? gnutls_x509_crt_set_expiration_time(crt, now + (time_t)seconds) : code;
}

static int set_hosts(gnutls_x509_crt_t crt, const char *names)
{
	char list[1024];
	int code = 0;
	snprintf(list, sizeof list, "%s",
		names == NULL || *names == '\0' ? "localhost,127.0.0.1" : names);
	for (char *save = NULL, *n = strtok_r(list, ",", &save); n != NULL && code == 0;
		n = strtok_r(NULL, ",", &save)) {
		uint8_t ip[16];
		size_t size = 0;
		unsigned a, b, c, d;
		char end;
		if (sscanf(n, "%u.%u.%u.%u%c", &a, &b, &c, &d, &end) == 4 && a < 256 && b < 256 &&
			c < 256 && d < 256) {
			ip[0] = (uint8_t)a, ip[1] = (uint8_t)b, ip[2] = (uint8_t)c,
			ip[3] = (uint8_t)d;
			size = 4;
		}
		if (size > 0)
			code = gnutls_x509_crt_set_subject_alt_name(
				crt, GNUTLS_SAN_IPADDRESS, ip, (unsigned)size, GNUTLS_FSAN_APPEND);
		else
			code = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, n,
				(unsigned)strlen(n), GNUTLS_FSAN_APPEND);
	}
	return code;
}

static int sign_by(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key)
{
	gnutls_privkey_t signer;
	gnutls_privkey_init(&signer);
	int code = gnutls_privkey_import_x509(signer, ca_key, GNUTLS_PRIVKEY_IMPORT_COPY);
	if (code == 0)
		code = gnutls_x509_crt_privkey_sign(crt, ca, signer, GNUTLS_DIG_UNKNOWN, 0);
	gnutls_privkey_deinit(signer);
	return code;
}

static bool write_crt(
	const char *folder, const char *name, gnutls_x509_crt_t crt, bool replace, struct err *err)
{
	gnutls_datum_t pem;
	int code = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
	if (code != 0)
		return pki_failed(err, name, code);
	bool good = pki_write(folder, name, pem.data, pem.size, 0644, replace, err);
	gnutls_free(pem.data);
	return good;
}

static bool write_crl(const char *folder, gnutls_x509_crl_t crl, gnutls_x509_crt_t ca,
	gnutls_x509_privkey_t ca_key, struct err *err)
{
	gnutls_privkey_t signer;
	gnutls_datum_t pem = { 0 };
	time_t now = time(NULL);
	uint64_t number = (uint64_t)now;
	uint8_t bytes[8];
	for (unsigned i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(number >> (56 - 8 * i));
	gnutls_privkey_init(&signer);
	int code = gnutls_x509_crl_set_version(crl, 2);
	code = code == 0 ? gnutls_x509_crl_set_this_update(crl, now - 60) : code;
	code = code == 0 ? gnutls_x509_crl_set_next_update(crl, now + (time_t)PKI_CRL_DAYS * 86400)
			 : code;
	code = code == 0 ? gnutls_x509_crl_set_number(crl, bytes, sizeof bytes) : code;
	code = code == 0 ? gnutls_privkey_import_x509(signer, ca_key, GNUTLS_PRIVKEY_IMPORT_COPY)
			 : code;
	code = code == 0 ? gnutls_x509_crl_privkey_sign(crl, ca, signer, GNUTLS_DIG_SHA512, 0)
			 : code;
	code = code == 0 ? gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem) : code;
	bool good = code == 0 && pki_write(folder, "crl.pem", pem.data, pem.size, 0644, true, err);
	gnutls_free(pem.data);
	gnutls_privkey_deinit(signer);
	return good || pki_failed(err, "crl.pem", code);
}

/* --- an authority ------------------------------------------------------------------------ */

static gnutls_x509_crt_t make_ca(
	const char *folder, const char *org, gnutls_x509_privkey_t key, struct err *err)
{
	gnutls_x509_crt_t ca;
	if (pki_exists(folder, "ca.crt"))
		return pki_read_crt(folder, "ca.crt", err);
	gnutls_x509_crt_init(&ca);
	int code = set_times(ca, (int64_t)AUTHORITY_DAYS * 86400);
	code = code == 0 ? set_subject(ca, org, "authority", "", "") : code;
	code = code == 0 ? gnutls_x509_crt_set_key(ca, key) : code;
	code = code == 0 ? gnutls_x509_crt_set_basic_constraints(ca, 1, 0) : code;
	code = code == 0 ? gnutls_x509_crt_set_key_usage(
				   ca, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN)
			 : code;
	code = code == 0 ? sign_by(ca, ca, key) : code;
	if (code == 0 && write_crt(folder, "ca.crt", ca, false, err))
		return ca;
	if (code != 0)
		pki_failed(err, "ca.crt", code);
	gnutls_x509_crt_deinit(ca);
	return NULL;
}

static bool make_server(const char *folder, const struct node_identity *id, const char *hosts,
	gnutls_x509_crt_t ca, gnutls_x509_privkey_t ca_key, gnutls_x509_privkey_t key,
	struct err *err)
{
	gnutls_x509_crt_t crt;
	gnutls_x509_crt_init(&crt);
	int code = set_times(crt, (int64_t)AUTHORITY_DAYS * 86400);
	code = code == 0 ? set_subject(crt, id->org, tier_name(id->tier), id->region, id->industry)
			 : code;
	code = code == 0 ? gnutls_x509_crt_set_key(crt, key) : code;
	code = code == 0 ? gnutls_x509_crt_set_basic_constraints(crt, 0, -1) : code;
	code = code == 0 ? gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE) : code;
	code = code == 0 ? gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0)
			 : code;
	code = code == 0 ? set_hosts(crt, hosts) : code;
	code = code == 0 ? sign_by(crt, ca, ca_key) : code;
	bool good = code == 0 ? write_crt(folder, "server.crt", crt, true, err)
			      : pki_failed(err, "server.crt", code);
	gnutls_x509_crt_deinit(crt);
	return good;
}

bool pki_make_authority(
	const char *folder, const struct node_identity *id, const char *host_names, struct err *err)
{
	gnutls_x509_privkey_t key = NULL, ca_key = NULL;
	gnutls_x509_crt_t ca = NULL;
	bool good = make_folder(folder, "", err) && make_folder(folder, "issued", err) &&
		    make_site_key(folder, err) &&
		    (key = own_key(folder, "node.key", err)) != NULL &&
		    (ca_key = own_key(folder, "ca.key", err)) != NULL &&
		    (ca = make_ca(folder, id->org, ca_key, err)) != NULL &&
		    make_server(folder, id, host_names, ca, ca_key, key, err);
	if (good && !pki_exists(folder, "crl.pem")) {
		gnutls_x509_crl_t crl;
		gnutls_x509_crl_init(&crl);
		good = write_crl(folder, crl, ca, ca_key, err);
		gnutls_x509_crl_deinit(crl);
	}
	if (ca != NULL)
		gnutls_x509_crt_deinit(ca);
	if (ca_key != NULL)
		gnutls_x509_privkey_deinit(ca_key);
	if (key != NULL)
		gnutls_x509_privkey_deinit(key);
	return good;
}

/* --- signing ----------------------------------------------------------------------------- */

static bool read_request(
	const char *pem, gnutls_x509_crq_t crq, char org[ORG_TEXT], struct err *err)
{
	gnutls_datum_t d = { .data = (unsigned char *)(uintptr_t)pem,
		.size = (unsigned)strlen(pem) };
	size_t n = ORG_TEXT;
	unsigned bits;
	int code = d.size > PEM ? GNUTLS_E_ASN1_DER_OVERFLOW
				: gnutls_x509_crq_import(crq, &d, GNUTLS_X509_FMT_PEM);
	if (code == 0)
		code = gnutls_x509_crq_verify(crq, 0);
	if (code != 0)
		return pki_failed(err, "request", code);
	if (gnutls_x509_crq_get_pk_algorithm(crq, &bits) != GNUTLS_PK_EDDSA_ED25519)
		return err_set(err, "request: its key is not Ed25519");
	code = gnutls_x509_crq_get_dn_by_oid(crq, GNUTLS_OID_X520_COMMON_NAME, 0, 0, org, &n);
	if (code != 0 || strlen(org) != 32 || strspn(org, "0123456789abcdef") != 32)
		return err_set(err, "request: its name is no organisation id of 32 hex digits");
	return true;
}

bool pki_request_org(const char *request_pem, char org[ORG_TEXT], struct err *err)
{
	gnutls_x509_crq_t crq;
	gnutls_x509_crq_init(&crq);
	bool good = read_request(request_pem, crq, org, err);
	gnutls_x509_crq_deinit(crq);
	return good;
}

static int fill(
	gnutls_x509_crt_t crt, gnutls_x509_crq_t crq, const char *org, const struct pki_grant *g)
{
	gnutls_pubkey_t key;
	int code = set_times(crt, (int64_t)g->days * 86400 + g->seconds);
	gnutls_pubkey_init(&key);
	code = code == 0 ? set_subject(crt, org, tier_name(g->tier), g->region, g->industry) : code;
	code = code == 0 ? gnutls_pubkey_import_x509_crq(key, crq, 0) : code;
	code = code == 0 ? gnutls_x509_crt_set_pubkey(crt, key) : code;
	code = code == 0 ? gnutls_x509_crt_set_basic_constraints(crt, 0, -1) : code;
	code = code == 0 ? gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE) : code;
	code = code == 0 ? gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0)
			 : code;
	gnutls_pubkey_deinit(key);
	return code;
}

void pki_grant_again(const struct peer *p, struct pki_grant *out)
{
	*out = (struct pki_grant){ .tier = p->tier };
	snprintf(out->region, sizeof out->region, "%s", p->region);
	snprintf(out->industry, sizeof out->industry, "%s", p->industry);
	out->seconds = p->not_after - p->not_before - BACKDATE_S;
}

/* A key whose certificate was revoked gets none again. */
static bool was_revoked(const char *folder, const char *org, const struct peer *who)
{
	gnutls_datum_t pem;
	gnutls_x509_crl_t crl;
	struct err ignored = { 0 };
	char **names = NULL;
	bool found = false;
	gnutls_x509_crl_init(&crl);
	if (pki_load(folder, "crl.pem", &pem, &ignored)) {
		gnutls_x509_crl_import(crl, &pem, GNUTLS_X509_FMT_PEM);
		gnutls_free(pem.data);
	}
	size_t count = pki_issued(folder, org, &names);
	for (size_t i = 0; i < count; i++) {
		char path[300];
		struct peer old;
		snprintf(path, sizeof path, "issued/%s", names[i]);
		gnutls_x509_crt_t crt = pki_read_crt(folder, path, &ignored);
		found = found || (crt != NULL && pki_peer_of(crt, &old, &ignored) &&
					 strcmp(old.key.kid, who->key.kid) == 0 &&
					 gnutls_x509_crt_check_revocation(crt, &crl, 1) > 0);
		if (crt != NULL)
			gnutls_x509_crt_deinit(crt);
		free(names[i]);
	}
	free(names);
	gnutls_x509_crl_deinit(crl);
	return found;
}

static bool put_pem(gnutls_x509_crt_t crt, FILE *out, struct err *err)
{
	gnutls_datum_t pem;
	int code = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
	if (code != 0)
		return pki_failed(err, "certificate", code);
	bool good = fwrite(pem.data, 1, pem.size, out) == pem.size;
	gnutls_free(pem.data);
	return good || err_set(err, "cannot write the certificate");
}

bool pki_sign(const char *folder, const char *request_pem, const struct pki_grant *g, FILE *out,
	struct peer *who, struct err *err)
{
	gnutls_x509_privkey_t ca_key = pki_read_key(folder, "ca.key", err);
	gnutls_x509_crt_t ca = ca_key == NULL ? NULL : pki_read_crt(folder, "ca.crt", err), crt;
	gnutls_x509_crq_t crq;
	char org[ORG_TEXT], name[300], serial_hex[65];
	uint8_t serial[32];
	size_t n = sizeof serial;
	gnutls_x509_crq_init(&crq);
	gnutls_x509_crt_init(&crt);
	bool good = ca != NULL && read_request(request_pem, crq, org, err);
	if (good) {
		int code = fill(crt, crq, org, g);
		code = code == 0 ? sign_by(crt, ca, ca_key) : code;
		code = code == 0 ? gnutls_x509_crt_get_serial(crt, serial, &n) : code;
		good = code == 0 || pki_failed(err, "signing", code);
	}
	good = good && pki_peer_of(crt, who, err);
	if (good && was_revoked(folder, org, who))
		good = err_set(err, "the key of this request was revoked: the child moves its "
				    "node.key away and asks with a new one");
	if (good) {
		hex_write(serial_hex, serial, n);
		snprintf(name, sizeof name, "issued/%s-%s.crt", org, serial_hex);
		good = make_folder(folder, "issued", err) &&
		       write_crt(folder, name, crt, false, err) && put_pem(crt, out, err) &&
		       put_pem(ca, out, err);
	}
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_crq_deinit(crq);
	if (ca != NULL)
		gnutls_x509_crt_deinit(ca);
	if (ca_key != NULL)
		gnutls_x509_privkey_deinit(ca_key);
	return good;
}

/* --- taking ------------------------------------------------------------------------------ */

static bool same_key(const char *folder, gnutls_x509_crt_t crt, struct err *err)
{
	gnutls_x509_privkey_t own = pki_read_key(folder, "node.key", err);
	struct peer who;
	struct key key;
	if (own == NULL)
		return false;
	bool good = pki_key_of(own, &key, err) && pki_peer_of(crt, &who, err);
	gnutls_x509_privkey_deinit(own);
	if (good && memcmp(key.public_, who.key.public_, KEY_PUBLIC) != 0)
		good = err_set(err, "the certificate is for another key than %s/node.key", folder);
	key_wipe(&key);
	return good;
}

bool pki_take(const char *folder, const char *answer_pem, char parent[ORG_TEXT], struct err *err)
{
	gnutls_datum_t d = { .data = (unsigned char *)(uintptr_t)answer_pem,
		.size = (unsigned)strlen(answer_pem) };
	gnutls_x509_crt_t crt[3];
	unsigned count = 3, status = 0;
	char inner[64];
	size_t n = ORG_TEXT;
	int code = gnutls_x509_crt_list_import(
		crt, &count, &d, GNUTLS_X509_FMT_PEM, GNUTLS_X509_CRT_LIST_FAIL_IF_UNSORTED);
	if (code < 0)
		return pki_failed(err, "answer", code);
	bool good =
		count == 2 || err_set(err, "answer: a certificate and its authority were expected");
	if (good && (gnutls_x509_crt_verify(crt[0], &crt[1], 1, 0, &status) != 0 || status != 0))
		good = err_set(err, "answer: the certificate is not of the authority that came "
				    "with it, or not valid now");
	good = good && same_key(folder, crt[0], err);
	if (good && (gnutls_x509_crt_get_dn_by_oid(
			     crt[1], GNUTLS_OID_X520_COMMON_NAME, 0, 0, parent, &n) != 0 ||
			    strlen(parent) != 32 || strspn(parent, "0123456789abcdef") != 32))
		good = err_set(err, "answer: the authority names no organisation");
	if (good) {
		snprintf(inner, sizeof inner, "parents/%s", parent);
		char place[PKI_PATH];
		snprintf(place, sizeof place, "%s/%s", folder, inner);
		good = make_folder(folder, "parents", err) && make_folder(folder, inner, err) &&
		       write_crt(place, "ca.pem", crt[1], true, err) &&
		       write_crt(place, "cert.pem", crt[0], true, err);
	}
	for (unsigned i = 0; i < count; i++)
		gnutls_x509_crt_deinit(crt[i]);
	return good;
}

/* --- revoking ---------------------------------------------------------------------------- */

static bool revoke_one(const char *folder, const char *name, gnutls_x509_crl_t crl, struct err *err)
{
	char path[300];
	snprintf(path, sizeof path, "issued/%s", name);
	gnutls_x509_crt_t crt = pki_read_crt(folder, path, err);
	if (crt == NULL)
		return false;
	int code = gnutls_x509_crl_set_crt(crl, crt, time(NULL));
	gnutls_x509_crt_deinit(crt);
	return code == 0 || pki_failed(err, name, code);
}

bool pki_revoke(const char *folder, const char *org, struct err *err)
{
	gnutls_x509_privkey_t ca_key = pki_read_key(folder, "ca.key", err);
	gnutls_x509_crt_t ca = ca_key == NULL ? NULL : pki_read_crt(folder, "ca.crt", err);
	gnutls_x509_crl_t crl;
	gnutls_datum_t pem;
	unsigned found = 0;
	bool good = ca != NULL && pki_load(folder, "crl.pem", &pem, err);
	gnutls_x509_crl_init(&crl);
	if (good) {
		int code = gnutls_x509_crl_import(crl, &pem, GNUTLS_X509_FMT_PEM);
		gnutls_free(pem.data);
		good = code == 0 || pki_failed(err, "crl.pem", code);
	}
	char **names = NULL;
	size_t count = good ? pki_issued(folder, org, &names) : 0;
	for (size_t i = 0; i < count; i++) {
		good = good && revoke_one(folder, names[i], crl, err);
		found++;
		free(names[i]);
	}
	free(names);
	if (good && found == 0)
		good = err_set(err, "%s: no certificate of it was issued here", org);
	good = good && write_crl(folder, crl, ca, ca_key, err);
	gnutls_x509_crl_deinit(crl);
	if (ca != NULL)
		gnutls_x509_crt_deinit(ca);
	if (ca_key != NULL)
		gnutls_x509_privkey_deinit(ca_key);
	return good;
}

/* --- keys of their own: warnings, publishers --------------------------------------------- */

static void split_path(const char *path, char folder[PKI_PATH], const char **name)
{
	const char *slash = strrchr(path, '/');
	snprintf(folder, PKI_PATH, "%.*s", slash == NULL ? 1 : (int)(slash - path),
		slash == NULL ? "." : path);
	*name = slash == NULL ? path : slash + 1;
}

bool pki_signing_key(const char *path, struct key *out, struct err *err)
{
	char folder[PKI_PATH];
	const char *name;
	split_path(path, folder, &name);
	gnutls_x509_privkey_t key = pki_read_key(folder, name, err);
	bool good = key != NULL && pki_key_of(key, out, err);
	if (key != NULL)
		gnutls_x509_privkey_deinit(key);
	return good;
}

bool pki_new_key(const char *path, struct key *out, struct err *err)
{
	char folder[PKI_PATH];
	const char *name;
	split_path(path, folder, &name);
	if (pki_exists(folder, name))
		return err_set(err, "%s: is there already; nothing is overwritten", path);
	gnutls_x509_privkey_t key = own_key(folder, name, err);
	bool good = key != NULL && pki_key_of(key, out, err);
	if (key != NULL)
		gnutls_x509_privkey_deinit(key);
	return good;
}
