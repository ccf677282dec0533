/* value.h - process values (points: of the configuration) followed from reads and writes; what the
 * files of this watcher share.
 *
 * value.c       the watcher: which devices have points, what becomes of a PDU
 * value_read.c  finds points in the messages of each protocol
 * value_s7.c    the same for S7
 * value_asked.c requests that wait for their reply, in a ring
 * value_track.c what a point has been, and what is wrong with what it is now
 * value_lock.c  interlocks
 * value_tell.c  the service: observations and their fields */
#ifndef SENSOR_VALUE_H
#define SENSOR_VALUE_H

#include <math.h>
#include <string.h>

#include "sensor/eve.h"
#include "sensor/point_value.h"
#include "sensor/watch.h"

/* A value as a message carries it. */
struct sample {
	uint32_t point;         /* in points.point */
	uint16_t quality, item; /* item: of the request that named it */
	bool has_quality;       /* the message tells it; else what was known stays */
	bool has_value;
	bool past;                /* an event out of the device's memory: older than the message */
	double value;             /* engineering units; NaN: not a number there */
	uint8_t raw[POINT_BYTES]; /* not of DNP3 */
};

/* Everything of a point that moves; a fixed size, for each that is configured. */
struct track {
	double value, told, anchor, wanted;
	int64_t at_ns;     /* of the last value; INT64_MIN: none since the start of the capture */
	int64_t moved_ns;  /* when it last changed */
	int64_t anchor_ns; /* of the value that its rate is measured from */
	int64_t asked_ns;  /* last write that was not refused */
	int64_t wrote_ns;  /* last write that was accepted */
	uint8_t raw[POINT_BYTES];
	double decoded; /* what these bytes came to, the last time they were read */
	uint8_t decoded_raw[POINT_BYTES];
	uint16_t decoded_quality;
	bool has_decoded;
	struct addr reader, writer;
	uint32_t reads;   /* that show another value than the one written */
	uint32_t lock;    /* its first interlock in values.lock_of */
	uint16_t locks;   /* how many */
	uint16_t quality; /* as last told by a message */
	int8_t zone;      /* -2 below low_low … 2 above high_high */
	/* Its rate or rest is watched; it has limits; it moves by writes only. */
	bool timed, bounded, commanded;
	bool known, rate_told, stuck_told, stale_told, waits; /* waits: for the effect of a write */
};

/* What makes a movement without a write no news. */
struct value_device {
	int64_t touched_ns; /* something may have changed any of its values */
	int64_t doubt_ns;   /* something was not seen */
	uint32_t end;       /* behind the last device of the same address */
};

struct lock_state {
	int64_t since_ns; /* its conditions hold from here on; INT64_MIN: they do not */
	bool told;
};

struct asked; /* value_asked.c */

struct values {
	const struct watch *watch;
	const struct points *points;
	struct track *track;         /* by point */
	struct value_device *device; /* by device */
	struct lock_state *lock;     /* by interlock */
	uint32_t *lock_of;           /* interlocks, by point */
	uint32_t *stale;             /* points that may be stale */
	size_t stales;
	struct asked *asked;  /* until the reply */
	struct asked *jobs;   /* S7: what the device sends from time to time */
	struct change change; /* of the last write */
	uint32_t wanted;      /* bit per enum value_kind that anybody would hear of */
	int64_t settle_ns;
	uint32_t settle_reads;
};

/* Where and in which message. */
struct seen {
	const struct event *e;
	uint32_t device;
	unsigned client; /* index in flow->end[] */
	bool write;
};

/* Between two times of which the capture decides; never past what a number holds. */
static inline int64_t value_age(int64_t now_ns, int64_t then_ns)
{
	int64_t age;
	if (__builtin_sub_overflow(now_ns, then_ns, &age))
		return now_ns > then_ns ? INT64_MAX : INT64_MIN;
	return age;
}

static inline const struct point *value_point(const struct values *v, size_t i)
{
	return &v->points->point[i];
}

/* Most values take so many bytes: no call. */
static inline void sample_take(struct sample *s, const uint8_t *bytes, unsigned n)
{
	if (n == 2)
		memcpy(s->raw, bytes, 2);
	else if (n == 4)
		memcpy(s->raw, bytes, 4);
	else
		memcpy(s->raw, bytes, n);
}

/* value_track.c: keeps what these bytes come to. */
void value_decode_anew(struct values *v, const struct sample *s);

/* Sets the value of what was taken. Most polls read what the last one read: only other bytes are
 * decoded. */
static inline void value_decode(struct values *v, struct sample *s)
{
	const struct track *t = &v->track[s->point];
	if (!t->has_decoded || memcmp(t->decoded_raw, s->raw, sizeof s->raw) != 0)
		value_decode_anew(v, s);
	s->value = t->decoded;
	s->quality = t->decoded_quality;
	s->has_value = s->has_quality = true;
}

/* ---- value_read.c, value_s7.c: @each is called for every point of the device in the message ----
 */

typedef void value_each(struct values *v, const struct seen *s, const struct sample *sample);

/* What a request does to values, or a reply tells of. */
enum value_role {
	VALUE_NOTHING,    /* most reads: the reply says all */
	VALUE_ASKS,       /* the reply does not say of what its values are */
	VALUE_WRITES,     /* it names them */
	VALUE_MAY_CHANGE, /* it does not */
};

enum value_role value_role(const struct pdu *pdu);
enum value_role value_s7_role(int32_t code);
/* Values in replies and unsolicited messages that say where they are themselves. */
void value_of_reply(struct values *v, const struct seen *s, value_each *each);
/* Values that a request wants to write. */
void value_of_write(struct values *v, const struct seen *s, value_each *each);
void value_of_s7_write(struct values *v, const struct seen *s, value_each *each);
/* Where the values of a reply will belong to that does not say it itself: remembered until it
 * comes.
 */
void value_of_read(struct values *v, const struct seen *s);
/* The reply to a read or write whose points were remembered. */
void value_of_asked(struct values *v, struct seen *s, value_each *written, value_each *read);
void value_of_s7_asked(struct values *v, struct seen *s, value_each *written, value_each *read);
/* What an S7 device sends of a job that it was given before. */
void value_of_job(struct values *v, const struct seen *s, value_each *read);

/* ---- value_asked.c ---- */

/* A place that a request names, until the reply comes. */
struct asked_point {
	struct sample sample;
	uint16_t skip; /* bytes before it in the reply's item, or in its area of the item */
	bool single;   /* the item is one bit, told as a byte */
	bool area;     /* no point: an area of skip bytes begins, of several that share the item */
};

struct asked *asked_new(size_t requests);
void asked_free(struct asked *a);
/* Names a request of the flow: its tx_id, or another number of its own. */
uint64_t asked_key(const struct event *e, uint64_t what);
/* Begins a request; asked_add() adds to it. */
void asked_begin(struct asked *a, const struct event *e, uint64_t key);
void asked_add(struct asked *a, const struct asked_point *point);
/* Adds what one of the same print (event.h) had, or false. */
bool asked_again(struct asked *a, uint64_t print);
/* All is added: remembers it for the next of this print. */
void asked_know(struct asked *a, uint64_t print);
/* Ends it; true if it had too many, or a request that still waited for its reply had to give way.
 */
bool asked_end(struct asked *a);
/* The points of a request: so many, the i-th by asked_at(). */
size_t asked_look(const struct asked *a, uint64_t key, uint64_t *first);
/* The same of one that is over. */
size_t asked_take(struct asked *a, uint64_t key, uint64_t *first);
const struct asked_point *asked_at(const struct asked *a, uint64_t i);

/* ---- value_track.c ---- */

void track_read(struct values *v, const struct seen *s, const struct sample *sample);
/* The device has accepted it; the values of the PDU behind @s are those of the reply. */
void track_written(struct values *v, const struct seen *s, const struct sample *sample);
/* Somebody asks to write it. */
void track_asked(struct values *v, const struct seen *s, const struct sample *sample);
void track_tick(struct values *v, struct stamp now);
/* A capture has ended: what follows may be another day. */
void track_rest(struct values *v);

/* ---- value_lock.c ---- */

bool locks_open(struct values *v);
void locks_check(struct values *v, const struct seen *s, uint32_t point);
void locks_tick(struct values *v, struct stamp now);
void locks_rest(struct values *v);

/* ---- value_tell.c ---- */

enum value_kind {
	VALUE_CHANGED,
	VALUE_WRITTEN,
	VALUE_LIMIT,
	VALUE_RATE,
	VALUE_STUCK,
	VALUE_STALE,
	VALUE_QUALITY,
	VALUE_MOVED,
	VALUE_NOT_EFFECTIVE,
	VALUE_INTERLOCK,
	VALUE_KINDS
};

/* NaN and NULL are left out. */
struct finding {
	enum value_kind kind;
	uint32_t point;
	const struct seen *seen; /* or NULL: time told */
	struct stamp at;         /* then */
	double old, value, wanted, limit, rate, seconds;
	const char *bound, *interlock;
	unsigned quality;
	bool write; /* source */
};

static inline struct finding finding_of(
	enum value_kind kind, uint32_t point, const struct seen *seen)
{
	return (struct finding){ .kind = kind,
		.point = point,
		.seen = seen,
		.old = NAN,
		.value = NAN,
		.wanted = NAN,
		.limit = NAN,
		.rate = NAN,
		.seconds = NAN,
		.write = seen != NULL && seen->write };
}

/* Which kinds rules or outputs want: after they have changed. */
void value_rules(void *self);
static inline bool value_wants(const struct values *v, enum value_kind kind)
{
	return v->wanted >> kind & 1;
}

void value_tell(const struct values *v, const struct finding *f);

#endif
