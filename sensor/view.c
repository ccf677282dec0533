/* view.c - the watcher: which request each reply answers, and what does not fit.
 *
 * A mirror loses packets, so a reply that fits no request is held until the asking end speaks
 * again: only if none of its bytes are missing by then nobody asked for it. */
#include "sensor/view.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "dissectors/rare.h"
#include "sensor/mix.h"

enum { ASKED = 16, OVERLAPS = 8 };

#define SECOND_NS INT64_C(1000000000)
#define WITHIN_NS (10 * SECOND_NS) /* as long as transaction.c remembers a request */

static const struct code_name kinds[] = {
	{ VIEW_SECOND_REPLY, "second_reply" },
	{ VIEW_REPEATED_REPLY, "repeated_reply" },
	{ VIEW_UNASKED_REPLY, "unasked_reply" },
	{ VIEW_ECHO, "echo_differs" },
	{ VIEW_OVERLAP, "overlap" },
	{ VIEW_RESET, "reset_ignored" },
	{ VIEW_TIME, "time_contradiction" },
	{ VIEW_INDICATION, "indication_contradiction" },
	{ 0, NULL },
};

enum { KIND, PROTOCOL, CODE, UNIT, SECONDS, DETAIL, VIEW_FIELDS };

// clang-format off
static const struct field fields[VIEW_FIELDS] = {
	[KIND] = { "view.kind", FIELD_UINT, NULL, "what contradicts what was seen before", kinds },
	[PROTOCOL] = { "view.protocol", FIELD_TEXT, NULL, "protocol of the messages", NULL },
	[CODE] = { "view.code", FIELD_UINT, NULL, "function of the message", NULL },
	[UNIT] = { "view.unit", FIELD_UINT, NULL, "Modbus unit or DNP3 link address of the device", NULL },
	[SECONDS] = { "view.seconds", FIELD_REAL, "s", "time between the two that contradict each other; of clocks, how far they differ", NULL },
	[DETAIL] = { "view.detail", FIELD_TEXT, NULL, "in words", NULL },
};
// clang-format on

const struct dissector view_service = {
	.name = "view",
	.observed = true,
	.fields = fields,
	.field_count = VIEW_FIELDS,
};

/* A request, and whether it was answered. */
struct asked {
	uint64_t key, loose;
	uint64_t reply; /* digest of the answer; 0: none yet */
	uint64_t echo;  /* digest of what the answer has to repeat; 0: nothing */
	int64_t at_ns;
	uint64_t tx; /* its number, from 1; 0: free */
	unsigned from;
};

/* A reply that fits no request. */
struct held {
	bool used;
	struct view_note note;
	uint64_t blind; /* of the end that did not ask, then */
};

struct conversation {
	const struct flow *flow;   /* NULL: free */
	struct asked asked[ASKED]; /* by number, round and round */
	uint64_t last;             /* number of the latest */
	uint32_t pairs;            /* requests answered as they should be */
	struct held held;
};

struct view {
	const struct watch *watch;
	unsigned index;  /* of the watcher */
	uint64_t key[2]; /* of digests */
	struct conversation *conversation;
	uint32_t conversations, hand;
	/* Anomalies come when nothing may be observed; they wait for the next message. */
	struct {
		struct flow *flow;
		unsigned from;
		struct stamp at;
	} overlap[OVERLAPS];
	unsigned overlaps;
};

void view_observe(const struct watch *w, const struct view_note *n)
{
	struct pdu p;
	observation(&p, &view_service, kinds[n->kind].name);
	pdu_uint(&p, KIND, n->kind);
	if (n->protocol != NULL)
		pdu_cstr(&p, PROTOCOL, n->protocol);
	if (n->code != PDU_NO_CODE)
		pdu_uint(&p, CODE, (uint64_t)n->code);
	if (n->has_unit)
		pdu_uint(&p, UNIT, n->unit);
	if (n->has_seconds)
		pdu_real(&p, SECONDS, n->seconds);
	if (n->detail != NULL)
		pdu_cstr(&p, DETAIL, n->detail);
	w->counters->view_contradictions++;
	watch_observe(w, n->flow, n->from, n->at, &p, NULL);
}

/* --- conversations ----------------------------------------------------------------------- */

/* Its own place by flow->note; else the next one in turn, whoever had it. */
static RARE struct conversation *conversation_new(struct view *v, const struct flow *f)
{
	struct conversation *c = &v->conversation[v->hand];
	if (c->flow != NULL)
		v->watch->counters->view_full++;
	memset(c, 0, sizeof *c);
	c->flow = f;
	((struct flow *)(uintptr_t)f)->note[v->watch->index] = ++v->hand;
	v->hand %= v->conversations;
	return c;
}

static inline struct conversation *conversation_of(struct view *v, const struct flow *f)
{
	uint32_t note = f->note[v->index];
	if (note != 0 && v->conversation[note - 1].flow == f)
		return &v->conversation[note - 1];
	return conversation_new(v, f);
}

/* What the bytes say, without reading them all: two answers that differ will differ here, and
 * nobody can make them not. */
static uint64_t digest(const struct view *v, const struct pdu *p)
{
	size_t n = p->items.dissector == NULL ? 0 : p->items.bytes.left;
	uint64_t what = (uint64_t)(uint32_t)p->code << 32 | (uint32_t)p->status;
	uint64_t said = n == 0 ? 0 : mix_bytes(v->key, p->items.bytes.at, n < 64 ? n : 64);
	return mix(said ^ what ^ v->key[0], p->present ^ n << 48 ^ v->key[1]) | 1;
}

/* What a control says, and its echo has to say; 0: it is none. */
static inline uint64_t echo_of(const struct pdu *p)
{
	return p->dissector == &dnp3_dissector ? dnp3_control_digest(p) : 0;
}

static inline void now_asked(struct conversation *c, const struct event *e)
{
	struct asked *a = &c->asked[e->tx_id % ASKED];
	c->last = e->tx_id;
	a->key = e->pdu->tx_key;
	a->loose = e->pdu->tx_loose;
	a->reply = 0;
	a->echo = echo_of(e->pdu);
	a->at_ns = e->at.ts_ns;
	a->tx = e->tx_id + 1;
	a->from = e->from;
}

static struct view_note note_of(enum view_kind kind, const struct event *e)
{
	return (struct view_note){ .kind = kind,
		.flow = e->flow,
		.from = e->from,
		.at = e->at,
		.protocol = e->pdu->dissector->name,
		.code = e->pdu->code,
		.has_unit = e->pdu->dissector->unit_field != 0,
		.unit = pdu_unit(e->pdu) };
}

static RARE void check_echo(struct view *v, const struct asked *a, const struct event *e)
{
	uint64_t echo = e->pdu->rejected ? 0 : echo_of(e->pdu);
	if (echo == 0 || echo == a->echo)
		return;
	struct view_note n = note_of(VIEW_ECHO, e);
	n.detail = "the reply repeats another control than was sent";
	view_observe(v->watch, &n);
}

static void answered(struct view *v, struct conversation *c, const struct event *e)
{
	struct asked *a = &c->asked[e->tx_id % ASKED];
	if (a->tx != e->tx_id + 1 || a->from == e->from || a->reply != 0)
		return;
	a->reply = digest(v, e->pdu);
	c->pairs++;
	if (a->echo != 0)
		check_echo(v, a, e);
}

/* --- replies that fit nothing ------------------------------------------------------------ */

static void hold(struct conversation *c, const struct event *e, struct view_note n)
{
	c->held = (struct held){ .used = true, .note = n, .blind = e->flow->blind_bytes[!e->from] };
}

/* False: it may be the late answer to one of them. */
static bool judge_orphan(
	const struct view *v, struct conversation *c, const struct event *e, struct view_note *n)
{
	const struct pdu *p = e->pdu;
	bool recent = false;
	for (unsigned i = 0; i < ASKED; i++) {
		const struct asked *a = &c->asked[(c->last - i) % ASKED];
		if (a->tx == 0 || a->from == e->from)
			continue;
		recent |= e->at.ts_ns - a->at_ns < WITHIN_NS;
		if (a->key != p->tx_key && (a->loose == 0 || a->loose != p->tx_loose))
			continue;
		if (a->reply == 0)
			return false;
		*n = note_of(a->reply == digest(v, p) ? VIEW_REPEATED_REPLY : VIEW_SECOND_REPLY, e);
		n->has_seconds = true;
		n->seconds = (double)(e->at.ts_ns - a->at_ns) / (double)SECOND_NS;
		n->detail = "the request had been answered";
		return true;
	}
	/* More was asked than is remembered: one of those may be answered here. */
	const struct asked *oldest = &c->asked[(c->last + 1) % ASKED];
	if (oldest->tx != 0 && e->at.ts_ns - oldest->at_ns < WITHIN_NS)
		return false;
	*n = note_of(VIEW_UNASKED_REPLY, e);
	n->detail = recent ? "another request was under way" : "no request was under way";
	return true;
}

static RARE void orphan(const struct view *v, struct conversation *c, const struct event *e)
{
	enum { PAIRS = 3 }; /* before that the capture may have begun in mid-conversation */
	struct view_note n;
	if (e->flow->l4 == L4_TCP && c->pairs >= PAIRS && !c->held.used &&
		judge_orphan(v, c, e, &n))
		hold(c, e, n);
}

/* The end that should have asked speaks again. */
static RARE void confirm(struct view *v, struct conversation *c, const struct event *e)
{
	struct held *h = &c->held;
	if (e->from == h->note.from)
		return;
	h->used = false;
	if (e->flow->blind_bytes[e->from] == h->blind && !(e->pdu->flags & PDU_RESYNCED))
		view_observe(v->watch, &h->note);
}

/* --- the watcher ------------------------------------------------------------------------- */

static RARE void tell_overlaps(struct view *v)
{
	for (unsigned i = 0; i < v->overlaps; i++) {
		struct view_note n = { .kind = VIEW_OVERLAP,
			.flow = v->overlap[i].flow,
			.from = v->overlap[i].from,
			.at = v->overlap[i].at,
			.protocol = v->overlap[i].flow->dissector->name,
			.code = PDU_NO_CODE,
			.detail = "two readings of the same bytes" };
		view_observe(v->watch, &n);
	}
	v->overlaps = 0;
}

static inline void follow(struct view *v, const struct event *e)
{
	enum tx_role tx = e->pdu->tx;
	struct conversation *c = conversation_of(v, e->flow);
	if (tx == TX_REQUEST || tx == TX_REQUEST_SILENT) {
		if (c->held.used)
			confirm(v, c, e);
		if (e->has_tx)
			now_asked(c, e);
	} else if (e->verdict.outcome == VERDICT_ORPHAN_REPLY) {
		orphan(v, c, e);
	} else if (e->has_tx && tx == TX_REPLY) {
		answered(v, c, e);
	}
}

static void on_pdu(void *self, const struct event *e)
{
	struct view *v = self;
	if (v->overlaps > 0)
		tell_overlaps(v);
	if (e->pdu->tx != TX_NONE && !e->pdu->dissector->office)
		follow(v, e);
}

static void forget(struct view *v, const struct flow *f)
{
	uint32_t note = f->note[v->watch->index];
	unsigned kept = 0;
	if (note != 0 && v->conversation[note - 1].flow == f)
		v->conversation[note - 1].flow = NULL;
	for (unsigned i = 0; i < v->overlaps; i++)
		if (v->overlap[i].flow != f)
			v->overlap[kept++] = v->overlap[i];
	v->overlaps = kept;
}

static void forged_end(
	struct view *v, struct flow *f, unsigned from, struct stamp at, const char *detail)
{
	if (f->dissector == NULL || f->dissector->office)
		return;
	struct view_note n = { .kind = VIEW_RESET,
		.flow = f,
		.from = from,
		.at = at,
		.protocol = f->dissector->name,
		.code = PDU_NO_CODE,
		.detail = detail };
	view_observe(v->watch, &n);
}

static void on_flow(
	void *self, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	struct view *v = self;
	if (change == FLOW_ENDED) {
		tell_overlaps(v);
		forget(v, f);
	} else if (change == FLOW_WENT_ON) {
		forged_end(v, f, from, at, "the connection goes on after its end was seen");
	} else if (change == FLOW_BLIND_RESET) {
		forged_end(v, f, from, at, "a reset far outside the window");
	}
}

static void on_anomaly(void *self, const struct anomaly *a)
{
	struct view *v = self;
	if (a->kind != ANOMALY_OVERLAP || a->flow == NULL || a->flow->dissector == NULL ||
		a->flow->dissector->office || v->overlaps == OVERLAPS)
		return;
	v->overlap[v->overlaps].flow = (struct flow *)(uintptr_t)a->flow;
	v->overlap[v->overlaps].from = a->from;
	v->overlap[v->overlaps++].at = a->at;
}

static void on_close(void *self)
{
	struct view *v = self;
	free(v->conversation);
	free(v);
}

static void *on_open(const struct watch *w, struct err *err)
{
	struct view *v = calloc(1, sizeof *v);
	if (w->options->command != NULL) {
		free(v);
		return NULL;
	}
	if (v != NULL) {
		v->watch = w;
		v->index = w->index;
		v->conversations = (uint32_t)w->config->view_flows;
		v->conversation = calloc(v->conversations, sizeof *v->conversation);
	}
	bool random = v != NULL && getrandom(v->key, sizeof v->key, 0) == sizeof v->key;
	if (random && v->conversation != NULL)
		return v;
	if (v != NULL)
		on_close(v);
	err_set(err, "out of memory or random numbers");
	return NULL;
}

const struct watcher view_watcher = {
	.name = "view",
	.open = on_open,
	.close = on_close,
	.flow = on_flow,
	.pdu = on_pdu,
	.anomaly = on_anomaly,
};
