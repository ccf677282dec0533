/* spool_impl.h - what the files of the spool share: spool.c writes and reads, spool_open.c finds
 * what an earlier run left. */
#ifndef SENSOR_SPOOL_IMPL_H
#define SENSOR_SPOOL_IMPL_H

#include "sensor/spool_segment.h"

enum {
	SPOOL_TAIL = 4 * 1024 * 1024,   /* bytes not yet written out */
	SPOOL_WINDOW = 2 * 1024 * 1024, /* bytes read ahead; more than a record takes */
};

struct spool {
	struct spool_options o;
	char *dir;
	int dir_fd, lock_fd;

	/* Oldest first; the last is the one written to. */
	struct segment *segments;
	size_t count, cap;
	int fd;        /* of the last; -1 while it cannot be made */
	uint8_t *tail; /* what belongs behind its size */
	size_t tail_len;
	bool dirty, failing;
	int64_t synced_ms, retry_ms;

	/* Cursor: segment, and offset in its file and tail together. */
	size_t at;
	uint64_t offset;
	int read_fd; /* of segment read_number, or -1 */
	uint64_t read_number;
	uint8_t *window;
	uint64_t window_at, window_number;
	size_t window_len;

	struct spool_id passed; /* the last event before the cursor */
	struct spool_id acked;
	struct spool_totals totals;
};

void spool_say(const struct spool *s, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
/* A further segment at the end. False without memory. */
bool spool_add_segment(struct spool *s, uint64_t number);
/* Forgets segment @i, which is not the one written to; drop deletes its file too. */
void spool_forget(struct spool *s, size_t i);
void spool_drop_segment(struct spool *s, size_t i);
void spool_tell_mended(const struct spool *s, uint64_t number, const struct mended *m);
void spool_close_fd(int *fd);
/* Frees all that an open or half-open spool holds. */
void spool_release(struct spool *s);

#endif
