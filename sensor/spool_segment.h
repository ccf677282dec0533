/* spool_segment.h - one file of a spool: how a record lies in it, and mending it. */
#ifndef SENSOR_SPOOL_SEGMENT_H
#define SENSOR_SPOOL_SEGMENT_H

#include "sensor/spool.h"

enum { SPOOL_HEAD = 32, SPOOL_RECORD_MAX = 1024 * 1024, SPOOL_TYPE_MAX = 64 };

struct segment {
	uint64_t number;
	uint64_t size; /* bytes in the file */
	uint64_t records;
	struct spool_id first, last; /* where records > 0 */
	int64_t acked_ms;            /* since all of it is acknowledged; 0: it is not */
};

/* Bytes of a record. */
size_t record_size(size_t type_len, size_t len);
/* Writes one to @at, where there is room. */
void record_write(uint8_t *at, struct spool_id id, const char *type, size_t type_len,
	const char *line, size_t len);

enum record_state { RECORD_GOOD, RECORD_MORE, RECORD_BAD };
/* The record at the start of @n bytes; MORE if they end inside it, then *size is what it takes. */
enum record_state record_read(const uint8_t *at, size_t n, struct spool_record *out, size_t *size);

/* "0000000000000001.seg" */
enum { SEGMENT_NAME = 40 };
void segment_name(char name[SEGMENT_NAME], uint64_t number, const char *suffix);

struct mended {
	uint64_t cut_bytes; /* unfinished record at the end, cut off */
	uint64_t lost;      /* records that lay between good ones, by their numbers */
	bool damaged; /* the file was renamed to .damaged, its good records are in a new one */
	bool gone;    /* … and there were none, or they could not be written */
};
/* Reads all of it and fills in size, records, first, last. @newest: its end may be torn.
 * False if it cannot be read at all. */
bool segment_mend(
	int dir_fd, struct segment *seg, bool newest, struct mended *out, struct err *err);

#endif
