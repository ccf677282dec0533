/* asks.h - does a flow begin with a question to one host? For watchers of who contacts whom. */
#ifndef SENSOR_ASKS_H
#define SENSOR_ASKS_H

#include <string.h>

#include "sensor/flow.h"

/* Multicast and broadcast ask whoever hears it. */
static inline bool is_group(const struct endpoint *e)
{
	const uint8_t *b = e->ip.bytes;
	if (e->has_mac && (e->mac[0] & 1))
		return true;
	return e->ip.family == 6 ? b[0] == 0xff : b[12] >= 224;
}

/* 0.0.0.0, of who has no address yet. */
static inline bool is_unset(const struct endpoint *e)
{
	static const uint8_t none[4];
	return e->ip.family == 4 && memcmp(e->ip.bytes + 12, none, 4) == 0;
}

/* Asked when it starts: does its first packet ask end[1] for something? Else it answers what was
 * asked before the capture, or goes on with it. */
static inline bool flow_asks(const struct flow *f)
{
	enum { RESERVED = 1024 };
	if (f->l4 == L4_TCP)
		return f->client_sure && f->client == 0;
	return f->end[0].port >= f->end[1].port || f->end[1].port < RESERVED;
}

static inline bool flow_to_one(const struct flow *f)
{
	return !is_group(&f->end[1]) && !is_unset(&f->end[0]);
}

#endif
