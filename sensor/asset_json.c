/* asset_json.c - a device as one JSON object: for assets --json, and for the hash in Redis. */
#include "sensor/asset_show.h"

#include <stdlib.h>

#include "sensor/eve_json.h"
#include "sensor/services.h"

enum { PEER_ROOM = 512 }; /* bytes that a peer may take */

static void put_mac(struct buf *b, const uint8_t mac[6])
{
	char text[18];
	mac_text(mac, text);
	eve_word(b, text);
}

static struct addr addr_of(const uint8_t bytes[16], uint8_t family)
{
	struct addr a = { .family = family };
	memcpy(a.bytes, bytes, 16);
	return a;
}

static void put_address(struct buf *b, const struct asset *a)
{
	struct addr ip = addr_of(a->key.address, a->family);
	eve_key(b, "address");
	eve_addr(b, &ip);
	if (a->key.unit != ASSET_WHOLE)
		eve_key_uint(b, "unit", a->key.unit);
	else if (a->unit != ASSET_WHOLE && a->units == 0)
		eve_key_uint(b, "unit", a->unit);
	if (a->key.vlan != 0)
		eve_key_uint(b, "vlan", a->key.vlan);
}

static void put_card(struct assets *s, struct buf *b, const struct asset *a)
{
	const char *vendor = asset_vendor(s, a);
	if (!a->has_mac)
		return;
	if (asset_is_routed(s, a))
		eve_key(b, "via");
	else
		eve_key(b, "mac");
	put_mac(b, a->mac);
	if (vendor != NULL)
		eve_key_text(b, "vendor", vendor);
}

static void put_site(const struct assets *s, struct buf *b, const struct asset *a)
{
	const struct site *site = &s->watch->config->site;
	const char *name = asset_label(&site->names, a->name);
	const char *zone = asset_label(&site->zones, a->zone);
	int level = asset_level(s, a);
	if (name != NULL)
		eve_key_text(b, "name", name);
	eve_key_text(b, "role", asset_role_text(s, a));
	eve_key_bool(b, "role_given", a->role != 0 && a->key.unit == ASSET_WHOLE);
	if (zone != NULL)
		eve_key_text(b, "zone", zone);
	if (level >= 0) {
		eve_key(b, "level");
		buf_real(b, level / 10.0);
	}
}

static void put_protocols(struct buf *b, const struct asset *a)
{
	eve_key(b, "serves");
	buf_char(b, '[');
	for (unsigned i = 0; services[i] != NULL; i++)
		if (a->protocols >> i & 1) {
			eve_comma(b);
			eve_word(b, services[i]->name);
		}
	buf_char(b, ']');
}

static void put_said(struct buf *b, const struct asset *a)
{
	for (unsigned i = 0; i < ASSET_TEXTS; i++) {
		if (a->said[i].len == 0)
			continue;
		eve_name(b, asset_text_names[i]);
		buf_json_string(b, a->said[i].text, a->said[i].len, sizeof a->said[i].text);
	}
	if (a->rack != ASSET_NOWAY) {
		eve_key_uint(b, "rack", a->rack);
		eve_key_uint(b, "slot", a->slot);
	}
	if (a->tsap != ASSET_NOWAY) {
		uint8_t tsap[2] = { (uint8_t)(a->tsap >> 8), (uint8_t)a->tsap };
		eve_key(b, "tsap");
		buf_char(b, '"');
		buf_hex(b, tsap, 2);
		buf_char(b, '"');
	}
	if (a->units > 0)
		eve_key_uint(b, "units", a->units);
}

static void put_peer(struct buf *b, const struct asset *a, const struct talk *t)
{
	char protocol[32];
	bool asks = memcmp(t->key.address[0], a->key.address, 16) == 0;
	struct addr other = addr_of(t->key.address[asks], t->family);
	talk_protocol(t, protocol);
	eve_comma(b);
	buf_lit(b, "{\"address\":");
	eve_addr(b, &other);
	eve_key_word(b, "protocol", protocol);
	eve_key_bool(b, "asks", asks);
	eve_key_uint(b, "messages", t->messages);
	eve_key(b, "last");
	eve_time(b, t->last_ns);
	buf_char(b, '}');
}

static void put_peers(struct assets *s, struct buf *b, const struct asset *a)
{
	if (a->peers == 0)
		return;
	eve_key(b, "peers");
	buf_char(b, '[');
	for (unsigned i = 0; i < a->peers && b->cap - b->len > PEER_ROOM; i++) {
		const struct talk *t = asset_peer(s, a, i);
		if (t != NULL && !t->carries)
			put_peer(b, a, t);
	}
	buf_char(b, ']');
	if (a->peers == ASSET_PEERS)
		eve_key_bool(b, "peers_cut", true);
}

void asset_json(struct assets *s, const struct asset *a, struct buf *out)
{
	buf_char(out, '{');
	put_address(out, a);
	put_card(s, out, a);
	put_site(s, out, a);
	put_protocols(out, a);
	put_said(out, a);
	eve_key_bool(out, "silent", a->silent);
	eve_key(out, "first");
	eve_time(out, a->first_ns);
	eve_key(out, "last");
	eve_time(out, a->last_ns);
	put_peers(s, out, a);
	buf_char(out, '}');
}

void assets_json(struct assets *s, FILE *out)
{
	size_t count;
	struct asset **all = assets_sorted(s, &count);
	for (size_t i = 0; i < count; i++) {
		struct buf line = buf_over(s->line, sizeof s->line);
		asset_json(s, all[i], &line);
		fwrite(line.at, 1, line.len, out);
		fputc('\n', out);
	}
	free(all);
}
