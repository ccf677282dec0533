/* sink_redis_board.c - the hash bongsu:assets:{SENSOR}: what is known of each device at present.
 * What changed waits here, the newest state of each alone, until it is written. */
#include "sensor/sink_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/limiter.h"

enum {
	BOARD_MAX = 8192, /* devices that wait */
	BOARD_BATCH = 64, /* fields of one command */
	BOARD_EVERY_MS = 1000,
	BOARD_REFUSED_MS = 60000, /* after a failure */
	BOARD_TTL_S = 7 * 86400,
	BOARD_FIELDS =
		65536 /* in the hash: more are of sensors that are gone, and it is begun anew */
};

struct kept {
	uint64_t hash;
	char name[64];
	char *json; /* NULL: to be taken out */
	size_t len;
};

struct board {
	pthread_mutex_t lock; /* of all below; the errand is the thread's */
	struct kept *waiting;
	size_t count, lost;
	struct kept batch[BOARD_BATCH]; /* on its way */
	size_t batch_count;
	struct errand errand;
	struct link *link;
	int64_t next_ms;
	bool begun; /* the size of the hash has been asked for */
	bool anew;  /* it is too big */
};

enum { BOARD_HLEN, BOARD_DEL, BOARD_HSET, BOARD_HDEL, BOARD_EXPIRE, BOARD_DONE };

/* --- what waits -------------------------------------------------------------------------- */

static struct kept *find(struct board *h, uint64_t hash, const char *name)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->waiting[i].hash == hash && strcmp(h->waiting[i].name, name) == 0)
			return &h->waiting[i];
	return NULL;
}

/* @newer: takes the place of what waits. Takes over @json. */
static void put(struct board *h, const char *name, char *json, size_t len, bool newer)
{
	uint64_t hash = key_mix_bytes(0, (const uint8_t *)name, strlen(name));
	struct kept *k = find(h, hash, name);
	if (k != NULL && !newer) {
		free(json);
		return;
	}
	if (k == NULL && h->count == BOARD_MAX) {
		h->lost++;
		free(json);
		return;
	}
	if (k == NULL) {
		k = &h->waiting[h->count++];
		*k = (struct kept){ .hash = hash };
		snprintf(k->name, sizeof k->name, "%s", name);
	}
	free(k->json);
	k->json = json;
	k->len = len;
}

void board_keep(struct board *h, const char *name, const char *json, size_t len)
{
	char *copy = json == NULL ? NULL : malloc(len + 1);
	if (json != NULL && copy == NULL)
		return;
	if (copy != NULL) {
		memcpy(copy, json, len);
		copy[len] = '\0';
	}
	pthread_mutex_lock(&h->lock);
	put(h, name, copy, len, true);
	pthread_mutex_unlock(&h->lock);
}

static void take_batch(struct board *h)
{
	pthread_mutex_lock(&h->lock);
	h->batch_count = h->count < BOARD_BATCH ? h->count : BOARD_BATCH;
	memcpy(h->batch, h->waiting, h->batch_count * sizeof *h->batch);
	h->count -= h->batch_count;
	memmove(h->waiting, h->waiting + h->batch_count, h->count * sizeof *h->waiting);
	pthread_mutex_unlock(&h->lock);
}

/* It did not arrive: back to what waits, unless something newer does. */
static void put_back(struct board *h)
{
	pthread_mutex_lock(&h->lock);
	for (size_t i = 0; i < h->batch_count; i++)
		put(h, h->batch[i].name, h->batch[i].json, h->batch[i].len, false);
	h->batch_count = 0;
	pthread_mutex_unlock(&h->lock);
}

static void arrived(struct board *h)
{
	for (size_t i = 0; i < h->batch_count; i++)
		free(h->batch[i].json);
	h->batch_count = 0;
}

static bool waits(struct board *h)
{
	pthread_mutex_lock(&h->lock);
	bool any = h->count > 0;
	pthread_mutex_unlock(&h->lock);
	return any;
}

/* --- commands ---------------------------------------------------------------------------- */

static bool any_of(const struct board *h, bool there)
{
	for (size_t i = 0; i < h->batch_count; i++)
		if ((h->batch[i].json != NULL) == there)
			return true;
	return false;
}

/* The first command from @from on that has something to do. */
static unsigned due(const struct board *h, unsigned from)
{
	const bool wanted[BOARD_DONE] = { [BOARD_HLEN] = !h->begun,
		[BOARD_DEL] = h->anew,
		[BOARD_HSET] = any_of(h, true),
		[BOARD_HDEL] = any_of(h, false),
		[BOARD_EXPIRE] = any_of(h, true) };
	while (from < BOARD_DONE && !wanted[from])
		from++;
	return from;
}

static bool send_fields(const struct board *h, const char *key, bool there, struct bus *bus)
{
	const char *argv[2 + 2 * BOARD_BATCH] = { there ? "HSET" : "HDEL", key };
	int argc = 2;
	for (size_t i = 0; i < h->batch_count; i++) {
		if ((h->batch[i].json != NULL) != there)
			continue;
		argv[argc++] = h->batch[i].name;
		if (there)
			argv[argc++] = h->batch[i].json;
	}
	return bus_send(bus, argc, argv, NULL);
}

static bool send_command(void *ctx, unsigned command, struct bus *bus)
{
	struct board *h = ctx;
	char key[320], ttl[16];
	(void)command;
	snprintf(key, sizeof key, "bongsu:assets:{%s}", h->link->sink->options->sensor);
	snprintf(ttl, sizeof ttl, "%d", BOARD_TTL_S);
	const char *hlen[] = { "HLEN", key }, *del[] = { "DEL", key };
	const char *expire[] = { "EXPIRE", key, ttl };
	switch (h->errand.step) {
	case BOARD_HLEN:
		return bus_send(bus, 2, hlen, NULL);
	case BOARD_DEL:
		return bus_send(bus, 2, del, NULL);
	case BOARD_EXPIRE:
		return bus_send(bus, 3, expire, NULL);
	default:
		return send_fields(h, key, h->errand.step == BOARD_HSET, bus);
	}
}

static bool next_command(void *ctx, unsigned command, const struct bus_reply *r)
{
	struct board *h = ctx;
	(void)command;
	if (h->errand.step == BOARD_HLEN) {
		h->begun = true;
		h->anew = r->type == BUS_INTEGER && r->integer > BOARD_FIELDS;
	}
	if (h->errand.step == BOARD_DEL)
		h->anew = false;
	h->errand.step = due(h, h->errand.step + 1);
	if (h->errand.step < BOARD_DONE)
		return true;
	arrived(h);
	return false;
}

/* --- life -------------------------------------------------------------------------------- */

struct board *board_new(struct link *l)
{
	struct board *h = calloc(1, sizeof *h);
	if (h == NULL)
		return NULL;
	h->waiting = calloc(BOARD_MAX, sizeof *h->waiting);
	if (h->waiting == NULL) {
		free(h);
		return NULL;
	}
	pthread_mutex_init(&h->lock, NULL);
	h->link = l;
	h->errand = (struct errand){
		.what = "devices", .ctx = h, .send = send_command, .next = next_command
	};
	return h;
}

void board_work(struct board *h, const struct link *l, bool hurry, int64_t now_ms)
{
	bool was = h->errand.running;
	errand_work(&h->errand, l, now_ms);
	if (was && !h->errand.running) {
		put_back(h); /* nothing, if all arrived */
		if (h->errand.told)
			h->next_ms = now_ms + BOARD_REFUSED_MS;
	}
	if (h->errand.running || l->phase != LINK_FLOWING || !waits(h))
		return;
	if (now_ms < h->next_ms && (!hurry || h->errand.told))
		return;
	h->next_ms = now_ms + BOARD_EVERY_MS;
	take_batch(h);
	h->errand.step = due(h, 0);
	errand_start(&h->errand, l, now_ms);
	if (!h->errand.running)
		put_back(h);
}

const struct bus *board_bus(const struct board *h)
{
	return h->errand.bus;
}

bool board_idle(struct board *h)
{
	return !h->errand.running && (h->errand.told || !waits(h));
}

void board_free(struct board *h)
{
	if (h == NULL)
		return;
	errand_fini(&h->errand);
	put_back(h);
	for (size_t i = 0; i < h->count; i++)
		free(h->waiting[i].json);
	free(h->waiting);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
