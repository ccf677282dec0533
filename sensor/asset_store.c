/* asset_store.c - what is known of devices, kept in a file over a restart: else every start of the
 * sensor would be followed by a day in which anybody is welcome.
 * One line "bongsu-devices 1 CLOCK", then one a device, its fields separated by tabs. */
#include "sensor/asset_tell.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sensor/envelope.h"
#include "sensor/services.h"

/* Bits and sources of texts are by their numbers here: who reorders them raises the version. */
static const char magic[] = "bongsu-devices 1 ";

enum { FIELDS = 16, FILE_MAX = 512 * 1024 * 1024 };
enum { FLAG_GATEWAY = 1, FLAG_ENGINEERS = 2, FLAG_PROGRAMMER = 4, FLAG_POLLS = 8 };

/* --- writing ----------------------------------------------------------------------------- */

static void put_protocols(struct buf *b, const struct asset *a)
{
	size_t before = b->len;
	for (unsigned i = 0; services[i] != NULL; i++)
		if (a->protocols >> i & 1)
			buf_printf(b, "%s%s", b->len == before ? "" : ",", services[i]->name);
	if (b->len == before)
		buf_char(b, '-');
}

static void put_device(struct buf *b, const struct asset *a)
{
	char mac[18] = "-";
	unsigned flags = (a->gateway ? FLAG_GATEWAY : 0U) | (a->engineers ? FLAG_ENGINEERS : 0U) |
			 (a->programmer ? FLAG_PROGRAMMER : 0U) | (a->polls > 0 ? FLAG_POLLS : 0U);
	if (a->has_mac)
		mac_text(a->mac, mac);
	envelope_addr_text(b, a->key.address);
	buf_printf(b, "\t%u\t%u\t%s\t%u\t%u\t%u\t%u\t%u\t%u\t%u\t%u\t%u\t", a->key.vlan,
		a->key.unit, mac, a->mac_vlan, a->serves, a->asks, flags, a->unit, a->units,
		a->tsap, a->rack, a->slot);
	put_protocols(b, a);
	buf_printf(b, "\t%" PRId64 "\t%" PRId64, a->first_ns, a->last_ns);
	for (unsigned i = 0; i < ASSET_TEXTS; i++) {
		const struct asset_said *said = &a->said[i];
		buf_printf(b, "\t%u:%u:", said->by, said->strength);
		buf_hex(b, (const uint8_t *)said->text, said->len);
	}
	buf_char(b, '\n');
}

static bool write_all(struct assets *s, FILE *f)
{
	fprintf(f, "%s%" PRId64 "\n", magic, s->clock);
	for (size_t i = 0; i < roster_places(s->devices); i++) {
		struct buf line = buf_over(s->line, sizeof s->line);
		const struct asset *a = roster_at(s->devices, i);
		if (a == NULL)
			continue;
		put_device(&line, a);
		fwrite(line.at, 1, line.len, f);
	}
	return ferror(f) == 0;
}

bool assets_save(struct assets *s, const char *path, struct err *err)
{
	char fresh[4096];
	if (snprintf(fresh, sizeof fresh, "%s.new", path) >= (int)sizeof fresh)
		return err_set(err, "%s: path too long", path);
	FILE *f = fopen(fresh, "we");
	if (f == NULL)
		return err_set(err, "%s: %s", fresh, strerror(errno));
	bool ok = write_all(s, f);
	ok &= fclose(f) == 0;
	ok = ok && rename(fresh, path) == 0;
	return ok || err_set(err, "%s: %s", path, strerror(errno));
}

/* --- reading ----------------------------------------------------------------------------- */

static bool number(const char *text, uint64_t max, uint64_t *out)
{
	char *end;
	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*out = strtoull(text, &end, 10);
	return *end == '\0' && errno == 0 && *out <= max;
}

static bool read_mac(const char *text, struct asset *a)
{
	unsigned v[6];
	char more;
	if (strcmp(text, "-") == 0)
		return true;
	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &v[0], &v[1], &v[2], &v[3], &v[4], &v[5],
		    &more) != 6)
		return false;
	for (unsigned i = 0; i < 6; i++)
		a->mac[i] = (uint8_t)v[i];
	a->has_mac = true;
	return true;
}

static uint64_t read_protocols(char *text)
{
	uint64_t bits = 0;
	char *rest = NULL;
	for (char *name = strtok_r(text, ",", &rest); name != NULL;
		name = strtok_r(NULL, ",", &rest)) {
		const struct dissector *d = service_named(name);
		if (d != NULL)
			bits |= UINT64_C(1) << service_index(d);
	}
	return bits;
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "by:strength:hex" */
static bool read_said(const char *text, struct asset_said *said)
{
	unsigned by, strength;
	int at = 0;
	if (sscanf(text, "%3u:%3u:%n", &by, &strength, &at) != 2 || at == 0 || by > UINT8_MAX ||
		strength > UINT8_MAX)
		return false;
	size_t n = strlen(text + at);
	if (n % 2 != 0 || n / 2 > sizeof said->text)
		return false;
	for (size_t i = 0; i < n / 2; i++) {
		int high = hex_digit(text[at + (int)(2 * i)]),
		    low = hex_digit(text[at + (int)(2 * i) + 1]);
		if (high < 0 || low < 0)
			return false;
		said->text[i] = (char)(high << 4 | low);
	}
	said->len = (uint8_t)(n / 2);
	said->by = (uint8_t)by;
	said->strength = (uint8_t)strength;
	return true;
}

static bool split(char *line, char *field[FIELDS + ASSET_TEXTS])
{
	for (unsigned i = 0; i < FIELDS + ASSET_TEXTS; i++) {
		if (line == NULL)
			return false;
		field[i] = strsep(&line, "\t");
	}
	return line == NULL;
}

/* All of it, or nothing. */
static bool read_fields(char *field[FIELDS + ASSET_TEXTS], struct asset *a)
{
	static const uint64_t most[FIELDS] = { [1] = UINT16_MAX,
		[2] = UINT32_MAX,
		[4] = UINT16_MAX,
		[5] = (1U << PLANTS) - 1,
		[6] = (1U << PLANTS) - 1,
		[7] = 15,
		[8] = UINT32_MAX,
		[9] = UINT16_MAX,
		[10] = UINT16_MAX,
		[11] = UINT16_MAX,
		[12] = UINT16_MAX,
		[14] = INT64_MAX,
		[15] = INT64_MAX };
	uint64_t v[FIELDS] = { 0 };
	uint8_t bits;
	if (!site_prefix_parse(field[0], a->key.address, &bits) || bits != 128 ||
		!read_mac(field[3], a))
		return false;
	for (unsigned i = 1; i < FIELDS; i++)
		if (most[i] != 0 && !number(field[i], most[i], &v[i]))
			return false;
	for (unsigned i = 0; i < ASSET_TEXTS; i++)
		if (!read_said(field[FIELDS + i], &a->said[i]))
			return false;
	a->key.vlan = (uint16_t)v[1];
	a->key.unit = (uint32_t)v[2];
	a->mac_vlan = (uint16_t)v[4];
	a->serves = (uint32_t)v[5];
	a->asks = (uint32_t)v[6];
	a->gateway = v[7] & FLAG_GATEWAY;
	a->engineers = (v[7] & FLAG_ENGINEERS) != 0;
	a->programmer = (v[7] & FLAG_PROGRAMMER) != 0;
	a->polls = (v[7] & FLAG_POLLS) != 0;
	a->unit = (uint32_t)v[8];
	a->units = (uint16_t)v[9];
	a->tsap = (uint16_t)v[10];
	a->rack = (uint16_t)v[11];
	a->slot = (uint16_t)v[12];
	a->protocols = read_protocols(field[13]);
	a->first_ns = (int64_t)v[14];
	a->last_ns = (int64_t)v[15];
	return true;
}

/* What was read goes over what a fresh record has; it was told of before. */
static void take(struct assets *s, const struct asset *read)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	struct endpoint end = { .ip.family = memcmp(read->key.address, mapped, 12) == 0 ? 4 : 6 };
	struct stamp at = { .ts_ns = read->first_ns };
	memcpy(end.ip.bytes, read->key.address, 16);
	struct asset *a = asset_put(s, &end, read->key.vlan, read->key.unit,
		(read->serves | read->asks) != 0 ? RANK_PROVEN : RANK_SEEN, at);
	if (a == NULL)
		return;
	asset_settled(s, a);
	const struct asset fresh = *a;
	*a = *read;
	a->entry = fresh.entry;
	a->family = fresh.family;
	a->name = fresh.name;
	a->role = fresh.role;
	a->zone = fresh.zone;
	a->first = fresh.first;
	a->told = a->learnt = true;
	if (a->has_mac)
		asset_set_card(s, a, read->mac, read->mac_vlan);
}

size_t assets_read(struct assets *s, char *text)
{
	char *line = strsep(&text, "\n"), *field[FIELDS + ASSET_TEXTS];
	uint64_t clock;
	size_t refused = 0;
	if (strncmp(line, magic, sizeof magic - 1) != 0 ||
		!number(line + sizeof magic - 1, INT64_MAX / 2, &clock))
		return 1;
	s->clock = clock == 0 ? 1 : (int64_t)clock;
	while (text != NULL && (line = strsep(&text, "\n")) != NULL) {
		struct asset a = { 0 };
		if (*line == '\0')
			continue;
		if (split(line, field) && read_fields(field, &a))
			take(s, &a);
		else
			refused++;
	}
	return refused;
}

bool assets_load(struct assets *s, const char *path, size_t *refused, struct err *err)
{
	struct stat st;
	FILE *f = fopen(path, "re");
	*refused = 0;
	if (f == NULL)
		return errno == ENOENT || err_set(err, "%s: %s", path, strerror(errno));
	char *text = NULL;
	if (fstat(fileno(f), &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= FILE_MAX)
		text = calloc(1, (size_t)st.st_size + 1);
	if (text != NULL) {
		size_t n = fread(text, 1, (size_t)st.st_size, f);
		if (memchr(text, 0, n) != NULL)
			*refused = 1;
		else
			*refused = assets_read(s, text);
	}
	fclose(f);
	bool ok = text != NULL || err_set(err, "%s: not to be read", path);
	free(text);
	return ok;
}

/* --- when and where ---------------------------------------------------------------------- */

static void complain(struct assets *s, const char *why)
{
	if (!s->save_told && !s->watch->options->quiet)
		fprintf(stderr, "bongsu-sensor: devices are not kept over a restart: %s\n", why);
	s->save_told = true;
}

void assets_store(struct assets *s, struct stamp now)
{
	struct err err = { 0 };
	if (s->path[0] == '\0')
		return;
	s->saved_ns = now.ts_ns;
	if (assets_save(s, s->path, &err))
		s->save_told = false;
	else
		complain(s, err.text);
}

/* Beside the spool, whose folder is ours to write in. A question about a capture keeps nothing. */
void assets_remember(struct assets *s)
{
	const struct config *c = s->watch->config;
	const char *folder = c->spool_dir == NULL ? "/var/lib/bongsu/spool" : c->spool_dir;
	struct err err = { 0 };
	size_t refused;
	int n = 0;
	if (s->watch->options->command != NULL)
		return;
	if (c->asset_file != NULL)
		n = snprintf(s->path, sizeof s->path, "%s", c->asset_file);
	else if (s->watch->live)
		n = snprintf(s->path, sizeof s->path, "%s/devices", folder);
	if (n >= (int)sizeof s->path)
		s->path[0] = '\0';
	if (s->path[0] == '\0')
		return;
	if (!assets_load(s, s->path, &refused, &err))
		complain(s, err.text);
	else if (refused > 0 && !s->watch->options->quiet)
		fprintf(stderr, "bongsu-sensor: %s: %zu lines make no sense and are left out\n",
			s->path, refused);
}
