/* asset_arp.c - who claims an IPv4 address on the wire (RFC 826, RFC 5227): the service "arp". */
#include "sensor/asset_tell.h"

#include <string.h>

#include "sensor/packet.h"

enum { ETHERTYPE_ARP = 0x0806, ETHERTYPE_IP4 = 0x0800, HARDWARE_ETHERNET = 1 };
enum { ARP_REQUEST = 1, ARP_REPLY = 2, ARP_ANNOUNCED = 3 };

#define TAKEN_WITHIN (300 * ASSET_SECOND)  /* poisoning takes all it wants at once */
#define OWNER_FRESH  (3600 * ASSET_SECOND) /* an owner heard of so lately has not left */

struct claim {
	struct roster_entry entry;
	struct claim_key {
		uint8_t address[4];
		uint16_t vlan, zero;
	} key;
	bool owned;
	uint8_t owner[6], other[6];
	int64_t owner_ns, other_ns; /* their latest claims */
};

enum { ARP_TAKEN_OVER = 1, ARP_CONFLICT, ARP_POISONING, ARP_FORGED };
enum {
	F_EVENT,
	F_OPERATION,
	F_MAC,
	F_OTHER_MAC,
	F_VENDOR,
	F_OTHER_VENDOR,
	F_SINCE,
	F_TAKEN,
	F_ROLE,
	F_SERVES,
	F_NAMED,
	FIELDS
};

// clang-format off
static const struct code_name events[] = {
	{ ARP_TAKEN_OVER, "taken_over" }, { ARP_CONFLICT, "conflict" }, { ARP_POISONING, "poisoning" },
	{ ARP_FORGED, "forged_sender" }, { 0, NULL },
};

static const struct code_name operations[] = {
	{ ARP_REQUEST, "request" }, { ARP_REPLY, "reply" }, { ARP_ANNOUNCED, "announcement" }, { 0, NULL },
};

static const struct field fields[FIELDS] = {
	[F_EVENT]        = { "arp.event", FIELD_UINT, NULL, "what happened to the claimed address, which is src_ip", events },
	[F_OPERATION]    = { "arp.operation", FIELD_UINT, NULL, "how it is claimed; an announcement (gratuitous ARP) asks for nothing", operations },
	[F_MAC]          = { "arp.mac", FIELD_TEXT, NULL, "Ethernet address that claims it", NULL },
	[F_OTHER_MAC]    = { "arp.other_mac", FIELD_TEXT, NULL, "Ethernet address that had it; of a forged sender the one that sent the frame", NULL },
	[F_VENDOR]       = { "arp.vendor", FIELD_TEXT, NULL, "who made the claiming card", NULL },
	[F_OTHER_VENDOR] = { "arp.other_vendor", FIELD_TEXT, NULL, "who made the other one", NULL },
	[F_SINCE]        = { "arp.other_since", FIELD_UINT, "s", "since the other was heard to claim it", NULL },
	[F_TAKEN]        = { "arp.taken", FIELD_UINT, "addresses", "of different others that the card took within five minutes", NULL },
	[F_ROLE]         = { "arp.role", FIELD_TEXT, NULL, "role of the device at the address, as asset.role", NULL },
	[F_SERVES]       = { "arp.serves", FIELD_UINT, NULL, "1: the device at the address answers a plant's protocol, else 0", NULL },
	[F_NAMED]        = { "arp.named", FIELD_UINT, NULL, "1: the configuration names the device", NULL },
};
// clang-format on

const struct dissector arp_service = {
	.name = "arp",
	.fields = fields,
	.field_count = FIELDS,
	.observed = true,
};

/* --- reading ----------------------------------------------------------------------------- */

static struct addr take_ip4(struct reader *r)
{
	struct addr a = { .bytes = { [10] = 0xff, [11] = 0xff }, .family = 4 };
	const uint8_t *b = rd_bytes(r, 4);
	if (b != NULL)
		memcpy(a.bytes + 12, b, 4);
	return a;
}

static void take_mac(struct reader *r, uint8_t mac[6])
{
	const uint8_t *b = rd_bytes(r, 6);
	memset(mac, 0, 6);
	if (b != NULL)
		memcpy(mac, b, 6);
}

bool arp_read(struct reader in, struct arp *out)
{
	uint16_t hardware = rd_be16(&in), protocol = rd_be16(&in);
	uint8_t hardware_len = rd_u8(&in), protocol_len = rd_u8(&in);
	uint16_t operation = rd_be16(&in);
	if (in.overrun || hardware != HARDWARE_ETHERNET || protocol != ETHERTYPE_IP4 ||
		hardware_len != 6 || protocol_len != 4 ||
		(operation != ARP_REQUEST && operation != ARP_REPLY))
		return false;
	out->request = operation == ARP_REQUEST;
	take_mac(&in, out->mac);
	out->sender = take_ip4(&in);
	take_mac(&in, out->target_mac);
	out->target = take_ip4(&in);
	return !in.overrun;
}

/* --- telling ----------------------------------------------------------------------------- */

struct news {
	unsigned event, operation;
	const struct arp *arp;
	const uint8_t *other;
	int64_t since_ns; /* < 0: not told */
	unsigned taken;
	const struct asset *a; /* at the address, or NULL */
};

static void put_card(
	struct assets *s, struct pdu *pdu, unsigned field, unsigned vendor, const uint8_t mac[6])
{
	char text[18];
	const char *maker = maker_of(s, mac);
	mac_text(mac, text);
	pdu_copy(pdu, field, text, 17);
	if (maker != NULL)
		pdu_cstr(pdu, vendor, maker);
}

static void tell(struct assets *s, const struct news *n, const struct packet *p)
{
	struct pdu pdu;
	struct flow f;
	struct endpoint src = { .ip = n->arp->sender, .has_mac = true };
	struct endpoint dst = { .ip = n->arp->target };
	memcpy(src.mac, n->arp->mac, 6);
	observation(&pdu, &arp_service, events[n->event - 1].name);
	pdu_uint(&pdu, F_EVENT, n->event);
	pdu_uint(&pdu, F_OPERATION, n->operation);
	put_card(s, &pdu, F_MAC, F_VENDOR, n->arp->mac);
	put_card(s, &pdu, F_OTHER_MAC, F_OTHER_VENDOR, n->other);
	if (n->since_ns >= 0)
		pdu_uint(&pdu, F_SINCE, (uint64_t)(n->since_ns / ASSET_SECOND));
	if (n->taken > 0)
		pdu_uint(&pdu, F_TAKEN, n->taken);
	pdu_cstr(&pdu, F_ROLE, n->a == NULL ? "host" : asset_role_text(s, n->a));
	pdu_uint(&pdu, F_SERVES, n->a != NULL && n->a->serves != 0);
	watch_ends(s->watch, &f, &src, &dst, p->at);
	pdu_uint(&pdu, F_NAMED, f.name[0] != 0);
	f.vlans = p->vlans < FLOW_VLANS ? p->vlans : FLOW_VLANS;
	memcpy(f.vlan, p->vlan, sizeof f.vlan);
	watch_observe(s->watch, &f, 0, p->at, &pdu, NULL);
}

/* --- following --------------------------------------------------------------------------- */

/* One card takes the addresses of several others: what a man in the middle does. A cluster that
 * fails over takes those of one. */
static unsigned taken(struct assets *s, const struct arp *arp, const uint8_t from[6], uint16_t vlan,
	int64_t now_ns)
{
	struct station *c = station_put(s, arp->mac, vlan, RANK_SEEN);
	if (c == NULL)
		return 0;
	if (now_ns - c->taken_ns > TAKEN_WITHIN || now_ns < c->taken_ns)
		c->taken = 0;
	if (c->taken == 0)
		memcpy(c->victim, from, 6);
	else if (memcmp(c->victim, from, 6) == 0)
		return c->taken;
	c->taken_ns = now_ns;
	if (c->taken < UINT8_MAX)
		c->taken++;
	return c->taken;
}

/* The address goes from one card to another. */
static void change_hands(
	struct assets *s, struct claim *c, struct news *n, const struct packet *p, uint16_t vlan)
{
	int64_t now = p->at.ts_ns, since = now - c->owner_ns;
	int64_t within = (int64_t)s->watch->config->asset_claims_s * ASSET_SECOND;
	bool back = memcmp(c->other, n->arp->mac, 6) == 0 && now - c->other_ns <= within;
	uint8_t old[6];
	memcpy(old, c->owner, 6);
	memcpy(c->other, c->owner, 6);
	c->other_ns = c->owner_ns;
	memcpy(c->owner, n->arp->mac, 6);
	c->owner_ns = now;
	if (mac_is_virtual(old) || mac_is_virtual(n->arp->mac))
		return;
	n->other = old;
	n->since_ns = since < 0 ? 0 : since;
	n->event = back ? ARP_CONFLICT : ARP_TAKEN_OVER;
	tell(s, n, p);
	if (back || since > OWNER_FRESH)
		return;
	n->taken = taken(s, n->arp, old, vlan, now);
	n->event = ARP_POISONING;
	if (n->taken > 1)
		tell(s, n, p);
}

static void claimed(struct assets *s, struct news *n, const struct packet *p, uint16_t vlan)
{
	struct claim_key key = { .vlan = vlan };
	bool fresh;
	unsigned rank = n->a == NULL ? RANK_SEEN : n->a->entry.rank;
	memcpy(key.address, n->arp->sender.bytes + 12, 4);
	struct claim *c = roster_put(s->claims, &key, rank, &fresh);
	if (c == NULL)
		return;
	if (!c->owned) {
		c->owned = true;
		memcpy(c->owner, n->arp->mac, 6);
		c->owner_ns = p->at.ts_ns;
	} else if (memcmp(c->owner, n->arp->mac, 6) == 0) {
		c->owner_ns = p->at.ts_ns;
	} else {
		change_hands(s, c, n, p, vlan);
	}
}

/* Who answers for an address is there; what traffic said of its card comes second. */
static void meet(struct assets *s, struct news *n, const struct packet *p, uint16_t vlan)
{
	struct endpoint end = { .ip = n->arp->sender, .has_mac = true };
	uint16_t by = s->watch->config->asset_by_vlan ? vlan : 0;
	memcpy(end.mac, n->arp->mac, 6);
	struct asset *a = asset_find(s, &end.ip, by, ASSET_WHOLE);
	if (a == NULL && n->operation != ARP_REQUEST)
		a = asset_put(s, &end, by, ASSET_WHOLE, RANK_SEEN, p->at);
	n->a = a;
	if (a == NULL)
		return;
	a->last_ns = p->at.ts_ns;
	if (a->has_mac && memcmp(a->mac, end.mac, 6) == 0)
		return;
	if (a->has_mac) {
		memcpy(a->old_mac, a->mac, 6);
		a->mac_ns = p->at.ts_ns;
		a->mac_vlan = vlan;
		memcpy(a->mac, end.mac, 6);
	} else {
		asset_set_card(s, a, end.mac, vlan);
	}
	asset_changed(s, a, CHANGE_MAC, p->at);
}

void assets_arp(struct assets *s, const struct aside *aside)
{
	const struct packet *p = aside->packet;
	struct arp arp;
	if (aside->is_ip || aside->type != ETHERTYPE_ARP || !arp_read(aside->bytes, &arp))
		return;
	if (!addr_is_one(&arp.sender) || mac_is_group(arp.mac)) /* a probe, or nobody */
		return;
	uint16_t vlan =
		p->vlans == 0 ? 0 : p->vlan[(p->vlans < FLOW_VLANS ? p->vlans : FLOW_VLANS) - 1];
	bool announced = memcmp(arp.sender.bytes, arp.target.bytes, 16) == 0;
	struct news n = { .arp = &arp,
		.operation = announced     ? ARP_ANNOUNCED
			     : arp.request ? ARP_REQUEST
					   : ARP_REPLY,
		.since_ns = -1 };
	meet(s, &n, p, vlan);
	if (p->has_mac && memcmp(p->src_mac, arp.mac, 6) != 0 && !mac_is_virtual(arp.mac) &&
		!mac_is_virtual(p->src_mac)) {
		n.event = ARP_FORGED;
		n.other = p->src_mac;
		tell(s, &n, p);
	}
	claimed(s, &n, p, vlan);
}

struct roster *claims_new(size_t max, uint64_t seed)
{
	const struct roster_options o = { .max = max,
		.record = sizeof(struct claim),
		.key = sizeof(struct claim_key),
		.seed = seed };
	return roster_new(&o);
}
