/* chain.h - a node in memory for fuzzing what peers send it: always the same at the start, its
 * clock stands, and lines are signed anew, so that damage gets past the signature. */
#ifndef TESTS_FUZZ_CHAIN_H
#define TESTS_FUZZ_CHAIN_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/accept.h"
#include "aggregator/frame.h"
#include "aggregator/link.h"
#include "aggregator/node.h"

#define ENTERPRISE "9f3c00000000000000000000000009f3"
#define PROVINCE   "37000000000000000000000000000037"
#define NATION     "86000000000000000000000000000086"

#define demand(what) ((what) ? (void)0 : chain_fail(__FILE__, __LINE__, #what))

static inline void chain_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}

/* The keys of tests/golden/v1/keys.json. */
static inline void chain_key(const char *org, struct key *out)
{
	uint8_t seed[KEY_SEED];
	memset(seed,
		strcmp(org, ENTERPRISE) == 0 ? 0x11
		: strcmp(org, PROVINCE) == 0 ? 0x22
					     : 0x33,
		sizeof seed);
	key_from_seed(out, seed);
}

struct chain {
	struct agg_config config;
	struct node_identity id;
	struct node node;
	struct now now;
	void *image; /* of a store with its tables */
	size_t image_len;
	unsigned alarms;
	char alarm[256]; /* the last */
};

static inline void chain_feed(
	void *ctx, enum feed kind, const char *origin, const char *json, size_t len)
{
	struct chain *c = ctx;
	(void)origin;
	demand(strlen(json) == len);
	if (kind != FEED_ALARM)
		return;
	c->alarms++;
	snprintf(c->alarm, sizeof c->alarm, "%s", json);
}

static inline void chain_open(struct chain *c)
{
	struct err err = { 0 };
	struct store_options so = { .small = true, .image = c->image, .image_len = c->image_len };
	c->now = (struct now){ .wall_ms = INT64_C(1760000400000), .mono_ms = 1000000 };
	c->alarms = 0;
	c->node = (struct node){ .feed = chain_feed, .ctx = c };
	if (!node_open(&c->node, &c->config, &c->id, &so, c->now, &err)) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
}

static inline void chain_close(struct chain *c)
{
	demand(store_trouble(c->node.store) != STORE_DAMAGED);
	node_close(&c->node);
}

/* @parent: where it reports to, or NULL. Its store, with what @prepare (may be NULL) puts there, is
 * what every chain_open() starts from. */
static inline void chain_init(struct chain *c, const char *org, enum tier tier, const char *parent,
	void (*prepare)(struct chain *c))
{
	demand(keys_init());
	agg_config_init(&c->config);
	snprintf(c->id.org, sizeof c->id.org, "%s", org);
	snprintf(c->id.region, sizeof c->id.region, "370500");
	snprintf(c->id.industry, sizeof c->id.industry, "C26");
	c->id.tier = tier;
	chain_key(org, &c->id.key);
	if (parent != NULL)
		c->config.parent[c->config.parents++] =
			(struct agg_parent){ .url = strdup("https://127.0.0.1:1"),
				.org = strdup(parent),
				.level = 3,
				.count = true,
				.severity = 4 };
	chain_open(c);
	if (prepare != NULL)
		prepare(c);
	void *image = store_freeze(c->node.store, &c->image_len);
	chain_close(c);
	c->image = image;
}

static inline struct peer chain_peer(const char *org, enum tier tier)
{
	struct peer p = {
		.tier = tier, .region = "370500", .industry = "C26", .not_after = 4102444800
	};
	struct key k;
	snprintf(p.org, sizeof p.org, "%s", org);
	chain_key(org, &k);
	key_from_public(&p.key, k.public_);
	return p;
}

/* @line, with the signature that it should have by whoever it says it is of. The caller's to
 * free().
 */
static inline char *chain_sign(const char *line, size_t len, size_t *out_len)
{
	static const char tail[] = ",\"sig\":\"";
	static const char *const orgs[] = { ENTERPRISE, PROVINCE, NATION };
	enum { TAIL = sizeof tail - 1 + 88 + 2 };
	char *out = malloc(len + 1);
	memcpy(out, line, len);
	out[len] = '\0';
	*out_len = len;
	if (len <= TAIL || memcmp(line + len - TAIL, tail, sizeof tail - 1) != 0)
		return out;
	struct key k;
	uint8_t sig[KEY_SIG];
	char text[96], named[80];
	for (unsigned i = 0; i < 3; i++) {
		chain_key(orgs[i], &k);
		snprintf(named, sizeof named, "\"kid\":\"%s\"", k.kid);
		if (memmem(out, len, named, strlen(named)) != NULL)
			break;
	}
	key_sign(&k, out, len - TAIL, sig);
	base64_write(text, sizeof text, sig, KEY_SIG);
	memcpy(out + len - 2 - 88, text, 88);
	return out;
}

/* All lines of a body, each signed. */
static inline char *chain_sign_all(const char *body, size_t len, size_t *out_len)
{
	char *out = malloc(len + 1);
	*out_len = 0;
	while (len > 0) {
		const char *end = memchr(body, '\n', len);
		size_t n = end == NULL ? len : (size_t)(end - body), signed_len;
		char *line = chain_sign(body, n, &signed_len);
		memcpy(out + *out_len, line, signed_len);
		*out_len += signed_len;
		free(line);
		if (end != NULL)
			out[(*out_len)++] = '\n';
		body += n + (end != NULL);
		len -= n + (end != NULL);
	}
	out[*out_len] = '\0';
	return out;
}

#endif
