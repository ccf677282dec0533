/* fuzz_packet.c - frames of any link type, through packets, fragments, flows and streams to PDUs.
 * Input: flags and link type, then frames: milliseconds since the one before (2 bytes, 1024ths past
 * 63 are seconds), length (2 bytes), bytes. */
#include "sensor/frag.h"
#include "sensor/transport.h"
#include "tests/fuzz/walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint32_t links[] = { 1, 0, 12, 14, 101, 108, 113, 228, 229, 276, 147, 9 };

static void on_pdu(void *ctx, struct flow *f, unsigned from, struct stamp at, struct pdu *pdu)
{
	struct walk *w = ctx;
	walk_demand(from < 2 && f->client < 2 && at.frame > 0);
	walk_pdu(w, pdu);
}

static void on_anomaly(void *ctx, const struct anomaly *a)
{
	(void)ctx;
	walk_demand(a->kind < ANOMALY_KINDS && a->from < 2);
}

static void on_flow(void *ctx, struct flow *f, struct stamp at)
{
	(void)at;
	(void)ctx;
	f->name[0] = f->name[1] = 0;
}

static void on_flow_end(void *ctx, struct flow *f, const char *why)
{
	(void)ctx;
	walk_demand(f->client < 2 && why != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2)
		return 0;
	struct counters counters = { 0 };
	struct walk seen = { .d = dissectors[0] };
	const struct inspector inspector = { .ctx = &seen,
		.pdu = on_pdu,
		.anomaly = on_anomaly,
		.flow_start = on_flow,
		.flow_end = on_flow_end };
	struct frag_options fo = { .max_datagrams = 8,
		.max_bytes = 1 << 20,
		.timeout_s = 30,
		.counters = &counters,
		.inspector = &inspector };
	struct transport_options to = { .max_flows = 8,
		.pool_bytes = 1 << 20,
		.gap_ms = 100,
		.gap_bytes = 4096,
		.counters = &counters,
		.inspector = &inspector };
	struct packet_options po = { .checksums = data[0] & 1 ? CHECKSUM_VERIFY : CHECKSUM_IGNORE,
		.frags = frags_new(&fo),
		.counters = &counters,
		.inspector = &inspector };
	struct transport *t = transport_new(&to);
	if (po.frags == NULL || t == NULL)
		abort();

	struct reader in = rd_over(data + 2, size - 2);
	struct packet p = { .link = links[data[1] % (sizeof links / sizeof links[0])] };
	struct stamp now = { .ts_ns = INT64_C(1772438400000000000) };
	while (in.left >= 4) {
		uint16_t step = rd_be16(&in), n = rd_be16(&in);
		size_t len = n < in.left ? n : in.left;
		uint8_t *frame = malloc(len == 0 ? 1 : len);
		if (frame == NULL)
			abort();
		if (len > 0)
			memcpy(frame, rd_bytes(&in, len), len);
		now.ts_ns += step < 64512 ? step * INT64_C(1000000)
					  : (step - 64512) * INT64_C(1000000000);
		now.frame++;
		p = (struct packet){ .at = now,
			.link = p.link,
			.bytes = frame,
			.caplen = (uint32_t)len,
			.wirelen = data[0] & 2 ? (uint32_t)len + 9 : (uint32_t)len };
		bool more = packet_decode(&p, &po);
		if (more)
			transport_packet(t, &p);
		while (packet_second_reading(&p, &po))
			transport_packet(t, &p);
		transport_tick(t, now.ts_ns);
		free(frame);
	}
	transport_finish(t);
	frags_finish(po.frags);
	transport_free(t);
	frags_free(po.frags);
	return 0;
}
