/* asset_dot.c - the devices as a graph for Graphviz: a box a zone, an edge a talk. */
#include "sensor/asset_show.h"

#include <stdlib.h>

#include "common/shown.h"

/* Within a quoted string of DOT: what a terminal may show, quotes and backslashes escaped. */
static void put(FILE *out, const char *text, size_t n)
{
	char safe[512];
	struct buf b = buf_over(safe, sizeof safe);
	shown_add(&b, text, n);
	for (size_t i = 0; i < b.len; i++) {
		if (safe[i] == '"' || safe[i] == '\\')
			fputc('\\', out);
		fputc(safe[i], out);
	}
}

static void put_text(FILE *out, const char *text)
{
	put(out, text, strlen(text));
}

static void put_line(FILE *out, const char *text)
{
	fputs("\\n", out);
	put_text(out, text);
}

static void node(struct assets *s, FILE *out, const struct asset *a)
{
	static const char *const colours[ROLES] = { "#f3f4f6", "#dbeafe", "#dbeafe", "#ede9fe",
		"#dcfce7", "#dcfce7", "#fef3c7", "#ecfccb" };
	static const uint8_t order[] = { ASSET_STATION, ASSET_MAKER, ASSET_MODEL, ASSET_FIRMWARE };
	const char *name = asset_label(&s->watch->config->site.names, a->name);
	const char *vendor = asset_vendor(s, a);
	char address[64];
	asset_address(a, address);
	fputs("    \"", out);
	put_text(out, address);
	fputs("\" [label=\"", out);
	put_text(out, name == NULL ? address : name);
	if (name != NULL)
		put_line(out, address);
	put_line(out, asset_role_text(s, a));
	for (unsigned i = 0; i < sizeof order / sizeof order[0]; i++)
		if (a->said[order[i]].len > 0) {
			fputs("\\n", out);
			put(out, a->said[order[i]].text, a->said[order[i]].len);
		}
	if (vendor != NULL && a->said[ASSET_MAKER].len == 0)
		put_line(out, vendor);
	fprintf(out, "\", fillcolor=\"%s\"];\n", colours[asset_role(a)]);
}

/* Devices of one zone label, 0: of none. */
static void zone(struct assets *s, FILE *out, struct asset **all, size_t count, uint16_t label)
{
	const char *name = asset_label(&s->watch->config->site.zones, label);
	int level = site_level(&s->watch->config->site, label);
	bool open = false;
	for (size_t i = 0; i < count; i++) {
		if (all[i]->zone != label)
			continue;
		if (!open && name != NULL) {
			fprintf(out, "  subgraph \"cluster_%u\" {\n    label=\"", label);
			put_text(out, name);
			if (level >= 0)
				fprintf(out, " (level %g)", level / 10.0);
			fputs("\";\n", out);
		}
		open = true;
		node(s, out, all[i]);
	}
	if (open && name != NULL)
		fputs("  }\n", out);
}

static void edges(struct assets *s, FILE *out, struct asset **all, size_t count)
{
	size_t talks;
	struct talk **list = talks_sorted(s, &talks);
	for (size_t i = 0; i < talks; i++) {
		struct asset end = { .key = { .unit = ASSET_WHOLE, .vlan = list[i]->key.vlan } };
		char ends[2][64], protocol[32];
		for (unsigned k = 0; k < 2; k++) {
			memcpy(end.key.address, list[i]->key.address[k], 16);
			asset_address(&end, ends[k]);
		}
		talk_protocol(list[i], protocol);
		if (!list[i]->carries)
			fprintf(out, "  \"%s\" -> \"%s\" [label=\"%s\"];\n", ends[0], ends[1],
				protocol);
	}
	for (size_t i = 0; i < count; i++) {
		struct asset behind = *all[i];
		char unit[64], gateway[64];
		if (behind.key.unit == ASSET_WHOLE)
			continue;
		asset_address(&behind, unit);
		behind.key.unit = ASSET_WHOLE;
		asset_address(&behind, gateway);
		fprintf(out, "  \"%s\" -> \"%s\" [arrowhead=none, style=dashed];\n", gateway, unit);
	}
	free(list);
}

void assets_dot(struct assets *s, FILE *out)
{
	size_t count;
	struct asset **all = assets_sorted(s, &count);
	fputs("digraph assets {\n  rankdir=TB;\n  graph [fontname=\"sans-serif\", style=rounded];\n"
	      "  node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\", "
	      "fontsize=10];\n"
	      "  edge [fontname=\"sans-serif\", fontsize=9, color=\"#6b7280\"];\n",
		out);
	for (size_t z = 0; z == 0 || z < s->watch->config->site.zones.labels; z++)
		zone(s, out, all, count, (uint16_t)z);
	edges(s, out, all, count);
	fputs("}\n", out);
	free(all);
}
