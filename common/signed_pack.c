/* signed_pack.c - see signed_pack.h. */
#include "common/signed_pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_DEPTH = 3, SIGNED_TEXT = 512 };

static const char *const kinds[] = { "pack", "indicators", "withdrawn" };

bool pack_name_good(const char *name)
{
	static const char set[] = "abcdefghijklmnopqrstuvwxyz0123456789_-";
	size_t n = strlen(name);
	return n > 0 && n < PACK_NAME && strspn(name, set) == n;
}

/* --- signatures -------------------------------------------------------------------------- */

size_t pack_signed_text(char *out, size_t cap, const char *name, int64_t version, int64_t expires,
	const char *sha256)
{
	int n = snprintf(out, cap, "bongsu-pack/1\n%s\n%lld\n%lld\n%s\n", name, (long long)version,
		(long long)expires, sha256);
	return n < 0 || (size_t)n >= cap ? 0 : (size_t)n;
}

static bool signed_by(const struct key *key, const json_t *sigs, const char *text, size_t len)
{
	size_t i, size;
	const json_t *s;
	json_array_foreach(sigs, i, s)
	{
		uint8_t sig[KEY_SIG];
		const char *kid = json_text_of(s, "kid"), *b64 = json_text_of(s, "sig");
		if (kid != NULL && b64 != NULL && strcmp(kid, key->kid) == 0 &&
			base64_read(b64, strlen(b64), sig, sizeof sig, &size) && size == KEY_SIG &&
			key_verify(key, text, len, sig))
			return true;
	}
	return false;
}

static bool named_before(const struct text_list *keys, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (strcmp(keys->text[i], keys->text[at]) == 0)
			return true;
	return false;
}

unsigned pack_signatures(
	const struct text_list *keys, const json_t *sigs, const char *text, size_t len)
{
	unsigned good = 0;
	for (size_t k = 0; k < keys->count; k++) {
		uint8_t public_[KEY_PUBLIC];
		struct key key;
		if (named_before(keys, k) ||
			!hex_read(keys->text[k], strlen(keys->text[k]), public_, sizeof public_))
			continue;
		key_from_public(&key, public_);
		good += signed_by(&key, sigs, text, len);
	}
	return good;
}

bool signed_pack_trusted(const struct signed_pack *p, const struct text_list *keys,
	uint64_t threshold, struct err *err)
{
	char text[SIGNED_TEXT];
	size_t len =
		pack_signed_text(text, sizeof text, p->name, p->version, p->expires, p->sha256);
	unsigned good = len == 0 ? 0 : pack_signatures(keys, p->sigs, text, len);
	return good >= threshold ||
	       err_set(err, "%s %lld: %u of %llu signatures of publishers", p->name,
		       (long long)p->version, good, (unsigned long long)threshold);
}

/* --- form -------------------------------------------------------------------------------- */

static bool read_kind(const char *word, enum pack_kind *kind)
{
	for (unsigned i = 0; word != NULL && i < sizeof kinds / sizeof kinds[0]; i++) {
		if (strcmp(kinds[i], word) == 0) {
			*kind = (enum pack_kind)i;
			return true;
		}
	}
	return false;
}

static bool read_head(struct signed_pack *p, const char *text, size_t len, struct err *err)
{
	json_t *j = len > PACK_HEAD ? NULL : json_read(text, len, HEAD_DEPTH, err);
	const char *name = json_text_of(j, "name"), *sha256 = json_text_of(j, "sha256");
	uint8_t hash[HASH];
	bool good = name != NULL && pack_name_good(name) &&
		    read_kind(json_text_of(j, "kind"), &p->kind);
	p->version = json_int_of(j, "version", 0);
	p->expires = json_int_of(j, "expires", 0);
	good = good && p->version > 0;
	if (good)
		snprintf(p->name, sizeof p->name, "%s", name);
	if (good && p->kind != PACK_WITHDRAWN) {
		good = sha256 != NULL && hex_read(sha256, strlen(sha256), hash, HASH);
		if (good)
			memcpy(p->sha256, sha256, HASH_HEX);
		p->sigs = json_incref(json_object_get(j, "sigs"));
	}
	json_decref(j);
	return good || err_set(err, "the line at its head is none of a pack");
}

bool signed_pack_read(struct signed_pack *p, const char *text, size_t len, struct err *err)
{
	const char *end = len == 0 ? NULL : memchr(text, '\n', len);
	uint8_t hash[HASH];
	char hex[HASH_HEX];
	*p = (struct signed_pack){ 0 };
	if (len > PACK_HEAD + PACK_MOST)
		return err_set(err, "longer than 16 MiB");
	if (end == NULL)
		return err_set(err, "no line at its head");
	if (!read_head(p, text, (size_t)(end - text), err))
		return false;
	if (p->kind == PACK_WITHDRAWN)
		return true;
	p->bytes = end + 1;
	p->size = len - (size_t)(end + 1 - text);
	hash_of(p->bytes, p->size, hash);
	hash_hex(hash, hex);
	return strcmp(hex, p->sha256) == 0 ||
	       err_set(err, "%s %lld: its bytes are not what was signed", p->name,
		       (long long)p->version);
}

char *signed_pack_write(const struct signed_pack *p, size_t *len)
{
	size_t head_len;
	json_t *j = json_pack("{s:s, s:I, s:s}", "name", p->name, "version", (json_int_t)p->version,
		"kind", kinds[p->kind]);
	if (j != NULL && p->kind != PACK_WITHDRAWN) {
		json_object_set_new(j, "expires", json_integer(p->expires));
		json_object_set_new(j, "sha256", json_string(p->sha256));
		json_object_set(j, "sigs", p->sigs);
	}
	char *head = j == NULL ? NULL : json_write(j, &head_len);
	char *text = head == NULL ? NULL : malloc(head_len + 1 + p->size + 1);
	if (text != NULL) {
		memcpy(text, head, head_len);
		text[head_len] = '\n';
		if (p->size > 0)
			memcpy(text + head_len + 1, p->bytes, p->size);
		*len = head_len + 1 + p->size;
		text[*len] = '\0';
	}
	free(head);
	json_decref(j);
	return text;
}

void signed_pack_free(struct signed_pack *p)
{
	json_decref(p->sigs);
	p->sigs = NULL;
}
