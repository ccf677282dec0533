/* evidence_slice.h - collects the frames of one alert into a capture. */
#ifndef SENSOR_EVIDENCE_SLICE_H
#define SENSOR_EVIDENCE_SLICE_H

#include "sensor/eve.h"
#include "sensor/evidence_ring.h"
#include "sensor/evidence_store.h"

enum {
	SLICE_KEYS = 16,     /* conversations and sets of fragments in one slice */
	SLICE_HEADER = 24,   /* of the capture */
	SLICE_PER_FRAME = 16 /* and of each frame */
};

/* A capture in the making: its bytes are those of the file. */
struct slice {
	uint64_t n; /* of the alert */
	char name[EVIDENCE_NAME];
	uint64_t newest; /* index of the newest entry when it was begun */
	uint32_t key[SLICE_KEYS];
	unsigned keys;
	uint32_t link;
	uint8_t *bytes;
	uint32_t len, cap;
	int64_t due_ns; /* packet time: written then, verdict or not */
};

/* Scratch of the one who collects. */
struct collector {
	struct evidence_ring *ring;
	uint64_t *picked;
	uint32_t count, room;
	uint32_t bytes, limit;
	uint32_t *marks; /* of the ring's entries: in which collection they were picked last */
	uint32_t mark;   /* of this one */
};

/* @slice: as large as any slice will be. */
bool collector_init(struct collector *c, struct evidence_ring *ring, uint32_t slice);
void collector_fini(struct collector *c);

/* What led to @a. Sets a->slice_frames. False: nothing of it is there any more. */
bool slice_begin(struct slice *s, struct collector *c, struct alert *a);
/* What came since. */
void slice_end(struct slice *s, struct collector *c);

#endif
