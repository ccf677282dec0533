/* http_conn.h - the live connections of one listener: whose they are, how they are cut, and that
 * strangers cannot take all of them. */
#ifndef AGGREGATOR_HTTP_CONN_H
#define AGGREGATOR_HTTP_CONN_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "common/keys.h"

struct conn {
	TAILQ_ENTRY(conn) next, next_stranger;
	int fd;
	bool cut, stranger;
	char org[ORG_TEXT];
	char address[INET6_ADDRSTRLEN];
};

TAILQ_HEAD(conn_list, conn);

struct conns {
	pthread_mutex_t lock;
	struct conn_list all, strangers; /* strangers: the oldest first */
	unsigned count, most;            /* of strangers */
};

/* @most: connections that the listener has room for. */
void conns_init(struct conns *c, unsigned most);
void conns_fini(struct conns *c);
/* @stranger: nobody has asked anything on it yet. When there are too many the oldest is cut: a
 * child needs a few ms to say who it is. NULL: out of memory. */
struct conn *conns_add(struct conns *c, int fd, const struct sockaddr *from, bool stranger);
void conns_remove(struct conns *c, struct conn *one);
/* It is of this organisation from now on. */
void conns_known(struct conns *c, struct conn *one, const char *org);
/* Shuts down those of an organisation; how many. */
unsigned conns_cut(struct conns *c, const char *org);

#endif
