/* beacon.c - the watcher and service `beacon`: who contacts an address of the Internet again and
 * again in the same rhythm. Regular is what most of the latest gaps between first packets are near
 * their median: a beat that is missed or a night switched off does not hide it. */
#include <stdlib.h>

#include "sensor/asks.h"
#include "sensor/asset_table.h"
#include "sensor/keep.h"
#include "sensor/limiter.h"
#include "sensor/watch.h"

#define SECOND INT64_C(1000000000)

enum {
	GAPS = 16,    /* latest, of a pair */
	ENOUGH = 12,  /* to judge by */
	BURST_S = 10, /* conversations so soon after the first are one contact */
	NEAR = 25,    /* per cent of the median */
	REGULAR = 80, /* per cent of the gaps that must be near it */
};

enum field_index { PERIOD, CONTACTS, REGULARITY, SINCE, FIELDS };

// clang-format off
static const struct field fields[] = {
	[PERIOD]     = { "beacon.period",   FIELD_REAL, "s",  "from one contact to the next: the median of the latest", NULL },
	[CONTACTS]   = { "beacon.contacts", FIELD_UINT, NULL, "so far", NULL },
	[REGULARITY] = { "beacon.regular",  FIELD_UINT, "%",  "of the latest gaps are within a quarter of that", NULL },
	[SINCE]      = { "beacon.since",    FIELD_UINT, "s",  "from the first contact to this one", NULL },
};
// clang-format on

const struct dissector beacon_service = {
	.name = "beacon",
	.fields = fields,
	.field_count = FIELDS,
	.observed = true,
};

struct rhythm {
	struct keep_entry keep;
	int64_t first_ns, last_ns;
	uint32_t contacts, told;
	int64_t gap_ns[GAPS]; /* of contact n at n % GAPS */
	uint64_t frame[EVENT_FRAMES];
};

struct beacons {
	const struct watch *watch;
	struct keep *rhythms;
};

static void *beacon_open(const struct watch *w, struct err *err)
{
	struct beacons *b = calloc(1, sizeof *b);
	if (b != NULL)
		b->rhythms = keep_new(w->config->beacon_pairs, sizeof(struct rhythm));
	if (b == NULL || b->rhythms == NULL) {
		free(b);
		err_set(err, "out of memory");
		return NULL;
	}
	b->watch = w;
	return b;
}

static void beacon_close(void *self)
{
	struct beacons *b = self;
	keep_free(b->rhythms);
	free(b);
}

static int by_length(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
	return (x > y) - (x < y);
}

/* How many per cent of the gaps are near their median. */
static unsigned regular(const struct rhythm *r, unsigned n, int64_t *median)
{
	int64_t gap[GAPS];
	unsigned near = 0;
	memcpy(gap, r->gap_ns, sizeof gap);
	qsort(gap, n, sizeof gap[0], by_length);
	*median = gap[n / 2];
	for (unsigned i = 0; i < n; i++)
		near += llabs(gap[i] - *median) <= *median / 100 * NEAR;
	return near * 100 / n;
}

static void tell(struct beacons *b, const struct flow *f, const struct rhythm *r, int64_t median,
	unsigned share, struct stamp at)
{
	struct pdu pdu;
	observation(&pdu, &beacon_service, "beacon");
	pdu_real(&pdu, PERIOD, (double)median / (double)SECOND);
	pdu_uint(&pdu, CONTACTS, r->contacts);
	pdu_uint(&pdu, REGULARITY, share);
	pdu_uint(&pdu, SINCE, (uint64_t)(at.ts_ns - r->first_ns) / SECOND);
	watch_observe_after(b->watch, f, at, &pdu, r->frame, EVENT_FRAMES);
}

static struct rhythm *rhythm_of(struct beacons *b, const struct flow *f, bool *fresh)
{
	const struct endpoint *src = &f->end[0], *dst = &f->end[1];
	uint64_t key = key_mix(b->watch->seed + 9, (uint64_t)f->l4 << 16 | dst->port);
	key = key_mix_bytes(key, src->ip.bytes, sizeof src->ip.bytes);
	key = key_end(key_mix_bytes(key, dst->ip.bytes, sizeof dst->ip.bytes));
	struct rhythm *r = keep_take(b->rhythms, key | 1, fresh);
	b->watch->counters->beacon_evicted = keep_evicted(b->rhythms);
	return r;
}

static void contact(struct beacons *b, const struct flow *f, struct stamp at)
{
	bool fresh;
	struct rhythm *r = rhythm_of(b, f, &fresh);
	int64_t gap = fresh ? 0 : (int64_t)((uint64_t)at.ts_ns - (uint64_t)r->last_ns);
	if (fresh || gap < 0) {
		struct keep_entry keep = r->keep;
		*r = (struct rhythm){ .keep = keep, .first_ns = at.ts_ns, .last_ns = at.ts_ns };
		r->frame[0] = at.frame;
		r->contacts = 1;
		return;
	}
	if (gap < BURST_S * SECOND)
		return;
	keep_credit(&r->keep);
	r->last_ns = at.ts_ns;
	r->gap_ns[(r->contacts - 1) % GAPS] = gap;
	memmove(r->frame, r->frame + 1, sizeof r->frame - sizeof r->frame[0]);
	r->frame[EVENT_FRAMES - 1] = at.frame;
	unsigned gaps = r->contacts++;
	if (gaps < ENOUGH || (r->told != 0 && r->contacts < r->told * 2))
		return;
	int64_t median;
	unsigned share = regular(r, gaps < GAPS ? gaps : GAPS, &median);
	if (share < REGULAR)
		return;
	r->told = r->contacts;
	tell(b, f, r, median, share, at);
}

static void beacon_flow(
	void *self, struct flow *f, enum flow_change change, unsigned from, struct stamp at)
{
	(void)from;
	if (change == FLOW_STARTED && flow_to_one(f) && flow_asks(f) &&
		addr_is_routable(&f->end[1].ip))
		contact(self, f, at);
}

const struct watcher beacon_watcher = {
	.name = "beacon",
	.open = beacon_open,
	.close = beacon_close,
	.flow = beacon_flow,
};
