/* walk.h - drives any dissector of the registry as a stream does, and checks what holds for all. */
#ifndef TESTS_FUZZ_WALK_H
#define TESTS_FUZZ_WALK_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dissectors/dissector.h"
#include "sensor/snapshot.h"

#if __has_include(<sanitizer/asan_interface.h>)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, n)   ((void)(at), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(at, n) ((void)(at), (void)(n))
#endif

enum { ITEMS_SANE = 1 << 20, STUCK_SANE = 1 << 17 };

/* One flow of one protocol. Zeroed but for d and l4, then walk_open(). */
struct walk {
	const struct dissector *d;
	uint8_t l4;
	void *state;
	struct pool pool;
	struct kept request; /* of the last request, for the next reply */
	bool garble;         /* give replies values no request had */
	uint64_t pdus, digest;
	struct reader input; /* what is being read, for walk_copy() */
	void (*saw)(void *ctx, const struct pdu *pdu);
	void *ctx;
};

#define walk_demand(what) ((what) ? (void)0 : walk_fail(#what, __LINE__))

static inline void walk_fail(const char *what, int line)
{
	fprintf(stderr, "walk.h:%d: does not hold: %s\n", line, what);
	abort();
}

static inline void walk_open(struct walk *w)
{
	w->state = calloc(1, w->d->state_size == 0 ? 1 : w->d->state_size);
	w->pool.cap = 4 << 20;
	if (w->state == NULL)
		abort();
}

static inline void walk_close(struct walk *w)
{
	if (w->d->release != NULL)
		w->d->release(w->state, &w->pool);
	walk_demand(w->pool.used == 0);
	free(w->state);
}

static inline void walk_mix(struct walk *w, uint64_t v)
{
	w->digest = (w->digest ^ v) * UINT64_C(0x9e3779b97f4a7c15);
	w->digest ^= w->digest >> 29;
}

/* Reads every byte of a value, so that a sanitizer sees where it points. */
static inline void walk_value(struct walk *w, const struct field *f, const struct value *v)
{
	if (f->type != FIELD_TEXT && f->type != FIELD_BYTES) {
		walk_mix(w, v->u);
		if (f->type == FIELD_REAL)
			walk_demand(v->r - v->r == 0);
		return;
	}
	walk_mix(w, v->len);
	for (uint32_t i = 0; i < v->len; i++)
		walk_mix(w, v->bytes[i]);
}

static inline void walk_text(struct walk *w, const char *s)
{
	for (; s != NULL && *s != '\0'; s++)
		walk_mix(w, (uint8_t)*s);
}

static inline void walk_items(struct walk *w, const struct pdu *pdu)
{
	struct item_cursor cursor = pdu->items;
	struct item item;
	uint32_t n = 0;
	if (cursor.dissector != NULL)
		walk_demand(cursor.dissector->next_item != NULL);
	while (items_next(&cursor, &item)) {
		walk_demand(++n < ITEMS_SANE);
		for (unsigned i = 0; i < ITEM_FIELDS; i++) {
			if (!item_has(&item, i))
				continue;
			walk_demand(i < cursor.dissector->item_field_count);
			walk_value(w, &cursor.dissector->item_fields[i], &item.value[i]);
		}
	}
	walk_mix(w, n);
}

/* A PDU that outlives its packet tells the same items, and the packet's bytes are not looked at. */
static inline void walk_copy(struct walk *w, const struct pdu *pdu)
{
	struct walk first = { .d = w->d }, second = { .d = w->d };
	struct pool pool = { .cap = 4 << 20 };
	struct snapshot *s = snapshot_take(pdu, &pool);
	walk_demand(s != NULL);
	walk_items(&first, pdu);
	ASAN_POISON_MEMORY_REGION(w->input.at, w->input.left);
	walk_items(&second, &s->pdu);
	ASAN_UNPOISON_MEMORY_REGION(w->input.at, w->input.left);
	walk_demand(first.digest == second.digest);
	snapshot_free(s, &pool);
}

static inline void walk_keep(struct walk *w, struct pdu *pdu)
{
	const uint8_t *keep = pdu->dissector->keep;
	if (pdu->tx == TX_REQUEST) {
		w->request.known = true;
		for (unsigned i = 0; i < PDU_KEPT; i++) {
			bool has = keep[i] != 0 && pdu_has(pdu, keep[i] - 1U);
			w->request.value[i] = has ? pdu->value[keep[i] - 1].u : 0;
		}
	}
	if (pdu->tx == TX_REPLY || pdu->tx == TX_REPLY_PART) {
		pdu->request = w->request;
		for (unsigned i = 0; w->garble && i < PDU_KEPT; i++)
			pdu->request.value[i] = pdu->request.value[i] * 2654435761U + i - 3;
	}
}

/* What holds for each PDU of each protocol. */
static inline void walk_pdu(struct walk *w, struct pdu *pdu)
{
	const struct dissector *d = pdu->dissector;
	if (d == NULL)
		return;
	walk_demand(dissector_index(d) >= 0);
	walk_demand(pdu->name != NULL && pdu->dir <= PDU_IND && pdu->tx <= TX_REPLY_PART);
	walk_demand(pdu->text_len <= PDU_TEXT);
	walk_keep(w, pdu);
	for (unsigned i = 0; i < PDU_FIELDS; i++) {
		if (!pdu_has(pdu, i))
			continue;
		walk_demand(i < d->field_count);
		walk_value(w, &d->fields[i], &pdu->value[i]);
	}
	walk_mix(w, pdu->present);
	walk_mix(w, (uint64_t)pdu->code);
	walk_mix(w, pdu->dir);
	walk_text(w, pdu->name);
	walk_text(w, pdu->malformed);
	walk_items(w, pdu);
	walk_copy(w, pdu);
	w->pdus++;
	if (w->saw != NULL)
		w->saw(w->ctx, pdu);
}

/* One call, checked. */
static inline enum outcome walk_once(
	struct walk *w, struct reader *in, enum dir dir, struct pdu *pdu, size_t *need)
{
	struct dissect how = { .dir = dir, .l4 = w->l4, .state = w->state, .pool = &w->pool };
	struct reader was = *in;
	pdu_init(pdu);
	enum outcome outcome = w->d->dissect(in, &how, pdu);
	walk_demand(outcome <= DISSECT_BAD);
	walk_demand(in->left <= was.left);
	if (outcome != DISSECT_OK)
		walk_demand(in->at == was.at && in->left == was.left && !in->overrun);
	else
		walk_demand(in->at == was.at + (was.left - in->left));
	if (outcome == DISSECT_MORE && w->l4 == L4_TCP && how.need != 0)
		walk_demand(how.need > was.left);
	if (outcome == DISSECT_BAD)
		walk_demand(pdu->malformed != NULL);
	*need = how.need;
	return outcome;
}

/* Every message of n bytes; returns how many were consumed, *bad says whether damage ended it. */
static inline size_t walk_bytes(
	struct walk *w, const uint8_t *bytes, size_t n, enum dir dir, bool *bad, bool *final)
{
	struct reader in = rd_over(bytes, n);
	struct pdu pdu;
	bool more = false;
	unsigned stuck = 0;
	size_t need;
	*bad = *final = false;
	w->input = in;
	while (in.left > 0 || more) {
		size_t before = in.left;
		enum outcome outcome = walk_once(w, &in, dir, &pdu, &need);
		if (outcome == DISSECT_MORE)
			break;
		if (outcome == DISSECT_BAD) {
			uint64_t digest = w->digest;
			walk_pdu(w, &pdu);
			w->digest = digest;
			*bad = true;
			break;
		}
		more = pdu.more;
		stuck = in.left < before ? 0 : stuck + 1;
		walk_demand(stuck < STUCK_SANE);
		if (stuck > 0 && !more && before > 0) {
			*bad = true; /* took nothing, promised nothing: a stream reads that as
					damage */
			break;
		}
		*final = pdu.final;
		walk_pdu(w, &pdu);
		if (*final)
			break;
	}
	return n - in.left;
}

#endif
