/* asset.h - the devices that were seen, passively: who they are, what they speak, with whom.
 * asset.c follows the traffic, asset_learn.c reads what devices say of themselves, asset_table.c
 * keeps it, asset_tell.c makes observations of it, asset_arp.c follows who claims an address;
 * asset_list.c, asset_json.c, asset_dot.c and asset_svg.c show it. */
#ifndef SENSOR_ASSET_H
#define SENSOR_ASSET_H

#include "common/buf.h"
#include "sensor/oui.h"
#include "sensor/roster.h"
#include "sensor/watch.h"

#define ASSET_WHOLE  UINT32_MAX /* as unit: the device at the address itself */
#define ASSET_NOWAY  UINT16_MAX /* as TSAP, rack and slot: not seen */
#define ASSET_SECOND INT64_C(1000000000)

/* What a device says of itself; from the wire, untrusted. */
enum asset_text {
	ASSET_MAKER,
	ASSET_PRODUCT,
	ASSET_MODEL,
	ASSET_FIRMWARE,
	ASSET_SERIAL,
	ASSET_STATION,
	ASSET_LOCATION,
	ASSET_TEXTS
};
extern const char *const asset_text_names[ASSET_TEXTS];

struct asset_said {
	uint8_t len, by, strength; /* by which source, and how good that is */
	char text[61];
};

/* Protocols of plants, as bits of serves and asks. */
enum asset_plant {
	PLANT_MODBUS,
	PLANT_S7COMM,
	PLANT_S7PLUS,
	PLANT_DNP3,
	PLANT_COTP, /* carries: its connections tell rack and slot */
	PLANTS
};

/* Ranks in the table: a stranger, one that speaks a plant's protocol, one that was understood. */
enum asset_rank { RANK_SEEN, RANK_SPEAKS, RANK_PROVEN };

/* What has changed since it was told of. */
enum asset_change {
	CHANGE_ROLE = 1 << 0,
	CHANGE_MAC = 1 << 1,
	CHANGE_PROTOCOLS = 1 << 2,
	CHANGE_UNITS = 1 << 3,
	CHANGE_IDENTITY = 1 << 4,
	CHANGE_WAY = 1 << 5, /* rack, slot, TSAP, link address */
};

enum { ASSET_PEERS = 16 };

struct asset_key {
	uint8_t address[16];
	uint32_t unit; /* Modbus unit or DNP3 address behind the address, or ASSET_WHOLE */
	uint16_t vlan; /* 0 unless assets.by_vlan */
	uint16_t zero;
};

struct asset {
	struct roster_entry entry;
	struct asset_key key;
	/* What each message looks at stands together. */
	uint32_t unit;  /* the one unit or link address that it goes by, or ASSET_WHOLE */
	uint16_t units; /* told apart behind it */
	bool silent, gateway;
	uint32_t serves, asks; /* bits of enum asset_plant */
	uint32_t polls;        /* its requests that only read */
	uint32_t replies;
	const struct dissector *spoke; /* served last */
	int64_t last_ns;
	int64_t heard, usual, asked, since; /* on the clock of what was watched: assets.clock */

	uint8_t family;
	bool has_mac, told, engineers, programmer, dirty;
	bool learnt;   /* while assets.learn lasted */
	bool replaced; /* it says that it is another than before */
	uint8_t mac[6], old_mac[6];
	uint16_t mac_vlan;
	uint16_t name, role, zone; /* site labels */
	uint16_t tsap, rack, slot;
	uint16_t changes;                /* enum asset_change */
	uint64_t protocols;              /* that it serves, by service index */
	uint32_t dirty_next, dirty_prev; /* places + 1 */
	struct stamp first, changed;
	int64_t first_ns, mac_ns, kept_ns;
	struct asset_said said[ASSET_TEXTS];
	char old[64];               /* of the identity that changed */
	uint32_t peer[ASSET_PEERS]; /* places + 1 of its first talks */
	uint8_t peers;
};

/* Who spoke to whom: the one that asks first. */
struct talk_key {
	uint8_t address[2][16];
	uint16_t vlan, port; /* 0 with a protocol */
	uint8_t l4, service; /* service index + 1, 0: none that is spoken here */
	uint16_t zero;
};

struct talk {
	struct roster_entry entry;
	struct talk_key key;
	uint32_t place[2]; /* of the devices, + 1; 0: not in the table */
	uint64_t messages; /* of a plant's protocol, else packets */
	int64_t last_ns;
	uint8_t family;
	bool told_crossing, told_routable;
	bool carries;  /* a protocol with a talk of its own */
	uint16_t tsap; /* called by the latest connection, with its rack and slot */
	uint8_t rack, slot;
	bool has_slot;
	int64_t first_ns;
};

/* A network card, and what addresses it speaks for. */
struct station {
	struct roster_entry entry;
	struct station_key {
		uint8_t mac[6];
		uint16_t vlan;
	} key;
	uint8_t addresses; /* told apart, at most STATION_ROUTER: then it is a router */
	uint8_t taken;     /* addresses of different others that it took */
	uint8_t victim[6]; /* the first of these */
	uint8_t address[4][16];
	int64_t taken_ns;
};
enum { STATION_ROUTER = 4 };

struct assets {
	const struct watch *watch;
	struct roster *devices, *talks, *stations, *claims;
	struct oui *oui;
	bool oui_asked;
	bool full;           /* somebody found no room, or somebody had to go */
	int64_t clock;       /* of what was watched: time without any traffic does not count */
	struct stamp ticked; /* the last tick with traffic before it */
	uint64_t lost;       /* that anomalies told of */
	uint32_t dirty_first, dirty_last; /* places + 1 of what is to be told of */
	uint32_t swept;                   /* place where the look for silence goes on */
	char path[4096];                  /* where it is kept over a restart; "": nowhere */
	int64_t saved_ns;
	bool save_told; /* that it cannot be kept */
	char line[8192];
	/* asset_learn.c */
	struct asset_plants *plants;
};

enum asset_role {
	ROLE_HOST,
	ROLE_MASTER,
	ROLE_HMI,
	ROLE_ENGINEERING,
	ROLE_CONTROLLER,
	ROLE_OUTSTATION,
	ROLE_GATEWAY,
	ROLE_UNIT,
	ROLES
};
extern const char *const asset_role_names[ROLES];

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
struct station *station_put(struct assets *s, const uint8_t mac[6], uint16_t vlan);
bool station_is_router(const struct station *c);
void station_speaks_for(struct station *c, const uint8_t address[16]);
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
uint32_t *asset_note(const struct assets *s, const struct flow *f);
/* An address of the internet that the configuration knows nothing of. */
bool flow_is_foreign(const struct flow *f, unsigned end);
/* @service: index + 1, or 0: by its port. NULL: no room. */
struct talk *talk_put(
	struct assets *s, const struct flow *f, uint8_t service, unsigned rank, struct stamp at);
/* That of the flow's note, if it is still the same; else NULL. */
struct talk *talk_of(const struct assets *s, const struct flow *f);
/* Devices and their talk get to know each other. */
void talk_places(struct assets *s, struct talk *t, const struct flow *f);
/* The device of one side, 0 the one that asks, if its place is still its own. */
struct asset *asset_talker(const struct assets *s, const struct talk *t, unsigned side);

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
