/* test_agg_keys.c - known answers of the ciphers, and texts that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "common/keys.h"

static void want_hex(const void *bytes, size_t n, const char *hex)
{
	char text[256];
	hex_write(text, bytes, n);
	assert_string_equal(text, hex);
}

/* RFC 8032, 7.1, test 2. */
static void signs_as_rfc_8032_says(void **state)
{
	static const uint8_t message[] = { 0x72 };
	uint8_t seed[KEY_SEED], sig[KEY_SIG];
	struct key k, only;
	(void)state;
	assert_true(hex_read("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb", 64,
		seed, KEY_SEED));
	key_from_seed(&k, seed);
	want_hex(k.public_, KEY_PUBLIC,
		"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
	key_sign(&k, message, 1, sig);
	want_hex(sig, KEY_SIG,
		"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e45"
		"8f3613d0"
		"f11d8c387b2eaeb4302aeeb00d291612bb0c00");
	key_from_public(&only, k.public_);
	assert_false(only.can_sign);
	assert_string_equal(only.kid, k.kid);
	assert_true(key_verify(&only, message, 1, sig));
	for (unsigned i = 0; i < KEY_SIG * 8; i++) {
		sig[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_false(key_verify(&only, message, 1, sig));
		sig[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	assert_false(key_verify(&only, message, 0, sig));
	key_wipe(&k);
	assert_int_equal(k.kid[0] | k.secret[0] | k.can_sign, 0);
}

/* FIPS 180-4 and RFC 4231, test 2 (its key is short, ours are 32 bytes: zeros behind it are the
 * same). */
static void hashes_as_published(void **state)
{
	uint8_t h[HASH], key[32] = "Jefe";
	struct hash_run run;
	(void)state;
	hash_of("abc", 3, h);
	want_hex(h, HASH, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hash_start(&run);
	hash_add(&run, "a", 1);
	hash_add(&run, "", 0);
	hash_add(&run, "bc", 2);
	hash_end(&run, h);
	want_hex(h, HASH, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	hmac_of(key, "what do ya want for nothing?", 28, h);
	want_hex(h, HASH, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	char hex[HASH_HEX];
	hash_hex(h, hex);
	assert_int_equal(strlen(hex), 64);
}

static void the_kid_is_the_start_of_the_keys_hash(void **state)
{
	uint8_t seed[KEY_SEED] = { 7 }, h[HASH];
	struct key k;
	char hex[HASH_HEX];
	(void)state;
	key_from_seed(&k, seed);
	hash_of(k.public_, KEY_PUBLIC, h);
	hash_hex(h, hex);
	assert_memory_equal(k.kid, hex, 16);
	assert_int_equal(strlen(k.kid), 16);
}

static void base64_goes_there_and_back(void **state)
{
	(void)state;
	for (size_t n = 0; n <= 200; n++) {
		uint8_t bytes[200], back[200];
		char text[300];
		size_t got, len;
		random_bytes(bytes, sizeof bytes);
		len = base64_write(text, sizeof text, bytes, n);
		assert_int_equal(len, strlen(text));
		assert_int_equal(len + 1, base64_room(n));
		assert_true(base64_read(text, len, back, sizeof back, &got));
		assert_int_equal(got, n);
		assert_memory_equal(back, bytes, n);
		if (n > 0)
			assert_false(base64_read(text, len, back, n - 1, &got)); /* no room */
		for (size_t cut = 1; cut < 4 && cut < len; cut++)
			assert_false(base64_read(text, len - cut, back, sizeof back, &got));
	}
}

static void what_is_no_base64_is_refused(void **state)
{
	static const char *const bad[] = { "A", "AA", "AAA",
		"AA=", "A===", "AAAA=", "AA==AA==", "AA A", "AAA\n", "AAA-", "AA_A",
		"====", "AB==" /* bits that say nothing are set */, "AAB=" };
	uint8_t out[16];
	size_t n;
	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (base64_read(bad[i], strlen(bad[i]), out, sizeof out, &n))
			fail_msg("\"%s\" is taken", bad[i]);
}

static void hex_is_lower_case_and_of_one_length(void **state)
{
	static const char *const bad[] = { "", "00", "0011223", "001122334", "0011223G", "0011223A",
		"0011 223", "+0112233" };
	uint8_t out[4];
	(void)state;
	assert_true(hex_read("00ff7f80", 8, out, 4));
	want_hex(out, 4, "00ff7f80");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(hex_read(bad[i], strlen(bad[i]), out, 4));
}

static int before(void **state)
{
	(void)state;
	return keys_init() ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signs_as_rfc_8032_says),
		cmocka_unit_test(hashes_as_published),
		cmocka_unit_test(the_kid_is_the_start_of_the_keys_hash),
		cmocka_unit_test(base64_goes_there_and_back),
		cmocka_unit_test(what_is_no_base64_is_refused),
		cmocka_unit_test(hex_is_lower_case_and_of_one_length),
	};
	return cmocka_run_group_tests(tests, before, NULL);
}
