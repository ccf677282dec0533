/* eve_s7comm.c - S7comm by the names of icsnpp-s7comm, then what the field table says. */
#include <pthread.h>

#include "sensor/eve_json.h"

enum { USERDATA = 7 };
enum field_of { ROSCTR, PDU_REFERENCE, ERROR_CLASS, ERROR_CODE, FIELDS };
static const char *const names[FIELDS] = { "rosctr", "pdu_reference", "error_class", "error_code" };
static int8_t at[FIELDS];
static const struct field *table;

static void resolve(void)
{
	const struct dissector *d = dissector_named("s7comm");
	eve_resolve(d->fields, d->field_count, names, at, FIELDS);
	table = d->fields;
}

static bool get(const struct pdu *p, enum field_of field, uint64_t *v)
{
	return eve_field(p, at[field], v);
}

static const char *code_name(enum field_of field, uint64_t code)
{
	const struct code_name *c = table[at[field]].codes;
	for (; c != NULL && c->name != NULL; c++)
		if (c->code == code)
			return c->name;
	return NULL;
}

/* Userdata has its group in the high byte of the code and the subfunction in the low one. */
static void write_function(struct buf *b, const struct pdu *p, bool userdata)
{
	if (p->code == PDU_NO_CODE)
		return;
	uint32_t code = (uint32_t)p->code;
	if (!userdata) {
		eve_key_uint(b, "function_code", code);
		eve_key_text(b, "function_name", p->name);
		return;
	}
	eve_key_uint(b, "function_code", code >> 8);
	eve_key_uint(b, "subfunction_code", code & 0xff);
	eve_key_text(b, "subfunction_name", p->name);
}

static void write_error(struct buf *b, const struct pdu *rsp)
{
	uint64_t v;
	if (get(rsp, ERROR_CLASS, &v))
		eve_key_uint(b, "error_class", v);
	if (get(rsp, ERROR_CODE, &v))
		eve_key_uint(b, "error_code", v);
}

void eve_s7comm(struct buf *b, const struct pdu *req, const struct pdu *rsp)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, resolve);
	const struct pdu *first = req != NULL ? req : rsp;
	uint64_t rosctr = 0, v;
	buf_char(b, '{');
	if (get(first, ROSCTR, &rosctr)) {
		eve_key_uint(b, "rosctr_code", rosctr);
		const char *name = code_name(ROSCTR, rosctr);
		if (name != NULL)
			eve_key_text(b, "rosctr_name", name);
	}
	if (get(first, PDU_REFERENCE, &v))
		eve_key_uint(b, "pdu_reference", v);
	write_function(b, first, rosctr == USERDATA);
	if (rsp != NULL)
		write_error(b, rsp);
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
