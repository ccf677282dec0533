/* savefile_impl.h - what savefile.c and savefile_ng.c share. */
#ifndef SENSOR_SAVEFILE_IMPL_H
#define SENSOR_SAVEFILE_IMPL_H

#include <stdbool.h>
#include <string.h>

#include "sensor/savefile.h"

enum {
	READ_BYTES = 256 * 1024, /* asked of the kernel at once: fits the second-level cache */
	CAPLEN_MAX = 256 * 1024, /* as libpcap's MAXIMUM_SNAPLEN */
	BLOCK_MAX = 16 << 20,    /* of pcapng */
	INTERFACES_MAX = 65536,  /* of a pcapng section */
};

/* How an interface of a pcapng section tells time. */
struct interface {
	uint32_t link, snaplen;
	uint64_t units_mul, units_div; /* nanoseconds = units * mul / div, for powers of ten */
	uint8_t shift;                 /* units are 2^-shift seconds where binary */
	bool binary;
	int64_t offset_s;
};

struct savefile {
	int fd;
	char *path; /* for errors */
	uint8_t *buf;
	size_t cap, at, end; /* buf[at..end) is read and not yet handed out */
	uint64_t base;       /* file offset of buf[0] */
	uint64_t size;
	uint64_t packets;
	bool eof, swapped, ng;
	int read_error; /* errno */
	const volatile sig_atomic_t *stop;

	uint32_t link, fraction_ns; /* classic pcap */

	struct interface *interfaces; /* pcapng, of this section */
	size_t interface_count, interface_cap;
	int64_t last_ns; /* for packets without a time of their own */
};

/* n bytes from s->at, or NULL when the input ends before. */
const uint8_t *savefile_refill(struct savefile *s, size_t n);

static inline const uint8_t *savefile_need(struct savefile *s, size_t n)
{
	if (n <= s->end - s->at)
		return s->buf + s->at;
	return savefile_refill(s, n);
}

/* -1 and @err: the record at s->at is damaged, and how. */
int savefile_damaged(struct savefile *s, struct err *err, const char *how);
/* The input ended where a record was to begin (0) or inside one (-1 and @err). */
int savefile_ended(struct savefile *s, struct err *err);

static inline uint32_t savefile_u32(const struct savefile *s, const uint8_t *at)
{
	uint32_t v;
	memcpy(&v, at, sizeof(v));
	return s->swapped ? __builtin_bswap32(v) : v;
}

static inline uint16_t savefile_u16(const struct savefile *s, const uint8_t *at)
{
	uint16_t v;
	memcpy(&v, at, sizeof(v));
	return s->swapped ? __builtin_bswap16(v) : v;
}

/* savefile_ng.c */
int savefile_ng_next(struct savefile *s, struct frame *f, struct err *err);

#endif
