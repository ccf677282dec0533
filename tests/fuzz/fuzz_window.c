/* fuzz_window.c - windows as the store keeps them: what cannot be one is refused, and what is one
 * can be merged, cut and told. Two, with a NUL between them. */
#include "aggregator/digest_private.h"
#include "tests/fuzz/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct chain c;

static int64_t events_of(const char *blob, size_t len)
{
	struct digest_facts f;
	demand(digest_facts(blob, len, &f));
	int64_t events = json_int_of(f.in, "events", 0);
	json_decref(f.in);
	json_decref(f.cov);
	return events;
}

static void tell(const char *blob, size_t len)
{
	for (unsigned level = 1; level < LEVELS; level++) {
		json_t *body = digest_body(&c.node, blob, len, level, c.now);
		demand(body != NULL);
		size_t size;
		void *again = digest_of_frame(body, &size);
		demand(events_of(again, size) == events_of(blob, len));
		free(again);
		json_decref(body);
	}
}

static void cut(const char *blob, size_t len)
{
	json_t *held = json_pack("[[i,i,i,i],[i,i,i,i]]", 1, 1, 1, 4, 1, 1, 7, 9);
	for (unsigned inside = 0; inside < 2; inside++) {
		size_t size;
		void *part = digest_cut(blob, len, held, inside != 0, &size);
		demand(part != NULL);
		events_of(part, size);
		free(part);
	}
	json_decref(held);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *a = (const char *)data, *end = memchr(a, '\0', size);
	size_t a_len = end == NULL ? size : (size_t)(end - a), b_len = size - a_len - (end != NULL),
	       len;
	const char *b = a + a_len + (end != NULL);
	if (c.image == NULL)
		chain_init(&c, ENTERPRISE, TIER_ENTERPRISE, NULL, NULL);
	json_t *first = digest_read(a, a_len), *second = digest_read(b, b_len);
	if (first != NULL) {
		struct err err = { 0 };
		chain_open(&c);
		tell(a, a_len);
		cut(a, a_len);
		window_holds(first, &err);
		chain_close(&c);
	}
	char *merged = digest_merge(a, a_len, b, b_len, &len);
	demand(merged == NULL || (first != NULL && second != NULL));
	if (merged != NULL)
		demand(events_of(merged, len) == events_of(a, a_len) + events_of(b, b_len));
	free(merged);
	json_decref(first);
	json_decref(second);
	return 0;
}
