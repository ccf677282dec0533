/* fuzz_pack.c - any bytes as a value of bongsu:packs, and as what publishers signed: refused with
 * words, or what can be compiled. */
#include <stdlib.h>
#include <string.h>

#include "sensor/pack_shelf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As it lies in Redis. Nobody's key is known, so nothing may be believed. */
static void as_value(struct pack_shelf *s, const char *text, size_t size)
{
	struct pack_held h, again;
	struct err err = { 0 };
	size_t len;
	if (!pack_held_read(&h, text, size, &err)) {
		if (!err.set)
			abort();
		return;
	}
	if (shelf_judge(s, h.pack.name, &h.pack, 0, &err) == PACK_NEWER)
		abort();
	char *written = signed_pack_write(&h.pack, &len);
	if (written == NULL || !pack_held_read(&again, written, len, &err) ||
		again.pack.version != h.pack.version || again.pack.size != h.pack.size)
		abort();
	free(written);
	pack_held_free(&again);
	pack_held_free(&h);
}

/* As bytes that were signed and accepted. */
static void as_bytes(struct pack_shelf *s, enum pack_kind kind, const char *bytes, size_t size)
{
	static struct config config;
	static const struct rules_in_use own;
	struct signed_pack p = { .name = "fuzz",
		.kind = kind,
		.version = 1,
		.expires = 2,
		.bytes = bytes,
		.size = size };
	struct text_list faults = { 0 };
	struct pack_held h;
	struct err err = { 0 };
	uint8_t hash[HASH];
	size_t len;
	hash_of(bytes, size, hash);
	hash_hex(hash, p.sha256);
	char *text = signed_pack_write(&p, &len);
	if (text == NULL || !pack_held_read(&h, text, len, &err) || !shelf_swap(s, &h, &err))
		abort();
	struct rules *rules = shelf_compile(s, &own, &config, &faults);
	if ((rules == NULL) != (faults.count > 0))
		abort();
	rules_free(rules);
	text_list_free(&faults);
	free(text);
	pack_held_free(&h);
	shelf_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct text_list nobody;
	struct pack_shelf s = { .keys = &nobody, .threshold = 1 };
	if (!keys_init())
		abort();
	as_value(&s, (const char *)data, size);
	if (size > 0)
		as_bytes(&s, data[0] == '[' ? PACK_INDICATORS : PACK_RULES, (const char *)data,
			size);
	return 0;
}
