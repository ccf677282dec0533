/* loop.c - many plants out of a few captures, without end: the same conversations between ever
 * other addresses, later and later, as one pcap stream on stdout. What the soak of the sensor
 * drinks.
 *
 * usage: loop PACKETS PLANTS CAPTURE...
 *
 * Eight plants talk at a time. After the last plant the first comes again: its connections are new
 * ones (sequence numbers and UDP payload aside all bytes are the same), its addresses are known.
 * Checksums are kept right. IPv4 over untagged Ethernet is taken, and only that. */
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { AT_ONCE = 8, IP_AT = 14, EVERY = 1 << 18, PAUSE_US = 1000 };

struct piece {
	uint64_t at_us; /* since the start of its capture */
	uint32_t len, wire;
	uint8_t *bytes;
};

static struct piece *pieces;
static size_t piece_count, piece_room;

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "loop: %s\n", what);
	exit(2);
}

static void keep(const struct pcap_pkthdr *h, const uint8_t *bytes, uint64_t start_us)
{
	if (h->caplen < IP_AT + 20 || bytes[12] != 8 || bytes[13] != 0 || bytes[14] != 0x45)
		return;
	if (piece_count == piece_room) {
		piece_room = piece_room == 0 ? 1024 : piece_room * 2;
		struct piece *more = realloc(pieces, piece_room * sizeof *pieces);
		if (more == NULL)
			fail("out of memory");
		pieces = more;
	}
	uint8_t *copy = malloc(h->caplen);
	if (copy == NULL)
		fail("out of memory");
	memcpy(copy, bytes, h->caplen);
	uint64_t us = (uint64_t)h->ts.tv_sec * 1000000 + (uint64_t)h->ts.tv_usec;
	struct piece *p = &pieces[piece_count++];
	*p = (struct piece){ .at_us = us - start_us, .len = h->caplen, .wire = h->len };
	p->bytes = copy;
}

static void read_capture(const char *path)
{
	char why[PCAP_ERRBUF_SIZE];
	pcap_t *p = pcap_open_offline(path, why);
	struct pcap_pkthdr *h;
	const u_char *bytes;
	uint64_t start_us = 0;
	if (p == NULL || pcap_datalink(p) != DLT_EN10MB)
		fail(path);
	for (bool first = true; pcap_next_ex(p, &h, &bytes) == 1; first = false) {
		if (first)
			start_us = (uint64_t)h->ts.tv_sec * 1000000 + (uint64_t)h->ts.tv_usec;
		keep(h, bytes, start_us);
	}
	pcap_close(p);
}

static int by_time(const void *a, const void *b)
{
	const struct piece *x = a, *y = b;
	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? -1 : 1;
	return (x > y) - (x < y);
}

static uint32_t get(const uint8_t *at, unsigned n)
{
	uint32_t v = 0;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | at[i];
	return v;
}

static void put(uint8_t *at, unsigned n, uint32_t v)
{
	for (unsigned i = n; i > 0; i--, v >>= 8)
		at[i - 1] = (uint8_t)v;
}

/* Writes @v over @n bytes that the checksum at @sum covers. RFC 1624, 3. */
static void change(uint8_t *at, unsigned n, uint32_t v, uint8_t *const sums[], unsigned count)
{
	for (unsigned k = 0; k < count; k++) {
		uint32_t s = (uint16_t)~get(sums[k], 2);
		for (unsigned i = 0; i < n; i += 2)
			s += (uint16_t)~get(at + i, 2) + (v >> (8 * (n - 2 - i)) & 0xffff);
		s = (s & 0xffff) + (s >> 16);
		s = (s & 0xffff) + (s >> 16);
		put(sums[k], 2, (uint16_t)~s);
	}
	put(at, n, v);
}

/* The frame as the @plant-th plant sends it in its @pass-th life. */
static void move(uint8_t *f, uint32_t len, uint32_t plant, uint32_t pass)
{
	uint8_t *ip = f + IP_AT, *l4 = ip + 20;
	uint32_t src = get(ip + 12, 4), dst = get(ip + 16, 4), by = plant << 8;
	bool tcp = ip[9] == 6 && len >= IP_AT + 40, low = src < dst;
	bool udp = ip[9] == 17 && len >= IP_AT + 28 && get(l4 + 6, 2) != 0;
	uint8_t *sums[2] = { ip + 10, tcp ? l4 + 16 : l4 + 6 };
	unsigned count = tcp || udp ? 2 : 1;
	change(ip + 12, 4, src + by, sums, count);
	change(ip + 16, 4, dst + by, sums, count);
	if (!tcp)
		return;
	uint32_t mine = pass * (low ? 0x01234567u : 0x07654321u);
	uint32_t theirs = pass * (low ? 0x07654321u : 0x01234567u);
	change(l4 + 4, 4, get(l4 + 4, 4) + mine, sums + 1, 1);
	if (l4[13] & 0x10)
		change(l4 + 8, 4, get(l4 + 8, 4) + theirs, sums + 1, 1);
}

static void write_out(const void *bytes, size_t n)
{
	if (fwrite(bytes, 1, n, stdout) != n)
		exit(0); /* the sensor has gone */
}

static void write_frame(const struct piece *p, uint64_t us, uint32_t plant, uint32_t pass)
{
	static uint8_t frame[262144];
	uint32_t head[4] = { (uint32_t)(us / 1000000), (uint32_t)(us % 1000000), p->len, p->wire };
	memcpy(frame, p->bytes, p->len);
	move(frame, p->len, plant, pass);
	write_out(head, sizeof head);
	write_out(frame, p->len);
}

int main(int argc, char **argv)
{
	if (argc < 4)
		fail("usage: loop PACKETS PLANTS CAPTURE...");
	uint64_t most = strtoull(argv[1], NULL, 10), written = 0;
	uint32_t plants = (uint32_t)strtoul(argv[2], NULL, 10), n = 0;
	for (int i = 3; i < argc; i++)
		read_capture(argv[i]);
	if (piece_count == 0 || plants == 0)
		fail("nothing to write");
	qsort(pieces, piece_count, sizeof *pieces, by_time);
	uint32_t head[6] = { 0xa1b2c3d4, 2 | 4 << 16, 0, 0, 262144, 1 };
	write_out(head, sizeof head);
	uint64_t start_us = UINT64_C(1772438400) * 1000000;
	uint64_t span_us = pieces[piece_count - 1].at_us + AT_ONCE * PAUSE_US;
	for (; written < most; n += AT_ONCE, start_us += span_us)
		for (size_t i = 0; i < piece_count; i++)
			for (uint32_t k = 0; k < AT_ONCE && written < most; k++) {
				uint64_t us = start_us + pieces[i].at_us + k;
				write_frame(&pieces[i], us, (n + k) % plants, (n + k) / plants);
				if (++written % EVERY == 0)
					fprintf(stderr, "%llu\n", (unsigned long long)written);
			}
	return fflush(stdout) == 0 ? 0 : 1;
}
