/* fuzz_down.c - what comes down from a parent: warnings, notices, steps, indicator sets, packs.
 * Lines, each signed by whoever it names; a site that takes packs and has children of its own. */
#include "aggregator/notice.h"
#include "tests/fuzz/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct chain c;

static void prepare(struct chain *chain)
{
	struct key k;
	chain_key(PROVINCE, &k);
	store_begin(chain->node.store);
	link_set_parent_key(chain->node.link[0], &k);
	demand(store_commit(chain->node.store));
}

static void add_key(struct text_list *list, unsigned byte)
{
	uint8_t seed[KEY_SEED];
	struct key k;
	char hex[2 * KEY_PUBLIC + 1];
	memset(seed, (int)byte, sizeof seed);
	key_from_seed(&k, seed);
	hex_write(hex, k.public_, KEY_PUBLIC);
	text_list_keep(list, hex);
}

static void start(void)
{
	demand(keys_init());
	chain_init(&c, ENTERPRISE, TIER_ENTERPRISE, PROVINCE, prepare);
	c.config.redis = strdup("redis+unix:///nowhere");
	c.config.listen = strdup("127.0.0.1:0");
	free(c.config.packs);
	c.config.packs = strdup("accept");
	text_list_keep(&c.config.shared_rules, "/dev/null");
	add_key(&c.config.national_keys, 0x33);
	add_key(&c.config.pack_keys, 0x44);
}

static json_t *objects_of(const uint8_t *data, size_t size)
{
	size_t len;
	char *all = chain_sign_all((const char *)data, size, &len);
	json_t *list = json_array();
	for (char *save = NULL, *line = strtok_r(all, "\n", &save); line != NULL;
		line = strtok_r(NULL, "\n", &save))
		json_array_append_new(list, json_string(line)); /* not where it is no UTF-8 */
	free(all);
	return list;
}

static void look(struct node *n)
{
	struct pack_out out;
	json_t *list = notice_list(n, false);
	size_t i;
	const json_t *one;
	json_array_foreach(list, i, one)
	{
		json_t *shown = notice_show(n, json_text_of(one, "case"));
		demand(json_is_object(json_object_get(shown, "object")));
		json_decref(shown);
	}
	json_decref(list);
	json_decref(pack_list(n));
	if (pack_next(n, &out)) {
		demand(out.withdrawn || memchr(out.bytes, '\n', out.size) != NULL);
		pack_stored(n, &out);
		free(out.bytes);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len;
	if (c.image == NULL)
		start();
	chain_open(&c);
	json_t *reply = json_pack("{s:i, s:o}", "seq", 7, "objects", objects_of(data, size));
	char *text = json_write(reply, &len);
	for (unsigned i = 0; i < 2; i++) /* the same again changes nothing */
		notice_take(&c.node, c.node.link[0], c.now, text, len);
	demand(!store_failed(c.node.store));
	demand(notice_after(&c.node, c.node.link[0]) == 7);
	notice_take(&c.node, c.node.link[0], c.now, (const char *)data, size); /* as it is */
	look(&c.node);
	for (unsigned i = 0; i < 3; i++) {
		c.now.wall_ms += 86400000;
		c.now.mono_ms += 86400000;
		notice_tick(&c.node, c.now);
	}
	demand(!store_failed(c.node.store));
	free(text);
	json_decref(reply);
	chain_close(&c);
	return 0;
}
