/* flow_table.h - finds the flow of a packet; forgets the idle and, at the cap, the least useful.
 * Open addressing over 32-bit hashes; flows lie in slabs and never move, so pointers stay good. */
#ifndef SENSOR_FLOW_TABLE_H
#define SENSOR_FLOW_TABLE_H

#include "sensor/packet.h"

/* How far detection has come; from FLOW_OTHER on nothing is read. */
enum flow_mode {
	FLOW_UNDECIDED,
	FLOW_OURS,      /* flow->dissector is set */
	FLOW_OTHER,     /* nothing spoken here; looked at again now and then */
	FLOW_ENCRYPTED, /* ours, and opaque from here on */
};

/* Flows of one list are alike in how soon they are forgotten; the first lists go first when the
 * table is full, so that a flood of connection attempts cannot push out a plant's sessions. */
enum flow_list {
	FLOWS_CLOSED,   /* ended; kept a little for what comes late */
	FLOWS_EMPTY,    /* TCP, and nothing said yet */
	FLOWS_DATAGRAM, /* UDP that is not the plant's */
	FLOWS_FOREIGN,  /* TCP with payload that is not the plant's */
	FLOWS_OURS_UDP,
	FLOWS_OURS_TCP,
	FLOW_LISTS,
	FLOWS_FREE = FLOW_LISTS
};

enum flow_told {
	TOLD_WRONG_PORT = 1 << 0,
	TOLD_NOT_PROTOCOL = 1 << 1,
};

/* A flow with what only transport knows of it. */
struct flow_slot {
	struct flow flow;  /* first: a struct flow * of ours is a struct flow_slot * */
	int64_t listed_ns; /* packet time when it came to the front of its list */
	uint32_t index, hash;
	uint32_t newer, older;   /* in its list; FLOW_NONE ends */
	uint32_t start[2];       /* TCP: sequence number after the SYN, where syn says so */
	uint32_t misses;         /* payloads that were no protocol spoken here */
	uint8_t list;            /* enum flow_list */
	uint8_t mode;            /* enum flow_mode */
	uint8_t told;            /* enum flow_told */
	uint8_t late;            /* payloads after the end */
	bool hinted;             /* some protocol of the plant claims one of the ports */
	bool strange;            /* and the one decided for is another */
	bool office_over;        /* an office protocol was spoken; nothing of interest follows */
	uint8_t candidate, weak; /* 1 + index of who fitted weakly, and how often in a row */
	bool syn[2], fin[2], closed;
	bool wished; /* a SYN came inside the connection: nothing changes unless it is answered */
	uint8_t wisher; /* which end sent it */
	uint32_t wish;  /* its sequence number */
};

enum { FLOW_NONE = UINT32_MAX };

/* From one packet time to another; captures may hold any. */
static inline int64_t ns_between(int64_t from, int64_t to)
{
	return (int64_t)((uint64_t)to - (uint64_t)from);
}

struct flow_table;

/* NULL: no memory. @cap flows at most; memory grows with use. */
struct flow_table *flow_table_new(size_t cap, uint64_t seed);
void flow_table_free(struct flow_table *t);

/* Seeded, and the same for both directions: find and add want it. */
uint64_t flow_table_hash(const struct flow_table *t, const struct packet *p);
/* The flow of @p, *from says which end sent it; or NULL, and *from stays. */
struct flow_slot *flow_table_find(
	const struct flow_table *t, const struct packet *p, uint64_t hash, unsigned *from);
bool flow_table_full(const struct flow_table *t);
/* A new flow for @p, sent by end[0]; in list @list. NULL when full or out of memory. */
struct flow_slot *flow_table_add(
	struct flow_table *t, const struct packet *p, uint64_t hash, enum flow_list list);
void flow_table_remove(struct flow_table *t, struct flow_slot *s);

/* @s is in use at @now_ns: keeps its list ordered, to the second. */
void flow_table_front(struct flow_table *t, struct flow_slot *s, int64_t now_ns);
static inline void flow_table_touch(struct flow_table *t, struct flow_slot *s, int64_t now_ns)
{
	if ((uint64_t)ns_between(s->listed_ns, now_ns) >= 1000000000) /* before it, too */
		flow_table_front(t, s, now_ns);
}
void flow_table_move(struct flow_table *t, struct flow_slot *s, enum flow_list list);
/* Least recently used of a list, or NULL. */
struct flow_slot *flow_table_oldest(struct flow_table *t, enum flow_list list);

size_t flow_table_count(const struct flow_table *t);
size_t flow_table_memory(const struct flow_table *t); /* bytes */

#endif
