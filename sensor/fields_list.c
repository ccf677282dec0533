/* fields_list.c - the field tables as text for people who write rules. */
#include "sensor/fields_list.h"

#include "sensor/envelope.h"
#include "sensor/services.h"

enum { NAME_COLUMN = 34, CODE_LINE = 96 };

static const char *type_name(unsigned kind)
{
	static const char *const names[] = { [KIND_UINT] = "number",
		[KIND_INT] = "signed",
		[KIND_REAL] = "real",
		[KIND_TEXT] = "text",
		[KIND_BYTES] = "hex",
		[KIND_ADDR] = "address",
		[KIND_MAC] = "mac",
		[KIND_LABEL] = "name",
		[KIND_FLAGS] = "flags" };
	return names[kind];
}

/* "1 read_coils, 2 …", broken into lines below the sentence. */
static void codes(FILE *out, const struct code_name *c)
{
	int column = 0;
	for (; c != NULL && c->name != NULL; c++) {
		char one[128];
		int n = snprintf(
			one, sizeof one, "%u %s%s", c->code, c->name, c[1].name == NULL ? "" : ",");
		if (column == 0 || column + n > CODE_LINE) {
			fprintf(out, "%s%*s", column == 0 ? "" : "\n", 5, "");
			column = 5;
		}
		column += fprintf(out, " %s", one);
	}
	if (column > 0)
		fputc('\n', out);
}

static void one(FILE *out, const struct field *f, unsigned kind)
{
	if (f->name == NULL)
		return;
	fprintf(out, "%-*s %-8s %s%s%s%s\n", NAME_COLUMN, f->name, type_name(kind), f->doc,
		f->unit == NULL ? "" : " [", f->unit == NULL ? "" : f->unit,
		f->unit == NULL ? "" : "]");
	codes(out, f->codes);
}

void fields_list(FILE *out)
{
	fputs("# every event\n", out);
	for (unsigned i = 0; i < ENVELOPE_FIELDS; i++)
		one(out, &envelope_fields[i].field, envelope_fields[i].kind);
	for (const struct dissector *const *list = services; *list != NULL; list++) {
		const struct dissector *d = *list;
		fprintf(out, "\n# %s%s\n", d->name, d->observed ? " (observed)" : "");
		for (unsigned i = 0; i < d->field_count; i++)
			one(out, &d->fields[i], d->fields[i].type);
		for (unsigned i = 0; i < d->item_field_count; i++)
			one(out, &d->item_fields[i], d->item_fields[i].type);
	}
}

void protocols_list(FILE *out)
{
	for (const struct dissector *const *list = dissectors; *list != NULL; list++) {
		const struct dissector *d = *list;
		char ports[256] = "";
		size_t n = 0;
		for (const struct port_hint *p = d->ports;
			p != NULL && p->l4 != 0 && n < sizeof ports; p++)
			n += (size_t)snprintf(ports + n, sizeof ports - n, "%s%s/%u",
				n == 0 ? "" : " ", p->l4 == L4_UDP ? "udp" : "tcp", p->port);
		if (d->carrier != NULL)
			snprintf(ports, sizeof ports, "carried by %s", d->carrier->name);
		fprintf(out, "%-14s %3u fields, %2u of items   %s\n", d->name, d->field_count,
			d->item_field_count, ports);
	}
}
