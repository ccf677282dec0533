/* fuzz_eve.c - entries of a sensor's stream as the intake reads them: everything is counted, and
 * whatever they say the window can leave at every level.
 *
 * Lines "ID TYPE JSON"; an empty line closes the window. */
#include "aggregator/digest_private.h"
#include "aggregator/intake_private.h"
#include "tests/fuzz/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct chain c;

static void start(void)
{
	chain_init(&c, ENTERPRISE, TIER_ENTERPRISE, PROVINCE, NULL);
	c.config.redis = strdup("redis+unix:///nowhere");
	text_list_keep(&c.config.shared_rules, "/dev/null");
}

static struct bus_reply *text_reply(const char *text, size_t len)
{
	struct bus_reply *r = calloc(1, sizeof *r + len + 1);
	r->type = BUS_STRING;
	r->len = len;
	memcpy(r->text, text, len);
	return r;
}

static struct bus_reply *list_reply(size_t count)
{
	struct bus_reply *r = calloc(1, sizeof *r + 1);
	r->type = BUS_ARRAY;
	r->count = count;
	r->element = calloc(count, sizeof *r->element);
	return r;
}

/* [id, ["e", type, "eve", json]] */
static struct bus_reply *entry(const char *line, size_t len)
{
	size_t id = 0, type;
	while (id < len && line[id] != ' ')
		id++;
	const char *rest = line + id + (id < len);
	size_t left = len - (size_t)(rest - line);
	for (type = 0; type < left && rest[type] != ' ';)
		type++;
	size_t at = type + (type < left);
	struct bus_reply *r = list_reply(2), *pairs = list_reply(4);
	r->element[0] = text_reply(line, id);
	r->element[1] = pairs;
	pairs->element[0] = text_reply("e", 1);
	pairs->element[1] = text_reply(rest, type);
	pairs->element[2] = text_reply("eve", 3);
	pairs->element[3] = text_reply(rest + at, left - at);
	return r;
}

static int64_t covered(const json_t *w)
{
	int64_t sum = 0;
	size_t i;
	const json_t *row;
	json_array_foreach(json_object_get(w, "cov"), i, row) sum +=
		json_integer_value(json_array_get(row, 3)) -
		json_integer_value(json_array_get(row, 2)) + 1;
	return sum;
}

/* At every level what leaves is a frame. */
static void can_leave(struct node *n)
{
	struct err err = { 0 };
	size_t len, line_len;
	char *blob = json_write(n->digest->w, &len);
	demand(window_holds(n->digest->w, &err));
	demand(covered(n->digest->w) ==
		json_int_of(json_object_get(n->digest->w, "in"), "events", -1));
	for (unsigned level = 1; level < LEVELS; level++) {
		static const uint8_t zeros[HASH];
		json_t *body = digest_body(n, blob, len, level, c.now);
		struct frame_head h = { .type = FRAME_DIGEST,
			.org = ENTERPRISE,
			.to = PROVINCE,
			.count = true,
			.id = { 1, 1 },
			.pv = zeros };
		char *line = frame_make(&h, body, &n->key, &line_len, NULL, &err);
		if (line == NULL)
			fprintf(stderr, "%s\n", err.text);
		demand(line != NULL);
		free(line);
		json_decref(body);
	}
	free(blob);
}

static void close_window(struct node *n)
{
	c.now.wall_ms += 301000;
	c.now.mono_ms += 301000;
	json_object_set_new(n->digest->w, "end", json_integer(c.now.wall_ms / 1000));
	can_leave(n);
	digest_close(n, c.now, true);
}

static void fold(struct node *n, const char *line, size_t len)
{
	struct intake_event ev;
	struct bus_reply *r = entry(line, len);
	store_begin(n->store);
	if (intake_read(r, "s1", &ev) == ENTRY_GOOD) {
		uint64_t epoch = 0, at = 0;
		digest_fold(n, &ev, c.now);
		demand(!digest_fold(n, &ev, c.now) || ev.n == 0 ||
			!digest_position(n, "s1", &epoch, &at) || epoch != ev.epoch || at != ev.n);
	}
	digest_save(n);
	demand(store_commit(n->store));
	bus_reply_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *at = (const char *)data;
	struct link_post post;
	int64_t again;
	if (c.image == NULL)
		start();
	chain_open(&c);
	struct node *n = &c.node;
	while (size > 0) {
		const char *end = memchr(at, '\n', size);
		size_t len = end == NULL ? size : (size_t)(end - at);
		if (len == 0)
			close_window(n);
		else
			fold(n, at, len);
		len += end != NULL;
		at += len;
		size -= len;
	}
	/* it is as the store has it */
	json_t *was = json_deep_copy(n->digest->w);
	digest_undo(n, c.now);
	json_t *in = json_object_get(was, "in"), *again_in = json_object_get(n->digest->w, "in");
	demand(json_int_of(in, "events", 0) == 0 ||
		json_equal(json_object_get(in, "lost"), json_object_get(again_in, "lost")));
	json_decref(was);
	close_window(n);
	demand(link_next(n->link[0], c.now, &post, &again) == ASK_HEAD);
	chain_close(&c);
	return 0;
}
