/* dnp3.h - what the files of the DNP3 dissector share. Spec: IEEE 1815-2012 [1815]. */
#ifndef DISSECTORS_DNP3_H
#define DISSECTORS_DNP3_H

#include "dissectors/dissector.h"
#include "dissectors/dnp3_fields.h"
#include "dissectors/dnp3_objects.h"

extern const struct dissector dnp3_dissector;

/* The CRC of a link header or data block, as it stands on the wire (low byte first). */
uint16_t dnp3_crc(const uint8_t *bytes, size_t n);

/* ---- state of a flow ---- */

enum {
	DNP3_FRAGMENT_MAX = 16384, /* octets of a joined fragment; [1815] asks for 2048 */
	DNP3_JOINS = 8,            /* link address pairs joined at once on one flow */
	DNP3_SELECTS = 8,          /* of them with a SELECT outstanding */
	DNP3_USER_DATA = 250,
	DNP3_LINK = 4,    /* octets of room for what the link header says, see set_same() */
	DNP3_PAIRS = 256, /* bits that remember which address pairs have talked */
};

/* Segments of one link address pair in one direction. */
struct dnp3_join {
	uint16_t source, destination;
	uint8_t dir; /* enum dir */
	uint8_t sequence;
	bool active;
	uint16_t last; /* octets of the newest segment */
	uint32_t used; /* when, for choosing the oldest */
	struct joiner bytes;
};

/* The last SELECT of a link address pair. */
struct dnp3_select {
	uint64_t hash; /* of its objects */
	uint32_t used; /* 0: empty */
	uint16_t source, destination;
	uint8_t sequence;
};

struct dnp3_state {
	uint32_t clock; /* counts uses */
	/* Of the latest frame, without its CRCs, from user_data[DNP3_LINK] on. */
	uint8_t user_data[DNP3_LINK + DNP3_USER_DATA];
	struct dnp3_join joins[DNP3_JOINS];
	uint32_t joining; /* of them active */
	struct dnp3_select selects[DNP3_SELECTS];
	uint64_t begun[DNP3_PAIRS / 64]; /* by hash: pairs whose master has asked something */
	/* by direction and hash: pairs of which a first segment was seen since bytes were lost */
	uint64_t opened[2][DNP3_PAIRS / 64];
};

/* A set of address pairs by hash; two that share a bit are taken for one. */
static inline uint32_t dnp3_pair_bit(uint64_t from, uint64_t to)
{
	return (uint32_t)(from << 16 | to) * UINT32_C(2654435761) >> 24;
}

static inline bool dnp3_pair_has(const uint64_t *set, uint32_t bit)
{
	return set[bit / 64] >> bit % 64 & 1;
}

static inline void dnp3_pair_add(uint64_t *set, uint32_t bit)
{
	set[bit / 64] |= UINT64_C(1) << bit % 64;
}

/* The application layer: one whole fragment. SOURCE and DESTINATION are set. Its bytes stay
 * valid as long as the PDU is looked at. Tells whether it is a read, or an answer that has nothing
 * but points, and undamaged. */
bool dnp3_fragment(struct reader fragment, struct dnp3_state *state, struct pdu *out);

#endif
