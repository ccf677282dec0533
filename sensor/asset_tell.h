/* asset_tell.h - what is learnt of devices from the wire, and what is told of it. */
#ifndef SENSOR_ASSET_TELL_H
#define SENSOR_ASSET_TELL_H

#include "sensor/asset_table.h"

/* ---- asset_learn.c ---- */

struct asset_plants *plants_new(void);
void plants_usual(const struct asset_plants *p, struct asset_usual *u);
/* Which of the plant's protocols it is, or PLANTS. */
unsigned plant_of(struct assets *s, const struct dissector *d);
/* What a request tells of who asks. */
void asset_asked(struct assets *s, unsigned plant, const struct event *e, struct asset *client);
/* What a reply tells of who answers: @server, or the unit behind it, which is returned. */
struct asset *asset_answered(struct assets *s, unsigned plant, const struct event *e,
	struct talk *t, struct asset *server);
/* What a COTP connection tells; @client and @server may be NULL. True: it was accepted. */
bool asset_connected(struct assets *s, const struct event *e, struct talk *t, struct asset *client,
	struct asset *server);

/* ---- asset.c ---- */

/* The talk of a message, the first of its flow from this end, or of another protocol than before;
 * NULL: it has none, or needs none. */
struct talk *asset_introduced(struct assets *s, const struct event *e);
static inline bool asset_has_spoken(const struct asset *server, const struct talk *t)
{
	return server->protocols >> (t->key.service - 1) & 1;
}
/* @server speaks what it did not speak before. */
void asset_spoke(
	struct assets *s, const struct event *e, struct asset *server, const struct talk *t);

/* ---- asset_pdu.c ---- */

void asset_pdu(void *self, const struct event *e);

/* ---- asset_tell.c ---- */

enum asset_event {
	ASSET_NEW = 1,
	ASSET_CHANGED,
	ASSET_REPLACED,
	ASSET_MAC,
	ASSET_PROTOCOL,
	ASSET_SILENT,
	ASSET_BACK,
	ASSET_ROUTABLE,
	ASSET_CROSSING,
	ASSET_ENGINEERING,
};

struct asset_news {
	enum asset_event event;
	struct asset *a; /* or NULL */
	const char *protocol;
	bool plant; /* that is a plant's */
	const uint8_t *old_mac;
	const struct flow *flow; /* or NULL: the device alone */
	unsigned from;
	const struct asset *peer; /* the other end, or NULL */
	const struct event *of;   /* the request that it is about, or NULL */
	int jump;                 /* levels × 10; -1: none */
};
void asset_tell(struct assets *s, const struct asset_news *n, struct stamp at);
/* Tells of what changed since it was last called, and keeps it for others. */
void assets_flush(struct assets *s);
/* Its present state for others (Redis), and that it is in the table no more. */
void asset_keep(struct assets *s, struct asset *a);
void asset_forget(struct assets *s, struct asset *a);
/* The table is full: an anomaly. */
void assets_full(struct assets *s, struct stamp at);
extern const struct dissector asset_service, arp_service;

/* ---- asset_store.c ---- */

/* At the start; and now and then, with what is known at @now. */
void assets_remember(struct assets *s);
void assets_store(struct assets *s, struct stamp now);
bool assets_save(struct assets *s, const char *path, struct err *err);
/* True, too, if there is no such file. *refused: lines that make no sense. */
bool assets_load(struct assets *s, const char *path, size_t *refused, struct err *err);
/* From a text that it takes apart; returns how many lines make no sense. */
size_t assets_read(struct assets *s, char *text);

/* ---- asset_arp.c ---- */

struct arp {
	bool request;
	uint8_t mac[6], target_mac[6];
	struct addr sender, target;
};
/* An ARP message for IPv4 over Ethernet, and nothing else. */
bool arp_read(struct reader in, struct arp *out);
void assets_arp(struct assets *s, const struct aside *a);
struct roster *claims_new(size_t max, uint64_t seed);

#endif
