/* peer.h - who is at the other end of a connection, as its certificate says. */
#ifndef AGGREGATOR_PEER_H
#define AGGREGATOR_PEER_H

#include "common/keys.h"
#include "aggregator/node.h"

struct peer {
	char org[ORG_TEXT];
	enum tier tier;
	char region[8], industry[8];
	struct key key;                /* public half: frames are verified by it */
	int64_t not_before, not_after; /* s */
};

#endif
