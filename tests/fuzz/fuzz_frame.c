/* fuzz_frame.c - one line of chain/1: what is taken says the same when it is made again, and
 * nothing above its level. */
#include "tests/fuzz/chain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_again(const struct frame *f)
{
	static const char *const made[] = { "v", "alg", "kid", "t", "org", "to", "sig" };
	static const char *const numbered[] = { "ep", "sq" }, *const chained[] = { "link", "pv" };
	struct err err = { 0 };
	struct key k;
	uint8_t hash[HASH];
	size_t len;
	json_t *body = json_deep_copy(f->json);
	bool down = f->type >= FRAME_WARNING && f->type <= FRAME_STEP;
	for (unsigned i = 0; i < sizeof made / sizeof made[0]; i++)
		json_object_del(body, made[i]);
	for (unsigned i = 0; i < 2; i++) {
		if (frame_is_sequenced(f->type) || down)
			json_object_del(body, numbered[i]);
		if (frame_is_sequenced(f->type))
			json_object_del(body, chained[i]);
	}
	chain_key(ENTERPRISE, &k);
	struct frame_head h = { .type = f->type,
		.org = f->org,
		.to = f->to,
		.count = f->count,
		.id = f->id,
		.pv = f->pv };
	char *line = frame_make(&h, body, &k, &len, hash, &err);
	if (line != NULL) {
		struct frame again;
		demand(frame_read(&again, line, len, &err) == FRAME_GOOD);
		demand(frame_verify(&again, &k) && again.unknown == 0);
		demand(memcmp(again.hash, hash, HASH) == 0 &&
			frame_id_compare(again.id, f->id) == 0);
		frame_free(&again);
	} else {
		/* it had room for what it said, and no more for the usual head */
		demand(f->len + 256 > (f->type == FRAME_ENVELOPE ? ENVELOPE_MAX : FRAME_MAX));
	}
	free(line);
	json_decref(body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool ready;
	struct frame f;
	struct err err = { 0 };
	size_t len;
	if (!ready)
		demand(keys_init());
	ready = true;
	char *line = chain_sign((const char *)data, size, &len);
	enum frame_fault fault = frame_read(&f, line, len, &err);
	demand(err.set == (fault != FRAME_GOOD));
	demand(f.id.sq <= (UINT64_C(1) << 53) && f.id.ep <= (UINT64_C(1) << 53));
	if (fault == FRAME_GOOD) {
		struct err ignored = { 0 };
		demand(f.org != NULL && f.to != NULL && f.kid != NULL && f.level < LEVELS);
		demand(!frame_is_sequenced(f.type) || f.id.sq > 0);
		demand(frame_check_level(&f, f.level, &ignored) == FRAME_GOOD);
		demand(f.level == 0 || frame_check_level(&f, f.level - 1, &ignored) == FRAME_LEVEL);
		make_again(&f);
	}
	frame_free(&f);
	free(line);
	return 0;
}
