/* points.c - points sorted for look-up, found by name, written out again. */
#include "sensor/points.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/settings.h"

enum { UNIT_LAST = 65535, DEVICES_MAX = 65535 };

/* ---- devices ---- */

/* The address of the one device that is called so. */
static const char *named(const struct site *s, const char *name, struct point_device *d)
{
	const struct site_prefix *found = NULL;
	for (size_t i = 0; i < s->names.count; i++) {
		const struct site_prefix *p = &s->names.prefix[i];
		if (strcmp(s->names.label[p->label], name) != 0)
			continue;
		if (found != NULL || p->bits != 128)
			return "several addresses are called so";
		found = p;
	}
	if (found == NULL)
		return "neither an address nor one of names";
	memcpy(d->ip, found->bytes, sizeof d->ip);
	return NULL;
}

static bool read_unit(const char *text, struct point_device *d)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	d->unit = (uint16_t)n;
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && n <= UNIT_LAST;
}

/* "10.9.0.10", "10.9.0.10/1", "feed pump/1" */
static const char *find_device(const struct site *s, struct point_device *d)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	char name[256];
	uint8_t bits;
	const char *slash = strrchr(d->text, '/');
	size_t n = slash == NULL ? strlen(d->text) : (size_t)(slash - d->text);
	if (n >= sizeof name)
		return "too long for a device";
	memcpy(name, d->text, n);
	name[n] = '\0';
	d->any_unit = slash == NULL;
	if (slash != NULL && !read_unit(slash + 1, d))
		return "a unit is 0 to 65535";
	const char *why = NULL;
	if (!site_prefix_parse(name, d->ip, &bits))
		why = named(s, name, d);
	d->family = memcmp(d->ip, mapped, sizeof mapped) == 0 ? 4 : 6;
	return why;
}

static int by_address(const struct point_device *a, const struct point_device *b)
{
	int order = memcmp(a->ip, b->ip, sizeof a->ip);
	if (order != 0)
		return order;
	if (a->any_unit != b->any_unit)
		return a->any_unit ? -1 : 1;
	return a->unit < b->unit ? -1 : a->unit > b->unit;
}

static int devices_sorted(const void *a, const void *b)
{
	return by_address(a, b);
}

/* ---- points ---- */

static int by_place(const void *a, const void *b)
{
	const struct point *x = a, *y = b;
	if (x->device != y->device)
		return x->device < y->device ? -1 : 1;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->db != y->db)
		return x->db < y->db ? -1 : 1;
	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->number < y->number ? -1 : 1;
}

/* Points of a device while it is not yet sorted are those that say its place in the list: where it
 * went is remembered in first. */
static void sort_devices(struct points *p)
{
	uint32_t *went = calloc(p->devices + 1, sizeof *went);
	if (went == NULL)
		abort();
	for (size_t i = 0; i < p->devices; i++)
		p->device[i].first = (uint32_t)i;
	if (p->devices > 0)
		qsort(p->device, p->devices, sizeof *p->device, devices_sorted);
	for (size_t i = 0; i < p->devices; i++)
		went[p->device[i].first] = (uint32_t)i;
	for (size_t i = 0; i < p->count; i++)
		p->point[i].device = went[p->point[i].device];
	free(went);
}

static void find_tables(struct points *p, struct point_device *d)
{
	uint32_t i = d->first, end = d->first + d->count;
	for (unsigned t = 0; t <= POINT_TABLES; t++) {
		while (i < end && p->point[i].table < t)
			i++;
		d->table[t] = i;
	}
}

static void sort_points(struct points *p)
{
	if (p->count > 0)
		qsort(p->point, p->count, sizeof *p->point, by_place);
	for (size_t i = 0; i < p->devices; i++)
		p->device[i].first = p->device[i].count = 0;
	for (size_t i = p->count; i-- > 0;) {
		struct point_device *d = &p->device[p->point[i].device];
		d->first = (uint32_t)i;
		d->count++;
	}
	for (size_t i = 0; i < p->devices; i++)
		find_tables(p, &p->device[i]);
}

/* ---- interlocks ---- */

static bool is_called(const struct points *p, const struct point *point, const char *tag)
{
	const char *slash = strrchr(tag, '/');
	if (slash == NULL)
		return strcmp(point->name, tag) == 0;
	const char *device = p->device[point->device].text;
	size_t n = (size_t)(slash - tag);
	return strcmp(point->name, slash + 1) == 0 && strlen(device) == n &&
	       memcmp(device, tag, n) == 0;
}

static const char *find_tag(const struct points *p, struct clause *c)
{
	size_t found = 0;
	for (size_t i = 0; i < p->count; i++) {
		if (!is_called(p, &p->point[i], c->tag))
			continue;
		c->point = (uint32_t)i;
		found++;
	}
	return found == 1   ? NULL
	       : found == 0 ? "no such point: "
			    : "several devices have it, say DEVICE/TAG: ";
}

static void find_tags(struct points *p, struct text_list *faults)
{
	for (size_t i = 0; i < p->interlocks; i++)
		for (unsigned k = 0; k < p->interlock[i].clauses; k++) {
			struct clause *c = &p->interlock[i].clause[k];
			const char *why = find_tag(p, c);
			if (why != NULL)
				text_list_add(faults, "%s:%u:%u: %s%s", p->path, c->line, c->column,
					why, c->tag);
		}
}

void points_ready(struct points *p, const struct site *s, size_t max, struct text_list *faults)
{
	if (p->path == NULL)
		return;
	for (size_t i = 0; i < p->devices; i++) {
		struct point_device *d = &p->device[i];
		const char *why = find_device(s, d);
		if (why != NULL)
			text_list_add(faults, "%s:%u:%u: %s: %s", p->path, d->line, d->column, why,
				d->text);
		d->found = why == NULL;
	}
	sort_devices(p);
	for (size_t i = 1; i < p->devices; i++)
		if (p->device[i].found && p->device[i - 1].found &&
			by_address(&p->device[i - 1], &p->device[i]) == 0)
			text_list_add(faults,
				"%s: points of one device stand in two places: %s, %s", p->path,
				p->device[i - 1].text, p->device[i].text);
	sort_points(p);
	find_tags(p, faults);
	if (p->count > max)
		text_list_add(
			faults, "%s: %zu points, limits.points is %zu", p->path, p->count, max);
	if (p->devices > DEVICES_MAX)
		text_list_add(faults, "%s: points of more than %d devices", p->path, DEVICES_MAX);
}

/* ---- look-up ---- */

size_t points_devices(const struct points *p, const uint8_t ip[16], size_t *first)
{
	size_t low = 0, high = p->devices, n = 0;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (memcmp(p->device[middle].ip, ip, 16) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*first = low;
	while (low + n < p->devices && memcmp(p->device[low + n].ip, ip, 16) == 0)
		n++;
	return n;
}

static bool before(const struct point *p, uint16_t db, uint64_t at)
{
	return p->db != db ? p->db < db : p->at < at;
}

size_t points_range(const struct points *p, const struct point_device *d, enum point_table table,
	uint16_t db, uint64_t from, uint64_t to, size_t *end)
{
	size_t first = d->table[table], last = d->table[table + 1], high = last;
	while (first < high) {
		size_t middle = first + (high - first) / 2;
		if (before(&p->point[middle], db, from))
			first = middle + 1;
		else
			high = middle;
	}
	*end = first;
	while (*end < last && before(&p->point[*end], db, to))
		++*end;
	return first;
}

/* ---- writing ---- */

static void dump_real(FILE *out, const char *key, double v, double usual)
{
	char text[64];
	struct buf b = buf_over(text, sizeof text - 1);
	if (isnan(v) || v == usual)
		return;
	buf_real(&b, v);
	text[b.len] = '\0';
	fprintf(out, ", %s: %s", key, text);
}

static void dump_rate(FILE *out, double v)
{
	dump_real(out, "max_rate", v, NAN);
	if (!isnan(v))
		fputs("/s", out);
}

static void dump_span(FILE *out, const char *key, int64_t ns)
{
	if (ns != 0)
		fprintf(out, ", %s: %lldms", key, (long long)(ns / 1000000));
}

static void dump_point(FILE *out, const struct point *p)
{
	char address[64];
	point_address(p, address, sizeof address);
	fputs("    ", out);
	settings_dump_text(out, p->name);
	fprintf(out, ": {%s: %s", point_protocol(p), address);
	if (!point_is_dnp3(p))
		fprintf(out, ", type: %s, order: %s", point_type_names[p->type],
			point_order_names[p->order]);
	fprintf(out, ", kind: %s", point_kind_names[p->kind]);
	if (p->unit != NULL) {
		fputs(", unit: ", out);
		settings_dump_text(out, p->unit);
	}
	dump_real(out, "scale", p->scale, 1);
	dump_real(out, "offset", p->offset, 0);
	dump_real(out, "deadband", p->deadband, 0);
	for (unsigned i = 0; i < LIMITS; i++)
		dump_real(out, point_limit_names[i], p->limit[i], NAN);
	dump_rate(out, p->max_rate);
	dump_span(out, "stale", p->stale_ns);
	dump_span(out, "stuck", p->stuck_ns);
	fputs("}\n", out);
}

static void dump_interlock(FILE *out, const struct interlock *lock)
{
	fputs("  - {name: ", out);
	settings_dump_text(out, lock->name);
	fputs(", when: {", out);
	for (unsigned i = 0; i < lock->clauses; i++) {
		const struct clause *c = &lock->clause[i];
		bool same = i > 0 && strcmp(c->tag, lock->clause[i - 1].tag) == 0;
		char text[64];
		struct buf b = buf_over(text, sizeof text - 1);
		buf_real(&b, c->value);
		text[b.len] = '\0';
		if (!same) {
			fputs(i == 0 ? "" : "}, ", out);
			settings_dump_text(out, c->tag);
			fputs(": {", out);
		}
		fprintf(out, "%s%s: %s", same ? ", " : "", clause_op_names[c->op], text);
	}
	fputs("}}", out);
	dump_span(out, "for", lock->for_ns);
	fputs("}\n", out);
}

void points_dump(FILE *out, const struct points *p)
{
	fprintf(out, "points:%s # tags of process values, by device\n",
		p->devices == 0 ? " {}" : "");
	for (size_t i = 0; i < p->devices; i++) {
		const struct point_device *d = &p->device[i];
		fputs("  ", out);
		settings_dump_text(out, d->text);
		fprintf(out, ":%s\n", d->count == 0 ? " {}" : "");
		for (uint32_t k = 0; k < d->count; k++)
			dump_point(out, &p->point[d->first + k]);
	}
	fprintf(out, "interlocks:%s # conditions over several tags\n",
		p->interlocks == 0 ? " []" : "");
	for (size_t i = 0; i < p->interlocks; i++)
		dump_interlock(out, &p->interlock[i]);
}

void points_free(struct points *p)
{
	for (size_t i = 0; i < p->count; i++) {
		free((void *)(uintptr_t)p->point[i].name);
		free((void *)(uintptr_t)p->point[i].unit);
	}
	for (size_t i = 0; i < p->devices; i++)
		free(p->device[i].text);
	for (size_t i = 0; i < p->interlocks; i++) {
		free(p->interlock[i].name);
		for (unsigned k = 0; k < p->interlock[i].clauses; k++)
			free(p->interlock[i].clause[k].tag);
	}
	free(p->point);
	free(p->device);
	free(p->interlock);
	free(p->path);
	*p = (struct points){ 0 };
}
