/* eve_dnp3.c - DNP3 as Suricata's EVE shows it. */
#include <pthread.h>

#include "sensor/eve_json.h"

enum { UNSOLICITED_RESPONSE = 130, CROB_GROUP = 12 };

enum field_of {
	SOURCE,
	DESTINATION,
	SEQUENCE,
	UNSOLICITED,
	CONFIRM,
	FIRST,
	FINAL,
	IIN,
	LINK_DIR,
	PRM,
	LINK_FUNCTION,
	LINK_REPLY,
	FIELDS
};
static const char *const names[FIELDS] = { "source", "destination", "sequence", "unsolicited",
	"confirm", "first", "final", "iin", "link_dir", "prm", "link_function", "link_reply" };
static int8_t at[FIELDS];

enum item_of {
	GROUP,
	VARIATION,
	QUALIFIER,
	START,
	STOP,
	COUNT,
	INDEX,
	VALUE,
	FLAGS,
	TIME,
	OPERATION,
	CONTROL_CODE,
	TRIP_CLOSE,
	REPEAT,
	ON_TIME,
	OFF_TIME,
	STATUS,
	TEXT,
	BYTES,
	ITEM_FIELDS_USED
};
static const char *const item_names[ITEM_FIELDS_USED] = { "group", "variation", "qualifier",
	"start", "stop", "count", "index", "value", "flags", "time", "operation", "control_code",
	"trip_close", "repeat", "on_time", "off_time", "status", "text", "bytes" };
static int8_t item_at[ITEM_FIELDS_USED];
static const struct field *item_table;

/* [1815] 4.2.2.6, in Suricata's names and order. */
static const struct {
	uint16_t bit;
	const char *name;
} indicators[] = {
	{ 0x8000, "device_restart" },
	{ 0x4000, "device_trouble" },
	{ 0x2000, "local_control" },
	{ 0x1000, "need_time" },
	{ 0x0800, "class_3_events" },
	{ 0x0400, "class_2_events" },
	{ 0x0200, "class_1_events" },
	{ 0x0100, "all_stations" },
	{ 0x0080, "reserved_1" },
	{ 0x0040, "reserved_2" },
	{ 0x0020, "config_corrupt" },
	{ 0x0010, "already_executing" },
	{ 0x0008, "event_buffer_overflow" },
	{ 0x0004, "parameter_error" },
	{ 0x0002, "object_unknown" },
	{ 0x0001, "no_func_code_support" },
};
enum { INDICATORS = sizeof indicators / sizeof indicators[0] };

static void resolve(void)
{
	const struct dissector *d = dissector_named("dnp3");
	eve_resolve(d->fields, d->field_count, names, at, FIELDS);
	eve_resolve(d->item_fields, d->item_field_count, item_names, item_at, ITEM_FIELDS_USED);
	item_table = d->item_fields;
}

static void key_bit(struct buf *b, const char *key, const struct pdu *p, enum field_of field)
{
	uint64_t v;
	if (!eve_field(p, at[field], &v))
		return;
	eve_name(b, key);
	eve_bool(b, v != 0);
}

static bool key_number(struct buf *b, const char *key, const struct pdu *p, enum field_of field)
{
	uint64_t v;
	if (!eve_field(p, at[field], &v))
		return false;
	eve_name(b, key);
	buf_uint(b, v);
	return true;
}

static void write_control(struct buf *b, const struct pdu *p)
{
	eve_key(b, "control");
	buf_char(b, '{');
	key_bit(b, "dir", p, LINK_DIR);
	key_bit(b, "pri", p, PRM);
	if (!key_number(b, "function_code", p, LINK_FUNCTION))
		key_number(b, "function_code", p, LINK_REPLY);
	buf_char(b, '}');
	key_number(b, "src", p, SOURCE);
	key_number(b, "dst", p, DESTINATION);
}

/* ---- objects ---- */

static void item_number(struct buf *b, const char *key, const struct item *it, enum item_of field)
{
	uint64_t v;
	if (!eve_item_field(it, item_at[field], &v))
		return;
	eve_name(b, key);
	buf_uint(b, v);
}

static void item_any(struct buf *b, const char *key, const struct item *it, enum item_of field)
{
	int8_t i = item_at[field];
	if (i < 0 || !item_has(it, (unsigned)i))
		return;
	eve_name(b, key);
	eve_value(b, item_table[i].type, it->value[i], EVE_VALUE);
}

/* [1815] annex A, group 12: bits of the control code. */
static void write_crob(struct buf *b, const struct item *it)
{
	uint64_t code;
	if (!eve_item_field(it, item_at[CONTROL_CODE], &code))
		return;
	eve_key_uint(b, "op_type", code & 15);
	eve_key_uint(b, "qu", code >> 4 & 1);
	eve_key_uint(b, "cr", code >> 5 & 1);
	eve_key_uint(b, "tcc", code >> 6 & 3);
	item_number(b, "count", it, REPEAT);
	item_number(b, "ontime", it, ON_TIME);
	item_number(b, "offtime", it, OFF_TIME);
}

/* The five flags that mean the same in every group. */
static void write_flags(struct buf *b, const struct item *it)
{
	uint64_t v;
	if (!eve_item_field(it, item_at[FLAGS], &v))
		return;
	eve_key_uint(b, "online", v & 1);
	eve_key_uint(b, "restart", v >> 1 & 1);
	eve_key_uint(b, "comm_lost", v >> 2 & 1);
	eve_key_uint(b, "remote_forced", v >> 3 & 1);
	eve_key_uint(b, "local_forced", v >> 4 & 1);
}

static bool is_state(uint64_t group)
{
	return group >= 1 && group <= 13 && group != CROB_GROUP;
}

static void write_point(struct buf *b, const struct item *it, uint64_t group, uint64_t qualifier)
{
	uint64_t index = 0;
	eve_item_field(it, item_at[INDEX], &index);
	buf_char(b, '{');
	eve_key_uint(b, "prefix", (qualifier >> 4 & 7) != 0 ? index : 0);
	eve_key_uint(b, "index", index);
	write_crob(b, it);
	write_flags(b, it);
	item_any(b, is_state(group) ? "state" : "value", it, VALUE);
	item_number(b, "timestamp", it, TIME);
	item_number(b, "status_code", it, STATUS);
	item_any(b, "text", it, TEXT);
	item_any(b, "data", it, BYTES);
	buf_char(b, '}');
}

/* The object header an item belongs to. */
struct header {
	uint64_t v[INDEX]; /* GROUP … COUNT */
	bool has[INDEX];
};

static void header_of(const struct item *it, struct header *h)
{
	memset(h, 0, sizeof *h);
	for (unsigned i = 0; i < INDEX; i++)
		h->has[i] = eve_item_field(it, item_at[i], &h->v[i]);
}

static uint64_t header_count(const struct header *h)
{
	if (h->has[COUNT] || !h->has[START] || !h->has[STOP] || h->v[STOP] < h->v[START])
		return h->v[COUNT];
	return h->v[STOP] - h->v[START] + 1;
}

static void open_object(struct buf *b, const struct header *h)
{
	eve_comma(b);
	buf_char(b, '{');
	eve_key_uint(b, "group", h->v[GROUP]);
	eve_key_uint(b, "variation", h->v[VARIATION]);
	eve_key_uint(b, "qualifier", h->v[QUALIFIER]);
	eve_key_uint(b, "prefix_code", h->v[QUALIFIER] >> 4 & 7);
	eve_key_uint(b, "range_code", h->v[QUALIFIER] & 15);
	eve_key_uint(b, "start", h->v[START]);
	eve_key_uint(b, "stop", h->v[STOP]);
	eve_key_uint(b, "count", header_count(h));
}

struct objects {
	struct buf *b;
	struct header now;
	unsigned objects, points; /* written; points of the open object */
	bool cut;
};

/* At least the header, and a point if the item is one. False: no room left. */
static bool add_item(struct objects *o, const struct item *it)
{
	struct header h;
	size_t mark = eve_try(o->b);
	struct objects before = *o;
	header_of(it, &h);
	if (o->objects == 0 || memcmp(&h, &o->now, sizeof h) != 0) {
		if (o->objects == EVE_ITEMS)
			return false;
		if (o->objects > 0)
			buf_str(o->b, o->points > 0 ? "]}" : "}");
		open_object(o->b, &h);
		o->now = h;
		o->objects++;
		o->points = 0;
	}
	if (item_at[INDEX] >= 0 && item_has(it, (unsigned)item_at[INDEX])) {
		if (o->points == EVE_ITEMS) {
			o->cut = true; /* go on to the next object */
			return true;
		}
		if (o->points++ == 0)
			buf_lit(o->b, ",\"points\":[");
		else
			buf_char(o->b, ',');
		write_point(o->b, it, h.v[GROUP], h.v[QUALIFIER]);
	}
	if (eve_keep(o->b, mark, EVE_RESERVE))
		return true;
	*o = before;
	return false;
}

/* At most so many items are looked at: a cut list has told enough. */
enum { LOOKED_AT = 2048 };

static bool write_objects(struct buf *b, const struct pdu *p)
{
	struct item_cursor c = p->items;
	struct item item;
	struct objects o = { .b = b };
	unsigned n = 0;
	eve_key(b, "objects");
	buf_char(b, '[');
	while (items_next(&c, &item))
		if (n++ == LOOKED_AT || !add_item(&o, &item)) {
			o.cut = true;
			break;
		}
	if (o.objects > 0)
		buf_str(b, o.points > 0 ? "]}" : "}");
	buf_char(b, ']');
	return o.cut;
}

static void write_application(struct buf *b, const struct pdu *p)
{
	bool cut = false;
	eve_key(b, "application");
	buf_lit(b, "{\"control\":{");
	key_bit(b, "fir", p, FIRST);
	key_bit(b, "fin", p, FINAL);
	key_bit(b, "con", p, CONFIRM);
	key_bit(b, "uns", p, UNSOLICITED);
	key_number(b, "sequence", p, SEQUENCE);
	buf_char(b, '}');
	eve_key_uint(b, "function_code", (uint64_t)p->code);
	cut = write_objects(b, p);
	eve_key_bool(b, "complete", !cut && p->malformed == NULL);
	buf_char(b, '}');
}

static void write_iin(struct buf *b, const struct pdu *p)
{
	uint64_t v;
	if (!eve_field(p, at[IIN], &v))
		return;
	eve_key(b, "iin");
	buf_lit(b, "{\"indicators\":[");
	for (unsigned i = 0; i < INDICATORS; i++) {
		if ((v & indicators[i].bit) == 0)
			continue;
		eve_comma(b);
		eve_text(b, indicators[i].name);
	}
	buf_lit(b, "]}");
}

static void write_message(struct buf *b, const struct pdu *p, const char *type)
{
	buf_char(b, '{');
	eve_key_text(b, "type", type);
	write_control(b, p);
	if (p->code != PDU_NO_CODE)
		write_application(b, p);
	write_iin(b, p);
	buf_char(b, '}');
}

void eve_dnp3(struct buf *b, const struct pdu *req, const struct pdu *rsp)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, resolve);
	buf_char(b, '{');
	if (req != NULL) {
		eve_key(b, "request");
		write_message(b, req, "request");
	}
	if (rsp != NULL) {
		eve_key(b, "response");
		write_message(b, rsp,
			rsp->code == UNSOLICITED_RESPONSE ? "unsolicited_response" : "response");
	}
	buf_char(b, '}');
}
