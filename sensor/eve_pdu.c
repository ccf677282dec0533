/* eve_pdu.c - --pdus: one JSON line a PDU, for people, tests and comparison with other dissectors.
 */
#include "sensor/eve.h"
#include "sensor/eve_json.h"

enum {
	PDU_LINE_ITEMS = 1024,
	PDU_LINE_TEXT = 4096, /* bytes of one value */
	PDU_LINE_END = 8192,  /* kept free for what follows fields and items */
};

static const char *dir_name(enum pdu_dir dir)
{
	static const char *const names[] = {
		[PDU_REQ] = "req", [PDU_RSP] = "rsp", [PDU_IND] = "ind"
	};
	return names[dir];
}

static void write_flags(struct buf *out, uint32_t flags)
{
	eve_key(out, "flags");
	buf_char(out, '[');
	if (flags & PDU_ITEMS_CUT)
		buf_lit(out, "\"items_cut\"");
	if (flags & PDU_OVERLAP) {
		eve_comma(out);
		buf_lit(out, "\"overlap\"");
	}
	if (flags & PDU_RESYNCED) {
		eve_comma(out);
		buf_lit(out, "\"resynced\"");
	}
	buf_char(out, ']');
}

static void write_head(struct buf *out, const struct flow *f, unsigned from, struct stamp at)
{
	buf_lit(out, "{\"frame\":");
	buf_uint(out, at.frame);
	eve_key(out, "time");
	eve_time(out, at.ts_ns);
	eve_key(out, "src");
	eve_addr(out, &f->end[from].ip);
	eve_key_uint(out, "sport", f->end[from].port);
	eve_key(out, "dst");
	eve_addr(out, &f->end[!from].ip);
	eve_key_uint(out, "dport", f->end[!from].port);
}

void eve_pdu(struct buf *out, const struct flow *f, unsigned from, struct stamp at,
	const struct pdu *pdu)
{
	const struct dissector *d = pdu->dissector;
	uint32_t flags = pdu->flags;
	write_head(out, f, from, at);
	eve_key_word(out, "proto", d->name);
	eve_key_word(out, "dir", dir_name(pdu->dir));
	eve_key(out, "code");
	if (pdu->code == PDU_NO_CODE)
		buf_lit(out, "null");
	else
		buf_int(out, pdu->code);
	eve_key_word(out, "name", pdu->name);
	eve_key(out, "fields");
	eve_fields(out, d->fields, d->field_count, pdu->present, pdu->value, PDU_LINE_TEXT,
		PDU_LINE_END);
	if (pdu->items.dissector != NULL) {
		eve_key(out, "items");
		if (eve_items(out, pdu, PDU_LINE_ITEMS, PDU_LINE_TEXT, PDU_LINE_END))
			flags |= PDU_ITEMS_CUT;
	}
	write_flags(out, flags);
	if (pdu->malformed != NULL)
		eve_key_text(out, "malformed", pdu->malformed);
	buf_char(out, '}');
}
