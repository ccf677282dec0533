/* inflate.c - zstd and gzip, a block at a time, so that a bomb is met at its first MiB too many. */
#include "aggregator/inflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>
#include <zstd.h>

enum {
	BLOCK = 64 * 1024,
	SMALL = 4096,
	LEVEL = 3,
	WINDOW_LOG = 23 /* 8 MiB */,
	GZIP = 16 + MAX_WBITS
};

/* What has been inflated so far, and how much it may become. */
struct grown {
	char *at;
	size_t len, cap, most;
};

static bool room(struct grown *g)
{
	if (g->len + BLOCK < g->cap)
		return true;
	size_t cap = g->cap == 0 ? 2 * BLOCK : 2 * g->cap;
	char *at = realloc(g->at, cap + 1);
	if (at == NULL)
		return false;
	g->at = at;
	g->cap = cap;
	return true;
}

static enum inflate_result plain(struct grown *g, const void *bytes, size_t n, struct err *err)
{
	if (n > g->most) {
		err_set(err, "more than %zu bytes", g->most);
		return INFLATE_TOO_LARGE;
	}
	g->at = malloc(n + 1);
	if (g->at == NULL)
		return INFLATE_BROKEN;
	memcpy(g->at, bytes, n);
	g->len = n;
	return INFLATE_GOOD;
}

static enum inflate_result too_large(const struct grown *g, struct err *err)
{
	err_set(err, "more than %zu bytes when inflated", g->most);
	return INFLATE_TOO_LARGE;
}

static enum inflate_result unzstd(struct grown *g, const void *bytes, size_t n, struct err *err)
{
	ZSTD_DStream *z = ZSTD_createDStream();
	ZSTD_inBuffer in = { .src = bytes, .size = n };
	enum inflate_result how = INFLATE_GOOD;
	size_t left = 1;
	if (z == NULL || ZSTD_isError(ZSTD_DCtx_setParameter(z, ZSTD_d_windowLogMax, WINDOW_LOG)))
		how = INFLATE_BROKEN;
	while (how == INFLATE_GOOD && (in.pos < in.size || left > 0)) {
		if (!room(g)) {
			how = INFLATE_BROKEN;
			break;
		}
		size_t before = in.pos;
		ZSTD_outBuffer out = { .dst = g->at + g->len, .size = BLOCK };
		left = ZSTD_decompressStream(z, &out, &in);
		g->len += out.pos;
		if (ZSTD_isError(left)) {
			err_set(err, "zstd: %s", ZSTD_getErrorName(left));
			how = INFLATE_BROKEN;
		} else if (g->len > g->most) {
			how = too_large(g, err);
		} else if (out.pos == 0 && in.pos == before) {
			err_set(err, "zstd: cut short");
			how = INFLATE_BROKEN;
		}
	}
	ZSTD_freeDStream(z);
	return how;
}

static enum inflate_result ungzip(struct grown *g, const void *bytes, size_t n, struct err *err)
{
	z_stream z = { .next_in = (Bytef *)(uintptr_t)bytes, .avail_in = (uInt)n };
	enum inflate_result how = INFLATE_GOOD;
	if (inflateInit2(&z, GZIP) != Z_OK)
		return INFLATE_BROKEN;
	for (int code = Z_OK; how == INFLATE_GOOD && code != Z_STREAM_END;) {
		if (!room(g)) {
			how = INFLATE_BROKEN;
			break;
		}
		z.next_out = (Bytef *)g->at + g->len;
		z.avail_out = BLOCK;
		code = inflate(&z, Z_NO_FLUSH);
		g->len += BLOCK - z.avail_out;
		if (g->len > g->most) {
			how = too_large(g, err);
		} else if (code != Z_OK && code != Z_STREAM_END) {
			err_set(err, "gzip: %s", z.msg == NULL ? "cut short" : z.msg);
			how = INFLATE_BROKEN;
		}
	}
	if (how == INFLATE_GOOD && z.avail_in > 0) {
		err_set(err, "gzip: something behind its end");
		how = INFLATE_BROKEN;
	}
	inflateEnd(&z);
	return how;
}

enum inflate_result unpack(const char *encoding, const void *bytes, size_t n, size_t max,
	unsigned ratio, char **out, size_t *len, struct err *err)
{
	struct grown g = { .most = n > max / ratio ? max : n * ratio };
	enum inflate_result how = INFLATE_UNKNOWN;
	if (n <= SMALL && g.most < BLOCK)
		g.most = BLOCK;
	if (g.most > max)
		g.most = max;
	*out = NULL;
	*len = 0;
	if (n > max)
		how = too_large(&g, err);
	else if (encoding == NULL || strcasecmp(encoding, "identity") == 0)
		how = plain(&g, bytes, n, err);
	else if (strcasecmp(encoding, "zstd") == 0)
		how = unzstd(&g, bytes, n, err);
	else if (strcasecmp(encoding, "gzip") == 0)
		how = ungzip(&g, bytes, n, err);
	else
		err_set(err, "Content-Encoding is not known");
	if (how != INFLATE_GOOD) {
		if (how == INFLATE_BROKEN)
			err_set(err, "out of memory");
		free(g.at);
		return how;
	}
	g.at[g.len] = '\0';
	*out = g.at;
	*len = g.len;
	return INFLATE_GOOD;
}

void *pack_zstd(const void *bytes, size_t n, size_t *len)
{
	size_t cap = ZSTD_compressBound(n);
	void *out = malloc(cap);
	if (out == NULL)
		abort();
	*len = ZSTD_compress(out, cap, bytes, n, LEVEL);
	if (ZSTD_isError(*len))
		abort(); /* only for want of memory */
	return out;
}
