/* rule_shown.c - values of an event as people read them. */
#include "sensor/rule_impl.h"

enum { TEXT_MAX = 128 };

static void put_text(
	const struct field_ref *ref, const struct buf *b, rule_field_fn *put, void *ctx)
{
	put(ctx, ref->field->name, FIELD_TEXT,
		(struct value){ .bytes = (const uint8_t *)b->at, .len = (uint32_t)b->len });
}

/* A number that may have a name is always a text, so that readers need one type for the field. */
static void put_named(
	const struct field_ref *ref, struct value v, struct buf *b, rule_field_fn *put, void *ctx)
{
	const struct code_name *c = ref->field->codes;
	while (c->name != NULL && c->code != v.u)
		c++;
	if (c->name != NULL)
		buf_str(b, c->name);
	else
		buf_uint(b, v.u);
	put_text(ref, b, put, ctx);
}

static void put_label(const struct compiled *c, const struct field_ref *ref, struct value v,
	rule_field_fn *put, void *ctx)
{
	const struct labels *names = &c->set->labels[label_table(ref->index)];
	if (v.u >= names->count)
		return;
	const char *name = names->name[v.u];
	put(ctx, ref->field->name, FIELD_TEXT,
		(struct value){ .bytes = (const uint8_t *)name, .len = (uint32_t)strlen(name) });
}

void put_shown(const struct compiled *c, const struct field_ref *ref, struct value v,
	rule_field_fn *put, void *ctx)
{
	char memory[TEXT_MAX];
	struct buf b = buf_over(memory, sizeof memory);
	switch ((enum value_kind)ref->kind) {
	case KIND_LABEL:
		put_label(c, ref, v, put, ctx);
		return;
	case KIND_ADDR:
	case KIND_MAC:
	case KIND_FLAGS:
		envelope_text(&b, ref->index, v);
		put_text(ref, &b, put, ctx);
		return;
	default:
		break;
	}
	if (ref->kind == KIND_UINT && ref->field->codes != NULL)
		put_named(ref, v, &b, put, ctx);
	else
		put(ctx, ref->field->name, ref->field->type, v);
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
