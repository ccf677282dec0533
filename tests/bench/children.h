/* children.h - children of one parent in this process: certificates by the parent's own authority,
 * digests signed before any clock runs. */
#ifndef TESTS_BENCH_CHILDREN_H
#define TESTS_BENCH_CHILDREN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "aggregator/frame.h"
#include "aggregator/inflate.h"
#include "aggregator/pki_private.h"

struct post {
	char *bytes; /* a whole request */
	size_t len;
	unsigned frames;
};

struct child {
	struct key key;
	char org[ORG_TEXT];
	gnutls_certificate_credentials_t cred; /* until its handshake is over */
	uint64_t sq, n;
	uint8_t pv[HASH];
	struct post *post;
	unsigned posts;
};

struct parent {
	char org[ORG_TEXT];
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
	const char *port;
};

enum { WINDOW_S = 300, EVENTS = 10, VALID_S = 86400 };

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "chain_load: %s\n", what);
	exit(1);
}

static void must(bool good, const char *what)
{
	if (!good)
		fail(what);
}

static gnutls_x509_privkey_t tls_key(const uint8_t seed[KEY_SEED], const struct key *k)
{
	gnutls_x509_privkey_t key;
	gnutls_datum_t x = { (void *)(uintptr_t)k->public_, KEY_PUBLIC };
	gnutls_datum_t secret = { (void *)(uintptr_t)seed, KEY_SEED };
	must(gnutls_x509_privkey_init(&key) == 0 &&
			gnutls_x509_privkey_import_ecc_raw(
				key, GNUTLS_ECC_CURVE_ED25519, &x, NULL, &secret) == 0,
		"a key");
	return key;
}

static int name(gnutls_x509_crt_t crt, const char *oid, const char *text)
{
	return gnutls_x509_crt_set_dn_by_oid(crt, oid, 0, text, (unsigned)strlen(text));
}

/* As enrolment makes them (pki.h), but that nothing is written. */
static void certify(const struct parent *p, struct child *c, gnutls_x509_privkey_t key)
{
	gnutls_x509_crt_t crt;
	time_t now = time(NULL);
	uint8_t serial[8];
	random_bytes(serial, sizeof serial);
	serial[0] &= 0x7f;
	must(gnutls_x509_crt_init(&crt) == 0 && gnutls_x509_crt_set_version(crt, 3) == 0 &&
			gnutls_x509_crt_set_serial(crt, serial, sizeof serial) == 0 &&
			gnutls_x509_crt_set_activation_time(crt, now - 60) == 0 &&
			gnutls_x509_crt_set_expiration_time(crt, now + VALID_S) == 0 &&
			name(crt, GNUTLS_OID_X520_COMMON_NAME, c->org) == 0 &&
			name(crt, GNUTLS_OID_X520_ORGANIZATIONAL_UNIT_NAME, "enterprise") == 0 &&
			name(crt, GNUTLS_OID_X520_STATE_OR_PROVINCE_NAME, "370500") == 0 &&
			name(crt, GNUTLS_OID_X520_ORGANIZATION_NAME, "C26") == 0 &&
			gnutls_x509_crt_set_key(crt, key) == 0 &&
			gnutls_x509_crt_set_basic_constraints(crt, 0, -1) == 0 &&
			gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE) == 0 &&
			gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0) ==
				0 &&
			gnutls_x509_crt_sign2(crt, p->crt, p->key, GNUTLS_DIG_UNKNOWN, 0) == 0,
		"a certificate");
	must(gnutls_certificate_allocate_credentials(&c->cred) == 0 &&
			gnutls_certificate_set_x509_key(c->cred, &crt, 1, key) == 0,
		"credentials");
	gnutls_x509_crt_deinit(crt);
}

/* A new organisation. */
static void child_new(const struct parent *p, struct child *c)
{
	uint8_t id[16], seed[KEY_SEED];
	random_bytes(id, sizeof id);
	random_bytes(seed, sizeof seed);
	hex_write(c->org, id, sizeof id);
	key_from_seed(&c->key, seed);
	gnutls_x509_privkey_t key = tls_key(seed, &c->key);
	certify(p, c, key);
	gnutls_x509_privkey_deinit(key);
}

/* --- digests ----------------------------------------------------------------------------- */

static json_t *item_of(int64_t start, unsigned i)
{
	static const char *const techniques[] = { "T0886", "T0855", "T0836", "T0858", "T0846" };
	char k[33], sk[33], rule[37];
	snprintf(k, sizeof k, "%032x", i * 7919 + 11);
	snprintf(sk, sizeof sk, "%032x", i * 104729 + 5);
	snprintf(rule, sizeof rule, "%08x-3591-485b-ae75-866445afd325", i + 1);
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:i, s:i, s:s, s:I, s:I, s:{s:i}, s:s,"
			 " s:s, s:s, s:[s], s:[s], s:b, s:i}",
		"k", k, "sk", sk, "rule", rule, "rev", 1, "cat", "ics-command", "tech",
		techniques[i % 5], "sev", (int)(2 + i % 3), "conf", 95, "verb", "read", "first",
		(json_int_t)start, "last", (json_int_t)(start + WINDOW_S - 1), "verdicts",
		"accepted", 2, "n", "2", "src", "1", "dst", "1", "roles", "hmi>plc", "zones",
		"L2>L1", "chg", 0, "ev", 0);
}

static json_t *digest_of(struct child *c, int64_t start, unsigned items)
{
	json_t *list = json_array();
	for (unsigned i = 0; i < items; i++)
		json_array_append_new(list, item_of(start, i));
	json_int_t from = (json_int_t)c->n + 1, to = from + EVENTS - 1;
	c->n += EVENTS;
	return json_pack(
		"{s:s, s:s, s:s, s:i, s:{s:I, s:I, s:I, s:i, s:i, s:i}, s:{s:s, s:s, s:s},"
		" s:[[i, i, I, I]], s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:{}}, s:o,"
		" s:{s:[i, i], s:i, s:i, s:i, s:i}}",
		"tier", "enterprise", "reg", "370500", "ind", "C26", "lvl", 1, "w", "start",
		(json_int_t)start, "end", (json_int_t)(start + WINDOW_S), "mono_ms",
		(json_int_t)(start % 1000000), "skew_ms", 3, "late", 0, "coarse_s", WINDOW_S, "ver",
		"sw", "1.0.0", "rules", "none", "attck", "ics/19", "cov", 7, 1, from, to, "in",
		"pkts", 120000, "drops", 0, "events", EVENTS, "other", 0, "alerts", EVENTS, "items",
		EVENTS, "suppressed", 0, "sampled", 0, "withheld", 0, "lost", "items", list, "hl",
		"sensors", 4, 0, "blind_bytes", 0, "canary_ms", 812, "waiting", 0, "cert_d", 61);
}

/* A request with the child's next @frames windows, of which the first starts at @start. */
static struct post post_of(
	const struct parent *p, struct child *c, int64_t start, unsigned frames, unsigned items)
{
	char *lines = NULL, digest[64], head[512];
	size_t len, total = 0, packed_len;
	uint8_t hash[HASH];
	uint64_t first = c->sq + 1;
	FILE *out = open_memstream(&lines, &total);
	must(out != NULL, "memory");
	for (unsigned i = 0; i < frames; i++) {
		struct err err = { 0 };
		struct frame_head h = { .type = FRAME_DIGEST,
			.org = c->org,
			.to = p->org,
			.count = true,
			.id = { 1, ++c->sq },
			.pv = c->pv };
		json_t *body = digest_of(c, start + (int64_t)i * WINDOW_S, items);
		char *line = body == NULL ? NULL : frame_make(&h, body, &c->key, &len, c->pv, &err);
		if (line == NULL) /* not by must(): the compiler shall see that it ends here */
			fail(err.set ? err.text : "a digest");
		fprintf(out, "%s\n", line);
		free(line);
		json_decref(body);
	}
	fclose(out);
	char *packed = pack_zstd(lines, total, &packed_len);
	must(packed != NULL, "packing");
	hash_of(packed, packed_len, hash);
	base64_write(digest, sizeof digest, hash, HASH);
	int n = snprintf(head, sizeof head,
		"POST /chain/1/up HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %zu\r\n"
		"Content-Encoding: zstd\r\nContent-Digest: sha-256=:%s:\r\n"
		"Chain-Range: 1/%llu-%llu\r\n\r\n",
		packed_len, digest, (unsigned long long)first, (unsigned long long)c->sq);
	struct post post = { .len = (size_t)n + packed_len, .frames = frames };
	post.bytes = malloc(post.len);
	must(post.bytes != NULL, "memory");
	memcpy(post.bytes, head, (size_t)n);
	memcpy(post.bytes + n, packed, packed_len);
	free(packed);
	free(lines);
	return post;
}

#endif
