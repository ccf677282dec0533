/* asset_table.c - devices, network cards and conversations by their keys; what follows from them.
 */
#include "sensor/asset_table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sensor/envelope.h"
#include "sensor/services.h"

const char *const asset_text_names[ASSET_TEXTS] = { "maker", "product", "model", "firmware",
	"serial", "station", "location" };

const char *const asset_role_names[ROLES] = { "host", "master", "hmi", "engineering", "controller",
	"outstation", "gateway", "unit" };

/* --- addresses --------------------------------------------------------------------------- */

bool mac_is_group(const uint8_t mac[6])
{
	return mac[0] & 1;
}

bool mac_is_virtual(const uint8_t mac[6])
{
	static const struct {
		uint8_t bytes[6], len;
	} prefixes[] = {
		{ { 0x00, 0x00, 0x5e, 0x00, 0x01 }, 5 }, /* VRRP, CARP (RFC 5798) */
		{ { 0x00, 0x00, 0x5e, 0x00, 0x02 }, 5 }, /* VRRP for IPv6 */
		{ { 0x00, 0x00, 0x0c, 0x07, 0xac }, 5 }, /* HSRP */
		{ { 0x00, 0x07, 0xb4, 0x00 }, 4 },       /* GLBP */
	};
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (memcmp(mac, prefixes[i].bytes, prefixes[i].len) == 0)
			return true;
	static const uint8_t hsrp2[4] = { 0x00, 0x00, 0x0c, 0x9f }; /* then f000 to ffff */
	return memcmp(mac, hsrp2, sizeof hsrp2) == 0 && mac[4] >= 0xf0;
}

bool mac_is_card(const uint8_t mac[6])
{
	static const uint8_t none[6];
	return !mac_is_group(mac) && !mac_is_virtual(mac) && memcmp(mac, none, 6) != 0;
}

void mac_text(const uint8_t mac[6], char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
		mac[5]);
}

static bool is_any(const uint8_t bytes[16])
{
	static const uint8_t zero[16];
	return memcmp(bytes, zero, 16) == 0;
}

bool addr_is_one(const struct addr *ip)
{
	const uint8_t *b = ip->bytes;
	if (ip->family == 6)
		return b[0] != 0xff && !is_any(b);
	return b[12] != 0 && b[12] < 224;
}

bool addr_is_loopback(const struct addr *ip)
{
	static const uint8_t one[16] = { [15] = 1 };
	return ip->family == 4 ? ip->bytes[12] == 127 : memcmp(ip->bytes, one, 16) == 0;
}

/* What is no address of the internet: first bytes, bits. IANA's special-purpose registries. */
static const struct {
	uint8_t family, bits, bytes[6];
} reserved[] = {
	{ 4, 8, { 0 } },
	{ 4, 8, { 10 } },
	{ 4, 10, { 100, 64 } },
	{ 4, 8, { 127 } },
	{ 4, 16, { 169, 254 } },
	{ 4, 12, { 172, 16 } },
	{ 4, 24, { 192, 0, 0 } },
	{ 4, 24, { 192, 0, 2 } },
	{ 4, 24, { 192, 88, 99 } },
	{ 4, 16, { 192, 168 } },
	{ 4, 15, { 198, 18 } },
	{ 4, 24, { 198, 51, 100 } },
	{ 4, 24, { 203, 0, 113 } },
	{ 4, 3, { 224 } }, /* multicast and what is above */
	{ 6, 16, { 0 } },
	{ 6, 48, { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 } },
	{ 6, 16, { 0x01, 0x00 } },
	{ 6, 32, { 0x20, 0x01, 0x0d, 0xb8 } },
	{ 6, 20, { 0x3f, 0xff } },
	{ 6, 7, { 0xfc } },
	{ 6, 10, { 0xfe, 0x80 } },
	{ 6, 10, { 0xfe, 0xc0 } },
	{ 6, 8, { 0xff } },
};

static bool in_prefix(const uint8_t *bytes, const uint8_t *prefix, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(bytes, prefix, whole) != 0)
		return false;
	return rest == 0 || ((bytes[whole] ^ prefix[whole]) >> (8 - rest)) == 0;
}

bool addr_is_routable(const struct addr *ip)
{
	const uint8_t *bytes = ip->family == 4 ? ip->bytes + 12 : ip->bytes;
	for (size_t i = 0; i < sizeof reserved / sizeof reserved[0]; i++)
		if (reserved[i].family == ip->family &&
			in_prefix(bytes, reserved[i].bytes, reserved[i].bits))
			return false;
	return true;
}

void asset_address(const struct asset *a, char out[64])
{
	struct buf b = buf_over(out, 63);
	envelope_addr_text(&b, a->key.address);
	if (a->key.unit != ASSET_WHOLE)
		buf_printf(&b, "/%u", a->key.unit);
	if (a->key.vlan != 0)
		buf_printf(&b, "@%u", a->key.vlan);
	out[b.len] = '\0';
}

/* --- devices ----------------------------------------------------------------------------- */

uint16_t flow_inner_vlan(const struct flow *f)
{
	unsigned n = f->vlans < FLOW_VLANS ? f->vlans : FLOW_VLANS;
	return n == 0 ? 0 : f->vlan[n - 1];
}

uint16_t asset_vlan(const struct assets *s, const struct flow *f)
{
	return s->watch->config->asset_by_vlan ? flow_inner_vlan(f) : 0;
}

static struct asset_key key_of(const struct addr *ip, uint16_t vlan, uint32_t unit)
{
	struct asset_key key = { .unit = unit, .vlan = vlan };
	memcpy(key.address, ip->bytes, 16);
	return key;
}

struct asset *asset_find(
	const struct assets *s, const struct addr *ip, uint16_t vlan, uint32_t unit)
{
	struct asset_key key = key_of(ip, vlan, unit);
	return roster_find(s->devices, &key);
}

bool asset_is_learning(const struct assets *s)
{
	const struct config *c = s->watch->config;
	if (c->asset_known_only)
		return false;
	return s->clock <= (int64_t)c->asset_learn_s * ASSET_SECOND;
}

static void set_up(struct assets *s, struct asset *a, const struct endpoint *end, struct stamp at)
{
	struct flow f;
	watch_ends(s->watch, &f, end, NULL, at);
	a->family = end->ip.family;
	a->name = f.name[0];
	a->role = f.role[0];
	a->zone = f.zone[0];
	a->learnt = asset_is_learning(s);
	a->tsap = a->rack = a->slot = ASSET_NOWAY;
	a->unit = ASSET_WHOLE;
	a->first = at;
	a->first_ns = a->last_ns = at.ts_ns;
	asset_changed(s, a, 0, at);
}

struct asset *asset_put(struct assets *s, const struct endpoint *end, uint16_t vlan, uint32_t unit,
	unsigned rank, struct stamp at)
{
	struct asset_key key = key_of(&end->ip, vlan, unit);
	uint64_t lost = roster_evicted(s->devices) + roster_refused(s->devices);
	bool fresh;
	struct asset *a = roster_put(s->devices, &key, rank, &fresh);
	if (a != NULL && fresh)
		set_up(s, a, end, at);
	if (roster_evicted(s->devices) + roster_refused(s->devices) != lost)
		s->full = true;
	return a;
}

struct asset *asset_at(const struct assets *s, uint32_t place)
{
	return place == 0 ? NULL : roster_at(s->devices, place - 1);
}

void asset_changed(struct assets *s, struct asset *a, unsigned change, struct stamp at)
{
	a->changes |= (uint16_t)change;
	a->changed = at;
	if (a->dirty)
		return;
	uint32_t place = (uint32_t)roster_place(s->devices, a) + 1;
	struct asset *last = asset_at(s, s->dirty_last);
	a->dirty = true;
	a->dirty_next = 0;
	a->dirty_prev = s->dirty_last;
	if (last != NULL)
		last->dirty_next = place;
	else
		s->dirty_first = place;
	s->dirty_last = place;
}

void asset_settled(struct assets *s, struct asset *a)
{
	if (!a->dirty)
		return;
	struct asset *next = asset_at(s, a->dirty_next), *prev = asset_at(s, a->dirty_prev);
	if (next != NULL)
		next->dirty_prev = a->dirty_prev;
	else
		s->dirty_last = a->dirty_prev;
	if (prev != NULL)
		prev->dirty_next = a->dirty_next;
	else
		s->dirty_first = a->dirty_next;
	a->dirty = false;
}

/* --- what follows ------------------------------------------------------------------------ */

enum asset_role asset_role(const struct asset *a)
{
	if (a->key.unit != ASSET_WHOLE)
		return ROLE_UNIT;
	if (a->gateway || a->units > 1)
		return ROLE_GATEWAY;
	if (a->serves != 0)
		return a->serves == 1U << PLANT_DNP3 ? ROLE_OUTSTATION : ROLE_CONTROLLER;
	if (a->engineers || (a->programmer && a->polls == 0))
		return ROLE_ENGINEERING;
	if (a->asks == 0)
		return ROLE_HOST;
	return a->asks == 1U << PLANT_DNP3 ? ROLE_MASTER : ROLE_HMI;
}

const char *asset_label(const struct site_map *m, uint16_t label)
{
	return label == 0 || label >= m->labels ? NULL : m->label[label];
}

const char *asset_role_text(const struct assets *s, const struct asset *a)
{
	const char *given = asset_label(&s->watch->config->site.roles, a->role);
	if (given != NULL && a->key.unit == ASSET_WHOLE)
		return given;
	return asset_role_names[asset_role(a)];
}

int asset_level(const struct assets *s, const struct asset *a)
{
	return site_level(&s->watch->config->site, a->zone);
}

/* --- network cards ----------------------------------------------------------------------- */

static struct station_key station_key(const uint8_t mac[6], uint16_t vlan)
{
	struct station_key key = { .vlan = vlan };
	memcpy(key.mac, mac, 6);
	return key;
}

struct station *station_find(const struct assets *s, const uint8_t mac[6], uint16_t vlan)
{
	struct station_key key = station_key(mac, vlan);
	return roster_find(s->stations, &key);
}

struct station *station_put(struct assets *s, const uint8_t mac[6], uint16_t vlan, unsigned rank)
{
	struct station_key key = station_key(mac, vlan);
	bool fresh;
	return roster_put(s->stations, &key, rank, &fresh);
}

bool station_is_router(const struct station *c)
{
	return c != NULL && c->addresses >= STATION_ROUTER;
}

void station_speaks_for(struct assets *s, struct station *c, const struct addr *ip)
{
	uint8_t address[16] = { 0 };
	if (c == NULL || c->addresses >= STATION_ROUTER)
		return;
	memcpy(address, ip->bytes, ip->family == 6 ? 8 : 16);
	for (unsigned i = 0; i < c->addresses; i++)
		if (memcmp(c->address[i], address, 16) == 0)
			return;
	memcpy(c->address[c->addresses++], address, 16);
	if (station_is_router(c)) /* which a flood shall not make us forget */
		roster_touch(s->stations, c, RANK_PROVEN);
}

void asset_set_card(struct assets *s, struct asset *a, const uint8_t mac[6], uint16_t vlan)
{
	struct station *c = station_put(s, mac, vlan, a->entry.rank);
	a->card_known = c != NULL && c->devices > 0 && !station_is_router(c);
	a->has_mac = true;
	a->mac_vlan = vlan;
	memcpy(a->mac, mac, 6);
	if (c != NULL)
		c->devices++;
}

bool asset_is_routed(const struct assets *s, const struct asset *a)
{
	return a->has_mac && station_is_router(station_find(s, a->mac, a->mac_vlan));
}

const char *asset_vendor(struct assets *s, const struct asset *a)
{
	return a->has_mac && !asset_is_routed(s, a) ? maker_of(s, a->mac) : NULL;
}

const char *maker_of(struct assets *s, const uint8_t mac[6])
{
	struct err err = { 0 };
	const char *path = s->watch->config->asset_oui;
	if (!s->oui_asked && path != NULL)
		s->oui = oui_load(path, &err); /* without it makers are not named */
	s->oui_asked = true;
	return oui_name(s->oui, mac);
}

/* --- lists ------------------------------------------------------------------------------- */

static int by_address(const void *a, const void *b)
{
	const struct asset *x = *(struct asset *const *)a, *y = *(struct asset *const *)b;
	int order = memcmp(x->key.address, y->key.address, 16);
	if (order == 0)
		order = (x->key.vlan > y->key.vlan) - (x->key.vlan < y->key.vlan);
	/* the address itself stands before what is behind it */
	uint32_t u = x->key.unit + 1, v = y->key.unit + 1;
	return order != 0 ? order : (u > v) - (u < v);
}

static int by_ends(const void *a, const void *b)
{
	const struct talk *x = *(struct talk *const *)a, *y = *(struct talk *const *)b;
	int order = memcmp(x->key.address, y->key.address, sizeof x->key.address);
	if (order == 0)
		order = x->key.service - y->key.service;
	if (order == 0)
		order = x->key.port - y->key.port;
	if (order == 0)
		order = x->key.l4 - y->key.l4;
	return order != 0 ? order : x->key.vlan - y->key.vlan;
}

static void **sorted(
	const struct roster *r, size_t *count, int (*order)(const void *, const void *))
{
	void **list = calloc(roster_count(r) + 1, sizeof *list);
	*count = 0;
	for (size_t i = 0; list != NULL && i < roster_places(r); i++) {
		void *record = roster_at(r, i);
		if (record != NULL)
			list[(*count)++] = record;
	}
	if (list != NULL)
		qsort(list, *count, sizeof *list, order);
	return list;
}

struct asset **assets_sorted(const struct assets *s, size_t *count)
{
	return (struct asset **)sorted(s->devices, count, by_address);
}

struct talk **talks_sorted(const struct assets *s, size_t *count)
{
	return (struct talk **)sorted(s->talks, count, by_ends);
}

struct talk *asset_peer(const struct assets *s, const struct asset *a, unsigned n)
{
	struct talk *t = n >= a->peers ? NULL : roster_at(s->talks, a->peer[n] - 1);
	if (t == NULL || (memcmp(t->key.address[0], a->key.address, 16) != 0 &&
				 memcmp(t->key.address[1], a->key.address, 16) != 0))
		return NULL;
	return t;
}

void talk_protocol(const struct talk *t, char out[32])
{
	if (t->key.service != 0)
		snprintf(out, 32, "%s", services[t->key.service - 1]->name);
	else
		snprintf(out, 32, "%s/%u", t->key.l4 == L4_UDP ? "udp" : "tcp", t->key.port);
}
