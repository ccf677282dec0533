/* asset.c - follows the traffic for the table of devices. What a flow was found to be is done once,
 * and remembered in its note; each message then costs a few comparisons. */
#include "sensor/asset.h"

#include <stdlib.h>
#include <string.h>

#include "sensor/asset_tell.h"
#include "sensor/packet.h"
#include "sensor/services.h"

enum { SWEEP = 64, SWEEP_MIN = 16, REPLIES_USUAL = 20, USUAL_GAPS = 10 };

#define GAP_COUNTED  (60 * ASSET_SECOND) /* longer without any traffic is time not watched */
#define SAVE_EVERY   (600 * ASSET_SECOND)
#define KEEP_AGAIN   (3600 * ASSET_SECOND) /* others hear that it is still there */
#define FLAPS_WITHIN (3600 * ASSET_SECOND)

/* --- network cards ----------------------------------------------------------------------- */

static void tell_mac(struct assets *s, struct asset *a, const uint8_t old[6], struct stamp at)
{
	const struct asset_news n = { .event = ASSET_MAC, .a = a, .old_mac = old, .jump = -1 };
	asset_tell(s, &n, at);
}

/* The device was met behind another card than before. */
static void other_mac(
	struct assets *s, struct asset *a, const uint8_t mac[6], uint16_t vlan, struct stamp at)
{
	bool routed = station_is_router(station_find(s, mac, vlan)) || asset_is_routed(s, a);
	bool flaps = memcmp(a->old_mac, mac, 6) == 0 && at.ts_ns - a->mac_ns < FLAPS_WITHIN;
	memcpy(a->old_mac, a->mac, 6);
	memcpy(a->mac, mac, 6);
	a->mac_ns = at.ts_ns;
	if (routed || flaps)
		return;
	asset_changed(s, a, CHANGE_MAC, at);
	tell_mac(s, a, a->old_mac, at);
}

static void met_mac(
	struct assets *s, struct asset *a, const struct flow *f, unsigned end, struct stamp at)
{
	const struct endpoint *e = &f->end[end];
	uint16_t vlan = flow_inner_vlan(f);
	if (!e->has_mac || !mac_is_card(e->mac) || addr_is_loopback(&e->ip))
		return;
	if (!a->has_mac) {
		asset_set_card(s, a, e->mac, vlan);
		asset_changed(s, a, CHANGE_MAC, at);
	} else if (a->mac_vlan == vlan && memcmp(a->mac, e->mac, 6) != 0) {
		other_mac(s, a, e->mac, vlan, at);
	}
}

static void met_station(struct assets *s, const struct flow *f, unsigned end)
{
	const struct endpoint *e = &f->end[end];
	if (e->has_mac && mac_is_card(e->mac))
		station_speaks_for(
			s, station_put(s, e->mac, flow_inner_vlan(f), RANK_SEEN), &e->ip);
}

/* --- devices and talks ------------------------------------------------------------------- */

static struct asset *met(
	struct assets *s, const struct flow *f, unsigned end, unsigned rank, struct stamp at)
{
	const struct addr *ip = &f->end[end].ip;
	if (!addr_is_one(ip) || (rank == RANK_SEEN && flow_is_foreign(f, end)))
		return NULL;
	if (rank == RANK_SEEN && f->name[end] != 0)
		rank = RANK_PROVEN;
	struct asset *a = asset_put(s, &f->end[end], asset_vlan(s, f), ASSET_WHOLE, rank, at);
	if (a == NULL)
		return NULL;
	a->last_ns = at.ts_ns;
	met_mac(s, a, f, end, at);
	return a;
}

/* --- what the site allows ---------------------------------------------------------------- */

static void check_zones(struct assets *s, const struct flow *f, const char *protocol, bool plant,
	uint8_t service, struct stamp at)
{
	const struct site *site = &s->watch->config->site;
	uint16_t from = f->zone[f->client], to = f->zone[!f->client];
	if (site->conduits.count == 0 || from == to ||
		conduits_allow(&site->conduits, from, to, protocol))
		return;
	struct talk *t = talk_put(s, f, service, plant ? RANK_SPEAKS : RANK_SEEN, at);
	if (t == NULL || t->told_crossing)
		return;
	t->told_crossing = true;
	int a = site_level(site, from), b = site_level(site, to);
	const struct asset_news n = { .event = ASSET_CROSSING,
		.a = asset_find(s, &f->end[f->client].ip, asset_vlan(s, f), ASSET_WHOLE),
		.protocol = protocol,
		.plant = plant,
		.flow = f,
		.from = f->client,
		.jump = a < 0 || b < 0 ? -1 : abs(a - b) };
	asset_tell(s, &n, at);
}

/* A device of the plant speaks with the internet, or has an address of it. */
static void check_routable(
	struct assets *s, const struct flow *f, const char *protocol, bool plant, struct stamp at)
{
	unsigned foreign = flow_is_foreign(f, !f->client) ? !f->client : f->client;
	if (!flow_is_foreign(f, foreign) || !addr_is_one(&f->end[foreign].ip))
		return;
	struct asset *a = asset_find(s, &f->end[!foreign].ip, asset_vlan(s, f), ASSET_WHOLE);
	if (a == NULL || (!plant && (a->serves | a->asks) == 0))
		return;
	struct talk *t = plant ? talk_of(s, f) : talk_put(s, f, 0, RANK_SEEN, at);
	if (t == NULL || t->told_routable)
		return;
	t->told_routable = true;
	const struct asset_news n = { .event = ASSET_ROUTABLE,
		.a = a,
		.protocol = protocol,
		.plant = plant,
		.flow = f,
		.from = !foreign,
		.jump = -1 };
	asset_tell(s, &n, at);
}

/* --- flows ------------------------------------------------------------------------------- */

static void started(struct assets *s, struct flow *f, struct stamp at)
{
	uint16_t vlan = asset_vlan(s, f);
	struct asset *from = asset_find(s, &f->end[0].ip, vlan, ASSET_WHOLE);
	struct asset *to = asset_find(s, &f->end[1].ip, vlan, ASSET_WHOLE);
	if (from != NULL)
		met_mac(s, from, f, 0, at);
	if (to != NULL) {
		met_mac(s, to, f, 1, at);
		to->asked = s->clock;
	}
}

static void port_text(const struct flow *f, char out[32])
{
	struct talk t = { .key = { .l4 = f->l4, .port = f->end[!f->client].port } };
	talk_protocol(&t, out);
}

/* The port's own protocol may yet be found by its messages. */
static bool is_known_port(const struct flow *f)
{
	for (unsigned i = 0; dissectors[i] != NULL; i++)
		for (const struct port_hint *p = dissectors[i]->ports; p != NULL && p->l4 != 0; p++)
			if (p->l4 == f->l4 && p->port == f->end[!f->client].port)
				return true;
	return false;
}

static void answered(struct assets *s, struct flow *f, struct stamp at)
{
	char protocol[32];
	met_station(s, f, 0);
	met_station(s, f, 1);
	met(s, f, 0, RANK_SEEN, at);
	met(s, f, 1, RANK_SEEN, at);
	port_text(f, protocol);
	if (is_known_port(f))
		return;
	check_zones(s, f, protocol, false, 0, at);
	check_routable(s, f, protocol, false, at);
}

/* Conversations of which no message could be read are told by their port. */
static void ended(struct assets *s, struct flow *f, struct stamp at)
{
	char protocol[32];
	if ((*asset_note(s, f) & NOTE_TALKED) || f->packets[0] == 0 || f->packets[1] == 0)
		return;
	port_text(f, protocol);
	if (is_known_port(f))
		check_routable(s, f, protocol, false, at);
	if (flow_is_foreign(f, 0) || flow_is_foreign(f, 1))
		return;
	struct talk *t = talk_put(s, f, 0, RANK_SEEN, at);
	if (t == NULL)
		return;
	t->messages += f->packets[0] + f->packets[1];
	if (f->first_ns < t->first_ns)
		t->first_ns = f->first_ns;
	talk_places(s, t, f);
	if (is_known_port(f))
		check_zones(s, f, protocol, false, 0, at);
}

static void on_flow(
	void *self, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	struct assets *s = self;
	(void)from;
	if (change == FLOW_STARTED)
		started(s, f, at);
	else if (change == FLOW_ANSWERED)
		answered(s, f, at);
	else if (change == FLOW_ENDED)
		ended(s, f, at);
}

/* --- messages ---------------------------------------------------------------------------- */

void asset_spoke(
	struct assets *s, const struct event *e, struct asset *server, const struct talk *t)
{
	bool first = server->protocols == 0;
	server->protocols |= UINT64_C(1) << (t->key.service - 1);
	asset_changed(s, server, CHANGE_PROTOCOLS, e->at);
	const struct asset_news n = { .event = ASSET_PROTOCOL,
		.a = server,
		.protocol = t->speaks->name,
		.plant = t->plant != PLANTS,
		.flow = e->flow,
		.from = !e->flow->client,
		.jump = -1 };
	if (!first || server->told)
		asset_tell(s, &n, e->at);
}

/* The connection of COTP told rack and slot of what it carries; it is not shown beside that. */
static void take_over(struct talk *carrier, struct talk *t)
{
	if (carrier->speaks != service_named("cotp"))
		return;
	t->tsap = carrier->tsap;
	t->rack = carrier->rack;
	t->slot = carrier->slot;
	t->has_slot = carrier->has_slot;
	t->told_crossing |= carrier->told_crossing;
	t->told_routable |= carrier->told_routable;
	carrier->carries = true;
}

/* The first message of a flow from this end. */
static struct talk *introduced(
	struct assets *s, const struct event *e, unsigned plant, bool is_client)
{
	unsigned rank = plant == PLANTS ? RANK_SEEN : RANK_SPEAKS;
	const struct flow *f = e->flow;
	const struct dissector *d = e->pdu->dissector;
	uint32_t *note = asset_note(s, f);
	struct talk *before = talk_of(s, f);
	met(s, f, e->from, rank, e->at);
	*note = (*note & ~(uint32_t)NOTE_TALK) | NOTE_TALKED |
		(is_client ? NOTE_CLIENT : NOTE_SERVER);
	if (plant == PLANTS && (flow_is_foreign(f, 0) || flow_is_foreign(f, 1)))
		return NULL;
	struct talk *t = talk_put(s, f, (uint8_t)(service_index(d) + 1), rank, e->at);
	if (t == NULL)
		return NULL;
	if (before != NULL && before != t)
		take_over(before, t);
	*note |= (uint32_t)roster_place(s->talks, t) + 1;
	talk_places(s, t, f);
	struct asset *server = t->device[1];
	if (!is_client && plant == PLANTS && server != NULL && !asset_has_spoken(server, t))
		asset_spoke(s, e, server, t);
	check_zones(s, f, d->name, plant != PLANTS, t->key.service, e->at);
	if (plant != PLANTS)
		check_routable(s, f, d->name, true, e->at);
	return t;
}

struct talk *asset_introduced(struct assets *s, const struct event *e)
{
	bool is_client = e->from == e->flow->client;
	uint32_t note = *asset_note(s, e->flow);
	unsigned plant = plant_of(s, e->pdu->dissector);
	if ((note & (is_client ? NOTE_CLIENT : NOTE_SERVER)) == 0)
		return introduced(s, e, plant, is_client);
	if (plant == PLANTS || (note & NOTE_TALK) == 0)
		return NULL;
	struct talk *t = plant == PLANT_COTP ? talk_of(s, e->flow) : NULL;
	return t != NULL ? t : introduced(s, e, plant, is_client);
}

static void on_aside(void *self, const struct aside *a)
{
	assets_arp(self, a);
}

/* --- time -------------------------------------------------------------------------------- */

static void look_at(struct assets *s, struct asset *a, struct stamp now)
{
	int64_t limit = (int64_t)s->watch->config->asset_silent_s * ASSET_SECOND;
	int64_t quiet = s->clock - a->heard, usual = a->usual * USUAL_GAPS;
	if (a->told && a->last_ns - a->kept_ns > KEEP_AGAIN)
		asset_keep(s, a);
	if (limit == 0 || a->silent || a->replies < REPLIES_USUAL || a->heard - a->since < limit)
		return;
	if (quiet < limit || quiet < usual)
		return;
	const struct asset_news n = { .event = ASSET_SILENT, .a = a, .jump = -1 };
	a->silent = true;
	asset_tell(s, &n, now);
	asset_changed(s, a, 0, now);
}

/* A share of the table at each tick. */
static void sweep(struct assets *s, struct stamp now)
{
	size_t places = roster_places(s->devices);
	size_t share = places / SWEEP < SWEEP_MIN ? SWEEP_MIN : places / SWEEP;
	for (size_t i = 0; i < share && i < places; i++) {
		struct asset *a = roster_at(s->devices, s->swept % places);
		s->swept = (uint32_t)((s->swept + 1) % places);
		if (a != NULL)
			look_at(s, a, now);
	}
}

/* Time passes as long as frames come, whatever they are. */
static void pass_time(struct assets *s, struct stamp now)
{
	int64_t step = s->ticked.ts_ns == 0 ? 0 : now.ts_ns - s->ticked.ts_ns;
	if (now.frame == s->ticked.frame)
		return;
	s->ticked = now;
	if (step > 0)
		s->clock += step < GAP_COUNTED ? step : GAP_COUNTED;
}

static void on_tick(void *self, struct stamp now)
{
	struct assets *s = self;
	pass_time(s, now);
	assets_flush(s);
	sweep(s, now);
	if (s->saved_ns == 0)
		s->saved_ns = now.ts_ns;
	if (now.ts_ns - s->saved_ns > SAVE_EVERY)
		assets_store(s, now);
	if (s->full)
		assets_full(s, now);
	s->full = false;
	s->watch->counters->assets = roster_count(s->devices);
}

/* Silence is not followed from one capture into the next. */
static void on_finish(void *self, struct stamp now)
{
	struct assets *s = self;
	on_tick(s, now);
	for (size_t i = 0; i < roster_places(s->devices); i++) {
		struct asset *a = roster_at(s->devices, i);
		if (a == NULL)
			continue;
		a->replies = 0;
		if (a->told)
			asset_keep(s, a);
	}
	s->ticked = (struct stamp){ 0 };
	assets_store(s, now);
}

/* --- life -------------------------------------------------------------------------------- */

static void gone(void *ctx, void *record)
{
	struct assets *s = ctx;
	s->gone++;
	asset_forget(s, record);
}

static struct roster *table(const struct watch *w, size_t max, size_t record, size_t key)
{
	const struct roster_options o = {
		.max = max, .record = record, .key = key, .seed = w->seed
	};
	return roster_new(&o);
}

static void asset_close(void *self)
{
	struct assets *s = self;
	roster_free(s->devices);
	roster_free(s->talks);
	roster_free(s->stations);
	roster_free(s->claims);
	oui_free(s->oui);
	free(s->plants);
	free(s);
}

static void *asset_open(const struct watch *w, struct err *err)
{
	size_t max = w->config->asset_devices;
	struct assets *s = max == 0 ? NULL : calloc(1, sizeof *s);
	if (max == 0)
		return NULL;
	if (s == NULL) {
		err_set(err, "out of memory");
		return NULL;
	}
	const struct roster_options devices = { .max = max,
		.record = sizeof(struct asset),
		.key = sizeof(struct asset_key),
		.seed = w->seed,
		.gone = gone,
		.ctx = s };
	s->watch = w;
	s->clock = 1;
	s->devices = roster_new(&devices);
	s->talks = table(w, w->config->asset_talks, sizeof(struct talk), sizeof(struct talk_key));
	s->stations = table(w, max, sizeof(struct station), sizeof(struct station_key));
	s->claims = claims_new(max, w->seed);
	s->plants = plants_new();
	if (s->devices != NULL && s->talks != NULL && s->stations != NULL && s->claims != NULL &&
		s->plants != NULL) {
		plants_usual(s->plants, &s->usual);
		assets_remember(s);
		return s;
	}
	asset_close(s);
	err_set(err, "out of memory");
	return NULL;
}

const struct watcher asset_watcher = {
	.name = "asset",
	.open = asset_open,
	.close = asset_close,
	.flow = on_flow,
	.pdu = asset_pdu,
	.aside = on_aside,
	.tick = on_tick,
	.finish = on_finish,
};
