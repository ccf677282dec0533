/* evidence_ring.h - the latest frames, in memory of one size.
 *
 * A frame costs its copy and a small entry; who looks for some walks back over the entries. */
#ifndef SENSOR_EVIDENCE_RING_H
#define SENSOR_EVIDENCE_RING_H

#include "sensor/packet.h"

/* A frame that is kept, as it came. */
struct kept_frame {
	struct stamp at;
	uint32_t link, caplen, wirelen;
	uint32_t pieces; /* key of the fragments that this frame completed; 0: none */
	uint8_t bytes[];
};

/* What it is found by. Entries have indexes that only grow; 0 is none. */
struct kept_entry {
	uint32_t key;     /* of its conversation, or of the fragments it is one of; 0: none */
	uint32_t host[2]; /* of the innermost IP addresses; 0: no IP */
	uint32_t off;     /* where the frame is */
};

enum { EVIDENCE_NEAR = 65536 /* frames */ };

struct evidence_ring;

/* All memory is taken here. @seed hides from the network which keys meet; a replay takes 0. */
struct evidence_ring *evidence_ring_new(size_t bytes, uint64_t seed);
void evidence_ring_free(struct evidence_ring *r);
/* Forgets everything: frame numbers begin anew. */
void evidence_ring_clear(struct evidence_ring *r);

/* Copies @p's frame, before it is taken apart. What is older goes for it. */
void evidence_ring_keep(struct evidence_ring *r, const struct packet *p);
/* The frame kept last belongs to what has been found in it; @done: TCP or UDP. */
void evidence_ring_file(struct evidence_ring *r, const struct packet *p, bool done);

/* Entries at most. */
size_t evidence_ring_room(const struct evidence_ring *r);
/* Index of the newest and the oldest entry; newest < oldest: there is none. */
uint64_t evidence_ring_newest(const struct evidence_ring *r);
uint64_t evidence_ring_oldest(const struct evidence_ring *r);
const struct kept_entry *evidence_ring_entry(const struct evidence_ring *r, uint64_t i);
const struct kept_frame *evidence_ring_frame(const struct evidence_ring *r, uint64_t i);
/* By frame number, or 0. */
uint64_t evidence_ring_find(const struct evidence_ring *r, uint64_t frame);
/* The newest of a key; the one before @i of the same key, if it is near. 0: none (any more). */
uint64_t evidence_ring_last(const struct evidence_ring *r, uint32_t key);
uint64_t evidence_ring_before(const struct evidence_ring *r, uint64_t i);

/* Both directions of a conversation have the same key. */
uint32_t evidence_key(const struct evidence_ring *r, uint8_t l4, const struct addr *a,
	uint16_t a_port, const struct addr *b, uint16_t b_port);
uint32_t evidence_host(const struct addr *a);
#endif
