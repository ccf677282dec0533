/* eve_message.c - the decoded message of an event: a fixed mapping for the protocols that other
 * tools know, the field table for all others. */
#include "sensor/eve_json.h"

void eve_resolve(const struct field *fields, unsigned count, const char *const *names,
	int8_t *index, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		index[i] = -1;
		for (unsigned k = 0; k < count; k++)
			if (strcmp(eve_short_name(fields[k].name), names[i]) == 0)
				index[i] = (int8_t)k;
	}
}

void eve_generic(struct buf *b, const struct pdu *pdu)
{
	const struct dissector *d = pdu->dissector;
	bool cut = pdu->flags & PDU_ITEMS_CUT;
	buf_char(b, '{');
	if (pdu->code != PDU_NO_CODE) {
		eve_key(b, "code");
		buf_int(b, pdu->code);
	}
	eve_key_text(b, "name", pdu->name);
	eve_key(b, "fields");
	eve_fields(b, d->fields, d->field_count, pdu->present, pdu->value, EVE_VALUE, EVE_RESERVE);
	if (pdu->items.dissector != NULL) {
		eve_key(b, "items");
		cut |= eve_items(b, pdu, EVE_ITEMS, EVE_VALUE, EVE_RESERVE);
		if (cut)
			eve_key_bool(b, "items_cut", true);
	}
	if (pdu->malformed != NULL)
		eve_key_text(b, "malformed", pdu->malformed);
	buf_char(b, '}');
}

static void both_generic(struct buf *b, const struct pdu *req, const struct pdu *rsp)
{
	buf_char(b, '{');
	if (req != NULL) {
		eve_key(b, "request");
		eve_generic(b, req);
	}
	if (rsp != NULL) {
		eve_key(b, "response");
		eve_generic(b, rsp);
	}
	buf_char(b, '}');
}

void eve_message(struct buf *b, const struct event *e)
{
	const struct dissector *d = e->pdu->dissector;
	bool answer = e->pdu->dir == PDU_RSP;
	const struct pdu *req = answer ? NULL : e->pdu;
	const struct pdu *rsp = answer ? e->pdu : e->reply;
	if (rsp != NULL && rsp->dissector != d)
		rsp = NULL;
	eve_name(b, d->name);
	if (d->observed)
		eve_generic(b, e->pdu);
	else if (strcmp(d->name, "modbus") == 0)
		eve_modbus(b, e, req, rsp);
	else if (strcmp(d->name, "dnp3") == 0)
		eve_dnp3(b, req, rsp);
	else if (strcmp(d->name, "s7comm") == 0)
		eve_s7comm(b, req, rsp);
	else
		both_generic(b, req, rsp);
}
