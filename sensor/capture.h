/* capture.h - packets from interfaces, and BPF filters for both live and replayed packets.
 * Listens only: nothing here or below sends a frame. */
#ifndef SENSOR_CAPTURE_H
#define SENSOR_CAPTURE_H

#include "sensor/savefile.h"

struct capture;

struct capture_options {
	const char *const *interfaces;
	size_t count;
	const char *filter;                         /* BPF, or NULL */
	uint32_t snaplen, buffer_bytes, timeout_ms; /* 0: 65535, 32 MiB an interface, 100 ms */
	uint16_t fanout; /* group that shares the packets with other captures, 0: none */
	void (*warn)(void *ctx, const char *line); /* what a person should know; may be NULL */
	void *ctx;
};

/* Opens every interface or none: NULL and @err "eth7: no such interface; there are: …" (exit 4). */
struct capture *capture_open(const struct capture_options *o, struct err *err);

/* @f->bytes dies with the call; @interface is an index in capture_options.interfaces. */
typedef void capture_fn(void *ctx, const struct frame *f, unsigned interface);

/* Waits up to timeout_ms (or for a signal) and hands over what is there, a bounded batch an
 * interface. Returns how many, or -1 when no interface is left. @err is set when one was lost. */
int capture_poll(struct capture *c, int timeout_ms, capture_fn *fn, void *ctx, struct err *err);

struct capture_stats {
	uint64_t received, dropped; /* by the kernel, since capture_open() */
	uint64_t if_dropped;        /* by the interface or its driver */
};
void capture_stats(struct capture *c, struct capture_stats *out);
const char *capture_interface(const struct capture *c, unsigned interface);
void capture_close(struct capture *c);

/* A filter for replayed frames. Compiled for @link now, for others when they are met. */
struct capture_filter;
struct capture_filter *capture_filter_new(uint32_t link, const char *expression, struct err *err);
/* False too for a frame of a link type that the expression has no meaning for. */
bool capture_filter_match(struct capture_filter *f, const struct frame *frame);
void capture_filter_free(struct capture_filter *f);

/* "libpcap version 1.10.3 …" */
const char *capture_library(void);

#endif
