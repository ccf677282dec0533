/* sink_kind.h - what the kinds of sinks share: each runs in a thread of its own behind a ring, so
 * that one which is slow or failing does not hurt the others. */
#ifndef SENSOR_SINK_KIND_H
#define SENSOR_SINK_KIND_H

#include <pthread.h>

#include "sensor/ring.h"
#include "sensor/sink.h"

enum { SINK_RING = 4 * 1024 * 1024 }; /* bytes */

struct sink_beat_box {
	pthread_mutex_t lock;
	struct sink_beat beat;
};

struct sink {
	const struct sink_kind *kind;
	char *spec; /* as given */
	const struct sink_options *options;
	struct sink_beat_box *beat; /* shared by all */
	struct ring ring;
	pthread_t thread;
	bool running;
	void *own; /* of the kind */

	atomic_bool closing, reopen;
	atomic_bool broken;       /* its reader has gone away for good, which is no failure */
	atomic_llong deadline_ms; /* monotonic; how long to drain once closing */
	struct err fault;         /* of the thread; read after it was joined */
	_Atomic uint64_t delivered, dropped, refused, spooled, spool_damaged, reconnects;
	uint64_t full; /* lines that found the ring full; the writer's */
	int64_t told_full_ms;
};

struct sink_kind {
	const char *scheme; /* what its specs start with */
	bool alone;         /* nothing follows the scheme */
	/* Checks @rest, what follows the scheme, and sets s->own. */
	bool (*open)(struct sink *s, const char *rest, struct err *err);
	/* With the thread running, in replay: waits until it is known whether the sink will do. May
	 * be NULL. */
	bool (*ready)(struct sink *s, struct err *err);
	/* The thread: until s->closing and all is delivered, or sink_late(). */
	void (*run)(struct sink *s);
	/* The state of a thing, see sinks_keep(); from the thread that puts. May be NULL. */
	void (*keep)(struct sink *s, const char *name, const char *json, size_t len);
	/* Takes a half-open one too. */
	void (*free)(struct sink *s);
};

extern const struct sink_kind sink_stdout, sink_file, sink_syslog, sink_redis, sink_redis_unix,
	sink_rediss;

int64_t sink_now_ms(void); /* monotonic */
/* Closing, and the time to drain is over. */
bool sink_late(const struct sink *s);
/* Tells the operator: "SPEC: text". */
void sink_say(const struct sink *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sleeps until the ring has a line, somebody rouses, @fd (or -1) has @events, or @ms have passed.
 * Returns the events of @fd. */
short sink_sleep(struct sink *s, int fd, short events, int ms);

static inline void sink_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
