/* sink_redis.h - what the files of the Redis sink share.
 * sink_redis.c: the thread, from the ring through the spool. sink_redis_link.c: the connection and
 * what is acknowledged. sink_redis_errand.c: commands beside it. sink_redis_beat.c: discovery and
 * heartbeat. sink_redis_board.c: what is known of devices. */
#ifndef SENSOR_SINK_REDIS_H
#define SENSOR_SINK_REDIS_H

#include "common/bus.h"
#include "sensor/sink_kind.h"
#include "sensor/spool.h"

enum {
	IN_FLIGHT = 2048, /* events sent and not yet answered */
	BATCH = 512,      /* events between two looks at the rest of the world */
	TICK_MS = 20,
};

enum link_phase {
	LINK_AWAY,
	LINK_CONNECTING,
	LINK_ASKING, /* XINFO is out: how far has the stream got? */
	LINK_FLOWING,
	LINK_ENDING,  /* an error came: the answers still due are read, nothing more is sent */
	LINK_STOPPED, /* for good: s->fault says why */
};

struct link {
	struct sink *sink;
	struct bus_target home, node; /* as configured; where MOVED sent us */
	enum bus_mode mode;
	char key[256];
	struct bus *bus;
	enum link_phase phase;
	bool asking; /* the node imports our slot: ASKING before each command */
	unsigned redirects;
	int64_t retry_ms, since_ms; /* next attempt; away since */
	uint32_t backoff_ms;
	bool told;    /* that it is away */
	bool checked; /* the stream has been asked once */

	struct spool *spool; /* stream and list */
	struct spool_id sent[IN_FLIGHT];
	size_t first, in_flight;
	struct spool_id newest;  /* put by us */
	struct spool_id highest; /* acknowledged, ever */
	uint64_t failed;         /* refused events behind which none was accepted yet */
	uint64_t missed;         /* channels: events that were not sent, or perhaps not heard */
	struct err why;          /* of the last end of a connection */
};

/* An event came into the spool (or, for channels, is sent at once or dropped). */
void link_put(struct link *l, const struct ring_line *line);
/* Connects, reads answers, sends what waits. */
void link_work(struct link *l, int64_t now_ms);
/* Nothing is left to deliver. */
bool link_idle(const struct link *l);
/* What cannot be delivered any more is counted; sets the sink's fault. */
void link_finish(struct link *l);
void link_stop(struct link *l, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- errands: commands beside the stream ---- */

struct errand {
	const char *what; /* for people */
	void *ctx;
	/* Sends the command that is due, numbered from 0. */
	bool (*send)(void *ctx, unsigned command, struct bus *bus);
	/* It was answered, and not refused: is there another? */
	bool (*next)(void *ctx, unsigned command, const struct bus_reply *r);

	struct bus *bus;
	struct bus_target target; /* of the command that is due */
	unsigned command, redirects;
	unsigned step; /* the owner's */
	bool running, sent, asking;
	bool told; /* that it failed */
};

void errand_start(struct errand *e, const struct link *l, int64_t now_ms);
void errand_work(struct errand *e, const struct link *l, int64_t now_ms);
void errand_fini(struct errand *e);

/* ---- beat ---- */

struct beat {
	struct errand errand;
	int64_t next_ms;
};
enum { BEAT_EVERY_S = 15, BEAT_TTL_S = 60 };

void beat_init(struct beat *b, struct link *l);
/* For streams, every BEAT_EVERY_S seconds: SADD, HSET, EXPIRE. */
void beat_work(struct beat *b, const struct link *l, int64_t now_ms);

/* ---- board ---- */

struct board;
struct board *board_new(struct link *l);
/* Any thread; copies. @json NULL: there is no such thing any more. */
void board_keep(struct board *h, const char *name, const char *json, size_t len);
/* Each second, or at once with @hurry. */
void board_work(struct board *h, const struct link *l, bool hurry, int64_t now_ms);
const struct bus *board_bus(const struct board *h); /* or NULL */
/* All is written, or cannot be. */
bool board_idle(struct board *h);
void board_free(struct board *h);

extern const struct bus_limits redis_limits;

#endif
