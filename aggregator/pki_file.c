/* pki_file.c - keys and certificates on disk and in our terms. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aggregator/pki_private.h"

bool pki_failed(struct err *err, const char *what, int code)
{
	return err_set(err, "%s: %s", what, gnutls_strerror(code));
}

bool pki_exists(const char *folder, const char *name)
{
	char path[PKI_PATH];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	return access(path, F_OK) == 0;
}

bool pki_load(const char *folder, const char *name, gnutls_datum_t *out, struct err *err)
{
	char path[PKI_PATH];
	struct stat st;
	snprintf(path, sizeof path, "%s/%s", folder, name);
	if (stat(path, &st) != 0)
		return err_set(err, "%s: %s", path, strerror(errno));
	if (st.st_size > PKI_FILE)
		return err_set(err, "%s: too large for a certificate", path);
	int code = gnutls_load_file(path, out);
	return code == 0 || pki_failed(err, path, code);
}

/* Beside, then renamed: a reader sees the old or the new one. */
bool pki_write(const char *folder, const char *name, const void *bytes, size_t n, unsigned mode,
	bool replace, struct err *err)
{
	char path[PKI_PATH], beside[PKI_PATH + 8];
	snprintf(path, sizeof path, "%s/%s", folder, name);
	snprintf(beside, sizeof beside, "%s.new", path);
	if (!replace && access(path, F_OK) == 0)
		return err_set(err, "%s: is there already; nothing is overwritten", path);
	int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	bool good = fd >= 0 && write(fd, bytes, n) == (ssize_t)n && fsync(fd) == 0;
	if (fd >= 0)
		good = close(fd) == 0 && good;
	if (!good || rename(beside, path) != 0)
		return err_set(err, "%s: %s", path, strerror(errno));
	return true;
}

gnutls_x509_privkey_t pki_read_key(const char *folder, const char *name, struct err *err)
{
	gnutls_datum_t pem;
	gnutls_x509_privkey_t key = NULL;
	if (!pki_load(folder, name, &pem, err))
		return NULL;
	gnutls_x509_privkey_init(&key);
	int code = gnutls_x509_privkey_import2(key, &pem, GNUTLS_X509_FMT_PEM, NULL, 0);
	if (code == 0 && gnutls_x509_privkey_get_pk_algorithm(key) != GNUTLS_PK_EDDSA_ED25519) {
		err_set(err, "%s/%s: not an Ed25519 key", folder, name);
		code = -1;
	} else if (code != 0) {
		pki_failed(err, name, code);
	}
	explicit_bzero(pem.data, pem.size);
	gnutls_free(pem.data);
	if (code == 0)
		return key;
	gnutls_x509_privkey_deinit(key);
	return NULL;
}

gnutls_x509_crt_t pki_read_crt(const char *folder, const char *name, struct err *err)
{
	gnutls_datum_t pem;
	gnutls_x509_crt_t crt = NULL;
	if (!pki_load(folder, name, &pem, err))
		return NULL;
	gnutls_x509_crt_init(&crt);
	int code = gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM);
	gnutls_free(pem.data);
	if (code == 0)
		return crt;
	pki_failed(err, name, code);
	gnutls_x509_crt_deinit(crt);
	return NULL;
}

bool pki_key_of(gnutls_x509_privkey_t key, struct key *out, struct err *err)
{
	gnutls_ecc_curve_t curve;
	gnutls_datum_t x = { 0 }, k = { 0 };
	int code = gnutls_x509_privkey_export_ecc_raw(key, &curve, &x, NULL, &k);
	if (code == 0 && k.size != KEY_SEED)
		code = GNUTLS_E_INVALID_REQUEST;
	if (code == 0)
		key_from_seed(out, k.data);
	if (k.data != NULL)
		explicit_bzero(k.data, k.size);
	gnutls_free(x.data);
	gnutls_free(k.data);
	return code == 0 || pki_failed(err, "key", code);
}

static void attribute(gnutls_x509_crt_t crt, const char *oid, char *out, size_t cap)
{
	size_t n = cap;
	if (gnutls_x509_crt_get_dn_by_oid(crt, oid, 0, 0, out, &n) != 0)
		out[0] = '\0';
}

static bool is_org(const char *t)
{
	return strlen(t) == 32 && strspn(t, "0123456789abcdef") == 32;
}

bool pki_peer_of(gnutls_x509_crt_t crt, struct peer *out, struct err *err)
{
	char org[64], tier[32];
	gnutls_ecc_curve_t curve;
	gnutls_datum_t x = { 0 };
	*out = (struct peer){ .not_before = (int64_t)gnutls_x509_crt_get_activation_time(crt),
		.not_after = (int64_t)gnutls_x509_crt_get_expiration_time(crt) };
	attribute(crt, GNUTLS_OID_X520_COMMON_NAME, org, sizeof org);
	attribute(crt, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, tier, sizeof tier);
	attribute(crt, GNUTLS_OID_X520_STATE_OR_PROVINCE_NAME, out->region, sizeof out->region);
	attribute(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, out->industry, sizeof out->industry);
	if (!is_org(org) || !tier_from(tier, &out->tier))
		return err_set(err, "the certificate names no organisation and tier");
	memcpy(out->org, org, ORG_TEXT);
	int code = gnutls_x509_crt_get_pk_ecc_raw(crt, &curve, &x, NULL);
	if (code == 0 && (curve != GNUTLS_ECC_CURVE_ED25519 || x.size != KEY_PUBLIC))
		code = GNUTLS_E_UNSUPPORTED_SIGNATURE_ALGORITHM;
	if (code == 0)
		key_from_public(&out->key, x.data);
	gnutls_free(x.data);
	return code == 0 || pki_failed(err, "certificate", code);
}

bool pki_read_cert(const void *bytes, size_t n, struct peer *out, struct err *err)
{
	gnutls_x509_crt_t crt;
	gnutls_datum_t d = { .data = (unsigned char *)(uintptr_t)bytes, .size = (unsigned)n };
	gnutls_x509_crt_init(&crt);
	int code = gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_PEM);
	if (code != 0)
		code = gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_DER);
	bool good = code == 0 ? pki_peer_of(crt, out, err) : pki_failed(err, "certificate", code);
	gnutls_x509_crt_deinit(crt);
	return good;
}

static size_t list(const char *folder, const char *inner, const char *org, char ***names)
{
	char path[PKI_PATH];
	size_t count = 0, n = strlen(org);
	*names = NULL;
	snprintf(path, sizeof path, "%s/%s", folder, inner);
	DIR *d = opendir(path);
	for (const struct dirent *e; d != NULL && (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.' || strncmp(e->d_name, org, n) != 0)
			continue;
		char **grown = realloc(*names, (count + 1) * sizeof *grown);
		if (grown == NULL)
			break;
		*names = grown;
		if ((grown[count] = strdup(e->d_name)) != NULL)
			count++;
	}
	if (d != NULL)
		closedir(d);
	return count;
}

size_t pki_issued(const char *folder, const char *org, char ***names)
{
	return list(folder, "issued", org, names);
}

size_t pki_known(const char *folder, char ***names)
{
	return list(folder, "known", "", names);
}

static bool read_one(
	const char *folder, const char *inner, const char *name, struct peer *out, struct err *err)
{
	char path[PKI_PATH];
	snprintf(path, sizeof path, "%s/%s", inner, name);
	gnutls_x509_crt_t crt = pki_read_crt(folder, path, err);
	bool good = crt != NULL && pki_peer_of(crt, out, err);
	if (crt != NULL)
		gnutls_x509_crt_deinit(crt);
	return good;
}

bool pki_issued_read(const char *folder, const char *name, struct peer *out, struct err *err)
{
	return read_one(folder, "issued", name, out, err);
}

bool pki_known_read(const char *folder, const char *name, struct peer *out, struct err *err)
{
	return read_one(folder, "known", name, out, err);
}

bool pki_know(const char *folder, const char *pem, struct peer *who, struct err *err)
{
	char name[80], place[PKI_PATH];
	static const char end[] = "-----END CERTIFICATE-----\n";
	const char *last = strstr(pem, end);
	if (!pki_read_cert(pem, strlen(pem), who, err))
		return false;
	snprintf(place, sizeof place, "%s/known", folder);
	if (mkdir(place, 0700) != 0 && errno != EEXIST)
		return err_set(err, "%s: %s", place, strerror(errno));
	snprintf(name, sizeof name, "known/%s-%s.crt", who->org, who->key.kid);
	size_t n = last == NULL ? strlen(pem) : (size_t)(last - pem) + sizeof end - 1;
	return pki_write(folder, name, pem, n, 0644, true, err);
}

char *pki_authority(const char *folder, struct err *err)
{
	gnutls_datum_t pem;
	if (!pki_load(folder, "ca.crt", &pem, err))
		return NULL;
	char *text = strndup((const char *)pem.data, pem.size);
	gnutls_free(pem.data);
	if (text == NULL)
		err_set(err, "out of memory");
	return text;
}

bool pki_pem_hash(const char *pem, uint8_t out[HASH], struct err *err)
{
	gnutls_datum_t d = { .data = (unsigned char *)(uintptr_t)pem,
		.size = (unsigned)strlen(pem) };
	gnutls_datum_t der;
	int code = gnutls_pem_base64_decode2("CERTIFICATE", &d, &der);
	if (code != 0)
		return pki_failed(err, "authority", code);
	hash_of(der.data, der.size, out);
	gnutls_free(der.data);
	return true;
}

bool pki_authority_hash(const char *folder, uint8_t out[HASH], struct err *err)
{
	char *pem = pki_authority(folder, err);
	bool good = pem != NULL && pki_pem_hash(pem, out, err);
	free(pem);
	return good;
}
