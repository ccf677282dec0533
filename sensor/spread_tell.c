/* spread_tell.c - the service `spread`. */
#include "sensor/envelope.h"
#include "sensor/sketch.h"
#include "sensor/spread.h"

#define SECOND INT64_C(1000000000)

enum field_index {
	KIND,
	GENERATION,
	TARGETS,
	ATTEMPTS,
	FAILURES,
	SAME,
	SECONDS,
	PATIENT_ZERO,
	PATH,
	SOURCES,
	RELAYS,
	PREFIX,
	FIELDS
};

static const struct code_name kinds[] = {
	{ SPREAD_TURNED, "turned" },
	{ SPREAD_RELAYED, "relayed" },
	{ SPREAD_NOVEL, "novel" },
	{ 0, NULL },
};

// clang-format off
static const struct field fields[] = {
	[KIND]         = { "spread.kind",         FIELD_UINT,  NULL, "turned: a host was reached on a service and now reaches others on it; relayed: hosts pass on the same first bytes that they got; novel: first bytes never seen while learning come from many and go to many", kinds },
	[GENERATION]   = { "spread.generation",   FIELD_UINT,  NULL, "turned: 1 if it was reached by one that had not turned itself, else one more than that", NULL },
	[TARGETS]      = { "spread.targets",      FIELD_UINT,  NULL, "different hosts that were reached for, estimated", NULL },
	[ATTEMPTS]     = { "spread.attempts",     FIELD_UINT,  NULL, "turned: conversations it has begun since", NULL },
	[FAILURES]     = { "spread.failures",     FIELD_UINT,  NULL, "turned: of them refused or not answered", NULL },
	[SAME]         = { "spread.same",         FIELD_UINT,  NULL, "turned: hosts that got the same first bytes that it had got, estimated", NULL },
	[SECONDS]      = { "spread.seconds",      FIELD_UINT,  "s",  "turned: since it was reached; else since the first bytes were seen first", NULL },
	[PATIENT_ZERO] = { "spread.patient_zero", FIELD_TEXT,  NULL, "turned: where the path begins, as far as it was seen", NULL },
	[PATH]         = { "spread.path",         FIELD_TEXT,  NULL, "turned: from host to host", NULL },
	[SOURCES]      = { "spread.sources",      FIELD_UINT,  NULL, "relayed, novel: different hosts that said them, estimated", NULL },
	[RELAYS]       = { "spread.relays",       FIELD_UINT,  NULL, "relayed: hosts that got them and passed them on to several", NULL },
	[PREFIX]       = { "spread.prefix",       FIELD_BYTES, NULL, "relayed, novel: the first bytes", NULL },
};
// clang-format on

const struct dissector spread_service = {
	.name = "spread",
	.fields = fields,
	.field_count = FIELDS,
	.observed = true,
};

static unsigned frames_of(const struct spread_frames *f, uint64_t out[EVENT_FRAMES])
{
	unsigned n = f->count < EVENT_FRAMES ? f->count : EVENT_FRAMES;
	for (unsigned i = 0; i < n; i++)
		out[i] = f->frame[(f->count - n + i) % EVENT_FRAMES];
	return n;
}

/* Back from who turned to where it came from; a circle ends at the bound. */
static void put_path(struct spread *s, struct pdu *pdu, const struct spread_station *st)
{
	struct endpoint host[SPREAD_PATH];
	char text[SPREAD_PATH * 64];
	struct buf b = buf_over(text, sizeof text);
	size_t n = 0, zero;
	host[n++] = st->host;
	for (const struct spread_station *at = st; at != NULL && at->turned && n < SPREAD_PATH;
		at = spread_station_find(s, &at->by, st->host.port, st->l4))
		host[n++] = at->by;
	envelope_addr_text(&b, host[n - 1].ip.bytes);
	zero = b.len;
	for (size_t i = n - 1; i > 0; i--) {
		buf_lit(&b, " > ");
		envelope_addr_text(&b, host[i - 1].ip.bytes);
	}
	pdu_copy(pdu, PATH, text, b.len);
	pdu_borrow(pdu, PATIENT_ZERO, pdu->text + pdu->text_len - b.len, zero);
}

void spread_tell_station(struct spread *s, const struct spread_station *st, struct stamp at)
{
	struct pdu pdu;
	struct flow f;
	uint64_t frames[EVENT_FRAMES];
	struct endpoint src = st->host;
	src.port = 0;
	watch_ends(s->watch, &f, &src, &st->latest, at);
	f.l4 = st->l4;
	observation(&pdu, &spread_service, "turned");
	pdu_uint(&pdu, KIND, SPREAD_TURNED);
	pdu_uint(&pdu, GENERATION, st->generation);
	pdu_uint(&pdu, TARGETS, sketch_count(st->asked, SPREAD_WORDS));
	pdu_uint(&pdu, ATTEMPTS, st->attempts);
	pdu_uint(&pdu, FAILURES, st->attempts - st->answers);
	pdu_uint(&pdu, SAME, sketch_count(st->same, SPREAD_WORDS));
	pdu_uint(&pdu, SECONDS, (uint64_t)(at.ts_ns - st->reached_ns) / SECOND);
	put_path(s, &pdu, st);
	watch_observe_after(s->watch, &f, at, &pdu, frames, frames_of(&st->frames, frames));
}

void spread_tell_content(struct spread *s, const struct flow *f, const struct spread_content *c,
	enum spread_kind kind, struct stamp at)
{
	struct pdu pdu;
	uint64_t frames[EVENT_FRAMES];
	observation(&pdu, &spread_service, kind == SPREAD_NOVEL ? "novel" : "relayed");
	pdu_uint(&pdu, KIND, kind);
	pdu_uint(&pdu, SOURCES, sketch_count(c->sources, SPREAD_WORDS));
	pdu_uint(&pdu, TARGETS, sketch_count(c->targets, SPREAD_WORDS));
	if (kind == SPREAD_RELAYED)
		pdu_uint(&pdu, RELAYS, c->relays);
	pdu_uint(&pdu, SECONDS, (uint64_t)(at.ts_ns - c->first_ns) / SECOND);
	pdu_borrow(&pdu, PREFIX, c->shown, c->shown_len);
	watch_observe_after(s->watch, f, at, &pdu, frames, frames_of(&c->frames, frames));
}

/* Told at 1, 2, 4 … that had to be forgotten. */
void spread_count_evicted(struct spread *s, struct stamp at)
{
	uint64_t all = keep_evicted(s->stations) + keep_evicted(s->contents);
	s->watch->counters->spread_evicted = all;
	if (all == s->evicted_told || all < s->evicted_told * 2)
		return;
	struct anomaly a = {
		.kind = ANOMALY_SPREAD_FULL, .at = at, .count = all - s->evicted_told
	};
	s->evicted_told = all;
	s->watch->out.anomaly(s->watch->out.ctx, &a);
}
