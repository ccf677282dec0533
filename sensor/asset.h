/* asset.h - the devices that were seen, passively: who they are, what they speak, with whom.
 * asset.c follows the traffic, asset_pdu.c its messages, asset_learn.c reads what devices say of
 * themselves, asset_table.c keeps it, asset_tell.c makes observations of it, asset_arp.c follows
 * who claims an address; asset_list.c, asset_json.c, asset_dot.c and asset_svg.c show it. */
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
	int64_t last_ns;
	uint64_t protocols;                 /* that it serves, by service index */
	int64_t heard, usual, asked, since; /* on the clock of what was watched: assets.clock */

	uint8_t family;
	bool has_mac, told, engineers, programmer, dirty;
	bool learnt;     /* while assets.learn lasted */
	bool card_known; /* its card was met before, at another address */
	bool replaced;   /* it says that it is another than before */
	uint8_t mac[6], old_mac[6];
	uint16_t mac_vlan;
	uint16_t name, role, zone; /* site labels */
	uint16_t tsap, rack, slot;
	uint16_t changes;                /* enum asset_change */
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

enum { TALK_FLOWS = 4, TALK_UNITS = 8 };

struct talk {
	struct roster_entry entry;
	struct talk_key key;
	uint32_t place[2]; /* of the devices, + 1; 0: not in the table */
	/* What each message looks at stands together, from here. The devices themselves, if none
	 * has left the table since: assets.gone was as_of. */
	struct asset *device[2]; /* the one that asks, and the other */
	uint64_t as_of;
	bool known[2];                  /* by answers of that one nothing is gained any more */
	uint8_t plant;                  /* enum asset_plant */
	const struct dissector *speaks; /* NULL: none that is spoken here */
	uint64_t messages;              /* of a plant's protocol, else packets */
	int64_t last_ns;
	/* The latest of each flow->id % TALK_FLOWS that was found to be of it. */
	struct talk_flow {
		const struct flow *flow;
		uint8_t client; /* then */
	} flow[TALK_FLOWS];
	uint8_t family;
	bool told_crossing, told_routable;
	bool carries;  /* a protocol with a talk of its own */
	uint16_t tsap; /* called by the latest connection, with its rack and slot */
	uint8_t rack, slot;
	bool has_slot;
	int64_t first_ns;
	/* The latest of each unit % TALK_UNITS; they hold as long as device[] does. */
	struct talk_unit {
		struct asset *device, *at; /* behind which one; NULL: none met */
		uint32_t unit;
	} behind[TALK_UNITS];
};

/* So many addresses are those of a router; a host with IPv6 has four. */
enum { STATION_ROUTER = 6 };

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
	uint8_t address[STATION_ROUTER][16]; /* of IPv6 the network alone: a host has many there */
	uint32_t devices;                    /* that were met behind it */
	int64_t taken_ns;
};

struct assets {
	const struct watch *watch;
	struct roster *devices, *talks, *stations, *claims;
	struct oui *oui;
	bool oui_asked;
	bool full;           /* somebody found no room, or somebody had to go */
	uint64_t gone;       /* devices that had to go */
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
	struct asset_usual {
		uint64_t asked[PLANTS]; /* functions below 64 that not only engineers ask for */
		uint64_t tell[PLANTS];  /* fields that make a reply one to be read */
		uint64_t group_bit;     /* of DNP3: group 0 tells of the device */
		unsigned group;
	} usual;
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

#endif
