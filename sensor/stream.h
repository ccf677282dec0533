/* stream.h - TCP: bytes in order, once, and what is missing said. */
#ifndef SENSOR_STREAM_H
#define SENSOR_STREAM_H

#include "sensor/transport_state.h"

/* Delivered bytes kept to compare what is sent again; powers of two. Short segments keep less. */
enum { RING_MIN = 64, RING_MAX = 256, PDU_STARTS = 4 };
enum { FAR = 8 << 20 };      /* bytes: beyond this it is another stream, or a forgery */
enum { ASTRAY_MAX = 65536 }; /* bytes without a message until other protocols are tried */

struct segment; /* bytes that wait, stream.c */
struct reread;  /* the other reading of a conflict, overlap.c */

struct half {
	uint32_t next;     /* sequence number of the first byte not inspected */
	uint32_t seen_ack; /* bytes up to here have reached the other end */
	uint32_t need;     /* bytes from the start of part that its message wants; 0 not known */
	uint32_t waiting, waiting_bytes;
	uint32_t unclear;             /* held bytes whose protocol cannot be told yet (detect.c) */
	uint32_t astray;              /* bytes passed over since the last message */
	struct segment *first, *last; /* beyond a hole, by sequence number */
	struct segment *far;          /* one from quite elsewhere: maybe a new start */
	struct joiner part;           /* a message cut over segments */
	struct stamp part_at;         /* the latest segment in part */
	uint8_t *ring;                /* byte of sequence number n at n % ring_size */
	struct reread *reread;
	struct hole *hole;
	uint32_t starts[PDU_STARTS];  /* where the latest messages began, by starts_at */
	uint16_t ring_size, ring_len; /* ring_len valid bytes before next */
	uint8_t starts_at, starts_len;
	uint8_t absent; /* times the other end's reply waited in vain for this direction */
	bool started;   /* next is known */
	bool lost;      /* where a message starts has to be found */
	bool blind;     /* bytes were lost and no message found since */
};

/* How far @a lies behind @b in the circle of sequence numbers; negative: before it. */
static inline int32_t seq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b);
}

struct held; /* bytes that wait for a decision, detect.c */

struct stream {
	struct flow_slot *slot;
	struct half half[2];
	struct stream *earlier, *later; /* in transport.waiting */
	int64_t wait_ns;                /* since when */
	bool waits;
	struct held *held_first, *held_last; /* both directions, as they came */
	uint32_t held_bytes;
};

/* The stream of @s, made if need be; NULL when memory is short (counted). */
struct stream *stream_of(struct transport *t, struct flow_slot *s, struct stamp at);
void stream_free(struct transport *t, struct flow_slot *s);

/* One TCP packet with payload; @copy: a packet like it was just seen on the mirror.
 * False if it was a duplicate. */
bool stream_packet(
	struct transport *t, struct flow_slot *s, unsigned from, const struct packet *p, bool copy);
/* The sequence number after the SYN of @from. */
void stream_syn(struct stream *st, unsigned from, uint32_t start);
/* end[from] has acknowledged what the other end sent up to @ack; before that has started it means
 * nothing. */
static inline void stream_ack(struct stream *st, unsigned from, uint32_t ack)
{
	struct half *o = &st->half[!from];
	int32_t ahead = seq_after(ack, o->seen_ack);
	if (ahead > 0 && ahead < FAR)
		o->seen_ack = ack;
}
/* Gives up holes that have waited long enough by @now_ns. */
void stream_expire(struct transport *t, int64_t now_ns);
/* Gives up every hole: the flow ends. */
void stream_flush(struct transport *t, struct stream *st);

/* Bytes in order of a direction whose flow is decided (read.c): finds the messages in them. */
void stream_read(struct transport *t, struct stream *st, unsigned from, const struct piece *in);
/* The next @n bytes will never be seen. */
void stream_lose(
	struct transport *t, struct stream *st, unsigned from, uint32_t n, struct stamp at);
/* One datagram of a decided flow. */
void datagram_read(
	struct transport *t, struct flow_slot *s, unsigned from, const struct piece *in, bool cut);

/* @n bytes of a datagram were not captured. */
void datagram_cut(
	struct transport *t, struct flow_slot *s, unsigned from, uint32_t n, struct stamp at);

/* Dissects messages from @in on until one is cut or nothing is left; returns bytes consumed. */
struct reading {
	struct transport *t;
	struct flow_slot *slot;
	unsigned from;
	struct half *half; /* NULL: a datagram or another reading, which keeps no place */
	void *state;
	uint32_t flags; /* for every PDU */
	struct stamp at;
	bool windowed;        /* another reading: only messages that hold a byte of */
	uint32_t first, last; /* these sequence numbers are told */
	size_t need;          /* out */
	bool stopped;         /* out: damage, or nothing to read from here on */
};
size_t read_messages(struct reading *r, const uint8_t *bytes, size_t n, uint32_t seq);

#endif
