/* asset_talk.c - who speaks which protocol to whom, and how a flow finds its talk again. */
#include "sensor/asset_table.h"

#include <string.h>

enum { PORT_EPHEMERAL = 32768 };

uint32_t *asset_note(const struct assets *s, const struct flow *f)
{
	return &((struct flow *)(uintptr_t)f)->note[s->watch->index];
}

bool flow_is_foreign(const struct flow *f, unsigned end)
{
	return addr_is_routable(&f->end[end].ip) && f->zone[end] == 0 && f->name[end] == 0;
}

struct talk *talk_put(
	struct assets *s, const struct flow *f, uint8_t service, unsigned rank, struct stamp at)
{
	struct talk_key key = { .vlan = asset_vlan(s, f), .service = service };
	bool fresh;
	memcpy(key.address[0], f->end[f->client].ip.bytes, 16);
	memcpy(key.address[1], f->end[!f->client].ip.bytes, 16);
	if (service == 0) {
		uint16_t port = f->end[!f->client].port;
		key.port = port < PORT_EPHEMERAL ? port : 0;
		key.l4 = f->l4;
	}
	struct talk *t = roster_put(s->talks, &key, rank, &fresh);
	if (t == NULL)
		return NULL;
	if (fresh) {
		t->family = f->end[0].ip.family;
		t->tsap = ASSET_NOWAY;
		t->first_ns = at.ts_ns;
	}
	t->last_ns = at.ts_ns;
	return t;
}

/* Asked for each message. */
static inline bool same_address(const uint8_t a[16], const uint8_t b[16])
{
	uint64_t x[2], y[2];
	memcpy(x, a, 16);
	memcpy(y, b, 16);
	return x[0] == y[0] && x[1] == y[1];
}

/* Devices and their talk know each other. */
void talk_places(struct assets *s, struct talk *t, const struct flow *f)
{
	uint32_t place = (uint32_t)roster_place(s->talks, t) + 1;
	for (unsigned side = 0; side < 2; side++) {
		const struct endpoint *e = &f->end[side == 0 ? f->client : !f->client];
		struct asset *a = asset_find(s, &e->ip, asset_vlan(s, f), ASSET_WHOLE);
		t->place[side] = a == NULL ? 0 : (uint32_t)roster_place(s->devices, a) + 1;
		unsigned n = 0;
		while (a != NULL && n < a->peers && a->peer[n] != place)
			n++;
		if (a == NULL || n < a->peers || n == ASSET_PEERS)
			continue;
		a->peer[a->peers++] = place;
		asset_changed(s, a, 0, a->changed);
	}
}

/* The device of one side of a talk, if its place is still its own. */
struct asset *asset_talker(const struct assets *s, const struct talk *t, unsigned side)
{
	struct asset *a = asset_at(s, t->place[side]);
	return a != NULL && a->key.unit == ASSET_WHOLE &&
			       same_address(a->key.address, t->key.address[side])
		       ? a
		       : NULL;
}

struct talk *talk_of(const struct assets *s, const struct flow *f)
{
	uint32_t place = *asset_note(s, f) & NOTE_TALK;
	struct talk *t = place == 0 ? NULL : roster_at(s->talks, place - 1);
	bool ours = t != NULL && same_address(t->key.address[0], f->end[f->client].ip.bytes) &&
		    same_address(t->key.address[1], f->end[!f->client].ip.bytes);
	return ours ? t : NULL;
}
