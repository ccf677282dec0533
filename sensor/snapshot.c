/* snapshot.c - copies a PDU with the bytes it borrows. */
#include "sensor/snapshot.h"

static bool borrows(const struct pdu *pdu, unsigned field)
{
	enum field_type type = pdu->dissector->fields[field].type;
	return pdu_has(pdu, field) && (type == FIELD_TEXT || type == FIELD_BYTES);
}

struct snapshot *snapshot_take(const struct pdu *pdu, struct pool *pool)
{
	size_t items = pdu->items.dissector == NULL ? 0 : pdu->items.bytes.left;
	size_t size = sizeof(struct snapshot) + items;
	for (unsigned i = 0; i < pdu->dissector->field_count; i++)
		if (borrows(pdu, i))
			size += pdu->value[i].len;

	struct snapshot *s = pool_take(pool, size);
	if (s == NULL)
		return NULL;
	s->size = size;
	s->pdu = *pdu;
	uint8_t *to = s->bytes;
	if (items > 0)
		memcpy(to, pdu->items.bytes.at, items);
	s->pdu.items.bytes.at = to;
	s->pdu.items.pdu = &s->pdu;
	to += items;
	for (unsigned i = 0; i < pdu->dissector->field_count; i++) {
		if (!borrows(pdu, i))
			continue;
		if (pdu->value[i].len > 0)
			memcpy(to, pdu->value[i].bytes, pdu->value[i].len);
		s->pdu.value[i].bytes = to;
		to += pdu->value[i].len;
	}
	return s;
}

void snapshot_free(struct snapshot *s, struct pool *pool)
{
	if (s != NULL)
		pool_give(pool, s, s->size);
}
