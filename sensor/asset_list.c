/* asset_list.c - the devices as a table for people; what they say of themselves is not trusted. */
#include "sensor/asset_show.h"

#include <stdlib.h>
#include <time.h>

#include "common/shown.h"
#include "sensor/services.h"

enum { COLUMNS = 8, CELL = 160 };

static const char *const heads[COLUMNS] = { "ADDRESS", "ROLE", "NAME", "ZONE", "SERVES", "DEVICE",
	"CARD", "SEEN (UTC)" };

struct row {
	char cell[COLUMNS][CELL];
};

/* Characters that a terminal shows, as far as columns go: bytes that start one. */
static size_t width(const char *text)
{
	size_t n = 0;
	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void cell(struct row *r, unsigned column, const char *text, size_t n)
{
	struct buf b = buf_over(r->cell[column], CELL - 1);
	shown_add(&b, text, n);
	r->cell[column][b.len] = '\0';
}

static void put(struct row *r, unsigned column, const char *text)
{
	if (text != NULL)
		cell(r, column, text, strlen(text));
}

static void put_address(struct row *r, const struct asset *a)
{
	char text[64];
	struct buf b = buf_over(r->cell[0], CELL - 1);
	asset_address(a, text);
	if (a->key.unit != ASSET_WHOLE)
		buf_printf(&b, "  unit %u", a->key.unit);
	else
		buf_str(&b, text);
	if (a->key.unit == ASSET_WHOLE && a->unit != ASSET_WHOLE && a->units == 0)
		buf_printf(&b, " unit %u", a->unit);
	if (a->key.unit == ASSET_WHOLE && a->rack != ASSET_NOWAY)
		buf_printf(&b, " %u/%u", a->rack, a->slot);
	r->cell[0][b.len] = '\0';
}

static void put_protocols(struct row *r, const struct asset *a)
{
	struct buf b = buf_over(r->cell[4], CELL - 1);
	for (unsigned i = 0; services[i] != NULL; i++)
		if (a->protocols >> i & 1)
			buf_printf(&b, "%s%s", b.len == 0 ? "" : " ", services[i]->name);
	r->cell[4][b.len] = '\0';
}

/* Maker, model, firmware: what fits. */
static void put_device(struct row *r, const struct asset *a)
{
	static const uint8_t order[] = { ASSET_STATION, ASSET_MAKER, ASSET_MODEL, ASSET_PRODUCT,
		ASSET_FIRMWARE, ASSET_SERIAL };
	char text[CELL];
	struct buf b = buf_over(text, sizeof text);
	for (unsigned i = 0; i < sizeof order; i++) {
		const struct asset_said *said = &a->said[order[i]];
		if (said->len == 0 || b.cap - b.len < said->len + 1U)
			continue;
		if (b.len > 0)
			buf_char(&b, ' ');
		buf_add(&b, said->text, said->len);
	}
	cell(r, 5, text, b.len);
}

static void put_card(struct assets *s, struct row *r, const struct asset *a)
{
	char mac[18], text[CELL];
	const char *vendor = asset_vendor(s, a);
	if (!a->has_mac)
		return;
	mac_text(a->mac, mac);
	snprintf(text, sizeof text, "%s%s%s%s", asset_is_routed(s, a) ? "via " : "", mac,
		vendor == NULL ? "" : " ", vendor == NULL ? "" : vendor);
	put(r, 6, text);
}

static void put_seen(struct row *r, const struct asset *a)
{
	char from[24], to[24];
	time_t first = (time_t)(a->first_ns / ASSET_SECOND),
	       last = (time_t)(a->last_ns / ASSET_SECOND);
	struct tm x, y;
	gmtime_r(&first, &x);
	gmtime_r(&last, &y);
	bool same_day = x.tm_year == y.tm_year && x.tm_yday == y.tm_yday;
	strftime(from, sizeof from, "%Y-%m-%d %H:%M:%S", &x);
	strftime(to, sizeof to, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &y);
	snprintf(r->cell[7], CELL, "%s – %s%s", from, to, a->silent ? " silent" : "");
}

static void fill(struct assets *s, struct row *r, const struct asset *a)
{
	const struct site *site = &s->watch->config->site;
	put_address(r, a);
	put(r, 1, asset_role_text(s, a));
	put(r, 2, asset_label(&site->names, a->name));
	put(r, 3, asset_label(&site->zones, a->zone));
	put_protocols(r, a);
	put_device(r, a);
	put_card(s, r, a);
	put_seen(r, a);
}

static void print_row(FILE *out, char *const cells[COLUMNS], const size_t widths[COLUMNS])
{
	size_t owed = 0; /* blanks, written once something follows */
	for (unsigned c = 0; c < COLUMNS; c++) {
		if (widths[c] == 0)
			continue;
		if (cells[c][0] != '\0') {
			fprintf(out, "%*s%s", (int)owed, "", cells[c]);
			owed = 0;
		}
		owed += widths[c] - width(cells[c]) + 2;
	}
	fputc('\n', out);
}

static void print_talks(const struct assets *s, FILE *out)
{
	size_t count;
	struct talk **all = talks_sorted(s, &count);
	for (size_t i = 0; i < count; i++) {
		const struct talk *t = all[i];
		char protocol[32], from[64], to[64];
		struct asset a = { .key = { .unit = ASSET_WHOLE, .vlan = t->key.vlan } };
		if (t->carries)
			continue;
		memcpy(a.key.address, t->key.address[0], 16);
		asset_address(&a, from);
		memcpy(a.key.address, t->key.address[1], 16);
		asset_address(&a, to);
		talk_protocol(t, protocol);
		fprintf(out, "%s → %s  %s  %llu %s\n", from, to, protocol,
			(unsigned long long)t->messages,
			t->key.service == 0 ? "packets" : "messages");
	}
	free(all);
}

void assets_print(struct assets *s, FILE *out)
{
	size_t count, widths[COLUMNS] = { 0 };
	struct asset **all = assets_sorted(s, &count);
	struct row *rows = calloc(count + 1, sizeof *rows);
	char *cells[COLUMNS];
	for (size_t i = 0; rows != NULL && i < count; i++) {
		fill(s, &rows[i], all[i]);
		for (unsigned c = 0; c < COLUMNS; c++)
			if (width(rows[i].cell[c]) > widths[c])
				widths[c] = width(rows[i].cell[c]);
	}
	for (unsigned c = 0; c < COLUMNS; c++) {
		cells[c] = (char *)(uintptr_t)heads[c];
		if (widths[c] > 0 && widths[c] < strlen(heads[c]))
			widths[c] = strlen(heads[c]);
	}
	if (count > 0)
		print_row(out, cells, widths);
	for (size_t i = 0; rows != NULL && i < count; i++) {
		for (unsigned c = 0; c < COLUMNS; c++)
			cells[c] = rows[i].cell[c];
		print_row(out, cells, widths);
	}
	if (count > 0)
		fputc('\n', out);
	print_talks(s, out);
	free(rows);
	free(all);
}
