/* conduit.c - conduits of the configuration: few, and asked once a conversation. */
#include "sensor/conduit.h"

#include <stdlib.h>
#include <string.h>

#include "common/settings.h"
#include "sensor/services.h"
#include "sensor/site.h"

enum { CONDUITS_MAX = 4096 };

/* --- reading ----------------------------------------------------------------------------- */

static void fault(struct text_list *faults, const char *path, const struct yaml *at,
	const char *what, const char *detail)
{
	text_list_add(faults, "%s:%u:%u: %s%s", path, at->line, at->column, what, detail);
}

/* A text or a list of them. */
static void read_texts(
	struct text_list *out, const char *path, const struct yaml *v, struct text_list *faults)
{
	if (v->kind == YAML_TEXT && v->len > 0)
		text_list_keep(out, v->text);
	else if (v->kind != YAML_LIST || v->count == 0)
		fault(faults, path, v, "a name or a list of names is wanted", "");
	for (size_t i = 0; v->kind == YAML_LIST && i < v->count; i++) {
		if (v->child[i]->kind == YAML_TEXT)
			text_list_keep(out, v->child[i]->text);
		else
			fault(faults, path, v->child[i], "not a name", "");
	}
}

/* "modbus", "tcp/443", "udp/53". */
static bool is_protocol(const char *text)
{
	char *end;
	if (strncmp(text, "tcp/", 4) != 0 && strncmp(text, "udp/", 4) != 0)
		return dissector_named(text) != NULL;
	unsigned long port = strtoul(text + 4, &end, 10);
	return text[4] >= '0' && text[4] <= '9' && *end == '\0' && port <= 65535;
}

static void read_one(
	struct conduit *c, const char *path, const struct yaml *map, struct text_list *faults)
{
	struct {
		const char *key;
		struct text_list *texts;
	} known[] = { { "from", &c->from.names }, { "to", &c->to.names },
		{ "protocols", &c->protocols } };
	for (size_t i = 0; i < map->count; i++) {
		unsigned k = 0;
		while (k < 3 && strcmp(map->key[i]->text, known[k].key) != 0)
			k++;
		if (k == 3)
			fault(faults, path, map->key[i],
				"unknown key of a conduit: ", map->key[i]->text);
		else
			read_texts(known[k].texts, path, map->child[i], faults);
	}
	for (unsigned k = 0; k < 2; k++)
		if (yaml_get(map, known[k].key) == NULL)
			fault(faults, path, map, "a conduit needs ", known[k].key);
	for (size_t i = 0; i < c->protocols.count; i++)
		if (!is_protocol(c->protocols.text[i]))
			fault(faults, path, map,
				"neither a protocol (--list-protocols) nor tcp/PORT nor udp/PORT: ",
				c->protocols.text[i]);
}

void conduits_read(
	struct conduits *c, const char *path, const struct yaml *list, struct text_list *faults)
{
	if (yaml_null(list))
		return;
	if (list->kind != YAML_LIST || list->count > CONDUITS_MAX) {
		fault(faults, path, list, "conduits is a list of maps: from, to, protocols", "");
		return;
	}
	struct conduit *grown = realloc(c->one, (c->count + list->count + 1) * sizeof *grown);
	if (grown == NULL)
		abort(); /* start-up */
	c->one = grown;
	for (size_t i = 0; i < list->count; i++) {
		const struct yaml *map = list->child[i];
		struct conduit *one = &c->one[c->count];
		if (map->kind != YAML_MAP) {
			fault(faults, path, map, "a conduit is a map: from, to, protocols", "");
			continue;
		}
		*one = (struct conduit){ 0 };
		if (asprintf(&one->where, "%s:%u:%u", path, map->line, map->column) < 0)
			abort();
		read_one(one, path, map, faults);
		c->count++;
	}
}

/* --- zones ------------------------------------------------------------------------------- */

static void side_ready(const struct conduit *c, struct conduit_side *side,
	const struct site_map *zones, struct text_list *faults)
{
	free(side->label);
	side->label = calloc(side->names.count + 1, sizeof *side->label);
	if (side->label == NULL)
		abort();
	for (size_t i = 0; i < side->names.count; i++) {
		const char *name = side->names.text[i];
		side->any |= strcmp(name, "any") == 0;
		for (size_t k = 1; k < zones->labels; k++)
			if (strcmp(zones->label[k], name) == 0)
				side->label[i] = (uint16_t)k;
		if (side->label[i] == 0 && strcmp(name, "any") != 0 && strcmp(name, "outside") != 0)
			text_list_add(faults,
				"%s: no such zone: %s (any and outside are known too)", c->where,
				name);
	}
}

void conduits_ready(struct conduits *c, const struct site_map *zones, struct text_list *faults)
{
	for (size_t i = 0; i < c->count; i++) {
		side_ready(&c->one[i], &c->one[i].from, zones, faults);
		side_ready(&c->one[i], &c->one[i].to, zones, faults);
	}
}

/* --- asking ------------------------------------------------------------------------------ */

static bool holds(const struct conduit_side *side, uint16_t zone)
{
	if (side->any)
		return true;
	for (size_t i = 0; i < side->names.count; i++)
		if (side->label[i] == zone)
			return true;
	return false;
}

/* "tcp/502" is on the port of "modbus". */
static bool is_port_of(const char *port, const char *name)
{
	const struct dissector *d = dissector_named(name);
	for (; d != NULL; d = d->carrier) {
		for (const struct port_hint *p = d->ports; p != NULL && p->l4 != 0; p++) {
			char text[32];
			snprintf(text, sizeof text, "%s/%u", p->l4 == L4_UDP ? "udp" : "tcp",
				p->port);
			if (strcmp(text, port) == 0)
				return true;
		}
	}
	return false;
}

/* What carries an allowed protocol is allowed with it. */
static bool is_carrier_of(const char *carrier, const char *name)
{
	const struct dissector *d = dissector_named(name);
	return d != NULL && d->carrier != NULL && strcmp(d->carrier->name, carrier) == 0;
}

bool conduits_allow(const struct conduits *c, uint16_t from, uint16_t to, const char *protocol)
{
	for (size_t i = 0; i < c->count; i++) {
		const struct conduit *one = &c->one[i];
		if (!holds(&one->from, from) || !holds(&one->to, to))
			continue;
		if (one->protocols.count == 0)
			return true;
		for (size_t k = 0; k < one->protocols.count; k++) {
			const char *name = one->protocols.text[k];
			if (strcmp(name, protocol) == 0 || is_port_of(protocol, name) ||
				is_carrier_of(protocol, name))
				return true;
		}
	}
	return false;
}

/* --- writing ----------------------------------------------------------------------------- */

void conduits_dump(const struct conduits *c, FILE *out)
{
	fprintf(out,
		"conduits:%s # which zone may open what to which; none: zones are not checked\n",
		c->count == 0 ? " []" : "");
	for (size_t i = 0; i < c->count; i++) {
		fputs("  - {from: ", out);
		settings_dump_texts(out, &c->one[i].from.names);
		fputs(", to: ", out);
		settings_dump_texts(out, &c->one[i].to.names);
		if (c->one[i].protocols.count > 0) {
			fputs(", protocols: ", out);
			settings_dump_texts(out, &c->one[i].protocols);
		}
		fputs("}\n", out);
	}
}

void conduits_free(struct conduits *c)
{
	for (size_t i = 0; i < c->count; i++) {
		struct conduit *one = &c->one[i];
		text_list_free(&one->from.names);
		text_list_free(&one->to.names);
		text_list_free(&one->protocols);
		free(one->from.label);
		free(one->to.label);
		free(one->where);
	}
	free(c->one);
	*c = (struct conduits){ 0 };
}
