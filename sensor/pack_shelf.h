/* pack_shelf.h - the rule packs and indicator sets in use: judged, and kept at rest so that no
 * older one comes after them. Belongs to one thread at a time. */
#ifndef SENSOR_PACK_SHELF_H
#define SENSOR_PACK_SHELF_H

#include "common/signed_pack.h"
#include "sensor/rules_in_use.h"

struct pack_held {
	struct signed_pack pack; /* borrows text */
	char *text;
	size_t len;
	bool aside; /* does not go with our own rules */
};

struct pack_shelf {
	const struct text_list *keys;
	uint64_t threshold;
	const char *folder; /* NULL: not kept at rest */
	struct pack_held held[PACK_NAMES];
	size_t count;
};

void pack_held_free(struct pack_held *h);
/* A copy of @text, taken apart. False and @err. */
bool pack_held_read(struct pack_held *h, const char *text, size_t len, struct err *err);
struct pack_held *shelf_find(struct pack_shelf *s, const char *name); /* or NULL */
/* What was kept, by today's keys; expired ones too, for they were trusted in their time. Faults are
 * told. */
void shelf_load(struct pack_shelf *s, struct text_list *faults);

enum pack_verdict { PACK_SAME, PACK_NEWER, PACK_REFUSED };
/* May what lies under @name in Redis take the place of what is held? */
enum pack_verdict shelf_judge(struct pack_shelf *s, const char *name, const struct signed_pack *p,
	int64_t now_s, struct err *err);
/* To disk, before it is used. */
bool shelf_keep(const struct pack_shelf *s, const struct pack_held *h, struct err *err);
/* Puts @h in its place and what was there into @h (zeroed: nothing was). False: no room. */
bool shelf_swap(struct pack_shelf *s, struct pack_held *h, struct err *err);
/* Undoes that. */
void shelf_swap_back(struct pack_shelf *s, struct pack_held *h);
/* Our own rules and all that is held, without what is aside. NULL and @faults. */
struct rules *shelf_compile(const struct pack_shelf *s, const struct rules_in_use *own,
	const struct config *c, struct text_list *faults);
size_t shelf_in_use(const struct pack_shelf *s); /* without those that were withdrawn */
void shelf_free(struct pack_shelf *s);

#endif
