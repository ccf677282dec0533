/* test_every_cut.c - every kind of PDU in pcaps/, through the registry, cut after each of its
 * bytes: a cut message asks for more, changes nothing and reads no byte that is not there. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <inttypes.h>

#include "tests/fuzz/walk.h"
#include "tests/unit/captures.h"
#include "tests/unit/wire.h"

enum { KINDS = 4096, FLOWS = 512 };

/* What a PDU is called, and from where it was seen: by the sensor, cut here. */
struct kind {
	char text[128];
	bool seen, cut;
};

static struct kind kinds[KINDS];
static size_t kind_count, message_count;

static struct kind *kind_of(const struct pdu *pdu, uint8_t l4)
{
	char text[sizeof kinds[0].text];
	snprintf(text, sizeof text, "%s over %s %d %d %s", pdu->dissector->name,
		l4 == L4_UDP ? "UDP" : "TCP", pdu->dir, pdu->code, pdu->name);
	for (size_t i = 0; i < kind_count; i++)
		if (strcmp(kinds[i].text, text) == 0)
			return &kinds[i];
	assert_true(kind_count < KINDS);
	memcpy(kinds[kind_count].text, text, sizeof text);
	return &kinds[kind_count++];
}

/* --- what the sensor sees: the kinds to be found --------------------------------------------- */

static void on_pdu(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *pdu)
{
	(void)ctx;
	(void)from;
	(void)at;
	/* The two below have no message of their own in a stream read in order. */
	if (pdu->malformed == NULL && (pdu->flags & (PDU_OVERLAP | PDU_RESYNCED)) == 0)
		kind_of(pdu, f->l4)->seen = true;
}

static const struct inspector inspector = CAPTURE_INSPECTOR(on_pdu);

/* --- the same flows, read byte by byte -------------------------------------------------------- */

struct side {
	uint8_t *bytes; /* not taken yet */
	size_t len, tried;
	uint32_t next; /* sequence number */
	bool started, dead;
};

/* A flow read twice: packet by packet, and byte by byte. */
struct conversation {
	struct addr ip[2];
	uint16_t port[2];
	uint8_t l4;
	unsigned client;
	bool decided;
	struct walk whole, bytewise;
	struct side side[2];
};

static struct conversation *conversations[FLOWS];
static size_t conversation_count;

static void saw(void *ctx, const struct pdu *pdu)
{
	const struct conversation *c = ctx;
	if (pdu->malformed == NULL)
		kind_of(pdu, c->l4)->cut = true;
}

static void open_walks(struct conversation *c, const struct dissector *d)
{
	c->whole = (struct walk){ .d = d, .l4 = c->l4 };
	c->bytewise = (struct walk){ .d = d, .l4 = c->l4, .saw = saw, .ctx = c };
	walk_open(&c->whole);
	walk_open(&c->bytewise);
	c->decided = true;
}

static bool on_port(const struct dissector *d, uint8_t l4, uint16_t port)
{
	for (const struct port_hint *h = d->ports; h != NULL && h->l4 != 0; h++)
		if (h->l4 == l4 && h->port == port)
			return true;
	return false;
}

/* Which protocol, and who is the client, by the first payload. */
static void decide(struct conversation *c, unsigned from, const uint8_t *bytes, size_t n)
{
	for (int i = 0; dissectors[i] != NULL; i++) {
		const struct dissector *d = dissectors[i];
		if (d->ports == NULL || d->probe == NULL)
			continue;
		struct probe_hint hint = { .knows_dir = false };
		enum probe answer = d->probe(rd_over(bytes, n), c->l4, &hint);
		bool to = on_port(d, c->l4, c->port[!from]), of = on_port(d, c->l4, c->port[from]);
		if (answer != PROBE_SURE && !(answer != PROBE_NO && (to || of)))
			continue;
		if (to != of)
			c->client = to ? from : !from;
		else if (hint.knows_dir)
			c->client = hint.dir == DIR_TO_SERVER ? from : !from;
		open_walks(c, d);
		return;
	}
}

/* One byte more each time; every answer but the last must be MORE. Returns what was taken. */
static size_t read_bytewise(struct conversation *c, struct side *s, enum dir dir, bool *bad)
{
	size_t taken = 0, len = s->tried;
	*bad = false;
	while (taken + len <= s->len && !*bad) {
		struct wire cut = wire_copy(s->bytes + taken, len);
		uint64_t digest = c->bytewise.digest, pdus = c->bytewise.pdus;
		bool final;
		size_t n = walk_bytes(&c->bytewise, cut.bytes, len, dir, bad, &final);
		free(cut.bytes);
		if (n != 0 && n != len)
			print_error("%s took %zu of %zu bytes and had asked for more before\n",
				c->bytewise.d->name, n, len);
		assert_true(n == 0 || n == len);
		if (n == 0 && !*bad) {
			assert_true(c->bytewise.pdus == pdus && c->bytewise.digest == digest);
			len++;
			continue;
		}
		message_count += n > 0;
		taken += n;
		len = 1;
		if (final) {
			s->dead = true;
			break;
		}
	}
	s->tried = len;
	return taken;
}

/* A datagram whose end is that of its message: each cut of it is read by itself. */
static void feed_datagram(struct conversation *c, const uint8_t *bytes, size_t n, enum dir dir)
{
	bool bad, final;
	for (size_t len = 1; len <= n; len++) {
		struct walk one = { .d = c->whole.d, .l4 = c->l4, .saw = saw, .ctx = c };
		struct wire cut = wire_copy(bytes, len);
		walk_open(&one);
		size_t taken = walk_bytes(&one, cut.bytes, len, dir, &bad, &final);
		assert_true(taken <= len && (len < n || taken == n || bad));
		walk_close(&one);
		free(cut.bytes);
	}
	walk_bytes(&c->whole, bytes, n, dir, &bad, &final);
}

static void feed(struct conversation *c, unsigned from, const uint8_t *bytes, size_t n)
{
	if (c->l4 == L4_UDP && c->whole.d->office) {
		feed_datagram(c, bytes, n, from == c->client ? DIR_TO_SERVER : DIR_TO_CLIENT);
		return;
	}
	struct side *s = &c->side[from];
	enum dir dir = from == c->client ? DIR_TO_SERVER : DIR_TO_CLIENT;
	bool bad_whole, bad_bytewise, final;
	uint8_t *joined = malloc(s->len + n == 0 ? 1 : s->len + n);
	assert_non_null(joined);
	if (s->len > 0)
		memcpy(joined, s->bytes, s->len);
	memcpy(joined + s->len, bytes, n);
	free(s->bytes);
	s->bytes = joined;
	s->len += n;
	if (s->tried == 0)
		s->tried = 1;
	size_t whole = walk_bytes(&c->whole, s->bytes, s->len, dir, &bad_whole, &final);
	size_t bytewise = read_bytewise(c, s, dir, &bad_bytewise);
	if (c->whole.digest != c->bytewise.digest || whole != bytewise)
		print_error("%s: whole: %zu bytes, %" PRIu64 " PDUs; bytewise: %zu bytes, %" PRIu64
			    " PDUs\n",
			c->whole.d->name, whole, c->whole.pdus, bytewise, c->bytewise.pdus);
	assert_int_equal(whole, bytewise);
	assert_true(c->whole.pdus == c->bytewise.pdus && c->whole.digest == c->bytewise.digest);
	memmove(s->bytes, s->bytes + whole, s->len - whole);
	s->len -= whole;
	if (bad_whole || bad_bytewise || c->l4 == L4_UDP)
		s->len = s->tried = 0;
	s->dead = s->dead || final || ((bad_whole || bad_bytewise) && c->l4 == L4_TCP);
}

static struct conversation *conversation_of(const struct packet *p, unsigned *from)
{
	for (size_t i = conversation_count; i-- > 0;) {
		struct conversation *c = conversations[i];
		for (*from = 0; *from < 2; ++*from)
			if (c->l4 == p->l4 && c->port[*from] == p->sport &&
				c->port[!*from] == p->dport &&
				memcmp(&c->ip[*from], &p->src, sizeof p->src) == 0 &&
				memcmp(&c->ip[!*from], &p->dst, sizeof p->dst) == 0)
				return c;
	}
	*from = 0;
	if (conversation_count == FLOWS)
		return NULL;
	struct conversation *c = calloc(1, sizeof *c);
	assert_non_null(c);
	c->ip[0] = p->src;
	c->ip[1] = p->dst;
	c->port[0] = p->sport;
	c->port[1] = p->dport;
	c->l4 = p->l4;
	return conversations[conversation_count++] = c;
}

/* Only what comes in order; streams with holes are stream.c's matter. */
static bool in_order(struct side *s, const struct packet *p)
{
	if ((p->tcp_flags & TCP_SYN) != 0) {
		s->next = p->seq + 1;
		s->started = true;
	}
	if (!s->started)
		s->next = p->seq;
	s->started = true;
	if (p->payload_len == 0 || p->seq != s->next)
		return false;
	s->next += p->payload_len;
	return true;
}

static void on_packet(const struct packet *p)
{
	unsigned from;
	struct conversation *c = conversation_of(p, &from);
	if (c == NULL)
		return;
	if (p->l4 == L4_TCP && !in_order(&c->side[from], p))
		return;
	if (p->payload_len == 0 || p->payload_len != p->payload_wire_len || c->side[from].dead)
		return;
	if (!c->decided)
		decide(c, from, p->payload, p->payload_len);
	if (c->decided)
		feed(c, from, p->payload, p->payload_len);
}

static void end_conversations(void)
{
	for (size_t i = 0; i < conversation_count; i++) {
		struct conversation *c = conversations[i];
		if (c->decided) {
			walk_close(&c->whole);
			walk_close(&c->bytewise);
		}
		free(c->side[0].bytes);
		free(c->side[1].bytes);
		free(c);
	}
	conversation_count = 0;
}

/* --- all captures --------------------------------------------------------------------------------
 */

static void every_kind_is_cut_everywhere(void **state)
{
	(void)state;
	captures_find("pcaps");
	for (size_t i = 0; i < capture_count; i++) {
		capture_read(captures[i], &inspector, on_packet);
		end_conversations();
	}
	size_t cut = 0, left = 0;
	for (size_t i = 0; i < kind_count; i++) {
		cut += kinds[i].cut;
		if (!kinds[i].seen || kinds[i].cut)
			continue;
		left++;
		print_error("not cut: %s\n", kinds[i].text);
	}
	print_message("%zu captures, %zu messages of %zu kinds cut at every byte\n", capture_count,
		message_count, cut);
	captures_free();
	assert_true(cut > 0);
	assert_int_equal(left, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_kind_is_cut_everywhere) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
