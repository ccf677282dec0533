/* site.c - longest-prefix look-up by one binary search per prefix length that occurs; asked once a
 * flow. */
#include "sensor/site.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LABELS_MAX = 65535, V4_BITS = 96 };

/* --- prefixes ---------------------------------------------------------------------------- */

static bool host_bits_zero(const uint8_t bytes[16], unsigned bits)
{
	for (unsigned i = bits; i < 128; i++)
		if (bytes[i / 8] >> (7 - i % 8) & 1)
			return false;
	return true;
}

bool site_prefix_parse(const char *text, uint8_t bytes[16], uint8_t *bits)
{
	char address[64];
	const char *slash = strchr(text, '/');
	size_t n = slash == NULL ? strlen(text) : (size_t)(slash - text);
	if (n >= sizeof address)
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	unsigned base = 0;
	if (inet_pton(AF_INET, address, bytes + 12) == 1) {
		memset(bytes, 0, 10);
		bytes[10] = bytes[11] = 0xff;
		base = V4_BITS;
	} else if (inet_pton(AF_INET6, address, bytes) != 1) {
		return false;
	}
	unsigned long length = 128 - base;
	if (slash != NULL) {
		char *end;
		length = strtoul(slash + 1, &end, 10);
		if (slash[1] < '0' || slash[1] > '9' || *end != '\0' || length > 128 - base)
			return false;
	}
	*bits = (uint8_t)(base + length);
	return host_bits_zero(bytes, *bits);
}

void site_prefix_print(const uint8_t bytes[16], uint8_t bits, char *out, size_t cap)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char address[INET6_ADDRSTRLEN];
	bool v4 = bits >= V4_BITS && memcmp(bytes, mapped, sizeof mapped) == 0;
	inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? bytes + 12 : bytes, address, sizeof address);
	if (bits == 128)
		snprintf(out, cap, "%s", address);
	else
		snprintf(
			out, cap, "%s/%u", address, v4 ? (unsigned)bits - V4_BITS : (unsigned)bits);
}

/* --- building ---------------------------------------------------------------------------- */

static void *grow(void *block, size_t count, size_t *cap, size_t size)
{
	if (count < *cap)
		return block;
	*cap = *cap == 0 ? 16 : *cap * 2;
	void *grown = realloc(block, *cap * size);
	if (grown == NULL)
		abort(); /* start-up, and a configuration is bounded */
	return grown;
}

static uint16_t add_label(struct site_map *m, const char *text)
{
	if (m->labels == 0)
		m->labels = 1;
	size_t old = m->labels_cap;
	m->label = grow(m->label, m->labels, &m->labels_cap, sizeof *m->label);
	if (old == 0)
		m->label[0] = NULL;
	m->label[m->labels] = strdup(text);
	return (uint16_t)m->labels++;
}

static void add_prefix(struct site_map *m, const char *path, const struct yaml *at, uint16_t label,
	struct text_list *faults)
{
	struct site_prefix p = { .label = label };
	if (at->kind != YAML_TEXT || !site_prefix_parse(at->text, p.bytes, &p.bits)) {
		text_list_add(faults, "%s:%u:%u: not an address or prefix: %s", path, at->line,
			at->column, at->kind == YAML_TEXT ? at->text : "(a list or map)");
		return;
	}
	m->prefix = grow(m->prefix, m->count, &m->cap, sizeof *m->prefix);
	m->prefix[m->count++] = p;
}

static bool is_map(
	const char *path, const struct yaml *node, const char *what, struct text_list *faults)
{
	if (node->kind == YAML_MAP)
		return true;
	if (!yaml_null(node))
		text_list_add(
			faults, "%s:%u:%u: %s is a map", path, node->line, node->column, what);
	return false;
}

/* One entry of a map that describes a label; unknown keys are faults. */
static const struct yaml *member(const char *path, const struct yaml *map, const char *key,
	const char *other, struct text_list *faults)
{
	for (size_t i = 0; i < map->count; i++)
		if (strcmp(map->key[i]->text, key) != 0 && strcmp(map->key[i]->text, other) != 0)
			text_list_add(faults, "%s:%u:%u: unknown key %s (known: %s, %s)", path,
				map->key[i]->line, map->key[i]->column, map->key[i]->text, key,
				other);
	return yaml_get(map, key);
}

static bool room(
	const struct site_map *m, const char *path, const struct yaml *at, struct text_list *faults)
{
	if (m->labels < LABELS_MAX)
		return true;
	text_list_add(
		faults, "%s:%u:%u: more than %d entries", path, at->line, at->column, LABELS_MAX);
	return false;
}

static void set_byte(uint8_t **bytes, uint16_t label, uint8_t v)
{
	if (*bytes == NULL)
		*bytes = calloc(LABELS_MAX + 1, 1);
	if (*bytes == NULL)
		abort();
	(*bytes)[label] = v;
}

void site_names(struct site *s, const char *path, const struct yaml *map, struct text_list *faults)
{
	if (!is_map(path, map, "names", faults))
		return;
	for (size_t i = 0; i < map->count && room(&s->names, path, map, faults); i++) {
		const struct yaml *v = map->child[i], *name = v, *weight = NULL;
		if (v->kind == YAML_MAP) {
			name = member(path, v, "name", "criticality", faults);
			weight = yaml_get(v, "criticality");
		}
		if (name == NULL || name->kind != YAML_TEXT || name->len == 0) {
			text_list_add(faults, "%s:%u:%u: a device needs a name", path, v->line,
				v->column);
			continue;
		}
		uint16_t label = add_label(&s->names, name->text);
		uint64_t criticality = 0;
		if (weight != NULL && (!yaml_uint(weight, &criticality) || criticality > 100))
			text_list_add(faults, "%s:%u:%u: criticality is 0 to 100", path,
				weight->line, weight->column);
		else if (weight != NULL)
			set_byte(&s->criticality, label, (uint8_t)criticality);
		add_prefix(&s->names, path, map->key[i], label, faults);
	}
}

static void add_prefixes(struct site_map *m, const char *path, const struct yaml *list,
	uint16_t label, struct text_list *faults)
{
	if (list->kind == YAML_TEXT && !yaml_null(list))
		add_prefix(m, path, list, label, faults);
	for (size_t i = 0; list->kind == YAML_LIST && i < list->count; i++)
		add_prefix(m, path, list->child[i], label, faults);
}

void site_roles(struct site *s, const char *path, const struct yaml *map, struct text_list *faults)
{
	if (!is_map(path, map, "roles", faults))
		return;
	for (size_t i = 0; i < map->count && room(&s->roles, path, map, faults); i++)
		add_prefixes(&s->roles, path, map->child[i],
			add_label(&s->roles, map->key[i]->text), faults);
}

void site_zones(struct site *s, const char *path, const struct yaml *map, struct text_list *faults)
{
	if (!is_map(path, map, "zones", faults))
		return;
	for (size_t i = 0; i < map->count && room(&s->zones, path, map, faults); i++) {
		const struct yaml *v = map->child[i], *prefixes = v, *level = NULL;
		uint16_t label = add_label(&s->zones, map->key[i]->text);
		if (v->kind == YAML_MAP) {
			prefixes = member(path, v, "prefixes", "level", faults);
			level = yaml_get(v, "level");
		}
		double purdue = 0;
		if (level != NULL && (!yaml_real(level, &purdue) || purdue < 0 || purdue > 5))
			text_list_add(faults, "%s:%u:%u: a Purdue level is 0 to 5", path,
				level->line, level->column);
		else if (level != NULL)
			set_byte(&s->level, label, (uint8_t)(purdue * 10 + 1.5));
		if (prefixes == NULL)
			text_list_add(faults, "%s:%u:%u: zone without prefixes", path, v->line,
				v->column);
		else
			add_prefixes(&s->zones, path, prefixes, label, faults);
	}
}

/* --- look-up ----------------------------------------------------------------------------- */

static int by_length_then_bytes(const void *a, const void *b)
{
	const struct site_prefix *x = a, *y = b;
	if (x->bits != y->bits)
		return x->bits > y->bits ? -1 : 1;
	return memcmp(x->bytes, y->bytes, 16);
}

static void map_ready(struct site_map *m, struct text_list *faults)
{
	m->length_count = 0;
	if (m->count == 0)
		return;
	qsort(m->prefix, m->count, sizeof *m->prefix, by_length_then_bytes);
	for (size_t i = 0; i < m->count; i++) {
		if (i == 0 || m->prefix[i].bits != m->prefix[i - 1].bits) {
			m->lengths[m->length_count] = m->prefix[i].bits;
			m->start[m->length_count++] = i;
		} else if (memcmp(m->prefix[i].bytes, m->prefix[i - 1].bytes, 16) == 0) {
			char text[64];
			site_prefix_print(m->prefix[i].bytes, m->prefix[i].bits, text, sizeof text);
			text_list_add(faults, "%s is both %s and %s", text,
				m->label[m->prefix[i - 1].label], m->label[m->prefix[i].label]);
		}
	}
}

void site_ready(struct site *s, struct text_list *faults)
{
	map_ready(&s->names, faults);
	map_ready(&s->roles, faults);
	map_ready(&s->zones, faults);
	conduits_ready(&s->conduits, &s->zones, faults);
}

static void mask(uint8_t bytes[16], unsigned bits)
{
	for (unsigned i = 0; i < 16; i++) {
		if (i * 8 >= bits)
			bytes[i] = 0;
		else if (bits - i * 8 < 8)
			bytes[i] &= (uint8_t)(0xff << (8 - (bits - i * 8)));
	}
}

static uint16_t look_up(const struct site_map *m, const uint8_t address[16])
{
	for (size_t l = 0; l < m->length_count; l++) {
		struct site_prefix key = { .bits = m->lengths[l] };
		memcpy(key.bytes, address, 16);
		mask(key.bytes, key.bits);
		size_t end = l + 1 == m->length_count ? m->count : m->start[l + 1];
		const struct site_prefix *found = bsearch(&key, m->prefix + m->start[l],
			end - m->start[l], sizeof key, by_length_then_bytes);
		if (found != NULL)
			return found->label;
	}
	return 0;
}

void site_facts(void *site, struct flow *f)
{
	const struct site *s = site;
	for (unsigned i = 0; i < 2; i++) {
		f->name[i] = look_up(&s->names, f->end[i].ip.bytes);
		f->role[i] = look_up(&s->roles, f->end[i].ip.bytes);
		f->zone[i] = look_up(&s->zones, f->end[i].ip.bytes);
	}
}

int site_level(const struct site *s, uint16_t zone)
{
	return zone == 0 || s->level == NULL ? -1 : s->level[zone] - 1;
}

static void map_free(struct site_map *m)
{
	for (size_t i = 1; i < m->labels; i++)
		free((void *)(uintptr_t)m->label[i]);
	free(m->label);
	free(m->prefix);
	*m = (struct site_map){ 0 };
}

void site_free(struct site *s)
{
	map_free(&s->names);
	map_free(&s->roles);
	map_free(&s->zones);
	conduits_free(&s->conduits);
	free(s->criticality);
	free(s->level);
	*s = (struct site){ 0 };
}
