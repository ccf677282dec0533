/* segment.h - copies of segments that wait for what comes before them. */
#ifndef SENSOR_SEGMENT_H
#define SENSOR_SEGMENT_H

#include "sensor/stream.h"

struct segment {
	struct segment *next;
	struct stamp at;
	uint32_t seq, len, ack;
	uint32_t cut; /* bytes after it that the capture did not keep */
	bool has_ack;
	bool compared; /* differences to what is delivered are told already */
	uint8_t bytes[];
};

/* NULL when memory is short (counted). */
struct segment *segment_new(
	struct transport *t, struct stream *st, unsigned from, const struct piece *in);
void segment_free(struct transport *t, struct segment *seg);
/* In its place by sequence number, behind those of the same. */
void segment_queue(struct half *h, struct segment *seg);
/* Do the same bytes wait already? */
bool segment_waits(const struct half *h, const struct piece *in);
/* The first; the caller frees it. */
struct segment *segment_pop(struct half *h);

static inline struct piece segment_piece(const struct segment *seg)
{
	return (struct piece){ seg->bytes, seg->len, seg->seq, seg->at };
}

#endif
