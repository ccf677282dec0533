/* oui.c - a sorted table of 24-bit numbers, and their names one behind the other. */
#include "sensor/oui.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX = 64 * 1024 * 1024 };

struct maker {
	uint32_t oui;
	uint32_t name; /* offset in names */
};

struct oui {
	struct maker *maker;
	size_t count, cap;
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

/* "080006     (base 16)", then blanks: where the name begins; NULL if the line is another. */
static const char *read_number(const char *at, const char *end, uint32_t *oui)
{
	static const char base[] = "(base 16)";
	uint32_t v = 0;
	if (end - at < 6)
		return NULL;
	for (unsigned i = 0; i < 6; i++, at++) {
		int d = digit(*at);
		if (d < 0)
			return NULL;
		v = v << 4 | (uint32_t)d;
	}
	while (at < end && *at == ' ')
		at++;
	if ((size_t)(end - at) < sizeof base - 1 || memcmp(at, base, sizeof base - 1) != 0)
		return NULL;
	for (at += sizeof base - 1; at < end && (*at == ' ' || *at == '\t');)
		at++;
	*oui = v;
	return at;
}

static bool room_for(struct oui *o, size_t name)
{
	if (o->count == o->cap) {
		size_t cap = o->cap == 0 ? 4096 : o->cap * 2;
		struct maker *grown = cap > OUI_MAX ? NULL : realloc(o->maker, cap * sizeof *grown);
		if (grown == NULL)
			return false;
		o->maker = grown;
		o->cap = cap;
	}
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

static void add(struct oui *o, uint32_t number, const char *name, const char *end)
{
	while (end > name && (end[-1] == '\r' || end[-1] == ' ' || end[-1] == '\t'))
		end--;
	size_t n = (size_t)(end - name);
	if (n > OUI_NAME)
		n = OUI_NAME;
	if (n == 0 || !room_for(o, n + 1))
		return;
	memcpy(o->names + o->used, name, n);
	o->names[o->used + n] = '\0';
	o->maker[o->count++] = (struct maker){ number, (uint32_t)o->used };
	o->used += n + 1;
}

static int by_number(const void *a, const void *b)
{
	const struct maker *x = a, *y = b;
	return (x->oui > y->oui) - (x->oui < y->oui);
}

/* Numbers given twice: the first stays. */
static int by_number_then_place(const void *a, const void *b)
{
	const struct maker *x = a, *y = b;
	int order = by_number(a, b);
	return order != 0 ? order : (x->name > y->name) - (x->name < y->name);
}

static void sort(struct oui *o)
{
	size_t kept = 0;
	if (o->count == 0)
		return;
	qsort(o->maker, o->count, sizeof *o->maker, by_number_then_place);
	for (size_t i = 0; i < o->count; i++)
		if (i == 0 || o->maker[i].oui != o->maker[kept - 1].oui)
			o->maker[kept++] = o->maker[i];
	o->count = kept;
}

static bool holds_nul(const char *text, const char *end)
{
	while (text < end && *text != '\0')
		text++;
	return text < end;
}

struct oui *oui_parse(const char *text, size_t len)
{
	struct oui *o = calloc(1, sizeof *o);
	const char *end = text + len;
	while (o != NULL && text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		const char *line_end = newline == NULL ? end : newline;
		uint32_t number;
		const char *name = read_number(text, line_end, &number);
		if (name != NULL && !holds_nul(name, line_end))
			add(o, number, name, line_end);
		text = newline == NULL ? end : newline + 1;
	}
	if (o != NULL)
		sort(o);
	return o;
}

struct oui *oui_load(const char *path, struct err *err)
{
	struct stat st;
	char *text = NULL;
	struct oui *o = NULL;
	FILE *f = fopen(path, "r");
	if (f == NULL || fstat(fileno(f), &st) != 0 || !S_ISREG(st.st_mode)) {
		err_set(err, "%s: %s", path, f == NULL ? strerror(errno) : "not a file");
		goto out;
	}
	size_t size = st.st_size > FILE_MAX ? FILE_MAX : (size_t)st.st_size;
	text = malloc(size + 1);
	if (text != NULL)
		o = oui_parse(text, fread(text, 1, size, f));
	if (o == NULL)
		err_set(err, "%s: out of memory", path);
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
	free(o->maker);
	free(o->names);
	free(o);
}

const char *oui_name(const struct oui *o, const uint8_t mac[6])
{
	struct maker key = { (uint32_t)mac[0] << 16 | (uint32_t)mac[1] << 8 | mac[2], 0 };
	if (o == NULL || o->count == 0 || (mac[0] & 3) != 0) /* of a group, or given locally */
		return NULL;
	const struct maker *m = bsearch(&key, o->maker, o->count, sizeof key, by_number);
	return m == NULL ? NULL : o->names + m->name;
}

size_t oui_count(const struct oui *o)
{
	return o == NULL ? 0 : o->count;
}
