/* talk.c - one connection a node of the cluster; the first is the one that the URL names. */
#include "common/talk.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"

enum { NODES = 32, SLOTS = 16384, REDIRECTS = 8, TURN_MS = 200, WORDS = 16, HOME = 0 };

static const struct bus_limits limits = { .connect_ms = 3000,
	.reply_ms = 10000,
	.max_reply = 64 * 1024 * 1024,
	.max_out = 32 * 1024 * 1024 };

struct talk {
	const atomic_bool *stop;
	struct bus_target target[NODES];
	struct bus *bus[NODES];
	unsigned nodes;
	unsigned first; /* where to ask when nothing is known */
	bool too_long;
	uint8_t slot[SLOTS]; /* 1 + node; 0: not known */
};

struct talk *talk_open(const char *url, const atomic_bool *stop, struct err *err)
{
	struct talk *t = calloc(1, sizeof *t);
	if (t == NULL || !bus_url(url, &t->target[HOME], err)) {
		free(t);
		err_set(err, "out of memory");
		return NULL;
	}
	t->stop = stop;
	t->nodes = 1;
	return t;
}

void talk_close(struct talk *t)
{
	if (t == NULL)
		return;
	for (unsigned i = 0; i < t->nodes; i++)
		bus_close(t->bus[i]);
	free(t);
}

bool talk_too_long(const struct talk *t)
{
	return t->too_long;
}

bool talk_is_cluster(const struct talk *t)
{
	return t->nodes > 1;
}

const char *talk_key(const struct talk *t)
{
	return t->target[HOME].key;
}

/* --- slots: Redis Cluster specification, "Key distribution model" -------------------------- */

static unsigned crc16(const char *p, size_t n)
{
	unsigned crc = 0; /* XMODEM */
	for (size_t i = 0; i < n; i++) {
		crc ^= (unsigned)(uint8_t)p[i] << 8;
		for (int b = 0; b < 8; b++)
			crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
	}
	return crc & 0xffff;
}

static unsigned slot_of(const char *key)
{
	const char *open = strchr(key, '{'), *end = open == NULL ? NULL : strchr(open, '}');
	if (end != NULL && end > open + 1)
		return crc16(open + 1, (size_t)(end - open - 1)) % SLOTS;
	return crc16(key, strlen(key)) % SLOTS;
}

/* --- connections ------------------------------------------------------------------------- */

static void drop(struct talk *t, unsigned node)
{
	bus_close(t->bus[node]);
	t->bus[node] = NULL;
	for (unsigned i = 0; i < SLOTS; i++)
		if (t->slot[i] == node + 1)
			t->slot[i] = 0;
	/* ask elsewhere next time: this one may have died and left its slots to a replica */
	t->first = t->nodes < 2 ? 0 : (node + 1) % t->nodes;
}

static unsigned node_at(struct talk *t, const struct bus_target *to)
{
	for (unsigned i = 0; i < t->nodes; i++)
		if (t->target[i].port == to->port && strcmp(t->target[i].host, to->host) == 0)
			return i;
	unsigned i = t->nodes < NODES ? t->nodes++ : NODES - 1;
	if (t->bus[i] != NULL)
		drop(t, i);
	t->target[i] = *to;
	return i;
}

static bool work(struct talk *t, struct bus *b, struct err *err)
{
	int64_t now = mono_ns() / 1000000;
	struct pollfd p = { .fd = bus_fd(b), .events = bus_events(b) };
	if (atomic_load(t->stop))
		return err_set(err, "stopped");
	poll(&p, 1, bus_patience(b, now, TURN_MS));
	return bus_work(b, mono_ns() / 1000000, err);
}

static struct bus_reply *ask_node(struct talk *t, unsigned node, bool asking, int argc,
	const char *const *argv, const size_t *len, struct err *err)
{
	static const char *const prefix[] = { "ASKING" };
	struct bus_reply *r = NULL;
	if (t->bus[node] == NULL)
		t->bus[node] = bus_open(&t->target[node], &limits, mono_ns() / 1000000, err);
	struct bus *b = t->bus[node];
	bool good = b != NULL;
	while (good && bus_state(b) != BUS_UP)
		good = work(t, b, err);
	good = good && (!asking || bus_send(b, 1, prefix, NULL)) && bus_send(b, argc, argv, len);
	if (good && b != NULL && bus_due(b) == 0)
		good = false;
	while (good && (asking || r == NULL)) {
		r = bus_receive(b);
		if (r != NULL && asking) {
			asking = false;
			bus_reply_free(r);
			r = NULL;
		} else if (r == NULL) {
			good = work(t, b, err);
		}
	}
	if (good)
		return r;
	err_set(err, "Redis takes no command");
	t->too_long = b != NULL && bus_too_long(b);
	drop(t, node);
	return NULL;
}

struct bus_reply *talk_ask(struct talk *t, const char *key, int argc, const char *const *argv,
	const size_t *len, struct err *err)
{
	unsigned slot = key == NULL ? SLOTS : slot_of(key), node = t->first;
	bool asking = false;
	t->too_long = false;
	if (slot < SLOTS && t->slot[slot] != 0)
		node = t->slot[slot] - 1u;
	for (unsigned i = 0; i < REDIRECTS; i++) {
		struct bus_reply *r = ask_node(t, node, asking, argc, argv, len, err);
		if (r == NULL)
			return NULL;
		bool moved = bus_is_error(r, "MOVED");
		asking = bus_is_error(r, "ASK");
		if (!moved && !asking)
			return r;
		struct bus_target to = t->target[node];
		bool follows = bus_follow(r, &to);
		bus_reply_free(r);
		if (!follows)
			break;
		node = node_at(t, &to);
		if (moved && slot < SLOTS)
			t->slot[slot] = (uint8_t)(node + 1);
	}
	err_set(err, "too many redirections of the cluster");
	return NULL;
}

struct bus_reply *talk_say(struct talk *t, struct err *err, ...)
{
	const char *argv[WORDS];
	int argc = 0;
	va_list args;
	va_start(args, err);
	for (const char *w = va_arg(args, const char *); w != NULL && argc < WORDS;
		w = va_arg(args, const char *))
		argv[argc++] = w;
	va_end(args);
	return talk_ask(t, argc > 1 ? argv[1] : NULL, argc, argv, NULL, err);
}
