/* snapshot.h - a PDU that outlives its packet, for alerts that wait for their verdict. */
#ifndef SENSOR_SNAPSHOT_H
#define SENSOR_SNAPSHOT_H

#include "dissectors/dissector.h"

/* The copy owns the item bytes and every borrowed value; &s->pdu is used like the original, but not
 * copied whole: the block ends behind the last value that is present, and then the bytes follow. */
struct snapshot {
	size_t size; /* bytes of the whole block */
	struct pdu pdu;
};

/* NULL at the pool's cap. */
struct snapshot *snapshot_take(const struct pdu *pdu, struct pool *pool);
void snapshot_free(struct snapshot *s, struct pool *pool);

#endif
