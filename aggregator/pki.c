/* pki.c - who may connect. libmicrohttpd does not enforce client certificates: the session is told
 * to demand one, and our own function verifies it inside the handshake against a trust list of
 * ours, which can be exchanged while connections live. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "aggregator/pki_private.h"

enum { REVOKED_MOST = 100000, SERIAL = 20, READ_AGAIN = 3 };

/* Which state of a file was read. */
struct stamp {
	struct timespec changed;
	off_t size;
	ino_t inode;
};

struct revoked {
	uint8_t serial[SERIAL + 1]; /* length, then the number */
	int64_t at_s;
};

/* What a server shows of itself; handshakes borrow it. */
struct pair {
	gnutls_pcert_st cert;
	gnutls_privkey_t key;
};

struct pki {
	char *folder;
	char key_path[PKI_PATH];
	struct key key;
	uint8_t site_key[32];
	pthread_rwlock_t lock;
	gnutls_x509_trust_list_t trust; /* NULL: no children */
	struct pair *serving, *before;  /* NULL: it has no listener */
	struct revoked *revoked;
	unsigned revoked_count;
	int64_t not_after;
	struct stamp seen[READ_AGAIN];
	unsigned refused; /* handshakes since it was last asked, and the last of them */
	char refused_org[ORG_TEXT];
	const char *refused_why;
};

/* GnuTLS's callbacks have no room for ours; a process has one identity. */
static struct pki *guarding;

/* --- reading ----------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	return memcmp(((const struct revoked *)a)->serial, ((const struct revoked *)b)->serial,
		SERIAL + 1);
}

static bool serial_of(struct revoked *r, const void *bytes, size_t n)
{
	memset(r->serial, 0, sizeof r->serial);
	if (n > SERIAL)
		return false;
	r->serial[0] = (uint8_t)n;
	memcpy(r->serial + 1, bytes, n);
	return true;
}

static bool read_crl(struct pki *p, gnutls_x509_trust_list_t trust, struct revoked **list,
	unsigned *count, struct err *err)
{
	gnutls_datum_t pem;
	gnutls_x509_crl_t crl;
	if (!pki_load(p->folder, "crl.pem", &pem, err))
		return false;
	gnutls_x509_crl_init(&crl);
	int code = gnutls_x509_crl_import(crl, &pem, GNUTLS_X509_FMT_PEM);
	gnutls_free(pem.data);
	if (code != 0) {
		gnutls_x509_crl_deinit(crl);
		return pki_failed(err, "crl.pem", code);
	}
	int n = gnutls_x509_crl_get_crt_count(crl);
	n = n < 0 ? 0 : n > REVOKED_MOST ? REVOKED_MOST : n;
	*list = calloc((size_t)n + 1, sizeof **list);
	*count = 0;
	gnutls_x509_crl_iter_t at = NULL;
	for (int i = 0; *list != NULL && i < n; i++) {
		unsigned char serial[64];
		size_t size = sizeof serial;
		time_t when = 0;
		if (gnutls_x509_crl_iter_crt_serial(crl, &at, serial, &size, &when) < 0)
			break;
		if (serial_of(&(*list)[*count], serial, size))
			(*list)[(*count)++].at_s = (int64_t)when;
	}
	gnutls_x509_crl_iter_deinit(at);
	if (*list != NULL)
		qsort(*list, *count, sizeof **list, compare);
	/* the list owns it from here */
	code = gnutls_x509_trust_list_add_crls(
		trust, &crl, 1, GNUTLS_TL_USE_IN_TLS | GNUTLS_TL_VERIFY_CRL, 0);
	return code == 1 ||
	       pki_failed(err, "crl.pem", code < 0 ? code : GNUTLS_E_CERTIFICATE_ERROR);
}

static bool read_server(struct pki *p, struct pair *to, struct err *err)
{
	gnutls_x509_privkey_t x = pki_read_key(p->folder, "node.key", err);
	gnutls_datum_t pem;
	if (x == NULL)
		return false;
	if (!pki_load(p->folder, "server.crt", &pem, err)) {
		gnutls_x509_privkey_deinit(x);
		return false;
	}
	int code = gnutls_pcert_import_x509_raw(&to->cert, &pem, GNUTLS_X509_FMT_PEM, 0);
	gnutls_free(pem.data);
	gnutls_privkey_init(&to->key);
	if (code == 0)
		code = gnutls_privkey_import_x509(to->key, x, GNUTLS_PRIVKEY_IMPORT_AUTO_RELEASE);
	else
		gnutls_x509_privkey_deinit(x);
	return code == 0 || pki_failed(err, "server.crt", code);
}

static void pair_free(struct pair *pair)
{
	if (pair == NULL)
		return;
	gnutls_pcert_deinit(&pair->cert);
	if (pair->key != NULL)
		gnutls_privkey_deinit(pair->key);
	free(pair);
}

/* Under the lock. A handshake may be under way with the old pair: it goes when the next one comes.
 */
static void serve_by(struct pki *p, struct pair *fresh)
{
	const gnutls_datum_t *a = p->serving == NULL ? NULL : &p->serving->cert.cert;
	const gnutls_datum_t *b = &fresh->cert.cert;
	if (a != NULL && a->size == b->size && memcmp(a->data, b->data, a->size) == 0) {
		pair_free(fresh);
		return;
	}
	pair_free(p->before);
	p->before = p->serving;
	p->serving = fresh;
}

/* What children are judged by, all of it anew; the old goes on where a part cannot be read. */
static bool read_children_side(struct pki *p, struct err *err)
{
	gnutls_x509_trust_list_t trust = NULL;
	struct revoked *revoked = NULL;
	unsigned count = 0;
	struct pair *pair = calloc(1, sizeof *pair);
	gnutls_x509_crt_t ca = pki_read_crt(p->folder, "ca.crt", err);
	bool good = ca != NULL && pair != NULL;
	if (good) {
		gnutls_x509_trust_list_init(&trust, 0);
		good = gnutls_x509_trust_list_add_cas(trust, &ca, 1, 0) == 1 ||
		       err_set(err, "ca.crt: not an authority");
	}
	good = good && read_crl(p, trust, &revoked, &count, err) && read_server(p, pair, err);
	if (!good) {
		if (trust != NULL)
			gnutls_x509_trust_list_deinit(trust, 1);
		free(revoked);
		pair_free(pair);
		return false;
	}
	pthread_rwlock_wrlock(&p->lock);
	gnutls_x509_trust_list_t old_trust = p->trust;
	struct revoked *old_revoked = p->revoked;
	p->trust = trust;
	p->revoked = revoked;
	p->revoked_count = count;
	serve_by(p, pair);
	pthread_rwlock_unlock(&p->lock);
	if (old_trust != NULL)
		gnutls_x509_trust_list_deinit(old_trust, 1);
	free(old_revoked);
	return true;
}

static bool read_site_key(struct pki *p, struct err *err)
{
	gnutls_datum_t text;
	if (!pki_load(p->folder, "site.key", &text, err))
		return false;
	size_t n = text.size;
	while (n > 0 && (text.data[n - 1] == '\n' || text.data[n - 1] == '\r'))
		n--;
	bool good = hex_read((const char *)text.data, n, p->site_key, sizeof p->site_key);
	explicit_bzero(text.data, text.size);
	gnutls_free(text.data);
	return good || err_set(err, "%s/site.key: not 64 hex digits", p->folder);
}

static void look(const struct pki *p, struct stamp out[READ_AGAIN])
{
	static const char *const names[READ_AGAIN] = { "ca.crt", "crl.pem", "server.crt" };
	memset(out, 0, READ_AGAIN * sizeof *out);
	for (unsigned i = 0; i < READ_AGAIN; i++) {
		char path[PKI_PATH];
		struct stat st;
		snprintf(path, sizeof path, "%s/%s", p->folder, names[i]);
		if (stat(path, &st) != 0)
			continue;
		out[i].changed = st.st_mtim;
		out[i].size = st.st_size;
		out[i].inode = st.st_ino;
	}
}

struct pki *pki_open(const char *folder, struct err *err)
{
	struct pki *p = calloc(1, sizeof *p);
	gnutls_x509_privkey_t key = NULL;
	if (p == NULL || (p->folder = strdup(folder)) == NULL) {
		free(p);
		err_set(err, "out of memory");
		return NULL;
	}
	pthread_rwlock_init(&p->lock, NULL);
	if (!pki_exists(folder, "node.key") && errno == ENOENT)
		err_set(err, "%s: no identity is here yet: see bongsu-aggregator enroll --help",
			folder);
	snprintf(p->key_path, sizeof p->key_path, "%s/node.key", folder);
	bool good = (key = pki_read_key(folder, "node.key", err)) != NULL &&
		    pki_key_of(key, &p->key, err) && read_site_key(p, err);
	if (key != NULL)
		gnutls_x509_privkey_deinit(key);
	look(p, p->seen);
	if (good && pki_exists(folder, "ca.crt"))
		good = read_children_side(p, err);
	if (!good) {
		pki_close(p);
		return NULL;
	}
	guarding = p;
	return p;
}

void pki_close(struct pki *p)
{
	if (p == NULL)
		return;
	if (guarding == p)
		guarding = NULL;
	if (p->trust != NULL)
		gnutls_x509_trust_list_deinit(p->trust, 1);
	pair_free(p->serving);
	pair_free(p->before);
	free(p->revoked);
	key_wipe(&p->key);
	explicit_bzero(p->site_key, sizeof p->site_key);
	pthread_rwlock_destroy(&p->lock);
	free(p->folder);
	free(p);
}

/* --- who we are -------------------------------------------------------------------------- */

/* By what parents signed, the one that ends first; at the top by our own authority. */
static bool our_peer(struct pki *p, struct peer *who, struct err *err)
{
	char path[PKI_PATH];
	snprintf(path, sizeof path, "%s/parents", p->folder);
	DIR *d = opendir(path);
	bool found = false;
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char name[600];
		struct err ignored = { 0 };
		struct peer one;
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "parents/%s/cert.pem", e->d_name);
		gnutls_x509_crt_t crt = pki_read_crt(p->folder, name, &ignored);
		if (crt != NULL && pki_peer_of(crt, &one, &ignored) &&
			(!found || one.not_after < who->not_after)) {
			*who = one;
			found = true;
		}
		if (crt != NULL)
			gnutls_x509_crt_deinit(crt);
	}
	if (d != NULL)
		closedir(d);
	if (found)
		return true;
	gnutls_x509_crt_t crt = pki_read_crt(p->folder, "server.crt", err);
	if (crt == NULL)
		return err_set(err, "no parent has signed a certificate for this node");
	found = pki_peer_of(crt, who, err);
	gnutls_x509_crt_deinit(crt);
	return found;
}

bool pki_identity(struct pki *p, struct node_identity *out, struct err *err)
{
	struct peer who;
	if (!our_peer(p, &who, err))
		return false;
	if (memcmp(who.key.public_, p->key.public_, KEY_PUBLIC) != 0)
		return err_set(
			err, "%s: the certificate is of another key than node.key", p->folder);
	memset(out, 0, sizeof *out);
	memcpy(out->org, who.org, sizeof out->org);
	memcpy(out->region, who.region, sizeof out->region);
	memcpy(out->industry, who.industry, sizeof out->industry);
	memcpy(out->site_key, p->site_key, sizeof out->site_key);
	out->tier = who.tier;
	out->key = p->key;
	p->not_after = who.not_after;
	return true;
}

int pki_days_left(const struct pki *p)
{
	int64_t left = p->not_after - (int64_t)time(NULL);
	return (int)(left < 0 ? -1 - -left / 86400 : left / 86400);
}

const char *pki_folder(const struct pki *p)
{
	return p->folder;
}

bool pki_renewal_due(const struct pki *p, const char *parent)
{
	char name[64];
	struct peer who;
	struct err ignored = { 0 };
	snprintf(name, sizeof name, "parents/%s/cert.pem", parent);
	gnutls_x509_crt_t crt = pki_read_crt(p->folder, name, &ignored);
	struct pki_grant g;
	bool due = crt != NULL && pki_peer_of(crt, &who, &ignored);
	if (due) {
		pki_grant_again(&who, &g);
		due = who.not_after - (int64_t)time(NULL) < g.seconds / 3;
	}
	if (crt != NULL)
		gnutls_x509_crt_deinit(crt);
	return due;
}

const char *pki_key_path(const struct pki *p)
{
	return p->key_path;
}

void pki_cert_path(const struct pki *p, const char *parent, char *out, size_t cap)
{
	snprintf(out, cap, "%s/parents/%s/cert.pem", p->folder, parent);
}

void pki_trust_path(const struct pki *p, const char *parent, char *out, size_t cap)
{
	snprintf(out, cap, "%s/parents/%s/ca.pem", p->folder, parent);
}

/* --- the handshake ----------------------------------------------------------------------- */

static gnutls_x509_crt_t peer_crt(gnutls_session_t session)
{
	unsigned count = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &count);
	gnutls_x509_crt_t crt = NULL;
	if (chain == NULL || count == 0 || gnutls_x509_crt_init(&crt) != 0)
		return NULL;
	if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) == 0)
		return crt;
	gnutls_x509_crt_deinit(crt);
	return NULL;
}

/* What a certificate is refused for, the first that fits; the client is told by an alert. */
static const struct refusal {
	unsigned status; /* bits of GnuTLS; 0: whatever else */
	gnutls_alert_description_t alert;
	const char *why;
} refusals[] = {
	{ GNUTLS_CERT_SIGNER_NOT_FOUND, GNUTLS_A_UNKNOWN_CA, "is of another authority" },
	{ GNUTLS_CERT_REVOKED, GNUTLS_A_CERTIFICATE_REVOKED, "is revoked" },
	{ GNUTLS_CERT_EXPIRED, GNUTLS_A_CERTIFICATE_EXPIRED, "has ended" },
	{ GNUTLS_CERT_NOT_ACTIVATED, GNUTLS_A_CERTIFICATE_EXPIRED, "is not valid yet" },
	{ 0, GNUTLS_A_BAD_CERTIFICATE, "is none of a child" },
};

static int refuse(struct pki *p, gnutls_session_t session, unsigned status, const struct peer *who)
{
	const struct refusal *r = refusals;
	while (r->status != 0 && (r->status & status) == 0)
		r++;
	pthread_rwlock_wrlock(&p->lock);
	p->refused++;
	p->refused_why = r->why;
	snprintf(p->refused_org, sizeof p->refused_org, "%s", who->org[0] == '\0' ? "?" : who->org);
	pthread_rwlock_unlock(&p->lock);
	gnutls_alert_send(session, GNUTLS_AL_FATAL, r->alert);
	return GNUTLS_E_CERTIFICATE_ERROR;
}

unsigned pki_refused(struct pki *p, char org[ORG_TEXT], const char **why)
{
	pthread_rwlock_wrlock(&p->lock);
	unsigned n = p->refused;
	p->refused = 0;
	memcpy(org, p->refused_org, ORG_TEXT);
	*why = p->refused_why;
	pthread_rwlock_unlock(&p->lock);
	return n;
}

/* Not 0 ends the handshake. */
static int verify(gnutls_session_t session)
{
	struct pki *p = guarding;
	struct peer who = { 0 };
	struct err err = { 0 };
	unsigned status = GNUTLS_CERT_INVALID;
	static const char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
	gnutls_typed_vdata_st data = { 0 };
	gnutls_x509_crt_t crt = peer_crt(session);
	data.type = GNUTLS_DT_KEY_PURPOSE_OID;
	data.data = (unsigned char *)(uintptr_t)purpose;
	if (p == NULL || crt == NULL) {
		if (crt != NULL)
			gnutls_x509_crt_deinit(crt);
		return GNUTLS_E_CERTIFICATE_ERROR;
	}
	pthread_rwlock_rdlock(&p->lock);
	int code =
		gnutls_x509_trust_list_verify_crt2(p->trust, &crt, 1, &data, 1, 0, &status, NULL);
	pthread_rwlock_unlock(&p->lock);
	/* 0 only says that it was looked at: status says what was seen */
	bool good = pki_peer_of(crt, &who, &err) && code == 0 && status == 0;
	gnutls_x509_crt_deinit(crt);
	return good ? 0 : refuse(p, session, status, &who);
}

void pki_guard(struct pki *p, void *session)
{
	(void)p;
	gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
	gnutls_session_set_verify_function(session, verify);
}

static bool is_revoked(struct pki *p, gnutls_x509_crt_t crt)
{
	unsigned char serial[64];
	size_t size = sizeof serial;
	struct revoked r = { 0 };
	if (gnutls_x509_crt_get_serial(crt, serial, &size) != 0 || !serial_of(&r, serial, size))
		return true;
	pthread_rwlock_rdlock(&p->lock);
	bool found = p->revoked_count > 0 &&
		     bsearch(&r, p->revoked, p->revoked_count, sizeof r, compare) != NULL;
	pthread_rwlock_unlock(&p->lock);
	return found;
}

bool pki_peer(struct pki *p, void *session, struct peer *out)
{
	struct err err = { 0 };
	gnutls_x509_crt_t crt = peer_crt(session);
	if (crt == NULL)
		return false;
	/* again at each request: a connection may be older than the revocation, or than the end */
	bool good = !is_revoked(p, crt) && pki_peer_of(crt, out, &err) &&
		    out->not_after > (int64_t)time(NULL);
	gnutls_x509_crt_deinit(crt);
	return good;
}

static int retrieve(gnutls_session_t session, const gnutls_datum_t *req, int nreqs,
	const gnutls_pk_algorithm_t *algos, int count, gnutls_pcert_st **pcert, unsigned *pcerts,
	gnutls_privkey_t *key)
{
	struct pki *p = guarding;
	(void)session, (void)req, (void)nreqs, (void)algos, (void)count;
	if (p == NULL)
		return -1;
	pthread_rwlock_rdlock(&p->lock);
	struct pair *pair = p->serving;
	pthread_rwlock_unlock(&p->lock);
	if (pair == NULL)
		return -1;
	*pcert = &pair->cert;
	*pcerts = 1;
	*key = pair->key;
	return 0;
}

pki_any *pki_server_certificate(void)
{
	return (pki_any *)retrieve;
}

/* --- again --------------------------------------------------------------------------------- */

void pki_tell_revoked(struct pki *p, pki_revoked *revoked, void *ctx)
{
	char path[PKI_PATH];
	snprintf(path, sizeof path, "%s/issued", p->folder);
	DIR *d = opendir(path);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		char name[300];
		struct err ignored = { 0 };
		struct peer who;
		if (e->d_name[0] == '.')
			continue;
		snprintf(name, sizeof name, "issued/%s", e->d_name);
		gnutls_x509_crt_t crt = pki_read_crt(p->folder, name, &ignored);
		if (crt == NULL)
			continue;
		if (is_revoked(p, crt) && pki_peer_of(crt, &who, &ignored))
			revoked(ctx, &who, (int64_t)time(NULL));
		gnutls_x509_crt_deinit(crt);
	}
	if (d != NULL)
		closedir(d);
}

bool pki_reload(struct pki *p, pki_revoked *revoked, void *ctx, struct err *err)
{
	struct stamp seen[READ_AGAIN];
	look(p, seen);
	if (memcmp(seen, p->seen, sizeof seen) == 0)
		return false;
	if (!read_children_side(p, err))
		return false;
	memcpy(p->seen, seen, sizeof seen);
	pki_tell_revoked(p, revoked, ctx);
	return true;
}
