/* view_dnp3.c - the watcher of outstations, by address and link address: clocks and indications
 * that contradict what was done to them. Spec: [1815] 4.5.2 (IIN1.4, IIN1.7), annex A, groups 50
 * and 80. */
#include <stdlib.h>

#include "dissectors/dnp3_fields.h"
#include "sensor/limiter.h"
#include "sensor/view.h"

enum {
	STATIONS = 4096, /* a power of two; two that meet in a place forget each other */
	WRITE = 2,
	SELECT = 3,
	OPERATE,
	DIRECT_OPERATE,
	RESPONSE = 129,
	UNSOLICITED,
	TIME = 50,
	INDICATIONS = 80,
	BROADCASTS = 0xfffd,
	LOOKED_AT = 16, /* items of one message */
	STUBBORN = 2,   /* responses that may still have been on their way */
};

#define SECOND_NS INT64_C(1000000000)
#define CLOCK_NS  (300 * SECOND_NS) /* clocks may differ so much */
#define SOON_NS   (10 * SECOND_NS)

/* What the master set, and the station owes to it. */
struct owed {
	uint64_t asked;  /* 1 + transaction that waits for its response */
	uint64_t flow;   /* id of the flow that it is of */
	int64_t done_ns; /* accepted; 0: not */
	uint8_t still;   /* responses since that say otherwise */
};

struct station {
	uint64_t key; /* 0: free */
	bool has_offset, has_restart, restart;
	bool cleared;      /* somebody has asked it to put the restart bit out since it was set */
	int64_t offset_ns; /* of the clock that it was given, to packet time */
	uint64_t blind;
	struct owed clear, time;
};

struct stations {
	const struct watch *watch;
	bool used; /* any of them */
	struct station station[STATIONS];
};

static struct station *station_of(struct stations *s, const struct addr *ip, uint64_t link)
{
	uint64_t key =
		key_mix(key_mix_bytes(s->watch->seed, ip->bytes, sizeof ip->bytes), link) | 1;
	struct station *st = &s->station[key >> 32 & (STATIONS - 1)];
	s->used = true;
	if (st->key != key)
		*st = (struct station){ .key = key };
	return st;
}

uint64_t dnp3_control_digest(const struct pdu *p)
{
	if (p->items.dissector == NULL ||
		(p->code != RESPONSE && (p->code < SELECT || p->code > DIRECT_OPERATE)))
		return 0;
	struct item_cursor c = p->items;
	struct item it;
	uint64_t key = 1;
	for (unsigned i = 0; i < LOOKED_AT && items_next(&c, &it); i++) {
		static const uint8_t said[] = { DNP3_ITEM_GROUP, DNP3_ITEM_VARIATION,
			DNP3_ITEM_INDEX, DNP3_ITEM_VALUE, DNP3_ITEM_CONTROL_CODE, DNP3_ITEM_REPEAT,
			DNP3_ITEM_ON_TIME, DNP3_ITEM_OFF_TIME };
		for (unsigned k = 0; k < sizeof said; k++)
			if (item_has(&it, said[k]))
				key = key_mix(key, it.value[said[k]].u);
	}
	return key;
}

/* --- what is asked of a station ---------------------------------------------------------- */

static void say(struct stations *s, const struct event *e, enum view_kind kind, const char *detail,
	uint64_t link, int64_t ns)
{
	struct view_note n = { .kind = kind,
		.flow = e->flow,
		.from = e->from,
		.at = e->at,
		.protocol = "dnp3",
		.code = e->pdu->code,
		.detail = detail,
		.has_unit = true,
		.unit = link,
		.has_seconds = ns != 0,
		.seconds = (double)ns / (double)SECOND_NS };
	view_observe(s->watch, &n);
}

static bool first_time(const struct pdu *p, int64_t *ns)
{
	struct item_cursor c = p->items;
	struct item it;
	while (p->items.dissector != NULL && items_next(&c, &it))
		if (item_has(&it, DNP3_ITEM_TIME) && it.value[DNP3_ITEM_TIME].u < INT64_C(1)
											  << 42) {
			*ns = (int64_t)it.value[DNP3_ITEM_TIME].u * 1000000;
			return true;
		}
	return false;
}

static void owe(struct owed *o, const struct event *e)
{
	*o = (struct owed){ .asked = e->has_tx ? e->tx_id + 1 : 0, .flow = e->flow->id };
}

static void set_time(struct stations *s, struct station *st, const struct event *e, uint64_t link)
{
	int64_t ns;
	if (!first_time(e->pdu, &ns))
		return;
	int64_t offset = ns - e->at.ts_ns, jump = offset - st->offset_ns;
	if (st->has_offset && (jump > CLOCK_NS || jump < -CLOCK_NS))
		say(s, e, VIEW_TIME, "the clock is set to another time than before", link, jump);
	st->has_offset = true;
	st->offset_ns = offset;
	owe(&st->time, e);
}

static void request(struct stations *s, const struct event *e)
{
	const struct pdu *p = e->pdu;
	uint64_t link = p->value[DNP3_DESTINATION].u, group = p->value[DNP3_GROUP].u;
	if (p->code != WRITE || !pdu_has(p, DNP3_GROUP) || link >= BROADCASTS)
		return;
	struct station *st = station_of(s, &e->flow->end[!e->from].ip, link);
	if (group == TIME)
		set_time(s, st, e, link);
	if (group == INDICATIONS) {
		st->cleared = true;
		owe(&st->clear, e);
	}
}

/* --- what it says ------------------------------------------------------------------------ */

/* A bit that should be out. */
static bool stubborn(struct owed *o, const struct event *e, bool set)
{
	if (o->asked != 0 && e->has_tx && o->asked == e->tx_id + 1 && o->flow == e->flow->id) {
		o->asked = 0;
		o->done_ns = e->pdu->rejected ? 0 : e->at.ts_ns;
		return false;
	}
	if (o->done_ns == 0 || !set || e->at.ts_ns - o->done_ns > SOON_NS)
		return false;
	return ++o->still == STUBBORN;
}

static void restart_bit(
	struct stations *s, struct station *st, const struct event *e, uint64_t link)
{
	bool set = pdu_has(e->pdu, DNP3_IIN_BITS + 15) && e->pdu->value[DNP3_IIN_BITS + 15].u != 0;
	uint64_t blind = e->flow->blind_bytes[0] + e->flow->blind_bytes[1];
	bool went_out = st->has_restart && st->restart && !set;
	if (went_out && !st->cleared && blind == st->blind)
		say(s, e, VIEW_INDICATION, "device restart went out and nobody had cleared it",
			link, 0);
	if (stubborn(&st->clear, e, set))
		say(s, e, VIEW_INDICATION, "device restart was cleared and is still set", link, 0);
	if (!set || !st->restart)
		st->cleared = st->cleared && st->clear.asked != 0;
	st->has_restart = true;
	st->restart = set;
	st->blind = blind;
}

/* What is wrong with a time, by the clock the station was given: events cannot be of the future,
 * and the clock itself, read back, is neither ahead nor behind. */
static const char *wrong_time(uint64_t group, int64_t ahead_ns)
{
	bool far = ahead_ns > CLOCK_NS || ahead_ns < -CLOCK_NS;
	if (group == TIME)
		return far ? "the clock shows another time than it was given" : NULL;
	return ahead_ns > CLOCK_NS ? "an event bears a time that is still to come" : NULL;
}

static void told_times(
	struct stations *s, const struct station *st, const struct event *e, uint64_t link)
{
	if (!st->has_offset || e->pdu->items.dissector == NULL)
		return;
	struct item_cursor c = e->pdu->items;
	struct item it;
	for (unsigned i = 0; i < LOOKED_AT && items_next(&c, &it); i++) {
		if (!item_has(&it, DNP3_ITEM_TIME) || it.value[DNP3_ITEM_TIME].u >> 42 != 0)
			continue;
		int64_t ns = (int64_t)it.value[DNP3_ITEM_TIME].u * 1000000;
		int64_t ahead = ns - e->at.ts_ns - st->offset_ns;
		const char *wrong = wrong_time(it.value[DNP3_ITEM_GROUP].u, ahead);
		if (wrong == NULL)
			continue;
		say(s, e, VIEW_TIME, wrong, link, ahead);
		return;
	}
}

/* IIN2.0: the function is not known; then there is nothing to answer it with. */
static bool answers_the_unknown(const struct pdu *p)
{
	if (p->code != RESPONSE || !pdu_has(p, DNP3_IIN_BITS) || p->value[DNP3_IIN_BITS].u == 0)
		return false;
	struct item_cursor c = p->items;
	struct item it;
	return items_next(&c, &it);
}

static void response(struct stations *s, const struct event *e)
{
	const struct pdu *p = e->pdu;
	uint64_t link = p->value[DNP3_SOURCE].u;
	if (!pdu_has(p, DNP3_IIN))
		return;
	struct station *st = station_of(s, &e->flow->end[e->from].ip, link);
	bool need = pdu_has(p, DNP3_IIN_BITS + 12) && p->value[DNP3_IIN_BITS + 12].u != 0;
	restart_bit(s, st, e, link);
	if (stubborn(&st->time, e, need))
		say(s, e, VIEW_INDICATION, "the clock was set and is still asked for", link, 0);
	if (answers_the_unknown(p))
		say(s, e, VIEW_INDICATION, "the function is not known, and is answered with data",
			link, 0);
	told_times(s, st, e, link);
}

/* --- the watcher ------------------------------------------------------------------------- */

static void on_pdu(void *self, const struct event *e)
{
	struct stations *s = self;
	const struct pdu *p = e->pdu;
	if (p->malformed != NULL || p->code == PDU_NO_CODE || (p->flags & PDU_OVERLAP))
		return;
	if (p->code == RESPONSE || p->code == UNSOLICITED)
		response(s, e);
	else if (p->dir == PDU_REQ)
		request(s, e);
}

/* The next capture may be of another plant and another day. */
static void on_finish(void *self, struct stamp now)
{
	struct stations *s = self;
	(void)now;
	if (s->used)
		memset(s->station, 0, sizeof s->station);
	s->used = false;
}

static void *on_open(const struct watch *w, struct err *err)
{
	if (w->options->command != NULL)
		return NULL;
	struct stations *s = calloc(1, sizeof *s);
	if (s == NULL)
		err_set(err, "out of memory");
	else
		s->watch = w;
	return s;
}

static const struct dissector *const reads[] = { &dnp3_dissector, NULL };

const struct watcher station_watcher = {
	.name = "station",
	.open = on_open,
	.close = free,
	.reads = reads,
	.pdu = on_pdu,
	.finish = on_finish,
};
