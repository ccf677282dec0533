/* asset_talk.c - who speaks which protocol to whom, and how a flow finds its talk again. */
#include "sensor/asset_tell.h"

#include <string.h>

#include "sensor/services.h"

enum { PORT_EPHEMERAL = 32768 };

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
		t->speaks = service == 0 ? NULL : services[service - 1];
		t->plant = (uint8_t)plant_of(s, t->speaks);
		t->first_ns = at.ts_ns;
	}
	t->last_ns = at.ts_ns;
	return t;
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
	talk_find_devices(s, t);
}

struct talk *talk_of(const struct assets *s, const struct flow *f)
{
	struct talk *t = talk_at(s, *asset_note(s, f));
	if (t == NULL || memcmp(t->key.address[0], f->end[f->client].ip.bytes, 16) != 0 ||
		memcmp(t->key.address[1], f->end[!f->client].ip.bytes, 16) != 0)
		return NULL;
	t->flow[f->id % TALK_FLOWS] = (struct talk_flow){ f, f->client };
	return t;
}

/* The device of one side, 0 the one that asks. */
static struct asset *device_of(const struct assets *s, const struct talk *t, unsigned side)
{
	struct asset *a = asset_at(s, t->place[side]);
	return a != NULL && a->key.unit == ASSET_WHOLE &&
			       memcmp(a->key.address, t->key.address[side], 16) == 0
		       ? a
		       : NULL;
}

void talk_find_devices(const struct assets *s, struct talk *t)
{
	if (t->as_of != s->gone)
		memset(t->behind, 0, sizeof t->behind);
	t->known[0] = t->known[1] = false;
	t->device[0] = device_of(s, t, 0);
	t->device[1] = device_of(s, t, 1);
	t->as_of = s->gone;
}
