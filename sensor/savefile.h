/* savefile.h - reads capture files: pcap (µs, ns, both byte orders) and pcapng, from a file or a
 * pipe. */
#ifndef SENSOR_SAVEFILE_H
#define SENSOR_SAVEFILE_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include "common/err.h"

struct savefile;

struct frame {
	int64_t ts_ns; /* since 1970 */
	uint32_t link; /* LINKTYPE_ */
	uint32_t caplen, wirelen;
	const uint8_t *bytes; /* valid until the next call */
};

/* "-" is stdin. NULL and @err: "PATH: reason" (missing, not a capture, gzip …). */
struct savefile *savefile_open(const char *path, struct err *err);
/* 1: a frame; 0: the end; -1: damaged from here on, @err says where and how (what came before was
 * good). */
int savefile_next(struct savefile *s, struct frame *f, struct err *err);
/* A signal handler sets *@flag: a read that waits on a pipe then counts as the end of input. */
void savefile_stop_on(struct savefile *s, const volatile sig_atomic_t *flag);
uint64_t savefile_position(const struct savefile *s); /* bytes read */
uint64_t savefile_size(const struct savefile *s);     /* 0: not known (a pipe) */
void savefile_close(struct savefile *s);

#endif
