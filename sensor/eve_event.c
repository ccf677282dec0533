/* eve_event.c - the envelope of every event, and the events that are told in a few members. */
#include "sensor/eve_json.h"

#include "sensor/community_id.h"
#include "sensor/counters.h"

static void write_mac(struct buf *b, const uint8_t *mac)
{
	char text[] = "\"00:00:00:00:00:00\"";
	static const char hex[] = "0123456789abcdef";
	for (unsigned i = 0; i < 6; i++) {
		text[1 + 3 * i] = hex[mac[i] >> 4];
		text[2 + 3 * i] = hex[mac[i] & 15];
	}
	buf_add(b, text, sizeof text - 1);
}

static void write_ether(struct buf *b, const struct endpoint *src, const struct endpoint *dst)
{
	if (!src->has_mac && !dst->has_mac)
		return;
	eve_key(b, "ether");
	buf_char(b, '{');
	if (src->has_mac) {
		eve_key(b, "src_mac");
		write_mac(b, src->mac);
	}
	if (dst->has_mac) {
		eve_key(b, "dest_mac");
		write_mac(b, dst->mac);
	}
	buf_char(b, '}');
}

static void write_vlans(struct buf *b, const struct flow *f)
{
	if (f->vlans == 0)
		return;
	eve_key(b, "vlan");
	buf_char(b, '[');
	for (unsigned i = 0; i < f->vlans && i < FLOW_VLANS; i++) {
		eve_comma(b);
		buf_uint(b, f->vlan[i]);
	}
	buf_char(b, ']');
}

bool eve_is_there(const struct flow *f, unsigned end)
{
	static const uint8_t zero[16], zero4[16] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *ip = f->end[end].ip.bytes;
	return f->l4 != 0 || (memcmp(ip, zero, 16) != 0 && memcmp(ip, zero4, 16) != 0);
}

/* What is no conversation (an observation of one device, or of two) has no proto, and of ports
 * those that it is about. */
static void write_ends_anew(
	struct buf *b, const struct flow *f, const struct dissector *app, unsigned from)
{
	const struct endpoint *src = &f->end[from], *dst = &f->end[!from];
	write_vlans(b, f);
	eve_key(b, "src_ip");
	eve_addr(b, &src->ip);
	bool made = f->id == 0;
	if (f->l4 != 0 && !(made && src->port == 0))
		eve_key_uint(b, "src_port", src->port);
	if (eve_is_there(f, !from)) {
		eve_key(b, "dest_ip");
		eve_addr(b, &dst->ip);
	}
	if (f->l4 != 0) {
		if (!made || dst->port != 0)
			eve_key_uint(b, "dest_port", dst->port);
		eve_key(b, "proto");
		eve_l4(b, f->l4);
	}
	write_ether(b, src, dst);
	if (app != NULL)
		eve_key_word(b, "app_proto", app->name);
	if (from == f->client)
		eve_key_lit(b, "direction", "to_server");
	else
		eve_key_lit(b, "direction", "to_client");
}

/* A conversation tells the same of its ends in every event: the text of recent ones is kept. */
static void write_ends(
	struct buf *b, const struct flow *f, const struct dissector *app, unsigned from)
{
	enum { RECENT = 64, TEXT = 512 };
	static _Thread_local struct recent {
		struct ends {
			struct endpoint end[2];
			const struct dissector *dissector;
			uint16_t vlan[FLOW_VLANS];
			uint8_t vlans, l4, client, from;
		} ends;
		uint16_t len; /* 0: nothing kept */
		char text[TEXT];
	} table[RECENT];
	struct recent *r = &table[(f->id * 2 + from) % RECENT];
	struct ends now;
	memset(&now, 0, sizeof now); /* padding too: it is compared */
	memcpy(now.end, f->end, sizeof now.end);
	now.dissector = app;
	memcpy(now.vlan, f->vlan, sizeof now.vlan);
	now.vlans = f->vlans;
	now.l4 = f->l4;
	now.client = f->client;
	now.from = (uint8_t)from;
	if (r->len == 0 || memcmp(&r->ends, &now, sizeof now) != 0) {
		/* Begins as if in the middle of an object, so that its comma is kept as well. */
		struct buf text = buf_over(r->text, sizeof r->text);
		buf_char(&text, '"');
		write_ends_anew(&text, f, app, from);
		r->len = text.full ? 0 : (uint16_t)text.len;
		r->ends = now;
		if (text.full) {
			write_ends_anew(b, f, app, from);
			return;
		}
	}
	buf_add(b, r->text + 1, r->len - 1);
}

static void label(struct buf *b, const char *text)
{
	buf_json_string(b, text, strlen(text), EVE_LABEL);
}

void eve_head(struct buf *b, const struct eve *eve, const struct eve_head *head)
{
	buf_lit(b, "{\"timestamp\":");
	eve_time(b, head->ts_ns);
	if (head->flow != NULL && head->flow->l4 != 0 && head->flow->id != 0)
		eve_key_uint(b, "flow_id", head->flow->id & ((UINT64_C(1) << 51) - 1));
	if (eve->in_iface != NULL) {
		eve_key(b, "in_iface");
		label(b, eve->in_iface);
	}
	eve_key_word(b, "event_type", head->type);
	eve_key(b, "host");
	label(b, eve->sensor == NULL ? "" : eve->sensor);
	/* The protocol of the message; of a conversation, what carries it. */
	const struct event *e = head->event;
	if (head->flow != NULL)
		write_ends(b, head->flow, e != NULL ? e->pdu->dissector : head->flow->dissector,
			head->from);
	if (e != NULL && e->has_tx)
		eve_key_uint(b, "tx_id", e->tx_id);
	if (head->frame != 0)
		eve_key_uint(b, "pcap_cnt", head->frame);
	if (eve->pcap_filename != NULL)
		eve_key_text(b, "pcap_filename", eve->pcap_filename);
	if (head->flow == NULL)
		return;
	eve_key_lit(b, "pkt_src", "wire/pcap");
	if (head->flow->l4 == 0 || head->flow->id == 0)
		return;
	eve_key(b, "community_id");
	community_id(b, head->flow);
}

void eve_bongsu(struct buf *b, const struct eve *eve, uint64_t n, int64_t ts_ns)
{
	eve_key(b, "bongsu");
	buf_lit(b, "{\"epoch\":");
	buf_uint(b, eve->epoch);
	eve_key_uint(b, "n", n);
	eve_key(b, "ts_ns");
	buf_int(b, ts_ns);
}

void eve_ms(struct buf *b, int64_t ns)
{
	uint64_t us = ns < 0 ? 0 : (uint64_t)ns / 1000;
	char part[4] = { '.', (char)('0' + us / 100 % 10), (char)('0' + us / 10 % 10),
		(char)('0' + us % 10) };
	buf_uint(b, us / 1000);
	buf_add(b, part, sizeof part);
}

/* ---- anomaly ---- */

static const struct {
	const char *name, *type;
} anomalies[ANOMALY_KINDS] = {
#define ANOMALY(id, name, sentence) [ANOMALY_##id] = { name, "sensor" },
#include "sensor/anomaly.def"
#undef ANOMALY
};

/* Suricata's word for the layer an anomaly is of. */
static const char *anomaly_type(enum anomaly_kind kind)
{
	switch (kind) {
	case ANOMALY_BLIND:
	case ANOMALY_OVERLAP:
		return "stream";
	case ANOMALY_FRAG_OVERLAP:
	case ANOMALY_TUNNEL_DEEP:
	case ANOMALY_CHECKSUMS:
		return "decode";
	case ANOMALY_MALFORMED:
	case ANOMALY_WRONG_PORT:
	case ANOMALY_NOT_PROTOCOL:
		return "applayer";
	default:
		return anomalies[kind].type;
	}
}

void eve_anomaly(struct buf *out, const struct eve *eve, uint64_t n, const struct anomaly *a)
{
	const struct eve_head head = { "anomaly", a->at.ts_ns, a->at.frame, a->flow, a->from,
		NULL };
	eve_head(out, eve, &head);
	eve_key(out, "anomaly");
	buf_char(out, '{');
	eve_key_word(out, "type", anomaly_type(a->kind));
	eve_key_word(out, "event", anomalies[a->kind].name);
	eve_key_uint(out, "count", a->count);
	if (a->detail != NULL)
		eve_key_text(out, "detail", a->detail);
	buf_char(out, '}');
	eve_bongsu(out, eve, n, a->at.ts_ns);
	buf_lit(out, "}}");
}

/* ---- flow ---- */

static const char *flow_state(const struct flow *f, const char *why)
{
	if (strcmp(why, "closed") == 0)
		return "closed";
	return f->packets[0] > 0 && f->packets[1] > 0 ? "established" : "new";
}

static void write_flow(struct buf *out, const struct flow *f, const char *why)
{
	buf_char(out, '{');
	eve_key_uint(out, "pkts_toserver", f->packets[f->client]);
	eve_key_uint(out, "pkts_toclient", f->packets[!f->client]);
	eve_key_uint(out, "bytes_toserver", f->bytes[f->client]);
	eve_key_uint(out, "bytes_toclient", f->bytes[!f->client]);
	eve_key_uint(out, "blind_bytes_toserver", f->blind_bytes[f->client]);
	eve_key_uint(out, "blind_bytes_toclient", f->blind_bytes[!f->client]);
	eve_key(out, "start");
	eve_time(out, f->first_ns);
	eve_key(out, "end");
	eve_time(out, f->last_ns);
	int64_t age = f->last_ns / 1000000000 - f->first_ns / 1000000000;
	eve_key_uint(out, "age", age < 0 ? 0 : (uint64_t)age);
	eve_key_word(out, "state", flow_state(f, why));
	eve_key_word(out, "reason", why);
	eve_key_bool(out, "alerted", f->alerts > 0);
	buf_char(out, '}');
}

void eve_flow(
	struct buf *out, const struct eve *eve, uint64_t n, const struct flow *f, const char *why)
{
	const struct eve_head head = { "flow", f->last_ns, 0, f, f->client, NULL };
	eve_head(out, eve, &head);
	eve_key(out, "flow");
	write_flow(out, f, why);
	eve_bongsu(out, eve, n, f->last_ns);
	buf_lit(out, "}}");
}

/* ---- transactions, canary, stats ---- */

void eve_transaction(struct buf *out, const struct eve *eve, uint64_t n, const struct event *e)
{
	const struct eve_head head = { e->pdu->dissector->name, e->at.ts_ns, e->at.frame, e->flow,
		e->from, e };
	eve_head(out, eve, &head);
	eve_message(out, e);
	eve_bongsu(out, eve, n, e->at.ts_ns);
	eve_verdict_object(out, &e->verdict);
	buf_lit(out, "}}");
}

void eve_canary(
	struct buf *out, const struct eve *eve, uint64_t n, struct stamp at, uint64_t latency_us)
{
	const struct eve_head head = { "canary", at.ts_ns, at.frame, NULL, 0, NULL };
	eve_head(out, eve, &head);
	eve_key(out, "canary");
	buf_char(out, '{');
	eve_key_uint(out, "latency_us", latency_us);
	buf_char(out, '}');
	eve_bongsu(out, eve, n, at.ts_ns);
	buf_lit(out, "}}");
}

static void write_said(struct buf *b, const char *key, const char *text)
{
	if (text == NULL)
		return;
	eve_name(b, key);
	buf_json_string(b, text, strlen(text), EVE_TEXT);
}

void eve_audit(
	struct buf *out, const struct eve *eve, uint64_t n, struct stamp at, const struct audit *a)
{
	const struct eve_head head = { "audit", at.ts_ns, at.frame, NULL, 0, NULL };
	eve_head(out, eve, &head);
	eve_key(out, "audit");
	buf_char(out, '{');
	eve_key_word(out, "action", a->action);
	write_said(out, "id", a->id);
	write_said(out, "what", a->what);
	write_said(out, "by", a->by);
	if (a->has_uid)
		eve_key_uint(out, "uid", a->uid);
	write_said(out, "reason", a->reason);
	if (a->until_ns != INT64_MAX) {
		eve_key(out, "until");
		eve_time(out, a->until_ns);
	}
	if (a->has_count)
		eve_key_uint(out, "count", a->count);
	buf_char(out, '}');
	eve_bongsu(out, eve, n, at.ts_ns);
	buf_lit(out, "}}");
}

static const struct {
	const char *path;
	size_t offset;
} counter_paths[] = {
#define COUNTER(id, path, sentence) { path, offsetof(struct counters, id) },
#include "sensor/counters.def"
#undef COUNTER
};

enum { COUNTERS = sizeof counter_paths / sizeof counter_paths[0] };

/* Bytes of the path up to its last dot. */
static size_t group_length(const char *path)
{
	const char *dot = strrchr(path, '.');
	return dot == NULL ? 0 : (size_t)(dot - path);
}

static bool same_group(const char *a, const char *b)
{
	size_t n = group_length(a);
	return n == group_length(b) && memcmp(a, b, n) == 0;
}

static bool group_is_new(unsigned i)
{
	for (unsigned k = 0; k < i; k++)
		if (same_group(counter_paths[k].path, counter_paths[i].path))
			return false;
	return true;
}

static void write_group(struct buf *out, unsigned first, const struct counters *c)
{
	const char *path = counter_paths[first].path;
	eve_comma(out);
	buf_json_string(out, path, group_length(path), EVE_NAME);
	buf_lit(out, ":{");
	for (unsigned i = first; i < COUNTERS; i++) {
		uint64_t v;
		if (!same_group(counter_paths[i].path, path))
			continue;
		memcpy(&v, (const char *)c + counter_paths[i].offset, sizeof v);
		eve_name(out, counter_paths[i].path + group_length(path) + 1);
		buf_uint(out, v);
	}
	buf_char(out, '}');
}

void eve_stats(struct buf *out, const struct eve *eve, uint64_t n, struct stamp at,
	const struct counters *c)
{
	const struct eve_head head = { "stats", at.ts_ns, at.frame, NULL, 0, NULL };
	int64_t up = eve->started_ns == 0 ? 0 : (at.ts_ns - eve->started_ns) / 1000000000;
	eve_head(out, eve, &head);
	eve_key(out, "stats");
	buf_char(out, '{');
	eve_key_uint(out, "uptime", up < 0 ? 0 : (uint64_t)up);
	for (unsigned i = 0; i < COUNTERS; i++)
		if (group_is_new(i))
			write_group(out, i, c);
	buf_char(out, '}');
	eve_bongsu(out, eve, n, at.ts_ns);
	buf_lit(out, "}}");
}
