/* evidence_ring.h - the latest frames, in memory of one size, found by number and by conversation.
 */
#ifndef SENSOR_EVIDENCE_RING_H
#define SENSOR_EVIDENCE_RING_H

#include "sensor/packet.h"

/* A frame that is kept. Records have indexes that only grow; 0 is none. */
struct kept_frame {
	int64_t ts_ns;
	uint64_t frame;
	uint64_t key;    /* of its conversation, or of the fragments it is one of; 0: none */
	uint64_t pieces; /* of the fragments that this frame completed; 0: none */
	uint64_t pos;    /* of its bytes, counted on and on */
	uint32_t off;    /* and where they are */
	uint32_t back;   /* to the one before in its bucket; 0: none */
	uint32_t caplen, wirelen, link;
	uint32_t host[2]; /* of the innermost IP addresses; 0: no IP */
	uint32_t mark;    /* the collector's */
};

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

/* Index of the newest and the oldest record; newest < oldest: there is none. */
uint64_t evidence_ring_newest(const struct evidence_ring *r);
uint64_t evidence_ring_oldest(const struct evidence_ring *r);
struct kept_frame *evidence_ring_at(const struct evidence_ring *r, uint64_t i);
const uint8_t *evidence_ring_bytes(const struct evidence_ring *r, const struct kept_frame *k);
/* By frame number, or 0. */
uint64_t evidence_ring_find(const struct evidence_ring *r, uint64_t frame);
/* Newest record of a key, and the one before @i of the same key; 0: none (any more). */
uint64_t evidence_ring_last(const struct evidence_ring *r, uint64_t key);
uint64_t evidence_ring_before(const struct evidence_ring *r, uint64_t i);

/* Both directions of a conversation have the same key. */
uint64_t evidence_key(const struct evidence_ring *r, uint8_t l4, const struct addr *a,
	uint16_t a_port, const struct addr *b, uint16_t b_port);
uint32_t evidence_host(const struct evidence_ring *r, const struct addr *a);
#endif
