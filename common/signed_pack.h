/* signed_pack.h - rule packs and indicator sets as they lie in Redis (bongsu:packs) and at rest:
 * one line of JSON that says what it is and who signed it, then the bytes. rules/README.md has the
 * form.
 */
#ifndef COMMON_SIGNED_PACK_H
#define COMMON_SIGNED_PACK_H

#include "common/json.h"
#include "common/keys.h"
#include "common/text_list.h"

enum {
	PACK_NAME = 65,
	PACK_HEAD = 8 * 1024,
	PACK_MOST = 16 * 1024 * 1024,
	PACK_NAMES = 64, /* held at a time */
};

enum pack_kind { PACK_RULES, PACK_INDICATORS, PACK_WITHDRAWN };

struct signed_pack {
	char name[PACK_NAME];
	enum pack_kind kind; /* withdrawn: the site takes its acceptance back */
	int64_t version, expires;
	char sha256[HASH_HEX]; /* of the bytes */
	json_t *sigs;          /* [{kid, sig}], its owner's */
	const char *bytes;     /* borrowed */
	size_t size;
};

/* 1 to 64 of a-z, 0-9, '-' and '_': it becomes a file's name. */
bool pack_name_good(const char *name);
/* What publishers sign. 0: it does not fit. */
size_t pack_signed_text(char *out, size_t cap, const char *name, int64_t version, int64_t expires,
	const char *sha256);
/* How many of @keys (hex) signed that text; one that is named twice counts once. */
unsigned pack_signatures(
	const struct text_list *keys, const json_t *sigs, const char *text, size_t len);

/* Takes the line and the bytes apart; that the bytes have the hash is checked, that anybody signed
 * it is not. False and @err; signed_pack_free() takes any state that was zeroed. */
bool signed_pack_read(struct signed_pack *p, const char *text, size_t len, struct err *err);
/* The line and the bytes, the caller's to free(); NULL: out of memory. */
char *signed_pack_write(const struct signed_pack *p, size_t *len);
/* Enough of @keys signed it? */
bool signed_pack_trusted(const struct signed_pack *p, const struct text_list *keys,
	uint64_t threshold, struct err *err);
void signed_pack_free(struct signed_pack *p);

#endif
