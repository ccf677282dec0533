/* asset_svg.c - who speaks to whom as a picture: a band a Purdue level, a box a zone, a card a
 * device. Laid out once and written; texts from the wire are escaped like all others. */
#include "sensor/asset_show.h"

#include <stdlib.h>

#include "common/shown.h"
#include "sensor/services.h"

enum { CARDS_MAX = 500, LINES_MAX = 3000, GROUPS_MAX = 256, TEXTS = 5, TEXT = 192 };
enum {
	GUTTER = 132, /* to the left, for the names of levels */
	EDGE = 24,
	HEAD = 92, /* above, for title and legend */
	CARD_W = 206,
	CARD_PAD = 10,
	LINE_H = 16,
	GAP_X = 18,
	GAP_Y = 26,
	GROUP_PAD = 16,
	GROUP_HEAD = 28,
	BAND_GAP = 58,
	COLUMNS = 5,  /* cards in a row of a zone */
	WIDTH = 1500, /* where a band begins its next row of zones */
	CHARS = 30    /* of a line in a card */
};
enum {
	LEVEL_UNIT = 0,
	LEVEL_CONTROL = 10,
	LEVEL_SUPERVISION = 20,
	LEVEL_SITE = 30,
	LEVEL_OUTSIDE = 60
};

struct card {
	struct asset *a;
	unsigned group;
	int x, y, h;
	unsigned ends[2], used[2]; /* of lines at its top and bottom */
	unsigned texts;
	char text[TEXTS][TEXT];
};

struct group {
	uint16_t zone;
	int level; /* × 10 */
	unsigned cards, columns;
	int x, y, w, h;
};

struct line {
	const struct talk *talk;
	struct card *from, *to;
	bool down, arc; /* leaves at the bottom; both ends in one row */
	int x[2], y[2];
};

struct picture {
	struct assets *s;
	FILE *out;
	struct card *card;
	struct group *group;
	struct line *line;
	unsigned cards, groups, lines, left_out;
	int width, height;
};

/* --- text -------------------------------------------------------------------------------- */

static void put_xml(FILE *out, const char *text)
{
	for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
		if (*c == '&')
			fputs("&amp;", out);
		else if (*c == '<')
			fputs("&lt;", out);
		else if (*c == '>')
			fputs("&gt;", out);
		else if (*c == '"')
			fputs("&quot;", out);
		else if (c[0] == 0xef && c[1] == 0xbf && (c[2] | 1) == 0xbf) {
			fputc('?', out); /* U+FFFE and U+FFFF are no characters of XML */
			c += 2;
		} else {
			fputc(*c, out);
		}
	}
}

/* As far as @max characters go. */
static void cut(char *text, size_t max)
{
	size_t chars = 0, at = 0;
	for (size_t i = 0; text[i] != '\0'; i++) {
		if (((unsigned char)text[i] & 0xc0) == 0x80)
			continue;
		if (++chars == max)
			at = i;
	}
	if (chars > max)
		strcpy(text + at, "…");
}

static void add_text(struct card *c, const char *text, size_t n)
{
	if (n == 0 || c->texts == TEXTS)
		return;
	struct buf b = buf_over(c->text[c->texts], TEXT - 4);
	shown_add(&b, text, n);
	c->text[c->texts][b.len] = '\0';
	cut(c->text[c->texts], c->texts < 2 ? CHARS - 4 : CHARS);
	c->texts++;
}

static void add(struct card *c, const char *text)
{
	if (text != NULL)
		add_text(c, text, strlen(text));
}

/* Two things in one line, where both are known. */
static void add_pair(struct card *c, const struct asset *a, unsigned one, unsigned other)
{
	char text[2 * sizeof a->said[0].text + 1];
	const struct asset_said *x = &a->said[one], *y = &a->said[other];
	memcpy(text, x->text, x->len);
	size_t n = x->len;
	if (n > 0 && y->len > 0)
		text[n++] = ' ';
	memcpy(text + n, y->text, y->len);
	add_text(c, text, n + y->len);
}

static void add_units(struct picture *p, struct card *c)
{
	char text[TEXT];
	struct buf b = buf_over(text, sizeof text - 1);
	size_t count;
	struct asset **all = assets_sorted(p->s, &count);
	buf_str(&b, "units");
	for (size_t i = 0; i < count && b.len < CHARS; i++)
		if (all[i]->key.unit != ASSET_WHOLE && all[i]->key.vlan == c->a->key.vlan &&
			memcmp(all[i]->key.address, c->a->key.address, 16) == 0)
			buf_printf(&b, " %u", all[i]->key.unit);
	add_text(c, text, b.len);
	free(all);
}

static void describe(struct picture *p, struct card *c)
{
	const struct asset *a = c->a;
	const char *name = asset_label(&p->s->watch->config->site.names, a->name);
	char address[64], role[TEXT];
	asset_address(a, address);
	add(c, name == NULL ? address : name);
	snprintf(role, sizeof role, "%s%s%s", asset_role_text(p->s, a), name == NULL ? "" : " · ",
		name == NULL ? "" : address);
	add(c, role);
	if (a->units > 0)
		add_units(p, c);
	add_pair(c, a, ASSET_STATION, a->said[ASSET_MODEL].len > 0 ? ASSET_MODEL : ASSET_PRODUCT);
	add_pair(c, a, ASSET_MAKER, ASSET_FIRMWARE);
	if (a->said[ASSET_MAKER].len == 0)
		add(c, asset_vendor(p->s, a));
	c->h = 2 * CARD_PAD + (int)c->texts * LINE_H;
}

/* --- groups and bands -------------------------------------------------------------------- */

static int implied_level(const struct asset *a)
{
	struct addr ip = { .family = a->family };
	memcpy(ip.bytes, a->key.address, 16);
	if (addr_is_routable(&ip) && a->zone == 0 && a->name == 0)
		return LEVEL_OUTSIDE;
	switch (asset_role(a)) {
	case ROLE_UNIT:
		return LEVEL_UNIT;
	case ROLE_CONTROLLER:
	case ROLE_OUTSTATION:
	case ROLE_GATEWAY:
		return LEVEL_CONTROL;
	case ROLE_HOST:
		return LEVEL_SITE;
	default:
		return LEVEL_SUPERVISION;
	}
}

/* The group of a device: its zone, else those of its kind that are in none. */
static int group_of(struct picture *p, const struct asset *a)
{
	int level = asset_level(p->s, a), implied = implied_level(a);
	for (unsigned i = 0; i < p->groups; i++)
		if (p->group[i].zone == a->zone && (a->zone != 0 || p->group[i].level == implied))
			return (int)i;
	if (p->groups == GROUPS_MAX)
		return -1;
	p->group[p->groups] =
		(struct group){ .zone = a->zone, .level = level < 0 ? implied : level };
	return (int)p->groups++;
}

static void take_cards(struct picture *p)
{
	size_t count;
	struct asset **all = assets_sorted(p->s, &count);
	for (size_t i = 0; i < count; i++) {
		if (all[i]->key.unit != ASSET_WHOLE)
			continue;
		int group = p->cards == CARDS_MAX ? -1 : group_of(p, all[i]);
		if (group < 0) {
			p->left_out++;
			continue;
		}
		struct card *c = &p->card[p->cards++];
		*c = (struct card){ .a = all[i], .group = (unsigned)group };
		p->group[group].cards++;
		describe(p, c);
	}
	free(all);
}

/* Cards of a group in rows, each as high as its highest. */
static void fill_group(struct picture *p, unsigned which)
{
	struct group *g = &p->group[which];
	unsigned column = 0;
	int row_h = 0, y = GROUP_HEAD + GROUP_PAD / 2;
	g->columns = g->cards < COLUMNS ? g->cards : COLUMNS;
	for (unsigned i = 0; i < p->cards; i++) {
		struct card *c = &p->card[i];
		if (c->group != which)
			continue;
		if (column == g->columns) {
			column = 0;
			y += row_h + GAP_Y;
			row_h = 0;
		}
		c->x = GROUP_PAD + (int)column++ * (CARD_W + GAP_X);
		c->y = y;
		row_h = c->h > row_h ? c->h : row_h;
	}
	g->w = 2 * GROUP_PAD + (int)g->columns * (CARD_W + GAP_X) - GAP_X;
	g->h = y + row_h + GROUP_PAD;
}

static int next_level(const struct picture *p, int below)
{
	int next = -1;
	for (unsigned i = 0; i < p->groups; i++)
		if (p->group[i].level < below && p->group[i].level > next)
			next = p->group[i].level;
	return next;
}

static const char *level_name(int level)
{
	static const struct {
		int level;
		const char *name;
	} names[] = { { 0, "Process" }, { 10, "Basic control" }, { 20, "Supervision" },
		{ 30, "Operations" }, { 35, "DMZ" }, { 40, "Business" }, { 50, "Enterprise" } };
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].level == level)
			return names[i].name;
	return "";
}

/* Groups of one level from left to right, in as many rows as they need. Returns where it ends. */
static int place_band(struct picture *p, int level, int y)
{
	int x = GUTTER, row_h = 0;
	for (unsigned i = 0; i < p->groups; i++) {
		struct group *g = &p->group[i];
		if (g->level != level)
			continue;
		if (x > GUTTER && x + g->w > WIDTH) {
			x = GUTTER;
			y += row_h + GAP_Y;
			row_h = 0;
		}
		g->x = x;
		g->y = y;
		x += g->w + GAP_X;
		row_h = g->h > row_h ? g->h : row_h;
		p->width = x > p->width ? x : p->width;
	}
	return y + row_h;
}

static void draw_band(struct picture *p, int level, int y)
{
	FILE *out = p->out;
	fprintf(out, "<text class=\"level\" x=\"%d\" y=\"%d\">", EDGE, y + 22);
	if (level == LEVEL_OUTSIDE)
		fputs("Outside</text>\n", out);
	else
		fprintf(out, "Level %g</text>\n<text class=\"sub\" x=\"%d\" y=\"%d\">%s</text>\n",
			level / 10.0, EDGE, y + 40, level_name(level));
}

static void place(struct picture *p)
{
	int y = HEAD, level = LEVEL_OUTSIDE + 1;
	for (unsigned i = 0; i < p->groups; i++)
		fill_group(p, i);
	while ((level = next_level(p, level)) >= 0)
		y = place_band(p, level, y) + BAND_GAP;
	for (unsigned i = 0; i < p->cards; i++) {
		const struct group *g = &p->group[p->card[i].group];
		p->card[i].x += g->x;
		p->card[i].y += g->y;
	}
	p->width = (p->width < 760 ? 760 : p->width) + EDGE;
	p->height = (p->groups == 0 ? HEAD + 40 : y - BAND_GAP) + EDGE;
}

/* --- lines ------------------------------------------------------------------------------- */

static struct card *card_at(struct picture *p, const uint8_t address[16], uint16_t vlan)
{
	for (unsigned i = 0; i < p->cards; i++)
		if (p->card[i].a->key.vlan == vlan &&
			memcmp(p->card[i].a->key.address, address, 16) == 0)
			return &p->card[i];
	return NULL;
}

static void take_lines(struct picture *p)
{
	size_t count;
	struct talk **all = talks_sorted(p->s, &count);
	for (size_t i = 0; i < count && p->lines < LINES_MAX; i++) {
		const struct talk *t = all[i];
		struct card *from = card_at(p, t->key.address[0], t->key.vlan);
		struct card *to = card_at(p, t->key.address[1], t->key.vlan);
		if (from == NULL || to == NULL || from == to || t->carries)
			continue;
		struct line *l = &p->line[p->lines++];
		*l = (struct line){ .talk = t, .from = from, .to = to };
		l->arc = from->y < to->y + to->h && to->y < from->y + from->h;
		l->down = !l->arc && from->y < to->y;
		from->ends[l->down]++;
		to->ends[!l->arc && !l->down]++;
	}
	free(all);
}

static int by_other_end(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	int order = x->from->x + x->to->x - y->from->x - y->to->x;
	return order != 0 ? order : (x->talk > y->talk) - (x->talk < y->talk);
}

/* Where a line meets a card: all that do share its width. */
static void meet(struct line *l, unsigned end)
{
	struct card *c = end == 0 ? l->from : l->to;
	bool bottom = end == 0 ? l->down : !l->arc && !l->down;
	int step = CARD_W * 100 / (int)(c->ends[bottom] + 1);
	l->x[end] = c->x + (int)++c->used[bottom] * step / 100;
	l->y[end] = bottom ? c->y + c->h : c->y;
}

static void route(struct picture *p)
{
	qsort(p->line, p->lines, sizeof *p->line, by_other_end);
	for (unsigned i = 0; i < p->lines; i++) {
		meet(&p->line[i], 0);
		meet(&p->line[i], 1);
	}
}

/* --- drawing ----------------------------------------------------------------------------- */

static const struct {
	const char *protocol, *colour;
} colours[] = {
	{ "modbus", "#2563eb" }, { "s7comm", "#059669" }, { "s7comm-plus", "#a21caf" },
	{ "dnp3", "#ea580c" }, { "cotp", "#65a30d" },
	{ "other", "#94a3b8" }, /* the last: all that are none of these */
};
enum { COLOURS = sizeof colours / sizeof colours[0] };

static const char *const role_colours[ROLES] = { "#94a3b8", "#0284c7", "#0284c7", "#7c3aed",
	"#16a34a", "#16a34a", "#d97706", "#65a30d" };

static unsigned colour_of(const struct talk *t)
{
	const char *name = t->key.service == 0 ? "" : services[t->key.service - 1]->name;
	unsigned i = 0;
	while (i < COLOURS - 1 && strcmp(colours[i].protocol, name) != 0)
		i++;
	return i;
}

static void draw_head(struct picture *p)
{
	FILE *out = p->out;
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"viewBox=\"0 0 %d %d\" role=\"img\" font-family=\"'Inter','Segoe UI','DejaVu Sans',"
		"Arial,sans-serif\" font-size=\"12\">\n<title>Devices and who speaks to "
		"whom</title>\n"
		"<style>.t{font-size:20px;font-weight:600;fill:#0f172a}.sub{fill:#64748b}"
		".level{font-size:14px;font-weight:600;fill:#334155}.zone{font-weight:600;fill:#"
		"334155}"
		".n{font-weight:600;fill:#0f172a;font-size:12.5px}.r{fill:#475569}.d{fill:#64748b;"
		"font-size:11px}path.l{fill:none;stroke-width:1.6;opacity:.8}</style>\n<defs>\n",
		p->width, p->height, p->width, p->height);
	for (unsigned i = 0; i < COLOURS; i++)
		fprintf(out,
			"<marker id=\"m%u\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" "
			"markerWidth=\"7\" "
			"markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"%s\"/>"
			"</marker>\n",
			i, colours[i].colour);
	fprintf(out,
		"</defs>\n<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n"
		"<text class=\"t\" x=\"%d\" y=\"38\">%u device%s, %u conversation%s</text>\n",
		p->width, p->height, EDGE, p->cards, p->cards == 1 ? "" : "s", p->lines,
		p->lines == 1 ? "" : "s");
	if (p->left_out > 0)
		fprintf(out,
			"<text class=\"sub\" x=\"%d\" y=\"56\">and %u more that are not "
			"shown</text>\n",
			EDGE, p->left_out);
}

static void draw_legend(struct picture *p)
{
	int x = EDGE;
	for (unsigned i = 0; i < COLOURS; i++) {
		unsigned n = 0;
		for (unsigned k = 0; k < p->lines; k++)
			n += colour_of(p->line[k].talk) == i;
		if (n == 0)
			continue;
		fprintf(p->out,
			"<path class=\"l\" d=\"M%d 70h30\" stroke=\"%s\" marker-end=\"url(#m%u)\"/>"
			"<text class=\"r\" x=\"%d\" y=\"74\">%s</text>\n",
			x, colours[i].colour, i, x + 40, colours[i].protocol);
		x += 60 + (int)strlen(colours[i].protocol) * 7;
	}
	if (x > EDGE)
		fprintf(p->out,
			"<text class=\"sub\" x=\"%d\" y=\"74\">from who asks to who "
			"answers</text>\n",
			x);
}

static void draw_group(struct picture *p, const struct group *g)
{
	static const struct {
		int level;
		const char *name;
	} kinds[] = { { LEVEL_OUTSIDE, "Internet" }, { LEVEL_SITE, "Hosts" },
		{ LEVEL_SUPERVISION, "Stations" }, { LEVEL_CONTROL, "Controllers" },
		{ LEVEL_UNIT, "Units" } };
	const char *name = asset_label(&p->s->watch->config->site.zones, g->zone);
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0] && name == NULL; i++)
		if (kinds[i].level == g->level)
			name = kinds[i].name;
	char shown[TEXT];
	struct buf b = buf_over(shown, TEXT - 4);
	shown_add(&b, name == NULL ? "" : name, name == NULL ? 0 : strlen(name));
	shown[b.len] = '\0';
	cut(shown, g->columns * CHARS - 2);
	fprintf(p->out,
		"<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"10\" fill=\"#f8fafc\" "
		"stroke=\"#cbd5e1\"%s/>\n<text class=\"%s\" x=\"%d\" y=\"%d\">",
		g->x, g->y, g->w, g->h, g->zone == 0 ? " stroke-dasharray=\"4 4\"" : "",
		g->zone == 0 ? "sub" : "zone", g->x + GROUP_PAD, g->y + 20);
	put_xml(p->out, shown);
	fputs("</text>\n", p->out);
}

static void draw_line(struct picture *p, const struct line *l)
{
	unsigned colour = colour_of(l->talk);
	char protocol[32];
	int bend = (l->y[1] - l->y[0]) / 2;
	talk_protocol(l->talk, protocol);
	if (l->arc)
		bend = -18 - abs(l->x[1] - l->x[0]) / 24;
	fprintf(p->out,
		"<path class=\"l\" d=\"M%d %dC%d %d %d %d %d %d\" stroke=\"%s\" "
		"marker-end=\"url(#m%u)\"><title>",
		l->x[0], l->y[0], l->x[0], l->y[0] + bend, l->x[1],
		l->arc ? l->y[1] + bend : l->y[1] - bend, l->x[1], l->y[1], colours[colour].colour,
		colour);
	put_xml(p->out, l->from->text[0]);
	fputs(" → ", p->out);
	put_xml(p->out, l->to->text[0]);
	fprintf(p->out, ": %s, %llu %s</title></path>\n", protocol,
		(unsigned long long)l->talk->messages,
		l->talk->key.service == 0 ? "packets" : "messages");
}

static void draw_card(struct picture *p, const struct card *c)
{
	static const char *const classes[TEXTS] = { "n", "r", "d", "d", "d" };
	const char *colour = role_colours[asset_role(c->a)];
	fprintf(p->out,
		"<g><rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"6\" fill=\"#fff\" "
		"stroke=\"%s\"%s/><rect x=\"%d\" y=\"%d\" width=\"4\" height=\"%d\" rx=\"2\" "
		"fill=\"%s\"/>\n",
		c->x, c->y, CARD_W, c->h, c->a->silent ? "#dc2626" : "#94a3b8",
		c->a->silent ? " stroke-dasharray=\"5 3\"" : "", c->x + 4, c->y + 5, c->h - 10,
		colour);
	for (unsigned i = 0; i < c->texts; i++) {
		fprintf(p->out, "<text class=\"%s\" x=\"%d\" y=\"%d\">", classes[i],
			c->x + CARD_PAD + 5, c->y + CARD_PAD + 12 + (int)i * LINE_H);
		put_xml(p->out, c->text[i]);
		fputs("</text>\n", p->out);
	}
	fputs("</g>\n", p->out);
}

static void draw(struct picture *p)
{
	int level = LEVEL_OUTSIDE + 1;
	draw_head(p);
	draw_legend(p);
	while ((level = next_level(p, level)) >= 0)
		for (unsigned i = 0; i < p->groups; i++)
			if (p->group[i].level == level) {
				draw_band(p, level, p->group[i].y);
				break;
			}
	for (unsigned i = 0; i < p->groups; i++)
		draw_group(p, &p->group[i]);
	for (unsigned i = 0; i < p->lines; i++)
		draw_line(p, &p->line[i]);
	for (unsigned i = 0; i < p->cards; i++)
		draw_card(p, &p->card[i]);
	fputs("</svg>\n", p->out);
}

void assets_svg(struct assets *s, FILE *out)
{
	struct picture p = { .s = s, .out = out };
	p.card = calloc(CARDS_MAX, sizeof *p.card);
	p.group = calloc(GROUPS_MAX, sizeof *p.group);
	p.line = calloc(LINES_MAX, sizeof *p.line);
	if (p.card != NULL && p.group != NULL && p.line != NULL) {
		take_cards(&p);
		place(&p);
		take_lines(&p);
		route(&p);
		draw(&p);
	}
	free(p.card);
	free(p.group);
	free(p.line);
}
