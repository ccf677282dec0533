/* frag.h - IP fragments that wait for each other. */
#ifndef SENSOR_FRAG_H
#define SENSOR_FRAG_H

#include "sensor/packet.h"

struct frag_options {
	size_t max_datagrams, max_bytes; /* that may wait; the oldest go first */
	uint32_t timeout_s; /* packet time since the first fragment; RFC 791, RFC 8200: 30 to 60 */
	uint64_t seed;
	struct counters *counters;
	const struct inspector *inspector; /* may be NULL */
};

/* One fragment, without its headers. */
struct frag {
	const struct addr *src, *dst;
	uint32_t id;
	uint8_t protocol; /* IPv6: of what follows the fragment header */
	bool more;
	uint32_t offset, len; /* bytes */
	const uint8_t *bytes;
	struct stamp at;
};

/* What fragments make up; borrowed until the next call. */
struct frag_whole {
	const uint8_t *bytes;
	uint32_t len;
	uint8_t protocol;
	bool contested; /* fragments overlapped with different bytes */
};

struct frags *frags_new(const struct frag_options *o);
void frags_free(struct frags *f);
/* True when this fragment completes its datagram. */
bool frags_add(struct frags *f, const struct frag *in, struct frag_whole *whole);
/* Drops what has waited too long at @now_ns; frags_add() does so by itself. */
void frags_tick(struct frags *f, int64_t now_ns);
/* End of input: what still waits is counted as dropped. */
void frags_finish(struct frags *f);

/* packet_second_reading()'s: the last contested datagram read with the later bytes instead of the
 * first. Of it frag.c only fills whole and waiting. */
struct frag_second {
	bool waiting;
	struct frag_whole whole;
	struct packet packet;
	uint64_t pseudo;
};
struct frag_second *frags_second(struct frags *f);

#endif
