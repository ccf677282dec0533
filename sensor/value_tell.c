/* value_tell.c - the service "value": what is observed of a point, for rules to judge. */
#include <arpa/inet.h>
#include <math.h>
#include <string.h>

#include "sensor/value.h"

enum {
	KIND,
	POINT,
	DEVICE,
	NUMBER,
	CLASS,
	VALUE,
	OLD_VALUE,
	WANTED,
	LIMIT,
	BOUND,
	UNIT,
	RATE,
	QUALITY,
	SOURCE,
	WRITER,
	SECONDS,
	INTERLOCK,
	FIELDS
};

#define TEXT(name, doc)                                                                            \
	{                                                                                          \
		"value." name, FIELD_TEXT, NULL, doc, NULL                                         \
	}
#define REAL(name, unit, doc)                                                                      \
	{                                                                                          \
		"value." name, FIELD_REAL, unit, doc, NULL                                         \
	}

// clang-format off
static const char *const kind_names[VALUE_KINDS] = { "changed", "written", "limit", "rate", "stuck", "stale", "quality",
	"moved_without_write", "write_not_effective", "interlock" };

static const struct field fields[FIELDS] = {
	[KIND]      = TEXT("kind", "what is observed: changed written limit rate stuck stale quality moved_without_write write_not_effective interlock"),
	[POINT]     = TEXT("point", "the tag, as points: of the configuration calls it"),
	[DEVICE]    = TEXT("device", "the device, as points: calls it"),
	[NUMBER]    = { "value.number", FIELD_UINT, NULL, "of the point in the configuration, from 1; the unit of suppress", NULL },
	[CLASS]     = TEXT("class", "measurement, setpoint or output"),
	[VALUE]     = REAL("value", "of the point", "what it is now, or is written to"),
	[OLD_VALUE] = REAL("old_value", "of the point", "what it was"),
	[WANTED]    = REAL("wanted", "of the point", "what the write without effect wanted"),
	[LIMIT]     = REAL("limit", "of the point", "what is exceeded"),
	[BOUND]     = TEXT("bound", "which limit: low_low low high high_high"),
	[UNIT]      = TEXT("unit", "of the point"),
	[RATE]      = REAL("rate", "of the point, per second", "how fast it moves"),
	[QUALITY]   = TEXT("quality", "what makes it doubtful, with commas: offline restart comm_lost remote_forced local_forced chatter discontinuity over_range reference_error nan infinite not_bcd refused"),
	[SOURCE]    = TEXT("source", "read or write: how it was seen; absent where time told"),
	[WRITER]    = TEXT("writer", "address of who wrote it last"),
	[SECONDS]   = REAL("seconds", "s", "how long it has been so: stuck, stale, since the write, over which the rate was measured"),
	[INTERLOCK] = TEXT("interlock", "name of the interlock"),
};
// clang-format on

const struct dissector value_service = {
	.name = "value",
	.fields = fields,
	.field_count = FIELDS,
	.observed = true,
	.unit_field = NUMBER + 1,
};

static void put_writer(struct pdu *pdu, const struct addr *writer)
{
	char text[INET6_ADDRSTRLEN];
	if (writer->family == 4)
		inet_ntop(AF_INET, writer->bytes + 12, text, sizeof text);
	else if (writer->family == 6)
		inet_ntop(AF_INET6, writer->bytes, text, sizeof text);
	else
		return;
	pdu_copy(pdu, WRITER, text, strlen(text));
}

static void put_point(const struct values *v, struct pdu *pdu, const struct point *p)
{
	pdu_cstr(pdu, POINT, p->name);
	pdu_cstr(pdu, DEVICE, v->points->device[p->device].text);
	pdu_uint(pdu, NUMBER, p->number);
	pdu_cstr(pdu, CLASS, point_kind_names[p->kind]);
	if (p->unit != NULL)
		pdu_cstr(pdu, UNIT, p->unit);
}

static void put_finding(struct pdu *pdu, const struct finding *f)
{
	char text[128];
	pdu_cstr(pdu, KIND, kind_names[f->kind]);
	pdu_real(pdu, VALUE, f->value);
	pdu_real(pdu, OLD_VALUE, f->old);
	pdu_real(pdu, WANTED, f->wanted);
	pdu_real(pdu, LIMIT, f->limit);
	pdu_real(pdu, RATE, f->rate);
	pdu_real(pdu, SECONDS, f->seconds);
	if (f->bound != NULL)
		pdu_cstr(pdu, BOUND, f->bound);
	if (f->interlock != NULL)
		pdu_cstr(pdu, INTERLOCK, f->interlock);
	if (f->quality != 0)
		pdu_copy(pdu, QUALITY, text, quality_text(f->quality, text, sizeof text));
	if (f->seen != NULL)
		pdu_cstr(pdu, SOURCE, f->write ? "write" : "read");
}

/* Who asks it to whom, where no message is at hand. */
static void ends_of(const struct values *v, struct flow *f, const struct finding *of)
{
	const struct point_device *d = &v->points->device[v->points->point[of->point].device];
	struct endpoint reader = { .ip = v->track[of->point].reader };
	struct endpoint device = { .ip.family = d->family };
	memcpy(device.ip.bytes, d->ip, sizeof device.ip.bytes);
	watch_ends(v->watch, f, reader.ip.family == 0 ? &device : &reader, &device, of->at);
}

/* Values change all the time, and no rule needs to ask for that. */
void value_rules(void *self)
{
	struct values *v = self;
	struct pdu pdu;
	v->wanted = 0;
	for (unsigned kind = 0; kind < VALUE_KINDS; kind++) {
		observation(&pdu, &value_service, kind_names[kind]);
		pdu_cstr(&pdu, KIND, kind_names[kind]);
		v->wanted |= (uint32_t)watch_wants(v->watch, &pdu) << kind;
	}
}

void value_tell(const struct values *v, const struct finding *f)
{
	if (!value_wants(v, f->kind))
		return;
	const struct point *p = &v->points->point[f->point];
	struct pdu pdu;
	struct change change = { .type = FIELD_REAL,
		.has_old = !isnan(f->old),
		.has_new = !isnan(f->value),
		.old_value.r = f->old,
		.new_value.r = f->value,
		.point = p->name,
		.unit = p->unit };
	observation(&pdu, &value_service, kind_names[f->kind]);
	put_point(v, &pdu, p);
	put_finding(&pdu, f);
	put_writer(&pdu, &v->track[f->point].writer);
	if (f->seen != NULL) {
		const struct event *e = f->seen->e;
		watch_observe(v->watch, e->flow, f->seen->client, e->at, &pdu, &change);
		return;
	}
	struct flow ends;
	ends_of(v, &ends, f);
	watch_observe(v->watch, &ends, 0, f->at, &pdu, &change);
}
