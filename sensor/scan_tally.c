/* scan_tally.c - what outcomes add up to. */
#include "sensor/scan.h"

#include <stdlib.h>

#include "sensor/limiter.h"
#include "sensor/sketch.h"

#define SECOND INT64_C(1000000000)

enum {
	BURST_S = 60,    /* destinations are counted together */
	HALVE_S = 600,   /* what is "lately" */
	STEALTH_MIN = 5, /* strays that are no accident */
	SALT = 2,
	TRACEROUTE = 33434, /* first of the ports that traceroute sends datagrams to */
	TRACEROUTE_PORTS = 128,
};

bool tallies_open(struct scan *s)
{
	size_t n = s->watch->config->scan_sources;
	s->sources = keep_new(n, sizeof(struct tally));
	s->pairs = keep_new(n, sizeof(struct tally));
	return s->sources != NULL && s->pairs != NULL;
}

void tallies_close(struct scan *s)
{
	keep_free(s->sources);
	keep_free(s->pairs);
}

/* --- finding one --------------------------------------------------------------------------- */

/* Told at 1, 2, 4 … who had to be forgotten. */
static void count_evicted(struct scan *s, struct stamp at)
{
	struct counters *c = s->watch->counters;
	uint64_t all = keep_evicted(s->sources) + keep_evicted(s->pairs);
	c->scan_evicted = all;
	if (all < s->evicted_told * 2 || all == s->evicted_told)
		return;
	struct anomaly a = { .kind = ANOMALY_SCAN_FULL, .at = at, .count = all - s->evicted_told };
	s->evicted_told = all;
	s->watch->out.anomaly(s->watch->out.ctx, &a);
}

static bool over(int64_t since_ns, int64_t now_ns, int64_t span_ns)
{
	int64_t gone = (int64_t)((uint64_t)now_ns - (uint64_t)since_ns);
	return gone > span_ns || gone < -span_ns;
}

/* Begins a new window where the old one is over. */
static void turn(const struct scan *s, struct tally *t, int64_t now_ns)
{
	if (over(t->window_ns, now_ns, s->window_ns)) {
		t->window_ns = now_ns;
		t->attempts = t->failures = t->answers = t->strays = t->bare = t->unused = t->told =
			0;
		t->port_votes = 0;
		memset(t->failed, 0, sizeof t->failed);
	}
	if (over(t->burst_ns, now_ns, BURST_S * SECOND)) {
		t->burst_ns = now_ns;
		t->told_tried = 0;
		memset(t->tried, 0, sizeof t->tried);
	}
	if (over(t->halved_ns, now_ns, HALVE_S * SECOND)) {
		t->halved_ns = now_ns;
		t->lately_failed /= 2;
		t->lately_answered /= 2;
	}
}

static uint64_t hash_of(const struct scan *s, const struct addr *ip, uint64_t salt)
{
	uint64_t key = key_mix(s->watch->seed + SALT, salt);
	return key_end(key_mix_bytes(key, ip->bytes, sizeof ip->bytes));
}

/* A source's tallies of TCP and UDP are one; those of ICMP and ARP stand by themselves. */
static uint64_t key_of(const struct scan *s, const struct scan_attempt *a, bool pair)
{
	uint64_t key = hash_of(s, &a->src.ip, a->how == BY_UDP ? BY_TCP : a->how);
	return pair ? key_mix(key, hash_of(s, &a->dst.ip, 0)) | 1 : key | 1;
}

static struct tally *tally_of(
	struct scan *s, const struct scan_attempt *a, bool pair, struct stamp at)
{
	bool fresh;
	struct tally *t = keep_take(pair ? s->pairs : s->sources, key_of(s, a, pair), &fresh);
	if (fresh) {
		t->src = a->src;
		t->src.port = 0;
		t->how = a->how;
		t->is_pair = pair;
		t->window_ns = t->burst_ns = t->halved_ns = at.ts_ns;
		count_evicted(s, at);
	}
	turn(s, t, at.ts_ns);
	return t;
}

/* --- what a tally says ---------------------------------------------------------------------- */

/* Boyer and Moore: the port that has the majority, if one has. */
static void vote(struct tally *t, uint16_t port)
{
	if (t->port_votes == 0)
		t->port = port;
	if (t->port != port)
		t->port_votes--;
	else if (t->port_votes < UINT16_MAX)
		t->port_votes++;
}

static void note_failure(struct tally *t, const struct scan_attempt *a, bool fresh)
{
	if (t->failures++ == 0)
		t->first_ns = a->at_ns;
	t->last_ns = a->at_ns;
	t->how = a->how;
	t->lately_failed++;
	if (!fresh && t->frames > 0)
		return;
	t->dst = a->dst;
	t->frame[t->frames++ % SCAN_FRAMES] = a->frame;
	keep_credit(&t->keep);
}

/* Told when there are as many as make a scan, and each time they have doubled. */
static void tell(struct scan *s, struct tally *t, enum scan_kind kind, bool walked, uint64_t least,
	struct stamp at)
{
	uint32_t n = sketch_count(t->failed, SCAN_WORDS);
	if (n < least || (t->told != 0 && n < t->told * 2))
		return;
	t->told = n;
	scan_tell(s, t, kind, walked, n, at);
}

static enum scan_kind kind_of(const struct tally *t)
{
	if (t->strays >= STEALTH_MIN && t->strays * 2 >= t->failures)
		return SCAN_STEALTH;
	if (t->how == BY_ICMP)
		return SCAN_ICMP;
	if (t->how == BY_ARP)
		return SCAN_ARP;
	if (t->is_pair)
		return SCAN_VERTICAL;
	return t->port_votes > 2 ? SCAN_HORIZONTAL : SCAN_DIFFUSE;
}

/* The walk is of first contacts with destinations: further ports of one add nothing. */
static void source_failed(struct scan *s, const struct scan_attempt *a, bool stray, struct stamp at)
{
	const struct config *c = s->watch->config;
	struct tally *t = tally_of(s, a, false, at);
	bool fresh = sketch_add(t->failed, SCAN_WORDS, hash_of(s, &a->dst.ip, 0));
	t->strays += stray;
	note_failure(t, a, fresh);
	vote(t, a->dst.port);
	if (!fresh || !trw_step(&s->trw, &t->walk, true) || t->lately_failed < t->lately_answered)
		return;
	/* That a host is not there is often so; one port after the other has no other use. */
	bool sweep = a->how == BY_ICMP || a->how == BY_ARP;
	if (a->how != BY_ARP || t->answers > 0)
		tell(s, t, kind_of(t), true, sweep ? c->scan_sweep : 1, at);
}

static bool traced(const struct scan_attempt *a)
{
	return a->how == BY_UDP && a->dst.port >= TRACEROUTE &&
	       a->dst.port < TRACEROUTE + TRACEROUTE_PORTS;
}

static void pair_failed(struct scan *s, const struct scan_attempt *a, bool stray, struct stamp at)
{
	if ((a->how != BY_TCP && a->how != BY_UDP) || traced(a))
		return;
	struct tally *t = tally_of(s, a, true, at);
	uint64_t hash = key_mix(key_mix(s->watch->seed, a->dst.port), a->how);
	bool fresh = sketch_add(t->failed, SCAN_WORDS, key_end(hash));
	t->strays += stray;
	note_failure(t, a, fresh);
	vote(t, a->dst.port);
	enum scan_kind kind = kind_of(t);
	if (fresh && t->failures >= t->answers)
		tell(s, t, kind, false,
			kind == SCAN_STEALTH ? STEALTH_MIN : s->watch->config->scan_ports, at);
}

static void answered(struct scan *s, const struct scan_attempt *a, struct stamp at)
{
	struct tally *t = tally_of(s, a, false, at);
	t->answers++;
	t->lately_answered++;
	(void)trw_step(&s->trw, &t->walk, false);
	struct tally *pair = keep_find(s->pairs, key_of(s, a, true));
	if (pair != NULL)
		pair->answers++;
}

void tally_tried(struct scan *s, const struct scan_attempt *a, struct stamp at)
{
	const struct config *c = s->watch->config;
	uint64_t least = a->how == BY_ICMP ? c->scan_pings : c->scan_fanout;
	struct tally *t = tally_of(s, a, false, at);
	t->attempts++;
	t->bare += a->bare;
	if (!sketch_add(t->tried, SCAN_WORDS, hash_of(s, &a->dst.ip, 0)) || t->attempts < least)
		return;
	uint32_t n = sketch_count(t->tried, SCAN_WORDS);
	if (n < least || (t->told_tried != 0 && n < t->told_tried * 2))
		return;
	t->told_tried = n;
	t->how = a->how;
	t->dst = a->dst;
	enum scan_kind kind = kind_of(t);
	scan_tell(s, t, kind == SCAN_ICMP || kind == SCAN_ARP ? kind : SCAN_FANOUT, false, n, at);
}

/* What counted as an answer was none. */
static void take_back(struct scan *s, const struct scan_attempt *a, struct stamp at)
{
	struct tally *t = tally_of(s, a, false, at);
	t->unused++;
	t->answers -= t->answers > 0;
	t->lately_answered -= t->lately_answered > 0;
	t->walk -= s->trw.down;
	struct tally *pair = tally_of(s, a, true, at);
	pair->unused++;
	pair->answers -= pair->answers > 0;
}

void tally_outcome(
	struct scan *s, const struct scan_attempt *a, enum scan_outcome outcome, struct stamp at)
{
	if (outcome == OUTCOME_UNKNOWN)
		return;
	if (outcome == OUTCOME_ANSWERED) {
		answered(s, a, at);
		return;
	}
	if (outcome == OUTCOME_UNUSED)
		take_back(s, a, at);
	source_failed(s, a, outcome == OUTCOME_STRAY, at);
	pair_failed(s, a, outcome == OUTCOME_STRAY, at);
}
