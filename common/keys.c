/* keys.c - libsodium behind plain functions. */
#include "common/keys.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

static_assert(KEY_PUBLIC == crypto_sign_PUBLICKEYBYTES, "Ed25519");
static_assert(KEY_SECRET == crypto_sign_SECRETKEYBYTES, "Ed25519");
static_assert(KEY_SIG == crypto_sign_BYTES, "Ed25519");
static_assert(HASH == crypto_hash_sha256_BYTES, "SHA-256");
static_assert(sizeof(struct hash_run) >= sizeof(crypto_hash_sha256_state), "room");

bool keys_init(void)
{
	return sodium_init() >= 0;
}

static void name_key(struct key *k)
{
	uint8_t hash[HASH];
	hash_of(k->public_, KEY_PUBLIC, hash);
	hex_write(k->kid, hash, 8);
}

void key_from_seed(struct key *k, const uint8_t seed[KEY_SEED])
{
	memset(k, 0, sizeof *k);
	crypto_sign_seed_keypair(k->public_, k->secret, seed);
	k->can_sign = true;
	name_key(k);
}

void key_from_public(struct key *k, const uint8_t public_[KEY_PUBLIC])
{
	memset(k, 0, sizeof *k);
	memcpy(k->public_, public_, KEY_PUBLIC);
	name_key(k);
}

void key_sign(const struct key *k, const void *bytes, size_t n, uint8_t sig[KEY_SIG])
{
	if (!k->can_sign)
		abort();
	crypto_sign_detached(sig, NULL, bytes, n, k->secret);
}

bool key_verify(const struct key *k, const void *bytes, size_t n, const uint8_t sig[KEY_SIG])
{
	return crypto_sign_verify_detached(sig, bytes, n, k->public_) == 0;
}

void key_wipe(struct key *k)
{
	sodium_memzero(k, sizeof *k);
}

/* --- hashes ------------------------------------------------------------------------------ */

void hash_of(const void *bytes, size_t n, uint8_t out[HASH])
{
	crypto_hash_sha256(out, bytes, n);
}

void hash_hex(const uint8_t hash[HASH], char out[HASH_HEX])
{
	hex_write(out, hash, HASH);
}

void hash_start(struct hash_run *h)
{
	crypto_hash_sha256_init((crypto_hash_sha256_state *)(void *)h->opaque);
}

void hash_add(struct hash_run *h, const void *bytes, size_t n)
{
	crypto_hash_sha256_update((crypto_hash_sha256_state *)(void *)h->opaque, bytes, n);
}

void hash_end(struct hash_run *h, uint8_t out[HASH])
{
	crypto_hash_sha256_final((crypto_hash_sha256_state *)(void *)h->opaque, out);
}

void hmac_of(const uint8_t key[32], const void *bytes, size_t n, uint8_t out[HASH])
{
	crypto_auth_hmacsha256(out, bytes, n, key);
}

void random_bytes(void *out, size_t n)
{
	randombytes_buf(out, n);
}

/* --- text -------------------------------------------------------------------------------- */

size_t base64_room(size_t n)
{
	return (n + 2) / 3 * 4 + 1;
}

size_t base64_write(char *out, size_t cap, const void *bytes, size_t n)
{
	if (cap < base64_room(n))
		abort();
	sodium_bin2base64(out, cap, bytes, n, sodium_base64_VARIANT_ORIGINAL);
	return base64_room(n) - 1;
}

bool base64_read(const char *text, size_t len, void *out, size_t cap, size_t *n)
{
	const char *end = NULL;
	return sodium_base642bin(
		       out, cap, text, len, NULL, n, &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       end == text + len;
}

void hex_write(char *out, const void *bytes, size_t n)
{
	static const char digit[] = "0123456789abcdef";
	const uint8_t *b = bytes;
	for (size_t i = 0; i < n; i++) {
		out[2 * i] = digit[b[i] >> 4];
		out[2 * i + 1] = digit[b[i] & 15];
	}
	out[2 * n] = '\0';
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_read(const char *text, size_t len, void *out, size_t n)
{
	uint8_t *b = out;
	if (len != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
		if (high < 0 || low < 0)
			return false;
		b[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}
