/* poller.h - one that polls and one that is polled, as far as their protocol goes: the words of
 * both ends of a connection, in turn. polls.c carries them. */
#ifndef TESTS_LOAD_POLLS_POLLER_H
#define TESTS_LOAD_POLLS_POLLER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POLLER_SECOND = 1000000, POLLER_BYTES = 1024 };

struct poller {
	uint64_t random;   /* state of poller_draw() */
	uint64_t now_us;   /* of the request that is made now */
	uint64_t write_us; /* when an operator writes the next time */
	uint8_t turn;      /* what of a cycle comes next; 0 begins one */
	uint8_t question;  /* which of its few requests the last one was */
	bool done;         /* the last request ends its cycle */
	bool silent;       /* the last request gets no answer */
	uint64_t content;  /* hash of the last answer but for its numbers */
	union {
		struct {
			uint16_t transaction, setpoints[10], analogs[20];
			uint8_t bits[6];
			bool many;      /* the HMI writes by function 16, else by 6 */
			uint16_t value; /* of the operator's write */
		} modbus;
		struct {
			uint16_t reference, words[4];
			uint8_t stage, bits[2];
			float reals[16], setpoint;
		} s7comm;
		struct {
			int32_t analogs[12];
			uint32_t counters[4];
			uint16_t binaries;
			uint8_t sequence, there, back; /* of the application, of both transports */
			uint8_t waiting;               /* bit n: events of class n + 1 */
			uint32_t cycles;
			uint16_t address; /* the outstation's */
		} dnp3;
	};
};

struct protocol {
	const char *name;
	uint16_t port;
	uint64_t period_us; /* of a cycle */
	void (*start)(struct poller *p);
	size_t (*ask)(struct poller *p, uint8_t out[POLLER_BYTES]); /* bytes */
	size_t (*answer)(struct poller *p, uint8_t out[POLLER_BYTES]);
};

extern const struct protocol polls_modbus, polls_s7comm, polls_dnp3;

uint64_t poller_draw(uint64_t *random); /* splitmix64 */
uint32_t poller_below(struct poller *p, uint32_t bound);
void poller_content(struct poller *p, const uint8_t *bytes, size_t n);

/* True about every ten minutes: an operator has something to write. */
bool poller_writes(struct poller *p);

static inline void put16(uint8_t *at, uint32_t v)
{
	at[0] = (uint8_t)(v >> 8);
	at[1] = (uint8_t)v;
}

static inline void put32(uint8_t *at, uint32_t v)
{
	put16(at, v >> 16);
	put16(at + 2, v);
}

#endif
