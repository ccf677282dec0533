/* room.c - coarser rather than fewer, and a reserve for what hurries. */
#include "aggregator/room.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "aggregator/link.h"

enum { LOOK_MS = 60000, AGAIN_MS = 5000, MERGES = 16, START_BYTES = 1024 * 1024 };

/* --- the reserve: bytes that nothing else on this disk can take ---------------------------- */

static bool reserve_path(const struct agg_config *c, char *out, size_t cap)
{
	int n = c->folder == NULL ? -1 : snprintf(out, cap, "%s/reserve", c->folder);
	return n > 0 && (size_t)n < cap;
}

static bool take_reserve(const struct node *n)
{
	char path[4200];
	off_t want = (off_t)n->config->reserve_mib * 1024 * 1024;
	if (store_bytes(n->store) == 0 || !reserve_path(n->config, path, sizeof path))
		return true; /* in memory */
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	bool good = posix_fallocate(fd, 0, want) == 0;
	close(fd);
	if (!good)
		unlink(path);
	return good;
}

static void give_reserve(const struct agg_config *c)
{
	char path[4200];
	if (reserve_path(c, path, sizeof path))
		unlink(path);
}

/* The store has a part of it from the start, and takes more when the rest is given up: of three
 * eighths one goes into the file and one into the WAL, and the rest is for writing that. */
static void claim(struct node *n)
{
	store_claim(n->store, (int64_t)n->config->reserve_mib * 1024 * 1024 * 3 / 8);
}

void room_before_open(const struct agg_config *c)
{
	struct statvfs disk;
	if (c->folder != NULL && statvfs(c->folder, &disk) == 0 &&
		disk.f_bavail * disk.f_frsize < START_BYTES)
		give_reserve(c);
}

/* --- how much is left ---------------------------------------------------------------------- */

int room_percent(const struct node *n)
{
	if (n->room.gone)
		return 100; /* what is left is for what hurries */
	return store_percent(n->store, (int64_t)n->config->store_mib << 20);
}

bool room_is_short(const struct node *n)
{
	return room_percent(n) >= ROOM_SHORT;
}

/* One step of each link; false: nothing is left to merge. */
static bool coarsen(struct node *n, struct now now)
{
	bool any = false;
	for (unsigned i = 0; i < n->links; i++)
		any = link_coarsen(n->link[i], now) || any;
	return any;
}

static void make_way(struct node *n, struct now now)
{
	struct room *r = &n->room;
	r->look_ms = now.mono_ms + AGAIN_MS;
	if (!r->gone) {
		give_reserve(n->config);
		claim(n);
	}
	r->gone = true;
	while (coarsen(n, now))
		;
	store_settle(n->store);
	store_begin(n->store);
	node_alarm(n, now, "disk-full", n->org,
		"the disk is full: the reserve is in use, windows become coarser");
	store_commit(n->store);
}

void room_missed(struct node *n, struct now now)
{
	switch (store_trouble(n->store)) {
	case STORE_RAN_OUT:
		make_way(n, now);
		break;
	case STORE_DAMAGED:
		n->broken = true;
		break;
	default:
		break;
	}
}

static void look(struct node *n, struct now now)
{
	struct room *r = &n->room;
	if (r->gone && take_reserve(n)) {
		r->gone = false;
		node_say(n, 5, "there is room again: the reserve is back");
	}
	for (unsigned i = 0; i < MERGES && room_is_short(n) && coarsen(n, now); i++)
		;
}

void room_tick(struct node *n, struct now now)
{
	struct room *r = &n->room;
	if (!r->asked) {
		r->asked = true;
		claim(n);
		r->gone = !take_reserve(n);
	}
	room_missed(n, now);
	if (now.mono_ms >= r->look_ms) {
		look(n, now);
		r->look_ms = now.mono_ms + (r->gone ? AGAIN_MS : LOOK_MS);
	}
}
