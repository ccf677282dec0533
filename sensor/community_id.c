/* community_id.c - the name of a conversation that other tools compute alike.
 * Spec: github.com/corelight/community-id-spec, version 1, seed 0. */
#include "sensor/community_id.h"

#include "common/tls.h"

enum {
	TUPLE = 2 + 16 + 16 + 1 + 1 + 2 + 2,
	TEXT = 32, /* quotes, "1:", 28 characters of base64 */
	RECENT = 256,
};

struct tuple {
	uint8_t bytes[TUPLE];
	uint8_t len;
};

static void append(struct tuple *t, const void *bytes, size_t n)
{
	memcpy(t->bytes + t->len, bytes, n);
	t->len = (uint8_t)(t->len + n);
}

static void append_be16(struct tuple *t, uint16_t v)
{
	uint8_t bytes[2] = { (uint8_t)(v >> 8), (uint8_t)v };
	append(t, bytes, sizeof bytes);
}

static bool in_order(const struct endpoint *a, const struct endpoint *b, size_t skip)
{
	int c = memcmp(a->ip.bytes + skip, b->ip.bytes + skip, 16 - skip);
	return c < 0 || (c == 0 && a->port <= b->port);
}

static void make_tuple(struct tuple *t, const struct flow *f)
{
	size_t skip = f->end[0].ip.family == 4 ? 12 : 0;
	const struct endpoint *a = &f->end[0], *b = &f->end[1];
	if (!in_order(a, b, skip)) {
		a = &f->end[1];
		b = &f->end[0];
	}
	uint8_t proto[2] = { f->l4, 0 };
	t->len = 0;
	append_be16(t, 0); /* seed */
	append(t, a->ip.bytes + skip, 16 - skip);
	append(t, b->ip.bytes + skip, 16 - skip);
	append(t, proto, sizeof proto);
	append_be16(t, a->port);
	append_be16(t, b->port);
}

void community_id(struct buf *b, const struct flow *f)
{
	static _Thread_local struct recent {
		struct tuple tuple;
		uint8_t len;
		char text[TEXT];
	} recent[RECENT];
	struct tuple t;
	make_tuple(&t, f);
	struct recent *r = &recent[f->id % RECENT];
	if (r->tuple.len != t.len || memcmp(r->tuple.bytes, t.bytes, t.len) != 0) {
		uint8_t digest[TLS_SHA1];
		struct buf text = buf_over(r->text, sizeof r->text);
		r->tuple.len = 0;
		if (!tls_sha1(t.bytes, t.len, digest)) {
			buf_lit(b, "\"\"");
			return;
		}
		buf_lit(&text, "\"1:");
		buf_base64(&text, digest, sizeof digest);
		buf_char(&text, '"');
		r->len = (uint8_t)text.len;
		r->tuple = t;
	}
	buf_add(b, r->text, r->len);
}
