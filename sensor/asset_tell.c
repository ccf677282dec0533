/* asset_tell.c - observations of devices: the service "asset" that rules judge. */
#include "sensor/asset_tell.h"

#include <stdio.h>
#include <string.h>

#include "sensor/asset_show.h"

enum {
	F_EVENT,
	F_UNIT,
	F_ROLE,
	F_SERVES,
	F_MAC,
	F_OLD_MAC,
	F_VENDOR,
	F_MAKER, /* as enum asset_text, in its order */
	F_PRODUCT,
	F_MODEL,
	F_FIRMWARE,
	F_SERIAL,
	F_STATION,
	F_LOCATION,
	F_OLD,
	F_CHANGES,
	F_PROTOCOL,
	F_PLANT,
	F_LEARNING,
	F_NAMED,
	F_CARD,
	F_ASKED,
	F_SILENT,
	F_USUAL,
	F_JUMP,
	F_PEER_ROLE,
	FIELDS
};

// clang-format off
static const struct code_name events[] = {
	{ ASSET_NEW, "new" }, { ASSET_CHANGED, "changed" }, { ASSET_REPLACED, "replaced" },
	{ ASSET_MAC, "mac_changed" }, { ASSET_PROTOCOL, "new_protocol" }, { ASSET_SILENT, "silent" },
	{ ASSET_BACK, "back" }, { ASSET_ROUTABLE, "routable" }, { ASSET_CROSSING, "crossing" },
	{ ASSET_ENGINEERING, "engineering" }, { 0, NULL },
};

static const struct field fields[FIELDS] = {
	[F_EVENT]    = { "asset.event", FIELD_UINT, NULL, "what is told of the device; src_ip is its address", events },
	[F_UNIT]     = { "asset.unit", FIELD_UINT, NULL, "Modbus unit or DNP3 address, where the device is told by it", NULL },
	[F_ROLE]     = { "asset.role", FIELD_TEXT, NULL, "role by the configuration, else by behaviour: controller outstation gateway unit hmi master engineering host", NULL },
	[F_SERVES]   = { "asset.serves", FIELD_UINT, NULL, "1: it answers a plant's protocol, as controllers do; else 0", NULL },
	[F_MAC]      = { "asset.mac", FIELD_TEXT, NULL, "its Ethernet address", NULL },
	[F_OLD_MAC]  = { "asset.old_mac", FIELD_TEXT, NULL, "the Ethernet address it had before", NULL },
	[F_VENDOR]   = { "asset.vendor", FIELD_TEXT, NULL, "who made the network card, by the list of the IEEE", NULL },
	[F_MAKER]    = { "asset.maker", FIELD_TEXT, NULL, "maker, as the device says", NULL },
	[F_PRODUCT]  = { "asset.product", FIELD_TEXT, NULL, "order number or product code, as the device says", NULL },
	[F_MODEL]    = { "asset.model", FIELD_TEXT, NULL, "model, as the device says", NULL },
	[F_FIRMWARE] = { "asset.firmware", FIELD_TEXT, NULL, "version of its firmware, as the device says", NULL },
	[F_SERIAL]   = { "asset.serial", FIELD_TEXT, NULL, "serial number, as the device says", NULL },
	[F_STATION]  = { "asset.station", FIELD_TEXT, NULL, "name, as the device says", NULL },
	[F_LOCATION] = { "asset.location", FIELD_TEXT, NULL, "plant or location, as the device says", NULL },
	[F_OLD]      = { "asset.old", FIELD_TEXT, NULL, "what a replaced device said before", NULL },
	[F_CHANGES]  = { "asset.changes", FIELD_TEXT, NULL, "what changed: role mac protocols units identity way", NULL },
	[F_PROTOCOL] = { "asset.protocol", FIELD_TEXT, NULL, "protocol this is about, as modbus or tcp/445", NULL },
	[F_PLANT]    = { "asset.plant", FIELD_UINT, NULL, "1: that is a plant's protocol, else 0", NULL },
	[F_LEARNING] = { "asset.learning", FIELD_UINT, NULL, "1 while assets.learn lasts, and the site gets known", NULL },
	[F_NAMED]    = { "asset.named", FIELD_UINT, NULL, "1: the configuration names the device", NULL },
	[F_CARD]     = { "asset.card_known", FIELD_UINT, NULL, "1: its network card was met before, at another address, and is no router's", NULL },
	[F_ASKED]    = { "asset.asked", FIELD_UINT, NULL, "1: a silent device is still being asked, 0: nobody asks", NULL },
	[F_SILENT]   = { "asset.silent_for", FIELD_UINT, "s", "how long it has not answered", NULL },
	[F_USUAL]    = { "asset.usual_gap", FIELD_UINT, "s", "longest usual time between its answers", NULL },
	[F_JUMP]     = { "asset.level_jump", FIELD_REAL, "levels", "how many Purdue levels lie between the two zones; absent where one has none", NULL },
	[F_PEER_ROLE] = { "asset.peer_role", FIELD_TEXT, NULL, "on engineering, where a device calls another as a programming device does: role of the called one, as asset.role", NULL },
};
// clang-format on

const struct dissector asset_service = {
	.name = "asset",
	.fields = fields,
	.field_count = FIELDS,
	.observed = true,
	.unit_field = F_UNIT + 1,
};

_Static_assert(F_LOCATION - F_MAKER + 1 == ASSET_TEXTS, "a field for each text");

static void put_changes(struct pdu *pdu, unsigned changes)
{
	static const char *const names[] = { "role", "mac", "protocols", "units", "identity",
		"way" };
	char text[64];
	struct buf b = buf_over(text, sizeof text);
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (changes >> i & 1) {
			if (b.len > 0)
				buf_char(&b, ' ');
			buf_str(&b, names[i]);
		}
	if (b.len > 0)
		pdu_copy(pdu, F_CHANGES, text, b.len);
}

static void put_mac(struct pdu *pdu, unsigned field, const uint8_t mac[6])
{
	char text[18];
	mac_text(mac, text);
	pdu_copy(pdu, field, text, 17);
}

static void put_device(
	struct assets *s, struct pdu *pdu, const struct asset *a, enum asset_event event)
{
	if (a->key.unit != ASSET_WHOLE || a->unit != ASSET_WHOLE)
		pdu_uint(pdu, F_UNIT, a->key.unit != ASSET_WHOLE ? a->key.unit : a->unit);
	pdu_cstr(pdu, F_ROLE, asset_role_text(s, a));
	pdu_uint(pdu, F_SERVES, a->serves != 0);
	pdu_uint(pdu, F_NAMED, a->name != 0);
	pdu_uint(pdu, F_CARD, a->card_known);
	pdu_uint(pdu, F_LEARNING, event == ASSET_NEW ? a->learnt : asset_is_learning(s));
	if (a->has_mac && !asset_is_routed(s, a))
		put_mac(pdu, F_MAC, a->mac);
	const char *vendor = asset_vendor(s, a);
	if (vendor != NULL)
		pdu_cstr(pdu, F_VENDOR, vendor);
	for (unsigned i = 0; i < ASSET_TEXTS; i++)
		if (a->said[i].len > 0)
			pdu_borrow(pdu, F_MAKER + i, a->said[i].text, a->said[i].len);
}

static void put_silence(const struct assets *s, struct pdu *pdu, const struct asset *a)
{
	pdu_uint(pdu, F_ASKED, a->asked > a->heard);
	pdu_uint(pdu, F_SILENT, (uint64_t)((s->clock - a->heard) / ASSET_SECOND));
	pdu_uint(pdu, F_USUAL, (uint64_t)(a->usual / ASSET_SECOND));
}

static void device_ends(
	const struct assets *s, const struct asset *a, struct flow *f, struct stamp at)
{
	struct endpoint end = { .has_mac = a->has_mac };
	end.ip.family = a->family;
	memcpy(end.ip.bytes, a->key.address, 16);
	memcpy(end.mac, a->mac, 6);
	watch_ends(s->watch, f, &end, NULL, at);
}

void asset_tell(struct assets *s, const struct asset_news *n, struct stamp at)
{
	struct flow alone;
	struct pdu pdu;
	const struct code_name *name = events;
	while (name->code != n->event)
		name++;
	observation(&pdu, &asset_service, name->name);
	pdu_uint(&pdu, F_EVENT, n->event);
	if (n->a != NULL)
		put_device(s, &pdu, n->a, n->event);
	if (n->old_mac != NULL)
		put_mac(&pdu, F_OLD_MAC, n->old_mac);
	if (n->event == ASSET_CHANGED)
		put_changes(&pdu, n->a->changes);
	if (n->event == ASSET_REPLACED)
		pdu_cstr(&pdu, F_OLD, n->a->old);
	if (n->event == ASSET_SILENT)
		put_silence(s, &pdu, n->a);
	if (n->protocol != NULL) {
		pdu_cstr(&pdu, F_PROTOCOL, n->protocol);
		pdu_uint(&pdu, F_PLANT, n->plant);
	}
	if (n->peer != NULL)
		pdu_cstr(&pdu, F_PEER_ROLE, asset_role_text(s, n->peer));
	if (n->jump >= 0)
		pdu_real(&pdu, F_JUMP, n->jump / 10.0);
	if (n->of != NULL) {
		watch_observe_of(s->watch, n->of, &pdu);
		return;
	}
	if (n->flow == NULL)
		device_ends(s, n->a, &alone, at);
	watch_observe(s->watch, n->flow == NULL ? &alone : n->flow, n->flow == NULL ? 0 : n->from,
		at, &pdu, NULL);
}

/* --- what changed ------------------------------------------------------------------------ */

void asset_keep(struct assets *s, struct asset *a)
{
	char field[64];
	struct buf out = buf_over(s->line, sizeof s->line);
	if (s->watch->out.keep == NULL)
		return;
	asset_address(a, field);
	asset_json(s, a, &out);
	if (!out.full)
		s->watch->out.keep(s->watch->out.ctx, field, out.at, out.len);
	a->kept_ns = a->last_ns;
}

void asset_forget(struct assets *s, struct asset *a)
{
	char field[64];
	asset_settled(s, a);
	if (!a->told || s->watch->out.keep == NULL)
		return;
	asset_address(a, field);
	s->watch->out.keep(s->watch->out.ctx, field, NULL, 0);
}

static void settle(struct assets *s, struct asset *a)
{
	struct asset_news n = { .event = a->told ? ASSET_CHANGED : ASSET_NEW, .a = a, .jump = -1 };
	bool replaced = a->replaced;
	if (!a->told || a->changes != 0)
		asset_tell(s, &n, a->told ? a->changed : a->first);
	if (replaced) {
		n.event = ASSET_REPLACED;
		asset_tell(s, &n, a->changed);
	}
	a->told = true;
	a->replaced = false;
	a->changes = 0;
	asset_keep(s, a);
}

void assets_flush(struct assets *s)
{
	struct asset *a;
	while ((a = asset_at(s, s->dirty_first)) != NULL) {
		asset_settled(s, a);
		settle(s, a);
	}
}

void assets_full(struct assets *s, struct stamp at)
{
	const struct roster *const tables[] = { s->devices, s->talks, s->stations, s->claims };
	uint64_t lost = 0;
	for (unsigned i = 0; i < 4; i++)
		lost += roster_evicted(tables[i]) + roster_refused(tables[i]);
	if (lost <= s->lost)
		return;
	struct anomaly a = { .kind = ANOMALY_ASSETS_FULL, .at = at, .count = lost - s->lost };
	s->watch->counters->assets_evicted += lost - s->lost;
	s->lost = lost;
	s->watch->out.anomaly(s->watch->out.ctx, &a);
}
