/* golden.h - the frames of tests/golden/v1 and the keys that signed them. */
#ifndef TESTS_UNIT_GOLDEN_H
#define TESTS_UNIT_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aggregator/frame_table.h"

#define GOLDEN "tests/golden/v1"

enum { GOLDEN_MOST = 64 };

struct golden {
	char name[64];
	char *line; /* without newline */
	size_t len;
	struct frame f;
};
static struct golden golden[GOLDEN_MOST];
static size_t golden_count;
static json_t *golden_keys;

/* The one of this name. */
static inline struct golden *golden_named(const char *name)
{
	for (size_t i = 0; i < golden_count; i++)
		if (strcmp(golden[i].name, name) == 0)
			return &golden[i];
	fail_msg("no golden frame %s", name);
	return NULL;
}

static inline void golden_key(const char *owner, struct key *out)
{
	uint8_t seed[KEY_SEED];
	const char *hex = json_text_of(json_object_get(golden_keys, owner), "seed");
	assert_true(hex != NULL && hex_read(hex, strlen(hex), seed, KEY_SEED));
	key_from_seed(out, seed);
}

/* The key that signed it. */
static inline void golden_signer(const struct frame *f, struct key *out)
{
	const char *owner;
	json_t *k;
	json_object_foreach(golden_keys, owner, k)
	{
		if (strcmp(json_text_of(k, "kid"), f->kid) == 0) {
			golden_key(owner, out);
			return;
		}
	}
	fail_msg("%s: no such key", f->kid);
}

static inline char *golden_file(const char *name, size_t *len)
{
	char path[512];
	snprintf(path, sizeof path, GOLDEN "/%s", name);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		fail_msg("%s: cannot be read (tests run from the root of the repository)", path);
	char *text = malloc(ENVELOPE_MAX + 2);
	assert_non_null(text);
	*len = fread(text, 1, ENVELOPE_MAX + 1, f);
	text[*len] = '\0';
	fclose(f);
	return text;
}

static inline int golden_order(const void *a, const void *b)
{
	return strcmp(((const struct golden *)a)->name, ((const struct golden *)b)->name);
}

static inline void golden_read(const char *file)
{
	struct err err = { 0 };
	struct golden *g = &golden[golden_count++];
	assert_true(golden_count <= GOLDEN_MOST);
	snprintf(g->name, sizeof g->name, "%.*s", (int)strcspn(file, "."), file);
	g->line = golden_file(file, &g->len);
	assert_int_equal(g->line[g->len - 1], '\n');
	g->line[--g->len] = '\0';
	if (frame_read(&g->f, g->line, g->len, &err) != FRAME_GOOD)
		fail_msg("%s: %s", file, err.text);
}

static inline int golden_load(void **state)
{
	struct err err = { 0 };
	size_t len;
	(void)state;
	assert_true(keys_init());
	char *keys = golden_file("keys.json", &len);
	golden_keys = json_read(keys, len, 4, &err);
	assert_non_null(golden_keys);
	free(keys);
	DIR *d = opendir(GOLDEN);
	assert_non_null(d);
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		if (strstr(e->d_name, ".json") != NULL && strcmp(e->d_name, "keys.json") != 0)
			golden_read(e->d_name);
	closedir(d);
	qsort(golden, golden_count, sizeof golden[0], golden_order);
	return 0;
}

static inline int golden_drop(void **state)
{
	(void)state;
	for (size_t i = 0; i < golden_count; i++) {
		frame_free(&golden[i].f);
		free(golden[i].line);
	}
	json_decref(golden_keys);
	return 0;
}

/* @body signed as the frame that it was: the caller's to free(). NULL: it cannot be made. */
static inline char *golden_again(
	const struct frame *f, const json_t *members, size_t *len, struct err *err)
{
	static const char *const made[] = { "v", "alg", "kid", "t", "org", "to", "link", "ep", "sq",
		"pv", "sig" };
	struct key k;
	golden_signer(f, &k);
	json_t *body = json_deep_copy(members);
	bool down = f->type >= FRAME_WARNING && f->type <= FRAME_STEP;
	for (size_t i = 0; i < sizeof made / sizeof made[0]; i++)
		if (i < 6 || i == 10 || frame_is_sequenced(f->type) || (down && i < 9))
			json_object_del(body, made[i]);
	struct frame_head h = { .type = f->type,
		.org = f->org,
		.to = f->to,
		.count = f->count,
		.id = f->id,
		.pv = f->pv };
	char *line = frame_make(&h, body, &k, len, NULL, err);
	json_decref(body);
	return line;
}

#endif
