/* fuzz_dissectors.c - any protocol of protocols.def, fed a conversation in pieces.
 * Input: protocol, flags, then pieces: direction and length (2 bytes), bytes. What is cut must read
 * as what is whole, and every value must point to bytes that are there. */
#include "tests/fuzz/walk.h"

enum { UDP = 1, GARBLE = 2, LOSE = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What one direction has said and nobody has taken; a block of exactly len bytes. */
struct half {
	uint8_t *bytes;
	size_t len;
	bool dead, done;
};

static void append(struct half *h, const uint8_t *bytes, size_t n)
{
	uint8_t *block = malloc(h->len + n == 0 ? 1 : h->len + n);
	if (block == NULL)
		abort();
	if (h->len > 0)
		memcpy(block, h->bytes, h->len);
	if (n > 0)
		memcpy(block + h->len, bytes, n);
	free(h->bytes);
	h->bytes = block;
	h->len += n;
}

static void drop(struct half *h, size_t n)
{
	struct half rest = { .dead = h->dead, .done = h->done };
	if (h->len > n)
		append(&rest, h->bytes + n, h->len - n);
	free(h->bytes);
	*h = rest;
}

/* After damage: the way back, as stream.c takes it. */
static void resync(struct walk *w, struct half *h, enum dir dir)
{
	size_t n = h->len;
	h->dead = true;
	if (h->len > 0 && w->d->resync != NULL)
		n = w->d->resync(h->bytes, h->len, dir);
	walk_demand(n <= h->len);
	drop(h, n == 0 && h->len > 0 ? 1 : n);
}

static void feed(struct walk *w, struct half *h, enum dir dir, const uint8_t *bytes, size_t n)
{
	bool bad, final;
	if (h->done)
		return;
	if (w->l4 == L4_UDP) {
		struct half datagram = { 0 };
		append(&datagram, bytes, n);
		walk_bytes(w, datagram.bytes, n, dir, &bad, &final);
		free(datagram.bytes);
		return;
	}
	append(h, bytes, n);
	size_t taken = walk_bytes(w, h->bytes, h->len, dir, &bad, &final);
	drop(h, taken);
	h->done = final;
	if (bad)
		resync(w, h, dir);
}

struct input {
	struct reader in;
	unsigned dirs; /* seen, a bit each */
};

static bool next_piece(struct input *from, enum dir *dir, struct reader *piece)
{
	if (from->in.left < 2)
		return false;
	uint16_t head = rd_be16(&from->in);
	size_t n = head & 0xfff;
	*dir = head >> 15 ? DIR_TO_CLIENT : DIR_TO_SERVER;
	*piece = rd_slice(&from->in, n < from->in.left ? n : from->in.left);
	from->dirs |= 1U << *dir;
	return true;
}

static struct walk start(const uint8_t *data)
{
	int count = 0;
	while (dissectors[count] != NULL)
		count++;
	struct walk w = { .d = dissectors[data[0] % count],
		.l4 = data[1] & UDP ? L4_UDP : L4_TCP,
		.garble = (data[1] & GARBLE) != 0 };
	walk_open(&w);
	return w;
}

/* A single direction, all at once: must tell the same up to the first damage. */
static void whole(const uint8_t *data, size_t size, enum dir dir, uint64_t pdus, uint64_t digest)
{
	struct input from = { .in = rd_over(data + 2, size - 2) };
	struct walk w = start(data);
	struct half all = { 0 };
	struct reader piece;
	bool bad = false, final;
	while (next_piece(&from, &dir, &piece))
		append(&all, piece.at, piece.left);
	if (all.bytes != NULL)
		walk_bytes(&w, all.bytes, all.len, dir, &bad, &final);
	if (!bad)
		walk_demand(w.pdus == pdus && w.digest == digest);
	free(all.bytes);
	walk_close(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct walk w = start(data);
	struct input from = { .in = rd_over(data + 2, size - 2) };
	struct half half[2] = { 0 };
	struct reader piece;
	enum dir dir = DIR_TO_SERVER;
	struct probe_hint hint = { 0 };
	bool lost = false;
	while (next_piece(&from, &dir, &piece)) {
		struct half copy = { 0 };
		append(&copy, piece.at, piece.left);
		if (w.d->probe != NULL)
			walk_demand(w.d->probe(rd_over(copy.bytes, copy.len), w.l4, &hint) <=
				    PROBE_SURE);
		free(copy.bytes);
		if ((data[1] & LOSE) != 0 && piece.left % 7 == 3) {
			struct dissect how = {
				.dir = dir, .l4 = w.l4, .state = w.state, .pool = &w.pool
			};
			if (w.d->lost != NULL)
				w.d->lost(&how);
			drop(&half[dir], half[dir].len);
			lost = true;
		}
		feed(&w, &half[dir], dir, piece.at, piece.left);
	}
	bool clean = !lost && !half[0].dead && !half[1].dead && w.l4 == L4_TCP;
	free(half[0].bytes);
	free(half[1].bytes);
	if (clean && from.dirs != 3)
		whole(data, size, dir, w.pdus, w.digest);
	walk_close(&w);
	return 0;
}
