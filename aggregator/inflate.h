/* inflate.h - bodies on the link: zstd (gzip accepted), bounded while inflating. The only file that
 * knows zstd and zlib. */
#ifndef AGGREGATOR_INFLATE_H
#define AGGREGATOR_INFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

enum inflate_result { INFLATE_GOOD, INFLATE_TOO_LARGE, INFLATE_BROKEN, INFLATE_UNKNOWN };
/* @encoding: "zstd", "gzip", "identity" or NULL. *out is the caller's to free(), with a NUL behind
 * it; at most @max bytes and @ratio times @n (a body under 4 KiB may always grow to 64 KiB). */
enum inflate_result unpack(const char *encoding, const void *bytes, size_t n, size_t max,
	unsigned ratio, char **out, size_t *len, struct err *err);
/* zstd level 3; the caller's to free(). */
void *pack_zstd(const void *bytes, size_t n, size_t *len);

#endif
