/* keys.h - Ed25519, SHA-256, HMAC and base64: the only file that knows libsodium. */
#ifndef COMMON_KEYS_H
#define COMMON_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	KEY_PUBLIC = 32,
	KEY_SECRET = 64,
	KEY_SEED = 32,
	KEY_SIG = 64,
	HASH = 32,
	HASH_HEX = 65,
	KID_TEXT = 17,
	ORG_TEXT = 33
};

/* A signing key; only public_ is set where we merely verify. */
struct key {
	uint8_t public_[KEY_PUBLIC];
	uint8_t secret[KEY_SECRET];
	bool can_sign;
	char kid[KID_TEXT]; /* 16 hex digits: the start of SHA-256(public_) */
};

bool keys_init(void); /* once, before anything else; false: no randomness */
void key_from_seed(struct key *k, const uint8_t seed[KEY_SEED]);
void key_from_public(struct key *k, const uint8_t public_[KEY_PUBLIC]);
void key_sign(const struct key *k, const void *bytes, size_t n, uint8_t sig[KEY_SIG]);
bool key_verify(const struct key *k, const void *bytes, size_t n, const uint8_t sig[KEY_SIG]);
void key_wipe(struct key *k);

void hash_of(const void *bytes, size_t n, uint8_t out[HASH]); /* SHA-256 */
void hash_hex(const uint8_t hash[HASH], char out[HASH_HEX]);
struct hash_run { /* over several pieces */
	uint64_t opaque[16];
};
void hash_start(struct hash_run *h);
void hash_add(struct hash_run *h, const void *bytes, size_t n);
void hash_end(struct hash_run *h, uint8_t out[HASH]);
void hmac_of(const uint8_t key[32], const void *bytes, size_t n, uint8_t out[HASH]); /* SHA-256 */

void random_bytes(void *out, size_t n);
/* Standard base64 with padding. Writes a NUL; @cap ≥ base64_room(n). */
size_t base64_room(size_t n);
size_t base64_write(char *out, size_t cap, const void *bytes, size_t n);
/* False if it is no base64 or too long for @cap. */
bool base64_read(const char *text, size_t len, void *out, size_t cap, size_t *n);
/* Lower-case hex. */
void hex_write(char *out, const void *bytes, size_t n);           /* 2n + NUL */
bool hex_read(const char *text, size_t len, void *out, size_t n); /* exactly 2n digits */

#endif
