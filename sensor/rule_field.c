/* rule_field.c - the words rules may use: every field of every dissector, and the envelope. */
#include "sensor/rule_impl.h"

static uint32_t hash_name(const char *name)
{
	uint32_t h = 2166136261u;
	for (; *name != '\0'; name++)
		h = (h ^ (uint8_t)*name) * 16777619u;
	return h;
}

static void add(struct vocabulary *v, struct field_ref ref)
{
	size_t at = v->count++;
	v->ref[at] = ref;
	v->ref[at].id = (uint16_t)at;
	v->name[at] = ref.field->name;
	for (size_t i = hash_name(ref.field->name) & (v->slots - 1);;
		i = (i + 1) & (v->slots - 1)) {
		if (v->slot[i] == 0) {
			v->slot[i] = (uint32_t)at + 1;
			return;
		}
	}
}

static bool is_time(const struct field *f)
{
	return f->unit != NULL && strcmp(f->unit, "ms since 1970") == 0;
}

static void add_table(struct vocabulary *v, const struct dissector *d, enum source source)
{
	const struct field *fields = source == FROM_HEADER ? d->fields : d->item_fields;
	unsigned count = source == FROM_HEADER ? d->field_count : d->item_field_count;
	for (unsigned i = 0; i < count; i++) {
		if (fields[i].name == NULL)
			continue;
		add(v, (struct field_ref){
			       .source = (uint8_t)source,
			       .kind = (uint8_t)fields[i].type, /* the first kinds are the types */
			       .index = (uint8_t)i,
			       .dissector = d,
			       .field = &fields[i],
			       .is_time = is_time(&fields[i]),
		       });
	}
}

_Static_assert((int)KIND_UINT == (int)FIELD_UINT && (int)KIND_BYTES == (int)FIELD_BYTES,
	"kinds begin with the types");

void vocabulary_make(struct vocabulary *v, const struct dissector *const *list, struct arena *arena)
{
	size_t most = ENVELOPE_FIELDS;
	for (size_t i = 0; list[i] != NULL; i++)
		most += (size_t)list[i]->field_count + list[i]->item_field_count;
	v->dissectors = list;
	v->ref = arena_array(arena, most, sizeof *v->ref);
	v->name = arena_array(arena, most + 1, sizeof *v->name);
	for (v->slots = 64; v->slots < most * 2;)
		v->slots *= 2;
	v->slot = arena_array(arena, v->slots, sizeof *v->slot);
	for (unsigned i = 0; i < ENVELOPE_FIELDS; i++)
		add(v, (struct field_ref){
			       .source = FROM_ENVELOPE,
			       .kind = envelope_fields[i].kind,
			       .index = (uint8_t)i,
			       .field = &envelope_fields[i].field,
			       .max = envelope_fields[i].max,
			       .many = i == ENV_VLAN,
			       .waits = i >= ENV_VERDICT_OUTCOME,
			       .is_time = i == ENV_TIMESTAMP,
		       });
	for (size_t i = 0; list[i] != NULL; i++) {
		add_table(v, list[i], FROM_HEADER);
		add_table(v, list[i], FROM_ITEM);
	}
}

const struct field_ref *vocabulary_find(const struct vocabulary *v, const char *name)
{
	for (size_t i = hash_name(name) & (v->slots - 1); v->slot[i] != 0;
		i = (i + 1) & (v->slots - 1)) {
		size_t at = v->slot[i] - 1;
		if (strcmp(v->name[at], name) == 0)
			return &v->ref[at];
	}
	return NULL;
}
