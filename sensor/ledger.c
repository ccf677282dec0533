/* ledger.c - the watcher: open transfers, and what their ends say. */
#include "sensor/ledger.h"

#include <inttypes.h>
#include <stdlib.h>

#include "dissectors/dnp3.h"
#include "dissectors/modbus.h"
#include "dissectors/s7comm.h"
#include "sensor/command.h"
#include "sensor/eve.h"

enum { SDB = 0x0b };

extern const struct command ledger_command;

#define SECOND_NS INT64_C(1000000000)
#define REST_NS   (10 * SECOND_NS)  /* ends a transfer that has no end on the wire */
#define IDLE_NS   (120 * SECOND_NS) /* breaks off any other */

static const struct code_name kinds[] = {
	{ PROGRAM_S7_BLOCK, "s7_block" },
	{ PROGRAM_MODBUS_FILE, "modbus_file" },
	{ PROGRAM_UMAS, "umas_program" },
	{ PROGRAM_DNP3_FILE, "dnp3_file" },
	{ 0, NULL },
};

static const struct code_name ways[] = { { 0, "download" }, { 1, "upload" }, { 0, NULL } };

static const struct code_name changes[] = {
	{ PROGRAM_NEW, "new" },
	{ PROGRAM_SAME, "same" },
	{ PROGRAM_CHANGED, "changed" },
	{ PROGRAM_DIFFERS, "differs" },
	{ 0, NULL },
};

enum {
	KIND,
	WAY,
	NAME,
	UNIT,
	BLOCK_TYPE,
	BLOCK_NUMBER,
	HARDWARE,
	BYTES,
	SHA256,
	CODE_SHA256,
	PREVIOUS,
	CHANGE,
	COMPLETE,
	PROGRAM_FIELDS
};

// clang-format off
static const struct field fields[PROGRAM_FIELDS] = {
	[KIND] = { "program.kind", FIELD_UINT, NULL, "what was transferred", kinds },
	[WAY] = { "program.direction", FIELD_UINT, NULL, "download goes to the device, upload comes from it", ways },
	[NAME] = { "program.name", FIELD_TEXT, NULL, "block (DB1), file and record, or path", NULL },
	[UNIT] = { "program.unit", FIELD_UINT, NULL, "Modbus unit or DNP3 link address of the device", NULL },
	[BLOCK_TYPE] = { "program.block_type", FIELD_UINT, NULL, "S7: kind of block; sdb is hardware configuration", s7_block_types },
	[BLOCK_NUMBER] = { "program.block_number", FIELD_UINT, NULL, "S7: number of the block", NULL },
	[HARDWARE] = { "program.hardware_configuration", FIELD_UINT, NULL, "1: the block (SDB) configures the hardware", NULL },
	[BYTES] = { "program.bytes", FIELD_UINT, "bytes", "size of what was seen", NULL },
	[SHA256] = { "program.sha256", FIELD_TEXT, NULL, "SHA-256 over all bytes, in lower-case hex", NULL },
	[CODE_SHA256] = { "program.code_sha256", FIELD_TEXT, NULL, "the same over the bytes that run: of an S7 block without its header, which devices stamp", NULL },
	[PREVIOUS] = { "program.previous_sha256", FIELD_TEXT, NULL, "what the ledger held before, if another", NULL },
	[CHANGE] = { "program.change", FIELD_UINT, NULL, "new, same as last time, changed, or read back and differs from what was downloaded last", changes },
	[COMPLETE] = { "program.complete", FIELD_UINT, NULL, "1: every piece was seen, so the hashes are those of the program", NULL },
};
// clang-format on

const struct dissector program_service = {
	.name = "program",
	.observed = true,
	.fields = fields,
	.field_count = PROGRAM_FIELDS,
};

void history_add(struct history *h, const struct program_key *key, bool up,
	const struct program_copy *copy, enum program_change change)
{
	if (h == NULL || h->one == NULL)
		return;
	h->one[h->count++ % h->cap] =
		(struct transferred){ .key = *key, .copy = *copy, .up = up, .change = change };
}

const char *program_change_name(enum program_change change)
{
	return changes[change].name;
}

const char *program_kind_name(uint32_t kind)
{
	return kinds[kind].name;
}

/* --- ends -------------------------------------------------------------------------------- */

static bool complete(const struct transfer *t)
{
	bool all = t->expected != 0 ? t->expected == t->bytes : t->numbered || !t->lost;
	return t->begun && !t->broken && t->bytes > 0 && all;
}

/* The hash that a change shows in: of the bytes that run. */
static const struct program_copy *replaced(
	const struct program *before, bool up, enum program_change change)
{
	const struct program_copy *same_way = up ? &before->up : &before->down;
	if (change == PROGRAM_DIFFERS || !same_way->known)
		return up ? &before->down : &before->up;
	return same_way;
}

static void observe(struct ledger *l, const struct transfer *t, struct stamp at,
	const struct program_copy *copy, enum program_change change, const struct program *before)
{
	struct pdu p;
	char hex[HASH_HEX];
	bool whole = complete(t);
	observation(&p, &program_service, t->up ? "upload" : "download");
	pdu_uint(&p, KIND, t->key.kind);
	pdu_uint(&p, WAY, t->up);
	pdu_cstr(&p, NAME, t->key.name);
	if (t->key.kind != PROGRAM_S7_BLOCK)
		pdu_uint(&p, UNIT, t->key.unit);
	if (t->key.kind == PROGRAM_S7_BLOCK) {
		pdu_uint(&p, BLOCK_TYPE, t->block_type);
		pdu_uint(&p, BLOCK_NUMBER, t->block_number);
		pdu_uint(&p, HARDWARE, t->block_type == SDB);
	}
	pdu_uint(&p, BYTES, t->bytes);
	pdu_uint(&p, COMPLETE, whole);
	if (whole) {
		const struct program_copy *old = replaced(before, t->up, change);
		hash_hex(copy->hash, hex);
		pdu_copy(&p, SHA256, hex, HASH_HEX - 1);
		hash_hex(copy->code, hex);
		pdu_copy(&p, CODE_SHA256, hex, HASH_HEX - 1);
		pdu_uint(&p, CHANGE, change);
		hash_hex(old->hash, hex);
		if (old->known && change > PROGRAM_SAME)
			pdu_copy(&p, PREVIOUS, hex, HASH_HEX - 1);
	}
	/* The station that carries it is the source, whoever sent the last piece. */
	watch_observe(l->watch, t->flow, !t->device, at, &p, NULL);
}

static void flush(struct ledger *l, struct stamp at, bool last)
{
	struct err err = { 0 };
	if (ledger_file_flush(&l->file, l->book, at.ts_ns, last, &err))
		return;
	l->watch->counters->ledger_lost++;
	if (l->file_told)
		return;
	l->file_told = true;
	struct anomaly a = { .kind = ANOMALY_LEDGER, .at = at, .count = 1, .detail = err.text };
	l->watch->out.anomaly(l->watch->out.ctx, &a);
}

static void enter(struct ledger *l, struct transfer *t, struct stamp at)
{
	struct program_copy copy = { .known = true,
		.bytes = t->bytes,
		.at_ns = t->last_ns,
		.by = t->flow->end[!t->device].ip };
	struct program before = { 0 };
	enum program_change change = PROGRAM_NEW;
	hash_end(&t->hash, copy.hash);
	hash_end(&t->code, copy.code);
	if (t->code_to == 0)
		memcpy(copy.code, copy.hash, sizeof copy.code);
	if (complete(t)) {
		change = book_enter(l->book, &t->key, t->up, &copy, &before,
			&l->watch->counters->ledger_forgotten);
		history_add(&l->history, &t->key, t->up, &copy, change);
		if (l->file.path != NULL && !ledger_file_add(&l->file, &t->key, t->up, &copy))
			l->watch->counters->ledger_lost++;
		l->watch->counters->programs++;
	} else {
		l->watch->counters->programs_broken++;
	}
	observe(l, t, at, &copy, change, &before);
}

void transfer_drop(struct ledger *l, struct transfer *t)
{
	t->used = false;
	l->open--;
}

void transfer_end(struct ledger *l, struct transfer *t, struct stamp at)
{
	if (t->begun || t->bytes > 0)
		enter(l, t, at);
	transfer_drop(l, t);
}

/* --- pieces ------------------------------------------------------------------------------ */

struct transfer *transfer_find(struct ledger *l, const struct flow *f, bool up, uint64_t handle)
{
	for (size_t i = 0; l->open > 0 && i < l->transfers; i++) {
		struct transfer *t = &l->transfer[i];
		if (t->used && t->flow == f && t->up == up && t->handle == handle)
			return t;
	}
	return NULL;
}

/* A free place, else that of the one that rested longest. */
static struct transfer *place(struct ledger *l, struct stamp at)
{
	struct transfer *oldest = &l->transfer[0];
	for (size_t i = 0; i < l->transfers; i++) {
		struct transfer *t = &l->transfer[i];
		if (!t->used)
			return t;
		if (t->last_ns < oldest->last_ns)
			oldest = t;
	}
	oldest->broken = true;
	l->watch->counters->transfers_full++;
	transfer_end(l, oldest, at);
	return oldest;
}

struct transfer *transfer_start(struct ledger *l, const struct event *e, bool up, unsigned device,
	uint64_t handle, enum program_kind kind, uint32_t unit, const char *name, size_t len)
{
	struct transfer *t = transfer_find(l, e->flow, up, handle);
	if (t != NULL)
		transfer_end(l, t, e->at);
	t = place(l, e->at);
	memset(t, 0, sizeof *t);
	t->used = t->begun = true;
	t->up = up;
	t->device = (uint8_t)device;
	t->flow = (struct flow *)(uintptr_t)e->flow;
	t->handle = handle;
	t->last_ns = e->at.ts_ns;
	t->frame = e->at.frame;
	t->key.device = e->flow->end[device].ip;
	t->key.unit = unit;
	t->key.kind = kind;
	memcpy(t->key.name, name, len < PROGRAM_NAME ? len : PROGRAM_NAME - 1);
	hash_start(&t->hash);
	hash_start(&t->code);
	l->open++;
	return t;
}

void transfer_piece(struct transfer *t, const struct event *e, const uint8_t *bytes, size_t n)
{
	uint64_t from = t->code_from > t->bytes ? t->code_from - t->bytes : 0;
	uint64_t to = t->code_to > t->bytes ? t->code_to - t->bytes : 0;
	hash_add(&t->hash, bytes, n);
	if (to > n)
		to = n;
	if (from < to)
		hash_add(&t->code, bytes + from, to - from);
	t->bytes += n;
	t->last_ns = e->at.ts_ns;
	t->frame = e->at.frame;
	t->lost |= (e->pdu->flags & PDU_RESYNCED) != 0;
	/* Of two readings one is forged: what this hashes to is neither. */
	t->broken |= (e->pdu->flags & PDU_OVERLAP) != 0;
}

/* --- the watcher ------------------------------------------------------------------------- */

static const struct dissector *const reads[] = { &modbus_dissector, &s7comm_dissector,
	&dnp3_dissector, NULL };

/* Functions below 64 that move programs in one of them, as bits: Modbus 20 and 21, S7 1A to 1F,
 * DNP3 2, 25 and 26. */
#define MOVING UINT64_C(0xfe300004)

static void on_pdu(void *self, const struct event *e)
{
	const struct ledger *l = self;
	const struct pdu *p = e->pdu;
	bool may_move = (uint32_t)p->code >= 64 || (MOVING >> p->code & 1) != 0;
	if (!may_move && (l->open == 0 || p->dir == PDU_REQ))
		return;
	if (p->malformed != NULL)
		return;
	if (p->dissector == &modbus_dissector)
		ledger_modbus(self, e);
	else if (p->dissector == &s7comm_dissector)
		ledger_s7(self, e);
	else if (p->dissector == &dnp3_dissector)
		ledger_dnp3(self, e);
}

static void on_flow(
	void *self, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	struct ledger *l = self;
	(void)from;
	if (change != FLOW_ENDED || l->open == 0)
		return;
	for (size_t i = 0; i < l->transfers; i++) {
		struct transfer *t = &l->transfer[i];
		if (!t->used || t->flow != f)
			continue;
		at.frame = t->frame;
		t->broken |= !t->timed;
		transfer_end(l, t, at);
	}
}

static void on_tick(void *self, struct stamp now)
{
	struct ledger *l = self;
	for (size_t i = 0; l->open > 0 && i < l->transfers; i++) {
		struct transfer *t = &l->transfer[i];
		if (!t->used || now.ts_ns - t->last_ns < (t->timed ? REST_NS : IDLE_NS))
			continue;
		t->broken |= !t->timed;
		transfer_end(l, t, (struct stamp){ .ts_ns = now.ts_ns, .frame = t->frame });
	}
	flush(l, now, false);
}

static void on_finish(void *self, struct stamp now)
{
	flush(self, now, true);
}

static bool open_file(struct ledger *l, const struct watch *w, struct err *err)
{
	uint64_t damaged = 0;
	if (w->config->ledger_file != NULL)
		l->file.path = strdup(w->config->ledger_file);
	else if (w->live && w->folder != NULL &&
		 asprintf(&l->file.path, "%s/programs.jsonl", w->folder) < 0)
		l->file.path = NULL;
	if (l->file.path == NULL)
		return true;
	if (!ledger_file_read(l->book, &l->history, l->file.path, &damaged, err))
		return false;
	if (damaged > 0)
		fprintf(stderr, "bongsu-sensor: %s: %" PRIu64 " damaged lines passed over\n",
			l->file.path, damaged);
	return true;
}

static void on_close(void *self)
{
	struct ledger *l = self;
	book_free(l->book);
	free(l->transfer);
	free(l->history.one);
	free(l->file.path);
	free(l);
}

static void *on_open(const struct watch *w, struct err *err)
{
	const struct config *c = w->config;
	struct ledger *l = calloc(1, sizeof *l);
	if (l == NULL || !keys_init()) {
		free(l);
		err_set(err, "out of memory");
		return NULL;
	}
	l->watch = w;
	l->file.cap = c->ledger_mib << 20;
	l->transfers = c->ledger_transfers;
	l->transfer = calloc(l->transfers, sizeof *l->transfer);
	l->book = book_new(c->ledger_programs, w->seed);
	if (w->options->command == &ledger_command)
		l->history.cap = c->ledger_programs;
	if (l->history.cap > 0)
		l->history.one = calloc(l->history.cap, sizeof *l->history.one);
	if (l->transfer == NULL || l->book == NULL)
		err_set(err, "out of memory");
	if (!err->set && open_file(l, w, err))
		return l;
	on_close(l);
	return NULL;
}

const struct watcher ledger_watcher = {
	.name = "ledger",
	.open = on_open,
	.close = on_close,
	.flow = on_flow,
	.reads = reads,
	.pdu = on_pdu,
	.tick = on_tick,
	.finish = on_finish,
};
