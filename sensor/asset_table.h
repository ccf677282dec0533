/* asset_table.h - asking and filling the table of devices, and what follows from it. */
#ifndef SENSOR_ASSET_TABLE_H
#define SENSOR_ASSET_TABLE_H

#include "sensor/asset.h"

struct asset *asset_find(
	const struct assets *s, const struct addr *ip, uint16_t vlan, uint32_t unit);
/* Made if need be; NULL: no room. */
struct asset *asset_put(struct assets *s, const struct endpoint *end, uint16_t vlan, uint32_t unit,
	unsigned rank, struct stamp at);
struct asset *asset_at(const struct assets *s, uint32_t place);
bool asset_is_learning(const struct assets *s);
void asset_changed(struct assets *s, struct asset *a, unsigned change, struct stamp at);
/* Off the list of what is to be told of. */
void asset_settled(struct assets *s, struct asset *a);
enum asset_role asset_role(const struct asset *a);
/* What the configuration calls its role, else what its behaviour says. */
const char *asset_role_text(const struct assets *s, const struct asset *a);
/* NULL: none. */
const char *asset_label(const struct site_map *m, uint16_t label);
/* Purdue level × 10 of its zone; -1: not known. */
int asset_level(const struct assets *s, const struct asset *a);
const char *asset_vendor(struct assets *s, const struct asset *a);
/* Its card speaks for many addresses: a router stands between. */
bool asset_is_routed(const struct assets *s, const struct asset *a);
uint16_t asset_vlan(const struct assets *s, const struct flow *f);
uint16_t flow_inner_vlan(const struct flow *f);
struct station *station_find(const struct assets *s, const uint8_t mac[6], uint16_t vlan);
struct station *station_put(struct assets *s, const uint8_t mac[6], uint16_t vlan, unsigned rank);
bool station_is_router(const struct station *c);
void station_speaks_for(struct assets *s, struct station *c, const struct addr *ip);
/* The first card that it is met behind. */
void asset_set_card(struct assets *s, struct asset *a, const uint8_t mac[6], uint16_t vlan);
bool mac_is_group(const uint8_t mac[6]);
/* One device's own, which no other has. */
bool mac_is_card(const uint8_t mac[6]);
/* Shared by routers that stand in for each other (VRRP, CARP, HSRP, GLBP). */
bool mac_is_virtual(const uint8_t mac[6]);
/* Who made it, or NULL. */
const char *maker_of(struct assets *s, const uint8_t mac[6]);
bool addr_is_loopback(const struct addr *ip);
/* An address of the internet. */
bool addr_is_routable(const struct addr *ip);
bool addr_is_one(const struct addr *ip); /* no multicast, broadcast or none at all */
/* ---- asset_talk.c ---- */

/* A flow's note: place + 1 of its talk, and who has been met. */
enum {
	NOTE_TALK = 0x0fffffff,
	NOTE_CLIENT = 1 << 28,
	NOTE_SERVER = 1 << 29,
	NOTE_TALKED = 1 << 30
};
static inline uint32_t *asset_note(const struct assets *s, const struct flow *f)
{
	return &((struct flow *)(uintptr_t)f)->note[s->watch->index];
}
/* An address of the internet that the configuration knows nothing of. */
bool flow_is_foreign(const struct flow *f, unsigned end);
/* @service: index + 1, or 0: by its port. NULL: no room. */
struct talk *talk_put(
	struct assets *s, const struct flow *f, uint8_t service, unsigned rank, struct stamp at);
/* That of the flow's note, whose talk it may be no more. */
static inline struct talk *talk_at(const struct assets *s, uint32_t note)
{
	uint32_t place = note & NOTE_TALK;
	return place == 0 ? NULL : roster_at(s->talks, place - 1);
}
/* That of the flow's note, if it is still the same; else NULL. */
struct talk *talk_of(const struct assets *s, const struct flow *f);
/* Devices and their talk get to know each other. */
void talk_places(struct assets *s, struct talk *t, const struct flow *f);
/* Its devices by their places, if these are still their own. */
void talk_find_devices(const struct assets *s, struct talk *t);

/* ---- lists ---- */

/* All devices by address and unit, talks by their ends: the caller's to free. */
struct asset **assets_sorted(const struct assets *s, size_t *count);
struct talk **talks_sorted(const struct assets *s, size_t *count);
/* "modbus" or "tcp/445". */
/* The n-th of its talks; NULL: it is no more. */
struct talk *asset_peer(const struct assets *s, const struct asset *a, unsigned n);
void talk_protocol(const struct talk *t, char out[32]);
void asset_address(const struct asset *a, char out[64]); /* "10.9.0.10" or "10.9.0.10/17" */
void mac_text(const uint8_t mac[6], char out[18]);

#endif
