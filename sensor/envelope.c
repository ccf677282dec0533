/* envelope.c - reads the fields that every event has. */
#include "sensor/envelope.h"

#include <arpa/inet.h>

static const struct code_name proto_names[] = { { L4_TCP, "tcp" }, { L4_UDP, "udp" }, { 0, NULL } };
static const struct code_name direction_names[] = { { DIR_TO_SERVER, "to_server" },
	{ DIR_TO_CLIENT, "to_client" }, { 0, NULL } };
static const struct code_name dir_names[] = { { PDU_REQ, "req" }, { PDU_RSP, "rsp" },
	{ PDU_IND, "ind" }, { 0, NULL } };
static const struct code_name flag_names[] = { { PDU_ITEMS_CUT, "items_cut" },
	{ PDU_OVERLAP, "overlap" }, { PDU_RESYNCED, "resynced" }, { 0, NULL } };
static const struct code_name outcome_names[] = {
	{ VERDICT_ACCEPTED, "accepted" },
	{ VERDICT_REJECTED, "rejected" },
	{ VERDICT_UNANSWERED, "unanswered" },
	{ VERDICT_NO_REPLY_BY_SPEC, "no_reply_by_spec" },
	{ VERDICT_UNOBSERVED, "unobserved" },
	{ VERDICT_ORPHAN_REPLY, "orphan_reply" },
	{ 0, NULL },
};

// clang-format off
const struct envelope_field envelope_fields[ENVELOPE_FIELDS] = {
	[ENV_SRC_IP]    = { { "src_ip",    FIELD_TEXT, NULL, "address of who sent the message", NULL }, KIND_ADDR, 0 },
	[ENV_DEST_IP]   = { { "dest_ip",   FIELD_TEXT, NULL, "address the message went to", NULL }, KIND_ADDR, 0 },
	[ENV_SRC_PORT]  = { { "src_port",  FIELD_UINT, NULL, "its port", NULL }, KIND_UINT, 65535 },
	[ENV_DEST_PORT] = { { "dest_port", FIELD_UINT, NULL, "port the message went to", NULL }, KIND_UINT, 65535 },
	[ENV_SRC_MAC]   = { { "src_mac",   FIELD_TEXT, NULL, "Ethernet address of the sender's first packet", NULL }, KIND_MAC, 0 },
	[ENV_DEST_MAC]  = { { "dest_mac",  FIELD_TEXT, NULL, "Ethernet address of the receiver", NULL }, KIND_MAC, 0 },
	[ENV_SRC_ROLE]  = { { "src_role",  FIELD_TEXT, NULL, "role the site gives the sender (roles: of the configuration)", NULL }, KIND_LABEL, 0 },
	[ENV_DST_ROLE]  = { { "dst_role",  FIELD_TEXT, NULL, "role of the receiver", NULL }, KIND_LABEL, 0 },
	[ENV_SRC_ZONE]  = { { "src_zone",  FIELD_TEXT, NULL, "zone of the sender (zones: of the configuration)", NULL }, KIND_LABEL, 0 },
	[ENV_DST_ZONE]  = { { "dst_zone",  FIELD_TEXT, NULL, "zone of the receiver", NULL }, KIND_LABEL, 0 },
	[ENV_SRC_NAME]  = { { "src_name",  FIELD_TEXT, NULL, "what people call the sender (names: of the configuration)", NULL }, KIND_LABEL, 0 },
	[ENV_DST_NAME]  = { { "dst_name",  FIELD_TEXT, NULL, "what people call the receiver", NULL }, KIND_LABEL, 0 },
	[ENV_VLAN]      = { { "vlan",      FIELD_UINT, NULL, "VLAN ids of the flow; holds if any of them does", NULL }, KIND_UINT, 4095 },
	[ENV_PROTO]     = { { "proto",     FIELD_UINT, NULL, "transport", proto_names }, KIND_UINT, 255 },
	[ENV_APP_PROTO] = { { "app_proto", FIELD_TEXT, NULL, "protocol of the message, as --list-protocols names it", NULL }, KIND_TEXT, 0 },
	[ENV_DIRECTION] = { { "direction", FIELD_UINT, NULL, "towards the end that was connected to, or back", direction_names }, KIND_UINT, 1 },
	[ENV_PDU_DIR]   = { { "pdu.dir",   FIELD_UINT, NULL, "request, response or indication (sent unasked)", dir_names }, KIND_UINT, 2 },
	[ENV_PDU_NAME]  = { { "pdu.name",  FIELD_TEXT, NULL, "name of the function, as --pdus prints it", NULL }, KIND_TEXT, 0 },
	[ENV_PDU_CODE]  = { { "pdu.code",  FIELD_UINT, NULL, "number of the function, as --pdus prints it", NULL }, KIND_UINT, 0 },
	[ENV_TIMESTAMP] = { { "timestamp", FIELD_UINT, "ms since 1970", "time of the packet, UTC", NULL }, KIND_UINT, 0 },
	[ENV_MALFORMED] = { { "malformed", FIELD_TEXT, NULL, "what is wrong with the message; absent if nothing is", NULL }, KIND_TEXT, 0 },
	[ENV_FLAGS]     = { { "flags",     FIELD_UINT, NULL, "what was special about reading it; absent if nothing was", flag_names }, KIND_FLAGS, 0 },
	[ENV_VERDICT_OUTCOME] = { { "verdict.outcome", FIELD_UINT, NULL, "what became of the request; absent where none is judged", outcome_names }, KIND_UINT, 255 },
	[ENV_VERDICT_CODE]    = { { "verdict.code",    FIELD_INT,  NULL, "code the device refused with", NULL }, KIND_INT, 0 },
	[ENV_VERDICT_TEXT]    = { { "verdict.text",    FIELD_TEXT, NULL, "name of that code", NULL }, KIND_TEXT, 0 },
	[ENV_VERDICT_LATENCY] = { { "verdict.latency_ms", FIELD_REAL, "ms", "from request to reply", NULL }, KIND_REAL, 0 },
};
// clang-format on

static int bytes_of(struct value *out, const void *bytes, size_t len)
{
	out->bytes = bytes;
	out->len = (uint32_t)len;
	return 1;
}

static int text_of(struct value *out, const char *text)
{
	return text == NULL ? 0 : bytes_of(out, text, strlen(text));
}

static int number_of(struct value *out, uint64_t n)
{
	out->u = n;
	return 1;
}

static int label_of(struct value *out, uint16_t label)
{
	out->u = label;
	return label != 0;
}

static int verdict_get(const struct verdict *v, unsigned index, struct value *out)
{
	if (v->outcome == VERDICT_PENDING)
		return -1;
	if (v->outcome == VERDICT_NONE)
		return 0;
	switch (index) {
	case ENV_VERDICT_OUTCOME:
		return number_of(out, v->outcome);
	case ENV_VERDICT_CODE:
		out->i = v->code;
		return v->has_code;
	case ENV_VERDICT_TEXT:
		return text_of(out, v->text);
	default:
		out->r = (double)v->latency_ns / 1e6;
		return v->latency_ns >= 0;
	}
}

static int pdu_get(const struct event *e, unsigned index, struct value *out)
{
	const struct pdu *p = e->pdu;
	switch (index) {
	case ENV_APP_PROTO:
		return p->dissector == NULL ? 0 : text_of(out, p->dissector->name);
	case ENV_PDU_DIR:
		return number_of(out, p->dir);
	case ENV_PDU_NAME:
		return p->name[0] == '\0' ? 0 : text_of(out, p->name);
	case ENV_PDU_CODE:
		out->u = (uint64_t)(int64_t)p->code;
		return p->code != PDU_NO_CODE;
	case ENV_MALFORMED:
		return text_of(out, p->malformed);
	default:
		out->u = p->flags;
		return p->flags != 0;
	}
}

int envelope_get(const struct event *e, unsigned index, struct value out[ENVELOPE_VALUES])
{
	const struct flow *f = e->flow;
	const struct endpoint *src = &f->end[e->from], *dst = &f->end[!e->from];
	switch (index) {
	case ENV_SRC_IP:
		return bytes_of(out, src->ip.bytes, sizeof src->ip.bytes);
	case ENV_DEST_IP:
		return bytes_of(out, dst->ip.bytes, sizeof dst->ip.bytes);
	case ENV_SRC_PORT:
		return number_of(out, src->port);
	case ENV_DEST_PORT:
		return number_of(out, dst->port);
	case ENV_SRC_MAC:
		return src->has_mac ? bytes_of(out, src->mac, sizeof src->mac) : 0;
	case ENV_DEST_MAC:
		return dst->has_mac ? bytes_of(out, dst->mac, sizeof dst->mac) : 0;
	case ENV_SRC_ROLE:
		return label_of(out, f->role[e->from]);
	case ENV_DST_ROLE:
		return label_of(out, f->role[!e->from]);
	case ENV_SRC_ZONE:
		return label_of(out, f->zone[e->from]);
	case ENV_DST_ZONE:
		return label_of(out, f->zone[!e->from]);
	case ENV_SRC_NAME:
		return label_of(out, f->name[e->from]);
	case ENV_DST_NAME:
		return label_of(out, f->name[!e->from]);
	case ENV_VLAN:
		for (int i = 0; i < f->vlans && i < FLOW_VLANS; i++)
			out[i].u = f->vlan[i];
		return f->vlans < FLOW_VLANS ? f->vlans : FLOW_VLANS;
	case ENV_PROTO:
		return number_of(out, f->l4);
	case ENV_DIRECTION:
		return number_of(out, e->from == f->client ? DIR_TO_SERVER : DIR_TO_CLIENT);
	case ENV_TIMESTAMP:
		return number_of(out, e->at.ts_ns < 0 ? 0 : (uint64_t)e->at.ts_ns / 1000000);
	case ENV_VERDICT_OUTCOME:
	case ENV_VERDICT_CODE:
	case ENV_VERDICT_TEXT:
	case ENV_VERDICT_LATENCY:
		return verdict_get(&e->verdict, index, out);
	default:
		return pdu_get(e, index, out);
	}
}

void envelope_addr_text(struct buf *b, const uint8_t bytes[16])
{
	static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };
	char text[INET6_ADDRSTRLEN];
	bool v4 = memcmp(bytes, mapped, sizeof mapped) == 0;
	if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? bytes + 12 : bytes, text, sizeof text) != NULL)
		buf_str(b, text);
}

void envelope_text(struct buf *b, unsigned index, struct value v)
{
	const struct envelope_field *f = &envelope_fields[index];
	switch ((enum value_kind)f->kind) {
	case KIND_ADDR:
		envelope_addr_text(b, v.bytes);
		return;
	case KIND_MAC:
		for (int i = 0; i < 6; i++) {
			if (i > 0)
				buf_char(b, ':');
			buf_hex(b, v.bytes + i, 1);
		}
		return;
	case KIND_INT:
		buf_int(b, v.i);
		return;
	case KIND_REAL:
		buf_real(b, v.r);
		return;
	case KIND_TEXT:
	case KIND_BYTES:
		buf_add(b, v.bytes, v.len);
		return;
	case KIND_FLAGS:
		for (const struct code_name *c = f->field.codes; c->name != NULL; c++)
			if (v.u & c->code) {
				if (b->len > 0)
					buf_char(b, ' ');
				buf_str(b, c->name);
			}
		return;
	case KIND_UINT:
	case KIND_LABEL:
		for (const struct code_name *c = f->field.codes; c != NULL && c->name != NULL; c++)
			if (c->code == v.u) {
				buf_str(b, c->name);
				return;
			}
		buf_uint(b, v.u);
		return;
	}
}
