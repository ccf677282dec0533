/* spread_station.c - hosts by service: reached, and then reaching others. */
#include "sensor/limiter.h"
#include "sensor/sketch.h"
#include "sensor/spread.h"

#define SECOND INT64_C(1000000000)

enum { SETTLE_S = 3 }; /* so that answers can come before it is told */

static uint64_t key_of(
	const struct spread *s, const struct endpoint *host, uint16_t service, uint8_t l4)
{
	uint64_t key = key_mix(s->watch->seed + 5, (uint64_t)l4 << 16 | service);
	return key_end(key_mix_bytes(key, host->ip.bytes, sizeof host->ip.bytes)) | 1;
}

static uint64_t hash_of(const struct spread *s, const struct endpoint *host)
{
	return key_end(key_mix_bytes(s->watch->seed + 6, host->ip.bytes, sizeof host->ip.bytes));
}

static bool same_host(const struct endpoint *a, const struct endpoint *b)
{
	return memcmp(a->ip.bytes, b->ip.bytes, sizeof a->ip.bytes) == 0;
}

struct spread_station *spread_station_find(
	const struct spread *s, const struct endpoint *host, uint16_t service, uint8_t l4)
{
	return keep_find(s->stations, key_of(s, host, service, l4));
}

struct spread_station *spread_station_of(
	struct spread *s, const struct endpoint *host, uint16_t service, uint8_t l4, bool *fresh)
{
	struct spread_station *st = keep_take(s->stations, key_of(s, host, service, l4), fresh);
	if (*fresh) {
		st->host = *host;
		st->host.port = service;
		st->l4 = l4;
	}
	return st;
}

static uint64_t bit_of(const struct spread_said *said)
{
	return UINT64_C(1) << (said->hash >> 58);
}

static bool since(const struct spread *s, const struct spread_station *st, int64_t now_ns)
{
	int64_t gone = (int64_t)((uint64_t)now_ns - (uint64_t)st->reached_ns);
	return gone >= 0 && gone <= s->within_ns;
}

/* --- telling, a little later ------------------------------------------------------------------ */

static void tell(struct spread *s, struct spread_station *st, struct stamp at)
{
	const struct spread_station *by = spread_station_find(s, &st->by, st->host.port, st->l4);
	st->due = false;
	st->told = sketch_count(st->asked, SPREAD_WORDS);
	if (!st->turned)
		st->generation = (uint8_t)(by != NULL && by->turned && by->generation < UINT8_MAX
						   ? by->generation + 1
						   : 1);
	st->turned = true;
	spread_tell_station(s, st, at);
}

void spread_stations_tick(struct spread *s, struct stamp now, bool all)
{
	for (; s->due_first != s->due_next; s->due_first++) {
		const struct spread_due *d = &s->due[s->due_first % SPREAD_DUE];
		if (!all && d->at_ns > now.ts_ns && d->at_ns - now.ts_ns <= SETTLE_S * SECOND)
			return;
		struct spread_station *st = keep_find(s->stations, d->station);
		if (st != NULL && st->due)
			tell(s, st, now);
	}
}

static void due(struct spread *s, struct spread_station *st, struct stamp at)
{
	st->due = true;
	if (s->due_next - s->due_first == SPREAD_DUE) {
		tell(s, st, at);
		return;
	}
	s->due[s->due_next++ % SPREAD_DUE] =
		(struct spread_due){ st->keep.key, at.ts_ns + SETTLE_S * SECOND };
}

/* As many as make a spread, and each time they have doubled. */
static void consider(struct spread *s, struct spread_station *st, struct stamp at)
{
	uint32_t n = sketch_count(st->asked, SPREAD_WORDS);
	if (!st->due && n >= s->watch->config->spread_fanout && n >= st->told * 2)
		due(s, st, at);
}

/* --- what is seen ------------------------------------------------------------------------------
 */

void spread_station_asks(struct spread *s, const struct flow *f, struct stamp at)
{
	const struct endpoint *dst = &f->end[1];
	struct spread_station *st = spread_station_find(s, &f->end[0], dst->port, f->l4);
	if (st == NULL || !st->reached || st->asked_first || same_host(dst, &st->by))
		return;
	if (!st->turned && !since(s, st, at.ts_ns))
		return;
	st->attempts++;
	st->latest = *dst;
	if (!sketch_add(st->asked, SPREAD_WORDS, hash_of(s, dst)))
		return;
	frames_add(&st->frames, at.frame);
	keep_credit(&st->keep);
	consider(s, st, at);
}

void spread_station_answered(struct spread *s, const struct flow *f)
{
	struct spread_station *st = spread_station_find(s, &f->end[0], f->end[1].port, f->l4);
	if (st != NULL && st->answers < st->attempts)
		st->answers++;
}

void spread_station_was_client(struct spread *s, const struct flow *f)
{
	bool fresh;
	const struct endpoint *server = &f->end[!f->client];
	struct spread_station *st =
		spread_station_of(s, &f->end[f->client], server->port, f->l4, &fresh);
	st->asked_first |= !st->turned;
}

/* Long ago, and nothing came of it. */
static void forget_old(const struct spread *s, struct spread_station *st, int64_t now_ns)
{
	if (st->turned || st->due || since(s, st, now_ns))
		return;
	st->reached = st->by_turned = st->relayed = false;
	st->attempts = st->answers = 0;
	memset(st->asked, 0, sizeof st->asked);
	memset(st->same, 0, sizeof st->same);
}

/* Who got it goes by who it came from last, unless that one has turned: then it stays. */
static void got(
	struct spread *s, const struct flow *f, const struct spread_said *said, struct stamp at)
{
	bool fresh;
	const struct endpoint *server = &f->end[1], *client = &f->end[0];
	struct spread_station *st = spread_station_of(s, server, server->port, f->l4, &fresh);
	const struct spread_station *from = spread_station_find(s, client, server->port, f->l4);
	bool turned = from != NULL && (from->turned || from->due);
	forget_old(s, st, at.ts_ns);
	if (st->turned || st->attempts > 0 || (st->by_turned && !turned))
		return;
	st->reached = true;
	st->reached_ns = at.ts_ns;
	st->by = *client;
	st->by_turned = turned;
	st->received = st->said & bit_of(said) ? 0 : said->hash;
	st->frames.count = 0;
	frames_add(&st->frames, at.frame);
}

void spread_station_speaks(
	struct spread *s, const struct flow *f, const struct spread_said *said, struct stamp at)
{
	bool fresh, relay = false;
	const struct endpoint *dst = &f->end[1];
	struct spread_station *st = spread_station_of(s, &f->end[0], dst->port, f->l4, &fresh);
	st->asked_first |= fresh;
	if (st->reached && said->hash != 0 && said->hash == st->received) {
		sketch_add(st->same, SPREAD_WORDS, hash_of(s, dst));
		relay = !st->relayed &&
			sketch_count(st->same, SPREAD_WORDS) >= s->watch->config->spread_fanout;
		st->relayed |= relay;
	} else {
		st->said |= bit_of(said);
	}
	got(s, f, said, at);
	spread_content_seen(s, f, said, relay, at);
}
