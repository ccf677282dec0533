/* oui.c - a hash table of 24-bit numbers, and their names one behind the other. */
#include "sensor/oui.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 64 * 1024 * 1024, PIECE = 65536, SLOTS = 4096 };

struct maker {
	uint32_t oui;
	uint32_t name; /* offset in names, plus 1; 0: a free slot */
};

struct oui {
	struct maker *slot; /* a power of two, at most half full */
	size_t slots, count;
	char *names;
	size_t used, room;
};

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "080006     (base 16)" at the start of a line: the number before @at, where "(" stands. */
static bool read_number(const char *text, const char *at, uint32_t *oui)
{
	uint32_t v = 0;
	while (at > text && at[-1] == ' ')
		at--;
	if (at - text < 6 || (at - text > 6 && at[-7] != '\n'))
		return false;
	for (int i = -6; i < 0; i++) {
		int d = digit(at[i]);
		if (d < 0)
			return false;
		v = v << 4 | (uint32_t)d;
	}
	*oui = v;
	return true;
}

/* Where the number is, or the free slot it would take. */
static struct maker *slot_of(const struct oui *o, uint32_t number)
{
	size_t mask = o->slots - 1, i = (number * UINT32_C(0x9e3779b1) >> 7) & mask;
	while (o->slot[i].name != 0 && o->slot[i].oui != number)
		i = (i + 1) & mask;
	return &o->slot[i];
}

static bool room_for_number(struct oui *o)
{
	if (o->count * 2 < o->slots)
		return true;
	struct oui more = { .slots = o->slots == 0 ? SLOTS : o->slots * 2 };
	more.slot = more.slots > 2 * OUI_MAX ? NULL : calloc(more.slots, sizeof *more.slot);
	if (more.slot == NULL)
		return false;
	for (size_t i = 0; i < o->slots; i++)
		if (o->slot[i].name != 0)
			*slot_of(&more, o->slot[i].oui) = o->slot[i];
	free(o->slot);
	o->slot = more.slot;
	o->slots = more.slots;
	return true;
}

static bool room_for_name(struct oui *o, size_t name)
{
	while (o->used + name > o->room) {
		size_t room = o->room == 0 ? 65536 : o->room * 2;
		char *grown = room > OUI_NAMES ? NULL : realloc(o->names, room);
		if (grown == NULL)
			return false;
		o->names = grown;
		o->room = room;
	}
	return true;
}

/* Of numbers given twice the first stays. */
static void add(struct oui *o, uint32_t number, const char *name, const char *end)
{
	while (name < end && (*name == ' ' || *name == '\t'))
		name++;
	while (end > name && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	size_t whole = (size_t)(end - name), n = whole > OUI_NAME ? OUI_NAME : whole;
	if (n == 0 || memchr(name, '\0', whole) != NULL || !room_for_number(o))
		return;
	struct maker *m = slot_of(o, number);
	if (m->name != 0 || !room_for_name(o, n + 1))
		return;
	*m = (struct maker){ number, (uint32_t)o->used + 1 };
	memcpy(o->names + o->used, name, n);
	o->names[o->used + n] = '\0';
	o->used += n + 1;
	o->count++;
}

/* Whole lines. */
static void take(struct oui *o, const char *text, size_t len)
{
	static const char base[] = "(base 16)";
	const size_t base_len = sizeof base - 1;
	const char *end = text + len, *at = text;
	while ((at = memchr(at, '(', (size_t)(end - at))) != NULL) {
		uint32_t number;
		bool found = (size_t)(end - at) >= base_len && memcmp(at, base, base_len) == 0 &&
			     read_number(text, at, &number);
		at += found ? base_len : 1;
		if (found) {
			const char *newline = memchr(at, '\n', (size_t)(end - at));
			add(o, number, at, newline == NULL ? end : newline);
		}
	}
}

struct oui *oui_parse(const char *text, size_t len)
{
	struct oui *o = calloc(1, sizeof *o);
	if (o != NULL && len > 0)
		take(o, text, len);
	return o;
}

/* Piece by piece; a line begun at the end of one is read with the next. */
static void take_file(struct oui *o, FILE *f, char text[PIECE])
{
	size_t held = 0, got, all = 0;
	while (all < FILE_MAX && (got = fread(text + held, 1, PIECE - held, f)) > 0) {
		held += got;
		all += got;
		const char *newline = memrchr(text, '\n', held);
		size_t whole = newline != NULL ? (size_t)(newline + 1 - text) : held;
		if (newline == NULL && held < PIECE)
			continue;
		take(o, text, whole);
		held -= whole;
		memmove(text, text + whole, held);
	}
	take(o, text, held);
}

struct oui *oui_load(const char *path, struct err *err)
{
	struct stat st;
	char *text = NULL;
	struct oui *o = NULL;
	FILE *f = fopen(path, "re");
	if (f == NULL || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
		err_set(err, "%s: %s", path, f == NULL ? strerror(errno) : "not a file");
		goto out;
	}
	text = malloc(PIECE);
	o = calloc(1, sizeof *o);
	if (text == NULL || o == NULL) {
		err_set(err, "%s: out of memory", path);
		oui_free(o);
		o = NULL;
	} else
		take_file(o, f, text);
out:
	free(text);
	if (f != NULL)
		fclose(f);
	return o;
}

void oui_free(struct oui *o)
{
	if (o == NULL)
		return;
	free(o->slot);
	free(o->names);
	free(o);
}

const char *oui_name(const struct oui *o, const uint8_t mac[6])
{
	if (o == NULL || o->count == 0 || (mac[0] & 3) != 0) /* of a group, or given locally */
		return NULL;
	uint32_t number = (uint32_t)mac[0] << 16 | (uint32_t)mac[1] << 8 | mac[2];
	uint32_t name = slot_of(o, number)->name;
	return name == 0 ? NULL : o->names + name - 1;
}

size_t oui_count(const struct oui *o)
{
	return o == NULL ? 0 : o->count;
}
