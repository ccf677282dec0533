/* ledger_dnp3.c - files of outstations: OPEN names them, READ and WRITE carry blocks of group 70
 * variation 5, CLOSE ends ([1815] 4.4 and annex A, group 70). */
#include "dissectors/dnp3_fields.h"
#include "sensor/ledger.h"

enum {
	WRITE = 2,
	OPEN_FILE = 25,
	CLOSE_FILE = 26,
	FILE_MODE_READ = 1,
};

#define OPENING (UINT64_C(1) << 32) /* handle of a file whose own is not known yet */

static uint64_t number(const struct pdu *p, enum dnp3_field field)
{
	return pdu_has(p, field) ? p->value[field].u : 0;
}

/* 0: not known. */
static uint64_t size_of(const struct pdu *p)
{
	uint64_t size = number(p, DNP3_FILE_SIZE);
	return size == UINT32_MAX ? 0 : size;
}

static void open_file(struct ledger *l, const struct event *e)
{
	const struct pdu *p = e->pdu;
	if (!pdu_has(p, DNP3_FILE_NAME))
		return;
	bool up = number(p, DNP3_FILE_MODE) == FILE_MODE_READ;
	const struct value *name = &p->value[DNP3_FILE_NAME];
	struct transfer *t = transfer_start(l, e, up, !e->from, OPENING, PROGRAM_DNP3_FILE,
		(uint32_t)number(p, DNP3_DESTINATION), (const char *)name->bytes, name->len);
	t->numbered = true;
	t->asked = e->has_tx ? e->tx_id + 1 : 0;
	t->expected = up ? 0 : size_of(p);
}

/* The reply to OPEN gives the handle, and the size of a file to read. */
static void opened(struct ledger *l, struct transfer *t, const struct event *e)
{
	const struct pdu *p = e->pdu;
	t->asked = 0;
	if (!pdu_has(p, DNP3_FILE_HANDLE) || number(p, DNP3_FILE_STATUS) != 0) {
		transfer_drop(l, t);
		return;
	}
	struct transfer *old = transfer_find(l, e->flow, t->up, number(p, DNP3_FILE_HANDLE));
	if (old != NULL)
		transfer_end(l, old, e->at);
	t->handle = number(p, DNP3_FILE_HANDLE);
	if (t->up)
		t->expected = size_of(p);
}

static void block(struct ledger *l, const struct event *e, bool up)
{
	const struct pdu *p = e->pdu;
	if (!pdu_has(p, DNP3_FILE_DATA) || !pdu_has(p, DNP3_FILE_HANDLE))
		return;
	struct transfer *t = transfer_find(l, e->flow, up, number(p, DNP3_FILE_HANDLE));
	uint64_t at = number(p, DNP3_FILE_BLOCK);
	if (t == NULL || at + 1 == t->next) /* never opened here; sent again */
		return;
	t->broken |= at != t->next;
	t->next = at + 1;
	transfer_piece(t, e, p->value[DNP3_FILE_DATA].bytes, p->value[DNP3_FILE_DATA].len);
}

static void close_file(struct ledger *l, const struct event *e)
{
	for (unsigned up = 0; up < 2; up++) {
		struct transfer *t =
			transfer_find(l, e->flow, up, number(e->pdu, DNP3_FILE_HANDLE));
		if (t != NULL)
			transfer_end(l, t, e->at);
	}
}

static void request(struct ledger *l, const struct event *e)
{
	if (e->pdu->code == OPEN_FILE)
		open_file(l, e);
	else if (e->pdu->code == WRITE)
		block(l, e, false);
	else if (e->pdu->code == CLOSE_FILE && l->open > 0)
		close_file(l, e);
}

static void reply(struct ledger *l, const struct event *e)
{
	for (unsigned up = 0; up < 2; up++) {
		struct transfer *t = transfer_find(l, e->flow, up, OPENING);
		if (t != NULL && e->has_tx && t->asked == e->tx_id + 1) {
			opened(l, t, e);
			return;
		}
	}
	/* What became of a block that was written. */
	struct transfer *t = transfer_find(l, e->flow, false, number(e->pdu, DNP3_FILE_HANDLE));
	if (t != NULL && number(e->pdu, DNP3_FILE_STATUS) != 0)
		t->broken = true;
	block(l, e, true);
}

void ledger_dnp3(struct ledger *l, const struct event *e)
{
	const struct pdu *p = e->pdu;
	if (p->dir == PDU_REQ)
		request(l, e);
	else if (l->open > 0)
		reply(l, e);
}
