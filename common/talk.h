/* talk.h - question and answer with Redis or a Redis Cluster from a thread of one's own. Built on
 * bus.h; MOVED and ASK are followed, each key's node is remembered. */
#ifndef COMMON_TALK_H
#define COMMON_TALK_H

#include <stdatomic.h>

#include "common/bus.h"

struct talk;

/* @url as bus_url(). While *@stop is set every call fails at once. NULL and @err: the URL is wrong.
 * Nothing is connected yet. */
struct talk *talk_open(const char *url, const atomic_bool *stop, struct err *err);
void talk_close(struct talk *t);
/* Any key= of the URL, or "". */
const char *talk_key(const struct talk *t);
/* @key routes in a cluster; NULL: any node. The reply (which may be a BUS_ERROR of the server) is
 * the caller's to bus_reply_free(). NULL and @err: no connection, too many redirections, or
 * stopped; the outcome is unknown. */
struct bus_reply *talk_ask(struct talk *t, const char *key, int argc, const char *const *argv,
	const size_t *len, struct err *err);
/* The last talk_ask() failed because its reply was longer than is held: another try fails alike. */
bool talk_too_long(const struct talk *t);
/* The server sent us on to others: what one node cannot answer another may. */
bool talk_is_cluster(const struct talk *t);
/* The same for C strings, NULL-terminated: the second is the key. */
struct bus_reply *talk_say(struct talk *t, struct err *err, ...) __attribute__((sentinel));

#endif
