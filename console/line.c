/* line.c - one event as an operator reads it. */
#include "console/line.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/shown.h"

/* ---- reading ---- */

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static int64_t number_of(const json_t *object, const char *key, int64_t otherwise)
{
	const json_t *v = json_object_get(object, key);
	return json_is_integer(v) ? (int64_t)json_integer_value(v) : otherwise;
}

static void read_verdict(struct line_event *e, const json_t *bongsu)
{
	const json_t *v = json_object_get(bongsu, "verdict");
	const json_t *latency = json_object_get(v, "latency_ms");
	e->outcome = text_of(v, "outcome");
	e->verdict_text = text_of(v, "text");
	e->latency_ms = json_is_number(latency) ? json_number_value(latency) : -1;
	e->has_code = json_is_integer(json_object_get(v, "code"));
	e->verdict_code = number_of(v, "code", 0);
}

/* The device behind the address: a Modbus unit or a DNP3 link address. */
static void read_unit(struct line_event *e, const json_t *event)
{
	const json_t *modbus = json_object_get(event, "modbus"),
		     *dnp3 = json_object_get(event, "dnp3");
	const json_t *m = json_object_get(modbus, "request");
	if (m == NULL)
		m = json_object_get(modbus, "response");
	if (json_is_integer(json_object_get(m, "unit_id"))) {
		e->unit_word = "unit";
		e->unit = number_of(m, "unit_id", 0);
		return;
	}
	m = json_object_get(dnp3, "request");
	const char *key = "dst";
	if (m == NULL) {
		m = json_object_get(dnp3, "response");
		key = "src";
	}
	if (json_is_integer(json_object_get(m, key))) {
		e->unit_word = "address";
		e->unit = number_of(m, key, 0);
		return;
	}
	m = json_object_get(json_object_get(event, "asset"), "fields");
	if (json_is_integer(json_object_get(m, "unit"))) {
		e->unit_word = "unit";
		e->unit = number_of(m, "unit", 0);
	}
}

static void read_ends(struct line_event *e, const json_t *event, const json_t *bongsu)
{
	e->src_ip = text_of(event, "src_ip");
	e->dst_ip = text_of(event, "dest_ip");
	e->dst_port = number_of(event, "dest_port", -1);
	e->src_name = text_of(bongsu, "src_name");
	e->dst_name = text_of(bongsu, "dst_name");
	e->src_role = text_of(bongsu, "src_role");
	e->dst_role = text_of(bongsu, "dst_role");
}

static const json_t *value_of(const json_t *bongsu, const char *key)
{
	const json_t *v = json_object_get(bongsu, key);
	return json_is_number(v) ? v : NULL;
}

static void read_point(struct line_event *e, const json_t *bongsu)
{
	e->point = text_of(bongsu, "point");
	e->point_unit = text_of(bongsu, "unit");
	e->old_value = value_of(bongsu, "old_value");
	e->new_value = value_of(bongsu, "new_value");
}

static bool read_event(struct line_event *e)
{
	const json_t *event = e->json, *bongsu = json_object_get(event, "bongsu");
	const json_t *alert = json_object_get(event, "alert");
	e->type = text_of(event, "event_type");
	if (e->type == NULL || !json_is_object(bongsu))
		return false;
	e->ts_ns = number_of(bongsu, "ts_ns", 0);
	e->sensor = text_of(event, "host");
	e->n = number_of(bongsu, "n", 0);
	e->count = number_of(bongsu, "count", 1);
	e->total = number_of(bongsu, "total", 0);
	e->verb = text_of(bongsu, "verb");
	e->rule = text_of(bongsu, "rule");
	e->sid = number_of(alert, "signature_id", 0);
	e->title = text_of(alert, "signature");
	if (e->title == NULL)
		e->title = text_of(bongsu, "title");
	if (e->title == NULL)
		e->title = text_of(json_object_get(event, "anomaly"), "event");
	const json_t *audit = json_object_get(event, "audit");
	if (e->title == NULL)
		e->title = text_of(audit, "action");
	e->reason = text_of(audit, "reason");
	e->by = text_of(audit, "by");
	int64_t severity = number_of(alert == NULL ? bongsu : alert, "severity", 0);
	e->severity = severity >= 1 && severity <= 4 ? (unsigned)severity : 0;
	e->has_tx = json_object_get(event, "tx_id") != NULL;
	read_ends(e, event, bongsu);
	read_verdict(e, bongsu);
	read_point(e, bongsu);
	read_unit(e, event);
	return true;
}

bool line_parse(struct line_event *e, const char *text, size_t len)
{
	*e = (struct line_event){ .dst_port = -1, .latency_ms = -1 };
	if (len > LINE_LONGEST)
		return false;
	e->json = json_loadb(text, len, 0, NULL);
	return json_is_object(e->json) && read_event(e);
}

void line_free(struct line_event *e)
{
	json_decref(e->json);
	e->json = NULL;
}

/* ---- writing ---- */

enum { VERB_WIDTH = 12, LEVEL_WIDTH = 8, OUTCOME_TEXT = 120, TITLE = 200, NAME = 80 };

static void put(struct buf *out, const char *text, size_t max)
{
	size_t n = strlen(text);
	bool cut = n > max;
	/* Not in the middle of a character. */
	for (n = cut ? max : n; cut && n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80;)
		n--;
	shown_add(out, text, n);
	if (cut)
		buf_lit(out, "…");
}

static void colour(struct buf *out, const struct line_style *style, const char *code)
{
	if (style->colour)
		buf_printf(out, "\033[%sm", code);
}

static void write_time(struct buf *out, const struct line_event *e, const struct line_style *style)
{
	char text[32];
	struct tm tm;
	int64_t ns = e->ts_ns % 1000000000;
	time_t s = (time_t)(e->ts_ns / 1000000000 - (ns < 0));
	if (style->utc)
		gmtime_r(&s, &tm);
	else
		localtime_r(&s, &tm);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
	colour(out, style, "2");
	buf_printf(out, "%s.%03d", text, (int)((ns < 0 ? ns + 1000000000 : ns) / 1000000));
	colour(out, style, "0");
	buf_lit(out, "  ");
}

static const struct {
	const char *name, *colour;
} levels[5] = { { "", "2" }, { "CRITICAL", "1;37;41" }, { "HIGH", "1;31" }, { "MEDIUM", "33" },
	{ "LOW", "36" } };

static void pad(struct buf *out, size_t from, size_t width)
{
	size_t n = out->len - from;
	while (n++ < width)
		buf_char(out, ' ');
}

static void write_level(struct buf *out, const struct line_event *e, const struct line_style *style)
{
	const char *name = e->severity == 0 ? e->type : levels[e->severity].name;
	colour(out, style, levels[e->severity].colour);
	size_t from = out->len;
	put(out, name, LEVEL_WIDTH);
	size_t written = out->len - from;
	colour(out, style, "0");
	while (written++ < LEVEL_WIDTH + 2)
		buf_char(out, ' ');
}

static void write_end(struct buf *out, const char *name, const char *ip, const char *role)
{
	if (name != NULL) {
		put(out, name, NAME);
		buf_lit(out, " ");
	}
	put(out, ip, NAME);
	if (role == NULL)
		return;
	buf_lit(out, " (");
	put(out, role, NAME);
	buf_lit(out, ")");
}

static void write_who(struct buf *out, const struct line_event *e)
{
	if (e->src_ip == NULL)
		return;
	write_end(out, e->src_name, e->src_ip, e->src_role);
	if (e->dst_ip != NULL) {
		buf_lit(out, " → ");
		write_end(out, e->dst_name, e->dst_ip, e->dst_role);
	}
	if (e->dst_port >= 0)
		buf_printf(out, ":%" PRId64, e->dst_port);
	if (e->unit_word != NULL)
		buf_printf(out, " %s %" PRId64, e->unit_word, e->unit);
	buf_lit(out, "  ");
}

static const char *outcome_colour(const char *outcome)
{
	static const struct {
		const char *outcome, *colour;
	} colours[] = { { "accepted", "1" }, { "rejected", "32" }, { "unanswered", "33" },
		{ "unobserved", "33" }, { "orphan_reply", "35" } };
	for (size_t i = 0; i < sizeof colours / sizeof colours[0]; i++)
		if (strcmp(colours[i].outcome, outcome) == 0)
			return colours[i].colour;
	return "0";
}

/* "accepted in 12 ms", "rejected (illegal_data_address)". High alerts go out before it is known. */
static void write_verdict(
	struct buf *out, const struct line_event *e, const struct line_style *style)
{
	/* Without a transaction there is nothing to wait for. */
	if (e->outcome == NULL && (strcmp(e->type, "alert") != 0 || !e->has_tx))
		return;
	const char *outcome = e->outcome == NULL ? "…" : e->outcome;
	colour(out, style, outcome_colour(outcome));
	if (e->outcome == NULL)
		buf_lit(out, "verdict pending");
	else
		put(out, outcome, OUTCOME_TEXT);
	colour(out, style, "0");
	if (e->verdict_text != NULL) {
		buf_lit(out, " (");
		put(out, e->verdict_text, OUTCOME_TEXT);
		buf_lit(out, ")");
	} else if (e->has_code) {
		buf_printf(out, " (code %" PRId64 ")", e->verdict_code);
	}
	if (e->latency_ms >= 0)
		buf_printf(out, " in %.0f ms", e->latency_ms);
	buf_lit(out, "  ");
}

static void write_value(struct buf *out, const json_t *v)
{
	if (json_is_integer(v))
		buf_int(out, (int64_t)json_integer_value(v));
	else
		buf_real(out, json_number_value(v));
}

/* ": boiler_pressure 4.2 → 11.9 bar" */
static void write_point(struct buf *out, const struct line_event *e)
{
	if (e->point == NULL)
		return;
	buf_lit(out, ": ");
	put(out, e->point, NAME);
	if (e->old_value != NULL) {
		buf_lit(out, " ");
		write_value(out, e->old_value);
	}
	if (e->new_value != NULL) {
		buf_str(out, e->old_value != NULL ? " → " : " ");
		write_value(out, e->new_value);
	}
	if (e->point_unit != NULL && (e->old_value != NULL || e->new_value != NULL)) {
		buf_lit(out, " ");
		put(out, e->point_unit, NAME);
	}
}

void line_write(struct buf *out, const struct line_event *e, const struct line_style *style)
{
	write_time(out, e, style);
	if (style->sensor && e->sensor != NULL) {
		buf_lit(out, "[");
		put(out, e->sensor, NAME);
		buf_lit(out, "] ");
	}
	write_level(out, e, style);
	size_t from = out->len;
	put(out, e->verb == NULL ? "-" : e->verb, NAME);
	pad(out, from, VERB_WIDTH);
	buf_lit(out, " ");
	write_who(out, e);
	write_verdict(out, e, style);
	if (strcmp(e->type, "verdict") == 0)
		buf_lit(out, "↳ ");
	if (e->title != NULL)
		put(out, e->title, TITLE);
	if (e->by != NULL) {
		buf_lit(out, " by ");
		put(out, e->by, NAME);
	}
	if (e->reason != NULL) {
		buf_lit(out, ": ");
		put(out, e->reason, TITLE);
	}
	write_point(out, e);
	if (e->count > 1 || e->total > 1)
		buf_printf(out, " ×%" PRId64, e->count);
	if (e->total > 1)
		buf_printf(out, " (%" PRId64 " in all)", e->total);
}
