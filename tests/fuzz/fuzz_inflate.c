/* fuzz_inflate.c - bodies on the link: never more than the caps allow, whatever they claim. The
 * first byte says which encoding. */
#include <string.h>

#include "aggregator/frame.h"
#include "aggregator/inflate.h"
#include "tests/fuzz/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const encodings[] = { "zstd", "gzip", "identity", "ZSTD", "br", NULL };
	struct err err = { 0 };
	char *out;
	size_t len;
	if (size == 0)
		return 0;
	const char *encoding = encodings[data[0] % 6];
	enum inflate_result r =
		unpack(encoding, data + 1, size - 1, POST_BYTES, POST_RATIO, &out, &len, &err);
	demand((r == INFLATE_GOOD) == (out != NULL));
	demand(err.set == (r != INFLATE_GOOD));
	if (r != INFLATE_GOOD)
		return 0;
	demand(len <= POST_BYTES && (len <= 64 * 1024 || len <= (size - 1) * POST_RATIO));
	demand(out[len] == '\0');
	/* what it holds comes back from our own packing */
	size_t packed_len, again_len;
	char *again;
	void *packed = pack_zstd(out, len, &packed_len);
	r = unpack("zstd", packed, packed_len, POST_BYTES, POST_BYTES, &again, &again_len, &err);
	demand(r == INFLATE_GOOD && again_len == len && memcmp(again, out, len) == 0);
	free(again);
	free(packed);
	free(out);
	return 0;
}
