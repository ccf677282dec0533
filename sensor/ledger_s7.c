/* ledger_s7.c - blocks of S7 controllers: 1A 1B 1C go down, 1D 1E 1F come up. In a download the
 * controller asks for the pieces, so the station's replies carry them. */
#include <inttypes.h>
#include <stdio.h>

#include "dissectors/s7comm.h"
#include "sensor/ledger.h"

/* The header of a block: what stands before byte 28 (kind, stamps of time) devices and tools write;
 * from there come lengths, code and interface, then a trailer with author and checksum. */
enum {
	LENGTHS = 28, /* interface, segment table, local data, code: two bytes each */
	HEADER = 36,
	TYPE_KEPT = 1, /* in dissector.keep of s7comm */
	NUMBER_KEPT = 2,
};

static uint64_t handle_of(uint64_t type, uint64_t number)
{
	return type << 32 | number;
}

static void name_of(uint64_t type, uint64_t number, char name[PROGRAM_NAME])
{
	const struct code_name *c = s7_block_types;
	while (c->name != NULL && c->code != type)
		c++;
	if (c->name == NULL)
		snprintf(name, PROGRAM_NAME, "block %02" PRIx64 " %" PRIu64, type, number);
	else
		snprintf(name, PROGRAM_NAME, "%s%" PRIu64, c->name, number);
	for (char *at = name; c->name != NULL && *at >= 'a' && *at <= 'z'; at++)
		*at = (char)(*at - 'a' + 'A');
}

static struct transfer *start(struct ledger *l, const struct event *e, bool up, unsigned device,
	uint64_t type, uint64_t number)
{
	char name[PROGRAM_NAME];
	name_of(type, number, name);
	struct transfer *t = transfer_start(
		l, e, up, device, handle_of(type, number), PROGRAM_S7_BLOCK, 0, name, strlen(name));
	t->block_type = (uint32_t)type;
	t->block_number = (uint32_t)number;
	if (pdu_has(e->pdu, S7_LOAD_LENGTH))
		t->expected = e->pdu->value[S7_LOAD_LENGTH].u;
	return t;
}

static void piece(struct ledger *l, const struct event *e, bool up, unsigned device)
{
	const struct pdu *p = e->pdu;
	if (!p->request.known || !pdu_has(p, S7_BLOCK_DATA))
		return;
	uint64_t type = p->request.value[TYPE_KEPT], number = p->request.value[NUMBER_KEPT];
	struct transfer *t = transfer_find(l, e->flow, up, handle_of(type, number));
	if (t == NULL) {
		t = start(l, e, up, device, type, number);
		t->begun = false;
	}
	struct reader r = rd_over(p->value[S7_BLOCK_DATA].bytes, p->value[S7_BLOCK_DATA].len);
	struct reader head = r;
	if (t->bytes == 0 && r.left >= HEADER && rd_be16(&head) == 0x7070) {
		rd_skip(&head, LENGTHS - 2);
		uint64_t body = rd_be16(&head);
		body += rd_be16(&head);
		rd_skip(&head, 2);
		t->code_from = LENGTHS;
		t->code_to = HEADER + body + rd_be16(&head);
	}
	transfer_piece(t, e, r.at, r.left);
}

static bool block_of(const struct event *e, uint64_t *type, uint64_t *number)
{
	const struct pdu *p = e->pdu;
	bool said = pdu_has(p, S7_BLOCK_TYPE) && pdu_has(p, S7_BLOCK_NUMBER);
	if (!said && !p->request.known)
		return false;
	*type = said ? p->value[S7_BLOCK_TYPE].u : p->request.value[TYPE_KEPT];
	*number = said ? p->value[S7_BLOCK_NUMBER].u : p->request.value[NUMBER_KEPT];
	return true;
}

static void request(struct ledger *l, const struct event *e)
{
	uint64_t type, number;
	if (e->pdu->code == S7_REQUEST_DOWNLOAD && block_of(e, &type, &number) &&
		pdu_has(e->pdu, S7_BLOCK_TYPE))
		start(l, e, false, !e->from, type, number);
}

static void end(struct ledger *l, const struct event *e, bool up)
{
	uint64_t type, number;
	if (!block_of(e, &type, &number))
		return;
	struct transfer *t = transfer_find(l, e->flow, up, handle_of(type, number));
	if (t != NULL)
		transfer_end(l, t, e->at);
}

/* The device, or in a download the station, says no. */
static void refused(struct ledger *l, const struct event *e)
{
	uint64_t type, number;
	bool up = e->pdu->code >= S7_START_UPLOAD;
	if (!block_of(e, &type, &number))
		return;
	struct transfer *t = transfer_find(l, e->flow, up, handle_of(type, number));
	if (t == NULL)
		return;
	t->broken = true;
	if (t->bytes == 0)
		transfer_drop(l, t);
	else
		transfer_end(l, t, e->at);
}

static void reply(struct ledger *l, const struct event *e)
{
	uint64_t type, number;
	if (e->pdu->rejected) {
		refused(l, e);
		return;
	}
	switch (e->pdu->code) {
	case S7_DOWNLOAD_BLOCK:
		piece(l, e, false, !e->from);
		break;
	case S7_START_UPLOAD:
		if (block_of(e, &type, &number))
			start(l, e, true, e->from, type, number);
		break;
	case S7_UPLOAD:
		piece(l, e, true, e->from);
		break;
	case S7_DOWNLOAD_ENDED:
	case S7_END_UPLOAD:
		end(l, e, e->pdu->code == S7_END_UPLOAD);
		break;
	default:
		break;
	}
}

void ledger_s7(struct ledger *l, const struct event *e)
{
	const struct pdu *p = e->pdu;
	if (p->code < S7_REQUEST_DOWNLOAD || p->code > S7_END_UPLOAD)
		return;
	if (p->dir == PDU_REQ)
		request(l, e);
	else
		reply(l, e);
}
