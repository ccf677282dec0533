/* snapshot.c - copies a PDU with the bytes it borrows. */
#include "sensor/snapshot.h"

/* Bit a field that is present and borrows its bytes. */
static uint64_t borrowed(const struct pdu *pdu)
{
	uint64_t fields = 0;
	for (uint64_t left = pdu->present; left != 0; left &= left - 1) {
		enum field_type type = pdu->dissector->fields[__builtin_ctzll(left)].type;
		if (type == FIELD_TEXT || type == FIELD_BYTES)
			fields |= left & -left;
	}
	return fields;
}

/* Copies what a reader looks at and lets it look there; returns the place behind. */
static uint8_t *move(struct reader *r, uint8_t *to)
{
	if (r->left > 0)
		memcpy(to, r->at, r->left);
	r->at = to;
	return to + r->left;
}

/* Bytes of a PDU up to the last value that is present. */
static size_t used_of(const struct pdu *pdu)
{
	unsigned values = pdu->present == 0 ? 0 : 64u - (unsigned)__builtin_clzll(pdu->present);
	return offsetof(struct pdu, value) + values * sizeof pdu->value[0];
}

static size_t bytes_of(const struct pdu *pdu, uint64_t fields)
{
	size_t size = 0;
	if (pdu->items.dissector != NULL)
		size += pdu->items.bytes.left + pdu->items.second.left;
	for (; fields != 0; fields &= fields - 1)
		size += pdu->value[__builtin_ctzll(fields)].len;
	return size;
}

static void move_value(struct value *v, uint8_t **to)
{
	if (v->len > 0)
		memcpy(*to, v->bytes, v->len);
	v->bytes = *to;
	*to += v->len;
}

struct snapshot *snapshot_take(const struct pdu *pdu, struct pool *pool)
{
	uint64_t fields = borrowed(pdu);
	size_t used = used_of(pdu);
	size_t size = offsetof(struct snapshot, pdu) + used + bytes_of(pdu, fields);
	struct snapshot *s = pool_take_raw(pool, size);
	if (s == NULL)
		return NULL;
	uint8_t *to = (uint8_t *)s + offsetof(struct snapshot, pdu);
	s->size = size;
	memcpy(to, pdu, used);
	s->pdu.same = (struct reader){ 0 };
	to += used;
	if (pdu->items.dissector != NULL) {
		to = move(&s->pdu.items.bytes, to);
		to = move(&s->pdu.items.second, to);
		s->pdu.items.pdu = &s->pdu;
	}
	for (; fields != 0; fields &= fields - 1)
		move_value(&s->pdu.value[__builtin_ctzll(fields)], &to);
	return s;
}

void snapshot_free(struct snapshot *s, struct pool *pool)
{
	if (s != NULL)
		pool_give(pool, s, s->size);
}
