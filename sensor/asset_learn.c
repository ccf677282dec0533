/* asset_learn.c - what messages tell of the devices that exchange them. By the names of fields, so
 * that dissectors need not know who reads them. */
#include "sensor/asset_tell.h"

#include <stdlib.h>
#include <string.h>

#include "sensor/services.h"

/* Where devices say who they are; a stronger source takes the place of a weaker one. */
static const struct source {
	uint8_t plant, text, strength;
	const char *field;
} sources[] = {
	{ PLANT_MODBUS, ASSET_MAKER, 2, "modbus.vendor_name" },
	{ PLANT_MODBUS, ASSET_PRODUCT, 2, "modbus.product_code" },
	{ PLANT_MODBUS, ASSET_FIRMWARE, 2, "modbus.revision" },
	{ PLANT_MODBUS, ASSET_MODEL, 2, "modbus.product_name" },
	{ PLANT_MODBUS, ASSET_MODEL, 3, "modbus.model_name" },
	{ PLANT_MODBUS, ASSET_STATION, 2, "modbus.user_application_name" },
	{ PLANT_MODBUS, ASSET_MODEL, 1, "modbus.server_text" },
	{ PLANT_S7COMM, ASSET_PRODUCT, 2, "s7comm.order_number" },
	{ PLANT_S7COMM, ASSET_FIRMWARE, 2, "s7comm.firmware" },
	{ PLANT_S7COMM, ASSET_STATION, 2, "s7comm.plc_name" },
	{ PLANT_S7COMM, ASSET_STATION, 1, "s7comm.module_name" },
	{ PLANT_S7COMM, ASSET_MODEL, 2, "s7comm.module_type" },
	{ PLANT_S7COMM, ASSET_SERIAL, 2, "s7comm.serial_number" },
	{ PLANT_S7COMM, ASSET_LOCATION, 2, "s7comm.location" },
	{ PLANT_S7COMM, ASSET_LOCATION, 1, "s7comm.plant" },
};
enum { SOURCES = sizeof sources / sizeof sources[0] };

/* Device attributes of DNP3: variations of group 0 ([1815] A.1). */
static const struct {
	uint8_t variation, text, strength;
} attributes[] = {
	{ 252, ASSET_MAKER, 2 },
	{ 250, ASSET_MODEL, 2 },
	{ 248, ASSET_SERIAL, 2 },
	{ 247, ASSET_STATION, 2 },
	{ 246, ASSET_STATION, 1 },
	{ 245, ASSET_LOCATION, 2 },
	{ 243, ASSET_PRODUCT, 1 },
	{ 242, ASSET_FIRMWARE, 2 },
};

/* What only engineers ask for: functions from low to high, of userdata group << 8 | subfunction. */
static const struct {
	uint8_t plant;
	uint16_t low, high;
} engineering[] = {
	{ PLANT_S7COMM, 0x1a, 0x1a },     /* download */
	{ PLANT_S7COMM, 0x1d, 0x1d },     /* upload */
	{ PLANT_S7COMM, 0x28, 0x29 },     /* program invocation, stop */
	{ PLANT_S7COMM, 0x0101, 0x01ff }, /* programmer commands */
	{ PLANT_S7COMM, 0x0301, 0x03ff }, /* blocks */
	{ PLANT_S7PLUS, 0x0556, 0x0556 }, /* the bracket around a download */
	{ PLANT_DNP3, 16, 19 },           /* applications, configuration */
	{ PLANT_DNP3, 25, 31 },           /* files, configuration */
};

/* Schneider's: reservation, transfer of programs, start and stop; reading is for everybody. */
static const struct {
	uint8_t low, high;
} umas[] = { { 0x10, 0x10 }, { 0x30, 0x36 }, { 0x40, 0x41 } };

enum { MODBUS_UMAS = 90, UNIT_NONE = 255, LEARN_ITEMS = 64 };
enum { GATEWAY_PATH = 10, GATEWAY_TARGET = 11 };
enum { COTP_CONNECT = 0xe0, COTP_CONFIRM = 0xd0, COTP_PG = 1 };

/* Fields that are looked at, by name; indexes are found once. */
enum known {
	K_MODBUS_UNIT,
	K_MODBUS_UMAS,
	K_MODBUS_EXCEPTION,
	K_DNP3_SOURCE,
	K_DNP3_GROUP,
	K_COTP_TYPE,
	K_COTP_CALLED,
	K_COTP_RACK,
	K_COTP_SLOT,
	K_COTP_KIND,
	K_KNOWN
};
static const char *const known_names[K_KNOWN] = { "modbus.unit_id", "modbus.umas_function",
	"modbus.exception_code", "dnp3.source", "dnp3.group", "cotp.tpdu_type", "cotp.called_tsap",
	"cotp.rack", "cotp.slot", "cotp.connection_type" };

static const char *const plant_names[PLANTS] = { "modbus", "s7comm", "s7comm-plus", "dnp3",
	"cotp" };

struct asset_plants {
	const struct dissector *dissector[PLANTS];
	const struct dissector *last; /* asked for, and what it was */
	unsigned last_plant;
	uint64_t identity[PLANTS]; /* bits of the fields of sources */
	int8_t source[SOURCES], known[K_KNOWN];
	int8_t item_group, item_variation, item_text;
};

static int8_t field_index(const struct field *fields, unsigned count, const char *name)
{
	for (unsigned i = 0; i < count; i++)
		if (fields[i].name != NULL && strcmp(fields[i].name, name) == 0)
			return (int8_t)i;
	return -1;
}

static int8_t header_field(const char *name)
{
	char protocol[32];
	size_t n = strcspn(name, ".");
	memcpy(protocol, name, n);
	protocol[n] = '\0';
	const struct dissector *d = service_named(protocol);
	return d == NULL ? -1 : field_index(d->fields, d->field_count, name);
}

struct asset_plants *plants_new(void)
{
	struct asset_plants *p = calloc(1, sizeof *p);
	if (p == NULL)
		return NULL;
	for (unsigned i = 0; i < PLANTS; i++)
		p->dissector[i] = service_named(plant_names[i]);
	for (unsigned i = 0; i < SOURCES; i++) {
		p->source[i] = header_field(sources[i].field);
		if (p->source[i] >= 0)
			p->identity[sources[i].plant] |= UINT64_C(1) << p->source[i];
	}
	for (unsigned i = 0; i < K_KNOWN; i++)
		p->known[i] = header_field(known_names[i]);
	const struct dissector *dnp3 = p->dissector[PLANT_DNP3];
	p->item_group = field_index(dnp3->item_fields, dnp3->item_field_count, "dnp3.item.group");
	p->item_variation =
		field_index(dnp3->item_fields, dnp3->item_field_count, "dnp3.item.variation");
	p->item_text = field_index(dnp3->item_fields, dnp3->item_field_count, "dnp3.item.text");
	p->last_plant = PLANTS;
	return p;
}

void plants_usual(const struct asset_plants *p, struct asset_usual *u)
{
	memset(u->asked, 0xff, sizeof u->asked);
	for (unsigned i = 0; i < sizeof engineering / sizeof engineering[0]; i++)
		for (unsigned code = engineering[i].low; code <= engineering[i].high && code < 64;
			code++)
			u->asked[engineering[i].plant] &= ~(UINT64_C(1) << code);
	memcpy(u->tell, p->identity, sizeof u->tell);
	if (p->known[K_MODBUS_EXCEPTION] >= 0)
		u->tell[PLANT_MODBUS] |= UINT64_C(1) << p->known[K_MODBUS_EXCEPTION];
	if (p->known[K_DNP3_GROUP] >= 0) {
		u->group = (unsigned)p->known[K_DNP3_GROUP];
		u->group_bit = UINT64_C(1) << u->group;
	}
}

unsigned plant_of(struct assets *s, const struct dissector *d)
{
	struct asset_plants *p = s->plants;
	if (p->last == d)
		return p->last_plant;
	p->last = d;
	for (p->last_plant = 0; p->last_plant < PLANTS; p->last_plant++)
		if (p->dissector[p->last_plant] == d)
			break;
	return p->last_plant;
}

static bool number(const struct assets *s, const struct pdu *p, enum known k, uint64_t *out)
{
	int8_t i = s->plants->known[k];
	if (i < 0 || !pdu_has(p, (unsigned)i))
		return false;
	*out = p->value[i].u;
	return true;
}

/* --- identity ---------------------------------------------------------------------------- */

/* Text of fixed fields ends at a NUL, or in blanks. */
static size_t trimmed(const uint8_t **text, size_t n)
{
	const uint8_t *nul = n == 0 ? NULL : memchr(*text, 0, n);
	if (nul != NULL)
		n = (size_t)(nul - *text);
	while (n > 0 && (*text)[n - 1] == ' ')
		n--;
	while (n > 0 && **text == ' ') {
		(*text)++;
		n--;
	}
	return n;
}

/* @by: which source, from 1. */
static void say(struct assets *s, struct asset *a, unsigned which, unsigned by, unsigned strength,
	struct value v, struct stamp at)
{
	struct asset_said *said = &a->said[which];
	const uint8_t *text = v.bytes;
	size_t n = trimmed(&text, v.len);
	if (n > sizeof said->text)
		n = sizeof said->text;
	if (n == 0 || (by != said->by && strength <= said->strength))
		return;
	if (said->len == n && memcmp(said->text, text, n) == 0)
		return;
	/* The same source says another: the device is not the one that it was. */
	if (by == said->by && !a->replaced) {
		memcpy(a->old, said->text, said->len);
		a->old[said->len] = '\0';
		a->replaced = true;
	}
	memcpy(said->text, text, n);
	said->len = (uint8_t)n;
	said->by = (uint8_t)by;
	said->strength = (uint8_t)strength;
	asset_changed(s, a, CHANGE_IDENTITY, at);
}

static void read_sources(struct assets *s, unsigned plant, const struct event *e, struct asset *a)
{
	const struct pdu *p = e->pdu;
	for (unsigned i = 0; i < SOURCES; i++) {
		int8_t field = s->plants->source[i];
		if (sources[i].plant == plant && field >= 0 && pdu_has(p, (unsigned)field))
			say(s, a, sources[i].text, i + 1, sources[i].strength, p->value[field],
				e->at);
	}
}

static void read_attributes(struct assets *s, const struct event *e, struct asset *a)
{
	const struct asset_plants *k = s->plants;
	struct item_cursor c = e->pdu->items;
	struct item item;
	for (unsigned i = 0; i < LEARN_ITEMS && items_next(&c, &item); i++) {
		if (!item_has(&item, (unsigned)k->item_text) ||
			!item_has(&item, (unsigned)k->item_group) ||
			item.value[k->item_group].u != 0)
			continue;
		for (unsigned n = 0; n < sizeof attributes / sizeof attributes[0]; n++)
			if (item.value[k->item_variation].u == attributes[n].variation)
				say(s, a, attributes[n].text, SOURCES + n + 1,
					attributes[n].strength, item.value[k->item_text], e->at);
	}
}

/* --- units behind an address ------------------------------------------------------------- */

/* Whose texts were the address's while it had one unit only. */
static void move_identity(struct asset *from, struct asset *to)
{
	memcpy(to->said, from->said, sizeof to->said);
	memset(from->said, 0, sizeof from->said);
	to->serves = from->serves;
	to->first = from->first;
	to->first_ns = from->first_ns;
}

static struct asset *unit_put(
	struct assets *s, const struct event *e, struct asset *server, uint32_t unit)
{
	struct addr ip = { .family = server->family };
	memcpy(ip.bytes, server->key.address, 16);
	struct asset *a = asset_find(s, &ip, server->key.vlan, unit);
	if (a != NULL) {
		if (a->entry.rank < RANK_PROVEN)
			roster_touch(s->devices, a, RANK_PROVEN);
		return a;
	}
	if (server->units >= s->watch->config->asset_units) {
		s->watch->counters->assets_units_full++;
		return NULL;
	}
	struct endpoint end = { .ip = ip };
	uint32_t place = (uint32_t)roster_place(s->devices, server) + 1;
	a = asset_put(s, &end, server->key.vlan, unit, RANK_PROVEN, e->at);
	if (a == NULL || asset_at(s, place) != server)
		return NULL;
	server->units++;
	return a;
}

/* The device that answered: the address itself, or one behind it once there are several. */
static struct asset *who_answered(
	struct assets *s, const struct event *e, struct asset *server, uint32_t unit)
{
	if (server->units == 0 && (server->unit == unit || server->unit == ASSET_WHOLE)) {
		if (server->unit == ASSET_WHOLE) {
			server->unit = unit;
			asset_changed(s, server, CHANGE_UNITS, e->at);
		}
		return server;
	}
	if (server->units == 0) {
		struct asset *first = unit_put(s, e, server, server->unit);
		if (first != NULL)
			move_identity(server, first);
	}
	uint16_t before = server->units;
	struct asset *a = unit_put(s, e, server, unit);
	if (server->units != before)
		asset_changed(s, server, CHANGE_UNITS, e->at);
	return a == NULL ? server : a;
}

static struct asset *modbus_answered(struct assets *s, const struct event *e, struct asset *server)
{
	uint64_t unit, exception;
	if (number(s, e->pdu, K_MODBUS_EXCEPTION, &exception) &&
		(exception == GATEWAY_PATH || exception == GATEWAY_TARGET)) {
		if (!server->gateway)
			asset_changed(s, server, CHANGE_ROLE, e->at);
		server->gateway = true;
		return server;
	}
	if (!number(s, e->pdu, K_MODBUS_UNIT, &unit) || unit == 0 || unit == UNIT_NONE)
		return server;
	return who_answered(s, e, server, (uint32_t)unit);
}

/* --- connections ------------------------------------------------------------------------- */

/* Told with the role that the caller has had so far. */
static void called_as_programmer(
	struct assets *s, const struct event *e, struct asset *client, const struct asset *server)
{
	const struct asset_news n = {
		.event = ASSET_ENGINEERING, .a = client, .peer = server, .of = e, .jump = -1
	};
	asset_tell(s, &n, e->at);
	if (client->programmer)
		return;
	client->programmer = true;
	asset_changed(s, client, CHANGE_ROLE, e->at);
}

bool asset_connected(struct assets *s, const struct event *e, struct talk *t, struct asset *client,
	struct asset *server)
{
	uint64_t type, kind, rack = ASSET_NOWAY, slot = ASSET_NOWAY;
	int8_t called = s->plants->known[K_COTP_CALLED];
	if (!number(s, e->pdu, K_COTP_TYPE, &type))
		return false;
	if (type == COTP_CONNECT && client != NULL && number(s, e->pdu, K_COTP_KIND, &kind) &&
		kind == COTP_PG)
		called_as_programmer(s, e, client, server);
	if (type == COTP_CONNECT && called >= 0 && pdu_has(e->pdu, (unsigned)called) &&
		e->pdu->value[called].len == 2)
		t->tsap = (uint16_t)(e->pdu->value[called].bytes[0] << 8 |
				     e->pdu->value[called].bytes[1]);
	if (type == COTP_CONNECT && number(s, e->pdu, K_COTP_RACK, &rack) &&
		number(s, e->pdu, K_COTP_SLOT, &slot)) {
		t->rack = (uint8_t)rack;
		t->slot = (uint8_t)slot;
		t->has_slot = true;
	}
	if (type != COTP_CONFIRM)
		return false;
	if (server == NULL || t->tsap == ASSET_NOWAY || server->tsap != ASSET_NOWAY)
		return true;
	server->tsap = t->tsap;
	if (t->has_slot) {
		server->rack = t->rack;
		server->slot = t->slot;
	}
	asset_changed(s, server, CHANGE_WAY, e->at);
	return true;
}

/* --- requests and replies ---------------------------------------------------------------- */

static bool is_engineering(const struct assets *s, unsigned plant, const struct pdu *p)
{
	uint64_t function;
	for (unsigned i = 0; i < sizeof engineering / sizeof engineering[0]; i++)
		if (engineering[i].plant == plant && p->code >= engineering[i].low &&
			p->code <= engineering[i].high)
			return true;
	if (plant != PLANT_MODBUS || p->code != MODBUS_UMAS ||
		!number(s, p, K_MODBUS_UMAS, &function))
		return false;
	for (unsigned i = 0; i < sizeof umas / sizeof umas[0]; i++)
		if (function >= umas[i].low && function <= umas[i].high)
			return true;
	return false;
}

void asset_asked(struct assets *s, unsigned plant, const struct event *e, struct asset *client)
{
	uint64_t link;
	bool was = client->engineers;
	if (plant == PLANT_DNP3 && client->unit == ASSET_WHOLE &&
		number(s, e->pdu, K_DNP3_SOURCE, &link)) {
		client->unit = (uint32_t)link;
		asset_changed(s, client, CHANGE_WAY, e->at);
	}
	if (is_engineering(s, plant, e->pdu))
		client->engineers = true;
	else
		client->polls += client->polls < UINT32_MAX;
	if (client->engineers != was || client->polls == 1)
		asset_changed(s, client, CHANGE_ROLE, e->at);
}

/* What @a says of itself. */
static void read_texts(struct assets *s, unsigned plant, const struct event *e,
	const struct talk *t, struct asset *a)
{
	/* Several modules answer at one S7 address; texts are those of the first that was asked. */
	if (plant == PLANT_S7COMM && a->tsap != ASSET_NOWAY && t->tsap != ASSET_NOWAY &&
		t->tsap != a->tsap)
		return;
	if (plant == PLANT_DNP3)
		read_attributes(s, e, a);
	else
		read_sources(s, plant, e, a);
}

struct asset *asset_answered(struct assets *s, unsigned plant, const struct event *e,
	struct talk *t, struct asset *server)
{
	struct asset *a = server;
	uint64_t link, group;
	bool says = e->pdu->present & s->plants->identity[plant];
	if (plant == PLANT_MODBUS)
		a = modbus_answered(s, e, server);
	else if (plant == PLANT_DNP3) {
		if (number(s, e->pdu, K_DNP3_SOURCE, &link))
			a = who_answered(s, e, server, (uint32_t)link);
		says = number(s, e->pdu, K_DNP3_GROUP, &group) && group == 0;
	}
	if (says)
		read_texts(s, plant, e, t, a);
	return a;
}
