/* ledger_modbus.c - file records (functions 20 and 21), which have neither start nor end on the
 * wire: records that follow one another are one transfer; and program blocks of Schneider's UMAS.
 */
#include <inttypes.h>
#include <stdio.h>

#include "dissectors/modbus.h"
#include "sensor/ledger.h"

enum {
	READ_FILE = 20,
	WRITE_FILE = 21,
	UMAS_DOWNLOAD_START = 0x30,
	UMAS_DOWNLOAD_BLOCK,
	UMAS_DOWNLOAD_END,
	UMAS_UPLOAD_START,
	UMAS_UPLOAD_BLOCK,
	UMAS_UPLOAD_END,
	UMAS_HANDLE = 1 << 24, /* beyond every file's */
};

static uint32_t unit_of(const struct pdu *p)
{
	return (uint32_t)pdu_unit(p);
}

static uint64_t umas_handle(const struct pdu *p)
{
	return UMAS_HANDLE | unit_of(p);
}

/* --- file records ------------------------------------------------------------------------ */

static void group(struct ledger *l, const struct event *e, bool up, const struct item *it)
{
	uint64_t file = it->value[MODBUS_ITEM_FILE].u, record = it->value[MODBUS_ITEM_RECORD].u;
	uint64_t handle = (uint64_t)unit_of(e->pdu) << 32 | file;
	struct transfer *t = transfer_find(l, e->flow, up, handle);
	char name[PROGRAM_NAME];
	if (t != NULL && t->next != record) {
		transfer_end(l, t, e->at);
		t = NULL;
	}
	if (t == NULL) {
		snprintf(name, sizeof name, "file %" PRIu64 " record %" PRIu64, file, record);
		t = transfer_start(l, e, up, e->from, handle, PROGRAM_MODBUS_FILE, unit_of(e->pdu),
			name, strlen(name));
		t->timed = t->numbered = true;
	}
	const struct value *data = &it->value[MODBUS_ITEM_DATA];
	transfer_piece(t, e, data->bytes, data->len);
	t->next = record + data->len / 2;
}

static bool is_whole(const struct item *it)
{
	return item_has(it, MODBUS_ITEM_FILE) && item_has(it, MODBUS_ITEM_RECORD) &&
	       item_has(it, MODBUS_ITEM_DATA);
}

/* What is written counts when it is accepted: the reply echoes it. */
static void files(struct ledger *l, const struct event *e)
{
	struct item_cursor c = e->pdu->items;
	struct item it;
	if (e->pdu->dir != PDU_RSP || e->verdict.outcome != VERDICT_ACCEPTED)
		return;
	while (items_next(&c, &it))
		if (is_whole(&it))
			group(l, e, e->pdu->code == READ_FILE, &it);
}

/* --- UMAS -------------------------------------------------------------------------------- */

static struct transfer *umas_start(struct ledger *l, const struct event *e, bool up)
{
	struct transfer *t = transfer_start(l, e, up, !e->from, umas_handle(e->pdu), PROGRAM_UMAS,
		unit_of(e->pdu), "program", 7);
	t->numbered = true;
	return t;
}

static void umas_piece(struct transfer *t, const struct event *e, uint64_t block)
{
	struct reader bytes;
	bool last;
	if (block + 1 == t->next) /* asked for again */
		return;
	t->broken |= t->next != 0 && block != t->next;
	t->next = block + 1;
	if (modbus_umas_piece(e->pdu, &bytes, &last))
		transfer_piece(t, e, bytes.at, bytes.left);
	else
		t->broken = true;
}

static void umas_request(struct ledger *l, const struct event *e)
{
	const struct pdu *p = e->pdu;
	uint64_t function = p->value[MODBUS_UMAS_FUNCTION].u;
	bool up = function >= UMAS_UPLOAD_START;
	if (function < UMAS_DOWNLOAD_START || function > UMAS_UPLOAD_END)
		return;
	struct transfer *t = transfer_find(l, e->flow, up, umas_handle(p));
	if (function == UMAS_DOWNLOAD_START || function == UMAS_UPLOAD_START)
		t = umas_start(l, e, up);
	if (t == NULL) {
		if (function == UMAS_DOWNLOAD_END || function == UMAS_UPLOAD_END)
			return;
		t = umas_start(l, e, up);
		t->begun = false;
	}
	if (function == UMAS_DOWNLOAD_BLOCK)
		umas_piece(t, e, p->value[MODBUS_UMAS_BLOCK].u);
	t->handle = umas_handle(p);
	t->asked = e->has_tx ? e->tx_id + 1 : 0;
	/* Which request the reply will answer: its function, and the block asked for. */
	t->expected = 0;
	t->block_type = (uint32_t)function;
	t->block_number =
		pdu_has(p, MODBUS_UMAS_BLOCK) ? (uint32_t)p->value[MODBUS_UMAS_BLOCK].u : 0;
}

static void umas_answered(struct ledger *l, struct transfer *t, const struct event *e)
{
	uint32_t function = t->block_type;
	t->asked = 0;
	if (e->pdu->rejected) {
		t->broken = true;
		if (t->bytes == 0) {
			transfer_drop(l, t);
			return;
		}
	} else if (function == UMAS_UPLOAD_BLOCK) {
		umas_piece(t, e, t->block_number);
	}
	if (function == UMAS_DOWNLOAD_END || function == UMAS_UPLOAD_END)
		transfer_end(l, t, e->at);
}

static void umas_reply(struct ledger *l, const struct event *e)
{
	for (unsigned up = 0; e->has_tx && up < 2; up++) {
		struct transfer *t = transfer_find(l, e->flow, up, umas_handle(e->pdu));
		if (t != NULL && t->asked == e->tx_id + 1)
			umas_answered(l, t, e);
	}
}

void ledger_modbus(struct ledger *l, const struct event *e)
{
	const struct pdu *p = e->pdu;
	if (p->code == READ_FILE || p->code == WRITE_FILE)
		files(l, e);
	else if (p->code != MODBUS_FUNCTION_UMAS)
		return;
	else if (p->dir == PDU_REQ && pdu_has(p, MODBUS_UMAS_FUNCTION))
		umas_request(l, e);
	else if (p->dir == PDU_RSP && l->open > 0)
		umas_reply(l, e);
}
