/* scan_tell.c - the service `scan`: what is told of a source. */
#include "sensor/scan.h"

#define SECOND INT64_C(1000000000)

enum { SLOW_S = 10 }; /* between two of a slow scan, on average */

enum field_index {
	KIND,
	BY,
	METHOD,
	PACE,
	PORT,
	DISTINCT,
	ATTEMPTS,
	FAILURES,
	ANSWERS,
	SINCE,
	BARE,
	UNUSED,
	FIELDS
};

static const struct code_name kinds[] = {
	{ SCAN_HORIZONTAL, "horizontal" },
	{ SCAN_VERTICAL, "vertical" },
	{ SCAN_DIFFUSE, "diffuse" },
	{ SCAN_STEALTH, "stealth" },
	{ SCAN_ICMP, "sweep_icmp" },
	{ SCAN_ARP, "sweep_arp" },
	{ SCAN_FANOUT, "fanout" },
	{ 0, NULL },
};
static const struct code_name hows[] = {
	{ BY_TCP, "tcp" },
	{ BY_UDP, "udp" },
	{ BY_ICMP, "icmp" },
	{ BY_ARP, "arp" },
	{ 0, NULL },
};
enum { METHOD_TRW = 1, METHOD_DISTINCT };
static const struct code_name methods[] = {
	{ METHOD_TRW, "trw" },
	{ METHOD_DISTINCT, "distinct" },
	{ 0, NULL },
};
enum { PACE_FAST = 1, PACE_SLOW };
static const struct code_name paces[] = {
	{ PACE_FAST, "fast" },
	{ PACE_SLOW, "slow" },
	{ 0, NULL },
};

// clang-format off
static const struct field fields[] = {
	[KIND]     = { "scan.kind",     FIELD_UINT, NULL, "what it looks like", kinds },
	[BY]       = { "scan.by",       FIELD_UINT, NULL, "by what the latest contact was tried", hows },
	[METHOD]   = { "scan.method",   FIELD_UINT, NULL, "what told: a threshold random walk over failed first contacts, or a count of distinct ones", methods },
	[PACE]     = { "scan.pace",     FIELD_UINT, NULL, "slow: ten seconds or more from one to the next, on average", paces },
	[PORT]     = { "scan.port",     FIELD_UINT, NULL, "the port that is tried most, where most are of one", NULL },
	[DISTINCT] = { "scan.distinct", FIELD_UINT, NULL, "different destinations that failed (vertical: ports; fanout: destinations of a minute), estimated within a few per cent", NULL },
	[ATTEMPTS] = { "scan.attempts", FIELD_UINT, NULL, "first contacts in the window", NULL },
	[FAILURES] = { "scan.failures", FIELD_UINT, NULL, "of them refused or unanswered", NULL },
	[ANSWERS]  = { "scan.answers",  FIELD_UINT, NULL, "of them answered", NULL },
	[SINCE]    = { "scan.since",    FIELD_UINT, "s",  "from the first failure to the latest", NULL },
	[BARE]     = { "scan.bare",     FIELD_UINT, NULL, "echo requests without a payload, as scanners send them", NULL },
	[UNUSED]   = { "scan.unused",   FIELD_UINT, NULL, "of the failures: accepted, and closed without a word", NULL },
};
// clang-format on

const struct dissector scan_service = {
	.name = "scan",
	.fields = fields,
	.field_count = FIELDS,
	.observed = true,
};

static const char *name_of(enum scan_kind kind)
{
	const struct code_name *k = kinds;
	while (k->code != kind)
		k++;
	return k->name;
}

/* The latest failures, oldest first. */
static unsigned frames_of(const struct tally *t, uint64_t out[SCAN_FRAMES])
{
	unsigned n = t->frames < SCAN_FRAMES ? t->frames : SCAN_FRAMES;
	for (unsigned i = 0; i < n; i++)
		out[i] = t->frame[(t->frames - n + i) % SCAN_FRAMES];
	return n;
}

void scan_tell(struct scan *s, const struct tally *t, enum scan_kind kind, bool walked,
	uint32_t distinct, struct stamp at)
{
	struct pdu pdu;
	struct flow f;
	uint64_t frames[SCAN_FRAMES];
	struct endpoint dst = t->dst;
	int64_t since = t->failures > 0 ? (t->last_ns - t->first_ns) / SECOND : 0;
	dst.port = kind == SCAN_HORIZONTAL ? t->port : 0;
	watch_ends(s->watch, &f, &t->src, &dst, at);
	f.l4 = t->how == BY_TCP ? L4_TCP : t->how == BY_UDP ? L4_UDP : 0;
	observation(&pdu, &scan_service, name_of(kind));
	pdu_uint(&pdu, KIND, kind);
	pdu_uint(&pdu, BY, t->how);
	pdu_uint(&pdu, METHOD, walked ? METHOD_TRW : METHOD_DISTINCT);
	pdu_uint(&pdu, PACE, since >= (int64_t)SLOW_S * distinct ? PACE_SLOW : PACE_FAST);
	if (t->port_votes > 2 && kind != SCAN_VERTICAL && t->port != 0)
		pdu_uint(&pdu, PORT, t->port);
	pdu_uint(&pdu, DISTINCT, distinct);
	if (!t->is_pair)
		pdu_uint(&pdu, ATTEMPTS, t->attempts);
	pdu_uint(&pdu, FAILURES, t->failures);
	pdu_uint(&pdu, ANSWERS, t->answers);
	pdu_uint(&pdu, SINCE, since > 0 ? (uint64_t)since : 0);
	pdu_uint(&pdu, UNUSED, t->unused);
	if (t->how == BY_ICMP)
		pdu_uint(&pdu, BARE, t->bare);
	watch_observe_after(s->watch, &f, at, &pdu, frames, frames_of(t, frames));
}
