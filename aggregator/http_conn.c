/* http_conn.c - a list of them, and one of those that have not said who they are. */
#include "aggregator/http_conn.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* About as many as can be let in by handshakes before their clients give up. */
enum { STRANGERS = 4096 };

void conns_init(struct conns *c, unsigned most)
{
	c->most = most / 2 < STRANGERS ? most / 2 + 1 : STRANGERS;
	pthread_mutex_init(&c->lock, NULL);
	TAILQ_INIT(&c->all);
	TAILQ_INIT(&c->strangers);
	c->count = 0;
}

void conns_fini(struct conns *c)
{
	pthread_mutex_destroy(&c->lock);
}

static void name_address(struct conn *c, const struct sockaddr *a)
{
	const void *at =
		a->sa_family == AF_INET6
			? (const void *)&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr
			: (const void *)&((const struct sockaddr_in *)(const void *)a)->sin_addr;
	if (inet_ntop(a->sa_family, at, c->address, sizeof c->address) == NULL)
		c->address[0] = '\0';
}

/* Under the lock. */
static void cut(struct conn *one)
{
	one->cut = true;
	shutdown(one->fd, SHUT_RDWR);
}

static void no_stranger(struct conns *c, struct conn *one)
{
	if (!one->stranger)
		return;
	TAILQ_REMOVE(&c->strangers, one, next_stranger);
	one->stranger = false;
	c->count--;
}

struct conn *conns_add(struct conns *c, int fd, const struct sockaddr *from, bool stranger)
{
	struct conn *one = calloc(1, sizeof *one);
	if (one == NULL)
		return NULL;
	one->fd = fd;
	one->stranger = stranger;
	if (from != NULL)
		name_address(one, from);
	pthread_mutex_lock(&c->lock);
	TAILQ_INSERT_TAIL(&c->all, one, next);
	if (stranger) {
		struct conn *oldest = TAILQ_FIRST(&c->strangers);
		if (c->count >= c->most && oldest != NULL) {
			cut(oldest);
			no_stranger(c, oldest);
		}
		TAILQ_INSERT_TAIL(&c->strangers, one, next_stranger);
		c->count++;
	}
	pthread_mutex_unlock(&c->lock);
	return one;
}

void conns_remove(struct conns *c, struct conn *one)
{
	pthread_mutex_lock(&c->lock);
	no_stranger(c, one);
	TAILQ_REMOVE(&c->all, one, next);
	pthread_mutex_unlock(&c->lock);
	free(one);
}

void conns_known(struct conns *c, struct conn *one, const char *org)
{
	pthread_mutex_lock(&c->lock);
	no_stranger(c, one);
	snprintf(one->org, sizeof one->org, "%s", org);
	pthread_mutex_unlock(&c->lock);
}

unsigned conns_cut(struct conns *c, const char *org)
{
	unsigned n = 0;
	struct conn *one;
	pthread_mutex_lock(&c->lock);
	TAILQ_FOREACH(one, &c->all, next)
	{
		if (strcmp(one->org, org) != 0 || one->cut)
			continue;
		cut(one);
		n++;
	}
	pthread_mutex_unlock(&c->lock);
	return n;
}
