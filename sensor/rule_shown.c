/* rule_shown.c - values of an event as people read them. */
#include "sensor/rule_impl.h"

enum { TEXT_MAX = 128 };

/* Envelope values as a person reads them; numbers without names stay numbers. */
void put_envelope(const struct compiled *c, const struct field_ref *ref, struct value v,
	rule_field_fn *put, void *ctx)
{
	char memory[TEXT_MAX];
	struct buf b = buf_over(memory, sizeof memory);
	const struct labels *names = &c->set->labels[0];
	enum field_type type = ref->field->type;
	switch ((enum value_kind)ref->kind) {
	case KIND_TEXT:
		put(ctx, ref->field->name, FIELD_TEXT, v);
		return;
	case KIND_LABEL:
		names = &c->set->labels[label_table(ref->index)];
		if (v.u < names->count) {
			const char *name = names->name[v.u];
			struct value text = { .bytes = (const uint8_t *)name,
				.len = (uint32_t)strlen(name) };
			put(ctx, ref->field->name, FIELD_TEXT, text);
		}
		return;
	case KIND_UINT:
	case KIND_INT:
	case KIND_REAL:
		if (ref->field->codes == NULL) {
			put(ctx, ref->field->name, type, v);
			return;
		}
		break;
	default:
		break;
	}
	envelope_text(&b, ref->index, v);
	put(ctx, ref->field->name, FIELD_TEXT,
		(struct value){ .bytes = (const uint8_t *)b.at, .len = (uint32_t)b.len });
}

const struct item *event_item(const struct event *e, int32_t index, struct item *out)
{
	struct item_cursor cursor = e->pdu->items;
	if (index < 0)
		return NULL;
	for (int32_t i = 0; items_next(&cursor, out); i++)
		if (i == index)
			return out;
	return NULL;
}
