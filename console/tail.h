/* tail.h - what the pieces of bongsu-tail share. */
#ifndef CONSOLE_TAIL_H
#define CONSOLE_TAIL_H

#include <signal.h>

#include "common/err.h"
#include "console/line.h"

enum { TAIL_SENSORS = 64 };

struct tail {
	struct line_filter filter;
	struct line_style style;
	bool json;                         /* print events as they came */
	bool once;                         /* do not follow */
	size_t last;                       /* show so many old ones first */
	const char *sensors[TAIL_SENSORS]; /* --sensor; none: those that Redis knows */
	size_t sensor_count;

	bool holding; /* old events: only the last of them are shown */
	char **held;  /* a ring of last lines */
	size_t held_count, held_next;
	char text[LINE_TEXT];
};

extern volatile sig_atomic_t tail_stopped;

/* An event came; one that is none is told of once. */
void tail_show(struct tail *t, const char *line, size_t len);
/* Between these only the last t->last events are kept, then they are printed. */
void tail_hold(struct tail *t);
void tail_release(struct tail *t);
/* A word to the operator, on stderr. */
void tail_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Each returns when t->once is done or tail_stopped; false and @err on failure. */
bool tail_file(struct tail *t, const char *path, struct err *err);
bool tail_redis(struct tail *t, const char *url, struct err *err);

#endif
