/* asset_pdu.c - messages of talks that are known: counted, and what is new in them. */
#include "dissectors/rare.h"
#include "sensor/asset_tell.h"

enum { S7_PORT = 102, USUAL_DECAY = 1024 };

static RARE void gain(
	struct assets *s, struct asset *a, uint32_t *bits, unsigned plant, struct stamp at)
{
	*bits |= 1U << plant;
	roster_touch(s->devices, a, RANK_PROVEN);
	asset_changed(s, a, CHANGE_ROLE, at);
}

static inline void gained(
	struct assets *s, struct asset *a, uint32_t *bits, unsigned plant, struct stamp at)
{
	if ((*bits >> plant & 1) == 0)
		gain(s, a, bits, plant, at);
}

static RARE void is_back(struct assets *s, struct asset *a, struct stamp at)
{
	const struct asset_news n = { .event = ASSET_BACK, .a = a, .jump = -1 };
	a->silent = false;
	asset_tell(s, &n, at);
	asset_changed(s, a, 0, at);
}

/* An answer: how long do these usually let us wait? */
static inline void heard(struct assets *s, struct asset *a, struct stamp at)
{
	int64_t gap = s->clock - a->heard;
	if (a->replies == 0)
		a->since = s->clock;
	else if (gap > a->usual)
		a->usual = gap;
	else
		a->usual -= (int64_t)((uint64_t)(a->usual - gap) / USUAL_DECAY);
	a->heard = s->clock;
	a->replies += a->replies < UINT32_MAX;
	a->last_ns = at.ts_ns;
	if (a->silent)
		is_back(s, a, at);
}

/* A reply of the device on that side, which serves: both have been understood. */
static RARE void on_first_reply(
	struct assets *s, const struct event *e, struct talk *t, unsigned side)
{
	struct asset *client = t->device[!side], *server = t->device[side];
	unsigned plant = t->plant;
	if (client != NULL && e->verdict.outcome != VERDICT_ORPHAN_REPLY)
		gained(s, client, &client->asks, plant, e->at);
	if (server == NULL)
		return;
	gained(s, server, &server->serves, plant, e->at);
	if (!asset_has_spoken(server, t))
		asset_spoke(s, e, server, t);
	if (t->entry.rank < RANK_PROVEN)
		roster_touch(s->talks, t, RANK_PROVEN);
	struct asset *a = asset_answered(s, plant, e, t, server);
	heard(s, server, e->at);
	if (a != server) {
		gained(s, a, &a->serves, plant, e->at);
		heard(s, a, e->at);
		t->behind[a->key.unit % TALK_UNITS] = (struct talk_unit){ a, server, a->key.unit };
	}
	t->known[side] = client != NULL && (client->asks >> plant & 1) != 0;
}

/* Who answers, where asset_answered() would learn nothing: @server, or the unit behind it. NULL: it
 * has to look. */
static inline struct asset *speaker(const struct asset_usual *u, const struct talk *t,
	const struct pdu *p, struct asset *server)
{
	if (p->present & u->tell[t->plant])
		return NULL;
	if (t->plant == PLANT_DNP3 && (p->present & u->group_bit) && p->value[u->group].u == 0)
		return NULL;
	if (p->dissector->unit_field == 0)
		return server;
	uint64_t unit = pdu_unit(p);
	if (server->units == 0)
		return server->unit == unit ? server : NULL;
	const struct talk_unit *behind = &t->behind[unit % TALK_UNITS];
	return behind->unit == unit && behind->at == server ? behind->device : NULL;
}

/* Else asset_asked() has to look at it. */
static inline bool asks_as_usual(const struct asset_usual *u, unsigned plant, const struct pdu *p,
	const struct asset *client)
{
	return (uint32_t)p->code < 64 && (u->asked[plant] >> p->code & 1) && client->polls > 0 &&
	       (plant != PLANT_DNP3 || client->unit != ASSET_WHOLE);
}

static inline void on_reply(struct assets *s, const struct event *e, struct talk *t, unsigned side)
{
	struct asset *server = t->device[side];
	struct asset *a = t->known[side] ? speaker(&s->usual, t, e->pdu, server) : NULL;
	if (a == NULL) {
		on_first_reply(s, e, t, side);
		return;
	}
	if (a != server)
		heard(s, server, e->at);
	heard(s, a, e->at);
}

static inline void on_request(
	struct assets *s, const struct event *e, struct talk *t, unsigned side)
{
	struct asset *client = t->device[side], *server = t->device[!side];
	if (server != NULL)
		server->asked = s->clock;
	if (client == NULL)
		return;
	client->last_ns = e->at.ts_ns;
	if (asks_as_usual(&s->usual, t->plant, e->pdu, client))
		client->polls += client->polls < UINT32_MAX;
	else
		asset_asked(s, t->plant, e, client);
}

/* Connections of COTP: those of S7's port make a device one that serves. */
static void on_connection(struct assets *s, const struct event *e, struct talk *t)
{
	struct asset *client = t->device[0], *server = t->device[1];
	if (e->flow->end[!e->flow->client].port != S7_PORT)
		return;
	if (!asset_connected(s, e, t, client, server))
		return;
	if (client != NULL)
		gained(s, client, &client->asks, PLANT_COTP, e->at);
	if (server != NULL)
		gained(s, server, &server->serves, PLANT_COTP, e->at);
}

static inline void message(struct assets *s, const struct event *e, struct talk *t)
{
	unsigned side = e->from != e->flow->client;
	t->last_ns = e->at.ts_ns;
	t->messages++;
	/* an outstation may have connected */
	if (e->pdu->dir == PDU_REQ && (side == 0 || t->plant == PLANT_DNP3))
		on_request(s, e, t, side);
	else if (e->pdu->dir == PDU_RSP && (side == 1 || t->plant == PLANT_DNP3))
		on_reply(s, e, t, side);
}

static RARE void find_talk(struct assets *s, const struct event *e)
{
	const struct pdu *p = e->pdu;
	uint32_t met = e->from == e->flow->client ? NOTE_CLIENT : NOTE_SERVER;
	struct talk *t = *asset_note(s, e->flow) & met ? talk_of(s, e->flow) : NULL;
	if (t == NULL || t->speaks != p->dissector)
		t = asset_introduced(s, e);
	if (t == NULL || t->plant == PLANTS || p->malformed != NULL)
		return;
	talk_find_devices(s, t);
	if (t->plant != PLANT_COTP && t->speaks == p->dissector) {
		message(s, e, t);
		return;
	}
	t->last_ns = e->at.ts_ns;
	t->messages++;
	on_connection(s, e, t);
}

static inline bool is_of(const struct talk *t, const struct flow *f)
{
	const struct talk_flow *one = &t->flow[f->id % TALK_FLOWS];
	return one->flow == f && one->client == f->client;
}

/* Mostly the flow was found to be of its talk before, and the devices of that are still there. */
void asset_pdu(void *self, const struct event *e)
{
	struct assets *s = self;
	const struct flow *f = e->flow;
	uint32_t note = *asset_note(s, f), met = NOTE_CLIENT | NOTE_SERVER;
	/* Place 0, and one that was given up, are zero: of no flow. */
	struct talk *t = (struct talk *)roster_entry(s->talks, note & NOTE_TALK);
	if ((note & met) == met && is_of(t, f) && t->as_of == s->gone &&
		t->speaks == e->pdu->dissector && t->plant < PLANT_COTP &&
		e->pdu->malformed == NULL)
		message(s, e, t);
	else
		find_talk(s, e);
}
