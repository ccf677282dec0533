/* scan.h - who knocks at doors: what the files of the watcher share.
 *
 * A contact is (source, destination, how, port). The first one of each is an attempt, and what
 * becomes of it an outcome (scan_contact.c). Outcomes are counted for their source and, of ports,
 * for source and destination (scan_tally.c). */
#ifndef SENSOR_SCAN_H
#define SENSOR_SCAN_H

#include "sensor/keep.h"
#include "sensor/trw.h"
#include "sensor/watch.h"

enum { SCAN_FRAMES = 4, SCAN_WORDS = 16 };

/* By what a contact is made. */
enum scan_how { BY_TCP, BY_UDP, BY_ICMP, BY_ARP, SCAN_HOWS };

enum scan_outcome {
	OUTCOME_ANSWERED,
	OUTCOME_REFUSED, /* a reset, or ICMP says that nobody is there */
	OUTCOME_SILENT,  /* no answer in time, where answers are seen */
	OUTCOME_UNKNOWN, /* no answer in time, and none had to be seen */
	OUTCOME_STRAY,   /* a packet that only scanners send */
	OUTCOME_UNUSED,  /* answered, and closed without a word */
};

struct scan_attempt {
	uint64_t contact; /* 0: it has its outcome */
	int64_t at_ns;
	uint64_t frame;
	struct endpoint src, dst; /* src.port is not looked at */
	uint8_t how;
	bool bare; /* an echo request without a payload */
};

/* One contact, in rows of which the longest unused goes. */
struct scan_contact {
	uint64_t key; /* 0: none */
	uint32_t seen_s;
	uint32_t attempt : 31; /* its place in the ring */
	uint32_t spoken : 1;   /* and it was made use of */
};

/* What a source does; or what it does to one destination. */
struct tally {
	struct keep_entry keep;
	struct endpoint src, dst;               /* dst: the latest that did not answer */
	int64_t first_ns, last_ns;              /* of failures */
	int64_t window_ns, burst_ns, halved_ns; /* when these began */
	uint8_t how;
	bool is_pair;
	double walk;
	uint32_t attempts, failures, answers, strays, bare, unused; /* in the window */
	uint32_t lately_failed, lately_answered;                    /* halved now and then */
	uint32_t told, told_tried;                                  /* distinct, when last told */
	uint16_t port, port_votes;                                  /* the one that is tried most */
	unsigned frames;
	uint64_t frame[SCAN_FRAMES];
	uint64_t failed[SCAN_WORDS]; /* sketches: destinations, or ports of a pair */
	uint64_t tried[SCAN_WORDS];  /* destinations in a burst, whatever they answer */
};

struct scan {
	const struct watch *watch;
	struct trw trw;
	int64_t answer_ns, window_ns;
	int64_t now_ns; /* packet time, as far as it was told */
	bool verify;    /* checksums */
	/* Contacts and attempts; scan_contact.c. */
	struct scan_contact *contacts;
	uint64_t rows;
	struct scan_attempt *ring;
	uint64_t ring_size, first, next; /* numbers of attempts */
	bool two_way[2];                 /* answers are seen: over IP, of ARP */
	/* Tallies; scan_tally.c. */
	struct keep *sources, *pairs;
	uint64_t evicted_told;
};

/* scan_contact.c */

bool contacts_open(struct scan *s);
void contacts_close(struct scan *s);
/* These two speak with each other: nothing new. */
void contact_known(
	struct scan *s, const struct endpoint *src, const struct endpoint *dst, enum scan_how how);
/* @src wants something of @dst: an attempt, and true, if it never did before. */
bool contact_made(struct scan *s, const struct endpoint *src, const struct endpoint *dst,
	enum scan_how how, bool bare, struct stamp at);
void contact_settled(struct scan *s, const struct endpoint *src, const struct endpoint *dst,
	enum scan_how how, enum scan_outcome outcome, struct stamp at);
/* @src has said something to @dst, now or before. */
void contact_spoken(
	struct scan *s, const struct endpoint *src, const struct endpoint *dst, enum scan_how how);
bool contact_is_spoken(const struct scan *s, const struct endpoint *src, const struct endpoint *dst,
	enum scan_how how);
/* Those that waited long enough. */
void contacts_expire(struct scan *s, struct stamp now);

/* scan_tally.c */

bool tallies_open(struct scan *s);
void tallies_close(struct scan *s);
void tally_tried(struct scan *s, const struct scan_attempt *a, struct stamp at);
void tally_outcome(
	struct scan *s, const struct scan_attempt *a, enum scan_outcome outcome, struct stamp at);

/* scan_tell.c */

extern const struct dissector scan_service;
enum scan_kind {
	SCAN_HORIZONTAL = 1, /* one port of many */
	SCAN_VERTICAL,       /* many ports of one */
	SCAN_DIFFUSE,        /* many ports of many */
	SCAN_STEALTH,        /* flags that no stack sends */
	SCAN_ICMP,
	SCAN_ARP,
	SCAN_FANOUT, /* many, whatever they answer */
};
/* @walked: the random walk says so; else @distinct does. */
void scan_tell(struct scan *s, const struct tally *t, enum scan_kind kind, bool walked,
	uint32_t distinct, struct stamp at);

#endif
