/* captures.h - every packet of every capture below a folder. */
#ifndef TESTS_UNIT_CAPTURES_H
#define TESTS_UNIT_CAPTURES_H

#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/frag.h"
#include "sensor/savefile.h"
#include "sensor/transaction.h"
#include "sensor/transport.h"

enum { CAPTURES_MAX = 2048 };

static char *captures[CAPTURES_MAX];
static size_t capture_count;

static int captures_add(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)where;
	const char *dot = strrchr(path, '.');
	if (kind != FTW_F || dot == NULL ||
		(strcmp(dot, ".pcap") != 0 && strcmp(dot, ".pcapng") != 0))
		return 0;
	assert_true(capture_count < CAPTURES_MAX);
	captures[capture_count++] = strdup(path);
	return 0;
}

static void captures_find(const char *folder)
{
	assert_int_equal(nftw(folder, captures_add, 16, FTW_PHYS), 0);
	assert_true(capture_count > 0);
}

static void captures_free(void)
{
	while (capture_count > 0)
		free(captures[--capture_count]);
}

static inline void capture_anomaly(void *ctx, const struct anomaly *a)
{
	(void)ctx;
	(void)a;
}

static inline void capture_flow(void *ctx, struct flow *f, struct stamp at)
{
	(void)at;
	(void)ctx;
	(void)f;
}

static inline void capture_flow_end(void *ctx, struct flow *f, const char *why)
{
	(void)ctx;
	(void)why;
	tx_table_free(f);
}

/* Of who looks at messages alone. */
#define CAPTURE_INSPECTOR(hook)                                                                    \
	{                                                                                          \
		.pdu = (hook), .anomaly = capture_anomaly, .flow_start = capture_flow,             \
		.flow_end = capture_flow_end                                                       \
	}

/* @packet, unless NULL, sees each before transport does. */
static void capture_read(
	const char *path, const struct inspector *inspector, void (*packet)(const struct packet *p))
{
	struct err err = { 0 };
	struct counters counters = { 0 };
	struct frag_options fo = { .max_datagrams = 64,
		.max_bytes = 8 << 20,
		.timeout_s = 30,
		.counters = &counters,
		.inspector = inspector };
	struct packet_options po = { .checksums = CHECKSUM_VERIFY,
		.frags = frags_new(&fo),
		.counters = &counters,
		.inspector = inspector };
	struct transport_options to = { .counters = &counters, .inspector = inspector };
	struct transport *transport = transport_new(&to);
	struct savefile *file = savefile_open(path, &err);
	struct frame f;
	uint64_t n = 0;
	while (file != NULL && savefile_next(file, &f, &err) == 1) {
		struct packet p = { .at = { f.ts_ns, ++n },
			.link = f.link,
			.caplen = f.caplen,
			.wirelen = f.wirelen,
			.bytes = f.bytes };
		if (!packet_decode(&p, &po))
			continue;
		if (packet != NULL)
			packet(&p);
		transport_packet(transport, &p);
	}
	transport_finish(transport);
	transport_free(transport);
	frags_free(po.frags);
	savefile_close(file);
}

#endif
