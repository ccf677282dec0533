/* spread_content.c - the same first bytes: from how many, to how many, and passed on by whom. */
#include "sensor/limiter.h"
#include "sensor/sketch.h"
#include "sensor/spread.h"

enum {
	LEAST = 4,         /* bytes that are a content */
	RELAYS = 2,        /* hosts that passed it on: it moves by itself */
	NOVEL_SOURCES = 4, /* of what was never said while learning */
	NOVEL_TARGETS = 12,
};

/* Letters without case, a number for any number: host names and addresses inside do not matter. */
static size_t normal(const struct reader *in, uint8_t out[SPREAD_PREFIX])
{
	size_t n = 0;
	bool digits = false;
	for (size_t i = 0; i < in->left && i < SPREAD_PREFIX; i++) {
		uint8_t c = in->at[i];
		bool digit = c >= '0' && c <= '9';
		if (digit && digits)
			continue;
		digits = digit;
		out[n++] = digit ? '#' : c >= 'A' && c <= 'Z' ? (uint8_t)(c | 0x20) : c;
	}
	return n;
}

struct spread_said spread_said_of(
	const struct spread *s, const struct flow *f, const struct reader *bytes)
{
	uint8_t prefix[SPREAD_PREFIX];
	size_t n = normal(bytes, prefix);
	struct spread_said said = { .bytes = bytes };
	if (bytes->left < LEAST)
		return said;
	uint64_t key = key_mix(s->watch->seed + 7, (uint64_t)f->l4 << 16 | f->end[1].port);
	said.hash = key_end(key_mix_bytes(key_mix(key, n), prefix, n)) | 1;
	return said;
}

static uint64_t hash_of(const struct spread *s, const struct endpoint *e)
{
	return key_end(key_mix_bytes(s->watch->seed + 8, e->ip.bytes, sizeof e->ip.bytes));
}

static struct spread_content *content_of(
	struct spread *s, const struct spread_said *said, struct stamp at)
{
	bool fresh;
	struct spread_content *c = keep_take(s->contents, said->hash, &fresh);
	if (fresh) {
		c->first_ns = at.ts_ns;
		c->shown_len = (uint8_t)(said->bytes->left < SPREAD_SHOWN ? said->bytes->left
									  : SPREAD_SHOWN);
		memcpy(c->shown, said->bytes->at, c->shown_len);
	}
	return c;
}

/* Not said while the watcher learned, and soon from many to many. */
static bool is_novel(const struct spread *s, const struct spread_content *c, struct stamp at)
{
	if (c->first_ns - s->began_ns < s->learn_ns || at.ts_ns - c->first_ns > s->within_ns)
		return false;
	return sketch_count(c->sources, SPREAD_WORDS) >= NOVEL_SOURCES &&
	       sketch_count(c->targets, SPREAD_WORDS) >= NOVEL_TARGETS;
}

void spread_content_seen(struct spread *s, const struct flow *f, const struct spread_said *said,
	bool relay, struct stamp at)
{
	if (said->hash == 0)
		return;
	struct spread_content *c = content_of(s, said, at);
	bool source = sketch_add(c->sources, SPREAD_WORDS, hash_of(s, &f->end[0]));
	bool target = sketch_add(c->targets, SPREAD_WORDS, hash_of(s, &f->end[1]));
	c->relays += relay;
	if (source || target)
		frames_add(&c->frames, at.frame);
	if (source)
		keep_credit(&c->keep);
	if (relay && c->relays >= RELAYS) {
		spread_tell_content(s, f, c, SPREAD_RELAYED, at);
	} else if ((source || target) && c->told == 0 && is_novel(s, c, at)) {
		c->told = 1;
		spread_tell_content(s, f, c, SPREAD_NOVEL, at);
	}
}
