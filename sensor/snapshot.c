/* snapshot.c - copies a PDU with the bytes it borrows. */
#include "sensor/snapshot.h"

static bool borrows(const struct pdu *pdu, unsigned field)
{
	enum field_type type = pdu->dissector->fields[field].type;
	return pdu_has(pdu, field) && (type == FIELD_TEXT || type == FIELD_BYTES);
}

/* Copies what a reader looks at and lets it look there; returns the place behind. */
static uint8_t *move(struct reader *r, uint8_t *to)
{
	if (r->left > 0)
		memcpy(to, r->at, r->left);
	r->at = to;
	return to + r->left;
}

struct snapshot *snapshot_take(const struct pdu *pdu, struct pool *pool)
{
	bool items = pdu->items.dissector != NULL;
	size_t size = sizeof(struct snapshot);
	if (items)
		size += pdu->items.bytes.left + pdu->items.second.left;
	for (unsigned i = 0; i < pdu->dissector->field_count; i++)
		if (borrows(pdu, i))
			size += pdu->value[i].len;

	struct snapshot *s = pool_take(pool, size);
	if (s == NULL)
		return NULL;
	s->size = size;
	s->pdu = *pdu;
	uint8_t *to = s->bytes;
	if (items) {
		to = move(&s->pdu.items.bytes, to);
		to = move(&s->pdu.items.second, to);
		s->pdu.items.pdu = &s->pdu;
	}
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
